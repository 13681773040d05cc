"""`make demo` makes every file that it promises, and each is what its suffix says."""

from __future__ import annotations

import importlib.util
import re
import xml.etree.ElementTree as ET
from functools import partial
from pathlib import Path

import pytest
from needed_tools import needs_package
from PIL import Image

import graphviz_ad as gad
from graphviz_ad._internal.film.moments import moments
from graphviz_ad._internal.output.formats import PICTURES

DEMO = Path(__file__).parents[1] / "demo/make_demo.py"
SMALL = {
    "resnet": {"embedding_size": 4, "hidden_sizes": [4, 4, 8, 8], "num_labels": 10},
    "gpt2": {"n_embd": 8, "n_layer": 2, "n_head": 2, "vocab_size": 1000},
}


@pytest.fixture(scope="module")
def demo():
    spec = importlib.util.spec_from_file_location("make_demo", DEMO)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made(demo, tmp_path_factory):
    """The folder that the demo fills, its networks as deep as ever but narrow."""
    needs_package("transformers")
    folder = tmp_path_factory.mktemp("out") / "demo"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "FOLDER", folder)
        for name, settings in SMALL.items():
            patch.setattr(demo, name, partial(getattr(demo, name), **settings))
        assert demo.main() == 0
    return folder


def texts_of(path: Path) -> list[str]:
    return ["".join(element.itertext()) for element in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")]


def test_every_promised_file_is_there(made):
    names = {path.name for path in made.iterdir()}
    assert names >= {
        "function.svg",
        "function.png",
        "function.pdf",
        "function.gif",
        "function.html",
        "resnet18.svg",
        "gpt2.svg",
    }


def test_the_svg_shows_the_known_numbers(made):
    texts = texts_of(made / "function.svg")
    assert {"1.5", "0.5", "1.047", ".grad 0.2328", ".grad 1.617"} <= set(texts)


def test_the_png_is_wide_enough_for_a_slide(made):
    with Image.open(made / "function.png") as picture:
        picture.load()
        assert picture.format == "PNG"
        assert picture.width > 800


def test_the_pdf_is_one_page(made):
    data = (made / "function.pdf").read_bytes()
    assert data.startswith(b"%PDF-")
    assert data.rstrip().endswith(b"%%EOF")
    assert len(re.findall(rb"/Type\s*/Page\b", data)) == 1


def test_the_gif_has_a_frame_for_each_step_and_some_in_which_numbers_move(demo, made):
    film = gad.trace(demo.f, 1.5, 0.5).animate()
    with Image.open(made / "function.gif") as picture:
        assert picture.size == (1280, 720)
        moving = sum(moment.end - moment.begin for moment in moments(film.film) if not moment.rests)
        assert len(film.steps) < picture.n_frames <= len(film.steps) + PICTURES.most * moving, "one of each rest"
    assert (made / "function.gif").stat().st_size < 1_500_000


def test_the_page_loads_nothing(made):
    page = (made / "function.html").read_text(encoding="utf-8")
    addresses = {
        address
        for address in re.findall(r"https?://[^\s\"'<>&)]+", page)
        if not address.startswith("http://www.w3.org/")
    }
    assert not addresses
    assert not re.search(r"<(?:link|script|img|iframe)[^>]+(?:src|href)\s*=\s*[\"']?(?!data:|#)[\w/.]", page)
    assert "<html" in page
    assert 'lang="' in page


@pytest.mark.parametrize(
    ("name", "modules"),
    [("resnet18", ["stages.0", "stages.3", "classifier"]), ("gpt2", ["h.0", "h.1", "wte.weight"])],
)
def test_a_network_is_folded_into_its_modules(made, name, modules):
    texts = texts_of(made / f"{name}.svg")
    assert not [module for module in modules if not any(module in text for text in texts)]
    assert any("plot(expand=" in text for text in texts)
    assert "loss" in texts  # it is no module, and stays an operation
    assert len(texts) < 700


def test_the_demo_says_what_it_made(demo, tmp_path, capsys):
    path = tmp_path / "a.txt"
    path.write_text("x" * 2000)
    demo.made("a text", lambda: path)
    assert "a.txt" in (said := capsys.readouterr().out)
    assert "2 kB" in said
    assert "a text" in said
