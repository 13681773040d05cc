"""The tree of folds holds every node once, no cut through it makes a circle, and what is shown is what matters."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from call_counts import counted
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from models import EVERY_MODEL
from programs import wrong_sums
from random_programs import Input, Program, inputs, programs
from torch import Tensor, nn
from torch.nn import functional as F

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import OptionError, UnknownNameError
from graphviz_ad._internal.graph.anomalies import anomalous
from graphviz_ad._internal.graph.fold_boxes import fold_to_boxes, odd_places, with_folds
from graphviz_ad._internal.graph.fold_cut import Wish, cut_of, outermost
from graphviz_ad._internal.graph.fold_repeats import repeats_in
from graphviz_ad._internal.graph.fold_tree import NODE, REPEAT, Fold, fold_tree
from graphviz_ad._internal.graph.gradient_starts import start_of
from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.graph.notice_sentences import two_digits
from graphviz_ad._internal.graph.notices import IN_ALL_BOXES
from graphviz_ad._internal.graph.open_copies import call_of
from graphviz_ad._internal.graph.quiet_views import is_quiet_view
from graphviz_ad._internal.graph.statements import Statement
from graphviz_ad._internal.graph.transforms import hide_all_but
from graphviz_ad._internal.maths.detail_levels import LINES, at_detail
from graphviz_ad._internal.scene.fold_legend import ROLES_OF_STARTS
from graphviz_ad._internal.scene.paint import LEGEND


def assert_is_tree(graph: Graph, tree: Fold) -> None:
    keys = tree.keys()
    assert sorted(keys) == sorted(graph.nodes)
    place = {key: i for i, key in enumerate(keys)}
    assert all(place[edge.tail] < place[edge.head] for edge in graph.edges)
    for fold in tree.walk():
        assert [leaf.first for leaf in fold.leaves()] == list(range(fold.first, fold.end))
        assert bool(fold.key) == (fold.kind == NODE) == (not fold.children)


def assert_is_graph(graph: Graph) -> None:
    """Acyclic as it stands, with edges of its own nodes and ports."""
    place = {node.key: i for i, node in enumerate(graph.node_list)}
    assert all(place[edge.tail] < place[edge.head] for edge in graph.edges)
    assert all(edge.port < len(graph.nodes[edge.tail].ports) for edge in graph.edges)
    assert len({edge.key for edge in graph.edges}) == len(graph.edges)


def random_cut(tree: Fold, draw: Any) -> list[Fold]:
    """Each branch opened or not, as it comes."""
    waiting, found = [tree], []
    while waiting:
        fold = waiting.pop()
        if fold.children and draw.random() < 0.7:
            waiting += reversed(fold.children)
        else:
            found.append(fold)
    return found


# --- graphs that nobody wrote


@st.composite
def made_up(draw: Any) -> Graph:
    """A graph of any wiring, modules and statements."""
    paths = [(), ("a",), ("a", "a.0"), ("a", "a.1"), ("b",), ("b", "b.0")]
    statements = [Statement("main", 0), Statement("f", 1, caller=0), Statement("B.forward", 2, caller=0)]
    nodes, edges = [], []
    for i in range(draw(st.integers(1, 30))):
        kind = draw(st.sampled_from(["op", "op", "op", "leaf", "data"]))
        op = draw(st.sampled_from(["sin", "mul"])) if kind == "op" else None
        name = draw(st.sampled_from([None, None, "a.weight", "x"]))
        operands = draw(st.lists(st.integers(0, i - 1), max_size=3)) if i and kind == "op" else []
        alive = kind == "leaf" or (kind == "op" and draw(st.booleans()))
        nodes.append(
            Node(
                f"n{i}",
                kind,
                op=op,
                name=name,
                requires_grad=alive,
                ports=(Port(shape=(2,), is_output=draw(st.booleans())),),
                module=draw(st.sampled_from(paths)) if op else (),
                statement=draw(st.sampled_from([None, 0, 1, 2])) if op else None,
                source=draw(st.sampled_from(["f.py:1", "f.py:2"])),
            )
        )
        edges += [Edge(f"n{tail}", f"n{i}", slot) for slot, tail in enumerate(operands)]
    return Graph(tuple(nodes), tuple(edges), statements=tuple(statements))


@settings(max_examples=150, deadline=None)
@given(made_up(), st.randoms(use_true_random=False), st.integers(1, 12))
def test_no_cut_through_any_graph_makes_a_circle(graph: Graph, draw: Any, boxes: int) -> None:
    tree = fold_tree(graph)
    assert_is_tree(graph, tree)
    for shown in (random_cut(tree, draw), cut_of(tree, Wish(boxes))):
        assert [leaf.first for fold in shown for leaf in fold.leaves()] == list(range(tree.size))
        assert_is_graph(with_folds(graph, shown))


def goes_back(program: Program, x: Tensor, y: Tensor) -> bool:
    """Whether torch has a backward pass of a program; it has none of a reentrant checkpoint that takes no gradients."""
    outputs = [output for output in program(x, y) if output.requires_grad]
    try:
        if outputs:
            torch.autograd.backward(outputs, [torch.ones_like(output) for output in outputs])
    except RuntimeError:
        return False
    return True


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs, inputs(st.just(True)), inputs(st.just(True)), st.randoms(use_true_random=False))
def test_folds_of_any_program_keep_what_flows_between_them(program: Program, a: Input, b: Input, draw: Any) -> None:
    program = program.accepted(a.make(), b.make())
    assume(program(a.make(), b.make()) and goes_back(program, a.make(), b.make()))
    graph = gad.trace(program, a.make(), b.make())
    tree = fold_tree(graph)
    assert_is_tree(graph, tree)
    folded = with_folds(graph, random_cut(tree, draw), unasked=graph.nodes)
    assert_is_graph(folded)
    before = {port.name: port for node in graph.node_list for port in node.ports if port.is_output}
    after = {port.name: port for node in folded.node_list for port in node.ports if port.is_output}
    assert {name: (port.value, port.grad) for name, port in after.items()} == {
        name: (port.value, port.grad) for name, port in before.items()
    }


@pytest.mark.parametrize("name", [name for name in EVERY_MODEL if name != "lazy"])
def test_every_model_has_each_node_at_one_leaf(name: str) -> None:
    model, *given_to_it = EVERY_MODEL[name]()
    graph = gad.trace(model, *given_to_it)
    tree = fold_tree(graph)
    assert_is_tree(graph, tree)
    assert_is_graph(fold_to_boxes(graph, 5))
    for boxes in (1, 5):
        assert_hint_opens_one_box(graph, boxes)


def assert_hint_opens_one_box(graph: Graph, boxes: int) -> str:
    """The name that a picture gives as one that opens a box: with it, that box alone is gone, and what is in it is
    there.
    """
    before = fold_to_boxes(graph, boxes)
    names = [note["opens"] for note in before.notes if note.kind == "parts in boxes"]
    if not any(names):
        return ""
    after = fold_to_boxes(graph, boxes, expand=names)
    gone = Counter(map(looks, before.node_list)) - Counter(map(looks, after.node_list))
    ((_, op, name, inside, first, _),) = gone.elements()
    assert inside >= 1
    variables = {node.name for node in graph.node_list}  # which the lines in a box fill
    assert names[0] in (name, first, f"{titled(op)} {first_number(first)}", *variables) or names[0] in (op or "")
    assert len(after.node_list) > len(before.node_list)
    return str(names[0])


def stages_of_blocks(stages: int, blocks: int) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)

    def block() -> nn.Module:
        return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.LayerNorm(8), nn.Linear(8, 4), nn.Tanh())

    return nn.Sequential(*(nn.Sequential(*(block() for _ in range(blocks))) for _ in range(stages))), torch.randn(2, 4)


@pytest.mark.parametrize("fit", ["slide", "column"])
def test_each_hint_below_a_picture_opens_its_box_in_that_place_and_closes_none_that_was_asked_for(
    fit: Any,
) -> None:
    model, x = stages_of_blocks(3, 3)
    graph = gad.trace(model, x)
    asked: list[str] = []
    picture = graph.plot(fit=fit)
    for _ in range(2):
        (name,) = (note["opens"] for note in picture.graph.notes if note.kind == "parts in boxes")
        assert isinstance(name, str)
        assert not is_open(picture.graph, name)
        asked.append(name)
        picture = graph.plot(fit=fit, expand=asked)
        assert [each for each in asked if not is_open(picture.graph, each)] == []


def is_open(graph: Graph, module: str) -> bool:
    """Whether something is seen that is in a module."""
    return any(module in node.module for node in graph.node_list)


def test_what_was_asked_for_is_open_in_a_small_graph_and_letters_that_are_small_for_it_are_told() -> None:
    model, x = stages_of_blocks(2, 2)
    graph = gad.trace(model, x)
    assert not is_open(graph.plot(fit="slide").graph, "1.0")
    told = []
    for place in ("slide", (160.0, 120.0)):
        picture = graph.plot(fit=place, expand="1.0")
        assert is_open(picture.graph, "1.0")
        assert any(node.kind == "module" for node in picture.graph.node_list)  # others are closed for it
        told.append(re.findall(r"have ([\d.]+) points, not ([\d.]+)\.", " ".join(picture.scene.notes)))
    ((letters, wanted),) = told[1]
    assert (told[0], float(letters) < float(wanted)) == ([], True)
    assert float(letters) in {round(float(size), 1) for size in re.findall('font-size="([^"]+)"', picture.to_svg())}
    with pytest.raises(UnknownNameError, match=r"1\.7"):
        graph.plot(expand="1.7")


@pytest.mark.parametrize(
    ("chosen", "opens", "refused"),
    [
        ({"depth": 1}, "1", ["1.7", "forward", "h"]),
        ({"depth": 1}, "1.0", []),
        ({"detail": "module"}, "1.0", ["1.7", "x"]),
        ({"detail": "call"}, "1.0", ["1.7", "forward() 2"]),
        ({"detail": "line"}, "1.0", ["1.7"]),
        ({"detail": "op"}, "1.0", ["1.7"]),
    ],
    ids=str,
)
def test_what_was_asked_for_is_open_on_every_level_that_is_chosen_or_refused(
    chosen: dict[str, Any], opens: str, refused: Sequence[str]
) -> None:
    model, x = stages_of_blocks(2, 2)
    graph = gad.trace(model, x)
    closed, shown = graph.plot(**chosen).graph, graph.plot(**chosen, expand=opens).graph
    assert is_open(shown, opens)
    assert not any(node.op == opens for node in shown.node_list)
    boxes = {node.op for node in closed.node_list if node.kind == "module" and not opens.startswith(node.op or "")}
    assert boxes <= {node.op for node in shown.node_list}  # nothing else is opened for it
    assert wrong_sums(shown) == []
    if "depth" in chosen or chosen["detail"] == "module":
        assert is_open(graph.plot(**chosen, focus=opens).graph, opens)
    for name in refused:
        with pytest.raises(UnknownNameError):
            graph.plot(**chosen, expand=name)


def test_layers_that_all_read_one_result_from_elsewhere_are_one_box_where_nothing_in_them_is_seen() -> None:
    first, before = nn.Linear(4, 4), nn.Linear(4, 4)
    reading = nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 1, 4, 0.0), 4)
    alone = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 1, 4, 0.0), 4, enable_nested_tensor=False)

    def read(x: Tensor, y: Tensor) -> Tensor:
        return reading(before(x), first(y)).sum()

    def chain(x: Tensor) -> Tensor:
        return alone(before(x)).sum()

    inputs = torch.randn(3, 1, 4), torch.randn(2, 1, 4)
    for graph, separate in ((gad.trace(read, *inputs), False), (gad.trace(chain, inputs[0]), True)):
        shown = fold_to_boxes(graph, 16, anomalies=False).node_list
        assert [node.copies.count for node in shown if node.copies is not None] == ([] if separate else [4])
        whole = [node for node in shown if node.call_op in ("TransformerDecoderLayer", "TransformerEncoderLayer")]
        assert len(whole) == (4 if separate else 1)
        assert not [node for node in fold_to_boxes(graph, 999, anomalies=False).node_list if node.copies is not None]


def test_a_view_next_to_a_box_is_in_it_unless_somebody_asks_for_it_or_gradients_stop_at_it() -> None:
    before, after = (nn.Sequential(*[nn.Linear(4, 4).double() for _ in range(18)]) for _ in range(2))

    def program(x: Tensor) -> Tensor:
        made = before(x)
        split = made.view(2, 3, 4)
        whole = split[:, :, :]
        few = after(whole)[0]
        stopped = made.detach()
        turned = made.t()
        return few.sum() + stopped.sum() * turned.exp().sum()

    graph = gad.trace(program, torch.randn(6, 4).double())
    names = {"split", "whole", "few", "stopped", "turned"}

    def views(folded: Graph) -> set[str | None]:
        assert_is_graph(folded)
        assert wrong_sums(folded) == []
        return names & {node.name for node in folded.node_list}

    assert {node.name for node in graph.node_list if is_quiet_view(graph, node)} == {"split", "whole", "turned"}
    assert views(fold_to_boxes(graph, 12)) == {"few", "stopped"}
    assert views(fold_to_boxes(graph, 12, expand=("whole",))) == {"split", "whole", "few", "stopped"}


def test_a_module_that_is_open_before_others_like_it_says_which_it_is() -> None:
    blocks = [nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2)) for _ in range(20)]
    graph = gad.trace(nn.Sequential(*blocks), torch.randn(1, 2))
    shown = fold_to_boxes(graph, 16)
    bounds = [bound for node in shown.node_list for bound in node.bounds]
    assert bounds == [("0", 1, 20, False), ("0", 1, 20, True)]
    assert not [node.bounds for node in fold_to_boxes(graph, 200).node_list if node.bounds]


def test_a_call_among_many_is_opened_by_its_number_and_says_where_it_begins_and_ends() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2))

    def step(y: Tensor) -> Tensor:
        k = net(y)
        m = net(y + 0.05 * k)
        return y + 0.1 / 6 * (k + 2 * m)

    def solve(y: Tensor) -> Tensor:
        for _ in range(20):
            y = step(y)
        return y.sum()

    graph = gad.trace(solve, torch.randn(2))
    assert assert_hint_opens_one_box(graph, 30) == "step() 2"
    for names, opened in (((), [1]), (("step",), [1, 2]), (("step() 2",), [1, 2]), (("step 7",), [1, 7])):
        shown = fold_to_boxes(graph, 30, expand=names)
        bounds = [bound for node in shown.node_list for bound in node.bounds]
        of_steps = [bound for bound in bounds if bound[0] == "step()"]
        assert of_steps == [("step()", number, 20, ends) for number in opened for ends in (False, True)]
        calls = [2 * (number - 1) + call for number in opened for call in (1, 2)]
        assert [call_of(node) for node in shown.node_list if node.op == "net"] == [(call, 40) for call in calls]
        assert len(bounds) == 2 * len(opened) + 2 * len(calls)
        assert sum(node.copies is not None for node in shown.node_list) == 1 + (7 in opened)
    lines = [line for box in graph.plot(boxes=30).scene.boxes for line in box.lines]
    texts = [line.text for line in lines if line.role == "note"]
    assert texts == ["step(), 1 of 20, begins here", "step(), 1 of 20, ends here"]
    texts = [line.text for line in lines]  # one module, and what takes its results; a statement as it is written
    assert [text for text in texts if "net(" in text] == ["k = net(y₀)", "m = net(v₂)"]
    assert [text for text in texts if "call " in text] == ["Sequential, call 1 of 40", "Sequential, call 2 of 40"]
    assert "y₁ = y₀ + (0.1 / 6)·(k + 2m)" in texts
    for missing in ("step() 21", "walk() 2"):
        with pytest.raises(UnknownNameError):
            fold_to_boxes(graph, 30, expand=(missing,))


def test_a_hint_names_a_module_rather_than_the_variable_that_takes_its_result() -> None:
    layers = nn.ModuleList([nn.Sequential(nn.Linear(3, 3), nn.Tanh()) for _ in range(14)])

    def program(x: Tensor) -> Tensor:
        for layer in layers:
            x = layer(x).relu() + x
        return x.sum()

    graph = gad.trace(program, torch.randn(2, 3))
    assert assert_hint_opens_one_box(graph, 6) == "layers.0"
    (told,) = [note for note in fold_to_boxes(graph, 6).notes if note.kind == "parts in boxes"]
    assert not told["clicks"]  # the box is that of a statement


def titled(op: str | None) -> str:
    """What copies are called, without which of them they are: "step()" of "step() 2 … 100"."""
    return (op or "").partition(" ")[0]


def first_number(first: str | None) -> str:
    """The number of the first copy in a box."""
    return first or ""


def looks(node: Node) -> tuple[Any, ...]:
    """What tells a box from others, but its key."""
    first = node.copies.first if node.copies is not None else None
    return node.kind, node.op, node.name, node.inside, first, node.ports[0].shape


def test_patterns_are_found_where_they_repeat() -> None:
    found = [(piece.start, piece.period, piece.copies) for piece in repeats_in([7, 1, 2, 3, 1, 2, 3, 1, 2, 9, 9])]
    assert found == [(0, 1, 1), (1, 3, 2), (7, 1, 1), (8, 1, 1), (9, 1, 2)]


# --- programs


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(4), nn.Linear(4, 8), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(torch.relu(self.up(self.norm(x))))


class Tower(nn.Module):
    """Blocks one upon the other; in one of them something may go wrong."""

    def __init__(self, count: int = 20) -> None:
        super().__init__()
        self.embed, self.blocks = nn.Linear(3, 4), nn.ModuleList([Block() for _ in range(count)])
        self.head = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x).sum()


def tower(count: int = 20) -> Tower:
    torch.manual_seed(0)
    return Tower(count).double()


def shown(graph: Graph, **wishes: Any) -> Graph:
    return fold_to_boxes(graph, **wishes)


def titles(graph: Graph) -> list[str | None]:
    return [node.op for node in graph.node_list if node.kind == "module"]


def test_copies_are_one_box_that_says_how_often_and_how_they_differ() -> None:
    model = tower()
    graph = gad.trace(model, torch.randn(2, 3, dtype=torch.float64))
    folded = shown(graph)
    (box,) = (node for node in folded.node_list if node.copies is not None)
    model(torch.ones(2, 3, dtype=torch.float64))
    assert len(folded.node_list) <= 40
    assert (box.copies.count, box.copies.first, box.copies.last) == (19, "blocks.1", "blocks.19")
    each = [
        np.sqrt(sum(graph.find(f"blocks.{i}.{name}").grad.norm ** 2 for name, _ in model.blocks[i].named_parameters()))
        for i in range(1, 20)
    ]
    np.testing.assert_allclose(box.copies.norms, each, rtol=1e-12)
    assert box.copies.least == f"blocks.{1 + int(np.argmin(each))}"
    assert box.copies.most == f"blocks.{1 + int(np.argmax(each))}"
    whole = box.copies.whole
    assert (whole.count, whole.called, whole.measure, whole.norms[1:]) == (20, "Block", "parameters", box.copies.norms)
    one = [graph.find(f"blocks.0.{name}").grad.norm for name, _ in model.blocks[0].named_parameters()]
    assert whole.norms[0] == pytest.approx(np.linalg.norm(one))
    assert assert_hint_opens_one_box(graph, 40) == "blocks.1"
    facts = dict(folded.notes[-1].facts)
    (told,) = facts["copies"]
    assert told == (20, "Block", "parameters", whole.least, min(whole.norms), whole.most, max(whole.norms), ())
    of_modules: dict[str, float] = {}
    for name, _ in model.named_parameters():
        of_modules[name.rpartition(".")[0]] = np.hypot(
            of_modules.get(name.rpartition(".")[0], 0), graph.find(name).grad.norm
        )
    least, most = min(of_modules, key=of_modules.__getitem__), max(of_modules, key=of_modules.__getitem__)
    assert facts["modules"] == (
        (62, least, pytest.approx(of_modules[least]), most, pytest.approx(of_modules[most]), ()),
    )
    assert (facts["start"], f"least {two_digits(of_modules[least])} ({least})" in folded.notices[-1]) == (
        "number",
        True,
    )
    assert box.parameters == 19 * sum(one.numel() for one in model.blocks[0].parameters())
    last = graph.in_edges(graph.find("head").key)[0].tail
    assert (box.ports[0].value, box.ports[0].grad) == (graph.nodes[last].value, graph.nodes[last].grad)
    assert wrong_sums(folded) == []
    assert {"up", "norm", "down"} <= {(title or "").rpartition(".")[2] for title in titles(folded)}  # one is open


def test_gradients_that_all_but_vanish_are_a_finding() -> None:
    def program(x: Tensor, w: Tensor) -> Tensor:
        for _ in range(70):
            x = torch.tanh(x * w)
        return x.sum()

    graph = gad.trace(
        program, torch.ones(3, dtype=torch.float64, requires_grad=True), torch.tensor(0.01, dtype=torch.float64)
    )
    folded = shown(graph)
    (box,) = (node for node in folded.node_list if node.copies is not None)
    assert box.copies.measure == "result"  # of each, as none has a parameter of its own
    assert box.copies.is_uneven
    assert [each.warning for each in folded.plot().scene.boxes if each.key == box.key] == [True]
    ratio = box.copies.extremes[1] / box.copies.extremes[0]
    assert ratio > 1e100
    assert folded.notices[-1].count("⚠") == 1


def test_the_sign_is_at_the_end_that_is_out_of_the_usual_and_focus_opens_it() -> None:
    model = tower()
    model.blocks[4].up.register_full_backward_hook(lambda module, given, came: tuple(1e4 * each for each in given))
    graph = gad.trace(model, torch.randn(2, 3, dtype=torch.float64))
    folded = shown(graph)
    (note,) = (note for note in folded.notes if note.kind == IN_ALL_BOXES)
    assert [*note["modules"][0][5:], *note["copies"][0][7:]] == [("most",), ("most",)]
    assert [text.count("⚠ most") for text in folded.notices if "⚠" in text] == [2]
    worst = note["modules"][0][3]
    assert f"{worst}.weight" in {node.name for node in shown(graph, focus=("auto",), boxes=12).node_list}


def test_a_copy_in_which_something_goes_wrong_stands_alone() -> None:
    model = tower()
    model.blocks[7].up.weight.data.zero_()
    model.blocks[7].up.bias.data.fill_(-1)  # relu is dead
    x = torch.randn(2, 3, dtype=torch.float64)
    folded = shown(gad.trace(model, x))
    assert {"blocks.0 … 6", "blocks.8 … 19"} <= {*titles(folded)}
    assert any("blocks.7" in node.module for node in folded.node_list)
    model = tower()
    model.blocks[11].norm.bias.data[0] = float("nan")
    assert {"blocks.11", "blocks.0 … 10", "blocks.12 … 19"} <= {*titles(shown(gad.trace(model, x), boxes=6))}


def test_it_is_opened_where_that_was_asked_for() -> None:
    graph = gad.trace(tower(), torch.randn(2, 3, dtype=torch.float64))
    folded = shown(graph, focus=("blocks.3",))
    assert {"blocks.0 … 2", "blocks.4 … 19"} <= {*titles(folded)}
    assert any(node.name == "blocks.3.norm.weight" for node in folded.node_list)
    inside = [node.op for node in folded.node_list if node.module[:1] == ("blocks.3",) and node.kind == "op"]
    assert {"add", "relu"} <= {*inside}
    expanded = shown(graph, expand=("blocks.3.up",))
    assert any(node.name == "blocks.3.up.weight" for node in expanded.node_list)
    assert not any(node.name == "blocks.4.up.weight" for node in expanded.node_list)
    with pytest.raises(UnknownNameError, match=r"blocks\.33"):
        shown(graph, focus=("blocks.33",))


def test_what_is_opened_in_addition_closes_nothing() -> None:
    graph = gad.trace(tower(14), torch.randn(2, 3, dtype=torch.float64))
    for boxes, name in ((6, "blocks.7"), (20, "blocks.0"), (20, "head"), (3, "blocks.13.up")):
        before, after = (
            Counter(map(looks, shown(graph, boxes=boxes).node_list)),
            shown(graph, boxes=boxes, expand=(name,)),
        )
        gone = before - Counter(map(looks, after.node_list))
        assert gone.total() <= 1
        assert any((node.name or node.op or "").startswith(f"{name}.") for node in after.node_list)


def square_error(x: Tensor, w: Tensor) -> Tensor:
    return F.mse_loss(x * w, x).sqrt() + w.sum() * 0.1


def mean(x: Tensor, w: Tensor) -> Tensor:
    return (x * w).exp().mean()


def product(x: Tensor, w: Tensor) -> Tensor:
    return x * w * 2


@pytest.mark.parametrize(
    ("program", "recorded", "start", "said"),
    [
        (square_error, False, "loss", "loss, where"),
        (square_error, True, "loss", "loss, where"),
        (mean, False, "number", "(no loss function)"),
        (mean, True, "backward", "backward()"),
        (product, False, "tensor", "(no loss)"),
    ],
)
def test_what_gradients_start_from_is_told_from_what_is_no_loss(
    program: Any, recorded: bool, start: str, said: str
) -> None:
    x, w = torch.ones(3), torch.full((3,), 2.0, requires_grad=True)
    if recorded:
        with gad.record() as recording:
            program(x, w).backward()
    graph = recording.graph if recorded else gad.trace(program, x, w)
    assert start_of(graph) == start
    assert said in LEGEND[ROLES_OF_STARTS[start]][1]


def test_auto_opens_where_something_goes_wrong() -> None:
    model = tower()
    model.blocks[7].up.weight.requires_grad_(False).fill_(float("inf"))
    folded = shown(gad.trace(model, torch.randn(2, 3, dtype=torch.float64)), focus=("auto",))
    assert any("blocks.7" in node.module for node in folded.node_list)
    assert "blocks.0 … 6" in titles(folded)


def steps(x: Tensor, cell: nn.LSTMCell) -> Tensor:
    h = c = torch.zeros(1, 2, dtype=torch.float64)
    for t in range(50):
        h, c = cell(x[t], (h, c))
    return h.sum()


def test_loops_roll_up() -> None:
    graph = gad.trace(steps, torch.randn(50, 1, 1, dtype=torch.float64), nn.LSTMCell(1, 2, dtype=torch.float64))
    counts = [node.copies.count for node in shown(graph).node_list if node.copies is not None]
    assert counts == [50]

    def chain(x: Tensor) -> Tensor:
        for _ in range(300):
            x = x * 1.001
        return x

    folded = shown(gad.trace(chain, 2.0))
    assert [node.copies.count if node.copies else None for node in folded.node_list] == [None, 300]
    (edge,) = folded.edges
    assert edge.grad is not None
    np.testing.assert_allclose(edge.grad.item(), 1.001**300)


def test_what_prepares_data_is_folded_before_the_model() -> None:
    model = tower(13)

    def program(x: Tensor, y: Tensor) -> Tensor:
        z = x.clone()
        z = z + 1
        y = y[1:]
        y = y.clone()
        return (model(z) - y.sum()) ** 2

    graph = gad.trace(program, torch.ones(2, 3, dtype=torch.float64), torch.ones(4, dtype=torch.float64))
    assert "prepared data: z, y" in titles(shown(graph))


def test_writes_to_a_part_stay_in_the_function_that_writes() -> None:
    model = tower(13)

    def shifted(x: Tensor) -> Tensor:
        y = x.new_zeros(x.shape)
        y[1:] = x[:-1].clone()
        y[0] = 0
        return y.clamp(-1, 1)

    folded = shown(gad.trace(lambda x: model(shifted(x)).sum(), torch.randn(2, 3, dtype=torch.float64)))
    assert titles(folded).count("shifted()") == 1
    assert not any(node.op in ("view", "setitem", "new_zeros") for node in folded.node_list)


def test_what_is_not_finite_and_comes_to_nothing_is_not_looked_for() -> None:
    model = tower()

    def program(x: Tensor) -> Tensor:
        place = torch.log(torch.zeros(3, dtype=torch.float64)).clamp(min=0)
        return model(x + place).sum()

    assert anomalous(gad.trace(program, torch.randn(2, 3, dtype=torch.float64))) == []


def test_what_an_optimizer_does_in_one_call_is_one_box() -> None:
    model = nn.ModuleDict({"ahead": nn.Linear(3, 4), "judge": nn.Linear(4, 1), "idle": nn.Linear(2, 2)})
    ahead, judge = (torch.optim.Adam(model[name].parameters()) for name in ("ahead", "judge"))
    with gad.record(model) as recorded:
        made = model["ahead"](torch.ones(2, 3))
        for _ in range(2):
            judge.zero_grad()
            model["judge"](made.detach()).square().sum().backward()
            judge.step()
        loss = model["judge"](made).square().sum()
        loss.backward()
        ahead.step()
    folded = shown(hide_all_but(recorded.graph, (), steps=True), boxes=20)
    boxes = [node for node in folded.node_list if node.kind == "module"]
    assert [(node.op, node.copies and node.copies.count) for node in boxes].count(("judge.step()", 2)) == 1
    assert [node.op for node in boxes].count("ahead.step()") == 1
    assert not any(node.is_step and node.kind == "op" for node in folded.node_list)
    assert "what nothing reads" not in titles(folded)  # two are drawn as they are
    found = folded.find("loss")
    assert found.ports[0].grad is not None
    read = {folded.nodes[edge.tail].op for node in boxes for edge in folded.in_edges(node.key)}
    assert "judge.step()" in read  # by the second, and by what is computed with what it made


def test_lines_in_a_box_are_counted_as_what_is_in_them() -> None:
    def program(x: Tensor) -> Tensor:
        for _ in range(70):
            y = x * 2 + 1
            x = y.sin()
        return x

    graph = at_detail(gad.trace(program, 1.0), LINES)
    (box,) = (node for node in shown(graph).node_list if node.copies is not None)
    assert box.inside == 210


# --- what it costs


def layers(count: int) -> Graph:
    """As many layers, written by hand."""
    nodes = [Node("x", "data", name="x")]
    edges: list[Edge] = []
    for i in range(count):
        path, before = (f"layers.{i}",), nodes[-1].key
        nodes.append(Node(f"w{i}", "leaf", name=f"layers.{i}.weight", requires_grad=True))
        nodes.append(Node(f"a{i}", "op", op="linear", requires_grad=True, module=path))
        nodes.append(Node(f"b{i}", "op", op="relu", requires_grad=True, module=path))
        edges += [Edge(before, f"a{i}", 0), Edge(f"w{i}", f"a{i}", 1), Edge(f"a{i}", f"b{i}", 0)]
    return Graph(tuple(nodes), tuple(edges))


def test_folding_costs_as_much_more_as_there_are_more_layers() -> None:
    few, many = (layers(count) for count in (200, 1000))
    for graph in (few, many):
        assert graph.out_edges("x")  # what the graph finds out once, beforehand
    costs = [sum(counted(lambda graph=graph: fold_to_boxes(graph)).ran.values()) for graph in (few, many)]
    assert costs[1] < 5.5 * costs[0]


def test_a_long_program_without_loops_is_a_few_boxes() -> None:
    names = itertools.cycle(["sin", "exp", "mul", "add", "tanh", "mul", "sin"])
    nodes = [Node("n0", "leaf", name="x", requires_grad=True)]
    edges = []
    for i, op in zip(range(1, 3000), names, strict=False):
        nodes.append(Node(f"n{i}", "op", op=op, requires_grad=True, source=f"f.py:{i * i % 1009}"))
        edges.append(Edge(f"n{i - 1}", f"n{i}", 0))
    folded = fold_to_boxes(Graph(tuple(nodes), tuple(edges)))
    assert 10 < len(folded.node_list) <= 40
    assert not any(fold.kind == REPEAT for fold in fold_tree(Graph(tuple(nodes), tuple(edges))).walk())


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(1, 5))))
def test_what_is_outermost_is_in_no_larger_one(spans: list[tuple[int, int]]) -> None:
    folds = [Fold(REPEAT, "net", first=first, size=size) for first, size in spans]
    around = [[b for b in folds if b.first <= a.first and a.end <= b.end and b.size > a.size] for a in folds]
    assert outermost(folds) == [fold for fold, others in zip(folds, around, strict=True) if not others]


class BodyAndHead(nn.Module):
    """A body of many unlike parts, and a head of few operations."""

    def __init__(self, parts: int) -> None:
        super().__init__()
        wide = range(2, 3 + parts)
        self.body = nn.Sequential(*(nn.Linear(one, other) for one, other in itertools.pairwise(wide)))
        self.head = nn.Sequential(nn.Linear(2 + parts, 3), nn.Tanh(), nn.Linear(3, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x)).sum()


@pytest.mark.parametrize(("boxes", "is_open"), [(12, False), (500, True)])
def test_no_trifle_is_opened_beside_a_large_part_that_has_no_room(boxes: int, is_open: bool) -> None:
    graph = gad.trace(BodyAndHead(200), torch.ones(2))
    names = {fold.name for fold in cut_of(fold_tree(graph), Wish(boxes)) if fold.kind != NODE}
    assert ("head" in names) is not is_open
    assert ("head.0" in names) is is_open


def test_a_stage_of_copies_is_one_box_and_what_is_open_of_a_repeat_has_a_frame() -> None:
    def block(a: int, b: int) -> nn.Module:
        return nn.Sequential(nn.Linear(a, b), nn.LayerNorm(b), nn.Tanh())

    stages = [nn.Sequential(block(n, n + 1), *[block(n + 1, n + 1) for _ in range(13)]) for n in (2, 3)]
    torch.manual_seed(0)
    graph = gad.trace(nn.Sequential(*stages, nn.Linear(4, 1)), torch.randn(2, 2))
    for boxes in (6, 8):
        assert [node.op for node in fold_to_boxes(graph, boxes).node_list] == [None, "0", "1", "2"]
    opened = graph.plot(fit="slide", boxes=6, expand="0.0")  # built alike, the first of the others is open, too
    inside = {node.key for node in opened.graph.node_list if {"0.1", "1.1"} & {*node.module} and node.kind != "leaf"}
    frames = opened.scene.groups
    assert {key for frame in frames for key in frame.boxes} == inside
    for frame in frames:
        assert frame.corner is not None
        assert frame.size is not None
        for box in opened.scene.boxes:
            assert box.center is not None
            x, y = box.center[0] - frame.corner[0], box.center[1] - frame.corner[1]
            assert (box.key in frame.boxes) == (0 < x < frame.size[0] and 0 < y < frame.size[1])


class Stages(nn.Module):
    """Three rows of blocks, of which the first is unlike the others, and their head."""

    def __init__(self) -> None:
        super().__init__()
        for i in range(3):
            setattr(self, f"stage{i}", nn.Sequential(*[self.block(first=j == 0) for j in range(6)]))
        self.head = nn.Linear(4, 1)

    def block(self, *, first: bool) -> nn.Module:
        """Some layers."""
        return nn.Sequential(*[part for _ in range(2 + first) for part in (nn.Linear(4, 4), nn.Tanh())])

    def forward(self, x: Tensor) -> Tensor:
        """What comes out."""
        return self.head(self.stage2(self.stage1(self.stage0(x)))).sum()


def test_what_opens_one_stage_leaves_the_others_closed_and_is_told() -> None:
    torch.manual_seed(0)
    graph = gad.trace(Stages(), torch.ones(2, 4))
    closed = titles(fold_to_boxes(graph, 8))
    assert {"stage0", "stage1", "stage2"} <= {*closed}
    (parts,) = (note for note in fold_to_boxes(graph, 8).notes if note.kind == "parts in boxes")
    assert parts["opens"] in closed
    then = titles(fold_to_boxes(graph, 8, (), (str(parts["opens"]),)))
    assert {*closed} - {*then} == {parts["opens"]}


def test_a_depth_tells_calls_of_one_module_apart_as_folds_do() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 2), nn.Tanh())

    def program(x: Tensor, y: Tensor) -> Tensor:
        a = net(x)
        s = a * 2
        b = net(y)
        return (s - b).sum()

    graph = gad.trace(program, torch.ones(1, 2), torch.zeros(1, 2))
    for picture in (graph.plot(depth=1), graph.plot(detail="module")):
        calls = [call_of(node) for node in picture.graph.node_list if node.op == "net"]
        assert calls == [(1, 2), (2, 2)]


@pytest.mark.parametrize("level", [{"depth": 1}, {"detail": "module"}])
@pytest.mark.parametrize("other", [{"boxes": 3}, {"focus": "auto"}, {"focus": ["0", "auto"]}])
def test_two_options_that_say_in_two_ways_what_is_folded_exclude_each_other(
    level: dict[str, Any], other: dict[str, Any]
) -> None:
    graph = gad.trace(nn.Sequential(nn.Linear(1, 1), nn.Tanh()), torch.ones(1, 1))
    (wrong,) = other
    for draw in (graph.plot, graph.animate):
        with pytest.raises(OptionError, match=f"{next(iter(level))}=.*{wrong}=.*leave one of them out"):
            draw(**level, **other)
    graph.plot(**level, focus="0")


class Scanning(nn.Module):
    """Layers with a loop in each, whose last step brings no gradient, and one layer in which an early step does not."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(3, 3) for _ in range(14)])

    def forward(self, x: Tensor) -> Tensor:
        for i, layer in enumerate(self.layers):
            x = self.scan(layer(x).tanh(), 3 if i == 5 else 8)
        return x.sum()

    def scan(self, x: Tensor, idle: int) -> Tensor:
        """The sum of some results, one of which is taken 0 times."""
        taken = torch.tensor([step not in (idle, 8) for step in range(9)], dtype=x.dtype)
        states = []
        for step in range(9):
            scaled = x * (step + 1)
            states.append(scaled.sin())
        return (torch.stack(states) * taken[:, None, None]).sum(0) / 9


def test_what_is_odd_in_all_copies_alike_stands_alone_in_none() -> None:
    graph = gad.trace(Scanning(), torch.ones(2, 3))
    tree = fold_tree(graph)
    outer = max((fold for fold in tree.walk() if fold.kind == REPEAT), key=lambda fold: fold.size)
    odd = outer.children[5]
    assert all(odd.first <= place < odd.end for place in odd_places(graph, tree))
    assert odd_places(graph, tree)
    assert len(fold_to_boxes(graph, 40).node_list) <= 40
