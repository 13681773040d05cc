"""Results that outlive their step -> who holds them, on which line, and how much of the graphs behind them is kept.

Only those that hold a graph count: a list of losses that nobody called item() on. Nothing of the program is called, and
no variables of a function are read, which would keep them alive.
"""

from __future__ import annotations

import ast
import gc
import linecache
from bisect import bisect_left
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import PurePath
from types import CodeType, FrameType, ModuleType
from typing import Any
from weakref import ref

from torch import Tensor

from graphviz_ad._internal.base.errors import TraceError
from graphviz_ad._internal.base.syntax_trees import syntax_tree
from graphviz_ad._internal.graph.places import place_of
from graphviz_ad._internal.graph.training_history import HeldGraphs
from graphviz_ad._internal.operations.training import ADDS_UP, AS_NUMBERS
from graphviz_ad._internal.tracing.assembly.autograd_graph import aten_stem, node_name, node_of, walk
from graphviz_ad._internal.tracing.tape.stack_depth import safe_depth
from graphviz_ad._internal.tracing.tape.tape import Tape
from graphviz_ad._internal.tracing.tape.torch_private import made_at

FEWEST = 3  # passes of which something is held, before it is no longer what a program has in its variables
MOST = 0.6  # of all passes before the last
MOST_WALKED = 2000  # autograd nodes that are counted
MOST_ROOTS = 256  # results that are remembered, by a weak reference each
MOST_RECORDS, MOST_PARTS = 4, 32  # that may be around a result, and that are in a record
CONTAINERS = (list, deque, dict, set, tuple)
KEEPING = frozenset({"append", "appendleft", "add", "insert", "extend", "setdefault"})


class Roots:
    """The results that backward passes began at, as far as they still live."""

    def __init__(self) -> None:
        self._known: deque[ref[Tensor]] = deque(maxlen=MOST_ROOTS)
        self._counts: list[int] = []
        self._numbers: deque[int] = deque(maxlen=MOST_ROOTS)  # of the autograd nodes of these results, see `made_at`

    def look(self, outputs: Sequence[Any], code: CodeType | None, made: str | None = None) -> HeldGraphs | None:
        """What is held of the passes before this one, where it is more than at each of the looks before; told of 2, 4,
        8, … of them, since who holds them is asked of all objects there are.
        """
        living = [one for known in self._known if (one := known()) is not None and has_graph(one)]
        self._counts.append(len(living))
        for one in outputs:
            if isinstance(one, Tensor) and has_graph(one):
                self._known.append(ref(one))
        earlier = list(self._numbers)
        self._numbers.extend(numbers_of(outputs))
        codes = [code] if code is not None else []
        last = self._counts[-FEWEST:]
        if len(living) >= FEWEST - 1 and not len(living) & (len(living) - 1) and all(a < b for a, b in pairwise(last)):
            return held_graphs(living, len(living), codes, made)
        looks = len(self._counts)
        if len(living) >= FEWEST - 1 or looks <= FEWEST or looks & (looks - 1):
            return None
        return held_elsewhere(earlier, outputs, codes, made)


def numbers_of(outputs: Iterable[Any]) -> list[int]:
    """Of the autograd nodes that made these results."""
    nodes = (node_of(one) for one in outputs if isinstance(one, Tensor) and has_graph(one))
    return [number for node in nodes if (number := made_at(node)) is not None]


def held_elsewhere(
    earlier: Sequence[int], outputs: Sequence[Any], codes: Sequence[CodeType], made: str | None
) -> HeldGraphs | None:
    """What is held of earlier passes, which began at nodes of these numbers, although what they began at is gone: by
    a running sum, or by results that came before that. Asked of all tensors that live.
    """
    now = {id(one) for one in outputs}
    living = [one for one in gc.get_objects() if type(one) is Tensor and id(one) not in now and has_graph(one)]
    if len(living) > most_touched():
        return None
    least = max(FEWEST, MOST * len(earlier))
    for one in living:
        if (count := summed_up(one, earlier)) >= least:
            return held_by_sum(one, count, codes, made)
    groups: dict[tuple[str, int], dict[int, Tensor]] = {}
    for one in living:
        node = node_of(one)
        number = made_at(node)
        if number is not None and (place := bisect_left(earlier, number)) < len(earlier):
            groups.setdefault((node_name(node), one.dim()), {}).setdefault(place, one)
    for found in groups.values():
        tensors = list(found.values())
        if len(found) >= least and containers_of(tensors):
            return held_graphs(tensors, len(found), codes, made)
    return None


