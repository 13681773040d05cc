"""ADNumbers, or a function called with them -> Graph; knows the teaching engine and no framework.

An `ADNumber` has kept everything that a graph needs, so that a finished one says as much as a function that is run
here. Names are those that numbers were given, then those of parameters, then those of the variables that took them.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import Any

import numpy as np

from graphviz_ad._internal.ad_number import ADNumber
from graphviz_ad._internal.base.errors import GradOutputsError, OptionError
from graphviz_ad._internal.base.text_table import counted_noun
from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.graph.snapshot import Array, Snapshot
from graphviz_ad._internal.tracing.capture import Capture
from graphviz_ad._internal.tracing.constants import Constant
from graphviz_ad._internal.tracing.contents import Contents, contents_of, is_a, name_of_way
from graphviz_ad._internal.tracing.generators import run_out
from graphviz_ad._internal.tracing.made_numbers import Replaced, Replacements, exception_to_raise
from graphviz_ad._internal.tracing.returned import Asked, Returned, Starts, nothing_found, starts_of
from graphviz_ad._internal.tracing.tape.call_sites import CallSite
from graphviz_ad._internal.tracing.value_numbers import as_ad_number, is_value

Path = tuple[str | int, ...]


def concerns(target: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether this front end is meant: the target is a Value, or made of ADNumbers, or one of those is an input."""
    if not callable(target):
        return is_value(target) or bool(numbers_in(target).parts)
    waiting: list[Any] = [args, kwargs]
    seen: set[int] = set()  # a list may hold itself
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, ADNumber):
            return True
        if isinstance(thing, (list, tuple, dict)) and id(thing) not in seen:
            seen.add(id(thing))
            waiting.extend(thing.values() if isinstance(thing, dict) else thing)
    return False


def trace(
    target: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    grad_outputs: Any,
    capture: Capture,
    namespace: Mapping[str, Any],
    output: Asked = None,
) -> Graph:
    """The graph of one call of `target`, or of finished ADNumbers; see `graphviz_ad.trace`."""
    names = {thing: name for name, thing in namespace.items() if isinstance(thing, ADNumber)}
    if is_value(target):
        target = as_ad_number(target, {id(thing): name for name, thing in namespace.items() if is_value(thing)})
    if not callable(target):
        first = numbers_in(target).parts[0].thing
        return Assembly(target, name_of_number(first, names) or "f", (), names, grad_outputs, capture, output).graph
    made: list[tuple[ADNumber, float]] = []
    args, kwargs = as_numbers(tuple(args), made), as_numbers(dict(kwargs), made)
    parameters = {
        leaf: way_to_leaf(path)
        for path, leaf in leaves_of(arguments_by_parameter(target, args, kwargs))
        if isinstance(leaf, ADNumber)
    }
    try:
        returned = run_out([target(*args, **kwargs)])
    except Exception as error:
        replaced = [Replaced(parameters.get(number, "an argument"), given, number) for number, given in made]
        to_raise = exception_to_raise(error, Replacements(replaced, ADNumber, "an ADNumber", "ADNumbers", sources_of))
        if to_raise is not error:
            raise to_raise from error
        raise
    name = str(getattr(target, "__name__", type(target).__name__))
    return Assembly(returned, name, tuple(parameters), {**names, **parameters}, grad_outputs, capture, output).graph


def numbers_in(thing: Any) -> Contents:
    """The ADNumbers in a thing."""
    return contents_of(thing, lambda part: is_a(part, (ADNumber,)))


def starts_of_numbers(
    returned: Any, name: str, output: Asked, names: Mapping[ADNumber, str], *, is_seeded: bool = False
) -> Starts:
    """The numbers among what was returned that gradients start from."""
    found = Returned(
        name,
        numbers_in(returned),
        lambda number: True,
        lambda number: True,
        lambda number: name_of_number(number, names),
    )
    if not found.contents.parts:
        shown = repr(returned)
        raise nothing_found(found, f"{shown[:60]} ({type(returned).__name__})", "ADNumber")
    return starts_of(found, output, is_seeded=is_seeded)


def sources_of(number: ADNumber) -> Iterator[ADNumber]:
    """The number, and those that it was computed from."""
    waiting, seen = [number], {number}
    while waiting:
        yield (found := waiting.pop())
        fresh = [operand for operand, _ in found.operands if operand not in seen]
        seen.update(fresh)
        waiting += fresh


