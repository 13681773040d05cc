"""The groups of a Scene -> who is inside whom, and the room that a title takes."""

from __future__ import annotations

from collections.abc import Mapping

from graphviz_ad._internal.scene.font_metrics import text_width
from graphviz_ad._internal.scene.scene import Group, Scene

TITLE_EM = 12.5  # as `graphviz_ad._internal.scene.paint` sets it
WIDEST_TITLE = 260.0  # a longer title is shortened rather than stretching its frame


def title_size(group: Group) -> tuple[float, float]:
    """Width and height in points of the title line; (0, 0) without a title."""
    if not group.title:
        return 0.0, 0.0
    return min(text_width(group.title, TITLE_EM, bold=True) + 8, WIDEST_TITLE), 14.0


def parents(scene: Scene) -> dict[str, str | None]:
    """Key of a group -> key of the frame around it; None where that is nothing, not in the scene, or inside the
    group itself.
    """
    named = {group.key: group.parent for group in scene.groups}
    found: dict[str, str | None] = {}
    for key, parent in named.items():
        above = parent if parent in named else None
        step = above
        while step is not None and step != key:
            step = found.get(step)  # not yet found: cannot lead back here without passing this group again
        found[key] = None if step == key else above
    return found


def depths(tree: Mapping[str, str | None]) -> dict[str, int]:
    """Key of a group -> how many frames are around it."""
    result = {}
    for key in tree:
        depth, above = 0, tree[key]
        while above is not None:
            depth, above = depth + 1, tree[above]
        result[key] = depth
    return result


def innermost_groups(scene: Scene) -> dict[str, str]:
    """Key of a box -> key of the innermost group that lists it; boxes outside all groups are missing."""
    depth = depths(parents(scene))
    home: dict[str, str] = {}
    for group in scene.groups:
        for key in group.boxes:
            if key not in home or depth[group.key] > depth[home[key]]:
                home[key] = group.key
    return home
