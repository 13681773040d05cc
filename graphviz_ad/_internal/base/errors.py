"""Every error and warning of the package, in one tree; a message says what was given, why it cannot be, and what to do.

GraphvizADError
├── TraceError                  the target could not be traced
│   ├── NoTensorError           it returned nothing with a gradient graph
│   ├── NumberMadeError         it needs a number that was made a tensor
│   └── GradOutputsError        upstream gradients do not fit the outputs
├── GraphFormatError            a saved graph cannot be read
├── MergeError                  graphs cannot be those of the ranks of one job
├── ReplayError                 a graph cannot be computed again from its formulas
├── RerunError                  the target of a graph cannot be run again
├── DrawGraphError              a model cannot be run as it was asked for
├── UnknownNameError            no theme, layout, format, … of that name
├── TargetError                 a command-line target cannot be found or imported
├── ExpressionError             a formula on the command line is not plain mathematics
├── LayoutError                 a layout engine failed
│   └── LayoutTimeout           … or took too long
├── MissingDependencyError      an optional package is not installed
└── SaveError                   a file could not be written; what was there before is untouched

GraphvizADWarning               (a UserWarning) something was left out or replaced
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GraphvizADError(Exception):
    """Base of every error that this package raises on purpose."""


class TraceError(GraphvizADError):
    """The target could not be traced."""


class NoTensorError(TraceError, ValueError):
    """The target returned nothing that has a gradient graph."""


class NumberMadeError(TraceError, TypeError):
    """The target needs a number as it was given, which was made a tensor."""


class GradOutputsError(TraceError, ValueError):
    """The upstream gradients do not fit the outputs."""


class GraphFormatError(GraphvizADError, ValueError):
    """A saved graph cannot be read."""


class MergeError(GraphvizADError, ValueError):
    """Graphs cannot be those of the ranks of one job."""


class ReplayError(GraphvizADError, ValueError):
    """A graph cannot be computed again from the formulas of its operations."""


class RerunError(GraphvizADError, RuntimeError):
    """The target of a graph cannot be run again, or failed when it was."""


class DrawGraphError(GraphvizADError, RuntimeError):
    """A model cannot be run as `draw_graph` or `diagram` was asked to, or raised."""


class OptionError(GraphvizADError, TypeError, ValueError):
    """An option that this kind of picture does not have."""


class UnknownNameError(GraphvizADError, LookupError):
    """There is no theme, layout, format, transform, … of the given name."""

    def __init__(self, kind: str, given: object, choices: Iterable[str], hint: str = "", instead: str = "") -> None:
        names = sorted(choices)
        near = [name for name in names if name.endswith(f".{given}")] or difflib.get_close_matches(
            str(given), names, n=1
        )
        guess = f"; {instead}" if instead else f"; did you mean {near[0]!r}?" if near else "."
        known = f"Choose from: {', '.join(names)}." if names else "Nothing here has a name."
        super().__init__(f"no {kind} named {given!r}{guess} {known}{' ' + hint if hint else ''}")


class TargetError(GraphvizADError, LookupError):
    """A command-line target cannot be found or imported."""


class ExpressionError(GraphvizADError, ValueError):
    """A formula given as text is not plain mathematics."""


class LayoutError(GraphvizADError, RuntimeError):
    """A layout engine failed."""


class LayoutTimeout(LayoutError):
    """A layout engine took longer than it was given."""


class MissingDependencyError(GraphvizADError, ImportError):
    """A package is not installed: an optional one, or one that was left out where everything else came."""

    def __init__(self, package: str, extra: str, purpose: str, instead: str = "", broken: str = "") -> None:
        wanted = f"'graphviz-ad[{extra}]'" if extra else package
        remedy = f"run: pip install {wanted}{'; ' + instead if instead else ''}"
        state = f"cannot be imported ({broken})" if broken else "is not installed"
        super().__init__(f"{purpose} needs the package {package!r}, which {state}; {remedy}")


class SaveError(GraphvizADError, OSError):
    """A file could not be written; what was there before is untouched."""


class GraphvizADWarning(UserWarning):
    """Something was left out, replaced or cut short."""
