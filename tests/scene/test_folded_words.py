"""Pictures of models: a type stands where it changes, a module says what its results are like, a norm has one form."""

from __future__ import annotations

import html
import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

import graphviz_ad as gad
from graphviz_ad._internal.api.still_plans import name_to_open
from graphviz_ad._internal.graph.box_contents import parts_of
from graphviz_ad._internal.graph.box_facts import OF_MODULE, OF_OPERATION, Part, Step
from graphviz_ad._internal.graph.copy_results import norms_of_results
from graphviz_ad._internal.graph.fold_boxes import fold_to_boxes, short_name
from graphviz_ad._internal.graph.gradient_sizes import EXPLODES, VANISHES, far_ends, far_off, worst_of_runs
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.notice_sentences import line_of_span, sentence
from graphviz_ad._internal.graph.notices import CAME_UP, GRADIENTS_OFF, IN_ALL_BOXES, notice
from graphviz_ad._internal.graph.other_passes import with_other_passes
from graphviz_ad._internal.graph.repeats import PARAMETERS, RESULT, copies_named
from graphviz_ad._internal.graph.small_print import small_print
from graphviz_ad._internal.scene.bundles import said_of
from graphviz_ad._internal.scene.canvas import Canvas, Label, Rect
from graphviz_ad._internal.scene.charts import chart_marks, chart_size
from graphviz_ad._internal.scene.leaf_copies import copy_of, reads_of_pairs
from graphviz_ad._internal.scene.paint import LEGEND, MISSED, legend_items, legend_rows, wrap_legend
from graphviz_ad._internal.scene.parameter_buses import with_parameter_buses
from graphviz_ad._internal.scene.scene import Box, Grid, Line, Scene
from graphviz_ad._internal.scene.scene_building import build_scene
from graphviz_ad._internal.scene.words import copy_charts, short_text
from graphviz_ad._internal.scene.words.box_steps import lines_of_steps, words_of
from graphviz_ad._internal.scene.words.cards import lines_of_contents, lines_of_groups
from graphviz_ad._internal.scene.words.copy_charts import Scales, chart_of, heights, scales_of, told_of_copies
from graphviz_ad._internal.scene.words.describe import Options, words_of_graph
from graphviz_ad._internal.scene.words.names import graph_names
from graphviz_ad._internal.scene.words.statement_text import in_short


def convolutions() -> nn.Module:
    same = nn.Conv2d(4, 4, 3, padding=1)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), same, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 49, 2))


def lines(box: Box, *roles: str) -> list[str]:
    return [line.text for line in box.lines if line.role in roles]


def typed(scene: Scene) -> dict[str, str]:
    """Key of an arrow -> the type that stands on it."""
    return {arrow.key: line.text for arrow in scene.arrows for line in arrow.lines if line.role == "type"}


def changing(graph: Graph) -> set[str]:
    """The arrows out of what has a type that it was not given, of which a box does not write the elements."""
    found = set()
    for edge in graph.edges:
        tail = graph.nodes[edge.tail]
        given = [graph.nodes[e.tail] for e in graph.in_edges(tail.key)]
        shapes = {node.ports[0].shape for node in given if node.kind != "leaf"}
        if given and tail.ports[0].shape not in shapes:
            found.add(edge.key)
    return found


@pytest.mark.parametrize("direction", ["LR", "TB"])
def test_types_stand_on_the_arrows_where_they_change_and_nowhere_else(direction: str) -> None:
    torch.manual_seed(0)
    picture = gad.trace(convolutions(), torch.randn(2, 3, 16, 16)).plot(depth=1, direction=direction, layout="layered")
    assert {*typed(picture.scene)} == changing(picture.graph)
    assert "f32[2,4,14,14]" in typed(picture.scene).values()
    for node in picture.graph.node_list:
        texts = lines(picture.scene.box_by_key[node.key], "value", "statistic")
        has_type = any(text.startswith("f32[") for text in texts)
        assert has_type == (node.kind == "data" or node.is_output or node.kind == "leaf"), texts


def test_every_module_says_what_its_results_are_like() -> None:
    torch.manual_seed(0)
    scene = gad.trace(convolutions(), torch.randn(2, 3, 16, 16)).plot(boxes=4, fit="slide").scene
    modules = [box for box in scene.boxes if box.kind == "module"]
    assert modules
    for box in modules[:-1]:
        (said,) = lines(box, "statistic")
        assert said.startswith("mean ")


def test_a_mean_is_said_once() -> None:
    torch.manual_seed(0)
    scene = gad.trace(convolutions(), torch.randn(8, 3, 16, 16)).plot(depth=1, layout="layered").scene
    for box in scene.boxes:
        said = [text.removeprefix("mean ") for text in lines(box, "statistic")]
        assert not any(mean in text for mean in said for text in lines(box, "value")), box.lines


def test_whole_numbers_have_no_statistic() -> None:
    table = nn.Embedding(9, 4)

    def program(tokens: Tensor) -> Tensor:
        return table(tokens.flip(0).roll(1)).sum()

    scene = gad.trace(program, torch.arange(9)).plot(boxes=2, fit="slide").scene
    assert not any(line.text.startswith("mean") for box in scene.boxes if box.kind == "data" for line in box.lines)


def test_the_norm_of_a_gradient_stands_in_the_box_of_every_parameter_that_is_not_written_out() -> None:
    torch.manual_seed(0)
    graph = gad.trace(convolutions(), torch.randn(2, 3, 16, 16))  # of weights of 108, 144 and 392 numbers
    scene = graph.plot(layout="layered").scene
    for node in graph.node_list:
        if node.kind == "leaf" and node.ports[0].value is not None and node.ports[0].value.numel > 100:
            said = lines(scene.box_by_key[node.key], "gradient")
            assert said[0].startswith("‖.grad‖ "), said


def test_results_that_are_called_the_same_are_one_line_and_parameters_are_told_of() -> None:
    torch.manual_seed(0)
    layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(6)])

    def program(x: Tensor) -> Tensor:
        kept = []
        for layer in layers:
            x = layer(x).tanh()
            kept.append(x)
        return torch.stack(kept).sum()

    picture = gad.trace(program, torch.randn(3, 4)).plot(boxes=2)
    (repeat,) = (node for node in picture.graph.node_list if node.copies is not None)
    box = picture.scene.box_by_key[repeat.key]
    assert sum(text.startswith("6 × ") for text in lines(box, "value", "statistic")) <= 1
    assert any("6 × x: mean" in text for text in lines(box, "value", "statistic"))
    assert any(text.startswith("‖grad of params‖") for text in lines(box, "gradient"))
    said = [*picture.scene.notes, *(text for each in picture.scene.boxes for text in lines(each, "gradient"))]
    assert not any("grad of parameters" in text for text in said)
    assert any("‖grad of params‖ of 6 leaf modules: least" in text for text in picture.scene.notes)
    assert len(lines(box, "value", "statistic")) < 6


