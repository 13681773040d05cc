"""Outputs -> the graph that autograd built, and one backward pass over it with every gradient on every node and
edge.
"""

from __future__ import annotations

import re
import weakref
from array import array
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from itertools import starmap
from operator import attrgetter, call, itemgetter
from typing import Any, NamedTuple

import torch
from torch import Tensor

from graphviz_ad._internal.base.errors import TraceError
from graphviz_ad._internal.base.needed_packages import named_if_missing
from graphviz_ad._internal.graph.notices import Notice, notice
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.derivative_agreement import sum_of_seeds
from graphviz_ad._internal.operations.traits import keeps_order
from graphviz_ad._internal.tracing.assembly.flow_rows import Numbers, Row, Rows, alone
from graphviz_ad._internal.tracing.assembly.saved import KeptByNodes, kept_by, kept_by_all, reruns_noted_before
from graphviz_ad._internal.tracing.tape.reading import number_in
from graphviz_ad._internal.tracing.tape.torch_private import (
    call_first,
    crowded,
    function_of,
    gradients_without_look,
    hidden_from_modes,
    hooks_beside,
    made_at,
    may_be_of_function,
    may_have_hooks,
    memory_of_tensor,
    modes_are_active,
    version_of,
)
from graphviz_ad._internal.tracing.tape.values import PLAIN, Held, Keeper


def not_seen(_: Any) -> bool | None:
    """What a tape says of a node that it has not seen being made, see `Tape.is_packed`."""
    return None


@dataclass
class AutogradGraph:
    """Autograd nodes, consumers first, known by their place in the list.

    ``links[i]`` are the (node, output number) that the operands of node i came from, None where no gradient goes;
    ``variables`` maps the nodes that accumulate into a leaf to the leaf. ``is_packed``: see `Tape.is_packed`.
    ``moments`` are those that were asked for, ``all_moments`` those of all nodes, once noted; ``unwalked`` the names
    of nodes, by identity, that are no part of this.
    """

    nodes: list[Any]
    links: list[tuple[tuple[int, int] | None, ...]]
    index: dict[int, int]
    variables: dict[int, Tensor]
    is_packed: Callable[[Any], bool | None] = not_seen
    moments: dict[int, int | None] = field(default_factory=dict)
    unwalked: dict[int, str] = field(default_factory=dict)
    all_moments: Sequence[int | None] = ()

    @cached_property
    def names(self) -> list[str]:
        """What torch calls each node."""
        return [node_name(node) for node in self.nodes]

    @cached_property
    def keeps(self) -> KeptByNodes:
        """What each node keeps for the backward pass, if asked before it has run."""
        return kept_by_all(self.nodes, self.is_packed)

    def adopt(self, parts: Sequence[AutogradGraph]) -> None:
        """Take what was read of nodes before they ran from other graphs of the same nodes."""
        read = {id(node): row for part in parts for node, row in zip(part.nodes, part.keeps.rows, strict=True)}
        unread = [node for node in self.nodes if id(node) not in read]
        read.update((id(node), kept_by(node, self.is_packed(node))) for node in unread)
        self.keeps = KeptByNodes([read[id(node)] for node in self.nodes])

    @cached_property
    def custom(self) -> dict[int, Any]:
        """The nodes that are the backward of a user's torch.autograd.Function, with that."""
        kinds = {kind for kind in set(map(type, self.nodes)) if may_be_of_function(kind)}
        own = [(i, node) for i, node in enumerate(self.nodes) if type(node) in kinds] if kinds else []
        return {i: cls for i, node in own if (cls := custom_function_of(node)) is not None}

    @cached_property
    def leaf_of_object(self) -> Mapping[int, int]:
        """Identity of a leaf -> the autograd node that accumulates into it."""
        return {id(variable): i for i, variable in self.variables.items()}

    @cached_property
    def kept(self) -> tuple[int, bool]:
        """How many bytes the nodes keep besides leaves, and whether that is all."""
        return self.keeps.memory_besides(self.own_memory)

    @cached_property
    def own_memory(self) -> Collection[int | None]:
        """The memory that leaves lie in."""
        return {memory_of_tensor(leaf) for leaf in self.variables.values()}

    def made_at(self, i: int) -> int | None:
        """When a node was made, see `torch_private.made_at`."""
        if self.all_moments:
            return self.all_moments[i]
        if i not in self.moments and self.nodes[i] is not None:
            self.moments[i] = made_at(self.nodes[i])
        return self.moments.get(i)

    def note_moments(self) -> Sequence[int | None]:
        """When each node was made; from now on this is known without the nodes."""
        if not self.all_moments:
            found = list(map(made_at, self.nodes))
            told = [moment for moment in found if moment is not None]
            self.all_moments = array("Q", told) if len(told) == len(found) else found
            self.moments.clear()
        return self.all_moments

    def remembered(self) -> AutogradGraph:
        """What is known of the graph by now, without its nodes and leaves, which may go."""
        known = AutogradGraph(
            [None] * len(self.nodes),
            self.links,
            self.index,
            dict.fromkeys(self.variables),  # type: ignore[arg-type]
            unwalked=self.unwalked,
            all_moments=self.all_moments,
        )
        for name in ("names", "keeps", "custom", "leaf_of_object", "own_memory"):
            known.__dict__[name] = getattr(self, name)
        return known

    def release(self) -> None:
        """Let go of the nodes, consumers first.

        A node that Python has touched frees what only it holds by recursion in C++. Held here and let go in this
        order, each dies alone, however deep the graph is.
        """
        self.index = {}  # what is remembered has the other
        self.variables.clear()
        self.nodes.reverse()
        while self.nodes:
            self.nodes.pop()


