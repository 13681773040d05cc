"""An operation is what torch ran, never the identifier at the call site: a program written in many ways gives the same
graph.
"""

from __future__ import annotations

import functools
import json
import linecache
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import operations
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import graphviz_ad as gad
from graphviz_ad._internal.graph.graph import Graph

SOURCES = ("source", "statement", "statements", "program")  # where a line stands, and how it is written


def facts(graph: Graph, *without: str) -> Any:
    """The saved graph but for the lines at which things stand, and what else is left out."""
    return stripped(json.loads(graph.to_json()), {*SOURCES, *without})


def stripped(data: Any, left_out: set[str]) -> Any:
    if isinstance(data, dict):
        return {name: stripped(part, left_out) for name, part in data.items() if name not in left_out}
    return [stripped(part, left_out) for part in data] if isinstance(data, list) else data


class Passing(TorchFunctionMode):
    """Hands everything on at once."""

    def __torch_function__(self, f: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return f(*args, **(kwargs or {}))


class Logging(TorchFunctionMode):
    """Looks at what comes by, and lets a helper do the work."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def run(self, g: Any, rest: Any, more: Any) -> Any:
        out = g(*rest, **more)
        return out

    def __torch_function__(self, f: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = self.run(f, args, kwargs or {})
        self.seen.append(str(f))
        return result


class Dispatching(TorchDispatchMode):
    """The same below autograd."""

    def __torch_dispatch__(self, f: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return f(*args, **(kwargs or {}))


class Plain(Tensor):
    """A tensor of a class that is only called otherwise."""


class Watched(Tensor):
    """A tensor of a class that sees what is done with it."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return super().__torch_function__(func, types, args, kwargs or {})


# --- a program written six ways


def attention(x: Tensor, w: Tensor) -> Tensor:
    return F.layer_norm(F.scaled_dot_product_attention(x, F.linear(x, w), F.gelu(x)), (4,)).sum()


def classified(x: Tensor, w: Tensor) -> Tensor:
    return F.cross_entropy(torch.matmul(F.linear(x, w).tanh(), w), F.softmax(x, dim=-1))


def convolved(x: Tensor, w: Tensor) -> Tensor:
    return F.conv1d(torch.unsqueeze(x, 0), torch.unsqueeze(w, 2)).relu().std()


def joined(x: Tensor, w: Tensor) -> Tensor:
    return torch.einsum("ij,kj->ik", torch.cat([x, w]), torch.stack([x, w]).mean(0)).logsumexp(0).max()


class Layered(nn.Module):
    """A module without modules of its own, whose call is no fact of the graph."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, 16).reshape(4, 4))
        self.bias = nn.Parameter(torch.linspace(0, 1, 4))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        return F.mse_loss(F.linear(F.dropout(x, 0.0), self.weight, self.bias), torch.matmul(x, w))


PROGRAMS: dict[str, Callable[..., Tensor]] = {
    "attention": attention,
    "classified": classified,
    "convolved": convolved,
    "joined": joined,
    "layered": Layered(),
}


def inputs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(4, 4, generator=generator, requires_grad=True) for _ in range(2))  # type: ignore[return-value]


def as_module(function: Callable[..., Tensor]) -> nn.Module:
    """A function as a module, for those who take no functions."""

    class Called(nn.Module):
        def forward(self, x: Tensor, w: Tensor) -> Tensor:
            return function(x, w)

    return function if isinstance(function, nn.Module) else Called()


def six_ways(program: Callable[..., Tensor]) -> Iterator[tuple[str, Any]]:
    x, w = inputs()
    alias = program
    yield "direct", facts(gad.trace(program, x, w))
    yield "alias", facts(gad.trace(alias, x, w))
    yield "partial", facts(gad.trace(functools.partial(program), x, w))
    yield "partial with one given", facts(gad.trace(functools.partial(program, w=w), x))
    for mode in (Passing, Logging, Dispatching):
        with mode():
            yield mode.__name__, facts(gad.trace(program, x, w))
    yield "torch.fx", facts(gad.trace(torch.fx.symbolic_trace(program), x, w))
    exported = torch.export.export(as_module(program), (x, w)).module()
    yield "torch.export", {**facts(gad.trace(exported, x, w), "detail"), "name": name_of(program)}


def name_of(program: Callable[..., Tensor]) -> str:
    return type(program).__name__ if isinstance(program, nn.Module) else program.__name__


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_written_six_ways_gives_the_same_graph(name: str) -> None:
    (_, first), *others = six_ways(PROGRAMS[name])
    for way, found in others:
        expected = {key: first[key] for key in first if key in found}
        assert found == expected, way


def test_it_does_so_also_after_something_was_compiled_in_the_process() -> None:
    x, w = inputs()
    before = {name: facts(gad.trace(program, x, w)) for name, program in PROGRAMS.items()}
    torch.compile(lambda x: torch.sin(x) * 2, backend="eager")(x).sum().backward()
    assert {name: facts(gad.trace(program, x, w)) for name, program in PROGRAMS.items()} == before
    generated = torch.fx.symbolic_trace(attention)
    twice = [gad.trace(torch.fx.symbolic_trace(attention), x, w).to_json() for _ in range(2)]
    assert twice[0] == twice[1] == gad.trace(generated, x, w).to_json()  # the names of made-up files are no facts


# --- functions called by other names

FUNCTIONS: dict[str, tuple[Any, str]] = {  # what takes one matrix or two and gives a matrix
    "F.linear": (F.linear, "{}, {}"),
    "torch.matmul": (torch.matmul, "{}, {}"),
    "torch.addmm": (torch.addmm, "{}, {}, {}"),
    "F.gelu": (F.gelu, "{}"),
    "F.softmax": (F.softmax, "{}, -1"),
    "F.normalize": (F.normalize, "{}"),
    "F.layer_norm": (F.layer_norm, "{}, (4,)"),
    "torch.special.expit": (torch.special.expit, "{}"),
    "torch.linalg.multi_dot": (torch.linalg.multi_dot, "[{}, {}, {}]"),
    "torch.Tensor.mul": (Tensor.mul, "{}, {}"),
    "torch.stack": (torch.stack, "[{}, {}], 0).sum(0"),
    "torch.tensordot": (torch.tensordot, "{}, {}, 1"),
}
LEAVES = st.sampled_from(["x", "w"])


def calls(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def call(name: str) -> st.SearchStrategy[str]:
        count = FUNCTIONS[name][1].count("{}")
        return st.tuples(*[parts] * count).map(lambda given: f"{name}({FUNCTIONS[name][1].format(*given)})")

    return st.sampled_from(sorted(FUNCTIONS)).flatmap(call)


TEXTS = calls(st.recursive(LEAVES, calls, max_leaves=4))


def program_of(text: str, count: list[int], **names: Any) -> Callable[..., Tensor]:
    """A function whose text is in a file, as those of users are."""
    count.append(1)
    file = f"<program {len(count)}>"
    lines = f"def program(x, w):\n    return ({text}).sum()\n"
    linecache.cache[file] = (len(lines), None, lines.splitlines(keepends=True), file)
    space: dict[str, Any] = {"torch": torch, "F": F, **names}
    exec(compile(lines, file, "exec"), space)
    program: Callable[..., Tensor] = space["program"]
    return program


def renamed(text: str, start: str) -> tuple[str, dict[str, Any]]:
    """The text with each function called by the name of another, read from variables or attributes."""
    order = sorted(FUNCTIONS)
    others = {name: order[(i + 1) % len(order)].rpartition(".")[2] for i, name in enumerate(order)}
    for name in sorted(order, key=len, reverse=True):
        text = text.replace(f"{name}(", f"{start}{others[name]}__(")
    return text.replace("__(", "("), {others[name]: FUNCTIONS[name][0] for name in order}


@settings(max_examples=12, deadline=None)
@given(TEXTS)
def test_functions_called_by_the_names_of_others_are_what_they_are(text: str) -> None:
    x, w = inputs()
    made: list[int] = []
    expected = facts(gad.trace(program_of(text, made), x, w))
    variables, held = renamed(text, "")
    attributes, _ = renamed(text, "home.")
    partials = {name: functools.partial(function) for name, function in held.items()}
    ways = {
        "variables": program_of(variables, made, **held),
        "attributes": program_of(attributes, made, home=SimpleNamespace(**held)),
        "partials": program_of(variables, made, **partials),
    }
    assert [way for way, program in ways.items() if facts(gad.trace(program, x, w)) != expected] == []


class Holding(nn.Module):
    """Keeps functions under the names of others."""

    def __init__(self) -> None:
        super().__init__()
        self.bilinear = F.linear
        self.matmul = functools.partial(F.conv1d, stride=2)
        self.layers = [F.linear]

    @staticmethod
    def relu(x: Tensor, w: Tensor) -> Tensor:
        return F.linear(x, w)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        tanh = F.linear
        total = torch.zeros(())
        for linear in (F.linear, torch.matmul, F.cosine_similarity):
            total = total + linear(x, w).sum()
        y = self.bilinear(x, w) + self.relu(x, w) + tanh(x, w)
        return total + y.sum() + self.matmul(x[None], w[..., None]).sum() + self.layers[0](x, w).sum()


def test_what_is_called_is_read_from_where_it_lies_each_time() -> None:
    x, w = inputs()
    found = [op for op in operations(gad.trace(Holding(), x, w)) if op not in ("add", "sum", "getitem")]
    assert found == ["linear", "matmul", "cosine_similarity", "linear", "linear", "linear", "conv1d", "linear"]


def test_nothing_that_the_program_calls_by_itself_is_an_operation() -> None:
    def apply(function: Any, *given: Any) -> Any:
        return function(*given)

    def program(x: Tensor, w: Tensor) -> Tensor:
        first = next(iter(map(F.linear, [x], [w])))
        return functools.reduce(torch.Tensor.add, [first, apply(F.linear, x, w), max([x, w], key=len)]).sum()

    x, w = inputs()
    graph = gad.trace(program, x, w)
    known = {"linear", "t→mm", "mm", "t", "add", "sum"}  # of what map() calls, only what ran is known
    assert {node.op for node in graph.node_list if node.op} <= known
    assert {node.call_op for node in graph.node_list if node.call_op} <= known


def test_a_handler_that_computes_something_else_has_the_line_where_it_does_so() -> None:
    class Doubling(TorchFunctionMode):
        def __torch_function__(self, f: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = f(*args, **(kwargs or {}))
            return torch.mul(out, 2) if f is torch.sin else out

    def program(x: Tensor) -> Tensor:
        y = torch.sin(x)
        return y.sum()

    x = torch.ones(2, requires_grad=True)
    with Doubling():
        graph = gad.trace(program, x)
    lines = {node.op: node.source for node in graph.node_list if node.source and node.op}
    here = program.__code__.co_firstlineno
    assert (list(lines), lines["sin"], lines["sum"]) == (
        ["sin", "mul", "sum"],
        f"test_operations_as_they_ran.py:{here + 1}",
        f"test_operations_as_they_ran.py:{here + 2}",
    )
    assert lines["mul"] == f"test_operations_as_they_ran.py:{here - 2}"


def test_a_tensor_of_a_class_that_looks_on_has_the_operations_of_the_program() -> None:
    def program(x: Tensor, w: Tensor) -> Tensor:
        h = 2 * x - w
        return F.linear(h, w).sum()

    x, w = inputs()
    plain, watched = (
        facts(gad.trace(program, x.detach().as_subclass(cls).requires_grad_(), w)) for cls in (Plain, Watched)
    )
    assert watched == plain
    assert {"mul", "sub", "linear", "sum"} <= {node.get("op") for node in watched["nodes"]}


@pytest.mark.parametrize(
    "target",
    [
        F.linear,
        Tensor.matmul,
        torch.ops.aten.linear.default,
        functools.partial(F.linear),
        F.scaled_dot_product_attention,
    ],
)
def test_a_function_of_torchs_that_is_traced_itself_has_its_name(target: Any) -> None:
    x, w = inputs()
    given = (x, w, w) if target is F.scaled_dot_product_attention else (x, w)
    assert operations(gad.trace(target, *given)) == [
        "matmul" if target is Tensor.matmul else "linear" if len(given) == 2 else "scaled_dot_product_attention"
    ]


def test_a_default_device_changes_no_operation() -> None:
    before = facts(gad.trace(attention, *inputs()))
    with torch.device("cpu"):
        assert facts(gad.trace(attention, *inputs())) == before