class BlackBox:
    """The function as one of plain numbers: ``box({"x1": 1.6})`` is the sum of its outputs; ``inputs`` holds those
    that it was made with.
    """

    def __init__(self, target: Any, args: Sequence[Any], kwargs: Mapping[str, Any], output: str | None = None) -> None:
        self.target, self.output = target, output
        self.args, self.kwargs = as_numbers((tuple(args), dict(kwargs)))
        paths = {
            leaf: way_to_leaf(path)
            for path, leaf in leaves_of(arguments_by_parameter(target, self.args, self.kwargs))
            if isinstance(leaf, ADNumber)
        }
        self.numbers = {number.name or path: number for number, path in paths.items()}
        if len(self.numbers) < len(paths):
            raise OptionError(
                "two inputs have the same name among"
                f" {', '.join(number.name or path for number, path in paths.items())}; name them apart"
            )

    @property
    def inputs(self) -> dict[str, Array]:
        """The inputs as they were given."""
        return {name: np.asarray(number.value) for name, number in self.numbers.items()}

    def __call__(self, inputs: Mapping[str, Array]) -> float:
        """The sum of all outputs; NaN where the function has no value."""
        changed = {self.numbers[name]: ADNumber(float(array)) for name, array in inputs.items()}
        args, kwargs = numbers_replaced((self.args, self.kwargs), changed)
        try:
            returned = run_out([self.target(*args, **kwargs)])
        except (ValueError, ArithmeticError):
            return math.nan
        return float(sum(part.thing.value for part in starts_of_numbers(returned, "it", self.output, {}).parts))


def numbers_replaced(tree: Any, changed: Mapping[ADNumber, ADNumber]) -> Any:
    """The same nested lists, tuples and dicts with other numbers in them."""
    if isinstance(tree, ADNumber):
        return changed.get(tree, tree)
    if isinstance(tree, dict):
        return {key: numbers_replaced(part, changed) for key, part in tree.items()}
    return type(tree)(numbers_replaced(part, changed) for part in tree) if type(tree) in (list, tuple) else tree


def as_numbers(tree: Any, made: list[tuple[ADNumber, float]] | None = None) -> Any:
    """Plain numbers become new ADNumbers, as they become tensors for torch; everything else stays as it is.

    ``made`` takes what was made of what.
    """
    if isinstance(tree, Constant):
        return tree.value
    if isinstance(tree, (int, float)) and not isinstance(tree, (bool, Enum)):
        number = ADNumber(tree)
        if made is not None:
            made.append((number, tree))
        return number
    if isinstance(tree, dict):
        return {key: as_numbers(part, made) for key, part in tree.items()}
    if type(tree) is list:
        return [as_numbers(part, made) for part in tree]
    if type(tree) is tuple:
        return tuple(as_numbers(part, made) for part in tree)
    return tree


def arguments_by_parameter(
    target: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """Parameter -> argument; positions where there is no signature."""
    try:
        found = inspect.signature(target).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return {**{f"input{i}": argument for i, argument in enumerate(args)}, **kwargs}
    extra = next((name for name, p in found.signature.parameters.items() if p.kind is p.VAR_KEYWORD), "")
    return {**found.arguments, **found.arguments.get(extra, {})}


def leaves_of(tree: Any, path: Path = (), around: tuple[int, ...] = ()) -> Iterator[tuple[Path, Any]]:
    """Everything in nested lists, tuples and dicts, with the way there; a list that holds itself is not entered
    again.
    """
    steps = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, (list, tuple)) else None
    if steps is None:
        yield path, tree
    elif id(tree) not in around:
        for step, part in steps:
            yield from leaves_of(part, (*path, step), (*around, id(tree)))


def way_to_leaf(path: Path) -> str:
    """ "weights[0]" for the way to a leaf."""
    return "".join(
        str(step) if i == 0 else f"[{step!r}]" if isinstance(step, int) else f".{step}" for i, step in enumerate(path)
    )


