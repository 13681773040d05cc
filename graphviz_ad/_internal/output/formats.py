"""Film -> bytes: the functions that `format_table` names; imported when the first film is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.base.progress import Progress
from graphviz_ad._internal.film.camera import looks
from graphviz_ad._internal.film.chapters import chapter_title, chapters_of
from graphviz_ad._internal.film.moments import Pace, instants, moments

# of formats that store pictures with their times, in which each of a moving camera would be a whole one; of movies; of
# steps
PICTURES = Pace(16, 0.01, camera=20, most=50, jump=12, shades=2)
MOVIE, STEPS = Pace(30, camera=30, pan=24.5, shades=3), Pace(0)
FEWER_PICTURES = replace(PICTURES, most=40)  # where each costs more bytes

if TYPE_CHECKING:
    from graphviz_ad._internal.api.api import Animation
    from graphviz_ad._internal.renderers.images.shots import Shot
    from graphviz_ad._internal.scene.scene import Film


POSTER = 1 / 3  # of the time of the finished picture


def film_page(animation: Animation) -> bytes:
    """A page with a player."""
    from graphviz_ad._internal.renderers.html.player import player_page

    return player_page(animation.film, animation.theme).encode()


def gif(animation: Animation, *, loop: int = 0, scale: float = 1.0) -> bytes:
    """An animated GIF that plays ``loop`` times, 0 for ever; ``scale`` 1.5 makes 1920 by 1080 pixels of 1280 by 720,
    and so everywhere. It begins on the finished picture, which is all of it in print.
    """
    from graphviz_ad._internal.renderers.images.gif import encode_gif

    return encoded(encode_gif, animation, scale, PICTURES, poster=True, loop=times(loop))


def apng(animation: Animation, *, loop: int = 0, scale: float = 1.0) -> bytes:
    """An animated PNG; what knows no animation shows the finished picture."""
    from graphviz_ad._internal.renderers.images.apng import encode_apng

    about = {"Description": animation.film.stage.alt}
    return encoded(encode_apng, animation, scale, PICTURES, loop=times(loop), metadata=about)


def webp(animation: Animation, *, loop: int = 0, scale: float = 1.0) -> bytes:
    """An animated WebP, which begins on the finished picture."""
    from graphviz_ad._internal.renderers.images.webp import encode_webp

    return encoded(encode_webp, animation, scale, FEWER_PICTURES, poster=True, loop=times(loop))


def mp4(animation: Animation, *, scale: float = 1.0) -> bytes:
    """H.264 for slides; needs the extra "video"."""
    from graphviz_ad._internal.renderers.images.video import encode_mp4

    film = animation.film
    return encoded(encode_mp4, animation, scale, MOVIE, chapters=chapter_times(film), moving=film.motion)


def webm(animation: Animation, *, scale: float = 1.0) -> bytes:
    """VP9 for the web; needs the extra "video"."""
    from graphviz_ad._internal.renderers.images.video import encode_webm

    return encoded(encode_webm, animation, scale, MOVIE, chapters=chapter_times(animation.film))


def chapter_times(film: Film) -> list[tuple[str, float, float]]:
    """The chapters by title, with the seconds from which to which they last."""
    begins = [0.0, *accumulate(film.seconds(i) for i in range(len(film.steps)))]
    return [(chapter_title(one), begins[one.first], begins[one.last + 1]) for one in chapters_of(film.steps)]


def numbered_frames(animation: Animation, *, scale: float = 1.0) -> Iterator[tuple[str, bytes]]:
    """The frames as PNG files by name, and a list with their times, which ffmpeg reads."""
    from graphviz_ad._internal.renderers.images.apng import encode_png

    digits = len(str(len(animation.steps)))
    listed = ["ffconcat version 1.0"]
    with Progress("film: frame", len(animation.steps)) as progress:
        for number, shot in enumerate(progress.over(shots(animation, scale)), 1):
            name = f"frame-{number:0{digits}}.png"
            listed += [f"file {name}", f"duration {shot.seconds:.3f}"]
            yield name, encode_png(shot.pixels)
    yield "frames.ffconcat", "\n".join([*listed, ""]).encode()


def encoded(
    encode: Callable[..., bytes],
    animation: Animation,
    scale: float,
    pace: Pace,
    *,
    poster: bool = False,
    **options: Any,
) -> bytes:
    """The film as a file; a terminal hears how far it is."""
    with Progress("film: frame", lambda: pictures_in(animation.film, pace) + poster) as progress:
        return encode(progress.over(shots(animation, scale, pace, poster=poster)), **options)


def pictures_in(film: Film, pace: Pace) -> int:
    """How many pictures a film has at a pace."""
    scales = [film.fit(film.view(i))[0] for i in range(len(film.steps))]
    count = sum(sum(1 for _ in instants(moment, pace, scales[moment.step])) for moment in moments(film))
    return count + sum(len(looks(film, i, film.size, pace.camera, pace.pan)) for i in range(len(film.steps)))


def shots(animation: Animation, scale: float, pace: Pace | None = None, *, poster: bool = False) -> Iterator[Shot]:
    """The film as an encoder takes it; without a pace, a picture a step. With a ``poster``, it begins on the finished
    picture, which then stays the shorter at the end, so that a film that is played again and again keeps its time.
    """
    from graphviz_ad._internal.renderers.images.moving import film_shots

    if not isinstance(scale, (int, float)) or not 0.05 <= scale <= 20:
        raise OptionError(
            f"scale={scale!r} is no scale for a film; give a number from 0.05 to 20: 1.5 makes 1920 by 1080 pixels of"
            " 1280 by 720"
        )
    film = animation.film if pace is not None else replace(animation.film, motion=False)
    held = POSTER * film.seconds(len(film.steps) - 1) if poster and film.steps else 0.0
    return film_shots(film, animation.theme, pace or STEPS, scale=scale, poster=held, smaller="give a smaller scale=")


def times(loop: int) -> int:
    """How often a film plays, checked."""
    if type(loop) is not int or not 0 <= loop < 2**16:
        raise OptionError(f"loop={loop!r} is no number of times; give a whole number: 1 plays once, 0 for ever")
    return loop
