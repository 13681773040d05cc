"""Course -> findings about what a loss is given: shapes that broadcast, probabilities for logits, and the reverse."""

from __future__ import annotations

from collections.abc import Iterator

from graphviz_ad._internal.diagnosis.course import Course, argument, module_of, operation
from graphviz_ad._internal.diagnosis.findings import ERROR, NOTE, WARNING, Finding, Severity
from graphviz_ad._internal.explain.consequences import leads_to_any_loss
from graphviz_ad._internal.graph.graph import Node
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.operations.training import (
    ELEMENTWISE,
    EMBEDDING,
    ENDS,
    KEEPS_ROWS_APART,
    LOG_SOFTMAX,
    MEAN,
    MOVES,
    NLL_LOSS,
    ON_THE_WAY,
    OWN_FUNCTION,
    PAIRWISE,
    PICKS_TARGETS,
    RETURNS_COLUMNS,
    SPREAD,
    SQUASHED_BEFORE,
    WANTS_LOGARITHMS,
)


def losses(course: Course) -> Iterator[Finding]:
    """All of them."""
    yield from _broadcast(course)
    yield from _squashed(course)
    yield from _not_logarithms(course)
    yield from _padding(course)


def _about(course: Course, node: Node, kind: str, severity: Severity, weight: float, **facts: object) -> Finding:
    return Finding(
        kind, severity, node.name, module_of(node), node.source, {"at": course.described(node), **facts},
        weight=weight, key=node.key,
    )  # fmt: skip


def _squashed(course: Course) -> Iterator[Finding]:
    for node in course.computes(*dict.fromkeys(op for op, _ in SQUASHED_BEFORE)):
        if not course.leads_on(node):
            continue
        made = course.made_of(node)
        if made is None or made.kind != "op":
            continue
        told = SQUASHED_BEFORE.get((operation(node), operation(made)))
        if told is not None:
            kind, severity = told
            yield _about(course, node, kind, severity, 42 if severity != NOTE else 11, made=course.described(made),
                         loss=operation(node), own=OWN_FUNCTION.get(operation(node)))  # fmt: skip


def _not_logarithms(course: Course) -> Iterator[Finding]:
    """Losses that want logarithms of probabilities, and are given numbers that are none."""
    yield from _of_other_rows(course)
    for node in course.computes(*WANTS_LOGARITHMS):
        made, edge = course.made_of(node), course.edge_to(node)
        value = course.graph.nodes[edge.tail].ports[edge.port].value if edge is not None else None
        if value is None or value.max is None or value.min is None or value.numel < 2:
            continue
        if made is not None and (operation(node), operation(made)) in SQUASHED_BEFORE:
            continue
        if value.max > 1e-3:
            kind = "no-log-before-nll" if operation(node) == NLL_LOSS else "no-log-before-kl"
            yield _about(course, node, kind, ERROR, 41, loss=operation(node), largest=value.max,
                         made=course.described(made) if made is not None else None, function=None)  # fmt: skip


def _of_other_rows(course: Course) -> Iterator[Finding]:
    """Targets that are picked along one dimension of logarithms that were made probabilities along another."""
    for node in course.computes(NLL_LOSS):
        given = course.operand(node)
        dim = argument(given, "dim") if given is not None and operation(given) == LOG_SOFTMAX else None
        rank = len(given.ports[0].shape or ()) if given is not None else 0
        classes = 1 if rank > 1 else 0
        if given is not None and rank and isinstance(dim, int) and dim % rank != classes:
            yield _about(course, given, "softmax-of-other-rows", ERROR, 41, dim=dim, classes=classes,
                         loss=operation(node), read_at=course.described(node))  # fmt: skip


# --- shapes


Shape = tuple[int, ...]
Hit = tuple[Node, str, tuple[Shape, Shape], Shape]  # where it happens, what is computed, of which shapes, to which


def _broadcast(course: Course) -> Iterator[Finding]:
    """Two operands of one number of elements that become a table of all pairs, on the way to a loss: of one result that
    has a dimension too many, all lines together.
    """
    groups: dict[str, list[Hit]] = {}
    for hit in _all_pairs(course):
        made = _of_one_column(course, hit[0])
        groups.setdefault(made.source or made.key if made is not None else hit[0].source or "", []).append(hit)
    for hits in groups.values():
        node, named, shapes, result = hits[0]
        made = _of_one_column(course, node)
        yield _about(
            course, node, "silent-broadcast", ERROR, 60, shapes=shapes, result=result, loss=named,
            others=tuple(dict.fromkeys(one.source for one, *_ in hits[1:] if one.source not in (None, node.source))),
            made=course.described(made) if made is not None and made.source != node.source else None,
        )  # fmt: skip


