"""Graph of layers -> its picture, a Digraph or a file, in the colours of its theme: what HiddenLayer's build_graph
returns.
"""

from __future__ import annotations

import copy
import html
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphviz_ad._internal.api.api import Picture
from graphviz_ad._internal.base.argument_types import StrPath, shown_value
from graphviz_ad._internal.base.checked_calls import checking_arguments
from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.compat.layer_patterns import Match, Pattern, match
from graphviz_ad._internal.compat.layer_pictures import picture_of
from graphviz_ad._internal.diagrams.layer_scenes import Layer, Link
from graphviz_ad._internal.graph import graph as recorded
from graphviz_ad._internal.output.format_table import STILLS
from graphviz_ad._internal.scene.themes import THEMES as OUR_THEMES
from graphviz_ad._internal.scene.themes import Theme

if TYPE_CHECKING:
    import graphviz

THEMES: dict[str, dict[str, str]] = {
    "basic": {
        "background_color": "#FFFFFF",
        "fill_color": "#E8E8E8",
        "outline_color": "#000000",
        "font_color": "#000000",
        "font_name": "Times",
        "font_size": "10",
        "margin": "0,0",
        "padding": "1.0,0.5",
    },
    "blue": {
        "background_color": "#FFFFFF",
        "fill_color": "#BCD6FC",
        "outline_color": "#7C96BC",
        "font_color": "#202020",
        "font_name": "Verdana",
        "font_size": "10",
        "margin": "0,0",
        "padding": "1.0,0.5",
    },
}
# roles of our themes -> entries of theirs
ENTRIES = {
    "paper": "background_color",
    "op": "fill_color",
    "module": "fill_color",
    "data": "fill_color",
    "edge": "outline_color",
    "ink": "font_color",
    "muted": "font_color",
    "value": "font_color",
    "gradient": "font_color",
    "path.3": "font_color",
}


