"""Graph + the folds that are shown -> Graph with each of them as one node that says what it is."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence, Set
from dataclasses import replace
from functools import partial
from typing import Annotated

from graphviz_ad._internal.base.made_once import made_once
from graphviz_ad._internal.graph.anomalies import anomalous, far_off_in, norm_of_step, norms_of, norms_of_all_layers
from graphviz_ad._internal.graph.arguments import Argument
from graphviz_ad._internal.graph.box_contents import parts_of
from graphviz_ad._internal.graph.box_notices import copies_told, notice_of_all
from graphviz_ad._internal.graph.contraction import Ports, contract, renumbered
from graphviz_ad._internal.graph.copies_together import with_copies_together, with_stages_closed
from graphviz_ad._internal.graph.copy_results import carried_on
from graphviz_ad._internal.graph.fold_cut import (
    MOST_ALONE,
    MOST_COPIES,
    Wish,
    cut_of,
    flattened,
    folds_called,
    named_folds,
    places_of,
)
from graphviz_ad._internal.graph.fold_hint import name_that_opens
from graphviz_ad._internal.graph.fold_scopes import FUNCTION, LINE, MODULE
from graphviz_ad._internal.graph.fold_steps import is_passed_over, steps_of
from graphviz_ad._internal.graph.fold_tree import (
    CHAIN,
    DATA,
    NODE,
    REPEAT,
    ROUND,
    SHARED,
    STEPS,
    UNREAD,
    Fold,
    fold_tree,
)
from graphviz_ad._internal.graph.folding import LEVEL, collapse_modules, folded_module
from graphviz_ad._internal.graph.gradient_sizes import odd_ones, worst_of_runs
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.layer_facts import groups_of_rows, layer_facts
from graphviz_ad._internal.graph.main_findings import main_findings
from graphviz_ad._internal.graph.notices import notice
from graphviz_ad._internal.graph.open_copies import bounds_of_open_copies
from graphviz_ad._internal.graph.prepared_data import names_of_data, title_of_data
from graphviz_ad._internal.graph.quiet_views import with_quiet_views_inside
from graphviz_ad._internal.graph.repeats import GIVEN, RESULT, Copies, copies_named
from graphviz_ad._internal.graph.statements import head_of_line
from graphviz_ad._internal.operations.rules import rule

MOST_UNFOLDED = 60  # nodes; more than that nobody reads
NUMBER = "number"  # what the one number of a line is called among its facts
MANY_STEPS = 4  # of optimizers
MOST_CALLS, ROOM_OF_CALLS = 4, 30  # of a statement, that it is called by; characters for whole names
BOXES = 40  # what is aimed at once folding is needed
AUTO = "auto"  # in focus=: where something goes wrong


def fold_to_boxes(
    graph: Graph,
    boxes: int | None = None,
    focus: Sequence[str] = (),
    expand: Sequence[str] = (),
    *,
    anomalies: bool = True,
) -> Graph:
    """A graph that is too big to be read, or is to be opened somewhere, with parts of it as one node each."""
    if not focus and not is_too_large(graph, boxes or MOST_UNFOLDED):
        if expand:  # all of it is open, but for names that are in none of it
            cut_of(folds_of(graph), Wish(BOXES, expand=tuple(expand)))
        return with_strips(graph)
    tree = folds_of(graph)
    alone = made_once(partial(wrong_places, graph, tree), graph, "wrong places") if anomalies or AUTO in focus else ()
    named = tuple([name for name in focus if name != AUTO])
    near = tuple(sorted({*alone[:MOST_ALONE], *far_places(graph, tree)})) if AUTO in focus else ()
    wish = Wish(boxes or BOXES, named, tuple(expand), alone, near)
    cut = partial(cut_in_stages, graph, tree)
    shown = cut(wish)
    opens = partial(name_that_opens, tree, wish, shown, cut=cut)
    return with_folds(graph, shown, tree, opens, unasked_nodes(tree, wish, shown))


def cut_in_stages(graph: Graph, tree: Fold, wish: Wish) -> list[Fold]:
    """The cut, with stages of copies closed, and copies together that read the same, but for what is asked for."""
    cut = cut_of(tree, wish)
    if wish.focus or wish.near:
        return cut
    alone = (*wish.alone, *[fold.first for name in wish.expand for fold in named_folds(tree, name)])
    return with_stages_closed(tree, with_copies_together(graph, tree, cut, alone), alone)


def unasked_nodes(tree: Fold, wish: Wish, cut: Sequence[Fold]) -> frozenset[str]:
    """The keys of the nodes in a cut that are in nothing that was asked for, and of which there is nothing to tell."""
    asked = [fold for name in (*wish.focus, *wish.expand) for fold in folds_called(tree, name)]
    told = {*wish.alone, *wish.near}
    single = [fold for fold in cut if fold.kind == NODE and fold.first not in told]
    return frozenset(fold.key for fold in single if not any(f.first <= fold.first < f.end for f in asked))


def folds_of(graph: Graph) -> Fold:
    """The folds of a graph; of one that several cuts are made of, found once."""
    return made_once(partial(fold_tree, graph), graph, "folds")


def wrong_places(graph: Graph, tree: Fold) -> tuple[int, ...]:
    """The places of what goes wrong, and of what is not like its copies."""
    return (*places_of(tree, anomalous(graph)), *odd_places(graph, tree))


def with_strips(graph: Graph) -> Graph:
    """The graph with the steps of each call of an optimizer as one node, where there are many."""
    if sum(node.is_step for node in graph.node_list) < MANY_STEPS:
        return graph
    found: list[Fold] = []
    tree = folds_of(graph)
    waiting = [tree]
    while waiting:
        fold = waiting.pop()
        if fold.children and not is_of_steps(fold):
            waiting += reversed(fold.children)
        else:
            found.append(fold)
    return with_folds(graph, found, tree)


def is_of_steps(fold: Fold) -> bool:
    """Whether a fold is steps of one call of an optimizer, or of the same call again."""
    one = fold.children[0] if fold.kind == REPEAT else fold
    return one.kind == STEPS


def fold_to_size(graph: Graph, depth: Annotated[int | None, LEVEL] = None) -> Graph:
    """Modules folded at `depth`; without one, as much as a readable picture needs, and nothing of a small graph."""
    return fold_to_boxes(graph, anomalies=False) if depth is None else collapse_modules(graph, depth)


def is_too_large(graph: Graph, boxes: int = MOST_UNFOLDED) -> bool:
    """Whether a graph has more than so many boxes as it stands; half of that where many are steps of an optimizer."""
    steps = sum(node.is_step for node in graph.node_list)
    return sum(not is_number(node) for node in graph.node_list) > (boxes if steps < MANY_STEPS else boxes // 2)


def names_to_open(graph: Graph) -> frozenset[str]:
    """The names of all that can be a box, and can be opened; none that so many have that it would open the first."""
    opened: dict[str, int] = {}
    for fold in folds_of(graph).walk():
        for name in fold.names if fold.children else ():
            opened[name] = opened.get(name, 0) + 1
    return frozenset(name for name, times in opened.items() if times <= MOST_COPIES)


def is_number(node: Node) -> bool:
    """Whether a node is a number of the program, which stands in formulas rather than in a box."""
    return node.kind == "data" and node.op is None and node.name is None and node.ports[0].shape == ()


def odd_places(graph: Graph, tree: Fold) -> list[int]:
    """The places at which copies begin whose gradients are far from those of the others; what all copies around them
    have alike, as the last step of a loop in each layer, is nothing odd.
    """
    found: list[int] = []
    for fold in [*tree.walk()][::-1]:  # what is inside comes first, and was found last
        if fold.kind == REPEAT:
            before = next((i for i in range(len(found), 0, -1) if found[i - 1] >= fold.end), 0)
            found[before:] = not_in_all(found[before:], [copy.first for copy in fold.children])
            _, norms, _ = norms_of(graph, [copy.keys() for copy in fold.children])
            found += [fold.children[i].first for i in odd_ones(norms)]
    return found


def not_in_all(places: Sequence[int], starts: Sequence[int]) -> list[int]:
    """Those of the places that are not at the same distance behind each of the starts, which are in order."""
    behind = [place - starts[bisect_right(starts, place) - 1] for place in places]
    often = Counter(behind)
    return [place for place, distance in zip(places, behind, strict=True) if often[distance] < len(starts)]


def far_places(graph: Graph, tree: Fold) -> list[int]:
    """The places of what has gradients that are out of the usual: of layers, and of copies, in a row the worst."""
    layers = norms_of_all_layers(graph)
    names = [*layers]
    worst = {names[i] for i in worst_of_runs([*layers.values()])}
    own = [node.key for node in graph.node_list if (node.name or "").rpartition(".")[0] in worst]
    found = [*places_of(tree, own)]
    for fold in tree.walk():
        if fold.kind == REPEAT and not is_of_steps(fold):
            _, norms, _ = norms_of(graph, [copy.keys() for copy in fold.children])
            found += [fold.children[i].first for i in worst_of_runs(norms)]
    return found


def with_folds(
    graph: Graph,
    shown: Sequence[Fold],
    tree: Fold | None = None,
    hint: Callable[[Set[str]], str] = lambda _: "",
    unasked: Container[str] = (),
) -> Graph:
    """The graph with each of these folds as one node; of copies that are in none of them the ``tree`` knows. ``hint``
    gives a name that opens one, if it can one of those that hold the nodes of which these are the keys. Views among the
    ``unasked`` nodes join the boxes that they stand next to.
    """
    if all(fold.kind == NODE for fold in shown):
        return graph
    result = with_boxes(graph, shown, tree)
    if tree is not None:
        result = with_bounds(result, tree, shown)
    drawn = with_quiet_views_inside(result, unasked)
    views = len(result.node_list) - len(drawn.node_list)
    folded = [fold for fold in shown if fold.kind != NODE]
    boxes = [result.nodes[fold.keys()[-1]] for fold in folded]
    whole = notice_of_all(graph, boxes)
    found = [*main_findings(graph, copies_told(boxes))]
    opens = hint({key for _, keys in found for key in keys})
    first = bool(opens) and tree is not None and len(folds_called(tree, opens)) > MOST_COPIES
    parts = notice(
        "parts in boxes",
        [node.op or node.key for node in boxes],
        inside=sum(fold.size for fold in folded) - len(folded) + views,
        operations=sum(node.inside for node in boxes) + views,
        opens=opens,
        clicks=opens in graph.class_of_module and not first and any(is_opened_by(opens, node) for node in boxes),
        first=first,
    )
    return renumbered(drawn).saying(*(note for note, _ in found), parts, *([whole] if whole else []))


def is_opened_by(name: str, box: Node) -> bool:
    """Whether a box is that of a module, or of copies of which this is the first."""
    return name in (box.op, box.copies.first if box.copies is not None else None)


def with_bounds(graph: Graph, tree: Fold, shown: Sequence[Fold]) -> Graph:
    """The graph whose boxes say where copies that are open begin and end."""
    bounds = bounds_of_open_copies(tree, shown)
    nodes = [replace(node, bounds=bounds[node.key]) if node.key in bounds else node for node in graph.node_list]
    return replace(graph, node_list=tuple(nodes)) if bounds else graph


def with_boxes(graph: Graph, shown: Sequence[Fold], tree: Fold | None = None) -> Graph:
    """The same; each box has the key of the last node in it."""
    folds = {fold.keys()[-1]: fold for fold in shown if fold.kind != NODE}
    groups = {key: [graph.nodes[each] for each in [*fold.keys()]] for key, fold in folds.items()}
    owner = {node.key: key for key, nodes in groups.items() for node in nodes}
    graph = without_reads_of_steps(graph, {key for key, fold in folds.items() if fold.operations}, owner)
    wholes = {key: all_copies(graph, tree, fold.loop) for key, fold in folds.items() if fold.loop is not None}
    return with_buses(
        contract(graph, groups, owner, partial(box_of_fold, folds, wholes, norms_of_all_layers(graph))), groups
    )


def without_reads_of_steps(graph: Graph, computing: Container[str], owner: Mapping[str, str]) -> Graph:
    """The graph in which an optimizer, and what it makes of them, reads no parameters that stand inside of a box of
    what is computed with them: they are no results of that box.
    """
    edges = [edge for edge in graph.edges if not is_hidden_read(graph, edge, computing, owner)]
    return graph if len(edges) == len(graph.edges) else replace(graph, edges=tuple(edges))


def is_hidden_read(graph: Graph, edge: Edge, computing: Container[str], owner: Mapping[str, str]) -> bool:
    """Whether a step, or the parameter that it makes, reads a parameter here that is inside of another box."""
    home, head = owner.get(edge.tail), graph.nodes[edge.head]
    elsewhere = home is not None and home in computing and home != owner.get(edge.head)
    return elsewhere and graph.nodes[edge.tail].kind == "leaf" and (head.is_step or head.kind == "leaf")


def box_of_fold(
    folds: Mapping[str, Fold],
    wholes: Mapping[str, Sequence[Fold]],
    layers: Mapping[str, float],
    graph: Graph,
    members: list[Node],
    operands: list[Edge],
    ports: Ports,
) -> tuple[Node, list[Edge]]:
    """One node for a fold."""
    fold = folds[members[-1].key]
    node, edges = folded_module(graph, members, operands, ports)
    path = module_around(members, fold)
    every = wholes[members[-1].key] if fold.loop is not None else ()
    node = replace(
        node,
        op=title_of(graph, fold) + said_of_places(fold, every),
        call_op=class_of(graph, fold),
        arguments=facts_of_fold(graph, fold, members),
        module=path,
        raised=any(member.raised for member in members),
        copies=copies_in(graph, fold.loop, every) if fold.loop is not None else None,
        parts=parts_of(graph, [graph.nodes[leaf.key] for leaf in fold.loop.children[0].leaves()])
        if fold.loop
        else node.parts,
        steps=steps_of(graph, fold.loop.children[0] if fold.loop is not None else fold)
        if fold.kind not in (LINE, DATA) or fold.loop is not None
        else (),
        statement=next((m.statement for m in members if m.statement is not None), None)
        if fold.kind == LINE
        else node.statement,
    )
    node = replace(node, name=node.name or name_of_box(graph, fold, node), far_off=far_off_in(node, layers))
    idle = fold.operations and not fold.lives and all(port.grad is None for port in node.ports)
    if is_of_steps(fold) or idle:  # what steps make of parameters begins anew
        node = replace(node, requires_grad=False)
    return node, edges


def name_of_box(graph: Graph, fold: Fold, box: Node) -> str | None:
    """The variable that a statement fills, where its box says it; what is prepared, where that is one thing."""
    if fold.kind == LINE:
        filled = called_at_the_end(graph, fold)
        return filled if is_called_by_variable(box, filled) else None
    if fold.kind == DATA and not box.ports[1:]:
        return next(iter(names_of_data(graph, [*fold.keys()])), None)
    return None


def is_called_by_variable(node: Node, name: str | None) -> bool:
    """Whether the title of a box is the variable that it fills, be it before what is called for that."""
    return bool(name) and (node.op == name or (not node.ports[1:] and f"{node.op}".startswith(head_of_line(f"{name}"))))


def facts_of_fold(graph: Graph, fold: Fold, members: Sequence[Node]) -> tuple[tuple[str, Argument], ...]:
    """What is known of a fold beside what ran in it: the sizes of a layer, the one number of the program in a line."""
    if fold.kind == MODULE:
        return (*layer_facts(graph, members), *groups_of_rows(graph, members))
    numbers = [member.ports[0].value for member in members if member.kind == "data"]
    if fold.kind != LINE or len(numbers) != 1 or numbers[0] is None or not numbers[0].known or numbers[0].shape != ():
        return ()
    number = numbers[0].item()
    return ((NUMBER, float(number)),) if isinstance(number, float | int) else ()


def class_of(graph: Graph, fold: Fold) -> str | None:
    """The class of the module that a fold is, or that is repeated in it."""
    named = fold.loop.children[0] if fold.loop is not None and fold.kind != MODULE else fold
    if is_of_steps(fold):
        return named.called
    if named.kind != MODULE:
        return None
    return graph.class_of_module.get(named.name) or named.called or None


def class_of_node(graph: Graph, fold: Fold) -> str | None:
    """The class of the module that a node is all of."""
    return graph.class_of_module.get(fold.name) if fold.kind == NODE and is_of_module(graph, fold) else None


def module_around(members: Sequence[Node], fold: Fold) -> tuple[str, ...]:
    """The modules that a fold is in."""
    paths = [node.module for node in members if node.module]
    shared = []
    for steps in zip(*paths, strict=False):
        if len(set(steps)) > 1 or steps[0] in fold.names:
            break
        shared.append(steps[0])
    return tuple(shared)


def with_buses(graph: Graph, boxes: Container[str]) -> Graph:
    """The graph with one edge for all that a box of several nodes reads of one other without a gradient."""
    edges: list[Edge] = []
    for node in graph.node_list:
        seen: set[str] = set()
        slot = 0
        for edge in graph.in_edges(node.key):
            idle = edge.cut is not None and edge.grad is None and node.key in boxes
            if idle and edge.tail in seen:
                continue
            seen.update([edge.tail] if idle else [])
            edges.append(replace(edge, slot=slot) if node.key in boxes else edge)
            slot += 1
    return replace(graph, edges=tuple(edges))


# --- what a fold is called


def title_of(graph: Graph, fold: Fold) -> str:
    """What stands on a fold."""
    if fold.kind == REPEAT:
        return title_of_copies(graph, fold.children[0], fold.children[-1])
    if fold.kind == NODE:
        node = graph.nodes[fold.key]
        return fold.name.rpartition(".")[2] if fold.name in node.module else node.op or fold.name
    if fold.kind == MODULE:
        return fold.name
    if fold.kind == FUNCTION:
        return f"{fold.name}()"
    if fold.kind == DATA:
        return title_of_data(graph, [*fold.keys()])
    if fold.kind == SHARED:
        what = "parameters" if any(graph.nodes[leaf.key].kind == "leaf" for leaf in fold.leaves()) else "tensors"
        return f"{what} of {fold.name}" if fold.name else what
    if fold.kind == UNREAD:
        return f"unread: {', '.join(leaf.name for leaf in fold.leaves())}"
    if fold.kind == LINE:
        return said_of_line(graph, fold)
    if fold.kind in (CHAIN, ROUND):
        return said_of_operations(graph, fold)
    return fold.name


def title_of_copies(graph: Graph, first: Fold, last: Fold) -> str:
    """What stands on copies: what they are all called, or the first and the last of them: "layers.0 … 31"."""
    title = title_of(graph, first)
    if first.name == last.name or MODULE not in (first.kind, last.kind):
        return title
    around, _, number = last.name.rpartition(".")
    return f"{title} … {number if first.name.rpartition('.')[0] == around else last.name}"


def said_of_places(fold: Fold, every: Sequence[Fold]) -> str:
    """Which of ``every`` copy some neighbours are, where names do not tell: " 2 … 100" behind one that is open."""
    named = fold.kind == REPEAT and fold.children[0].kind in (MODULE, FUNCTION)
    if not named or len(fold.children) == len(every) or len({copy.name for copy in every}) > 1:
        return ""
    places = {id(copy): i + 1 for i, copy in enumerate(every)}
    return f" {places[id(fold.children[0])]:,} … {places[id(fold.children[-1])]:,}"


def said_of_line(graph: Graph, fold: Fold) -> str:
    """What a statement calls, each with how often, without what only moves elements; of much, what takes a gradient, by
    signs. Before it the variable that it fills, where no other statement does.
    """
    parts = [part for part in flattened(fold.children) if part.operations]
    parts = [part for part in parts if not is_passed_over(graph, part)] or parts
    called = said_of_calls(graph, parts)
    once = len(called) == len(parts) and all(map(partial(has_sign, graph), parts))
    if len(called) > MOST_CALLS or once:
        called = said_of_calls(graph, [part for part in parts if part.lives] or parts, signs=True)
    named = called_at_the_end(graph, fold)
    nameless = not any(map(partial(has_name, graph), parts))
    if (
        named and nameless and (once or len(called) < len(parts) or len(called) > MOST_CALLS)
    ):  # "×, +" says nothing of the formula
        return named
    more = f"{len(called) - MOST_CALLS + 1} more"
    calls = ", ".join(called if len(called) <= MOST_CALLS else [*called[: MOST_CALLS - 1], more])
    filled = sum(node.name == named for node in graph.node_list if node.op is not None)
    alone = filled < 2 or nameless
    return f"{head_of_line(named)}{calls}" if named and alone and [named] != called[-1:] else calls


def called_at_the_end(graph: Graph, fold: Fold) -> str | None:
    """The variable that a statement fills; of what a function returns as its one result the name of that function."""
    last = graph.nodes[fold.keys()[-1]]
    is_result = last.is_output and len(graph.outputs) == 1 and len(last.ports) == 1
    return last.name or (graph.name if is_result and last.name is None else None)


def has_sign(graph: Graph, part: Fold) -> bool:
    """Whether an operation is written by a sign that is no letter."""
    symbol = rule(graph.nodes[part.key].op or "").symbol if not has_name(graph, part) else ""
    return bool(symbol) and not any(map(str.isalnum, symbol))


def has_name(graph: Graph, part: Fold) -> bool:
    """Whether the program has a name for what is called: a module or a function."""
    return part.kind != NODE or is_of_module(graph, part)


def said_of_calls(graph: Graph, parts: Sequence[Fold], *, signs: bool = False) -> list[str]:
    """What is called, in order, each with how often; operations by their ``signs``, which are short; modules by their
    whole names where there is room for these.
    """
    for is_whole in (True, False):
        counts = Counter(said_of_call(graph, part, sign=signs, is_whole=is_whole) for part in parts)
        found = [f"{name} ×{count}" if count > 1 else name for name, count in counts.items()]
        if len(", ".join(found)) <= ROOM_OF_CALLS:
            break
    return found


def said_of_call(graph: Graph, part: Fold, *, sign: bool, is_whole: bool) -> str:
    """A module, a function or an operation that is called: "ups.0", "step()", "add", or "+" as a ``sign``."""
    op = graph.nodes[part.key].op if sign and part.kind == NODE else None
    if op is not None and rule(op).symbol:
        return rule(op).symbol
    return short_name(part.name) if part.kind == MODULE and not is_whole else title_of(graph, part)


def short_name(name: str) -> str:
    """The end of the name of a module; of one that is but a number in those around it, these, too: "ups.0"."""
    steps = name.split(".")
    words = [i for i, step in enumerate(steps) if not step.isdigit()]
    return ".".join(steps[words[-1] :] if words else steps)


def said_of_operations(graph: Graph, fold: Fold) -> str:
    """What neighbours without a common name do: the one result that has a name, or the operations."""
    nodes = [graph.nodes[key] for key in [*fold.keys()]]
    counts = Counter(node.op for node in nodes if node.op is not None)
    parts = [part.name for part in fold.children if part.kind in (MODULE, FUNCTION, REPEAT)]
    if fold.kind == CHAIN and parts:
        return f"{parts[0]} … {parts[-1]}" if len(parts) > 1 else f"{parts[0]}, …"
    named = [node.name for node in nodes if node.op is not None and node.name]
    whole = [part for part in fold.children if part.operations]
    if fold.kind == ROUND and len(whole) <= MOST_CALLS and all(is_of_module(graph, part) for part in whole):
        return ", ".join(title_of(graph, part).rpartition(".")[2] for part in whole)
    if named:
        return named[-1] if len(dict.fromkeys(named)) == 1 or fold.kind == LINE else f"{named[0]} … {named[-1]}"
    often = [name if count == 1 else f"{count} × {name}" for name, count in counts.most_common(3)]
    return ", ".join(often) + (", …" if len(counts) > 3 else "") or "numbers"


def is_of_module(graph: Graph, fold: Fold) -> bool:
    """Whether a fold is all that a module computed."""
    return fold.kind == MODULE or (fold.kind == NODE and fold.name in graph.nodes[fold.key].module)


def copies_in(graph: Graph, fold: Fold, every: Sequence[Fold]) -> Copies:
    """How often a repeat is there, and how its copies differ, and ``every`` one that there is of them."""
    keys = [copy.keys() for copy in every]
    of_steps = is_of_steps(fold)
    given = (GIVEN, [norm_of_step(graph, each) for each in keys], "") if of_steps else norms_of(graph, keys)
    measure, norms, result = given
    names = [copy.name for copy in every]
    if len(set(names)) < len(names):
        names = [f"{i + 1}" for i in range(len(names))]
    called = class_of(graph, every[0]) or class_of_node(graph, every[0]) or title_of(graph, every[0])
    carried = carried_on(graph, keys) if measure == RESULT else ()
    whole = replace(copies_named(names, norms, measure, called), result=result, carried=carried)
    here = {id(copy) for copy in fold.children}
    places = [i for i, copy in enumerate(every) if id(copy) in here]
    if len(places) == len(every):
        return whole
    here_only = copies_named([names[i] for i in places], [norms[i] for i in places], measure, called, whole)
    return replace(here_only, result=result, carried=carried)


def all_copies(graph: Graph, tree: Fold | None, repeat: Fold) -> Sequence[Fold]:
    """All that a repeat is a part of: the modules of its class that have a number, or all that is repeated there."""
    first = repeat.children[0]
    called = graph.class_of_module.get(first.name) if first.kind == MODULE else None
    if tree is None:
        return repeat.children
    if first.kind == STEPS:  # the last of all may stand alone, behind what it comes after
        return [fold for fold in tree.walk() if fold.kind == STEPS and fold.structure == first.structure]
    if called is not None and is_numbered(first):
        modules = [fold for fold in tree.walk() if fold.kind == MODULE and is_numbered(fold)]
        alike = [fold for fold in modules if graph.class_of_module.get(fold.name) == called]
        if len({fold.name for fold in alike}) == len(alike) and is_all_in(repeat.children, alike):
            return alike
    around = [fold for fold in tree.walk() if fold.kind == REPEAT and is_all_in(repeat.children, fold.children)]
    return around[0].children if around else repeat.children


def is_numbered(fold: Fold) -> bool:
    """Whether a module has a number as its name, as one in a list does."""
    return fold.name.rpartition(".")[2].isdigit()


def is_all_in(folds: Sequence[Fold], others: Sequence[Fold]) -> bool:
    """Whether these folds are among the others."""
    return {id(fold) for fold in folds} <= {id(fold) for fold in others}
