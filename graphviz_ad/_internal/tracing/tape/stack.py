"""Running frames -> where an operation comes from: the user's call site, the modules and custom functions around it.

One walk up the stack for each operation. Frames are read and let go at once; nothing is hooked.
"""

from __future__ import annotations

import inspect
import sysconfig
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from types import CodeType
from typing import Any, NamedTuple, TypeAlias

from graphviz_ad._internal.base.frozen import changed, frozen
from graphviz_ad._internal.base.own_files import EXAMPLES, OUR_FOLDER
from graphviz_ad._internal.tracing.tape.call_sites import HANDLERS, CallSite
from graphviz_ad._internal.tracing.tape.callees import UNTOLD, Callee, callee_at
from graphviz_ad._internal.tracing.tape.custom_functions import Applied, applied_by, known_forwards, stands_on_the_stack
from graphviz_ad._internal.tracing.tape.torch_private import (
    FUNCTION_CALLS,
    MODULE_CALL,
    OPTIMIZER_STEP,
    TORCH_FOLDER,
    TRANSFORMS,
    Frame,
    module_that_runs,
)

(
    USER, TORCH, MODULE_CODE, MODULE_ENTRY, FUNCTION_ENTRY, OPTIMIZER_ENTRY, TRANSFORM, OURS, PLUMBING, FORWARD, HANDLER
) = range(11)  # fmt: skip
GENERATED = "<eval_with_key>"  # so begin the names of the files that torch.fx makes up for code that it writes
STANDARD_LIBRARY = (f"{sysconfig.get_path('stdlib')}/", "<frozen")
INSTALLED = (f"{sysconfig.get_path('purelib')}/", f"{sysconfig.get_path('platlib')}/")
PASSES_ON = ("/site-packages/einops/", "/site-packages/opt_einsum/")
# of ours, what stands between the program and what it calls: messages between processes, and the engine
BETWEEN = ("/tape/communication.py", "/tracing/recording.py", "/tape/torch_private.py", "/tape/collector.py")
MODULE_FILE = "/nn/modules/module.py"
Way = tuple[int, ...]  # instructions of frames, outermost first
A_MODULE = 0  # what stands on a way where a module is called
PathStep: TypeAlias = CallSite | tuple[CodeType, int] | int
_Places: TypeAlias = "dict[tuple[int, ...], tuple[Place, int]]"  # by the modules that run, innermost first


@frozen
class ModuleCall:
    """A line of the user's that calls a module of torch's own: where it stands, ``height`` frames above the start of
    the run, and which module it is.

    ``namer`` is the site whose variable takes what it returns. ``way`` are the frames of torch's modules between that
    line and the operation, empty where the user's own code runs in there; ``handed_on`` says whether that returns the
    result and nothing else, as a hook that only looks at it does not.
    """

    site: CallSite
    height: int
    module: int
    namer: CallSite | None = field(compare=False)
    way: tuple[tuple[CodeType, int], ...] = field(compare=False)
    handed_on: bool = field(compare=False)

    def in_module(self, module: int) -> ModuleCall:
        """The same of another module."""
        return ModuleCall(self.site, self.height, module, self.namer, self.way, self.handed_on)


class Place(NamedTuple):
    """Where an operation comes from.

    ``site`` is the instruction that called torch, ``depth`` frames below the start of the run; ``inner`` are the (code,
    instruction) of torch's own Python frames below it, outermost first, ``inner_names`` their names; ``namer`` is the
    site whose variable takes the result of the call, ``user`` the innermost site in the user's own files; ``arguments``
    are the identities of what the outermost of the custom ``functions`` was applied to; ``step`` is the optimizer's
    step that this is part of: its name and the identity of its frame; ``transform`` names the outermost of torch.func's
    transforms that runs here, such as "jacrev": all that happens in it is one call of the user's. ``module_calls``:
    those that this is part of, innermost first; ``way`` are the frames that lead here, outermost first: lines of the
    user's are call sites, those of torch's plain steps, and `A_MODULE` stands where a module is called. ``called`` is
    what the site calls, whatever the program calls it. ``lines`` are the call sites on the way. Way and lines are the
    same tuples at all places at the same instructions. ``numbers`` are the identities of the modules, innermost first.
    """

    depth: int
    site: CallSite | None
    inner: tuple[tuple[int, int], ...]
    inner_names: tuple[str, ...]
    namer: CallSite | None
    user: CallSite | None
    modules: tuple[Any, ...]
    functions: tuple[type, ...]
    arguments: tuple[int, ...]
    step: tuple[str, int] | None = None
    transform: str = ""
    module_calls: tuple[ModuleCall, ...] = ()
    way: tuple[PathStep, ...] = ()
    called: Callee = UNTOLD
    lines: tuple[CallSite, ...] = ()
    numbers: tuple[int, ...] = ()

    @property
    def path(self) -> tuple[PathStep, ...]:
        """The way, and where a module is called stands its identity."""
        numbers = reversed(self.numbers)
        return tuple([next(numbers) if type(step) is int else step for step in self.way])

    def in_modules(self, modules: tuple[Any, ...], numbers: tuple[int, ...]) -> Place | None:
        """The place at the same instructions in a run of other modules; None where a module stands twice in this one,
        so that this is not clear.
        """
        before = self.numbers
        if len(set(before)) != len(numbers):
            return None
        calls = [
            call.in_module(numbers[before.index(call.module)] if call.module in before else 0)
            for call in self.module_calls
        ]
        return self.with_modules(modules, tuple(calls), numbers)

    def with_modules(self, modules: tuple[Any, ...], calls: tuple[ModuleCall, ...], numbers: tuple[int, ...]) -> Place:
        """With these for its own; faster than `_replace`, as there are many."""
        return Place(*self[:6], modules, *self[7:11], calls, *self[12:15], numbers)


