"""Steps -> the player's bar: buttons, scrubber, menus and the list of keys, as HTML that waits for its script."""

from __future__ import annotations

from collections.abc import Iterable

from graphviz_ad._internal.film.chapters import Chapter, chapter_title, chapters_of
from graphviz_ad._internal.renderers.svg.still import tag
from graphviz_ad._internal.scene.scene import Step

MOST_CHAPTERS = 10  # buttons; more would not have room
SPEEDS = (0.25, 0.5, 1, 1.5, 2, 4)

ICONS = {
    "first": "M5 5h2.5v14H5zM20 5v14L9 12z",
    "previous": "M15.5 4 18 6.5 12.5 12l5.5 5.5L15.5 20l-8-8z",
    "play": "M7 4.5v15L20 12z",
    "pause": "M6 5h4v14H6zM14 5h4v14h-4z",
    "next": "M8.5 4 6 6.5l5.5 5.5L6 17.5 8.5 20l8-8z",
    "last": "M16.5 5H19v14h-2.5zM4 5v14l11-7z",
    "loop": "M7 7h10v3l4-4-4-4v3H5v6h2zM17 17H7v-3l-4 4 4 4v-3h12v-6h-2z",
    "fullscreen": "M4 4h6v2H6v4H4zM14 4h6v6h-2V6h-4zM4 14h2v4h4v2H4zM18 14h2v6h-6v-2h4z",
    "zoom-in": "M11 5h2v6h6v2h-6v6h-2v-6H5v-2h6z",
    "zoom-out": "M5 11h14v2H5z",
    "zoom-fit": "M4 4h6v2H6v4H4zM14 4h6v6h-2V6h-4zM4 14h2v4h4v2H4zM18 14h2v6h-6v-2h4zM9 9h6v6H9z",
}

KEYS = (
    ("Space, K", "play or pause"),
    ("← →", "one step"),
    ("Page Up, Page Down", "one step; moves on at the end (clickers)"),
    ("Home, End", "first, last step"),
    ("[ ]", "chapter before, chapter after"),
    ("↑ ↓", "faster, slower"),
    ("L", "loop"),
    ("F", "full screen"),
    ("Tab, Enter", "look at a box or an arrow"),
    ("+ − 0", "zoom in, out, fit"),
    ("?", "this help"),
)


def icon(name: str) -> str:
    """A glyph that needs no font."""
    return f'<svg class="i-{name}" viewBox="0 0 24 24" aria-hidden="true"><path d="{ICONS[name]}"/></svg>'


def button(action: str, label: str, glyphs: Iterable[str] = (), state: str = "") -> str:
    """A button with one or two glyphs; the script finds it by its action."""
    pictures = "".join(map(icon, glyphs or (action,)))
    return (
        f'<button type="button" data-action="{action}" aria-label="{label}" title="{label}"{state}>{pictures}</button>'
    )


ZOOM = (
    '<div class="gad-zoom" role="group" aria-label="Zoom" hidden>'
    + button("zoom-in", "Zoom in")
    + button("zoom-out", "Zoom out")
    + button("zoom-fit", "Fit the whole picture")
    + "</div>\n"
)


def controls(steps: tuple[Step, ...]) -> str:
    """The player's bar; hidden until the script runs, for without it no button would work."""
    last = len(steps) - 1
    moves = [
        ("first", "First step"),
        ("previous", "Previous step"),
        ("play", "Play"),
        ("next", "Next step"),
        ("last", "Last step"),
    ]
    buttons = "".join(button(action, label, ("play", "pause") if action == "play" else ()) for action, label in moves)
    speeds = "".join(f'<option value="{s}"{" selected" if s == 1 else ""}>{s}×</option>' for s in SPEEDS)
    keys = "".join(f"<dt>{key}</dt><dd>{meaning}</dd>" for key, meaning in KEYS)
    return f"""<div class="gad-controls" role="group" aria-label="Player" hidden>
<div class="gad-buttons">{buttons}</div>
<div class="gad-scrubber"><div class="gad-ticks" aria-hidden="true"></div>
<input type="range" min="0" max="{last}" value="{last}" step="1" aria-label="Step">
{phase_buttons(steps)}</div>
<div class="gad-buttons"><select aria-label="Speed" title="Speed">{speeds}</select>
{button("loop", "Loop", state=' aria-pressed="false"')}{button("fullscreen", "Full screen")}
<button type="button" data-action="help" aria-label="Keys" title="Keys" aria-expanded="false">?</button></div>
<dl class="gad-help" hidden>{keys}</dl>
</div>
"""


def phase_buttons(steps: tuple[Step, ...]) -> str:
    """Under the scrubber a stretch for each chapter, of many for each forward pass; each jumps to where it begins."""
    chapters = chapters_of(steps)
    if len(chapters) > MOST_CHAPTERS:
        chapters = [chapter for chapter in chapters if chapter.phase == "forward"]
    labels = "".join(
        tag(
            "button",
            {
                "type": "button",
                "data-action": "chapter",
                "data-step": str(jump_of(steps, chapter)),
                "data-phase": chapter.phase,
                "aria-label": f"Jump to {said_of(chapter)}",
                "style": f"flex-grow:{chapter.last - chapter.first + 1}",
            },
            chapter_title(chapter),
        )
        for chapter in chapters[:MOST_CHAPTERS]
    )
    return f'<div class="gad-phases">{labels}</div>'


def jump_of(steps: tuple[Step, ...], chapter: Chapter) -> int:
    """The first step of a chapter's own phase."""
    return next(i for i in range(chapter.first, chapter.last + 1) if steps[i].phase == chapter.phase)


def said_of(chapter: Chapter) -> str:
    """A chapter as screen readers hear it: the words that are seen are among them."""
    alone = chapter.phase in ("forward", "backward") and not chapter.number
    return f"the {chapter.phase} pass" if alone else chapter_title(chapter)
