"""Two Graphs -> both on one canvas, with what differs marked and said: the picture of before and after."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from itertools import groupby
from math import inf
from typing import Annotated, Literal

from graphviz_ad._internal.base.argument_types import Says
from graphviz_ad._internal.base.checked_calls import Options as Table
from graphviz_ad._internal.base.checked_calls import takes, takes_two
from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.base.text_table import counted_noun
from graphviz_ad._internal.diagnosis.alignment import aligned
from graphviz_ad._internal.diagnosis.divergence import Divergence, diverging, most_apart
from graphviz_ad._internal.graph.graph import Graph, Node, Port
from graphviz_ad._internal.graph.notice_sentences import texts
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.graph.transforms import fold_to_size, hide_unused
from graphviz_ad._internal.layouts.choice import place_scene
from graphviz_ad._internal.maths.number_format import DIGITS, number_in_one_line, short_number, type_label, written_with
from graphviz_ad._internal.output.call_options import Depth, Flow, LayoutName, Local, ThemeName
from graphviz_ad._internal.output.chart import Chart
from graphviz_ad._internal.scene.annotations import (
    error_of,
    failed_in_this_pass,
    held_before,
    with_failure,
    with_remarks,
)
from graphviz_ad._internal.scene.leaf_copies import inline_constants, without_boxes
from graphviz_ad._internal.scene.picture_options import picture_look
from graphviz_ad._internal.scene.place import SLIDE
from graphviz_ad._internal.scene.scene import Scene
from graphviz_ad._internal.scene.scene_building import build_scene
from graphviz_ad._internal.scene.words.box_lines import gradient_label
from graphviz_ad._internal.scene.words.describe import Options, words_of_graph
from graphviz_ad._internal.scene.words.names import graph_names
from graphviz_ad._internal.scene.words.signs import CUT_MARKS, NO_GRADIENT, NOT_YET, cut_mark
from graphviz_ad._internal.sheets.shared_parts import (
    Calls,
    Pairs,
    as_large_as,
    pairs_shown,
    parted,
    shared_calls,
    union_of,
)
from graphviz_ad._internal.sheets.sheet import GAP, LARGE_ENOUGH, PAD, WIDEST, Panel, Sheet, drawing, fit

KEEPS, NOT_RECORDED = "keeps for backward", "not recorded"
MORE_DIGITS = (DIGITS, 6, 9, 17)  # significant ones
MOST_SAID = 12  # differences that are written out below the pictures, and things in a text
MOST_OF_ONE = 3  # differences of one thing that are written out in a text
NOT_FINITE_IN_ONE = ": one has NaN or an infinity where the other has a number, or another"
Recorded = Annotated[Graph, Says("as trace() and record() give it")]


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same: ``name`` is what it is about, ``what`` which of its facts, ``first`` and
    ``second`` what each graph says.
    """

    name: str
    what: str
    first: str
    second: str

    def __str__(self) -> str:
        """ "x .grad: [0, 4, 8] ≠ [0, 1, 4]"; "u: only in b"."""
        return (
            f"{self.name} {self.what}: {self.first} ≠ {self.second}"
            if self.what
            else f"{self.name}: {self.first or self.second}"
        )


@dataclass(frozen=True, kw_only=True)
class ComparisonOptions(Table):
    """Options of `compare`."""

    tolerance: Annotated[
        float | Literal["auto"],
        Says("how far apart results may be, as a part of their size; auto: as far as rounding may carry them"),
    ] = "auto"
    titles: Annotated[
        tuple[str, str] | Sequence[str], Says("what stands above each of the two graphs", "pair of titles")
    ] = ("the first", "the second")
    heading: Annotated[str, Says("what stands above both")] = ""
    theme: ThemeName = "light"
    layout: LayoutName = "auto"
    direction: Flow = None
    values: Annotated[bool, Says("write forward values")] = True
    gradients: Annotated[bool, Says("write gradients")] = True
    local: Local = True
    depth: Depth = None


