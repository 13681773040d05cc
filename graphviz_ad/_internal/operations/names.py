"""Names of operations: those of ATen, of autograd's nodes and of Python's syntax -> the one that people write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

# what makes a Python number of a tensor
NUMBER_OF_TENSOR = frozenset({"item", "float", "int", "bool", "complex", "tolist"})
# the packet name of an ATen operation, or the Python method behind an operator -> the name that people write
ALIASES: Mapping[str, str] = MappingProxyType({
    "rsub": "sub", "_softmax": "softmax", "_log_softmax": "log_softmax", "_safe_softmax": "softmax",
    "native_layer_norm": "layer_norm", "_fused_rms_norm": "rms_norm", "native_group_norm": "group_norm",
    "native_batch_norm": "batch_norm", "_native_batch_norm_legit": "batch_norm",
    "_native_batch_norm_legit_no_training": "batch_norm", "_batch_norm_with_update": "batch_norm",
    "_batch_norm_no_update": "batch_norm", "cudnn_batch_norm": "batch_norm", "_batch_norm_impl_index": "batch_norm",
    "native_dropout": "dropout", "_fused_dropout": "dropout", "convolution": "conv2d", "_convolution": "conv2d",
    "convolution_overrideable": "conv2d", "mkldnn_convolution": "conv2d", "cudnn_convolution": "conv2d",
    "thnn_conv2d": "conv2d", "_slow_conv2d_forward": "conv2d", "nll_loss_forward": "nll_loss",
    "nll_loss2d": "nll_loss", "nll_loss2d_forward": "nll_loss", "nll_loss_nd": "nll_loss",
    "cross_entropy_loss": "cross_entropy", "_scaled_dot_product_flash_attention": "scaled_dot_product_attention",
    "_scaled_dot_product_flash_attention_for_cpu": "scaled_dot_product_attention",
    "_scaled_dot_product_efficient_attention": "scaled_dot_product_attention",
    "_scaled_dot_product_cudnn_attention": "scaled_dot_product_attention",
    "_scaled_dot_product_attention_math": "scaled_dot_product_attention", "_unsafe_view": "view",
    "_reshape_alias": "reshape", "_reshape_copy": "reshape", "view_as": "view", "reshape_as": "reshape",
    "expand_as": "expand", "_to_copy": "to", "type_as": "to", "to_copy": "to", "lift_fresh": "clone", "alias": "view",
    "float": "to", "double": "to", "half": "to", "bfloat16": "to", "_cat": "cat", "concat": "cat",
    "concatenate": "cat", "linalg_vector_norm": "norm", "linalg_norm": "norm", "linalg_matmul": "matmul",
    "linalg_det": "det", "_linalg_det": "det", "linalg_inv": "inverse", "linalg_inv_ex": "inverse",
    "frobenius_norm": "norm", "linalg_multi_dot": "matmul", "max_pool2d_with_indices": "max_pool2d",
    "_adaptive_avg_pool2d": "adaptive_avg_pool2d", "mkldnn_linear": "linear", "_addmm_activation": "addmm",
    "_prelu_kernel": "prelu", "log_sigmoid": "logsigmoid", "log_sigmoid_forward": "logsigmoid", "absolute": "abs",
    "negative": "neg", "subtract": "sub", "multiply": "mul", "divide": "div", "true_divide": "div", "sgn": "sign",
    "float_power": "pow", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arctan2": "atan2", "arcsinh": "asinh",
    "arccosh": "acosh", "arctanh": "atanh", "fix": "trunc", "clip": "clamp", "special_expit": "sigmoid",
    "special_log1p": "log1p", "special_expm1": "expm1", "special_erf": "erf", "special_erfc": "erfc",
    "special_logit": "logit", "special_xlogy": "xlogy", "special_logsumexp": "logsumexp", "special_softmax": "softmax",
    "special_log_softmax": "log_softmax", "swapaxes": "transpose", "swapdims": "transpose", "movedim": "permute",
    "ger": "outer", "vdot": "dot", "_unsafe_index": "getitem", "index": "getitem", "slice_scatter": "setitem",
    "constant_pad_nd": "pad", "_thnn_fused_lstm_cell": "lstm", "_cudnn_rnn": "lstm", "_thnn_fused_gru_cell": "gru",
    "__add__": "add", "__radd__": "add", "__sub__": "sub", "__rsub__": "sub", "__mul__": "mul", "__rmul__": "mul",
    "__truediv__": "div", "__rtruediv__": "div", "__rdiv__": "div", "__pow__": "pow", "__rpow__": "pow",
    "__matmul__": "matmul", "__rmatmul__": "matmul", "__neg__": "neg", "__pos__": "positive", "__abs__": "abs",
    "__mod__": "remainder", "__rmod__": "remainder", "__floordiv__": "floor_divide", "__rfloordiv__": "floor_divide",
    "__getitem__": "getitem", "__setitem__": "setitem", "__iadd__": "add_", "__isub__": "sub_", "__imul__": "mul_",
    "__itruediv__": "div_", "__idiv__": "div_", "__ipow__": "pow_",
})  # fmt: skip

# names whose first operand is the one that people write second; __rpow__, __rmatmul__ and __rmod__ hand theirs over in
# the order written
REFLECTED = frozenset({"rsub", "__radd__", "__rsub__", "__rmul__", "__rtruediv__", "__rdiv__"})

OPERATORS: Mapping[str, str] = MappingProxyType(
    {"+": "add", "-": "sub", "*": "mul", "/": "div", "**": "pow", "@": "matmul", "//": "floor_divide", "%": "remainder"}
)

# instructions of Python
UNARY: Mapping[str, str] = MappingProxyType({"UNARY_NEGATIVE": "neg", "UNARY_INVERT": "bitwise_not"})
PROPERTIES: Mapping[str, str] = MappingProxyType({  # of a tensor, that compute
    "T": "t", "mT": "mT", "H": "H", "mH": "mH", "real": "real", "imag": "imag", "data": "data",
})  # fmt: skip

# of an operation that two names are known for, as written and as run: the one that is written stays
SAME_THING = frozenset({
    ("max", "maximum"), ("min", "minimum"), ("square", "pow"), ("true_divide", "div"), ("divide", "div"),
    ("multiply", "mul"), ("data", "detach"), ("subtract", "sub"), ("negative", "neg"),
})  # fmt: skip

# an operation whose name its settings change
KNOWN_AS: Mapping[tuple[str, tuple[tuple[str, object], ...]], str] = MappingProxyType({
    ("elu", (("alpha", 1.6732632423543772), ("scale", 1.0507009873554805))): "selu",
    ("hardtanh", (("min_val", 0), ("max_val", 6))): "relu6",
})  # fmt: skip
NAMED_BY_SETTINGS = frozenset(name for name, _ in KNOWN_AS)

# What runs beside zeros that torch does not store, as forward mode has them -> the operations that it then stands for:
# all that is left of them is a copy of the other operand.
BESIDE_ZEROS: Mapping[str, frozenset[str]] = {"to": frozenset({"add", "sub"})}

# What users write -> the autograd nodes that torch makes of it, where they are called otherwise; regular expressions,
# without "_" and in small letters.
AUTOGRAD_FAMILIES: Mapping[str, str] = {
    "matmul": "mm|bmm|mv|dot",
    "linear": "addmm|mm|addmv|mv|baddbmm|bmm",
    "addmm": "sparseaddmm",
    "mm": "sparseaddmm",
    "bilinear": "trilinear",
    "einsum": "mm|bmm|mul|sum|permute|diagonal|view",
    "getitem": "select|slice|unsqueeze|alias",
    "narrow": "slice",
    "setitem": "indexput|indexputimpl|fill|copy|copybackwards|maskedfill",
    "reshape": "view|alias|clone|asstrided",
    "view": "reshapealias|asstrided",
    "values": "nestedgetvalues",
    "flatten": "view|alias|clone",
    "squeeze": "alias",
    "expand": "alias",
    "broadcast_tensors": "expand",
    "t": "permute|transpose|alias",
    "transpose": "permute|t",
    "split": "splitwithsizes",
    "chunk": "split|splitwithsizes",
    "stack": "cat",
    "gather": "takealongdim",
    "embedding": "index",
    "unfold": "im2col",
    "fold": "col2im",
    "pad": r"reflectionpad\dd|replicationpad\dd",
    "interpolate": r"upsample\w+",
    "upsample_bilinear": r"upsamplebilinear\dd",
    "upsample_nearest": r"upsamplenearest\dd",
    "adaptive_max_pool2d_with_indices": "adaptivemaxpool2d",
    "adaptive_max_pool3d_with_indices": "adaptivemaxpool3d",
    "grid_sample": r"gridsampler\dd",
    "max_pool1d": "maxpool2dwithindices",
    "max_pool2d": "maxpool2dwithindices",
    "max_pool3d": "maxpool3dwithindices",
    "_max_pool3d": "maxpool3dwithindices",
    "adaptive_avg_pool2d": "mean",
    "conv1d": "convolution",
    "conv3d": "convolution",
    "conv_transpose2d": "convolution",
    "nll_loss": r"nllloss2d|nlllossnd",
    "softmax": "safesoftmax",
    "multi_head_attention_forward": "nativemultiheadattention",
    "scaled_dot_product_attention": r"scaleddotproduct\w+",
    "lstm": "mkldnnrnnlayer|thnnfusedlstmcell|cudnnrnn",
    "gru": "mkldnnrnnlayer|thnnfusedgrucell|cudnnrnn",
    "norm": "linalgvectornorm",
    "max": "maximum|amax",
    "min": "minimum|amin",
    "median": "nanmedian",
    "square": "pow",
    "pow": "square",
    "svd": "linalgsvd",
    "_pdist_forward": "pdist",
    "fake_quantize_per_tensor_affine": r"fakequantizepertensoraffine\w*",
    "copy_": "copybackwards",
    "data": "detach",
    "detach": "differentiablegraph",  # how a function that torch.jit scripted gives back its result
}


@cache
def public_name(aten: str) -> str:
    """The name that people write for an ATen operation or a Python method; a "_" that ends in-place operations
    stays.
    """
    name = re.sub(r"^(?:torch\.ops\.)?aten(?:::|\.)", "", aten).partition(".")[0]
    if name in ALIASES:
        return ALIASES[name]
    in_place = "_" if name.endswith("_") and not name.endswith("__") else ""
    base = name[: len(name) - len(in_place)]
    return ALIASES.get(base, base) + in_place
