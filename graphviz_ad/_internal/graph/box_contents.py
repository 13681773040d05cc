"""The nodes of a box -> what is told of them as a whole: the modules that ran in it, and what in it is not finite."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from graphviz_ad._internal.graph.alarms import alarming_values
from graphviz_ad._internal.graph.anomalies import nonfinite_from_here, norm_of
from graphviz_ad._internal.graph.box_facts import MIXED, NotFinite, Part
from graphviz_ad._internal.graph.contraction import results_of_group
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.repeats import PARAMETERS, copies_named
from graphviz_ad._internal.graph.snapshot import Snapshot

DEEPEST = 3  # levels of modules in a box that are told


def parts_of(graph: Graph, members: Sequence[Node], levels: int = DEEPEST) -> tuple[Part, ...]:
    """The modules that ran in a box, in the order in which they first did; those of one module in it are not named
    beside it.
    """
    paths = [(path_of(graph, node), node) for node in members if path_of(graph, node)]
    around = shared_length([path for path, _ in paths])
    inside: dict[str, list[Node]] = {}
    for path, node in paths:
        if len(path) > around:
            inside.setdefault(path[around], []).append(node)
    found = [(name, part_of(graph, name, nodes, levels)) for name, nodes in inside.items()]
    runs = [[*run] for _, run in groupby(found, key=lambda pair: pair[1].name)]
    alike: dict[str, list[str]] = {}
    for name, part in found:
        alike.setdefault(part.name, []).append(name)
    return tuple([run[0][1] if len(run) == 1 else together(graph, members, run, alike[run[0][1].name]) for run in runs])


def path_of(graph: Graph, node: Node) -> tuple[str, ...]:
    """The modules that a node ran in, with the one that it is itself."""
    own = (node.op,) if node.kind == "module" and node.op and node.op in graph.class_of_module else ()
    return (*node.module, *own)


def shared_length(paths: Sequence[Sequence[str]]) -> int:
    """How many modules all paths begin with."""
    steps = list(zip(*paths, strict=False))
    return next((i for i, names in enumerate(steps) if len({*names}) > 1), len(steps))


def part_of(graph: Graph, name: str, nodes: Sequence[Node], levels: int) -> Part:
    """A module by its own name; one that has but a number by its class, which neighbours may share."""
    local = name.rpartition(".")[2]
    called = graph.class_of_module.get(name, local) if local.isdigit() else local
    return Part(called, 1, operations_in(nodes), parts_of(graph, nodes, levels - 1) if levels > 1 else ())


def together(graph: Graph, members: Iterable[Node], run: Sequence[tuple[str, Part]], alike: Sequence[str]) -> Part:
    """Neighbours of one class as one part, which says how all of that class in the box differ: ``alike`` are these."""
    leaves: dict[str, list[str]] = {}
    for node in members:
        if node.kind == "leaf" and node.name is not None:
            leaves.setdefault(".".join(node.name.split(".")[: run[0][0].count(".") + 1]), []).append(node.key)
    norms = [norm_of(graph, leaves.get(name, [])) for name in alike]
    return replace(
        run[0][1],
        copies=len(run),
        operations=sum(part.operations for _, part in run),
        differ=copies_named(alike, norms, PARAMETERS, run[0][1].name),
    )


def operations_in(nodes: Iterable[Node]) -> int:
    """How many operations there are."""
    return sum(max(node.inside, 1) for node in nodes if node.kind not in ("leaf", "data"))


def not_finite_in(graph: Graph, members: list[Node]) -> NotFinite | None:
    """What in these nodes is not finite; None where all that is known is."""
    returned = {key for key, _ in results_of_group(graph, members)}
    total = NotFinite()
    for node in members:
        found = node.not_finite or not_finite_of(graph, node, leaves=node.key in returned)
        total = total.with_more(found)
    return total if total != NotFinite() else None


def not_finite_of(graph: Graph, node: Node, *, leaves: bool) -> NotFinite:
    """What is not finite in the results of a node, which may leave its box, and in their gradients."""
    values = sum(port.value.nonfinite or 0 for port in node.ports if port.value is not None)
    gradients = sum(port.grad.nonfinite or 0 for port in node.ports if port.grad is not None)
    if not values and not gradients:
        return NotFinite()
    bad = values if alarming_values(graph, node) else 0
    born = (node.op or node.name or node.key,) if nonfinite_from_here(graph, node) and (bad or gradients) else ()
    spreads = bool(gradients or (bad and (node.requires_grad or leaves)))
    snaps = [port.value for port in node.ports] if bad else [port.grad for port in node.ports] if gradients else []
    where = node.source if born else None
    return NotFinite(bad, gradients, values - bad, born[0] if born else None, spreads, what_in(snaps), where)


def what_in(snaps: Iterable[Snapshot | None]) -> str | None:
    """What is not finite in tensors: "NaN", "∞", "−∞", or several of these; None where all is finite."""
    kinds = {kind for snap in snaps if snap is not None and snap.nonfinite for kind in kinds_in(snap)}
    return kinds.pop() if len(kinds) == 1 else MIXED if kinds else None


def kinds_in(snap: Snapshot) -> set[str]:
    """What is not finite in a tensor that has something like that."""
    array = snap.array
    if array is None or np.iscomplexobj(array):
        low, high = snap.min, snap.max
        if low is None or high is None or math.isnan(low) or math.isnan(high):
            return {MIXED}
        return {kind for kind, end in (("−∞", -math.inf), ("∞", math.inf)) if end in (low, high)}
    tests = ("NaN", np.isnan), ("∞", np.isposinf), ("−∞", np.isneginf)
    return {kind for kind, test in tests if test(array).any()}
