"""Film -> PowerPoint deck: a slide a step, drawn with shapes and words that PowerPoint, Keynote and Impress can
edit; or one slide that plays a movie.

The shapes of all slides have the same places, so that a click shows exactly what changed. Captions are the titles of
the slides, and the transcript stands in the notes.
"""

from __future__ import annotations

import datetime
import io
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from graphviz_ad._internal.base.errors import GraphvizADWarning, MissingDependencyError
from graphviz_ad._internal.base.needed_packages import broken
from graphviz_ad._internal.base.visible_text import visible, whole_text
from graphviz_ad._internal.film.film_frames import film_frames
from graphviz_ad._internal.renderers.svg.still import NAMELESS, escaped_xml, prose, roles
from graphviz_ad._internal.scene.canvas import Canvas, Curve, Label, Mark, Polygon, Rect
from graphviz_ad._internal.scene.font_metrics import text_width
from graphviz_ad._internal.scene.paint import tick
from graphviz_ad._internal.scene.scene import Film, Point, Step
from graphviz_ad._internal.scene.set_text import DROP, SCRIPT, Run, runs_of_label
from graphviz_ad._internal.scene.themes import Theme

EMU = 9525  # English metric units a pixel: a frame of 1280 pixels is 13.33 inches wide
FONT = "Verdana"  # what is on every machine that has PowerPoint, and as wide as DejaVu Sans
LONGEST_PROPERTY = 255  # characters that a document can have of title and subject
SIZES = (100, 400_000)  # of letters, in hundredths of a point: PowerPoint repairs a file that has others
SHAPES_A_PART, MOST_SHAPES = 5, 120_000
# a deck does not say when it was made, so that the same film gives the same bytes
LONG_AGO = datetime.datetime(2000, 1, 1)
NAMESPACES = (
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
)


def step_slides(film: Film, theme: Theme) -> bytes:
    """A slide for each step, drawn with shapes; with pictures where that would be more shapes than PowerPoint opens,
    and a warning then.
    """
    deck = Deck(film, theme)
    each = len(film.stage.boxes + film.stage.arrows) * SHAPES_A_PART
    if each * len(film.steps) > MOST_SHAPES:
        message = (
            f"{len(film.steps)} slides with some {each} shapes each are more than PowerPoint opens: each is a picture"
        )
        warnings.warn(message, GraphvizADWarning, stacklevel=2)
        deck.add_pictures()
    else:
        for step, canvas in zip(film.steps, film_frames(film), strict=True):
            deck.add_step(step, canvas)
    return deck.to_bytes()


def movie_slide(film: Film, theme: Theme, movie: bytes, poster: bytes, *, loop: bool = True) -> bytes:
    """One slide that starts an MP4 when it is shown; until then, and in print, it is the poster, a PNG."""
    deck = Deck(film, theme)
    deck.add_movie(movie, poster, loop)
    return deck.to_bytes()


