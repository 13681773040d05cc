"""Nothing that a program can find out about its tensors, its modules or the process is another after it was looked
at, or while it is.

FUZZ=1000 tries as many new programs.
"""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

import flows
import pytest
import real_modules
import torch
import torch_modules
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from observable import State, calls_of_ours, differences, of_tensor, tensors_of, unchanged, without_addresses
from random_programs import Input, Program, inputs, programs
from torch import Tensor
from torch.utils._pytree import tree_leaves

import graphviz_ad as gad

FUZZ = "FUZZ" in os.environ
EXAMPLES = int(os.environ.get("FUZZ", "25"))

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore:.*encountered in sinh:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated"),
]

MOVED_BY_PROGRAMS = ("generator", "nodes")  # these run once more
TRIED: Counter[str] = Counter()


@pytest.fixture(autouse=True, scope="module")
def loaded() -> Iterator[None]:
    """What is loaded and measured when it is first needed is loaded and measured before."""
    x = torch.ones(2, requires_grad=True)
    gad.trace(lambda x: (x * x).sum(), x).plot(layout="layered").to_svg()
    gad.make_dot((x * 2).sum(), params={"x": x})
    with gad.record():
        (x * 2).sum().backward()
    yield
    print("\ntried:", dict(TRIED))


def at_random(test: Any) -> Any:
    """With FUZZ set, so many examples and new ones each time."""
    phases = (Phase.generate, Phase.shrink) if FUZZ else (Phase.generate,)
    given_programs = given(program=programs, first=inputs(st.just(True)), second=inputs(st.booleans()))(test)
    return settings(
        max_examples=EXAMPLES,
        derandomize=not FUZZ,
        deadline=None,
        database=None,
        phases=phases,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )(given_programs)


def runnable(program: Program, first: Input, second: Input) -> Program | None:
    """The program without what torch refuses; None where it is none, or writes to what it is given."""
    x, y = first.make(), second.make()
    program = program.accepted(x, y)
    outputs = program(first.make(), second.make())
    return program if outputs and not x._version and not y._version and not program.is_reentrant else None


def back(outputs: Sequence[Tensor]) -> None:
    torch.autograd.backward(outputs, [torch.ones_like(output) for output in outputs])


# --- after


@at_random
def test_what_was_there_before_a_trace_is_as_it_was(program: Program, first: Input, second: Input) -> None:
    program = runnable(program, first, second)
    if program is None:
        return
    x, y = first.make(), second.make()
    x.grad, x.mark = torch.ones_like(x), "mine"
    x.register_hook(lambda grad: None)
    held = what_the_program_holds(program, first, second)
    TRIED["traced"] += 1
    moved = (*MOVED_BY_PROGRAMS, *["_use_count"] * (held != [0, 0]))  # which counts torch's own references, too
    with unchanged(x, y, x.grad, but=moved.__contains__, held=held):
        try:
            gad.trace(program, x, y)
        except RuntimeError:
            TRIED["raised"] += 1


def what_the_program_holds(program: Program, first: Input, second: Input) -> list[int]:
    """How many references to its inputs there are more after a program has run without us."""

    def references() -> list[int]:
        return [sys.getrefcount(x), sys.getrefcount(y)]

    x, y = first.make(), second.make()
    before, used = references(), [x._use_count(), y._use_count()]
    with suppress(RuntimeError):
        outputs = program(x, y)
        ones = [torch.ones_like(output) for output in outputs]
        torch.autograd.grad(outputs, [x], ones, retain_graph=True, allow_unused=True)
    outputs = ones = None
    if references() != before or used != [x._use_count(), y._use_count()]:
        gc.collect()
    held = [after - earlier for earlier, after in zip(before, references(), strict=True)]
    return held if used == [x._use_count(), y._use_count()] else [*held, 0]