@dataclass
class _ModuleCalls:
    """The calls of torch's modules on the way out of a stack; ``height`` counts frames from within until all are
    known.
    """

    found: list[ModuleCall] = field(default_factory=list)
    way: list[tuple[CodeType, int]] = field(default_factory=list)
    module: int = 0
    is_user_inside: bool = False
    handed_on: bool = True
    passing_on: bool = False

    def meet(self, kind: int, code: CodeType, site: CallSite, depth: int) -> None:
        """One frame further out."""
        if self.passing_on:  # the line hands what the module returned straight on
            self.passing_on = site.returned
            if not site.returned and kind == USER:
                self.found[-1] = changed(self.found[-1], namer=site)
        if kind == MODULE_CODE:
            self.way.append((code, site.offset))
            return
        if self.way:
            self.passing_on = site.returned
            way = () if self.is_user_inside else tuple(self.way)
            self.found.append(
                ModuleCall(site, depth, self.module, None if site.returned else site, way, self.handed_on)
            )
        self.way.clear()
        self.is_user_inside = True
        self.handed_on = self.handed_on and site.is_returned

    def counted(self, frames: int) -> tuple[ModuleCall, ...]:
        """All of them, with heights from without."""
        return tuple([changed(call, height=frames - call.height) for call in self.found])


