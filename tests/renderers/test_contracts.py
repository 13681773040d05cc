"""Every layout with every format: something is written, it is the same twice, and each stage keeps what it was
given.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from needed_tools import needs_tool
from small_programs import graph

from graphviz_ad._internal.layouts import LAYOUTS
from graphviz_ad._internal.output.format_table import FILMS, STILLS
from graphviz_ad._internal.scene.scene import Scene

PROGRAMS = ("square", "colah", "detach", "several_results")
PLACES = [name for name in LAYOUTS if name != "auto"]
BY_MATPLOTLIB = {".png", ".pdf"}  # slow, and the same marks whoever placed them
# slow, and frames of the marks that the other formats write: of one program
BY_PIXELS, FILMED = {".gif", ".mp4", ".png", ".webm", ".webp"}, "square"


@cache
def drawn(name: str, layout: str, film: bool, again: int) -> Any:
    """A picture or a film, made anew for each number."""
    del again
    if layout == "system-dot":
        needs_tool("dot")
    return graph(name).animate(layout=layout) if film else graph(name).plot(layout=layout)


@pytest.mark.parametrize("layout", PLACES)
@pytest.mark.parametrize("name", PROGRAMS)
def test_every_still_format_writes_the_same_bytes_twice(name: str, layout: str) -> None:
    for suffix in {*STILLS} - (BY_MATPLOTLIB if layout != "layered" else set()):
        first, second = (STILLS[suffix](drawn(name, layout, False, i)) for i in (0, 1))
        assert isinstance(first, bytes), suffix
        assert first, suffix
        assert first == second, suffix


@pytest.mark.parametrize(
    ("name", "suffix"), [(name, each) for name in PROGRAMS for each in FILMS if name == FILMED or each not in BY_PIXELS]
)
def test_every_film_format_writes_the_same_bytes_twice(name: str, suffix: str) -> None:
    first, second = (FILMS[suffix](drawn(name, "layered", True, i)) for i in (0, 1))
    assert first
    assert first == second


@pytest.mark.parametrize("layout", PLACES)
@pytest.mark.parametrize("name", PROGRAMS)
def test_every_layout_gives_films_a_stage(name: str, layout: str) -> None:
    made = drawn(name, layout, True, 0)
    assert made.film.stage.placed
    assert made.film.scene(-1) == made.film.stage
    assert FILMS[".html"](made)


@pytest.mark.parametrize("layout", PLACES)
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_layout_only_places(name: str, layout: str) -> None:
    placed, other = drawn(name, layout, False, 0).scene, drawn(name, "layered", False, 0).scene

    def content(scene: Scene) -> list[object]:
        boxes = [(box.key, box.kind, box.lines, box.width, box.height, box.badge, box.double) for box in scene.boxes]
        return [
            boxes,
            [(arrow.key, arrow.tail, arrow.head, arrow.lines, arrow.width, arrow.height) for arrow in scene.arrows],
            scene.alt,
            scene.legend,
        ]

    assert content(placed) == content(other)
    assert placed.engine
    for arrow in placed.arrows:
        assert len(arrow.path) >= 4
        assert len(arrow.path) % 3 == 1
        assert (arrow.label_center is not None) == bool(arrow.lines)


@pytest.mark.parametrize("layout", PLACES)
def test_a_path_leads_from_the_border_of_its_tail_to_the_border_of_its_head(layout: str) -> None:
    for name in PROGRAMS:
        scene = drawn(name, layout, False, 0).scene
        for arrow in scene.arrows:
            for key, point in ((arrow.tail, arrow.path[0]), (arrow.head, arrow.path[-1])):
                box = scene.box_by_key[key]
                across, down = (
                    abs(point[0] - box.center[0]) - box.width / 2,
                    abs(point[1] - box.center[1]) - box.height / 2,
                )
                assert max(across, down) == pytest.approx(0, abs=3), (arrow.key, key)
