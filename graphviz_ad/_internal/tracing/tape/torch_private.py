"""The private torch names that we use, all of them, each with what happens where it is missing."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache, partial
from itertools import count
from operator import attrgetter, methodcaller
from types import CodeType, FrameType
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import has_torch_function

from graphviz_ad._internal.tracing.tape import probes
from graphviz_ad._internal.tracing.tape.probes import answer_to, believed

try:
    from torch.utils import _python_dispatch

    # what stands in for it below is no subclass of it
    from torch.utils._python_dispatch import TorchDispatchMode  # pyright: ignore[reportAssignmentType]
except ImportError:  # then nothing is seen of a forward pass; what autograd recorded is there all the same
    _python_dispatch = None  # type: ignore[assignment]

    class TorchDispatchMode:  # type: ignore[no-redef]
        """Stands in for a mode, and sees nothing."""

        def __enter__(self) -> Any:
            """Nothing is seen from here on."""
            return self

        def __exit__(self, *error: object) -> None:
            """Nothing was changed."""


try:
    from torch.utils import _pytree
except ImportError:
    _pytree = None  # type: ignore[assignment]
_pytree = believed(_pytree, probes.takes_trees_apart)  # type: ignore[assignment]


def _call_nothing() -> None:
    """Stands in for torch's functions that are missing."""


def _find(home: Any, name: str) -> Any:
    """A private thing of torch, which has to be probed yet; None where there is none."""
    return getattr(home, name, None)


# Code objects by which frames of torch are recognised; an unknown one is never met, so that less is shown, never
# something wrong.
MODULE_CALL = getattr(getattr(torch.nn.Module, "_call_impl", None), "__code__", _call_nothing.__code__)
# what stands around it in the usual case
MODULE_CALLED = getattr(getattr(torch.nn.Module, "_wrapped_call_impl", None), "__code__", _call_nothing.__code__)
_applying = (
    getattr(torch.autograd.Function.apply, "__func__", None),
    getattr(torch.autograd.function, "_call_custom_function_call", None),
)
# apply a custom Function "cls" to "args"
FUNCTION_CALLS = frozenset(found.__code__ for found in _applying if found is not None)
_profiled = getattr(torch.optim.Optimizer, "profile_hook_step", None)  # wraps the step() of every optimizer
OPTIMIZER_STEP = next(
    (part for part in getattr(_profiled, "__code__", _call_nothing.__code__).co_consts if isinstance(part, CodeType)),
    _call_nothing.__code__,
)
TORCH_FOLDER = torch.__file__.rpartition("/")[0] + "/"