def test_paths_of_parameters_are_shortened_alike_in_all_formulas() -> None:
    model = nn.Sequential(nn.Linear(3, 3))
    graph = gad.trace(lambda x: model(x).sum(), torch.randn(2, 3))
    names = graph_names(graph)
    said = {names.operand(edge) for edge in graph.edges if graph.nodes[edge.tail].kind == "leaf"}
    assert said == {"0.weight", "0.bias"}  # of model.0.weight, which is too long, and of model.0.bias, which is not


def test_all_names_of_one_parameter_are_one_line() -> None:
    same = nn.Linear(3, 3)
    model = nn.ModuleDict({"a": same, "b": same, "c": same})
    graph = gad.trace(lambda x: model["c"](model["b"](model["a"](x))).sum(), torch.randn(2, 3))
    assert graph.notices == (
        "model.b.weight, model.c.weight are the same parameter as model.a.weight.",
        "model.b.bias, model.c.bias are the same parameter as model.a.bias.",
    )


def test_results_of_a_box_are_called_as_in_the_program_or_by_what_made_them() -> None:
    torch.manual_seed(0)
    cell = nn.LSTMCell(4, 8)

    def program(steps: Tensor) -> Tensor:
        h, c = torch.zeros(2, 8), torch.zeros(2, 8)
        for x in steps:
            h, c = cell(x, (h, c))
        return h.sum()

    picture = gad.trace(program, torch.randn(60, 2, 4)).plot(fit="slide")
    (box,) = (box for box in picture.scene.boxes if box.name == "prepared data" and box.kind != "copy")
    texts = lines(box, "value", "statistic")
    assert [text.partition(" ")[0] for text in texts[:2]] == ["h", "c"]
    assert any(text.startswith("60 × steps[i]: mean ") for text in texts)
    assert not any("result " in text for text in texts)
    assert "number" in picture.scene.legend


def test_what_is_open_behind_a_name_is_most_of_what_is_closed_and_a_click_opens_it_too() -> None:
    cell, out = nn.LSTMCell(2, 2), nn.Linear(2, 1)

    def read(steps: Tensor) -> Tensor:
        state = torch.zeros(1, 2), torch.zeros(1, 2)
        for x in steps:
            state = cell(x, state)
        return out(state[0]).sum()

    torch.manual_seed(0)
    graph = fold_to_boxes(gad.trace(read, torch.randn(14, 1, 2)), 6)
    (parts,) = (note for note in graph.notes if note.kind == "parts in boxes")
    box = max(graph.node_list, key=lambda node: node.inside)
    assert (parts["opens"], parts["first"], name_to_open(graph, box)) == ("cell", False, "cell")
    assert any('plot(expand="cell"), or a click in a page, opens cell.' in text for text in graph.notices)
    (rest,) = (note for note in graph.notes if note.kind == "flows inside")
    assert sentence(rest).startswith(f"{len(rest.subjects)} × lstm_cell are also used inside")


def test_a_box_behind_an_open_copy_says_which_copies_it_is() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2))

    def step(y: Tensor) -> Tensor:
        k = net(y)
        m = net(y + 0.1 / 2 * k)
        return y + 0.1 / 6 * (k + 2 * m)

    def solve(y: Tensor) -> Tensor:
        for _ in range(20):
            y = step(y)
        return y.sum()

    torch.manual_seed(0)
    graph = fold_to_boxes(gad.trace(solve, torch.randn(2)), 30)
    (box,) = (node for node in graph.node_list if node.copies is not None and node.copies.whole is not None)
    assert box.op == f"step() {21 - box.copies.count} … 20"
    assert box.copies.first == f"{21 - box.copies.count}"


def test_a_line_says_what_it_calls_and_how_often_and_where_another_pass_begins_is_a_mark() -> None:
    torch.manual_seed(0)
    critic, judge = nn.Sequential(nn.Linear(2, 4), nn.LeakyReLU(), nn.Linear(4, 1)), nn.BCEWithLogitsLoss()
    maker = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2))
    model = nn.ModuleDict({"maker": maker, "critic": critic})
    both = [torch.optim.SGD(part.parameters(), lr=0.1) for part in (maker, critic)]
    real, noise = torch.randn(3, 2), torch.randn(3, 2)
    with gad.record(model) as recorded:
        fake = maker(noise)
        seen = judge(critic(real), torch.ones(3, 1)) + judge(critic(fake.detach()), torch.zeros(3, 1))
        seen.backward()
        both[1].step()
        loss = judge(critic(fake), torch.ones(3, 1))
        loss.backward()
        both[0].step()
    graph = fold_to_boxes(with_other_passes(recorded.graph), 10)
    begun = [node for node in graph.node_list if any(port.begins for port in node.ports)]
    assert [node.op for node in begun][:1] == ["seen: critic ×2, BCE ×2, +"]
    assert len(begun) == 2
    assert {box.key for box in build_scene(words_of_graph(graph)).boxes if box.double} == {node.key for node in begun}


@pytest.mark.parametrize("spreads", [False, True])
def test_infinities_that_come_to_no_gradient_are_said_to_go_no_further(spreads: bool) -> None:
    layers = nn.ModuleList([nn.Linear(3, 3) for _ in range(20)])

    def program(x: Tensor) -> Tensor:
        logs = torch.log(torch.zeros(3))
        bias = logs if spreads else torch.where(torch.isinf(logs), torch.zeros(3), logs)
        for layer in layers:
            x = layer(x).tanh()
        return (x + bias).sum()

    torch.manual_seed(0)
    graph = fold_to_boxes(gad.trace(program, torch.randn(3)))
    (told,) = (note for note in graph.notes if note.kind == IN_ALL_BOXES)
    assert (told["what"], told["spreads"]) == ("−∞", spreads)
    assert ("goes no further: to no output, and to no gradient." in sentence(told)) is not spreads


