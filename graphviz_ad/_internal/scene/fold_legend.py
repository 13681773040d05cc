"""Scene of folds -> the roles in its legend: every sign in the picture that nobody could guess, and no other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from graphviz_ad._internal.graph.alarms import alarms
from graphviz_ad._internal.graph.anomalies import is_born
from graphviz_ad._internal.graph.gradient_starts import BACKWARD, LOSS, NUMBER, TENSOR
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.notices import GRADIENTS_OFF, IN_ALL_BOXES
from graphviz_ad._internal.scene.scene import Box, Line, Scene
from graphviz_ad._internal.scene.scene_building import roles_legend

ROLES_OF_STARTS = {LOSS: "loss", BACKWARD: "backward", NUMBER: "number", TENSOR: "no loss"}
# kinds of the lines of a box that are explained, by roles called the same; others say themselves what they are, as
# "f32[2,3]" and "×4" do, and a box does with a name and its parts
HELD, OF_LEAF, INSIDE, STATISTIC = "held", "of leaf", "inside", "statistic"
OF_KINDS = ("of result", INSIDE, HELD)
# those that any picture may have, and that are there no more where arrows were put together
FROM_LINES = (
    "value",
    "gradient",
    "grid",
    "local",
    "matrix",
    "factor",
    "rule",
    "contribution",
    "broadcast",
    "cut",
    "tie",
    "upstream",
)
RING = "ring"
GUESSED, SINGLE = "value", "gradient"  # the latter stands there only where a single number, or a few, are one


def legend_of_folds(scene: Scene, graph: Graph) -> tuple[str, ...]:
    """All roles, in the order of what a box says, what stands on arrows, what boxes are and what is out of the usual;
    ``scene.legend`` has those that any picture may have.
    """
    lines = [line for box in scene.boxes for line in box.lines]
    on_arrows = [line for arrow in scene.arrows for line in arrow.lines]
    there = {*roles_legend(scene.boxes, scene.arrows, values=True)}
    found = [role for role in scene.legend if role in there or role not in FROM_LINES]
    roles = [
        *([SINGLE] if SINGLE in found and any(map(is_single, lines)) else []),
        *roles_of_lines([*lines, *on_arrows], held=is_recorded(graph)),
        *(role for role in found if role not in (GUESSED, SINGLE, *([RING] if says_rings(lines) else []))),
        *roles_of_start(graph),
        *roles_of_gradless(scene.boxes),
        *roles_of_warnings(graph, scene.boxes),
    ]
    return tuple(dict.fromkeys(roles))


def says_rings(lines: Iterable[Line]) -> bool:
    """Whether boxes that have elements in rings say what these are: "▢ x[0] is table.weight[0]"."""
    return any(line.role == "example" for line in lines)


def is_single(line: Line) -> bool:
    """Whether a line is a gradient of a number, or of a few of them, in letters."""
    return line.role == SINGLE and not line.kind and line.drawn is None


def roles_of_lines(lines: Sequence[Line], *, held: bool) -> Iterator[str]:
    """What explains the numbers and words of a box; ``held``: gradients of leaves are what their ``.grad`` holds."""
    kinds = {line.kind for line in lines}
    yield from [STATISTIC] if any(line.role == STATISTIC and line.deviates for line in lines) else []
    yield from (OF_LEAF if kind == HELD and not held else kind for kind in OF_KINDS if kind in kinds)


def compared_with(graph: Graph) -> str:
    """With the gradient of which module, or of which step, those that are out of the usual are compared."""
    found = next((note for note in graph.notes if note.kind == GRADIENTS_OFF), None)
    if found is None:
        return ""
    return found["names"][1] or f"step {found['places'][1]:,}"


def is_recorded(graph: Graph) -> bool:
    """Whether a backward pass of the program was recorded, which leaves gradients in ``.grad``; a trace leaves none."""
    return any(port.grad_total is not None for node in graph.node_list for port in node.ports)


def roles_of_start(graph: Graph) -> Iterator[str]:
    """What the double border means."""
    told = next((note["start"] for note in graph.notes if note.kind == IN_ALL_BOXES), None)
    seeds = [port.upstream for node in graph.node_list for port in node.ports if port.upstream is not None]
    if seeds and any(node.kind == "module" for node in graph.node_list):
        usual = "no loss" if any(seed.shape != () for seed in seeds) else "start"
        yield ROLES_OF_STARTS[told] if told else usual


def roles_of_gradless(boxes: Sequence[Box]) -> Iterator[str]:
    """What stands there of the boxes that need no gradient, which may say so."""
    gradless = [box for box in boxes if box.gradless or box.kind == "data"]
    if gradless:
        yield "gradless, said" if any(line.kind == "none" for box in gradless for line in box.lines) else "gradless"


def roles_of_warnings(graph: Graph, boxes: Sequence[Box]) -> Iterator[str]:
    """What a thick or a black border means."""
    nodes = [graph.nodes[box.key] for box in boxes if box.warning and box.key in graph.nodes]
    wrong = [node for node in nodes if alarms(graph, node)]
    if any(not is_of_values(graph, node) for node in nodes):
        yield "far off"
    if any(is_born(graph, node) for node in wrong):
        yield "born"
    if any(not is_born(graph, node) for node in wrong):
        yield "passed on"


def is_of_values(graph: Graph, node: Node) -> bool:
    """Whether a box warns of what is not finite, or of a failure, rather than of how large a gradient is."""
    return alarms(graph, node) or node.raised
