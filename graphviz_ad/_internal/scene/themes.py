"""Every colour and font of the pictures, as values: a theme can be copied, changed, loaded from a file and passed on.

The pairs were measured: text has a contrast of at least 4.5:1 on every fill it appears on, lines 3:1, and value and
gradient stay apart for protan, deutan and tritan readers. Colour is never the only channel: values are bold and
upright, gradients italic; see `graphviz_ad._internal.scene.paint`. Shades of elements are purple below 0 and green
above it, hues that say nothing else and that all of these readers tell apart; on paper they are dark below and light
above.
"""

from __future__ import annotations

import hashlib
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Self

from graphviz_ad._internal.base.argument_types import Says, StrPath, shown_value
from graphviz_ad._internal.base.checked_calls import checking_arguments, demand_fields
from graphviz_ad._internal.base.errors import GraphvizADWarning, OptionError, UnknownNameError
from graphviz_ad._internal.base.own_files import OUR_FOLDER
from graphviz_ad._internal.scene.contrast import faint_pairs

FONT_STACK = "'DejaVu Sans', Verdana, Helvetica, Arial, sans-serif"
MONO_STACK = "'DejaVu Sans Mono', 'Courier New', Menlo, Consolas, monospace"
MOST_NAMED = 3  # pairs of colours in a warning
Font = Annotated[str, Says("the name of a font; '' leaves the usual one", "font")]
Letters = Annotated[
    float | None,
    Says(
        "letters of a picture have so many points at least, on a slide of 960 by 540; None: as it comes",
        "size of letters",
        least=1,
        most=200,
        unit="points",
    ),
]


def font_stack(font: str) -> str:
    """Fonts in the order in which they are tried, as CSS has it."""
    return f"'{font}', {FONT_STACK}" if font else FONT_STACK


@dataclass(frozen=True)
class Theme:
    """Role -> colour, "#rrggbb", and how words are set: a value to be changed by `with_` and passed as ``theme=``.

    ``follows`` is the theme to use where the reader prefers dark. ``font`` stands before those of all pictures.
    ``letters`` are the smallest letters of a picture; ``brief`` writes few lines: numbers of three digits, each
    gradient once, no signs in circles and no legend. With either, a picture is planned for a slide if nothing else is
    asked for.
    """

    name: str
    colors: Mapping[str, str]
    follows: Theme | None = None
    font: Font = ""
    letters: Letters = None
    brief: Annotated[bool, Says("few lines")] = False
    key: str = field(init=False, compare=False, repr=False, default="")

    def __post_init__(self) -> None:
        """Refuse what is no colour or no font; say which colours cannot be told apart."""
        if isinstance(self.colors, Mapping):
            colors = {role_named(role): hex_color(role, color) for role, color in self.colors.items()}
            object.__setattr__(self, "colors", MappingProxyType(colors))
        demand_fields(self)
        if self.font and not re.fullmatch(r"[\w .+-]+", self.font):
            raise OptionError(f"font={shown_value(self.font)} is no name of a font; give one such as 'Source Sans'")
        if missing := [role for role in LIGHT if role not in self.colors]:
            raise OptionError(
                f"a theme has a colour for each role, and {shown_value(self.name)} has none for {', '.join(missing)};"
                " begin with another, as in themes['light'].with_(op='#FFFDF7')"
            )
        object.__setattr__(self, "key", f"{self.name} {self.fingerprint()}")
        warn_of_faint(self)

    def __getitem__(self, role: str) -> str:
        return self.colors[role]

    def __hash__(self) -> int:
        return hash(self.fingerprint())

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuilt, (type(self), {**vars(self), "colors": dict(self.colors)})

    def fingerprint(self) -> str:
        """What no other theme has, whatever its name."""
        parts = (*sorted(self.colors.items()), self.font, self.follows and self.follows.key)
        return hashlib.sha256(repr(parts).encode("utf-8", "backslashreplace")).hexdigest()[:8]

    @property
    def dark(self) -> bool:
        """Whether the paper is dark, so that a picture cannot do without it."""
        return int(self["paper"][1:3], 16) < 128

    @property
    def for_slides(self) -> bool:
        """Whether a picture is planned for a slide where nothing else is asked for."""
        return self.brief or self.letters is not None

    @checking_arguments
    def with_(
        self,
        *,
        name: str | None = None,
        follows: Theme | str | None = None,
        font: Font | None = None,
        letters: Letters = None,
        brief: bool | None = None,
        **colors: str,
    ) -> Self:
        """This theme with other colours, each by the name of its role (``value_line`` for "value.line"), or with
        another font, smallest size of letters or number of lines.
        """
        known = {"name": name, "font": font, "letters": letters, "brief": brief}
        changed = {each.name: getattr(self, each.name) for each in fields(self) if each.init}
        changed |= {option: value for option, value in known.items() if value is not None}
        changed["colors"] = {**self.colors, **{role_named(role): color for role, color in colors.items()}}
        if follows is not None:
            changed["follows"] = theme(follows)
        return type(self)(**changed)

    @classmethod
    def from_toml(cls, path: StrPath) -> Theme:
        """The theme of a file: ``base`` names the one it changes ("light"), ``name``, ``font``, ``follows``,
        ``letters`` and ``brief`` are those of `with_`, and colours stand under ``[colors]``.
        """
        given = toml_of(path)
        colors = dict(flat(given.pop("colors", {})))
        if wrong := [entry for entry in given if entry not in ENTRIES]:
            raise UnknownNameError(
                f"entry of the theme in {str(path)!r}", wrong[0], ENTRIES, "Colours: under [colors]."
            )
        base = theme(given.pop("base", "light"))
        return base.with_(**{"name": Path(path).stem, **given, **colors})

    load = from_toml


