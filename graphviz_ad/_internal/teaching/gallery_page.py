"""Entries -> the page that shows all their pictures: small ones in chapters, with a search, and each on its own with
heading, source and lesson.

It loads nothing but the pictures beside it. Without its script all of it works but the search and the keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib.resources import files

from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.teaching.examples import Entry

IMAGES = (".svg", ".png", ".gif", ".webp")  # what stands in the page itself; anything else is linked
TITLES = {
    "classics": "Classics",
    "misconceptions": "What many believe",
    "errors": "What PyTorch says, and why",
    "pairs": "Without and with",
    "figures": "Figures of architectures",
}
TITLE = "Gallery of automatic differentiation"


def page(entries: Iterable[Entry], suffix: str) -> str:
    """A whole document that loads nothing but the pictures beside it."""
    given = list(entries)
    chapters = {name: [entry for entry in given if entry.chapter == name] for name in TITLES}
    shown = [entry for members in chapters.values() for entry in members]
    there = {name: members for name, members in chapters.items() if members}
    parts = [
        *head(there),
        *(part for name, members in there.items() for part in section(name, members, suffix)),
        *(article(entry, suffix, *beside(shown, i)) for i, entry in enumerate(shown)),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{TITLE}</title><style>\n{resource('gallery.css')}</style></head>\n<body>{''.join(parts)}</main>"
        f"<script>\n{resource('gallery.js')}</script></body></html>\n"
    )


def resource(name: str) -> str:
    """A file of this room."""
    return files(__name__.rpartition(".")[0]).joinpath(name).read_text("utf-8")


def head(chapters: dict[str, list[Entry]]) -> Iterator[str]:
    """What stands above all pictures: title, search, and a link to each chapter."""
    links = " ".join(f'<a href="#{name}">{text(TITLES[name])} ({len(each)})</a>' for name, each in chapters.items())
    yield f'<header id="all"><h1>{TITLE}</h1></header><main><div class="bar">'
    yield '<input type="search" placeholder="Search ( / )" aria-label="Search the gallery" autocomplete="off" hidden>'
    yield f'<output aria-live="polite"></output><nav aria-label="Chapters">{links}</nav></div>\n'


def section(chapter: str, entries: Sequence[Entry], suffix: str) -> Iterator[str]:
    """A chapter: a small picture of each entry."""
    yield f'<section id="{chapter}"><h2>{text(TITLES[chapter])} <small>{len(entries)}</small></h2><ul class="cards">\n'
    for entry in entries:
        name = text(entry.name)
        seen = f'<img src="{name}{suffix}" alt="" loading="lazy">' if suffix in IMAGES else ""
        yield (
            f'<li data-says="{text(f"{entry.lesson} {entry.source}")}"><a class="card" href="#{name}">{seen}'
            f'<b>{text(entry.heading)}</b><span class="soft">{name}</span></a></li>\n'
        )
    yield "</ul></section>\n"


def article(entry: Entry, suffix: str, before: Entry | None, after: Entry | None) -> str:
    """An entry on its own, with ways to the one before it and the one after it."""
    name, file = text(entry.name), text(f"{entry.name}{suffix}")
    alt = text(f"{entry.heading} {entry.lesson}")
    image = f'<a href="{file}"><img src="{file}" alt="{alt}" loading="lazy"></a>'
    seen = image if suffix in IMAGES else f'<p><a href="{file}">{file}</a></p>'
    source = f'<p class="soft">{text(entry.source)}</p>' if entry.source else ""
    ways = "".join(
        f'<a rel="{way}" href="#{text(other.name)}">{sign}</a>'
        for way, sign, other in (("prev", "← the one before", before), ("next", "the next one →", after))
        if other is not None
    )
    return (
        f'<article id="{name}" tabindex="-1"><div class="ways"><a href="#all">all pictures</a>{ways}</div>'
        f"{seen}<h3>{text(entry.heading)}</h3>{source}<p>{text(entry.lesson)}</p>"
        f"<p><code>graphviz_ad.gallery.{name}()</code></p></article>\n"
    )


def beside(shown: Sequence[Entry], number: int) -> tuple[Entry | None, Entry | None]:
    """The entry before this one, and the one after it."""
    return (
        shown[number - 1] if number else None,
        shown[number + 1] if number + 1 < len(shown) else None,
    )


def text(words: str) -> str:
    """Safe in an element and between double quotes."""
    return escape(visible(words))
