"""Bytes -> a file that is either the old one or the whole new one."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from pathlib import Path

from graphviz_ad._internal.base.errors import SaveError

REMEDIES = {
    errno.ENOENT: "make the folder first, or choose another",
    errno.ENOTDIR: "make the folder first, or choose another",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.EROFS: "choose a folder that is not read-only",
    errno.ENOSPC: "free some space or choose another disk",
    errno.EFBIG: "choose another disk, or ask for a higher limit on the size of files",
    errno.EDQUOT: "free some space or choose another disk",
    errno.ENAMETOOLONG: "choose a shorter name",
}


def write(path: str | os.PathLike[str], data: bytes) -> Path:
    """Put the bytes at the path in one step; whatever interrupts it, the old file stays and nothing else is left.

    A symbolic link is replaced, never written through.
    """
    path = Path(path)
    kind = _kind(path)
    if kind not in ("file", "nothing"):
        raise SaveError(f"cannot save {str(path)!r}: it is a {kind}, not a file; give the name of a file")
    temporary = path.parent / f".graphviz-ad-{secrets.token_hex(8)}.tmp"  # beside it: a rename cannot cross disks
    try:
        _write_new(temporary, data, _permissions(path))
        os.replace(temporary, path)  # noqa: PTH105 - the name that says it is atomic
    except BaseException as error:
        _remove(temporary)
        if isinstance(error, (OSError, ValueError)):  # ValueError: a name that no file can have
            raise explained(path, error) from error
        raise
    return path


def _write_new(path: Path, data: bytes, permissions: int | None) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    with os.fdopen(descriptor, "wb") as file:
        if permissions is not None and hasattr(os, "fchmod"):
            os.fchmod(descriptor, permissions)
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _permissions(path: Path) -> int | None:
    """Those of the file that is there; None where the umask decides."""
    try:
        mode = path.lstat().st_mode
    except (OSError, ValueError):
        return None
    return stat.S_IMODE(mode) & 0o777 if stat.S_ISREG(mode) else None


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except (OSError, ValueError):  # the disk is gone, too; the first error says more
        return


def _kind(path: Path) -> str:
    """What is there, or what a link there points to."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return "nothing"
    return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "device"


def explained(path: Path, error: OSError | ValueError) -> SaveError:
    """The error that says why a file could not be written, and what to do."""
    why = getattr(error, "strerror", None) or str(error)
    remedy = REMEDIES.get(getattr(error, "errno", None) or 0, "choose another place or name")
    return SaveError(f"cannot save {str(path)!r}: {why}; {remedy}. What was there before is untouched.")
