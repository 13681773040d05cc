"""OPTIMIZERS: how torch's optimizers make a step, a line after the other, as data.

``w`` is the parameter and ``g`` the gradient; settings and what is remembered from step to step have torch's names, a
pair such as betas those of `PAIRS`. Each line is held against what was recorded before anybody is told of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

PARAMETER, GRADIENT, STEPS = "w", "g", "step"
PAIRS: Mapping[str, tuple[str, ...]] = {"betas": ("beta1", "beta2")}
FIRST = "first"  # a line of the first step alone, when nothing is remembered yet
# what is left of 1 without that setting, so that nobody has to subtract
RESTS: Mapping[str, str] = {"rest1": "beta1", "rest2": "beta2", "rest": "alpha", "kept": "dampening", "rest_rho": "rho"}
# what a lecture calls what torch remembers; each further name is for where the program calls something so
LETTERS: Mapping[str, tuple[str, ...]] = {
    "momentum_buffer": ("v", "velocity"),
    "exp_avg": ("m", "exp_avg"),
    "exp_avg_sq": ("v", "s", "exp_avg_sq"),
    "square_avg": ("s", "square_avg"),
    "sum": ("s", "sum"),
    "grad_avg": ("m", "grad_avg"),
    "max_exp_avg_sq": ("V", "max_exp_avg_sq"),
    "exp_inf": ("u", "exp_inf"),
    "acc_delta": ("u", "acc_delta"),
    "delta": ("Δ", "delta"),  # this and the next ones stand between, and are not remembered
    "rate": ("η", "rate"),
    "longest": ("ρ∞", "longest"),
    "length": ("ρ", "length"),
    "rectified_by": ("r", "rectified_by"),
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
    """The lines of a step; ``state`` is what is remembered, ``zeros`` of that what begins as zeros; ``settings`` are
    those that the class has by itself, ``switches`` are on where their formula of settings and steps is true.
    """

    lines: tuple[UpdateLine, ...]
    state: tuple[str, ...] = ()
    zeros: tuple[str, ...] = ()
    settings: Mapping[str, float | bool] = field(default_factory=dict)
    switches: Mapping[str, str] = field(default_factory=dict)


MAXIMIZED = UpdateLine(GRADIENT, "-g", "maximize", ("maximize",))
DECAYED = UpdateLine(GRADIENT, "g + weight_decay * w", "weight decay", ("weight_decay",), ("decoupled_weight_decay",))
PLAIN = "w - lr * g"
STEP_OF_ADAM = "w - lr * m_corrected / (sqrt(v_corrected) + eps)"
DECOUPLED = UpdateLine(PARAMETER, "w - lr * weight_decay * w", "decoupled", ("weight_decay", "decoupled_weight_decay"))
AVERAGE = UpdateLine("exp_avg", "beta1 * exp_avg + rest1 * g", "average")
AVERAGE_OF_SQUARES = UpdateLine("exp_avg_sq", "beta2 * exp_avg_sq + rest2 * g**2", "average of squares")
CORRECTED_AVERAGE = UpdateLine("m_corrected", "exp_avg / (1 - beta1**step)", "bias correction", apart=True)
CORRECTED_ALONE = replace(CORRECTED_AVERAGE, lesson="one bias correction")  # where that of squares is left
CORRECTED_SQUARES = UpdateLine("v_corrected", "exp_avg_sq / (1 - beta2**step)", "bias correction", apart=True)
BESIDE_MEAN = "sqrt(square_avg - grad_avg**2) + eps"  # what centered RMSprop divides by

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
        DECOUPLED,
        AVERAGE,
        AVERAGE_OF_SQUARES,
        UpdateLine("max_exp_avg_sq", "max(max_exp_avg_sq, exp_avg_sq)", "largest average", ("amsgrad",)),
        CORRECTED_AVERAGE,
        replace(CORRECTED_SQUARES, without=("amsgrad",)),
        replace(CORRECTED_SQUARES, formula="max_exp_avg_sq / (1 - beta2**step)", given=("amsgrad",)),
        UpdateLine(PARAMETER, STEP_OF_ADAM, "step of adam"),
    ),
    ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", STEPS),
    ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"),
)
LONGEST = "2 / (1 - beta2) - 1"
SHORTER = "2 * step * beta2**step / (1 - beta2**step)"
RADAM = OptimizerRule(
    (
        MAXIMIZED,
        DECAYED,
        DECOUPLED,
        AVERAGE,
        AVERAGE_OF_SQUARES,
        CORRECTED_ALONE,
        UpdateLine(PARAMETER, "w - lr * m_corrected", "step unrectified", (), ("rectified",)),
        UpdateLine("longest", LONGEST, "length of average", ("rectified",), apart=True),
        UpdateLine("length", f"longest - {SHORTER}", "length of average", ("rectified",), apart=True),
        UpdateLine(
            "rectified_by",
            "sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length))",
            "rectified",
            ("rectified",),
            apart=True,
        ),
        UpdateLine(
            PARAMETER,
            "w - lr * rectified_by * m_corrected * sqrt(1 - beta2**step) / (sqrt(exp_avg_sq) + eps)",
            "step of adam",
            ("rectified",),
        ),
    ),
    ("exp_avg", "exp_avg_sq", STEPS),
    ("exp_avg", "exp_avg_sq"),
    switches={"rectified": f"{LONGEST} - {SHORTER} > 5"},
)
ADAMAX = OptimizerRule(
    (
        MAXIMIZED,
        DECAYED,
        AVERAGE,
        UpdateLine("exp_inf", "max(beta2 * exp_inf, abs(g) + eps)", "largest gradient"),
        CORRECTED_ALONE,
        UpdateLine(PARAMETER, "w - lr * m_corrected / exp_inf", "step of adamax"),
    ),
    ("exp_avg", "exp_inf", STEPS),
    ("exp_avg", "exp_inf"),
)
ADADELTA = OptimizerRule(
    (
        MAXIMIZED,
        DECAYED,
        UpdateLine("square_avg", "rho * square_avg + rest_rho * g**2", "squares"),
        UpdateLine("delta", "sqrt(acc_delta + eps) * g / sqrt(square_avg + eps)", "delta"),
        UpdateLine("acc_delta", "rho * acc_delta + rest_rho * delta**2", "average of deltas"),
        UpdateLine(PARAMETER, "w - lr * delta", "step of adadelta"),
    ),
    ("square_avg", "acc_delta"),
    ("square_avg", "acc_delta"),
)
RMSPROP = OptimizerRule(
    (
        MAXIMIZED,
        DECAYED,
        UpdateLine("square_avg", "alpha * square_avg + rest * g**2", "squares"),
        UpdateLine("grad_avg", "alpha * grad_avg + rest * g", "mean of gradients", ("centered",)),
        UpdateLine(
            "momentum_buffer",
            "momentum * momentum_buffer + g / (sqrt(square_avg) + eps)",
            "velocity",
            ("momentum",),
            ("centered",),
        ),
        UpdateLine(
            "momentum_buffer",
            f"momentum * momentum_buffer + g / ({BESIDE_MEAN})",
            "velocity",
            ("momentum", "centered"),
        ),
        UpdateLine(PARAMETER, "w - lr * momentum_buffer", "step of momentum", ("momentum",)),
        UpdateLine(PARAMETER, "w - lr * g / (sqrt(square_avg) + eps)", "step of adam", (), ("momentum", "centered")),
        UpdateLine(PARAMETER, f"w - lr * g / ({BESIDE_MEAN})", "step of centered", ("centered",), ("momentum",)),
    ),
    ("square_avg", "grad_avg", "momentum_buffer"),
    ("square_avg", "grad_avg", "momentum_buffer"),
)
ADAGRAD = OptimizerRule(
    (
        MAXIMIZED,
        DECAYED,
        UpdateLine("sum", "sum + g**2", "sum of squares"),
        UpdateLine("rate", "lr / (1 + (step - 1) * lr_decay)", "decay of rate", ("lr_decay",), apart=True),
        UpdateLine(PARAMETER, "w - lr * g / (sqrt(sum) + eps)", "step of adagrad", (), ("lr_decay",)),
        UpdateLine(PARAMETER, "w - rate * g / (sqrt(sum) + eps)", "step of adagrad", ("lr_decay",)),
    ),
    ("sum", STEPS),
)
OPTIMIZERS: Mapping[str, OptimizerRule] = {
    "SGD": SGD,
    "Adadelta": ADADELTA,
    "Adagrad": ADAGRAD,
    "Adam": ADAM,
    "Adamax": ADAMAX,
    "AdamW": OptimizerRule(ADAM.lines, ADAM.state, ADAM.zeros, {"decoupled_weight_decay": True}),
    "RAdam": RADAM,
    "RMSprop": RMSPROP,
}
