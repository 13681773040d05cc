"""Graph -> smaller Graph: the calls of a module, or operations that ran one after the other, as one node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from graphviz_ad._internal.base.argument_types import Says
from graphviz_ad._internal.base.errors import UnknownNameError
from graphviz_ad._internal.graph.anomalies import far_off_in, norms_of_all_layers
from graphviz_ad._internal.graph.box_contents import not_finite_in, parts_of
from graphviz_ad._internal.graph.calls import bytes_of
from graphviz_ad._internal.graph.contraction import (
    Ports,
    contract,
    cut_of_group,
    is_convex,
    renumbered,
    results_of_group,
    shown_ports,
)
from graphviz_ad._internal.graph.graph import COMPUTED, Edge, Graph, Node, Port
from graphviz_ad._internal.graph.layer_facts import layer_facts
from graphviz_ad._internal.graph.notices import notice
from graphviz_ad._internal.graph.precision import sum_of_snapshots
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.graph.statements import shared_statement
from graphviz_ad._internal.operations.traits import UNBIND

LEVEL = Says("fold modules below that level", "level of modules", least=1)


def collapse_modules(graph: Graph, depth: Annotated[int, LEVEL] = 1) -> Graph:
    """Each module call at `depth` levels below the traced one as a single node, its parameters inside it."""
    return collapse_modules_but(graph, depth, ())


def collapse_modules_but(
    graph: Graph, depth: int, opened: Collection[str], with_calls: Callable[[Graph], Graph] = lambda folded: folded
) -> Graph:
    """The same, but modules of an ``opened`` name are open, with those in them as a single node each; ``with_calls``
    has boxes say which call of their module they are, while these have the keys of the last node in them.
    """
    position = {node.key: i for i, node in enumerate(graph.node_list)}
    groups = module_runs(graph, Levels(depth, paths_called(graph, opened)))
    groups = {
        key: nodes
        for key, nodes in groups.items()
        if is_convex(graph, sorted(nodes, key=lambda n: position[n.key]), position)
    }
    if not groups:
        return graph
    owner = {node.key: key for key, nodes in groups.items() for node in nodes}
    result = contract(graph, groups, owner, folded_module)
    layers = norms_of_all_layers(graph)
    boxes = [
        replace(node, far_off=far_off_in(node, layers)) if node.key in groups else node for node in result.node_list
    ]
    result = with_calls(replace(result, node_list=tuple(boxes)))
    hidden = sum(len(nodes) for nodes in groups.values()) - len(groups)
    names = [result.nodes[key].op or key for key in groups]
    return renumbered(result).saying(notice("modules folded", names, inside=hidden))


@dataclass(frozen=True)
class Levels:
    """How deep modules are folded: at a depth, but in and beside the ``opened`` ones, by their paths, right there."""

    depth: int
    opened: frozenset[tuple[str, ...]]

    def of(self, path: tuple[str, ...]) -> int:
        """On which level a node with this path of modules is folded."""
        return max([self.depth, *(len(common_path([path, each])) + 1 for each in self.opened)])


def paths_called(graph: Graph, names: Collection[str]) -> frozenset[tuple[str, ...]]:
    """The paths of the modules that are called so, in full or by the end of their names."""
    paths = {node.module[: i + 1] for node in graph.node_list for i in range(len(node.module))} if names else set()
    found: set[tuple[str, ...]] = set()
    for name in names:
        exact = {path for path in paths if path[-1] == name}
        called = exact or {path for path in paths if path[-1].endswith(f".{name}")}
        if not called:
            hint = "Where depth= or detail= says what is folded, expand= opens modules; without these, functions, too."
            raise UnknownNameError("module", name, {path[-1] for path in paths}, hint)
        found |= called
    return frozenset(found)


def is_name_of(name: str, modules: Collection[str]) -> bool:
    """Whether a name is that of one of these modules, in full or by its end."""
    return name in modules or any(each.endswith(f".{name}") for each in modules)


def module_runs(graph: Graph, levels: Levels) -> dict[str, list[Node]]:
    """Key of its last node -> the nodes of one call of one module, with what only they read.

    Folded are modules on a level, and those above it that call no other module.
    """
    inner = {path[:level] for path in {node.module for node in graph.node_list} for level in range(1, len(path))}
    runs: list[tuple[tuple[str, ...], list[Node]]] = []
    for node in graph.node_list:
        level = levels.of(node.module)
        path = node.module[:level]
        if node.kind == "op" and not path:
            runs.append((path, []))  # what runs outside all modules ends a call of one
        is_open = path in levels.opened or (len(path) < level and path in inner)
        if node.kind == "leaf" or not path or is_open:
            continue
        if runs and runs[-1][0] == path:
            runs[-1][1].append(node)
        else:
            runs.append((path, [node]))
    result = {}
    taken = {node.key for _, run in runs for node in run}
    for _, run in runs:
        members = [
            *(node for node in sources_of(graph, run, {node.key for node in run}) if node.key not in taken),
            *run,
        ]
        if len(members) > 1 and any(node.kind == "op" for node in run):
            result[run[-1].key] = members
    return result


def sources_of(graph: Graph, run: list[Node], inside: set[str]) -> list[Node]:
    """Parameters, buffers and constants that only these nodes read."""
    found: dict[str, Node] = {}
    for node in run:
        for edge in graph.in_edges(node.key):
            tail = graph.nodes[edge.tail]
            # a parameter or buffer, or nameless data; not an input
            owned = "." in (tail.name or ("." if tail.kind == "data" else ""))
            if (
                tail.key not in inside
                and owned
                and all(use.head in inside for use in graph.out_edges(tail.key))
                and not tail.is_output
            ):
                found[tail.key] = tail
    return list(found.values())


def named_results(graph: Graph, members: list[Node], shown: tuple[Port, ...]) -> tuple[Port, ...]:
    """The results of a group, of several each as the program calls it, where it does, and with what made it."""
    if len(shown) < 2:
        return shown
    tails = [graph.nodes[key] for key, _ in results_of_group(graph, members)]
    names = [node.name if node.kind in ("op", "data") and not node.ports[1:] else None for node in tails]
    return tuple(
        [
            replace(
                port,
                name=port.name or name,
                made_by=port.made_by or maker_of(graph, tail),
                requires_grad=port.requires_grad and tail.requires_grad,
            )
            for port, name, tail in zip(shown, names, tails, strict=True)
        ]
    )


def maker_of(graph: Graph, node: Node) -> str | None:
    """What made the results of a node: the innermost module around it, by its own name, or else the operation; of the
    elements of a tensor that has a name, what a program writes for one of them: "steps[i]".
    """
    if node.op == UNBIND and not node.arguments:
        named = [(graph.nodes[edge.tail], edge.port) for edge in graph.in_edges(node.key)]
        names = [tail.ports[port].name or (None if tail.ports[1:] else tail.name) for tail, port in named]
        if len(names) == 1 and names[0] is not None:
            return f"{names[0]}[i]"
    if not node.module or node.kind == "module":
        return node.op
    name = node.module[-1]
    local = name.rpartition(".")[2]
    return graph.class_of_module.get(name, local) if local.isdigit() else local  # "3 × 4" would be read as a product


def folded_module(graph: Graph, members: list[Node], operands: list[Edge], ports: Ports) -> tuple[Node, list[Edge]]:
    """One node for a call of a module."""
    last = members[-1]
    shown = named_results(graph, members, shown_ports(graph, members))
    shared = common_path([node.module for node in members if node.module]) or ("",)
    cut_off = cut_of_group(graph, members, last, shown)
    node = Node(
        last.key,
        "module",
        op=shared[-1],
        call_op=graph.class_of_module.get(shared[-1]),
        arguments=layer_facts(graph, members),
        name=next((port.name for port in shown if port.name), None) if len(shown) == 1 else None,
        ports=shown,
        autograd=tuple(label for member in members for label in member.autograd),
        requires_grad=any(member.requires_grad for member in members),
        module=shared[:-1],
        cut=cut_off.cut,
        switched_off=cut_off.switched_off,
        inside=sum(max(member.inside, 1) for member in members if member.kind == "module" or member.kind in COMPUTED),
        parameters=sum(map(parameters_in, members)),
        parameter_norm=norm_of_parameters(members),
        parameter_names=names_of_parameters(members),
        updates=tuple(dict.fromkeys(name for member in members for name in member.updates)),
        uses_passes=tuple(sorted({number for member in members for number in member.uses_passes})),
        in_passes=tuple(sorted({number for member in members for number in member.in_passes})),
        parts=parts_of(graph, members),
        not_finite=not_finite_in(graph, members),
        saved_bytes=bytes_of(members),
        backward_order=min((m.backward_order for m in members if m.backward_order is not None), default=None),
        statement=shared_statement(
            graph.statements, [member.statement for member in members if member.kind not in ("leaf", "data")]
        ),
    )
    return node, summed_edges(graph, operands)


def parameters_in(node: Node) -> int:
    """How many parameters a node is, or holds."""
    if node.kind != "leaf":
        return node.parameters
    return 0 if node.ports[0].shape is None else int(np.prod(node.ports[0].shape))


def summed_edges(graph: Graph, operands: Iterable[Edge]) -> list[Edge]:
    """The edges to a box: one of each result that it reads, however often."""
    uses: dict[tuple[str, int], list[Edge]] = {}
    for edge in operands:
        uses.setdefault((edge.tail, edge.port), []).append(edge)
    return [summed_edge(graph, source, edges, slot) for slot, (source, edges) in enumerate(uses.items())]


def common_path(paths: list[tuple[str, ...]]) -> tuple[str, ...]:
    """The modules that all paths begin with."""
    shared = []
    for steps in zip(*paths, strict=False):
        if len(set(steps)) > 1:
            break
        shared.append(steps[0])
    return tuple(shared)


def names_of_parameters(members: list[Node]) -> tuple[str, ...]:
    """The names of the parameters among these nodes, and in them, each once."""
    names = [(node.name,) if node.kind == "leaf" and node.name else node.parameter_names for node in members]
    return tuple(dict.fromkeys(name for each in names for name in each))


def norm_of_parameters(members: list[Node]) -> float | None:
    """Root of the summed squares of the norms of the parameters' gradients; None where they have none."""
    norms = [
        node.grad.norm
        for node in members
        if node.kind == "leaf" and node.grad is not None and node.grad.norm is not None
    ]
    norms += [node.parameter_norm for node in members if node.parameter_norm is not None]
    return float(np.sqrt(np.sum(np.square(norms)))) if norms else None


