"""The command line: arguments -> calls of the public interface.

Exit codes: 0 done, 1 the work failed, 2 wrong use. Pictures go to the file or, with ``-o -``, to standard output; talk
goes to standard error.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from graphviz_ad._internal.base.errors import (
    ExpressionError,
    GraphvizADError,
    OptionError,
    TargetError,
    UnknownNameError,
)
from graphviz_ad._internal.base.own_files import OUR_FOLDER
from graphviz_ad._internal.base.registry import Registry
from graphviz_ad._internal.cli.completion import SHELLS, script
from graphviz_ad._internal.cli.flags import add_flags, chosen
from graphviz_ad._internal.output.call_options import (
    AnimateOptions,
    DiagramOptions,
    DiagramWays,
    ExampleLook,
    ExplanationPicture,
    FilmFile,
    PlotOptions,
    StillFile,
)

if TYPE_CHECKING:
    from graphviz_ad._internal.diagnosis.findings import Diagnosis
    from graphviz_ad._internal.graph.graph import Graph

WRONG_USE = (ExpressionError, OptionError, TargetError, UnknownNameError)
NOT_TEXT = (".png", ".pdf", ".gif", ".pptx", ".mp4", ".webm", ".webp")
EXAMPLES = """examples:
  graphviz-ad plot "(1+sin(x2))/(x2+exp(x1)) + x1*x2" x1=1.5 x2=0.5 -o f.svg
  graphviz-ad animate "c=a+b; d=b+1; e=c*d" a=2 b=1 -o film.gif
  graphviz-ad explain "(1+sin(x2))/(x2+exp(x1)) + x1*x2" x1=1.5 x2=0.5 --wrt x2 -o solution.tex
  graphviz-ad plot lesson.py:func x=2 a=3 c=4 -o func.png --theme dark
  graphviz-ad plot rank0.json rank1.json -o step.svg

