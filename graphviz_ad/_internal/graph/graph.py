"""Node, Edge, Graph: what was computed, as immutable values that know no framework and no picture."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from graphviz_ad._internal.base.checked_calls import checking_arguments
from graphviz_ad._internal.base.errors import UnknownNameError
from graphviz_ad._internal.base.frozen import frozen
from graphviz_ad._internal.base.text_table import counted_noun
from graphviz_ad._internal.graph.arguments import Arguments
from graphviz_ad._internal.graph.box_facts import NotFinite, Part, Step
from graphviz_ad._internal.graph.cuts import DETACHED
from graphviz_ad._internal.graph.fact_texts import settings_of
from graphviz_ad._internal.graph.grad_history import GradHistory
from graphviz_ad._internal.graph.memory import Memory as Memory
from graphviz_ad._internal.graph.memory import readable_bytes as readable_bytes
from graphviz_ad._internal.graph.messages import Communication
from graphviz_ad._internal.graph.notice_sentences import texts
from graphviz_ad._internal.graph.notices import Notice, as_notice
from graphviz_ad._internal.graph.ragged import numel_of_shape
from graphviz_ad._internal.graph.repeats import Copies
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.graph.statements import Statement
from graphviz_ad._internal.graph.target import Target
from graphviz_ad._internal.graph.written_program import WrittenPart

if TYPE_CHECKING:
    from pathlib import Path

    import networkx as nx

    from graphviz_ad._internal.api.api import Animation, Picture
    from graphviz_ad._internal.base.argument_types import StrPath
    from graphviz_ad._internal.base.checked_calls import saves, takes
    from graphviz_ad._internal.check.gradient_check import Report
    from graphviz_ad._internal.diagnosis.findings import Diagnosis
    from graphviz_ad._internal.diagnosis.parameter_table import Table
    from graphviz_ad._internal.explain.explanation import Explanation
    from graphviz_ad._internal.explain.forward_mode import Tangents
    from graphviz_ad._internal.explain.mode_costs import ModeCosts
    from graphviz_ad._internal.output.call_options import AnimateOptions, DrawOptions, PlotOptions, SaveOptions
    from graphviz_ad._internal.sheets.method_comparison import Comparison

KINDS = ("leaf", "data", "op", "module", "line", "call")
COMPUTED = frozenset(("op", "line", "call"))  # kinds of nodes that are shown with all that is known of their results
CUTS = (  # why no gradient flows along an edge, or reaches a node
    *(
        "data",
        DETACHED,
        "no_grad",
        "inference",
        "non-differentiable",
        "shape-only",
        "unreached",
        "none-gradient",
        "inplace_view",
        "inner",
    ),
    "communication",
)
MATCHES = ("exact", "guess")


@frozen
class Port:
    """One result of a node: its value, and the gradient of the outputs with respect to it.

    ``grad`` includes ``upstream``, the gradient that the caller fed in here because this result is an output;
    ``grad_total`` is what a leaf's ``.grad`` held after a recorded backward pass; ``arrived`` is the sum of the edges,
    where ``grad`` is another: a hook changed it, or the call that made the result uses it, too; ``tensor`` numbers the
    tensor whose value this is, where `Graph.grad_histories` has its history: all values of one tensor have the same;
    ``also`` are other variables from which the program reads it, as those in which the caller of a function has what it
    returned. ``made_by`` is the module or operation in a box that one of several results of it comes from; ``begins``
    is the number of the backward pass that begins here, where a picture shows several. ``requires_grad`` is False for
    a result of a box that takes no gradient, where others of the same box do.
    """

    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    device: str | None = None
    value: Snapshot | None = None
    grad: Snapshot | None = None
    upstream: Snapshot | None = None
    grad_total: Snapshot | None = None
    name: str | None = None
    is_output: bool = False
    arrived: Snapshot | None = None
    tensor: int | None = None
    also: tuple[str, ...] = ()
    made_by: str | None = None
    begins: int | None = None
    requires_grad: bool = True

    def is_called(self, name: str) -> bool:
        """Whether the program has this name for it, be it beside another."""
        return name == self.name or name in self.also

    @property
    def takes_gradient(self) -> bool:
        """Whether there could be a gradient of it: integers and truth values have none."""
        exact = self.dtype is not None and self.dtype.startswith(("int", "uint", "bool"))
        return self.requires_grad and not exact

    @property
    def bytes(self) -> int | None:
        """How much memory a result of this shape and dtype takes; None where either is unknown."""
        if self.shape is None or self.dtype is None:
            return None
        bits = re.match(r"(?!quint\dx)(?:bool|[a-z]+?(\d+))", self.dtype)
        if bits is None:  # a number of Python's, or packed in a way that nobody says
            return None
        return numel_of_shape(self.shape) * max(int(bits[1] or 8) // 8, 1)


@frozen
class Node:
    """One leaf, piece of data, operation, folded module, or line or call of the program.

    ``autograd`` names the autograd nodes that this node stands for; ``call`` numbers the call in the user's program
    that it is part of; ``arguments`` are those that are no operands, see `graphviz_ad._internal.graph.arguments`;
    ``backward_order`` counts in the order in which the engine ran; ``saved`` are the names under which tensors are kept
    for the backward pass, ``saved_bytes`` their size. ``hooks`` are the names of the user's hooks on the results and
    behind the autograd node, ``hook_effects`` says what they changed ("gradient", "sent", "flow"); ``messages`` is what
    went to and came from other processes; ``parameter_norm`` is the norm of the gradients of the ``parameters`` that a
    folded module holds; ``raised`` says that the program, or its backward pass, stopped here; ``statement`` is the
    place, among those of the graph, of the statement that this ran in; ``members`` are the keys, in ``Graph.finer``, of
    what a line or a call of the program is made of; ``switched_off`` is what the program called so that autograd
    recorded nothing here, and the line in which it does, where both are known: ("no_grad", "lesson.py:12"); ``copies``
    says how often what stands in one box ran, and how the times differ; ``parts`` are the modules that a box holds,
    ``steps`` is what ran in it, in order, ``not_finite`` is what in it is NaN or infinite, ``parameter_names`` are
    those of the parameters that it holds, ``far_off`` the layers in it with gradients that are far too small or too
    large, and the norms of these; ``updates`` are the names of the parameters that a step of an optimizer changes,
    ``uses_passes`` the numbers of the backward passes that brought the gradients that it reads, where they are known.
    Where a picture shows several backward passes, ``in_passes`` are the numbers of those whose gradients a node has.
    ``bounds``: which copies of what is repeated begin or end with a box, see
    `graphviz_ad._internal.graph.open_copies`.
    """

    key: str
    kind: str
    op: str | None = None
    name: str | None = None
    ports: tuple[Port, ...] = (Port(),)
    autograd: tuple[str, ...] = ()
    requires_grad: bool = False
    cut: str | None = None
    module: tuple[str, ...] = ()
    source: str | None = None
    saved: tuple[str, ...] = ()
    arguments: Arguments = ()
    call: int | None = None
    call_op: str | None = None
    backward_order: int | None = None
    inside: int = 0
    parameters: int = 0
    saved_bytes: int | None = None
    hooks: tuple[str, ...] = ()
    hook_effects: tuple[str, ...] = ()
    messages: tuple[Communication, ...] = ()
    parameter_norm: float | None = None
    raised: bool = False
    statement: int | None = None
    members: tuple[str, ...] = ()
    switched_off: tuple[str, ...] = ()
    copies: Copies | None = None
    parts: tuple[Part, ...] = ()
    not_finite: NotFinite | None = None
    parameter_names: tuple[str, ...] = ()
    updates: tuple[str, ...] = ()
    uses_passes: tuple[int, ...] = ()
    in_passes: tuple[int, ...] = ()
    bounds: tuple[tuple[str, int, int, bool], ...] = ()
    steps: tuple[Step, ...] = ()
    far_off: tuple[tuple[str, float], ...] = ()

    @property
    def settings(self) -> tuple[tuple[str, str], ...]:
        """What is known of how the operation was done, in words; to be shown, and not to be read facts from."""
        return tuple(settings_of(self))

    @property
    def keeps_unknown(self) -> bool:
        """Whether the backward pass comes by here and nobody says what is kept for it."""
        passed = bool(self.autograd) and self.cut not in ("unreached", "inner")
        return passed and not self.saved and self.saved_bytes is None

    @property
    def value(self) -> Snapshot | None:
        """The result, where there is just one."""
        return self.ports[0].value if len(self.ports) == 1 else None

    @property
    def grad(self) -> Snapshot | None:
        """The gradient of the outputs with respect to the result, where there is just one result."""
        return self.ports[0].grad if len(self.ports) == 1 else None

    @property
    def is_step(self) -> bool:
        """Whether an optimizer made this of a parameter."""
        return self.op is not None and self.op.endswith(".step")

    @property
    def is_of_steps(self) -> bool:
        """Whether this is a box of what an optimizer made of parameters."""
        return self.kind == "module" and self.call_op is not None and self.call_op.endswith(".step")

    @property
    def is_output(self) -> bool:
        """Whether the traced program returned a result of this node."""
        return any(port.is_output for port in self.ports)

    def attributes(self) -> dict[str, Any]:
        """The attributes of this node in ``Graph.nx``."""
        one = self.ports[0] if len(self.ports) == 1 else Port()
        return {
            "kind": self.kind,
            "name": self.name,
            "op": self.op,
            "autograd": self.autograd,
            "value": one.value,
            "grad": one.grad,
            "shape": self.ports[0].shape,
            "dtype": self.ports[0].dtype,
            "device": self.ports[0].device,
            "requires_grad": self.requires_grad,
            "is_output": self.is_output,
            "module": self.module,
            "source": self.source,
            "saved": self.saved,
            "saved_bytes": self.saved_bytes,
            "cut": self.cut,
            "upstream": one.upstream,
            "grad_total": one.grad_total,
            "ports": self.ports,
            "settings": dict(self.settings),
            "arguments": dict(self.arguments),
            "hooks": self.hooks,
            "hook_effects": self.hook_effects,
            "messages": self.messages,
            "raised": self.raised,
            "backward_order": self.backward_order,
        }


@frozen
class Edge:
    """A result of ``tail`` (its ``port``) used as operand ``slot`` of ``head``.

    ``local`` is ∂head/∂tail where that is a number or elementwise (then of the shape in which the operand was used,
    that is after broadcasting); ``grad`` is what flows back along this very edge; ``match`` is "guess" when it is not
    certain that this operand belongs to this autograd edge. ``jacobian`` has, where ``local`` cannot say it and it is
    small, the derivative of each element of the result by each of the operand: its shape is that of the one followed
    by that of the other. ``made`` is what the operation sent, where a hook of the user's on its autograd node made
    ``grad`` of that.
    """

    tail: str
    head: str
    slot: int
    port: int = 0
    local: Snapshot | None = None
    grad: Snapshot | None = None
    cut: str | None = None
    match: str = "exact"
    jacobian: Snapshot | None = None
    made: Snapshot | None = None

    @property
    def key(self) -> str:
        """A text that no other edge of the graph has."""
        return f"{self.tail}>{self.head}#{self.slot}"

    def attributes(self) -> dict[str, Any]:
        """The attributes of this edge in ``Graph.nx``."""
        return {name: getattr(self, name) for name in ("slot", "port", "local", "jacobian", "grad", "cut", "match")}


@dataclass(frozen=True, eq=False)
class Graph:
    """A recorded computation: nodes in the order in which they were computed, edges the way values flow.

    ``name`` is that of the traced function or module; ``notes`` are what was left out, folded or cut short, and how it
    failed; ``detail`` is the same computation as finely as it was recorded, when ``self`` shows calls as one node; see
    also `passes`. ``ranks`` are those that it was merged of, if it was, ``of_ranks`` what each of them recorded.
    ``grad_histories`` say of a recording what ``.grad`` of its tensors held. ``statements`` are those of the program
    that nodes ran in, ``program`` is the source that they stand in; ``finer`` is the graph whose nodes are the members
    of lines and calls, where ``self`` has such. ``module_classes`` says of modules that ran, by name, what they are.
    ``target`` is what `check` needs to run the traced program again; it stays in this process, and in no file.
    """

    def __getstate__(self) -> dict[str, Any]:
        """All but the program that it was traced from, and what can be found out again."""
        return {each.name: getattr(self, each.name) for each in fields(self)} | {"target": None}

    node_list: tuple[Node, ...]
    edges: tuple[Edge, ...]
    name: str = "graph"
    notes: tuple[Notice, ...] = ()
    has_gradients: bool = True
    detail: Graph | None = None
    each_pass: Sequence[Graph] = ()
    memory: Memory | None = None
    ranks: tuple[int, ...] = ()
    target: Target | None = field(default=None, repr=False)
    grad_histories: tuple[GradHistory, ...] = ()
    statements: tuple[Statement, ...] = ()
    finer: Graph | None = None
    module_classes: tuple[tuple[str, str], ...] = ()
    program: tuple[WrittenPart, ...] = ()
    of_ranks: tuple[Graph, ...] = ()

    @property
    def notices(self) -> tuple[str, ...]:
        """What the trace or the picture may have missed, folded, cut short or replaced, as text."""
        return texts(self.notes)

    @property
    def failures(self) -> tuple[Notice, ...]:
        """How the program or its backward pass failed, if it did; in a graph of several ranks, also those of some of
        them.
        """
        return tuple(note for note in self.notes if note.failure is not None)

    @cached_property
    def class_of_module(self) -> Mapping[str, str]:
        """Name of a module that ran -> its class."""
        return MappingProxyType(dict(self.module_classes))

    @cached_property
    def nodes(self) -> Mapping[str, Node]:
        """Key -> Node, in the order in which they were computed."""
        return MappingProxyType({node.key: node for node in self.node_list})

    @cached_property
    def of_calls(self) -> Mapping[int, Sequence[Node]]:
        """Number of a call in the program -> the operations that are part of it, in their order."""
        found: dict[int, list[Node]] = {}
        for node in self.node_list:
            if node.call is not None and node.kind == "op":
                found.setdefault(node.call, []).append(node)
        return found

    @cached_property
    def _sides(self) -> tuple[dict[str, list[Edge]], dict[str, list[Edge]]]:
        into: dict[str, list[Edge]] = {key: [] for key in self.nodes}
        out: dict[str, list[Edge]] = {key: [] for key in self.nodes}
        for edge in self.edges:
            into[edge.head].append(edge)
            out[edge.tail].append(edge)
        for operands in into.values():
            operands.sort(key=lambda edge: edge.slot)
        return into, out

    def in_edges(self, key: str) -> list[Edge]:
        """The operands of a node, in order."""
        return self._at(0, key)

    def out_edges(self, key: str) -> list[Edge]:
        """Every use of a node's results."""
        return self._at(1, key)

    def _at(self, side: int, key: str) -> list[Edge]:
        try:
            return self._sides[side][key]
        except (KeyError, TypeError):
            raise UnknownNameError("node with the key", key, self.nodes, "The keys are those of graph.nodes.") from None

    @property
    def outputs(self) -> list[Node]:
        """The nodes whose results the traced program returned."""
        return [node for node in self.node_list if node.is_output]

    @property
    def passes(self) -> Sequence[Graph]:
        """The graph with the gradients of each backward pass that was recorded, in order; made when it is asked for."""
        return self.each_pass or (self,)

    def find(self, name: str) -> Node:
        """The node with this variable, parameter or input name: of several the last that has a gradient, so that it
        is the loss that backward() began at and the parameter as it was used; where none has one, the last that no
        optimizer made. The name of a module stands for what it returned.
        """
        known = self.node_list if isinstance(name, str) else ()
        found = [node for node in known if node.name == name or any(port.name == name for port in node.ports)]
        found = found or [node for node in known if any(name in port.also for port in node.ports)]
        found = found or [node for node in known if name in node.module and node.kind != "leaf"]
        reached = [node for node in found if any(port.grad is not None for port in node.ports)]
        if found:
            return (reached or [node for node in found if not node.is_step] or found)[-1]
        raise UnknownNameError("node", name, {node.name for node in self.node_list if node.name})

    @checking_arguments
    def with_parts(self, nodes: Iterable[Node], edges: Iterable[Edge], notices: Iterable[str | Notice] = ()) -> Graph:
        """A graph of other nodes and edges that says `notices` too; keeps name and detail."""
        return replace(self, node_list=tuple(nodes), edges=tuple(edges)).saying(*notices)

    def saying(self, *notices: str | Notice) -> Graph:
        """The same graph with more notices; a sentence will do as one."""
        return replace(self, notes=(*self.notes, *map(as_notice, notices))) if notices else self

    def __repr__(self) -> str:
        """One line for the console: what this is a graph of."""
        kinds = [sum(node.kind == kind for node in self.node_list) for kind in ("op", "leaf", "data")]
        counts = (counted_noun(kinds[0], "op"), "1 leaf" if kinds[1] == 1 else f"{kinds[1]} leaves", f"{kinds[2]} data")
        return f"<Graph of {self.name}: {', '.join(counts)}, {counted_noun(len(self.edges), 'edge')}>"

    if TYPE_CHECKING:  # what is above this room can do with a graph; `api.methods` puts it here

        @property
        def nx(self) -> nx.MultiDiGraph:
            """A new networkx.MultiDiGraph of this graph; the caller owns it."""
            ...

        @takes(DrawOptions)
        def plot(self, asked: DrawOptions) -> Picture:
            """A still picture."""
            ...

        @takes(AnimateOptions)
        def animate(self, asked: AnimateOptions) -> Animation:
            """A film of the forward pass, the backward pass, or both."""
            ...

        @saves(SaveOptions)
        def save(self, path: Any, asked: SaveOptions) -> Path | None:
            """Write a film or a still; the suffix chooses. Returns the path."""
            ...

        @takes(PlotOptions)
        def to_dot(self, asked: PlotOptions) -> str:
            """DOT source of the picture."""
            ...

        @takes(PlotOptions)
        def to_svg(self, asked: PlotOptions) -> str:
            """The picture as a standalone SVG document."""
            ...

        def to_json(self) -> str:
            """The graph as JSON that `Graph.load` reads back."""
            ...

        @staticmethod
        def load(path: StrPath) -> Graph:
            """Read a graph that was saved as JSON or GraphML."""
            ...

        def explain(
            self,
            wrt: str,
            output: str | None = None,
            *,
            detail: Literal["auto", "op", "line", "call", "module"] = "auto",
        ) -> Explanation:
            """How the gradient with respect to `wrt` comes about, path by path."""
            ...

        def check(self, *, capture: bool = False, numeric: bool | Literal["auto"] = "auto") -> Report:
            """Compare the gradients with the sums over edges and with finite differences; with ``capture``, verify
            the links to autograd, too; ``numeric``: whether the target is run again.
            """
            ...

        def why(self, name: str) -> str:
            """Why a result has the gradient that it has, or has none."""
            ...

        def diagnose(self, budget: int | None = None) -> Diagnosis:
            """What is wrong with the recorded program: findings ordered by weight."""
            ...

        def table(self) -> Table:
            """One row a parameter and a module."""
            ...

        def fingerprint(self, *, values: bool = False) -> str:
            """A short text that is the same for the same computation."""
            ...

        def tangents(self, wrt: str | Mapping[str, Any]) -> Tangents:
            """Forward mode: how every result changes when inputs move."""
            ...

        def mode_costs(self) -> ModeCosts:
            """How many sweeps and products all derivatives take in forward and in reverse mode."""
            ...

        def compare_methods(self, wrt: str | None = None) -> Comparison:
            """Numeric, symbolic and automatic derivatives side by side."""
            ...

        def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]: ...

        def _repr_html_(self) -> str | None: ...

        def _repr_svg_(self) -> str | None: ...
