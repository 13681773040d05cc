"""Every formula in RULES is evaluated against torch, and every rule can be written in every language."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from needed_tools import needs_tool
from pinned import is_pinned_torch
from torch.nn import functional

from graphviz_ad._internal.base.errors import ExpressionError
from graphviz_ad._internal.maths.agreement import equal, rounding_share, smallest
from graphviz_ad._internal.maths.formula_errors import doubted, flowed
from graphviz_ad._internal.maths.formula_values import FUNCTIONS, evaluate
from graphviz_ad._internal.maths.formulas import formula_to_html, formula_to_latex, to_mathtext, to_unicode
from graphviz_ad._internal.operations.names import ALIASES, OPERATORS, REFLECTED, public_name
from graphviz_ad._internal.operations.rules import ALONG_A_DIMENSION, ELEMENTWISE, RULES, VARIANTS, Rule, rule

# --- what each rule is compared with -------------------------------------------------------------------------------


class Case(NamedTuple):
    """What a rule is compared with; `words` are the meanings, in numpy, of the words in its formulas that stand for
    moving elements about.
    """

    function: Callable[..., Any]
    operands: tuple[Any, ...]
    words: Mapping[str, Any] = {}


ANY = (-2.5, -1.0, -0.3, 0.0, 0.4, 1.0, 1.7, 3.0)  # holds the ties and kinks of most functions
SMOOTH = (-2.5, -1.1, -0.3, 0.2, 0.4, 1.2, 1.7, 3.0)
POSITIVE = (0.1, 0.5, 1.0, 2.0, 3.5, 7.0, 0.25, 1.5)
UNIT = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.01, 0.6)
INSIDE = (-0.9, -0.5, -0.1, 0.0, 0.2, 0.5, 0.7, 0.95)
OTHER = (1.5, -1.0, 0.3, 0.0, 0.4, -2.0, 1.6, 3.0)  # ties with ANY
NONZERO = (1.5, -1.0, 0.3, 0.6, 0.4, -2.0, 1.6, 3.0)
ABOVE_ONE = (1.1, 1.5, 2.0, 3.0, 5.0, 1.01, 1.3, 9.0)
MASK = torch.tensor([True, False, True, True, False, False, True, False])


def _matrix(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


# --- what the words in formulas mean that stand for moving elements about


def taken(index: Any, shape: tuple[int, ...]) -> dict[str, Any]:
    return {"[...]": lambda a: a[index], "scatter": lambda g: scatter(shape)(g, index)}


def pick(a: Any, b: Any) -> Any:
    return a[b.astype(int)]


def scatter(shape: tuple[int, ...]) -> Callable[..., Any]:
    def put(g: Any, index: Any) -> Any:
        whole = np.zeros(shape)
        np.add.at(whole, index.astype(int) if isinstance(index, np.ndarray) else index, g)
        return whole

    return put


def onehot(count: int) -> Callable[..., Any]:
    return lambda b: np.eye(count)[b.astype(int)]


def windows(shape: tuple[int, ...], size: int, channels: int) -> dict[str, Any]:
    """The words of convolutions over places of this shape with kernels of `size` in each direction; the test hands
    in kernels as rows already.
    """
    kernel = (size,) * len(shape)
    places = tuple(n - size + 1 for n in shape)
    axes = range(2, 2 + len(shape))

    def unfold(a: Any) -> Any:
        found = np.lib.stride_tricks.sliding_window_view(a, kernel, axis=tuple(axes))
        order = (0, 1, *(axis + len(shape) for axis in axes), *axes)
        return found.transpose(order).reshape(len(a), channels * size ** len(shape), -1)

    def fold(columns: Any) -> Any:
        whole, parts = (
            np.zeros((len(columns), channels, *shape)),
            columns.reshape(len(columns), channels, *kernel, *places),
        )
        for start in np.ndindex(kernel):
            whole[:, :, *(slice(i, i + n) for i, n in zip(start, places, strict=True))] += parts[:, :, *start]
        return whole

    return {"matrix": lambda b: b, "unfold": unfold, "fold": fold}


def convolution(number: int, *, bias: bool) -> Case:
    shape, kernel = (3, 4, 3)[:number], (2,) * number
    function = getattr(functional, f"conv{number}d")
    operands = (_matrix(2, 3, *shape), _matrix(2, 3 * 2**number), *([_matrix(2, 1)] if bias else []))
    return Case(
        lambda a, b, *c: function(a, b.reshape(2, 3, *kernel), *(each.flatten() for each in c)).flatten(2),
        operands,
        windows(shape, 2, 3),
    )


def in_windows(a: Any) -> Any:
    """The elements of each window of two in every direction, along a new first dimension."""
    return np.stack([a[..., *(slice(i, None, 2) for i in start)] for start in np.ndindex((2,) * (a.ndim - 2))])


def over_windows(g: Any) -> Any:
    for axis in range(2, g.ndim):
        g = g.repeat(2, axis)
    return g


def largest(*shape: int) -> Case:
    a = _matrix(*shape)
    words = {
        "max_pool": lambda x: in_windows(x).max(0),
        "unpool": lambda g: (a.numpy() == over_windows(in_windows(a.numpy()).max(0))) * over_windows(g),
    }
    return Case(lambda x: getattr(functional, f"max_pool{len(shape) - 2}d")(x, 2), (a,), words)


SPREAD = {"avg_pool": lambda a: in_windows(a).mean(0), "spread": lambda g: over_windows(g) / 2 ** (g.ndim - 2)}
COPIED = {"sum": lambda a: a.sum(1), "mean": lambda a: a.mean(1), "expand": lambda g: g[:, None].repeat(4, 1), "n": 4.0}
CLASSES = torch.tensor([2, 0, 0])


CASES: dict[str, Case] = {
    **{
        name: Case(getattr(torch, name), (ANY,))
        for name in (
            "neg",
            "positive",
            "exp",
            "exp2",
            "expm1",
            "square",
            "abs",
            "sign",
            "sin",
            "cos",
            "tan",
            "atan",
            "sinh",
            "cosh",
            "tanh",
            "asinh",
            "erf",
            "erfc",
            "sigmoid",
            "relu",
            "floor",
            "ceil",
            "round",
            "trunc",
            "frac",
            "clone",
        )
    },
    **{
        name: Case(getattr(torch, name), (POSITIVE,))
        for name in ("log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal")
    },
    **{name: Case(getattr(torch, name), (INSIDE,)) for name in ("asin", "acos", "atanh")},
    **{
        name: Case(getattr(functional, name), (ANY,))
        for name in (
            "logsigmoid",
            "relu6",
            "leaky_relu",
            "elu",
            "gelu",
            "silu",
            "softplus",
            "softsign",
            "tanhshrink",
            "hardtanh",
        )
    },
    **{
        name: Case(getattr(torch, name), (ANY, OTHER))
        for name in ("add", "sub", "mul", "maximum", "minimum", "logaddexp", "clamp_min", "clamp_max")
    },
    **{name: Case(getattr(torch, name), (SMOOTH, NONZERO)) for name in ("div", "atan2", "hypot", "fmod", "remainder")},
    **{
        name: Case(getattr(torch, name), (ANY,))
        for name in ("sum", "mean", "var", "std", "norm", "max", "min", "amax", "amin")
    },
    **{name: Case(getattr(functional, name), (ANY, OTHER)) for name in ("mse_loss", "l1_loss")},
    **{name: Case(getattr(torch, name), (_matrix(3, 4), _matrix(4, 2))) for name in ("matmul", "mm")},
    "acosh": Case(torch.acosh, (ABOVE_ONE,)),
    "pow": Case(torch.pow, (POSITIVE, OTHER)),
    "logit": Case(torch.logit, (UNIT,)),
    "xlogy": Case(torch.xlogy, (ANY, POSITIVE)),
    "prelu": Case(functional.prelu, (ANY, (0.25,))),
    "hardsigmoid": Case(functional.hardsigmoid, ((*SMOOTH[:-1], 4.0),)),
    "clamp": Case(
        torch.clamp, (ANY, (-1.0, -1.0, -2.0, 0.0, 0.1, 0.2, 0.3, 0.4), (2.0, 2.0, -1.0, 1.0, 0.4, 1.0, 1.5, 0.5))
    ),
    "where": Case(torch.where, (MASK, ANY, OTHER)),
    "masked_fill": Case(torch.masked_fill, (ANY, MASK, 3.0)),
    "lerp": Case(torch.lerp, (ANY, OTHER, UNIT)),
    "addcmul": Case(torch.addcmul, (ANY, OTHER, UNIT)),
    "addcdiv": Case(torch.addcdiv, (ANY, OTHER, NONZERO)),
    "selu": Case(functional.selu, (ANY,)),
    "mish": Case(functional.mish, (ANY,)),
    "hardswish": Case(functional.hardswish, ((-4.0, -3.0, -1.0, 0.0, 1.0, 3.0, 5.0, 2.0),)),
    "floor_divide": Case(torch.floor_divide, (SMOOTH, NONZERO)),
    "contiguous": Case(torch.Tensor.contiguous, (ANY,)),
    "to": Case(lambda a: a.to(torch.float64), (ANY,)),
    "prod": Case(torch.prod, (NONZERO,)),
    "logsumexp": Case(lambda a: torch.logsumexp(a, 0), (ANY,)),
    "binary_cross_entropy": Case(functional.binary_cross_entropy, (UNIT, tuple(reversed(UNIT)))),
    "binary_cross_entropy_with_logits": Case(functional.binary_cross_entropy_with_logits, (ANY, UNIT)),
    "dot": Case(torch.dot, (ANY, OTHER)),
    "bmm": Case(torch.bmm, (_matrix(2, 3, 4), _matrix(2, 4, 5))),
    "mv": Case(torch.mv, (_matrix(3, 4), _matrix(4))),
    "outer": Case(torch.outer, (_matrix(3), _matrix(4))),
    "addmm": Case(torch.addmm, (_matrix(2), _matrix(3, 4), _matrix(4, 2))),
    "addmv": Case(torch.addmv, (_matrix(3), _matrix(3, 4), _matrix(4))),
    "baddbmm": Case(torch.baddbmm, (_matrix(2, 3, 5), _matrix(2, 3, 4), _matrix(2, 4, 5))),
    "linear": Case(functional.linear, (_matrix(5, 4), _matrix(3, 4), _matrix(3))),
    "softmax": Case(lambda a: torch.softmax(a, 0), (ANY,)),
    "log_softmax": Case(lambda a: torch.log_softmax(a, 0), (ANY,)),
    "reshape": Case(lambda a: a.reshape(4, 3), (_matrix(3, 4),), {"reshape": lambda a, shape=(4, 3): a.reshape(shape)}),
    "view": Case(lambda a: a.view(12), (_matrix(3, 4),), {"view": np.ravel}),
    "flatten": Case(torch.flatten, (_matrix(3, 4),), {"flatten": np.ravel}),
    "squeeze": Case(torch.squeeze, (_matrix(3, 1),), {"squeeze": np.squeeze}),
    "unsqueeze": Case(lambda a: a.unsqueeze(1), (_matrix(3),), {"unsqueeze": lambda a: a[:, None]}),
    "expand": Case(lambda a: a.expand(3, 4), (_matrix(3, 1),), {"expand": lambda a: np.broadcast_to(a, (3, 4))}),
    "broadcast_to": Case(lambda a: a.expand(3, 4), (_matrix(3, 1),), {"expand": lambda a: np.broadcast_to(a, (3, 4))}),
    "t": Case(torch.t, (_matrix(3, 4),)),
    "transpose": Case(lambda a: a.transpose(0, 2), (_matrix(2, 3, 4),), {"transpose": lambda a: a.swapaxes(0, 2)}),
    "permute": Case(
        lambda a: a.permute(2, 0, 1),
        (_matrix(2, 3, 4),),
        {"permute": lambda a: a.transpose(2, 0, 1), "permute_back": lambda g: g.transpose(1, 2, 0)},
    ),
    "cat": Case(
        lambda a, b: torch.cat([a, b]),
        (_matrix(2), _matrix(2)),
        {"cat": lambda *x: np.concatenate(x), "[...]": (lambda g: g[:2], lambda g: g[2:])},
    ),
    "stack": Case(
        lambda a, b: torch.stack([a, b]),
        (_matrix(2), _matrix(2)),
        {"stack": lambda *x: np.stack(x), "[...]": (lambda g: g[0], lambda g: g[1])},
    ),
    "getitem": Case(lambda a: a[[0, 0, 2]], (_matrix(3, 2),), taken([0, 0, 2], (3, 2))),
    "select": Case(lambda a: a.select(0, 1), (_matrix(3, 2),), taken(1, (3, 2))),
    "narrow": Case(lambda a: a.narrow(0, 1, 2), (_matrix(3, 2),), taken(slice(1, 3), (3, 2))),
    "slice": Case(lambda a: a[0:2], (_matrix(3, 2),), taken(slice(0, 2), (3, 2))),
    "diagonal": Case(torch.diagonal, (_matrix(3, 3),), {"diagonal": np.diagonal, "scatter": np.diag}),
    "gather": Case(
        lambda a, b: a.gather(0, b),
        (_matrix(3), torch.tensor([0, 0, 2, 1])),
        {"gather": pick, "scatter": scatter((3,))},
    ),
    "index_select": Case(
        lambda a, b: a.index_select(0, b),
        (_matrix(3, 2), torch.tensor([0, 0, 2])),
        {"index_select": pick, "scatter": scatter((3, 2))},
    ),
    "embedding": Case(
        functional.embedding,
        (torch.tensor([1, 1, 0]), _matrix(3, 2)),
        {"embedding": lambda a, b: pick(b, a), "scatter": scatter((3, 2))},
    ),
    "flip": Case(lambda a: a.flip(0), (_matrix(3, 2),), {"flip": np.flipud}),
    "roll": Case(
        lambda a: a.roll(1), (_matrix(4),), {"roll": lambda a: np.roll(a, 1), "roll_back": lambda g: np.roll(g, -1)}
    ),
    "pad": Case(
        lambda a: functional.pad(a, (1, 2)),
        (_matrix(3),),
        {"pad": lambda a: np.pad(a, (1, 2)), "crop": lambda g: g[1:-2]},
    ),
    "tril": Case(torch.tril, (_matrix(3, 3),)),
    "triu": Case(torch.triu, (_matrix(3, 3),)),
    "cumsum": Case(lambda a: a.cumsum(0), (ANY,)),
    "trace": Case(torch.trace, (_matrix(3, 4),)),
    "det": Case(torch.det, (_matrix(3, 3),)),
    "inverse": Case(torch.inverse, (_matrix(3, 3),)),
    "cosine_similarity": Case(lambda a, b: functional.cosine_similarity(a, b, dim=0), (ANY, OTHER)),
    "huber_loss": Case(functional.huber_loss, (ANY, OTHER)),
    "smooth_l1_loss": Case(functional.smooth_l1_loss, (ANY, OTHER)),
    "kl_div": Case(lambda a, b: functional.kl_div(a, b, reduction="none").mean(), (ANY, UNIT)),
    "nll_loss": Case(functional.nll_loss, (_matrix(3, 4), CLASSES), {"onehot": onehot(4)}),
    "cross_entropy": Case(functional.cross_entropy, (_matrix(3, 4), CLASSES), {"onehot": onehot(4)}),
    "layer_norm": Case(lambda a: functional.layer_norm(a, a.shape), (ANY,), {"epsilon": 1e-5}),
    "rms_norm": Case(lambda a: functional.rms_norm(a, a.shape, eps=1e-5), (ANY,), {"epsilon": 1e-5}),
    **{f"conv{number}d": convolution(number, bias=False) for number in (1, 2, 3)},
    **{f"conv{number}d/3": convolution(number, bias=True) for number in (1, 2, 3)},
    "conv_transpose2d": Case(
        lambda a, b: functional.conv_transpose2d(a.reshape(2, 3, 4, 5), b.reshape(3, 2, 2, 2)),
        (_matrix(2, 3, 20), _matrix(3, 8)),
        windows((5, 6), 2, 2),
    ),
    "max_pool1d": largest(1, 2, 4),
    "max_pool2d": largest(1, 2, 4, 4),
    "avg_pool1d": Case(lambda a: functional.avg_pool1d(a, 2), (_matrix(1, 2, 4),), SPREAD),
    "avg_pool2d": Case(lambda a: functional.avg_pool2d(a, 2), (_matrix(1, 2, 4, 4),), SPREAD),
    "adaptive_avg_pool2d": Case(lambda a: functional.adaptive_avg_pool2d(a, 2), (_matrix(1, 2, 4, 4),), SPREAD),
    "sum along a dimension": Case(lambda a: a.sum(1), (_matrix(3, 4),), COPIED),
    "mean along a dimension": Case(lambda a: a.mean(1), (_matrix(3, 4),), COPIED),
    "max/2": Case(torch.max, (ANY, OTHER)),
    "min/2": Case(torch.min, (ANY, OTHER)),
    "linear/2": Case(functional.linear, (_matrix(5, 4), _matrix(3, 4))),
    "leaky_relu/2": Case(lambda a, b: functional.leaky_relu(a, b.item()), (ANY, 0.2)),
    "elu/2": Case(lambda a, b: functional.elu(a, b.item()), (ANY, 1.7)),
    "hardtanh/3": Case(lambda a, b, c: functional.hardtanh(a, b.item(), c.item()), (ANY, -0.3, 1.7)),
}

FORMULAS = {
    **RULES,
    **{f"{name}/{count}": variant for (name, count), variant in VARIANTS.items()},
    **{f"{name} along a dimension": known for name, known in ALONG_A_DIMENSION.items()},
}
ONLY_NAMED = {
    name for name, known in FORMULAS.items() if not known.backward and re.fullmatch(r"\w+\([a-e, ]+\)", known.forward)
}
SHARED = [
    name
    for name, case in CASES.items()
    if name in ELEMENTWISE and len(case.operands) > 1 and name not in ("prelu", "masked_fill")
]


def test_every_rule_is_compared_with_torch_unless_it_only_says_what_was_called() -> None:
    assert FORMULAS.keys() - ONLY_NAMED == CASES.keys()
    assert (
        not {known.forward.partition("(")[0] for name, known in FORMULAS.items() if name in ONLY_NAMED}
        & FUNCTIONS.keys()
    )
    assert sum(bool(known.backward) for known in RULES.values()) >= 140


@pytest.mark.parametrize(("name", "rows"), [*((name, None) for name in CASES), *((name, 3) for name in SHARED)])
def test_formulas_compute_what_torch_computes_ties_included(name: str, rows: int | None) -> None:
    known, case = FORMULAS[name], CASES[name]
    operands = [
        x.clone() if isinstance(x, torch.Tensor) else torch.tensor(x, dtype=torch.float64) for x in case.operands
    ]
    if rows:  # then the other operands are broadcast
        operands[0] = operands[0].expand(rows, -1).clone()
    leaves = [operand.requires_grad_() for operand in operands if operand.is_floating_point()]
    out = case.function(*operands)
    g = torch.linspace(0.5, 2.0, out.numel(), dtype=torch.float64).reshape(out.shape)
    gradients = iter(torch.autograd.grad(out, leaves, g, allow_unused=True) if known.backward else [None] * len(leaves))
    wanted = [next(gradients) if operand.requires_grad else None for operand in operands]

    constants = {name: value for name, value in case.words.items() if isinstance(value, float)}
    values = {
        **dict(zip("abc", (x.detach().numpy() for x in operands), strict=False)),
        "out": out.detach().numpy(),
        "g": g.numpy(),
        **constants,
    }
    words = [
        {name: value[i] if isinstance(value, tuple) else value for name, value in case.words.items()}
        for i in range(len(operands))
    ]
    assert_close(np.broadcast_to(evaluate(known.forward, values, words[0]), out.shape), out.detach())
    assert len(known.backward) <= len(operands)
    flows = [
        contributions(row, values, words, operands)
        for row in (known.backward, *known.conventions)
        if len(row) >= len(known.backward)
    ]
    passed = [
        pair
        for pair in zip(min(flows, key=lambda row: furthest(row, wanted)), wanted, strict=False)
        if pair[1] is not None
    ]
    for mine, theirs in passed:
        assert_close(mine, theirs)


def contributions(
    row: tuple[str, ...], values: dict[str, Any], words: list[dict[str, Any]], operands: list[torch.Tensor]
) -> list[torch.Tensor]:
    """What these backward formulas send to each operand."""
    found = []
    for formula, operand, meanings in zip(row, operands, words, strict=False):
        flowed = torch.tensor(evaluate(formula, values, meanings) + np.zeros(()))
        found.append(
            (flowed if flowed.dim() >= operand.dim() else flowed.expand_as(operand)).sum_to_size(operand.shape)
        )
    return found


def furthest(row: list[torch.Tensor], wanted: list[torch.Tensor | None]) -> float:
    """How far what flows by these formulas is from torch's gradients; versions of torch differ where a derivative
    jumps.
    """
    return max(
        (float((mine - theirs).abs().max()) for mine, theirs in zip(row, wanted, strict=False) if theirs is not None),
        default=0.0,
    )


COARSE = {"hardsigmoid": torch.float64}  # torch's own has single precision inside
HALF = {"float16": "Half", "bfloat16": "BFloat16"}  # as torch's errors call them
REFUSED = (  # what torch says of an operation that it does not have in a precision
    "\"\\w+\" not implemented for '{0}'$",
    "^linalg\\.\\w+: Low precision dtypes not supported\\. Got {0}$",
)
NOT_IN_HALF = {"det", "inverse"}  # what the pinned torch has in neither half precision


def refuses(error: RuntimeError, exact: str) -> bool:
    """Whether torch says that it has no such operation in this half precision, and nothing else."""
    first = str(error).partition("\n")[0]
    return exact in HALF and any(re.search(words.format(HALF[exact]), first) for words in REFUSED)


@pytest.mark.parametrize(
    "dtype",
    [torch.float64, torch.float32, torch.float16, torch.bfloat16],
    ids=lambda dtype: str(dtype).removeprefix("torch."),
)
@pytest.mark.parametrize("name", CASES)
def test_what_torch_rounds_lies_within_the_doubt_about_the_formula(name: str, dtype: torch.dtype) -> None:
    known, case, exact = FORMULAS[name], CASES[name], str(dtype).removeprefix("torch.")
    given = [x.clone() if isinstance(x, torch.Tensor) else torch.tensor(x, dtype=torch.float64) for x in case.operands]
    operands = [x.to(dtype).requires_grad_() if x.is_floating_point() else x for x in given]
    try:
        out = case.function(*operands)
        g = torch.linspace(0.5, 2.0, out.numel(), dtype=torch.float64).reshape(out.shape).to(out.dtype)
        gradients = iter(
            torch.autograd.grad(out, [x for x in operands if x.requires_grad], g, allow_unused=True)
            if known.backward
            else [None] * 9
        )
    except RuntimeError as error:
        if not refuses(error, exact) or (is_pinned_torch() and name not in NOT_IN_HALF):
            raise
        return
    assert name not in NOT_IN_HALF or exact not in HALF or not is_pinned_torch()
    wanted = [next(gradients) if operand.requires_grad else None for operand in operands]
    constants = {word: value for word, value in case.words.items() if isinstance(value, float)}
    arrays = [x.detach().double().numpy() for x in (*operands, out, g)]
    values = {**dict(zip("abc", arrays, strict=False)), "out": arrays[-2], "g": arrays[-1], **constants}
    for place, (formula, wants) in enumerate([(known.forward, out), *zip(known.backward, wanted, strict=False)]):
        words = {
            word: value[max(place - 1, 0)] if isinstance(value, tuple) else value for word, value in case.words.items()
        }
        if wants is None or COARSE.get(name) == dtype or "..." in formula or set(words) & {"cat", "stack"}:
            continue
        # where the derivative jumps, versions of torch take one of several conventions
        others = [formulas[place - 1] for formulas in known.conventions if 0 < place <= len(formulas)]
        array, part, fitting = wants.detach().double().numpy(), rounding_share(exact), []
        for one in (formula, *others):
            found = flowed(doubted(one, values, part, more=words), array.shape, part)
            assert found is not None
            fitting.append(equal(found.value, array, found.off + smallest(exact), exact))
        assert any(fitting), formula


def assert_close(mine: Any, theirs: torch.Tensor) -> None:
    # torch's own hardsigmoid has single precision inside
    np.testing.assert_allclose(np.asarray(mine), theirs.numpy(), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if ELEMENTWISE[name].backward])
def test_a_local_derivative_is_the_contribution_with_upstream_one(name: str) -> None:
    values = {"a": 0.3, "b": 0.6, "c": 0.9, "out": 0.7}
    for formula in ELEMENTWISE[name].backward:
        local, flowed = (evaluate(formula, {**values, "g": g}) for g in (1.0, -2.5))
        assert flowed == pytest.approx(-2.5 * local, nan_ok=True)


def test_what_has_no_meaning_in_numbers_is_not_computed() -> None:
    for formula in ("shuffle(a)", "z + 1", "a[...]"):
        with pytest.raises(ExpressionError, match="cannot be computed"):
            evaluate(formula, {"a": 1.0})


# --- kinks ---------------------------------------------------------------------------------------------------------

SLOPES = {name: known for name, known in FORMULAS.items() if known.kink and name in CASES}


@pytest.mark.parametrize("name", SLOPES)
def test_a_kink_is_where_the_slopes_on_both_sides_differ(name: str) -> None:
    known, case = FORMULAS[name], CASES[name]
    operands = [np.asarray(x, np.float64) for x in case.operands]
    h = 1e-6

    def result(first: Any) -> Any:
        return case.function(*(torch.tensor(x) for x in (first, *operands[1:]))).sum().item()

    def named(first: Any) -> dict[str, Any]:
        return {
            "a": first,
            "b": operands[1] if len(operands) > 1 else None,
            "c": operands[2] if len(operands) > 2 else None,
        }

    marked = np.broadcast_to(
        evaluate(known.kink, {**named(operands[0]), "out": case.function(*map(torch.tensor, operands)).numpy()}),
        operands[0].shape,
    )
    for i in range(operands[0].size):
        ahead, back = operands[0].copy(), operands[0].copy()
        ahead.flat[i] += h
        back.flat[i] -= h
        right, left = (result(ahead) - result(operands[0])) / h, (result(operands[0]) - result(back)) / h
        assert bool(marked.flat[i]) == (abs(right - left) > 1e-3 or abs(right) > 1e3), (
            name,
            operands[0].flat[i],
            left,
            right,
        )


NAMES = (
    {},
    {"a": "x_1", "b": "fc.weight", "out": "σ(z)", "g": "∂L"},
    {"a": "−2", "b": "0.5", "c": "1.2e−5", "g": "1", "out": "∞"},
)


# --- names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMULAS)
def test_every_rule_can_be_written_in_every_language(name: str) -> None:
    from matplotlib.mathtext import MathTextParser

    mathtext = MathTextParser("path")
    known = FORMULAS[name]
    assert 1 <= len(known.symbol) <= 5
    assert known.title
    for names in NAMES:
        for formula in (known.forward, *known.backward):
            assert to_unicode(formula, names)
            assert formula_to_latex(formula, names).count("{") == formula_to_latex(formula, names).count("}")
            assert ElementTree.fromstring(formula_to_html(formula, names)).tag == "math"
            mathtext.parse(f"${to_mathtext(formula, names)}$")


def test_a_real_latex_compiles_every_formula(tmp_path: Path) -> None:
    needs_tool("pdflatex")
    formulas = [
        formula_to_latex(text, names)
        for known in FORMULAS.values()
        for text in (known.forward, *known.backward)
        for names in NAMES
    ]
    lines = "\n\n".join(f"${formula}$" for formula in formulas)
    (tmp_path / "all.tex").write_text(
        f"\\documentclass{{article}}\n\\begin{{document}}\n{lines}\n\\end{{document}}\n", "utf-8"
    )
    run = subprocess.run(
        ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "all.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stdout[-2000:]
    assert len(formulas) > 800


def test_aliases_and_operators_lead_to_rules() -> None:
    assert {name.removesuffix("_") for name in (*ALIASES.values(), *OPERATORS.values())} <= RULES.keys()
    assert not ALIASES.keys() & RULES.keys()
    assert ALIASES.keys() >= REFLECTED


@pytest.mark.parametrize(
    ("aten", "written"),
    [
        ("_softmax", "softmax"),
        ("aten::add_.Tensor", "add_"),
        ("aten.native_layer_norm.default", "layer_norm"),
        ("rsub", "sub"),
        ("sin", "sin"),
        ("_scaled_dot_product_flash_attention_for_cpu", "scaled_dot_product_attention"),
        ("clip_", "clamp_"),
        ("__radd__", "add"),
        ("__iadd__", "add_"),
        ("_private", "_private"),
        ("__and__", "__and__"),
        ("maximum", "maximum"),
    ],
)
def test_written_names_are_what_people_write(aten: str, written: str) -> None:
    assert public_name(aten) == written


def test_unknown_operations_still_have_a_formula_that_can_be_written() -> None:
    assert rule("foo") == Rule("", "foo(a, b)")
    assert rule("add_") is RULES["add"]
    assert rule("max", 2) is RULES["maximum"]
    assert rule("max", 1) is RULES["max"]
    for name in ("lambda", "My.Function", "2d", "", "漢", "a'b"):
        assert to_unicode(rule(name, 9).forward).endswith("(a, b, c, d, e, f)")
