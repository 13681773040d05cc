"""A file of constraints -> the versions that it pins; and whether this torch is the pinned one."""

from __future__ import annotations

from pathlib import Path

import torch

ROOT = Path(__file__).parent.parent


def pinned(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text("utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def is_pinned_torch() -> bool:
    return str(torch.__version__).partition("+")[0] == pinned("constraints.txt")["torch"]
