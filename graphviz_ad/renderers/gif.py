"""Frames -> GIF with per-frame durations, one palette and only the changed boxes stored."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import GifImagePlugin, Image

from graphviz_ad.errors import SaveError

Pixels = NDArray[np.uint8]  # (height, width, 3): red, green, blue
Colors = NDArray[np.uint32]  # 0xRRGGBB

CLEAR = 255  # the palette index of "as in the frame before"
COLORS, EXACT = 128, 48  # in the palette; and how many of them are the commonest colours as they are
LONGEST_SIDE, LONGEST_DELAY = 2**16 - 1, 2**16 - 1


def gif(frames: Iterable[Pixels], seconds: Sequence[float], *, loop: int = 0) -> bytes:
    """The frames as GIF, each shown for its seconds (at least 0.02); ``loop`` is how often it plays, 0 for ever."""
    film = _Film(frames)
    palette = _palette(film.counts)
    delays = [min(max(round(100 * length), 2), LONGEST_DELAY) for length in seconds]
    if len(delays) != len(film.changes):
        raise ValueError(f"{len(film.changes)} frames, but seconds for {len(delays)}; give one number for each frame")
    parts = [_header(film.width, film.height, palette), _repeats(loop)]
    parts += [_block(box, delay) for box, delay in zip(film.boxes(_lookup(palette, film.counts)), delays, strict=True)]
    return b"".join([*parts, b";"])


@dataclass(frozen=True)
class _Box:
    """A part of the picture in palette indices, and where its corner is."""

    left: int
    top: int
    indices: NDArray[np.uint8]


class _Film:
    """The frames as changed pixels only: a long film must fit in memory until all its colours are known."""

    def __init__(self, frames: Iterable[Pixels]) -> None:
        self.changes: list[tuple[NDArray[np.int64], Colors]] = []
        self.counts: dict[int, int] = {}
        before: Pixels | None = None
        for frame in frames:
            self.height, self.width = frame.shape[:2]
            where = _changed(before, frame)
            self._remember(where, _packed(frame.reshape(-1, 3)[where]))
            before = frame.copy()
        if before is None:
            raise ValueError("a GIF needs at least one frame; none was given")
        if max(self.width, self.height) > LONGEST_SIDE:
            raise SaveError(f"a GIF can be {LONGEST_SIDE} pixels wide and high, not {self.width} x {self.height}; give a smaller scale=")

    def _remember(self, where: NDArray[np.int64], colors: Colors) -> None:
        self.changes.append((where, colors))
        for color, count in zip(*np.unique(colors, return_counts=True), strict=True):
            self.counts[int(color)] = self.counts.get(int(color), 0) + int(count)

    def boxes(self, lookup: NDArray[np.uint8]) -> Iterable[_Box]:
        """What to store for each frame."""
        shown = np.full((self.height, self.width), CLEAR, np.uint8)
        for where, colors in self.changes:
            fresh = np.full(shown.size, CLEAR, np.uint8)
            fresh[where] = lookup[colors]
            fresh[fresh == shown.ravel()] = CLEAR  # two colours that became one
            fresh = fresh.reshape(shown.shape)
            yield _cropped(fresh)
            shown = np.where(fresh == CLEAR, shown, fresh)


def _changed(before: Pixels | None, frame: Pixels) -> NDArray[np.int64]:
    """The positions, row after row, of the pixels that are not as before."""
    height, width = frame.shape[:2]
    if before is None:
        return np.arange(height * width)
    rows = np.flatnonzero((frame != before).reshape(height, -1).any(axis=1))
    row, column = np.nonzero((frame[rows] != before[rows]).any(axis=2))
    where: NDArray[np.int64] = rows[row] * width + column
    return where


def _packed(pixels: Pixels) -> Colors:
    red, green, blue = pixels.astype(np.uint32).T
    result: Colors = (red << 16) | (green << 8) | blue
    return result


def _cropped(indices: NDArray[np.uint8]) -> _Box:
    """The smallest box around what is not clear; one clear pixel if all is."""
    rows, columns = (np.flatnonzero((indices != CLEAR).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return _Box(0, 0, indices[:1, :1])
    return _Box(int(columns[0]), int(rows[0]), indices[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def _palette(counts: dict[int, int]) -> Colors:
    """At most 128 colours: the commonest exactly, then again and again the one that is worst served, where it is common."""
    order = sorted(counts, key=lambda color: (-counts[color], color))
    if len(order) <= COLORS:
        return np.array(order, np.uint32)
    channels = _channels(np.array(order, np.uint32))
    weights = np.sqrt([counts[color] for color in order])
    chosen = list(range(EXACT))
    distances = np.min([_distance(channels, index) for index in chosen], axis=0)
    while len(chosen) < COLORS:
        chosen.append(int(np.argmax(distances * weights)))
        distances = np.minimum(distances, _distance(channels, chosen[-1]))
    return np.array(order, np.uint32)[chosen]


def _lookup(palette: Colors, counts: dict[int, int]) -> NDArray[np.uint8]:
    """Colour -> index of the nearest colour of the palette, for the colours that occur."""
    table = np.zeros(1 << 24, np.uint8)
    colors = np.fromiter(counts, np.uint32, len(counts))
    nearest = _channels(palette)
    for some in np.array_split(colors, len(colors) // 4096 + 1):
        table[some] = ((_channels(some)[:, None] - nearest) ** 2).sum(axis=2).argmin(axis=1)
    return table


def _channels(colors: Colors) -> NDArray[np.int64]:
    return np.stack([colors >> 16, (colors >> 8) & 255, colors & 255], axis=-1).astype(np.int64)


def _distance(channels: NDArray[np.int64], index: int) -> NDArray[np.int64]:
    result: NDArray[np.int64] = ((channels - channels[index]) ** 2).sum(axis=1)
    return result


# The file format: https://www.w3.org/Graphics/GIF/spec-gif89a.txt


def _header(width: int, height: int, palette: Colors) -> bytes:
    table = _channels(palette).astype(np.uint8).tobytes().ljust(3 * 256, b"\0")
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF7, 0, 0) + table


def _repeats(loop: int) -> bytes:
    """Players count the repeats after the first time; without the block a film plays once."""
    return b"" if loop == 1 else b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<HB", max(loop - 1, 0), 0)


def _block(box: _Box, delay: int) -> bytes:
    """One frame, ``delay`` in 1/100 s: it stays, and the next is painted over it."""
    image = Image.fromarray(np.ascontiguousarray(box.indices))
    parts = GifImagePlugin.getdata(image, (box.left, box.top), duration=10 * delay, transparency=CLEAR, disposal=1, interlace=0)
    return b"".join(parts)
