"""A program -> Run: torch runs it under the recorder, and what it held, kept and raised is read off the real
tensors.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from graphviz_ad._internal.api import api
from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.graph.transforms import keep_only
from graphviz_ad._internal.maths.number_format import number_in_one_line
from graphviz_ad._internal.scene.words.signs import NOT_RETAINED

if TYPE_CHECKING:
    from types import TracebackType

    from graphviz_ad._internal.graph.graph import Graph

LET_GO = "let go of what it kept"
Variables = dict[str, Any]


class Deferred:
    """A module that is imported when something of it is used, so that a list of programs can be read without it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self._name), attribute)


torch: Any = Deferred("torch")


@contextmanager
def on_the_same_numbers() -> Iterator[None]:
    """Random numbers begin from the same seed, and go on afterwards as if nothing had been drawn."""
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(0)
        yield


@dataclass(frozen=True)
class Run:
    """One run of a program under the recorder.

    ``variables`` are those of the program when it ended, or raised; ``error`` is what it raised, ``raised`` the line of
    ``code`` that did.
    """

    graph: Graph
    variables: Mapping[str, Any]
    code: tuple[str, ...]
    error: str = ""
    raised: int | None = None

    def __getitem__(self, name: str) -> Any:
        return self.variables[name]

    def dot_grad(self, name: str) -> str:
        """What torch holds in ``.grad`` of a variable, and why where that is nothing: "y.grad: None (not retained)"."""
        return f"{name}.grad: {dot_grad(self.variables[name])}"


def run(program: Callable[[], Variables]) -> Run:
    """Run a program that returns its ``locals()``; one that raises is as welcome."""
    lines, first = source_of(program)
    recording = api.record()
    try:
        with recording:
            variables = program()
    except Exception as error:
        where = frame_of(error.__traceback__, program)
        raised = where.tb_lineno - program.__code__.co_firstlineno - first
        variables = dict(where.tb_frame.f_locals)
        return Run(tidy(recording.graph), variables, lines, f"{type(error).__name__}: {error}", raised)
    return Run(tidy(recording.graph), variables, lines)


def tidy(graph: Graph) -> Graph:
    """Without data that nothing was computed from, such as the argument of ``backward``; a leaf that no pass has
    come to is a leaf all the same.
    """
    used = {end for edge in graph.edges for end in (edge.tail, edge.head)}
    nodes = [node for node in graph.node_list if node.kind != "data" or node.name or node.key in used]
    return graph.with_parts(
        [replace(node, kind="leaf") if node.kind == "data" and node.requires_grad else node for node in nodes],
        graph.edges,
    )


def of_this_pass(graph: Graph) -> Graph:
    """Only what the last backward pass ran over, and what it was computed from."""
    keys = {node.key for node in graph.node_list if node.backward_order is not None}
    return keep_only(graph, keys | {edge.tail for edge in graph.edges if edge.head in keys})


def frame_of(trace: TracebackType | None, program: Callable[..., Any]) -> TracebackType:
    """The part of a traceback that is in the program itself."""
    while trace is not None and trace.tb_frame.f_code is not program.__code__:
        trace = trace.tb_next
    if trace is None:
        raise OptionError(f"{program!r} did not raise what is being looked for")
    return trace


def source_of(program: Callable[..., Any]) -> tuple[tuple[str, ...], int]:
    """The lines of a function's body without its docstring and a plain ``return``, and how far below the first line
    of the function they begin.
    """
    try:
        text = textwrap.dedent("".join(inspect.getsourcelines(program)[0]))
    except OSError:  # installed without sources
        return (), 0
    (tree,) = ast.parse(text).body
    assert isinstance(tree, ast.FunctionDef)
    body = [part for part in tree.body if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))]
    if isinstance(body[-1], ast.Return) and (
        isinstance(body[-1].value, ast.Name | ast.Tuple) or ast.unparse(body[-1]) == "return locals()"
    ):
        body.pop()
    start, end = body[0].lineno - 1, body[-1].end_lineno
    return tuple(textwrap.dedent("\n".join(text.splitlines()[start:end])).split("\n")), start


def dot_grad(tensor: Any) -> str:
    """What torch holds in ``.grad``: a number, or None and why."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of what is about to be shown
        grad = tensor.grad
    if grad is not None:
        return written(grad)
    if not tensor.requires_grad:
        return "None (does not require grad)"
    return "None" if tensor.is_leaf else NOT_RETAINED


def written(tensor: Any) -> str:
    """The elements of a small tensor."""
    return number_in_one_line(Snapshot(tuple(tensor.shape), str(tensor.dtype), np.asarray(tensor.detach().tolist())))


def pins(done: Run) -> dict[str, str]:
    """Name of a variable -> what the operation that made it keeps for the backward pass now, as torch tells: "keeps
    x", "let go of it".
    """
    made = {
        name: thing.grad_fn for name, thing in done.variables.items() if getattr(thing, "grad_fn", None) is not None
    }
    return {name: kept(step, done.variables) for name, step in made.items()}


def kept(step: Any, variables: Mapping[str, Any]) -> str:
    """What one autograd node keeps, by the names of the program."""
    try:
        tensors = saved_tensors(step)
    except RuntimeError:
        return LET_GO
    places = {thing.data_ptr(): name for name, thing in variables.items() if hasattr(thing, "data_ptr")}
    names = [places.get(tensor.data_ptr()) or written(tensor) for tensor in tensors]
    return f"keeps {', '.join(dict.fromkeys(names))}" if names else "keeps nothing"


def saved_tensors(step: Any) -> list[Any]:
    """The tensors that an autograd node keeps; torch raises where it has let go of them."""
    found = [getattr(step, name) for name in dir(step) if name.startswith("_saved_")]
    return [thing for thing in found if hasattr(thing, "data_ptr")]


def bytes_kept(tensor: Any) -> int:
    """How many bytes autograd keeps behind a tensor besides leaves, each piece of memory once."""
    steps, seen, places = [tensor.grad_fn], set[Any](), dict[int, int]()
    while steps:
        step = steps.pop()
        if step is None or step in seen:
            continue
        seen.add(step)
        steps += [before for before, _ in step.next_functions]
        try:
            places |= {thing.data_ptr(): thing.nbytes for thing in saved_tensors(step) if thing.grad_fn is not None}
        except RuntimeError:  # it has let go
            continue
    return sum(places.values())


def clash(done: Run) -> str:
    """The versions that an error of torch speaks of: "kept version 0, is version 1"."""
    found = re.search(r"is at version (\d+); expected version (\d+)", done.error)
    return f"kept at version {found[2]}, now at {found[1]}" if found else ""
