"""Factor, Path, Check, Explanation: how one gradient comes about, as values that know no picture and no file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from graphviz_ad._internal.graph.graph import Edge, Graph
from graphviz_ad._internal.graph.precision import full_precision
from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.maths.agreement import all_told, makes_gradient
from graphviz_ad._internal.maths.cancelled import noise_in
from graphviz_ad._internal.maths.chain_rule import Course
from graphviz_ad._internal.maths.claims import Claims, Passed
from graphviz_ad._internal.maths.formulas import LOCAL, TOTAL, to_unicode, total_derivative
from graphviz_ad._internal.maths.gradient_sums import largest_flow, sum_of_flows
from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.scene.words import edge_labels
from graphviz_ad._internal.scene.words.moved_elements import MovedElements, elements_in_picture
from graphviz_ad._internal.scene.words.names import Names

if TYPE_CHECKING:
    from pathlib import Path as FilePath

    from graphviz_ad._internal.api.api import Picture
    from graphviz_ad._internal.base.checked_calls import saves, takes
    from graphviz_ad._internal.output.call_options import ExplanationFile, PathsPicture
    from graphviz_ad._internal.scene.themes import Theme

Number = float | complex | Array
LETTERS = "ABCDEFGHIJKL"  # of the paths that are listed
LEFT_OPEN = "rounding along the paths may be larger than the gradient itself, so that nothing can be said of their sum"
NOT_FINITE = "infinity or NaN came up, with which nothing can be compared"
RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, eq=False)
class Factor:
    """What one step of a path multiplies by: a number, an array where the operation is elementwise, else only a rule.

    ``above`` and ``below`` are the names in ∂above/∂below; ``edge`` is None for a gradient that was fed in, which is
    d above/d below, and so is ``passed``, what is true of the edge; ``letters`` says what the names in the formula
    stand for.
    """

    above: str
    below: str
    value: Number | None
    edge: Edge | None = None
    passed: Passed | None = None
    letters: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """ "∂q/∂s"."""
        return to_unicode(self.sign, {"a": self.above, "b": self.below})

    @property
    def sign(self) -> str:
        """The derivative of a by b, as a formula: of one operation, or the whole one that was fed in."""
        return LOCAL if self.edge is not None else TOTAL

    @property
    def formula(self) -> str:
        """In the language of `graphviz_ad._internal.maths.formulas`: the local derivative or, without a ``value``,
        what is made of the arriving gradient g.
        """
        if self.passed is None:
            return ""
        return self.passed.local if self.value is not None else self.passed.backward

    @property
    def rule(self) -> str:
        """The formula with the names of the program; "" where no compact one is true."""
        return to_unicode(self.formula, self.letters) if self.formula else ""

    @property
    def shapes(self) -> str:
        """The shapes of the matrices that a rule multiplies: "(1×3)(3×2)"."""
        return edge_labels.matrix_shapes(self.passed) if self.passed is not None and self.value is None else ""

    @property
    def summed(self) -> bool:
        """Whether what flows back is summed over the copies of a broadcast operand."""
        return self.passed is not None and self.passed.summed


@dataclass(frozen=True, eq=False)
class Path:
    """One way from the variable to the output.

    ``nodes`` are the names along it, ``links`` what stands between them; ``product`` is None where a factor is no
    number. ``sent`` is what flows back along it by the rules of the operations all the same, where that is known.
    """

    letter: str
    nodes: tuple[str, ...]
    links: tuple[Factor, ...]
    product: Number | None
    sent: Number | None = None

    @property
    def factors(self) -> tuple[Number | str, ...]:
        """A number or array for each step; the rule, as text, where there is none."""
        return tuple(
            link.value if link.value is not None else link.rule or f"{link.name} is no number" for link in self.links
        )

    @property
    def brings(self) -> Number | None:
        """What it adds to the gradient; None where that is not known."""
        return self.product if self.product is not None else self.sent

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The edges of the graph that it runs along."""
        return tuple(link.edge for link in self.links if link.edge is not None)

    @property
    def way(self) -> tuple[str, ...]:
        """The names along it, marked where a variable is used twice by the same operation: "x⁽¹⁾"."""
        return (*(link.below for link in self.links), self.nodes[-1])

    def __repr__(self) -> str:
        """ "A: x → y → f"."""
        return f"<Path {self.letter}: {' → '.join(shortened_names(self.way))}>"


