"""Graph -> a function of its inputs: every operation computed again from its formula, with other numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping

import numpy as np

from graphviz_ad._internal.base.errors import ExpressionError, ReplayError
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.precision import full_precision
from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.maths.agreement import (
    dtype_around,
    equal,
    grossly,
    lost_in_squares,
    rounding_share,
    smallest,
)
from graphviz_ad._internal.maths.claims import LETTERS, base_name, doubt, forward_formula, shape_of_edge
from graphviz_ad._internal.maths.formula_values import evaluate
from graphviz_ad._internal.maths.gradient_sums import known
from graphviz_ad._internal.operations.moves import PARTS
from graphviz_ad._internal.operations.names import public_name
from graphviz_ad._internal.operations.traits import COPIED_TO_FIT, IN_ORDER
from graphviz_ad._internal.scene.words.names import graph_names

UNREADABLE = "their elements were not kept; trace with capture=Capture(values='full')"


class Replay:
    """The traced function, as far as formulas go: ``replay({"x1": 1.6})`` is its result for other inputs, the rest
    as recorded.

    The result is a number, the one that all gradients are gradients of: outputs times upstream gradients, summed; of
    complex ones the real part of the output times the conjugate, as torch has it. Values flow through a detach, which
    only stops gradients. `ReplayError` says which operation has no formula; and where formulas do not give back what
    was recorded, that is said, too.
    """

    def __init__(self, graph: Graph, held: Container[str] = ()) -> None:
        """``held``: the kinds of cuts behind which everything stays as it was recorded, however inputs move."""
        self.graph = graph
        self.held: Container[str] = ()
        self.still: dict[str, Array] = {}  # what every node gives where nothing moves
        self.leaves = {
            name: node
            for name, node in zip(graph_names(graph).of.values(), graph.node_list, strict=True)
            if node.kind == "leaf"
        }
        unknown = [node for node in self.leaves.values() if known(node.value) is None]
        if unknown:
            raise ReplayError(f"the values of {first_node_names(unknown)} are not known: {UNREADABLE}")
        self.inputs = {name: array for name, node in self.leaves.items() if (array := known(node.value)) is not None}
        seeded = [node for node in graph.outputs if node.ports[0].upstream is not None]
        unread = [node for node in seeded if known(node.ports[0].upstream) is None]
        if unread:
            raise ReplayError(f"the upstream gradients of {first_node_names(unread)} are not known: {UNREADABLE}")
        self.upstream = {node.key: array for node in seeded if (array := known(node.ports[0].upstream)) is not None}
        self.steps = [(node, recipe(graph, node)) for node in graph.node_list if node.kind != "leaf"]
        try:
            self._verify()
        except ReplayError:
            raise
        except ValueError as error:  # a graph that was made by hand, or damaged
            raise ReplayError(
                f"{graph.name} cannot be computed again, because shapes in it do not go together: {error}"
            ) from error
        self.still, self.held = self.results({}) if held else {}, held

    def __call__(self, inputs: Mapping[str, Array]) -> float:
        """The result for these inputs; those that are not given keep their recorded values."""
        return self.total(self.results(inputs))

    def results(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """What every node gives for these inputs, by its key."""
        given = {**self.inputs, **inputs}
        found = {node.key: full_precision(np.asarray(given[name])) for name, node in self.leaves.items()}
        for node, step in self.steps:
            operands = self.graph.in_edges(node.key)
            values = [
                (self.still if edge.cut is not None and edge.cut in self.held else found)[edge.tail]
                for edge in operands
            ]
            found[node.key] = shaped_as_recorded(node, step(values))
        return found

    def total(self, found: Mapping[str, Array]) -> float:
        """The one number that the results of the outputs make."""
        with np.errstate(all="ignore"):
            return float(sum(np.sum(np.conj(upstream) * found[key]).real for key, upstream in self.upstream.items()))

    def _verify(self) -> None:
        """Each formula with the recorded operands against the recorded result, so that only the rounding of one
        operation lies between them.
        """
        found = self.results({})
        self.total(found)
        for node, step in self.steps:
            recorded, operands = known(node.value), self.graph.in_edges(node.key)
            if recorded is None:
                continue
            numbers = [known(self.graph.nodes[edge.tail].value) for edge in operands]
            made = shaped_as_recorded(
                node,
                step(
                    [
                        found[edge.tail] if array is None else array
                        for edge, array in zip(operands, numbers, strict=True)
                    ]
                ),
            )
            self._compare(node, made, recorded)

    def _compare(self, node: Node, made: Array, recorded: Array) -> None:
        """Refuse a result that is not what the formula gives. What is not finite is left open, whatever room there
        was: in torch's kernels, a step may have had none.
        """
        name, off = first_node_names([node]), self._off(node, made)
        share = rounding_share(dtype_around(self.graph, node))
        way_out = "use gad.compare_methods(function, inputs), which calls the function itself"
        if equal(made, recorded, off * grossly(share)) is False:
            raise ReplayError(f"the formula of {node.op!r} does not give what was recorded for {name}; {way_out}")
        if equal(made, recorded, off) is False:
            raise ReplayError(
                f"what was recorded for {name} is not as exact as its dtype, as where torch multiplies in TF32;"
                f" {way_out}"
            )

    def _off(self, node: Node, made: Array) -> Array:
        """How far the rounding of one operation may carry its result from what the formula gives."""
        dtype = dtype_around(self.graph, node)
        doubted = (
            doubt(self.graph, node, forward_formula(self.graph, node), 1.0, rounding_share(dtype))
            if node.kind == "op" and len(node.ports) == 1
            else None
        )
        off = rounding_share(dtype) * np.abs(made) if doubted is None else largest_known(doubted.off, made.shape)
        shapes = [node.ports[0].shape, *(shape_of_edge(self.graph, edge) for edge in self.graph.in_edges(node.key))]
        elements = max(math.prod(shape or ()) for shape in shapes)
        return np.asarray(off + smallest(dtype) + lost_in_squares(dtype) * math.sqrt(elements))


def largest_known(off: Array, shape: tuple[int, ...]) -> Array:
    """How far the elements may be off, at most; infinitely, where nobody knows of one."""
    sure = np.isfinite(off)
    most = np.max(off, initial=0.0, where=sure)
    return np.where(sure, most, np.inf) if np.shape(off) == shape else np.broadcast_to(most, shape)


Recipe = Callable[[list[Array]], Array]


def recipe(graph: Graph, node: Node) -> Recipe:
    """How a node is computed from its operands."""
    operands = graph.in_edges(node.key)
    if not operands:
        return replayed_constant(node)
    if takes_elements(graph, node):
        return taken(node)
    formula = forward_formula(graph, node) if len(node.ports) == 1 and node.kind == "op" else ""
    step = replayed_formula(formula, len(operands)) if formula else None
    if step is None:
        raise ReplayError(
            f"{graph.name} cannot be computed again, because there is no formula for {node.op or node.kind!r} as it was"
            " called; use gad.compare_methods(function, inputs), which calls the function itself"
        )
    return step


def takes_elements(graph: Graph, node: Node) -> bool:
    """Whether an operation takes the elements of its only operand, or parts of them, as they are."""
    return public_name(base_name(node)) in {*IN_ORDER, *COPIED_TO_FIT, *PARTS} and len(graph.in_edges(node.key)) == 1


def taken(node: Node) -> Recipe:
    """How such an operation takes them."""
    name, shape = public_name(base_name(node)), node.ports[0].shape or ()
    if name in PARTS:
        return lambda values: np.asarray(PARTS[name](values[0]))
    return lambda values: values[0].reshape(shape) if name in IN_ORDER else np.broadcast_to(values[0], shape)


def replayed_constant(node: Node) -> Recipe:
    """A number or tensor that the program did not compute from its inputs."""
    value = known(node.value)
    if value is None:
        raise ReplayError(f"the values of {first_node_names([node])} are not known: {UNREADABLE}")
    return lambda values: value


def replayed_formula(formula: str, count: int) -> Recipe | None:
    """The formula as a function of its operands; None where it holds words without a meaning in numbers."""

    def step(values: list[Array]) -> Array:
        try:
            return full_precision(np.asarray(evaluate(formula, dict(zip(LETTERS, values, strict=False)))))
        except (ValueError, TypeError, IndexError) as error:
            raise ReplayError(f"{formula!r} cannot be computed with the recorded operands: {error}") from error

    try:
        evaluate(formula, dict.fromkeys(LETTERS[:count], np.ones(())))
    except ExpressionError:
        return None
    except (ValueError, TypeError, IndexError):  # it needs operands of other shapes
        return step
    return step


def shaped_as_recorded(node: Node, found: Array) -> Array:
    """What a formula gives, in the shape of the result, and real where that is real."""
    shape = node.ports[0].shape
    real = np.real(found) if np.iscomplexobj(found) and "complex" not in (node.ports[0].dtype or "") else found
    return real if shape is None or real.shape == shape or real.size != np.prod(shape) else real.reshape(shape)


def first_node_names(nodes: list[Node]) -> str:
    """The names of the first few nodes."""
    return ", ".join(node.name or node.op or node.key for node in nodes[:3]) + (", …" if len(nodes) > 3 else "")
