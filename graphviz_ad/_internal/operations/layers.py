"""Operations that layers are made of -> what the axes of their weights say: how many numbers go in and come out."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

IN, OUT, ROWS, KERNEL, STRIDE, GROUPS = "in", "out", "rows", "kernel", "stride", "groups"
ROWS_OF_GROUPS = "rows of groups"
# Operations that multiply each group of rows by a matrix of its own, as experts do -> the places of the rows, the
# matrices, and where groups end.
GROUPED: Mapping[str, tuple[int, int, int]] = MappingProxyType({"grouped_mm": (0, 1, 2)})
# What the first axes of a weight are; further ones are those of a kernel, and in a group there is a part of what follows
# the first.
WEIGHT_AXES: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "linear": (OUT, IN), "conv1d": (OUT, IN), "conv2d": (OUT, IN), "conv3d": (OUT, IN),
    "conv_transpose1d": (IN, OUT), "conv_transpose2d": (IN, OUT), "conv_transpose3d": (IN, OUT),
    "embedding": (ROWS, OUT), "layer_norm": (OUT,), "batch_norm": (OUT,), "group_norm": (OUT,), "rms_norm": (OUT,),
    "instance_norm": (OUT,), "prelu": (OUT,),
})  # fmt: skip
