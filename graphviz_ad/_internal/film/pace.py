"""Story -> the same in fewer steps, where a film would last longer than a lecture has time for: steps alike are told
once, "and so for b, c, d"; if that is not enough, neighbours are told together.

Which steps are alike, and what they are about, are facts that steps bring along; nothing is read out of captions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.film.durations import HURRIED, SHORTEST
from graphviz_ad._internal.film.story import Story
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.scene.scene import FLOWING, Change, Film, Step

LARGEST_GROUPS = (2, 3, 4, 6, 8, 12, 20, 1000)  # neighbours that are told together
Joins = Callable[[Sequence[Step], Step], bool]  # whether a step may be told with those of a group
MOST_NAMED = 5  # of those that are told along


@dataclass(frozen=True)
class Pace:
    """What a film is shortened by: how long it may be, what its steps are called, and what may be told together.

    ``film`` makes the film that tells a story.
    """

    graph: Graph
    names: Mapping[str, str]  # key -> name
    seconds: float  # at speed 1
    together: Callable[[Collection[str]], bool]  # whether boxes can be seen at once
    film: Callable[[Story], Film]

    def near(self, story: Story) -> Film | None:
        """The film with the most steps that there is time for, of which those that are told together are seen
        together; None where there is none.
        """
        whole = self.film(story)
        if whole.length <= self.seconds:
            return whole
        films = [whole, *(self.film(told) for told in self.ways(story, self.together))]
        fitting = [film for film in films if film.length <= self.seconds]
        if fitting:
            return max(fitting, key=lambda film: film.length)
        shortest = min(films, key=lambda film: film.length)
        return in_a_hurry(shortest, self.seconds) if least_length(shortest) <= self.seconds else None

    def anyhow(self, story: Story) -> Film:
        """The same, wherever that is which is told together; the shortest of all where none is short enough."""
        films = [self.film(told) for told in (story, *self.ways(story, lambda _: True))]
        fitting = [film for film in films if film.length <= self.seconds]
        return max(fitting or films, key=lambda film: film.length if fitting else -film.length)

    def ways(self, story: Story, seen: Callable[[Collection[str]], bool]) -> Iterator[Story]:
        """The story in fewer and fewer steps, none twice."""
        last = story
        joins: list[Joins] = [self.alike_and_apart]
        for count in LARGEST_GROUPS:
            joins += [self.alike_up_to(count), in_one_phase(count)]
        for n, join in enumerate([joins[0], *joins]):
            told = self.grouped(story, with_whole_lines(join) if n else apart_from_lines(join), seen)
            if len(told.steps) != len(last.steps):
                yield told
            last = told

    def grouped(self, story: Story, joins: Joins, seen: Callable[[Collection[str]], bool]) -> Story:
        """The story with steps told together that join and can be seen at once."""
        groups: list[list[Step]] = []
        for step in story.steps:
            last = groups[-1] if groups else []
            about = {key for one in (*last, step) for key in one.about}
            if last and step.about and last[0].about and joins(last, step) and seen(about):
                last.append(step)
            else:
                groups.append([step])
        steps: list[Step] = []
        owed: dict[str, str] = {}  # what a group would have dimmed: key -> emphasis
        for group in groups:
            step, owing = self.as_one(group)
            late = tuple([Change(key, look) for key, look in owed.items() if key not in {c.key for c in step.changes}])
            steps.append(replace(step, changes=(*late, *step.changes)))
            owed = owing
        return replace(story, steps=tuple(steps))

    def alike(self, group: Sequence[Step], step: Step) -> bool:
        """Whether a step does what those of a group do."""
        return bool(step.rule) and (step.phase, step.rule) == (group[0].phase, group[0].rule)

    def alike_up_to(self, count: int) -> Joins:
        """Whether a step does what those of a group do, so many at most."""
        return lambda group, step: len(group) < count and self.alike(group, step)

    def alike_and_apart(self, group: Sequence[Step], step: Step) -> bool:
        """The same, where none needs the result of another."""
        keys = {key for one in group for key in one.about}
        near = {edge.tail for key in step.about for edge in self.graph.in_edges(key)}
        near |= {edge.head for key in step.about for edge in self.graph.out_edges(key)}
        return self.alike(group, step) and not keys & near

    def as_one(self, group: Sequence[Step]) -> tuple[Step, dict[str, str]]:
        """Steps as one, and what the step after it has to dim."""
        first, *others = group
        if not others:
            return first, {}
        changes, owed = together(group)
        keys = [key for one in others for key in one.about if key not in first.about]
        names = list(dict.fromkeys(self.names[key] for key in dict.fromkeys(keys) if key in self.names))
        alike = all(one.rule == first.rule for one in others)
        caption = first.at_once or along(first.caption, names, alike=alike)
        news = min(sum(one.news for one in group), first.news + 4)
        told = replace(first, caption=caption, changes=changes, news=news, others=tuple(dict.fromkeys(keys)))
        return replace(
            told,
            lessons=tuple(dict.fromkeys(lesson for one in group for lesson in one.lessons)),
            lit=tuple(dict.fromkeys(lit for one in group for lit in one.lit)),
            moves=tuple(dict.fromkeys(move for one in group for move in one.moves)),
            losses=sum(one.losses for one in group),
        ), owed


def apart_from_lines(joins: Joins) -> Joins:
    """The same, but for steps that have a caption for all of them: these are the lines of one thing."""
    return lambda group, step: not (group[0].at_once or step.at_once) and joins(group, step)


def with_whole_lines(joins: Joins) -> Joins:
    """The same, and of such lines all together, whatever joins else."""

    def joined(group: Sequence[Step], step: Step) -> bool:
        if group[0].at_once or step.at_once:
            return (group[0].phase, group[0].at_once) == (step.phase, step.at_once)
        return joins(group, step)

    return joined


def in_one_phase(count: int) -> Joins:
    """Whether a step may be told with those before it, so many at most."""
    return lambda group, step: len(group) < count and step.phase == group[0].phase


def together(group: Sequence[Step]) -> tuple[tuple[Change, ...], dict[str, str]]:
    """The changes of steps that are told at once: what lights up stays lit, and is dimmed afterwards."""
    changes: list[Change] = []
    lit: set[str] = set()
    owed: dict[str, str] = {}
    for step in group:
        for change in step.changes:
            lights_up = change.emphasis in ("active", *FLOWING)
            if lights_up or change.texts:
                lit |= {change.key} if lights_up else set()
                owed.pop(change.key, None)
            elif change.key in lit and change.emphasis is not None:
                owed[change.key] = change.emphasis
                continue
            changes.append(change)
    return tuple(changes), owed


def along(caption: tuple[str, ...], names: Sequence[str], *, alike: bool) -> tuple[str, ...]:
    """What a caption says of the first, and of what is told with it."""
    if not names:
        return caption
    shown = ", ".join(names[:MOST_NAMED])
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    said = f"and so for {shown}{more}" if alike else f"then {shown}{more}"
    return (*caption[:2], "; ".join(part for part in (" ".join(caption[2:]), said) if part))


def least_length(film: Film) -> float:
    """How short a film of these steps can be, in seconds at speed 1."""
    return sum(film.moves) + HURRIED * SHORTEST * len(film.steps)


def in_a_hurry(film: Film, seconds: float) -> Film:
    """The film with less time for each step where it would last too long."""
    least = HURRIED * SHORTEST
    spare = [max(hold - least, 0.0) for hold in film.holds]
    share = min(max((seconds - least_length(film)) / max(sum(spare), 1e-9), 0.0), 1.0)
    return film if film.length <= seconds else replace(film, holds=tuple([least + share * more for more in spare]))


def in_seconds(film: Film, seconds: float) -> Film:
    """The film, which lasts no longer; an error says how long it is at least."""
    made = in_a_hurry(film, seconds)
    if made.length > seconds + 1e-6:
        least = math.ceil(10 * least_length(film) / film.speed) / 10
        raise OptionError(
            f"max_seconds={seconds / film.speed:g} is too short for this film, which has at least {len(film.steps)}"
            f" steps; give at least {least:g}, a higher speed=, or fold parts of the program with boxes="
        )
    return made
