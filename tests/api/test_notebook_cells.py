"""Cells of a real IPython, watched and drawn; what they compute, raise and leave behind is what it would have been."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

import graphviz_ad as gad
from graphviz_ad._internal.api import notebook_cells
from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.tracing import cell_runs

interactive = pytest.importorskip("IPython.core.interactiveshell")
captured = pytest.importorskip("IPython.utils.capture")
settings = pytest.importorskip("traitlets.config")
TEXT, SVG = "text/plain", "image/svg+xml"
DRAWN = "Computation graph of cell"


class Cell:
    """A cell that has run: what it showed beside its result, and how it ended."""

    def __init__(self, shell: Any, text: str) -> None:
        with captured.capture_output() as output:
            self.done = shell.run_cell(text, store_history=True)
        self.shown = [part.data for part in output.outputs]
        self.out, self.err = output.stdout, output.stderr

    @property
    def pictures(self) -> list[str]:
        """What is said of each picture."""
        return [data[TEXT] for data in self.shown if SVG in data]


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A shell, which is gone afterwards."""
    config = settings.Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", os.fspath(tmp_path_factory.mktemp("ipython")))
        yield interactive.InteractiveShell.instance(config=config)
    interactive.InteractiveShell.clear_instance()


@pytest.fixture
def run(shell: Any) -> Iterator[Callable[[str], Cell]]:
    """Runs cells in it, with a namespace of their own."""
    shell.user_ns.clear()
    shell.init_user_ns()
    shell.run_cell("import torch\nimport graphviz_ad as gad\nx = torch.tensor(2.0, requires_grad=True)")
    yield lambda text: Cell(shell, text)
    gad.unwatch()


def state() -> Any:
    """What a watched cell must leave as it was."""
    shell = interactive.InteractiveShell.instance()
    events = {name: [*callbacks] for name, callbacks in shell.events.callbacks.items()}
    hooks = torch.autograd._engine_run_backward if hasattr(torch.autograd, "_engine_run_backward") else None  # type: ignore[attr-defined]
    return events, hooks, [*_get_current_dispatch_mode_stack()], torch.is_grad_enabled()


def test_each_cell_is_drawn_until_nobody_watches_any_more(run: Callable[[str], Cell]) -> None:
    before = state()
    assert not run("gad.watch(theme='dark')").pictures
    first = run("w = torch.tensor(3.0, requires_grad=True)\ny = w * x\ny.backward()\nx.grad")
    assert first.pictures == [f"{DRAWN}: 1 operation, 2 leaves; output y = 6; gradients: w 2, x 3."]
    assert first.done.result.item() == 3.0
    assert 'fill="#' in first.shown[0][SVG]
    assert gad.themes["dark"].colors["paper"].lower() in first.shown[0][SVG].lower()
    assert "1 operation" in run("z = torch.sin(x); None").pictures[0]
    model = run("layer = torch.nn.Linear(2, 1)\nlayer(torch.ones(1, 2)).sum()")
    assert "2 leaves" in model.pictures[0]
    for quiet in ("1 + 1", "torch.ones(3) * 2", "", "with torch.no_grad(): x * 2", "gad.trace(torch.sin, 1.0)"):
        assert not run(quiet).pictures, quiet
    assert run("g = x * 2\nget_ipython().run_cell('h = x * 3')\nh * g").pictures == [f"{DRAWN}: 3 operations, 1 leaf."]
    assert not run("gad.unwatch()\nx * 3").pictures
    assert not run("x * 4").pictures
    assert state() == before
    assert not run("gad.unwatch()").err


def test_a_watched_cell_that_raises_does_so_unchanged(run: Callable[[str], Cell]) -> None:
    before = state()
    run("gad.watch()")
    watched = state()
    broken = run("y = x * 2\ny @ torch.ones(3)")
    assert "RuntimeError: both arguments to matmul" in broken.pictures[0]
    assert isinstance(broken.done.error_in_exec, RuntimeError)
    assert not hasattr(broken.done.error_in_exec, "graph")
    assert "RuntimeError" in broken.out + broken.err
    assert isinstance(run("1 +").done.error_before_exec, SyntaxError)
    assert isinstance(run("y = x * 2\nraise KeyboardInterrupt").done.error_in_exec, KeyboardInterrupt)
    assert state() == watched
    gad.unwatch()
    assert state() == before


def test_an_error_in_drawing_eats_nothing(run: Callable[[str], Cell], monkeypatch: pytest.MonkeyPatch) -> None:
    run("gad.watch(wrt='there is none')\n%load_ext graphviz_ad")
    for text in ("y = x * 2\ny", "%%autograd wrt='nothing'\ny = x * 2\ny"):
        cell = run(text)
        assert cell.done.result.item() == 4.0
        assert cell.done.success
        assert not cell.shown
        assert "this cell is not drawn: UnknownNameError" in cell.err

    def broken(self: Any) -> None:
        raise RuntimeError("no way")

    monkeypatch.setattr(cell_runs.CellRun, "begin", broken)
    cell = run("x * 2")
    assert cell.done.result.item() == 4.0
    assert "not drawn: RuntimeError: no way" in cell.err


def test_a_cell_that_runs_too_much_goes_on_unrecorded(
    run: Callable[[str], Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell_runs, "MOST_OPERATIONS", 50)
    before = state()
    run("gad.watch()")
    cell = run("for _ in range(40): (x * x).backward()\nx.grad")
    assert cell.done.result.item() == 160.0
    assert not cell.pictures
    assert "more operations than can be drawn" in cell.err
    assert run("x * 2").pictures
    gad.unwatch()
    assert state() == before


def test_a_magic_draws_its_cell(run: Callable[[str], Cell]) -> None:
    before = state()
    run("%load_ext graphviz_ad")
    assert state() == before
    cell = run("%%autograd theme='dark', detail='op'\na = x * x\na.backward()\nx.grad")
    assert cell.pictures == [f"{DRAWN}: 1 operation, 1 leaf; output a = 4; gradients: x 4."]
    assert cell.done.result.item() == 4.0
    assert gad.themes["dark"].colors["paper"].lower() in cell.shown[0][SVG].lower()
    assert run("a").done.result is not None  # it ran where all cells run
    hidden = run("%%autograd\nb = x * x\nb;")
    assert hidden.pictures
    assert hidden.done.result is None
    assert run("%%autograd\n%time c = x * x").pictures
    assert not run("%%autograd\n").pictures
    run("gad.watch()")
    assert len(run("%%autograd\nx * 5").pictures) == 1
    broken = run("%%autograd\nd = x * x\nd @ 3")
    assert len(broken.pictures) == 1
    assert isinstance(broken.done.error_in_exec, TypeError)
    for wrong, why in (("colour=3", "no option 'colour'"), ("7", "are no options"), ("theme=x", "are no options")):
        refused = run(f"%%autograd {wrong}\nran = True")
        assert isinstance(refused.done.error_in_exec, OptionError)
        assert why in str(refused.done.error_in_exec)
    assert "ran" not in interactive.InteractiveShell.instance().user_ns
    run("%unload_ext graphviz_ad")
    assert "not found" in run("%%autograd\n1").err
    assert state() == before


def test_a_script_has_no_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook_cells, "running_shell", lambda: None)
    with pytest.raises(OptionError, match="in a script"):
        gad.watch()
    gad.unwatch()
    assert not notebook_cells._watchers
