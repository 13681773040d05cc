"""Node, edge or graph -> what is told to those who point at a part of the picture, or who cannot see it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from graphviz_ad._internal.base.text_table import counted_noun
from graphviz_ad._internal.graph.calls import is_pass
from graphviz_ad._internal.graph.contraction import flows_inside
from graphviz_ad._internal.graph.fact_texts import argument_text, further_facts
from graphviz_ad._internal.graph.graph import COMPUTED, Edge, Graph, Node, Port
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.claims import Passed
from graphviz_ad._internal.maths.formulas import to_unicode
from graphviz_ad._internal.maths.number_format import every_element, number_in_one_line, short_number, type_label
from graphviz_ad._internal.scene.cut_marks import REASONS, why_at
from graphviz_ad._internal.scene.scene import Fact
from graphviz_ad._internal.scene.words.edge_labels import matrix_shapes
from graphviz_ad._internal.scene.words.names import Names, title_of
from graphviz_ad._internal.scene.words.short_text import every_element_flowing, gradient_text, limited
from graphviz_ad._internal.scene.words.signs import NO_GRADIENT, NOT_RETAINED

MOST_FORMULAS = 400  # nodes of a graph whose edges tell pointers their formulas
KINDS = {
    "leaf": "leaf (requires grad)",
    "data": "data (takes no gradient)",
    "op": "operation",
    "module": "module",
    "line": "statement of the program",
    "call": "call of a function",
}


def said_of_gradient(port: Port) -> str:
    """The gradient of a result, or why there is none to have."""
    if port.grad is None:
        return "None" if port.takes_gradient else NO_GRADIENT
    return exact_gradient(port.grad)


def facts_about_node(node: Node, formula: str, kink: str, *, has_gradients: bool) -> tuple[Fact, ...]:
    """Facts about a node, a line each."""
    flows, inner = node.requires_grad and has_gradients, flows_inside(node)
    facts: list[tuple[str, str | None, str]] = [
        ("name", node.name, ""),
        ("kind", KINDS[node.kind], ""),
        ("operation", node.op if node.kind != "module" else None, ""),
        ("formula", formula, ""),
        ("autograd", limited(node.autograd), ""),
        (
            "type",
            ", ".join(type_label(Snapshot(p.shape, p.dtype or "?")) for p in node.ports[:4] if p.shape is not None),
            "",
        ),
        ("value", "; ".join(every_element(p.value) for p in node.ports[:4] if p.value), "value"),
        (
            "gradient",
            "; ".join(map(said_of_gradient, node.ports[:4])) if flows else None,
            "gradient",
        ),
        (
            "gradient from outside",
            "; ".join(every_element_flowing(p.arrived) for p in node.ports[:4] if p.arrived) if inner else None,
            "",
        ),
        (".grad in torch", NOT_RETAINED if flows and node.kind in COMPUTED else None, ""),
        ("the derivative jumps here, and torch takes", kink, ""),
        ("module", ".".join(node.module[-1:]), ""),
        ("opens with detail='op'", f"{node.inside} operations" if node.inside > 1 and is_pass(node) else None, ""),
        ("source", node.source, ""),
        (
            "no gradient",
            f"it {why_at(node, node.cut)}" if node.cut is not None and node.cut in REASONS else node.cut,
            "",
        ),
    ]
    further = [(label, text, "") for label, text in further_facts(node)]
    given = argument_facts(node, {label for label, _, _ in (*facts, *further)})
    return tuple([Fact(label, text, says) for label, text, says in (*facts, *given, *further) if text])


def exact_gradient(snap: Snapshot) -> str:
    """All elements of what flows back, those too that are 0 but for rounding."""
    exact = every_element_flowing(replace(snap, noise=0.0))
    if not snap.noise:
        return exact
    which = "which is" if snap.numel == 1 else f"of which what is no larger than {short_number(snap.noise)} is"
    return f"{exact}, {which} no more than rounding leaves of a sum"


def argument_facts(node: Node, taken: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """What an operation was given besides its operands; one that is called like another fact says that it is an
    argument.
    """
    for name, value in node.arguments:
        yield f"argument {name}" if name in taken else name, argument_text(value), ""


def of_edge(
    graph: Graph, names: Names, edge: Edge, passed: Passed, derivative: str, letters: Mapping[str, str]
) -> tuple[Fact, ...]:
    """Facts about an edge, a line each; on large graphs without formulas."""
    said = edge.cut is None and len(graph.node_list) <= MOST_FORMULAS
    formula, local = (passed.backward, passed.local) if said else ("", "")
    where = f", where g = {names.gradient(edge.head)} arrives"
    facts: list[tuple[str, str | None, str]] = [
        ("edge", f"{names.carried(edge)} → {names.of[edge.head]}, operand {edge.slot + 1}", ""),
        ("Jacobian", every_element_flowing(edge.jacobian) if edge.jacobian else None, "local"),
        ("local derivative", local_derivative(edge, derivative, to_unicode(local, letters) if local else ""), "local"),
        (
            "passes on",
            f"{to_unicode(formula, letters)} {matrix_shapes(passed)}".rstrip() + where
            if formula and not local
            else None,
            "",
        ),
        ("flows back", exact_gradient(edge.grad) if edge.grad else None, "contribution"),
        ("before a hook changed it", every_element_flowing(edge.made) if edge.made else None, ""),
        ("no gradient", why_cut(names, edge), ""),
        ("match", edge.match if edge.match != "exact" else None, ""),
    ]
    return tuple([Fact(label, text, says) for label, text, says in facts if text])


def why_cut(names: Names, edge: Edge) -> str | None:
    """ "z was detached, …"; None where a gradient flows."""
    reason = REASONS.get(edge.cut or "")
    name = names.carried(edge) if reason and reason.about_operand else names.of[edge.head]
    return f"{name} {reason.why}" if reason else edge.cut


def local_derivative(edge: Edge, name: str, symbols: str) -> str | None:
    """ "∂q/∂s = cos(s) = 0.8776"; None where it is neither a number nor elementwise."""
    parts = [part for part in (symbols, gradient_text(edge.local) if edge.local else "") if part]
    return " = ".join(dict.fromkeys([name, *parts])) if parts else None


def summary(graph: Graph, names: Names) -> str:
    """One sentence that stands for the picture where it cannot be seen."""
    ops = sum(node.kind == "op" for node in graph.node_list)
    modules = sum(node.kind == "module" for node in graph.node_list)
    lines, calls = (sum(node.kind == kind for node in graph.node_list) for kind in ("line", "call"))
    leaves = [node for node in graph.node_list if node.kind == "leaf"]
    parts = (
        ([f"{ops} operation{'s' if ops != 1 else ''}"] if ops or not lines + calls else [])
        + ([f"{lines} line{'s' if lines != 1 else ''} of the program"] if lines else [])
        + ([f"{calls} call{'s' if calls != 1 else ''} of functions"] if calls else [])
        + ([f"{counted_noun(modules, 'folded module')}"] if modules else [])
        + ["1 leaf" if len(leaves) == 1 else f"{len(leaves)} leaves"]
    )
    outputs = ", ".join(
        f"{names.of[node.key]} = {number_in_one_line(node.value)}" for node in graph.outputs[:3] if node.value
    )
    grads = ", ".join(f"{names.of[node.key]} {gradient_text(node.grad)}" for node in leaves[:6])
    return (
        f"Computation graph of {title_of(graph)}: {', '.join(parts)}"
        + (f"; output {outputs}" if outputs else "")
        + (f"; gradients: {grads}" if grads and graph.has_gradients else "")
        + "."
    )
