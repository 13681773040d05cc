"""For trainers that run the loop themselves: what ``with record(model, every=…)`` does, as a callback.

>>> from graphviz_ad.callbacks import LightningCallback
>>> LightningCallback(every=100)
LightningCallback(every=100)
"""

from __future__ import annotations

from typing import Any

from graphviz_ad._internal.api.api import record
from graphviz_ad._internal.base.argument_types import StrPath
from graphviz_ad._internal.base.errors import TraceError
from graphviz_ad._internal.diagnosis.history import History
from graphviz_ad._internal.diagnosis.step_log import step_logs

__all__ = ["LightningCallback"]


class LightningCallback:
    """``Trainer(callbacks=[LightningCallback(every=100)])`` keeps norms and findings of every hundredth backward pass
    of a fit in ``.history``, and tells the loggers of the Trainer of them, or ``log`` in their place; ``log=False``
    tells nobody. ``file`` is written as it goes; see `graphviz_ad.record`.

    Nothing of Lightning is imported: it calls what is here by name. Checkpoints hold nothing of it.
    """

    def __init__(self, *, every: int = 100, file: StrPath | None = None, log: Any = None) -> None:
        self._options = {"every": every, "file": file, "log": log}
        self._recording: Any = None
        self._running = False
        if log is not None and log is not False:
            step_logs(log)  # which refuses what is no logger, before hours of training

    @property
    def history(self) -> History:
        """The steps of the last fit so far, with what was found in each."""
        if self._recording is None:
            raise TraceError("no training has begun that this callback was given to; read .history after fit()")
        history: History = self._recording.history
        return history

    @property
    def state_key(self) -> str:
        """What Lightning calls it."""
        return type(self).__name__

    def state_dict(self) -> dict[str, Any]:
        """Nothing, for a checkpoint."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take nothing from a checkpoint."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to watch."""
        self._end()
        log = self._options["log"]
        if log is None:
            log = [*getattr(trainer, "loggers", ())] or False
        told = None if log is False else log
        self._recording = record(pl_module, every=self._options["every"], file=self._options["file"], log=told)
        self._recording.__enter__()
        self._running = True

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Stop watching."""
        self._end()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Stop watching a training that ended with an exception."""
        self._end()

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Stop watching whatever happened."""
        self._end()

    def _end(self) -> None:
        if self._running:
            self._running = False
            self._recording.__exit__(None, None, None)

    def __getattr__(self, name: str) -> Any:
        """Every other hook of Lightning's, of any version: nothing happens there."""
        if name.startswith("on_") or name == "setup":
            return _nothing
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __getstate__(self) -> dict[str, Any]:
        """What goes to other processes: the options, without the recording, and without what Lightning put here."""
        return {"_options": self._options, "_recording": None, "_running": False}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(every={self._options['every']})"


def _nothing(*_: Any, **__: Any) -> None:
    """A hook in which nothing happens."""
