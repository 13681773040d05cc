"""The user's program is read by type checkers; it is wrong on purpose, and never run."""

from __future__ import annotations

collect_ignore = ["user_code"]
