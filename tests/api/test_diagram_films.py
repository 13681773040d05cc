"""Films of diagrams: what runs through a figure is what torch computes, it leaves no trace, and all formats show it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import architectures
import pytest
import torch
from architectures import ARCHITECTURES, Program
from torch import nn

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import GradOutputsError, OptionError
from graphviz_ad._internal.cli.commands import main
from graphviz_ad._internal.film.film_frames import film_frames
from graphviz_ad._internal.film.timeline import timeline
from graphviz_ad._internal.scene.canvas import Curve, Label, Polygon, Rect
from graphviz_ad._internal.scene.font_metrics import text_width
from graphviz_ad._internal.scene.paint import paint_frame
from graphviz_ad._internal.tracing.architecture_passes import passes_of

STYLES = ("neurons", "layers", "blocks")


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name != "alexnet"])
def test_what_passed_is_what_torch_computes(name: str) -> None:
    torch.manual_seed(0)
    model, args = ARCHITECTURES[name]()
    model.eval()
    seed = torch.randn_like(model(*args).detach())
    architecture, passes = passes_of(model, args, {}, seed)
    given = [x.clone().requires_grad_() if x.is_floating_point() else x for x in args]
    result = model(*given)
    (number,) = architecture.outputs
    assert passes.values[number].norm == pytest.approx(float(result.detach().norm()), rel=1e-5)
    assert passes.gradients[number].norm == pytest.approx(float(seed.norm()), rel=1e-5)
    inner = [x for x in given if x.requires_grad]
    tables = {key: weight for key, weight in model.named_parameters() if key in passes.weight_gradients}
    found = torch.autograd.grad(result, [*inner, *tables.values()], seed)
    for key, grad in zip(tables, found[len(inner) :], strict=True):
        torch.testing.assert_close(torch.tensor(passes.weight_gradients[key]), grad, rtol=1e-4, atol=1e-6)
    first = architecture.calls[0].gives[0]
    assert (first in passes.gradients) == bool(inner)
    if inner:
        assert passes.gradients[first].norm == pytest.approx(float(found[0].norm()), rel=1e-4)


def test_gradients_are_those_of_what_a_stage_gave_whatever_was_written_into_it_later() -> None:
    def run(net: Program, x: torch.Tensor) -> torch.Tensor:
        h = net.a(x)
        h += 1  # another tensor for autograd, the same object for Python
        return net.b(h.mul_(3))

    model = Program(run, a=nn.Linear(2, 2), b=nn.Linear(2, 1))
    x = torch.tensor([[1.0, 2.0]])
    architecture, passes = passes_of(model, (x,), {})
    a = next(call for call in architecture.calls if call.path == "a")
    want = 3 * model.b.weight.detach()
    assert passes.gradients[a.gives[0]].norm == pytest.approx(float(want.norm()))
    assert passes.values[a.gives[0]].norm == pytest.approx(float(model.a(x).detach().norm()))


def test_a_film_leaves_no_trace() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Dropout(), nn.Linear(3, 1)).train()
    x = torch.rand(4, 2, generator=torch.Generator())
    before, state = [tensor.clone() for tensor in model.state_dict().values()], torch.get_rng_state()
    gad.diagram(model, x, style="neurons").animate()
    assert all(torch.equal(one, other) for one, other in zip(before, model.state_dict().values(), strict=True))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(module.training for module in model.modules())
    assert all(p.grad is None and not p._backward_hooks for p in model.parameters())
    assert x.grad is None
    assert not x.requires_grad
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("style", STYLES)
def test_a_value_runs_forward_and_a_gradient_back_one_stage_at_a_time(style: str) -> None:
    model, args = ARCHITECTURES["deep"]()
    film = gad.diagram(model, *args, style=style).animate()
    assert [step.phase for step in film.steps] == ["start", *["forward"] * 4, *["backward"] * 4, "end"]
    boxes = {box.key for box in film.film.stage.boxes} - {"legend"}
    lit = [
        {change.key for change in step.changes if change.key in boxes and (change.emphasis or "").startswith("active")}
        for step in film.steps
    ]
    assert [len(keys) for keys in lit] == [0, *[1] * 8, 0]
    assert lit[1:5] == lit[8:4:-1]
    h = args[0]
    for step, layer in zip(film.steps[2:5], model, strict=True):
        h = layer(h)
        assert f"{float(h.detach().norm()):.3g}" in step.caption[1]
    assert all(box.emphasis == "idle" for box in film.film.scene(0).boxes)
    assert all(box.emphasis == "backward" for box in film.film.scene(-1).boxes if box.key in boxes)


def test_directions_and_seeds_of_a_film() -> None:
    model, args = ARCHITECTURES["deep"]()
    drawn = gad.diagram(model, *args, style="blocks", fit="4:3")
    assert {step.phase for step in drawn.animate(direction="forward").steps} == {"start", "forward", "end"}
    back = drawn.animate(direction="backward", grad_outputs=torch.tensor([[3.0, 4.0]]), speed=2)
    assert {step.phase for step in back.steps} == {"start", "backward", "end"}
    assert back.film.size == (960, 720)
    assert "‖g‖ 5" in back.steps[1].caption[1]
    with pytest.raises(GradOutputsError, match="shape"):
        drawn.animate(grad_outputs=torch.ones(3))
    assert back.film.scene(0).boxes[0].emphasis == "forward"


def test_where_no_gradient_gets_nothing_is_lit_and_the_caption_says_so() -> None:
    def run(net: Program, x: torch.Tensor) -> torch.Tensor:
        h = net.a(x)
        return net.b(h.detach()) + net.c(x)

    parts = {name: nn.Linear(2, 2) for name in "abc"}
    film = gad.diagram(Program(run, **parts), torch.rand(1, 2), style="blocks").animate()
    silent = [step for step in film.steps if "no gradient" in step.caption[-1]]
    assert len(silent) == 1
    assert not any((change.emphasis or "").startswith("active") for change in silent[0].changes)
    frozen = nn.Linear(2, 1).requires_grad_(False)
    assert "no gradient" not in gad.diagram(frozen, torch.rand(1, 2)).animate().transcript()
    turned = nn.Linear(2, 1, dtype=torch.complex64)
    assert "no gradient" not in gad.diagram(turned, torch.rand(1, 2) + 0j).animate().transcript()
    half = nn.Linear(2, 1).to(torch.bfloat16)
    assert "‖g‖" in gad.diagram(half, torch.ones(1, 2, dtype=torch.bfloat16), style="neurons").animate().transcript()
    whole = nn.Sequential(nn.Embedding(5, 2), nn.Linear(2, 1)).requires_grad_(False)
    assert gad.diagram(whole, torch.tensor([1])).animate().transcript().count("no gradient") == 3


@pytest.mark.parametrize("style", ["neurons", "blocks"])
def test_all_formats_show_the_marks_of_the_frames(style: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, args = ARCHITECTURES["shallow"]()
    film = gad.diagram(model, *args, style=style).animate()
    shown = timeline(film.film)
    for i, frame in enumerate(film_frames(film.film)):
        painted = paint_frame(film.film, i)
        assert set(frame.marks) == set(painted.marks)
        seen = [one.mark for one in shown if one.first <= i <= one.last]
        drawn = [mark for mark in seen if mark.owner and mark.owner != "legend"]
        assert set(seen) == {mark for mark in painted.marks if not (isinstance(mark, Label) and not mark.text)}
        for key in {mark.owner for mark in drawn if not isinstance(mark, Curve)}:  # nothing behind what was before it
            assert [m for m in drawn if m.owner == key] == [m for m in painted.marks if m.owner == key]
    for suffix in (".svg", ".html"):
        first, again = (film.save(tmp_path / f"{n}{suffix}").read_bytes() for n in "ab")
        assert first == again
    page = (tmp_path / "a.html").read_text("utf-8")
    assert page.count('data-look="idle"') == len([b for b in film.film.stage.boxes if b.drawings]) + (
        len([a for a in film.film.stage.arrows if a.drawings])
    )
    if style == "blocks":
        assert gad.diagram(model, *args, style=style).save(tmp_path / "c.gif").read_bytes()[:4] == b"GIF8"


@pytest.mark.parametrize("style", STYLES)
def test_several_models_are_on_one_scale_and_run_side_by_side(style: str) -> None:
    small = nn.Sequential(nn.Linear(2, 2, bias=False))
    large = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 8, bias=False))
    with torch.no_grad():
        small[0].weight.fill_(1.0)
        large[0].weight.fill_(1.0)
        large[1].weight.fill_(4.0)
    drawn = gad.diagram({"one": small, "two": large}, torch.rand(1, 2), style=style)
    words = [mark.text for mark in drawn.canvas.marks if isinstance(mark, Label)]
    assert any("one" in word for word in words)
    assert any("two" in word for word in words)
    film = drawn.animate()
    assert [len([c for c in step.changes if c.emphasis == "active"]) for step in film.steps[1:4]] == [2, 2, 1]
    if style == "neurons":
        lines = [mark for mark in drawn.canvas.marks if isinstance(mark, Curve) and mark.part == "shaft"]
        widths = sorted({round(line.line, 3) for line in lines})
        assert len(widths) == 2
        assert [line.line for line in lines].count(min(line.line for line in lines)) == 8
    if style == "blocks":
        high = {m.owner: m.height for m in drawn.canvas.marks if isinstance(m, Rect) and m.part == "frame"}
        assert len({round(high[key], 3) for key in high}) == 2
    listed = gad.diagram([small, large], torch.rand(1, 2), style=style)
    assert "Sequential 2" in listed.to_svg()


@pytest.mark.parametrize("wrong", [[], {}, {"a": 1}, [nn.Linear(1, 1), None], {1: nn.Linear(1, 1)}])
def test_what_is_no_collection_of_models_is_refused(wrong: Any) -> None:
    with pytest.raises(OptionError, match=r"no nn\.Module, nor a list"):
        gad.diagram(wrong, torch.rand(1, 1))


@pytest.mark.parametrize("fit", ["slide", "column"])
@pytest.mark.parametrize("name", ["shallow", "deep", "autoencoder", "lenet"])
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.filterwarnings("ignore:letters of")
def test_no_word_is_cut_off_by_the_edge(style: str, name: str, fit: str) -> None:
    model, args = ARCHITECTURES[name]()
    drawn = gad.diagram({"a name that is rather long, as names are": model}, *args, style=style, fit=fit)
    for mark in drawn.canvas.marks:
        if isinstance(mark, Label):
            wide = text_width(mark.text, mark.size, mark.bold)
            left = mark.x - {"start": 0.0, "middle": wide / 2, "end": wide}[mark.anchor]
            assert left >= -0.5, mark.text
            assert left + wide <= drawn.canvas.width + 0.5, mark.text


def test_kernels_are_windows_true_to_size_and_activations_a_darker_end() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 8), nn.ReLU(), nn.Conv2d(4, 4, 1))
    marks = gad.diagram(model, torch.rand(1, 1, 32, 32), style="blocks").canvas.marks
    windows = [mark for mark in marks if isinstance(mark, Polygon) and mark.part == "window"]
    assert len(windows) == 1  # none of a kernel that is a single element
    frame = next(mark for mark in marks if isinstance(mark, Rect) and mark.part == "frame")
    upper, lower = windows[0].points[0], windows[0].points[3]
    assert (lower[1] - upper[1]) / frame.height == pytest.approx(8 / 32)
    fills = {mark.fill for mark in marks if isinstance(mark, Polygon) and mark.part == "face"}
    assert {"shade.p3", "shade.p4"} <= fills
    words = [mark.text for mark in marks if isinstance(mark, Label)]
    assert "end of another shade: an activation" in words


def test_the_command_line_films_too(tmp_path: Path) -> None:
    target = f"{Path(architectures.__file__)}:deep"
    out, page = tmp_path / "d.gif", tmp_path / "d.html"
    assert main(["diagram", target, "--style", "blocks", "--direction", "backward", "-o", str(out)]) == 0
    assert out.read_bytes()[:4] == b"GIF8"
    assert main(["diagram", target, "--film", "-o", str(page)]) == 0
    assert "gad-caption" in page.read_text("utf-8")
    assert main(["diagram", target, "--direction", "sideways", "-o", str(out)]) == 2


def test_the_pictures_of_the_page_are_there_and_small() -> None:
    docs = Path(__file__).parent.parent.parent / "docs"
    page = (docs / "diagrams.md").read_text("utf-8")
    named = {part.split(")")[0] for part in page.split("](diagrams/")[1:]}
    assert named == {path.name for path in (docs / "diagrams").iterdir()}
    assert all(path.stat().st_size < 100_000 for path in (docs / "diagrams").iterdir())
    assert len(named) == 3 * len(ARCHITECTURES) + 4


@pytest.mark.parametrize("name", ["lenet", "alexnet", "resnet18"])
def test_in_a_column_solids_stand_in_rows_of_the_same_figure(name: str) -> None:
    model, args = ARCHITECTURES[name]()
    whole, narrow = (gad.diagram(model, *args, style="blocks", fit=fit) for fit in ("slide", "column"))
    owners = [
        {mark.owner for mark in drawn.canvas.marks if mark.owner and mark.part in ("shaft", "name")}
        for drawn in (whole, narrow)
    ]
    assert owners[0] == owners[1]
    assert min(mark.size for mark in narrow.canvas.marks if isinstance(mark, Label)) >= 6 - 1e-6
    boxes = [mark for mark in narrow.canvas.marks if isinstance(mark, Rect) and mark.part == "frame"]
    words = [mark for mark in narrow.canvas.marks if isinstance(mark, Label)]
    for box in boxes:
        for word in words:
            wide = text_width(word.text, word.size, word.bold) / 2
            aside = word.x + wide < box.x or word.x - wide > box.x + box.width or word.anchor == "start"
            assert aside or not box.y < word.y - word.size / 2 < box.y + box.height or word.owner == box.owner


def test_a_film_runs_through_rows_as_through_one() -> None:
    model, args = ARCHITECTURES["alexnet"]()
    film = gad.diagram(model, *args, style="blocks", fit=(400, 700)).animate()
    arrows = {arrow.key for arrow in film.film.stage.arrows}
    count = len(arrows)
    assert count == len(film.film.stage.boxes) - 2
    lit = [sum(c.emphasis == "active-forward" and c.key in arrows for c in step.changes) for step in film.steps]
    assert lit == [0, 0, *[1] * count, *[0] * (count + 2)]
    assert len({round(box.center[1]) for box in film.film.stage.boxes if box.center and box.key != "legend"}) > 1
