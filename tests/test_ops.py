"""Every formula in RULES is evaluated against torch, and every rule can be written in every language."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest
import torch
from torch.nn import functional

from graphviz_ad.formulas import to_html, to_latex, to_mathtext, to_unicode
from graphviz_ad.ops import ALIASES, ELEMENTWISE, OPERATORS, REFLECTED, RULES, VARIANTS, Rule, rule, written_name

# --- an evaluator for formulas -------------------------------------------------------------------------------------

_OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.Pow: operator.pow,
    ast.MatMult: operator.matmul, ast.USub: operator.neg, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Lt: operator.lt,
    ast.LtE: operator.le, ast.Eq: operator.eq,
}  # fmt: skip


def _tensor(x: Any) -> torch.Tensor:
    return torch.as_tensor(x, dtype=torch.float64) if not isinstance(x, torch.Tensor) else x


def _where(condition: Any, first: Any, second: Any) -> torch.Tensor:
    return torch.where(_tensor(condition).bool(), _tensor(first), _tensor(second))


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "max": lambda *x: torch.maximum(*map(_tensor, x)) if len(x) == 2 else torch.max(x[0]),
    "min": lambda *x: torch.minimum(*map(_tensor, x)) if len(x) == 2 else torch.min(x[0]),
    "where": _where,
    "sqrt": lambda x: torch.sqrt(_tensor(x)),
    "log": lambda x: torch.log(_tensor(x)),
    "numel": lambda x: x.numel(),
    "shape": lambda x: x.shape,
    "reshape": torch.reshape,
}


def evaluate(formula: str, values: Mapping[str, Any]) -> Any:
    def value(node: ast.AST) -> Any:
        match node:
            case ast.Constant(value=number):
                return number
            case ast.Name(id=name):
                return math.pi if name == "pi" else values[name]
            case ast.UnaryOp(op=sign, operand=operand):
                return _OPERATORS[type(sign)](value(operand))
            case ast.BinOp(left=left, op=sign, right=right):
                return _OPERATORS[type(sign)](value(left), value(right))
            case ast.Compare(left=left, ops=signs, comparators=others):
                operands = [value(left), *map(value, others)]
                parts = [_OPERATORS[type(sign)](*pair) for sign, *pair in zip(signs, operands, operands[1:], strict=False)]
                return torch.stack(torch.broadcast_tensors(*parts)).all(0)
            case ast.Attribute(value=operand, attr="T"):
                return value(operand).mT
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return (_FUNCTIONS.get(name) or getattr(torch, name))(*map(value, arguments))
        raise AssertionError(f"no evaluator for {ast.unparse(node)}")

    return value(ast.parse(formula, mode="eval").body)


# --- what each rule is compared with -------------------------------------------------------------------------------


class Case(NamedTuple):
    function: Callable[..., Any]
    operands: tuple[Any, ...]


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
    **{name: Case(getattr(torch, name), (POSITIVE,)) for name in ("log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal")},
    **{name: Case(getattr(torch, name), (INSIDE,)) for name in ("asin", "acos", "atanh")},
    **{
        name: Case(getattr(functional, name), (ANY,))
        for name in ("logsigmoid", "relu6", "leaky_relu", "elu", "gelu", "silu", "softplus", "softsign", "tanhshrink", "hardtanh")
    },
    **{name: Case(getattr(torch, name), (ANY, OTHER)) for name in ("add", "sub", "mul", "maximum", "minimum", "logaddexp", "clamp_min", "clamp_max")},
    **{name: Case(getattr(torch, name), (SMOOTH, NONZERO)) for name in ("div", "atan2", "hypot", "fmod", "remainder")},
    **{name: Case(getattr(torch, name), (ANY,)) for name in ("sum", "mean", "var", "std", "norm", "max", "min", "amax", "amin")},
    **{name: Case(getattr(functional, name), (ANY, OTHER)) for name in ("mse_loss", "l1_loss")},
    **{name: Case(getattr(torch, name), (_matrix(3, 4), _matrix(4, 2))) for name in ("matmul", "mm")},
    "acosh": Case(torch.acosh, (ABOVE_ONE,)),
    "pow": Case(torch.pow, (POSITIVE, OTHER)),
    "logit": Case(torch.logit, (UNIT,)),
    "xlogy": Case(torch.xlogy, (ANY, POSITIVE)),
    "prelu": Case(functional.prelu, (ANY, (0.25,))),
    "hardsigmoid": Case(functional.hardsigmoid, ((*SMOOTH[:-1], 4.0),)),
    "clamp": Case(torch.clamp, (ANY, (-1.0, -1.0, -2.0, 0.0, 0.1, 0.2, 0.3, 0.4), (2.0, 2.0, -1.0, 1.0, 0.4, 1.0, 1.5, 0.5))),
    "where": Case(torch.where, (MASK, ANY, OTHER)),
    "masked_fill": Case(torch.masked_fill, (ANY, MASK, 3.0)),
    "lerp": Case(torch.lerp, (ANY, OTHER, UNIT)),
    "addcmul": Case(torch.addcmul, (ANY, OTHER, UNIT)),
    "addcdiv": Case(torch.addcdiv, (ANY, OTHER, NONZERO)),
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
    "reshape": Case(lambda a: a.reshape(4, 3), (_matrix(3, 4),)),
    "view": Case(lambda a: a.view(12), (_matrix(3, 4),)),
    "flatten": Case(torch.flatten, (_matrix(3, 4),)),
    "squeeze": Case(torch.squeeze, (_matrix(3, 1),)),
    "unsqueeze": Case(lambda a: a.unsqueeze(1), (_matrix(3),)),
    "expand": Case(lambda a: a.expand(3, 4), (_matrix(3, 1),)),
    "broadcast_to": Case(lambda a: a.expand(3, 4), (_matrix(3, 1),)),
    "t": Case(torch.t, (_matrix(3, 4),)),
    "max/2": Case(torch.max, (ANY, OTHER)),
    "min/2": Case(torch.min, (ANY, OTHER)),
    "linear/2": Case(functional.linear, (_matrix(5, 4), _matrix(3, 4))),
    "leaky_relu/2": Case(lambda a, b: functional.leaky_relu(a, b.item()), (ANY, 0.2)),
    "elu/2": Case(lambda a, b: functional.elu(a, b.item()), (ANY, 1.7)),
    "hardtanh/3": Case(lambda a, b, c: functional.hardtanh(a, b.item(), c.item()), (ANY, -0.3, 1.7)),
}

FORMULAS = {**RULES, **{f"{name}/{count}": variant for (name, count), variant in VARIANTS.items()}}
RESHAPED = [RULES[name] for name in ("reshape", "view", "flatten", "squeeze", "unsqueeze", "expand", "broadcast_to")]
EXACT = {name: known for name, known in FORMULAS.items() if known.backward}


SHARED = [name for name, case in CASES.items() if name in ELEMENTWISE and len(case.operands) > 1 and name not in ("prelu", "masked_fill")]


@pytest.mark.parametrize(("name", "rows"), [*((name, None) for name in EXACT), *((name, 3) for name in SHARED)])
def test_formulas_compute_what_torch_computes_ties_included(name: str, rows: int | None) -> None:
    known, case = EXACT[name], CASES[name]
    operands = [x.clone() if isinstance(x, torch.Tensor) else torch.tensor(x, dtype=torch.float64) for x in case.operands]
    if rows:  # then the other operands are broadcast
        operands[0] = operands[0].expand(rows, -1).clone()
    leaves = [operand.requires_grad_() for operand in operands if operand.is_floating_point()]
    out = case.function(*operands)
    g = torch.linspace(0.5, 2.0, out.numel(), dtype=torch.float64).reshape(out.shape)
    gradients = iter(torch.autograd.grad(out, leaves, g, allow_unused=True))
    wanted = [next(gradients) if operand.requires_grad else None for operand in operands]

    values = {**dict(zip("abc", (operand.detach() for operand in operands), strict=False)), "out": out.detach(), "g": g}
    if known not in RESHAPED:
        _assert_close(_tensor(evaluate(known.forward, values)).expand_as(out), out.detach())
    assert len(known.backward) <= len(operands)
    for formula, operand, gradient in zip(known.backward, operands, wanted, strict=False):
        if gradient is not None:
            flowed = _tensor(evaluate(formula, values))
            whole = flowed if flowed.dim() >= operand.dim() else flowed.expand_as(operand)
            _assert_close(whole.sum_to_size(operand.shape), gradient)


def _assert_close(mine: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(mine, theirs, rtol=1e-7, atol=1e-7)  # torch's own hardsigmoid has single precision inside


def test_every_formula_has_a_case() -> None:
    assert EXACT.keys() == CASES.keys()


@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if ELEMENTWISE[name].backward])
def test_a_local_derivative_is_the_contribution_with_upstream_one(name: str) -> None:
    values = {"a": torch.tensor(0.3), "b": torch.tensor(0.6), "c": torch.tensor(0.9), "out": torch.tensor(0.7)}
    for formula in ELEMENTWISE[name].backward:
        local, flowed = (_tensor(evaluate(formula, {**values, "g": torch.tensor(g)})) for g in (1.0, -2.5))
        torch.testing.assert_close(flowed.double(), -2.5 * local.double(), equal_nan=True)


# --- names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMULAS)
def test_every_rule_can_be_written_in_every_language(name: str) -> None:
    from matplotlib.mathtext import MathTextParser

    mathtext = MathTextParser("path")
    known = FORMULAS[name]
    assert 1 <= len(known.symbol) <= 5
    assert known.title
    for names in ({}, {"a": "x_1", "b": "fc.weight", "out": "σ(z)"}, {"a": "−2", "b": "0.5", "c": "1.2e−5", "g": "1", "out": "∞"}):
        for formula in (known.forward, *known.backward):
            assert to_unicode(formula, names)
            assert to_latex(formula, names).count("{") == to_latex(formula, names).count("}")
            assert to_html(formula, names).startswith("<math>")
    for formula in (known.forward, *known.backward):
        mathtext.parse(f"${to_mathtext(formula, {'a': 'x_1', 'b': '−2', 'c': '1.2e−5', 'out': 'σ(z)', 'g': 'fc.weight'})}$")


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
    assert written_name(aten) == written


def test_unknown_operations_still_have_a_formula_that_can_be_written() -> None:
    assert rule("foo") == Rule("", "foo(a, b)")
    assert rule("add_") is RULES["add"]
    assert rule("max", 2) is RULES["maximum"]
    assert rule("max", 1) is RULES["max"]
    for name in ("lambda", "My.Function", "2d", "", "漢", "a'b"):
        assert to_unicode(rule(name, 9).forward).endswith("(a, b, c, d, e, f)")
