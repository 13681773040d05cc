r"""Text -> LaTeX that prints it: plain ASCII, whatever the text holds, for pdfTeX, XeTeX and LuaTeX alike.

No character of the text can end a group, start a command or a comment, or become a ligature. What LaTeX has no command
for goes through ``\gadchar``, which prints it where the engine knows Unicode and says its number where it does not.
"""

from __future__ import annotations

import unicodedata

from graphviz_ad._internal.base.visible_text import visible

# At the head of each file: characters that packages such as babel's French and German make active become plain ones
# again.
PLAIN = "".join(rf"\catcode{ord(char)}=12 " for char in "!\"'*+-/:;<=>?`|@,()[].")
PROLOGUE = (
    r"\catcode37=14\relax \catcode32=10\relax \catcode35=6 \catcode94=7 \catcode95=8 "
    + PLAIN
    + "%\n"
    + r"\providecommand{\gadchar}[2]{\ifdefined\Umathcode\char#1\relax\else{\scriptsize U+#2}\fi}%"
)

SPECIAL = {
    **{char: f"\\{char}" for char in "{}$&#_%"},
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "`": r"\textasciigrave{}",
    "'": "{'}",
    '"': "{''}",
    "-": "{-}",
    ",": "{,}",
    **{char: f"\\ensuremath{{{char}}}" for char in "<>|*"},
}

MATH = {
    "∂": r"\partial",
    "∇": r"\nabla",
    "·": r"\cdot",
    "⋅": r"\cdot",
    "×": r"\times",
    "÷": r"\div",
    "−": "-",
    "±": r"\pm",
    "∓": r"\mp",
    "√": r"\surd",
    "∑": r"\sum",
    "∏": r"\prod",
    "∫": r"\int",
    "∞": r"\infty",
    "≤": r"\le",
    "≥": r"\ge",
    "≠": r"\ne",
    "≈": r"\approx",
    "∈": r"\in",
    "∠": r"\angle",
    "∘": r"\circ",
    "∗": r"\ast",
    "⋆": r"\star",
    "⊙": r"\odot",
    "⊗": r"\otimes",
    "⊕": r"\oplus",
    "◯": r"\bigcirc",
    "⊤": r"\top",
    "⊣": r"\dashv",
    "‖": r"\|",
    "⌊": r"\lfloor",
    "⌋": r"\rfloor",
    "⌈": r"\lceil",
    "⌉": r"\rceil",
    "⟨": r"\langle",
    "⟩": r"\rangle",
    "←": r"\leftarrow",
    "→": r"\rightarrow",
    "↑": r"\uparrow",
    "↓": r"\downarrow",
    "↦": r"\mapsto",
    "↵": r"\hookleftarrow",
    "▶": r"\triangleright",
    "′": r"'",
    "ℓ": r"\ell",
    "⋯": r"\cdots",
    "ᵀ": r"{}^{\mathsf{T}}",
    "ϕ": r"\phi",
    "ϵ": r"\epsilon",
    "ε": r"\varepsilon",
    "φ": r"\varphi",
    "ο": "o",
    "ς": r"\varsigma",
    "ƒ": "f",
}
TEXT = {
    "…": r"\dots{}",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "₋": r"\textsubscript{\ensuremath{-}}",
    "⁻": r"\textsuperscript{\ensuremath{-}}",
    "µ": r"\ensuremath{\mu}",
    **dict.fromkeys("▢⬚", r"{\setlength{\fboxsep}{0pt}\fbox{\rule{0pt}{1.2ex}\hspace{1.2ex}}}"),
    **dict.fromkeys("▦▨", r"\rule{1.2ex}{1.2ex}"),
    "\u200d": "",  # joins what pdfTeX could not print anyway
}
LIKE_LATIN = "ΑΒΕΖΗΙΚΜΝΟΡΤΧ"  # capitals for which TeX has no command, because they look like A, B, …


def latex_text(text: str) -> str:
    r"""The text as LaTeX.

    >>> latex_text("∂c/∂a_1 = 50 %")
    '\\ensuremath{\\partial}c/\\ensuremath{\\partial}a\\_1 = 50 \\%'
    """
    shown = visible(text)
    return "".join(
        latex_char(char) if char != " " or is_between_words(shown, i) else "\\ " for i, char in enumerate(shown)
    )


def is_between_words(text: str, place: int) -> bool:
    """Whether the space there stands alone: TeX would drop those at the ends and all but one of several."""
    return 0 < place < len(text) - 1 and text[place - 1] != " "


def latex_char(char: str) -> str:
    """One character as LaTeX."""
    if char in SPECIAL:
        return SPECIAL[char]
    if char.isascii():
        return char
    if char in TEXT:
        return TEXT[char]
    if command := MATH.get(char) or greek(char):
        return f"\\ensuremath{{{command}}}"
    kind, _, plain = unicodedata.decomposition(char).partition(" ")
    if kind in RAISED and " " not in plain:
        return f"{RAISED[kind]}{{{latex_char(chr(int(plain, 16)))}}}"
    return accented(char) or f"\\gadchar{{{ord(char)}}}{{{ord(char):04X}}}"


RAISED = {"<super>": r"\textsuperscript", "<sub>": r"\textsubscript"}
ACCENTS = {
    0x300: "`",
    0x301: "'",
    0x302: "^",
    0x303: "~",
    0x304: "=",
    0x306: "u",
    0x307: ".",
    0x308: '"',
    0x30A: "r",
    0x30C: "v",
    0x327: "c",
}
LETTERS = {
    "ß": r"\ss{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
}


def accented(char: str) -> str:
    """A Latin letter with one accent, or one of the few that stand for themselves; "" for any other character."""
    parts = unicodedata.normalize("NFD", char)
    command = ACCENTS.get(ord(parts[1])) if len(parts) == 2 else None
    if command is None or not (parts[0].isascii() and parts[0].isalpha()):
        return LETTERS.get(char, "")
    return f"\\{command}{{{parts[0]}}}"


def greek(char: str) -> str:
    """The command of a Greek letter: "\\sigma" for σ; "" for any other character."""
    if char in LIKE_LATIN:
        return rf"\mathrm{{{'ABEZHIKMNOPTX'[LIKE_LATIN.index(char)]}}}"
    words = unicodedata.name(char, "").split()
    if words[:1] != ["GREEK"] or words[2:3] != ["LETTER"] or len(words) != 4:
        return ""
    name = {"LAMDA": "LAMBDA"}.get(words[3], words[3])
    return "\\" + (name.lower() if words[1] == "SMALL" else name.capitalize())