def _all_pairs(course: Course) -> Iterator[Hit]:
    """Where it happens, each line once."""
    seen: set[str | None] = set()
    for node in course.graph.node_list:
        named = node.call_op if node.call_op in PAIRWISE else operation(node)
        if node.kind != "op" or named not in (*PAIRWISE, *ELEMENTWISE) or node.source in seen:
            continue
        shapes = _operand_shapes(course, node)
        if len(shapes) < 2:
            continue
        a, b = shapes[:2]
        result = _together(a, b) if named in PAIRWISE else node.ports[0].shape or ()
        if named in PAIRWISE:
            wrong = a != b and course.leads_on(node)
        else:
            wrong = _spreads(a, b, result) and not _is_written(course, node)
            wrong = wrong and (_is_of_a_loss(course, node) or _is_of_a_layer(course, node))
        if wrong:
            seen.add(node.source)
            yield node, named, (a, b), result


def _is_written(course: Course, node: Node) -> bool:
    """Whether the program makes the column where it meets the row, as x[:, None] - y, so that all pairs are meant."""
    made = _of_one_column(course, node)
    here = made is not None and made.kind == "op" and made.source == node.source and made.source is not None
    return here and made is not None and operation(made) not in RETURNS_COLUMNS


def _is_of_a_loss(course: Course, node: Node) -> bool:
    """Whether it is a prediction beside a target, and what follows makes one number of them."""
    return course.leads_on(node) and _ends_in_one(course, node) and _with_data(course, node)


def _is_of_a_layer(course: Course, node: Node) -> bool:
    """Whether one operand has the one column that a layer returned, and no other was made of that; nor do all pairs of
    rows and weights, as of centres, meet. A column that the program wrote, as x[:, None], is meant.
    """
    made = _of_one_column(course, node)
    if made is None or operation(made) not in RETURNS_COLUMNS or not leads_to_any_loss(course.graph, node.key):
        return False
    given = [course.graph.nodes[edge.tail] for edge in course.graph.in_edges(node.key)[:2]]
    row = next((one for one in given if len(one.ports[0].shape or ()) < len(node.ports[0].shape or ())), None)
    return row is not None and row.kind != "leaf" and not _was_made_of(course, row, made) and _averaged(course, node)


def _of_one_column(course: Course, node: Node) -> Node | None:
    """What gave an operand its last dimension of one element."""
    given = (course.graph.nodes[edge.tail] for edge in course.graph.in_edges(node.key)[:2])
    found = next((one for one in given if _is_column(one)), None)
    while found is not None:
        tails = [course.graph.nodes[edge.tail] for edge in course.graph.in_edges(found.key)]
        before = next((one for one in tails if _is_column(one) and _rank(one) == _rank(found)), None)
        if before is None or operation(found) in RETURNS_COLUMNS:
            break
        found = before
    return found


def _is_column(node: Node) -> bool:
    shape = node.ports[0].shape or ()
    return len(shape) > 1 and shape[-1] == 1 and _numel(shape) > 1


def _rank(node: Node) -> int:
    return len(node.ports[0].shape or ())


def _was_made_of(course: Course, node: Node, made: Node) -> bool:
    """Whether something is the same numbers in another shape."""
    while operation(node) in MOVES and (before := course.operand(node)) is not None and node.key != made.key:
        node = before
    return node.key == made.key


def _averaged(course: Course, node: Node) -> bool:
    """Whether one number is made of it on some way, with nothing but what is done element by element before."""
    waiting, seen = [node], {node.key}
    while waiting:
        for edge in course.graph.out_edges(waiting.pop().key):
            head = course.graph.nodes[edge.head]
            if operation(head) in ENDS and head.ports[0].shape == ():
                return True
            if head.key not in seen and head.ports[0].shape == node.ports[0].shape:
                seen.add(head.key)
                waiting.append(head)
    return False


