"""diagram draws the architecture of real models: what is written and drawn is what torch says."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import architectures
import pytest
import torch
from architectures import ARCHITECTURES, Program
from torch import nn

import graphviz_ad as gad
from graphviz_ad._internal.api.diagram import diagram
from graphviz_ad._internal.base.checked_calls import hints_of
from graphviz_ad._internal.base.errors import GraphvizADWarning, OptionError, UnknownNameError
from graphviz_ad._internal.cli.commands import main
from graphviz_ad._internal.diagrams.neurons import NEGATIVE, POSITIVE
from graphviz_ad._internal.diagrams.stages import stages_at, with_repeats
from graphviz_ad._internal.output.call_options import DiagramOptions
from graphviz_ad._internal.scene.canvas import Curve, Label, Rect
from graphviz_ad._internal.tracing.architecture_run import architecture_of

STYLES = ("neurons", "layers", "blocks")
SEVERAL = {
    "neurons": ("deep", "lenet", "lstm", "experts", "unet"),
    "layers": ("lenet", "experts"),
    "blocks": ARCHITECTURES,
}


def made(name: str, **options: Any) -> gad.Picture:
    model, args = ARCHITECTURES[name]()
    return gad.diagram(model, *args, **options)


def texts(picture: gad.Picture) -> list[str]:
    return [mark.text for mark in picture.canvas.marks if isinstance(mark, Label)]


def rects(picture: gad.Picture, part: str = "frame") -> list[Rect]:
    return [mark for mark in picture.canvas.marks if isinstance(mark, Rect) and mark.part == part]


@pytest.mark.parametrize(("style", "name"), [(style, name) for style in STYLES for name in SEVERAL[style]])
def test_every_letter_can_be_read_on_a_slide_and_nothing_leaves_it(style: str, name: str) -> None:
    canvas = made(name, style=style).canvas
    assert (canvas.width, canvas.height) == (960, 540)
    labels = [mark for mark in canvas.marks if isinstance(mark, Label)]
    assert min(label.size for label in labels) >= 10.5 - 1e-6
    for mark in canvas.marks:
        if isinstance(mark, Rect):
            assert mark.x >= -0.5
            assert mark.x + mark.width <= 960.5
            assert mark.y + mark.height <= 540.5
    assert all(-0.5 <= label.y <= 540.5 for label in labels)


def test_words_of_lenet_are_its_kernels_shapes_and_parameters() -> None:
    picture = made("lenet", style="blocks")
    said = texts(picture)
    assert "Sequential · 61,706 parameters" in said
    for word in ("1×32×32", "6×28×28", "16×10×10", "16×5×5", "400", "120", "84", "10", "Flatten", "Tanh", "2×2 /2"):
        assert word in said
    cards = made("lenet", style="layers")
    for word in ("156 parameters", "48,120 parameters"):
        assert word in texts(cards)
    assert len(picture.graph.edges) == len(cards.graph.edges) == 8


def test_solids_are_true_to_size_where_sizes_can_be_seen() -> None:
    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.MaxPool2d(2), nn.MaxPool2d(2))
    _, conv, half, quarter = rects(gad.diagram(model, torch.rand(1, 1, 32, 32), style="blocks"))
    assert half.height / conv.height == pytest.approx(0.5)
    assert quarter.height / conv.height == pytest.approx(0.25)
    assert conv.width == pytest.approx(quarter.width)


def test_the_stages_of_a_resnet_add_up_to_its_parameters_on_every_level() -> None:
    model, args = ARCHITECTURES["resnet18"]()
    architecture = architecture_of(model, args, {}, training=False)
    for depth in (0, 1, 2, 3, 4):
        stages = with_repeats(stages_at(architecture, depth))
        assert sum(stage.parameters for stage in stages.stages) == stages.parameters == 11_689_512


def lines(picture: gad.Picture) -> Sequence[Curve]:
    return [mark for mark in picture.canvas.marks if isinstance(mark, Curve) and mark.part == "shaft"]


def test_lines_between_neurons_are_as_thick_as_weights_are_large_and_dashed_below_0() -> None:
    model = nn.Sequential(nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, -0.5], [0.0, 0.25]]))
    drawn = lines(gad.diagram(model, torch.rand(1, 2), style="neurons"))
    by_size = sorted(drawn, key=lambda line: line.line)
    assert [(line.stroke, bool(line.dash)) for line in by_size] == [
        (POSITIVE, False), (POSITIVE, False), (NEGATIVE, True), (POSITIVE, False),
    ]  # fmt: skip
    thin, quarter, half, whole = (line.line for line in by_size)
    assert (half - thin) / (whole - thin) == pytest.approx(0.5)
    assert (quarter - thin) / (whole - thin) == pytest.approx(0.25)
    (x, y), (to_x, to_y) = by_size[2].points[0], by_size[2].points[-1]
    assert x < to_x
    assert y > to_y  # from the second input to the first output


def test_lines_show_gradients_as_autograd_has_them_and_leave_none_behind() -> None:
    model, args = ARCHITECTURES["shallow"]()
    picture = gad.diagram(model, *args, style="neurons", lines="gradient")
    assert all(parameter.grad is None for parameter in model.parameters())
    model(*args).sum().backward()
    largest = max(float(model[i].weight.grad.abs().max()) for i in (0, 1))
    assert any(f"{largest:.4g}" in text for text in texts(picture))
    plain = gad.diagram(model, *args, style="neurons", lines=None)
    assert {line.stroke for line in lines(plain)} == {"edge"}


def test_no_way_goes_through_a_solid_that_it_does_not_lead_to() -> None:
    def run(net: Program, x: torch.Tensor) -> torch.Tensor:
        a, b = net.a(x), net.b(x)
        return net.c(net.d(a) * 2) + b * a

    picture = gad.diagram(Program(run, **{name: nn.Linear(4, 4) for name in "abcd"}), torch.rand(1, 4), style="blocks")
    frames = {mark.owner: mark for mark in rects(picture)}
    assert len(frames) == 8
    for line in lines(picture):
        for x, y in line.points:
            for key, box in frames.items():
                inside = box.x < x < box.x + box.width and box.y < y < box.y + box.height
                assert not inside or key in line.owner


def test_long_columns_are_cut_short_and_say_how_long_they_are() -> None:
    picture = gad.diagram(nn.Linear(1000, 3), torch.rand(1, 1000), style="neurons")
    assert len(rects(picture)) == 8 + 3
    assert len(rects(picture, "dot")) == 3
    assert "1000" in texts(picture)


def test_weights_that_are_tied_are_drawn_at_each_layer() -> None:
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    model[1].weight = model[0].weight
    drawn = lines(gad.diagram(model, torch.rand(1, 2), style="neurons"))
    assert sorted(line.line for line in drawn[:4]) == sorted(line.line for line in drawn[4:])
    assert "edge" not in {line.stroke for line in drawn}


def test_a_layer_that_runs_twice_and_one_that_is_frozen_are_drawn() -> None:
    run = lambda net, x: net.head(torch.relu(net.cell(torch.relu(net.cell(x)))))  # noqa: E731
    model = Program(run, cell=nn.Linear(3, 3), head=nn.Linear(3, 1)).requires_grad_(False)
    picture = gad.diagram(model, torch.rand(1, 3), style="neurons")
    assert texts(picture).count("Linear") == 3
    assert len(lines(picture)) == 9 + 9 + 3


def test_the_model_is_left_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout()).train()
    before = [tensor.clone() for tensor in model.state_dict().values()]
    state = torch.get_rng_state()
    gad.diagram(model, torch.rand(3, 2, generator=torch.Generator()), style="blocks")
    assert all(torch.equal(one, other) for one, other in zip(before, model.state_dict().values(), strict=True))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(module.training for module in model.modules())


def test_the_same_model_gives_the_same_bytes_in_every_format(tmp_path: Any) -> None:
    torch.manual_seed(0)
    model, args = ARCHITECTURES["deep"]()
    for style in ("neurons", "blocks"):
        pictures = [gad.diagram(model, *args, style=style, theme="print", fit="4:3") for _ in range(2)]
        for suffix in (".svg", ".pdf", ".tikz", ".dot", ".html", ".json"):
            written = [picture.save(tmp_path / f"{i}{suffix}").read_bytes() for i, picture in enumerate(pictures)]
            assert written[0] == written[1]
            assert written[0]


def test_what_cannot_be_read_is_said() -> None:
    with pytest.warns(GraphvizADWarning, match="letters of"):
        made("unet", style="blocks", fit="column", depth=3)


def test_wrong_calls_are_refused() -> None:
    with pytest.raises(OptionError, match=r"is no nn\.Module"):
        gad.diagram(torch.sin, torch.ones(1))  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="did you mean 'blocks'"):
        made("deep", style="block")
    with pytest.raises(OptionError):
        made("deep", depth=0)


def test_the_command_line_has_its_options_and_the_function_the_same_defaults(tmp_path: Any, capsys: Any) -> None:
    defaults = {name: parameter.default for name, parameter in inspect.signature(diagram).parameters.items()}
    table = DiagramOptions()
    assert all(defaults[name] == getattr(table, name) for name in hints_of(DiagramOptions))
    target, out = f"{Path(architectures.__file__)}:lenet", tmp_path / "l.svg"
    assert main(["diagram", target, "--style", "blocks", "--theme", "dark", "-o", str(out)]) == 0
    assert "61,706" in out.read_text("utf-8")
    assert main(["diagram", target, "--size", "1,x", "-o", str(out)]) == 2
    assert main(["diagram", target, "--style", "block", "-o", str(out)]) == 2
    assert "no shape" in capsys.readouterr().err