A target is a formula, which is parsed and never executed as Python, or FILE.py:FUNCTION or MODULE:FUNCTION, whose file is run as python
would run it. Inputs are numbers or lists of numbers."""  # noqa: E501


def parser() -> argparse.ArgumentParser:
    """The arguments of all commands."""
    from graphviz_ad import __version__

    top = argparse.ArgumentParser(
        "graphviz-ad",
        description="See automatic differentiation.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"graphviz-ad {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (
        _add_drawing,
        _add_diagram,
        _add_explain,
        _add_check,
        _add_diagnose,
        _add_compare,
        _add_gallery,
        _add_small,
    ):
        add(commands)
    return top


def _add_drawing(commands: Any) -> None:
    plot = _drawing(commands, "plot", "draw a graph: .svg .png .pdf .dot .html .json")
    add_flags(plot, PlotOptions)
    add_flags(plot, StillFile, without=("format",))
    films = (
        "film a graph: .gif .mp4 .webm .webp .png .html .svg .pdf .pptx, or a name with / at its end for numbered"
        " frames"
    )
    animate = _drawing(commands, "animate", films)
    add_flags(animate, AnimateOptions)
    add_flags(animate, FilmFile, without=("format",))


def _add_diagram(commands: Any) -> None:
    diagram = _command(
        commands, "diagram", "draw the architecture of a model: .svg .png .pdf .tikz …, or film it: .gif .mp4 …"
    )
    diagram.add_argument(
        "target",
        help=(
            "FILE.py:NAME or MODULE:NAME of an nn.Module, or of a function that returns one, or one with a tuple of its"
            " inputs; a list of them, or a dict by their names, is drawn on one scale"
        ),
    )
    diagram.add_argument(
        "--size",
        action="append",
        default=[],
        metavar="N,N,…",
        help="the shape of an input, which is filled with random numbers; one for each input",
    )
    diagram.add_argument(
        "-o",
        "--output",
        dest="file",
        required=True,
        metavar="FILE",
        help="where to write; the suffix chooses the format; - is standard output",
    )
    diagram.add_argument("--format", default=None, metavar="SUFFIX", help="format for standard output, such as svg")
    diagram.add_argument(
        "--film", action="store_true", help="write the film, where the suffix is that of a picture, too"
    )
    add_flags(diagram, DiagramOptions)
    add_flags(diagram, DiagramWays)
    add_flags(diagram, StillFile, without=("format",))


def _add_explain(commands: Any) -> None:
    explain = _command(commands, "explain", "work out one gradient path by path: .txt .tex .html .svg .png …")
    _target(explain)
    explain.add_argument("--wrt", default=None, metavar="NAME", help="the input, or any variable; default every input")
    explain.add_argument(
        "--of",
        default=None,
        metavar="NAME",
        help="the result that is derived; default what the backward pass starts from",
    )
    explain.add_argument(
        "-o",
        "--output",
        default="-",
        metavar="FILE",
        help="where to write; the suffix chooses the format; default standard output",
    )
    explain.add_argument(
        "--format", default=None, metavar="SUFFIX", help="format for standard output: txt (default), tex, html, svg, …"
    )
    add_flags(explain, ExplanationPicture)


def _add_check(commands: Any) -> None:
    check = _command(
        commands, "check", "compare every gradient with the sums along its edges and with finite differences"
    )
    _target(check)
    check.add_argument(
        "--capture", action="store_true", help="verify how operations and operands were linked to autograd, too"
    )
    check.add_argument(
        "--numeric",
        action=argparse.BooleanOptionalAction,
        default="auto",
        help="run the target again, for finite differences of it and of each custom Function (default: where formulas"
        " leave something open)",
    )
    check.add_argument(
        "--why",
        action="append",
        default=[],
        metavar="NAME",
        help="say why this result has its gradient, or none; may be given several times",
    )


def _add_diagnose(commands: Any) -> None:
    diagnose = _command(
        commands,
        "diagnose",
        "run a training script, record its first steps, and say what is wrong; exits with 1 where that is an error",
    )
    diagnose.add_argument(
        "target",
        help="a script FILE.py; FILE.py:FUNCTION or MODULE:FUNCTION that trains and takes no arguments; a saved graph,"
        " or a .jsonl file that record(…, file=…) wrote",
    )
    diagnose.add_argument(
        "arguments", nargs="*", metavar="ARGUMENT", help="of the script, which come after --; the files of other ranks"
    )
    diagnose.add_argument(
        "--passes",
        type=int,
        default=None,
        metavar="N",
        help="stop after so many backward passes (default 6, and on to 48 until an optimizer has taken two steps)",
    )
    diagnose.add_argument("--budget", type=int, default=None, metavar="TOKENS", help="keep the text within so many")
    diagnose.add_argument(
        "--format",
        default="text",
        choices=tuple(FORMS),
        help="of standard output: text (default), json, markdown, html",
    )
    diagnose.add_argument("--strict", action="store_true", help="exit with 1 where there are warnings, too")


def _add_compare(commands: Any) -> None:
    compare = _command(
        commands, "compare", "say where two saved graphs part, forward and backward; exits with 1 where they do"
    )
    compare.add_argument("first", metavar="FILE", help="a saved graph: .json or .graphml")
    compare.add_argument("second", metavar="FILE", help="the graph of another run")
    compare.add_argument(
        "--tolerance",
        type=float,
        default=None,
        metavar="SHARE",
        help="how far results may be apart, as a part of their size (default: as far as rounding may carry them)",
    )
    compare.add_argument("-o", "--output", default=None, metavar="FILE", help="draw both here: .svg, .png, .pdf")


def _add_gallery(commands: Any) -> None:
    gallery = _command(commands, "gallery", "list the worked examples, or draw them into a folder")
    gallery.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="entries or chapters (classics, misconceptions, errors, pairs, figures); default all",
    )
    gallery.add_argument(
        "-o", "--output", default=None, metavar="FOLDER", help="where to draw them; without it they are listed"
    )
    gallery.add_argument(
        "--format",
        default="svg",
        metavar="SUFFIX",
        help="of the files: svg (default), png, pdf, or that of a film: gif, html, mp4, …",
    )
    add_flags(gallery, ExampleLook)


def _add_small(commands: Any) -> None:
    _command(commands, "doctor", "say what is installed and which formats can be made")
    completion = _command(
        commands,
        "completion",
        "print what completes commands and flags in a shell: source <(graphviz-ad completion bash)",
    )
    completion.add_argument("shell", choices=SHELLS, help="the shell that is to complete")


def _command(commands: Any, name: str, what: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return made


def _drawing(commands: Any, name: str, what: str) -> argparse.ArgumentParser:
    made = _command(commands, name, what)
    _target(made)
    made.add_argument(
        "-o",
        "--output",
        dest="file",
        required=True,
        metavar="FILE",
        help="where to write; the suffix chooses the format; - is standard output",
    )
    made.add_argument("--format", default=None, metavar="SUFFIX", help="format for standard output, such as svg or gif")
    return made


def _target(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "target",
        help=(
            "a formula, FILE.py:FUNCTION or MODULE:FUNCTION; or a saved graph: FILE.json, several for the ranks of"
            " one job"
        ),
    )
    command.add_argument("inputs", nargs="*", metavar="NAME=VALUE", help="inputs: numbers or lists such as v=[1,2,3]")
    command.add_argument(
        "--differentiate",
        default=None,
        metavar="NAME",
        help="which of the outputs is differentiated; default a single number called loss alone, else all",
    )
    command.add_argument(
        "--constant",
        action="append",
        default=[],
        metavar="NAME",
        help="an input that stays the number that it is, such as a count; may be given several times",
    )


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
        return _fail(
            f"graphviz-ad: {getattr(arguments, 'target', arguments.command)} raised {type(error).__name__}: {error}", 1
        )


def _outside(trace: TracebackType | None) -> TracebackType | None:
    """The part of a traceback that begins in the user's program; all of it where there is no such part."""
    step = trace
    while step is not None and (step.tb_frame.f_code.co_filename.startswith((OUR_FOLDER, "<frozen importlib"))):
        step = step.tb_next
    return step or trace


