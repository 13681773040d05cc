"""The version of torch that is installed -> whether all tests were passed on it, or an error that says that it is
too old, and what to do.
"""

from __future__ import annotations

import re

from graphviz_ad._internal.base.errors import TraceError

OLDEST = (2, 6)  # as in pyproject.toml
# newest first; `make versions` runs all tests on each and writes docs/torch_versions.md
TESTED = ("2.14.1", "2.13.0", "2.9.1", "2.6.0")


def is_tested(version: str) -> bool:
    """Whether all tests were passed on this very version, whatever it was built for: "2.13.0+cpu" is "2.13.0"."""
    return version.partition("+")[0] in TESTED


def refuse_older(version: str) -> None:
    """Refuse a torch that is older than what this package promises; a version that cannot be read is not refused."""
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None or tuple(map(int, found.groups())) >= OLDEST:
        return
    oldest = ".".join(map(str, OLDEST))
    raise TraceError(
        f"torch {version} is installed, and graphviz_ad needs torch {oldest} or newer: of an older one it would show"
        f" wrong or missing numbers. Run: pip install 'torch>={oldest}'"
    )
