"""Message <-> text: one process's part in a communication between processes, as it stands among the settings of a Node, and on pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import quote, unquote

from graphviz_ad._internal.graph.graph import Edge, Graph, Node

SETTING = "communication"  # the setting of a Node that holds the text
CUT = "communication"  # values go along such an edge, autograd does not
PAIRS = ("send", "recv")  # between two ranks; everything else is between all ranks of a group
ALSO_IN_TORCH = ("gather", "scatter")  # where they are something else


@dataclass(frozen=True, slots=True)
class Message:
    """What is known of one call of ``torch.distributed`` in one process.

    ``kind`` is "send", "recv", "all_reduce", …. Ranks are those of the whole job: ``rank`` is the process that recorded it, ``peer`` the other end (None: not
    known from whom), ``root`` the one that a broadcast comes from or a reduction goes to, ``ranks`` all members of the group.
    ``number`` counts, from 0, what this process recorded before in the same group or, for pairs, with the same peer and tag in this direction.
    ``backward`` says that the engine called it, as DDP does to average gradients.
    """

    kind: str
    rank: int
    number: int = 0
    group: str = "0"
    ranks: tuple[int, ...] = ()
    peer: int | None = None
    tag: int = 0
    root: int | None = None
    reduction: str | None = None
    backward: bool = False

    @property
    def setting(self) -> tuple[str, str]:
        """The pair among the settings of a Node.

        >>> Message("send", 0, number=2, ranks=(0, 1), peer=1).setting
        ('communication', 'send; rank 0; number 2; ranks 0,1; peer 1')
        """
        return SETTING, "; ".join([quote(self.kind), f"rank {self.rank}", *self._facts()])

    def _facts(self) -> list[str]:
        told = [(field.name, getattr(self, field.name)) for field in fields(self) if getattr(self, field.name) != field.default]
        return [f"{name} {_TO_TEXT.get(name, str)(value)}" for name, value in told if name not in ("kind", "rank")]


_TO_TEXT: Mapping[str, Callable[[Any], str]] = {
    "ranks": lambda ranks: ",".join(map(str, ranks)),
    "group": lambda group: quote(group, safe=""),
    "reduction": lambda reduction: quote(reduction, safe=""),
    "backward": lambda _: "yes",
}
_FROM_TEXT: Mapping[str, Callable[[str], Any]] = {
    "ranks": lambda text: tuple(map(int, text.split(","))),
    "group": unquote,
    "reduction": unquote,
    "backward": lambda text: text == "yes",
}
_KNOWN = {field.name for field in fields(Message)} - {"kind"}


def message_of(node: Node) -> Message | None:
    """What a node says of its part in a communication; None where it is none, or where its text cannot be read."""
    text = next((text for name, text in node.settings if name == SETTING), None)
    if text is None:
        return None
    kind, *facts = text.split("; ")
    pairs = [fact.partition(" ")[::2] for fact in facts]
    try:
        found = {name: _FROM_TEXT.get(name, int)(value) for name, value in pairs if name in _KNOWN}
        return Message(unquote(kind), **found)
    except (TypeError, ValueError):
        return None


def operation_name(kind: str) -> str:
    """What the operation of a Node is called."""
    return f"dist_{kind}" if kind in ALSO_IN_TORCH else kind


def glyph(node: Node) -> str:
    """The mark of what happens between all ranks of a group; "" for anything else."""
    text = dict(node.settings).get(SETTING)
    return "" if text is None or text.startswith(PAIRS) else "⇄"


def crossing(graph: Graph, edge: Edge) -> str:
    """ "⇢ rank 1" for an edge that brings something there from another rank, with "?" where only the order says so; "" for any other edge."""
    there, here = (graph.nodes[key].module[:1] for key in (edge.head, edge.tail))
    if edge.cut != CUT or not there or not here:
        return ""
    return f"⇢ {there[0]}{' ?' if edge.match == 'guess' else ''}"


def said_by(nodes: Iterable[Node]) -> tuple[tuple[str, str], ...]:
    """What these nodes say of their communication, as settings of the one node that they become."""
    return tuple(dict.fromkeys(pair for node in nodes for pair in node.settings if pair[0] == SETTING))
