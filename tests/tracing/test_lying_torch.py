"""A torch whose private things are broken, each in turn: always a notice or the same result, never a wrong number,
never a missing one without a word.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each lie is told to a forked process")
# compared one by one
BY_NUMBERS = {"numbers", "values", "gradients", "local derivatives", "what flows back", "gradients of inputs", "result"}
UNKNOWN = "-"
Numbers = dict[str, Counter[str]]  # what it is of, whichever of several of the same name -> the numbers


@cache
def answers() -> dict[tuple[str, str], Any]:
    """What is shown for each lie, the honest torch first."""
    root = Path(__file__).parents[2]
    program = root / "tests" / "lying_torch.py"
    done = subprocess.run(
        [sys.executable, str(program)],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")]),
        },
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {(answer["name"], answer["how"]): answer for answer in found}


def by_kind(shown: Any) -> Numbers:
    found: Numbers = {}
    for one_pass in shown["numbers"]:
        for what, number in one_pass:
            found.setdefault(re.sub(r" #\d+", "", what), Counter())[number] += 1
    return found


def problems(honest: Any, shown: Any) -> list[str]:
    """What is wrong, or missing without a word, of one program."""
    if "raised" in shown:
        return [f"raised {shown['raised']}"]
    found = list(shown["unsound"])
    right, here = by_kind(honest), by_kind(shown)
    for what, numbers in here.items():
        known = right.get(what, Counter([UNKNOWN]))
        wrong = [
            number
            for number in numbers
            if number not in known and UNKNOWN not in known and number != UNKNOWN and not number.startswith("?")
        ]
        found += [f"{what}: {number} instead of {', '.join(right[what])}" for number in wrong]
    if shown["effect"] != honest["effect"] and not told(honest, shown):
        found.append(f"the program did {shown['effect']} instead of {honest['effect']}")
    return found + ([] if told(honest, shown) else silent(honest, shown, right, here))


def told(honest: Any, shown: Any) -> bool:
    return not set(shown["notices"]) <= set(honest["notices"])


def silent(honest: Any, shown: Any, right: Numbers, here: Numbers) -> list[str]:
    """What is missing or different, and nobody says so."""
    found = []
    for what, numbers in right.items():
        missing = Counter({number: count for number, count in numbers.items() if number != UNKNOWN}) - here.get(
            what, Counter()
        )
        said = sum(count for number, count in here.get(what, Counter()).items() if number.startswith("?"))
        if missing.total() > said:
            found.append(f"{what}: {', '.join(missing)} is missing without a word")
    aspects = [
        aspect
        for aspect in honest
        if aspect not in {*BY_NUMBERS, "notices", "effect", "unsound", "where"} and shown[aspect] != honest[aspect]
    ]
    return found + [
        f"{a}: {shown[a]} instead of {honest[a]}, without a word"
        for a in aspects
        if a != "memory" or "at least" not in shown[a]
    ]


def test_an_honest_torch_is_believed() -> None:
    honest = answers()["", ""]
    assert len(honest["asked"]) > 15
    for name, shown in honest["programs"].items():
        assert "raised" not in shown, (name, shown)
        assert shown["unsound"] == [], name
        assert not [
            notice
            for notice in shown["notices"]
            if "none of the versions" in notice or "could not be recorded" in notice
        ]


def test_no_lie_goes_unnoticed_or_makes_a_number_wrong() -> None:
    honest = answers()["", ""]["programs"]
    found = []
    for (name, how), answer in answers().items():
        if "failed" in answer:
            found.append(f"{name} {how}: {answer['failed'].splitlines()[-1]}")
            continue
        found += [
            f"{name} {how}, {program}: {problem}"
            for program, shown in answer["programs"].items()
            for problem in problems(honest[program], shown)
        ]
    assert found == []


def report() -> None:
    """For people: each lie and what was wrong with it."""
    honest = answers()["", ""]["programs"]
    for (name, how), answer in answers().items():
        wrong = [
            f"{program}: {problem}"
            for program, shown in answer.get("programs", {}).items()
            for problem in problems(honest[program], shown)
        ]
        print("bad" if wrong or "failed" in answer else "ok ", name, how, answer.get("failed", ""))
        for line in wrong[:6]:
            print("       ", line[:300])


if __name__ == "__main__":
    report()