class Deck:
    """A presentation with slides of the size of a frame."""

    def __init__(self, film: Film, theme: Theme) -> None:
        try:
            from pptx import Presentation
        except ImportError as error:
            raise MissingDependencyError(
                "python-pptx",
                "pptx",
                "a PowerPoint deck",
                "a .pdf has the same slides; .gif plays on a slide",
                broken(error, "pptx"),
            ) from error
        self.film, self.theme = film, theme
        new: Any = Presentation
        self.deck = new()
        self.deck.slide_width, self.deck.slide_height = map(emu, film.size)
        self.layout = next(layout for layout in self.deck.slide_layouts if layout.name == "Title Only")
        for layout in [layout for layout in self.deck.slide_layouts if layout is not self.layout]:
            self.deck.slide_layouts.remove(layout)
        about = self.deck.core_properties
        about.title, about.subject = (
            whole_text(film.title, LONGEST_PROPERTY) or NAMELESS,
            whole_text(film.stage.alt, LONGEST_PROPERTY),
        )
        about.author = about.last_modified_by = "graphviz_ad"
        about.created = about.modified = LONG_AGO

    def add_slide(self, shapes: str, notes: str) -> Any:
        """A slide with these shapes in front of the paper."""
        from pptx.oxml import parse_xml

        slide = self.deck.slides.add_slide(self.layout)
        tree = slide.shapes._spTree
        for old in list(slide.placeholders):
            tree.remove(old._element)
        for shape in parse_xml(f"<p:spTree {NAMESPACES}>{shapes}</p:spTree>"):
            tree.append(shape)
        paper = f"<p:bg {NAMESPACES}><p:bgPr>{fill(self.theme['paper'])}<a:effectLst/></p:bgPr></p:bg>"
        slide._element.cSld.insert(0, parse_xml(paper))
        slide.notes_slide.notes_text_frame.text = notes
        return slide

    def add_step(self, step: Step, canvas: Canvas) -> None:
        """The slide of a step."""
        marks = [mark for mark in canvas.marks if not isinstance(mark, Label) or mark.text]
        captions = [mark for mark in marks if mark.part == "caption"]
        ticks = {tick(i) for i in range(len(self.film.steps))}
        progress = [mark for mark in marks if mark.part in ticks]
        words = [mark for mark in marks if isinstance(mark, Label) and not mark.owner and mark not in captions]
        picture = [mark for mark in marks if mark.owner]
        front = [mark for mark in marks if not mark.owner and not isinstance(mark, Label) and mark.part not in ticks]
        names = Names()
        # what covers a stage of which a part is seen stands before it, and behind all words
        parts = [
            *(self.group(some, names, name, alt) for some, name, alt in self.looked_at(picture, front)),
            *(slide_shape(mark, self.theme, names, title=not i) for i, mark in enumerate(captions)),
            "" if front else self.group(picture, names, "graph", self.film.stage.alt),
            self.group(progress, names, "progress", next((mark.text for mark in words if mark.part == "counter"), "")),
            *(slide_shape(mark, self.theme, names) for mark in words),
        ]
        self.add_slide("".join(parts), prose(" ".join(part for part in step.caption if part)))

    def looked_at(self, picture: Sequence[Mark], front: Sequence[Mark]) -> Iterator[tuple[Sequence[Mark], str, str]]:
        """The stage of which a camera shows a part, and what stands before it; nothing where all is seen."""
        if front:
            yield picture, "graph", self.film.stage.alt
            yield front, "overview", "the whole, drawn small"

    def add_pictures(self) -> None:
        """A slide for each step that is one picture; its title stands behind it, for outlines and screen readers."""
        from graphviz_ad._internal.renderers.images.apng import encode_png
        from graphviz_ad._internal.renderers.images.matplotlib_canvas import frames

        canvases = list(film_frames(self.film))
        for step, canvas, pixels in zip(self.film.steps, canvases, frames(canvases, self.theme), strict=True):
            title = next((mark for mark in canvas.marks if isinstance(mark, Label) and mark.part == "caption"), None)
            words = prose(" ".join(part for part in step.caption if part))
            slide = self.add_slide(
                slide_shape(title, self.theme, Names(), title=True) if title and title.text else "", words
            )
            shown = slide.shapes.add_picture(
                io.BytesIO(encode_png(pixels)), 0, 0, self.deck.slide_width, self.deck.slide_height
            )
            shown._element.nvPicPr.cNvPr.set("descr", f"{words}. {prose(self.film.stage.alt)}")

    def group(self, marks: Iterable[Mark], names: Names, name: str, alt: str) -> str:
        """Shapes that are read as one picture with a description, and taken apart by who wants to."""
        number = names.next()
        if not (shapes := "".join(slide_shape(mark, self.theme, names) for mark in marks)):
            return ""
        width, height = (emu(length) for length in self.film.size)
        place = (
            f'<a:off x="0" y="0"/><a:ext cx="{width}" cy="{height}"/><a:chOff x="0" y="0"/><a:chExt cx="{width}"'
            f' cy="{height}"/>'
        )
        about = (
            f'<p:nvGrpSpPr><p:cNvPr id="{number}" name="{name}"'
            f' descr="{escaped_xml(prose(alt))}"/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr>'
        )
        return f"<p:grpSp>{about}<p:grpSpPr><a:xfrm>{place}</a:xfrm></p:grpSpPr>{shapes}</p:grpSp>"

    def add_movie(self, movie: bytes, poster: bytes, loop: bool) -> None:
        """The slide that plays."""
        slide = self.add_slide("", "\n".join(prose(" ".join(filter(None, step.caption))) for step in self.film.steps))
        width, height = self.deck.slide_width, self.deck.slide_height
        shown = slide.shapes.add_movie(
            io.BytesIO(movie), 0, 0, width, height, poster_frame_image=io.BytesIO(poster), mime_type="video/mp4"
        )
        properties = shown._element.nvPicPr.cNvPr
        properties.set("name", visible(self.film.title) or NAMELESS)
        properties.set("descr", prose(self.film.stage.alt))
        for video in slide._element.iter(f"{{{video_namespace()}}}video"):
            for time in video.iter(f"{{{video_namespace()}}}cTn"):
                time.attrib.update({"repeatCount": "indefinite"} if loop else {})
            for condition in video.iter(f"{{{video_namespace()}}}cond"):
                condition.set("delay", "0")  # "indefinite" would wait for a click

    def to_bytes(self) -> bytes:
        """The file, in which nothing tells when it was written."""
        made, clean = io.BytesIO(), io.BytesIO()
        self.deck.save(made)
        with zipfile.ZipFile(made) as old, zipfile.ZipFile(clean, "w", zipfile.ZIP_DEFLATED) as new:
            for name in old.namelist():
                new.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), old.read(name), zipfile.ZIP_DEFLATED, 9)
        return clean.getvalue()


