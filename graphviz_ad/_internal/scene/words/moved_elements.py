"""What is known of how elements move -> the rings in the grids of a picture, and the lines in which boxes tell an
example: "▢ y[1,2] = 3·1 + 1·(−1) = 2".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np

from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.maths.claims import Claim
from graphviz_ad._internal.maths.element_examples import (
    EXAMPLE,
    MASKED,
    WINNER,
    Chosen,
    Copied,
    Example,
    Marked,
    RowsAdded,
    Summed,
    Told,
    Won,
    moves_of_graph,
)
from graphviz_ad._internal.maths.number_format import MINUS, short_element, short_number, without_signs_of_zeros
from graphviz_ad._internal.scene.scene import Grid, Line, Ring
from graphviz_ad._internal.scene.words.names import Names
from graphviz_ad._internal.scene.words.short_text import after_sign, equal_to, is_negative
from graphviz_ad._internal.scene.words.tensor_grids import cell_in_grid, cell_in_image

BOX, CIRCLE = "▢", "◯"  # before what is told of an outline, and of a winner
LINE_ROOM, MOST_LINES, MOST_TERMS, MOST_IN_ROW = 36, 4, 10, 4  # characters; lines; terms; elements of a row
MOST_NODES = 60  # of a graph whose examples are told
MOST_RINGED = 12  # rows and columns of an image in which each winner has a ring
Result = tuple[str, int]


@dataclass(frozen=True, eq=False)
class MovedElements:
    """``marks``: result and whether of its value or gradient -> the elements that are marked, with its shape;
    ``examples``: box -> what it tells; ``rows`` and ``columns``: result -> what its rows and columns are called.
    """

    marks: Mapping[tuple[Result, str], tuple[Marked, ...]] = field(default_factory=dict)
    shapes: Mapping[Result, tuple[int, ...]] = field(default_factory=dict)
    examples: Mapping[str, tuple[Example, ...]] = field(default_factory=dict)
    rows: Mapping[Result, tuple[str, ...]] = field(default_factory=dict)
    columns: Mapping[Result, tuple[str, ...]] = field(default_factory=dict)


def elements_in_picture(graph: Graph, names: Names, claims: Mapping[str, Claim]) -> MovedElements:
    """All that is told of a graph whose picture can be read; nothing of a larger one."""
    return moved_elements(graph, names, claims) if len(graph.node_list) <= MOST_NODES else MovedElements()


def moved_elements(graph: Graph, names: Names, claims: Mapping[str, Claim]) -> MovedElements:
    """All that is told of a graph, of whose nodes that is claimed."""
    moves = moves_of_graph(graph, claims)
    marks: dict[tuple[Result, str], tuple[Marked, ...]] = {}
    shapes: dict[Result, tuple[int, ...]] = {}
    for mark in moves.marks:
        shape = graph.nodes[mark.result[0]].ports[mark.result[1]].shape
        if shape:
            key = mark.result, mark.of
            marks[key], shapes[mark.result] = (*marks.get(key, ()), mark), shape
    examples: dict[str, tuple[Example, ...]] = {}
    for example in moves.examples:
        examples[example.node] = (*examples.get(example.node, ()), example)
    rows = {at: tuple(map(str, numbers)) for at, numbers in moves.rows.items()}
    columns: dict[Result, tuple[str, ...]] = {}
    for at, (queries, keys) in moves.tokens.items():
        rows[at] = row_names(graph, names, at, queries, -2)
        columns[at] = row_names(graph, names, at, keys, -1)
    return MovedElements(marks, shapes, examples, rows, columns)


def row_names(graph: Graph, names: Names, matrix: Result, whose: Result, side: int) -> tuple[str, ...]:
    """The rows of a result, "q[0]", as what the rows (−2) or columns (−1) of one matrix are called; none where that is
    several matrices, or the rows are not those.
    """
    shape, own = (graph.nodes[key].ports[port].shape or () for key, port in (matrix, whose))
    *batch, count, _ = own if len(own) > 1 else (0, 0)
    if len(shape) < 2 or math.prod(shape[:-2]) != 1 or math.prod(batch) != 1 or count != shape[side]:
        return ()
    before = "".join("0," for _ in batch)
    return tuple([f"{name_of(whose, names)}[{before}{i}]" for i in range(count)])


# --- rings


def rings_of(mark: Marked, shape: tuple[int, ...], *, image: bool = False) -> Iterator[Ring]:
    """The rings around marked elements, in a grid or an image: one around each winner and each masked one, else around
    whole blocks.
    """
    cell = cell_in_image if image else cell_in_grid
    cells = sorted({cell(shape, place) for place in mark.places})
    if mark.kind in (WINNER, MASKED):
        yield from (Ring(mark.kind, *cell, number=mark.number) for cell in cells)
        return
    high = shape[-2] if len(shape) > 1 else len(cells) + 1
    for row, column, rows, columns in blocks(cells, high):
        yield Ring(mark.kind, row, column, rows, columns, mark.number)


def blocks(cells: Sequence[tuple[int, int]], each: int) -> list[tuple[int, int, int, int]]:
    """Cells in reading order as blocks: corner, rows and columns. A block stays within a matrix of ``each`` rows."""
    found: list[tuple[int, int, int, int]] = []
    for row, columns in groupby(cells, key=lambda cell: cell[0]):
        for first, count in runs([column for _, column in columns]):
            above = next((b for b in found if (b[0] + b[2], b[1], b[3]) == (row, first, count) and row % each), None)
            if above is None:
                found.append((row, first, 1, count))
            else:
                found[found.index(above)] = (above[0], first, above[2] + 1, count)
    return found


def runs(columns: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Neighbouring columns as the first one and how many there are."""
    for _, run in groupby(enumerate(columns), key=lambda pair: pair[1] - pair[0]):
        members = [column for _, column in run]
        yield members[0], len(members)


