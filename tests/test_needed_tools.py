"""A run of tests says which tools are missing, fails for want of one where all are required, and fails where it
grows too much.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from needed_tools import needs_package

HERE = Path(__file__).parent
WAITS = """
import pytest
from needed_tools import needs_package

@pytest.mark.parametrize("n", [1, 2])
def test_that_waits(n):
    needs_package("a_package_that_nobody_has")

def test_that_runs(): pass
"""


def run(folder: Path, *options: str, required: str = "", most: str = "2000") -> tuple[int, str]:
    """The exit status of a run of three tests and what it prints."""
    settings = (HERE / "conftest.py").read_text("utf-8")
    assert settings.count("MOST_MEMORY = 2000") == 1
    (folder / "conftest.py").write_text(settings.replace("MOST_MEMORY = 2000", f"MOST_MEMORY = {most}"), "utf-8")
    (folder / "needed_tools.py").write_bytes((HERE / "needed_tools.py").read_bytes())
    (folder / "test_of_today.py").write_text(WAITS, "utf-8")
    environment = {**os.environ, "GRAPHVIZ_AD_REQUIRE_TOOLS": required}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(folder)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def processes(count: str) -> list[str]:
    return ["-n", count] if count != "0" and needs_package("xdist") else []


@pytest.mark.parametrize("count", ["0", "2"])
def test_one_line_names_the_tools_that_are_missing_and_a_process_that_grows_too_much_is_a_failure(
    tmp_path: Path, count: str
) -> None:
    status, said = run(tmp_path, *processes(count), most="10")
    assert status == 1
    assert [line for line in said.splitlines() if "MISSING" in line] == [
        "MISSING TOOLS: 2 tests wait for a_package_that_nobody_has (2)"
    ]
    assert "TOO MUCH MEMORY: a process of tests grew to" in said
    assert "1 passed, 2 skipped" in said


def test_what_waits_for_a_tool_is_no_failure(tmp_path: Path) -> None:
    status, said = run(tmp_path)
    assert status == 0
    assert "MISSING TOOLS: 2 tests wait for a_package_that_nobody_has (2)" in said


def test_a_missing_tool_is_a_failure_where_all_are_required(tmp_path: Path) -> None:
    status, said = run(tmp_path, required="1")
    assert status == 1
    assert "2 failed, 1 passed" in said
    assert "a_package_that_nobody_has is not here, and GRAPHVIZ_AD_REQUIRE_TOOLS is set" in said
