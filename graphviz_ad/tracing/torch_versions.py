"""Version of torch -> whether all tests were passed on it, or whether it is too old; the one place that lists them."""

from __future__ import annotations

import re

TESTED = ("2.14.1", "2.13.0", "2.9.1", "2.6.0")  # newest first; `make versions` runs all tests on each and writes docs/torch_versions.md
OLDEST = "2.6"  # as pyproject.toml promises


def is_tested(version: str) -> bool:
    """Whether all tests were passed on this very version, whatever it was built for: "2.13.0+cpu" is "2.13.0"."""
    return version.partition("+")[0] in TESTED


def is_too_old(version: str) -> bool:
    """Whether a version is below the oldest that is promised; False for one whose numbers cannot be read."""
    found, oldest = _numbers(version), _numbers(OLDEST)
    return bool(found) and found < oldest


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"(\d+)\.(\d+)", version)
    return tuple(map(int, match.groups())) if match else ()
