"""What calls do to leaves between passes -> steps: clipped, moved, emptied; a kind of step that is new line by line."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from graphviz_ad._internal.film.ledger import Ledger, chapter_caption, fitting, value_texts, way_of_all
from graphviz_ad._internal.film.memories import Memories, Texts
from graphviz_ad._internal.film.program_lines import lines_of_source
from graphviz_ad._internal.film.scaling import scaled_by, scaling_caption
from graphviz_ad._internal.film.update_words import (
    MOST_AT_ONCE,
    LineWords,
    news_of_settings,
    rule_of_each,
    told_at_once,
    told_lines,
    way_of,
)
from graphviz_ad._internal.film.updates import MOVES, Chapter, Deed
from graphviz_ad._internal.graph.grad_history import EMPTIED
from graphviz_ad._internal.maths.number_format import number_in_one_line, short_number
from graphviz_ad._internal.maths.update_lines import elements
from graphviz_ad._internal.operations import lessons
from graphviz_ad._internal.scene.scene import Change, Step
from graphviz_ad._internal.scene.words.describe import Words
from graphviz_ad._internal.scene.words.short_text import equal_to, flow_text

UPDATE, ZERO, CLIP, WRITE = (
    "update",
    "zero",
    "clipping",
    "write",
)  # phases: what was done to leaves or to their ``.grad``
MOST_WAYS = 3  # in which one step moves leaves, that are told apart


@dataclass
class LeafTeller:
    """Tells chapters; remembers what the boxes of leaves say: what each ``.grad`` holds, and values that no round has
    shown yet. ``due`` are values that take the place of what they came from.
    """

    ledger: Ledger
    memories: Memories
    held: dict[str, str] = field(default_factory=dict)
    moved: dict[str, Texts] = field(default_factory=dict)
    due: dict[str, Texts] = field(default_factory=dict)
    steps_told: Counter[object] = field(default_factory=Counter)  # by how they are made
    settings: dict[str, Mapping[str, float]] = field(default_factory=dict)  # of the last step of each leaf
    within: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # leaf without a box -> those that read it

    def settled(self) -> list[Change]:
        """What becomes of the boxes that said from where to where their leaves were moved."""
        due, self.due = self.due, {}
        return [Change(key, None, texts) for key, texts in due.items()]

    def ledger_changes(self, texts: Mapping[str, str], emphasis: str | None) -> list[Change]:
        """The lines of ``.grad``."""
        lines = self.ledger.lines
        return [Change(key, emphasis, ((lines[key].key, text),)) for key, text in texts.items() if key in lines]

    def chapter(self, chapter: Chapter, words: Words) -> list[Step]:
        """What one call did to leaves."""
        settled = self.settled()
        if chapter.what in MOVES:
            steps = [step for one in ways_of(chapter, self.ledger) for step in self.moves(one, words)]
        else:
            steps = [self.written(chapter, words)]
        clear = [Change(key, "idle") for key in (*words.graph.nodes, *(edge.key for edge in words.graph.edges))]
        steps = [replace(step, lit=lines_of_source(words.graph, chapter.source)) for step in steps]
        steps = [self.with_readers(step, chapter, words) for step in steps]
        return [replace(steps[0], changes=(*clear, *settled, *steps[0].changes)), *steps[1:]]

    def with_readers(self, step: Step, chapter: Chapter, words: Words) -> Step:
        """The step that lights the boxes, too, in which leaves are read that have none."""
        boxes = [box for box in self.hidden(chapter.deeds) if box in words.graph.nodes]
        changes = (*step.changes, *(Change(box, "active") for box in boxes))
        about = (*step.about, *boxes) if step.about or step.phase == UPDATE else ()
        return replace(step, changes=changes, about=about, look_at=step.look_at or tuple(boxes[:1])) if boxes else step

    def hidden(self, deeds: Sequence[Deed]) -> dict[str, list[Deed]]:
        """What was done to leaves that have no boxes, by the box in which they are read; once, in the first of them."""
        found: dict[str, list[Deed]] = {}
        for deed in deeds:
            for box in self.within.get(deed.leaf, ())[:1] if deed.leaf not in self.ledger.lines else ():
                found.setdefault(box, []).append(deed)
        return found

    def seen(self, chapter: Chapter) -> list[Deed]:
        """What was done to leaves that have boxes."""
        return [deed for deed in chapter.deeds if deed.leaf in self.ledger.lines]

    def written(self, chapter: Chapter, words: Words) -> Step:
        """What was done to ``.grad``."""
        deeds = self.seen(chapter)
        self.held |= self.ledger.texts({deed.leaf: deed.held for deed in deeds})
        changes = self.ledger_changes({deed.leaf: self.held[deed.leaf] for deed in deeds}, "active")
        factor = scaled_by(chapter)
        if factor is not None:
            said, why = scaling_caption(chapter, deeds, factor, words), (lessons.SCALED,)
            return Step(CLIP, said, tuple(changes), 1 + len(deeds), lessons=why, look_at=first_of(deeds))
        emptied = all(is_nothing(deed) for deed in chapter.deeds)
        used = (lessons.EMPTIES,) if chapter.what == EMPTIED else ()
        caption = chapter_caption(chapter, deeds, words)
        phase = ZERO if emptied else WRITE
        return Step(phase, caption, tuple(changes), 1 + len(deeds), lessons=used, look_at=first_of(deeds))

    def moves(self, chapter: Chapter, words: Words) -> list[Step]:
        """A step of an optimizer, line by line where it is the first of its kind; all at once else."""
        deeds = self.seen(chapter)
        lines = told_lines(chapter, deeds, words, self.memories.letters)
        whole = self.at_once(chapter, deeds, words, lines)
        self.settings |= {deed.leaf: deed.update.numbers for deed in deeds if deed.update is not None}
        if len(lines) < 2 or self.is_known(chapter, deeds):
            return [whole]
        steps = []
        about = whole.about
        for n, line in enumerate(lines):
            result, last = deeds[0].lines[n].result, n == len(lines) - 1
            made = self.changes(deeds, words) if last else self.remembered(deeds, result)
            lit = made or [Change(deed.leaf, "active") for deed in deeds]
            rule = f"{UPDATE} {result} {n}"
            steps.append(
                Step(
                    UPDATE, line.caption, tuple(lit), 1, about=about, rule=rule, lessons=(line.lesson,),
                    brief=line.brief, at_once=whole.caption, look_at=first_of(deeds),
                )
            )  # fmt: skip
        return steps

    def at_once(self, chapter: Chapter, deeds: Sequence[Deed], words: Words, lines: Sequence[LineWords]) -> Step:
        """All lines as one step."""
        caption = told_at_once(chapter, deeds, words, self.memories.letters)
        caption = (
            caption
            or moved_out_of_sight(chapter, deeds, self.hidden(chapter.deeds), words, self.memories.letters)
            or chapter_caption(chapter, deeds, words)
        )
        ruled = deeds and all(deed.rule is not None or len(deed.lines) == 1 for deed in deeds)
        used = (lessons.STEP,) if ruled and way_of_all(deeds) < 0 else ()
        brief = lines[-1].brief if lines else new_number(deeds[0], words) if ruled else ""
        changes = tuple(self.changes(deeds, words))
        about = tuple([deed.leaf for deed in deeds])
        return Step(
            UPDATE, caption, changes, 1 + len(deeds), about=about, rule=UPDATE, lessons=used, brief=brief,
            sentence=news_of_settings(deeds, self.settings), look_at=first_of(deeds),
        )  # fmt: skip

    def changes(self, deeds: Sequence[Deed], words: Words) -> list[Change]:
        """All that boxes say when leaves were moved: from where to where, for as long as the step lasts."""
        found = []
        for deed in deeds:
            texts = value_texts(deed, self.ledger)
            self.moved[deed.leaf] = self.due[deed.leaf] = texts
            held = ((self.ledger.lines[deed.leaf].key, self.held[deed.leaf]),) if deed.leaf in self.held else ()
            found.append(Change(deed.leaf, "active", (*from_to(deed, texts), *held, *self.memory_of(deed))))
        return found

    def memory_of(self, deed: Deed) -> Texts:
        """What a box says that the optimizer remembers after this."""
        return self.memories.texts(deed.leaf, deed.update.after) if deed.update is not None else ()

    def remembered(self, deeds: Sequence[Deed], result: str) -> list[Change]:
        """The boxes in which a line of a step changes what is remembered."""
        found = []
        for deed in deeds:
            after = tuple([pair for pair in deed.update.after if pair[0] == result]) if deed.update is not None else ()
            texts = self.memories.texts(deed.leaf, after)
            found += [Change(deed.leaf, "active", texts)] if texts else []
        return found

    def is_known(self, chapter: Chapter, deeds: Sequence[Deed]) -> bool:
        """Whether steps made in the same way have been told line by line, which makes it so from now on."""
        how = (chapter.by, tuple([(line.result, line.formula) for line in deeds[0].lines]))
        self.steps_told[how] += 1
        return self.steps_told[how] > 1


def ways_of(chapter: Chapter, ledger: Ledger) -> list[Chapter]:
    """The chapter as one for each way in which leaves were moved; as it is where some of them have no box."""
    groups: dict[object, list[Deed]] = {}
    for deed in chapter.deeds:
        groups.setdefault(way_of(deed), []).append(deed)
    if len(groups) > MOST_WAYS or any(deed.leaf not in ledger.lines for deed in chapter.deeds):
        return [chapter]
    return [replace(chapter, deeds=tuple(group)) for group in groups.values()]


def first_of(deeds: Sequence[Deed]) -> tuple[str, ...]:
    """The box of the first leaf, which is told of; what is done to the others is the same."""
    return tuple([deed.leaf for deed in deeds[:1]])


def is_nothing(deed: Deed) -> bool:
    """Whether ``.grad`` holds nothing, or zeros alone."""
    return deed.held is None or (deed.held.min == 0 and deed.held.max == 0)


def from_to(deed: Deed, texts: Texts) -> Texts:
    """The lines of a value, which say of a single number where it came from, too."""
    old, new = deed.old, deed.new
    if old is None or new is None or old.shape or new.shape or len(texts) != 1 or old == new:
        return texts
    return ((texts[0][0], f"{number_in_one_line(old)} → {number_in_one_line(new)}"),)


def new_number(deed: Deed, words: Words) -> str:
    """ "w = 1.1", of what a leaf was moved to."""
    made = flow_text(deed.new)
    return f"{words.names.of[deed.leaf]} {equal_to(made)}" if made is not None else ""


def moved_out_of_sight(
    chapter: Chapter,
    deeds: Sequence[Deed],
    hidden: Mapping[str, Sequence[Deed]],
    words: Words,
    letters: Mapping[str, str],
) -> tuple[str, ...]:
    """By which rule parameters in folded boxes went, and how far, together and in each box; nothing where they have
    boxes.
    """
    if deeds or not chapter.deeds:
        return ()
    said, _ = chapter_caption(chapter, deeds, words)
    far = distance(chapter.deeds)
    each = [(words.names.of.get(box), distance(held)) for box, held in hidden.items()]
    parts = [f"{name} by {own}" for name, own in each if name and own]
    rule = rule_of_each(chapter.deeds, words, letters)
    if not far:
        return (said, rule)
    told = f"together they move by {far}"
    in_each = fitting([f"{told}: {parts[0]}", *parts[1:]], ", ") if parts and len(parts) == len(each) else ""
    tellings = ["; ".join(filter(None, (rule, way))) for way in (in_each or told, told)]
    return (said, next((text for text in tellings if len(text) <= MOST_AT_ONCE), told))


def distance(deeds: Sequence[Deed]) -> str:
    """How far leaves were moved, all in one."""
    pairs = [(elements(deed.old), elements(deed.new)) for deed in deeds]
    if any(old is None or new is None or old.shape != new.shape for old, new in pairs):
        return ""
    return short_number(math.hypot(*(float(np.linalg.norm(new - old)) for old, new in pairs)))
