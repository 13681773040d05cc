"""matplotlib's own animation: each step has the words of the film, lasts as long, is blitted as it would be drawn, and
leaves the reader's own plots alone.
"""

from __future__ import annotations

import io
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.figure
import numpy as np
import pytest
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from small_film import film
from small_programs import graph

from graphviz_ad._internal.api.api import Animation
from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.film.moments import moments
from graphviz_ad._internal.renderers.images.matplotlib_film import Instant, instants_of, tick_of
from graphviz_ad._internal.scene import paint
from graphviz_ad._internal.scene.canvas import Label
from graphviz_ad._internal.scene.themes import THEMES


@cache
def small(theme: str = "light", speed: float = 1.0) -> Animation:
    return Animation(graph("square"), replace(film(), speed=speed), THEMES[theme])


def short() -> Animation:
    """Its first steps and its last."""
    steps = film().steps
    return replace(small(), film=replace(film(), steps=(*steps[:3], steps[-1])))


def animated(one: Animation, *args: Any, **options: Any) -> Any:
    """The animation, without a warning if nobody ever looks at it."""
    made = one.to_matplotlib(*args, **options)
    made._draw_was_started = True
    return made


def figure(columns: int = 1) -> Any:
    made = matplotlib.figure.Figure(figsize=(8, 4), dpi=50)
    FigureCanvasAgg(made)
    return made, made.subplots(1, columns, squeeze=False)[0] if columns else ()


def words(animation: Any, step: int, share: float | None = None) -> list[str]:
    """What the animation shows at a step, at rest or on its way there."""
    of = animation._func.__self__.moments
    (*_, last) = (n for n, moment in enumerate(of) if moment.step == step and moment.rests == (share is None))
    shown = animation._func(Instant(last, 1.0 if share is None else share))
    return sorted(artist.get_text() for artist in shown if hasattr(artist, "get_text"))


def test_each_step_has_the_words_of_the_film() -> None:
    made = animated(small())
    assert isinstance(made, FuncAnimation)
    for step in range(len(film().steps)):
        marks = paint.paint_frame(film(), step).marks
        assert words(made, step) == sorted(mark.text for mark in marks if isinstance(mark, Label) and mark.text), step


@pytest.mark.parametrize("speed", [1.0, 3.7])
def test_steps_last_as_long_as_the_film_says(speed: float) -> None:
    told = graph("colah").animate(speed=speed).film
    of = list(moments(told))
    tick = tick_of(told, of)
    frames = list(instants_of(of, tick))
    shown = [of[one.moment].step for one in frames]
    assert shown == sorted(shown)
    assert {of[one.moment].step for one in frames if of[one.moment].rests} == {*range(len(told.steps))}
    assert any(0 < one.share < 1 for one in frames)
    for step in range(len(told.steps)):
        assert shown.count(step) >= 1
        assert shown.count(step) * tick == pytest.approx(told.seconds(step), abs=tick)
    assert len(shown) * tick == pytest.approx(sum(map(told.seconds, range(len(told.steps)))), abs=tick)


