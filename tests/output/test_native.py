"""A graph is at home in networkx, in the reader's matplotlib and in every front end that shows rich things."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from small_programs import PROGRAMS, film, graph, picture

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.maths.set_names import set_name
from graphviz_ad._internal.output import networkx_graph
from graphviz_ad._internal.output.format_table import FILMS, FRAMES, STILLS

mpl = pytest.importorskip("matplotlib")
from matplotlib.figure import Figure  # noqa: E402 - where matplotlib is missing, so is all of this

# --- networkx


@pytest.mark.parametrize("name", PROGRAMS)
def test_nodes_of_networkx_have_a_label_that_says_what_the_box_says_and_a_place(name: str) -> None:
    shown = graph(name).nx
    places = [place for _, place in shown.nodes(data="pos")]
    assert len(set(places)) == len(places)
    for node in graph(name).node_list:
        label = shown.nodes[node.key]["label"]
        assert label
        assert node.name is None or node.kind == "module" or set_name(node.name) in label or len(node.ports) > 1
    for tail, head in shown.edges():
        assert shown.nodes[tail]["pos"][0] < shown.nodes[head]["pos"][0]  # values flow to the right


def test_labels_have_value_and_gradient() -> None:
    labels = {data["name"]: data["label"] for _, data in graph("colah").nx.nodes(data=True)}
    assert labels["e"].splitlines() == ["e = c·d", "6", "grad 1"]
    assert labels["b"].splitlines() == ["b", "1", ".grad 5"]


def test_very_many_nodes_get_names_and_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networkx_graph, "MOST_IN_FULL", 3)
    made = pickle.loads(pickle.dumps(graph("colah"))).nx
    assert {data["label"] for _, data in made.nodes(data=True)} >= {"a", "b", "c", "d", "e"}
    places = dict(made.nodes(data="pos"))
    assert len(set(places.values())) == len(places)
    assert all(places[tail][0] < places[head][0] for tail, head in made.edges())


def test_the_caller_owns_what_networkx_gets() -> None:
    one, other = graph("colah").nx, graph("colah").nx
    key = next(iter(one))
    one.nodes[key]["label"] = "mine"
    assert other.nodes[key]["label"] != "mine"
    assert graph("colah").nx.nodes[key]["label"] != "mine"


def test_a_graph_can_be_pickled_whatever_was_asked_of_it_before() -> None:
    one = gad.trace(lambda x: x * x, 3.0)
    asked = one.nodes, one.nx, one.in_edges(one.node_list[0].key)
    assert len(asked) == 3
    again = pickle.loads(pickle.dumps(one))
    assert again.node_list == one.node_list
    assert dict(again.nx.nodes(data="pos")) == dict(one.nx.nodes(data="pos"))


# --- matplotlib


@pytest.fixture
def figure() -> Iterator[Figure]:
    """A figure of the reader's own, without pyplot."""
    before = dict(mpl.rcParams)
    yield Figure((8, 4))
    assert dict(mpl.rcParams) == before


def test_an_axes_gets_all_marks_as_shapes_and_texts_and_the_call_gives_the_picture(figure: Figure) -> None:
    left, right = figure.subplots(1, 2)
    right.plot([1, 2])
    made = graph("colah").plot(ax=left)
    assert isinstance(made, gad.Picture)
    words = [mark.text for mark in made.canvas.marks if hasattr(mark, "text")]
    assert [text.get_text() for text in left.texts] == words
    assert len(left.patches) == len(made.canvas.marks) - len(words)
    assert left.get_xlim() == (0, made.canvas.width)
    assert left.get_ylim() == (0, made.canvas.height)
    assert left.get_aspect() == 1
    assert not left.axison
    assert right.axison


@pytest.mark.parametrize("suffix", ["svg", "pdf", "png"])
def test_a_figure_with_a_picture_is_saved_as_shapes_in_each_format(figure: Figure, suffix: str) -> None:
    graph("seed").plot(ax=figure.subplots(), theme="dark")
    file = io.BytesIO()
    figure.savefig(file, format=suffix)
    assert len(file.getvalue()) > 2000
    assert b"<image" not in file.getvalue()
    assert b"/Subtype /Image" not in file.getvalue()


@pytest.mark.parametrize("family", ["sans-serif", "monospace", "serif"])
@pytest.mark.parametrize("size", [(3, 2), (9, 6)])
def test_words_stay_in_their_boxes_in_the_readers_font_at_any_size(family: str, size: tuple[float, float]) -> None:
    with mpl.rc_context({"font.family": family, "lines.scale_dashes": False, "text.usetex": False}):
        axes = Figure(size).subplots()
        made = graph("colah").plot(ax=axes)
        renderer = _drawn(axes)
        scale = _units(axes, 1.0)
        for text, mark in zip(axes.texts, (m for m in made.canvas.marks if hasattr(m, "text")), strict=True):
            assert text.get_fontfamily()[0] == family
            wide = text.get_window_extent(renderer).width
            assert wide <= text.room * scale * 1.1 + 1
            assert text.get_fontsize() <= mark.size * scale * 72 / axes.figure.dpi + 1e-6
        pens = {patch.pen: patch.get_linewidth() for patch in axes.patches if patch.pen}
        assert all(width == pytest.approx(pen * scale * 72 / axes.figure.dpi) for pen, width in pens.items())