@dataclass(frozen=True)
class Assembly:
    """What was returned, and what is known of the numbers -> their graph."""

    returned: Any
    name: str
    inputs: tuple[ADNumber, ...]
    names: Mapping[ADNumber, str]
    grad_outputs: Any
    capture: Capture
    output: Asked = None

    @cached_property
    def starts(self) -> Starts:
        """Where gradients start."""
        is_seeded = self.grad_outputs is not None
        return starts_of_numbers(self.returned, self.name, self.output, self.names, is_seeded=is_seeded)

    @cached_property
    def outputs(self) -> list[ADNumber]:
        """The numbers that gradients start from."""
        return [part.thing for part in self.starts.parts]

    @cached_property
    def keywords(self) -> dict[ADNumber, str]:
        """What the numbers were returned as."""
        parts = (*self.starts.parts, *self.starts.others)
        return {part.thing: name for part in parts if (name := name_of_way(part.path)) is not None}

    @cached_property
    def upstream(self) -> list[float]:
        """The gradient that is fed in at each output."""
        given = self.grad_outputs
        if given is None:
            return [1.0] * len(self.outputs)
        parts = list(given) if isinstance(given, (list, tuple)) else [given]
        if len(parts) != len(self.outputs):
            raise GradOutputsError(
                f"grad_outputs has {counted_noun(len(parts), 'gradient')}, but there"
                f" {'is' if len(self.outputs) == 1 else 'are'} {counted_noun(len(self.outputs), 'output')}; give one"
                " number for each, in order"
            )
        try:
            return [1.0 if part is None else float(part) for part in parts]
        except (TypeError, ValueError, OverflowError) as error:
            raise GradOutputsError(
                f"grad_outputs={given!r} is not made of numbers: {error}; give one number for each output"
            ) from error

    @cached_property
    def graph(self) -> Graph:
        """The finished graph."""
        # what all gradients are gradients of
        total = ADNumber(0.0, operands=zip(self.outputs, self.upstream, strict=True))
        gradients = total.gradients()
        del gradients[total]
        order = {number: place for place, number in enumerate(gradients)}  # youngest first, as the sweep went
        numbers = sorted({**dict.fromkeys(self.inputs), **dict.fromkeys(gradients)}, key=lambda number: number.age)
        keys = {number: f"n{i}" for i, number in enumerate(numbers)}
        nodes = tuple(self.node(number, keys[number], gradients.get(number), order.get(number)) for number in numbers)
        edges = tuple(
            edge for number in numbers if number in gradients for edge in self.edges(number, keys, gradients[number])
        )
        graph = Graph(nodes, edges, self.name, self.starts.notices, has_gradients=self.capture.gradients != "none")
        return replace(graph, detail=graph)

    def node(self, number: ADNumber, key: str, gradient: float | None, order: int | None) -> Node:
        """A number as a node."""
        seeds = [seed for output, seed in zip(self.outputs, self.upstream, strict=True) if output is number]
        plain = number.op == "number"
        kept, made = self.capture.gradients != "none", bool(number.operands)
        name = None if plain else name_of_number(number, self.names) or self.keywords.get(number)
        port = Port(
            shape=(),
            dtype="float64",
            value=snapshot_of_adnumber(number.value) if self.capture.values != "none" else None,
            grad=snapshot_of_adnumber(gradient) if gradient is not None and not plain and kept else None,
            upstream=snapshot_of_adnumber(sum(seeds)) if seeds and kept else None,
            name=name,
            is_output=bool(seeds),
        )
        return Node(
            key,
            "op" if made else "data" if plain else "leaf",
            number.op if made else None,
            name,
            (port,),
            requires_grad=not plain,
            cut="data" if plain else "unreached" if gradient is None else None,
            source=CallSite(*number.origin).source if made and self.capture.source else None,
            call=number.age if made else None,
            call_op=number.op if made else None,
            backward_order=order if made else None,
        )

    def edges(self, number: ADNumber, keys: Mapping[ADNumber, str], gradient: float) -> Iterator[Edge]:
        """The operands of a number, with local derivatives and what flows back to each."""
        for slot, (operand, local) in enumerate(number.operands):
            if operand.op == "number":
                yield Edge(keys[operand], keys[number], slot, cut="data")
                continue
            flows = snapshot_of_adnumber(gradient * local) if self.capture.gradients != "none" else None
            yield Edge(
                keys[operand],
                keys[number],
                slot,
                local=snapshot_of_adnumber(local) if self.capture.local else None,
                grad=flows,
            )


def name_of_number(number: ADNumber, names: Mapping[ADNumber, str]) -> str | None:
    """The name that a number was given, or that of the parameter or variable that holds it."""
    return number.name or names.get(number) or next(iter(CallSite(*number.origin).names), None)


def snapshot_of_adnumber(value: float) -> Snapshot:
    """A number as the graph keeps it."""
    return Snapshot((), "float64", value)
