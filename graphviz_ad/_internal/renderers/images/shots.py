"""Pictures -> shots: what every film encoder takes, each a picture with the boxes in which it differs from the one
before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]  # (height, width, 3): red, green, blue
PixelBox = tuple[int, int, int, int]  # left, top, right, bottom; the last two are outside


@dataclass(frozen=True)
class Shot:
    """One picture of a film and how long it stays; ``pixels`` may change as soon as the next shot is asked for.

    Outside of ``boxes`` it is the picture before; the first shot has one box, all of it.
    """

    pixels: Pixels
    boxes: tuple[PixelBox, ...]
    seconds: float


def shots(frames: Iterable[Pixels], seconds: Sequence[float]) -> Iterator[Shot]:
    """Finished pictures as shots, without knowing what changed in them."""
    count = 0
    for frame in frames:
        if count == len(seconds):
            raise ValueError(f"more than {count} frames, but seconds for {count}; give one number for each frame")
        yield Shot(frame, (whole(frame),), seconds[count])
        count += 1
    if count != len(seconds):
        raise ValueError(f"{count} frames, but seconds for {len(seconds)}; give one number for each frame")


def whole(frame: Pixels) -> PixelBox:
    """The box that is the picture."""
    return 0, 0, frame.shape[1], frame.shape[0]
