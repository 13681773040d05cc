"""The gallery: every number is torch's and the source's, every entry can be drawn, and what a picture claims was
really seen.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import graphviz_ad as gad
from graphviz_ad import gallery
from graphviz_ad._internal.cli import commands as cli
from graphviz_ad._internal.output.chart import Chart
from graphviz_ad._internal.scene.annotations import stopped_at, with_failure
from graphviz_ad._internal.scene.canvas import Label, Rect
from graphviz_ad._internal.scene.font_metrics import text_width
from graphviz_ad._internal.scene.scene_building import build_scene
from graphviz_ad._internal.scene.words.describe import words_of_graph
from graphviz_ad._internal.scene.words.names import mathematical_names
from graphviz_ad._internal.teaching.examples import Entry, Example
from graphviz_ad._internal.teaching.gallery_page import page
from graphviz_ad._internal.teaching.program_runs import run
from graphviz_ad._internal.teaching.shown_parts import Shot

ENTRIES = gallery.entries()
CLASSICS = gallery.entries("classics")
BELIEFS = gallery.entries("misconceptions")
CASES = (
    "cs231n_xyz cs231n_sigmoid_gates cs231n_patterns colah baydin seed_adnumber d2l_dot d2l_vector d2l_detach"
    " pt_blitz_q pt_leaf karpathy_L ani_sin ani_task ani_max ani_branch seed_poly broadcast_bias square_parallel"
    " sigmoid_chain"
)


def named(entry: Entry) -> str:
    return entry.name


@cache
def example(name: str) -> Example:
    return getattr(gallery, name)()  # type: ignore[no-any-return]


@cache
def picture(name: str) -> Chart:
    return example(name).plot(layout="layered")


@cache
def texts(name: str) -> str:
    labels = [mark for mark in picture(name).canvas.marks if isinstance(mark, Label)]
    lines, heading = [], ""
    for (is_row, *_), row in groupby(labels, lambda mark: (mark.part.startswith("cell."), mark.owner, mark.y)):
        if is_row:  # cells of a grid, after what it is called
            lines.append(f"{heading} [{', '.join(mark.text for mark in row)}]".lstrip())
            continue
        for mark in row:
            heading = mark.text if mark.part.startswith("heading.") else ""
            lines.append(mark.text)
    return "\n".join(lines)


# --- the numbers


@pytest.mark.parametrize("entry", CLASSICS, ids=named)
def test_a_classic_has_the_values_of_its_source(entry: Entry) -> None:
    graph = example(entry.name).graph
    assert entry.expected.values
    for name, value in entry.expected.values.items():
        found = graph.find(name).value
        assert found is not None, name
        assert found.array is not None, name
        np.testing.assert_allclose(found.array, value, rtol=1e-12, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("entry", CLASSICS, ids=named)
def test_a_classic_has_the_gradients_of_its_source(entry: Entry) -> None:
    graph = example(entry.name).graph
    assert {node.name for node in graph.node_list if node.kind == "leaf"} <= set(entry.expected.grads)
    for name, value in entry.expected.grads.items():
        found = graph.find(name).grad
        if value is None:
            assert found is None, name
            continue
        assert found is not None, name
        assert found.array is not None, name
        np.testing.assert_allclose(found.array, value, rtol=1e-12, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("entry", CLASSICS, ids=named)
def test_torch_alone_computes_what_a_classic_expects(entry: Entry) -> None:
    assert entry.program is not None
    leaves = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in entry.inputs.values()]
    results = entry.program(*leaves)
    outputs = results if isinstance(results, tuple) else (results,)
    fed = (
        entry.grad_outputs
        if isinstance(entry.grad_outputs, list) and isinstance(results, tuple)
        else [entry.grad_outputs]
    )
    seeds = [
        torch.ones_like(output) if seed is None else torch.tensor(seed, dtype=torch.float64)
        for output, seed in zip(outputs, fed, strict=True)
    ]
    grads = torch.autograd.grad(outputs, leaves, seeds)
    for name, grad in zip(entry.inputs, grads, strict=True):
        np.testing.assert_allclose(grad.numpy(), entry.expected.grads[name], rtol=1e-12, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("entry", CLASSICS, ids=named)
def test_the_gradients_of_a_classic_add_up(entry: Entry) -> None:
    assert example(entry.name).graph.check().ok


@pytest.mark.parametrize("entry", [entry for entry in BELIEFS if entry.expected.grads], ids=named)
def test_a_belief_is_settled_by_gradients_worked_out_by_hand(entry: Entry) -> None:
    graph = example(entry.name).graph
    for name, value in entry.expected.grads.items():
        grad = graph.find(name).grad
        assert grad is not None
        assert grad.array is not None
        np.testing.assert_allclose(grad.array, value, rtol=1e-6, err_msg=name)


def test_every_worked_example_is_there() -> None:
    assert set(CASES.split()) <= {entry.name for entry in CLASSICS}
    assert len(CLASSICS) >= 40


def test_every_row_has_one_entry() -> None:
    assert [entry.number for entry in BELIEFS] == list(range(1, 21))


# --- what the pictures say


BOUND = torch.zeros((), requires_grad=True)
AT_A_BOUND = f"{torch.autograd.grad(BOUND.clamp(min=0.0), BOUND)[0].item():g}"  # versions of torch differ

SAID: dict[str, tuple[str, ...]] = {
    "intermediate_grad": ("y.grad: None (not retained)", "y.grad: 12", ".grad 36", "grad 12"),
    "lost_leaf": (
        "w.is_leaf: False",
        "w.is_leaf: True",
        "w.grad: None (not retained)",
        ".grad [0.5, 0.5]",
        ".grad [1, 1]",
    ),
    "backward_adds": ("72 + 72 = 144", "144 + 72 = 216", "x.grad.zero_()", "this pass 72", ".grad 216"),
    "fan_out": (".grad · 1 of 2", ".grad · 2 of 2", ".grad 5", "= 3 + 2"),
    "second_backward": (
        "keeps x",
        "let go of what it kept",
        "keeps nothing",
        "⚠ stopped here",
        "⚠ RuntimeError: Trying to backward through",
        ".grad 2",
    ),
    "shared_prefix": (
        "let go of what it kept",
        "⚠ stopped here",
        ".grad 24",
        ".grad 32",
        "⚠ RuntimeError: Trying to backward through",
    ),
    "retain_graph_is_no_cure": ("this pass 36", ".grad 72", ".grad 36", "keeps y", "4 MB", "0 B"),
    "backward_of_a_vector": (
        "⚠ RuntimeError: grad can be implicitly",
        ".grad [0, 2, 4, 6]",
        ".grad [0, 0.2, 0.04, 0.006]",
        "seed [1, 0.1, 0.01, 0.001]",
    ),
    "four_ways_to_stop": (
        "✂ detach",
        "✂ no_grad",
        ".grad [0, 1, 4]",
        ".grad [0, 0, 0]",
        "kept at version 0, now at 1",
        ".grad [1, 1]",
        "⚠ stopped here",
    ),
    "in_place": (
        "kept at version 0, now at 1",
        "y₀: kept at version 0, now at 1",
        ".grad 14.78",
        "⚠ RuntimeError: a leaf Variable that requires grad",
    ),
    "broadcast_gradient": ("Σ = b.grad", "9", "12", "← Σ [9, 12]"),
    "max_and_ties": (
        "tie: 0.5 to each",
        "tie: 1 to one of 2",
        "kink: slope 0",
        f"kink: slope {AT_A_BOUND}",
        ".grad [1, 0]",
        ".grad [0.5, 0.5]",
        ".grad 0.5",
    ),
    "nothing_stored_forward": ("keeps s", "grad ·", ".grad ·", "∂y", "∂s", "= −0.8391"),
    "value_of_the_loss": ("1004", ".grad −12", "Marked: 0 value: 0 ≠ 1000; L value: 4 ≠ 1004"),
    "no_gradient_is_not_zero": ("x.grad: None (does not require grad)", "c.grad: 0", "grad —", ".grad 0"),
    "where_and_nan": (".grad NaN", "∂r", "∂x", "= ∞", "← NaN", ".grad 0"),
    "not_run_is_not_zero": (
        "grad ·",
        "grad 0",
        "grad NaN",
        "grad None",
        "grad —",
        "NaN",
        "None (not retained)",
        "None (does not require grad)",
    ),
    "swapped_by_multiplication": (".grad 20", ".grad 0.5", ".grad 2000"),
    "vanishing": ("6.763e−4", "0.002705", "0.01151", "0.05065", "0.2248", "1"),
    "shared_weights": ("← 0.1112", "← 0.1679", "← 0.3378", "0.6169"),
    "graph_freed": ("⚠ stopped here", "let go of what it kept", ".grad 12"),
    "changed_in_place": ("⚠ stopped here", "kept at version 0, now at 1"),
    "nothing_requires_grad": ("w.requires_grad: False", "⚠ stopped here"),
    "shapes_do_not_fit": ("⚠ raised here", "2 × 3"),
    "accumulated_twice": ("this pass 4", ".grad 8"),
    "detach": ("✂ detach", ".grad [3, 12]", ".grad [1, 4]"),
    "data": (".grad 5.437", ".grad 0"),
    "no_grad": ("✂ no_grad", ".grad 27", ".grad 9"),
    "retain_graph": (".grad 12", ".grad 24", "⚠ stopped here", "let go of what it kept", "keeps x"),
    "zero_grad": (".grad −8", ".grad −4"),
}


@pytest.mark.parametrize("name", SAID)
def test_the_picture_says_what_settles_it(name: str) -> None:
    lines = texts(name).split("\n")
    for said in SAID[name]:
        assert any(line == said or line.startswith(said) for line in lines), said


def test_five_kinds_of_nothing_have_five_marks() -> None:
    rows = [
        mark.text
        for mark in picture("not_run_is_not_zero").canvas.marks
        if isinstance(mark, Label) and mark.part == "cell"
    ][3:]
    told = {rows[i]: rows[i + 1] for i in range(0, len(rows), 3)}
    assert told == {
        "grad ·": "None",
        "grad 0": "0",
        "grad NaN": "NaN",
        "grad 1": "None (not retained)",
        "grad None": "None",
        "grad —": "None (does not require grad)",
    }


@pytest.mark.parametrize(
    ("name", "variable", "beginning"),
    [
        ("graph_freed", "z", "RuntimeError: Trying to backward through the graph a second time"),
        ("shared_prefix", "y", "RuntimeError: Trying to backward through the graph a second time"),
        (
            "changed_in_place",
            "y",
            (
                "RuntimeError: one of the variables needed for gradient computation has been modified by an inplace"
                " operation"
            ),
        ),
        ("nothing_requires_grad", "y", "RuntimeError: element 0 of tensors does not require grad"),
        ("shapes_do_not_fit", "Y", "RuntimeError: mat1 and mat2 shapes cannot be multiplied"),
    ],
)
def test_the_place_where_a_program_stopped_is_found(name: str, variable: str, beginning: str) -> None:
    view = example(name).views[0]
    assert isinstance(view, Shot)
    (stopped,) = stopped_at(view.graph)
    assert stopped.name == variable
    (box,) = [box for box in with_failure(build_scene(words_of_graph(view.graph)), view.graph).boxes if box.warning]
    assert box.key == stopped.key
    assert view.error.startswith(beginning)
    assert view.code[view.raised or 0].strip() in ("z.backward()", "y.backward()", "loss.backward()", "Y = X @ H")


def test_of_several_operations_that_the_engine_had_come_to_the_one_that_raised_is_marked() -> None:
    def program() -> dict[str, Any]:
        x = torch.tensor(2.0, requires_grad=True)
        a = torch.exp(x)
        b = torch.sin(x)
        c = a + b
        a.zero_()
        c.backward()
        return locals()

    done = run(program)
    (stopped,) = stopped_at(done.graph)
    assert "output 0 of Exp" in done.error
    assert stopped.op == "exp"
    assert done.graph.find("b").backward_order is not None  # it came first, and ran


def test_an_error_heading_is_what_torch_says() -> None:
    for entry in gallery.entries("errors"):
        view = example(entry.name).views[0]
        assert isinstance(view, Shot)
        quoted = re.fullmatch("“(.*)”", entry.heading)
        assert (quoted[1] in view.error) if quoted else not view.error


def test_the_user_s_own_error_is_drawn_with_its_place_and_its_words() -> None:
    with pytest.raises(RuntimeError, match="second time") as caught, gad.record():  # noqa: PT012
        x = torch.tensor(2.0, requires_grad=True)
        y = torch.exp(x)
        z = y * y
        z.backward()
        z.backward()
    drawn = caught.value.graph.plot(layout="layered")  # type: ignore[attr-defined]
    warned = [box for box in drawn.scene.boxes if box.warning]
    assert [[line.text for line in box.lines if "⚠" in line.text] for box in warned] == [["⚠ stopped here"]]
    assert warned[0].lines[0].text == "z = y·y"
    assert len([note for note in drawn.scene.notes if "second time" in note]) == 1
    # the first pass did its work
    assert ".grad 109.2" in [line.text for box in drawn.scene.boxes for line in box.lines]


# --- the programs


@pytest.mark.parametrize("entry", ENTRIES, ids=named)
def test_an_entry_says_what_it_is(entry: Entry) -> None:
    assert entry.name.isidentifier()
    assert 3 < len(entry.heading) < 110
    assert 30 < len(entry.lesson) < 330
    assert entry.source or entry.chapter != "classics"


@pytest.mark.parametrize("entry", ENTRIES, ids=named)
def test_the_code_on_a_picture_is_the_code_that_ran(entry: Entry) -> None:
    shown = [line for view in example(entry.name).views for line in code_of(view)]
    assert shown
    assert not any("return locals()" in line or "def " in line for line in shown)
    written = Path(
        sys.modules[f"graphviz_ad._internal.teaching.galleries.{module_of(entry)}"].__file__ or ""
    ).read_text("utf-8")
    for line in shown:
        assert line.strip() in written


def code_of(view: Any) -> tuple[str, ...]:
    return tuple(line for code in getattr(view, "codes", ()) for line in code) or getattr(view, "code", ())


def module_of(entry: Entry) -> str:
    return next(
        module
        for modules in gallery.CHAPTERS.values()
        for module in modules
        if entry.name in vars(sys.modules[f"graphviz_ad._internal.teaching.galleries.{module}"])
    )


def test_a_run_has_the_variables_and_the_line_that_raised() -> None:
    def program() -> dict[str, Any]:
        x = torch.tensor(2.0, requires_grad=True)
        y = [x * 2, x * 3]
        torch.stack(y).backward()
        return locals()

    done = run(program)
    assert done["x"].item() == 2
    assert done.code[done.raised or 0] == "torch.stack(y).backward()"
    assert done.error.startswith("RuntimeError: grad can be implicitly created")


def test_other_inputs_can_be_tried_and_nothing_is_claimed_of_them() -> None:
    tried = gallery.colah(a=10)
    assert tried.graph.find("e").value.item() == 22
    assert tried.expected.grads == {}
    assert tried.lesson == ""
    assert tried.source == "after C. Olah: Calculus on Computational Graphs, 2015"
    with pytest.raises(gad.GraphvizADError, match="did you mean 'a'"):
        gallery.colah(aa=10)
    with pytest.raises(gad.GraphvizADError, match="It has no inputs"):
        gallery.fan_out(a=10)


# --- the pictures


@pytest.mark.parametrize("entry", ENTRIES, ids=named)
def test_everything_is_inside_the_picture_and_nothing_is_cut_short(entry: Entry) -> None:
    canvas = picture(entry.name).canvas
    assert canvas.width < 1500
    for mark in canvas.marks:
        if isinstance(mark, Label):
            wide = text_width(mark.text, mark.size, mark.bold)
            left = mark.x - {"start": 0.0, "middle": wide / 2, "end": wide}[mark.anchor]
            assert left >= -0.5, mark.text
            assert left + wide <= canvas.width + 0.5, mark.text
            assert mark.size <= mark.y <= canvas.height, mark.text
            assert len(mark.text) < 160, mark.text
            assert mark.size > 8
        elif isinstance(mark, Rect):
            assert mark.x >= 0
            assert mark.x + mark.width <= canvas.width
            assert mark.y + mark.height <= canvas.height


@pytest.mark.parametrize("entry", ENTRIES, ids=named)
def test_an_entry_is_drawn_the_same_twice(entry: Entry) -> None:
    assert entry().plot(layout="layered").to_svg() == picture(entry.name).to_svg()


@pytest.mark.parametrize("entry", ENTRIES, ids=named)
def test_an_entry_has_a_film(entry: Entry) -> None:
    film = example(entry.name).animate(layout="layered")
    assert len(film.steps) > 1
    assert film.frame(-1).to_svg()


def test_the_panels_of_a_sheet_do_not_overlap() -> None:
    for entry in ENTRIES:
        frames = [
            mark
            for mark in picture(entry.name).canvas.marks
            if isinstance(mark, Rect) and mark.part in ("panel", "table")
        ]
        for i, a in enumerate(frames):
            for b in frames[:i]:
                apart = a.x >= b.x + b.width or b.x >= a.x + a.width or a.y >= b.y + b.height or b.y >= a.y + a.height
                assert apart, entry.name


def test_an_example_can_be_saved_and_shows_itself(tmp_path: Path) -> None:
    made = example("colah")
    assert made.save(tmp_path / "colah.svg", layout="layered").read_text("utf-8").startswith("<?xml")
    assert made.save(tmp_path / "colah.png", layout="layered").read_bytes().startswith(b"\x89PNG")
    assert made.save(tmp_path / "colah.gif", layout="layered").read_bytes().startswith(b"GIF8")
    bundle = made._repr_mimebundle_()
    assert "One variable, two paths" in str(bundle["text/plain"])
    assert "image/svg+xml" in bundle


# --- the names


@pytest.mark.parametrize("entry", ENTRIES, ids=named)
def test_a_lesson_speaks_of_the_names_that_its_picture_shows(entry: Entry) -> None:
    said = set(re.findall(r"\w+", f"{entry.heading} {entry.lesson}"))
    for graph in example(entry.name).graphs:
        names = mathematical_names(graph)
        shown = {name for called in names.results.values() for name in called}
        assert not ({typed for key, typed in names.typed.items() if typed != names.of[key]} - shown) & said


def test_the_gallery_is_listed_without_torch() -> None:
    program = (
        "import sys, graphviz_ad as gad; print(len(gad.gallery.entries()), 'torch' in sys.modules, 'matplotlib' in"
        " sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert told.split() == [str(len(ENTRIES)), "False", "False"]


def test_names_are_offered_and_wrong_ones_explained() -> None:
    assert {"colah", "fan_out", "graph_freed", "detach", "entries", "build"} <= set(dir(gallery))
    assert (
        len({entry.name for entry in ENTRIES})
        == len(ENTRIES)
        == sum(len(gallery.entries(chapter)) for chapter in gallery.CHAPTERS)
    )
    with pytest.raises(AttributeError, match="did you mean 'colah'"):
        _ = gallery.cola
    with pytest.raises(AttributeError):
        _ = gallery.__nothing__
    with pytest.raises(gad.GraphvizADError, match="no chapter"):
        gallery.entries("classic")
    assert repr(gallery.colah) == "<colah: One variable, two paths>"


def test_a_folder_is_built_with_a_page(tmp_path: Path) -> None:
    written = gallery.build(tmp_path / "made", ["colah", "pairs"], layout="layered", theme="dark")
    assert [path.name for path in written] == [
        "colah.svg",
        "detach.svg",
        "data.svg",
        "no_grad.svg",
        "retain_graph.svg",
        "zero_grad.svg",
        "index.html",
    ]
    html = written[-1].read_text("utf-8")
    for path in written[:-1]:
        assert f'src="{path.name}"' in html
    assert "://" not in html
    with pytest.raises(gad.GraphvizADError, match="cannot make the folder"):
        gallery.build(tmp_path / "not" / "there", ["colah"])


def test_the_page_has_chapters_small_pictures_and_a_search_and_leads_nowhere_else() -> None:
    html = page([*ENTRIES[::-1]], ".svg")
    ids, links = re.findall(r' id="([^"]*)"', html), re.findall(r' href="([^"]*)"', html)
    assert sorted(ids) == sorted({*gallery.CHAPTERS, "all", *(entry.name for entry in ENTRIES)})
    assert {link[1:] for link in links if link.startswith("#")} == set(ids)
    assert {link for link in links if not link.startswith("#")} == {f"{entry.name}.svg" for entry in ENTRIES}
    assert html.count('class="card"') == html.count("<article") == len(ENTRIES)
    assert html.count("<section") == len(gallery.CHAPTERS)
    assert 'type="search"' in html
    film = page([*ENTRIES], ".mp4")
    assert "<img" not in film
    assert 'href="colah.mp4"' in film


def test_the_page_escapes_what_it_is_given() -> None:
    hostile = Entry("colah", "classics", "<script>", 'a "lesson" & more', "</p>", lambda _: ())
    html = page([hostile], ".svg")
    assert html.count("<script>") == 1  # its own
    assert "&lt;script&gt;" in html
    assert "&quot;lesson&quot; &amp; more" in html


def cli_run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def go(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(["gallery", *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return go


def test_the_command_line_lists_and_builds(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    go = cli_run(capsys)
    code, out, _ = go()
    assert code == 0
    assert len(out.splitlines()) == len(ENTRIES)
    code, out, _ = go("colah")
    assert "together 5" in out
    assert "C. Olah" in out
    code, _, err = go("colah", "-o", str(tmp_path / "g"), "--format", "png", "--layout", "layered")
    assert (code, err) == (0, f"wrote 2 files to {tmp_path / 'g'}\n")
    assert {path.name for path in (tmp_path / "g").iterdir()} == {"colah.png", "index.html"}
    code, _, err = go("cola")
    assert code == 2
    assert "did you mean 'colah'" in err
    assert go("colah", "-o", str(tmp_path / "g"), "--format", "xyz")[0] == 2
