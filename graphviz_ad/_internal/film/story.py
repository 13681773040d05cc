"""Graph -> [Step]: the forward and the backward pass as moments with captions; no places, colours or seconds.

Forward, each operation lights up with its operands and shows its value. Backward, each edge delivers its contribution;
a node that several edges lead back to waits until all have come, and adding them up is a moment of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from graphviz_ad._internal.base.errors import UnknownNameError
from graphviz_ad._internal.film.frozen import said_of_frozen
from graphviz_ad._internal.film.program_lines import head_of_program, lines_of_nodes
from graphviz_ad._internal.graph.cuts import DETACHED
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.maths.formulas import to_unicode
from graphviz_ad._internal.maths.number_format import number_in_one_line
from graphviz_ad._internal.maths.tex_labels import tex_to_unicode
from graphviz_ad._internal.operations import lessons
from graphviz_ad._internal.scene.scene import Change, Line, LossCurve, Move, Step
from graphviz_ad._internal.scene.words.box_lines import gradient_label
from graphviz_ad._internal.scene.words.describe import Words
from graphviz_ad._internal.scene.words.names import title_of
from graphviz_ad._internal.scene.words.short_text import (
    after_sign,
    as_term,
    caption_text,
    equal_to,
    flow_text,
    gradient_in_caption,
    grouped,
    is_constant,
    is_ones,
    short_elements,
)
from graphviz_ad._internal.scene.words.signs import NOT_YET

DIRECTIONS = ("forward", "backward", "both")
SUM = "sum of contributions"  # the rule of a step that adds them up
EXAMPLE_ROOM = 120  # characters of a result with an example
MOST_EDGE_STEPS = 60  # beyond it, an operation's edges deliver together


@dataclass(frozen=True)
class Story:
    """The changes that blank the complete picture, then the steps that lead back to it; ``curve`` are the losses of
    one about training.
    """

    opening: tuple[Change, ...]
    steps: tuple[Step, ...]
    curve: LossCurve | None = None

    @property
    def changes(self) -> list[Change]:
        """All changes, in order."""
        return [*self.opening, *(change for step in self.steps for change in step.changes)]


@dataclass
class Teller:
    """Writes one story; remembers what is lit so that the next step can dim it."""

    words: Words
    per_edge: bool
    apart: Callable[[Sequence[Edge]], bool] | None = None  # whether edges of one operation are told one by one
    lit: dict[str, str] = field(default_factory=dict)  # key -> emphasis that it keeps once it is dimmed
    dim_now: dict[str, str] = field(default_factory=dict)  # what the last step lit
    # (key, port) -> contributions so far, upstream included
    arrived: dict[tuple[str, int], int] = field(default_factory=dict)

    @property
    def graph(self) -> Graph:
        """The graph that the story is about."""
        return self.words.graph

    # --- the passes

    def forward(self) -> Iterator[Step]:
        """Leaves and data, then each operation in the order in which it ran."""
        sources = [node for node in self.graph.node_list if node.kind in ("leaf", "data")]
        if sources:
            first = self.step(
                "forward", self.inputs_caption(sources), [*self.show(sources, "value", "forward")], len(sources)
            )
            yield replace(first, lit=head_of_program(self.graph))
        for node in self.graph.node_list:
            if node.kind not in ("leaf", "data"):
                edges = self.graph.in_edges(node.key)
                arrows = [Change(edge.key, "active-forward") for edge in edges]
                self.will_dim(arrows, "forward")
                changes = [*arrows, *self.show([node], "value", "forward")]
                moves = [Move(edge.key, "value", line_of_result("value", edge.port)) for edge in edges]
                told = self.step(
                    "forward", self.forward_caption(node), changes, moves=moves, of=[node], uses=lessons_forward(node)
                )
                yield replace(told, about=(node.key,), rule=str(node.op or node.kind), brief=self.result(node))

    def backward(self) -> Iterator[Step]:
        """The upstream gradient, then each node in the order in which the engine ran."""
        yield self.seed()
        order = sorted(
            (node for node in self.graph.node_list if node.backward_order is not None),
            key=lambda node: node.backward_order or 0,
        )
        for node in order:
            edges = [edge for edge in self.graph.in_edges(node.key) if edge.cut is None and self.flows(edge)]
            singly = self.per_edge or (self.apart is not None and self.apart(edges))
            for batch in [[edge] for edge in edges] if singly else [edges] if edges else []:
                yield from self.deliver(batch)

    def flows(self, edge: Edge) -> bool:
        """Whether something flows back along an edge, seen or not."""
        return edge.grad is not None or self.graph.nodes[edge.tail].requires_grad

    def expected(self, key: str, port: int) -> int:
        """How many contributions one result of a node waits for, what is fed in from outside included."""
        edges = [
            edge for edge in self.graph.out_edges(key) if edge.port == port and edge.cut is None and self.flows(edge)
        ]
        flowing = sum(self.graph.nodes[edge.head].backward_order is not None for edge in edges)
        return flowing + (self.graph.nodes[key].ports[port].upstream is not None)

    def awaited(self, key: str) -> list[int]:
        """For each result of a node, how many contributions it waits for."""
        return [self.expected(key, port) for port in range(len(self.graph.nodes[key].ports))]

    def seed(self) -> Step:
        """The gradient that enters at the outputs."""
        fed = [
            (node.key, port)
            for node in self.graph.node_list
            for port, result in enumerate(node.ports)
            if result.upstream is not None and node.requires_grad
        ]
        upstream = [self.graph.nodes[key].ports[port].upstream for key, port in fed]
        arriving = {key: self.arrive(key, port) for key, port in fed}
        changes = [
            replace(change, texts=(*change.texts, *final(self.words.nodes[key].notes)))
            for key, change in arriving.items()
        ]
        said = ", ".join(
            f"{self.words.names.gradient(key, port)} {equal_to(gradient_in_caption(snap))}"
            for (key, port), snap in zip(fed[:4], upstream, strict=False)
        )
        first = "The backward pass starts at the output" if len(fed) == 1 else "The backward pass starts at the outputs"
        plain = all(snap is not None and is_ones(snap) for snap in upstream)
        total = self.words.names.output
        what = (
            ""
            if self.words.names.one_output
            else f"{total} is the sum of the outputs"
            if plain
            else f"{total} is the sum of the outputs times these"
        )
        at = [self.graph.nodes[key] for key, _ in fed]
        lesson = (lessons.SEED if self.words.names.one_output else lessons.SEEDS) if plain else lessons.GIVEN_SEED
        caption = (first, said, f"({what})" if what else "")
        return self.step("backward", caption, changes, len(fed), of=at, uses=[lesson])

    def deliver(self, edges: list[Edge]) -> Iterator[Step]:
        """Contributions flow along the edges to their tails; where the last one arrives, they are added up."""
        changes: dict[str, Change] = {}
        for edge in edges:
            changes[edge.key] = Change(edge.key, "active-backward", final(self.words.edges[edge.key].lines))
            changes[edge.tail] = self.arrive(edge.tail, edge.port)
        self.will_dim([changes[edge.key] for edge in edges], "backward")
        caption = self.edge_caption(edges[0]) if len(edges) == 1 else self.batch_caption(edges)
        heads = [self.graph.nodes[key] for key in dict.fromkeys(edge.head for edge in edges)]
        used = list(dict.fromkeys(lesson for edge in edges for lesson in self.lessons_of(edge)))
        moves = [Move(edge.key, "product", line_of_result("gradient", edge.port), self.factors(edge)) for edge in edges]
        told = self.step("backward", caption, list(changes.values()), 2 * len(edges), moves, of=heads, uses=used)
        about = tuple(dict.fromkeys(edge.tail for edge in edges))
        slots = " ".join(str(edge.slot) for edge in edges)
        brief = self.brought(edges[0]) if len(edges) == 1 else ""
        yield replace(told, about=about, rule=f"{self.graph.nodes[edges[0].head].op} {slots}", brief=brief)
        for key in dict.fromkeys(edge.tail for edge in edges):
            if self.is_complete(key) and max(self.awaited(key)) > 1:
                yield self.accumulate(key)

    def lessons_of(self, edge: Edge) -> Iterator[str]:
        """The lessons of how something flows back along an edge, as far as they are certain."""
        said, head = self.words.edges[edge.key], self.graph.nodes[edge.head]
        if edge.local is not None:
            yield lessons.CHAIN
        own = lessons.lesson_of(said.operation, edge.slot) if said.passed.backward else None
        if own is not None and not (head.ports[0].dtype or "").startswith("complex"):
            yield own
        if said.passed.summed:
            yield lessons.COPIES
        if self.expected(edge.tail, edge.port) > 1:
            yield lessons.WAITING

    def is_complete(self, key: str) -> bool:
        """Whether everything that a node waits for has arrived."""
        return all(self.arrived.get((key, port), 0) == count for port, count in enumerate(self.awaited(key)))

    def arrive(self, key: str, port: int) -> Change:
        """A contribution reaches a node, which shows its gradient if there is nothing to wait for and to add up."""
        self.arrived[key, port] = self.arrived.get((key, port), 0) + 1
        node, awaited = self.graph.nodes[key], self.awaited(key)
        lines = self.words.nodes[key].gradients
        if self.is_complete(key) and max(awaited) == 1:
            self.lit[key] = "backward"
            return Change(key, "active", final(lines))
        self.lit[key] = "waiting"
        here = sum(self.arrived.get((key, port), 0) for port in range(len(awaited)))
        text = f"{gradient_label(node)} {NOT_YET} {here} of {sum(awaited)}"
        return Change(key, "waiting", tuple([(line.key, text if line.key == "gradient" else "") for line in lines]))

    def accumulate(self, key: str) -> Step:
        """All contributions are there: their sum is the gradient."""
        node = self.graph.nodes[key]
        self.lit[key] = "backward"
        port, count = max(enumerate(self.awaited(key)), key=lambda pair: pair[1])
        parts, total = self.words.nodes[key].sums[port], gradient_in_caption(node.ports[port].grad)
        rest = self.rest(key, port)
        more = f" and of more from within {rest}" if rest else ""
        caption = (
            f"{self.words.names.gradient(key, port)} = sum of {count} contributions{more}",
            f"= {parts}" if parts else "",
            equal_to(total),
        )
        line = line_of_result("gradient", port)
        moves = [Move(edge.key, "term", line) for edge in self.graph.out_edges(key) if edge.port == port]
        change = Change(key, "active", final(self.words.nodes[key].gradients))
        senders = self.senders(key)
        told = self.step("backward", caption, [change], 2, moves, of=senders, uses=[lessons.SUM_OVER_PATHS])
        return replace(told, about=(key,), rule=SUM, brief=f"{self.words.names.gradient(key, port)} {equal_to(total)}")

    def senders(self, key: str) -> list[Node]:
        """The nodes that send a node what is added up there."""
        edges = [edge for edge in self.graph.out_edges(key) if edge.cut is None and self.flows(edge)]
        return [self.graph.nodes[head] for head in dict.fromkeys(edge.head for edge in edges)]

    # --- captions: the rule in symbols, in numbers, the result

    def inputs_caption(self, sources: list[Node]) -> tuple[str, ...]:
        """What the pass starts from."""
        named = [node for node in sources if not is_constant(node) and not (node.kind == "data" and node.op)]
        shown = [
            f"{self.words.names.of[node.key]} = {text}"
            for node in named
            if (text := short_elements(node.value)) is not None
        ]
        if shown and len(shown) == len(named) and len(", ".join(shown)) <= 90:
            return ("The forward pass starts from the inputs", ", ".join(shown))
        return ("The forward pass starts from the inputs", counted_inputs(len(named)))

    def forward_caption(self, node: Node) -> tuple[str, ...]:
        """ "q = x + y", "= −2 + 5", "= 3"; where autograd lets go of what went in, that its gradient stops there."""
        first, numbers, result = self.computed_caption(node)
        stop = stopping(self.words, node)
        return (first, numbers, ", ".join(part for part in (result, stop) if part))

    def computed_caption(self, node: Node) -> tuple[str, str, str]:
        """ "q = x + y", "= −2 + 5", "= 3"."""
        value = ", ".join(caption_text(port.value) for port in node.ports if port.value)
        if node.kind == "module":
            return (node.op or "module", "", value)
        said = self.words.nodes[node.key]
        numbers = said.in_numbers if said.in_numbers != value else ""
        result = f"= {value}" if value else ""
        return (
            f"{said.results} = {said.formula}",
            f"= {numbers}" if numbers else "",
            with_example(result, said.example),
        )

    def edge_caption(self, edge: Edge) -> tuple[str, ...]:
        """ "df/dq · ∂q/∂x", "= −4 × 1", "= −4", or the rule of an operation that is not elementwise."""
        head, said = self.graph.nodes[edge.head], self.words.edges[edge.key]
        summed = said.passed.summed
        upstream_name = self.words.names.gradient(edge.head)
        sign = "=" if self.is_all(edge) else "gets"
        target = f"{self.words.names.gradient(edge.tail, edge.port)} {sign}{' Σ' if summed else ''}"
        rest = self.rest(edge.tail, edge.port) if self.expected(edge.tail, edge.port) <= 1 else ""
        copies = (f", summed over the copies of {said.carried}" if summed else "") + (
            f"; the rest comes from within {rest}" if rest else ""
        )
        result = f"{equal_to(gradient_in_caption(edge.grad))}{copies}" if edge.grad is not None else ""
        if edge.local is not None:
            upstream, local = flow_text(head.grad), flow_text(edge.local)
            factors = (
                f"={' Σ' if summed else ''} {as_term(upstream)} × {after_sign(local)}" if upstream and local else ""
            )
            return (
                f"{target} {upstream_name} · {said.derivative}",
                factors,
                result if factors else with_example(result, said.example),
            )
        if said.passed.backward:
            operands, out = self.words.nodes[edge.head].operands, self.words.names.of[edge.head]
            text = to_unicode(said.passed.backward, {**operands, "g": upstream_name, "out": out})
            return (f"{target} {grouped(text) if summed else text}", "", with_example(result, said.example))
        return self.passed_caption(edge, copies)

    def passed_caption(self, edge: Edge, copies: str) -> tuple[str, ...]:
        """ "dL/dA flows back through A to Q", "dL/dQ = [3, 1]": of what has no formula, or one that is too long."""
        head = self.graph.nodes[edge.head]
        is_call = head.op is not None and head.kind != "module"
        through = tex_to_unicode(head.op or "") if is_call else self.words.names.of[edge.head]
        to = self.words.names.results[edge.tail][edge.port]
        whence, brought = self.words.names.gradient(edge.head), self.brought(edge)
        return (f"{whence} flows back through {through} to {to}", "", f"{brought}{copies}" if brought else "")

    def result(self, node: Node) -> str:
        """ "q = 3"."""
        value = ", ".join(caption_text(port.value) for port in node.ports if port.value)
        return f"{self.words.nodes[node.key].results} = {value}" if value and node.kind != "module" else ""

    def brought(self, edge: Edge) -> str:
        """ "df/dx = −4", or what it gets of a sum."""
        if edge.grad is None:
            return ""
        name, text = self.words.names.gradient(edge.tail, edge.port), gradient_in_caption(edge.grad)
        return f"{name} {equal_to(text)}" if self.is_all(edge) else f"{name} gets {text}"

    def is_all(self, edge: Edge) -> bool:
        """Whether what flows back along an edge is all of the gradient that it leads to."""
        port = self.graph.nodes[edge.tail].ports[edge.port]
        return self.expected(edge.tail, edge.port) <= 1 and port.arrived is None

    def rest(self, key: str, port: int) -> str:
        """The call from within which the rest of a gradient comes that is more than what arrived, if no hook of the
        user's made it another: what is used in the call that made it has no arrow.
        """
        node = self.graph.nodes[key]
        is_within = node.ports[port].arrived is not None and len(node.autograd) > 1 and not node.hooks
        return tex_to_unicode(node.op or "") if is_within else ""

    def factors(self, edge: Edge) -> tuple[str, ...]:
        """The two numbers whose product flows back along an edge, as they are written; none where it is no product."""
        upstream, local = flow_text(self.graph.nodes[edge.head].grad), flow_text(edge.local)
        return (as_term(upstream), f"× {after_sign(local)}") if upstream and local else ()

    def batch_caption(self, edges: list[Edge]) -> tuple[str, ...]:
        """Several edges of one operation at once."""
        head = edges[0].head
        tails = ", ".join(dict.fromkeys(self.words.names.of[edge.tail] for edge in edges))
        grad = self.graph.nodes[head].grad
        return (
            f"{self.words.names.gradient(head)} flows back to {tails}",
            "",
            f"upstream {gradient_in_caption(grad)}" if grad is not None else "",
        )

    # --- parts of steps

    def step(
        self,
        phase: str,
        caption: tuple[str, ...],
        changes: list[Change],
        news: int = 1,
        moves: Iterable[Move] = (),
        *,
        of: Iterable[Node] = (),
        uses: Iterable[str] = (),
    ) -> Step:
        """A step that first dims what the step before lit, about the lines that compute nodes, with what it uses."""
        now = {change.key for change in changes}
        dimmed = [Change(key, emphasis) for key, emphasis in self.dim_now.items() if key not in now]
        self.dim_now = {key: emphasis for key, emphasis in self.lit.items() if key in now}
        self.lit = {}
        lit = lines_of_nodes(self.graph, of)
        return Step(phase, caption, (*dimmed, *changes), news, tuple(moves), lessons=tuple(uses), lit=lit)

    def will_dim(self, changes: list[Change], emphasis: str) -> None:
        """These light up now and keep `emphasis` from the next step on."""
        self.lit.update({change.key: emphasis for change in changes})

    def show(self, nodes: list[Node], role: str, emphasis: str) -> list[Change]:
        """The nodes light up and show their lines of one role."""
        changes = [Change(node.key, "active", final(self.words.nodes[node.key].values)) for node in nodes]
        self.will_dim(changes, emphasis)
        return changes


def lessons_forward(node: Node) -> tuple[str, ...]:
    """The lesson of what an operation computes, where there is one."""
    lesson = lessons.LESSON_FORWARD.get(node.op or "")
    return (lesson,) if lesson is not None else ()


def explained(story: Story) -> Story:
    """The story, in which each lesson is told where it is first used, one at a step."""
    known: set[str] = set()
    steps = []
    for step in story.steps:
        lesson = next((lesson for lesson in step.lessons if lesson not in known), None)
        steps.append(replace(step, sentence=lessons.LESSONS[lesson]) if lesson is not None else step)
        known |= {lesson} if lesson is not None else set()
    return replace(story, steps=tuple(steps))


def counted_inputs(count: int) -> str:
    """What a pass starts from, where names and values would be too long."""
    return "1 input or parameter" if count == 1 else f"{count} inputs and parameters" if count else "numbers alone"


def line_of_result(role: str, port: int) -> str:
    """The key of the line of a box that is about one of its results."""
    return Line(role, "", number=port).key


def final(lines: Iterable[Line]) -> tuple[tuple[str, str], ...]:
    """The texts that lines have when the story is over."""
    return tuple([(line.key, line.text) for line in lines])


def tell(
    words: Words,
    direction: str = "both",
    *,
    per_edge: bool | None = None,
    apart: Callable[[Sequence[Edge]], bool] | None = None,
) -> Story:
    """The story of a graph; `direction` is "forward", "backward" or "both".

    ``per_edge``: each contribution is a step of its own, or all that one operation sends; by default as there is time
    for. ``apart`` says which contributions of one operation are told one by one all the same.
    """
    if direction not in DIRECTIONS:
        raise UnknownNameError("direction", direction, DIRECTIONS)
    graph = words.graph
    flowing = sum(edge.cut is None for edge in graph.edges)
    fine = flowing + len(graph.node_list) <= MOST_EDGE_STEPS if per_edge is None else per_edge
    teller = Teller(words, fine, apart)
    passes: list[Step] = []
    if direction != "backward":
        passes += teller.forward()
    forward_only = direction == "forward" or not graph.has_gradients
    if not forward_only:
        passes += backward_steps(teller, bool(passes))
    opening = tuple(blank(words, values=direction != "backward", gradients=True))
    return Story(opening, (first_frame(words, direction), *passes, ending(words, forward_only)))


def backward_steps(teller: Teller, after_forward: bool) -> list[Step]:
    """The backward pass, whose first step takes the marks of the forward pass away."""
    teller.dim_now = {}  # what the forward pass lit last is cleared with the rest
    steps = list(teller.backward())
    if after_forward and steps:
        graph = teller.graph
        clear = [Change(key, "idle") for key in (*graph.nodes, *(edge.key for edge in graph.edges))]
        clear += [change for change in blank(teller.words, values=False, gradients=True) if change.key in graph.nodes]
        steps[0] = replace(steps[0], changes=(*clear, *steps[0].changes))
    return steps


def blank(words: Words, *, values: bool, gradients: bool) -> Iterator[Change]:
    """What makes the complete picture one in which nothing has been computed. As long as there are no values, nobody
    asks for gradients: that they are not computed yet is said where only these are missing.
    """
    for node in words.graph.node_list:
        said = words.nodes[node.key]
        texts: list[tuple[str, str]] = []
        if values and not is_constant(node):
            texts += [(line.key, "" if line.number else NOT_YET) for line in said.values if line.role == "value"]
        if gradients and node.requires_grad:
            texts += [
                (line.key, f"{gradient_label(node)} {NOT_YET}" if line.key == "gradient" and not values else "")
                for line in said.gradients
            ]
            texts += [(line.key, "") for line in said.notes]
        if texts:
            yield Change(node.key, None, tuple(texts))
    for key, edge in words.edges.items():
        lines = [line for line in edge.lines if line.role in ("local", "contribution")]
        if lines:
            yield Change(key, None, tuple([(line.key, "") for line in lines]))


STOPS = {  # cut mark -> why nothing goes back through what was computed
    DETACHED: "detached: its gradient stops here",
    "no_grad": "autograd is switched off: no gradient goes back from here",
    "inference": "inference mode: no gradient goes back from here",
}
AS_NUMBERS = ("item", "tolist")
TAKEN_OUT = "a plain number: no gradient goes back from here"


def stopping(words: Words, node: Node) -> str:
    """That a gradient stops at an operation that lets go of something that requires grad, or inside of a line or a
    call that does; "" where none does.
    """
    graph = words.graph
    given = [edge for edge in graph.in_edges(node.key) if graph.nodes[edge.tail].requires_grad]
    if not given:
        return ""
    if node.op in AS_NUMBERS or node.cut in STOPS:
        return TAKEN_OUT if node.op in AS_NUMBERS else STOPS[str(node.cut)]
    left = dict.fromkeys(words.names.of[edge.tail] for edge in given if edge.cut in STOPS)
    return f"no gradient goes back to {', '.join(left)} from where it is detached or not recorded" if left else ""


def first_frame(words: Words, direction: str) -> Step:
    """The first frame."""
    graph = words.graph
    arguments = ", ".join(
        words.names.of[node.key]
        for node in graph.node_list
        if node.kind == "leaf" and "." not in words.names.of[node.key]
    )
    name = title_of(graph)
    first = f"{name}({arguments})" if len(arguments) <= 60 and name == graph.name else name
    second = (
        "values are known, gradients are not computed yet"
        if direction == "backward"
        else f"{NOT_YET} means: not computed yet"
    )
    return Step("start", (first, second), (), 1)


def ending(words: Words, forward_only: bool) -> Step:
    """The last frame: the complete picture without marks, or, after a forward pass alone, with all values."""
    graph = words.graph
    changes = [Change(edge.key, "idle") for edge in graph.edges]
    if forward_only:
        changes += [Change(node.key, "idle") for node in graph.node_list]
        outputs = ", ".join(
            f"{words.names.of[node.key]} = {number_in_one_line(node.value)}" for node in graph.outputs if node.value
        )
        return Step("end", ("The forward pass is complete", outputs), tuple(changes), 1)
    for node in graph.node_list:
        lines = words.nodes[node.key]
        changes.append(Change(node.key, "idle", final([*lines.values, *lines.gradients, *lines.notes])))
    changes += [Change(key, None, final(edge.lines)) for key, edge in words.edges.items()]
    leaves = [node for node in graph.node_list if node.kind == "leaf"]
    said = ", ".join(final_gradient(words, node) for node in leaves[:6])
    if len(leaves) > 6 or len(said) > 110:
        said = f"{len(leaves)} leaves have their gradients" if len(leaves) > 1 else "The leaf has its gradient"
    return Step("end", ("Every gradient is computed", said), tuple(changes), 1, sentence=said_of_frozen(words))


def final_gradient(words: Words, node: Node) -> str:
    """ "df/dx = 72", and what .grad of a leaf holds where that is something else, as after several passes."""
    said = f"{words.names.gradient(node.key)} {equal_to(gradient_in_caption(node.grad))}"
    total = node.ports[0].grad_total
    differs = total is not None and total != node.grad
    return f"{said}, {words.names.of[node.key]}.grad {equal_to(gradient_in_caption(total))}" if differs else said


def with_example(result: str, example: str) -> str:
    """A result in a caption, with an example of how one of its elements came about where there is room."""
    both = "; ".join(part for part in (result, example) if part)
    return both if len(both) <= EXAMPLE_ROOM else result
