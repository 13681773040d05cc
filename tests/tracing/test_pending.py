"""Numbers of tensors that are far away come later, all in one transfer; here with tensors that are near, which go
the same way.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from graphviz_ad._internal.tracing.capture import Capture
from graphviz_ad._internal.tracing.tape.values import Keeper, take

TENSORS = [
    torch.tensor(0.5),
    torch.tensor(True),
    torch.arange(6).reshape(2, 3),
    torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
    torch.tensor([[1 + 2j]]).conj(),
    torch.tensor(3.0, dtype=torch.float64),
    torch.empty(0),
    torch.tensor(1 + 2j).conj().imag,
]


@pytest.mark.parametrize("tensor", TENSORS, ids=lambda tensor: f"{tensor.dtype} {tuple(tensor.shape)}")
def test_small_tensors_arrive_as_they_would_have_been_read_at_once(tensor: Tensor) -> None:
    keeper = Keeper(Capture())
    snapshot = keeper.later(tensor, "summary", None)
    assert snapshot is not None
    assert not snapshot.known
    assert snapshot.missing == "not read yet"
    keeper.pending.settle()
    assert snapshot == take(tensor, "full", 256)
    assert len(keeper.pending) == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64], ids=str)
def test_statistics_of_a_big_tensor_arrive(dtype: torch.dtype) -> None:
    tensor = (torch.linspace(-3, 5, 1000) * 10).to(dtype)
    keeper = Keeper(Capture())
    snapshot = keeper.later(tensor, "summary", None)
    keeper.pending.settle()
    assert snapshot is not None
    wide = tensor.double()
    assert (snapshot.min, snapshot.max, snapshot.nonfinite) == (wide.min().item(), wide.max().item(), 0)
    assert snapshot.mean == pytest.approx(wide.mean().item(), rel=1e-4)
    assert snapshot.norm == pytest.approx(wide.norm().item(), rel=1e-4)


def test_what_is_kept_is_what_the_tensor_held_then() -> None:
    keeper, tensor = Keeper(Capture()), torch.ones(3)
    before = keeper.later(tensor, "summary", None)
    tensor.mul_(2)
    after = keeper.later(tensor, "summary", None)
    keeper.pending.settle()
    assert before is not None
    assert after is not None
    assert (before.array.tolist(), after.array.tolist()) == ([1, 1, 1], [2, 2, 2])


def test_all_of_one_kind_come_in_one_transfer(monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = Keeper(Capture())
    kept = [keeper.later(torch.full((n,), float(n)), "summary", None) for n in range(1, 5)]
    transfers = []
    real = Tensor.cpu
    monkeypatch.setattr(Tensor, "cpu", lambda tensor: (transfers.append(tensor.numel()), real(tensor))[1])
    keeper.pending.settle()
    assert transfers[0] == 1 + 2 + 3 + 4
    assert [snapshot.shape for snapshot in kept if snapshot is not None and snapshot.known] == [(1,), (2,), (3,), (4,)]
