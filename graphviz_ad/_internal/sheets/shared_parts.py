"""Two graphs -> what they share: which nodes belong together, one name for both, one place for both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from graphviz_ad._internal.diagnosis.alignment import aligned
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.scene.scene import Arrow, Box, Group, Scene
from graphviz_ad._internal.scene.words.names import numbered_nodes

Pairs = Mapping[str, str]
Calls = Mapping[str, str]
ELSEWHERE = "second/"  # before the key of what only the second graph has, where both stand in one scene


# --- what belongs together


def pairs_shown(a: Graph, b: Graph, shown: tuple[Graph, Graph], pairs: Pairs) -> Pairs:
    """Of two graphs of which parts are folded or left out: what belongs together of what is shown, for whole graphs as
    it is there; boxes that only the shown ones have as those lie to each other.
    """
    first, second = shown
    kept = {here: there for here, there in pairs.items() if here in first.nodes and there in second.nodes}
    new = [{key for key in graph.nodes if key not in whole.nodes} for graph, whole in ((first, a), (second, b))]
    if all(new):
        kept |= {here: there for here, there in aligned(*shown).items() if here in new[0] and there in new[1]}
    return {node.key: kept[node.key] for node in first.node_list if node.key in kept}


# --- under the same name


def shared_calls(a: Graph, b: Graph, pairs: Pairs) -> tuple[Calls, Calls]:
    """What the nameless results of each are called, so that what both have has one name, and nothing else has it."""
    taken = {node.name for graph in (a, b) for node in graph.node_list}
    back = {there: here for here, there in pairs.items()}
    free = (name for name in map("v{}".format, count(1)) if name not in taken)
    first = {node.key: next(free) for node in numbered_nodes(a)}
    return first, {node.key: first.get(back.get(node.key, "")) or next(free) for node in numbered_nodes(b)}


# --- at the same place


@dataclass(frozen=True)
class Union:
    """One scene with all that two scenes have, and how the second one's boxes and arrows are called in it."""

    scene: Scene
    boxes: Mapping[str, str]
    arrows: Mapping[str, str]


def union_of(first: Scene, second: Scene, pairs: Pairs) -> Union | None:
    """Both scenes as one, in which what belongs together is there once; None where they contradict each other: where
    what comes first in one comes last in the other, or stands in other frames.
    """
    here = {there: key for key, there in pairs.items()}
    called = {box.key: here.get(box.key, ELSEWHERE + box.key) for box in second.boxes}
    slots = {slot_of(arrow, arrow.tail, arrow.head): arrow for arrow in first.arrows}
    twins = {arrow.key: slots.get(slot_of(arrow, called[arrow.tail], called[arrow.head])) for arrow in second.arrows}
    arrows = {key: ELSEWHERE + key if twin is None else twin.key for key, twin in twins.items()}
    groups = all_groups(first.groups, second.groups, called)
    if groups is None:
        return None
    boxes = [*first.boxes, *(replace(box, key=called[box.key]) for box in second.boxes if box.key not in here)]
    theirs = {
        arrows[arrow.key]: replace(arrow, key=arrows[arrow.key], tail=called[arrow.tail], head=called[arrow.head])
        for arrow in second.arrows
    }
    # a label that only one of both has needs room, too
    both = [arrow if arrow.lines else theirs.get(arrow.key, arrow) for arrow in first.arrows]
    known = {arrow.key for arrow in both}
    found = (*both, *[arrow for key, arrow in theirs.items() if key not in known])
    order = in_order(boxes, found)
    return None if order is None else Union(replace(first, boxes=order, arrows=found, groups=groups), called, arrows)


