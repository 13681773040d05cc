"""Functions from Graph to Graph, for ``plot(transforms=…)``: what is shown of a graph is decided before it is drawn.

>>> import graphviz_ad as gad
>>> g = gad.trace(lambda x: 2 * x, 3.0)
>>> [node.op for node in gad.transforms.hide_constants(g).node_list]
[None, 'mul']
"""

from __future__ import annotations

from graphviz_ad._internal.base.checked_calls import checked
from graphviz_ad._internal.graph import transforms as _defined

__all__ = [
    "collapse_modules",
    "fold_blocks",
    "fold_to_size",
    "hide_constants",
    "hide_unused",
    "keep_only",
    "merge_calls",
]


collapse_modules = checked(_defined.collapse_modules)
fold_blocks = checked(_defined.fold_blocks)
fold_to_size = checked(_defined.fold_to_size)
hide_constants = checked(_defined.hide_constants)
hide_unused = checked(_defined.hide_unused)
keep_only = checked(_defined.keep_only)
merge_calls = checked(_defined.merge_calls)


def __dir__() -> list[str]:
    """What a notebook offers after "gad.transforms."."""
    return __all__
