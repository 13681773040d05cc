"""Scene without places -> the least room that any layout of it takes, in however many rows: what cannot be read in
that need not be placed.

Boxes of a chain of arrows stand one behind the other. A picture is cut into rows only where one arrow leads on, and so
never through what hangs together by more than one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphviz_ad._internal.scene.scene import Point, Scene

GAP = 12.0  # points between two boxes of a chain, at least, whichever engine places them
Link = tuple[int, int]  # tail and head, as numbers of boxes


def least_room(scene: Scene) -> Point:
    """Width and height that no layout of the scene is below, where one arrow at most leads from row to row."""
    flat = scene.direction != "TB"
    long = [box.width if flat else box.height for box in scene.boxes]
    broad = [box.height if flat else box.width for box in scene.boxes]
    place = {box.key: n for n, box in enumerate(scene.boxes)}
    links = [(place[arrow.tail], place[arrow.head]) for arrow in scene.arrows if arrow.tail != arrow.head]
    kept = without_bridges(len(long), links)
    along, across = longest_chain(long, kept), max(broad, default=0.0)
    return (along, across) if flat else (across, along)


def longest_chain(lengths: Sequence[float], links: Sequence[Link]) -> float:
    """How long the longest way along links is; of those that lead back to an earlier box nothing is counted."""
    reach = list(lengths)
    for tail, head in sorted(links):
        if tail < head:
            reach[head] = max(reach[head], reach[tail] + GAP + lengths[head])
    return max(reach, default=0.0)


def without_bridges(count: int, links: Sequence[Link]) -> list[Link]:
    """The links without those that alone join two parts."""
    around: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for number, (tail, head) in enumerate(links):
        around[tail].append((number, head))
        around[head].append((number, tail))
    bridges: set[int] = set()
    met = [-1] * count
    lowest = [0] * count
    clock = 0
    for start in range(count):
        if met[start] >= 0:
            continue
        met[start] = lowest[start] = clock
        clock += 1
        ways: list[tuple[int, int, Iterator[tuple[int, int]]]] = [(start, -1, iter(around[start]))]
        while ways:
            box, came, rest = ways[-1]
            number, other = next(rest, (-1, -1))
            if number < 0:
                ways.pop()
                if ways:
                    before = ways[-1][0]
                    lowest[before] = min(lowest[before], lowest[box])
                    if lowest[box] > met[before]:
                        bridges.add(came)
            elif number != came and met[other] < 0:
                met[other] = lowest[other] = clock
                clock += 1
                ways.append((other, number, iter(around[other])))
            elif number != came:
                lowest[box] = min(lowest[box], met[other])
    return [link for number, link in enumerate(links) if number not in bridges]
