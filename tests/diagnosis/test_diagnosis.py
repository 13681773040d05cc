"""What a diagnosis is besides its findings: order, texts, budgets, tables, histories, and what tests may assert."""

from __future__ import annotations

import copy
import csv
import gc
import inspect
import io
import json
import math
import subprocess
import sys
import threading
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from diagnosis.zoo import HEAD, LOOP, SCRIPTS
from torch import Tensor, nn
from training_programs import Net

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import GraphFormatError, GraphvizADError, OptionError, SaveError, TraceError
from graphviz_ad._internal.cli.commands import main
from graphviz_ad._internal.diagnosis.causes import TABLE
from graphviz_ad._internal.diagnosis.diagnosis_text import unseen
from graphviz_ad._internal.diagnosis.finding_sentences import KINDS
from graphviz_ad._internal.diagnosis.findings import SEVERITIES, Diagnosis, Finding, Looked
from graphviz_ad._internal.diagnosis.history import history_of_steps
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.history_files import run_of_file
from graphviz_ad._internal.graph.training_history import MOST_STEPS, KeptSteps, ParameterSummary, StepSummary
from graphviz_ad._internal.scene.canvas import Label
from graphviz_ad._internal.tracing import recording, step_watch
from graphviz_ad._internal.tracing.program_facts import living_optimizers
from graphviz_ad.testing import assert_gradients_reach, assert_healthy

DOCS = Path(__file__).parents[2] / "docs" / "diagnosis.md"


def net() -> Any:
    torch.manual_seed(0)
    return Net(a=nn.Linear(4, 8), b=nn.Linear(8, 3), idle=nn.Linear(2, 2))


