"""A private thing of torch -> the same, if a small experiment shows that it does what its name says; otherwise
nothing, so that its stand-in is used.

A name that is still there may have come to mean something else. Each experiment runs once a process, in a thread of its
own, where no mode of the user sees it, and draws no random numbers. It holds the tensors whose nodes it asks: some
versions of torch crash at those of custom Functions otherwise.
"""

from __future__ import annotations

import ctypes
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.overrides import TorchFunctionMode

Thing = TypeVar("Thing")
ATEN: Any = torch.ops.aten  # which versions of torch give different types


def answer_to(question: Callable[[], Thing]) -> Thing | None:
    """What a question comes to in a thread of its own; None if it cannot even be asked."""
    answers: list[Thing] = []

    def ask() -> None:
        with suppress(Exception):  # torch does not do what is asked for: that is the answer
            answers.append(question())

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return answers[0] if answers else None


def believed(found: Thing | None, holds: Callable[[Any], bool]) -> Thing | None:
    """What was found, if ``holds`` is true of it; None if it is not, or if it cannot even be tried."""
    return found if found is not None and answer_to(lambda: holds(found)) is True else None


def _two() -> Tensor:
    return torch.tensor([1.0, 2.0], dtype=torch.float64, device="cpu", requires_grad=True)


class _Kept(torch.autograd.Function):
    """A custom Function that keeps what it is given."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0]


def _kept(x: Tensor) -> Any:
    return _Kept.apply(x)  # type: ignore[no-untyped-call]


# --- what is true of each


def runs_in_threads(region: Any) -> bool:
    """A function is run in as many threads as are asked for, or fewer, and all of them have run it at the end."""
    found: list[int] = []
    run = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(found.append)
    region(run, ctypes.c_void_p(7), ctypes.c_uint(2), ctypes.c_uint(0))
    return found in ([7], [7, 7])


def counts_nodes(number: Callable[[], int]) -> bool:
    """One more for each autograd node."""
    x, before = _two(), number()
    _ = x * x, x + x
    return type(before) is int and number() == before + 2


def numbers_nodes(number: Callable[[Any], int | None]) -> bool:
    """A node is numbered in the order in which it was made, also that of a custom Function."""
    x = _two()
    made = [x * x, _kept(x), x + x]
    first, *others = (number(tensor.grad_fn) for tensor in made)
    return type(first) is int and others == [first + 1, first + 2]


def counts_modes(count: Callable[[], int]) -> bool:
    """None without a dispatch mode, and one within one."""
    with watched() as seen:
        within = count()
    return seen == [] and (count(), within) == (0, 1)


def knows_the_innermost(innermost: Callable[[], Any]) -> bool:
    """The mode that was entered last, nothing before and after."""
    from torch.utils._python_dispatch import TorchDispatchMode

    before, mode = innermost(), TorchDispatchMode()  # type: ignore[no-untyped-call]
    with mode:
        within = innermost()
    return before is None and within is mode and innermost() is None


def knows_the_stack(stack: Callable[[], list[Any]]) -> bool:
    """All modes that are on, the innermost last."""
    from torch.utils._python_dispatch import TorchDispatchMode

    one, other = TorchDispatchMode(), TorchDispatchMode()  # type: ignore[no-untyped-call]
    with one, other:
        within = stack()
    return (stack(), [within[0] is one, within[1] is other, len(within)]) == ([], [True, True, 2])


def changes_the_stack(push: Callable[[Any], None], home: Any) -> bool:
    """A mode that is put on is on, and is what is taken off."""
    from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode

    mode = TorchDispatchMode()  # type: ignore[no-untyped-call]
    push(mode)
    within, taken = _get_current_dispatch_mode(), home._pop_torch_dispatch_stack(None)
    return within is mode and taken is mode and _get_current_dispatch_mode() is None


def hides_from_modes(context: Callable[[], Any]) -> bool:
    """A dispatch mode sees nothing within, and everything after."""
    x = torch.ones(2, device="cpu")
    with watched() as seen:
        with context():
            _ = x + x
        hidden = not seen
        _ = x + x
    return hidden and len(seen) == 1


def watching() -> tuple[Any, list[str]]:
    """A dispatch mode as a user may have one, and the operations that it sees."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Watching(TorchDispatchMode):  # type: ignore[no-untyped-call]
        @classmethod
        def _should_skip_dynamo(cls) -> bool:
            return False  # or torch would import all of its compiler now

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            seen.append(str(func))
            return func(*args, **(kwargs or {}))

    seen: list[str] = []
    return Watching(), seen  # type: ignore[no-untyped-call]