def summed_of_tape(
    tape: Tape, numbers: Sequence[int], codes: Sequence[CodeType]
) -> Iterator[tuple[str | None, HeldGraphs]]:
    """The line that makes a running sum of results that passes began at, whose nodes have these numbers, and what that
    keeps.
    """
    for value in tape.values:
        living = value.reference() if value.maker is not None else None
        if living is None or value.maker is None or not has_graph(living):
            continue
        if tape.operations[value.maker].op.removesuffix("_") not in ADDS_UP:
            continue
        if (count := summed_up(living, numbers)) >= max(FEWEST, MOST * len(numbers)):
            made = line_of(tape, value.maker)
            yield made, held_by_sum(living, count, codes, made)


def summed_up(tensor: Tensor, numbers: Collection[int]) -> int:
    """How many results, of nodes of these numbers, a running sum has been made of, be they scaled first."""
    found, node, wanted = 0, node_of(tensor), set(numbers)
    for _ in range(most_touched()):
        if node is None or not adds_up(node):
            break
        behind = [tail for tail, _ in node.next_functions if tail is not None]
        scaled = [tail for each in behind for tail, _ in each.next_functions[:1] if tail is not None]
        found += any(made_at(each) in wanted for each in (*behind, *scaled))
        node = next((each for each in behind if adds_up(each)), None)
    return found


def adds_up(node: Any) -> bool:
    """Whether an autograd node is of a sum."""
    return aten_stem(node_name(node)) in ADDS_UP


def held_by_sum(tensor: Tensor, passes: int, codes: Sequence[CodeType], made: str | None) -> HeldGraphs:
    """What a running sum keeps besides itself, and the line that adds to it."""
    nodes, size = kept_behind([tensor])
    size -= tensor.numel() * tensor.element_size()
    files = {code.co_filename: "".join(linecache.getlines(code.co_filename)) for code in codes}
    lines = [line for file, text in files.items() for line in adding_lines(text, PurePath(file).name)]
    name = name_of(tensor)
    if name is not None:
        lines = [line for line in lines if line.holder.rpartition(".")[2] == name.rpartition(".")[2]]
    else:
        lines = lines_about(files, lines, made)
    line = lines[0] if len(lines) == 1 else None
    return HeldGraphs(name or (line.holder if line else None), line.source if line else None, passes, nodes, size)


