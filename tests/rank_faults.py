"""What goes wrong between two ranks -> graphs and files of both, a planted fault each, with healthy twins; run by
ranks_program.py in the processes that are there anyway.

Lines with a fault end with a comment that says so: tests look for them. Calls that nobody answers are not waited for.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

import graphviz_ad as gad


def net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def batch(rank: int, number: int = 0) -> Tensor:
    return torch.linspace(-1, 1, 6).reshape(2, 3) * (rank + 1) + number


def sgd(model: nn.Module) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), lr=0.01)


def steps(model: nn.Module, rank: int, loss: Callable[[Tensor], Tensor] | None = None, count: int = 2) -> None:
    optimizer = sgd(model)
    for number in range(count):
        optimizer.zero_grad()
        out = model(batch(rank, number))
        (out.pow(2).mean() if loss is None else loss(out)).backward()
        optimizer.step()


def average(parameters: Any) -> None:
    for p in parameters:
        if p.grad is not None:
            dist.all_reduce(p.grad)
            p.grad /= 2


# --- healthy


def healthy_ddp(rank: int, watch: Any) -> None:
    model = DistributedDataParallel(net())
    with watch(model):
        steps(model, rank)


def healthy_accumulation(rank: int, watch: Any) -> None:
    """Two passes of which only the second averages, then a step."""
    model = DistributedDataParallel(net())
    optimizer = sgd(model)
    with watch(model):
        with model.no_sync():
            model(batch(rank)).pow(2).mean().backward()
        model(batch(rank, 1)).pow(2).mean().backward()
        optimizer.step()


def healthy_by_hand(rank: int, watch: Any) -> None:
    model = net(rank)
    with watch(model):
        for p in model.parameters():
            dist.broadcast(p.detach(), 0)
        optimizer = sgd(model)
        for number in range(2):
            optimizer.zero_grad()
            model(batch(rank, number)).pow(2).mean().backward()
            average(model.parameters())
            optimizer.step()


def healthy_log(rank: int, watch: Any) -> None:
    """One rank measures more than the other, without a gradient."""
    model = DistributedDataParallel(net())
    with watch(model):
        steps(model, rank)
        if rank == 0:
            with torch.no_grad():
                model.module(batch(0)).mean().item()


class Branches(nn.Module):
    """A model of which a branch may be idle."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.body = nn.Linear(3, 2)
        self.idle = nn.Linear(3, 2)
        self.chosen = "body"

    def forward(self, x: Tensor) -> Tensor:
        return getattr(self, self.chosen)(x)  # type: ignore[no-any-return]


def healthy_branches(rank: int, watch: Any) -> None:
    """Each rank goes another way, which DDP was told, drops other elements of the same data, and ends at the same."""
    model = DistributedDataParallel(Branches(), find_unused_parameters=True)
    model.module.chosen = ("body", "idle")[rank]
    torch.manual_seed(rank)
    with watch(model):
        steps(model, 0, lambda out: nn.functional.dropout(out).tanh().mean())


def healthy_average_of_parameters(rank: int, watch: Any) -> None:
    """Steps of its own on each rank, after which parameters are averaged and not gradients."""
    model = net()
    optimizer = sgd(model)
    with watch(model):
        model(batch(rank)).pow(2).mean().backward()
        optimizer.step()
        with torch.no_grad():
            for p in model.parameters():
                dist.all_reduce(p)
                p /= 2


def healthy_stages(rank: int, watch: Any) -> None:
    """Stages of one shape and other numbers, which no one averages."""
    model = nn.Linear(3, 3)
    x = torch.ones(3)
    with watch(model):
        if rank == 0:
            h = model(x)
            dist.send(h.detach(), 1)
            back = torch.empty(3)
            dist.recv(back, 1)
            h.backward(back)
        else:
            h = torch.empty(3)
            dist.recv(h, 0)
            h.requires_grad_()
            model(h).sum().backward()
            dist.send(h.grad, 0)
        sgd(model).step()


def healthy_pieces(rank: int, watch: Any) -> None:
    """Each rank has other columns of one weight; biases are the same."""
    torch.manual_seed(rank)
    weight = nn.Parameter(torch.randn(2, 3))
    model = nn.ParameterList([weight])
    with watch(model):
        h = torch.ones(2, 2) @ weight
        total = h.detach().clone()
        dist.all_reduce(total)
        (h * total).sum().backward()
        sgd(model).step()


# --- collectives


def other_dtype(rank: int, watch: Any) -> None:
    t = torch.ones(2, dtype=torch.float32 if rank == 0 else torch.int32)
    with watch(None):
        dist.all_reduce(torch.ones(3))
        dist.all_reduce(t)  # fault


def other_reduction(rank: int, watch: Any) -> None:
    with watch(None):
        if rank == 0:
            dist.all_reduce(torch.ones(3), op=dist.ReduceOp.MAX)  # fault
        else:
            dist.all_reduce(torch.ones(3))  # fault


def other_order(rank: int, watch: Any) -> None:
    a, b = torch.ones(3), torch.ones(3) * 2

    def sum_a() -> None:
        dist.all_reduce(a)  # fault

    def sum_b() -> None:
        dist.all_reduce(b)  # fault

    with watch(None):
        for call in (sum_a, sum_b) if rank == 0 else (sum_b, sum_a):
            call()


def other_operation(rank: int, watch: Any) -> None:
    group = dist.new_group([0, 1])
    with watch(None):
        dist.all_reduce(torch.ones(2), group=group)
        if rank == 0:
            dist.all_reduce(torch.ones(2), group=group, async_op=True)  # fault
        else:
            dist.broadcast(torch.ones(2), 0, group=group, async_op=True)  # fault


