"""A file of ours -> what a reader that is not ours finds in it; it is an error where that reader, or the limits of
the format, would refuse the file.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import networkx
from needed_tools import needs_package
from PIL import Image
from pypdf import PdfReader

from graphviz_ad._internal.output.format_table import FILMS, STILLS

CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
LONGEST_TEX_LINE = 200_000  # characters; TeX stops at a longer one
LONGEST_PROPERTY = 255  # characters of a property of an Office document
LONGEST_PAGE = 14_400  # units of a side of a page of a PDF
VOID = {"meta", "img", "input", "br", "hr", "link"}  # elements of HTML that have no end


def as_something(path: Path) -> str:
    """A file of a format that no reader is named for: it is there, and not empty."""
    assert path.stat().st_size > 0
    return ""


def as_text(path: Path) -> str:
    """UTF-8 in which nothing is invisible but the ends of lines."""
    text = path.read_text("utf-8")
    assert not CONTROLS.search(text.replace("\t", "")), "control characters"
    return text


def as_xml(path: Path) -> str:
    """XML, by a parser with the limits that most have; its words."""
    root = needs_package("lxml.etree").parse(str(path)).getroot()
    names = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(names) == len(set(names)), "an id twice"
    ElementTree.parse(path)
    as_text(path)
    return " ".join(root.itertext())


def as_image(path: Path) -> str:
    """Every picture of the file; the texts that it carries."""
    with Image.open(path) as image:
        image.verify()
    with Image.open(path) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()
        assert min(image.size) > 0
        words = " ".join(str(word) for word in getattr(image, "text", {}).values())
    assert not CONTROLS.search(words), "control characters"
    return words


def as_movie(path: Path) -> str:
    """Every picture of the film, at increasing times."""
    av = needs_package("av")
    with av.open(str(path)) as container:
        times = [frame.pts for frame in container.decode(video=0)]
        assert not container.streams.video[0].metadata.get("title", "").strip()
    assert times
    assert times == sorted(set(times))
    return ""


def as_pdf(path: Path) -> str:
    """Every page of the file; its words."""
    reader = PdfReader(path, strict=True)
    assert reader.metadata is not None
    assert max(float(side) for page in reader.pages for side in page.mediabox) <= LONGEST_PAGE
    return " ".join([reader.metadata.title or "", *(page.extract_text() for page in reader.pages)])


def as_dot(path: Path) -> str:
    """What Graphviz makes of the source, where it is installed."""
    source = as_text(path)
    if (program := shutil.which("dot")) is not None:
        done = subprocess.run(
            [program, "-Tcanon"], input=source.encode(), capture_output=True, timeout=300, check=False
        )
        assert done.returncode == 0
        assert not done.stderr, done.stderr.decode("utf-8", "replace")
    assert source.rstrip().endswith("}")
    return source


class Page(HTMLParser):
    """HTML whose elements are closed in the order in which they were opened."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.opened: list[str] = []
        self.words: list[str] = []
        self.data: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute of <{tag}> twice"
        for name, value in attrs:
            assert not (name in ("src", "href") and not re.match("data:|#", value or "")), value
        if tag not in VOID:
            self.opened.append(tag)
            self.data += [""] if ("type", "application/json") in attrs else []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.opened.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.opened, tag
        assert self.opened.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.opened[-1:] == ["script"] and self.data and not self.data[-1]:
            self.data[-1] = data
        self.words.append(data)


def as_html(path: Path) -> str:
    """Words and data of a page that loads nothing."""
    page = Page()
    page.feed(as_text(path))
    page.close()
    assert not page.opened
    for data in page.data:
        json.loads(data, parse_constant=refused)
    return " ".join(page.words)


def refused(constant: str) -> None:
    """NaN and Infinity are no JSON."""
    raise AssertionError(constant)


def as_json(path: Path) -> str:
    """Strict JSON."""
    assert isinstance(json.loads(path.read_text("ascii"), parse_constant=refused), dict)
    return path.read_text("ascii")


def as_gexf(path: Path) -> str:
    """The graph that networkx reads."""
    assert networkx.read_gexf(path).number_of_nodes() > 0
    words = as_xml(path)
    texts = [text for element in ElementTree.parse(path).iter() for text in element.attrib.values()]
    return " ".join([words, *texts])


def as_cytoscape(path: Path) -> str:
    """Strict JSON, with edges between nodes that there are."""
    found = json.loads(as_json(path))
    nodes = [node["data"]["id"] for node in found["elements"]["nodes"]]
    assert len(nodes) == len(set(nodes))
    assert all({edge["data"][end] for end in ("source", "target")} <= {*nodes} for edge in found["elements"]["edges"])
    return str(found)


def as_model_explorer(path: Path) -> str:
    """The fields that Model Explorer names, all texts, with edges between nodes that there are."""
    found = json.loads(as_json(path))
    (graph,) = found["graphs"]
    nodes = {node["id"]: node for node in graph["nodes"]}
    assert len(nodes) == len(graph["nodes"])
    for node in nodes.values():
        assert all(isinstance(node[name], str) for name in ("id", "label", "namespace"))
        assert all(isinstance(text, str) for pair in node["attrs"] for text in (pair["key"], pair["value"]))
        for edge in node["incomingEdges"]:
            assert int(edge["sourceNodeOutputId"]) <= len(nodes[edge["sourceNodeId"]]["outputsMetadata"]) + 8
    return str(found)


