"""C source -> the compiled statistics that lie beside it, where there is a C compiler.

    python tools/compile_one_pass.py

`pip install` does the same, by hatch_build.py; this is for a checkout that is used without being installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "graphviz_ad" / "_internal" / "tracing" / "tape" / "one_pass.c"
# no sum may be made in another order than is written, and no product be fused with a sum
FLAGS = ("-O3", "-ffp-contract=off", "-shared", "-fPIC", "-pthread")
SECONDS = 120


def built_beside(source: Path) -> Path:
    """Where the package looks for what was compiled."""
    return source.with_suffix(".compiled")


def compiled_into(folder: Path) -> Path | None:
    """What was compiled; None where it cannot be, and then nothing lies there."""
    built = folder / built_beside(SOURCE).name
    built.unlink(missing_ok=True)
    compiler = next((found for name in (os.environ.get("CC"), "cc", "gcc", "clang") if (found := found_as(name))), None)
    if compiler is None or sys.platform == "win32":
        return None
    try:
        subprocess.run(
            [compiler, *FLAGS, "-o", str(built), str(SOURCE)], check=True, capture_output=True, timeout=SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        built.unlink(missing_ok=True)
        return None
    return built


def found_as(name: str | None) -> str | None:
    """The program of this name, if there is one."""
    return shutil.which(name) if name else None


if __name__ == "__main__":
    print(compiled_into(SOURCE.parent) or "no C compiler, or one that fails: numpy computes the same numbers")
