"""Graph + name of a result -> why it has the gradient that it has, or has none: in sentences, with the place in the
program and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from graphviz_ad._internal.base.errors import UnknownNameError
from graphviz_ad._internal.explain.amounts import largest_of, size_of, text_of
from graphviz_ad._internal.explain.consequences import (
    is_update,
    leads_to_a_loss,
    may_lead_to_a_loss,
    numbers_held,
    ran_in,
    takes_out,
)
from graphviz_ad._internal.explain.forward_mode import place_of_result
from graphviz_ad._internal.explain.freed_graph import had_gradient, who_freed
from graphviz_ad._internal.explain.grad_words import place_of, told
from graphviz_ad._internal.explain.inside_functions import functions_that_read, read_inside
from graphviz_ad._internal.explain.not_finite import cause, has_nan, rises, value_not_finite
from graphviz_ad._internal.explain.zeros import cause_of_zero, falls
from graphviz_ad._internal.graph.contraction import flows_inside
from graphviz_ad._internal.graph.cuts import CUT_BY_THE_PROGRAM, DETACHED
from graphviz_ad._internal.graph.fact_texts import FLOW, SENT
from graphviz_ad._internal.graph.grad_history import STEP, UPDATED, GradEvent, GradHistory, history_called, history_of
from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.graph.notice_sentences import why_none
from graphviz_ad._internal.graph.notices import NOTHING_REQUIRES, first_names, is_stood_for, unread_parameters
from graphviz_ad._internal.maths.cancelled import noise_in
from graphviz_ad._internal.maths.chain_rule import feeding
from graphviz_ad._internal.operations.traits import DATA, DRAWS, MAKES_GRADIENTS, PASSES_ON
from graphviz_ad._internal.scene.annotations import error_of, failed_in_this_pass, stopped_at, writers
from graphviz_ad._internal.scene.cut_marks import REASONS, switch_text, why_at
from graphviz_ad._internal.scene.words.names import Names, graph_names
from graphviz_ad._internal.scene.words.short_text import is_constant

WRAPPED = "module."  # what names of parameters begin with in DataParallel and DistributedDataParallel
MOST_NAMED = 3  # places in one answer
NO_LOSS = ("unreached", "shape-only", "inner")  # cuts that keep nothing from a gradient
NOT_ASKED = "not asked"  # a way along which a gradient could have come
TAKEN = "taken as numbers"  # what ends as numbers of Python in what goes on
NOTHING_LOST = ("shape-only", "inplace_view")  # ways on which no gradient could have come


def why_gradient(graph: Graph, name: str) -> str:
    """What the gradient of a result is and where it came from, or what keeps it away; the name is that of the
    program or of the picture, or a key.
    """
    name = _as_wrapped(graph, name)
    answer = _not_drawn(graph, name) if not is_called(graph, name) else None
    return answer if answer is not None else _of_a_result(graph, name)


def _as_wrapped(graph: Graph, name: str) -> str:
    """The name that the graph knows where the program's model is within DistributedDataParallel, or the recorded one
    is not.
    """
    names = (name, f"{WRAPPED}{name}", name.removeprefix(WRAPPED)) if isinstance(name, str) else ()
    others = {*unread_parameters(graph.notes), *first_names(graph.notes)}
    return next((one for one in names if one in graph.nodes or one in others or is_called(graph, one)), name)


def is_called(graph: Graph, name: str) -> bool:
    """Whether the program calls a result so."""
    return any(node.name == name or any(port.is_called(name) for port in node.ports) for node in graph.node_list)


def _of_a_result(graph: Graph, name: str) -> str:
    try:
        answer = _asked(graph, name)
    except UnknownNameError:
        known = {
            *unread_parameters(graph.notes),
            *first_names(graph.notes),
            *(node.name for node in graph.node_list if node.name),
            *(name for node in graph.node_list for port in node.ports for name in port.also),
        }
        raise UnknownNameError("node", name, known) from None
    history = history_of(graph, answer.node.ports[answer.port].tensor)
    found = _reached(graph, answer, history)
    number, best = found if found is not None else (len(graph.passes), answer)
    came = found is not None or (history is not None and bool(history.passes))
    best = replace(best, history=history, came=came, others=_others(graph, name, best))
    which = _which_pass(graph, number, found is not None)
    failed = failed_in_this_pass(graph) and number < len(graph.passes)
    return " ".join(filter(None, (*best.headline(), which, best.text(), *(_failure(graph, answer) if failed else ()))))


def _failure(graph: Graph, answer: _Answer) -> Iterator[str]:
    """That a later pass failed, which may have been about to bring something."""
    yield _which_pass(graph, len(graph.passes), came=False)
    yield from answer.not_reached_yet()


def _which_pass(graph: Graph, number: int, came: bool) -> str:
    """Of which of several passes an answer is."""
    if len(graph.passes) == 1:
        return ""
    last = came and number < len(graph.passes)
    return f"In backward pass {number} of {len(graph.passes)}{', the last that came to it' if last else ''}:"


def _asked(graph: Graph, name: str) -> _Answer:
    key, port = (name, 0) if name in graph.nodes and not is_called(graph, name) else place_of_result(graph, name)
    return _Answer(graph, graph_names(graph), graph.nodes[key], port)


def _reached(graph: Graph, answer: _Answer, history: GradHistory | None) -> tuple[int, _Answer] | None:
    """The last pass that came to a result, or to another value of the same tensor, with the answer there."""
    if answer.node.ports[answer.port].grad is not None:
        return len(graph.passes), answer
    if failed_in_this_pass(graph) and (history is None or history.holds is None):
        return None
    for number, done in reversed(list(enumerate(graph.passes, 1))):
        if history is not None:
            values = [place for place in values_of(done, history.tensor) if place[0].ports[place[1]].grad is not None]
            if values:
                return number, _Answer(done, graph_names(done), *values[-1])
        elif had_gradient(done, answer.node) and done.nodes[answer.node.key].ports[answer.port].grad is not None:
            return number, _Answer(done, graph_names(done), done.nodes[answer.node.key], answer.port)
    return None


def values_of(graph: Graph, tensor: int | None) -> list[tuple[Node, int]]:
    """The results that are values of one tensor."""
    return [(node, i) for node in graph.node_list for i, port in enumerate(node.ports) if port.tensor == tensor]


def _others(graph: Graph, name: str, best: _Answer) -> tuple[str, ...]:
    """The other results that the program calls by this name, unless they are values of the same tensor."""
    tensor = best.node.ports[best.port].tensor
    named = [
        node
        for node in graph.node_list
        if (node.name == name or any(port.name == name for port in node.ports))
        and node.key != best.node.key
        and (tensor is None or all(port.tensor != tensor for port in node.ports))
    ]
    return tuple(_Answer(graph, graph_names(graph), node, 0).described(node.key) for node in named)


def _not_drawn(graph: Graph, name: str) -> str | None:
    """The same of a parameter that is no node: nothing read it, or the graph knows it by another of its names; None
    of anything else.
    """
    first = first_names(graph.notes)
    if name in first:
        return f"{name} is the same parameter as {first[name]}. {why_gradient(graph, first[name])}"
    ended = unread_parameters(graph.notes).get(name)
    if ended is None:
        return None
    when = "here" if ended else f"before {error_of(graph)}"
    history = history_called(graph, name)
    if history is not None and history.holds is not None:
        return " ".join((f"No operation read {name} {when}, and no pass brought it a gradient.", *told(history)))
    return (
        f"No gradient: no operation read {name} {when}. A parameter gets a gradient when something that is computed"
        " from it leads to the loss."
    )


@dataclass(frozen=True)
class Stop:
    """Where a way from a result ends on which a gradient could have come back: the edge, None where nothing reads
    ``node``, and the cut there.
    """

    node: Node
    edge: Edge | None
    cut: str


@dataclass(frozen=True)
class _Answer:
    """Why one result of one node has its gradient, or none."""

    graph: Graph
    names: Names
    node: Node
    port: int
    history: GradHistory | None = None
    came: bool = False
    others: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What the result is called."""
        port = self.node.ports[self.port]
        return port.name or self.names.of[self.node.key] + (f"[{self.port}]" if len(self.node.ports) > 1 else "")

    def text(self) -> str:
        """The answer in one line."""
        return " ".join(filter(None, self.sentences()))

    def sentences(self) -> Iterator[str]:
        """The answer."""
        yield from self._reasons()
        yield value_not_finite(self.graph, self.node, self.port, lambda node: self._result(node.key))
        if self.others:
            yield (
                f"The program calls {counted(len(self.others), 'more result')} so:"
                f" {listed_with_and(self.others[:MOST_NAMED])}."
            )
        if self.history is not None and self.node.kind == "leaf":
            yield from told(self.history)
        elif self.node.kind == "leaf" and is_stood_for(self.graph.notes, self.name):
            yield from self._of_what_it_stood_for()

    def _of_what_it_stood_for(self) -> Iterator[str]:
        """That this is not the parameter itself, and what ``.grad`` of that holds."""
        yield f"That is of the tensor which stood for the parameter {self.name} while its module ran, in this process."
        own = history_called(self.graph, self.name)
        said = list(told(own)) if own is not None else []
        if said:
            yield " ".join(("Of the parameter itself:", *said))

    def headline(self) -> Iterator[str]:
        """What ``.grad`` holds of what no pass brought, or no longer of what one did."""
        if self.history is None or self.node.kind != "leaf":
            return
        if self.history.holds is None and self.came:
            yield f"No gradient is left: .grad of {self.name} is None at the end. This is what had come:"
        elif self.history.holds is not None and not self.came:
            yield f".grad of {self.name} holds what no backward pass here has brought."

    def _reasons(self) -> Iterator[str]:
        """Why the gradient is what it is."""
        port = self.node.ports[self.port]
        if port.grad is not None:
            yield from self._has_one(port)
        elif not self.graph.has_gradients:
            yield f"No gradients were computed here: {self._problem()}{self._stop_of_problem()}"
            if any(note.kind == NOTHING_REQUIRES for note in self.graph.notes):
                yield from self._cut_before_the_end()
        elif self.node.cut == "inner":
            yield f"No gradient: {self.name} {REASONS['inner'].why}. {REASONS['inner'].remedy}"
        elif not self.node.requires_grad or not is_differentiable(port):
            yield from self._wants_none(port)
        elif failed_in_this_pass(self.graph, self.node):
            yield f"{self._nothing} has come to {self.name}:"
            yield from self.not_reached_yet()
        else:
            yield from self._is_not_reached()

    def _problem(self) -> str:
        return next(filter(None, map(why_none, self.graph.notes)), "the graph holds none.")

    def _stop_of_problem(self) -> str:
        """What ends a reason that is not a sentence yet."""
        return "." if any(note.kind == NOTHING_REQUIRES for note in self.graph.notes) else ""

    def _cut_before_the_end(self) -> Iterator[str]:
        """What keeps a result from leading to one with a graph."""
        inside = self._read_inside()
        if inside:
            yield from inside
            return
        stops = self._stops_that_matter()
        for stop in stops[:MOST_NAMED]:
            yield f"{capital(self._where(stop))}."
        yield from self._remedies_of(stops)

    # --- there is a gradient

    def _has_one(self, port: Port) -> Iterator[str]:
        edges = [edge for edge in self._uses() if edge.cut is None and edge.grad is not None]
        if len(edges) > MOST_NAMED:
            edges.sort(key=lambda edge: -size_of(edge.grad))  # those that make the gradient what it is
        sources = ["what was fed in there"] if port.upstream is not None else []
        sources += [
            f"{self._amount(edge, len(edges) + len(sources))} from {self._result(edge.head)}"
            for edge in edges[:MOST_NAMED]
        ]
        sources += [f"what came from {counted(len(edges) - MOST_NAMED, 'more use')}"] if len(edges) > MOST_NAMED else []
        whence = (
            f": {sources[0]}" if len(sources) == 1 else f": the sum of {listed_with_and(sources)}" if sources else ""
        )
        yield f"The gradient of {self.name} is {text_of(port.grad)}{self._rounding()}{whence}."
        yield from self._changed_on_its_way(edges)
        yield from self._not_finite(port)
        yield from self._zero()
        if port.arrived is not None and flows_inside(self.node):
            yield (
                f"From outside came {text_of(port.arrived)}; the rest flowed inside of {self.node.op}, which uses this"
                " result itself."
            )
        elif port.arrived is not None:
            yield f"A hook made that of the {text_of(port.arrived)} which had arrived."
        if self.history is None and port.grad_total is not None and port.grad_total != port.grad:
            yield f"Its .grad holds {text_of(port.grad_total)}, since passes add up there."
        if self.node.kind == "op" and self.history is not None:
            yield f"Its .grad holds {text_of(self.history.holds)}, since retain_grad() was called on it."
        elif self.node.kind == "op":
            yield (
                "In torch its .grad is None all the same: only leaves keep theirs, unless retain_grad() is called"
                " before backward()."
            )
        stops = distinct(self._lost())
        if stops:
            yield f"Not part of it: {listed_with_and([self._where(stop) for stop in stops[:MOST_NAMED]])}."

    def _rounding(self) -> str:
        """Whether it is no more than rounding leaves of a sum."""
        noise, largest = noise_in(self.graph, self.node.key, self.port), self.node.ports[self.port].grad
        return ", 0 but for rounding" if largest is not None and 0 < largest_of(largest) <= noise else ""

    def _lost(self) -> Iterator[Stop]:
        """Where ways on that brought nothing are cut, if a loss goes on from there."""
        seen, waiting = {self.node.key}, self._uses()[::-1]
        while waiting:
            edge = waiting.pop()
            head = self.graph.nodes[edge.head]
            if is_update(self.graph, edge) or edge.grad is not None:
                continue
            if edge.cut not in (None, *NO_LOSS):
                if leads_to_a_loss(self.graph, head.key):
                    yield Stop(head, edge, edge.cut)
            elif edge.cut in (None, "unreached") and head.key not in seen and head.grad is None:
                seen.add(head.key)
                waiting += self.graph.out_edges(head.key)[::-1]

    def _changed_on_its_way(self, edges: Sequence[Edge]) -> Iterator[str]:
        """What hooks made of it between the uses and here."""
        for edge in edges:
            head = self.graph.nodes[edge.head]
            if SENT in head.hook_effects:
                yield self._sent(edge)
            elif FLOW in head.hook_effects:
                arrived = listed_with_and([text_of(port.grad) for port in head.ports])
                yield (
                    f"At {self._result(edge.head)} {arrived} arrived, and {text_of(edge.grad)} went back: a hook"
                    f" changed it{'' if head.op == PASSES_ON else ', or rounding did'}."
                )

    def _sent(self, edge: Edge) -> str:
        """What a hook on the node of autograd behind an edge made of what that sent."""
        if edge.made is None:
            return f"A hook on the node of autograd of {self._result(edge.head)} changed what flows back from there."
        return (
            f"From {self._result(edge.head)} came {text_of(edge.made)}; a hook on its node of autograd made"
            f" {text_of(edge.grad)} of that."
        )

    @staticmethod
    def _amount(edge: Edge, count: int) -> str:
        """What an edge brings; as a number only where it is one of several."""
        return text_of(edge.grad) if count > 1 else "what came back"

    def _not_finite(self, port: Port) -> Iterator[str]:
        found = rises(self.graph, self.node, self.port)
        what = "NaN" if has_nan(port.grad) else "infinity"
        for rise in found[:MOST_NAMED]:
            yield (
                f"The {what} came up at {self._result(rise.node.key)}:"
                f" {cause(self.graph, rise, lambda node: self._result(node.key))}"
            )

    def _zero(self) -> Iterator[str]:
        """Where a gradient of 0 became that."""
        for fall in falls(self.graph, self.node, self.port)[:MOST_NAMED]:
            yield f"It is 0 from {self._result(fall.node.key)} on: {cause_of_zero(self.graph, fall, self._result)}"

    # --- there is none to have

    def _wants_none(self, port: Port) -> Iterator[str]:
        if is_constant(self.node):
            yield (
                f"No gradient: {self.name} is a number in the program; give it as an input to get the derivative with"
                " respect to it."
            )
            return
        cut = self.node.cut if self.node.cut in REASONS else "data"
        assert cut is not None
        if not is_differentiable(port):
            yield (
                f"No gradient: {self._result(self.node.key)} holds {port.dtype}, and only real and complex numbers have"
                " derivatives."
            )
        elif self.node.kind != "op":
            yield f"No gradient: {self.name} does not require grad, as data or a parameter that is frozen."
        else:
            yield f"No gradient: {self._result(self.node.key)} {why_at(self.node, cut)}."
        hidden = self._what_it_hides()
        if hidden:
            yield f"Nothing flows back through it to {listed_with_and(hidden)}."
        sources = self._cut_sources() if cut == "data" else []
        if sources:
            yield (
                "It was computed from what is cut:"
                f" {listed_with_and([self._where(stop) for stop in sources[:MOST_NAMED]])}."
            )
        constant = self._constant_gradients() if cut == "data" and not sources else []
        if constant:
            yield (
                f"{listed_with_and([self._result(key) for key in constant[:MOST_NAMED]])} is a gradient in which"
                " nothing requires grad: where what was differentiated is linear, its derivative is a constant, and"
                " there is no second one to have."
            )
            return
        if self.node.kind != "op":
            yield (
                "Call requires_grad_() on it before the computation if you want its gradient."
                if is_differentiable(port)
                else ""
            )
        elif self.graph.has_gradients and not leads_to_a_loss(self.graph, self.node.key):
            yield "Nothing that a backward pass began at was computed from it, so that no gradient is missing."
        elif follows := self._follows():
            yield (
                f"It is computed from what is written to by {place_of(follows)}, as a target network or a moving"
                " average is: no gradient is missing there."
            )
        else:
            yield from self._remedies_of(sources or [Stop(self.node, None, cut)])

    def _follows(self) -> GradEvent | None:
        """What updates all parameters that this was computed from, where that is no optimizer's step."""
        leaves = [
            node for key in feeding(self.graph, [self.node.key]) if (node := self.graph.nodes[key]).kind == "leaf"
        ]
        histories = [history_of(self.graph, node.ports[0].tensor) for node in leaves]
        events = [
            [event for event in history.events if event.what in (UPDATED, STEP)] if history is not None else []
            for history in histories
        ]
        followed = all(each and all(event.what == UPDATED for event in each) for each in events)
        return events[0][-1] if events and followed else None

    def _constant_gradients(self) -> list[str]:
        """The gradients that this was computed from, itself counted, which depend on nothing that requires grad."""
        found: dict[str, None] = {}
        seen, waiting = {self.node.key}, [self.node.key]
        while waiting:
            node = self.graph.nodes[waiting.pop()]
            if node.op in MAKES_GRADIENTS and not node.requires_grad:
                found[node.key] = None
                continue
            further = [edge.tail for edge in self.graph.in_edges(node.key) if edge.tail not in seen]
            seen |= {*further}
            waiting += [key for key in further if not self.graph.nodes[key].requires_grad]
        return list(found)

    def _what_it_hides(self) -> list[str]:
        """What would get a gradient through this node if it were not cut."""
        edges = [
            edge
            for edge in self.graph.in_edges(self.node.key)
            if edge.cut not in (None, "data") and self.graph.nodes[edge.tail].requires_grad
        ]
        return list(dict.fromkeys(self.names.carried(edge) for edge in edges))[:MOST_NAMED]

    def _cut_sources(self) -> list[Stop]:
        """The results from which gradients could have come to here if they were not cut."""
        found: dict[str, Stop] = {}
        seen, waiting = {self.node.key}, [self.node.key]
        while waiting:
            for edge in self.graph.in_edges(waiting.pop()):
                tail = self.graph.nodes[edge.tail]
                if tail.key not in seen and not tail.requires_grad:
                    seen.add(tail.key)
                    if tail.cut in REASONS and tail.cut != "data":
                        found[tail.key] = Stop(tail, edge, tail.cut or "data")
                    else:
                        waiting.append(tail.key)
        return list(found.values())

    # --- one could have come

    @property
    def _nothing(self) -> str:
        """ "No gradient", unless ``.grad`` holds one from elsewhere."""
        return "No gradient" if self.history is None or self.history.holds is None else "Nothing"

    def not_reached_yet(self) -> Iterator[str]:
        """A pass that raised has not come to all that it would have come to."""
        rank = self.node.module[:1] if self.graph.ranks else ()
        stopped = next((node for node in stopped_at(self.graph) if node.module[: len(rank)] == rank), None)
        yield (f"the backward pass failed{f' at {self._result(stopped.key)}' if stopped is not None else ''}.")
        told = [self._result(node.key) for node in writers(self.graph, stopped)] if stopped is not None else []
        if told:
            yield f"What it read or made was written over by {listed_with_and(told)}."
        if stopped is not None and any(note.failure is not None and note.failure.freed for note in self.graph.notes):
            yield from who_freed(self.graph, stopped)
        if stopped is not None and not stopped.requires_grad:  # it has no graph, for a reason
            yield from self._cut_before_the_end()
        yield error_of(self.graph)

    def _is_not_reached(self) -> Iterator[str]:
        stops = self._stops_that_matter()
        finer = self._in_detail() if any(map(is_coarse, self._stops())) else None
        if finer is not None:
            yield from replace(finer, came=self.came).sentences()
            return
        inside = self._read_inside()
        unread = self.node.kind == "leaf" and not self._uses_of_tensor() and not self.node.is_output
        if not inside and unread and all(stop.cut != TAKEN for stop in stops):
            yield f"{self._nothing} arrives at {self.name}, since no operation read it here."
            yield REASONS["unreached"].remedy
            return
        if inside and all(stop.cut in ("unreached", "inner") for stop in stops):
            yield f"{self._nothing} arrives at {self.name}."
            yield from inside
            return
        if len(stops) > MOST_NAMED:
            yield (
                f"{self._nothing} arrives at {self.name}: all {len(stops)} ways on from it end early. The first"
                f" {MOST_NAMED}:"
            )
        else:
            yield f"{self._nothing} arrives at {self.name}."
        for stop in stops[:MOST_NAMED]:
            so = (
                ""
                if stop.cut in (NOT_ASKED, TAKEN, "unreached")
                else f", so nothing flows back to {self.name} through it"
            )
            yield f"{capital(self._where(stop))}{so}."
        yield from self._remedies(stops)

    def _read_inside(self) -> list[str]:
        """What is to be said of custom Functions that read this inside; they show it only in detail."""
        fine = self.graph.detail or self.graph
        tensor = self.node.ports[self.port].tensor
        places = [
            place
            for place in ((node, i) for node in fine.node_list for i in range(len(node.ports)))
            if self.node.kind == place[0].kind == "leaf"
            and (
                place[0].ports[place[1]].tensor == tensor
                if tensor is not None
                else bool(self.node.name) and place[0].name == self.node.name
            )
        ]
        functions = functions_that_read(fine, places)
        names = graph_names(fine)
        described = _Answer(fine, names, self.node, self.port).described
        return list(read_inside(fine, functions, self.name, described)) if functions else []

    def _stops_that_matter(self) -> list[Stop]:
        """The ends of the ways on: those alone from which a loss goes on, if there are any."""
        stops = distinct(self._stops())
        finer = self._in_detail()
        found = [stop for stop in stops if self._matters(stop)]
        found = [stop for stop in found if stop.cut not in NOTHING_LOST] or found
        # of several operations in one call, the one that cuts may be another than the one that leads on
        real = {(stop.node.source, stop.cut) for stop in finer._stops_that_matter()} if finer is not None else set()
        return [stop for stop in found if (stop.node.source, stop.cut) in real] or found or stops

    def _matters(self, stop: Stop) -> bool:
        """Whether a loss goes on from an end."""
        if stop.edge is None:
            return stop.cut == TAKEN
        return stop.cut != "unreached" and may_lead_to_a_loss(self.graph, stop.node.key)

    def _remedies(self, stops: Sequence[Stop]) -> Iterator[str]:
        """What to do, unless it is right as it is."""
        events = self.history.events if self.history is not None else ()
        updates = [event for event in events if event.what == UPDATED]
        if updates and not any(event.what == STEP for event in events):
            yield (
                f"It is written to by {place_of(updates[-1])}, as a target network or a moving average is; such a"
                " tensor needs no gradient."
            )
        elif any(may_lead_to_a_loss(self.graph, stop.node.key) or stop.cut not in CUT_BY_THE_PROGRAM for stop in stops):
            yield from self._remedies_of(stops)
        else:
            yield f"None of that leads to what the backward pass began at. {REASONS['unreached'].remedy}"

    def _remedies_of(self, stops: Sequence[Stop]) -> Iterator[str]:
        """What to do about those that are named."""
        return iter(dict.fromkeys(remedy(self.graph, stop) for stop in stops[:MOST_NAMED] if stop.cut in REMEDIED))

    def _in_detail(self) -> _Answer | None:
        """The same question to the finer graph, if it is about a leaf: a node of several operations may have the
        gradient of only one of them.
        """
        detail = self.graph.detail
        same = (
            [node for node in detail.node_list if node.kind == self.node.kind == "leaf" and node.name == self.node.name]
            if detail is not None
            else []
        )
        return (
            _Answer(detail, graph_names(detail), same[0], self.port)
            if detail is not None and len(same) == 1 and self.node.name
            else None
        )

    def _stops(self) -> Iterator[Stop]:
        """The ends of all ways on from here."""
        found: set[str] = set()
        waiting = [edge for edge in self._uses_of_tensor() if not is_update(self.graph, edge)][::-1]
        if not waiting:
            yield self._end(self.node)
        while waiting:
            edge = waiting.pop()
            head = self.graph.nodes[edge.head]
            has_gradient = any(port.grad is not None for port in head.ports)
            if edge.cut in (None, "none-gradient") and has_gradient:
                yield Stop(head, edge, edge.cut or NOT_ASKED)
            elif edge.cut not in (None, "unreached", "none-gradient"):
                yield Stop(head, edge, edge.cut)
            elif head.key not in found:
                found.add(head.key)
                uses = self.graph.out_edges(head.key)
                waiting += uses[::-1]
                if not uses:
                    yield self._end(head)

    def _end(self, node: Node) -> Stop:
        """A stop at what no operation reads."""
        return Stop(node, None, TAKEN if any(self._goes_on(node)) else "unreached")

    def _goes_on(self, node: Node) -> Iterator[Edge]:
        """Where elements of what no operation reads go on as numbers to a loss."""
        return (edge for _, edge in numbers_held(self.graph, node) if leads_to_a_loss(self.graph, edge.head))

    def _uses_of_tensor(self) -> list[Edge]:
        """The uses of all values that the tensor had."""
        values = values_of(self.graph, self.history.tensor) if self.history is not None else [(self.node, self.port)]
        places = values if (self.node, self.port) in values else [(self.node, self.port)]
        return [edge for node, port in places for edge in self.graph.out_edges(node.key) if edge.port == port]

    def _uses(self) -> list[Edge]:
        return [edge for edge in self.graph.out_edges(self.node.key) if edge.port == self.port]

    # --- words

    def _where(self, stop: Stop) -> str:
        """A stop, with its place in the program: "y was detached at lesson.py:12"."""
        node, name = stop.node, self.names.of[stop.node.key]
        place = f" at {node.source}" if node.source else ""
        if stop.cut == TAKEN:
            return (
                f"no operation reads {self._result(node.key)}, but a number in"
                f" {self._result(next(self._goes_on(node)).head)} is one of its elements to the last digit, and a"
                " number carries no gradient"
            )
        if stop.edge is None:
            updated = "but its own next value " if self.graph.out_edges(node.key) else ""
            return (
                f"nothing {updated}is computed from {self._result(node.key)}"
                if node is self.node
                else f"{self._result(node.key)} {REASONS['unreached'].why}"
            )
        operation = f"{node.op or name}{place}"
        said = {
            DETACHED: f"{name} was {'taken out by .data' if node.op == DATA else 'detached'}{place}",
            "no_grad": computed_under(name, node, stop.cut),
            "inference": computed_under(name, node, stop.cut),
            "non-differentiable": f"{operation} has no derivative" if node.op else f"{name}{place} has no derivative",
            "shape-only": f"{operation} reads only its shape",
            "inplace_view": f"{operation} wrote over it",
            "inner": f"{operation} ran inside a torch.autograd.Function",
            "none-gradient": f"{operation} returned None for its operand {stop.edge.slot + 1}",
            "communication": f"{name} is in another process",
            "data": f"{name} takes no gradient{place}",
            NOT_ASKED: (
                f"{operation} has a gradient, but this pass was asked for those of other tensors only, as with inputs="
            ),
        }
        return said.get(stop.cut, f"{name}{place} is cut: {stop.cut}")

    def described(self, key: str) -> str:
        """A result with what made it and where."""
        return self._result(key)

    def _result(self, key: str) -> str:
        """ "z (mul, lesson.py:12)"."""
        node = self.graph.nodes[key]
        facts = [fact for fact in (node.op, node.source) if fact]
        return self.names.of[key] + (f" ({', '.join(facts)})" if facts else "")


