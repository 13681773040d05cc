"""LESSONS: the rules of differentiation that a film explains where they are first used, in a sentence each, as data.

``LESSON_OF`` says which of them an operation uses on its way back, by the slot of the operand where that matters.
"""

from __future__ import annotations

from collections.abc import Mapping

SEED, SEEDS, GIVEN_SEED = "seed", "seeds", "given seed"
CHAIN, SUM_OVER_PATHS, COPIES, WAITING = "chain rule", "sum over paths", "copies", "waiting"
ACCUMULATES, EMPTIES, STEP, SCALED = "accumulates", "empties", "step", "scaled"

LESSONS: Mapping[str, str] = {
    SEED: "The derivative of the output by itself is 1: all other gradients begin with it.",
    SEEDS: "The sum of the outputs is differentiated: each of them begins with 1.",
    GIVEN_SEED: "What was given as upstream gradient is what all other gradients begin with.",
    CHAIN: "Chain rule: what arrives, times the local derivative, is what flows on.",
    SUM_OVER_PATHS: "Sum over paths: what comes back along all of them is added up.",
    COPIES: "It was copied to fit the other: what comes back to the copies is added up.",
    WAITING: "It is used in several places: it waits until each of them has sent its part.",
    "sum": "A sum sends what arrives to each of its terms: its local derivatives are 1.",
    "difference": "A difference sends what arrives to its first term, and the negative of it to its second.",
    "product": "Product rule: the local derivative by one factor is the other factor.",
    "quotient": "Quotient rule: a/b has the local derivatives 1/b and −a/b².",
    "power": "Power rule: the exponent comes down as a factor, and is one less.",
    "exponent": "The derivative of a power by its exponent is the power times the logarithm of its base.",
    "negative": "A minus sign turns the sign of what arrives.",
    "exponential": "The exponential function is its own derivative.",
    "logarithm": "The derivative of ln x is 1/x.",
    "root": "The derivative of √x is 1/(2√x).",
    "square": "The derivative of x² is 2x.",
    "reciprocal": "The derivative of 1/x is −1/x².",
    "sine": "The derivative of sin is cos.",
    "cosine": "The derivative of cos is −sin.",
    "tanh": "The derivative of tanh is 1 − tanh², which the value tells already.",
    "sigmoid": "The derivative of σ is σ·(1 − σ), which the value tells already.",
    "rectifier": "ReLU lets what arrives through where its input is above 0, and stops it elsewhere.",
    "sum of elements": "A sum of elements sends a copy of what arrives to each of them.",
    "mean": "A mean of n elements sends each of them 1/n of what arrives.",
    "maximum": "A maximum sends what arrives to what was largest, and 0 to all else.",
    "minimum": "A minimum sends what arrives to what was smallest, and 0 to all else.",
    "matrix product": "A matrix product sends to each factor what arrives, times the other one transposed.",
    "parts": "What was not taken had no part in the result: 0 goes back to it.",
    "moved": "Elements were only moved: what arrives moves back the same way.",
    ACCUMULATES: "backward() adds to what .grad holds; it never begins at 0 by itself.",
    EMPTIES: "Otherwise the next backward pass would be added to what is there.",
    STEP: "A step goes against the gradient: downhill at first; the learning rate says how far.",
    SCALED: "One factor for all: together they get shorter, and keep their direction.",
    "detached": "detach() hands the numbers on, but no gradient comes back through it.",
    "dropped": "Dropout puts 0 in the place of some at random; the others are scaled up to make up for it.",
    "dropped, back": "What was dropped had no part in the result: 0 goes back to it.",
    "maximize": "maximize=True: steps go up, along the gradient.",
    "weight decay": "Weight decay adds a pull towards 0 to the gradient.",
    "decoupled": "Decoupled weight decay takes a share of the parameter away before the step.",
    "first velocity": "Momentum: the velocity begins as the gradient.",
    "velocity": "Momentum: a part of the last velocity stays, and the new gradient is added.",
    "nesterov": "Nesterov: the step looks ahead along the velocity.",
    "step of momentum": "The step follows the velocity, in which the gradients before it go on.",
    "average": "A moving average of gradients says where to go.",
    "average of squares": "A moving average of their squares says how large they usually are.",
    "squares": "A moving average of the gradient's squares says how large it usually is.",
    "mean of gradients": "The mean of gradients is taken away: what is left of their squares says how much they vary.",
    "sum of squares": "The squares of all gradients so far are added up.",
    "step of adagrad": "Divided by the root of that sum, steps get shorter the more gradients there were.",
    "one bias correction": "This average began at 0: dividing makes up for that, the less the later.",
    "bias correction": "Both averages began at 0: dividing makes up for that, the less the later.",
    "largest average": "AMSGrad divides by the largest such average so far, which never shrinks.",
    "largest gradient": "The largest gradient counts, and fades with every step.",
    "step of adamax": "Divided by the largest of its gradients, every parameter goes about as far.",
    "step of centered": "Divided by how much its gradients vary, a parameter with steady ones goes further.",
    "step unrectified": "The average of squares is of too few to be divided by: the step follows that of gradients.",
    "length of average": "How many gradients the average of squares is of, in effect: at last, and by now.",
    "rectified": "The fewer these are, the more they may be off, and the shorter is the step.",
    "decay of rate": "The learning rate shrinks with the number of steps.",
    "delta": "The gradient, divided by how large it usually is, times how far the parameter usually goes.",
    "average of deltas": "How far it usually goes is remembered, too, for the next step.",
    "step of adadelta": "The parameter goes that way.",
    "step of adam": "Divided by how large its gradients usually are, every parameter goes about as far.",
}  # fmt: skip

LESSON_OF: Mapping[str, str | tuple[str, str]] = {
    "add": "sum",
    "sub": "difference",
    "mul": "product",
    "div": "quotient",
    "pow": ("power", "exponent"),
    "neg": "negative",
    "exp": "exponential",
    "log": "logarithm",
    "sqrt": "root",
    "square": "square",
    "reciprocal": "reciprocal",
    "sin": "sine",
    "cos": "cosine",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
    "relu": "rectifier",
    "sum": "sum of elements",
    "mean": "mean",
    "max": "maximum",
    "amax": "maximum",
    "min": "minimum",
    "amin": "minimum",
    "matmul": "matrix product",
    "mm": "matrix product",
    "bmm": "matrix product",
    "getitem": "parts",
    "select": "parts",
    "reshape": "moved",
    "view": "moved",
    "flatten": "moved",
    "t": "moved",
    "transpose": "moved",
    "permute": "moved",
    "dropout": "dropped, back",
}

# what there is to say of an operation on its way forward
LESSON_FORWARD: Mapping[str, str] = {"detach": "detached", "dropout": "dropped"}


def lesson_of(op: str, slot: int) -> str | None:
    """The rule by which an operation passes a gradient on to the operand of a slot, where there is a lesson of it."""
    lesson = LESSON_OF.get(op)
    if isinstance(lesson, tuple):
        return lesson[slot] if slot < len(lesson) else None
    return lesson