def summed_edge(graph: Graph, source: tuple[str, int], edges: list[Edge], slot: int) -> Edge:
    """Several uses of one result inside a folded module as one edge, with the sum of what flows back where that is
    known.
    """
    first = replace(edges[0], slot=slot, local=None, made=None)
    if len(edges) == 1:
        return first
    flowing = [edge for edge in edges if edge.cut is None]
    return replace(
        first, grad=sum_of_grads(graph, source, flowing) if flowing else None, cut=None if flowing else first.cut
    )


def sum_of_grads(graph: Graph, source: tuple[str, int], flowing: list[Edge]) -> Snapshot | None:
    """The sum of what flows back along edges: element by element, or, if nothing else flows back to the result, its
    gradient.
    """
    total = sum_of_snapshots([edge.grad for edge in flowing])
    if total is not None:
        return total
    port = graph.nodes[source[0]].ports[source[1]]
    everything = [edge for edge in graph.out_edges(source[0]) if edge.port == source[1] and edge.cut is None]
    return port.grad if len(everything) == len(flowing) and port.upstream is None else None


def fold_blocks(graph: Graph, blocks: Annotated[int, Says("how many blocks", "number of blocks", least=1)]) -> Graph:
    """All operations in so many blocks of about the same length, in the order in which they ran."""
    operations = [node for node in graph.node_list if node.kind in ("op", "module")]
    length = -(-len(operations) // blocks)
    runs = [operations[start : start + length] for start in range(0, len(operations), length)]
    groups = {run[-1].key: [*sources_of(graph, run, {node.key for node in run}), *run] for run in runs if len(run) > 1}
    owner = {node.key: key for key, nodes in groups.items() for node in nodes}
    result = contract(graph, groups, owner, folded_block)
    return renumbered(result).saying(notice("blocks", operations=len(operations), blocks=len(runs)))


def folded_block(graph: Graph, members: list[Node], operands: list[Edge], ports: Ports) -> tuple[Node, list[Edge]]:
    """One node for a block of operations, called after what is in it."""
    node, edges = folded_module(graph, members, operands, ports)
    counts = Counter(member.op or "?" for member in members if member.kind in ("op", "module"))
    first, count = counts.most_common(1)[0]
    total = sum(counts.values())
    op = f"{count} × {first}" if len(counts) == 1 else f"{total} operations"
    return replace(node, op=op, call_op=None, arguments=(), module=(), parts=()), edges
