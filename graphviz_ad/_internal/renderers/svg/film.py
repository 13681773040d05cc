"""Film -> one SVG that plays by itself: style sheets show and hide marks, so that it moves inside a plain ``<img>``,
without a script.

Each mark stands in the file once, with the times at which it is seen. Whoever knows no animation, prints, or asks for
less motion sees the finished picture, because that is how the elements are written; the style sheet only adds the film,
and lets it begin a moment later, so that whoever looks at once, to make a thumbnail, sees the finished picture, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import accumulate, groupby, pairwise

from graphviz_ad._internal.film.timeline import Shown, timeline
from graphviz_ad._internal.renderers.svg.still import (
    class_name,
    dark_style,
    element,
    fingerprint,
    geometry,
    mark_element,
    roles,
    style,
    svg_document,
    svg_file,
    svg_number,
    tag,
)
from graphviz_ad._internal.scene.canvas import Canvas, Curve, Rect
from graphviz_ad._internal.scene.paint import paint
from graphviz_ad._internal.scene.scene import FLOWING, Film, Point
from graphviz_ad._internal.scene.themes import Theme

GROWTH = 0.45  # seconds in which colour runs along an arrow
POSTER = 1 / 3  # of the time of the finished picture, for which it is seen before the film begins
Span = tuple[int, int]


def svg_film_file(film: Film, theme: Theme, *, loop: int = 0, made: str = "made by graphviz_ad") -> str:
    """The film as a file of its own, which plays ``loop`` times, 0 for ever, and stays on the finished picture;
    ``made`` says where it comes from.
    """
    if not film.steps:
        return svg_file(paint(film.stage), theme)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!-- {made} -->\n' + film_element(film, theme, loop=loop)


def film_element(film: Film, theme: Theme, *, loop: int = 0) -> str:
    """The film as one ``<svg>`` element, to put into a page."""
    shown = timeline(film)
    clock = Clock(film)
    spans = {span: i for i, span in enumerate(dict.fromkeys(map(span_of, shown)))}
    growing = {one: i for i, one in enumerate(one for one in shown if grows(film, one))}
    ground = element(Rect(0, 0, *film.size, fill="paper", part="background"), theme)
    body = "\n".join(
        film_spell(list(run), span, spans[span], clock, theme, growing) for span, run in groupby(shown, span_of)
    )
    name = fingerprint(
        body, film.stage.alt, theme.key, repr([film.seconds(i) for i in range(len(film.steps))]), str(loop)
    )
    rules = [*display_times(name, clock, spans), *growths(name, clock, growing)]
    frame = Canvas(*film.size, tuple(one.mark for one in shown))
    parts = [dark_style(frame, theme, name), tag("style", {}, moving(name, clock, rules, loop)), ground, body]
    return svg_document(name, film.size, film.stage.alt, parts, film.title, font=theme.font)


class Clock:
    """When each step begins, in per cent of the film."""

    def __init__(self, film: Film) -> None:
        self.starts = [0.0, *accumulate(film.seconds(i) for i in range(len(film.steps)))]
        self.last, self.length = len(film.steps) - 1, self.starts[-1]
        self.poster = POSTER * film.seconds(self.last)

    def at(self, step: int, later: float = 0.0) -> str:
        """The moment at which a step begins, or some seconds later."""
        return f"{100 * (self.starts[step] + later) / self.length:.3f}".rstrip("0").rstrip(".") + "%"

    def always(self, span: Span) -> bool:
        """Whether something seen during these steps is seen all the time."""
        return span == (0, self.last)


def span_of(one: Shown) -> Span:
    """From which step to which a mark is seen."""
    return one.first, one.last


def film_spell(run: list[Shown], span: Span, index: int, clock: Clock, theme: Theme, growing: dict[Shown, int]) -> str:
    """Marks that come and go together; hidden as they are written if the finished picture is without them."""
    shapes = "".join(film_shape(one, theme, growing) for one in run)
    hidden = "hidden" if span[1] < clock.last else None
    return shapes if clock.always(span) else tag("g", {"class": f"s{index}", "visibility": hidden}, shapes)


def film_shape(one: Shown, theme: Theme, growing: dict[Shown, int]) -> str:
    """A mark in its own colours, with the classes that a style sheet needs."""
    fill, stroke = roles(one.mark) if theme.follows else (None, None)
    names = [
        f"g{growing[one]}" if one in growing else "",
        f"f-{class_name(fill)}" if fill else "",
        f"s-{class_name(stroke)}" if stroke else "",
    ]
    return mark_element(
        one.mark, {"class": " ".join(filter(None, names)) or None} | geometry(one.mark) | style(one.mark, theme)
    )


def display_times(name: str, clock: Clock, spans: dict[Span, int]) -> Iterator[str]:
    """For each span, the rule that shows its marks then and at no other time."""
    for (first, last), i in spans.items():
        if clock.always((first, last)):
            continue
        seen = f"{clock.at(first)}{{visibility:visible}}"
        before = "0%{visibility:hidden}" if first else ""
        after = f"{clock.at(last + 1)}{{visibility:hidden}}" if last < clock.last else ""
        yield f"@keyframes {name}-s{i}{{{before}{seen}{after}}}#{name} .s{i}{{animation-name:{name}-s{i}}}"


def grows(film: Film, one: Shown) -> bool:
    """Whether this is the line of an arrow along which something flows just then."""
    if not isinstance(one.mark, Curve) or one.first == 0:
        return False
    changes = film.steps[one.first].changes
    return any(change.key == one.mark.owner and change.emphasis in FLOWING for change in changes)


def growths(name: str, clock: Clock, growing: dict[Shown, int]) -> Iterator[str]:
    """For each line along which something flows, the rule by which its colour runs from one end to the other."""
    for one, i in growing.items():
        if not isinstance(one.mark, Curve):
            continue
        length = svg_number(math.ceil(path_length(one.mark.points)) + 1)
        start, whole = f"stroke-dasharray:0 {length};animation-timing-function:ease-out", f"stroke-dasharray:{length} 0"
        dashes = " ".join(map(svg_number, one.mark.dash))
        done = f"{clock.at(one.first, GROWTH + 0.01)}{{stroke-dasharray:{dashes}}}" if dashes else ""
        run = f"0%,{clock.at(one.first)}{{{start}}}{clock.at(one.first, GROWTH)}{{{whole}}}{done}"
        yield f"@keyframes {name}-g{i}{{{run}}}#{name} .g{i}{{animation-name:{name}-g{i}}}"


def moving(name: str, clock: Clock, rules: Iterable[str], loop: int) -> str:
    """The style sheet that makes a film of the picture; a pointer on the picture holds it."""
    common = f"animation-delay:{svg_number(clock.poster)}s;animation-duration:{svg_number(clock.length)}s;animation-timing-function:step-end;animation-iteration-count:{loop or 'infinite'}"  # noqa: E501
    held = f"#{name}:hover *{{animation-play-state:paused}}"
    lines = [f"#{name} *{{{common}}}", held, *rules]
    return "@media screen and (prefers-reduced-motion:no-preference){\n" + "\n".join(lines) + "\n}"


def path_length(points: tuple[Point, ...], pieces: int = 16) -> float:
    """Length of a chain of cubic Béziers, measured along chords."""
    places = [points[0]]
    for start in range(0, len(points) - 3, 3):
        places += [on_curve(points[start : start + 4], (i + 1) / pieces) for i in range(pieces)]
    return sum(math.dist(a, b) for a, b in pairwise(places))


def on_curve(points: tuple[Point, ...], t: float) -> Point:
    """The point of a cubic Bézier at ``t`` from 0 to 1."""
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
    return sum(w * x for w, (x, _) in zip(weights, points, strict=True)), sum(
        w * y for w, (_, y) in zip(weights, points, strict=True)
    )
