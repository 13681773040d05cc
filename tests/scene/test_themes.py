"""Themes are values: they can be changed, copied, loaded and passed; what is no colour is refused, what cannot be seen
is warned of.
"""

from __future__ import annotations

import copy
import io
import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_programs import film, graph, picture

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import GraphvizADWarning, OptionError, UnknownNameError
from graphviz_ad._internal.output.format_table import GRAPHS, STILLS
from graphviz_ad._internal.scene.canvas import Label
from graphviz_ad._internal.scene.contrast import contrast_ratio, faint_pairs
from graphviz_ad._internal.scene.themes import role_named

COLORS = st.from_regex(r"#[0-9a-f]{6}", fullmatch=True)


def test_a_changed_theme_is_another_value_and_the_first_stays_what_it_was() -> None:
    light = gad.themes["light"]
    cream = light.with_(op="#FFFDF7", value_line="#0072b2", font="Source Sans")
    assert (cream["op"], cream["value.line"], cream.font) == ("#FFFDF7", "#0072b2", "Source Sans")
    assert (light["op"], light.font) == ("#FFFFFF", "")
    assert cream != light
    assert cream.with_(op=light["op"], value_line=light["value.line"], font="") == light
    with pytest.raises(TypeError):
        light.colors["op"] = "#000000"  # type: ignore[index]


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_a_theme_can_be_copied_and_put_into_a_set(how: Any) -> None:
    faint = pytest.warns(GraphvizADWarning)
    with faint:
        theme = gad.themes["auto"].with_(ink="#EEEEEE")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = how(theme)  # what was said once is not said again
    assert again == theme
    assert again.key == theme.key
    assert len({again, theme, gad.themes["auto"]}) == 2


