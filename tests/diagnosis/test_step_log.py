"""Loggers that are told of a training run, and what must not happen because of them."""

from __future__ import annotations

import copy
import io
import pickle
import warnings
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from call_counts import counted
from torch import nn

import graphviz_ad as gad
from graphviz_ad import GraphvizADWarning
from graphviz_ad._internal.base.errors import OptionError, TraceError
from graphviz_ad._internal.graph.training_history import MOST_FOUND, MOST_STEPS, KeptSteps, StepSummary
from graphviz_ad.callbacks import LightningCallback


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def train(m: nn.Module, steps: int, *, spoilt: int = -1, inside: Callable[[], None] = lambda: None) -> None:
    optimizer = torch.optim.SGD(m.parameters(), lr=0.01)
    for i in range(steps):
        optimizer.zero_grad()
        (m(torch.ones(2, 3)).square().mean() * (float("nan") if i == spoilt else 1.0)).backward()
        optimizer.step()
        inside()


class Writer:
    """The part of a SummaryWriter that is asked for."""

    def __init__(self) -> None:
        self.scalars: dict[str, dict[int, float]] = {}
        self.texts: dict[int, str] = {}

    def add_scalar(self, tag: str, value: float, global_step: int) -> None:
        self.scalars.setdefault(tag, {})[global_step] = value

    def add_text(self, tag: str, text: str, global_step: int) -> None:
        self.texts[global_step] = text


class Run:
    """That of a run of Weights & Biases, which throws away what is behind its own step."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = [{}]
        self.axes: dict[str, str] = {}

    def define_metric(self, name: str, step_metric: str) -> None:
        self.axes[name] = step_metric

    def log(self, values: dict[str, float], step: int | None = None) -> None:
        if step is not None and step < len(self.rows) - 1:
            return
        self.rows += [{}] * ((step or 0) + 1 - len(self.rows))
        self.rows[-1] = self.rows[-1] | values
        if step is None:
            self.rows.append({})


class Plain:
    """What has log(numbers, step=) and nothing else."""

    def __init__(self) -> None:
        self.told: dict[int, dict[str, float]] = {}

    def log(self, values: dict[str, float], step: int) -> None:
        self.told[step] = values


class Metrics:
    """A logger of Lightning's."""

    def __init__(self) -> None:
        self.told: dict[int, dict[str, float]] = {}

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        assert step is not None
        self.told[step] = metrics


def test_every_kind_of_logger_is_told_what_the_history_has() -> None:
    m, writer, run, plain, metrics = model(), Writer(), Run(), Plain(), Metrics()
    called: dict[int, dict[str, float]] = {}
    logs = [writer, run, plain, metrics, lambda numbers, step: called.update({step: numbers})]
    with gad.record(m, every=2, log=logs) as recording, warnings.catch_warnings():
        warnings.simplefilter("error")
        train(m, 6, spoilt=4)
    history = recording.history
    assert [one.number for one in history] == [*called] == [*plain.told] == [*metrics.told] == [1, 3, 5]
    for one in history:
        told = called[one.number]
        assert repr(told) == repr(plain.told[one.number]) == repr(metrics.told[one.number])
        assert repr(told) == repr({tag: known[one.number] for tag, known in writer.scalars.items()})
        assert [repr(told)] == [
            repr({name: number for name, number in row.items() if name != "gad/step"})
            for row in run.rows
            if row.get("gad/step") == one.number
        ]
        assert repr(told["gad/loss"]) == repr(one.loss)
        assert repr(told["gad/gradient"]) == repr(one.gradient)
        for name, p in one.parameters.items():
            assert repr(told[f"gad.gradient/{name}"]) == repr(p.gradient)
            assert repr(told[f"gad.update/{name}"]) == repr(p.update)
            assert repr(told[f"gad.weight/{name}"]) == repr(p.weight)
        assert told["gad/findings"] == len(one.findings)
    assert set(run.axes.values()) == {"gad/step"}
    assert {name.partition("/")[0] for name in called[1]} == {axis.removesuffix("/*") for axis in run.axes}
    assert writer.texts == {5: "loss-not-finite, gradient-not-finite"}


class Histograms(Writer):
    """A SummaryWriter that takes histograms, too."""

    def __init__(self) -> None:
        super().__init__()
        self.histograms: dict[tuple[str, int], torch.Tensor] = {}

    def add_histogram(self, tag: str, values: torch.Tensor, global_step: int) -> None:
        self.histograms[tag, global_step] = values


