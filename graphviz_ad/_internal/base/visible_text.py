"""Text -> text in which nothing is invisible: control characters become glyphs or escapes, and long text is cut."""

from __future__ import annotations

import re

LIMIT = 200  # characters kept of one text; the whole of it belongs in a tooltip or a JSON file

_NON_CHARACTERS = "".join(chr(plane | low) for plane in range(0, 0x110000, 0x10000) for low in (0xFFFE, 0xFFFF))
# C0, DEL, C1; bidi controls and line separators; non-characters, the byte order mark and lone surrogates.
_HIDDEN = re.compile(
    f"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufdd0-\ufdef\ufeff\ud800-\udfff{_NON_CHARACTERS}]"
)


def visible(text: str) -> str:
    r"""The text with a visible stand-in for each control character, cut at 200 characters.

    >>> visible("a\nb\x1b\u202e")
    'a↵b␛\\u202E'
    """
    cut = text[:LIMIT] + "…" if len(text) > LIMIT else text
    return _HIDDEN.sub(_stand_in, cut)


def whole_text(text: str, most: int | None = None) -> str:
    """Text of any length made visible, as a description is; cut at ``most`` characters where a file format has no
    place for more.

    >>> whole_text("0123456789", 5)
    '0123…'
    """
    seen = "".join(visible(text[start : start + LIMIT]) for start in range(0, len(text), LIMIT))
    return seen if most is None or len(seen) <= most else seen[: most - 1] + "…"


def _stand_in(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code == 0x0A:
        return "↵"
    if code < 0x20:
        return chr(0x2400 + code)  # Unicode's "control pictures"
    return "␡" if code == 0x7F else f"\\u{code:04X}"
