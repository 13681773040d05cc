"""Functions from Graph to Graph, for ``plot(transforms=…)``: what is shown of a graph is decided before it is drawn.

>>> import graphviz_ad as gad
>>> g = gad.trace(lambda x: 2 * x, 3.0)
>>> [node.op for node in gad.transforms.hide_constants(g).node_list]
[None, 'mul']
"""

from __future__ import annotations

from graphviz_ad._internal.graph.transforms import collapse_modules, fold_blocks, fold_to_size, hide_constants, hide_unused, keep_only, merge_calls

__all__ = ["collapse_modules", "fold_blocks", "fold_to_size", "hide_constants", "hide_unused", "keep_only", "merge_calls"]


def __dir__() -> list[str]:
    """What a notebook offers after "gad.transforms."."""
    return __all__
