"""A tensor, a module, the process -> everything that a program can find out about it, as comparable data.

What torch lets one ask is asked of whatever names this version of torch has, so that a new flag is looked at, too.
"""

from __future__ import annotations

import contextvars
import copy
import decimal
import gc
import locale
import logging
import os
import random
import signal
import sys
import threading
import types
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import Any

import flows
import numpy as np
import programs
import torch
from torch import Tensor, nn

State = dict[str, Any]

# what makes another tensor, warns, or is looked at on its own
NOT_ASKED = {"H", "T", "mH", "mT", "data", "imag", "real", "volatile", "_grad", "_grad_fn", "grad_fn", "_base", "grad"}
PROPERTIES = [
    name
    for name in dir(Tensor)
    if isinstance(getattr(Tensor, name, None), (types.GetSetDescriptorType, property, types.MemberDescriptorType))
    and name not in NOT_ASKED | {"__weakref__"}
]
QUESTIONS = [
    name
    for name in dir(Tensor)
    if name.startswith(("is_", "_is_", "has_", "_has_", "_use_count"))
    and callable(getattr(Tensor, name))
    and name not in {"is_same_size", "is_set_to", "is_distributed", "is_nonzero", "_is_all_true", "_is_any_true"}
]
MORE_QUESTIONS = ["stride", "storage_offset", "data_ptr", "element_size"]
OF_STORAGE = ["resizable", "nbytes", "data_ptr", "is_shared", "is_pinned", "device", "_cdata", "filename"]
PLAIN = (bool, int, float, str, type(None), torch.dtype, torch.device, torch.layout)
ADDRESSES = {"_cdata", "data_ptr", "id"}  # nothing that a second run would have again


def plain(thing: Any) -> Any:
    """A thing as data that can be compared: things that are no data by their identity."""
    if isinstance(thing, PLAIN):
        return repr(thing)
    if isinstance(thing, dict):
        return [(str(key), plain(value)) for key, value in thing.items()]
    if isinstance(thing, (list, tuple)):
        return [plain(part) for part in thing]
    return (type(thing).__qualname__, id(thing))


def asked(thing: Any, name: str) -> Any:
    """What an attribute says, or what a method without arguments gives, or that torch refuses."""
    try:
        found = getattr(thing, name)
        return plain(found() if callable(found) else found)
    except Exception as error:
        return type(error).__name__


def of_tensor(tensor: Tensor) -> State:
    """Everything but the count of references, which depends on who asks, see `references`."""
    state = {name: asked(tensor, name) for name in (*PROPERTIES, *QUESTIONS, *MORE_QUESTIONS)}
    state |= {"id": id(tensor), "type": type(tensor).__qualname__, "bits": flows.bits(tensor)}
    state |= {"__dict__": plain(vars(tensor)), "weak references": weakref.getweakrefcount(tensor)}
    state |= {f"node.{name}": value for name, value in of_node(node_of(tensor)).items()}
    state |= {f"storage.{name}": value for name, value in of_storage(tensor).items()}
    for name in ("grad", "_base"):
        other = getattr(tensor, name) if name == "_base" or tensor.is_leaf or tensor.retains_grad else None
        state |= (
            {name: "None"} if other is None else {f"{name}.{key}": value for key, value in of_tensor(other).items()}
        )
    return state


def node_of(tensor: Tensor) -> Any:
    """The autograd node that made a tensor; None also where torch does not say it."""
    try:
        return tensor.grad_fn
    except RuntimeError:
        return None


def of_storage(tensor: Tensor) -> State:
    try:
        storage = tensor.untyped_storage()
    except (RuntimeError, NotImplementedError):
        return {}
    return {name: asked(storage, name) for name in OF_STORAGE} | {"weak references": weakref.getweakrefcount(storage)}


def of_node(node: Any) -> State:
    """Of an autograd node: who it is, what it leads to, what is pinned to it, what it keeps and who stands before
    that.
    """
    if node is None:
        return {}
    state = {"name": node.name(), "type": type(node).__qualname__, "metadata": plain(node.metadata)}
    state["next"] = [[following and following.name(), port] for following, port in node.next_functions]
    for name in dir(node):
        if name.startswith("_raw_saved_"):
            try:
                kept = getattr(node, name)
            except RuntimeError as error:  # it was let go of
                state[name] = str(error)
                continue
            state[name] = [
                plain(getattr(part, "unpack_hook", None)) for part in (kept if isinstance(kept, tuple) else (kept,))
            ]
    return state


def of_module(module: nn.Module) -> State:
    """Of a module and all within: what each is and has, down to the identity of every hook; not what its tensors
    hold.
    """
    state: State = {}
    for name, part in module.named_modules():
        state[f"{name}: type"] = (id(part), id(type(part)))
        state[f"{name}: weak references"] = weakref.getweakrefcount(part)
        state |= {f"{name}.{key}": plain(value) for key, value in vars(part).items()}
        state[f"{name}: names"] = list(vars(part))
    return state


