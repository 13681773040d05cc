"""Options of a film -> which story it tells, where it is not simply the forward and the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.explain.explainer import explain
from graphviz_ad._internal.explain.forward_mode import tangents as tangents_of
from graphviz_ad._internal.explain.path_picture import with_paths
from graphviz_ad._internal.explain.tangent_picture import TangentWords, with_tangents
from graphviz_ad._internal.film.story import Story
from graphviz_ad._internal.film.story_passes import same_pictures, tell_passes
from graphviz_ad._internal.film.story_paths import tell_paths
from graphviz_ad._internal.film.story_tangents import tell_tangents
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.scene.paint import label_size
from graphviz_ad._internal.scene.scene import Arrow, Scene
from graphviz_ad._internal.scene.wording import Wording


def only_factors(scene: Scene) -> Scene:
    """The scene without what flows back along the arrows, which is no factor of a path."""
    return replace(scene, arrows=tuple(without_contribution(arrow) for arrow in scene.arrows))


def without_contribution(arrow: Arrow) -> Arrow:
    """The arrow with the other words only."""
    lines = tuple(line for line in arrow.lines if line.role != "contribution")
    width, height = label_size(lines)
    return replace(arrow, lines=lines, width=width, height=height)


@dataclass(frozen=True)
class OtherStory:
    """How it is told, and what it writes on the picture beside."""

    tell: Callable[[Wording], Story]
    dress: Callable[[Scene, Wording], Scene]


def choose(*, wrt: str | None, tangents: str | Mapping[str, Any] | None, passes: Sequence[Graph], shown: Graph) -> OtherStory | None:
    """The story that was asked for; None for the usual one."""
    asked = [name for name, given in (("wrt", wrt), ("tangents", tangents), ("passes", passes)) if given]
    if len(asked) > 1:
        raise OptionError(f"{' and '.join(asked)} are different stories; make a film of each")
    if wrt is not None:
        explained = explain(shown, wrt)
        return OtherStory(lambda wording: tell_paths(wording, explained), lambda scene, _: with_paths(only_factors(scene), explained))
    if tangents is not None:
        found = tangents_of(shown, tangents)
        return OtherStory(lambda wording: tell_tangents(TangentWords(wording, found)), lambda scene, wording: with_tangents(scene, wording, found))
    if passes:
        same_pictures(passes)
        return OtherStory(lambda wording: tell_passes([replace(wording, graph=graph) for graph in passes]), lambda scene, _: scene)
    return None
