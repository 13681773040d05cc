"""A recorded operation -> the formulas that are true of this very call; a picture shows no others.

The rules of `graphviz_ad._internal.maths.ops` hold for default settings, whole reductions and plain matrices. A call that differs is written as a call
with its settings, and what it passes back is not put into a formula.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from graphviz_ad._internal.base.errors import ExpressionError
from graphviz_ad._internal.graph.arguments import Argument, Arguments
from graphviz_ad._internal.graph.fact_texts import FLOW, argument_text
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.precision import rounded, unit
from graphviz_ad._internal.maths.formula_values import FUNCTIONS, evaluate
from graphviz_ad._internal.maths.formulas import tex_to_unicode
from graphviz_ad._internal.maths.ops import ALONG_A_DIMENSION, ELEMENTWISE, MATRICES, REDUCTIONS, SHAPES, Rule, rule

LETTERS = "abcdefghij"  # the operands in a rule
SETTINGS_ROOM = 24  # characters
DIMENSIONS = {"dim", "keepdim"}
CHOICES = ("max", "min", "maximum", "minimum", "amax", "amin")
PICKS_ONE = ("max", "min")  # along a dimension: at a tie, one gets everything
WINDOWS = ("kernel_size", "stride", "padding", "dilation")
POOLS = ("max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d", "adaptive_avg_pool2d")
JOINS = ("cat", "stack")  # of any number of operands
CONVOLUTIONS = {"conv1d": False, "conv2d": False, "conv3d": False, "conv_transpose2d": True}  # and whether torch must say "transposed"
PLAIN_CONVOLUTION = {"stride": 1, "padding": 0, "dilation": 1, "output_padding": 0, "groups": 1}  # in each direction
PICKS_CLASSES, IGNORED = ("nll_loss", "cross_entropy"), -100  # losses of classes, and the class that they leave out
SOFTMAX = ("softmax", "log_softmax")
SILENT = {"half_to_float", "non_blocking", "copy", "memory_format", "layout", "pin_memory", "implicit", "inplace"}
DEFAULTS = {  # which torch passes on although nobody wrote them
    ("norm", "ord", 2), ("elu", "alpha", 1), ("hardtanh", "min_val", -1), ("hardtanh", "max_val", 1), ("nll_loss", "ignore_index", IGNORED),
}  # fmt: skip
KNOWN_AS: dict[tuple[str, Arguments], str] = {
    ("elu", (("alpha", 1.6732632423543772), ("scale", 1.0507009873554805))): "selu",
    ("hardtanh", (("min_val", 0), ("max_val", 6))): "relu6",
}  # fmt: skip
NAMED_BY_SETTINGS = {name for name, _ in KNOWN_AS}
WORDS = {("reduction", 0): "none", ("reduction", 1): "mean", ("reduction", 2): "sum"}  # as ATen counts them

OF_A_VECTOR = {(1, 2): ("g @ b.T", "outer(a, g)"), (2, 1): MATRICES["mv"].backward, (1, 1): MATRICES["dot"].backward}  # dimensions of a and b


def operands_of(graph: Graph, node: Node) -> list[Edge]:
    """What a node computes with. What was written behind autograd's back, as through ``.data``, leads to the reader by an edge more."""
    edges = graph.in_edges(node.key)
    return edges if node.op in ("detach", "alias", "data") else [edge for edge in edges if edge.cut != "detach"]


def rule_of(graph: Graph, node: Node) -> Rule:
    """The rule of an operation with as many operands as it has."""
    return rule(base_name(node), len(operands_of(graph, node)))


def base_name(node: Node) -> str:
    """The name of an operation, without the underscore of one in place; with some settings it has a name of its own."""
    op = node.op or "?"
    name = op[:-1] if op.endswith("_") and not op.endswith("__") else op
    return KNOWN_AS.get((name, node.arguments), name) if name in NAMED_BY_SETTINGS else name


