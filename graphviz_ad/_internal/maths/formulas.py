"""Formula text -> Unicode, mathtext, LaTeX, HTML.

A formula is a small expression in Python's syntax: ``"g * (1 - out ** 2)"``. It is parsed, never evaluated, and written
with other names in place of its own, so that one rule reads "x·y" as well as "−2 × (−4)".
"""

from __future__ import annotations

import ast
import html
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from graphviz_ad._internal.base.errors import ExpressionError

COMPARISON, SUM, DIVISION, PRODUCT, POWER, ATOM = range(6)  # how tightly a piece of formula holds together

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ϵ", "varepsilon": "ε", "zeta": "ζ", "eta": "η",
    "theta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ",
    "sigma": "σ", "tau": "τ", "upsilon": "υ", "phi": "ϕ", "varphi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
    "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ", "Upsilon": "Υ",
    "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω",
}  # fmt: skip
_GREEK_IN_TEX = {letter: f"\\{word}" for word, letter in GREEK.items()}

SUPERSCRIPTS = dict(zip("0123456789+-−=()ijnTxy", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁱʲⁿᵀˣʸ", strict=True))
SUBSCRIPTS = dict(zip("0123456789+-−=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", strict=True))
_PLAIN_DIGITS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")

# function -> how it is called in Unicode and HTML, and in TeX; all others keep their own name
_FUNCTIONS = {
    "log": ("ln", r"\ln"), "log2": ("log₂", r"\log_{2}"), "log10": ("log₁₀", r"\log_{10}"),
    "sigmoid": ("σ", r"\sigma"), "relu": ("ReLU", r"\mathrm{ReLU}"),
    "sin": ("sin", r"\sin"), "cos": ("cos", r"\cos"), "tan": ("tan", r"\tan"),
    "asin": ("asin", r"\arcsin"), "acos": ("acos", r"\arccos"), "atan": ("atan", r"\arctan"),
    "sinh": ("sinh", r"\sinh"), "cosh": ("cosh", r"\cosh"), "tanh": ("tanh", r"\tanh"),
    "max": ("max", r"\max"), "min": ("min", r"\min"), "exp": ("exp", r"\exp"),
}  # fmt: skip
_FENCES = {
    "abs": ("|", "|", r"\left|", r"\right|"),
    "norm": ("‖", "‖", r"\left\|", r"\right\|"),
    "floor": ("⌊", "⌋", r"\left\lfloor", r"\right\rfloor"),
    "ceil": ("⌈", "⌉", r"\left\lceil", r"\right\rceil"),
}

# operator -> its sign, the level of the result, and the lowest levels that its two operands may have without parentheses
_INFIX: dict[type[ast.operator], tuple[str, int, int, int]] = {
    ast.Add: ("+", SUM, SUM, DIVISION),
    ast.Sub: ("-", SUM, SUM, DIVISION),
    ast.Mult: ("*", PRODUCT, PRODUCT, POWER),
    ast.Div: ("/", DIVISION, PRODUCT, POWER),
    ast.MatMult: ("@", DIVISION, POWER, POWER),
}
_COMPARE: dict[type[ast.cmpop], str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}

_NUMBER = re.compile(r"(?P<minus>[−-]?)(?P<digits>[0-9]+\.?[0-9]*|\.[0-9]+|∞|inf|NaN|nan)(?:[eE](?P<exponent>[−+-]?[0-9]+))?")
_NUMERIC = re.compile(r"\[|(?:True|False)$|[−-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+|∞|inf|NaN|nan)(?:[eE][−+-]?[0-9]+)?(?:$|[+−-])")
_SIMPLE_NAME = re.compile(rf"(?P<letter>[^\W\d_]|{'|'.join(sorted(GREEK, key=len, reverse=True))})_?(?P<index>[0-9]*|(?<=_)[A-Za-z])")
_BRACKETED = re.compile(r"\([^()\[\]]*\)|\[[^()\[\]]*\]")


def to_unicode(text: str, names: Mapping[str, str] = {}) -> str:
    """The formula as one line of text: ``g·(1 − y²)``."""
    return _write(text, names, _UNICODE)


def to_mathtext(text: str, names: Mapping[str, str] = {}) -> str:
    """The formula in matplotlib's dialect of TeX, without the dollars."""
    return _write(text, names, _MATHTEXT)


def to_latex(text: str, names: Mapping[str, str] = {}) -> str:
    """The formula in LaTeX's mathematics, without the dollars; needs no package."""
    return _write(text, names, _LATEX)


def to_html(text: str, names: Mapping[str, str] = {}) -> str:
    """The formula as a MathML element."""
    return f"<math>{_write(text, names, _MATHML)}</math>"


@dataclass(frozen=True)
class _Piece:
    """A part of a formula, written; ``minus`` when it starts with one, ``numeric`` when a number was put in for a name."""

    text: str
    level: int = ATOM
    minus: bool = False
    numeric: bool = False


class _Unicode:
    """One line of plain text; the other languages override what they write differently."""

    signs: Mapping[str, str] = {
        "+": " + ", "-": " − ", "neg": "−", "*": "·", "×": " × ", "@": " @ ", "/": " / ", ",": ", ",
        "<": " < ", "<=": " ≤ ", ">": " > ", ">=": " ≥ ", "==": " = ", "!=": " ≠ ", "[…]": "[…]",
    }  # fmt: skip
    function, fence = 0, 0  # which column of _FUNCTIONS and _FENCES
    partial = "∂"

    def atom(self, text: str) -> str:
        match = re.fullmatch(rf"({'|'.join(GREEK)})(_?[0-9]*|_)", text)
        return GREEK[match[1]] + match[2].rstrip("_") if match else text

    def row(self, text: str) -> str:
        return text

    def parentheses(self, text: str) -> str:
        return f"({text})"

    def brackets(self, text: str) -> str:
        return f"[{text}]"

    def fenced(self, name: str, text: str) -> str:
        return f"{_FENCES[name][self.fence]}{text}{_FENCES[name][self.fence + 1]}"

    def function_name(self, name: str) -> str:
        return _FUNCTIONS[name][self.function] if name in _FUNCTIONS else self.atom(name)

    def fraction(self, above: _Piece, below: _Piece) -> _Piece | None:
        return None  # written in one line, like any other operator

    def power(self, base: _Piece, exponent: _Piece) -> str:
        if re.fullmatch(r"[−-]?[0-9]+", exponent.text):
            return self.inside(base, ATOM, signed=False) + "".join(SUPERSCRIPTS[digit] for digit in exponent.text)
        return f"{self.inside(base, ATOM, signed=False)}^{self.inside(exponent, ATOM, signed=False)}"

    def root(self, piece: _Piece) -> str:
        return f"√{self.inside(piece, ATOM, signed=False)}"

    def exponential(self, piece: _Piece) -> _Piece:
        return _Piece(f"exp({piece.text})", numeric=piece.numeric)

    def transposed(self, piece: _Piece) -> str:
        return f"{self.inside(piece, ATOM, signed=False)}ᵀ"

    def inside(self, piece: _Piece, lowest: int, *, signed: bool) -> str:
        """The text of an operand, in parentheses where it would otherwise be read differently."""
        wrong = piece.level < lowest or (piece.minus and not signed)
        return self.parentheses(piece.text) if wrong else piece.text


class _Latex(_Unicode):
    """LaTeX's mathematics, kept to what needs no package."""

    signs: Mapping[str, str] = {
        "+": " + ", "-": " - ", "neg": "-", "*": r" \cdot ", "×": r" \times ", "@": r" \, ", "/": " / ", ",": ", ",
        "<": " < ", "<=": r" \leq ", ">": " > ", ">=": r" \geq ", "==": " = ", "!=": r" \neq ", "[…]": r"[\ldots]",
    }  # fmt: skip
    function, fence = 1, 2
    partial = r"\partial "
    escapes: Mapping[str, str] = {
        "_": r"\_", "#": r"{\#}", "$": r"\$", "%": r"\%", "&": r"\&", "{": r"\{", "}": r"\}", " ": r"\ ", "\u2007": r"\ ", "\u00a0": r"\ ",
        "~": r"{\sim}", "^": r"{\wedge}", "\\": r"{\backslash}", "'": r"{\prime}", '"': r"{\prime}{\prime}", "`": r"{\prime}",
        "−": "-", "·": r"{\cdot}", "×": r"{\times}", "±": r"{\pm}", "∂": r"{\partial}", "ℒ": r"\mathcal{L}",
        "∞": r"{\infty}", "√": r"{\surd}", "…": r"{\ldots}",
        **{letter: f"{{{command}}}" for letter, command in _GREEK_IN_TEX.items()},
        **{raised: f"{{}}^{{{plain}}}" for plain, raised in SUPERSCRIPTS.items() if plain != "−"},
        **{lowered: f"{{}}_{{{plain}}}" for plain, lowered in SUBSCRIPTS.items() if plain != "−"},
    }  # fmt: skip
    token = re.compile(rf"{_NUMBER.pattern}(?![\w.])|(?P<word>(?![\u2070-\u209f²³¹])\w(?:(?![\u2070-\u207f²³¹])\w|\.(?=\w))*)|(?P<other>.)")

    def atom(self, text: str) -> str:
        return "".join(self._token(match) for match in self.token.finditer(text)) or "{}"

    def _token(self, match: re.Match[str]) -> str:
        if match["word"] is not None:
            return self._word(match["word"])
        return self._escape(match["other"]) if match["other"] is not None else self._number(match)

    def _word(self, word: str) -> str:
        simple = _SIMPLE_NAME.fullmatch(word.translate(_PLAIN_DIGITS))
        if simple is None:
            return rf"\mathrm{{{self._escape(word)}}}"
        letter = GREEK.get(simple["letter"], simple["letter"])
        letter = _GREEK_IN_TEX.get(letter, letter if letter.isascii() else rf"\mathrm{{{self._escape(letter)}}}")
        return f"{letter}_{{{simple['index']}}}" if simple["index"] else _separate(letter)

    def _number(self, match: re.Match[str]) -> str:
        digits = {"∞": r"\infty", "inf": r"\infty", "NaN": r"\mathrm{NaN}", "nan": r"\mathrm{NaN}"}.get(match["digits"], match["digits"])
        power = (match["exponent"] or "").replace("−", "-").removeprefix("+")
        return ("-" if match["minus"] else "") + digits + (rf" \times 10^{{{power}}}" if power else "")

    def _escape(self, text: str) -> str:
        # beyond U+1FFFF lie only rare letters, and matplotlib stops there
        return "".join(self.escapes.get(char, char if char <= "\U0001ffff" else "?") for char in text)

    def parentheses(self, text: str) -> str:
        return rf"\left({text}\right)"

    def fenced(self, name: str, text: str) -> str:
        return f"{_FENCES[name][2]} {text} {_FENCES[name][3]}"

    def fraction(self, above: _Piece, below: _Piece) -> _Piece | None:
        return _Piece(rf"\frac{{{above.text}}}{{{below.text}}}", PRODUCT, numeric=above.numeric or below.numeric)

    def power(self, base: _Piece, exponent: _Piece) -> str:
        return f"{self.inside(base, ATOM, signed=False)}^{{{exponent.text}}}"

    def root(self, piece: _Piece) -> str:
        return rf"\sqrt{{{piece.text}}}"

    def exponential(self, piece: _Piece) -> _Piece:
        return _Piece(f"e^{{{piece.text}}}", POWER, numeric=piece.numeric)

    def transposed(self, piece: _Piece) -> str:
        return rf"{self.inside(piece, ATOM, signed=False)}^{{\top}}"


class _Mathtext(_Latex):
    """What matplotlib understands of TeX."""

    escapes: Mapping[str, str] = {**_Latex.escapes, "&": "&", "√": "√"}  # it knows neither \& nor \surd


class _MathML(_Unicode):
    """Presentation MathML, which browsers draw without any script."""

    partial = "<mo>∂</mo>"

    signs: Mapping[str, str] = {
        "neg": "<mo>−</mo>", ",": "<mo>,</mo>", "@": '<mspace width="0.2em"/>',
        **{sign: f"<mo>{html.escape(shown.strip())}</mo>" for sign, shown in _Unicode.signs.items() if sign not in ("neg", ",", "@")},
    }  # fmt: skip

    def atom(self, text: str) -> str:
        if _NUMBER.fullmatch(text):
            return f"<mn>{html.escape(text)}</mn>"
        simple = _SIMPLE_NAME.fullmatch(text)
        if simple is None:
            return f"<mi>{html.escape(text)}</mi>" if re.fullmatch(r"[\w.]*", text) else f"<mtext>{html.escape(text)}</mtext>"
        letter = f"<mi>{GREEK.get(simple['letter'], simple['letter'])}</mi>"
        tag = "mn" if simple["index"].isdigit() else "mi"
        return f"<msub>{letter}<{tag}>{simple['index']}</{tag}></msub>" if simple["index"] else letter

    def row(self, text: str) -> str:
        return f"<mrow>{text}</mrow>"

    def parentheses(self, text: str) -> str:
        return f"<mrow><mo>(</mo>{text}<mo>)</mo></mrow>"

    def brackets(self, text: str) -> str:
        return f"<mrow><mo>[</mo>{text}<mo>]</mo></mrow>"

    def fenced(self, name: str, text: str) -> str:
        return f"<mrow><mo>{_FENCES[name][0]}</mo>{text}<mo>{_FENCES[name][1]}</mo></mrow>"

    def function_name(self, name: str) -> str:
        return f"<mi>{html.escape(_FUNCTIONS.get(name, (GREEK.get(name, name),))[0])}</mi>"

    def fraction(self, above: _Piece, below: _Piece) -> _Piece | None:
        return _Piece(f"<mfrac>{above.text}{below.text}</mfrac>", PRODUCT, numeric=above.numeric or below.numeric)

    def power(self, base: _Piece, exponent: _Piece) -> str:
        return f"<msup>{self.inside(base, ATOM, signed=False)}{exponent.text}</msup>"

    def root(self, piece: _Piece) -> str:
        return f"<msqrt>{piece.text}</msqrt>"

    def exponential(self, piece: _Piece) -> _Piece:
        return _Piece(f"<msup><mi>e</mi>{piece.text}</msup>", POWER, numeric=piece.numeric)

    def transposed(self, piece: _Piece) -> str:
        return f"<msup>{self.inside(piece, ATOM, signed=False)}<mo>⊤</mo></msup>"


_UNICODE, _LATEX, _MATHTEXT, _MATHML = _Unicode(), _Latex(), _Mathtext(), _MathML()


@dataclass(frozen=True)
class _Writer:
    """Writes a parsed formula in one language, with other names in place of its own."""

    language: _Unicode
    names: Mapping[str, str]

    def piece(self, node: ast.expr) -> _Piece:
        match node:
            case ast.Name(id=name):
                return self.name(name)
            case ast.Constant(value=int() | float() as value):
                return _atom(self.language, str(value), numeric=False)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.negative(self.piece(operand))
            case ast.BinOp(left=base, op=ast.Pow(), right=exponent):
                return self.power(self.piece(base), self.piece(exponent))
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _INFIX:
                return self.infix(type(operator), self.piece(left), self.piece(right))
            case ast.Compare(left=first, ops=operators, comparators=others) if all(type(each) in _COMPARE for each in operators):
                return self.comparison([_COMPARE[type(each)] for each in operators], [self.piece(each) for each in (first, *others)])
            case ast.Call(func=ast.Name(id=function), args=arguments, keywords=[]):
                return self.call(function, [self.piece(each) for each in arguments])
            case ast.Attribute(value=operand, attr="T"):
                inner = self.piece(operand)
                return _Piece(self.language.transposed(inner), POWER, numeric=inner.numeric)
            case ast.Subscript(value=operand, slice=ast.Constant(value=value)) if value is ...:
                return self.selection(self.piece(operand), self.language.signs["[…]"])
            case ast.Subscript(value=operand, slice=ast.Name() as index):
                return self.selection(self.piece(operand), self.language.brackets(self.piece(index).text))
        allowed = "names, numbers, + - * / ** @, comparisons, calls, .T, [name] and [...]"
        raise ExpressionError(f"{ast.unparse(node)!r} cannot be part of a formula; these can: {allowed}")

    def name(self, name: str) -> _Piece:
        given = self.names.get(name)
        if given is None:
            return _atom(self.language, name, numeric=False)
        return _atom(self.language, _printable(given), numeric=bool(_NUMERIC.match(given)))

    def negative(self, inner: _Piece) -> _Piece:
        text = self.language.signs["neg"] + self.language.inside(inner, DIVISION, signed=False)
        return _Piece(self.language.row(text), min(inner.level, PRODUCT) if inner.level >= DIVISION else PRODUCT, True, inner.numeric)

    def power(self, base: _Piece, exponent: _Piece) -> _Piece:
        return _Piece(self.language.power(base, exponent), POWER, numeric=base.numeric or exponent.numeric)

    def infix(self, operator: type[ast.operator], left: _Piece, right: _Piece) -> _Piece:
        sign, level, lowest_left, lowest_right = _INFIX[operator]
        fraction = self.language.fraction(left, right) if sign == "/" else None
        if fraction is not None:
            return fraction
        numeric = left.numeric or right.numeric
        first = self.language.inside(left, lowest_left, signed=True)
        second = self.language.inside(right, lowest_right, signed=False)
        shown = self.language.signs["×" if sign == "*" and numeric else sign]
        return _Piece(self.language.row(first + shown + second), level, left.minus and left.level >= lowest_left, numeric)

    def comparison(self, operators: Sequence[str], operands: Sequence[_Piece]) -> _Piece:
        texts = [self.language.inside(each, SUM, signed=True) for each in operands]
        rest = "".join(self.language.signs[sign] + text for sign, text in zip(operators, texts[1:], strict=True))
        return _Piece(self.language.row(texts[0] + rest), COMPARISON, operands[0].minus, any(each.numeric for each in operands))

    def selection(self, inner: _Piece, brackets: str) -> _Piece:
        return _Piece(self.language.row(self.language.inside(inner, ATOM, signed=False) + brackets), numeric=inner.numeric)

    def call(self, function: str, arguments: Sequence[_Piece]) -> _Piece:
        numeric = any(each.numeric for each in arguments)
        if function == "partial" and len(arguments) == 2:
            above, below = (_Piece(self.language.row(self.language.partial + self.language.inside(each, POWER, signed=False))) for each in arguments)
            return replace(self.language.fraction(above, below) or _Piece(f"{above.text}/{below.text}"), level=POWER)
        if function == "inverse" and len(arguments) == 1:
            return self.power(arguments[0], self.negative(_atom(self.language, "1", numeric=False)))
        if len(arguments) == 1:
            if function == "sqrt":
                return _Piece(self.language.root(arguments[0]), POWER, numeric=numeric)
            if function == "exp":
                return self.language.exponential(arguments[0])
            if function in _FENCES:
                return _Piece(self.language.fenced(function, arguments[0].text), numeric=numeric)
        listed = self.language.signs[","].join(each.text for each in arguments)
        text = self.language.function_name(function) + self.language.parentheses(listed)
        return _Piece(self.language.row(text), numeric=numeric)


def _write(text: str, names: Mapping[str, str], language: _Unicode) -> str:
    return _Writer(language, names).piece(parsed(text)).text


@lru_cache(maxsize=1024)
def parsed(text: str) -> ast.expr:
    """The formula as a syntax tree of Python; `ExpressionError` where it is none."""
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError(f"{text!r} is not a formula: {error}; write one as in 'g * (1 - out ** 2)'") from None


def _atom(language: _Unicode, text: str, *, numeric: bool) -> _Piece:
    return replace(_measure(text), text=language.atom(text), numeric=numeric)


def _measure(text: str) -> _Piece:
    """How tightly a text that the caller gave holds together."""
    number = _NUMBER.fullmatch(text)
    if number:
        return _Piece(text, POWER if number["exponent"] else ATOM, bool(number["minus"]))
    bare = text
    for _ in range(3):  # what is in brackets does not matter; matrices nest twice
        bare = _BRACKETED.sub("", bare)
    if re.search(r"[-+−·×*/±=<>≤≥,()\[\]\s]", bare):
        return _Piece(text, SUM, text.startswith(("-", "−")))
    return _Piece(text, POWER if re.search(r"[\^√⁰¹²³⁴-⁹ᵀ]", bare) else ATOM)


def _printable(text: str) -> str:
    """The text without characters that have no picture, such as those that turn the reading direction."""
    spaced = re.sub(r"\s", lambda match: " " if match[0] in "\t\n\r\v\f\x85\u2028\u2029" else match[0], text)
    return "".join(char for char in spaced if unicodedata.category(char)[0] != "C")


def _separate(command: str) -> str:
    """A TeX command followed by a space, so that a letter after it is not taken for its own."""
    return f"{command} " if re.search(r"\\[A-Za-z]+$", command) else command


# TeX -> Unicode, for labels that people wrote for matplotlib

_TEX_WORDS = {
    **GREEK, "cdot": "·", "times": "×", "div": "÷", "pm": "±", "mp": "∓", "infty": "∞", "partial": "∂", "nabla": "∇", "sum": "Σ",
    "prod": "Π", "int": "∫", "sqrt": "√", "leq": "≤", "le": "≤", "geq": "≥", "ge": "≥", "neq": "≠", "ne": "≠", "approx": "≈",
    "to": "→", "rightarrow": "→", "leftarrow": "←", "mapsto": "↦", "in": "∈", "odot": "⊙", "otimes": "⊗", "oplus": "⊕", "circ": "∘",
    "ell": "ℓ", "top": "⊤", "ldots": "…", "dots": "…", "cdots": "⋯", "langle": "⟨", "rangle": "⟩", "ast": "∗", "star": "⋆",
    "prime": "′", "quad": " ", "left": "", "right": "",
    **{name: name for name in ("arcsin", "arccos", "arctan")},
    **{name: name for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "ln", "log", "max", "min")},
}  # fmt: skip
_TEX_STYLES = frozenset({"mathrm", "mathbf", "mathit", "mathsf", "mathtt", "text", "textrm", "textbf", "operatorname", "boldsymbol", "rm"})
_TEX_TOKEN = re.compile(r"\\(?P<word>[A-Za-z]+)|\\(?P<escaped>.)|(?P<script>[_^])|(?P<open>\{)|(?P<close>\})|(?P<plain>.)", re.DOTALL)


def tex_to_unicode(text: str) -> str:
    r"""Text with ``$…$`` in it, as plain text: ``$\alpha_1$`` -> "α₁"; TeX that is not understood keeps its source."""
    if len(re.findall(r"(?<!\\)\$", text)) % 2:
        return text
    return re.sub(r"(?<!\\)\$((?:\\.|[^$\\])*)\$", lambda match: _tex_formula(match[1]), text, flags=re.DOTALL)


def _tex_formula(source: str) -> str:
    try:
        return _tex_group(list(_TEX_TOKEN.finditer(source)), 0, closing=False)[0]
    except _NotUnderstood:
        return source


class _NotUnderstood(Exception):
    """TeX that has no plain-text form here."""


def _tex_group(tokens: Sequence[re.Match[str]], at: int, *, closing: bool) -> tuple[str, int]:
    """The tokens up to the end, or up to the brace that closes the group."""
    shown = ""
    while at < len(tokens):
        if tokens[at]["close"]:
            if not closing:
                raise _NotUnderstood
            return shown, at + 1
        part, at = _tex_part(tokens, at)
        shown += part
    if closing:
        raise _NotUnderstood
    return shown, at


def _tex_part(tokens: Sequence[re.Match[str]], at: int) -> tuple[str, int]:
    """One token with its argument, if it takes one."""
    if at >= len(tokens) or tokens[at]["close"]:
        raise _NotUnderstood
    token = tokens[at]
    if token["open"]:
        return _tex_group(tokens, at + 1, closing=True)
    if token["script"]:
        inner, after = _tex_part(tokens, at + 1)
        table = SUPERSCRIPTS if token["script"] == "^" else SUBSCRIPTS
        if token["script"] == "^" and inner == "⊤":
            inner = "T"
        if not all(char in table for char in inner):
            raise _NotUnderstood
        return "".join(table[char] for char in inner), after
    if token["escaped"]:
        return (token["escaped"] if token["escaped"] in "#$%&_{} " else " " if token["escaped"] in ",;:" else ""), at + 1
    return _tex_word(token["word"], tokens, at) if token["word"] else (token["plain"].replace("-", "−"), at + 1)


def _tex_word(word: str, tokens: Sequence[re.Match[str]], at: int) -> tuple[str, int]:
    if word in _TEX_STYLES:
        return _tex_part(tokens, at + 1)
    if word == "frac":
        above, after = _tex_part(tokens, at + 1)
        below, after = _tex_part(tokens, after)
        return "/".join(part if len(part) == 1 or part.isalnum() else f"({part})" for part in (above, below)), after
    if word == "sqrt":
        inner, after = _tex_part(tokens, at + 1)
        return (f"√{inner}" if len(inner) == 1 else f"√({inner})"), after
    if word not in _TEX_WORDS:
        raise _NotUnderstood
    return _TEX_WORDS[word], at + 1