def most_touched() -> int:
    """How many autograd nodes behind each other may be touched: those that were are released by recursion."""
    return min(MOST_WALKED, safe_depth() // 2)


def has_graph(tensor: Tensor) -> bool:
    """Whether a tensor keeps the graph that it was computed by. Its autograd node is not asked for: a node that Python
    has touched is released by recursion.
    """
    return tensor.requires_grad and not tensor.is_leaf


def held_of_tape(
    tape: Tape, marks: Sequence[int], codes: Sequence[CodeType]
) -> Iterator[tuple[str | None, HeldGraphs]]:
    """The line that made results of several passes, and who holds them; ``marks`` are how many operations had run when
    each pass began. What came of the last pass and after it is still in the variables of the program.
    """
    groups: dict[str | None, dict[int, ref[Tensor]]] = {}
    for value in tape.values:
        living = value.reference() if value.requires_grad and value.maker is not None else None
        if living is None or living.is_leaf or not has_graph(living) or value.maker is None:
            continue
        number = sum(value.maker >= mark for mark in marks)
        if number < len(marks) - 1:
            groups.setdefault(line_of(tape, value.maker), {})[number] = value.reference
    for source, found in groups.items():
        tensors = [one for known in found.values() if (one := known()) is not None]
        if len(found) >= max(FEWEST, MOST * (len(marks) - 1)) and containers_of(tensors):
            yield source, held_graphs(tensors, len(found), codes, source)


def line_of(tape: Tape, operation: int) -> str | None:
    """The line of the program that an operation comes from."""
    site = tape.operations[operation].place.user
    return site.source if site is not None else None


def held_graphs(
    tensors: Sequence[Tensor], passes: int, codes: Sequence[CodeType], made: str | None = None
) -> HeldGraphs:
    """Who holds these results, which the line ``made`` computed, where the program puts them there, and what is kept
    because of it.
    """
    holder = holder_of(tensors)
    nodes, size = kept_behind(tensors)
    line = keeping_line(codes, holder, made)
    return HeldGraphs(holder or (line.holder if line else None), line.source if line else None, passes, nodes, size)


def kept_behind(tensors: Sequence[Tensor]) -> tuple[int | None, int]:
    """How many autograd nodes stand behind results, None where there are very many; and how many bytes these and the
    results keep.
    """
    own = sum(each.numel() * each.element_size() for each in tensors)
    try:
        graph = walk([node_of(each) for each in tensors], limit=most_touched())
    except TraceError:
        return None, own
    nodes, (saved, _) = len(graph.nodes), graph.kept
    graph.release()
    return nodes, own + saved


def holder_of(tensors: Sequence[Tensor]) -> str | None:
    """What the program calls the list, or the like, that most of the results are in; None where it has no such name."""
    return next((name for each in containers_of(tensors) if (name := name_of(each)) is not None), None)


def containers_of(tensors: Sequence[Tensor]) -> list[Any]:
    """The lists, or the like, of the program that hold most of these, or records with one each."""
    wanted = frozenset(id(each) for each in tensors)
    least = max(2, len(wanted) // 2)
    around = [each for each in gc.get_referrers(tensors[0]) if each is not tensors and parts(each)]
    around = [each for each in around if "__builtins__" not in parts(each)]
    lists = [each for each in around if isinstance(each, CONTAINERS)]
    found = [each for each in lists if sum(id(part) in wanted for part in parts_of(each)) >= least]
    if found:
        return found
    ours = (id(around), id(lists), id(tensors))
    of_records = [
        outer for each in around[:MOST_RECORDS] for outer in gc.get_referrers(each)
        if isinstance(outer, CONTAINERS) and id(outer) not in ours and "__builtins__" not in outer
    ]  # fmt: skip
    return [each for each in of_records if sum(holds_one(part, wanted) for part in parts_of(each)) >= least]


def holds_one(record: Any, wanted: Collection[int]) -> bool:
    """Whether a tuple, or an object with a few attributes, holds one of what has these ids."""
    inside = parts(record)
    return 0 < len(inside) <= MOST_PARTS and any(id(part) in wanted for part in parts_of(inside))


def parts(thing: Any) -> Any:
    """What holds what is in a thing: itself, where it is a list or the like, else its attributes."""
    return thing if isinstance(thing, CONTAINERS) else attributes_of(thing)


def parts_of(container: Any) -> Iterable[Any]:
    """What a container holds."""
    return list(container.values()) if isinstance(container, dict) else list(container)


def name_of(container: Any) -> str | None:
    """ "losses", or "History.losses" of an attribute."""
    for each in gc.get_referrers(container):
        held = each if isinstance(each, dict) else attributes_of(each)
        names = [name for name, thing in held.items() if thing is container and isinstance(name, str)]
        if not names:
            continue
        if not isinstance(each, dict):
            return f"{type(each).__name__}.{names[0]}"
        owner = next((one for one in gc.get_referrers(each) if attributes_of(one) is each), None)
        if isinstance(owner, ModuleType) or "__builtins__" in each:
            return names[0]
        if owner is not None:
            return f"{type(owner).__name__}.{names[0]}"
    return None


def attributes_of(thing: Any) -> dict[Any, Any]:
    """What an object has, read without running anything of its class."""
    if isinstance(thing, FrameType | type):
        return {}
    try:
        found = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class KeepingLine:
    """A line that puts something, computed of ``names``, into what the program calls ``holder``."""

    source: str
    holder: str
    names: frozenset[str]


def keeping_line(codes: Sequence[CodeType], holder: str | None, made: str | None) -> KeepingLine | None:
    """Where the program puts results into what is called so; where that has no name, what the line ``made`` computed,
    or went back from, into anything, if that is in one place.
    """
    files = {code.co_filename: "".join(linecache.getlines(code.co_filename)) for code in codes}
    lines = [line for file, text in files.items() for line in keeping_lines(text, PurePath(file).name)]
    if holder is not None:
        name = holder.rpartition(".")[2]
        return next((line for line in lines if line.holder.rpartition(".")[2] == name), None)
    found = lines_about(files, lines, made)
    if not found:  # the function that computes it may return it to the one that keeps it
        filled = {name for file, text in files.items() for name in filled_at(text, PurePath(file).name, made)}
        found = [line for line in lines if line.names & filled]
    return found[0] if len(found) == 1 else None


def lines_about(files: Mapping[str, str], lines: Sequence[KeepingLine], made: str | None) -> list[KeepingLine]:
    """Those at ``made``, else those in the same function of what is computed there, or went into that."""
    here = [line for line in lines if line.source == made]
    texts = [text for file, text in files.items() if made is not None and PurePath(file).name == named_file(made)]
    if here or not texts:
        return here
    function, names = function_around(texts[0], made), led_to_by(texts[0], made)
    first, last = (function.lineno, function.end_lineno or 0) if function is not None else (1, len(texts[0]))
    return [
        line
        for line in lines
        if line.names & names
        and named_file(line.source) == named_file(made)
        and first <= number_in(line.source) <= last
    ]


def named_file(source: str | None) -> str | None:
    """The file of "train.py:12"."""
    place = place_of(source)
    return place.file if place is not None else None


def number_in(source: str | None) -> int:
    """The number of "train.py:12"; 0 where there is none."""
    place = place_of(source)
    return place.number if place is not None else 0


@lru_cache(maxsize=16)
def keeping_lines(text: str, file: str) -> tuple[KeepingLine, ...]:
    """The lines of a file that put a thing into a container."""
    found = []
    for node in nodes_of(text):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in KEEPING:
            kept, parts = node.func.value, node.args
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            kept, parts = node.targets[0].value, [node.value]
        else:
            continue
        names = frozenset(part.id for each in parts for part in ast.walk(each) if isinstance(part, ast.Name))
        found.append(KeepingLine(f"{file}:{node.lineno}", ast.unparse(kept), names))
    return tuple(found)


@lru_cache(maxsize=16)
def adding_lines(text: str, file: str) -> tuple[KeepingLine, ...]:
    """The lines of a file that add something to what is there, but for numbers."""
    found = []
    for node in nodes_of(text):
        holder: ast.expr
        if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add):
            holder, parts = node.target, [node.value]
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp) and isinstance(node.value.op, ast.Add):
            holder, parts = node.targets[0], [node.value.left, node.value.right]
            if ast.unparse(holder) not in map(ast.unparse, parts):
                continue
        else:
            continue
        inside = [part for each in parts for part in ast.walk(each)]
        if not any(isinstance(part, ast.Attribute) and part.attr in AS_NUMBERS for part in inside):
            names = frozenset(part.id for part in inside if isinstance(part, ast.Name))
            found.append(KeepingLine(f"{file}:{node.lineno}", ast.unparse(holder), names))
    return tuple(found)