def video_namespace() -> str:
    """The namespace of slides and their timing."""
    return "http://schemas.openxmlformats.org/presentationml/2006/main"


LOWERED_BY_THEM = 2 / 3  # of its size: what PowerPoint makes of lowered letters


class Names:
    """Numbers for the shapes of a slide; 1 is the slide's own tree."""

    def __init__(self) -> None:
        self.last = 1

    def next(self) -> int:
        """The next number."""
        self.last += 1
        return self.last


def slide_shape(mark: Mark, theme: Theme, names: Names, *, title: bool = False) -> str:
    """One mark as one shape."""
    name = escaped_xml(visible(" ".join(filter(None, (mark.owner, mark.part)))))
    if isinstance(mark, Label):
        kind, place = (
            '<p:cNvSpPr txBox="1"/>' if not title else "<p:cNvSpPr/>",
            '<p:nvPr><p:ph type="title"/></p:nvPr>' if title else "<p:nvPr/>",
        )
        looks = (
            f'{place_of_text(mark)}<a:prstGeom prst="rect"><a:avLst/></a:prstGeom><a:noFill/><a:ln><a:noFill/></a:ln>'
        )
        body = text_body(mark, theme)
    else:
        kind, place, body = "<p:cNvSpPr/>", "<p:nvPr/>", ""
        inside, outline = roles(mark)
        looks = (
            outline_of(mark)
            + (fill(theme[inside]) if inside else "<a:noFill/>")
            + (slide_pen(mark, theme[outline]) if outline else "<a:ln><a:noFill/></a:ln>")
        )
    about = f'<p:nvSpPr><p:cNvPr id="{names.next()}" name="{name}"/>{kind}{place}</p:nvSpPr>'
    return f"<p:sp>{about}<p:spPr>{looks}</p:spPr>{body}</p:sp>"


def emu(pixels: float) -> int:
    """A length as PowerPoint counts it."""
    return round(pixels * EMU)


def frame(x: float, y: float, width: float, height: float) -> str:
    """Where a shape is."""
    return f'<a:xfrm><a:off x="{emu(x)}" y="{emu(y)}"/><a:ext cx="{emu(width)}" cy="{emu(height)}"/></a:xfrm>'


def fill(color: str) -> str:
    """One colour."""
    return f'<a:solidFill><a:srgbClr val="{color[1:].upper()}"/></a:solidFill>'


def slide_pen(mark: Mark, color: str) -> str:
    """Colour, width and dashes of a line; dashes are counted in line widths."""
    if not isinstance(mark, Rect | Curve):
        return ""
    pairs = zip(mark.dash[::2], mark.dash[1::2], strict=True)
    dashes = "".join(
        f'<a:ds d="{round(on / mark.line * 100_000)}" sp="{round(off / mark.line * 100_000)}"/>' for on, off in pairs
    )
    return (
        f'<a:ln w="{emu(mark.line)}"'
        f' cap="flat">{fill(color)}{f"<a:custDash>{dashes}</a:custDash>" if dashes else ""}<a:round/></a:ln>'
    )


