"""Running frames -> where an operation comes from: the user's call site, the modules and custom functions around it.

One walk up the stack for each operation. Frames are read and let go at once; nothing is hooked.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import CodeType
from typing import Any, NamedTuple

from graphviz_ad._internal.base.own_files import EXAMPLES, OUR_FOLDER
from graphviz_ad._internal.tracing.tape.call_sites import CallSite
from graphviz_ad._internal.tracing.tape.torch_private import FUNCTION_APPLY, MODULE_CALL, OPTIMIZER_STEP, TORCH_FOLDER, TRANSFORMS, Frame

USER, TORCH, MODULE_CODE, MODULE_ENTRY, FUNCTION_ENTRY, OPTIMIZER_ENTRY, TRANSFORM, OURS, PLUMBING = range(9)

Way = tuple[int, ...]  # instructions of frames, outermost first


@dataclass(frozen=True)
class ModuleCall:
    """A line of the user's that calls a module of torch's own: where it stands, ``height`` frames above the start of the run, and which module it is.

    ``namer`` is the site whose variable takes what it returns. ``way`` are the frames of torch's modules between that line and the operation, empty
    where the user's own code runs in there; ``handed_on`` says whether that returns the result at once, as a hook that only looks at it does not.
    """

    site: CallSite
    height: int
    module: int
    namer: CallSite | None = field(compare=False)
    way: tuple[tuple[CodeType, int], ...] = field(compare=False)
    handed_on: bool = field(compare=False)


class Place(NamedTuple):
    """Where an operation comes from.

    ``site`` is the instruction that called torch, ``depth`` frames below the start of the run; ``inner`` are the
    (code, instruction) of torch's own Python frames below it, outermost first, ``inner_names`` their names; ``namer`` is the site whose variable takes
    the result of the call, ``user`` the innermost site in the user's own files; ``arguments``
    are the identities of what the outermost of the custom ``functions`` was applied to; ``step`` is the optimizer's step that this is part of:
    its name and the identity of its frame; ``transform`` names the outermost of torch.func's transforms that runs here, such as "jacrev":
    all that happens in it is one call of the user's. ``module_calls``: those that this is part of, innermost first.
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


@dataclass
class _ModuleCalls:
    """The calls of torch's modules on the way out of a stack; ``height`` counts frames from within until all are known."""

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
                self.found[-1] = replace(self.found[-1], namer=site)
        if kind == MODULE_CODE:
            self.way.append((code, site.offset))
            return
        if self.way:
            self.passing_on = site.returned
            way = () if self.is_user_inside else tuple(self.way)
            self.found.append(ModuleCall(site, depth, self.module, None if site.returned else site, way, self.handed_on))
        self.way.clear()
        self.is_user_inside = True
        self.handed_on = self.handed_on and site.returned

    def counted(self, frames: int) -> tuple[ModuleCall, ...]:
        """All of them, with heights from without."""
        return tuple(replace(call, height=frames - call.height) for call in self.found)


