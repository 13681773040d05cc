"""Line or call of the program -> its formula as the user wrote it, with the names that its operands have on the
picture; where there is no source, composed of the formulas of its operations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from graphviz_ad._internal.graph.contraction import results_of_group
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.program_boxes import whole_statements
from graphviz_ad._internal.maths.claims import LETTERS, Claims
from graphviz_ad._internal.maths.program_text import mathematical
from graphviz_ad._internal.maths.tex_labels import tex_to_unicode
from graphviz_ad._internal.operations.traits import GETITEM
from graphviz_ad._internal.scene.words import formula_text
from graphviz_ad._internal.scene.words.names import Names, is_statement
from graphviz_ad._internal.scene.words.short_text import short_elements

LONGEST = 160  # characters of a formula that is composed
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
        text = self.graph.statements[node.statement].text
        operands = [edge for edge in self.graph.in_edges(node.key) if edge.cut != "inner"]
        written = mathematical(text, self.called(operands)) if text is not None else None
        return written if written is not None and len(written) <= LONGEST_FOLDED else ""

    def called(self, operands: list[Edge]) -> Mapping[str, str]:
        """Variable of the program -> what it is called on the picture, where one operand has this name."""
        found: dict[str, set[str]] = {}
        for edge in operands:
            tail = self.graph.nodes[edge.tail]
            name = tail.ports[edge.port].name or tail.name
            if name is not None:
                found.setdefault(name, set()).add(self.names.operand(edge))
        return {name: min(called) for name, called in found.items() if len(called) == 1}

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


def statement_texts(graph: Graph, names: Names) -> StatementTexts:
    """The formulas of a graph."""
    return StatementTexts(graph, names, frozenset(whole_statements(graph)))