Colors = Theme | Mapping[str, str]  # of roles
ENTRIES = ("base", "name", "font", "follows", "letters", "brief", "colors")


def rebuilt(kind: type[Theme], values: dict[str, Any]) -> Theme:
    """A theme that was one before, which needs no check."""
    made = object.__new__(kind)
    vars(made).update(values, colors=MappingProxyType(values["colors"]))
    return made


def role_named(name: object) -> str:
    """The role of a colour, as it is, or with "_" for "."."""
    for role in LIGHT:
        if name in (role, role.replace(".", "_")):
            return role
    raise UnknownNameError("colour of a theme", name, [role.replace(".", "_") for role in LIGHT])


def hex_color(role: str, color: object) -> str:
    """ "#FFFDF7" of that, or of "#fff"; anything else is refused."""
    digits = re.fullmatch(r"#([0-9A-Fa-f]{6}|[0-9A-Fa-f]{3})", color) if isinstance(color, str) else None
    if digits is None:
        raise OptionError(f"{role}={shown_value(color)} is no colour; give one as '#rrggbb', such as '#FFFDF7'")
    return str(color) if len(digits[1]) == 6 else "#" + "".join(2 * digit for digit in digits[1])


def warn_of_faint(made: Theme) -> None:
    """Say which texts and lines cannot be seen well."""
    found = list(faint_pairs(made.colors))
    if not found:
        return
    said = [
        f"{pair.ink} {made[pair.ink]} on {pair.ground} {made[pair.ground]} has {pair.ratio:.1f}:1, and needs"
        f" {pair.needed:g}:1"
        for pair in found[:MOST_NAMED]
    ]
    more = f"; and {len(found) - MOST_NAMED} more" if found[MOST_NAMED:] else ""
    warnings.warn(
        f"low contrast in the theme {shown_value(made.name)}: {'; '.join(said)}{more}",
        GraphvizADWarning,
        stacklevel=frames_of_ours(),
    )


def frames_of_ours() -> int:
    """How many frames of ours stand between a warning and whoever called us."""
    frame, count = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith((OUR_FOLDER, "<string>")):
        frame, count = frame.f_back, count + 1
    return count


def toml_of(path: StrPath) -> dict[str, Any]:
    """What stands in a file."""
    import tomllib

    try:
        return tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise OptionError(f"cannot read the theme {str(path)!r}: {error.strerror}; give the name of a file") from error
    except (TypeError, ValueError) as error:
        raise OptionError(f"{shown_value(path)} is no theme: {error}; give a file in TOML, with colours") from error


def flat(colors: object, before: str = "") -> Iterator[tuple[str, Any]]:
    """The colours of a table, and of the tables in it: ``value.line`` is one of the table "value"."""
    if not isinstance(colors, dict):
        raise OptionError(f"colors={shown_value(colors)} is no table; write [colors], and under it op = '#FFFDF7'")
    for role, color in colors.items():
        yield from flat(color, f"{before}{role}_") if isinstance(color, dict) else [(f"{before}{role}", color)]


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

LECTURE = LIGHT | {
    "ink": "#000000",
    "muted": "#3A4048",
    "edge": "#4A5058",
    "value": "#004E80",
    "value.line": "#0063A3",
    "gradient": "#8A3200",
    "gradient.line": "#B84A00",
    "leaf": "#E4F1FB",
    "data": "#E4E4E4",
    "group.line": "#8E959E",
    "forward": "#CFE6F7",
    "backward": "#FAD9C2",
}


class Themes(Mapping[str, Theme]):
    """Name -> theme; ``"default"`` is another word for "light"."""

    def __init__(self, *themes: Theme) -> None:
        self._named = {each.name: each for each in themes}

    def __getitem__(self, name: str) -> Theme:
        found = self._named.get("light" if name == "default" else name)
        if found is None:
            raise UnknownNameError("theme", name, self._named)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._named or name == "default"

    def get(self, name: str, default: Any = None) -> Any:
        """The theme of that name, or the default."""
        known = name in self
        return self[name] if known else default

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)

    def __repr__(self) -> str:
        return f"<Themes: {', '.join(self)}>"


_DARK = Theme("dark", DARK)
THEMES = Themes(
    Theme("light", LIGHT),
    _DARK,
    Theme("auto", LIGHT, follows=_DARK),
    Theme("print", BLACK),
    Theme("cs231n", GREEN),
    Theme("lecture", LECTURE, letters=14.0, brief=True),
)
for _theme in THEMES.values():
    object.__setattr__(_theme, "key", _theme.name)  # ids in pages are made of it

THEME_NAMES = (*THEMES, "default")  # which is another word for "light"


def theme(wanted: str | Theme) -> Theme:
    """The theme of that name; a theme is what it is."""
    return wanted if isinstance(wanted, Theme) else THEMES[wanted]
