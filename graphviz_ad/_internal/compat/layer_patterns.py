"""Text such as "(Conv > BatchNorm) | Identity > Add" -> a pattern, and the nodes of a layer graph that it fits.

``a > b``: b takes what a gives; ``a | b``: branches that begin at one node and meet in one; brackets group.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from graphviz_ad._internal.base.argument_types import shown_value
from graphviz_ad._internal.base.errors import OptionError

TOKEN = re.compile(r"\s*(?:(\w+)|([>|()]))")
ALSO_CALLED = {"BatchNormalization": "BatchNorm", "Gemm": "Linear", "ReLU": "Relu", "LayerNormalization": "LayerNorm"}


class Named(Protocol):
    """A node, as far as patterns ask."""

    op: str


class Linked(Protocol):
    """A graph, as far as patterns ask."""

    def heads(self, node: Named) -> Sequence[Named]:
        """What takes what a node gives, each once."""
        ...

    def tails(self, node: Named) -> Sequence[Named]:
        """What a node takes from, each once."""
        ...


@dataclass(frozen=True)
class One:
    """A node with that operation."""

    op: str


@dataclass(frozen=True)
class Chain:
    """One after the other."""

    parts: tuple[Pattern, ...]


@dataclass(frozen=True)
class Branches:
    """Side by side, from one node and into one."""

    parts: tuple[Pattern, ...]


Pattern = One | Chain | Branches


@dataclass(frozen=True)
class Match:
    """The nodes that a pattern fits, in its order; ``heads`` are what comes after it."""

    nodes: tuple[Any, ...]
    heads: tuple[Any, ...]


def common(op: str) -> str:
    """The one name of an operation that has several."""
    return ALSO_CALLED.get(op, op)


def parsed(text: object) -> Pattern:
    """The pattern that a text says."""
    if not isinstance(text, str):
        raise OptionError(f"{shown_value(text)} is no pattern; give text such as 'Conv > BatchNorm > Relu'")
    tokens: list[str] = []
    at = 0
    while text[at:].strip():
        found = TOKEN.match(text, at)
        if found is None:
            raise wrong(text, f"{text[at:].strip()[0]!r} means nothing in it")
        tokens.append(found[1] or found[2])
        at = found.end()
    pattern, rest = chain(text, tokens)
    if rest:
        raise wrong(text, f"{rest[0]!r} is one too many")
    return pattern


def wrong(text: str, why: str) -> OptionError:
    """The error for a text that is no pattern."""
    return OptionError(
        f"{shown_value(text)} is no pattern: {why}; write names of operations with > between them, | for branches, and"
        " brackets: '((Conv > Relu) | Conv) > Add'"
    )


def chain(text: str, tokens: list[str]) -> tuple[Pattern, list[str]]:
    """What stands between > signs; they bind less than | does."""
    parts: list[Pattern] = []
    while not parts or tokens[:1] == [">"]:
        part, tokens = branches(text, tokens[1:] if parts else tokens)
        parts.append(part)
    return parts[0] if len(parts) == 1 else Chain(tuple(parts)), tokens


def branches(text: str, tokens: list[str]) -> tuple[Pattern, list[str]]:
    """What stands between | signs."""
    parts: list[Pattern] = []
    while not parts or tokens[:1] == ["|"]:
        part, tokens = single(text, tokens[1:] if parts else tokens)
        parts.append(part)
    return parts[0] if len(parts) == 1 else Branches(tuple(parts)), tokens


def single(text: str, tokens: list[str]) -> tuple[Pattern, list[str]]:
    """A name, or what is in brackets."""
    if not tokens:
        raise wrong(text, "it ends too early")
    if tokens[0] == "(":
        inner, rest = chain(text, tokens[1:])
        if rest[:1] != [")"]:
            raise wrong(text, "a bracket is not closed")
        return inner, rest[1:]
    if tokens[0] in (">", "|", ")"):
        raise wrong(text, f"{tokens[0]!r} has nothing before it")
    return One(tokens[0]), tokens[1:]


def match(graph: Linked, pattern: Pattern, node: Named) -> Match | None:
    """What a pattern fits that begins at this node."""
    if isinstance(pattern, One):
        fits = common(node.op) == common(pattern.op)
        return Match((node,), tuple(graph.heads(node))) if fits else None
    if isinstance(pattern, Branches):
        return side_by_side(graph, pattern, node)
    found = match(graph, pattern.parts[0], node)
    for part in pattern.parts[1:]:
        if found is None or len(found.heads) != 1:
            return None
        after = match(graph, part, found.heads[0])
        if after is None or set(map(id, after.nodes)) & set(map(id, found.nodes)):
            return None
        found = Match((*found.nodes, *after.nodes), after.heads)
    return found


def side_by_side(graph: Linked, pattern: Branches, node: Named) -> Match | None:
    """Branches, of which one begins at this node: all that take what it takes, each fitting another part."""
    beside = siblings(graph, node)
    if len(beside) != len(pattern.parts):
        return None
    return paired(graph, list(pattern.parts), list(beside))


def paired(graph: Linked, parts: list[Pattern], nodes: list[Named]) -> Match | None:
    """The first way to give each part one of the nodes so that all fit and go to the same."""
    if not parts:
        return Match((), ())
    for place, node in enumerate(nodes):
        first = match(graph, parts[0], node)
        if first is None:
            continue
        rest = paired(graph, parts[1:], nodes[:place] + nodes[place + 1 :])
        if rest is None or (rest.nodes and list(map(id, rest.heads)) != list(map(id, first.heads))):
            continue
        return Match((*first.nodes, *rest.nodes), first.heads)
    return None


def siblings(graph: Linked, node: Named) -> list[Named]:
    """All that take from the only node which this one takes from, itself among them."""
    tails = graph.tails(node)
    return list(graph.heads(tails[0])) if len(tails) == 1 else [node]
