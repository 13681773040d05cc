"""What many believe of zeros, None and NaN, and of deep and shared weights, each belief settled by running it: rows
15 to 20.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.maths.set_names import set_names
from graphviz_ad._internal.sheets.sheet import Cell, bars, table_panel
from graphviz_ad._internal.teaching.examples import belief
from graphviz_ad._internal.teaching.program_runs import Variables, dot_grad, run, torch
from graphviz_ad._internal.teaching.shown_parts import Figure, Shot, View, moment, shot


@belief(15, "“Data has the gradient 0.”", w=2, c=0)
def no_gradient_is_not_zero() -> Sequence[View]:
    """c.grad is 0: it was computed, and says that a change of c does not change y. x.grad is None: x does not
    require grad, and nothing was computed. A change of x does change y, three times as much.
    """

    def program() -> Variables:
        x = torch.tensor(2.0)
        w = torch.tensor(3.0, requires_grad=True)
        c = torch.tensor(4.0, requires_grad=True)
        y = w * x + 0 * c
        y.backward()
        return locals()

    done = run(program)
    return [shot("", done, remarks={"x": done.dot_grad("x"), "c": done.dot_grad("c")}, marked=["x", "c"])]


@belief(16, "“torch.where keeps me safe from NaN in the branch that it does not take.”")
def where_and_nan() -> Sequence[View]:
    """where sends 0 into the branch that it does not take. But √ has an infinite slope at 0, and 0 × ∞ is NaN. Use
    where on the input as well, so that √ never sees the 0.
    """

    def one_where() -> Variables:
        x = torch.tensor(0.0, requires_grad=True)
        r = torch.sqrt(x)
        positive = x > 0
        y = torch.where(positive, r, 0.0)
        y.backward()
        return locals()

    def two_wheres() -> Variables:
        x = torch.tensor(0.0, requires_grad=True)
        positive = x > 0
        s = torch.where(positive, x, 1.0)
        r = torch.sqrt(s)
        y = torch.where(positive, r, 0.0)
        y.backward()
        return locals()

    return [
        shot("one where: 0 × ∞ = NaN", run(one_where), remarks={"r": "slope at 0: ∞"}, marked=["x"], direction="TB"),
        shot("where on the input as well: 0 × 0.5 = 0", run(two_wheres), marked=["x"], direction="TB"),
    ]


@belief(17, "“Before backward(), all gradients are 0.”", x=0)
def not_run_is_not_zero() -> Sequence[View]:
    """Before backward() there are none at all. What looks like nothing can mean six different things, and on these
    pictures each looks different.
    """

    def forward() -> Variables:
        x = torch.tensor(-3.0, requires_grad=True)
        y = torch.relu(x)
        return locals()

    def backward() -> Variables:
        x = torch.tensor(-3.0, requires_grad=True)
        y = torch.relu(x)
        y.backward()
        return locals()

    def unused() -> Variables:
        x = torch.tensor(-3.0, requires_grad=True)
        z = torch.tensor(5.0, requires_grad=True)
        u = 2 * z
        y = torch.relu(x)
        y.backward()
        return locals()

    def endless() -> Variables:
        x = torch.tensor(0.0, requires_grad=True)
        y = 0 * torch.sqrt(x)
        y.backward()
        return locals()

    before, after, idle, broken = run(forward), run(backward), run(unused), run(endless)
    data = torch.tensor(2.0)
    rows: list[list[Cell | str]] = [
        [Cell("grad ·", "gradient"), dot_grad(before["x"]), "not computed yet"],
        [Cell("grad 0", "gradient"), dot_grad(after["x"]), "computed: a change changes nothing"],
        [Cell("grad NaN", "gradient"), dot_grad(broken["x"]), "computed, and no number: 0 × ∞"],
        [Cell("grad 1", "gradient"), dot_grad(after["y"]), "computed, used, not kept: y is no leaf"],
        [Cell("grad None", "gradient"), dot_grad(idle["z"]), "no path leads to the output"],
        [Cell("grad —", "gradient"), dot_grad(data), "nobody asked: it is data"],
    ]
    return [
        Shot(
            after.graph,
            "before backward()",
            step=moment(after.graph, "y = "),
            code=before.code,
            calm=True,
            marked=["x"],
            direction="TB",
        ),
        shot("after backward()", after, marked=["x"], local=False, direction="TB"),
        shot("no path from z to y", idle, marked=["z"], local=False, direction="TB"),
        Figure(table_panel(["on these pictures", ".grad in torch", "means"], rows), "what is what"),
    ]


@belief(18, "“At a product, the big input gets the big gradient.”", x=0.5, w=20)
def swapped_by_multiplication() -> Sequence[View]:
    """A product swaps: each input gets the value of the other one. So data that is 100 times as large makes the
    gradient of the weight 100 times as large; that is why data is scaled.
    """

    def small_data() -> Variables:
        x = torch.tensor(20.0, requires_grad=True)
        w = torch.tensor(0.5, requires_grad=True)
        y = w * x
        y.backward()
        return locals()

    def large_data() -> Variables:
        x = torch.tensor(2000.0, requires_grad=True)
        w = torch.tensor(0.5, requires_grad=True)
        y = w * x
        y.backward()
        return locals()

    return [shot("x = 20", run(small_data), marked=["w"]), shot("x = 2000", run(large_data), marked=["w"])]


@belief(19, "“Every layer learns from the same gradient.”", x=0.000676339196970379)
def vanishing() -> Sequence[View]:
    """A sigmoid passes on at most a quarter of the gradient that comes back to it. Five of them leave less than a
    thousandth, and the first layer hardly learns.
    """

    def program() -> Variables:
        x = torch.tensor(0.0, dtype=float, requires_grad=True)
        s1 = torch.sigmoid(x)
        s2 = torch.sigmoid(s1)
        s3 = torch.sigmoid(s2)
        s4 = torch.sigmoid(s3)
        s5 = torch.sigmoid(s4)
        s5.backward()
        return locals()

    done = run(program)
    names = ["x", "s1", "s2", "s3", "s4", "s5"]
    grads = [done.graph.find(name).grad for name in names]
    sizes = [float(grad.item().real) for grad in grads if grad is not None]
    return [
        shot("", done, alone=True),
        Figure(
            bars(list(set_names(names).values()), sizes, (560.0, 260.0)),
            "the gradient at each of them",
            "The scale is in powers of ten: a bar that is half as high stands for far less than half.",
        ),
    ]


@belief(20, "“A weight that is used three times has three gradients.”", w=0.6169109977422007)
def shared_weights() -> Sequence[View]:
    """It has one: the sum of what flows back from its uses. A recurrent network is a deep network in which every
    layer has the same weight.
    """

    def program() -> Variables:
        w = torch.tensor(0.5, requires_grad=True)
        h = torch.tensor(1.0)
        for x in [0.1, 0.2, 0.3]:
            h = torch.tanh(w * h + x)
        h.backward()
        return locals()

    done = run(program)
    node = done.graph.find("w")
    parts = [edge.grad.item() for edge in done.graph.out_edges(node.key) if edge.grad is not None]
    rows: list[list[Cell | str]] = [
        [f"use {i + 1}", Cell(f"← {short_number(part)}", "contribution")] for i, part in enumerate(parts)
    ]
    rows.append([Cell("Σ = w.grad", "name"), Cell(short_number(done["w"].grad.item()), "gradient", marked=True)])
    return [
        shot("", done, marked=["w"], local=False, alone=True),
        Figure(table_panel(["", "flows back to w"], rows), "three uses, one gradient"),
    ]
