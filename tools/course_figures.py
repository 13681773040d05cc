# ruff: noqa: D103, E501
"""Ten functions of courses, each with the figure that a course draws of it by hand: the numbers come from torch, the
places and shapes from the lecturer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyBboxPatch

import graphviz_ad as gad

WIDE, HIGH = 16.0, 9.0  # of the board that a figure is drawn on
BLUE, RED, GREEN, GRAY = "#1f4e9c", "#b3261e", "#1c7c3c", "#555555"
LEAF, MIDDLE, ROOT = "#9ccc9c", "#ffcc99", "#c8ba6a"


@dataclass
class Board:
    """An Axes to draw on by hand; ``at``: name -> where it stands, and how far its border is from there."""

    axes: Axes
    graph: gad.Graph
    size: float = 15.0  # of letters
    at: dict[str, tuple[float, float, float, float]] = field(default_factory=dict)

    def value(self, name: str) -> str:
        """The value of a variable in three digits."""
        return number(self.graph.find(name).value)

    def grad(self, name: str) -> str:
        """Its gradient in three digits."""
        return number(self.graph.find(name).grad)

    def circle(self, name: str, x: float, y: float, text: str, fill: str = "white", radius: float = 0.62) -> None:
        """A circle with a text in it."""
        self.axes.add_patch(Circle((x, y), radius, facecolor=fill, edgecolor="black", linewidth=1.4, zorder=2))
        self.axes.text(x, y, text, ha="center", va="center", fontsize=self.size, zorder=3)
        self.at[name] = (x, y, radius, radius)

    def box(self, name: str, x: float, y: float, text: str, fill: str = "white", wide: float = 2.6) -> None:
        """A box with a text in it."""
        tall = 0.62 + 0.5 * text.count("\n")
        frame = (x - wide / 2, y - tall / 2 - 0.1), wide, tall + 0.2
        self.axes.add_patch(
            FancyBboxPatch(*frame, "round,pad=0.02", facecolor=fill, edgecolor="black", linewidth=1.4, zorder=2)
        )
        self.axes.text(x, y, text, ha="center", va="center", fontsize=13, zorder=3)
        self.at[name] = (x, y, wide / 2 + 0.05, tall / 2 + 0.15)

    def arrow(self, tail: str, head: str, above: str = "", below: str = "", color: str = "black") -> None:
        """A straight arrow, with a value above it and a gradient below it, as circuits have them."""
        (x0, y0, *_), (x1, y1, *_) = self.at[tail], self.at[head]
        start, end = border(self.at[tail], (x1, y1)), border(self.at[head], (x0, y0))
        look = {"arrowstyle": "-|>", "color": color, "linewidth": 1.6, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 16}
        self.axes.annotate("", end, start, arrowprops=look, zorder=1)
        middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
        for text, up, hue in ((above, 0.12, GREEN), (below, -0.12, RED)):
            at = "bottom" if up > 0 else "top"
            look = {"fontsize": self.size - 3, "color": hue, "bbox": {"facecolor": "white", "linewidth": 0, "pad": 0.8}}
            if text:
                self.axes.text(middle[0], middle[1] + up, text, ha="center", va=at, zorder=1.5, **look)

    def arrows(self, *each: str) -> None:
        """Arrows without words, as "tail head"."""
        for tail, head in map(str.split, each):
            self.arrow(tail, head)

    def say(self, x: float, y: float, text: str, color: str = "black", size: float = 13) -> None:
        """A text on its own."""
        self.axes.text(x, y, text, ha="center", va="center", fontsize=size, color=color, zorder=4)


def border(place: tuple[float, float, float, float], to: tuple[float, float]) -> tuple[float, float]:
    """Where a line from the middle of a part to somewhere leaves it."""
    x, y, wide, tall = place
    dx, dy = to[0] - x, to[1] - y
    share = 1 / max(abs(dx) / wide, abs(dy) / tall, 1e-9)
    if wide == tall:  # a circle
        share = wide / max((dx * dx + dy * dy) ** 0.5, 1e-9)
    return x + dx * share, y + dy * share


def number(found: gad.Snapshot | None) -> str:
    """A number in three digits; several in brackets."""
    if found is None or found.array is None:
        return "?"
    each = [f"{value:.3g}".replace("-", "−") for value in found.array.ravel()]
    return each[0] if len(each) == 1 else f"[{', '.join(each)}]"


@dataclass(frozen=True)
class Case:
    """A function with its inputs, how a course draws it, and which of three pictures says most of backpropagation."""

    name: str
    title: str
    function: Callable[..., Any]
    inputs: Mapping[str, Any]
    course: Callable[[Board], None]
    manner: str
    verdict: str
    seeds: Any = None  # what flows back into the outputs, where that is not 1
    wrt: str | None = None  # what the figure is about


def leaf(*values: Any) -> torch.Tensor:
    """A tensor that is trained."""
    return torch.tensor(*values, requires_grad=True)


def random_leaves(*shapes: Sequence[int]) -> list[torch.Tensor]:
    """Tensors that are trained, the same on every run."""
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(*shape, generator=generator).requires_grad_() for shape in shapes]


# --- the functions, and the figures


def quotient(x1, x2):
    s = torch.sin(x2)
    num = s + 1
    e = torch.exp(x1)
    den = x2 + e
    q = num / den
    p = x1 * x2
    f = q + p
    return f


def draw_quotient(board: Board) -> None:
    flows = {name: board.graph.find(name) for name in ("num", "den")}
    by_num, by_den = (number(flows[name].grad) for name in ("num", "den"))
    board.box("one", 2, 8.2, "constant\n1", LEAF, 1.8)
    board.box("x2", 6.5, 8.2, "x2\nvalue = 0.5", LEAF)
    board.box("x1", 12, 8.2, "x1\nvalue = 1.5", LEAF)
    board.box("s", 4, 6.2, "sin(x2)\ngrad = 0.878", MIDDLE)
    board.box("e", 9.4, 6.2, "exp(x1)", MIDDLE, 2)
    board.box("num", 3, 4.2, "sin(x2) + 1\ngrad = 1", MIDDLE)
    board.box("den", 8, 4.2, "x2 + exp(x1)\ngrad = 1", MIDDLE, 3)
    board.box("p", 13, 4.2, "x1 · x2\ngrad = 1.5", MIDDLE)
    board.box("q", 5.6, 2.3, f"(sin(x2) + 1) / (x2 + exp(x1))\ngrad = {by_num},  {by_den}", MIDDLE, 6)
    board.box("f", 9.4, 0.6, "(sin(x2) + 1) / (x2 + exp(x1)) + x1 · x2", ROOT, 8)
    paths = {"x2 s num q f": "maroon", "x2 den q": "red", "x2 p f": "orange", "one num": "black", "x1 e den": "black"}
    for path, color in {**paths, "x1 p": "black"}.items():
        names = path.split()
        for tail, head in pairwise(names):
            board.arrow(tail, head, color=color)


def polynomial(x):
    w2 = x**3
    w3 = x**2
    w4 = 2 * w3
    w5 = 8 * x
    w6 = w2 + w4 + w5
    return w6


def draw_polynomial(board: Board) -> None:
    board.circle("x", 1.6, 4.5, "$w_1$")
    board.circle("w2", 6, 7.6, "$w_2$")
    board.circle("w3", 6, 4.5, "$w_3$")
    board.circle("w4", 9.4, 4.5, "$w_4$")
    board.circle("w5", 6, 1.4, "$w_5$")
    board.circle("w6", 14, 4.5, "$w_6$")
    board.arrows("x w2", "x w3", "x w5", "w3 w4", "w2 w6", "w4 w6", "w5 w6")
    said = {
        "x": r"$w_1 = x$,  $\dot w_1 = 1$",
        "w2": r"$w_2 = w_1^3$,  $\dot w_2 = 3 w_1^2 = 48$",
        "w3": r"$w_3 = w_1^2$,  $\dot w_3 = 2 w_1 = 8$",
        "w4": r"$w_4 = 2 w_3$,  $\dot w_4 = 2\dot w_3 = 16$",
        "w5": r"$w_5 = 8 w_1$,  $\dot w_5 = 8$",
        "w6": r"$\dot w_6 = 48 + 16 + 8 = 72$",
    }
    for name, text in said.items():
        x, y, *_ = board.at[name]
        up = {"w2": 0.95, "w4": 0.85, "w6": 1.8}.get(name, -0.95)
        board.say(min(x, 13.4), y + up, text)


def sine(x, a, c):
    m = a * x
    s = m + c
    y = torch.sin(s)
    return y


def circuit(
    board: Board,
    nodes: Mapping[str, tuple[float, float, str]],
    wires: Sequence[tuple[str, str, str]],
    radius: float = 0.62,
) -> None:
    """Gates as circles; on each wire the value forward above, the gradient backward below."""
    for name, (x, y, sign) in nodes.items():
        board.circle(name, x, y, sign, radius=radius)
    for tail, head, carried in wires:
        board.arrow(tail, head, board.value(carried), board.grad(carried))


def draw_sine(board: Board) -> None:
    nodes = {"x": (1.5, 7, "x"), "a": (1.5, 3.5, "a"), "m": (5, 5.2, "×"), "c": (5, 1.6, "c"), "s": (8.5, 4, "+")}
    nodes |= {"y": (11.8, 4, "sin"), "out": (15, 4, "y")}
    wires = [("x", "m", "x"), ("a", "m", "a"), ("m", "s", "m"), ("c", "s", "c"), ("s", "y", "s"), ("y", "out", "y")]
    circuit(board, nodes, wires)


def roots(x):
    y1 = torch.sqrt(x)
    y2 = torch.sqrt(x)
    return y1, y2


def draw_roots(board: Board) -> None:
    board.circle("x", 2.5, 4.5, "x")
    for name, y, grad in (("y1", 7, "1"), ("y2", 2, "2")):
        board.circle(name, 7.5, y, "√")
        board.circle(f"{name} out", 13, y, f"${name[0]}_{name[1]}$")
        board.arrow("x", name, board.value("x"), grad)
        board.arrow(name, f"{name} out", board.value(name), board.grad(name))
    board.say(2.5, 3.3, board.grad("x"), RED)


def switch(a, b):
    y = torch.max(a, b)
    return y


def draw_switch(board: Board) -> None:
    nodes = {"a": (2, 7, "a"), "b": (2, 2, "b"), "max": (8, 4.5, "max"), "out": (14, 4.5, "y")}
    circuit(board, nodes, [("a", "max", "a"), ("b", "max", "b"), ("max", "out", "y")])


def five_matrices(a, w1, w2, w3, w4):
    b = w1 * a
    c = w2 * a
    d = w3 * b + w4 * c
    L = (10 - d).sum()
    return L


def draw_five_matrices(board: Board) -> None:
    places = {
        "w1": (2, 8),
        "a": (2, 4.5),
        "w2": (2, 1),
        "b": (6, 6.3),
        "c": (6, 2.7),
        "w3": (9.4, 8.3),
        "w4": (9.4, 0.7),
    }
    for name, (x, y) in {**places, "d": (10, 4.5), "L": (14, 4.5)}.items():
        fill = "#cfe2f3" if name in ("w1", "w2", "w3", "w4", "a") else "#f4cccc"
        board.box(name, x, y, f"${name[0]}_{name[1:]}$" if name[1:] else f"${name}$", fill, 1.2)
    board.arrows("w1 b", "a b", "a c", "w2 c", "b d", "w3 d", "c d", "w4 d", "d L")
    notes = [
        (8.2, 6.2, "d", "b"),
        (8.2, 2.8, "d", "c"),
        (12, 5.2, "L", "d"),
        (4, 7.9, "b", "w_1"),
        (4, 1.1, "c", "w_2"),
    ]
    for x, y, above, below in notes:
        board.say(x, y, rf"$\frac{{\partial {above}}}{{\partial {below}}}$", BLUE, 17)


def one_layer(x, w, b, y):
    z = torch.matmul(x, w) + b
    loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)
    return loss


def draw_one_layer(board: Board) -> None:
    board.axes.add_patch(FancyBboxPatch((3.0, 0.9), 5.6, 3.4, "round,pad=0.1", facecolor="#eeeeee", edgecolor=GRAY))
    board.say(5.8, 1.2, "parameters", GRAY, 12)
    for name, x, y in (("x", 1.5, 6.5), ("w", 4.2, 2.6), ("b", 7.4, 2.6), ("y", 10.6, 2.6)):
        board.box(name, x, y, f"${name}$", "#f9dcc4" if name in "wb" else "white", 1.2)
    for name, x, sign in (("mul", 4.2, "∗"), ("add", 7.4, "+"), ("ce", 11.4, "CE")):
        board.circle(name, x, 6.5, sign)
    board.box("z", 9.4, 6.5, "$z$", "white", 1.0)
    board.box("loss", 14.2, 6.5, "loss", "white", 1.6)
    board.arrows("x mul", "w mul", "mul add", "b add", "add z", "z ce", "y ce", "ce loss")


def detached(x):
    y = 2 * x
    u = x.detach()
    z = 3 + u
    r = (y + z).sum()
    return r


def draw_detached(board: Board) -> None:
    board.box("x", 2, 4.5, "x = [1, 1]", "#add8e6")
    board.box("y", 6.5, 7, "y = 2x")
    board.box("u", 6.5, 2, "x.detach()", "#e0e0e0")
    board.box("z", 10, 2, "z = 3 + x")
    board.box("r", 13.8, 4.5, "r = Σ (y + z)", "#a2cd5a", 3.2)
    board.arrows("x y", "x u", "u z", "y r", "z r")
    board.say(4.0, 3.4, "✗", RED, 30)
    board.say(9.6, 6.5, "gradient flows", GREEN)
    board.say(8.2, 0.8, "no gradient", RED)


def neuron(w0, x0, w1, x1, w2):
    p = w0 * x0
    q = w1 * x1
    s = p + q
    dot = s + w2
    n = -dot
    e = torch.exp(n)
    d = e + 1
    f = 1 / d
    return f


def draw_neuron(board: Board) -> None:
    board.size = 12.5
    nodes = {f"w{i}": (0.7, 8.3 - 3.7 * i, f"$w_{i}$") for i in range(3)}
    nodes |= {f"x{i}": (0.7, 6.5 - 3.7 * i, f"$x_{i}$") for i in range(2)}
    nodes |= {"p": (3, 7.4, "×"), "q": (3, 3.7, "×"), "s": (5, 5.5, "+"), "dot": (7, 4.2, "+"), "n": (8.8, 4.2, "×−1")}
    nodes |= {"e": (10.6, 4.2, "exp"), "d": (12.3, 4.2, "+1"), "f": (13.9, 4.2, "1/x"), "out": (15.5, 4.2, "f")}
    wires = "w0 p, x0 p, w1 q, x1 q, p s, q s, s dot, w2 dot, dot n, n e, e d, d f, f out"
    circuit(board, nodes, [(tail, head, tail) for tail, head in map(str.split, wires.split(","))], 0.44)


def recurrent(xs, h0, w, u, b):
    h = h0
    for t in range(3):
        h = torch.tanh(w * h + u * xs[t] + b)
    L = (h - 1) ** 2
    return L


def draw_recurrent(board: Board) -> None:
    board.circle("h0", 1.2, 4.5, "$h_0$")
    for t in (1, 2, 3):
        x = 4.2 * t - 0.2
        board.box(f"h{t}", x, 4.5, "tanh", "#b6d7a8", 1.8)
        board.circle(f"x{t}", x, 1.5, f"$x_{t}$", "#cfe2f3")
        board.arrow(f"x{t}", f"h{t}")
        board.arrow(f"h{t - 1}", f"h{t}", f"$h_{t - 1}$" if t > 1 else "")
        board.say(x - 0.5, 3.1, "$u$", BLUE, 15)
        board.say(x - 1.55, 4.1, "$w$", BLUE, 15)
    board.circle("L", 15.2, 7.2, "$L$")
    board.arrow("h3", "L", "$h_3$")


A, W1, W2, W3, W4 = random_leaves(*[(3, 3)] * 5)
W, B = random_leaves((5, 3), (3,))
CASES = (
    Case(
        "quotient",
        "A quotient and a product",
        quotient,
        {"x1": leaf(1.5), "x2": leaf(0.5)},
        draw_quotient,
        "a blog post: a tree of boxes, and a colour for each path from x2 to the root",
        'Ours, here asked for x₂ with `wrt="x2"`: the three paths are marked as in the course\'s figure, and each factor, each product and their sum 1.617 stand beside them; the course leaves the reader to multiply, and torchviz has no numbers at all.',
        wrt="x2",
    ),
    Case(
        "polynomial",
        "A polynomial, in one variable",
        polynomial,
        {"x": leaf(4.0)},
        draw_polynomial,
        "a notebook: circles w1 to w6, and a formula with its derivative at each",
        "Ours: what flows back along each arrow, and .grad 72 as the sum 8 + 16 + 48; the course's dots are derivatives by x from front to back, which is another sweep than that of backward().",
    ),
    Case(
        "sine",
        "A sine of a straight line",
        sine,
        {"x": leaf(2.0), "a": leaf(3.0), "c": leaf(4.0)},
        draw_sine,
        "a classroom notebook: circles, values in front, gradients behind",
        "Ours, by a little: the course has the same values and gradients on fewer marks, but only ours has the local derivatives that make the one of the other.",
    ),
    Case(
        "roots",
        "Two outputs, one leaf",
        roots,
        {"x": leaf(4.0)},
        draw_roots,
        "the same notebook, with 4 and 8 fed in from behind",
        "Ours: 4 × 0.25 = 1, 8 × 0.25 = 2 and .grad 3 = 2 + 1 can be read off; the course shows three results without the factor that leads to them.",
        (4.0, 8.0),
    ),
    Case(
        "switch",
        "Max is a switch",
        switch,
        {"a": leaf(2.0), "b": leaf(5.0)},
        draw_switch,
        "the same notebook, with 2 fed in from behind",
        "Ours, by a little: ∂y/∂a = 0 and ∂y/∂b = 1 are the switch; the course's circles say the same to those who know it already, with less to read.",
        2.0,
    ),
    Case(
        "five_matrices",
        "Five matrices of nine numbers",
        five_matrices,
        {"a": A, "w1": W1, "w2": W2, "w3": W3, "w4": W4},
        draw_five_matrices,
        "a tutorial on graphs: names in boxes, the derivatives to be multiplied at the arrows",
        "A draw: the course's figure shows sooner which derivatives are multiplied; only ours has the numbers, all 90 values and gradients, and pays for them with arrows to names instead of boxes and without local derivatives.",
    ),
    Case(
        "one_layer",
        "One layer and its loss",
        one_layer,
        {"x": torch.ones(5), "w": W, "b": B, "y": torch.zeros(3)},
        draw_one_layer,
        "PyTorch's tutorial: operations in circles, parameters on a ground of their own",
        "Ours: each row of w's gradient is seen to be the gradient of z, and why (the outer product with ones); the course marks parameters more boldly, and says nothing of gradients.",
    ),
    Case(
        "detached",
        "What detach() cuts",
        detached,
        {"x": leaf([1.0, 1.0])},
        draw_detached,
        "a blog post on detach(): boxes, and a cross where the path ends",
        "Ours: the cut, what lies behind it without gradients, and .grad 2 for x by one path alone; the course's cross is seen sooner, and torchviz leaves the cut branch out altogether.",
    ),
    Case(
        "neuron",
        "A sigmoid, gate by gate",
        neuron,
        {"w0": leaf(2.0), "x0": leaf(-1.0), "w1": leaf(-3.0), "x1": leaf(-2.0), "w2": leaf(-3.0)},
        draw_neuron,
        "a lecture on circuits: values above the wires, gradients below",
        "Ours, by a little: it has the same chain with local factors, in two rows; the course has no factors, but one row without a break.",
    ),
    Case(
        "recurrent",
        "Three steps of a recurrent cell",
        recurrent,
        {"xs": torch.tensor([0.5, -1.0, 2.0]), "h0": torch.tensor(0.0), "w": leaf(0.8), "u": leaf(0.5), "b": leaf(0.1)},
        draw_recurrent,
        "most lectures on recurrent networks: one box a step, unrolled",
        "Ours: the three steps are three lines, with the exact factor of a whole line at each arrow, and the gradients of w, u and b are sums over them; the course's figure shows the shape sooner, and no number.",
    ),
)
