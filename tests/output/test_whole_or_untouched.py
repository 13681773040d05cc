"""A full disk, and many writers at once: in every format a file is the old one or the new one, and nothing else is
there.

FUZZ=1 prints the figures of a longer run.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import SaveError
from graphviz_ad._internal.output.format_table import FILMS, FRAMES, GRAPHS, STILLS

resource = pytest.importorskip("resource")  # limits on files

WHOLE = "FUZZ" in os.environ
SMALL = {".gif": 0.1, ".mp4": 0.1, ".webm": 0.1, ".webp": 0.1, ".png": 0.1, "/": 0.1}  # what costs by the pixel

# --- a full disk


@cache
def graph() -> gad.Graph:
    return gad.trace(lambda x, w: (x * w).sin() + w, 0.5, 2.0)


@cache
def film(theme: str) -> gad.Animation:
    whole = graph().animate(theme=theme, layout="layered")
    return replace(whole, film=replace(whole.film, steps=whole.film.steps[:3]))


@cache
def another() -> gad.Graph:
    return gad.trace(lambda x: x * 2, 1.0)


SAVES: dict[str, Callable[[Path, str], Any]] = {
    **{
        f"picture {suffix}": lambda folder, theme, suffix=suffix: (
            graph().plot(theme=theme, layout="layered").save(folder / f"f{suffix}")
        )
        for suffix in STILLS
    },
    **{
        f"sheet {suffix}": lambda folder, theme, suffix=suffix: film(theme).storyboard().save(folder / f"f{suffix}")
        for suffix in FRAMES
    },
    **{
        f"film {suffix}": lambda folder, theme, suffix=suffix: film(theme).save(
            f"{folder}/f{suffix}", **({"scale": SMALL[suffix]} if suffix in SMALL else {})
        )
        for suffix in (*FILMS, "/")
    },
    **{
        f"graph {suffix}": lambda folder, theme, suffix=suffix: (graph() if theme == "light" else another()).save(
            folder / f"f{suffix}"
        )
        for suffix in GRAPHS
    },
    "the whole set": lambda folder, theme: film(theme).save_all(folder / "f"),
}


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file may become larger, as where a disk is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("way", SAVES)
def test_a_full_disk_leaves_old_files_whole_and_no_others(way: str, tmp_path: Path) -> None:
    save = SAVES[way]
    for name in ("new", "old"):
        (tmp_path / name).mkdir()
    save(tmp_path / "new", "light")
    save(tmp_path / "old", "dark")
    new, old = listing(tmp_path / "new"), listing(tmp_path / "old")
    sizes = sorted({len(data) for data in new.values()})
    for size in sizes if WHOLE else {sizes[0], sizes[-1]}:
        with room_for(size - 1), pytest.raises(SaveError, match="File too large; choose another disk"):
            save(tmp_path / "old", "light")
        found = listing(tmp_path / "old")
        assert found.keys() == old.keys()
        assert [name for name, data in found.items() if data not in (old[name], new.get(name))] == []
        if len(new) == 1:
            assert found == old
    for size in (0, sizes[0] - 1):  # and where there was nothing, nothing is
        (tmp_path / f"empty{size}").mkdir()
        with room_for(size), pytest.raises(SaveError):
            save(tmp_path / f"empty{size}", "light")
        found = listing(tmp_path / f"empty{size}")
        assert [name for name, data in found.items() if data != new.get(name)] == []


# --- many writers

WRITER = """
import dataclasses, hashlib, sys, threading
import graphviz_ad as gad

folder, number, threads, suffixes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
graph = gad.Graph.load(folder + "/graph.json")
graphs = [dataclasses.replace(graph, name=f"picture {number} {i}") for i in range(threads)]
pictures = [each.plot(layout="layered") for each in graphs]
own = [p.save(f"{folder}/own/{number}-{i}{suffix}") for suffix in suffixes for i, p in enumerate(pictures)]
print(*(hashlib.sha256(path.read_bytes()).hexdigest() for path in own), flush=True)
sys.stdin.readline()  # until all are ready

def work(picture):
    for suffix in suffixes:
        picture.save(f"{folder}/shared/f{suffix}")

running = [threading.Thread(target=work, args=(picture,)) for picture in pictures]
for thread in running:
    thread.start()
for thread in running:
    thread.join()
"""


def test_writers_in_several_processes_and_threads_leave_one_whole_file_each(tmp_path: Path) -> None:
    processes, threads = 2, 20 if WHOLE else 4
    suffixes = list(STILLS) if WHOLE else [".svg", ".json", ".pdf"]
    for name in ("own", "shared"):
        (tmp_path / name).mkdir()
    graph().save(tmp_path / "graph.json")
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(i), str(threads), *suffixes],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(processes)
    ]
    assert all(process.poll() is None for process in running)
    whole = {digest for process in running for digest in (process.stdout or sys.stdin).readline().split()}
    assert len(whole) >= processes * threads
    seen: Counter[bool] = Counter()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            for path in (tmp_path / "shared").glob("f.*"):
                seen[hashlib.sha256(path.read_bytes()).hexdigest() in whole] += 1
            done.wait(0.001)

    reader = threading.Thread(target=read)
    reader.start()
    codes = [process.communicate("go\n") and process.returncode for process in running]
    done.set()
    reader.join()
    assert codes == [0] * processes
    found = listing(tmp_path / "shared")
    assert found.keys() == {f"f{suffix}" for suffix in suffixes}
    assert [name for name, data in found.items() if hashlib.sha256(data).hexdigest() not in whole] == []
    assert seen[False] == 0
    print(f"{processes} x {threads} writers, {len(suffixes)} suffixes; {seen[True]} reads meanwhile, all whole")
