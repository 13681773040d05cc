"""The program beside the picture: the line that is lit is the line that was recorded, the window moves seldom, and what
stands in the source does no harm anywhere.
"""

from __future__ import annotations

import io
import json
import linecache
import re
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from needed_tools import needs_package
from small_programs import PROGRAMS, network
from small_programs import graph as traced
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import GraphFormatError
from graphviz_ad._internal.film.story import tell
from graphviz_ad._internal.graph.graph_files import from_json
from graphviz_ad._internal.renderers.html.player import player_page
from graphviz_ad._internal.renderers.pages.pdf import film_pdf
from graphviz_ad._internal.scene.canvas import Canvas, Label, Rect
from graphviz_ad._internal.scene.font_metrics import mono_width
from graphviz_ad._internal.scene.paint import paint_frame
from graphviz_ad._internal.scene.program_panel import OWNER, Row, lit_rows, windows, wrapped
from graphviz_ad._internal.scene.scene import Lit, Step
from graphviz_ad._internal.scene.words.describe import words_of_graph

CLASSICS = ("two_paths_and_a_quotient", "cs231n_circuit", "softmax_cross_entropy", "vanishing_sigmoids")


def cell(h: Tensor, x: float, w: Tensor) -> Tensor:
    mixed = (
        w * h
        + x
    )  # fmt: skip
    return torch.tanh(mixed)


def looped(w: Tensor) -> Tensor:
    h = torch.tensor(0.1)
    for x in (0.5, -1.0):
        h = cell(h, x, w)
    loss = (h - 0.3) ** 2
    return loss


@cache
def graphs() -> dict[str, gad.Graph]:
    """What stories are told of here."""
    known = {entry.name: entry for entry in gad.gallery.entries()}
    shown = [name for name in CLASSICS if name in known] or list(known)[:4]
    return {
        **{name: traced(name) for name in PROGRAMS},
        "looped": gad.trace(looped, 0.5),
        "network": network(),
        **{name: known[name]().graphs[0] for name in shown},
    }


def place(source: str | None) -> tuple[str, int] | None:
    """File and line of a recorded place."""
    if source is None:
        return None
    file, _, line = source.rpartition(":")
    return file, int(line)


def computed_in(graph: gad.Graph, step: Step) -> set[str | None]:
    """Where the operations that a step is about were recorded, by the changes that it makes."""
    changed = {change.key: change.emphasis for change in step.changes}
    backward = [edge.head for edge in graph.edges if changed.get(edge.key) == "active-backward"]
    forward = [key for key, emphasis in changed.items() if key in graph.nodes and emphasis == "active"]
    return {graph.nodes[key].source for key in backward or forward}


@pytest.mark.parametrize("name", [*PROGRAMS, "looped", "network"])
def test_the_line_that_is_lit_is_the_one_that_was_recorded(name: str) -> None:
    for_each_step(graphs()[name])


def test_it_is_in_the_gallery() -> None:
    for name in set(graphs()) - {*PROGRAMS, "looped", "network"}:
        for_each_step(graphs()[name])


def for_each_step(graph: gad.Graph) -> None:
    seen = 0
    for step in tell(words_of_graph(graph)).steps:
        lit = [one for one in step.lit if not one.calls]
        told = [place(source) for source in computed_in(graph, step)]
        flows = any(change.emphasis == "active-backward" for change in step.changes)
        if step.phase == "forward" and None in told:  # the inputs: the head of the function
            assert all(graph.program[one.part].head == (one.first, one.last) for one in lit)
        elif step.phase == "forward" or flows:
            found = {(graph.program[one.part].file, one.first, one.last) for one in lit}
            for file, line in filter(None, told):
                assert any(file == own and first <= line <= last for own, first, last in found), step.caption
            assert len(found) <= len(set(told))
            seen += bool(found)
        for one in step.lit:
            assert graph.program[one.part].first <= one.first <= one.last <= graph.program[one.part].last
    assert seen >= len([node for node in graph.node_list if node.kind == "op"])