def custom_function_of(node: Any) -> type | None:
    """The user's torch.autograd.Function that a node is the backward of, or None."""
    return function_of(node)


def node_name(node: Any) -> str:
    """ "SinBackward0"; that of a custom Function has the name of its class, which it tells even where its graph is
    gone already.
    """
    own = isinstance(node, torch.autograd.function.BackwardCFunction)
    return type(node).__name__ if own else _without_namespace(node.name())


@cache
def _without_namespace(name: str) -> str:
    return name.rpartition("::")[2]


def node_of(tensor: Tensor) -> Any:
    """The autograd node that a gradient of the tensor arrives at, that of a leaf accumulates it; None where it has
    none.
    """
    if not tensor.requires_grad or tensor.grad_fn is not None:
        return tensor.grad_fn
    with torch.enable_grad(), hidden_from_modes():
        return tensor.view_as(tensor).grad_fn.next_functions[0][0]  # type: ignore[union-attr]


def walk(roots: Sequence[Any], limit: int | None = None) -> AutogradGraph:
    """Everything that `roots` lead to, without recursion; roots are autograd nodes.

    A graph that its owner will release is touched only up to `limit` nodes, see `stack_depth`; beyond that, TraceError.
    """
    behind: dict[int, Any] = {}  # each asked once: torch makes a new tuple each time
    order: list[Any] = []
    waiting: dict[int, int] = {}
    stack = [node for node in roots if node is not None]
    while stack:
        node = stack.pop()
        key = id(node)
        if key in behind:
            continue
        if limit is not None and len(behind) >= limit:
            raise TraceError(
                f"this graph has more than {limit} autograd nodes: once Python has touched them, releasing them would"
                " overflow the stack. Trace the function that builds it instead, as in trace(function, inputs), which"
                " has no such limit"
            )
        behind[key] = tails = node.next_functions
        for tail, _ in tails:
            if tail is not None:
                key = id(tail)
                waiting[key] = waiting.get(key, 0) + 1
                stack.append(tail)
    ready = [node for node in _unique(roots) if not waiting.get(id(node))]
    while ready:
        node = ready.pop()
        order.append(node)
        for tail, _ in behind[id(node)]:
            if tail is not None:
                key = id(tail)
                waiting[key] = left = waiting[key] - 1
                if not left:
                    ready.append(tail)
    index = {id(node): i for i, node in enumerate(order)}
    links = [
        tuple([None if tail is None else (index[id(tail)], number) for tail, number in behind[id(node)]])
        for node in order
    ]
    variables = {i: node.variable for i, node in enumerate(order) if hasattr(node, "variable")}
    return AutogradGraph(order, links, index, variables)


def _unique(roots: Sequence[Any]) -> list[Any]:
    return list({id(node): node for node in roots if node is not None}.values())


# of a BackwardPass, by number of node
TABLES = ("node_grads", "edge_grads", "locals", "leaf_grads", "leaf_totals", "made", "hooks")


