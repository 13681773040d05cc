"""Film or Scene -> one self-contained page: the stage drawn once as SVG, and steps as data that a small script
applies to it.

Step k is a pure function of k: the script starts from the opening and applies the changes of steps 0 to k. Data travels
only as JSON in an inert element and reaches the page only as text; the page may load nothing from anywhere.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from itertools import accumulate
from types import MappingProxyType

from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.film.chapters import chapters_of
from graphviz_ad._internal.film.flights import Flight, Motion, border_of, chip_size, motions
from graphviz_ad._internal.renderers.html.controls import ZOOM, controls
from graphviz_ad._internal.renderers.html.losses import losses_data, losses_svg
from graphviz_ad._internal.renderers.html.stage import (
    css,
    names_over_whole,
    overview_svg,
    parts_of,
    stage_svg,
    variable,
)
from graphviz_ad._internal.renderers.svg.compact import compact_svg
from graphviz_ad._internal.renderers.svg.still import (
    NAMELESS,
    class_name,
    escaped_xml,
    fingerprint,
    prose,
    short_title,
    svg_number,
    tag,
)
from graphviz_ad._internal.scene import paint, ramp_legend
from graphviz_ad._internal.scene import path_lines as trails
from graphviz_ad._internal.scene.canvas import Canvas
from graphviz_ad._internal.scene.letter_sizes import letter_sizes, smallest_and_median
from graphviz_ad._internal.scene.scene import (
    Arrow,
    Box,
    Change,
    Film,
    Listing,
    Ramp,
    Scene,
    Step,
    Trail,
    restyle,
)
from graphviz_ad._internal.scene.set_text import Fraction, Run, runs_of, with_fractions
from graphviz_ad._internal.scene.themes import Theme

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none';"
    " form-action 'none'"
)
MANY_BOXES = 200  # more than these, and fading every one of them would stutter


def player_page(film: Film, theme: Theme) -> str:
    """A page with the film and its player, paused on the finished picture."""
    return (
        whole_page(film.title or short_title(film.stage.alt), film_widget(film, theme))
        if film.steps
        else inspection_page(film.stage, theme)
    )


def inspection_page(scene: Scene, theme: Theme, inside: Mapping[str, Scene] = MappingProxyType({})) -> str:
    """A page with one picture to zoom, pan and inspect; ``inside``: key of a box -> the picture in which it is open,
    to which the box leads.
    """
    places = {key: f"part-{i}" for i, key in enumerate(inside)}
    names = {box.key: box.name for box in scene.boxes}
    scene = replace(scene, boxes=tuple([replace(box, opens=places.get(box.key, "")) for box in scene.boxes]))
    parts = [opened_part(names[key], places[key], part, theme) for key, part in inside.items()]
    whole = widget(scene, theme, scene.title, NOTHING_MOVES)
    if parts:
        whole = f"{PARTS_STYLE}{''.join(parts)}{tag('section', {'class': 'gad-whole'}, whole)}"
    return whole_page(scene.title or short_title(scene.alt), whole)


NOTHING_MOVES: dict[str, object] = {"opening": [], "steps": []}
# what is chosen by its address is seen in the place of the whole, with scripts or without
PARTS_STYLE = """<style>
.gad-part { display: none } .gad-part:target { display: block } .gad-part:target ~ .gad-whole { display: none }
.gad-part > a { display: block; padding: 6px 12px; font: 16px sans-serif }
.gad-opens { cursor: pointer }
</style>
"""


def opened_part(name: str, place: str, scene: Scene, theme: Theme) -> str:
    """The picture in which one box of another is open, and the way back."""
    back = tag("a", {"href": "#"}, "← the whole")
    shown = widget(scene, theme, f"{scene.title}: {name}" if scene.title else name, NOTHING_MOVES)
    return tag("section", {"class": "gad-part", "id": place}, back + shown)


def notebook_film(film: Film, theme: Theme) -> str:
    """The film for a notebook: the page in a sandboxed frame, and its last picture for where frames and scripts are
    removed.
    """
    scene = film.scene(-1) if film.steps else film.stage
    still, player = still_image(paint.paint(scene), theme), player_page(film, theme)
    name = fingerprint(player)
    width, height = film.stage.size or (1.0, 1.0)
    tall = min(max(height * min(1.3, 860 / width) + AROUND_STAGE, 700 if film.views else 500), 760)
    frame: dict[str, str | None] = {
        "title": visible(film.title) or NAMELESS,
        "sandbox": "allow-scripts",
        "allow": "fullscreen",
        "height": svg_number(round(tall)),
        "width": "100%",  # where styles are taken out
        "style": "width:100%;border:0",
    }
    style = tag("style", {}, f".{name}:has(iframe) .gad-still{{display:none}}")
    opened, _, _ = tag("iframe", frame, "").partition("></iframe>")
    return tag("div", {"class": f"gad-film {name}"}, f"{style}{still}{opened} srcdoc={single_quoted(player)}></iframe>")


def single_quoted(text: str) -> str:
    """An attribute's value between single quotes: a page is full of double ones, and escaping each would cost a
    third of its size.
    """
    return "'" + text.replace("&", "&amp;").replace("'", "&#39;") + "'"


def still_image(canvas: Canvas, theme: Theme) -> str:
    """The picture as an inert ``<img>``, the only form that survives in a notebook that is not trusted, its
    description included.
    """
    return image(compact_svg(canvas, theme), canvas.alt)


def image(picture: str, alt: str) -> str:
    """An SVG document as an ``<img>`` that holds it."""
    source = "data:image/svg+xml;base64," + base64.b64encode(picture.encode()).decode("ascii")
    return tag(
        "img",
        {"class": "gad-still", "alt": prose(alt) or NAMELESS, "src": source, "style": "max-width:100%;height:auto"},
    )


def whole_page(title: str, body: str) -> str:
    """A whole HTML document that may load nothing from anywhere."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{escaped_xml(visible(title)) or NAMELESS}</title>
