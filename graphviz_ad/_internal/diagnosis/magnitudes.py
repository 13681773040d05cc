"""Course -> findings about sizes: gradients that vanish or explode, steps out of proportion, what a half type loses."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite, sqrt
from statistics import median

import numpy as np

from graphviz_ad._internal.diagnosis.course import Course, Parameter, module_of, operation
from graphviz_ad._internal.diagnosis.findings import ERROR, NOTE, WARNING, Finding
from graphviz_ad._internal.graph.grad_history import STEP
from graphviz_ad._internal.graph.gradient_sizes import EXPLODES, VANISHES
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.precision import HALVES, unit
from graphviz_ad._internal.graph.snapshot import Array, Snapshot, norm
from graphviz_ad._internal.operations.training import (
    ATTENTION,
    BEFORE_SCORES,
    COPIES,
    EMBEDDING,
    NORMALISES,
    PUT_BESIDE,
    SOFTMAX_ITSELF,
    SQUASHES,
)
from graphviz_ad._internal.scene.annotations import is_write

VANISHED, EXPLODED = 1e-9, 1e6  # times what the last layers get, where less than `VANISHES` is a finding already
ENORMOUS = 1e6  # norm of a gradient for each unit of the norm of a weight
LEAPS, TOO_FAR, FAR, TOO_SHORT = 5, 0.9, 0.3, 1e-8  # of a weight, in one step
ADAPTIVE = ("Adam", "AdamW", "NAdam", "RAdam", "Adamax", "RMSprop", "Adagrad", "Adadelta")
SMALL_RATE = 1e-6
FEWEST_STEPS = 3  # with a rate of 0, which a first step or two may have that grows
GROWTH = 10  # times what a loss was
SMALLEST_HALF = 6.1e-5  # the smallest normal number of float16


def size_of(snap: Snapshot | None) -> float | None:
    """The root of the mean square of the elements."""
    if snap is None or snap.norm is None or not snap.numel or not isfinite(snap.norm):
        return None
    return snap.norm / sqrt(snap.numel)


def sizes_along_depth(course: Course) -> Iterator[Finding]:
    """Gradients that become ever smaller, or larger, on their way back."""
    layers = [(p, size) for p in course.trainable if len(p.shape) >= 2 and p.came and (size := size_of(p.came[0]))]
    order = {node.key: i for i, node in enumerate(course.graph.node_list)}
    layers.sort(key=lambda each: order.get(each[0].nodes[0].key, 0) if each[0].nodes else 0)
    layers = [each for each in layers if _is_of_a_layer(course, each[0])]
    if len(layers) >= 3:
        part = max(1, len(layers) // 3)
        first, last = (max(size for _, size in some) for some in (layers[:part], layers[-part:]))
        if last and first / last < VANISHES:
            yield _along(course, layers, "vanishing", first / last, VANISHED)
        elif last and first / last > EXPLODES and _outgrows(course, layers[: max(1, part)]):
            yield _along(course, layers, "exploding", first / last, EXPLODED)
    yield from _enormous(course)
    yield from _along_time(course)


def _is_of_a_layer(course: Course, parameter: Parameter) -> bool:
    """Whether its gradient tells what the layers behind it make of gradients; not that of an embedding, of which a
    batch reads few rows, nor where only its direction matters, nor where attention takes a softmax of it.
    """
    return not (
        _is_table(course, parameter)
        or _is_input(course, parameter)
        or _is_normalised(course, parameter)
        or _makes_scores(course, parameter)
    )


def _is_table(course: Course, parameter: Parameter) -> bool:
    return any(operation(head) == EMBEDDING for head in _readers(course, parameter))


def _is_input(course: Course, parameter: Parameter) -> bool:
    """Whether it is beside what layers are given, as a position or a token that is learned: where it is 0 at first
    and then normalised, its gradient is as large as the normalisation makes it.
    """
    heads = _readers(course, parameter)
    return bool(heads) and all(operation(head) in PUT_BESIDE for head in heads)


def _readers(course: Course, parameter: Parameter) -> list[Node]:
    """The operations that compute with a parameter, whatever it was moved or copied by before."""
    waiting = list(parameter.nodes)
    found: dict[str, Node] = {}
    while waiting:
        for edge in course.graph.out_edges(waiting.pop().key):
            head = course.graph.nodes[edge.head]
            if head.key not in found and not head.is_step and not is_write(head):
                found[head.key] = head
                waiting += [head] if operation(head) in COPIES else []
    return [node for node in found.values() if operation(node) not in COPIES]


def _outgrows(course: Course, layers: Sequence[tuple[Parameter, float]]) -> bool:
    """Whether a gradient is larger than the weight that it is of."""
    sizes = [(size_of(p.nodes[0].ports[0].value), size) for p, size in layers if p.nodes]
    return any(weight is not None and size > weight * course.scaled_by for weight, size in sizes)


def _makes_scores(course: Course, parameter: Parameter) -> bool:
    """Whether attention takes a softmax of what is computed with it: its gradient is small where that is even."""
    waiting = [reader] if (reader := _reader(course, parameter)) is not None else []
    seen = {node.key for node in waiting}
    while waiting:
        node = waiting.pop()
        for edge in course.graph.out_edges(node.key):
            head = course.graph.nodes[edge.head]
            if operation(head) == SOFTMAX_ITSELF or (operation(head) == ATTENTION and edge.slot in (0, 1)):
                return True
            if operation(head) in BEFORE_SCORES and head.key not in seen:
                seen.add(head.key)
                waiting.append(head)
    return False


def _along(course: Course, layers: list[tuple[Parameter, float]], kind: str, ratio: float, extreme: float) -> Finding:
    """The finding, with the frontier where the sizes turn most."""
    steps = [(after[1] / before[1], before[0], after[0]) for before, after in itertools.pairwise(layers)]
    turn = (max if kind == "vanishing" else min)(steps, key=lambda step: step[0])
    reader = _reader(course, turn[1])
    heavy = ratio < extreme if kind == "vanishing" else ratio > extreme
    weakest = [p.name for p, size in layers if size < VANISHES * max(s for _, s in layers)]
    names = tuple(weakest) if kind == "vanishing" else tuple(p.name for p, _ in layers[: max(1, len(layers) // 3)])
    return Finding(
        kind,
        ERROR if heavy else WARNING,
        layers[0][0].name,
        turn[1].module or None,
        reader.source if reader is not None else None,
        {
            "first": layers[0][0].name, "first_size": layers[0][1], "last": layers[-1][0].name,
            "last_size": layers[-1][1], "ratio": ratio, "between": (turn[1].name, turn[2].name), "factor": turn[0],
            "parameters": len(names), "names": names, "through": _squashing(course, reader, _reader(course, turn[2])),
        },
        names,
        weight=30,
        key=reader.key if reader is not None else None,
        confidence="likely",
    )  # fmt: skip


def _squashing(course: Course, first: Node | None, last: Node | None) -> str | None:
    """What stands between two layers and makes gradients smaller."""
    if first is None or last is None:
        return None
    places = range(*sorted((course.order[first.key], course.order[last.key])))
    found = [node for node in course.computes(*SQUASHES) if course.leads_on(node) and course.order[node.key] in places]
    return operation(found[0]) if found else None


def _reader(course: Course, parameter: Parameter) -> Node | None:
    for node in parameter.nodes:
        for edge in course.graph.out_edges(node.key):
            if not course.graph.nodes[edge.head].is_step:
                return course.graph.nodes[edge.head]
    return None


def _enormous(course: Course) -> Iterator[Finding]:
    """Gradients that no weight can bear."""
    found = []
    for p in course.trainable:
        weight = p.nodes[0].ports[0].value if p.nodes else None
        if weight is None or not weight.norm or len(p.shape) < 2 or _is_normalised(course, p):
            continue
        norms = [snap.norm if snap.norm is not None and isfinite(snap.norm) else 0.0 for snap in p.came]
        bears = weight.norm * course.scaled_by
        ratio = max(norms, default=0.0) / bears
        if ratio > ENORMOUS:
            first = next(i for i, size in enumerate(norms, 1) if size / bears > ENORMOUS)
            found.append((ratio, first, p))
    if found:
        ratio, _, p = max(found, key=lambda each: each[0])
        reader = _reader(course, p)
        yield Finding(
            "exploding",
            ERROR if ratio > ENORMOUS**1.5 else WARNING,
            p.name,
            p.module or None,
            reader.source if reader is not None else None,
            {
                "name": p.name,
                "gradient_to_weight": ratio,
                "pass": min(first for _, first, _ in found),
                "parameters": len(found),
                "names": tuple(q.name for _, _, q in found),
            },
            tuple(q.name for _, _, q in found),
            weight=29,
            key=reader.key if reader is not None else None,
        )


def _is_normalised(course: Course, parameter: Parameter) -> bool:
    """Whether what is made of it is brought to one size at once: then the smaller the weight, the larger its gradient,
    and only its direction matters.
    """
    reader = _reader(course, parameter)
    heads = [course.graph.nodes[edge.head] for edge in course.graph.out_edges(reader.key)] if reader else []
    return bool(heads) and all(operation(head) in NORMALISES for head in heads)


def _along_time(course: Course) -> Iterator[Finding]:
    """The same along the rounds of a loop: one line, run again and again; in the first pass where it is so."""
    for number, done in enumerate(course.passes, 1):
        for first, last, rounds in _rounds(done):
            ratio = first[1] / last[1]
            if rounds >= 6 and (ratio > 1e4 or ratio < 1e-12):
                yield Finding(
                    "exploding" if ratio > 1 else "vanishing",
                    WARNING if 1e-30 < ratio < 1e8 else ERROR if ratio > 1 else WARNING,
                    first[0].name,
                    module_of(first[0]),
                    first[0].source,
                    {"first": course.described(first[0]), "first_size": first[1], "last": course.described(last[0]),
                     "last_size": last[1], "ratio": ratio, "rounds": rounds, "pass": number},
                    weight=28,
                    key=first[0].key,
                )  # fmt: skip
                return


def _rounds(done: Graph) -> Iterator[tuple[tuple[Node, float], tuple[Node, float], int]]:
    """Of each line that ran several times in a pass, the first and last result with the size of its gradient."""
    found: dict[tuple[object, ...], list[tuple[Node, float]]] = {}
    for node in done.node_list:
        size = size_of(node.ports[0].grad) if node.kind == "op" else None
        if size and node.source and node.name:
            found.setdefault((node.source, operation(node), node.name, node.module), []).append((node, size))
    yield from ((rounds[0], rounds[-1], len(rounds)) for rounds in found.values())


# --- steps


def step_sizes(course: Course) -> Iterator[Finding]:
    """Steps of the optimizer that are out of proportion to what they change."""
    ratios = [
        (ratio, p) for p in course.trainable if len(p.shape) >= 2 and (ratio := step_ratio(course, p)) is not None
    ]
    line = next((line.source for line in course.lines_that("optimizer")), None) or _line_of_step(course)
    if not ratios:
        return
    middle = median(ratio for ratio, _ in ratios)
    rate = next((one.rate for one in course.optimizers if one.rate is not None), None)
    facts = {"ratio": middle, "rate": rate, "parameters": len(ratios), "optimizer": _kind_of_step(course),
             "largest": max(ratios, key=lambda each: each[0])[1].name}  # fmt: skip
    if middle > FAR:
        severity = ERROR if middle > LEAPS else WARNING if middle > TOO_FAR else NOTE
        yield Finding("step-too-large", severity, None, None, line, facts, weight=26)
    elif (
        0 <= middle < TOO_SHORT
        and (rate != 0 or not _warms_up(course))
        and any(snap.norm for _, p in ratios for snap in p.came)
    ):
        small = rate is not None and rate >= SMALL_RATE  # which a usual gradient would make something of
        yield Finding("step-too-small", NOTE if small else WARNING, None, None, line,
                      {**facts, "by_gradients": small}, weight=22)  # fmt: skip
    elif middle > 0:
        yield from _standing_still(course, line)
    yield from _growing_loss(course, facts, line)


def _standing_still(course: Course, line: str | None) -> Iterator[Finding]:
    """One of several optimizers whose learning rate is 0, so that no step has moved what it holds."""
    lines = course.lines_that("optimizer")
    for number, one in enumerate(course.optimizers):
        held = [p for p in course.trainable if p.name in one.names and p.did(STEP)]
        ratios = [ratio for p in held if (ratio := step_ratio(course, p)) is not None]
        steps = min((sum(event.what == STEP for event in p.history.events) for p in held if p.history), default=0)
        moved = any(p.held_by is not None and len(p.held_by) > 1 for p in held)
        if one.rate == 0 and ratios and not any(ratios) and steps >= FEWEST_STEPS and not moved:
            source = lines[number].source if len(lines) == len(course.optimizers) else line
            names = tuple(p.name for p in held)
            yield Finding(
                "step-too-small", WARNING, None, None, source,
                {"ratio": 0.0, "rate": 0.0, "parameters": len(names), "of": course.out_of(names), "names": names,
                 "optimizer": one.kind, "by_gradients": False}, names, weight=22,
            )  # fmt: skip


def _warms_up(course: Course) -> bool:
    """Whether no step is known but the first two, which may be 0 where the learning rate grows from there."""
    return all(sum(event.what == STEP for event in p.history.events) < 3 for p in course.trainable if p.history)


def _kind_of_step(course: Course) -> str | None:
    return next((str(node.op).removesuffix(".step") for node in course.graph.node_list if node.is_step), None)


def _line_of_step(course: Course) -> str | None:
    return next((node.source for node in course.graph.node_list if node.is_step), None)


def step_ratio(course: Course, parameter: Parameter) -> float | None:
    """How far the largest step took a parameter, as a part of what it was; None where that is not known."""
    if not parameter.did(STEP):
        return None
    found = _ratios(course, parameter)
    if found is None:
        return _estimated(course, parameter)
    return max(found) / _steps_of_each(parameter, found) if found else None


def first_ratio(course: Course) -> float | None:
    """How far the first step took the usual weight, as a part of what it was."""
    known = [(p, _ratios(course, p)) for p in course.trainable if len(p.shape) >= 2 and p.did(STEP)]
    found = [
        ratios[0] / _steps_of_each(p, ratios) if ratios else _estimated(course, p) if ratios is None else None
        for p, ratios in known
    ]
    return median(ratio for ratio in found if ratio is not None) if any(one is not None for one in found) else None


def _ratios(course: Course, parameter: Parameter) -> list[float] | None:
    """How far steps took it from one of its values to the next, as a part of that; None where values are not known.
    What the program wrote to it by hand in between, as an average over ranks, is no step.
    """
    values = [node.ports[0].value for node in parameter.nodes]
    known = [value.array for value in values if value is not None and value.array is not None]
    if len(known) < 2 or len(known) != len(values):
        return None
    pairs = zip(itertools.pairwise(known), parameter.nodes[1:], strict=True)
    steps = [pair for pair, after in pairs if not course.is_write_between(after)]
    sizes = [(norm(before), distance(before, after)) for before, after in steps]
    return [step / size for size, step in sizes if size and isfinite(step)]


def _steps_of_each(parameter: Parameter, ratios: Sequence[float]) -> int:
    """How many steps lie between one value that is known and the next."""
    steps = sum(event.what == STEP for event in parameter.history.events) if parameter.history is not None else 1
    return max(1, round(steps / len(ratios)))


def distance(before: Array, after: Array) -> float:
    """The norm of a difference, also where the type of both is too small for it."""
    wide = np.complex128 if before.dtype.kind == "c" else np.float64
    with np.errstate(all="ignore"):
        return norm(after.astype(wide) - before.astype(wide))


def _estimated(course: Course, parameter: Parameter) -> float | None:
    holder = next((one for one in course.optimizers if parameter.name in one.names), None)
    weight = parameter.nodes[0].ports[0].value if parameter.nodes else None
    size, grad = size_of(weight), size_of(parameter.came[0]) if parameter.came else None
    if holder is None or holder.rate is None or not size or grad is None or not parameter.did(STEP):
        return None
    grad /= course.scaled_by
    return holder.rate * (min(1.0, grad * 1e8) if holder.kind in ADAPTIVE else grad) / size


def _growing_loss(course: Course, facts: Mapping[str, object], line: str | None) -> Iterator[Finding]:
    """A loss that grows from pass to pass, where the same line makes it."""
    by_line: dict[tuple[str | None, str | None], list[float]] = {}
    for root in course.roots:
        value = root.ports[0].value
        number = value.item() if value is not None and value.known and value.numel == 1 else None
        if isinstance(number, float):
            by_line.setdefault((root.source, root.op), []).append(number)
    for losses in by_line.values():
        if course.stepped and grows(losses):
            yield Finding("diverging", ERROR if losses[-1] > 1e3 * abs(losses[0]) else WARNING, None, None, line,
                          {"losses": tuple(losses), **facts}, weight=27)  # fmt: skip
            return


def grows(losses: Sequence[float]) -> bool:
    """Whether a loss is no longer what it was; one that goes through 0 has no size of its own, and is to grow all the
    way, far beyond all that it was.
    """
    if len(losses) < 3 or not isfinite(losses[-1]):
        return False
    if min(losses) >= 0:
        return losses[-1] > GROWTH * max(losses[0], 1e-6)
    steady = all(after > before for before, after in itertools.pairwise(losses))
    return steady and len(losses) > 3 and losses[-1] > GROWTH * max(abs(loss) for loss in losses[: len(losses) // 2])


# --- half types


def lost_in_half(course: Course) -> Iterator[Finding]:
    """Gradients and steps that are too small for their type."""
    small = [p for p in course.trainable if p.came and p.came[0].dtype == "float16" and _underflows(p.came[0])]
    half = [p for p in course.trainable if p.came and p.came[0].dtype == "float16"]
    if small and len(small) >= len(half) / 3:
        p = small[0]
        reader = _reader(course, p)
        scaled = bool(course.lines_that("scale", "GradScaler"))
        root = next(iter(course.roots), None)
        yield Finding(
            "half-underflow", WARNING, p.name, p.module or None,
            (root.source if root is not None else None) or (reader.source if reader is not None else None),
            {"parameters": len(small), "of": len(half), "largest": largest(p.came[0]),
             "zeros": zero_share(p.came[0]), "scaled": scaled, "names": tuple(q.name for q in small)},
            tuple(q.name for q in small), weight=24,
        )  # fmt: skip
    stuck = [p for p in course.trainable if _stuck(course, p)]
    if stuck:
        yield Finding(
            "update-lost", WARNING, stuck[0].name, stuck[0].module or None, _line_of_step(course),
            {"parameters": len(stuck), "dtype": stuck[0].came[0].dtype, "names": tuple(p.name for p in stuck)},
            tuple(p.name for p in stuck), weight=23,
        )  # fmt: skip


def zero_share(snap: Snapshot) -> float | None:
    """Which part of the elements is 0; None where it is not known."""
    array = snap.array
    return float((array == 0).mean()) if array is not None and array.size else None


def _underflows(snap: Snapshot) -> bool:
    return snap.numel > 1 and largest(snap) < SMALLEST_HALF


def largest(snap: Snapshot) -> float:
    """The size of the largest element."""
    return max(abs(snap.min or 0.0), abs(snap.max or 0.0))


def _stuck(course: Course, parameter: Parameter) -> bool:
    """Whether steps left a parameter of a half type what it was, although it had a gradient."""
    if (
        not parameter.did(STEP)
        or not any(snap.norm for snap in parameter.came)
        or parameter.came[0].dtype not in HALVES
    ):
        return False
    values = [node.ports[0].value for node in parameter.nodes]
    known = [value for value in values if value is not None and value.array is not None and value.dtype in HALVES]
    if len(known) >= 2:
        return all(value == known[0] for value in known[1:])
    expected = _estimated(course, parameter)
    return expected is not None and expected < unit(parameter.came[0].dtype) / 4