def one_call_less(rank: int, watch: Any) -> None:
    """A rank leaves its loop a round early."""
    group = dist.new_group([0, 1])
    with watch(None):
        for number in range(3 - rank):
            dist.all_reduce(torch.ones(2), group=group, async_op=number == 2)  # fault


def rank_raises(rank: int, watch: Any) -> None:
    group = dist.new_group([0, 1])
    with suppress(ValueError), watch(None):
        dist.all_reduce(torch.ones(2), group=group)
        if rank == 1:
            raise ValueError("no such batch")  # fault
        dist.all_reduce(torch.ones(2), group=group, async_op=True)


def unanswered(rank: int, watch: Any) -> None:
    with watch(None):
        if rank == 0:
            dist.send(torch.ones(2), 1)
            late = dist.isend(torch.ones(2), 1, tag=3)  # fault
        else:
            t = torch.empty(2)
            dist.recv(t, 0)
    if rank == 1:
        dist.recv(torch.empty(2), 0, tag=3)
    else:
        late.wait()


# --- replicas


def loaded_on_one(rank: int, watch: Any) -> None:
    """One rank alone loads a checkpoint after the wrapper has made all the same."""
    model = DistributedDataParallel(net())
    if rank == 1:
        with torch.no_grad():
            model.module[2].weight.add_(0.5)
    with watch(model):
        steps(model, rank)


def other_seeds(rank: int, watch: Any) -> None:
    """Averaged by hand, and nobody made the ranks begin the same."""
    model = net(rank)
    with watch(model):
        optimizer = sgd(model)
        model(batch(rank)).pow(2).mean().backward()
        average(model.parameters())
        optimizer.step()


def head_outside(rank: int, watch: Any) -> None:
    torch.manual_seed(0)
    whole = nn.ModuleDict({"body": DistributedDataParallel(nn.Linear(3, 4)), "head": nn.Linear(4, 1)})
    with watch(whole):
        optimizer = sgd(whole)
        whole["head"](torch.tanh(whole["body"](batch(rank)))).pow(2).mean().backward()
        optimizer.step()


def always_no_sync(rank: int, watch: Any) -> None:
    model = DistributedDataParallel(net())
    with watch(model), model.no_sync():
        steps(model, rank)


def wrapper_not_called(rank: int, watch: Any) -> None:
    model = DistributedDataParallel(net())
    with watch(model):
        steps(model.module, rank)


def one_left_out(rank: int, watch: Any) -> None:
    model = net()
    with watch(model):
        optimizer = sgd(model)
        model(batch(rank)).pow(2).mean().backward()
        average(p for name, p in model.named_parameters() if name != "2.bias")
        optimizer.step()


def never_averaged(rank: int, watch: Any) -> None:
    model = net()
    with watch(model):
        steps(model, rank)


def unused(rank: int, watch: Any) -> None:
    """One step, after which torch has not complained yet."""
    model = DistributedDataParallel(Branches())
    with watch(model):
        steps(model, rank, count=1)


def nan_on_one(rank: int, watch: Any) -> None:
    """The root of a negative number on one rank, in the second of three steps, which the average takes to all."""
    model = DistributedDataParallel(net())
    with watch(model):
        optimizer = sgd(model)
        for number in range(3):
            optimizer.zero_grad()
            shift = torch.tensor(-9.0 if (rank, number) == (1, 1) else 9.0)
            torch.sqrt(model(batch(rank)) + shift).mean().backward()  # fault
            optimizer.step()


def of_the_rank(rank: int, watch: Any) -> None:
    """The same data, and a loss that depends on the rank."""
    model = DistributedDataParallel(net())
    with watch(model):
        steps(model, 0, lambda out: (out * (rank + 1)).pow(2).mean(), count=1)  # fault


class Scaled(torch.autograd.Function):
    """Hands on, and sends back more on the other rank."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 1

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * (1 + dist.get_rank())


def backward_of_the_rank(rank: int, watch: Any) -> None:
    model = DistributedDataParallel(net())
    with watch(model):
        steps(model, 0, lambda out: Scaled.apply(out).pow(2).mean(), count=1)  # fault


def killed(rank: int, watch: Any) -> None:
    """The system ends one rank in the middle of its third step."""
    model = DistributedDataParallel(net())
    optimizer = sgd(model)
    with suppress(RuntimeError), watch(model):
        for number in range(4):
            optimizer.zero_grad()
            loss = model(batch(rank, number)).pow(2).mean()
            if (rank, number) == (1, 2):
                os.kill(os.getpid(), signal.SIGKILL)
            loss.backward()  # last seen
            optimizer.step()


HEALTHY = (
    healthy_ddp, healthy_accumulation, healthy_by_hand, healthy_log, healthy_branches,
    healthy_average_of_parameters, healthy_stages, healthy_pieces,
)  # fmt: skip
FAULTS = (
    other_dtype, other_reduction, other_order, other_operation, one_call_less, rank_raises, unanswered, loaded_on_one,
    other_seeds, head_outside, always_no_sync, wrapper_not_called, one_left_out, never_averaged, unused, nan_on_one,
    of_the_rank, backward_of_the_rank,
)  # fmt: skip


def run_all(rank: int, folder: Path) -> None:
    """All of them; the last leaves one process alone."""
    for program in (*HEALTHY, *FAULTS, killed):
        path = folder / f"{program.__name__}.{rank}"
        recordings: list[Any] = []

        def watch(model: nn.Module | None, path: Path = path, kept: list[Any] = recordings) -> Any:
            kept.append(gad.record(model, file=path.with_suffix(f".{rank}.jsonl")))
            return kept[-1]

        program(rank, watch)
        recordings[0].graph.save(path.with_suffix(f".{rank}.json"))
        if program is not killed:
            dist.barrier()
