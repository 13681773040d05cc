"""Classics of numbers: the circuits and expressions of courses, papers and books, with the values and gradients that
stand there.
"""

from __future__ import annotations

from typing import Any

from graphviz_ad._internal.teaching.examples import OWN, classic
from graphviz_ad._internal.teaching.program_runs import torch

CS231N = "CS231n, Stanford: Backpropagation, Intuitions"
ANI_TORCH = "M. Gregor: classroom notebook of ani_torch"


@classic(
    "Three gates: add, multiply",
    CS231N,
    values={"q": 3, "f": -12},
    grads={"x": -4, "y": -4, "z": 3, "q": -4, "f": 1},
    x=-2,
    y=5,
    z=-4,
)
def cs231n_xyz(x: Any, y: Any, z: Any) -> Any:
    """Addition hands the gradient on to both inputs as it is; multiplication swaps: z gets the value of q, and q
    gets that of z.
    """
    q = x + y
    f = q * z
    return f


@classic(
    "A sigmoid, gate by gate",
    CS231N,
    values={
        "m0": -2,
        "m1": 6,
        "s": 4,
        "dot": 1,
        "neg": -1,
        "e": 0.36787944117144233,
        "p": 1.3678794411714423,
        "f": 0.7310585786300049,
    },
    grads={
        "w0": -0.19661193324148188,
        "x0": 0.39322386648296376,
        "w1": -0.39322386648296376,
        "x1": -0.5898357997244457,
        "w2": 0.19661193324148188,
        "m0": 0.19661193324148188,
        "m1": 0.19661193324148188,
        "s": 0.19661193324148188,
        "dot": 0.19661193324148188,
        "neg": -0.19661193324148188,
        "e": -0.534446645388523,
        "p": -0.534446645388523,
        "f": 1,
    },
    w0=2,
    x0=-1,
    w1=-3,
    x1=-2,
    w2=-3,
)
def cs231n_sigmoid_gates(w0: Any, x0: Any, w1: Any, x1: Any, w2: Any) -> Any:
    """Any function can be cut into gates as small as you like. Together the last four do what σ does in one step:
    0.7311 × (1 − 0.7311) = 0.1966.
    """
    m0 = w0 * x0
    m1 = w1 * x1
    s = m0 + m1
    dot = s + w2
    neg = dot * -1
    e = torch.exp(neg)
    p = e + 1
    f = 1 / p
    return f


@classic(
    "The same neuron with σ as one gate",
    CS231N,
    values={"dot": 1, "f": 0.7310585786300049},
    grads={
        "w0": -0.19661193324148188,
        "x0": 0.39322386648296376,
        "w1": -0.39322386648296376,
        "x1": -0.5898357997244457,
        "w2": 0.19661193324148188,
        "dot": 0.19661193324148188,
    },
    w0=2,
    x0=-1,
    w1=-3,
    x1=-2,
    w2=-3,
)
def cs231n_sigmoid(w0: Any, x0: Any, w1: Any, x1: Any, w2: Any) -> Any:
    """The gradients of the inputs are the same; only one local derivative is left of four: σ(1 − σ) = 0.1966."""
    dot = w0 * x0 + w1 * x1 + w2
    f = torch.sigmoid(dot)
    return f


@classic(
    "Patterns: add shares, multiply swaps, max decides",
    CS231N,
    values={"m": -12, "M": 2, "s": -10, "f": -20},
    grads={"x": -8, "y": 6, "z": 2, "w": 0, "m": 2, "M": 2, "s": 2, "f": 1},
    x=3,
    y=-4,
    z=2,
    w=-1,
)
def cs231n_patterns(x: Any, y: Any, z: Any, w: Any) -> Any:
    """Read the flow back like traffic: + sends it both ways, × scales it by the other input, max sends all of it to
    the larger input and 0 to w.
    """
    m = x * y
    M = torch.max(z, w)
    s = m + M
    f = 2 * s
    return f


@classic(
    "A staged computation",
    CS231N,
    values={"f": 1.5456448841066441},
    grads={"x": 2.059569795572165, "y": 1.5922327514838093},
    x=3,
    y=-4,
)
def cs231n_staged(x: Any, y: Any) -> Any:
    """Nobody needs a formula for this derivative: cut the function into stages, each of which is easy, and go back
    through them one by one.
    """
    num = x + torch.sigmoid(y)
    xpy = x + y
    den = torch.sigmoid(x) + xpy**2
    f = num / den
    return f


@classic(
    "One variable, two paths",
    "C. Olah: Calculus on Computational Graphs, 2015",
    values={"c": 3, "d": 2, "e": 6},
    grads={"a": 2, "b": 5, "c": 2, "d": 3, "e": 1},
    a=2,
    b=1,
)
def colah(a: Any, b: Any) -> Any:
    """b reaches e along two paths. Its gradient is the sum over both: 2 through c, 3 through d, together 5."""
    c = a + b
    d = b + 1
    e = c * d
    return e


