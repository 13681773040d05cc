"""What many believe of stopping gradients, of in-place changes and of shapes, each belief settled by running it:
rows 9 to 14.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.sheets.sheet import Cell, table_panel
from graphviz_ad._internal.teaching.examples import belief
from graphviz_ad._internal.teaching.program_runs import Variables, clash, pins, run, torch
from graphviz_ad._internal.teaching.shown_parts import Figure, Listing, Shot, View, before_and_after, moment, shot


@belief(9, "“detach(), no_grad(), .data and eval() are four words for the same thing.”", x=[0, 1, 4])
def four_ways_to_stop() -> Sequence[View]:
    """detach() cuts one edge. no_grad() records nothing that happens inside. .data is a detach() that also hides
    changes from autograd, so that a wrong gradient comes without a warning. eval() switches layers such as dropout, and
    gradients flow as before.
    """

    def with_detach() -> Variables:
        x = torch.arange(3.0, requires_grad=True)
        y = x * x
        z = y.detach() * x
        L = z.sum()
        L.backward()
        return locals()

    def with_no_grad() -> Variables:
        x = torch.arange(3.0, requires_grad=True)
        with torch.no_grad():
            y = x * x
        z = y * x
        L = z.sum()
        L.backward()
        return locals()

    def with_eval() -> Variables:
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        layer = torch.nn.ReLU()
        layer.eval()
        y = layer(x)
        L = y.sum()
        L.backward()
        return locals()

    def through_data() -> Variables:
        x = torch.arange(3.0, requires_grad=True)
        y = torch.exp(x)
        L = y.sum()
        u = y.data
        u.zero_()
        L.backward()
        return locals()

    def through_detach() -> Variables:
        x = torch.arange(3.0, requires_grad=True)
        y = torch.exp(x)
        L = y.sum()
        u = y.detach()
        u.zero_()
        L.backward()
        return locals()

    noticed = run(through_detach)
    return [
        shot("detach(): one edge is cut", run(with_detach), local=False, direction="TB"),
        shot("no_grad(): nothing is recorded", run(with_no_grad), local=False, direction="TB"),
        shot("eval(): gradients flow as before", run(with_eval), local=False, direction="TB"),
        shot(
            ".data: a wrong gradient, no warning",
            run(through_data),
            remarks={"x": "wrong: eˣ is never 0"},
            local=False,
            direction="TB",
        ),
        shot("detach() instead: torch notices", noticed, remarks={"y": clash(noticed)}, local=False, direction="TB"),
    ]


@belief(10, "“Operations in place break autograd.”")
def in_place() -> Sequence[View]:
    """Only if they change what is kept for the backward pass. Every tensor counts how often it was changed, and what
    keeps it looks whether that is still the same version: exp keeps its result, pow keeps its input. A leaf is
    protected from the start.
    """

    def result_of_exp() -> Variables:
        x = torch.tensor(1.0, requires_grad=True)
        y = torch.exp(x)
        y.add_(1)
        y.backward()
        return locals()

    def input_of_exp() -> Variables:
        x = torch.tensor(1.0, requires_grad=True)
        y = x * 2
        z = torch.exp(y)
        y.add_(1)
        z.backward()
        return locals()

    def input_of_pow() -> Variables:
        x = torch.tensor(1.0, requires_grad=True)
        y = x * 2
        z = y**2
        y.add_(1)
        z.backward()
        return locals()

    def leaf() -> Variables:
        w = torch.tensor(1.0, requires_grad=True)
        L = (w - 3) ** 2
        L.backward()
        w -= 0.1 * w.grad
        return locals()

    changed, harmless, clashing, step = run(result_of_exp), run(input_of_exp), run(input_of_pow), run(leaf)
    overwritten = "in place of y₀"
    return [
        shot(
            "exp keeps its result: error",
            changed,
            remarks={"y₀": clash(changed), "y₁": overwritten},
            local=False,
            direction="TB",
        ),
        shot("exp does not keep its input: fine", harmless, remarks={"y₁": overwritten}, local=False, direction="TB"),
        shot(
            "pow keeps its input: error",
            clashing,
            remarks={"z": f"y₀: {clash(clashing)}", "y₁": overwritten},
            local=False,
            direction="TB",
        ),
        shot("a leaf: error at once", step, marked=["w"], local=False, direction="TB"),
    ]


@belief(11, "“The gradient of a broadcast operand has the shape of the result.”", b=[9, 12])
def broadcast_gradient() -> Sequence[View]:
    """It has the shape of the operand. b was added to each of three rows, as if there were three copies of it. What
    flows back to the copies is added up.
    """

    def program() -> Variables:
        X = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
        b = torch.tensor([0.5, -0.5], requires_grad=True)
        Y = X + b
        L = (X * Y).sum()
        L.backward()
        return locals()

    done = run(program)
    arrives = done.graph.find("Y").grad
    assert arrives is not None
    assert arrives.array is not None
    rows: list[list[Cell | str]] = [
        [f"row {i + 1} of dL/dY", *(Cell(short_number(value), "contribution") for value in row)]
        for i, row in enumerate(arrives.array)
    ]
    rows.append(
        [
            Cell("Σ = b.grad", "name"),
            *(Cell(short_number(value), "gradient", marked=True) for value in done["b"].grad.tolist()),
        ]
    )
    return [
        shot("", done, local=False, alone=True),
        Figure(
            table_panel(["", "column 1", "column 2"], rows),
            "what flows back to b",
            "Each row of Y has used b once, and sends its row back.",
        ),
    ]


@belief(12, "“max and ReLU pass the gradient to all their inputs.”", a=0, b=2)
def max_and_ties() -> Sequence[View]:
    """A max is a switch: all of the gradient goes to the winner, 0 to the others. At a tie there is no slope, and
    torch has to choose: max of two tensors and max of all elements share it, max along a dimension gives all to one,
    ReLU takes slope 0, clamp 1 or 0: versions of torch differ.
    """

    def two() -> Variables:
        a = torch.tensor(2.0, requires_grad=True)
        b = torch.tensor(5.0, requires_grad=True)
        y = torch.max(a, b)
        y.backward(torch.tensor(2.0))
        return locals()

    def tie() -> Variables:
        a = torch.tensor(3.0, requires_grad=True)
        b = torch.tensor(3.0, requires_grad=True)
        y = torch.max(a, b)
        y.backward()
        return locals()

    def of_all() -> Variables:
        v = torch.tensor([3.0, 3.0], requires_grad=True)
        y = v.max()
        y.backward()
        return locals()

    def along_dim() -> Variables:
        v = torch.tensor([3.0, 3.0], requires_grad=True)
        y, i = v.max(dim=0)
        y.backward()
        return locals()

    def rectified() -> Variables:
        x = torch.tensor(0.0, requires_grad=True)
        y = torch.relu(x)
        y.backward()
        return locals()

    def clamped() -> Variables:
        x = torch.tensor(0.0, requires_grad=True)
        y = x.clamp(min=0)
        y.backward()
        return locals()

    shots = {
        "the winner takes it all": two,
        "a tie of two tensors": tie,
        "a tie within one tensor": of_all,
        "a tie along a dimension": along_dim,
        "ReLU at its kink": rectified,
        "clamp at its border": clamped,
    }
    return [shot(title, run(program), local=False, direction="TB") for title, program in shots.items()]


@belief(13, "“The forward pass computes the derivatives and stores them.”", x=-0.8390715290764524)
def nothing_stored_forward() -> Sequence[View]:
    """The forward pass computes values, and keeps those that a derivative will need: sin keeps s, and not cos(s).
    The derivative cos(10) = −0.8391 is computed when the backward pass comes to sin.
    """

    def forward() -> Variables:
        x = torch.tensor(4.0, requires_grad=True)
        s = x + 6
        y = torch.sin(s)
        return locals()

    def forward_and_back() -> Variables:
        x = torch.tensor(4.0, requires_grad=True)
        s = x + 6
        y = torch.sin(s)
        y.backward()
        return locals()

    before, after = run(forward), run(forward_and_back)
    graph = after.graph
    return [
        Listing(after.code),
        Shot(
            graph,
            "1. After the forward pass: values only",
            step=moment(graph, "y = sin"),
            remarks=pins(before),
            direction="TB",
        ),
        Shot(graph, "2. backward() starts with 1", step=moment(graph, "starts at the output"), direction="TB"),
        Shot(graph, "3. At sin, cos(10) is computed", step=moment(graph, "∂y/∂s"), direction="TB"),
    ]


@belief(14, "“backward() needs the value of the loss.”", w=-12)
def value_of_the_loss() -> Sequence[View]:
    """Add 1000 to the loss, and not one gradient changes. backward() starts with dL/dL = 1 and then uses slopes. How
    large the loss is says how well you do, not which way to go.
    """

    def small_loss() -> Variables:
        w = torch.tensor(2.0, requires_grad=True)
        e = 3 * w - 8
        L = e**2 + 0
        L.backward()
        return locals()

    def large_loss() -> Variables:
        w = torch.tensor(2.0, requires_grad=True)
        e = 3 * w - 8
        L = e**2 + 1000
        L.backward()
        return locals()

    return [before_and_after(run(small_loss), run(large_loss), ("a loss of 4", "a loss of 1004"), direction="TB")]
