"""A write into part of a tensor -> its text: "y₀[0] ← 5", "v × 2 in place"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.maths.claims import LETTERS, base_name, telling_settings
from graphviz_ad._internal.maths.formulas import to_unicode
from graphviz_ad._internal.maths.tex_labels import tex_to_unicode
from graphviz_ad._internal.operations.rules import rule
from graphviz_ad._internal.operations.traits import SETITEM

SHARED = "CopySlices"  # the autograd node of a write through a view: its result is the whole that the view is part of


def is_partial_write(node: Node) -> bool:
    """Whether an operation was seen writing to part of the tensor that is its result."""
    return node.call is not None and (SHARED in node.autograd or node.op == SETITEM)


def written_in_place(graph: Graph, node: Node, operands: Iterable[str]) -> str:
    """What was written where; ``operands`` are the names or the values of what the operation reads."""
    given = list(operands)
    if node.op == SETITEM and len(given) > 1:
        whole, *indices, value = given
        return f"{whole}[{', '.join(indices) or subscript(dict(node.settings))}] ← {value}"
    if node.inside < 2 and len(given) > 1:
        given.pop()  # the last is the whole, of which the first is a part
    known, settings = rule(base_name(node), len(given)), telling_settings(graph, node)
    if node.inside > 1 or not known.symbol or settings:
        return f"{tex_to_unicode(base_name(node))}({', '.join([*given, *(f'{key}={text}' for key, text in settings)])}) in place"
    return f"{to_unicode(known.forward, dict(zip(LETTERS, given, strict=False)))} in place"


def subscript(settings: Mapping[str, str]) -> str:
    """What stood between the brackets of a selection along the first dimension: "0", "1:3"; "…" for any other."""
    if settings.get("dim", "0") != "0" or settings.get("step", "1") != "1":
        return "…"
    if "index" in settings:
        return settings["index"]
    start, end = settings.get("start", ""), settings.get("end", "")
    open_end = end in ("", str(2**63 - 1))
    return f"{'' if start == '0' else start}:{'' if open_end else end}" if start or end else "…"
