"""What else is known of operations, by the names that people write: how they treat elements, operands, settings and
gradients.

Where a name is one of ATen, that is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from graphviz_ad._internal.operations.names import public_name

# --- single ones that are like no other

GETITEM, SETITEM = "getitem", "setitem"  # x[i], and x[i] = y
UNBIND = "unbind"  # what a loop over a tensor calls
TRANSPOSITION = "t"
UNBIND = "unbind"  # what a loop over a tensor runs as
RECURRENT_KERNELS = frozenset({"mkldnn_rnn_layer", "_cudnn_rnn"})  # each gives out, h, c and what it needs for itself
CELL_KERNEL = "_thnn_fused_lstm_cell"
BENT, GATED, UNBATCHED = "tanh", "mul", "squeeze"  # of the h = o * tanh(c) of an LSTM cell, and how a batch of one ends
MAKES_GRADIENTS = frozenset({"grad"})  # functions that return gradients, as a program calls them
NEVER_SEEN = "view"  # what an operation without a node of its own is taken for
LIFTED = "lift_fresh"  # ATen's: what torch.tensor(…) runs as

# --- elements

# the same elements in their order; reshape copies if it must
VIEWS_IN_ORDER = frozenset({"reshape", "view", "flatten", "squeeze", "unsqueeze", "detach", "data"})
REORDERED = frozenset({"t", "transpose", "permute"})
# the same elements in their order, as a copy or as another dtype, too
IN_ORDER = VIEWS_IN_ORDER | {"clone", "contiguous", "to", "positive"}
COPIED_TO_FIT = frozenset({"expand", "broadcast_to"})  # the same elements, each as often as another shape needs it
COPIES_ALL = COPIED_TO_FIT | {"repeat"}  # the same elements, more often
OF_ONE_THE_SAME = frozenset({"sum", "mean", "prod", "max", "min", "amax", "amin"})  # of one number, that number
PICKS_ONE_AT_A_TIE = frozenset({"max", "min"})  # along a dimension; all others share
CHOICES = PICKS_ONE_AT_A_TIE | {"maximum", "minimum", "amax", "amin"}  # pick some of what they are given
POOLS = frozenset({"max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d", "adaptive_avg_pool2d"})
TAKES_LARGEST = frozenset({"topk"})  # of each row
JOINS = frozenset({"cat", "stack"})  # of any number of operands
SOFTMAX = frozenset({"softmax", "log_softmax"})
PICKS_CLASSES = frozenset({"nll_loss", "cross_entropy"})
CONVOLUTIONS: Mapping[str, bool] = MappingProxyType({  # and whether torch must say "transposed"
    "conv1d": False, "conv2d": False, "conv3d": False, "conv_transpose2d": True,
})  # fmt: skip
MAX_POOLS = frozenset({*(f"max_pool{n}d" for n in (1, 2, 3)), *(f"adaptive_max_pool{n}d" for n in (1, 2, 3))})
ADAPTIVE_POOLS = frozenset({f"adaptive_{kind}_pool{n}d" for kind in ("max", "avg") for n in (1, 2, 3)})
# of poolings: windows move over their operand in so many directions
DIRECTIONS: Mapping[str, int] = MappingProxyType({
    name.format(n): n for n in (1, 2, 3) for name in ("max_pool{}d", "avg_pool{}d", "adaptive_max_pool{}d", "adaptive_avg_pool{}d")
})  # fmt: skip
# move elements in a way that settings change, and their formulas do not say it
MOVE_BY_SETTINGS = frozenset({"embedding", "tril", "triu"})
PAD = "pad"
# what a padding is made of, which autograd's node tells: only constants let a gradient pass by cutting them off
PADDING_MODES: Mapping[str, str] = MappingProxyType({
    "ConstantPadNdBackward0": "constant",
    **{f"Reflection{kind}": "reflect" for kind in ("Pad1DBackward0", "Pad2DBackward0", "Pad3DBackward0")},
    **{f"Replication{kind}": "replicate" for kind in ("Pad1DBackward0", "Pad2DBackward0", "Pad3DBackward0")},
})  # fmt: skip
UNSQUEEZES = frozenset({"UnsqueezeBackward0"})  # of autograd: what x[None] runs as
PICKS_ROWS: Mapping[str, tuple[int, int]] = MappingProxyType({  # which operand is the table, and which says the rows
    "embedding": (1, 0), "index_select": (0, 1), GETITEM: (0, 1),
})  # fmt: skip
TRIANGLES: Mapping[str, bool] = MappingProxyType({"tril": False, "triu": True})  # and whether the upper one is kept
FILLS_MASKED, CHOOSES, DROPS = "masked_fill", "where", frozenset({"dropout"})
SLICE = "slice"
SLICES = frozenset({"select", SLICE})
SHAPE_ONLY = frozenset({  # read nothing but the shape of what they are given
    "ones_like", "zeros_like", "empty_like", "full_like", "rand_like", "randn_like", "randint_like", "new_zeros",
    "new_ones", "new_empty", "new_full",
})  # fmt: skip
UNINITIALISED = frozenset({  # of ATen: what they hold means nothing
    "empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "empty_permuted",
})  # fmt: skip

# --- where the formulas hold

# of ATen, also in place: computed by several threads, if there are to be several and the result is not small
COMPUTED_IN_THREADS = frozenset({"add", "sub", "mul", "div", "relu", "sigmoid", "tanh", "exp"})
OF_ONE_MATRIX = frozenset({"det"})  # not of a batch
UNDEFINED_AT_KINKS = frozenset({"norm"})
KINKS_BY_SETTINGS = frozenset({"hardtanh"})
BATCHES = frozenset({"matmul"})  # copy a matrix for each of a batch
MATRIX_PRODUCTS = frozenset({"matmul", "mm", "bmm"})  # of two operands, and nothing else
ROW_BY_ROW = frozenset({"linear"})  # read their weight for each row

# --- operands

LINEAR = "linear"  # as it is called, for `LINEAR_RUNS_AS`
SWAPPED = frozenset({"embedding"})  # of ATen: read first what people give last
NOT_REFLECTED = frozenset({"pow"})  # with a number first, it stands in the order written all the same
# what is written, and what it runs as with a number that nobody wrote
UNWRITTEN_NUMBER = frozenset({("square", "pow")})

CLAMPS = frozenset({"clamp", "clamp_", "clamp_min", "clamp_max"})  # their bounds are operands
BOUNDS = ("min", "max")  # what these are called
# Python numbers there are operands of the formula, not settings
OPERAND_ARGUMENTS = frozenset({"self", "other", "exponent"})
# of ATen: take an argument that only stands for others of its kind
DUMMIES = frozenset({"_nested_view_from_jagged", "_nested_view_from_jagged_copy"})
# Calls that take a number where a tensor could stand; in all others, a number is one that torch computes with inside.
FLAT = frozenset({  # whose derivative is 0 wherever they have one
    *("round", "floor", "ceil", "trunc", "sign", "fix", "heaviside", "floor_divide"),
})  # fmt: skip
GATES = frozenset({  # whose derivative is 0 for a part of all numbers
    *("relu", "relu6", "hardtanh", "hardsigmoid", "hardshrink", "softshrink", "threshold", "abs"),
    *("clamp", "clip", "clamp_min", "clamp_max", "maximum", "minimum", "hardswish"),
})  # fmt: skip
SATURATES = frozenset({"sigmoid", "tanh", "erf", "logsigmoid", "exp"})  # whose derivative goes to 0 far out
MULTIPLIES = frozenset({  # one operand with another; what more there is, is added
    *("mul", "matmul", "linear", "mm", "bmm", "mv", "dot", "outer", "inner", "addmm", "addmv", "baddbmm"),
    *("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
})  # fmt: skip
BY_ROWS = frozenset({  # each row of the first operand with all of the others
    "matmul", "linear", "mm", "bmm", "scaled_dot_product_attention",
})  # fmt: skip
LETS_PARTS_THROUGH = frozenset({  # by a mask, or by chance
    *("where", "masked_fill", "dropout", "feature_dropout", "alpha_dropout", "tril", "triu", "getitem"),
})  # fmt: skip
TAKES_NUMBERS = frozenset({
    "add", "sub", "mul", "div", "pow", "remainder", "fmod", "floor_divide", "rsub", "subtract", "multiply", "divide",
    "true_divide", "float_power", "clamp", "clip", "clamp_min", "clamp_max", "where", "setitem", "xlogy", "copysign",
    "bitwise_and", "bitwise_or", "bitwise_xor", "eq", "ne", "gt", "ge", "lt", "le", "equal", "not_equal", "greater",
    "greater_equal", "less", "less_equal",
})  # fmt: skip
# Calls that read each operand once, so that one that is there twice was written twice: x @ x.
READ_ONCE = frozenset({
    "add", "sub", "mul", "div", "pow", "matmul", "floor_divide", "remainder", "einsum", "tensordot", "inner", "outer",
    "kron", "multi_dot", "chain_matmul", "bilinear", "linear", "dot", "mm", "bmm", "mv", "cat", "stack", "hstack",
    "vstack", "dstack", "column_stack", "block_diag", "where", "cdist",
})  # fmt: skip
# Calls that compute in an order of their own, but look at their operands in theirs: einsum, and the transforms of
# functions.
AS_LOOKED_AT = frozenset({
    "einsum", "grad", "grad_and_value", "jacrev", "jacfwd", "hessian", "jvp", "linearize", "jacobian", "vjp", "vhp",
    "hvp",
})  # fmt: skip
# Calls that run a backward pass whose graph is kept, or a forward pass and all that torch makes of it.
PASSES_OF_THEIR_OWN = (AS_LOOKED_AT - {"einsum"}) | MAKES_GRADIENTS | {"backward"}
# Calls whose formula mentions an operand before one that is given first -> the places in the formula, in the order in
# which they are given.
FORMULA_ORDER: Mapping[tuple[str, int], tuple[int, ...]] = MappingProxyType({
    ("kl_div", 2): (1, 0),
    ("multilabel_soft_margin_loss", 2): (1, 0), ("multilabel_soft_margin_loss", 3): (1, 0, 2),
    ("margin_ranking_loss", 3): (1, 2, 0), ("gaussian_nll_loss", 3): (1, 2, 0),
    ("bilinear", 3): (0, 2, 1), ("bilinear", 4): (0, 2, 1, 3),
})  # fmt: skip
# take first what linear(x, W, b) is given last
WRITTEN_LAST: Mapping[str, int] = MappingProxyType({"addmm": 0, "baddbmm": 0, "addmv": 0})
MASKS: Mapping[str, int] = MappingProxyType({"where": 0})  # take first what a call is given last
# Calls that add a mask before they read the last operand -> the place of the mask in what they add up.
ADDED_MASKS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {"scaled_dot_product_attention": {**MASKS, "add": 1, "add_": 1}, "where": {}}
)
RECURRENT = frozenset(
    {"lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"}
)

# cells that return several results -> which operation makes which of them, where they run as many
# what these make of x and h (and c), each … a sum of a matrix times x, another times h, and biases; z of gru_cell as
# torch has it, and no bias written
FORMULAS_OF_CELLS: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "lstm_cell": ("i, f, o = σ(…), g = tanh(…)", "c′ = f·c + i·g, h′ = o·tanh(c′)"),
    "gru_cell": ("r, z = σ(…), n = tanh(W·x + r·(U·h))", "h′ = (1 − z)·n + z·h"),
    "rnn_tanh_cell": ("h′ = tanh(W·x + U·h)",),
    "rnn_relu_cell": ("h′ = max(0, W·x + U·h)",),
})  # fmt: skip
# the nodes of autograd, of these kinds, by which a call of such a name is known to be torch's own
PARTS_OF_CELLS: Mapping[str, Mapping[str, int]] = MappingProxyType({
    "lstm_cell": {"SigmoidBackward0": 3, "TanhBackward0": 2, "MulBackward0": 3},
    "gru_cell": {"SigmoidBackward0": 2, "TanhBackward0": 1, "MulBackward0": 2, "SubBackward0": 1},
    "rnn_tanh_cell": {"TanhBackward0": 1},
    "rnn_relu_cell": {"ReluBackward0": 1},
})  # fmt: skip
KINDS_OF_PARTS = frozenset(kind for parts in PARTS_OF_CELLS.values() for kind in parts)
STATES_OF_CELLS: Mapping[str, tuple[str, ...]] = MappingProxyType({  # what torch returns, in order
    "lstm_cell": ("h", "c"), "gru_cell": ("h",), "rnn_tanh_cell": ("h",), "rnn_relu_cell": ("h",),
})  # fmt: skip
RESULTS_OF_CELLS: Mapping[str, Mapping[str, str]] = MappingProxyType({"lstm_cell": {"add": "c", "mul": "h"}})

_OTHER: Mapping[str, int] = MappingProxyType({"self": 0, "other": 1})
# Operator, and the operation of ATen that it runs as -> argument -> side on which that is written.
SIDES: Mapping[tuple[str, str], Mapping[str, int]] = MappingProxyType({
    **{(name, run): _OTHER for name in ("add", "sub", "mul", "div", "floor_divide", "remainder") for run in (name, f"{name}_")},
    ("sub", "rsub"): _OTHER, ("div", "reciprocal"): _OTHER, ("pow", "pow"): {"self": 0, "exponent": 1},
    ("matmul", "mm"): {"self": 0, "mat2": 1}, ("matmul", "mv"): {"self": 0, "vec": 1},
    ("matmul", "dot"): {"self": 0, "tensor": 1},
})  # fmt: skip
# what linear(x, W, b) runs as -> argument -> place of what is given
LINEAR_RUNS_AS: Mapping[str, Mapping[str, int]] = MappingProxyType({
    "t": {"self": 1}, "addmm": {"self": 2, "mat1": 0}, "mm": {"self": 0},
})  # fmt: skip

# --- settings

DEFAULTS = frozenset({  # which torch passes on although nobody wrote them
    ("norm", "ord", 2), ("elu", "alpha", 1), ("hardtanh", "min_val", -1), ("hardtanh", "max_val", 1),
    ("nll_loss", "ignore_index", -100),
})  # fmt: skip

# --- gradients

# what sample() of a distribution runs, through which no gradient goes
DRAWS = frozenset(
    ("sample", "normal", "bernoulli", "multinomial", "poisson", "binomial", "_standard_gamma", "_sample_dirichlet")
)
# whose result may be another each time although all that they read is the same
RANDOM = DRAWS | {
    *("dropout", "dropout1d", "dropout2d", "dropout3d", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"),
    *("rrelu", "rrelu_with_noise", "gumbel_softmax", "scaled_dot_product_attention", "lstm", "gru", "rnn_tanh"),
    "rnn_relu",
}  # fmt: skip
# whose backward is that of what they round, although they return steps
STRAIGHT_THROUGH = frozenset({
    "fake_quantize_per_tensor_affine", "fake_quantize_per_tensor_affine_cachemask",
    "fake_quantize_per_channel_affine", "fake_quantize_per_channel_affine_cachemask",
    "_fake_quantize_per_tensor_affine_cachemask_tensor_qparams", "_fake_quantize_learnable_per_tensor_affine",
    "_fake_quantize_learnable_per_channel_affine", "fused_moving_avg_obs_fake_quant", "_fused_moving_avg_obs_fq_helper",
})  # fmt: skip
# whose backward leaves out rows, or divides them, by a setting -> what that is where it does not
GRADIENT_BY_SETTINGS: Mapping[str, Mapping[str, tuple[object, ...]]] = MappingProxyType({
    "embedding": {"padding_idx": (-1, None), "scale_grad_by_freq": (False,)},
    "embedding_bag": {"scale_grad_by_freq": (False,)},
    "_embedding_bag": {"scale_grad_by_freq": (False,)},
})  # fmt: skip
REENTRANT = "CheckpointFunction"  # torch's own, of a checkpoint with use_reentrant=True
PASSES_ON = "BackwardHookFunction"  # torch's own Function, on which hooks of modules hang
DETACHES = frozenset({"detach", "alias"})  # of ATen, as detach() and what torch keeps for the backward pass run
DATA = "data"  # .data, which is a detach() that hides what is written through it
BEHIND_AUTOGRADS_BACK = DETACHES | {DATA}
# of ATen: what C++ runs to make a lazy conjugate real
MATERIALISES = frozenset({"clone", "_conj_physical", "resolve_conj", "resolve_neg", "_neg_view"})
# Of ATen, what a multiple of something is made by; −1 where the second operand is taken away
SUMS: Mapping[str, float] = MappingProxyType({"add": 1.0, "add_": 1.0, "sub": -1.0, "sub_": -1.0})
SCALES: Mapping[str, int] = MappingProxyType({"mul": 1, "mul_": 1, "div": -1, "div_": -1})  # the power of the factor
HANDS_ON = frozenset({*DETACHES, "clone", "copy_"})  # the elements of its last operand
OPPOSITE = frozenset({"neg", "neg_"})
# Of ATen, what writes to operands without saying so in its schema -> the flag by which it does, and these operands.
OVERWRITES: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    dict.fromkeys(
        ("native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm"), ("training", ("running_mean", "running_var"))
    )
)


def keeps_elements(aten: str) -> bool:
    """Whether the result has just the elements of the operand, of the same dtype, in whatever order; by the name in
    ATen, or of an autograd node.
    """
    return bool({public_name(aten), public_name(f"_{aten}")} & (VIEWS_IN_ORDER | REORDERED))


def keeps_order(aten: str) -> bool:
    """The same of those that keep the order, too."""
    return bool({public_name(aten), public_name(f"_{aten}")} & VIEWS_IN_ORDER)


def is_detach(op: str | None) -> bool:
    """Whether an operation is detach() itself."""
    return op == "detach"
