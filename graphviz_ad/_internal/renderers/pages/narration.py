"""Film -> WebVTT: what is to be said in each step, in words that can be spoken, with the times of the film."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from graphviz_ad._internal.renderers.svg.still import NAMELESS, prose
from graphviz_ad._internal.scene.scene import Film, Step
from graphviz_ad._internal.scene.set_text import Fraction, with_fractions
from graphviz_ad._internal.scene.words.signs import NOT_YET

MOST_SPOKEN = 240  # characters of a cue; longer numbers are left to the eye
SIGNS = {
    "=": "equals", "≈": "is about", "·": "times", "×": "times", "+": "plus", "−": "minus", "/": "divided by",
    "√": "the square root of", "²": "squared", "³": "cubed", "ᵀ": "transposed", "Σ": "the sum of", "∂": "partial",
    "@": "matrix times", "←": "gets", "→": "to", "≤": "is at most", "≥": "is at least", "∞": "infinity",
}  # fmt: skip
CONTINUING = ("=", "≈", "(")
LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
POWER_OF_TEN = re.compile(r"(?<=\d)e(−?)(\d+)")
LITERAL = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\u200e": "&lrm;", "\u200f": "&rlm;"}


def webvtt(film: Film) -> str:
    """A cue for each step."""
    clock, cues = 0.0, []
    for i, step in enumerate(film.steps):
        start, clock = clock, clock + film.seconds(i)
        cues.append(
            f"{i + 1}\n{timestamp(start)} --> {timestamp(clock)}\n{cue_text(spoken_step(step) or step.phase)}\n"
        )
    return "\n".join([f"WEBVTT - {cue_text(film.title) or NAMELESS}\n", *cues])


def timestamp(seconds: float) -> str:
    """ "00:01:02.500"."""
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}.{rest % 1000:03}"


def cue_text(text: str) -> str:
    """Text that WebVTT shows as it is: one line, no tag and no arrow."""
    return "".join(LITERAL.get(char, char) for char in " ".join(prose(text).split()))


def spoken_step(step: Step) -> str:
    """What is said in a step, in sentences; numbers that are too long to be followed are left out."""
    formula, *numbers = [prose(part) for part in step.caption] or [""]
    for told in ([formula, *numbers], [formula, *numbers[1:]], [formula]):
        words = joined([part for part in told if part.strip()])
        if len(words) <= MOST_SPOKEN:
            break
    ended = words if words.endswith((".", "!", "?", "…")) or not words else f"{words}."
    return " ".join(part for part in (ended, step.sentence) if part)


def joined(parts: Sequence[str]) -> str:
    """Parts of a caption one after the other: what does not go on with a sign begins anew."""
    whole = ""
    for part in parts:
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