def step(m: Any, optimizer: torch.optim.Optimizer, factor: float = 1.0) -> None:
    x, y = torch.randn(8, 4) * factor, torch.randint(0, 3, (8,))
    loss = F.cross_entropy(torch.softmax(m.b(torch.relu(m.a(x))), 1), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


@pytest.fixture(scope="module")
def graph() -> Graph:
    m = net()
    optimizer = torch.optim.SGD(m.parameters(), lr=0.01)
    with gad.record(m) as recording:
        for _ in range(2):
            step(m, optimizer)
    return recording.graph


def test_findings_are_ordered_by_severity_and_say_where(graph: Graph) -> None:
    found = graph.diagnose()
    severities = [SEVERITIES.index(one.severity) for one in found.findings]
    assert severities == sorted(severities)
    assert found.findings[0].kind == "probabilities-for-logits"
    assert found.findings[0].file == "test_diagnosis.py"
    assert found.findings[0].line is not None
    assert not found.ok
    assert "6 of 6 parameters" in found.looked_at


def test_a_saved_graph_is_diagnosed_alike(graph: Graph, tmp_path: Path) -> None:
    graph.save(tmp_path / "step.json")
    again = gad.Graph.load(tmp_path / "step.json")
    assert again.diagnose().to_json() == graph.diagnose().to_json()
    assert again.fingerprint() == graph.fingerprint()
    assert again.table().to_csv() == graph.table().to_csv()


@pytest.mark.parametrize("budget", [1, 30, 60, 200, 2000])
def test_a_budget_never_loses_the_first_three(graph: Graph, budget: int) -> None:
    whole, short = graph.diagnose(), str(graph.diagnose(budget))
    for finding in whole.findings[:3]:
        assert f"{finding.severity}: {finding.kind}" in short
    assert len(short) <= max(budget * 4, 400)


def test_a_budget_takes_from_the_end_first() -> None:
    found = [Finding("detached", "error", evidence=facts(n), names=("w",)) for n in range(6)]
    told = []
    for budget in range(1, 1200, 7):
        diagnosis = Diagnosis(Graph((), (), "net"), tuple(found), Looked(1, 1, 1, 0, 1, True, True, True), budget)
        text = str(diagnosis)
        parts = [(f"h{n} is detached" in text) + (f"{n + 1}. error" in text) for n in range(6)]
        assert parts == sorted(parts, reverse=True)  # none keeps its cause where one before it has lost it
        assert all(parts[:3])
        assert len(text) <= max(budget * 4, 400)
        told.append(sum(parts))
    assert told == sorted(told)
    assert told[-1] == 12


def facts(number: int) -> dict[str, Any]:
    return {"at": f"h{number}", "parameters": 1, "of": 1, "names": ("w",)}


@pytest.mark.parametrize("budget", [0, -3, True, 1.5, "many"])
def test_a_budget_is_a_count(graph: Graph, budget: Any) -> None:
    with pytest.raises((OptionError, TypeError)):
        graph.diagnose(budget)


def test_json_has_the_keys_that_are_documented(graph: Graph) -> None:
    data = json.loads(graph.diagnose().to_json())
    told = DOCS.read_text("utf-8")
    for key in (*data, *data["findings"][0], *data["looked_at"]):
        assert f"`{key}`" in told, key


def test_every_kind_is_documented_and_has_words() -> None:
    told = DOCS.read_text("utf-8")
    assert [kind for kind in KINDS if f"`{kind}`" not in told] == []


def test_pages_and_pictures_hold_the_findings(graph: Graph) -> None:
    found = graph.diagnose()
    assert "probabilities-for-logits" in found.to_markdown()
    page = found.to_html()
    assert "probabilities-for-logits" in page
    assert 'src="http' not in page
    assert "⚠ 1 probabilities-for-logits" in found.plot().to_svg()


def test_the_picture_of_a_finding_shows_the_pass_in_which_it_is() -> None:
    model = net()
    optimizer = torch.optim.Adam(model.parameters())
    with gad.record(model) as recording:
        for step in range(4):
            loss = torch.sqrt(model.b(model.a(torch.ones(2, 4))) * 0 - int(step == 1)).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    diagnosis = recording.graph.diagnose()
    page = diagnosis.to_html()
    assert "no gradient reaches it" not in page
    assert "no path to an output" not in page
    assert "shown are ," not in page
    first = diagnosis.findings[0]
    assert f"⚠ 1 {first.kind}, {first.source}" in diagnosis.plot().to_svg()


def test_the_structure_of_a_run_that_was_watched_says_what_its_history_found(tmp_path: Path) -> None:
    model = net()
    with gad.record(model, every=2) as recording:
        for step in range(5):
            (model.b(model.a(torch.ones(2, 4))) * (float("nan") if step == 3 else 1)).sum().backward()
    assert recording.graph.diagnose().ok is False  # .grad keeps the NaN
    recording.graph.save(tmp_path / "run.json")
    (found,) = Graph.load(tmp_path / "run.json").diagnose().findings
    assert (found.kind, found.severity, found.evidence["step"]) == ("found-in-history", "error", 5)
    said = str(recording.graph.diagnose())
    assert "no model was named" not in said
    assert "record(model, every=2)" in said


def test_what_changed_before_a_bad_step_is_what_left_its_course() -> None:
    biases = [0.0, 0.0208, 0.039, 0.039]  # as AdamW takes what began at 0
    steps = [
        StepSummary(
            number,
            loss,
            "t.py:5",
            {
                **{f"{i}.bias": ParameterSummary(bias, gradient) for i in range(3)},
                "w": ParameterSummary(1.0 + 5 * (number == 3), 0.1),
            },
        )
        for number, (bias, loss, gradient) in enumerate(
            zip(biases, [2.0, 1.9, 1.8, math.nan], [0.2, 0.19, 0.2, math.nan], strict=True), 1
        )
    ]
    history = history_of_steps(steps)
    assert {(one.step, one.name, one.what) for one in history.changes if math.isfinite(one.now)} == {(3, "w", "weight")}
    said = str(history)
    assert "step 4: the gradient of 0.bias went from 0.2 to NaN, and of 2 more" in said
    assert "1.bias" not in said


def test_the_anomaly_in_focus_is_where_it_came_up_and_not_what_steps_carried_on() -> None:
    model = nn.ModuleList(nn.Linear(4, 4) for _ in range(12))
    optimizer = torch.optim.Adam(model.parameters())
    with gad.record(model) as recording:
        for step in range(4):
            h = torch.ones(3, 4)
            for layer in model:
                scores = layer(h).masked_fill(torch.ones(3, 4, dtype=torch.bool) if step == 2 else h < -9, -math.inf)
                h = scores.softmax(-1)
            optimizer.zero_grad()
            h[:, 0].sum().backward()
            optimizer.step()
    drawn = recording.graph.plot(focus="auto").graph
    assert any(node.op == "softmax" and node.value.nonfinite for node in drawn.node_list if node.value is not None)
    assert len(drawn.node_list) < 80
    assert sum(node.is_step for node in drawn.node_list) <= 1


def test_a_table_has_what_torch_says() -> None:
    m = net()
    optimizer = torch.optim.SGD(m.parameters(), lr=0.5)
    before = {name: p.detach().clone() for name, p in m.named_parameters()}
    with gad.record(m) as recording:
        step(m, optimizer)
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(recording.graph.table().to_csv()))}
    for name, p in m.named_parameters():
        if p.grad is None:
            assert rows[name]["gradient"] == ""
            continue
        assert float(rows[name]["weight"]) == pytest.approx(float(before[name].norm()), rel=1e-6)
        assert float(rows[name]["gradient"]) == pytest.approx(float(p.grad.norm()), rel=1e-6)
        assert float(rows[name]["update"]) == pytest.approx(float((p.detach() - before[name]).norm()), rel=1e-5)
        assert float(rows[name]["zeros"]) == pytest.approx(float((p.grad == 0).float().mean()))
    ordered = recording.graph.table().sorted("gradient").rows
    known = [row.gradient for row in ordered if row.gradient is not None]
    assert known == sorted(known, reverse=True)


