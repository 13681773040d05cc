"""Line or call of the program -> its formula as the user wrote it, with the names that its operands have on the
picture; where there is no source, composed of the formulas of its operations.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field

from graphviz_ad._internal.base.syntax_trees import syntax_tree
from graphviz_ad._internal.graph.arguments import Argument
from graphviz_ad._internal.graph.contraction import results_of_group
from graphviz_ad._internal.graph.fold_boxes import NUMBER
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.program_boxes import whole_statements
from graphviz_ad._internal.maths.claims import LETTERS, Claims
from graphviz_ad._internal.maths.program_text import OWN, mathematical, variables_in
from graphviz_ad._internal.maths.tex_labels import tex_to_unicode
from graphviz_ad._internal.operations.traits import GETITEM
from graphviz_ad._internal.scene.words import formula_text
from graphviz_ad._internal.scene.words.names import Names, is_statement
from graphviz_ad._internal.scene.words.short_text import short_elements

LONGEST = 160  # characters of a formula that is composed
UNCERTAIN = (ast.Call, ast.Constant)  # in an expression whose one number may be made of them
LONGEST_FOLDED = 90  # of one that is written, in a box of a picture of many


@dataclass(frozen=True)
class StatementTexts:
    """The formulas of the lines and calls of one graph; ``whole`` are those that are all of their statements."""

    graph: Graph
    names: Names
    whole: frozenset[str] = field(default_factory=frozenset)

    def of(self, node: Node) -> str:
        """The formula of a line or call; "" where nothing is known of it."""
        operands = [edge for edge in self.graph.in_edges(node.key) if edge.cut != "inner"]
        if node.kind == "call":
            return f"{tex_to_unicode(node.op or '?')}({', '.join(map(self.names.operand, operands))})"
        statement = self.graph.statements[node.statement] if node.statement is not None else None
        if statement is not None and statement.text is not None and node.key in self.whole:
            written = mathematical(statement.text, self.called(operands))
            if written is not None:
                return written
        return self.composed(node)

    def of_folded(self, node: Node) -> str:
        """The formula of a statement that is folded under the variable that it fills: as it is written; "" of another
        box, and where that is not known, or would be long.
        """
        if not is_statement(node) or node.statement is None:
            return ""
        text = in_short(self.graph.statements[node.statement].text, dict(node.arguments).get(NUMBER))
        operands = [edge for edge in self.graph.in_edges(node.key) if edge.cut != "inner"]
        written = mathematical(text, self.called_in(text, node, operands)) if text is not None else None
        return written if written is not None and len(written) <= LONGEST_FOLDED else ""

    def called_in(self, text: str, node: Node, operands: list[Edge]) -> Mapping[str, str]:
        """The same of the variables of an expression: one alone that is left, where one operand alone is, is that."""
        called = self.called(operands)
        left = {*variables_in(text)} - {*called, *OWN}
        others = {self.names.operand(edge) for edge in operands} - {called[name] for name in called}
        number = dict(node.arguments).get(NUMBER)
        is_number = number is not None and repr(number) not in text  # which one of the variables may be, then
        if len(left) == len(others) == 1 and not is_number and called.keys() <= variables_in(text):
            return {**called, left.pop(): others.pop()}
        return called

    def called(self, operands: list[Edge]) -> Mapping[str, str]:
        """Variable of the program -> what it is called on the picture, where one operand has this name."""
        found: dict[str, set[str]] = {}
        beside: dict[str, set[str]] = {}  # as x, of what is x₁ in a loop's second round
        for edge in operands:
            tail = self.graph.nodes[edge.tail]
            port = tail.ports[edge.port]
            name = port.name or tail.name
            if name is not None:
                found.setdefault(name, set()).add(self.names.operand(edge))
            for other in port.also:
                beside.setdefault(other, set()).add(self.names.operand(edge))
        return {name: min(called) for name, called in {**beside, **found}.items() if len(called) == 1}

    def composed(self, node: Node) -> str:
        """The formulas of the operations put into each other; "" where that gets too long, or there are several
        results.
        """
        finer = self.graph.finer
        if finer is None or len(node.ports) > 1:
            return ""
        members = [finer.nodes[key] for key in node.members]
        claims, texts = Claims(finer), self.from_outside(finer, members)
        for member in members:
            if member.kind == "data":
                texts[member.key, 0] = short_elements(member.value) or "?"
                continue
            read = [texts.get((edge.tail, edge.port), "?") for edge in finer.in_edges(member.key)]
            claim = claims.of(member.key)
            given = dict(zip(LETTERS, read, strict=False))
            text = formula_text.operation_in_terms(claim, given) if member.op != GETITEM else f"{read[0]}[…]"
            if len(text) > LONGEST:
                return ""
            texts[member.key, 0] = text
        return texts.get(results_of_group(finer, members)[0], "")

    def from_outside(self, finer: Graph, members: list[Node]) -> dict[tuple[str, int], str]:
        """What the operations read from outside, by the places that it has in the finer graph."""
        inside = {member.key for member in members}
        read = [edge for member in members for edge in finer.in_edges(member.key) if edge.tail not in inside]
        shown = {node.key: node for node in self.graph.node_list}
        owner = {key: node for node in self.graph.node_list for key in node.members}
        found: dict[tuple[str, int], str] = {}
        for edge in read:
            home = owner.get(edge.tail) or shown.get(edge.tail)
            if home is None:
                continue
            port = edge.port
            if home.members:
                results = results_of_group(finer, [finer.nodes[key] for key in home.members])
                port = results.index((edge.tail, edge.port)) if (edge.tail, edge.port) in results else 0
            found[edge.tail, edge.port] = self.names.results[home.key][port]
        return found


def in_short(text: str | None, number: Argument) -> str | None:
    """An expression without the calls that only move a tensor to where another is, and with the ``number`` of the
    program that it has in the place of the one setting of a module that it reads: "loss + 0.001 * aux" of
    "loss + self.coef * aux.to(loss.device)"; as it is written where it is not certain which that is.
    """
    if text is None:
        return None
    try:
        tree = Moved().visit(syntax_tree(text, "eval"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text
    parts = [*ast.walk(tree)]
    settings = {ast.unparse(part) for part in parts if isinstance(part, ast.Attribute) and is_setting(part)}
    certain = len(settings) == 1 and isinstance(number, float) and not any(isinstance(p, UNCERTAIN) for p in parts)
    return ast.unparse(Set(settings.pop(), number).visit(tree) if certain else tree)


def is_setting(part: ast.Attribute) -> bool:
    """Whether this is a variable of the module whose method is written: ``self.coef``."""
    return isinstance(part.value, ast.Name) and part.value.id == "self"


class Moved(ast.NodeTransformer):
    """Leaves out ``.to(…)``."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """What is moved, rather than the call."""
        inner = self.generic_visit(node)
        is_move = isinstance(node.func, ast.Attribute) and node.func.attr == "to"
        return node.func.value if is_move and isinstance(node.func, ast.Attribute) else inner


class Set(ast.NodeTransformer):
    """Writes a number in the place of a setting."""

    def __init__(self, setting: str, number: float) -> None:
        self.setting, self.number = setting, number

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """The number, where this is the setting."""
        return ast.Constant(self.number) if ast.unparse(node) == self.setting else node


def statement_texts(graph: Graph, names: Names) -> StatementTexts:
    """The formulas of a graph."""
    return StatementTexts(graph, names, frozenset(whole_statements(graph)))
