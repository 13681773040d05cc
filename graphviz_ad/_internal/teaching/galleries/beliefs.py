"""What many believe of gradients and of .grad, each belief settled by running it: rows 1 to 8."""

from __future__ import annotations

from collections.abc import Sequence

from graphviz_ad._internal.graph.graph import readable_bytes
from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.sheets.sheet import Cell, table_panel
from graphviz_ad._internal.teaching.examples import belief
from graphviz_ad._internal.teaching.program_runs import Run, Variables, bytes_kept, of_this_pass, pins, run, torch
from graphviz_ad._internal.teaching.shown_parts import Figure, Listing, Shot, View, moment, shot


@belief(1, "“y.grad is None, so no gradient went through y.”", x=36)
def intermediate_grad() -> Sequence[View]:
    """12 did go through y, or x.grad could not be 12 × 3 = 36. Torch keeps only what arrives at leaves. Ask for it
    with y.retain_grad(), and it keeps the 12 as well.
    """

    def as_usual() -> Variables:
        x = torch.tensor(2.0, requires_grad=True)
        y = 3 * x
        z = y**2
        z.backward()
        return locals()

    def asked_to_keep_it() -> Variables:
        x = torch.tensor(2.0, requires_grad=True)
        y = 3 * x
        y.retain_grad()
        z = y**2
        z.backward()
        return locals()

    first, second = run(as_usual), run(asked_to_keep_it)
    return [
        shot("as usual: used, and not kept", first, remarks={"y": first.dot_grad("y")}, marked=["y"], direction="TB"),
        shot("with retain_grad(): kept", second, remarks={"y": second.dot_grad("y")}, marked=["y"], direction="TB"),
    ]


@belief(2, "“My weights are leaves, because I made them with requires_grad=True.”")
def lost_leaf() -> Sequence[View]:
    """A leaf is what no operation made. On the left that is the tensor of ones, which has no name any more; w is a
    result of ×, so w.grad stays None, and no optimizer can train it. reshape, .to(…) and × all do this: call
    requires_grad_() last.
    """

    def too_early() -> Variables:
        w = torch.ones(2, requires_grad=True) * 0.5
        loss = w.sum()
        loss.backward()
        return locals()

    def last() -> Variables:
        w = torch.ones(2) * 0.5
        w.requires_grad_()
        loss = w.sum()
        loss.backward()
        return locals()

    first, second = run(too_early), run(last)
    return [
        shot(
            "requires_grad before ×",
            first,
            remarks={
                "v1": "the leaf, now without a name",
                "w": [f"w.is_leaf: {first['w'].is_leaf}", first.dot_grad("w")],
            },
            marked=["w"],
            local=False,
            direction="TB",
        ),
        shot(
            "requires_grad_() after ×",
            second,
            remarks={"w": f"w.is_leaf: {second['w'].is_leaf}"},
            marked=["w"],
            local=False,
            direction="TB",
        ),
    ]


@belief(3, "“backward() overwrites x.grad.”", x=72)
def backward_adds() -> Sequence[View]:
    """backward() adds to what is there: 72, then 144, then 216. That is why a training loop calls zero_grad() before
    every backward().
    """

    def program() -> Variables:
        x = torch.tensor(4.0, requires_grad=True)
        z = x**3 + 2 * x**2 + 8 * x
        z.backward(retain_graph=True)
        z.backward(retain_graph=True)
        z.backward()
        return locals()

    done = run(program)
    before, rows = "None", list[list[Cell | str]]()
    for count, graph in zip(("1st", "2nd", "3rd"), done.graph.passes, strict=True):
        port = graph.find("x").ports[0]
        assert port.grad is not None
        assert port.grad_total is not None
        flowed, total = short_number(port.grad.item()), short_number(port.grad_total.item())
        added = f"{before} + {flowed} = {total}" if rows else total
        rows.append(
            [f"{count} z.backward()", Cell(flowed, "contribution"), before, Cell(added, "gradient", marked=bool(rows))]
        )
        before = total
    done["x"].grad.zero_()
    rows.append(["x.grad.zero_()", "", before, Cell(short_number(done["x"].grad.item()), "gradient")])
    return [
        shot("the third pass: 72 flows to x once more", done, marked=["x"], alone=True),
        Figure(table_panel(["call", "flows to x", "x.grad before", "x.grad after"], rows), "what x.grad holds"),
    ]


@belief(4, "“Where b is used twice, the last gradient to come back wins.”", a=2, b=5)
def fan_out() -> Sequence[View]:
    """Every use of b sends its contribution back. b waits until all have come, and adds them up: 3 + 2 = 5. That is
    the chain rule of several variables.
    """

    def program() -> Variables:
        a = torch.tensor(2.0, requires_grad=True)
        b = torch.tensor(1.0, requires_grad=True)
        c = a + b
        d = b + 1
        e = c * d
        e.backward()
        return locals()

    done = run(program)
    graph = done.graph
    return [
        Listing(done.code),
        Shot(graph, "1. One of two has come: b waits.", step=moment(graph, "de/db gets de/dd"), direction="TB"),
        Shot(graph, "2. The second has come as well.", step=moment(graph, "de/db gets de/dc"), direction="TB"),
        Shot(graph, "3. Their sum is the gradient.", step=moment(graph, "de/db = sum"), direction="TB"),
    ]


