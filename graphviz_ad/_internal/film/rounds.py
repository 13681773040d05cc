"""Graph of a recorded loop -> Rounds: each backward pass with the forward pass that led to it, all on the same boxes.

A recording has a node for each time that a line ran. In a film of training, what the same line makes of the same
operands is one box, and a leaf is one box however often a step wrote to it: only the values change.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.film.updates import (
    Addition,
    Chapter,
    Life,
    chapters_early,
    chapters_late,
    lives_of,
)
from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.graph.notices import MODEL, WRITTEN_LINES, Notice
from graphviz_ad._internal.graph.snapshot import Snapshot

Passes = bool | int | Literal["all"] | slice | Sequence[int]
Operand = tuple[int, int, int, bool]  # box, port, slot, whether nothing flows back


@dataclass(frozen=True)
class Round:
    """One backward pass, ``number`` of ``count`` that were recorded, with what led to it.

    ``graph`` has the boxes of all rounds, with values and gradients of this one; ``here`` are the keys of those that
    are part of it, ``fresh`` of those that were computed since the round before. ``opening`` is what had happened to
    the leaves before the first forward pass, ``before`` what happened between a forward pass and this backward pass,
    ``additions`` what it added to their ``.grad``, and ``after`` what happened then, until the next round begins.
    ``found`` is what each ``.grad`` held before all that; ``gone`` are the leaves that nobody held to the end;
    ``within`` says of leaves that have no box of their own in which boxes they are read.
    """

    number: int
    count: int
    graph: Graph
    here: frozenset[str]
    fresh: frozenset[str]
    boxes: frozenset[str]
    opening: tuple[Chapter, ...] = ()
    before: tuple[Chapter, ...] = ()
    additions: tuple[Addition, ...] = ()
    after: tuple[Chapter, ...] = ()
    found: Mapping[str, Snapshot | None] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    within: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def holds(self, key: str, keys: Collection[str]) -> bool:
        """Whether a box is among those; one that was only made when boxes were folded is."""
        return key in keys or key not in self.boxes


def folded(rounds: Sequence[Round], graphs: Sequence[Graph]) -> list[Graph]:
    """The graphs of rounds, folded so that their nodes were numbered anew, with keys as before: of what is one box that
    of the node whose result it has, as far as one of the rounds tells.
    """
    each = [dict(enumerate(keys_before(one, graph))) for one, graph in zip(rounds, graphs, strict=True)]
    found = []
    for graph, own in zip(graphs, each, strict=True):
        known = [own[n] or next((other[n] for other in each if other.get(n)), None) for n in own]
        keys = {node.key: key or f"folded{n}" for n, (node, key) in enumerate(zip(graph.node_list, known, strict=True))}
        nodes = [replace(node, key=keys[node.key]) for node in graph.node_list]
        edges = [replace(edge, tail=keys[edge.tail], head=keys[edge.head]) for edge in graph.edges]
        found.append(replace(graph, node_list=tuple(nodes), edges=tuple(edges)))
    return found


def with_folds(one: Round, graph: Graph) -> Round:
    """The round as it is drawn, which knows where the leaves are that were folded away with what reads them."""
    hidden = [node.key for node in one.graph.node_list if node.kind == "leaf" and node.key not in graph.nodes]
    holder = {id(port): node.key for node in graph.node_list for port in node.ports} if hidden else {}
    within = {key: tuple(dict.fromkeys(holders(key, one.graph, holder))) for key in hidden}
    return replace(one, graph=graph, within={key: boxes for key, boxes in within.items() if boxes})


def holders(leaf: str, graph: Graph, holder: Mapping[int, str]) -> Iterator[str]:
    """The boxes in which a leaf is read: of what is made of it, the first results that a box has are theirs."""
    seen, waiting = {leaf}, [leaf]
    while waiting:
        for edge in graph.out_edges(waiting.pop()):
            if edge.head in seen:
                continue
            seen.add(edge.head)
            found = next((holder[id(port)] for port in graph.nodes[edge.head].ports if id(port) in holder), None)
            if found is not None:
                yield found
            else:
                waiting.append(edge.head)


def keys_before(one: Round, graph: Graph) -> Iterator[str | None]:
    """For each node of a folded graph the key of the box that it was, or whose result it has; None if nothing says."""
    made = {id(port): node.key for node in one.graph.node_list for port in node.ports}
    leaves = {node.ports[0].tensor: node.key for node in one.graph.node_list if node.kind == "leaf"}
    for node in graph.node_list:
        tensor = node.ports[0].tensor if node.kind == "leaf" else None
        own = next((made[id(port)] for port in node.ports if id(port) in made), None)
        yield (leaves.get(tensor) if tensor is not None else None) or own


def chosen_passes(passes: Passes, count: int) -> list[int]:
    """The numbers, from 0, of the passes that were asked for, in the order in which they ran."""
    if passes is True or isinstance(passes, str):
        return list(range(count))
    if isinstance(passes, slice):
        found = passes_in(passes, count)
    else:
        found = [passes] if isinstance(passes, int) else list(passes)
    wrong = [one for one in found if not isinstance(one, int) or not -count <= one < count]
    if wrong or not found:
        what = f"{wrong[0]!r} is none of them" if wrong else "it chooses none"
        raise OptionError(
            f"passes={passes!r} chooses among the {count} recorded backward passes, and {what}; give numbers from 0 to"
            f" {count - 1}, as for graph.passes, a slice, or True for all"
        )
    return sorted({one % count for one in found})


def passes_in(chosen: slice, count: int) -> list[int]:
    """The numbers, from 0, that a slice takes."""
    try:
        return list(range(count))[chosen]
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"passes={chosen!r} takes none of the {count} recorded backward passes: {error}; give whole numbers as in"
            " graph.passes[1:], with a step that is not 0"
        ) from error


def rounds_of(graph: Graph, passes: Passes) -> tuple[Round, ...]:
    """The rounds that were asked for."""
    if len(graph.passes) < 2 and passes is True:
        raise OptionError(
            "passes=True shows several backward passes one after the other, but only one backward pass was recorded;"
            " leave it out, or animate one of graph.passes"
        )
    chosen = chosen_passes(passes, len(graph.passes))
    ends = [last_root(graph.passes[i - 1]) if i else None for i in chosen]
    leaves = frozenset(tensor for i in chosen for tensor in leaves_of(graph.passes[i]))
    pieces = [
        Piece(graph.passes[i], i, place_of_last(graph.passes[i], ends[: n + 1]), leaves) for n, i in enumerate(chosen)
    ]
    boxes = Boxes()
    for piece in pieces:
        boxes.add(piece)
    return tuple(Gathered(graph, pieces, boxes).rounds())


def last_root(done: Graph) -> Node | None:
    """The last result that a pass began at."""
    return next((node for node in reversed(done.node_list) if is_root(node)), None)


def place_of_last(done: Graph, roots: Sequence[Node | None]) -> int:
    """Where the last of what other passes began at stands in the graph of this one, which has other keys and places;
    before everything where nothing that ran is among them.
    """
    place = {(node.module[:1], node.call): n for n, node in enumerate(done.node_list) if node.call is not None}
    called = [(root.module[:1], root.call) for root in roots if root is not None and root.call is not None]
    return max([place.get(each, -1) for each in called], default=-1)


def leaves_of(done: Graph) -> set[int]:
    """The numbers of the tensors that are leaves."""
    nodes = (node for node in done.node_list if node.kind == "leaf")
    return {port.tensor for node in nodes for port in node.ports if port.tensor is not None}


def is_root(node: Node) -> bool:
    """Whether a pass begins here."""
    return any(port.is_output or port.upstream is not None for port in node.ports)


@dataclass(frozen=True, eq=False)
class Piece:
    """The part of a recording that one pass is about: the nodes behind where it began.

    What nothing flows back to is part of it if it was computed after the node ``since``; else it is only read.
    ``leaves`` are the numbers of the tensors that are.
    """

    graph: Graph
    index: int
    since: int
    leaves: frozenset[int]

    @cached_property
    def place(self) -> Mapping[str, int]:
        """Key of a node -> where it stands."""
        return {node.key: n for n, node in enumerate(self.graph.node_list)}

    @cached_property
    def _found(self) -> tuple[frozenset[str], frozenset[str]]:
        inside: set[str] = set()
        read: set[str] = set()
        waiting = [node.key for node in self.graph.node_list if is_root(node)]
        while waiting:
            key = waiting.pop()
            if key in inside:
                continue
            inside.add(key)
            if self.is_leaf(self.graph.nodes[key]):
                continue
            for edge in self.graph.in_edges(key):
                if edge.cut is None or self.place[edge.tail] > self.since:
                    waiting.append(edge.tail)
                else:
                    read.add(edge.tail)
        return frozenset(inside), frozenset(read - inside)

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes, as they ran."""
        inside, read = self._found
        return tuple([node for node in self.graph.node_list if node.key in inside or node.key in read])

    def is_source(self, node: Node) -> bool:
        """Whether a node is drawn as something that was there; all that leads to it is left out."""
        inside, _ = self._found
        outside = not any(edge.tail in self.keys for edge in self.graph.in_edges(node.key))
        return node.key not in inside or self.is_leaf(node) or outside

    @cached_property
    def identity(self) -> Mapping[str, Hashable]:
        """Key of a node -> what it is called in the graphs of all passes, which have other keys: by its call, and what
        was there before by its first reader; None where that is not known.
        """
        found: dict[str, Hashable] = {}
        often: dict[int, int] = {}
        for node in self.graph.node_list:
            if node.call is not None:
                often[node.call] = often.get(node.call, -1) + 1
            told = node.call is not None and not self.graph.ranks  # of several ranks, each counts its own calls
            found[node.key] = (node.call, often[node.call or 0]) if told else None
        for node in self.nodes:
            if self.graph.ranks:
                continue
            if self.is_leaf(node):
                found[node.key] = ("leaf", node.ports[0].tensor, found[node.key])
            elif node.key in self._found[1] and node.kind != "data":
                found[node.key] = None  # computed by an earlier round, where it is another box
            elif found[node.key] is None and (uses := self.graph.out_edges(node.key)):
                found[node.key] = ("read by", found.get(uses[0].head), uses[0].slot) if found[uses[0].head] else None
        return found

    def is_leaf(self, node: Node) -> bool:
        """Whether a node is a leaf, or what wrote to one."""
        return node.kind == "leaf" or any(port.tensor in self.leaves for port in node.ports)

    @cached_property
    def keys(self) -> frozenset[str]:
        """The keys of its nodes."""
        inside, read = self._found
        return inside | read


