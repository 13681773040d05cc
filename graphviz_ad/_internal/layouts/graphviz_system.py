"""Scene -> placed Scene by the `dot` on PATH, on explicit request only: its places differ between versions and
machines.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess

from graphviz_ad._internal.base.errors import LayoutError, LayoutTimeout
from graphviz_ad._internal.layouts.dot_language import layout_source
from graphviz_ad._internal.layouts.graphviz_output import JSON_FORMAT, read
from graphviz_ad._internal.scene.scene import Scene

STDERR_BYTES = 2000  # how much of a complaint is repeated
REMEDY = "use layout='dot', which needs no installed Graphviz, or layout='layered'"


def place(scene: Scene, *, seconds: float = 60.0) -> Scene:
    """The scene with the places of the installed Graphviz."""
    return read(scene, run(["-T" + JSON_FORMAT], layout_source(scene), seconds=seconds), "system-dot")


def run(options: list[str], source: str, *, seconds: float) -> bytes:
    """What ``dot`` prints for DOT source; it and its children are dead when this returns or raises."""
    program = shutil.which("dot")
    if program is None:
        raise LayoutError(
            f"there is no program 'dot' on PATH; install Graphviz (apt, brew or winget install graphviz), or {REMEDY}"
        )
    output, complaint, code = _talk([program, *options], source.encode(), seconds)
    if code != 0 or not output.strip():
        ending = f"ended with exit code {code}" if code >= 0 else f"was killed by signal {-code}"
        words = complaint[:STDERR_BYTES].decode("utf-8", "replace").strip()
        nothing = " and printed nothing" if not output.strip() else ""
        raise LayoutError(f"{program} {ending}{nothing}; {REMEDY}. It said: {words or 'nothing'}")
    return output


def _talk(command: list[str], data: bytes, seconds: float) -> tuple[bytes, bytes, int]:
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
    except OSError as error:
        raise LayoutError(f"{command[0]} cannot be started ({error}); {REMEDY}") from error
    try:
        output, complaint = process.communicate(data, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise LayoutTimeout(f"{command[0]} did not finish within {seconds:g} s; {REMEDY}") from None
    finally:
        _end(process)
    return output, complaint, process.returncode


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the program with its children, if any are left, and close its pipes."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)  # it leads a session of its own
        else:
            process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            with contextlib.suppress(OSError):
                stream.close()