def test_a_fingerprint_tells_a_change_and_no_more() -> None:
    def traced(scale: float, activation: Any = torch.tanh) -> Graph:
        return gad.trace(lambda x: (activation(x) * 2).sum(), torch.full((3,), scale, requires_grad=True))

    one, other = traced(1.0), traced(2.0)
    assert one.fingerprint() == other.fingerprint()
    assert one.fingerprint() != traced(1.0, torch.sin).fingerprint()
    assert one.fingerprint(values=True) != other.fingerprint(values=True)
    assert one.fingerprint(values=True) == traced(1.0).fingerprint(values=True)


def test_every_kind_that_explains_another_is_one_of_the_kinds() -> None:
    assert {kind for row in TABLE for kind in (*row.causes, *row.effects)} <= set(KINDS)


def test_what_comes_of_dead_units_and_of_infinities_is_told_with_them() -> None:
    torch.manual_seed(0)
    m = Net(a=nn.Linear(4, 8), b=nn.LSTM(8, 3))
    with gad.record(m) as recording:
        for _ in range(2):
            m.b(torch.relu(m.a(torch.randn(9, 2, 4)) - 50))[0].sum().backward()
    first = recording.graph.diagnose().findings[0]
    assert (first.kind, [one.kind for one in first.consequences]) == ("dead-units", ["zero-gradient"] * 2)
    assert {name for one in first.consequences for name in one.names} == {"b.weight_ih_l0", "a.weight", "a.bias"}
    w = nn.Parameter(torch.zeros(3))

    def checked() -> None:
        with gad.record():
            (w.log() * w).sum().backward()
            raise ValueError("infinite")

    with pytest.raises(ValueError, match="infinite") as raised:
        checked()
    first = raised.value.graph.diagnose().findings[0]  # type: ignore[attr-defined]
    assert (first.kind, {one.kind for one in first.consequences}) == ("infinite-value", {"nan-value", "raised"})


@pytest.mark.parametrize(("rate", "alone"), [(0.5, True), (20.0, False)])
def test_what_comes_of_gradients_that_add_up_is_told_with_it(rate: float, alone: bool) -> None:
    m, x, y = net(), torch.randn(8, 4), torch.randn(8, 3)
    optimizer = torch.optim.SGD(m.parameters(), lr=rate)
    with gad.record(m) as recording:
        for _ in range(6):
            F.mse_loss(m.b(torch.tanh(m.a(x))), y).backward()
            optimizer.step()
    found = [one for one in recording.graph.diagnose().findings if one.kind in ("not-cleared", "step-too-large")]
    cause = next(one for one in found if one.kind == "not-cleared")
    assert ("step-too-large" in {one.kind for one in cause.consequences}) == alone
    assert len(found) == (1 if alone else 2)  # where the first step is too large, it is a fault of its own


def test_where_only_the_indices_go_on_it_is_said_and_a_layer_without_use_has_a_line() -> None:
    m = net()
    with gad.record(m) as recording:
        for _ in range(2):
            best = m.a(torch.randn(2, 4)).max(1)[1]
            (m.b(torch.randn(2, 8)) * best[:, None].float()).sum().backward()
    found = {one.kind: one for one in recording.graph.diagnose().findings}
    assert "only the indices go on of best" in found["not-differentiable"].cause.replace("`", "").replace("₁", "")
    assert "first of its two results" in found["not-differentiable"].remedy


LAYERS = """import torch
class Inner(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.extra = torch.nn.Linear(2, 2)
        self.used = torch.nn.Linear(2, 2)
    def forward(self, x):
        return self.used(x)
class Outer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Inner()
        self.extra = torch.nn.Linear(2, 2)
        self.register_parameter("gain", torch.nn.Parameter(torch.ones(2)))
        setattr(self, "hid" + "den", torch.nn.Linear(2, 2))
    def forward(self, x):
        return self.extra(self.inner(x))
outer = Outer()
optimizer = torch.optim.SGD(outer.parameters(), 0.01)
for _ in range(2):
    outer.zero_grad()
    outer(torch.ones(3, 2)).sum().backward()
    optimizer.step()
"""


