"""What makes a Graph -> a Graph that is made when somebody asks for what it is made of.

It is a `Graph` from the beginning, and like any other as soon as somebody has asked; what it was to be made of is let
go of then.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import MISSING, fields
from threading import RLock
from typing import Any

from graphviz_ad._internal.base.errors import TraceError
from graphviz_ad._internal.graph.graph import Graph

# what is not known before it is made
LATE = ("node_list", "edges", "notes", "detail", "memory", "statements", "module_classes", "program")
MAKING = "_making"
OUTSIDE = (MemoryError, RecursionError, TimeoutError)
OURS = ("builtins", "torch", "numpy", __name__.partition(".")[0])  # whose exceptions may come of a fault of ours
DEFAULTS = {each.name: each.default for each in fields(Graph)}


def graph_made_late(make: Callable[[], Graph], **known: Any) -> Graph:
    """The graph that ``make`` will return; ``known`` are the fields, beside `LATE`, that are not as by default."""
    graph = object.__new__(Graph)
    at_once = {name: default for name, default in DEFAULTS.items() if name not in LATE and default is not MISSING}
    graph.__dict__.update(at_once | known | {MAKING: Making(make)})
    return graph


class Making:
    """What makes a graph, once, whoever asks first; where that fails, the next who asks hears so, too."""

    def __init__(self, make: Callable[[], Graph]) -> None:
        """Nobody has asked yet."""
        self._make = make
        self._one_at_a_time, self._process = RLock(), os.getpid()

    def fill(self, graph: Graph) -> None:
        """Give the graph what it lacks."""
        own = graph.__dict__
        if self._process != os.getpid():  # forked, maybe while a thread that is not here was making it
            self._one_at_a_time, self._process = RLock(), os.getpid()
        with self._one_at_a_time:
            if MAKING not in own:  # somebody else has done it meanwhile
                return
            try:
                made = self._make().__dict__
            except Exception as error:
                if comes_from_outside(error):
                    raise
                raise TraceError(
                    f"the program was recorded, but no graph could be made of it: {type(error).__name__}: {error}."
                    " Nothing is wrong with the program; please report this"
                ) from error
            own.update({name: made[name] for name in LATE})
            del own[MAKING]


def comes_from_outside(error: Exception) -> bool:
    """Whether an exception is no fault of ours: the machine has too little of something, or a handler of the program
    raised it meanwhile, as those of signals do.
    """
    return isinstance(error, OUTSIDE) or type(error).__module__.partition(".")[0] not in OURS


class Late:
    """A field of a graph that may have to be made: it is looked up here only where the graph itself has none."""

    def __init__(self, name: str) -> None:
        """Of the field of this name."""
        self.name, self.default = name, DEFAULTS[name]

    def __get__(self, graph: Graph | None, kind: type | None = None) -> Any:
        """What it holds; of the class, the default."""
        if graph is not None and (making := graph.__dict__.get(MAKING)) is not None:
            making.fill(graph)
        if graph is not None and self.name in graph.__dict__:
            return graph.__dict__[self.name]
        if self.default is MISSING:
            raise AttributeError(f"a {Graph.__name__} has no {self.name} yet")
        return self.default


for name in LATE:
    setattr(Graph, name, Late(name))
