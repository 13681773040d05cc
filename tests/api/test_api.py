"""The public names: what they write, what they refuse, and what importing them costs."""

from __future__ import annotations

import inspect
import io
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from ast import literal_eval
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from small_programs import colah, film, graph, picture, two_outputs

import graphviz_ad as gad
from graphviz_ad._internal.api import api
from graphviz_ad._internal.base.errors import (
    GradOutputsError,
    GraphvizADError,
    MissingDependencyError,
    NoTensorError,
    SaveError,
    UnknownNameError,
)
from graphviz_ad._internal.base.registry import Registry
from graphviz_ad._internal.output.format_table import FILMS, STILLS
from graphviz_ad._internal.tracing.assembly import saved as saved_tensors
from graphviz_ad._internal.tracing.tape.torch_private import TELLS_HOOKS


def is_svg(path: Path) -> bool:
    return ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def is_image(path: Path) -> bool:
    with Image.open(path) as image:
        image.load()
        return min(image.size) > 50


def is_something(path: Path) -> bool:
    """What is asked of a format that the table below has nothing to say about."""
    return path.stat().st_size > 0


LOOKS_RIGHT: dict[str, Callable[[Path], bool]] = dict.fromkeys([*STILLS, *FILMS], is_something) | {
    ".svg": is_svg,
    ".png": is_image,
    ".gif": is_image,
    ".webp": is_image,
    ".mp4": lambda path: path.read_bytes()[4:8] == b"ftyp",
    ".webm": lambda path: path.read_bytes()[:4] == b"\x1a\x45\xdf\xa3",
    ".pdf": lambda path: path.read_bytes().startswith(b"%PDF-") and path.read_bytes().rstrip().endswith(b"%%EOF"),
    ".dot": lambda path: (
        re.search(r"^digraph\b.*\{.*\}\s*$", path.read_text("utf-8"), re.DOTALL | re.MULTILINE) is not None
    ),
    ".gv": lambda path: path.read_text("utf-8").rstrip().endswith("}"),
    ".html": lambda path: path.read_text("utf-8").lower().startswith("<!doctype html>"),
    ".json": lambda path: isinstance(json.loads(path.read_text("utf-8")), dict),
    ".graphml": lambda path: ElementTree.parse(path).getroot().tag.endswith("graphml"),
    ".tikz": lambda path: r"\begin{tikzpicture}" in path.read_text("ascii"),
    ".pgf": lambda path: r"\begin{pgfpicture}" in path.read_text("ascii"),
    ".tex": lambda path: r"\gadfilm" in path.read_text("ascii"),
    ".pptx": lambda path: path.read_bytes().startswith(b"PK"),
    ".reveal.html": lambda path: path.read_text("ascii").startswith("<section>"),
    ".vtt": lambda path: path.read_text("utf-8").startswith("WEBVTT") and " --> " in path.read_text("utf-8"),
    ".qmd": lambda path: ":::" in path.read_text("utf-8"),
    ".txt": lambda path: "step 1/" in path.read_text("utf-8"),
    ".md": lambda path: "\n1. " in path.read_text("utf-8"),
}


# --- files


@pytest.mark.parametrize("suffix", STILLS)
def test_a_picture_is_written_as_its_suffix_says(suffix: str, tmp_path: Path) -> None:
    path = picture("colah").save(tmp_path / f"p{suffix}")
    assert path == tmp_path / f"p{suffix}"
    assert LOOKS_RIGHT[suffix](path)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", FILMS)
def test_a_film_is_written_as_its_suffix_says(suffix: str, tmp_path: Path) -> None:
    path = film("square").save(tmp_path / f"f{suffix}")
    assert LOOKS_RIGHT[suffix](path)
    beside = {".tex": {"f-film.pdf"}, ".qmd": {"f-film.svg", "f-film.png"}}.get(suffix, set())
    assert {file.name for file in tmp_path.iterdir()} == {path.name} | beside


