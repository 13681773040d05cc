"""torch's own database of operations -> calls of every operation, each run untraced and traced, and what differs
between the two.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import Any

import flows
import torch
from flows import Bits, Flow, Link
from torch import Tensor
from torch.utils import _pytree
from torch.utils._python_dispatch import TorchDispatchMode

import graphviz_ad as gad
from graphviz_ad._internal.check.gradient_check import check_gradients
from graphviz_ad._internal.tracing.capture import Capture

FORMS = ("function", "in place")

# What a call turns out to be.
SAME, UPSTREAM, VARIES, FAILS, WRONG = "same bits", "upstream", "varies untraced", "fails untraced", "WRONG"

# Why a call is not the same under any dispatch mode, not even an empty one -> the operations of which that is known.
CHANGED_UPSTREAM = {
    "the overload for lengths in tensors runs, recorded as CtcLossBackward1": ("nn_functional_ctc_loss",),
    "complex numbers come out wrong": (
        "linalg_pinv",
        "linalg_pinv_singular",
        "pinverse",
        "linalg_polar",
        "linalg_matrix_sqrth",
    ),
    "residuals of complex numbers come out wrong": ("linalg_lstsq", "linalg_lstsq_grad_oriented"),
}

# Why a call may differ from run to run -> the operations of which that is known.
CHANGED_BY_CHANCE = {
    "reads uninitialised memory": (
        "empty",
        "empty_like",
        "empty_permuted",
        "empty_strided",
        "new_empty",
        "new_empty_strided",
    ),
    "LAPACK's gelsy starts from uninitialised pivots": ("linalg_lstsq", "linalg_lstsq_grad_oriented"),
}


@cache
def database() -> dict[str, Any]:
    """Every operation that torch tests itself with, by name and variant. This import changes settings of the
    process.
    """
    from torch.testing._internal.common_methods_invocations import op_db

    return {op.formatted_name: op for op in op_db}


@dataclass(frozen=True)
class Sample:
    """One call of one operation."""

    op: str
    form: str
    dtype: torch.dtype
    number: int
    function: Callable[..., Any]
    arguments: tuple[Any, tuple[Any, ...], dict[str, Any]]

    def __str__(self) -> str:
        return f"{self.op} {self.form} {str(self.dtype).removeprefix('torch.')} #{self.number}"

    def fresh(self) -> tuple[list[Tensor], Callable[[], Any]]:
        """All tensors of a new copy of the arguments, and the call with them."""
        sparse = {
            id(leaf): like(leaf)
            for leaf in _pytree.tree_leaves(self.arguments)
            if isinstance(leaf, Tensor) and leaf.layout != torch.strided
        }
        first, args, kwargs = copy.deepcopy(self.arguments, sparse)
        tensors = {id(leaf): leaf for leaf in _pytree.tree_leaves((first, args, kwargs)) if isinstance(leaf, Tensor)}

        def call() -> Any:
            return self.function(first.clone() if self.form == "in place" else first, *args, **kwargs)

        return list(tensors.values()), call


def like(tensor: Tensor) -> Tensor:
    """A new leaf like a sparse tensor, which `copy.deepcopy` cannot copy."""
    return tensor.detach().clone().requires_grad_(tensor.requires_grad)


def samples(op: str, dtype: torch.dtype, form: str = "function", most: int | None = None) -> Iterator[Sample]:
    """The calls that torch suggests for an operation; none where it does not support the dtype or the form."""
    info = database()[op]
    function = info.op if form == "function" else info.inplace_variant
    if function is None or dtype not in info.supported_dtypes("cpu"):
        return
    wants_grad = info.supports_autograd and (dtype.is_floating_point or dtype.is_complex)
    for number, sample in enumerate(islice(info.sample_inputs("cpu", dtype, requires_grad=wants_grad), most)):
        if form == "function" or not sample.broadcasts_input:
            yield Sample(op, form, dtype, number, function, (sample.input, sample.args, sample.kwargs))


# --- one run


@dataclass
class Run:
    """What there is to see of a call: what it returned and did to its arguments, and what flowed back where."""

    results: list[Any]
    arguments: list[Bits]
    generator: bytes
    outputs: list[Bits]
    links: Counter[Link] = field(default_factory=Counter)
    grads: list[Bits] = field(default_factory=list)
    flows: Counter[Flow] = field(default_factory=Counter)
    problem: str | None = None


def observed(results: Any, tensors: Sequence[Tensor]) -> Run:
    """What there is to see right after a call."""
    leaves = [described(result) for result in _pytree.tree_leaves(results)]
    outputs = sorted(flows.bits(output) for output in differentiable(results))
    return Run(leaves, [flows.bits(tensor) for tensor in tensors], torch.get_rng_state().numpy().tobytes(), outputs)


def described(result: Any) -> Any:
    """A result with everything that a user could tell it by, comparable."""
    if not isinstance(result, Tensor):
        return repr(result)
    how = (
        type(result).__name__,
        str(result.layout),
        result.requires_grad,
        result.is_conj(),
        result.is_neg(),
        result._is_view(),
    )
    made_by = flows.name_of(result.grad_fn) if result.grad_fn is not None else None
    strides = result.stride() if result.layout == torch.strided and not result.is_nested else None
    return (*how, made_by, strides, *map(flows.bits, parts(result)))


def parts(tensor: Tensor) -> Sequence[Tensor]:
    """The dense tensors that a tensor consists of."""
    if tensor.is_nested:
        return tensor.unbind()
    if tensor.layout == torch.sparse_coo:
        return tensor._indices(), tensor._values()
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return tensor.crow_indices(), tensor.col_indices(), tensor.values()
    if tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        return tensor.ccol_indices(), tensor.row_indices(), tensor.values()
    return (tensor,)


def differentiable(results: Any) -> list[Tensor]:
    """The tensors among results that a backward pass can start from."""
    return [leaf for leaf in _pytree.tree_leaves(results) if isinstance(leaf, Tensor) and leaf.requires_grad]


def upstream(output: Tensor) -> Tensor:
    """A gradient for an output, no two elements alike; the output itself where its layout has no random numbers."""
    if output.layout != torch.strided or output.is_nested:
        return output
    return torch.randn(output.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(output.dtype)


def untraced(sample: Sample, mode: AbstractContextManager[Any] | None = None) -> tuple[Run, list[Tensor]]:
    """One run as torch does it, its forward part under a mode, and the gradients that were fed in."""
    tensors, call = sample.fresh()
    torch.manual_seed(0)
    with mode or nullcontext():
        results = call()
    run = observed(results, tensors)
    outputs = differentiable(results)
    run.links = flows.links(outputs)
    seeds = [upstream(output.detach()) for output in outputs]
    try:
        if outputs:
            leaves = [tensor for tensor in tensors if tensor.requires_grad]
            with flows.watched(outputs) as run.flows:
                grads = torch.autograd.grad(outputs, [*leaves, *flows.variables(outputs)], seeds, allow_unused=True)
            run.grads = [flows.bits(grad) for grad in grads[: len(leaves)]]
    except (RuntimeError, NotImplementedError) as error:
        # torch has no backward for this call; its forward is compared all the same
        run.flows, run.problem = Counter(), str(error).partition("\n")[0]
    return run, seeds


def traced(sample: Sample, expected: Run, seeds: Sequence[Tensor]) -> tuple[Run, gad.Graph]:
    """The same run under `trace`; a call without a differentiable result gets one beside it, so that there is
    something to trace.
    """
    tensors, call = sample.fresh()
    results: Any = None

    def program(*leaves: Tensor) -> Any:
        nonlocal results
        results = call()
        return results if expected.outputs else torch.zeros((), requires_grad=True) * 1

    leaves = [tensor for tensor in tensors if tensor.requires_grad]
    wanted = bool(expected.outputs) and not expected.problem
    torch.manual_seed(0)
    capture = Capture(values="full", gradients="none" if expected.problem else "full")
    graph = gad.trace(program, *leaves, grad_outputs=list(seeds) if wanted else None, capture=capture)
    run = observed(results, tensors)
    run.problem = expected.problem
    if expected.outputs:
        run.outputs = sorted(
            flows.kept_bits(port.value) for node in graph.outputs for port in node.ports if port.is_output
        )
        run.links = flows.links_in(graph)
    if wanted:
        run.flows = flows.flows_in(graph)
        by_name = {node.name: flows.kept_bits(node.grad) for node in graph.node_list if node.kind == "leaf"}
        run.grads = [by_name.get(f"leaves[{i}]", flows.NONE) for i in range(len(leaves))]
    return run, graph


# --- what differs


def differences(one: Run, other: Run) -> list[str]:
    """What is not the same in two runs, in words."""
    pairs = {name: (getattr(one, name), getattr(other, name)) for name in vars(one)}
    return [f"{name}: {change(*pair)}" for name, pair in pairs.items() if pair[0] != pair[1]]


def change(one: Any, other: Any) -> str:
    """What became what; of counters only what is not in both."""
    if isinstance(one, Counter):
        one, other = one - other, other - one
    return f"{one!r:.300} became {other!r:.300}"


def contradictions(graph: gad.Graph) -> list[str]:
    """What a graph says that cannot be."""
    found = [notice for notice in graph.notices if "could not be recorded" in notice]
    found += [
        f"sum: {wrong}"
        for wrong in (*flows.wrong_sums(graph), *(flows.wrong_sums(graph.detail, exact=True) if graph.detail else ()))
    ]
    return found + [f"check: {row}" for row in check_gradients(graph, differences=False).rows if row.ok is False]


class EmptyMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Changes nothing; a call that is not the same under it is not the same under any dispatch mode."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


def verdict(sample: Sample) -> tuple[str, str]:
    """What a call turned out to be, and what speaks for it."""
    try:
        (first, seeds), (second, _) = untraced(sample), untraced(sample)
    except Exception as error:  # whatever torch raises, there is nothing to compare
        return FAILS, repr(error)
    if first != second:
        return VARIES, "; ".join(differences(first, second))
    try:
        found, graph = traced(sample, first, seeds)
        wrong = contradictions(graph)
    except Exception as error:
        return WRONG, f"raises {error!r}"
    changed = differences(first, found)
    if not wrong and not changed:
        return SAME, ""
    if not wrong and is_known(sample, CHANGED_UPSTREAM) and found == untraced(sample, EmptyMode())[0]:  # type: ignore[no-untyped-call]
        return UPSTREAM, "; ".join(changed)
    return VARIES if not wrong and is_known(sample, CHANGED_BY_CHANCE) else WRONG, "; ".join(wrong + changed)


def is_known(sample: Sample, reasons: dict[str, tuple[str, ...]]) -> bool:
    """Whether an operation stands in a table of exceptions."""
    return any(sample.op in ops for ops in reasons.values())