def test_a_function_that_is_called_has_the_lines_of_its_callers_marked() -> None:
    graph = graphs()["looped"]
    step = next(step for step in tell(words_of_graph(graph)).steps if step.caption[0].startswith("v₁ ="))
    lines = {}
    for one in step.lit:
        part = graph.program[one.part]
        lines[one.calls] = part.lines[one.first - part.first : one.last - part.first + 1]
    assert [line.strip() for line in lines[False]] == ["mixed = (", "w * h", "+ x", ")  # fmt: skip"]
    assert [line.strip() for line in lines[True]] == ["h = cell(h, x, w)"]


def test_a_sum_lights_the_lines_that_send_its_parts() -> None:
    steps = tell(words_of_graph(traced("fan_out"))).steps
    (step,) = [step for step in steps if "contributions" in step.caption[0]]
    first = traced("fan_out").program[0].first
    assert [one.first - first for one in step.lit] == [1, 2, 4]  # a = 2 * x, b = torch.sin(x), return c - x


def test_a_recorded_block_is_shown_as_it_stands_in_its_function() -> None:
    x = torch.tensor(2.0, requires_grad=True)
    with gad.record() as rec:
        y = x * x
        y.backward()
    (part,) = rec.graph.program
    assert part.function.endswith("test_a_recorded_block_is_shown_as_it_stands_in_its_function")
    (lit,) = next(step.lit for step in tell(words_of_graph(rec.graph)).steps if step.caption[0] == "y = x·x")
    assert part.lines[lit.first - part.first].strip() == "y = x * x"


# --- where there is no source


def test_each_step_of_a_training_lights_the_lines_that_did_it() -> None:
    w = torch.tensor(1.0, requires_grad=True)
    optimizer = torch.optim.SGD([w], 0.1, momentum=0.9)
    with gad.record() as recorded:
        for _ in range(2):
            error = 2 * w - 6
            loss = error**2
            loss.backward()
            torch.nn.utils.clip_grad_norm_([w], 5.0)
            optimizer.step()
            w.grad = None
    film = recorded.graph.animate(code=True, layout="layered").film
    assert film.program is not None
    at = {(line.part, line.number): line.text.strip() for line in film.program.lines}
    lit = [
        (step.phase, {at[one.part, n] for one in step.lit for n in range(one.first, one.last + 1)})
        for step in film.steps
    ]
    assert [lines for phase, lines in lit if phase == "clipping"] == [{"torch.nn.utils.clip_grad_norm_([w], 5.0)"}] * 2
    assert {*map(frozenset, (lines for phase, lines in lit if phase == "update"))} == {frozenset({"optimizer.step()"})}
    computed = {"error = 2 * w - 6", "loss = error**2"}
    for phase in ("forward", "backward"):
        assert set().union(*(lines for each, lines in lit if each == phase)) == computed
    assert [lines for phase, lines in lit if phase == "forward"][-1] == computed  # told at once


def function_of(source: str, file: str, *, readable: bool) -> Callable[..., Any]:
    """A function of a source that is, or is not, to be had."""
    names: dict[str, Any] = {"torch": torch}
    exec(compile(source, file, "exec"), names)
    if readable:
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    found: Callable[..., Any] = names["f"]
    return found


def test_where_there_is_no_source_this_is_said_and_nothing_is_beside() -> None:
    unseen = function_of("def f(x):\n    return x * x\n", "<string of nobody>", readable=False)
    with pytest.warns(gad.GraphvizADWarning, match="code=True shows nothing"):
        film = gad.trace(unseen, 2.0).animate(code=True)
    assert film.film.program is None
    assert film.film.panel is None
    assert not [mark for mark in film.frame(3).canvas.marks if mark.owner == OWNER]


def test_a_source_that_has_changed_since_is_not_shown() -> None:
    file = "<changed>"
    f = function_of("def f(x):\n    y = x * x\n    return y\n", file, readable=True)
    other = "def f(x):\n    z = x + 3\n    return z\n"
    linecache.cache[file] = (len(other), None, other.splitlines(keepends=True), file)
    try:
        assert gad.trace(f, 2.0).program == ()
    finally:
        del linecache.cache[file]


# --- the panel


@cache
def filmed() -> gad.Animation:
    return graphs()["looped"].animate(code=True, layout="layered")


def words(canvas: Canvas, part: str) -> Iterator[Label]:
    for mark in canvas.marks:
        if isinstance(mark, Label) and mark.owner == OWNER and mark.part.startswith(part):
            yield mark


