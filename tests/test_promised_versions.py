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
from pinned import pinned

from graphviz_ad._internal.tracing.tape.torch_version import OLDEST, TESTED, is_tested

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DEVELOPERS_OWN = {"mypy", "ruff"}  # tools, of which no test needs a certain version
OF_THEIR_TIME = {"pyparsing"}  # what the lowest versions need besides


def lower_bounds() -> dict[str, str]:
    wanted = [
        *PROJECT["dependencies"],
        *(line for extra in PROJECT["optional-dependencies"].values() for line in extra),
    ]
    found = [re.match(r"([\w-]+)[=>]=([\d.]+)", line) for line in wanted]
    return {match[1]: match[2] for match in found if match is not None}


def numbers(version: str) -> list[int]:
    parts = [int(part) for part in version.split(".")]
    return parts + [0] * (3 - len(parts))


def test_the_lowest_versions_are_those_that_are_promised() -> None:
    lowest = pinned("constraints-lowest.txt")
    bounds = {name: bound for name, bound in lower_bounds().items() if name not in DEVELOPERS_OWN}
    assert lowest.keys() - OF_THEIR_TIME == bounds.keys()
    above = {
        name: version
        for name, version in lowest.items()
        if name in bounds and not f"{version}.0.0".startswith(f"{bounds[name]}.")
    }
    assert above == {}


def test_the_oldest_and_the_newest_torch_are_tested() -> None:
    assert numbers(TESTED[-1])[:2] == list(OLDEST)
    assert sorted(TESTED, key=numbers, reverse=True) == list(TESTED)
    assert pinned("constraints.txt")["torch"] in TESTED


def test_this_python_is_among_those_that_are_promised_and_there_is_none_between() -> None:
    said = [
        line.rpartition(" ")[2]
        for line in PROJECT["classifiers"]
        if line.startswith("Programming Language :: Python :: 3.")
    ]
    first = int(PROJECT["requires-python"].removeprefix(">=3."))
    assert said == [f"3.{first + n}" for n in range(len(said))]
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in said


VERSIONS = [
    ("2.13.0", True),
    ("2.13.0+cpu", True),
    ("2.13.1", False),
    ("2.15.0a0+git1234", False),
    ("2.6", False),
    ("unknown", False),
]


@pytest.mark.parametrize(("version", "tested"), VERSIONS, ids=[version for version, _ in VERSIONS])
def test_a_version_is_known_by_its_numbers(version: str, tested: bool) -> None:
    assert is_tested(version) == tested


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
</testsuite></testsuites>"""  # noqa: E501


def test_the_table_counts_each_test_once_and_names_what_failed(script: Any) -> None:
    outcome = script.counted(ElementTree.fromstring(REPORT), ["2.9.1", "3.11.7", "2.4.6"])
    assert script.row(outcome) == "| 2.9.1 | 3.11.7 | 2.4.6 | 1 | 2 | 1 |  |"
    page = script.table([outcome, script.Outcome("9.9.9", trouble="could not be set up: no such version")], [])
    assert page.endswith("## Failed on 2.9.1\n\n- `tests.test_a::test_four`\n- `tests.test_a::test_two`\n")
    assert "| 9.9.9 | ? | ? | could not be set up: no such version | | |  |\n" in page
    assert "all tests" in page
    assert "only `tests/test_a.py`" in script.table([], ["tests/test_a.py"])


def test_rows_of_versions_that_are_not_run_stay_and_say_of_which_commit_they_are(script: Any, tmp_path: Path) -> None:
    old, new = (script.Outcome(version, passed=3, commit="aaa1111") for version in ("2.6.0+cu124", "2.14.1+cu130"))
    page = tmp_path / "versions.md"
    page.write_text(script.table([old, new], []), "utf-8")
    again = script.Outcome("2.6.0+cu124", passed=4, commit="bbb2222")
    page.write_text(script.table([again], [], script.rows_of(page)), "utf-8")
    assert script.rows_of(page) == [script.row(new), script.row(again)]


def test_the_script_runs_what_it_is_told_on_the_interpreter_that_it_is_given(
    script: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = torch.__version__.partition("+")[0]
    page = tmp_path / "versions.md"
    only = "tests/test_promised_versions.py::test_a_version_is_known_by_its_numbers"
    assert script.main([here, "--python", f"{here}={sys.executable}", "--only", only, "--output", str(page)]) == 0
    assert f"| {len(VERSIONS)} | 0 | 0 | " in capsys.readouterr().out
    assert f"| {torch.__version__} |" in page.read_text("utf-8")
    assert script.main(["0.0.1", "--python", f"0.0.1={sys.executable}", "--output", str(page)]) == 1
    assert f"{sys.executable} has torch {torch.__version__}" in page.read_text("utf-8")
    with pytest.raises(SystemExit):
        script.main(["--python", "2.6.0"])
    assert "write it as 2.14.1=/path/to/python" in capsys.readouterr().err
