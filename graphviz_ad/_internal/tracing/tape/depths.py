"""Operations as they run -> how deep the autograd graph behind each value is, where somebody else will release it;
see `stack_depth`.
"""

from __future__ import annotations

from collections.abc import Iterable

from graphviz_ad._internal.tracing.tape.tape_entries import Value


class Depths:
    """Depths of the graphs behind values, at most; ``reach`` is how deep one may be whose nodes are touched."""

    def __init__(self, reach: int) -> None:
        self.reach = reach
        self.went_too_deep, self.saw_everything = False, True
        self._of_operations: list[int] = []
        self._deepest = 0

    def note(self, writes: bool, read: Iterable[Value]) -> None:
        """The next operation: whether it writes in place, and what it reads."""
        nodes = 2 if writes else 1  # autograd may make a view anew after its base was written to
        depth = nodes + max([self._of(value) for value in read], default=0)
        self._of_operations.append(depth)
        self._deepest = max(self._deepest, depth)

    def _of(self, value: Value) -> int:
        """How many autograd nodes deep the graph behind a value is, at most; of one that was made unseen, as deep as
        any that was seen.
        """
        if value.maker is not None:
            return self._of_operations[value.maker]
        if not value.requires_grad or (tensor := value.reference()) is None or tensor.is_leaf:
            return 0
        self.saw_everything = False
        return self._deepest

    def out_of_reach(self, value: Value) -> bool:
        """Whether the graph behind a value is too deep to be touched."""
        too_deep = self._of(value) > self.reach
        self.went_too_deep |= too_deep
        return too_deep
