"""Graph -> what other tools open: GEXF, Cytoscape's JSON, Model Explorer's, Netron's, and Mermaid.

Names come from programs: each format has them as text and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.number_format import short_number, type_label
from graphviz_ad._internal.scene.words.names import graph_names
from graphviz_ad._internal.scene.words.short_text import short_elements

if TYPE_CHECKING:
    from graphviz_ad._internal.api.api import Picture

GEXF = "http://www.gexf.net/1.2draft"
ABOUT = "graphviz_ad"
# what each node has as text, in this order, where it is known
FACTS = ("kind", "operation", "module", "source", "value", "gradient", "no gradient")
SPECIAL = re.compile(r"[^\w .,:=+*/()\[\]×·→←−±≤≥∂√Σ^_'-]|[_]")  # in Mermaid, or in the Markdown of its labels


def facts_of(node: Node) -> dict[str, str]:
    """What there is to say of a node."""
    ports = node.ports
    found = {
        "kind": node.kind,
        "operation": node.op or "",
        "module": node.module[-1] if node.module else "",
        "source": node.source or "",
        "value": "; ".join(filter(None, (value_text(port) for port in ports))),
        "gradient": "; ".join(filter(None, (gradient_text(port.grad) for port in ports))),
        "no gradient": node.cut or "",
    }
    return {name: visible(text) for name, text in found.items() if text}


def value_text(port: Port) -> str:
    """The elements of a result where they are few, else its type."""
    if port.value is not None:
        return short_elements(port.value) or type_label(port.value)
    return type_label(Snapshot(port.shape, port.dtype or "?")) if port.shape is not None else ""


def gradient_text(grad: Snapshot | None) -> str:
    """The elements of a gradient where they are few, else its norm."""
    if grad is None:
        return ""
    return short_elements(grad) or (f"norm {short_number(grad.norm)}" if grad.norm is not None else type_label(grad))


def labels_of(graph: Graph) -> Mapping[str, str]:
    """Key -> what a node is called."""
    return {key: visible(name) for key, name in graph_names(graph).of.items()}


def strict_json(thing: Any) -> bytes:
    """Plain data as JSON that every parser takes."""
    return json.dumps(thing, allow_nan=False, indent=1).encode()


# --- GEXF


def gexf(picture: Picture) -> bytes:
    """The graph that is drawn, for Gephi."""
    return whole_gexf(picture.graph)


def whole_gexf(graph: Graph) -> bytes:
    """A graph for Gephi and networkx."""
    root = ElementTree.Element("gexf", xmlns=GEXF, version="1.2")
    drawn = ElementTree.SubElement(root, "graph", defaultedgetype="directed", mode="static")
    declared = ElementTree.SubElement(drawn, "attributes", {"class": "node", "mode": "static"})
    for i, name in enumerate(FACTS):
        ElementTree.SubElement(declared, "attribute", id=f"{i}", title=name, type="string")
    nodes, labels = ElementTree.SubElement(drawn, "nodes"), labels_of(graph)
    for node in graph.node_list:
        made = ElementTree.SubElement(nodes, "node", id=node.key, label=labels[node.key])
        values = ElementTree.SubElement(made, "attvalues")
        for name, text in facts_of(node).items():
            ElementTree.SubElement(values, "attvalue", {"for": f"{FACTS.index(name)}", "value": text})
    edges = ElementTree.SubElement(drawn, "edges")
    for i, edge in enumerate(graph.edges):
        made = ElementTree.SubElement(edges, "edge", id=f"e{i}", source=edge.tail, target=edge.head)
        if edge.grad is not None:
            made.set("label", gradient_text(edge.grad))
    ElementTree.indent(root)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


# --- Cytoscape


def cytoscape(picture: Picture) -> bytes:
    """The graph that is drawn, with its places, for Cytoscape."""
    places = {box.key: box.center for box in picture.scene.boxes if box.center is not None}
    return strict_json(cytoscape_data(picture.graph, places))


def whole_cytoscape(graph: Graph) -> bytes:
    """A graph for Cytoscape and Cytoscape.js."""
    return strict_json(cytoscape_data(graph, {}))


def cytoscape_data(graph: Graph, places: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    """Nodes and edges as elements."""
    labels = labels_of(graph)
    nodes = []
    for node in graph.node_list:
        made: dict[str, Any] = {"data": {"id": node.key, "name": labels[node.key], **facts_of(node)}}
        if node.key in places:
            x, y = places[node.key]
            made["position"] = {"x": round(x, 2), "y": round(y, 2)}
        nodes.append(made)
    edges = [
        {"data": {"id": f"e{i}", "source": edge.tail, "target": edge.head, **facts_of_edge(edge)}}
        for i, edge in enumerate(graph.edges)
    ]
    return {
        "format_version": "1.0",
        "generated_by": ABOUT,
        "data": {"name": visible(graph.name)},
        "elements": {"nodes": nodes, "edges": edges},
    }


def facts_of_edge(edge: Edge) -> dict[str, str]:
    """What there is to say of an edge."""
    found = {"gradient": gradient_text(edge.grad), "cut": edge.cut or ""}
    return {name: text for name, text in found.items() if text}


# --- Model Explorer


def model_explorer(picture: Picture) -> bytes:
    """The graph that is drawn, for Model Explorer."""
    return whole_model_explorer(picture.graph)


def whole_model_explorer(graph: Graph) -> bytes:
    """A graph for Model Explorer, whose layers are the modules."""
    labels = labels_of(graph)
    nodes = [
        {
            "id": node.key,
            "label": labels[node.key],
            "namespace": "/".join(visible(step).replace("/", "∕") for step in node.module),
            "attrs": [{"key": name, "value": text} for name, text in facts_of(node).items()],
            "incomingEdges": [
                {
                    "sourceNodeId": edge.tail,
                    "sourceNodeOutputId": f"{edge.port}",
                    "targetNodeInputId": f"{edge.slot}",
                }
                for edge in graph.in_edges(node.key)
            ],
            "outputsMetadata": [
                {"id": f"{i}", "attrs": [{"key": "value", "value": text}]}
                for i, port in enumerate(node.ports)
                if (text := value_text(port))
            ],
        }
        for node in graph.node_list
    ]
    name = visible(graph.name) or "graph"
    return strict_json({"label": name, "graphs": [{"id": name, "nodes": nodes}]})


# --- Netron


def netron(picture: Picture) -> bytes:
    """The graph that is drawn, for Netron."""
    return whole_netron(picture.graph)


def whole_netron(graph: Graph) -> bytes:
    """A graph for Netron: its values are the results of all nodes; sources are inputs."""
    labels = labels_of(graph)
    place: dict[tuple[str, int], int] = {}
    values: list[dict[str, Any]] = []
    for node in graph.node_list:
        for i, port in enumerate(node.ports):
            place[node.key, i] = len(values)
            name = labels[node.key] if len(node.ports) == 1 else f"{labels[node.key]}[{i}]"
            values.append({"name": name, **type_for_netron(port)})
    sources = [node for node in graph.node_list if not graph.in_edges(node.key) and node.op is None]
    given = {node.key for node in sources}
    module = {
        "values": values,
        "inputs": [argument(labels[node.key], [place[node.key, 0]]) for node in sources],
        "outputs": [
            argument(labels[node.key], [place[node.key, i]])
            for node in graph.node_list
            for i, port in enumerate(node.ports)
            if port.is_output
        ],
        "nodes": [
            {
                "name": labels[node.key],
                "type": {"name": visible(node.op or node.kind)},
                "inputs": [argument(f"{e.slot}", [place[e.tail, e.port]]) for e in graph.in_edges(node.key)],
                "outputs": [argument(f"{i}", [place[node.key, i]]) for i in range(len(node.ports))],
                "attributes": [{"name": name, "value": text} for name, text in facts_of(node).items()],
            }
            for node in graph.node_list
            if node.key not in given
        ],
    }
    # Netron looks for the signature in the first characters
    made = {"signature": "netron:graphviz_ad", "format": ABOUT, "producer": ABOUT, "modules": [module]}
    return json.dumps(made, allow_nan=False).encode()


def type_for_netron(port: Port) -> dict[str, Any]:
    """The type of a result, where it is known and has nothing ragged in it."""
    shape = port.shape
    if shape is None or not all(isinstance(size, int) for size in shape):
        return {}
    return {"type": {"dataType": port.dtype or "?", "shape": {"dimensions": [*shape]}}}


def argument(name: str, values: list[int]) -> dict[str, Any]:
    """Values by their places."""
    return {"name": name, "value": values}


# --- Mermaid


def mermaid(picture: Picture) -> bytes:
    """The graph that is drawn as a flowchart of Mermaid, which pages of Markdown show."""
    return "\n".join(mermaid_lines(picture.graph, picture.scene.direction)).encode()


def mermaid_lines(graph: Graph, direction: str) -> Iterator[str]:
    """The lines of a flowchart; a dotted arrow brings no gradient back."""
    labels, number = labels_of(graph), {node.key: f"n{i}" for i, node in enumerate(graph.node_list)}
    yield f"flowchart {direction}"
    for node in graph.node_list:
        facts = facts_of(node)
        said = [labels[node.key], facts.get("operation", ""), facts.get("value", "")]
        said += [f"grad {facts['gradient']}"] if "gradient" in facts else []
        text = "<br/>".join(for_mermaid(line) for line in dict.fromkeys(said) if line)
        left, right = ("([", "])") if node.kind in ("leaf", "data") else ("[", "]")
        yield f'  {number[node.key]}{left}"{text}"{right}'
    for edge in graph.edges:
        line = "-->" if edge.cut is None else "-.->"
        flows = f'|"{for_mermaid(gradient_text(edge.grad))}"|' if edge.grad is not None else ""
        yield f"  {number[edge.tail]} {line}{flows} {number[edge.head]}"
    yield ""


def for_mermaid(text: str) -> str:
    """Text in quotes, whose other characters than letters and numbers are entities, as Mermaid writes them."""
    return SPECIAL.sub(lambda found: f"#{ord(found.group())};", text)