def test_numbers_are_seen_on_their_way_as_in_any_other_film() -> None:
    told = graph("colah").animate(layout="layered")
    made = animated(told)
    moving = [moment for moment in moments(replace(told.film, size=told.film.size)) if not moment.rests]
    assert moving
    for moment in moving[:: len(moving) // 4]:
        for share in (moment.share(moment.begin), moment.share((moment.begin + moment.end) / 2)):
            stage = made._func.__self__
            shown = made._func(Instant(stage.moments.index(moment), share))
            flying = [one for one in moment.motion.flights if one.seen(share) and one.opacity(share) > 0]
            texts = [artist.get_text() for artist in shown[-3 * len(flying) :] if hasattr(artist, "get_text")]
            assert {flight.line.text for flight in flying} <= {*texts} or any(one.line.drawn for one in flying)
            scale, aside, down = stage.film.fit(stage.film.whole)
            for flight in flying:
                ((x, y),) = flight.middles([share])
                places = [artist.get_transform() - stage.axes.transData for artist in shown[-3 * len(flying) :]]
                middle = (x * scale + aside, stage.film.size[1] - y * scale - down)
                assert any(np.allclose(place.transform((0, 0)), middle, atol=0.1) for place in places)


def test_variables_are_drawn_in_italics_on_the_place_of_the_line() -> None:
    made, (one,) = figure()
    graph("colah").plot(layout="layered", ax=one)
    made.canvas.draw()
    texts = {artist.get_text(): artist for artist in one.texts}
    parts = {part.get_text(): part.get_fontstyle() for _, part in texts["e = c·d"].runs}
    assert parts == {"e": "italic", " = ": "normal", "c": "italic", "·": "normal", "d": "italic"}
    places = [part.get_window_extent() for _, part in texts["e = c·d"].runs]
    whole = texts["e = c·d"].get_window_extent(made.canvas.get_renderer())
    assert all(a.x0 <= b.x0 for a, b in pairwise(places))
    assert whole.x0 - 2 <= places[0].x0
    assert places[-1].x1 <= whole.x1 + 2


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_blitted_step_is_the_step_drawn_anew(theme: str) -> None:
    made, (ours, own) = figure(2)
    own.plot([0, 1, 2], [0, 1, 4])
    animation = animated(small(theme, 4.0), made)
    canvas = made.canvas
    canvas.draw()
    seen = []
    for _ in range(5):
        animation._step()
        blitted = np.asarray(canvas.buffer_rgba()).copy()
        for artist in (*ours.texts, *ours.patches):
            artist.set_animated(False)
        canvas.draw()
        assert np.array_equal(blitted, np.asarray(canvas.buffer_rgba()))
        for artist in (*ours.texts, *ours.patches):
            artist.set_animated(True)
        canvas.draw()
        seen.append(blitted[:, : blitted.shape[1] // 2].tobytes())
    assert len(set(seen)) > 2


def test_any_writer_saves_it_and_it_ends_on_the_finished_picture(tmp_path: Path) -> None:
    made = animated(short())
    (ours,) = made._fig.axes
    assert sorted(text.get_text() for text in ours.texts if text.get_visible()) == words(made, 3)
    before = io.BytesIO()
    made._fig.savefig(before, format="png", dpi=20)
    made.save(tmp_path / "f.gif", writer=PillowWriter(fps=4), dpi=20)
    with Image.open(tmp_path / "f.gif") as image, Image.open(before) as poster:
        image.seek(image.n_frames - 1)
        last, first = (np.asarray(one.convert("L"), np.int16) for one in (image, poster))
        assert image.n_frames >= 4
        assert np.abs(last - first).mean() < 0.5


def test_it_is_embedded_by_matplotlib() -> None:
    made, _ = figure(0)
    made.set_dpi(10)
    assert animated(short(), made).to_jshtml().count("data:image/png;base64") >= 4


def test_it_takes_the_first_axes_in_which_nothing_is_drawn_and_no_other() -> None:
    made, (own, ours) = figure(2)
    own.plot([0, 1], [0, 1])
    limits = own.get_xlim()
    animated(small(), made)
    assert (len(own.get_children()), own.get_xlim()) == (len(own.get_children()), limits)
    assert len(ours.texts) > 20
    with pytest.raises(OptionError, match=r"has no Axes left in which nothing is drawn.*ax="):
        animated(small(), made)
    _, (left, right) = figure(2)
    animated(small(), ax=right)
    assert not left.texts
    assert right.texts


def test_wrong_use_is_explained() -> None:
    made, (one,) = figure()
    with pytest.raises(OptionError, match="fig=3 is no figure of matplotlib"):
        animated(small(), 3)
    with pytest.raises(OptionError, match="both say where the film is drawn"):
        animated(small(), made, ax=one)


def test_pyplot_does_not_hear_of_it() -> None:
    import matplotlib.pyplot as plt

    opened = plt.get_fignums()  # by tests before this one, in the same process
    animated(small())
    assert plt.get_fignums() == opened