def test_few_lines_stand_below_a_picture_of_folds_and_none_of_its_sentences_is_lost() -> None:
    torch.manual_seed(0)
    shared = nn.Linear(3, 3)
    model = nn.ModuleDict({"one": shared, "two": shared, **{str(i): nn.Linear(3, 3) for i in range(30)}})

    def program(x: Tensor) -> dict[str, Tensor]:
        for part in model.values():
            x = part(x).tanh()
        x.exp()
        return {"loss": x.square().mean(), "logits": x, "odd one": x + 1}

    graph = gad.trace(program, torch.randn(2, 3))
    picture = graph.plot(fit="slide")
    kinds = {note.kind for note in picture.graph.notes}
    assert {"started from one output alone", "unused", "parts in boxes", IN_ALL_BOXES} <= kinds
    scene = picture.scene
    assert 1 <= len(scene.notes) <= 3
    assert {*picture.graph.notices} <= {*scene.notes, *scene.more}
    file = io.BytesIO()
    picture.save(file, format=".html")
    page, drawing = file.getvalue().decode(), picture.to_svg()
    for text in scene.more:
        assert all(html.escape(text, quote=False) in made.replace("&quot;", '"') for made in (page, drawing))
    marks = [mark.text for mark in picture.canvas.marks if isinstance(mark, Label) and mark.part == "note"]
    assert " ".join(marks).endswith(" ".join(scene.notes))
    free = graph.plot()  # its page is seen at once, too: in it, boxes can be opened
    assert free.page is not None
    seen, opened = free.page()
    assert seen.boxes == scene.boxes != free.scene.boxes
    assert {*opened} <= {box.key for box in seen.boxes}


def blocks() -> Graph:
    """Blocks of layers, one after the other, of which the last gets by far the largest gradients."""
    layers = [nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3), nn.Tanh()) for _ in range(16)]
    model = nn.Sequential(*layers, nn.Linear(3, 2))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.2)
    return gad.trace(
        lambda x, y: nn.functional.cross_entropy(model(x), y), torch.randn(5, 3), torch.tensor([0, 1, 0, 1, 1])
    )


def steps_in_time() -> Graph:
    cell, out = nn.LSTMCell(2, 4), nn.Linear(4, 1)

    def read(steps: Tensor) -> Tensor:
        state = torch.zeros(1, 4), torch.zeros(1, 4)
        for x in steps:
            state = cell(x, state)
        return out(state[0]).sum()

    return gad.trace(read, torch.randn(70, 1, 2))


def shared_weight() -> Graph:
    table, layers = nn.Embedding(30, 8), nn.ModuleList([nn.Linear(8, 8) for _ in range(30)])

    def program(tokens: Tensor) -> Tensor:
        x = table(tokens)
        for layer in layers:
            x = layer(x).relu()
        return nn.functional.cross_entropy(x @ table.weight.T, tokens)

    return gad.trace(program, torch.arange(6))


def broken() -> Graph:
    layers = nn.ModuleList([nn.Linear(3, 3) for _ in range(30)])

    def program(x: Tensor) -> Tensor:
        for i, layer in enumerate(layers):
            x = torch.log(layer(x) - 9) if i == 20 else layer(x).tanh()
        return x.sum()

    return gad.trace(program, torch.randn(2, 3))


SIGNS = {  # what is written, and says not itself what it is -> the role that explains it
    r"‖grad‖": "of result",
    r"\.grad\b": "of leaf",
    r"^←": "contribution",
    r"^✂ ": "cut",
}
BORDERS = {("value.line", True): "copy", ("muted", True): "gradless"}
LEGEND_ROWS, MOST_WRITTEN = 2, 16  # rows, and elements of a tensor, that can be read at a glance


def signs_in(canvas: Canvas) -> Iterator[str]:
    """The roles of all signs in a picture, by what is seen of it."""
    for mark in canvas.marks:
        if isinstance(mark, Label) and mark.owner:
            yield from (role for sign, role in SIGNS.items() if re.search(sign, mark.text))
        elif isinstance(mark, Rect) and mark.part == "frame" and (mark.stroke, bool(mark.dash)) in BORDERS:
            yield BORDERS[mark.stroke or "", bool(mark.dash)]
        elif isinstance(mark, Rect) and mark.part == "frame" and mark.stroke == "ink":
            yield "warning"


@pytest.mark.parametrize(
    ("made", "boxes"), [(blocks, 6), (steps_in_time, 6), (shared_weight, 6), (broken, 6), (broken, 12)]
)
def test_the_legend_of_folds_explains_every_sign_that_nobody_could_guess_and_no_other(
    made: Callable[[], Graph], boxes: int
) -> None:
    torch.manual_seed(0)
    picture = made().plot(fit="slide", boxes=boxes)
    explained = {"gradless" if role == "gradless, said" else role for role in picture.scene.legend}
    warnings = {"far off", "born", "passed on"}
    said = {*explained} - warnings | ({"warning"} if explained & warnings else set())
    of_signs = {*SIGNS.values(), *BORDERS.values(), "warning"}
    assert {*signs_in(picture.canvas)} == said & of_signs
    assert not any(box.badge for box in picture.scene.boxes)
    drawn = [mark for mark in picture.canvas.marks if isinstance(mark, Label) and mark.part == "legend"]
    items, texts = legend_items(picture.scene), [mark.text for mark in drawn]
    assert {role for role, _, words in items if words in texts} >= {*picture.scene.legend} - {*MISSED}
    known = [words for *_, words in items]
    assert [text for text in texts if text in known] == [words for words in known if words in texts]
    assert len({mark.y for mark in drawn}) <= LEGEND_ROWS
    heading, *others = [mark for mark in picture.canvas.marks if isinstance(mark, Label) and mark.part == "note"]
    assert picture.scene.notes[0].startswith(heading.text)
    notes = others if picture.scene.headed else [heading, *others]
    assert min(mark.y for mark in drawn) < min((mark.y for mark in notes), default=math.inf)
    if picture.scene.headed:
        assert heading.y < min(mark.y for mark in drawn)
        assert heading.size > max(mark.size for mark in drawn)
    lines = [line for box in picture.scene.boxes for line in box.lines]
    assert not any(sum(map(len, line.grid.rows)) > MOST_WRITTEN for line in lines if line.grid is not None)
    assert not any(re.search(r"keeps \d", line.text) for line in lines)


