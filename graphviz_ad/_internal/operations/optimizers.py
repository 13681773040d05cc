"""OPTIMIZERS: how torch's optimizers make a step, a line after the other, as data.

``w`` is the parameter and ``g`` the gradient; settings and what is remembered from step to step have torch's names, a
pair such as betas those of `PAIRS`. Each line is held against what was recorded before anybody is told of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PARAMETER, GRADIENT, STEPS = "w", "g", "step"
PAIRS: Mapping[str, tuple[str, ...]] = {"betas": ("beta1", "beta2")}
FIRST = "first"  # a line of the first step alone, when nothing is remembered yet
# what is left of 1 without that setting, so that nobody has to subtract
RESTS: Mapping[str, str] = {"rest1": "beta1", "rest2": "beta2", "rest": "alpha", "kept": "dampening"}
# what a lecture calls what torch remembers; each further name is for where the program calls something so
LETTERS: Mapping[str, tuple[str, ...]] = {
    "momentum_buffer": ("v", "velocity"),
    "exp_avg": ("m", "exp_avg"),
    "exp_avg_sq": ("v", "s", "exp_avg_sq"),
    "square_avg": ("s", "square_avg"),
    "sum": ("s", "sum"),
    GRADIENT: ("g", "grad"),
}
CORRECTED: Mapping[str, str] = {"m_corrected": "exp_avg", "v_corrected": "exp_avg_sq"}  # what is written with a prime
BY_HAND = "by hand"  # what takes the place of an optimizer's name where the program itself writes to a parameter
RATE = "lr"  # of such a step: how often it takes .grad away
SETTINGS: Mapping[str, str] = {RATE: "The learning rate"}  # what a lecture calls them, at the beginning of a sentence


@dataclass(frozen=True)
class UpdateLine:
    """``result`` gets what ``formula`` says, where the settings ``given`` are on and those in ``without`` off; ``apart``:
    all numbers in it but one are Python's, which torch computes with before it comes to tensors.
    """

    result: str
    formula: str
    lesson: str = ""
    given: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    apart: bool = False

    def holds(self, on: Mapping[str, object]) -> bool:
        """Whether it is part of a step with these settings."""
        return all(on.get(name) for name in self.given) and not any(on.get(name) for name in self.without)


@dataclass(frozen=True)
class OptimizerRule:
    """The lines of a step; ``state`` is what is remembered, ``zeros`` of that what begins as zeros. With a setting of
    ``unless`` on, steps are made otherwise; ``settings`` are those that the class has by itself.
    """

    lines: tuple[UpdateLine, ...]
    state: tuple[str, ...] = ()
    zeros: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    settings: Mapping[str, float | bool] = field(default_factory=dict)


MAXIMIZED = UpdateLine(GRADIENT, "-g", "maximize", ("maximize",))
DECAYED = UpdateLine(GRADIENT, "g + weight_decay * w", "weight decay", ("weight_decay",), ("decoupled_weight_decay",))
PLAIN = "w - lr * g"
STEP_OF_ADAM = "w - lr * m_corrected / (sqrt(v_corrected) + eps)"

SGD = OptimizerRule(
    (
        MAXIMIZED,
        DECAYED,
        UpdateLine("momentum_buffer", "g", "first velocity", ("momentum", FIRST)),
        UpdateLine(
            "momentum_buffer", "momentum * momentum_buffer + g", "velocity", ("momentum",), (FIRST, "dampening")
        ),
        UpdateLine(
            "momentum_buffer",
            "momentum * momentum_buffer + kept * g",
            "velocity",
            ("momentum", "dampening"),
            (FIRST,),
        ),
        UpdateLine(GRADIENT, "g + momentum * momentum_buffer", "nesterov", ("momentum", "nesterov")),
        UpdateLine(PARAMETER, "w - lr * momentum_buffer", "step of momentum", ("momentum",), ("nesterov",)),
        UpdateLine(PARAMETER, PLAIN, "step", ("nesterov",)),
        UpdateLine(PARAMETER, PLAIN, "step", (), ("momentum", "nesterov")),
    ),
    ("momentum_buffer",),
)
ADAM = OptimizerRule(
    (
        MAXIMIZED,
        DECAYED,
        UpdateLine(PARAMETER, "w - lr * weight_decay * w", "decoupled", ("weight_decay", "decoupled_weight_decay")),
        UpdateLine("exp_avg", "beta1 * exp_avg + rest1 * g", "average"),
        UpdateLine("exp_avg_sq", "beta2 * exp_avg_sq + rest2 * g**2", "average of squares"),
        UpdateLine("m_corrected", "exp_avg / (1 - beta1**step)", "bias correction", apart=True),
        UpdateLine("v_corrected", "exp_avg_sq / (1 - beta2**step)", "bias correction", apart=True),
        UpdateLine(PARAMETER, STEP_OF_ADAM, "step of adam"),
    ),
    ("exp_avg", "exp_avg_sq", STEPS),
    ("exp_avg", "exp_avg_sq"),
    ("amsgrad",),
)
RMSPROP = OptimizerRule(
    (
        MAXIMIZED,
        DECAYED,
        UpdateLine("square_avg", "alpha * square_avg + rest * g**2", "average of squares"),
        UpdateLine(
            "momentum_buffer", "momentum * momentum_buffer + g / (sqrt(square_avg) + eps)", "velocity", ("momentum",)
        ),
        UpdateLine(PARAMETER, "w - lr * momentum_buffer", "step of momentum", ("momentum",)),
        UpdateLine(PARAMETER, "w - lr * g / (sqrt(square_avg) + eps)", "step of adam", (), ("momentum",)),
    ),
    ("square_avg", "momentum_buffer"),
    ("square_avg", "momentum_buffer"),
    ("centered",),
)
ADAGRAD = OptimizerRule(
    (
        MAXIMIZED,
        DECAYED,
        UpdateLine("sum", "sum + g**2", "sum of squares"),
        UpdateLine(PARAMETER, "w - lr * g / (sqrt(sum) + eps)", "step of adagrad"),
    ),
    ("sum", STEPS),
    unless=("lr_decay",),
)
OPTIMIZERS: Mapping[str, OptimizerRule] = {
    "SGD": SGD,
    "Adagrad": ADAGRAD,
    "Adam": ADAM,
    "AdamW": OptimizerRule(ADAM.lines, ADAM.state, ADAM.zeros, ADAM.unless, {"decoupled_weight_decay": True}),
    "RMSprop": RMSPROP,
}
