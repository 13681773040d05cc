"""The command line: arguments -> calls of the public interface.

Exit codes: 0 done, 1 the work failed, 2 wrong use. Pictures go to the file or, with ``-o -``, to standard output; talk goes to
standard error.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from graphviz_ad.errors import ExpressionError, GraphvizADError, TargetError, UnknownNameError

WRONG_USE = (ExpressionError, TargetError, UnknownNameError)
NOT_TEXT = (".png", ".pdf", ".gif")
EXAMPLES = """examples:
  graphviz-ad plot "(1+sin(x2))/(x2+exp(x1)) + x1*x2" x1=1.5 x2=0.5 -o f.svg
  graphviz-ad animate "c=a+b; d=b+1; e=c*d" a=2 b=1 -o film.gif
  graphviz-ad plot lesson.py:func x=2 a=3 c=4 -o func.png --theme dark

A target is a formula, which is parsed and never executed as Python, or FILE.py:FUNCTION or MODULE:FUNCTION, whose file is run as python
would run it. Inputs are numbers or lists of numbers."""


def parser() -> argparse.ArgumentParser:
    """The arguments of all commands."""
    from graphviz_ad import __version__

    top = argparse.ArgumentParser(
        "graphviz-ad", description="See automatic differentiation.", epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("--version", action="version", version=f"graphviz-ad {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    plot = _command(commands, "plot", "draw a graph: .svg .png .pdf .dot .html .json")
    plot.add_argument("--direction", default=None, help="LR (left to right) or TB (top to bottom)")
    plot.add_argument("--wrt", default=None, metavar="NAME", help="colour the chain-rule paths to this input")
    plot.add_argument("--no-values", dest="values", action="store_false", help="without forward values")
    plot.add_argument("--no-gradients", dest="gradients", action="store_false", help="without gradients")
    plot.add_argument("--no-local", dest="local", action="store_false", help="without local derivatives")
    animate = _command(commands, "animate", "film a graph: .gif .html")
    animate.add_argument("--direction", default="both", help="forward, backward or both (default)")
    animate.add_argument("--speed", type=_speed, default=1.0, help="2 plays twice as fast")
    check = commands.add_parser("check", help="compare every gradient with the sum of what flowed along its edges")
    _target(check)
    commands.add_parser("doctor", help="say what is installed and which formats can be made")
    return top


def _command(commands: Any, name: str, what: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(name, help=what, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    _target(made)
    made.add_argument("-o", "--output", required=True, metavar="FILE", help="where to write; the suffix chooses the format; - is standard output")
    made.add_argument("--format", default=None, metavar="SUFFIX", help="format for standard output, such as svg or gif")
    made.add_argument("--theme", default="light", help="light, dark, auto, print or cs231n")
    made.add_argument("--layout", default="auto", help="auto, dot, system-dot or layered")
    made.add_argument("--depth", type=_depth, default=None, help="fold modules below this level")
    return made


def _speed(text: str) -> float:
    speed = float(text)
    if not 0 < speed < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a speed; 2 plays twice as fast, 0.5 half as fast")
    return speed


def _depth(text: str) -> int:
    depth = int(text)
    if depth < 0:
        raise argparse.ArgumentTypeError(f"{text} is not a level of modules; 1 keeps the outermost open, 0 folds all")
    return depth


def _target(command: argparse.ArgumentParser) -> None:
    command.add_argument("target", help="a formula, FILE.py:FUNCTION or MODULE:FUNCTION")
    command.add_argument("inputs", nargs="*", metavar="NAME=VALUE", help="inputs: numbers or lists such as v=[1,2,3]")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as stop:  # argparse has said what is wrong
        return int(stop.code or 0)
    try:
        code = COMMANDS[arguments.command](arguments)
        sys.stdout.flush()  # here, where a reader that has gone can be dealt with
        return code
    except WRONG_USE as error:
        return _fail(f"graphviz-ad: {error}", 2)
    except GraphvizADError as error:
        return _fail(f"graphviz-ad: {error}", 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read has gone; nothing to tell
        return 1
    except KeyboardInterrupt:
        return _fail("graphviz-ad: interrupted; nothing was written", 130)
    except (Exception, SystemExit) as error:  # the user's own program: its traceback is what helps
        traceback.print_exception(type(error), error, _outside(error.__traceback__))
        return _fail(f"graphviz-ad: {getattr(arguments, 'target', arguments.command)} raised {type(error).__name__}: {error}", 1)


def _outside(trace: TracebackType | None) -> TracebackType | None:
    """The part of a traceback that begins in the user's program; all of it where there is no such part."""
    inside = str(Path(__file__).parent)
    step = trace
    while step is not None and (step.tb_frame.f_code.co_filename.startswith((inside, "<frozen importlib"))):
        step = step.tb_next
    return step or trace


def _fail(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code


def _graph(arguments: argparse.Namespace) -> Any:
    from graphviz_ad.api import trace
    from graphviz_ad.cli_targets import load

    target, inputs = load(arguments.target, arguments.inputs)
    return trace(target, **inputs)


def _write(thing: Any, arguments: argparse.Namespace, default: str, formats: Any) -> int:
    if arguments.output == "-":
        suffix = "." + (arguments.format or default).lstrip(".")
        sys.stdout.buffer.write(formats[suffix](thing))
        sys.stdout.buffer.flush()
        return 0
    path = thing.save(arguments.output)
    print(f"wrote {path} ({Path(path).stat().st_size / 1000:.0f} kB)", file=sys.stderr)
    return 0


def _check_format(arguments: argparse.Namespace, formats: Any) -> None:
    """What cannot be written is wrong use, said before any work is done."""
    from graphviz_ad.formats import suffix_of

    if arguments.output != "-":
        formats[suffix_of(arguments.output)]
        return
    suffix = "." + (arguments.format or next(iter(formats))).lstrip(".")
    formats[suffix]
    if sys.stdout.isatty() and suffix in NOT_TEXT:
        raise TargetError(f"{suffix} is not text, and standard output is a terminal; redirect it, or give a file with -o")


def _plot(arguments: argparse.Namespace) -> int:
    from graphviz_ad.api import plot
    from graphviz_ad.formats import STILLS

    _check_format(arguments, STILLS)
    names = ("theme", "layout", "direction", "values", "gradients", "local", "depth", "wrt")
    return _write(plot(_graph(arguments), **{name: getattr(arguments, name) for name in names}), arguments, "svg", STILLS)


def _animate(arguments: argparse.Namespace) -> int:
    from graphviz_ad.api import animate
    from graphviz_ad.formats import FILMS

    _check_format(arguments, FILMS)
    names = ("theme", "layout", "direction", "speed", "depth")
    return _write(animate(_graph(arguments), **{name: getattr(arguments, name) for name in names}), arguments, "gif", FILMS)


def _check(arguments: argparse.Namespace) -> int:
    report = _graph(arguments).check()
    print(report)
    return 0 if report.ok else 1


def _doctor(arguments: argparse.Namespace) -> int:
    from graphviz_ad.doctor import report

    print(report())
    return 0


COMMANDS = {"plot": _plot, "animate": _animate, "check": _check, "doctor": _doctor}