@classic(
    "The example of the survey",
    "Baydin et al.: Automatic Differentiation in Machine Learning: a Survey, 2018",
    values={
        "v1": 0.6931471805599453,
        "v2": 10,
        "v3": -0.9589242746631385,
        "v4": 10.693147180559945,
        "v5": 11.652071455223084,
    },
    grads={"x1": 5.5, "x2": 1.7163378145367738, "v1": 1, "v2": 1, "v3": -1, "v4": 1, "v5": 1},
    x1=2,
    x2=5,
)
def baydin(x1: Any, x2: Any) -> Any:
    """One sweep back gives both derivatives, 5.5 and 1.716. Forward mode needs a sweep for each input."""
    v1 = torch.log(x1)
    v2 = x1 * x2
    v3 = torch.sin(x2)
    v4 = v1 + v2
    v5 = v4 - v3
    return v5


@classic(
    "The first example of the book",
    "Griewank, Walther: Evaluating Derivatives, 2008, chapter 1",
    values={
        "v1": 3,
        "v2": 0.1411200080598672,
        "v3": 1.6487212707001282,
        "v4": 1.3512787292998718,
        "v5": 1.492398737359739,
        "y": 2.0166466694282015,
    },
    grads={"x1": 3.0118433276739065, "x2": -13.723961509314075},
    x1=1.5,
    x2=0.5,
)
def griewank_walther(x1: Any, x2: Any) -> Any:
    """x₁/x₂ is computed once and used twice. Going back costs a small multiple of going forward, however many inputs
    there are.
    """
    v1 = x1 / x2
    v2 = torch.sin(v1)
    v3 = torch.exp(x2)
    v4 = v1 - v3
    v5 = v2 + v4
    y = v5 * v4
    return y


@classic(
    "A product of many factors",
    "B. Speelpenning: Compiling Fast Partial Derivatives, 1980",
    values={"p": 24},
    grads={"a": 24, "b": 12, "c": 8, "d": 6},
    a=1,
    b=2,
    c=3,
    d=4,
)
def speelpenning(a: Any, b: Any, c: Any, d: Any) -> Any:
    """Each derivative is the product of all other factors. Written out, that is n products of n − 1 factors; going
    back through the partial products, it is 2 each.
    """
    ab = a * b
    abc = ab * c
    p = abc * d
    return p


@classic(
    "Forward and back on one small graph",
    "after G. Strang: Linear Algebra and Learning from Data, 2019, VII.3",
    values={"c": 4, "s": 5, "F": 20},
    grads={"x": 24, "y": 4, "c": 5, "s": 4},
    x=2,
    y=3,
)
def strang(x: Any, y: Any) -> Any:
    """x²(x + y): x is used twice, so two chains of factors lead back to it, 5 × 4 and 4 × 1. Reverse mode finds both
    while it finds dF/dy.
    """
    c = x**2
    s = x + y
    F = c * s
    return F


@classic(
    "The expression of the lecture",
    "A. Karpathy: Neural Networks, Zero to Hero, lecture 1",
    values={"e": -6, "d": 4, "L": -8},
    grads={"a": 6, "b": -4, "c": -2, "f": 4, "e": -2, "d": -2, "L": 1},
    a=2,
    b=-3,
    c=10,
    f=-2,
)
def karpathy_L(a: Any, b: Any, c: Any, f: Any) -> Any:
    """Go down the gradient, and L falls: every number here says how much L changes when that value is nudged."""
    e = a * b
    d = e + c
    L = d * f
    return L


@classic(
    "The neuron of micrograd",
    "A. Karpathy: Neural Networks, Zero to Hero, lecture 1",
    values={"n": 0.8813735870195432, "o": 0.7071067811865475},
    grads={"x1": -1.5, "x2": 0.5, "w1": 1, "w2": 0, "b": 0.5, "n": 0.5},
    x1=2,
    x2=0,
    w1=-3,
    w2=1,
    b=6.8813735870195432,
)
def karpathy_neuron(x1: Any, x2: Any, w1: Any, w2: Any, b: Any) -> Any:
    """w₂ gets no gradient, because its input x₂ is 0: a weight can only learn from an input that is there."""
    n = x1 * w1 + x2 * w2 + b
    o = torch.tanh(n)
    return o


@classic(
    "The example of micrograd's README",
    "A. Karpathy: micrograd",
    values={"g": 24.70408163265306},
    grads={"a": 138.8338192419825, "b": 645.5772594752186},
    a=-4,
    b=2,
)
def micrograd(a: Any, b: Any) -> Any:
    """A useless expression, and a good test: reused variables, powers, quotients and two ReLUs, one of them closed."""
    c = a + b
    d = a * b + b**3
    c = c + c + 1
    c = c + 1 + c + (-a)
    d = d + d * 2 + torch.relu(b + a)
    d = d + 3 * d + torch.relu(b - a)
    e = c - d
    f = e**2
    g = f / 2
    g = g + 10 / f
    return g


