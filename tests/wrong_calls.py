"""Every public call -> the same call with arguments that it cannot take, and what came of it.

``python wrong_calls.py`` counts. An error is said where it is a GraphvizADError, or where our own code raised it on
purpose; it is raw where some line of ours or of a library stumbled over what it had been given.
"""

from __future__ import annotations

import inspect
import io
import linecache
import math
import os
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import GraphvizADError

OURS = str(Path(gad.__file__).parent)


class Unspeakable:
    """What cannot even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


VALUES: dict[str, Callable[[], Any]] = {
    "3": lambda: 3,
    "-1": lambda: -1,
    "2.5": lambda: 2.5,
    "nan": lambda: math.nan,
    "True": lambda: True,
    "None": lambda: None,
    "'q'": lambda: "q",
    "''": lambda: "",
    "b'q'": lambda: b"q",
    "[]": list,
    "['q']": lambda: ["q"],
    "{}": dict,
    "{'q': 1}": lambda: {"q": 1},
    "(1, 2)": lambda: (1, 2),
    "object()": object,
    "inf": lambda: math.inf,
    "10**400": lambda: 10**400,
    "a set": lambda: {1},
    "an array": lambda: np.ones(3),
    "an array of one": lambda: np.ones(1),
    "text with a null": lambda: "\0.svg",
    "a long text": lambda: "x" * 5000,
    "what cannot be shown": Unspeakable,
    "a function": lambda: len,
    "a class": lambda: int,
}
# What is given where the call is about another argument.
GOOD: dict[str, Callable[[], Any]] = {}
# Arguments that are handed to the user's own program, or that may be anything.
FREE = {
    ("trace", "args"),
    ("trace", "kwargs"),
    ("compare_methods", "args"),
    ("compare_methods", "kwargs"),
    ("Entry", "inputs"),
    ("compat.build_graph", "args"),
    ("compat.draw_graph", "kwargs"),
}

# What need not be given but would take long where it is not, and the values that mean the same: there the whole
# gallery is built, which is what the tests of it do. `gallery.chosen` is given them all.
LONG: dict[tuple[str, str], tuple[str, ...]] = {("gallery.build", "names"): ("[]", "{}")}


def program(x1: Any, x2: Any) -> Any:
    return x1 * x2 + x2.sin()


def things() -> dict[str, Any]:
    """Name -> something with public calls."""
    import torch

    g = gad.trace(program, 1.5, 0.5)
    film = g.animate(layout="layered", speed=100)  # whole films are written of it: of few frames
    example = gad.gallery.colah()
    comparison = g.compare_methods()
    tangents = g.tangents("x1")
    explained = g.explain("x1")
    x = gad.ADNumber(3.0, "x")
    f = x * x
    tensor = torch.tensor(2.0, requires_grad=True) ** 2
    model = torch.nn.Linear(2, 1)
    model.forward = lambda x=torch.tensor([[1.0, 2.0]]): torch.nn.Linear.forward(model, x)  # noqa: B008
    drop_ins = ModuleType("drop_ins")  # those of compat that are nowhere else
    for name in ("draw_graph", "build_graph", "draw_dot"):
        setattr(drop_ins, name, getattr(gad.compat, name))
    GOOD.update(
        graph=lambda: g,
        graphs=lambda: [g],
        a=lambda: g,
        b=lambda: g,
        path=lambda: "out.svg",
        folder=lambda: "folder",
        name=lambda: "x1",
        wrt=lambda: "x1",
        key=lambda: g.node_list[0].key,
        keys=lambda: [g.node_list[0].key],
        wanted=lambda: [g.node_list[0].key],
        blocks=lambda: 2,
        index=lambda: 0,
        node=lambda: g.node_list[0],
        edge=lambda: g.edges[0],
        nodes=lambda: g.node_list,
        edges=lambda: g.edges,
        target=lambda: f,
        func=lambda: program,
        inputs=lambda: [1.5, 0.5],
        var=lambda: tensor,
        model=lambda: model,
        root=lambda: SimpleNamespace(data=1.0, grad=0.0, _prev=(), _op=""),
        names=lambda: ["colah"],
        value=lambda: 1.0,
        x=lambda: x,
        given=lambda: x,
        depth=lambda: 1,
        pattern=lambda: "add",
        to=lambda: "y",
        start=lambda: "x1",
        end=lambda: "x1",
        cls=lambda: torch.autograd.Function,
    )
    return {
        "gad": gad,
        "Graph": g,
        "Picture": g.plot(layout="layered"),
        "Animation": film,
        "Frame": film.frame(0),
        "Explanation": explained,
        "Tangents": tangents,
        "Comparison": comparison,
        "SideBySide": gad.compare(g, g),
        "TorchGraph": gad.TorchGraph(program, [1.5, 0.5]),
        "ADNumber": f,
        "Snapshot": g.node_list[0].value,
        "Example": example,
        "Entry": gad.gallery.colah,
        "Pair": gad.gallery.detach() if hasattr(gad.gallery, "detach") else example,
        "gallery": gad.gallery,
        "compat": drop_ins,
        **({"transforms": gad.transforms} if hasattr(gad, "transforms") else {}),
    }


def calls() -> dict[str, Callable[..., Any]]:
    """Name -> public function, method, or class that is called."""
    found: dict[str, Callable[..., Any]] = {}
    for owner, thing in things().items():
        for name in dir(thing):
            if name.startswith(("_", "show")) or (
                name in getattr(thing, "__dict__", {}) and not inspect.ismodule(thing)
            ):
                continue
            member = getattr(type(thing), name, None) if not inspect.ismodule(thing) else None
            if isinstance(member, property):
                continue
            call = getattr(thing, name)
            if inspect.isroutine(call) or call in (gad.ADNumber, gad.Capture, gad.TorchGraph):
                found[name if owner == "gad" else f"{owner}.{name}"] = call
    return found


def parameters(calls: Mapping[str, Callable[..., Any]]) -> dict[str, dict[str, bool]]:
    """Name of a call -> its parameters, and whether each must be given."""
    found: dict[str, dict[str, bool]] = {}
    for name, call in calls.items():
        own = inspect.signature(call).parameters.values()
        named = [
            part
            for part in own
            if part.kind in (part.POSITIONAL_OR_KEYWORD, part.KEYWORD_ONLY) and (name, part.name) not in FREE
        ]
        found[name] = {part.name: part.default is part.empty for part in named}
    return found


def wrong(known: Mapping[str, Mapping[str, bool]]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Call, parameter, value, and the arguments."""
    for name, parts in known.items():
        needed = {part: GOOD[part] for part, must in parts.items() if part in GOOD and (must or (name, part) in LONG)}
        for part in [*parts, "no_such_option"]:
            for label, make in VALUES.items() if part in parts else [("3", VALUES["3"])]:
                if label in LONG.get((name, part), ()):
                    continue
                yield (
                    name,
                    part,
                    label,
                    {**{other: good() for other, good in needed.items() if other != part}, part: make()},
                )
        if needed:
            yield name, "nothing", "", {}


