"""Graph -> what boxes of its picture say beside what they are and hold: where an open copy begins and ends, of which
backward pass the gradients are, which gradients an optimizer uses and which parameters it changes, and which other
names a parameter has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.notices import PARTS_IN_BOXES, first_names
from graphviz_ad._internal.graph.open_copies import call_of

MOST_NAMES, MOST_LINES = 2, 3


def remarks_at_boxes(graph: Graph) -> Mapping[str, Sequence[str]]:
    """Key of a box -> further lines in it."""
    folded = any(note.kind == PARTS_IN_BOXES for note in graph.notes)
    also: dict[str, list[str]] = {}
    for name, first in first_names(graph.notes).items() if folded else ():
        also.setdefault(first, []).append(name)
    found = {
        node.key: [*lines_of_steps(graph, node), *lines_of(node, also.get(node.name or "", []))]
        for node in graph.node_list
    }
    return {key: lines for key, lines in found.items() if lines}


def lines_of(node: Node, also: Sequence[str]) -> Iterator[str]:
    """The lines of one box; ``also`` are other names of the parameter that it is."""
    if node.kind == "leaf" and also:
        yield from (f"= {name}" for name in also[:MOST_LINES])
        yield from [f"and {len(also) - MOST_LINES} more names"] if len(also) > MOST_LINES else []
    begun = tuple(port.begins for port in node.ports if port.begins)
    if node.in_passes and node.in_passes != begun:
        yield f"gradients of {passes_in_words(node.in_passes)}"
    whole = call_of(node)
    for called, number, count, ends in node.bounds:
        if (called, number, count) != (node.op, *(whole or ())):  # the title says so
            yield f"{called}, {number:,} of {count:,}, {'ends' if ends else 'begins'} here"


def lines_of_steps(graph: Graph, node: Node) -> Iterator[str]:
    """What a box of steps of an optimizer reads and changes, and which pass reads that, where there are several."""
    if not node.is_of_steps or not node.updates:
        return
    several = any(each.in_passes for each in graph.node_list)
    if several and node.uses_passes:
        yield f"uses .grad of {passes_in_words(node.uses_passes)}"
    yield f"changes {in_short(modules_of(node.updates))}"
    readers = [graph.nodes[edge.head] for edge in graph.out_edges(node.key)]
    passes = sorted({number for head in readers if not head.is_of_steps for number in head.in_passes})
    if several and passes:
        yield f"{passes_in_words(passes)} {'reads' if len(passes) == 1 else 'read'} what it made"


def passes_in_words(numbers: Sequence[int]) -> str:
    """ "pass 2", "passes 1, 2 and 3", "passes 1 … 11"."""
    if len(numbers) > MOST_LINES and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"passes {numbers[0]} … {numbers[-1]}"
    return f"{'pass' if len(numbers) == 1 else 'passes'} {and_joined(numbers)}"


def modules_of(parameters: Sequence[str]) -> list[str]:
    """The modules that parameters are of, each once, and the names of those that are of none."""
    return list(dict.fromkeys(name.rpartition(".")[0] or name for name in parameters))


def in_short(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - MOST_NAMES
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:MOST_NAMES])} and {more} more"


def and_joined(numbers: Sequence[int]) -> str:
    """ "1, 2 and 3"."""
    *before, last = map(str, numbers)
    return f"{', '.join(before)} and {last}" if before else last
