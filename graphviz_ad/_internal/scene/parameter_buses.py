"""Scene -> Scene in which parameters that many boxes read stand as one small box at all of these but the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.scene.bundles import bundle
from graphviz_ad._internal.scene.leaf_copies import (
    beside_their_users,
    copy_of,
    in_order_of_use,
    with_copies_in_legend,
    with_copies_inside,
)
from graphviz_ad._internal.scene.scene import Arrow, Box, Fact, Scene

MANY_USES, MANY = 3, 3  # boxes that read a parameter, and such parameters of one box, that are told as one


def with_parameter_buses(scene: Scene, graph: Graph) -> Scene:
    """The scene with one box for the parameters of each box that reads many which others read before and after it."""
    edges = {edge.key: edge for edge in graph.edges}
    together = told_together(scene)
    gone = {arrow.key for arrows in together.values() for arrow in arrows[1:]}
    made: dict[str, Box] = {}
    led: dict[str, Arrow] = {}
    for number, (head, arrows) in enumerate(together.items()):
        made[head] = standing_for(scene, graph, [arrow.tail for arrow in arrows], f"all{number}")
        led[arrows[0].key] = replace(bundle(arrows, edges), key=arrows[0].key, tail=made[head].key)
    if not made:
        return scene
    heads = {box.key: head for head, box in made.items()}
    bundled = replace(
        scene,
        boxes=beside_their_users(scene.boxes, made.values(), heads),
        arrows=tuple([led.get(arrow.key, arrow) for arrow in scene.arrows if arrow.key not in gone]),
        groups=tuple(with_copies_inside(group, heads) for group in scene.groups),
    )
    return with_copies_in_legend(bundled)


def told_together(scene: Scene) -> dict[str, list[Arrow]]:
    """Key of a box -> the arrows to it from parameters that are told as one; the first box that reads a parameter shows
    it with all its numbers.
    """
    leaves = {box.key for box in scene.boxes if box.kind == "leaf"} - {arrow.head for arrow in scene.arrows}
    users: dict[str, list[str]] = {}
    for arrow in in_order_of_use(scene):
        if arrow.tail in leaves and arrow.head not in users.setdefault(arrow.tail, []):
            users[arrow.tail].append(arrow.head)
    found: dict[str, list[Arrow]] = {}
    for arrow in in_order_of_use(scene):
        read_by = users.get(arrow.tail, [])
        if len(read_by) >= MANY_USES and arrow.head != read_by[0]:
            found.setdefault(arrow.head, []).append(arrow)
    return {head: arrows for head, arrows in found.items() if len({arrow.tail for arrow in arrows}) >= MANY}


def standing_for(scene: Scene, graph: Graph, keys: Sequence[str], mark: str) -> Box:
    """The small box for these parameters; to those who point at it, it says which they are."""
    each = list(dict.fromkeys(keys))
    names = [scene.box_by_key[key].name for key in each]
    module = module_of([graph.nodes[key].name or "" for key in each], graph.class_of_module)
    said = f"{len(each)} parameters{f' of {module}' if module else ''}"
    first = replace(scene.box_by_key[each[0]], name=said, hover=(Fact("stands for", ", ".join(names)),))
    return copy_of(first, mark)


def module_of(names: Sequence[str], modules: Mapping[str, str]) -> str:
    """The innermost module that all parameters of these names are in; "" where no module has them all."""
    around = [module for module in modules if module and all(name.startswith(f"{module}.") for name in names)]
    return max(around, key=len, default="")
