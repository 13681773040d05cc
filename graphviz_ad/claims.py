"""A recorded operation -> the formulas that are true of this very call; a picture shows no others.

The rules of `graphviz_ad.ops` hold for default settings, whole reductions and plain matrices. A call that differs is written as a call
with its settings, and what it passes back is not put into a formula.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from graphviz_ad.formulas import tex_to_unicode
from graphviz_ad.graph import Edge, Graph, Node
from graphviz_ad.ops import ELEMENTWISE, MATRICES, REDUCTIONS, SHAPES, Rule, rule

LETTERS = "abcdefghij"  # the operands in a rule
SETTINGS_ROOM = 24  # characters
ALONG_A_DIMENSION = {"dim", "keepdim"}
SOFTMAX = ("softmax", "log_softmax")
SILENT = {"half_to_float", "non_blocking", "copy", "memory_format", "layout", "pin_memory", "implicit", "inplace"}
DEFAULTS = {  # which torch passes on although nobody wrote them
    ("norm", "ord", "2"), ("norm", "ord", "2.0"), ("elu", "alpha", "1.0"), ("hardtanh", "min_val", "-1.0"), ("hardtanh", "max_val", "1.0"),
}  # fmt: skip
WORDS = {("reduction", "0"): "none", ("reduction", "1"): "mean", ("reduction", "2"): "sum"}  # as ATen counts them

OF_A_VECTOR = {(1, 2): ("g @ b.T", "outer(a, g)"), (2, 1): MATRICES["mv"].backward, (1, 1): MATRICES["dot"].backward}  # dimensions of a and b


def rule_of(graph: Graph, node: Node) -> Rule:
    """The rule of an operation with as many operands as it has."""
    return rule(base_name(node), len(graph.in_edges(node.key)))


def base_name(node: Node) -> str:
    """The name of an operation, without the underscore of one in place."""
    op = node.op or "?"
    return op[:-1] if op.endswith("_") and not op.endswith("__") else op


def forward_formula(graph: Graph, node: Node) -> str:
    """The formula of ops.py that computes this node; "" where there is none or a setting falsifies it."""
    count, known = len(graph.in_edges(node.key)), rule_of(graph, node)
    named = (known.symbol or known.backward) and (len(node.autograd) < 2 or node.call_op)  # several parts are one operation only by its name
    uses_all = set(re.findall(r"\b[a-j]\b", known.forward)) == set(LETTERS[:count])
    return known.forward if named and uses_all and not telling_settings(graph, node) and is_plain(graph, node) else ""


def backward_formula(graph: Graph, edge: Edge) -> str:
    """What flows back along an edge, before it is summed over copies; "" where no formula is true."""
    node = graph.nodes[edge.head]
    name, known = base_name(node), rule_of(graph, node)
    if edge.slot >= len(known.backward) or len(node.ports) > 1 or not ((name in SHAPES and len(node.autograd) < 2) or forward_formula(graph, node)):
        return ""
    shapes = [shape_of(graph, operand) for operand in graph.in_edges(node.key)]
    if name == "linear" and len(shapes[0]) != 2:
        return ""
    if name == "matmul" and min(map(len, shapes)) < 2:
        return OF_A_VECTOR.get((len(shapes[0]), len(shapes[1])), ("", ""))[edge.slot]
    return "" if name == "matmul" and shapes[0][:-2] != shapes[1][:-2] else known.backward[edge.slot]


def is_summed(graph: Graph, edge: Edge) -> bool:
    """Whether the operand was copied to fit the others, so that what flows back is summed over the copies."""
    node = graph.nodes[edge.head]
    if graph.nodes[edge.tail].ports[edge.port].shape is None:  # not recorded: nothing can be said
        return False
    if edge.local is not None:
        full = edge.local.shape
    elif base_name(node) in ELEMENTWISE or backward_formula(graph, edge) == "g":
        full = node.ports[0].shape or ()
    else:
        return False
    return math.prod(full) > math.prod(shape_of(graph, edge))


def telling_settings(graph: Graph, node: Node) -> list[tuple[str, str]]:
    """The arguments, as text, without which a formula would not say what this call computes."""
    name = base_name(node)
    found = [(key, text) for key, text in node.settings if key not in SILENT and (name, key, text) not in DEFAULTS]
    if name == "getitem":
        return []
    if name in {*REDUCTIONS, *SOFTMAX} and is_plain(graph, node):
        found = [(key, text) for key, text in found if key not in ALONG_A_DIMENSION]
    return [(key, WORDS.get((key, text), text.strip("[]") if "," not in text else text)) for key, text in found]


def is_plain(graph: Graph, node: Node) -> bool:
    """Whether the operation works on its operands as a whole."""
    name = base_name(node)
    if name in SOFTMAX:
        return all(len(shape_of(graph, edge)) == 1 for edge in graph.in_edges(node.key))
    if name in REDUCTIONS and rule_of(graph, node) is REDUCTIONS[name]:
        return is_whole(node) and len(node.autograd) < 2  # settings of a call that torch ran as several are not known
    return True


def is_whole(node: Node) -> bool:
    """Whether the result is one number."""
    shape = node.ports[0].shape
    return shape is not None and math.prod(shape) == 1


def shape_of(graph: Graph, edge: Edge) -> tuple[int, ...]:
    """The shape of what an edge carries; () where it is not known."""
    return graph.nodes[edge.tail].ports[edge.port].shape or ()


def written_call(graph: Graph, node: Node, operands: Iterable[str]) -> str:
    """The operation as a call: "sum(x, dim=1)"."""
    settings = ", ".join(f"{key}={text}" for key, text in telling_settings(graph, node))
    shown = [] if not settings else [settings] if len(settings) <= SETTINGS_ROOM else ["…"]
    return f"{tex_to_unicode(node.op or '?')}({', '.join([*operands, *shown])})"
