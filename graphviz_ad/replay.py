"""Graph -> a function of its inputs: every operation computed again from its formula, with other numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from graphviz_ad.claims import LETTERS, base_name, forward_formula
from graphviz_ad.errors import ExpressionError, ReplayError
from graphviz_ad.formula_values import evaluate
from graphviz_ad.graph import Graph, Node
from graphviz_ad.snapshot import Array, Snapshot
from graphviz_ad.wording import Wording

SAME_ELEMENTS = ("reshape", "view", "flatten", "squeeze", "unsqueeze", "clone", "contiguous", "to", "detach", "positive")
OTHER_SHAPE = ("expand", "broadcast_to")
UNREADABLE = "their elements were not kept; trace with capture=Capture(values='full')"


class Replay:
    """The traced function, as far as formulas go: ``replay({"x1": 1.6})`` is its result for other inputs, the rest as recorded.

    The result is a number, the one that all gradients are gradients of: outputs times upstream gradients, summed. Values flow through a detach, which only
    stops gradients. `ReplayError` says which operation has no formula; and where formulas do not give back what was recorded, that is said, too.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.leaves = {name: node for name, node in zip(Wording(graph).names.values(), graph.node_list, strict=True) if node.kind == "leaf"}
        unknown = [node for node in self.leaves.values() if known(node.value) is None]
        if unknown:
            raise ReplayError(f"the values of {shown(unknown)} are not known: {UNREADABLE}")
        self.inputs = {name: array for name, node in self.leaves.items() if (array := known(node.value)) is not None}
        self.steps = [(node, recipe(graph, node)) for node in graph.node_list if node.kind != "leaf"]
        self._verify()

    def __call__(self, inputs: Mapping[str, Array]) -> float:
        """The result for these inputs; those that are not given keep their recorded values."""
        found = self._results({**self.inputs, **inputs})
        total = 0.0
        for node in self.graph.outputs:
            upstream = known(node.ports[0].upstream)
            if upstream is not None:
                total += float(np.sum(upstream * found[node.key]))
        return total

    def _results(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        found = {node.key: np.asarray(inputs[name], np.float64) for name, node in self.leaves.items()}
        for node, step in self.steps:
            found[node.key] = step([found[edge.tail] for edge in self.graph.in_edges(node.key)])
        return found

    def _verify(self) -> None:
        found = self._results(self.inputs)
        for node, _ in self.steps:
            recorded = known(node.value)
            digits = 1e-4 if node.ports[0].dtype not in ("float64", None) else 1e-9
            if recorded is not None and not np.allclose(found[node.key], recorded, rtol=digits, atol=digits, equal_nan=True):
                raise ReplayError(
                    f"the formula of {node.op!r} does not give what was recorded for {shown([node])}; use gad.compare_methods(function, inputs), "
                    "which calls the function itself"
                )


Recipe = Callable[[list[Array]], Array]


def recipe(graph: Graph, node: Node) -> Recipe:
    """How a node is computed from its operands."""
    operands = graph.in_edges(node.key)
    if not operands:
        return constant(node)
    name, shape = base_name(node), node.ports[0].shape or ()
    if name in SAME_ELEMENTS and len(operands) == 1:
        return lambda values: values[0].reshape(shape)
    if name in OTHER_SHAPE and len(operands) == 1:
        return lambda values: np.broadcast_to(values[0], shape)
    formula = forward_formula(graph, node) if len(node.ports) == 1 and node.kind == "op" else ""
    step = computed(formula, len(operands)) if formula else None
    if step is None:
        raise ReplayError(
            f"{graph.name} cannot be computed again, because there is no formula for {node.op or node.kind!r} as it was called; "
            "use gad.compare_methods(function, inputs), which calls the function itself"
        )
    return step


def constant(node: Node) -> Recipe:
    """A number or tensor that the program did not compute from its inputs."""
    value = known(node.value)
    if value is None:
        raise ReplayError(f"the values of {shown([node])} are not known: {UNREADABLE}")
    return lambda values: value


def computed(formula: str, count: int) -> Recipe | None:
    """The formula as a function of its operands; None where it holds words without a meaning in numbers."""

    def step(values: list[Array]) -> Array:
        return np.asarray(evaluate(formula, dict(zip(LETTERS, values, strict=False))), np.float64)

    try:
        evaluate(formula, dict.fromkeys(LETTERS[:count], np.ones(())))
    except ExpressionError:
        return None
    except (ValueError, TypeError, IndexError):  # it needs operands of other shapes
        return step
    return step


def known(snap: Snapshot | None) -> Array | None:
    """The real numbers of a snapshot; None where they are not kept."""
    array = snap.array if snap is not None else None
    return array.astype(np.float64) if array is not None and array.dtype.kind in "fiub" else None


def shown(nodes: list[Node]) -> str:
    """The names of the first few nodes."""
    return ", ".join(node.name or node.op or node.key for node in nodes[:3]) + (", …" if len(nodes) > 3 else "")