def all_groups(first: Sequence[Group], second: Sequence[Group], called: Mapping[str, str]) -> tuple[Group, ...] | None:
    """The frames of both; None where a box would stand in two of which neither is in the other."""
    found = {group.key: group for group in first}
    for group in second:
        boxes = tuple([called[key] for key in group.boxes])
        same = found.get(group.key)
        if same is not None and (same.parent, same.title) != (group.parent, group.title):
            return None
        old = same.boxes if same is not None else ()
        found[group.key] = replace(group, boxes=(*old, *[key for key in boxes if key not in old]))
    around: dict[str, set[str | None]] = {}
    for group in found.values():
        for key in group.boxes:
            around.setdefault(key, set()).add(group.key)
    return tuple(found.values()) if all(nested(keys, found) for keys in around.values()) else None


def nested(keys: set[str | None], groups: Mapping[str, Group]) -> bool:
    """Whether each of these frames is in the next one."""
    return sum([groups[key].parent not in keys for key in keys if key]) == 1


def in_order(boxes: Sequence[Box], arrows: Sequence[Arrow]) -> tuple[Box, ...] | None:
    """The boxes, none before what it is made of; None where arrows go in a circle."""
    heads: dict[str, list[str]] = {}
    for arrow in arrows:
        heads.setdefault(arrow.tail, []).append(arrow.head)
    waits = Counter(arrow.head for arrow in arrows)
    by_key = {box.key: box for box in boxes}
    ready = [box.key for box in reversed(boxes) if not waits[box.key]]
    found: list[Box] = []
    while ready:
        key = ready.pop()
        found.append(by_key[key])
        for head in reversed(heads.get(key, [])):
            waits[head] -= 1
            if not waits[head]:
                ready.append(head)
    return tuple(found) if len(found) == len(boxes) else None


def parted(union: Union, first: Scene, second: Scene) -> tuple[Scene, Scene]:
    """Both scenes, in the places that a placed union gives them."""
    same = {box.key: box.key for box in first.boxes}, {arrow.key: arrow.key for arrow in first.arrows}
    return placed_as(first, union.scene, *same), placed_as(second, union.scene, union.boxes, union.arrows)


def placed_as(scene: Scene, union: Scene, boxes: Mapping[str, str], arrows: Mapping[str, str]) -> Scene:
    """A scene in the places that the union of it and another one gives to its parts."""
    lines = {arrow.key: arrow for arrow in union.arrows}
    frames = {group.key: group for group in union.groups}
    return replace(
        scene,
        boxes=tuple([replace(box, center=union.box_by_key[boxes[box.key]].center) for box in scene.boxes]),
        arrows=tuple(
            [
                replace(arrow, path=lines[arrows[arrow.key]].path, label_center=lines[arrows[arrow.key]].label_center)
                for arrow in scene.arrows
            ]
        ),
        groups=tuple(
            [replace(group, corner=frames[group.key].corner, size=frames[group.key].size) for group in scene.groups]
        ),
        direction=union.direction,
        notes=union.notes,
        size=union.size,
        engine=union.engine,
    )


def as_large_as(scene: Scene, other: Scene, pairs: Pairs) -> Scene:
    """The scene with no box and no label smaller than that of the same thing in the other one."""
    twins = {slot_of(arrow, arrow.tail, arrow.head): arrow for arrow in other.arrows}
    boxes, arrows = [], []
    for box in scene.boxes:
        twin = other.box_by_key.get(pairs.get(box.key, ""))
        boxes.append(
            box if twin is None else replace(box, width=max(box.width, twin.width), height=max(box.height, twin.height))
        )
    for arrow in scene.arrows:
        same = twins.get(slot_of(arrow, pairs.get(arrow.tail, ""), pairs.get(arrow.head, "")))
        arrows.append(
            replace(arrow, width=max(arrow.width, same.width), height=max(arrow.height, same.height))
            if same is not None and arrow.lines and same.lines
            else arrow
        )
    return replace(scene, boxes=tuple(boxes), arrows=tuple(arrows))


def slot_of(arrow: Arrow, tail: str, head: str) -> tuple[str, str, int]:
    """What an arrow between these boxes is called: which operand it is."""
    return tail, head, arrow.slot
