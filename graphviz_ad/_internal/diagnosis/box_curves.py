"""History of a training run + Graph -> for each box the norms of the gradients of its parameters, step by step, and the
small curve that is written there.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.diagnosis.history import History
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.scene.overlay import Amounts
from graphviz_ad._internal.scene.words.cards import curve

Norms = Sequence[float | None]


def norms_in_boxes(history: History, graph: Graph) -> Mapping[str, Norms]:
    """Key of a box with parameters -> the norm of all their gradients at each step; None where none had one."""
    if not history.steps:
        raise OptionError("overlay= is a history without steps: no backward pass was looked at; give one with some")
    known = {name for step in history for name in step.parameters}
    names = {
        node.key: [own for name in parameters_in(node) if (own := name_in(known, name)) is not None]
        for node in graph.node_list
    }
    found = {key: [norm_at(step.parameters, each) for step in history] for key, each in names.items() if each}
    if not found:
        raise OptionError(
            "overlay= is a history of other parameters than those of this graph; give the history of a run of the same"
            " model, recorded with gad.record(model, every=…)"
        )
    return found


def name_in(known: Collection[str], name: str) -> str | None:
    """What a history calls a parameter: "0.weight" for "model.0.weight", where a graph has the model's variable."""
    short = name.partition(".")[2]
    return name if name in known else short if short in known else None


def parameters_in(node: Node) -> Sequence[str]:
    """The names of the parameters that a box is, or holds."""
    if node.kind == "leaf":
        return (node.name,) if node.name is not None else ()
    return node.parameter_names


def norm_at(parameters: Mapping[str, object], names: Sequence[str]) -> float | None:
    """The norm of several gradients at one step; NaN where one is not finite."""
    norms = [getattr(parameters.get(name), "gradient", None) for name in names]
    known = [norm for norm in norms if norm is not None]
    if not known:
        return None
    return math.hypot(*known) if all(map(math.isfinite, known)) else math.nan


def lines_of_boxes(history: History, graph: Graph) -> Mapping[str, Sequence[str]]:
    """Key -> what is written in a box: the curve, of many steps the largest of those side by side, and where it begins
    and ends.
    """
    return {key: [curve(norms, largest=True), ends(norms)] for key, norms in norms_in_boxes(history, graph).items()}


def ends(norms: Norms) -> str:
    """ "0.31 → 0.002", "0.31 → NaN"."""
    known = [norm for norm in norms if norm is not None]
    shown = [written(norm) for norm in known[:: max(len(known) - 1, 1)][:2]]
    return " → ".join(shown) if shown else "no gradient"


def written(norm: float) -> str:
    """A norm in three digits."""
    return short_number(norm, digits=3) if math.isfinite(norm) else "NaN or ∞"


def fills_of_boxes(history: History, graph: Graph) -> Amounts:
    """How much of it each box has at the last step, and what that and the curves mean."""
    last, first = history.steps[-1].number, history.steps[0].number
    words = f"norm of the gradient at step {last}; curves: from step {first} to {last}"
    return Amounts({key: norms[-1] for key, norms in norms_in_boxes(history, graph).items()}, words)