def test_a_suffix_may_be_in_capitals(tmp_path: Path) -> None:
    assert is_svg(picture("square").save(str(tmp_path / "p.SVG")))


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf"])
def test_a_frame_is_written_as_its_suffix_says(suffix: str, tmp_path: Path) -> None:
    assert LOOKS_RIGHT[suffix](film("square").frame(2).save(tmp_path / f"f{suffix}"))


def test_a_frame_of_a_film_has_the_size_of_a_slide(tmp_path: Path) -> None:
    with Image.open(film("square").frame(-1).save(tmp_path / "f.png")) as image:
        assert image.size == (1280, 720)


@pytest.mark.parametrize("suffix", [".svg", ".gif", ".html"])
def test_a_graph_saves_itself_as_a_film_where_the_format_is_one(suffix: str, tmp_path: Path) -> None:
    path = graph("square").save(tmp_path / f"g{suffix}", layout="layered")
    assert LOOKS_RIGHT[suffix](path)
    assert ("step" in path.read_text("utf-8", "ignore")) == (suffix == ".html") or suffix == ".gif"


# --- refusals


def folder(path: Path) -> Path:
    path.mkdir()
    return path


REFUSALS: dict[str, tuple[Callable[[Path], Any], type[Exception], str]] = {
    "unknown suffix": (
        lambda p: picture("square").save(p / "x.jpeg"),
        UnknownNameError,
        r"no still format named '\.jpeg'.*Choose from: .*\.svg",
    ),
    "no suffix": (lambda p: picture("square").save(p / "x"), UnknownNameError, r"no still format named ''"),
    "a film as dot": (lambda p: film("square").save(p / "x.dot"), UnknownNameError, r"no film format named '\.dot'"),
    "a still as gif": (
        lambda p: picture("square").save(p / "x.gif"),
        UnknownNameError,
        r"no still format named '\.gif'",
    ),
    "unknown theme": (
        lambda p: graph("square").plot(theme="drak").save(p / "x.svg"),
        UnknownNameError,
        r"no theme named 'drak'; did you mean 'dark'\?",
    ),
    "unknown layout": (
        lambda p: graph("square").plot(layout="neato").save(p / "x.svg"),
        UnknownNameError,
        r"no layout named 'neato'",
    ),
    "unknown direction": (
        lambda p: graph("square").plot(direction="RL").save(p / "x.svg"),
        UnknownNameError,
        r"no direction named 'RL'",
    ),
    "unknown pass": (
        lambda p: graph("square").animate("up").save(p / "x.gif"),
        UnknownNameError,
        r"no direction named 'up'.*backward, both, forward",
    ),
    "unknown flow": (
        lambda p: graph("square").animate(flow="RL").save(p / "x.gif"),
        UnknownNameError,
        r"no direction named 'RL'",
    ),
    "unknown leaf": (
        lambda p: graph("square").plot(wrt="xx").save(p / "x.svg"),
        UnknownNameError,
        r"no node named 'xx'.*x",
    ),
    "no speed": (lambda p: graph("square").animate(speed=0).save(p / "x.gif"), ValueError, r"speed=0 is no speed"),
    "speed that is no number": (
        lambda p: graph("square").animate(speed=float("nan")).save(p / "x.gif"),
        ValueError,
        r"speed=nan is no speed",
    ),
    "missing folder": (
        lambda p: picture("square").save(p / "no" / "x.svg"),
        SaveError,
        r"create it first|make the folder",
    ),
    "a folder": (lambda p: picture("square").save(folder(p / "x.svg")), SaveError, r"is a folder, not a file"),
    "no tensor": (lambda p: gad.trace(lambda x: 3, 1.0).save(p / "x.svg"), NoTensorError, r"."),
    "upstream of a wrong shape": (
        lambda p: gad.trace(lambda x: x * 2, [1.0, 2.0], grad_outputs=torch.ones(3)),
        GradOutputsError,
        r"3",
    ),
    "capture level": (lambda p: gad.Capture(values="all"), UnknownNameError, r"no capture level named 'all'"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_cannot_be_done_is_refused_with_a_reason_and_leaves_nothing_behind(name: str, tmp_path: Path) -> None:
    act, error, message = REFUSALS[name]
    with pytest.raises(error, match=message) as caught:
        act(tmp_path)
    assert isinstance(caught.value, GraphvizADError | ValueError)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("index", [-14, 13, 99])
def test_a_frame_that_does_not_exist_is_an_index_error(index: int) -> None:
    with pytest.raises(IndexError, match=f"frame {index} does not exist; the film has 13 steps"):
        film("colah").frame(index)


def test_a_failure_in_the_middle_of_drawing_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.svg"
    path.write_text("old")
    monkeypatch.setattr(gad.Picture, "to_svg", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        picture("square").save(path)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["x.svg"]


# --- pictures and films


def test_a_picture_is_the_same_twice_and_a_graph_is_not_changed_by_drawing() -> None:
    before = graph("seed").to_json()
    assert graph("seed").to_svg(layout="layered") == graph("seed").to_svg(layout="layered")
    assert graph("seed").to_json() == before


def test_options_choose_what_is_written() -> None:
    def roles(**options: Any) -> set[str]:
        scene = graph("colah").plot(layout="layered", **options).scene
        return {line.role for part in (*scene.boxes, *scene.arrows) for line in part.lines} & {
            "value",
            "gradient",
            "local",
            "contribution",
        }

    assert roles() == roles(with_all=True) == {"value", "gradient", "local", "contribution"}
    assert roles(values=False) == {"gradient", "local", "contribution"}
    assert roles(gradients=False) == {"value", "local"}
    assert roles(local=False) == {"value", "gradient", "contribution"}
    assert roles(values=False, gradients=False, local=False) == set()
    assert roles(with_all=False) == set()
    assert roles(values=False, with_all=True) == roles(values=False)
    assert roles(values=True, with_all=False) == {"value"}


def test_colouring_a_leaf_gives_each_path_a_number() -> None:
    arrows = graph("colah").plot(wrt="b", layout="layered").scene.arrows
    assert {arrow.trails for arrow in arrows} == {(), (0,), (1,)}
    assert {arrow.trails for arrow in graph("colah").plot(wrt="a", layout="layered").scene.arrows} == {(), (0,)}


def test_a_drawing_goes_across_or_down() -> None:
    across, down = (graph("colah").plot(direction=direction, layout="layered").scene for direction in ("LR", "TB"))
    assert (across.direction, down.direction) == ("LR", "TB")
    assert across.size is not None
    assert down.size is not None
    assert across.size[0] / across.size[1] > down.size[0] / down.size[1]


def test_transforms_run_before_drawing() -> None:
    def only_leaves(traced: gad.Graph) -> gad.Graph:
        return traced.with_parts((node for node in traced.node_list if node.kind == "leaf"), ())

    assert len(graph("colah").plot(transforms=[only_leaves], layout="layered").scene.boxes) == 2


def test_a_transcript_has_a_line_a_step() -> None:
    made = film("colah")
    lines = made.transcript().splitlines()
    assert len(lines) == len(made.steps)
    assert lines[2] == "step 3/13 · forward: c = a + b = 2 + 1 = 3"
    assert lines[11] == (
        "step 12/13 · backward: de/db = sum of 2 contributions = 3 + 2 = 5"
        " — Sum over paths: what comes back along all of them is added up."
    )
    assert repr(made) == f"<Animation of colah: 13 steps, {made.duration:.0f} s>"


def test_a_frame_is_a_pure_function_of_its_index() -> None:
    made = film("colah")
    first = made.frame(5).to_svg()
    made.frame(9).to_svg()
    assert made.frame(5).to_svg() == first
    assert made.frame(-8).to_svg() == first


def test_showing_gives_the_thing_itself_and_in_a_script_says_how_to_see_it() -> None:
    with pytest.warns(
        gad.GraphvizADWarning, match=r"shows itself in notebooks only.*save\('picture\.svg'\) writes a file"
    ):
        assert picture("square").show() is picture("square")
    with pytest.warns(gad.GraphvizADWarning, match=r"save\('film\.html'\)"):
        assert film("square").show() is film("square")
    assert repr(picture("square")) == picture("square").scene.alt


# --- notebooks


@pytest.mark.parametrize("show", ["plot", "animate"])
def test_a_cell_shows_a_classroom_graph_in_less_than_a_hundred_kilobytes(show: str) -> None:
    for name in ("seed", "colah"):
        bundle = getattr(graph(name), show)()._repr_mimebundle_()
        assert (
            {"text/plain", "text/html"}
            <= set(bundle)
            <= {"text/plain", "text/html", "image/svg+xml", "application/pdf", "image/png"}
        )
        assert all(isinstance(part, str) and part for part in bundle.values())  # what is binary comes in base64
        assert sum(len(part.encode()) for part in bundle.values()) < 100 * 1024, name


# --- the classroom entry point


def test_the_classroom_entry_point_plots_animates_and_saves(tmp_path: Path) -> None:
    lesson = gad.TorchGraph(colah, [2.0, 1.0])
    bare, full = lesson.plot(layout="layered"), lesson.plot(with_all=True, layout="layered")
    assert len(bare.to_svg()) < len(full.to_svg())
    assert not any(line.role in ("value", "gradient", "local") for box in bare.scene.boxes for line in box.lines)
    assert [step.phase for step in lesson.animate(direction="forward").steps].count("backward") == 0
    assert [step.phase for step in lesson.animate(direction="backward").steps].count("forward") == 0
    assert lesson.animate().steps == lesson.graph.animate().steps
    assert lesson.save(tmp_path / "l.svg").exists()
    assert "text/html" in lesson._repr_mimebundle_()


def test_the_classroom_entry_point_takes_upstream_gradients() -> None:
    lesson = gad.TorchGraph(two_outputs, [4.0], grad_outputs=[torch.tensor(4.0), torch.tensor(8.0)])
    grad = lesson.graph.find("x").grad
    assert grad is not None
    assert grad.item() == 3.0


def test_what_is_not_installed_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    traced = gad.trace(lambda x: x * x, 2.0)
    for module in ("graphviz", "sympy"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match="'graphviz', which is not installed; run: pip install graphviz"):
        gad.make_dot(torch.ones(1, requires_grad=True) * 2)
    assert "pip install 'graphviz-ad[symbolic]'" in str(traced.compare_methods())


@pytest.mark.parametrize(
    ("module", "package", "used"),
    [
        ("networkx", "networkx", lambda traced: traced.nx),
        ("networkx", "networkx", lambda traced: traced.save(io.BytesIO(), format="graphml")),
        ("matplotlib", "matplotlib", lambda traced: traced.plot().save(io.BytesIO(), format="png")),
        ("PIL", "pillow", lambda traced: traced.animate().save(io.BytesIO(), format="gif")),
        ("fontTools", "fonttools", lambda traced: traced.plot().save(io.BytesIO(), format="pdf")),
        ("sympy", "sympy", lambda traced: gad.trace(lambda x: x * x, torch.tensor([2.0j], requires_grad=True))),
    ],
)
def test_of_what_is_needed_and_is_not_there_it_is_said_what_installs_it(
    module: str, package: str, used: Callable[[gad.Graph], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    traced = gad.trace(lambda x: x * x, 2.0)
    importing = ("graphviz_ad._internal.renderers.", "torch.fx.experimental.symbolic_shapes", f"{module}.")
    for name in [name for name in sys.modules if name.startswith(importing)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        MissingDependencyError, match=f"'{package}', which is not installed; run: pip install {package}"
    ):
        used(traced)


def test_a_first_picture_waits_for_nothing_that_it_does_not_show() -> None:
    rooms = "film check diagnosis explain sheets diagrams compat ranks teaching renderers cli"
    code = f"""
import sys
import graphviz_ad as gad
print({{"torch", "matplotlib"}} & {{*sys.modules}})
import torch
torch.func.grad(len)  # for which old versions import sympy
before = {{*sys.modules}}
model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU())
gad.trace(model, torch.ones(2, 3)).plot().to_svg()
print({{"sympy", "matplotlib", "networkx", "wasmtime", "PIL", "tomllib", "numpy.ma"}} & {{*sys.modules}} - before)
ours = [name.removeprefix("graphviz_ad._internal.") for name in sys.modules if name.startswith("graphviz_ad")]
print(*sorted(name for name in ours if "." in name and name.partition(".")[0] in {rooms.split()}))
print(*sorted(set(gad.__all__) - set(dir(gad))), [name for name in gad.__all__ if not hasattr(gad, name)])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600)
    bare, others, loaded, names = done.stdout.splitlines()
    assert (bare, others) == ("set()", "set()")
    # values, on which methods are put, and what writes an SVG
    assert loaded.split() == [
        "diagnosis.finding_sentences",
        "diagnosis.findings",
        "diagnosis.history",
        "explain.explanation",
        "renderers.svg",
        "renderers.svg.still",
    ]
    assert names == "[]"


def test_a_package_that_is_there_and_broken_is_not_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "pptx"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lxml", None)
    movie = gad.trace(lambda x: x * x, 2.0).animate()
    with pytest.raises(MissingDependencyError, match=r"'python-pptx', which cannot be imported \(.*lxml"):
        movie.save(io.BytesIO(), format="pptx")


def test_an_error_of_the_program_about_what_it_imports_stays_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sympy", None)

    def program(x: torch.Tensor) -> torch.Tensor:
        import sympy

        return x * sympy.pi

    with pytest.raises(ModuleNotFoundError):
        gad.trace(program, 2.0)


def test_make_dot_gives_source_without_running_a_backward_pass() -> None:
    x = torch.tensor(2.0, requires_grad=True)
    y = x * x
    source = gad.make_dot(y, params={"x": x}).source
    assert source.lstrip().startswith(("digraph", "strict digraph"))
    assert "×" in source
    assert x.grad is None


@pytest.mark.parametrize("tells", sorted({TELLS_HOOKS, False}), ids="torch tells: {}".format)
def test_make_dot_shows_what_autograd_keeps_and_unpacks_no_tensor(tells: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_tensors, "TELLS_HOOKS", tells)
    unpacked: list[object] = []
    x = torch.ones(2, 3, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: tensor, lambda tensor: unpacked.append(tensor) or tensor
    ):
        y = torch.softmax(x.sum(1, keepdim=True), dim=0).pow(3).mean()
    plain, full = gad.make_dot(y).source, gad.make_dot(y, show_attrs=True, show_saved=True).source
    told = ("exponent: 3", "keepdim: True", "dim: 0")
    assert [words for words in told if words in plain] == []
    assert [words for words in told if words not in full] == []
    known = [": self", ": result"]  # of pow and softmax; sum and mean keep no tensor
    assert kept_lines(full) == (known if tells else [": unknown"] * 2)
    assert "self_sym_sizes: (2, …" in gad.make_dot(y, show_attrs=True, max_attr_chars=5).source
    assert "saved" not in gad.make_dot(y, show_attrs=True).source
    assert unpacked == []
    y.backward()
    assert "exponent: 3" in gad.make_dot(y, show_attrs=True).source  # freed, and its numbers still there


def kept_lines(source: str) -> list[str]:
    """What the boxes say of saved tensors, the last operation first."""
    return re.findall(r">saved(: [^<]*)<", source)[::-1]


def test_reports_print_as_a_table() -> None:
    report = graph("seed").check()
    assert report.ok
    assert str(report).splitlines()[0].startswith("node")
    assert len(str(report).splitlines()) == len(report.rows) + 2
    assert str(report).splitlines()[-1].startswith("2 of 2")
    ten = gad.Snapshot((), "float64", np.asarray(10.0))
    nodes = [
        replace(node, ports=(replace(node.ports[0], grad=ten),)) if node.name == "b" else node
        for node in graph("colah").node_list
    ]
    wrong = graph("colah").with_parts(nodes, graph("colah").edges)
    assert not wrong.check().ok
    assert "NO" in str(wrong.check())


# --- the surface

FOR_IPYTHON = {"load_ipython_extension", "unload_ipython_extension"}  # which finds them by their names


def test_the_public_names_are_those_of_all() -> None:
    assert {"trace", "plot", "animate", "TorchGraph", "trackable_function", "make_dot", "Graph", "Capture"} <= set(
        gad.__all__
    )
    code = "import graphviz_ad as gad; print(*[name for name in dir(gad) if not name.startswith('_')])"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert set(found) == set(gad.__all__) - {"__version__"} | FOR_IPYTHON
    assert {name for name in dir(gad.transforms) if not name.startswith("_")} == set(gad.transforms.__all__)


def test_nothing_becomes_public_by_being_used() -> None:
    code = (
        "import graphviz_ad as gad, graphviz_ad.__main__, io\nfrom graphviz_ad._internal.cli.commands import main\ng ="
        " gad.trace(lambda x: x * x, 3.0)\ng.plot(wrt='x').save(io.BytesIO(), format='png'); g.animate().to_html();"
        " g.explain('x').to_html(); g.check(); g.compare_methods()\ngad.compare(g, g); gad.merge([g]);"
        " gad.gallery.colah().plot(); main(['doctor'])\nprint({name for name in dir(gad) if not name.startswith('_')} ^"
        " set(gad.__all__))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert literal_eval(done.stdout.splitlines()[-1]) == {"__version__", *FOR_IPYTHON}


def public_members() -> list[tuple[str, Any]]:
    found = []
    for name in gad.__all__:
        thing = getattr(gad, name)
        if callable(thing):
            found.append((name, thing))
        if inspect.isclass(thing):
            members = [(key, value) for key, value in vars(thing).items() if not key.startswith("_")]
            found += [
                (f"{name}.{key}", value) for key, value in members if callable(value) or isinstance(value, property)
            ]
    return found


@pytest.mark.parametrize(("name", "thing"), public_members(), ids=[name for name, _ in public_members()])
def test_everything_public_says_what_it_does(name: str, thing: Any) -> None:
    assert (inspect.getdoc(thing) or "").strip(), name


@pytest.mark.parametrize("function", [api.plot, api.animate], ids=["plot", "animate"])
def test_options_are_keyword_only(function: Callable[..., Any]) -> None:
    positional = [p.name for p in inspect.signature(function).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == (["graph"] if function is api.plot else ["graph", "direction"])
    assert all(option in (function.__doc__ or "") for option in ("flow", "speed")) or function is api.plot


@pytest.mark.parametrize("registry", [STILLS, FILMS], ids=["stills", "films"])
def test_every_registered_format_can_be_imported(registry: Registry) -> None:
    assert all(callable(registry[name]) for name in registry)


def test_importing_is_light_and_touches_neither_network_nor_screen() -> None:
    code = (
        "import socket, sys\ndef refuse(*a, **k): raise AssertionError('network')\nsocket.socket.connect ="
        " refuse\nimport graphviz_ad\nheavy = {'torch', 'matplotlib', 'PIL', 'networkx', 'wasmtime', 'IPython',"
        " 'tkinter', 'graphviz', 'transformers'}\nprint(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_drawing_needs_no_screen_and_tracing_no_algebra() -> None:
    code = (
        "import graphviz_ad as gad, sys\n"
        "film = gad.trace(lambda x: x * x, 3.0).animate(layout='layered')\n"
        "print(len(film.frame(0).to_svg()) > 1000, 'tkinter' in sys.modules, 'sympy' in sys.modules)\n"
    )
    bare = {"PATH": "", "PYTHONPATH": str(Path(gad.__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600, env=bare
    )
    assert done.stdout.split() == ["True", "False", "False"]
