"""Claim -> the operation as it is written, with the names or the values of its operands: "q = x + y", "−2 + 5", and
its glyph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphviz_ad._internal.graph.rank_messages import glyph
from graphviz_ad._internal.maths.claims import LETTERS, Claim, written_call
from graphviz_ad._internal.maths.formulas import to_unicode
from graphviz_ad._internal.maths.tex_labels import tex_to_unicode
from graphviz_ad._internal.operations.traits import GETITEM
from graphviz_ad._internal.scene.words.in_place_text import is_partial_write, subscript, written_in_place
from graphviz_ad._internal.scene.words.names import Names

NUMBERS_ROOM = 64  # characters


def operand_names(claim: Claim, names: Names) -> dict[str, str]:
    """Letter of the rule -> name of the operand."""
    inside = claim.call.node.cut == "inner"
    # what ran inside a Function is no operand of it
    read = [edge for edge in claim.call.operands if edge.cut != "inner" or inside]
    return dict(zip(LETTERS, map(names.operand, read), strict=False))


def letters(claim: Claim, operands: Mapping[str, str], names: Names) -> dict[str, str]:
    """Letter of the rule -> name, for what flows back to an operand; g stays the gradient that arrives."""
    return {**operands, "out": names.of[claim.call.node.key], "g": "g"}


def formula(claim: Claim, operands: Mapping[str, str]) -> str:
    """The operation with the names of its operands: "x + y"; "" for leaves and data."""
    return written(claim, operands) if claim.call.node.kind == "op" else ""


def formula_of(claim: Claim, names: Names) -> str:
    """The same, for whoever does not need the names of the operands for anything else."""
    return formula(claim, operand_names(claim, names))


def formula_in_numbers(claim: Claim, values: Sequence[str | None]) -> str:
    """The operation with the values of its operands: "−2 + 5"; "" where they are unknown or too big."""
    known = [value for value in values[: len(LETTERS)] if value is not None]
    if claim.call.node.kind != "op" or not known or len(known) < len(values[: len(LETTERS)]):
        return ""
    text = written(claim, dict(zip(LETTERS, known, strict=False)))
    return text if len(text) <= NUMBERS_ROOM else ""


def written(claim: Claim, operands: Mapping[str, str]) -> str:
    """The operation with what stands for its operands."""
    node = claim.call.node
    if len(claim.call.operands) > len(LETTERS):
        return f"{tex_to_unicode(node.op or '?')}({', '.join(list(operands.values())[:3])}, …)"
    if is_partial_write(node):
        return written_in_place(claim, operands.values())
    if node.call is None:  # not seen running: operands without gradient are not known
        return written_call(claim, [*operands.values(), "…"])
    if not claim.forward:
        return written_call(claim, operands.values())
    text = to_unicode(claim.forward, operands)
    return text.replace("[…]", f"[{subscript(dict(node.arguments))}]") if node.op == GETITEM else text


def badge(claim: Claim) -> str:
    """The glyph in the circle of an operation."""
    node = claim.call.node
    if node.kind != "op":
        return ""
    op = tex_to_unicode(node.op or "?")
    return claim.call.rule.symbol or glyph(node) or (op if len(op) <= 5 else "ƒ")
