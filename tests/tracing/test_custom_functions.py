"""A custom Function is one node an application, whether torch applies it in a frame of Python or its forward alone
stands on the stack.
"""

from __future__ import annotations

import operator
import random
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from programs import Square, assert_sound, leaf, operations
from torch import Tensor
from torch.autograd import Function

import graphviz_ad as gad
from graphviz_ad._internal.tracing.tape import custom_functions, stack

Program = Callable[[Tensor], Tensor]


@pytest.fixture(params=["as torch applies it", "by its forward"], autouse=True)
def _mechanism(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "by its forward":
        for module in (stack, custom_functions):
            monkeypatch.setattr(module, "FUNCTION_CALLS", frozenset())
        monkeypatch.setattr(stack, "stands_on_the_stack", lambda: False)


class Doubled(Function):
    """Without a context in its forward."""

    @staticmethod
    def forward(x: Tensor, times: float = 2.0) -> Tensor:
        return x * times

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.times = inputs[1]

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0] * ctx.times, None


class Heir(Square):
    """Has the forward of another."""


class Wrapped(Function):
    """The code of its forward is that of a decorator."""

    @staticmethod
    @torch.no_grad()
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.sin()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0] * 3


class Recursive(Function):
    """Calls its own forward, twice."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, depth: int = 2) -> Tensor:
        return Recursive.forward(ctx, x * 2, depth - 1) if depth else x.exp()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0], None


class Anew(Function):
    """Takes its parameter for something else."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.detach() * 1
        with torch.enable_grad():
            x.requires_grad_()
            x = x * 2 * 3
        return x.detach()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0] * 6


class Nesting(Function):
    """Applies another."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y: Tensor = Square.apply(x)
        return y + 1

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0]


class Same(Function):
    """Returns what it gets."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0] * 2


def _halved(half: float, ctx: Any, x: Tensor) -> Tensor:
    return x * half


class Part(Function):
    """Its forward is a function that has been given its first argument."""

    forward = staticmethod(partial(_halved, 0.5))

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0] / 2


class _Called:
    def __call__(self, ctx: Any, x: Tensor) -> Tensor:
        return x.cos()


class Thing(Function):
    """Its forward is an object that can be called."""

    forward = staticmethod(_Called())

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0]


class Foreign(Function):
    """Its forward is not written in Python."""

    forward = staticmethod(partial(operator.call, lambda ctx, x: x.sin()))

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0]


