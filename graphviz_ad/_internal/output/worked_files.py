"""Explanation -> file: the solution or the picture, as the suffix says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphviz_ad._internal.base.argument_types import Destination
from graphviz_ad._internal.base.errors import OptionError, UnknownNameError
from graphviz_ad._internal.explain.explanation import Explanation
from graphviz_ad._internal.output.file_writing import put, suffix_for
from graphviz_ad._internal.output.format_table import STILLS

SOLUTIONS = (".txt", ".tex", ".html")


def rendered(explanation: Explanation, suffix: str, options: Mapping[str, Any]) -> bytes:
    """The solution, or the picture with these options of `graphviz_ad.plot`."""
    check_suffix(suffix)
    if suffix == ".html":
        return explanation.to_html(**only(options, ("theme",), suffix)).encode()
    if suffix in SOLUTIONS:
        only(options, (), suffix)
        return (explanation.to_text() if suffix == ".txt" else explanation.to_latex(document=True)).encode()
    render = STILLS[suffix]
    return bytes(render(explanation.plot(**options)))


def check_suffix(suffix: str) -> None:
    """Refuse a suffix that nothing is written for."""
    if suffix not in SOLUTIONS and suffix not in STILLS:
        raise UnknownNameError(
            "format of an explanation", suffix, {*SOLUTIONS, *STILLS}, "The suffix of the file chooses the format."
        )


def only(options: Mapping[str, Any], known: tuple[str, ...], suffix: str) -> Mapping[str, Any]:
    """The options, if text has any use for them."""
    wrong = [name for name in options if name not in known]
    if wrong:
        raise OptionError(
            f"{wrong[0]}={options[wrong[0]]!r} is an option of a picture, and {suffix} is none here; leave it out, or"
            " save as .svg or .png"
        )
    return options


def save(explanation: Explanation, path: Destination, format: str | None, options: Mapping[str, Any]) -> Path | None:  # noqa: A002 - as callers name it
    """Write the solution or the picture; the file is the old one or the whole new one."""
    return put(path, rendered(explanation, suffix_for(path, format), options))