@dataclass
class StackReader:
    """Reads stacks up to the frame that runs the traced program; remembers what each code object and site is."""

    stop: CodeType

    def __post_init__(self) -> None:
        """Start with empty memories; they keep the code objects alive whose ids are their keys."""
        self._kinds: dict[int, tuple[int, CodeType]] = {}
        self._sites: dict[tuple[int, int], CallSite] = {}
        self._places: dict[tuple[int, ...], Place] = {}
        self._runs: dict[tuple[int, int, int], tuple[Way, Way, int, int]] = {}

    def _kind(self, code: CodeType) -> int:
        known = self._kinds.get(id(code))
        if known is None:
            known = self._kinds[id(code)] = (_classify(code), code)
        return known[0]

    def _site(self, frame: Frame) -> CallSite:
        key = (id(frame.f_code), frame.f_lasti)
        site = self._sites.get(key)
        if site is None:
            site = self._sites[key] = CallSite(frame.f_code, frame.f_lasti)
        return site

    def read(self, frame: Frame | None) -> Place:
        """Where an operation comes from whose handler was called by ``frame``; the same stack is read only once."""
        key: list[int] = []
        outer = frame
        while outer is not None and outer.f_code is not self.stop:
            key += (id(outer.f_code), outer.f_lasti)
            outer = outer.f_back
        known = self._places.get(tuple(key))
        if known is None:
            known = self._walk(frame)
            if not (known.modules or known.functions or known.step or known.transform):  # which module it is, the same instructions do not say
                self._places[tuple(key)] = known
        return known

    def _walk(self, frame: Frame | None) -> Place:
        inner: list[tuple[int, int]] = []
        inner_names: list[str] = []
        modules: list[Any] = []
        functions: list[type] = []
        arguments: tuple[int, ...] = ()
        step: tuple[str, int] | None = None
        transform = beneath = ""
        entry: CodeType | None = None
        path: list[int] = []
        way: Way = ()
        depth = frames = 0
        calls = _ModuleCalls()
        site = user = namer = None
        naming = True  # while every frame so far hands the result straight on to the next
        while frame is not None:
            code = frame.f_code
            if code is self.stop:
                break
            depth += 1
            frames += 1
            kind = self._kind(code)
            if kind in (USER, MODULE_CODE):
                beneath = ""
                path.clear()
                here = self._site(frame)
                if site is None:
                    depth, site = 1, here
                if user is None and kind == USER:
                    user = here
                calls.meet(kind, code, here, frames)
                if naming:
                    naming = here.returned
                    if not naming and kind == USER:
                        namer = here
            elif kind == TORCH:
                path.append(frame.f_lasti)
                if site is None:
                    inner.append((id(code), frame.f_lasti))
                    inner_names.append(code.co_name)
            elif kind == MODULE_ENTRY:
                modules.append(frame.f_locals["self"])
                calls.module = id(modules[-1])
            elif kind == FUNCTION_ENTRY:
                inside = frame.f_locals
                functions.append(inside["cls"])
                arguments = tuple(id(argument) for argument in inside["args"])
                modules.clear()
                site = user = namer = None  # what the user called is `apply`, not what runs inside it
                calls = _ModuleCalls()
                naming = True
                inner.clear()
                inner_names.clear()
            elif kind == OPTIMIZER_ENTRY:
                step = (f"{type(frame.f_locals['args'][0]).__name__}.step", id(frame))
            elif kind == TRANSFORM:
                transform = beneath = "hessian" if TRANSFORMS[code] == "jacfwd" and beneath == "jacrev" else TRANSFORMS[code]
                path.append(frame.f_lasti)
                entry, way = code, tuple(reversed(path))
                site = namer = None
                calls = _ModuleCalls()
                naming = True
                inner.clear()
            elif kind == OURS:
                naming = False
            frame = frame.f_back
        if entry is not None and site is not None:
            inner += self._within(entry, way, site, depth)
        inner.reverse()
        inner_names.reverse()
        around = tuple(reversed(modules)), tuple(reversed(functions))
        return Place(depth, site, tuple(inner), tuple(inner_names), namer, user, *around, arguments, step, transform, calls.counted(frames))

    def _within(self, entry: CodeType, now: Way, site: CallSite, depth: int) -> list[tuple[int, int]]:
        """What says of operations within a transform, innermost first, that they belong to one run of it and which was later, whatever loops it has.

        ``now`` is how far torch's own code has come. A new run is back where the last one had its first operation.
        """
        key = (id(entry), id(site), depth)
        first, last, runs, count = self._runs.get(key, (now, now, 0, 0))
        if now <= first and now != last:
            first, runs = now, runs + 1
        self._runs[key] = (first, now, runs, count + 1)
        return [(0, count), (id(entry), -runs)]


def _classify(code: CodeType) -> int:
    if code is MODULE_CALL:
        return MODULE_ENTRY
    if code is FUNCTION_APPLY:
        return FUNCTION_ENTRY
    if code in TRANSFORMS:
        return TRANSFORM
    if code is OPTIMIZER_STEP:
        return OPTIMIZER_ENTRY
    file = code.co_filename
    if file.startswith(OUR_FOLDER) and not file.startswith(EXAMPLES):
        return PLUMBING if file.endswith("/tape/communication.py") else OURS
    if file.startswith(TORCH_FOLDER + "nn/modules/") and not file.endswith("/module.py"):
        return MODULE_CODE
    if file.startswith((TORCH_FOLDER + "_dynamo/", TORCH_FOLDER + "_compile.py", TORCH_FOLDER + "utils/_python_dispatch.py")):
        return PLUMBING  # stands between every operation and its handler
    return TORCH if file.startswith((TORCH_FOLDER, "<frozen")) else USER