@dataclass(frozen=True)
class Check:
    """A sum against autograd's gradient. ``of`` says what was summed: "paths"; "edges" where paths have no products;
    else why nothing could be compared.
    """

    of: str
    difference: float | None = None
    ok: bool | None = None

    def __str__(self) -> str:
        """In a sentence."""
        if self.ok is None:
            return self.of
        what = "the sum over all paths" if self.of == "paths" else "the sum of what came back along the edges"
        verdict = "equals autograd's gradient" if self.ok else "DIFFERS from autograd's gradient"
        return f"{what} {verdict} (difference {short_number(self.difference or 0.0, digits=2)})"


@dataclass(frozen=True, eq=False)
class Explanation:
    """How the gradient of ``result`` with respect to ``wrt`` comes about; prints as a worked solution, and shows
    itself in a notebook.

    ``paths`` are the first few of ``count``; ``total`` is the sum over all of them or, where paths have no products,
    autograd's gradient; ``autograd`` is that gradient, None where torch has none or was asked for another; ``doubt`` is
    how far rounding along the paths may carry the two apart. ``meaning`` says what ``result`` is where the program has
    no name for it, ``cuts`` where a value flows on and a gradient does not.
    """

    graph: Graph
    names: Names
    claims: Claims
    course: Course
    wrt: str
    result: str
    paths: tuple[Path, ...]
    count: int
    total: Number | None
    summed: bool
    autograd: Number | None
    comparable: bool
    doubt: Number = 0.0
    meaning: str = ""
    cuts: tuple[str, ...] = ()

    @cached_property
    def moved(self) -> MovedElements:
        """Which elements go where, as pictures of the graph show it."""
        return elements_in_picture(self.graph, self.names, {})

    @property
    def more(self) -> int:
        """How many paths are not listed."""
        return self.count - len(self.paths)

    @property
    def rest(self) -> Number | None:
        """What the paths that are not listed bring together."""
        products = [path.brings for path in self.paths if path.brings is not None]
        if not self.more or not self.summed or self.total is None or len(products) < len(self.paths):
            return None
        with np.errstate(all="ignore"):
            rest = np.asarray(self.total) - np.sum(np.asarray(products), axis=0)
        return plain_float(rest) if np.isfinite(rest).all() else None

    @cached_property
    def noise(self) -> float:
        """No element of autograd's gradient up to this size is more than what rounding leaves of a sum."""
        return noise_in(self.graph, self.course.start, self.course.port) if self.comparable else 0.0

    @property
    def symbol(self) -> str:
        """ "df/dx2"."""
        return total_derivative(self.result, self.called)

    @property
    def called(self) -> str:
        """What it is a gradient by, as mathematics writes it."""
        return self.names.results[self.course.start][self.course.port]

    @cached_property
    def check(self) -> Check:
        """The sum against autograd."""
        if not self.graph.has_gradients:
            return Check("no backward pass was recorded")
        if not self.comparable:
            return Check(
                "autograd was asked for another gradient; each factor agreed with it when the graph was traced"
            )
        if not self.count or self.autograd is None:
            return Check(
                "no gradient flows, and autograd has none"
                if self.autograd is None
                else "the elements of the gradient were not kept"
            )
        flowed = sum_of_flows(
            self.graph,
            self.graph.nodes[self.course.start],
            self.course.port,
            hidden=largest_flow(self.graph.detail or self.graph),
        )
        if self.summed and self.total is not None:
            dtype = self.graph.nodes[self.course.start].ports[self.course.port].dtype
            # the paths are as far from the gradient as from what flowed, and that as far from the gradient
            doubt = self.doubt if flowed is None or not math.isfinite(flowed.off) else self.doubt + flowed.off
            adds_up = flowed.ok if flowed is not None else True
            return compared_with_autograd(self.total, self.arrived, doubt, dtype, adds_up=adds_up)
        if flowed is None:
            return Check("what came back along the edges was not kept")
        return Check(NOT_FINITE if flowed.ok is None else "edges", flowed.off, flowed.ok)

    @property
    def arrived(self) -> Number | None:
        """Autograd's gradient before a hook changed it."""
        snap = self.graph.nodes[self.course.start].ports[self.course.port].arrived
        return snap.array if snap is not None and snap.array is not None else self.autograd

    @property
    def ok(self) -> bool | None:
        """Whether the sum is autograd's gradient; None where there is nothing to compare."""
        return self.check.ok

    @property
    def difference(self) -> float | None:
        """How far the sum is from autograd's gradient, at most."""
        return self.check.difference

    if TYPE_CHECKING:  # what later rooms make of it; `api.methods` puts it here

        def to_text(self) -> str:
            """The worked solution as plain text."""
            ...

        def to_latex(self, *, document: bool = False) -> str:
            """The worked solution as an ``align*`` environment for a handout, or as a whole document."""
            ...

        def to_html(self, *, theme: str | Theme = "auto") -> str:
            """The worked solution with its picture, as a page of its own that loads nothing."""
            ...

        @takes(PathsPicture)
        def plot(self, asked: PathsPicture) -> Picture:
            """The picture with each path in a colour, dash pattern and letter of its own."""
            ...

        @saves(ExplanationFile)
        def save(self, path: Any, asked: ExplanationFile) -> FilePath | None:
            """Write the solution or the picture; the suffix chooses. Returns the path."""
            ...

        def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]: ...

        def _repr_html_(self) -> str | None: ...

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        """One line for the console."""
        paths = "no path" if not self.count else "1 path" if self.count == 1 else f"{written_count(self.count)} paths"
        return f"<Explanation of {self.symbol}: {paths}>"


