"""Two graphs on one canvas: what differs is found, marked and said, and nothing else is."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import fields, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

import graphviz_ad as gad
from graphviz_ad._internal.diagnosis.alignment import aligned
from graphviz_ad._internal.scene.canvas import Label, Rect
from graphviz_ad._internal.sheets.graph_comparison import ComparisonOptions, Pair, SideBySide
from graphviz_ad._internal.sheets.shared_parts import shared_calls
from graphviz_ad._internal.tracing.assembly import saved


def cube(x: Any, y: Any) -> Any:
    a = x * x
    b = a * x
    f = b + y
    return f


def cut_cube(x: Any, y: Any) -> Any:
    a = x * x
    u = a.detach()
    b = u * x
    f = b + y
    return f


@cache
def graph(name: str, x: float = 2.0) -> gad.Graph:
    return gad.trace({"cube": cube, "cut": cut_cube}[name], x, 1.0)


def compared(a: gad.Graph, b: gad.Graph, **options: Any) -> SideBySide:
    return gad.compare(a, b, layout="layered", **options)


def marked(made: SideBySide) -> list[str]:
    """The owners of the boxes that stand out."""
    return [
        mark.owner
        for mark in made.canvas.marks
        if isinstance(mark, Rect) and mark.fill == "active" and mark.part == "frame"
    ]


def test_a_graph_and_itself_do_not_differ() -> None:
    made = compared(graph("cube"), graph("cube"))
    assert made.same
    assert str(made) == "no difference"
    assert marked(made) == []
    assert any("No difference" in mark.text for mark in made.canvas.marks if isinstance(mark, Label))


def test_differences_are_found_and_marked_where_they_are() -> None:
    made = compared(graph("cube"), graph("cut"), titles=("f", "f with detach"))
    found = {
        (difference.name, difference.what): (difference.first, difference.second) for difference in made.differences
    }
    assert found["x", ".grad"] == ("12", "4")
    assert found["a", "grad"] == ("2", "None")
    assert found["u", ""] == ("", "only in the second")
    assert not {name for name, _ in found} & {"y", "f"}
    names = [{node.key: node.name for node in made.graphs[i].node_list} for i in (0, 1)]
    owners = [owner.split("/") for owner in marked(made)]
    assert {(i, names[int(i)][key]) for i, key in owners} == {
        ("0", "x"),
        ("0", "a"),
        ("0", "b"),
        ("1", "x"),
        ("1", "a"),
        ("1", "u"),
        ("1", "b"),
    }


def test_values_are_compared_bit_for_bit_and_nan_is_itself() -> None:
    assert not compared(graph("cube"), graph("cube", 2.0000000000000004)).same
    nan = gad.trace(lambda x: torch.log(x), -1.0)
    assert compared(nan, gad.trace(lambda x: torch.log(x), -1.0)).same


def test_graphs_of_the_same_shape_are_drawn_alike() -> None:
    pair = Pair(graph("cube"), graph("cube", 1234.5678), ("a", "b"))
    first, second = (panel.drawing for panel in pair.panels("layered"))
    assert (first.width, first.height) == (second.width, second.height)
    places = [
        [(mark.x, mark.y) for mark in block.marks if isinstance(mark, Rect) and mark.part == "frame"]
        for block in (first, second)
    ]
    assert places[0] == places[1]


def test_what_both_have_is_at_the_same_place_under_the_same_name_and_nothing_else_has_that_name() -> None:
    def plain(x: Any, y: Any) -> Any:
        return torch.exp(torch.sin(x) * torch.cos(y)) + torch.sin(y) * x

    def other(x: Any, y: Any) -> Any:
        return torch.exp(torch.tanh(torch.sin(y)) * torch.cos(y)) + torch.sin(y).detach() * x

    a, b = gad.trace(plain, 1.0, 2.0), gad.trace(other, 1.0, 2.0)
    for layout, direction in product(("layered", "dot"), ("LR", "TB")):
        pair = Pair(a, b, ("a", "b"), direction=direction)
        first, second = (panel.drawing for panel in pair.panels(layout))
        assert (first.width, first.height) == (second.width, second.height)
        here, there = (
            {
                mark.owner.partition("/")[2]: (mark.x, mark.y, mark.width, mark.height)
                for mark in block.marks
                if isinstance(mark, Rect) and mark.part == "frame"
            }
            for block in (first, second)
        )
        assert {here[key] == there[other] for key, other in pair.pairs.items()} == {True}
        assert not {here[key] for key in a.nodes.keys() - pair.pairs.keys()} & set(there.values())
    called = shared_calls(a, b, pair.pairs)
    assert {called[1].get(there) == name for here, name in called[0].items() if (there := pair.pairs.get(here))} == {
        True
    }
    only = {name for key, name in called[1].items() if key not in pair.pairs.values()}
    assert only
    assert not only & set(called[0].values())


def test_programs_that_contradict_each_other_are_placed_apart() -> None:
    def forth(x: Any) -> Any:
        u = torch.sin(x)
        v = torch.exp(u)
        return v * 2

    def back(x: Any) -> Any:
        v = torch.exp(x)
        u = torch.sin(v)
        return u * 2

    made = compared(gad.trace(forth, 1.0), gad.trace(back, 1.0))
    assert {difference.name for difference in made.differences} >= {"u", "v"}


def test_things_belong_together_by_name_and_nameless_ones_in_order() -> None:
    a, b = (
        gad.trace(lambda x, y: torch.sin(x) + torch.sin(y) * x, 1.0, 2.0),
        gad.trace(lambda y, x: torch.sin(x) + torch.sin(y) * x, 1.0, 2.0),
    )
    pairs = aligned(a, b)
    assert {(a.nodes[here].name, b.nodes[there].name) for here, there in pairs.items() if a.nodes[here].name} == {
        ("x", "x"),
        ("y", "y"),
    }
    assert all(a.nodes[here].op == b.nodes[there].op for here, there in pairs.items())
    assert len(pairs) == len(a.nodes)


def test_what_is_kept_and_what_is_accumulated_count_as_differences() -> None:
    def recorded(passes: int) -> gad.Graph:
        with gad.record() as rec:
            x = torch.tensor(2.0, requires_grad=True)
            z = x**3
            for _ in range(passes):
                z.backward(retain_graph=True)
        return rec.graph

    assert [str(difference) for difference in compared(recorded(1), recorded(2)).differences] == ["x .grad: 12 ≠ 24"]
    plus, times = (gad.trace(lambda x, y, op=op: op(x, y), 1.0, 1.0) for op in (torch.add, torch.mul))
    found = {
        difference.what: (difference.first, difference.second)
        for difference in compared(replaced(plus), replaced(times)).differences
    }
    assert found["keeps for backward"] == ("no tensor", "2 tensors")


def test_what_torch_does_not_tell_of_one_graph_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    def finished() -> gad.Graph:
        x = torch.tensor(2.0, requires_grad=True)
        return gad.trace(x.exp() * x)

    told = finished()
    monkeypatch.setattr(saved, "TELLS_HOOKS", False)
    assert {node.keeps_unknown for node in finished().node_list if node.kind == "op"} == {True}
    assert compared(told, finished()).differences == ()


def replaced(graph: gad.Graph) -> gad.Graph:
    """The graph with its result called y."""
    return graph.with_parts([replace(node, name=node.name or "y") for node in graph.node_list], graph.edges)


def test_it_can_be_saved_is_the_same_twice_and_shows_itself(tmp_path: Path) -> None:
    first, second = (compared(graph("cube"), graph("cut"), theme="dark") for _ in range(2))
    assert first.to_svg() == second.to_svg()
    assert first.save(tmp_path / "pair.svg").read_text("utf-8") == first.to_svg()
    assert first.save(tmp_path / "pair.png").read_bytes().startswith(b"\x89PNG")
    assert first.save(tmp_path / "pair.pdf").read_bytes().startswith(b"%PDF")
    bundle = first._repr_mimebundle_()
    assert {"text/plain", "text/html", "image/svg+xml"} <= set(bundle)
    assert "x .grad: 12 ≠ 4" in str(bundle["text/plain"])
    with pytest.raises(gad.GraphvizADError, match="no chart format"):
        first.save(tmp_path / "pair.xyz")


def test_the_drawing_goes_the_way_in_which_it_can_be_read() -> None:
    def long(x: Any) -> Any:
        for _ in range(9):
            x = torch.sin(x)
        return x

    chain = gad.trace(long, 1.0)
    wide = compared(chain, chain, direction="LR").canvas
    own_choice = compared(chain, chain).canvas
    assert wide.width > wide.height
    assert own_choice.height > own_choice.width
    assert wide.width < 1500


OTHERWISE: dict[str, Any] = {
    "tolerance": 0.5, "titles": ("one", "other"), "heading": "both", "theme": "dark", "layout": "layered",
    "direction": "TB", "values": False, "gradients": False, "local": False, "depth": 1,
}  # fmt: skip


def test_plot_takes_every_option_of_compare_and_keeps_what_is_not_given() -> None:
    kept = {"titles": ("f", "f with detach"), "layout": "layered"}
    made = gad.compare(graph("cube"), graph("cut"), **kept)
    assert made.plot() is made
    assert {one.name for one in fields(ComparisonOptions)} == OTHERWISE.keys()
    for name, value in OTHERWISE.items():
        assert made.plot(**{name: value}).asked == replace(made.asked, **{name: value})
    assert made.plot(theme="dark").to_svg() == gad.compare(*made.graphs, **kept, theme="dark").to_svg()
    with pytest.raises(gad.GraphvizADError, match="no option 'fit'"):
        made.plot(fit="slide")  # type: ignore[call-arg]


@pytest.mark.parametrize("apart", [1e-15, 1e-9, 1e-6, 1e-4])
def test_what_differs_never_reads_the_same(apart: float) -> None:
    for size, far in ((2, apart), (3, apart), (200, apart), (200, torch.tensor([apart, -apart] * 100))):
        x = torch.linspace(1, 2, size, dtype=torch.float64)
        one, other = (gad.trace(lambda x: (x * x).sum(), start.requires_grad_()) for start in (x, x + far))
        found = compared(one, other).differences
        assert [each.name for each in found][:1] == ["x"]
        assert all(each.first != each.second for each in found), [str(each) for each in found]


def two_layers(*names: str) -> torch.nn.Module:
    torch.manual_seed(0)
    parts = (torch.nn.Linear(3, 3), torch.nn.Tanh(), torch.nn.Linear(3, 3))
    return torch.nn.Sequential(OrderedDict(zip((names[0], "between", names[1]), parts, strict=True)))


@pytest.mark.parametrize("names", [("up", "down"), ("b", "a")])
def test_what_is_called_otherwise_belongs_together_on_the_picture_as_in_the_numbers(names: tuple[str, str]) -> None:
    x = torch.ones(2, 3)
    a, b = (gad.trace(two_layers(*called), x) for called in (("a", "b"), names))
    made = compared(a, b)
    assert (made.equal, made.same) == (True, True), str(made)
    assert made.renamed[0] == ("a.weight", f"{names[0]}.weight")
    assert "a.weight is " in str(made)
    folded = compared(a, b, depth=1)
    assert (folded.equal, folded.same) == (True, True), str(folded)


def test_what_is_no_graph_is_refused() -> None:
    with pytest.raises(gad.GraphvizADError, match=r"give a Graph: as trace\(\) and record\(\) give it"):
        gad.compare(graph("cube"), cube)  # type: ignore[arg-type]
    with pytest.raises(gad.GraphvizADError, match="two texts"):
        gad.compare(graph("cube"), graph("cube"), titles=("one",))  # type: ignore[arg-type]
    with pytest.raises(gad.GraphvizADError, match="no theme"):
        gad.compare(graph("cube"), graph("cube"), theme="drak")


def test_many_differences_are_counted_and_the_first_of_them_said() -> None:
    def long(x: Any) -> Any:
        for _ in range(20):
            x = torch.sin(x)
        return x

    made = compared(gad.trace(long, 1.0), gad.trace(long, 2.0))
    assert len(made.differences) > 20
    assert any(" more" in mark.text for mark in made.canvas.marks if isinstance(mark, Label))


def test_infinity_against_a_number_is_no_difference_of_percents() -> None:
    def masked(x: Any, fill: float) -> Any:
        return torch.softmax(x.masked_fill(torch.tensor([True, False]), fill), 0)[1]

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    made = compared(gad.trace(masked, x, float("-inf")), gad.trace(masked, x, -3e38))
    assert "one has NaN or an infinity where the other has a number" in str(made)
    assert " % apart" not in str(made)


def test_what_follows_is_counted_and_what_steps_make_of_it_comes_last() -> None:
    def train(start: float) -> gad.Graph:
        weights = [torch.nn.Parameter(torch.ones(3)) for _ in range(20)]
        optimizer = torch.optim.SGD(weights, lr=0.1)
        with gad.record() as recorded:
            h = torch.full((3,), start)
            for weight in weights:
                h = torch.sin(h) * weight
            h.sum().backward()
            optimizer.step()
        return recorded.graph

    lines = str(compared(train(1.0), train(2.0), depth=1)).splitlines()
    assert len(lines) < 50
    assert lines[-1].startswith("and ")
    assert not any("step" in line for line in lines[:-1])