@dataclass
class BackwardPass:
    """What flowed in one backward pass, by number of node in the `AutogradGraph`.

    ``node_grads[i]`` has a gradient for each output of node i, ``edge_grads[i]`` one for each operand, ``locals[i]`` a
    local derivative for each operand; ``leaf_grads`` are what reached the leaves and ``leaf_totals`` what their
    ``.grad`` held afterwards, where a pass of the user's own was recorded; ``order`` is the order in which the engine
    ran the nodes; ``problem`` says why there is nothing; ``partial``: not all gradients were asked for;
    ``other_leaves`` are leaves that only a pass inside this one reached, by identity; ``made`` is what a node made for
    each operand, where a hook of the user on the node, whose names are in ``hooks``, then changed that; ``reruns``
    says of the checkpoints that nodes belong to how often the pass ran their functions again.
    """

    node_grads: MutableMapping[int, Row] = field(default_factory=Rows)
    edge_grads: MutableMapping[int, Row] = field(default_factory=Rows)
    locals: MutableMapping[int, Row] = field(default_factory=Rows)
    leaf_grads: dict[int, Snapshot | None] = field(default_factory=dict)
    leaf_totals: dict[int, Snapshot | None] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    problem: Notice | None = None
    partial: bool = False
    other_leaves: dict[int, Snapshot | None] = field(default_factory=dict)
    made: dict[int, tuple[Snapshot | None, ...]] = field(default_factory=dict)
    hooks: dict[int, tuple[str, ...]] = field(default_factory=dict)
    reruns: list[tuple[tuple[int, ...], int]] = field(default_factory=list)

    def rows(self) -> tuple[Rows, Rows, Rows, Numbers]:
        """The tables of gradients and of local derivatives to be filled, and what they have of plain numbers, all the
        same.
        """
        node_grads, edge_grads, locals_ = self.node_grads, self.edge_grads, self.locals
        assert isinstance(node_grads, Rows)
        assert isinstance(edge_grads, Rows)
        assert isinstance(locals_, Rows)
        edge_grads.numbers = locals_.numbers = node_grads.numbers
        return node_grads, edge_grads, locals_, node_grads.numbers


def run_backward(
    graph: AutogradGraph,
    outputs: Sequence[Tensor],
    seeds: Sequence[Tensor],
    keeper: Keeper,
    pointwise: Callable[[int], bool],
    result: BackwardPass,
    *,
    retain: bool,
) -> BackwardPass:
    """One backward pass from `outputs`, fed with `seeds`, that leaves every ``.grad`` alone; noted in `result`, also
    up to where it fails.
    """
    leaves = list(graph.variables.items())
    tensors = [tensor for _, tensor in leaves]
    known = {id(tensor) for tensor in tensors}
    bare = [(-1 - i, tensor) for i, tensor in enumerate(outputs) if tensor.grad_fn is None and id(tensor) not in known]
    tensors += [tensor for _, tensor in bare]
    given = [None if is_implicit(*pair) else pair[1] for pair in zip(outputs, seeds, strict=True)]
    with watching(graph, result, keeper, pointwise):
        if not tensors:  # nothing that gradients could be added to
            torch.autograd.backward(list(outputs), given, retain_graph=retain)
            return result
        with named_if_missing("a backward pass of torch", "sympy"):  # which torch imports there
            grads = None
            if any(seed is not None for seed in given) and all(map(fit, outputs, seeds)):
                grads = gradients_without_look(outputs, tensors, seeds, retain=retain)
            if grads is None:
                grads = torch.autograd.grad(list(outputs), tensors, given, retain_graph=retain, allow_unused=True)
    for (i, _), grad in zip(leaves + bare, grads, strict=True):
        result.leaf_grads[i] = keeper.gradient(grad)
    return result


def is_implicit(output: Tensor, seed: Tensor) -> bool:
    """Whether a seed is what torch makes where it is given none: then it need not look whether it fits, for which it
    imports sympy the first time, a third of a second.

    A mode of the user would see torch making it.
    """
    try:
        return output.numel() == 1 and fit(output, seed) and seed.item() == 1
    except RuntimeError:  # as of a number inside vmap
        return False


