"""A write into part of a tensor -> its text: "y₀[0] ← 5", "v × 2 in place"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from graphviz_ad._internal.graph.arguments import Argument
from graphviz_ad._internal.graph.graph import Node
from graphviz_ad._internal.maths.claims import LETTERS, Claim
from graphviz_ad._internal.maths.formulas import to_unicode
from graphviz_ad._internal.maths.tex_labels import tex_to_unicode
from graphviz_ad._internal.operations.rules import rule
from graphviz_ad._internal.operations.traits import SETITEM

TO_THE_END = 2**63 - 1  # where torch ends a slice that is open
MOST_DIMENSIONS = 6  # of a tensor whose parts are written out
SHARED = "CopySlices"  # the autograd node of a write through a view: its result is the whole that the view is part of


def is_partial_write(node: Node) -> bool:
    """Whether an operation was seen writing to part of the tensor that is its result: what a function of several
    parts writes to, it has made itself, unless its name says otherwise.
    """
    if node.call is None or node.op == SETITEM:
        return node.call is not None
    return SHARED in node.autograd and (node.inside < 2 or (node.op or "").endswith("_"))


def in_place_formula(claim: Claim, operands: Iterable[str]) -> str:
    """What was written where; ``operands`` are the names or the values of what the operation reads."""
    node, name, given = claim.call.node, claim.call.name, list(operands)
    if node.op == SETITEM and len(given) > 1:
        whole, *indices, value = given
        return f"{whole}[{', '.join(indices) or subscript(dict(node.arguments))}] ← {value}"
    if node.inside < 2 and len(given) > 1:
        given.pop()  # the last is the whole, of which the first is a part
    known, settings = rule(name, len(given)), claim.settings
    if node.inside > 1 or not known.symbol or settings:
        return f"{tex_to_unicode(name)}({', '.join([*given, *(f'{key}={text}' for key, text in settings)])}) in place"
    return f"{to_unicode(known.forward, dict(zip(LETTERS, given, strict=False)))} in place"


def subscript(arguments: Mapping[str, Argument]) -> str:
    """What stood between the brackets of a selection along one dimension: "0", ":, 1:3", "::2"; "…" for any other."""
    return subscripts([(True, arguments)])


def subscripts(parts: Sequence[tuple[bool, Mapping[str, Argument]]]) -> str:
    """The same of a selection of which one part was taken after the other, each with whether it takes a part at all:
    "0, 1:".
    """
    texts: list[str] = []
    left = list(range(MOST_DIMENSIONS))  # a single index takes its dimension away
    for takes, arguments in parts:
        dimension, text = arguments.get("dim", 0), taken(arguments)
        if not takes or text is None or type(dimension) is not int or not 0 <= dimension < len(left):
            return "…"
        place = left.pop(dimension) if "index" in arguments else left[dimension]
        texts += [":"] * (place + 1 - len(texts))
        if texts[place] != ":":
            return "…"
        texts[place] = text
    return ", ".join(texts)


def taken(arguments: Mapping[str, Argument]) -> str | None:
    """What is taken along one dimension; None where that is not known."""
    if "index" in arguments:
        return str(arguments["index"])
    start, end, step = (arguments.get(name) for name in ("start", "end", "step"))
    if (start, end, step) == (None, None, None):
        return None
    return f"{start or ''}:{'' if end in (None, TO_THE_END) else end}{f':{step}' if step not in (None, 1) else ''}"
