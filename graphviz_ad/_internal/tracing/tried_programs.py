"""Small programs with known answers, which a torch that was not tested is tried with: what each is about, and what
its graph has to say.

All numbers are few binary digits, so that they are exact. The programs are read as the user's own are, see `stack`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.checkpoint import CheckpointFunction

Facts = Mapping[str, str]  # aspect of a graph, in plain words -> what it says


class Tried(NamedTuple):
    """A program: what it is about, in plain words; the function and its inputs; what its graph has to say; and
    whether hooks on all modules would see it.
    """

    about: str
    function: Callable[..., Tensor]
    inputs: tuple[Any, ...]
    answer: Facts
    calls_modules: bool = False


class Cube(torch.autograd.Function):
    """A custom Function as everybody writes it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Keeps what it is given."""
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """And asks for it."""
        (x,) = ctx.saved_tensors
        return 3 * x * x * grads[0]


class Scale(nn.Module):
    """A module with one parameter, of which nothing is random."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(2.0, dtype=torch.float64, device="cpu"))

    def forward(self, x: Tensor) -> Tensor:
        """As modules do."""
        return x * self.factor


def saved_operand(x: Tensor, y: Tensor) -> Tensor:
    """Both operands are kept, and each edge has a derivative of its own."""
    z = x * x
    return z * y


def custom_function(x: Tensor) -> Tensor:
    """One box, two times."""
    for _ in range(2):
        x = Cube.apply(x)  # type: ignore[no-untyped-call]
    return x


def written_in_place(x: Tensor) -> Tensor:
    """The same tensor before and after."""
    y = x * 4
    y.mul_(x)
    return y * 1.5


def of_views(v: Tensor) -> Tensor:
    """A view, and a write through it."""
    w = v * 2
    w[0].mul_(3)
    return w[0] + w[1]


def looks(grad: Tensor) -> None:
    """A hook."""


def hooked(x: Tensor) -> Tensor:
    """A hook of the user changes the gradient on its way, another one only looks at it."""
    x.register_hook(looks)  # type: ignore[no-untyped-call]
    y = x * x
    y.register_hook(lambda grad: grad * 4)  # type: ignore[no-untyped-call]
    return y + x


def packed(x: Tensor) -> Tensor:
    """What is kept is computed anew when it is asked for, which is what a checkpoint does; asking more often would
    compute it more often.
    """
    calls = []

    def again(kept: Tensor) -> Tensor:
        calls.append(kept)
        if len(calls) > 1:
            raise RuntimeError("asked for more often than autograd asks")
        return kept.detach() * 1

    with saved_tensors_hooks(lambda kept: kept.detach(), again):
        y = x.reciprocal()
    return y * 2


def checkpointed(x: Tensor) -> Tensor:
    """A backward pass inside of the backward pass."""
    return CheckpointFunction.apply(lambda a: a * a, False, x) + x  # type: ignore[no-untyped-call, no-any-return]


def detached(x: Tensor) -> Tensor:
    """A gradient stops here."""
    return x * (x * x).detach()


class Meters(Tensor):
    """A subclass that changes nothing."""


def of_subclass(x: Tensor) -> Tensor:
    """Its elements can be read as those of any tensor."""
    return x.as_subclass(Meters) * x


def without_grad(x: Tensor) -> Tensor:
    """And here."""
    with torch.no_grad():
        y = x * x
    return x * y


def of_modules(x: Tensor) -> Tensor:
    """A module of the user's inside one of torch's."""
    return nn.Sequential(Scale(), nn.ReLU())(x)  # type: ignore[no-any-return]


def differentiated_twice(x: Tensor) -> Tensor:
    """The gradient is computed with a graph of its own."""
    (slope,) = torch.autograd.grad(x * x * x, x, create_graph=True)
    return slope * x


def of_products(v: Tensor) -> Tensor:
    """Several operations of torch for one that is written."""
    m = v.view(2, 1) * v
    return v @ m @ v


def recorded(recording: Any) -> Any:
    """The graph of a recording of a user's own backward pass."""
    x = torch.tensor(3.0, dtype=torch.float64, device="cpu", requires_grad=True)
    with recording:
        y = x * x
        y.backward()  # type: ignore[no-untyped-call]
    return recording.graph


