"""graphviz_ad: see automatic differentiation. Pictures and films of what PyTorch's autograd really did."""

from __future__ import annotations

from graphviz_ad.api import Animation, Picture, TorchGraph, animate, make_dot, plot, record, save, trace, trackable_function
from graphviz_ad.capture import Capture
from graphviz_ad.errors import GraphvizADError, GraphvizADWarning
from graphviz_ad.graph import Edge, Graph, Node
from graphviz_ad.snapshot import Snapshot

__version__ = "0.1.0"

__all__ = [
    "Animation",
    "Capture",
    "Edge",
    "Graph",
    "GraphvizADError",
    "GraphvizADWarning",
    "Node",
    "Picture",
    "Snapshot",
    "TorchGraph",
    "__version__",
    "animate",
    "make_dot",
    "plot",
    "record",
    "save",
    "trace",
    "trackable_function",
]