def as_netron(path: Path) -> str:
    """What Netron's reader of messages asks for: a signature at the begin, arguments that are places of values."""
    text = as_json(path)
    assert re.match(r'^{\s*"signature":\s*"netron:', text[:64])
    (module,) = json.loads(text)["modules"]
    arguments = [*module["inputs"], *module["outputs"]]
    arguments += [each for node in module["nodes"] for each in (*node["inputs"], *node["outputs"])]
    assert all(0 <= place < len(module["values"]) for each in arguments for place in each["value"])
    assert all(isinstance(node["type"]["name"], str) for node in module["nodes"])
    return text


MERMAID_TEXT = r'"(?:[^"#`&<>{}]|#\d+;|<br/>)*"'
MERMAID_LINE = re.compile(
    rf"flowchart (?:LR|TB)|  n\d+(?:\[{MERMAID_TEXT}\]|\(\[{MERMAID_TEXT}\]\))"
    rf"|  n\d+ -\.?->(?:\|{MERMAID_TEXT}\|)? n\d+"
)


def as_mermaid(path: Path) -> str:
    """A flowchart, of which each line is of a form that Mermaid's grammar has; no parser of it is in Python."""
    text = as_text(path)
    lines = text.rstrip("\n").split("\n")
    assert all(MERMAID_LINE.fullmatch(line) for line in lines), [x for x in lines if not MERMAID_LINE.fullmatch(x)]
    declared = {line.split("[")[0].rstrip("(").strip() for line in lines[1:] if '["' in line}
    arrows = [re.findall(r"n\d+", re.sub(MERMAID_TEXT, "", line)) for line in lines[1:] if "->" in line]
    assert all({*ends} <= declared for ends in arrows if len(ends) == 2)
    return text


def as_graphml(path: Path) -> str:
    """The graph that networkx reads."""
    found = networkx.read_graphml(path, force_multigraph=True)
    assert found.number_of_nodes() > 0
    return as_xml(path)


def as_tex(path: Path) -> str:
    """ASCII in lines that TeX can read, in balanced braces, none of them empty."""
    source = path.read_text("ascii")
    lines = source.split("\n")
    assert not CONTROLS.search(source), "control characters"
    assert max(map(len, lines)) < LONGEST_TEX_LINE
    assert all(line.strip() for line in lines[:-1]), "an empty line ends a paragraph"
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", re.sub(r"(?m)(?<!\\)%.*$", "", source.replace(r"\\", ""))):
        depth += 1 if brace == "{" else -1
        assert depth >= 0
    assert depth == 0
    for name in re.findall(r"\\gadfolder ([^}]+\.pdf)\}", source):
        as_pdf(path.with_name(name))
    return source


def as_deck(path: Path) -> str:
    """The words of all slides; numbers and properties that PowerPoint takes."""
    pptx = needs_package("pptx")
    data = path.read_bytes()
    deck = pptx.Presentation(io.BytesIO(data))
    about = deck.core_properties
    assert (
        max(len(text) for text in (about.title, about.subject, about.author, about.keywords, about.comments))
        <= LONGEST_PROPERTY
    )
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        parts = {name: archive.read(name) for name in archive.namelist() if name.startswith("ppt/slides/slide")}
    for source in parts.values():
        root = ElementTree.fromstring(source)
        numbers = [element.get("id") for element in root.iter() if element.tag.endswith("}cNvPr")]
        assert len(numbers) == len(set(numbers))
        assert all(100 <= int(element.get("sz", 100)) <= 400_000 for element in root.iter())
    return " ".join(
        words
        for slide in deck.slides
        for words in (*shape_texts(slide.shapes), slide.notes_slide.notes_text_frame.text)
    )


def shape_texts(shapes: Any) -> Iterator[str]:
    """The words of shapes, and of those in groups."""
    for shape in shapes:
        yield from (
            shape_texts(shape.shapes)
            if hasattr(shape, "shapes")
            else [shape.text_frame.text]
            if shape.has_text_frame
            else []
        )


def as_figure(path: Path) -> str:
    """Markdown whose pictures lie beside it."""
    source = as_text(path)
    places = re.findall(r"\]\(([^)]+)\)\{fig-alt", source)
    assert len(places) == 2
    for place in places:
        STILL_READERS[Path(place).suffix](path.with_name(unquote(place)))
    return source


Reader = Callable[[Path], str]
STILL_READERS: Mapping[str, Reader] = dict.fromkeys(STILLS, as_something) | {
    ".svg": as_xml,
    ".png": as_image,
    ".pdf": as_pdf,
    ".dot": as_dot,
    ".gv": as_dot,
    ".html": as_html,
    ".json": as_json,
    ".graphml": as_graphml,
    ".gexf": as_gexf,
    ".cyjs": as_cytoscape,
    ".explorer.json": as_model_explorer,
    ".netron.json": as_netron,
    ".mmd": as_mermaid,
    ".tikz": as_tex,
    ".pgf": as_tex,
}
FILM_READERS: Mapping[str, Reader] = dict.fromkeys(FILMS, as_something) | {
    ".gif": as_image,
    ".html": as_html,
    ".mp4": as_movie,
    ".webm": as_movie,
    ".webp": as_image,
    ".png": as_image,
    ".svg": as_xml,
    ".pdf": as_pdf,
    ".tex": as_tex,
    ".pptx": as_deck,
    ".reveal.html": as_html,
    ".qmd": as_figure,
    ".txt": as_text,
    ".vtt": as_text,
    ".md": as_text,
}
