"""A graph shown by lines of the program, by calls of its functions or by modules says the same as by operations: the
derivative of a line is torch's Jacobian of that line, and what flows along edges adds up to the gradients.
"""

from __future__ import annotations

import linecache
import os
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import UnknownNameError
from graphviz_ad._internal.graph.graph import Edge, Graph
from graphviz_ad._internal.graph.graph_files import from_json
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.chain_rule import carried, times_jacobian
from graphviz_ad._internal.maths.detail_levels import LEVELS, at_detail, finest
from graphviz_ad._internal.maths.gradient_sums import largest_flow, sum_of_flows

EXAMPLES = 300 if "FUZZ" in os.environ else 40
FILES = count()

# --- random programs, a statement a line

SCALAR, VECTOR, MATRIX = (), (3,), (3, 3)
SHAPES = (SCALAR, VECTOR, MATRIX)
SAME = (
    "torch.tanh({a}) * {b} + 0.5", "{a} * {b} - {a} / 2", "({a} + {b}) * ({a} - {b})", "torch.sin({a} * {b})",
    "torch.exp(-({a} ** 2)) + {b}", "{a}.sigmoid() * ({a} + {b})", "{a}.clone().mul_(2) + {b}",
)  # fmt: skip
WITH_SCALAR = (
    "{a} * {s} + torch.cos({s})", "({a} - {a}.mean()) / ({s} ** 2 + 1)", "{a} * {a}.sum() - {s}",
    "torch.relu({a} + {s}) * {s}",
)  # fmt: skip
TO_SCALAR = ("({a} * {b}).sum() + 1", "({a} ** 2).mean() * {b}.sum()", "torch.log(torch.exp({a}).sum()) - {b}.mean()")
OF_VECTORS = ("torch.softmax({v} * 2, dim=0) + {u}", "{m} @ {v} + {u}", "{m}.T @ ({v} * {u})", "{v} - {m}[0] * {u}")
OF_MATRICES = ("{m} @ {n} / 2", "{m}.T * 2 + {n}", "torch.outer({v}, {u}) + {m} * {n}")


@st.composite
def programs(draw: st.DrawFn) -> str:
    """The source of a function of s, v and m: a number, a vector and a matrix."""
    known: dict[tuple[int, ...], list[str]] = {SCALAR: ["s"], VECTOR: ["v"], MATRIX: ["m"]}

    def one(shape: tuple[int, ...]) -> str:
        return draw(st.sampled_from(known[shape]))

    lines = ["def program(s, v, m):"]
    for number in range(draw(st.integers(1, 6))):
        name, shape, choice = f"y{number}", draw(st.sampled_from(SHAPES)), draw(st.integers(0, 2))
        other = draw(st.sampled_from((VECTOR, MATRIX)))
        if choice == 0 or (shape == SCALAR and choice == 1):
            text = draw(st.sampled_from(SAME)).format(a=one(shape), b=one(shape))
        elif shape == SCALAR:
            text = draw(st.sampled_from(TO_SCALAR)).format(a=one(other), b=one(other))
        elif choice == 1:
            text = draw(st.sampled_from(WITH_SCALAR)).format(a=one(shape), s=one(SCALAR))
        else:
            templates = OF_VECTORS if shape == VECTOR else OF_MATRICES
            text = draw(st.sampled_from(templates)).format(v=one(VECTOR), u=one(VECTOR), m=one(MATRIX), n=one(MATRIX))
        lines.append(f"    {name} = {text}")
        known[shape].append(name)
    results = " + ".join(f"{name}.sum()" for names in known.values() for name in names[-1:])
    return "\n".join([*lines, f"    result = {results}", "    return result", ""])


def compiled(source: str, *, readable: bool = True) -> Callable[..., Any]:
    """The function of a source that tracebacks, and we, can read; or that nobody can."""
    file = f"<program {next(FILES)}>"
    if readable:
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    scope: dict[str, Any] = {"torch": torch}
    exec(compile(source, file, "exec"), scope)
    return next(value for name, value in reversed(scope.items()) if callable(value) and name != "torch")