@given(color=COLORS, role=st.sampled_from(list(gad.themes["light"].colors)))
def test_every_role_takes_every_colour(color: str, role: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theme = gad.themes["light"].with_(**{role.replace(".", "_"): color})
    assert theme[role] == color
    assert {other for other in theme.colors if theme[other] != gad.themes["light"][other]} <= {role}
    assert role_named(role) == role


def test_short_colours_are_written_out() -> None:
    assert gad.themes["light"].with_(op="#fed")["op"] == "#ffeedd"


@pytest.mark.parametrize("wrong", ["red", "#12", "#12345G", "FFFDF7", "#FFFDF7;x", "", None, 3, b"#FFFFFF"])
def test_what_is_no_colour_is_refused(wrong: Any) -> None:
    with pytest.raises(OptionError, match=r"op=.* (is no colour; give one as '#rrggbb'|cannot be)"):
        gad.themes["light"].with_(op=wrong)


def test_wrong_names_are_guessed_at() -> None:
    with pytest.raises(UnknownNameError, match=r"no colour of a theme named 'valeu'; did you mean 'value'\?"):
        gad.themes["light"].with_(valeu="#FFFFFF")
    with pytest.raises(UnknownNameError, match=r"no theme named 'drak'; did you mean 'dark'\?"):
        gad.themes["drak"]
    with pytest.raises(OptionError, match=r"'mine' has none for paper.*themes\['light'\]\.with_"):
        gad.Theme("mine", {"ink": "#000000"})
    with pytest.raises(OptionError, match=r"is no name of a font"):
        gad.themes["light"].with_(font="x}</style>")
    assert "default" in gad.themes
    assert gad.themes["default"] is gad.themes["light"]
    assert gad.themes.get("drak") is None


# --- contrast


def test_the_ratio_is_that_of_wcag() -> None:
    assert contrast_ratio("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast_ratio("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.005)  # the known grey that just fails
    assert contrast_ratio("#0000FF", "#FFFFFF") == pytest.approx(8.59, abs=0.005)


@pytest.mark.parametrize("name", gad.themes)
def test_no_theme_of_ours_is_faint(name: str) -> None:
    assert list(faint_pairs(gad.themes[name].colors)) == []


def test_low_contrast_is_warned_of_where_the_theme_was_made() -> None:
    with pytest.warns(GraphvizADWarning, match=r"ink #1B1F24 on op #333333 has 1\.3:1, and needs 4\.5:1") as found:
        gad.themes["light"].with_(op="#333333")
    assert len(found) == 1
    assert found[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gad.themes["light"].with_(op="#FFFDF7")


# --- files


def test_a_theme_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "night.toml"
    path.write_text(
        'base = "dark"\nfont = "Fira Sans"\nletters = 12\n[colors]\nop = "#101018"\nvalue.line = "#80FFFF"\n'
    )
    assert gad.Theme.from_toml(path) == gad.themes["dark"].with_(
        name="night", font="Fira Sans", letters=12, op="#101018", value_line="#80FFFF"
    )
    assert gad.Theme.load(str(path)) == gad.Theme.from_toml(path)


WRONG_FILES = {
    "no toml": ("op = ", r"is no theme: .*give a file in TOML"),
    "an unknown entry": ("op = '#FFFFFF'", r"no entry of the theme in .* named 'op'.*Colours: under \[colors\]"),
    "an unknown base": ("base = 'drak'", r"no theme named 'drak'"),
    "no table": ("colors = 3", r"colors=3 is no table"),
    "no colour": ("[colors]\nop = 3", r"op=3 is no colour"),
    "no text": ("font = 3", r"font=3"),
    "no role": ("[colors]\nvalue.nope = '#FFFFFF'", r"no colour of a theme named 'value_nope'"),
    "no base": ("base = 3", r"no theme named 3"),
}


@pytest.mark.parametrize(("text", "said"), WRONG_FILES.values(), ids=list(WRONG_FILES))
def test_a_wrong_file_is_refused_with_what_is_wrong(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_text(text)
    with pytest.raises((OptionError, UnknownNameError), match=said):
        gad.Theme.from_toml(path)


def test_a_file_that_is_not_there_is_said() -> None:
    with pytest.raises(OptionError, match=r"cannot read the theme 'nowhere\.toml'"):
        gad.Theme.from_toml("nowhere.toml")


# --- pictures


CREAM = gad.themes["light"].with_(op="#FFFDF0", font="Source Sans")


@pytest.mark.parametrize("suffix", [suffix for suffix in STILLS if suffix not in (*GRAPHS, ".mmd")])
def test_a_theme_of_ones_own_is_drawn_in_each_format(suffix: str) -> None:
    file, plain = io.BytesIO(), io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".* is set in DejaVu Sans")
        graph("colah").save(file, format=suffix, theme=CREAM) if suffix != ".html" else graph("colah").plot(
            theme=CREAM
        ).save(file, format=suffix)
    graph("colah").plot().save(plain, format=suffix)
    assert file.getvalue() != plain.getvalue()
    if suffix in (".svg", ".html", ".dot", ".gv"):
        assert b"FFFDF0" in file.getvalue().upper()
        assert b"Source Sans" in file.getvalue()


def test_a_film_has_the_font_and_two_films_on_a_page_keep_their_colours_apart() -> None:
    one, other = (graph("colah").animate(theme=theme) for theme in (CREAM, CREAM.with_(op="#F0FFFF")))
    pages = [each._repr_mimebundle_()["text/html"] for each in (one, other)]
    assert all("Source Sans" in str(page) for page in pages)
    svgs = [io.BytesIO(), io.BytesIO()]
    for each, svg in zip((one, other), svgs, strict=True):
        each.save(svg, format="svg")
        assert b"Source Sans" in svg.getvalue()
    ids = [svg.getvalue().partition(b' id="')[2].partition(b'"')[0] for svg in svgs]
    assert ids[0] != ids[1]


def test_a_theme_that_follows_the_reader_may_follow_one_of_his_own() -> None:
    mine = gad.themes["light"].with_(follows=gad.themes["dark"].with_(op="#101010"))
    source = graph("colah").to_svg(theme=mine)
    assert "prefers-color-scheme: dark" in source
    assert "#101010" in source


def test_a_lecture_has_large_letters_and_few_lines() -> None:
    plain, lecture = graph("colah").plot(fit="slide").canvas, graph("colah").plot(theme="lecture").canvas
    sizes = [min(mark.size for mark in each.marks if isinstance(mark, Label)) for each in (plain, lecture)]
    assert (lecture.width, lecture.height) == (960, 540)
    assert sizes[1] >= 14.0
    assert len(lecture.marks) < len(plain.marks)
    assert not [mark for mark in lecture.marks if mark.part == "legend"]
    assert [mark for mark in graph("colah").plot(theme="lecture", legend=True).canvas.marks if mark.part == "legend"]


def test_names_and_the_themes_that_they_name_draw_the_same() -> None:
    for name in ("light", "dark", "auto"):
        assert graph("colah").to_svg(theme=name) == graph("colah").to_svg(theme=gad.themes[name])
    assert picture("colah").theme == gad.themes["light"]
    assert film("colah").theme == gad.themes["light"]
