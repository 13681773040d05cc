"""Damage saved graphs in many ways and print what became of them: refused by a message that names the field, or
loaded and of use to every public method.

Anything else, such as a KeyError of a graph that had loaded, makes the exit status 1. Each file is made again by its
number: ``--first N --count 1``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from saved_graphs import damaged_file, saved_graphs, use

from graphviz_ad._internal.base.errors import GraphFormatError
from graphviz_ad._internal.graph.graph import Graph

REFUSED, UNREADABLE, WORKS, CRASHED, SLOW = (
    "refused, field named",
    "refused, no graph file",
    "loaded, everything works",
    "CRASHED",
    "TOO SLOW",
)
NAMED, NO_FILE = (
    re.compile(r"is damaged at \S"),
    re.compile(r"is no JSON|no saved graph|format version|is no GraphML|is GraphML, but not|is no text"),
)
PATIENCE = 60  # seconds a file

texts: dict[str, str] = {}


def too_slow(*_: Any) -> None:
    """What the alarm does."""
    raise TimeoutError


def outcome(seed: int) -> tuple[int, str, str]:
    """What became of the file of this number, and why."""
    text, suffix = damaged_file(texts, seed)
    signal.signal(signal.SIGALRM, too_slow)
    signal.alarm(PATIENCE)
    try:
        with (
            tempfile.NamedTemporaryFile("w", suffix=suffix, encoding="utf-8", errors="surrogatepass") as file,
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("error")
            file.write(text)
            file.flush()
            use(Graph.load(file.name))
    except GraphFormatError as error:
        return (
            seed,
            REFUSED if NAMED.search(str(error)) else UNREADABLE if NO_FILE.search(str(error)) else CRASHED,
            str(error),
        )
    except TimeoutError:
        return seed, SLOW, traceback.format_exc()
    except Exception:
        return seed, CRASHED, traceback.format_exc()
    finally:
        signal.alarm(0)
    return seed, WORKS, ""


def main() -> int:
    """Run as the arguments say."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--first", type=int, default=0)
    arguments.add_argument("--count", type=int, default=10_000)
    arguments.add_argument("--processes", type=int, default=2)
    given = arguments.parse_args()
    texts.update(saved_graphs())
    counts: Counter[str] = Counter()
    with multiprocessing.get_context("fork").Pool(given.processes) as pool:
        for seed, kind, why in pool.imap_unordered(
            outcome, range(given.first, given.first + given.count), chunksize=20
        ):
            counts[kind] += 1
            if kind in (CRASHED, SLOW):
                print(f"{seed}: {kind}\n{why}", flush=True)
    for kind, count in sorted(counts.items()):
        print(f"{count:6} {kind}")
    return 1 if counts[CRASHED] or counts[SLOW] else 0


if __name__ == "__main__":
    sys.exit(main())
