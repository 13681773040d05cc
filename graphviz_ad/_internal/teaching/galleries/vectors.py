"""Classics of vectors and matrices: what tutorials and books compute, with the values and gradients that stand
there.
"""

from __future__ import annotations

from typing import Any

from graphviz_ad._internal.teaching.examples import OWN, classic
from graphviz_ad._internal.teaching.program_runs import torch

D2L = "Zhang et al.: Dive into Deep Learning, Automatic Differentiation"


@classic("Twice a dot product", D2L, values={"y": 28}, grads={"x": [0, 4, 8, 12], "y": 1}, x=[0, 1, 2, 3])
def d2l_dot(x: Any) -> Any:
    """y = 2·x·x has the gradient 4x. x is both operands of the dot product, so twice 2x comes back."""
    y = 2 * torch.dot(x, x)
    return y


@classic(
    "A vector of results",
    D2L,
    values={"y": [0, 1, 4, 9]},
    grads={"x": [0, 2, 4, 6], "y": [1, 1, 1, 1]},
    grad_outputs=[1, 1, 1, 1],
    x=[0, 1, 2, 3],
)
def d2l_vector(x: Any) -> Any:
    """Ones go in at the four results, as if they were added up, and 2x comes back."""
    y = x * x
    return y


@classic(
    "detach: a value, and no path",
    D2L,
    values={"u": [0, 1, 4, 9], "z": [0, 1, 8, 27], "s": 36},
    grads={"x": [0, 1, 4, 9], "y": None, "z": [1, 1, 1, 1], "s": 1},
    x=[0, 1, 2, 3],
)
def d2l_detach(x: Any) -> Any:
    """u counts as a constant: the gradient of u·x is u, and not the 3x² of x³."""
    y = x * x
    u = y.detach()
    z = u * x
    s = z.sum()
    return s


@classic("A loop decides the graph", D2L, values={"b": 1536}, grads={"a": 1024}, a=1.5)
def d2l_control_flow(a: Any) -> Any:
    """The graph holds what was done, not the program: the loop ran nine times, and the if chose one branch. For this
    a, the result is 1024·a.
    """
    b = a * 2
    while b.norm() < 1000:
        b = b * 2
    d = b if b.sum() > 0 else 100 * b
    return d


@classic(
    "Two vectors, one error",
    "PyTorch: A Gentle Introduction to torch.autograd",
    values={"Q": [-12, 65]},
    grads={"a": [36, 81], "b": [-12, -8], "Q": [1, 1]},
    grad_outputs=[1, 1],
    a=[2, 3],
    b=[6, 4],
)
def pt_blitz_q(a: Any, b: Any) -> Any:
    """9a² and −2b, element by element. Q is a vector, so backward needs a gradient for each of its elements: ones."""
    Q = 3 * a**3 - b**2
    return Q


@classic(
    "Leaves and what is computed from them",
    "PyTorch: Understanding requires_grad, retain_grad, Leaf, and Non-leaf Tensors",
    values={"z": [[4, 4]], "y_pred": [[4, 4]], "loss": 9},
    grads={"W": [[3, 3], [3, 3], [3, 3]], "b": [[3, 3]], "z": [[3, 3]], "y_pred": [[3, 3]], "loss": 1},
    W=[[1, 1], [1, 1], [1, 1]],
    b=[[1, 1]],
)
def pt_leaf(W: Any, b: Any) -> Any:
    """W and b are leaves that require grad, and keep it. x and y are data: no gradient. z and y_pred pass theirs on."""
    x = torch.ones(1, 3, dtype=W.dtype)
    y = torch.ones(1, 2, dtype=W.dtype)
    z = (x @ W) + b
    y_pred = torch.nn.functional.relu(z)
    loss = torch.nn.functional.mse_loss(y_pred, y)
    return loss


@classic(
    "Broadcasting adds up on the way back",
    OWN,
    values={"Y": [[1.5, 1.5], [3.5, 3.5], [5.5, 5.5]]},
    grads={"X": [[1, 2], [3, 4], [5, 6]], "b": [9, 12], "Y": [[1, 2], [3, 4], [5, 6]]},
    grad_outputs=[[1, 2], [3, 4], [5, 6]],
    X=[[1, 2], [3, 4], [5, 6]],
    b=[0.5, -0.5],
)
def broadcast_bias(X: Any, b: Any) -> Any:
    """b was used for three rows, so what comes back from the rows is added up: Σ over the axis that b does not have."""
    Y = X + b
    return Y


@classic(
    "A matrix, a vector and a squared length",
    "CS231n, Stanford: lecture slides on backpropagation with vectors",
    values={"q": [0.22, 0.26], "f": 0.116},
    grads={"W": [[0.088, 0.176], [0.104, 0.208]], "x": [-0.112, 0.636], "q": [0.44, 0.52]},
    W=[[0.1, 0.5], [-0.3, 0.8]],
    x=[0.2, 0.4],
)
def cs231n_squared_length(W: Any, x: Any) -> Any:
    """Shapes tell what to multiply: the gradient of W has the shape of W, so it must be 2q times xᵀ; that of x must
    be Wᵀ times 2q.
    """
    q = W @ x
    f = (q**2).sum()
    return f


@classic(
    "Softmax and cross-entropy in one",
    "Zhang et al.: Dive into Deep Learning, Softmax Regression",
    values={"L": 0.4076059644443803},
    grads={"o": [0.09003057317038046, 0.24472847105479764, -0.3347590442251781]},
    o=[1, 2, 3],
)
def softmax_cross_entropy(o: Any) -> Any:
    """What comes back to the scores is the prediction minus the truth: p, with 1 taken off at the right class. It
    adds up to 0.
    """
    p = torch.softmax(o, dim=0)
    L = -torch.log(p[2])
    return L


@classic(
    "A line through three points",
    "least squares, after Legendre, 1805",
    values={"L": 2},
    grads={"w": -6, "b": -2.6666666666666665},
    w=1,
    b=0,
)
def least_squares(w: Any, b: Any) -> Any:
    """w and b are used for every point, and each point has its say in their gradient: both must grow."""
    x = torch.tensor([1.0, 2.0, 3.0], dtype=w.dtype)
    y = torch.tensor([2.0, 3.0, 5.0], dtype=w.dtype)
    e = w * x + b - y
    L = (e**2).mean()
    return L