def test_what_is_never_read_is_named_by_the_line_that_makes_it(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "layers.py").write_text(LAYERS, "utf-8")
    assert main(["diagnose", str(tmp_path / "layers.py"), "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    lines = {one["names"][0]: one["line"] for one in data["findings"] if one["kind"] == "never-read"}
    assert lines == {"inner.extra.weight": 5, "gain": 14, "hidden.weight": 18}
    assert data["program"] == "layers.py"


def test_pieces_of_a_model_are_said_to_be_left_alone() -> None:
    m = type("FullyShardedDataParallel", (Net,), {})(a=nn.Linear(2, 2))
    with gad.record(m) as recording:
        m.a(torch.ones(1, 2)).sum().backward()
    assert "pieces or stages of a model" in recording.graph.diagnose().looked_at


# --- history


def keeps_losses(m: Any, every: int | None, value: Any) -> Any:
    optimizer, losses = torch.optim.SGD(m.parameters(), lr=0.01), []
    with gad.record(m, every=every) as recording:
        for _ in range(5):
            optimizer.zero_grad()
            loss = m.b(m.a(torch.ones(2, 4))).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(value(loss))
    return recording


@pytest.mark.parametrize(("every", "record"), [(None, False), (1, False), (None, True)])
def test_a_list_that_keeps_graphs_is_found_with_its_line(every: int | None, record: bool) -> None:
    recording = keeps_losses(net(), every, lambda loss: (loss, 1) if record else loss)
    found = recording.history if every else (recording.graph.diagnose(),)
    (held, *_) = (one for each in found for one in each.findings if one.kind == "graph-held")
    line = keeps_losses.__code__.co_firstlineno + 8
    assert held.source == f"test_diagnosis.py:{line}"
    assert held.cause.startswith("losses holds results of ")
    assert held.evidence["bytes"] == 4 * held.evidence["passes"]  # which backward has freed all else of
    assert held.evidence["nodes"] >= 4 * held.evidence["passes"]
    healthy = keeps_losses(net(), every, Tensor.item)
    found = healthy.history if every else (healthy.graph.diagnose(),)
    assert [one for each in found for one in each.findings if one.kind == "graph-held"] == []


def adds_up_losses(m: Any, every: int | None, value: Any) -> Any:
    optimizer, total = torch.optim.SGD(m.parameters(), lr=0.01), 0.0
    with gad.record(m, every=every) as recording:
        for _ in range(9):
            optimizer.zero_grad()
            loss = m.b(m.a(torch.ones(2, 4))).square().mean()
            loss.backward()
            optimizer.step()
            total = total + 3 * value(loss)
    return recording, total


def keeps_outputs(m: Any, every: int | None, value: Any) -> Any:
    optimizer, outputs = torch.optim.SGD(m.parameters(), lr=0.01), []
    with gad.record(m, every=every) as recording:
        for _ in range(9):
            optimizer.zero_grad()
            found = m.b(m.a(torch.ones(2, 4)))
            loss = found.square().mean()
            loss.backward()
            optimizer.step()
            outputs.append(value(found))
    return recording, outputs


TELLS_OF_FACTORS = tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 13)


@pytest.mark.parametrize("program", [adds_up_losses, keeps_outputs])
@pytest.mark.parametrize("every", [None, 1, 2])
def test_what_keeps_graphs_although_losses_go_is_found(program: Any, every: int | None) -> None:
    recording, _ = program(net(), every, lambda found: found)
    found = recording.history if every else (recording.graph.diagnose(),)
    held = [one for each in found for one in each.findings if one.kind == "graph-held"][-1]
    last = next(n for n, line in enumerate(inspect.getsource(program).split("\n")) if "value(" in line)
    assert held.source == f"test_diagnosis.py:{program.__code__.co_firstlineno + last}"
    assert held.evidence["holder"] == ("total" if program is adds_up_losses else "outputs")
    # of a sum, a number for each factor of 3, where torch says so; of outputs, themselves
    each = (4 if TELLS_OF_FACTORS else 0) if program is adds_up_losses else 2 * 3 * 4
    assert held.evidence["bytes"] >= held.evidence["passes"] * each
    assert held.evidence["nodes"] > 4 * held.evidence["passes"] >= 12
    healthy, _ = program(net(), every, Tensor.detach)
    found = healthy.history if every else (healthy.graph.diagnose(),)
    assert [one for each in found for one in each.findings if one.kind == "graph-held"] == []


def test_a_pass_of_another_thread_is_said_to_be_missing() -> None:
    m = net()
    for every in (None, 1):
        with warnings.catch_warnings(record=True), gad.record(m, every=every) as recording:
            m.a(torch.ones(1, 4)).sum().backward()
            thread = threading.Thread(target=lambda: m.a(torch.ones(1, 4)).sum().backward())
            thread.start()
            thread.join()
        told = recording.history.notices if every else recording.graph.notices
        assert sum("ran in another thread" in each for each in told) == 1


def test_ranks_that_are_given_one_file_write_to_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.jsonl"
    monkeypatch.setenv("WORLD_SIZE", "2")
    for again in range(2):
        for rank in ("0", "1"):
            monkeypatch.setenv("RANK", rank)
            m = net()
            with warnings.catch_warnings(record=True), gad.record(m, every=1, file=path) as recording:
                step(m, torch.optim.SGD(m.parameters(), lr=0.01 * (1 + int(rank))))
            assert any("Another rank writes" in each for each in recording.history.notices) == (rank == "1"), again
    assert sorted(each.name for each in tmp_path.iterdir()) == ["run.jsonl", "run.rank1.jsonl"]
    assert [run_of_file(each).rank for each in sorted(tmp_path.iterdir())] == [0, 1]


def test_a_file_that_another_process_writes_is_refused_until_that_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    writes = (
        "import pathlib, sys; from graphviz_ad._internal.graph.history_files import HistoryFile\n"
        "file = HistoryFile(pathlib.Path(sys.argv[1]), 'Net', 1, print); print('open', flush=True); input()"
    )
    command = [sys.executable, "-c", writes, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        before = path.read_bytes()
        with pytest.raises(SaveError, match="another recording that has not ended"), gad.record(net(), file=path):
            pass
        assert path.read_bytes() == before
        other.kill()
    for _ in range(2):
        with gad.record(net(), file=path):
            pass
    assert path.read_text("utf-8").count("format") == 1


def test_a_history_has_the_norms_that_torch_has_and_the_first_bad_step() -> None:
    m = net()
    optimizer = torch.optim.SGD(m.parameters(), lr=0.01)
    norms = []
    with gad.record(m, every=2) as recording:
        for i in range(9):
            before = [p.detach().clone() for p in m.parameters()]
            step(m, optimizer, 1e38 if i == 6 else 1.0)
            moved = [(p.detach() - old).double().norm() ** 2 for p, old in zip(m.parameters(), before, strict=True)]
            grads = [p.grad.double().norm() ** 2 for p in m.parameters() if p.grad is not None]
            norms.append((float(sum(grads)) ** 0.5, float(sum(moved)) ** 0.5))
    history = recording.history
    assert [one.number for one in history] == [1, 3, 5, 7, 9]
    for one in history[:3]:
        assert one.gradient == pytest.approx(norms[one.number - 1][0], rel=1e-5)
        assert one.update == pytest.approx(norms[one.number - 1][1], rel=1e-3)
    assert history.first_bad is None
    assert history.changes == ()


def test_the_last_pass_that_was_looked_at_has_a_graph_of_its_structure() -> None:
    m = net()
    optimizer = torch.optim.SGD(m.parameters(), lr=0.01)
    with gad.record(m, every=3) as recording:
        with pytest.raises(TraceError, match="no backward pass was looked at yet"):
            _ = recording.graph
        for _ in range(4):
            step(m, optimizer, 1.0)
    graph = recording.graph
    assert recording.passes == (graph,)
    assert {node.name for node in graph.node_list if node.kind == "leaf"} == {
        name for name, p in m.named_parameters() if p.grad is not None
    }
    assert graph.memory is not None
    assert graph.memory.saved > 0 or not graph.memory.exact  # older torch does not tell
    assert not graph.has_gradients
    assert "× 1<" not in graph.to_svg()  # nobody knows of how many numbers a mean was taken


def test_a_killed_run_leaves_a_history(tmp_path: Path) -> None:
    m, path = net(), tmp_path / "run.jsonl"
    optimizer = torch.optim.SGD(m.parameters(), lr=0.01)
    with gad.record(m, every=2, file=path) as recording:
        for i in range(6):
            step(m, optimizer, float("nan") if i == 4 else 1.0)
        so_far = gad.read_history(path)  # as if the process had ended here
        assert [one.number for one in so_far] == [1, 3, 5]
    kept = gad.read_history(path)
    assert repr(kept) == repr(recording.history)
    assert repr([one.parameters for one in kept]) == repr([one.parameters for one in recording.history])
    lines = path.read_text().splitlines(keepends=True)
    assert lines[-1].startswith('{"ended":null')  # which a process that was killed does not write
    path.write_text("".join(lines[:-2]) + lines[-2][:20])
    assert len(gad.read_history(path)) == 3
    assert gad.read_history(path)[-1].update is None
    path.write_text("{}\n")
    with pytest.raises(GraphFormatError, match="no history"):
        gad.read_history(path)
    m = net()
    with gad.record(m, file=path) as whole:
        step(m, torch.optim.SGD(m.parameters(), lr=0.01))
    (alone,) = gad.read_history(path)  # the same of a recording of everything
    assert (alone.loss, len(alone.parameters)) == (whole.history[0].loss, len(list(m.parameters())))
    with pytest.raises(GraphvizADError, match="cannot write to"), gad.record(m, every=1, file=tmp_path):
        pass


def test_what_changed_before_the_first_bad_step_is_told() -> None:
    m = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer, x = torch.optim.SGD(m.parameters(), lr=0.01), torch.randn(8, 4)
    with gad.record(m, every=1) as recording:
        for i in range(8):
            optimizer.param_groups[0]["lr"] = 1e10 if i == 4 else 0.01
            optimizer.zero_grad()
            m(x).square().mean().backward()
            optimizer.step()
    history = recording.history
    assert history.first_bad is not None
    assert history.first_bad.number == 5
    assert "three steps whole, steps 4 to 6" in str(history)
    first = history.changes[0]
    assert (first.step, first.what) == (5, "update")
    assert 1e11 < first.times < 1e13
    assert f"step 5: the update of {first.name} went from " in str(history)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full is Linux's")
@pytest.mark.parametrize("every", [None, 1])
def test_a_full_disk_ends_the_file_and_not_the_training(every: int | None) -> None:
    m = net()
    optimizer = torch.optim.SGD(m.parameters(), lr=0.01)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with gad.record(m, every=every, file="/dev/full") as recording:
            step(m, optimizer)
            step(m, optimizer)
        gc.collect()
    told = recording.history.notices if every else recording.graph.notices
    assert any("No space left on device" in each for each in told)
    assert len(recording.history) == 2
    assert not [each for each in said if issubclass(each.category, ResourceWarning)]


def test_a_history_is_drawn_as_curves() -> None:
    m = net()
    optimizer = torch.optim.SGD(m.parameters(), lr=0.01)
    with gad.record(m, every=1) as recording:
        for i in range(6):
            step(m, optimizer, float("nan") if i == 4 else 1.0)
    picture = recording.history.plot()
    panels = [mark for mark in picture.canvas.marks if mark.part == "chart"]
    assert len(panels) == 3
    assert "step 5: loss-not-finite, gradient-not-finite" in picture.canvas.alt
    assert [mark.text for mark in picture.canvas.marks if isinstance(mark, Label) and mark.part == "not finite"] == [
        "NaN"
    ] * 3
    with gad.record(m, every=1) as empty:
        pass
    assert "No backward pass" in empty.history.plot().to_svg()


def test_steps_that_are_too_many_are_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_STEPS == 1024
    monkeypatch.setattr(step_watch, "KeptSteps", partial(KeptSteps, most=100))
    m = nn.Linear(1, 1)
    with gad.record(m, every=1) as recording:
        for _ in range(110):
            m(torch.ones(1, 1)).sum().backward()
    numbers = [one.number for one in recording.history]
    assert 25 < len(numbers) <= 100
    assert numbers[0] == 1
    assert numbers[-1] == 110


def test_a_history_needs_a_model() -> None:
    with pytest.raises(OptionError, match="give the model"), gad.record(every=10):
        pass


def test_a_whole_recording_has_a_history_too(graph: Graph) -> None:
    m = net()
    with gad.record(m) as recording:
        step(m, torch.optim.SGD(m.parameters(), lr=0.01))
    (only,) = recording.history
    total = sum(float(p.grad.norm()) ** 2 for p in m.parameters() if p.grad is not None) ** 0.5
    assert only.gradient == pytest.approx(total, rel=1e-5)
    assert recording.passes == recording.graph.passes


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.Adam])
def test_a_whole_recording_and_summaries_have_the_same_history(make: Any) -> None:
    found = []
    for every in (None, 1):
        m = net()
        optimizer = make(m.parameters(), lr=0.05)
        torch.manual_seed(1)
        with gad.record(m, every=every) as recording:
            for _ in range(4):
                step(m, optimizer)
        assert len({one.weight for one in recording.history}) == 4
        found.append([one.parameters for one in recording.history])
    whole, summaries = found
    assert {one.update for one in whole[-1].values()} == {None}  # nothing was computed with what the last step made
    for kept, noted in zip(whole, summaries, strict=True):
        assert set(kept) == {name for name in noted if not name.startswith("idle")}
        for name, one in kept.items():
            assert [one.weight, one.gradient] == pytest.approx([noted[name].weight, noted[name].gradient], rel=1e-4)
            assert one.update is None or one.update == pytest.approx(noted[name].update, rel=1e-3)


