"""Graph of several ranks -> Graph that also says which gradients the ranks averaged, as DDP does during the backward
pass.

Each rank has the gradient of its own loss with respect to its own copy of a parameter, and then, in ``.grad``, what all
have in common. That this is the mean, or the sum, over the ranks is read off the recorded numbers and not taken from
the name of a wrapper.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.graph.messages import Averaging
from graphviz_ad._internal.graph.notices import notice
from graphviz_ad._internal.graph.rank_messages import CUT
from graphviz_ad._internal.graph.snapshot import Snapshot, Stats
from graphviz_ad._internal.maths.agreement import same_statistics
from graphviz_ad._internal.ranks.matching import REDUCTIONS, close, flat, reduction_of, same_elements

NAMES = {"avg": "mean", "sum": "sum"}
WHOLE = 256  # elements that a node shows one by one


@dataclass(frozen=True)
class Replica:
    """One parameter in all ranks: its leaf in each, and how their gradients became what all have in ``.grad``."""

    leaves: tuple[Node, ...]
    reduction: str | None
    match: str

    @property
    def total(self) -> Snapshot:
        """What every rank has in ``.grad``."""
        total = self.leaves[0].ports[0].grad_total
        assert total is not None
        return total


def with_averages(graph: Graph, parts: Mapping[int, Graph]) -> Graph:
    """The graph with a node for the gradients that were averaged, one for each dtype, and an edge from there to each
    copy of each parameter.
    """
    found = list(replicas(parts))
    groups: dict[tuple[str, str], list[Replica]] = defaultdict(list)
    for replica in found:
        if replica.reduction is not None:
            groups[replica.reduction, replica.total.dtype].append(replica)
    nodes: list[Node] = []
    edges: list[Edge] = []
    for (reduction, _), members in groups.items():
        nodes.append(node := average(f"a{len(nodes)}", reduction, members, tuple(parts)))
        for leaf, match in ((leaf, member.match) for member in members for leaf in member.leaves):
            edges.append(
                Edge(node.key, leaf.key, len(graph.in_edges(leaf.key)), grad=leaf.ports[0].grad, cut=CUT, match=match)
            )
    strange = [str(replica.leaves[0].name) for replica in found if replica.reduction is None]
    whole = replace(graph, node_list=(*nodes, *graph.node_list), edges=(*graph.edges, *edges))
    return whole.saying(notice("strange total", strange)) if strange else whole


def replicas(parts: Mapping[int, Graph]) -> Iterator[Replica]:
    """The parameters that all ranks have under one name, with different gradients in the pass and the same ``.grad``
    after it.

    Beside such a one, the gradients of others may have been the same before. They are taken along where they fit, as a
    guess.
    """
    leaves = [{node.name: node for node in graph.node_list if is_trained(node)} for graph in parts.values()]
    alike: list[Replica] = []
    found: set[str | None] = set()
    for name in leaves[0] if len(leaves) > 1 else ():
        copies = tuple(each[name] for each in leaves if name in each)
        totals = [as_port(copy.ports[0].grad_total) for copy in copies]
        if len(copies) < len(leaves) or not all(same_elements(totals[0], total) for total in totals[1:]):
            continue
        own = [as_port(copy.ports[0].grad) for copy in copies]
        answers = {reduction: is_reduction(reduction, own, totals[0]) for reduction in NAMES}
        if None in answers.values():
            continue
        exact = all(port.value is not None and port.value.known for port in (*own, totals[0]))
        replica = Replica(
            copies, next((reduction for reduction, yes in answers.items() if yes), None), "exact" if exact else "guess"
        )
        if any(same_elements(own[0], mine) is False for mine in own[1:]):
            found.add(replica.reduction)
            yield replica
        else:
            alike.append(replace(replica, match="guess"))
    yield from (replica for replica in alike if replica.reduction is not None and replica.reduction in found)


def is_trained(node: Node) -> bool:
    """Whether this is a named leaf to which a gradient came."""
    return (
        node.kind == "leaf"
        and node.name is not None
        and len(node.ports) == 1
        and node.grad is not None
        and node.ports[0].grad_total is not None
    )


def as_port(snap: Snapshot | None) -> Port:
    """A snapshot as a result, which is what can be compared."""
    return Port(snap.shape, snap.dtype, value=snap) if snap is not None else Port()


def is_reduction(name: str, own: Sequence[Port], total: Port) -> bool | None:
    """Whether a gradient is the mean or sum over the ranks; of big tensors as far as their statistics tell, None
    where these are not known.
    """
    arrays = [array for port in own if (array := flat([port])) is not None]
    if len(arrays) == len(own) and flat([total]) is not None:
        return len({array.shape for array in arrays}) == 1 and close(reduction_of(name, arrays), [total])
    snaps = [port.value for port in (total, *own)]
    facts = np.array(
        [(snap.mean, snap.norm) for snap in snaps if snap is not None and snap.mean is not None], dtype=np.float64
    )
    if len(facts) < len(snaps):
        return None
    (mean, norm), (means, norms) = facts[0], facts[1:].T
    most = float(REDUCTIONS[name](norms))  # as large as it is only where all ranks point the same way
    wanted = float(REDUCTIONS[name](means)), min(norm, most)
    return same_statistics((mean, norm), wanted, math.prod(total.shape or ()), total.dtype)


def average(key: str, reduction: str, members: Sequence[Replica], ranks: Sequence[int]) -> Node:
    """The node of all gradients of one dtype in one vector, as every rank has them in ``.grad``."""
    count = sum(member.total.numel for member in members)
    first = members[0].leaves[0].ports[0]
    port = Port((count,), members[0].total.dtype, first.device, grad=one_vector([member.total for member in members]))
    return Node(
        key,
        "data",
        "all_reduce",
        f"gradients, {NAMES[reduction]} over {len(ranks)} ranks",
        (port,),
        requires_grad=True,
        messages=(Averaging(len(members), NAMES[reduction], tuple(ranks)),),
        inside=len(members),
    )


def one_vector(parts: Sequence[Snapshot]) -> Snapshot:
    """All elements in one row, or what their statistics say of it."""
    count, dtype = sum(part.numel for part in parts), parts[0].dtype
    arrays = [part.array.reshape(-1) for part in parts if part.array is not None]
    if len(arrays) == len(parts) and count <= WHOLE:
        whole = np.concatenate(arrays)
        return Snapshot((count,), dtype, whole.item() if count == 1 else whole)
    rows = [(part.min, part.max, part.mean, part.norm, part.nonfinite, part.numel) for part in parts if part.numel]
    if any(None in row for row in rows):
        return Snapshot((count,), dtype, missing="summarised")
    low, high, mean, norm, bad, size = np.array(rows, dtype=np.float64).T
    stats = Stats(
        float(low.min()),
        float(high.max()),
        float((mean * size).sum() / count),
        float(np.sqrt((norm**2).sum())),
        int(bad.sum()),
    )
    return Snapshot((count,), dtype, stats=stats, missing="summarised")