<style>body {{ margin: 0 }} .gad {{ min-height: 100vh }}</style>
</head>
<body>
<main>
{body}</main>
</body>
</html>
"""


def film_widget(film: Film, theme: Theme) -> str:
    """Stage, caption, controls and transcript of a film, to put anywhere in a page; any number of them get along."""
    return widget(
        film.scene(-1),
        theme,
        film.title,
        film_data(film),
        CAPTION + controls(film.steps),
        page_transcript(film.steps),
        overview_svg(film.stage, theme) if film.views else "",
        page_program(film.program),
        losses_svg(film, theme),
        names_over_whole(film, theme),
    )


AROUND_STAGE = 320  # pixels that title, caption, controls, legend and transcript take
CAPTION = """<div class="gad-caption" aria-live="polite">
<p class="gad-rule"><span></span></p>
<p><span class="gad-numbers"></span> <span class="gad-result"></span></p>
<p class="gad-sentence"></p>
</div>
"""


def widget(
    scene: Scene,
    theme: Theme,
    title: str,
    data: dict[str, object],
    player: str = "",
    below: str = "",
    overview: str = "",
    beside: str = "",
    losses: str = "",
    names: str = "",
) -> str:
    """The finished scene with what belongs to it, and the data, style and script that make it answer."""
    stage = stage_svg(scene, theme, names)
    hover = [list(hover_facts(part, bool(data["steps"]))) for part in parts_of(scene)]
    payload = json_in_html({**data, "hover": hover, "phases": paint.PHASE_NAMES})
    name = fingerprint(stage, payload, theme.key)
    steps = data["steps"]
    moving = isinstance(steps, list) and any("moves" in step for step in steps)
    script = asset("player.js").replace("CAMERA;\n", asset("camera.js") if overview else "")
    script = script.replace("MOTION;\n", asset("motion.js") if moving else "")
    extras = {"camera.css": overview, "program.css": beside, "losses.css": losses}
    styles = "".join(asset(sheet) for sheet, there in extras.items() if there)
    own = {"program.js": beside, "losses.js": losses}
    scripts = "".join(tag("script", {}, asset(name)) for name, there in own.items() if there)
    wide = 0.0 if steps else scale_to_read(scene)
    size = " gad-large" * (len(scene.boxes) > MANY_BOXES) + " gad-read" * bool(wide)
    sheet, legend = asset("player.css"), folded_away(scene, page_legend(scene)) if wide else page_legend(scene)
    styles += f"#{name}{{--read:{wide:.3f}}}\n" if wide else ""
    return f"""<div class="gad{size}" id="{name}">
