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

SCRIPT = re.compile(r".+\.py")
KEPT_WHOLE = 4096  # elements of a tensor, so that units and rows can be told


USUAL_PASSES, PATIENCE = 6, 8  # and how many times as many, until an optimizer has taken two steps


def diagnosed(target: str, arguments: Sequence[str], passes: int | None, budget: int | None) -> Diagnosis:
    """What is wrong with it; a saved graph is not run again."""
    most, patience = (USUAL_PASSES, PATIENCE) if passes is None else (passes, 1)
    graph = saved(target, arguments)
    if graph is not None:
        return diagnose(graph, budget)
    from graphviz_ad._internal.tracing.capture import Capture
    from graphviz_ad._internal.tracing.script_runs import run_function, run_script

    capture = Capture(whole=KEPT_WHOLE)
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
    return diagnose(done.graph, budget, stopped_early=done.stopped)
