"""Function + table of options -> the public function: its signature, its help, and its arguments checked before any
work is done.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cache, wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Concatenate, ParamSpec, Protocol, Self, TypeVar, cast, get_type_hints, overload

from graphviz_ad._internal.base.argument_types import StrPath, Writable, bare, bounds, demand, literals, said_of
from graphviz_ad._internal.base.errors import OptionError

P = ParamSpec("P")
O = TypeVar("O", bound="Options")  # noqa: E741 - options
S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")
S_contra = TypeVar("S_contra", contravariant=True)
Parameter = inspect.Parameter


@dataclass(frozen=True, kw_only=True)
class Options:
    """Base of the tables: each field is an option, with its type, its default and what is said of it."""

    @property
    def given(self) -> Mapping[str, Any]:
        """The options that the caller wrote, whatever their values."""
        named: Mapping[str, Any] | None = self.__dict__.get("_given")
        if named is not None:
            return named
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name)) != field.default}

    @classmethod
    def of(cls, chosen: Mapping[str, Any]) -> Self:
        """The table with what a caller chose."""
        made = cls(**chosen)
        object.__setattr__(made, "_given", dict(chosen))
        return made


def checking_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which refuses arguments that are not what its annotations say."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        checked_arguments(function.__qualname__, signature_of(function), hints_of(function), args, kwargs)
        return function(*args, **kwargs)

    return call


def takes(options: Callable[P, O]) -> Callable[[Callable[[S, O], R]], Callable[Concatenate[S, P], R]]:
    """The function of a thing and of options as one that takes each of the options by its name."""

    def decorate(function: Callable[[S, O], R]) -> Callable[Concatenate[S, P], R]:
        return cast(Callable[Concatenate[S, P], R], with_options(function, cast(type[Options], options)))

    return decorate


def takes_two(options: Callable[P, O]) -> Callable[[Callable[[S, T, O], R]], Callable[Concatenate[S, T, P], R]]:
    """The same for a function of two things."""

    def decorate(function: Callable[[S, T, O], R]) -> Callable[Concatenate[S, T, P], R]:
        return cast(Callable[Concatenate[S, T, P], R], with_options(function, cast(type[Options], options)))

    return decorate


def takes_only(options: Callable[P, O]) -> Callable[[Callable[[O], R]], Callable[P, R]]:
    """The same for a function of options alone."""

    def decorate(function: Callable[[O], R]) -> Callable[P, R]:
        return cast(Callable[P, R], with_options(function, cast(type[Options], options)))

    return decorate


def with_options(function: Callable[..., R], table: type[Options]) -> Callable[..., R]:
    """The function whose last argument is made of the options of the table."""
    before = list(inspect.signature(function).parameters.values())[:-1]
    parts = [*before, *parameters_of(table)]
    signature = inspect.Signature(parts, return_annotation=inspect.signature(function).return_annotation)
    names, kinds = [part.name for part in before], hints_of(table)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> R:
        hints = {name: kind for name, kind in hints_of(function).items() if name in names} | dict(kinds)
        found = checked_arguments(function.__qualname__, signature, hints, args, kwargs)
        made = table.of({name: value for name, value in found.items() if name not in names})
        return function(*(found[name] for name in names if name in found), made)

    result: Any = call
    result.__signature__ = signature
    result.__doc__ = f"{inspect.getdoc(function)}\n\n{help_of(table)}"
    result.options = table
    return call


@cache
def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """What a function is called with."""
    return inspect.signature(function)


def demand_fields(thing: object) -> None:
    """Raise unless each field of a dataclass is what its annotation says."""
    for name, kind in hints_of(type(thing)).items():
        demand(name, getattr(thing, name), kind)


def parameters_of(table: type[Options]) -> tuple[Parameter, ...]:
    """The options of a table as parameters; those that may be given by their place stand first."""
    return _parameters(cast(Any, table))


@cache
def _parameters(table: Any) -> tuple[Parameter, ...]:
    made = list(inspect.signature(table).parameters.values())
    kinds = hints_of(table)
    return tuple(part.replace(annotation=written_type(bare(kinds[part.name]))) for part in made)


def written_type(kind: Any) -> Any:
    """A type as people write it, for a signature: "Sequence[Callable[[Graph], Graph]]"."""
    return kind if isinstance(kind, type) else re.sub(r"(?:\w+\.)+(\w+)", r"\1", str(kind))


def hints_of(thing: Any) -> Mapping[str, Any]:
    """Name -> annotation of an option or a parameter, with what is said beside the type."""
    return _hints(thing)


@cache
def _hints(thing: Any) -> Mapping[str, Any]:
    """Name -> annotation of an option or a parameter, with what is said beside the type; without those that only
    type checkers know, as that of self.
    """
    if isinstance(thing, type):
        return get_type_hints(thing, include_extras=True)
    found: dict[str, Any] = {}
    for name, text in thing.__annotations__.items():
        with suppress(NameError):
            found |= get_type_hints(
                SimpleNamespace(__annotations__={name: text}), thing.__globals__, include_extras=True
            )
    return found


def checked_arguments(
    name: str, signature: inspect.Signature, hints: Mapping[str, Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """Parameter -> argument of a call that its signature allows and whose arguments are what the annotations say."""
    try:
        found = dict(signature.bind(*args, **kwargs).arguments)
    except TypeError as error:
        raise misfit(name, signature, kwargs, error) from None
    for each, value in found.items():
        if signature.parameters[each].kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD) and each in hints:
            demand(each, value, hints[each])
    return found


def misfit(name: str, signature: inspect.Signature, kwargs: Mapping[str, Any], error: TypeError) -> OptionError:
    """Why a call does not fit a signature, and what would."""
    parts = signature.parameters.values()
    known = [part.name for part in parts if part.default is not Parameter.empty] or [
        part.name for part in parts if part.name != "self"
    ]
    unknown = [each for each in kwargs if each not in signature.parameters]
    if unknown and not any(part.kind is Parameter.VAR_KEYWORD for part in parts):
        return unknown_option(f"{name}()", unknown[0], known)
    return OptionError(
        f"{name}() cannot be called so: {error}; it is called as {name.rpartition('.')[2]}{briefly(signature)}"
    )


def briefly(signature: inspect.Signature) -> str:
    """A signature without its types."""
    parts = [part.replace(annotation=Parameter.empty) for part in signature.parameters.values() if part.name != "self"]
    return str(signature.replace(parameters=parts, return_annotation=inspect.Signature.empty))


def unknown_option(where: str, given: str, known: Iterable[str]) -> OptionError:
    """The error for an option that is not there."""
    names = list(known)
    near = difflib.get_close_matches(given, names, n=1)
    guess = f"; did you mean {near[0]!r}?" if near else "."
    choices = f"Choose from: {', '.join(names)}." if names else "It has none."
    return OptionError(f"{where} has no option {given!r}{guess} {choices}")


# --- help


def help_of(table: type[Options]) -> str:
    """A line for each option: its name and default, what it does, what it takes."""
    return _help(cast(Any, table))


@cache
def _help(table: Any) -> str:
    rows = [(shown_default(part), option_in_words(hints_of(table)[part.name])) for part in parameters_of(table)]
    width = max(len(left) for left, _ in rows)
    return "\n".join(["Options:", *(f"    {left:{width}}  {right}" for left, right in rows)])


def shown_default(part: Parameter) -> str:
    """ "speed=1.0"."""
    return part.name if part.default is Parameter.empty else f"{part.name}={part.default!r}"


def option_in_words(kind: Any) -> str:
    """ "2 plays twice as fast; a number from 0.01 to 100"."""
    says = said_of(kind)
    choices = ", ".join(map(str, says.names)) or ", ".join(repr(choice) for choice in literals(kind))
    numbers = bounds(says).strip()
    return "; ".join(
        part for part in (says.help, choices, f"{numbers} {says.unit}".strip() if numbers else says.unit) if part
    )


# --- what writes files: a path gives the path, an open file gives nothing


class Saves(Protocol[P]):
    """A function that saves."""

    @overload
    def __call__(self, path: StrPath, /, *args: P.args, **kwargs: P.kwargs) -> Path: ...
    @overload
    def __call__(self, path: Writable, /, *args: P.args, **kwargs: P.kwargs) -> None: ...


class SavesThing(Protocol[S_contra, P]):
    """The same before it is bound to the thing that it saves; as an attribute of a class it is a method."""

    @overload
    def __call__(self, thing: S_contra, path: StrPath, /, *args: P.args, **kwargs: P.kwargs) -> Path: ...
    @overload
    def __call__(self, thing: S_contra, path: Writable, /, *args: P.args, **kwargs: P.kwargs) -> None: ...
    def __get__(self, thing: Any, owner: Any = None, /) -> Saves[P]: ...


def saves(options: Callable[P, O]) -> Callable[[Callable[[S, Any, O], Path | None]], SavesThing[S, P]]:
    """The function of a thing, a destination and options as one that takes each of the options by its name."""

    def decorate(function: Callable[[S, Any, O], Path | None]) -> SavesThing[S, P]:
        return cast("SavesThing[S, P]", with_options(function, cast(type[Options], options)))

    return decorate
