"""Draft of a graph -> what is kept for its backward pass: by which operations, until when, and in which modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from graphviz_ad._internal.graph.graph import Edge, Memory, Node
from graphviz_ad._internal.graph.memory import Keeper, Kept, MemoryStep, ModuleMemory
from graphviz_ad._internal.tracing.assembly.draft import Draft
from graphviz_ad._internal.tracing.tape.torch_private import memory_of_tensor


def with_holders(memory: Memory, draft: Draft) -> Memory:
    """The memory with its pieces, its curve and its modules."""
    nodes = {node.key: node for node in draft.nodes}
    kept = tuple(sorted(pieces_kept(draft, nodes), key=lambda piece: -piece.bytes))
    return replace(
        memory, kept=kept, steps=tuple(steps_back(draft, kept)), modules=tuple(modules_of_memory(draft, kept, nodes))
    )


def pieces_kept(draft: Draft, nodes: Mapping[str, Node]) -> Iterator[Kept]:
    """Each piece of memory that the operations keep that ran in this pass, or all of them where none did."""
    units, autograd = draft.units, draft.units.recorded.autograd
    own = {memory_of_tensor(leaf) for leaf in autograd.variables.values() if leaf is not None}
    # of a pass that is made late, leaves have gone
    own |= {value.memory for value in units.recorded.leaf_values.values()}
    keepers: dict[int, list[Keeper]] = {}
    sizes: dict[int, int] = {}
    for unit, i in sorted(units.links.node_of.items(), key=lambda item: item[0].order):
        node = nodes.get(draft.keys.get(unit, ""))  # what is left out has none
        if node is None or (draft.backward_order and i not in draft.backward_order):
            continue
        for tensor in autograd.keeps[i].tensors:
            if tensor.storage is None or tensor.storage in own:
                continue
            order = draft.backward_order.get(i)
            keepers.setdefault(tensor.storage, []).append(
                Keeper(node.key, node.op, tensor.name, node.module, node.source, order)
            )
            sizes[tensor.storage] = tensor.whole or 0
    makers = makers_of(draft, nodes, {storage: by[0].key for storage, by in keepers.items()})
    for storage, by in keepers.items():
        yield Kept(sizes[storage], tuple(by), makers.get(storage))


def makers_of(draft: Draft, nodes: Mapping[str, Node], first: Mapping[int, str]) -> Mapping[int, str]:
    """Piece of memory -> the node that made what lies there: the last before or at the first that keeps it."""
    place = {draft.keys[unit]: n for n, unit in enumerate(draft.units.all) if unit in draft.keys}
    found: dict[int, str] = {}
    for unit in draft.units.all:
        key = draft.keys.get(unit, "")
        for value in draft.units.values.get(unit, {}).values() if key in nodes else ():
            storage = value.memory
            if storage is None or storage not in first or value.is_view:
                continue
            if place[key] <= place[first[storage]]:
                found[storage] = key
    return found


def steps_back(draft: Draft, kept: Sequence[Kept]) -> Iterator[MemoryStep]:
    """What is held before the pass, and after each of its operations."""
    nodes = {node.key: node for node in draft.nodes}
    ran = {
        draft.backward_order[i]: draft.keys[unit]
        for unit, i in draft.units.links.node_of.items()
        if i in draft.backward_order and unit.kind == "op" and draft.keys.get(unit) in nodes
    }
    if not ran:
        return
    freed: dict[int, int] = {}
    for piece in kept:
        until = piece.until
        if until is not None and until.order is not None:
            freed[until.order] = freed.get(until.order, 0) + piece.bytes
    came = gradients_that_come(draft, nodes)
    saved, gradients = sum(piece.bytes for piece in kept), 0
    yield MemoryStep(None, None, saved, gradients)
    for order, key in sorted(ran.items()):
        saved -= freed.get(order, 0)
        gradients += came.get(order, 0)
        yield MemoryStep(key, nodes[key].op, saved, gradients)


def gradients_that_come(draft: Draft, nodes: Mapping[str, Node]) -> Mapping[int, int]:
    """When on the way back -> bytes of the gradients of leaves that the operation that runs then is the first to send
    something to.
    """
    first: dict[tuple[str, int], int] = {}
    for edge in draft.edges:
        order = nodes[edge.head].backward_order
        if nodes[edge.tail].kind == "leaf" and edge.grad is not None and order is not None:
            place = (edge.tail, edge.port)
            first[place] = min(order, first.get(place, order))
    found: dict[int, int] = {}
    for (key, port), order in first.items():
        found[order] = found.get(order, 0) + (nodes[key].ports[port].bytes or 0)
    return found


def modules_of_memory(draft: Draft, kept: Sequence[Kept], nodes: Mapping[str, Node]) -> Iterator[ModuleMemory]:
    """What each module keeps, and what a checkpoint around it would spare, in the order in which they ran."""
    saved: dict[str, int] = {}
    spare: dict[str, int] = {}
    runs: dict[str, int] = {}
    for node in draft.nodes:
        for name in node.module if node.kind == "op" else ():
            runs[name] = runs.get(name, 0) + 1
    made = {piece.made_by for piece in kept}
    for piece in kept:
        for name in {name: None for keeper in piece.by for name in keeper.module}:
            saved[name] = saved.get(name, 0) + piece.bytes
            inside = all(name in keeper.module for keeper in piece.by)
            if inside and piece.made_by is not None and name in nodes[piece.made_by].module:
                spare[name] = spare.get(name, 0) + piece.bytes
    for name, cost in inputs_to_keep(draft.edges, made, nodes).items():
        spare[name] = spare.get(name, 0) - cost
    for name, count in runs.items():
        if saved.get(name):
            yield ModuleMemory(name, saved[name], max(spare.get(name, 0), 0), count)


def inputs_to_keep(edges: Sequence[Edge], made: set[str | None], nodes: Mapping[str, Node]) -> Mapping[str, int]:
    """Module -> bytes of its inputs that nothing keeps yet, and that a checkpoint would."""
    found: dict[str, dict[tuple[str, int], int]] = {}
    for edge in edges:
        tail = nodes[edge.tail]
        if tail.kind == "leaf" or tail.key in made:
            continue
        for name in nodes[edge.head].module:
            if name not in tail.module:
                found.setdefault(name, {})[edge.tail, edge.port] = tail.ports[edge.port].bytes or 0
    return {name: sum(sizes.values()) for name, sizes in found.items()}
