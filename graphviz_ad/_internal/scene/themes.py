"""Every colour and font of the pictures.

The pairs were measured: text has a contrast of at least 4.5:1 on every fill it appears on, lines 3:1, and value and
gradient stay apart for protan, deutan and tritan readers. Colour is never the only channel: values are bold and
upright, gradients italic; see `graphviz_ad._internal.scene.paint`. Shades of elements are purple below 0 and green
above it, hues that say nothing else and that all of these readers tell apart; on paper they are dark below and light
above.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from graphviz_ad._internal.base.errors import UnknownNameError

FONT_STACK = "'DejaVu Sans', Verdana, Helvetica, Arial, sans-serif"


@dataclass(frozen=True)
class Theme:
    """Role -> colour, "#rrggbb". ``follows`` names the theme to use where the reader prefers dark."""

    name: str
    colors: Mapping[str, str]
    follows: str | None = None

    def __getitem__(self, role: str) -> str:
        return self.colors[role]

    @property
    def dark(self) -> bool:
        """Whether the paper is dark, so that a picture cannot do without it."""
        return int(self["paper"][1:3], 16) < 128


LIGHT = {
    "paper": "#FFFFFF",
    "ink": "#1B1F24",
    "muted": "#5A5F66",
    "edge": "#7A8088",
    "value": "#00679F",
    "value.line": "#0072B2",
    "gradient": "#A84300",
    "gradient.line": "#D55E00",
    "leaf": "#F2F8FD",
    "op": "#FFFFFF",
    "data": "#ECECEC",
    "module": "#F6F3FA",
    "badge": "#1B1F24",
    "badge.text": "#FFFFFF",
    "group": "#FAFAFB",
    "group.line": "#B9BEC6",
    "active": "#FFF3BF",
    "active.line": "#1B1F24",
    "forward": "#DCEEFA",
    "backward": "#FBE3D3",
    "waiting": "#FFF9E3",
    "path.0": "#00679F",
    "path.1": "#A84300",
    "path.2": "#00734F",
    "path.3": "#8F3A70",
    "shade.n4": "#B58DD2",
    "shade.n3": "#CBAFE0",
    "shade.n2": "#DECCEB",
    "shade.n1": "#EFE6F5",
    "shade.0": "#FFFFFF",
    "shade.p1": "#DFF2E3",
    "shade.p2": "#BDE4C6",
    "shade.p3": "#98D4A7",
    "shade.p4": "#6CC281",
}

DARK = {
    "paper": "#111318",
    "ink": "#E8EAED",
    "muted": "#A9B0BA",
    "edge": "#858C96",
    "value": "#6CC3F5",
    "value.line": "#6CC3F5",
    "gradient": "#FFA45C",
    "gradient.line": "#FFA45C",
    "leaf": "#18222D",
    "op": "#16191F",
    "data": "#2A2D33",
    "module": "#1E1A26",
    "badge": "#E8EAED",
    "badge.text": "#111318",
    "group": "#15181D",
    "group.line": "#4A505A",
    "active": "#4A3F12",
    "active.line": "#FFD75E",
    "forward": "#12324A",
    "backward": "#4A2A12",
    "waiting": "#38321A",
    "path.0": "#6CC3F5",
    "path.1": "#FFA45C",
    "path.2": "#4FD6A8",
    "path.3": "#E7A6CC",
    "shade.n4": "#7C43AB",
    "shade.n3": "#5F3882",
    "shade.n2": "#472F61",
    "shade.n1": "#302642",
    "shade.0": "#1B1E24",
    "shade.p1": "#1B3028",
    "shade.p2": "#1B432D",
    "shade.p3": "#1B5732",
    "shade.p4": "#1B7038",
}

BLACK = dict.fromkeys(LIGHT, "#000000") | {
    "paper": "#FFFFFF",
    "muted": "#3A3A3A",
    "leaf": "#FFFFFF",
    "op": "#FFFFFF",
    "data": "#EEEEEE",
    "module": "#FFFFFF",
    "badge.text": "#FFFFFF",
    "group": "#FFFFFF",
    "group.line": "#767676",
    "active": "#E4E4E4",
    "forward": "#F4F4F4",
    "backward": "#EBEBEB",
    "waiting": "#F8F8F8",
    "shade.n4": "#8C8C8C",
    "shade.n3": "#9E9E9E",
    "shade.n2": "#B0B0B0",
    "shade.n1": "#C2C2C2",
    "shade.0": "#D2D2D2",
    "shade.p1": "#DEDEDE",
    "shade.p2": "#E9E9E9",
    "shade.p3": "#F4F4F4",
    "shade.p4": "#FFFFFF",
}

GREEN = LIGHT | {
    "value": "#00734F",
    "value.line": "#00734F",
    "gradient": "#A84300",
    "gradient.line": "#A84300",
    "forward": "#DDF1E8",
    "leaf": "#F1FAF5",
}

THEMES: Mapping[str, Theme] = MappingProxyType(
    {
        "light": Theme("light", LIGHT),
        "dark": Theme("dark", DARK),
        "auto": Theme("auto", LIGHT, follows="dark"),
        "print": Theme("print", BLACK),
        "cs231n": Theme("cs231n", GREEN),
    }
)

THEME_NAMES = (*THEMES, "default")  # which is another word for "light"


def theme(name: str) -> Theme:
    """The theme of that name; ``"default"`` is another word for "light"."""
    name = "light" if name == "default" else name
    if name not in THEMES:
        raise UnknownNameError("theme", name, THEMES)
    return THEMES[name]
