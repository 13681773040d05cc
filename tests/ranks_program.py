"""What test_ranks.py runs on two ranks: each program plain, then recorded, then recorded without any numbers; results
and graphs are written to files.

Each rank is a process, as torchrun starts them: RANK=… WORLD_SIZE=2 MASTER_ADDR=… MASTER_PORT=… ranks_program.py FOLDER
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import rank_faults
import torch
import torch.distributed as dist
import torch.distributed._functional_collectives as functional
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.nn.functional import all_reduce as differentiable_all_reduce
from torch.distributed.pipelining import PipelineStage, ScheduleGPipe
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch.nn.parallel import DistributedDataParallel
from torch.utils._python_dispatch import TorchDispatchMode

import graphviz_ad as gad

NOTHING = gad.Capture("none", "none", local=False)  # neither values nor gradients
Results = dict[str, Tensor]
Program = Callable[[int, Any], Results]  # of a rank and of what record() is given, which a program says when it knows


def stage(seed: int, inputs: int = 2, outputs: int = 2) -> nn.Linear:
    torch.manual_seed(seed)
    return nn.Linear(inputs, outputs).double()


def numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def pipeline(rank: int, watch: Any) -> Results:
    """Two stages, two microbatches: activations forward, gradients back."""
    net = stage(rank, 2, 2 - rank)
    with watch(net):
        if rank == 0:
            sent = []
            for batch in (numbers(1, 2), numbers(-3, 0.5)):
                h = torch.tanh(net(batch))
                dist.send(h.detach(), 1)
                sent.append(h)
            first, second = sent
            back_1, back_2 = torch.empty_like(first), torch.empty_like(second)
            dist.recv(back_1, 1)
            dist.recv(back_2, 1)
            torch.autograd.backward([first, second], [back_1, back_2])
            return {"weight.grad": net.weight.grad, "back": torch.stack([back_1, back_2])}
        h_1, h_2 = torch.empty(2, dtype=torch.float64), torch.empty(2, dtype=torch.float64)
        dist.recv(h_1, 0)
        dist.recv(h_2, 0)
        loss = (net(h_1.requires_grad_()) * net(h_2.requires_grad_())).sum()
        loss.backward()
        dist.send(h_1.grad, 0)
        dist.send(h_2.grad, 0)
        return {
            "weight.grad": net.weight.grad,
            "loss": loss,
            "h_1": h_1,
            "h_2": h_2,
            "h_1.grad": h_1.grad,
            "h_2.grad": h_2.grad,
        }


def averaged(rank: int, watch: Any) -> Results:
    """One DDP step; and the local gradients, from a twin that knows of no other rank."""
    twin = stage(5, 3, 2)
    inputs = numbers(1, 2, 3) * (rank + 1)
    twin(inputs).pow(2).sum().backward()
    model = DistributedDataParallel(stage(5, 3, 2))
    with watch(model):
        loss = model(inputs).pow(2).sum()
        loss.backward()
    weight, bias = model.module.weight.grad, model.module.bias.grad
    return {
        "loss": loss,
        "weight.grad": weight,
        "bias.grad": bias,
        "local weight.grad": twin.weight.grad,
        "local bias.grad": twin.bias.grad,
    }


def averaged_in_buckets(rank: int, watch: Any) -> Results:
    """DDP with parameters so big that only statistics of them are kept, whose .grad are views of the buckets."""
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(30, 30), nn.Tanh(), nn.Linear(30, 1))
    model = DistributedDataParallel(net, gradient_as_bucket_view=True)
    with watch(model):
        loss = model(torch.linspace(0, 1 + rank, 30)).sum()
        loss.backward()
    return {"loss": loss, **{f"{name}.grad": parameter.grad for name, parameter in net.named_parameters()}}


def sharded(rank: int, watch: Any) -> Results:
    """Parameters that have memory only while they are used (FSDP2); the values are those of a whole model."""
    torch.manual_seed(6)
    net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2)).double()
    inputs = torch.linspace(-1, 1, 8, dtype=torch.float64).reshape(2, 4) * (rank + 1)
    whole = net(inputs).pow(2).mean().detach()
    fully_shard(net[0])
    fully_shard(net)
    with watch(net):
        loss = net(inputs).pow(2).mean()
        loss.backward()
    shards = {f"{name}.grad": parameter.grad.to_local() for name, parameter in net.named_parameters()}
    return {"loss": loss, "whole": whole, **shards}


def sharded_steps(rank: int, watch: Any) -> Results:
    """Two steps of an optimizer with such parameters, in three passes, the first of which leaves out to reduce."""
    torch.manual_seed(7)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    inputs = torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(2, 3) * (rank + 1)
    fully_shard(net[0])
    fully_shard(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with watch(net):
        net.set_requires_gradient_sync(False)
        net(inputs).pow(2).mean().backward()
        net.set_requires_gradient_sync(True)
        net(inputs + 1).pow(2).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        loss = net(inputs).pow(2).mean()
        loss.backward()
    return {"loss": loss, **{f"{name}.grad": p.grad.to_local() for name, p in net.named_parameters()}}


class Hidden(nn.Module):
    """Two layers with what stands between them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(8)
        self.up, self.down = nn.Linear(3, 4).double(), nn.Linear(4, 2).double()

    def forward(self, x: Tensor) -> Tensor:
        return self.down(torch.tanh(self.up(x)))  # type: ignore[no-any-return]


