"""A picture that is planned for a place can be read there, says what it leaves out, and is the same every time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from math import hypot
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from legible import legibility
from torch import nn

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import GraphvizADWarning, OptionError
from graphviz_ad._internal.scene.canvas import Canvas, Curve, Label, Rect
from graphviz_ad._internal.scene.place import PLACES

PIXEL = 0.75  # points of a slide that is 1280 pixels wide


def leaf(*values: Any) -> Any:
    return torch.tensor(*values, requires_grad=True)


def randoms(*shape: int) -> Any:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))).requires_grad_()


def ratio(a: Any, b: Any) -> Any:
    return (2 + torch.cos(b)) / (b + torch.exp(a)) - a * b


def perceptron(u: Any, p: Any, v: Any, q: Any, b: Any) -> Any:
    total = u * p + v * q + b
    return 1 / (1 + torch.exp(-total))


def entropy(z: Any, t: Any) -> Any:
    e = torch.exp(z - z.max())
    p = e / e.sum()
    return -(t * torch.log(p)).sum()


def normalised(x: Any, gamma: Any, beta: Any) -> Any:
    mu = x.mean()
    var = ((x - mu) ** 2).mean()
    xhat = (x - mu) / torch.sqrt(var + 1e-5)
    y = gamma * xhat + beta
    return (y**2).sum()


def filtered(image: Any, k: Any) -> Any:
    a = torch.relu(F.conv2d(image, k))
    return a.sum()


def pooled(x: Any) -> Any:
    y = F.max_pool2d(x, 2)
    return y.sum()


def layer(x: Any, w: Any, b: Any, y: Any) -> Any:
    z = torch.matmul(x, w) + b
    return F.binary_cross_entropy_with_logits(z, y)


def waves(xy: Any) -> Any:
    z = torch.sin(xy[:, 0]) + torch.cos(xy[:, 1])
    return z.sum()


def doubled(a: Any) -> Any:
    b = a * 2
    while b.norm() < 700:
        b = b * 2
    return b


def batch_norm(x: Any, gamma: Any, beta: Any) -> Any:
    mu = x.mean(0)
    var = ((x - mu) ** 2).mean(0)
    xhat = (x - mu) / torch.sqrt(var + 1e-5)
    y = gamma * xhat + beta
    return (y**2).sum()


def gated(x: Any, h: Any, p: Any, q: Any, r: Any, s: Any) -> Any:
    z = torch.sigmoid(p * x + q * h)
    c = torch.tanh(r * x + s * (z * h))
    return (1 - z) * h + z * c


def two_layers(x: Any, w: Any, b: Any, v: Any, d: Any, t: Any) -> Any:
    z = x @ w + b
    h = torch.sigmoid(z)
    y = h @ v + d
    return F.mse_loss(y, t)


def four_tokens(q: Any, k: Any, v: Any) -> Any:
    s = q @ k.T / 2
    a = s.softmax(-1)
    o = a @ v
    return o.sum()


def matrices(a: Any, p: Any, q: Any, r: Any, s: Any) -> Any:
    b = p * a
    c = q * a
    d = r * b + s * c
    return (4 - d).sum()


def recurrence(xs: Any, h: Any, u: Any, w: Any, b: Any) -> Any:
    for t in range(3):
        h = torch.tanh(u * xs[t] + w * h + b)
    return (h - 1) ** 2


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(2, 3), nn.Linear(3, 1)

    def forward(self, x: Any) -> Any:
        return self.second(torch.tanh(self.first(x))).sum()


def net() -> nn.Module:
    torch.manual_seed(0)
    return Net()


CASES: dict[str, Callable[[], gad.Graph]] = {
    "ratio": lambda: gad.trace(ratio, 1.2, 0.7),
    "perceptron": lambda: gad.trace(perceptron, 2.0, -1.0, -3.0, -2.0, -3.0),
    "filtered": lambda: gad.trace(
        filtered, torch.arange(16.0).reshape(1, 1, 4, 4), leaf([[[[1.0, 0.0], [0.0, -1.0]]]])
    ),
    "pooled": lambda: gad.trace(pooled, randoms(1, 1, 4, 4)),
    "layer": lambda: gad.trace(layer, torch.ones(5), randoms(5, 3), randoms(3), torch.zeros(3)),
    "doubled": lambda: gad.trace(doubled, leaf(1.5)),
}
# too much for one slide, one box an operation
LARGE: dict[str, Callable[[], gad.Graph]] = {
    "entropy": lambda: gad.trace(entropy, leaf([2.0, 1.0, 0.1]), torch.tensor([1.0, 0.0, 0.0])),
    "normalised": lambda: gad.trace(normalised, leaf([1.0, 2.0, 4.0]), leaf([1.0, 1.0, 1.0]), leaf([0.0, 0.0, 0.5])),
    "recurrence": lambda: gad.trace(
        recurrence, torch.tensor([0.5, -1.0, 2.0]), torch.tensor(0.0), leaf(0.5), leaf(0.8), leaf(0.1)
    ),
    "net": lambda: gad.trace(net(), torch.tensor([[1.0, -2.0]])),
    "waves": lambda: gad.trace(waves, randoms(10, 2)),
    "batch_norm": lambda: gad.trace(batch_norm, randoms(5, 3), leaf([1.0, 0.5, -1.5]), randoms(3)),
    "gated": lambda: gad.trace(gated, *map(leaf, (0.5, -0.3, 0.2, 0.7, -0.4, 0.9))),
    "two_layers": lambda: gad.trace(
        two_layers, randoms(5, 3), randoms(3, 3), randoms(3), randoms(3, 2), randoms(2), torch.zeros(5, 2)
    ),
    "four_tokens": lambda: gad.trace(
        four_tokens, *(leaf(part.tolist()) for part in (randoms(4, 2), 2 * randoms(4, 2), randoms(2, 4).T))
    ),
    "matrices": lambda: gad.trace(matrices, *(leaf(randoms(3, 3).roll(i).tolist()) for i in range(5))),
}


@cache
def traced(name: str) -> gad.Graph:
    return {**CASES, **LARGE}[name]()


@cache
def on_slide(name: str) -> Any:
    return traced(name).plot(fit="slide")


@pytest.mark.parametrize("name", [*CASES, *LARGE])
def test_on_a_slide_every_letter_can_be_read_from_the_back_row(name: str) -> None:
    seen = legibility(on_slide(name).canvas)
    assert seen.overlaps == ()
    assert seen.smallest >= 14 * PIXEL
    assert seen.median >= 20 * PIXEL
    assert seen.covers >= 0.55
    assert seen.longest <= hypot(960, 540)


@pytest.mark.parametrize("name", [name for name in LARGE if name != "net"])
def test_every_element_of_a_small_tensor_is_on_the_slide(name: str) -> None:
    """Of each leaf, and of its gradient."""
    scene = on_slide(name).scene
    for node in traced(name).node_list:
        if node.kind == "leaf" and node.ports[0].value is not None and node.ports[0].value.numel > 1:
            lines = [line for line in scene.box_by_key[node.key].lines if line.role in ("value", "gradient")]
            assert [len(line.grid.rows) for line in lines if line.grid is not None] == [len(lines[0].grid.rows)] * 2  # type: ignore[union-attr]


@pytest.mark.parametrize("fit", ["slide", "4:3", "page", "column", (400, 300)])
@pytest.mark.parametrize("name", ["ratio", "filtered", "layer", "doubled", "recurrence", "net", "two_layers"])
def test_nothing_is_in_the_way_of_anything_in_any_place(name: str, fit: Any) -> None:
    picture = on_slide(name) if fit == "slide" else traced(name).plot(fit=fit)
    assert legibility(picture.canvas).overlaps == ()
    place = picture.finish.place
    assert place is not None
    assert picture.canvas.width == place.width
    assert picture.canvas.height <= place.height + 1e-6


@pytest.mark.parametrize("name", CASES)
def test_operations_are_drawn_wherever_they_can_be_read(name: str) -> None:
    assert on_slide(name).to_svg() == traced(name).plot(fit="slide", detail="op").to_svg()


def test_lines_of_the_program_are_drawn_where_operations_would_be_too_small() -> None:
    assert [box.kind for box in traced("recurrence").plot(fit="slide").scene.boxes].count("line") == 4


@pytest.mark.parametrize("detail", ["auto", "line"])
@pytest.mark.parametrize("name", ["ratio", "normalised", "gated", "two_layers"])
def test_in_a_column_of_a_paper_letters_have_six_points(name: str, detail: str) -> None:
    canvas = traced(name).plot(fit="column", detail=detail).canvas
    assert canvas.width == pytest.approx(8.4 / 2.54 * 72, abs=0.01)
    assert legibility(canvas).smallest >= 6


def test_a_picture_without_a_place_leaves_nothing_out_and_its_letters_are_large_on_a_slide() -> None:
    canvas = traced("ratio").plot().canvas
    seen = legibility(canvas)
    assert seen.overlaps == ()
    assert seen.median * min(960 / canvas.width, 540 / canvas.height) >= 17 * PIXEL
    assert not any("Left out" in label.text for label in canvas.marks if isinstance(label, Label))


def test_the_same_plan_every_time() -> None:
    first, again = (CASES["ratio"]().plot(fit="slide").to_svg() for _ in range(2))
    assert first == again


def test_what_is_in_the_way_is_found() -> None:
    box, label = Rect(10, 10, 80, 40, owner="b"), Label(50, 30, "words", 15)
    through = Curve(((0, 28), (40, 28), (80, 28), (200, 28)), owner="a")
    seen = legibility(Canvas(220, 100, (box, label, Label(60, 32, "more", 15), through, Label(215, 90, "out", 15))))
    assert seen.text_on_text == (("words", "more"),)
    assert seen.arrow_on_text == (("a", "words"), ("a", "more"))
    assert seen.arrow_in_box == (("a", "b"),)
    assert seen.outside == ("out",)
    assert legibility(Canvas(220, 100, (box, label))).overlaps == ()


# --- what is written


def words(picture: Any) -> list[str]:
    return [mark.text for mark in picture.canvas.marks if isinstance(mark, Label)]


def test_what_is_left_out_is_said_and_nothing_else_is() -> None:
    full = words(traced("ratio").plot(fit=(900, 700)))
    small = words(traced("recurrence").plot(fit="slide", digits=4))
    assert not any("Left out" in text for text in full)
    said = " ".join(small)
    assert "gradients on arrows that boxes show" in said
    assert "digits" not in said


def test_a_number_of_the_program_stands_in_the_formula_that_uses_it() -> None:
    inline, boxed = (traced("ratio").plot(constants=way).scene for way in ("inline", "boxes"))
    assert [line.text for box in boxed.boxes for line in box.lines if box.kind == "data"][:1] == ["2"]
    assert not [box for box in inline.boxes if box.kind == "data"]
    assert any("2 + " in line.text for box in inline.boxes for line in box.lines)


def test_a_number_that_no_formula_names_keeps_its_box() -> None:
    many = gad.trace(lambda x: torch.stack([x, *(torch.tensor(float(i)) for i in range(12))]).sum(), 1.5)
    scene = many.plot().scene
    shown = {box.key for box in scene.boxes}
    assert {node.key for node in many.node_list if node.kind == "data"} <= shown


def test_a_leaf_that_is_used_often_is_drawn_where_it_is_used_and_says_its_whole_sum() -> None:
    scene = traced("recurrence").plot(fit="slide", digits=4, detail="op").scene
    tails = [scene.box_by_key[arrow.tail] for arrow in scene.arrows]
    used = sorted(box.name for box in tails if box.kind in ("copy", "leaf", "data"))
    assert [name for name in used if name in ("b", "u", "w")] == [*"bbb", *"uuu", *"www"]
    assert max(Counter(box.key for box in tails if box.kind != "op").values()) == 1
    (bias,) = [box for box in scene.boxes if box.kind == "leaf" and box.lines[0].text == "b"]
    node = next(node for node in traced("recurrence").node_list if node.name == "b")
    parts = [edge.grad.item() for edge in traced("recurrence").out_edges(node.key) if edge.grad is not None]
    said = " ".join(line.text for line in bias.lines if line.role == "sum").replace("− ", "−").replace("−", "-")
    numbers = [float(text) for text in said.replace("=", " ").replace("+", " ").split()]
    assert len(numbers) == len(parts) == 3
    assert sum(numbers) == pytest.approx(sum(parts), rel=1e-2)


@pytest.mark.parametrize("uses", [2, 7, 25])
def test_a_sum_of_any_length_is_written_out_in_lines_that_have_room(uses: int) -> None:
    def used(x: Any) -> Any:
        total = x * 1.0
        for i in range(2, uses + 1):
            total = total + x * float(i)
        return total

    graph = gad.trace(used, leaf(1.5))
    for box in graph.plot(fit="slide").scene.boxes:
        if box.kind == "leaf":
            lines = [line.text for line in box.lines if line.role == "sum"]
            assert " ".join(lines).count("+") == uses - 1
            assert max(map(len, lines)) <= 40


def test_digits_are_as_many_as_were_asked_for() -> None:
    assert "0.0592" not in " ".join(words(traced("perceptron").plot(digits=2)))
    value = gad.trace(lambda x: x.exp(), 1.0).plot(digits=8)
    assert "2.7182818" in words(value)


def test_without_a_legend_there_is_none() -> None:
    assert not any("local derivative" in text for text in words(traced("ratio").plot(fit="slide", legend=False)))
    assert any("local derivative" in text for text in words(traced("ratio").plot(fit="slide")))


def test_a_long_formula_is_wrapped_rather_than_cut() -> None:
    graph = gad.trace(lambda value: F.leaky_relu(value * 2, negative_slope=0.015625).sum(), leaf([1.0, -2.0]))
    assert any("negative_slope=0.015625" in text for text in words(graph.plot(fit="slide")))


# --- files


def test_letters_are_as_large_as_was_asked_for() -> None:
    assert legibility(traced("pooled").plot(fit="page", font=("Georgia", 11)).canvas).smallest >= 11


def test_a_font_stands_before_ours_and_only_svg_has_it(tmp_path: Path) -> None:
    picture = traced("pooled").plot(font="O'Neil \\ Sans <b>")
    svg = picture.to_svg()
    assert r"'O\'Neil \\ Sans &lt;b&gt;', 'DejaVu Sans'" in svg
    with pytest.warns(GraphvizADWarning, match="set in DejaVu Sans"):
        picture.save(tmp_path / "a.pdf")


def test_a_file_is_as_wide_fine_and_bare_as_was_asked_for(tmp_path: Path) -> None:
    from PIL import Image

    picture = traced("pooled").plot(fit="slide")
    with Image.open(picture.save(tmp_path / "a.png", dpi=96)) as made:
        assert made.size == (1280, 720)
    with Image.open(picture.save(tmp_path / "b.png", dpi=72, scale=0.5, transparent=True)) as made:
        assert made.size == (480, 270)
        assert made.getpixel((0, 0))[3] == 0  # type: ignore[index]
    svg = Path(picture.save(tmp_path / "c.svg", width=300, transparent=True)).read_text("utf-8")
    assert 'width="300" height="168.75"' in svg
    assert 'class="background"' not in svg
    through_graph = traced("pooled").save(tmp_path / "d.svg", fit="slide", width=300, transparent=True)
    assert Path(through_graph).read_text("utf-8") == svg


def test_what_would_do_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"dpi=300 does nothing to \.svg"):
        traced("pooled").plot().save(tmp_path / "a.svg", dpi=300)
    with pytest.raises(OptionError, match="is no place for a picture"):
        traced("pooled").plot(fit=(3, -4))
    with pytest.raises(OptionError, match=r"letters of 0\.1 points"):
        traced("pooled").plot(font=("Georgia", 0.1))


def test_every_named_place_is_larger_than_its_letters() -> None:
    for place in PLACES.values():
        assert place.smallest < place.usual <= place.largest < place.width / 10


def deep(count: int) -> gad.Graph:
    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8)) for _ in range(count)]
    blocks[count // 2][1].weight.data[0, 0] = float("inf")
    return gad.trace(nn.Sequential(nn.Embedding(9, 8), *blocks, nn.Linear(8, 2)), torch.tensor([1, 2, 3]))


def test_a_graph_that_is_too_large_is_folded_to_what_can_be_read() -> None:
    graph = deep(24)
    picture = graph.plot(fit="slide")
    assert 8 <= len(picture.graph.node_list) <= 40
    assert legibility(picture.canvas).smallest >= 12 * PIXEL
    assert any("13" in (node.op or node.name or "") or "13" in node.module for node in picture.graph.node_list)
    assert any(node.copies is not None and node.copies.count >= 11 for node in picture.graph.node_list)
    scene = picture.scene
    said = any(line.kind == "none" for box in scene.boxes for line in box.lines)
    assert {"gradless", "gradless, said"} & {*scene.legend} == {"gradless, said" if said else "gradless"}
    drawn = any(line.grid is not None for part in (*scene.boxes, *scene.arrows) for line in part.lines)
    assert len(scene.notes) <= 3
    missing = [word.strip() for word in scene.more[-1].removesuffix(".").partition(":")[2].split(";")]
    assert ("elements" if drawn else "elements of some tensors") not in missing


def test_no_picture_without_a_place_is_a_long_strip() -> None:
    for boxes in (None, 120):
        width, height = deep(24).plot(boxes=boxes).scene.size
        assert max(width / height, height / width) <= 3


def unrolled(steps: int) -> gad.Graph:
    """A cell whose weights and input every step reads."""

    def run(x: Any, h: Any, w: Any, u: Any) -> Any:
        for _ in range(steps):
            h = torch.tanh(w * x + u * h)
        return h

    return gad.trace(run, 0.1, 0.2, 0.3, 0.4)


def encoder(layers: int) -> gad.Graph:
    """Frames with many leaves, one after the other, past which each result leads."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    return gad.trace(nn.TransformerEncoder(layer, layers), torch.randn(1, 3, 8))


@pytest.mark.parametrize(
    "make", [lambda: unrolled(30), lambda: encoder(5)], ids=["weights of all steps", "frames in a staircase"]
)
def test_an_unfolded_picture_is_as_large_as_its_boxes_need(make: Callable[[], gad.Graph]) -> None:
    graph = make()
    scene = graph.plot(boxes=10**9).scene
    width, height = scene.size
    parts = [*scene.boxes, *(arrow for arrow in scene.arrows if arrow.lines)]
    assert sum(part.width * part.height for part in parts) >= 0.08 * width * height
    assert max(width / height, height / width) <= 4
    assert {box.key for box in scene.boxes if box.kind != "copy"} == {node.key for node in graph.node_list}
