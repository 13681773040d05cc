"""Facts of a Node -> their texts, as people read them: arguments, hooks, communication, norms. Nothing reads facts
out of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from graphviz_ad._internal.graph.arguments import Argument
from graphviz_ad._internal.graph.messages import Averaging, Communication, Meeting

if TYPE_CHECKING:
    from graphviz_ad._internal.graph.graph import Node

# What a hook changed: a gradient after the edges had been added up, or what flows back from a node, surely or as it
# seems.
GRADIENT, SENT, FLOW = "gradient", "sent", "flow"
HOOK_EFFECTS: Mapping[str, str] = {
    GRADIENT: "changed the gradient",
    SENT: "changed what flows back",
    FLOW: "changed what flows back, or rounding did",
}


def settings_of(node: Node) -> Iterator[tuple[str, str]]:
    """Everything that is known of how an operation was done, as pairs of texts."""
    yield from ((name, argument_text(value)) for name, value in node.arguments)
    yield from further_facts(node)


def further_facts(node: Node) -> Iterator[tuple[str, str]]:
    """The same, without the arguments."""
    yield from (("communication", communication_text(message)) for message in node.messages)
    if node.hooks:
        yield "hooks", ", ".join(node.hooks)
    yield from (("hook", HOOK_EFFECTS[effect]) for effect in node.hook_effects)
    if node.kind == "module" and node.parameters:
        yield "parameter gradients", norm_text(node.parameter_norm) or "none"


def argument_text(value: Argument) -> str:
    """An argument as it is written: "[2, 2]", "float64", "mean"."""
    return f"[{', '.join(map(_part, value))}]" if isinstance(value, tuple) else str(value)


def _part(value: Argument) -> str:
    return repr(value) if isinstance(value, str) else argument_text(value)


def norm_text(norm: float | None) -> str:
    """Three digits; "" where the norm is not known."""
    return "" if norm is None else f"{norm:.3g}"


def communication_text(message: Communication) -> str:
    """A communication in one line.

    >>> from graphviz_ad._internal.graph.messages import Message
    >>> communication_text(Message("send", 0, number=2, ranks=(0, 1), peer=1))
    'send; rank 0; number 2; ranks 0,1; peer 1'
    """
    if isinstance(message, Averaging):
        return (
            f"gradients of {message.parameters} parameters, {message.reduction} over ranks"
            f" {', '.join(map(str, message.ranks))}"
        )
    if isinstance(message, Meeting):
        facts = [
            f"{name} {fact}"
            for name, fact in (("reduction", message.reduction), ("root", message.root))
            if fact is not None
        ]
        ranks = ",".join(map(str, message.ranks))
        return "; ".join(
            [f"{message.kind} of ranks {ranks}", f"group {message.group}", f"number {message.number}", *facts]
        )
    told = [
        (field.name, getattr(message, field.name))
        for field in fields(message)
        if getattr(message, field.name) != field.default
    ]
    facts = [f"{name} {_FACT_TEXTS.get(name, str)(value)}" for name, value in told if name not in ("kind", "rank")]
    return "; ".join([quote(message.kind), f"rank {message.rank}", *facts])


_FACT_TEXTS: Mapping[str, Callable[[Any], str]] = {
    "ranks": lambda ranks: ",".join(map(str, ranks)),
    "group": lambda group: quote(group, safe=""),
    "reduction": lambda reduction: quote(reduction, safe=""),
    "backward": lambda _: "yes",
}
