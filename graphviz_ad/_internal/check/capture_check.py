"""Graph -> CaptureReport: whether each operation was linked to the right autograd node, and each operand to the
right autograd edge.

The finished graph is all that is looked at, as finely as it was recorded: what the tracer went by when it made the
links plays no part. A link is held against the names on both sides, the shapes, the order in which autograd ran, and,
where the operation has a formula and the elements were kept, the numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from graphviz_ad._internal.base.text_table import table
from graphviz_ad._internal.check.link_numbers import (
    backward_fits,
    fits_with,
    flow_fits,
    forward_fits,
    local_fits,
    other_order,
)
from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths import autograd_names
from graphviz_ad._internal.maths.autograd_names import WRITES_TO_A_VIEW
from graphviz_ad._internal.maths.claims import base_name, operands_of
from graphviz_ad._internal.operations.rules import SHAPES

NUMBERS, NAMES, OPEN, WRONG = "numbers", "name and shape", "not verifiable", "WRONG"
OPERATION, OPERAND = "operation", "operand"
FOLLOWED = (None, "none-gradient")  # cuts of the edges that are autograd's own
MISLED = "an operand of it is linked wrongly"
MOST_LISTED = 12  # links of a kind in a printed report
MOST_TRIED = 8  # operations that are linked wrongly, each tried in the place of another


@dataclass(frozen=True)
class Link:
    """One link: of an operation to its autograd node, or of an operand to its autograd edge.

    ``key`` is that of the node or edge in ``graph.detail``; ``verdict`` is by what it was verified, "not verifiable" or
    "WRONG", and ``why`` the reason for these two; ``guess`` is True where the tracer itself was not certain.
    """

    kind: str
    key: str
    text: str
    verdict: str
    why: str = ""
    guess: bool = False


@dataclass(frozen=True)
class CaptureReport:
    """What `verify` found; prints as a table with everything below it that is not verified."""

    links: tuple[Link, ...]

    @property
    def ok(self) -> bool:
        """Whether no link is wrong."""
        return not self.wrong

    @property
    def wrong(self) -> tuple[Link, ...]:
        """The links that cannot be right."""
        return tuple(link for link in self.links if link.verdict == WRONG)

    @property
    def guesses(self) -> tuple[Link, ...]:
        """The links of which the tracer itself was not certain."""
        return tuple(link for link in self.links if link.guess)

    def count(self, kind: str, verdict: str) -> int:
        """How many links of a kind have a verdict."""
        return sum(link.kind == kind and link.verdict == verdict for link in self.links)

    def __str__(self) -> str:
        """The table."""
        rows = [
            (verdict, *(str(self.count(kind, verdict)) for kind in (OPERATION, OPERAND)))
            for verdict in (NUMBERS, NAMES, OPEN, WRONG)
        ]
        return "\n".join(
            [*table([("linked to autograd, verified by", "operations", "operands"), *rows]), *self._listed()]
        )

    def _listed(self) -> Iterator[str]:
        for link in self.wrong:
            yield f"WRONG: {link.text}: {link.why}"
        reasons = Counter(link.why for link in self.links if link.verdict == OPEN)
        for reason, count in reasons.items():
            first = next(link.text for link in self.links if link.verdict == OPEN and link.why == reason)
            yield f"not verifiable: {first}{f' and {count - 1} more' if count > 1 else ''}: {reason}"
        for n, link in enumerate(self.guesses):
            if n == MOST_LISTED:
                yield f"guesses: {len(self.guesses) - n} more"
                break
            yield f"guess: {link.text}: torch does not say which operand this is; verified by: {link.verdict}"


def verify(graph: Graph) -> CaptureReport:
    """Look at every link of the graph.

    Names and shapes come first, then the numbers, operands before their readers: of what is computed with an operation
    that is linked wrongly, the numbers are not right either, and that is no fault of its own link.
    """
    fine = graph.detail or graph
    judge = _Judge(fine)
    judge.look_at_names()
    judge.look_at_numbers()
    judge.look_at_the_misled()
    judge.look_at_flows()
    return CaptureReport(tuple(link for found in judge.evidence.values() for link in found.links(judge.wrong)))


class _Judge:
    """Finds the operations that are linked wrongly: ``wrong`` says why, by key."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.evidence = {
            node.key: Evidence(graph, node) for node in graph.node_list if node.kind in ("op", "data") and node.autograd
        }
        self.wrong: dict[str, str] = {}

    def look_at_names(self) -> None:
        """Names, and shapes of the gradients that arrived."""
        for key, found in self.evidence.items():
            self._note(key, found.against_names())

    def look_at_numbers(self) -> None:
        """Numbers, where the operands are what they are called."""
        for key in operands_first(self.graph):
            found = self.evidence.get(key)
            if found is not None and key not in self.wrong and not found.wrong_operands(self.wrong):
                found.read_numbers()
                self._note(key, found.against_numbers())

    def look_at_the_misled(self) -> None:
        """What has a wrong operand: whether it would be right with another of the wrong ones in its place."""
        others = [self.graph.nodes[key] for key in self.wrong][:MOST_TRIED]
        for key, found in self.evidence.items():
            edges = found.wrong_operands(self.wrong)
            if key not in self.wrong and len(edges) == 1 and len(self.wrong) <= MOST_TRIED:
                self._note(key, found.against_every(edges[0], others))

    def look_at_flows(self) -> None:
        """Gradients that are not the sum of what the uses send, where these are linked rightly."""
        for key, found in self.evidence.items():
            if key not in self.wrong and not self._is_used_wrongly(key):
                self._note(key, found.against_flow())

    def _is_used_wrongly(self, key: str) -> bool:
        uses = [(edge, self.evidence.get(edge.head)) for edge in self.graph.out_edges(key)]
        return any(
            found is not None and (edge.head in self.wrong or found.against_operand(edge)) for edge, found in uses
        )

    def _note(self, key: str, why: str) -> None:
        if why:
            self.wrong[key] = why


