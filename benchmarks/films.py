"""A film written to GIF and MP4, against matplotlib's FuncAnimation and against the lower bound; prints CPU times
and their ratios.

    python benchmarks/films.py [--rounds 3] [--without-matplotlib]

Graphs of 12, 60 and 300 nodes, 60 frames of 1280 by 720 pixels each. Measured in one run, in turns: "ours", from the
placed film to the bytes of the file, with the first picture and every caption; "bound", the same encoder fed with the
60 finished pictures, which it has to compare itself; and `FuncAnimation.save` with PillowWriter, which draws the same
marks with matplotlib's own artists and toggles those that change. Times are those of the process, encoder threads
included. Needs the extra "video" for MP4.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

import graphviz_ad as gad
from graphviz_ad._internal.film.film_frames import film_frames
from graphviz_ad._internal.output.formats import gif as save_gif
from graphviz_ad._internal.output.formats import mp4 as save_mp4
from graphviz_ad._internal.renderers.images import letters
from graphviz_ad._internal.renderers.images.gif import encode_gif
from graphviz_ad._internal.renderers.images.matplotlib_canvas import frames
from graphviz_ad._internal.renderers.images.shots import shots_of_pictures
from graphviz_ad._internal.renderers.images.video import encode_mp4
from graphviz_ad._internal.scene.canvas import Canvas, Curve, Label, Mark, Polygon
from graphviz_ad._internal.scene.themes import Theme

SIZES, FRAMES = (12, 60, 300), 60
SPEED = 10.0  # so fast that an encoder repeats no picture


def program(nodes: int) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """A scalar function with so many nodes, each used by the next and some again a little later."""
    choose = random.Random(nodes)
    uses = [(choose.randrange(max(i - 4, 0), i + 1), choose.randrange(3)) for i in range(nodes - 2)]

    def wander(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        known = [a, b]
        for earlier, kind in uses:
            known.append((known[-1] + known[earlier], known[-1] * known[earlier], torch.sin(known[-1]))[kind])
        return known[-1]

    return wander


def film(nodes: int) -> gad.Animation:
    """Sixty steps of its film at rest, all of it in sight, one after the other and, where there are fewer, again."""
    animation = gad.trace(program(nodes), 0.5, 0.3).animate()
    steps = (animation.steps * FRAMES)[:FRAMES]
    holds = (animation.film.holds * FRAMES)[:FRAMES]
    return replace(
        animation, film=replace(animation.film, steps=steps, holds=holds, views=(), moves=(), speed=SPEED, motion=False)
    )


# The competitor


def with_matplotlib(canvases: list[Canvas], theme: Theme, path: Path) -> None:
    """The same pictures as any user of matplotlib would film them."""
    from matplotlib.animation import FuncAnimation, PillowWriter
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width, height = canvases[0].width, canvases[0].height
    figure = Figure(figsize=(width / 72, height / 72), dpi=72, facecolor=theme["paper"])
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    depth: dict[Mark, int] = {}
    for canvas in canvases:
        for i, mark in enumerate(canvas.marks):
            depth.setdefault(mark, i)
    artists = {mark: add(axes, mark, theme, depth[mark]) for mark in depth}

    def show(index: int) -> list[Any]:
        now = set(canvases[index].marks)
        before = set(canvases[index - 1].marks) if index else set(depth)
        for mark in now ^ before:
            artists[mark].set_visible(mark in now)
        return []

    movie = FuncAnimation(figure, show, frames=len(canvases), init_func=lambda: [], interval=100)
    movie.save(path, writer=PillowWriter(fps=10))


def add(axes: Any, mark: Mark, theme: Theme, depth: int) -> Any:
    """A mark as an artist."""
    from matplotlib.patches import FancyBboxPatch, PathPatch
    from matplotlib.path import Path as Outline

    if isinstance(mark, Label):
        weight, style = "bold" if mark.bold else "normal", "italic" if mark.italic else "normal"
        across = {"start": "left", "middle": "center", "end": "right"}[mark.anchor]
        text = letters.drawable_text(mark.text, mark.bold, mark.italic)
        place = {"ha": across, "va": "baseline", "parse_math": False, "zorder": depth}
        return axes.text(
            mark.x,
            mark.y,
            text,
            size=mark.size,
            color=theme[mark.color],
            weight=weight,
            style=style,
            family="DejaVu Sans",
            **place,
        )
    if isinstance(mark, Polygon):
        return axes.add_patch(
            PathPatch(Outline([*mark.points, mark.points[0]], closed=True), fc=theme[mark.fill], lw=0, zorder=depth)
        )
    if isinstance(mark, Curve):
        codes = [Outline.MOVETO] + [Outline.CURVE4] * (len(mark.points) - 1)
        # matplotlib counts in widths of the line
        line = (0, [length / mark.line for length in mark.dash]) if mark.dash else "solid"
        return axes.add_patch(
            PathPatch(
                Outline(mark.points, codes), fc="none", ec=theme[mark.stroke], lw=mark.line, ls=line, zorder=depth
            )
        )
    looks = {
        "fc": theme[mark.fill] if mark.fill else "none",
        "ec": theme[mark.stroke] if mark.stroke else "none",
        "lw": mark.line if mark.stroke else 0,
    }
    radius = min(mark.radius, mark.width / 2, mark.height / 2)
    box = FancyBboxPatch(
        (mark.x, mark.y), mark.width, mark.height, boxstyle=f"round,pad=0,rounding_size={radius}", zorder=depth, **looks
    )
    return axes.add_patch(box)


# The measurement


@dataclass(frozen=True)
class Way:
    name: str
    run: Callable[[], object]
    most: int = 1000  # rounds


def cold() -> None:
    """Forget outlines of words, which a first film has to make."""
    for cache in (letters.letter_outline, letters.drawable_text):
        cache.cache_clear()


def ways(animation: gad.Animation, folder: Path, matplotlib_too: bool) -> list[Way]:
    canvases = list(film_frames(animation.film))
    pictures, seconds = list(frames(canvases, animation.theme)), [animation.film.seconds(i) for i in range(FRAMES)]
    found = [
        Way("GIF ours", lambda: save_gif(animation)),
        Way("GIF bound", lambda: encode_gif(shots_of_pictures(pictures, seconds))),
        Way("MP4 ours", lambda: save_mp4(animation)),
        Way("MP4 bound", lambda: encode_mp4(shots_of_pictures(pictures, seconds))),
    ]
    return (
        [*found, Way("FuncAnimation", lambda: with_matplotlib(canvases, animation.theme, folder / "film.gif"), 1)]
        if matplotlib_too
        else found
    )


def seconds_of(found: list[Way], rounds: int) -> dict[str, float]:
    """Least CPU time of each way, the ways taking turns."""
    best = dict.fromkeys([way.name for way in found], float("inf"))
    for number in range(rounds):
        for way in found:
            if number < way.most:
                cold()
                start = time.process_time()
                way.run()
                best[way.name] = min(best[way.name], time.process_time() - start)
    return best


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--without-matplotlib", action="store_true")
    chosen = arguments.parse_args()
    print(f"{'nodes':>6} {'':<14}{'ms a frame':>11}{'to the bound':>14}{'FuncAnimation / ours':>22}")
    with tempfile.TemporaryDirectory() as folder:
        for nodes in SIZES:
            animation = film(nodes)
            best = seconds_of(ways(animation, Path(folder), not chosen.without_matplotlib), chosen.rounds)
            for name, value in best.items():
                kind, _, what = name.partition(" ")
                ratio = f"{value / best[kind + ' bound']:.2f}" if what == "ours" else ""
                gain = f"{best['FuncAnimation'] / value:.0f} x" if what == "ours" and "FuncAnimation" in best else ""
                print(
                    f"{len(animation.film.stage.boxes):>6}"
                    f" {name:<14}{1000 * value / FRAMES:>11.1f}{ratio:>14}{gain:>22}"
                )


if __name__ == "__main__":
    main()
