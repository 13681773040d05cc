"""A training script, or a function that trains, as typed on the command line -> what is wrong with it."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from graphviz_ad._internal.base.errors import TargetError
from graphviz_ad._internal.cli.targets import FILE_TARGET, MODULE_TARGET, load, saved
from graphviz_ad._internal.diagnosis.diagnosis import diagnose
from graphviz_ad._internal.diagnosis.findings import Diagnosis
from graphviz_ad._internal.diagnosis.rank_histories import diagnosis_of_records
from graphviz_ad._internal.graph.history_files import run_of_file

SCRIPT = re.compile(r".+\.py")
WRITTEN = ".jsonl"  # what record(…, file=…) wrote
KEPT_WHOLE = 4096  # elements of a tensor, so that units and rows can be told
USUAL_PASSES, PATIENCE = 6, 8  # and how many times as many, until an optimizer has taken two steps


def diagnosed(target: str, arguments: Sequence[str], passes: int | None, budget: int | None) -> Diagnosis:
    """What is wrong with it; a saved graph is not run again."""
    if target.endswith(WRITTEN):
        return diagnosis_of_records([run_of_file(path) for path in written(target, arguments)], budget)
    graph = saved(target, arguments)
    if graph is not None:
        return diagnose(graph, budget)
    from graphviz_ad._internal.tracing.capture import Capture
    from graphviz_ad._internal.tracing.script_runs import run_function, run_script

    capture = Capture(whole=KEPT_WHOLE)
    most, patience = (USUAL_PASSES, PATIENCE) if passes is None else (passes, 1)
    if SCRIPT.fullmatch(target):
        path = Path(target)
        if not path.is_file():
            raise TargetError(f"there is no file {target!r} (looked in {Path.cwd()}); check the path")
        done = run_script(path, tuple(arguments), most, capture, patience)
    elif FILE_TARGET.fullmatch(target) or MODULE_TARGET.fullmatch(target):
        function, _ = load(target, ())
        if inspect.isclass(function):
            raise TargetError(f"{target!r} is a class; give a function that trains and takes no arguments")
        done = run_function(function, most, capture, patience)
    else:
        raise TargetError(f"{target!r} is neither FILE.py nor FILE.py:FUNCTION nor MODULE:FUNCTION")
    if done.error is not None:
        print(f"graphviz-ad: the program raised {type(done.error).__name__}: {done.error}", file=sys.stderr)
    return diagnose(
        done.graph, budget, stopped_early=done.stopped, title=program_title(target), as_written=done.as_written
    )


def program_title(target: str) -> str:
    """What a report of a program is headed: its file, as lines name it, and the function that was called."""
    return Path(target).name


def written(target: str, others: Sequence[str]) -> list[Path]:
    """The files that the ranks of one job wrote as they ran."""
    paths = [Path(name) for name in (target, *others)]
    wrong = next((path for path in paths if path.suffix != WRITTEN), None)
    if wrong is not None:
        raise TargetError(
            f"{target!r} was written while a program ran, and {str(wrong)!r} was not; give the {WRITTEN} files of all"
            " ranks, or their saved graphs"
        )
    return paths