class Boxes:
    """Which nodes are one box: told by the line that they ran in and by their operands, which are boxes, too."""

    def __init__(self) -> None:
        self.number: dict[tuple[Hashable, int], int] = {}
        self.of_identity: dict[Hashable, dict[int, int]] = {}  # port, or -1 for all of them -> box
        self.of_node: list[dict[str, dict[int, int]]] = []  # of each piece: key of a node -> likewise
        self.parts: list[dict[int, tuple[str, int]]] = []  # of each piece: box -> node and port, -1 for all of them

    def add(self, piece: Piece) -> None:
        """Give each node of a piece its box; what is part of an earlier piece has it already."""
        known = {node.key: self.of_identity.get(piece.identity[node.key], {}) for node in piece.nodes}
        self.of_node.append({key: dict(boxes) for key, boxes in known.items() if boxes})
        self.parts.append({box: (key, port) for key, boxes in known.items() for port, box in boxes.items()})
        for node in piece.nodes:
            for port, said in self._said(piece, node) if not known[node.key] else ():
                self._place(piece, node, port, said)

    def _said(self, piece: Piece, node: Node) -> Iterator[tuple[int, Hashable]]:
        """Port, or -1 for all of them -> what tells a box apart."""
        if not piece.is_leaf(node):
            yield -1, said_of_source(node) if piece.is_source(node) else self._said_of(piece, node)
            return
        read = {edge.port for edge in piece.graph.out_edges(node.key) if edge.head in piece.keys}
        for n, port in enumerate(node.ports):
            if n in read or port.is_output or len(node.ports) == 1:
                yield n, ("leaf", port.tensor) if port.tensor is not None else ("leaf", node.name)

    def _place(self, piece: Piece, node: Node, port: int, said: Hashable) -> None:
        """The first box that says the same and that nothing else of this piece is."""
        count, part = 0, self.parts[-1]
        while (box := self.number.setdefault((said, count), len(self.number))) in part:
            count += 1
        part[box] = (node.key, port)
        self.of_node[-1].setdefault(node.key, {})[port] = box
        if (identity := piece.identity[node.key]) is not None:
            self.of_identity.setdefault(identity, {})[port] = box

    def _said_of(self, piece: Piece, node: Node) -> Hashable:
        operands = [self.operand(edge) for edge in piece.graph.in_edges(node.key) if edge.tail in piece.keys]
        return ("op", node.kind, node.op, node.call_op, node.source, node.module, tuple(operands))

    def operand(self, edge: Edge, piece: int = -1) -> Operand:
        """An operand as boxes have it, in one of the pieces, the last so far."""
        boxes = self.of_node[piece][edge.tail]
        box, port = (boxes[-1], edge.port) if -1 in boxes else (boxes[edge.port], 0)
        return (box, port, edge.slot, edge.cut is not None)


