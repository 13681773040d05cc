"""A step of an optimizer, line by line -> captions: the rule in letters, then in numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from graphviz_ad._internal.film.ledger import ROOM, told_of_each
from graphviz_ad._internal.film.updates import Chapter, Deed
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.formulas import to_unicode
from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.maths.set_names import parts_of_name
from graphviz_ad._internal.maths.update_lines import MadeLine, elements
from graphviz_ad._internal.operations.optimizers import CORRECTED, GRADIENT, LETTERS, PARAMETER, SETTINGS
from graphviz_ad._internal.scene.words.describe import Words
from graphviz_ad._internal.scene.words.short_text import as_term, equal_to
from graphviz_ad._internal.scene.words.short_text import flow_text as written

ANY = "p"  # what a parameter is called that stands for all
MOST_AT_ONCE = 160  # characters of all lines of a step in one caption


@dataclass(frozen=True)
class LineWords:
    """A line of a step in words: what a caption says, the lesson that it uses, and what it comes to in brief."""

    caption: tuple[str, ...]
    lesson: str
    brief: str


def told_lines(chapter: Chapter, deeds: Sequence[Deed], words: Words, letters: Mapping[str, str]) -> list[LineWords]:
    """What is told of each line of the step that did this; nothing where its leaves were moved in several ways."""
    if not deeds or len({way_of(deed) for deed in deeds}) > 1:
        return []
    return [
        LineWords(
            line_caption(chapter if n == 0 else None, deeds, n, words, letters),
            line.lesson,
            brief_of(deeds[0], n, words, letters),
        )
        for n, line in enumerate(deeds[0].lines)
    ]


def way_of(deed: Deed) -> tuple[object, ...]:
    """What is the same in leaves that are moved in the same way."""
    return tuple(map(shape_of, deed.lines))


def shape_of(line: MadeLine) -> tuple[object, ...]:
    """What is the same in a line of two leaves that are moved in the same way."""
    return line.result, line.formula, *settings_in(line).items()


def settings_in(line: MadeLine) -> Mapping[str, str]:
    """The numbers of a line that are no parameter, gradient or memory of one: name -> as it is written."""
    names = {*LETTERS, *CORRECTED, PARAMETER}
    return {name: written(known) or "…" for name, known in line.values.items() if name not in names}


def letters_beside(names: Iterable[str]) -> Mapping[str, str]:
    """What everything is called on a picture with these names: v is none beside v₁."""
    taken = {parts.base if (parts := parts_of_name(name)) is not None else name for name in names}
    letters = {
        name: next((letter for letter in offered if letter not in taken), offered[-1])
        for name, offered in LETTERS.items()
    }
    return letters | {name: f"{letters[of]}′" for name, of in CORRECTED.items()}


def line_caption(
    chapter: Chapter | None, deeds: Sequence[Deed], n: int, words: Words, letters: Mapping[str, str]
) -> tuple[str, ...]:
    """ "SGD.step: v ← 0.9v + w.grad", "v = 0.9 × (−16) + (−3.2) = −17.6"."""
    who = f"{chapter.by}: " if chapter is not None and chapter.by else ""
    first = deeds[0]
    names = names_at(words.names.of[first.leaf], first, n, letters)
    line = first.lines[n]
    target = letters[GRADIENT] if line.result == GRADIENT else names[line.result]
    formula = f"{target} ← {to_unicode(line.formula, names)}"
    alone = len(deeds) == 1
    said = [(words.names.of[deed.leaf], numbers_of(deed, n, words, letters, alone=alone)) for deed in deeds]
    said[0] = (said[0][0], example_of(first, n, words, letters, alone=alone))
    return (f"{who}{formula}", told_of_each(said, "; "))


def names_at(name: str, deed: Deed, n: int, letters: Mapping[str, str]) -> Mapping[str, str]:
    """What a line calls things: the gradient is that of the leaf until a line makes another of it."""
    changed = any(line.result == GRADIENT for line in deed.lines[:n])
    gradient = {} if changed else {GRADIENT: f"{name}.grad"}
    return {**settings_in(deed.lines[n]), **letters, PARAMETER: name, **gradient}


def rule_of_each(deeds: Sequence[Deed], words: Words, letters: Mapping[str, str]) -> str:
    """ "each p ← p − 0.1 × p.grad": what a step makes of the gradients and values of leaves that have no names on the
    picture; nothing where that is not known of all, or not the same.
    """
    lines = deeds[0].lines if len({way_of(deed) for deed in deeds}) == 1 else ()
    if not lines:
        return ""
    name = ANY if ANY not in {*words.names.of.values(), *letters.values()} else "parameter"
    targets = {PARAMETER: name, GRADIENT: letters[GRADIENT]}
    said = [
        f"{targets[line.result]} ← {to_unicode(line.formula, names_at(name, deeds[0], n, letters))}"
        for n, line in enumerate(lines)
        if line.result in targets
    ]
    return (
        f"each {', '.join(said)}"
        if all(line.result != GRADIENT for line in lines)
        else f"of each {name}: {', '.join(said)}"
    )


def example_of(deed: Deed, n: int, words: Words, letters: Mapping[str, str], *, alone: bool) -> str:
    """A line in numbers, of one element where all are too many: the rule is in the name of this leaf, and numbers of
    another would be no example of it.
    """
    whole = numbers_of(deed, n, words, letters, alone=alone)
    return whole if whole and len(whole) <= ROOM else element_in_numbers(deed, n, words, letters)


def element_in_numbers(deed: Deed, n: int, words: Words, letters: Mapping[str, str]) -> str:
    """ "w[0,1] = 1 − 0.1 × 2 = 0.8": a line of one element, which is the same in all lines of the step."""
    place = element_told(deed)
    if place is None:
        return ""
    line = deed.lines[n]
    values = {key: element_of(snap, place) for key, snap in line.values.items()}
    made = element_of(line.made, place)
    name = f"{words.names.of[deed.leaf]}[{','.join(map(str, place))}]"
    return line_in_numbers(replace(line, values=values, made=made), name, letters, alone=False)


def element_told(deed: Deed) -> tuple[int, ...] | None:
    """The first element whose gradient is not 0, since one without it shows little; None of a single number."""
    read = elements(deed.held)
    if read is None or not read.size or not read.shape:
        return None
    return tuple(map(int, np.unravel_index(int(np.argmax(read.ravel() != 0)), read.shape)))


def element_of(snap: Snapshot, place: tuple[int, ...]) -> Snapshot:
    """One element of a tensor; a number is that of every element."""
    return Snapshot((), snap.dtype, elements(snap)[place].item()) if snap.shape else snap


def numbers_of(deed: Deed, n: int, words: Words, letters: Mapping[str, str], *, alone: bool) -> str:
    """A line in numbers, with what it gives; nothing where they are too long to be read."""
    return line_in_numbers(deed.lines[n], words.names.of[deed.leaf], letters, alone=alone)


def line_in_numbers(line: MadeLine, name: str, letters: Mapping[str, str], *, alone: bool) -> str:
    """The same of a leaf of that name."""
    texts = {key: written(known) for key, known in line.values.items()}
    known = {key: as_term(text) for key, text in texts.items() if text is not None}
    made = written(line.made)
    if made is None or len(known) < len(texts):
        return ""
    numbers = to_unicode(line.formula, known)
    what = name if line.result == PARAMETER else letters[line.result]
    said = f"{what} = {numbers} {equal_to(made)}" if numbers != made else f"{what} {equal_to(made)}"
    return said if alone or line.result == PARAMETER else f"{name}: {said}"


def brief_of(deed: Deed, n: int, words: Words, letters: Mapping[str, str]) -> str:
    """ "w = 1.1"."""
    line = deed.lines[n]
    what = words.names.of[deed.leaf] if line.result == PARAMETER else letters[line.result]
    made = written(line.made)
    return f"{what} {equal_to(made)}" if made is not None else ""


def results_of(deed: Deed, letters: Mapping[str, str]) -> str:
    """ "v = −17.6", of all that is remembered."""
    found = {line.result: written(line.made) for line in deed.lines if line.recorded and line.result != PARAMETER}
    return ", ".join(f"{letters[result]} {equal_to(text)}" for result, text in found.items() if text is not None)


def told_at_once(chapter: Chapter, deeds: Sequence[Deed], words: Words, letters: Mapping[str, str]) -> tuple[str, ...]:
    """All lines of a step in one caption: the rule of the last, what makes another gradient or parameter of what it
    began with, what is remembered, and the parameter in numbers.
    """
    if len(deeds[0].lines if deeds else ()) < 2 or len({way_of(deed) for deed in deeds}) > 1:
        return ()
    last = len(deeds[0].lines) - 1
    rule, numbers = line_caption(chapter, deeds, last, words, letters)
    alone = len(deeds) == 1
    remembered = results_of(deeds[0], letters) if alone else ""
    between = [
        example_of(deeds[0], n, words, letters, alone=alone)
        for n, line in enumerate(deeds[0].lines[:last])
        if line.result in (GRADIENT, PARAMETER)
    ]
    tellings = ["; ".join(filter(None, parts)) for parts in ([*between, remembered, numbers], [*between, numbers])]
    return (rule, next((told for told in tellings if len(told) <= MOST_AT_ONCE), numbers))


def news_of_settings(deeds: Sequence[Deed], before: Mapping[str, Mapping[str, float]]) -> str:
    """ "The learning rate is 0.2 now; it was 0.4.": what is set otherwise than in the step before, for all leaves."""
    found = {tuple(changed_settings(deed, before.get(deed.leaf, {}))) for deed in deeds}
    changed = next(iter(found)) if len(found) == 1 else ()
    said = [f"{SETTINGS.get(name, name)} is {now} now; it was {was}." for name, was, now in changed]
    return " ".join(said)


def changed_settings(deed: Deed, before: Mapping[str, float]) -> Iterator[tuple[str, str, str]]:
    """Name, old and new of each number that is another now."""
    for name, now in deed.update.numbers.items() if deed.update is not None else ():
        was = before.get(name, now)
        if was != now:
            yield name, short_number(was), short_number(now)
