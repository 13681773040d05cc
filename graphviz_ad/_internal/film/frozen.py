"""Words -> why parameters of the model get no gradient: they are frozen."""

from __future__ import annotations

from graphviz_ad._internal.film.ledger import named_shortly
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.notices import FROZEN, MODEL, WRITTEN_LINES
from graphviz_ad._internal.scene.words.describe import Words

FREEZE = ("freezes", "requires_grad_", "may_freeze")  # lines that say whether tensors require a gradient


def said_of_frozen(words: Words) -> str:
    """ "w gets no gradient: its requires_grad is False, see net.py:4."; nothing where no model is known."""
    names = frozen_in(words.graph)
    if not names:
        return ""
    lines = lines_that_freeze(words.graph)
    where = f", see {lines[0]}" if len(lines) == 1 else ""
    said = "gets no gradient: its" if len(names) == 1 else "get no gradient: their"
    return f"{named_shortly(names)} {said} requires_grad is False{where}."


def frozen_in(graph: Graph) -> list[str]:
    """The names of the parameters that require no gradient, and never had one."""
    trained = {one.name for one in graph.grad_histories} | {node.name for node in graph.node_list if node.requires_grad}
    known = [note for note in graph.notes if note.kind == MODEL]
    pairs = [pair for note in known for pair in zip(note.subjects, note["wanted"], strict=True)]
    pairs += [(name, False) for note in graph.notes if note.kind == FROZEN for name in note.subjects]
    return [name for name, wanted in pairs if not wanted and name not in trained]


def lines_that_freeze(graph: Graph) -> list[str]:
    """Where the program says of tensors whether they require a gradient."""
    known = [line for note in graph.notes if note.kind == WRITTEN_LINES for line in note["lines"]]
    return list(dict.fromkeys(source for what, _, source, *_ in known if what in FREEZE))
