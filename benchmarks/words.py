"""How often the words of a film are decided, and what `animate` costs; prints counts, and CPU times beside those of
another checkout.

    python benchmarks/words.py [--beside PATH] [--rounds 5]

The graph of 60 nodes is that of `films.py`. Counted by `sys.setprofile` in one call of `animate`: calls of functions in
the modules that decide what an operation claims, a generator's every resumption included; calls in the modules that
word it; and how often the way from `animate` goes up, which is a call from a room to one that stands after it in the
order of imports (each pair of functions once). ``--beside`` runs the same `animate` in another checkout, in turns with
this one, and prints the ratio of the least CPU times.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType

import films

import graphviz_ad as gad

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))
from call_counts import Calls, counted, module_of  # noqa: E402 - from the tests, which count in the same way
from test_layers import ROOMS  # noqa: E402

NODES = 60
DECIDING = "maths.claims"
ONE_RUN = """
import sys, time
sys.path.insert(0, {benchmarks!r})
import films, graphviz_ad as gad
graph = gad.trace(films.program({nodes}), 0.5, 0.3)
graph.animate()
start = time.process_time()
graph.animate()
print(time.process_time() - start)
"""


def traced(nodes: int = NODES) -> gad.Graph:
    """The graph of the benchmark film."""
    return gad.trace(films.program(nodes), 0.5, 0.3)


def calls_of(graph: gad.Graph) -> Calls:
    """How often each function ran in one `animate`, and who called whom; the first time, when caches are empty, is
    not counted.
    """
    graph.animate()
    return counted(graph.animate)


def room_of(code: CodeType) -> int:
    """Where the room of a function stands in the order of imports; -1 for what is in none."""
    room = module_of(code).partition(".")[0]
    return ROOMS.index(room) if room else -1


def ways_up(calls: Calls) -> Iterator[str]:
    """Each pair of functions of which the called one stands in a later room; the method of the graph by which users
    begin is the way in.
    """
    for caller, called in calls.pairs:
        if -1 < room_of(caller) < room_of(called) and caller.co_name != "animate":
            yield f"{caller.co_qualname} -> {called.co_name}"


def seconds(checkout: Path) -> float:
    """CPU time of one `animate` of the code in a checkout, in a process of its own."""
    script = ONE_RUN.format(benchmarks=str(checkout / "benchmarks"), nodes=NODES)
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    return float(
        subprocess.run(
            [sys.executable, "-c", script], env=environment, cwd=checkout, check=True, capture_output=True, text=True
        ).stdout
    )


def main(given: Sequence[str] | None = None) -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--beside", type=Path)
    arguments.add_argument("--rounds", type=int, default=5)
    chosen = arguments.parse_args(given)
    graph = traced()
    calls = calls_of(graph)
    stage = graph.animate().film.stage
    edges, decided = len(stage.arrows), calls.in_module(DECIDING)
    print(f"{len(stage.boxes)} nodes, {edges} edges; {calls.ran.total():,} calls in one animate")
    print(f"{decided:,} calls in the deciding code, {decided / edges:.1f} an edge")
    up = sorted(set(ways_up(calls)))
    print(f"the way goes up {len(up)} times{': ' if up else ''}{', '.join(up)}")
    if chosen.beside is not None:
        runs = [(seconds(ROOT), seconds(chosen.beside.resolve())) for _ in range(chosen.rounds)]
        ours, theirs = (min(times) for times in zip(*runs, strict=True))
        print(f"animate: {1000 * ours:.0f} ms here, {1000 * theirs:.0f} ms there, a share of {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
