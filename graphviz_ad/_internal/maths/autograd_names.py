"""Name of an operation + name of an autograd node -> whether the one can be the backward of the other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from graphviz_ad._internal.maths.ops import ALIASES, ELEMENTWISE, RULES, written_name

AGREE, DIFFER, UNKNOWN = "agree", "differ", "unknown"

# What users write -> the autograd nodes that torch makes of it, where they are called otherwise; regular expressions, without "_" and in small letters.
FAMILIES: Mapping[str, str] = {
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
    "detach": "differentiablegraph",  # how a function that torch.jit scripted gives back its result
}
TRANSFORMS = frozenset({"grad", "grad_and_value", "jacrev", "jacfwd", "hessian", "jacobian", "vjp", "jvp", "vhp", "hvp", "vmap", "linearize"})
WRITES_TO_A_VIEW = "CopySlices"
_CUSTOM = re.compile(r"(?!CopyBackwards)(\w+)Backward")  # of a torch.autograd.Function: without the number that torch's own nodes have


def stem(autograd: str) -> str:
    """The operation in the name of an autograd node, as torch spells it there: "MaxPool2DWithIndices"."""
    return re.sub(r"Backward\d*(_copy)?$", "", autograd)


def is_custom(autograd: str) -> bool:
    """Whether an autograd node belongs to a torch.autograd.Function that somebody wrote in Python."""
    return _CUSTOM.fullmatch(autograd) is not None


@cache
def verdict(op: str, autograd: str) -> str:
    """AGREE, DIFFER, or UNKNOWN: then the names alone say nothing. An operation of ATen may stand for the autograd node that it makes.

    >>> verdict("sin", "SinBackward0"), verdict("sin", "ExpBackward0"), verdict("my_layer", "ViewBackward0"), verdict("conv1d", "unsqueeze")
    ('agree', 'differ', 'unknown', 'differ')
    """
    base = op[:-1] if op.endswith("_") and not op.endswith("__") else op
    if autograd == WRITES_TO_A_VIEW:
        return AGREE if op != base or op == "setitem" else UNKNOWN
    names = {plain(base), plain(base).removesuffix("copy"), plain(base).removeprefix("foreach"), plain(written_name(base))}
    made = plain(stem(autograd))
    if names & {made, _aliases().get(made, made)} or any(_family(name, made) for name in (op, base, written_name(base))):
        return AGREE
    if is_custom(autograd):
        library = made.startswith("generatedbackwardfor") and plain(op.replace("::", "_")) in made
        return AGREE if library else UNKNOWN  # its author may call it anything
    known = base in RULES or base in FAMILIES
    elementwise = _aliases().get(made, made) in _ELEMENTWISE  # these are always shown by their own name
    return DIFFER if (known or elementwise) and op not in TRANSFORMS else UNKNOWN


def plain(name: str) -> str:
    """A name without what ATen and autograd spell differently.

    >>> plain("_adaptive_max_pool2d") == plain("AdaptiveMaxPool2D")
    True
    """
    return name.replace("_", "").lower()


def _family(name: str, made: str) -> bool:
    return name in FAMILIES and re.fullmatch(FAMILIES[name], made) is not None


@cache
def _aliases() -> Mapping[str, str]:
    return {plain(name): plain(written) for name, written in ALIASES.items()}


_ELEMENTWISE = frozenset(map(plain, ELEMENTWISE))
