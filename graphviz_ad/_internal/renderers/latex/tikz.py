r"""Canvas -> a picture that LaTeX draws itself, in the fonts of the document: TikZ to edit, or basic PGF.

Both are files to ``\input``: a group that defines its colours, changes nothing outside and needs the package tikz, or
pgf alone.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from graphviz_ad._internal.base.visible_text import whole_text
from graphviz_ad._internal.renderers.latex.latex_text import PROLOGUE, latex_text
from graphviz_ad._internal.renderers.svg.still import class_name, roles, svg_number
from graphviz_ad._internal.scene.canvas import Canvas, Curve, Label, Mark, Polygon, Rect
from graphviz_ad._internal.scene.scene import Point
from graphviz_ad._internal.scene.set_text import Run, runs_of_label
from graphviz_ad._internal.scene.themes import Theme

LONGEST_LINE = 120  # of a comment
ANCHORS = {"start": "base west", "middle": "base", "end": "base east"}
SIDES = {"start": "left,base", "middle": "base", "end": "right,base"}


def tikz_picture(canvas: Canvas, theme: Theme) -> str:
    """The picture as a ``tikzpicture``."""
    marks = grounded(canvas, theme)
    body = [r"\begin{tikzpicture}[x=1bp,y=-1bp,line join=round,line cap=butt]"]
    body.append(
        rf"\path[use as bounding box] (0,0) rectangle ({svg_number(canvas.width)},{svg_number(canvas.height)});"
    )
    body += [*map(tikz_mark, marks), r"\end{tikzpicture}%"]
    return in_group(canvas, theme, marks, body, "tikz")


def pgf_picture(canvas: Canvas, theme: Theme) -> str:
    """The picture as a ``pgfpicture``."""
    marks = grounded(canvas, theme)
    body = [r"\begin{pgfpicture}", r"\pgfsetroundjoin\pgfsetbuttcap"]
    body.append(
        rf"\pgfpathrectangle{{\pgfpointorigin}}{{{pgf_point(canvas.width, canvas.height)}}}\pgfusepath{{use as bounding"
        r" box}"
    )
    body += [*(pgf_mark(mark, canvas.height) for mark in marks), r"\end{pgfpicture}%"]
    return in_group(canvas, theme, marks, body, "pgf")


def grounded(canvas: Canvas, theme: Theme) -> list[Mark]:
    """The marks, on a ground of their own if light words would otherwise stand on the white paper of a document."""
    ground = [Rect(0, 0, canvas.width, canvas.height, fill="paper", part="background")] if theme.dark else []
    return [*ground, *(mark for mark in canvas.marks if not isinstance(mark, Label) or mark.text)]


def in_group(canvas: Canvas, theme: Theme, marks: Iterable[Mark], body: Iterable[str], package: str) -> str:
    """The picture with what it needs, in a group that keeps all of it to itself."""
    used = dict.fromkeys(role for mark in marks for role in roles(mark) if role)
    colors = [rf"\definecolor{{{tikz_color(role)}}}{{HTML}}{{{theme[role][1:].upper()}}}%" for role in used]
    font = r"\def\gadfont#1{\fontsize{#1bp}{#1bp}\selectfont}%"
    about = [
        comment(canvas.alt),
        rf"% needs \usepackage{{{package}}}; then \input this file, as it is or within \resizebox",
    ]
    return "\n".join([*about, r"\begingroup", PROLOGUE, *colors, font, *body, r"\endgroup", ""])


def comment(text: str) -> str:
    """Text as lines that any engine can skip: TeX reads no line of more than 200,000 characters."""
    plain = whole_text(text).encode("ascii", "backslashreplace").decode()
    return "\n".join(f"% {line}" for line in textwrap.wrap(plain, LONGEST_LINE) or ["no description"])


def tikz_color(role: str) -> str:
    """The name of a colour in the document."""
    return f"gad-{class_name(role)}"


def font_commands(mark: Label) -> str:
    """The commands that choose size, weight and slope."""
    weight = r"\bfseries\boldmath" if mark.bold else ""
    family = r"\ttfamily" if mark.mono else ""
    return rf"\gadfont{{{svg_number(mark.size)}}}{family}{weight}" + (r"\itshape" if mark.italic else "")


def latex_label(label: Label) -> str:
    """The words of a label, its variables in mathematics."""
    return "".join(latex_run(run, label) for run in runs_of_label(label))


def latex_run(run: Run, label: Label) -> str:
    """One run: a variable in mathematics, anything else as text; what would stand there in italics anyway, too."""
    text = latex_text(run.text)
    if run.italic and not label.italic:
        text = rf"\ensuremath{{{run.text}}}" if run.text.isascii() and run.text.isalpha() else text
    return rf"\textsubscript{{{text}}}" if run.lowered else text


def tikz_mark(mark: Mark) -> str:
    """One mark as one TikZ command."""
    fill, stroke = roles(mark)
    options = ([f"fill={tikz_color(fill)}"] if fill else []) + ([f"draw={tikz_color(stroke)}"] if stroke else [])
    match mark:
        case Rect() | Curve() if stroke:
            options.append(f"line width={svg_number(mark.line)}bp")
            dashes = [f"{'off' if i % 2 else 'on'} {svg_number(length)}bp" for i, length in enumerate(mark.dash)]
            options += [f"dash pattern={' '.join(dashes)}"] if dashes else []
    match mark:
        case Rect():
            options += (
                [f"rounded corners={svg_number(min(mark.radius, mark.width / 2, mark.height / 2))}bp"]
                if mark.radius
                else []
            )
            path = f"{tikz_point((mark.x, mark.y))} rectangle {tikz_point((mark.x + mark.width, mark.y + mark.height))}"
        case Curve():
            first, *rest = map(tikz_point, mark.points)
            path = first + "".join(
                f" .. controls {a} and {b} .. {c}" for a, b, c in zip(rest[::3], rest[1::3], rest[2::3], strict=False)
            )
        case Polygon():
            path = " -- ".join(map(tikz_point, mark.points)) + " -- cycle"
        case Label():
            look = (
                f"anchor={ANCHORS[mark.anchor]},inner sep=0bp,outer"
                f" sep=0bp,text={tikz_color(mark.color)},font={font_commands(mark)}"
            )
            return rf"\node[{look}] at {tikz_point((mark.x, mark.y))} {{{latex_label(mark)}}};"
    return rf"\path[{','.join(options)}] {path};"


def tikz_point(point: Point) -> str:
    """ "(1,2.5)"."""
    return f"({svg_number(point[0])},{svg_number(point[1])})"


def pgf_mark(mark: Mark, height: float) -> str:
    """One mark as basic PGF, which has y upwards."""

    def at(point: Point) -> str:
        return pgf_point(point[0], height - point[1])

    fill, stroke = roles(mark)
    match mark:
        case Rect():
            corner = svg_number(min(mark.radius, mark.width / 2, mark.height / 2))
            size = pgf_point(mark.width, mark.height)
            path = rf"\pgfsetcornersarced{{\pgfqpoint{{{corner}bp}}{{{corner}bp}}}}\pgfpathrectangle{{{at((mark.x, mark.y + mark.height))}}}{{{size}}}"  # noqa: E501
        case Curve():
            first, *rest = map(at, mark.points)
            curves = zip(rest[::3], rest[1::3], rest[2::3], strict=False)
            path = rf"\pgfpathmoveto{{{first}}}" + "".join(
                rf"\pgfpathcurveto{{{a}}}{{{b}}}{{{c}}}" for a, b, c in curves
            )
        case Polygon():
            first, *rest = map(at, mark.points)
            path = (
                rf"\pgfpathmoveto{{{first}}}"
                + "".join(rf"\pgfpathlineto{{{point}}}" for point in rest)
                + r"\pgfpathclose"
            )
        case Label():
            look = rf"\color{{{tikz_color(mark.color)}}}{font_commands(mark)}"
            return (
                rf"\pgftext[x={svg_number(mark.x)}bp,y={svg_number(height - mark.y)}bp,{SIDES[mark.anchor]}]{{{look}"
                rf" {latex_label(mark)}}}"
            )
    pen = ""
    match mark:
        case Rect() | Curve() if stroke:
            dashes = "".join(f"{{{svg_number(length)}bp}}" for length in mark.dash)
            pen = rf"\pgfsetstrokecolor{{{tikz_color(stroke)}}}\pgfsetlinewidth{{{svg_number(mark.line)}bp}}\pgfsetdash{{{dashes}}}{{0bp}}"  # noqa: E501
    pen += rf"\pgfsetfillcolor{{{tikz_color(fill)}}}" if fill else ""
    use = ",".join([*(["fill"] if fill else []), *(["stroke"] if stroke else [])])
    return rf"\begin{{pgfscope}}{pen}{path}\pgfusepath{{{use}}}\end{{pgfscope}}"


def pgf_point(x: float, y: float) -> str:
    """A point in big points, 1/72 inch."""
    return rf"\pgfqpoint{{{svg_number(x)}bp}}{{{svg_number(y)}bp}}"
