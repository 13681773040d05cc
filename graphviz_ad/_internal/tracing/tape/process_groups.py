"""What an operation between processes was given or returned -> its group, its work, where it came from: the private
names that torch has for these.
"""

from __future__ import annotations

import os
from typing import Any

import torch


def own_rank() -> tuple[int, int] | None:
    """The rank of this process and how many there are; None where it is alone."""
    distributed: Any = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    told = [os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE")]  # as torchrun says, before they know another
    rank, of = (int(each) if each.isdecimal() else 0 for each in told)
    return (rank, of) if of > 1 else None


def group_of(group: Any) -> Any:
    """The process group behind an argument of an operation, which is the group itself, as TorchScript holds it, or
    its name.
    """
    distributed: Any = torch.distributed
    if isinstance(group, str):
        return distributed.distributed_c10d._resolve_process_group(group)
    return distributed.ProcessGroup.unbox(group) if isinstance(group, torch.ScriptObject) else group


def work_of(result: Any) -> Any:
    """What tells of an operation whether it has been waited for; None where the operation gives no such thing."""
    last = result[-1] if isinstance(result, (list, tuple)) and result else result
    return torch.distributed.Work.unbox(last) if isinstance(last, torch.ScriptObject) else None


def is_communication_done(work: Any, on_cpu: bool) -> bool:
    """Whether what an operation writes is there; it may only be said a little late, never early."""
    if work is None:  # a functional collective: torch only counts what has not been waited for
        return bool(getattr(getattr(torch._C, "_distributed_c10d", None), "_get_work_registry_size", lambda: 1)() == 0)
    if work.is_completed():
        return True
    try:
        return on_cpu and bool(work.get_future().done())  # on a device a future says only that the work has been queued
    except RuntimeError:  # has none
        return False


def sending_rank(work: Any) -> int | None:
    """The rank that a message from any rank came from; None where torch does not tell."""
    source = getattr(work, "_source_rank", lambda: None)()
    return source if isinstance(source, int) and source >= 0 else None


def reduction_of(reduce_op: Any) -> str | None:
    """ "sum", "avg", …; None where an operation has none or torch does not tell."""
    if reduce_op is None or isinstance(reduce_op, str):
        return reduce_op
    kinds = torch.distributed.ReduceOp.RedOpType
    try:
        return str(kinds(reduce_op.op()).name).lower()
    except (AttributeError, RuntimeError, TypeError, ValueError):
        return None
