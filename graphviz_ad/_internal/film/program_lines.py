"""Node -> the lines of the program that computed it; Graph -> the program that is shown beside its film."""

from __future__ import annotations

from collections.abc import Iterable

from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.statements import chain_of
from graphviz_ad._internal.graph.written_program import WrittenPart
from graphviz_ad._internal.scene.scene import Listing, Lit, ProgramLine, Step


def lines_of_nodes(graph: Graph, nodes: Iterable[Node]) -> tuple[Lit, ...]:
    """The lines in which nodes are computed, then those that call the functions of these."""
    places = [node.statement for node in nodes if node.statement is not None]
    own = [lit for place in places for lit in lines_of_statement(graph, place)]
    chains = [list(chain_of(graph.statements, place))[1:] for place in places]
    calling = [lit for chain in chains for place in chain for lit in lines_of_statement(graph, place, calls=True)]
    computing = {(lit.part, lit.first, lit.last) for lit in own}
    callers = [lit for lit in calling if (lit.part, lit.first, lit.last) not in computing]
    return tuple(dict.fromkeys([*own, *callers]))


def lines_of_statement(graph: Graph, place: int, *, calls: bool = False) -> list[Lit]:
    """Its lines, where they are known."""
    statement = graph.statements[place]
    known = statement.lines is not None and statement.part is not None and statement.part < len(graph.program)
    return [Lit(statement.part or 0, *statement.lines, calls)] if known and statement.lines is not None else []


def lines_of_source(graph: Graph, source: str | None) -> tuple[Lit, ...]:
    """The lines of the statement that stands there, as a step of an optimizer; nothing where they are not known."""
    places = (place for place, one in enumerate(graph.statements) if source is not None and one.source == source)
    return next((tuple(found) for place in places if (found := lines_of_statement(graph, place))), ())


def head_of_program(graph: Graph) -> tuple[Lit, ...]:
    """The lines in which the function that ran says what it takes; nothing of a script, or where it is not known."""
    outermost = [one.part for one in graph.statements if one.caller is None]
    parts = {part for part in outermost if part is not None}
    if len(parts) != 1 or None in outermost:
        return ()
    part = parts.pop()
    head = graph.program[part].head if part < len(graph.program) else None
    return (Lit(part, *head),) if head is not None else ()


def listing_of(graph: Graph, steps: Iterable[Step]) -> Listing | None:
    """The parts of the program that steps are about; None where nothing is known of their lines."""
    used = sorted({lit.part for step in steps for lit in step.lit})
    if not used:
        return None
    shown = [(place, graph.program[place]) for place in used]
    titles = dict.fromkeys(part.file for _, part in shown)
    lines = [ProgramLine(place, part.first + i, text) for place, part in shown for i, text in enumerate(evened(part))]
    return Listing(", ".join(titles), tuple(lines))


def evened(part: WrittenPart) -> list[str]:
    """The lines without what all of them are indented by, with spaces for tabs."""
    lines = [line.expandtabs(4) for line in part.lines]
    indented = [len(line) - len(line.lstrip()) for line in lines if line.strip()]
    least = min(indented, default=0)
    return [line[least:] for line in lines]
