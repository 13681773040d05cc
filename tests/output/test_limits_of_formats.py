"""Text of any length and of any characters in every format: another reader opens the file; what is written is what
is returned.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import networkx
import pytest
from needed_tools import needs_package
from PIL import Image
from pypdf import PdfReader
from reopened import FILM_READERS, STILL_READERS
from small_film import hostile_film
from small_programs import graph

from graphviz_ad._internal.api.api import Animation, Frame, Picture
from graphviz_ad._internal.base.errors import GraphvizADWarning, SaveError, UnknownNameError
from graphviz_ad._internal.base.visible_text import visible, whole_text
from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.output import formats
from graphviz_ad._internal.output.format_table import COMPANIONS, FILMS, FRAMES, STILLS, WHOLE_SET
from graphviz_ad._internal.renderers.images import matplotlib_canvas
from graphviz_ad._internal.renderers.images.matplotlib_canvas import MOST_PIXELS_A_SIDE, MOST_PIXELS_READ, most_scale
from graphviz_ad._internal.renderers.pages.pdf import pdf_page
from graphviz_ad._internal.scene.canvas import Canvas, Label
from graphviz_ad._internal.scene.themes import THEMES

LIGHT = THEMES["light"]
SMALL = {".gif", ".mp4", ".webm", ".webp", ".png"}  # what can be made small, and is, to be quick
TEXTS = {
    "a long word": "x" * 300,
    "more than TeX reads in a line": "word " * 50_000,
    "what is made visible": "\u202e\x00\x0b\x1f" * 100,
    "beyond the first plane": "\U0001f469" * 300,
    "half characters": "\ud800" * 300,
    "lines": "a\r\nb\n\n" * 200,
    "nothing": "",
}


@cache
def film_of(text: str) -> Animation:
    made = hostile_film(text)
    return Animation(replace(graph("square"), name=text), replace(made, steps=made.steps[:2]), LIGHT)


def saved_film(film: Animation, path: Path, suffix: str) -> Path:
    return film.save(path, **({"scale": 0.2} if suffix in SMALL else {}))


def test_readers_are_named_for_formats_that_there_are() -> None:
    assert set(STILL_READERS) == set(STILLS)
    assert set(FILM_READERS) == set(FILMS)


@pytest.mark.filterwarnings("ignore:DejaVu Sans has no glyph")
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_film_of_any_words_is_opened_by_another_reader(text: str, tmp_path: Path) -> None:
    for suffix in FILMS:
        path = saved_film(film_of(text), tmp_path / f"f{suffix}", suffix)
        FILM_READERS[suffix](path)


@pytest.mark.filterwarnings("ignore:DejaVu Sans has no glyph")
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_picture_of_any_words_is_opened_by_another_reader(text: str, tmp_path: Path) -> None:
    made = film_of(text)
    picture = Picture(made.graph, made.film.stage, LIGHT)
    for suffix in STILLS if picture.canvas.height < 10_000 else [suffix for suffix in STILLS if suffix != ".png"]:
        STILL_READERS[suffix](picture.save(tmp_path / f"p{suffix}"))


def test_what_is_said_in_a_film_of_many_words_is_cut_only_where_a_format_has_no_place(tmp_path: Path) -> None:
    text = "word " * 400
    made = film_of(text)
    assert f"{'word ' * 400}" in FILM_READERS[".svg"](made.save(tmp_path / "f.svg"))
    deck = needs_package("pptx").Presentation(made.save(tmp_path / "f.pptx"))
    assert deck.core_properties.subject == whole_text(text, 255)
    assert len(deck.core_properties.subject) == 255
    assert deck.core_properties.subject.endswith("…")
    (described,) = [shape for shape in deck.slides[0].shapes if shape.name == "graph"]
    assert described._element.nvGrpSpPr.cNvPr.get("descr") == text


def test_letters_too_small_for_powerpoint_are_as_small_as_it_can_have_them(tmp_path: Path) -> None:
    from graphviz_ad._internal.renderers.pages.slides import text_body

    assert 'sz="100"' in text_body(Label(0, 0, "a", 0.2, "ink"), LIGHT)
    assert 'sz="900"' in text_body(Label(0, 0, "a", 12.0, "ink"), LIGHT)


@pytest.mark.parametrize(("width", "unit"), [(14_400, 1), (14_401, 2), (100_000, 7)])
def test_a_page_larger_than_a_pdf_can_have_is_counted_in_larger_units(width: int, unit: int, tmp_path: Path) -> None:
    (tmp_path / "p.pdf").write_bytes(pdf_page(Canvas(width, 300, (Label(width / 2, 150, "words", 12, "ink"),)), LIGHT))
    (page,) = PdfReader(tmp_path / "p.pdf").pages
    assert (float(page.mediabox.width) * unit, float(page.mediabox.height) * unit) == (
        pytest.approx(width, abs=0.1),
        pytest.approx(300, abs=0.1),
    )
    assert page.get("/UserUnit", 1) == unit
    assert "words" in page.extract_text()


@pytest.mark.parametrize(
    ("width", "height"), [(1, 60_000_000), (70_000, 3), (40_000, 40_000), (860, 36_526), (8_995, 30_172)]
)
def test_the_most_pixels_a_point_are_just_as_many_as_can_be_drawn(width: int, height: int) -> None:
    scale = most_scale(Canvas(width, height, ()))
    columns, rows = math.ceil(width * scale), math.ceil(height * scale)
    assert max(columns, rows) <= MOST_PIXELS_A_SIDE
    assert columns * rows <= MOST_PIXELS_READ
    assert max(columns, rows) > 0.99 * MOST_PIXELS_A_SIDE or columns * rows > 0.99 * MOST_PIXELS_READ


def test_a_picture_too_large_for_its_pixels_has_fewer_and_says_so(tmp_path: Path) -> None:
    wide = Frame(Canvas(70_000, 3, (), background="paper"), LIGHT, 2.0)
    with pytest.warns(
        GraphvizADWarning,
        match=r"70000 x 3 points is too large for 2 pixels a point: it has 0\.94; \.svg and \.pdf stay sharp",
    ):
        path = wide.save(tmp_path / "p.png")
    with Image.open(path) as image:
        assert image.size == (MOST_PIXELS_A_SIDE - 1, 3)


def test_a_long_picture_of_a_training_run_is_drawn_with_fewer_pixels(tmp_path: Path, monkeypatch: Any) -> None:
    assert Image.MAX_IMAGE_PIXELS is not None
    assert MOST_PIXELS_READ <= Image.MAX_IMAGE_PIXELS
    monkeypatch.setattr(matplotlib_canvas, "MOST_PIXELS_READ", 2**22)  # as many as there may be take 700 MB
    long = Frame(Canvas(8_995, 30_172, (), background="paper"), LIGHT, 2.0)
    with pytest.warns(GraphvizADWarning, match=r"8995 x 30172 points is too large for 2 pixels a point: it has 0\.12"):
        path = long.save(tmp_path / "p.png")
    assert path is not None
    with Image.open(path) as image:
        assert image.height / image.width == pytest.approx(30_172 / 8_995, rel=2e-3)


# --- other tools

HOSTILE = (
    '"];n0-->n1',
    "#quot;`**b**`",
    "</node>&lt;",
    "end",
    "a/b\\n",
    "%%{init}%%",
    "\ud800\x00",
    "__proto__",
    "<br/>",
)


def labels_in(suffix: str, path: Path) -> list[str]:
    """What nodes are called in a file, as a reader of that format has it."""
    if suffix == ".gexf":
        return [node["label"] for _, node in networkx.read_gexf(path).nodes(data=True)]
    if suffix == ".mmd":
        texts = re.findall(r'^  n\d+\(?\["(.*?)(?:<br/>|")', path.read_text("utf-8"), re.MULTILINE)
        return [re.sub(r"#(\d+);", lambda found: chr(int(found[1])), text) for text in texts]
    found = json.loads(path.read_text("ascii"))
    if suffix == ".cyjs":
        return [node["data"]["name"] for node in found["elements"]["nodes"]]
    if suffix == ".explorer.json":
        return [node["label"] for node in found["graphs"][0]["nodes"]]
    return [value["name"] for value in found["modules"][0]["values"]]


@pytest.mark.parametrize("suffix", [".gexf", ".cyjs", ".explorer.json", ".netron.json", ".mmd"])
def test_other_tools_find_names_as_they_are_shown(suffix: str, tmp_path: Path) -> None:
    names = (*HOSTILE, "kept")
    nodes = tuple(
        Node(f"n{i}", "data", name=name, ports=(Port(shape=()),))
        if name != "kept"
        else Node(f"n{i}", "op", op="cat", name=name)
        for i, name in enumerate(names)
    )
    edges = tuple(Edge(node.key, nodes[-1].key, i) for i, node in enumerate(nodes[:-1]))
    path = Graph(nodes, edges).plot(layout="layered").save(tmp_path / f"g{suffix}")
    assert path is not None
    STILL_READERS[suffix](path)
    assert labels_in(suffix, path) == [visible(name) for name in names]


# --- files


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@cache
def square() -> Any:
    return graph("square").animate(direction="forward")


def furnished(folder: Path) -> dict[str, bytes]:
    """A file of the user's under every name that a film or picture called "f" could have."""
    for suffix in {*FILMS, *STILLS, ".tln", ".aux", ".log"}:
        (folder / f"f{suffix}").write_text("mine")
    graph("square").plot().save(folder / "f.pdf")
    return contents(folder)