def forward_formula(graph: Graph, node: Node) -> str:
    """The formula of ops.py that computes this node; "" where there is none or a setting falsifies it."""
    count, known = len(operands_of(graph, node)), rule_of(graph, node)
    if base_name(node) in CONVOLUTIONS:  # the call says more than its matrix form
        return ""
    word = only_word(known.forward)
    if word and word not in FUNCTIONS and word != base_name(node):  # "max_pool(a)" for max_pool2d, of any window
        return ""
    named = (known.symbol or known.backward) and (len(node.autograd) < 2 or node.call_op)  # several parts are one operation only by its name
    uses_all = letters_in(known.forward) == frozenset(LETTERS[:count])
    return known.forward if named and uses_all and not telling_settings(graph, node) and is_plain(graph, node) else ""


@cache
def letters_in(formula: str) -> frozenset[str]:
    """The operands that a formula mentions."""
    return frozenset(re.findall(r"\b[a-j]\b", formula))


@cache
def only_word(formula: str) -> str:
    """The function, where a formula is nothing but one function of its operands; else ""."""
    match = re.fullmatch(r"(\w+)\([a-j, ]+\)", formula)
    return match[1] if match else ""


def backward_formula(graph: Graph, edge: Edge) -> str:
    """What flows back along an edge, before it is summed over copies; "" where no formula is true.

    Where versions of torch differ in what they take where the derivative jumps, it is the formula of what was recorded there.
    """
    formulas = backward_formulas(graph, edge)
    return formulas[0] if len(formulas) == 1 else _as_recorded(graph, edge, formulas)


def backward_formulas(graph: Graph, edge: Edge) -> tuple[str, ...]:
    """The same by the convention of each version of torch."""
    known, by_default = rule_of(graph, graph.nodes[edge.head]), _by_default(graph, edge)
    if not by_default or not known.conventions:
        return (by_default,)
    return (by_default, *(formulas[edge.slot] for formulas in known.conventions if edge.slot < len(formulas)))


def _as_recorded(graph: Graph, edge: Edge, formulas: Sequence[str]) -> str:
    """The first of these that gives the recorded local derivative; of an operation without one, the first, if there all of them give the same."""
    node = graph.nodes[edge.head]
    local = edge.local.array if edge.local is not None else None
    values = recorded(graph, node)
    if values is None:
        return ""
    for way in (values, with_numbers_rounded(graph, node, values)):
        found = [np.asarray(evaluate(without_upstream(formula), way)) for formula in formulas]
        wanted = found[0] if local is None else local
        fitting = [formula for formula, array in zip(formulas, found, strict=True) if bool(np.all(array == wanted))]
        if fitting and (local is not None or len(fitting) == len(formulas)):
            return fitting[0]
    return ""


