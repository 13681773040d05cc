"""Ten functions -> docs/comparison.md and a sheet of each: the figure that a course draws by hand, what torchviz draws,
and what we draw, equally large; and four moments of a film beside those of an animation written by hand.

python tools/make_comparison.py            # needs torchviz and Graphviz's dot, and writes to docs/
python tools/make_comparison.py NAME …     # only these sheets
"""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lecture_film
import torch
from course_figures import CASES, HIGH, WIDE, Board, Case
from make_films import momentum
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

import graphviz_ad as gad

DOCS = Path(__file__).parent.parent / "docs"
PANEL, GAP, TOP = (960, 540), 24, 44  # pixels
FILM_NAME = "momentum_film"
TITLES = ("as a course draws it", "torchviz", "graphviz_ad")


def sheet(case: Case) -> Image.Image:
    """Three pictures of a case side by side, each as large as the others."""
    graph = gad.trace(case.function, *copies(case.inputs).values(), grad_outputs=case.seeds)
    pictures = (course_picture(case, graph), torchviz_picture(case), our_picture(case, graph))
    made = Image.new("RGB", (3 * PANEL[0] + 4 * GAP, PANEL[1] + TOP + GAP), "white")
    pen, font = ImageDraw.Draw(made), ImageFont.truetype("DejaVuSans.ttf", 26)
    for i, (picture, title) in enumerate(zip(pictures, TITLES, strict=True)):
        left = GAP + i * (PANEL[0] + GAP)
        pen.text((left, 8), title, "#1b1f24", font)
        picture.thumbnail(PANEL, Image.Resampling.LANCZOS)
        inside = (PANEL[0] - picture.width) // 2, (PANEL[1] - picture.height) // 2
        made.paste(picture, (left + inside[0], TOP + inside[1]))
        pen.rectangle((left, TOP, left + PANEL[0], TOP + PANEL[1]), outline="#c9ced6", width=2)
    return made.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)


def copies(inputs: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The inputs as tensors that nobody has used before."""
    return {name: tensor.detach().clone().requires_grad_(tensor.requires_grad) for name, tensor in inputs.items()}


def our_picture(case: Case, graph: gad.Graph) -> Image.Image:
    """The still that is planned for a slide."""
    data = io.BytesIO()
    graph.save(data, format="png", fit="slide", dpi=192, wrt=case.wrt)
    return Image.open(data).convert("RGB")


def torchviz_picture(case: Case) -> Image.Image:
    """What torchviz draws, with the names that it is told."""
    inputs = copies(case.inputs)
    made = case.function(*inputs.values())
    trained = {name: tensor for name, tensor in inputs.items() if tensor.requires_grad}
    drawn = importlib.import_module("torchviz").make_dot(made, params=trained)
    drawn.attr(dpi="160")
    return Image.open(io.BytesIO(drawn.pipe(format="png"))).convert("RGB")


def course_picture(case: Case, graph: gad.Graph) -> Image.Image:
    """The figure as it stands on a lecturer's slide."""
    figure = Figure((9.6, 5.4), dpi=200)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDE), ylim=(0, HIGH))
    axes.set_axis_off()
    case.course(Board(axes, graph))
    data = io.BytesIO()
    figure.savefig(data, format="png")
    return Image.open(data).convert("RGB")


