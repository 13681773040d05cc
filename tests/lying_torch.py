"""Private things of torch, each broken in turn -> what is shown then: the program that `test_lying_torch` runs.

The modules of the room `tracing` are compiled so that every private attribute that they ask torch for goes through
`look`, which lies about one of them. torch itself keeps what it has. Each lie is told to a forked process of its own; a
line of JSON comes out for each, the first for an honest torch. That something is gone is told of every name, and of the
other lies one each in turn; ``FUZZ=1`` tells all.
"""

from __future__ import annotations

import ast
import builtins
import gc
import importlib
import json
import os
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from operator import attrgetter
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

import torch
import torch._dynamo  # optimizers and checkpoints would import it in every process
import torch.func
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

ROOT = Path(__file__).parent.parent
# of these torch itself makes use where they stand, so that they cannot be falsified for us alone
ENGINE = ("_engine_run_backward", "_make_grads")
FAMILIES = ("_raw_saved_", "_saved_")
LIES = ("gone", "raises", "none", "wrong")
WHOLE = "FUZZ" in os.environ
SECONDS = 60

asked: dict[str, None] = {}  # the names that are asked for, in order
lie: list[str] = ["", ""]  # the name that is lied about, and how


# --- the lies


def family(name: str) -> str:
    return next((start for start in FAMILIES if name.startswith(start)), name)


def concerns_torch(thing: Any, name: str) -> bool:
    """Whether a name is a private one of a thing of torch's."""
    if name == "f_locals":
        return isinstance(thing, FrameType) and f"{os.sep}torch{os.sep}" in thing.f_code.co_filename
    if not name.startswith("_") or name.startswith("__") or name == "_C":  # the home of the others
        return False
    if isinstance(thing, torch.autograd.graph.Node):
        return True
    kind = (
        thing.__name__
        if isinstance(thing, ModuleType)
        else getattr(thing if isinstance(thing, type) else type(thing), "__module__", "") or "torch"
    )
    return not kind.startswith(("graphviz_ad", "sys", "builtins", "ast", "threading", "weakref", "functools"))


NOTHING = object()


def look(thing: Any, name: str, default: Any = NOTHING) -> Any:
    """``getattr``, of a torch that lies."""
    if concerns_torch(thing, name):
        honest = builtins.getattr(thing, name, NOTHING)
        if honest is not NOTHING:
            asked[family(name)] = None
            if family(name) == lie[0]:
                if lie[1] == "gone":
                    honest = NOTHING
                elif name not in ENGINE:
                    return falsified(honest)
        if honest is NOTHING and default is NOTHING:
            raise AttributeError(name)
        return default if honest is NOTHING else honest
    return builtins.getattr(thing, name) if default is NOTHING else builtins.getattr(thing, name, default)


def has(thing: Any, name: str) -> bool:
    """``hasattr``, likewise."""
    if concerns_torch(thing, name) and family(name) == lie[0] and lie[1] != "gone":
        return builtins.hasattr(thing, name)
    try:
        look(thing, name)
    except AttributeError:
        return False
    return True


def place(thing: Any, name: str, value: Any) -> None:
    """``setattr``; it has no effect where the lie is that torch has no use for the name any more."""
    if not (name in ENGINE and lie == [name, "unused"]):
        builtins.setattr(thing, name, value)


def getter(name: str) -> Callable[[Any], Any]:
    """``attrgetter``, likewise."""
    return lambda thing: look(thing, name) if "." not in name else attrgetter(name)(thing)


def names_of(thing: Any) -> list[str]:
    """``dir``, likewise."""
    return [name for name in dir(thing) if not (lie[1] == "gone" and family(name) == lie[0])]


def imported(name: str, thing: Any) -> Any:
    """A private module of torch's, by import."""
    asked[name] = None
    if name != lie[0]:
        return thing
    if lie[1] == "gone":
        raise ImportError(name)
    return Falsified(thing)