def parts_of_cell(cell: nn.RNNCellBase, x: Tensor, h: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
    return [(x, cell.weight_ih, cell.bias_ih), (h, cell.weight_hh, cell.bias_hh)]


CELLS = (nn.LSTMCell, nn.GRUCell, nn.RNNCell, partial(nn.RNNCell, nonlinearity="relu"))


@pytest.mark.parametrize("made", CELLS, ids=["lstm", "gru", "tanh", "relu"])
def test_what_a_box_of_recurrent_cells_says_of_them_is_what_torch_computes(made: Callable[..., Any]) -> None:
    torch.manual_seed(0)
    cell = made(4, 3)
    of_pairs = isinstance(cell, nn.LSTMCell)

    def read(steps: Tensor) -> Tensor:
        h, c = torch.zeros(2, 3), torch.zeros(2, 3)
        for x in steps:
            h, c = cell(x, (h, c)) if of_pairs else (cell(x, h), c)
        return h.sum()

    folded = fold_to_boxes(gad.trace(read, torch.randn(70, 2, 4)), 6)
    (box,) = [node for node in folded.node_list if node.copies is not None]
    said = ", ".join(lines_of_contents(box))
    x, h, c = torch.randn(2, 4), torch.randn(2, 3), torch.randn(2, 3)
    count = cell.weight_ih.shape[0] // 3
    of_x, of_h = [(each @ weight.T + bias).chunk(count, 1) for each, weight, bias in parts_of_cell(cell, x, h)]
    sums = dict(zip({4: "ifgo", 3: "rzn", 1: "h"}[count], zip(of_x, of_h, strict=True), strict=True))
    known: dict[str, Any] = {"h": h, "c": c, "tanh": torch.tanh, "σ": torch.sigmoid, "max": torch.maximum}
    for names, formula in re.findall(r"((?:\w′?, )*\w′?) = (.*?)(?=, (?:\w′?, )*\w′? = |$)", said):
        for name in names.split(", "):
            p, q = sums.get(name[0], (None, None))
            python = formula.replace("…", "W·x + U·h").replace("W·x", "p").replace("U·h", "q").replace("(0,", "(0*h,")
            python = python.translate(str.maketrans("·−′", "*-_"))
            known[name.replace("′", "_")] = eval(python, {}, {**known, "p": p, "q": q})
    expected = cell(x, (h, c)) if of_pairs else (cell(x, h),)
    for name, number in zip(("h_", "c_"), expected, strict=False):
        torch.testing.assert_close(known[name], number)


def test_on_a_slide_a_line_leads_from_a_parameter_to_its_second_use() -> None:
    torch.manual_seed(0)
    scene = shared_weight().plot(fit="slide", boxes=6).scene
    (weight,) = (box for box in scene.boxes if box.name == "table.weight")
    assert weight.kind == "leaf"
    assert len({arrow.head for arrow in scene.arrows if arrow.tail == weight.key}) == 2
    # what is drawn again is data, and the legend has its border
    assert {box.gradless for box in scene.boxes if box.kind == "copy"} == {True}
    assert "copy of data" in scene.legend


def test_parameters_that_many_boxes_read_are_one_small_box_at_all_but_the_first() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2))

    def flow(x: Tensor) -> Tensor:
        for _ in range(4):
            x = x + 0.1 * net(x)
        return x.square().sum()

    graph = fold_to_boxes(gad.trace(flow, torch.ones(2)), 12)
    scene = build_scene(words_of_graph(graph, Options()))
    made = with_parameter_buses(scene, graph)
    together = [box for box in made.boxes if box.kind == "copy"]
    assert [box.name for box in together] == ["4 parameters of net"] * 3
    stands_for = {box.key: box.hover[0].text.split(", ") for box in together}
    before, after = (
        {
            (name, arrow.head)
            for arrow in each.arrows
            for name in stands_for.get(arrow.tail, [each.box_by_key[arrow.tail].name])
        }
        for each in (scene, made)
    )
    assert before == after
    assert len(made.arrows) == len(scene.arrows) - 3 * 3


@pytest.mark.skipif(not hasattr(F, "grouped_mm"), reason="this torch has no such function")
@pytest.mark.parametrize("ends", [(2, 2, 7), (2, 2, 6)])
def test_a_box_with_a_matrix_for_each_group_of_rows_says_how_many_rows_these_are(ends: tuple[int, ...]) -> None:
    class Experts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3, 8, 8))

        def forward(self, x: Tensor, ends: Tensor) -> Tensor:
            return F.grouped_mm(x, self.weight, offs=ends).tanh()

    experts, layers = Experts(), nn.Sequential(*[nn.Linear(8, 8) for _ in range(20)])
    model = nn.ModuleDict({"experts": experts, "layers": layers})

    def program(x: Tensor, ends: Tensor) -> Tensor:
        return model["layers"](model["experts"](x, ends)).sum()

    graph = fold_to_boxes(gad.trace(program, torch.randn(7, 8), torch.tensor(ends, dtype=torch.int32)), 4)
    said = [lines_of_groups(node) for node in graph.node_list if lines_of_groups(node)]
    assert said == ([["3 groups of 2, 0, 5 rows"]] if ends[-1] == 7 else [])  # rows without a matrix: nothing is said


def test_a_box_says_in_two_lines_what_ran_in_it_in_order() -> None:
    torch.manual_seed(0)
    graph = fold_to_boxes(blocks(), 6)
    box = next(node for node in graph.node_list if node.copies is not None)
    pairs = len(box.steps) // 2
    assert [(step.name, step.kind) for step in box.steps] == [("Linear", OF_MODULE), ("Tanh", OF_MODULE)] * pairs
    assert [step.joined for step in box.steps] == [i > 0 for i in range(2 * pairs)]
    assert lines_of_steps(box.steps, is_layer=True) == ["2 × (Linear, Tanh)" if pairs > 1 else "Linear → Tanh"]
    apart = (Step("q", OF_MODULE), Step("k", OF_MODULE), Step("add", OF_OPERATION, joined=True))
    assert lines_of_steps(apart, is_layer=True) == ["q, k → +"]
    many = tuple(Step(f"module_{name}", OF_MODULE, i, joined=True) for i, name in enumerate("abcdefghij"))
    assert " ".join(lines_of_steps(many, is_layer=True)) == " → ".join(f"module_{name}" for name in "abcdefghij")
    *others, last = lines_of_steps((*many, *many), is_layer=True)
    assert " ".join((*others, last)).count("5 steps") == 2
    assert last.endswith("module_i → module_j")
    assert max(map(len, (*others, last))) <= 48


