"""Options of a still picture + a graph -> its placed scene: as it is asked for, or planned for the place where it will
be seen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from graphviz_ad._internal.base.made_once import made_once, shared_by_candidates
from graphviz_ad._internal.diagnosis.history import History
from graphviz_ad._internal.graph.fold_boxes import BOXES, is_too_large, names_to_open
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.notices import PARTS_IN_BOXES
from graphviz_ad._internal.graph.other_passes import with_other_passes
from graphviz_ad._internal.graph.shapes_only import with_reason_said_once
from graphviz_ad._internal.graph.small_print import tells_first
from graphviz_ad._internal.graph.step_updates import with_updates
from graphviz_ad._internal.graph.unread_parameters import with_unread_parameters
from graphviz_ad._internal.layouts.choice import place_scene
from graphviz_ad._internal.layouts.layered import place_tightly
from graphviz_ad._internal.layouts.planning import (
    BRIEFEST,
    BRIEFEST_FOLDED,
    DRAWN,
    MANNERS,
    MANNERS_FOLDED,
    WHOLE,
    Engine,
    Manner,
    best_plan,
    whole_size,
)
from graphviz_ad._internal.layouts.row_wrapping import wrapped
from graphviz_ad._internal.maths.detail_levels import CALLS, LEVELS, LINES, MODULES, OPERATIONS
from graphviz_ad._internal.maths.number_format import written_with
from graphviz_ad._internal.output.call_options import PlotOptions, asked_about, smallest_letters
from graphviz_ad._internal.scene.annotations import with_failure, with_remarks
from graphviz_ad._internal.scene.box_remarks import remarks_at_boxes
from graphviz_ad._internal.scene.bundles import bundled, with_elements_once
from graphviz_ad._internal.scene.fold_legend import compared_with, legend_of_folds
from graphviz_ad._internal.scene.leaf_copies import inline_constants, with_copies, without_boxes
from graphviz_ad._internal.scene.letter_sizes import letter_sizes, smallest_and_median
from graphviz_ad._internal.scene.open_frames import with_open_frames
from graphviz_ad._internal.scene.overlay import with_overlay
from graphviz_ad._internal.scene.parameter_buses import with_parameter_buses
from graphviz_ad._internal.scene.picture_options import AUTO, DIRECTIONS, Look
from graphviz_ad._internal.scene.place import SLIDE, TWO_SCREENS, Place, Size, place_of
from graphviz_ad._internal.scene.scene import Point, Scene
from graphviz_ad._internal.scene.scene_building import build_scene, pass_frames, slimmer
from graphviz_ad._internal.scene.step_arrows import with_arrows_to_steps
from graphviz_ad._internal.scene.words.describe import Options, Words, words_of_graph
from graphviz_ad._internal.scene.words.tensor_grids import ALL, Tensors
from graphviz_ad._internal.tracing.tape.collector import at_rest

if TYPE_CHECKING:
    from graphviz_ad._internal.explain.explanation import Explanation
    from graphviz_ad._internal.explain.forward_mode import Tangents

MOST_ON_A_SLIDE = 40  # nodes; more can never be read there
# of a graph that is too large to be drawn as it stands: how many boxes of it are tried
FEWER = {f"at most {boxes} boxes": boxes for boxes in (32, 24, 20, 16, 13, 10)}
FEWEST = {f"at most {boxes} boxes": boxes for boxes in (7, 4, 1)}  # besides what was asked to be open
DENSE = 9.0, 10.8  # points: the smallest and the usual letters of such a graph, where those of its place are larger
WIDEST, TALLEST, LONGEST = 3.0, 2.0, 4.0  # sides of a picture, one to the other
WHOLE_VIEW, MOST_WRAPPED = 2000.0, 3000  # points of a side; boxes
MOST_OPENED = 8  # boxes of which a page has a picture of what is in them
SPARSE = 0.08  # share of a picture that boxes and words take at least
MUCH = 1.5  # times as large letters, for which frames of modules are left out
LEGIBLE = 0.6  # scale on a slide; below it, a picture is looked at on its own
SQUARE = (1.0, 1.0)
MOST_WRITTEN = 16  # elements of a tensor, in a picture of parts that is shown rather than read
AT_LEISURE = (None, "page", "column")  # places where a picture is read rather than shown
Remarks = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Still:
    """What a still picture is made of: the graph that is shown, its placed scene, and the place it is for."""

    graph: Graph
    scene: Scene
    place: Place | None = None


@dataclass(frozen=True, eq=False)
class Subject:
    """A graph as it is shown on one level of detail, and what is told of it; ``is_part`` of one that is too large."""

    graph: Graph
    look: Look
    asked: PlotOptions
    remarks: Remarks
    explained: Explanation | None
    forward: Tangents | None
    is_part: bool = False
    made: dict[Manner, Scene] = field(default_factory=dict)

    def scene(self, manner: Manner) -> Scene:
        """Its scene in a manner, not placed yet, with room to say all that may be left out."""
        return self.saying(self.drawn(manner), list(self.left_out(manner).values()))

    def noted(self, scene: Scene, manner: Manner) -> Scene:
        """Its placed scene in a manner, which says what is left out."""
        drawn = self.drawn(manner)
        return self.saying(replace(scene, notes=drawn.notes, more=drawn.more), self.missing(manner))

    def saying(self, scene: Scene, missing: Sequence[str]) -> Scene:
        """The scene with a note of what is missing, if anything is: below it, or for those who ask where all of a
        program would be missing but what has room.
        """
        if not missing:
            return scene
        said = f"Left out to fit: {'; '.join(dict.fromkeys(missing))}."
        return replace(scene, more=(*scene.more, said)) if self.is_part else replace(scene, notes=(*scene.notes, said))

    def drawn(self, manner: Manner) -> Scene:
        """Its scene in a manner, made once."""
        if manner not in self.made:
            self.made[manner] = self.draw(manner) if self.says_frames(manner) else self.without_frames(manner)
        return self.made[manner]

    def says_frames(self, manner: Manner) -> bool:
        """Whether its modules are framed, or are boxes whose names have to say what frames would."""
        return manner.framed or any(node.kind == "module" for node in self.graph.node_list)

    def without_frames(self, manner: Manner) -> Scene:
        """Its scene with no frames of modules, of which no word says anything."""
        return replace(self.drawn(replace(manner, framed=True)), groups=tuple(pass_frames(self.graph)))

    def draw(self, manner: Manner) -> Scene:
        """Its scene in a manner."""
        asked, options = self.asked, self.options(manner)
        words = words_of_graph(self.graph, options)
        with written_with(options.digits):
            scene = with_failure(build_scene(words, direction=self.look.direction), self.graph)
            scene = with_remarks(scene, remarks_at_boxes(self.graph), role="note")
            scene = with_remarks(with_remarks(scene, self.remarks), self.curves)
            scene = self.explaining(scene, words)
            plain = self.is_part and self.explained is None and self.forward is None
            scene = with_parameter_buses(bundled(scene, self.graph), self.graph) if plain else scene
            scene = with_arrows_to_steps(with_elements_once(scene, self.graph), self.graph) if plain else scene
        scene = with_overlay(scene, self.graph, overlay_of(asked.overlay, self.graph))
        if asked.constants == "inline":
            scene = without_boxes(scene, inline_constants(words))
        less = {"signs": manner.signs and not self.is_part, "statistics": manner.statistics, "gradless": manner.legend}
        boxes = tuple([slimmer(box, {}, **less, worded=self.is_part) for box in scene.boxes])
        scene = scene if asked.legend else replace(scene, ramp=None)
        legend = asked.given.get("legend", manner.legend and not self.look.theme.brief)
        if not self.is_part or self.look.theme.brief or not asked.given.get("legend", True):
            return replace(scene, boxes=boxes, legend=scene.legend if legend else ())
        scene = replace(scene, boxes=boxes)
        headed = bool(scene.notes) and tells_first(self.graph.notes)
        beside = compared_with(self.graph)
        return replace(scene, legend=legend_of_folds(scene, self.graph), of_folds=True, headed=headed, beside=beside)

    def explaining(self, scene: Scene, words: Words) -> Scene:
        """The scene with the paths of a gradient, or with tangents, if these are asked for."""
        if self.explained is not None:
            from graphviz_ad._internal.explain.path_picture import with_paths

            scene = with_paths(scene, self.explained)
        if self.forward is not None:
            from graphviz_ad._internal.explain.tangent_picture import with_tangents

            scene = with_tangents(scene, words, self.forward)
        return scene

    @cached_property
    def curves(self) -> Remarks:
        """What boxes say of a training run, if they are to."""
        overlay = self.asked.overlay
        if not isinstance(overlay, History):
            return {}
        from graphviz_ad._internal.diagnosis.box_curves import lines_of_boxes

        return lines_of_boxes(overlay, self.graph)

    @property
    def words_left_out(self) -> Mapping[str, str]:
        """What may be missing, in words; in a picture of folds in few, and its legend is only short."""
        return LEFT_OUT_OF_FOLDS if self.is_part else LEFT_OUT

    @property
    def manners(self) -> Sequence[Manner]:
        """The manners in which it may be drawn, from that which says most of what the theme lets it say."""
        if self.is_part:
            return BRIEFEST_FOLDED if self.look.theme.brief else MANNERS_FOLDED
        return BRIEFEST if self.look.theme.brief else MANNERS

    def options(self, manner: Manner) -> Options:
        """What is written on it in a manner."""
        asked = self.look.options
        return replace(
            asked,
            local=asked.local and (manner.local or asked.matrices),
            named=manner.named,
            framed=manner.framed,
            brief=not manner.facts,
            flows=manner.flows,
            kept=self.says_what_is_kept,
            apart=self.is_part and self.asked.digits is None,
            shapes=asked.values and any(node.kind == "module" for node in self.graph.node_list),
            single=manner.single,
            digits=self.asked.digits or manner.digits,
            tensors=Tensors(
                manner.of_values,
                manner.of_gradients,
                manner.on_edges,
                small_gradients=manner.small_gradients,
                headings=manner.legend,
                images=manner.images,
                most=MOST_WRITTEN if self.is_part and not self.is_read_at_leisure else ALL.most,
            ),
            leaf_sums=True,
            moves=True,
            examples=manner.examples,
        )

    @property
    def says_what_is_kept(self) -> bool:
        """Whether boxes say how much they keep for the backward pass: on slides, only where somebody asks for that."""
        return self.asked.overlay == "saved" or self.is_read_at_leisure

    @property
    def is_read_at_leisure(self) -> bool:
        """Whether the picture is for a place where it is read rather than shown."""
        return self.asked.fit in AT_LEISURE and not self.look.theme.for_slides

    def left_out(self, manner: Manner) -> dict[str, str]:
        """What a manner may leave out, beside those before it, each of which has less to say."""
        first = self.manners[0]
        return {
            name: self.said_of(name, manner)
            for name in self.words_left_out
            if getattr(first, name) != getattr(manner, name)
        }

    def said_of(self, fact: str, manner: Manner) -> str:
        """What may be missing in a manner, in words: of elements only some, where others are drawn."""
        some = self.is_part and fact in ELEMENTS and has_grids(self.drawn(manner))
        return OF_SOME if some else self.words_left_out[fact].format(digits=manner.digits)

    def missing(self, manner: Manner) -> list[str]:
        """What a manner leaves out of this very picture."""
        found: dict[str, str] = {}
        for more, less in pairwise(self.manners[: self.manners.index(manner) + 1]):
            fact = next((name for name in self.words_left_out if getattr(more, name) != getattr(less, name)), None)
            if fact is not None and texts_in(self.drawn(more)) != texts_in(self.drawn(less)):
                found[fact] = self.said_of(fact, less if fact == "digits" else manner)
        return [said for fact, said in found.items() if fact != "single" or "flows" not in found]


def overlay_of(asked: str | Mapping[str, float] | History | None, graph: Graph) -> Any:
    """What boxes are filled by; of a training run, what they have at its last step."""
    if not isinstance(asked, History):
        return asked
    from graphviz_ad._internal.diagnosis.box_curves import fills_of_boxes

    return fills_of_boxes(asked, graph)


# what is missing where a manner has less than the one before
LEFT_OUT = {
    "single": "gradients on arrows that boxes show",
    "digits": "all but {digits} digits",
    "local": "local derivatives",
    "statistics": "mean and range of large tensors",
    "examples": "examples of how elements move",
    "on_edges": "elements on arrows",
    "of_gradients": "elements of gradients",
    "of_values": "elements of values",
    "images": "images of tensors",
    "facts": "settings of calls, sizes of modules",
    "flows": "gradients on arrows",
    "legend": "the legend",
}


LEFT_OUT_OF_FOLDS = {
    "single": "gradients on arrows that boxes show",
    "digits": "more than {digits} digits",
    "local": "derivatives",
    "statistics": "ranges",
    "examples": "examples",
    "on_edges": "elements",
    "of_gradients": "elements",
    "of_values": "elements",
    "images": "images",
    "facts": "how much is in boxes",
    "flows": "gradients on arrows",
}
ELEMENTS, OF_SOME = ("on_edges", "of_gradients", "of_values"), "elements of some tensors"


def has_grids(scene: Scene) -> bool:
    """Whether elements of some tensor are drawn in a scene."""
    lines = [*(box.lines for box in scene.boxes), *(arrow.lines for arrow in scene.arrows)]
    return any(line.grid is not None and line.grid.chart is None for each in lines for line in each)


def texts_in(scene: Scene) -> list[str]:
    """All that is written in a scene."""
    lines = [*(box.lines for box in scene.boxes), *(arrow.lines for arrow in scene.arrows)]
    return [*(line.text for each in lines for line in each), *scene.legend]


def subject(graph: Graph, look: Look, asked: PlotOptions, remarks: Remarks) -> Subject:
    """A graph, simplified as it was asked for, with what is told of it."""
    is_whole = look.depth is None
    whole = made_once(partial(with_all_that_is_told, graph, unread=is_whole), graph, "told", is_whole)
    shown = look.simplified(whole, steps=True, needed=asked_about(asked.wrt, asked.tangents, asked.output))
    explained, forward = None, None
    if asked.wrt is not None:
        from graphviz_ad._internal.explain.explainer import explain_gradient

        explained = explain_gradient(shown, asked.wrt, asked.output)
    if asked.tangents is not None:
        from graphviz_ad._internal.explain.forward_mode import tangents_of

        forward = tangents_of(shown, asked.tangents)
    return Subject(shown, look, asked, remarks, explained, forward)


def with_all_that_is_told(graph: Graph, *, unread: bool) -> Graph:
    """The graph with what its steps make of parameters, the ``unread`` ones, too, and no reason said twice."""
    return with_updates(with_reason_said_once(with_unread_parameters(graph) if unread else graph))


def still(graph: Graph, look: Look, asked: PlotOptions, remarks: Remarks, room: Size | None = None) -> Still:
    """The picture that was asked for; ``room``: where it will be seen, if that is known. Little of what is tried on the
    way is garbage, for which up to a third of the time would be searched, and much is the same in all of it.
    """
    with at_rest(), shared_by_candidates():
        return chosen_still(graph, look, asked, remarks, room)


def chosen_still(graph: Graph, look: Look, asked: PlotOptions, remarks: Remarks, room: Size | None) -> Still:
    """The picture as it is asked for, or as it is planned."""
    if asked.wrt is None and asked.tangents is None:
        graph = made_once(partial(with_other_passes, graph), graph, "other passes")
    least = smallest_letters(asked.font) or look.theme.letters
    place, seen = place_of(asked.fit, least), SLIDE if room is None else SLIDE.shaped_as(room)
    levels = Levels(graph, look, asked, remarks)
    if place is None and not look.theme.for_slides:
        if levels.is_folded and levels.are_chosen and asked.layout == "auto":
            found = planned(levels, TWO_SCREENS.with_letters(least))
            return Still(found.graph, found.scene)
        return whole(subject(graph, look, asked, remarks), seen)
    place = place or seen.with_letters(least)
    return planned_open(levels, place) if look.expand else planned(levels, levels.letters_in(place))


def dense(place: Place) -> Place:
    """The place with letters that are no larger than they have to be, so that more boxes have room."""
    smallest, usual = DENSE
    return replace(place, smallest=min(place.smallest, smallest), usual=min(place.usual, usual))


@dataclass(frozen=True, eq=False)
class Levels:
    """A graph on each level of detail that it may be shown on, made when it is asked for."""

    graph: Graph
    look: Look
    asked: PlotOptions
    remarks: Remarks
    made: dict[str, Subject] = field(default_factory=dict)
    is_cut: bool = False  # though it is not too large: something of it is to be open, and all cannot be read

    @cached_property
    def names(self) -> Sequence[str]:
        """The levels, from the finest; one where it was chosen, or where modules are to be folded anyway."""
        if not self.are_chosen:
            return (self.look.detail,)
        if self.look.expand:  # lines, calls and whole modules would close what was asked for
            return (OPERATIONS, *FEWER, *FEWEST) if self.is_folded else (OPERATIONS,)
        if not self.is_folded:
            return tuple(LEVELS)
        counts = {OPERATIONS: BOXES, **FEWER}
        for name in (LINES, CALLS):  # worth a look where nothing of them would have to be folded
            level = replace(self.look, detail=name).to_be_counted(self.graph, self.needed)
            if not is_too_large(level):
                counts[name] = len(level.node_list)
        return (*sorted(counts, key=lambda name: -counts[name]), MODULES)

    @property
    def are_chosen(self) -> bool:
        """Whether it is left open how much of the graph is shown."""
        look = self.look
        return look.detail == AUTO and look.depth is None and look.boxes is None and not look.focus

    @cached_property
    def is_folded(self) -> bool:
        """Whether the graph is too large to be drawn as it stands."""
        return self.is_cut or is_too_large(self.graph)

    def letters_in(self, place: Place) -> Place:
        """The place with the letters that such a graph has there, if nobody asked for others."""
        chosen = smallest_letters(self.asked.font) or self.look.theme.letters
        return dense(place) if self.is_folded and chosen is None else place

    @property
    def needed(self) -> Collection[str]:
        """The names of which the picture is to tell."""
        return asked_about(self.asked.wrt, self.asked.tangents, self.asked.output)

    def on(self, name: str) -> Subject:
        """The graph on a level."""
        if name not in self.made:
            boxes = {**FEWER, **FEWEST}.get(name)
            look = replace(self.look, detail=name) if boxes is None else replace(self.look, boxes=boxes)
            shown = subject(self.graph, look, self.asked, self.remarks)
            self.made[name] = replace(shown, is_part=self.is_folded)
        return self.made[name]


def page_of(
    graph: Graph, look: Look, asked: PlotOptions, remarks: Remarks, made: Still
) -> tuple[Scene, Mapping[str, Scene]]:
    """What a page of the picture shows, and what is seen in boxes that open there: of a graph that is too large, what
    is seen at once, if nobody asked for something else, as boxes can be opened.
    """
    is_folded = any(note.kind == PARTS_IN_BOXES for note in made.graph.notes)
    is_left_open = asked.fit is None and look.layout == "auto" and not look.theme.for_slides
    if is_folded and is_left_open and Levels(graph, look, asked, remarks).are_chosen:
        asked = replace(asked, fit="slide")
        made = still(graph, look, asked, remarks)
    return made.scene, opened_boxes(graph, look, asked, made)


@shared_by_candidates()
def opened_boxes(graph: Graph, look: Look, asked: PlotOptions, made: Still) -> Mapping[str, Scene]:
    """Key of a box that stands for a module -> the picture in which that module is open, and all else as it is folded
    then.
    """
    largest = sorted(made.graph.node_list, key=lambda node: -node.inside)
    names = {node.key: name for node in largest if (name := name_to_open(made.graph, node))}
    known = names_to_open(look.unfolded(graph, steps=True)) if names else frozenset()
    wanted = [(key, name) for key, name in names.items() if name in known][:MOST_OPENED]
    return {
        key: still(graph, replace(look, focus=(name,), depth=None, detail=AUTO, boxes=None), asked, {}).scene
        for key, name in wanted
    }


def name_to_open(graph: Graph, node: Node) -> str | None:
    """The name of the module that a box stands for, of copies of the first; None where nothing is to be seen in it."""
    first = node.copies.first if node.copies is not None else None
    name = first if first in graph.class_of_module else node.op
    return name if node.kind == "module" and node.inside > 1 and name in graph.class_of_module else None


def plain(graph: Graph, look: Look, asked: PlotOptions, remarks: Remarks) -> Still:
    """The same without a plan, one box a node."""
    return unplanned(subject(graph, look, asked, remarks))


def planned(levels: Levels, place: Place) -> Still:
    """The finest of these levels that can be read in the place, drawn for it."""
    names, first = levels.names, levels.on(levels.names[0])
    builds = [partial(scene_on, levels, name) for name in names]
    found = best_plan(builds, place, flows_of(first), first.manners, engine_of(first), turning=first.is_part)
    shown = levels.on(names[found.level])
    scene = with_open_frames(found.scene, shown.graph) if shown.is_part else found.scene
    return Still(shown.graph, shown.noted(scene, found.manner), place)


def planned_open(levels: Levels, place: Place) -> Still:
    """The same where something was asked to be open: all of a graph that is not too large, if it can be read; else
    other parts are closed for it, and at last letters are smaller, which is told.
    """
    seen = levels.letters_in(place)
    found = planned(levels, seen)
    told = telling_small_letters(found.scene, seen)
    if told is found.scene or levels.is_folded or not levels.are_chosen:
        return replace(found, scene=told)
    return planned_open(replace(levels, made={}, is_cut=True), place)


def telling_small_letters(scene: Scene, place: Place) -> Scene:
    """The scene of which something was asked to be open, with a note of how small its letters get for that in the
    place, if they are smaller than can be read there.
    """
    smallest, usual = smallest_and_median(letter_sizes(scene))
    (wanted, set_at), which = max(
        (((place.smallest, smallest), "the smallest"), ((place.usual, usual), "most")),
        key=lambda each: each[0][0] / each[0][1],
    )

    def told(letters: float) -> Scene:
        how = f"{which} have {letters:.1f} points, not {wanted:g}"
        said = f"Letters are small so that all named in expand= is open: {how}."
        return replace(scene, notes=(*scene.notes, said))

    size = scene.size or SQUARE
    if place.scale(whole_size(scene, size, place)) * set_at >= wanted:
        return scene
    return told(set_at * place.scale(whole_size(told(wanted), size, place)))  # the note takes some room, too


def scene_on(levels: Levels, name: str, manner: Manner) -> Scene:
    """The scene of a level in a manner."""
    return levels.on(name).scene(manner)


def whole(shown: Subject, place: Place = SLIDE) -> Still:
    """The picture with all that there is to say: planned for a slide where that makes its letters larger than they are
    without a plan, or does not make them tiny. Another ``place`` is as large as a slide, and of another shape.
    """
    if len(shown.graph.node_list) <= MOST_ON_A_SLIDE and engine_of(shown) is None:
        found = best_plan([shown.scene], place, flows_of(shown), WHOLE, ways=DRAWN)
        if found.scale >= LEGIBLE:
            return Still(shown.graph, found.scene)
        free = unplanned(shown)
        larger = place.scale(free.scene.size or SQUARE) >= found.scale
        return free if larger or not is_in_shape(found.scene) else Still(shown.graph, found.scene)
    return unplanned(shown)


def flows_of(shown: Subject) -> Sequence[str]:
    """The directions that a picture may be drawn in."""
    return (shown.asked.direction,) if shown.asked.direction is not None else DIRECTIONS


def engine_of(shown: Subject) -> Engine | None:
    """The layout that was asked for; None leaves it open."""
    layout = shown.asked.layout
    return None if layout == "auto" else lambda scene: place_scene(scene, layout)


def unplanned(shown: Subject) -> Still:
    """The picture as large as it gets."""
    with at_rest():
        return Still(shown.graph, as_large_as_it_gets(shown))


def as_large_as_it_gets(shown: Subject) -> Scene:
    """Its placed scene."""

    def placed(flow: str) -> Scene:
        return place_scene(replace(shown.scene(shown.manners[0]), direction=flow), shown.look.layout)

    scene = placed(shown.look.direction)
    if shown.asked.direction is None and too_wide(scene):
        scene = placed("TB")
    return in_shape(shown, scene)


def in_shape(shown: Subject, scene: Scene) -> Scene:
    """The picture, wrapped into rows or columns where it would be a long strip: as it is, or without the frames of
    modules, which are in the way of that.
    """
    if engine_of(shown) is not None or len(scene.boxes) > MOST_WRAPPED or is_good(scene):
        return scene
    best = scene if is_in_shape(scene) else wrapped(scene, squareness)
    if scene.groups and not is_in_shape(scene):
        bare = replace(shown.scene(replace(shown.manners[0], framed=False)), direction=scene.direction)
        free = wrapped(place_scene(bare, shown.look.layout), squareness)
        better = squareness(free.size or SQUARE) > MUCH * squareness(best.size or SQUARE)
        best = free if better or not is_in_shape(best) else best
    return best if is_good(best) else closer(shown, best)


def closer(shown: Subject, scene: Scene) -> Scene:
    """The picture of which little is boxes, drawn again as close as can be: leaves that all of it reads stand where
    they are read, without the long arrows that kept its parts in one row or far from each other. Without frames only
    where that is much better.
    """
    best = best_shaped([scene, *drawn_close(shown, shown.manners[0])])
    if not scene.groups:
        return best
    free = best_shaped([*drawn_close(shown, replace(shown.manners[0], framed=False))])
    better = squareness(free.size or SQUARE) > MUCH * squareness(best.size or SQUARE)
    return free if better or not is_good(best) else best


def drawn_close(shown: Subject, manner: Manner) -> Iterator[Scene]:
    """The picture in that manner with leaves where they are read, in as little room as it takes, across and down."""
    drawn = with_copies(shown.scene(manner))
    for flow in flows_of(shown):
        yield wrapped(place_tightly(replace(drawn, direction=flow)), squareness)


def best_shaped(found: Sequence[Scene]) -> Scene:
    """The one that fills a screen best."""
    return max(found, key=lambda each: squareness(each.size or SQUARE))


def is_good(scene: Scene) -> bool:
    """Whether a picture is in shape, and not so large that its boxes are lost in it."""
    width, height = scene.size or SQUARE
    return is_in_shape(scene) and (max(width, height) <= WHOLE_VIEW or filled(scene) >= SPARSE)


def filled(scene: Scene) -> float:
    """The share of a placed picture that is boxes and words."""
    width, height = scene.size or SQUARE
    boxes = sum(box.width * box.height for box in scene.boxes)
    words = sum(arrow.width * arrow.height for arrow in scene.arrows if arrow.lines)
    return (boxes + words) / max(width * height, 1.0)


def is_in_shape(scene: Scene) -> bool:
    """Whether a picture is no long strip, or small enough to be seen whole."""
    width, height = scene.size or SQUARE
    return max(width, height) <= WHOLE_VIEW or (width <= WIDEST * height and height <= TALLEST * width)


def squareness(size: Point) -> float:
    """How well a picture of some size fills a screen; one that is too long to be scrolled through, much less."""
    width, height = max(size[0], 1.0), max(size[1], 1.0)
    ratio = max(width / height, height / width)
    return min(SLIDE.width / width, SLIDE.height / height) * min((LONGEST / ratio) ** 2, 1.0)


def too_wide(scene: Scene) -> bool:
    """Whether a picture is so wide and flat that a slide would make its letters tiny."""
    width, height = scene.size or (1.0, 1.0)
    return width > 2000 and width > 4 * height
