"""A torch that is older than what is promised is refused, by what its version says."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch

from graphviz_ad._internal.base.errors import TraceError
from graphviz_ad._internal.tracing.tape.torch_version import OLDEST, refuse_older

OLD = ["1.13.1", "2.0.0+cu117", "2.4.1", "2.5.1+cpu", "2.5.0a0+git1234", "2.5.0.dev20241001"]
NEW = ["2.6.0", "2.6.0+cu124", "2.10.0", "2.13.0+cpu", "2.14.0a0+git1234", "3.0.0", "main", ""]


@pytest.mark.parametrize("version", OLD)
def test_an_older_torch_is_refused_with_what_was_found_what_is_needed_and_what_to_do(version: str) -> None:
    with pytest.raises(TraceError) as raised:
        refuse_older(version)
    text = str(raised.value)
    assert text.startswith(f"torch {version} is installed")
    assert "needs torch 2.6 or newer" in text
    assert text.endswith("Run: pip install 'torch>=2.6'")


@pytest.mark.parametrize("version", [*NEW, str(torch.__version__)])
def test_what_is_promised_is_not_refused_nor_what_cannot_be_read(version: str) -> None:
    refuse_older(version)


def test_it_is_the_bound_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    assert f"torch>={'.'.join(map(str, OLDEST))}" in project["dependencies"]


BOTH = """
import torch
torch.__version__ = "2.1.0"
import graphviz_ad as gad
from graphviz_ad._internal.base.errors import TraceError
x = torch.ones(2, requires_grad=True)
for attempt in (lambda: gad.trace(lambda x: x * x, 3.0), lambda: gad.trace(x * x), lambda: gad.record().__enter__()):
    try:
        attempt()
    except TraceError as error:
        print(str(error).partition(":")[0])
"""


def test_the_first_trace_and_the_first_recording_say_it() -> None:
    done = subprocess.run([sys.executable, "-c", BOTH], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-800:]
    assert done.stdout.splitlines() == ["torch 2.1.0 is installed, and graphviz_ad needs torch 2.6 or newer"] * 3
