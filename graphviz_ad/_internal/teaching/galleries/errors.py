"""PyTorch's own errors as pictures: programs that raise, or should, each with the reason."""

from __future__ import annotations

from collections.abc import Sequence

from graphviz_ad._internal.teaching.examples import chapter
from graphviz_ad._internal.teaching.program_runs import Variables, clash, of_this_pass, pins, run, torch
from graphviz_ad._internal.teaching.shown_parts import View, shot


@chapter("errors", "“Trying to backward through the graph a second time”")
def graph_freed() -> Sequence[View]:
    """The first backward() used what x³ had kept, and let it go, to save memory. The second one has nothing to
    compute 3·x² from. Compute z again; or, if you do want two passes, say retain_graph=True in the first.
    """

    def program() -> Variables:
        x = torch.tensor(2.0, requires_grad=True)
        z = x**3
        z.backward()
        z.backward()
        return locals()

    done = run(program)
    return [shot("", done, remarks=pins(done), whole=True)]


@chapter("errors", "“one of the variables needed for gradient computation has been modified by an inplace operation”")
def changed_in_place() -> Sequence[View]:
    """exp has kept its result y₀, because eˣ is its own derivative, and then y₁ was written over it. Torch counts the
    changes of each tensor and sees it; it would otherwise have computed a wrong gradient. Write y = y + 1, which makes
    a new tensor.
    """

    def program() -> Variables:
        x = torch.tensor(1.0, requires_grad=True)
        y = torch.exp(x)
        y += 1
        y.backward()
        return locals()

    done = run(program)
    return [shot("", done, remarks={"y₀": clash(done), "y₁": "in place of y₀"}, whole=True)]


@chapter("errors", "“grad can be implicitly created only for scalar outputs”")
def backward_on_a_vector() -> Sequence[View]:
    """y has three elements, so there are three slopes, and torch cannot know which you mean. Reduce it,
    y.sum().backward(), or say how much each element counts, y.backward(v).
    """

    def program() -> Variables:
        x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
        y = x**2
        y.backward()
        return locals()

    return [shot("", run(program), remarks={"y": "three elements, no v"}, marked=["y"], whole=True)]


@chapter("errors", "“a leaf Variable that requires grad is being used in an in-place operation”")
def leaf_changed() -> Sequence[View]:
    """A step of gradient descent by hand. The update is no part of the function, and autograd must not record it;
    but w is a leaf that it watches. Write: with torch.no_grad(): w -= 0.1 * w.grad
    """

    def program() -> Variables:
        w = torch.tensor(1.0, requires_grad=True)
        loss = (w - 3) ** 2
        loss.backward()
        w -= 0.1 * w.grad
        return locals()

    return [shot("", run(program), remarks={"w": "a leaf that autograd watches"}, marked=["w"], whole=True)]


@chapter("errors", "“element 0 of tensors does not require grad and does not have a grad_fn”")
def nothing_requires_grad() -> Sequence[View]:
    """Nobody said requires_grad=True, so nothing was recorded and there is no way back: all boxes are data. The same
    happens under torch.no_grad() and after .detach() or .item().
    """

    def program() -> Variables:
        x = torch.tensor(2.0)
        w = torch.tensor(3.0)
        y = w * x
        y.backward()
        return locals()

    done = run(program)
    return [shot("", done, remarks={"w": f"w.requires_grad: {done['w'].requires_grad}"}, marked=["w"], whole=True)]


@chapter("errors", "“mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)”")
def shapes_do_not_fit() -> Sequence[View]:
    """It was raised in the forward pass, so the picture ends there: X and H are ready. The inner numbers of (2 ×
    3)(2 × 3), 3 and 2, are not equal. Perhaps X @ H.T was meant.
    """

    def program() -> Variables:
        X = torch.ones(2, 3)
        W = torch.ones(2, 3, requires_grad=True)
        H = 2 * W
        Y = X @ H
        return locals()

    done = run(program)
    return [shot("", done, remarks={name: " × ".join(map(str, done[name].shape)) for name in ("X", "H")}, whole=True)]


@chapter("errors", "Nothing, and the gradient is twice too large")
def accumulated_twice() -> Sequence[View]:
    """No error, no warning: backward() adds to w.grad, and the 4 of the first step is still in it. Call zero_grad()
    before each backward().
    """

    def program() -> Variables:
        w = torch.tensor(5.0, requires_grad=True)
        for _ in range(2):
            loss = (w - 3) ** 2
            loss.backward()
        return locals()

    done = run(program)
    return [
        shot(
            "the second step",
            done,
            graph=of_this_pass(done.graph),
            remarks={"w": "4 more than it should be"},
            marked=["w"],
        )
    ]