@dataclass(frozen=True)
class SideBySide(Chart):
    """Two graphs on one canvas; the last expression of a notebook cell shows it. ``differences`` say what is marked."""

    graphs: tuple[Graph, Graph]
    differences: tuple[Difference, ...]
    divergence: Divergence
    renamed: tuple[tuple[str, str], ...] = ()
    asked: ComparisonOptions = field(default_factory=ComparisonOptions, repr=False)

    @property
    def equal(self) -> bool | None:
        """Whether both computed the same but for rounding, in values and in gradients; None where no number of one
        could be held against one of the other.
        """
        return self.divergence.equal

    @property
    def first_forward(self) -> tuple[Node, Node] | None:
        """The first result that differs by more than rounding, in each of the two graphs; None where none does."""
        return self.divergence.first_forward

    @property
    def first_backward(self) -> tuple[Node, Node] | None:
        """The first operation on the way back that makes other gradients; None where none does."""
        return self.divergence.first_backward

    @takes(ComparisonOptions)
    def plot(self, asked: ComparisonOptions) -> SideBySide:
        """The picture of both, drawn otherwise where options say so; what is not given stays as it is."""
        usual = ComparisonOptions()
        new = {
            one.name: given for one in fields(asked) if (given := getattr(asked, one.name)) != getattr(usual, one.name)
        }
        return compared_as(*self.graphs, replace(self.asked, **new)) if new else self

    @property
    def same(self) -> bool:
        """Whether nothing differs that a picture would show, but for names."""
        return not self.differences

    def __str__(self) -> str:
        """Where the runs part first; then the first differences, a line each, how many more there are and at what; and
        what is called otherwise.
        """
        parted = ["no difference"] if self.equal and self.same else divergence_lines(self.divergence, self.graphs)
        return "\n".join([*parted, *grouped_lines(self.differences), *renamed_lines(self.renamed)])


def grouped_lines(found: Sequence[Difference]) -> Iterator[str]:
    """The first differences of the first things, a line each; of all else how many there are."""
    groups = [(name, list(group)) for name, group in groupby(found, key=lambda one: one.name)]
    for name, group in groups[:MOST_SAID]:
        yield from map(str, group[:MOST_OF_ONE])
        if len(group) > MOST_OF_ONE:
            yield f"and {counted_noun(len(group) - MOST_OF_ONE, 'more difference')} of {name}"
    rest = groups[MOST_SAID:]
    if rest:
        last = f", up to {rest[-1][0]}" if len(rest) > 1 else ""
        count = counted_noun(sum(len(group) for _, group in rest), "difference")
        yield f"and {count} after these, from {rest[0][0]} on{last}; .differences has them all"


def renamed_lines(renamed: Sequence[tuple[str, str]]) -> list[str]:
    """What belongs together and is called otherwise in the second graph, in a line."""
    if not renamed:
        return []
    told = ", ".join(f"{here} is {there}" for here, there in renamed[:MOST_SAID])
    more = f" and {len(renamed) - MOST_SAID} more" if len(renamed) > MOST_SAID else ""
    return [f"called otherwise in the second: {told}{more}"]


def divergence_lines(found: Divergence, graphs: tuple[Graph, Graph]) -> list[str]:
    """Where two runs part, a line for each direction."""
    if not found.compared:
        return ["Nothing in the two graphs belongs together, so that nothing was compared."]
    if found.equal is None:
        return ["Nothing was compared by numbers: what belongs together has none that were recorded in both."]
    if found.equal:
        pairs = counted_noun(found.compared, "pair")
        return [f"Equal but for rounding: {pairs} of results, {counted_noun(found.numbers, 'value')} and gradients."]
    names = tuple(graph_names(graph).of for graph in graphs)
    lines = []
    parts = (
        ("forward", found.first_forward, found.apart_forward),
        ("backward", found.first_backward, found.apart_backward),
    )
    for direction, pair, apart in parts:
        if pair is None:
            lines.append(f"{direction}: equal but for rounding")
            continue
        described = [
            names[i][node.key] + (f" ({', '.join(fact for fact in (node.op, node.source) if fact)})" if node.op else "")
            for i, node in enumerate(pair)
        ]
        by = NOT_FINITE_IN_ONE if apart == inf else f", {100 * apart:.3g} % apart" if apart is not None else ""
        lines.append(f"{direction}: the first to differ is {described[0]}, in the second {described[1]}{by}")
    return lines


