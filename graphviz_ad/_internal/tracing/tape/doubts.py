"""What does not hold on this version of torch, as far as it was tried: notices of every graph of this process; see
`self_check`.
"""

from __future__ import annotations

from graphviz_ad._internal.graph.notices import Notice

DOUBTS: dict[Notice, None] = {}  # the keys, in the order in which they came up


def doubts() -> tuple[Notice, ...]:
    """What every graph has to say now."""
    return tuple(DOUBTS)