def with_numbers_rounded(graph: Graph, node: Node, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The operands with the numbers in the program as the dtype of the result holds them."""
    dtype, tails = node.ports[0].dtype or "", [graph.nodes[edge.tail] for edge in graph.in_edges(node.key)]
    numbers = {letter: values[letter] for letter, tail in zip(LETTERS, tails, strict=False) if tail.ports[0].device is None and letter in values}
    return {**values, **{letter: rounded(array, dtype).astype(np.float64) for letter, array in numbers.items()}} if unit(dtype) else values


def _by_default(graph: Graph, edge: Edge) -> str:
    """The backward formula of the rule itself; "" where it is not true of this call."""
    node = graph.nodes[edge.head]
    name, backward = base_name(node), rule_of(graph, node).backward
    slot = min(edge.slot, 1) if name in JOINS else edge.slot
    if FLOW in node.hook_effects:  # what flows back is not what the operation makes of it
        return ""
    if len(node.ports) > 1 or (is_complex(graph, node) and name not in SHAPES):  # the rules are those of real numbers
        return ""
    if works_along_a_dimension(graph, node):
        return re.sub(r"\bn\b", str(copies(graph, node)), ALONG_A_DIMENSION[name].backward[0])
    if slot >= len(backward) or not (forward_formula(graph, node) or moves_elements(graph, node) or is_convolution(node)):
        return ""
    shapes = [shape_of(graph, operand) for operand in operands_of(graph, node)]
    if name == "linear" and slot == 1 and len(shapes[0]) == 1:
        return "outer(g, a)"
    if name == "matmul" and min(map(len, shapes)) < 2:
        return OF_A_VECTOR.get((len(shapes[0]), len(shapes[1])), ("", ""))[slot]
    if (name == "det" and len(shapes[0]) != 2) or (name == "norm" and kinks(graph, node) is not None):  # of a batch; 0 / 0
        return ""
    if name == "det" and not agrees(graph, node):  # of a matrix that has no inverse, or hardly one
        return ""
    counts = dict(zip(LETTERS, map(math.prod, shapes), strict=False))
    return re.sub(r"numel\((\w)\)", lambda match: str(counts[match[1]]), backward[slot]).removesuffix(" / 1")


def local_formula(graph: Graph, edge: Edge) -> str:
    """The local derivative of an edge, where it is a number or elementwise; "" where it is neither or no formula is true."""
    node = graph.nodes[edge.head]
    formula = backward_formula(graph, edge) if base_name(node) in ELEMENTWISE or is_whole(node) else ""
    return without_upstream(formula)


@cache
def without_upstream(formula: str) -> str:
    """A backward formula with 1 for g; "" where g does not merely scale it."""
    for start, one in (("g * ", ""), ("-g * ", "-"), ("g / ", "1 / "), ("-g / ", "-1 / ")):
        if formula.startswith(start):
            formula = one + formula.removeprefix(start)
            break
    else:
        formula = {"g": "1", "-g": "-1"}.get(formula, re.sub(r"^(where\(.*)\bg\b(.*\))$", r"\g<1>1\2", formula))
    return "" if re.search(r"\bg\b", formula) else formula


def is_complex(graph: Graph, node: Node) -> bool:
    """Whether an operation takes or gives complex numbers."""
    operands = [graph.nodes[edge.tail].ports[edge.port] for edge in operands_of(graph, node)]
    return any((port.dtype or "").startswith("complex") for port in (*operands, *node.ports))


def moves_elements(graph: Graph, node: Node) -> bool:
    """Whether an operation only moves elements about, in a way whose rule holds for all its settings."""
    name = base_name(node)
    return name in {*SHAPES, *POOLS} and len(node.autograd) < 2 and not (name in ("embedding", "tril", "triu") and telling_settings(graph, node))


def is_convolution(node: Node) -> bool:
    """Whether this is a convolution in one group, whose rules hold for every stride and padding."""
    known = dict(node.arguments)
    transposed = CONVOLUTIONS.get(base_name(node))
    return transposed is not None and len(node.autograd) < 2 and known.get("groups") == 1 and known.get("transposed") is transposed


def works_along_a_dimension(graph: Graph, node: Node) -> bool:
    """Whether this is a sum or mean along some dimensions, and nothing else about it is special."""
    plain = base_name(node) in ALONG_A_DIMENSION and len(node.autograd) == 1 and not is_whole(node)
    return plain and len(operands_of(graph, node)) == 1 and {key for key, _ in telling_settings(graph, node)} <= DIMENSIONS


def copies(graph: Graph, node: Node) -> int:
    """How many elements of the operand went into one of the result."""
    return math.prod(shape_of(graph, operands_of(graph, node)[0])) // max(math.prod(node.ports[0].shape or ()), 1)


def is_summed(graph: Graph, edge: Edge) -> bool:
    """Whether the operand was copied to fit the others, so that what flows back is summed over the copies."""
    if graph.nodes[edge.tail].ports[edge.port].shape is None:  # not recorded: nothing can be said
        return False
    return math.prod(shape_as_used(graph, edge)) > math.prod(shape_of(graph, edge))


def shape_as_used(graph: Graph, edge: Edge) -> tuple[int, ...]:
    """The shape of an operand after it was copied to fit the others."""
    node, own = graph.nodes[edge.head], shape_of(graph, edge)
    name, out = base_name(node), node.ports[0].shape or ()
    if edge.local is not None:
        return edge.local.shape
    formula = backward_formula(graph, edge)
    if name in ELEMENTWISE or formula == "g":
        return out
    first = shape_of(graph, operands_of(graph, node)[0])
    if name == "matmul" and min(len(own), len(out)) > 1:
        return (*out[:-2], *own[-2:])
    if formula and edge.slot == 1 and name == "linear":
        return (*first[:-2], *own)
    if formula and edge.slot == 1 and name in CONVOLUTIONS and len(first) == len(own):
        return (first[0], *own)
    return own


def kinks(graph: Graph, node: Node) -> Any:
    """Where the derivative of an operation jumps at its operands, as an array of truth values; None where nothing is known or nothing jumps."""
    known = rule_of(graph, node)
    if not known.kink:
        return None
    along = base_name(node) in REDUCTIONS and not is_whole(node)
    if along or (base_name(node) == "hardtanh" and telling_settings(graph, node)):
        return None
    values = recorded(graph, node)
    if values is None:
        return None
    found = np.asarray(evaluate(known.kink, {**dict.fromkeys("abc", np.nan), **values})) > 0
    return found if found.any() else None


def slopes(graph: Graph, node: Node, places: Any) -> list[float]:
    """The local derivatives that torch takes at these places, by operand; none where they are not known."""
    edges = [edge for edge in operands_of(graph, node) if edge.cut is None]
    arrays = [edge.local.array for edge in (edges if is_choice(node) else edges[:1]) if edge.local is not None]
    pairs = [np.broadcast_arrays(array, places) for array in arrays if array is not None and not np.iscomplexobj(array)]
    return [float(slope) for array, where in pairs for slope in array[where]]


def is_choice(node: Node) -> bool:
    """Whether an operation picks some of its operands, which may be equal."""
    return base_name(node) in CHOICES


def factor_shapes(graph: Graph, edge: Edge) -> tuple[tuple[int, ...], ...]:
    """The shapes of the matrices that a backward formula multiplies, in order, without those of a batch; () where it multiplies none."""
    node, formula = graph.nodes[edge.head], backward_formula(graph, edge)
    if not re.search(r"@|outer\(", formula):
        return ()
    operands = [shape_of(graph, operand) for operand in operands_of(graph, node)]
    result = node.ports[0].shape or ()
    shapes = {**dict(zip(LETTERS, operands, strict=False)), "out": result, "g": result}
    if is_convolution(node):
        kernels, row = operands[1][0], math.prod(operands[1][1:])
        windows = operands[0] if CONVOLUTIONS[base_name(node)] else result
        columns = (kernels, math.prod(windows[2 - len(operands[1]) :]))
        shapes = {"matrix(b)": (kernels, row), "g": columns, "a": columns, **dict.fromkeys(("unfold(a)", "unfold(g)"), (row, columns[1]))}
    terms = re.findall(r"(matrix\(b\)|unfold\(\w\)|\b(?:[a-j]|out)\b)(\.T)?", formula)
    return tuple(shapes[name][-2:][::-1] if turned else shapes[name][-2:] for name, turned in terms)


def recorded(graph: Graph, node: Node) -> Mapping[str, Any] | None:
    """The operands and the result of an operation by their letters, where all elements are kept."""
    ports = [graph.nodes[edge.tail].ports[edge.port] for edge in operands_of(graph, node)]
    snaps = dict(zip((*LETTERS[: len(ports)], "out"), (*(port.value for port in ports), node.ports[0].value), strict=False))
    arrays = {letter: snap.array for letter, snap in snaps.items() if snap is not None and snap.array is not None}
    return arrays if len(arrays) == len(snaps) == len(ports) + 1 else None


def agrees(graph: Graph, node: Node) -> bool:
    """Whether the rule gives the recorded result and gradients: what shows that a call of several parts was made with default settings."""
    known, edges, port = rule_of(graph, node), operands_of(graph, node), node.ports[0]
    arrived = port.grad.array if port.grad is not None else None
    wanted = [(known.forward, port.value)]
    wanted += [(formula, edge.grad) for formula, edge in zip(known.backward, edges, strict=False) if edge.grad is not None]
    for formula, snap in wanted:
        array, found = snap.array if snap is not None else None, computed(graph, node, formula, 1.0 if arrived is None else arrived)
        if array is None or found is None or not np.allclose(found, array, rtol=1e-4 if array.dtype.itemsize < 8 else 1e-9):
            return False
    return True


def computed(graph: Graph, node: Node, formula: str, arriving: Any = 1.0) -> Any:
    """A formula with the recorded numbers, as an array; None where these are not kept, or it has words without a meaning in numbers."""
    values = recorded(graph, node) if formula else None
    if values is None:
        return None
    classes = values["a"].shape[-1] if "a" in values and values["a"].ndim else 0
    try:
        return np.asarray(evaluate(formula, {**values, "g": arriving}, {"onehot": lambda which: np.eye(classes)[which.astype(int)]}))
    except (ExpressionError, IndexError, ValueError):
        return None


def telling_settings(graph: Graph, node: Node) -> list[tuple[str, Argument]]:
    """The arguments without which a formula would not say what this call computes."""
    name = base_name(node)
    found = [(key, value) for key, value in node.arguments if key not in SILENT and (name, key, value) not in DEFAULTS]
    if name in ("getitem", "setitem", *KNOWN_AS.values()):
        return []
    if ("reduction", 1) in found and "mean(" in rule_of(graph, node).forward:
        found.remove(("reduction", 1))
    if name in CONVOLUTIONS:
        found = [(key, value) for key, value in found if key != "transposed" and set(each(value)) != {PLAIN_CONVOLUTION.get(key)}]
    if name in {*REDUCTIONS, *SOFTMAX} - {*PICKS_ONE} and is_plain(graph, node):
        found = [(key, value) for key, value in found if key not in DIMENSIONS]
    return found


def settings_as_written(graph: Graph, node: Node) -> list[str]:
    """The same, as they stand in a call: "dim=1"."""
    return [f"{key}={WORDS.get((key, value)) or argument_text(one_size(key, value))}" for key, value in telling_settings(graph, node)]


def each(value: Argument) -> tuple[Argument, ...]:
    """The parts of an argument that may be given once for all directions."""
    return value if isinstance(value, tuple) else (value,)


def one_size(key: str, value: Argument) -> Argument:
    """An argument without needless parts: 2 for a window of (2, 2)."""
    parts = each(value)
    return parts[0] if len(parts) == 1 or (key in WINDOWS and len(set(parts)) == 1) else value


def is_plain(graph: Graph, node: Node) -> bool:
    """Whether the operation works on its operands as a whole."""
    name = base_name(node)
    if name in PICKS_CLASSES and ignores_classes(graph, node):
        return False
    if name in SOFTMAX:
        return all(len(shape_of(graph, edge)) == 1 for edge in operands_of(graph, node))
    if name in REDUCTIONS and rule_of(graph, node) is REDUCTIONS[name]:
        return is_whole(node) and (len(node.autograd) < 2 or agrees(graph, node))  # settings of a call that torch ran as several are not known
    return True


def ignores_classes(graph: Graph, node: Node) -> bool:
    """Whether some of the classes that a loss is given are marked as not to be counted."""
    operands = operands_of(graph, node)
    classes = graph.nodes[operands[1].tail].ports[operands[1].port].value if len(operands) > 1 else None
    return classes is not None and classes.array is not None and bool(np.any(classes.array == IGNORED))


def is_whole(node: Node) -> bool:
    """Whether the result is one number."""
    shape = node.ports[0].shape
    return shape is not None and math.prod(shape) == 1


def shape_of(graph: Graph, edge: Edge) -> tuple[int, ...]:
    """The shape of what an edge carries; () where it is not known."""
    return graph.nodes[edge.tail].ports[edge.port].shape or ()


def written_call(graph: Graph, node: Node, operands: Iterable[str]) -> str:
    """The operation as a call: "sum(x, dim=1)"."""
    settings = ", ".join(settings_as_written(graph, node))
    shown = [] if not settings else [settings] if len(settings) <= SETTINGS_ROOM else ["…"]
    return f"{tex_to_unicode(node.op or '?')}({', '.join([*operands, *shown])})"
