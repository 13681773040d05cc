"""Worked examples by name: ``gad.gallery.colah()`` has torch run one, and gives its picture, its film, its expected
numbers and its lesson.

>>> import graphviz_ad as gad
>>> gad.gallery.colah.lesson
'b reaches e along two paths. Its gradient is the sum over both: 2 through c, 3 through d, together 5.'
>>> len(gad.gallery.entries("misconceptions"))
20

Nothing is run, and torch is not imported, until an entry is called.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from graphviz_ad._internal.base.checked_calls import checking_arguments, takes_only
from graphviz_ad._internal.base.errors import SaveError, UnknownNameError
from graphviz_ad._internal.output.call_options import GalleryFiles

if TYPE_CHECKING:
    from graphviz_ad._internal.teaching.examples import Entry

CHAPTERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "classics": ("circuits", "vectors", "networks"),
        "misconceptions": ("beliefs", "stops", "zeros_and_none"),
        "errors": ("errors",),
        "pairs": ("pairs",),
        "figures": ("figures",),
    }
)


@cache
def _by_name() -> Mapping[str, Entry]:
    """Every entry, in the order of the chapters and of their text."""
    from graphviz_ad._internal.teaching.examples import Entry

    found: dict[str, Entry] = {}
    for modules in CHAPTERS.values():
        for module in modules:
            entries_of = vars(import_module(f"graphviz_ad._internal.teaching.galleries.{module}"))
            found |= {name: thing for name, thing in entries_of.items() if isinstance(thing, Entry)}
    return MappingProxyType(found)


@checking_arguments
def entries(chapter: str | None = None) -> tuple[Entry, ...]:
    """All entries, or those of a chapter: classics, misconceptions, errors, pairs (the same program without and with
    one word) or figures (of architectures).
    """
    if chapter is not None and chapter not in CHAPTERS:
        raise UnknownNameError("chapter of the gallery", chapter, CHAPTERS)
    return tuple(entry for entry in _by_name().values() if chapter in (None, entry.chapter))


@checking_arguments
def chosen(names: Iterable[str]) -> tuple[Entry, ...]:
    """The entries of these names, which may also be those of chapters; all where none is given."""
    found: dict[str, Entry] = {}
    wanted = list(names)
    for name in wanted:
        if name not in CHAPTERS and name not in _by_name():
            raise UnknownNameError("entry of the gallery", name, [*CHAPTERS, *_by_name()])
        found |= {entry.name: entry for entry in (entries(name) if name in CHAPTERS else (_by_name()[name],))}
    return tuple(found.values()) if wanted else entries()


@takes_only(GalleryFiles)
def build(asked: GalleryFiles) -> tuple[Path, ...]:
    """Run entries and write each into the folder, pictures or, where the suffix is that of a film, films; with an
    ``index.html`` of them all.
    """
    from graphviz_ad._internal.base.save_file import write
    from graphviz_ad._internal.teaching.gallery_page import page

    found, suffix = chosen(asked.names), asked.suffix
    place = Path(asked.folder)
    options = {name: value for name, value in asked.given.items() if name not in ("folder", "names", "suffix")}
    try:
        place.mkdir(exist_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a name that no folder can have
        raise SaveError(
            f"cannot make the folder {str(place)!r}: {getattr(error, 'strerror', None) or error}"
        ) from error
    written = [entry().save(place / f"{entry.name}{suffix}", **options) for entry in found]
    return (*written, write(place / "index.html", page(found, suffix).encode()))


def __getattr__(name: str) -> Entry:
    """An entry by its name."""
    if name.startswith("_") or name not in _by_name():
        raise AttributeError(
            str(UnknownNameError("entry of the gallery", name, _by_name())) if not name.startswith("_") else name
        )
    return _by_name()[name]


def __dir__() -> list[str]:
    """What a notebook offers after "gad.gallery."."""
    return [*_by_name(), "build", "chosen", "entries"]