def tensor_parallel(rank: int, watch: Any) -> Results:
    """Layers of which each rank has a part (DTensor); the loss is that of the whole model."""
    net, inputs = Hidden(), numbers(1, -2, 0.5)
    whole = net(inputs).pow(2).sum().detach()
    parallelize_module(net, init_device_mesh("cpu", (2,)), {"up": ColwiseParallel(), "down": RowwiseParallel()})
    with watch(net):
        loss = net(inputs).pow(2).sum()
        loss.backward()
    parts = {f"{name}.grad": parameter.grad.to_local() for name, parameter in net.named_parameters()}
    return {"loss": loss, "whole": whole, **parts}


def scheduled(rank: int, watch: Any) -> Results:
    """A pipeline that torch runs: what it sends and when is its own affair."""
    net = nn.Sequential(stage(rank, 2, 2), nn.Tanh()).float()  # some versions of torch send nothing else
    inputs = torch.linspace(-1, 1, 8).reshape(4, 2)
    schedule = ScheduleGPipe(PipelineStage(net, rank, 2, torch.device("cpu")), 2, loss_fn=nn.functional.mse_loss)
    with watch(net):
        if rank == 0:
            schedule.step(inputs)
        else:
            schedule.step(target=torch.zeros_like(inputs))
    return {f"{name}.grad": parameter.grad for name, parameter in net.named_parameters()}