def test_what_is_left_out_of_a_box_is_dropout_and_what_does_least_and_classes_do_not_repeat_those_around_them() -> None:
    def part(name: str, operations: int = 1, *inner: Step) -> Step:
        return Step(name, OF_MODULE, operations, joined=True, inner=inner)

    one = part("layer_norm", 6)
    blocks = [part(f"X5Layer{name}", 20, one) for name in ("SelfAttention", "CrossAttention", "FF")]
    drop = Step("dropout", OF_OPERATION, joined=True)
    block = Step("X5Block", OF_MODULE, 240, 4, joined=True, inner=tuple(blocks))
    ran = (part("embed"), drop, block, part("final_layer_norm", 6), drop)
    assert lines_of_steps(ran, is_layer=True, around="X5Stack") == [
        "embed → 4 × Block → final_layer_norm",
        "each: SelfAttention → CrossAttention → FF",
    ]
    add = Step("add", OF_OPERATION, joined=True)
    norm = part("a_layer_norm_with_a_long_name")
    layer = (norm, part("self_attn", 19), drop, add, norm, part("cross_attn", 19), drop, add, norm, part("mlp", 5), add)
    assert lines_of_steps(layer, is_layer=True) == [
        "a_layer_norm_with_a_long_name → self_attn → + →",
        "a_layer_norm_with_a_long_name → cross_attn → + →",
        "a_layer_norm_with_a_long_name → mlp → +",
    ]
    classed = [replace(step, called="LayerNorm") if step.name == norm.name else step for step in layer]
    assert lines_of_steps(classed, is_layer=True) == [
        "LayerNorm → self_attn → + → LayerNorm →",
        "cross_attn → + → LayerNorm → mlp → +",
    ]
    other = replace(block, times=1, inner=(*blocks, add))
    assert lines_of_steps((other, block), is_layer=True)[1] == "4 of 5: SelfAttention → CrossAttention → FF"
    between = [part(letter * 40) for letter in "abc"]
    torn = (part("query", 9), replace(part("k"), joined=False), *between, part("value", 9))
    assert lines_of_steps(torn, is_layer=True) == ["query, k → 2 steps →", f"{'c' * 40} → value"]
    for name, words in {"T5LayerFF": ["T5", "Layer", "FF"], "Conv2d": ["Conv2d"], "LSTMCell": ["LSTM", "Cell"]}.items():
        assert words_of(name) == words


def test_copies_that_are_about_the_same_are_words_and_others_are_bars_as_high_as_their_norms() -> None:
    torch.manual_seed(0)
    box = next(node for node in fold_to_boxes(shared_weight(), 6).node_list if node.copies is not None)
    told = [*told_of_copies(box)]
    assert box.copies is not None
    assert box.copies.extremes is not None
    chart = told[0]
    assert isinstance(chart, Grid)
    assert chart.chart is not None
    least, most = box.copies.extremes
    assert (least, most) == (min(box.copies.norms), max(box.copies.norms))
    if most <= 30 * least:
        assert chart.chart.bars == pytest.approx([norm / most for norm in box.copies.norms])
    else:
        order = sorted(range(box.copies.count), key=box.copies.norms.__getitem__)
        assert order == sorted(order, key=chart.chart.bars.__getitem__)
    assert [peak.place for peak in chart.chart.peaks] == [box.copies.norms.index(most), box.copies.norms.index(least)]
    alike = copies_named(["a.0", "a.1", "a.2", "a.3"], [2.0, 2.2, 2.1, 1.9], PARAMETERS)
    about, ends = told_of_copies(replace(box, copies=alike))
    assert about == "‖grad of params‖ of each layer: about 2"
    assert ends == "least 1.9 at a.3, most 2.2 at a.1"


@pytest.mark.parametrize("count", [4, 30, 450])
def test_a_chart_keeps_to_its_size_whatever_it_is_of(count: int) -> None:
    norms = [float(10 ** (i % 7)) if i % 11 else 0.0 for i in range(count)]
    grid = chart_of(copies_named([f"layers.{i}" for i in range(count)], norms, PARAMETERS), "x", Scales({}))
    assert grid.chart is not None
    wide, high = chart_size(grid.chart)
    for mark in chart_marks(grid.chart, (0.0, 0.0), "gradient", "box"):
        if isinstance(mark, Rect):
            assert mark.x >= -0.01
            assert mark.x + mark.width <= wide + 0.01
            assert mark.y >= -0.01
            assert mark.y + mark.height <= high
    assert max(heights(norms, 0.0, max(norms), steep=True)) == pytest.approx(1.0)


def test_gradients_are_out_of_the_usual_beside_the_last_beside_their_neighbours_or_by_themselves() -> None:
    assert far_off([1.0, 0.9, 1.1, 1.0]) == []
    assert far_off([None, 1.0, float("nan"), 2.0]) == []
    assert far_off([0.9 * VANISHES, 1.1 * VANISHES, 1e-4, 1e-3, 1.0]) == [0]
    assert far_off([1.1 * EXPLODES, 0.9 * EXPLODES, 30.0, 1.0]) == [0]
    assert far_off([1.0, 1.0, 9e-5, 1.0, 1.0, 1.0]) == [2]
    assert far_off([0.0, 1e-3, 0.0]) == [0, 2]
    assert far_off([0.0, 0.0]) == []
    assert far_ends([1.0, 0.9, 1.1]) == far_ends([None, float("nan")]) == far_ends([]) == ()
    assert far_ends([2e3, 1.5e3, 30.0, 1.0]) == ("most",)
    assert far_ends([1e-7, 1e-6, 1e-3, 1.0]) == ("least",)
    assert far_ends([2e3, 1e-7, 1.0]) == ("least", "most")
    assert far_ends([0.01, 0.01, 9e-7, 0.01, 0.01, 0.01, 1e-4, 1e-5, 1e-6, 1e-7, 1e-3]) == ("between",)
    assert worst_of_runs([2e3, 5e3, 30.0, 1e-7, 0.0, 1.0]) == [1, 4]


def told_first(program: Callable[[Tensor], Tensor], x: Tensor) -> tuple[str, Graph]:
    """The first line below the picture of a program, and its graph."""
    graph = fold_to_boxes(gad.trace(program, x), 6)
    return small_print(graph.notes)[0][0], graph


