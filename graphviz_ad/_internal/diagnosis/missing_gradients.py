"""Course -> findings about parameters that no gradient came to, with the place where its way is cut."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from graphviz_ad._internal.diagnosis.course import Course, Parameter, module_of, operation
from graphviz_ad._internal.diagnosis.findings import ERROR, NOTE, WARNING, Finding, Severity
from graphviz_ad._internal.explain.consequences import (
    leads_to_a_loss,
    leads_to_any_loss,
    may_lead_to_a_loss,
    ran_in,
    takes_out,
)
from graphviz_ad._internal.explain.stops import NOT_ASKED, TAKEN, Stop, cut_sources_of, stops_of
from graphviz_ad._internal.explain.zeros import known_array
from graphviz_ad._internal.graph.cuts import CUT_BY_THE_PROGRAM, DETACHED
from graphviz_ad._internal.graph.grad_history import ASIDE, PASS, STEP, history_of
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.precision import UNITS
from graphviz_ad._internal.operations.training import ADDS_UP, EMBEDDING, LOSSES, WITH_BIAS
from graphviz_ad._internal.operations.traits import AS_LOOKED_AT, DATA, DRAWS, REENTRANT
from graphviz_ad._internal.scene.annotations import is_write

NO_DERIVATIVE = "non-differentiable"
BY_CUT: Mapping[str, str] = {
    DETACHED: "detached",
    "no_grad": "no-grad",
    "inference": "inference-mode",
    NO_DERIVATIVE: "not-differentiable",
    "none-gradient": "none-from-backward",
    TAKEN: "taken-as-number",
    "unreached": "result-unused",
    "shape-only": "result-unused",
    "inplace_view": "written-over",
    "communication": "cut-between-ranks",
    NOT_ASKED: "not-asked",
}
MOST_WAYS = 8
FROZEN_BY, MAY_FREEZE, ASKS = ("freezes", "requires_grad_"), "may_freeze", "asks"
OWN_FAULT = frozenset({"detached", "data-attribute", "no-grad", "inference-mode", "not-differentiable", "sampled"}) | {
    "taken-as-number", "none-from-backward", "reentrant-checkpoint",
}  # fmt: skip

# of what no optimizer holds while there are some: a target network, a teacher, a moving average, or features that stay
LEFT_OUT_ON_PURPOSE = frozenset({"no-grad", "inference-mode", "detached"})


def missing_gradients(course: Course) -> Iterator[Finding]:
    """What keeps gradients away, a finding for each place that does; then what is frozen."""
    if course.passes:
        yield from _leaves_for_losses(course)
        without = [p for p in course.trainable if not p.came]
        yield from _never_read(course, [p for p in without if not p.read])
        groups: dict[tuple[str, str | None], list[tuple[Parameter, Stop]]] = {}
        for p in (p for p in without if p.read):
            stop = _stop_of(course, p)
            if stop is not None and not _is_copied_for_a_transform(course, p, stop):
                groups.setdefault((kind_of(course, stop), stop.node.source), []).append((p, stop))
        for (kind, _), found in groups.items():
            if all(_may_be_stepped_later(course, p) for p, _ in found):
                continue  # as a generator before whose turn the program was stopped
            if kind not in LEFT_OUT_ON_PURPOSE or any(p.held_by != () for p, _ in found):
                yield _cut(course, kind, found)
        yield from _cut_in_part(course, set(groups))
        yield from _gradients_as_numbers(course)
        yield from _not_registered(course)
    yield from _frozen(course)


def _leaves_for_losses(course: Course) -> Iterator[Finding]:
    """Results without a graph that were told to require grad, so that backward() raised nothing and went nowhere; and
    why they had none.
    """
    found = {root.source: root for root in course.roots if root.kind == "leaf" and root.op and course.trainable}
    names = tuple(p.name for p in course.trainable if not p.came)
    for root in found.values():
        told = course.lines_that(ASKS, MAY_FREEZE)
        line = next((line for line in told if root.name and line.of.startswith(root.name)), None)
        yield Finding(
            "loss-is-a-leaf", ERROR, root.name, module_of(root), line.source if line else root.source,
            {"at": course.described(root), "parameters": len(names), "of": course.out_of(names), "names": names},
            names, weight=110, key=root.key,
        )  # fmt: skip
        yield from nothing_to_go_back_from(course, root)


def _is_copied_for_a_transform(course: Course, p: Parameter, stop: Stop) -> bool:
    """Whether what is detached goes on as numbers to a function of `torch.func`, which takes the gradients of its own
    arguments, while no optimizer holds what it was copied from.
    """
    waiting, seen = [stop.node], {stop.node.key}
    while waiting and not p.held_by and stop.cut == DETACHED:
        for edge in course.graph.out_edges(waiting.pop().key):
            head = course.graph.nodes[edge.head]
            if operation(head) in AS_LOOKED_AT:
                return True
            if head.key not in seen and not head.requires_grad:
                seen.add(head.key)
                waiting.append(head)
    return False


def _cut_in_part(course: Course, told: set[tuple[str, str | None]]) -> Iterator[Finding]:
    """Where some ways to the loss are cut of what gets its gradient along others: mostly meant."""
    seen: dict[tuple[str, str | None], Stop] = {}
    graph = course.passes[-1]
    for node in graph.node_list[: graph.node_list.index(_last_reached(graph)) + 1]:
        for edge in graph.in_edges(node.key):
            stop = Stop(node, edge, edge.cut or "")
            tail = graph.nodes[edge.tail]
            if edge.cut not in CUT_BY_THE_PROGRAM or not tail.requires_grad or node.is_step or is_write(node):
                continue
            if edge.cut == NO_DERIVATIVE and node.requires_grad:
                continue  # it has one, and what it returns does not depend on this operand
            place = (kind_of(course, stop), node.source)
            if place not in seen and course.leads_on(tail) and leads_to_a_loss(graph, node.key):
                seen[place] = stop
    for place, stop in list(seen.items())[:MOST_WAYS]:
        if place not in told:
            yield Finding(
                f"{place[0]}-in-part", NOTE, stop.node.name, module_of(stop.node), stop.node.source,
                {"at": course.described(stop.node), "operation": stop.node.op}, weight=14, key=stop.node.key,
            )  # fmt: skip


def _gradients_as_numbers(course: Course) -> Iterator[Finding]:
    """Gradients without a graph of their own that a loss has a term of, which changes nothing of its gradient."""
    graph, done = course.graph, course.passes[-1]
    for node in done.node_list:
        if node.kind != "data" or node.op is not None or node.key not in graph.nodes:
            continue  # what only this pass reads has no key there
        number = _pass_that_made(course, node)
        term = _term_of(graph, node) if number is not None else None
        if number is not None and term is not None:
            yield Finding(
                "gradient-without-graph", WARNING, term.name, module_of(term), course.calls[number - 1][0],
                {"at": course.described(term), "pass": number}, weight=16, key=term.key,
            )  # fmt: skip
            return


def _pass_that_made(course: Course, node: Node) -> int | None:
    """The pass without create_graph of which a gradient is just these numbers."""
    array = known_array(node.ports[0].value)
    if array is None or array.size < 2 or (array == array.reshape(-1)[0]).all():
        return None
    for number, (done, call) in enumerate(zip(course.graph.passes, course.calls, strict=False), 1):
        grads = (known_array(leaf.grad) for leaf in done.node_list if leaf.kind == "leaf" and leaf.requires_grad)
        if not call[2] and any(grad is not None and np.array_equal(grad, array) for grad in grads):
            return number
    return None


def _term_of(graph: Graph, node: Node) -> Node | None:
    """The number made of it that is added to one that has a graph; not a step that is taken by hand."""
    waiting, seen = [node], {node.key}
    while waiting:
        one = waiting.pop()
        for edge in graph.out_edges(one.key):
            head = graph.nodes[edge.head]
            if head.requires_grad and operation(head) in ADDS_UP and one.ports[0].shape == () and not is_write(head):
                beside = [graph.nodes[other.tail] for other in graph.in_edges(head.key) if other.tail != one.key]
                if any(other.kind == "op" for other in beside) and leads_to_any_loss(graph, head.key):
                    return one
            if not head.requires_grad and not head.is_step and head.key not in seen:
                seen.add(head.key)
                waiting.append(head)
    return None


def _not_registered(course: Course) -> Iterator[Finding]:
    """Weights that layers read and gradients come to, and that are no parameters of the model: as of layers in a
    plain list.
    """
    known = {p.name for p in course.parameters if p.name in course.of_model}
    found = [
        (leaf, done.nodes[edge.head], edge)
        for done in course.last_passes
        for leaf in done.node_list
        if course.model_known and leaf.kind == "leaf" and leaf.requires_grad and leaf.grad is not None
        and leaf.name not in known and not _is_stepped(course, leaf)
        for edge in done.out_edges(leaf.key)[:1]
    ]  # fmt: skip
    graph = course.passes[-1]
    own = [leaf for leaf in graph.node_list if _is_of_an_object(course, leaf, known)]
    if own and course.stepped and len(course.passes) > 1:
        one = next((node for node in (own[0], *_heads(course, own[0])) if node.source is not None), own[0])
        yield Finding(
            "not-registered", WARNING, own[0].name, None, one.source,
            {"count": len(own), "at": course.described(one), "lines": (one.source,), "made": True}, weight=43,
            key=one.key,
        )  # fmt: skip
    each = {leaf.key: (leaf, head) for leaf, head, edge in found if _is_weight(head, edge)}
    weights = list(each.values())
    if weights:
        lines = tuple(dict.fromkeys(head.source for _, head in weights))
        leaf, head = weights[0]
        yield Finding(
            "not-registered", ERROR if course.stepped else WARNING, leaf.name, module_of(head), head.source,
            {"count": len(weights), "at": course.described(head), "lines": lines}, weight=43, key=head.key,
        )  # fmt: skip


def _is_of_an_object(course: Course, leaf: Node, known: Collection[str]) -> bool:
    """Whether it gets gradients in every pass, was made where an object is made, and nothing updates it."""
    statement = course.graph.statements[number] if (number := _made_in(course, leaf)) is not None else None
    if leaf.kind != "leaf" or not leaf.requires_grad or leaf.grad is None or leaf.name in known or statement is None:
        return False
    again = all(any(one.key == leaf.key and one.grad is not None for one in done.node_list) for done in course.passes)
    in_init = statement.function.rpartition(".")[2] == "__init__"
    return in_init and again and not _is_stepped(course, leaf)


def _made_in(course: Course, leaf: Node) -> int | None:
    """The number of the statement that made it; of one that is known by what was computed of it at once, as
    `nn.Parameter(…) * 0.1`, of that.
    """
    if leaf.statement is not None or leaf.name is not None:
        return leaf.statement
    heads = _heads(course, leaf)
    return heads[0].statement if len(heads) == 1 else None


def _heads(course: Course, node: Node) -> list[Node]:
    return [course.graph.nodes[edge.head] for edge in course.graph.out_edges(node.key)]


def _is_weight(head: Node, edge: Edge) -> bool:
    """Whether a layer reads it as its weight or bias."""
    return (operation(head) in WITH_BIAS and edge.slot > 0) or operation(head) == EMBEDDING


def _is_stepped(course: Course, leaf: Node) -> bool:
    """Whether an optimizer steps it all the same, or the program updates it by hand."""
    tensor = leaf.ports[0].tensor
    history = history_of(course.graph, tensor)
    if history is not None and any(event.what == STEP for event in history.events):
        return True
    values = (node for node in course.graph.node_list if tensor is not None and node.ports[0].tensor == tensor)
    return any(map(course.is_write_between, values))


def _last_reached(graph: Graph) -> Node:
    return [node for node in graph.node_list if any(port.grad is not None for port in node.ports)][-1]


def nothing_to_go_back_from(course: Course, root: Node) -> Iterator[Finding]:
    """Why a result that backward() was called on has no graph, once for each place."""
    names = tuple(p.name for p in course.trainable)
    places: dict[tuple[str, str | None], Stop] = {}
    for stop in _of_what_is_trained(course, cut_sources_of(course.graph, root)) if names else ():
        if stop.node.ports[0].tensor is None or not is_write(stop.node):  # else it is how a parameter was filled
            places.setdefault((kind_of(course, stop), stop.node.source), stop)
    for (kind, _), stop in places.items():
        yield _finding(course, kind, stop, names, ERROR, root=course.described(root))


def _of_what_is_trained(course: Course, stops: Sequence[Stop]) -> Sequence[Stop]:
    """Those behind which something is that an optimizer holds, if any are: not a target network, which is computed
    without a graph on purpose.
    """
    held = {p.name for p in course.trainable if p.held_by}
    return [stop for stop in stops if not held.isdisjoint(parameters_before(course, stop.node))] or stops


def parameters_before(course: Course, node: Node) -> set[str]:
    """The parameters that something was computed from; not those that these were copied from before."""
    names = {p.name for p in course.parameters}
    found: set[str] = set()
    seen, waiting = {node.key}, [node]
    while waiting:
        for edge in course.graph.in_edges(waiting.pop().key):
            tail = course.graph.nodes[edge.tail]
            if tail.name in names:
                found.add(tail.name)
            elif tail.key not in seen:
                seen.add(tail.key)
                waiting.append(tail)
    return found


def _stop_of(course: Course, parameter: Parameter) -> Stop | None:
    """The end of the way that tells most: a cut by the program before one that merely led nowhere, and a cut on the way
    to the loss before one where numbers were written into another tensor, as into a moving average.
    """
    found = [stop for done in course.passes[::-1] for stop in stops_of(done, _same(done.nodes, parameter.nodes[0]))]
    cut = [stop for stop in found if stop.cut in CUT_BY_THE_PROGRAM | {TAKEN, "none-gradient"}]
    cut = [stop for stop in cut if stop.cut == TAKEN or may_lead_to_a_loss(course.graph, stop.node.key)]
    computed = (stop for stop in cut if stop.cut == TAKEN or _is_computed_with(course, stop.node))
    found = [stop for stop in found if stop.cut != NOT_ASKED or not course.graph.failures]  # it was to ask for all
    return next(computed, next(iter(cut), next(iter(found), None)))


def _is_computed_with(course: Course, node: Node) -> bool:
    """Whether a loss is computed from it without it being written into something that was there before."""
    if is_write(node) and not node.requires_grad:  # as a step of a moving average, which the loss then reads
        return False
    roots, seen, waiting = {root.key for root in course.roots}, {node.key}, [node.key]
    while waiting:
        key = waiting.pop()
        if key in roots:
            return True
        for edge in course.graph.out_edges(key) if key in course.graph.nodes else ():
            head = course.graph.nodes[edge.head]
            if head.key not in seen and (head.requires_grad or not is_write(head)):
                seen.add(head.key)
                waiting.append(head.key)
    return False


def _same(nodes: Mapping[str, Node], node: Node) -> Node:
    return nodes.get(node.key, node)


def kind_of(course: Course, stop: Stop) -> str:
    """What kind of a cut it is."""
    ran = ran_in(course.graph, stop.node)
    if stop.cut == TAKEN or takes_out(stop.node):
        return "taken-as-number"
    if stop.cut == DETACHED and stop.node.op == DATA:
        return "data-attribute"
    if stop.cut == "no_grad" and not DRAWS.isdisjoint(ran):
        return "sampled"
    if REENTRANT in ran or any(REENTRANT in name for name in stop.node.autograd):
        return "reentrant-checkpoint"
    return BY_CUT.get(stop.cut, "result-unused")


def _cut(course: Course, kind: str, found: list[tuple[Parameter, Stop]]) -> Finding:
    names = tuple(p.name for p, _ in found)
    severity = _severity(course, kind, [p for p, _ in found])
    forgotten = kind == "result-unused" and any(p.held_by and _is_of_a_loss(stop) for p, stop in found)
    return _finding(course, kind, found[0][1], names, WARNING if forgotten and severity == NOTE else severity)


def _is_of_a_loss(stop: Stop) -> bool:
    """Whether it is the number that a loss function returned."""
    return stop.node.ports[0].shape == () and (operation(stop.node) in LOSSES or stop.node.call_op in LOSSES)


def _severity(course: Course, kind: str, found: list[Parameter]) -> Severity:
    by_hand = all(p.by_hand and not p.did(STEP) for p in found)
    held = any(p.held_by for p in found)
    if by_hand or (not held and (all(p.held_by == () for p in found) or _is_twin(course, found))):
        return NOTE  # a target network, a teacher, or a moving average
    if kind in OWN_FAULT:
        return ERROR if held or course.share([p.name for p in found]) > 0.3 else WARNING
    share = course.share([p.name for p in found])
    return ERROR if share > 0.9 else WARNING if share > 0.5 else NOTE


def _may_be_stepped_later(course: Course, p: Parameter) -> bool:
    """Whether the program was stopped before any optimizer that holds it had its turn."""
    holders = [one for one in course.optimizers if p.name in one.names]
    return bool(holders) and all(one in course.waited_for for one in holders)


def _is_twin(course: Course, found: list[Parameter]) -> bool:
    """Whether each of them has another parameter of its shape that is trained, as a copy of a network has."""
    shapes = sorted(p.shape for p in course.trainable if p.came)
    return all(p.shape in shapes for p in found)


def _finding(
    course: Course, kind: str, stop: Stop, names: tuple[str, ...], severity: Severity, root: str | None = None
) -> Finding:
    return Finding(
        kind,
        severity,
        names[0] if len(names) == 1 else course.names.of.get(stop.node.key),
        module_of(stop.node),
        stop.node.source,
        {
            "at": course.described(stop.node),
            "operation": stop.node.op,
            "parameters": len(names),
            "of": course.out_of(names),
            "names": names,
            "root": root,
            **_further(course, kind, stop),
        },
        names,
        weight=course.share(names) + (10 if kind in OWN_FAULT else 0),
        key=stop.node.key,
    )


def _further(course: Course, kind: str, stop: Stop) -> Mapping[str, object]:
    """What is said of some kinds alone."""
    if kind == "taken-as-number":
        back = _comes_back_at(course, stop.node)
        return {"comes_back_at": back} if back is not None else {}
    return {"indices": True} if kind == "not-differentiable" and _is_of_indices(stop) else {}


def _comes_back_at(course: Course, node: Node) -> str | None:
    """The other line at which a tensor is made of a number that was taken out of one, and a loss computed of that."""
    taken = course.made_of(node)
    value = taken.value if taken is not None else None
    if value is None or value.data is None or value.numel != 1:
        return None
    for one in course.graph.node_list[course.order[node.key] + 1 :]:
        same = one.kind != "op" and one.value is not None and one.value.numel == 1 and one.value.data == value.data
        if same and one.source not in (None, node.source) and leads_to_any_loss(course.graph, one.key):
            return one.source
    return None


def _is_of_indices(stop: Stop) -> bool:
    """Whether it is only what an operation returns beside its values, as max does along a dimension."""
    types = [port.dtype for port in stop.node.ports]
    return len(types) > 1 and any(each in UNITS for each in types)


def _never_read(course: Course, found: list[Parameter]) -> Iterator[Finding]:
    """The parameters that no operation read, by the module that holds them."""
    inside = next((node for node in course.graph.node_list if node.op == REENTRANT and not node.requires_grad), None)
    if found and inside is not None:  # what runs in there is seen by nobody
        stop = Stop(inside, None, "no_grad")
        yield _finding(course, "reentrant-checkpoint", stop, tuple(p.name for p in found), ERROR)
        return
    ran = {name for node in course.graph.node_list for name in node.module}
    groups: dict[str, list[Parameter]] = {}
    for p in found:
        groups.setdefault(p.module, []).append(p)
    for module, group in groups.items():
        names = tuple(p.name for p in group)
        idle = bool(module) and module not in ran and not _has_working_sibling(course, module)
        made = course.line_that_made(module or names[0])
        yield Finding(
            "never-read",
            WARNING if idle and course.is_set_in_one_place(module) else NOTE,
            names[0] if len(names) == 1 else module,
            module or None,
            made or course.line_that_built() or course.forward_of(module),
            {
                "parameters": len(names),
                "of": course.out_of(names),
                "names": names,
                "module": module or None,
                "forward": course.forward_of(module),
            },
            names,
            weight=1 + course.share(names),
        )


def _has_working_sibling(course: Course, module: str) -> bool:
    """Whether another of the same list or dictionary of modules ran, as experts do of which not all are chosen."""
    parts = module.split(".")
    ran = {name for node in course.graph.node_list for name in node.module}
    for i in range(1, len(parts)):
        parent = ".".join(parts[:i])
        several = course.modules.get(parent, ("", False))[0] in ("ModuleList", "ModuleDict")
        beside = (name.split(".")[i : i + 1] for name in ran if name.startswith(f"{parent}."))
        if several and any(part != parts[i : i + 1] for part in beside):
            return True
    return False


def _frozen(course: Course) -> Iterator[Finding]:
    frozen = [p for p in course.parameters if not p.wanted]
    if not frozen:
        return
    names = tuple(p.name for p in frozen)
    sure = course.lines_that(*FROZEN_BY)
    lines = sure or course.lines_that(MAY_FREEZE)
    later = course.stopped_early and not sure  # the program says it anew, and may take it back
    held = [p for p in frozen if p.held_by]
    every = not course.trainable and not _others_are_asked(course)
    yield Finding(
        "frozen",
        ERROR if every else WARNING if held and lines and not later else NOTE,
        names[0] if len(names) == 1 else None,
        frozen[0].module if len({p.module for p in frozen}) == 1 else None,
        lines[0].source if lines else None,
        {
            "parameters": len(names),
            "of": len(course.parameters),
            "names": names,
            "in_optimizer": len(held),
            "line": lines[0].of if lines else None,
            "call": bool(lines) and lines[0].what == "requires_grad_",
        },
        names,
        weight=2 + len(names) / len(course.parameters),
    )


def _others_are_asked(course: Course) -> bool:
    """Whether gradients came to what is no parameter of the model, as to an image that a frozen one is shown."""
    events = (event for one in course.graph.grad_histories for event in one.events)
    return any(event.what in (PASS, ASIDE) for event in events)
