"""Film -> WebVTT: what is to be said with the times of the film, in words, no faster than people talk.

Where a step is too short, the least that can be said of it goes on while the next ones are seen, which are passed by.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphviz_ad._internal.film.speech import said_within
from graphviz_ad._internal.renderers.svg.still import NAMELESS, prose
from graphviz_ad._internal.scene.scene import Film, Step

LITERAL = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\u200e": "&lrm;", "\u200f": "&rlm;"}


def webvtt(film: Film) -> str:
    """The cues, one after the other."""
    cues = [
        f"{n}\n{timestamp(start)} --> {timestamp(end)}\n{cue_text(said)}\n"
        for n, (start, end, said) in enumerate(spoken_cues(film), 1)
    ]
    return "\n".join([f"WEBVTT - {cue_text(film.title) or NAMELESS}\n", *cues])


def spoken_cues(film: Film) -> Iterator[tuple[float, float, str]]:
    """When something begins and ends to be said, in seconds, and what."""
    told: Step | None = None  # what is being said
    start = clock = 0.0
    for i, step in enumerate(film.steps):
        if told is None:
            told, start = step, clock
        clock += film.seconds(i)
        said = said_within(told, clock - start)
        if said is not None:
            yield start, clock, said
            told = None


def timestamp(seconds: float) -> str:
    """ "00:01:02.500"."""
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}.{rest % 1000:03}"


def cue_text(text: str) -> str:
    """Text that WebVTT shows as it is: one line, no tag and no arrow."""
    return "".join(LITERAL.get(char, char) for char in " ".join(prose(text).split()))
