"""Steps -> how long each stays on screen: as long as it takes to read what is new."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from graphviz_ad._internal.film.speech import full_seconds
from graphviz_ad._internal.scene.scene import Step

FIRST, LAST = 1.5, 3.0  # seconds of the first and the last frame
SHORTEST, LONGEST = 0.9, 3.0  # of any other
BEGIN, WORD, NUMBER = 0.5, 0.12, 0.1  # seconds to look where it is, for a word not said before, for a text on the stage
HURRIED = 0.8  # of the shortest time, where a film has to be shorter


def holds_of(steps: Sequence[Step], *, narrated: bool = False) -> tuple[float, ...]:
    """Seconds of each step at speed 1; ``narrated``: long enough to say aloud all that there is to say."""
    said: set[str] = set()
    holds = [round(hold, 2) for hold in (hold_of(step, said) for step in steps)]
    if holds:
        holds[0] = FIRST
        holds[-1] = LAST
    spoken = [math.ceil(10 * full_seconds(step)) / 10 for step in steps] if narrated else holds
    return tuple(map(max, holds, spoken))


def hold_of(step: Step, said: set[str]) -> float:
    """Seconds of a step after which more is said."""
    words = dict.fromkeys(words_in(step.said))
    fresh = [word for word in words if word not in said]
    said.update(fresh)
    return min(max(BEGIN + WORD * len(fresh) + NUMBER * step.news, SHORTEST), LONGEST)


def words_in(caption: Sequence[str]) -> Iterator[str]:
    """The words, names and numbers of a caption, without signs."""
    return (word for part in caption for word in part.split() if re.search(r"\w", word))
