"""A recorded operation -> `Claim`: the formulas that are true of this very call, decided once; a picture shows no
others.

The rules of `graphviz_ad._internal.operations.rules` hold for default settings, whole reductions and plain matrices. A
call that differs is written as a call with its settings, and what it passes back is not put into a formula. `decide`
says what holds of a node, `passed` what holds along one of its edges; both are values, kept in `Claims` by whoever has
several questions about one graph. For a single one there are `forward_formula` and its like.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from graphviz_ad._internal.base.errors import ExpressionError
from graphviz_ad._internal.graph.arguments import Argument, hidden_operand
from graphviz_ad._internal.graph.cuts import DETACHED
from graphviz_ad._internal.graph.fact_texts import FLOW, SENT, argument_text
from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.graph.precision import full_precision, rounded_to_dtype, unit
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.agreement import consistent, dtype_around, go_together, rounding_share, smallest
from graphviz_ad._internal.maths.formula_errors import Doubted, doubted, flowed
from graphviz_ad._internal.maths.formula_values import FUNCTIONS, evaluate
from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.maths.tex_labels import tex_to_unicode
from graphviz_ad._internal.operations.names import KNOWN_AS, NAMED_BY_SETTINGS
from graphviz_ad._internal.operations.rules import (
    ALONG_A_DIMENSION,
    ELEMENTWISE,
    OF_VECTORS,
    REDUCTIONS,
    SHAPES,
    Rule,
    rule,
)
from graphviz_ad._internal.operations.traits import (
    BATCHES,
    BEHIND_AUTOGRADS_BACK,
    CHOICES,
    CONVOLUTIONS,
    DEFAULTS,
    GETITEM,
    JOINS,
    KINKS_BY_SETTINGS,
    MOVE_BY_SETTINGS,
    OF_ONE_MATRIX,
    PAD,
    PADDING_MODES,
    PICKS_CLASSES,
    PICKS_ONE_AT_A_TIE,
    POOLS,
    ROW_BY_ROW,
    SETITEM,
    SOFTMAX,
    UNDEFINED_AT_KINKS,
)

LETTERS = "abcdefghij"  # the operands in a rule
HIDDEN = tuple(map(hidden_operand, range(len(LETTERS))))  # what operands are called that a transform left out
SETTINGS_ROOM = 50  # characters
DIMENSIONS = {"dim", "keepdim"}
WINDOWS = ("kernel_size", "stride", "padding", "dilation")
PLAIN_CONVOLUTION = {"stride": 1, "padding": 0, "dilation": 1, "output_padding": 0, "groups": 1}  # in each direction
WELL = 1e-3  # condition of a matrix times what rounding does to a number
IGNORED = -100  # the class that losses of classes leave out
SILENT = {"half_to_float", "non_blocking", "copy", "memory_format", "layout", "pin_memory", "implicit", "inplace"}
WORDS = {("reduction", 0): "none", ("reduction", 1): "mean", ("reduction", 2): "sum"}  # as ATen counts them
COMPLEX = frozenset(("complex", "complex32", "complex64", "complex128"))
MOVING = frozenset((*SHAPES, *POOLS))  # operations that may only move elements about

Shape = tuple[int, ...]
Settings = tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class Call:
    """One recorded operation, with what it computes with: ``ports`` are the results that its ``operands`` lead from;
    a shape is () where it is not known.

    ``is_whole`` says whether the result is one number.
    """

    graph: Graph
    node: Node
    name: str
    operands: tuple[Edge, ...]
    ports: tuple[Port, ...]
    shapes: tuple[Shape, ...]
    rule: Rule
    is_whole: bool


@dataclass(frozen=True, eq=False)
class Claim:
    """What is true of one recorded operation.

    ``settings`` are the arguments, as text, without which a formula would not say what this call computes; ``forward``
    is the formula of ops.py that computes it, "" where there is none or a setting falsifies it; ``backward`` are the
    formulas of what flows back, by slot. ``kinks`` is where the derivative jumps at the operands, as an array of truth
    values, None where nothing is known or nothing jumps; ``slopes`` are the derivatives that torch takes there.
    ``hidden`` are the slots of operands that a transform left out, with what is known of each.
    """

    call: Call
    settings: Settings
    forward: str
    backward: tuple[str, ...]
    kinks: Any
    slopes: tuple[float, ...]
    hidden: tuple[tuple[int, Argument], ...] = ()

    def in_place(self, operands: Iterable[str]) -> list[str]:
        """The operands with those that a transform left out, each where it stands in the program."""
        texts = list(operands)
        for slot, value in self.hidden:
            texts.insert(slot, short_number(value))
        return texts


@dataclass(frozen=True)
class Passed:
    """What is true of one edge: ``backward`` is what flows back along it, before it is summed over copies, "" where
    no formula is true; ``local`` its local derivative, where that is a number or elementwise; ``summed`` says whether
    the operand was copied to fit the others, so that what flows back is summed over the copies; ``factors`` are the
    shapes of the matrices that ``backward`` multiplies, in order, without those of a batch.
    """

    backward: str
    local: str
    summed: bool
    factors: tuple[Shape, ...]


# --- what is decided


def decide(graph: Graph, node: Node) -> Claim:
    """What a node claims."""
    call = with_operands(graph, node)
    hidden = hidden_operands(node) if node.arguments else ()
    plain = is_whole_operation(call) and not hidden
    settings = tuple(telling_settings(call, plain)) if node.arguments else ()
    forward = formula_of_call(call, settings) if plain else ""
    places = kinks_of(call, settings) if call.rule.kink else None
    slopes = slopes_at(call, places) if places is not None else ()
    backward = backward_of(call, settings, forward, places) if not hidden else ()
    return Claim(call, settings, forward, backward, places, slopes, hidden)


def hidden_operands(node: Node) -> tuple[tuple[int, Argument], ...]:
    """The slots of operands that a transform left out, each with what it kept of it, in order."""
    given = dict(node.arguments)
    return tuple([(slot, given[name]) for slot, name in enumerate(HIDDEN) if name in given])


def passed(graph: Graph, claim: Claim, edge: Edge) -> Passed:
    """What the operation of a claim passes back along one of its edges."""
    call, backward = claim.call, claim.backward
    slot = min(edge.slot, 1) if call.name in JOINS else edge.slot
    formula = backward[slot] if slot < len(backward) else ""
    if formula and call.rule.conventions:
        formula = recorded_derivative(call, edge, by_convention(call, slot, formula))
    local = without_upstream(formula) if call.name in ELEMENTWISE or call.is_whole else ""
    own = graph.nodes[edge.tail].ports[edge.port].shape
    used = edge.local.shape if edge.local is not None else shape_as_used(call, slot, own or (), formula)
    is_copied = own is not None and math.prod(used) > math.prod(own)
    return Passed(
        formula, local, is_copied, factor_shapes(call, formula) if "@" in formula or "outer(" in formula else ()
    )


class Claims:
    """The claims of a graph, each decided when somebody first asks."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._nodes: dict[str, Claim] = {}
        self._edges: dict[str, Passed] = {}

    def of(self, key: str) -> Claim:
        """What the node with this key claims."""
        known = self._nodes.get(key)
        if known is None:
            known = self._nodes[key] = decide(self.graph, self.graph.nodes[key])
        return known

    def along(self, edge: Edge) -> Passed:
        """What is passed back along an edge."""
        known = self._edges.get(edge.key)
        if known is None:
            known = self._edges[edge.key] = passed(self.graph, self.of(edge.head), edge)
        return known


