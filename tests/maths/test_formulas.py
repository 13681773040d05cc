"""Formulas in Unicode, mathtext, LaTeX and MathML; names that people chose are harmless in all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from matplotlib.mathtext import MathTextParser

from graphviz_ad._internal.base.errors import ExpressionError
from graphviz_ad._internal.maths.formula_letters import GREEK
from graphviz_ad._internal.maths.formulas import formula_to_html, formula_to_latex, to_mathtext, to_unicode
from graphviz_ad._internal.maths.set_names import set_name, set_names
from graphviz_ad._internal.maths.tex_labels import tex_to_unicode

LETTERS = {"a": "x", "b": "y", "c": "z", "out": "w"}
NUMBERS = {"a": "−2", "b": "−4", "c": "0.5", "out": "1.2e−5", "g": "1"}
MATHTEXT = MathTextParser("path")


@pytest.mark.parametrize(
    ("formula", "letters", "numbers"),
    [
        ("a + b", "x + y", "−2 + (−4)"),
        ("c + b", "z + y", "0.5 + (−4)"),
        ("a - (b + c)", "x − (y + z)", "−2 − (−4 + 0.5)"),
        ("a * b", "x·y", "−2 × (−4)"),
        ("2 * a", "2x", "2 × (−2)"),
        ("g * cos(c)", "g·cos(z)", "1 × cos(0.5)"),
        ("a / b", "x / y", "−2 / (−4)"),
        ("a / b * c", "(x / y)·z", "(−2 / (−4)) × 0.5"),
        ("-g * a / b ** 2", "−g·x / y²", "−1 × (−2) / (−4)²"),
        ("a ** 3", "x³", "(−2)³"),
        ("a ** b", "x^y", "(−2)⁻⁴"),
        ("c ** a ** c", "z^(x^z)", "0.5^((−2)^0.5)"),
        ("g * b * a ** (b - 1)", "g·y·x^(y − 1)", "1 × (−4) × (−2)⁻⁵"),
        ("out ** 2", "w²", "(1.2e−5)²"),
        ("-(-a)", "−(−x)", "−(−(−2))"),
        ("-a ** 2", "−x²", "−(−2)²"),
        ("-(a + b)", "−(x + y)", "−(−2 + (−4))"),
        ("sqrt(c)", "√z", "√0.5"),
        ("sqrt(a + 1)", "√(x + 1)", "√(−2 + 1)"),
        ("sqrt(c) ** 3", "(√z)³", "(√0.5)³"),
        ("exp(a) * log(c)", "exp(x)·ln(z)", "exp(−2) × ln(0.5)"),
        ("max(a, b)", "max(x, y)", "max(−2, −4)"),
        ("abs(a - b)", "|x − y|", "|−2 − (−4)|"),
        ("sigmoid(a)", "σ(x)", "σ(−2)"),
        ("where(c, a, b)", "where(z, x, y)", "where(0.5, −2, −4)"),
        ("g * (b <= a <= c)", "g·(y ≤ x ≤ z)", "1 × (−4 ≤ −2 ≤ 0.5)"),
        ("a.T @ g", "xᵀ @ g", "(−2)ᵀ @ 1"),
        ("(a * b) @ c", "(x·y) @ z", "(−2 × (−4)) @ 0.5"),
        ("a[...]", "x[…]", "(−2)[…]"),
        ("alpha * a", "α·x", "α × (−2)"),
        ("a[b] - c", "x[y] − z", "(−2)[−4] − 0.5"),
        ("partial(a, b) * partial(b, c)", "∂x/∂y·∂y/∂z", "∂(−2)/∂(−4)·∂(−4)/∂0.5"),
        ("inverse(a).T @ b", "(x⁻¹)ᵀ @ y", "((−2)⁻¹)ᵀ @ (−4)"),
    ],
)
def test_unicode_has_parentheses_where_precedence_needs_them(formula: str, letters: str, numbers: str) -> None:
    assert to_unicode(formula, LETTERS) == letters
    assert to_unicode(formula, NUMBERS) == numbers


@pytest.mark.parametrize(
    ("formula", "names", "tex"),
    [
        ("a * b", {"a": "x₂", "b": "h₁"}, r"x_{2} \cdot h_{1}"),
        ("a * b", NUMBERS, r"-2 \times \left(-4\right)"),
        ("a / (b + 1)", LETTERS, r"\frac{x}{y + 1}"),
        ("exp(a) ** 2", LETTERS, r"\left(e^{x}\right)^{2}"),
        ("sqrt(a) @ b.T", LETTERS, r"\sqrt{x} \, y^{\top}"),
        ("a * g", {"a": "fc1.weight"}, r"\mathrm{fc1.weight} \cdot g"),
        ("a * sigma", {"a": "σ(z)"}, r"\sigma (z) \cdot \sigma "),
        ("a * alpha_1", {"a": "1.2e−5"}, r"1.2 \times 10^{-5} \times \alpha_{1}"),
        ("a ** 2", {"a": "W_xh"}, r"\mathrm{W\_xh}^{2}"),
        ("a + lambda_", {"a": "∞"}, r"\infty + \lambda "),
        ("a", {"a": "x²"}, r"x{}^{2}"),
        ("asin(a) + floor(a)", LETTERS, r"\arcsin\left(x\right) + \left\lfloor x \right\rfloor"),
        ("a[...]", LETTERS, r"x[\ldots]"),
        ("-mean(a[b])", LETTERS, r"-\mathrm{mean}\left(x[y]\right)"),
        (
            "partial(a, b) * partial(b, c)",
            {"a": "q₁", "b": "fc.weight", "c": "x₂"},
            (
                r"\frac{\partial q_{1}}{\partial \mathrm{fc.weight}} \cdot \frac{\partial \mathrm{fc.weight}}{\partial"
                r" x_{2}}"
            ),
        ),
        ("inverse(a)", LETTERS, r"x^{-1}"),
        ("a", {"a": "[1, 2]"}, r"[1,\ 2]"),
        ("a", {"a": "[[1, 2], x]"}, r"[[1,\ 2],\ x]"),
    ],
)
def test_tex_sets_fractions_roots_and_subscripts(formula: str, names: Mapping[str, str], tex: str) -> None:
    assert formula_to_latex(formula, names) == to_mathtext(formula, names) == tex


def test_latex_escapes_every_special_character() -> None:
    assert formula_to_latex("a", {"a": r"#$%&~^\{}_"}) == r"{\#}\$\%\&{\sim}{\wedge}{\backslash}\{\}\mathrm{\_}"
    assert to_mathtext("a", {"a": "R&D"}) == r"R&D"


def test_html_is_mathml() -> None:
    assert (
        formula_to_html("a / 2", {"a": "x₂"})
        == "<math><mfrac><msub><mi>x</mi><mn>2</mn></msub><mn>2</mn></mfrac></math>"
    )
    assert "<script>" not in formula_to_html("a", {"a": "<script>"})
    assert "&lt;script&gt;" in formula_to_html("a", {"a": "<script>"})
    assert (
        formula_to_html("partial(a, b)", {"a": "f", "b": "x₂"})
        == "<math><mfrac><mrow><mo>∂</mo><mi>f</mi></mrow><mrow><mo>∂</mo><msub><mi>x</mi><mn>2</mn></msub></mrow></mfrac></math>"  # noqa: E501
    )
    for formula in ("-sqrt(a) ** b", "a[b]", "inverse(a)", "exp(a) * abs(b)", "foo(a, b) @ a.T", "a[...] > 0"):
        ElementTree.fromstring(formula_to_html(formula))


def test_matrices_stand_in_brackets_where_a_language_has_them() -> None:
    names = {"a": "[[1, −2.5], [1.2e−5, ∞]]"}
    assert to_unicode("a", names) == names["a"]
    tex = r"\left[\begin{array}{rr} 1 & -2.5 \\ 1.2 \times 10^{-5} & \infty \end{array}\right]"
    assert formula_to_latex("a", names) == tex
    MATHTEXT.parse(f"${to_mathtext('a', names)}$")
    table = ElementTree.fromstring(formula_to_html("a @ b", names | {"b": "[[1], [2]]"}))
    assert [len(rows) for rows in table.iter("mtable")] == [2, 2]
    assert ["".join(cell.itertext()) for cell in table.iter("mtd")] == ["1", "−2.5", "1.2e−5", "∞", "1", "2"]


@settings(deadline=None, max_examples=60)
@given(some.text(max_size=20))
def test_hostile_names_are_harmless(name: str) -> None:
    names = {"a": name, "b": name}
    formula = "-sin(a) * b ** 2 / sqrt(a) + a.T @ exp(b)"
    MATHTEXT.parse(f"${to_mathtext('a ** 2 * sin(b)', names)}$")
    ElementTree.fromstring(formula_to_html(formula, names))
    assert "\u202e" not in to_unicode(formula, names)
    plain = re.sub(r"\\(?:[A-Za-z]+|[#$%&{} _,|])", "", formula_to_latex(formula, names))  # commands and escapes aside
    assert not re.search(r"[\\#$%&~]", plain)
    assert plain.count("{") == plain.count("}")


@pytest.mark.parametrize(
    "formula",
    ["", "a +", "a[0]", "lambda: a", "'a'", "a.real", "f(x=1)", "a and b", "a is b", "a\0", "a % b", "x := 1"],
)
def test_what_is_no_formula_is_refused(formula: str) -> None:
    with pytest.raises(ExpressionError):
        to_unicode(formula)


def test_greek_words_become_letters_in_every_language() -> None:
    for word, letter in GREEK.items():
        name = f"{word}_" if word == "lambda" else word
        assert to_unicode(name) == letter
        assert formula_to_latex(name).strip() == f"\\{word}"
        assert formula_to_html(name).count(letter) == 1


def test_names_of_the_program_are_in_a_line_of_text_what_they_are_on_the_rest_of_the_picture() -> None:
    names = {"a": "mu", "b": "θ₁", "c": "loss_mu"}
    assert to_unicode("a * b - sin(c) + pi", names) == "mu·θ₁ − sin(loss_mu) + π"
    assert formula_to_latex("a * b", names) == r"\mathrm{mu} \cdot \theta_{1}"


@pytest.mark.parametrize(
    ("name", "text", "tex"),
    [
        ("x1", "x₁", "x_{1}"),
        ("h_2", "h₂", "h_{2}"),
        ("w12", "w₁₂", "w_{12}"),
        ("theta", "θ", r"\theta "),
        ("theta_1", "θ₁", r"\theta_{1}"),
        ("lambda_", "λ", r"\lambda "),
        ("μ", "μ", r"\mu "),
        ("num1", "num₁", r"\mathrm{num}_{1}"),
        ("W_q", "W_q", "W_{q}"),
        ("nu_k", "ν_k", r"\nu_{k}"),
        ("loss", "loss", r"\mathrm{loss}"),
        ("a_b_c", "a_b_c", r"\mathrm{a\_b\_c}"),
        ("x__1", "x__1", r"\mathrm{x\_\_1}"),
        ("x1_2", "x1_2", r"\mathrm{x1\_2}"),
        ("x_", "x_", r"\mathrm{x\_}"),
        ("_1", "_1", r"\mathrm{\_1}"),
        ("hidden1", "hidden1", r"\mathrm{hidden1}"),
        ("x1024", "x1024", r"\mathrm{x1024}"),
        ("fc1.weight", "fc1.weight", r"\mathrm{fc1.weight}"),
        ("<b>", "<b>", None),
        (r"\alpha", r"\alpha", None),
    ],
)
def test_a_name_has_a_subscript_where_that_is_sure_to_be_meant(name: str, text: str, tex: str | None) -> None:
    shown = set_name(name)
    assert shown == text
    assert set_name(shown) == shown
    assert to_unicode("a", {"a": shown}) == text
    if tex is not None:
        assert formula_to_latex("a", {"a": shown}) == tex
    ElementTree.fromstring(formula_to_html("a", {"a": shown}))


@given(some.lists(some.from_regex(r"[a-zμθ]{1,5}_{0,2}[0-9]{0,2}|theta_?[0-9]?|mu|W_q", fullmatch=True), max_size=8))
def test_no_two_names_look_alike_once_they_are_set(names: list[str]) -> None:
    shown = set_names(names)
    assert len(set(shown.values())) == len(set(names))


@pytest.mark.parametrize(
    ("exponent", "in_text", "in_latex"),
    [
        ("3", "3x²", r"3x^{2}"),
        ("2", "2x", r"2x"),
        ("−1", "−x⁻²", r"-x^{-2}"),
        ("0.5", "0.5x^(−0.5)", r"0.5x^{-0.5}"),
        ("n", "n·x^(n − 1)", r"n \cdot x^{n - 1}"),
    ],
)
def test_an_exponent_that_is_a_number_less_one_is_worked_out(exponent: str, in_text: str, in_latex: str) -> None:
    names = {"a": "x", "b": exponent}
    assert to_unicode("b * a ** (b - 1)", names) == in_text
    assert formula_to_latex("b * a ** (b - 1)", names) == in_latex
    ElementTree.fromstring(formula_to_html("b * a ** (b - 1)", names))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("$\\sigma$", "σ"),
        (r"$\alpha_1$", "α₁"),
        ("$x^2$", "x²"),
        (r"$\sigma(Wx + b)$", "σ(Wx + b)"),
        (r"$\mathrm{ReLU}(x)$", "ReLU(x)"),
        (r"$x_{ij}^{T}$", "xᵢⱼᵀ"),
        (r"$\frac{1}{2}$-layer", "1/2-layer"),
        (r"$\frac{a+b}{2}$", "(a+b)/2"),
        (r"$\sqrt{x+1}$", "√(x+1)"),
        (r"$W^\top$", "Wᵀ"),
        (r"$a \cdot b$ and $\beta$", "a · b and β"),
        (r"$\tanh x$", "tanh x"),
        ("plain_text^2", "plain_text^2"),
        ("costs $5", "costs $5"),
        (r"$\hat{x}$", r"\hat{x}"),
        ("$x_$", "x_"),
        ("${x$", "{x"),
        ("$x}$", "x}"),
        ("$x^{q}$", "x^{q}"),
        ("$$", ""),
        (r"$a\_b\,c\!$", "a_b c"),
        (r"$x^{-1}$", "x⁻¹"),
        (r"\$5 and \$6", r"\$5 and \$6"),
        ("", ""),
        (r"$\frac{1}$", r"\frac{1}"),
    ],
)
def test_tex_labels_become_plain_text(text: str, shown: str) -> None:
    assert tex_to_unicode(text) == shown


@given(some.text("$\\{}_^ab1 fracsqt", max_size=30))
def test_any_text_is_a_label(text: str) -> None:
    assert isinstance(tex_to_unicode(text), str)
