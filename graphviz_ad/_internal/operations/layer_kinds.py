"""Name of a layer, or of an operation as one -> what kind of thing a figure shows it as, and what others call it: ONNX,
and Values as micrograd has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

INPUT, CONV, POOL, DENSE, LOOKUP = "input", "conv", "pool", "dense", "lookup"
RECURRENT, ATTENTION, JOIN, OTHER = "recurrent", "attention", "join", "other"

# beginning of a name in small letters -> what kind of thing it is; the first that fits
KINDS: Mapping[str, str] = MappingProxyType({
    "conv": CONV, "lazyconv": CONV, "maxpool": POOL, "max_pool": POOL, "avgpool": POOL, "avg_pool": POOL,
    "adaptive": POOL, "upsample": POOL, "interpolate": POOL, "linear": DENSE, "lazylinear": DENSE,
    "lstm": RECURRENT, "gru": RECURRENT, "rnn": RECURRENT, "multihead": ATTENTION, "scaled_dot": ATTENTION,
    "embedding": LOOKUP, "add": JOIN, "iadd": JOIN, "cat": JOIN, "stack": JOIN, "mul": JOIN, "sub": JOIN,
    "matmul": JOIN, "sum": JOIN,
})  # fmt: skip
# what changes each element alone, or all in the same way
ELEMENTWISE = frozenset({
    "relu", "relu_", "relu6", "leaky_relu", "leakyrelu", "gelu", "silu", "mish", "elu", "selu", "celu", "prelu",
    "tanh", "sigmoid", "hardtanh", "hardswish", "softplus", "softmax", "log_softmax", "logsoftmax", "dropout",
    "dropout1d", "dropout2d", "dropout3d", "batchnorm1d", "batchnorm2d", "batchnorm3d", "batch_norm", "layernorm",
    "layer_norm", "groupnorm", "group_norm", "instancenorm1d", "instancenorm2d", "rmsnorm", "identity",
})  # fmt: skip
TRANSPOSED = "transpose"  # in the names of convolutions whose kernel is on what comes out
NORMS = frozenset({
    "batchnorm1d", "batchnorm2d", "batchnorm3d", "batch_norm", "layernorm", "layer_norm", "groupnorm", "group_norm",
    "instancenorm1d", "instancenorm2d", "rmsnorm",
})  # fmt: skip
ACTIVATIONS = ELEMENTWISE - NORMS - {"identity", "dropout", "dropout1d", "dropout2d", "dropout3d"}
# kind -> what the colour of a figure says
SAID: Mapping[str, str] = MappingProxyType({
    CONV: "convolution", POOL: "pooling", DENSE: "linear", RECURRENT: "recurrent", ATTENTION: "attention",
    LOOKUP: "embedding", OTHER: "other",
})  # fmt: skip
FLATTENING = frozenset({"flatten", "view", "reshape"})
RESHAPING = FLATTENING | {
    "contiguous", "getitem", "transpose", "permute", "squeeze", "unsqueeze", "unflatten", "to", "type", "float",
    "clone", "detach", "t", "mt", "chunk", "split", "unbind",
}  # fmt: skip
# of these, what figures leave unsaid
UNSAID = (RESHAPING - {"flatten", "unflatten", "chunk", "split", "unbind"}) | {
    "identity", "dropout", "dropout1d", "dropout2d", "dropout3d",
}  # fmt: skip
SHORT: Mapping[str, str] = MappingProxyType({
    "BatchNorm1d": "BatchNorm", "BatchNorm2d": "BatchNorm", "BatchNorm3d": "BatchNorm", "relu": "ReLU",
    "tanh": "Tanh", "sigmoid": "Sigmoid", "softmax": "Softmax", "gelu": "GELU", "add": "+", "iadd": "+",
    "mul": "×", "batch_norm": "BatchNorm", "layer_norm": "LayerNorm", "MultiheadAttention": "Attention",
    "flatten": "Flatten", "cat": "concat",
})  # fmt: skip
# pools whose result has a size that is asked for: global ones where that is a single element
TO_SIZE: Mapping[str, tuple[str, str]] = MappingProxyType({
    **{f"adaptive_avg_pool{n}d": ("GlobalAveragePool", "AveragePool") for n in (1, 2, 3)},
    **{f"adaptive_max_pool{n}d": ("GlobalMaxPool", "MaxPool") for n in (1, 2, 3)},
})  # fmt: skip
ONNX: Mapping[str, str] = MappingProxyType({
    "conv1d": "Conv", "conv2d": "Conv", "conv3d": "Conv", "conv_transpose1d": "ConvTranspose", "conv_transpose2d":
    "ConvTranspose", "conv_transpose3d": "ConvTranspose", "batch_norm": "BatchNorm", "layer_norm": "LayerNorm",
    "max_pool1d": "MaxPool", "max_pool2d": "MaxPool", "max_pool3d": "MaxPool", "avg_pool1d": "AveragePool",
    "avg_pool2d": "AveragePool", "avg_pool3d": "AveragePool", "adaptive_max_pool2d":
    "GlobalMaxPool", "linear": "Linear", "addmm": "Linear", "matmul": "MatMul", "mm": "MatMul", "bmm": "MatMul",
    "cat": "Concat", "view": "Reshape", "reshape": "Reshape", "t": "Transpose", "permute": "Transpose",
    "log_softmax": "LogSoftmax", "leaky_relu": "LeakyRelu", "embedding": "Gather", "mean": "ReduceMean", "sum":
    "ReduceSum", "lstm": "LSTM", "gru": "GRU",
})  # fmt: skip
OF_VALUES: Mapping[str, str] = MappingProxyType({  # what Values call them, in small letters -> the teaching engine
    "+": "add", "*": "mul", "-": "sub", "/": "div", "neg": "neg", "relu": "relu", "tanh": "tanh", "exp": "exp",
    "log": "log", "sin": "sin", "cos": "cos", "sqrt": "sqrt", "sigmoid": "sigmoid", "abs": "abs", "max": "max",
    "min": "min", "pow": "pow", "add": "add", "mul": "mul", "sub": "sub", "div": "div",
})  # fmt: skip
POWERS = "pow"
ORDERED = ("sub", "div", POWERS)  # whose operands cannot be exchanged
OF_TWO = ("add", "mul", "max", "min", *ORDERED)