def fit(output: Tensor, seed: Tensor) -> bool:
    """Whether a result is real numbers on the CPU and its seed as many, and neither anything else."""
    return (
        not modes_are_active()
        and type(output) is type(seed) is Tensor
        and output.requires_grad
        and output.shape == seed.shape
        and (output.dtype, output.layout) == (seed.dtype, torch.strided)
        and seed.dtype.is_floating_point
        and seed.layout is torch.strided
        and output.is_cpu
        and seed.is_cpu
        and not seed.requires_grad
    )


def is_reentrant(graph: AutogradGraph) -> bool:
    """Whether a node runs a backward pass of its own, which `torch.autograd.grad` refuses: a checkpoint with
    ``use_reentrant=True``.
    """
    return any(cls.__module__ == "torch.utils.checkpoint" for cls in graph.custom.values())


def has_compiled(graph: AutogradGraph) -> bool:
    """Whether a node is what torch.compile made, which may write over what it keeps and then refuses to run where
    the graph is to stay.
    """
    return any(
        cls.__name__ == "CompiledFunction" and cls.__module__.startswith("torch.") for cls in graph.custom.values()
    )


def run_accumulating(
    graph: AutogradGraph,
    outputs: Sequence[Tensor],
    seeds: Sequence[Tensor],
    keeper: Keeper,
    pointwise: Callable[[int], bool],
    leaves: Sequence[Tensor],
    result: BackwardPass,
    *,
    retain: bool,
) -> BackwardPass:
    """The same with ``backward()``, every ``.grad`` put aside meanwhile; not where a hook of the user would fire on
    what is accumulated.
    """
    if any(map(may_have_hooks, leaves)):
        return BackwardPass(problem=notice("reentrant checkpoint with hooks"))
    aside = [(leaf, leaf.grad) for leaf in leaves]
    try:
        for leaf in leaves:
            leaf.grad = None
        with watching(graph, result, keeper, pointwise):
            torch.autograd.backward(list(outputs), list(seeds), retain_graph=retain)
        known = {id(variable) for variable in graph.variables.values()}
        result.other_leaves = {
            id(leaf): keeper.gradient(leaf.grad) for leaf in leaves if id(leaf) not in known and leaf.grad is not None
        }
    finally:
        try:
            put_back(aside)
        except BaseException:  # an interrupt may come anywhere
            put_back(aside)
            raise
    return result


def put_back(aside: Sequence[tuple[Tensor, Tensor | None]]) -> None:
    """Give each leaf its ``.grad`` again."""
    for leaf, grad in aside:
        leaf.grad = grad


class Checkpointed(NamedTuple):
    """Where a checkpoint with use_reentrant=False notes that it ran again, the nodes that keep nothing for it, and how
    often it had done so before a pass.
    """

    runs: Mapping[int, bool]
    nodes: list[int]
    before: int


def checkpoints_of(graph: AutogradGraph) -> list[Checkpointed]:
    """The checkpoints that nodes of a graph belong to."""
    found: dict[int, Checkpointed] = {}
    for i in sorted(graph.keeps.not_to_be_asked()):
        for runs in reruns_noted_before(graph.nodes[i]):
            one = found.setdefault(id(runs), Checkpointed(runs, [], sum(runs.values())))
            if i not in one.nodes[-1:]:
                one.nodes.append(i)
    return list(found.values())


@contextmanager
def watching(
    graph: AutogradGraph, result: BackwardPass, keeper: Keeper, pointwise: Callable[[int], bool]
) -> Iterator[None]:
    """While this is open, a backward pass over the graph notes everything in `result`."""
    watch = _Watch(graph, result, keeper, pointwise)
    at_leaf, elsewhere = watch.at_leaf(), watch.elsewhere()
    places: list[tuple[Callable[[Any], Any], Callable[..., None]]] = []
    nodes, numbers = [], []
    for i, node in zip(graph.index.values(), graph.nodes, strict=True):  # the same numbers, which take room once
        for hook in at_leaf if i in graph.variables else elsewhere:
            places.append(hook)
            nodes.append(node)
            numbers.append(i)
    handles: list[Any] = []
    checkpoints = checkpoints_of(graph)
    try:
        # in C: no interrupt can come between a hook and its handle
        called: Any = call  # each time with other types
        registering = map(called, map(itemgetter(0), places), nodes)
        handles.extend(map(called, registering, map(partial, map(itemgetter(1), places), numbers)))
        places.clear()
        nodes.clear()
        numbers.clear()
        hooks = watch.before_hooks(handles)
        first = len(handles)
        handles.extend(starmap(call, hooks))
        hooks.clear()
        for handle in handles[first:]:
            call_first(handle)
        yield
    finally:
        try:
            remove(handles)
        except BaseException:  # an interrupt may come anywhere
            remove(handles)
            raise
        result.reruns += [(tuple(one.nodes), sum(one.runs.values()) - one.before) for one in checkpoints]