def operands_first(graph: Graph) -> Iterator[str]:
    """Every node after those that gradients flow on to from it; what goes around in a circle, as only wrong links
    do, comes last.
    """
    waiting = {node.key: sum(edge.cut in FOLLOWED for edge in graph.in_edges(node.key)) for node in graph.node_list}
    ready = [key for key in reversed(waiting) if not waiting[key]]
    while ready:
        key = ready.pop()
        del waiting[key]
        yield key
        for edge in graph.out_edges(key):
            if edge.cut in FOLLOWED and edge.head in waiting:
                waiting[edge.head] -= 1
                if not waiting[edge.head]:
                    ready.append(edge.head)
    yield from waiting


class Evidence:
    """What speaks for and against the links of one operation; numbers are only read when asked for."""

    def __init__(self, graph: Graph, node: Node) -> None:
        self.graph, self.node = graph, node
        self.edges = [edge for edge in graph.in_edges(node.key) if edge.cut in FOLLOWED]
        self.name = (
            autograd_names.verdict(node.op or "?", node.autograd[0])
            if len(node.autograd) == 1
            else autograd_names.UNKNOWN
        )
        self.unread = why_numbers_say_nothing(graph, node)
        self.forward: bool | None = None
        self.order: tuple[int, ...] | None = None
        self.backward: dict[str, bool | None] = {}

    def read_numbers(self) -> None:
        """Compute everything that there is a formula for."""
        if self.unread:
            return
        self.forward = forward_fits(self.graph, self.node)
        self.order = other_order(self.graph, self.node) if self.forward is False else None
        self.backward = {edge.key: self._back(edge) for edge in self.edges}

    def _back(self, edge: Edge) -> bool | None:
        found = False if local_fits(self.graph, edge) is False else backward_fits(self.graph, edge)
        return None if found is False and is_hooked(self.node) else found

    def wrong_operands(self, wrong: Container[str]) -> list[Edge]:
        """The operands that are not what they are called."""
        return [edge for edge in self.edges if edge.tail in wrong]

    # --- against the link of the operation; each says why, or ""

    def against_names(self) -> str:
        """The names do not agree, or the gradient that arrived is of another shape."""
        if self.name == autograd_names.DIFFER and not self._is_guess():
            return "the names do not agree"
        # there the gradient is that of the whole, and the value may be that of the part
        if WRITES_TO_A_VIEW in self.node.autograd:
            return ""
        shapes = next(
            (found for port in self.node.ports if (found := differing_shapes(port.grad, port)) is not None), None
        )
        return "" if shapes is None else f"the gradient that arrived has shape {shapes[0]}, the result {shapes[1]}"

    def against_numbers(self) -> str:
        """It does not hold what it should, in whatever order the operands are; or what came back from it cannot be
        its own.
        """
        if self.forward is False and self.order is None:
            return f"it does not hold what {self.node.op} makes of its operands"
        told = [fits for fits in self.backward.values() if fits is not None]
        if told and not any(told) and self.order is None and not (self.forward and flow_fits(self.graph, self.node)):
            return f"what came back from it is not what {self.node.op} makes of the gradient that arrived"
        return ""

    def against_every(self, edge: Edge, others: Sequence[Node]) -> str:
        """With none of these in the place of one operand it holds what it should."""
        if self.unread or forward_fits(self.graph, self.node) is not False:
            return ""
        values = [port.value for other in others if other.key not in (self.node.key, edge.tail) for port in other.ports]
        if any(fits_with(self.graph, self.node, edge, value) is not False for value in values):
            return ""
        return f"it holds what {self.node.op} makes of none of the operations that are linked wrongly"

    def against_flow(self) -> str:
        """The gradient that arrived is not the sum of what was sent to it."""
        return (
            "the gradient that arrived is not the sum of what came back from its uses"
            if flow_fits(self.graph, self.node) is False
            else ""
        )

    def _is_guess(self) -> bool:
        """Whether the tracer was not certain; torch runs some operations as others, such as a sum with zeros."""
        return any(edge.match == "guess" for edge in self.edges)

    # --- against the link of one operand

    def against_operand(self, edge: Edge) -> str:
        """What came back along an edge cannot be this operand's; "" if it can."""
        tail = self.graph.nodes[edge.tail]
        if (
            WRITES_TO_A_VIEW not in tail.autograd
            and (shapes := differing_shapes(edge.grad, tail.ports[edge.port])) is not None
        ):
            return f"what came back has shape {shapes[0]}, the operand {shapes[1]}"
        if ran_before(tail, self.node):
            return "autograd ran the node of the operand first"
        if self.order is not None:
            place = [each.key for each in self.graph.in_edges(self.node.key)].index(edge.key)
            return (
                f"it gives what {self.node.op} holds only as operand {self.order.index(place) + 1}"
                if self.order[place] != place
                else ""
            )
        return (
            f"what came back along it is not what {self.node.op} sends to this operand"
            if self.backward.get(edge.key) is False
            else ""
        )

    # --- verdicts

    def links(self, wrong: Mapping[str, str]) -> Iterator[Link]:
        """The link of the operation, and those of its operands; ``wrong`` are the operations that are linked
        wrongly, with the reason.
        """
        why = wrong.get(self.node.key, "")
        verdict, silence = (WRONG, why) if why else self._for_operation(bool(self.wrong_operands(wrong)))
        yield Link(
            OPERATION, self.node.key, f"{called(self.node)} → {' + '.join(self.node.autograd)}", verdict, silence
        )
        for edge in self.edges:
            tail = self.graph.nodes[edge.tail]
            result = f"[{edge.port}]" if len(tail.ports) > 1 else ""
            text = f"{called(tail)}{result} → operand {edge.slot + 1} of {called(self.node)}"
            yield Link(OPERAND, edge.key, text, *self._for_operand(edge, verdict, wrong), edge.match == "guess")

    def _for_operation(self, misled: bool) -> tuple[str, str]:
        if self.forward or self.order is not None or any(self.backward.values()):
            return NUMBERS, ""
        if self.name == autograd_names.AGREE:
            return NAMES, ""
        if self.name == autograd_names.DIFFER:
            return OPEN, "the names do not agree, and its operands are guesses"
        if misled or is_hooked(self.node):
            return OPEN, MISLED if misled else "a hook stands between"
        several = "several nodes of autograd stand in one" if len(self.node.autograd) > 1 else ""
        return (
            OPEN,
            self.unread
            or several
            or "the names say nothing, and it has no formula here, or not all elements were kept",
        )

    def _for_operand(self, edge: Edge, operation: str, wrong: Container[str]) -> tuple[str, str]:
        if operation == WRONG or edge.tail in wrong:
            return OPEN, "the operation is linked wrongly" if operation == WRONG else MISLED
        why = self.against_operand(edge)
        if why or self.backward.get(edge.key):
            return (WRONG, why) if why else (NUMBERS, "")
        if edge.cut is not None or (edge.grad is None and self.graph.has_gradients):
            return OPEN, "no gradient came back along it"
        if edge.match == "guess":
            return OPEN, "torch does not say which operand this is, and no formula tells"
        if len(self.edges) == 1 and self.forward:
            return NUMBERS, ""  # the only operand that a gradient goes to, and the result is made of it
        return (NAMES, "") if operation in (NUMBERS, NAMES) else (OPEN, "nothing is known of the operation")


