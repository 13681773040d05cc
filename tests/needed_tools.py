"""The name of a tool -> where it is; a test that needs one which is not here is skipped, counted, and fails where
all are required.

As a program, it prints the Debian packages of the programs that are not here.
"""

from __future__ import annotations

import importlib
import shutil
import subprocess
from typing import Any

import pytest

PROGRAMS = {  # what a test asks for -> (its commands, the first that is there is taken; the Debian package)
    "cc": (("cc", "gcc", "clang"), "build-essential"),  # with the headers of C, which gcc alone has not
    "chromium": (("chromium", "chromium-browser", "google-chrome"), "chromium"),
    "dot": (("dot",), "graphviz"),
    "libreoffice": (("soffice", "libreoffice"), "libreoffice-impress"),
    "lualatex": (("lualatex",), "texlive-luatex"),
    "pandoc": (("pandoc",), "pandoc"),
    "pdflatex": (("pdflatex",), "texlive-latex-base"),
    "pdftoppm": (("pdftoppm",), "poppler-utils"),
    "pdftotext": (("pdftotext",), "poppler-utils"),
    "pyright": (("pyright",), "npm"),  # which then installs it: see .ci/run
}
STYLES = {  # what a LaTeX file is given for -> its Debian package
    "animate.sty": "texlive-latex-extra",
    "article.cls": "texlive-latex-base",
    "beamer.cls": "texlive-latex-recommended",
    "tikz.sty": "texlive-pictures",
}


class ToolMissing(pytest.skip.Exception):
    """Skips a test, and says for want of which tool."""

    def __init__(self, tool: str) -> None:
        super().__init__(f"needs {tool}", allow_module_level=True)
        self.tool = tool


def needs_tool(name: str) -> str:
    """The path of a program of the table; skips where there is none."""
    found = _program(name)
    if found is None:
        raise ToolMissing(name)
    return found


def needs_style(name: str) -> None:
    """Skip where LaTeX has no such file."""
    if not _has_style(name):
        raise ToolMissing(name)


def needs_package(name: str) -> Any:
    """The module of a Python package that only some parts of the project need; skips where there is none."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ToolMissing(name) from None


def _program(name: str) -> str | None:
    return next(filter(None, map(shutil.which, PROGRAMS[name][0])), None)


def _has_style(name: str) -> bool:
    finder = shutil.which("kpsewhich")
    return finder is not None and bool(subprocess.run([finder, name], capture_output=True, check=False).stdout.strip())


def missing_packages() -> list[str]:
    """The Debian packages of everything in the tables that is not here."""
    wanted = [package for name, (_, package) in PROGRAMS.items() if _program(name) is None]
    wanted += [package for name, package in STYLES.items() if not _has_style(name)]
    return sorted(set(wanted))


if __name__ == "__main__":
    print(*missing_packages())
