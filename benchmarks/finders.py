"""Broken training scripts, one planted fault each, through what looks for faults; prints who finds what as a table.

    python benchmarks/finders.py [--every N] [--tool NAME]

The scripts are those of `tests/diagnosis/zoo.py`, each broken one in a process of its own for each tool, and each
healthy twin as well. The tools: `graphviz-ad diagnose` as the command line runs it; TorchLens, if it is installed; and
`torch.autograd.set_detect_anomaly`. Rules, the same for all:

- A fault is found (●) where one of the first three things that a tool says is of the right sort and names the right
  line. It is noticed (○) where the sort is right, and no line or another is named. Which sorts of a tool's are right
  for which faults is `SORTS`, in favour of the tool where there is doubt.
- The script is run as it stands. TorchLens looks at models and not at scripts, so that it is given what it asks for:
  the model together with the script's own loss as one module, traced with all gradients, to `find_nan`,
  `bisect_nan_backward`, `gradient_flow_audit` and `dead_neurons`; and a `ChecksSession` with all of its checks that
  need no bound, put before the script's own loop. The first three of each count, and so does what they disclose
  without an alarm, as parameters in no optimizer.
- Anomaly mode says something where a script raises; the lines are those of the script in its two tracebacks, and what
  plain torch says as it raises counts as well.
- A false alarm is anything above a note on a healthy twin.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import os
import re
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from diagnosis.zoo import FAULTS, HEAD, LOOP, SCRIPTS, TWINS, Fault, run  # noqa: E402

Said = tuple[str, int | None]  # of which sort, at which line
BEFORE_LOOP = "total = 0.0\n"

ABSENT = frozenset({
    "detached", "data-attribute", "no-grad", "not-differentiable", "sampled", "sampled-in-part", "taken-as-number",
    "never-read", "result-unused", "frozen", "nothing-requires-grad", "reentrant-checkpoint", "not-registered",
})  # fmt: skip
NOT_FINITE = frozenset({
    "nan-value", "infinite-value", "data-not-finite", "parameter-not-finite", "row-masked-altogether", "half-overflow",
    "nan-gradient", "infinite-gradient", "zero-times-infinity",
})  # fmt: skip
NOTHING = frozenset({"zero-gradient", "dead-units", "hook-changed", "clips-always"})
UNMOVED = frozenset({"never-stepped", "optimizer-holds-others", "not-in-optimizer", "step-too-small", "update-lost"})
SORTS: Mapping[str, frozenset[str]] = {  # of the other tools -> kinds of faults for which they are right
    "no gradient": ABSENT,
    "none or zero": ABSENT | NOTHING,
    "not finite": NOT_FINITE,
    "vanishing": frozenset({"vanishing", "half-underflow", "saturated"}),
    "exploding": frozenset({"exploding", "diverging", "step-too-large"}),
    "zero": NOTHING | {"saturated", "softmax-of-one"},
    "dead": frozenset({"dead-units", "zero-gradient"}),
    "unchanged": ABSENT | UNMOVED | NOTHING | {"cleared-before-step"},
    "frozen": frozenset({"frozen", "nothing-requires-grad"}),
    "in no optimizer": UNMOVED,
    "in two optimizers": frozenset({"in-two-optimizers"}),
    "eval mode": frozenset({"evaluating-while-training"}),
    "in place": frozenset({"in-place-conflict", "graph-of-earlier-step", "graph-grows"}),
    "second time": frozenset({"backward-twice", "graph-of-earlier-step", "graph-grows"}),
}


# --- the tools, each of which runs in a process of its own


def by_diagnose(text: str) -> list[Said]:
    """What graphviz_ad says."""
    return [(one.kind, one.line) for one in run(text).findings if one.severity != "note" or text not in HEALTHY][:3]


def by_anomaly_mode(text: str) -> list[Said]:
    """What torch says, in anomaly mode."""
    import torch

    path = written(text)
    with warnings.catch_warnings(record=True) as heard, torch.autograd.set_detect_anomaly(True):
        warnings.simplefilter("always")
        try:
            exec(compile(text, str(path), "exec"), {"__name__": "__main__"})
        except Exception as error:
            stack = "\n".join([*(str(one.message) for one in heard), traceback.format_exc()])
            lines = [int(found) for found in re.findall(rf'File "{re.escape(str(path))}", line (\d+)', stack)]
            return [(sort_of_message(str(error)), line) for line in dict.fromkeys(lines[::-1])][:3]
    return []


def sort_of_message(message: str) -> str:
    """What torch means."""
    for words, sort in (
        ("nan values", "not finite"), ("inplace operation", "in place"), ("second time", "second time"),
        ("does not require grad", "no gradient"),
    ):  # fmt: skip
        if words in message:
            return sort
    return message[:60]


def by_torchlens(text: str) -> list[Said]:
    """What TorchLens says of the model with its loss, and in the loop."""
    return [*of_its_trace(text), *of_its_session(text)]


def of_its_trace(text: str) -> list[Said]:
    """What the audits of one forward and backward pass say."""
    import torch
    import torchlens
    from torchlens import debug
    from torchlens.options import CaptureOptions

    path, space = written(text), {"__name__": "__main__"}
    said: list[Said] = []
    try:
        exec(compile(text[: text.index("for step in range")], str(path), "exec"), space)

        class WithLoss(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.model = space["model"]

            def forward(self, _: torch.Tensor) -> torch.Tensor:
                return space["compute_loss"](self.model)  # type: ignore[operator]

        trace = torchlens.trace(WithLoss(), torch.zeros(1), capture=CaptureOptions(save_grads="all"))
        with contextlib.suppress(Exception):
            trace.log_backward(list(trace.ops)[-1].out)
        said += [(sort, line_of(trace, label, path)) for sort, label in audited(debug, trace)]
        with contextlib.suppress(Exception):
            dead = [row for row in debug.dead_neurons_rows(trace) if row["dead_frac"] == 1.0]
            said += [("dead", line_of(trace, row["op"], path)) for row in dead[:3]]
    except Exception as error:  # what does not run, it cannot see
        if type(error).__name__ == "CaptureContextError":
            raise
    return said


def audited(debug: Any, trace: Any) -> list[tuple[str, str]]:
    """What its audits find, of which sort at which operation, the frontier of a gradient that goes wrong first."""
    found: list[tuple[str, str]] = []
    with contextlib.suppress(Exception):
        first = trace.find_nan()
        found += [("not finite", first.label)] if first.found else []
    with contextlib.suppress(Exception):
        birth = debug.bisect_nan_backward(trace).first_bad_thing
        found += [("not finite", birth.label)] if birth.label else []
    with contextlib.suppress(Exception):
        rows = [row for row in debug.gradient_flow_audit_rows(trace)[0] if row["severity"]]
        rows.sort(key=lambda row: not row["is_frontier"])
        for row in rows[:3]:
            sort = next((sort for sort in ("vanishing", "exploding", "dead") if row[sort]), "nonfinite")
            bad = row["verdict"] == "nonfinite"
            found.append(("not finite" if bad else "zero" if sort == "dead" else sort, row["op"]))
    return found


def line_of(trace: Any, label: str, path: Path) -> int | None:
    """The line of the script that an operation stands at, which TorchLens knows."""
    with contextlib.suppress(Exception):
        for place in trace.ops[label].code_context:
            if Path(place.file) == path:
                return int(place.line_number)
    return None


def of_its_session(text: str) -> list[Said]:
    """What its checks of a training loop say."""
    from torchlens import checks

    sessions: list[Any] = []
    said: list[Said] = []

    def attach(model: Any, optimizers: Sequence[Any]) -> None:
        session = checks.ChecksSession(model, optimizers)
        for name in ("change", "update_ratio", "nonfinite_gradient", "nonfinite_param", "magnitude"):
            getattr(session, f"register_{name}_check")()
        sessions.append(session)
        session.attach()

    asked = f"{BEFORE_LOOP}_attach(model, [one for name, one in list(globals().items()) if name in _NAMES])\n"
    names = {"_attach": attach, "_NAMES": ("optimizer", "other"), "__name__": "__main__"}
    try:
        exec(compile(text.replace(BEFORE_LOOP, asked, 1), str(written(text)), "exec"), names)
    except checks.CheckConfigError as error:
        said += [("in two optimizers", None)] if "more than one optimizer" in str(error) else []
    except checks.CheckViolationError:
        said.append(("not finite", None))
    except Exception as error:
        said.append((sort_of_message(str(error)), None))
    for session in sessions:
        with contextlib.suppress(Exception):
            report = session.report()
            said += [*sorts_of_findings(report.findings), *sorts_of_disclosures(report.disclosures)]
    return said


def sorts_of_findings(findings: Sequence[Any]) -> Iterator[Said]:
    """What the checks found; the lists of what did not change count, too."""
    for one in [one for one in findings if one.severity != "info"][:3]:
        flagged = next((sort for sort in ("vanishing", "exploding") if sort in one.message), "not finite")
        yield SORT_OF_CHECK.get(one.check, flagged), None
    if any(one.check == "params_changed_fact" and one.names for one in findings):
        yield "unchanged", None


SORT_OF_CHECK = {"param_received_no_gradient": "none or zero", "param_movement_decay_band": "unchanged"}


def sorts_of_disclosures(told: Mapping[str, Any]) -> Iterator[Said]:
    """What it tells without an alarm."""
    if told["membership"]["n_requires_grad_false"]:
        yield "frozen", None
    if told["membership"]["n_in_no_optimizer"]:
        yield "in no optimizer", None
    if told["train_eval"]["n_eval_mode_modules"]:
        yield "eval mode", None
    if told["grad_none_last_accepted_step"]:
        yield "no gradient", None


TOOLS: Mapping[str, Callable[[str], list[Said]]] = {
    "graphviz_ad": by_diagnose, "TorchLens": by_torchlens, "anomaly mode": by_anomaly_mode,
}  # fmt: skip
HEALTHY = [HEAD + SCRIPTS[arch] + LOOP for arch in TWINS]


def written(text: str) -> Path:
    """The script as a file, as whoever wrote it would run it."""
    path = Path(tempfile.mkdtemp()) / "train.py"
    path.write_text(text)
    return path.resolve()


# --- one process for each script


def said_of(text: str, tool: str) -> list[Said]:
    """What a tool says of a script, in a process of its own, in which nothing ran before: a fork of this one, which
    only imports, and no child of `multiprocessing`, in which TorchLens refuses to work.
    """
    here, there = os.pipe()
    child = os.fork()
    if not child:
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                said: Any = TOOLS[tool](text)
        except BaseException:
            said = traceback.format_exc()
        os.write(there, json.dumps(said).encode())
        os._exit(0)
    os.close(there)
    with os.fdopen(here, encoding="utf-8") as answer:
        said = json.loads(answer.read())
    os.waitpid(child, 0)
    if isinstance(said, str):
        raise SystemExit(said)
    return [(str(sort), line) for sort, line in said]


def mark(fault: Fault, said: Sequence[Said]) -> str:
    """● found, ○ noticed, · neither."""
    right = [(sort, line) for sort, line in said if {sort, *SORTS.get(sort, ())} & set(fault.kinds)]
    if any(line in fault.lines() for _, line in right):
        return "●"
    return "○" if right else "·"


def installed(tool: str) -> bool:
    """Whether a tool is here."""
    return tool != "TorchLens" or importlib.util.find_spec("torchlens") is not None


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--every", type=int, default=1, help="take every Nth fault")
    parser.add_argument("--tool", choices=tuple(TOOLS), action="append", help="only this tool")
    asked = parser.parse_args()
    tools = asked.tool or list(TOOLS)
    faults = FAULTS[:: asked.every]
    for name in ("torch", "torchlens"):  # once for all processes
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name)
    marks: dict[str, list[str]] = {tool: [] for tool in tools}
    print(f"| fault | program | {' | '.join(tools)} |\n|---|---|{'---|' * len(tools)}")
    for fault in faults:
        for tool in tools:
            marks[tool].append(mark(fault, said_of(fault.text, tool)) if installed(tool) else "not installed")
        print(f"| {fault.name} | {fault.arch} | {' | '.join(marks[tool][-1] for tool in tools)} |", flush=True)
    print("\n| | " + " | ".join(tools) + " |\n|---|" + "---|" * len(tools))
    for sign, name in (("●", "found: sort and line"), ("○", "noticed: sort without the line"), ("·", "neither")):
        print(f"| {name} | {' | '.join(f'{marks[tool].count(sign)} of {len(faults)}' for tool in tools)} |")
    alarms = {tool: sum(bool(said_of(text, tool)) for text in HEALTHY) if installed(tool) else 0 for tool in tools}
    print(f"| false alarms | {' | '.join(f'{alarms[tool]} of {len(HEALTHY)} twins' for tool in tools)} |")


if __name__ == "__main__":
    main()
