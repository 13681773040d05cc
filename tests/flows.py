"""Every gradient that flowed over autograd's nodes and edges, as hooks of torch say and as a graph says, in one
comparable form.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.snapshot import Snapshot

Bits = tuple[Any, ...]  # dtype, shape and bytes of a tensor
# an autograd node: its name, the gradients of its outputs, those that it sends on (sorted)
Flow = tuple[str, tuple[Bits, ...], tuple[Bits, ...]]
Link = tuple[str, str]  # names of two autograd nodes, in the direction of the backward pass

NONE, UNREAD = ("none",), ("unread",)  # no tensor; a tensor without elements that could be read
# additions, generously, in the gradient that one merged call sends to one operand: there, terms may have cancelled
INSIDE_A_CALL = 1000
RECORDED = (None, "none-gradient", "unreached")  # cuts of the edges that autograd has; along the others it sent nothing
# what reshape() records; under any dispatch mode it is the second
RESHAPED = {"ReshapeAliasBackward0": "ViewBackward0"}
NUMPY = {"bfloat16": np.float32, "complex32": np.complex64}  # wide enough for the dtypes that numpy lacks


def bits(tensor: Tensor | None) -> Bits:
    """What makes two tensors the same to the last bit, except that there is only one NaN."""
    if tensor is None:
        return NONE
    if tensor.layout != torch.strided or tensor.is_nested or tensor.is_quantized or tensor.is_meta:
        return UNREAD
    plain = tensor.detach()
    # zeros without memory: numpy would read what is not there
    plain = plain.clone() if plain._is_zerotensor() else plain
    wide = (
        plain.float()
        if plain.dtype is torch.bfloat16
        else plain.to(torch.complex64)
        if plain.dtype is torch.complex32
        else plain
    )
    return (str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape), one_nan(wide.numpy(force=True)))


def kept_bits(snapshot: Snapshot | None) -> Bits:
    """The same of what a graph has kept of a tensor."""
    if snapshot is None:
        return NONE
    if snapshot.array is None:
        return UNREAD
    return (snapshot.dtype, snapshot.shape, one_nan(snapshot.array.astype(NUMPY.get(snapshot.dtype, snapshot.dtype))))


def one_nan(array: Any) -> bytes:
    """The bytes of an array, every NaN the same: which one of many it is means nothing."""
    array = np.ascontiguousarray(array)
    if array.dtype.kind not in "fc" or not np.isnan(array).any():
        return bytes(array.tobytes())
    parts = array.reshape(-1).view(array.real.dtype)
    return bytes(np.where(np.isnan(parts), np.nan, parts).astype(parts.dtype).tobytes())


def note_flow(flows: Counter[Flow], name: str, arriving: Sequence[Bits], leaving: Sequence[Bits]) -> None:
    """Count what came by at a node, if anything did."""
    came = tuple(grad for grad in arriving if grad != NONE)
    if came:
        flows[name, came, tuple(sorted(grad for grad in leaving if grad != NONE))] += 1


# --- what torch says


def walk(outputs: Sequence[Tensor]) -> list[Any]:
    """The autograd nodes behind the outputs, each once."""
    seen: dict[Any, None] = {}
    stack = [output.grad_fn for output in outputs]
    while stack:
        node = stack.pop()
        if node is not None and node not in seen:
            seen[node] = None
            stack.extend(tail for tail, _ in node.next_functions)
    return list(seen)


def name_of(node: Any) -> str:
    """ "SinBackward0"."""
    name = str(node.name()).rpartition("::")[2]
    return RESHAPED.get(name, name)


def links(outputs: Sequence[Tensor]) -> Counter[Link]:
    """How many edges autograd has between nodes of each two names."""
    return Counter(
        (name_of(node), name_of(tail)) for node in walk(outputs) for tail, _ in node.next_functions if tail is not None
    )


@contextmanager
def watched(outputs: Sequence[Tensor]) -> Iterator[Counter[Flow]]:
    """What flows over the nodes behind the outputs while this is open."""
    flows: Counter[Flow] = Counter()
    handles = [node.register_hook(_hook(flows, node)) for node in walk(outputs) if not hasattr(node, "variable")]
    try:
        yield flows
    finally:
        for handle in handles:
            handle.remove()


def variables(outputs: Sequence[Tensor]) -> list[Tensor]:
    """The leaves behind the outputs."""
    return [node.variable for node in walk(outputs) if hasattr(node, "variable")]


def _hook(flows: Counter[Flow], node: Any) -> Any:
    name, following = name_of(node), [tail is not None for tail, _ in node.next_functions]

    def note(grad_inputs: Sequence[Tensor | None], grad_outputs: Sequence[Tensor | None]) -> None:
        leaving = [bits(grad) for grad, goes_on in zip(grad_inputs, following, strict=False) if goes_on]
        note_flow(flows, name, [bits(grad) for grad in grad_outputs], leaving)

    return note


# --- what a graph says, calls opened


def reached(graph: Graph) -> list[Node]:
    """The nodes of a graph from which the outputs were made, as far as autograd recorded it."""
    found: set[str] = set()
    stack = [
        node.key for node in graph.node_list if node.is_output or any(port.upstream is not None for port in node.ports)
    ]
    while stack:
        key = stack.pop()
        if key not in found:
            found.add(key)
            stack.extend(edge.tail for edge in graph.in_edges(key) if edge.cut in RECORDED)
    return [
        node
        for node in graph.node_list
        if node.key in found and (node.autograd or node.kind == "leaf" or not _is_unrecorded(node))
    ]


def _is_unrecorded(node: Node) -> bool:
    """Whether this is an output that autograd does not know: written to behind its back."""
    return node.is_output and not node.requires_grad


def label(node: Node) -> str:
    """What autograd calls a node of a graph."""
    if node.kind == "leaf":
        return "AccumulateGrad"
    return ", ".join(RESHAPED.get(name, name) for name in node.autograd) or f"nothing ({node.op})"


def links_in(graph: Graph) -> Counter[Link]:
    """How many edges a graph has between nodes of each two names."""
    fine = graph.detail or graph
    return Counter(
        (label(node), label(fine.nodes[edge.tail]))
        for node in reached(fine)
        for edge in fine.in_edges(node.key)
        if edge.cut in RECORDED
    )


def flows_in(graph: Graph) -> Counter[Flow]:
    """What came by at every node of a graph."""
    fine = graph.detail or graph
    found: Counter[Flow] = Counter()
    for node in reached(fine):
        if node.kind != "leaf":
            leaving = [kept_bits(edge.grad) for edge in fine.in_edges(node.key) if edge.cut in RECORDED]
            note_flow(found, label(node), [kept_bits(port.grad) for port in node.ports], leaving)
    return found


def wrong_sums(graph: Graph, *, exact: bool = False) -> list[str]:
    """The results whose gradient is not what flowed back along their uses plus what was fed in, but for the rounding
    of the additions.

    With `exact`, no edge may be a sum already, as edges of merged calls are.
    """
    wrong = []
    for node in graph.node_list:
        for number, port in enumerate(node.ports):
            parts = [
                edge.grad
                for edge in graph.out_edges(node.key)
                if edge.port == number and edge.cut in RECORDED and edge.grad is not None
            ]
            parts += [port.upstream] if port.upstream is not None else []
            # before a hook of the user made another gradient of it: then it is a sum, too
            arrived = port.arrived or port.grad
            if arrived is not None and not adds_up(
                arrived, parts, 0 if exact and port.arrived is None else INSIDE_A_CALL
            ):
                wrong.append(
                    f"{node.key}.{number} ({node.name or node.op}): {[part.array for part in parts]} became"
                    f" {arrived.array}"
                )
    return wrong


def adds_up(whole: Snapshot, parts: Sequence[Snapshot], hidden: int = 0) -> bool:
    """Whether a gradient is the sum of its parts: a single part to the last bit, several as far as their dtype goes,
    given so many additions inside of them.
    """
    arrays = [part.array for part in parts]
    if whole.array is None or any(array is None for array in arrays):
        return True
    if len(parts) == 1 and not hidden:
        return kept_bits(whole) == kept_bits(parts[0])
    wide = [np.asarray(array, np.complex128) for array in arrays]
    if not wide or any(array.shape != whole.shape for array in wide):
        return False
    smallest = torch.finfo(getattr(torch, whole.dtype)).tiny
    with np.errstate(all="ignore"):
        total, size = sum(wide), sum(map(np.abs, wide))
        close = np.abs(total - whole.array) <= (len(parts) + hidden) * (
            torch.finfo(getattr(torch, whole.dtype)).eps * size + smallest
        )
    return bool(np.all(close | ~np.isfinite(total) | ~np.isfinite(whole.array)))