<style>
{css(theme, scene, name, "".join([sheet, styles, legend, stage, overview, beside, losses]))}{sheet}{styles}</style>
<div class="gad-screen">
<header><h1>{escaped_xml(visible(title or short_title(scene.alt)))}</h1><span class="gad-counter"></span></header>
{beside}<div class="gad-stage">
{stage}
<div class="gad-card" hidden></div>
{overview}{losses}{ZOOM}</div>{"</div>" if beside else ""}
{legend}{player}</div>
{below}<script type="application/json" class="gad-data">{payload}</script>
{scripts}<script>
{script}</script>
</div>
"""


# What a fact about a box or an arrow says -> the lines on the stage with which it is known: the first of them that is
# there.
KNOWN_WITH = {
    "value": ("value",),
    "gradient": ("gradient",),
    "contribution": ("contribution",),
    "local": ("local", "contribution"),
}
NEVER_KNOWN = ("gradient", "contribution")  # in a film whose stage has no room for them


def hover_facts(part: Box | Arrow, film: bool) -> Iterator[object]:
    """What is told to those who point at a part; in a film, with the role of the line that has to be there first."""
    for fact in part.hover:
        needed = KNOWN_WITH.get(fact.says, ()) if film else ()
        role = next((role for role in needed if any(shown.role == role for shown in part.lines)), None)
        if role is not None:
            yield [prose(str(fact)), class_name(role)]
        elif not (needed and fact.says in NEVER_KNOWN):
            yield prose(str(fact))


def asset(name: str) -> str:
    """A file that lies beside this module, without its indentation and comments: every page carries it."""
    lines = files(__name__.rpartition(".")[0]).joinpath(name).read_text("utf-8").splitlines()
    bare = (re.sub(r"\s(// .*|/\*.*\*/)$", "", line).strip() for line in lines)
    kept = "".join(f"{line}\n" for line in bare if line and not line.startswith("/*"))
    return re.sub(r"([{;:,]) | (?=\{)|;(?=\s*\})", r"\1", kept) if name.endswith(".css") else close_set(kept)


def close_set(script: str) -> str:
    """A script without the spaces around signs, but for those in its strings."""
    strings = r"\"[^\"]*\"|`[^`]*`"
    return re.sub(rf"({strings})| ?([=!&|?:,<>{{}}()*]+) ?", lambda found: found[1] or found[2], script)


# looks of what is said first
HEADING = "flex-basis: 100%; text-align: center; font-size: 18px; font-weight: bold; color: var(--ink)"


def page_legend(scene: Scene) -> str:
    """Legend and notes as text of the page, which stays readable when a large stage shrinks."""
    items = "".join(
        f"<li>{legend_sample(role, sample)} {escaped_xml(words)}</li>"
        for role, sample, words in paint.legend_items(scene)
    )
    first = int(scene.headed)
    heading = "".join(f'<li style="{HEADING}">{escaped_xml(prose(note))}</li>' for note in scene.notes[:first])
    notes = "".join(f"<li><em>{escaped_xml(prose(note))}</em></li>" for note in scene.notes[first:])
    items = "".join(f"<li>{trail_sample(trail)}{escaped_xml(prose(trail.said))}</li>" for trail in scene.trails) + items
    items = heading + ramp_item(scene.ramp) + items
    shown = f'<ul class="gad-legend">{items}{notes}</ul>\n' if items or notes else ""
    return shown + (details_of(scene.more) if scene.more else "")


ROOM = (1240.0, 560.0)  # pixels that a stage has in an ordinary window
LEAST = 11.0  # pixels of letters that can be read


def scale_to_read(scene: Scene) -> float:
    """How many pixels a point of a picture has to have, of one whose letters are too small where all of it is seen; 0
    of any other.
    """
    smallest = smallest_and_median(letter_sizes(replace(scene, legend=(), notes=(), ramp=None)))[0]
    width, height = scene.size or (1.0, 1.0)
    return LEAST / smallest if min(ROOM[0] / width, ROOM[1] / height) * smallest < LEAST else 0.0


def folded_away(scene: Scene, legend: str) -> str:
    """The legend and notes behind a line, which is the first note: a picture that needs room has it."""
    first = tag("em", {}, escaped_xml(prose(scene.notes[0]))) if scene.notes else ""
    return (
        f'<details class="gad-key"><summary>Legend and notes {first}</summary>\n{legend}</details>\n' if legend else ""
    )


MORE = "order: 1; color: var(--muted); font-size: 14px"  # looks of it


def details_of(sentences: Sequence[str]) -> str:
    """What a page says of its picture to those who ask."""
    items = "".join(f"<li>{escaped_xml(prose(text))}</li>" for text in sentences)
    return f'<details style="{MORE}"><summary>More about this picture</summary><ul>{items}</ul></details>\n'


def ramp_item(ramp: Ramp | None) -> str:
    """What fills mean, with a swatch of each."""
    found = ramp_legend.entries(ramp) if ramp is not None else ()
    return "".join(
        f"<li>{escaped_xml(before)} {''.join(map(swatch, fills))} {escaped_xml(behind)}</li>"
        for before, fills, behind in found
    )


def swatch(fill: str) -> str:
    """A piece of a colour."""
    style = f"display:inline-block;width:26px;height:13px;padding:0;border:1px solid;background:{variable(fill)}"
    return tag("span", {"style": style}, "")


def trail_sample(trail: Trail) -> str:
    """The letter of a path on its colour."""
    if not trail.letter:
        return ""
    color = variable(trails.ROLES[trails.LETTERS.index(trail.letter)])
    style = f"display:inline-block;min-width:1.5em;border-radius:.75em;text-align:center;font-weight:bold;color:var(--paper);background:{color}"  # noqa: E501
    return tag("span", {"style": style}, escaped_xml(trail.letter)) + " "


def legend_sample(role: str, sample: str) -> str:
    """A sample set as the stage sets that role."""
    kind = paint.type_of(role)
    style = f"color:{variable(kind.color)}" + ";font-weight:bold" * kind.bold + ";font-style:italic" * kind.italic
    return tag("span", {"style": style}, escaped_xml(sample))


def page_program(listing: Listing | None) -> str:
    """The program beside the stage, with the numbers of its lines; opens what holds both."""
    if listing is None:
        return ""
    rows = []
    for before, line in zip((None, *listing.lines), listing.lines, strict=False):
        apart = "apart" if before is not None and before.part != line.part else None
        number = tag("span", {"class": "n"}, str(line.number))
        rows.append(tag("li", {"class": apart}, f"{number}{tag('code', {}, escaped_xml(visible(line.text)))}"))
    heading = tag("p", {}, escaped_xml(visible(listing.title)))
    lines = tag("ol", {"tabindex": "0", "role": "list", "aria-label": "Program"}, "".join(rows))
    return f'<div class="gad-beside"><div class="gad-program">{heading}{lines}</div>\n'


def lit_in_page(listing: Listing | None, step: Step) -> list[list[int]]:
    """The places of the lines that are lit, and of those that call the functions of these."""
    if listing is None:
        return []
    lit: list[list[int]] = [[], []]
    for i, line in enumerate(listing.lines):
        found = [one.calls for one in step.lit if one.part == line.part and one.first <= line.number <= one.last]
        if found:
            lit[min(found)].append(i)
    return lit


def page_transcript(steps: tuple[Step, ...]) -> str:
    """Everything the film says, to read, search and print."""
    rows = "".join(f"<li>{escaped_xml(prose(' '.join(step.said)))}</li>\n" for step in steps)
    return f'<details class="gad-transcript"><summary>Transcript</summary><ol>\n{rows}</ol></details>\n'


def film_data(film: Film) -> dict[str, object]:
    """Opening and steps as the script reads them; boxes and arrows go by their number in the scene."""
    numbers = {part.key: i for i, part in enumerate(parts_of(film.stage))}

    said: dict[tuple[str, str], str] = {}

    def news(change: Change) -> dict[str, str]:
        found = {line: text for line, text in change.texts if said.get((change.key, line)) != text}
        said.update({(change.key, line): text for line, text in found.items()})
        return {class_name(line): visible(text) for line, text in found.items()}

    def listed(changes: Iterable[Change]) -> list[object]:
        known = [change for change in changes if change.key in numbers]
        words = [news(change) for change in known]
        return [
            [numbers[c.key], c.emphasis, *([texts] if texts else [])] for c, texts in zip(known, words, strict=True)
        ]

    def step(i: int, step: Step, motion: Motion) -> dict[str, object]:
        seconds = round(film.seconds(i), 2)
        return {
            "phase": step.phase,
            "caption": caption_data(step),
            "seconds": seconds,
            "changes": listed(step.changes),
            **seen_in(film, i),
            **({"lit": lit} if (lit := lit_in_page(film.program, step)) else {}),
            **({"known": known[i]} if film.curve else {}),
            **motion_data(motion, numbers),
            **({"sentence": prose(step.sentence)} if step.sentence else {}),
        }

    known = list(accumulate(one.losses for one in film.steps))
    opening = listed(opening_states(film))  # before the steps, which tell only what is new
    steps = [step(i, one, motion) for i, (one, motion) in enumerate(zip(film.steps, motions(film), strict=True))]
    starts = [chapter.first for chapter in chapters_of(film.steps)]
    return {"opening": opening, "steps": steps, "chapters": starts, **losses_data(film)}


def seen_in(film: Film, index: int) -> dict[str, object]:
    """Which part of the stage a step shows, and how long the camera is on its way at its end."""
    view, move = film.view(index), film.leaving(index)
    seen: dict[str, object] = {"move": round(move, 2)} if move else {}
    if view != film.whole:
        seen["view"] = [round(length, 1) for length in (view.x, view.y, view.width, view.height)]
    return seen


PLACES, IN_PART = 5, 10  # between which a number on its way goes straight; of one that is seen in part


def motion_data(motion: Motion, numbers: Mapping[str, int]) -> dict[str, object]:
    """What moves in a step as the script reads it, if anything does: each number with its plate, its times in
    milliseconds and its places; and when the lines that hold back show what is new.
    """
    if not motion.flights:
        return {}

    def moving(flight: Flight) -> list[object]:
        begin, end, until = (round(1000 * motion.seconds * t) for t in (flight.begin, flight.end, flight.until))
        count = IN_PART if flight.fades else PLACES
        at = [flight.begin + (flight.end - flight.begin) * i / count for i in range(count + 1)]
        places, seen = flight.middles(at), [round(flight.opacity(time), 1) for time in at]
        line, source = flight.line, flight.source
        said = [numbers[source[0]], class_name(source[1])] if source else [class_name(line.role), visible(line.text)]
        size, ways = chip_size(line), [round(way) for place in places for way in place]
        border = class_name(border_of(line))
        return [
            *said,
            "" if border == f"{said[-1]}-line" else border,
            [round(way) for way in size],
            [begin, end, until],
            ways,
            *([[round(one) if one in (0, 1) else one for one in seen]] if flight.fades else []),
        ]

    held: dict[str, dict[str, int]] = {}
    for (key, line), time in motion.landings.items():
        held.setdefault(key, {})[class_name(line)] = round(1000 * motion.seconds * time)
    waiting = [[numbers[key], lines] for key, lines in held.items()]
    return {"moves": [moving(flight) for flight in motion.flights], "held": waiting}


def opening_states(film: Film) -> Iterator[Change]:
    """How everything that a step ever touches looks before the first step; the page itself starts out finished."""
    changes = [*film.opening, *(change for step in film.steps for change in step.changes)]
    touched, told = {c.key for c in changes}, {(c.key, line) for c in changes for line, _ in c.texts}
    start = restyle(film.stage, film.opening)
    for part in parts_of(start):
        if part.key in touched:
            lines = tuple([(line.key, line.text) for line in part.lines if (part.key, line.key) in told])
            yield Change(part.key, part.emphasis, lines)


def caption_parts(step: Step) -> list[str]:
    """Rule, numbers and result."""
    rule, numbers, *result = [prose(part) for part in step.caption] + [""] * (2 - min(len(step.caption), 2))
    return [rule, numbers, " ".join(result)]


def caption_data(step: Step) -> list[object]:
    """The caption as the script sets it: the rule with fractions; a result only where there is one."""
    rule, numbers, result = caption_parts(step)
    return [in_fractions(rule), threes(numbers), *([threes(result)] if result else [])]


def in_fractions(text: str) -> object:
    """A line of mathematics in pieces, its derivatives in halves; without any, as `threes` has it."""
    pieces = with_fractions(text)
    if not any(isinstance(piece, Fraction) for piece in pieces):
        return threes(text)
    return {
        "pieces": [
            {"halves": [half_of_fraction(half) for half in piece]} if isinstance(piece, Fraction) else threes(piece)
            for piece in pieces
        ]
    }


def half_of_fraction(text: str) -> str | list[str]:
    """What is above or below a bar: the sign of derivatives is upright."""
    return in_threes((Run(text[:1]), *runs_of(text[1:])))


def threes(text: str) -> str | list[str]:
    """A caption as mathematics: what is upright, in italics, lowered; upright, in italics, lowered; and so on."""
    return in_threes(runs_of(text))


def in_threes(runs: Sequence[Run]) -> str | list[str]:
    """The same of runs; a text where all is upright."""
    if not any(run.italic for run in runs):
        return "".join(run.text for run in runs)
    found: list[str] = []
    for run in runs:
        place = 2 if run.lowered else int(run.italic)
        found += [""] * ((place - len(found)) % 3)
        found.append(run.text)
    return found


def json_in_html(value: object) -> str:
    """JSON that is inert inside a ``<script>`` element."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
