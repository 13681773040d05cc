"""The version of torch that is installed -> nothing, or an error that says that it is too old, and what to do."""

from __future__ import annotations

import re

from graphviz_ad.errors import TraceError

OLDEST = (2, 6)  # as in pyproject.toml


def refuse_older(version: str) -> None:
    """Refuse a torch that is older than what this package promises; a version that cannot be read is not refused."""
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None or tuple(map(int, found.groups())) >= OLDEST:
        return
    oldest = ".".join(map(str, OLDEST))
    raise TraceError(
        f"torch {version} is installed, and graphviz_ad needs torch {oldest} or newer: of an older one it would show wrong or missing numbers. "
        f"Run: pip install 'torch>={oldest}'"
    )
