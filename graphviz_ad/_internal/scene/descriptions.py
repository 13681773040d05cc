"""Wording -> what is told to those who point at a part of the picture, or who cannot see it."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from graphviz_ad._internal.graph.fact_texts import argument_text, further_facts
from graphviz_ad._internal.graph.graph import Edge, Node
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.claims import backward_formula, local_formula
from graphviz_ad._internal.maths.formulas import to_unicode
from graphviz_ad._internal.maths.number_format import one_line, type_label
from graphviz_ad._internal.scene.cut_marks import REASONS
from graphviz_ad._internal.scene.wording import NOT_RETAINED, Wording, gradient_text, limited

MOST_FORMULAS = 400  # nodes of a graph whose edges tell pointers their formulas
KINDS = {"leaf": "leaf (requires grad)", "data": "data (takes no gradient)", "op": "operation", "module": "module"}


def of_node(words: Wording, node: Node) -> tuple[str, ...]:
    """Facts about a node, a line each."""
    flows = node.requires_grad and words.graph.has_gradients
    facts: list[tuple[str, object]] = [
        ("name", node.name),
        ("kind", KINDS[node.kind]),
        ("operation", node.op if node.kind != "module" else None),
        ("formula", words.formula(node)),
        ("autograd", limited(node.autograd)),
        ("type", ", ".join(type_label(Snapshot(p.shape, p.dtype or "?")) for p in node.ports[:4] if p.shape is not None)),
        ("value", "; ".join(one_line(p.value) for p in node.ports[:4] if p.value)),
        ("gradient", "; ".join(gradient_text(p.grad) for p in node.ports[:4]) if flows else None),
        (".grad in torch", NOT_RETAINED if flows and node.kind == "op" else None),
        ("the derivative jumps here, and torch takes", words.kink(node)),
        ("module", ".".join(node.module[-1:])),
        ("source", node.source),
        ("no gradient", f"it {REASONS[node.cut].why}" if node.cut is not None and node.cut in REASONS else node.cut),
    ]
    further = list(further_facts(node))
    return tuple(f"{label}: {fact}" for label, fact in [*facts, *arguments(node, {label for label, _ in (*facts, *further)}), *further] if fact)


def arguments(node: Node, taken: Collection[str]) -> Iterator[tuple[str, str]]:
    """What an operation was given besides its operands; one that is called like another fact says that it is an argument."""
    for name, value in node.arguments:
        yield f"argument {name}" if name in taken else name, argument_text(value)


def of_edge(words: Wording, edge: Edge) -> tuple[str, ...]:
    """Facts about an edge, a line each; on large graphs without formulas."""
    said = edge.cut is None and len(words.graph.node_list) <= MOST_FORMULAS
    formula, local = (backward_formula(words.graph, edge), local_formula(words.graph, edge)) if said else ("", "")
    facts = [
        ("edge", f"{words.port_name(edge)} → {words.names[edge.head]}, operand {edge.slot + 1}"),
        ("local derivative", local_derivative(words, edge, local)),
        ("passes on", passed_on(words, edge, formula) if formula and not local else None),
        ("flows back", one_line(edge.grad) if edge.grad else None),
        ("no gradient", why_cut(words, edge)),
        ("match", edge.match if edge.match != "exact" else None),
    ]
    return tuple(f"{label}: {fact}" for label, fact in facts if fact)


def why_cut(words: Wording, edge: Edge) -> str | None:
    """ "z was detached, …"; None where a gradient flows."""
    reason = REASONS.get(edge.cut or "")
    name = words.port_name(edge) if reason and reason.about_operand else words.names[edge.head]
    return f"{name} {reason.why}" if reason else edge.cut


def local_derivative(words: Wording, edge: Edge, formula: str) -> str | None:
    """ "∂q/∂s = cos(s) = 0.8776"; None where it is neither a number nor elementwise."""
    symbols = to_unicode(formula, words.letters(edge)) if formula else ""
    parts = [part for part in (symbols, one_line(edge.local) if edge.local else "") if part]
    return " = ".join(dict.fromkeys([words.derivative(edge), *parts])) if parts else None


def passed_on(words: Wording, edge: Edge, formula: str) -> str:
    """ "g @ Wᵀ (1×3)(3×2), where g = ∂L/∂z arrives"."""
    rule = f"{to_unicode(formula, words.letters(edge))} {words.shapes(edge)}".rstrip()
    return f"{rule}, where g = {words.gradient_name(edge.head)} arrives"


def summary(words: Wording) -> str:
    """One sentence that stands for the picture where it cannot be seen."""
    graph = words.graph
    ops = sum(node.kind == "op" for node in graph.node_list)
    modules = sum(node.kind == "module" for node in graph.node_list)
    leaves = [node for node in graph.node_list if node.kind == "leaf"]
    parts = (
        [f"{ops} operation{'s' if ops != 1 else ''}"]
        + ([f"{modules} folded modules"] if modules else [])
        + ["1 leaf" if len(leaves) == 1 else f"{len(leaves)} leaves"]
    )
    outputs = ", ".join(f"{words.names[node.key]} = {one_line(node.value)}" for node in graph.outputs[:3] if node.value)
    grads = ", ".join(f"{words.names[node.key]} {gradient_text(node.grad)}" for node in leaves[:6])
    return (
        f"Computation graph of {graph.name}: {', '.join(parts)}"
        + (f"; output {outputs}" if outputs else "")
        + (f"; gradients: {grads}" if grads and graph.has_gradients else "")
        + "."
    )