# --- for a single question


def forward_formula(graph: Graph, node: Node) -> str:
    """The formula of ops.py that computes this node; "" where there is none or a setting falsifies it."""
    return decide(graph, node).forward


def backward_formula(graph: Graph, edge: Edge) -> str:
    """What flows back along an edge, before it is summed over copies; "" where no formula is true."""
    return passed(graph, decide(graph, graph.nodes[edge.head]), edge).backward


def local_formula(graph: Graph, edge: Edge) -> str:
    """The local derivative of an edge, where it is a number or elementwise; "" where it is neither or no formula is
    true.
    """
    return passed(graph, decide(graph, graph.nodes[edge.head]), edge).local


def is_summed(graph: Graph, edge: Edge) -> bool:
    """Whether the operand was copied to fit the others, so that what flows back is summed over the copies."""
    return passed(graph, decide(graph, graph.nodes[edge.head]), edge).summed


def backward_formulas(graph: Graph, edge: Edge) -> tuple[str, ...]:
    """What flows back along an edge by the convention of each version of torch."""
    claim = decide(graph, graph.nodes[edge.head])
    slot = min(edge.slot, 1) if claim.call.name in JOINS else edge.slot
    return by_convention(claim.call, slot, claim.backward[slot] if slot < len(claim.backward) else "")