def film_sheet() -> Image.Image:
    """Four moments of the same lesson, above as a lecturer animates it by hand, below as our film shows them."""
    film = momentum()
    gradients = [i for i, step in enumerate(film.steps) if step.phase == "backward" and step_ends(film, i)]
    updates = [i for i, step in enumerate(film.steps) if step.phase == "update" and step_ends(film, i)]
    ours = [frame_picture(film, i) for i in sorted([*gradients, *updates])]
    rows = ([lecture_picture(moment) for moment in lecture_film.moments()], ours)
    wide, high = PANEL[0] * 4 // 5, PANEL[1] * 4 // 5
    made = Image.new("RGB", (4 * wide + 5 * GAP, 2 * (high + TOP) + GAP), "white")
    pen, font = ImageDraw.Draw(made), ImageFont.truetype("DejaVuSans.ttf", 26)
    for row, (title, pictures) in enumerate(zip(("an animation by hand", "graphviz_ad"), rows, strict=True)):
        top = row * (high + TOP)
        pen.text((GAP, top + 8), title, "#1b1f24", font)
        for i, picture in enumerate(pictures):
            left = GAP + i * (wide + GAP)
            made.paste(picture.resize((wide, high), Image.Resampling.LANCZOS), (left, top + TOP))
            pen.rectangle((left, top + TOP, left + wide, top + TOP + high), outline="#c9ced6", width=2)
    return made.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)


def step_ends(film: gad.Animation, i: int) -> bool:
    """Whether a step is the last of its phase."""
    return i + 1 == len(film.steps) or film.steps[i + 1].phase != film.steps[i].phase


def frame_picture(film: gad.Animation, i: int) -> Image.Image:
    """A frame of our film."""
    data = io.BytesIO()
    film.frame(i).save(data, format="png")
    return Image.open(data).convert("RGB")


def lecture_picture(moment: lecture_film.Moment) -> Image.Image:
    """A frame of the animation by hand."""
    figure = Figure((9.6, 5.4), dpi=100)
    lecture_film.draw(figure.add_subplot(), moment)
    data = io.BytesIO()
    figure.savefig(data, format="png")
    return Image.open(data).convert("RGB")


def page() -> str:
    """The page that shows all sheets, with what a reader learns from which."""
    parts = [INTRODUCTION]
    for case in CASES:
        parts.append(f"## {case.title}\n\nThe course: {case.manner}.\n")
        parts.append(
            f"[![{case.title}: a course's figure, torchviz, graphviz_ad](comparison/{case.name}.png)]"
            f"(comparison/{case.name}.png)\n\n{case.verdict}\n"
        )
    return "\n".join([*parts, FILM])


FILM = """## A film: two steps of SGD with momentum

The lecturer: matplotlib, a parabola, a dot and two arrows, in 60 lines that hold for this loss alone.

[![Four moments of the lesson, by hand and by graphviz_ad](comparison/momentum_film.png)](comparison/momentum_film.png)

How far w goes is seen in both: in ours the losses that were computed stand over w, each with its slope, and an arrow
says where a step goes; the minimum itself is on the lecturer's parabola alone, which is drawn where nothing was
computed. Why it goes so far is read off ours: the gradient comes back factor by factor, and the step is told line by
line with torch's numbers, 0.9 × (−16) + (−3.2) = −17.6 and 2.6 − 0.1 × (−17.6) = 4.36, with a sentence for each rule.
Ours is one call, for any loop and optimizer.
"""
INTRODUCTION = """# Side by side

Ten functions of courses. On the left is the figure as a course draws it by hand (drawn again by us in its manner), in
the middle what torchviz makes of the result, on the right `g.plot(fit="slide")`. All three are equally large; click to
see a sheet in full. Below each is what a reader who sees nothing but the pictures learns about backpropagation from
which; it is the authors' judgement, so look for yourself. `python tools/make_comparison.py` makes the sheets again.
"""


def main(names: list[str]) -> None:
    """Draw the sheets of these names, or all and the page."""
    folder = DOCS / "comparison"
    folder.mkdir(exist_ok=True)
    for case in CASES:
        if not names or case.name in names:
            sheet(case).save(folder / f"{case.name}.png", optimize=True)
            print(folder / f"{case.name}.png")
    if not names or FILM_NAME in names:
        film_sheet().save(folder / f"{FILM_NAME}.png", optimize=True)
        print(folder / f"{FILM_NAME}.png")
    (DOCS / "comparison.md").write_text(page(), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
