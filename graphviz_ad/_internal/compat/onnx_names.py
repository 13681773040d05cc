"""Name of an operation -> what ONNX calls it, and so HiddenLayer; the settings of an operation under ONNX's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.operations.layer_kinds import ONNX, TO_SIZE

WEIGHT = 1  # the slot of a weight


def onnx_name(op: str, shape: Sequence[int] | None = None) -> str:
    """ "Conv" for "conv2d"; where ONNX has no name that is known here, "PixelShuffle" for "pixel_shuffle"; ``shape`` is
    that of the result.
    """
    bare = op.removesuffix("_")
    if bare in TO_SIZE:
        of_one = shape is not None and all(length == 1 for length in shape[2:])
        return TO_SIZE[bare][0 if of_one else 1]
    return ONNX.get(bare) or "".join(part[:1].upper() + part[1:] for part in bare.split("_"))


def parameters_of(graph: Graph, node: Node) -> dict[str, Any]:
    """The size of the kernel and the steps of an operation, where it has them."""
    known = dict(node.arguments)
    kernel = kernel_of(graph, node) or known.get("kernel_size")
    found = {"kernel_shape": kernel, "stride": known.get("stride")}
    return {name: list(value) for name, value in found.items() if isinstance(value, tuple) and value}


def kernel_of(graph: Graph, node: Node) -> tuple[int, ...] | None:
    """The size of the kernel of a convolution, which its weight has."""
    if onnx_name(node.op or "") not in ("Conv", "ConvTranspose"):
        return None
    weights = [graph.nodes[edge.tail] for edge in graph.in_edges(node.key) if edge.slot == WEIGHT]
    shape = weights[0].ports[0].shape if weights else None
    return shape[2:] if shape is not None else None
