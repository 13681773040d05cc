"""A script, or a function that trains -> Graph of its first training steps, recorded as it runs.

The program is run as python would run it, from its beginning; after so many backward passes it is stopped. Its models
are looked for when it has ended: among its variables, and among the modules that it has called.
"""

from __future__ import annotations

import contextlib
import linecache
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import torch

from graphviz_ad._internal.base.errors import TargetError
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.tracing.as_written import run_as_written
from graphviz_ad._internal.tracing.capture import Capture
from graphviz_ad._internal.tracing.recording import Enough, Recording
from graphviz_ad._internal.tracing.self_check import make_sure


@dataclass(frozen=True)
class ScriptRun:
    """What came of it: ``stopped`` says that there would have been more passes, ``error`` how the program ended,
    ``as_written`` that it ran as it is written what it has compiled.
    """

    graph: Graph
    stopped: bool
    error: Exception | None
    as_written: bool = False


def run_script(path: Path, arguments: tuple[str, ...], passes: int, capture: Capture, patience: int = 1) -> ScriptRun:
    """A script that is recorded, with command-line arguments of its own."""
    try:
        text = path.read_text("utf-8")
        code = compile(text, str(path), "exec")
    except (SyntaxError, ValueError) as error:
        raise TargetError(f"{str(path)!r} cannot be run as Python: {error}") from error
    main = ModuleType("__main__")
    main.__file__ = str(path)
    linecache.checkcache(str(path))
    with as_main(main, [str(path), *arguments]):
        return recorded_run(lambda: exec(code, vars(main)), code, vars(main), passes, capture, patience)


@contextlib.contextmanager
def as_main(main: ModuleType, argv: list[str]) -> Iterator[None]:
    """While this is open, a module is the main program, as python has it."""
    kept = sys.modules["__main__"], sys.argv, list(sys.path)
    sys.modules["__main__"], sys.argv = main, argv
    sys.path.insert(0, str(Path(argv[0]).parent.resolve()))
    try:
        yield
    finally:
        sys.modules["__main__"], sys.argv = kept[0], kept[1]
        sys.path[:] = kept[2]


def run_function(function: Callable[[], Any], passes: int, capture: Capture, patience: int = 1) -> ScriptRun:
    """A function that trains, as it is called without arguments."""
    plain = getattr(function, "__func__", function)
    code = getattr(plain, "__code__", run_function.__code__)
    return recorded_run(function, code, getattr(plain, "__globals__", {}), passes, capture, patience)


def recorded_run(
    program: Callable[[], Any],
    code: CodeType,
    namespace: Mapping[str, Any],
    passes: int,
    capture: Capture,
    patience: int,
) -> ScriptRun:
    """The program, recorded."""
    make_sure(recording=True)
    recording = Recording(None, capture, {}, most_passes=passes, patience=patience)
    stopped, error, compiles = False, None, False
    try:
        with run_as_written() as compiled, recording:
            recording.program_is(code)
            try:
                program()
            except Enough:
                stopped = True
            except SystemExit:  # as a script ends that calls sys.exit(main())
                pass
            finally:
                compiles = compiled.compiles
                recording.know(models_in(namespace, recording.called_modules()))
    except Exception as raised:
        error = raised
    return ScriptRun(recording.graph, stopped, error, compiles)


def attributes(thing: Any) -> Mapping[str, Any]:
    """What an object has, read without running anything of its class."""
    try:
        found = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return {}
    return found if isinstance(found, dict) else {}


def free_name(name: str, taken: Mapping[str, Any]) -> str:
    """The name, or with a number where another has it."""
    numbered = (f"{name}_{number}" for number in count(2))
    return name if name not in taken else next(each for each in numbered if each not in taken)


def models_in(namespace: Mapping[str, Any], called: list[torch.nn.Module]) -> dict[str, torch.nn.Module]:
    """Name -> model: the modules with parameters among the variables of a program, and those that it called, but for
    what is a part of another.
    """
    found = {name: thing for name, thing in namespace.items() if isinstance(thing, torch.nn.Module)}
    for name, thing in namespace.items():
        held = attributes(thing) if type(thing).__module__ == namespace.get("__name__") else {}
        found |= {f"{name}.{part}": each for part, each in held.items() if isinstance(each, torch.nn.Module)}
    known_already = {id(module) for module in found.values()}
    for module in called:
        if id(module) not in known_already:
            known_already.add(id(module))
            found[free_name(type(module).__name__.lower(), found)] = module
    known: dict[int, str] = {}
    for name, module in found.items():
        if next(module.parameters(), None) is not None:
            known.setdefault(id(module), name)
    models = {name: found[name] for name in known.values()}
    inside = {id(part) for module in models.values() for part in module.modules() if part is not module}
    return {name: module for name, module in models.items() if id(module) not in inside}
