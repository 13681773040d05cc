"""Parameter -> whether it is what the model is given rather than what it learns: collocation points, positions, images.

Tensors of both kinds require grad and get gradients. What is asked of `torch.autograd.grad` beside nothing that is
trained is differentiated by; what keeps its rows until a layer reads it as its data, with weights that are trained,
stands where data stand.
"""

from __future__ import annotations

from math import prod

from graphviz_ad._internal.diagnosis.course import Course, Parameter, operation
from graphviz_ad._internal.graph.grad_history import ASIDE, STEP
from graphviz_ad._internal.graph.graph import Edge, Node
from graphviz_ad._internal.operations.training import DATA_SLOT, ELEMENTWISE, MOVES, OF_TWO_KINDS, WITH_BIAS
from graphviz_ad._internal.operations.traits import JOINS


def is_asked_for(course: Course, p: Parameter) -> bool:
    """Whether calls of `torch.autograd.grad` asked for its gradient, and for none of a parameter that is trained."""
    asked = _asked(p)
    return not is_made_to_learn(course, p) and bool(asked) and not any(
        asked & _asked(other) for other in course.parameters if is_trained(course, other)
    )  # fmt: skip


def _asked(p: Parameter) -> set[int | None]:
    """The passes that gave its gradient to who called them."""
    return {event.number for event in p.history.events if event.what == ASIDE} if p.history is not None else set()


def is_trained(course: Course, p: Parameter) -> bool:
    """Whether the model has it, or an optimizer steps it."""
    return p.name in course.of_model or p.did(STEP)


def is_made_to_learn(course: Course, p: Parameter) -> bool:
    """Whether it is a parameter, of a module or alone, and no plain tensor that requires grad."""
    return p.name in course.of_model or p.name in course.of_no_module


def is_given(course: Course, p: Parameter) -> bool:
    """Whether some layer reads it as its data, one row for each of its own."""
    if is_made_to_learn(course, p) or not p.shape:
        return False
    trained = {node.key for other in course.parameters if is_trained(course, other) for node in other.nodes}
    waiting, seen = list(p.nodes), {node.key for node in p.nodes}
    while waiting:
        tail = waiting.pop()
        for edge in course.graph.out_edges(tail.key):
            head = course.graph.nodes[edge.head]
            beside = [other for other in course.graph.in_edges(head.key) if other.tail not in seen]
            weights = [node for other in beside if (node := _weight(course, head, other, trained)) is not None]
            layer = weights or (beside and operation(head) in WITH_BIAS)  # its weight may be computed, as a normed one
            if layer and _reads_as_data(head, edge, tail, weights):
                return True
            mixed = weights or any(course.graph.nodes[other.tail].requires_grad for other in beside)
            if not mixed and head.key not in seen and _keeps_rows(head, edge, tail):
                seen.add(head.key)
                waiting.append(head)
    return False


def _weight(course: Course, head: Node, edge: Edge, trained: set[str]) -> Node | None:
    """The parameter that an operand is, moved or not."""
    for node in (course.graph.nodes[edge.tail], course.made_of(head, edge.slot)):
        if node is not None and node.key in trained:
            return node
    return None


def _reads_as_data(head: Node, edge: Edge, tail: Node, weights: list[Node]) -> bool:
    if operation(head) in ELEMENTWISE:
        return all(_numel(tail) >= _numel(weight) for weight in weights)
    return edge.slot == DATA_SLOT.get(operation(head), 0)


def _keeps_rows(head: Node, edge: Edge, tail: Node) -> bool:
    """Whether a result has a row for each of an operand, or the same numbers in other places."""
    what, ours, theirs = operation(head), head.ports[0].shape or (), tail.ports[0].shape or ()
    if not head.requires_grad or head.is_step or (what in OF_TWO_KINDS and edge.slot != DATA_SLOT.get(what, 0)):
        return False
    return (
        what in JOINS
        or ours == theirs
        or (what in MOVES and _numel(head) == _numel(tail))
        or (len(ours) <= len(theirs) and ours[:1] == theirs[:1] != ())
    )


def _numel(node: Node) -> int:
    return prod(node.ports[0].shape or ())
