"""Graph -> the words and numbers of its picture: names, formulas, values, gradients, and what is said on each edge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from graphviz_ad._internal.graph.cuts import DETACHED
from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.graph.rank_messages import CUT, crossing, glyph
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.claims import (
    LETTERS,
    backward_formula,
    factor_shapes,
    forward_formula,
    is_choice,
    is_summed,
    kinks,
    local_formula,
    operands_of,
    rule_of,
    slopes,
    written_call,
)
from graphviz_ad._internal.maths.formulas import to_unicode
from graphviz_ad._internal.maths.number_format import number, one_line, snapshot_lines, type_label
from graphviz_ad._internal.maths.tex_labels import tex_to_unicode
from graphviz_ad._internal.operations.traits import GETITEM
from graphviz_ad._internal.scene.in_place_text import is_partial_write, subscript, written_in_place
from graphviz_ad._internal.scene.scene import Line

NOT_YET = "·"  # not computed yet; never the same as 0, None or NaN
NO_GRADIENT = "—"  # there is no gradient to have
NOT_RETAINED = "None (not retained)"  # a gradient flowed, and torch did not keep it, as for every result that is no leaf
CUT_MARKS = {
    DETACHED: "✂ detach",
    "no_grad": "✂ no_grad",
    "inference": "✂ inference_mode",
    "non-differentiable": "✂ no derivative",
    "shape-only": "✂ only its shape",
    "none-gradient": "✂ None returned",
}
OVERWRITTEN = {"inplace_view": "✂ written over"}  # nothing is lost there: the gradient goes past it
NOTES = {"none-gradient": "backward returned None", "inner": "inside a Function"}
FORMULA_ROOM, NAME_ROOM, LABEL_ROOM, OPERAND_ROOM, NUMBERS_ROOM, SUM_ROOM = 26, 34, 30, 12, 64, 16  # characters
MOST_RULES = 60  # nodes of a picture in which edges without numbers say how they pass the gradient on


@dataclass(frozen=True)
class Options:
    """What is written on a picture."""

    values: bool = True
    gradients: bool = True
    local: bool = True
    sums: bool = False


@dataclass(frozen=True)
class Wording:
    """All texts of the picture of one graph."""

    graph: Graph
    options: Options = field(default_factory=Options)

    # --- names

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Key -> what a node is called: its variable, its number, or v1, v2, … where the program gave no name."""
        taken = {node.name for node in self.graph.node_list}
        often = Counter(node.name for node in self.graph.node_list)
        seen: dict[str, int] = {}
        names: dict[str, str] = {}
        count = 0
        result = self._nameless_result(taken)
        for node in self.graph.node_list:
            if node is result:
                names[node.key] = self.graph.name if self.graph.name.isidentifier() else "f"
            elif node.kind == "module":  # as its box says, not as the variable that takes its result
                names[node.key] = child_name(node.op or "module")
            elif node.name:
                seen[node.name] = seen.get(node.name, -1) + 1
                names[node.key] = numbered_name(node.name, seen[node.name]) if often[node.name] > 1 else node.name
            elif is_constant(node):
                names[node.key] = one_line(node.value) if node.value else "?"
            else:
                count += 1
                while f"v{count}" in taken:
                    count += 1
                names[node.key] = f"v{count}"
        return names

    def _nameless_result(self, taken: set[str | None]) -> Node | None:
        """The one output that has no name of its own; it is called like the function."""
        outputs = self.graph.outputs
        name = self.graph.name if self.graph.name.isidentifier() else "f"
        return outputs[0] if len(outputs) == 1 and outputs[0].kind == "op" and not outputs[0].name and name not in taken else None

    def port_name(self, edge: Edge) -> str:
        """What the result is called that an edge carries."""
        node = self.graph.nodes[edge.tail]
        if len(node.ports) == 1:
            return self.names[edge.tail]
        return node.ports[edge.port].name or f"{self.names[edge.tail]}[{edge.port}]"

    def result_names(self, node: Node) -> str:
        """What all results of a node are called: "low, high"."""
        name = self.names[node.key]
        if len(node.ports) == 1:
            return name
        return ", ".join(port.name or f"{name}[{i}]" for i, port in enumerate(node.ports[:4])) + (", …" if len(node.ports) > 4 else "")

    def operand_name(self, edge: Edge) -> str:
        """The same, in the few characters that a formula has room for."""
        name = self.port_name(edge)
        parts = 3 if name.endswith(".grad") else 2  # whose gradient it is
        return name if len(name) <= OPERAND_ROOM or "." not in name else ".".join(name.split(".")[-parts:])

    @cached_property
    def frames(self) -> list[tuple[str, ...]]:
        """The modules that get a frame: those with at least two things in them."""
        children: dict[tuple[str, ...], set[str]] = {}
        for node in self.graph.node_list:
            path = node.module
            for depth in range(1, len(path) + 1):
                children.setdefault(path[:depth], set()).add(path[depth] if depth < len(path) else node.key)
        return [path for path, found in children.items() if len(found) > 1]

    def frame_of(self, path: tuple[str, ...]) -> tuple[str, ...] | None:
        """The innermost frame around a module path."""
        return next((path[:depth] for depth in range(len(path), 0, -1) if path[:depth] in self._frame_set), None)

    @cached_property
    def _frame_set(self) -> set[tuple[str, ...]]:
        return set(self.frames)

    def within_frame(self, name: str, path: tuple[str, ...]) -> str:
        """A dotted name without what the frame around it says already."""
        frame = self.frame_of(path)
        return child_name(name.removeprefix(f"{frame[-1]}.")) if frame else child_name(name)

    @cached_property
    def result(self) -> str:
        """What all gradients are gradients of: the output's name, or L where there are several outputs or elements."""
        if self.has_one_result:
            return next(self.names[node.key] for node in self.graph.outputs if node.requires_grad)
        return "ℒ" if "L" in self.names.values() else "L"

    @cached_property
    def has_one_result(self) -> bool:
        """Whether there is one output, one number, and the backward pass starts from it with 1."""
        outputs = [node for node in self.graph.outputs if node.requires_grad]
        return len(outputs) == 1 and len(outputs[0].ports) == 1 and outputs[0].ports[0].shape == () and is_one(outputs[0].ports[0].upstream)

    # --- formulas

    def operands(self, node: Node) -> dict[str, str]:
        """Letter of the rule -> name of the operand."""
        read = [edge for edge in operands_of(self.graph, node) if edge.cut != "inner" or node.cut == "inner"]  # what ran inside a Function is no operand of it
        return dict(zip(LETTERS, map(self.operand_name, read), strict=False))

    def numbers(self, node: Node) -> dict[str, str] | None:
        """Letter of the rule -> value of the operand; None where one is unknown or too big to write."""
        found = {}
        for letter, edge in zip(LETTERS, operands_of(self.graph, node), strict=False):
            snap = self.graph.nodes[edge.tail].ports[edge.port].value
            text = short(snap)
            if text is None:
                return None
            found[letter] = text
        return found

    def formula(self, node: Node) -> str:
        """The operation with the names of its operands: "x + y"; "" for leaves and data."""
        if node.kind != "op":
            return ""
        return self._written(node, self.operands(node))

    def formula_in_numbers(self, node: Node) -> str:
        """The operation with the values of its operands: "−2 + 5"; "" where they are unknown or too big."""
        numbers = self.numbers(node)
        text = self._written(node, numbers) if numbers and node.kind == "op" else ""
        return text if len(text) <= NUMBERS_ROOM else ""

    def _written(self, node: Node, operands: dict[str, str]) -> str:
        if len(operands_of(self.graph, node)) > len(LETTERS):
            return f"{tex_to_unicode(node.op or '?')}({', '.join(list(operands.values())[:3])}, …)"
        if is_partial_write(node):
            return written_in_place(self.graph, node, operands.values())
        if node.call is None:  # not seen running: operands without gradient are not known
            return written_call(self.graph, node, [*operands.values(), "…"])
        formula = forward_formula(self.graph, node)
        if not formula:
            return written_call(self.graph, node, operands.values())
        text = to_unicode(formula, operands)
        return text.replace("[…]", f"[{subscript(dict(node.settings))}]") if node.op == GETITEM else text

    # --- boxes

    def badge(self, node: Node) -> str:
        """The glyph in the circle of an operation."""
        if node.kind != "op":
            return ""
        symbol = rule_of(self.graph, node).symbol
        op = tex_to_unicode(node.op or "?")
        return symbol or glyph(node) or (op if len(op) <= 5 else "ƒ")

    def title(self, node: Node) -> list[Line]:
        """Name and formula, in one line if they fit there."""
        name = self.names[node.key]
        if node.kind == "module":
            return [Line("name", shortened(self.within_frame(node.op or name, node.module), NAME_ROOM)), *self._module_facts(node)]
        if is_constant(node):
            return []
        name = self.result_names(node)
        if node.kind in ("leaf", "data"):
            return [Line("name", shortened(name, NAME_ROOM))]
        formula = self.formula(node)
        if len(name) + len(formula) <= FORMULA_ROOM:
            return [Line("name", f"{name} = {formula}")]
        if len(formula) > NAME_ROOM - 2:  # the name of the operation then says more than half a formula
            formula = written_call(self.graph, node, self.operands(node).values())
        return [Line("name", shortened(name, NAME_ROOM)), Line("formula", shortened(f"= {formula}", NAME_ROOM))]

    def _module_facts(self, node: Node) -> list[Line]:
        facts = [f"{node.inside} op{'s' if node.inside != 1 else ''}"]
        if node.parameters:
            facts.append(f"{counted(node.parameters)} parameters")
        return [Line("kind", " · ".join(facts))]

    def values(self, node: Node) -> list[Line]:
        """The lines that show what the forward pass computed."""
        if not self.options.values:
            return self._types(node) if node.kind in ("module", "leaf") and not is_constant(node) else []
        if len(node.ports) > 1:
            return numbered("value", [self._port_line(port, i) for i, port in enumerate(node.ports[:4])])
        return numbered("value", self._value_texts(node.ports[0], node.kind == "module"))

    def _value_texts(self, port: Port, brief: bool) -> list[str]:
        if port.value is not None:
            lines = list(snapshot_lines(port.value))
            return lines[:1] if brief else lines if port.value.known else [lines[0], ", ".join(lines[1:])]
        if port.shape is None:
            return ["value not recorded"]
        return [type_label(Snapshot(port.shape, port.dtype or "?"))]

    def _types(self, node: Node) -> list[Line]:
        port = node.ports[0]
        return [] if port.shape in (None, ()) else [Line("kind", type_label(Snapshot(port.shape or (), port.dtype or "?")))]

    def _port_line(self, port: Port, i: int) -> str:
        text = short(port.value) or (type_label(port.value) if port.value else "?")
        return f"{port.name or f'[{i}]'} = {text}"

    def gradients(self, node: Node) -> list[Line]:
        """The lines that show the gradient of the output with respect to this node."""
        if not self.options.gradients or not self.graph.has_gradients or is_constant(node):
            return []
        label = ".grad" if node.kind == "leaf" else "grad"
        if not node.requires_grad:
            return [Line("gradient", f"{label} {NO_GRADIENT}")]
        if len(node.ports) > 1:
            texts = [f"{port.name or f'[{i}]'}: {label} {gradient_text(port.grad)}" for i, port in enumerate(node.ports[:4])]
            return numbered("gradient", texts)
        total = node.ports[0].grad_total
        if total is None or total == node.ports[0].grad:
            return [*numbered("gradient", self._gradient_texts(node, label)), *self._sum_line(node)]
        texts = [*self._gradient_texts(node, "this pass"), f".grad {short(total) or f'norm {number(total.norm)}'}"]  # a later one of several passes
        return numbered("gradient", texts)

    def _sum_line(self, node: Node) -> list[Line]:
        text = self.sum_of_contributions(node) if self.options.sums else ""
        return [Line("sum", f"= {text}")] if 0 < len(text) <= SUM_ROOM else []  # a longer one would cost all letters their size; captions say it

    def sum_of_contributions(self, node: Node, port: int = 0) -> str:
        """ "1.5 − 0.05961 + 0.1762" for a result that several contributions flow back to; "" where they cannot be written."""
        edges = [edge for edge in self.graph.out_edges(node.key) if edge.port == port and edge.cut is None and edge.grad is not None]
        edges.sort(key=lambda edge: (self.graph.nodes[edge.head].backward_order or 0, edge.slot))
        upstream = node.ports[port].upstream
        texts = [short(snap) for snap in [*([upstream] if upstream is not None else []), *(edge.grad for edge in edges)]]
        if not 2 <= len(texts) <= 6 or None in texts:
            return ""
        return added([text for text in texts if text is not None])

    def _gradient_texts(self, node: Node, label: str) -> list[str]:
        grad, own = node.ports[0].grad, dict(node.settings).get("parameter gradients")
        of_parameters = [f"‖∂parameters‖ {own}"] if node.kind == "module" and own and own != "none" else []
        if grad is None:
            return [f"{label} None", *of_parameters]
        if grad.norm is not None and (node.kind == "module" or not grad.known):
            return [f"‖{'grad' if node.kind == 'module' else label}‖ {number(grad.norm)}", *of_parameters]
        if node.kind == "module":
            return [f"{label} {type_label(grad)}", *of_parameters]
        lines = snapshot_lines(grad)
        return [f"{label} {lines[0]}"] if len(lines) == 1 else [label, *lines]

    def notes(self, node: Node) -> list[Line]:
        """Small print: settings of the operation, upstream gradient of an output, why there is no gradient."""
        found = []
        if self.options.gradients and self.graph.has_gradients:
            seeds = [port.upstream for port in node.ports if port.upstream is not None]
            found += [Line("upstream", self._seed_text(seed)) for seed in seeds[:1] if not is_one(seed)]
            if node.cut == "unreached" and node.kind != "data":
                found.append(Line("note", "no path to an output" if not self.graph.out_edges(node.key) else "no gradient reaches it"))
            if node.cut in NOTES:
                found.append(Line("note", NOTES[node.cut]))
            if node.requires_grad and self.kink(node):
                found.append(Line("tie", self.kink(node)))
        return found

    def kink(self, node: Node) -> str:
        """What torch takes where the derivative jumps: "tie: 0.5 to each", "kink: slope 0"; "" where it does not jump."""
        places = kinks(self.graph, node)
        if places is None:
            return ""
        found = slopes(self.graph, node, places)
        texts = [number(slope) for slope in dict.fromkeys(found)]
        if not is_choice(node):
            return f"kink: slope {texts[0]}" if len(texts) == 1 else "kink"
        if len(texts) == 1:
            return f"tie: {texts[0]} to each"
        return f"tie: 1 to one of {len(found)}" if sorted(found) == [0] * (len(found) - 1) + [1] else "tie"

    @staticmethod
    def _seed_text(seed: Snapshot) -> str:
        return "seed 1 each" if is_ones(seed) else f"seed {short(seed) or type_label(seed)}"

    def lines(self, node: Node) -> list[Line]:
        """Everything in the box of a node."""
        return [*self.title(node), *self.values(node), *self.gradients(node), *self.notes(node)]

    # --- arrows

    def derivative(self, edge: Edge) -> str:
        """ "∂q/∂x"; only "local derivative" where that would be read as the whole gradient, of which this edge brings a part."""
        if self._is_only_a_part(edge):
            return "local derivative"
        return f"∂{self.names[edge.head]}/∂{self.port_name(edge)}"

    def _is_only_a_part(self, edge: Edge) -> bool:
        uses = [use for use in self.graph.out_edges(edge.tail) if use.port == edge.port and use.cut is None]
        twice = sum(use.head == edge.head for use in uses) > 1  # x * x
        return twice or (len(uses) > 1 and self.names[edge.head] == self.result)

    def gradient_name(self, key: str, port: int | None = None) -> str:
        """ "∂f/∂q"; of one result of the node, where it has several."""
        node = self.graph.nodes[key]
        name = self.names[key]
        if port is not None and len(node.ports) > 1:
            name = node.ports[port].name or f"{name}[{port}]"
        return f"∂{self.result}/∂{name}"

    def letters(self, edge: Edge) -> dict[str, str]:
        """Letter of the rule -> name, for what flows back along an edge; g stays the gradient that arrives."""
        return {**self.operands(self.graph.nodes[edge.head]), "out": self.names[edge.head], "g": "g"}

    def local(self, edge: Edge) -> str:
        """The local derivative of an edge: "∂q/∂x = 1", "∂h/∂z = 1 − h²", or how the gradient is passed on: "g @ Wᵀ (1×3)(3×2)"; "" for neither."""
        text = short(edge.local)
        if text is None:
            if edge.cut is not None or len(self.graph.node_list) > MOST_RULES:
                return ""
            text = to_unicode(local_formula(self.graph, edge) or "0", self.letters(edge))
            if text == "0":
                return self.rule(edge)
        name = self.derivative(edge)
        fits = len(name) + len(text) <= LABEL_ROOM and not self._is_only_a_part(edge)
        return f"{name} = {text}" if fits else f"local {text}" if len(text) <= LABEL_ROOM else ""

    def rule(self, edge: Edge) -> str:
        """How the gradient g that arrives is passed on along an edge: "g @ Wᵀ (1×3)(3×2)"; "" where no formula is true or short enough."""
        formula = backward_formula(self.graph, edge)
        text = to_unicode(formula, self.letters(edge)) if formula else ""
        if text and is_summed(self.graph, edge):
            text = f"Σ ({text})" if " " in text else f"Σ {text}"
        with_shapes = f"{text} {self.shapes(edge)}".rstrip()
        return with_shapes if len(with_shapes) <= LABEL_ROOM else text if len(text) <= LABEL_ROOM else ""

    def shapes(self, edge: Edge) -> str:
        """The shapes of the matrices that a rule multiplies: "(1×3)(3×2)"; "" where it multiplies none."""
        found = factor_shapes(self.graph, edge) if edge.cut is None else ()
        return "".join(f"({'×'.join(map(str, shape))})" for shape in found)

    def contribution(self, edge: Edge) -> str:
        """What flows back along an edge: "← −4", "← Σ 5" where it is summed over copies of the operand; its norm where it is big."""
        if edge.grad is None:
            return ""
        arrow = "← Σ" if is_summed(self.graph, edge) else "←"
        text = short(edge.grad)
        if text is not None:
            return f"{arrow} {text}"
        return f"{arrow} norm {number(edge.grad.norm)}" if edge.grad.norm is not None else f"{arrow} {type_label(edge.grad)}"

    def arrow_lines(self, edge: Edge) -> list[Line]:
        """Everything on an arrow."""
        if edge.cut in {**CUT_MARKS, **OVERWRITTEN}:
            return [Line("cut", CUT_MARKS.get(edge.cut) or OVERWRITTEN[edge.cut])]
        found = [Line("note", crossing(self.graph, edge))] if crossing(self.graph, edge) else []
        if self.options.local and self.local(edge):
            found.append(Line("local", self.local(edge)))
        if self.options.gradients and edge.cut in (None, CUT) and self.contribution(edge):
            found.append(Line("contribution", self.contribution(edge)))
        if edge.match == "guess" and edge.cut != CUT:
            found.append(Line("note", "? which operand"))
        return found


