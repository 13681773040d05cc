"""Canvases -> PDF: vector pages of one size, with text that can be searched and copied; what several pages show
stands in the file once.

A page is a list of small streams, so that a film of many steps costs what its changes cost. Nothing in the file tells
when or where it was written.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.film.chapters import chapter_title, chapters_of
from graphviz_ad._internal.film.timeline import Cameras, Shown, timeline
from graphviz_ad._internal.renderers.images.letters import (
    EM,
    drawable_text,
    is_shaped,
    label_outline,
    start,
    warn_of_missing,
)
from graphviz_ad._internal.renderers.pages.pdf_font import PdfFont, flate_stream
from graphviz_ad._internal.renderers.svg.still import roles, svg_number
from graphviz_ad._internal.scene.canvas import Canvas, Curve, Label, Mark, Polygon, Rect
from graphviz_ad._internal.scene.font_metrics import text_width
from graphviz_ad._internal.scene.scene import Film, Point
from graphviz_ad._internal.scene.set_text import DROP, SCRIPT, runs_of_label
from graphviz_ad._internal.scene.themes import Theme

LONGEST_SIDE = 14_400  # units of a page; a larger page is counted in larger units
KAPPA = 0.5522847498  # how long the handles of a cubic are that draws a quarter of a circle
QUADRATIC, CLOSE = 3, 79  # codes of an outline
VERTICES, OPERATORS = {1: 1, 2: 1, QUADRATIC: 2, 4: 3, CLOSE: 1}, {1: " m", 2: " l", QUADRATIC: " c", 4: " c"}
Face = tuple[bool, bool]  # bold, italic
# What is in italics is set in slanted upright letters, as DejaVu Sans Oblique is made, which saves a file two fonts.
SLANT = "0.194"


def pdf_page(canvas: Canvas, theme: Theme, *, transparent: bool = True, title: str = "") -> bytes:
    """The picture as one page of its own size."""
    return pdf_pages([canvas], theme, transparent=transparent, title=title)


def pdf_pages(canvases: Iterable[Canvas], theme: Theme, *, transparent: bool = True, title: str = "") -> bytes:
    """A page for each picture, all as large as the largest, so that nothing jumps when the pages are turned."""
    pictures = list(canvases)
    size = max(canvas.width for canvas in pictures), max(canvas.height for canvas in pictures)
    shown = [
        Shown(mark, i, i) for i, canvas in enumerate(pictures) for mark in (*ground(canvas, transparent), *canvas.marks)
    ]
    return pdf_document(shown, len(pictures), size, theme, title)


def film_pdf(film: Film, theme: Theme, *, made: str = "") -> bytes:
    """A page for each step of a film, with the paper of the theme; ``made`` says what for."""
    if not film.steps:
        raise ValueError("a film without steps has no pages")
    last, size = len(film.steps) - 1, (float(film.size[0]), float(film.size[1]))
    paper = Shown(Rect(0, 0, *size, fill="paper", part="background"), 0, last)
    return pdf_document([paper, *timeline(film)], last + 1, size, theme, film.title, made, looks_of(film), marked(film))


def looks_of(film: Film) -> list[str]:
    """For each page the operators that let a camera look at the stage."""
    if not film.views:
        return []
    cameras = Cameras(film)
    fits = [[svg_number(value, 5) for value in cameras.of(i)] for i in range(len(film.steps))]
    return [f"q {scale} 0 0 {scale} {x} {y} cm" for scale, x, y in fits]


def marked(film: Film) -> list[tuple[str, int]]:
    """What a reader can jump to: the chapters, and the pages where they begin."""
    return [(chapter_title(chapter), chapter.first) for chapter in chapters_of(film.steps)]


def ground(canvas: Canvas, transparent: bool) -> list[Mark]:
    """The paper of a picture that has one."""
    return (
        []
        if transparent or not canvas.background
        else [Rect(0, 0, canvas.width, canvas.height, fill=canvas.background)]
    )


def pdf_document(
    shown: Sequence[Shown],
    count: int,
    size: Point,
    theme: Theme,
    title: str,
    made: str = "",
    looks: Sequence[str] = (),
    bookmarks: Sequence[tuple[str, int]] = (),
) -> bytes:
    """The file: marks back to front, each on the pages on which it is shown; ``looks`` are put before those that are
    on a stage, a page each, and taken back after them.
    """
    labels = [one.mark for one in shown if isinstance(one.mark, Label)]
    warn_of_missing(labels)
    chars: dict[Face, set[str]] = defaultdict(set)
    for label in labels:
        for letters in runs_of_label(label):
            chars[label.bold, False].update(drawable_text(letters.text, label.bold, letters.italic))
    fonts = {face: PdfFont(chars[face], *face) for face in sorted(chars) if chars[face]}
    file = Objects()
    names = {face: f"F{i}" for i, face in enumerate(fonts)}
    resources = file.add(
        "<< /Font << "
        + " ".join(f"/{names[face]} {font_object(file, font)} 0 R" for face, font in fonts.items())
        + " >> >>"
    )
    unit = max(1, math.ceil(max(size) / LONGEST_SIDE))
    shrunk = f"{svg_number(1 / unit, 6)} 0 0 {svg_number(1 / unit, 6)} 0 0 cm " if unit > 1 else ""
    upside = file.stream(f"{shrunk}1 0 0 -1 0 {svg_number(size[1])} cm 1 j".encode())  # y grows downwards here
    contents: list[list[int]] = [[upside] for _ in range(count)]
    aimed = {look: file.stream(look.encode()) for look in dict.fromkeys(looks)}
    back = file.stream(b"Q") if looks else 0
    staged = False
    for (first, last, on_stage), run in groupby(shown, lambda one: (one.first, one.last, one.staged)):
        if on_stage != staged:
            staged = on_stage
            for page, look in zip(contents, looks, strict=True):
                page.append(aimed[look] if staged else back)
        stream = file.stream(b"\n".join(painted(one.mark, theme, fonts, names) for one in run))
        for page in contents[first : last + 1]:
            page.append(stream)
    return file.document(contents, resources, (size[0] / unit, size[1] / unit), unit, title, made, bookmarks)


# --- marks


def painted(mark: Mark, theme: Theme, fonts: dict[Face, PdfFont], names: dict[Face, str]) -> bytes:
    """The operators that draw a mark."""
    if isinstance(mark, Label):
        return written_text(mark, theme, fonts, names)
    fill, stroke = roles(mark)
    parts = [pdf_color(theme[fill], "rg")] if fill else []
    if stroke and isinstance(mark, Rect | Curve):
        parts += [
            pdf_color(theme[stroke], "RG"),
            f"{svg_number(mark.line)} w",
            f"[{' '.join(map(svg_number, mark.dash))}] 0 d",
        ]
    return " ".join([*parts, mark_path(mark), "B" if fill and stroke else "f" if fill else "S"]).encode()


def pdf_color(value: str, operator: str) -> str:
    """A colour for filling ("rg") or for lines ("RG")."""
    return " ".join(svg_number(byte / 255, 4) for byte in bytes.fromhex(value[1:])) + f" {operator}"


def mark_path(mark: Rect | Curve | Polygon) -> str:
    """The path of a mark."""
    if isinstance(mark, Rect):
        return (
            round_rectangle(mark)
            if mark.radius
            else " ".join(map(svg_number, (mark.x, mark.y, mark.width, mark.height))) + " re"
        )
    first, *rest = (f"{svg_number(x)} {svg_number(y)}" for x, y in mark.points)
    if isinstance(mark, Polygon):
        return f"{first} m " + "".join(f"{point} l " for point in rest) + "h"
    return f"{first} m " + " ".join(f"{a} {b} {c} c" for a, b, c in zip(rest[::3], rest[1::3], rest[2::3], strict=True))


def round_rectangle(rect: Rect) -> str:
    """A rectangle with round corners, clockwise from the upper left."""
    radius = min(rect.radius, rect.width / 2, rect.height / 2)
    left, top, right, bottom = rect.x, rect.y, rect.x + rect.width, rect.y + rect.height
    corners = [
        ((right, top), (-1, 0), (0, 1)),
        ((right, bottom), (0, -1), (-1, 0)),
        ((left, bottom), (1, 0), (0, -1)),
        ((left, top), (0, 1), (1, 0)),
    ]
    path = [f"{svg_number(left + radius)} {svg_number(top)} m"]
    for (x, y), (ax, ay), (bx, by) in corners:
        near, handle = radius, radius * (1 - KAPPA)
        points = [
            (x + ax * near, y + ay * near),
            (x + ax * handle, y + ay * handle),
            (x + bx * handle, y + by * handle),
            (x + bx * near, y + by * near),
        ]
        begin, *curve = (f"{svg_number(px)} {svg_number(py)}" for px, py in points)
        path += [f"{begin} l", f"{' '.join(curve)} c"]
    return " ".join([*path, "h"])


def written_text(label: Label, theme: Theme, fonts: dict[Face, PdfFont], names: dict[Face, str]) -> bytes:
    """A line of text, turned upright again."""
    runs = [(run, drawable_text(run.text, label.bold, run.italic)) for run in runs_of_label(label) if run.text]
    if not runs:
        return b""
    # text of mode 3 is not seen but can be copied
    whole = "".join(text for _, text in runs)
    drawing, mode = (f"{traced_text(label)} f ", "3 Tr") if is_shaped(whole) else ("", "0 Tr")
    face, x = (label.bold, False), start(label)
    parts = [f"{pdf_color(theme[label.color], 'rg')} {drawing}BT {mode}".encode()]
    for run, text in runs:
        size, down = (label.size * SCRIPT, label.size * DROP) if run.lowered else (label.size, 0.0)
        slant = SLANT if run.italic else "0"
        where = f"1 0 {slant} -1 {svg_number(x)} {svg_number(label.y + down)} Tm"
        look = f"/{names[face]} {svg_number(size)} Tf {where} "
        parts.append(look.encode() + fonts[face].shown(text) + b" Tj")
        x += text_width(text, size, label.bold)
    return b" ".join([*parts, b"ET"])


def traced_text(label: Label) -> str:
    """The outline of a line of text, for letters that join or run from right to left."""
    vertices, codes = label_outline(label)
    points = iter((vertices * (label.size / EM, -label.size / EM) + (start(label), label.y)).tolist())
    path: list[str] = []
    here = (0.0, 0.0)
    for code in iter_segments(codes.tolist()):
        ends = [next(points) for _ in range(VERTICES[code])]
        if code == QUADRATIC:
            ends = [between(here, ends[0]), between(ends[1], ends[0]), ends[1]]
        path.append(
            " ".join(f"{svg_number(x)} {svg_number(y)}" for x, y in ends) + OPERATORS[code] if code != CLOSE else "h"
        )
        here = ends[-1]
    return " ".join(path)


def iter_segments(codes: list[int]) -> Iterator[int]:
    """The code of each segment; an outline repeats it for each of its points."""
    i = 0
    while i < len(codes):
        yield codes[i]
        i += VERTICES[codes[i]]


def between(end: Point, control: Point) -> Point:
    """The control point of a cubic that looks like a quadratic with that control point."""
    return end[0] + 2 / 3 * (control[0] - end[0]), end[1] + 2 / 3 * (control[1] - end[1])


# --- the file


def font_object(file: Objects, font: PdfFont) -> int:
    """A font with its program, widths and characters."""
    program = file.stream(font.program, f"/Length1 {len(font.program)}")
    box = " ".join(map(str, font.box))
    look = f"/Flags 4 /FontBBox [{box}] /ItalicAngle {font.slope} /Ascent 928 /Descent -236 /CapHeight 729 /StemV 80"
    about = file.add(f"<< /Type /FontDescriptor /FontName /{font.name} {look} /FontFile2 {program} 0 R >>")
    system = "/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >>"
    widths = " ".join(map(str, font.widths))
    shapes = file.add(
        f"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /{font.name} {system} /FontDescriptor {about} 0 R /W [0"
        f" [{widths}]] /CIDToGIDMap /Identity >>"
    )
    characters = file.stream(font.characters())
    kind = f"/Type /Font /Subtype /Type0 /BaseFont /{font.name} /Encoding /Identity-H"
    return file.add(f"<< {kind} /DescendantFonts [{shapes} 0 R] /ToUnicode {characters} 0 R >>")


class Objects:
    """The numbered objects of a PDF, in the order in which they are added."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def add(self, body: str) -> int:
        """An object without a stream; its number."""
        self.bodies.append(body.encode("ascii"))
        return len(self.bodies)

    def stream(self, data: bytes, entries: str = "") -> int:
        """An object with a stream; its number."""
        small = flate_stream(data)
        head = f"<< /Length {len(small)} /Filter /FlateDecode {entries}>>\nstream\n"
        self.bodies.append(head.encode("ascii") + small + b"\nendstream")
        return len(self.bodies)

    def document(
        self,
        contents: list[list[int]],
        resources: int,
        size: Point,
        unit: int,
        title: str,
        made: str,
        bookmarks: Sequence[tuple[str, int]] = (),
    ) -> bytes:
        """The file with a page for each list of streams, of that size in units of so many points."""
        tree = len(self.bodies) + len(contents) + 1
        box = f"[0 0 {svg_number(size[0])} {svg_number(size[1])}]"
        common = f"/Type /Page /Parent {tree} 0 R /MediaBox {box} /Resources {resources} 0 R"
        common += f" /UserUnit {unit}" if unit > 1 else ""
        pages = [self.add(f"<< {common} /Contents [{references(streams)}] >>") for streams in contents]
        self.add(f"<< /Type /Pages /Kids [{references(pages)}] /Count {len(pages)} >>")
        outlines = f" /Outlines {self.outlines(bookmarks, pages)} 0 R" if bookmarks else ""
        root = self.add(
            f"<< /Type /Catalog /Pages {tree} 0 R{outlines} /Lang (en) /PageLayout /SinglePage /ViewerPreferences <<"
            " /DisplayDocTitle true >> >>"
        )
        named = f" /Title {pdf_text(title)}" if title else ""
        about = self.add(f"<< /Creator (graphviz_ad){named}{f' /Keywords ({made})' if made else ''} >>")
        return self.bytes(root, about)

    def outlines(self, bookmarks: Sequence[tuple[str, int]], pages: list[int]) -> int:
        """The bookmarks, one below the other; the number of what holds them."""
        top = len(self.bodies) + len(bookmarks) + 1
        first, last = top - len(bookmarks), top - 1
        for number, (title, page) in enumerate(bookmarks, first):
            before = f" /Prev {number - 1} 0 R" if number > first else ""
            after = f" /Next {number + 1} 0 R" if number < last else ""
            goal = f"/Dest [{pages[page]} 0 R /Fit]"
            self.add(f"<< /Title {pdf_text(title)} /Parent {top} 0 R{before}{after} {goal} >>")
        return self.add(f"<< /Type /Outlines /First {first} 0 R /Last {last} 0 R /Count {len(bookmarks)} >>")

    def bytes(self, root: int, about: int) -> bytes:
        """Header, objects, where each one is, and where to begin."""
        made = bytearray(b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n")
        places = []
        for i, body in enumerate(self.bodies):
            places.append(len(made))
            made += b"%d 0 obj\n%b\nendobj\n" % (i + 1, body)
        name = hashlib.sha256(made).hexdigest()[:32].upper()
        table = b"".join(b"%010d 00000 n \n" % place for place in places)
        trailer = (
            f"trailer\n<< /Size {len(places) + 1} /Root {root} 0 R /Info {about} 0 R /ID [<{name}> <{name}>]"
            f" >>\nstartxref\n{len(made)}\n%%EOF\n"
        )
        return bytes(made) + b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1) + table + trailer.encode("ascii")


def pdf_text(text: str) -> str:
    """A text of any letters."""
    return f"<FEFF{visible(text).encode('utf-16-be').hex().upper()}>"


def references(numbers: Iterable[int]) -> str:
    """ "4 0 R 7 0 R"."""
    return " ".join(f"{number} 0 R" for number in numbers)