def stops_of(graph: Graph, node: Node, port: int = 0) -> list[Stop]:
    """Where the ways from a leaf end on which a gradient could have come back: those that matter, if any do."""
    return _Answer(graph, graph_names(graph), node, port)._stops_that_matter()


def cut_sources_of(graph: Graph, node: Node) -> list[Stop]:
    """What a result without a graph was computed from and where that was cut."""
    return _Answer(graph, graph_names(graph), node, 0)._cut_sources()


REMEDIED = frozenset({*REASONS, TAKEN})


def remedy(graph: Graph, stop: Stop) -> str:
    """What to do about a stop."""
    if stop.cut == TAKEN or takes_out(stop.node):
        return "Compute with the tensor itself in place of the Python number."
    if stop.cut == "no_grad" and not DRAWS.isdisjoint(ran_in(graph, stop.node)):
        return "Call rsample() in place of sample(), where the distribution has it, to let the gradient through."
    return REASONS[stop.cut].remedy


def is_coarse(stop: Stop) -> bool:
    """Whether a stop may lie in another operation of the call that it is at than the one that leads on."""
    return stop.cut == NOT_ASKED or (stop.cut == "shape-only" and stop.node.inside > 1)


def computed_under(name: str, node: Node, cut: str) -> str:
    """That something was computed where autograd records nothing: with the line that makes it so, where that is known,
    else with its own.
    """
    if node.switched_off:
        return f"{name} was computed {switch_text(node, cut)}"
    return f"{name}, computed{f' at {node.source}' if node.source else ''}, ran {switch_text(node, cut)}"


def is_differentiable(port: Port) -> bool:
    """Whether a result of this dtype can have a gradient; True where the dtype is not known."""
    return port.dtype is None or port.dtype.startswith(("float", "bfloat", "complex", "half", "double"))


def counted(count: int, noun: str) -> str:
    """ "1 use", "3 uses"."""
    return f"{count} {noun}{'s' if count != 1 else ''}"


def listed_with_and(texts: Iterable[str]) -> str:
    """ "a, b and c"."""
    *first, last = texts
    return f"{', '.join(first)} and {last}" if first else last


def capital(text: str) -> str:
    """The text with a capital where it begins with a word, and as it is where it begins with a name."""
    return f"N{text[1:]}" if text.startswith(("nothing ", "no operation ")) else text


def distinct(stops: Iterable[Stop]) -> list[Stop]:
    """Each node and reason once."""
    return list({(stop.node.key, stop.cut): stop for stop in stops}.values())