class _Walk:
    """What one walk up a stack has found so far, innermost first: each method takes in one more frame, of one kind."""

    __slots__ = (
        "above",
        "applied",
        "beneath",
        "called",
        "callee_of",
        "calls",
        "depth",
        "entry",
        "frames",
        "functions",
        "inner",
        "inner_names",
        "is_helper",
        "modules",
        "namer",
        "naming",
        "optimizers",
        "path",
        "plain",
        "site",
        "site_of",
        "step",
        "steps",
        "transform",
        "user",
        "user_codes",
        "way",
    )

    def __init__(
        self,
        site_of: Callable[[Frame], CallSite],
        callee_of: Callable[[CallSite, Frame], Callee],
        plain: dict[tuple[int, int], tuple[CodeType, int]],
        optimizers: dict[int, weakref.ref[Any]],
    ) -> None:
        """Nothing is found yet; ``site_of`` and ``callee_of`` remember sites and what they call, ``plain`` steps that
        are none.
        """
        self.site_of, self.callee_of, self.plain, self.optimizers = site_of, callee_of, plain, optimizers
        self.steps: list[PathStep] = []
        self.depth = self.frames = self.above = 0
        self.site: CallSite | None = None
        self.called = UNTOLD
        self.namer: CallSite | None = None
        self.user: CallSite | None = None
        self.is_helper = False  # whether that is a line which nobody looks for
        self.naming = True  # while every frame so far hands the result straight on to the next
        self.inner: list[tuple[int, int]] = []
        self.inner_names: list[str] = []
        self.modules: list[Any] = []
        self.functions: list[type] = []
        self.applied: Applied | None = None
        self.step: tuple[str, int] | None = None
        self.transform = self.beneath = ""  # the outermost, and the one that runs right in it
        self.entry: CodeType | None = None  # of the outermost transform
        self.path: list[int] = []  # instructions of torch's frames since the user's code
        self.way: Way = ()  # the path within the outermost transform
        self.calls = _ModuleCalls()
        self.user_codes: list[CodeType] = []

    def _starts_anew(self) -> None:
        """What the user called is what stands here, not what runs inside it."""
        self._takes_out_site()
        self.inner.clear()

    def _takes_out_site(self) -> None:
        self.site = self.namer = None
        self.called = UNTOLD
        self.calls = _ModuleCalls()
        self.naming = True
        self.steps.clear()

    def meet_handler(self, frame: Frame) -> None:
        """A handler of the user's that sees what the program calls: where it only hands that on, the program's own
        line is what called.
        """
        here = self.site_of(frame)
        if self.site is None and not here.hands_on:
            self.meet_user(frame)
        elif self.site is None or self.site.hands_on:
            is_returned = here.is_returned and (self.site is None or self.site.is_returned)
            self._takes_out_site()
            self.user = None
            self.naming = is_returned
        else:
            self.meet_user(frame)

    def meet_user(self, frame: Frame) -> None:
        """A line of the user's."""
        here = self._meet_code(frame, USER)
        self.user_codes.append(frame.f_code)
        self.steps.append(here)
        if self.user is None or self.is_helper:
            self.user, self.is_helper = here, is_helper(frame.f_code.co_filename)
        if self.naming:
            self.naming = here.returned
            if not self.naming and not frame.f_code.co_filename.startswith(STANDARD_LIBRARY):
                self.namer = here

    def meet_module_code(self, frame: Frame) -> None:
        """A line of one of torch's modules, as if the user had written it."""
        here = self._meet_code(frame, MODULE_CODE)
        self._pass_by(frame)
        self.naming = self.naming and here.returned

    def _meet_code(self, frame: Frame, kind: int) -> CallSite:
        self.beneath = ""
        self.path.clear()
        here = self.site_of(frame)
        if self.site is None:
            self.depth, self.site, self.above = 1, here, self.frames - 1
            self.called = self.callee_of(here, frame)
        self.calls.meet(kind, frame.f_code, here, self.frames)
        return here

    def meet_torch(self, frame: Frame) -> None:
        """A line of torch's own."""
        self.path.append(frame.f_lasti)
        self._pass_by(frame)
        if frame.f_code.co_name == "__init__":  # which returns nothing, whatever it computes
            self.naming = False
        if self.site is None:
            self.inner.append((id(frame.f_code), frame.f_lasti))
            # how a module is called, in a function called "inner", is nothing that a program calls
            if not frame.f_code.co_filename.endswith(MODULE_FILE):
                self.inner_names.append(frame.f_code.co_name)

    def _pass_by(self, frame: Frame) -> None:
        """A step between lines of the user's; equal ones are the same, since there are many."""
        key = (id(frame.f_code), frame.f_lasti)
        step = self.plain.get(key)
        if step is None:
            step = self.plain[key] = (frame.f_code, frame.f_lasti)
        self.steps.append(step)

    def meet_module(self, frame: Frame) -> None:
        """A module is called."""
        self.modules.append(module_that_runs(frame))
        self.calls.module = id(self.modules[-1])
        self.steps.append(A_MODULE)

    def meet_function(self, applied: Applied) -> None:
        """A custom Function is applied."""
        if self.applied is not None and self.applied.is_same_call(applied):  # a forward that has called itself
            self.functions.pop()
        self.functions.append(applied.function)
        self.applied = applied
        self.modules.clear()
        self.user, self.is_helper = None, False
        self.inner_names.clear()
        self._starts_anew()

    def meet_optimizer(self, frame: Frame) -> None:
        """An optimizer takes a step; what a closure does in it is no part of that, but the program's own."""
        optimizer, *given = frame.f_locals["args"]
        given += frame.f_locals["kwargs"].values()
        if self.user_codes and (
            self.user_codes[-1] is not code_of(type(optimizer).step)
            or any(code_of(one) in self.user_codes for one in given if callable(one))
        ):
            return
        self.step = (f"{type(optimizer).__name__}.step", id(frame))
        self.optimizers.setdefault(id(optimizer), weakref.ref(optimizer))

    def meet_transform(self, frame: Frame) -> None:
        """One of torch.func's transforms runs."""
        name = TRANSFORMS[frame.f_code]
        self.transform = self.beneath = "hessian" if name == "jacfwd" and self.beneath == "jacrev" else name
        self.path.append(frame.f_lasti)
        self.entry, self.way = frame.f_code, tuple(reversed(self.path))
        self._starts_anew()

    def meet_ours(self, frame: Frame) -> None:
        """A line of ours, which takes the result to somewhere."""
        self.naming = False

    def meet_plumbing(self, frame: Frame) -> None:
        """A line that is not there for the user."""

    def place(self) -> Place:
        """All of it, outermost first."""
        return Place(
            self.depth,
            self.site,
            tuple(reversed(self.inner)),
            tuple(reversed(self.inner_names)),
            self.namer,
            self.user,
            tuple(reversed(self.modules)),
            tuple(reversed(self.functions)),
            self.applied.arguments if self.applied is not None else (),
            self.step,
            self.transform,
            self.calls.counted(self.frames),
            tuple(reversed(self.steps)),
            self.called,
            tuple([step for step in reversed(self.steps) if isinstance(step, CallSite)]),
            tuple(map(id, self.modules)),
        )


