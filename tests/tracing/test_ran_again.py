"""What a checkpoint runs a second time in the backward pass is said, as often as it really ran."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

import graphviz_ad as gad


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("blocks", [1, 2])
def test_what_a_checkpoint_ran_again_is_said_as_often_as_it_ran(reentrant: bool, blocks: int) -> None:
    runs = []

    def block(x: Tensor, w: Tensor) -> Tensor:
        runs.append(1)
        return torch.sin(torch.tanh(w * x))

    x, w = (torch.tensor(value, requires_grad=True) for value in (1.5, 0.5))
    with gad.record() as rec:
        y = x
        for _ in range(blocks):
            y = checkpoint(block, y, w, use_reentrant=reentrant)
        first = len(runs)
        y.backward()
    (note,) = [note for note in rec.graph.notes if note.kind == "ran again"]
    assert note["count"] == len(runs) - first == blocks
    assert any("torch.utils.checkpoint ran" in text for text in rec.graph.notices)
    assert note.subjects
    assert all(place.startswith("test_ran_again.py:") for place in note.subjects)


def test_a_checkpoint_without_a_backward_pass_through_it_did_not_run_again() -> None:
    x, w = (torch.tensor(value, requires_grad=True) for value in (1.5, 0.5))
    with gad.record() as rec:
        checkpoint(torch.mul, x, w, use_reentrant=False)
        (x * w).backward()
    assert not [note for note in rec.graph.notes if note.kind == "ran again"]
