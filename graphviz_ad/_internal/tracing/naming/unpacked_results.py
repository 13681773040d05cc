"""Calls of torch's own modules that return several things -> the variables that these are unpacked into.

What a module returns is not seen. Of those named here it is known which of the values computed in it that are: where
these cannot be counted off without a doubt, none has a name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import CodeType, MappingProxyType

from torch import nn

from graphviz_ad._internal.operations.traits import BENT, CELL_KERNEL, DETACHES, GATED, RECURRENT_KERNELS, UNBATCHED
from graphviz_ad._internal.tracing.tape.call_sites import Target
from graphviz_ad._internal.tracing.tape.stack import ModuleCall
from graphviz_ad._internal.tracing.tape.tape import Tape
from graphviz_ad._internal.tracing.tape.tape_entries import Operation, Value

Found = list[int]  # numbers of values, in the order in which they are returned


def results_unpacked(tape: Tape, call: ModuleCall, operations: Sequence[Operation]) -> Iterator[tuple[int, str]]:
    """Number of a value that the call returned -> the variable that it is put into."""
    targets = call.namer.targets if call.namer is not None else None
    forward = next((code for code, _ in reversed(call.way) if code.co_name == "forward"), None)
    if not isinstance(targets, tuple) or forward not in RETURNED or not call.handed_on:
        return
    find, shape = RETURNED[forward]
    found = find(tape, operations, _size(shape))
    if len(found) == _size(shape):
        yield from ((found[place], name) for place, name in _pairs(shape, targets) if name != "_")


Shape = int | tuple["Shape", ...]  # places among what is returned


def _size(shape: Shape) -> int:
    return sum(map(_size, shape)) if isinstance(shape, tuple) else 1


def _pairs(shape: Shape, targets: Target) -> Iterator[tuple[int, str]]:
    """What is put into a variable as it is."""
    if isinstance(shape, tuple) and isinstance(targets, tuple) and len(shape) == len(targets):
        for part, target in zip(shape, targets, strict=True):
            yield from _pairs(part, target)
    elif isinstance(shape, int) and isinstance(targets, str) and not targets.startswith("*"):
        yield shape, targets


def _wanted(tape: Tape, operations: Sequence[Operation], count: int) -> Found:
    """What nothing in the call reads any more and has a gradient to come, in the order in which it was made."""
    found = [value.number for value in _unread(tape, operations) if value.requires_grad]
    return found if len(found) == count else []


def _wanted_or_last(tape: Tape, operations: Sequence[Operation], count: int) -> Found:
    """The same; where the program reads but a part of it, what was made at the very end."""
    firsts = [value.number for value in _unread(tape, operations) if value.port == 0]
    return _wanted(tape, operations, count) or firsts[-count:]


def _unread(tape: Tape, operations: Sequence[Operation]) -> list[Value]:
    makers = [one for one in operations if one.op not in DETACHES]
    read = {use[1] for one in makers for use in one.uses}
    made = (number for one in makers if not one.mutates for number in one.results)
    return [tape.values[number] for number in made if number not in read]


def _of_lstm(tape: Tape, operations: Sequence[Operation], count: int) -> Found:
    """The out, h and c; which of the last two is made first, no compiler is bound to, but out is made of what h is."""
    squeezed = _squeezed(operations, count)
    if squeezed:
        return squeezed
    found = _wanted_or_last(tape, operations, count)
    makers = {number: one for one in operations for number in one.results}
    outs = _read_by(makers, [*_read_by(makers, found[:1]), *found[:1]])
    hidden = [number for number in found[1:] if _is_hidden(tape, makers, number, outs)]
    return [*found[:1], *hidden, *[each for each in found[1:] if each not in hidden]] if len(hidden) == 1 else []


def _is_hidden(tape: Tape, makers: Mapping[int, Operation], number: int, outs: Collection[int]) -> bool:
    """Whether a state is h: made of what out is made of too, or what a kernel for all steps gives second."""
    parts = [number] if makers[number].op in RECURRENT_KERNELS else _read_by(makers, [number])
    by_kernel = [part for part in parts if part in makers and makers[part].op in RECURRENT_KERNELS]
    return any(tape.values[part].port == 1 for part in by_kernel) if by_kernel else not set(outs).isdisjoint(parts)


def _read_by(makers: Mapping[int, Operation], numbers: Sequence[int]) -> Found:
    return [use[1] for number in numbers if number in makers for use in makers[number].uses]


def _squeezed(operations: Sequence[Operation], count: int) -> Found:
    """What a module gives where there is no batch: all with that dimension taken away, one after the other."""
    last = [one for one in operations if one.op not in DETACHES][-count:]
    return [one.results[0] for one in last] if all(one.op == UNBATCHED for one in last) else []


def _of_lstm_cell(tape: Tape, operations: Sequence[Operation], count: int) -> Found:
    """The h and c of ``h = o * tanh(c)``, with which each step of it ends, or that of one kernel."""
    squeezed = _squeezed(operations, count)
    last = [one for one in operations if one.op not in DETACHES][-1]
    if squeezed or last.op == CELL_KERNEL:
        return squeezed or list(last.results[:count])
    makers = {number: one for one in operations for number in one.results}
    bent = makers.get(last.uses[-1][1]) if last.op == GATED and len(last.uses) == count else None
    return [last.results[0], bent.uses[0][1]] if bent is not None and bent.op == BENT else []


RETURNED: Mapping[CodeType | None, tuple[Callable[[Tape, Sequence[Operation], int], Found], Shape]] = MappingProxyType(
    {
        nn.LSTM.forward.__code__: (_of_lstm, (0, (1, 2))),
        nn.GRU.forward.__code__: (_wanted_or_last, (0, 1)),
        nn.RNN.forward.__code__: (_wanted_or_last, (0, 1)),
        nn.MultiheadAttention.forward.__code__: (_wanted, (0, 1)),
        nn.LSTMCell.forward.__code__: (_of_lstm_cell, (0, 1)),
    }
)