TRIED = (
    Tried(
        "saved tensors",
        saved_operand,
        (3.0, 5.0),
        {
            "operations": "leaf leaf mul mul",
            "steps inside": "leaf leaf mul·MulBackward0 mul·MulBackward0",
            "names": "x y z -",
            "values": "3.0 5.0 9.0 45.0",
            "gradients": "30.0 9.0 5.0 1.0",
            "local derivatives": "3.0 3.0 5.0 9.0",
            "what flows back": "15.0 15.0 5.0 9.0",
            "where gradients stop": "- - - - - - - -",
            "memory": "leaves 16 B, their gradients as much, 8 B saved for backward",
            "notices": "",
        },
    ),
    Tried(
        "custom Functions",
        custom_function,
        (2.0,),
        {
            "operations": "leaf Cube Cube",
            "steps inside": "leaf mul mul Cube·CubeBackward mul mul Cube·CubeBackward",
            "names": "x x x",
            "values": "2.0 4.0 8.0 8.0 64.0 512.0 512.0",
            "gradients": "2304.0 - - 192.0 - - 1.0",
            "local derivatives": "- - - - - - - - - - - -",
            "what flows back": "- - - - 2304.0 - - - - - 192.0 -",
            "where gradients stop": "- - - - -",
            "memory": "leaves 8 B, their gradients as much, 8 B saved for backward",
            "notices": "",
        },
    ),
    Tried(
        "in-place operations",
        written_in_place,
        (3.0,),
        {
            "operations": "leaf data mul mul_ data mul",
            "steps inside": "leaf data mul·MulBackward0 mul_·MulBackward0 data mul·MulBackward0",
            "names": "x - y y - -",
            "values": "3.0 4 12.0 36.0 1.5 54.0",
            "gradients": "36.0 - 4.5 1.5 - 1.0",
            "local derivatives": "4.0 - 3.0 12.0 1.5 -",
            "what flows back": "18.0 - 4.5 18.0 1.5 -",
            "where gradients stop": "- data - - data - - data - - - data",
            "memory": "leaves 8 B, their gradients as much, 24 B saved for backward",
            "notices": "",
        },
    ),
    Tried(
        "views",
        of_views,
        ([1.0, 2.0],),
        {
            "operations": "leaf data mul getitem data mul_ getitem getitem add",
            "steps inside": "leaf data mul·MulBackward0 getitem·SelectBackward0 data mul_·CopySlices "
            "getitem·SelectBackward0 getitem·SelectBackward0 add·AddBackward0",
            "names": "v - w - - w - - -",
            "values": "[1.0,2.0] 2 [2.0,4.0] 2.0 3 [6.0,4.0] 6.0 4.0 10.0",
            "gradients": "[6.0,2.0] - [3.0,1.0] - - [1.0,1.0] 1.0 1.0 1.0",
            "local derivatives": "[2.0,2.0] - - - - - [1.0,0.0] [0.0,1.0] 1.0 1.0",
            "what flows back": "[6.0,2.0] - - - - [3.0,1.0] [1.0,0.0] [0.0,1.0] 1.0 1.0",
            "where gradients stop": "- data - unreached data - - - - - data unreached inplace_view data - - - - -",
            "memory": "leaves 16 B, their gradients as much, 8 B saved for backward",
            "notices": "",
        },
    ),
    Tried(
        "hooks on tensors",
        hooked,
        (3.0,),
        {
            "operations": "leaf mul add",
            "steps inside": "leaf mul·MulBackward0 add·AddBackward0",
            "names": "x y -",
            "values": "3.0 9.0 12.0",
            "gradients": "25.0 4.0 1.0",
            "local derivatives": "3.0 3.0 1.0 1.0",
            "what flows back": "12.0 12.0 1.0 1.0",
            "where gradients stop": "- - - - - - -",
            "hooks": "looks gradient",
            "memory": "leaves 8 B, their gradients as much, 0 B saved for backward",
            "notices": "hook changed",
        },
    ),
    Tried(
        "hooks on saved tensors",
        packed,
        (2.0,),
        {
            "operations": "leaf reciprocal data mul",
            "steps inside": "leaf reciprocal·ReciprocalBackward0 data mul·MulBackward0",
            "names": "x y - -",
            "values": "2.0 0.5 2 1.0",
            "gradients": "-0.5 2.0 - 1.0",
            "local derivatives": "- 2.0 -",
            "what flows back": "-0.5 2.0 -",
            "where gradients stop": "- - data - - - data",
            "memory": "leaves 8 B, their gradients as much, at least 8 B saved for backward",
            "notices": "",
        },
    ),
    Tried(
        "checkpoints",
        checkpointed,
        (3.0,),
        {
            "operations": "leaf CheckpointFunction add",
            "steps inside": "leaf mul CheckpointFunction·CheckpointFunctionBackward add·AddBackward0",
            "names": "x - -",
            "values": "3.0 9.0 9.0 12.0",
            "gradients": "7.0 - 1.0 1.0",
            "local derivatives": "- - - - 1.0 1.0",
            "what flows back": "- - 6.0 - 1.0 1.0",
            "where gradients stop": "- - - - - -",
            "memory": "leaves 8 B, their gradients as much, 0 B saved for backward",
            "notices": "",
        },
    ),
    Tried(
        "detach",
        detached,
        (3.0,),
        {
            "operations": "leaf mul detach mul",
            "steps inside": "leaf mul·MulBackward0 detach mul·MulBackward0",
            "names": "x - - -",
            "values": "3.0 9.0 9.0 27.0",
            "gradients": "9.0 - - 1.0",
            "local derivatives": "- - - 9.0 -",
            "what flows back": "- - - 9.0 -",
            "where gradients stop": "- unreached detach - unreached unreached detach - data",
            "memory": "leaves 8 B, their gradients as much, 8 B saved for backward",
            "notices": "",
        },
    ),
    Tried(
        "subclasses of Tensor",
        of_subclass,
        (3.0,),
        {
            "gradients of inputs": "6.0",
            "result": "9.0",
        },
    ),
    Tried(
        "no_grad",
        without_grad,
        (3.0,),
        {
            "operations": "leaf mul mul",
            "steps inside": "leaf mul mul·MulBackward0",
            "names": "x y -",
            "values": "3.0 9.0 27.0",
            "gradients": "9.0 - 1.0",
            "local derivatives": "- - 9.0 -",
            "what flows back": "- - 9.0 -",
            "where gradients stop": "- no_grad - no_grad no_grad - data",
            "memory": "leaves 8 B, their gradients as much, 8 B saved for backward",
            "notices": "",
        },
    ),
    Tried(
        "modules",
        of_modules,
        (3.0,),
        {
            "operations": "leaf tensor leaf mul relu",
            "steps inside": "leaf tensor leaf mul·MulBackward0 relu·ReluBackward0",
            "names": "x - - - -",
            "modules": "- - - Sequential.Scale Sequential.ReLU",
            "values": "3.0 2.0 2.0 6.0 6.0",
            "gradients": "2.0 - 3.0 1.0 1.0",
            "local derivatives": "2.0 3.0 1.0",
            "what flows back": "2.0 3.0 1.0",
            "where gradients stop": "- data - - - - - -",
            "memory": "leaves 16 B, their gradients as much, 8 B saved for backward",
            "notices": "",
        },
        calls_modules=True,
    ),
    Tried(
        "gradients of gradients",
        differentiated_twice,
        (3.0,),
        {
            "operations": "leaf mul mul grad mul",
            "names": "x - - slope -",
            "gradients of inputs": "81.0",
            "notices": "",
        },
    ),
    Tried(
        "operations that torch takes apart",
        of_products,
        ([1.0, 2.0],),
        {
            "operations": "leaf view mul matmul matmul",
            "names": "v - m - -",
            "gradients of inputs": "[20.0,40.0]",
            "notices": "",
        },
    ),
)
RECORDED: Facts = {
    "operations": "leaf mul",
    "steps inside": "leaf mul·MulBackward0",
    "names": "x y",
    "values": "3.0 9.0",
    "gradients": "6.0 1.0",
    "local derivatives": "3.0 3.0",
    "what flows back": "3.0 3.0",
    "where gradients stop": "- - - -",
    "memory": "leaves 8 B, their gradients as much, 0 B saved for backward",
    "notices": "",
}
