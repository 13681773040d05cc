"""Name of an operation -> what ONNX calls it, and so HiddenLayer; the settings of an operation under ONNX's names."""

from __future__ import annotations

from typing import Any

from graphviz_ad._internal.graph.graph import Graph, Node

ONNX = {
    "conv1d": "Conv",
    "conv2d": "Conv",
    "conv3d": "Conv",
    "conv_transpose1d": "ConvTranspose",
    "conv_transpose2d": "ConvTranspose",
    "conv_transpose3d": "ConvTranspose",
    "batch_norm": "BatchNorm",
    "layer_norm": "LayerNorm",
    "max_pool1d": "MaxPool",
    "max_pool2d": "MaxPool",
    "max_pool3d": "MaxPool",
    "avg_pool1d": "AveragePool",
    "avg_pool2d": "AveragePool",
    "avg_pool3d": "AveragePool",
    "adaptive_avg_pool1d": "GlobalAveragePool",
    "adaptive_avg_pool2d": "GlobalAveragePool",
    "adaptive_avg_pool3d": "GlobalAveragePool",
    "adaptive_max_pool2d": "GlobalMaxPool",
    "linear": "Linear",
    "addmm": "Linear",
    "matmul": "MatMul",
    "mm": "MatMul",
    "bmm": "MatMul",
    "cat": "Concat",
    "view": "Reshape",
    "reshape": "Reshape",
    "t": "Transpose",
    "permute": "Transpose",
    "log_softmax": "LogSoftmax",
    "leaky_relu": "LeakyRelu",
    "embedding": "Gather",
    "mean": "ReduceMean",
    "sum": "ReduceSum",
    "lstm": "LSTM",
    "gru": "GRU",
}
WEIGHT = 1  # the slot of a weight


def onnx_name(op: str) -> str:
    """ "Conv" for "conv2d"; where ONNX has no name that is known here, "PixelShuffle" for "pixel_shuffle"."""
    bare = op.removesuffix("_")
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
