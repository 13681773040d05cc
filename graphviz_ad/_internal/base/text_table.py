"""Rows of words -> the lines of a table, for terminals and plain-text cells."""

from __future__ import annotations

from collections.abc import Sequence


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines, the first column to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        ).rstrip()
        for row in rows
    ]


def counted(count: int, noun: str) -> str:
    """ "1 input", "109,386 inputs"."""
    return f"{count:,} {noun}{'s' if count != 1 else ''}"
