"""Graphs deeper than the stack: traced, recorded, kept, thrown away, and released without a crash."""

from __future__ import annotations

import resource
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from depth_program import SCENARIOS

PROGRAM = Path(__file__).parents[1] / "depth_program.py"
# bytes of stack that the main thread gets; graphs of some 5,000 nodes overflow it once they have been touched
SMALL = 1 << 20


@pytest.mark.parametrize("size", [("6000",), ("4000", "512")], ids=["main thread", "thread of 512 KiB"])
def test_deep_graphs_are_released_without_a_crash(size: tuple[str, ...]) -> None:
    less = partial(resource.setrlimit, resource.RLIMIT_STACK, (SMALL, resource.getrlimit(resource.RLIMIT_STACK)[1]))
    done = subprocess.run(
        [sys.executable, PROGRAM, ",".join(SCENARIOS), *size],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=less,
    )
    assert done.stderr == ""
    assert done.returncode == 0, f"crashed after {done.stdout.split()}"
    assert done.stdout.split() == list(SCENARIOS)
