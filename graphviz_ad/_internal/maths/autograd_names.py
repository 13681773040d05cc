"""Name of an operation + name of an autograd node -> whether the one can be the backward of the other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from graphviz_ad._internal.operations.names import ALIASES, AUTOGRAD_FAMILIES, BESIDE_ZEROS, public_name
from graphviz_ad._internal.operations.rules import ELEMENTWISE, RULES
from graphviz_ad._internal.operations.traits import SETITEM

AGREE, DIFFER, UNKNOWN = "agree", "differ", "unknown"

TRANSFORMS = frozenset(
    {
        "grad",
        "grad_and_value",
        "jacrev",
        "jacfwd",
        "hessian",
        "jacobian",
        "vjp",
        "jvp",
        "vhp",
        "hvp",
        "vmap",
        "linearize",
    }
)
WRITES_TO_A_VIEW = "CopySlices"
# of a torch.autograd.Function: without the number that torch's own nodes have
_CUSTOM = re.compile(r"(?!CopyBackwards)(\w+)Backward")


def torch_stem(autograd: str) -> str:
    """The operation in the name of an autograd node, as torch spells it there: "MaxPool2DWithIndices"."""
    return re.sub(r"Backward\d*(_copy)?$", "", autograd)


def is_custom(autograd: str) -> bool:
    """Whether an autograd node belongs to a torch.autograd.Function that somebody wrote in Python."""
    return _CUSTOM.fullmatch(autograd) is not None


@cache
def names_verdict(op: str, autograd: str) -> str:
    """AGREE, DIFFER, or UNKNOWN: then the names alone say nothing. An operation of ATen may stand for the autograd
    node that it makes.

    >>> names_verdict("sin", "SinBackward0"), names_verdict("sin", "ExpBackward0"), names_verdict("my_layer", "ViewBackward0"), names_verdict("conv1d", "unsqueeze")
    ('agree', 'differ', 'unknown', 'differ')
    """  # noqa: E501
    base = op[:-1] if op.endswith("_") and not op.endswith("__") else op
    if autograd == WRITES_TO_A_VIEW:
        return AGREE if op != base or op == SETITEM else UNKNOWN
    names = {
        plain_name(base),
        plain_name(base).removesuffix("copy"),
        plain_name(base).removeprefix("foreach"),
        plain_name(public_name(base)),
    }
    made = plain_name(torch_stem(autograd))
    if names & {made, _aliases().get(made, made)} or any(_family(name, made) for name in (op, base, public_name(base))):
        return AGREE
    if is_custom(autograd):
        library = made.startswith("generatedbackwardfor") and plain_name(op.replace("::", "_")) in made
        return AGREE if library else UNKNOWN  # its author may call it anything
    if made in BESIDE_ZEROS.get(base, ()):
        return UNKNOWN
    known = base in RULES or base in AUTOGRAD_FAMILIES
    elementwise = _aliases().get(made, made) in _ELEMENTWISE  # these are always shown by their own name
    return DIFFER if (known or elementwise) and op not in TRANSFORMS else UNKNOWN


def plain_name(name: str) -> str:
    """A name without what ATen and autograd spell differently.

    >>> plain_name("_adaptive_max_pool2d") == plain_name("AdaptiveMaxPool2D")
    True
    """
    return name.replace("_", "").lower()


def _family(name: str, made: str) -> bool:
    return name in AUTOGRAD_FAMILIES and re.fullmatch(AUTOGRAD_FAMILIES[name], made) is not None


@cache
def _aliases() -> Mapping[str, str]:
    return {plain_name(name): plain_name(written) for name, written in ALIASES.items()}


_ELEMENTWISE = frozenset(map(plain_name, ELEMENTWISE))
