"""Several recorded backward passes -> Story: each pass brings its own gradients, and ``.grad`` adds them up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.film.story import MOST_EDGE_STEPS, Story, Teller, blank, ending, final, first_frame
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.scene.scene import Change, Step
from graphviz_ad._internal.scene.words.describe import Words
from graphviz_ad._internal.scene.words.names import function_name
from graphviz_ad._internal.scene.words.short_text import equal_to, gradient_in_caption

MOST_NAMED = 4  # leaves whose .grad a caption tells


def same_pictures(passes: Sequence[Graph]) -> None:
    """Refuse passes that cannot be shown on one picture."""
    keys = {tuple(graph.nodes) for graph in passes}
    if len(passes) < 2 or len(keys) > 1:
        what = "only one backward pass was recorded" if len(passes) < 2 else "they cannot be shown on one picture"
        raise OptionError(
            f"passes=True shows several backward passes one after the other, but {what}; leave it out, or animate one"
            " of graph.passes"
        )


def on_one_picture(passes: Sequence[Graph]) -> tuple[Graph, ...]:
    """The passes with one name for each result: what has none and is what a pass begins at is called like the whole in
    all of them, and counted.
    """
    ends = {node.key for graph in passes for node in graph.outputs if not node.name}
    if len(ends) < 2:
        return tuple(passes)
    return tuple(
        replace(
            graph,
            node_list=tuple(
                [replace(node, name=function_name(graph)) if node.key in ends else node for node in graph.node_list]
            ),
        )
        for graph in passes
    )


def words_of_passes(each: Sequence[Words]) -> Words:
    """The words of the last pass, and of what only earlier ones came to, those of the last that did."""
    nodes, edges = dict(each[-1].nodes), dict(each[-1].edges)
    reached: set[str] = set()
    for words in reversed(each):
        graph = words.graph
        came = {node.key for node in graph.node_list if any(port.grad is not None for port in node.ports)}
        flowed = {edge.key for edge in graph.edges if edge.grad is not None}
        leaves = {node.key for node in graph.node_list if node.kind == "leaf"}
        nodes |= {key: words.nodes[key] for key in came - reached - leaves}
        edges |= {key: words.edges[key] for key in flowed - reached}
        reached |= came | flowed
    return replace(each[-1], nodes=nodes, edges=edges)


def tell_passes(each: Sequence[Words], last: Words) -> Story:
    """The forward pass, then each backward pass; ``last`` are the words of the picture that they end on."""
    forward = Teller(last, per_edge=False)
    steps = [first_frame(last, "both"), *forward.forward()]
    for number, words in enumerate(each, 1):
        steps += one_pass(words, number, len(each))
    end = ending(last, forward_only=False)
    end = replace(end, caption=("All backward passes have run", said_of_grad(held_by_leaves(each)) or end.caption[-1]))
    return Story(tuple(blank(last, values=True, gradients=True)), (*steps, end))


def held_by_leaves(each: Sequence[Words]) -> Mapping[str, Snapshot]:
    """What .grad of each leaf holds at the end, under the leaf's last name."""
    found: dict[int | str, tuple[str, Snapshot]] = {}
    for words in each:
        for node in words.graph.node_list:
            total = node.ports[0].grad_total or node.ports[0].grad
            if node.kind == "leaf" and total is not None:
                tensor = node.ports[0].tensor
                found[node.key if tensor is None else tensor] = words.names.of[node.key], total
    return dict(found.values())


def said_of_grad(held: Mapping[str, Snapshot]) -> str:
    """ "x.grad = 216", of a few leaves."""
    return ", ".join(
        f"{name}.grad {equal_to(gradient_in_caption(total))}" for name, total in list(held.items())[:MOST_NAMED]
    )


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
    held = [(node, node.ports[0].grad_total or node.grad) for node in graph.node_list if node.kind == "leaf"]
    said = said_of_grad({words.names.of[node.key]: total for node, total in held if total is not None})
    grown = how_it_grew([node for node, total in held if total is not None], number)
    changes = [
        Change(node.key, "active", final(words.nodes[node.key].gradients)) for node, total in held if total is not None
    ]
    yield Step("backward", (f"After backward pass {number}: {grown}", said), tuple(changes), 2)


def how_it_grew(leaves: Sequence[Node], number: int) -> str:
    """What .grad held before a pass, as far as sum and summand tell."""
    fresh = {node.ports[0].grad_total in (None, node.grad) for node in leaves}
    if fresh == {True}:
        return ".grad was empty" if number == 1 else "this is all that .grad holds"
    held = "what .grad held" if fresh == {False} else ".grad where it held something"
    return f"the new gradients were added to {held}"
