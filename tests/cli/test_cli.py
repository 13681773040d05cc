"""What is typed in a terminal: exit codes, where output goes, and that nothing is left behind when it goes wrong."""

from __future__ import annotations

import inspect
import io
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import ExpressionError, TargetError
from graphviz_ad._internal.cli import commands as cli
from graphviz_ad._internal.cli.commands import main
from graphviz_ad._internal.cli.flags import FLAGS
from graphviz_ad._internal.cli.targets import load

SEED = "(1+sin(x2))/(x2+exp(x1)) + x1*x2"
LESSON = """
import torch
from torch import nn

NUMBER = 3

def good(x, a=2.0):
    y = a * x
    return y

def bad(x):
    y = x * 2
    return y.no_such_method()

def leaves():
    raise SystemExit(5)

def any_names(**inputs):
    return inputs["x"] * inputs["y"]

def training(w, output=1.0, n=1):
    y = sum(w * output for _ in range(n))
    return {"loss": y * y, "logits": y}

class Lesson:
    @staticmethod
    def inner(x):
        return torch.sin(x)

net = nn.Linear(2, 1)
"""


@pytest.fixture
def lesson(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "lesson_of_today.py"
    path.write_text(LESSON)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "lesson_of_today", raising=False)
    return path


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"lesson_of_today.py", "__pycache__"}


# --- what works

WORKS = {
    "formula": ["plot", SEED, "x1=1.5", "x2=0.5", "-o", "f.svg"],
    "statements": ["plot", "c=a+b; d=b+1; e=c*d", "a=2", "b=1", "-o", "f.dot"],
    "vector": ["plot", "sum(v*v)", "v=[1,2,3]", "-o", "f.json"],
    "names of constants": ["plot", "e*pi", "e=2", "pi=3", "-o", "f.svg"],
    "options": [
        "plot",
        "x*x",
        "x=3",
        "-o",
        "f.svg",
        "--theme",
        "dark",
        "--layout",
        "layered",
        "--direction",
        "TB",
        "--wrt",
        "x",
        "--no-local",
    ],
    "function of a file": ["plot", "lesson_of_today.py:good", "x=1", "-o", "f.svg"],
    "function with a default": ["plot", "lesson_of_today.py:good", "x=1", "a=5", "-o", "f.svg"],
    "function in a class": ["plot", "lesson_of_today.py:Lesson.inner", "x=1", "-o", "f.svg"],
    "any names": ["plot", "lesson_of_today.py:any_names", "x=1", "y=2", "-o", "f.svg"],
    "function of a module": ["plot", "torch:sigmoid", "input=1", "-o", "f.svg"],
    "film": ["animate", "x*x", "x=3", "-o", "f.html", "--direction", "backward", "--speed", "2"],
    "options of a film": (
        [
            "animate",
            "2*x*y",
            "x=3",
            "y=2",
            "-o",
            "f.gif",
            "--flow",
            "TB",
            "--steps",
            "edge",
            "--depth",
            "1",
            "--loop",
            "1",
            "--scale",
            "0.5",
            "--transforms",
            "hide_constants",
        ]
    ),
    "paths as a film": ["animate", "x*x", "x=3", "-o", "f.svg", "--wrt", "x", "--loop", "2"],
    "forward mode as a film": [
        "animate",
        "x*y",
        "x=3",
        "y=1",
        "-o",
        "f.txt",
        "--tangents",
        "x=1",
        "--tangents",
        "y=0.5",
    ],
    "a path to one result": ["plot", "y=x*x; z=y*x", "x=3", "-o", "f.svg", "--wrt", "x", "--of", "y", "--no-with-all"],
    "gif": ["animate", "x*x", "x=3", "-o", "f.gif", "--direction", "forward", "--layout", "layered"],
}


@pytest.mark.parametrize("name", WORKS)
def test_it_writes_the_file_that_was_named_and_says_so(
    name: str, lesson: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(WORKS[name]) == 0
    (written,) = files(lesson.parent)
    assert written == WORKS[name][WORKS[name].index("-o") + 1]
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"wrote {written} (")