def made(times: float) -> type[Function]:
    """Two classes of one code, which close over different things."""

    class First(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * times

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            return grads[0] * times

    First.__name__ = f"Times{times:g}"
    return First


Times2, Times3 = made(2.0), made(3.0)
direct, applied = Doubled.forward, Doubled.apply


def of_a_class_of_its_own(x: Tensor) -> Tensor:
    y: Tensor = made(4.0).apply(x)
    return y * 2


def without_gradients(x: Tensor) -> Tensor:
    with torch.no_grad():
        shift: Tensor = Square.apply(x) * Part.apply(x) * Thing.apply(x)
    return x * shift


PROGRAMS: dict[str, tuple[Program, list[str]]] = {
    "by its class": (lambda x: Square.apply(x) + 1, ["Square", "add"]),
    "by a variable": (lambda x: applied(x) + 1, ["Doubled", "add"]),
    "with a keyword or a default": (lambda x: Doubled.apply(x, 3.0) + Doubled.apply(x), ["Doubled", "Doubled", "add"]),
    "inherited": (lambda x: Heir.apply(x) * Square.apply(x), ["Heir", "Square", "mul"]),
    "decorated": (lambda x: Wrapped.apply(x) * 2, ["Wrapped", "mul"]),
    "calling itself": (lambda x: Recursive.apply(x) * 2, ["Recursive", "mul"]),
    "with a parameter that is overwritten": (lambda x: Anew.apply(Anew.apply(x)) * 2, ["Anew", "Anew", "mul"]),
    "inside another": (lambda x: Nesting.apply(x) * 2, ["Nesting", "mul"]),
    "returning what it gets": (lambda x: Same.apply(x) * 2, ["Same", "mul"]),
    "partly given": (lambda x: Part.apply(x) * 2, ["Part", "mul"]),
    "an object": (lambda x: Thing.apply(x) * 2, ["Thing", "mul"]),
    "not in Python": (lambda x: Foreign.apply(x) * 2, ["Foreign", "mul"]),
    "of one code": (lambda x: Times2.apply(x) * Times3.apply(x), ["Times2", "Times3", "mul"]),
    "defined in the program": (of_a_class_of_its_own, ["Times4", "mul"]),
    "in a loop": (lambda x: applied(applied(applied(x))), ["Doubled"] * 3),
    "without gradients": (without_gradients, ["Square", "Part", "mul", "Thing", "mul", "mul"]),
    "its forward by name": (lambda x: Doubled.forward(x) + 1, ["mul", "add"]),
    "its forward by a variable": (lambda x: direct(x) + 1, ["mul", "add"]),
    "with a decorated function beside it": (
        lambda x: Wrapped.apply(x) * torch.no_grad()(torch.cos)(x),
        ["Wrapped", "cos", "mul"],
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_applied_is_one_node_and_what_is_called_is_none(name: str) -> None:
    program, expected = PROGRAMS[name]
    x = leaf(0.5, 1.5)
    graph = gad.trace(program, x)
    assert operations(graph) == expected
    assert graph.notices == ()
    assert_sound(graph)
    (gradient,) = torch.autograd.grad(program(x).sum(), x)
    (found,) = [node for node in graph.node_list if node.kind == "leaf"]
    assert found.grad is not None
    assert found.grad.array.tolist() == gradient.tolist()


APPLIED: tuple[Any, ...] = (Square, Doubled, Heir, Wrapped, Recursive, Anew, Nesting, Part, Thing, Times2, Times3)


@pytest.mark.parametrize("seed", range(20))
def test_any_mixture_of_them_is_told_apart(seed: int) -> None:
    dice = random.Random(seed)
    steps = [(dice.choice(APPLIED), dice.choice(("on", "beside", "constant"))) for _ in range(6)]

    def program(x: Tensor) -> Tensor:
        y = x
        for function, way in steps:
            if way == "on":
                y = function.apply(y)
            elif way == "beside":
                y = y + function.apply(x).tanh()
            else:
                with torch.no_grad():
                    shift = function.apply(y)
                y = y + shift
        return y.tanh()

    after = {"on": [], "beside": ["tanh", "add"], "constant": ["add"]}
    graph = gad.trace(program, leaf(0.3, 0.7))
    expected = [op for function, way in steps for op in (function.__name__, *after[way])]
    assert operations(graph) == [*expected, "tanh"]
    assert_sound(graph)


def test_a_forward_that_the_backward_calls_is_no_application() -> None:
    class Twice(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            return Twice.forward(ctx, grads[0])

    x = leaf(1.0)
    with gad.record() as recorded:
        (slope,) = torch.autograd.grad((Twice.apply(x) ** 2).sum(), x, create_graph=True)
        slope.sum().backward()
    assert operations(recorded.graph).count("Twice") == 1


def test_reading_the_variables_of_a_frame_keeps_nothing_and_changes_nothing() -> None:
    import weakref

    class Thing:
        pass

    seen: list[Any] = []

    def user() -> None:
        thing = Thing()
        seen.append(weakref.ref(thing))
        assert custom_functions.locals_of(sys._getframe())["thing"] is thing
        del thing
        assert seen[0]() is None
        mine = locals()
        other = 1
        custom_functions.locals_of(sys._getframe())
        assert "seen" in mine
        assert other == 1

    user()


def test_the_body_of_a_class_and_a_module_keep_their_variables() -> None:
    given: dict[str, Any] = {"frame": sys._getframe, "look": custom_functions.locals_of}
    exec("one = 1\nfound = look(frame())\nclass A:\n    two = 2\n    seen = look(frame())\n    three = two + 1", given)
    assert (given["one"], given["found"]["one"], given["A"].three, given["A"].seen["two"]) == (1, 1, 3, 2)


def test_a_class_that_is_gone_is_not_kept() -> None:
    import gc
    import weakref

    cls = made(7.0)
    gad.trace(cls.apply, leaf(1.0))
    gone = weakref.ref(cls)
    del cls
    gc.collect()
    assert gone() is None
