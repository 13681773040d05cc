"""What is written: names, numbers, marks and sentences, each of which can be told from the others."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_film import HOSTILE
from small_programs import Sigma, graph, network, picture
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.film.story import tell
from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.renderers.svg.still import svg_file
from graphviz_ad._internal.scene.scene import Line, Ratio
from graphviz_ad._internal.scene.themes import THEMES
from graphviz_ad._internal.scene.words.box_lines import NAME_ROOM
from graphviz_ad._internal.scene.words.describe import Options, Words, words_of_graph
from graphviz_ad._internal.scene.words.edge_labels import LABEL_ROOM
from graphviz_ad._internal.scene.words.frames import frames_of, within_frame
from graphviz_ad._internal.scene.words.names import graph_names, mathematical_names
from graphviz_ad._internal.scene.words.short_text import (
    gradient_text,
    numbered_name,
    short_count,
    short_elements,
    short_sum,
    shortened_text,
)
from graphviz_ad._internal.scene.words.signs import NOT_YET


def snap(value: object) -> Snapshot:
    array = np.asarray(value, np.float64)
    return Snapshot(array.shape, "float64", array)


def lone(name: str | None, kind: str = "leaf", **more: object) -> Node:
    return Node(
        "n0",
        kind,
        name=name,
        ports=(Port((), "float64", value=snap(1.0), grad=snap(2.0)),),
        requires_grad=kind == "leaf",
        **more,
    )  # type: ignore[arg-type]


def gradient_of(node: Node) -> str:
    return " ".join(line.text for line in words_of_graph(Graph((node,), ())).nodes[node.key].gradients)


def on(words: Words, edge: Edge, role: str) -> str:
    """What an arrow says in a role; "" for nothing."""
    return next((line.text for line in words.edges[edge.key].lines if line.role == role), "")


# --- marks


def test_not_yet_zero_none_no_gradient_and_nan_are_five_marks() -> None:
    zero, nan = (replace(lone("x"), ports=(Port((), "float64", value=snap(1.0), grad=snap(x)),)) for x in (0.0, np.nan))
    none = replace(lone("x"), ports=(Port((), "float64", value=snap(1.0)),))
    data = replace(lone("x", "data"), ports=(Port((), "float64", value=snap(1.0)),))
    marks = [f".grad {NOT_YET}", *map(gradient_of, (zero, nan, none)), gradient_of(data)]
    assert marks == [".grad ·", ".grad 0", ".grad NaN", ".grad None", "grad —"]
    assert len(set(marks)) == 5


def test_a_leaf_that_no_gradient_reaches_says_none_and_why() -> None:
    node = graph("unused").find("y")
    words = words_of_graph(graph("unused"))
    assert [line.text for line in words.nodes[node.key].gradients] == [".grad None"]
    assert [line.role for line in words.nodes[node.key].notes] == ["note"]


def test_a_value_that_was_not_kept_is_not_made_up() -> None:
    traced = gad.trace(lambda x: x * 2, 3.0, capture=gad.Capture(values="none"))
    for node in traced.node_list:
        if node.kind != "data":
            assert [line.text for line in words_of_graph(traced).nodes[node.key].values] == ["f64[]"]


def test_a_constant_is_just_its_number() -> None:
    words, traced = words_of_graph(graph("colah")), graph("colah")
    constant = next(node for node in traced.node_list if node.kind == "data")
    assert [line.text for line in words.nodes[constant.key].lines] == ["1"]


# --- names


def test_results_of_one_name_are_numbered_and_the_nameless_get_numbers_that_are_free() -> None:
    def f(x: torch.Tensor) -> torch.Tensor:
        v1 = x + 1
        b = v1 * 2
        b = b * 3
        b = b * 4
        b = b * 5
        return torch.sin(b) + torch.cos(b)

    traced = gad.trace(f, 1.0)
    names = [graph_names(traced).of[node.key] for node in traced.node_list if node.kind == "op"]
    assert names == ["v1", "b₀", "b₁", "b₂", "b₃", "v2", "v3", "f"]
    assert len(set(names)) == len(names)


def test_results_of_one_name_are_not_called_like_another_variable() -> None:
    def cell(h0: torch.Tensor, h_2: torch.Tensor) -> torch.Tensor:
        h = torch.tanh(h0)
        for _ in range(2):
            h = torch.tanh(h + h_2)
        return h

    names = mathematical_names(gad.trace(cell, 1.0, 2.0)).of.values()
    assert [name for name in names if name.startswith("h")] == ["h₀", "h₂", "h₃", "h₄", "h₅"]


@pytest.mark.parametrize(("count", "name"), [(0, "h₀"), (3, "h₃"), (12, "h₁₂")])
def test_results_of_one_name_are_told_apart_by_subscripts(count: int, name: str) -> None:
    assert numbered_name("h", count) == name


def test_the_one_nameless_result_is_called_like_the_function_unless_that_name_is_taken() -> None:
    def x(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    assert graph_names(graph("seed")).of[graph("seed").outputs[0].key] == "seed"
    traced = gad.trace(x, 1.0)
    assert graph_names(traced).of[traced.outputs[0].key] == "v1"
    unnamed = gad.trace(lambda y: y * 2, 1.0)
    assert graph_names(unnamed).of[unnamed.outputs[0].key] == "f"


def test_gradients_are_of_the_output_or_of_l_where_there_is_no_single_number() -> None:
    assert graph_names(graph("colah")).output == "e"
    assert graph_names(graph("two_outputs")).output == "L"
    assert graph_names(graph("broadcast")).output == "L"


def test_tex_in_the_name_of_an_own_function_is_shown_as_its_letter() -> None:
    node = graph("own_function").find("s")
    words = words_of_graph(graph("own_function"))
    assert node.op == Sigma.name  # type: ignore[attr-defined]
    assert words.nodes[node.key].badge == "σ"
    assert words.nodes[node.key].formula.startswith("σ(")
    assert not any("$" in line.text for line in words.nodes[node.key].lines)
    assert not any("$" in part for step in tell(words).steps for part in step.caption)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_text_in_every_word_and_file(name: str) -> None:
    traced = graph("colah")
    nodes = (
        replace(node, name=name if node.name == "a" else node.name, op=name if node.name == "c" else node.op)
        for node in traced.node_list
    )
    renamed = traced.with_parts(nodes, traced.edges)
    drawn = renamed.plot(layout="layered")
    assert svg_file(drawn.canvas, THEMES["light"]).count("<script") == 0
    made = renamed.animate(layout="layered")
    assert made.film.scene(-1) == made.film.stage
    assert len(made.transcript()) < 20_000


def test_a_long_name_is_cut_with_an_ellipsis_and_whole_in_the_tooltip() -> None:
    name = "a_very_long_name_of_a_variable_that_nobody_should_use_on_a_slide"
    node = lone(name)
    words = words_of_graph(Graph((node,), ()))
    assert words.nodes[node.key].title == (Line("name", shortened_text(name, NAME_ROOM)),)
    assert len(words.nodes[node.key].title[0].text) == NAME_ROOM
    assert words.nodes[node.key].title[0].text.endswith("…")
    assert f"name: {name}" in map(str, words.nodes[node.key].hover)


def test_every_result_of_an_operation_has_a_name_of_its_own() -> None:
    traced = graph("several_results")
    words = words_of_graph(traced)
    node = next(node for node in traced.node_list if node.op == "chunk")
    assert words.nodes[node.key].title[0].text.startswith("low, high")
    assert [line.text for line in words.nodes[node.key].values] == ["low = [1, 2]", "high = [3, 4]"]
    assert {words.names.carried(edge) for edge in traced.out_edges(node.key)} == {"low", "high"}


def test_parameters_lose_what_the_frame_around_them_says() -> None:
    words = words_of_graph(network())
    weight = next(node for node in network().node_list if node.kind == "leaf" and node.name == "first.weight")
    assert words.names.of[weight.key] == "first.weight"
    assert within_frame("first.weight", ("first",), frames_of(network())) in ("weight", "first.weight")
    assert words.names.operand(network().out_edges(weight.key)[0]) == "first.weight"


# --- arrows


def test_an_arrow_says_the_local_derivative_and_what_flows_back() -> None:
    traced = graph("colah")
    words = words_of_graph(traced)
    edge = next(edge for edge in traced.edges if words.edges[edge.key].derivative == "∂e/∂d")
    fraction = Ratio("∂e/∂d = 3", "∂e", "∂d", "= 3")
    local = Line("local", fraction.said, "derivative", ratio=fraction)
    assert words.edges[edge.key].lines == (local, Line("contribution", "← 3"))
    assert words_of_graph(traced, Options(local=False)).edges[edge.key].lines == (Line("contribution", "← 3"),)
    assert words_of_graph(traced, Options(gradients=False, local=False)).edges[edge.key].lines == ()


def test_a_cut_shows_scissors_and_nothing_that_flows() -> None:
    traced = graph("detach")
    (edge,) = [edge for edge in traced.edges if edge.cut == "detach"]
    assert words_of_graph(traced).edges[edge.key].lines == (Line("cut", "✂ detach"),)


def test_a_contribution_summed_over_copies_shows_a_sigma() -> None:
    traced = graph("broadcast")
    words = words_of_graph(traced)
    assert {words.names.carried(edge): on(words, edge, "contribution") for edge in traced.edges} == {
        "X": "← [[1, 2], [3, 4], [5, 6]]",
        "b": "← Σ [9, 12]",
    }


def test_what_is_too_big_for_an_arrow_is_its_norm() -> None:
    traced = gad.trace(lambda x: (x * x).sum(), list(range(10)))
    words = words_of_graph(traced)
    assert {on(words, edge, "contribution") for edge in traced.out_edges(traced.find("x").key)} == {"← ‖grad‖ 16.88"}


@pytest.mark.parametrize("name", ["seed", "matrix", "several_results"])
def test_no_local_derivative_is_wider_than_its_room(name: str) -> None:
    words = words_of_graph(graph(name))
    assert all(len(on(words, edge, "local")) <= LABEL_ROOM for edge in graph(name).edges)


# --- sentences and small parts


def test_the_alternative_text_says_what_the_picture_shows() -> None:
    assert (
        words_of_graph(graph("colah")).alt
        == "Computation graph of colah: 3 operations, 2 leaves; output e = 6; gradients: a 2, b 5."
    )
    assert picture("colah").scene.alt == words_of_graph(graph("colah")).alt


def test_a_pointer_is_told_the_rest() -> None:
    traced = graph("colah")
    words = words_of_graph(traced)
    facts = [str(fact) for fact in words.nodes[traced.find("e").key].hover]
    assert {
        "operation: mul",
        "formula: c·d",
        "autograd: MulBackward0",
        "type: f64[]",
        "value: 6",
        "gradient: 1",
    } <= set(facts)
    assert any(fact.startswith("source: ") for fact in facts)
    edge = words.edges[traced.in_edges(traced.find("e").key)[1].key]
    assert tuple(map(str, edge.hover)) == ("edge: d → e, operand 2", "local derivative: ∂e/∂d = c = 3", "flows back: 3")


def test_options_leave_out_what_they_say() -> None:
    traced = graph("colah")
    node = traced.find("b")
    assert [line.text for line in words_of_graph(traced, Options(values=False)).nodes[node.key].lines] == [
        "b",
        ".grad 5",
    ]
    assert [line.text for line in words_of_graph(traced, Options(gradients=False)).nodes[node.key].lines] == ["b", "1"]
    assert [line.text for line in words_of_graph(traced, Options(sums=True)).nodes[node.key].lines] == [
        "b",
        "1",
        ".grad 5",
        "= 3 + 2",
    ]


def test_numbers_too_long_for_a_line_are_left_to_the_symbols() -> None:
    traced = gad.trace(lambda a: torch.var(a), [[1.0, 2.0], [3.0, 4.0]])
    words = words_of_graph(traced)
    assert words.nodes[traced.outputs[0].key].formula == "sum((a − mean(a))²) / (numel(a) − 1)"
    assert words.nodes[traced.outputs[0].key].in_numbers == ""


@pytest.mark.parametrize(
    ("terms", "text"), [(["2"], "2"), (["2", "3"], "2 + 3"), (["1", "−4", "2"], "1 − 4 + 2"), (["−1", "−1"], "−1 − 1")]
)
def test_terms_are_added_with_their_signs(terms: list[str], text: str) -> None:
    assert short_sum(terms) == text


@pytest.mark.parametrize(("count", "text"), [(999, "999"), (1200, "1.2k"), (11_689_512, "11.7M"), (2e9, "2B")])
def test_parameters_are_counted_in_words(count: int, text: str) -> None:
    assert short_count(count) == text


def test_short_is_all_or_nothing() -> None:
    assert short_elements(None) is None
    assert short_elements(snap([1.0, 2.0])) == "[1, 2]"
    assert short_elements(snap(np.arange(20.0))) is None
    assert gradient_text(None) == "None"


@pytest.mark.parametrize("missing", ["FakeTensor", None], ids=["unknown", "complex"])
def test_the_gradient_of_a_folded_module_is_none_only_where_it_is(missing: str | None) -> None:
    """A gradient without a norm is one all the same."""
    grad = Snapshot((2,), "complex64", None if missing else np.array([1j, 2]), missing=missing)
    module = Node("n0", "module", op="encoder", ports=(Port((2,), "complex64", grad=grad),), requires_grad=True)
    assert "None" not in gradient_of(module)
    assert "c64[2]" in gradient_of(module)
    assert "None" in gradient_of(replace(module, ports=(Port((2,), "complex64"),)))


def test_a_gradient_that_an_optimizer_reads_keeps_the_name_of_its_owner() -> None:
    grad = Node("n0", "data", name="encoder.layer.0.weight.grad", ports=(Port((), "float64", value=snap(1.0)),))
    step = Node("n1", "op", op="SGD.step", ports=(Port((), "float64", value=snap(1.0)),))
    assert (
        words_of_graph(Graph((grad, step), (Edge("n0", "n1", 0),))).names.operand(Edge("n0", "n1", 0))
        == "0.weight.grad"
    )


# --- gradients


def texts_of(traced: Graph) -> list[str]:
    words = words_of_graph(traced)
    lines = [line.text for said in (*words.nodes.values(), *words.edges.values()) for line in said.lines]
    told = [fact.text for said in (*words.nodes.values(), *words.edges.values()) for fact in said.hover]
    captions = [text for step in traced.animate(layout="layered").steps for text in step.caption]
    return [*lines, *told, *captions, words.alt, str(traced.explain("x"))]


def test_a_gradient_of_zero_has_no_sign() -> None:
    traced = gad.trace(lambda x: 5 - (x * 0.0).sum(), torch.tensor([1.0, 2.0], requires_grad=True))
    (edge,) = (edge for edge in traced.edges if traced.nodes[edge.tail].name == "x")
    assert np.signbit(edge.grad.array).all()
    assert not [text for text in texts_of(traced) if re.search(r"−0(?![.0-9])", text)]


def test_a_value_of_zero_keeps_its_sign_which_says_what_its_reciprocal_is() -> None:
    traced = gad.trace(lambda x: 1 / (x * -0.0), 2.0)
    assert {"−0", "−∞"} <= {line.text for said in words_of_graph(traced).nodes.values() for line in said.lines}


@pytest.mark.parametrize(("size", "factor"), [(3, 1), (3, 1 / 3), (4, 1 / 3)])
def test_a_caption_has_the_elements_of_its_box_or_says_where_they_are(size: int, factor: float) -> None:
    a, b = (torch.eye(size) * factor).requires_grad_(), torch.ones(size, size) * factor
    told = [text for step in gad.trace(lambda a, b: (a @ b).sum(), a, b).animate().steps for text in step.caption]
    assert not [text for text in told if text.endswith(f"f64[{size},{size}]") or text.endswith(f"f32[{size},{size}]")]
    assert [text for text in told if text.startswith("= [[") or "written in its box" in text]


def test_what_is_multiplied_on_the_way_back_is_not_what_comes_of_it() -> None:
    def f(a, b):
        c = a * b
        return c + torch.sin(c)

    told = [step.caption[0] for step in gad.trace(f, 2.0, 3.0).animate().steps if " · " in step.caption[0]]
    for text in told:
        target, _, factors = re.split(" (=|gets) ", text)
        assert target not in factors.split(" · "), text


def parts(x: Tensor) -> Tensor:
    a, b, c, d, e = x[0, 1:], x[-1, -1], x[:, 0], x[1:, :1], x[0, ::2]
    f, g, h, i = x[..., 1], x[0][1], x[1:, 0, 1:], x[:, None]
    return sum(each.sum() for each in (a, b, c, d, e, f, g, h, i))


def test_a_part_is_written_so_that_it_can_be_typed_and_gives_that_part() -> None:
    graph = gad.trace(parts, torch.arange(27.0).reshape(3, 3, 3).requires_grad_())
    words, seen = words_of_graph(graph), []
    typed = graph_names(graph).of  # with digits as they are typed, which pictures lower
    values = {typed[node.key]: node.value.array for node in graph.node_list if node.value is not None}
    for node in graph.node_list:
        formula = words.nodes[node.key].formula
        if node.op == "getitem" and "…" not in formula:
            taken = eval(formula.translate(str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")), {}, values)
            np.testing.assert_array_equal(taken, node.value.array)
            seen.append(formula)
    assert seen == [
        "x[0, 1:]",
        "x[-1, -1]",
        "x[:, 0]",
        "x[1:, :1]",
        "x[0, ::2]",
        "x[:, :, 1]",
        "x[0]",
        "v₁[1]",
        "x[1:, 0, 1:]",
    ]
