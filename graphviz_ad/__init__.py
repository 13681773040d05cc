"""graphviz_ad: see automatic differentiation. Pictures and films of what PyTorch's autograd really did."""

import typing as _typing

from graphviz_ad._internal.tracing.tape.collector import at_rest as _at_rest

with _at_rest():  # what is imported is no garbage, for which all that torch has made would be searched
    from graphviz_ad._internal.ad_number import ADNumber, cos, exp, log, relu, sigmoid, sin, sqrt, tan, tanh
    from graphviz_ad._internal.api import methods as _methods  # noqa: F401 - puts the methods on Graph, ADNumber and Explanation
    from graphviz_ad._internal.api.api import (
        Animation,
        Picture,
        TorchGraph,
        animate,
        compare_methods,
        make_dot,
        plot,
        read_history,
        record,
        save,
        trace,
        trackable_function,
    )
    from graphviz_ad._internal.api.notebook_cells import load as _load
    from graphviz_ad._internal.api.notebook_cells import unload as _unload
    from graphviz_ad._internal.api.notebook_cells import unwatch, watch
    from graphviz_ad._internal.base.errors import GraphvizADError, GraphvizADWarning
    from graphviz_ad._internal.explain.explanation import Explanation
    from graphviz_ad._internal.graph.graph import Edge, Graph, Node
    from graphviz_ad._internal.graph.snapshot import Snapshot
    from graphviz_ad._internal.scene.themes import THEMES as themes
    from graphviz_ad._internal.scene.themes import Theme
    from graphviz_ad._internal.tracing.capture import Capture
    from graphviz_ad._internal.tracing.constants import constant

__version__ = "0.1.0"

__all__ = [
    "ADNumber",
    "Animation",
    "Capture",
    "Edge",
    "Explanation",
    "Graph",
    "GraphvizADError",
    "GraphvizADWarning",
    "Node",
    "Picture",
    "Snapshot",
    "Theme",
    "TorchGraph",
    "__version__",
    "animate",
    "compare",
    "compare_methods",
    "compat",
    "constant",
    "cos",
    "diagram",
    "exp",
    "gallery",
    "log",
    "make_dot",
    "merge",
    "plot",
    "read_history",
    "record",
    "relu",
    "save",
    "sigmoid",
    "sin",
    "sqrt",
    "tan",
    "tanh",
    "themes",
    "trace",
    "trackable_function",
    "transforms",
    "unwatch",
    "watch",
]


def load_ipython_extension(shell: object) -> None:
    """``%load_ext graphviz_ad``: the magic ``%%autograd`` draws what its cell computed."""
    _load(shell)


def unload_ipython_extension(shell: object) -> None:
    """``%unload_ext graphviz_ad``: the magic is gone, and no cell is watched."""
    _unload(shell)


if _typing.TYPE_CHECKING:
    from graphviz_ad import compat as compat
    from graphviz_ad import gallery as gallery
    from graphviz_ad import transforms as transforms
    from graphviz_ad._internal import ad_number as _ad_number
    from graphviz_ad._internal.api.diagram import diagram
    from graphviz_ad._internal.ranks.merging import merge
    from graphviz_ad._internal.sheets.graph_comparison import compare

    max, min = _ad_number.max_, _ad_number.min_  # noqa: A001
else:
    # what a first picture does without, which waits for none of it
    _LATER = {
        "compat": "graphviz_ad.compat:",
        "gallery": "graphviz_ad.gallery:",
        "transforms": "graphviz_ad.transforms:",
        "diagram": "graphviz_ad._internal.api.diagram:diagram",
        "merge": "graphviz_ad._internal.ranks.merging:merge",
        "compare": "graphviz_ad._internal.sheets.graph_comparison:compare",
    }

    def __getattr__(name: str) -> object:
        """What is imported when first asked for; and ``gad.max`` and ``gad.min`` of ADNumbers, which are not among
        the names above, so that ``import *`` leaves Python's own in their place.
        """
        from importlib import import_module

        if name in _LATER:
            place, _, attribute = _LATER[name].partition(":")
            with _at_rest():
                module = import_module(place)
            found = globals()[name] = getattr(module, attribute) if attribute else module
            return found
        if name in ("max", "min"):
            return getattr(import_module("graphviz_ad._internal.ad_number"), f"{name}_")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        """What a notebook offers after "gad."."""
        return [*globals(), *(name for name in _LATER if name not in globals())]