# --- the call


UNTOLD = "?"  # an operation of which there is no rule


def with_operands(graph: Graph, node: Node) -> Call:
    """A node with its operands."""
    operands = tuple(operands_of(graph, node))
    ports = tuple([graph.nodes[edge.tail].ports[edge.port] for edge in operands])
    name, shape = base_name(node), node.ports[0].shape
    is_whole = shape is not None and math.prod(shape) == 1
    # how often an element is read, and which way a matrix lies, nobody knows without shapes
    told = name in ELEMENTWISE or (shape is not None and all(port.shape is not None for port in ports))
    return Call(
        graph,
        node,
        name,
        operands,
        ports,
        tuple([port.shape or () for port in ports]),
        rule(name if told else UNTOLD, len(operands)),
        is_whole,
    )


def operands_of(graph: Graph, node: Node) -> list[Edge]:
    """What a node computes with. What was written behind autograd's back, as through ``.data``, leads to the reader
    by an edge more.
    """
    edges = graph.in_edges(node.key)
    return edges if node.op in BEHIND_AUTOGRADS_BACK else [edge for edge in edges if edge.cut != DETACHED]


def base_name(node: Node) -> str:
    """The name of an operation, without the underscore of one in place; with some settings it has a name of its own."""
    op = node.op or "?"
    name = op[:-1] if op.endswith("_") and not op.endswith("__") else op
    return KNOWN_AS.get((name, node.arguments), name) if name in NAMED_BY_SETTINGS else name


def shape_of_edge(graph: Graph, edge: Edge) -> Shape:
    """The shape of what an edge carries; () where it is not known."""
    return graph.nodes[edge.tail].ports[edge.port].shape or ()


# --- forward


def formula_of_call(call: Call, settings: Settings) -> str:
    """The formula of ops.py that computes this call, which works on its operands as a whole; "" where there is none
    or a setting falsifies it.
    """
    known, node = call.rule, call.node
    if call.name in CONVOLUTIONS or settings:  # the call says more than its matrix form
        return ""
    word = only_word(known.forward)
    if word and word not in FUNCTIONS and word != call.name:  # "max_pool(a)" for max_pool2d, of any window
        return ""
    # several parts are one operation only by its name
    named = (known.symbol or known.backward) and (len(node.autograd) < 2 or node.call_op)
    uses_all = letters_in(known.forward) == frozenset(LETTERS[: len(call.operands)])
    return known.forward if named and uses_all else ""


@cache
def letters_in(formula: str) -> frozenset[str]:
    """The operands that a formula mentions."""
    return frozenset(re.findall(r"\b[a-j]\b", formula))


@cache
def only_word(formula: str) -> str:
    """The function, where a formula is nothing but one function of its operands; else ""."""
    match = re.fullmatch(r"(\w+)\([a-j, ]+\)", formula)
    return match[1] if match else ""