def remove(handles: list[Any]) -> None:
    """Take hooks away by their handles; bears being run twice."""
    while handles:
        handles[-1].remove()
        handles.pop()


class _Watch:
    """Notes what flows through the nodes of one backward pass."""

    def __init__(
        self, graph: AutogradGraph, result: BackwardPass, keeper: Keeper, pointwise: Callable[[int], bool]
    ) -> None:
        self.graph, self.result, self.keeper, self.pointwise = graph, result, keeper, pointwise
        self._gradient, self._asks_locals = keeper.gradient, keeper.capture.local
        # A node is not asked a second time if that would run code of the user, or read memory that a wrapper has not.
        self._asked_once = set(graph.custom) | graph.keeps.not_to_be_asked()
        reshapes = {name: keeps_order(aten_stem(name)) for name in dict.fromkeys(graph.names)}
        self._reshapes = [reshapes[name] for name in graph.names]
        # by number of node, what hooks of the user get of it: the tensor, how often it was written to, what it held
        self._made: dict[int, list[tuple[Tensor, int, Snapshot | None] | None]] = {}
        # What left the node that ran last, held weakly, and what was kept of it: in most graphs that is what arrives at
        # the next one.
        self._left: list[tuple[weakref.ref[Tensor], int, Held]] = []
        *tables, self._numbers = result.rows()
        self._node_grads, self._edge_grads, self._locals = [table.kept for table in tables]
        self._dtype: torch.dtype | None = None
        self._ones: Tensor | None = None

    def at_leaf(self) -> tuple[tuple[Callable[[Any], Any], Callable[..., None]], ...]:
        """What to hang on a node that accumulates into a leaf, each with how: before accumulation, for hooks of the
        user may change ``.grad`` right after it.
        """
        return (attrgetter("register_prehook"), self.arrived), (attrgetter("register_hook"), self.accumulated)

    def elsewhere(self) -> tuple[tuple[Callable[[Any], Any], Callable[..., None]], ...]:
        """The same of any other node."""
        return ((attrgetter("register_hook"), self.ran),)

    def before_hooks(self, handles: Sequence[Any]) -> list[tuple[Callable[..., Any], Callable[..., None]]]:
        """What to hang on nodes that hooks of the user hang on, so that what these change is seen; by the handles of
        ours.
        """
        found: list[tuple[Callable[..., Any], Callable[..., None]]] = []
        watched = self._watched()
        for at in crowded(handles):
            i = watched[at]
            names = [name_of_hook(hook) for hook in hooks_beside(handles[at]) if not is_watch(hook)]
            if names and i is not None:
                self.result.hooks[i] = tuple(names)
                found.append((self.graph.nodes[i].register_hook, partial(self.made, i)))
        return found

    def _watched(self) -> list[int | None]:
        """The node that each hook of ours hangs on; None for those on leaves, which have two."""
        leaves = self.graph.variables
        return [at for i in range(len(self.graph.nodes)) for at in ((None, None) if i in leaves else (i,))]

    def made(self, i: int, grad_inputs: Any, _: Any) -> None:
        """What node i made, before hooks of the user make something else of that."""
        try:
            with torch.no_grad():
                self._made[i] = [
                    None if grad is None else (grad, version_of(grad), self._gradient(grad)) for grad in grad_inputs
                ]
        except Exception as error:
            self._failed(error)

    def arrived(self, i: int, grad_outputs: Any) -> None:
        """A gradient arrives at a leaf."""
        try:
            self.result.leaf_grads[i] = self._numbers.snapshot(self._seen(grad_outputs[0]))
        except Exception as error:
            self._failed(error)

    def accumulated(self, i: int, _: Any, grad_outputs: Any) -> None:
        """A gradient has been added at a leaf; some versions of torch do not say before in a checkpoint of another
        kind inside a checkpoint.
        """
        if i not in self.result.leaf_grads and not may_have_hooks(self.graph.variables[i]):
            self.arrived(i, grad_outputs)

    def ran(self, i: int, grad_inputs: Any, grad_outputs: Any) -> None:
        """Node i made ``grad_inputs`` of ``grad_outputs``; the names are those of torch's hooks."""
        try:
            if torch.is_grad_enabled():  # the graph of the gradient is being built, and we are no part of it
                with torch.no_grad():
                    self._note(i, grad_inputs, grad_outputs)
            else:
                self._note(i, grad_inputs, grad_outputs)
        except Exception as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        """A tracer must not break the pass that it watches: what it fails at is said on the graph."""
        self._left = []
        self.keeper.problems.append(f"{type(error).__name__}: {error}")

    def _note(self, i: int, grad_inputs: Any, grad_outputs: Any) -> None:
        self.result.order.append(i)
        held, same = self._held, None
        if len(grad_outputs) == 1:
            upstream = grad_outputs[0]
            arrived = self._seen(upstream)
            if self._reshapes[i] and i not in self._made and isinstance(arrived, Snapshot):
                same = arrived  # what a hook of the user made of it is looked at
            if self._asks_locals and i not in self._asked_once:
                self._local(i, upstream, type(arrived) is float)
            self._node_grads[i] = arrived if type(arrived) is float else alone(arrived)
        else:
            self._node_grads[i] = tuple([self._seen(grad) for grad in grad_outputs])
        kept: list[Held] = []
        left: list[tuple[weakref.ref[Tensor], int, Held]] = []
        for grad in grad_inputs:
            if grad is None:
                kept.append(None)
                continue
            found = held(grad, same)
            kept.append(found)
            if not grad.is_inference():
                left.append((weakref.ref(grad), version_of(grad), found))
        self._edge_grads[i] = tuple(kept) if len(kept) != 1 else kept[0] if type(kept[0]) is float else alone(kept[0])
        if i in self._made:
            self._note_made(i, grad_inputs)
        self._left = left

    def _note_made(self, i: int, grad_inputs: Any) -> None:
        """What the node itself made, where hooks on it made something else of that."""
        made = self._made.pop(i)
        if any(map(self._is_changed, made, grad_inputs)):
            self.result.made[i] = tuple([None if before is None else before[2] for before in made])

    def _is_changed(self, before: tuple[Tensor, int, Snapshot | None] | None, grad: Tensor | None) -> bool:
        """Whether a hook made another gradient of the one that was there before."""
        if before is None or grad is None:
            return (before is None) is not (grad is None)
        tensor, version, kept = before
        if tensor is grad:
            return version_of(grad) != version and self._gradient(grad) != kept
        return tensor.shape != grad.shape or not torch.equal(tensor, grad)

    def _seen(self, grad: Tensor | None) -> Held:
        """What is kept of an arriving gradient; taken once, if it is what the last node sent."""
        if grad is None:
            return None
        for left, version, kept in self._left:
            if left() is grad and version == version_of(grad):
                return kept
        return self._held(grad)

    def _held(self, grad: Tensor | None, same: Snapshot | None = None) -> Held:
        """What is kept of a gradient: of a plain number of the usual dtype, which is that of the first, the number."""
        if (
            type(grad) is Tensor
            and grad.dtype is self._dtype
            and not grad.dim()
            and grad.is_cpu
            and not grad.is_neg()
            and not modes_are_active()
        ):
            try:
                return number_in(grad) if grad.storage_offset() else grad.item()
            except Exception:  # such as a number inside vmap
                return self._gradient(grad, same)
        found = self._gradient(grad, same)
        if (
            self._numbers.dtype is None
            and found is not None
            and type(grad) is Tensor
            and not grad.dim()
            and grad.is_cpu
            and grad.dtype in PLAIN
        ):
            self._dtype, self._numbers.dtype = grad.dtype, PLAIN[grad.dtype]
        return found

    def _local(self, i: int, upstream: Tensor | None, is_number: bool) -> None:
        """Note ∂out/∂operand for each operand: what the node makes of a gradient of ones.

        That is the derivative itself for a result of one element, and the diagonal of the Jacobian for an elementwise
        operation, in the shape after broadcasting. Asked inside the node's own hook, its buffers are still there.
        ``is_number`` says that what arrived was kept as one, which only a plain number is.
        """
        if upstream is None or not (is_number or self._has_local(i, upstream)):
            return
        try:
            if modes_are_active():
                with hidden_from_modes():
                    found = self.graph.nodes[i](torch.ones_like(upstream))
            else:
                found = self.graph.nodes[i](self._one(upstream) if is_number else torch.ones_like(upstream))
        except Exception as error:  # a node that cannot be asked twice has no local derivative to show
            self.keeper.problems.append(
                f"the local derivative of {self.graph.names[i]}: {type(error).__name__}: {error}"
            )
            return
        if not isinstance(found, tuple):
            local = self._held(found)
            self._locals[i] = local if type(local) is float else alone(local)
        elif found:
            self._locals[i] = tuple([self._held(grad) for grad in found])

    def _has_local(self, i: int, upstream: Tensor) -> bool:
        """Whether it is small, and the derivative itself."""
        if type(upstream) is not Tensor:  # torch may crash when a node is called with a subclass
            return False
        if upstream.dim():
            count = upstream.numel()
            if count > self.keeper.capture.whole or not (count == 1 or self.pointwise(i)):
                return False
        return not upstream.dtype.is_complex

    def _one(self, upstream: Tensor) -> Tensor:
        """A gradient of ones for a plain number of the usual dtype; the same one again, as long as nobody wrote to
        it.
        """
        one = self._ones
        if one is None or one.is_inference() or version_of(one):
            one = self._ones = torch.ones_like(upstream)
        return one


