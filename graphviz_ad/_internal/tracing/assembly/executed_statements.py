"""Operations in the order in which they ran -> the statements of the user's program that they ran in, each time apart.

A frame cannot be told from a later one of the same function, since nobody may keep it. What is known is where each
frame stood: further on than before, it is the same one going on; back at an earlier instruction, a loop around both
has come round, and where there is none, the function was called again. Only of a function that is called again and
again by one instruction, and in which nothing runs but what stands in a loop, the calls look like one; and so do the
rounds of a loop in which nothing runs but one call of a function such as ``sum``.
"""

from __future__ import annotations

import site as python_site
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import count, pairwise
from types import CodeType
from typing import NamedTuple
from weakref import WeakKeyDictionary

from graphviz_ad._internal.base.own_files import EXAMPLES
from graphviz_ad._internal.graph.statements import Statement, standing_in
from graphviz_ad._internal.graph.written_program import WrittenPart
from graphviz_ad._internal.tracing.naming.as_written import CALLERS
from graphviz_ad._internal.tracing.naming.written_parts import written_parts
from graphviz_ad._internal.tracing.naming.written_statements import (
    FOR_EACH,
    WrittenStatement,
    go_round,
    loops_at,
    statement_at,
)
from graphviz_ad._internal.tracing.tape.call_sites import CallSite
from graphviz_ad._internal.tracing.tape.stack import PathStep, Place
from graphviz_ad._internal.tracing.tape.tape import Tape


class Line(NamedTuple):
    """A line of the user's program on the way to an operation.

    ``way`` is what lies between it and the next, ``modules`` are those of torch's modules among that, by identity;
    ``statement`` is the one that stands there.
    """

    site: CallSite
    way: tuple[PathStep, ...]
    modules: tuple[int, ...]
    statement: WrittenStatement


class Written(NamedTuple):
    """What was read of the program's text: identity of a call site -> the statement that stands there; and the parts
    of the program, with the place among them of the part that each code stands in, by its identity.
    """

    statements: Mapping[int, WrittenStatement] = {}
    part_of: Mapping[int, int | None] = {}
    program: tuple[WrittenPart, ...] = ()


NOTHING_WRITTEN = Written()


@dataclass(slots=True)
class Level:
    """A function of the user's that is running: where it stands, which call of it this is, and the place of the
    statement; ``seen``: by which modules it has been in this one.
    """

    line: Line
    call: int
    statement: int
    seen: set[tuple[int, ...]] = field(default_factory=set)


class Ran(NamedTuple):
    """The statements that ran, number of an operation -> the place of its own among them, and the parts of the program
    that they stand in.
    """

    statements: Sequence[Statement] = ()
    of_operation: Mapping[int, int] = {}
    program: tuple[WrittenPart, ...] = ()


def written_at(tape: Tape) -> Written:
    """The text of the program at all places of a tape."""
    statements: dict[int, WrittenStatement] = {}
    read: dict[int, tuple[CodeType, WrittenStatement]] = {}
    for place in apart(tape):
        for i, site in enumerate(lines_of_program(place.lines)):
            if id(site) not in statements:
                statements[id(site)] = statement_at(site)
            if not (i and site.code.co_name in FOR_EACH):
                read[id(site)] = site.code, statements[id(site)]
    parts, program = written_parts(list(read.values()))
    return Written(statements, {id(code): part for (code, _), part in zip(read.values(), parts, strict=True)}, program)


def apart(tape: Tape) -> list[Place]:
    """A place of each kind that a tape has: those at the same instructions, in other modules, read the same text."""
    places = {id(operation.place): operation.place for operation in tape.operations}
    return list({id(place.lines) if place.lines else key: place for key, place in places.items()}.values())


_known: WeakKeyDictionary[Tape, tuple[int, Ran]] = WeakKeyDictionary()  # all passes over a tape ask the same


def statements_run(tape: Tape, written: Written) -> Ran:
    """The statements that ran; of a program whose text was not read none."""
    if not written.statements:
        return Ran()
    length, ran = _known.get(tape, (-1, Ran()))
    if length != len(tape.operations):
        ran = statements_in_order(tape, written)
        _known[tape] = (len(tape.operations), ran)
    return ran