def numbers(snap: Snapshot | None) -> Any:
    """All elements."""
    assert snap is not None
    assert snap.array is not None
    return snap.array


def inputs() -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in SHAPES]


def jacobian_of_edge(graph: Graph, edge: Edge) -> Any:
    """The derivative that an edge claims, as a whole Jacobian; None where it claims none."""
    shape = graph.nodes[edge.head].ports[0].shape or ()
    rows = np.eye(int(np.prod(shape))).reshape(-1, *shape)
    local = edge.local.array if edge.local is not None else None
    found: list[Any] = [
        carried(graph, edge, local, row) if local is not None else times_jacobian(graph, edge, row) for row in rows
    ]
    return None if any(row is None for row in found) else np.stack(found).reshape((*shape, *np.shape(found[0])))


def derivatives_of_lines(graph: Graph) -> Iterator[tuple[Edge, Any, Any]]:
    """Each edge into a statement, what it claims, and torch's Jacobian of the statement."""
    for node in graph.node_list:
        if node.statement is None or node.kind not in ("op", "line"):
            continue
        text = graph.statements[node.statement].text
        assert text is not None
        edges = [edge for edge in graph.in_edges(node.key) if edge.cut is None]
        values = {graph.nodes[edge.tail].name: graph.nodes[edge.tail].value for edge in graph.in_edges(node.key)}
        tensors = {str(name): torch.tensor(numbers(snap)) for name, snap in values.items() if snap is not None}
        for edge in edges:
            name = graph.nodes[edge.tail].name

            def line(x: Tensor, name: Any = name, text: str = text, tensors: Any = tensors) -> Any:
                return eval(text, {"torch": torch, **tensors, name: x})

            truth = torch.autograd.functional.jacobian(line, tensors[str(name)])
            yield edge, jacobian_of_edge(graph, edge), truth.numpy()


def sums_agree(graph: Graph) -> bool:
    hidden = largest_flow(graph.detail or graph)
    found: list[Any] = [
        sum_of_flows(graph, node, port, hidden=hidden) for node in graph.node_list for port in range(len(node.ports))
    ]
    return all(one.ok for one in found if one is not None)


@settings(max_examples=EXAMPLES)
@given(programs())
def test_the_derivative_of_a_line_is_torchs_jacobian(source: str) -> None:
    graph = gad.trace(compiled(source), *inputs())
    lines = at_detail(graph, "line")
    for edge, claimed, truth in derivatives_of_lines(lines):
        assert claimed is not None, edge
        assert np.allclose(claimed, truth, rtol=1e-9, atol=1e-12), edge