@pytest.mark.parametrize(("factor", "way"), [(0.1, "vanish"), (3.0, "grow"), (1.0, "")])
def test_gradients_that_vanish_or_grow_are_what_is_told_first(factor: float, way: str) -> None:
    torch.manual_seed(0)
    layers = nn.ModuleList([nn.Linear(3, 3) for _ in range(24)])
    with torch.no_grad():
        for layer in layers:
            layer.weight.copy_(torch.eye(3))
            layer.bias.zero_()

    def program(x: Tensor) -> Tensor:
        for layer in layers:
            x = layer(x) * factor
        return x.sum()

    line, graph = told_first(program, torch.zeros(3))
    program(torch.zeros(3)).backward()
    norms = [math.hypot(layer.weight.grad.norm(), layer.bias.grad.norm()) for layer in layers]
    found = [note for note in graph.notes if note.kind == GRADIENTS_OFF]
    if not way:
        assert found == []
        assert "leaf modules" in line
        return
    (note,) = found
    at = norms.index(min(norms) if way == "vanish" else max(norms))
    assert (note["way"], note["places"], note["last"]) == (way, (at + 1, 24), True)
    assert (note["size"], note["beside"]) == pytest.approx((norms[at], norms[-1]), rel=1e-4)
    assert line == sentence(note)
    assert line.startswith(f"Gradients {way} towards the input: layers.{at} gets ")
    assert "leaf modules" not in " ".join(small_print(graph.notes)[0])


def test_the_least_and_most_of_a_class_are_told_where_they_are_those_of_all_of_it() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), *[nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(5)])
    graph = fold_to_boxes(gad.trace(lambda x: model(x).square().sum(), torch.ones(2, 3)), 8)
    (note,) = (note for note in graph.notes if note.kind == IN_ALL_BOXES)
    (group,) = note["copies"]
    alone, beside = (
        line_of_span(notice(IN_ALL_BOXES, note.subjects, **{**dict(note.facts), "copies": groups}))
        for groups in ((group,), (group, (2, *group[1:])))
    )
    assert "of each of 5 × Sequential: least" in alone
    assert "leaf modules: least" in beside
    assert "Sequential" not in beside


def test_gradients_that_vanish_from_step_to_step_are_told_by_the_numbers_of_steps() -> None:
    w = torch.full((), 0.3, requires_grad=True)

    def program(x: Tensor) -> Tensor:
        for _ in range(80):
            x = torch.tanh(w * x)
        return x

    line, graph = told_first(program, torch.ones(()))
    (note,) = (note for note in graph.notes if note.kind == GRADIENTS_OFF)
    assert note["measure"] == RESULT
    assert note["places"][0] < note["places"][1]
    assert line.startswith("Gradients vanish: from ")
    assert f" at step {note['places'][1]} to " in line


@pytest.mark.parametrize("where", ["nowhere", "masked", "loss", "backward"])
def test_where_nan_or_infinity_comes_from_is_told_first_and_how_far_it_comes(where: str) -> None:
    torch.manual_seed(0)
    layers = nn.ModuleList([nn.Linear(3, 3) for _ in range(20)])

    def program(x: Tensor) -> Tensor:
        logs = torch.log(torch.zeros(3)) if where != "nowhere" else torch.full((3,), -math.inf)
        bias = logs if where == "loss" else torch.where(torch.isinf(logs), torch.zeros(3), logs)
        for layer in layers:
            x = layer(x).tanh()
        return (x + bias).sum() if where != "backward" else (x - x.detach()).abs().sqrt().sum() * 1e-9

    line, graph = told_first(program, torch.randn(3))
    found = [note for note in graph.notes if note.kind == CAME_UP]
    if where == "nowhere":
        assert found == []
        return
    assert line == sentence(found[0])
    if where == "masked":
        assert line.startswith("−∞ in 1 result comes from log (")
        assert line.endswith(") and reaches neither an output nor a gradient.")
    if where == "loss":
        assert line.startswith("−∞ in 3 results comes from log (")
        assert line.endswith(") and reaches an output.")


def test_all_charts_of_a_picture_have_one_scale_and_each_says_if_it_is_of_logarithms() -> None:
    torch.manual_seed(0)
    box = next(node for node in fold_to_boxes(shared_weight(), 6).node_list if node.copies is not None)

    def told(*norms: Sequence[float]) -> list[Grid]:
        made = [
            replace(box, key=f"b{i}", copies=copies_named([f"h.{j}" for j in range(len(each))], each, PARAMETERS))
            for i, each in enumerate(norms)
        ]
        found = [next(told_of_copies(node, scales_of(made))) for node in made]
        return [each for each in found if isinstance(each, Grid)]

    one, other = told([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 8.0])
    assert one.chart is not None
    assert other.chart is not None
    assert one.chart.bars == (0.125, 0.25, 0.375, 0.5)
    assert (one.chart.first, one.chart.last) == ("layer 0", "3")
    assert "log" not in one.heading + other.heading
    one, other, *none = told([1.0, 2.0, 3.0, 4.0], [1e-3, 1.0, 2.0, 3.0], [1.0, 1.01, 1.02, 1.03])
    assert none == []
    assert one.heading.endswith(", log scale")
    assert other.heading.endswith(", log scale")
    assert one.chart is not None
    assert other.chart is not None
    assert one.chart.bars[0] == other.chart.bars[1]
    (alone,) = told([1e-3, 1.0, 2.0, 3.0])
    assert alone.heading.endswith(", log scale")


def states_of(cell: nn.LSTMCell, x: Tensor, loss: Callable[[Tensor, Tensor], Tensor], cut: int) -> list[list[float]]:
    """The norms of what torch alone says of the gradients of all h, and of all c, of which one is cut off."""
    h = c = x.new_zeros(2, 3)
    states: list[list[Tensor]] = [[], []]
    for i, one in enumerate(x):
        h, c = cell(one, (h, c))
        for kept, state in zip(states, (h, c), strict=True):
            state.retain_grad()
            kept.append(state)
        c = c.detach() if i == cut else c
    loss(h, c).backward()
    return [[float("nan") if one.grad is None else float(one.grad.norm()) for one in kept] for kept in states]


