"""Graph + tangents -> Story: forward mode, in which every derivative travels along with the value."""

from __future__ import annotations

from collections.abc import Iterator

from graphviz_ad._internal.explain.tangent_picture import TangentWords, written_tangent
from graphviz_ad._internal.film.story import Story, Teller, final, line_of_result
from graphviz_ad._internal.graph.graph import Node
from graphviz_ad._internal.scene.scene import Change, Line, Move, Step
from graphviz_ad._internal.scene.words.short_text import after_sign, is_constant, short_elements
from graphviz_ad._internal.scene.words.signs import NOT_YET

Texts = tuple[tuple[str, str], ...]


def tell_tangents(said: TangentWords) -> Story:
    """One sweep: each operation makes its value and its tangent, and then nobody needs those before it any more."""
    words, tangents = said.words, said.tangents
    graph = words.graph
    teller = Teller(words, per_edge=False)
    sources = [node for node in graph.node_list if node.kind in ("leaf", "data")]
    opening = tuple(blank_tangents(said))
    first = ("Forward mode: derivatives travel with the values", tangents.title())
    steps = [Step("start", first, ())]
    given = [
        f"{said.label(words.names.of[node.key])} {written_tangent(tangents.of(node))}"
        for node in sources
        if not is_constant(node)
    ]
    changes = [Change(node.key, "active", tangent_lines_of(said, node)) for node in sources]
    steps.append(
        teller.step("forward", ("The sweep starts from the inputs", ", ".join(given[:6])), changes, len(sources))
    )
    for node in graph.node_list:
        if node.kind not in ("leaf", "data"):
            steps.append(one(said, teller, node))
    results = ", ".join(f"{name}: {written_tangent(snap)}" for name, snap in tangents.outputs.items())
    end = tuple(Change(key, "idle") for key in (*graph.nodes, *(edge.key for edge in graph.edges)))
    return Story(
        opening,
        (
            *steps,
            Step(
                "end", ("One sweep gives the derivative of every result", *(tangents.comparison() or [results])), end, 2
            ),
        ),
    )


def one(said: TangentWords, teller: Teller, node: Node) -> Step:
    """The step of an operation: its value, then how its tangent is the sum of what its operands bring."""
    graph = said.words.graph
    edges = graph.in_edges(node.key)
    flows = {edge.key: said.tangents.along(edge) for edge in edges}
    arrows = [
        Change(key, "active-forward", (("forward", f"→ {written_tangent(flow)}"),) if flow is not None else ())
        for key, flow in flows.items()
    ]
    teller.will_dim(arrows, "forward")
    parts = [
        f"{after_sign(short_elements(edge.local) or '')} ×"
        f" {after_sign(written_tangent(said.tangents.of(graph.nodes[edge.tail], edge.port)))}"
        for edge in edges
        if flows[edge.key] is not None and edge.local is not None and short_elements(edge.local)
    ]
    value = teller.forward_caption(node)
    tangent = f"{said.label(said.words.names.of[node.key])} {' + '.join(parts)}" if parts else ""
    result = written_tangent(said.tangents.of(node))
    change = Change(node.key, "active", tangent_lines_of(said, node))
    teller.will_dim([change], "forward")
    first = " ".join(part for part in value if part)
    caption = (first, tangent, f"= {result}" if parts else f"tangent {result}")
    moves = [Move(edge.key, "value", line_of_result("value", edge.port)) for edge in edges]
    moves += [Move(edge.key, "tangent", line.key) for edge in edges for line in list(said.lines(node))[:1]]
    return teller.step("forward", caption, [*arrows, change], 2, moves, of=[node])


def tangent_lines_of(said: TangentWords, node: Node) -> Texts:
    """The texts of these lines when the sweep has come."""
    return final(filled_in(said, node))


def filled_in(said: TangentWords, node: Node) -> Iterator[Line]:
    """The lines of a box that the sweep fills in."""
    if not is_constant(node):
        yield from (*said.words.nodes[node.key].values, *said.lines(node))


def blank_tangents(said: TangentWords) -> Iterator[Change]:
    """What makes the complete picture one on which nothing has been computed."""
    for node in said.words.graph.node_list:
        texts = [(line.key, NOT_YET if line.role in ("value", "tangent") else "") for line in filled_in(said, node)]
        if texts:
            yield Change(node.key, None, tuple(texts))
    for edge in said.words.graph.edges:
        if said.tangents.along(edge) is not None:
            yield Change(edge.key, None, (("forward", ""),))