def is_whole_operation(call: Call) -> bool:
    """Whether the operation works on its operands as a whole."""
    name = call.name
    if name in PICKS_CLASSES and ignores_classes(call):
        return False
    if name in SOFTMAX:
        return all(len(shape) == 1 for shape in call.shapes)
    if name in REDUCTIONS and call.rule is REDUCTIONS[name]:
        # settings of a call that torch ran as several are not known
        return call.is_whole and (len(call.node.autograd) < 2 or rule_agrees(call))
    return True


def ignores_classes(call: Call) -> bool:
    """Whether some of the classes that a loss is given are marked as not to be counted."""
    classes = call.ports[1].value if len(call.ports) > 1 else None
    return classes is not None and classes.array is not None and bool(np.any(classes.array == IGNORED))


def rule_agrees(call: Call) -> bool:
    """Whether the rule gives the recorded result and gradients: what shows that a call of several parts was made
    with default settings.
    """
    known, port = call.rule, call.node.ports[0]
    arrived = port.grad.array if port.grad is not None else None
    wanted = [(known.forward, port.value)]
    wanted += [
        (formula, edge.grad)
        for formula, edge in zip(known.backward, call.operands, strict=False)
        if edge.grad is not None
    ]
    return all(call_gives(call, formula, snap, 1.0 if arrived is None else arrived) for formula, snap in wanted)


def gives(graph: Graph, node: Node, formula: str, snap: Snapshot | None, arriving: Any = 1.0) -> bool:
    """Whether a formula with the recorded numbers gives what was recorded, but for the rounding of the steps in it."""
    return call_gives(with_operands(graph, node), formula, snap, arriving)


def call_gives(call: Call, formula: str, snap: Snapshot | None, arriving: Any) -> bool:
    """The same of a call."""
    array = snap.array if snap is not None else None
    dtype, operations = dtype_around(call.graph, call.node), max(call.node.inside, 1)
    made = call_doubt(call, formula, arriving, rounding_share(dtype, operations)) if array is not None else None
    found = (
        flowed(made, array.shape, rounding_share(dtype, operations)) if made is not None and array is not None else None
    )
    return found is not None and consistent(found.value, array, found.off + smallest(dtype, operations), dtype)


# --- backward


def backward_of(call: Call, settings: Settings, forward: str, places: Any) -> tuple[str, ...]:
    """What flows back to each operand; () where no formula is true. ``places``: where the derivative jumps."""
    name, shapes, backward = call.name, call.shapes, call.rule.backward
    if name == PAD and padding_mode(call) != "constant":  # what was copied gets a part of the gradient, too
        return ()
    if {FLOW, SENT} & {*call.node.hook_effects}:  # what flows back is not what the operation makes of it
        return ()
    if len(call.node.ports) > 1 or (name not in SHAPES and is_complex(call)):  # the rules are those of real numbers
        return ()
    if name in ALONG_A_DIMENSION and works_along_a_dimension(call, settings):
        return (re.sub(r"\bn\b", str(copies(call)), ALONG_A_DIMENSION[name].backward[0]),)
    if not (
        forward
        or (name in MOVING and moves_elements(call, settings))
        or (name in CONVOLUTIONS and is_convolution(call))
    ):
        return ()
    if name in OF_VECTORS and min(map(len, shapes[:2])) < 2:
        return OF_VECTORS[name].get((len(shapes[0]), len(shapes[1])), ("",) * len(shapes))
    if (name in OF_ONE_MATRIX and len(shapes[0]) != 2) or (name in UNDEFINED_AT_KINKS and places is not None):
        return ()
    if name in OF_ONE_MATRIX and not (
        is_well_conditioned(call) and rule_agrees(call)
    ):  # of a matrix that has no inverse, or hardly one
        return ()
    return tuple(
        [with_counts(formula, shapes) if "numel(" in formula else formula.removesuffix(" / 1") for formula in backward]
    )


def padding_mode(call: Call) -> str | None:
    """What the margin of a padding is made of; None where that is not known."""
    return PADDING_MODES.get(call.node.autograd[0]) if len(call.node.autograd) == 1 else None


