"""Shots -> one palette and, for each shot, the changed box in its indices: what GIF, APNG and WebP store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphviz_ad._internal.base.errors import SaveError
from graphviz_ad._internal.renderers.images.shots import PixelBox, Pixels, Shot

Indices = NDArray[np.uint8]
Colors = NDArray[np.uint32]  # 0xRRGGBB

CLEAR = 255  # the index of "as in the picture before"
MOST = 255  # colours in a palette, CLEAR is not one of them


@dataclass(frozen=True)
class Patch:
    """The part of a picture that is new, CLEAR where it is not, where its corner is, and how long the picture stays."""

    left: int
    top: int
    indices: Indices
    seconds: float


class IndexedFilm:
    """All shots in the colours of one palette; only changed pixels are kept until all colours are known, so that a
    long film fits in memory.
    """

    def __init__(self, shots: Iterable[Shot], colors: int = MOST, *, longest_side: int = 2**31 - 1) -> None:
        self.changes: list[tuple[NDArray[np.int32], Colors]] = []  # where, in rows from the top, and the new colours
        self.seconds: list[float] = []
        counts: dict[int, int] = {}
        shown: Colors | None = None
        for shot in shots:
            where: NDArray[np.int32]
            if shown is None:
                self.height, self.width = shot.pixels.shape[:2]
                if max(self.width, self.height) > longest_side:
                    what = (
                        f"a film of this format can be {longest_side} pixels wide and high, not {self.width} x"
                        f" {self.height}"
                    )
                    raise SaveError(f"{what}; give a smaller scale=")
                where, fresh = np.arange(self.height * self.width, dtype=np.int32), _packed(shot.pixels).ravel()
                shown = fresh.reshape(self.height, self.width).copy()
            else:
                where, fresh = _changes(shown, shot)
            self.changes.append((where, fresh))
            self.seconds.append(shot.seconds)
            _count(fresh, counts)
        if shown is None:
            raise ValueError("a film needs at least one picture; none was given")
        self.palette = _palette(counts, min(colors, MOST))
        self.lookup = _lookup(self.palette, counts)
        self.last: Indices = self.lookup[shown]  # the picture at the end, whole

    def patches(self) -> Iterator[Patch]:
        """What is new in each shot."""
        shown = np.full(self.height * self.width, CLEAR, np.uint8)
        for (where, colors), seconds in zip(self.changes, self.seconds, strict=True):
            fresh = self.lookup[colors]
            differs = fresh != shown[where]  # two colours may have become one
            shown[where] = fresh
            yield self._patch(where[differs], fresh[differs], seconds)

    def _patch(self, where: NDArray[np.int32], fresh: Indices, seconds: float) -> Patch:
        """The smallest box around the pixels; one clear pixel if there is none."""
        if not len(where):
            return Patch(0, 0, np.full((1, 1), CLEAR, np.uint8), seconds)
        rows, columns = where // self.width, where % self.width
        left, right, top, bottom = (int(edge) for edge in (columns.min(), columns.max(), rows.min(), rows.max()))
        indices = np.full((bottom - top + 1, right - left + 1), CLEAR, np.uint8)
        indices[rows - top, columns - left] = fresh
        return Patch(left, top, indices, seconds)


def _packed(pixels: Pixels) -> Colors:
    red, green, blue = (pixels[..., channel].astype(np.uint32) for channel in range(3))
    return ((red << 16) | (green << 8) | blue).astype(np.uint32, copy=False)


def _changes(shown: Colors, shot: Shot) -> tuple[NDArray[np.int32], Colors]:
    """The positions and colours of the pixels that are not as before; ``shown`` is brought up to date."""
    found = [_within(shown, shot.pixels, box) for box in shot.boxes]
    where = np.concatenate([np.empty(0, np.int32), *(places for places, _ in found)])
    colors = np.concatenate([np.empty(0, np.uint32), *(fresh for _, fresh in found)])
    return where, colors


def _within(shown: Colors, pixels: Pixels, box: PixelBox) -> tuple[NDArray[np.int32], Colors]:
    left, top, right, bottom = box
    fresh, old = _packed(pixels[top:bottom, left:right]), shown[top:bottom, left:right]
    rows, columns = np.nonzero(fresh != old)
    old[:] = fresh
    return ((rows + top) * shown.shape[1] + columns + left).astype(np.int32), fresh[rows, columns]


def _count(colors: Colors, counts: dict[int, int]) -> None:
    """How often each colour occurs; runs of one colour, which are most of a drawing, are counted as one."""
    starts = (
        np.flatnonzero(np.concatenate([[True], colors[1:] != colors[:-1]])) if len(colors) else np.empty(0, np.int64)
    )
    lengths = np.diff(starts, append=len(colors))
    found, which = np.unique(colors[starts], return_inverse=True)
    for color, count in zip(
        found.tolist(), np.bincount(which, lengths, len(found)).astype(np.int64).tolist(), strict=True
    ):
        counts[color] = counts.get(color, 0) + count


def _palette(counts: dict[int, int], size: int) -> Colors:
    """At most ``size`` colours: the commonest exactly, then again and again the one that is worst served, where it
    is common.
    """
    order = sorted(counts, key=lambda color: (-counts[color], color))
    if len(order) <= size:
        return np.array(order, np.uint32)
    channels = _channels(np.array(order, np.uint32))
    weights = np.sqrt([counts[color] for color in order])
    chosen = list(range(3 * size // 8))
    distances = np.min([_distance(channels, index) for index in chosen], axis=0)
    while len(chosen) < size:
        chosen.append(int(np.argmax(distances * weights)))
        distances = np.minimum(distances, _distance(channels, chosen[-1]))
    return np.array(order, np.uint32)[chosen]


def _lookup(palette: Colors, counts: dict[int, int]) -> Indices:
    """Colour -> index of the nearest colour of the palette, for the colours that occur."""
    table = np.zeros(1 << 24, np.uint8)
    colors = np.fromiter(counts, np.uint32, len(counts))
    nearest = _channels(palette)
    for some in np.array_split(colors, len(colors) // 4096 + 1):
        table[some] = ((_channels(some)[:, None] - nearest) ** 2).sum(axis=2).argmin(axis=1)
    return table


def _channels(colors: Colors) -> NDArray[np.int32]:
    return np.stack([colors >> 16, (colors >> 8) & 255, colors & 255], axis=-1).astype(np.int32)


def _distance(channels: NDArray[np.int32], index: int) -> NDArray[np.int32]:
    result: NDArray[np.int32] = ((channels - channels[index]) ** 2).sum(axis=1)
    return result


def channels(palette: Colors) -> bytes:
    """Red, green and blue of every colour, as file formats want them."""
    return _channels(palette).astype(np.uint8).tobytes()
