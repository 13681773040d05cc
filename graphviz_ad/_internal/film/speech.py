"""Step -> what is said of it aloud, as fully as there is time for, and how long it takes to say that."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from graphviz_ad._internal.base.visible_text import whole_text as prose
from graphviz_ad._internal.scene.scene import Step
from graphviz_ad._internal.scene.set_text import Fraction, with_fractions
from graphviz_ad._internal.scene.words.signs import NOT_YET

MOST_SPOKEN = 240  # characters of a step; longer numbers are left to the eye
CHARACTERS, WORDS = 17.0, 2.5  # a second, at most, as subtitles are read and as people talk, 150 words a minute
SHORT, SHORT_WORD = 2, 0.5  # letters of a word that takes only so much of the time, such as "d" or "by"
BREATH = 0.4  # seconds after a step that is said in full
SIGNS = {
    "=": "equals", "≈": "is about", "·": "times", "×": "times", "+": "plus", "−": "minus", "/": "divided by",
    "√": "the square root of", "²": "squared", "³": "cubed", "ᵀ": "transposed", "Σ": "the sum of", "∂": "partial",
    "@": "matrix times", "←": "gets", "→": "to", "≤": "is at most", "≥": "is at least", "∞": "infinity",
    "′": "corrected",
}  # fmt: skip
CONTINUING = ("=", "≈", "(")
LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
POWER_OF_TEN = re.compile(r"(?<=\d)e(−?)(\d+)")


def seconds_to_say(text: str) -> float:
    """How long a text takes to be said, and to be read where it is shown."""
    said = sum(SHORT_WORD if len(word) <= SHORT else 1.0 for word in text.split())
    return max(len(text) / CHARACTERS, said / WORDS)


def full_seconds(step: Step) -> float:
    """How long a step takes that is said in full."""
    return seconds_to_say(next(tellings(step), "")) + BREATH


def said_within(step: Step, seconds: float) -> str | None:
    """The fullest telling of a step that there is time for; None where there is none."""
    return next((text for text in tellings(step) if text and seconds_to_say(text) <= seconds), None)


def tellings(step: Step) -> Iterator[str]:
    """What can be said of a step, from all of it to the least: numbers that are too long to be followed never."""
    formula, *numbers = [prose(part) for part in step.caption] or [""]
    whole = [joined(parts) for parts in ([formula, *numbers], [formula, *numbers[1:]])]
    brief = joined([prose(step.brief)]) or joined([formula]) or step.phase
    for few in ([text for text in whole if 0 < len(text) <= MOST_SPOKEN], [brief]):
        for last in ([step.sentence], []):
            yield from (" ".join(part for part in (ended(text), *last) if part) for text in few)


def ended(words: str) -> str:
    """A sentence with its full stop."""
    return words if words.endswith((".", "!", "?", "…")) or not words else f"{words}."


def joined(parts: Sequence[str]) -> str:
    """Parts of a caption one after the other: what does not go on with a sign begins anew."""
    whole = ""
    for part in parts:
        if not part.strip():
            continue
        goes_on = part.lstrip().startswith(CONTINUING)
        whole += (" " if goes_on else ": " if whole else "") + spoken(part)
    return whole


def spoken(text: str) -> str:
    """A line of mathematics in words: "d L by d w equals 2 times 3"."""
    dotted = f"a dot{text[1:]}" if text.startswith(NOT_YET) else text
    words = " ".join("".join(spoken_pieces(dotted)).split())
    return words.replace(" ,", ",").replace("( ", "(").replace("[ ", "[")


def spoken_pieces(text: str) -> Iterator[str]:
    """Its derivatives and what stands between them."""
    for piece in with_fractions(text):
        if isinstance(piece, Fraction):
            yield f" {differential(piece.above)} by {differential(piece.below)} "
        else:
            yield signs_spoken(piece)


def differential(text: str) -> str:
    """ "d loss" of "d loss", "partial v 1" of "∂v₁"."""
    return signs_spoken(f"{text[:1]} {text[1:]}").strip()


def signs_spoken(text: str) -> str:
    """The signs of mathematics as words; what belongs to a name stays with it."""
    powers = POWER_OF_TEN.sub(lambda found: f" times 10 to the {'minus ' * bool(found[1])}{found[2]}", text)
    return "".join(f" {SIGNS[char]} " if char in SIGNS else char for char in powers).translate(LOWERED)