@takes_two(ComparisonOptions)
def compare(a: Recorded, b: Recorded, asked: ComparisonOptions) -> SideBySide:
    """Both graphs on one canvas, side by side or one above the other, with every box marked that differs; below them
    stands what differs.

    Nodes belong together by what they compute and by their names: modules and variables may be called otherwise,
    operations may be inserted, and dtypes may differ. What belongs together has one place in both pictures, and one
    name where it has none of its own. Compared are values, gradients, what torch holds in ``.grad``, what is saved for
    the backward pass and where no gradient flows.

    ``.equal`` says whether both computed the same but for rounding, ``.first_forward`` and ``.first_backward`` where
    they part, as a pair of nodes; ``tolerance`` follows from dtypes and depth. ``.renamed`` are pairs of names.
    """
    return compared_as(a, b, asked)


def compared_as(a: Graph, b: Graph, asked: ComparisonOptions) -> SideBySide:
    """The picture of two graphs that was asked for."""
    if len(asked.titles) != 2:
        raise OptionError(f"titles={asked.titles!r} must be two texts, one for each graph")
    first, second = asked.titles
    depth, heading = asked.depth, asked.heading
    chosen = picture_look(
        theme_name=asked.theme,
        layout=asked.layout,
        direction=asked.direction,
        values=asked.values,
        gradients=asked.gradients,
        local=asked.local,
        depth=depth,
    )
    shown = (fold_to_size(hide_unused(a), depth), fold_to_size(hide_unused(b), depth))
    apart = diverging(a, b, asked.tolerance)
    pair = Pair(
        *shown, (first, second), chosen.options, asked.direction, together=pairs_shown(a, b, shown, apart.pairs)
    )
    panels = list(pair.panels(chosen.layout))
    found, renamed = pair.differences, tuple(renamed_of(a, b, apart.pairs))
    notes = texts(dict.fromkeys(note for graph in shown for note in graph.notes if note.failure is None))
    said = (difference_lines(found), *map(sentence, renamed_lines(renamed)))
    spoken = " ".join([f"{heading or f'{a.name} and {b.name} side by side'}.", *said])
    canvas = Sheet(heading, details=said, footnotes=notes).canvas(panels, spoken)
    return SideBySide(canvas, chosen.theme, spoken, (a, b), found, apart, renamed, asked)


def renamed_of(a: Graph, b: Graph, pairs: Pairs) -> Iterator[tuple[str, str]]:
    """The names of what belongs together and is called otherwise."""
    for here, there in pairs.items():
        one, other = a.nodes[here].name, b.nodes[there].name
        if one and other and one != other and not a.nodes[here].is_step:
            yield one, other


def sentence(text: str) -> str:
    """A line as a sentence."""
    return f"{text[0].upper()}{text[1:]}."


def difference_lines(found: Sequence[Difference]) -> str:
    """The first few differences, a line each."""
    if not found:
        return "No difference: every value, every gradient and every cut is the same."
    more = f"; and {len(found) - MOST_SAID} more" if len(found) > MOST_SAID else ""
    return f"Marked: {';  '.join(map(str, found[:MOST_SAID]))}{more}"