@cache
def is_helper(file: str) -> bool:
    """Whether a file is Python's own, or one whose functions only pass on what they are given: the line that is
    looked for is the one that calls it.
    """
    return (file.startswith((GENERATED, *STANDARD_LIBRARY)) and not file.startswith(INSTALLED)) or any(
        part in file for part in PASSES_ON
    )


def code_of(function: Any) -> CodeType | None:
    """The code of the user's that a call of something runs first; None where that is not Python's."""
    while True:
        function = inspect.unwrap(function)
        if isinstance(function, partial):
            function = function.func
        elif (within := getattr(function, "__func__", None)) is not None:
            function = within
        else:
            break
    if not inspect.isfunction(function):
        function = vars(type(function)).get("__call__")
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None


MEET: Mapping[int, Callable[[_Walk, Frame], None]] = {
    USER: _Walk.meet_user,
    MODULE_CODE: _Walk.meet_module_code,
    TORCH: _Walk.meet_torch,
    MODULE_ENTRY: _Walk.meet_module,
    OPTIMIZER_ENTRY: _Walk.meet_optimizer,
    TRANSFORM: _Walk.meet_transform,
    OURS: _Walk.meet_ours,
    PLUMBING: _Walk.meet_plumbing,
    HANDLER: _Walk.meet_handler,
}


