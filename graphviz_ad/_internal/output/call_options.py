"""Every option of plot, animate and save, written once: type, default, and a line of help -> signatures, help,
checks, and the flags of the command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from graphviz_ad._internal.base.argument_types import Axes, Says, StrPath
from graphviz_ad._internal.base.checked_calls import Options
from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.diagnosis.history import History
from graphviz_ad._internal.graph.transforms import Transform
from graphviz_ad._internal.layouts import LAYOUTS
from graphviz_ad._internal.scene.themes import THEME_NAMES, Theme

LETTERS = 1, 200  # points

# --- types that several calls share

ThemeName = Annotated[
    str | Theme,
    Says("colours, by name or as a Theme; auto follows the reader", "theme", THEME_NAMES, metavar="NAME|FILE.toml"),
]
LayoutName = Annotated[str, Says("what places the boxes", "layout", LAYOUTS, metavar="NAME")]
Flow = Annotated[
    Literal["LR", "TB"] | None,
    Says(
        "LR draws from left to right, TB from top to bottom; None by size",
        "direction",
        hint="LR draws from left to right, TB from top to bottom.",
    ),
]
Depth = Annotated[
    int | None,
    Says(
        "fold modules below that level; None folds only what is too big to read",
        "level of modules",
        least=1,
        metavar="LEVEL",
    ),
]
Detail = Annotated[
    Literal["auto", "op", "line", "call", "module"],
    Says(
        "what a box is: op, a line of the program, a call of a function of it, or a module; auto chooses by size",
        "level of detail",
        hint="op shows operations, line statements of the program, call calls of its functions, module modules.",
    ),
]
Local = Annotated[
    bool | Literal["matrix"],
    Says("write local derivatives on the edges; matrix: those of up to 16 by 16 elements as Jacobian matrices"),
]
Boxes = Annotated[
    int | None,
    Says(
        "fold parts of the program until there are at most so many boxes; None: 40 where there are more than 60",
        "number of boxes",
        least=1,
        metavar="COUNT",
    ),
]
Focus = Annotated[
    str | Sequence[str] | None,
    Says(
        "open what has this name (or these), and fold the rest; auto opens where something goes wrong: NaN, a gradient"
        " of None or 0, a failure",
        "name of a module, a function or a result",
        metavar="NAME",
    ),
]
Expand = Annotated[
    str | Sequence[str],
    Says("open what has this name (or these), too", "name of a module, a function or a result", metavar="NAME"),
]
Fit = Annotated[
    Literal["slide", "4:3", "page", "column"] | tuple[float, float] | None,
    Says(
        "plan the picture for a place: its name, or (width, height) in points; None: as large as it gets, nothing left"
        " out",
        "place",
        least=20,
        most=20_000,
        metavar="PLACE",
    ),
]
FileFormat = Annotated[
    str | None,
    Says("format such as 'svg', for a file without a suffix that says it; None: as the suffix says", metavar="SUFFIX"),
]


# --- groups of options


@dataclass(frozen=True, kw_only=True)
class Look(Options):
    """What pictures and films share."""

    theme: ThemeName = "light"
    layout: LayoutName = "auto"
    depth: Depth = None
    detail: Detail = "auto"
    boxes: Boxes = None
    focus: Focus = None
    expand: Expand = ()
    transforms: Annotated[
        Sequence[Transform],
        Says(
            "functions from Graph to Graph, such as (hide_constants,), in order",
            "list of functions from Graph to Graph",
            metavar="NAME",
        ),
    ] = ()
    labels: Annotated[
        Literal["program", "autograd"],
        Says("names in boxes: those of the program, or those of autograd with what it saves for the backward pass"),
    ] = "program"
    constants: Annotated[
        Literal["inline", "boxes"],
        Says("numbers of the program stand in formulas, or have boxes", "way to show numbers"),
    ] = "inline"
    local: Local = True


@dataclass(frozen=True, kw_only=True)
class Paths(Options):
    """Which other things can be told of a graph."""

    wrt: Annotated[
        str | None, Says("show the paths of the chain rule from this input to the outputs", metavar="NAME")
    ] = None
    tangents: Annotated[
        str | Mapping[str, Any] | None,
        Says(
            "show forward mode: the input that moves by 1, or a mapping from names to how far each moves",
            "direction",
            metavar="NAME",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Fills(Options):
    """What boxes may be filled by."""

    overlay: Annotated[
        str | Mapping[str, float] | History | None,
        Says(
            "fill boxes by how much they have of something, by powers of ten; or a mapping from names to numbers; the"
            " history of a training run is drawn as curves of gradients in boxes",
            "quantity",
            ("gradient", "value", "saved", "parameters"),
            metavar="NAME",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class StillWords(Fills):
    """What only a still picture leaves to choose."""

    fit: Fit = None
    font: Annotated[
        str | tuple[str, float] | None,
        Says(
            "a font, or (a font, points that letters have at least); boxes are measured for DejaVu Sans, which is wide",
            "font",
            metavar="NAME",
        ),
    ] = None
    digits: Annotated[
        int | None,
        Says(
            "significant digits of numbers; None: 4, or 3 where room is short",
            "number of digits",
            least=1,
            most=17,
            metavar="COUNT",
        ),
    ] = None
    legend: Annotated[bool, Says("say below the picture what the colours and signs mean")] = True
    values: Annotated[bool, Says("write forward values")] = True
    gradients: Annotated[bool, Says("write gradients")] = True
    with_all: Annotated[
        bool | None,
        Says("all of values, gradients and local, or none of them, save those given by themselves; None: as they are"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class FilmWays(Options):
    """What only a film leaves to choose."""

    flow: Flow = None
    speed: Annotated[
        float,
        Says(
            "2 plays twice as fast, 0.5 half as fast",
            "speed",
            least=0.01,
            most=100,
            unit="times as fast",
            metavar="NUMBER",
        ),
    ] = 1.0
    aspect: Annotated[Literal["16:9", "4:3"], Says("shape of the screen", "aspect")] = "16:9"
    steps: Annotated[
        Literal["edge", "op", "module"] | None,
        Says(
            "how finely the backward pass is told; None by size",
            "granularity",
            hint="It says how finely the backward pass is told.",
        ),
    ] = None
    camera: Annotated[
        bool, Says("where the whole would be too small to read, show the part that a step is about; False: the whole")
    ] = True
    max_seconds: Annotated[
        float | None,
        Says(
            "how long the film may last: steps alike are told once, then neighbours together; None: 90 seconds at speed"
            " 1, unless steps= says how it is told",
            "length",
            least=1,
            most=36_000,
            unit="seconds",
            metavar="SECONDS",
        ),
    ] = None
    passes: Annotated[
        bool | Literal["all"] | int | slice | Sequence[int] | None,
        Says(
            "tell recorded backward passes, with what .grad adds up and what steps do: True or all, which of"
            " graph.passes, or False for the last alone; None: all of up to 12",
            "backward passes",
            metavar="NUMBER",
        ),
    ] = None
    code: Annotated[bool, Says("show the program beside the picture, with the line of each step lit")] = False
    motion: Annotated[
        bool, Says("numbers are seen on their way, before each step comes to rest; False: steps alone")
    ] = True


# --- one table a call


@dataclass(frozen=True, kw_only=True)
class ExplanationPicture(StillWords, Look):
    """Options of `Explanation.plot`, which has its paths already."""

    gradients: Annotated[bool, Says("write gradients")] = False
    direction: Flow = None
    tangents: Annotated[
        str | Mapping[str, Any] | None,
        Says(
            "show forward mode: the input that moves by 1, or a mapping from names to how far each moves",
            "direction",
            metavar="NAME",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class PlotOptions(StillWords, Paths, Look):
    """Options of a still picture."""

    direction: Flow = None
    output: Annotated[
        str | None, Says("of the paths of wrt=, only those to this output, or to any result on the way", metavar="NAME")
    ] = None


@dataclass(frozen=True, kw_only=True)
class InAxes(Options):
    """Where a picture may be drawn beside being one."""

    ax: Annotated[
        Axes | None,
        Says(
            "draw it in this Axes, too, as shapes and texts; planned for its shape where fit= does not say another",
            metavar="",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class DrawOptions(InAxes, PlotOptions):
    """Options of `plot`."""


@dataclass(frozen=True, kw_only=True)
class PathsPicture(InAxes, ExplanationPicture):
    """Options of `Explanation.plot`."""


@dataclass(frozen=True)
class ClassroomOptions(DrawOptions):
    """Options of `TorchGraph.plot`, which writes nothing unless asked."""

    with_all: Annotated[bool | None, Says("write values, gradients and local derivatives")] = False


@dataclass(frozen=True)
class AnimateOptions(FilmWays, Fills, Paths, Look):
    """Options of a film."""

    direction: Annotated[Literal["forward", "backward", "both"], Says("which pass is told", "direction")] = "both"


@dataclass(frozen=True, kw_only=True)
class PictureFile(Options):
    """Options of a saved picture."""

    format: FileFormat = None


@dataclass(frozen=True, kw_only=True)
class StillFile(PictureFile):
    """Options of a saved still, for the formats that have them."""

    width: Annotated[
        float | None,
        Says(
            "how wide the picture is, in points (1/72 inch); None: as it was made",
            "width",
            least=1,
            most=20_000,
            unit="points",
            metavar="POINTS",
        ),
    ] = None
    scale: Annotated[
        float,
        Says(
            "1.5 makes a picture half as large again; of a film, 1920 by 1080 pixels of 1280 by 720",
            "scale",
            least=0.05,
            most=20,
            unit="times as large",
            metavar="NUMBER",
        ),
    ] = 1.0
    dpi: Annotated[
        float | None,
        Says(
            ".png: pixels an inch; None: 144",
            "resolution",
            least=18,
            most=2400,
            unit="pixels an inch",
            metavar="NUMBER",
        ),
    ] = None
    transparent: Annotated[bool, Says("no paper behind the picture")] = False


@dataclass(frozen=True, kw_only=True)
class FilmFile(PictureFile):
    """Options of a saved film, for the formats that have them."""

    loop: Annotated[
        int,
        Says(
            "how often it plays: 1 plays once, 0 for ever",
            "number of times",
            least=0,
            most=2**16 - 1,
            unit="times",
            metavar="TIMES",
        ),
    ] = 0
    scale: Annotated[
        float,
        Says(
            "1.5 makes 1920 by 1080 pixels of 1280 by 720",
            "scale for a film",
            least=0.05,
            most=20,
            unit="times as large",
            metavar="NUMBER",
        ),
    ] = 1.0
    mode: Annotated[str | None, Says(".pptx: steps or video; .tex: overlay or animate", metavar="NAME")] = None


@dataclass(frozen=True, kw_only=True)
class SaveOptions(FilmFile, StillFile, FilmWays, StillWords, Paths, Look):
    """Options of `Graph.save`: those of `plot` for a picture, those of `animate` and of the file for a film."""

    direction: Annotated[
        Literal["LR", "TB", "forward", "backward", "both"] | None,
        Says("of a picture LR or TB; of a film forward, backward or both", "direction"),
    ] = None
    output: Annotated[
        str | None, Says("of the paths of wrt=, only those to this output, or to any result on the way", metavar="NAME")
    ] = None


STILL_ONLY = ("output", "with_all", "values", "gradients", "fit", "font", "digits", "legend")
FILM_ONLY = ("speed", "flow", "aspect", "steps", "camera", "max_seconds", "passes", "code", "motion")
FILE_ONLY = ("loop", "scale", "mode")
STILL_FILE_ONLY = ("width", "scale", "dpi", "transparent")


@dataclass(frozen=True, kw_only=True)
class ExplanationFile(ExplanationPicture, PictureFile):
    """Options of `Explanation.save`: of a picture those of `plot`, of a page its theme."""


@dataclass(frozen=True, kw_only=True)
class ThemeOptions(Options):
    """Options of what has colours only."""

    theme: ThemeName = "light"


@dataclass(frozen=True, kw_only=True)
class ChartFile(ThemeOptions, PictureFile):
    """Options of a saved chart."""


@dataclass(frozen=True, kw_only=True)
class SheetOptions(ThemeOptions):
    """Options of the picture of an entry of the gallery."""

    layout: LayoutName = "auto"


@dataclass(frozen=True, kw_only=True)
class ExampleLook(FilmWays, Paths, Look):
    """Options of an entry of the gallery: of its picture theme and layout, of its film those of `animate`."""

    direction: Annotated[Literal["forward", "backward", "both"], Says("which pass is told", "direction")] = "both"


@dataclass(frozen=True, kw_only=True)
class ExampleFile(ExampleLook, PictureFile):
    """Options of a saved entry of the gallery."""


@dataclass(frozen=True)
class GalleryFiles(ExampleLook):
    """Options of `gallery.build`."""

    folder: Annotated[StrPath, Says("where the files go; it is made if need be")]
    names: Annotated[Iterable[str], Says("entries or chapters; all where none is given")] = ()
    suffix: Annotated[str, Says("of the files: .svg, .png, .pdf, or that of a film")] = field(
        default=".svg", kw_only=True
    )


def family(font: str | tuple[str, float] | None) -> str:
    """The name of a font; "" where nobody says which."""
    return (font[0] if isinstance(font, tuple) else font) or ""


def smallest_letters(font: str | tuple[str, float] | None) -> float | None:
    """How large letters have to be at least, in points; None where nobody says so."""
    if not isinstance(font, tuple):
        return None
    if not LETTERS[0] <= font[1] <= LETTERS[1]:
        raise OptionError(
            f"font={font!r}: letters of {font[1]:g} points cannot be; give (a font, points) with {LETTERS[0]} to"
            f" {LETTERS[1]} points"
        )
    return font[1]


def asked_about(
    wrt: str | None, tangents: str | Mapping[str, Any] | None, output: str | None = None
) -> tuple[str, ...]:
    """The names of which a picture or film is to tell."""
    moved = (tangents,) if isinstance(tangents, str) else tuple(tangents or ())
    return tuple(name for name in (wrt, output, *moved) if name is not None)


def words_to_write(
    asked: StillWords | PlotOptions | ExplanationPicture,
) -> tuple[bool, bool, bool | Literal["matrix"]]:
    """Whether values, gradients and local derivatives are written: each as it was asked for by itself, else as
    ``with_all`` says, if it says anything.
    """
    names = ("values", "gradients", "local")
    if asked.with_all is None:
        values, gradients, local = (getattr(asked, name) for name in names)
    else:
        values, gradients, local = (asked.given.get(name, asked.with_all) for name in names)
    return values, gradients, local


DiagramStyle = Annotated[
    Literal["neurons", "layers", "blocks"],
    Says(
        "neurons draws columns of them with a line for each weight, layers a card for each layer, blocks solids as"
        " large as what comes out of them",
        "style",
    ),
]
DiagramLines = Annotated[
    Literal["weight", "gradient"] | None,
    Says("what lines between neurons show by colour and width; None: nothing", "choice"),
]
DiagramPlace = Annotated[
    Literal["slide", "4:3", "page", "column"] | tuple[float, float] | None,
    Says(
        "the place that the figure is made for: its name, or (width, height) in points; None: as large as it gets",
        "place",
        least=20,
        most=20_000,
        metavar="PLACE",
    ),
]


@dataclass(frozen=True, kw_only=True)
class DiagramWays(Options):
    """What a film of a diagram leaves to choose on the command line, too."""

    direction: Annotated[Literal["forward", "backward", "both"], Says("which pass is told", "direction")] = "both"
    speed: Annotated[
        float,
        Says(
            "2 plays twice as fast, 0.5 half as fast",
            "speed",
            least=0.01,
            most=100,
            unit="times as fast",
            metavar="NUMBER",
        ),
    ] = 1.0


@dataclass(frozen=True, kw_only=True)
class DiagramFilm(DiagramWays):
    """Options of `Diagram.animate`."""

    grad_outputs: Annotated[
        Any, Says("the gradients of what comes out, as for trace; None: ones, so that the sum of it is derived")
    ] = None


@dataclass(frozen=True, kw_only=True)
class DiagramOptions(Options):
    """Options of `diagram`."""

    style: DiagramStyle = "layers"
    theme: ThemeName = "light"
    fit: DiagramPlace = "slide"
    depth: Depth = None
    lines: DiagramLines = "weight"