def _operand_shapes(course: Course, node: Node) -> list[tuple[int, ...]]:
    """The shapes that the program gave, before a call spread them out itself."""
    found = []
    for edge in course.graph.in_edges(node.key):
        tail = course.graph.nodes[edge.tail]
        if (operation(tail) == SPREAD and tail.call == node.call and tail.call is not None) or (
            operation(tail) == SPREAD and tail.source == node.source and tail.call_op == node.call_op
        ):
            inner = course.edge_to(tail)
            tail = course.graph.nodes[inner.tail] if inner is not None else tail
        port = tail.ports[min(edge.port, len(tail.ports) - 1)]
        found.append(port.shape or ())
    return found[:2]


def _together(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    longest = max(len(a), len(b))
    wide = [(1,) * (longest - len(shape)) + shape for shape in (a, b)]
    return tuple(max(pair) for pair in zip(*wide, strict=True))


def _spreads(a: tuple[int, ...], b: tuple[int, ...], result: tuple[int, ...]) -> bool:
    """Whether (n, 1) and (n,) became (n, n)."""
    squeezed = [tuple(n for n in shape if n != 1) for shape in (a, b)]
    sizes = [_numel(shape) for shape in (a, b)]
    return squeezed[0] == squeezed[1] != () and len(a) != len(b) and _numel(result) > max(sizes) > 1


def _numel(shape: tuple[int, ...]) -> int:
    count = 1
    for n in shape:
        count *= n
    return count


def _ends_in_one(course: Course, node: Node) -> bool:
    """Whether what follows makes one number of it, element by element before."""
    for _ in range(8):
        uses = list(course.graph.out_edges(node.key))
        if not uses:
            return False
        node = course.graph.nodes[uses[0].head]
        if operation(node) in ENDS:
            return node.ports[0].shape == ()
        if operation(node) not in ON_THE_WAY:
            return False
    return False


def _with_data(course: Course, node: Node) -> bool:
    """Whether one operand is data and the other computed from parameters."""
    wanted = [course.graph.nodes[edge.tail].requires_grad for edge in course.graph.in_edges(node.key)[:2]]
    return any(wanted) and not all(wanted)


# --- padding


def _padding(course: Course) -> Iterator[Finding]:
    """Means over rows, and losses, in which padding counts."""
    for node in course.computes(EMBEDDING):
        pad = argument(node, "padding_idx")
        ids = _ids(course, node)
        if not isinstance(pad, int) or isinstance(pad, bool) or pad < 0 or ids is None or ids.array is None:
            continue
        share = float((ids.array == pad).mean())
        mean = _mean_after(course, node)
        if 0 < share < 1 and mean is not None:
            yield _about(course, mean, "mean-over-padding", WARNING, 17, share=share, padding=pad,
                         embedding=course.described(node))  # fmt: skip
    pads = {
        pad
        for node in course.computes(EMBEDDING)
        if isinstance(pad := argument(node, "padding_idx"), int) and not isinstance(pad, bool) and pad >= 0
    }
    for node in course.computes(*PICKS_TARGETS):
        target, ignored = course.operand(node, 1), argument(node, "ignore_index")
        value = target.ports[0].value if target is not None else None
        for pad in sorted(pads):
            if value is not None and value.array is not None and value.dtype == "int64" and pad != ignored:
                share = float((value.array == pad).mean())
                if 0.2 <= share < 1 and value.numel > 4 and ignored in (None, -100):
                    yield _about(course, node, "loss-over-padding", NOTE, 9, share=share, padding=pad)


def _ids(course: Course, node: Node) -> Snapshot | None:
    for edge in course.graph.in_edges(node.key):
        value = course.graph.nodes[edge.tail].ports[edge.port].value
        if value is not None and value.dtype in ("int64", "int32"):
            return value
    return None


def _mean_after(course: Course, node: Node) -> Node | None:
    """A mean over rows that what was looked up comes to, with nothing on the way that could have masked it."""
    waiting, seen = [node], {node.key}
    while waiting:
        now = waiting.pop()
        for edge in course.graph.out_edges(now.key):
            head = course.graph.nodes[edge.head]
            if head.key in seen or head.kind != "op":
                continue
            seen.add(head.key)
            if operation(head) == MEAN:
                dims = argument(head, "dim")
                rank = len(now.ports[0].shape or ())
                chosen = dims if isinstance(dims, tuple | list) else (dims,) if isinstance(dims, int) else ()
                if any(d % rank == 1 for d in chosen if isinstance(d, int)) and rank == 3:
                    return head
            elif operation(head) in KEEPS_ROWS_APART:
                waiting.append(head)
    return None
