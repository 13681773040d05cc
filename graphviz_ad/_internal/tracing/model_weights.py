"""Module + names of parameters -> their elements, as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.tracing.tape.reading import copied_elements


def weights_of(module: nn.Module, names: Sequence[str]) -> Mapping[str, Array]:
    """Name -> elements, of those parameters that there are and that have been made; tied ones have several names."""
    found: dict[str, Any] = dict(module.named_parameters(remove_duplicate=False))
    wanted = [name for name in names if name in found and isinstance(found[name], nn.Parameter)]
    made = [name for name in wanted if not isinstance(found[name], nn.UninitializedParameter)]
    return {name: copied_elements(found[name].detach()) for name in made}