@contextmanager
def watched() -> Iterator[list[str]]:
    """The operations that a dispatch mode sees while this is open."""
    mode, seen = watching()
    with mode:
        yield seen


class _Functions(TorchFunctionMode):
    """Counts the functions of torch that are called."""

    calls = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls += 1
        return func(*args, **(kwargs or {}))


def counts_function_modes(count: Callable[[], int]) -> bool:
    """None without a mode that watches functions, and one within one."""
    with _Functions():
        within = count()
    return (count(), within) == (0, 1)


def hides_from_functions(context: Callable[[], Any]) -> bool:
    """Such a mode sees nothing within, and everything after."""
    x = torch.ones(2, device="cpu")
    with _Functions() as mode:
        with context():
            _ = torch.add(x, x)
        hidden = not mode.calls
        _ = torch.add(x, x)
    return hidden and mode.calls > 0


def takes_trees_apart(trees: Any) -> bool:
    """The same parts with their keys, and put together again the same."""
    tree = {"a": [1, (2, 3)], "b": 4}
    parts, _ = trees.tree_flatten_with_path(tree)
    keys = [[getattr(key, "key", getattr(key, "idx", None)) for key in path] for path, _ in parts]
    mapped = trees.tree_map(lambda part: part * 2, tree, is_leaf=lambda part: part == (2, 3))
    leaves = trees.tree_flatten(tree, is_leaf=lambda part: part == (2, 3))[0]
    if trees.tree_flatten(tree, is_leaf=lambda part: part is not tree)[0] != [*tree.values()]:
        return False
    return (keys, [part for _, part in parts], leaves) == (
        [["a", 0], ["a", 1, 0], ["a", 1, 1], ["b"]],
        [1, 2, 3, 4],
        [1, (2, 3), 4],
    ) and mapped == {"a": [2, (2, 3, 2, 3)], "b": 8}


def knows_views(is_view: Callable[[Tensor], bool]) -> bool:
    """A part is a view, and what is new is none."""
    x = torch.ones(2, device="cpu")
    return [is_view(x), is_view(x[0]), is_view(x + x)] == [False, True, False]


def counts_writes(version: Callable[[Tensor], int]) -> bool:
    """One more for each write, also through a view."""
    x = torch.ones(2, device="cpu")
    before = version(x)
    x.add_(1)
    x[0].mul_(2)
    return type(before) is int and version(x) == before + 2


def tells_memory(name: str) -> bool:
    """The same for views, another for another tensor."""
    x, other = torch.ones(2, device="cpu"), torch.ones(2, device="cpu")
    whole, part, elsewhere = (getattr(tensor.untyped_storage(), name) for tensor in (x, x[0], other))
    return type(whole) is int and whole == part != elsewhere and 0 not in (whole, elsewhere)


def tells_storages(storage: Callable[[Tensor], int], name: str) -> bool:
    """The same as the storage says of itself, also of a part of a tensor."""
    x = torch.ones(3, device="cpu")
    return {storage(x), storage(x[1:])} == {getattr(x.untyped_storage(), name)}


def place_of_size(storage: Callable[[Tensor], int]) -> int:
    """Where in torch's object of a storage the number of its bytes stands: the only place that always has it."""
    sizes = (1237, 7919, 104729)
    tensors = [torch.empty(size, dtype=torch.uint8, device="cpu") for size in sizes]
    rows = [(ctypes.c_int64 * 8).from_address(storage(tensor))[:] for tensor in tensors]
    tensors[0].untyped_storage().resize_(2003)
    rows.append((ctypes.c_int64 * 8).from_address(storage(tensors[0]))[:])
    (place,) = (i for i, found in enumerate(zip(*rows, strict=True)) if found == (*sizes, 2003))
    return place * ctypes.sizeof(ctypes.c_int64)


