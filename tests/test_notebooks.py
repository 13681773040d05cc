"""The notebooks run from top to bottom, and each picture or film is shown once, by the last line of its cell."""

from __future__ import annotations

import ast
import os
import re
import tempfile
import warnings
from pathlib import Path

import pytest
import torch
from matplotlib.mathtext import MathTextParser
from needed_tools import needs_package

nbclient = needs_package("nbclient")
needs_package("ipykernel")
nbformat = needs_package("nbformat")

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PICTURE = {"image/svg+xml", "text/html", "text/plain"}
FORMS = {
    "plot": PICTURE,
    "compare": PICTURE,
    "compare_methods": PICTURE,
    "gallery": PICTURE,
    "animate": {"text/html", "text/plain"},
    "explain": {"text/html", "text/latex", "text/plain"},
}
# the largest output: five matrices of nine numbers and what a program makes of them, with all gradients
LARGEST_OUTPUT, LARGEST = 125_000, 1_000_000
LESSONS = {  # what has to stand there, in this order
    "by_hand_and_by_machine": (
        "0.41997",
        "0.176162 + (-0.059613) + 1.5 = 1.616549",
        "x₂ → s → n → q → f",
        "65536 paths",
        "2**60 is True",
        "SinBackward0",
        "x1.grad = 0.2328   x2.grad = 1.6165   c.grad = 0.2007",
        "11,689,512 parameters",
        "modified by an inplace operation",
        "tensor([0., 0.])",
        "y = tensor(4.)   requires_grad = False",
    ),
    "gradients_of_vectors": (
        "tensor(3.)",
        "x.grad = None",
        "y = 28.0",
        "[0.0, 4.0, 8.0, 12.0]",
        "[1.0, 5.0, 9.0, 13.0]",
        "[1.0, 1.0, 1.0, 1.0]",
        "grad can be implicitly created only for scalar outputs",
        "[0.0, 2.0, 4.0, 6.0]",
        "0.0000, 0.2000, 0.0400, 0.0060",
        "[0.0, 1.0, 4.0, 9.0] = u is True",
        "isclose for 1000",
    ),
    "one_layer_network": (
        "BinaryCrossEntropyWithLogitsBackward0",
        "'bool' object is not callable",
        "RsubBackward1",
        "grad can be implicitly created only for scalar outputs",
        "and by hand, -w3 · a: True",
        "d.grad = None",
        "x.grad = 36.0   y.grad = 12.0",
        "backward through the graph a second time",
        "x.grad = 4.0",
    ),
    "several_backward_passes": (
        "tensor([72.])",
        "72 by forward mode, 72 by reverse mode",
        "values [128.0, 112.0], derivatives [72.0, 72.0]",
        "backward through the graph a second time",
        "tensor([144.])",
        "tensor([216.])",
        "tensor([-0.6536])",
        "x.grad = 49.0   y.grad = 4.0",
        "1 - tanh² x",
    ),
    "classroom": (
        "y = -0.5440",
        "x.grad = -2.5172   a.grad = -1.6781   c.grad = -0.8391",
        "0.104994 0.104994",
        "−2.910001",
    ),
    "first_steps": ("1.616549", "x2.grad = 1.6165488003791766", "as a sum over paths", "film.pdf"),
}


