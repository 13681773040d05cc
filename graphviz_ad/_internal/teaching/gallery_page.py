"""Entries -> the page that shows all their pictures, with headings, lessons and sources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from itertools import groupby

from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.teaching.examples import Entry

IMAGES = (".svg", ".png", ".gif", ".webp")  # what stands in the page itself; anything else is linked
TITLES = {
    "classics": "Classics",
    "misconceptions": "What many believe",
    "errors": "What PyTorch says, and why",
    "pairs": "Without and with",
}
STYLE = """
:root { color-scheme: light dark; }
body { font-family: 'DejaVu Sans', Verdana, Helvetica, Arial, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; line-height: 1.5; }
nav { columns: 20rem; }
article { margin: 3rem 0; }
img { max-width: 100%; height: auto; background: #fff; border-radius: 8px; }
"""  # noqa: E501


def page(entries: Iterable[Entry], suffix: str) -> str:
    """A whole document that loads nothing but the pictures beside it."""
    shown = list(entries)
    links = "".join(f'<li><a href="#{text(entry.name)}">{text(entry.heading)}</a></li>' for entry in shown)
    body = "".join(
        part
        for chapter, members in groupby(shown, lambda entry: entry.chapter)
        for part in section(chapter, list(members), suffix)
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport"'
        ' content="width=device-width"><title>Gallery of automatic'
        f" differentiation</title><style>{STYLE}</style></head>\n<body><h1>Gallery of automatic"
        f" differentiation</h1><nav><ul>{links}</ul></nav>\n{body}</body></html>\n"
    )


def section(chapter: str, entries: Iterable[Entry], suffix: str) -> Iterator[str]:
    """A chapter."""
    yield f"<h2>{text(TITLES[chapter])}</h2>\n"
    for entry in entries:
        file = text(f"{entry.name}{suffix}")
        alt = text(f"{entry.heading} {entry.lesson}")
        seen = f'<img src="{file}" alt="{alt}" loading="lazy">' if suffix in IMAGES else f'<a href="{file}">{file}</a>'
        source = f"<p><small>{text(entry.source)}</small></p>" if entry.source else ""
        yield (
            "<article"
            f' id="{text(entry.name)}"><h3>{text(entry.heading)}</h3>{source}<p>{text(entry.lesson)}</p>{seen}</article>\n'  # noqa: E501
        )


def text(words: str) -> str:
    """Safe in an element and between double quotes."""
    return escape(visible(words))
