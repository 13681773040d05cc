"""Run every operation that torch tests itself with, plain and traced, and print what came of it; any wrong call
makes the exit status 1.

Each batch of operations runs in a forked process, so that one that crashes takes no other with it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import torch
from op_samples import FAILS, FORMS, SAME, UPSTREAM, VARIES, WRONG, database, samples, untraced, verdict

DTYPES = "float64 float32 float16 bfloat16 complex128 complex64 int64 bool"
CRASHED, STUCK = "CRASHED", "STUCK"
BAD = (WRONG, CRASHED, STUCK)
KINDS = (SAME, UPSTREAM, VARIES, FAILS, *BAD)
BATCH, PATIENCE = 25, 300  # operations a process; seconds a call

Outcome = tuple[str, str, str, str]  # dtype, call, kind, why


def run_batch(
    ops: Sequence[str], dtypes: Sequence[str], forms: Sequence[str], most: int | None, pipe: Connection
) -> None:
    """In a process of its own: tell what is about to run, then what came of it."""
    for op in ops:
        for dtype in dtypes:
            for form in forms:
                pipe.send((op, dtype, form, f"{op} {form} {dtype}", None))
                for sample in samples(op, getattr(torch, dtype), form, most):
                    pipe.send((op, dtype, form, str(sample), None))
                    pipe.send((dtype, str(sample), *verdict(sample)))
    pipe.send(None)


def run_all(ops: Sequence[str], dtypes: Sequence[str], forms: Sequence[str], most: int | None) -> Iterator[Outcome]:
    """What came of every call, as it comes."""
    context = multiprocessing.get_context("fork")
    left = list(ops)
    while left:
        batch, left = left[:BATCH], left[BATCH:]
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=run_batch, args=(batch, dtypes, forms, most, there))
        process.start()
        there.close()
        op = dtype = form = call = ""
        try:
            while True:
                if not here.poll(PATIENCE):
                    raise TimeoutError
                message = here.recv()
                if message is None:
                    break
                if len(message) == 4:
                    yield message
                else:
                    op, dtype, form, call, _ = message
        except (EOFError, TimeoutError) as problem:
            process.kill()
            bad = STUCK if isinstance(problem, TimeoutError) else CRASHED
            yield (
                dtype,
                call,
                FAILS if bad == CRASHED and crashes_plain(op, dtype, form, most) else bad,
                "the rest of this operation was not run",
            )
            left = batch[batch.index(op) + 1 :] + left
        process.join()


def crashes_plain(op: str, dtype: str, form: str, most: int | None) -> bool:
    """Whether torch crashes at an operation by itself."""

    def run() -> None:
        for sample in samples(op, getattr(torch, dtype), form, most):
            with suppress(Exception):
                untraced(sample)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join(PATIENCE)
    process.kill()
    process.join()
    return bool(process.exitcode)


def table(counts: Counter[tuple[str, str]], dtypes: Sequence[str]) -> str:
    """Dtypes down, kinds across."""
    lines = ["".join([f"{'':<12}", *(f"{kind:>17}" for kind in KINDS)])]
    for dtype in [*dtypes, "all"]:
        found = [sum(n for (d, k), n in counts.items() if k == kind and dtype in (d, "all")) for kind in KINDS]
        lines.append("".join([f"{dtype:<12}", *(f"{n:>17,}" for n in found)]))
    return "\n".join(lines)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "ops", nargs="*", help="names of operations as in the lists that this prints; all of them, if none is given"
    )
    parser.add_argument("--dtypes", default=DTYPES, help=f"of: {DTYPES}")
    parser.add_argument("--forms", default=",".join(FORMS), help=f"of: {', '.join(FORMS)}")
    parser.add_argument("--most", type=int, help="calls of each operation, dtype and form")
    parser.add_argument("--verbose", action="store_true", help="print also what is the same only nearly, and why")
    options = parser.parse_args()
    torch.set_num_threads(1)  # also because threads do not survive a fork
    warnings.simplefilter("ignore")
    dtypes, forms = options.dtypes.replace(",", " ").split(), options.forms.split(",")
    start, counts, agreeing = time.monotonic(), Counter[tuple[str, str]](), set()
    for dtype, call, kind, why in run_all(options.ops or list(database()), dtypes, forms, options.most):
        counts[dtype, kind] += 1
        if kind == SAME:
            agreeing.add(call.partition(" ")[0])
        if kind in BAD or (options.verbose and kind != SAME):
            print(f"{kind}: {call}: {why}")
    print(table(counts, dtypes))
    print(f"{len(agreeing)} operations agree in at least one call; {time.monotonic() - start:.0f} s")
    return int(any(kind in BAD for _, kind in counts))


if __name__ == "__main__":
    sys.exit(main())