@belief(5, "“A second backward() always fails.”")
def second_backward() -> Sequence[View]:
    """It fails where an operation needs a value that the first pass has let go of. x³ keeps x, to compute 3·x² from
    it. x + y needs nothing to pass a gradient on, keeps nothing, and can do it again.
    """

    def forward_only() -> Variables:
        x = torch.tensor(2.0, requires_grad=True)
        z = x**3
        return locals()

    def power() -> Variables:
        x = torch.tensor(2.0, requires_grad=True)
        z = x**3
        z.backward()
        z.backward()
        return locals()

    def plus() -> Variables:
        x = torch.tensor(2.0, requires_grad=True)
        y = torch.tensor(3.0, requires_grad=True)
        z = x + y
        z.backward()
        z.backward()
        return locals()

    fresh, cube, total = run(forward_only), run(power), run(plus)
    return [
        shot("x³ before backward(): x is kept", fresh, remarks=pins(fresh), local=False, direction="TB"),
        shot("x³, second backward(): x is gone", cube, remarks=pins(cube), local=False, direction="TB"),
        shot("x + y, second backward(): works", total, remarks=pins(total), local=False, direction="TB"),
    ]


@belief(6, "“What I compute once, before the loop, I can use in every iteration.”")
def shared_prefix() -> Sequence[View]:
    """Both losses were computed from the same y. Iteration 1 went back through y, and y let go of what it had kept.
    Iteration 2 has a loss of its own, but then comes to the old y. Compute y inside the loop.
    """

    def before_the_loop() -> Variables:
        a = torch.tensor(2.0, requires_grad=True)
        y = a**2
        for t in [1.0, 3.0]:
            loss = (y - t) ** 2
            loss.backward()
        return locals()

    def in_the_loop() -> Variables:
        a = torch.tensor(2.0, requires_grad=True)
        for t in [1.0, 3.0]:
            y = a**2
            loss = (y - t) ** 2
            loss.backward()
        return locals()

    first, second = run(before_the_loop), run(in_the_loop)
    return [
        shot(
            "y before the loop: iteration 2 fails", first, remarks={"y": pins(first)["y"]}, local=False, direction="TB"
        ),
        shot("y in the loop: iteration 2", second, graph=of_this_pass(second.graph), local=False, direction="TB"),
    ]


@belief(7, "“retain_graph=True is the cure for that error.”", x=36)
def retain_graph_is_no_cure() -> Sequence[View]:
    """The error goes away, and the mistake stays: the second pass adds the same gradient once more, and the memory
    stays in use. Nearly always you want to compute the result again, after zero_grad().
    """

    def retained() -> Variables:
        x = torch.tensor(2.0, requires_grad=True)
        y = 3 * x
        z = y**2
        z.backward(retain_graph=True)
        z.backward(retain_graph=True)
        return locals()

    def computed_again() -> Variables:
        x = torch.tensor(2.0, requires_grad=True)
        for _ in range(2):
            x.grad = None
            y = 3 * x
            z = y**2
            z.backward()
        return locals()

    def large(*, retain: bool) -> Run:
        def program() -> Variables:
            x = torch.ones(1_000_000, requires_grad=True)
            z = (3 * x).square().sum()
            z.backward(retain_graph=retain)
            return locals()

        return run(program)

    first, second = run(retained), run(computed_again)
    rows: list[list[Cell | str]] = [
        ["retain_graph=True", Cell(readable_bytes(bytes_kept(large(retain=True)["z"])), "name", marked=True)],
        ["computed again", Cell(readable_bytes(bytes_kept(large(retain=False)["z"])), "name")],
    ]
    return [
        shot("retained: 36 is added to 36", first, marked=["x"], remarks=pins(first), local=False, direction="TB"),
        shot("computed again: 36", second, graph=of_this_pass(second.graph), marked=["x"], local=False, direction="TB"),
        Figure(table_panel(["", "still in use"], rows), "the same with a million numbers"),
    ]


@belief(8, "“backward() works on every result.”")
def backward_of_a_vector() -> Sequence[View]:
    """Four results have no single slope. backward(v) asks for the slope of the sum in which each of them counts as v
    says; that is vᵀJ. For a single number v is 1, and you need not say so.
    """

    def without() -> Variables:
        x = torch.arange(4.0, requires_grad=True)
        y = x * x
        y.backward()
        return locals()

    def ones() -> Variables:
        x = torch.arange(4.0, requires_grad=True)
        y = x * x
        y.backward(torch.ones(4))
        return locals()

    def weights() -> Variables:
        x = torch.arange(4.0, requires_grad=True)
        y = x * x
        v = torch.tensor([1, 0.1, 0.01, 0.001])
        y.backward(v)
        return locals()

    last = run(weights)
    return [
        shot("four results, and no v", run(without), local=False, direction="TB"),
        shot("v = [1, 1, 1, 1]", run(ones), local=False, direction="TB"),
        shot("each result counts as v says", last, graph=of_this_pass(last.graph), local=False, direction="TB"),
    ]
