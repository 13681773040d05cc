"""Architecture -> its stages: what a figure of it shows as one thing each, and what goes from one to another.

What changes each element alone, such as an activation or a normalisation, is said of the stage before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from graphviz_ad._internal.graph.architecture import Architecture, Call, Shape, view
from graphviz_ad._internal.operations import layer_kinds as layers

# kinds whose results another shape is no stage of its own
FLAT = (layers.DENSE, layers.LOOKUP, layers.RECURRENT, layers.JOIN, layers.OTHER)
CONTAINERS = ("Sequential", "ModuleList", "ModuleDict")


@dataclass(frozen=True)
class Stage:
    """One thing of a figure: ``title`` says what it is, ``also`` what is done to each element afterwards, ``shape``
    what comes out of it, without the batch; ``weights`` is the path of the module whose weight it has, if it is linear;
    ``times`` is how many like it stand one after the other. ``gives`` is the number of the tensor that comes out of it
    at last, ``taken`` of that which goes in; ``kernel`` is how many rows and columns of it an element is made of;
    ``active``: an activation is among what is done afterwards.
    """

    key: str
    kind: str
    title: str
    shape: Shape | None
    also: tuple[str, ...] = ()
    parameters: int = 0
    weights: str | None = None
    takes: Shape | None = None
    path: str = ""
    times: int = 1
    gives: int | None = None
    taken: int | None = None
    kernel: tuple[int, int] | None = None
    active: bool = False


@dataclass(frozen=True)
class Way:
    """From one stage to another."""

    tail: str
    head: str


@dataclass(frozen=True)
class Stages:
    """The stages of a model in the order in which they began, and the ways between them, each once."""

    name: str
    stages: tuple[Stage, ...]
    ways: tuple[Way, ...]
    parameters: int
    batch: int | None = None
    ends: tuple[str, ...] = ()

    def after(self, key: str) -> list[str]:
        """Where what a stage gives goes to."""
        return [way.head for way in self.ways if way.tail == key]

    def before(self, key: str) -> list[str]:
        """Where a stage takes from."""
        return [way.tail for way in self.ways if way.head == key]


def kind_of(call: Call) -> str:
    """What kind of thing a call is."""
    if call.kind == "input":
        return layers.INPUT
    name = call.name.lower()
    return next((kind for start, kind in layers.KINDS.items() if name.startswith(start)), layers.OTHER)


def title_of(call: Call) -> str:
    """What a stage is called: "Conv2d 3×3, /2", "layer1", "BasicBlock"."""
    if call.name in CONTAINERS and call.path:
        return call.path
    name = layers.SHORT.get(call.name, call.name)
    kernel, step = call.said.get("kernel_size", call.said.get("output_size")), call.said.get("stride")
    bare = re.sub(r"(\D)[123]d$", r"\1", name) if kernel is not None else name
    size = f" {by(kernel)}" if kernel is not None else ""
    moved = f" /{by(step, once=True)}" if kernel is not None and by(step, once=True) not in ("", "1") else ""
    return f"{bare}{size}{moved}"


def by(value: object, *, once: bool = False) -> str:
    """ "3×3" for (3, 3) and for 3; ``once``: "3" where all are the same."""
    numbers = list(value) if isinstance(value, tuple | list) else [value] * (1 if once else 2)
    if any(number is None for number in numbers):
        return ""
    numbers = numbers[:1] if once and len(set(numbers)) == 1 else numbers
    return "×".join(map(str, numbers))


def levels_of(architecture: Architecture, depth: int | None) -> Iterator[Stages]:
    """The stages on each level of modules, the deepest first, but for the whole model as one; those of one level where
    it is asked for.
    """
    deepest = max((call.depth for call in architecture.calls), default=0)
    for level in (depth,) if depth is not None else range(max(deepest, 1), 0, -1):
        yield stages_at(architecture, level)


def with_repeats(stages: Stages) -> Stages:
    """Equal stages one after the other as one."""
    kept: dict[str, Stage] = {}
    now: dict[str, str] = {}
    for stage in stages.stages:
        before = stages.before(stage.key)
        last = kept.get(now[before[0]]) if len(before) == 1 else None
        alike = (
            last is not None
            and stages.after(before[0]) == [stage.key]
            and before[0] not in stages.ends
            and stage.kind not in (layers.JOIN, layers.DENSE)
            and (last.title, last.also, last.shape) == (stage.title, stage.also, stage.shape)
        )
        if last is not None and alike:
            kept[last.key] = replace(
                last, times=last.times + 1, parameters=last.parameters + stage.parameters, gives=stage.gives
            )
            now[stage.key] = last.key
        else:
            kept[stage.key] = stage
            now[stage.key] = stage.key
    ways = (Way(now[way.tail], now[way.head]) for way in stages.ways)
    ends = tuple(now[key] for key in stages.ends)
    own = tuple(dict.fromkeys(way for way in ways if way.tail != way.head))
    return replace(stages, stages=tuple(kept.values()), ways=own, ends=ends)


def stages_at(architecture: Architecture, depth: int) -> Stages:
    """The stages on a level of modules."""
    shown = view(architecture, depth)
    batch = batch_of(architecture)
    drawing = Joining(architecture, batch)
    read = {flow.tail for flow in (*shown.flows, *shown.ends)}
    heads: dict[int, set[int]] = {}
    tails: dict[int, list[int]] = {}
    for flow in shown.flows:
        heads.setdefault(flow.tail, set()).add(flow.head)
        tails.setdefault(flow.head, []).append(flow.tail)
    out = {flow.tail for flow in shown.ends}
    for part in shown.parts:
        if part.kind == "input" and part.number not in read:
            continue
        before = list(dict.fromkeys(tails.get(part.number, ())))
        alone = len(before) == 1 and heads[before[0]] == {part.number} and before[0] not in out
        drawing.take(part, before, alone=alone)
    root = next((call for call in architecture.calls if call.kind == "module"), None)
    ends = tuple(dict.fromkeys(drawing.keys[flow.tail] for flow in shown.ends))
    return Stages(
        architecture.name,
        tuple(drawing.stages.values()),
        tuple(dict.fromkeys(drawing.ways)),
        root.parameters if root is not None else 0,
        batch,
        ends,
    )


def batch_of(architecture: Architecture) -> int | None:
    """How many examples went in at once: the first length of all that goes in and comes out, if that is one."""
    given = [number for call in architecture.calls if call.kind == "input" for number in call.gives]
    tensors = [architecture.tensors[number] for number in (*given, *architecture.outputs)]
    first = {tensor.shape[0] if len(tensor.shape) > 1 else None for tensor in tensors}
    return next(iter(first)) if len(first) == 1 else None


@dataclass
class Joining:
    """Stages as they are made, one call after the other."""

    architecture: Architecture
    batch: int | None
    stages: dict[str, Stage] = field(default_factory=dict)
    ways: list[Way] = field(default_factory=list)
    keys: dict[int, str] = field(default_factory=dict)

    def take(self, part: Call, before: Sequence[int], *, alone: bool) -> None:
        """A part: a stage of its own, or said of the one before where it is that one's only reader."""
        name = part.name.lower()
        shape = self.shape_of(part.gives)
        if alone and part.kind != "input" and (name in layers.ELEMENTWISE or name in layers.RESHAPING):
            stage = self.stages[self.keys[before[0]]]
            flattened = name in layers.FLATTENING and stage.kind not in FLAT and shape != stage.shape
            if not flattened:
                self.join(stage, part, shape)
                return
        self.add(part, shape, before)

    def join(self, stage: Stage, part: Call, shape: Shape | None) -> None:
        """Say a part of the stage before it."""
        name = part.name.lower()
        said = () if name in layers.UNSAID else (layers.SHORT.get(part.name, part.name),)
        total = stage.parameters + part.parameters
        self.stages[stage.key] = replace(
            stage,
            also=(*stage.also, *said),
            shape=shape,
            parameters=total,
            gives=first(part.gives),
            active=stage.active or name in layers.ACTIVATIONS,
        )
        self.keys[part.number] = stage.key

    def add(self, part: Call, shape: Shape | None, before: Iterable[int]) -> None:
        """A stage of its own."""
        key, kind = f"s{part.number}", kind_of(part)
        weights = part.path if kind == layers.DENSE and part.kind == "module" else None
        taken = self.shape_of(part.takes)
        title = "input" if part.kind == "input" and part.name == "input" else title_of(part)
        self.stages[key] = Stage(
            key,
            kind,
            title,
            shape,
            (),
            part.parameters,
            weights,
            taken,
            part.path,
            gives=first(part.gives),
            taken=first(part.takes),
            kernel=kernel_of(part) if part.kind == "module" else None,
        )
        self.keys[part.number] = key
        self.ways += [Way(self.keys[tail], key) for tail in before if self.keys[tail] != key]

    def shape_of(self, numbers: Sequence[int]) -> Shape | None:
        """The shape of the first of some tensors, without the batch."""
        if not numbers:
            return None
        shape = self.architecture.tensors[numbers[0]].shape
        return shape[1:] if self.batch is not None and shape[:1] == (self.batch,) else shape


def first(numbers: Sequence[int]) -> int | None:
    """The first of some tensors."""
    return next(iter(numbers), None)


def kernel_of(call: Call) -> tuple[int, int] | None:
    """How many rows and columns a module makes one element of, where it says so."""
    size = None if layers.TRANSPOSED in call.name.lower() else call.said.get("kernel_size")
    if isinstance(size, int):
        return size, size
    if isinstance(size, tuple | list) and len(size) == 2 and all(isinstance(length, int) for length in size):
        return size[0], size[1]
    return None


def ranks_of(stages: Stages) -> Mapping[str, int]:
    """How many stages at least come before each, along the longest way."""
    ranks: dict[str, int] = {}
    for stage in stages.stages:
        ranks[stage.key] = max((ranks[tail] + 1 for tail in stages.before(stage.key) if tail in ranks), default=0)
    return ranks


def written(shape: Shape | None) -> str:
    """ "64×112×112"; "number" for one."""
    return "" if shape is None else "×".join(map(str, shape)) or "a number"
