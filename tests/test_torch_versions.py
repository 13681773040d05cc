"""What is promised of versions is written once: the bounds, the versions that are tested on, and the table of them."""

from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest
import torch

from graphviz_ad.tracing.torch_versions import OLDEST, TESTED, is_tested, is_too_old

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DEVELOPERS_OWN = {"mypy", "ruff"}  # tools, of which no test needs a certain version


def pinned(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text("utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def lower_bounds() -> dict[str, str]:
    wanted = [*PROJECT["dependencies"], *(line for extra in PROJECT["optional-dependencies"].values() for line in extra)]
    found = [re.match(r"([\w-]+)[=>]=([\d.]+)", line) for line in wanted]
    return {match[1]: match[2] for match in found if match is not None}


def numbers(version: str) -> list[int]:
    parts = [int(part) for part in version.split(".")]
    return parts + [0] * (3 - len(parts))


def test_the_lowest_versions_are_those_that_are_promised() -> None:
    lowest = pinned("constraints-lowest.txt")
    bounds = {name: bound for name, bound in lower_bounds().items() if name not in DEVELOPERS_OWN}
    assert lowest.keys() == bounds.keys()
    above = {name: version for name, version in lowest.items() if not f"{version}.0.0".startswith(f"{bounds[name]}.")}
    assert above == {}


def test_the_oldest_torch_is_the_one_that_is_promised() -> None:
    assert lower_bounds()["torch"] == OLDEST
    assert numbers(TESTED[-1])[:2] == numbers(OLDEST)[:2]
    assert sorted(TESTED, key=numbers, reverse=True) == list(TESTED)
    assert pinned("constraints.txt")["torch"] in TESTED


def test_python_is_promised_as_far_as_it_was_tried() -> None:
    tried = {f"{sys.version_info.major}.{sys.version_info.minor}", PROJECT["requires-python"].removeprefix(">=")}
    said = {line.rpartition(" ")[2] for line in PROJECT["classifiers"] if line.startswith("Programming Language :: Python :: 3.")}
    assert said <= tried


VERSIONS = [("2.13.0", True, False), ("2.13.0+cpu", True, False), ("2.13.1", False, False), ("2.5.1", False, True), ("1.13.0", False, True)]
VERSIONS += [("2.10.0", False, False), ("2.15.0a0+git1234", False, False), ("unknown", False, False)]


@pytest.mark.parametrize(("version", "tested", "too_old"), VERSIONS, ids=[version for version, _, _ in VERSIONS])
def test_a_version_is_known_by_its_numbers(version: str, tested: bool, too_old: bool) -> None:
    assert (is_tested(version), is_too_old(version)) == (tested, too_old)


# --- the script that makes the table


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("torch_versions_script", ROOT / "tools" / "torch_versions.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["torch_versions_script"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REPORT = """<testsuites><testsuite>
<testcase classname="tests.test_a" name="test_one" />
<testcase classname="tests.test_a" name="test_two"><failure message="no">no</failure><error message="no">no</error></testcase>
<testcase classname="tests.test_a" name="test_three"><skipped message="needs a browser" /></testcase>
<testcase classname="tests.test_a" name="test_four"><error message="no">no</error></testcase>
</testsuite></testsuites>"""


def test_the_table_counts_each_test_once_and_names_what_failed(script: Any) -> None:
    outcome = script.counted(ElementTree.fromstring(REPORT), ["2.9.1", "3.11.7", "2.4.6"])
    assert script.row(outcome) == "| 2.9.1 | 3.11.7 | 2.4.6 | 1 | 2 | 1 |"
    page = script.table([outcome, script.Outcome("9.9.9", trouble="could not be set up: no such version")], [])
    assert page.endswith("## Failed on 2.9.1\n\n- `tests.test_a::test_four`\n- `tests.test_a::test_two`\n")
    assert "| 9.9.9 | ? | ? | could not be set up: no such version | | |\n" in page
    assert "all tests" in page
    assert "only `tests/test_a.py`" in script.table([], ["tests/test_a.py"])


def test_the_script_runs_what_it_is_told_on_the_interpreter_that_it_is_given(script: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = torch.__version__.partition("+")[0]
    page = tmp_path / "versions.md"
    only = "tests/test_torch_versions.py::test_a_version_is_known_by_its_numbers"
    assert script.main([here, "--python", f"{here}={sys.executable}", "--only", only, "--output", str(page)]) == 0
    assert f"| {len(VERSIONS)} | 0 | 0 |" in capsys.readouterr().out
    assert f"| {torch.__version__} |" in page.read_text("utf-8")
    assert script.main(["0.0.1", "--python", f"0.0.1={sys.executable}", "--output", str(page)]) == 1
    assert f"{sys.executable} has torch {torch.__version__}" in page.read_text("utf-8")
    with pytest.raises(SystemExit):
        script.main(["--python", "2.6.0"])
    assert "write it as 2.14.1=/path/to/python" in capsys.readouterr().err
