"""A film is worded once: each claim is decided once, each word is made once, and the way from `animate` to them runs
downwards.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import torch
from call_counts import Calls, counted, module_of
from small_programs import graph, network
from test_layers import ROOMS

import graphviz_ad as gad
from graphviz_ad._internal.maths.claims import decide, passed
from graphviz_ad._internal.scene.scene_building import build_scene
from graphviz_ad._internal.scene.words.describe import without_local, words_of_graph
from graphviz_ad._internal.scene.words.names import names_of_nodes

MOST_DECISIONS, MOST_WAYS_UP = 10, 3  # calls an edge; from a room to one that may import it


def tangle(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Sixty nodes, each used by the next and some again a little later."""
    choose = random.Random(60)
    known = [a, b]
    for i in range(58):
        earlier = known[choose.randrange(max(i - 4, 0), i + 1)]
        known.append((known[-1] + earlier, known[-1] * earlier, torch.sin(known[-1]))[choose.randrange(3)])
    return known[-1]


@cache
def filmed() -> tuple[gad.Animation, Calls]:
    """The film of a long program, and what ran to make it, caches filled."""
    traced = gad.trace(tangle, 0.5, 0.3)
    return traced.animate(), counted(traced.animate)


def test_a_film_decides_what_each_operation_claims_once() -> None:
    film, calls = filmed()
    assert calls.of(decide) == len(film.graph.node_list)
    assert calls.of(passed) == len(film.graph.edges)
    assert calls.in_module("maths.claims") <= MOST_DECISIONS * len(film.graph.edges)


def test_a_film_names_and_describes_its_graph_once() -> None:
    _, calls = filmed()
    assert calls.of(words_of_graph) == calls.of(names_of_nodes) == 1
    assert calls.of(build_scene) <= 2  # with local derivatives and without


def test_a_still_decides_what_each_operation_claims_once_however_often_it_is_placed() -> None:
    traced = network()
    calls = counted(lambda: traced.plot(layout="layered"))
    shown = traced.plot(layout="layered").graph
    assert calls.of(decide) == len(shown.node_list)
    assert calls.of(passed) == len(shown.edges)


def test_the_way_from_animate_to_the_words_hardly_goes_up() -> None:
    order = [room for room in ROOMS if room]
    rooms = {code: module_of(code).partition(".")[0] for pair in filmed()[1].pairs for code in pair}
    known = [
        (caller, called) for caller, called in filmed()[1].pairs if rooms[caller] in order and rooms[called] in order
    ]
    up = [
        (caller.co_name, called.co_name)
        for caller, called in known
        if order.index(rooms[caller]) < order.index(rooms[called]) and module_of(caller) != "base.made_once"
    ]
    assert len([pair for pair in up if pair[0] != "animate"]) <= MOST_WAYS_UP, up


def test_the_benchmark_counts_what_these_tests_count() -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "words.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"60 nodes, 96 edges; .*\n.* calls in the deciding code, .*\nthe way goes up .*\n", done.stdout)


def test_words_without_local_derivatives_are_those_described_without_them() -> None:
    words = words_of_graph(graph("seed"))
    without = without_local(words)
    again = words_of_graph(graph("seed"), without.options)
    assert not without.options.local
    assert {key: said.lines for key, said in without.edges.items()} == {
        key: said.lines for key, said in again.edges.items()
    }
    assert without.nodes == again.nodes
    assert any(line.role == "local" for said in words.edges.values() for line in said.lines)
