"""Graph -> tangents: forward mode, in which derivatives travel with the values.

A tangent says how fast a result changes when the inputs move in a chosen direction. Along an edge it is multiplied by
the local derivative, moved as the elements are moved, or multiplied by the rows of the local Jacobian where
`operations.rules` has a formula for these. Where none of this is known the tangent is unknown, and so is all that needs
it. Tangents stop where gradients do: at detach, no_grad and data.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from graphviz_ad._internal.base.argument_types import demand
from graphviz_ad._internal.base.checked_calls import checking_arguments
from graphviz_ad._internal.base.errors import ExpressionError, OptionError, UnknownNameError
from graphviz_ad._internal.base.text_table import table_lines
from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.graph.snapshot import MOST_DIMENSIONS, Array, Snapshot
from graphviz_ad._internal.maths.claims import LETTERS, Claims, backward_formula, base_name, shape_of_edge
from graphviz_ad._internal.maths.element_moves import joined_tangent, moved_result
from graphviz_ad._internal.maths.formula_letters import PLAIN_DIGITS
from graphviz_ad._internal.maths.formula_values import evaluate
from graphviz_ad._internal.maths.formulas import total_derivative
from graphviz_ad._internal.maths.number_format import number_in_one_line, short_number
from graphviz_ad._internal.operations.traits import GETITEM
from graphviz_ad._internal.scene.words import formula_text
from graphviz_ad._internal.scene.words.names import graph_names, mathematical_names
from graphviz_ad._internal.scene.words.short_text import is_constant
from graphviz_ad._internal.scene.words.statement_text import statement_texts

MOST_ROWS = 256  # rows of a Jacobian that are worth computing
Place = tuple[str, int]  # a node's key and the number of one of its results
Direction = str | Mapping[str, Any]


@dataclass(frozen=True)
class Tangents:
    """How fast every result of a graph changes along a direction; ``print`` shows the forward pass with its tangents.

    ``direction`` says by how much each input moves, by name. ``tangents["x"]`` is that of the node with this name or
    key: a `Snapshot`, or None where it cannot be known.
    """

    graph: Graph
    direction: Mapping[str, Snapshot]
    found: Mapping[Place, Snapshot | None]
    moving: frozenset[str]

    def __getitem__(self, name: str) -> Snapshot | None:
        demand("name", name, str)
        place = (name, 0) if name in self.graph.nodes else place_of_result(self.graph, name)
        return self.found[place]

    @checking_arguments
    def of(self, node: Node, port: int = 0) -> Snapshot | None:
        """The tangent of one result of a node; None where it is unknown."""
        if (node.key, port) not in self.found:
            raise UnknownNameError("result", f"{node.key}[{port}]", [f"{key}[{number}]" for key, number in self.found])
        return self.found[node.key, port]

    @checking_arguments
    def along(self, edge: Edge) -> Snapshot | None:
        """What an edge brings to its head: local derivative times tangent; None where that is unknown or nothing
        moves.
        """
        if edge not in self.graph.edges:
            raise UnknownNameError("edge", edge.key, [each.key for each in self.graph.edges])
        moves = not stops(edge) and edge.tail in self.moving
        return (
            snapshot_of(tangent_contribution(self.graph, edge, elements(self.found[edge.tail, edge.port])))
            if moves
            else None
        )

    @property
    def wrt(self) -> str | None:
        """The name of the only input that moves, where it is a single number that moves by 1."""
        if len(self.direction) != 1:
            return None
        ((name, seed),) = self.direction.items()
        return name if seed.shape == () and seed.item() == 1 else None

    @cached_property
    def outputs(self) -> dict[str, Snapshot | None]:
        """Name -> tangent of what the program returned."""
        names = graph_names(self.graph).of
        return {
            port.name or names[node.key]: self.found[node.key, i]
            for node in self.graph.outputs
            for i, port in enumerate(node.ports)
            if port.is_output
        }

    @cached_property
    def forward(self) -> float | None:
        """The derivative of the result along the direction, as the tangents of the outputs say it."""
        pairs = [
            (port.upstream, self.found[node.key, i])
            for node in self.graph.node_list
            for i, port in enumerate(node.ports)
            if port.upstream is not None
        ]
        return inner_product(pairs)

    @cached_property
    def reverse(self) -> float | None:
        """The same number, as the gradients of the inputs say it."""
        places = [(place_of_result(self.graph, name), seed) for name, seed in self.direction.items()]
        return inner_product([(self.graph.nodes[key].ports[port].grad, seed) for (key, port), seed in places])

    def to_text(self) -> str:
        """The forward pass as a table: formula, value and tangent of each node, then the comparison with reverse
        mode.
        """
        return "\n".join([self.title(), *table_lines(list(self.rows())), *self.comparison()])

    def title(self) -> str:
        """ "Tangents of f: x1 moves by 1, the other inputs rest"."""
        moves = " and ".join(
            f"{shown_name(self.graph, name)} moves by {number_in_one_line(seed)}"
            for name, seed in self.direction.items()
        )
        leaves = sum(node.kind == "leaf" for node in self.graph.node_list)
        rest = {0: "", 1: ", the other input rests"}.get(leaves - len(self.direction), ", the other inputs rest")
        return f"Tangents of {self.graph.name}: {moves}{rest}."

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """Name and formula, value, tangent."""
        yield ("", "value", "tangent")
        names, claims = mathematical_names(self.graph), Claims(self.graph)
        texts = statement_texts(self.graph, names)
        for node in self.graph.node_list:
            if is_constant(node):
                continue
            formula = texts.of(node) if node.members else formula_text.formula_of_claim(claims.of(node.key), names)
            for i, port in enumerate(node.ports):
                name = names.results[node.key][i]
                value, moved = (
                    "?" if snap is None else number_in_one_line(snap) for snap in (port.value, self.found[node.key, i])
                )
                yield (f"{name} = {formula}" if formula else name, value, moved)

    def comparison(self) -> list[str]:
        """What both modes make of the result."""
        if self.forward is None or self.reverse is None:
            return []
        name = mathematical_names(self.graph).output
        what = (
            total_derivative(name, shown_name(self.graph, self.wrt))
            if self.wrt
            else f"The derivative of {name} in this direction"
        )
        return [
            f"{what}: {short_number(self.forward, digits=7)} by forward mode, {short_number(self.reverse, digits=7)}"
            " by reverse"
            " mode."
        ]

    def __str__(self) -> str:
        return self.to_text()


def tangents_of(graph: Graph, wrt: Direction) -> Tangents:
    """The tangent of every node when the inputs move in a direction.

    ``wrt`` is the name of an input, which then moves by 1 in each of its elements, or a mapping from names to movements
    of the same shapes.
    """
    given = {wrt: None} if isinstance(wrt, str) else wrt
    if not isinstance(given, Mapping) or not given:
        raise OptionError(
            f"{wrt!r} is no direction; give the name of an input such as 'x1', or movements such as {{'x1': 1.0, 'x2':"
            " 0.5}"
        )
    places = {name: place_of_result(graph, name) for name in given}
    seeds = {name: seed_of(graph, places[name], name, movement) for name, movement in given.items()}
    found: dict[Place, Array | None] = {places[name]: elements(seed) for name, seed in seeds.items()}
    moving = depends_on(graph, {key for key, _ in places.values()})
    for node in graph.node_list:
        for port, result in enumerate(node.ports):
            if (node.key, port) not in found:
                moved = node.key in moving
                found[node.key, port] = arriving(graph, node, found, moving) if moved else at_rest(result)
    return Tangents(graph, seeds, {place: snapshot_of(array) for place, array in found.items()}, frozenset(moving))


def place_of_result(graph: Graph, name: str) -> Place:
    """Where the result with this name is, as the program or as the picture calls it; an input goes before a variable
    of the same name.
    """
    inputs = [
        node
        for node in graph.node_list
        if is_called(node, name) and (node.kind == "leaf" or (node.kind == "data" and node.requires_grad))
    ]
    if len(inputs) > 1:  # a leaf at several moments: that at which a gradient came to it
        inputs = [node for node in inputs if node.ports[port_called(node, name)].grad is not None][-1:]
    names = mathematical_names(graph)
    shown = [graph.nodes[key] for key in names.of if name in (names.of[key], names.typed[key], *names.results[key])]
    known = any(is_called(node, name) for node in graph.node_list)
    if not shown and not known:  # h₁ as it can be typed: h1, h_1
        shown = [graph.nodes[key] for key, called in names.of.items() if name in typed(called)]
    node = inputs[0] if len(inputs) == 1 else shown[0] if shown else graph.find(name)
    results = names.results[node.key]
    return node.key, results.index(name) if name in results else port_called(node, name)


def shown_name(graph: Graph, name: str) -> str:
    """What mathematics calls the result of that name."""
    key, port = place_of_result(graph, name)
    return mathematical_names(graph).results[key][port]


def is_called(node: Node, name: str) -> bool:
    """Whether the program calls a node, or one of its results, so."""
    return node.name == name or any(port.is_called(name) for port in node.ports)


def port_called(node: Node, name: str) -> int:
    """The result of this name; the first where the name is that of the node."""
    return next((i for i, port in enumerate(node.ports) if port.is_called(name)), 0)


def typed(called: str) -> tuple[str, ...]:
    """How a name with a subscript can be typed without one."""
    base = called.rstrip("₀₁₂₃₄₅₆₇₈₉")
    count = called[len(base) :].translate(PLAIN_DIGITS)
    return (f"{base}{count}", f"{base}_{count}") if count else ()


def seed_of(graph: Graph, place: Place, name: str, movement: Any) -> Snapshot:
    """The movement of an input as an array of its shape."""
    node = graph.nodes[place[0]]
    if not node.requires_grad:
        raise UnknownNameError(
            "input that takes a gradient",
            name,
            {each.name for each in graph.node_list if each.requires_grad and each.name},
        )
    shape = node.ports[place[1]].shape or ()
    if movement is None:
        ones = np.ones(shape if len(shape) <= MOST_DIMENSIONS else math.prod(shape))
        return Snapshot(shape, "float64", ones if shape else 1.0)
    try:
        array = np.asarray(movement, np.float64)
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"{movement!r} is no movement for {name!r}: {error}; give numbers in the shape {shape}"
        ) from error
    if array.shape != shape:
        raise OptionError(
            f"the movement of {name!r} has shape {array.shape}, but {name} has shape {shape}; give one number for each"
            " of its elements"
        )
    return Snapshot(shape, "float64", array if shape else array.item())


def depends_on(graph: Graph, keys: set[str]) -> set[str]:
    """The nodes that a movement of these reaches."""
    reached = set(keys)
    for node in graph.node_list:
        if any(edge.tail in reached and not stops(edge) for edge in graph.in_edges(node.key)):
            reached.add(node.key)
    return reached


def stops(edge: Edge) -> bool:
    """Whether nothing flows along an edge, in either mode; where only no gradient arrived, tangents still do."""
    return edge.cut not in (None, "unreached")


def at_rest(port: Port) -> Array | None:
    """No movement at all; None in more dimensions than numpy computes in."""
    shape = port.shape or ()
    return np.zeros(shape) if len(shape) <= MOST_DIMENSIONS else None


def arriving(graph: Graph, node: Node, found: Mapping[Place, Array | None], moving: set[str]) -> Array | None:
    """The sum of what the edges bring; None where one of them is not known."""
    if node.ports[1:] or not node.requires_grad:
        return None
    total = at_rest(node.ports[0])
    for edge in graph.in_edges(node.key):
        if edge.tail in moving and not stops(edge):
            part = tangent_contribution(graph, edge, found.get((edge.tail, edge.port)))
            if part is None or total is None:
                return None
            total = total + part
    return total


def tangent_contribution(graph: Graph, edge: Edge, tangent: Array | None) -> Array | None:
    """Local derivative times tangent; None where either is unknown, or where shapes do not go together."""
    if tangent is None:
        return None
    with np.errstate(all="ignore"), suppress(ValueError):
        return product(graph, edge, tangent)
    return None


def product(graph: Graph, edge: Edge, tangent: Array) -> Array | None:
    """The same where both are known, by the local derivative itself or by what tells of it."""
    shape, local = graph.nodes[edge.head].ports[0].shape or (), elements(edge.local)
    if local is not None:
        part = local * tangent
        return np.sum(part).reshape(shape) if math.prod(shape) == 1 else np.broadcast_to(part, shape)
    jacobian = elements(edge.jacobian)
    if jacobian is not None:
        return np.asarray(np.tensordot(jacobian, tangent, axes=tangent.ndim))
    found = through_settings(graph, edge, tangent)
    return through_jacobian(graph, edge, tangent) if found is None else found


def through_settings(graph: Graph, edge: Edge, tangent: Array) -> Array | None:
    """What an operation that moves elements about does to a tangent; None for any other."""
    node = graph.nodes[edge.head]
    name, settings, operands = base_name(node), dict(node.arguments), graph.in_edges(node.key)
    # the settings of a call of several operations are not known
    if len(node.autograd) > 1 and not (name == GETITEM and settings):
        return None
    if len(operands) > 1:
        return joined_tangent(
            name, tangent, edge.slot, [shape_of_edge(graph, operand) for operand in operands], settings
        )
    return moved_result(name, tangent, node.ports[0].shape or (), settings, elements(node.value))


def through_jacobian(graph: Graph, edge: Edge, tangent: Array) -> Array | None:
    """The rows of the local Jacobian, each what flows back when only one element of the result is wanted, times the
    movement.
    """
    head, formula = graph.nodes[edge.head], backward_formula(graph, edge)
    shape = head.ports[0].shape
    if not formula or shape is None or math.prod(shape) > MOST_ROWS:
        return None
    operands = graph.in_edges(head.key)
    values = [elements(graph.nodes[each.tail].ports[each.port].value) for each in operands]
    known = {letter: value for letter, value in zip(LETTERS, values, strict=False) if value is not None}
    out = elements(head.value)
    known |= {"out": out} if out is not None else {}
    rows = np.eye(math.prod(shape)).reshape(-1, *shape)
    classes = np.arange((shape_of_edge(graph, operands[0]) or (1,))[-1])
    words = {"onehot": lambda which: np.equal.outer(which, classes) * 1.0}
    try:
        return np.array([np.sum(evaluate(formula, {**known, "g": row}, words) * tangent) for row in rows]).reshape(
            shape
        )
    except (ExpressionError, ValueError, TypeError, IndexError):
        # a name whose value is not known, or a shape that the formula does not fit
        return None


def elements(snap: Snapshot | None) -> Array | None:
    """The real numbers of a snapshot; None where they are not known."""
    array = snap.array if snap is not None else None
    with np.errstate(invalid="ignore"):  # a signalling NaN warns
        return array.astype(np.float64) if array is not None and array.dtype.kind in "fiub" else None


def snapshot_of(array: Array | None) -> Snapshot | None:
    """An array as the graph would keep it."""
    if array is None:
        return None
    return Snapshot(array.shape, "float64", array if array.shape else array.item())


def inner_product(pairs: Sequence[tuple[Snapshot | None, Snapshot | None]]) -> float | None:
    """The sum of the products of all elements; None where something is unknown or there is nothing."""
    arrays = [(elements(left), elements(right)) for left, right in pairs]
    if not arrays or any(left is None or right is None for left, right in arrays):
        return None
    return float(sum(np.sum(left * right) for left, right in arrays))  # type: ignore[operator]