def tells_addresses(address: Callable[[Tensor], int]) -> bool:
    """Where the memory of a tensor begins, also that of a part of one."""
    x = torch.ones(3, device="cpu")
    return [address(tensor) for tensor in (x, x[1:])] == [x.data_ptr()] * 2


def lists_hooks(name: str) -> bool:
    """Those that were registered on the gradient of a tensor, while they are."""
    x, hook = _two(), _keep
    before = getattr(x, name)
    handle = x.register_hook(hook)  # type: ignore[no-untyped-call]
    found = list(getattr(x, name).values())
    handle.remove()
    return before is None and found == [hook] and not getattr(x, name)


def lists_hooks_after_accumulation(name: str) -> bool:
    """Those that were registered on what is accumulated, while they are."""
    x, hook = _two(), _keep
    before = getattr(x, name)
    handle = x.register_post_accumulate_grad_hook(hook)  # type: ignore[no-untyped-call]
    found = list(getattr(x, name).values())
    handle.remove()
    return before is None and found == [hook] and not getattr(x, name)


def lists_hooks_of_nodes(name: str) -> bool:
    """What a hook on a node can be taken off by tells which hooks hang there; they are called in the order of that."""
    x, called = _two(), []
    y = x * 2
    hooks = [lambda *_, n=n: called.append(n) for n in range(3)]
    handles = [y.grad_fn.register_hook(hook) for hook in hooks]  # type: ignore[union-attr]
    held = getattr(handles[1], name)()
    found = list(held.items())
    to_the_end(held, [found[0][0]])
    handles[1].remove()
    y.sum().backward()  # type: ignore[no-untyped-call]
    return called == [2, 0] and found == [(handle.id, hook) for handle, hook in zip(handles, hooks, strict=True)]


def to_the_end(held: dict[Any, Any], keys: Sequence[Any]) -> None:
    """Put these behind all others, in their order; in C, so that no interrupt can come while one is out."""
    deque(map(held.__setitem__, keys, map(held.pop, keys)), maxlen=0)


def _keep(_: Tensor) -> None:
    """A hook that does nothing."""


def knows_the_engine(task: Callable[[], int]) -> bool:
    """-1 everywhere but in a backward pass."""
    x, within = _two(), []
    y = (x * x).sum()
    y.register_hook(lambda _: within.append(task()))  # type: ignore[no-untyped-call]
    torch.autograd.grad(y, x)
    return task() == -1 and len(within) == 1 and type(within[0]) is int and within[0] != -1


def runs_passes(engine: Callable[..., Any]) -> bool:
    """Gives the gradients of plain tensors from seeds that fit, and writes no ``.grad``; of what a result does not
    come from, None.
    """
    x, other = _two(), _two()
    y = x * x
    seeds = (torch.tensor([1.0, 3.0], dtype=torch.float64, device="cpu"),)
    found, none = engine((y,), seeds, True, False, (x, other), True, accumulate_grad=False)
    return found.tolist() == [2.0, 12.0] and none is None and x.grad is None and not found.requires_grad


def names_functions(name: str) -> bool:
    """The class that was applied, and nothing for a node of torch's own."""
    x = _two()
    custom, plain = _kept(x), x * x
    return getattr(custom.grad_fn, name) is _Kept and getattr(plain.grad_fn, name, None) is None


def class_of_saved(raw: str) -> type:
    """What torch gives for a tensor that is kept, where it does not unpack it."""
    y = _two().exp()
    return type(getattr(y.grad_fn, f"{raw}result"))


def takes_hooks(kind: type) -> bool:
    """What is kept is of this class, and takes a hook by hand, which runs when it is asked for."""
    asked: list[Any] = []

    def hook(kept: Any) -> Any:
        asked.append(kept)
        return kept

    y = _two().exp()
    node: Any = y.grad_fn
    node._raw_saved_result.register_hooks(_same, hook)
    return type(node._raw_saved_result) is kind and torch.equal(node._saved_result, y) and len(asked) == 1