@pytest.mark.parametrize(
    ("loss", "cut", "of", "missing"),
    [
        (lambda h, c: h.square().sum(), -1, 0, ()),
        (lambda h, c: c.square().sum(), -1, 1, ()),
        (lambda h, c: (h * c).sum(), -1, 0, ()),
        (lambda h, c: c.square().sum(), 0, 0, (11,)),  # of no step alone both, and of none all
    ],
)
def test_a_chart_of_copies_that_have_several_results_is_of_one_of_them_alone(
    loss: Callable[[Tensor, Tensor], Tensor], cut: int, of: int, missing: Sequence[int]
) -> None:
    torch.manual_seed(0)
    cell, x = nn.LSTMCell(2, 3, dtype=torch.float64), torch.randn(12, 2, 2, dtype=torch.float64)
    with torch.no_grad():
        for weight in (cell.weight_hh, cell.bias_hh, cell.bias_ih):
            weight.mul_(0.1)

    def program(x: Tensor) -> Tensor:
        h = c = x.new_zeros(2, 3)
        for i, one in enumerate(x):
            h, c = cell(one, (h, c))
            c = c.detach() if i == cut else c
        return loss(h, c)

    graph, told = gad.trace(program, x), states_of(cell, x, loss, cut)[of]
    norms, called = norms_of_results(graph, [[node.key] for node in graph.node_list if node.op == "lstm_cell"])
    assert called == "hc"[of]
    assert [i for i, norm in enumerate(norms) if norm is None] == [*missing]
    assert norms == [None if i in missing else pytest.approx(norm) for i, norm in enumerate(told)]
    if cut < 0:
        box = next(node for node in fold_to_boxes(graph, 8).node_list if node.copies is not None)
        chart = next(one for one in told_of_copies(box) if isinstance(one, Grid))
        assert box.copies is not None
        assert [*box.copies.norms] == norms
        assert chart.said.startswith(f"‖grad of {called}‖ of each step: ")


def test_the_sentence_of_a_chart_is_of_the_same_result_as_its_bars() -> None:
    torch.manual_seed(0)
    cell, x = nn.LSTMCell(2, 3, dtype=torch.float64), torch.randn(30, 2, 2, dtype=torch.float64)

    def program(x: Tensor) -> Tensor:
        h = c = x.new_zeros(2, 3)
        for one in x:
            h, c = cell(one, (h, c))
        return h.square().sum()

    graph = gad.trace(program, x).plot(fit="slide", boxes=8).graph
    found = next(note for note in graph.notes if note.kind == GRADIENTS_OFF)
    norms, _ = states_of(cell, x, lambda h, c: h.square().sum(), -1)
    assert (found["size"], found["beside"]) == pytest.approx((min(norms), norms[-1]))
    assert found["places"] == (norms.index(min(norms)) + 1, 30)


def test_a_box_of_few_blocks_says_the_gradients_of_each_of_them_and_that_they_are_of_each() -> None:
    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.Linear(a, b), nn.Tanh(), nn.Linear(b, b)) for a, b in pairwise([1, 2, 4, 8, 16])]
    between = nn.ReLU()  # one for all: it parts the first block from the others, which are neighbours
    model, x = nn.Sequential(*[layer for block in blocks for layer in (block, between)]), torch.randn(5, 1)
    graph = gad.trace(lambda x: model(x).sum(), x)
    model(x).sum().backward()
    whole = [node for node in graph.node_list if node.kind == "leaf" or node.op is not None]
    parts = parts_of(graph, whole)
    norms = [
        float(torch.cat([p.grad.flatten() for p in block.parameters() if p.grad is not None]).norm())
        for block in blocks
    ]
    found = [part.differ for part in parts if part.differ is not None]
    assert [differ.norms for differ in found] == [pytest.approx(norms)]
    box = next(iter(graph.node_list))
    for norms, said in (([2.0, 1.0, 0.5], "2, 1, 0.5"), ([0.051, 0.0018, 2.4e-5], "0.051, 0.0018, 2.4e−5")):
        part = Part("Block", 2, 8, differ=copies_named(["down.0", "down.1", "down.2"], norms, PARAMETERS, "Block"))
        assert [*told_of_copies(replace(box, inside=8, parts=(part,), parameter_norm=2.3))] == [
            f"of each Block: {said}"
        ]


@given(st.lists(st.one_of(st.integers(0, 99).map(str), st.sampled_from(["down", "fc", "weight", "conv1"])), min_size=1))
def test_no_name_is_cut_to_what_reads_as_a_number(steps: list[str]) -> None:
    name = ".".join(steps)
    for short in (short_text.end_of_name(name), copy_charts.end_of_name(name), short_name(name)):
        assert re.search(r"[^\d.]", short) or not re.search(r"[^\d.]", name)
        assert name.endswith(short) or not re.search(r"[^\d.]", name)
    for end in (short_text.end_of_name, copy_charts.end_of_name):
        assert re.search(r"[^\d.]", end(name))
        assert re.search(r"[^\d. …]", end(f"{name}.1 … 35"))  # of several copies in one box


def test_the_legend_says_of_a_trace_that_gradients_are_of_parameters_and_of_a_recording_what_grad_holds() -> None:
    torch.manual_seed(0)
    layers, weight = nn.Sequential(*[nn.Linear(3, 3) for _ in range(30)]), nn.Parameter(torch.randn(40, 3))

    def program() -> Tensor:
        return layers(weight).square().mean()

    traced = gad.trace(program).plot(fit="slide", boxes=6)
    with gad.record() as recording:
        program().backward()
    recorded = recording.graph.plot(fit="slide", boxes=6)
    said = [
        [LEGEND[role][1] for role in one.scene.legend if LEGEND[role][0] == "‖.grad‖"] for one in (traced, recorded)
    ]
    assert said == [["gradient of the parameter"], ["of what .grad holds"]]


@pytest.mark.parametrize("brief", [False, True])
def test_numbers_of_the_program_are_written_as_numbers_in_formulas(brief: bool) -> None:
    layer = nn.ModuleDict({"a_module_with_a_long_name": nn.Linear(3, 3)})
    graph = gad.trace(lambda x: (layer["a_module_with_a_long_name"](x) * 0.18 * 4).tanh(), torch.ones(3))
    scene = build_scene(words_of_graph(fold_to_boxes(graph, 4), Options(brief=brief)))
    said = " ".join(line.text for box in scene.boxes for line in box.lines)
    assert not re.search(r"\[0\]\[18\]|\[4\]", said)
    assert brief or "0.18)" in said


class TwoLosses(nn.Module):
    """A model whose loss has a second part, with a weight that is a setting."""

    def __init__(self):
        super().__init__()
        self.blocks, self.weight_of_size = nn.ModuleList([nn.Linear(4, 4) for _ in range(30)]), 0.125

    def size_of(self, x):
        return x.square().mean().sqrt()

    def forward(self, x, y):
        for block in self.blocks:
            x = block(x).tanh()
        loss = F.mse_loss(x, y)
        size = self.size_of(x)
        loss = loss + self.weight_of_size * size.to(loss.device)
        return loss


