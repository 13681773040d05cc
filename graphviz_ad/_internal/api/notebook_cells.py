"""A cell of a notebook -> the picture of what it computed, shown at its end: `watch` of every cell, ``%%autograd`` of
one.

Only what IPython offers to all is used: its events, its magics and its display. Nothing of it is imported; who has no
IPython has no cells. What goes wrong here is said below the cell, and its result is what it would have been.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

from graphviz_ad._internal.api.api import Animation, Picture, plot
from graphviz_ad._internal.base.argument_types import shown_value
from graphviz_ad._internal.base.checked_calls import takes_only
from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.output.call_options import PlotOptions

MOST_SHOWN = 1000  # nodes of a graph that shows itself unasked
BEGINS, ENDS, MAGIC = "pre_run_cell", "post_run_cell", "autograd"
OURS = (Graph, Picture, Animation)  # results that show themselves


@takes_only(PlotOptions)
def watch(asked: PlotOptions) -> None:
    """Draw at the end of each cell of this notebook what the cell computed, until `unwatch`.

    A cell that computed nothing with a gradient, that ends on a picture of its own, or that ran more than 20,000
    operations, as a training does, is not drawn. Options are those of `plot`.
    """
    shell = shell_here("watch() draws at the end of a cell of a notebook")
    unwatch()
    watcher = Watcher(shell, asked.given)
    shell.events.register(BEGINS, watcher.begins)
    shell.events.register(ENDS, watcher.ends)
    _watchers[id(shell)] = watcher


def unwatch() -> None:
    """Draw no further cell; this one neither."""
    shell = running_shell()
    watcher = _watchers.pop(id(shell), None)
    if watcher is not None:
        watcher.drop()
        shell.events.unregister(BEGINS, watcher.begins)
        shell.events.unregister(ENDS, watcher.ends)


class Watcher:
    """What happens before and after each cell."""

    def __init__(self, shell: Any, options: Mapping[str, Any]) -> None:
        self._shell, self._options = shell, options
        self._run: Any = None
        self._cell: Any = None  # of several, one inside of the other, the outermost

    def begins(self, cell: Any) -> None:
        """Begin to record; a cell that another one runs is a part of that."""
        if self._run is None:
            self._run, self._cell = begun(self._shell), cell

    def ends(self, result: Any) -> None:
        """Draw what was recorded."""
        if self._run is None or result.info is not self._cell:
            return
        run, self._run, self._cell = self._run, None, None
        error = result.error_before_exec or result.error_in_exec
        if isinstance(result.result, OURS):
            run.drop()
            return
        show_what_ran(run, error, self._options)

    def drop(self) -> None:
        """Draw nothing of the cell that runs."""
        run, self._run, self._cell = self._run, None, None
        if run is not None:
            run.drop()


_watchers: dict[int, Watcher] = {}  # by identity of the shell


def begun(shell: Any) -> Any:
    """A recording of a cell that begins; None where there can be none, which is said."""
    try:
        run = import_module("graphviz_ad._internal.tracing.cell_runs").CellRun(shell.user_ns)
        run.begin()
    except Exception as error:
        say(not_drawn(error))
        return None
    return run


def show_what_ran(run: Any, error: BaseException | None, options: Mapping[str, Any]) -> None:
    """The picture of what was recorded, if there is anything to see; of a graph that is too large, a line of words."""
    try:
        too_long, graph = run.too_long, run.end(error)
        if too_long:
            say(
                "this cell ran more operations than can be drawn, and was not recorded to its end; record the part that"
                " you mean: with graphviz_ad.record() as rec: …, then rec.graph"
            )
        elif graph is not None:
            display(graph if len(graph.node_list) > MOST_SHOWN else plot(replace(graph, name="cell"), **options))
    except Exception as problem:
        run.drop()
        say(not_drawn(problem))


def say(what: str) -> None:
    """Say something below the cell: no warning, which may be hidden, or be made an error that would take the result of
    the cell with it.
    """
    print(f"graphviz_ad: {what}", file=sys.stderr)


def not_drawn(error: Exception) -> str:
    """That there is no picture, and why."""
    return f"this cell is not drawn: {type(error).__name__}: {error}"


# --- %%autograd


def load(shell: Any) -> None:
    """Give a shell its magic, as ``%load_ext graphviz_ad`` asks for."""
    demand_shell(shell)

    def magic(line: str, cell: str) -> Any:
        """Run the cell, and draw what it computed; options of `plot` as in Python: %%autograd theme="dark"."""
        __tracebackhide__ = True
        return run_cell(shell, line, cell)

    # as IPython's decorators say that a semicolon at the end hides the result, and that {x} is meant as it stands
    magic._ipython_magic_output_can_be_silenced = True  # type: ignore[attr-defined]
    magic._ipython_magic_no_var_expand = True  # type: ignore[attr-defined]
    shell.register_magic_function(magic, "cell", MAGIC)


def unload(shell: Any) -> None:
    """Take it away, and watch no cell."""
    demand_shell(shell)
    shell.magics_manager.magics["cell"].pop(MAGIC, None)
    if shell is running_shell():
        unwatch()


def run_cell(shell: Any, line: str, cell: str) -> Any:
    """What the last line of a cell has; its picture is shown before, also where it raises."""
    __tracebackhide__ = True
    options = autograd(**options_in(line))  # which refuses what is wrong before anything runs
    parts = compiled(shell, cell)
    if id(shell) in _watchers:  # one picture is enough
        _watchers[id(shell)].drop()
    run, result, raised = begun(shell), None, None
    try:
        for part in parts:
            result = eval(part, shell.user_global_ns, shell.user_ns)
    except BaseException as error:
        raised = error
        raise
    finally:
        if run is not None and isinstance(result, OURS):
            run.drop()
        elif run is not None:
            show_what_ran(run, raised, options)
    return result


@takes_only(PlotOptions)
def autograd(asked: PlotOptions) -> Mapping[str, Any]:
    """The options of a cell; called as errors are to call it."""
    return asked.given


def options_in(line: str) -> dict[str, Any]:
    """Options as they are written in a call: ``detail="module", with_all=True``; plain values alone."""
    try:
        call: Any = ast.parse(f"f({line.strip()})", mode="eval").body
        if call.args or any(keyword.arg is None for keyword in call.keywords):
            raise ValueError
        return {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError, AttributeError) as error:
        raise OptionError(
            f"%%{MAGIC} {line.strip()}: these are no options; write them as in a call of plot, with plain values:"
            f' %%{MAGIC} theme="dark", detail="module"'
        ) from error


def compiled(shell: Any, cell: str) -> list[Any]:
    """The code of a cell, and that of its last expression by itself; under the name by which its source is found."""
    text = shell.transform_cell(cell)
    name = shell.compile.cache(text, shell.execution_count, raw_code=cell)
    tree = shell.transform_ast(shell.compile.ast_parse(text, filename=name))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    whole = shell.compile(tree, name, "exec")
    return [whole] if last is None else [whole, shell.compile(ast.Expression(last.value), name, "eval")]


# --- IPython


def running_shell() -> Any:
    """The shell that runs this; None where there is none."""
    return getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()


def shell_here(what: str) -> Any:
    """The same, or an error that says what to do."""
    shell = running_shell()
    if shell is None:
        raise OptionError(f"{what}, and this is none; in a script, use graphviz_ad.record() and rec.graph.plot()")
    return shell


def demand_shell(shell: Any) -> None:
    """Refuse what is no shell of IPython."""
    if not hasattr(shell, "register_magic_function") or not hasattr(shell, "magics_manager"):
        raise OptionError(
            f"shell={shown_value(shell)} ({type(shell).__name__}) is no shell of IPython; write %load_ext graphviz_ad"
            " in a notebook, which calls this"
        )


def display(thing: Any) -> None:
    """Show something in the output of the cell that runs."""
    sys.modules["IPython.display"].display(thing)