@dataclass
class StackReader:
    """Reads stacks up to the frame that runs the traced program; remembers what each code object and site is.

    ``direct`` is what runs where the program is a function of torch's, without a line of Python.
    """

    stop: CodeType
    direct: Callee = UNTOLD

    def __post_init__(self) -> None:
        """Start with empty memories; they keep the code objects alive whose ids are their keys."""
        self._kinds: dict[int, tuple[int, CodeType]] = {}
        self._sites: dict[tuple[int, int], CallSite] = {}
        self._plain: dict[tuple[int, int], tuple[CodeType, int]] = {}
        self.optimizers: dict[int, weakref.ref[Any]] = {}  # those that took a step, by identity
        self._callees: dict[int, Callee] = {}  # identity of a site -> what it calls, always
        self._places: dict[tuple[int, ...], _Places] = {}
        self._runs: dict[tuple[int, int, int], tuple[Way, Way, int, int]] = {}
        self._began: dict[tuple[int, int | None], Applied] = {}
        self._by_forwards = not stands_on_the_stack()
        self._has_looked = self._has_forwards = False  # in this walk

    def _kind(self, code: CodeType) -> int:
        known = self._kinds.get(id(code))
        if known is None:
            if self._by_forwards and not self._has_looked:
                known_forwards.look()
                self._has_looked = True
            known = self._kinds[id(code)] = (
                FORWARD if self._by_forwards and code in known_forwards else _classify(code),
                code,
            )
        return known[0]

    def codes_of_program(self) -> list[CodeType]:
        """The codes that are the user's, of all that was met."""
        return [code for kind, code in self._kinds.values() if kind == USER]

    def _applied(self, frame: Frame, kind: int) -> Applied | None:
        """The custom Function that is applied in a frame; None where none is."""
        if kind == FUNCTION_ENTRY:
            return applied_by(frame)
        self._has_forwards = True
        now = known_forwards.applied(frame)
        if now is None or now.context is None or now.context[1] is None:
            return now
        return self._began.setdefault(now.context, now)  # its parameters may since have been taken for something else

    def _site(self, frame: Frame) -> CallSite:
        key = (id(frame.f_code), frame.f_lasti)
        site = self._sites.get(key)
        if site is None:
            site = self._sites[key] = CallSite(frame.f_code, frame.f_lasti)
        return site

    def _callee(self, site: CallSite, frame: Frame) -> Callee:
        found = self._callees.get(id(site))
        if found is None:
            found = callee_at(site, frame)
            if found.fixed:
                self._callees[id(site)] = found
        return found

    def read(self, frame: Frame | None) -> Place:
        """Where an operation comes from whose handler was called by ``frame``; the same stack is read only once."""
        codes: list[int] = []
        running: list[Any] = []  # modules: which these are, the same instructions do not say
        outer, stop, note = frame, self.stop, codes.append
        while outer is not None and (code := outer.f_code) is not stop:
            note(id(code))
            note(outer.f_lasti)
            if code is MODULE_CALL:
                running.append(module_that_runs(outer))
            outer = outer.f_back
        key = tuple(codes)
        places = self._places.get(key)
        if places is None:
            places = self._places[key] = {}
        modules = tuple(map(id, running)) if running else ()  # a place keeps them alive
        known = places.get(modules)
        if known is not None and known[0].called.fixed:  # the usual case
            return known[0]
        known = known or _alike(places, running, modules)
        if known is None or not (known[0].called.fixed or self._calls_the_same(*known, frame)):
            known = self._walk(frame)
            # Which Function it is, or how far a transform has come, the same instructions do not say.
            if known[0].functions or known[0].step or known[0].transform or self._has_forwards:
                return known[0]
        places[modules] = known
        return known[0]

    def _calls_the_same(self, known: Place, above: int, frame: Frame | None) -> bool:
        """Whether the variables that say what is called hold what they did; the site is so many frames further out."""
        for _ in range(above):
            frame = frame.f_back if frame is not None else None
        return frame is not None and known.site is not None and self._callee(known.site, frame) == known.called

    def _walk(self, frame: Frame | None) -> tuple[Place, int]:
        """Where it comes from, and how many frames further out the site is."""
        self._has_looked = self._has_forwards = False
        walk = _Walk(self._site, self._callee, self._plain, self.optimizers)
        while frame is not None and (code := frame.f_code) is not self.stop:
            known = self._kinds.get(id(code))
            kind = known[0] if known is not None else self._kind(code)
            walk.depth += 1
            walk.frames += 1
            applied = self._applied(frame, kind) if kind in (FUNCTION_ENTRY, FORWARD) else None
            if applied is not None:
                walk.meet_function(applied)
            else:
                MEET[kind if kind != FORWARD else _classify(code)](walk, frame)
            frame = frame.f_back
        if walk.site is None:
            walk.called = self.direct
        if walk.entry is not None and walk.site is not None:
            walk.inner += self._within(walk.entry, walk.way, walk.site, walk.depth)
        return walk.place(), walk.above

    def _within(self, entry: CodeType, now: Way, site: CallSite, depth: int) -> list[tuple[int, int]]:
        """What says of operations within a transform, innermost first, that they belong to one run of it and which
        was later, whatever loops it has.

        ``now`` is how far torch's own code has come. A new run is back where the last one had its first operation.
        """
        key = (id(entry), id(site), depth)
        first, last, runs, count = self._runs.get(key, (now, now, 0, 0))
        if now <= first and now != last:
            first, runs = now, runs + 1
        self._runs[key] = (first, now, runs, count + 1)
        return [(0, count), (id(entry), -runs)]


def _alike(places: _Places, running: list[Any], numbers: tuple[int, ...]) -> tuple[Place, int] | None:
    """What the place of other modules, at the same instructions, says of that of these; None where that is not
    clear.
    """
    for place, above in places.values():
        alike = place.in_modules(tuple(reversed(running)), numbers)
        return None if alike is None else (alike, above)
    return None


def _classify(code: CodeType) -> int:
    if code is MODULE_CALL:
        return MODULE_ENTRY
    if code in FUNCTION_CALLS:
        return FUNCTION_ENTRY
    if code in TRANSFORMS:
        return TRANSFORM
    if code is OPTIMIZER_STEP:
        return OPTIMIZER_ENTRY
    file = code.co_filename
    if file.startswith(OUR_FOLDER) and not file.startswith(EXAMPLES):
        return PLUMBING if file.endswith(BETWEEN) else OURS
    is_module = file.startswith(TORCH_FOLDER + "nn/modules/") and not file.endswith(MODULE_FILE)
    if is_module or file.startswith(GENERATED):
        return MODULE_CODE
    if code.co_name in HANDLERS:
        return PLUMBING if file.startswith(TORCH_FOLDER) else HANDLER
    if file.startswith(
        (
            TORCH_FOLDER + "_dynamo/",
            TORCH_FOLDER + "_compile.py",
            TORCH_FOLDER + "utils/_python_dispatch.py",
            TORCH_FOLDER + "overrides.py",
        )
    ):
        return PLUMBING  # stands between every operation and its handler
    return TORCH if file.startswith((TORCH_FOLDER, "<frozen")) else USER
