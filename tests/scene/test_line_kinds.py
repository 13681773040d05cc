"""A line is a role, a kind and a text: pictures are drawn, and films staged, by the first two, whatever the text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_programs import PROGRAMS, graph

import graphviz_ad as gad
from graphviz_ad._internal.film.staging import Manner
from graphviz_ad._internal.scene.scene import Arrow, Box, Fact
from graphviz_ad._internal.scene.scene_building import build_scene, roles_legend, slimmer
from graphviz_ad._internal.scene.words.describe import words_of_graph

PACKAGE = Path(gad.__file__).parent / "_internal"
READERS = ("scene", "layouts", "film", "renderers", "sheets")
WORDED = ("text", "role", "label", "caption")  # what words are kept in
SEARCHES = (
    "startswith",
    "endswith",
    "partition",
    "rpartition",
    "split",
    "removeprefix",
    "removesuffix",
    "find",
    "index",
)
MODULES = [path for room in READERS for path in sorted((PACKAGE / room).rglob("*.py"))]
READING = [path.relative_to(PACKAGE).as_posix() for path in MODULES if path.parent != PACKAGE / "scene/words"]
NONSENSE = "← Σ = ∂ … ± local ? :"


def nonsense(part: Box | Arrow) -> Box | Arrow:
    """The part with other words, which look like all that ever was looked for."""
    return replace(
        part, lines=tuple(replace(line, text=NONSENSE) for line in part.lines), hover=(Fact(NONSENSE, NONSENSE),)
    )


def searched(path: Path) -> Iterator[str]:
    """Where a module looks into words."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Compare) and any(isinstance(operator, (ast.In, ast.NotIn)) for operator in node.ops):
            yield from (
                ast.unparse(node)
                for right in node.comparators
                if isinstance(right, ast.Attribute) and right.attr in WORDED
            )
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SEARCHES:
            whose = node.func.value
            if (isinstance(whose, ast.Attribute) and whose.attr in WORDED) or (
                isinstance(whose, ast.Name) and whose.id == "role"
            ):
                yield ast.unparse(node)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_legend_is_about_kinds_of_lines_not_about_their_words(name: str) -> None:
    scene = build_scene(words_of_graph(graph(name)))
    assert tuple(roles_legend(map(nonsense, scene.boxes), map(nonsense, scene.arrows), values=True)) == scene.legend  # type: ignore[arg-type]


def test_what_a_film_leaves_out_is_chosen_by_kinds_of_lines_not_by_their_words() -> None:
    torch.manual_seed(0)
    traced = gad.trace(
        lambda x, w: torch.tanh(x @ w).sum() + x.mean(),
        torch.randn(30, 20, requires_grad=True),
        torch.randn(20, 9, requires_grad=True),
    )
    boxes = build_scene(words_of_graph(traced)).boxes
    kinds = {line.kind for box in boxes for line in box.lines}
    assert {"formula", "spread"} <= kinds
    for manner in (Manner(), Manner(signs=False), Manner(statistics=False)):
        left = [slimmer(box, {}, signs=manner.signs, statistics=manner.statistics) for box in boxes]
        other = [slimmer(nonsense(box), {}, signs=manner.signs, statistics=manner.statistics) for box in boxes]  # type: ignore[arg-type]
        assert [(box.badge, [line.key for line in box.lines]) for box in left] == [
            (box.badge, [line.key for line in box.lines]) for box in other
        ]


def test_a_line_of_a_box_has_a_key_of_its_own() -> None:
    for name in PROGRAMS:
        for box in build_scene(words_of_graph(graph(name))).boxes:
            keys = [line.key for line in box.lines if line.role != "note"]
            assert len(keys) == len(set(keys)), keys


@pytest.mark.parametrize("module", READING)
def test_nobody_looks_into_words_for_what_they_mean(module: str) -> None:
    assert not list(searched(PACKAGE / module))
