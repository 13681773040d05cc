"""Shots -> GIF with per-frame durations, one palette and only the changed boxes stored."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np
from PIL import GifImagePlugin, Image

from graphviz_ad._internal.renderers.images.indexed import CLEAR, IndexedFilm, Patch, channels
from graphviz_ad._internal.renderers.images.shots import Shot

COLORS = 64  # what letters on a few flat colours need; each more costs bytes in every frame
LONGEST_SIDE, LONGEST_DELAY = 2**16 - 1, 2**16 - 1


def gif(shots: Iterable[Shot], *, loop: int = 0) -> bytes:
    """The film as GIF, each picture for its seconds (at least 0.02); ``loop`` is how often it plays, 0 for ever."""
    film = IndexedFilm(shots, COLORS, longest_side=LONGEST_SIDE)
    return b"".join([_header(film), _repeats(loop), *map(_block, film.patches()), b";"])


# The file format: https://www.w3.org/Graphics/GIF/spec-gif89a.txt


def _header(film: IndexedFilm) -> bytes:
    return (
        b"GIF89a"
        + struct.pack("<HHBBB", film.width, film.height, 0xF7, 0, 0)
        + channels(film.palette).ljust(3 * 256, b"\0")
    )


def _repeats(loop: int) -> bytes:
    """Players count the repeats after the first time; without the block a film plays once."""
    return b"" if loop == 1 else b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<HB", max(loop - 1, 0), 0)


def _block(patch: Patch) -> bytes:
    """One frame: it stays, and the next is painted over it."""
    delay = min(max(round(100 * patch.seconds), 2), LONGEST_DELAY)  # in 1/100 s; browsers take 1 and 0 for 10
    image = Image.fromarray(np.ascontiguousarray(patch.indices))
    parts = GifImagePlugin.getdata(
        image, (patch.left, patch.top), duration=10 * delay, transparency=CLEAR, disposal=1, interlace=0
    )
    return b"".join(parts)