@settings(max_examples=EXAMPLES // 2)
@given(programs())
def test_every_level_has_the_gradients_and_their_sums(source: str) -> None:
    graph = gad.trace(compiled(source), *inputs())
    wanted = torch.autograd.grad(compiled(source)(*(given := inputs())), given, allow_unused=True)
    levels: list[Any] = list(LEVELS)
    for level in levels:
        shown = at_detail(graph, level)
        assert sums_agree(shown)
        for name, grad in zip("svm", wanted, strict=True):
            if grad is None:
                continue
            assert np.allclose(numbers(shown.find(name).grad), grad.numpy(), rtol=1e-12)
            explained = graph.explain(name, detail=level)
            assert explained.ok is not False
            assert np.allclose(explained.total, grad.numpy())  # type: ignore[arg-type]
        assert from_json(shown.to_json()).to_json() == shown.to_json()


# --- programs written by hand


def cell(w: Tensor, x: Tensor, h: Tensor) -> Tensor:
    z = w * x + h
    return torch.tanh(z)


def recurrent(w: Tensor, xs: Tensor, h: Tensor) -> Tensor:
    for t in range(3):
        h = cell(w, xs[t], h) * 2 + 1
    return h**2


NUMBERS = (torch.tensor(0.5, requires_grad=True), torch.tensor([0.5, -1.0, 2.0]), torch.tensor(0.1, requires_grad=True))


def shown_statements(graph: Graph) -> list[tuple[str, str | None]]:
    places = [(node.kind, node.statement) for node in graph.node_list if node.kind not in ("leaf", "data")]
    return [(kind, None if place is None else graph.statements[place].text) for kind, place in places]


def test_each_time_that_a_line_runs_is_a_box() -> None:
    graph = at_detail(gad.trace(recurrent, *NUMBERS), "line")
    texts = [text for _, text in shown_statements(graph)]
    assert texts.count("w * x + h") == texts.count("torch.tanh(z)") == 3
    assert texts[-1] == "h ** 2"
    # the index into xs runs before the function that is called, and what is done to its result behind it
    assert texts.count("cell(w, xs[t], h) * 2 + 1") == 6
    # in a loop, the same line is told apart by how often it ran
    assert sorted({one.time for one in graph.statements if one.function == "recurrent"}) == [0, 1, 2]


def test_each_call_of_a_function_is_a_box() -> None:
    graph = at_detail(gad.trace(recurrent, *NUMBERS), "call")
    calls = [node for node in graph.node_list if node.kind == "call"]
    assert [node.op for node in calls] == ["cell"] * 3
    assert [node.inside for node in calls] == [3, 3, 3]
    w, _, h = NUMBERS
    z = w.item() * 0.5 + h.item()
    local = next(edge.local for edge in graph.in_edges(calls[0].key) if graph.nodes[edge.tail].name == "h")
    assert local is not None
    assert local.item() == pytest.approx(1 - np.tanh(z) ** 2)


def test_a_line_that_is_left_and_come_back_to_is_several_boxes_without_a_circle() -> None:
    def inner(x: Tensor) -> Tensor:
        y = x * x
        return y + x

    def outer(x: Tensor) -> Tensor:
        return inner(x * 2) * x.exp() + inner(x)

    graph = at_detail(gad.trace(outer, 0.5), "line")
    place = {node.key: i for i, node in enumerate(graph.node_list)}
    assert all(place[edge.tail] < place[edge.head] for edge in graph.edges)
    assert sums_agree(graph)
    assert graph.check().ok


def test_results_of_one_line_are_ports_of_one_box() -> None:
    def two(x: Tensor) -> Tensor:
        a, b = x * 2, x * 3 + 1
        return a * b

    graph = at_detail(gad.trace(two, 0.5), "line")
    line = graph.nodes[next(node.key for node in graph.node_list if len(node.ports) == 2)]
    assert [port.name for port in line.ports] == ["a", "b"]
    assert [port.grad.item() for port in line.ports if port.grad is not None] == [2.5, 1.0]
    assert all(edge.local is None for edge in graph.in_edges(line.key))  # of two results there is no one derivative
    assert sums_agree(graph)


def test_assignments_that_add_and_writes_in_place_are_lines() -> None:
    def program(x: Tensor) -> Tensor:
        y = x * 2
        y += x * x
        z = y * 1
        z.mul_(3)
        return z.sum()

    graph = at_detail(gad.trace(program, [1.0, 2.0]), "line")
    texts = [text for _, text in shown_statements(graph)]
    assert texts == ["x * 2", "y + x * x", "y * 1", "z.mul_(3)", "z.sum()"]
    assert [
        numbers(edge.local).tolist() for edge in graph.in_edges(graph.node_list[2].key) if edge.local is not None
    ] == [
        [1.0, 1.0],
        [2.0, 4.0],
    ]


def test_a_comprehension_is_a_part_of_its_line() -> None:
    def program(w: Tensor, xs: Tensor) -> Tensor:
        total = sum([w * x for x in xs])
        return total * 2  # type: ignore[no-any-return]

    graph = at_detail(gad.trace(program, 0.5, torch.tensor([1.0, 2.0, 3.0])), "line")
    assert [text for _, text in shown_statements(graph)] == ["sum([w * x for x in xs])", "total * 2"]
    edge = next(edge for edge in graph.edges if graph.nodes[edge.tail].name == "w")
    assert edge.local is not None
    assert edge.local.item() == 6.0


def test_lines_of_modules_are_lines_of_their_forward() -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = torch.nn.Linear(2, 3), torch.nn.Linear(3, 1)

        def forward(self, x: Tensor) -> Tensor:
            h = torch.relu(self.first(x))
            return self.last(h).sum()

    graph = at_detail(gad.trace(Net(), torch.ones(1, 2)), "line")
    assert [text for _, text in shown_statements(graph)] == ["torch.relu(self.first(x))", "self.last(h).sum()"]
    assert sums_agree(graph)


def test_a_function_without_a_source_has_lines_all_the_same_composed_of_its_operations() -> None:
    source = "def f(x):\n    y = x * 2 + 1\n    return y * y\n"
    graph = at_detail(gad.trace(compiled(source, readable=False), 1.5), "line")
    assert [text for _, text in shown_statements(graph)] == [None, None]
    lines = {line.text for box in graph.plot().scene.boxes for line in box.lines}
    assert lines & {"y = x·2 + 1", "y = x × 2 + 1"}
    assert not graph.notices


def test_what_stands_in_no_line_is_shown_as_it_is_and_said() -> None:
    graph = at_detail(gad.trace(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh()), torch.ones(2)), "line")
    assert {kind for kind, _ in shown_statements(graph)} == {"op"}
    assert [note.kind for note in graph.notes] == ["no lines"]


