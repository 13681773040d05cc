"""draw_dot: a Value as micrograd has it -> the graphviz.Digraph of what it was made of, as micrograd's function of
this name draws it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from graphviz_ad._internal.base.argument_types import shown_value
from graphviz_ad._internal.base.checked_calls import checking_arguments
from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.tracing.value_numbers import PARTS, in_order, is_value, label_of, operands_of

if TYPE_CHECKING:
    import graphviz

SPECIAL = re.compile(r"([\\{}|<>\"])")  # in labels of records
RANKS = ("LR", "TB")


@checking_arguments
def draw_dot(
    root: Any,
    format: str = "svg",  # noqa: A002 - as micrograd calls it
    rankdir: Literal["LR", "TB"] = "LR",
) -> graphviz.Digraph:
    """What a finished Value was made of: each Value as a record with its label, data and grad, each operation as an
    ellipse before what came of it.

    ``root`` is anything with ``data``, ``grad``, ``_prev`` and ``_op``. ``graphviz_ad.trace`` takes it, too, where its
    operations are known: then it can be filmed and explained.
    """
    import graphviz

    if not is_value(root):
        raise OptionError(
            f"{shown_value(root)} is no Value: it would have {', '.join(PARTS)}; for tensors use make_dot"
        )
    if rankdir not in RANKS:
        raise OptionError(f"rankdir={shown_value(rankdir)} is no direction; give 'LR' or 'TB'")
    if format not in graphviz.FORMATS:
        raise OptionError(f"format={shown_value(format)} is no format of Graphviz; give 'svg', 'png' or another")
    dot = graphviz.Digraph(format=format, graph_attr={"rankdir": rankdir})
    keys = {id(value): f"n{place}" for place, value in enumerate(in_order(root))}
    for value in in_order(root):
        key = keys[id(value)]
        dot.node(key, label=record(value), shape="record")
        operands = operands_of(value)
        into = f"{key}op" if value._op else key
        if value._op:
            dot.node(into, label=escaped(str(value._op)))
            dot.edge(into, key)
        for operand in operands:
            dot.edge(keys[id(operand)], into)
    return dot


def record(value: Any) -> str:
    """ "{ a | data 2.0000 | grad 1.0000 }"."""
    label = plain(label_of(value))
    fields = [*([label] if label else []), f"data {number(value.data)}", f"grad {number(value.grad)}"]
    return f"{{ {' | '.join(fields)} }}"


def number(given: Any) -> str:
    """A number with four places; anything else as it shows itself."""
    try:
        return f"{float(given):.4f}"
    except (TypeError, ValueError, OverflowError):
        return plain(shown_value(given))


def plain(text: str) -> str:
    """Text that means nothing else in the label of a record."""
    return SPECIAL.sub(r"\\\1", text)


def escaped(text: str) -> str:
    """Text of a label that Graphviz draws as it is."""
    return text.replace("\\", "\\\\")
