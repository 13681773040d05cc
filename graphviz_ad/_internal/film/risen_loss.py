"""Rounds -> what is said of a loss that rose since the round before, where both are of the same function and data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from graphviz_ad._internal.film.parameter_way import all_else, chapters_of
from graphviz_ad._internal.film.rounds import Round, known_number
from graphviz_ad._internal.film.updates import MOVES
from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.scene.scene import Stop

TOO_FAR = "The slope turned its sign and the loss rose: the step went too far."


@dataclass
class LossCourse:
    """The last loss of each box that passes begin at, and what else than ``moved`` leaves it was made of."""

    moved: frozenset[str]
    last: dict[str, tuple[list[object], float]] = field(default_factory=dict)
    rose: bool = False  # in the round that is told

    @classmethod
    def of(cls, rounds: Sequence[Round]) -> LossCourse:
        """Before the first of these."""
        chapters = [chapter for chapter in chapters_of(rounds) if chapter.what in MOVES]
        return cls(frozenset(deed.leaf for chapter in chapters for deed in chapter.deeds))

    def said_of_rise(self, one: Round, name: str) -> str:
        """ "Here loss rose, from 4 to 4.84."; nothing where it did not, or where its data are others."""
        roots = [node for node in one.graph.node_list if node.is_output]
        loss = known_number(roots[0].value) if len(roots) == 1 else None
        self.rose = False
        if loss is None:
            return ""
        key, made_of = roots[0].key, list(all_else(one, self.moved))
        others, before = self.last.get(key, (None, loss))
        self.last[key] = made_of, loss
        self.rose = loss > before and others == made_of
        return f"Here {name} rose, from {short_number(before)} to {short_number(loss)}." if self.rose else ""

    def said_of_slope(self, stops: Iterable[Stop]) -> str:
        """That a step against the gradient was too long, where the loss of one number says so: there it rose, and its
        slope has another sign.
        """
        known = [(stop.at, stop.slope) for stop in stops if stop.slope is not None][-2:]
        if not self.rose or len(known) < 2:
            return ""
        (old, slope), (new, turned) = known
        return TOO_FAR if slope * turned < 0 and slope * (new - old) < 0 else ""
