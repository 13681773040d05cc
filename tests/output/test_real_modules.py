"""Modules as people write them in every format: each file is opened again by a reader that is not ours, and a set is
whole.

``FUZZ=1`` takes whole films of all operations, and the chain-rule paths to a leaf, where the suite takes a few steps
of each.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from real_modules import MODULES
from reopened import FILM_READERS, STILL_READERS

import graphviz_ad as gad
from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.cli.targets import SAVED
from graphviz_ad._internal.output.format_table import COMPANIONS, FILMS, STILLS, WHOLE_SET

WHOLE = bool(int(os.environ.get("FUZZ", "0")))
SMALL = {".gif": 0.1, ".mp4": 0.1, ".webm": 0.1, ".webp": 0.1, ".png": 0.1}  # what costs by the pixel
THIRD = list(MODULES)[::3]  # of which films are made in pixels, too, if not of all
# formats in which the name of the graph stands
WORDS = {".svg", ".html", ".pdf", ".dot", ".gv", ".json", ".graphml", ".reveal.html", ".txt", ".pptx"}
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{warning}")
    for warning in ("DejaVu Sans has no glyph", "a picture of .* is too large for 2 pixels")
]


@lru_cache(maxsize=1)
def traced(name: str) -> gad.Graph:
    torch.manual_seed(0)
    module, inputs = MODULES[name]()
    return gad.trace(module, *inputs)


def films(graph: gad.Graph) -> Iterator[gad.Animation]:
    """The film by modules, of which four steps; or every film that there is."""
    if not WHOLE:
        film = graph.animate(steps="module", layout="layered")
        short = (*film.steps[:2], *film.steps[-2:])  # what moves has tests of its own
        yield replace(film, film=replace(film.film, steps=short, motion=False))
        return
    yield graph.animate()
    for name in names_of_leaves(graph)[-1:]:
        yield graph.animate(wrt=name, layout="layered")


def pictures(graph: gad.Graph) -> Iterator[gad.Picture]:
    yield graph.plot(layout="layered", depth=1)
    yield graph.plot(layout="layered", with_all=True)
    for name in names_of_leaves(graph)[: 2 if WHOLE else 1]:
        yield graph.plot(layout="layered", wrt=name)


def names_of_leaves(graph: gad.Graph) -> list[str]:
    return [node.name for node in graph.node_list if node.kind == "leaf" and node.name and node.requires_grad]


def found(words: str, graph: gad.Graph) -> bool:
    """Whether the name of the graph stands in what a reader found, whatever it makes of spaces."""
    return "".join(visible(graph.name).split()) in "".join(words.split())


@pytest.mark.parametrize("name", MODULES, scope="module")
def test_every_still_format_takes_a_real_module(name: str, tmp_path: Path) -> None:
    for number, picture in enumerate(pictures(traced(name))):
        for suffix in STILLS if number == 0 or WHOLE else (".svg", ".pdf", ".tikz", ".dot"):
            words = STILL_READERS[suffix](picture.save(tmp_path / f"p{suffix}"))
            assert suffix not in WORDS or found(words, traced(name)), suffix


@pytest.mark.parametrize("name", MODULES, scope="module")
def test_every_film_format_takes_a_real_module(name: str, tmp_path: Path) -> None:
    for film in films(traced(name)):
        for suffix in FILMS if WHOLE or name in THIRD else [each for each in FILMS if each not in SMALL]:
            options: dict[str, Any] = {"scale": SMALL[suffix]} if suffix in SMALL else {}
            words = FILM_READERS[suffix](film.save(tmp_path / f"f{suffix}", **options))
            assert suffix not in WORDS or found(words, traced(name)), suffix


@pytest.mark.parametrize("name", list(MODULES) if WHOLE else THIRD, scope="module")
def test_a_set_of_a_real_module_is_whole(name: str, tmp_path: Path) -> None:
    (film, *_) = films(traced(name))
    film = replace(film, film=replace(film.film, size=(640, 360)))
    paths = film.save_all(tmp_path / "lecture")
    assert {path.name for path in paths} == {path.name for path in tmp_path.iterdir()}
    beside = [ending for suffix in WHOLE_SET for ending in COMPANIONS.get(suffix, ())]
    assert {path.name for path in paths} == {f"lecture{ending}" for ending in (*WHOLE_SET, *beside)}
    for suffix in WHOLE_SET:
        FILM_READERS[suffix](tmp_path / f"lecture{suffix}")


@pytest.mark.parametrize("name", MODULES, scope="module")
def test_a_saved_graph_of_a_real_module_is_that_graph(name: str, tmp_path: Path) -> None:
    graph = traced(name)
    for suffix in SAVED:
        path = graph.save(tmp_path / f"g{suffix}")
        STILL_READERS[suffix](path)
        loaded = gad.Graph.load(path)
        assert (loaded.name, loaded.node_list, loaded.edges, loaded.notices) == (
            graph.name,
            graph.node_list,
            graph.edges,
            graph.notices,
        )
