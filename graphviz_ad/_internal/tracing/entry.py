"""trace and record, on a torch that was tested or has been tried; the front door of this folder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.tracing import eager
from graphviz_ad._internal.tracing.capture import Capture
from graphviz_ad._internal.tracing.recording import Recording
from graphviz_ad._internal.tracing.returned import Asked
from graphviz_ad._internal.tracing.self_check import make_sure
from graphviz_ad._internal.tracing.step_watch import Judge, StepWatch, Told

Judges = tuple[Callable[[Graph], Any], Callable[..., Any], Callable[..., Collection[int]]]


def trace(
    target: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    grad_outputs: Any,
    capture: Capture,
    namespace: Mapping[str, Any],
    output: Asked = None,
) -> Graph:
    """See `graphviz_ad.trace`."""
    make_sure()
    return eager.trace(target, args, kwargs, grad_outputs, capture, namespace, output)


def recording(
    module: torch.nn.Module | None,
    capture: Capture,
    namespace: Mapping[str, Any],
    every: int | None,
    judges: Judges,
    file: Path | None = None,
    logs: Sequence[Told] = (),
) -> Recording | StepWatch:
    """See `graphviz_ad.record`; ``judges`` make histories of graphs, and of summaries, and say which of these stand
    out.
    """
    make_sure(recording=True)
    if every is not None:
        return StepWatch(module, every, Judge(judges[1], judges[2]), file, logs)
    return Recording(module, capture, namespace, judge=judges[0], file=file)
