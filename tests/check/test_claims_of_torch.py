"""torch's own database of operations -> no formula is claimed of any call that the recorded numbers contradict."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch.testing._internal.common_methods_invocations import op_db

import graphviz_ad as gad
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.maths.chain_rule import shape_before, summed_to
from graphviz_ad._internal.maths.claims import backward_formula, computed, forward_formula, is_summed, local_formula

SAMPLES, LARGEST = 4, 60
OVERFLOWS = {"logsumexp"}  # the formula of the textbook, for numbers that no textbook has


def tensors(thing: Any) -> Iterator[torch.Tensor]:
    if isinstance(thing, torch.Tensor):
        yield thing
    elif isinstance(thing, (list, tuple)):
        for part in thing:
            yield from tensors(part)


def calls() -> Iterator[tuple[str, Graph]]:
    """One graph for each small call in the database that can be traced."""
    for op in op_db:
        if op.name in OVERFLOWS or torch.float64 not in op.supported_dtypes("cpu") or not op.supports_autograd:
            continue
        for sample in islice(op.sample_inputs("cpu", torch.float64, requires_grad=True), SAMPLES):
            if all(tensor.numel() <= LARGEST for tensor in tensors([sample.input, *sample.args])):
                try:
                    yield (
                        op.name,
                        gad.trace(lambda op=op, sample=sample: op(sample.input, *sample.args, **sample.kwargs)),
                    )
                except (gad.GraphvizADError, RuntimeError):
                    continue  # no gradient, or torch refuses


def agrees(found: Any, recorded: Any) -> bool:
    with np.errstate(all="ignore"):
        return bool(np.allclose(found, recorded, rtol=1e-6, atol=1e-7, equal_nan=True))


def wrong_claims(found: Graph, node: Node) -> Iterator[tuple[str, str]]:
    """The formulas of a node and its edges that do not give what was recorded; an empty text for each that does."""
    formula, value = forward_formula(found, node), node.value.array if node.value is not None else None
    mine = computed(found, node, formula) if formula and value is not None else None
    if mine is not None:
        yield "forward", "" if agrees(mine, value) else formula
    for edge in found.in_edges(node.key):
        if (
            edge.cut is None
            and edge.grad is not None
            and edge.grad.array is not None
            and node.grad is not None
            and node.grad.array is not None
        ):
            yield from wrong_flows(found, node, edge, node.grad.array, edge.grad.array)


def wrong_flows(found: Graph, node: Node, edge: Edge, arrived: Any, sent: Any) -> Iterator[tuple[str, str]]:
    local = local_formula(found, edge)
    for kind, formula in (("backward", backward_formula(found, edge)), ("local", f"g * ({local})" if local else "")):
        mine = computed(found, node, formula, arrived) if formula else None
        shape = shape_before(found, edge)
        if mine is not None and shape is not None:
            summed = summed_to(mine, shape)
            yield kind, "" if agrees(mine if summed is None else summed, sent) else formula
            if kind == "backward":
                yield "sum over copies", "" if (mine.size > sent.size) == is_summed(found, edge) else formula


def all_claims() -> tuple[int, list[str]]:
    """How many formulas are confirmed, and those that are not."""
    confirmed, wrong = 0, []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about its own samples
        for name, found in calls():
            for node in found.node_list:
                for kind, formula in wrong_claims(found, node) if node.kind == "op" and len(node.ports) == 1 else ():
                    confirmed += not formula
                    wrong += [f"{name}: {node.op} {dict(node.settings)}: {kind} {formula}"] if formula else []
    return confirmed, wrong


def test_no_formula_is_claimed_that_torch_contradicts() -> None:
    with ThreadPoolExecutor(1) as shallow:  # the database formats the stack for every sample, and pytest's is deep
        confirmed, wrong = shallow.submit(all_claims).result()
    assert wrong == []
    assert confirmed > 800
