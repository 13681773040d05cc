"""What every ``.grad`` holds in the course of a film -> the line in the box of its leaf, and the words of captions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from graphviz_ad._internal.base.text_table import counted_noun
from graphviz_ad._internal.film.rounds import Round
from graphviz_ad._internal.film.updates import MOVES, Addition, Chapter, Deed
from graphviz_ad._internal.graph.grad_history import EMPTIED, REPLACED, STEP
from graphviz_ad._internal.graph.graph import Node
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.scene.scene import Line
from graphviz_ad._internal.scene.words.box_lines import gradient_of_result, value_lines
from graphviz_ad._internal.scene.words.describe import Words
from graphviz_ad._internal.scene.words.short_text import (
    after_sign,
    equal_to,
    flow_text,
    gradient_in_caption,
    short_elements,
    signed_term,
)
from graphviz_ad._internal.scene.words.tensor_grids import Tensors

LABEL = ".grad"
ROOM = 100  # characters of numbers in a caption
MOST_NAMED = 4  # leaves that a caption tells of
WAYS = {-1: "against the gradient", 1: "along the gradient"}


@dataclass(frozen=True)
class Ledger:
    """The lines of ``.grad``, by key of the leaf's box: ``lines`` as they end; ``values`` are all lines of values and
    gradients that the boxes come to show besides, whose grids they need.
    """

    tensors: Tensors
    nodes: Mapping[str, Node]
    lines: Mapping[str, Line]
    held_at_end: Mapping[str, Snapshot | None]
    values: dict[str, list[Line]] = field(default_factory=dict)

    @classmethod
    def of(cls, rounds: Sequence[Round], words: Words) -> Ledger:
        """The ledger of these rounds, as it is after the last."""
        nodes = {node.key: node for node in words.graph.node_list if node.kind == "leaf"}
        held: dict[str, Snapshot | None] = {}
        for each in rounds:
            held |= {key: snap for key, snap in each.found.items() if key in nodes and key not in held}
            for chapter in (*each.opening, *each.before):
                held |= held_by(chapter)
            held |= {one.leaf: one.total for one in each.additions}
            for chapter in each.after:
                held |= held_by(chapter)
        held = {key: snap for key, snap in held.items() if key in nodes}
        tensors = words.options.tensors
        made = cls(tensors, nodes, {key: line_of(nodes[key], snap, tensors) for key, snap in held.items()}, held)
        for each in rounds:
            made.note(each)
        return made

    def note(self, each: Round) -> None:
        """Remember what a round makes boxes show."""
        self.texts(each.found)
        self.sums(each.additions)
        self.texts({one.leaf: one.total for one in each.additions})
        for chapter in (*each.opening, *each.before, *each.after):
            self.texts(held_by(chapter))
            for deed in chapter.deeds if chapter.what in MOVES else ():
                if deed.leaf in self.nodes:
                    value_texts(deed, self)

    def line(self, key: str, snap: Snapshot | None, label: str = LABEL) -> Line:
        """The line of a leaf whose ``.grad`` holds this."""
        line = line_of(self.nodes[key], snap, self.tensors, label)
        self.values.setdefault(key, []).append(line)
        return line

    def texts(self, held: Mapping[str, Snapshot | None]) -> dict[str, str]:
        """What the lines say where this is held."""
        return {key: self.line(key, snap).text for key, snap in held.items() if key in self.lines}

    def sums(self, additions: Iterable[Addition]) -> dict[str, str]:
        """What they say when the sum is made: ".grad 4 + 4 = 8"."""
        return {
            one.leaf: sum_text(one, with_total=True) or self.line(one.leaf, one.total).text
            for one in additions
            if one.leaf in self.lines
        }

    def arrivals(self, each: Round, held: Mapping[str, str]) -> Mapping[str, tuple[tuple[str, str], ...]]:
        """What they say when a pass has brought its part: ".grad 4 + 4"."""
        brought = {one.leaf: one for one in each.additions}
        return {
            key: ((line.key, self.arrival(brought[key]) if key in brought else held.get(key, line.text)),)
            for key, line in self.lines.items()
        }

    def arrival(self, one: Addition) -> str:
        """The same of one."""
        if one.before is None:
            return self.line(one.leaf, one.total).text
        return sum_text(one, with_total=False) or self.line(one.leaf, one.brought, f"+ to {LABEL}").text


def held_by(chapter: Chapter) -> dict[str, Snapshot | None]:
    """What ``.grad`` is after a chapter, where that made it another."""
    return {} if chapter.what in MOVES else {deed.leaf: deed.held for deed in chapter.deeds}


def line_of(node: Node, snap: Snapshot | None, tensors: Tensors, label: str = LABEL) -> Line:
    """The one line that says what ``.grad`` of a leaf holds."""
    shown = replace(node, ports=(replace(node.ports[0], grad=snap),))
    return gradient_of_result(shown, label, tensors)[0]


def value_texts(deed: Deed, ledger: Ledger) -> tuple[tuple[str, str], ...]:
    """The lines of a leaf's value after it was moved."""
    node = ledger.nodes[deed.leaf]
    if deed.new is None:  # nobody saw it
        return (("value", ""),)
    lines = value_lines(replace(node, ports=(replace(node.ports[0], value=deed.new),)), ledger.tensors)
    ledger.values.setdefault(deed.leaf, []).extend(lines)
    return tuple([(line.key, line.text) for line in lines])


def sum_text(one: Addition, *, with_total: bool) -> str:
    """ ".grad 4 + 4 = 8"; nothing where that is too long, or not known."""
    before, brought, total = flow_text(one.before), flow_text(one.brought), flow_text(one.total)
    if before is None or brought is None or total is None:
        return ""
    said = f"{LABEL} {before} {signed_term(brought)}"
    return f"{said} {equal_to(total)}" if with_total else said