def filled_at(text: str, file: str, source: str | None) -> Iterator[str]:
    """The variables that a line fills, or goes back from."""
    for node in nodes_of(text):
        if f"{file}:{getattr(node, 'lineno', 0)}" != source:
            continue
        if isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        if isinstance(node, ast.Attribute) and node.attr == "backward" and isinstance(node.value, ast.Name):
            yield node.value.id


def function_around(text: str, source: str | None) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The innermost function in which a line stands; None of the file itself."""
    number = number_in(source)
    functions = (node for node in nodes_of(text) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    around = [node for node in functions if node.lineno <= number <= (node.end_lineno or 0)]
    return max(around, key=lambda node: node.lineno, default=None)


def led_to_by(text: str, source: str | None) -> set[str]:
    """The variables that a line fills, or goes back from, and those that its function computes these of."""
    found = set(filled_at(text, named_file(source) or "", source))
    function = function_around(text, source)
    inside = nodes_of(text) if function is None else ast.walk(function)
    fills = [node for node in inside if isinstance(node, ast.Assign)]
    while (
        more := {
            part.id
            for node in fills
            if any(isinstance(one, ast.Name) and one.id in found for one in node.targets)
            for part in ast.walk(node.value)
            if isinstance(part, ast.Name)
        }
        - found
    ):
        found |= more
    return found


def nodes_of(text: str) -> Iterator[ast.AST]:
    """All of a program; nothing of what is none, as a cell with a magic command in it."""
    try:
        yield from ast.walk(syntax_tree(text))
    except (SyntaxError, ValueError, RecursionError):
        return
