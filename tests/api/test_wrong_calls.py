"""Whatever a public call is given: it works, or an error says what was given, why it cannot be, and what to do."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small_programs import film, graph, picture
from wrong_calls import calls, count, parameters

import graphviz_ad as gad
from graphviz_ad._internal.api.methods import METHODS
from graphviz_ad._internal.base.errors import GraphvizADError, OptionError, SaveError
from graphviz_ad._internal.output.call_options import (
    FILE_ONLY,
    FILM_ONLY,
    STILL_FILE_ONLY,
    STILL_ONLY,
    AnimateOptions,
    FilmFile,
    PlotOptions,
    StillFile,
)


def test_no_wrong_call_ends_in_an_error_of_our_internals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    totals, raw = count()
    assert raw == {}
    assert totals["said"] > 5000


def test_the_wrong_calls_are_of_everything_public() -> None:
    found = parameters(calls())
    assert {
        "trace",
        "record",
        "plot",
        "save",
        "Graph.plot",
        "Graph.save",
        "Animation.frame",
        "Explanation.plot",
        "gallery.build",
        "Capture",
    } <= set(found)
    assert set(found["Graph.plot"]) == set(inspect.signature(gad.plot).parameters) - {"graph"}


SAID: dict[str, tuple[Callable[[], Any], str]] = {
    "a wrong name": (
        lambda: graph("colah").plot(thme="dark"),
        r"plot\(\) has no option 'thme'; did you mean 'theme'\?",
    ),  # type: ignore[call-arg]
    "a name that is like none": (
        lambda: graph("colah").plot(zzz=1),
        r"has no option 'zzz'\. Choose from: theme, layout",
    ),  # type: ignore[call-arg]
    "by its place": (lambda: graph("colah").plot("dark"), r"cannot be called so: too many positional arguments"),  # type: ignore[call-arg]
    "a list as a theme": (lambda: graph("colah").plot(theme=[]), r"theme=\[\] is no theme; give 'light', 'dark'"),  # type: ignore[arg-type]
    "labels of nobody": (lambda: graph("colah").plot(labels="autogard"), r"did you mean 'autograd'\?"),  # type: ignore[arg-type]
    "a figure as an Axes": (
        lambda: graph("colah").plot(ax="left"),  # type: ignore[arg-type]
        r"ax='left' \(str\) cannot be; give an Axes of matplotlib, or None",
    ),
    "a colour of a theme": (lambda: gad.themes["light"].with_(op="white"), r"op='white' is no colour"),
    "nowhere": (
        lambda: graph("colah").save(None),
        r"path=None \(NoneType\) cannot be; give a text, or a path, or a file that is open for bytes",
    ),  # type: ignore[call-overload]
    "a recording of 3": (lambda: gad.record(3), r"module=3 \(int\) is no nn\.Module"),  # type: ignore[arg-type]
    "edges of nothing": (lambda: graph("colah").in_edges("q"), r"no node with the key named 'q'"),
    "no frame": (lambda: film("colah").frame(None), r"index=None \(NoneType\) cannot be; give a whole number"),  # type: ignore[arg-type]
    "a truth value as a number": (lambda: graph("colah").plot(depth=True), r"depth=True is no level of modules"),
    "an output without paths": (
        lambda: graph("colah").plot(output="e"),
        r"output='e' says which paths are meant.*with wrt=",
    ),
    "how finely nothing is told": (
        lambda: graph("colah").animate("forward", steps="op"),
        r"direction='forward' tells none",
    ),
    "two stories": (lambda: graph("colah").animate("forward", wrt="a"), r"direction='forward' does not go with wrt="),
    "a loop of slides": (lambda: film("colah").to_pptx("x", loop=2), r"mode='steps' makes slides to click through"),
    "how much is kept": (
        lambda: gad.Capture(whole="nope"),
        r"whole='nope' is no number of elements; give a whole number from 0",
    ),  # type: ignore[arg-type]
    "a still as a film": (
        lambda: picture("colah").save("x.gif"),
        r"no still format named '\.gif'; it is that of a film, which animate\(\) makes\.",
    ),
    "a film as a still": (
        lambda: film("colah").save("x.dot"),
        r"no film format named '\.dot'; it is that of a picture, which plot\(\) makes\.",
    ),
    "a film option of a still": (lambda: graph("colah").save("x.svg", speed=1.0), r"speed=1\.0 is an option of a film"),
    "a file option of a still": (
        lambda: graph("colah").save("x.svg", loop=1),
        r"loop=1 is an option of a film, but \.svg is a still here; leave it out",
    ),
    "the length of nothing": (
        lambda: gad.make_dot(torch.ones(1, requires_grad=True) * 2, max_attr_chars=5),
        r"give show_attrs=True, too",
    ),
    "a function as a tensor": (lambda: gad.make_dot(torch.sin), r"make_dot takes a finished tensor.*use trace\(\)"),
}


@pytest.mark.parametrize("name", SAID)
def test_the_error_says_what_to_do(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    act, message = SAID[name]
    with pytest.raises(GraphvizADError, match=message):
        act()
    assert not list(tmp_path.iterdir())


# --- one table


def test_help_has_a_line_for_each_option_with_its_default() -> None:
    for call in (
        gad.plot,
        gad.animate,
        gad.save,
        gad.Graph.plot,
        gad.TorchGraph.plot,
        gad.Animation.save,
        gad.Explanation.plot,
        gad.compare,
        gad.gallery.build,
    ):
        lines = (inspect.getdoc(call) or "").partition("Options:\n")[2].splitlines()
        options = [part for part in inspect.signature(call).parameters.values() if part.kind is part.KEYWORD_ONLY]
        assert not [
            part
            for part in options
            if not any(line.startswith(f"    {part.name}={part.default!r}  ") for line in lines)
        ], call
    said = " ".join((inspect.getdoc(gad.animate) or "").split())
    assert "speed=1.0 2 plays twice as fast, 0.5 half as fast; from 0.01 to 100 times as fast" in said


def test_what_save_knows_of_options_is_what_plot_and_animate_take() -> None:
    def names(table: Any) -> set[str]:
        return set(inspect.signature(table).parameters)

    assert set(STILL_ONLY) == names(PlotOptions) - names(AnimateOptions)
    assert set(FILM_ONLY) == names(AnimateOptions) - names(PlotOptions)
    assert set(FILE_ONLY) == names(FilmFile) - {"format"}
    assert set(STILL_FILE_ONLY) == names(StillFile) - {"format"}
    of_files = names(FilmFile) | names(StillFile)
    assert names(gad.save) - {"graph", "path"} == names(PlotOptions) | names(AnimateOptions) | of_files


def test_the_methods_that_type_checkers_see_are_those_that_there_are() -> None:
    import ast

    for owner, methods in METHODS.items():
        module = ast.parse(Path(inspect.getfile(owner)).read_text("utf-8"))
        (body,) = [node.body for node in module.body if isinstance(node, ast.ClassDef) and node.name == owner.__name__]
        declared = [
            each for node in body if isinstance(node, ast.If) for each in node.body if isinstance(each, ast.FunctionDef)
        ]
        assert {each.name for each in declared} == set(methods)
        for each in declared:
            if not each.decorator_list:
                own = [part.arg for part in (*each.args.args, *each.args.kwonlyargs)][1:]
                assert own == list(inspect.signature(methods[each.name]).parameters)[1:], each.name


# --- files that are open


def test_a_picture_goes_into_an_open_file() -> None:
    for thing, suffix in (
        (picture("colah"), "svg"),
        (picture("colah"), ".PNG"),
        (film("colah"), "gif"),
        (graph("colah").explain("b"), "txt"),
    ):
        file = io.BytesIO()
        assert thing.save(file, format=suffix) is None  # type: ignore[attr-defined]
        assert file.getvalue()
    whole, shown = io.BytesIO(), io.BytesIO()
    graph("colah").save(whole, format="json")
    graph("colah").save(shown, format="svg", theme="dark")
    assert whole.getvalue() == graph("colah").to_json().encode()
    assert shown.getvalue() == graph("colah").to_svg(theme="dark").encode()


def test_a_format_may_be_another_than_the_suffix_says(tmp_path: Path) -> None:
    assert picture("colah").save(tmp_path / "picture", format="svg").read_text("utf-8") == picture("colah").to_svg()


def test_what_is_no_file_for_bytes_is_refused() -> None:
    with pytest.raises(OptionError, match="has no suffix that could choose a format"):
        picture("colah").save(io.BytesIO())
    with pytest.raises(SaveError, match=r"give a file that takes bytes, as open\(path, 'wb'\)"):
        picture("colah").save(io.StringIO(), format="svg")  # type: ignore[call-overload]
    closed = io.BytesIO()
    closed.close()
    with pytest.raises(SaveError, match="closed"):
        picture("colah").save(closed, format="svg")
