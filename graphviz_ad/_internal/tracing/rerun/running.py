"""A copy of a target, as often as it is wanted -> outputs and gradients as arrays, with inputs that have moved.

Each run is of a new copy, so that buffers, counters and caches are in each as they were before the first; and it begins
with the same random numbers. Nothing of the user's is written to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from graphviz_ad._internal.base.errors import RerunError
from graphviz_ad._internal.graph.precision import unit
from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.maths.agreement import coarsest
from graphviz_ad._internal.tracing.assembly.autograd_graph import put_back, walk
from graphviz_ad._internal.tracing.contents import Path
from graphviz_ad._internal.tracing.generators import run_out
from graphviz_ad._internal.tracing.outputs import upstream_gradients
from graphviz_ad._internal.tracing.rerun.function_calls import FunctionCall, NotedFunctions
from graphviz_ad._internal.tracing.rerun.random_numbers import States, beginning_in
from graphviz_ad._internal.tracing.rerun.tensors import as_array, as_tensor
from graphviz_ad._internal.tracing.tape.torch_private import DispatchMode
from graphviz_ad._internal.tracing.tape.values import dtype_name
from graphviz_ad._internal.tracing.tensor_contents import tensors_in

REENTRANT = "use_reentrant"  # in what torch says where only backward() will do


class World(NamedTuple):
    """A copy of a target with all that it runs on; ``starts`` are the ways, in what it returns, to what is
    differentiated, ``leaves`` the tensors in it that a gradient is asked for.
    """

    target: Callable[..., Any]
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    seeds: Any
    starts: Sequence[Path]
    leaves: Mapping[str, Tensor]


class TargetRuns:
    """Runs of copies of a target; see `graph.target.Runs`."""

    def __init__(
        self,
        name: str,
        make: Callable[[], World],
        random: States,
        unnamed: Sequence[str] = (),
        autocast: Sequence[tuple[str, torch.dtype]] = (),
    ) -> None:
        """``make`` makes a copy; ``autocast`` are devices on which operations chose this dtype."""
        self.unnamed, self.autocast = unnamed, autocast
        self.name, self.make, self.random = name, make, random
        self.count = 0
        self.dtypes = {name: dtype_name(leaf.dtype) for name, leaf in self._leaves(make()).items()}

    def _leaves(self, world: World) -> dict[str, Tensor]:
        return {
            name: leaf
            for name, leaf in world.leaves.items()
            if leaf.requires_grad and (leaf.is_floating_point() or leaf.is_complex()) and leaf.is_leaf
        }

    @cached_property
    def inputs(self) -> dict[str, Array]:
        """What they hold."""
        return {name: as_array(leaf) for name, leaf in self._leaves(self.make()).items()}

    @cached_property
    def _first(self) -> tuple[tuple[Array, ...], tuple[Array, ...], str]:
        """Outputs, what is fed in, and the dtype that rounds most, of a run in which nothing has moved."""
        with Roundings() as seen:
            world, outputs = self._run({})
        seeds = upstream_gradients(outputs, world.seeds)
        kept = [dtype_name(output.dtype) for output in outputs]
        finest = [*self.dtypes.values(), *kept, *seen.found]
        return tuple(map(as_array, outputs)), tuple(map(as_array, seeds)), coarsest(finest)

    @property
    def seeds(self) -> tuple[Array, ...]:
        """The gradients that are fed in."""
        return self._first[1]

    @property
    def precision(self) -> str:
        """The dtype that rounds most."""
        return self._first[2]

    def outputs(self, moved: Mapping[str, Array]) -> tuple[Array, ...]:
        """The outputs where these inputs have other values."""
        found = tuple(map(as_array, self._run(moved)[1]))
        if [part.shape for part in found] != [part.shape for part in self._first[0]]:
            raise RerunError("its results had other shapes in another run")
        return found

    def gradients(self, moved: Mapping[str, Array]) -> dict[str, Array | None]:
        """The gradients there."""
        world, outputs = self._run(moved)
        leaves = self._leaves(world)
        try:
            found = backward(outputs, list(leaves.values()), upstream_gradients(outputs, world.seeds))
        except Exception as error:
            if REENTRANT not in str(error):
                raise failed("its backward pass raised", error) from error
            found = self._accumulated(moved)
        return {name: None if grad is None else as_array(grad) for name, grad in zip(leaves, found, strict=True)}

    def _accumulated(self, moved: Mapping[str, Array]) -> list[Tensor | None]:
        """The same by ``backward()``; what it adds to the ``.grad`` of others is taken away."""
        world, outputs = self._run(moved)
        leaves = list(self._leaves(world).values())
        graph = walk([output.grad_fn for output in outputs])
        others = [(leaf, leaf.grad) for leaf in graph.variables.values() if all(leaf is not ours for ours in leaves)]
        try:
            torch.autograd.backward(outputs, upstream_gradients(outputs, world.seeds))
        except Exception as error:
            raise failed("its backward pass raised", error) from error
        finally:
            put_back(others)
            graph.release()
        return [leaf.grad for leaf in leaves]

    def functions(self) -> tuple[FunctionCall, ...]:
        """The calls of custom Functions."""
        noted = NotedFunctions()
        world, outputs = self._run({}, around=noted.run)
        seeds, leaves = upstream_gradients(outputs, world.seeds), list(self._leaves(world).values())
        try:
            with noted.watching():
                backward(outputs, leaves, seeds)
        except Exception as error:
            raise failed("its backward pass raised", error) from error
        return tuple(noted.calls)

    def _run(
        self, moved: Mapping[str, Array], around: Callable[[Callable[[], Any]], Any] = lambda run: run()
    ) -> tuple[World, list[Tensor]]:
        world = self.make()
        with torch.no_grad():
            for name, array in moved.items():
                world.leaves[name].copy_(as_tensor(array))
        self.count += 1
        try:
            with ExitStack() as contexts:
                contexts.enter_context(beginning_in(self.random))
                contexts.enter_context(torch.enable_grad())
                for device, dtype in self.autocast:
                    contexts.enter_context(torch.autocast(device, dtype))
                returned = around(lambda: run_out([world.target(*world.args, **world.kwargs)]))
        except Exception as error:
            raise failed("it raised", error) from error
        found = {part.path: part.thing for part in tensors_in(returned).parts}
        if not found.keys() >= set(world.starts):
            raise RerunError("it returned something else than in the run that was traced")
        outputs = [found[path] for path in world.starts]
        if not all(output.requires_grad for output in outputs):
            raise RerunError("its results required no gradient")
        return world, outputs


def backward(outputs: Sequence[Tensor], leaves: Sequence[Tensor], seeds: Sequence[Tensor]) -> list[Tensor | None]:
    """The gradients at the leaves; every ``.grad`` is left alone."""
    return list(torch.autograd.grad(list(outputs), list(leaves), list(seeds), allow_unused=True))


def failed(what: str, error: Exception) -> RerunError:
    """The error that says what happened when it was run again."""
    lines = str(error).strip().splitlines()
    return RerunError(f"{what} {type(error).__name__}{f': {lines[0]}' if lines else ''}")


class Roundings(DispatchMode):  # type: ignore[no-untyped-call]
    """While this is open, ``found`` takes the dtypes of results that have fewer digits than what they are made of."""

    def __init__(self) -> None:
        """None is found yet."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: dict[str, None] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False: otherwise torch would import all of its compiler at the first use."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation, and look at what it made."""
        result = func(*args, **(kwargs or {}))
        given = [unit(dtype_name(tensor.dtype)) for tensor in tensors_among(args)]
        finest = min((u for u in given if u), default=0.0)
        if finest:
            names = (dtype_name(tensor.dtype) for tensor in tensors_among((result,)))
            self.found |= {name: None for name in names if unit(name) > finest}
        return result


def tensors_among(things: Iterable[Any]) -> list[Tensor]:
    """The tensors among things, and in the lists and tuples among them."""
    found: list[Tensor] = []
    for thing in things:
        if isinstance(thing, Tensor):
            found.append(thing)
        elif isinstance(thing, (list, tuple)):
            found += [part for part in thing if isinstance(part, Tensor)]
    return found
