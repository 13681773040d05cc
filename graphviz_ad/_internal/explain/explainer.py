"""Graph -> Explanation: walks along the paths, multiplies, adds up, and lets no number stand that autograd
contradicts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice

import numpy as np

from graphviz_ad._internal.explain.explanation import LETTERS, RAISED, Explanation, Factor, Number, Path, plain_float
from graphviz_ad._internal.explain.forward_mode import place_of_result
from graphviz_ad._internal.graph.graph import Edge, Graph
from graphviz_ad._internal.graph.precision import full_precision
from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.maths.agreement import (
    coarsest,
    dtype_around,
    rounding_share,
    roundings_along,
    smallest,
)
from graphviz_ad._internal.maths.chain_rule import Course, carried, feeding, shape_before, times_jacobian
from graphviz_ad._internal.maths.claims import Claims, doubt, recorded_value
from graphviz_ad._internal.maths.derivative_agreement import fits_flow
from graphviz_ad._internal.maths.formula_errors import flowed
from graphviz_ad._internal.maths.passing_back import by_rule, verified_formula
from graphviz_ad._internal.scene.words import formula_text
from graphviz_ad._internal.scene.words.names import Names, mathematical_names
from graphviz_ad._internal.scene.words.short_text import is_ones
from graphviz_ad._internal.scene.words.signs import CUT_MARKS, cut_mark

MOST_LISTED, FEW = len(LETTERS), 4  # up to so many paths are all listed; of more, only the first few
MARKS = "⁽{}⁾"  # what tells two uses of one variable apart


def explain_gradient(graph: Graph, wrt: str, output: str | None = None) -> Explanation:
    """How the gradient with respect to `wrt` comes about.

    Without ``output`` it is the gradient that the backward pass computed: of the one output, or of the sum of several,
    each times what was fed in there. With the name of an output, or of any result on the way, it is the derivative of
    that alone.
    """
    names = mathematical_names(graph)
    start, port = place_of_result(graph, wrt)
    target = place_of_result(graph, output)[0] if output is not None else None
    course = Course(graph, start, port, target)
    typed = names.typed[start] if len(names.results[start]) == 1 else wrt
    return Explainer(graph, names, Claims(graph), course, typed).explanation()


@dataclass(frozen=True)
class Explainer:
    """One use of `explain_gradient`."""

    graph: Graph
    names: Names
    claims: Claims
    course: Course
    wrt: str
    # edge -> the formula that is known to give what flowed back along it
    rules: dict[str, str] = field(default_factory=dict)
    locals: dict[str, Array | None] = field(default_factory=dict)  # edge -> its local derivative

    def explanation(self) -> Explanation:
        """Everything about the gradient."""
        few = list(islice(self.course.paths(), MOST_LISTED + 1))
        listed = few if len(few) <= MOST_LISTED else few[:FEW]
        sums = self.course.sums(self.seeds, self.carry)
        total = sums.get(self.course.start)
        grad = self.graph.nodes[self.course.start].ports[self.course.port].grad
        autograd = plain_float(grad.array) if grad is not None and grad.array is not None else None
        return Explanation(
            self.graph,
            self.names,
            self.claims,
            self.course,
            self.wrt,
            self.result,
            tuple(self.path(LETTERS[i], edges) for i, edges in enumerate(listed)),
            self.course.count,
            plain_float(total) if total is not None else autograd if self.is_recorded else None,
            total is not None,
            autograd if self.is_recorded else None,
            self.is_recorded,
            self.doubt(sums),
            self.meaning,
            tuple(self.cuts()),
        )

    # --- what is differentiated

    @property
    def result(self) -> str:
        """The name of what is differentiated; L where it is a sum, or something was fed in."""
        if self.course.target is None:
            return self.names.output
        return self.names.of[self.course.target] if not self.seed_names else self.names.total

    @cached_property
    def seeds(self) -> Mapping[str, Array]:
        """Output -> the gradient fed in there; those of an output that was asked for are ones."""
        if self.course.target is not None:
            shape = self.graph.nodes[self.course.target].ports[0].shape
            return {self.course.target: np.ones(shape)} if shape is not None else {}
        ends = [self.graph.nodes[key] for key in self.course.ends]
        fed = {node.key: node.ports[0].upstream for node in ends if len(node.ports) == 1}
        return {
            key: full_precision(snap.array) for key, snap in fed.items() if snap is not None and snap.array is not None
        }

    @cached_property
    def seed_names(self) -> frozenset[str]:
        """The ends at which a factor dL/dy stands, because what is fed in is no plain 1 or is shared by several."""
        if self.course.target is not None:
            shape = self.graph.nodes[self.course.target].ports[0].shape
            return frozenset() if shape is not None and math.prod(shape) == 1 else self.course.ends
        return frozenset() if self.names.one_output else self.course.ends

    @property
    def is_recorded(self) -> bool:
        """Whether this is what the backward pass computed."""
        target = self.course.target
        if target is None:
            return True
        outputs = [node for node in self.graph.outputs if node.requires_grad]
        return (
            [node.key for node in outputs] == [target]
            and outputs[0].ports[0].upstream is not None
            and is_ones(outputs[0].ports[0].upstream)
        )

    @property
    def meaning(self) -> str:
        """What L is."""
        if not self.seed_names:
            return ""
        names = [self.names.of[key] for key in self.names.of if key in self.course.ends]
        plain_sum = self.course.target is not None or all(np.all(seed == 1) for seed in self.seeds.values())
        elements = any((self.graph.nodes[key].ports[0].shape or ()) != () for key in self.course.ends)
        if plain_sum:
            return f"{self.result} is the sum of {'all elements of ' if elements else ''}{' and '.join(names)}"
        return f"{self.result} is the sum of {' and '.join(names)}, each times the gradient that was fed in"

    # --- paths

    def path(self, letter: str, edges: tuple[Edge, ...]) -> Path:
        """One path with its product."""
        end = edges[-1].head if edges else self.course.start
        above = [*(self.names.carried(edge) for edge in edges[1:]), self.names.of[end]]
        links = [self.factor(edge, name) for edge, name in zip(edges, above, strict=False)]
        start = self.names.results[self.course.start][self.course.port]
        names = [start, *above] if edges else [start]
        seed = self.seeds.get(end)
        if end in self.seed_names:
            links.append(Factor(self.result, self.names.of[end], plain_float(seed) if seed is not None else None))
            names.append(self.result)
        return Path(letter, tuple(names), tuple(links), *self.products(edges, seed))

    def products(self, edges: tuple[Edge, ...], seed: Array | None) -> tuple[Number | None, Number | None]:
        """The product of the factors; where there is none, what flows back along the path, by rules or as autograd
        recorded it for the only way on.
        """
        product, sent = seed, seed
        for edge in reversed(edges):
            product = carried(self.graph, edge, self.local(edge), product) if product is not None else None
            only_way = self.is_recorded and self.course.counts[edge.head] == 1 and edge.grad is not None
            sent = (
                edge.grad.array
                if only_way and edge.grad is not None
                else self.carry(edge, sent)
                if sent is not None
                else None
            )
        return (
            (plain_float(product), None)
            if product is not None
            else (None, plain_float(sent) if sent is not None else None)
        )

    def carry(self, edge: Edge, arriving: Array) -> Array | None:
        """What an edge makes of a gradient: by its local derivative, or by a rule that is known to give what
        autograd sent along this edge.
        """
        found = carried(self.graph, edge, self.local(edge), arriving)
        if found is None and edge.jacobian is not None:
            found = times_jacobian(self.graph, edge, arriving)
        if found is None:
            if edge.key not in self.rules:
                self.rules[edge.key] = verified_formula(self.graph, edge, self.claims.along(edge).backward)
            found = by_rule(self.graph, edge, self.rules[edge.key], arriving)
        return found

    def doubt(self, sums: Mapping[str, Array | None]) -> Number:
        """How far rounding along the paths may have carried the gradient from the sum over them; infinitely, where
        that cannot be told.
        """

        def carry(edge: Edge, off: Array) -> Array | None:
            arriving = sums[edge.head]
            return self.carry_doubt(edge, arriving, off) if arriving is not None else None

        with np.errstate(all="ignore"):
            found = self.course.sums({key: np.zeros(np.shape(seed)) for key, seed in self.seeds.items()}, carry).get(
                self.course.start
            )
        return plain_float(found) if found is not None else math.inf

    def carry_doubt(self, edge: Edge, arriving: Array, off: Array) -> Array | None:
        """What an edge makes of how far a gradient is off, with its own rounding and that of the addition behind it."""
        head, sent = self.graph.nodes[edge.head], self.carry(edge, arriving)
        dtype, added = (
            coarsest((dtype_around(self.graph, head), edge.grad.dtype if edge.grad else None)),
            len(self.course.leaving(edge.tail)),
        )
        passed = self.passed_doubt(edge, arriving, off, dtype)
        if sent is None or passed is None:
            return None
        lost = smallest(dtype, added) * (1 + np.max(np.abs(arriving), initial=0.0))  # below the normal numbers
        return np.asarray(passed + rounding_share(dtype, added) * np.abs(sent) + lost)

    def passed_doubt(self, edge: Edge, arriving: Array, off: Array, dtype: str) -> Array | None:
        """How far what an edge sends on is off."""
        head, local, shape = self.graph.nodes[edge.head], self.local(edge), shape_before(self.graph, edge)
        operations = max(head.inside, 1)
        if local is None and edge.jacobian is not None:
            return self.doubt_of_jacobian(edge, arriving, off, dtype)
        if local is None:
            made = doubt(
                self.graph, head, self.rules.get(edge.key, ""), arriving, rounding_share(dtype, operations), off
            )
            found = (
                flowed(made, shape, rounding_share(dtype, operations))
                if made is not None and shape is not None
                else None
            )
            return np.asarray(found.off) if found is not None else None
        size, through = (carried(self.graph, edge, np.abs(local), each) for each in (np.abs(arriving), off))
        if size is None or through is None:
            return None
        return (
            through
            + rounding_share(dtype, roundings_along(operations, np.broadcast(local, arriving).size / max(size.size, 1)))
            * size
        )

    def doubt_of_jacobian(self, edge: Edge, arriving: Array, off: Array, dtype: str) -> Array | None:
        """The same of an edge with a Jacobian."""
        jacobian = edge.jacobian.array if edge.jacobian is not None else None
        if edge.jacobian is None or jacobian is None:
            return None
        sizes = replace(edge, jacobian=replace(edge.jacobian, data=np.abs(jacobian), stats=None))
        size, through = (times_jacobian(self.graph, sizes, np.asarray(each)) for each in (np.abs(arriving), off))
        if size is None or through is None:
            return None
        operations = max(self.graph.nodes[edge.head].inside, 1)
        return np.asarray(through + rounding_share(dtype, roundings_along(operations, arriving.size)) * size)

    def local(self, edge: Edge) -> Array | None:
        """The local derivative: as torch gave it, or by a formula that is known to give what flowed back."""
        if edge.key not in self.locals:
            known = edge.local.array if edge.local is not None else None
            self.locals[edge.key] = (
                derivative_by_formula(self.graph, edge, self.claims.along(edge).local)
                if known is None
                else known
                if agrees_with_flow(self.graph, edge, known)
                else None
            )
        return self.locals[edge.key]

    def factor(self, edge: Edge, above: str) -> Factor:
        """What an edge multiplies by."""
        local, claim = self.local(edge), self.claims.of(edge.head)
        letters = formula_text.names_of_letters(claim, formula_text.operand_names(claim, self.names), self.names)
        return Factor(
            above,
            self.below(edge),
            plain_float(local) if local is not None else None,
            edge,
            self.claims.along(edge),
            letters,
        )

    def below(self, edge: Edge) -> str:
        """What a factor derives by; marked where the same symbol would also stand for another factor."""
        name = self.names.carried(edge)
        twins = [use for use in self.graph.out_edges(edge.tail) if (use.head, use.port) == (edge.head, edge.port)]
        return name + MARKS.format(str(edge.slot + 1).translate(RAISED)) if len(twins) > 1 else name

    def cuts(self) -> Iterable[str]:
        """Where a value goes on towards the output and the gradient does not come back."""
        onward = feeding(self.graph, self.course.ends)
        reached = {self.course.start}
        for node in self.graph.node_list:
            if node.key not in reached:
                continue
            for edge in self.graph.out_edges(node.key):
                if edge.cut in (None, "unreached"):
                    reached.add(edge.head)
                if edge.cut in CUT_MARKS and edge.head in onward:
                    yield (
                        f"{self.names.carried(edge)} → {self.names.of[edge.head]}: {self._mark(edge)}, no gradient"
                        " comes back"
                    )

    def _mark(self, edge: Edge) -> str:
        """The mark of a cut."""
        return cut_mark(edge.cut, self.graph.nodes[edge.head].op)


def agrees_with_flow(graph: Graph, edge: Edge, local: Array) -> bool:
    """Whether a local derivative is not contradicted by what autograd sent along the edge."""
    if graph.nodes[edge.head].members:  # it is known for that
        return True
    return np.iscomplexobj(local) or fits_flow(graph, edge, local) is not False


def derivative_by_formula(graph: Graph, edge: Edge, formula: str) -> Array | None:
    """The local derivative of a call that torch ran as several operations, from its formula; None where that is not
    known to be true.
    """
    return (
        recorded_value(graph, graph.nodes[edge.head], formula)
        if formula and verified_formula(graph, edge, f"g * ({formula})")
        else None
    )
