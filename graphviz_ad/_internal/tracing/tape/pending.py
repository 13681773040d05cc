"""Tensors on an accelerator -> Snapshots whose numbers come later, all in one transfer.

Reading a number from a GPU waits until the GPU has done everything before. So what is kept is copied or summarised on
the device, which waits for nothing, and is read once the program has run: one transfer for each device and dtype.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from graphviz_ad._internal.graph.snapshot import Snapshot, Stats

Fill = Callable[[Tensor], None]
ON_ITS_WAY = "not read yet"


class Pending:
    """Snapshots that wait for their numbers."""

    def __init__(self) -> None:
        self._parts: dict[tuple[torch.device, torch.dtype], list[tuple[Tensor, Fill]]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._parts.values()))

    def elements(self, tensor: Tensor, dtype: str, read: Callable[[Tensor], Snapshot]) -> Snapshot:
        """The snapshot of all elements; ``read`` makes it of the same tensor on the CPU."""
        snapshot = Snapshot(tuple(tensor.shape), dtype, missing=ON_ITS_WAY)
        flat = tensor.detach().resolve_conj().resolve_neg().flatten().clone()

        def fill(arrived: Tensor) -> None:
            _become(snapshot, read(arrived.reshape(snapshot.shape)))

        self._add(flat, fill)
        return snapshot

    def statistics(self, tensor: Tensor, dtype: str) -> Snapshot:
        """The snapshot of a big real tensor."""
        snapshot = Snapshot(tuple(tensor.shape), dtype, missing=ON_ITS_WAY)
        plain = tensor.detach()
        numbers = plain if plain.dtype in (torch.float32, torch.float64) else plain.double()
        least, most = torch.aminmax(numbers)
        parts = (least, most, numbers.mean(), torch.linalg.vector_norm(numbers), (~torch.isfinite(numbers)).sum())
        row = torch.stack([part.double() for part in parts])

        def fill(arrived: Tensor) -> None:
            low, high, mean, norm, bad = arrived.tolist()
            _become(
                snapshot,
                Snapshot(snapshot.shape, dtype, stats=Stats(low, high, mean, norm, int(bad)), missing="summarised"),
            )

        self._add(row, fill)
        return snapshot

    def _add(self, flat: Tensor, fill: Fill) -> None:
        self._parts.setdefault((flat.device, flat.dtype), []).append((flat, fill))

    def settle(self) -> None:
        """Read everything that waits."""
        parts, self._parts = self._parts, {}
        for waiting in parts.values():
            together = torch.cat([flat for flat, _ in waiting]).cpu()
            start = 0
            for flat, fill in waiting:
                fill(together[start : start + flat.numel()])
                start += flat.numel()


def _become(snapshot: Snapshot, read: Snapshot) -> None:
    """A snapshot is immutable for everybody else; nobody has seen this one yet."""
    for name in ("data", "stats", "missing"):
        object.__setattr__(snapshot, name, getattr(read, name))
