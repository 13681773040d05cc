"""A recording -> what is known of the training program around it: model, optimizers, backward calls and written lines.

These are facts for those who ask, as `Graph.diagnose` does; no picture shows them.
"""

from __future__ import annotations

import ast
import gc
import linecache
import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress
from pathlib import PurePath
from types import CodeType
from typing import Any

import torch
from torch.nn.parameter import UninitializedParameter

from graphviz_ad._internal.base.syntax_trees import syntax_tree
from graphviz_ad._internal.graph.notices import (
    BACKWARD_CALLS,
    MODEL,
    OPTIMIZERS,
    RAISED_AT,
    STEPS_CALLED,
    WRITTEN_LINES,
    Notice,
    notice,
)
from graphviz_ad._internal.graph.places import place_of
from graphviz_ad._internal.tracing.tape.stack import INSTALLED, STANDARD_LIBRARY
from graphviz_ad._internal.tracing.tape.tape import Tape
from graphviz_ad._internal.tracing.tape.torch_private import TORCH_FOLDER
from graphviz_ad._internal.tracing.tape.values import dtype_name

MOST_FILES, MOST_LINES = 8, 4000  # of the program that are read
MOST_MODULES = 2000
# what a training program calls that is no operation, or whose line no operation has
CALLS = frozenset(
    {
        *("zero_grad", "step", "backward", "clip_grad_norm_", "clip_grad_value_", "unscale_", "eval", "train"),
        *("requires_grad_", "register_hook", "register_full_backward_hook", "register_post_accumulate_grad_hook"),
        *("set_grad_enabled", "no_grad", "inference_mode", "checkpoint", "GradScaler", "scale"),
    }
)
CALLED_WHERE_IT_RAN = frozenset({"zero_grad", "step", "backward", "clip_grad_norm_", "clip_grad_value_", "unscale_"})
MODULE_LEVEL = (("<module>", 1), ("<module>", 0))
OPTIMIZER = "optimizer"  # a line that makes one
SETS = "sets"  # a line that sets an attribute of self, such as a layer
REGISTERED = "registers"  # the same, by a call that names it
BUILDS = "builds"  # a line that puts a model into a variable
FORWARD = "forward"  # where a class of the model says what it computes
REGISTERS = frozenset({"add_module", "register_module", "register_parameter", "register_buffer"})
FREEZES = "freezes"  # a line that sets requires_grad to False
ASKS, MAY_FREEZE = "asks", "may_freeze"  # a line that sets it to True, and one that sets it to what is computed
OF_CLASSES = (BUILDS, FORWARD)
Written = tuple[str, str, str, str, bool]  # what, of what, "file.py:12", in which function, whether in a loop


@dataclass(frozen=True)
class BackwardCall:
    """One call of the engine: the line of the program that made it, and how."""

    source: str | None
    retain_graph: bool
    create_graph: bool


def calling_line(frame: Any, own_folder: str) -> tuple[str | None, CodeType | None]:
    """The line of the user's program from which a frame of torch's or ours was called."""
    while frame is not None:
        file = frame.f_code.co_filename
        installed = file.startswith(INSTALLED)
        if not file.startswith((TORCH_FOLDER, own_folder)) and (installed or not file.startswith(STANDARD_LIBRARY)):
            return f"{PurePath(file).name}:{frame.f_lineno}", frame.f_code
        frame = frame.f_back
    return None, None


def about_error(error: BaseException, own_folder: str) -> list[Notice]:
    """The innermost line of the user's program in the traceback of an exception."""
    found, step = None, error.__traceback__
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if not file.startswith((TORCH_FOLDER, own_folder, *STANDARD_LIBRARY, *INSTALLED)):
            found = f"{PurePath(file).name}:{step.tb_lineno}"
        step = step.tb_next
    return [notice(RAISED_AT, shown=False, source=found)] if found is not None else []


def facts_of_program(
    tape: Tape,
    modules: Sequence[tuple[str, torch.nn.Module]],
    calls: Sequence[BackwardCall],
    codes: Iterable[CodeType],
    seen: Optimizers,
    steppers: Sequence[weakref.ref[Any]],
) -> list[Notice]:
    """All of them, those that are known; ``steppers`` are the optimizers whose step() was called, each as often."""
    classes = {type(part).__name__ for _, module in modules for part in module.modules()}
    lines = tuple(written_lines([*tape.codes_of_program(), *codes], classes))
    found = [about_model(modules)] if modules else []
    if calls:
        told = tuple((call.source, call.retain_graph, call.create_graph) for call in calls)
        found.append(notice(BACKWARD_CALLS, shown=False, calls=told))
    steps = any(line[0] == "step" for line in lines) or any(
        operation.place.step is not None for operation in tape.operations
    )
    seen.look(tape.living_steppers())
    if steps and not seen.hold_all(modules):  # another may have found nothing to do, and only the collector knows it
        seen.look(living_optimizers())
    optimizers = tuple(seen.about(modules)) if modules else ()
    if optimizers:
        found.append(notice(OPTIMIZERS, shown=False, optimizers=optimizers))
        found.append(notice(STEPS_CALLED, shown=False, counts=tuple(seen.called(steppers))))
    if lines:
        found.append(notice(WRITTEN_LINES, shown=False, lines=lines))
    return found