TWICE = """import torch
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for _ in range(2):
    model(torch.ones(3, 4)).sum().backward()
    optimizer.step()
    optimizer.zero_grad()
other = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.Linear(2, 1))
second = torch.optim.SGD(other[0].parameters(), lr=0.01)
with gad.record(other) as recording:
    for _ in range(2):
        loss = other(torch.ones(3, 4)).sum()
        loss.backward()
        second.step()
        second.zero_grad()
"""


def test_where_a_file_trains_twice_the_line_of_what_ran_is_named(tmp_path: Path) -> None:
    path = tmp_path / "twice.py"
    path.write_text(TWICE, "utf-8")
    names: dict[str, Any] = {"gad": gad, "__name__": "twice"}
    exec(compile(TWICE, str(path), "exec"), names)
    found = names["recording"].graph.diagnose()
    assert [(one.kind, one.source) for one in found.findings] == [("not-in-optimizer", "twice.py:9")]


def test_a_number_that_is_only_printed_goes_nowhere() -> None:
    x, w = torch.ones(3), torch.zeros(3, requires_grad=True)
    with gad.record() as recording:
        for _ in range(2):
            loss = torch.where(x > 0, w * x, torch.zeros(())).sum()
            loss.backward()
            loss.item()
    assert "taken-as-number-in-part" not in [one.kind for one in recording.graph.diagnose().findings]


