"""C source -> the compiled statistics of a wheel, where there is a C compiler; without one it is a wheel of pure Python
that computes the same numbers.

Hatchling runs this when the package is built, `pip install .` included. What is compiled is no extension module: it
is loaded by ctypes and knows nothing of Python, so that one wheel is for all of its versions.
"""

from __future__ import annotations

import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent / "tools"))
from compile_one_pass import SOURCE, built_beside, compiled_into


class CompiledStatistics(BuildHookInterface[Any]):
    """Puts what was compiled into the wheel; of an editable install, beside its source."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before the wheel is made."""
        if self.target_name != "wheel":
            return
        if version == "editable":
            compiled_into(SOURCE.parent)
            return
        built = compiled_into(Path(tempfile.mkdtemp()))
        if built is not None:
            build_data["force_include"][str(built)] = str(built_beside(SOURCE).relative_to(self.root))
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
