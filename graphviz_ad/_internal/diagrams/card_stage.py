"""Cards with what is told of them -> the stage of a film: of all levels, directions and rows, the largest letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from graphviz_ad._internal.diagrams.layer_scenes import Layer, Link, numbered, scene_of
from graphviz_ad._internal.film.staging import READABLE
from graphviz_ad._internal.layouts.choice import place_scene
from graphviz_ad._internal.layouts.row_wrapping import best_rows
from graphviz_ad._internal.scene.paint import scale_of
from graphviz_ad._internal.scene.picture_options import DIRECTIONS
from graphviz_ad._internal.scene.scene import Scene


def stage_of_cards(
    name: str, levels: Sequence[tuple[Sequence[Layer], Sequence[Link]]], size: tuple[int, int]
) -> tuple[Scene, int]:
    """The placed scene, on the first level that can be read on a frame of that size, and which level that is."""
    found: list[tuple[float, Scene, int]] = []
    for i, (layers, links) in enumerate(levels):
        for direction in DIRECTIONS:
            scene = replace(scene_of(name, numbered(layers), links), direction=direction)
            rows = best_rows(place_scene(scene, "auto"), partial(scale_of, size=size))
            found.append((scale_of(rows.size, size), rows.settled(), i))
        scale, best, level = max(found, key=lambda one: one[0])
        if scale >= READABLE:
            return best, level
    scale, best, level = max(found, key=lambda one: one[0])
    return best, level
