"""Graph + result -> whether it would have mattered: whether it leads on to what a backward pass began at."""

from __future__ import annotations

from collections.abc import Container, Iterator

from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.pass_keys import same_nodes
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.operations.names import NUMBER_OF_TENSOR
from graphviz_ad._internal.scene.annotations import is_write
from graphviz_ad._internal.scene.words.short_text import is_constant


def leads_to_a_loss(graph: Graph, key: str) -> bool:
    """Whether something that a gradient was fed in at in this pass was computed from a node, in whatever way; an
    update of a parameter is no part of a computation.
    """
    return _leads_to(graph, key, {node.key for node in graph.node_list if is_root(node)})


def leads_to_any_loss(graph: Graph, key: str) -> bool:
    """The same, of all passes."""
    return _leads_to(graph, key, {key for done in graph.passes for key in roots_of_pass(graph, done)})


def roots_of_pass(graph: Graph, done: Graph) -> Iterator[str]:
    """The keys of what another pass began at; calls may be joined otherwise there."""
    roots = [node for node in done.node_list if is_root(node)]
    same = same_nodes(done, graph) if done is not graph and roots else {root.key: root for root in roots}
    for root in roots:
        if root.key in same:
            yield same[root.key].key
        elif root.call is not None:
            parts = graph.of_calls.get(root.call, ())
            yield from (node.key for node in parts if node.module[:1] == root.module[:1])


def _leads_to(graph: Graph, key: str, roots: Container[str]) -> bool:
    seen, waiting = {key}, [key]
    while waiting:
        node = graph.nodes[waiting.pop()]
        if node.key in roots:
            return True
        for found in numbers_like(graph, node) if takes_out(node) else ():
            if found.key not in seen:
                seen.add(found.key)
                waiting.append(found.key)
        for edge in graph.out_edges(node.key):
            if edge.head not in seen and not is_update(graph, edge):
                seen.add(edge.head)
                waiting.append(edge.head)
    return False


def may_lead_to_a_loss(graph: Graph, key: str) -> bool:
    """The same, where nobody sees what becomes of a Python number."""
    return takes_out(graph.nodes[key]) or leads_to_a_loss(graph, key)


def takes_out(node: Node) -> bool:
    """Whether an operation makes a Python number of a tensor."""
    return node.op in NUMBER_OF_TENSOR and not node.requires_grad and not node.autograd


def numbers_like(graph: Graph, node: Node) -> Iterator[Node]:
    """The numbers of the program that are, to the last digit, the one that was taken out of a tensor before; none where
    the program had that number before it was taken out, as a 0 or a 1.
    """
    taken = graph.in_edges(node.key)[:1]
    value = graph.nodes[taken[0].tail].ports[taken[0].port].value if taken else None
    if value is None or value.data is None or value.numel != 1:
        return
    place = graph.node_list.index(node)
    if not any(is_number(each, value) for each in graph.node_list[:place]):
        yield from (each for each in graph.node_list[place + 1 :] if is_number(each, value))


def is_number(node: Node, value: Snapshot) -> bool:
    """Whether a node is a number of the program, and that one to the last digit."""
    return is_constant(node) and node.value is not None and bool(node.value.data == value.data)


def numbers_held(graph: Graph, node: Node) -> Iterator[tuple[Node, Edge]]:
    """The numbers of the program that are, to the last digit, an element of a result which no operation read, with
    where they are used: tolist() and numpy() are no operations, and nobody sees them run. Whole numbers are everywhere.
    """
    array = node.value.array if node.value is not None else None
    if array is None:
        return
    held = {float(element) for element in array.ravel() if float(element) % 1} if array.dtype.kind == "f" else set()
    for each in graph.node_list[graph.node_list.index(node) + 1 :] if held else ():
        if is_constant(each) and each.value is not None and each.value.data in held:
            yield from ((each, edge) for edge in graph.out_edges(each.key))


def ran_in(graph: Graph, node: Node) -> frozenset[str]:
    """The operations that a node stands for."""
    fine = graph.detail.node_list if graph.detail is not None and node.call is not None else ()
    inside = (each.op for each in fine if each.call == node.call)
    return frozenset(op for op in (node.op, *inside) if op is not None)


def is_root(node: Node) -> bool:
    """Whether a pass began there."""
    return node.is_output or any(port.upstream is not None for port in node.ports)


def is_update(graph: Graph, edge: Edge) -> bool:
    """Whether an edge leads into the next value of a leaf, as an optimizer writes it: nobody expects a gradient
    through that.
    """
    head = graph.nodes[edge.head]
    return edge.cut is not None and is_write(head) and (head.is_step or head.ports[0].tensor is not None)