def statements_in_order(tape: Tape, written: Written) -> Ran:
    """The same, found anew."""
    running, found = Running(), dict[int, int]()
    on_paths: dict[int, Sequence[Line]] = {}  # by the identity of a place, which the tape keeps
    for operation in tape.operations:
        place = operation.place
        lines = on_paths.get(id(place))
        if lines is None:
            lines = on_paths[id(place)] = lines_on(place.path, written.statements)
        if lines:
            found[operation.number] = running.at(lines, tape.call(operation.call), operation.op)
    parts = [written.part_of[id(code)] for code, _ in running.written]
    statements = [
        one if part is None else standing_in(one, statement.extent, part)
        for one, (_, statement), part in zip(running.statements, running.written, parts, strict=True)
    ]
    return Ran(statements, found, written.program)


@dataclass
class Running:
    """The user's functions that run, while operations come by; ``times`` counts how often a statement ran in a call,
    ``here`` are the operations since the innermost came to where it stands; ``written``: how each of the statements is
    written, and in what code.
    """

    statements: list[Statement] = field(default_factory=list)
    written: list[tuple[CodeType, WrittenStatement]] = field(default_factory=list)
    levels: list[Level] = field(default_factory=list)
    calls: Iterator[int] = field(default_factory=count)
    times: dict[tuple[int, WrittenStatement], int] = field(default_factory=dict)
    last_call: int = -1
    here: set[str] = field(default_factory=set)

    def at(self, lines: Sequence[Line], call: int, op: str) -> int:
        """The place of the statement in which the next operation runs; ``call`` is the call that it is part of."""
        known = self.levels
        same = 0
        while same < min(len(lines), len(known)) and lines[same] == known[same].line:
            same += 1
        if same < len(lines) or same < len(known):
            self.move(lines, same)
            self.here.clear()
        elif call != self.last_call and op in self.here and not calls_others(lines[-1].site):
            self.again(lines, same - 1)
            self.here.clear()
        self.last_call = call
        self.here.add(op)
        self.enter(lines)
        return self.levels[-1].statement

    def move(self, lines: Sequence[Line], i: int) -> None:
        """From level ``i`` on, something else stands on the stack than before."""
        if i >= min(len(lines), len(self.levels)):  # one of them ends here: its line has called something else
            self.elsewhere(lines, i - 1)
            return
        level, line = self.levels[i], lines[i]
        if level.line.site.code is not line.site.code:
            self.elsewhere(lines, i - 1)
        elif level.line.site.offset == line.site.offset:
            self.by_another_way(lines, i)
        elif level.line.site.offset < line.site.offset:
            self.stand(i, line)
        else:
            self.back(lines, i)

    def back(self, lines: Sequence[Line], i: int) -> None:
        """A function stands at an earlier instruction than before: in another round of a loop, or it was called
        again.
        """
        loops = go_round(lines[i].site, self.levels[i].line.site, lines[i].statement)
        if loops.within and lines[i].statement == self.levels[i].line.statement:
            self.stand(i, lines[i])
        elif loops.around or loops.within:
            self.stand(i, lines[i], anew=True)
        else:
            del self.levels[i:]
            self.elsewhere(lines, i - 1)

    def by_another_way(self, lines: Sequence[Line], i: int) -> None:
        """The same instruction runs something else: it goes on, or a loop has come round."""
        before, now = self.levels[i].line, lines[i]
        goes_on = goes_further(before.way, now.way)
        if before.modules != now.modules and before.modules[:1] == now.modules[:1]:
            goes_on = goes_on or now.modules not in self.levels[i].seen  # the next module of the one that is called
        self.stand(i, now, anew=not goes_on and loops_at(now.site, now.statement).around)

    def elsewhere(self, lines: Sequence[Line], i: int) -> None:
        """The instruction at level ``i`` has called another function, or the same again."""
        if i < 0:
            self.levels.clear()
            return
        before, now = self.levels[i].line, lines[i]
        if before.site == now.site:
            loops = loops_at(now.site, now.statement)
            inside = before.modules[:1] == now.modules[:1] != () and now.modules not in self.levels[i].seen
            self.stand(i, now, anew=loops.around and not loops.within and not inside)

    def again(self, lines: Sequence[Line], i: int) -> None:
        """All stands where it stood, and runs once more: a loop has come round, the innermost that is known."""
        for level in range(i, -1, -1):
            loops = loops_at(lines[level].site, lines[level].statement)
            if loops.within or loops.around:
                self.stand(level, lines[level], anew=not loops.within)
                return
        if i and lines[i].way == self.levels[i].line.way:  # no loop of the user's: somebody calls the function again
            del self.levels[i:]

    def stand(self, i: int, line: Line, *, anew: bool = False) -> None:
        """Level ``i`` is at this line now, and all that it had called is over."""
        level = self.levels[i]
        if anew or level.line.statement != line.statement:
            self.levels[i] = Level(line, level.call, self.begun(line, level.call, i))
        else:
            level.line = line
        self.levels[i].seen.add(line.modules)
        del self.levels[i + 1 :]

    def enter(self, lines: Sequence[Line]) -> None:
        """What is not there yet is called now."""
        for i in range(len(self.levels), len(lines)):
            call = next(self.calls)
            self.levels.append(Level(lines[i], call, self.begun(lines[i], call, i), {lines[i].modules}))

    def begun(self, line: Line, call: int, i: int) -> int:
        """A statement begins at level ``i``."""
        caller = self.levels[i - 1].statement if i else None
        if caller is not None and line.site.code.co_name in FOR_EACH:  # a part of the statement that it stands in
            return caller
        written = line.statement
        time = self.times[call, written] = self.times.get((call, written), -1) + 1
        function = getattr(line.site.code, "co_qualname", line.site.code.co_name)
        self.written.append((line.site.code, written))
        self.statements.append(Statement(function, call, time, written.text, written.targets, line.site.source, caller))
        return len(self.statements) - 1


