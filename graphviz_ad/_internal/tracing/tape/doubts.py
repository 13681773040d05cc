"""What does not hold on this version of torch, as far as it was tried: sentences that every graph of this process says; see `self_check`."""

from __future__ import annotations

DOUBTS: dict[str, None] = {}  # the keys
