"""The picture of a chain rule: each path has a colour, a dash pattern and a letter, shared edges have all of them,
and the legend adds them up.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_programs import PROGRAMS, graph
from test_paint import contrast
from torch import Tensor, nn

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import UnknownNameError
from graphviz_ad._internal.explain.path_picture import path_numbers
from graphviz_ad._internal.renderers.html.player import inspection_page
from graphviz_ad._internal.scene import path_lines as trails
from graphviz_ad._internal.scene.canvas import Canvas, Curve, Label, Polygon, Rect
from graphviz_ad._internal.scene.font_metrics import text_width
from graphviz_ad._internal.scene.scene import Arrow
from graphviz_ad._internal.scene.themes import THEMES


def shared(x: Tensor) -> Tensor:
    a = torch.sin(x)
    b = a * a
    c = torch.exp(b)
    d = b * c
    return d


def sixteen(x: Tensor) -> Tensor:
    for _ in range(4):
        x = 0.5 * x + 0.25 * x
    return x


def drawn(function: Callable[..., Tensor], wrt: str, **options: str) -> gad.Picture:
    return gad.trace(function, 1.0).explain(wrt).plot(layout="layered", **options)


def curves(canvas: Canvas, owner: str) -> list[Curve]:
    return [mark for mark in canvas.marks if isinstance(mark, Curve) and mark.owner == owner]


def letters(canvas: Canvas, owner: str) -> list[str]:
    return [
        mark.text for mark in canvas.marks if isinstance(mark, Label) and mark.owner == owner and mark.part == "letter"
    ]


def names(picture: gad.Picture, arrow: Arrow) -> tuple[str, str]:
    said = {
        box.key: next(line.text for line in box.lines if line.role == "name").partition(" =")[0]
        for box in picture.scene.boxes
    }
    return said[arrow.tail], said[arrow.head]


# --- which path is where


def test_every_arrow_has_the_letters_of_its_paths_and_no_others() -> None:
    picture = gad.trace(shared, 1.0).explain("x").plot(layout="layered")
    found = [(*names(picture, arrow), "".join(letters(picture.canvas, arrow.key))) for arrow in picture.scene.arrows]
    assert found == [
        ("x", "a", "ABCD"),
        ("a", "b", "AB"),
        ("a", "b", "CD"),
        ("b", "c", "AC"),
        ("b", "d", "BD"),
        ("c", "d", "AC"),
    ]


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_letters_of_every_program_are_those_of_its_explanation(name: str) -> None:
    traced = graph(name)
    for leaf in (node for node in traced.node_list if node.kind == "leaf" and node.name):
        explained = traced.explain(str(leaf.name))
        assert explained.count <= trails.REST
        picture = explained.plot(layout="layered")
        for arrow in picture.scene.arrows:
            expected = [path.letter for path in explained.paths if arrow.key in {edge.key for edge in path.edges}]
            assert letters(picture.canvas, arrow.key) == expected
            assert len(curves(picture.canvas, arrow.key)) == max(len(expected), 1)


def test_beyond_four_paths_the_rest_is_one_mark_on_every_edge_that_the_rest_uses() -> None:
    explained = gad.trace(sixteen, 1.0).explain("x₀")
    others = list(explained.course.paths())[4:]
    assert len(others) == 12
    rest = {key for key, numbers in path_numbers(explained).items() if trails.REST in numbers}
    assert rest == {edge.key for path in others for edge in path}
    assert all(
        len(numbers) > 1 or numbers[0] == trails.REST
        for numbers in path_numbers(explained).values()
        if trails.REST in numbers
    )
    words = [trail.said for trail in explained.plot(layout="layered").scene.trails]
    assert words[4] == "12 more paths"
    assert words[5] == "dx₄/dx₀ = A + B + C + D + … = 0.0625 + 0.03125 + 0.03125 + 0.01562 + … = 0.3164"


def test_sixty_diamonds_are_drawn_too() -> None:
    def diamonds(x: Tensor) -> Tensor:
        for _ in range(60):
            x = 0.5 * x + 0.5 * x
        return x

    picture = gad.trace(diamonds, 1.0).explain("x₀").plot(layout="layered")
    assert [trail.letter for trail in picture.scene.trails] == ["A", "B", "C", "D", "+", ""]
    assert picture.scene.trails[4].words == "1,152,921,504,606,846,972 more paths"
    assert sum(bool(arrow.trails) for arrow in picture.scene.arrows) == 240


def test_one_output_of_several_can_be_chosen() -> None:
    arrows = graph("two_outputs").plot(wrt="x", output="y2", layout="layered").scene.arrows
    assert [arrow.trails for arrow in arrows] == [(), (0,)]


def test_plotting_with_wrt_is_the_same_drawing() -> None:
    for name, wrt in (("seed", "x2"), ("colah", "b")):
        assert graph(name).plot(wrt=wrt, gradients=False).to_svg() == graph(name).explain(wrt).plot().to_svg()
    roles = {line.role for arrow in graph("seed").plot(wrt="x2", layout="layered").scene.arrows for line in arrow.lines}
    assert roles == {"trails", "local", "contribution"}


def test_no_path_colours_nothing_and_says_so() -> None:
    scene = graph("unused").plot(wrt="y", layout="layered").scene
    assert not any(arrow.trails for arrow in scene.arrows)
    assert [trail.said for trail in scene.trails] == ["d unused/dy = None: no path leads to the output"]


# --- how it looks


def test_no_two_paths_look_alike_without_colour() -> None:
    assert len(set(trails.DASHES)) == len(trails.LETTERS) == len(trails.ROLES)
    canvas = drawn(shared, "x").canvas
    for mark in canvas.marks:
        if isinstance(mark, Curve) and mark.stroke.startswith("path."):
            number = trails.ROLES.index(mark.stroke)
            assert mark.dash == trails.DASHES[number]


def test_lines_run_side_by_side_and_meet_at_the_head() -> None:
    picture = drawn(shared, "x")
    arrow = next(arrow for arrow in picture.scene.arrows if len(arrow.trails) == 4)
    lines = curves(picture.canvas, arrow.key)
    assert [line.stroke for line in lines] == ["path.0", "path.1", "path.2", "path.3"]
    assert [line.part for line in lines] == ["shaft", "shaft.1", "shaft.2", "shaft.3"]
    middle = len(lines[0].points) // 2
    for one, other in pairwise(lines):
        assert math.dist(one.points[middle], other.points[middle]) == pytest.approx(trails.PITCH, abs=0.8)
        assert math.dist(one.points[-1], other.points[-1]) == pytest.approx(trails.PITCH * trails.MEETING, abs=0.8)
        assert trails.PITCH > trails.PEN
    (head,) = [mark for mark in picture.canvas.marks if isinstance(mark, Polygon) and mark.owner == arrow.key]
    assert head.fill == "ink"  # it belongs to none of them
    alone = next(arrow for arrow in graph("colah").plot(wrt="b", layout="layered").scene.arrows if arrow.trails == (1,))
    heads = [
        mark.fill
        for mark in graph("colah").plot(wrt="b", layout="layered").canvas.marks
        if isinstance(mark, Polygon) and mark.owner == alone.key
    ]
    assert heads == ["path.1"]


@pytest.mark.parametrize(
    "bend",
    [((0, 0), (10, 0), (20, 0), (30, 0)), ((0, 0), (0, 9), (9, 9), (9, 18), (9, 27), (0, 27), (0, 36)), ((5, 5),) * 4],
)
def test_a_line_beside_another_keeps_its_distance(bend: tuple[tuple[float, float], ...]) -> None:
    moved = trails.moved_sideways(bend, 4.0)
    assert len(moved) == len(bend)
    distances = [math.dist(one, other) for one, other in zip(bend, moved, strict=True)]
    assert distances == pytest.approx([2.0, *[4.0] * (len(bend) - 2), 2.0])
    assert trails.moved_sideways(bend, 0.0) == bend


def test_every_letter_stands_on_its_disc_in_its_colour() -> None:
    canvas = drawn(shared, "x").canvas
    discs = [mark for mark in canvas.marks if isinstance(mark, Rect) and mark.part.startswith("trail.")]
    signs = [mark for mark in canvas.marks if isinstance(mark, Label) and mark.color == "paper"]
    assert len(discs) == len(signs) == 14 + 4
    for disc, sign in zip(discs, signs, strict=True):
        assert disc.fill == trails.ROLES[trails.LETTERS.index(sign.text)]
        assert disc.x < sign.x < disc.x + disc.width
        assert disc.y < sign.y < disc.y + disc.height
        assert text_width(sign.text, sign.size, True) < disc.width


@pytest.mark.parametrize("name", THEMES)
def test_letters_and_lines_can_be_read_in_every_theme(name: str) -> None:
    theme = THEMES[name]
    for role in trails.ROLES:
        assert contrast(theme[role], theme["paper"]) >= 4.5


def test_no_line_runs_through_the_words_of_its_own_arrow() -> None:
    picture = drawn(shared, "x")
    grounds = {mark.owner: mark for mark in picture.canvas.marks if isinstance(mark, Rect) and mark.part == "ground"}
    for arrow in picture.scene.arrows:
        ground = grounds[arrow.key]
        for line in curves(picture.canvas, arrow.key):
            for x, y in line.points:
                assert not (
                    ground.x + 2 < x < ground.x + ground.width - 2 and ground.y + 2 < y < ground.y + ground.height - 2
                )


# --- the legend


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_legend_repeats_line_and_letter_and_stays_inside(name: str) -> None:
    traced = graph(name)
    for leaf in (node for node in traced.node_list if node.kind == "leaf" and node.name):
        picture = traced.explain(str(leaf.name)).plot(layout="layered")
        legend = [mark for mark in picture.canvas.marks if getattr(mark, "part", "") == "legend"]
        lines = [mark for mark in legend if isinstance(mark, Curve)]
        marked = [trail for trail in picture.scene.trails if trail.letter]
        assert [(line.stroke, line.dash) for line in lines] == [
            (trails.ROLES[i], trails.DASHES[i]) for i in range(len(marked))
        ]
        for mark in legend:
            if isinstance(mark, Label) and mark.anchor == "start":
                assert mark.x + text_width(mark.text, mark.size, mark.bold) <= picture.canvas.width + 1
                assert mark.y <= picture.canvas.height


def test_the_legend_multiplies_and_adds() -> None:
    said = [trail.said for trail in graph("seed").explain("x2").plot(layout="layered").scene.trails]
    assert said == [
        "x₂ → v₁ → v₂ → v₅ → seed: 0.8776 × 1 × 0.2007 × 1 = 0.1762",
        "x₂ → v₄ → v₅ → seed: 1 × (−0.05961) × 1 = −0.05961",
        "x₂ → v₆ → seed: 1.5 × 1 = 1.5",
        "d seed/dx₂ = A + B + C = 0.1762 − 0.05961 + 1.5 = 1.617",
    ]
    only, _ = graph("matrix").explain("W").plot(layout="layered").scene.trails
    assert only.said.startswith("W → v₁ → z → h → v₂ → loss: flows back: [[")


def test_the_picture_says_its_paths_to_those_who_cannot_see_it() -> None:
    alt = graph("colah").explain("b").plot(layout="layered").scene.alt
    assert "Paths to b: A b → c → e: 1 × 2 = 2; B b → d → e: 1 × 3 = 3; de/db = A + B = 2 + 3 = 5." in alt


# --- other languages


def test_a_page_has_every_line_every_letter_and_the_legend() -> None:
    picture = drawn(shared, "x")
    page = inspection_page(picture.scene, picture.theme)
    assert len(re.findall(r'class="shaft-3"', page)) == 2  # one a direction
    assert all(f".a-solid-{numbers} ." in page for numbers in ("0-1-2-3", "0-1", "2-3", "0-2", "1-3"))
    assert all(f".trail-{number}{{" in page for number in range(4))
    assert len(re.findall(r'class="letter"', page)) == 14
    assert "x → a⁽¹⁾ → b → c → d: 0.5403 × 0.8415 × 2.03 × 0.7081 = 0.6535" in page


def test_dot_draws_the_colours_side_by_side() -> None:
    source = drawn(shared, "x").to_dot()
    light = THEMES["light"]
    assert f'color="{light["path.0"]}:{light["path.1"]}:{light["path.2"]}:{light["path.3"]}"' in source
    assert "A B C D" in source


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf", ".html", ".dot"])
def test_every_format_takes_it(suffix: str, tmp_path: object) -> None:
    path = drawn(sixteen, "x₀").save(f"{tmp_path}/paths{suffix}")
    assert path.stat().st_size > 1000


# --- leaves of any shape


SHAPES = st.one_of(
    st.just(()),
    st.tuples(st.integers(0, 30)),
    st.tuples(st.integers(0, 6), st.integers(1, 6)),
    st.lists(st.integers(1, 3), min_size=3, max_size=5).map(tuple),
)
USES: dict[str, Callable[[Tensor], Tensor]] = {
    "a·w": lambda a: a * torch.full_like(a, 1.3),
    "−a": torch.neg,
    "sin": torch.sin,
    "a@a": lambda a: a @ a.mT if a.dim() > 1 else a * a,
    "∞": lambda a: a * math.inf,
    "NaN": lambda a: a * math.nan,
    "sum": lambda a: a.sum(),
    "row": lambda a: a[:1] if a.dim() else a,
    "a⋅1e200": lambda a: a * 1e200,
    "tanh": torch.tanh,
}


@given(
    shape=SHAPES,
    uses=st.lists(st.sampled_from(list(USES)), min_size=1, max_size=6),
    dtype=st.sampled_from([torch.float64, torch.float32, torch.complex128]),
)
@settings(deadline=None, max_examples=30)
def test_a_leaf_of_any_shape_has_its_paths_drawn_told_and_added(
    shape: tuple[int, ...], uses: list[str], dtype: torch.dtype
) -> None:
    a = torch.arange(1, math.prod(shape) + 1).to(dtype).mul(0.137).reshape(shape).requires_grad_()
    program = partly_complex if dtype.is_complex else partly
    explanation = gad.trace(lambda a: program(a, uses), a).explain("a")
    picture, film = explanation.plot(layout="layered"), explanation.graph.animate(wrt="a", layout="layered")
    *_, last = picture.scene.trails
    assert last.words.startswith(f"{explanation.symbol} = ")
    assert len(picture.scene.trails) == len(explanation.paths[: trails.REST]) + (explanation.count > trails.REST) + 1
    assert film.steps[-1].caption[1] == last.words
    for path, trail in zip(explanation.paths[: trails.REST], picture.scene.trails, strict=False):
        assert trail.brings, path
    assert explanation.ok is not False
    assert all(text for text in (explanation.to_text(), explanation.to_latex()))


def partly(a: Tensor, uses: list[str]) -> Tensor:
    """The uses of a, added up."""
    return sum((USES[use](a).sum() for use in uses[1:]), start=USES[uses[0]](a).sum())


def partly_complex(a: Tensor, uses: list[str]) -> Tensor:
    """The same, as a real number."""
    return partly(a, uses).abs()


@pytest.mark.parametrize("shape", [(3, 3), (4, 4), (20,), (100,)])
def test_a_leaf_with_more_elements_than_a_line_has_room_for_has_norms(shape: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    a, w1, w2 = (torch.randn(shape, requires_grad=True) for _ in range(3))
    graph = gad.trace(lambda a, w1, w2: (w1 * a + w2 * a).sum(), a, w1, w2)
    one, other, total = graph.plot(wrt="a").scene.trails
    size = "×".join(map(str, shape))
    for trail, gradient in ((one, w1), (other, w2)):
        said = re.fullmatch(rf"= {size} numbers, norm ([\d.]+)", trail.brings)
        assert said is not None
        assert float(said[1]) == pytest.approx(float(gradient.detach().norm()), rel=1e-5)
    said = re.fullmatch(rf"df/da = A \+ B = {size} numbers, norm ([\d.]+)", total.words)
    assert said is not None
    assert float(said[1]) == pytest.approx(float((w1 + w2).detach().norm()), rel=1e-5)
    assert graph.animate(wrt="a").steps[-1].caption[1] == total.words


def test_at_zero_the_complex_derivative_of_the_size_is_told_without_a_warning() -> None:
    a = torch.zeros((), dtype=torch.complex128, requires_grad=True)
    assert gad.trace(lambda a: (a - a.sum()).abs(), a).animate(wrt="a").steps


# --- in a graph that is folded to be read


class Stack(nn.Module):
    """More operations than a picture has boxes, unless its layers are folded."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(nn.Sequential(nn.Linear(2, 2), nn.Tanh()) for _ in range(20)))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).sum()


@pytest.mark.parametrize("name", ["layers.18.0.weight", "x"])
def test_paths_to_a_parameter_inside_of_a_folded_module_are_shown(name: str) -> None:
    graph = gad.trace(Stack(), torch.ones(1, 2, requires_grad=True))
    inside = name != "x"
    assert (name in {node.name for node in graph.plot(layout="layered").graph.node_list}) != inside
    options: list[dict[str, str]] = [{"wrt": name}, {"tangents": name}]
    for chosen in options:
        picture = graph.plot(layout="layered", **chosen)
        assert name in picture.scene.alt
        assert (len(picture.graph.node_list) == len(graph.node_list)) == inside
        assert graph.animate(layout="layered", **chosen).steps
    with pytest.raises(UnknownNameError, match=r"no node named 'layers\.18\.0\.weight'|no node named 'w'"):
        graph.plot(layout="layered", wrt=name if inside else "w", depth=1)