def calls_others(site: CallSite) -> bool:
    """Whether a function is called here that runs operations of its own accord, such as ``sum`` of a list."""
    return site.written in CALLERS


def goes_further(before: Sequence[PathStep], now: Sequence[PathStep]) -> bool:
    """Whether torch's own code is further on than before, in the first of its functions in which it moved."""
    for old, new in zip(before, now, strict=False):
        if old != new:
            return is_behind(old, new)
    return False


def is_behind(old: PathStep, new: PathStep) -> bool:
    """Whether two steps are of one function, the first behind the second."""
    if isinstance(old, int) or isinstance(new, int):
        return False
    before, now = ((step.code, step.offset) if isinstance(step, CallSite) else step for step in (old, new))
    return before[0] is now[0] and before[1] < now[1]


def lines_of_program(lines: Sequence[CallSite]) -> Sequence[CallSite]:
    """Those of the call sites on a path that are the user's program; those of libraries only where there are no
    others.
    """
    own = [n for n, site in enumerate(lines) if not of_a_library(site.code.co_filename)]
    return lines[: own[-1] + 1] if own else lines


def lines_on(path: Sequence[PathStep], statements: Mapping[int, WrittenStatement]) -> Sequence[Line]:
    """The lines of the user's program on a path; ``statements``: see `Written`."""
    sites = {n: step for n, step in enumerate(path) if isinstance(step, CallSite)}
    places = list(sites)[: len(lines_of_program(list(sites.values())))]
    return [line_at(path[start:end], statements) for start, end in pairwise([*places, len(path)])]


def line_at(steps: Sequence[PathStep], statements: Mapping[int, WrittenStatement]) -> Line:
    """A line with what lies between it and the next."""
    site, *way = steps
    assert isinstance(site, CallSite)
    return Line(site, tuple(way), tuple([step for step in way if isinstance(step, int)]), statements[id(site)])


@cache
def of_a_library(file: str) -> bool:
    """Whether a file was installed rather than written by the user."""
    return file.startswith(LIBRARIES) and not file.startswith(EXAMPLES)


PATHS = sysconfig.get_paths()
LIBRARIES = tuple(
    f"{folder}/"
    for folder in (*(PATHS[name] for name in ("purelib", "platlib", "stdlib")), python_site.getusersitepackages())
)
