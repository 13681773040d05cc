"""Rounds of a recorded loop -> Story: forward, backward, what ``.grad`` adds up, what a step makes of the parameters.

The first time that boxes are computed it is told operation by operation; rounds that do the same on the same boxes are
told in a step each way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.film.ledger import (
    MOST_NAMED,
    ROOM,
    Ledger,
    added_caption,
    fitting,
    named_shortly,
    said_of_grad,
)
from graphviz_ad._internal.film.memories import Memories
from graphviz_ad._internal.film.parameter_way import ParameterWay, chapters_of, way_of
from graphviz_ad._internal.film.program_lines import lines_of_nodes
from graphviz_ad._internal.film.risen_loss import LossCourse
from graphviz_ad._internal.film.rounds import Round, known_number
from graphviz_ad._internal.film.story import (
    MOST_EDGE_STEPS,
    Story,
    Teller,
    blank,
    ending,
    final,
    first_frame,
    lessons_forward,
    line_of_result,
)
from graphviz_ad._internal.film.story_updates import LeafTeller
from graphviz_ad._internal.film.update_words import letters_beside
from graphviz_ad._internal.film.updates import MOVES, Chapter
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.operations import lessons
from graphviz_ad._internal.scene.scene import Change, Line, LossCurve, Move, Step
from graphviz_ad._internal.scene.words.describe import EdgeWords, NodeWords, Words
from graphviz_ad._internal.scene.words.names import function_name
from graphviz_ad._internal.scene.words.short_text import equal_to, gradient_in_caption, is_constant, short_elements

SOURCES = ("leaf", "data")
ACCUMULATE = "accumulate"  # a phase of training beside forward and backward


def same_pictures(graphs: Sequence[Graph]) -> None:
    """Refuse passes that cannot be shown on one picture."""
    if len({tuple(graph.nodes) for graph in graphs}) > 1:
        raise OptionError(
            "passes=True shows several backward passes one after the other, but they cannot be shown on one picture;"
            " leave out what folds or hides boxes, or animate one of graph.passes"
        )


def on_one_picture(rounds: Sequence[Round]) -> tuple[Round, ...]:
    """The rounds with one name for each result: what has none and is what a pass begins at is called like the whole in
    all of them, and counted.
    """
    ends = {node.key for each in rounds for node in each.graph.outputs if not node.name}
    if len(ends) < 2:
        return tuple(rounds)
    return tuple([replace(each, graph=with_ends_named(each.graph, ends)) for each in rounds])


def with_ends_named(graph: Graph, ends: set[str]) -> Graph:
    """The graph with these nodes called like the whole."""
    named = [replace(node, name=function_name(graph)) if node.key in ends else node for node in graph.node_list]
    return replace(graph, node_list=tuple(named))


@dataclass(frozen=True)
class Told:
    """A round in words."""

    round: Round
    words: Words


def words_of_rounds(each: Sequence[Told]) -> Words:
    """The words of the picture that all rounds end on: of each box those of the last round that it was part of, with
    the grids of all others, so that these can be shown, too.
    """
    last = each[-1].words
    nodes, edges = dict(last.nodes), dict(last.edges)
    for told in each:
        graph = told.words.graph
        nodes |= {key: told.words.nodes[key] for key in graph.nodes if told.round.holds(key, told.round.here)}
        edges |= {
            edge.key: told.words.edges[edge.key] for edge in graph.edges if told.round.holds(edge.head, told.round.here)
        }
    for node in last.graph.node_list:
        if node.kind == "leaf" and node.value is not None:  # as it is now, whichever round read it last
            nodes[node.key] = replace(nodes[node.key], values=last.nodes[node.key].values)
    ledger = Ledger.of([told.round for told in each], last)
    memories = memories_of([told.round for told in each], ledger, last)
    for key in ledger.lines:
        nodes[key] = replace(nodes[key], gradients=(ledger.lines[key],), notes=memories.lines(key))
    values = {key: ledger.values[key] for key in ledger.values if key in nodes}
    of_nodes = {key: [told.words.nodes[key] for told in each] for key in nodes}
    of_edges = {key: [told.words.edges[key] for told in each if key in told.words.edges] for key in edges}
    return replace(
        last,
        nodes={key: with_grids_of_all(nodes[key], of_nodes[key], values.get(key, ())) for key in nodes},
        edges={key: with_lines_of_all(edges[key], of_edges[key]) for key in edges},
    )


def memories_of(rounds: Sequence[Round], ledger: Ledger, words: Words) -> Memories:
    """What optimizers remember of the leaves that have boxes, called as nothing else on the picture is."""
    return Memories.of(rounds, ledger.lines, letters_beside(words.names.of.values()))


def with_grids_of_all(words: NodeWords, each: Iterable[NodeWords], further: Iterable[Line]) -> NodeWords:
    """The words of a box that can show the grids of all these, and of further lines."""
    lines = [*(line for other in each for line in other.lines), *further]
    return replace(
        words,
        values=tuple([with_grids(line, lines) for line in words.values]),
        gradients=tuple([with_grids(line, lines) for line in words.gradients]),
    )


def with_lines_of_all(words: EdgeWords, each: Iterable[EdgeWords]) -> EdgeWords:
    """The same of an arrow."""
    lines = [line for other in each for line in other.lines]
    return replace(words, lines=tuple([with_grids(line, lines) for line in words.lines]))


def with_grids(line: Line, others: Sequence[Line]) -> Line:
    """A line that can show the grids and fractions of others that stand in its place."""
    if line.ratio is not None:
        alike = [other.ratio for other in others if other.ratio is not None and other.key == line.key]
        line = replace(line, other_ratios=tuple(dict.fromkeys(one for one in alike if one != line.ratio)))
    found = {
        other.grid.said: other.grid
        for other in (*others, line)
        if other.grid is not None and other.key == line.key and other.grid is not line.grid
    }
    if not found:
        return line
    own = line.grid or next(iter(found.values()))
    return replace(line, grid=own, other_grids=tuple([grid for said, grid in found.items() if said != own.said]))


def tell_passes(each: Sequence[Told], picture: Words) -> Story:
    """Round by round; ``picture`` are the words that they end on."""
    ledger = Ledger.of([told.round for told in each], picture)
    memories = memories_of([told.round for told in each], ledger, picture)
    way = way_of([told.round for told in each], ledger)
    course = LossCourse.of([told.round for told in each])
    teller = RoundTeller(picture, ledger, LeafTeller(ledger, memories), course, way=way)
    first = {
        key: final(told.words.nodes[key].title)
        for told in reversed(each)
        for key in told.words.nodes
        if told.round.holds(key, told.round.here)
    }
    opening = [
        *blank(picture, values=True, gradients=True),
        *(Change(key, None, texts) for key, texts in first.items()),
        *(Change(key, None, texts) for key, texts in memories.at_first()),
    ]
    steps = [first_frame(picture, "both")]
    for told in each:
        steps += teller.round(told)
    kept = picture.graph.has_gradients
    end = ending(picture, forward_only=not kept)
    ran = "All backward passes have run" if each[-1].round.count > 1 else "The backward pass has run"
    moved = said_of_moved([told.round for told in each], ledger, picture)
    caption = end.caption if not kept else (ran, with_moved(moved, teller.said_of_grad()) or end.caption[-1])
    sentence = (said_of_gone(each[-1], ledger.lines, picture) or end.sentence) if kept else ""
    changes = (
        *end.changes,
        *teller.leaves.ledger_changes(teller.leaves.held, None),
        *(Change(key, None, texts) for key, texts in teller.leaves.moved.items()),
    )
    curve = teller.curve(each)
    known = Counter([step for step, _ in way.stops] if way is not None and curve and curve.stops else teller.points)
    whole = [
        replace(step, losses=known[i]) if i in known else step
        for i, step in enumerate([*steps, replace(end, caption=caption, changes=changes, sentence=sentence)])
    ]
    return Story(tuple(opening), tuple(whole), curve)


def said_of_moved(rounds: Sequence[Round], ledger: Ledger, picture: Words) -> str:
    """ "w = 4.36", of a few leaves that were moved; nothing where one of these values was not seen."""
    deeds = [deed for chapter in chapters_of(rounds) if chapter.what in MOVES for deed in chapter.deeds]
    last = {deed.leaf: deed.new for deed in deeds if deed.leaf in ledger.lines}
    texts = {key: short_elements(snap) for key, snap in last.items()}
    if len(texts) > MOST_NAMED or any(text is None for text in texts.values()):
        return ""
    return ", ".join(f"{picture.names.of[key]} = {text}" for key, text in texts.items())


def with_moved(moved: str, held: str) -> str:
    """Where the leaves were moved to, if there is room for that before what their ``.grad`` holds."""
    both = ", ".join(part for part in (moved, held) if part)
    return both if len(both) <= ROOM else held


def said_of_gone(last: Told, leaves: Collection[str], picture: Words) -> str:
    """That leaves were gone before the recording ended, so that it says of them what was last seen."""
    gone = [picture.names.of[key] for key in leaves if key in last.round.gone]
    if not gone:
        return ""
    were = "was" if len(gone) == 1 else "were"
    return f"{named_shortly(gone)} {were} gone when the recording ended: this is what was last seen."


@dataclass
class RoundTeller:
    """Tells rounds; remembers which boxes were seen at work, and, by its teller of leaves, what these hold."""

    picture: Words
    ledger: Ledger
    leaves: LeafTeller
    course: LossCourse
    told: set[str] = field(default_factory=set)
    points: list[int] = field(default_factory=list)  # the step in which each round has its loss
    count: int = 1  # steps so far
    values: dict[str, Snapshot | None] = field(default_factory=dict)  # of sources, as the last round had them
    formulas: set[str] = field(default_factory=set)  # of the last round
    way: ParameterWay | None = None  # of the one number that is moved, if there is one

    def round(self, told: Told) -> list[Step]:
        """The steps of one round."""
        steps: list[Step] = []
        current, words = told.round, told.words
        self.leaves.within = current.within
        if not self.leaves.held:
            self.leaves.held = self.ledger.texts(current.found)
        self.chapters(current.opening, steps, words)
        uncertain = {deed.leaf for chapter in current.before for deed in chapter.deeds if not chapter.dated}
        fresh = [node for node in words.graph.node_list if current.holds(node.key, current.fresh)]
        works = [node for node in fresh if node.kind not in SOURCES]
        again = {node.key for node in works} <= self.told
        if works:
            parts = self.forward_at_once(told, works) if again else self.forward(told)
            hidden = self.leaves.ledger_changes({**self.leaves.held, **dict.fromkeys(uncertain, "")}, None)
            first = (*self.leaves.settled(), *self.cleared(told), *parts[0].changes, *hidden)
            parts[0] = replace(parts[0], changes=first)
            steps += [*parts[:-1], self.with_rise(parts[-1], told)]
        self.points.append(self.last_of(steps))
        if self.way is not None:
            self.way.loss_known(self.last_of(steps), words.graph)
        self.chapters(current.before, steps, words)
        steps += self.backward(told, again=again and bool(works)) if words.graph.has_gradients else []
        if self.way is not None:
            self.way.slope_known(self.last_of(steps), current)
            turned = self.course.said_of_slope([stop for _, stop in self.way.stops])
            steps[-1] = replace(steps[-1], sentence=turned) if turned else steps[-1]
        grown = self.added(told)
        steps += [grown] if grown is not None else []
        self.chapters(current.after, steps, words)
        self.told |= {node.key for node in works}
        self.formulas = {self.formula(told, node) for node in works}
        self.values |= {node.key: node.value for node in words.graph.node_list if node.kind in SOURCES}
        self.count += len(steps)
        return numbered(steps, current)

    def last_of(self, steps: Sequence[Step]) -> int:
        """The number of the last of these steps of a round."""
        return self.count + max(len(steps) - 1, 0)

    def chapters(self, chapters: Iterable[Chapter], steps: list[Step], words: Words) -> None:
        """What calls did to leaves, behind the steps so far."""
        for chapter in chapters:
            steps += self.leaves.chapter(chapter, words)
            if self.way is not None:
                self.way.moved(self.last_of(steps), chapter)

    # --- forward

    def with_rise(self, step: Step, told: Told) -> Step:
        """The step that has the loss, which says so if that rose."""
        name = "".join(told.words.names.of[node.key] for node in roots_of(told.round.graph)[:1])
        said = self.course.said_of_rise(told.round, name)
        return replace(step, sentence=said) if said else step

    def cleared(self, told: Told) -> Iterator[Change]:
        """Nothing is lit, and what will be computed anew is blank, with all gradients but those that leaves keep."""
        graph, current = told.words.graph, told.round
        for key in (*graph.nodes, *(edge.key for edge in graph.edges)):
            yield Change(key, "idle")
        for change in blank(told.words, values=True, gradients=True):
            node = graph.nodes.get(change.key)
            if node is None:
                yield change
            elif node.kind == "leaf" and node.value is not None and not current.holds(change.key, current.here):
                yield replace(self.shown(told, node), emphasis="idle")
            elif node.kind not in SOURCES:
                anew = current.holds(change.key, current.fresh)
                texts = [one for one in change.texts if anew or not one[0].startswith("value")]
                title = final(told.words.nodes[change.key].title) if anew else ()
                yield replace(change, texts=(*title, *texts))

    def shown(self, told: Told, node: Node) -> Change:
        """A box with its formula and value."""
        said = told.words.nodes[node.key]
        self.leaves.moved.pop(node.key, None)
        return Change(node.key, "active", final([*said.title, *said.values]))

    def forward(self, told: Told) -> list[Step]:
        """Operation by operation, of what is new alone."""
        teller = Teller(told.words, per_edge=False)
        fresh, here = told.round.fresh, told.round.here
        graph = told.words.graph
        steps: list[Step] = []
        sources = [node for node in graph.node_list if node.kind in SOURCES]
        sources = [node for node in sources if told.round.holds(node.key, here)]
        teller.will_dim([Change(node.key) for node in sources], "forward")
        starts = teller.step("forward", teller.inputs_caption(sources), [self.shown(told, node) for node in sources])
        steps.append(replace(starts, look_at=tuple([node.key for node in sources[:1]])))
        for node in graph.node_list:
            if node.kind in SOURCES or not told.round.holds(node.key, fresh):
                continue
            arrows = [Change(edge.key, "active-forward") for edge in graph.in_edges(node.key)]
            teller.will_dim([*arrows, Change(node.key)], "forward")
            edges = [edge for edge in graph.in_edges(node.key) if told.round.holds(edge.tail, here)]
            step = teller.step(
                "forward",
                teller.forward_caption(node),
                [*arrows, self.shown(told, node)],
                moves=[Move(edge.key, "value", line_of_result("value", edge.port)) for edge in edges],
                of=[node],
                uses=lessons_forward(node),
            )
            rule = str(node.op or node.kind)
            steps.append(replace(step, about=(node.key,), rule=rule, brief=teller.result(node)))
        return steps

    def forward_at_once(self, told: Told, works: Sequence[Node]) -> list[Step]:
        """All that is computed again."""
        graph, current = told.words.graph, told.round
        sources = [node for node in graph.node_list if node.kind in SOURCES]
        lit = [node for node in sources if current.holds(node.key, current.here)] + [*works]
        changes = [self.shown(told, node) for node in lit]
        keys = {node.key for node in works}
        changes += [Change(edge.key, "active-forward") for edge in graph.edges if edge.head in keys]
        new = [node for node in lit if node.kind in SOURCES and self.is_new(node)]
        others = [] if new else [self.formula(told, node) for node in works]
        others = [said for said in others if said not in self.formulas]  # a number in it is another
        caption = ("The same forward pass with the new values", new_values(new, told, others))
        looked_at = tuple([node.key for node in (*new[:1], *roots_of(graph))])
        return [
            Step(
                "forward", caption, tuple(changes), 3, brief=root_text(told), lit=lines_of_nodes(graph, works),
                look_at=looked_at,
            )
        ]  # fmt: skip

    @staticmethod
    def formula(told: Told, node: Node) -> str:
        """ "y = w × 2"."""
        said = told.words.nodes[node.key]
        return f"{said.results} = {said.formula}" if node.kind != "module" and said.formula else ""

    def is_new(self, node: Node) -> bool:
        """Whether the box of a source said another value in the rounds before."""
        return not is_constant(node) and node.key in self.values and self.values[node.key] != node.value

    # --- backward

    def backward(self, told: Told, *, again: bool) -> list[Step]:
        """The backward pass, from a picture on which only the leaves keep what they have."""
        words, graph = told.words, told.words.graph
        teller = LeafKeeping(words, per_edge=len(graph.edges) + len(graph.node_list) <= MOST_EDGE_STEPS)
        teller.arrivals = self.ledger.arrivals(told.round, self.leaves.held)
        steps = list(teller.backward())
        clear = [Change(key, "idle") for key in (*graph.nodes, *(edge.key for edge in graph.edges))]
        clear += self.without_gradients(words)
        if again and len(steps) > 1:
            steps = [self.backward_at_once(told, steps)]
        if steps:
            steps[0] = replace(steps[0], changes=(*self.leaves.settled(), *clear, *steps[0].changes))
        return steps

    @staticmethod
    def without_gradients(words: Words) -> Iterator[Change]:
        """What says whether a gradient is still to come in this pass; nothing of leaves, which keep what they have."""
        graph = words.graph
        for change in blank(words, values=False, gradients=True):
            node = graph.nodes.get(change.key)
            if node is None or (node.kind != "leaf" and node.grad is not None):
                yield change
            elif node.kind != "leaf":
                yield replace(change, texts=tuple([(line, "") for line, _ in change.texts]))

    def backward_at_once(self, told: Told, steps: Sequence[Step]) -> Step:
        """All steps as one."""
        texts: dict[str, dict[str, str]] = {}
        for step in steps:
            for change in step.changes:
                texts.setdefault(change.key, {}).update(change.texts)
        arrows = {edge.key for edge in told.words.graph.edges}
        changes = [
            Change(key, "active-backward" if key in arrows else "active", tuple(own.items()))
            for key, own in texts.items()
            if own or key in arrows
        ]
        leaves = [node for node in told.words.graph.node_list if node.kind == "leaf" and node.grad is not None]
        names = told.words.names
        said = [
            f"{names.gradient(node.key)} {equal_to(gradient_in_caption(node.grad))}" for node in leaves[:MOST_NAMED]
        ]
        caption = ("The same backward pass", fitting(said, ", "))
        lit = tuple(dict.fromkeys(one for step in steps for one in step.lit))
        looked_at = tuple([node.key for node in (leaves or roots_of(told.words.graph))[:1]])
        return Step("backward", caption, tuple(changes), 3, brief="".join(said[:1]), lit=lit, look_at=looked_at)

    def added(self, told: Told) -> Step | None:
        """What this pass added to every ``.grad``; nothing where all were empty, which was to be seen."""
        additions = [one for one in told.round.additions if one.leaf in self.ledger.lines]
        grown = [one for one in additions if one.before is not None]
        sums = self.ledger.sums(additions)
        self.leaves.held |= self.ledger.texts({one.leaf: one.total for one in additions})
        if not grown:
            return None
        changes = [*self.leaves.settled(), *self.leaves.ledger_changes(sums, "active")]
        caption = added_caption(grown, told.words)
        looked_at = tuple([one.leaf for one in grown[:1]])
        return Step(
            ACCUMULATE, caption, tuple(changes), 2 + len(grown), lessons=(lessons.ACCUMULATES,), look_at=looked_at
        )  # fmt: skip

    # --- the whole

    def said_of_grad(self) -> str:
        """ "x.grad = 216", of a few leaves."""
        return said_of_grad(self.ledger.held_at_end, self.picture)

    def curve(self, each: Sequence[Told]) -> LossCurve | None:
        """What the passes began at, where that is one number in all of them."""
        roots = [roots_of(told.round.graph) for told in each]
        losses = [known_number(found[0].value) if len(found) == 1 else None for found in roots]
        known = [loss for loss in losses if loss is not None]
        keys = [found[0].key for found in roots if found]
        if len(known) < len(losses) or len(keys) == len(set(keys)):  # no loss is computed twice
            return None
        names = tuple([self.picture.names.of.get(found[0].key, "") for found in roots])
        numbers = tuple([told.round.number for told in each])
        curve = LossCurve(names, tuple(known), numbers)
        if self.way is None or len(set(names)) > 1:
            return curve
        parameter = self.picture.names.of.get(self.way.leaf, "")
        return replace(curve, parameter=parameter, stops=tuple([stop for _, stop in self.way.stops]))


class LeafKeeping(Teller):
    """A teller at whose leaves arrives what a pass adds to what they have."""

    arrivals: Mapping[str, tuple[tuple[str, str], ...]]

    def arrive(self, key: str, port: int) -> Change:
        """The same; a leaf says what is there, and what comes."""
        return self.kept(super().arrive(key, port))

    def accumulate(self, key: str) -> Step:
        """The same."""
        step = super().accumulate(key)
        return replace(step, changes=tuple([self.kept(change) for change in step.changes]))

    def kept(self, change: Change) -> Change:
        """A change of a leaf in the words of the ledger."""
        if change.key not in self.arrivals or not change.texts:
            return change
        done = change.emphasis == "active"
        return replace(change, texts=self.arrivals[change.key] if done else change.texts[:1])


def numbered(steps: list[Step], current: Round) -> list[Step]:
    """The steps, the first of each phase with the number of the pass, if there are several."""
    if current.count == 1:
        return steps
    found: list[Step] = []
    said = f"Pass {current.number} of {current.count}"
    for step in steps:
        if (not found or found[-1].phase != step.phase) and step.caption:
            step = replace(step, caption=with_number(said, step.caption))
        found.append(step)
    firsts = {step.at_once for before, step in zip([None, *steps], steps, strict=False) if is_first(before, step)}
    return [
        replace(step, at_once=with_number(said, step.at_once)) if step.at_once in firsts else step for step in found
    ]


def is_first(before: Step | None, step: Step) -> bool:
    """Whether a step is the first of its phase, and one of those that may be told at once."""
    return bool(step.at_once) and (before is None or before.phase != step.phase)


def with_number(said: str, caption: tuple[str, ...]) -> tuple[str, ...]:
    """A caption that says first which pass it is about."""
    return (f"{said}: {lowered(caption[0])}", *caption[1:])


def lowered(text: str) -> str:
    """The text behind a colon."""
    return f"{text[0].lower()}{text[1:]}" if text.startswith(("The ", "All ")) else text


def roots_of(graph: Graph) -> list[Node]:
    """What the pass began at."""
    return [node for node in graph.node_list if node.is_output]


def new_values(sources: Sequence[Node], told: Told, others: Sequence[str]) -> str:
    """ "w = 1.1, b = 0.6, so loss = 10.24": what is new among what it starts from, else in other formulas, where there
    is room, and its end.
    """
    texts = [(told.words.names.of[node.key], short_elements(node.value)) for node in sources]
    said = [*(f"{name} = {text}" for name, text in texts if text is not None), *others]
    end = root_text(told)
    fits = said and len(said) == len(sources) + len(others) and len(", ".join([*said, end])) <= ROOM
    return f"{', '.join(said)}, so {end}" if fits and end else end


def root_text(told: Told) -> str:
    """ "loss = 0.04"."""
    roots = [node for node in roots_of(told.words.graph) if node.value is not None]
    return ", ".join(f"{told.words.names.of[node.key]} = {gradient_in_caption(node.value)}" for node in roots[:2])
