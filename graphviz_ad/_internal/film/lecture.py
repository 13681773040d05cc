"""Staged story, time -> Film: with its camera and the seconds of each step, no longer than there is time for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from graphviz_ad._internal.film.camera import LEAST, USUAL, with_camera
from graphviz_ad._internal.film.durations import holds_of
from graphviz_ad._internal.film.pace import Pace, in_seconds
from graphviz_ad._internal.film.staging import Screen, Staged
from graphviz_ad._internal.film.story import Story, explained
from graphviz_ad._internal.scene.scene import Film
from graphviz_ad._internal.scene.words.describe import Words

LECTURE = 90.0  # seconds at speed 1 that a film lasts at most, unless somebody says how it is told


@dataclass(frozen=True)
class Time:
    """How long a film may last, None where nobody says; ``as_told``: somebody chose how finely it is told;
    ``narrated``: it stays at each step as long as it takes to say it.
    """

    seconds: float | None
    as_told: bool
    narrated: bool = False


def in_time(film: Film, staged: Staged, screen: Screen, words: Words, time: Time) -> Film:
    """The film of a staged story, in fewer steps where there is no time for all.

    Before steps that cannot be seen together are told together, letters get as small as they may.
    """
    if time.seconds is None and (time.as_told or time.narrated):
        return told(staged.story, film, staged, USUAL, narrated=time.narrated)
    most = LECTURE if time.seconds is None else time.seconds * film.speed
    found: Film | None = None
    paces = [
        Pace(
            words.graph,
            words.names.of,
            most,
            staged.sees(screen, usual),
            partial(told, film=film, staged=staged, usual=usual, narrated=time.narrated),
        )
        for usual in ((USUAL, LEAST) if staged.camera else (USUAL,))
    ]
    for pace in paces:
        found = found or pace.near(staged.story)
    found = found or paces[-1].anyhow(staged.story)
    return found if time.seconds is None else in_seconds(found, most)


def told(story: Story, film: Film, staged: Staged, usual: float, *, narrated: bool) -> Film:
    """The film of a story, with a camera where it takes one."""
    steps = explained(story).steps
    made = replace(film, steps=steps, holds=holds_of(steps, narrated=narrated))
    return with_camera(made, usual) if staged.camera else made