def with_rings(lines: Iterable[Line], moved: MovedElements, node: Node, *, headings: bool = True) -> Iterator[Line]:
    """The lines of a box, whose grids have their rings and, with ``headings``, the names of rows and columns."""
    moved = moved if headings else replace(moved, rows={}, columns={})
    for line in lines:
        port = line.number if node.ports[1:] else 0
        yield (
            line
            if line.grid is None
            else replace(line, grid=marked_grid(line.grid, moved, (node.key, port), line.role))
        )


def marked_grid(grid: Grid, moved: MovedElements, at: Result, what: str) -> Grid:
    """The grid of a value or gradient with its rings, and with names where all of its rows or columns have one."""
    rows, columns = moved.rows.get(at, ()), moved.columns.get(at, ())
    return replace(
        grid,
        rings=tuple(
            ring
            for mark in moved.marks.get((at, what), ())
            if not grid.bars and (mark.kind in (EXAMPLE, MASKED) or not is_crowded(grid))
            for ring in rings_of(mark, moved.shapes[at], image=not grid.rows)
        ),
        row_names=rows if len(rows) == len(grid.rows) else (),
        column_names=columns if grid.rows and len(columns) == len(grid.rows[0]) else (),
    )


def is_crowded(grid: Grid) -> bool:
    """Whether rings around single elements would hide them."""
    return not grid.rows and max(len(grid.shades), len(grid.shades[0])) > MOST_RINGED


# --- examples


def example_lines(examples: Sequence[Example], graph: Graph, names: Names) -> list[Line]:
    """The lines in which a box tells its examples."""
    with without_signs_of_zeros():
        texts = [line for example in examples for line in wrapped(example_pieces(example.told, graph, names))]
    return [Line("example", text, number=i) for i, text in enumerate(texts)]


def forward_example(examples: Sequence[Example], graph: Graph, names: Names) -> str:
    """What is told of how a result came about: "y[1,2] = 3·1 + 1·(−1) = 2"; "" where nothing is."""
    told = [each.told for each in examples if isinstance(each.told, Summed | Won)]
    return " ".join(example_pieces(told[0], graph, names)[1:]) if told else ""


def backward_example(examples: Sequence[Example], operand: Result, graph: Graph, names: Names) -> str:
    """What is told of how gradients are added up on their way back to an operand: "b[0] ← 1 + 3 = 4"."""
    told = [each.told for each in examples if isinstance(each.told, Copied | RowsAdded)]
    here = [one for one in told if (one.operand if isinstance(one, Copied) else one.table) == operand]
    with without_signs_of_zeros():
        return " ".join(example_pieces(here[0], graph, names)[1:]) if here else ""


def wrapped(pieces: Sequence[str]) -> list[str]:
    """A text in a few lines, none of its pieces broken; no line where there would be more of them."""
    lines = [""]
    for piece in pieces:
        if lines[-1] and len(lines[-1]) + 1 + len(piece) > LINE_ROOM:
            lines.append(piece)
        else:
            lines[-1] = f"{lines[-1]} {piece}".lstrip()
    return lines if len(lines) <= MOST_LINES else []


def example_pieces(told: Told, graph: Graph, names: Names) -> list[str]:
    """What is told of one example, in pieces that stay whole; the first is the sign of its outline."""
    if isinstance(told, Summed):
        return summed_text(told, graph, names)
    if isinstance(told, Won):
        return won_text(told, graph, names)
    if isinstance(told, Chosen):
        return ["dashed:", f"{name_of(told.first, names)},", f"else {name_of(told.second, names)}"]
    return copied_text(told, graph, names) if isinstance(told, Copied) else rows_text(told, names)


