"""Graph + tangents -> Story: forward mode, in which every derivative travels along with the value."""

from __future__ import annotations

from collections.abc import Iterator

from graphviz_ad._internal.explain.tangent_picture import TangentWords, written
from graphviz_ad._internal.film.story import Story, Teller, bracketed
from graphviz_ad._internal.graph.graph import Node
from graphviz_ad._internal.scene.scene import Change, Step
from graphviz_ad._internal.scene.wording import NOT_YET, is_constant, short

Texts = tuple[tuple[str, str], ...]


def tell_tangents(words: TangentWords) -> Story:
    """One sweep: each operation makes its value and its tangent, and then nobody needs those before it any more."""
    wording, tangents = words.wording, words.tangents
    graph = wording.graph
    teller = Teller(wording, per_edge=False)
    sources = [node for node in graph.node_list if node.kind in ("leaf", "data")]
    opening = tuple(blank_tangents(words))
    first = ("Forward mode: derivatives travel with the values", tangents.title())
    steps = [Step("start", first, ())]
    said = [f"{words.label(wording.names[node.key])} {written(tangents.of(node))}" for node in sources if not is_constant(node)]
    changes = [Change(node.key, "active", of_node(words, node)) for node in sources]
    steps.append(teller.step("forward", ("The sweep starts from the inputs", ", ".join(said[:6])), changes, len(sources)))
    for node in graph.node_list:
        if node.kind not in ("leaf", "data"):
            steps.append(one(words, teller, node))
    results = ", ".join(f"{name}: {written(snap)}" for name, snap in tangents.outputs.items())
    end = tuple(Change(key, "idle") for key in (*graph.nodes, *(edge.key for edge in graph.edges)))
    return Story(opening, (*steps, Step("end", ("One sweep gives the derivative of every result", *(tangents.comparison() or [results])), end, 2)))


def one(words: TangentWords, teller: Teller, node: Node) -> Step:
    """The step of an operation: its value, then how its tangent is the sum of what its operands bring."""
    graph = words.wording.graph
    edges = graph.in_edges(node.key)
    flows = {edge.key: words.tangents.along(edge) for edge in edges}
    arrows = [Change(key, "active-forward", (("forward", f"→ {written(flow)}"),) if flow is not None else ()) for key, flow in flows.items()]
    teller.will_dim(arrows, "forward")
    parts = [
        f"{bracketed(short(edge.local) or '')} × {bracketed(written(words.tangents.of(graph.nodes[edge.tail], edge.port)))}"
        for edge in edges
        if flows[edge.key] is not None and edge.local is not None and short(edge.local)
    ]
    value = teller.forward_caption(node)
    tangent = f"{words.label(words.wording.names[node.key])} {' + '.join(parts)}" if parts else ""
    result = written(words.tangents.of(node))
    change = Change(node.key, "active", of_node(words, node))
    teller.will_dim([change], "forward")
    first = " ".join(part for part in value if part)
    return teller.step("forward", (first, tangent, f"= {result}" if parts else f"tangent {result}"), [*arrows, change], 2)


def of_node(words: TangentWords, node: Node) -> Texts:
    """The lines of a box that the sweep fills in."""
    if is_constant(node):
        return ()
    values = [(line.role, line.text) for line in words.wording.values(node)]
    return (*values, *((line.role, line.text) for line in words.lines(node)))


def blank_tangents(words: TangentWords) -> Iterator[Change]:
    """What makes the complete picture one on which nothing has been computed."""
    for node in words.wording.graph.node_list:
        texts = [(role, NOT_YET if role.partition(":")[0] in ("value", "tangent") else "") for role, _ in of_node(words, node)]
        if texts:
            yield Change(node.key, None, tuple(texts))
    for edge in words.wording.graph.edges:
        if words.tangents.along(edge) is not None:
            yield Change(edge.key, None, (("forward", ""),))
