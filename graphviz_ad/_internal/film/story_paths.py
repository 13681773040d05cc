"""Explanation -> Story: one path of the chain rule at a time, what each brings, and their sum."""

from __future__ import annotations

from collections.abc import Iterator

from graphviz_ad._internal.explain.explanation import Explanation, Path, shortened_names, written_count
from graphviz_ad._internal.explain.path_picture import brought, the_sum
from graphviz_ad._internal.film.program_lines import lines_of_nodes
from graphviz_ad._internal.film.story import Story, blank, ending
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.operations import lessons
from graphviz_ad._internal.scene.path_lines import REST
from graphviz_ad._internal.scene.scene import Change, Step
from graphviz_ad._internal.scene.words.describe import Words


def tell_paths(words: Words, explanation: Explanation) -> Story:
    """Values and local derivatives are there from the start; the gradient comes path by path."""
    paths = explanation.paths[:REST]
    first = (
        f"{explanation.symbol}: {written_count(explanation.count)} path{'s' if explanation.count != 1 else ''} from"
        f" {explanation.called} to {explanation.result}"
    )
    opening = tuple(change for change in blank(words, values=False, gradients=True) if change.key in words.graph.nodes)
    steps = [Step("start", (first, "each brings the product of the derivatives along it"), ())]
    steps += [
        step
        for n, path in enumerate(paths)
        for step in steps_along(words.graph, explanation, path, paths[n - 1] if n else None)
    ]
    if explanation.count > len(paths):
        more = written_count(explanation.count - len(paths))
        steps.append(
            Step("backward", (f"and {more} more, summed without listing them",), rest(paths[-1] if paths else None))
        )
    end = ending(words, forward_only=False)
    nodes = tuple(Change(key, "idle") for key in words.graph.nodes)
    said = the_sum(explanation, paths, explanation.count - len(paths))
    last = Step("end", ("The gradient is the sum over all paths", said), (*nodes, *end.changes), 2)
    return Story(opening, (*steps, last))


def steps_along(graph: Graph, explanation: Explanation, path: Path, before: Path | None) -> Iterator[Step]:
    """A path lights up from end to end."""
    keys = dict.fromkeys(key for edge in path.edges for key in (edge.tail, edge.key, edge.head))
    edges = {edge.key for edge in path.edges}
    lit = [Change(key, "active-backward" if key in edges else "active") for key in keys]
    caption = (f"{path.letter}: {' → '.join(shortened_names(path.way))}", brought(path))
    changes = (*(change for change in rest(before) if change.key not in keys), *lit)
    computed = lines_of_nodes(graph, [graph.nodes[edge.head] for edge in path.edges if edge.head in graph.nodes])
    yield Step("backward", caption, changes, len(path.links), lessons=(lessons.CHAIN,), lit=computed)


def rest(path: Path | None) -> tuple[Change, ...]:
    """The marks of the path before go out."""
    if path is None:
        return ()
    return tuple(
        Change(key, "idle")
        for key in dict.fromkeys(key for edge in path.edges for key in (edge.tail, edge.key, edge.head))
    )
