"""Functions from Graph to Graph, for ``plot(transforms=…)``: what is shown of a graph is decided before it is drawn.

>>> import graphviz_ad as gad
>>> g = gad.trace(lambda x: 2 * x, 3.0)
>>> [node.op for node in gad.transforms.hide_constants(g).node_list]
[None, 'mul']
"""

from __future__ import annotations

from graphviz_ad._internal.base.checked_calls import checking_arguments
from graphviz_ad._internal.graph import transforms as _defined

__all__ = [
    "collapse_modules",
    "drop_views",
    "fold",
    "fold_blocks",
    "fold_duplicates",
    "fold_to_size",
    "hide_constants",
    "hide_data",
    "hide_unused",
    "keep_only",
    "keep_paths",
    "merge_calls",
    "only_module",
    "prune",
    "prune_branch",
    "rename",
]


collapse_modules = checking_arguments(_defined.collapse_modules)
drop_views = checking_arguments(_defined.drop_views)
fold = checking_arguments(_defined.fold)
fold_blocks = checking_arguments(_defined.fold_blocks)
fold_duplicates = checking_arguments(_defined.fold_duplicates)
fold_to_size = checking_arguments(_defined.fold_to_size)
hide_constants = checking_arguments(_defined.hide_constants)
hide_data = checking_arguments(_defined.hide_data)
hide_unused = checking_arguments(_defined.hide_unused)
keep_only = checking_arguments(_defined.keep_only)
keep_paths = checking_arguments(_defined.keep_paths)
merge_calls = checking_arguments(_defined.merge_calls)
only_module = checking_arguments(_defined.only_module)
prune = checking_arguments(_defined.prune)
prune_branch = checking_arguments(_defined.prune_branch)
rename = checking_arguments(_defined.rename)


def __dir__() -> list[str]:
    """What a notebook offers after "gad.transforms."."""
    return __all__
