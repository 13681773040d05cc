"""Text -> pattern of operations and modules: "Conv > BatchNorm > Relu", "(A > B) | C > Add", "(Linear > Relu)+".

What stands one after the other has ">" between, branches that begin and end together "|", alternatives "/"; "?" says
that something may be missing, "+" that it may come again, "*" both; "." is anything. "/" binds closest, then "|", then
">".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from graphviz_ad._internal.base.errors import OptionError

ANY = "."
SIGNS = {"?": (0, 1), "+": (1, None), "*": (0, None)}  # least and most
TOKEN = re.compile(r"\s*([>|/()?+*]|[^\s>|/()?+*]+)")
HINT = 'write names with ">" between, as in "Conv > BatchNorm > Relu"'


@dataclass(frozen=True)
class One:
    """A node of that name."""

    name: str


@dataclass(frozen=True)
class Choice:
    """One of several patterns."""

    options: tuple[Pattern, ...]


@dataclass(frozen=True)
class Row:
    """Patterns one after the other."""

    parts: tuple[Pattern, ...]


@dataclass(frozen=True)
class Branches:
    """Patterns side by side, which lead to the same node."""

    branches: tuple[Pattern, ...]


@dataclass(frozen=True)
class Again:
    """A pattern so often, one after the other; ``most`` None: any number of times."""

    part: Pattern
    least: int
    most: int | None


Pattern = One | Choice | Row | Branches | Again


def parsed(text: str) -> Pattern:
    """The pattern that a text says."""
    reader = Reader(text)
    pattern = reader.row()
    if reader.here is not None:
        reader.refuse(f"{reader.here!r} cannot stand there")
    if least_length(pattern) == 0:
        reader.refuse("it is a pattern of nothing")
    return pattern


def least_length(pattern: Pattern) -> int:
    """How many nodes it takes at least."""
    if isinstance(pattern, One):
        return 1
    if isinstance(pattern, Again):
        return pattern.least * least_length(pattern.part)
    if isinstance(pattern, Choice):
        return min(map(least_length, pattern.options))
    return sum(map(least_length, pattern.parts if isinstance(pattern, Row) else pattern.branches))


class Reader:
    """Tokens of a text, read from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: Iterator[str] = iter([match[1] for match in TOKEN.finditer(text)])
        self.here: str | None = next(self.tokens, None)

    def step(self) -> str:
        """The token here; the next one is here then."""
        token = self.here or ""
        self.here = next(self.tokens, None)
        return token

    def refuse(self, why: str) -> NoReturn:
        """Say what is wrong."""
        raise OptionError(f"pattern={self.text!r} cannot be read: {why}; {HINT}")

    def row(self) -> Pattern:
        """Branches with ">" between."""
        parts = [self.branches()]
        while self.here == ">":
            self.step()
            parts.append(self.branches())
        return parts[0] if len(parts) == 1 else Row(tuple(parts))

    def branches(self) -> Pattern:
        """Choices with "|" between."""
        parts = [self.choice()]
        while self.here == "|":
            self.step()
            parts.append(self.choice())
        return parts[0] if len(parts) == 1 else Branches(tuple(parts))

    def choice(self) -> Pattern:
        """Parts with "/" between."""
        options = [self.repeated()]
        while self.here == "/":
            self.step()
            options.append(self.repeated())
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def repeated(self) -> Pattern:
        """A name or a pattern in parentheses, with how often it may come."""
        part = self.one()
        while self.here in SIGNS:
            part = Again(part, *SIGNS[self.step()])
        return part

    def one(self) -> Pattern:
        """A name, or a pattern in parentheses."""
        if self.here is None:
            self.refuse("something is missing at its end")
        if self.here == "(":
            self.step()
            inner = self.row()
            if self.here != ")":
                self.refuse('a ")" is missing')
            self.step()
            return inner
        if self.here in (">", "|", "/", ")", *SIGNS):
            self.refuse(f"{self.here!r} cannot stand there")
        return One(self.step())


def is_called(name: str, known: str | None) -> bool:
    """Whether a name in a pattern is that of an operation or class: "BatchNorm" is batch_norm, "Conv" is conv2d."""
    if known is None:
        return False
    asked, found = plain_name(name), plain_name(known)
    return asked == found or asked == re.sub(r"[123]d$", "", found)


def plain_name(name: str) -> str:
    """A name without what tells styles apart: case, underscores, and the one of an operation in place."""
    return name.replace("_", "").lower()
