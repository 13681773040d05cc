"""How our own layout compares with dot: crossings and lengths of arrows on traced graphs, and what placing them costs.

    python benchmarks/layouts.py [--rows 30] [--only NAME …] [--quick]
    python benchmarks/layouts.py --shapes
    python benchmarks/layouts.py --sizes 1000 10000 100000

The graphs are programs and models of the corpus in `tests/corpus`, of 30 to 1,000 boxes, one box an operation, spread
over its families, and larger ones that are written here; each is drawn from left to right by both engines from the very
same scene. Crossings are pairs of
arrows that cross, counted on their curves; the length is that of all arrows, in points. ``--quick`` leaves dot out.
``--shapes``: how long pictures of about 1,000 boxes are that nobody folds; ``--sizes``: what pictures of so many nodes
cost, folded and not.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

import graphviz_ad as gad
from graphviz_ad._internal.graph.graph import Edge, Node, Port
from graphviz_ad._internal.layouts.choice import place_scene
from graphviz_ad._internal.layouts.overlaps import Pieces, course
from graphviz_ad._internal.scene.scene import Scene
from graphviz_ad._internal.scene.scene_building import build_scene
from graphviz_ad._internal.scene.words.describe import Options, words_of_graph

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from corpus.families import FAMILIES

LEAST, MOST = 30, 1000  # boxes


def random(*shape: int) -> torch.Tensor:
    """A leaf."""
    return torch.randn(*shape, requires_grad=True)


def recurrent(steps: int) -> gad.Graph:
    """An LSTM by hand, over so many steps."""

    def run(x: Any, h: Any, c: Any, w: Any, u: Any, b: Any) -> Any:
        for _ in range(steps):
            i, f, o, g = (w @ x + u @ h + b).chunk(4)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return h.sum()

    return gad.trace(run, random(2), random(2), random(2), random(8, 2), random(8, 2), random(8))


def residual(layers: int) -> gad.Graph:
    """A network whose layers are added to what they get."""

    def run(x: Any, *weights: Any) -> Any:
        for w in weights:
            x = torch.tanh(x @ w) + x
        return x.sum()

    return gad.trace(run, torch.randn(2, 3), *(random(3, 3) for _ in range(layers)))


def runge_kutta(steps: int) -> gad.Graph:
    """An orbit by the method of fourth order."""

    def run(y: Any, a: Any) -> Any:
        def slope(y: Any) -> Any:
            return torch.sin(a * y) - y

        for _ in range(steps):
            k1 = slope(y)
            k2 = slope(y + 0.05 * k1)
            k3 = slope(y + 0.05 * k2)
            k4 = slope(y + 0.1 * k3)
            y = y + 0.1 / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return y.sum()

    return gad.trace(run, random(2), random(2))


def encoder(layers: int) -> gad.Graph:
    """The encoder of a transformer, by torch, in training."""
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    return gad.trace(torch.nn.TransformerEncoder(layer, layers), torch.randn(1, 3, 8))


LARGER = {
    "lstm over 8 steps": lambda: recurrent(8),
    "residual network of 100 layers": lambda: residual(100),
    "residual network of 240 layers": lambda: residual(240),
    "orbit of 5 steps": lambda: runge_kutta(5),
    "encoder of 6 layers": lambda: encoder(6),
}
PATIENCE = 120.0  # seconds that dot gets
UNFOLDED = 10**9  # boxes


def chain(steps: int) -> gad.Graph:
    """A number that is changed over and over."""

    def run(x: Any) -> Any:
        for _ in range(steps):
            x = (x * 1.001).sin()
        return x

    return gad.trace(run, 2.0)


def sum_of_many(terms: int) -> gad.Graph:
    """Many numbers that are added."""
    return gad.trace(lambda *xs: sum((x * 2).sin() for x in xs), *map(float, range(terms)))


def densely_connected(layers: int) -> gad.Graph:
    """Layers of which each reads the six before it."""

    def run(x: Any, *weights: Any) -> Any:
        found = [x]
        for w in weights:
            found.append((sum(found[-6:]) * w).tanh())
        return found[-1]

    return gad.trace(run, 1.0, *[0.1 * i for i in range(layers)])


ABOUT_1000 = {
    "residual network of 240 layers": lambda: residual(240),
    "lstm over 60 steps": lambda: recurrent(60),
    "orbit of 30 steps": lambda: runge_kutta(30),
    "encoder of 45 layers": lambda: encoder(45),
    "chain of 1,000 operations": lambda: chain(500),
    "sum of 300 terms": lambda: sum_of_many(300),
    "densely connected network of 100 layers": lambda: densely_connected(100),
}


def shapes() -> None:
    """Print how long unfolded pictures are."""
    print("| program | boxes | points | longer : shorter side | placed by |")
    print("|---|---|---|---|---|")
    for name, make in ABOUT_1000.items():
        torch.manual_seed(0)
        picture = make().plot(boxes=UNFOLDED)
        width, height = picture.canvas.width, picture.canvas.height
        ratio = max(width / height, height / width)
        boxes = len(picture.scene.boxes)
        print(f"| {name} | {boxes} | {width:,.0f} × {height:,.0f} | {ratio:.2f} | {picture.scene.engine} |", flush=True)


def made_of(nodes: int) -> gad.Graph:
    """A graph of so many nodes, in a row with links across."""
    made = [Node("n0", "leaf", name="x", requires_grad=True, ports=(Port(shape=()),))]
    edges = []
    for i in range(1, nodes):
        ports = (Port(shape=(), is_output=i == nodes - 1),)
        op = ("mul", "sin", "add", "exp", "tanh")[i % 5]
        made.append(Node(f"n{i}", "op", op=op, requires_grad=True, ports=ports, source=f"f.py:{i % 97}"))
        edges.append(Edge(f"n{i - 1}", f"n{i}", 0))
        edges += [Edge(f"n{i - 7}", f"n{i}", 1)] if i > 7 and i % 3 == 0 else []
    return gad.Graph(tuple(made), tuple(edges))


def sizes(counts: Iterable[int]) -> None:
    """Print what pictures of so many nodes cost, to be planned and to be written as SVG."""
    print("| nodes | shown | boxes | seconds to plan | to draw | milliseconds a node |")
    print("|---|---|---|---|---|---|")
    for count in counts:
        graph = made_of(count)
        _ = graph.node_list  # which is when it is made
        for shown, options in (("folded", {}), ("whole", {"boxes": UNFOLDED})):
            start = time.process_time()
            picture = graph.plot(**options)
            planned = time.process_time()
            picture.to_svg()
            plan, draw = planned - start, time.process_time() - planned
            each = 1000 * (plan + draw) / count
            boxes = len(picture.scene.boxes)
            print(f"| {count:,} | {shown} | {boxes:,} | {plan:.2f} | {draw:.2f} | {each:.2f} |", flush=True)


@dataclass(frozen=True)
class Measure:
    """What an engine made of a scene."""

    crossings: int
    length: float
    seconds: float


def graph_of(family: str, name: str) -> gad.Graph:
    """The graph of a program of the corpus, the same each time."""
    torch.manual_seed(0)
    made: Any = FAMILIES[family][name]()
    torch.manual_seed(1)
    return gad.trace(made.target, *made.args, **made.kwargs)


def scene_of(graph: gad.Graph) -> Scene:
    """One box an operation, without frames."""
    scene = build_scene(words_of_graph(graph, Options()))
    return replace(scene, groups=(), notes=())


def scenes(rows: int, only: list[str]) -> Iterator[tuple[str, Scene]]:
    """The scenes that are compared: of each family in turn, the next that is large enough."""
    found = 0
    for name, make in LARGER.items():
        if not only or name in only:
            torch.manual_seed(0)
            yield name, scene_of(make())
            found += 1
    waiting = {family: iter(entries) for family, entries in FAMILIES.items()}
    while waiting and found < rows:
        for family in list(waiting):
            made = next(fitting(family, waiting[family], only), None)
            if made is None:
                del waiting[family]
                continue
            yield made
            found += 1
            if found == rows:
                return


def fitting(family: str, names: Iterator[str], only: list[str]) -> Iterator[tuple[str, Scene]]:
    """The scenes of a family that have so many boxes."""
    for name in names:
        title = f"{family}: {name}"
        if not only or title in only:
            scene = scene_of(graph_of(family, name))
            if LEAST <= len(scene.boxes) <= MOST:
                yield title, scene


def measured(scene: Scene, engine: str) -> Measure:
    """The scene placed by an engine, and how good that is."""
    start = time.process_time()
    placed = place_scene(scene, engine, PATIENCE if engine == "dot" else None)
    seconds = time.process_time() - start
    courses = [course(arrow) for arrow in placed.arrows if arrow.path]
    length = sum(math.dist(a, b) for each in courses for a, b in pairwise(each.line))
    return Measure(Pieces(courses).crossings(), length, seconds)


def row(name: str, scene: Scene, by: Mapping[str, Measure]) -> str:
    """A row of the table."""
    ours, dot = by["layered"], by.get("dot", by["layered"])
    return (
        f"| {name} | {len(scene.boxes)} | {len(scene.arrows)} | {ours.crossings} | {dot.crossings} |"
        f" {ours.length / max(dot.length, 1.0):.2f} | {ours.seconds:.2f} | {dot.seconds:.2f} |"
    )


def main() -> None:
    """Print the table, and what it comes to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=30)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--shapes", action="store_true")
    parser.add_argument("--sizes", nargs="*", type=int, default=[])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.shapes or options.sizes:
        shapes() if options.shapes else sizes(options.sizes)
        return
    print("| program | boxes | arrows | crossings | of dot | length, dot = 1 | seconds | of dot |")
    print("|---|---|---|---|---|---|---|---|")
    found = []
    for name, scene in scenes(options.rows, options.only):
        by = {engine: measured(scene, engine) for engine in (["layered"] if options.quick else ["layered", "dot"])}
        found.append(by)
        print(row(name, scene, by), flush=True)
    if options.quick or not found:
        return
    ours, dots = (sum(by[engine].crossings for by in found) for engine in ("layered", "dot"))
    longer = [by["layered"].length / by["dot"].length for by in found]
    print(
        f"\nCrossings: {ours}, of dot {dots}: {ours / max(dots, 1):.2f} times."
        f" Length: {statistics.median(longer):.2f} times that of dot, at most {max(longer):.2f}."
        f" More than 10 % more crossings than dot: {sum(more(by) for by in found)} of {len(found)}."
    )


def more(by: Mapping[str, Measure]) -> bool:
    """Whether ours has over a tenth more crossings."""
    return by["layered"].crossings > 1.1 * by["dot"].crossings


if __name__ == "__main__":
    main()