class Falsified:
    """A module whose functions lie."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module

    def __getattr__(self, name: str) -> Any:
        honest = builtins.getattr(self.module, name)
        return honest if isinstance(honest, (type, ModuleType)) else falsified(honest)


def falsified(honest: Any) -> Any:
    """What stands there instead: for a function one that lies, unless it is a class that somebody is asked to be."""
    if callable(honest) and (not isinstance(honest, type) or hasattr(honest, "__enter__")):
        return lambda *args, **kwargs: told(honest(*args, **kwargs))
    return told(honest)


def told(honest: Any) -> Any:
    if lie[1] == "raises":
        raise RuntimeError(f"{lie[0]} is broken")
    return None if lie[1] == "none" else wrong(honest)


def wrong(honest: Any) -> Any:
    """A constant of the same kind."""
    if isinstance(honest, bool):
        return not honest
    for kind, constant in ((int, 7), (str, "wrong"), (type, int), (tuple, ()), (list, []), (dict, {})):
        if isinstance(honest, kind):
            return constant
    return 7 if honest is None else object()


# --- our modules, compiled for that


class Asking(ast.NodeTransformer):
    """Every question for an attribute by ``look``."""

    NAMES = {  # noqa: RUF012
        "getattr": "__look__",
        "hasattr": "__has__",
        "setattr": "__place__",
        "attrgetter": "__getter__",
        "dir": "__names_of__",
    }

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if isinstance(node.ctx, ast.Load) and node.id in self.NAMES:
            return ast.copy_location(ast.Name(self.NAMES[node.id], ast.Load()), node)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
        if (
            not isinstance(node.ctx, ast.Load)
            or own
            or not (node.attr == "f_locals" or (node.attr.startswith("_") and not node.attr.startswith("__")))
        ):
            return node
        asking = ast.Call(ast.Name("__look__", ast.Load()), [node.value, ast.Constant(node.attr)], [])
        return ast.fix_missing_locations(ast.copy_location(asking, node))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        private = [
            alias.name for alias in node.names if alias.name.startswith("_") and (node.module or "").startswith("torch")
        ]
        checks = [ast.parse(f"{name} = __imported__({name!r}, {name})").body[0] for name in private]
        return [node, *(ast.fix_missing_locations(ast.copy_location(check, node)) for check in checks)]


HOOKS = {
    "__look__": look,
    "__has__": has,
    "__place__": place,
    "__getter__": getter,
    "__names_of__": names_of,
    "__imported__": imported,
}


class Finder:
    """Imports `graphviz_ad._internal.tracing` so compiled."""

    def __init__(self) -> None:
        self.code: dict[str, CodeType] = {}
        for file in sorted((ROOT / "graphviz_ad" / "_internal" / "tracing").rglob("*.py")):
            if file.stem not in ("__init__", "tried_programs"):
                tree = Asking().visit(ast.parse(file.read_text("utf-8")))
                self.code[".".join(file.relative_to(ROOT).with_suffix("").parts)] = compile(
                    ast.fix_missing_locations(tree), str(file), "exec"
                )

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name not in self.code:
            return None
        return importlib.util.spec_from_file_location(name, self.code[name].co_filename, loader=self)  # type: ignore[arg-type]

    def create_module(self, spec: Any) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(HOOKS)
        exec(self.code[module.__name__], vars(module))


# --- what is shown


def doubled_in_place(x: Tensor, w: Tensor) -> Tensor:
    """More elements than are kept whole, written to between its uses."""
    y = x.repeat(300) * 2
    z = y.sum() * w
    y.add_(1)
    return z + (y * y).sum()


def hooked_in_place(x: Tensor, w: Tensor) -> Tensor:
    y = x.repeat(300) * w
    y.register_hook(lambda grad: grad.mul_(2))
    return (y * y).sum()


def recomputed(x: Tensor, w: Tensor) -> Tensor:
    return checkpoint(lambda a, b: a * b * a, x, w, use_reentrant=False)  # type: ignore[no-any-return]


def nested_lists(x: Tensor, w: Tensor) -> Any:
    parts = torch.stack([x, w]).unbind()
    return {"a": [parts[0] * 2], "b": (parts[1] * 3,)}


def transformed(x: Tensor, w: Tensor) -> Tensor:
    return torch.func.grad(lambda z: z * z * z)(x) * w  # type: ignore[no-any-return]


class Meters(Tensor):
    """A plain subclass."""


def of_subclass(x: Tensor, w: Tensor) -> Tensor:
    return x.as_subclass(Meters) * w


class Counting(TorchDispatchMode):
    """A mode of the user's."""

    def __init__(self, seen: list[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen = seen

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


def shown(trace: Callable[..., Any], record: Callable[..., Any], tried: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Names of programs, and what makes their graphs."""

    def leaf(number: Any) -> Tensor:
        return torch.tensor(number, dtype=torch.float64, requires_grad=True)

    for program in tried:
        yield program.function.__name__, lambda program=program: trace(program.function, *map(leaf, program.inputs))
    for function in (doubled_in_place, hooked_in_place, recomputed, nested_lists, transformed, of_subclass):
        yield function.__name__, lambda function=function: trace(function, leaf(3.0), leaf(5.0))

    def under_a_mode() -> Any:
        x, seen = leaf([1.0, 2.0]), list[str]()
        with Counting(seen):
            graph = trace(lambda x: x * x, x)
        return graph, " ".join(seen)

    def step() -> Any:
        layer = nn.Linear(2, 1).double()
        with torch.no_grad():
            layer.weight.copy_(torch.tensor([[1.0, 2.0]]))
            layer.bias.copy_(torch.tensor([3.0]))
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.5)
        with record(layer) as recorded:
            for _ in range(2):
                optimizer.zero_grad()
                layer(torch.ones(1, 2, dtype=torch.float64)).sum().backward()
                optimizer.step()
        return recorded.graph, str(layer.weight.tolist())

    def twice() -> Any:
        x = leaf(3.0)
        with record() as recorded:
            (slope,) = torch.autograd.grad(x * x * x, x, create_graph=True)
            (slope * x).backward()
        return recorded.graph, str(x.grad)

    yield "under_a_mode", under_a_mode
    yield "step", step
    yield "twice", twice


def numbers(graph: Any, number: Callable[[Any], str]) -> dict[str, str]:
    """Every number of a graph, by what it belongs to."""
    fine = graph.detail or graph
    count: Counter[str] = Counter()
    keys, found = {}, {}  # several nodes may be called the same
    for node in fine.node_list:
        keys[node.key] = what = " ".join(node.autograd) or f"{node.op or node.kind} {node.name or ''}"
        count[what] += 1
        what += f" #{count[what]}"
        for n, port in enumerate(node.ports):
            found[f"value of {what} [{n}]"] = said(port.value, number)
            found[f"gradient of {what} [{n}]"] = said(port.grad, number)
    for edge in fine.edges:
        what = f"{keys[edge.tail]} > {keys[edge.head]}"
        count[what] += 1
        what += f" #{count[what]}"
        found[f"local of {what}"], found[f"flow of {what}"] = said(edge.local, number), said(edge.grad, number)
    return found


def said(snapshot: Any, number: Callable[[Any], str]) -> str:
    if snapshot is not None and snapshot.stats is not None:
        return str(snapshot.stats)
    return f"?{snapshot.missing}" if snapshot is not None and snapshot.missing else number(snapshot)


def everything() -> dict[str, Any]:
    """What each program's graph says, or what was raised; with `graphviz_ad` as it is imported here."""
    import graphviz_ad as gad
    from graphviz_ad._internal.check.capture_check import verify
    from graphviz_ad._internal.tracing.tape import torch_version

    torch_version.TESTED = ()  # type: ignore[assignment]
    from graphviz_ad._internal.tracing.self_check import facts_of_graph, plain_number
    from graphviz_ad._internal.tracing.tried_programs import TRIED

    sys.path.insert(0, str(Path(__file__).parent))
    from programs import wrong_sums

    found: dict[str, Any] = {}
    for name, run in shown(gad.trace, gad.record, TRIED):
        try:
            result = run()
            graph, effect = result if isinstance(result, tuple) else (result, "")
            facts_of = {
                **facts_of_graph(graph),
                "effect": effect,
                "numbers": [list(numbers(part, plain_number).items()) for part in graph.passes],
            }
            passes = [part for whole in graph.passes for part in (whole, whole.detail or whole)]
            found[name] = facts_of | {
                "notices": list(graph.notices),
                "unsound": [*map(str, verify(graph).wrong), *(w for part in passes for w in wrong_sums(part))],
            }
        except Exception as error:
            found[name] = {"raised": f"{type(error).__name__}: {error}", "where": traceback.format_exc()[-600:]}
    return found


# --- one process for each lie


def told_to_a_fork(name: str, how: str, finder: Finder) -> dict[str, Any]:
    """What is shown where torch lies so."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        with suppress(BaseException), os.fdopen(writing, "w") as out:
            signal.alarm(SECONDS)
            lie[:] = [name, how]
            sys.meta_path.insert(0, finder)  # type: ignore[arg-type]
            try:
                result: dict[str, Any] = {"programs": everything()}
            except BaseException:
                result = {"failed": traceback.format_exc()[-800:]}
            json.dump({"name": name, "how": how, "asked": list(asked), **result}, out)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as source:
        text = source.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else {"name": name, "how": how, "failed": "the process died"}  # type: ignore[no-any-return]


def main(wanted: list[str]) -> None:
    """All lies, or those about the wanted names."""
    torch.set_num_threads(1)
    # what imports nothing of tracing, once for all
    for module in ("graph.graph_files", "graph.transforms", "operations.rules", "base.errors"):
        importlib.import_module(f"graphviz_ad._internal.{module}")
    finder = Finder()
    gc.disable()  # it would walk through all of torch's things in each of the processes, which are short
    honest = told_to_a_fork("", "", finder)
    print(json.dumps(honest), flush=True)
    for n, name in enumerate(wanted or honest["asked"]):
        lies = LIES if WHOLE or wanted else (LIES[0], LIES[1 + n % 3])
        for how in ("gone", "unused") if name in ENGINE else lies:
            print(json.dumps(told_to_a_fork(name, how, finder)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
