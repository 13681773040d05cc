"""What is known of operations to those who look for faults in a training program, by the names that people write."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from graphviz_ad._internal.operations.traits import (
    CONVOLUTIONS,
    COPIED_TO_FIT,
    IN_ORDER,
    JOINS,
    LETS_PARTS_THROUGH,
    LINEAR,
    MATRIX_PRODUCTS,
)

# --- single ones

TANH, SIGMOID, SOFTMAX_ITSELF = "tanh", "sigmoid", "softmax"
EMBEDDING, DROPOUT, BATCH_NORM, MEAN = "embedding", "dropout", "batch_norm", "mean"
NLL_LOSS, SPREAD = "nll_loss", "expand"
ATTENTION = "scaled_dot_product_attention"

# --- layers

RECTIFIES = ("relu", "relu6", "threshold", "hardtanh", "hardsigmoid")
SQUASHES = (SIGMOID, TANH, SOFTMAX_ITSELF)
LOG_SOFTMAX = "log_softmax"
SOFTMAXES = (SOFTMAX_ITSELF, LOG_SOFTMAX)
NORMALISES_BATCHES = (BATCH_NORM, "instance_norm")
WITH_BIAS = frozenset({LINEAR, *CONVOLUTIONS, "conv_transpose1d", "conv_transpose3d"})
# what they read as data stands first, or here; what they learn beside it
OF_TWO_KINDS = WITH_BIAS | MATRIX_PRODUCTS | {"addmm", "baddbmm"}
DATA_SLOT: Mapping[str, int] = MappingProxyType({"addmm": 1, "baddbmm": 1})
NORMALISES = (*NORMALISES_BATCHES, "layer_norm", "rms_norm", "group_norm")  # whatever the size of what they are given
BY_CHANCE = frozenset({"rand", "rand_like", "randn", "randn_like", "randperm", "uniform", "bernoulli"})
BY_CHANNEL = frozenset(
    {*CONVOLUTIONS, "conv_transpose1d", "conv_transpose3d", BATCH_NORM, "instance_norm", "group_norm"}
)
# the same numbers, in other places
MOVES = IN_ORDER | {"t", "transpose", "permute", "getitem", "chunk", "split", "unbind", "float", "double"}
COPIES = MOVES | COPIED_TO_FIT | {"repeat", "repeat_interleave", "tile"}
PUT_BESIDE = JOINS | {"add", "where", "masked_fill", "setitem"}  # what is added to others, or takes the place of some
# on the way from queries and keys to the softmax of attention
BEFORE_SCORES = MOVES | JOINS | {
    "matmul", "bmm", "einsum", "div", "mul", "add", "sub", "masked_fill", "where", "baddbmm", "layer_norm",
}  # fmt: skip
LEAVES_OUT = LETS_PARTS_THROUGH | JOINS | {"gather", "index_select", "take_along_dim"}
KEEPS_ROWS_APART = ("add", DROPOUT, "layer_norm", "relu", "gelu", TANH, LINEAR)  # of a sequence

# the same numbers as another dtype, or as a copy
ONLY_CHANGES_TYPE = frozenset({"to", "float", "half", "double", "bfloat16", "clone", "contiguous", "type_as"})

# --- losses

PAIRWISE = (  # compare a prediction with a target, element by element
    "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy_with_logits", "binary_cross_entropy",
)  # fmt: skip
RETURNS_COLUMNS = (
    WITH_BIAS | MATRIX_PRODUCTS | {"addmm", EMBEDDING}
)  # layers, whose last dimension may be of one element
ELEMENTWISE = ("sub", "add", "mul", "div", "rsub")
ENDS = (MEAN, "sum", "norm", "mse_loss", "max", "amax")  # of a loss, one number
ON_THE_WAY = (
    "pow", "square", "abs", "mul", "sqrt", "neg", "log", "exp", "add", "sub", "smooth_l1_loss", "huber_loss", "where",
    "div",
)  # fmt: skip
PICKS_TARGETS = ("cross_entropy", NLL_LOSS)
LOSSES = frozenset({  # say how far a prediction is from what it should be
    *PAIRWISE, *PICKS_TARGETS, "kl_div", "ctc_loss", "poisson_nll_loss", "gaussian_nll_loss", "hinge_embedding_loss",
    "margin_ranking_loss", "cosine_embedding_loss", "triplet_margin_loss", "triplet_margin_with_distance_loss",
    "multi_margin_loss", "multilabel_margin_loss", "soft_margin_loss", "multilabel_soft_margin_loss",
})  # fmt: skip
WANTS_LOGARITHMS = (NLL_LOSS, "kl_div")
ADDS_UP = frozenset({"add", "sub"}) | JOINS
SCALES = frozenset({"mul", "div", "neg"})
PUT_TOGETHER = ADDS_UP | SCALES | {"sum", MEAN}  # what a loss is made of its terms by
ROUNDS = frozenset({"round"})  # to what is meant to go on; floor and sign stand beside what they are of, mostly
AS_NUMBERS = frozenset({"item", "tolist", "detach"})  # methods that give the numbers of a result without its graph
FILLS = "masked_fill"
SUMS_BY_WEIGHTS = ("matmul", "bmm")  # as attention by hand does
MAKES_SCORES = (*SUMS_BY_WEIGHTS, "einsum")
MASKS_SCORES = (FILLS, "where", "add")  # before their softmax
TIMES, OVER = "mul", "div"  # what their operands are off by, their results are off by as a part of their own size
SCALED_OR_MASKED = (TIMES, OVER, "sub", "float", *MASKS_SCORES)  # of scores, before their softmax

OWN_FUNCTION: Mapping[str, str] = MappingProxyType({  # that a loss applies itself
    "cross_entropy": SOFTMAX_ITSELF, "binary_cross_entropy_with_logits": SIGMOID,
})  # fmt: skip
# What is read, and what made that -> what is wrong with it, and how much.
Severity = Literal["error", "warning", "note"]
SQUASHED_BEFORE: Mapping[tuple[str, str], tuple[str, Severity]] = MappingProxyType({
    ("cross_entropy", "softmax"): ("probabilities-for-logits", "error"),
    ("cross_entropy", "sigmoid"): ("probabilities-for-logits", "warning"),
    ("cross_entropy", "log_softmax"): ("log-softmax-twice", "note"),
    ("cross_entropy", "relu"): ("rectified-logits", "note"),
    ("binary_cross_entropy_with_logits", "sigmoid"): ("probabilities-for-logits", "error"),
    ("binary_cross_entropy_with_logits", "softmax"): ("probabilities-for-logits", "error"),
    ("log_softmax", "softmax"): ("softmax-twice", "error"),
    ("softmax", "softmax"): ("softmax-twice", "warning"),
    ("softmax", "sigmoid"): ("softmax-twice", "note"),
    (NLL_LOSS, "softmax"): ("no-log-before-nll", "error"),
    (NLL_LOSS, "sigmoid"): ("no-log-before-nll", "error"),
    ("log", "softmax"): ("log-of-softmax", "note"),
})  # fmt: skip

# --- what numbers they have no value for

DIVISION, ROOT, LOGARITHM, EXPONENTIAL = "division", "root", "logarithm", "exponential"
NO_VALUE_THERE: Mapping[str, str] = MappingProxyType({
    **dict.fromkeys(("div", "true_divide", "reciprocal"), DIVISION),
    **dict.fromkeys(("sqrt", "rsqrt", "pow", "norm"), ROOT),
    **dict.fromkeys(("log", "log2", "log10", "log1p"), LOGARITHM),
    **dict.fromkeys(("exp", "expm1", "logsumexp"), EXPONENTIAL),
})  # fmt: skip
OVERFLOWS = frozenset({"mul", "matmul", LINEAR, "add", "sub"})
WRITTEN_THERE = frozenset({"full", "tensor", "empty"})
