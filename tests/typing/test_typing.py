"""What type checkers say of a user's program: every right line is inferred, every wrong one is refused, and nothing
else.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from needed_tools import needs_tool

import graphviz_ad

CODE = Path(__file__).parent / "user_code" / "calls.py"
ROOT = Path(graphviz_ad.__file__).parents[1]


def wrong_lines() -> set[int]:
    return {number for number, line in enumerate(CODE.read_text("utf-8").splitlines(), 1) if "# WRONG" in line}


def test_mypy_sees_every_type_and_refuses_every_wrong_call(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        "--no-error-summary",
        f"--cache-dir={tmp_path}",
        str(CODE),
    ]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "MYPYPATH": str(ROOT)})
    refused = {int(number) for number in re.findall(r"calls\.py:(\d+): error:", done.stdout)}
    assert refused == wrong_lines(), done.stdout + done.stderr


def pyright(folder: Path, *included: Path) -> list[dict[str, object]]:
    """What pyright finds in its standard mode."""
    checker = os.environ.get("PYRIGHT") or needs_tool("pyright")
    config = {
        "typeCheckingMode": "standard",
        "pythonVersion": "3.11",
        "include": [path.name for path in included],
        "extraPaths": [str(ROOT)],
    }
    for path in included:
        (shutil.copytree if path.is_dir() else shutil.copy)(path, folder / path.name)
    (folder / "pyrightconfig.json").write_text(json.dumps(config))
    done = subprocess.run(
        [checker, "--outputjson", "--pythonpath", sys.executable, "-p", str(folder)], capture_output=True, text=True
    )
    return [found for found in json.loads(done.stdout)["generalDiagnostics"] if found["severity"] == "error"]


def test_pyright_sees_every_type_and_refuses_every_wrong_call(tmp_path: Path) -> None:
    found = pyright(tmp_path, CODE)
    refused = {each["range"]["start"]["line"] + 1 for each in found}  # type: ignore[index]
    assert refused == wrong_lines(), found


def test_pyright_has_nothing_to_say_of_the_package(tmp_path: Path) -> None:
    assert pyright(tmp_path, ROOT / "graphviz_ad") == []
