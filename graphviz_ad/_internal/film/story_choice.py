"""Options of a film -> which story it tells, and the scene on which it is told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.explain.explainer import explain_gradient
from graphviz_ad._internal.explain.explanation import Explanation
from graphviz_ad._internal.explain.forward_mode import Tangents, tangents_of
from graphviz_ad._internal.explain.path_picture import with_paths
from graphviz_ad._internal.explain.tangent_picture import TangentWords, with_tangents
from graphviz_ad._internal.film.story import Story, tell
from graphviz_ad._internal.film.story_passes import same_pictures, tell_passes, words_of_passes
from graphviz_ad._internal.film.story_paths import tell_paths
from graphviz_ad._internal.film.story_tangents import tell_tangents
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
    """All recorded backward passes; the picture is that of the last one, and of the last that came to each part."""

    passes: tuple[Graph, ...]

    def told(self, words: Words) -> Telling:
        """The story in these words."""
        each = [words_of_graph(graph, words.options) for graph in self.passes]
        picture = words_of_passes(each)
        return staged(tell_passes(each, picture), picture)


Choice = UsualStory | PathStory | TangentStory | PassStory


def choose(
    *,
    wrt: str | None,
    tangents: str | Mapping[str, Any] | None,
    passes: Sequence[Graph],
    shown: Graph,
    usual: UsualStory,
) -> Choice:
    """The story that was asked for."""
    asked = [name for name, given in (("wrt", wrt), ("tangents", tangents), ("passes", passes)) if given]
    if len(asked) > 1:
        raise OptionError(f"{' and '.join(asked)} are different stories; make a film of each")
    if wrt is not None:
        return PathStory(explain_gradient(shown, wrt))
    if tangents is not None:
        return TangentStory(tangents_of(shown, tangents))
    if passes:
        same_pictures(passes)
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

    return Story(told(story.opening), tuple([replace(step, changes=told(step.changes)) for step in story.steps]))


def only_factors(scene: Scene) -> Scene:
    """The scene without what flows back along the arrows, which is no factor of a path."""
    return replace(scene, arrows=tuple(without_contribution(arrow) for arrow in scene.arrows))


def without_contribution(arrow: Arrow) -> Arrow:
    """The arrow with the other words only."""
    lines = tuple(line for line in arrow.lines if line.role != "contribution")
    width, height = label_size(lines)
    return replace(arrow, lines=lines, width=width, height=height)
