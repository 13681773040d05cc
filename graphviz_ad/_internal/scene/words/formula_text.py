"""Claim -> the operation as it is written, with the names or the values of its operands: "q = x + y", "−2 + 5", and
its glyph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphviz_ad._internal.graph.graph import Edge
from graphviz_ad._internal.graph.rank_messages import glyph
from graphviz_ad._internal.maths.claims import LETTERS, Claim, written_call
from graphviz_ad._internal.maths.formula_tree import Name, Tree, parsed, walked
from graphviz_ad._internal.maths.formulas import to_unicode
from graphviz_ad._internal.maths.tex_labels import tex_to_unicode
from graphviz_ad._internal.operations.rules import ELEMENTWISE
from graphviz_ad._internal.operations.traits import GETITEM, SLICES
from graphviz_ad._internal.scene.words.in_place_text import in_place_formula, is_partial_write, subscript, subscripts
from graphviz_ad._internal.scene.words.names import Names

NUMBERS_ROOM = 64  # characters


def operand_names(claim: Claim, names: Names) -> dict[str, str]:
    """Letter of the rule -> name of the operand."""
    return dict(zip(LETTERS, map(names.operand, read_operands(claim)), strict=False))


def read_operands(claim: Claim) -> list[Edge]:
    """The edges that a formula tells of: what ran inside a Function is no operand of it."""
    inside = claim.call.node.cut == "inner"
    return [edge for edge in claim.call.operands if edge.cut != "inner" or inside]


def names_of_letters(claim: Claim, operands: Mapping[str, str], names: Names) -> dict[str, str]:
    """Letter of the rule -> name, for what flows back to an operand; g stays the gradient that arrives."""
    return {**operands, "out": names.of[claim.call.node.key], "g": "g"}


def operation_formula(claim: Claim, operands: Mapping[str, str]) -> str:
    """The operation with the names of its operands: "x + y"; "" for leaves and data."""
    return operation_in_terms(claim, operands) if claim.call.node.kind == "op" else ""


def formula_of_claim(claim: Claim, names: Names) -> str:
    """The same, for whoever does not need the names of the operands for anything else."""
    return operation_formula(claim, operand_names(claim, names))


def formula_in_numbers(claim: Claim, values: Sequence[str | None]) -> str:
    """The operation with the values of its operands: "−2 + 5"; "" where they are unknown or too big."""
    known = [value for value in values[: len(LETTERS)] if value is not None]
    if claim.call.node.kind != "op" or not known or len(known) < len(values[: len(LETTERS)]):
        return ""
    text = operation_in_terms(claim, dict(zip(LETTERS, known, strict=False)))
    return text if len(text) <= NUMBERS_ROOM else ""


def operation_in_terms(claim: Claim, operands: Mapping[str, str]) -> str:
    """The operation with what stands for its operands."""
    node = claim.call.node
    if len(claim.call.operands) > len(LETTERS):
        return f"{tex_to_unicode(node.op or '?')}({', '.join(list(operands.values())[:3])}, …)"
    if is_partial_write(node):
        return in_place_formula(claim, operands.values())
    if node.call is None:  # not seen running: operands without gradient are not known
        return written_call(claim, [*operands.values(), "…"])
    if not claim.forward:
        return with_hidden_operands(claim, operands) or written_call(claim, operands.values())
    text = to_unicode(claim.forward, operands)
    return text.replace("[…]", f"[{subscript_of(claim)}]") if node.op == GETITEM else text


def subscript_of(claim: Claim) -> str:
    """What stood between the brackets of a selection, of which torch may have taken one part after the other."""
    node, whole = claim.call.node, claim.call.graph.detail
    parts = whole.of_calls.get(node.call, ()) if whole is not None and node.call is not None else ()
    if node.inside < 2 or len(parts) < 2:
        return subscript(dict(node.arguments))
    return subscripts([(part.op in SLICES, dict(part.arguments)) for part in parts])


def with_hidden_operands(claim: Claim, operands: Mapping[str, str]) -> str:
    """An operation on single elements with the operands that a transform left out where they stand: "1 + v1"; "" for
    any other.
    """
    texts = claim.in_place(operands.values())
    known = ELEMENTWISE.get(claim.call.name) if claim.hidden and not claim.settings else None
    if known is None or len(known.backward) != len(texts):
        return ""
    return to_unicode(known.forward, dict(zip(LETTERS, texts, strict=False)))


def written_operands(claim: Claim) -> frozenset[str]:
    """The edges whose operands the formula of an operation writes out, each by its name."""
    node, operands = claim.call.node, read_operands(claim)
    if node.kind != "op" or len(claim.call.operands) > len(LETTERS) or is_partial_write(node):
        return frozenset()
    if node.call is None or not claim.forward:
        return frozenset(edge.key for edge in operands)
    said = walked(parsed(claim.forward), names_below)
    return frozenset(edge.key for letter, edge in zip(LETTERS, operands, strict=False) if letter in said)


def names_below(node: Tree, inner: list[frozenset[str]]) -> frozenset[str]:
    """The names in a formula, of which those in its parts are known."""
    return frozenset([node.name] if isinstance(node, Name) else []).union(*inner)


def operation_badge(claim: Claim) -> str:
    """The glyph in the circle of an operation."""
    node = claim.call.node
    if node.kind != "op":
        return ""
    op = tex_to_unicode(node.op or "?")
    return claim.call.rule.symbol or glyph(node) or (op if len(op) <= 5 else "ƒ")
