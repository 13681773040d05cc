"""GIF: decoded by Pillow, it is the film that went in."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from graphviz_ad._internal.base.errors import SaveError
from graphviz_ad._internal.renderers.images import gif as module
from graphviz_ad._internal.renderers.images.matplotlib_canvas import frames
from graphviz_ad._internal.renderers.images.shots import shots_of_pictures
from graphviz_ad._internal.scene.canvas import Canvas, Curve, Label, Rect
from graphviz_ad._internal.scene.themes import theme


def gif(frames, seconds, **options):
    """Finished pictures as GIF."""
    return module.encode_gif(shots_of_pictures(frames, seconds), **options)


def decoded(data):
    image = Image.open(io.BytesIO(data))
    film, seconds = [], []
    for index in range(image.n_frames):
        image.seek(index)
        film.append(np.asarray(image.convert("RGB")))
        seconds.append(image.info["duration"] / 1000)
    return film, seconds


def film(count, name="light", width=1280, height=720):
    """A 12-node graph that is walked through, one node after the other."""
    canvases = []
    for step in range(count):
        marks = [Label(width / 2, height - 30, f"step {step}: ∂f/∂x{step} = 0.5 × {0.1617 * step:.4f}", 22)]
        for i in range(12):
            x, y = 40 + i % 4 * 310, 30 + i // 4 * 200
            fill = "active" if i == step % 12 else "backward" if i < step % 12 else "op"
            marks += [
                Curve(
                    ((x + 200, y + 45), (x + 230, y + 30), (x + 280, y + 30), (x + 310, y + 45)),
                    "gradient.line" if i == step % 12 else "edge",
                    2,
                )
            ]
            marks += [
                Rect(x, y, 200, 90, 8, fill, "ink", 2),
                Label(x + 100, y + 40, f"x{i}", 18, bold=True),
                Label(x + 100, y + 70, "1.6487", 18, "value"),
            ]
        canvases.append(Canvas(width, height, tuple(marks)))
    return list(frames(canvases, theme(name)))


@pytest.mark.parametrize("name", ["light", "dark"])
def test_a_film_comes_back_as_it_went_in(name):
    before = film(4, name)
    after, _ = decoded(gif(iter(before), [1.0] * 4))
    assert len(after) == 4
    for old, new in zip(before, after, strict=True):
        error = np.abs(old.astype(int) - new)
        assert error.mean() < 0.2
        for role in ("paper", "op", "active", "backward", "ink"):
            flat = (old == tuple(bytes.fromhex(theme(name)[role][1:]))).all(axis=2)
            assert error[flat].max(initial=0) == 0, role
        assert np.quantile(error, 0.999) <= 12  # steps of grey in the edges of letters


def test_a_forty_step_film_is_small():
    data = gif(iter(film(40)), [1.0] * 40)
    assert len(data) < 300_000, len(data)


def test_each_frame_has_its_own_time():
    seconds = [1.5, 1.0, 0.25, 0.001, 3.0]
    _, shown = decoded(gif(film(5, width=300, height=200), seconds))
    assert shown == [1.5, 1.0, 0.25, 0.02, 3.0]


def test_a_frame_that_repeats_the_one_before_is_kept():
    frame = film(1, width=300, height=200)[0]
    after, seconds = decoded(gif([frame, frame, frame], [1, 2, 3]))
    assert seconds == [1, 2, 3]
    assert all(np.array_equal(after[0], other) for other in after)


@pytest.mark.parametrize(("loop", "repeats"), [(0, 0), (1, None), (3, 2)])
def test_it_plays_as_often_as_asked(loop, repeats):
    data = gif(film(2, width=300, height=200), [1, 1], loop=loop)
    assert Image.open(io.BytesIO(data)).info.get("loop") == repeats


def test_the_same_film_has_the_same_bytes():
    assert gif(film(3, width=300, height=200), [1] * 3) == gif(film(3, width=300, height=200), [1] * 3)


def test_a_producer_may_reuse_its_array():
    frame = np.zeros((4, 5, 3), np.uint8)

    def reusing():
        for level in (0, 100, 200):
            frame[:] = level
            yield frame

    after, _ = decoded(gif(reusing(), [1] * 3))
    assert [int(image[0, 0, 0]) for image in after] == [0, 100, 200]


def test_wrong_use_is_explained():
    frame = np.zeros((4, 5, 3), np.uint8)
    with pytest.raises(ValueError, match="1 frames, but seconds for 2"):
        gif([frame], [1, 1])
    with pytest.raises(ValueError, match="more than 1 frames, but seconds for 1"):
        gif([frame, frame], [1])
    with pytest.raises(ValueError, match="at least one picture"):
        gif([], [])
    with pytest.raises(SaveError, match="65535 pixels wide and high, not 70000 x 1; give a smaller scale="):
        gif([np.zeros((1, 70_000, 3), np.uint8)], [1])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_few_colours_are_exact_whatever_the_sizes_and_changes(data):
    height, width = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    colors = random.integers(0, 256, (data.draw(st.integers(1, module.COLORS)), 3), dtype=np.uint8)
    before = [colors[random.integers(0, len(colors), (height, width))] for _ in range(data.draw(st.integers(1, 4)))]
    after, _ = decoded(gif(before, [1] * len(before)))
    assert all(np.array_equal(old, new) for old, new in zip(before, after, strict=True))


def test_noise_of_a_million_colours_is_served_as_well_as_can_be():
    noise = np.random.default_rng(0).integers(0, 256, (150, 200, 3), dtype=np.uint8)
    after, _ = decoded(gif([noise], [1]))
    assert np.abs(noise.astype(int) - after[0]).mean() < 40
