"""Graph -> Words: everything that is written on its picture, one entry a node and one an edge, made once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial

from graphviz_ad._internal.base.made_once import made_once
from graphviz_ad._internal.graph.alarms import alarms
from graphviz_ad._internal.graph.fold_tree import is_given
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.notices import PARTS_IN_BOXES
from graphviz_ad._internal.graph.open_copies import call_of
from graphviz_ad._internal.graph.rank_messages import crossing
from graphviz_ad._internal.graph.unread_parameters import is_unread
from graphviz_ad._internal.maths.cancelled import with_noise_told
from graphviz_ad._internal.maths.claims import Claim, Passed, decide, passed
from graphviz_ad._internal.maths.formulas import to_unicode
from graphviz_ad._internal.maths.number_format import DIGITS, how_written, type_label, written_with
from graphviz_ad._internal.scene.scene import Fact, Line
from graphviz_ad._internal.scene.words import autograd_labels, box_lines, descriptions, edge_labels, formula_text
from graphviz_ad._internal.scene.words.copy_charts import Scales, scales_of
from graphviz_ad._internal.scene.words.frames import ModulePath, frames_of, within_frame
from graphviz_ad._internal.scene.words.moved_elements import (
    MovedElements,
    backward_example,
    elements_in_picture,
    example_lines,
    forward_example,
    with_rings,
)
from graphviz_ad._internal.scene.words.names import (
    OPERAND_ROOM,
    Names,
    all_results,
    derivative_name,
    has_calls_behind_name,
    is_called_by_result,
    is_only_a_part,
    mathematical_names,
)
from graphviz_ad._internal.scene.words.short_text import child_name, end_of_name, flow_text, short_elements
from graphviz_ad._internal.scene.words.statement_text import StatementTexts, statement_texts
from graphviz_ad._internal.scene.words.telling_apart import Apart, told_apart
from graphviz_ad._internal.scene.words.tensor_grids import ALL, Tensors, rows_in_grid

PROGRAM_KINDS = ("line", "call")  # of nodes that are parts of the program rather than operations
NOTHING_ALIKE = Apart({}, {}, {})
MOST_RULES = 60  # nodes of a picture in which edges without numbers say how they pass the gradient on


@dataclass(frozen=True)
class Options:
    """What is written on a picture.

    ``sums``: short sums of contributions, as films tell them; ``leaf_sums``: of each leaf the whole sum, however long.
    ``named``: local derivatives with their names, "∂q/∂x = 3" rather than "× 3". ``single``: what flows back along an
    edge even where it is the whole gradient of the one result that the edge carries. ``tensors``: which tensors are
    shown as grids. ``labels``: whose names stand in boxes, those of the "program" or of "autograd"; the latter with
    what is ``saved`` for the backward pass. ``inline``: numbers of the program have no boxes where formulas have them.
    ``moves``: grids show which elements go where; ``examples``: boxes tell an example of that in numbers.
    ``matrices``: small local derivatives are Jacobian matrices. ``framed``: what is in a module stands in a frame,
    rather than to have the whole path of modules in its name. ``brief``: the least that says what is in a box;
    ``flows``: what flows back along an edge. ``shapes``: the types of large results stand on the edges where they
    change, in the place of those in boxes. ``called``: key -> name of results that would have a number, as where two
    pictures call the same thing by the same name. ``contents``: boxes of modules say what is in them, and
    how much is ``kept`` in them for the backward pass. ``apart``: numbers that stand side by side and differ have as
    many digits as that takes.
    """

    values: bool = True
    gradients: bool = True
    local: bool = True
    sums: bool = False
    leaf_sums: bool = False
    named: bool = True
    single: bool = True
    digits: int = DIGITS
    tensors: Tensors = ALL
    labels: str = "program"
    saved: bool = True
    inline: bool = False
    moves: bool = False
    examples: bool = False
    matrices: bool = False
    framed: bool = True
    contents: bool = True
    kept: bool = True
    brief: bool = False
    flows: bool = True
    shapes: bool = False
    apart: bool = False
    called: Mapping[str, str] = field(default_factory=dict)

    @property
    def of_boxes(self) -> Options:
        """The same without what only arrows show: pictures that differ in no more than that have the same boxes."""
        tensors = replace(self.tensors, edges=True)
        return replace(self, named=True, single=True, local=True, matrices=False, flows=True, tensors=tensors)

    @property
    def of_arrows(self) -> Options:
        """The same without what only boxes show."""
        tensors = replace(self.tensors, gradients=True, small_gradients=False, headings=True, images=True)
        return replace(self, brief=False, framed=True, contents=True, examples=True, moves=True, tensors=tensors)

    @property
    def key(self) -> tuple[object, ...]:
        """All of it, as what can be looked up."""
        said = [getattr(self, each.name) for each in fields(self) if each.name != "called"]
        return (*said, *self.called.items())


@dataclass(frozen=True)
class NodeWords:
    """What is said of a node.

    ``results`` are the names of all its results together; ``operands``: letter of the rule -> name; ``formula`` is the
    operation in symbols, ``in_numbers`` with the values of its operands; ``sums``: for each result, the sum of
    contributions that its gradient is; ``hover`` is told to pointers; ``written``: the edges whose operands its box
    writes out, so that a number among them needs no box of its own; ``example`` tells of one element how it came about.
    """

    name: str
    results: str
    operands: Mapping[str, str]
    formula: str
    in_numbers: str
    badge: str
    title: tuple[Line, ...]
    values: tuple[Line, ...]
    gradients: tuple[Line, ...]
    notes: tuple[Line, ...]
    examples: tuple[Line, ...]
    sums: tuple[str, ...]
    hover: tuple[Fact, ...]
    written: frozenset[str] = frozenset()
    example: str = ""

    @property
    def lines(self) -> tuple[Line, ...]:
        """Everything in its box."""
        return (*self.title, *self.values, *self.gradients, *self.examples, *self.notes)


@dataclass(frozen=True)
class EdgeWords:
    """What is said of an edge: ``carried`` is the name of what it carries, ``derivative`` that of its local
    derivative, ``passed`` what is true of it; ``example`` tells of one element what is added up on its way back;
    ``operation`` is the name of the rule of the operation that it leads to.
    """

    carried: str
    derivative: str
    passed: Passed
    lines: tuple[Line, ...]
    hover: tuple[Fact, ...]
    example: str = ""
    operation: str = ""


@dataclass(frozen=True, eq=False)
class Words:
    """All texts of the picture of one graph; ``nodes`` and ``edges`` by key; ``alt`` is the whole in a sentence."""

    graph: Graph
    options: Options
    names: Names
    frames: tuple[ModulePath, ...]
    nodes: Mapping[str, NodeWords]
    edges: Mapping[str, EdgeWords]
    alt: str


def words_of_graph(graph: Graph, options: Options | None = None) -> Words:
    """The words of a graph."""
    with written_with((options or Options()).digits):
        told = made_once(partial(with_noise_told, graph), graph, "noise")
        return _words(told, options or Options())


def _words(graph: Graph, options: Options) -> Words:
    known = made_once(partial(facts_of, graph, options.called), graph, "facts", *options.called.items(), *how_written())
    frames = frames_of(graph) if options.framed else ()
    nodes = made_once(
        partial(words_of_nodes, graph, options.of_boxes, frozenset(frames), known),
        graph,
        "boxes",
        options.of_boxes.key,
        *how_written(),
    )
    edges = made_once(
        partial(words_of_edges, graph, options.of_arrows, known, nodes),
        graph,
        "arrows",
        options.of_arrows.key,
        *how_written(),
    )
    return Words(graph, options, known.names, frames, nodes, edges, descriptions.summary(graph, known.names))


def facts_of(graph: Graph, called: Mapping[str, str]) -> FactsOfGraph:
    """What its words are made of in every picture of it that writes numbers in the same way."""
    claims, names = {node.key: decide(graph, node) for node in graph.node_list}, mathematical_names(graph, called)
    return FactsOfGraph(
        names,
        claims,
        {(node.key, i): short_elements(port.value) for node in graph.node_list for i, port in enumerate(node.ports)},
        {edge.key: flow_text(edge.grad) for edge in graph.edges},
        statement_texts(graph, names),
        box_lines.later_values(graph),
        elements_in_picture(graph, names, claims),
        told_apart(graph, names) if is_of_parts(graph) else NOTHING_ALIKE,
    )


def is_of_parts(graph: Graph) -> bool:
    """Whether boxes stand for parts of the program."""
    return any(note.kind == PARTS_IN_BOXES for note in graph.notes)


def words_of_nodes(
    graph: Graph, options: Options, frames: frozenset[ModulePath], known: FactsOfGraph
) -> Mapping[str, NodeWords]:
    """What is said of each node."""
    describer = Describer(graph, options, known, frames)
    return {node.key: describer.node(node) for node in graph.node_list}


def words_of_edges(
    graph: Graph, options: Options, known: FactsOfGraph, nodes: Mapping[str, NodeWords]
) -> Mapping[str, EdgeWords]:
    """What is said of each edge."""
    describer = Describer(graph, options, known, frozenset())
    return {edge.key: describer.edge(edge, nodes[edge.head].operands) for edge in graph.edges}


def has_grids(words: Words) -> bool:
    """Whether a tensor is drawn as a grid anywhere."""
    lines = [*(said.lines for said in words.nodes.values()), *(said.lines for said in words.edges.values())]
    return any(line.grid is not None for each in lines for line in each)


def with_tensors(words: Words, tensors: Tensors) -> Words:
    """The words with those tensors as grids; the same ones where that makes no difference."""
    if tensors == words.options.tensors or not has_grids(words):
        return words
    return words_of_graph(words.graph, replace(words.options, tensors=tensors))


def without_local(words: Words) -> Words:
    """The words without local derivatives."""
    edges = {
        key: replace(said, lines=tuple([line for line in said.lines if line.role != "local"]))
        for key, said in words.edges.items()
    }
    return replace(words, options=replace(words.options, local=False), edges=edges)


@dataclass(frozen=True, eq=False)
class FactsOfGraph:
    """What all descriptions of one graph share, whatever is written on a picture.

    ``values`` and ``flows`` are results, by node and port, and gradients, by edge, in a few characters: each stands in
    many places. ``apart``: what has more digits than usual. ``later``: key of a value of a leaf -> that of a later
    value, which has the gradient.
    """

    names: Names
    claims: Mapping[str, Claim]
    values: Mapping[tuple[str, int], str | None]
    flows: Mapping[str, str | None]
    statements: StatementTexts
    later: Mapping[str, str]
    moved: MovedElements
    apart: Apart


class Describer:
    """What all parts of one description share."""

    def __init__(self, graph: Graph, options: Options, known: FactsOfGraph, frames: frozenset[ModulePath]) -> None:
        self.graph, self.options, self.frames = graph, options, frames
        self.names, self.claims, self.values, self.flows = known.names, known.claims, known.values, known.flows
        self.statements, self.later, self.moved = known.statements, known.later, known.moved
        self.apart = known.apart if options.apart else NOTHING_ALIKE

    # --- nodes

    def node(self, node: Node) -> NodeWords:
        """What is said of a node."""
        claim, names, graph = self.claims[node.key], self.names, self.graph
        operands = formula_text.operand_names(claim, names)
        formula, kink, results = (
            formula_text.operation_formula(claim, operands)
            if node.kind not in PROGRAM_KINDS
            else self.statements.of(node),
            box_lines.kink(claim),
            all_results(names, node.key),
        )
        sums = tuple([box_lines.sum_of(graph, node, port, self.flows) for port in range(len(node.ports))])
        flows = self.options.gradients and graph.has_gradients
        later = names.of[self.later[node.key]] if node.key in self.later else ""
        examples = self.moved.examples.get(node.key, ())
        return NodeWords(
            names.of[node.key],
            results,
            operands,
            formula,
            formula_text.formula_in_numbers(claim, [self.values[edge.tail, edge.port] for edge in claim.call.operands]),
            formula_text.operation_badge(claim),
            tuple(self.title(claim, results, formula, operands)),
            tuple(self.marked(self.value_lines(node), node)),
            tuple(self.marked(self.gradients(node, sums, later), node)) if flows else (),
            (
                *(box_lines.notes(graph, node, kink, later) if flows else ()),
                *self.saved_lines(node),
                *[Line("note", text, "apart", i) for i, text in enumerate(self.apart.remarks.get(node.key, ()))],
            ),
            tuple(example_lines(examples, graph, names)) if self.options.examples else (),
            sums,
            descriptions.facts_about_node(node, formula, kink, has_gradients=graph.has_gradients),
            formula_text.written_operands(claim) if box_lines.has_whole_formula(claim, formula) else frozenset(),
            forward_example(examples, graph, names),
        )

    def marked(self, lines: Iterable[Line], node: Node) -> Iterable[Line]:
        """The lines of a box, with rings in their grids where those are shown."""
        headings = self.options.tensors.headings
        return with_rings(lines, self.moved, node, headings=headings) if self.options.moves else lines

    def value_lines(self, node: Node) -> list[Line]:
        """What a box says of its values; nothing where those of the whole graph are unknown, which a notice says."""
        if not self.options.values:
            return box_lines.type_lines(node)
        unknown = all(port.value is None and port.shape is None for port in node.ports)
        if unknown and (autograd_labels.is_finished(self.graph) or is_unread(self.graph, node)):
            return []
        meant, typed = not alarms(self.graph, node), not self.has_types_on_edges(node)
        with written_with(self.apart.values.get(node.key, how_written()[0])):
            found = box_lines.value_lines(node, self.options.tensors, meant=meant, typed=typed)
        one = node.ports[0].value if not node.ports[1:] else None
        if not self.is_of_parts:
            return found
        return [line for line in map(partial(box_lines.plainly, one), found) if line is not None]

    @cached_property
    def is_of_parts(self) -> bool:
        """Whether boxes stand for parts of the program."""
        return is_of_parts(self.graph)

    def has_types_on_edges(self, node: Node) -> bool:
        """Whether the types of the results of a node stand on its edges, or are those of what it was given."""
        is_source = node.kind in ("leaf", "data") and node.op is None
        return self.options.shapes and not is_source and bool(self.graph.out_edges(node.key))

    def type_on_edge(self, edge: Edge) -> str:
        """The type of what an edge carries, where it is not that of anything that its tail was given."""
        tail = self.graph.nodes[edge.tail]
        port = tail.ports[edge.port]
        if port.value is None or not self.has_types_on_edges(tail) or not box_lines.has_only_type(port):
            return ""
        is_whole = tail.kind == "module" and not tail.ports[1:]
        written = self.options.tensors.values and self.options.tensors.writes(port.value)
        if written and not is_whole and rows_in_grid(port.value) is not None:
            return ""  # its elements are in its box
        sources = [self.graph.nodes[each.tail] for each in self.graph.in_edges(tail.key)]
        given = [
            (source.ports[each.port].shape, source.ports[each.port].dtype)
            for each, source in zip(self.graph.in_edges(tail.key), sources, strict=True)
            if source.kind != "leaf" or is_given(source)
        ]
        return "" if (port.shape, port.dtype) in given else type_label(port.value)

    def saved_lines(self, node: Node) -> tuple[Line, ...]:
        """What autograd keeps, where that is asked for."""
        shown = self.options.labels == autograd_labels.AUTOGRAD and self.options.saved
        return tuple(autograd_labels.saved_lines(node)) if shown else ()

    def gradients(self, node: Node, sums: tuple[str, ...], later: str) -> list[Line]:
        """The lines that show the gradient of a node."""
        shown, tensors = self.sum_in_box(node, sums), self.options.tensors
        with written_with(self.apart.gradients.get(node.key, how_written()[0])):
            return box_lines.gradients(node, shown, tensors, later, brief=self.options.brief, scales=self.scales)

    def sum_in_box(self, node: Node, sums: tuple[str, ...]) -> tuple[str, ...]:
        """The lines of the sum that a box says its gradient is."""
        if self.options.leaf_sums and node.kind == "leaf":
            return box_lines.whole_sum(self.graph, node, self.flows)
        return box_lines.short_sum_lines(sums[0]) if self.options.sums else ()

    def title(self, claim: Claim, results: str, formula: str, operands: Mapping[str, str]) -> list[Line]:
        """The first lines of a box."""
        node = claim.call.node
        if node.kind == "module":
            return box_lines.module_title(
                node,
                within_frame(title_of_module(node, self.names.of[node.key]), node.module, self.frames),
                brief=self.options.brief,
                known=not self.options.contents or (self.options.brief and node.key not in self.first_of_class),
                kept=self.options.kept,
                call=self.call_of_module(node),
                formula=self.statements.of_folded(node),
            )
        if self.options.labels == autograd_labels.AUTOGRAD:
            seen = box_lines.has_whole_formula(claim, formula) and not autograd_labels.is_finished(self.graph)
            return autograd_labels.autograd_title(node, results, formula if seen else "")
        if node.kind in PROGRAM_KINDS:
            return box_lines.statement_title(results, formula)
        if self.options.brief:
            numbers = {self.names.of[key] for key in self.names.numbers}
            operands = {letter: name if name in numbers else end_of_name(name) for letter, name in operands.items()}
            formula = formula_text.operation_formula(claim, operands)
        return box_lines.title_lines(claim, results, formula, operands.values(), brief=self.options.brief)

    def call_of_module(self, node: Node) -> box_lines.ModuleCall | None:
        """Which call of a module a box is, with what it was given if that is one thing; None where there is one."""
        call = call_of(node)
        if call is None:
            return None
        edges = [edge for edge in self.graph.in_edges(node.key) if is_input(self.graph.nodes[edge.tail])]
        given = {self.names.operand(edge) for edge in edges}
        one = given.pop() if len(given) == 1 else ""
        named = self.names.of[node.key] if is_called_by_result(node) else ""
        return box_lines.ModuleCall(*call, named, one if 0 < len(one) <= OPERAND_ROOM else "…")

    @cached_property
    def scales(self) -> Scales:
        """What all charts of the picture share."""
        return scales_of(self.graph.node_list)

    @cached_property
    def first_of_class(self) -> frozenset[str]:
        """The folded modules that are the first of their class, or have something else in them, or counted modules."""
        found: dict[object, str] = {}
        for node in self.graph.node_list:
            if node.kind == "module":
                names = tuple([(step.name, step.times, *[each.name for each in step.inner]) for step in node.steps])
                counted = any(step.times > 1 for step in node.steps)
                found.setdefault(
                    (node.call_op, names) if node.call_op and names and not counted else node.key, node.key
                )
        return frozenset(found.values())

    # --- edges

    def edge(self, edge: Edge, operands: Mapping[str, str]) -> EdgeWords:
        """What is said of an edge; ``operands`` are those of its head, by letter."""
        claim, name = self.claims[edge.head], derivative_name(self.graph, self.names, edge)
        back = passed(self.graph, claim, edge)
        letters = formula_text.names_of_letters(claim, operands, self.names)
        local = self.local(edge, name, back, letters) if self.options.local else None
        options = self.options
        shown = options.gradients and options.flows and (options.single or not self.is_whole_gradient(edge))
        said = edge_labels.gradient_contribution(edge, back, self.flows[edge.key], options.tensors) if shown else ""
        grid = edge_labels.contribution_grid(edge, back, self.options.tensors) if shown else None
        said = grid.said if grid is not None else said
        lines = edge_labels.arrow_lines(
            edge,
            crossing(self.graph, edge),
            local,
            Line("contribution", said, "summed" if back.summed else "", grid=grid),
            self.graph.nodes[edge.head].op,
            self.type_on_edge(edge),
        )
        told = descriptions.of_edge(self.graph, self.names, edge, back, name, letters)
        examples = self.moved.examples.get(edge.head, ())
        example = backward_example(examples, (edge.tail, edge.port), self.graph, self.names)
        return EdgeWords(self.names.carried(edge), name, back, tuple(lines), told, example, claim.call.name)

    def is_whole_gradient(self, edge: Edge) -> bool:
        """Whether what flows back along an edge is all of the gradient that the box of its tail shows."""
        port = self.graph.nodes[edge.tail].ports[edge.port]
        others = [use for use in self.graph.out_edges(edge.tail) if use.port == edge.port and use.key != edge.key]
        alone = port.upstream is None and not any(use.cut is None and use.grad is not None for use in others)
        return alone and edge.grad is not None and edge.grad == port.grad

    def local(self, edge: Edge, name: str, back: Passed, letters: Mapping[str, str]) -> Line | None:
        """The local derivative of an edge: "∂q/∂x = 1", "∂h/∂z = 1 − h²", or how the gradient is passed on: "g @ Wᵀ
        (1×3)(3×2)"; None for neither. Where that is asked for, the matrix of it.
        """
        if self.options.matrices:
            grid = edge_labels.jacobian_grid(self.graph, edge, name, small=self.options.tensors.small)
            if grid is not None:
                return Line("local", grid.said, "matrix", grid=grid)
        flat = edge.local is None or len(edge.local.shape) <= 2  # brackets within brackets say less than a formula
        text = (flow_text(edge.local) if flat else None) or flow_text(edge.jacobian)
        if text is None:
            if edge.cut is not None or len(self.graph.node_list) > MOST_RULES:
                return None
            text = to_unicode(back.local or "0", letters)
            if text == "0" and self.graph.nodes[edge.head].kind in PROGRAM_KINDS:
                return None
            if text == "0" and self.is_of_parts:  # rules belong to pictures that show how one is applied
                return None
            if text == "0":
                return Line("local", edge_labels.rule_label(back, letters), "rule")
        if not self.options.named:
            return Line("local", edge_labels.factor_label(text), "factor")
        above, below = self.names.of[edge.head], self.names.carried(edge)
        return edge_labels.local_line(above, below, is_only_a_part(self.graph, edge), text)


def title_of_module(node: Node, name: str) -> str:
    """What stands on a folded module: its name, a number without the brackets that it has in formulas."""
    if call_of(node) is not None:
        return child_name(node.op or name)
    if has_calls_behind_name(node):
        return f"{name}{(node.op or '').removeprefix(node.name or '')}"
    return node.op if node.op is not None and node.op.isdigit() else name


def is_input(node: Node) -> bool:
    """Whether what a box reads of a node is given to it, rather than a parameter or a number of the program."""
    return node.kind not in ("leaf", "data") or node.op is not None or is_given(node)
