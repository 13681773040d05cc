"""Scene -> placed Scene by the engine of a given name, or by the one that will do: dot while it is quick, else our own.

Which one that is depends on the scene alone, never on a clock: the same program gives the same picture on a busy
machine.
"""

from __future__ import annotations

from dataclasses import replace

from graphviz_ad._internal.base.errors import LayoutError, LayoutTimeout
from graphviz_ad._internal.layouts import LAYOUTS
from graphviz_ad._internal.layouts.columns import predicted_size
from graphviz_ad._internal.scene.scene import Scene

LARGEST = 6000  # boxes, bends and labels; beyond this, dot takes longer than anybody waits


def place(scene: Scene, layout: str = "auto", seconds: float | None = None) -> Scene:
    """The scene placed by the named engine, which gets so many seconds, or as many as it takes of itself; a placed
    scene is returned as it is.
    """
    engine = LAYOUTS[layout]
    placed: Scene = scene if scene.placed else engine(scene) if seconds is None else engine(scene, seconds=seconds)
    return placed


def place_automatically(scene: Scene, *, seconds: float | None = None) -> Scene:
    """The scene placed by dot; where that is too much work or not there, by the built-in layout, which a note then
    says.

    That time is up is an error: to draw something else then would be to draw by the clock.
    """
    size = predicted_size(scene)
    if size > LARGEST:
        return _built_in(scene, f"the graph is too large for Graphviz (about {size} places to find)")
    try:
        return place(scene, "dot", seconds)
    except LayoutTimeout:
        raise
    except LayoutError as error:
        return _built_in(scene, str(error).partition(";")[0])


def _built_in(scene: Scene, reason: str) -> Scene:
    note = f"Placed by the small built-in layout, because {reason}."
    placed: Scene = LAYOUTS["layered"](replace(scene, notes=(*scene.notes, note)), seconds=0.0)
    return placed
