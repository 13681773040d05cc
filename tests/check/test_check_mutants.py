"""False verdicts that are planted into what `check` reads and says: each is seen where the right verdict is known."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
import torch
from function_cases import made
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.check import backward_faults, gradient_check, numeric_report, target_check, verdicts
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.snapshot import Snapshot


def right(x: Tensor) -> Tensor:
    return (x.sin() * 3).sum()


def kinked(x: Tensor) -> Tensor:
    return (x - x.detach()).relu().sum() * 0 + (x - 1).abs().sum()


def cut(x: Tensor) -> Tensor:
    return (x * x.detach()).sum()


def of(name: str, backward: Callable[..., Any]) -> Callable[[Tensor, Tensor], Tensor]:
    """A target with a Function in it."""
    function = made(name, lambda a, b: a * b, backward)

    def target(x: Tensor, y: Tensor) -> Tensor:
        found: Tensor = function.apply(x, y)
        return found.sin().sum()

    return target


TWO, ONE = ([2.0, 3.0], [0.5, -0.7]), ([2.0, 3.0],)
# target, inputs, the verdict, and what the report has to say and what it must not
Known = tuple[Callable[..., Tensor], tuple[list[float], ...], bool | None, str, str]
KNOWN: tuple[Known, ...] = (
    (right, ONE, True, r"^1 of 1 parameters and inputs examined", r"WRONG|NO\b|not examined|cut|kink"),
    (of("Fine", lambda g, a, b: (g * b, g * a)), TWO, True, r"^2 of 2 ", r"WRONG|NO\b|not examined"),
    (
        of("Twice", lambda g, a, b: (g * b * 2, g * a)),
        TWO,
        False,
        r"of Twice.*for inputs\[0\] it gives twice the",
        r"opposite",
    ),
    (of("Half", lambda g, a, b: (g * b / 2, g * a)), TWO, False, r"Half.*gives half of the derivative", r"twice"),
    (of("Minus", lambda g, a, b: (g * b, -g * a)), TWO, False, r"of Minus .*−1 times the derivative", r"twice|zero"),
    (
        of("Minus", lambda g, a, b: (g * b, -g * a)),
        TWO,
        False,
        r"^NOT THE DERIVATIVE: the gradient of y: .* The backward of Minus, called at .*, gives −1 times the",
        r"WRONG|gradient of x:",
    ),
    (of("Zero", lambda g, a, b: (g * 0, g * a)), TWO, False, r"of Zero .*zero", r"twice|opposite"),
    (of("Swapped", lambda g, a, b: (g * a, g * b)), TWO, False, r"of Swapped .*swapped", r"twice|opposite|zero"),
    (cut, ONE, True, r"yes +cut", r"WRONG|NO\b"),
    (kinked, ([1.0, 1.0],), None, r"kink", r"WRONG|NO\b"),
)

Mutant = Callable[[Graph], Graph]


def traced(case: Known) -> Graph:
    """The graph of a case, with its target."""
    return gad.trace(case[0], *(torch.tensor(numbers, requires_grad=True) for numbers in case[1]))


def false_verdicts(mutant: Mutant) -> Iterator[str]:
    """What `check` says that is not so."""
    for case in KNOWN:
        _, _, ok, said, unsaid = case
        report = mutant(traced(case)).check()
        text = str(report)
        if report.ok is not ok or not re.search(said, text, re.M) or re.search(unsaid, text):
            yield f"{text}\n{report.ok}"
    torch.manual_seed(0)
    with gad.record() as recorded:
        KNOWN[2][0](*(torch.tensor(numbers, requires_grad=True) for numbers in TWO)).backward()
    report = mutant(recorded.graph).check()
    if report.ok is not None or "There is no target to run again" not in str(report):
        yield str(report)


def as_it_is(graph: Graph) -> Graph:
    return graph


def test_the_verdicts_are_right_as_things_are() -> None:
    assert "\n".join(false_verdicts(as_it_is)) == ""


def exchanged(table: Mapping[Any, Any], one: Any, two: Any) -> Mapping[Any, Any]:
    return MappingProxyType({**table, one: table[two], two: table[one]})


def nothing(*_: object, **__: object) -> None:
    return None


WORDS: dict[str, tuple[Any, str, Any]] = {
    "yes is no": (gradient_check, "AGREEMENT", exchanged(gradient_check.AGREEMENT, True, False)),
    "all is unknown": (gradient_check, "AGREEMENT", dict.fromkeys((True, False, None), verdicts.UNKNOWN)),
    "no leaves": (gradient_check, "leaves_of", lambda graph: []),
    "no formulas and no runs": (gradient_check, "weightier", lambda *_: verdicts.Slope(verdicts.UNKNOWN, 0.0)),
    "the lighter verdict": (gradient_check, "WEIGHTS", gradient_check.WEIGHTS[::-1]),
    "nothing is cut": (gradient_check, "before_a_cut", lambda graph: set()),
    "nothing is a kink": (gradient_check, "slopes_differ", lambda *_: False),
    "all are kinks": (gradient_check, "slopes_differ", lambda *_: True),
    "all fits": (gradient_check, "direction_verdict", lambda *_: verdicts.AGREES),
    "nothing fits": (gradient_check, "direction_verdict", lambda *_: verdicts.DIFFERS),
    "no fault is known": (backward_faults, "GUESSES", ()),
    "any fault is zero": (backward_faults, "GUESSES", (lambda *_: backward_faults.Fault(backward_faults.ZERO),)),
    "zero is None": (
        numeric_report,
        "TEXTS",
        exchanged(numeric_report.TEXTS, backward_faults.NONE, backward_faults.ZERO),
    ),
    "no causes": (gradient_check, "departures", lambda *_: ()),
    "factors upside down": (numeric_report, "factor_text", lambda factor: f"{1 / factor:.4g} times the derivative"),
    "another problem": (
        numeric_report,
        "PROBLEMS",
        exchanged(numeric_report.PROBLEMS, target_check.NO_TARGET, target_check.NOT_ASKED),
    ),
    "nothing is said": (numeric_report, "function_lines", lambda found: iter(())),
    "not run": (gradient_check, "target_examined", lambda *_, **__: target_check.TargetFindings()),
    "no coverage": (gradient_check.Report, "coverage", property(lambda _: verdicts.Coverage(0, 1))),
    "all is covered": (gradient_check.Report, "coverage", property(lambda _: verdicts.Coverage(1, 1))),
    "no functions": (target_check, "functions_in", lambda *_: ((), "")),
}


@pytest.mark.parametrize("name", WORDS)
def test_a_false_word_of_check_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*WORDS[name])
    assert next(false_verdicts(as_it_is), None) is not None


def with_numbers(change: Callable[[Snapshot], Snapshot], part: str) -> Mutant:
    """Other numbers in every result."""

    def one(graph: Graph) -> Graph:
        nodes = tuple(
            replace(
                node,
                ports=tuple(
                    replace(port, **{part: change(getattr(port, part))}) if getattr(port, part) is not None else port
                    for port in node.ports
                ),
            )
            for node in graph.node_list
        )
        return replace(graph, node_list=nodes, detail=one(graph.detail) if graph.detail is not None else None)

    return one


def on_edges(change: Callable[[Snapshot], Snapshot | None]) -> Mutant:
    return lambda graph: replace(
        graph, edges=tuple(replace(edge, grad=change(edge.grad) if edge.grad else None) for edge in graph.edges)
    )


def scaled(factor: float) -> Callable[[Snapshot], Snapshot]:
    return lambda snap: replace(snap, data=snap.data * factor) if snap.data is not None else snap


FACTS: dict[str, Mutant] = {
    "twice the gradients": with_numbers(scaled(2), "grad"),
    "the gradients a bit off": with_numbers(scaled(1.01), "grad"),
    "gradients of the other sign": with_numbers(scaled(-1), "grad"),
    "no gradients": with_numbers(scaled(0), "grad"),
    "other seeds": with_numbers(scaled(3), "upstream"),
    "twice along the edges": on_edges(scaled(2)),
    "a bit more along the edges": on_edges(scaled(1.01)),
    "other values": with_numbers(scaled(1.5), "value"),
    "no target": lambda graph: replace(graph, target=None),
    "no cuts": lambda graph: replace(graph, edges=tuple(replace(edge, cut=None) for edge in graph.edges)),
}


@pytest.mark.parametrize("name", FACTS)
def test_a_false_fact_is_seen_by_check(name: str) -> None:
    assert next(false_verdicts(FACTS[name]), None) is not None
