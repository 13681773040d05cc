"""A target and inputs as typed on the command line -> something to trace and its keyword arguments."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from graphviz_ad._internal.base.errors import TargetError
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.maths.expressions import parse, parse_inputs
from graphviz_ad._internal.ranks.merging import merge
from graphviz_ad._internal.tracing.constants import constant

SAVED = (".json", ".graphml")
FILE_TARGET = re.compile(r"(?P<file>.+\.py):(?P<name>[^\W\d][\w.]*)")
MODULE_TARGET = re.compile(r"(?P<module>[^\W\d][\w.]*):(?P<name>[^\W\d][\w.]*)")


def load(target: str, inputs: Sequence[str]) -> tuple[Callable[..., Any], dict[str, Any]]:
    """What to call, and with what."""
    values = parse_inputs(inputs)
    if match := FILE_TARGET.fullmatch(target):
        return _checked(_attribute(_module_of_file(Path(match["file"])), match["name"], target), values, target)
    if match := MODULE_TARGET.fullmatch(target):
        return _checked(_attribute(_module(match["module"]), match["name"], target), values, target)
    if target.endswith(".py") and re.fullmatch(r"[\w./\\-]+", target):
        raise TargetError(f"{target!r} names a file but no function in it; write {target}:FUNCTION")
    return _formula(target, values)


def model_and_inputs(target: str, sizes: Sequence[str]) -> tuple[Any, tuple[Any, ...]]:
    """The model of that name, or that the function of that name returns, and its inputs: those of these sizes, or
    those that the function returns with it.
    """
    from graphviz_ad._internal.tracing.model_inputs import is_module, tensors_of_sizes

    if match := FILE_TARGET.fullmatch(target):
        made: Any = _attribute(_module_of_file(Path(match["file"])), match["name"], target)
    elif match := MODULE_TARGET.fullmatch(target):
        made = _attribute(_module(match["module"]), match["name"], target)
    else:
        raise TargetError(f"{target!r} names no model; write FILE.py:NAME or MODULE:NAME")
    made = made() if callable(made) and not is_module(made) else made
    model, inputs = made if isinstance(made, tuple) and len(made) == 2 else (made, ())
    several = list(model.values()) if isinstance(model, Mapping) else model if isinstance(model, list) else [model]
    if not several or not all(map(is_module, several)):
        raise TargetError(f"{target!r} is or returns a {type(model).__name__}, which is no nn.Module")
    if sizes:
        return model, tuple(tensors_of_sizes([_size(text) for text in sizes], None, "cpu"))
    if made is model:
        raise TargetError(f"{target!r} says of no inputs; give the shape of each, as in --size 1,3,224,224")
    return model, tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)


def _size(text: str) -> tuple[int, ...]:
    try:
        found = tuple(int(length) for length in text.split(","))
    except ValueError:
        found = ()
    if not found or any(length < 1 for length in found):
        raise TargetError(f"--size {text} is no shape; give whole numbers from 1, as in --size 1,3,224,224")
    return found


def with_constants(inputs: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The inputs, of which those of these names stay what they are."""
    unknown = [name for name in names if name not in inputs]
    if unknown:
        raise TargetError(f"--constant {unknown[0]} names no input; the inputs are: {', '.join(inputs) or 'none'}")
    return {name: constant(value) if name in names else value for name, value in inputs.items()}


def by_position(target: Callable[..., Any], inputs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The inputs by position as far as the target allows it, so that they may be called what `trace` calls its own."""
    try:
        bound = inspect.signature(target).bind(**inputs)
    except (TypeError, ValueError):
        return (), dict(inputs)
    return bound.args, bound.kwargs


def saved(target: str, others: Sequence[str]) -> Graph | None:
    """The graph in a saved file, or of several, each of one rank; None where the target is no such file."""
    if not target.endswith(SAVED):
        return None
    paths = [Path(name) for name in (target, *others)]
    wrong = next((path for path in paths if not path.name.endswith(SAVED)), None)
    if wrong is not None:
        raise TargetError(
            f"{target!r} is a saved graph, which takes no inputs such as {str(wrong)!r}; several files are the ranks of"
            " one job"
        )
    missing = next((path for path in paths if not path.is_file()), None)
    if missing is not None:
        raise TargetError(f"there is no file {str(missing)!r} (looked in {Path.cwd()}); check the path")
    graphs = [Graph.load(path) for path in paths]
    return graphs[0] if len(graphs) == 1 else merge(graphs)


def _formula(text: str, values: dict[str, Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
    program = parse(text, given=values.keys())
    _check_names(program.inputs, values, f"the formula {text!r}")
    from graphviz_ad._internal.tracing.formula_programs import Formula

    return Formula(program), values


def _module_of_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise TargetError(f"there is no file {str(path)!r} (looked in {Path.cwd()}); check the path")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise TargetError(f"{str(path)!r} cannot be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    sys.path.insert(0, str(path.parent.resolve()))  # as `python FILE.py` does, so that it finds its neighbours
    spec.loader.exec_module(module)
    return module


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # it is there, but something that it imports is not
        raise TargetError(f"there is no module named {error.name!r}; for a file write FILE.py:FUNCTION") from error


def _attribute(module: ModuleType, name: str, target: str) -> Callable[..., Any]:
    thing: Any = module
    for part in name.split("."):
        if not hasattr(thing, part):
            functions = sorted(
                key
                for key, value in vars(module).items()
                if inspect.isfunction(value) and value.__module__ == module.__name__
            )
            raise TargetError(
                f"{target!r}: there is no {part!r} in it; it has the functions: {', '.join(functions) or 'none'}"
            )
        thing = getattr(thing, part)
    if not callable(thing):
        raise TargetError(f"{target!r} is a {type(thing).__name__}, which cannot be called; give a function")
    return thing  # type: ignore[no-any-return]


def _checked(
    function: Callable[..., Any], values: dict[str, Any], target: str
) -> tuple[Callable[..., Any], dict[str, Any]]:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return function, values
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return function, values
    required = [name for name, p in parameters.items() if p.default is p.empty and p.kind is not p.VAR_POSITIONAL]
    _check_names(required, values, repr(target), allowed=parameters)
    return function, values


def _check_names(
    required: Sequence[str], values: Mapping[str, Any], what: str, allowed: Mapping[str, Any] | None = None
) -> None:
    missing = [name for name in required if name not in values]
    unknown = [name for name in values if name not in (allowed if allowed is not None else required)]
    if missing:
        raise TargetError(
            f"{what} needs a value for {', '.join(missing)}; give {' '.join(f'{name}=NUMBER' for name in missing)}"
        )
    if unknown:
        raise TargetError(
            f"{what} has no input named {', '.join(unknown)}; its inputs are: {', '.join(required) or 'none'}"
        )
