"""Shots -> animated WebP without loss beyond its palette; only changed boxes are stored."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from graphviz_ad._internal.base.errors import SaveError
from graphviz_ad._internal.renderers.images.indexed import CLEAR, IndexedFilm, Patch, channels
from graphviz_ad._internal.renderers.images.shots import Shot

LONGEST_SIDE, LONGEST = 2**14 - 1, 2**24 - 1  # pixels, milliseconds
ANIMATED, ALPHA = 0x02, 0x10


def webp(shots: Iterable[Shot], *, loop: int = 0) -> bytes:
    """The film as WebP, each picture for its seconds (at least 0.02); ``loop`` is how often it plays, 0 for ever."""
    if not features.check("webp"):
        raise SaveError(
            "this Pillow was built without WebP; run: pip install --force-reinstall pillow; or save as .gif, .png or"
            " .html"
        )
    film = IndexedFilm(shots, longest_side=LONGEST_SIDE)
    colors = np.zeros((256, 4), np.uint8)
    colors[: len(film.palette), :3] = np.frombuffer(channels(film.palette), np.uint8).reshape(-1, 3)
    colors[: len(film.palette), 3] = 255
    head = bytes([ANIMATED | ALPHA, 0, 0, 0]) + _number(film.width - 1) + _number(film.height - 1)
    chunks = [_chunk(b"VP8X", head), _chunk(b"ANIM", bytes(4) + struct.pack("<H", loop))]
    body = b"WEBP" + b"".join([*chunks, *(_frame(patch, colors) for patch in film.patches())])
    return _chunk(b"RIFF", body)


# The file format: https://developers.google.com/speed/webp/docs/riff_container


def _frame(patch: Patch, colors: NDArray[np.uint8]) -> bytes:
    left, top = patch.left & 1, patch.top & 1  # a corner stands on even pixels
    indices = np.pad(patch.indices, ((top, 0), (left, 0)), constant_values=CLEAR)
    height, width = indices.shape
    place = b"".join(map(_number, ((patch.left - left) // 2, (patch.top - top) // 2, width - 1, height - 1)))
    length = _number(min(max(round(1000 * patch.seconds), 20), LONGEST))
    # 0: stays, and transparent pixels leave what was there
    return _chunk(b"ANMF", place + length + b"\0" + _image(colors[indices]))


def _image(pixels: NDArray[np.uint8]) -> bytes:
    """The chunk with the picture out of a file with nothing else in it."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", lossless=True, quality=50, method=2, exact=True)
    return file.getvalue()[12:]


def _number(value: int) -> bytes:
    return value.to_bytes(3, "little")


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1)
