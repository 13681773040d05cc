"""An exception of the program -> the one to raise, which names the numbers that the program met as something else, and
says how they stay numbers.

``range(n)`` refuses a tensor. Which arguments are behind that, the traceback says: what the failing expression reads
was computed from them.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from types import CodeType, FrameType
from typing import Any

from graphviz_ad._internal.base.argument_types import shown_value
from graphviz_ad._internal.base.errors import NumberMadeError
from graphviz_ad._internal.base.own_files import OUR_FOLDER
from graphviz_ad._internal.tracing.contents import contents_of, is_a

WANTED = "scalar type"  # torch's own words where it wants a tensor of another dtype


@dataclass(frozen=True)
class Replaced:
    """An argument that the program gets as something else: its name, what was given, and what it became."""

    name: str
    given: Any
    became: Any


@dataclass(frozen=True)
class Replacements:
    """All of them: ``kind`` is the type of what they became, ``one`` and ``several`` its name; ``sources`` gives a
    thing of that kind and all that it was computed from, ``library`` the folder of who takes such things.
    """

    all: Sequence[Replaced]
    kind: type
    one: str
    several: str
    sources: Callable[[Any], Iterable[Any]]
    library: str = OUR_FOLDER


@dataclass(frozen=True)
class Failing:
    """A frame that an exception came through, and the instruction that it was at."""

    frame: FrameType
    step: dis.Instruction

    @property
    def raises(self) -> bool:
        """Whether the program raises here by itself."""
        return self.step.opname.startswith(("RAISE", "RERAISE"))


def exception_to_raise(error: Exception, replacements: Replacements) -> Exception:
    """A TypeError that says which arguments were made something else, where Python or torch refused what came of
    them; else the same exception, with a note if the program itself refused it.
    """
    behind, by_program = arguments_behind(error, replacements)
    if not behind:
        return error
    if isinstance(error, TypeError) and not by_program:
        return NumberMadeError(f"{error}. {sentence(behind, replacements)}")
    if by_program or isinstance(error, IndexError) or (isinstance(error, RuntimeError) and WANTED in str(error)):
        error.add_note(sentence(behind, replacements))
    return error


def sentence(behind: Sequence[Replaced], replacements: Replacements) -> str:
    """Which numbers were made what, and how they stay numbers."""
    which = " and ".join(f"{each.name} ({shown_value(each.given)})" for each in behind)
    made = f"was made {replacements.one}" if len(behind) == 1 else f"were made {replacements.several}"
    keep = " and ".join(f"gad.constant({shown_value(each.given)})" for each in behind)
    tensors = ", or a tensor of whole numbers" if any(isinstance(each.given, list) for each in behind) else ""
    return f"{which} {made} to take gradients to; where the program needs the number itself, give {keep}{tensors}"


def arguments_behind(error: Exception, replacements: Replacements) -> tuple[list[Replaced], bool]:
    """The arguments that what the failing expression reads was computed from, of several the likeliest; and whether
    the program raised by itself.
    """
    for failing in _failing(error, replacements.library):
        read = [thing for name in _names_read(failing, error) for thing in _held_in(failing.frame, name, replacements)]
        met = {id(source) for thing in read for source in replacements.sources(thing)}
        found = [each for each in replacements.all if id(each.became) in met]
        if found:
            return _likely(found), failing.raises
    return [], False


def _likely(found: list[Replaced]) -> list[Replaced]:
    """The whole numbers, which can be sizes and indices; else the numbers; else all."""
    whole = [each for each in found if isinstance(each.given, Integral)]
    return whole or [each for each in found if isinstance(each.given, Real)] or found


def _failing(error: Exception, library: str) -> Iterator[Failing]:
    """Where the exception came through, innermost first, up to the user's own line."""
    for frame, offset in reversed(_offsets(error)):
        file = frame.f_code.co_filename
        step = next((step for step in dis.get_instructions(frame.f_code) if step.offset == offset), None)
        if step is not None and (not file.startswith(OUR_FOLDER)):
            yield Failing(frame, step)
        if not file.startswith((library, OUR_FOLDER)):
            return


def _offsets(error: Exception) -> list[tuple[FrameType, int]]:
    found, trace = [], error.__traceback__
    while trace is not None:
        found.append((trace.tb_frame, trace.tb_lasti))
        trace = trace.tb_next
    return found


def _names_read(failing: Failing, error: Exception) -> list[str]:
    """The variables that the failing expression reads; of a function that refuses what it was given all that it was
    given.
    """
    code, place = failing.frame.f_code, failing.step.positions
    if failing.raises and isinstance(error, (TypeError, AssertionError)):
        return list(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    if place is None or place.lineno is None:
        return []
    first, last = (place.lineno, place.col_offset or 0), (place.end_lineno or place.lineno, place.end_col_offset or 0)
    return [name for name, where in _loads(code) if first[0] <= where[0] <= last[0] and first <= where <= last]


def _loads(code: CodeType) -> Iterator[tuple[str, tuple[int, int]]]:
    for step in dis.get_instructions(code):
        place = step.positions
        if "LOAD_" in step.opname and place is not None and place.lineno is not None:
            for name in step.argval if isinstance(step.argval, tuple) else (step.argval,):
                if isinstance(name, str):
                    yield name, (place.lineno, place.col_offset or 0)


def _held_in(frame: FrameType, name: str, replacements: Replacements) -> list[Any]:
    """The things of the kind in question that a variable holds, also in a list or dictionary."""
    given = frame.f_locals
    thing = given[name] if name in given else frame.f_globals.get(name)
    if is_a(thing, (replacements.kind,)):
        return [thing]
    if not is_a(thing, (list, tuple, dict)):
        return []
    return [part.thing for part in contents_of(thing, lambda each: is_a(each, (replacements.kind,))).parts]
