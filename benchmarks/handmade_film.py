"""Colah's example, e = (a + b)(b + 1), animated by hand in matplotlib as for a lecture; beside it, what takes the place
of all of this:

    graphviz_ad.trace(lambda a, b: (a + b) * (b + 1), 2, 1).animate().save("film.mp4")

    python benchmarks/handmade_film.py [handmade.gif]

Every number, place and sentence below was written by hand, and would be again for any other function.
"""

from __future__ import annotations

import sys

import matplotlib as mpl

mpl.use("agg")

from matplotlib import pyplot as plt
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.artist import Artist

PLACES = {"a": (0.1, 0.75), "b": (0.1, 0.25), "c": (0.45, 0.75), "d": (0.45, 0.25), "e": (0.82, 0.5)}
FORMULAS = {"a": "a", "b": "b", "c": "c = a + b", "d": "d = b + 1", "e": "e = c · d"}
VALUES = {"a": 2, "b": 1, "c": 3, "d": 2, "e": 6}
GRADIENTS = {"e": 1, "c": 2, "d": 3, "a": 2, "b": 5}
ARROWS = [("a", "c"), ("b", "c"), ("b", "d"), ("c", "e"), ("d", "e")]
STEPS = [
    ("a", "a = 2"),
    ("b", "b = 1"),
    ("c", "c = a + b = 2 + 1 = 3"),
    ("d", "d = b + 1 = 1 + 1 = 2"),
    ("e", "e = c · d = 3 · 2 = 6"),
    ("grad e", "de/de = 1"),
    ("grad c", "de/dc = d = 2"),
    ("grad d", "de/dd = c = 3"),
    ("grad a", "de/da = de/dc · 1 = 2"),
    ("grad b", "de/db = de/dc · 1 + de/dd · 1 = 2 + 3 = 5"),
]


def film() -> FuncAnimation:
    """The animation: a box gets its number in each step, and a title says why."""
    figure, axes = plt.subplots(figsize=(12.8, 7.2), dpi=100)
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    for tail, head in ARROWS:
        axes.annotate("", PLACES[head], PLACES[tail], arrowprops={"arrowstyle": "->", "shrinkA": 60, "shrinkB": 60})
    boxes = {
        name: axes.text(
            *PLACES[name], FORMULAS[name], size=20, ha="center", va="center", bbox={"fc": "white", "pad": 12}
        )
        for name in PLACES
    }
    title = axes.set_title("", size=24)

    def draw(frame: int) -> list[Artist]:
        done = [name for name, _ in STEPS[: frame + 1]]
        for name, box in boxes.items():
            said = [FORMULAS[name]]
            said += [str(VALUES[name])] if name in done else []
            said += [f"grad {GRADIENTS[name]}"] if f"grad {name}" in done else []
            box.set_text("\n".join(said))
            now = done[-1].endswith(name)
            box.get_bbox_patch().set_facecolor("gold" if now else "white")
        title.set_text(STEPS[frame][1])
        return [title, *boxes.values()]

    return FuncAnimation(figure, draw, frames=len(STEPS), interval=2000)


if __name__ == "__main__":
    film().save(sys.argv[1] if len(sys.argv) > 1 else "handmade.gif", PillowWriter(fps=0.5))