def test_a_trace_says_of_itself_only_what_it_lacks(tmp_path: Path) -> None:
    class Holder:
        model = net()

    m, x = Holder.model, torch.randn(2, 4)
    traced = gad.trace(lambda x: m.b(m.a(x)).sum(), x)
    hidden = gad.trace(lambda x: Holder.model.b(Holder.model.a(x)).sum(), x)
    for graph in (traced, gad.Graph.load(traced.save(tmp_path / "g.json"))):
        assert unseen(graph.diagnose().looked) == ["no step of an optimizer"]
    no_model = "no model was named, so that parameters without any use are not known"
    assert unseen(hidden.diagnose().looked) == ["no step of an optimizer", no_model]
    assert no_model in unseen(gad.trace(m.a(x).sum()).diagnose().looked)


class Agent:
    """A policy that learns from a copy of itself that follows it."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.policy = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
        self.target = copy.deepcopy(self.policy)
        self.optimizer = torch.optim.SGD(self.policy.parameters(), lr=1e-3)

    def learn(self) -> None:
        with torch.no_grad():
            wanted = 0.9 * self.target(torch.randn(8, 4))
        loss = (self.policy(torch.randn(8, 4)) - wanted).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            for p, q in zip(self.target.parameters(), self.policy.parameters(), strict=True):
                p.lerp_(q, 0.05)


@pytest.mark.parametrize("named", ["all", "policy", "nothing"])
def test_a_network_that_follows_another_is_no_finding(named: str) -> None:
    agent = Agent()
    models = {"all": nn.ModuleList([agent.policy, agent.target]), "policy": agent.policy}
    with gad.record(models.get(named)) as recording:
        for _ in range(3):
            agent.learn()
    assert recording.graph.diagnose().findings == ()


def test_where_nothing_but_the_structure_is_known_it_is_said() -> None:
    m = net()
    with gad.record(m, every=1) as recording:
        step(m, torch.optim.SGD(m.parameters(), lr=0.01))
    assert "no value and no gradient was recorded" in str(recording.graph.diagnose())


# --- in tests and on the command line


def test_what_a_program_prints_is_no_part_of_what_programs_read(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "loud.py"
    path.write_text("import torch\nw = torch.ones(2, requires_grad=True)\nprint('loud')\nw.sum().backward()\n", "utf-8")
    main(["diagnose", str(path), "--format", "json"])
    said = capsys.readouterr()
    assert "loud" in said.err
    assert "findings" in json.loads(said.out)


def test_assertions_fail_with_what_is_wrong() -> None:
    m = nn.Sequential(nn.Linear(4, 3), nn.Softmax(1))
    y = torch.tensor([0, 1, 2, 0])
    with pytest.raises(AssertionError, match="probabilities-for-logits"):
        assert_healthy(m, torch.randn(4, 4), loss=lambda out: F.cross_entropy(out, y))
    assert_healthy(nn.Linear(4, 3), torch.randn(4, 4), loss=lambda out: F.cross_entropy(out, y))
    assert all(p.grad is None for p in m.parameters())


def test_parameters_in_a_plain_list_of_the_model_are_found_in_one_batch() -> None:
    m, x = nn.Sequential(nn.Linear(4, 4)), torch.randn(3, 4)
    m.adapters = [nn.Linear(4, 2), nn.Linear(4, 2)]  # type: ignore[assignment]
    m.register_forward_hook(lambda module, _, out: module.adapters[1](out))
    hooks = len(m._forward_hooks)
    with pytest.raises(AssertionError, match=r"2 parameters .*adapters\[1\]\.weight, adapters\[1\]\.bias\."):
        assert_healthy(m, x)
    assert len(m._forward_hooks) == hooks
    m[0].register_module("listed", m.adapters[1])
    assert_healthy(m, x)


def test_gradients_reach_what_they_are_said_to_reach() -> None:
    m = net()
    loss: Tensor = m.b(m.a(torch.randn(2, 4)).detach()).sum()
    with pytest.raises(AssertionError, match=r"4 of 6 parameters: a\.weight, a\.bias, idle\.weight, idle\.bias\."):
        assert_gradients_reach(loss, m)
    assert_gradients_reach(loss, m, but=["a", "idle"])


def test_saved_graphs_are_compared_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [str(tmp_path / name) for name in ("one.json", "other.json")]
    for name, x in zip(names, (1.0, 2.0), strict=True):
        gad.trace(lambda x: x * x, x).save(name)
    assert main(["compare", names[0], names[0]]) == 0
    assert main(["compare", *names]) == 1
    assert "forward: the first to differ is x" in capsys.readouterr().out
    assert main(["compare", names[0], "x*x"]) == 2


@pytest.mark.parametrize(("lines", "code"), [(("", ""), 0), (("loss.backward()", "loss.detach().backward()"), 1)])
def test_exit_codes_say_how_bad_it_is(
    lines: tuple[str, str], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "train.py"
    script.write_text((HEAD + SCRIPTS["mlp"] + LOOP).replace(*lines) if lines[0] else HEAD + SCRIPTS["mlp"] + LOOP)
    assert main(["diagnose", str(script), "--passes", "2", "--format", "json"]) == code
    assert json.loads(capsys.readouterr().out)["ok"] is (code == 0)
    assert main(["diagnose", str(tmp_path / "none.py")]) == 2
    assert main(["diagnose", str(script), "--passes", "0"]) == 2


@pytest.mark.parametrize("script", ["", "print(1)", "import sys; sys.exit(0)"])
def test_a_script_that_trains_nothing_is_not_called_healthy(
    script: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "idle.py").write_text(script)
    assert main(["diagnose", str(tmp_path / "idle.py")]) == 1
    assert "not examined" in capsys.readouterr().out


@pytest.mark.parametrize("passes", [1, 3])
@pytest.mark.parametrize("where", ["x", "y", "written"])
def test_data_that_is_not_finite_is_found_in_a_loop_of_one_line(where: str, passes: int) -> None:
    layer, x, y = torch.nn.Linear(4, 1), torch.ones(16, 4), torch.ones(16, 1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.01)
    if where != "written":
        (x if where == "x" else y)[3] = math.nan
    with gad.record(layer) as recorded:
        if where == "written":
            x[3, 2] = math.nan
        for _ in range(passes):
            optimizer.zero_grad(); loss = ((layer(x) - y) ** 2).mean(); loss.backward(); optimizer.step()  # fmt: skip  # noqa: E702
    found = recorded.graph.diagnose().findings[0]
    assert found.kind == ("nan-value" if where == "written" else "data-not-finite")
    assert where == "written" or found.evidence["element"] == [3, 0]


def test_a_step_that_comes_after_many_passes_is_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[None] = []  # through all objects of the process
    monkeypatch.setattr(recording, "living_optimizers", lambda: [looks.append(None), living_optimizers()][1])
    script = tmp_path / "train.py"
    script.write_text(
        "import torch\n"
        "m = torch.nn.Linear(3, 1)\n"
        "o = torch.optim.SGD(m.parameters(), 0.01)\n"
        "for i in range(32):\n"
        "    (m(torch.ones(2, 3)).mean() / 8).backward()\n"
        "    if i % 8 == 7:\n"
        "        o.step()\n"
        "        o.zero_grad()\n"
    )
    for passes, seen in ((), 16), (("--passes", "3"), 3):
        assert main(["diagnose", str(script), *passes]) == 0
        said = capsys.readouterr().out
        assert said.startswith("train.py: ")
        assert f"what comes after pass {seen}, where the program was stopped" in said
    assert len(looks) <= 2 * 4  # and not one for each pass


MAKES = "return torch.optim.SGD(m.parameters(), 0.01)"


@pytest.mark.parametrize(
    ("beside", "makes", "called", "forgotten"),
    [
        ("pass", MAKES, False, False),
        ("game.step()", "pass", True, False),
        ("pass", MAKES, True, True),
        ("game.step()", MAKES, True, True),
    ],
)
def test_no_step_was_forgotten_where_no_optimizer_is(
    tmp_path: Path, beside: str, makes: str, called: bool, forgotten: bool
) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import torch\n"
        "class Game:\n"
        "    def step(self): pass\n"
        f"def other(m):\n    {makes}\n"
        "def back(m, game):\n"
        "    for i in range(2):\n"
        "        m.zero_grad()\n"
        "        m(torch.ones(2, 3)).mean().backward()\n"
        f"        {beside}\n"
        "def main():\n"
        "    m, game = torch.nn.Linear(3, 1), Game()\n"
        f"    o = other(m) if {called} else None\n"
        "    back(m, game)\n"
        "    return m\n"
        "m = main()\n"
    )
    assert main(["diagnose", str(script)]) == forgotten
