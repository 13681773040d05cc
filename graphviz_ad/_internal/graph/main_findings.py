"""A graph and the boxes for parts of it -> what its picture has to tell before all else: gradients that vanish or grow,
and what came to be NaN or infinite; with the nodes at which it is seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from graphviz_ad._internal.graph.anomalies import has_nonfinite, nonfinite_from_here, norms_of_all_layers
from graphviz_ad._internal.graph.box_contents import what_in
from graphviz_ad._internal.graph.box_notices import spreads
from graphviz_ad._internal.graph.gradient_sizes import GROW, ODD, VANISH, far_off, last_of, limits
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.notices import CAME_UP, GRADIENTS_OFF, Notice, notice
from graphviz_ad._internal.graph.repeats import PARAMETERS, RESULT, Copies

TINIEST = 1e-300  # of a norm of which a logarithm is taken
Finding = tuple[Notice, Sequence[str]]  # what there is to tell, and the keys of nodes at which it is seen


def main_findings(graph: Graph, copies: Iterable[Copies]) -> Iterator[Finding]:
    """What came to be not finite, and the gradient that is most out of the usual: that of a single layer, where one is,
    else that of one of the copies that boxes are.
    """
    yield from finding_of_values(graph)
    yield from [*finding_of_layers(graph), *findings_of_copies(graph, copies)][:1]


# --- gradients


def finding_of_layers(graph: Graph) -> Iterator[Finding]:
    """The layer of which the gradients are most out of the usual."""
    layers = norms_of_all_layers(graph)
    names, norms = [*layers], [*layers.values()]
    at = worst_of(norms)
    if at is not None:
        beside, usual = last_of(norms)
        found = notice(
            GRADIENTS_OFF,
            names=(names[at], names[beside]),
            way=way_of(norms, at),
            size=norms[at],
            beside=usual,
            measure=PARAMETERS,
            places=(at + 1, beside + 1),
            towards=is_towards_input(norms, at),
            last=beside == len(norms) - 1,
        )
        leaves = [node.key for node in graph.node_list if node.kind == "leaf"]
        yield found, [key for key in leaves if (graph.nodes[key].name or "").rpartition(".")[0] == names[at]]


def findings_of_copies(graph: Graph, copies: Iterable[Copies]) -> Iterator[Finding]:
    """The same of copies, such as the steps of a loop, of which each has a result."""
    for whole in (each.whole or each for each in copies):
        at = worst_of(whole.norms) if whole.measure == RESULT else None
        norm = None if at is None else whole.norms[at]
        if at is not None and norm is not None:
            beside, usual = last_of(whole.norms)
            yield (
                notice(
                    GRADIENTS_OFF,
                    names=("", ""),
                    way=way_of(whole.norms, at),
                    size=norm,
                    beside=usual,
                    measure=RESULT,
                    places=(at + 1, beside + 1),
                    towards=False,
                    last=beside == whole.count - 1,
                ),
                (),
            )


def worst_of(norms: Sequence[float | None]) -> int | None:
    """The place of that which is most out of the usual; None where none is."""
    usual = max(last_of(norms)[1], TINIEST)
    found = [(abs(math.log(max(norms[i] or 0.0, TINIEST) / usual)), -i) for i in far_off(norms)]
    return -max(found)[1] if found else None


def way_of(norms: Sequence[float | None], at: int) -> str:
    """How one is out of the usual."""
    low, high = limits(norms)
    norm = norms[at] or 0.0
    return VANISH if norm < low else GROW if norm > high else ODD


def is_towards_input(norms: Sequence[float], at: int) -> bool:
    """Whether the one at this place stands where the program begins, and most in the first half are like it rather
    than like those in the second.
    """
    half = len(norms) // 2
    if 4 * at >= len(norms) or not half:
        return False
    first, second = sorted(norms[:half])[half // 2], sorted(norms[-half:])[half // 2]
    return first > second if norms[at] > second else first < second


# --- NaN and infinity


def finding_of_values(graph: Graph) -> Iterator[Finding]:
    """Where NaN or infinity came up that nobody wrote there, and how far it comes."""
    births = [node for node in graph.node_list if node.op is not None and nonfinite_from_here(graph, node)]
    of_values = [node for node in births if any(has_nonfinite(port.value) for port in node.ports)]
    ports = [port for node in graph.node_list for port in node.ports]
    grads = [port.grad for port in ports if has_nonfinite(port.grad)]
    if not births:
        return
    first, *_ = of_values or births
    tainted = [port.value for node in come_from(graph, of_values) for port in node.ports if has_nonfinite(port.value)]
    found = notice(
        CAME_UP,
        what=what_in(tainted if of_values else grads) or "",
        count=len(tainted if of_values else grads),
        backward=not of_values,
        operation=first.op,
        line=first.source or "",
        sites=len({(node.op, node.source) for node in of_values or births}),
        spreads=spreads(graph),
        outputs=any(port.is_output and has_nonfinite(port.value) for port in ports),
        gradients=bool(grads),
    )
    yield found, [first.key]


def come_from(graph: Graph, births: Iterable[Node]) -> Iterator[Node]:
    """These nodes, and those that are not finite since what they read of them is not."""
    seen: dict[str, Node] = {node.key: node for node in births}
    for node in graph.node_list:
        if node.key not in seen and any(has_nonfinite(port.value) for port in node.ports):
            read = [edge for edge in graph.in_edges(node.key) if edge.tail in seen]
            if any(has_nonfinite(seen[edge.tail].ports[edge.port].value) for edge in read):
                seen[node.key] = node
    yield from seen.values()
