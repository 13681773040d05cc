"""ADNumbers, or a function called with them -> Graph; knows the teaching engine and no framework.

An `ADNumber` has kept everything that a graph needs, so that a finished one says as much as a function that is run here. Names are those that
numbers were given, then those of parameters, then those of the variables that took them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from graphviz_ad.ad_number import ADNumber
from graphviz_ad.capture import Capture
from graphviz_ad.errors import GradOutputsError, NoTensorError
from graphviz_ad.graph import Edge, Graph, Node, Port
from graphviz_ad.snapshot import Snapshot
from graphviz_ad.tracing.call_sites import CallSite

Path = tuple[str | int, ...]


def concerns(target: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether this front end is meant: the target is made of ADNumbers, or one of them is among the inputs."""
    looked_at = (args, kwargs) if callable(target) else target
    return any(isinstance(leaf, ADNumber) for _, leaf in leaves_of(looked_at))


def trace(target: Any, args: Sequence[Any], kwargs: Mapping[str, Any], grad_outputs: Any, capture: Capture, namespace: Mapping[str, Any]) -> Graph:
    """The graph of one call of `target`, or of finished ADNumbers; see `graphviz_ad.trace`."""
    names = {thing: name for name, thing in namespace.items() if isinstance(thing, ADNumber) and not name.startswith("_")}
    if not callable(target):
        first = next(leaf for _, leaf in leaves_of(target) if isinstance(leaf, ADNumber))
        return Assembly(target, first.name or "f", (), names, grad_outputs, capture).graph
    args, kwargs = as_numbers(tuple(args)), as_numbers(dict(kwargs))
    parameters = {leaf: written(path) for path, leaf in leaves_of(bound(target, args, kwargs)) if isinstance(leaf, ADNumber)}
    name = str(getattr(target, "__name__", type(target).__name__))
    return Assembly(target(*args, **kwargs), name, tuple(parameters), {**names, **parameters}, grad_outputs, capture).graph


def as_numbers(tree: Any) -> Any:
    """Plain numbers become new ADNumbers, as they become tensors for torch; everything else stays as it is."""
    if isinstance(tree, (int, float)) and not isinstance(tree, bool):
        return ADNumber(tree)
    if isinstance(tree, dict):
        return {key: as_numbers(part) for key, part in tree.items()}
    if type(tree) in (list, tuple):
        return type(tree)(as_numbers(part) for part in tree)
    return tree


def bound(target: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Parameter -> argument; positions where there is no signature."""
    try:
        found = inspect.signature(target).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return {**{f"input{i}": argument for i, argument in enumerate(args)}, **kwargs}
    extra = next((name for name, p in found.signature.parameters.items() if p.kind is p.VAR_KEYWORD), "")
    return {**found.arguments, **found.arguments.get(extra, {})}


def leaves_of(tree: Any, path: Path = (), around: tuple[int, ...] = ()) -> Iterator[tuple[Path, Any]]:
    """Everything in nested lists, tuples and dicts, with the way there; a list that holds itself is not entered again."""
    steps = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, (list, tuple)) else None
    if steps is None:
        yield path, tree
    elif id(tree) not in around:
        for step, part in steps:
            yield from leaves_of(part, (*path, step), (*around, id(tree)))


def written(path: Path) -> str:
    """ "weights[0]" for the way to a leaf."""
    return "".join(str(step) if i == 0 else f"[{step!r}]" if isinstance(step, int) else f".{step}" for i, step in enumerate(path))


@dataclass(frozen=True)
class Assembly:
    """What was returned, and what is known of the numbers -> their graph."""

    returned: Any
    name: str
    inputs: tuple[ADNumber, ...]
    names: Mapping[ADNumber, str]
    grad_outputs: Any
    capture: Capture

    @cached_property
    def outputs(self) -> list[ADNumber]:
        """The numbers that were returned."""
        found = [leaf for _, leaf in leaves_of(self.returned) if isinstance(leaf, ADNumber)]
        if not found:
            shown = repr(self.returned)
            raise NoTensorError(f"{self.name} returned {shown[:60]} ({type(self.returned).__name__}), in which there is no ADNumber; return the ADNumber(s)")
        return found

    @cached_property
    def keywords(self) -> dict[ADNumber, str]:
        """What a returned dict calls the outputs."""
        return {leaf: path[-1] for path, leaf in leaves_of(self.returned) if isinstance(leaf, ADNumber) and path and isinstance(path[-1], str)}

    @cached_property
    def upstream(self) -> list[float]:
        """The gradient that is fed in at each output."""
        given = self.grad_outputs
        if given is None:
            return [1.0] * len(self.outputs)
        parts = list(given) if isinstance(given, (list, tuple)) else [given]
        if len(parts) != len(self.outputs):
            raise GradOutputsError(f"grad_outputs has {len(parts)} gradient(s), but there are {len(self.outputs)} outputs; give one number for each, in order")
        try:
            return [1.0 if part is None else float(part) for part in parts]
        except (TypeError, ValueError) as error:
            raise GradOutputsError(f"grad_outputs={given!r} is not made of numbers: {error}; give one number for each output") from error

    @cached_property
    def graph(self) -> Graph:
        """The finished graph."""
        total = ADNumber(0.0, operands=zip(self.outputs, self.upstream, strict=True))  # what all gradients are gradients of
        gradients = total.gradients()
        del gradients[total]
        order = {number: place for place, number in enumerate(gradients)}  # youngest first, as the sweep went
        numbers = sorted({**dict.fromkeys(self.inputs), **dict.fromkeys(gradients)}, key=lambda number: number.age)
        keys = {number: f"n{i}" for i, number in enumerate(numbers)}
        nodes = tuple(self.node(number, keys[number], gradients.get(number), order.get(number)) for number in numbers)
        edges = tuple(edge for number in numbers if number in gradients for edge in self.edges(number, keys, gradients[number]))
        graph = Graph(nodes, edges, self.name, has_gradients=self.capture.gradients != "none")
        return replace(graph, detail=graph)

    def node(self, number: ADNumber, key: str, gradient: float | None, order: int | None) -> Node:
        """A number as a node."""
        site = CallSite(*number.origin)
        seeds = [seed for output, seed in zip(self.outputs, self.upstream, strict=True) if output is number]
        plain = number.op == "number"
        kept, made = self.capture.gradients != "none", bool(number.operands)
        name = None if plain else number.name or self.names.get(number) or next(iter(site.names), None) or self.keywords.get(number)
        port = Port(
            shape=(),
            dtype="float64",
            value=snapshot(number.value) if self.capture.values != "none" else None,
            grad=snapshot(gradient) if gradient is not None and not plain and kept else None,
            upstream=snapshot(sum(seeds)) if seeds and kept else None,
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
            source=site.source if made and self.capture.source else None,
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
            flows = snapshot(gradient * local) if self.capture.gradients != "none" else None
            yield Edge(keys[operand], keys[number], slot, local=snapshot(local) if self.capture.local else None, grad=flows)


def snapshot(value: float) -> Snapshot:
    """A number as the graph keeps it."""
    return Snapshot((), "float64", value)
