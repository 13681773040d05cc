"""Story on a stage that a camera sees in parts -> the same, in which a step about boxes that stand far apart is several
steps, each about those that are seen at once.

Caption and program stay beside all of them; what happens along an arrow is in the part that one of its ends is in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

from graphviz_ad._internal.film.camera import is_lit
from graphviz_ad._internal.film.story import Story
from graphviz_ad._internal.scene.scene import FLOWING, Arrow, Change, Scene, Step

Seen = Callable[[Collection[str]], bool]  # whether boxes can be seen at once


def told_in_parts(story: Story, stage: Scene, seen: Seen) -> Story:
    """The story whose first and last step, which show the whole, stay as they are."""
    first, *others = story.steps
    last = others[-1:]
    between = (part for step in others[:-1] for part in parts_of_step(step, stage, seen))
    return replace(story, steps=(first, *between, *last))


def parts_of_step(step: Step, stage: Scene, seen: Seen) -> Iterator[Step]:
    """The step, or as many as it takes to see all that lights up in it."""
    boxes, arrows = stage.box_by_key, stage.arrow_by_key
    lit = list(dict.fromkeys(change.key for change in step.changes if change.key in boxes and is_lit(change)))
    looked_at = [key for key in step.look_at if key in lit] or lit
    groups = [lit] if len(lit) < 2 or seen(lit) else seen_together(looked_at, seen)
    if step.look_at and looked_at != lit:  # what happens everywhere alike is told once, where it comes to an end
        groups = groups[-1:]
    if len(groups) < 2:
        yield replace(step, about=step.about if groups[0] == lit else tuple(groups[0]))
        return
    home = {key: i for i, group in enumerate(groups) for key in group}

    def part_of(key: str) -> int:
        return next((home[end] for end in (key, *ends_of(arrows.get(key))) if end in home), 0)

    for i, group in enumerate(groups):
        changes = tuple([change for change in step.changes if (part_of(change.key) if tells(change) else 0) == i])
        yield replace(
            step,
            changes=changes,
            news=sum(bool(change.texts) for change in changes),
            moves=tuple([move for move in step.moves if part_of(move.arrow) == i]),
            about=tuple([key for key in step.about if part_of(key) == i]) or tuple(group if step.about else ()),
            lessons=() if i else step.lessons,
            losses=0 if i else step.losses,
        )


def seen_together(keys: list[str], seen: Seen) -> list[list[str]]:
    """The boxes in groups that can be seen at once, each with all that fits to the first of it."""
    groups: list[list[str]] = []
    while keys:
        group = [keys[0]]
        for key in keys[1:]:
            if seen([*group, key]):
                group.append(key)
        groups.append(group)
        keys = [key for key in keys if key not in group]
    return groups


def ends_of(arrow: Arrow | None) -> tuple[str, ...]:
    """Where an arrow leads to when something flows back along it, and where it comes from."""
    return () if arrow is None else (arrow.tail, arrow.head)


def tells(change: Change) -> bool:
    """Whether something is seen there that was not there before; else it is dimmed."""
    return bool(change.texts) or change.emphasis in ("active", *FLOWING)
