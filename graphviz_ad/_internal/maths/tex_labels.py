"""TeX in a label that somebody wrote for matplotlib -> plain text with Unicode's letters."""

from __future__ import annotations

import re
from collections.abc import Sequence

from graphviz_ad._internal.maths.formula_letters import GREEK, SUBSCRIPTS, SUPERSCRIPTS

_TEX_WORDS = {
    **GREEK, "cdot": "·", "times": "×", "div": "÷", "pm": "±", "mp": "∓", "infty": "∞", "partial": "∂", "nabla": "∇",
    "sum": "Σ", "prod": "Π", "int": "∫", "sqrt": "√", "leq": "≤", "le": "≤", "geq": "≥", "ge": "≥", "neq": "≠",
    "ne": "≠", "approx": "≈", "to": "→", "rightarrow": "→", "leftarrow": "←", "mapsto": "↦", "in": "∈", "odot": "⊙",
    "otimes": "⊗", "oplus": "⊕", "circ": "∘", "ell": "ℓ", "top": "⊤", "ldots": "…", "dots": "…", "cdots": "⋯",
    "langle": "⟨", "rangle": "⟩", "ast": "∗", "star": "⋆", "prime": "′", "quad": " ", "left": "", "right": "",
    **{name: name for name in ("arcsin", "arccos", "arctan")},
    **{name: name for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "ln", "log", "max", "min")},
}  # fmt: skip
_TEX_STYLES = frozenset(
    {"mathrm", "mathbf", "mathit", "mathsf", "mathtt", "text", "textrm", "textbf", "operatorname", "boldsymbol", "rm"}
)
_TEX_TOKEN = re.compile(
    r"\\(?P<word>[A-Za-z]+)|\\(?P<escaped>.)|(?P<script>[_^])|(?P<open>\{)|(?P<close>\})|(?P<plain>.)", re.DOTALL
)


def tex_to_unicode(text: str) -> str:
    r"""Text with ``$…$`` in it, as plain text: ``$\alpha_1$`` -> "α₁"; TeX that is not understood keeps its source."""
    if len(re.findall(r"(?<!\\)\$", text)) % 2:
        return text
    return re.sub(r"(?<!\\)\$((?:\\.|[^$\\])*)\$", lambda match: _tex_formula(match[1]), text, flags=re.DOTALL)


def _tex_formula(source: str) -> str:
    try:
        return _tex_group(list(_TEX_TOKEN.finditer(source)), 0, closing=False)[0]
    except _NotUnderstood:
        return source


class _NotUnderstood(Exception):
    """TeX that has no plain-text form here."""


def _tex_group(tokens: Sequence[re.Match[str]], at: int, *, closing: bool) -> tuple[str, int]:
    """The tokens up to the end, or up to the brace that closes the group."""
    shown = ""
    while at < len(tokens):
        if tokens[at]["close"]:
            if not closing:
                raise _NotUnderstood
            return shown, at + 1
        part, at = _tex_part(tokens, at)
        shown += part
    if closing:
        raise _NotUnderstood
    return shown, at


def _tex_part(tokens: Sequence[re.Match[str]], at: int) -> tuple[str, int]:
    """One token with its argument, if it takes one."""
    if at >= len(tokens) or tokens[at]["close"]:
        raise _NotUnderstood
    token = tokens[at]
    if token["open"]:
        return _tex_group(tokens, at + 1, closing=True)
    if token["script"]:
        inner, after = _tex_part(tokens, at + 1)
        table = SUPERSCRIPTS if token["script"] == "^" else SUBSCRIPTS
        if token["script"] == "^" and inner == "⊤":
            inner = "T"
        if not all(char in table for char in inner):
            raise _NotUnderstood
        return "".join(table[char] for char in inner), after
    if token["escaped"]:
        return (
            token["escaped"] if token["escaped"] in "#$%&_{} " else " " if token["escaped"] in ",;:" else ""
        ), at + 1
    return _tex_word(token["word"], tokens, at) if token["word"] else (token["plain"].replace("-", "−"), at + 1)


def _tex_word(word: str, tokens: Sequence[re.Match[str]], at: int) -> tuple[str, int]:
    if word in _TEX_STYLES:
        return _tex_part(tokens, at + 1)
    if word == "frac":
        above, after = _tex_part(tokens, at + 1)
        below, after = _tex_part(tokens, after)
        return "/".join(part if len(part) == 1 or part.isalnum() else f"({part})" for part in (above, below)), after
    if word == "sqrt":
        inner, after = _tex_part(tokens, at + 1)
        return (f"√{inner}" if len(inner) == 1 else f"√({inner})"), after
    if word not in _TEX_WORDS:
        raise _NotUnderstood
    return _TEX_WORDS[word], at + 1
