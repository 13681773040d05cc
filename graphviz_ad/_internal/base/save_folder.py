"""Files -> a folder that holds all of them and nothing else, or is as it was before."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path

from graphviz_ad._internal.base.errors import SaveError
from graphviz_ad._internal.base.save_file import explained

OURS = re.compile(r"frame-\d+\.png|frames\.ffconcat|step-\d+\.(?:png|mp4)|step-clips\.json")


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether a path names a folder: one that is there, or one to be made, with a slash at its end."""
    text = os.fspath(path)
    return text.endswith(("/", os.sep)) or os.path.isdir(text)  # noqa: PTH112 - a Path has lost the slash


def write_folder(path: str | os.PathLike[str], files: Iterable[tuple[str, bytes]]) -> Path:
    """Put the files into the folder, in one step; frames of an earlier film in it are replaced, other files are
    never touched.
    """
    path = Path(path)
    refuse_names(path)
    refuse_others(path)
    temporary, old = (path.parent / f".graphviz-ad-{secrets.token_hex(8)}.{kind}" for kind in ("tmp", "old"))
    try:
        temporary.mkdir()
        for name, data in files:
            (temporary / name).write_bytes(data)
        swap(temporary, path, old)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, OSError) and not isinstance(error, SaveError):
            raise explained(path, error) from error
        raise
    shutil.rmtree(old, ignore_errors=True)
    return path


def swap(fresh: Path, path: Path, old: Path) -> None:
    """The new folder in the place of the old one."""
    if path.exists():
        path.rename(old)
    try:
        fresh.rename(path)
    except BaseException:
        if old.exists():
            old.rename(path)
        raise


def refuse_names(path: Path) -> None:
    """Raise if no folder can be called so."""
    try:
        path.lstat()
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise explained(path, error) from error


def refuse_others(path: Path) -> None:
    """Raise if the folder cannot be ours."""
    if not path.parent.is_dir():
        raise SaveError(f"cannot write {str(path)!r}: the folder {str(path.parent)!r} does not exist; create it first")
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise SaveError(f"cannot save frames to {str(path)!r}: it is not a folder of its own; give another name")
    others = sorted(entry.name for entry in path.iterdir() if not OURS.fullmatch(entry.name)) if path.exists() else []
    if others:
        raise SaveError(
            f"cannot save frames to {str(path)!r}: it holds other files, such as {others[0]!r}; give a new folder, such"
            f" as {str(path / 'film')!r}/"
        )
