"""Options of `plot` and `animate` -> how a graph is shown."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.base.made_once import made_once
from graphviz_ad._internal.graph.calls import with_passes_opened
from graphviz_ad._internal.graph.fold_boxes import folds_of, is_too_large
from graphviz_ad._internal.graph.folding import collapse_modules_but, paths_called
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.open_copies import with_calls_numbered
from graphviz_ad._internal.graph.program_boxes import Derive, names_of_program
from graphviz_ad._internal.graph.transforms import Transform, fold_to_boxes, hide_all_but
from graphviz_ad._internal.maths.box_derivatives import derivatives_of_box
from graphviz_ad._internal.maths.detail_levels import CALLS, MODULES, OPERATIONS, at_detail, without_derivatives
from graphviz_ad._internal.scene.themes import Theme, theme
from graphviz_ad._internal.scene.words.describe import Options

DIRECTIONS = ("LR", "TB")
MATRIX = "matrix"  # local derivatives as that
AUTO = "auto"  # the level of detail that is chosen by size


@dataclass(frozen=True)
class Look:
    """How a graph is shown: the options of `plot` that a film shares; ``anomalies``: what goes wrong among copies
    stands alone.
    """

    theme: Theme
    layout: str
    direction: str
    options: Options
    transforms: tuple[Transform, ...]
    depth: int | None
    detail: str = AUTO
    boxes: int | None = None
    focus: tuple[str, ...] = ()
    expand: tuple[str, ...] = ()
    anomalies: bool = True

    @property
    def opened(self) -> tuple[str, ...]:
        """The names of all that is to be open."""
        return (*self.expand, *[name for name in self.focus if name != AUTO])

    def simplified(
        self, graph: Graph, *, steps: bool = False, needed: Collection[str] = (), ends: Collection[str] = ()
    ) -> Graph:
        """The graph as it will be drawn; ``steps``: with those of an optimizer, which come after all that a film tells;
        ``ends``: the keys of what is an output elsewhere.

        Nothing is folded unasked where that would hide one of the ``needed`` names, of which the picture is to tell.
        """
        whole = self.unfolded(graph, steps=steps, needed=needed, ends=ends)
        if self.detail == MODULES and self.depth is None:
            return whole
        if self.depth is not None:
            with_calls = partial(with_calls_numbered, tree=folds_of(whole))
            return collapse_modules_but(whole, self.depth, self.opened, with_calls)
        if needed and self.boxes is None and not self.focus and not any(node.module for node in whole.node_list):
            return whole  # what is asked about leads through loops, whose rounds would be one box
        folded = fold_to_boxes(whole, self.boxes, self.focus, self.expand, anomalies=self.anomalies)
        return whole if {*needed} & names_in(whole) - names_in(folded) else folded

    def unfolded(
        self, graph: Graph, *, steps: bool = False, needed: Collection[str] = (), ends: Collection[str] = ()
    ) -> Graph:
        """The same before anything is folded for its size; of several cuts of one graph the same one."""
        make = partial(self._unfolded, graph, steps=steps, needed=needed, ends=ends)
        is_same = self.detail == OPERATIONS and with_passes_opened(graph) is graph
        detail = AUTO if is_same else self.detail
        asked = detail, self.depth, *map(id, self.transforms), steps, frozenset(needed), frozenset(ends)
        return made_once(make, graph, "unfolded", *asked)

    def to_be_counted(self, graph: Graph, needed: Collection[str]) -> Graph:
        """The same with steps, whose boxes are to be counted: nobody will see derivatives by lines or calls."""
        return self._unfolded(graph, steps=True, needed=needed, ends=(), derive=without_derivatives)

    def _unfolded(
        self,
        graph: Graph,
        *,
        steps: bool,
        needed: Collection[str],
        ends: Collection[str],
        derive: Derive = derivatives_of_box,
    ) -> Graph:
        if self.detail == OPERATIONS:
            graph = with_passes_opened(graph)
        for transform in self.transforms:
            graph = transform(graph)
        shown = hide_all_but(graph, ends, steps=steps)
        folds = self.detail in (AUTO, OPERATIONS) and self.depth is None
        if steps and folds and is_too_large(shown):  # steps will be strips
            shown = hide_all_but(graph, ends, steps=steps, most_steps=None)
        return self.at_level(shown, needed, derive)

    def at_level(self, graph: Graph, needed: Collection[str], derive: Derive) -> Graph:
        """The graph at the level of detail; what would hide a name of which the picture is to tell stays open."""
        if self.detail == AUTO:
            return graph
        if self.detail == MODULES and self.depth is None:
            paths_called(graph, self.opened)  # names of no modules are an error
        elif self.detail == CALLS:
            names_of_program(graph, self.opened)
        shown = at_detail(graph, self.detail, self.opened, derive)
        hidden = {*needed} & names_in(graph) - names_in(shown)
        return at_detail(graph, self.detail, {*self.opened, *hidden}, derive) if hidden else shown


def names_in(graph: Graph) -> set[str]:
    """Every name by which something in a graph can be asked for."""
    return {
        name
        for node in graph.node_list
        for name in (node.name, *(each for port in node.ports for each in (port.name, *port.also)))
        if name
    }


def picture_look(
    *,
    theme_name: str | Theme = "light",
    layout: str = "auto",
    direction: str | None = None,
    values: bool = True,
    gradients: bool = True,
    local: bool | str = True,
    depth: int | None = None,
    detail: str = AUTO,
    transforms: Sequence[Transform] = (),
    graph: Graph | None = None,
    labels: str = "program",
    saved: bool = True,
    boxes: int | None = None,
    focus: str | Sequence[str] | None = None,
    expand: str | Sequence[str] = (),
    anomalies: bool = True,
) -> Look:
    """The options, which were checked where they came in; the direction by the size of the graph where none was
    chosen.
    """
    if direction is None:
        direction = "TB" if graph is not None and len(graph.node_list) > 40 else "LR"
    check_folds(depth, detail, boxes, names_given(focus))
    options = Options(values, gradients, bool(local), labels=labels, saved=saved, matrices=local == MATRIX)
    return Look(
        theme(theme_name),
        layout,
        direction,
        options,
        tuple(transforms),
        depth,
        detail,
        boxes,
        names_given(focus),
        names_given(expand),
        anomalies,
    )


def check_folds(depth: int | None, detail: str, boxes: int | None, focus: Sequence[str]) -> None:
    """An error where two options say in two ways what is folded."""
    if depth is None and detail != MODULES:
        return
    level = f"depth={depth}" if depth is not None else f"detail={detail!r}"
    if boxes is not None:
        raise OptionError(
            f"{level} says which modules are folded, and boxes={boxes} how many boxes are left, which need not be the"
            " same; leave one of them out"
        )
    if AUTO in focus:
        raise OptionError(
            f"{level} says which modules are folded, and focus={AUTO!r} opens what goes wrong wherever it is; leave one"
            " of them out, or name in focus= what is to be open"
        )


def names_given(given: str | Sequence[str] | None) -> tuple[str, ...]:
    """One name or several."""
    return (given,) if isinstance(given, str) else tuple(given or ())
