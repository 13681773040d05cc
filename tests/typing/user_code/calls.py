"""A user's program: what type checkers must infer stands beside each line, and what they must refuse is marked."""

from __future__ import annotations

import io
from pathlib import Path
from typing import assert_type

import matplotlib.pyplot as plt
import torch

import graphviz_ad as gad


def program(x1: torch.Tensor, x2: torch.Tensor) -> torch.Tensor:
    return x1 * x2 + torch.sin(x2)


g = gad.trace(program, 1.5, 0.5)
assert_type(g, gad.Graph)

assert_type(gad.trace(program, 1.5, gad.constant(3), output="loss"), gad.Graph)
assert_type(gad.constant(3).value, int)
assert_type(gad.constant([1, 2]).value, list[int])
gad.trace(program, 1.5, output=3)  # WRONG: output
gad.constant()  # WRONG

# --- pictures and films

assert_type(g.plot(), gad.Picture)
assert_type(
    g.plot(theme="dark", direction="TB", depth=2, transforms=[gad.transforms.hide_constants], wrt="x1", with_all=True),
    gad.Picture,
)
assert_type(gad.plot(g, values=False), gad.Picture)
assert_type(g.animate("forward", speed=2), gad.Animation)
assert_type(g.animate(direction="backward", steps="edge", flow="LR", aspect="4:3", passes=False), gad.Animation)
assert_type(gad.animate(g, tangents={"x1": 1.0}), gad.Animation)
assert_type(g.to_dot(theme="print"), str)
assert_type(g.to_svg(layout="layered"), str)
assert_type(g.to_json(), str)
assert_type(g.plot(ax=plt.gca()), gad.Picture)
assert_type(g.explain("x1").plot(ax=plt.gca()), gad.Picture)

g.plot(ax=3)  # WRONG: ax
g.plot(thme="dark")  # WRONG: thme
g.plot("dark")  # WRONG
g.plot(direction="RL")  # WRONG: direction
g.plot(depth="2")  # WRONG: depth
g.animate(speed="fast")  # WRONG: speed
g.animate(values=False)  # WRONG: values
gad.plot(3)  # WRONG

# --- files

assert_type(g.save("x.svg", theme="dark"), Path)
assert_type(g.save(Path("x.gif"), speed=2, loop=1), Path)
assert_type(gad.save(g, "x.svg"), Path)
assert_type(g.plot().save("x.svg"), Path)
assert_type(g.animate().save("x.gif", loop=1, scale=1.5), Path)
assert_type(g.animate().to_pptx("x", mode="video", loop=1), Path)
g.save(io.BytesIO(), format="svg")
g.save("x.svg", thme="dark")  # WRONG
g.save(None)  # WRONG
g.animate().save("x.gif", loop="twice")  # WRONG

# --- the other answers

explained = g.explain("x1")
assert_type(explained, gad.Explanation)
assert_type(explained.plot(local=False), gad.Picture)
assert_type(explained.save("x.tex"), Path)
assert_type(explained.to_latex(document=True), str)
assert_type(g.why("x1"), str)
assert_type(gad.Graph.load("x.json"), gad.Graph)
assert_type(gad.merge([g, g]), gad.Graph)
assert_type(g.find("x1"), gad.Node)
assert_type(g.in_edges("n1"), list[gad.Edge])
explained.plot(wrt="x1")  # WRONG: wrt
g.explain(3)  # WRONG

# --- recording, and the classroom

with gad.record(torch.nn.Linear(2, 1)) as recording:
    pass
assert_type(recording.graph, gad.Graph)
gad.record(3)  # WRONG

lesson = gad.TorchGraph(program, [1.5, 0.5], output="[0]")
assert_type(lesson.plot(True), gad.Picture)
assert_type(lesson.animate("backward"), gad.Animation)
assert_type(lesson.save("x.svg"), Path)

number = gad.ADNumber(3.0, "x")
assert_type(number * 2, gad.ADNumber)
assert_type(number.plot(theme="dark"), gad.Picture)
assert_type(number.animate("backward"), gad.Animation)
number.plot(thme="dark")  # WRONG: thme


def either(unknown: gad.ADNumber | float) -> None:
    assert_type(gad.sin(unknown), gad.ADNumber | float)


assert_type(gad.sin(number), gad.ADNumber)
assert_type(gad.exp(2), float)
assert_type(gad.log(gad.sqrt(gad.relu(number))), gad.ADNumber)
assert_type(gad.max(number, 2.0), gad.ADNumber)
assert_type(gad.min(2.0, number), gad.ADNumber)
assert_type(gad.max(1.0, 2), float)
assert_type(2 - abs(-number) ** number / 3, gad.ADNumber)
assert_type(number < 2, bool)
gad.sin(torch.ones(2))  # WRONG: a tensor
gad.sin(number, number)  # WRONG
gad.max(number)  # WRONG
gad.cosh(number)  # WRONG: there is none
number + "1"  # WRONG

gad.Capture(values="full", whole=16)
gad.Capture(values="all")  # WRONG

assert_type(gad.gallery.build("folder", ["colah"], suffix=".png", theme="dark"), tuple[Path, ...])
gad.gallery.build()  # WRONG
gad.compare(g, g, heading="before and after", titles=("before", "after")).save("x.png")
gad.compare(g, 3)  # WRONG
