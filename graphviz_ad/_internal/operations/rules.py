"""RULES: what each operation is called, what it computes and how its gradient flows, as data.

Formulas are texts in the language of `graphviz_ad._internal.maths.formula_tree`. Operands are ``a, b, c, …`` in the
order in which the user writes them, ``out`` is the result and ``g`` the gradient that arrives at it. ``backward[i]`` is
what flows on to operand ``i``, before it is summed over the dimensions along which that operand was broadcast. The
formulas hold for the default settings of an operation, and on ties they do what torch does. Matrix formulas are for the
last two dimensions, and ``.T`` swaps these; ``softmax`` and its like are for one vector (or each row on its own).

Some words stand for moving elements about: ``g[...]`` is the part of g that belongs to this operand, ``scatter(g)``
puts g back where it was taken from and adds up what was taken twice, ``expand(g)`` copies it along a dimension,
``spread`` and ``unpool`` share it out in each window of a pooling. ``unfold(a)`` has each window of a convolution as a
column, ``fold`` adds such columns back up, and ``matrix(b)`` has each kernel as a row.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Rule:
    """One operation: the glyph for a small circle, and its formulas; ``backward`` is empty where none is compact.

    ``kink`` is a formula that is not 0 where the derivative jumps: what torch takes there is a convention.
    ``conventions`` are the backward formulas of versions of torch that take something else there.
    """

    symbol: str
    forward: str
    backward: tuple[str, ...] = ()
    title: str = ""
    kink: str = ""
    conventions: tuple[tuple[str, ...], ...] = ()


HALF_TO_EACH = (
    ("g * ((a > b) + (a == b) / 2)", "g * ((b > a) + (a == b) / 2)"),
    ("g * ((a < b) + (a == b) / 2)", "g * ((b < a) + (a == b) / 2)"),
)

# Each element of the result depends on one element of each operand, so that the local derivative is ``backward`` with g
# = 1.
ELEMENTWISE: Mapping[str, Rule] = {
    "add": Rule("+", "a + b", ("g", "g"), "sum"),
    "sub": Rule("−", "a - b", ("g", "-g"), "difference"),
    "mul": Rule("×", "a * b", ("g * b", "g * a"), "product"),
    "div": Rule("÷", "a / b", ("g / b", "-g * a / b ** 2"), "quotient"),
    "pow": Rule("xʸ", "a ** b", ("g * b * a ** (b - 1)", "g * out * log(a)"), "power"),
    "neg": Rule("−x", "-a", ("-g",), "negative"),
    "positive": Rule("+x", "a", ("g",), "unchanged"),
    "exp": Rule("eˣ", "exp(a)", ("g * out",), "exponential"),
    "exp2": Rule("2ˣ", "2 ** a", ("g * out * log(2)",), "power of 2"),
    "expm1": Rule("eˣ−1", "exp(a) - 1", ("g * (out + 1)",), "exponential minus 1"),
    "log": Rule("ln", "log(a)", ("g / a",), "natural logarithm"),
    "log2": Rule("log₂", "log2(a)", ("g / (a * log(2))",), "logarithm to base 2"),
    "log10": Rule("log₁₀", "log10(a)", ("g / (a * log(10))",), "logarithm to base 10"),
    "log1p": Rule("ln1+x", "log(1 + a)", ("g / (1 + a)",), "logarithm of 1 + x"),
    "sqrt": Rule("√", "sqrt(a)", ("g / (2 * out)",), "square root"),
    "rsqrt": Rule("1/√", "1 / sqrt(a)", ("-g * out ** 3 / 2",), "reciprocal square root"),
    "reciprocal": Rule("1/x", "1 / a", ("-g * out ** 2",), "reciprocal"),
    "square": Rule("x²", "a ** 2", ("g * 2 * a",), "square"),
    "abs": Rule("|x|", "abs(a)", ("g * sign(a)",), "absolute value", "a == 0"),
    "sign": Rule("sgn", "sign(a)", ("0",), "sign", "a == 0"),
    "sin": Rule("sin", "sin(a)", ("g * cos(a)",), "sine"),
    "cos": Rule("cos", "cos(a)", ("-g * sin(a)",), "cosine"),
    "tan": Rule("tan", "tan(a)", ("g * (1 + out ** 2)",), "tangent"),
    "asin": Rule("asin", "asin(a)", ("g / sqrt(1 - a ** 2)",), "arc sine"),
    "acos": Rule("acos", "acos(a)", ("-g / sqrt(1 - a ** 2)",), "arc cosine"),
    "atan": Rule("atan", "atan(a)", ("g / (1 + a ** 2)",), "arc tangent"),
    "atan2": Rule(
        "atan2", "atan2(a, b)", ("g * b / (a ** 2 + b ** 2)", "-g * a / (a ** 2 + b ** 2)"), "angle of the point (b, a)"
    ),
    "sinh": Rule("sinh", "sinh(a)", ("g * cosh(a)",), "hyperbolic sine"),
    "cosh": Rule("cosh", "cosh(a)", ("g * sinh(a)",), "hyperbolic cosine"),
    "tanh": Rule("tanh", "tanh(a)", ("g * (1 - out ** 2)",), "hyperbolic tangent"),
    "asinh": Rule("asinh", "asinh(a)", ("g / sqrt(a ** 2 + 1)",), "inverse hyperbolic sine"),
    "acosh": Rule("acosh", "acosh(a)", ("g / sqrt(a ** 2 - 1)",), "inverse hyperbolic cosine"),
    "atanh": Rule("atanh", "atanh(a)", ("g / (1 - a ** 2)",), "inverse hyperbolic tangent"),
    "erf": Rule("erf", "erf(a)", ("g * 2 / sqrt(pi) * exp(-a ** 2)",), "error function"),
    "erfc": Rule("erfc", "1 - erf(a)", ("-g * 2 / sqrt(pi) * exp(-a ** 2)",), "complementary error function"),
    "logit": Rule("logit", "log(a / (1 - a))", ("g / (a * (1 - a))",), "log odds"),
    "hypot": Rule(
        "hypot", "sqrt(a ** 2 + b ** 2)", ("g * a / out", "g * b / out"), "length of the vector (a, b)", "out == 0"
    ),
    "logaddexp": Rule(
        "lnΣeˣ", "log(exp(a) + exp(b))", ("g * exp(a - out)", "g * exp(b - out)"), "logarithm of a sum of exponentials"
    ),
    "xlogy": Rule("x·lny", "a * log(b)", ("g * log(b)", "g * a / b"), "x times logarithm of y"),
    # activations
    "sigmoid": Rule("σ", "sigmoid(a)", ("g * out * (1 - out)",), "logistic sigmoid"),
    "logsigmoid": Rule("ln σ", "log(sigmoid(a))", ("g * sigmoid(-a)",), "logarithm of the sigmoid"),
    "relu": Rule("ReLU", "max(0, a)", ("g * (a > 0)",), "rectifier", "a == 0"),
    "relu6": Rule("ReLU6", "min(max(0, a), 6)", ("g * (0 < a < 6)",), "rectifier up to 6", "(a == 0) + (a == 6)"),
    "leaky_relu": Rule(
        "LReLU", "where(a > 0, a, 0.01 * a)", ("g * where(a > 0, 1, 0.01)",), "leaky rectifier", "a == 0"
    ),
    "prelu": Rule(
        "PReLU",
        "where(a > 0, a, b * a)",
        ("g * where(a > 0, 1, b)", "g * where(a > 0, 0, a)"),
        "rectifier with learned slope",
        "a == 0",
    ),
    "elu": Rule("ELU", "where(a > 0, a, exp(a) - 1)", ("g * where(a > 0, 1, out + 1)",), "exponential linear unit"),
    "gelu": Rule(
        "GELU",
        "a * (1 + erf(a / sqrt(2))) / 2",
        ("g * ((1 + erf(a / sqrt(2))) / 2 + a * exp(-a ** 2 / 2) / sqrt(2 * pi))",),
        "Gaussian error linear unit",
    ),
    "selu": Rule(
        "SELU",
        "where(a > 0, lambda_ * a, lambda_ * alpha * (exp(a) - 1))",
        ("g * where(a > 0, lambda_, out + lambda_ * alpha)",),
        "scaled exponential linear unit; α = 1.6733, λ = 1.0507",
        "a == 0",
    ),
    "mish": Rule(
        "mish",
        "a * tanh(log(1 + exp(a)))",
        ("g * (tanh(log(1 + exp(a))) + a * sigmoid(a) * (1 - tanh(log(1 + exp(a))) ** 2))",),
        "smooth unit: x times tanh of softplus",
    ),
    "hardswish": Rule(
        "hswsh",
        "a * min(max(a + 3, 0), 6) / 6",
        ("g * where(a < 3, (a > -3) * (a / 3 + 1 / 2), 1)",),
        "piecewise linear swish",
        "(a == -3) + (a == 3)",
        (("g * where(a <= 3, (a >= -3) * (a / 3 + 1 / 2), 1)",),),
    ),
    "silu": Rule(
        "SiLU", "a * sigmoid(a)", ("g * (sigmoid(a) + out * (1 - sigmoid(a)))",), "sigmoid linear unit (swish)"
    ),
    "softplus": Rule("soft+", "log(1 + exp(a))", ("g * sigmoid(a)",), "smooth rectifier"),
    "softsign": Rule("ssgn", "a / (1 + abs(a))", ("g / (1 + abs(a)) ** 2",), "soft sign"),
    "tanhshrink": Rule("x−tnh", "a - tanh(a)", ("g * tanh(a) ** 2",), "x minus tanh x"),
    "hardtanh": Rule("hardt", "min(max(a, -1), 1)", ("g * (-1 < a < 1)",), "clipped to −1 … 1", "(a == -1) + (a == 1)"),
    "hardsigmoid": Rule(
        "hardσ",
        "min(max(a / 6 + 1 / 2, 0), 1)",
        ("g * (-3 < a < 3) / 6",),
        "piecewise linear sigmoid",
        "(a == -3) + (a == 3)",
    ),
    # choices; at a tie, maximum and minimum give half to each
    "maximum": Rule("max", "max(a, b)", HALF_TO_EACH[0], "larger of two", "a == b"),
    "minimum": Rule("min", "min(a, b)", HALF_TO_EACH[1], "smaller of two", "a == b"),
    "clamp": Rule(
        "clamp",
        "min(max(a, b), c)",
        ("g * (b <= a <= c)", "g * (a < b) * (b < c)", "g * where(b <= c, a > c, 1)"),
        "kept between two bounds; all the upper one where the lower one is not below it",
        "(a == b) + (a == c)",
        (
            ("g * (b < a < c)",),  # bounds that are numbers
            (
                "g * where(b < c, ((b <= a <= c) + (b < a < c)) / 2, (a == b) * (b == c))",
                "g * (b <= c) * ((a < b) + (a == b) * (b < c) / 2)",
                "g * where(b <= c, (a > c) + (a == c) * (b < c) / 2, 1)",
            ),
        ),
    ),
    "clamp_min": Rule(
        "max",
        "max(a, b)",
        ("g * (a >= b)", "g * (a < b)"),
        "kept above a bound",
        "a == b",
        (("g * (a > b)",), HALF_TO_EACH[0]),
    ),
    "clamp_max": Rule(
        "min",
        "min(a, b)",
        ("g * (a <= b)", "g * (a > b)"),
        "kept below a bound",
        "a == b",
        (("g * (a < b)",), HALF_TO_EACH[1]),
    ),
    "where": Rule(
        "where",
        "where(a, b, c)",
        ("0", "where(a, g, 0)", "where(a, 0, g)"),
        "second where the first is true, else third",
    ),
    "masked_fill": Rule("mask", "where(b, c, a)", ("where(b, 0, g)", "0", "where(b, g, 0)"), "replaced where masked"),
    # steps, flat almost everywhere
    "floor": Rule("⌊x⌋", "floor(a)", ("0",), "rounded down", "a == floor(a)"),
    "ceil": Rule("⌈x⌉", "ceil(a)", ("0",), "rounded up", "a == floor(a)"),
    "round": Rule("round", "round(a)", ("0",), "rounded to even", "abs(a - floor(a)) == 1 / 2"),
    "trunc": Rule("trunc", "trunc(a)", ("0",), "rounded towards 0", "(a == floor(a)) * (a != 0)"),
    "frac": Rule("frac", "a - trunc(a)", ("g",), "part after the point", "(a == floor(a)) * (a != 0)"),
    "fmod": Rule("fmod", "a - b * trunc(a / b)", ("g", "-g * trunc(a / b)"), "remainder with the sign of a"),
    "remainder": Rule("mod", "a - b * floor(a / b)", ("g", "-g * floor(a / b)"), "remainder with the sign of b"),
    "floor_divide": Rule("⌊÷⌋", "floor(a / b)", (), "quotient rounded down"),
    # three operands
    "lerp": Rule("lerp", "a + c * (b - a)", ("g * (1 - c)", "g * c", "g * (b - a)"), "linear interpolation"),
    "addcmul": Rule("a+bc", "a + b * c", ("g", "g * c", "g * b"), "sum with a product"),
    "addcdiv": Rule("a+b/c", "a + b / c", ("g", "g / c", "-g * b / c ** 2"), "sum with a quotient"),
    # the same numbers, elsewhere
    "clone": Rule("copy", "a", ("g",), "copy"),
    "contiguous": Rule("copy", "a", ("g",), "copy in memory order"),
    "to": Rule("to", "a", ("g",), "other dtype or device"),
    "detach": Rule("⊣", "detach(a)", (), "no gradient flows through"),
    "data": Rule("⊣", "data(a)", (), "no gradient flows through, and no write is seen"),
}

REDUCTIONS: Mapping[str, Rule] = {
    "sum": Rule("Σ", "sum(a)", ("g",), "sum of all elements"),
    "mean": Rule("μ", "mean(a)", ("g / numel(a)",), "mean of all elements"),
    "prod": Rule("Π", "prod(a)", ("g * out / a",), "product of all elements"),
    "var": Rule(
        "var", "sum((a - mean(a)) ** 2) / (numel(a) - 1)", ("g * 2 * (a - mean(a)) / (numel(a) - 1)",), "variance"
    ),
    "std": Rule(
        "std",
        "sqrt(sum((a - mean(a)) ** 2) / (numel(a) - 1))",
        ("g * (a - mean(a)) / ((numel(a) - 1) * out)",),
        "deviation",
    ),
    "norm": Rule("‖x‖", "norm(a)", ("g * a / out",), "Euclidean norm", "out == 0"),
    "max": Rule(
        "max", "max(a)", ("g * (a == out) / sum(a == out)",), "largest element", "(a == out) * (sum(a == out) > 1)"
    ),
    "min": Rule(
        "min", "min(a)", ("g * (a == out) / sum(a == out)",), "smallest element", "(a == out) * (sum(a == out) > 1)"
    ),
    "amax": Rule(
        "max", "max(a)", ("g * (a == out) / sum(a == out)",), "largest element", "(a == out) * (sum(a == out) > 1)"
    ),
    "amin": Rule(
        "min", "min(a)", ("g * (a == out) / sum(a == out)",), "smallest element", "(a == out) * (sum(a == out) > 1)"
    ),
    "logsumexp": Rule("lnΣeˣ", "log(sum(exp(a)))", ("g * exp(a - out)",), "logarithm of the sum of exponentials"),
    "cosine_similarity": Rule(
        "cos∠",
        "sum(a * b) / (norm(a) * norm(b))",
        (
            "g * (b / (norm(a) * norm(b)) - out * a / norm(a) ** 2)",
            "g * (a / (norm(a) * norm(b)) - out * b / norm(b) ** 2)",
        ),
        "cosine of the angle between vectors",
    ),
    "mse_loss": Rule(
        "MSE", "mean((a - b) ** 2)", ("g * 2 * (a - b) / numel(a)", "g * 2 * (b - a) / numel(a)"), "mean squared error"
    ),
    "l1_loss": Rule(
        "L1",
        "mean(abs(a - b))",
        ("g * sign(a - b) / numel(a)", "g * sign(b - a) / numel(a)"),
        "mean absolute error",
        "a == b",
    ),
    "smooth_l1_loss": Rule(
        "sL1",
        "mean(where(abs(a - b) < 1, (a - b) ** 2 / 2, abs(a - b) - 1 / 2))",
        ("g * min(max(a - b, -1), 1) / numel(a)", "g * min(max(b - a, -1), 1) / numel(a)"),
        "smooth absolute error",
    ),
    "huber_loss": Rule(
        "Huber",
        "mean(where(abs(a - b) < 1, (a - b) ** 2 / 2, abs(a - b) - 1 / 2))",
        ("g * min(max(a - b, -1), 1) / numel(a)", "g * min(max(b - a, -1), 1) / numel(a)"),
        "square near 0, absolute beyond 1",
    ),
    "kl_div": Rule(
        "KL",
        "mean(b * (log(b) - a))",
        ("-g * b / numel(a)", "g * (log(b) + 1 - a) / numel(a)"),
        "Kullback-Leibler divergence from log a",
    ),
    "nll_loss": Rule("NLL", "-mean(a[b])", ("-g * onehot(b) / numel(b)",), "negative log likelihood of the classes b"),
    "cross_entropy": Rule(
        "CE",
        "-mean(log_softmax(a)[b])",
        ("g * (softmax(a) - onehot(b)) / numel(b)",),
        "cross entropy of logits and classes",
    ),
    "binary_cross_entropy": Rule(
        "BCE",
        "-mean(b * log(a) + (1 - b) * log(1 - a))",
        ("g * (a - b) / (a * (1 - a)) / numel(a)", "g * (log(1 - a) - log(a)) / numel(a)"),
        "cross entropy of two classes, from probabilities",
    ),
    "binary_cross_entropy_with_logits": Rule(
        "BCE",
        "mean(log(1 + exp(a)) - a * b)",
        ("g * (sigmoid(a) - b) / numel(a)", "-g * a / numel(a)"),
        "cross entropy of two classes, from logits",
    ),
}

MATRICES: Mapping[str, Rule] = {
    "dot": Rule("·", "sum(a * b)", ("g * b", "g * a"), "scalar product"),
    "matmul": Rule("@", "a @ b", ("g @ b.T", "a.T @ g"), "matrix product"),
    "mm": Rule("@", "a @ b", ("g @ b.T", "a.T @ g"), "matrix product"),
    "bmm": Rule("@", "a @ b", ("g @ b.T", "a.T @ g"), "matrix product, one for each pair of a batch"),
    "mv": Rule("@", "a @ b", ("outer(g, b)", "a.T @ g"), "matrix times vector"),
    "outer": Rule("⊗", "outer(a, b)", ("g @ b", "g.T @ a"), "outer product"),
    "addmm": Rule("+@", "a + b @ c", ("g", "g @ c.T", "b.T @ g"), "sum with a matrix product"),
    "addmv": Rule("+@", "a + b @ c", ("g", "outer(g, c)", "b.T @ g"), "sum with matrix times vector"),
    "baddbmm": Rule("+@", "a + b @ c", ("g", "g @ c.T", "b.T @ g"), "sum with matrix products of a batch"),
    "linear": Rule("Wx+b", "a @ b.T + c", ("g @ b", "g.T @ a", "g"), "linear layer"),
    "trace": Rule("tr", "trace(a)", ("g * eye(a)",), "sum of the diagonal"),
    "det": Rule("det", "det(a)", ("g * out * inverse(a).T",), "determinant"),
    "inverse": Rule("x⁻¹", "inverse(a)", ("-out.T @ g @ out.T",), "matrix inverse"),
    **{
        name: Rule(
            "conv",
            "matrix(b) @ unfold(a)",
            ("fold(matrix(b).T @ g)", "g @ unfold(a).T"),
            "convolution: every kernel times every window",
        )
        for name in ("conv1d", "conv2d", "conv3d")
    },
    "conv_transpose2d": Rule(
        "convᵀ", "fold(matrix(b).T @ a)", ("matrix(b) @ unfold(g)", "a @ unfold(g).T"), "transposed convolution"
    ),
    "softmax": Rule("soft", "exp(a) / sum(exp(a))", ("out * (g - sum(g * out))",), "softmax: positive, and sums to 1"),
    "log_softmax": Rule("lnsm", "a - log(sum(exp(a)))", ("g - exp(out) * sum(g)",), "logarithm of the softmax"),
}

SHAPES: Mapping[str, Rule] = {
    "reshape": Rule("▭", "reshape(a)", ("reshape(g, shape(a))",), "same elements, other shape"),
    "view": Rule("▭", "view(a)", ("reshape(g, shape(a))",), "same elements, other shape"),
    "flatten": Rule("▭", "flatten(a)", ("reshape(g, shape(a))",), "same elements in fewer dimensions"),
    "squeeze": Rule("▭", "squeeze(a)", ("reshape(g, shape(a))",), "without dimensions of size 1"),
    "unsqueeze": Rule("▭", "unsqueeze(a)", ("reshape(g, shape(a))",), "one more dimension of size 1"),
    "expand": Rule("⇶", "expand(a)", ("g",), "repeated without copying"),
    "broadcast_to": Rule("⇶", "expand(a)", ("g",), "repeated without copying"),
    "repeat": Rule("⇶", "repeat(a)", (), "repeated"),
    "t": Rule("xᵀ", "a.T", ("g.T",), "transposed"),
    "transpose": Rule("xᵀ", "transpose(a)", ("transpose(g)",), "two dimensions swapped"),
    "permute": Rule("perm", "permute(a)", ("permute_back(g)",), "dimensions in another order"),
    "cat": Rule("cat", "cat(a, b)", ("g[...]", "g[...]"), "joined along a dimension"),
    "stack": Rule("stack", "stack(a, b)", ("g[...]", "g[...]"), "joined along a new dimension"),
    "split": Rule("split", "split(a)", (), "cut into parts"),
    "chunk": Rule("split", "chunk(a)", (), "cut into equal parts"),
    "unbind": Rule("split", "unbind(a)", (), "cut into slices"),
    "getitem": Rule("x[i]", "a[...]", ("scatter(g)",), "part of a tensor"),
    "setitem": Rule("x[i]=", "setitem(a, b)", (), "part of a tensor overwritten"),
    "select": Rule("x[i]", "a[...]", ("scatter(g)",), "one slice of a tensor"),
    "narrow": Rule("x[i]", "a[...]", ("scatter(g)",), "part of a tensor"),
    "slice": Rule("x[i]", "a[...]", ("scatter(g)",), "part of a tensor"),
    "gather": Rule("x[i]", "gather(a, b)", ("scatter(g, b)",), "elements picked by index"),
    "index_select": Rule("x[i]", "index_select(a, b)", ("scatter(g, b)",), "slices picked by index"),
    "embedding": Rule("x[i]", "embedding(a, b)", ("0", "scatter(g, a)"), "rows picked by index"),
    "flip": Rule("flip", "flip(a)", ("flip(g)",), "in reverse order"),
    "roll": Rule("roll", "roll(a)", ("roll_back(g)",), "shifted around"),
    "pad": Rule("pad", "pad(a)", ("crop(g)",), "padded"),
    "tril": Rule("tril", "tril(a)", ("tril(g)",), "lower triangle"),
    "triu": Rule("triu", "triu(a)", ("triu(g)",), "upper triangle"),
    "diagonal": Rule("diag", "diagonal(a)", ("scatter(g)",), "diagonal"),
}

OTHERS: Mapping[str, Rule] = {
    "glu": Rule("GLU", "glu(a)", (), "gated linear unit"),
    "cumsum": Rule("Σ…", "cumsum(a)", ("flip(cumsum(flip(g)))",), "running sum"),
    "cumprod": Rule("Π…", "cumprod(a)", (), "running product"),
    "sort": Rule("sort", "sort(a)", (), "sorted"),
    "topk": Rule("top", "topk(a)", (), "largest elements"),
    "argmax": Rule("argmx", "argmax(a)", (), "place of the largest element"),
    "argmin": Rule("argmn", "argmin(a)", (), "place of the smallest element"),
    "einsum": Rule("Σ@", "einsum(a, b)", (), "Einstein summation"),
    "bilinear": Rule("xWy", "bilinear(a, b, c)", (), "bilinear layer"),
    "max_pool1d": Rule("pool", "max_pool(a)", ("unpool(g)",), "largest of each window"),
    "max_pool2d": Rule("pool", "max_pool(a)", ("unpool(g)",), "largest of each window"),
    "avg_pool1d": Rule("pool", "avg_pool(a)", ("spread(g)",), "mean of each window"),
    "avg_pool2d": Rule("pool", "avg_pool(a)", ("spread(g)",), "mean of each window"),
    "adaptive_avg_pool2d": Rule("pool", "avg_pool(a)", ("spread(g)",), "mean of each window"),
    "interpolate": Rule("size", "interpolate(a)", (), "resized"),
    "layer_norm": Rule(
        "norm",
        "(a - mean(a)) / sqrt(mean((a - mean(a)) ** 2) + epsilon)",
        ("(g - mean(g) - out * mean(g * out)) / sqrt(mean((a - mean(a)) ** 2) + epsilon)",),
        "layer normalisation: mean 0, variance 1",
    ),
    "rms_norm": Rule(
        "norm",
        "a / sqrt(mean(a ** 2) + epsilon)",
        ("(g - out * mean(g * out)) / sqrt(mean(a ** 2) + epsilon)",),
        "root-mean-square normalisation",
    ),
    "group_norm": Rule("norm", "group_norm(a)", (), "group normalisation"),
    "instance_norm": Rule("norm", "instance_norm(a)", (), "instance normalisation"),
    "batch_norm": Rule("norm", "batch_norm(a)", (), "batch normalisation"),
    "dropout": Rule("drop", "dropout(a)", (), "elements dropped at random"),
    "scaled_dot_product_attention": Rule("attn", "attention(a, b, c)", (), "scaled dot-product attention"),
    "multi_head_attention_forward": Rule("attn", "attention(a, b, c)", (), "multi-head attention"),
    "lstm": Rule("LSTM", "lstm(a)", (), "long short-term memory"),
    "gru": Rule("GRU", "gru(a)", (), "gated recurrent unit"),
    "rnn_tanh": Rule("RNN", "rnn(a)", (), "recurrent layer"),
}

RULES: Mapping[str, Rule] = MappingProxyType({**ELEMENTWISE, **REDUCTIONS, **MATRICES, **SHAPES, **OTHERS})

# what an operation means when it is given this many operands instead
VARIANTS: Mapping[tuple[str, int], Rule] = MappingProxyType({
    ("max", 2): ELEMENTWISE["maximum"], ("min", 2): ELEMENTWISE["minimum"],
    ("linear", 2): Rule("Wx", "a @ b.T", ("g @ b", "g.T @ a"), "linear layer without bias"),
    ("leaky_relu", 2): Rule("LReLU", "where(a > 0, a, b * a)", ("g * where(a > 0, 1, b)",), "leaky rectifier", "a == 0"),
    ("elu", 2): Rule("ELU", "where(a > 0, a, b * (exp(a) - 1))", ("g * where(a > 0, 1, out + b)",), "exponential linear unit"),
    ("hardtanh", 3): Rule("hardt", "min(max(a, b), c)", ("g * (b < a < c)",), "clipped between two bounds", "(a == b) + (a == c)"),
    **{ (name, 3): Rule("conv", "matrix(b) @ unfold(a) + c", ("fold(matrix(b).T @ g)", "g @ unfold(a).T", "g"), "convolution with bias") for name in ("conv1d", "conv2d", "conv3d") },
})  # fmt: skip

# what products pass on whose operands are vectors, by the dimensions of both
OF_VECTORS: Mapping[str, Mapping[tuple[int, int], tuple[str, ...]]] = MappingProxyType({
    "matmul": {(1, 2): ("g @ b.T", "outer(a, g)"), (2, 1): MATRICES["mv"].backward, (1, 1): MATRICES["dot"].backward},
    "linear": {(1, 2): ("g @ b", "outer(g, a)", "g")},
})  # fmt: skip

# how a reduction passes its gradient on when it works along a dimension; n counts the elements that went into one
ALONG_A_DIMENSION: Mapping[str, Rule] = MappingProxyType({
    "sum": Rule("Σ", "sum(a)", ("expand(g)",), "sums along a dimension"),
    "mean": Rule("μ", "mean(a)", ("expand(g) / n",), "means along a dimension"),
})  # fmt: skip


def rule(op: str, operands: int | None = None) -> Rule:
    """The rule of an operation, in place or not, with this many operands; one without formulas when it is not known."""
    name = op if op in RULES else op.removesuffix("_")
    known = VARIANTS.get((name, operands)) if operands is not None else None
    return known or RULES.get(name) or _unknown(op, 2 if operands is None else operands)


def _unknown(op: str, operands: int) -> Rule:
    """A rule that only says which function was called, with at most the letters that come before ``g``."""
    name = re.sub(r"\W", "_", op) or "f"
    callable_name = f"_{name}" if name[0].isdigit() else f"{name}_" if keyword.iskeyword(name) else name
    return Rule("", f"{callable_name}({', '.join('abcdef'[:operands])})")
