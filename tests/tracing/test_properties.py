"""What holds for every program, tried on programs made at random."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, field

import flows
import numpy as np
import pytest
import torch
from flows import Bits, Flow, Link
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from programs import state_of, world
from random_programs import BLOCKS, ONE, TWO, Input, Program, Step, inputs, programs
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.snapshot import Snapshot, statistics_of_array
from graphviz_ad._internal.tracing.capture import Capture

FUZZ = "FUZZ" in os.environ
EXAMPLES = int(os.environ.get("FUZZ", "300"))
EVERYTHING = Capture(values="full", gradients="full")

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),  # of torch, about what such programs do
    pytest.mark.filterwarnings("ignore:.*encountered in sinh:RuntimeWarning"),  # of numpy, in a function of the user
    pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated"),  # torch itself, in func.jvp
]


# --- what torch says


@dataclass
class Truth:
    """What a run of a program without us shows."""

    results: set[Bits]
    outputs: Counter[Bits]
    upstream: list[Tensor]
    links: Counter[Link]
    # value and gradient of each that has a gradient
    leaves: Counter[tuple[Bits, Bits]] = field(default_factory=Counter)
    flows: Counter[Flow] = field(default_factory=Counter)
    problem: str | None = None


def truth(program: Program, x: Tensor, y: Tensor) -> Truth:
    """Run it plain, and once back with hooks on its autograd nodes."""
    results: set[Bits] = set()

    def see(result: Tensor) -> None:
        # what was written to in part is no result of any operation, and an input none either
        if result._version == 0 and not result.is_leaf:
            results.add(flows.bits(result))

    torch.manual_seed(0)
    outputs = program(x, y, see)
    found = Truth(results, Counter(map(flows.bits, outputs)), upstream(outputs), flows.links(outputs))
    leaves = flows.variables(outputs)
    try:
        with flows.watched(outputs) as found.flows:
            grads = gradients(program, outputs, leaves, found.upstream)
    except RuntimeError as error:
        found.problem = str(error)
    else:
        found.leaves = Counter(
            (flows.bits(leaf), flows.bits(grad)) for leaf, grad in zip(leaves, grads, strict=True) if grad is not None
        )
    return found


def upstream(outputs: Sequence[Tensor]) -> list[Tensor]:
    """Gradients to feed in, no two alike."""
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(output.shape, generator=generator, dtype=torch.float64).to(output.dtype) for output in outputs]


def gradients(
    program: Program, outputs: Sequence[Tensor], leaves: Sequence[Tensor], seeds: Sequence[Tensor]
) -> list[Tensor | None]:
    """By `grad`; by `backward` where a reentrant checkpoint allows nothing else."""
    if leaves and not program.is_reentrant:
        return list(torch.autograd.grad(outputs, leaves, seeds, allow_unused=True))
    torch.autograd.backward(outputs, seeds)
    return [leaf.grad for leaf in leaves]


# --- what a graph says


def traced(program: Program, x: Tensor, y: Tensor, seeds: list[Tensor], capture: Capture = EVERYTHING) -> Graph:
    """The graph of a call."""
    torch.manual_seed(0)
    return gad.trace(program, x, y, grad_outputs=seeds, capture=capture)


def finished(program: Program, x: Tensor, y: Tensor, seeds: list[Tensor]) -> Graph:
    """The graph of what was computed already."""
    torch.manual_seed(0)
    return gad.trace(program(x, y), grad_outputs=seeds, capture=EVERYTHING)


def recorded(program: Program, x: Tensor, y: Tensor, seeds: list[Tensor]) -> Graph:
    """The graph of a stretch of a program that runs its own backward pass."""
    torch.manual_seed(0)
    with gad.record(capture=EVERYTHING) as recording:
        torch.autograd.backward(program(x, y), seeds)
    return recording.graph  # type: ignore[no-any-return]


How = Callable[[Program, Tensor, Tensor, list[Tensor]], Graph]


def compared(program: Program, first: Input, second: Input, how: How) -> bool:
    """Assert that the graph of a program says what torch says without us, and that the world is as it was; False
    where there is nothing to compare.
    """
    program = program.accepted(first.make(), second.make())
    x, y = first.make(), second.make()
    expected = truth(program, x, y)
    if not expected.outputs or x._version or y._version or (program.is_reentrant and how is not traced):
        return False
    generator = torch.get_rng_state().tolist()
    x, y = first.make(), second.make()
    before = world(), state_of(x, y)
    if expected.problem:
        with pytest.raises(RuntimeError) as raised:
            how(program, x, y, expected.upstream)
        assert str(raised.value) == expected.problem
    else:
        assert_says(how(program, x, y, expected.upstream), expected, has_values=how is not finished)
    assert torch.get_rng_state().tolist() == generator
    assert world() | {"generator": None} == before[0] | {"generator": None}
    assert state_of(x, y) == before[1] or how is recorded
    return True


def assert_says(graph: Graph, expected: Truth, *, has_values: bool) -> None:
    """Every number and every edge of autograd is in the graph, and nothing else."""
    fine = graph.detail or graph
    ports = [port for node in fine.node_list for port in node.ports]
    leaves = [
        port for node in fine.node_list if node.kind == "leaf" for port in node.ports if port.grad_total or port.grad
    ]
    found = Counter((flows.kept_bits(port.value), flows.kept_bits(port.grad_total or port.grad)) for port in leaves)
    assert flows.links_in(graph) == expected.links
    assert flows.flows_in(graph) == expected.flows
    assert found == expected.leaves
    assert Counter(flows.kept_bits(port.value) for port in ports if port.is_output) == expected.outputs
    assert expected.results <= {flows.kept_bits(port.value) for port in ports} or not has_values
    assert flows.wrong_sums(graph) + flows.wrong_sums(fine, exact=True) == []
    assert [port for port in ports if port.grad is not None and port.shape not in (None, port.grad.shape)] == []


# --- programs


def alone(name: str) -> Program:
    """A program of one operation, or of a block of one, used twice."""
    block = (Step("sin", 0, 0), Step("*", 1, 2)) if name in BLOCKS else ()
    return Program((Step("*", 0, 1), Step(name, 2, 1, block), Step("+", 3, 2)))


MATRIX = Input((2, 3), torch.float64, True, (0.5, -1.0, 2.0, 0.25, 1.5, -0.75))
VECTOR = Input((3,), torch.float64, True, (1.5, 0.25, -0.5))
COMPLEX = Input((2, 3), torch.complex128, True, MATRIX.numbers)


@pytest.mark.parametrize("how", [traced, recorded, finished])
@pytest.mark.parametrize("name", [*ONE, *TWO, *BLOCKS])
def test_every_operation_is_true(name: str, how: How) -> None:
    program = alone(name)
    first = next(
        first for first in (MATRIX, VECTOR, COMPLEX) if program.accepted(first.make(), VECTOR.make()) == program
    )
    assert compared(program, first, VECTOR, how) or name == "reentrant checkpoint"


def at_random(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a test with so many examples: the same ones every time; with FUZZ set others, and the smallest that fails
    is looked for.
    """
    phases = (Phase.generate, Phase.shrink) if FUZZ else (Phase.generate,)
    return settings(
        max_examples=examples,
        derandomize=not FUZZ,
        deadline=None,
        database=None,
        phases=phases,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


@at_random(EXAMPLES)
@given(
    program=programs,
    first=inputs(st.just(True)),
    second=inputs(st.booleans()),
    how=st.sampled_from([traced, traced, recorded, finished]),
)
def test_any_program_is_true(program: Program, first: Input, second: Input, how: How) -> None:
    assume(compared(program, first, second, how))


# --- summaries


def kept(graph: Graph) -> Iterator[Snapshot | None]:
    """Everything that is kept, in order."""
    for view in (graph, graph.detail or graph):
        yield from (snapshot for node in view.node_list for port in node.ports for snapshot in (port.value, port.grad))
        yield from (edge.grad for edge in view.edges)


def assert_sums_up(brief: Snapshot | None, whole: Snapshot | None) -> None:
    """The summary is that of the elements."""
    if brief is None or whole is None or brief.known or whole.array is None:
        assert brief == whole
        return
    assert (brief.shape, brief.dtype) == (whole.shape, whole.dtype)
    if brief.missing is not None and brief.missing.startswith("sum of"):  # of summaries, and said to be unknown
        return
    expected = statistics_of_array(whole.array)
    assert (brief.stats is None) == (expected is None)
    if brief.stats is not None and expected is not None:
        # a mean may be what is left of terms that cancel
        rounding = 1e-6 * expected.norm if np.isfinite(expected.norm) else 0.0
        # all but what is of the run alone
        assert astuple(brief.stats)[:-1] == pytest.approx(astuple(expected)[:-1], rel=1e-5, abs=rounding, nan_ok=True)


@at_random(EXAMPLES // 4)
@given(program=programs, first=inputs(st.just(True)), second=inputs(st.booleans()))
def test_the_summaries_of_any_program_are_those_of_its_numbers(program: Program, first: Input, second: Input) -> None:
    program = program.accepted(first.make(), second.make())
    expected = truth(program, first.make(), second.make())
    assume(expected.outputs and not expected.problem)
    whole = traced(program, first.make(), second.make(), expected.upstream)
    brief = traced(program, first.make(), second.make(), expected.upstream, Capture(whole=1))
    for one, other in zip(kept(brief), kept(whole), strict=True):
        assert_sums_up(one, other)
