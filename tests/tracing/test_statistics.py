"""Statistics of big tensors are those of all elements."""

from __future__ import annotations

import importlib.util
import math
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from needed_tools import needs_tool
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.operations.traits import COMPUTED_IN_THREADS
from graphviz_ad._internal.tracing.tape import one_pass, torch_private
from graphviz_ad._internal.tracing.tape.one_pass import BLOCK, FOLDED, LANES, by_numpy, compiled, row_of_array
from graphviz_ad._internal.tracing.tape.statistics import COMPUTED_BY_SEVERAL, statistics_of_tensor
from graphviz_ad._internal.tracing.tape.torch_private import parallel_region

SIZES = (257, BLOCK - 1, BLOCK, 3 * BLOCK + 5)
ROWS_OF = (0, 1, 31, LANES - 1, LANES, LANES + 5, 6 * LANES + 1, BLOCK, 2 * BLOCK + LANES + 3)  # numbers of elements
DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int8)


def numbered(count: int, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    return (torch.randn(count, generator=generator, dtype=torch.float64) * 3 + 1).to(dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("count", SIZES)
def test_statistics_are_those_of_all_elements(count: int, dtype: torch.dtype) -> None:
    tensor = numbered(count, dtype)
    wide = tensor.double()
    found = statistics_of_tensor(tensor)
    assert found is not None
    assert (found.min, found.max, found.nonfinite) == (wide.min().item(), wide.max().item(), 0)
    assert found.mean == pytest.approx(wide.mean().item(), rel=1e-5)
    assert found.norm == pytest.approx(wide.norm().item(), rel=1e-5)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", [1, -2])
def test_what_is_not_finite_is_found_wherever_it_stands(where: int, bad: float) -> None:
    tensor = numbered(3 * BLOCK + 5)
    tensor[where] = bad
    found = statistics_of_tensor(tensor)
    assert found is not None
    assert found.nonfinite == 1
    assert not math.isfinite(found.norm)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_norms_neither_overflow_nor_vanish(scale: float) -> None:
    tensor = numbered(2 * BLOCK) * scale
    found = statistics_of_tensor(tensor)
    assert found is not None
    assert found.nonfinite == 0
    assert found.norm == pytest.approx(tensor.double().norm().item(), rel=1e-5)


def test_a_large_mask_is_saved_and_loaded(tmp_path: Path) -> None:
    x = torch.linspace(-1, 1, 500, requires_grad=True)
    graph = gad.trace(lambda x: torch.where(x > 0, x, -x), x)
    masks = [node.value for node in graph.node_list if node.value is not None and node.value.dtype == "bool"]
    assert [(type(mask.min), mask.min, mask.max) for mask in masks] == [(float, 0.0, 1.0)]
    assert gad.Graph.load(graph.save(tmp_path / "g.json")).node_list == graph.node_list


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_tells_orders_apart_is_of_the_order_of_elements_and_not_of_memory(dtype: torch.dtype) -> None:
    tensor = torch.randn(300, 400, generator=torch.Generator().manual_seed(0)).to(dtype)
    there, turned = (statistics_of_tensor(one) for one in (tensor, tensor.flip(0)))
    again = statistics_of_tensor(tensor.t().contiguous().t())
    assert there is not None
    assert turned is not None
    assert again is not None
    assert there.weighted == again.weighted
    assert there.weighted != turned.weighted


def rows(dtype: type[np.floating], count: int) -> list[Array]:
    """Ordinary elements, some of all sizes, not finite ones, subnormal ones and zeros of both signs."""
    random = np.random.default_rng(count)
    plain = random.standard_normal(count).astype(dtype)
    found = [plain, (plain * 10.0 ** random.uniform(-30, 30, count)).astype(dtype), plain * np.finfo(dtype).tiny]
    found.append(np.where(random.random(count) < 0.5, dtype(0.0), dtype(-0.0)))
    for bad in (np.nan, np.inf, -np.inf):
        spoilt = plain.copy()
        spoilt[-1:] = bad
        found.append(spoilt)
    return found


def same_bits(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(a.hex() == b.hex() for a, b in zip(one, other, strict=True))


def total_as_defined(row: Array) -> float:
    """Lanes, then blocks, then lanes that are left, all one after the other."""
    with np.errstate(all="ignore"):
        sums = np.zeros(LANES)
        for start in range(0, row.size, BLOCK):
            lanes, block = np.zeros(LANES, row.dtype), row[start : start + BLOCK]
            for at in range(0, block.size, LANES):
                part = block[at : at + LANES]
                lanes[: part.size] += part
            sums += lanes
        for at in range(FOLDED, LANES, FOLDED):
            sums[:FOLDED] += sums[at : at + FOLDED]
        total = sums[0]
        for each in sums[1:FOLDED]:
            total += each
    return float(total) + 0.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_are_made_in_the_order_that_is_written_down(dtype: type[np.floating]) -> None:
    for row in [row for count in ROWS_OF for row in rows(dtype, count)]:
        with np.errstate(all="ignore"):
            expected = total_as_defined(row), total_as_defined(row * row)
        assert same_bits((by_numpy(row).total, by_numpy(row).squares), expected)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the compiled code is; a machine without a compiler has none."""
    needs_tool("cc")
    tool = Path(__file__).parents[2] / "tools" / "compile_one_pass.py"
    spec = importlib.util.spec_from_file_location("compile_one_pass", tool)
    assert spec is not None
    assert spec.loader is not None
    compiling = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(compiling)
    found = compiling.compiled_into(tmp_path_factory.mktemp("compiled"))
    assert found is not None
    return str(found)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("is_wide", [False, True])
def test_compiled_code_says_the_same_to_the_last_bit(
    dtype: type[np.floating], is_wide: bool, built: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions = compiled(built, is_wide)
    if functions is None:
        pytest.skip("needs a processor with wide vectors")
    monkeypatch.setattr(one_pass, "functions_to_call", lambda: functions)
    monkeypatch.setattr(one_pass, "SHARE", 1)
    monkeypatch.setattr(one_pass, "SHARED", 1)  # however short a row is, threads share it
    for row in [row for count in ROWS_OF for row in rows(dtype, count)]:
        expected = by_numpy(row)
        ways = [(threads, region) for threads in (1, 2, 3, 100) for region in dict.fromkeys((None, computed_here()))]
        assert all(same_bits(row_of_array(row, *way), expected) for way in ways)


def test_no_thread_is_left_that_went_through_a_long_row(built: str, monkeypatch: pytest.MonkeyPatch) -> None:
    functions = compiled(built, False)
    monkeypatch.setattr(one_pass, "functions_to_call", lambda: functions)
    monkeypatch.setattr(one_pass, "SHARE", 4 * BLOCK)
    row = rows(np.float32, 16 * BLOCK)[0]
    before = len(list(Path("/proc/self/task").glob("*")))
    found = row_of_array(row, 4)
    assert len(list(Path("/proc/self/task").glob("*"))) == before
    assert same_bits(found, row_of_array(row))


OPENMP = sys.platform == "linux" and "backend: OpenMP" in torch.__config__.parallel_info()
TRACED_THEN_FORKED = """
import os, signal, numpy, torch, graphviz_ad as gad
torch.set_num_threads(2)
number, row = torch.tensor(1.0, requires_grad=True), torch.from_numpy(numpy.ones(1 << 21, numpy.float32))
kept = gad.trace(lambda number, row: number * row[5], number, row).node_list
assert any(node.value is not None and node.value.stats is not None for node in kept)
child = os.fork()
if not child:
    signal.alarm(20)
    (torch.ones(1 << 20) + 1).sum()
    os._exit(0)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def in_a_thread(run: Callable[[], Any]) -> list[Any]:
    """What is returned there, where torch has not computed anything yet."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(run()))
    thread.start()
    thread.join()
    return found


def computed_here() -> int | None:
    """What may be called once torch has computed something large in this thread."""
    torch_private.computed_in_threads()
    return parallel_region()


def test_threads_of_torch_are_called_where_they_are_and_were_used() -> None:
    assert in_a_thread(parallel_region) == [None]
    assert (in_a_thread(computed_here)[0] is not None) == OPENMP


@pytest.mark.skipif(not OPENMP, reason="torch computes in other threads here")
@pytest.mark.parametrize("name", sorted(COMPUTED_IN_THREADS))
def test_operations_that_torch_is_taken_to_compute_in_threads_start_them(name: str) -> None:
    rows = [torch.from_numpy(np.ones(COMPUTED_BY_SEVERAL, np.float32)) for _ in range(2)]
    packet = getattr(torch.ops.aten, name)
    operands = rows if "Tensor" in packet.overloads() else rows[:1]

    def started() -> bool:
        before = set(Path("/proc/self/task").iterdir())
        packet(*operands)
        return bool(set(Path("/proc/self/task").iterdir()) - before)

    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert in_a_thread(started) == [True]
    finally:
        torch.set_num_threads(threads)


@pytest.mark.skipif(not OPENMP, reason="torch computes in other threads here")
def test_a_process_that_is_forked_off_after_a_trace_computes_as_if_there_had_been_none() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", TRACED_THEN_FORKED], timeout=120, check=False)
    assert done.returncode == 0


def test_what_was_compiled_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "none.compiled").write_bytes(b"nothing that can be loaded")
    assert compiled(str(tmp_path / "none.compiled")) is None
    assert compiled(str(tmp_path / "missing.compiled")) is None


def test_of_zeros_the_sign_is_not_told() -> None:
    for zeros in (-torch.zeros(300), torch.cat([torch.zeros(300), -torch.zeros(300)])):
        found = statistics_of_tensor(zeros)
        assert found is not None
        assert [math.copysign(1, each) for each in (found.min, found.max, found.mean, found.norm)] == [1.0] * 4