def tells_hooks(raw: str) -> bool:
    """What a node keeps, and the hook of the user that stands before it; of torch's own nodes and of a custom
    Function.
    """
    x = _two()
    with saved_tensors_hooks(_same, _same):
        hooked = x.exp()
    y, custom = x.exp(), _kept(x)
    packed, plain = (getattr(tensor.grad_fn, f"{raw}result") for tensor in (hooked, y))
    (of_custom,) = getattr(custom.grad_fn, f"{raw}tensors")
    hooks = [saved.unpack_hook for saved in (packed, plain, of_custom)]
    return hooks == [_same, None, None] and torch.equal(plain.data, y) and torch.equal(of_custom.data, x)


def notes_reruns(name: str) -> bool:
    """What a checkpoint says of its runs: that there were none before the first, and that one is kept."""
    from torch.utils.checkpoint import _CheckpointFrame

    frame = _CheckpointFrame(lambda: None, True, None, None)
    runs = getattr(frame, name)
    return isinstance(runs, dict) and not runs and runs[0] is False


def unpacks(packed: str) -> bool:
    """What a node keeps, as a tensor."""
    y = _two().exp()
    return torch.equal(getattr(y.grad_fn, f"{packed}result"), y)


def _same(kept: Any) -> Any:
    """A hook on what is saved that changes nothing."""
    return kept


def describes_operations(schema: str) -> bool:
    """The arguments, what is written to, and the types of results, of an operation that is known."""
    found = getattr(ATEN.add_.Tensor, schema)
    written = [argument.alias_info is not None and argument.alias_info.is_write is True for argument in found.arguments]
    names = [argument.name for argument in found.arguments]
    return (names, written, [str(result.type) for result in found.returns]) == (
        ["self", "other", "alpha"],
        [True, False, False],
        ["Tensor"],
    )


def names_packets(packet: str) -> bool:
    """The name of the operation."""
    return bool(getattr(ATEN.add_.Tensor, packet).__name__ == "add_")


def names_overloads(overload: str) -> bool:
    """The name of the variant, which is "default" where it has none."""
    return [getattr(operation, overload) for operation in (ATEN.add_.Tensor, ATEN.sin.default)] == [
        "Tensor",
        "default",
    ]


def says_what_is_plain(implementation: Any) -> bool:
    """What a subclass has that leaves its operations as they are."""

    class Plain(Tensor):
        pass

    return getattr(Plain, "__torch_dispatch__", None) is implementation and callable(implementation)


def tells_zeros(is_zero: Callable[[Tensor], bool]) -> bool:
    """Whether a tensor is zeros without memory."""
    zeros = torch._efficientzerotensor(2)  # pyright: ignore[reportPrivateImportUsage]
    return [is_zero(torch.ones(2, device="cpu")), is_zero(zeros)] == [False, True]


def tells_what_modules_hold(dictionaries: Callable[[torch.nn.Module], Sequence[Any]]) -> bool:
    """Parameters, buffers and modules that are a module's own, with what is None, as the program put it there."""
    outer, inner, weight, held = torch.nn.Module(), torch.nn.Module(), torch.nn.Parameter(_two()), _two().detach()
    outer.weight, outer.inner = weight, inner
    outer.register_module("nothing", None)
    inner.bias, inner.again = weight, outer.weight
    outer.register_parameter("bias", None)
    outer.register_buffer("held", held)
    outer.register_buffer("kept", held, persistent=False)
    parameters, buffers, modules = (list(each.items()) for each in dictionaries(outer))
    within = [list(each) for each in dictionaries(inner)]
    names = [[name for name, _ in each] for each in (parameters, buffers, modules)]
    those = [parameters[0][1] is weight, parameters[1][1], buffers[1][1] is held, modules[0][1] is inner]
    return (names, within, those) == (
        [["weight", "bias"], ["held", "kept"], ["inner", "nothing"]],
        [["bias", "again"], [], []],
        [True, None, True, True],
    )
