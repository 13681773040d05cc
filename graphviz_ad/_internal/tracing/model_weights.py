"""Module + names of parameters -> their elements, as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.tracing.tape.values import take


def weights_of(module: nn.Module, names: Sequence[str]) -> Mapping[str, Array]:
    """Name -> elements, of those parameters that there are, that have been made and that can be read; tied ones have
    several names.
    """
    found: dict[str, Any] = dict(module.named_parameters(remove_duplicate=False))
    wanted = [name for name in names if name in found and isinstance(found[name], nn.Parameter)]
    made = [name for name in wanted if not isinstance(found[name], nn.UninitializedParameter)]
    return arrays_of({name: found[name] for name in made})


def arrays_of(tensors: Mapping[str, Tensor]) -> dict[str, Array]:
    """Name -> elements, where they can be read."""
    kept = {name: take(tensor.detach(), "full", 0) for name, tensor in tensors.items()}
    return {name: found.array for name, found in kept.items() if found is not None and found.array is not None}