def is_well_conditioned(call: Call) -> bool:
    """Whether a matrix is far from one without an inverse, where torch takes other ways than formulas do."""
    values = recorded_by(call)
    if values is None or not values["a"].size or not np.isfinite(values["a"]).all():
        return False
    with np.errstate(all="ignore"):
        return bool(np.linalg.cond(values["a"]) * rounding_share(call.node.ports[0].dtype) < WELL)


def by_convention(call: Call, slot: int, by_default: str) -> tuple[str, ...]:
    """A backward formula by the convention of each version of torch: they differ in what they take where the
    derivative jumps.
    """
    if not by_default or not call.rule.conventions:
        return (by_default,)
    return (by_default, *(formulas[slot] for formulas in call.rule.conventions if slot < len(formulas)))


def recorded_derivative(call: Call, edge: Edge, formulas: Sequence[str]) -> str:
    """The first of these that gives the recorded local derivative; of an operation without one, the first, if there
    all of them give the same.
    """
    local = edge.local.array if edge.local is not None else None
    values = recorded_by(call)
    if values is None:
        return ""
    for way in (values, numbers_rounded(call, values)):
        found = [np.asarray(evaluate(without_upstream(formula), way)) for formula in formulas]
        wanted = found[0] if local is None else local
        fitting = [formula for formula, array in zip(formulas, found, strict=True) if bool(np.all(array == wanted))]
        if fitting and (local is not None or len(fitting) == len(formulas)):
            return fitting[0]
    return ""


