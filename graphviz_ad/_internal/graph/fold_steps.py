"""Fold -> what it is made of: the modules, functions and operations that ran in it, in the order in which they did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from graphviz_ad._internal.graph.box_facts import OF_FUNCTION, OF_MODULE, OF_OPERATION, Step
from graphviz_ad._internal.graph.copy_results import is_cell
from graphviz_ad._internal.graph.fold_scopes import FUNCTION, LINE, MODULE
from graphviz_ad._internal.graph.fold_tree import CHAIN, DATA, NODE, REPEAT, ROUND, Fold
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.operations.traits import (
    DROPS,
    GETITEM,
    IN_ORDER,
    REORDERED,
    SLICES,
    TAKES_LARGEST,
)

OPENED = (LINE, CHAIN, ROUND)  # folds that nobody has a name for
PASSED_OVER = IN_ORDER | REORDERED | SLICES | {GETITEM}  # operations that compute nothing
SEQUENCE = "Sequential"  # torch's module of which the class says nothing
MOST = 64  # steps; of more, nobody reads what they are


def steps_of(graph: Graph, fold: Fold) -> tuple[Step, ...]:
    """What ran in a fold, without what takes no gradient or only moves elements; nothing of what is too long, and of
    what is one operation that alone of which there is a formula for what is in it.
    """
    if fold.kind == NODE:
        return (Step(graph.nodes[fold.key].op or "", OF_OPERATION),) if is_cell(graph.nodes[fold.key]) else ()
    found = [part for part in parts_in(graph, fold) if part.lives or not fold.lives]
    shown = [part for part in found if not is_passed_over(graph, part)]
    if len(shown) > MOST:
        return ()
    owner = {leaf.key: i for i, part in enumerate(shown) for leaf in part.leaves()}
    before = readers(graph, fold, owner)
    steps = [replace(step_of(graph, part), joined=i > 0 and i - 1 in before[i]) for i, part in enumerate(shown)]
    return tuple(steps)


def parts_in(graph: Graph, fold: Fold) -> Iterator[Fold]:
    """The parts of a fold that have names of their own, in order; modules of one class in a row are one."""
    for part in fold.children:
        if part.kind in OPENED or (part.kind == REPEAT and not is_row(part)):
            yield from parts_in(graph, part)
        elif part.kind != DATA and part.operations:
            yield part


def is_row(repeat: Fold) -> bool:
    """Whether a repeat is of modules that have modules or functions in them, rather than of layers or lines."""
    return all(one.kind == MODULE and is_composed(one) for one in repeat.children)


def is_composed(module: Fold) -> bool:
    """Whether a module is more than one operation."""
    return module.operations > 1 and module.is_structured


def is_passed_over(graph: Graph, part: Fold) -> bool:
    """Whether a part only moves elements."""
    return part.kind == NODE and graph.nodes[part.key].op in PASSED_OVER and not part.name.count(".")


def readers(graph: Graph, fold: Fold, owner: Mapping[str, int]) -> dict[int, set[int]]:
    """Of each step those whose results it reads, be it by way of what is passed over."""
    made: dict[str, set[int]] = {}
    found: dict[int, set[int]] = {i: set() for i in owner.values()}
    keys = fold.keys()
    for key in keys:
        read = set().union(*(made.get(edge.tail, set()) for edge in graph.in_edges(key)))
        made[key] = {owner[key]} if key in owner else read
        if key in owner:
            found[owner[key]] |= read - {owner[key]}
    return found


def step_of(graph: Graph, part: Fold) -> Step:
    """One step: a module under its name, one that has but a number by its class, as one that ends in one and is a
    single layer.
    """
    if part.kind == REPEAT:
        first, times = part.children[0], len(part.children)
        return Step(class_of(graph, first), OF_MODULE, part.operations, times, inner=steps_of(graph, first))
    if part.kind == FUNCTION or not (part.key or part.kind == MODULE):  # the latter as steps of an optimizer
        return Step(part.name.rpartition(".")[2], OF_FUNCTION, part.operations)
    module = part.name if part.kind == MODULE else ""
    if not module:
        node = graph.nodes[part.key]
        module = part.name if part.name in node.module else ""
        if not module:
            return Step((node.op or part.name).removesuffix("_"), OF_OPERATION)
    local = module.rpartition(".")[2]
    if part.kind == NODE and graph.nodes[part.key].op in DROPS:
        return Step(graph.nodes[part.key].op or local, OF_OPERATION)  # its name says no more
    if local.isdigit() and is_composed(part):
        return Step(class_of(graph, part), OF_MODULE, part.operations, inner=steps_of(graph, part))
    is_layer = local[-1:].isdigit() and not part.is_structured
    kind = class_of(graph, part)
    name = kind if local.isdigit() or is_layer else local
    chosen = choice_in(graph, part)
    inner = routed(steps_of(graph, part)) if chosen else ()
    called = "" if part.is_structured else kind
    return Step(name, OF_MODULE, part.operations, inner=inner, chosen=chosen, called=called)


def routed(steps: Sequence[Step]) -> tuple[Step, ...]:
    """What is in a module that chooses: the modules that do, and those behind them; nothing where it has none."""
    found = tuple([step for step in steps if step.kind == OF_MODULE])
    return found if len(found) > 1 and any(step.chosen for step in found) else ()


def choice_in(graph: Graph, part: Fold) -> tuple[int, ...]:
    """How many of how many a module takes, as a router does of experts; () where it does not choose, or often."""
    nodes = [graph.nodes[leaf.key] for leaf in part.leaves() if leaf.key in graph.nodes]
    found = {choice_of(graph, node) for node in nodes if node.op in TAKES_LARGEST and node.requires_grad}
    return found.pop() if len(found) == 1 else ()


def choice_of(graph: Graph, node: Node) -> tuple[int, ...]:
    """How many elements of how many in the last dimension; () where that is not known, or it is another dimension."""
    facts = dict(node.arguments)
    few, dimension = facts.get("k"), facts.get("dim", -1)
    shapes = [graph.nodes[edge.tail].ports[edge.port].shape for edge in graph.in_edges(node.key)]
    shape = shapes[0] if len(shapes) == 1 else None
    if not isinstance(few, int) or not shape or dimension not in (-1, len(shape) - 1):
        return ()
    return few, shape[-1]


def class_of(graph: Graph, part: Fold) -> str:
    """The class of a module, where it is known, else its name; one of torch's sequences by what the list is called
    that it is in.
    """
    around, _, local = part.name.rpartition(".")
    called = graph.class_of_module.get(part.name) or local
    return around.rpartition(".")[2] if called == SEQUENCE and around and local.isdigit() else called
