"""The private torch names that we use, all of them, each with what happens where it is missing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from types import CodeType, FrameType
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree
from torch.utils._python_dispatch import TorchDispatchMode

from graphviz_ad.errors import TraceError


def _call_nothing() -> None:
    """Stands in for torch's functions that are missing."""


# Code objects by which frames of torch are recognised; an unknown one is never met, so that less is shown, never something wrong.
MODULE_CALL = torch.nn.Module._call_impl.__code__
FUNCTION_APPLY = getattr(torch.autograd.Function.apply, "__func__", lambda: None).__code__
_profiled = getattr(torch.optim.Optimizer, "profile_hook_step", None)  # wraps the step() of every optimizer
OPTIMIZER_STEP = next((part for part in getattr(_profiled, "__code__", _call_nothing.__code__).co_consts if isinstance(part, CodeType)), None)
TORCH_FOLDER = torch.__file__.rpartition("/")[0] + "/"


def _transforms() -> dict[Any, str]:
    """The code of the functions that torch.func's and torch.autograd.functional's transforms run as -> the name of the transform."""
    home, older = getattr(torch, "func", None), torch.autograd.functional
    made = {name: getattr(home, name)(len) for name in ("grad", "grad_and_value", "jacrev", "jacfwd") if hasattr(home, name)}
    direct = {name: getattr(older, name, None) for name in ("jacobian", "hessian", "vjp", "jvp", "vhp", "hvp")}
    found = [*((name, getattr(home, name, None)) for name in ("jvp", "linearize")), *made.items(), *direct.items()]
    return {function.__code__: name for name, function in found if hasattr(function, "__code__")}


TRANSFORMS = _transforms()
DispatchMode = TorchDispatchMode

_sequence_number: Callable[[], int] = getattr(torch.autograd, "_get_sequence_nr", lambda: 0)


def sequence_number() -> int:
    """How many autograd nodes this thread has made; 0 where torch does not tell."""
    return _sequence_number()


def flatten(tree: object) -> list[tuple[tuple[Any, ...], Any]]:
    """The leaves of a pytree with their paths of keys."""
    pairs, _ = _pytree.tree_flatten_with_path(tree)
    return [(tuple(_step(key) for key in path), leaf) for path, leaf in pairs]


def _step(key: Any) -> Any:
    for name in ("key", "idx", "name"):
        if hasattr(key, name):
            return getattr(key, name)
    return str(key)


