"""What a user wrote in Python stands on the picture as mathematics, and nothing is left out or made up."""

from __future__ import annotations

import pytest

from graphviz_ad._internal.maths.program_text import mathematical

NAMES = {name: name for name in ("w", "h", "u", "x", "b", "z", "W", "S", "e")}


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("torch.tanh(w * h + u * x + b)", "tanh(w·h + u·x + b)"),
        ("(h - 1) ** 2", "(h − 1)²"),
        ("((x - b) ** 2).mean()", "mean((x − b)²)"),
        ("torch.exp(z - z.max())", "exp(z − max(z))"),
        ("torch.softmax(S, dim=-1)", "softmax(S, dim=−1)"),
        ("W @ x.T / 2 ** 0.5", "(W @ xᵀ) / 2^0.5"),
        ("torch.matmul(x, w) + b", "x @ w + b"),
        ("torch.sqrt(z + 1e-05)", "√(z + 1e−5)"),
        ("self.w * x + self.fc1(x)", "w·x + fc1(x)"),
        ("F.relu(x[:, 0] + x[-1])", "ReLU(x[:, 0] + x[−1])"),
        ("-(x / (b - 1)) * 2", "(−x / (b − 1))·2"),
        ("(h * 2, h * 3)", "h·2, h·3"),
        ("x if x > 0 else -x", "x if x > 0 else -x"),
        ("[w * a for a in x]", "[w * a for a in x]"),
        ("x // 2", "x // 2"),
        ("F.sum() if False else h", "F.sum() if False else h"),
        ("helper.scale(x)", "helper.scale(x)"),
        ("x.reshape(2, -1)", "reshape(x, 2, −1)"),
        ("f(*x, **z)", "f(*x, **z)"),
    ],
)
def test_python_is_written_as_mathematics(written: str, shown: str) -> None:
    assert mathematical(written, NAMES) == shown


def test_variables_have_the_names_of_the_picture() -> None:
    assert mathematical("w * h + self.fc.weight", {"h": "h₁", "fc.weight": "fc.weight"}) == "w·h₁ + fc.weight"
    assert mathematical("F.sum() + F", {"F": "F"}) == "sum(F) + F"  # a tensor of the user's, not the library


def test_names_of_the_program_are_data() -> None:
    assert mathematical("x * h", {"x": "<b>\u202ex", "h": "a + b"}) == r"(<b>\u202Ex)·(a + b)"


def test_what_is_no_expression_is_none() -> None:
    assert mathematical("x +", {}) is None
    assert mathematical("-" * 5000 + "x", {}) is None
