"""Options of a film -> which story it tells, and the scene on which it is told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.diagnosis.box_curves import norms_in_boxes
from graphviz_ad._internal.diagnosis.history import History
from graphviz_ad._internal.explain.explainer import explain_gradient
from graphviz_ad._internal.explain.explanation import Explanation
from graphviz_ad._internal.explain.forward_mode import Tangents, tangents_of
from graphviz_ad._internal.explain.path_picture import with_paths
from graphviz_ad._internal.explain.tangent_picture import TangentWords, with_tangents
from graphviz_ad._internal.film.rounds import Round
from graphviz_ad._internal.film.story import Story, tell
from graphviz_ad._internal.film.story_passes import Told, same_pictures, tell_passes, words_of_rounds
from graphviz_ad._internal.film.story_paths import tell_paths
from graphviz_ad._internal.film.story_tangents import tell_tangents
from graphviz_ad._internal.film.story_training import training_told
from graphviz_ad._internal.graph.graph import Edge, Graph
from graphviz_ad._internal.scene.leaf_copies import inline_constants, without_boxes
from graphviz_ad._internal.scene.paint import label_size
from graphviz_ad._internal.scene.scene import Arrow, Change, Scene
from graphviz_ad._internal.scene.scene_building import build_scene
from graphviz_ad._internal.scene.words.describe import Words, words_of_graph


@dataclass(frozen=True)
class Telling:
    """A story, and the scene without places on which it is told, with room for all that it says."""

    story: Story
    scene: Scene


@dataclass(frozen=True)
class UsualStory:
    """The forward pass, the backward pass, or both; ``per_edge`` as in `tell`."""

    direction: str = "both"
    per_edge: bool | None = None

    def told(self, words: Words) -> Telling:
        """The story in these words."""
        return staged(tell(words, self.direction, per_edge=self.per_edge), words)

    def told_apart(self, words: Words, scene: Scene, apart: Callable[[Sequence[Edge]], bool]) -> Story:
        """The same on a scene that is there, where contributions that go far apart are told one by one unless
        somebody chose.
        """
        chosen = self.per_edge is not None
        story = tell(words, self.direction, per_edge=self.per_edge, apart=None if chosen else apart)
        return only_about(story, drawn_keys(scene))


@dataclass(frozen=True)
class PathStory:
    """The paths of the chain rule, one at a time."""

    explained: Explanation

    def told(self, words: Words) -> Telling:
        """The story in these words."""
        telling = staged(tell_paths(words, self.explained), words)
        return replace(telling, scene=with_paths(only_factors(telling.scene), self.explained))


@dataclass(frozen=True)
class TangentStory:
    """Forward mode."""

    tangents: Tangents

    def told(self, words: Words) -> Telling:
        """The story in these words."""
        telling = staged(tell_tangents(TangentWords(words, self.tangents)), words)
        return replace(telling, scene=with_tangents(telling.scene, words, self.tangents))


@dataclass(frozen=True)
class PassStory:
    """Recorded backward passes; the picture is that of the last one, and of the last that came to each part."""

    rounds: tuple[Round, ...]

    def told(self, words: Words) -> Telling:
        """The story in these words."""
        each = [Told(one, words_of_graph(one.graph, words.options)) for one in self.rounds]
        picture = words_of_rounds(each)
        return staged(tell_passes(each, picture), picture)


@dataclass(frozen=True)
class TrainingStory:
    """A training run, on the graph of one of its steps."""

    history: History

    def told(self, words: Words) -> Telling:
        """The story in these words."""
        telling = staged(Story((), ()), words)
        drawn = drawn_keys(telling.scene)
        norms = {key: each for key, each in norms_in_boxes(self.history, words.graph).items() if key in drawn}
        told = training_told(self.history, norms)
        return Telling(told.story(), told.with_room(telling.scene))


Choice = UsualStory | PathStory | TangentStory | PassStory | TrainingStory


def choose(
    *,
    wrt: str | None,
    tangents: str | Mapping[str, Any] | None,
    passes: Sequence[Round],
    shown: Graph,
    usual: UsualStory,
    history: History | None = None,
) -> Choice:
    """The story that was asked for."""
    stories = (("wrt", wrt), ("tangents", tangents), ("passes", passes), ("overlay", history is not None))
    asked = [name for name, given in stories if given]
    if len(asked) > 1:
        raise OptionError(f"{' and '.join(asked)} are different stories; make a film of each")
    if history is not None:
        return TrainingStory(history)
    if wrt is not None:
        return PathStory(explain_gradient(shown, wrt))
    if tangents is not None:
        return TangentStory(tangents_of(shown, tangents))
    if passes:
        same_pictures([one.graph for one in passes])
        return PassStory(tuple(passes))
    return usual


def staged(story: Story, words: Words) -> Telling:
    """A story on the plain picture of the words, and of what is drawn there alone."""
    scene = build_scene(words, changes=story.changes)
    written = inline_constants(words) if words.options.inline else frozenset()
    if not written:
        return Telling(story, scene)
    scene = without_boxes(scene, written)
    return Telling(only_about(story, drawn_keys(scene)), scene)


def drawn_keys(scene: Scene) -> set[str]:
    """The keys of everything that a step can change."""
    return {*(box.key for box in scene.boxes), *(arrow.key for arrow in scene.arrows)}


def only_about(story: Story, drawn: Collection[str]) -> Story:
    """The story without changes of what is not drawn."""

    def told(changes: Iterable[Change]) -> tuple[Change, ...]:
        return tuple([change for change in changes if change.key in drawn])

    return replace(
        story,
        opening=told(story.opening),
        steps=tuple([replace(step, changes=told(step.changes)) for step in story.steps]),
    )


def only_factors(scene: Scene) -> Scene:
    """The scene without what flows back along the arrows, which is no factor of a path."""
    return replace(scene, arrows=tuple(without_contribution(arrow) for arrow in scene.arrows))


def without_contribution(arrow: Arrow) -> Arrow:
    """The arrow with the other words only."""
    lines = tuple(line for line in arrow.lines if line.role != "contribution")
    width, height = label_size(lines)
    return replace(arrow, lines=lines, width=width, height=height)
