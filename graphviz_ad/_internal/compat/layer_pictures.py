"""Layers and links of a drop-in's result -> Picture, planned for a slide; no Graphviz has to be installed for it."""

from __future__ import annotations

from collections.abc import Sequence

from graphviz_ad._internal.api.api import Picture
from graphviz_ad._internal.diagrams.layer_scenes import Layer, Link, graph_of, planned
from graphviz_ad._internal.scene.place import SLIDE, Finish, Place
from graphviz_ad._internal.scene.themes import Theme

MOST_PLANNED = 160  # boxes; more of them cannot be read on a slide however they are planned
SHEET = Place(2 * SLIDE.width, 8 * SLIDE.height, 6.5, 8, 27, loose=True)


def picture_of(name: str, layers: Sequence[Layer], links: Sequence[Link], theme: Theme) -> Picture:
    """The picture of layers, as large as a slide lets it be."""
    place = SLIDE if len(layers) <= MOST_PLANNED else SHEET
    return Picture(graph_of(name, layers, links), planned(name, [(layers, links)], place), theme, Finish(place))
