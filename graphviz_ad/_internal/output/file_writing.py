"""Thing + destination -> a file in one step, or bytes in a file that is open already; the suffix, or ``format=``,
chooses the renderer.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from graphviz_ad._internal.base.argument_types import Destination, shown_value
from graphviz_ad._internal.base.errors import OptionError, SaveError, UnknownNameError
from graphviz_ad._internal.base.needed_packages import named_if_missing
from graphviz_ad._internal.base.registry import Registry
from graphviz_ad._internal.base.save_file import write
from graphviz_ad._internal.output.format_table import FILMS, STILLS, suffix_of

PATHS = (str, os.PathLike)


def suffix_for(destination: Destination, format: str | None = None) -> str:  # noqa: A002 - as callers name it
    """The suffix that chooses: that of ``format``, else that of the path."""
    if format is not None:
        return f".{format.lower().lstrip('.')}"
    if not isinstance(destination, PATHS):
        raise OptionError(
            f"{shown_value(destination)} has no suffix that could choose a format; say which, as in save(file,"
            " format='svg')"
        )
    return suffix_of(os.fspath(destination))


def write_as(
    formats: Registry,
    destination: Destination,
    thing: object,
    format: str | None = None,  # noqa: A002 - as callers name it
    **options: Any,
) -> Path | None:
    """Render a picture or film, and only then touch the file; returns the path."""
    suffix = suffix_for(destination, format)
    refuse_other_kind(formats, suffix)
    renderer: Callable[..., bytes] = formats[suffix]
    if isinstance(destination, PATHS) and not Path(destination).parent.is_dir():  # before the work, not after it
        raise SaveError(
            f"cannot write {str(destination)!r}: the folder {str(Path(destination).parent)!r} does not exist; create it"
            " first"
        )
    return put(destination, render(renderer, thing, suffix, options))


def refuse_other_kind(formats: Registry, suffix: str) -> None:
    """Say what makes a film where the format of one is asked of a picture, and the other way round."""
    other, remedy = (
        (STILLS, "it is that of a picture, which plot() makes.")
        if formats is FILMS
        else (FILMS, "it is that of a film, which animate() makes.")
    )
    if suffix in other and suffix not in formats:
        raise UnknownNameError(formats.kind, suffix, formats, "The suffix of the file chooses the format.", remedy)


def put(destination: Destination, data: bytes) -> Path | None:
    """Write the bytes; returns the path, None for a file that was open."""
    if isinstance(destination, PATHS):
        return write(destination, data)
    try:
        destination.write(data)
    except TypeError as error:
        raise SaveError(
            f"cannot write to {shown_value(destination)}: {error}; give a file that takes bytes, as open(path, 'wb')"
            " and"
            " io.BytesIO() do"
        ) from error
    except BrokenPipeError:  # whoever read has gone; nothing is wrong with the picture
        raise
    except (OSError, ValueError) as error:
        raise SaveError(
            f"cannot write to {shown_value(destination)}: {error}; give a file that is open for writing"
        ) from error
    return None


def render(renderer: Callable[..., Any], thing: object, what: str, options: Mapping[str, Any]) -> Any:
    """What the renderer makes of the thing; options that it does not have are an error."""
    known = list(inspect.signature(renderer).parameters)[1:]
    if wrong := [name for name in options if name not in known]:
        has = f"its options are {', '.join(known)}" if known else "it has none"
        raise OptionError(f"{wrong[0]}={options[wrong[0]]!r} is no option of {what}; {has}")
    with named_if_missing(what):
        return renderer(thing, **options)
