"""Versions of torch -> the table of what passes on each, docs/torch_versions.md: the whole suite, one version after
the other. Rows of versions that are not run now stay as they are; each says of which commit it is.

python tools/torch_versions.py                                # the versions that graphviz_ad promises; each is installed into a .venv-… of its own
python tools/torch_versions.py 2.14.1 2.6.0                   # these
python tools/torch_versions.py --python 2.14.1=/opt/t/python  # with an interpreter that has this torch already
python tools/torch_versions.py --only tests/test_api.py --output out/versions.md
"""  # noqa: E501

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from graphviz_ad._internal.base.save_file import write
from graphviz_ad._internal.tracing.tape.torch_version import TESTED

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "docs" / "torch_versions.md"
ASK = (
    "import json, platform, numpy, torch; print(json.dumps([torch.__version__, platform.python_version(),"
    " numpy.__version__]))"
)
NOT_PASSED = ("failure", "error", "skipped")
IN_PROCESSES = ("-n", "auto", "--maxprocesses", "4", "--dist", "loadfile")  # as `make test` does
MOST_NAMED = 20


@dataclass(frozen=True)
class Outcome:
    """What one run of the suite came to; ``trouble`` says why there is none, ``failing`` names the tests that
    failed.
    """

    torch: str
    python: str = "?"
    numpy: str = "?"
    passed: int = 0
    skipped: int = 0
    failing: tuple[str, ...] = ()
    trouble: str = ""
    commit: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print each outcome as it comes, write the table; 0 if everything passed everywhere."""
    options = parsed(arguments)
    interpreters = dict(options.python)
    outcomes, state = [], commit()
    for version in options.versions or list(dict.fromkeys([*TESTED, *interpreters])):
        outcomes.append(outcome := replace(outcome_of(version, interpreters, options.only), commit=state))
        print("\n".join([row(outcome), *failures(outcome)]), flush=True)
    Path(options.output).parent.mkdir(parents=True, exist_ok=True)
    write(options.output, table(outcomes, options.only, rows_of(Path(options.output))).encode())
    return int(any(outcome.failing or outcome.trouble for outcome in outcomes))


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("versions", nargs="*", metavar="VERSION", help=f"default: {' '.join(TESTED)}")
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        type=interpreter,
        metavar="VERSION=PATH",
        help="an interpreter that has this torch",
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="TESTS", help="these tests only; the table says so"
    )
    parser.add_argument("--output", default=str(TABLE), help="default: docs/torch_versions.md")
    return parser.parse_args(arguments)


def interpreter(text: str) -> tuple[str, str]:
    """ "2.14.1=/opt/t/python", taken apart."""
    version, _, path = text.partition("=")
    if not version or not Path(path).is_file():
        raise argparse.ArgumentTypeError(f"{text!r} names no interpreter; write it as 2.14.1=/path/to/python")
    return version, path


def outcome_of(version: str, interpreters: Mapping[str, str], only: Sequence[str]) -> Outcome:
    """What the suite comes to on one version."""
    try:
        python = interpreters.get(version) or installed(version)
        found = json.loads(said([python, "-c", ASK]).splitlines()[-1])
    except (OSError, subprocess.CalledProcessError) as error:
        return Outcome(version, trouble=f"could not be set up: {error}")
    if found[0].partition("+")[0] != version:
        return Outcome(version, *found[1:], trouble=f"{python} has torch {found[0]}")
    return tested(python, found, only)


def installed(version: str) -> str:
    """The interpreter of an environment with this torch, which is made if need be."""
    return str(ROOT / said(["make", "-s", "environment", f"TORCH={version}"]).splitlines()[-1])


def said(command: Sequence[str]) -> str:
    """What a command prints."""
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def tested(python: str, versions: Sequence[str], only: Sequence[str]) -> Outcome:
    """Run the suite with an interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *IN_PROCESSES, f"--junitxml={report}", *only]
        log = Path(folder) / "log.txt"
        with log.open("w") as out:
            code = subprocess.run(
                command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False, stdout=out, stderr=out
            ).returncode
        if not report.exists():
            last = (log.read_text("utf-8", "replace").strip().splitlines() or ["nothing was printed"])[-1]
            return Outcome(*versions, trouble=f"pytest ended with {code}: {last}")
        return counted(ElementTree.parse(report).getroot(), versions)


def counted(report: ElementTree.Element, versions: Sequence[str]) -> Outcome:
    """A report as pytest writes it, in numbers."""
    marks: list[tuple[str, set[Any]]] = []
    for case in report.iter("testcase"):
        marks.append(
            (f"{case.get('classname')}::{case.get('name')}", {part.tag for part in case if part.tag in NOT_PASSED})
        )
    failing = tuple(sorted(name for name, found in marks if found & {"failure", "error"}))
    return Outcome(
        *versions, sum(not found for _, found in marks), sum(found == {"skipped"} for _, found in marks), failing
    )


def table(outcomes: Sequence[Outcome], only: Sequence[str], before: Sequence[str] = ()) -> str:
    """The page; ``before`` are the rows that it had."""
    what = f"only {', '.join(f'`{tests}`' for tests in only)}" if only else "all tests"
    rows = {cells(line)[0]: line for line in [*before, *map(row, outcomes)]}
    lines = [
        "# Versions of torch",
        "",
        f"Made by `python tools/torch_versions.py`, which ran {what} on each of these versions, one after the other.",
        "The continuous integration runs all tests of every commit on the version that constraints.txt pins.",
        "",
        HEAD,
        "|---|---|---|---:|---:|---:|---|",
        *(rows[version] for version in sorted(rows, key=numbers_of, reverse=True)),
    ]
    for outcome in outcomes:
        lines += failures(outcome)
    return "\n".join(lines) + "\n"


HEAD = "| torch | Python | numpy | passed | failed | skipped | commit |"


def rows_of(page: Path) -> list[str]:
    """The rows that a page of this form has."""
    lines = page.read_text("utf-8").splitlines() if page.exists() else []
    return [line for line in lines[lines.index(HEAD) + 2 :] if line.startswith("|")] if HEAD in lines else []


def cells(line: str) -> list[str]:
    """A row, taken apart."""
    return [cell.strip() for cell in line.strip("|").split("|")]


def numbers_of(version: str) -> list[int]:
    """ "2.14.1+cu130" as numbers, to be ordered by."""
    return [int(number) for number in re.findall(r"[0-9]+", version.partition("+")[0])]


def commit() -> str:
    """Which state of the tree was tried."""
    try:
        changed = said(["git", "status", "--porcelain", "--untracked-files=no"])
        return f"{said(['git', 'rev-parse', '--short', 'HEAD'])}" + (" with changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "no commit"


def row(outcome: Outcome) -> str:
    """One line of the table."""
    first = f"| {outcome.torch} | {outcome.python} | {outcome.numpy} |"
    return (
        f"{first} {outcome.trouble} | | | {outcome.commit} |"
        if outcome.trouble
        else f"{first} {outcome.passed} | {len(outcome.failing)} | {outcome.skipped} | {outcome.commit} |"
    )


def failures(outcome: Outcome) -> list[str]:
    """What failed on a version, by name."""
    if not outcome.failing:
        return []
    more = len(outcome.failing) - MOST_NAMED
    named = [f"- `{name}`" for name in outcome.failing[:MOST_NAMED]] + ([f"- and {more} more"] if more > 0 else [])
    return ["", f"## Failed on {outcome.torch}", "", *named]


if __name__ == "__main__":
    sys.exit(main())