@at_random
def test_what_was_computed_is_as_it_was_when_it_has_been_looked_at(
    program: Program, first: Input, second: Input
) -> None:
    program = runnable(program, first, second)
    if program is None:
        return
    x, y = first.make(), second.make()
    seen: list[Tensor] = []
    outputs = program(x, y, seen.append)
    outputs[0].retain_grad()
    TRIED["finished"] += 1
    # a pass from several outputs begins at a node of its own
    with unchanged(x, y, *seen, *outputs, but=("nodes",).__contains__):
        gad.make_dot(tuple(outputs), params={"x": x}, show_saved=True, show_attrs=True)
        try:
            gad.trace(outputs)
        except RuntimeError:
            TRIED["raised"] += 1
    with calls_of_ours() as calls:
        try:
            back(outputs)
        except RuntimeError:
            TRIED["raised"] += 1
    assert calls == []


DRAWN: dict[str, Callable[[gad.Graph, Path], Any]] = {
    "dot": lambda graph, folder: graph.plot(layout="dot").to_svg(),
    "layered": lambda graph, folder: graph.plot(layout="layered").save(folder / "f.pdf"),
    "png": lambda graph, folder: graph.plot().save(folder / "f.png"),
    "film": lambda graph, folder: graph.animate().save(folder / "f.gif"),
    "page": lambda graph, folder: graph.animate().save(folder / "f.html"),
    "checked": lambda graph, folder: graph.check(),
    "explained": lambda graph, folder: graph.explain("x").to_text(),
}


@pytest.mark.parametrize("way", DRAWN)
def test_drawing_and_explaining_leave_the_process_as_it_was(way: str, tmp_path: Path) -> None:
    x = torch.tensor([0.5, 2.0], requires_grad=True)
    graph = gad.trace(lambda x: (x * x).sin().sum(), x)
    DRAWN[way](graph, tmp_path)  # what is loaded once a process is loaded now
    with unchanged(x):
        DRAWN[way](graph, tmp_path)


# --- meanwhile


class Seen:
    """What a program finds out about its results while it runs, and about what it has kept afterwards.

    The gradient of one of its results is to be kept, as ``.grad`` of it; and one input was computed before.
    """

    def __init__(self, program: Program, first: Input, second: Input) -> None:
        self.program, self.x, self.y = program, first.make(), second.make()
        self.before = self.x.sin()
        self.before.retain_grad()
        self.states: list[State] = []
        self.kept: list[Tensor] = []
        self.problem: str | None = None

    def __call__(self, x: Tensor, y: Tensor) -> list[Tensor]:
        return self.program(x, y, self.see)

    def see(self, result: Tensor) -> None:
        if result is self.y or result is self.before:  # whoever calls the program holds these, too
            return
        references = sys.getrefcount(result)
        self.states.append({**without_addresses(of_tensor(result)), "references": references})
        if not self.kept and result.requires_grad and not result.is_leaf:
            result.retain_grad()
            self.kept.append(result)

    def run(self, how: Callable[[Seen], Any]) -> Seen:
        torch.manual_seed(0)
        nodes = torch.autograd._get_sequence_nr()
        with warnings.catch_warnings(record=True) as said, warnings_every_time():
            warnings.simplefilter("always")
            try:
                how(self)
            except RuntimeError as error:
                self.problem = str(error)
        self.warnings = [str(warning.message) for warning in said]
        self.states.append(
            {"nodes": torch.autograd._get_sequence_nr() - nodes, "generator": torch.get_rng_state().tolist()}
        )
        self.look()
        for tensor in (*self.kept, self.before):  # the graph behind them is there still, or is not
            try:
                back([tensor])
            except RuntimeError as error:
                self.states.append({"backward": str(error)})
        self.look()
        return self

    def look(self) -> None:
        self.states += [without_addresses(of_tensor(tensor)) for tensor in (self.x, self.y, self.before, *self.kept)]


@contextmanager
def warnings_every_time() -> Iterator[None]:
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    try:
        yield
    finally:
        torch.set_warn_always(before)


def step(seen: Seen) -> None:
    back(seen(seen.before, seen.y))


def recorded(seen: Seen) -> None:
    with gad.record():
        step(seen)


def forward(seen: Seen) -> None:
    """A trace runs a backward pass of its own, of which nothing is to stay but what the program does in it."""
    outputs = seen(seen.before, seen.y)
    aside = [(tensor, tensor.grad) for tensor in (*seen.kept, seen.before)]
    ones = [torch.ones_like(output) for output in outputs]
    torch.autograd.grad(outputs, flows.variables(outputs), ones, retain_graph=True, allow_unused=True)
    for tensor, grad in aside:
        tensor.grad = grad


