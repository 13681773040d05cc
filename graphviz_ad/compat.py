"""For programs written for torchviz, torchview, HiddenLayer, micrograd or ani_torch: change the import, and they run.

>>> from graphviz_ad.compat import make_dot                       # torchviz
>>> from graphviz_ad.compat import draw_graph                     # torchview
>>> import graphviz_ad.compat as hl                               # hiddenlayer
>>> from graphviz_ad.compat import draw_dot                       # micrograd's trace_graph notebook
>>> from graphviz_ad.compat import TorchGraph, trackable_function  # ani_torch
"""

from __future__ import annotations

from graphviz_ad._internal.api.api import TorchGraph, make_dot, trackable_function
from graphviz_ad._internal.compat import layer_graph as graph
from graphviz_ad._internal.compat import layer_transforms as transforms
from graphviz_ad._internal.compat.layer_building import build_graph
from graphviz_ad._internal.compat.layer_graph import THEMES, Graph
from graphviz_ad._internal.compat.module_graph import ComputationGraph, draw_graph
from graphviz_ad._internal.compat.value_graphs import draw_dot

__all__ = [
    "THEMES",
    "ComputationGraph",
    "Graph",
    "TorchGraph",
    "build_graph",
    "draw_dot",
    "draw_graph",
    "graph",
    "make_dot",
    "trackable_function",
    "transforms",
]


def __dir__() -> list[str]:
    """What a notebook offers after "compat."."""
    return __all__
