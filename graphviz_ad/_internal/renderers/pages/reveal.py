"""Film -> a slide for reveal.js: the stage as inline SVG whose marks are fragments, so that a click is a step, back
as well as forth.

The file is one ``<section>``, to paste into a deck or to include. Looked at by itself, and where the deck's script does
not run, it is the finished picture. A film that plays on a slide is the page of
`graphviz_ad._internal.renderers.html.player` in a frame.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from graphviz_ad._internal.film.timeline import Cameras, Shown, timeline
from graphviz_ad._internal.renderers.svg.film import precise, seen_by_camera
from graphviz_ad._internal.renderers.svg.still import (
    Attributes,
    class_name,
    dark_style,
    element,
    escaped_xml,
    fingerprint,
    geometry,
    mark_element,
    prose,
    roles,
    style,
    svg_document,
    tag,
)
from graphviz_ad._internal.scene.canvas import Canvas, Rect
from graphviz_ad._internal.scene.scene import Film
from graphviz_ad._internal.scene.themes import Theme


def reveal_slide(film: Film, theme: Theme) -> str:
    """The film as a ``<section>`` with a fragment for each step but the first, and its words as speaker notes."""
    shown, last = timeline(film), len(film.steps) - 1

    def spells(some: Iterable[Shown]) -> str:
        runs = groupby(some, lambda one: (one.first, one.last))
        return "\n".join(reveal_spell(list(run), span, last, theme) for span, run in runs)

    body = seen_by_camera(film, spells(one for one in shown if one.staged))
    body += spells(one for one in shown if not one.staged)
    name = fingerprint("reveal", body, film.stage.alt, theme.key)
    ground = element(Rect(0, 0, *film.size, fill="paper", part="background"), theme)
    frame = Canvas(*film.size, tuple(one.mark for one in shown))
    picture = svg_document(
        name,
        film.size,
        film.stage.alt,
        [dark_style(frame, theme, name), tag("style", {}, rules(name) + camera_rules(name, film)), ground, body],
        film.title,
    )
    notes = "".join(
        f"<li>{escaped_xml(prose(' '.join(part for part in step.caption if part)))}</li>\n" for step in film.steps
    )
    ours = tag("aside", {"class": "notes"}, f"<ol>\n{notes}</ol>")
    text = f'<section>\n<div class="r-stretch">\n{picture}</div>\n{ours}\n</section>\n'
    return text.encode("ascii", "xmlcharrefreplace").decode()  # right in a deck of any encoding


def reveal_spell(run: Iterable[Shown], span: tuple[int, int], last: int, theme: Theme) -> str:
    """Marks that come and go together: inside the fragment that brings them, inside the fragment that takes them away.

    Step i is fragment i - 1; what is hidden in the finished picture is hidden as it is written.
    """
    content = "".join(reveal_shape(one, theme) for one in run)
    first, end = span
    if first > 0:
        content = tag("g", {"class": "fragment", "data-fragment-index": str(first - 1)}, content)
    if end < last:
        content = tag(
            "g", {"class": "fragment fade-out", "data-fragment-index": str(end), "visibility": "hidden"}, content
        )
    return content


def camera_rules(name: str, film: Film) -> str:
    """Which view is seen once the fragment of a step is there; how it gets there, for who wants motion."""
    if not film.views:
        return ""
    cameras, own = Cameras(film), f".reveal #{name}"
    looks = []
    for index in range(len(film.steps)):
        scale, x, y = map(precise, cameras.of(index))
        seen = f":has(.fragment[data-fragment-index='{index - 1}'].visible)" if index else ""
        if not index or film.view(index) != film.view(index - 1):
            looks.append(f"{own}{seen} .camera{{transform:translate({x}px,{y}px) scale({scale})}}")
    moves = f"{own} .camera{{transition:transform .6s cubic-bezier(.3333,0,.6667,1)}}"
    return "".join(looks) + f"@media screen and (prefers-reduced-motion:no-preference){{{moves}}}"


def reveal_shape(one: Shown, theme: Theme) -> str:
    """A mark in its own colours."""
    fill, stroke = roles(one.mark) if theme.follows else (None, None)
    names = " ".join(
        filter(None, [f"f-{class_name(fill)}" if fill else "", f"s-{class_name(stroke)}" if stroke else ""])
    )
    attributes: Attributes = {"class": names or None}
    return mark_element(one.mark, attributes | geometry(one.mark) | style(one.mark, theme))


def rules(name: str) -> str:
    """In a deck, fragments follow the deck, at once; the picture fills the slide."""
    own = f"#{name}"
    return (
        f"{own}{{display:block;width:100%;height:100%;max-height:100vh}}.reveal {own}"
        f" .fragment{{opacity:1;transition:none}}.reveal {own} .fragment:not(.visible):not(.fade-out),.reveal {own}"
        f" .fragment.fade-out.visible{{visibility:hidden}}.reveal {own} .fragment.visible:not(.fade-out),.reveal {own}"
        " .fragment.fade-out:not(.visible){visibility:inherit}"
    )
