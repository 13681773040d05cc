"""An interrupt at any point of setting up and putting back leaves nothing behind.

Python looks for signals when a function begins and when a call of C has returned; a profile function is asked at the
same points, and what it raises comes from there. FUZZ=200 interrupts so often at random.
"""

from __future__ import annotations

import contextlib
import gc
import os
import random
import sys
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType
from typing import Any

import pytest
import torch
from programs import state_of, world
from torch import Tensor, nn
from torch.utils._python_dispatch import is_in_torch_dispatch_mode
from torch.utils.checkpoint import checkpoint

import graphviz_ad as gad
from graphviz_ad._internal.tracing import eager
from graphviz_ad._internal.tracing import recording as record
from graphviz_ad._internal.tracing.assembly import autograd_graph, retained_grads
from graphviz_ad._internal.tracing.tape import collector, dispatch_mode, modes, torch_private

PLACES = {
    *(
        collector.at_rest.__wrapped__,
        collector._leave,
        eager.trace,
        autograd_graph.run_accumulating,
        autograd_graph.put_back,
    ),
    *(autograd_graph.watching.__wrapped__, autograd_graph.remove, record.Recording.__enter__, record.Recording._stop),
    *(record.Recording._close, ExitStack.enter_context, ExitStack.close, ExitStack.__exit__),
    *(dispatch_mode.Recorder.__enter__, dispatch_mode.Recorder.__exit__, dispatch_mode.Recorder.aside.__wrapped__),
    *(modes.put_on, modes.take_off, modes._forget, modes._is_on, retained_grads.retained_grads_aside.__wrapped__),
    *(
        torch_private.engine_entry.__wrapped__,
        torch_private._stop_watching,
        torch_private._wrap_engine,
        torch_private._give_engine_back,
    ),
}
CODES = {place.__code__ for place in PLACES}


class Interrupt:
    """Raises KeyboardInterrupt at the n-th point."""

    def __init__(self, n: int) -> None:
        self.left, self.came = n, False

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if event not in ("call", "c_return") or frame.f_code not in CODES or self.came:
            return
        self.left -= 1
        if self.left < 0:
            self.came = True
            raise KeyboardInterrupt


def model() -> nn.Module:
    torch.manual_seed(0)
    made = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    made[0].weight.grad = torch.ones(2, 2)
    return made


def traced(module: nn.Module) -> None:
    gad.trace(module, torch.ones(1, 2))


def reentrant(module: nn.Module) -> None:
    x = torch.ones(1, 2, requires_grad=True)
    gad.trace(lambda x: checkpoint(module, x, use_reentrant=True).sum(), x)


kept: list[Tensor] = []


def recorded(module: nn.Module) -> None:
    with gad.record(module):
        kept.append(module(torch.ones(1, 2)).sum())
        torch.autograd.grad(kept[-1], list(module.parameters()), retain_graph=True)


def hooks_run(module: nn.Module) -> list[str]:
    """The functions of ours that run in a backward pass over what was recorded."""
    seen: list[str] = []
    folder = gad.__file__.rpartition("/")[0]

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(folder):
            seen.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        for output in kept:
            torch.autograd.grad(output, list(module.parameters()))
    finally:
        sys.setprofile(None)
    return seen


@pytest.mark.parametrize("way", [traced, reentrant, recorded])
def test_an_interrupt_anywhere_leaves_no_trace(way: Callable[[nn.Module], None]) -> None:
    way(model())
    n, came = 0, True
    while came:
        kept.clear()
        module = model()
        before, state = world(), state_of(module)
        interrupt = Interrupt(n)
        sys.setprofile(interrupt)
        try:
            way(module)
        except KeyboardInterrupt:
            pass
        finally:
            sys.setprofile(None)
        assert not is_in_torch_dispatch_mode()
        changed = {key: value for key, value in world().items() if value != before[key]}
        assert (n, changed, hooks_run(module)) == (n, {}, [])
        assert state_of(module) == state
        n, came = n + 1, interrupt.came
    kept.clear()
    assert n > 10


# --- anywhere at all

TIMES = int(os.environ.get("FUZZ", "24"))
OURS = (gad.__file__.rpartition("/")[0], contextlib.__file__)


class Anywhere:
    """Raises KeyboardInterrupt at the n-th point in any function of ours, and counts the points."""

    def __init__(self, n: int) -> None:
        self.n, self.count, self.where = n, 0, ""

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if self.where or event not in ("call", "c_return") or not frame.f_code.co_filename.startswith(OURS):
            return
        self.count += 1
        if self.count > self.n:
            self.where = f"{frame.f_code.co_qualname}, line {frame.f_lineno}, {event}"
            raise KeyboardInterrupt


def finished(module: nn.Module) -> None:
    gad.trace(module(torch.ones(1, 2)).sum()).plot(layout="layered").to_svg()


def interrupted(way: Callable[[nn.Module], None], module: nn.Module, n: int) -> Anywhere:
    interrupt = Anywhere(n)
    sys.setprofile(interrupt)
    try:
        way(module)
    except KeyboardInterrupt:
        pass
    finally:
        sys.setprofile(None)
    return interrupt


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # one may come while a generator ends
@pytest.mark.parametrize("way", [traced, reentrant, recorded, finished])
def test_interrupts_at_random_points_leave_no_trace(way: Callable[[nn.Module], None]) -> None:
    way(model())
    points = interrupted(way, model(), sys.maxsize).count
    places = random.Random(0).choices(range(points), k=TIMES // 4)
    landed = 0
    for n in places:
        kept.clear()
        module = model()
        before, state = world(), state_of(module)
        where = interrupted(way, module, n).where
        landed += bool(where)
        changed = [key for key, value in world().items() if value != before[key]]
        assert (where, changed, is_in_torch_dispatch_mode(), hooks_run(module)) == (where, [], False, [])
        assert state_of(module) == state, where
    kept.clear()
    gc.collect()
    print(f"{way.__name__}: {landed} of {len(places)} interrupts landed, at {points} points, nothing was left")
    assert landed == len(places)
