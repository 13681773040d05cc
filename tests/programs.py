"""What several tests of the tracer need: an independent look at autograd, at the sums in a graph, and at the state
of the world.
"""

from __future__ import annotations

import gc
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules import module as module_internals

from graphviz_ad._internal.check.capture_check import verify
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.maths.detail_levels import at_detail
from graphviz_ad._internal.tracing.tape.torch_private import hooks_are_open

F64 = torch.float64


def leaf(*numbers: Any, dtype: torch.dtype = F64) -> Tensor:
    """A new tensor that requires grad."""
    return torch.tensor(list(numbers), dtype=dtype, requires_grad=True)


def randoms(*shape: int, seed: int = 0, dtype: torch.dtype = F64) -> Tensor:
    """Random numbers that require grad, the same in every run."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype).requires_grad_()


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return 2 * ctx.saved_tensors[0] * g


# --- what torch says without us


def autograd_names(*outputs: Tensor) -> Counter[str]:
    """How many autograd nodes of each name lead to the outputs, those that accumulate into leaves left out."""
    seen, stack = {}, [output.grad_fn for output in outputs]
    while stack:
        node = stack.pop()
        if node is not None and node not in seen:
            seen[node] = str(node.name()).rpartition("::")[2]
            stack.extend(following for following, _ in node.next_functions)
    return Counter(name for name in seen.values() if name != "AccumulateGrad")


def plain_gradients(function: Callable[..., Tensor], *leaves: Tensor) -> list[Tensor | None]:
    """Gradients of the function's result, fed with ones, as torch gives them untraced."""
    output = function(*leaves)
    return list(torch.autograd.grad(output, leaves, torch.ones_like(output), allow_unused=True))


# --- what a graph says


def node_called(graph: Graph, name: str) -> dict[str, Any]:
    """The attributes in ``graph.nx`` of the only node of that name."""
    found = [attributes for _, attributes in graph.nx.nodes(data=True) if attributes["name"] == name]
    assert len(found) == 1, f"{len(found)} nodes are called {name}"
    return found[0]


def operations(graph: Graph) -> list[str | None]:
    """What the operations are called, in order."""
    return [node.op for node in graph.node_list if node.kind == "op"]


def operation(graph: Graph, op: str) -> Node:
    """The only operation of that name."""
    (found,) = [node for node in graph.node_list if node.op == op]
    return found


def tails(graph: Graph, key: str) -> list[str | None]:
    """Names of the operands of a node, in order; numbers as their text, unnamed operations by what they do."""
    found = (graph.nodes[edge.tail] for edge in graph.in_edges(key))
    return [node.name or node.op or (str(node.value.item()) if node.value is not None else None) for node in found]


def reached_names(graph: Graph) -> Counter[str]:
    """How often each autograd node stands in the graph, where the backward pass came by."""
    return Counter(label for node in graph.node_list if node.cut != "unreached" for label in node.autograd)


def wrong_sums(graph: Graph, rtol: float = 1e-12) -> list[str]:
    """Results whose gradient is not the sum of what flows back along their uses and what was fed in there."""
    wrong = []
    for node in graph.node_list:
        for number, port in enumerate(node.ports):
            if port.grad is None or port.grad.array is None:
                continue
            flows = [edge.grad for edge in graph.out_edges(node.key) if edge.port == number and edge.cut is None]
            arrays = [
                snapshot.array
                for snapshot in (*flows, port.upstream)
                if snapshot is not None and snapshot.array is not None
            ]
            wide = [array.astype(np.complex128) for array in arrays]
            total = sum(wide) if wide else None
            arrived = (port.arrived or port.grad).array  # a hook may have made another gradient of it
            if (
                total is None
                or np.shape(total) != port.grad.shape
                or not np.allclose(total, arrived, rtol=rtol, atol=rtol, equal_nan=True)
            ):
                wrong.append(f"{node.key}.{number} ({node.name or node.op}): {total} != {port.grad.array}")
    return wrong


def assert_sound(graph: Graph, rtol: float = 1e-12) -> None:
    """What holds for every graph, whole, in detail, by lines or by calls: keys, order, sums, links to autograd, and
    that nothing went wrong on the way.
    """
    for view in (graph, graph.detail or graph, at_detail(graph, "line"), at_detail(graph, "call")):
        assert view.finer is not None or [node.key for node in view.node_list] == [
            f"n{i}" for i in range(len(view.node_list))
        ]
        place = {node.key: i for i, node in enumerate(view.node_list)}
        assert all(place[edge.tail] < place[edge.head] for edge in view.edges)
        assert len({edge.key for edge in view.edges}) == len(view.edges)
        assert wrong_sums(view, rtol) == []
        assert any(node.is_output for node in view.node_list)
    assert verify(graph).wrong == ()
    assert not [notice for notice in graph.notices if "could not be recorded" in notice]


# --- the state of the world


def world() -> dict[str, Any]:
    """Everything global that a trace could leave behind, as comparable data."""
    return {
        "grad mode": (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_anomaly_enabled()),
        "modes": (torch._C._len_torch_dispatch_stack(), torch._C._len_torch_function_stack()),
        "saved tensor hooks": hooks_are_open(),
        "generator": torch.get_rng_state().tolist(),
        "default dtype": torch.get_default_dtype(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "module hooks": [
            (name, len(hooks))
            for name, hooks in sorted(vars(module_internals).items())
            if name.startswith("_global") and hasattr(hooks, "__len__")
        ],
        "torch": {
            (home.__name__, name): id(thing)
            for home in (torch, Tensor, torch.autograd, nn.functional, nn.Module)
            for name, thing in vars(home).items()
        },
        "gc": (gc.get_threshold(), gc.isenabled()),
        "interpreter": (sys.gettrace(), sys.getprofile(), sys.getrecursionlimit(), threading.stack_size()),
        "warnings": (list(warnings.filters), warnings.showwarning),
        "threads": threading.active_count(),
    }


def state_of(*things: nn.Module | Tensor) -> list[Any]:
    """Everything of modules and tensors that a trace could change; buffers are left out, since a forward pass may
    write them.
    """
    state: list[Any] = []
    for thing in things:
        if isinstance(thing, Tensor):
            state.append(_tensor_state(thing))
            continue
        for name, part in thing.named_modules():
            hooks = [(key, len(value)) for key, value in vars(part).items() if "hooks" in key and value is not None]
            state.append((name, id(part), type(part), part.training, sorted(vars(part)), hooks))
        state.extend(_tensor_state(parameter) for parameter in thing.parameters())
    return state


def _tensor_state(tensor: Tensor) -> tuple[Any, ...]:
    grad = None if tensor.grad is None else (id(tensor.grad), tensor.grad._version, tensor.grad.tolist())
    hooks = len(tensor._backward_hooks or ())
    after = len(getattr(tensor, "_post_accumulate_grad_hooks", None) or ())
    return (
        id(tensor),
        tensor.data_ptr(),
        tensor._version,
        tensor.requires_grad,
        tensor.is_leaf,
        grad,
        hooks,
        after,
        sorted(vars(tensor)),
    )


def tensors(things: Iterable[Any]) -> list[Tensor]:
    """The tensors among things."""
    return [thing for thing in things if isinstance(thing, Tensor)]