def map_tree(function: Callable[[Any], Any], tree: object, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """The pytree with `function` applied to its leaves."""
    return _pytree.tree_map(function, tree, is_leaf=is_leaf)


def modes_are_active() -> bool:
    """Whether a dispatch mode of the user would see the operations that run now; True where torch does not tell."""
    return _mode_count() > 0


_mode_count: Callable[[], int] = getattr(torch._C, "_len_torch_dispatch_stack", lambda: 1)


def hidden_from_modes() -> AbstractContextManager[Any]:
    """A context in which no dispatch mode of the user sees our own operations, where torch has such a thing."""
    return getattr(torch._C, "_DisableTorchDispatch", nullcontext)()


# --- The engine's entry
#
# Wrapped once for all recordings that are open, so that they may end in any order, and given back when the last one ends. A call goes
# through the recordings of its own thread, innermost first; a thread that records nothing passes straight through.

_watchers: dict[int, list[Callable[..., Any]]] = {}
_watchers_lock = threading.Lock()


@contextmanager
def engine_entry(around: Callable[..., Any]) -> Iterator[None]:
    """While this is open, every ``backward()`` and ``grad()`` of this thread goes through ``around(real, *args, **kwargs)``.

    Raises `TraceError` where torch has no such place; nothing is recorded then, rather than something wrong.
    """
    thread = threading.get_ident()
    with _watchers_lock:
        if not _watchers:
            _wrap_engine()
        _watchers.setdefault(thread, []).append(around)
    try:
        yield
    finally:
        with _watchers_lock:
            _watchers[thread].remove(around)
            if not _watchers[thread]:
                del _watchers[thread]
            if not _watchers:
                torch.autograd._engine_run_backward = _real_engine[0]  # type: ignore[attr-defined]


_real_engine: list[Any] = [None]


def _after_fork() -> None:
    """A forked process has one thread: recordings of the others are not its own."""
    global _watchers_lock
    _watchers_lock = threading.Lock()
    for thread in [thread for thread in _watchers if thread != threading.get_ident()]:
        del _watchers[thread]
    if not _watchers and _real_engine[0] is not None:
        torch.autograd._engine_run_backward = _real_engine[0]  # type: ignore[attr-defined]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _wrap_engine() -> None:
    real = getattr(torch.autograd, "_engine_run_backward", None)
    if real is None:
        raise TraceError("this version of torch has no torch.autograd._engine_run_backward, through which record() watches backward()")
    _real_engine[0] = real

    def entry(*args: Any, **kwargs: Any) -> Any:
        call = real
        for around in _watchers.get(threading.get_ident(), ()):
            call = partial(around, call)
        return call(*args, **kwargs)

    torch.autograd._engine_run_backward = entry  # type: ignore[attr-defined]


def library_operator(cls: type) -> str | None:
    """The name of the operator, such as "rows::scale", for which torch.library made a torch.autograd.Function; None for any other."""
    forward: Any = getattr(cls, "forward", None)
    if not cls.__name__.startswith("GeneratedBackwardFor_") or not hasattr(forward, "__code__"):
        return None
    held = dict(zip(forward.__code__.co_freevars, forward.__closure__ or (), strict=False))
    operator = held["op"].cell_contents if "op" in held else None
    return str(operator._schema.name) if isinstance(operator, torch._ops.OpOverload) else None


def is_own_kind(tensor: Tensor) -> bool:
    """Whether this is a plain tensor whose elements can be read."""
    return type(tensor) in (Tensor, torch.nn.Parameter) and not tensor.is_meta


# --- Between processes


def group_of(group: Any) -> Any:
    """The process group behind an argument of an operation, which is the group itself, as TorchScript holds it, or its name."""
    distributed: Any = torch.distributed
    if isinstance(group, str):
        return distributed.distributed_c10d._resolve_process_group(group)
    return distributed.ProcessGroup.unbox(group) if isinstance(group, torch.ScriptObject) else group


def work_of(result: Any) -> Any:
    """What tells of an operation whether it has been waited for; None where the operation gives no such thing."""
    last = result[-1] if isinstance(result, (list, tuple)) and result else result
    return torch.distributed.Work.unbox(last) if isinstance(last, torch.ScriptObject) else None


def is_finished(work: Any, on_cpu: bool) -> bool:
    """Whether what an operation writes is there; it may only be said a little late, never early."""
    if work is None:  # a functional collective: torch only counts what has not been waited for
        return bool(getattr(torch._C._distributed_c10d, "_get_work_registry_size", lambda: 1)() == 0)
    if work.is_completed():
        return True
    try:
        return on_cpu and bool(work.get_future().done())  # on a device a future says only that the work has been queued
    except RuntimeError:  # has none
        return False


def source_of(work: Any) -> int | None:
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


def is_in_engine() -> bool:
    """Whether a backward pass runs in this thread; False where torch does not tell."""
    return bool(getattr(torch._C, "_current_graph_task_id", lambda: -1)() != -1)


def is_plain_subclass(tensor: Tensor) -> bool:
    """Whether this is of a subclass that leaves the elements as they are: it only looks at the functions that are called."""
    kind = type(tensor)
    return kind not in (Tensor, torch.nn.Parameter) and getattr(kind, "__torch_dispatch__", None) is getattr(torch._C, "_disabled_torch_dispatch_impl", kind)


def as_plain(tensor: Tensor) -> Tensor:
    """The elements of a plain subclass as a Tensor, without asking the subclass."""
    with torch._C.DisableTorchFunctionSubclass():
        return tensor.detach().as_subclass(Tensor)


Frame = FrameType