def said_of_source(node: Node) -> Hashable:
    """What tells data apart."""
    if node.name is not None:
        return ("data", node.name)
    return ("data", node.source, node.ports[0].dtype if not node.ports[0].shape else None)


@dataclass(frozen=True, eq=False)
class Gathered:
    """All pieces, and what is drawn for each."""

    graph: Graph
    pieces: Sequence[Piece]
    boxes: Boxes

    def rounds(self) -> Iterator[Round]:
        """One after the other."""
        count = len(self.graph.passes)
        here = [
            {self.key(box): piece.identity[node] for box, (node, _) in parts.items()}
            for piece, parts in zip(self.pieces, self.boxes.parts, strict=True)
        ]
        fresh = [*self.fresh(here)]
        started = {piece.index: self.started(n, fresh[n]) for n, piece in enumerate(self.pieces)} | {count: math.inf}
        for n, piece in enumerate(self.pieces):
            graph, number = self.drawn(n), piece.index + 1
            begun = started[number - 1]
            yield Round(
                number,
                count,
                graph,
                frozenset(here[n]),
                fresh[n],
                frozenset(graph.nodes),
                chapters_early(self.lives, 0, begun) if number == 1 else (),
                chapters_late(self.lives, number - 1, begun),
                tuple([added for life in self.lives if (added := life.addition(number)) is not None]),
                chapters_early(self.lives, number, started.get(number))
                + (chapters_late(self.lives, number, math.inf) if number == count else ()),
                {life.leaf: life.held_before(number, begun) for life in self.lives},
                frozenset(life.leaf for life in self.lives if life.history.gone),
            )

    @staticmethod
    def fresh(here: Sequence[Mapping[str, Hashable]]) -> Iterator[frozenset[str]]:
        """Of each round the boxes that were computed since the one before."""
        told: set[Hashable] = set()
        for boxes in here:
            yield frozenset(key for key, identity in boxes.items() if identity is None or identity not in told)
            told |= {*boxes.values()}

    def started(self, n: int, fresh: Collection[str]) -> float | None:
        """How many calls of the program there were before the forward pass of a round; see `updates.parted`."""
        piece = self.pieces[n]
        nodes = [piece.graph.nodes[node] for box, (node, _) in self.boxes.parts[n].items() if self.key(box) in fresh]
        ran = [node for node in nodes if not piece.is_source(node)]
        if piece.graph.ranks or any(node.call is None for node in ran):
            return None
        return min((float(node.call) for node in ran if node.call is not None), default=math.inf)

    @cached_property
    def lives(self) -> tuple[Life, ...]:
        """What happened to the leaves."""
        return lives_of(self.graph, self.of_tensor)

    @cached_property
    def of_tensor(self) -> Mapping[int, str]:
        """Number of a tensor -> the key of its box; of a leaf that was written to between its uses the first."""
        found: dict[int, str] = {}
        for (said, _), box in self.boxes.number.items():
            if isinstance(said, tuple) and said[0] == "leaf" and isinstance(said[1], int):
                found.setdefault(said[1], self.key(box))
        return found

    @staticmethod
    def key(box: int) -> str:
        """The key of a box."""
        return f"n{box}"

    def drawn(self, n: int) -> Graph:
        """The boxes of all pieces with values and gradients of one; what is not part of it as it was last."""
        nodes: list[Node] = []
        edges: dict[str, Edge] = {}
        for box in range(len(self.boxes.number)):
            at = self._shown_from(box, n)
            node = self._node(box, at)
            nodes.append(node if at == n else self._silent(node, n))
            edges |= {edge.key: edge if at == n else silent(edge) for edge in self._edges(box, at)}
        last = self.pieces[n].graph
        return replace(
            last, node_list=tuple(nodes), edges=tuple(edges.values()), detail=None, finer=None, each_pass=(),
            notes=(*self.known, *(note for note in last.notes if note.kind not in UNROLLED)), memory=None,
            grad_histories=self.graph.grad_histories, target=None,
        )  # fmt: skip

    @property
    def known(self) -> tuple[Notice, ...]:
        """What is known of the program around all passes, where these do not say so themselves."""
        own = {note.kind for note in self.pieces[-1].graph.notes}
        return tuple([note for note in self.graph.notes if note.kind in AROUND and note.kind not in own])

    def _shown_from(self, box: int, n: int) -> int:
        """The last piece up to this one that the box is part of; the first of all, if there is none."""
        having = [i for i, part in enumerate(self.boxes.parts) if box in part]
        return max([i for i in having if i <= n], default=having[0])

    def _node(self, box: int, at: int) -> Node:
        piece = self.pieces[at]
        key, port = self.boxes.parts[at][box]
        node = piece.graph.nodes[key]
        if port >= 0:
            leaf = as_leaf(node, node.ports[port], self.key(box))
            return leaf if leaf.name else replace(leaf, name=self._called(box))
        if piece.is_source(node) and node.kind not in ("leaf", "data"):
            return as_data(node, self.key(box))
        return replace(node, key=self.key(box))

    def _called(self, box: int) -> str | None:
        """What a leaf is called in the first piece that knows a name of it: a step may leave it without one."""
        nodes = [(piece.graph.nodes[part[box][0]], part[box][1]) for piece, part in self._parts() if box in part]
        return next((name for node, port in nodes if (name := as_leaf(node, node.ports[port], "").name)), None)

    def _parts(self) -> Iterator[tuple[Piece, Mapping[int, tuple[str, int]]]]:
        """Each piece with its boxes."""
        return zip(self.pieces, self.boxes.parts, strict=True)

    def _edges(self, box: int, at: int) -> Iterator[Edge]:
        piece, part = self.pieces[at], self.boxes.parts[at]
        key, port = part[box]
        if port >= 0 or piece.is_source(piece.graph.nodes[key]):
            return
        for edge in piece.graph.in_edges(key):
            if edge.tail in piece.keys:
                tail, out, _, _ = self.boxes.operand(edge, at)
                yield replace(edge, tail=self.key(tail), head=self.key(box), port=out)

    def _silent(self, node: Node, n: int) -> Node:
        """A box that this round has nothing to do with: a leaf as it is now, anything else as it was."""
        ports = tuple([replace(port, grad=None, upstream=None, arrived=None, is_output=False) for port in node.ports])
        if node.kind == "leaf" and node.ports[0].tensor is not None:
            number = self.pieces[n].index + 1
            life = next((one for one in self.lives if one.leaf == node.key), None)
            if life is not None:
                held, value = life.held_after(number), life.value_after(number)
                ports = (replace(ports[0], value=value, grad_total=held),)
        cut = node.cut or ("unreached" if node.requires_grad else None)
        return replace(node, ports=ports, backward_order=None, cut=cut)