def shows(source: str) -> str | None:
    """Which method's result a cell ends with; "gallery" for an entry of that."""
    body = ast.parse(source).body
    last = body[-1] if body else None
    if (
        not isinstance(last, ast.Expr)
        or not isinstance(last.value, ast.Call)
        or not isinstance(last.value.func, ast.Attribute)
    ):
        return None
    function = last.value.func
    name = (
        "gallery" if isinstance(function.value, ast.Attribute) and function.value.attr == "gallery" else function.attr
    )
    return name if name in FORMS else None


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def wrong_cells(notebook) -> list[tuple[str, str]]:
    """(id, what is wrong) for each cell that failed, or did not show its picture just once in the forms that it
    should.
    """
    found = []
    for cell in code_cells(notebook):
        failed = [output for output in cell.outputs if output.output_type == "error"]
        displays = [output.data for output in cell.outputs if output.output_type in ("display_data", "execute_result")]
        method = shows(cell.source)
        if failed:
            found.append((cell.id, failed[0].ename))
        elif method and (len(displays) != 1 or not FORMS[method].issubset(displays[0])):
            found.append((cell.id, f"{len(displays)} displays: {[sorted(data) for data in displays]}"))
        elif method and method != "explain" and "<img" not in displays[0]["text/html"]:
            found.append((cell.id, "no picture is left where scripts are removed"))
        elif any(output.output_type == "stream" and output.name == "stderr" for output in cell.outputs):
            found.append((cell.id, "it wrote to stderr"))
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_its_pictures(path, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]))
    notebook = nbformat.read(path, as_version=4)
    for cell in code_cells(notebook):
        cell.outputs = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the notebook tools, whose kernel is a process of its own
        nbclient.NotebookClient(
            notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
        ).execute()
    assert not wrong_cells(notebook)
    assert len([cell for cell in code_cells(notebook) if shows(cell.source) == "plot"]) >= 4
    assert len([cell for cell in code_cells(notebook) if shows(cell.source) == "animate"]) >= 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_with_its_pictures_and_is_small(path):
    text = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert not wrong_cells(notebook)
    assert path.stat().st_size < LARGEST
    assert max(len(str(output)) for cell in code_cells(notebook) for output in cell.outputs) < LARGEST_OUTPUT
    assert not [
        folder for folder in (tempfile.gettempdir(), str(Path.home()), str(Path(__file__).parents[2])) if folder in text
    ]


def texts_of(notebook) -> str:
    """All that a notebook prints and shows, as text."""
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    return "\n".join(output.text if output.output_type == "stream" else output.data["text/plain"] for output in outputs)


def test_every_notebook_is_a_lesson_with_known_numbers():
    assert {path.stem for path in NOTEBOOKS} == set(LESSONS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_lesson_shows_its_numbers_in_order(path):
    shown, at = texts_of(nbformat.read(path, as_version=4)), 0
    for expected in LESSONS[path.stem]:
        at = shown.find(expected, at)
        assert at >= 0, expected


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_prose_of_a_notebook_is_sound(path):
    """Formulas compile, links lead somewhere, answers are folded, and no line of code is too long for the page."""
    notebook = nbformat.read(path, as_version=4)
    prose = "\n\n".join(re.sub(r"`[^`]*`", "", cell.source) for cell in notebook.cells if cell.cell_type == "markdown")
    parser = MathTextParser("path")
    for formula in re.findall(r"\$\$(.+?)\$\$|\$(.+?)\$", prose, flags=re.DOTALL):
        parser.parse(f"${''.join(formula)}$")
    assert prose.count("$") % 2 == 0
    assert not [link for link in re.findall(r"\]\(([^)#]+)", prose) if not (path.parent / link).exists()]
    assert prose.count("<details>") == prose.count("</details>") == prose.count("</summary>")
    assert "<details>" in prose or path.stem == "first_steps"
    assert not [line for cell in code_cells(notebook) for line in cell.source.splitlines() if len(line) > 98]


def test_the_branch_of_the_lesson_adds_up_to_3():
    notebook = nbformat.read(ROOT / "notebooks/classroom.ipynb", as_version=4)
    texts = [output.data["text/plain"] for cell in code_cells(notebook) for output in cell.outputs if "data" in output]
    assert any("branch" in text and "x 3" in text for text in texts)


def test_what_is_left_of_a_gradient_after_five_layers_is_what_the_exercise_says() -> None:
    left = {name: five_layers(name) for name in ("tanh", "sigmoid")}
    text = (ROOT / "notebooks" / "several_backward_passes.ipynb").read_text("utf-8")
    assert f"at 1 about {round(left['tanh'], 2):.0%}".replace("%", " %") in text
    assert left["tanh"] / left["sigmoid"] > 100


def five_layers(name: str) -> float:
    x = start = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    for _ in range(5):
        x = getattr(torch, name)(x)
    x.backward()
    assert start.grad is not None
    return start.grad.item()