def name_of(result: Result, names: Names) -> str:
    """What a result is called."""
    return names.results[result[0]][result[1]]


def signed(terms: Sequence[str]) -> list[str]:
    """The terms of a sum, each with its sign: "2", "+ 3", "− 1"."""
    return [*terms[:1], *(f"{MINUS} {term[1:]}" if is_negative(term) else f"+ {term}" for term in terms[1:])]


def element(result: Result, place: Sequence[int], graph: Graph, names: Names) -> str:
    """The name of an element, as the program may write it: "y[1,2]", "y[…,1,2]" where there is only one of each of
    the dimensions before.
    """
    shape = graph.nodes[result[0]].ports[result[1]].shape or ()
    if len(shape) != len(place):  # seen in another shape
        place = reshaped(place, shape)
    first = next((i for i, n in enumerate(shape[:-2]) if n != 1), max(len(shape) - 2, 0))
    shown = [*(["…"] if first else []), *map(str, place[first:])]
    name = names.results[result[0]][result[1]]
    return f"{name}[{','.join(shown)}]" if shown else name


def reshaped(place: Sequence[int], shape: Sequence[int]) -> tuple[int, ...]:
    """A place of a tensor in another shape of it, which differs in dimensions of one alone."""
    numbers = iter(
        place[len(place) - len(shape) :] if len(place) > len(shape) else (*[0] * (len(shape) - len(place)), *place)
    )
    return tuple(numbers)


def summed_text(told: Summed, graph: Graph, names: Names) -> list[str]:
    """ "▢ y[1,2] = 3·1 + 1·(−1) + 0.1 = 2"."""
    products, name = told.products, element(told.into, told.products.place, graph, names)
    factors = products.factors
    if len(factors) > MOST_TERMS:
        factors = tuple([pair for pair in factors if 0 not in pair])
    bias = [short_number(products.bias)] if products.bias is not None else []
    terms = [f"{short_number(a)}·{after_sign(short_number(b))}" for a, b in factors]
    if len(factors) > MOST_TERMS or not factors:
        terms = [f"Σ of {len(products.factors)} products"]
    return [BOX, f"{name} =", *signed([*terms, *bias]), f"= {short_number(products.result)}"]


def won_text(told: Won, graph: Graph, names: Names) -> list[str]:
    """ "◯ p[0,1] = max(−2, 0, 2, 2) = y[1,2]"."""
    inside = ", ".join(map(short_number, told.values)) if len(told.values) <= MOST_TERMS else "…"
    name, winner = element(told.into, told.place, graph, names), element(told.out_of, told.winner, graph, names)
    return [CIRCLE, f"{name} =", f"max({inside})", f"= {winner}"]


def sent_back(told: Copied, graph: Graph) -> str:
    """What the copies of an element add up to, which may be what rounding leaves of 0."""
    sent = [edge.grad for edge in graph.out_edges(told.operand[0]) if edge.grad is not None and edge.grad.noise]
    of_it = (snap for snap in sent if snap.array is not None and np.any(snap.array == told.total))
    snap = next(of_it, None)
    return short_number(told.total) if snap is None else short_element(told.total, snap)


def copied_text(told: Copied, graph: Graph, names: Names) -> list[str]:
    """ "▢ b[0] ← 0.12 + 0.0078 = 0.1278"."""
    name, total = element(told.operand, told.place, graph, names), sent_back(told, graph)
    terms = signed([short_number(term) for term in told.terms])
    if len(terms) > MOST_TERMS:
        terms = [f"{MINUS * told.minus}Σ of {len(terms)} copies"]
    elif told.minus:
        terms = [f"{MINUS}({terms[0]}", *terms[1:-1], f"{terms[-1]})"]
    return [BOX, f"{name} ←", *terms, equal_to(total)]


def rows_text(told: RowsAdded, names: Names) -> list[str]:
    """ "▢ e[1], e[2] are E[2] ← [0, 1] + [2, 0] = [2, 1]"."""
    into, table = name_of(told.into, names), name_of(told.table, names)
    rows = [f"{into}[{row}]" for row in told.rows]
    said = [BOX, ", ".join(rows), f"{'are' if rows[1:] else 'is'} {table}[{told.row}]"]
    if not rows[1:] or not told.terms or len(told.total) > MOST_IN_ROW:
        return said
    first, *more = map(row_text, told.terms)
    return [*said, f"← {first}", *(f"+ {term}" for term in more), f"= {row_text(told.total)}"]


def row_text(row: Sequence[float]) -> str:
    """ "[0, 1]"."""
    return f"[{', '.join(map(short_number, row))}]"