def test_histograms_are_of_the_gradients_of_steps_that_are_looked_at() -> None:
    m, writer = model(), Histograms()
    with gad.record(m, every=2, log=writer):
        train(m, 5, spoilt=2)
    kept = {(f"gad.gradient/{name}", step) for name, _ in m.named_parameters() for step in (1, 5)}
    assert writer.histograms.keys() <= kept  # none of the third, where all is NaN
    assert {key for key in kept if key[1] == 1} <= writer.histograms.keys()
    for (tag, step), values in writer.histograms.items():
        assert float(values.norm()) == pytest.approx(writer.scalars[tag][step], rel=1e-5)


def test_what_the_program_logs_itself_is_not_lost() -> None:
    m, run = model(), Run()
    with gad.record(m, every=3, log=run):
        train(m, 10, inside=lambda: run.log({"mine": 1.0}, step=len([row for row in run.rows if "mine" in row])))
    assert sum("mine" in row for row in run.rows) == 10


class Failing(Plain):
    """Raises at these steps, an exception without words."""

    class Odd(Exception):
        """Its text raises, too."""

        def __str__(self) -> str:
            raise RuntimeError

    def __init__(self, steps: set[int]) -> None:
        super().__init__()
        self.steps, self.calls = steps, 0

    def log(self, values: dict[str, float], step: int) -> None:
        self.calls += 1
        if step in self.steps:
            raise self.Odd
        super().log(values, step)


class Dead(Failing):
    """Raises at every step."""

    def __init__(self) -> None:
        super().__init__({*range(100)})


@pytest.mark.parametrize("action", ["always", "error"])
def test_a_logger_that_fails_is_noticed_once_and_the_training_goes_on(action: Any) -> None:
    m, other, log, dead = model(), model(), Failing({2, 3}), Dead()
    train(other, 8)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter(action)
        with gad.record(m, every=1, log=(dead, log)) as recording:
            train(m, 8)
    assert all(map(torch.equal, m.state_dict().values(), other.state_dict().values()))
    assert [*log.told] == [1, 4, 5, 6, 7, 8]
    assert dead.calls == 3  # after which nothing more is tried
    history = recording.history
    assert len(history) == 8
    assert len(history.notices) == 2 == len({note.kind for note in history.notes}) + 1
    assert "nothing more is sent" in history.notices[0]
    assert "sent to it all the same" in history.notices[1]
    assert str(history).endswith(history.notices[1])
    assert [one.category for one in told] == ([GraphvizADWarning] * 2 if action == "always" else [])


def test_a_step_that_cannot_be_looked_at_is_noticed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    m, tried = model(), iter(range(100))

    def named(**kwargs: Any) -> Any:
        if not kwargs and next(tried) % 4 == 2:
            raise RuntimeError("gone")
        return nn.Module.named_parameters(m, **kwargs)

    monkeypatch.setattr(m, "named_parameters", named, raising=False)
    with pytest.warns(GraphvizADWarning, match="gone"), gad.record(m, every=1) as recording:
        train(m, 6)
    assert 2 < len(recording.history) < 6
    assert len(recording.history.notices) == 1


def test_what_is_no_logger_is_refused() -> None:
    for wrong in (3, "runs", Writer, object()):
        with pytest.raises(OptionError, match="is no logger"):
            gad.record(model(), every=1, log=wrong)
    with pytest.raises(OptionError, match="every=100, log="):
        gad.record(model(), log=Writer())


def test_of_several_ranks_the_first_alone_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    m, first, second = model(), Plain(), Plain()
    for rank, log in (("0", first), ("1", second)):
        monkeypatch.setenv("RANK", rank)
        with gad.record(m, every=1, log=log) as recording:
            train(m, 2)
        assert len(recording.history) == 2
    assert len(first.told) == 2
    assert not second.told


def test_a_model_that_is_watched_is_saved_and_copied_as_any_other() -> None:
    m = model()
    before = {*vars(m)}
    with gad.record(m, every=1, log=Writer()) as recording:
        train(m, 2)
        files = [io.BytesIO(), io.BytesIO()]
        torch.save(m, files[0])
        pickle.dump(m, files[1])
        for one in (copy.deepcopy(m), pickle.loads(files[1].getvalue())):
            assert all(map(torch.equal, one.state_dict().values(), m.state_dict().values()))
        torch.save(m.state_dict(), files[0])
    assert {*vars(m)} == before
    assert repr(pickle.loads(pickle.dumps(recording.history))) == repr(recording.history)


# --- Lightning


