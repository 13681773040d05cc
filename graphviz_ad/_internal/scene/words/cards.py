"""Folded node -> what it is, in a few words: its class with the sizes of a layer, what is in it, what is not finite."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from graphviz_ad._internal.graph.arguments import Argument
from graphviz_ad._internal.graph.box_facts import MIXED, OF_OPERATION, Part
from graphviz_ad._internal.graph.graph import Node
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.number_format import is_uniform, snapshot_parts
from graphviz_ad._internal.operations.layers import IN, KERNEL, OUT, ROWS, ROWS_OF_GROUPS, STRIDE
from graphviz_ad._internal.operations.traits import FORMULAS_OF_CELLS
from graphviz_ad._internal.scene.words.box_steps import STEPS_ROOM, WIDE, lines_of_steps

LEVELS = "▁▂▃▄▅▆▇█"
LONGEST_CURVE = 24  # characters
LEAST_SPAN = 1.0  # of powers of ten, from the lowest to the highest column
UNKNOWN = "·"
MOST_GROUPS = 8  # of which all are told
MOST_PARTS, SMALL_SHARE, CONTENTS_ROOM = 4, 12, 34  # modules told of a box, of how many operations one; characters


def is_of_numbers(snap: Snapshot) -> bool:
    """Whether these are whole numbers, as those of tokens and classes, of which a mean says nothing."""
    return snap.dtype.startswith(("int", "uint"))


def statistic(snap: Snapshot | None) -> str:
    """What a large tensor is like, in short: "mean 0.048 ± 0.2", "all 1"; "" of whole numbers, as those of tokens and
    classes, and where it is not known.
    """
    if snap is None or is_of_numbers(snap) or snap.dtype == "bool":
        return ""
    _, spread, _ = snapshot_parts(snap, 0, 0, 0)
    return f"{'' if is_uniform(snap) else 'mean '}{spread[0]}" if spread else ""


def not_finite_lines(node: Node) -> list[str]:
    """What in a box is NaN or infinite, and whether it came up there: "⚠ 12 NaN inside", "from log (net.py:4)"; −∞
    that is meant, as in a mask, is said to be that.
    """
    found = node.not_finite
    if found is None:
        return []
    what = found.kind or MIXED
    line = f" ({found.where})" if found.where else ""
    came = [f"from {found.born}{line}"] if found.born is not None else ["passed on"]
    inside = f"{found.values} × {what} inside"
    return [
        *([f"⚠ {inside}," if found.spreads else f"{inside}, goes no further,"] if found.values else []),
        *([f"⚠ {found.gradients} × {MIXED if found.values else what} in gradients,"] if found.gradients else []),
        *(came if found.values or found.gradients else []),
        *([f"{found.masked} masked (−∞)"] if found.masked else []),
    ]


def what_it_is(node: Node) -> str:
    """ "Linear 4→5", "Conv2d 3→64, 7×7 /2", "Block"; "" where nobody knows."""
    facts = dict(node.arguments)
    way = facts.get(IN, facts.get(ROWS))
    sizes = f"{way}→{facts[OUT]}" if way is not None and OUT in facts else f"{facts[OUT]}" if OUT in facts else ""
    kernel = facts.get(KERNEL)
    of_kernel = "×".join(map(str, kernel)) if isinstance(kernel, tuple) else ""
    text = " ".join(part for part in (node.call_op or "", sizes) if part)
    return f"{text}, {of_kernel}{stride_text(facts.get(STRIDE))}" if of_kernel else text


def stride_text(stride: Argument) -> str:
    """ " /2"; "" for steps of one."""
    steps = stride if isinstance(stride, tuple) else (stride,)
    if all(step in (1, None) for step in steps):
        return ""
    return f" /{steps[0]}" if len(set(steps)) == 1 else f" /{'×'.join(map(str, steps))}"


def lines_of_contents(node: Node, *, brief: bool = False) -> list[str]:
    """What is in a box, in at most two lines: "input_norm → self_attn → +"; of what is only known by its modules those
    in which most is done: "4 × WhisperEncoderLayer: self_attn, …"; of copies, what is in each; ``brief``: of the latter
    those alone that have modules in them, too, where these do most.
    """
    one = node.steps[0] if len(node.steps) == 1 else None
    if one is not None and one.kind == OF_OPERATION and one.name in FORMULAS_OF_CELLS:
        return list(FORMULAS_OF_CELLS[one.name])
    if node.steps:
        room = WIDE if node.copies is not None and node.copies.extremes is not None else STEPS_ROOM
        return lines_of_steps(node.steps, is_layer=node.call_op is not None, room=room, around=node.call_op)
    if node.statement is not None and node.call_op is None:  # a line, whose name says what it calls
        return []
    whole = max(node.inside // (node.copies.count if node.copies is not None else 1), 1)
    shown = chosen_parts(node.parts, whole)
    if brief:
        shown = [part for part in shown if part.parts or part.copies > 1]
        if 2 * sum(part.operations for part in shown) < whole:
            return []
    main = shown[0] if len(shown) == 1 and shown[0].copies > 1 else None
    if main is None:
        return listed(shown, len(node.parts))
    each = chosen_parts(main.parts, max(main.operations // main.copies, 1))
    each = [part for part in each if part.parts] or each
    return [*listed(shown, 1), *listed(each, len(main.parts), "each ")]


def lines_of_groups(node: Node) -> list[str]:
    """ "4 groups of 6, 3, 2, 5 rows": what each of the matrices of a box is for, as those of experts are."""
    rows = dict(node.arguments).get(ROWS_OF_GROUPS)
    if not isinstance(rows, tuple) or not rows:
        return []
    each = ", ".join(map(str, rows)) if len(rows) <= MOST_GROUPS else f"{min(rows)} … {max(rows)}"
    return [f"{len(rows)} groups of {each} rows"]


def listed(parts: Sequence[Part], count: int, before: str = "") -> list[str]:
    """Some of so many parts, in lines."""
    texts = [*map(said_of_part, parts), *(["…"] if 0 < len(parts) < count else [])]
    return packed([f"{before}{texts[0]}", *texts[1:]]) if texts else []


def chosen_parts(parts: Sequence[Part], operations: int) -> list[Part]:
    """The few parts in which most of so many operations ran, as they are in order."""
    large = [part for part in parts if SMALL_SHARE * part.operations >= operations]
    most = sorted(large, key=lambda part: -part.operations)[:MOST_PARTS]
    return [part for part in large if part in most][:MOST_PARTS]


def said_of_part(part: Part) -> str:
    """ "self_attn", "4 × WhisperEncoderLayer"."""
    return f"{part.copies} × {part.name}" if part.copies > 1 else part.name


def packed(texts: Sequence[str]) -> list[str]:
    """Texts with commas between them, in lines that have room."""
    lines: list[str] = []
    for text in texts:
        if lines and len(lines[-1]) + 2 + len(text) <= CONTENTS_ROOM:
            lines[-1] += f", {text}"
        else:
            lines.append(text)
    return [f"{line}," if i < len(lines) - 1 else line for i, line in enumerate(lines)]


def copies_in_column(count: int) -> int:
    """How many steps one column of a curve stands for, or the last for fewer."""
    return -(-count // LONGEST_CURVE)


def curve(norms: Sequence[float | None], *, largest: bool = False) -> str:
    """Norms as columns of which each is as high as its logarithm is large; of many, the least of those side by side, or
    the ``largest``.
    """
    size = copies_in_column(len(norms))
    logs = [extreme_of(norms[i : i + size], max if largest else min) for i in range(0, len(norms), size)]
    known = [value for value in logs if value is not None and math.isfinite(value)]
    if not known:
        return UNKNOWN * len(logs)
    low, high = min(known), max(known)
    if high - low < LEAST_SPAN:  # what differs little is to look so
        low, high = (low + high - LEAST_SPAN) / 2, (low + high + LEAST_SPAN) / 2
    return "".join(column(value, low, high) for value in logs)


def extreme_of(norms: Sequence[float | None], extreme: Callable[[list[float]], float]) -> float | None:
    """The logarithm of the smallest or the largest; −∞ for 0, NaN where one is not finite, None where none is known."""
    known = [norm for norm in norms if norm is not None]
    if not known:
        return None
    if not all(map(math.isfinite, known)):
        return math.nan
    found = extreme(known)
    return math.log10(found) if found > 0 else -math.inf


def column(value: float | None, low: float, high: float) -> str:
    """One column of a curve: "×" where a norm is not finite, "_" where it is 0."""
    if value is None:
        return UNKNOWN
    if not math.isfinite(value):
        return "×" if math.isnan(value) else "_"
    return LEVELS[min(int((value - low) / (high - low) * len(LEVELS)), len(LEVELS) - 1)]