def with_numbers_rounded(graph: Graph, node: Node, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The operands with the numbers in the program as the dtype of the result holds them."""
    return numbers_rounded(with_operands(graph, node), values)


def numbers_rounded(call: Call, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same of a call."""
    dtype = call.node.ports[0].dtype or ""
    numbers = {
        letter: values[letter]
        for letter, port in zip(LETTERS, call.ports, strict=False)
        if port.device is None and letter in values
    }
    return (
        {**values, **{letter: rounded_to_dtype(array, dtype).astype(np.float64) for letter, array in numbers.items()}}
        if unit(dtype)
        else values
    )


def with_counts(formula: str, shapes: tuple[Shape, ...]) -> str:
    """A formula with the numbers of elements that it asks for."""
    counts = dict(zip(LETTERS, map(math.prod, shapes), strict=False))
    return re.sub(r"numel\((\w)\)", lambda match: str(counts[match[1]]), formula).removesuffix(" / 1")


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


def is_complex(call: Call) -> bool:
    """Whether an operation takes or gives complex numbers."""
    return not COMPLEX.isdisjoint([port.dtype for port in (*call.ports, *call.node.ports)])


def moves_elements(call: Call, settings: Settings) -> bool:
    """Whether an operation only moves elements about, in a way whose rule holds for all its settings."""
    return call.name in MOVING and len(call.node.autograd) < 2 and not (call.name in MOVE_BY_SETTINGS and settings)


def is_convolution(call: Call) -> bool:
    """Whether this is a convolution in one group, whose rules hold for every stride and padding."""
    known = dict(call.node.arguments)
    transposed = CONVOLUTIONS.get(call.name)
    if len(call.shapes) < 2 or len(call.shapes[1]) < 3:
        return False  # a graph made by hand, or by a file: no kernels
    return (
        transposed is not None
        and len(call.node.autograd) < 2
        and known.get("groups") == 1
        and known.get("transposed") is transposed
    )


def works_along_a_dimension(call: Call, settings: Settings) -> bool:
    """Whether this is a sum or mean along some dimensions, and nothing else about it is special."""
    plain = call.name in ALONG_A_DIMENSION and len(call.node.autograd) == 1 and not call.is_whole
    return plain and len(call.operands) == 1 and {key for key, _ in settings} <= DIMENSIONS


def copies(call: Call) -> int:
    """How many elements of the operand went into one of the result."""
    return math.prod(call.shapes[0]) // max(math.prod(call.node.ports[0].shape or ()), 1)


def shape_as_used(call: Call, slot: int, own: Shape, formula: str) -> Shape:
    """The shape of an operand after it was copied to fit the others."""
    name, out = call.name, call.node.ports[0].shape or ()
    if name in ELEMENTWISE or formula == "g":
        return out
    first = call.shapes[0] if call.shapes else ()
    if name in BATCHES and min(len(own), len(out)) > 1:
        return (*out[:-2], *own[-2:])
    if formula and slot == 1 and name in ROW_BY_ROW:
        return (*first[:-2], *own)
    if formula and slot == 1 and name in CONVOLUTIONS and len(first) == len(own):
        return (*first[:1], *own)
    return own


def factor_shapes(call: Call, formula: str) -> tuple[Shape, ...]:
    """The shapes of the matrices that a backward formula multiplies, in order, without those of a batch."""
    operands, result = call.shapes, call.node.ports[0].shape or ()
    shapes = {**dict(zip(LETTERS, operands, strict=False)), "out": result, "g": result}
    if is_convolution(call):
        kernels, row = operands[1][0], math.prod(operands[1][1:])
        windows = operands[0] if CONVOLUTIONS[call.name] else result
        columns = (kernels, math.prod(windows[2 - len(operands[1]) :]))
        shapes = {
            "matrix(b)": (kernels, row),
            "g": columns,
            "a": columns,
            **dict.fromkeys(("unfold(a)", "unfold(g)"), (row, columns[1])),
        }
    terms = re.findall(r"(matrix\(b\)|unfold\(\w\)|\b(?:[a-j]|out)\b)(\.T)?", formula)
    return tuple(shapes[name][-2:][::-1] if turned else shapes[name][-2:] for name, turned in terms)


# --- where the derivative jumps


def kinks_of(call: Call, settings: Settings) -> Any:
    """Where the derivative of an operation jumps at its operands, as an array of truth values; None where nothing is
    known or nothing jumps.
    """
    along = call.name in REDUCTIONS and not call.is_whole
    if along or (call.name in KINKS_BY_SETTINGS and settings):
        return None
    values = recorded_by(call)
    if values is None:
        return None
    try:
        found = np.asarray(evaluate(call.rule.kink, {**dict.fromkeys("abc", np.nan), **values})) > 0
    except ValueError:  # operands that do not go together, as in a graph that was made by hand
        return None
    return found if found.any() else None


def slopes_at(call: Call, places: Any) -> tuple[float, ...]:
    """The local derivatives that torch takes at these places, by operand; none where they are not known."""
    edges = [edge for edge in call.operands if edge.cut is None]
    arrays = [edge.local.array for edge in (edges if call.name in CHOICES else edges[:1]) if edge.local is not None]
    kept = [array for array in arrays if array is not None and not np.iscomplexobj(array)]
    pairs = [np.broadcast_arrays(array, places) for array in kept if go_together(array, places)]
    return tuple(float(slope) for array, where in pairs for slope in array[where])


# --- in numbers


def recorded_letters(graph: Graph, node: Node) -> Mapping[str, Any] | None:
    """The operands and the result of an operation by their letters, where all elements are kept."""
    return recorded_by(with_operands(graph, node))


def recorded_by(call: Call) -> Mapping[str, Any] | None:
    """The same of a call."""
    ports = call.ports
    snaps = dict(
        zip((*LETTERS[: len(ports)], "out"), (*(port.value for port in ports), call.node.ports[0].value), strict=False)
    )
    arrays = {letter: snap.array for letter, snap in snaps.items() if snap is not None and snap.array is not None}
    return arrays if len(arrays) == len(snaps) == len(ports) + 1 else None


def recorded_value(graph: Graph, node: Node, formula: str, arriving: Any = 1.0) -> Any:
    """A formula with the recorded numbers, as an array; None where these are not kept, or it has words without a
    meaning in numbers.
    """
    return value_of(with_operands(graph, node), formula, arriving) if formula else None


def value_of(call: Call, formula: str, arriving: Any = 1.0) -> Any:
    """The same of a call."""
    values = recorded_by(call) if formula else None
    if values is None:
        return None
    try:
        return np.asarray(evaluate(formula, {**values, "g": arriving}, one_hot(values)))
    except (ExpressionError, IndexError, TypeError, ValueError):
        return None


def doubt(graph: Graph, node: Node, formula: str, arriving: Any, share: float, off: Any = 0.0) -> Doubted | None:
    """As `recorded_value`, with how far rounding may carry it, given how far what arrives is off."""
    return call_doubt(with_operands(graph, node), formula, arriving, share, off) if formula else None


def call_doubt(call: Call, formula: str, arriving: Any, share: float, off: Any = 0.0) -> Doubted | None:
    """The same of a call."""
    values = recorded_by(call) if formula else None
    if values is None:
        return None
    try:
        return doubted(
            formula,
            {**values, "g": arriving},
            share,
            dtype=dtype_around(call.graph, call.node),
            off={"g": off, **lost_on_entry(call, values)},
            more=one_hot(values),
        )
    except (ExpressionError, IndexError, TypeError, ValueError):
        return None


def lost_on_entry(call: Call, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """How far operands are off where torch first rounds them to the dtype of the result: numbers in the program, and
    tensors of a finer dtype.
    """
    dtype = call.node.ports[0].dtype or ""
    finer = [
        letter
        for letter, port in zip(LETTERS, call.ports, strict=False)
        if letter in values and unit(port.dtype) < unit(dtype) and (port.device is None or unit(port.dtype))
    ]
    with np.errstate(all="ignore"):
        return {
            letter: np.abs(full_precision(values[letter]) - rounded_to_dtype(values[letter], dtype)) for letter in finer
        }


def one_hot(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The word for classes as vectors, which needs to know how many there are."""
    classes = values["a"].shape[-1] if "a" in values and values["a"].ndim else 0
    return {"onehot": lambda which: np.eye(classes)[which.astype(int)]}


# --- settings


def telling_settings(call: Call, plain: bool) -> list[tuple[str, str]]:
    """The arguments, as text, without which a formula would not say what this call computes; ``plain``: it works on
    its operands as a whole.
    """
    name = call.name
    found = [
        (key, value)
        for key, value in call.node.arguments
        if key not in SILENT and key not in HIDDEN and (name, key, value) not in DEFAULTS
    ]
    if name in (GETITEM, SETITEM, *KNOWN_AS.values()):
        return []
    mode = padding_mode(call) if name == PAD else None
    if mode not in (None, "constant"):
        return [*((key, argument_text(value)) for key, value in found), ("mode", str(mode))]
    if ("reduction", 1) in found and "mean(" in call.rule.forward:
        found.remove(("reduction", 1))
    if name in CONVOLUTIONS:
        found = [
            (key, value)
            for key, value in found
            if key != "transposed" and set(each(value)) != {PLAIN_CONVOLUTION.get(key)}
        ]
    if plain and name in {*REDUCTIONS, *SOFTMAX} - PICKS_ONE_AT_A_TIE:
        found = [(key, value) for key, value in found if key not in DIMENSIONS]
    return [(key, WORDS.get((key, value)) or argument_text(one_size(key, value))) for key, value in found]


def each(value: Argument) -> tuple[Argument, ...]:
    """The parts of an argument that may be given once for all directions."""
    return value if isinstance(value, tuple) else (value,)


def one_size(key: str, value: Argument) -> Argument:
    """An argument without needless parts: 2 for a window of (2, 2)."""
    parts = each(value)
    return parts[0] if len(parts) == 1 or (key in WINDOWS and len(set(parts)) == 1) else value


def written_call(claim: Claim, operands: Iterable[str]) -> str:
    """The operation as a call: "sum(x, dim=1)"."""
    settings = ", ".join([f"{key}={text}" for key, text in claim.settings])
    shown = [] if not settings else [settings] if len(settings) <= SETTINGS_ROOM else ["…"]
    return f"{tex_to_unicode(claim.call.node.op or '?')}({', '.join([*claim.in_place(operands), *shown])})"