def outcome(call: Callable[..., Any], arguments: Mapping[str, Any]) -> str:
    """ "fine", "said", or what was raised raw and where."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            call(**arguments)
        except GraphvizADError:
            return "said"
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            last = frames[-1]
            # Python's own: an argument too many, or one that is missing
            if isinstance(error, TypeError) and len(frames) == 1:
                return "said"
            if frames[-1].name == "__repr__" and frames[-1].filename == __file__:  # the value's own
                return "said"
            # the traced program's own, which passes unchanged
            if any(
                frame.name == "_call_target" and frame.filename.endswith(("eager.py", "architecture_run.py"))
                for frame in frames
            ):
                return "said"
            line = linecache.getline(last.filename, last.lineno or 0).strip()
            if (
                last.filename.startswith(OURS)
                and line.startswith("raise ")
                and isinstance(error, (TypeError, ValueError, IndexError))
            ):
                return "said"
            try:
                message = str(error)[:90]
            except Exception:
                message = "what cannot be shown"
            return f"{type(error).__name__}: {message} at {Path(last.filename).name}:{last.lineno}"
    return "fine"


def count(known: Mapping[str, Mapping[str, bool]] | None = None) -> tuple[Counter[str], dict[str, str]]:
    """How many calls ended how, and each that ended raw."""
    found = calls()
    totals: Counter[str] = Counter()
    raw: dict[str, str] = {}
    for name, part, label, arguments in wrong(known or parameters(found)):
        if name not in found:
            continue
        result = outcome(found[name], arguments)
        totals[result if result in ("fine", "said") else "raw"] += 1
        if result not in ("fine", "said"):
            raw[f"{name}({part}={label})"] = result
    return totals, raw


if __name__ == "__main__":
    import json

    known = json.loads(Path(sys.argv[1]).read_text()) if len(sys.argv) > 1 and Path(sys.argv[1]).exists() else None
    if known is None and len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(parameters(calls())))
    os.chdir(tempfile.mkdtemp())
    sys.stdout, out = io.StringIO(), sys.stdout
    totals, raw = count(known)
    sys.stdout = out
    for call, error in raw.items():
        print(call, "->", error)
    print(sum(totals.values()), "calls:", dict(totals))