class PartlyUsed(nn.Module):
    """A model of which a part takes no part."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.aux = stage(9), nn.Sequential(stage(10), stage(11))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)  # type: ignore[no-any-return]


def twice_with_buffers(rank: int, watch: Any) -> Results:
    """Two steps of DDP that looks for parameters without gradient and keeps the buffers of all ranks the same."""
    torch.manual_seed(12)
    net = nn.Sequential(nn.Linear(3, 9), nn.BatchNorm1d(9), nn.Linear(9, 1))
    net.add_module("idle", PartlyUsed())
    net.forward = lambda x: net[2](net[1](net[0](x)))  # type: ignore[method-assign]
    model = DistributedDataParallel(net, find_unused_parameters=True)
    inputs = torch.linspace(-1, 1, 12).reshape(4, 3) * (rank + 1)
    with watch(model):
        for _ in range(2):
            model.zero_grad()
            loss = model(inputs).pow(2).mean()
            loss.backward()
    used = {f"{name}.grad": p.grad for name, p in net.named_parameters() if p.grad is not None}
    return {"loss": loss, "mean": net[1].running_mean.clone(), **used}


def not_reduced(rank: int, watch: Any) -> Results:
    """DDP waits for a gradient that does not come, which it says when the next step begins."""
    model = DistributedDataParallel(PartlyUsed())
    with suppress(RuntimeError), watch(model):
        model(numbers(1, 2)).sum().backward()
        model(numbers(3, 4)).sum().backward()
        raise AssertionError("nobody waited")
    return {"body.weight.grad": model.module.body.weight.grad}


def tells_reductions() -> bool:
    """Whether the reduction of a collective, as a dispatch mode gets it, says what it is."""
    told: list[bool] = []

    class Listening(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            told.extend(hasattr(argument, "op") for argument in args if "ReduceOp" in str(argument))
            return func(*args, **(kwargs or {}))

    with Listening():
        dist.all_reduce(torch.ones(1))
    return told == [True]


@cache
def has_reduce_scatter() -> bool:
    """Whether gloo has it in this version of torch."""
    try:
        dist.reduce_scatter(torch.zeros(1), [torch.zeros(1), torch.zeros(1)])
    except RuntimeError as error:
        if "does not support reduce_scatter" not in str(error):
            raise
        return False
    return True


def collectives(rank: int, watch: Any) -> Results:
    """Each collective once, each result read by an operation."""
    reduces_and_scatters = has_reduce_scatter()
    with watch(None):
        t = numbers(1, 2) * (rank + 1)
        dist.all_reduce(t)
        total = t * 1
        dist.all_reduce(t, op=dist.ReduceOp.MAX, async_op=True).wait()
        largest = t * 1
        b = numbers(5, 6) * (rank + 1)
        dist.broadcast(b, 1)
        same = b * 1
        parts = [torch.zeros(2, dtype=torch.float64) for _ in range(2)]
        dist.all_gather(parts, same + rank)
        gathered = parts[0] - parts[1]
        r = numbers(1, 1) * (rank + 1)
        dist.reduce(r, 0)
        at_root = r * 1
        mine = torch.zeros(2, dtype=torch.float64)
        dist.scatter(mine, [numbers(1, 2), numbers(3, 4)] if rank == 0 else None, 0)
        scattered = mine * 1
        collected = [torch.zeros(2, dtype=torch.float64) for _ in range(2)]
        dist.gather(scattered, collected if rank == 0 else None, 0)
        exchanged = torch.zeros(2, dtype=torch.float64)
        dist.all_to_all_single(exchanged, numbers(1, 2) * (rank + 1))
        swapped = exchanged * 1
        if reduces_and_scatters:
            reduced = torch.zeros(1, dtype=torch.float64)
            dist.reduce_scatter(reduced, [numbers(1) * (rank + 1), numbers(2)])
            piece = reduced * 1
        dist.barrier()
    found = {
        "total": total,
        "largest": largest,
        "same": same,
        "gathered": gathered,
        "scattered": scattered,
        "swapped": swapped,
    }
    found |= {"piece": piece} if reduces_and_scatters else {}
    return found | ({"at_root": at_root, "collected": torch.stack(collected)} if rank == 0 else {})


def messages(rank: int, watch: Any) -> Results:
    """Messages at once in both directions, tags in another order than they are asked for, from any rank, in a group,
    into parts of one tensor.
    """
    other, group = 1 - rank, dist.new_group([0, 1])
    with watch(None):
        mine = numbers(10, 20) + rank
        theirs = torch.empty_like(mine)
        for work in dist.batch_isend_irecv(
            [dist.P2POp(dist.isend, mine, other), dist.P2POp(dist.irecv, theirs, other)]
        ):
            work.wait()
        a = theirs * 1
        b, c, d, e = (torch.empty(1, dtype=torch.float64) for _ in range(4))
        parts = torch.zeros(2, dtype=torch.float64)
        if rank == 0:
            works = [dist.isend(numbers(tag), 1, tag=tag) for tag in (1, 2)]
            for work in works:
                work.wait()
            dist.send(numbers(3), 1)
            dist.send(numbers(4), 1, group=group)
            for value in (5.0, 6.0):
                dist.send(numbers(value), 1)
            return {"a": a}
        for buffer, tag in ((b, 2), (c, 1)):
            work = dist.irecv(buffer, 0, tag=tag)
            assert work is not None
            work.wait()
        dist.recv(d)
        dist.recv(e, 0, group=group)
        first, second = (dist.irecv(part, 0) for part in parts.split(1))
        assert first is not None
        assert second is not None
        first.wait()
        second.wait()
        return {"a": a, "all": torch.cat([b, c, d, e, parts])}


def through_autograd(rank: int, watch: Any) -> Results:
    """A collective with a derivative, as torch.distributed.nn has it."""
    x = (numbers(1, 2) * (rank + 1)).requires_grad_()
    with watch(None), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated, and in use
        y = differentiable_all_reduce(x * 2)
        loss = (y * y).sum() * (rank + 1)
        loss.backward()
    return {"loss": loss, "x.grad": x.grad}


def functionally(rank: int, watch: Any) -> Results:
    """A functional collective, whose result is waited for where it is used."""
    x = (numbers(1, 2) * (rank + 1)).requires_grad_()
    with watch(None):
        y = functional.all_reduce(x * 2, "sum", dist.group.WORLD)
        loss = (y * 3).sum()
        loss.backward()
    # not in every version of torch it has a derivative
    return {"loss": loss} if x.grad is None else {"loss": loss, "x.grad": x.grad}


def unfinished(rank: int, watch: Any) -> Results:
    """A message that is still on its way when the recording ends, one that is overwritten, one whose tensor is gone,
    and one that nobody asked for.
    """
    other = 1 - rank
    late, buffer = torch.zeros(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    with watch(None):
        waiting = dist.irecv(late, other, tag=9)
        if rank == 0:
            dist.send(numbers(1), 1)
            dist.send(numbers(2), 1)
            lost = dist.isend(numbers(3), 1, tag=5)
        else:
            dist.recv(buffer, 0)
            dist.recv(buffer, 0)
            dist.recv(torch.zeros(1, dtype=torch.float64), 1 - rank, tag=5)
            lost = None
        twice = buffer * 2
    dist.send(numbers(7), other, tag=9)
    for work in (waiting, lost):
        if work is not None:
            work.wait()
    return {"late": late, "twice": twice}


def step_fails(rank: int, watch: Any) -> Results:
    """Rank 1 raises before it receives."""
    buffer = torch.zeros(1, dtype=torch.float64)
    try:
        with watch(None):
            if rank == 0:
                dist.send(numbers(1), 1)
                dist.send(numbers(2), 1)
            else:
                dist.recv(buffer, 0)
                raise ValueError("out of luck")
    except ValueError:
        dist.recv(buffer, 0)
    return {"buffer": buffer}


PROGRAMS: tuple[Program, ...] = (
    pipeline,
    averaged,
    averaged_in_buckets,
    collectives,
    messages,
    through_autograd,
    functionally,
    unfinished,
    sharded,
    sharded_steps,
    tensor_parallel,
    scheduled,
    twice_with_buffers,
    not_reduced,
    step_fails,
)
# not every version of torch can do that without a device
VERSION = tuple(map(int, torch.__version__.split(".")[:2]))
CANNOT = {
    *(() if hasattr(torch.cpu.Stream, "record_event") else ("sharded", "sharded_steps")),
    *(("scheduled",) if (2, 7) <= VERSION < (2, 13) else ()),
}
PROGRAMS = tuple(program for program in PROGRAMS if program.__name__ not in CANNOT)


class Unwatched:
    """Stands where a recording would."""

    def __init__(self, module: object) -> None:
        del module

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass


def run(program: Program, rank: int, folder: Path) -> None:
    plain = program(rank, Unwatched)
    recordings: list[Any] = []

    def watch(module: nn.Module | None) -> Any:
        recordings.append(gad.record(module))
        return recordings[-1]

    watched = program(rank, watch)
    blank = program(rank, lambda module: recordings.append(gad.record(module, capture=NOTHING)) or recordings[-1])
    found = {"plain": clean(plain), "watched": clean(watched), "blank": clean(blank)}
    torch.save(found, folder / f"{program.__name__}.{rank}.pt")
    recordings[0].graph.save(folder / f"{program.__name__}.{rank}.json")
    recordings[1].graph.save(folder / f"{program.__name__}.{rank}.blank.json")


def clean(results: Results) -> Results:
    return {name: value.detach().clone() for name, value in results.items()}


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", timeout=timedelta(seconds=300))
    (folder / f"connected.{dist.get_rank()}").touch()
    if tells_reductions():
        (folder / "tells_reductions").touch()
    for program in PROGRAMS:
        run(program, dist.get_rank(), folder)
    rank_faults.run_all(dist.get_rank(), folder)
    sys.stdout.flush()
    os._exit(0)  # what nobody answers would be waited for


if __name__ == "__main__":
    main(Path(sys.argv[1]))
