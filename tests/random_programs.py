"""Steps -> a program: what hypothesis makes up at random, as data, and how to run it; with every way in which
autograd can be surprised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

SHAPES = ((3,), (2, 3), (), (2, 1), (1, 3), (1,))  # any two of them can be broadcast to (2, 3)
DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.complex128)


# --- functions of the user


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return 2 * ctx.saved_tensors[0] * g


class Swap(torch.autograd.Function):
    """Two results, in the other order, of which one may stay unused: then None comes back."""

    @staticmethod
    def forward(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return y * 2, x * 3

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, g: Tensor | None, h: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        return None if h is None else h * 3, None if g is None else g * 2


class Choosy(torch.autograd.Function):
    """No gradient for the first operand, nor through the second result."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, factor: float) -> tuple[Tensor, Tensor]:
        ctx.factor, ctx.shape = factor, y.shape
        largest = y.abs().argmax()
        ctx.mark_non_differentiable(largest)
        return (x + y) * factor, largest

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor, _: Tensor) -> tuple[None, Tensor, None]:
        return None, (g * ctx.factor).sum_to_size(ctx.shape), None


class Double(torch.autograd.Function):
    """Writes to its operand."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return 2 * g


class Elsewhere(torch.autograd.Function):
    """Computes where torch does not see it, and uses another function of the user on the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.from_numpy(np.sinh(x.detach().numpy()))

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return Square.apply(x.cosh().sqrt()) * g  # type: ignore[no-any-return]


