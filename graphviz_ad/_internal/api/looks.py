"""The options that pictures and films share -> how a graph is shown."""

from __future__ import annotations

from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.output.call_options import Look as Asked
from graphviz_ad._internal.scene.picture_options import Look, picture_look


def look_asked_for(
    asked: Asked,
    *,
    direction: str | None,
    values: bool,
    gradients: bool,
    local: bool | str,
    depth: int | None,
    graph: Graph | None = None,
    saved: bool = True,
    anomalies: bool = True,
) -> Look:
    """The look that was asked for; what pictures and films do not share is given beside it, see `picture_look`."""
    return picture_look(
        theme_name=asked.theme,
        layout=asked.layout,
        direction=direction,
        values=values,
        gradients=gradients,
        local=local,
        depth=depth,
        detail=asked.detail,
        transforms=asked.transforms,
        graph=graph,
        labels=asked.labels,
        saved=saved,
        boxes=asked.boxes,
        focus=asked.focus,
        expand=asked.expand,
        anomalies=anomalies,
    )