class Node:
    """A layer: ``op`` is its operation, ``name`` what it is called instead, ``repeat`` how many stand for it."""

    def __init__(
        self,
        uid: str,
        name: str | None,
        op: str,
        output_shape: Sequence[int] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        self.id, self.name, self.op, self.repeat = uid, name, op, 1
        self.output_shape = tuple(output_shape) if output_shape is not None else None
        self.params = dict(params or {})
        self._caption = ""

    @property
    def title(self) -> str:
        """What stands in its box: "Conv3x3"."""
        kernel = self.params.get("kernel_shape")
        return (self.name or self.op) + ("x".join(map(str, kernel)) if kernel else "")

    @property
    def caption(self) -> str:
        """What stands below that: "/2" for steps of two."""
        if self._caption:
            return self._caption
        steps: Sequence[int] = self.params.get("stride") or self.params.get("strides") or [1]
        if all(step == 1 for step in steps):
            return ""
        return f"/{steps[0] if len(set(steps)) == 1 else tuple(steps)}"

    @caption.setter
    def caption(self, text: str) -> None:
        self._caption = text

    def __repr__(self) -> str:
        """All that is known of it."""
        known = f"op: {self.op}, name: {self.name}, id: {self.id}, title: {self.title}, repeat: {self.repeat}"
        shape = f", shape: {self.output_shape}" if self.output_shape is not None else ""
        return f"<Node: {known}{shape}{f', params: {self.params}' if self.params else ''}>"


Edge = tuple[str, str, tuple[int, ...] | None]


class Graph:
    """Layers and the edges between them: ``nodes`` by their ids, ``edges`` as (from, to, shape). ``theme`` is a
    dictionary such as ``THEMES["blue"]``; ``recorded`` is the whole graph that was traced, with its values, gradients,
    pictures and films.
    """

    def __init__(self, name: str = "graph", graph: recorded.Graph | None = None) -> None:
        self.name, self.recorded = name, graph
        self.nodes: dict[str, Node] = {}
        self.edges: list[Edge] = []
        self.theme: Mapping[str, str] = THEMES["basic"]

    def copy(self) -> Graph:
        """The same graph with nodes of its own; the traced one is shared."""
        made = copy.copy(self)
        made.nodes = {key: copy.copy(node) for key, node in self.nodes.items()}
        made.edges = list(self.edges)
        return made

    def id(self, node: Node) -> str:
        """The key of a node."""
        return node.id

    def add_node(self, node: Node) -> None:
        """Put a node in."""
        self.nodes[node.id] = node

    def add_edge(self, node1: Node, node2: Node, label: tuple[int, ...] | None = None) -> None:
        """Put an edge in, unless it is there."""
        self.add_edge_by_id(node1.id, node2.id, label)

    def add_edge_by_id(self, vid1: str, vid2: str, label: tuple[int, ...] | None = None) -> None:
        """The same by keys."""
        if (vid1, vid2, label) not in self.edges:
            self.edges.append((vid1, vid2, label))

    def outgoing(self, node: Node | Iterable[Node]) -> list[Node]:
        """What takes what these nodes give, but for themselves; a node as often as there are edges to it."""
        keys = keys_of(node)
        return [self.nodes[head] for tail, head, _ in self.edges if tail in keys and head not in keys]

    def incoming(self, node: Node | Iterable[Node]) -> list[Node]:
        """What these nodes take from, but for themselves."""
        keys = keys_of(node)
        return [self.nodes[tail] for tail, head, _ in self.edges if head in keys and tail not in keys]

    def heads(self, node: Any) -> list[Node]:
        """What takes what a node gives, each once."""
        return list(dict.fromkeys(self.outgoing(node)))

    def tails(self, node: Any) -> list[Node]:
        """What a node takes from, each once."""
        return list(dict.fromkeys(self.incoming(node)))

    def siblings(self, node: Node) -> list[Node]:
        """All that take from the only node which this one takes from, itself among them."""
        tails = self.tails(node)
        return self.heads(tails[0]) if len(tails) == 1 else [node]

    def __getitem__(self, key: Any) -> Any:
        """The node of a key, or those of a list of keys; None where there is none."""
        return [self.nodes.get(one) for one in key] if isinstance(key, list) else self.nodes.get(key)

    def remove(self, nodes: Node | Iterable[Any]) -> None:
        """Take nodes out, with their edges."""
        gone = keys_of(nodes)
        self.edges = [edge for edge in self.edges if edge[0] not in gone and edge[1] not in gone]
        self.nodes = {key: node for key, node in self.nodes.items() if key not in gone}

    def replace(self, nodes: Node | Sequence[Node], node: Node) -> None:
        """Put one node in the place of several, with the edges that they had to others; it may be one of them."""
        several = [nodes] if isinstance(nodes, Node) else list(nodes)
        gone = keys_of(several)
        edges: list[Edge] = []
        for tail, head, shape in self.edges:
            inner = tail in gone and head in gone
            new = (node.id if tail in gone else tail, node.id if head in gone else head, shape)
            if not inner and new not in edges:
                edges.append(new)
        order: dict[str, Node] = {}
        for key, old in self.nodes.items():
            if key == several[0].id:
                order[node.id] = node
            elif key not in gone:
                order[key] = old
        self.nodes, self.edges = order, edges

    def search(self, pattern: Pattern) -> tuple[list[Any], list[Any]]:
        """The nodes of the first match of a pattern, and what comes after it; empty lists where there is none."""
        found = self.first_match(pattern)
        return ([], []) if found is None else (list(found.nodes), list(found.heads))

    def first_match(self, pattern: Pattern, without: Collection[str] = ()) -> Match | None:
        """The first match of a pattern, in the order of the nodes, that may be folded: no path leaves it and comes
        back; not one of the nodes ``without`` alone.
        """
        for node in self.nodes.values():
            found = match(self, pattern, node)
            if found is None or not self.convex(found.nodes):
                continue
            if len(found.nodes) == 1 and found.nodes[0].id in without:
                continue
            return found
        return None

    def convex(self, nodes: Sequence[Any]) -> bool:
        """Whether only the last of some nodes are read from elsewhere, so that one may stand for them: nothing between
        them goes out and comes in again.
        """
        inside = {node.id for node in nodes}
        waiting = self.outgoing(nodes)
        seen: set[str] = set()
        while waiting:
            node = waiting.pop()
            if node.id in inside:
                return False
            if node.id not in seen:
                seen.add(node.id)
                waiting.extend(self.nodes[head] for tail, head, _ in self.edges if tail == node.id)
        return True

    def sequence_id(self, sequence: Iterable[Node]) -> str:
        """The key for a node that stands for several."""
        return "><".join(str(node.id) for node in sequence)

    def list_layers(self) -> None:
        """Print each layer."""
        for layer in self.nodes.values():
            print(layer)

    def build_dot(self) -> graphviz.Digraph:
        """The graph as a graphviz.Digraph in the colours of its theme."""
        import graphviz

        theme = checked_theme(self.theme)
        words = {
            "fontsize": theme["font_size"],
            "fontcolor": theme["font_color"],
            "fontname": theme["font_name"],
            "color": theme["outline_color"],
        }
        dot = graphviz.Digraph()
        dot.attr("graph", bgcolor=theme["background_color"], margin=theme["margin"], pad=theme["padding"], **words)
        dot.attr("node", shape="box", style="filled", margin="0,0", fillcolor=theme["fill_color"], **words)
        dot.attr("edge", **words)
        for key, node in self.nodes.items():
            dot.node(key_in_dot(key), table(node))
        for tail, head, shape in self.edges:
            dot.edge(key_in_dot(tail), key_in_dot(head), "x".join(map(str, shape)) if shape else None)
        return dot

    def picture(self) -> Picture:
        """The graph as a picture of ours, for a slide."""
        layers = [
            Layer(key, node.title, tuple(notes_of(node)), "op", node.output_shape, caption_of(node))
            for key, node in self.nodes.items()
        ]
        links = [Link(tail, head) for tail, head in dict.fromkeys((tail, head) for tail, head, _ in self.edges)]
        return picture_of(self.name, layers, links, our_theme(self.theme))

    @checking_arguments
    def save(self, path: StrPath, format: str = "pdf") -> Path | None:  # noqa: A002 - as HiddenLayer calls it
        """Write the picture: to ``path`` with ``format`` as its suffix; no Graphviz has to be installed."""
        suffix = f".{format.lstrip('.')}"
        if suffix not in STILLS:
            raise OptionError(
                f"format={shown_value(format)} is no format of a picture; choose from: {', '.join(STILLS)}"
            )
        given = Path(path)
        if not given.name:
            raise OptionError(f"path={shown_value(path)} names no file; give a name, as in save('net', format='png')")
        target = given if given.suffix == suffix else given.with_name(given.name + suffix)
        return self.picture().save(target)

    def _repr_svg_(self) -> str:
        return self.picture().to_svg()


def keys_of(node: Any) -> list[str]:
    """The keys of a node, or of several."""
    return [node.id] if isinstance(node, Node) else [one.id for one in node]


def key_in_dot(key: str) -> str:
    """A key as Graphviz takes it; a colon would begin a port."""
    return str(key).replace(":", "_")


def notes_of(node: Node) -> Iterable[str]:
    """What stands in a box below that."""
    if node.output_shape:
        yield "×".join(map(str, node.output_shape))


def caption_of(node: Node) -> str:
    """What stands below the title of a box, or behind it."""
    return f"{node.caption}{f' ×{node.repeat}' if node.repeat > 1 else ''}"


def table(node: Node) -> str:
    """The label of a node, as Graphviz has tables."""
    rows = [f"<tr><td cellpadding='6'>{html.escape(node.title)}</td></tr>"]
    if node.caption:
        rows.append(f"<tr><td>{html.escape(node.caption)}</td></tr>")
    if node.repeat > 1:
        rows.append(f"<tr><td align='right' cellpadding='2'>x{node.repeat}</td></tr>")
    return f"<<table border='0' cellborder='0' cellpadding='0'>{''.join(rows)}</table>>"


def checked_theme(theme: object) -> Mapping[str, str]:
    """A theme with every entry."""
    missing = [entry for entry in THEMES["basic"] if not isinstance(theme, Mapping) or entry not in theme]
    if not isinstance(theme, Mapping) or missing:
        raise OptionError(
            f"theme={shown_value(theme)} lacks {', '.join(missing)}; begin with THEMES['blue'].copy() and change it"
        )
    return theme


def our_theme(theme: object) -> Theme:
    """The same colours by the names of our roles."""
    given = checked_theme(theme)
    colors: dict[str, Any] = {role.replace(".", "_"): given[entry] for role, entry in ENTRIES.items()}
    return OUR_THEMES["light"].with_(name="layers", **colors)
