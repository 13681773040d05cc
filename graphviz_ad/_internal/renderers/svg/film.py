"""Film -> one SVG that plays by itself: style sheets show and hide marks, so that it moves inside a plain ``<img>``,
without a script.

Each mark stands in the file once, with the times at which it is seen. Whoever knows no animation, prints, or asks for
less motion sees the finished picture, because that is how the elements are written; the style sheet only adds the film,
and lets it begin a moment later, so that whoever looks at once, to make a thumbnail, sees the finished picture, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

from graphviz_ad._internal.film.flights import FADED, chip_marks
from graphviz_ad._internal.film.moments import Moment, moments
from graphviz_ad._internal.film.timeline import Cameras, Shown, timeline_of
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
from graphviz_ad._internal.scene.canvas import Canvas, Curve, Mark, Rect
from graphviz_ad._internal.scene.curves import path_length
from graphviz_ad._internal.scene.paint import moved_marks, paint
from graphviz_ad._internal.scene.scene import FLOWING, Film, Point
from graphviz_ad._internal.scene.themes import Theme

GROWTH = 0.45  # seconds in which colour runs along an arrow
PLACES, IN_PART = 14, 20  # between which a number on its way goes straight; of one that is seen in part
POSTER = 1 / 3  # of the time of the finished picture, for which it is seen before the film begins
Span = tuple[int, int, bool]  # from which moment to which, and whether until the camera moves


def svg_film_file(film: Film, theme: Theme, *, loop: int = 0, made: str = "made by graphviz_ad") -> str:
    """The film as a file of its own, which plays ``loop`` times, 0 for ever, and stays on the finished picture;
    ``made`` says where it comes from.
    """
    if not film.steps:
        return svg_file(paint(film.stage), theme)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!-- {made} -->\n' + film_element(film, theme, loop=loop)


def film_element(film: Film, theme: Theme, *, loop: int = 0) -> str:
    """The film as one ``<svg>`` element, to put into a page."""
    of = list(moments(film))
    shown, clock = timeline_of(film, of), Clock(film, of)
    spans = {span: i for i, span in enumerate(dict.fromkeys(map(span_of, shown)))}
    growing = {one: i for i, one in enumerate(one for one in shown if grows(film, one, of))}
    flown = list(flying(film, of, clock))
    ground = element(Rect(0, 0, *film.size, fill="paper", part="background"), theme)

    def spells(some: Iterable[Shown]) -> str:
        return "\n".join(
            film_spell(list(run), span, spans[span], clock, theme, growing) for span, run in groupby(some, span_of)
        )

    moving_numbers = "".join(f"\n{flying_element(one, i, theme)}" for i, one in enumerate(flown))
    staged, rest = (spells(one for one in shown if one.staged is staged) for staged in (True, False))
    body = seen_by_camera(film, staged + moving_numbers) + rest if film.views else rest + moving_numbers
    name = fingerprint(
        body, film.stage.alt, theme.key, repr([film.seconds(i) for i in range(len(film.steps))]), str(loop)
    )
    rules = [*display_times(name, clock, spans), *growths(name, clock, growing), *flying_rules(name, flown)]
    rules += camera_ways(name, film, clock)
    frame = Canvas(*film.size, (*(one.mark for one in shown), *(mark for one in flown for mark in one.marks)))
    parts = [dark_style(frame, theme, name), tag("style", {}, moving(name, clock, rules, loop)), ground, body]
    return svg_document(name, film.size, film.stage.alt, parts, film.title, font=theme.font)


class Clock:
    """When each moment begins, in per cent of the film."""

    def __init__(self, film: Film, of: Sequence[Moment]) -> None:
        self.starts = [0.0, *accumulate(moment.end - moment.begin for moment in of)]
        self.last, self.length = len(of) - 1, self.starts[-1]
        self.steps = [*(i for i, moment in enumerate(of) if not moment.begin), len(of)]  # the first moment of each
        self.leaving = {after - 1: film.leaving(i) for i, after in enumerate(self.steps[1:])}
        self.poster = POSTER * film.seconds(len(film.steps) - 1)

    def at(self, moment: int, later: float = 0.0) -> str:
        """When a moment begins, or some seconds later."""
        return f"{100 * (self.starts[moment] + later) / self.length:.3f}".rstrip("0").rstrip(".") + "%"

    def always(self, span: Span) -> bool:
        """Whether something seen during these moments is seen all the time."""
        return span == (0, self.last, False)

    def end(self, span: Span) -> str:
        """When something seen during these moments goes."""
        _, last, rests = span
        return self.at(last + 1, -self.leaving.get(last, 0.0) if rests else 0.0)


def span_of(one: Shown) -> Span:
    """From which moment to which a mark is seen, and whether until the camera moves."""
    return one.first, one.last, one.rests


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
    for span, i in spans.items():
        if clock.always(span):
            continue
        first, last, _ = span
        seen = f"{clock.at(first)}{{visibility:visible}}"
        before = "0%{visibility:hidden}" if first else ""
        after = f"{clock.end(span)}{{visibility:hidden}}" if last < clock.last else ""
        yield f"@keyframes {name}-s{i}{{{before}{seen}{after}}}#{name} .s{i}{{animation-name:{name}-s{i}}}"


@dataclass(frozen=True)
class Flying:
    """A number on its way: its marks about their middle, the places of that, in pixels, when it is at each, and how
    much is seen of it there; from the last on it is not seen.
    """

    marks: tuple[Mark, ...]
    places: tuple[tuple[str, Point, float], ...]


def flying(film: Film, of: Sequence[Moment], clock: Clock) -> Iterator[Flying]:
    """Everything that is ever on its way."""
    scale, dx, dy = (Cameras(film).scale, 0.0, 0.0) if film.views else film.fit(film.whole)
    for index, moment in enumerate(of):
        if moment.begin:
            continue
        for flight in moment.motion.flights:
            count = IN_PART if flight.fades else PLACES
            times = [flight.begin + (flight.end - flight.begin) * i / count for i in range(count + 1)]
            times = [time for time in times if not flight.hop or abs(flight.time(time) - 0.5) > FADED - 1e-6]
            times += [flight.until] if flight.until > flight.end else []
            places = tuple(
                (
                    clock.at(index, time * moment.motion.seconds),
                    (x * scale + dx, y * scale + dy),
                    flight.opacity(time),
                )
                for time, (x, y) in zip(times, flight.middles(times), strict=True)
            )
            yield Flying(tuple(moved_marks(chip_marks(flight.line), scale, 0.0, 0.0)), places)


def flying_element(one: Flying, index: int, theme: Theme) -> str:
    """A number on its way, hidden where nothing moves."""
    shapes = "".join(element(mark, theme) for mark in one.marks)
    return tag("g", {"class": f"m{index}", "visibility": "hidden"}, shapes)


def flying_rules(name: str, flown: Iterable[Flying]) -> Iterator[str]:
    """For each, the rule that moves it."""
    for i, one in enumerate(flown):
        (begin, *_), (end, *_) = one.places[0], one.places[-1]
        steps = "".join(
            f"{when}{{{'visibility:visible;' if when == begin else ''}{faint}transform:{translated(place)}}}"
            for (when, place, _), faint in zip(one.places[:-1], faded(one), strict=False)
        )
        hidden = "visibility:hidden;animation-timing-function:step-end"
        run = f"0%{{{hidden}}}{steps}{end}{{{hidden};transform:{translated(one.places[-1][1])}}}"
        yield (
            f"@keyframes {name}-m{i}{{{run}}}#{name} .m{i}"
            f"{{animation-name:{name}-m{i};animation-timing-function:linear}}"
        )


def faded(one: Flying) -> Iterator[str]:
    """How much is seen of it at each of its places, where that changes before or after."""
    seen = [1.0, *(opacity for _, _, opacity in one.places), 1.0]
    for three in zip(seen, seen[1:], seen[2:], strict=False):
        yield f"opacity:{svg_number(three[1])};" if len({*three}) > 1 else ""


def translated(place: Point) -> str:
    """The place of a middle as a transform of CSS."""
    return f"translate({svg_number(place[0], 1)}px,{svg_number(place[1], 1)}px)"


def grows(film: Film, one: Shown, of: Sequence[Moment]) -> bool:
    """Whether this is the line of an arrow along which something flows just then."""
    if not isinstance(one.mark, Curve) or one.first == 0:
        return False
    changes = film.steps[of[one.first].step].changes
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


def seen_by_camera(film: Film, stage: str) -> str:
    """The stage of a film in which a camera moves; as it is written, the whole is seen."""
    if not film.views:
        return stage
    scale, x, y = map(precise, Cameras(film).of(-1))
    return tag("g", {"class": "camera", "transform": f"translate({x} {y}) scale({scale})"}, stage) + "\n"


def camera_ways(name: str, film: Film, clock: Clock) -> Iterator[str]:
    """The rule by which the camera goes from view to view, at the end of each step before another."""
    if not film.views:
        return
    cameras = Cameras(film)
    frames: list[str] = []
    for index in range(len(film.steps)):
        scale, x, y = map(precise, cameras.of(index))
        look = f"transform:translate({x}px,{y}px) scale({scale})"
        if not index or film.leaving(index - 1):
            frames.append(f"{clock.at(clock.steps[index])}{{{look}}}")
        if film.leaving(index):
            begin = clock.at(clock.steps[index + 1], -film.leaving(index))
            frames.append(f"{begin}{{{look};animation-timing-function:cubic-bezier(.3333,0,.6667,1)}}")
        elif index == len(film.steps) - 1:
            frames.append(f"100%{{{look}}}")
    yield f"@keyframes {name}-c{{{''.join(frames)}}}#{name} .camera{{animation-name:{name}-c}}"


def precise(value: float) -> str:
    """A number as a transformation needs it, whose faults a large stage multiplies."""
    return svg_number(value, 5)


def moving(name: str, clock: Clock, rules: Iterable[str], loop: int) -> str:
    """The style sheet that makes a film of the picture; a pointer on the picture holds it."""
    common = f"animation-delay:{svg_number(clock.poster)}s;animation-duration:{svg_number(clock.length)}s;animation-timing-function:step-end;animation-iteration-count:{loop or 'infinite'}"  # noqa: E501
    held = f"#{name}:hover *{{animation-play-state:paused}}"
    lines = [f"#{name} *{{{common}}}", held, *rules]
    return "@media screen and (prefers-reduced-motion:no-preference){\n" + "\n".join(lines) + "\n}"