def child_name(name: str) -> str:
    """The name of a module; that of a numbered child in brackets, so that it does not look like a number."""
    return f"[{name}]" if name.isdigit() else name


def added(terms: list[str]) -> str:
    """ "2 + 3 − 1"."""
    return terms[0] + "".join(f" − {term[1:]}" if term.startswith("−") else f" + {term}" for term in terms[1:])


def is_constant(node: Node) -> bool:
    """Whether a node is a number written in the program."""
    return node.kind == "data" and node.op is None and node.name is None and node.ports[0].shape == ()


def is_one(snap: Snapshot | None) -> bool:
    """Whether this is the number 1."""
    return snap is not None and snap.known and snap.numel == 1 and snap.item() == 1


def is_ones(snap: Snapshot) -> bool:
    """Whether every element is 1, which is what is fed in where nobody says otherwise."""
    return snap.min == 1 and snap.max == 1


def short(snap: Snapshot | None) -> str | None:
    """The elements in at most 24 characters; None where that cannot be."""
    if snap is None or not snap.known:
        return None
    text = one_line(snap)
    return text if len(text) <= 24 and not text.startswith(type_label(snap)) else None


def gradient_text(grad: Snapshot | None) -> str:
    """A gradient in a few characters; "None" where torch has none."""
    return "None" if grad is None else one_line(grad)


def numbered(role: str, texts: list[str]) -> list[Line]:
    """Lines of one role, told apart by number: value, value:1, value:2, …"""
    return [Line(role if i == 0 else f"{role}:{i}", text) for i, text in enumerate(texts)]


def numbered_name(name: str, count: int) -> str:
    """What tells the results of one name apart: h₀, h₁, h₂."""
    return name + "".join("₀₁₂₃₄₅₆₇₈₉"[int(digit)] for digit in str(count))


def shortened(text: str, room: int) -> str:
    """The text, cut with an ellipsis after `room` characters."""
    return text if len(text) <= room else text[: room - 1] + "…"


def limited(names: tuple[str, ...], count: int = 6) -> str:
    """The names, the rest only counted."""
    return ", ".join(names[:count]) + (f" and {len(names) - count} more" if len(names) > count else "")


def counted(count: int) -> str:
    """ "1.2M"."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g}{letter}"
    return str(count)