def _drawn(axes: Any) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(axes.figure)
    canvas.draw()
    return canvas.get_renderer()


def _units(axes: Any, length: float) -> float:
    """Pixels of so many units of the picture."""
    return float(axes.transData.transform((length, 0))[0] - axes.transData.transform((0, 0))[0])


def test_dollars_in_names_are_no_mathematics_and_no_setting_of_matplotlib_matters(figure: Figure) -> None:
    with mpl.rc_context({"text.usetex": True, "text.parse_math": True}):
        made = gad.Graph((Node("n0", "leaf", name=r"$\nosuch{$"),), ())
        axes = figure.subplots()
        made.plot(ax=axes)
        figure.savefig(io.BytesIO(), format="png")
    assert r"$\nosuch{$" in {text.get_text() for text in axes.texts}


def test_a_figure_with_a_picture_can_be_pickled(figure: Figure) -> None:
    graph("colah").plot(ax=figure.subplots())
    again = pickle.loads(pickle.dumps(figure))
    assert len(again.axes[0].texts) == len(figure.axes[0].texts)


def test_a_picture_is_planned_for_the_shape_of_its_axes() -> None:
    high, wide = (graph("seed").plot(ax=Figure(size).subplots()).canvas for size in ((3, 9), (12, 3)))
    assert high.width / high.height < wide.width / wide.height


def test_paths_classroom_and_numbers_draw_in_an_axes_too(figure: Figure) -> None:
    first, second, third = figure.subplots(1, 3)
    graph("colah").explain("b").plot(ax=first)
    gad.TorchGraph(lambda x: x * x, [3.0]).plot(True, ax=second)
    (gad.ADNumber(3.0, "x") * 2).plot(ax=third)
    assert all(axes.texts for axes in figure.axes)


def test_what_is_no_place_for_a_picture_is_refused_with_a_remedy() -> None:
    figure = Figure()
    shared = figure.subplots(1, 2, sharex=True)
    with pytest.raises(OptionError, match=r"shares its x axis .* make it without sharex"):
        graph("colah").plot(ax=shared[0])
    with pytest.raises(OptionError, match=r"plain x and y"):
        graph("colah").plot(ax=Figure().add_subplot(projection="polar"))
    with pytest.raises(OptionError, match=r"ax=.* give an Axes of matplotlib, or None"):
        graph("colah").plot(ax=figure)
    with pytest.raises(OptionError, match=r"give an Axes of matplotlib"):
        graph("colah").plot(ax=shared)


def test_pyplot_and_matplotlib_are_loaded_by_nobody_who_does_not_draw_there() -> None:
    code = (
        "import sys, graphviz_ad as gad; gad.trace(lambda x: x * x, 3.0).plot().to_svg();"
        " print('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


# --- front ends


def test_a_graph_at_the_end_of_a_cell_shows_itself() -> None:
    shown, drawn = graph("colah"), graph("colah").plot()
    bundle = shown._repr_mimebundle_()
    assert bundle["text/plain"] == repr(shown)
    assert bundle["image/svg+xml"] == drawn.to_svg() == shown._repr_svg_() == drawn._repr_svg_()
    assert bundle["text/html"] == shown._repr_html_() == drawn._repr_html_()
    assert set(shown._repr_mimebundle_(include={"text/plain"})) == {"text/plain"}


def test_a_graph_that_is_too_large_to_read_shows_words() -> None:
    many = Graph(tuple(Node(f"n{i}", "leaf", name=f"x{i}") for i in range(1001)), ())
    assert many._repr_mimebundle_() == {"text/plain": repr(many)}
    assert many._repr_html_() is None
    assert many._repr_svg_() is None


@pytest.mark.parametrize(
    "make",
    [lambda: film("colah"), lambda: film("colah").frame(0), lambda: graph("colah").explain("b"), gad.gallery.colah],
    ids=["film", "frame", "explanation", "example"],
)
def test_all_that_shows_itself_has_html_by_itself(make: Any) -> None:
    thing = make()
    assert thing._repr_html_() == thing._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize("suffix", sorted({*STILLS, *FRAMES, ".gif", ".html", ".pptx", ".txt"} & {*STILLS, *FILMS}))
def test_an_open_file_takes_each_format(suffix: str) -> None:
    things = [picture("seed")] * (suffix in STILLS) + [film("seed")] * (suffix in FILMS and suffix not in STILLS)
    for thing in things:
        file = io.BytesIO()
        assert thing.save(file, format=suffix[1:].upper()) is None
        assert file.getvalue()
