"""Several recorded backward passes -> Story: each pass brings its own gradients, and ``.grad`` adds them up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.film.story import MOST_EDGE_STEPS, Story, Teller, beginning, blank, ending, final
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.maths.number_format import one_line
from graphviz_ad._internal.scene.scene import Change, Step
from graphviz_ad._internal.scene.words.describe import Words


def same_pictures(passes: Sequence[Graph]) -> None:
    """Refuse passes that cannot be shown on one picture."""
    keys = {tuple(graph.nodes) for graph in passes}
    if len(passes) < 2 or len(keys) > 1:
        what = "only one backward pass was recorded" if len(passes) < 2 else "they are folded differently"
        raise OptionError(
            f"passes=True shows several backward passes one after the other, but {what}; leave it out, or animate one"
            " of graph.passes"
        )


def tell_passes(each: Sequence[Words]) -> Story:
    """The forward pass, then each backward pass; the picture is that of the last one."""
    last = each[-1]
    forward = Teller(last, per_edge=False)
    steps = [beginning(last, "both"), *forward.forward()]
    for number, words in enumerate(each, 1):
        steps += one_pass(words, number, len(each))
    return Story(tuple(blank(last, values=True, gradients=True)), (*steps, ending(last, forward_only=False)))


def one_pass(words: Words, number: int, count: int) -> Iterator[Step]:
    """A backward pass from a picture on which only the leaves keep what they have."""
    graph = words.graph
    teller = Teller(words, per_edge=len(graph.edges) + len(graph.node_list) <= MOST_EDGE_STEPS)
    clear = [Change(key, "idle") for key in (*graph.nodes, *(edge.key for edge in graph.edges))]
    leaves = {node.key for node in graph.node_list if node.kind == "leaf"}
    clear += [
        change for change in blank(words, values=False, gradients=True) if change.key not in leaves or number == 1
    ]
    for n, step in enumerate(teller.backward()):
        if not n:
            step = replace(
                step, caption=(f"Backward pass {number} of {count}", *step.caption[1:]), changes=(*clear, *step.changes)
            )
        yield step
    held = [(node, node.ports[0].grad_total) for node in graph.node_list if node.kind == "leaf"]
    said = ", ".join(
        f"{words.names.of[node.key]}.grad = {one_line(total)}" for node, total in held[:4] if total is not None
    )
    grown = "the new gradients were added to what .grad held" if number > 1 else ".grad was empty"
    changes = [
        Change(node.key, "active", final(words.nodes[node.key].gradients)) for node, total in held if total is not None
    ]
    yield Step("backward", (f"After backward pass {number}: {grown}", said), tuple(changes), 2)