@pytest.mark.parametrize("suffix", FILMS)
def test_a_film_changes_the_file_that_it_returns_and_what_lies_beside_it(suffix: str, tmp_path: Path) -> None:
    before = furnished(tmp_path)
    path = saved_film(square(), tmp_path / f"f{suffix}", suffix)
    after = contents(tmp_path)
    changed = {name for name in after if before.get(name) != after[name]}
    beside = {".tex": {"f-film.pdf"}, ".qmd": {"f-film.svg", "f-film.png"}}.get(suffix, set())
    assert changed == {path.name} | beside
    assert set(before) <= set(after)


@pytest.mark.parametrize("suffix", STILLS)
def test_a_picture_changes_the_file_that_it_returns(suffix: str, tmp_path: Path) -> None:
    before = furnished(tmp_path)
    path = graph("square").plot(values=False).save(tmp_path / f"f{suffix}")
    after = contents(tmp_path)
    assert {name for name in {*before, *after} if before.get(name) != after.get(name)} == {path.name}


@pytest.mark.parametrize("suffix", STILLS)
def test_a_frame_is_written_or_refused_with_the_forms_that_it_has(suffix: str, tmp_path: Path) -> None:
    if suffix in FRAMES:
        STILL_READERS[suffix](square().frame(0).save(tmp_path / f"f{suffix}"))
        return
    with pytest.raises(
        UnknownNameError, match=r"no frame format named .*Choose from: \.pdf, \.pgf, \.png, \.svg, \.tikz"
    ):
        square().frame(0).save(tmp_path / f"f{suffix}")
    assert not contents(tmp_path)