def about_model(modules: Sequence[tuple[str, torch.nn.Module]]) -> Notice:
    """The parameters of a model, and its modules with their modes."""
    named = [(prefix + name, p) for prefix, module in modules for name, p in module.named_parameters()]
    parts = [
        ((prefix + name).rstrip("."), type(part).__name__, part.training)
        for prefix, module in modules
        for name, part in module.named_modules()
    ]
    return notice(
        MODEL,
        [name for name, _ in named],
        shown=False,
        shapes=tuple(tuple(int(n) for n in p.shape) if has_shape(p) else () for _, p in named),
        dtypes=tuple(dtype_name(p.dtype) for _, p in named),
        wanted=tuple(bool(p.requires_grad) for _, p in named),
        modules=tuple(parts[:MOST_MODULES]),
    )


def has_shape(parameter: torch.Tensor) -> bool:
    """Whether a parameter has been given a shape; a lazy one has none before its module first runs."""
    return not isinstance(parameter, UninitializedParameter)


class Optimizers:
    """What optimizers hold, looked at while they live: a function that trains takes its own with it."""

    def __init__(self) -> None:
        """None is known yet."""
        self._known: dict[int, tuple[weakref.ref[Any], str, list[weakref.ref[torch.Tensor]], float | None]] = {}

    def living(self) -> Iterator[Any]:
        """Those that were looked at and are still there."""
        yield from (one for reference, *_ in self._known.values() if (one := reference()) is not None)

    def look(self, optimizers: Iterable[Any]) -> None:
        """Note what they hold now."""
        for one in optimizers:
            rate = one.param_groups[0].get("lr") if one.param_groups else None
            number = float(rate) if isinstance(rate, int | float | torch.Tensor) else None
            held = [weakref.ref(p) for group in one.param_groups for p in group["params"]]
            known = self._known.get(id(one))
            if known is not None and known[0]() is not one:  # another, where a dead one was
                self._known[-len(self._known) - 1] = self._known.pop(id(one))
            self._known[id(one)] = (weakref.ref(one), type(one).__name__, held, number)

    def hold_all(self, modules: Sequence[tuple[str, torch.nn.Module]]) -> bool:
        """Whether every parameter that is trained is held by one of them."""
        held = {id(p) for _, _, references, _ in self._known.values() for one in references if (p := one()) is not None}
        return all(id(p) in held for _, module in modules for p in module.parameters() if p.requires_grad)

    def called(self, steppers: Sequence[weakref.ref[Any]]) -> Iterator[int]:
        """How often step() was called, of each; an object has one weak reference, which outlives it."""
        for reference, *_ in self._known.values():
            yield sum(other is reference for other in steppers)

    def about(self, modules: Sequence[tuple[str, torch.nn.Module]]) -> Iterator[tuple[Any, ...]]:
        """Of each: its kind, the names of what it holds of the model, how many others it holds, and its learning
        rate.
        """
        names = {id(p): prefix + name for prefix, module in modules for name, p in module.named_parameters()}
        for _, kind, held, rate in self._known.values():
            living = [p for reference in held if (p := reference()) is not None]
            known = tuple(dict.fromkeys(names[id(p)] for p in living if id(p) in names))
            yield kind, known, len(held) - len(known), rate


def living_optimizers() -> list[torch.optim.Optimizer]:
    """The optimizers of this process, in the order in which the collector tracks them, which is that of their birth."""
    kinds = {id(kind) for kind in _with_subclasses(torch.optim.Optimizer)}
    things = gc.get_objects()  # a million, of which each is asked without a line of Python
    found = compress(things, map(kinds.__contains__, map(id, map(type, things))))
    return [thing for thing in found if isinstance(getattr(thing, "param_groups", None), list)]


def _with_subclasses(kind: type) -> Iterator[type]:
    """A class and all that are made of it, some more than once; nothing of theirs is run."""
    waiting = [kind]
    while waiting:
        yield (now := waiting.pop())
        waiting += type.__subclasses__(now)


# --- lines of the program


