"""A graph as it is shown -> for each operation that moves elements about, which elements of which tensors belong
together, and one example of what goes where, in recorded numbers.

A convolution has a window with its products, a pooling the winners of its windows, an operand that was copied to fit
the others the sum that comes back, and rows that were taken the gradients that are added up there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from graphviz_ad._internal.graph.graph import Edge, Graph
from graphviz_ad._internal.graph.snapshot import Array, Snapshot
from graphviz_ad._internal.maths.agreement import consistent, rounding_share
from graphviz_ad._internal.maths.attention_tokens import attention_of
from graphviz_ad._internal.maths.claims import Call, Claim, decide, passed, with_operands
from graphviz_ad._internal.maths.masked_elements import elements, masked_elements
from graphviz_ad._internal.maths.rows_taken import Taken, taken_by
from graphviz_ad._internal.maths.shown_results import Result, Shown
from graphviz_ad._internal.maths.windows import Place, Products, Windows, telling_products, windows_of, winners_of
from graphviz_ad._internal.operations.traits import CHOOSES, CONVOLUTIONS

VALUE, GRADIENT = "value", "gradient"
EXAMPLE, WINNER, WINDOW, MASKED = "example", "winner", "window", "masked"
MOST_EXAMPLES = 3  # of one picture: more outlines could not be told apart
MOST_ELEMENTS = 4096  # of a tensor of which examples are made


@dataclass(frozen=True)
class Marked:
    """Elements of a result, or ``of`` its gradient, that belong together, counted through; ``kind`` says how, and
    ``number`` to which example.
    """

    result: Result
    of: str
    kind: str
    places: tuple[int, ...]
    number: int = 0


@dataclass(frozen=True)
class Summed:
    """What one element of a convolution adds up; ``into`` is the result that it is an element of."""

    into: Result
    products: Products


@dataclass(frozen=True)
class Won:
    """The largest below a window: ``place`` of the result ``into`` has it from place ``winner`` of ``out_of``."""

    into: Result
    place: Place
    out_of: Result
    winner: Place
    values: tuple[float, ...]
    most: float


@dataclass(frozen=True)
class Copied:
    """What comes back to one element of an operand that was copied: the sum of the gradients at all its copies."""

    operand: Result
    place: Place
    minus: bool
    terms: tuple[float, ...]
    total: float


@dataclass(frozen=True)
class RowsAdded:
    """The rows of a result that are one ``row`` of a table, and the gradients that are added up there."""

    table: Result
    row: int
    into: Result
    rows: tuple[int, ...]
    terms: tuple[tuple[float, ...], ...] = ()
    total: tuple[float, ...] = ()


@dataclass(frozen=True)
class Chosen:
    """The two tensors of which a choice takes the elements."""

    first: Result
    second: Result


Told = Summed | Won | Copied | RowsAdded | Chosen


@dataclass(frozen=True)
class Example:
    """What the box of a ``node`` tells of its operation; ``number`` tells examples apart."""

    node: str
    told: Told
    number: int = 0


@dataclass(frozen=True)
class Moves:
    """What is known of a whole graph: ``rows`` are the numbers of the rows of results that were picked by index;
    ``tokens``: attention -> the results whose rows its rows and its columns are.
    """

    marks: tuple[Marked, ...] = ()
    examples: tuple[Example, ...] = ()
    rows: Mapping[Result, tuple[int, ...]] = field(default_factory=dict)
    tokens: Mapping[Result, tuple[Result, Result]] = field(default_factory=dict)


Found = tuple[list[Marked], Told | None]


def moves_of_graph(graph: Graph, known: Mapping[str, Claim] | None = None) -> Moves:
    """How the operations of a graph move elements, as it is shown; ``known``: what was decided of its nodes."""
    shown = Shown(graph)
    claims = known if known is not None and shown.finest is graph else {}
    marks: list[Marked] = [*masked_marks(shown)]
    examples: list[Example] = []
    rows: dict[Result, tuple[int, ...]] = {}
    tokens: dict[Result, tuple[Result, Result]] = {}
    for source, node, box in shown.operations():
        claim = claims.get(node.key)
        seen = Seen(shown, source, claim.call if claim is not None else with_operands(source, node), claim)
        for find in EXAMPLES:
            for found, told in find(seen):
                number = len(examples)
                if told is not None and number < MOST_EXAMPLES:
                    examples.append(Example(box, told, number))
                    marks += [replace(mark, number=number) if mark.kind == EXAMPLE else mark for mark in found]
                else:
                    marks += [mark for mark in found if mark.kind != EXAMPLE]
        rows |= named_rows(seen)
        tokens |= named_tokens(seen)
    return Moves(tuple(marks), tuple(examples), rows, tokens)


@dataclass(frozen=True, eq=False)
class Seen:
    """An operation, and where its operands and result are seen."""

    shown: Shown
    graph: Graph
    call: Call
    known: Claim | None = None

    @property
    def claim(self) -> Claim:
        """What is true of it."""
        return self.known or decide(self.graph, self.call.node)

    def operand(self, slot: int) -> Result | None:
        """Where an operand is seen."""
        return self.shown.operand(self.graph, self.call.operands[slot])

    def result(self) -> Result | None:
        """Where the result is seen."""
        return self.shown.result(self.graph, self.call.node)

    def is_all_of(self, edge: Edge, at: Result) -> bool:
        """Whether what flows back along an edge is the whole gradient of the result where the operand is seen."""
        grad = self.shown.graph.nodes[at[0]].ports[at[1]].grad
        return edge.grad is not None and grad is not None and same_elements(edge.grad, grad)


def same_elements(one: Snapshot, other: Snapshot) -> bool:
    """Whether two tensors have the same elements in the same order, be it in another shape."""
    return (
        one.array is not None
        and other.array is not None
        and bool(np.array_equal(one.array.reshape(-1), other.array.reshape(-1)))
    )


def counted(places: Iterable[Place], shape: Sequence[int]) -> tuple[int, ...]:
    """Places of a tensor, each as one number, counted through."""
    return tuple([int(np.ravel_multi_index(place, tuple(shape))) for place in places])


# --- masks


def masked_marks(shown: Shown) -> Iterator[Marked]:
    """The elements that a mask took out, and their gradients, which are 0."""
    for key, where in masked_elements(shown.finest).items():
        at = shown.result(shown.finest, shown.finest.nodes[key])
        if at is None:
            continue
        yield Marked(at, VALUE, MASKED, tuple(np.flatnonzero(where).tolist()))
        grad = shown.graph.nodes[at[0]].ports[at[1]].grad
        if grad is not None and grad.array is not None and grad.array.size == where.size:
            hidden = where.reshape(-1) & (grad.array.reshape(-1) == 0)
            yield Marked(at, GRADIENT, MASKED, tuple(np.flatnonzero(hidden).tolist()))


# --- windows


def of_convolution(seen: Seen) -> Iterator[Found]:
    """A window, its kernel, and the element that comes of them."""
    call = seen.call
    windows = windows_of(call) if call.name in CONVOLUTIONS else None
    found = telling_products(call, windows) if windows is not None else None
    into = seen.result()
    if windows is None or found is None or into is None:
        return
    marks = [Marked(into, VALUE, EXAMPLE, counted([found.place], call.node.ports[0].shape or ()))]
    for slot, places in ((0, found.on), (1, found.of)):
        at = seen.operand(slot)
        if at is not None:
            marks.append(Marked(at, VALUE, EXAMPLE, counted(places, call.shapes[slot])))
    yield marks, Summed(into, found)


def of_pooling(seen: Seen) -> Iterator[Found]:
    """The winners of all windows, in the operand and in its gradient; the largest of them as an example."""
    call = seen.call
    windows = windows_of(call)
    winners = winners_of(call, windows) if windows is not None else None
    into, out_of = seen.result(), seen.operand(0) if call.operands else None
    if windows is None or winners is None or out_of is None:
        return
    shape, space = call.shapes[0], len(windows.spans)
    at = {place: won_at(shape, place, int(winners[place]), space) for place in np.ndindex(*winners.shape)}
    won = counted(at.values(), shape)
    marks = [Marked(out_of, VALUE, WINNER, won)]
    edge = call.operands[0]
    if edge.grad is not None and seen.is_all_of(edge, out_of):
        marks.append(Marked(out_of, GRADIENT, WINNER, won))
    if windows.are_apart:
        marks += [Marked(out_of, VALUE, WINDOW, below(windows, place, shape)) for place in at]
    yield marks, won_most(call, windows, at, into, out_of) if into is not None else None


def won_at(shape: Place, place: Place, winner: int, space: int) -> Place:
    """The place of a winner in the operand."""
    return (*place[:-space], *map(int, np.unravel_index(winner, shape[-space:])))


def below(windows: Windows, place: Place, shape: Place) -> tuple[int, ...]:
    """The places of the operand below one window, counted through."""
    space = len(windows.spans)
    return counted([(*place[:-space], *at) for at in windows.below(place[-space:]) if at is not None], shape)


def won_most(call: Call, windows: Windows, at: Mapping[Place, Place], into: Result, out_of: Result) -> Won | None:
    """The largest of all winners, with what else lies below its window."""
    values, out = call.ports[0].value, call.node.ports[0].value
    if values is None or out is None or values.array is None or out.array is None:
        return None
    array, most = values.array, out.array
    place = max(at, key=lambda place: float(most[place]))
    inside = [array.reshape(-1)[i].item() for i in below(windows, place, array.shape)]
    return Won(into, place, out_of, at[place], tuple(inside), most[place].item())


# --- choices


def of_choice(seen: Seen) -> Iterator[Found]:
    """Which elements of a choice between two tensors are those of the first."""
    call, into = seen.call, seen.result()
    if call.name != CHOOSES or len(call.ports) != 3 or () in call.shapes or into is None:
        return
    first, second = seen.operand(1), seen.operand(2)
    mask, one, other = (elements(port.value) for port in call.ports)
    out = elements(call.node.ports[0].value)
    if first is None or second is None or mask is None or one is None or other is None or out is None:
        return
    if mask.dtype.kind != "b" or any(each.shape != out.shape for each in (mask, one, other)):
        return
    if np.array_equal(np.where(mask, one, other), out, equal_nan=out.dtype.kind == "f"):
        yield [Marked(into, VALUE, WINDOW, tuple(np.flatnonzero(mask).tolist()))], Chosen(first, second)


# --- copies


def of_copies(seen: Seen) -> Iterator[Found]:
    """What comes back to an operand that was copied to fit the others, for one of its elements."""
    call = seen.call
    arrived = call.node.ports[0].grad
    if len(call.node.ports) != 1 or arrived is None:
        return
    for slot, edge in enumerate(call.operands):
        if edge.cut is None and edge.grad is not None and edge.grad.numel < arrived.numel:
            back = passed(seen.graph, seen.claim, edge)
            if back.summed and back.backward in ("g", "-g"):
                yield from copies_of(seen, slot, edge, minus=back.backward == "-g")


def copies_of(seen: Seen, slot: int, edge: Edge, *, minus: bool) -> Iterator[Found]:
    """The copies of one element, where they add up to what flowed back."""
    call, arrived = seen.call, seen.call.node.ports[0].grad
    operand, into = seen.operand(slot), seen.result()
    sent = edge.grad.array if edge.grad is not None else None
    if arrived is None or arrived.array is None or sent is None or operand is None or not sent.size:
        return
    grad = arrived.array
    copied = copy_places(call, sent.shape, grad.shape)
    if copied is None or grad.size > MOST_ELEMENTS or np.iscomplexobj(grad):
        return
    terms = [grad.reshape(-1)[copied == i] for i in range(sent.size)]
    if not add_up(terms, sent, minus=minus, dtype=edge.grad.dtype if edge.grad is not None else None):
        return
    best = max(range(sent.size), key=lambda i: (np.count_nonzero(terms[i]), -i))
    place = tuple(map(int, np.unravel_index(best, sent.shape)))
    marks = [Marked(operand, VALUE, EXAMPLE, (best,))]
    if into is not None:
        marks.append(Marked(into, GRADIENT, EXAMPLE, tuple(np.flatnonzero(copied == best).tolist())))
    if seen.is_all_of(edge, operand):
        marks.append(Marked(operand, GRADIENT, EXAMPLE, (best,)))
    found = tuple(terms[best].tolist())
    yield marks, Copied(operand, place, minus, found, sent.reshape(-1)[best].item())


def copy_places(call: Call, own: Place, used: Place) -> Array | None:
    """For each element of the result the one of the operand, counted through, whose copy went there, in one row."""
    shape = (*own, *(1 for _ in used[2:])) if call.name in CONVOLUTIONS and len(own) == 1 else own
    try:
        numbers = np.arange(int(np.prod(own))).reshape(shape)
        return np.array(np.broadcast_to(numbers, used)).reshape(-1)
    except ValueError:
        return None


def add_up(terms: Sequence[Array], sent: Array, *, minus: bool, dtype: str | None) -> bool:
    """Whether the gradients at the copies of each element add up to what flowed back to it."""
    with np.errstate(all="ignore"):
        totals = np.array([np.sum(each, dtype=np.float64) for each in terms]).reshape(sent.shape)
        sizes = np.array([np.sum(np.abs(each), dtype=np.float64) for each in terms]).reshape(sent.shape)
    count = max(map(len, terms), default=1)
    return consistent(-totals if minus else totals, sent.astype(np.float64), rounding_share(dtype, count) * sizes)


# --- rows


def of_rows(seen: Seen) -> Iterator[Found]:
    """A row of a table that was taken most often, with the rows of the result that it is."""
    taken = taken_by(seen.call)
    if taken is None:
        return
    slot = seen.call.operands.index(taken.edge)
    table, into = seen.operand(slot), seen.result()
    if table is None or into is None:
        return
    if not taken.rows:
        where = tuple(sorted({*taken.places.reshape(-1).tolist()}))
        yield [Marked(table, of, WINDOW, where) for of in (VALUE, GRADIENT)], None
        return
    row = max(taken.rows, key=taken.rows.count)
    rows = tuple([i for i, each in enumerate(taken.rows) if each == row])
    yield row_marks(seen, taken, row, rows, table, into), rows_added(seen, taken, row, rows, table, into)


def row_marks(seen: Seen, taken: Taken, row: int, rows: tuple[int, ...], table: Result, into: Result) -> list[Marked]:
    """A row of the table and those of the result, as values and as gradients."""
    wide = taken.places.size // len(taken.rows)
    there = tuple([i * wide + k for i in rows for k in range(wide)])
    here = tuple([row * wide + k for k in range(wide)])
    marks = [Marked(table, VALUE, EXAMPLE, here), Marked(into, VALUE, EXAMPLE, there)]
    if seen.is_all_of(taken.edge, table):
        marks += [Marked(table, GRADIENT, EXAMPLE, here), Marked(into, GRADIENT, EXAMPLE, there)]
    return marks


def rows_added(seen: Seen, taken: Taken, row: int, rows: tuple[int, ...], table: Result, into: Result) -> RowsAdded:
    """The gradients of the rows of the result that are one row of the table."""
    plain = RowsAdded(table, row, into, rows)
    arrived, sent = seen.call.node.ports[0].grad, taken.edge.grad
    if arrived is None or sent is None or arrived.array is None or sent.array is None:
        return plain
    each, table_rows = arrived.array.reshape(len(taken.rows), -1), sent.array.reshape(sent.shape[0], -1)
    terms = tuple([tuple(each[i].tolist()) for i in rows])
    return replace(plain, terms=terms, total=tuple(table_rows[row].tolist()))


def named_rows(seen: Seen) -> dict[Result, tuple[int, ...]]:
    """The rows of a table, by number, and which of them each row of a result is."""
    taken = taken_by(seen.call)
    if taken is None or not taken.rows or len(taken.places.shape) != 2:
        return {}
    table, into = seen.operand(seen.call.operands.index(taken.edge)), seen.result()
    own = seen.call.shapes[seen.call.operands.index(taken.edge)]
    found = {into: taken.rows} if into is not None else {}
    return found | ({table: tuple(range(own[0]))} if table is not None else {})


# --- attention


def named_tokens(seen: Seen) -> dict[Result, tuple[Result, Result]]:
    """The weights and scores of an attention, each with the results whose rows its rows and its columns are."""
    found = attention_of(seen.call)
    if found is None:
        return {}
    whose = [seen.shown.operand(seen.graph, edge) for edge in (found.queries, found.keys)]
    if whose[0] is None or whose[1] is None:
        return {}
    matrices = [seen.shown.result(seen.graph, node) for node in (found.weights, *found.scores)]
    return {at: (whose[0], whose[1]) for at in matrices if at is not None}


EXAMPLES: tuple[Callable[[Seen], Iterator[Found]], ...] = (of_convolution, of_pooling, of_rows, of_choice, of_copies)
