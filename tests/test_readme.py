"""What the README shows and says is true: its programs and commands run, its links lead somewhere, and its classroom
part holds for a whole lesson.
"""

from __future__ import annotations

import re
import runpy
import shlex
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import torch

from graphviz_ad import TorchGraph, trackable_function
from graphviz_ad._internal.cli import commands as cli

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")]
README = PAGES[0].read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


PROGRAMS = blocks("python")
COMMANDS = [line for block in blocks("console") for line in block.splitlines() if line.startswith("graphviz-ad")]


@pytest.mark.parametrize(
    "program", PROGRAMS, ids=lambda program: f"line {README[: README.index(program)].count(chr(10)) + 1}"
)
def test_a_program_of_the_readme_runs(program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    exec(compile(program, "README.md", "exec"), {"__name__": "__main__"})
    saved = set(re.findall(r'save(?:fig)?\("([^"]+)"', program))
    assert {path.name for path in tmp_path.iterdir()} == saved
    assert all(path.stat().st_size > 500 for path in tmp_path.iterdir())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_runs(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(shlex.split(command)[1:]) == 0
    wanted = re.findall(r"-o (\S+)", command)
    assert [path.name for path in tmp_path.iterdir()] == wanted


def test_the_readme_has_programs_and_commands():
    assert len(PROGRAMS) >= 3
    assert len(COMMANDS) >= 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_to_a_file(page):
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'\b(?:src|href)="([^"]+)"', text)
    missing = [
        link
        for link in links
        if not link.startswith(("https://", "#")) and not (ROOT / link.partition("#")[0]).exists()
    ]
    assert not missing


def test_every_picture_is_described():
    described = re.findall(r"!\[([^\]]*)\]", README) + re.findall(r'<img [^>]*alt="([^"]*)"', README)
    assert len(described) == README.count("![") + README.count("<img ") >= 4
    assert all(len(alt) > 40 for alt in described)


def test_the_pictures_of_the_readme_are_small():
    pictures = [path for path in (ROOT / "assets").iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in pictures) < 2_000_000


def test_making_the_pictures_twice_gives_the_same_bytes(tmp_path):
    make = runpy.run_path(str(ROOT / "assets/make_assets.py"))["make"]
    once, twice = tmp_path / "once", tmp_path / "twice"
    for folder in (once, twice):
        folder.mkdir()
        make(folder)
    names = sorted(path.name for path in once.iterdir())
    assert names == sorted(path.name for path in (ROOT / "assets").iterdir() if path.suffix in (".svg", ".png", ".gif"))
    assert all((once / name).read_bytes() == (twice / name).read_bytes() for name in names)


# --- a lesson with TorchGraph: the shapes of program that a classroom uses


def sine(x, a, c):
    return torch.sin(a * x + c)


def add(a, b):
    y = a + b
    return y


def multiply(a, b):
    y = a * b
    return y


def branch(x):
    y1 = torch.sqrt(x)
    y2 = torch.sqrt(x)
    return y1, y2


def larger(a, b):
    y = torch.max(a, b)
    return y


@trackable_function
class Sigmoid(torch.autograd.Function):
    name = r"$\sigma$"

    @staticmethod
    def forward(ctx, x):
        y = 1 / (1 + torch.exp(-x))
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_output):
        (y,) = ctx.saved_tensors
        return y * (1 - y) * grad_output


def sigmoid(x):
    y = Sigmoid.apply(x)
    return y


COS10, SIGMA2 = np.cos(10.0), 1 / (1 + np.exp(-2.0))

# What is traced, upstream gradients, the outputs, the gradients, and what a picture with everything on it says.
LESSON = {
    "function": (
        sine,
        [2, 3, 4],
        None,
        [np.sin(10.0)],
        {"x": 3 * COS10, "a": 2 * COS10, "c": COS10},
        ["sin", "−0.544", ".grad −2.517", ".grad −0.8391"],
    ),
    "add": (add, [2, 3], None, [5.0], {"a": 1, "b": 1}, ["y = a + b", "5", ".grad 1"]),
    "add, 2 from above": (add, [2, 3], [2], [5.0], {"a": 2, "b": 2}, ["∂y", "∂a", "= 1", "← 2", ".grad 2", "seed 2"]),
    "multiply": (multiply, [2, 3], None, [6.0], {"a": 3, "b": 2}, ["∂a", "= 3", "∂b", "= 2", ".grad 3"]),
    "multiply, 2 from above": (multiply, [2, 3], [2], [6.0], {"a": 6, "b": 4}, ["← 6", "← 4", ".grad 6"]),
    "branch": (branch, [4], [4, 8], [2.0, 2.0], {"x": 3}, ["seed 4", "seed 8", "← 1", "← 2", ".grad 3"]),
    "max": (larger, [2, 5], [2], [5.0], {"a": 0, "b": 2}, ["y = max(a, b)", ".grad 0", ".grad 2"]),
    "sigmoid": (sigmoid, [2], None, [SIGMA2], {"x": SIGMA2 * (1 - SIGMA2)}, ["σ", "y = σ(x)", "0.8808", ".grad 0.105"]),
}


@pytest.fixture(scope="module", params=LESSON)
def lesson(request):
    function, inputs, upstream, outputs, gradients, texts = LESSON[request.param]
    return TorchGraph(function, inputs, upstream), outputs, gradients, texts


def texts_of(svg: str) -> list[str]:
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_a_lesson_has_the_right_numbers(lesson):
    graph, outputs, gradients, _ = lesson
    nodes = [data for _, data in graph.graph.nx.nodes(data=True)]
    np.testing.assert_allclose([data["value"].item() for data in nodes if data["is_output"]], outputs, rtol=1e-12)
    found = {data["name"]: data["grad"].item() for data in nodes if data["kind"] == "leaf"}
    assert found == pytest.approx(gradients, rel=1e-12)


def test_a_lesson_is_plotted_without_numbers_and_with_all(lesson):
    graph, _, _, texts = lesson
    plain, full = texts_of(graph.plot().to_svg()), texts_of(graph.plot(with_all=True).to_svg())
    assert not [text for text in plain if "grad" in text or "←" in text]
    assert not [text for text in texts if text not in full]


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_a_lesson_is_filmed_in_both_directions(lesson, direction):
    graph, _, _, _ = lesson
    film = graph.animate(direction=direction)
    phases = {step.phase for step in film.steps}
    assert phases == {"start", direction, "end"}
    first, last = texts_of(film.frame(0).to_svg()), texts_of(film.frame(-1).to_svg())
    assert [text for text in first if "·" in text]
    assert not [text for text in last if re.fullmatch(r"(\.?grad )?·", text)]
    assert set(film._repr_mimebundle_()) >= {"text/plain", "text/html"}


def test_the_film_of_a_branch_adds_up_what_arrives():
    said = TorchGraph(branch, [4], [4, 8]).animate(direction="backward").transcript()
    assert re.search(r"dL/dx = sum of 2 contributions = (1 \+ 2|2 \+ 1) = 3", said)


def test_an_operation_is_drawn_by_the_name_that_its_class_gives():
    graph = TorchGraph(sigmoid, [2])
    assert "σ" in texts_of(graph.plot().to_svg())
    assert "sigma" not in graph.plot(with_all=True).to_svg()


def test_no_page_names_a_machine():
    told = [page.name for page in PAGES if re.search(r"/(tmp|home|root|work)/", page.read_text(encoding="utf-8"))]
    assert not told