# --- captions


def added_caption(grown: Sequence[Addition], words: Words) -> tuple[str, ...]:
    """What a pass added."""
    names = [words.names.of[one.leaf] for one in grown]
    said = [f"{name}{grown_text(one)}" for name, one in zip(names, grown, strict=True)]
    return ("the new gradient is added to what .grad held", fitting(said, ", "))


def grown_text(one: Addition) -> str:
    """ ".grad = 4 + 4 = 8", or ".grad: norm 1.2 → 1.9"."""
    told = sum_text(one, with_total=True).removeprefix(LABEL)
    if told:
        return f"{LABEL} ={told}"
    before, total = norm_of(one.before), norm_of(one.total)
    return f"{LABEL}: norm {before} → {total}" if before and total else LABEL


def norm_of(snap: Snapshot | None) -> str:
    """The norm of a tensor, where it is known."""
    return short_number(snap.norm) if snap is not None and snap.norm is not None else ""


def chapter_caption(chapter: Chapter, deeds: Sequence[Deed], words: Words) -> tuple[str, ...]:
    """What one call did to leaves."""
    by = chapter.by or ""
    line = f" ({chapter.source})" if chapter.source else ""
    if chapter.what in MOVES:
        ruled = all(deed.rule is not None for deed in chapter.deeds)
        who = by if by and chapter.what == STEP else "the program"  # an operation of a line is no name of what it does
        leaves = listed(chapter, words)
        what = (
            f"{who} moves {leaves} {WAYS[way]}"
            if ruled and (way := way_of_all(chapter.deeds))
            else f"{who} updates {leaves}"
        )
        each = [(words.names.of[deed.leaf], moved_text(deed, words)) for deed in deeds]
        known = fitting([text for _, text in each[:MOST_NAMED] if text], "; ")
        return (f"{what}{line}", told_of_each(each, "; ") if ruled else known)
    if chapter.what == EMPTIED:
        return (f".grad of {listed(chapter, words)} is None again", "")
    name = f"{by} writes to .grad" if by else "the program writes to .grad"
    if chapter.what == REPLACED and all(deed.held is not None and deed.held.missing for deed in chapter.deeds):
        return (f".grad of {listed(chapter, words)} is let go of", "nobody saw what took its place")
    if chapter.what == REPLACED:
        name = "another tensor was put into .grad"
    said = [
        f"{words.names.of[deed.leaf]}.grad {equal_to(gradient_in_caption(deed.held))}"
        for deed in deeds[:MOST_NAMED]
        if deed.held is not None
    ]
    return (f"{name}{line}", fitting(said, ", "))


def way_of_all(deeds: Sequence[Deed]) -> int:
    """−1 where all plain steps go against the gradient, 1 where they go along it, 0 where some go otherwise, or
    nowhere, at a rate of 0.
    """
    ways = {(deed.rule.factor > 0) - (deed.rule.factor < 0) if deed.rule is not None else 1 for deed in deeds}
    return ways.pop() if len(ways) == 1 else 0


def listed(chapter: Chapter, words: Words) -> str:
    """The names of the leaves, a few of many; of those in folded boxes only how many there are."""
    names = [words.names.of[deed.leaf] for deed in chapter.deeds if deed.leaf in words.names.of]
    if len(names) < len(chapter.deeds):
        return counted_noun(len(chapter.deeds), "parameter")
    return ", ".join(names) if len(names) <= MOST_NAMED else f"{len(names)} parameters"


def moved_text(deed: Deed, words: Words) -> str:
    """ "w = 1 − 0.1 × (−4) = 1.4", or what it was and is."""
    name, old, new = words.names.of[deed.leaf], short_elements(deed.old), short_elements(deed.new)
    if deed.rule is not None and old and new and (read := flow_text(deed.rule.read)) is not None:
        size = short_number(abs(deed.rule.factor))
        sign = "+" if deed.rule.factor > 0 else "−"
        return f"{name} = {old} {sign} {size} × {after_sign(read)} = {new}"
    if old and new:
        return f"{name} goes from {old} to {new}" if deed.old != deed.new else f"{name} stays {new}"
    before, after = norm_of(deed.old), norm_of(deed.new)
    return f"{name}: norm {before} → {after}" if before and after else ""


def said_of_grad(held: Mapping[str, Snapshot | None], words: Words) -> str:
    """ "x.grad = 216", of a few leaves."""
    known = [key for key, snap in held.items() if snap is not None] or list(held)
    said = [f"{words.names.of[key]}.grad {equal_to(gradient_in_caption(held[key]))}" for key in known[:MOST_NAMED]]
    return fitting(said, ", ")


def told_of_each(parts: Sequence[tuple[str, str]], between: str) -> str:
    """What is said of each name, as far as a caption has room; of the others, that it is the same with them: but for
    the first, in whose name the rule is.
    """
    said: list[str] = []
    rest: list[str] = []
    for n, (name, text) in enumerate(parts):
        if text and len(between.join([*said, text])) <= ROOM:
            said.append(text)
        elif n:
            rest.append(name)
    return between.join([*said, f"and so for {named_shortly(rest)}"] if rest else said)


def named_shortly(names: Sequence[str]) -> str:
    """A few names, and how many more there are."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def fitting(parts: Sequence[str], between: str) -> str:
    """As many of them as a caption has room for; none where not even the first fits."""
    count = next((n for n in range(len(parts), 0, -1) if len(between.join(parts[:n])) <= ROOM), 0)
    return between.join(parts[:count]) + (f"{between}…" if 0 < count < len(parts) else "")
