"""Python's own error for a module that is not there -> ours, which says what to install."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from graphviz_ad._internal.base.errors import MissingDependencyError

# first part of a module's name -> what to install to have it; of what is asked for elsewhere, it is said there
PACKAGES: Mapping[str, str] = {
    "fontTools": "fonttools",
    "matplotlib": "matplotlib",
    "networkx": "networkx",
    "PIL": "pillow",
    "sympy": "sympy",
    "torch": "torch",
}


def broken(error: ImportError, module: str) -> str:
    """Why a package that is there cannot be imported; "" where it is not there."""
    return "" if isinstance(error, ModuleNotFoundError) and error.name == module else str(error)


@contextmanager
def named_if_missing(purpose: str, *modules: str) -> Iterator[None]:
    """Where one of these modules is missing, or any that we need if none is named, say so of what is done here; any
    other error is left as it is.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in (modules or PACKAGES):
            raise
        raise MissingDependencyError(PACKAGES[module], "", purpose) from error
