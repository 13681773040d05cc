"""Annotation -> whether a value is what it says, and what would be, in words: the types of public arguments are
written down once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Protocol, TypeVar, Union, get_args, get_origin, runtime_checkable

from graphviz_ad._internal.base.errors import OptionError, UnknownNameError

MOST_SHOWN = 80  # characters of a value in a message


@dataclass(frozen=True)
class Says:
    """What an annotation cannot say of an argument: ``Annotated[float, Says("2 plays twice as fast", least=0.01,
    most=100)]``.

    ``kind`` is what its values are called in errors ("theme"), ``names`` those that there are, ``unit`` what a number
    counts. ``metavar`` stands for the value on the command line; where it is empty, there is no flag.
    """

    help: str
    kind: str = ""
    names: Collection[str] = ()
    least: float = -inf
    most: float = inf
    unit: str = ""
    hint: str = ""
    metavar: str = "VALUE"


@runtime_checkable
class Writable(Protocol):
    """A file that is open for bytes, or what does as one."""

    def write(self, data: bytes, /) -> object:
        """Take in the bytes."""


@runtime_checkable
class Axes(Protocol):
    """An Axes of matplotlib, told by what is asked of it, so that nobody has to import matplotlib."""

    def set_xlim(self, *args: Any, **kwargs: Any) -> Any:
        """Choose what is shown from left to right."""

    def add_artist(self, *args: Any, **kwargs: Any) -> Any:
        """Take in something to draw."""

    def get_shared_x_axes(self) -> Any:
        """Which others show the same."""


StrPath = str | os.PathLike[str]
Destination = StrPath | Writable


def demand(name: str, value: object, kind: Any) -> None:
    """Raise unless the value is what the annotation says: what was given, why it cannot be, what can."""
    says = said_of(kind)
    if fits_type(value, kind):
        if isinstance(value, str) and says.names and value not in says.names:
            raise UnknownNameError(says.kind or name, value, says.names, says.hint)
        number: Any = value
        if isinstance(value, Real) and not isinstance(value, bool) and not says.least <= number <= says.most:
            raise refusal(name, value, kind)
        return
    choices = [choice for choice in literals(kind) if isinstance(choice, str)]
    if isinstance(value, str) and choices:
        raise UnknownNameError(says.kind or name, value, choices, says.hint)
    raise refusal(name, value, kind)


def refusal(name: str, value: object, kind: Any) -> OptionError:
    """The error for a value of the wrong type, or out of bounds."""
    says = said_of(kind)
    what = f"is no {says.kind}" if says.kind else f"({type(value).__name__}) cannot be"
    return OptionError(
        f"{name}={shown_value(value)} {what}; give {type_in_words(kind)}{f': {says.help}' if says.help else ''}"
    )


def shown_value(value: object) -> str:
    """A value in a message, cut short."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # the value is the user's, and so is its fault
        return f"a {type(value).__name__}"
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def said_of(kind: Any) -> Says:
    """What is said of the argument beside its type."""
    notes = get_args(kind)[1:] if get_origin(kind) is Annotated else ()
    return next((note for note in notes if isinstance(note, Says)), Says(""))


def bare(kind: Any) -> Any:
    """The type alone."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def alternatives(kind: Any) -> tuple[Any, ...]:
    """The types of a union; of any other the type itself."""
    kind = bare(kind)
    return (
        tuple(part for each in get_args(kind) for part in alternatives(each))
        if get_origin(kind) in (Union, UnionType)
        else (kind,)
    )


def literals(kind: Any) -> tuple[object, ...]:
    """The values that a type spells out."""
    return tuple(value for each in alternatives(kind) if get_origin(each) is Literal for value in get_args(each))


# --- what fits


def fits_type(value: object, kind: Any) -> bool:
    """Whether a value is of the type."""
    return any(FITS.get(get_origin(each) or each, is_instance)(value, each) for each in alternatives(kind))


def anything(value: object, kind: Any) -> bool:
    """Whatever it is."""
    return True


def is_instance(value: object, kind: Any) -> bool:
    """An object of a class; a type that is none, such as one of a function's own variables, refuses nothing."""
    kind = get_origin(kind) or kind
    return not isinstance(kind, type) or isinstance(value, kind)


def is_integer(value: object, kind: Any) -> bool:
    """A whole number, numpy's too, that is no truth value."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_real_number(value: object, kind: Any) -> bool:
    """A finite real number."""
    number: Any = value
    return isinstance(value, Real) and not isinstance(value, bool) and -inf < number < inf


def is_truth(value: object, kind: Any) -> bool:
    """True or False, numpy's too."""
    return isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")


def is_literal(value: object, kind: Any) -> bool:
    """One of the values that are spelled out."""
    return any(type(value) is type(choice) and value == choice for choice in get_args(kind))


def is_list(value: object, kind: Any) -> bool:
    """A list or tuple of what fits; a text is none."""
    if not isinstance(value, (list, tuple)):
        return False
    parts = get_args(kind)
    if get_origin(kind) is tuple and parts[1:] and parts[-1] is not Ellipsis:
        return len(value) == len(parts) and all(map(fits_type, value, parts))
    return all(fits_type(element, parts[0]) for element in value) if parts else True


def is_iterable(value: object, kind: Any) -> bool:
    """Something to go through that is no text; its elements are not looked at, since that might use them up."""
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes))


def is_mapping(value: object, kind: Any) -> bool:
    """A mapping whose keys and values fit."""
    if not isinstance(value, Mapping):
        return False
    keys, values = get_args(kind) or (Any, Any)
    return all(fits_type(key, keys) and fits_type(value[key], values) for key in value)


def is_callable(value: object, kind: Any) -> bool:
    """A function, or what does as one."""
    return callable(value)


FITS: Mapping[Any, Callable[[object, Any], bool]] = {
    Any: anything,
    object: anything,
    TypeVar: anything,
    None: lambda value, kind: value is None,
    NoneType: lambda value, kind: value is None,
    bool: is_truth,
    int: is_integer,
    float: is_real_number,
    Literal: is_literal,
    list: is_list,
    tuple: is_list,
    Sequence: is_list,
    Iterable: is_iterable,
    Mapping: is_mapping,
    Callable: is_callable,
}


# --- in words


def type_in_words(kind: Any) -> str:
    """What can be given: "a whole number from 1, or None"."""
    says, found = said_of(kind), []
    for each in alternatives(kind):
        words = WORDS.get(get_origin(each) or each) or f"a {getattr(each, '__name__', each)}"
        found.append(
            " or ".join(map(repr, get_args(each)))
            if get_origin(each) is Literal
            else words + bounds(says) * (each in (int, float))
        )
    if says.names:
        found = [", ".join(map(repr, says.names)) if words == WORDS[str] else words for words in found]
    return ", or ".join(dict.fromkeys(found))


def bounds(says: Says) -> str:
    """ " from 1 to 100"."""
    return f"{f' from {says.least:g}' * (says.least > -inf)}{f' to {says.most:g}' * (says.most < inf)}"


WORDS: Mapping[Any, str] = {
    None: "None",
    NoneType: "None",
    str: "a text",
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    list: "a list",
    tuple: "a tuple",
    Sequence: "a list",
    Iterable: "a list",
    Mapping: "a mapping",
    Callable: "a function",
    os.PathLike: "a path",
    Axes: "an Axes of matplotlib",
    Writable: "a file that is open for bytes",
}