@dataclass(frozen=True)
class Pair:
    """Two graphs that are to be drawn as two panels; ``codes`` and ``errors`` stand above and below them,
    ``remarks`` (node name -> lines) in their boxes; ``together`` is what belongs together, where that is known.
    """

    a: Graph
    b: Graph
    titles: tuple[str, str]
    options: Options = field(default_factory=Options)
    direction: str | None = None
    codes: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    errors: tuple[str, str] = ("", "")
    raised: tuple[int | None, int | None] = (None, None)
    says: tuple[str, str] = ("", "")
    remarks: tuple[Mapping[str, Sequence[str]], Mapping[str, Sequence[str]]] = ({}, {})
    together: Pairs | None = None

    @cached_property
    def pairs(self) -> Pairs:
        """What both have: key in the first -> key in the second."""
        return aligned(self.a, self.b) if self.together is None else self.together

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Everything that is not the same, in forward order."""
        return tuple(difference for _, _, difference in differences(self.a, self.b, self.pairs))

    def panels(self, layout: str) -> Iterator[Panel]:
        """A panel for each graph; the same thing has the same name, the same size and the same place in both."""
        found = list(differences(self.a, self.b, self.pairs))
        called = shared_calls(self.a, self.b, self.pairs)
        first = self._scene(self.a, {key for key, _, _ in found if key}, self.remarks[0], called[0])
        second = self._scene(self.b, {key for _, key, _ in found if key}, self.remarks[1], called[1])
        scenes = (
            as_large_as(first, second, self.pairs),
            as_large_as(second, first, {there: here for here, there in self.pairs.items()}),
        )
        for i, (graph, placed) in enumerate(zip((self.a, self.b), self._placed(scenes, layout), strict=True)):
            error = self.errors[i] or error_of(graph)
            yield Panel(
                drawing(placed, str(i)),
                self.titles[i],
                self.codes[i],
                self.says[i],
                error,
                self.raised[i],
                placed.legend,
            )

    def _placed(self, scenes: tuple[Scene, Scene], layout: str) -> tuple[Scene, Scene]:
        """Both in the same direction: the one asked for, else of those in which both can be read the one in which
        they are largest together, else the better one.
        """
        found: list[tuple[Scene, Scene]] = []
        for direction in [self.direction] if self.direction else ["LR", "TB"]:
            first, second = (replace(scene, direction=direction, notes=()) for scene in scenes)
            found.append(placed_together(first, second, self.pairs, layout))
        readable = [pair for pair in found if min(map(fit, pair)) >= LARGE_ENOUGH]
        return max(readable, key=share_of_slide) if readable else max(found, key=lambda pair: min(map(fit, pair)))

    def _scene(
        self, graph: Graph, marked: Collection[str], remarks: Mapping[str, Sequence[str]], called: Calls
    ) -> Scene:
        words = words_of_graph(graph, replace(self.options, called=called))
        keys = words.names.keys
        lines = {keys[name]: texts for name, texts in remarks.items()}
        scene = with_remarks(with_failure(build_scene(words), graph), lines, marked=marked)
        return without_boxes(scene, inline_constants(words) - set(marked))


def share_of_slide(placed: tuple[Scene, Scene]) -> float:
    """With how many points for each of its own a slide is filled by both, side by side or one above the other."""
    first, second = (scene.size or (1.0, 1.0) for scene in placed)
    beside = first[0] + second[0] + GAP + 4 * PAD <= WIDEST
    wide = first[0] + second[0] if beside else max(first[0], second[0])
    high = max(first[1], second[1]) if beside else first[1] + second[1]
    return min(SLIDE.width / wide, SLIDE.height / high)


def placed_together(first: Scene, second: Scene, pairs: Pairs, layout: str) -> tuple[Scene, Scene]:
    """Both scenes, what they share at the same place in each; each on its own where they contradict each other."""
    union = union_of(first, second, pairs)
    if union is None:
        return place_scene(first, layout), place_scene(second, layout)
    return parted(replace(union, scene=place_scene(union.scene, layout)), first, second)


# --- what differs


def differences(a: Graph, b: Graph, pairs: Pairs) -> Iterator[tuple[str | None, str | None, Difference]]:
    """(key in a, key in b, difference) for everything that a picture would show differently; what optimizers made of it
    comes last.
    """
    found = list(_differences(a, b, pairs))
    by_steps = [
        any(key is not None and of_steps(graph.nodes[key]) for key, graph in zip(keys, (a, b), strict=True))
        for *keys, _ in found
    ]
    yield from (one for one, late in zip(found, by_steps, strict=True) if not late)
    yield from (one for one, late in zip(found, by_steps, strict=True) if late)


def of_steps(node: Node) -> bool:
    """Whether an optimizer made it."""
    return node.is_step or node.is_of_steps


def _differences(a: Graph, b: Graph, pairs: Pairs) -> Iterator[tuple[str | None, str | None, Difference]]:
    """The same, in the order of the first graph."""
    called = shared_calls(a, b, pairs)
    names = graph_names(a, called[0]).of, graph_names(b, called[1]).of
    for node in a.node_list:
        if node.key not in pairs:
            yield node.key, None, Difference(names[0][node.key], "", "only in the first", "")
            continue
        other = b.nodes[pairs[node.key]]
        facts, theirs = dict(compared_facts(a, node)), dict(compared_facts(b, other))
        untold = {KEEPS} if node.keeps_unknown or other.keeps_unknown else set()
        for what in [fact for fact in {**facts, **theirs} if fact not in untold]:
            first, second = facts.get(what, ""), theirs.get(what, "")
            if first != second:
                yield (
                    node.key,
                    other.key,
                    Difference(names[0][node.key], what, *written_apart(first, second)),
                )
    found = set(pairs.values())
    for node in b.node_list:
        if node.key not in found:
            yield None, node.key, Difference(names[1][node.key], "", "", "only in the second")


def compared_facts(graph: Graph, node: Node) -> Iterator[tuple[str, object]]:
    """What is compared of a node."""
    for i, port in enumerate(node.ports):
        which = f"[{i}] " if len(node.ports) > 1 else ""
        yield f"{which}value", NOT_RECORDED if port.value is None else port.value
        if graph.has_gradients:
            yield f"{which}{gradient_label(node)}", shown_gradient(graph, node, port)
    yield KEEPS, f"{len(node.saved) or 'no'} tensor{'s' if len(node.saved) > 1 else ''}"
    yield (
        "gradient path",
        "; ".join(
            dict.fromkeys(cut_mark(edge.cut, node.op) for edge in graph.in_edges(node.key) if edge.cut in CUT_MARKS)
        )
        or "open",
    )


def shown_gradient(graph: Graph, node: Node, port: Port) -> object:
    """What a picture shows as gradient: what torch holds, or the mark of why there is none."""
    if not node.requires_grad:
        return NO_GRADIENT
    missing = (held_before(graph, node) or NOT_YET) if failed_in_this_pass(graph, node) else "None"
    return port.grad_total or port.grad or missing


def written_apart(first: object, second: object) -> tuple[str, str]:
    """Two facts that differ, with as many digits as it takes to tell them apart; by their difference where none do."""
    pair = written_fact(first), written_fact(second)
    for digits in MORE_DIGITS:
        with written_with(digits):
            pair = written_fact(first), written_fact(second)
        if pair[0] != pair[1]:
            return pair
    if not isinstance(first, Snapshot) or not isinstance(second, Snapshot):
        return pair
    if first.dtype != second.dtype:
        return f"{pair[0]} ({first.dtype})", f"{pair[1]} ({second.dtype})"
    most = most_apart(first, second)
    return pair[0], f"{pair[1]}, up to {short_number(most)} apart" if most is not None else f"{pair[1]}, not the same"


def written_fact(fact: object) -> str:
    """A fact in a few characters."""
    if not isinstance(fact, Snapshot):
        return str(fact) or NOT_YET
    text = number_in_one_line(fact)
    return f"norm {short_number(fact.norm)}" if text == type_label(fact) and fact.norm is not None else text