def traced(seen: Seen) -> None:
    gad.trace(seen, seen.before, seen.y)


def told(seen: Seen) -> list[Any]:
    """What is to be the same.

    While a program is recorded it can be seen that there are weak references to objects, and that autograd nodes are
    held, and so what they keep.
    """
    meanwhile = ("weak references", "_use_count")

    def renamed(value: Any) -> Any:
        if isinstance(value, list):
            return [renamed(part) for part in value]
        return flows.RESHAPED.get(value, value) if isinstance(value, str) else value

    return [
        {name: renamed(value) for name, value in state.items() if not any(word in name for word in meanwhile)}
        for state in seen.states
    ]


@pytest.mark.parametrize(("watched", "plain"), [(traced, forward), (recorded, step)], ids=["traced", "recorded"])
def test_a_program_finds_out_nothing_while_it_is_watched(watched: Any, plain: Any) -> None:
    @at_random
    def any_program(program: Program, first: Input, second: Input) -> None:
        program = runnable(program, first, second)
        if program is None:
            return
        TRIED[watched.__name__ + " beside"] += 1
        one, other = Seen(program, first, second).run(plain), Seen(program, first, second).run(watched)
        assert one.problem == other.problem
        assert [differences(before, after) for before, after in zip(told(one), told(other), strict=True)] == [
            {} for _ in one.states
        ]
        assert one.warnings == other.warnings

    any_program()


# --- modules

Made = Callable[[], tuple[Callable[..., Any], tuple[Any, ...]]]


def seeded(make: Made) -> Made:
    def again() -> tuple[Callable[..., Any], tuple[Any, ...]]:
        torch.manual_seed(0)
        return make()

    return again


EVERY_MODULE: dict[str, Made] = {
    **{name: seeded(make) for name, make in real_modules.MODULES.items()},
    **{name: partial(torch_modules.made, name) for name in torch_modules.MODULES},
}


def written_by_the_module(name: str) -> bool:
    """What a forward pass writes: buffers, the generator, and the numbers that a module keeps for the next time."""
    return name in (*MOVED_BY_PROGRAMS, "bits", "_version") or "_buffers" in name or "rng" in name


def loss_of(returned: Any) -> Tensor:
    """One number that every result has a part in."""
    tensors = [leaf for leaf in tree_leaves(returned) if isinstance(leaf, Tensor) and leaf.requires_grad]
    return sum((tensor.sum() for tensor in tensors[1:]), tensors[0].sum())


def ready(name: str) -> tuple[Any, tuple[Any, ...]]:
    """A module that was called once, with inputs of which at least one has something to get."""
    module, args = EVERY_MODULE[name]()
    module(*args)
    if not list(module.parameters()):
        args[0].requires_grad_()
    return module, args


@pytest.mark.parametrize("name", EVERY_MODULE)
def test_a_module_is_as_it_was_and_as_it_would_be(name: str) -> None:
    module, args = ready(name)
    # some versions of torch compile once more under any dispatch mode, and mark and hold the parameters once more
    of_compiler = ("weak references", "__dict__") if name == "compiled" else ()

    def expected(key: str) -> bool:
        return written_by_the_module(key) or any(word in key for word in of_compiler)

    with unchanged(module, *of_inputs(args), but=expected):
        gad.trace(module, *args)
    states = []
    for watch in (gad.record, lambda _: nullcontext()):
        module, args = ready(name)
        torch.manual_seed(1)
        with watch(module):
            loss_of(module(*args)).backward()
        states.append([without_addresses(of_tensor(tensor)) for tensor in (*tensors_of(module), *of_inputs(args))])
    changed = [differences(*pair) for pair in zip(*states, strict=True)]
    assert [{key for key in each if not any(word in key for word in of_compiler)} for each in changed] == [
        set() for _ in changed
    ]


def of_inputs(args: tuple[Any, ...]) -> list[Tensor]:
    return [arg for arg in args if isinstance(arg, Tensor)]