@pytest.mark.parametrize("size", [(1280, 720), (960, 720), (640, 360)])
def test_the_panel_holds_its_lines_beside_the_stage(size: tuple[int, int]) -> None:
    film = filmed().film
    for index in range(len(film.steps)):
        canvas = paint_frame(film, index, size)
        (ground,) = [m for m in canvas.marks if isinstance(m, Rect) and m.owner == OWNER and m.part == "ground"]
        stage = film.rooms(size).stage
        assert ground.x + ground.width <= stage.x
        for label in words(canvas, "line"):
            assert label.x + mono_width(label.text, label.size) <= ground.x + ground.width
            assert ground.y <= label.y <= ground.y + ground.height
            assert label.size >= 14 * size[1] / 720
        lit = [m for m in canvas.marks if isinstance(m, Rect) and m.owner == OWNER and m.part == "lit"]
        assert bool(lit) == any(not one.calls for one in film.steps[index].lit)


@given(
    lits=st.lists(st.tuples(st.integers(0, 39), st.integers(0, 3)), min_size=1, max_size=30),
    room=st.integers(4, 15),
)
def test_the_window_moves_only_where_it_must(lits: list[tuple[int, int]], room: int) -> None:
    rows = tuple(Row(0, i, i + 1, "") for i in range(40))
    told = tuple((Lit(0, first + 1, min(first + more, 39) + 1),) for first, more in lits)
    starts = windows(rows, tuple(range(1, 41)), told, room)
    before = None
    for lit, start in zip(told, starts, strict=True):
        wanted = list(lit_rows(rows, range(1, 41), lit))
        assert 0 <= start <= 40 - room
        assert start <= wanted[0]
        assert wanted[-1] < start + room
        assert before is None or start == before or not (before <= wanted[0] and wanted[-1] < before + room)
        before = start


@given(st.text(max_size=90), st.integers(8, 40))
def test_a_line_that_is_too_long_goes_on_in_the_next_row(text: str, columns: int) -> None:
    parts = list(wrapped(text, columns))
    assert parts[0] + "".join(part[4:] for part in parts[1:]) == text


def test_a_graph_that_was_loaded_shows_the_same() -> None:
    graph = graphs()["looped"]
    loaded = from_json(graph.to_json())
    assert loaded.program == graph.program
    assert loaded.statements == graph.statements
    data = json.loads(graph.to_json())
    data["statements"][0]["part"] = 7
    with pytest.raises(GraphFormatError, match="part"):
        from_json(json.dumps(data))


# --- every format

HOSTILE = "def f(x):\n    y = x * x  # </script><b>&amp; \"' --> \\end{document} $%#_{} \u202e\n    return y.sin()\n"


def test_every_format_shows_the_program_and_takes_no_harm() -> None:
    film = gad.trace(function_of(HOSTILE, "<hostile>", readable=True), 2.0).animate(code=True, layout="layered")
    page = player_page(film.film, film.theme)
    assert "<b>&amp; " not in page
    assert page.count("</script>") == 3
    assert [step["lit"][0] for step in film_steps(page)][2] == [1]
    for svg in (film.to_svg(), film.frame(2).to_svg(), film.frame(2).to_tikz()):
        assert "return y.sin()" in svg
    assert b"DejaVuSansMono" in film_pdf(film.film, film.theme)
    pixels = film.frame(2).canvas
    assert any(mark.mono for mark in pixels.marks if isinstance(mark, Label))


def film_steps(page: str) -> list[dict[str, Any]]:
    data = re.search(r'class="gad-data">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    steps: list[dict[str, Any]] = json.loads(data[1])["steps"]
    return steps


def test_a_deck_has_the_program_as_shapes_of_their_own() -> None:
    needs_package("pptx")
    from graphviz_ad._internal.renderers.pages.slides import step_slides

    film = filmed()
    with zipfile.ZipFile(io.BytesIO(step_slides(film.film, film.theme))) as deck:
        slide = deck.read("ppt/slides/slide4.xml").decode()
    assert 'name="program"' in slide
    assert "Courier New" in slide
    assert "h = cell(h, x, w)" in slide
