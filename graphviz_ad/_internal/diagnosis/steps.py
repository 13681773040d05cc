"""Course -> findings about the training loop: what is cleared, clipped, stepped, kept and carried over, and when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from graphviz_ad._internal.diagnosis.course import Course, Parameter, WrittenLine, had_gradient, module_of, operation
from graphviz_ad._internal.diagnosis.findings import ERROR, NOTE, WARNING, Finding
from graphviz_ad._internal.diagnosis.given_leaves import is_asked_for, is_given, is_made_to_learn
from graphviz_ad._internal.explain.consequences import is_root, leads_to_any_loss
from graphviz_ad._internal.explain.freed_graph import carriers
from graphviz_ad._internal.explain.zeros import is_not_zero, is_zero
from graphviz_ad._internal.graph.grad_history import EMPTIED, FOUND, PASS, REPLACED, STEP, UPDATED, WRITTEN, GradEvent
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.training_history import HeldGraphs
from graphviz_ad._internal.operations.training import ADDS_UP, SCALES
from graphviz_ad._internal.operations.traits import AS_LOOKED_AT

CLIPS = ("clip_grad_norm_", "clip_grad_value_")
SURELY_STEPPED = 24  # passes, of which a step would have been taken, although gradients of several add up
MANY_LOST = 3  # losses that lead nowhere, of each that goes back
ALWAYS = 0.05  # what clipping leaves of a gradient where it does the work of the learning rate


def training_steps(course: Course) -> Iterator[Finding]:
    """All of them."""
    if not course.passes:
        return
    for look in (
        _cleared_too_early,
        _cleared_in_part,
        _never_cleared,
        _not_in_an_optimizer,
        _never_stepped,
        _in_two,
        _in_two_by_turns,
        _left_by_another_loss,
        _behind_the_loop,
        _clipping,
    ):
        yield from look(course)


def clears(event: GradEvent) -> bool:
    """Whether an event takes away what a gradient was."""
    return event.what in (EMPTIED, REPLACED) or (
        event.what == WRITTEN and event.by not in CLIPS and is_zero(event.holds)
    )


def _fate(p: Parameter) -> list[str]:
    """What happened to its gradients, a letter each: p a pass, c cleared, s a step, f found, w clipped or written; a
    step is one of an optimizer, or by hand where none takes any: what is written while there is no gradient, as the
    numbers that it begins with, is none.
    """
    letters: list[str] = []
    told = {PASS: "p", STEP if p.did(STEP) else UPDATED: "s", FOUND: "f", WRITTEN: "w"}
    for event in p.history.events if p.history is not None else ():
        letter = "c" if clears(event) else told.get(event.what)
        if event.what == UPDATED and not _has_gradient(letters):
            continue
        if letter is not None and not (letter in "sw" and letters[-1:] == [letter]):
            letters.append(letter)
    return letters


def _has_gradient(letters: Sequence[str]) -> bool:
    """Whether a gradient came, or was there, since it was last cleared."""
    return next((letter in "pf" for letter in reversed(letters) if letter in "pfc"), False)


def _about(course: Course, found: Sequence[Parameter]) -> dict[str, object]:
    return {"parameters": len(found), "of": course.out_of(p.name for p in found), "names": tuple(p.name for p in found)}


def _line(course: Course, *what: str, beside: Callable[[WrittenLine], bool] = lambda _: True) -> str | None:
    """The line of the program that does this, in the function that goes back."""
    lines = course.lines_that(*what)
    back = {line.function for line in course.lines_that("backward")}
    near = [line for line in lines if line.function in back and beside(line)] or lines
    return nearest_first(course, near)[0].source if near else None


def nearest_first(course: Course, lines: Sequence[WrittenLine]) -> list[WrittenLine]:
    """Lines that do the same, in the order in which they may have to do with what ran: a file may train twice. Those
    before a recorded backward call are nearer than those behind all of them.
    """

    def far(line: WrittenLine) -> tuple[bool, float]:
        gaps = [call.number - line.number for call in course.called_at if call.file == line.file]
        ahead = [gap for gap in gaps if gap >= 0]
        makes = line.what == "optimizer"  # which is made before it is used; others may stand behind the call
        return (makes and not ahead, min(map(abs, ahead if makes and ahead else gaps), default=0))

    return sorted(lines, key=far)


def _cleared_too_early(course: Course) -> Iterator[Finding]:
    """Gradients that are cleared after each pass and before any step reads them."""
    lost = [p for p in course.trainable if _is_cleared_unused(p)]
    line = _line(course, "zero_grad", beside=_between_backward_and_step(course))
    stands_there = any(_between_backward_and_step(course)(each) for each in course.lines_that("zero_grad"))
    if lost and stands_there and len(lost) == len([p for p in course.trainable if p.came]):
        yield Finding(
            "cleared-before-step", ERROR, None, None, line,
            {**_about(course, lost), "backward": _called(course), "step": _line(course, "step")},
            tuple(p.name for p in lost), weight=50,
        )  # fmt: skip


def _cleared_in_part(course: Course) -> Iterator[Finding]:
    """Passes of one line of which some are cleared before any step reads them, and others are read: as where gradients
    are to add up over several batches.
    """
    if len(course.calls) != len(course.graph.passes):
        return
    line_of = {number: call[0] for number, call in enumerate(course.calls, 1)}
    used = {number for p in course.trainable for _, read in _read_by_steps(p) for number in read}
    lost = {number for p in course.trainable for number in _passes_cleared(p)} - used
    for line in dict.fromkeys(line_of[number] for number in sorted(used) if number in line_of):
        here = [number for number in sorted(lost) if line_of.get(number) == line]
        if len(here) >= 2 and 2 * len(here) >= sum(line_of.get(number) == line for number in used | lost):
            yield Finding(
                "cleared-before-step", WARNING, None, None, _line(course, "zero_grad"),
                {**_about(course, course.trainable), "passes": tuple(here), "all": len(line_of), "backward": line,
                 "step": _line(course, "step")}, weight=49,
            )  # fmt: skip


def _passes_cleared(p: Parameter) -> Iterator[int]:
    """The passes whose finite gradient was cleared before a step read it."""
    waiting: list[int] = []
    for event in p.history.events if p.history is not None else ():
        if event.what == PASS and event.number is not None:
            waiting += [event.number] if event.brought is None or not event.brought.nonfinite else []
        elif clears(event):
            yield from waiting
            waiting.clear()
        elif event.what == STEP:
            waiting.clear()


def _is_cleared_unused(p: Parameter) -> bool:
    """Whether gradients were cleared that no step had read, and none ever was."""
    fate = "".join(letter for letter in _fate(p) if letter in "pcs")
    used = any(letter == "s" and "c" not in before and "p" in before for letter, before in _since(fate))
    return "pc" in fate and not used and not p.by_hand


def _since(fate: str) -> Iterator[tuple[str, str]]:
    """Each letter with what came before it since the last step, the last pass first."""
    for i, letter in enumerate(fate):
        before = fate[:i].rpartition("s")[2]
        yield letter, before[before.rfind("p") :] if "p" in before else ""


def _between_backward_and_step(course: Course) -> Callable[[WrittenLine], bool]:
    """Whether a line stands after a call of backward() and before one of step(), in one function."""
    back, steps = course.lines_that("backward"), course.in_the_loop("step")
    place = {id(line): i for i, line in enumerate(course.lines)}  # several may stand in one line

    def stands(line: WrittenLine) -> bool:
        here = (line.file, line.function)
        before = any((one.file, one.function) == here and place[id(one)] < place[id(line)] for one in back)
        return before and any((one.file, one.function) == here and place[id(line)] < place[id(one)] for one in steps)

    return stands


def _called(course: Course) -> str | None:
    """The line that called backward()."""
    return course.calls[-1][0] if course.calls else None


def _never_cleared(course: Course) -> Iterator[Finding]:
    """Gradients that one step has used and the next uses again, since nobody cleared them."""
    grown = [p for p in course.trainable if p.held_by != () and _adds_up(p)]  # else no step reads its gradient
    if grown:
        yield Finding(
            "not-cleared", ERROR, None, None, _called(course),
            {**_about(course, grown), "step": _line(course, "step"), "written": _line(course, "zero_grad")},
            tuple(p.name for p in grown), weight=48,
        )  # fmt: skip


def _adds_up(p: Parameter) -> bool:
    fate = "".join(letter for letter in _fate(p) if letter in "pcsf")
    parts = fate.split("s")
    between = any("p" in part and "c" not in part and i > 0 for i, part in enumerate(parts[:-1]))
    found = p.history is not None and any(
        event.what == FOUND and is_not_zero(event.holds) for event in p.history.events
    )
    return between or (found and "f" in parts[0] and "p" in parts[0] and "c" not in parts[0] and len(parts) > 1)


def _not_in_an_optimizer(course: Course) -> Iterator[Finding]:
    """Parameters that got gradients which no step read, while others were updated; of what the model is given, as data
    that are differentiated by, it is a note at most.
    """
    if not course.stepped:
        return
    if not any(p.did(PASS) for p in course.trainable):
        yield from _left_out(course, _held_by_none(course))
        return
    idle = [p for p in course.trainable if p.came and p.did(PASS) and not p.did(STEP) and not p.by_hand]
    idle = [p for p in idle if not p.held_by and not all(map(is_zero, p.came))]
    used = {number for p in course.trainable for _, read in _read_by_steps(p) for number in read}
    idle = [p for p in idle if used & _numbers(p) and not is_asked_for(course, p)]
    given = [p for p in idle if is_given(course, p)]
    yield from _left_out(course, [p for p in idle if p not in given])
    if given:
        yield Finding(
            "not-in-optimizer", NOTE, given[0].name if len(given) == 1 else None, None, _given_at(course, given[0]),
            {**_about(course, given), "modules": (), "optimizers": (), "given": True}, tuple(p.name for p in given),
            weight=12, confidence="possible",
        )  # fmt: skip


def _held_by_none(course: Course) -> list[Parameter]:
    """The parameters of the model that no optimizer holds, where gradients come in other ways than to ``.grad``, as the
    pieces of FSDP do, while what optimizers hold is stepped.
    """
    if not any(p.held_by and p.came and p.did(STEP) for p in course.trainable):
        return []
    own = [p for p in course.trainable if p.name in course.of_model and p.held_by == ()]
    return [p for p in own if p.came and not p.did(STEP) and not all(map(is_zero, p.came))]


def _given_at(course: Course, p: Parameter) -> str | None:
    """Where the program made it, or first read it."""
    return next((node.source for node in p.nodes if node.source is not None), None) or _step_source(course)


def _left_out(course: Course, idle: Sequence[Parameter]) -> Iterator[Finding]:
    if idle and len(idle) < len(course.trainable):
        line = _line(course, "optimizer", beside=lambda _: True)
        modules = tuple(dict.fromkeys(p.module for p in idle))
        sure = any(is_made_to_learn(course, p) for p in idle)
        yield Finding(
            "not-in-optimizer", ERROR if course.optimizers else WARNING, idle[0].name if len(idle) == 1 else None,
            modules[0] if len(modules) == 1 else None, line or _step_source(course),
            {**_about(course, idle), "modules": modules, "optimizers": tuple(one.kind for one in course.optimizers)},
            tuple(p.name for p in idle), weight=45, confidence="certain" if sure else "likely",
        )  # fmt: skip


def _numbers(p: Parameter) -> set[int]:
    """The passes that brought it something."""
    events = p.history.events if p.history is not None else ()
    return {event.number for event in events if event.what == PASS and event.number is not None}


def _read_by_steps(p: Parameter) -> Iterator[tuple[GradEvent, tuple[int, ...]]]:
    """Each step, with the passes whose gradients it read."""
    waiting: list[int] = []
    for event in p.history.events if p.history is not None else ():
        if event.what == PASS and event.number is not None:
            waiting.append(event.number)
        elif clears(event):
            waiting.clear()
        elif event.what == STEP:
            yield event, tuple(waiting)


def _step_source(course: Course) -> str | None:
    return next((node.source for node in course.graph.node_list if node.is_step), None)


def _never_stepped(course: Course) -> Iterator[Finding]:
    """Gradients of which no step made anything, over several passes of one loop: what is recorded of a single one may
    have ended before its step. Where nothing says that there is an optimizer, none was forgotten: games and schedules
    are stepped as well.
    """
    idle = not course.stepped and not any(p.by_hand for p in course.trainable)
    if not idle or len(_of_one_line(course)) < 2 or not course.graph.grad_histories:
        return
    step = [line for line in course.in_the_loop("step") if line.in_loop]
    every, made = course.lines_that("optimizer"), _lines_that_made_one(course)
    between = any(_between_backward_and_step(course)(line) for line in course.lines_that("zero_grad"))
    known = made or course.optimizers or (step and every)
    if between or not known:
        return
    made = made or every[: len(every) == 1]
    may_come = course.stopped_early and len(course.calls) < SURELY_STEPPED
    yield Finding(
        "optimizer-holds-others" if step and not may_come else "never-stepped", NOTE if may_come else ERROR, None, None,
        (nearest_first(course, made)[0].source if made and step and not may_come else None) or _called(course),
        {**_about(course, course.trainable), "written": nearest_first(course, step)[0].source if step else None},
        tuple(p.name for p in course.trainable), weight=44, confidence="possible" if may_come else "likely",
    )  # fmt: skip


def _lines_that_made_one(course: Course) -> list[WrittenLine]:
    """Where optimizers are made by what is known to have run: modules, and functions that go back. A file may have
    others, in functions that nothing called.
    """
    ran = course.in_the_loop("optimizer")
    return [line for line in course.lines_that("optimizer") if not line.function or line in ran]


def _in_two(course: Course) -> Iterator[Finding]:
    """Parameters that two optimizers step on one gradient, or one of them twice."""
    twice = [p for p in course.trainable if _steps_of_one_gradient(p) > 1]
    alone = [p for p in twice if len(p.held_by or ()) == 1 and len(course.optimizers) == 1]
    if alone and alone == twice:
        steps = [event.source for p in alone[:1] for event in _events(p) if event.what == STEP and event.source]
        yield Finding(
            "stepped-twice", WARNING, None, None, steps[1] if len(steps) > 1 else _step_source(course),
            {**_about(course, alone), "steps": tuple(dict.fromkeys(steps))}, tuple(p.name for p in alone), weight=35,
        )  # fmt: skip
    elif twice:
        line = nearest_first(course, course.lines_that("optimizer"))
        yield Finding(
            "in-two-optimizers", WARNING, twice[0].name if len(twice) == 1 else None, None,
            line[0].source if len(line) > 1 else _step_source(course),
            {**_about(course, twice), "optimizers": tuple(one.kind for one in course.optimizers)},
            tuple(p.name for p in twice), weight=35,
        )  # fmt: skip


def _events(p: Parameter) -> tuple[GradEvent, ...]:
    return p.history.events if p.history is not None else ()


def _in_two_by_turns(course: Course) -> Iterator[Finding]:
    """Parameters that two optimizers step by turns, of which one holds all of the other and more, as that of a
    generator into which the critic came, too.
    """
    lines = course.lines_that("optimizer")
    for number, one in enumerate(course.optimizers):
        for other in course.optimizers:
            both = {*other.names} if {*other.names} < {*one.names} else set()
            twice = [p for p in course.trainable if p.name in both and _takes_turns(p)]
            if twice and len(twice) == len([p for p in course.trainable if p.name in both]):
                known = len(lines) == len(course.optimizers)
                yield Finding(
                    "in-two-optimizers", WARNING, twice[0].name if len(twice) == 1 else None, None,
                    lines[number].source if known else _step_source(course),
                    {**_about(course, twice), "optimizers": (one.kind, other.kind), "turns": _turns(twice[0])},
                    tuple(p.name for p in twice), weight=35, confidence="likely",
                )  # fmt: skip
                return


def _turns(p: Parameter) -> tuple[str, ...]:
    """The lines at which steps read its gradients, in their order."""
    events = p.history.events if p.history is not None else ()
    return tuple(dict.fromkeys(event.source for event in events if event.what == STEP and event.source))


def _takes_turns(p: Parameter) -> bool:
    """Whether two lines step it, again and again one after the other."""
    events = p.history.events if p.history is not None else ()
    lines = [event.source for event in events if event.what == STEP]
    changes = sum(before != after for before, after in pairwise(lines))
    return len(_turns(p)) == 2 and changes >= 2 and changes >= len(lines) - 1


def _left_by_another_loss(course: Course) -> Iterator[Finding]:
    """Gradients that the pass of another loss left, after which others were stepped, and which a step then reads beside
    those that are meant for it. Where each step reads both, that is the way of the program.
    """
    if len(course.calls) != len(course.graph.passes):
        return
    line_of = {number: call[0] for number, call in enumerate(course.calls, 1)}
    used = _used_by(course)
    found: dict[tuple[str | None, str | None], list[Parameter]] = {}
    for p in course.trainable:
        windows = list(_windows(p))
        lines = [{line_of.get(number) for number in window} for window in windows]
        for window in windows[1:] if windows and len(lines[0]) == 1 else ():
            own = line_of.get(window[-1])
            left = [number for number in window if line_of.get(number) != own]
            if left and lines[0] == {own} and any(after < window[-1] and by != p.name for after, by in used[left[0]]):
                found.setdefault((own, line_of.get(left[0])), []).append(p)
                break
    for (own, other), group in found.items():
        yield Finding(
            "left-by-another-loss", WARNING, group[0].name if len(group) == 1 else None, None, own,
            {**_about(course, group), "backward": own, "other": other, "written": _line(course, "zero_grad")},
            tuple(p.name for p in group), weight=36, confidence="likely",
        )  # fmt: skip


def _windows(p: Parameter) -> Iterator[tuple[int, ...]]:
    """The passes whose gradients each step read for the first time."""
    known: tuple[int, ...] = ()
    for _, read in _read_by_steps(p):
        fresh = tuple([number for number in read if number not in known])
        known = read
        if fresh:
            yield fresh


def _used_by(course: Course) -> dict[int, list[tuple[int, str]]]:
    """Pass -> the steps that read its gradients: how many passes had run by then, and of which parameter."""
    used: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for p in course.trainable:
        for step, read in _read_by_steps(p):
            if step.after is not None:
                for number in read:
                    used[number].append((step.after, p.name))
    return used


def _behind_the_loop(course: Course) -> Iterator[Finding]:
    """Losses of which a loop computes many, and backward() stands behind it, so that the last alone goes back."""
    roots = [root for root in course.roots if root.statement is not None and root.requires_grad]
    for line in course.lines_that("backward"):
        own = [root for root in roots if _function_of(course, root) == line.function and root.key in course.order]
        if line.in_loop or not own or {(root.source, root.op) for root in own} != {(own[0].source, own[0].op)}:
            continue
        made = course.computes(operation(own[0]))
        alike = [node for node in made if (node.source, node.op) == (own[0].source, own[0].op)]
        lost = [node for node in alike if node.requires_grad and not leads_to_any_loss(course.graph, node.key)]
        if len(lost) >= MANY_LOST * len(own):
            yield Finding(
                "backward-behind-the-loop", WARNING, own[0].name, module_of(own[0]), line.source,
                {"at": course.described(own[-1]), "losses": len(alike), "lost": len(lost), "passes": len(own)},
                weight=37, key=own[-1].key, confidence="likely",
            )  # fmt: skip
            return


def _function_of(course: Course, node: Node) -> str | None:
    return course.graph.statements[node.statement].function if node.statement is not None else None


def _steps_of_one_gradient(p: Parameter) -> int:
    """How many steps read one gradient: of optimizers that are told apart, or of as many as hold it, on one line."""
    most = 0
    now: list[tuple[str | None, str | None]] = []
    for event in p.history.events if p.history is not None else ():
        if event.what == PASS or clears(event):
            now = []
        elif event.what == STEP:
            now.append((event.by, event.source))
            most = max(most, len(set(now)), min(len(now), len(p.held_by or ())))
    return most


def _clipping(course: Course) -> Iterator[Finding]:
    """Clipping that comes too late, or that takes nearly all of every gradient."""
    late, ratios = False, []
    for p in course.trainable:
        events = list(p.history.events if p.history is not None else ())
        clipped = [i for i, event in enumerate(events) if event.what == WRITTEN and event.by in CLIPS]
        for i in clipped:
            before = [event for event in events[:i] if event.what in (PASS, STEP)]
            late = late or (bool(before) and before[-1].what == STEP)
            held, now = (events[i - 1].holds if i else None), events[i].holds
            if held is not None and now is not None and held.norm and now.norm is not None:
                ratios.append(now.norm / held.norm)
    lines = course.lines_that(*CLIPS)
    source = lines[0].source if lines else None
    if late or (lines and not ratios and _written_after_step(course, lines[0])):
        yield Finding("clipped-after-step", WARNING, None, None, source, {"step": _line(course, "step")}, weight=34)
    elif ratios and max(ratios) < ALWAYS:
        yield Finding(
            "clips-always", ERROR if max(ratios) == 0 else WARNING if max(ratios) < 1e-3 else NOTE, None, None, source,
            {"largest": max(ratios), "passes": len(course.passes),
             "scaled": bool(course.lines_that("GradScaler", "scale") and not course.lines_that("unscale_"))}, weight=18,
        )  # fmt: skip


def _written_after_step(course: Course, clip: WrittenLine) -> bool:
    steps = [line for line in course.lines_that("step") if line.function == clip.function]
    back = [line for line in course.lines_that("backward") if line.function == clip.function]
    return any(b.number < s.number < clip.number for s in steps for b in back)


# --- graphs that are kept


def kept_graphs(course: Course) -> Iterator[Finding]:
    """Graphs that grow from pass to pass, that something holds, or that were retained without need."""
    grows = list(_grows(course))
    yield from grows
    sums = list(_held(course))
    yield from sums
    yield from _in_containers(course, {one.source for one in sums})
    if not grows:
        yield from _retained(course)


def _reached(graph_nodes: Sequence[Node]) -> set[str]:
    return {node.key for node in graph_nodes if node.kind == "op" and had_gradient(node)}


def _of_one_line(course: Course) -> Sequence[Graph]:
    """The passes that the line began which began the last."""
    passes = course.graph.passes
    if len(course.calls) != len(passes):
        return course.passes
    return [done for done, call in zip(passes, course.calls, strict=True) if call[0] == course.calls[-1][0]]


def _grows(course: Course) -> Iterator[Finding]:
    reached = [_reached(done.node_list) for done in _of_one_line(course)]
    again = [len(now & before) for before, now in pairwise(reached)]
    sizes = [len(one) for one in reached]
    if len(sizes) < 3 or not all(b > a for a, b in pairwise(sizes)) or not all(again):
        return
    last = course.graph
    found = carriers(last, len(last.passes) - 1)
    tail = last.nodes[found[0].tail] if found else None
    yield Finding(
        "graph-grows", ERROR, tail.name if tail is not None else None, module_of(tail) if tail is not None else None,
        tail.source if tail is not None else _called(course),
        {"operations": tuple(sizes), "carrier": course.described(tail) if tail is not None else None,
         "read_at": course.described(last.nodes[found[0].head]) if found else None},
        weight=46, key=tail.key if tail is not None else None,
    )  # fmt: skip


def _held(course: Course) -> Iterator[Finding]:
    """A sum over steps of results that still have their graphs."""
    roots = {node.key for done in course.graph.passes for node in done.node_list if is_root(node)}
    lines: dict[str | None, list[Node]] = {}
    for node in course.graph.node_list:
        if node.kind == "op" and node.requires_grad and operation(node) in ADDS_UP and not course.leads_on(node):
            of_roots = _of_which(course, node) & roots
            lines.setdefault(node.source, []).extend([node] if of_roots and node.key not in roots else [])
    kept = dict(course.held)
    for source, found in ((line, nodes) for line, nodes in lines.items() if nodes):
        facts = facts_of_held(kept[source]) if source in kept else {}
        yield Finding(
            "graph-held", WARNING if len(found) > 1 else NOTE, found[-1].name, None, source,
            {"at": course.described(found[-1]), "times": len(found), **facts}, weight=21, key=found[-1].key,
        )  # fmt: skip


def _in_containers(course: Course, told: set[str | None]) -> Iterator[Finding]:
    """Results of many passes in a list, each with its graph; not what is ``told`` of the lines of sums."""
    for made, held in course.held:
        if made not in told:
            yield Finding(
                "graph-held", WARNING, None, None, held.source or made, {"made": made, **facts_of_held(held)}, weight=21
            )


def facts_of_held(held: HeldGraphs) -> dict[str, object]:
    """What a finding says of it."""
    return {
        "holder": held.holder, "passes": held.passes, "nodes": held.nodes, "bytes": held.bytes,
        "each_step": held.bytes // max(held.passes, 1),
    }  # fmt: skip


def _of_which(course: Course, node: Node) -> set[str]:
    """The results that a sum is of, whatever factor they have in it."""
    found: set[str] = set()
    waiting = [edge.tail for edge in course.graph.in_edges(node.key)]
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            scaled = operation(course.graph.nodes[key]) in SCALES and not course.leads_on(course.graph.nodes[key])
            waiting += [edge.tail for edge in course.graph.in_edges(key)] if scaled else []
    return found


def _retained(course: Course) -> Iterator[Finding]:
    reached = [_reached(done.node_list) for done in course.graph.passes]
    own = {node.source for node in course.computes(*AS_LOOKED_AT)}  # transforms keep graphs as they are made to
    if len(course.calls) != len(reached) or not own.isdisjoint(source for source, *_ in course.calls):
        return
    for i, (source, retain, create) in enumerate(course.calls):
        again = any(reached[i] & later for later in reached[i + 1 :])
        if retain and not create and not again and reached[i]:
            yield Finding("retained-without-need", NOTE, None, None, source, {"pass": i + 1}, weight=19)
            return
    whole = bool(course.calls) and len(reached) == len(course.passes)
    deeper = any(before < after for i, before in enumerate(reached) for after in reached[i + 1 :])
    if whole and all(create for _, _, create in course.calls) and not deeper:
        source = course.calls[0][0]
        yield Finding("created-without-need", NOTE, None, None, source, {}, weight=19, confidence="likely")
