"""Without and with: the same program twice, with one word changed, and what that changes in the graph."""

from __future__ import annotations

from collections.abc import Sequence

from graphviz_ad._internal.teaching.examples import chapter
from graphviz_ad._internal.teaching.program_runs import Variables, of_this_pass, pins, run, torch
from graphviz_ad._internal.teaching.shown_parts import View, before_and_after


@chapter("pairs", "detach()")
def detach() -> Sequence[View]:
    """The value goes on, and no gradient comes back along that edge: x.grad is u = [1, 4] in place of 3x² = [3, 12]."""

    def without() -> Variables:
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        y = x * x
        z = y * x
        L = z.sum()
        L.backward()
        return locals()

    def detached() -> Variables:
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        y = x * x
        u = y.detach()
        z = u * x
        L = z.sum()
        L.backward()
        return locals()

    return [before_and_after(run(without), run(detached), ("without", "with detach()"), direction="TB", local=False)]


@chapter("pairs", ".data")
def data() -> Sequence[View]:
    """u₀ is the same memory as y, and autograd does not see that it was changed. exp uses its result, now 0, as its
    slope: a wrong gradient, and no error.
    """

    def without() -> Variables:
        x = torch.tensor(1.0, requires_grad=True)
        y = torch.exp(x)
        L = 2 * y
        L.backward()
        return locals()

    def through_data() -> Variables:
        x = torch.tensor(1.0, requires_grad=True)
        y = torch.exp(x)
        L = 2 * y
        u = y.data
        u.zero_()
        L.backward()
        return locals()

    return [
        before_and_after(
            run(without),
            run(through_data),
            ("without", "with a change through .data"),
            remarks=({}, {"y": ["its memory is now 0"]}),
            direction="TB",
            local=False,
        )
    ]


@chapter("pairs", "no_grad()")
def no_grad() -> Sequence[View]:
    """What is computed in the block is not recorded. y is a number like any other, and only the path through z
    is left.
    """

    def without() -> Variables:
        x = torch.tensor(3.0, requires_grad=True)
        y = x * x
        z = x * y
        z.backward()
        return locals()

    def unrecorded() -> Variables:
        x = torch.tensor(3.0, requires_grad=True)
        with torch.no_grad():
            y = x * x
        z = x * y
        z.backward()
        return locals()

    return [before_and_after(run(without), run(unrecorded), ("without", "with no_grad()"), direction="TB", local=False)]


@chapter("pairs", "retain_graph=True")
def retain_graph() -> Sequence[View]:
    """With it, what was kept stays, and a second pass runs. Look at what it does: it adds the gradient of the first
    pass once more.
    """

    def without() -> Variables:
        x = torch.tensor(2.0, requires_grad=True)
        z = x**3
        z.backward()
        z.backward()
        return locals()

    def retained() -> Variables:
        x = torch.tensor(2.0, requires_grad=True)
        z = x**3
        z.backward(retain_graph=True)
        z.backward(retain_graph=True)
        return locals()

    first, second = run(without), run(retained)
    remarks = (
        {name: [text] for name, text in pins(first).items()},
        {name: [text] for name, text in pins(second).items()},
    )
    return [
        before_and_after(
            first, second, ("without", "with retain_graph=True"), remarks=remarks, direction="TB", local=False
        )
    ]


@chapter("pairs", "zero_grad()")
def zero_grad() -> Sequence[View]:
    """Both second steps have the same gradient, −4. Without zero_grad() the −4 of the first step is still there, and
    the optimizer would go twice as far.
    """

    def without() -> Variables:
        w = torch.tensor(1.0, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=0.1)
        for _ in range(2):
            loss = (w - 3) ** 2
            loss.backward()
        return locals()

    def zeroed() -> Variables:
        w = torch.tensor(1.0, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            loss = (w - 3) ** 2
            loss.backward()
        return locals()

    first, second = run(without), run(zeroed)
    return [
        before_and_after(
            first,
            second,
            ("without", "with zero_grad()"),
            graphs=(of_this_pass(first.graph), of_this_pass(second.graph)),
            direction="TB",
            local=False,
        )
    ]
