"""A graph and the boxes for parts of it -> what is said of all that is in them: parameters, gradients, NaN."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from graphviz_ad._internal.graph.alarms import alarming_values
from graphviz_ad._internal.graph.anomalies import has_nonfinite, norms_of_layers
from graphviz_ad._internal.graph.box_contents import what_in
from graphviz_ad._internal.graph.box_facts import neighbours_in
from graphviz_ad._internal.graph.fold_tree import is_given
from graphviz_ad._internal.graph.gradient_sizes import far_ends
from graphviz_ad._internal.graph.gradient_starts import start_of
from graphviz_ad._internal.graph.graph import Graph, Node, Port
from graphviz_ad._internal.graph.notices import IN_ALL_BOXES, PASSES_DRAWN, Notice, notice, unread_parameters
from graphviz_ad._internal.graph.ragged import numel_of_shape
from graphviz_ad._internal.graph.repeats import GIVEN, Copies


def notice_of_all(graph: Graph, boxes: Sequence[Node] = ()) -> Notice | None:
    """How many parameters there are, which of them get no gradient, and whether all numbers are finite; how gradients
    differ, of all modules with parameters and of the copies in ``boxes``. None where there is nothing of that to say.
    """
    parameters: dict[int | str, list[Node]] = {}
    for node in filter(is_parameter, graph.node_list):
        tensor = node.ports[0].tensor
        parameters.setdefault(node.key if tensor is None else tensor, []).append(node)
    count = sum(numel_of_shape(first.ports[0].shape or ()) for first, *_ in parameters.values())
    elsewhere = {tensor for note in graph.notes if note.kind == PASSES_DRAWN for tensor in note["reached"]}
    reached = [key in elsewhere or any(use.grad is not None for use in uses) for key, uses in parameters.items()]
    without = [uses[0].name for uses, is_reached in zip(parameters.values(), reached, strict=True) if not is_reached]
    snaps = [snap for node in graph.node_list for port in node.ports for snap in (port.value, port.grad)]
    wrong = [has_nonfinite(port.value) or has_nonfinite(port.grad) for node in graph.node_list for port in node.ports]
    finite = all(is_known_to_be_finite(port) for node in graph.node_list for port in node.ports)
    start = start_of(graph) or ""
    if not count and not finite and not any(wrong) and not start:
        return None
    return notice(
        IN_ALL_BOXES,
        [name for name in without if name is not None],
        nameless=without.count(None),
        parameters=count,
        gradients=graph.has_gradients,
        finite=finite,
        wrong=sum(wrong),
        unread=bool(unread_parameters(graph.notes)),
        what=what_in(snaps) or "",
        spreads=any(wrong) and spreads(graph),
        start=start,
        modules=tuple(facts_of_modules(parameters.values())),
        copies=tuple(dict.fromkeys(fact for one in copies_told(boxes) for fact in facts_of_copies(one))),
    )


def spreads(graph: Graph) -> bool:
    """Whether something that is not finite may be in a gradient, in an output, or, where nobody meant it to be, in what
    takes a gradient.
    """
    ports = [(node, port) for node in graph.node_list for port in node.ports]
    if any(port.grad is not None and port.grad.nonfinite != 0 for _, port in ports):
        return True
    if any(port.is_output and not is_known_to_be_finite(port) for _, port in ports):
        return True
    wrong = dict.fromkeys(node.key for node, port in ports if has_nonfinite(port.value) and node.requires_grad)
    return any(alarming_values(graph, graph.nodes[key]) for key in wrong)


def facts_of_modules(parameters: Iterable[Sequence[Node]]) -> Iterator[tuple[Any, ...]]:
    """Of how many modules the parameters are, which has the least gradient of these, which the most, and which of them
    are out of the usual; nothing where a parameter has no name, so that nobody knows whose it is.
    """
    of = norms_of_layers(parameters)
    if len(of) < 2:
        return
    least, most = min(of, key=lambda module: of[module]), max(of, key=lambda module: of[module])
    yield len(of), least, of[least], most, of[most], far_ends([*of.values()])


def copies_told(boxes: Iterable[Node]) -> Iterator[Copies]:
    """The copies that boxes are, and the neighbours of one class that are most of what is in one."""
    for box in boxes:
        found = box.copies if box.copies is not None else neighbours_in(box.parts, box.inside)
        if found is not None:
            yield found


def facts_of_copies(copies: Copies) -> Iterator[tuple[Any, ...]]:
    """How the gradients differ of all copies of which some are in a box; nothing of steps of an optimizer, and where
    it is not known.
    """
    whole = copies.whole or copies
    extremes = whole.extremes
    if extremes is not None and whole.measure not in (GIVEN, None) and whole.count > 1:
        least, most = extremes
        called = whole.called or copies.called
        yield whole.count, called, whole.measure, whole.least, least, whole.most, most, far_ends(whole.norms)


def is_known_to_be_finite(port: Port) -> bool:
    """Whether a result and its gradient are known to be finite, as whole numbers are whatever they may be."""
    if (port.dtype or "").startswith(("int", "uint", "bool")):
        return True
    return port.value is not None and port.value.nonfinite == 0 and (port.grad is None or port.grad.nonfinite == 0)


def is_parameter(node: Node) -> bool:
    """Whether a node is what a module learns, rather than what a program was given."""
    return node.kind == "leaf" and not is_given(node) and node.ports[0].shape is not None
