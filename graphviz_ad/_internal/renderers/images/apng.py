"""Shots -> animated PNG: its still picture, for whoever knows no animation, is the last one; only changed boxes are
stored.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import count

import numpy as np
from PIL import Image

from graphviz_ad._internal.base.visible_text import whole
from graphviz_ad._internal.renderers.images.indexed import CLEAR, IndexedFilm, Indices, Patch, channels
from graphviz_ad._internal.renderers.images.shots import Pixels, Shot

OVER = 1  # blend: transparent pixels leave what was there


def apng(shots: Iterable[Shot], *, loop: int = 0, metadata: Mapping[str, str] = {}) -> bytes:
    """The film as PNG, each picture for its seconds (at least 0.02); ``loop`` is how often it plays, 0 for ever."""
    film = IndexedFilm(shots)
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in _chunks(film, loop, metadata))


def png(pixels: Pixels) -> bytes:
    """One picture as PNG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


# The file format: https://www.w3.org/TR/png-3/


def _chunks(film: IndexedFilm, loop: int, metadata: Mapping[str, str]) -> Iterator[tuple[bytes, bytes]]:
    yield b"IHDR", struct.pack(">IIBBBBB", film.width, film.height, 8, 3, 0, 0, 0)
    yield b"acTL", struct.pack(">II", len(film.seconds), loop)
    yield b"PLTE", channels(film.palette).ljust(3 * 256, b"\0")
    yield b"tRNS", b"\xff" * CLEAR + b"\0"
    for key, text in metadata.items():
        yield b"iTXt", key.encode("latin-1") + b"\0\0\0\0\0" + whole(text).encode()
    yield b"IDAT", _packed(film.last)
    number = count()
    for patch in film.patches():
        yield b"fcTL", struct.pack(">I", next(number)) + _control(patch)
        yield b"fdAT", struct.pack(">I", next(number)) + _packed(patch.indices)
    yield b"IEND", b""


def _control(patch: Patch) -> bytes:
    height, width = patch.indices.shape
    parts = 1000 if patch.seconds < 65 else 100  # of a second, as the length must fit into 16 bits
    length = min(max(round(parts * patch.seconds), parts // 50), 2**16 - 1)
    return struct.pack(">IIIIHHBB", width, height, patch.left, patch.top, length, parts, 0, OVER)


def _packed(indices: Indices) -> bytes:
    """The rows, each after the byte that says "as it is", which suits a drawing best."""
    return zlib.compress(np.pad(indices, ((0, 0), (1, 0))).tobytes(), 9)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
