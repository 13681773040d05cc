"""What a film is about + the screen -> on which level of detail it is told: as operations, or as lines of the program
where a whole is far from readable as operations and these alone let it be read, or at least in much larger letters and
a shorter film: lines have no local derivatives. A training of modules is told by modules, then, the innermost that let
a whole be read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from graphviz_ad._internal.film.rounds import Round, folded, with_folds
from graphviz_ad._internal.film.staging import Screen, Staged
from graphviz_ad._internal.film.story_choice import Choice, PassStory, UsualStory
from graphviz_ad._internal.graph.graph import COMPUTED, Graph
from graphviz_ad._internal.graph.notices import notice
from graphviz_ad._internal.output.call_options import AnimateOptions
from graphviz_ad._internal.scene.picture_options import AUTO, Look
from graphviz_ad._internal.scene.scene import Listing
from graphviz_ad._internal.scene.words.describe import Options, Words, words_of_graph

LEAST = 3  # boxes that compute something: of fewer, nothing is learnt of how a program goes on
MOST = 40  # boxes; the letters of more can never be read at once
FEWEST = 0.2  # of the boxes of operations: where a line does more, it hides what there is to see
MOST_OF = 0.5  # of them: lines that are not far fewer hide local derivatives and spare nobody much
SPARED = 0.75  # of them: as many lines are fewer steps, which is worth it where a camera is needed for both
NEARLY = 0.75  # of the size of letters that can be read: two looks at the operations tell more than one at the lines
CLEARER = 1.3  # times as large: letters for which modules or lines are shown that cannot be read at once, either
MOST_TRIED = 3  # levels of modules, each of which is placed


@dataclass(frozen=True, eq=False)
class Told:
    """What a film is about: the graph that is shown, what is written of it, and which story is told."""

    shown: Graph
    written: Options
    choice: Choice

    @cached_property
    def words(self) -> Words:
        """The words of the graph, made when they are asked for."""
        return words_of_graph(self.shown, self.written)


@dataclass(frozen=True)
class FilmPlan:
    """A story on its stage, on a screen, beside the program that it is about."""

    told: Told
    staged: Staged
    screen: Screen
    listing: Listing | None = None
    unasked: str = ""  # "line" or "module", where the film is told by these though nobody asked for them

    @property
    def graph(self) -> Graph:
        """The graph that is shown, which says so where its boxes are lines of the program or modules unasked."""
        if not self.unasked:
            return self.told.shown
        if self.unasked == "line":
            return self.told.shown.saying(notice("told by line" if self.is_readable else "told by larger line"))
        return self.told.shown.saying(notice("told by module" if self.is_readable else "told by larger module"))

    @property
    def is_readable(self) -> bool:
        """Whether all of the stage can be read at once."""
        return self.staged.is_readable(self.screen)

    @property
    def is_far_from_readable(self) -> bool:
        """Whether letters are much too small where all of the stage is seen at once."""
        return self.share < NEARLY

    @property
    def share(self) -> float:
        """How large letters are with all of the stage in sight, of what it takes to read them."""
        return self.staged.share_of_readable(self.screen)


def clearer(levels: Iterable[FilmPlan], usual: Callable[[], FilmPlan]) -> FilmPlan | None:
    """The first of these that can be read; else the one with the largest letters, if they are much larger than those
    of the usual one, which is planned only then.
    """
    tried: list[FilmPlan] = []
    for plan in levels:
        if plan.is_readable:
            return plan
        tried.append(plan)
    best = max(tried, key=lambda plan: plan.share, default=None)
    return best if best is not None and best.share >= CLEARER * usual().share else None


def may_be_lines(asked: AnimateOptions, look: Look, choice: Choice) -> bool:
    """Whether it is left open what a box is: a line hides the factors of a path, and what was asked for by name."""
    is_open = look.detail == AUTO and look.depth is None and look.boxes is None and not (look.focus or look.expand)
    return is_open and asked.steps is None and isinstance(choice, (UsualStory, PassStory))


def drawn_rounds(rounds: Sequence[Round], look: Look, ends: Collection[str]) -> list[Round]:
    """The rounds as they are drawn."""
    graphs = [look.simplified(one.graph, ends=ends) for one in rounds]
    graphs = graphs if look.depth is None else folded(rounds, graphs)
    return [with_folds(one, graph) for one, graph in zip(rounds, graphs, strict=True)]


def looks_by_module(look: Look, rounds: Sequence[Round]) -> Iterator[Look]:
    """The look at each level of modules, the innermost first, on which all rounds have the same few boxes."""
    deepest = max((len(node.module) for one in rounds for node in one.graph.node_list), default=0)
    ends = {node.key for one in rounds for node in one.graph.outputs}
    before = None
    tried = 0
    for depth in range(deepest, 0, -1):
        at_depth = replace(look, depth=depth)
        graphs = [one.graph for one in drawn_rounds(rounds, at_depth, ends)]
        boxes = tuple(graphs[0].nodes)
        modules = sum(node.kind == "module" for node in graphs[0].node_list)
        fits = modules > 1 and modules + computed(graphs[0]) >= LEAST and len(boxes) <= MOST and boxes != before
        if fits and all(tuple(graph.nodes) == boxes for graph in graphs) and tried < MOST_TRIED:
            tried += 1
            yield at_depth
        before = boxes


def is_better_by_line(lines: FilmPlan, operations: Graph, usual: Callable[[], FilmPlan]) -> bool:
    """Whether a film of lines shows more than one of operations, which is far from readable as a whole: the whole at
    once, or in much larger letters what it takes a camera to see; the usual film is planned only then.
    """
    if lines.is_readable:
        return tells_steps(lines.told.shown, operations)
    return lines.share >= CLEARER * usual().share


def tells_steps(lines: Graph, operations: Graph, most: float = MOST_OF) -> bool:
    """Whether lines of the program show how it goes on, in far fewer boxes than its operations, and few enough; at
    ``most`` that share of them.
    """
    count, before = computed(lines), computed(operations)
    return len(lines.node_list) <= MOST and max(LEAST, FEWEST * before) <= count <= most * before


def computed(graph: Graph) -> int:
    """How many boxes compute something."""
    return sum(node.kind in COMPUTED for node in graph.node_list)