def test_a_loss_of_several_parts_is_told_as_a_formula_with_its_weights():
    graph = gad.trace(TwoLosses(), torch.randn(2, 4), torch.randn(2, 4))
    drawn = graph.plot(fit="slide")
    box = next(box for box in drawn.scene.boxes if box.key == drawn.graph.outputs[0].key)
    said = " ".join(line.text for line in box.lines if line.role in ("name", "formula"))
    assert "0.125·" in said
    assert all(word not in said for word in ("weight_of_size", ".to(", ": ×"))


def test_a_sum_that_a_function_returns_has_its_name_and_says_its_terms_by_their_variables():
    layers = nn.Sequential(*(layer for _ in range(35) for layer in (nn.Linear(3, 3), nn.Tanh())))

    def loss(x):
        y = layers(x)
        naming = (y * x).exp().mean(0).sum()
        placing = (y - x).square().mean(0).sum()
        return naming + 5 * placing

    drawn = gad.trace(loss, torch.ones(2, 3)).plot(fit="slide", boxes=8)
    box = next(box for box in drawn.scene.boxes if box.key == drawn.graph.outputs[0].key)
    said = " ".join(line.text for line in box.lines if line.role in ("name", "formula"))
    assert "loss" in said
    assert "= naming + 5·placing" in said


@pytest.mark.parametrize(
    ("text", "number", "short"),
    [
        ("loss + self.c * aux.to(loss.device)", 0.5, "loss + 0.5 * aux"),
        ("loss + self.c * aux", None, "loss + self.c * aux"),
        ("self.a * x + self.b", 0.5, "self.a * x + self.b"),  # which of the two it is, nobody knows
        ("x * self.h / 6", 0.5, "x * self.h / 6"),  # the number may be h / 6
        ("x * f(self.h)", 0.5, "x * f(self.h)"),
        ("x.to(y).to(z)", None, "x"),
        ("x +", 0.5, "x +"),
    ],
)
def test_a_number_stands_in_the_place_of_a_setting_only_where_it_is_certain_which(text, number, short):
    assert in_short(text, number) == short


def test_many_gradients_on_one_arrow_are_told_with_what_they_are():
    assert said_of(4, [0.5, 0.25, 1.0, 0.5]) == "← 4 gradients, ‖grad‖ 0.25 … 1"
    assert said_of(1, [0.5]) == "← 1 gradient, ‖grad‖ 0.5"
    assert said_of(3, []) == "← 3 gradients"


def test_the_legend_leaves_out_only_what_would_need_another_row():
    roles = ("gradient", "of result", "inside", "grid", "factor", "contribution", "number", "far off")
    scene = Scene((), (), legend=roles, of_folds=True, beside="step 200")
    for width in range(500, 1500, 50):
        rows = legend_rows(scene, width)
        shown = [item for row in rows for item in row]
        assert {role for role, *_ in shown} >= {*roles} - {*MISSED}
        for left_out in set(legend_items(scene)) - set(shown):
            others = [item for item in legend_items(scene) if item in (*shown, left_out)]
            assert len(wrap_legend(others, width)) > len(rows)


def test_a_box_drawn_again_is_called_by_what_is_read_of_it_there() -> None:
    torch.manual_seed(0)
    layers = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4)) for _ in range(8)])

    def program(x: Tensor, tokens: Tensor) -> Tensor:
        mask = (tokens > 0).float() * 2
        ids = tokens.clone() + 1
        h = x * mask
        for layer in layers:
            h = layer(h).sin().cos() * mask
        return F.embedding(ids, torch.ones(9, 4)).sum() + (h * mask).sum()

    picture = gad.trace(program, torch.ones(4, 4, requires_grad=True), torch.tensor([1, 2, 3, 4])).plot(boxes=12)
    (prepared,) = (box for box in picture.scene.boxes if box.name == "prepared data: mask, ids")
    led = [arrow for arrow in picture.scene.arrows if arrow.reads]
    assert {arrow.reads for arrow in led} == {"mask", "ids"}
    reads = reads_of_pairs(led)
    assert {copy_of(prepared, "", reads[arrow.tail, arrow.head]).name for arrow in led} == {"mask", "ids"}
    both = [replace(arrow, tail=prepared.key, head=led[0].head) for arrow in led]
    assert set(reads_of_pairs(both).values()) == {"mask, ids"}
    again = {box.name for box in picture.scene.boxes if box.kind == "copy"}
    assert not any(name.startswith("prepared data") for name in again)


def test_what_a_statement_makes_is_called_by_its_variable_where_it_is_read_and_checks_are_no_part_of_a_call() -> None:
    torch.manual_seed(0)
    pi = nn.Linear(4, 2)

    def program(seen: Tensor, done: Tensor, gain: Tensor) -> Tensor:
        dist = torch.distributions.Categorical(logits=pi(seen), validate_args=True)
        ratio = dist.log_prob(done).exp()
        norm = (gain - gain.mean()) / (gain.std() + 1e-8)
        entropy = dist.entropy().mean()
        loss = (ratio * norm).mean() + 0.01 * entropy
        return loss

    graph = gad.trace(program, torch.randn(6, 4), torch.tensor([0, 1] * 3), torch.randn(6))
    assert "logsumexp→sub" in {node.op for node in graph.node_list}
    picture = graph.plot(boxes=12)
    names = [box.name for box in picture.scene.boxes]
    assert {"entropy", "ratio", "norm"} <= {*names}
    assert "entropy: entropy, mean" in {line.text for box in picture.scene.boxes for line in lines_named(box)}
    assert not any(":" in line.text for box in picture.scene.boxes for line in box.lines if line.role == "formula")


def lines_named(box: Box) -> list[Line]:
    """The title of a box."""
    return [line for line in box.lines if line.role == "name"]


def test_every_bar_that_is_out_of_the_usual_is_black():
    norms = [10.0 ** (i - 12) for i in range(13)]  # all but the last five are less than 1e−5 times the last
    chart = chart_of(copies_named([f"cell.{i}" for i in range(13)], norms, RESULT), "", Scales({}, True)).chart
    colors = [mark.fill for mark in chart_marks(chart, (0.0, 0.0), "bar", "owner") if isinstance(mark, Rect)]
    assert colors == ["ink"] * sum(norm < 1e-5 for norm in norms) + ["bar"] * sum(norm >= 1e-5 for norm in norms)