def compared_with_autograd(found: Any, autograd: Any, doubt: Any, dtype: str | None, *, adds_up: bool | None) -> Check:
    """Whether the sum over all paths is autograd's gradient, but for the rounding of what happens along them."""
    mine, theirs = full_precision(found), full_precision(autograd)
    if mine.shape != theirs.shape:
        return Check("paths", math.inf, False)
    with np.errstate(all="ignore"):
        apart = np.abs(mine - theirs)
    difference = float(np.max(apart, initial=0.0, where=np.isfinite(apart)))
    told = all_told(makes_gradient(mine, theirs, doubt, dtype), adds_up)
    if told is None:
        return Check(LEFT_OPEN if np.isfinite(apart).all() else NOT_FINITE, difference)
    return Check("paths", difference, told)


def plain_float(array: Array) -> Number:
    """A Python number where it is one; real numbers in full precision."""
    wide = full_precision(array)
    return wide if wide.ndim else wide.item()


def shortened_names(names: tuple[str, ...], start: int = 2, end: int = 6) -> list[str]:
    """The first and the last of many names."""
    return (
        list(names)
        if len(names) <= start + end + 2
        else [*names[:start], f"… ({len(names) - start - end:,} more)", *names[-end:]]
    )


def written_count(count: int) -> str:
    """A count with commas; a power of two where it is one that nobody would read: "2⁶⁰"."""
    if count >= 10**7 and count & (count - 1) == 0:
        return f"2{str(count.bit_length() - 1).translate(RAISED)}"
    return f"{count:,}" if count < 10**24 else f"about {short_number(count)}"
