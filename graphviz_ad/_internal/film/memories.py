"""What optimizers remember of parameters -> lines in their boxes, below ``.grad``: torch's velocity, m and v."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from graphviz_ad._internal.film.rounds import Round
from graphviz_ad._internal.film.updates import MOVES, Deed
from graphviz_ad._internal.graph.optimizer_update import State
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.operations.optimizers import LETTERS
from graphviz_ad._internal.scene.scene import Line
from graphviz_ad._internal.scene.words.short_text import flow_text
from graphviz_ad._internal.scene.words.signs import NOT_YET

ROLE = "memory"
Texts = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Memories:
    """By key of the leaf's box, the names of what an optimizer remembers of it, what that is ``first`` and at the end;
    ``letters`` are what these are called.
    """

    letters: Mapping[str, str]
    names: Mapping[str, tuple[str, ...]]
    first: Mapping[str, State]
    last: Mapping[str, State]

    @classmethod
    def of(cls, rounds: Sequence[Round], leaves: Collection[str], letters: Mapping[str, str]) -> Memories:
        """Those of all steps that are told."""
        deeds = [deed for deed in moved_in(rounds) if deed.leaf in leaves and deed.update is not None]
        states: dict[str, list[State]] = {}
        for deed in deeds:
            if deed.update is not None:
                states.setdefault(deed.leaf, []).append(deed.update.before)
                states[deed.leaf].append(deed.update.after)
        known = {
            leaf: {name for state in each for name, held in state if held is not None} for leaf, each in states.items()
        }
        names = {leaf: tuple([name for name in LETTERS if name in found]) for leaf, found in known.items()}
        named = {leaf: own for leaf, own in names.items() if own}
        last = {leaf: tuple({**dict(pair for state in states[leaf] for pair in state)}.items()) for leaf in named}
        return cls(letters, named, {leaf: states[leaf][0] for leaf in named}, last)

    def lines(self, leaf: str) -> tuple[Line, ...]:
        """The lines of a box, as they end."""
        return tuple(self._lines(leaf, self.last[leaf])) if leaf in self.names else ()

    def texts(self, leaf: str, state: State) -> Texts:
        """What they say when this is remembered; of what is not in there they say nothing new."""
        there = dict(state)
        lines = zip(self.names.get(leaf, ()), self._lines(leaf, state), strict=True)
        return tuple([(line.key, line.text) for name, line in lines if name in there])

    def at_first(self) -> Iterator[tuple[str, Texts]]:
        """What they say before any step; that nothing is remembered yet, where that is so."""
        for leaf in self.names:
            yield leaf, tuple([(line.key, line.text) for line in self._lines(leaf, self.first[leaf])])

    def _lines(self, leaf: str, state: State) -> Iterator[Line]:
        there = dict(state)
        for n, name in enumerate(self.names.get(leaf, ())):
            said = remembered(there[name]) if name in there else NOT_YET
            yield Line(ROLE, f"{self.letters[name]} {said}", number=n)


def moved_in(rounds: Sequence[Round]) -> Iterator[Deed]:
    """What moved leaves in these rounds."""
    for one in rounds:
        for chapter in (*one.opening, *one.before, *one.after):
            yield from chapter.deeds if chapter.what in MOVES else ()


def remembered(held: Snapshot | None) -> str:
    """Its elements if they are few, else how long it is; that nobody saw it is left open."""
    text = flow_text(held)
    if text is not None or held is None:
        return text or "…"
    return f"norm {short_number(held.norm)}" if held.norm is not None else "…"