def test_what_has_no_rule_is_unknown_rather_than_wrong() -> None:
    def program(k: Tensor, image: Tensor) -> Tensor:
        y = torch.nn.functional.conv2d(image, k) * 2
        return y.sum()

    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    graph = at_detail(gad.trace(program, torch.ones(1, 1, 2, 2, requires_grad=True), image), "line")
    edge = next(edge for edge in graph.edges if graph.nodes[edge.tail].name == "k")
    assert edge.local is None
    assert edge.grad is not None
    assert np.allclose(numbers(edge.grad), numbers(graph.find("k").grad))


def test_a_hook_that_changes_what_flows_leaves_no_derivative_that_contradicts_it() -> None:
    def program(x: Tensor) -> Tensor:
        y = x * 2
        y.register_hook(lambda grad: grad * 10)
        return y * y

    graph = at_detail(gad.trace(program, 1.5), "line")
    assert sums_agree(graph)
    assert numbers(graph.find("x").grad) == 120.0


def test_what_a_picture_is_to_tell_of_stays_open() -> None:
    def program(x: Tensor) -> Tensor:
        return (z := x * 2) * z.sin()

    graph = gad.trace(program, 0.5)
    assert "z" not in {node.name for node in at_detail(graph, "line").node_list}
    assert numbers(graph.plot(detail="line", wrt="z").graph.find("z").value) == 1.0


def test_a_level_is_chosen_by_whoever_knows_what_can_be_read() -> None:
    graph = gad.trace(recurrent, *NUMBERS)
    assert finest(graph, lambda shown: True) is graph
    assert len(finest(graph, lambda shown: len(shown.node_list) < 15).node_list) < 15
    with pytest.raises(UnknownNameError, match="level of detail"):
        at_detail(graph, "lines")


@pytest.mark.parametrize("level", LEVELS)
def test_pictures_films_and_solutions_are_made_at_every_level(level: Any) -> None:
    graph = gad.trace(recurrent, *NUMBERS)
    shown = graph.plot(detail=level)
    assert shown.graph.check().ok
    assert graph.animate(detail=level).steps[-1].caption
    assert graph.explain("w", detail=level).total == pytest.approx(float(numbers(graph.find("w").grad)))
    assert at_detail(shown.graph, level).node_list == shown.graph.node_list  # as often as one likes
