"""What is read of a tensor is what it holds, and nothing of the reading stays: not a mark, not an operation."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from programs import leaf, node_called, operation, randoms
from random_programs import DTYPES, SHAPES
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

import graphviz_ad as gad
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.tracing.tape.reading import FreedMemory, copied_elements, number_in, shown_memory
from graphviz_ad._internal.tracing.tape.statistics import WIDER, statistics_of_tensor
from graphviz_ad._internal.tracing.tape.torch_private import is_zeros
from graphviz_ad._internal.tracing.tape.values import as_array, take

PACKAGE = Path(gad.__file__).parent
READER = PACKAGE / "_internal" / "tracing" / "tape" / "reading.py"


def resizable(*tensors: Tensor) -> list[bool]:
    return [tensor.untyped_storage().resizable() for tensor in tensors]


# --- programs that resize


def test_the_parameters_of_a_traced_module_can_still_be_resized() -> None:
    linear = nn.Linear(3, 2)
    gad.trace(linear, torch.randn(4, 3)).plot()
    linear.weight.untyped_storage().resize_(48)
    linear.weight.untyped_storage().resize_(24)
    assert linear(torch.ones(3)).shape == (2,)


def test_a_traced_function_may_resize_what_was_read() -> None:
    def function(x: Tensor) -> Tensor:
        b = torch.zeros(2)
        c = b + 1
        b.resize_(4)
        b.untyped_storage().resize_(64)
        return (x * 2).sum() + c.sum()

    graph = gad.trace(function, leaf(1, 2))
    assert node_called(graph, "x")["grad"].array.tolist() == [2, 2]


def test_gradients_that_are_fed_in_are_not_marked_either() -> None:
    seed, parts = torch.ones(2), [torch.tensor(1.0), torch.tensor(2.0)]
    gad.trace(lambda x: x * 2, leaf(1, 2), grad_outputs=seed)
    graph = gad.trace(lambda x: x * 3, leaf(1, 2), grad_outputs=parts)
    assert node_called(graph, "x")["grad"].array.tolist() == [3, 6]
    fixed = np.array([1.0, 2.0])[::-1]
    fixed.setflags(write=False)
    graph = gad.trace(lambda x: x * 3, leaf(1, 2), grad_outputs=fixed)
    assert node_called(graph, "x")["grad"].array.tolist() == [6, 3]
    assert resizable(seed, *parts) == [True, True, True]


def test_memory_that_was_freed_is_said_to_be_and_not_read() -> None:
    def function(x: Tensor) -> Tensor:
        storage = whole.untyped_storage()
        storage.resize_(0)
        _ = whole.view(30, 10)
        storage.resize_(1200)
        return x * 2

    whole = torch.ones(300)
    assert kept(operation(gad.trace(function, leaf(1)), "view").value) == FREED


@pytest.mark.parametrize("size", [0, 8])
@pytest.mark.parametrize("part", [slice(None), slice(100, 200, 3), slice(100, 101), 0, 250], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.complex64])
def test_so_it_is_of_any_part_of_it(part: Any, dtype: torch.dtype, size: int) -> None:
    tensor = torch.ones(300).to(dtype).conj()[part]
    tensor.untyped_storage().resize_(size)
    if size == 0 or part != 0:
        assert [kept(take(tensor, level, whole)) for level, whole in (("full", 0), ("summary", 9))] == [FREED] * 2


FREED = (None, None, "freed memory")


def kept(snapshot: Snapshot | None) -> tuple[Any, ...]:
    assert snapshot is not None
    return snapshot.data, snapshot.stats, snapshot.missing


# --- what is read


def conjugate(x: Tensor) -> Tensor:
    return torch.complex(x, x + 1).conj()


KINDS: dict[str, Callable[[], Tensor]] = {
    "vector": lambda: torch.tensor([1.5, -0.0, torch.nan, torch.inf]),
    "parameter": lambda: nn.Parameter(torch.ones(2, 2)),
    "number": lambda: torch.tensor(2.5),
    "number in the middle": lambda: torch.arange(5.0)[3],
    "transposed": lambda: torch.arange(6.0).reshape(2, 3).t(),
    "big and transposed": lambda: torch.randn(150, 120).masked_fill(torch.eye(150, 120) > 0, torch.nan).t(),
    "big and expanded": lambda: torch.randn(7, 1, 2000, dtype=torch.float64).expand(7, 2, 2000),
    "expanded": lambda: torch.arange(3.0).expand(4, 3),
    "every other": lambda: torch.arange(9.0)[1::2],
    "overlapping": lambda: torch.arange(6.0).as_strided((3, 3), (1, 1), 1),
    "empty": lambda: torch.ones(3, 0, 2),
    "nothing at all": lambda: torch.empty(0),
    "conjugate": lambda: conjugate(torch.arange(3.0)),
    "negative": lambda: conjugate(torch.arange(3.0)).imag,
    "zeros without memory": lambda: torch._efficientzerotensor(3),
    "zeros of bfloat16": lambda: torch._efficientzerotensor(3, dtype=torch.bfloat16),
    "as of inference": torch.inference_mode()(lambda: torch.ones(3) * 2),
    "truth": lambda: torch.tensor([True, False]),
    "64 dimensions": lambda: torch.ones([1] * 64),
    **{
        str(dtype): lambda dtype=dtype: torch.ones(3).to(dtype)
        for dtype in (
            *(torch.float16, torch.bfloat16, torch.float64, torch.complex64, torch.complex128),
            *(torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64, torch.bool),
            *(dtype for dtype in WIDER if dtype != torch.bfloat16),
        )
    },
}


@pytest.mark.parametrize("make", list(KINDS.values()), ids=list(KINDS))
def test_elements_are_those_of_torch_and_nothing_is_marked(make: Callable[[], Tensor]) -> None:
    tensor = make()
    expected = tensor.detach().clone().to(WIDER.get(tensor.dtype, tensor.dtype)).resolve_conj().resolve_neg()
    found = as_array(tensor)
    assert (found.shape, found.dtype) == (expected.shape, expected.numpy().dtype)
    assert found.tobytes() == expected.contiguous().numpy().tobytes()
    if tensor.numel() == 1 and not tensor.is_complex():
        assert number_in(tensor) == tensor.item()
    statistics_of_tensor(tensor) if tensor.numel() else None
    assert not found.flags.writeable
    assert is_zeros(tensor) or resizable(tensor) == [True]


@given(
    st.sampled_from(SHAPES),
    st.sampled_from(DTYPES),
    st.permutations([0, 1, 2, 3]),
    st.integers(0, 3),
    st.integers(1, 3),
)
def test_whatever_part_of_a_tensor_it_is(
    shape: tuple[int, ...], dtype: torch.dtype, order: list[int], first: int, step: int
) -> None:
    whole = randoms(*shape, *[4] * (4 - len(shape)), dtype=torch.float64).detach().to(dtype)
    part = whole.permute(order)[..., first::step]
    wide = part.to(torch.float32) if dtype == torch.bfloat16 else part
    np.testing.assert_array_equal(as_array(part), np.array(wide.tolist(), as_array(part).dtype).reshape(part.shape))
    assert resizable(part) == [True]


def test_what_is_shown_in_place_is_the_memory_itself_and_cannot_be_written_to() -> None:
    tensor = torch.arange(6.0).reshape(2, 3).t()
    shown = shown_memory(tensor)
    tensor.add_(1)
    assert shown.tolist() == tensor.tolist()
    with pytest.raises(ValueError, match="read-only"):
        shown[0] = 1
    assert resizable(tensor) == [True]


def test_a_lazy_copy_stays_one() -> None:
    copy = torch.ones(300)._lazy_clone()
    take(copy, "full", 3)
    take(copy, "summary", 3)
    big = torch.ones(200, 100)._lazy_clone().t()
    take(big, "full", 3)
    assert torch._C._is_cow_tensor(big)
    gad.trace(lambda x: x * copy, leaf(2))
    assert torch._C._is_cow_tensor(copy)


def test_where_there_is_nothing_to_read_that_is_said_without_a_warning() -> None:
    with FakeTensorMode():
        fake = torch.ones(3)
    for tensor in (torch.ones(3, device="meta"), fake):
        snapshot = take(tensor, "full", 3)
        assert snapshot is not None
        assert snapshot.data is None
        assert snapshot.missing is not None

    def function(x: Tensor) -> Tensor:
        with FakeTensorMode():
            _ = torch.empty(3) + 1
        return x * 2

    assert operation(gad.trace(function, leaf(1)), "mul").value is not None


@pytest.mark.parametrize("wrap", [torch.func.vmap, torch.func.grad, torch.func.functionalize])
def test_tensors_that_only_stand_for_others_are_refused(wrap: Callable[..., Any]) -> None:
    refused: list[bool] = []

    def function(x: Tensor) -> Tensor:
        for read in (copied_elements, shown_memory):
            with pytest.raises(RuntimeError) as error:
                read(x)
            refused.append(isinstance(error.value, (FreedMemory, NotImplementedError)))
        return x.sum()

    wrap(function)(torch.ones(2, 3))
    assert refused == [True, True]


# --- nobody else reads

MARKING = {"numpy", "__array__", "__array_interface__", "__dlpack__", "from_dlpack", "to_dlpack", "share_memory_"}


def marking_calls(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MARKING:
            yield f"{path.relative_to(PACKAGE)}:{node.lineno} .{node.func.attr}()"


def test_no_other_module_makes_an_array_of_a_tensor() -> None:
    assert [found for path in sorted(PACKAGE.rglob("*.py")) if path != READER for found in marking_calls(path)] == []


def test_what_a_view_shows_is_copied_once_and_is_what_it_showed_then() -> None:
    """Also after a write to the tensor that it is a view of."""
    held: dict[str, Tensor] = {}

    def run(x: Tensor) -> Tensor:
        a = x * 1
        turned, part, wide = a.t(), a[1:3, ::2], a[:1].expand(5, 4)
        flat = a.view(-1)
        shown = {"turned": turned, "part": part, "wide": wide, "flat": flat}
        held.update({name: each.detach().clone() for name, each in shown.items()})
        b = a.clone()
        before = b.t()
        held["before"] = before.detach().clone()
        b.mul_(2)
        after = b.t()
        held["after"] = after.detach().clone()
        return turned.sum() + part.sum() + wide.sum() + flat.sum() + after.sum()

    graph = gad.trace(run, torch.randn(3, 4, requires_grad=True), capture=gad.Capture("full", "full"))
    whole = graph.find("a").value
    assert whole is not None
    for name, tensor in held.items():
        kept = graph.find(name).value
        assert kept is not None
        assert kept.data is not None
        assert np.array_equal(kept.data, tensor.numpy())
        assert not np.asarray(kept.data).flags.writeable
        if name in ("turned", "part", "wide", "flat"):
            assert np.shares_memory(np.asarray(kept.data), np.asarray(whole.data))
