"""Scene -> placed Scene: one module per engine, each with ``place(scene, *, seconds)``, and `choice`, which
picks one.
"""

from __future__ import annotations

from graphviz_ad._internal.base.registry import Registry

LAYOUTS = Registry(
    "layout",
    {
        "auto": "graphviz_ad._internal.layouts.choice:place_automatically",
        "dot": "graphviz_ad._internal.layouts.graphviz_wasm:place",
        "system-dot": "graphviz_ad._internal.layouts.graphviz_system:place",
        "layered": "graphviz_ad._internal.layouts.layered:place",
    },
)
