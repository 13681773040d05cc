"""Scene -> Scene with an arrow to each box of steps of an optimizer that nothing leads to, from where the backward pass
begins that brought the gradients which it uses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.scene.paint import label_size
from graphviz_ad._internal.scene.scene import Arrow, Fact, Line, Scene

OF_GRADIENTS = "grad>"  # what the keys of these arrows begin with: no edge of the graph has such a key


def with_arrows_to_steps(scene: Scene, graph: Graph) -> Scene:
    """The scene; the same one where no step stands alone."""
    led = {arrow.head for arrow in scene.arrows}
    shown = {box.key for box in scene.boxes}
    steps = [node for node in graph.node_list if node.is_of_steps and node.key in shown - led and node.uses_passes]
    if not steps:
        return scene
    starts = dict(starts_of_passes(graph))
    pairs = [(starts.get(node.uses_passes[-1]), node) for node in steps]
    made = [arrow_of(start, node) for start, node in pairs if start is not None and start.key in shown]
    return replace(scene, arrows=(*scene.arrows, *made)) if made else scene


def starts_of_passes(graph: Graph) -> Iterator[tuple[int, Node]]:
    """Number of a pass -> the box at which it begins."""
    last = len(graph.passes)
    for node in graph.node_list:
        for port in node.ports:
            if port.begins is not None or port.upstream is not None:
                yield port.begins or last, node


def arrow_of(start: Node, step: Node) -> Arrow:
    """The arrow from where a pass begins to the step that uses its gradients."""
    lines = (Line("note", ".grad"),)
    width, height = label_size(lines)
    said = (Fact("carries", "what the backward pass that begins there brought to .grad"),)
    return Arrow(f"{OF_GRADIENTS}{step.key}", start.key, step.key, lines, width, height, "data", hover=said)