def tensors_of(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


# --- the process

ASKED_OF_TORCH = [
    name
    for name in dir(torch._C)
    if name.startswith(("_get_", "_is_", "_are_", "_len_", "_current_"))
    and callable(getattr(torch._C, name))
    and isinstance(asked(torch._C, name), str)
    and not asked(torch._C, name).endswith("Error")
]


def world() -> State:
    """Of the process and this thread."""
    return {
        **programs.world(),
        **{f"torch._C.{name}": asked(torch._C, name) for name in ASKED_OF_TORCH},
        "device": torch.get_default_device(),
        "threads of torch": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "printing": copy.copy(vars(torch._tensor_str.PRINT_OPTS)),
        "backends": (torch.backends.mkldnn.is_available(), torch.backends.cudnn.benchmark),
        "nodes": torch.autograd._get_sequence_nr(),
        "numpy": (np.geterr(), np.geterrcall(), np.get_printoptions(), plain(np.random.get_state()[2:])),
        "numpy's numbers": np.random.get_state()[1].tobytes(),
        "random": random.getstate(),
        "decimal": repr(decimal.getcontext()),
        "locale": locale.setlocale(locale.LC_ALL),
        "environment": dict(os.environ),
        "folder": os.getcwd(),  # noqa: PTH109
        "path": list(sys.path),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "hooks": (sys.excepthook, sys.displayhook, sys.unraisablehook, threading.excepthook, sys.breakpointhook),
        "streams": (sys.stdout, sys.stderr, sys.stdin),
        "collector": (list(map(id, gc.callbacks)), gc.get_freeze_count(), gc.get_debug()),
        "log": (logging.root.level, list(logging.root.handlers), logging.lastResort, logging.root.manager.disable),
        "context": {variable.name: id(value) for variable, value in contextvars.copy_context().items()},
        "files": len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0,  # noqa: PTH112, PTH208
        "monitoring": [sys.monitoring.get_tool(i) for i in range(6)] if hasattr(sys, "monitoring") else [],
        "matplotlib": repr(sys.modules["matplotlib"].rcParams) if "matplotlib" in sys.modules else "",
        "once": len(getattr(warnings, "onceregistry", ())),
    }


# --- before and after


def differences(before: State, after: State) -> dict[str, tuple[Any, Any]]:
    """What is not the same."""
    names = [*before, *(name for name in after if name not in before)]
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def without_addresses(state: State) -> State:
    """What another run of the same program should have as well: neither addresses nor the numbers of hooks."""

    def kept(value: Any) -> Any:
        if isinstance(value, tuple):
            return kept(value[-1]) if value[0].isdecimal() else value[0] if isinstance(value[1], int) else value
        return [kept(part) for part in value] if isinstance(value, list) else value

    return {name: kept(value) for name, value in state.items() if name.rpartition(".")[2] not in ADDRESSES}


def ours() -> str:
    import graphviz_ad

    return graphviz_ad.__file__.rpartition("/")[0]


@contextmanager
def calls_of_ours() -> Iterator[list[str]]:
    """The functions of the package that run while this is open, such as a hook that was left."""
    seen: list[str] = []
    folder = ours()

    def note(frame: Any, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(folder):
            seen.append(frame.f_code.co_qualname)

    sys.setprofile(note)
    try:
        yield seen
    finally:
        sys.setprofile(None)


def states_of(things: Sequence[Tensor | nn.Module]) -> list[State]:
    """Of each tensor, each module and all tensors of these, and of the process."""
    found: list[State] = []
    for thing in things:
        if isinstance(thing, nn.Module):
            found.append(of_module(thing))
        found += map(of_tensor, [thing] if isinstance(thing, Tensor) else tensors_of(thing))
    return [*found, world()]


@contextmanager
def unchanged(
    *things: Tensor | nn.Module,
    but: Callable[[str], bool] = lambda name: False,
    held: Sequence[int] = (),
) -> Iterator[None]:
    """Nothing of all this changes while this is open; ``but``: what a program changes itself, ``held``: how many
    references it keeps to each thing, as in a knot that it ties.
    """
    states_of(things)  # the first look makes what torch makes when it is first asked
    before, counts = states_of(things), [sys.getrefcount(thing) for thing in things]
    yield
    expected = [count + more for count, more in zip_longest(counts, held, fillvalue=0)]
    if [sys.getrefcount(thing) for thing in things] != expected:
        gc.collect()
    counts = [sys.getrefcount(thing) for thing in things]
    changed = [differences(one, other) for one, other in zip(before, states_of(things), strict=True)]
    changed = [{name: pair for name, pair in each.items() if not but(name)} for each in changed]
    if any(changed) or counts != expected:
        raise AssertionError(f"changed: {changed}; references should be {expected} and are {counts}")