@pytest.mark.parametrize(("suffix", "other"), [(".tex", "f-film.pdf"), (".qmd", "f-film.svg"), (".qmd", "f-film.png")])
def test_not_even_a_file_that_we_made_is_replaced_unless_it_was_made_to_lie_there(
    suffix: str, other: str, tmp_path: Path
) -> None:
    square().save(tmp_path / other)
    before = contents(tmp_path)
    with pytest.raises(SaveError, match=f"{other}' for 'f{suffix}': another file of that name is there"):
        square().save(tmp_path / f"f{suffix}")
    assert contents(tmp_path) == before


def test_a_name_that_links_elsewhere_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "f-film.pdf").symlink_to(tmp_path / "nowhere")
    with pytest.raises(SaveError, match="another file of that name is there"):
        square().save(tmp_path / "f.tex")
    assert (tmp_path / "f-film.pdf").is_symlink()


def test_saved_again_what_lies_beside_is_replaced(tmp_path: Path) -> None:
    for name, other in itertools.product(("f.tex", "f.qmd"), (square(), graph("fan_out").animate(direction="forward"))):
        other.save(tmp_path / name)
    assert PdfReader(tmp_path / "f-film.pdf").metadata.title == other.film.title  # type: ignore[union-attr]


def test_a_figure_finds_its_pictures_whatever_its_name(tmp_path: Path) -> None:
    path = square().save(tmp_path / "my film (2), 50% & ü.qmd")
    assert "my%20film" in FILM_READERS[".qmd"](path)


# --- a whole set


BESIDE = [ending for suffix in WHOLE_SET for ending in COMPANIONS.get(suffix, ())]


def test_a_whole_set_is_all_that_a_film_can_be() -> None:
    assert set(WHOLE_SET) == set(FILMS)


def test_a_whole_set_returns_every_file_that_it_writes(tmp_path: Path) -> None:
    before = furnished(tmp_path)
    paths = square().save_all(tmp_path / "f")
    after = contents(tmp_path)
    assert {path.name for path in paths} == {name for name in after if before.get(name) != after[name]}
    assert len(paths) == len(set(paths)) == len(WHOLE_SET) + len(BESIDE)
    for suffix in WHOLE_SET:
        FILM_READERS[suffix](tmp_path / f"f{suffix}")


def test_a_format_that_fails_keeps_no_other_from_being_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "gif", lambda animation: 1 / 0)
    monkeypatch.setattr(formats, "mp4", lambda animation: (_ for _ in ()).throw(SaveError("too large")))
    with pytest.raises(
        SaveError,
        match=(
            rf"2 of {len(WHOLE_SET)} files .*f\.gif: ZeroDivisionError: division by zero; .*f\.mp4: SaveError: too"
            r" large\. Written: f\.svg, f\.png"
        ),
    ) as caught:
        square().save_all(tmp_path / "f")
    assert set(contents(tmp_path)) == {
        f"f{ending}" for ending in (*WHOLE_SET, *BESIDE) if ending not in (".gif", ".mp4")
    }
    assert isinstance(caught.value.__cause__, ExceptionGroup)
    assert [type(error) for error in caught.value.__cause__.exceptions] == [ZeroDivisionError, SaveError]


def test_a_name_that_latex_cannot_find_costs_a_set_its_latex_alone(tmp_path: Path) -> None:
    said = rf"1 of {len(WHOLE_SET)} files could not be written: .*LaTeX may not find a file named 'ü 1'"
    with pytest.raises(SaveError, match=said):
        square().save_all(tmp_path / "ü 1")
    latex = (".tex", *COMPANIONS[".tex"])
    assert set(contents(tmp_path)) == {f"ü 1{ending}" for ending in (*WHOLE_SET, *BESIDE) if ending not in latex}


@pytest.mark.parametrize("name", ["no/f", "", "f/"])
def test_a_set_without_a_name_or_a_folder_is_refused_at_once(name: str, tmp_path: Path) -> None:
    with pytest.raises(SaveError, match="cannot write a set of files named"):
        square().save_all(f"{tmp_path}/{name}")
    assert not contents(tmp_path)
