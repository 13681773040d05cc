"""Graph -> the modules that get a frame around what is in them, and names without what that frame says already."""

from __future__ import annotations

from collections.abc import Collection

from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.scene.words.short_text import child_name

ModulePath = tuple[str, ...]


def frames_of(graph: Graph) -> tuple[ModulePath, ...]:
    """The modules that get a frame: those with at least two things in them."""
    children: dict[ModulePath, set[str]] = {}
    for node in graph.node_list:
        path = node.module
        for depth in range(1, len(path) + 1):
            children.setdefault(path[:depth], set()).add(path[depth] if depth < len(path) else node.key)
    return tuple(path for path, found in children.items() if len(found) > 1)


def frame_around(path: ModulePath, frames: Collection[ModulePath]) -> ModulePath | None:
    """The innermost frame around a module path."""
    return next((path[:depth] for depth in range(len(path), 0, -1) if path[:depth] in frames), None)


def within_frame(name: str, path: ModulePath, frames: Collection[ModulePath]) -> str:
    """A dotted name without what the frame around it says already."""
    frame = frame_around(path, frames)
    return child_name(name.removeprefix(f"{frame[-1]}.")) if frame else child_name(name)