def name_of_hook(hook: Any) -> str:
    """What a hook of the user is called."""
    return str(getattr(hook, "__name__", type(hook).__name__))


def is_watch(hook: Any) -> bool:
    """Whether a hook is one of ours, as of a recording around this one."""
    return isinstance(hook, partial) and isinstance(getattr(hook.func, "__self__", None), _Watch)


def merged_passes(results: Sequence[BackwardPass]) -> BackwardPass:
    """Passes that ran inside each other as one, over one numbering of nodes; the first is the outermost. A leaf holds
    what all of them brought.
    """
    whole = results[0]
    for inner in results[1:]:
        both = whole.leaf_grads.keys() & inner.leaf_grads.keys()
        sums = {i: sum_of_seeds([whole.leaf_grads[i], inner.leaf_grads[i]]) for i in both}
        for name in TABLES:
            getattr(whole, name).update(
                {i: found for i, found in getattr(inner, name).items() if i not in getattr(whole, name)}
            )
        whole.leaf_grads.update(sums)
        whole.order += inner.order
        whole.reruns += inner.reruns
    return whole


def in_terms_of(graph: AutogradGraph, result: BackwardPass, other: AutogradGraph) -> BackwardPass:
    """What was noted over `graph`, by the numbers that the same nodes have in `other`."""
    number = [other.index[id(node)] for node in graph.nodes]
    moved: dict[str, Any] = {}
    for name in TABLES:
        table = getattr(result, name)
        is_rows = isinstance(table, Rows)
        moved[name] = table.renumbered(number) if is_rows else {number[i]: found for i, found in table.items()}
    return BackwardPass(
        **moved,
        order=[number[i] for i in result.order],
        problem=result.problem,
        partial=result.partial,
        reruns=[(tuple([number[i] for i in nodes]), times) for nodes, times in result.reruns],
    )


@cache
def aten_stem(name: str) -> str:
    """The ATen name in the name of an autograd node: "addmm" of "AddmmBackward0"."""
    base = re.sub(r"Backward\d*$", "", name)
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", base).lower()


def are_pointwise(names: Sequence[str]) -> list[bool]:
    """Of each autograd node of these names, whether it belongs to an elementwise operation."""
    found = {name: elementwise(aten_stem(name)) for name in dict.fromkeys(names)}
    return [found[name] for name in names]


@cache
def elementwise(aten: str) -> bool:
    """Whether ATen has an elementwise operation of this name, by torch's own tags."""
    packet = getattr(torch.ops.aten, aten, None)
    if packet is None or not hasattr(packet, "overloads"):
        return False
    return any(torch.Tag.pointwise in getattr(packet, overload).tags for overload in packet.overloads())