def is_in_a_step() -> bool:
    """Whether the program is inside a step of an optimizer, as a closure is."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not OPTIMIZER_STEP:
        frame = frame.f_back
    return frame is not None


def _transforms() -> dict[Any, str]:
    """The code of the functions that torch.func's and torch.autograd.functional's transforms run as -> the name of
    the transform.
    """
    home, older = getattr(torch, "func", None), torch.autograd.functional
    made = {
        name: getattr(home, name)(len) for name in ("grad", "grad_and_value", "jacrev", "jacfwd") if hasattr(home, name)
    }
    direct = {name: getattr(older, name, None) for name in ("jacobian", "hessian", "vjp", "jvp", "vhp", "hvp")}
    found = [*((name, getattr(home, name, None)) for name in ("jvp", "linearize")), *made.items(), *direct.items()]
    return {function.__code__: name for name, function in found if hasattr(function, "__code__")}


TRANSFORMS = _transforms()
DispatchMode = TorchDispatchMode
SEES_OPERATIONS = TorchDispatchMode.__module__ != __name__

_sequence_number: Callable[[], int] | None = believed(
    getattr(torch.autograd, "_get_sequence_nr", None), probes.counts_nodes
)


def sequence_number() -> int:
    """How many autograd nodes this thread has made; 0 where torch does not tell, see `tells_node_count`."""
    return _sequence_number() if _sequence_number is not None else 0


def tells_node_count() -> bool:
    """Whether torch tells how many autograd nodes there are."""
    return _sequence_number is not None


def made_at(node: Any) -> int | None:
    """How many autograd nodes its thread had made before this one; None where torch does not tell."""
    number = getattr(node, "_sequence_nr", None) if NUMBERS_NODES else None
    return None if number is None else int(number())


NUMBERS_NODES = True
NUMBERS_NODES = believed(made_at, probes.numbers_nodes) is not None


# --- Trees of arguments and results


def flatten(tree: object) -> list[tuple[tuple[Any, ...], Any]]:
    """The leaves of a pytree with their paths of keys; of lists, tuples and dictionaries only, where torch has no
    trees.
    """
    if _pytree is None:
        return list(_leaves(tree, ()))
    try:
        pairs, _ = _pytree.tree_flatten_with_path(tree)
    except ValueError:  # somebody has taught torch a kind of tree without its keys
        return list(_by_level(tree, ()))
    return [(tuple(_step(key) for key in path), leaf) for path, leaf in pairs]


def _by_level(tree: object, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The same, one level after the other: what has no keys is counted, or called by the names that it keeps beside
    its parts.
    """

    def below(part: object) -> bool:
        return part is not tree

    trees: Any = _pytree
    try:
        pairs, _ = trees.tree_flatten_with_path(tree, is_leaf=below)
        keyed = [(tuple(_step(key) for key in keys), part) for keys, part in pairs]
    except ValueError:
        parts, spec = trees.tree_flatten(tree, is_leaf=below)
        names = spec.context if isinstance(spec.context, list) else []
        called = len(names) == len(parts) and all(type(name) is str for name in names)
        keyed = [((names[n] if called else n,), part) for n, part in enumerate(parts)]
    for keys, part in keyed:
        yield from _by_level(part, (*path, *keys)) if keys else [(path, part)]