def outline_of(mark: Rect | Curve | Polygon) -> str:
    """Place and geometry of a shape."""
    if isinstance(mark, Rect):
        share = min(mark.radius / max(min(mark.width, mark.height), 0.01), 0.5)
        kind, corner = (
            ("roundRect", f'<a:gd name="adj" fmla="val {round(share * 100_000)}"/>') if share else ("rect", "")
        )
        return (
            frame(mark.x, mark.y, mark.width, mark.height)
            + f'<a:prstGeom prst="{kind}"><a:avLst>{corner}</a:avLst></a:prstGeom>'
        )
    left, top = min(x for x, _ in mark.points), min(y for _, y in mark.points)
    width, height = max(x for x, _ in mark.points) - left, max(y for _, y in mark.points) - top
    inside = "" if isinstance(mark, Polygon) else ' fill="none"'
    drawn = f'<a:path w="{emu(width)}" h="{emu(height)}"{inside}>{"".join(path(mark, (left, top)))}</a:path>'
    lists = "<a:avLst/><a:gdLst/><a:ahLst/><a:cxnLst/>"
    return (
        frame(left, top, width, height)
        + f'<a:custGeom>{lists}<a:rect l="0" t="0" r="r" b="b"/><a:pathLst>{drawn}</a:pathLst></a:custGeom>'
    )


def path(mark: Curve | Polygon, corner: Point) -> Iterator[str]:
    """The commands of a path, counted from a corner."""

    def at(point: Point) -> str:
        return f'<a:pt x="{emu(point[0] - corner[0])}" y="{emu(point[1] - corner[1])}"/>'

    first, *rest = mark.points
    yield f"<a:moveTo>{at(first)}</a:moveTo>"
    if isinstance(mark, Polygon):
        yield from (f"<a:lnTo>{at(point)}</a:lnTo>" for point in rest)
        yield "<a:close/>"
    else:
        yield from (
            f"<a:cubicBezTo>{at(a)}{at(b)}{at(c)}</a:cubicBezTo>"
            for a, b, c in zip(rest[::3], rest[1::3], rest[2::3], strict=True)
        )


def place_of_text(mark: Label) -> str:
    """A box around the line of text; its middle is where fonts like these have theirs."""
    width, height = text_width(visible(mark.text), mark.size, mark.bold) * 1.04 + 2, mark.size * 1.25
    left = mark.x - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[mark.anchor]
    return frame(left, mark.y - 0.37 * mark.size - height / 2, width, height)


def text_run(mark: Label, run: Run, theme: Theme) -> str:
    """Some letters of the line in one look."""
    size = round(mark.size * 75 * (SCRIPT / LOWERED_BY_THEM if run.lowered else 1.0))
    looks = f'sz="{min(max(size, SIZES[0]), SIZES[1])}" b="{int(mark.bold)}" i="{int(run.italic)}"'
    lowered = f' baseline="{-round(DROP * 100_000)}"' if run.lowered else ""
    font = "".join(f'<a:{script} typeface="{FONT}"/>' for script in ("latin", "ea", "cs"))
    return (
        f'<a:r><a:rPr lang="en-US" {looks}{lowered}'
        f' dirty="0">{fill(theme[mark.color])}{font}</a:rPr><a:t>{escaped_xml(run.text)}</a:t></a:r>'
    )


def text_body(mark: Label, theme: Theme) -> str:
    """The line of text in its font, never wrapped and never shrunk."""
    side = {"start": "l", "middle": "ctr", "end": "r"}[mark.anchor]
    run = "".join(text_run(mark, run, theme) for run in runs_of_label(mark))
    body = '<a:bodyPr wrap="none" lIns="0" tIns="0" rIns="0" bIns="0" anchor="ctr" rtlCol="0"><a:noAutofit/></a:bodyPr>'
    spacing = '<a:lnSpc><a:spcPct val="100000"/></a:lnSpc><a:spcBef><a:spcPts val="0"/></a:spcBef><a:buNone/>'
    return f'<p:txBody>{body}<a:lstStyle/><a:p><a:pPr algn="{side}">{spacing}</a:pPr>{run}</a:p></p:txBody>'
