"""Film -> a clip and a still of each step, and a list of them: what a program for slides plays click by click."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from graphviz_ad._internal.base.visible_text import whole_text
from graphviz_ad._internal.film.chapters import chapter_title, chapters_of
from graphviz_ad._internal.film.speech import said_within
from graphviz_ad._internal.output.formats import MOVIE, shots

if TYPE_CHECKING:
    from graphviz_ad._internal.api.api import Animation
    from graphviz_ad._internal.renderers.images.shots import Shot

LIST = "step-clips.json"
TALK = 600.0  # seconds, more than anybody needs for a step: a lecturer clicks when all is said


def step_clips(animation: Animation, *, scale: float = 1.0) -> Iterator[tuple[str, bytes]]:
    """The files by name: ``step-01.mp4`` and ``step-01.png`` of each step, and ``step-clips.json`` that lists them."""
    from graphviz_ad._internal.renderers.images.apng import encode_png

    digits = max(len(str(len(animation.steps))), 2)
    names = [f"step-{number:0{digits}}" for number in range(1, len(animation.steps) + 1)]
    for name, still in zip(names, shots(animation, scale), strict=True):
        yield f"{name}.png", encode_png(still.pixels)
    for name, clip in zip(names, encoded_steps(animation, scale), strict=True):
        yield f"{name}.mp4", clip
    yield LIST, json.dumps(listed(animation, names, scale), ensure_ascii=False, indent=1).encode()


def encoded_steps(animation: Animation, scale: float) -> Iterator[bytes]:
    """The movie of each step; one goes on where the one before ends."""

    from graphviz_ad._internal.renderers.images.video import encode_mp4

    film = animation.film
    ends = list(accumulate(film.seconds(i) for i in range(len(film.steps))))
    for _, of_step in groupby(numbered(shots(animation, scale, MOVIE), ends), itemgetter(0)):
        yield encode_mp4((shot for _, shot in of_step), moving=film.motion)


def numbered(pictures: Iterable[Shot], ends: Sequence[float]) -> Iterator[tuple[int, Shot]]:
    """The pictures, each with the number of its step."""
    clock = 0.0
    for shot in pictures:
        yield min(bisect_right(ends, clock + shot.seconds / 2), len(ends) - 1), shot
        clock += shot.seconds


def listed(animation: Animation, names: list[str], scale: float) -> dict[str, object]:
    """What the list says: of the whole, and of each step in its order."""
    film = animation.film
    chapters = {i: chapter_title(one) for one in chapters_of(film.steps) for i in range(one.first, one.last + 1)}
    return {
        "title": whole_text(film.title),
        "size": [round(length * scale) for length in film.size],
        "alt": whole_text(film.stage.alt),
        "slides": [
            {
                "movie": f"{name}.mp4",
                "still": f"{name}.png",
                "seconds": round(film.seconds(i), 3),
                "chapter": chapters.get(i, step.phase),
                "caption": [whole_text(part) for part in step.said],
                "notes": said_within(step, TALK) or "",
            }
            for i, (name, step) in enumerate(zip(names, film.steps, strict=True))
        ],
    }