AROUND = (MODEL, WRITTEN_LINES)  # what notices say of the program
UNROLLED = ("several passes", "written between uses")  # what notices say of a picture with a node for each time


def silent(edge: Edge) -> Edge:
    """The edge without what flowed along it."""
    return replace(edge, grad=None, local=None, jacobian=None, made=None)


def as_leaf(node: Node, port: Port, key: str) -> Node:
    """A leaf, whatever wrote to it."""
    cut = node.cut if node.kind == "leaf" else None
    hooks, name = node.hooks if node.kind == "leaf" else (), port.name or (node.name if len(node.ports) == 1 else None)
    port = replace(port, also=port.also or (node.ports[0].also if len(node.ports) == 1 else ()))
    return Node(key, "leaf", None, name, (port,), (), True, cut, hooks=hooks)


def as_data(node: Node, key: str) -> Node:
    """What was computed before the piece, as something that is there."""
    ports = tuple([replace(port, grad=None, upstream=None, grad_total=None, arrived=None) for port in node.ports])
    return Node(key, "data", None, node.name, ports, (), cut=node.cut or "data")


def known_number(snap: Snapshot | None) -> float | None:
    """A single number that is known and real."""
    if snap is None or not snap.known or snap.numel != 1:
        return None
    number = snap.item()
    return None if isinstance(number, complex) else float(number)
