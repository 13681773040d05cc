"""This version of torch -> what does not hold on it: small programs with known answers, tried once a process where
the version was not tested.

They run in a thread of their own, since modes, grad mode, autocast and hooks on saved tensors are a thread's own: none
of the user's sees them, and they leave none behind. They draw no random numbers, change nothing of the process, and
what goes wrong with them is said, never raised.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch

from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.notices import notice
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.tracing import eager, recording
from graphviz_ad._internal.tracing.capture import Capture
from graphviz_ad._internal.tracing.tape.doubts import DOUBTS
from graphviz_ad._internal.tracing.tape.modes import in_this_thread_alone
from graphviz_ad._internal.tracing.tape.probes import watching
from graphviz_ad._internal.tracing.tape.torch_private import hooks_on_all_modules
from graphviz_ad._internal.tracing.tape.torch_version import TESTED, is_tested
from graphviz_ad._internal.tracing.tried_programs import RECORDED, TRIED, Facts, Tried, recorded

# what it is about, in plain words; what to run; and what has to come out
Trial = tuple[str, Callable[[], Facts], Facts]
UNFINISHED = "trying itself did not come to an end"

_tried: set[str] = set()
_here = threading.local()  # the thread that tries is not to try itself


def make_sure(*, recording: bool = False) -> None:
    """Try this torch, unless that has been done or its version was tested; what does not hold stands in `DOUBTS`
    then, for every graph of this process.

    ``recording``: whether a recording is to be tried, too; only then, since that wraps the engine's entry for a moment.
    Threads that come here at the same time find the same, each for itself: a lock could be held forever in a process
    that was forked meanwhile.
    """
    if getattr(_here, "trying", False) or is_tested(str(torch.__version__)):
        return
    for kind in ("traces", "recordings") if recording else ("traces",):
        if kind not in _tried:
            if wrong := tried(TRIALS[kind]):
                DOUBTS[notice("untried torch", wrong, version=str(torch.__version__), tested=TESTED)] = None
            _tried.add(kind)


def tried(trials: Callable[[], Iterable[Trial]]) -> list[str]:
    """What does not hold, found in a thread where nobody looks."""
    wrong = [UNFINISHED]

    def run() -> None:
        _here.trying = True
        wrong[:] = [about for trial in trials() for about in failures_of_program(*trial)]

    try:
        thread = threading.Thread(target=run, name="graphviz_ad tries this torch")
        thread.start()
        thread.join()
    except Exception as error:  # as where no thread can be started
        return [f"{UNFINISHED} ({type(error).__name__}: {error})"]
    return wrong


def failures_of_program(about: str, run: Callable[[], Facts], answer: Facts) -> list[str]:
    """What a program is about and what of it does not hold; nothing if all of it does."""
    try:
        found = run()
    except Exception as error:  # whatever it is, it is a difference from the answer
        return [f"{about} ({type(error).__name__}: {str(error).partition(chr(10))[0]})"]
    differing = [aspect for aspect in answer if found.get(aspect) != answer[aspect]]
    return [f"{about} ({', '.join(differing)})"] if differing else []


# --- what is tried


def trials_of_traces() -> list[Trial]:
    """Each program of `TRIED`, traced."""
    return [
        *((program.about, partial(facts_of_program, program), program.answer) for program in TRIED),
        ("dispatch modes of yours", seen_by_modes, {"operations that only they may see": "the same"}),
    ]


def trials_of_recordings() -> list[Trial]:
    """A recording of a backward pass."""
    return [("recordings", lambda: facts_of_graph(recorded(recording.Recording(None, Capture(), {}))), RECORDED)]


TRIALS = {"traces": trials_of_traces, "recordings": trials_of_recordings}


def facts_of_program(program: Tried) -> Facts:
    """What the graph of a program says."""
    if program.calls_modules and hooks_on_all_modules():
        raise RuntimeError("not tried, since your hooks on all modules would run")
    inputs = [torch.tensor(given, dtype=torch.float64, device="cpu", requires_grad=True) for given in program.inputs]
    return facts_of_graph(eager.trace(program.function, inputs, {}, None, Capture(), {}))


def seen_by_modes() -> Facts:
    """Whether a mode sees the same operations with us as without us."""
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, device="cpu", requires_grad=True)
    (first, plain), (second, seen) = watching(), watching()
    with in_this_thread_alone(first):
        y = x * x
        torch.autograd.grad(y, x, torch.ones_like(y))
    with in_this_thread_alone(second):
        eager.trace(lambda x: x * x, [x], {}, None, Capture(), {})
    return {"operations that only they may see": "the same" if seen == plain else "ours too"}


def facts_of_graph(graph: Graph) -> Facts:
    """What a graph says, in plain words and numbers: aspect -> text."""
    fine = graph.detail or graph
    return {
        "operations": fact_line(node.op or node.kind for node in graph.node_list),
        "steps inside": fact_line("·".join([node.op or node.kind, *node.autograd]) for node in fine.node_list),
        "names": fact_line(node.name or "-" for node in graph.node_list),
        "modules": fact_line(".".join(node.module) or "-" for node in graph.node_list),
        "gradients of inputs": fact_line(
            plain_number(port.grad) for node in graph.node_list if node.kind == "leaf" for port in node.ports
        ),
        "result": fact_line(plain_number(port.value) for node in graph.outputs for port in node.ports),
        "values": fact_line(plain_number(port.value) for node in fine.node_list for port in node.ports),
        "gradients": fact_line(plain_number(port.grad) for node in fine.node_list for port in node.ports),
        "local derivatives": fact_line(plain_number(edge.local) for edge in fine.edges),
        "what flows back": fact_line(plain_number(edge.grad) for edge in fine.edges),
        "where gradients stop": fact_line(
            [*(node.cut or "-" for node in graph.node_list), *(edge.cut or "-" for edge in graph.edges)]
        ),
        "hooks": fact_line(hook for node in graph.node_list for hook in (*node.hooks, *node.hook_effects)),
        "memory": str(graph.memory),
        "notices": fact_line(note.kind for note in graph.notes if note.shown and note not in DOUBTS),
    }


def fact_line(parts: Iterable[str]) -> str:
    """A line of them."""
    return " ".join(parts)


def plain_number(snapshot: Snapshot | None) -> str:
    """ "3.0", "[1.0,2.0]", "-" where there is none."""
    array: Any = snapshot.array if snapshot is not None else None
    return "-" if array is None else str(array.tolist()).replace(" ", "")
