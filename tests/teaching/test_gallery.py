"""Each file of gallery/ is a small function; its picture stands beside it and changes only when somebody says so.

After looking at what changed (``*.changed.svg`` beside the accepted picture), accept it: ``GAD_ACCEPT=1 python -m
pytest tests/test_gallery.py``.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import graphviz_ad as gad

GALLERY = Path(__file__).parent / "gallery"
NAMES = sorted(path.stem for path in GALLERY.glob("*.py"))
NUMBER = re.compile(r"-?\d+\.\d+")


@cache
def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"gallery_{name}", GALLERY / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@cache
def graph(name: str) -> gad.Graph:
    here = module(name)
    (function,) = [
        value for value in vars(here).values() if inspect.isfunction(value) and value.__module__ == here.__name__
    ]
    return gad.trace(function, *here.INPUTS, grad_outputs=getattr(here, "GRAD_OUTPUTS", None))


def rounded(svg: str) -> str:
    """The document with its numbers to one decimal: fractions of a pixel are nobody's business."""
    return NUMBER.sub(lambda match: f"{float(match.group()):.1f}".replace("-0.0", "0.0"), svg)


def drawn(name: str) -> str:
    return rounded(graph(name).to_svg(layout="layered")) + "\n"


def compare(name: str, now: str, folder: Path, *, accept: bool) -> str | None:
    """What is wrong with a picture, or None; writes what is to be looked at beside the accepted one."""
    accepted, changed = folder / f"{name}.svg", folder / f"{name}.changed.svg"
    if accept:
        accepted.write_text(now, "utf-8")
    if accepted.is_file() and accepted.read_text("utf-8") == now:
        changed.unlink(missing_ok=True)
        return None
    changed.write_text(now, "utf-8")
    why = "looks different" if accepted.is_file() else "is new"
    return f"the picture of {name} {why}: look at {changed}, then accept it with GAD_ACCEPT=1 or mend the code"


@pytest.mark.parametrize("name", NAMES)
def test_the_picture_is_the_accepted_one(name: str) -> None:
    problem = compare(name, drawn(name), GALLERY, accept=os.environ.get("GAD_ACCEPT") == "1")
    if problem:
        pytest.fail(problem, pytrace=False)


@pytest.mark.parametrize("name", NAMES)
def test_the_gradients_of_the_gallery_add_up(name: str) -> None:
    assert graph(name).check().ok


@pytest.mark.parametrize(
    ("name", "gradients"),
    {
        "broadcast_bias": {"b": [9.0, 12.0]},
        "colah": {"a": 2.0, "b": 5.0},
        "cs231n_circuit": {"x": -4.0, "y": -4.0, "z": 3.0},
        "detach": {"x": [0.0, 1.0, 4.0, 9.0]},
        "karpathy_expression": {"a": 6.0, "b": -4.0, "c": -2.0, "f": 4.0},
        "own_sigmoid": {"b": 0.14914645207033286},
        "two_outputs": {"x": 3.0},
        "two_paths_and_a_quotient": {"x1": 0.23283374747559749, "x2": 1.6165488003791766},
    }.items(),
)
def test_the_gradients_of_the_gallery_are_those_of_the_books(name: str, gradients: dict[str, Any]) -> None:
    for leaf, expected in gradients.items():
        grad = graph(name).find(leaf).grad
        assert grad is not None
        assert grad.array is not None
        assert grad.array.tolist() == pytest.approx(expected, abs=1e-9)


def test_every_picture_belongs_to_a_file() -> None:
    assert {path.stem for path in GALLERY.glob("*.svg") if not path.stem.endswith(".changed")} == set(NAMES)


def test_a_changed_picture_is_laid_beside_the_accepted_one_until_it_is_accepted(tmp_path: Path) -> None:
    assert "is new" in (compare("x", "one", tmp_path, accept=False) or "")
    assert compare("x", "one", tmp_path, accept=True) is None
    assert [path.name for path in tmp_path.iterdir()] == ["x.svg"]
    assert "looks different" in (compare("x", "two", tmp_path, accept=False) or "")
    assert (tmp_path / "x.svg").read_text() == "one"
    assert (tmp_path / "x.changed.svg").read_text() == "two"
    assert compare("x", "one", tmp_path, accept=False) is None
    assert not (tmp_path / "x.changed.svg").exists()


def test_a_fraction_of_a_pixel_is_no_change() -> None:
    assert rounded('<a x="1.04" y="-0.01" z="12"/>') == '<a x="1.0" y="0.0" z="12"/>'