@classic(
    "A quotient and a product, and x₂ in three places",
    "blog post: PyTorch, Automatic Differentiation, 2021",
    values={
        "s": 0.479425538604203,
        "num": 1.479425538604203,
        "e": 4.4816890703380645,
        "den": 4.9816890703380645,
        "q": 0.2969726768804154,
        "p": 0.75,
        "f": 1.0469726768804155,
    },
    grads={
        "x1": 0.23283374747559749,
        "x2": 1.6165488003791766,
        "s": 0.20073512936690338,
        "num": 0.20073512936690338,
        "e": -0.05961284871202578,
        "den": -0.05961284871202578,
        "q": 1,
        "p": 1,
        "f": 1,
    },
    x1=1.5,
    x2=0.5,
)
def seed_adnumber(x1: Any, x2: Any) -> Any:
    """Three paths lead from x₂ to f, and df/dx₂ is the sum of their products: 0.1762 − 0.05961 + 1.5 = 1.617."""
    s = torch.sin(x2)
    num = s + 1
    e = torch.exp(x1)
    den = x2 + e
    q = num / den
    p = x1 * x2
    f = q + p
    return f


@classic(
    "A polynomial",
    "notebook: a computational graph for x³ + 2x² + 8x",
    values={"p": 64, "s": 16, "t": 32, "u": 32, "v": 96, "z": 128},
    grads={"x": 72, "p": 1, "s": 2, "t": 1, "u": 1, "v": 1, "z": 1},
    x=4,
)
def seed_poly(x: Any) -> Any:
    """Each term is a path of its own: 48 + 16 + 8 = 72. Nobody had to write down 3x² + 4x + 8."""
    p = x**3
    s = x**2
    t = 2 * s
    u = 8 * x
    v = p + t
    z = v + u
    return z


@classic(
    "A sine of a straight line",
    ANI_TORCH,
    values={"m": 6, "s": 10, "y": -0.5440211108893698},
    grads={
        "x": -2.517214587229357,
        "a": -1.6781430581529049,
        "c": -0.8390715290764524,
        "m": -0.8390715290764524,
        "s": -0.8390715290764524,
        "y": 1,
    },
    x=2,
    a=3,
    c=4,
)
def ani_sin(x: Any, a: Any, c: Any) -> Any:
    """The slope of sin at 10, −0.8391, comes back first; + hands it on, and × scales it by the other factor."""
    m = a * x
    s = m + c
    y = torch.sin(s)
    return y


@classic(
    "The first task",
    ANI_TORCH,
    values={"m": 8, "s": 0.9893582466233818, "t": 4.946791233116909, "y": 11.946791233116908},
    grads={
        "x": -2.9100006761722708,
        "a": 0.9893582466233818,
        "b": -1.4550003380861354,
        "c": 1,
        "m": -0.7275001690430677,
        "s": 5,
        "t": 1,
        "y": 1,
    },
    x=2,
    a=5,
    b=4,
    c=7,
)
def ani_task(x: Any, a: Any, b: Any, c: Any) -> Any:
    """Work it out by hand first, from right to left: 1, then 5, then 5·cos(8), and at last times b and times x."""
    m = b * x
    s = torch.sin(m)
    t = a * s
    y = t + c
    return y


@classic("Max is a switch", ANI_TORCH, values={"y": 5}, grads={"a": 0, "b": 2, "y": 2}, grad_outputs=2, a=2, b=5)
def ani_max(a: Any, b: Any) -> Any:
    """What comes back, 2, goes to the larger input. The smaller one could change a little, and nothing would
    happen: 0.
    """
    y = torch.max(a, b)
    return y


@classic(
    "Two outputs", ANI_TORCH, values={"y1": 2, "y2": 2}, grads={"x": 3, "y1": 4, "y2": 8}, grad_outputs=[4, 8], x=4
)
def ani_branch(x: Any) -> Any:
    """Each output sends back what was fed into it times ¼: 4 × ¼ + 8 × ¼ = 3."""
    y1 = torch.sqrt(x)
    y2 = torch.sqrt(x)
    return y1, y2


@classic("A product with itself", OWN, values={"y": 9}, grads={"x": 6, "y": 1}, x=3)
def square_parallel(x: Any) -> Any:
    """x stands on both sides of ×, and each side brings 3: that is where the 2 in 2x comes from."""
    y = x * x
    return y


@classic(
    "A valley that is hard to walk",
    "H. H. Rosenbrock, 1960",
    values={"f": 24.2},
    grads={"x": -215.6, "y": -88},
    x=-1.2,
    y=1,
)
def rosenbrock(x: Any, y: Any) -> Any:
    """The gradient at the usual starting point. It points up the nearest wall, and hardly along the valley to the
    minimum at (1, 1).
    """
    a = 1 - x
    b = y - x**2
    f = a**2 + 100 * b**2
    return f