def _leaves(tree: object, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(tree, (list, tuple, dict)):
        for key, part in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from _leaves(part, (*path, key))
    else:
        yield path, tree


def _step(key: Any) -> Any:
    for name in ("key", "idx", "name"):
        if hasattr(key, name):
            return getattr(key, name)
    return str(key)


def leaves_of_tree(tree: object, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """The leaves of a pytree."""
    if _pytree is not None:
        return list(_pytree.tree_flatten(tree, is_leaf=is_leaf)[0])
    if not isinstance(tree, (list, tuple, dict)) or (is_leaf is not None and is_leaf(tree)):
        return [tree]
    return [
        leaf for part in (tree.values() if isinstance(tree, dict) else tree) for leaf in leaves_of_tree(part, is_leaf)
    ]


def registered_parts(thing: object) -> list[tuple[Any, Any]] | None:
    """The parts of a thing of a class that was made known to torch as a tree, each with its key or its place; None of
    any other, and where torch has no trees.
    """
    known = getattr(_pytree, "SUPPORTED_NODES", {}).get(type(thing)) if _pytree is not None else None
    if known is None:
        return None
    with_keys = getattr(known, "flatten_with_keys_fn", None)
    if with_keys is None:
        return list(enumerate(known.flatten_fn(thing)[0]))
    return [(_step(key), part) for key, part in with_keys(thing)[0]]


def map_tree(function: Callable[[Any], Any], tree: object, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """The pytree with `function` applied to its leaves."""
    if _pytree is not None:
        return _pytree.tree_map(function, tree, is_leaf=is_leaf)
    if not isinstance(tree, (list, tuple, dict)) or (is_leaf is not None and is_leaf(tree)):
        return function(tree)
    if isinstance(tree, dict):
        return type(tree)((key, map_tree(function, part, is_leaf)) for key, part in tree.items())
    parts = [map_tree(function, part, is_leaf) for part in tree]
    return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)


# --- Modes


def is_innermost(mode: Any) -> bool:
    """Whether a mode is the first to see an operation; False where torch does not tell."""
    return _innermost is not None and _innermost() is mode


_innermost: Callable[[], Any] | None = believed(
    _find(_python_dispatch, "_get_current_dispatch_mode"), probes.knows_the_innermost
)
_stack: Callable[[], list[Any]] | None = believed(
    _find(_python_dispatch, "_get_current_dispatch_mode_stack"), probes.knows_the_stack
)
# whether, and how many, dispatch modes of the user would see the operations that run now; 1 where torch does not tell
modes_are_active: Callable[[], int] = believed(_find(torch._C, "_len_torch_dispatch_stack"), probes.counts_modes) or (
    lambda: 1
)
_disabled: Callable[[], AbstractContextManager[Any]] | None = believed(
    _find(torch._C, "_DisableTorchDispatch"), probes.hides_from_modes
)


def modes_that_are_on() -> list[Any] | None:
    """The dispatch modes of this thread, the innermost last; None where torch does not tell."""
    return _stack() if _stack is not None else None


# put a mode on top of those of this thread, and take that on top off, each by a single call that no interrupt can
# halve; only where torch tells which are on: a mode that cannot be found again would stay for ever
PUSH: Callable[[Any], None] | None = (
    believed(_find(torch._C, "_push_on_torch_dispatch_stack"), lambda push: probes.changes_the_stack(push, torch._C))
    if _stack is not None
    else None
)
POP: Callable[[None], Any] | None = _find(torch._C, "_pop_torch_dispatch_stack") if PUSH is not None else None


def mode_flags() -> dict[str, bool]:
    """What torch keeps of modes in plain variables of the process, for all threads."""
    home = vars(_python_dispatch) if _python_dispatch is not None else {}
    return {name: value for name, value in home.items() if type(value) is bool}


def set_mode_flags(flags: dict[str, bool]) -> None:
    """Set these variables."""
    if flags:
        vars(_python_dispatch).update(flags)


class _Quiet(threading.local):
    """How many contexts are open in this thread in which our own recorder looks away."""

    depth = 0


quiet = _Quiet()


def hidden_from_modes() -> AbstractContextManager[Any]:
    """A context in which no dispatch mode sees our own operations; where torch has no such thing, at least our own
    recorder does not, see `quiet`.
    """
    return _disabled() if _disabled is not None else _unrecorded()


_function_mode_count: Callable[[], int] = believed(
    _find(torch._C, "_len_torch_function_stack"), probes.counts_function_modes
) or (lambda: 1)
_unseen: Callable[[], AbstractContextManager[Any]] = (
    believed(_find(torch._C, "DisableTorchFunction"), probes.hides_from_functions) or nullcontext
)


def unseen_by_functions() -> AbstractContextManager[Any]:
    """A context in which no mode of the user that watches functions of torch sees our own calls of these, or changes
    what they return.

    A backward pass may run in it: under such a mode, torch itself runs the engine without the mode.
    """
    return _unseen() if _function_mode_count() else nullcontext()


@contextmanager
def _unrecorded() -> Iterator[None]:
    quiet.depth += 1
    try:
        yield
    finally:
        quiet.depth -= 1


# --- Threads


_here = threading.local()  # OpenMP has threads of their own for each thread that computes


def computed_in_threads() -> None:
    """Torch has just computed something of this thread in the threads that it has for that."""
    _here.process = os.getpid()


def parallel_region() -> int | None:
    """The address of what runs a function in the threads that torch computes in, as GCC's OpenMP calls it; None where
    it computes in others, or is not known to have computed in them here.

    For a while after an operation they keep the processors busy, so that other threads would wait for them. They are
    not to be started by us: in a process that is forked off once there are any, computing waits for them for ever.
    """
    return _region() if getattr(_here, "process", None) == os.getpid() else None


@cache
def _region() -> int | None:
    found = believed(answer_to(_found_region), probes.runs_in_threads)
    return None if found is None else ctypes.cast(found, ctypes.c_void_p).value


def _found_region() -> Any:
    """What torch itself calls, of the library that it was linked to; nothing is loaded that is not there."""
    if "ATen parallel backend: OpenMP" not in torch.__config__.parallel_info():
        return None
    return ctypes.CDLL(f"{TORCH_FOLDER}lib/libtorch_cpu.so", mode=os.RTLD_NOLOAD | os.RTLD_LAZY).GOMP_parallel


# --- Tensors and autograd nodes


# Which memory a tensor lies in. Asked of torch's own object: one of Python's would live as long as the storage from
# then on, and be counted among those who use it, so that gradients are no longer added up in place.
STORAGE = believed("_cdata", probes.tells_memory) or "data_ptr of"
_storage_of: Callable[[Tensor], int] | None = believed(
    _find(torch._C, "_storage_address"), lambda found: probes.tells_storages(found, STORAGE)
)
# where in that object stands how many bytes there are
_SIZE = answer_to(partial(probes.place_of_size, _storage_of)) if _storage_of is not None else None
_number_at = ctypes.c_int64.from_address
# where a memory begins; ``data_ptr`` hands it out to be written, so that a lazy copy would become a true one
_begin_of_memory: Callable[[Tensor], int] | None = believed(_find(torch._C, "_data_address"), probes.tells_addresses)


def memory_of_tensor(tensor: Tensor) -> int | None:
    """Which memory a tensor lies in; None for a tensor that has none of its own, such as a sparse one, or where
    torch does not tell.
    """
    try:
        if _storage_of is not None:
            return _storage_of(tensor) or None
        storage = tensor.untyped_storage()
        return getattr(storage, STORAGE, 0) or storage.data_ptr() or None
    except (RuntimeError, NotImplementedError):
        return None


def bytes_of_memory(tensor: Tensor) -> int:
    """How many bytes all of the memory has that a tensor lies in; RuntimeError for one that has none of its own."""
    if _storage_of is not None and _SIZE is not None:
        size = _number_at(_storage_of(tensor) + _SIZE).value
        if size >= 0:  # else it is symbolic
            return size
    return tensor.untyped_storage().nbytes()


def memory_and_bytes(tensor: Tensor) -> tuple[int | None, int]:
    """Which memory it is, and how many bytes that has."""
    memory = memory_of_tensor(tensor)
    if memory is None:
        return None, 0
    if _storage_of is not None and _SIZE is not None:
        size = _number_at(memory + _SIZE).value
        if size >= 0:  # else it is symbolic
            return memory, size
    return memory, tensor.untyped_storage().nbytes()


def address_of_memory(tensor: Tensor) -> int:
    """Where the memory begins that a tensor lies in; 0 where there is none."""
    return _begin_of_memory(tensor) if _begin_of_memory is not None else tensor.untyped_storage().data_ptr()


def address_of(tensor: Tensor) -> int:
    """Where the elements of a tensor begin; 0 where there is no memory."""
    start = address_of_memory(tensor)
    return start and start + int(tensor.storage_offset()) * tensor.element_size()


def _perhaps_a_view(tensor: Tensor) -> bool:
    """Whether a tensor may be a view; True where torch does not tell."""
    return getattr(tensor, "_base", tensor) is not None


is_view: Callable[[Tensor], bool] = believed(_find(Tensor, "_is_view"), probes.knows_views) or _perhaps_a_view
_never_twice = count(1)


def _never_the_same(_: Tensor) -> int:
    """Stands in for a version where torch does not tell: never the same number twice, so that nothing passes for
    unchanged.
    """
    return next(_never_twice)


# How often torch has written to a tensor.
version_of: Callable[[Tensor], int] = believed(attrgetter("_version"), probes.counts_writes) or _never_the_same
HOOKS = believed("_backward_hooks", probes.lists_hooks) or ""
HOOKS_AFTER = believed("_post_accumulate_grad_hooks", probes.lists_hooks_after_accumulation) or ""
HOOKS_OF_NODES = believed("hooks_dict_ref", probes.lists_hooks_of_nodes) or ""
FUNCTION = believed("_forward_cls", probes.names_functions) or ""


def hooks_of(tensor: Tensor) -> list[Any]:
    """The hooks of the user on the gradient of a tensor; none where torch does not tell."""
    found = getattr(tensor, HOOKS, None)
    return list(found.values()) if found else []


def gets_what_is_given(module: torch.nn.Module) -> bool:
    """Whether a module is called with what stands in the call, so that no hook may have put something else there; False
    where torch does not tell.
    """
    homes = (module, "_forward_pre_hooks"), (torch.nn.modules.module, "_global_forward_pre_hooks")
    return not any(getattr(home, name, True) for home, name in homes)


def _dictionaries_of(module: torch.nn.Module) -> tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]:
    return module._parameters, module._buffers, module._modules


# The parameters, the buffers and the modules that are a module's own, by their names; None where torch has them
# elsewhere.
dictionaries_of = believed(_dictionaries_of, probes.tells_what_modules_hold)
# by which torch finds all that a module has: who has these of its own says itself what that is
NAMING = ("named_parameters", "named_buffers", "_named_members", "named_modules")


def hooks_beside(handle: Any) -> list[Any]:
    """The other hooks on the autograd node that one with this handle hangs on; none where torch does not tell, so that
    what they change is seen only where it contradicts a derivative.
    """
    held = _hooks_with(handle)
    return [hook for key, hook in held.items() if key != handle.id] if len(held) > 1 else []


def crowded(handles: Sequence[Any]) -> list[int]:
    """Which of the handles, by number, are of hooks that do not hang alone on their node."""
    if not HOOKS_OF_NODES:
        return []
    ask = methodcaller(HOOKS_OF_NODES)
    return [number for number, held in enumerate(map(ask, handles)) if held is not None and len(held) > 1]


def call_first(handle: Any) -> None:
    """Let the hook with this handle be called before all others on its node, which keep their order."""
    held = _hooks_with(handle)
    probes.to_the_end(held, [key for key in held if key != handle.id])


def _hooks_with(handle: Any) -> dict[Any, Any]:
    """All hooks on the autograd node that one with this handle hangs on."""
    held = getattr(handle, HOOKS_OF_NODES, None)
    return (held() if held is not None else None) or {}


def hooks_after_accumulation(tensor: Tensor) -> list[Any]:
    """The hooks of the user on what is accumulated into ``.grad``; none where torch does not tell, see
    `may_have_hooks`.
    """
    found = getattr(tensor, HOOKS_AFTER, None)
    return list(found.values()) if found else []


def retains_gradient(tensor: Tensor) -> bool:
    """Whether what arrives at a tensor is kept in its ``.grad``; False where torch does not say, see
    `Tape.edge_of`.
    """
    try:
        return tensor.is_leaf or tensor.retains_grad
    except RuntimeError:
        return False


def may_have_hooks(tensor: Tensor) -> bool:
    """Whether hooks of the user may run on what is accumulated into ``.grad``; True where torch has such hooks and
    does not tell.
    """
    told = not hasattr(tensor, "register_post_accumulate_grad_hook") or hasattr(tensor, HOOKS_AFTER)
    return not told or bool(hooks_after_accumulation(tensor))


def hooks_on_all_modules() -> bool:
    """Whether the user has hooks that run for every module of the process."""
    home = sys.modules[torch.nn.Module.__module__]
    return any(
        len(held)
        for name, held in vars(home).items()
        if name.startswith("_global") and "hooks" in name and isinstance(held, dict)
    )


def function_of(node: Any) -> type | None:
    """The user's torch.autograd.Function that an autograd node is the backward of, or None; where torch does not
    tell, the class of the node stands for it.
    """
    found = getattr(node, FUNCTION, None)
    if found is None and isinstance(node, torch.autograd.function.BackwardCFunction):
        return type(node)
    return found


def may_be_of_function(kind: type) -> bool:
    """Whether `function_of` may say something of autograd nodes of a kind."""
    return hasattr(kind, FUNCTION) or issubclass(kind, torch.autograd.function.BackwardCFunction)


# attributes of an autograd node that give what it keeps without unpacking it; those without "raw" run hooks of the user
RAW_SAVED = "_raw_saved_"
PACKED = "_saved_"


def tells_what_is_saved() -> bool:
    """Whether torch has such attributes."""
    return any(name.startswith(RAW_SAVED) for name in dir(torch.autograd.function.BackwardCFunction))


# Whether torch says of what a node keeps, without unpacking it, what it is and whether a hook of the user stands before
# it. Where it does not, a tape has to see for itself whether such hooks are open while nodes are made, and what lies
# behind none can be unpacked without anybody noticing. Hooks can also be hung on what a node keeps by hand, which is
# seen at the class of that, see `hooks_by_hand`; where it is None, nobody sees them.
TELLS_HOOKS = believed(RAW_SAVED, probes.tells_hooks) is not None
SAVED_TENSOR: Any = believed(answer_to(lambda: probes.class_of_saved(RAW_SAVED)), probes.takes_hooks)
UNPACKS = believed(PACKED, probes.unpacks) is not None


def hooks_are_open() -> bool:
    """Whether hooks of the user stand before what an operation saves that runs now: torch refuses to disable them
    while they are.
    """
    try:
        with torch.autograd.graph.disable_saved_tensors_hooks(""):
            return False
    except RuntimeError:
        return True


# How often a checkpoint with use_reentrant=False has run its function again, by backward pass. It is only read, nothing
# is called. Where it is not there, nobody knows whether anything ran again.
RERUNS = believed("is_recomputed", probes.notes_reruns) or ""


def reruns_noted_behind(hook: Any) -> dict[int, bool] | None:
    """Where the checkpoint notes its runs that a hook before what a node keeps belongs to; None of any other hook.

    The checkpoint itself is not held, as it has tensors of its own that are to go while a pass runs.
    """
    code = getattr(hook, "__code__", None)
    if not RERUNS or code is None or getattr(hook, "__module__", None) != "torch.utils.checkpoint":
        return None
    cells = dict(zip(code.co_freevars, hook.__closure__ or (), strict=True))
    runs = getattr(cells["frame"].cell_contents, RERUNS, None) if "frame" in cells else None
    return runs if isinstance(runs, dict) else None


SCHEMA = believed("_schema", probes.describes_operations) or ""
PACKET = believed("_overloadpacket", probes.names_packets) or ""
OVERLOAD = believed("_overloadname", probes.names_overloads) or ""


class Signature(NamedTuple):
    """What an ATen overload is: its name without the overload's, the names of its arguments, and which of these it
    writes to.

    ``only_written`` are arguments that it does not read, ``returns`` the types of its results as text; None where torch
    does not tell.
    """

    name: str
    namespace: str
    arguments: tuple[str, ...]
    written: tuple[int, ...]
    only_written: frozenset[str]
    returns: tuple[str, ...] | None


def signature(overload: Any) -> Signature:
    """What torch tells of an overload, or what its name does: that of "aten.add_.Tensor" says that it writes to its
    first argument.
    """
    schema, packet = getattr(overload, SCHEMA, None), getattr(overload, PACKET, None)
    home, _, rest = str(overload).partition(".")
    parts = rest.split(".") if rest else [home]
    name = packet.__name__ if packet is not None else parts[0]
    kind = getattr(overload, OVERLOAD, parts[-1] if len(parts) > 1 else "")
    namespace = getattr(overload, "namespace", home if rest else "aten")
    writes_out = kind == "out" or kind.endswith("_out")
    if schema is None:
        in_place = name.endswith("_") and not name.endswith("__")
        return Signature(name, namespace, (), (0,) if in_place else (), frozenset({"out"} if writes_out else ()), None)
    arguments = tuple(argument.name for argument in schema.arguments)
    written = tuple(i for i, a in enumerate(schema.arguments) if a.alias_info is not None and a.alias_info.is_write)
    # operators of torch.library have a place for their result without being called so
    only_written = frozenset(arguments[i] for i in written if writes_out or _is_place_for_result(schema.arguments[i]))
    return Signature(
        name, namespace, arguments, written, only_written, tuple(str(result.type) for result in schema.returns)
    )


def _is_place_for_result(argument: Any) -> bool:
    """Whether an argument that is written to is called and given like that of an out= variant."""
    return bool(getattr(argument, "kwarg_only", False)) and argument.name == "out"


# --- The engine's entry
#
# Wrapped once for all recordings that are open, so that they may end in any order, and given back when the last one
# ends. A call goes through the recordings of its own thread, innermost first; a thread that records nothing passes
# straight through.

ENGINE, SEEDS = "_engine_run_backward", "_make_grads"  # what runs, and what looks at that before
LOOKS_BY = "torch.fx.experimental.symbolic_shapes"  # the module of torch that imports sympy
_watchers: dict[int, list[Callable[..., Any]]] = {}
_watchers_lock = threading.RLock()  # what the garbage collector ends may come in while its own thread holds it


@contextmanager
def engine_entry(around: Callable[..., Any]) -> Iterator[bool]:
    """While this is open, every ``backward()`` and ``grad()`` of this thread goes through ``around(real, *args,
    **kwargs)``; where torch refuses one before it comes to its engine, ``real`` is what raises its exception.

    Gives False where torch has no such place; nothing goes through it then.
    """
    if not hasattr(torch.autograd, ENGINE):
        yield False
        return
    thread = threading.get_ident()
    try:
        with _watchers_lock:
            _watchers.setdefault(thread, []).append(around)
            if _real_engine[0] is None:
                _wrap_engine()
        yield True
    finally:
        try:
            _stop_watching(thread, around)
        except BaseException:  # an interrupt may come anywhere
            _stop_watching(thread, around)
            raise


@contextmanager
def passes_elsewhere(told: Callable[[bool], None]) -> Iterator[None]:
    """While this is open and an `engine_entry` is, ``told`` hears of passes in threads of which nobody watches the
    engine: whether each accumulates into leaves.
    """
    _tell_of_others.append(told)
    try:
        yield
    finally:
        _tell_of_others.remove(told)


_tell_of_others: list[Callable[[bool], None]] = []
_real_engine: list[Any] = [None, None]  # the two; None: it is in its place


def _stop_watching(thread: int, around: Callable[..., Any]) -> None:
    """Nothing of this thread's goes through ``around`` any more; bears being run twice, or by one who never began."""
    with _watchers_lock:
        others = [watcher for watcher in _watchers.get(thread, ()) if watcher != around]
        if others:
            _watchers[thread] = others
        else:
            _watchers.pop(thread, None)
        if not _watchers:
            _give_engine_back()


def _give_engine_back() -> None:
    for i, name in enumerate((ENGINE, SEEDS)):
        if _real_engine[i] is not None:
            setattr(torch.autograd, name, _real_engine[i])
            _real_engine[i] = None


def _after_fork() -> None:
    """A forked process has one thread: recordings of the others are not its own."""
    global _watchers_lock
    _watchers_lock = threading.RLock()
    for thread in [thread for thread in _watchers if thread != threading.get_ident()]:
        del _watchers[thread]
    if not _watchers:
        _give_engine_back()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _wrap_engine() -> None:
    _real_engine[0] = real = getattr(torch.autograd, ENGINE)

    def entry(*args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() not in _watchers:
            accumulates = bool(args[6] if len(args) > 6 else kwargs.get("accumulate_grad", False))
            for told in [*_tell_of_others]:
                told(accumulates)
        return _watched(real)(*args, **kwargs)

    setattr(torch.autograd, ENGINE, entry)
    if callable(real_seeds := getattr(torch.autograd, SEEDS, None)):
        _real_engine[1] = real_seeds
        setattr(torch.autograd, SEEDS, _refusals_told(real_seeds))


def _watched(call: Any) -> Any:
    """A call as this thread's recordings want it to go."""
    for around in _watchers.get(threading.get_ident(), ()):
        call = partial(around, call)
    return call


def _refusals_told(real: Any) -> Any:
    """What looks at a pass before it runs; where it raises, that is a pass to the recordings, which fails."""

    def seeds(outputs: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return real(outputs, *args, **kwargs)
        except Exception as error:
            return _watched(partial(_raise, error))(outputs, *args[:1])

    return seeds


def _raise(error: Exception, *_: Any) -> Any:
    raise error


# --- Kinds of tensors and operators


def library_operator(cls: type) -> str | None:
    """The name of the operator, such as "rows::scale", for which torch.library made a torch.autograd.Function; None
    for any other.
    """
    forward: Any = getattr(cls, "forward", None)
    if not cls.__name__.startswith("GeneratedBackwardFor_") or not hasattr(forward, "__code__"):
        return None
    held = dict(zip(forward.__code__.co_freevars, forward.__closure__ or (), strict=False))
    operator = held["op"].cell_contents if "op" in held else None
    return str(name) if (name := getattr(getattr(operator, SCHEMA, None), "name", None)) else None


OPERATORS_OF_ATEN = (type(torch.ops.aten.add), type(torch.ops.aten.add.Tensor))


def is_own_kind(tensor: Tensor) -> bool:
    """Whether this is a plain tensor whose elements can be read."""
    return type(tensor) in (Tensor, torch.nn.Parameter) and not tensor.is_meta


_graph_task: Callable[[], int] | None = believed(_find(torch._C, "_current_graph_task_id"), probes.knows_the_engine)


@cache
def _runs_passes() -> bool:
    """Whether the engine can be asked for gradients as `torch.autograd.grad` asks it, and tells when it runs."""
    engine = _find(torch.autograd.graph, ENGINE)
    return _graph_task is not None and believed(engine, probes.runs_passes) is not None


def gradients_without_look(
    outputs: Sequence[Tensor], tensors: Sequence[Tensor], seeds: Sequence[Tensor], *, retain: bool
) -> Sequence[Tensor | None] | None:
    """What `torch.autograd.grad` gives for plain tensors and seeds that fit, for which it need not look whether they
    do: the first look of a process imports sympy, as long as a trace takes. None where it is to be asked itself.
    """
    engine = getattr(torch.autograd, ENGINE, None)
    if LOOKS_BY in sys.modules or engine is None or not _runs_passes() or has_torch_function((*outputs, *tensors)):
        return None
    given = tuple(outputs), tuple(seeds), retain, False, tuple(tensors), True
    found: Sequence[Tensor | None] = engine(*given, accumulate_grad=False)
    return found


def is_in_engine() -> bool:
    """Whether a backward pass runs in this thread; where torch does not tell, by whether a function of torch's
    stands on the stack that starts one.
    """
    if _graph_task is not None:
        return _graph_task() != -1
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name in ("backward", "grad") and frame.f_code.co_filename.startswith(
            (f"{TORCH_FOLDER}autograd/", f"{TORCH_FOLDER}_tensor.py")
        ):
            return True
        frame = frame.f_back
    return False


# what such a subclass has instead of a handler
_plain = believed(_find(torch._C, "_disabled_torch_dispatch_impl"), probes.says_what_is_plain)
_tells_zeros = believed(_find(Tensor, "_is_zerotensor"), probes.tells_zeros)


def is_zeros(tensor: Tensor) -> bool:
    """Whether a tensor is zeros without memory, which has to be given some before it can be read; True where torch
    does not tell.
    """
    return _tells_zeros is None or _tells_zeros(tensor)


def is_plain_subclass(tensor: Tensor) -> bool:
    """Whether this is of a subclass that leaves the elements as they are: it only looks at the functions that are
    called.
    """
    return is_plain_kind(type(tensor))


def is_plain_kind(kind: type) -> bool:
    """The same of a kind of tensors."""
    return (
        kind not in (Tensor, torch.nn.Parameter)
        and _plain is not None
        and getattr(kind, "__torch_dispatch__", None) is _plain
    )


def is_wrapper(tensor: Tensor) -> bool:
    """Whether this is of a subclass that computes in its own way, as one that stands for other tensors does: below its
    handler there may be no memory.
    """
    return is_kind_of_wrapper(type(tensor))


def is_kind_of_wrapper(kind: type) -> bool:
    """The same of a kind of tensors."""
    return kind not in (Tensor, torch.nn.Parameter) and not is_plain_kind(kind)


def as_plain(tensor: Tensor) -> Tensor:
    """The elements of a plain subclass as a Tensor, without asking the subclass."""
    with torch._C.DisableTorchFunctionSubclass():
        return tensor.detach().as_subclass(Tensor)


Frame = FrameType


def module_that_runs(frame: Frame) -> torch.nn.Module:
    """The module whose `MODULE_CALL` is run by a frame.

    In the usual case the frame around it is asked: it has three variables, and tells them in a tenth of the time.
    """
    around = frame.f_back
    if around is not None and around.f_code is MODULE_CALLED:
        found: torch.nn.Module = around.f_locals["self"]
        if MODULE_CALL.co_name not in vars(found):  # else it may have been given that of another module
            return found
    own: torch.nn.Module = frame.f_locals["self"]
    return own