def lightning_hooks() -> list[str]:
    """The hooks of a Callback of Lightning 2.6, as its documents list them."""
    parts = [
        f"on_{what}_{when}"
        for what in ("fit", "sanity_check", "train", "validation", "test", "predict")
        for when in ("start", "end")
    ]
    parts += [
        f"on_{what}_{unit}_{when}"
        for what in ("train", "validation", "test", "predict")
        for unit in ("epoch", "batch")
        for when in ("start", "end")
    ]
    before = ["on_before_backward", "on_after_backward", "on_before_optimizer_step", "on_before_zero_grad"]
    return ["setup", *parts, *before, "on_exception", "on_save_checkpoint", "on_load_checkpoint", "teardown"]


class Trainer:
    """What Lightning does around a loop, as far as callbacks see it."""

    def __init__(self, callback: Any) -> None:
        self.callback, self.loggers = callback, [Metrics()]

    def call(self, hook: str, *args: Any) -> None:
        function = getattr(self.callback, hook)
        assert callable(function)
        function(self, self.module, *args)

    def fit(self, module: nn.Module, spoilt: BaseException | None = None) -> None:
        self.module = module
        self.callback.log = print  # as Lightning does
        assert self.callback.state_key == "LightningCallback"
        self.call("setup", "fit")
        self.call("on_train_start")
        try:
            train(module, 5, inside=lambda: self.call("on_train_batch_end", None, None, 0))
            assert not self.callback.state_dict()
            if spoilt is not None:
                raise spoilt
            self.call("on_train_end")
        except BaseException as error:
            self.call("on_exception", error)
            raise
        finally:
            self.call("teardown", "fit")


def test_a_callback_of_lightning_watches_a_fit(tmp_path: Path) -> None:
    engine = torch.autograd.backward
    callback = LightningCallback(every=2, file=tmp_path / "run.jsonl")
    with pytest.raises(TraceError, match="no training has begun"):
        _ = callback.history
    trainer = Trainer(callback)
    trainer.fit(model())
    assert [one.number for one in callback.history] == [*trainer.loggers[0].told] == [1, 3, 5]
    assert repr(gad.read_history(tmp_path / "run.jsonl")) == repr(callback.history)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(model(), KeyboardInterrupt())
    assert torch.autograd.backward is engine
    m = model()
    train(m, 3)
    assert len(callback.history) == 3  # nothing of it is seen by then
    for hook in lightning_hooks():
        assert callable(getattr(callback, hook)), hook
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        _ = callback.other
    again = pickle.loads(pickle.dumps(copy.deepcopy(callback)))
    assert repr(again) == "LightningCallback(every=2)"
    silent = Trainer(LightningCallback(log=False))
    silent.fit(model())
    assert not silent.loggers[0].told
    with pytest.raises(OptionError, match="is no logger"):
        LightningCallback(log="tensorboard")


# --- memory


def test_a_run_of_any_length_keeps_so_many_steps_evenly_and_what_was_found() -> None:
    """Ten thousand steps and more, at any of which something may be found, and no more than so many are kept."""
    bad = {77, 5001, 5003, *range(8000, 8400)}
    kept = KeptSteps(lambda steps: {one.number for one in steps if one.number in bad})
    for number in range(1, 12_001):
        kept.add(StepSummary(number, 1.0))
        assert len(kept) <= MOST_STEPS
        assert kept[-1].number == number
    numbers = [one.number for one in kept.steps]
    assert numbers == sorted({*numbers})
    assert {1, 76, 77, 5000, 5001, 5002, 5003, 7999, 8000} <= {*numbers}
    assert sum(number in bad for number in numbers) < MOST_FOUND + 100
    evenly = [after - before for before, after in pairwise(numbers)]
    assert max(evenly) <= 4 * 12_000 / MOST_STEPS  # no part of the run is left out


# --- what it costs


def test_a_step_that_is_not_looked_at_costs_a_few_calls_however_large_the_model_is() -> None:
    """No hook, no mode, no walk: between looks there are the calls of the engine's entry and nothing else."""
    found = []
    for layers in (1, 40):
        m = nn.Sequential(nn.Linear(3, 2), *(nn.Linear(2, 2) for _ in range(layers)))
        step = partial(train, m, 1)
        step()
        plain = counted(step).ran
        with gad.record(m, every=1000, log=Plain()):
            step()  # which is looked at
            after = counted(step).ran  # and this says how far it went
            between = [counted(step).ran for _ in range(3)]
            assert not any(module._forward_hooks or module._backward_hooks for module in m.modules())
            assert not any(p._backward_hooks for p in m.parameters())
            assert not torch.utils._python_dispatch._get_current_dispatch_mode_stack()
        assert between[0] == between[1] == between[2]
        assert after.total() > between[0].total() + 10
        assert not plain - between[0]
        found.append((between[0] - plain).total())
    assert found[0] == found[1] <= 4