def test_a_still_goes_to_standard_output(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["plot", "x*x", "x=3", "-o", "-"]) == 0
    said = capsysbinary.readouterr()
    assert said.out.startswith(b"<?xml") or said.out.startswith(b"<svg")
    assert said.err == b""
    assert main(["plot", "x*x", "x=3", "-o", "-", "--format", "png"]) == 0
    assert capsysbinary.readouterr().out.startswith(b"\x89PNG")
    assert main(["plot", "x*x", "x=3", "-o", "-", "--format", ".dot"]) == 0
    assert b"digraph" in capsysbinary.readouterr().out


def test_a_film_goes_to_standard_output(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["animate", "x*x", "x=3", "-o", "-", "--direction", "forward"]) == 0
    assert capsysbinary.readouterr().out.startswith(b"GIF89a")


def test_an_explanation_is_text_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", SEED, "x1=1.5", "x2=0.5", "--wrt", "x2"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("df/dx₂: the sum over 3 paths\n")
    assert "A + B + C = 0.176162 − 0.059613 + 1.5 = 1.616549" in out
    assert main(["explain", SEED, "x1=1.5", "x2=0.5"]) == 0
    both = capsys.readouterr().out
    assert both.count("The paths are added") == 2
    assert out in both


@pytest.mark.parametrize(
    ("suffix", "start"),
    [
        ("txt", "df/dx₂".encode()),
        ("tex", b"\\documentclass"),
        ("html", b"<!doctype"),
        ("svg", b"<?xml"),
        ("png", b"\x89PNG"),
    ],
)
def test_an_explanation_goes_to_the_file_that_was_named(
    suffix: str, start: bytes, lesson: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del lesson
    assert main(["explain", SEED, "x1=1.5", "x2=0.5", "--wrt", "x2", "-o", f"why.{suffix}"]) == 0
    assert Path(f"why.{suffix}").read_bytes().startswith(start)
    assert capsys.readouterr() == ("", f"wrote why.{suffix} ({Path(f'why.{suffix}').stat().st_size / 1000:.0f} kB)\n")


def test_an_explanation_of_a_result_on_the_way_and_in_another_format(
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    arguments = ["explain", "c=a+b; d=b+1; e=c*d", "a=2", "b=1", "--wrt", "b"]
    assert main([*arguments, "--of", "d"]) == 0
    assert b"dd/db = 1\n" in capsysbinary.readouterr().out
    assert main([*arguments, "--format", "tex"]) == 0
    assert rb"\frac{d e}{d b} &= A + B = 2 + 3 = 5" in capsysbinary.readouterr().out
    assert main([*arguments, "--format", "svg", "--theme", "dark"]) == 0
    assert b"#111318" in capsysbinary.readouterr().out


def test_an_explanation_that_disagrees_is_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from graphviz_ad._internal.explain import explanation

    monkeypatch.setattr(explanation, "compared_with_autograd", lambda *_, **__: explanation.Check("paths", 1.0, False))
    assert main(["explain", "x*x", "x=3"]) == 1
    assert "DIFFERS from autograd's gradient" in capsys.readouterr().err


def test_a_check_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", SEED, "x1=1.5", "x2=0.5"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("node")
    assert "NO" not in out


def test_a_check_runs_the_target_again_where_it_is_asked_or_needed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", SEED, "x1=1.5", "x2=0.5", "--numeric"]) == 0
    assert "the target was run again" in capsys.readouterr().out
    file = tmp_path / "lesson.py"
    file.write_text(
        "import torch\n\n\nclass Wrong(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x):\n"
        "        return 2 * x\n\n    @staticmethod\n    def backward(ctx, g):\n        return 4 * g\n\n\n"
        "def f(x):\n    return Wrong.apply(x)\n"
    )
    assert main(["check", f"{file}:f", "x=2"]) == 1
    assert (
        "NOT THE DERIVATIVE: the backward of Wrong (lesson.py:9), called at lesson.py:15: for x it gives twice"
        in capsys.readouterr().out
    )
    assert main(["check", f"{file}:f", "x=2", "--no-numeric"]) == 1  # nothing was examined
    assert "0 of 1 parameters and inputs examined by numbers" in capsys.readouterr().out


def test_a_check_that_fails_is_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from graphviz_ad._internal.check import gradient_check

    monkeypatch.setattr(
        gradient_check,
        "check_gradients",
        lambda graph, **_: gradient_check.Report((gradient_check.Row("n0", "x", 1.0, False),)),
    )
    assert main(["check", "x*x", "x=3"]) == 1
    assert "NO" in capsys.readouterr().out


def test_the_doctor_says_what_is_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("graphviz-ad ")
    assert "stills: .svg" in out
    assert "films:  .svg .gif" in out
    assert "torch" in out


@pytest.mark.parametrize("arguments", [["--help"], ["plot", "--help"], ["--version"]])
def test_help_and_version_are_no_failure(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    assert "graphviz-ad" in capsys.readouterr().out


def flags_of(command: str) -> set[str]:
    (commands,) = (action.choices for action in cli.parser()._actions if isinstance(action.choices, dict))
    return {flag for action in commands[command]._actions for flag in action.option_strings}


@pytest.mark.parametrize(
    ("command", "function"), [("plot", gad.plot), ("animate", gad.animate)], ids=["plot", "animate"]
)
def test_every_option_is_a_flag(command: str, function: Callable[..., Any]) -> None:
    # an Axes cannot be typed
    options = {name for name in inspect.signature(function).parameters if name not in ("graph", "ax")}
    assert {FLAGS.get(name, f"--{name.replace('_', '-')}") for name in options} <= flags_of(command)


def test_help_says_what_python_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["animate", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "2 plays twice as fast, 0.5 half as fast; from 0.01 to 100 times as fast (default 1.0)" in shown
    assert "fold modules below that level" in shown


COMPLETED = {
    "commands": (["graphviz-ad", "pl"], {"plot"}),
    "flags": (["graphviz-ad", "animate", "--st"], {"--steps"}),
    "themes": (["graphviz-ad", "plot", "--theme", "d"], {"dark", "default"}),
    "granularities": (["graphviz-ad", "animate", "--steps", ""], {"edge", "op", "module"}),
    "shells": (["graphviz-ad", "completion", "z"], {"zsh"}),
    "files": (["graphviz-ad", "plot", "less"], {"lesson_of_today.py"}),
}


@pytest.mark.parametrize("name", COMPLETED)
def test_bash_completes(name: str, lesson: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words, expected = COMPLETED[name]
    assert main(["completion", "bash"]) == 0
    ask = (
        f"COMP_WORDS=({' '.join(map(shlex.quote, words))}); COMP_CWORD={len(words) - 1}; _graphviz_ad; printf '%s\n'"
        ' "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", capsys.readouterr().out + ask], capture_output=True, text=True, check=True, cwd=lesson.parent
    )
    assert (set(done.stdout.split()), done.stderr) == (expected, "")


def test_fish_and_zsh_know_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "fish"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for command in ("plot", "animate", "explain", "check", "gallery"):
        for flag in flags_of(command):
            assert flag.startswith("--") is any(
                f"_from {command}'" in line and f" -l {flag[2:]} " in f"{line} " for line in lines
            ), (command, flag)
    assert main(["completion", "zsh"]) == 0
    assert "bashcompinit" in capsys.readouterr().out


# --- wrong use: 2

WRONG = {
    "nothing": ([], "COMMAND"),
    "unknown command": (["draw", "x"], "invalid choice"),
    "no output": (["plot", "x*x", "x=3"], "-o/--output"),
    "unknown option": (["plot", "x*x", "x=3", "-o", "f.svg", "--colour", "red"], "--colour"),
    "unknown suffix": (["plot", "x*x", "x=3", "-o", "f.jpeg"], "no still format named '.jpeg'"),
    "no suffix": (["plot", "x*x", "x=3", "-o", "f"], "no still format named ''"),
    "a film as dot": (
        ["animate", "x*x", "x=3", "-o", "f.dot"],
        ".dot is a picture, which is made by: graphviz-ad plot",
    ),
    "a still as gif": (
        ["plot", "x*x", "x=3", "-o", "f.gif"],
        ".gif is a film, which is made by: graphviz-ad animate … -o f.gif",
    ),
    "unknown format of standard output": (
        ["plot", "x*x", "x=3", "-o", "-", "--format", "bmp"],
        "no still format named '.bmp'",
    ),
    "a theme that is no file": (["plot", "x*x", "x=3", "-o", "f.svg", "--theme", "no.toml"], "cannot read the theme"),
    "unknown theme": (["plot", "x*x", "x=3", "-o", "f.svg", "--theme", "drak"], "did you mean 'dark'?"),
    "unknown layout": (["plot", "x*x", "x=3", "-o", "f.svg", "--layout", "neato"], "no layout named 'neato'"),
    "unknown direction": (["plot", "x*x", "x=3", "-o", "f.svg", "--direction", "RL"], "no direction named 'RL'"),
    "unknown pass": (["animate", "x*x", "x=3", "-o", "f.gif", "--direction", "LR"], "no direction named 'LR'"),
    "unknown leaf": (["plot", "x*x", "x=3", "-o", "f.svg", "--wrt", "y"], "no node named 'y'"),
    "unknown input to explain": (["explain", "x*x", "x=3", "--wrt", "y"], "no node named 'y'"),
    "two inputs in one file": (["explain", "x*y", "x=3", "y=1", "-o", "f.tex"], "name its input with --wrt: x, y"),
    "an explanation as a film": (["explain", "x*x", "x=3", "-o", "f.gif"], "no format of an explanation named '.gif'"),
    "speed 0": (
        ["animate", "x*x", "x=3", "-o", "f.gif", "--speed", "0"],
        "speed=0.0 is no speed; give a number from 0.01 to 100",
    ),
    "speed nan": (["animate", "x*x", "x=3", "-o", "f.gif", "--speed", "nan"], "speed=nan is no speed"),
    "speed 1000": (["animate", "x*x", "x=3", "-o", "f.gif", "--speed", "1000"], "speed=1000.0 is no speed"),
    "depth 0": (
        ["animate", "x*x", "x=3", "-o", "f.gif", "--depth", "0"],
        "depth=0 is no level of modules; give a whole number from 1",
    ),
    "one pass as all": (["animate", "x*x", "x=3", "-o", "f.txt", "--passes"], "only one backward pass was recorded"),
    "two stories": (["animate", "x*x", "x=3", "-o", "f.gif", "--wrt", "x", "--tangents", "x"], "are different stories"),
    "an option without effect": (
        ["plot", "x*x", "x=3", "-o", "f.svg", "--of", "f"],
        "name the input that they come from, too, with wrt=",
    ),
    "an option of a page": (["explain", "x*x", "x=3", "-o", "f.txt", "--theme", "dark"], ".txt is none here"),
    "unknown transform": (
        ["plot", "x*x", "x=3", "-o", "f.svg", "--transforms", "hide_constant"],
        "did you mean 'hide_constants'?",
    ),
    "speed of words": (["animate", "x*x", "x=3", "-o", "f.gif", "--speed", "fast"], "--speed"),
    "depth below 0": (["plot", "x*x", "x=3", "-o", "f.svg", "--depth", "-1"], "depth=-1 is no level of modules"),
    "missing input": (["plot", "a*b", "a=2", "-o", "f.svg"], "needs a value for b; give b=NUMBER"),
    "unknown input": (["plot", "a*a", "a=2", "q=3", "-o", "f.svg"], "has no input named q; its inputs are: a"),
    "input without value": (["plot", "a*a", "a", "-o", "f.svg"], "write an input as name=number"),
    "input that is no number": (["plot", "a*a", "a=two", "-o", "f.svg"], "a"),
    "input given as code": (["plot", "a*a", "a=__import__('os').getpid()", "-o", "f.svg"], "a"),
    "missing file": (["plot", "nowhere.py:f", "-o", "f.svg"], "there is no file 'nowhere.py'"),
    "file without function": (["plot", "lesson_of_today.py", "-o", "f.svg"], "write lesson_of_today.py:FUNCTION"),
    "missing function": (
        ["plot", "lesson_of_today.py:nope", "-o", "f.svg"],
        "it has the functions: any_names, bad, good, leaves, training",
    ),
    "not a function": (["plot", "lesson_of_today.py:NUMBER", "-o", "f.svg"], "is a int, which cannot be called"),
    "missing module": (["plot", "no_such_module:f", "-o", "f.svg"], "there is no module named 'no_such_module'"),
    "unknown output": (
        ["plot", "lesson_of_today.py:good", "x=1", "-o", "f.svg", "--differentiate", "z"],
        "no output named 'z'. Choose from: y",
    ),
    "unknown constant": (["plot", "a*a", "a=2", "-o", "f.svg", "--constant", "b"], "--constant b names no input"),
    "missing input of a function": (["plot", "lesson_of_today.py:good", "-o", "f.svg"], "needs a value for x"),
    "unknown input of a function": (
        ["plot", "lesson_of_today.py:good", "x=1", "z=1", "-o", "f.svg"],
        "no input named z",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_use_is_2_with_a_hint_and_leaves_no_file(
    name: str, lesson: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, hint = WRONG[name]
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert hint in said.err
    assert said.out == ""
    assert "Traceback" not in said.err
    assert files(lesson.parent) == set()


HOSTILE = [
    "__import__('os').system('touch hacked')",
    "().__class__.__bases__",
    "x.__class__",
    "open('hacked', 'w')",
    "exec('1')",
    "lambda: 1",
    "[x for x in (1,)]",
    "x if x else x",
    "f'{x}'",
    "'text'",
    "x; import os",
    "x\nimport os",
    "x = 1",
    "",
    " ",
    "((((",
    "x +",
    "x @ @ x",
    "9**9**9**9",
    "(" * 500 + "x" + ")" * 500,
    "x" + "+x" * 6000,
    "\x00",
    "x\u202e*x",
    "print(x)",
    "sin()",
    "sin(x, x)",
    "sin(x=1)",
    "y := x",
]


@pytest.mark.parametrize("text", HOSTILE, ids=[text[:20] for text in HOSTILE])
def test_a_formula_that_is_not_plain_mathematics_is_wrong_use_and_is_not_run(
    text: str, lesson: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plot", text, "x=1", "-o", "f.svg"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("graphviz-ad: ")
    assert "Traceback" not in said
    assert files(lesson.parent) == set()


# --- work that fails: 1


def test_an_error_of_the_users_function_is_1_with_its_own_traceback_only(
    lesson: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plot", "lesson_of_today.py:bad", "x=1", "-o", "f.svg"]) == 1
    said = capsys.readouterr().err
    assert "no_such_method" in said
    assert 'lesson_of_today.py", line 13, in bad' in said
    assert said.count("File ") == 1
    assert said.rstrip().splitlines()[-1].startswith("graphviz-ad: lesson_of_today.py:bad raised AttributeError: ")
    assert files(lesson.parent) == set()


def test_an_error_while_a_file_is_imported_is_1_with_its_traceback(
    lesson: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (lesson.parent / "broken_lesson.py").write_text("x = 1 / 0\n")
    assert main(["plot", "broken_lesson.py:f", "-o", "f.svg"]) == 1
    said = capsys.readouterr().err
    assert 'broken_lesson.py", line 1' in said
    assert "ZeroDivisionError" in said


def test_a_syntax_error_of_a_file_is_1(lesson: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (lesson.parent / "unreadable_lesson.py").write_text("def f(:\n")
    assert main(["plot", "unreadable_lesson.py:f", "-o", "f.svg"]) == 1
    assert "SyntaxError" in capsys.readouterr().err


def test_a_program_that_exits_does_not_choose_our_exit_code(lesson: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", "lesson_of_today.py:leaves", "-o", "f.svg"]) == 1
    assert "raised SystemExit: 5" in capsys.readouterr().err


def test_a_module_that_misses_another_is_not_called_missing_itself(
    lesson: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (lesson.parent / "needy_lesson.py").write_text("import no_such_dependency\n")
    monkeypatch.syspath_prepend(lesson.parent)
    assert main(["plot", "needy_lesson:f", "-o", "f.svg"]) == 1
    said = capsys.readouterr().err
    assert "No module named 'no_such_dependency'" in said
    assert "write FILE.py:FUNCTION" not in said


@pytest.mark.parametrize("target", ["no/such/folder/f.svg", "is_a_folder.svg"])
def test_a_place_that_cannot_be_written_is_1_with_a_reason(
    target: str, lesson: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (lesson.parent / "is_a_folder.svg").mkdir()
    assert main(["plot", "x*x", "x=3", "-o", target]) == 1
    assert "graphviz-ad: cannot" in capsys.readouterr().err
    assert files(lesson.parent) == {"is_a_folder.svg"}


def test_a_program_without_a_gradient_is_1(lesson: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (lesson.parent / "numbers_only.py").write_text("def f(x):\n    return 3\n")
    assert main(["plot", "numbers_only.py:f", "x=1", "-o", "f.svg"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("graphviz-ad: ")
    assert "Traceback" not in said


def test_an_interrupt_is_130_and_leaves_nothing(
    lesson: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setitem(cli.COMMANDS, "plot", interrupted)
    assert main(["plot", "x*x", "x=3", "-o", "f.svg"]) == 130
    assert capsys.readouterr().err == "graphviz-ad: interrupted; nothing was written\n"
    assert files(lesson.parent) == set()


def test_bytes_are_not_poured_into_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(["plot", "x*x", "x=3", "-o", "-", "--format", "png"]) == 2
    assert "is not text" in capsys.readouterr().err
    assert main(["plot", "x*x", "x=3", "-o", "-"]) == 0


# --- how the program is run


def test_an_output_is_chosen_and_a_number_stays_one(lesson: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ["explain", "lesson_of_today.py:training", "w=1.5", "output=2", "n=3", "--constant", "n", "--wrt", "w"]
    for arguments, gradient in (([], "108"), (["--differentiate", "logits"], "6")):
        assert main([*run, *arguments]) == 0
        assert f"= {gradient}" in capsys.readouterr().out
    assert main(["plot", "output*n", "output=2", "n=3", "-o", "f.svg"]) == 0  # inputs are called whatever they are


def test_a_number_that_was_made_a_tensor_is_named(lesson: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "lesson_of_today.py:training", "w=1.5", "n=3"]) == 1
    assert "n (3) was made a tensor" in capsys.readouterr().err


# --- targets


def test_a_formula_gets_its_inputs_as_named() -> None:
    target, inputs = load("q=x+y; q*z", ["x=-2", "y=5", "z=-4"])
    assert inputs == {"x": -2.0, "y": 5.0, "z": -4.0}
    assert callable(target)


@pytest.mark.parametrize(
    ("target", "error"),
    [("a b", ExpressionError), ("nowhere.py:f", TargetError), ("m:f:g", ExpressionError), (":f", ExpressionError)],
)
def test_a_target_that_is_none_of_the_three_is_refused(target: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        load(target, [])


def test_a_file_finds_its_neighbours_as_python_would(lesson: Path) -> None:
    (lesson.parent / "neighbour_of_today.py").write_text("def twice(x):\n    return 2 * x\n")
    (lesson.parent / "asks_neighbour.py").write_text("from neighbour_of_today import twice\n")
    target, _ = load("asks_neighbour.py:twice", ["x=1"])
    assert target(3) == 6


# --- real processes


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "graphviz_ad", *arguments], capture_output=True, timeout=600, **options
    )  # type: ignore[call-overload, no-any-return]


def test_the_version_comes_without_anything_that_is_slow_to_import() -> None:
    done = run("--version", env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"})
    assert done.returncode == 0
    assert done.stdout.startswith(b"graphviz-ad 0.")
    loaded = {line.rpartition(b"|")[2].strip().partition(b".")[0] for line in done.stderr.splitlines()}
    assert b"graphviz_ad" in loaded
    assert not loaded & {b"torch", b"matplotlib", b"networkx", b"PIL", b"wasmtime", b"fontTools", b"sympy"}


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    code = (
        "import sys; from graphviz_ad._internal.cli.commands import main; sys.exit(main(['plot', 'x*x', 'x=3', '-o',"
        " '-', '--layout', 'layered']))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        said = process.stderr.read()
    assert process.wait(60) == 1
    assert said == b""
