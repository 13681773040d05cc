"""What rounding leaves of a sum that cancels is told by its terms; a small number that is none stays one."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import graphviz_ad as gad
from graphviz_ad._internal.graph.contraction import renumbered
from graphviz_ad._internal.maths.cancelled import with_noise_told
from graphviz_ad._internal.maths.detail_levels import lines_as_boxes
from graphviz_ad._internal.scene.words.describe import words_of_graph

TERMS = st.lists(st.integers(-40, 40).filter(bool), min_size=1, max_size=5)


def gradient_lines(graph, name="w"):
    said = words_of_graph(graph).nodes[graph.find(name).key]
    return [line.text for line in said.gradients if line.role == "gradient"]


@settings(deadline=None, max_examples=25)
@given(TERMS, st.sampled_from((torch.float32, torch.float64)), st.sampled_from((0.1, 0.3, 1e-7)))
def test_a_sum_of_terms_that_cancel_reads_nearly_nothing_and_any_other_is_a_number(terms, dtype, scale):
    for last in (-sum(terms), 1):  # the one cancels, the other, mostly, not
        weights = [Fraction(each) for each in (*terms, last) if each]

        def weighted(w, weights=weights):
            return sum(w * (float(each) * scale) for each in weights)

        (line,) = gradient_lines(gad.trace(weighted, w=torch.tensor(0.7, dtype=dtype, requires_grad=True)))
        assert (line in (".grad 0", ".grad ≈ 0")) == (sum(weights) == 0)


@pytest.mark.parametrize("tiny", [1e-9, 1e-30])
def test_a_small_number_that_is_no_rest_of_a_sum_stays_a_number(tiny):
    graph = gad.trace(lambda w: w * tiny, w=torch.tensor(2.0, requires_grad=True))
    assert with_noise_told(graph) is graph
    assert "≈" not in gradient_lines(graph)[0]
    graph = gad.trace(lambda w: (w * torch.tensor([tiny, 1.0])).sum(), w=torch.ones(2, requires_grad=True))
    assert gradient_lines(graph) == [f".grad [{'1e−9' if tiny == 1e-9 else '1e−30'}, 1]"]


def of_softmax(z, t):
    p = torch.softmax(z, 0)
    L = (p * t).sum()
    return L


def test_what_cancels_inside_of_a_rule_is_told_too_in_all_places():
    z = torch.tensor([0.1, 0.33, 0.7], requires_grad=True)
    graph = gad.trace(of_softmax, z, torch.full((3,), 0.7))
    assert graph.find("z").grad.array.any(), "torch's own number is kept"
    assert gradient_lines(graph, "z") == [".grad [≈ 0, ≈ 0, ≈ 0]"]
    said = words_of_graph(graph).nodes[graph.find("z").key]
    assert any("e−8" in fact.text and "rounding" in fact.text for fact in said.hover if fact.label == "gradient")
    assert graph.animate().steps[-1].caption[-1] == "dL/dz = [≈ 0, ≈ 0, ≈ 0]"
    text = graph.explain("z").to_text()
    assert "dL/dz = [0, 0, 0]" in text
    assert "no more than rounding leaves of a sum" in text
    assert "0 but for rounding" in graph.why("z")


def test_of_a_number_it_is_said_with_its_bits_in_text_and_latex():
    graph = gad.trace(lambda w: w * 0.1 + w * 0.2 + w * -0.3, w=torch.tensor(0.7, requires_grad=True))
    explained = graph.explain("w")
    assert "= 0.1 + 0.2 − 0.3 = 0\n" in explained.to_text() or "= −0.3 + 0.2 + 0.1 = 0\n" in explained.to_text()
    assert "−7.45058e−9" in explained.to_text()
    assert "= 0 \\" in explained.to_latex()
    assert "0 but for rounding" in explained.to_html()
    assert graph.animate().steps[-2].caption[-1] == "≈ 0"


def test_noise_goes_on_through_the_operations_below():
    def program(w):
        v = w * 3
        L = v * 0.1 + v * 0.2 + v * -0.3
        return L

    graph = gad.trace(program, w=torch.tensor(0.7, requires_grad=True))
    assert gradient_lines(graph) == [".grad ≈ 0"]
    assert gradient_lines(graph, "v") == ["grad ≈ 0"]


def test_what_a_hook_made_is_meant_as_it_is():
    def program(w):
        v = w * 1
        v.register_hook(lambda g: torch.full_like(g, 1e-9))
        return v * 0.5 - v * 0.25

    graph = gad.trace(program, w=torch.tensor(0.7, requires_grad=True))
    assert gradient_lines(graph) == [".grad 1e−9"]


def test_lines_of_the_program_tell_it_as_their_operations_do():
    def spread(x):
        mu = x.mean()
        return ((x - mu) ** 2).mean()

    scene = gad.trace(spread, torch.tensor([1.0, 2, 4], requires_grad=True)).plot(detail="line", fit="slide").scene
    (flow,) = [line.text for arrow in scene.arrows for line in arrow.lines if line.text.endswith("≈ 0")]
    assert flow == "← ≈ 0"


def test_keys_of_a_folded_graph_are_those_of_the_lines_that_it_was_made_of():
    layer = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    with gad.record(layer) as recorded:
        for _ in range(2):
            loss = (layer(torch.ones(2, 2)) - torch.zeros(2, 1)).square().mean()
            loss.backward()
            optimizer.step()
    lines = lines_as_boxes(recorded.graph)
    folded = renumbered(replace(lines, node_list=lines.node_list[1:], edges=()))
    assert [node.key for node in folded.node_list] != [node.key for node in lines.node_list[1:]]
    for before, node in zip(lines.node_list[1:], folded.node_list, strict=True):
        kept = [folded.finer.nodes[key] for key in node.members or (node.key,)]
        assert [one.ports for one in kept] == [lines.finer.nodes[key].ports for key in before.members or (before.key,)]
    assert recorded.graph.plot(fit="slide").scene.boxes