def _fail(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code


def _graph(arguments: argparse.Namespace) -> Any:
    from graphviz_ad._internal.api.api import trace
    from graphviz_ad._internal.cli.targets import by_position, load, saved, with_constants

    graph = saved(arguments.target, arguments.inputs)
    if graph is not None and (arguments.differentiate is not None or arguments.constant):
        raise TargetError(
            f"--differentiate and --constant say how a program is run, and {arguments.target!r} is a saved graph; leave"
            " them out"
        )
    if graph is not None:
        return graph
    target, inputs = load(arguments.target, arguments.inputs)
    args, kwargs = by_position(target, with_constants(inputs, arguments.constant))
    return trace(target, *args, output=arguments.differentiate, **kwargs)


def _write(thing: Any, arguments: argparse.Namespace, default: str, **options: Any) -> int:
    if arguments.file == "-":
        thing.save(sys.stdout.buffer, format=arguments.format or default, **options)
        sys.stdout.buffer.flush()
        return 0
    path = thing.save(arguments.file, **options)
    files = list(path.iterdir()) if path.is_dir() else [path]
    print(f"wrote {path} ({sum(file.stat().st_size for file in files) / 1000:.0f} kB)", file=sys.stderr)
    return 0


def _suffix(arguments: argparse.Namespace, formats: Registry) -> str:
    """The suffix of the file, or of what is written to standard output."""
    from graphviz_ad._internal.output.format_table import suffix_of

    if arguments.file != "-":
        return suffix_of(arguments.file)
    return "." + (arguments.format or next(iter(formats))).lstrip(".")


def _check_format(arguments: argparse.Namespace, formats: Registry) -> None:
    """What cannot be written is wrong use, said before any work is done."""
    from graphviz_ad._internal.base.save_folder import is_folder
    from graphviz_ad._internal.output.format_table import FILMS, STILLS

    to_file = arguments.file != "-"
    if to_file and formats is FILMS and is_folder(arguments.file):
        return
    suffix = _suffix(arguments, formats)
    other, what, command = (STILLS, "picture", "plot") if formats is FILMS else (FILMS, "film", "animate")
    if suffix in other and suffix not in formats:
        raise TargetError(f"{suffix} is a {what}, which is made by: graphviz-ad {command} … -o {arguments.file}")
    formats[suffix]
    _refuse_bytes(suffix, to_file)


def _refuse_bytes(suffix: str, to_file: bool) -> None:
    if not to_file and sys.stdout.isatty() and suffix in NOT_TEXT:
        raise TargetError(
            f"{suffix} is not text, and standard output is a terminal; redirect it, or give a file with -o"
        )


def _plot(arguments: argparse.Namespace) -> int:
    from graphviz_ad._internal.api.api import plot
    from graphviz_ad._internal.output.format_table import STILLS

    _check_format(arguments, STILLS)
    options, of_file = chosen(arguments, PlotOptions), chosen(arguments, StillFile, without=("format",))
    return _write(plot(_graph(arguments), **options), arguments, "svg", **of_file)


def _diagram(arguments: argparse.Namespace) -> int:
    from graphviz_ad._internal.api.diagram import diagram
    from graphviz_ad._internal.cli.targets import model_and_inputs
    from graphviz_ad._internal.output.format_table import FILMS, STILLS

    options, of_film = chosen(arguments, DiagramOptions), chosen(arguments, DiagramWays)
    suffix = _suffix(arguments, STILLS)
    film = bool(arguments.film or of_film or (suffix in FILMS and suffix not in STILLS))
    _check_format(arguments, FILMS if film else STILLS)
    model, inputs = model_and_inputs(arguments.target, arguments.size)
    drawn = diagram(model, *inputs, **options)
    if film:
        return _write(drawn.animate(**of_film), arguments, "gif")
    return _write(drawn, arguments, "svg", **chosen(arguments, StillFile, without=("format",)))


def _animate(arguments: argparse.Namespace) -> int:
    from graphviz_ad._internal.api.api import animate
    from graphviz_ad._internal.output.format_table import FILMS

    _check_format(arguments, FILMS)
    options, of_file = chosen(arguments, AnimateOptions), chosen(arguments, FilmFile, without=("format",))
    return _write(animate(_graph(arguments), **options), arguments, "gif", **of_file)


def _completion(arguments: argparse.Namespace) -> int:
    (commands,) = (action.choices for action in parser()._actions if isinstance(action.choices, dict))
    print(script(arguments.shell, commands), end="")
    return 0


def _explain(arguments: argparse.Namespace) -> int:
    from graphviz_ad._internal.base.save_file import write
    from graphviz_ad._internal.output.format_table import suffix_of
    from graphviz_ad._internal.output.worked_files import check_suffix, rendered

    to_file = arguments.output != "-"
    suffix = suffix_of(arguments.output) if to_file else "." + (arguments.format or "txt").lstrip(".")
    check_suffix(suffix)
    _refuse_bytes(suffix, to_file)
    options = chosen(arguments, ExplanationPicture)
    graph = _graph(arguments)
    inputs = [node.name for node in graph.node_list if node.kind == "leaf" and node.name]
    if arguments.wrt is None and len(inputs) > 1 and suffix != ".txt":
        raise TargetError(f"{suffix} shows one gradient; name its input with --wrt: {', '.join(inputs)}")
    explained = [
        graph.explain(name, arguments.of) for name in ([arguments.wrt] if arguments.wrt is not None else inputs)
    ]
    data = b"\n\n".join(rendered(explanation, suffix, options) for explanation in explained)
    if to_file:
        path = write(arguments.output, data)
        print(f"wrote {path} ({len(data) / 1000:.0f} kB)", file=sys.stderr)
    else:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    wrong = [explanation for explanation in explained if explanation.ok is False]
    return _fail(f"graphviz-ad: {wrong[0].symbol}: {wrong[0].check}", 1) if wrong else 0


def _check(arguments: argparse.Namespace) -> int:
    graph = _graph(arguments)
    answers = [graph.why(name) for name in arguments.why]
    report = graph.check(capture=arguments.capture, numeric=arguments.numeric)
    print(report)
    for answer in answers:
        print(f"\n{answer}")
    return 0 if report.ok else 1


def _compare(arguments: argparse.Namespace) -> int:
    from graphviz_ad._internal.sheets.graph_comparison import compare

    options = {} if arguments.tolerance is None else {"tolerance": arguments.tolerance}
    found = compare(_saved_graph(arguments.first), _saved_graph(arguments.second), **options)
    print(found)
    if arguments.output is not None:
        print(f"wrote {found.save(arguments.output)}", file=sys.stderr)
    return 0 if found.equal else 1


def _saved_graph(name: str) -> Graph:
    from graphviz_ad._internal.cli.targets import saved

    graph = saved(name, ())
    if graph is None:
        raise TargetError(f"{name!r} is no saved graph; give files that graph.save(…) wrote: .json or .graphml")
    return graph


FORMS: Mapping[str, Callable[[Diagnosis], str]] = {
    "text": str,
    "json": lambda found: found.to_json(),
    "markdown": lambda found: found.to_markdown(),
    "html": lambda found: found.to_html(),
}


def _diagnose(arguments: argparse.Namespace) -> int:
    from graphviz_ad._internal.cli.training_runs import diagnosed

    if arguments.passes is not None and arguments.passes < 1:
        raise TargetError(f"--passes {arguments.passes} records nothing; give a number from 1 on")
    # what the program prints is no part of a file that another program reads
    aside = contextlib.nullcontext() if arguments.format == "text" else contextlib.redirect_stdout(sys.stderr)
    with aside:
        found = diagnosed(arguments.target, arguments.arguments, arguments.passes, arguments.budget)
    print(FORMS[arguments.format](found))
    severe = ("error", "warning") if arguments.strict else ("error",)
    return 1 if found.ok is None or any(one.severity in severe for one in found.findings) else 0


def _gallery(arguments: argparse.Namespace) -> int:
    from graphviz_ad import gallery

    found = gallery.chosen(arguments.names)
    if arguments.output is None:
        width = max(len(entry.name) for entry in found)
        for entry in found:
            print(f"{entry.name:{width}}  {entry.heading}")
            if arguments.names:
                print("\n".join(f"{'':{width}}  {line}" for line in (entry.lesson, entry.source) if line))
        return 0
    if arguments.output == "-":
        raise TargetError("the gallery is a folder of files; give its name with -o")
    written = gallery.build(
        arguments.output, arguments.names, suffix="." + arguments.format.lstrip("."), **chosen(arguments, ExampleLook)
    )
    print(f"wrote {len(written)} files to {arguments.output}", file=sys.stderr)
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    from graphviz_ad._internal.cli.doctor import report

    print(report())
    return 0


COMMANDS = {
    "plot": _plot,
    "animate": _animate,
    "diagram": _diagram,
    "explain": _explain,
    "check": _check,
    "compare": _compare,
    "diagnose": _diagnose,
    "gallery": _gallery,
    "doctor": _doctor,
    "completion": _completion,
}