def why_numbers_say_nothing(graph: Graph, node: Node) -> str:
    """Why the numbers around an operation cannot verify its links, where that is plain from the start; "" otherwise."""
    if any(autograd_names.is_custom(label) for label in node.autograd):
        return "only its author knows what it computes"
    if node.call is None:
        return "nobody saw it run, so that its name is that of its autograd node"
    if WRITES_TO_A_VIEW in node.autograd:
        return "it wrote to a part of a tensor, and its autograd node stands for the whole"
    if len(operands_of(graph, node)) < len(graph.in_edges(node.key)):
        return "an operand was written to behind autograd's back before it was read"
    if any(edge.cut is not None and wrote_to_a_view(graph, edge.tail) for edge in graph.in_edges(node.key)):
        return (
            "a part of an operand was written to where autograd did not follow, and whether it read the part or the"
            " whole is not known"
        )
    return "it has several results" if len(node.ports) > 1 else ""


def wrote_to_a_view(graph: Graph, key: str) -> bool:
    """Whether an operation wrote to what others read, through a part of it or another view of it."""
    written = graph.in_edges(key)[:1] if (graph.nodes[key].op or "").endswith("_") else []
    return any(base_name(graph.nodes[edge.tail]) in SHAPES for edge in written)


def is_hooked(node: Node) -> bool:
    """Whether a hook may have changed what came back from a node."""
    return bool(node.hooks or node.hook_effects)


def differing_shapes(grad: Snapshot | None, port: Port) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """The shapes of a gradient and of what it is the gradient of, if they are known and not the same."""
    if grad is None or port.shape is None or grad.shape == port.shape:
        return None
    return grad.shape, port.shape


def ran_before(tail: Node, head: Node) -> bool:
    """Whether autograd ran the node of an operand before that of the operation that read it, which cannot be."""
    return (
        tail.backward_order is not None
        and head.backward_order is not None
        and tail.backward_order < head.backward_order
    )


def called(node: Node) -> str:
    """A node in a report: what it is, and where it stands in the program."""
    name = node.op if node.kind == "op" else node.name
    return f"{name or node.key} ({node.source})" if node.source else name or node.key
