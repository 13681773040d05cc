"""Draft -> notices of what it may have missed, got wrong or left out: `GAPS` has a function for each kind, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from graphviz_ad._internal.graph.fact_texts import SENT
from graphviz_ad._internal.graph.notices import Notice, notice
from graphviz_ad._internal.tracing.assembly.autograd_graph import AutogradGraph
from graphviz_ad._internal.tracing.assembly.draft import Draft
from graphviz_ad._internal.tracing.assembly.leaf_versions import versions_in
from graphviz_ad._internal.tracing.assembly.units import Recorded

CHECKPOINTS = "torch.utils.checkpoint"
WRONG_UNDER_MODES = {"linalg_pinv", "linalg_lstsq", "linalg_polar", "linalg_matrix_sqrth"}


def gaps_of(draft: Draft) -> list[Notice]:
    """All of them."""
    return [found for gap in GAPS if (found := gap(draft)) is not None]


def in_a_circle(draft: Draft) -> Notice | None:
    """What is left out since it would stand before and after itself, because a link was mistaken."""
    return notice("circle", count=draft.left_out) if draft.left_out else None


def unexplained(draft: Draft) -> Notice | None:
    """Autograd nodes that no recorded operation explains; not of a graph that was there before the run, and not those
    that a backward method made for a pass of its own, as a reentrant checkpoint does: it is known whence they are.
    """
    linked, inner = draft.units.links.of_node, made_by_backward_methods(draft.units.recorded)
    count = sum(unit.operation is None and unit.kind == "op" and i not in inner for i, unit in linked.items())
    return notice("unlinked", count=count) if count and draft.units.recorded.tape.operations else None


def made_by_backward_methods(recorded: Recorded) -> set[int]:
    """The autograd nodes that only passes inside a pass came by."""
    autograd = recorded.autograd
    inner, outer = (
        reached(autograd, (autograd.index.get(edge[0]) for edge in (start.value.edge for start in starts) if edge))
        for starts in (recorded.inside, recorded.outputs)
    )
    return inner - outer


def reached(autograd: AutogradGraph, starts: Iterable[int | None]) -> set[int]:
    """The nodes that a pass from there comes by."""
    seen: set[int] = set()
    waiting = [i for i in starts if i is not None]
    while waiting:
        i = waiting.pop()
        if i not in seen:
            seen.add(i)
            waiting += [link[0] for link in autograd.links[i] if link is not None]
    return seen


def untold_hooks(draft: Draft) -> Notice | None:
    """What is missing because nobody says whether hooks of the user stand before what a node keeps."""
    recorded = draft.units.recorded
    if not recorded.tape.capture.local:
        return None
    untold = recorded.autograd.keeps.untold()
    count = sum(i in recorded.result.node_grads and i not in recorded.autograd.custom for i in untold)
    return notice("hooks untold", count=count) if count else None


def reductions_untold(draft: Draft) -> Notice | None:
    """Collectives of which torch does not say what they make of what they get."""
    unsaid = draft.units.recorded.tape.unsaid_reductions
    return notice("reductions untold", unsaid) if unsaid else None


def inside_wrappers(draft: Draft) -> Notice | None:
    """Tensors that run operations of their own, such as DTensor, in a process that is one of several."""
    wrappers = draft.units.recorded.tape.wrappers
    return notice("inside wrappers", wrappers) if wrappers else None


def flow_changed(draft: Draft) -> Notice | None:
    """Where something else went on than the derivative makes of what arrived."""
    node = {node.key: node for node in draft.nodes} if draft.odd else {}
    return notice("flow changed", [node[key].name or node[key].op or key for key in draft.odd]) if draft.odd else None


def sent_changed(draft: Draft) -> Notice | None:
    """Where hooks on nodes of autograd changed what these sent on."""
    changed = [node.name or node.op or node.key for node in draft.nodes if SENT in node.hook_effects]
    return notice("node hook changed", changed) if changed else None


def written_between_uses(draft: Draft) -> Notice | None:
    """Leaves of which several versions were used."""
    versions = list(versions_in(draft))
    node = {node.key: node for node in draft.nodes} if versions else {}
    holders = [(node[draft.keys[unit]], port) for unit, port in versions]
    names = dict.fromkeys(one.ports[port].name or one.name or one.key for one, port in holders)
    return notice("written between uses", names) if versions else None


def caught_operations(draft: Draft) -> Notice | None:
    """What raised and the program went on."""
    tape = draft.units.recorded.tape
    raised = [tape.operations[number] for number in sorted(tape.raised) if number != tape.stopped]
    words = [draft.words[operation] for operation in raised]
    names = [word.alone or operation.op for word, operation in zip(words, raised, strict=True)]
    return notice("caught", names, sources=tuple(word.source for word in words)) if raised else None


def nobody_read(draft: Draft) -> Notice | None:
    """Custom Functions whose results are not known for certain."""
    names = [str(unit.label) for unit in draft.units.unread if draft.units.values[unit]]
    return notice("nobody read", names) if names else None


def wrong_under_modes(draft: Draft) -> Notice | None:
    """Where torch itself computes wrong numbers as soon as any dispatch mode is on."""
    tape = draft.units.recorded.tape
    suspects = [operation for operation in tape.operations if operation.schema.name in WRONG_UNDER_MODES]
    numbers = {one: (*one.results, *(use[1] for use in one.uses)) for one in suspects}
    complex_ones = [one for one in suspects if any(tape.values[number].dtype.is_complex for number in numbers[one])]
    met = sorted({one.op.removeprefix("linalg_") for one in complex_ones})
    return notice("wrong under modes", met) if met else None


def ran_again(draft: Draft) -> Notice | None:
    """What checkpoints ran a second time in the backward pass, and the lines of it that are known."""
    recorded, links = draft.units.recorded, draft.units.links.of_node
    if recorded.result.problem is not None:
        return None
    custom, reached_nodes = recorded.autograd.custom, recorded.result.node_grads
    inside = [i for i, cls in custom.items() if cls.__module__ == CHECKPOINTS and i in reached_nodes]
    runs = [((i,), 1) for i in inside] + [(nodes, times) for nodes, times in recorded.result.reruns if times]
    operations = [links[i].operation for nodes, _ in runs for i in nodes if i in links]
    lines = dict.fromkeys(
        source for one in operations if one is not None and (source := draft.words[one].source) is not None
    )
    count = sum(times for _, times in runs)
    return notice("ran again", lines, count=count) if count else None


GAPS: tuple[Callable[[Draft], Notice | None], ...] = (
    in_a_circle,
    unexplained,
    untold_hooks,
    reductions_untold,
    inside_wrappers,
    flow_changed,
    sent_changed,
    written_between_uses,
    caught_operations,
    nobody_read,
    wrong_under_modes,
    ran_again,
)
