"""A file is either the old one or the whole new one, and nothing else in its folder changes."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from graphviz_ad._internal.base.errors import SaveError
from graphviz_ad._internal.base.save_file import write


def listing(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_new_file_has_the_bytes_and_its_path_comes_back(tmp_path):
    assert write(str(tmp_path / "a.svg"), b"new") == tmp_path / "a.svg"
    assert listing(tmp_path) == {"a.svg": b"new"}


@pytest.mark.parametrize("name", ["a b.svg", "$(touch x)", "-o", "é漢.png", "a" * 250, "a:b", "g"])
def test_odd_names_are_names(tmp_path, name):
    (tmp_path / "neighbour").write_bytes(b"stays")
    write(tmp_path / name, b"new")
    assert listing(tmp_path) == {"neighbour": b"stays", name: b"new"}


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), MemoryError(), OSError("odd")]
)
@pytest.mark.parametrize("place", ["fsync", "replace", "fdopen", "open"])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, error, place):
    (tmp_path / "a.svg").write_bytes(b"old")

    def fail(*args, **kwargs):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, place, fail)
        with pytest.raises(SaveError if isinstance(error, OSError) else type(error)) as caught:
            write(tmp_path / "a.svg", b"new")
    assert caught.value is error or caught.value.__cause__ is error
    assert listing(tmp_path) == {"a.svg": b"old"}


def test_the_error_says_what_why_and_what_to_do(tmp_path):
    with pytest.raises(
        SaveError, match=r"cannot save '.*nowhere/a.svg': No such file or directory; make the folder first"
    ):
        write(tmp_path / "nowhere" / "a.svg", b"new")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SaveError, match=r"Not a directory; make the folder first"):
        write(tmp_path / "file" / "a.svg", b"new")
    with pytest.raises(SaveError, match=r"it is a folder, not a file; give the name of a file"):
        write(tmp_path, b"new")
    with pytest.raises(SaveError, match=r"File name too long; choose a shorter name"):
        write(tmp_path / ("a" * 300), b"new")
    with pytest.raises(SaveError, match=r"cannot save .*null"):
        write(f"{tmp_path}/a\0b", b"new")
    assert listing(tmp_path) == {"file": b""}


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="no devices here")
def test_a_device_is_never_replaced():
    with pytest.raises(SaveError, match="it is a device"):
        write("/dev/null", b"new")


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(SaveError, match="Permission denied; choose a folder that you may write to"):
        write(tmp_path / "a.svg", b"new")


@pytest.fixture
def small_disk(tmp_path):
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting is not permitted here")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_full_disk_leaves_the_old_file(small_disk):
    write(small_disk / "a.svg", b"old")
    with pytest.raises(SaveError, match="No space left on device; free some space") as caught:
        write(small_disk / "a.svg", b"x" * 100_000)
    assert caught.value.__cause__.errno == errno.ENOSPC
    assert listing(small_disk) == {"a.svg": b"old"}


def test_a_read_only_disk_is_said(small_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(SaveError, match="choose a folder that is not read-only"):
        write(small_disk / "a.svg", b"new")


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_is_replaced_and_its_victim_stays(tmp_path):
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "a.svg").symlink_to("victim")
    (tmp_path / "b.svg").symlink_to("nobody")
    write(tmp_path / "a.svg", b"new")
    write(tmp_path / "b.svg", b"new")
    assert not (tmp_path / "a.svg").is_symlink()
    assert listing(tmp_path) == {"victim": b"precious", "a.svg": b"new", "b.svg": b"new"}


@pytest.mark.skipif(sys.platform == "win32", reason="has no such permissions")
def test_permissions_stay_and_new_files_follow_the_umask(tmp_path):
    write(tmp_path / "a.svg", b"old")
    (tmp_path / "a.svg").chmod(0o640)
    write(tmp_path / "a.svg", b"new")
    old = os.umask(0o027)
    try:
        write(tmp_path / "b.svg", b"new")
    finally:
        os.umask(old)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a.svg", "b.svg")] == [0o640, 0o640]


def test_many_writers_leave_one_whole_version(tmp_path):
    versions = [bytes([65 + i]) * 100_000 for i in range(20)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda data: write(tmp_path / "a.svg", data), versions))
    assert [data in versions for data in listing(tmp_path).values()] == [True]
