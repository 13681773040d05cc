"""A frozen record behaves as the dataclass that it stands for."""

from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, fields, replace

import pytest

from graphviz_ad._internal.base.frozen import changed, frozen


@frozen
class Point:
    x: float
    y: float = 2.0
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plain:
    x: float
    y: float = 2.0
    tags: tuple[str, ...] = ()


def test_it_is_made_shown_and_compared_like_a_dataclass() -> None:
    point = Point(1.0, tags=("a",))
    assert (point.x, point.y, point.tags) == (1.0, 2.0, ("a",))
    assert repr(point) == repr(Plain(1.0, tags=("a",))).replace("Plain", "Point")
    assert point == Point(1.0, 2.0, ("a",))
    assert point != Point(1.0)
    assert hash(point) == hash(Point(1.0, 2.0, ("a",)))
    assert [field.name for field in fields(Point)] == ["x", "y", "tags"]  # type: ignore[arg-type]
    assert str(inspect.signature(Point)) == str(inspect.signature(Plain))


@pytest.mark.parametrize("name", ["x", "unknown"])
def test_nothing_can_be_changed_afterwards(name: str) -> None:
    point = Point(1.0)
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        setattr(point, name, 3.0)
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        delattr(point, name)
    assert point == Point(1.0)


def test_copies_are_equal_and_of_the_same_class() -> None:
    point = Point(1.0)
    for other in (copy.copy(point), copy.deepcopy(point), pickle.loads(pickle.dumps(point)), replace(point, y=2.0)):  # type: ignore[type-var]
        assert type(other) is Point
        assert other == point


def test_one_with_changes_is_another_and_as_locked() -> None:
    point = Point(1.0, tags=("a",))
    other = changed(point, y=3.0)
    assert (type(other), other, point) == (Point, replace(point, y=3.0), Point(1.0, tags=("a",)))  # type: ignore[type-var]
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        other.y = 4.0
    with pytest.raises(AttributeError):
        changed(point, z=1.0)


def test_what_is_missing_is_said() -> None:
    with pytest.raises(TypeError, match="x"):
        Point()  # type: ignore[call-arg]
