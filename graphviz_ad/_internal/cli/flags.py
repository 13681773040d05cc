"""Table of options -> flags of the command line, and what was typed -> options: the same names, types, bounds and
help as in Python.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Mapping
from typing import Any

from graphviz_ad._internal.base.argument_types import alternatives, demand, literals, said_of
from graphviz_ad._internal.base.checked_calls import Options, hints_of, option_in_words, parameters_of
from graphviz_ad._internal.base.errors import ExpressionError, GraphvizADError, OptionError, UnknownNameError
from graphviz_ad._internal.maths.expressions import parse_inputs
from graphviz_ad._internal.scene.themes import Theme


def add_flags(command: argparse.ArgumentParser, table: type[Options], without: Collection[str] = ()) -> None:
    """A flag for each option of the table; one that is not typed is not set."""
    kinds = hints_of(table)
    for part in parameters_of(table):
        if part.name not in without:
            add_flag(command, part.name, kinds[part.name], part.default)


def add_flag(command: argparse.ArgumentParser, name: str, kind: Any, default: object) -> None:
    """The flag of one option."""
    flag, types = FLAGS.get(name, f"--{name.replace('_', '-')}"), alternatives(kind)
    text = f"{option_in_words(kind)}{'' if default in (None, (), '') else f' (default {default})'}".replace("%", "%%")
    if bool in types:
        command.add_argument(
            flag, dest=name, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=text
        )
        for word in literals(kind):  # a flag of its own: a value after the flag could be what is to be drawn
            command.add_argument(
                f"{flag}-{word}", dest=name, action="store_const", const=word, default=argparse.SUPPRESS, help=text
            )
        return
    several = {"action": "append"} if name in PARSERS else {}
    choices = [str(choice) for choice in literals(kind)] or list(said_of(kind).names) or None
    names, choices = choices, None if name in TYPED else choices
    metavar = "{" + ",".join(choices) + "}" if choices and literals(kind) else said_of(kind).metavar
    action: Any = command.add_argument(
        flag,
        dest=name,
        type=reader(name, kind),
        metavar=metavar,
        choices=choices,
        default=argparse.SUPPRESS,
        help=text,
        **several,  # type: ignore[arg-type]
    )
    action.completed_by = names


def reader(name: str, kind: Any) -> Callable[[str], Any]:
    """What makes a value of the text after a flag; a wrong one is refused as in Python, before any work is done."""
    convert = TYPED.get(name) or next((each for each in (int, float) if each in alternatives(kind)), str)

    def read(text: str) -> Any:
        try:
            value = convert(text)
        except GraphvizADError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        except ValueError:
            what = said_of(kind).kind if name in TYPED else "whole number" if convert is int else "number"
            raise argparse.ArgumentTypeError(f"{text!r} is no {what}") from None
        try:
            if name not in PARSERS:
                demand(name, value, kind)
        except GraphvizADError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        return value

    return read


def place_typed(text: str) -> str | tuple[float, float]:
    """ "slide", or "400x300" for a width and a height in points."""
    return pair_typed(text, "x") if "x" in text and text[0].isdigit() else text


def font_typed(text: str) -> str | tuple[str, float]:
    """ "Source Sans", or "Source Sans:9" for the least size of letters, too."""
    name, colon, size = text.rpartition(":")
    return (name, float(size)) if colon else text


def theme_typed(text: str) -> str | Theme:
    """ "dark", or a file that describes a theme."""
    return Theme.from_toml(text) if text.lower().endswith(".toml") else text


def pair_typed(text: str, between: str) -> tuple[float, float]:
    """Two numbers."""
    first, _, second = text.partition(between)
    return float(first), float(second)


def chosen(arguments: argparse.Namespace, table: type[Options], without: Collection[str] = ()) -> dict[str, Any]:
    """The options of the table that were typed."""
    typed = {
        part.name: getattr(arguments, part.name)
        for part in parameters_of(table)
        if part.name not in without and hasattr(arguments, part.name)
    }
    return {name: PARSERS[name](value) if name in PARSERS else value for name, value in typed.items()}


def transforms_named(names: list[str]) -> tuple[Any, ...]:
    """The public transforms of these names, those that need nothing but a graph."""
    from graphviz_ad import transforms

    known = (
        "hide_constants",
        "hide_unused",
        "collapse_modules",
        "fold_duplicates",
        "hide_data",
        "drop_views",
    )
    for name in names:
        if name not in known:
            raise UnknownNameError("transform", name, known)
    return tuple(getattr(transforms, name) for name in names)


def movements(texts: list[str]) -> str | Mapping[str, Any]:
    """One input that moves by 1, or how far each moves."""
    if len(texts) == 1 and "=" not in texts[0]:
        return texts[0]
    try:
        return parse_inputs(texts)
    except ExpressionError as error:
        raise OptionError(f"--tangents takes one NAME, or NAME=NUMBER for each input that moves: {error}") from error


# flags whose text says more than a word or a number
TYPED: Mapping[str, Callable[[str], Any]] = {"fit": place_typed, "font": font_typed, "theme": theme_typed}
FLAGS = {"output": "--of"}  # what is called otherwise than in Python: --output is the file
# flags that may be given several times
PARSERS: Mapping[str, Callable[[list[str]], Any]] = {
    "transforms": transforms_named,
    "tangents": movements,
    "focus": tuple,
    "expand": tuple,
}
