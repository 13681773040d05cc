"""animate: graph + options -> the film that was asked for: what it tells, on which stage, in which time. Imported when
the first film is.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial

from graphviz_ad._internal.api.film_plans import (
    NEARLY,
    SPARED,
    FilmPlan,
    Told,
    clearer,
    drawn_rounds,
    is_better_by_line,
    looks_by_module,
    may_be_lines,
    tells_steps,
)
from graphviz_ad._internal.api.looks import look_asked_for
from graphviz_ad._internal.base.errors import GraphvizADWarning, OptionError
from graphviz_ad._internal.diagnosis.history import History
from graphviz_ad._internal.film.lecture import Time, in_time
from graphviz_ad._internal.film.program_lines import listing_of
from graphviz_ad._internal.film.rounds import Passes, Round, rounds_of
from graphviz_ad._internal.film.staging import Screen, Staged, best_stage, is_surely_below
from graphviz_ad._internal.film.story_choice import Choice, PassStory, UsualStory, choose
from graphviz_ad._internal.film.story_passes import on_one_picture
from graphviz_ad._internal.film.updates import MOVES
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.maths.detail_levels import LINES
from graphviz_ad._internal.output.call_options import AnimateOptions, asked_about
from graphviz_ad._internal.scene.loss_curve import panel_with_chart, size_with_panel
from graphviz_ad._internal.scene.overlay import with_overlay
from graphviz_ad._internal.scene.paint import scale_of
from graphviz_ad._internal.scene.picture_options import DIRECTIONS, Look
from graphviz_ad._internal.scene.program_panel import panel_for
from graphviz_ad._internal.scene.ramp_legend import panel_with_legend
from graphviz_ad._internal.scene.scene import Film, Listing, LossCurve
from graphviz_ad._internal.scene.themes import Theme
from graphviz_ad._internal.scene.words.describe import Words
from graphviz_ad._internal.scene.words.names import title_of

FEW_PASSES = 12  # that a film tells unasked
ASPECTS = {"16:9": (1280, 720), "4:3": (960, 720)}  # pixels of a frame


def made_film(graph: Graph, asked: AnimateOptions) -> tuple[Graph, Film, Theme]:
    """The graph that is shown, its film, and the theme of both."""
    refuse_idle(asked)
    passes = told_passes(graph, asked)
    chosen = look_of_film(asked, anomalies=passes is None)
    rounds = on_one_picture(rounds_of(graph, passes)) if passes is not None else ()
    whole = rounds[-1].graph if rounds else graph
    usual = told_of(whole, rounds, chosen, asked)
    planned = cache(partial(plan_of, usual, asked))  # placed when it is asked for
    if may_be_lines(asked, chosen, usual.choice) and (
        is_surely_below(NEARLY, usual.words, usual.choice, screen_of(asked)) or planned().is_far_from_readable
    ):
        levels = (plan_of(told_of(whole, rounds, look, asked), asked) for look in looks_by_module(chosen, rounds))
        if (by_module := clearer(levels, planned)) is not None:
            return film_of_plan(replace(by_module, unasked="module"), asked, chosen.theme)
        lines = told_of(whole, rounds, replace(chosen, detail=LINES), asked)
        if tells_steps(lines.shown, usual.shown, SPARED):
            by_line = replace(plan_of(lines, asked), unasked="line")
            if is_better_by_line(by_line, usual.shown, planned):
                return film_of_plan(by_line, asked, chosen.theme)
    return film_of_plan(planned(), asked, chosen.theme)


def told_of(whole: Graph, rounds: Sequence[Round], look: Look, asked: AnimateOptions) -> Told:
    """What a film with that look is about, and how it is told."""
    ends = {node.key for one in rounds for node in one.graph.outputs}
    shown = look.simplified(whole, needed=asked_about(asked.wrt, asked.tangents), ends=ends)
    usual = UsualStory(asked.direction, None if asked.steps is None else asked.steps == "edge")
    each = drawn_rounds(rounds, look, ends)
    shown = each[-1].graph if each else shown
    choice = choose(
        wrt=asked.wrt, tangents=asked.tangents, passes=each, shown=shown, usual=usual, history=history_in(asked)
    )
    sums = look.options.gradients
    written = replace(look.options, sums=sums, leaf_sums=sums, inline=asked.constants == "inline")
    return Told(shown, written, choice)


def look_of_film(asked: AnimateOptions, *, anomalies: bool) -> Look:
    """What is drawn on the stage, and how; ``anomalies`` open boxes where something goes wrong."""
    numbers = history_in(asked) is None  # of the steps of a training those of one pass would not be true
    backward = asked.direction != "forward" and asked.tangents is None and numbers
    return look_asked_for(
        asked,
        direction=asked.flow,
        values=numbers,
        gradients=backward,
        local=asked.local and (backward or (asked.tangents is not None and numbers)),
        depth=asked.depth or (1 if asked.steps == "module" else None),
        anomalies=anomalies,
    )


def plan_of(told: Told, asked: AnimateOptions) -> FilmPlan:
    """The stage of a film for the screen that was asked for, with what stands beside it."""
    listing = program_beside(told.choice, told.words) if asked.code else None
    panel = panel_for(listing, ASPECTS[asked.aspect])
    panel = panel_with_legend(panel) if fills_of(asked) is not None else panel
    screen = replace(screen_of(asked), panel=panel)
    return FilmPlan(told, *staged_with_curve(told.words, told.choice, screen), listing)


def screen_of(asked: AnimateOptions) -> Screen:
    """The screen that was asked for, with nothing beside the stage."""
    camera = asked.camera and history_in(asked) is None  # all boxes have something to say at each step
    return Screen((asked.flow,) if asked.flow else DIRECTIONS, asked.layout, ASPECTS[asked.aspect], camera)


def film_of_plan(planned: FilmPlan, asked: AnimateOptions, theme: Theme) -> tuple[Graph, Film, Theme]:
    """The film of a staged story, in the time that there is."""
    told, staged, screen = planned.told, planned.staged.finished(), planned.screen
    shown, speed = planned.graph, float(asked.speed)
    stage = with_overlay(staged.scene, shown, fills_of(asked))
    film = Film(
        stage,
        staged.story.steps,
        staged.story.opening,
        title_of(shown),
        speed,
        screen.size,
        panel=screen.panel,
        program=planned.listing,
    )
    film = with_curve(replace(film, motion=asked.motion), staged.story.curve)
    chose = asked.steps is not None or not isinstance(told.choice, (UsualStory, PassStory))
    time = Time(asked.max_seconds, chose, asked.narration)
    return shown, in_time(film, staged, screen, told.words, time), theme


def history_in(asked: AnimateOptions) -> History | None:
    """The training run that a film is to show, if it is to show one."""
    return asked.overlay if isinstance(asked.overlay, History) else None


def fills_of(asked: AnimateOptions) -> str | Mapping[str, float] | None:
    """What boxes are filled by."""
    return asked.overlay if not isinstance(asked.overlay, History) else None


def told_passes(graph: Graph, asked: AnimateOptions) -> Passes | None:
    """Which recorded passes are told one after the other, None for the last alone; 0 is the first of them. A single
    pass is told so where the program moved something after it.
    """
    if asked.passes is not None:
        return None if asked.passes is False else asked.passes
    other = (
        asked.wrt
        or asked.tangents
        or history_in(asked) is not None
        or asked.direction != "both"
        or asked.steps in ("edge", "op")
    )
    if other or not graph.has_gradients or graph.ranks or len(graph.passes) > FEW_PASSES:
        return None
    return True if len(graph.passes) > 1 else 0 if len(graph.passes) == 1 and is_moved(graph) else None


def is_moved(graph: Graph) -> bool:
    """Whether the program moved a tensor that was learning."""
    events = (event for history in graph.grad_histories for event in history.events)
    return any(event.what in MOVES and event.wrote for event in events)


def with_curve(film: Film, curve: LossCurve | None) -> Film:
    """The film with the chart of its losses, if it has any, and room for that on its stage, if not beside it."""
    if curve is None or film.stage.size is None or (film.panel and film.panel.chart):
        return replace(film, curve=curve)
    size, corner, chart = size_with_panel(film.stage.size, partial(scale_of, size=film.size, panel=film.panel))
    return replace(film, stage=replace(film.stage, size=size), curve=replace(curve, corner=corner, size=chart))


def staged_with_curve(words: Words, choice: Choice, screen: Screen) -> tuple[Staged, Screen]:
    """The stage, and what it is made for: where a camera shows a part of it, the chart of the losses stands beside."""
    staged = best_stage(words, choice, screen)
    if not staged.camera or staged.story.curve is None:
        return staged, screen
    screen = replace(screen, panel=panel_with_chart(screen.panel, screen.size))
    return best_stage(words, choice, screen), screen


def program_beside(choice: Choice, words: Words) -> Listing | None:
    """The program that a story is about; a warning where none is known."""
    listing = listing_of(words.graph, choice.told(words).story.steps)
    if listing is None:
        warnings.warn(
            "code=True shows nothing: no source is known of the lines that ran, as of what is typed at a prompt, made"
            " by torch.fx or has changed since it was imported; trace a function that stands in a file or a cell",
            GraphvizADWarning,
            stacklevel=5,
        )
    return listing


def refuse_idle(asked: AnimateOptions) -> None:
    """Refuse options that would have no effect on the story that was chosen."""
    asks = {
        "wrt": asked.wrt,
        "tangents": asked.tangents,
        "passes": asked.passes is not None and asked.passes is not False,
        "overlay": history_in(asked) is not None,
    }
    other = next((name for name, given in asks.items() if given), None)
    if other is not None and asked.direction != "both":
        raise OptionError(
            f"direction={asked.direction!r} does not go with {other}=, which tells a story of its own; leave out one of"
            " the two"
        )
    if asked.steps in ("edge", "op") and (other is not None or asked.direction == "forward"):
        rest = f"{other}= tells another story" if other is not None else "direction='forward' tells none"
        raise OptionError(
            f"steps={asked.steps!r} says how finely the backward pass is told, but {rest}; leave out one of the two"
        )