class Same(torch.autograd.Function):
    """Gives back a view of its operand."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return -g


# --- steps that take more than an expression


def wide(x: Tensor) -> Tensor:
    return x.expand(2, 3)


def copied(write: Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
    """A step that writes to a copy, and gives the copy and whatever the writing gave."""

    def step(x: Tensor) -> Any:
        y = wide(x).clone()
        return y, write(y)

    return step


def copied_too(write: Callable[[Tensor, Tensor], Any]) -> Callable[[Tensor, Tensor], Any]:
    def step(x: Tensor, other: Tensor) -> Any:
        y = wide(x).clone()
        return y, write(y, other)

    return step


def view_of_view(y: Tensor) -> Tensor:
    view = y.t()
    part = view[1:]
    view[0].mul_(3)
    part[0].add_(1)
    return view.t()


def base_after_view(y: Tensor, other: Tensor) -> Tensor:
    view = y[1:, :]
    y.mul_(other)
    return view * view


def set_items(y: Tensor) -> None:
    y[0, 0] = y[1, 1] * 3
    y[:, 2] = y[0, :2]


def set_where(y: Tensor, other: Tensor) -> Tensor:
    y[y.real > 0 if y.is_complex() else y > 0] = 0.25
    y[..., :2].copy_(other[..., :1])
    return y.exp_()


def untracked(x: Tensor) -> Tensor:
    with torch.no_grad():
        return x * 2


def tracked_again(x: Tensor) -> Tensor:
    with torch.no_grad(), torch.enable_grad():
        return x * 2


def inferred(x: Tensor) -> Tensor:
    with torch.inference_mode():
        y = x * 2
    return y.clone()


def clipped(x: Tensor) -> Tensor:
    return x.clamp(-1, 1) if x.sum().item() > 0 else x.tanh()


def hooked(x: Tensor) -> Tensor:
    y = x * 1
    y.register_hook(lambda grad: None if grad is None else grad * 3)
    y.retain_grad()
    return y


def writable(x: Tensor) -> Tensor:
    """The tensor; refused where autograd would not notice that it was written to."""
    if not torch.is_grad_enabled() and (x.requires_grad or x._is_view()):
        raise ValueError("a write that autograd does not see")
    return x


def written_unseen(write: Callable[[Tensor], Any]) -> Callable[[Tensor], Tensor]:
    """A step that writes to a copy where autograd does not see it."""

    def step(x: Tensor) -> Tensor:
        y = wide(x) * 1
        with torch.no_grad():
            write(y)
        return y

    return step


def detached_in_place(x: Tensor) -> Tensor:
    y = x * 1
    z = y * 2
    y.detach_()
    return z + y


def with_new_leaf(x: Tensor) -> Tensor:
    leaf = torch.full((3,), 0.5, dtype=x.dtype).requires_grad_()
    return x * leaf


def differentiated(x: Tensor, y: Tensor) -> Any:
    return torch.autograd.grad((x * x * x * y).sum().abs(), (x, y), create_graph=True, allow_unused=True)


def normalised(x: Tensor) -> Tensor:
    running = torch.zeros(3, dtype=x.dtype), torch.ones(3, dtype=x.dtype)
    return functional.batch_norm(wide(x), *running, training=True) * running[0]


def stored(x: Tensor) -> Tensor:
    result = torch.empty_like(x)
    torch.mul(x.detach(), 2, out=result)
    return result + x


def moved(x: Tensor) -> Tensor:
    """Another tensor with the same memory changes its shape in place."""
    y = x * 2
    y.detach().unsqueeze_(0).squeeze_(0)
    return y * x


ONE: dict[str, Callable[[Tensor], Any]] = {
    "sin": torch.sin,
    "tanh": lambda x: x.tanh() * 0.5,
    "from a number": lambda x: 2 - x,
    "quotient": lambda x: 1 / (x * x.conj() + 1),
    "power of a number": lambda x: 1.5 ** x.tanh(),
    "abs": torch.abs,
    "relu": torch.relu,
    "softmax": lambda x: torch.softmax(x, -1),
    "layer_norm": lambda x: functional.layer_norm(x, x.shape[-1:]),
    "normalize": lambda x: functional.normalize(x, dim=-1),
    "batch_norm": normalised,
    "dropout": lambda x: functional.dropout(x, 0.5),
    "cross_entropy": lambda x: functional.cross_entropy(wide(x), torch.tensor([0, 2])),
    # shapes
    "sum": torch.sum,
    "mean of rows": lambda x: x - x.mean(-1, keepdim=True),
    "sum of columns": lambda x: wide(x).sum(0),
    "expand": wide,
    "transpose": lambda x: wide(x).t().contiguous().t(),
    "reshape": lambda x: wide(x).reshape(3, 2).T[..., :1],
    "flatten": lambda x: x.reshape(-1)[:1],
    "first": lambda x: x[0],
    "columns": lambda x: x[..., :1],
    "gather": lambda x: x[..., [0, 0, -1]],
    "flip": lambda x: x.flip(-1),
    "roll": lambda x: x.roll(1, -1),
    "squeeze": lambda x: x.unsqueeze(0).squeeze(0),
    "as_strided": lambda x: wide(x).clone().as_strided((2, 3), (1, 2)),
    "unfold": lambda x: wide(x).unfold(1, 3, 1).squeeze(1),
    "cumsum": lambda x: x.cumsum(-1),
    "cat": lambda x: torch.cat([x[..., 1:], x[..., :1]], -1),
    "pad": lambda x: functional.pad(x[..., :1], (1, 1)),
    "diagonal": lambda x: torch.diag_embed(wide(x))[0].sum(0),
    "empty": lambda x: x[:0].sum() + x,
    # behind autograd's back
    "written without grad": written_unseen(lambda y: y.mul_(2)),
    "part written without grad": written_unseen(lambda y: y[0].add_(1)),
    "written through data": written_unseen(lambda y: y.data.add_(1)),
    # else nobody may see the whole again
    "part written through data": lambda x: written_unseen(lambda y: y.data[:, 1:].zero_())(x) * 1,
    "detached in place": detached_in_place,
    # dtypes
    "float64": Tensor.double,
    "float32": Tensor.float,
    "bfloat16": Tensor.bfloat16,
    "complex": lambda x: torch.complex(x, x * 2),
    "conj": torch.conj,
    "imag": lambda x: x.conj().imag,
    "parts": lambda x: torch.view_as_real(x)[..., 1],
    # several results
    "split": lambda x: wide(x).split([1, 2], -1)[::-1],
    "unbind": lambda x: wide(x).unbind(),
    "max": lambda x: torch.max(x, -1, keepdim=True),
    "sort": lambda x: x.sort(-1),
    "topk": lambda x: x.topk(1),
    "std_mean": lambda x: torch.std_mean(wide(x), 0),
    "svd": lambda x: torch.linalg.svd(wide(x) + torch.eye(2, 3), full_matrices=False),
    "qr": lambda x: torch.linalg.qr(wide(x)[:, :2] + torch.eye(2))[1][..., :1],
    # what autograd does not record
    "detach": lambda x: x.detach() * x,
    "data": lambda x: x.data + x,
    "no_grad": lambda x: untracked(x) + x,
    "enable_grad": tracked_again,
    "inference": lambda x: inferred(x) * x,
    "mask": lambda x: (x > 0).double() * x,
    "argmax": lambda x: x.argmax() + x,
    "sign": lambda x: torch.sign(x) * x,
    "ones_like": lambda x: torch.ones_like(x) * x,
    "random": lambda x: torch.rand_like(x) * x,
    "item": clipped,
    "numpy": lambda x: x * torch.from_numpy(x.detach().numpy()),
    "out": stored,
    "detach_": lambda x: (x * 2).detach_() + x,
    # writing
    "a part": copied(lambda y: y[..., :1].mul_(2)),
    "a view of a view": copied(view_of_view),
    "items": copied(set_items),
    "relu_": copied(torch.relu_),
    "zero_": copied(lambda y: y[0].zero_()),
    "transpose_": copied(lambda y: y.t_().t_().sin_()),
    "itself": lambda x: writable(x).mul_(0.5),
    "imag written": copied(lambda y: y.imag.mul_(2)),
    "imag of a conjugate written": copied(lambda y: y.conj().imag.mul_(2)),
    "scatter_": copied(lambda y: y.scatter_(-1, torch.zeros(y.shape, dtype=torch.long)[..., :1], y[..., 1:2] * 3)),
    "index_put_": copied(lambda y: y.index_put_((torch.tensor([0, 0]),), y[-1] * 2, accumulate=True)),
    "moved": moved,
    # functions of the user
    "Square": Square.apply,
    "Double": lambda x: Double.apply(x.clone()),
    "Elsewhere": Elsewhere.apply,
    "Same": Same.apply,
    "a nested Square": lambda x: Square.apply(Square.apply(x.tanh())),
    # what else happens
    "hook": hooked,
    "new leaf": with_new_leaf,
    "func.grad": lambda x: torch.func.grad(lambda z: (z**3).sum())(x),
    "func.vmap": lambda x: torch.func.vmap(lambda z: z.sin() * z)(x),
    "func.jvp": lambda x: torch.func.jvp(torch.sin, (x,), (x,))[1],
}
TWO: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "+": lambda x, y: x + y,
    "*": lambda x, y: x * y,
    "-": lambda x, y: x - 2 * y,
    "/": lambda x, y: x / (y * y.conj() + 1),
    "**": lambda x, y: (x.abs() + 1) ** y.tanh(),
    "maximum": torch.maximum,
    "where": lambda x, y: torch.where(x > y, x, y * 2),
    "lerp": lambda x, y: torch.lerp(x, y, 0.25),
    "atan2": torch.atan2,
    "scaled": lambda x, y: x * y.sum(),
    "@": lambda x, y: (wide(x) @ wide(y).mT)[..., :1],
    "outer": lambda x, y: torch.outer(x, y).sum(0),
    "linear": lambda x, y: functional.linear(wide(x), wide(y), y.sum())[..., :1],
    "einsum": lambda x, y: torch.einsum("ij,kj->ik", wide(x), wide(y))[..., :1],
    "attention": lambda x, y: functional.scaled_dot_product_attention(wide(x)[None], wide(y)[None], wide(x)[None])[0],
    "embedding": lambda x, y: functional.embedding(torch.tensor([1, 0, 1]), wide(x))[:2] * y,
    "conv": lambda x, y: functional.conv1d(wide(x), wide(y)[:, None, :1].expand(2, 2, 1)),
    "stack": lambda x, y: torch.stack([wide(x), wide(y), wide(x)]).sum(0),
    "mse_loss": functional.mse_loss,
    "addcmul": lambda x, y: torch.addcmul(x, y, y, value=0.5),
    "a part of it": copied_too(lambda y, other: y[..., :1].add_(other[..., :1])),
    "the base after a view": copied_too(base_after_view),
    "where it is positive": copied_too(set_where),
    "copy_": copied_too(lambda y, other: y[0].copy_(other)),
    "+=": lambda x, y: writable(x).add_(y),
    "Swap": Swap.apply,
    "half of Swap": lambda x, y: Swap.apply(x, y)[0],
    "Choosy": lambda x, y: torch.mul(*Choosy.apply(x, y, 1.5)),
    "gradient": differentiated,
}


@contextmanager
def packed() -> Iterator[None]:
    """Hooks of the user see what is saved for the backward pass."""
    with torch.autograd.graph.saved_tensors_hooks(lambda saved: (saved,), lambda held: held[0]):
        yield


Body = Callable[[Tensor, Tensor], Tensor]

# Each runs a part of a program in another way than the rest.
BLOCKS: dict[str, Callable[[Body, Tensor, Tensor], Any]] = {
    "checkpoint": lambda body, x, y: checkpoint(body, x, y, use_reentrant=False),
    "reentrant checkpoint": lambda body, x, y: checkpoint(body, x, y, use_reentrant=True),
    # of a view made here, torch says that it requires grad
    "without gradient": lambda body, x, y: torch.no_grad()(body)(x, y).detach(),
    "with autocast": lambda body, x, y: torch.autocast("cpu", dtype=torch.bfloat16)(body)(x, y),
    "with saved tensors packed": lambda body, x, y: packed()(body)(x, y),
}


# --- programs


@dataclass(frozen=True)
class Step:
    """One operation, or a block of steps, applied to two of the results so far."""

    name: str
    first: int
    second: int
    block: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Program:
    """Steps one after the other; the last `outputs` tensors that autograd has a node for are what it returns."""

    steps: tuple[Step, ...]
    outputs: int = 1

    def __call__(self, x: Tensor, y: Tensor, see: Callable[[Tensor], Any] = id) -> list[Tensor]:
        """Run it; `see` is shown the result of every operation that has one."""
        results, _ = run(self.steps, x, y, see)
        once = {id(result): result for result in results if has_node(result) and not is_written_view(result)}
        return list(once.values())[-self.outputs :]

    def accepted(self, x: Tensor, y: Tensor) -> Program:
        """The program without the steps that torch refuses."""
        return Program(run(self.steps, x, y)[1], self.outputs)

    @property
    def is_reentrant(self) -> bool:
        """Whether a part of it is recomputed in a backward pass of its own."""
        return any(step.name == "reentrant checkpoint" or Program(step.block).is_reentrant for step in self.steps)


REFUSED = (RuntimeError, IndexError, TypeError, ValueError)


def run(
    steps: tuple[Step, ...], x: Tensor, y: Tensor, see: Callable[[Tensor], Any] = id
) -> tuple[list[Tensor], tuple[Step, ...]]:
    """The two inputs and all results; and the steps without those that torch refused, which have none."""
    found, accepted = [x, y], []
    for step in steps:
        try:
            result, done = perform(step, found[step.first % len(found)], found[step.second % len(found)])
        except REFUSED:
            continue
        accepted.append(done)
        for part in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(part, Tensor) and tuple(part.shape) in SHAPES:
                found.append(part)
        if isinstance(result, Tensor) and not step.block:
            see(result)
    return found, tuple(accepted)


def perform(step: Step, x: Tensor, y: Tensor) -> tuple[Any, Step]:
    """The results of one step, and the step without what torch refused in its block."""
    if step.name in ONE:
        return ONE[step.name](x), step
    if step.name in TWO:
        return TWO[step.name](x, y), step
    accepted: list[tuple[Step, ...]] = []

    def body(x: Tensor, y: Tensor) -> Tensor:
        results, done = run(step.block, x, y)
        accepted.append(done)
        return results[-1]

    result = BLOCKS[step.name](body, x, y)
    return result, replace(step, block=accepted[0])


def has_node(result: Tensor) -> bool:
    """Whether autograd can go back from a result."""
    try:
        return result.grad_fn is not None
    except RuntimeError:  # a view of which torch does not know what it is a view of
        return False


def is_written_view(result: Tensor) -> bool:
    """Whether this is a part of a tensor that was written to."""
    return result._is_view() and result._version > 0


# --- at random

place = st.integers(0, 7)
operations = st.builds(Step, st.sampled_from([*ONE, *TWO]), place, place)
inner = operations.filter(lambda step: step.name != "gradient")  # recomputed, it would run a backward pass of its own


def blocks(steps: st.SearchStrategy[Step]) -> st.SearchStrategy[Step]:
    """Blocks of such steps."""
    return st.builds(
        Step, st.sampled_from(list(BLOCKS)), place, place, st.lists(steps, min_size=1, max_size=3).map(tuple)
    )


steps = st.one_of(operations, operations, operations, blocks(st.one_of(inner, inner, blocks(inner))))
programs = st.builds(Program, st.lists(steps, min_size=1, max_size=8).map(tuple), st.integers(1, 2))


@dataclass(frozen=True)
class Input:
    """How to make an input, always anew."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    requires_grad: bool
    numbers: tuple[float, ...]

    def make(self) -> Tensor:
        """The tensor."""
        numbers = torch.tensor(self.numbers, dtype=torch.float64)[: int(np.prod(self.shape))].reshape(self.shape)
        values = (
            torch.complex(numbers, numbers.flip(-1) if self.shape else -numbers) if self.dtype.is_complex else numbers
        )
        return values.to(self.dtype).clone().requires_grad_(self.requires_grad)


number = st.one_of(st.floats(-2, 2, allow_nan=False).map(lambda n: round(n, 2)), st.sampled_from([0.0, 1.0, -1.0]))
numbers = st.lists(number, min_size=6, max_size=6).map(tuple)
dtypes = st.sampled_from([torch.float64, *DTYPES])


def inputs(requires_grad: st.SearchStrategy[bool]) -> st.SearchStrategy[Input]:
    """Inputs of all shapes and dtypes."""
    return st.builds(Input, st.sampled_from(SHAPES), dtypes, requires_grad, numbers)
