"""Pictures that an encoder has made once, repeated without it: what a decoder shows."""

from __future__ import annotations

import io
import random
from dataclasses import replace

import numpy as np
import pytest

from graphviz_ad._internal.renderers.images.repeated_pictures import escaped, unescaped
from graphviz_ad._internal.renderers.images.shots import Shot, whole_picture
from graphviz_ad._internal.renderers.images.video import MOVING, MP4, video

av = pytest.importorskip("av")


@pytest.mark.parametrize("codec", [MP4, MOVING], ids=["still", "moving"])
@pytest.mark.parametrize("size", [(2, 2), (34, 50), (96, 130)])
def test_a_repeated_picture_is_shown_as_it_was(codec, size):
    chance = random.Random(repr(size))
    times = [chance.choice([1, 1, 2, 3, 17, 40]) for _ in range(60)]
    noise = np.random.default_rng(0)
    pictures = [np.kron(noise.integers(0, 256, (*size, 3)), np.ones((2, 2, 1))).astype(np.uint8) for _ in times]
    shots = [Shot(one, (whole_picture(one),), n / 30) for one, n in zip(pictures, times, strict=True)]
    with av.open(io.BytesIO(video(shots, replace(codec, fresh=100))), options={"err_detect": "explode"}) as file:
        packets = [(packet.pts * packet.time_base, packet.is_keyframe) for packet in file.demux(video=0) if packet.size]
    with av.open(io.BytesIO(video(shots, replace(codec, fresh=100))), options={"err_detect": "explode"}) as file:
        shown = [frame.to_ndarray(format="rgb24").astype(int) for frame in file.decode(video=0)]
    assert len(shown) == sum(times)
    assert [float(at) for at, _ in packets] == pytest.approx([n / 30 for n in range(sum(times))])
    keys = [n for n, (_, key) in enumerate(packets) if key]
    assert len(keys) > 1
    assert max(np.diff([*keys, sum(times)])) <= 100 + max(times)
    first = 0
    for picture, n in zip(pictures, times, strict=True):
        assert all((again == shown[first]).all() for again in shown[first : first + n])
        grey = shown[first].mean(axis=2) - picture.mean(axis=2)
        assert np.abs(grey).mean() < 25, first  # noise of colours is coarser in a film; another picture is 45 away
        first += n


def test_what_is_coded_is_a_picture_and_not_its_repetitions():
    one = np.zeros((64, 64, 3), np.uint8)
    sizes = [len(video([Shot(one, (whole_picture(one),), n / 30)], MP4)) for n in (100, 200, 300)]
    assert sizes[2] - sizes[1] <= sizes[1] - sizes[0] + 8 <= 100 * 32


def test_no_start_code_stands_in_a_unit_and_none_of_its_bytes_is_lost():
    chance = random.Random(0)
    for _ in range(300):
        unit = bytes(chance.choices([0, 0, 0, 1, 2, 3, 4], k=chance.randrange(1, 30))) + b"\x80"
        written = escaped(unit)
        assert not any(code in written for code in (b"\0\0\0", b"\0\0\1", b"\0\0\2"))
        assert unescaped(written) == unit
