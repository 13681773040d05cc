"""The notebooks run from top to bottom, and each picture or film is shown once, by the last line of its cell."""

from __future__ import annotations

import ast
import os
import tempfile
import warnings
from pathlib import Path

import pytest

nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
nbformat = pytest.importorskip("nbformat")

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FORMS = {"plot": {"image/svg+xml", "text/html", "text/plain"}, "animate": {"text/html", "text/plain"}}


def shows(source: str) -> str | None:
    """Which method's result a cell ends with."""
    body = ast.parse(source).body
    last = body[-1] if body else None
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call) and isinstance(last.value.func, ast.Attribute):
        return last.value.func.attr if last.value.func.attr in ("plot", "animate") else None
    return None


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def wrong_cells(notebook) -> list[tuple[str, str]]:
    """(id, what is wrong) for each cell that failed, or did not show its picture just once in the forms that it should."""
    found = []
    for cell in code_cells(notebook):
        failed = [output for output in cell.outputs if output.output_type == "error"]
        displays = [output.data for output in cell.outputs if output.output_type in ("display_data", "execute_result")]
        method = shows(cell.source)
        if failed:
            found.append((cell.id, failed[0].ename))
        elif method and (len(displays) != 1 or not FORMS[method].issubset(displays[0])):
            found.append((cell.id, f"{len(displays)} displays: {[sorted(data) for data in displays]}"))
        elif method and "<img" not in displays[0]["text/html"]:
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
        nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
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
    assert path.stat().st_size < 400_000
    assert not [folder for folder in (tempfile.gettempdir(), str(Path.home()), str(Path(__file__).parents[2])) if folder in text]


def test_the_branch_of_the_lesson_adds_up_to_3():
    notebook = nbformat.read(ROOT / "notebooks/classroom.ipynb", as_version=4)
    texts = [output.data["text/plain"] for cell in code_cells(notebook) for output in cell.outputs if "data" in output]
    assert any("func_branch" in text and "x 3" in text for text in texts)