def written_lines(codes: Iterable[CodeType], classes: Collection[str] = ()) -> Iterator[Written]:
    """The lines of the program that matter to training, of the files that these codes are from; ``classes`` are those
    of the modules of the model.
    """
    own = [code for code in codes if not code.co_filename.startswith((TORCH_FOLDER, *STANDARD_LIBRARY, *INSTALLED))]
    for file in list(dict.fromkeys(code.co_filename for code in own))[:MOST_FILES]:
        text = linecache.getlines(file)
        if not 0 < len(text) <= MOST_LINES:
            continue
        ran = frozenset((code.co_name, code.co_firstlineno) for code in own if code.co_filename == file)
        for line, begins in _lines_in("".join(text), PurePath(file).name):
            if line[0] in OF_CLASSES and line[1] not in classes:
                continue
            if line[0] not in CALLED_WHERE_IT_RAN or not ran.isdisjoint(begins):
                yield line


@lru_cache(maxsize=2 * MOST_FILES)
def _lines_in(text: str, file: str) -> tuple[tuple[Written, tuple[tuple[str, int], ...]], ...]:
    """Those of a file, each with the function that it stands in: its name, and the lines that it may begin at."""
    try:
        tree = syntax_tree(text)
    except (SyntaxError, ValueError, RecursionError):
        return ()  # as a cell with a magic command in it
    found = []
    waiting: list[tuple[ast.AST, str, bool, tuple[tuple[str, int], ...], str]] = [(tree, "", False, MODULE_LEVEL, "")]
    while waiting:
        node, function, loop, begins, owner = waiting.pop()
        told = _told(node, owner)
        if told is not None:
            found.append(((*told, f"{file}:{getattr(node, 'lineno', 0)}", function, loop), begins))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function, loop, owner = f"{owner}.{node.name}" if owner else node.name, False, ""
            lines = (node.lineno, *(decorator.lineno for decorator in node.decorator_list))
            begins = tuple((node.name, line) for line in lines)
        owner = node.name if isinstance(node, ast.ClassDef) else owner
        inside = loop or isinstance(node, ast.For | ast.While | ast.AsyncFor)
        waiting += [(child, function, inside, begins, owner) for child in reversed(list(ast.iter_child_nodes(node)))]
    return tuple(sorted(found, key=lambda each: number_of_line(each[0][2])))


def number_of_line(source: str) -> int:
    """Which line of its file it is."""
    place = place_of(source)
    return place.number if place is not None else 0


def _told(node: ast.AST, owner: str) -> tuple[str, str] | None:
    """What a statement or call does, and to what, if it is one of those that matter; ``owner`` is the class in which it
    stands.
    """
    if isinstance(node, ast.FunctionDef) and node.name == FORWARD and owner:
        return FORWARD, owner
    if isinstance(node, ast.Assign):
        made = called_name(node.value)
        if made is not None and made[:1].isupper() and isinstance(node.targets[0], ast.Name):
            return BUILDS, made
        for target in node.targets:
            if isinstance(target, ast.Attribute):
                if target.attr == "requires_grad":
                    return _wanted(node.value, FREEZES), f"{short(target)} = {short(node.value)}"
                if isinstance(target.value, ast.Name) and target.value.id == "self":
                    return SETS, target.attr
    if not isinstance(node, ast.Call):
        return None
    name = called_name(node)
    if name is None:
        return None
    if name in REGISTERS and node.args and isinstance(node.args[0], ast.Constant):
        return REGISTERED, str(node.args[0].value)
    if isinstance(getattr(torch.optim, name, None), type) and name != "Optimizer":
        return OPTIMIZER, name
    if name not in CALLS:
        return None
    if isinstance(node.func, ast.Attribute):
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        told = _wanted(given[0] if given else ast.Constant(True), name) if name == "requires_grad_" else name
        return told, short(node if told == MAY_FREEZE else node.func.value)
    return name, ""


def _wanted(value: ast.AST, freezes: str) -> str:
    """What a line does that sets whether something requires grad; ``freezes``, where that is False."""
    if not isinstance(value, ast.Constant):
        return MAY_FREEZE
    return ASKS if value.value else freezes


def called_name(node: ast.AST) -> str | None:
    """The name under which something is called; None of what is no call."""
    name = getattr(node.func, "attr", getattr(node.func, "id", None)) if isinstance(node, ast.Call) else None
    return name if isinstance(name, str) else None


def short(node: ast.AST) -> str:
    """What is written there, in a few characters."""
    text = ast.unparse(node)
    return text if len(text) <= 40 else text[:39] + "…"


def named_late(tape: Tape, modules: Mapping[str, torch.nn.Module]) -> None:
    """Give names to the parameters and buffers of models that were found only after the program had run."""
    for prefix, module in modules.items():
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            tape.name_later(tensor, prefix + name)
    for value in tape.values:
        living = value.reference()
        if living is not None and value.name is None and (value.maker is None or value.is_leaf):
            value.name = tape.name_of(living)
