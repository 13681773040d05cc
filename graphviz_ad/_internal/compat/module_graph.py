"""draw_graph: model + inputs -> its modules, functions and tensors as a graphviz.Digraph, as torchview's function of
this name gives them.
"""

from __future__ import annotations

import html
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphviz_ad._internal.api.api import Picture
from graphviz_ad._internal.base.argument_types import StrPath, shown_value
from graphviz_ad._internal.base.checked_calls import checking_arguments
from graphviz_ad._internal.base.errors import DrawGraphError, GraphvizADWarning, OptionError
from graphviz_ad._internal.base.registry import Registry
from graphviz_ad._internal.compat.layer_pictures import picture_of
from graphviz_ad._internal.diagrams.layer_scenes import Layer, Link
from graphviz_ad._internal.graph.architecture import Architecture, Call, Shape, View, view
from graphviz_ad._internal.scene.themes import THEMES, Theme

if TYPE_CHECKING:
    import graphviz
    import torch

RUN = Registry(
    "run",
    {
        name: f"graphviz_ad._internal.tracing.{place}:{name}"
        for place, names in {
            "architecture_run": ("architecture_of",),
            "model_inputs": (
                "tensors_of_sizes",
                "on_device",
                "device_of",
                "device_named",
                "module_on",
                "is_module",
                "any_half",
            ),
        }.items()
        for name in names
    },
)
FILLS = {"tensor": "lightyellow", "module": "darkseagreen1", "function": "aliceblue"}
KINDS = {"tensor": "data", "module": "module", "function": "op"}
DIRECTIONS = ("TB", "LR", "BT", "RL")


@checking_arguments
def draw_graph(
    model: torch.nn.Module,
    input_data: Any = None,
    input_size: Any = None,
    graph_name: str = "model",
    depth: float = 3,
    device: Any = None,
    dtypes: Sequence[Any] | None = None,
    mode: str | None = None,
    strict: bool = True,
    expand_nested: bool = False,
    graph_dir: str | None = None,
    hide_module_functions: bool = True,
    hide_inner_tensors: bool = True,
    roll: bool = False,
    show_shapes: bool = True,
    save_graph: bool = False,
    filename: str | None = None,
    directory: StrPath = ".",
    collect_attributes: bool = False,
    **kwargs: Any,
) -> ComputationGraph:
    """The modules and functions that a forward run calls, and how tensors go through them, as torchview draws them.

    Give either ``input_data``, a tensor, a sequence of arguments or a mapping of them by name, or ``input_size``, a
    size or several. ``depth`` opens modules down to that level; ``expand_nested`` frames those that are opened;
    ``roll`` draws a module once however often it is called. ``kwargs`` go to the model. The run has no gradients; the
    model is left as it was: on its device, in its mode, with its buffers, and random numbers go on as if nothing had
    been run.

    Raises RuntimeError unless one of the two was given, where ``mode`` is neither "train" nor "eval", and where the
    model raises; ValueError for a negative depth or a size that is not positive; TypeError for a size that is none.
    """
    checked(model, input_data, input_size, depth, mode, graph_dir)
    place = RUN["device_named"](device) if device is not None else RUN["device_of"](model)
    warn_of_half(dtypes or [], input_size is not None, place)
    if input_size is not None:
        given: Any = RUN["tensors_of_sizes"](sizes(input_size), dtypes, place)
    else:
        given = RUN["on_device"](input_data, place)
    made = ComputationGraph(
        run_once(model, given, kwargs, place, training=mode == "train"),
        graph_name=graph_name,
        depth=depth,
        strict=strict,
        expand_nested=expand_nested,
        graph_dir=graph_dir or "TB",
        hide_module_functions=hide_module_functions,
        hide_inner_tensors=hide_inner_tensors,
        roll=roll,
        show_shapes=show_shapes,
        collect_attributes=collect_attributes,
        filename=filename or f"{graph_name}.gv",
        directory=os.fspath(directory),
    )
    if save_graph:
        made.save()
    return made


def run_once(model: torch.nn.Module, given: Any, named: Mapping[str, Any], place: Any, *, training: bool) -> Any:
    """What a run of the model calls."""
    args, others = arguments(given)
    try:
        return RUN["architecture_of"](RUN["module_on"](model, place), args, {**others, **named}, training=training)
    except Exception as error:
        raise DrawGraphError(
            f"{type(model).__name__} raised {type(error).__name__} while it was run, as is said above; call it with the"
            " same inputs to see it alone"
        ) from error


def checked(model: object, data: object, size: object, depth: object, mode: object, flow: object) -> None:
    """Refuse what cannot be drawn, before anything is run."""
    if not RUN["is_module"](model):
        raise OptionError(f"model={shown_value(model)} is no nn.Module; for a function use graphviz_ad.trace")
    if (data is None) == (size is None):
        which = "neither" if data is None else "both"
        raise DrawGraphError(f"a model is run with input_data or with input_size, and {which} was given; give one")
    if isinstance(depth, bool) or not isinstance(depth, int | float) or not depth >= 0:
        raise OptionError(f"depth={shown_value(depth)} is no depth; give a number from 0, or float('inf')")
    if mode not in (None, "train", "eval"):
        raise DrawGraphError(f"mode={shown_value(mode)} is no mode of a model; give 'train' or 'eval'")
    if flow is not None and flow not in DIRECTIONS:
        raise OptionError(f"graph_dir={shown_value(flow)} is no direction; choose from: {', '.join(DIRECTIONS)}")


def warn_of_half(dtypes: Sequence[Any], by_size: bool, device: object) -> None:
    """Say where half precision may fail, as torchview does."""
    if not RUN["any_half"](dtypes):
        return
    if by_size:
        message = "inputs of half precision are random numbers from 0 to 1, rounded; give input_data= for others"
        warnings.warn(message, GraphvizADWarning, stacklevel=3)
    if str(device) == "cpu":
        message = "half precision is slow on a CPU, and not all operations have it; give device= for another"
        warnings.warn(message, GraphvizADWarning, stacklevel=3)


def sizes(given: Any) -> list[tuple[int, ...]]:
    """The sizes of all inputs: one size, or several in a list or tuple."""
    if not isinstance(given, list | tuple):
        raise OptionError(
            f"input_size={shown_value(given)} is no size; give one such as (1, 3, 224, 224), or a list of them"
        )
    several = given if given and isinstance(given[0], list | tuple) else [given]
    for size in several:
        whole = isinstance(size, list | tuple) and all(type(length) is int for length in size)
        if not given or not whole or any(length <= 0 for length in size):
            raise OptionError(f"input_size={shown_value(given)} has lengths that are no whole numbers from 1")
    return [tuple(size) for size in several]


def arguments(given: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Inputs by position and by name."""
    if isinstance(given, Mapping):
        return (), dict(given)
    return (tuple(given), {}) if isinstance(given, list | tuple) else ((given,), {})


class ComputationGraph:
    """What a forward run called: ``visual_graph`` is the graphviz.Digraph of it, `plot` a picture of ours, which no
    Graphviz has to be installed for; ``architecture`` is all that was seen.
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        graph_name: str,
        depth: float,
        strict: bool,
        expand_nested: bool,
        graph_dir: str,
        hide_module_functions: bool,
        hide_inner_tensors: bool,
        roll: bool,
        show_shapes: bool,
        collect_attributes: bool,
        filename: str,
        directory: str,
    ) -> None:
        import graphviz

        self.architecture = architecture
        self.graph_name, self.depth, self.strict, self.graph_dir = graph_name, depth, strict, graph_dir
        self.expand_nested, self.roll, self.show_shapes = expand_nested, roll, show_shapes
        self.hide_module_functions, self.hide_inner_tensors = hide_module_functions, hide_inner_tensors
        self.collect_attributes = collect_attributes
        self.visual_graph: graphviz.Digraph = graphviz.Digraph(
            graph_name,
            filename=filename,
            directory=directory,
            engine="dot",
            strict=strict,
            graph_attr={"ordering": "in", "rankdir": graph_dir},
            node_attr={"shape": "plaintext", "style": "filled", "margin": "0", "fontsize": "10"},
            edge_attr={"fontsize": "10"},
        )
        self.fill_visual_graph()

    @property
    def view(self) -> View:
        """Which modules are drawn as a whole, and which are opened."""
        return view(self.architecture, self.depth, leaves_whole=self.hide_module_functions)

    @property
    def edge_list(self) -> list[tuple[str, str]]:
        """Each connection that is drawn, between the names of two nodes of ``visual_graph``."""
        return [(link.tail, link.head) for link in self.parts[1] for _ in range(link.count)]

    @property
    def parts(self) -> tuple[list[Layer], list[Link]]:
        """What is drawn: boxes, and arrows between them."""
        drawing = Drawing(self)
        return list(drawing.layers.values()), drawing.links

    def fill_visual_graph(self) -> None:
        """Write the nodes and edges into ``visual_graph``, in place of those that are in it."""
        self.visual_graph.body.clear()
        drawing = Drawing(self)
        drawing.write(self.visual_graph)
        self.resize_graph()

    def resize_graph(self, scale: float = 1.0, size_per_element: float = 0.3, min_size: float = 12) -> None:
        """Let ``visual_graph`` have at most so many inches a line of its source, and no less than ``min_size``."""
        side = scale * max(min_size, len(self.visual_graph.body) * size_per_element)
        self.visual_graph.graph_attr.update(size=f"{side},{side}")

    def plot(self, *, theme: str | Theme = "light") -> Picture:
        """The same as a picture for a slide; ``.save("model.pdf")`` writes it, and the suffix chooses."""
        layers, links = self.parts
        made = theme if isinstance(theme, Theme) else THEMES[theme]
        return picture_of(self.graph_name, layers, links, made)

    def save(self) -> Path:
        """Write the source, and a PNG beside it, as ``save_graph=True`` does; returns the PNG."""
        source = Path(str(self.visual_graph.directory), str(self.visual_graph.filename))
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(self.visual_graph.source, "utf-8")
        path: Path = source.with_name(f"{source.name}.png")
        self.plot().save(path)
        return path

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        return self.plot()._repr_mimebundle_(include, exclude)


class Drawing:
    """The nodes and edges of a `ComputationGraph`, under the names that they have in its Digraph."""

    def __init__(self, graph: ComputationGraph) -> None:
        self.graph, self.view = graph, graph.view
        self.architecture = graph.architecture
        self.keys: dict[int, str] = {}
        self.layers: dict[str, Layer] = {}
        self.labels: dict[str, str] = {}
        self.fills: dict[str, str] = {}
        self.frames: dict[str, Call | None] = {}
        self.tensors: dict[tuple[int, int], str] = {}
        ends = {flow.tail for flow in (*self.view.flows, *self.view.ends)}
        same = rolled(self.view) if graph.roll else {}
        first: dict[int, str] = {}
        for part in self.view.parts:
            if part.kind == "input" and part.number not in ends:
                continue  # nothing reads it
            group = same.get(part.number, part.number)
            if group not in first:
                first[group] = self.add_part(part)
            self.keys[part.number] = first[group]
        self.links = self.linked()

    def add_part(self, part: Call) -> str:
        """A node for an input, a module or a function."""
        kind = "tensor" if part.kind == "input" else part.kind
        given, made = self.architecture.shapes(part.takes), self.architecture.shapes(part.gives)
        name = "input-tensor" if part.kind == "input" else part.name
        return self.add(kind, name, part.depth, given, made, part)

    def add(
        self, kind: str, name: str, depth: int, given: Sequence[Shape], made: Sequence[Shape], part: Call | None
    ) -> str:
        """A node."""
        graph, key = self.graph, str(len(self.layers))
        notes = [f"depth:{depth}"]
        if graph.show_shapes and kind == "tensor":
            notes.append(listed(made))
        elif graph.show_shapes:
            notes += [f"input: {listed(given)}", f"output: {listed(made)}"]
        if graph.collect_attributes and part is not None and part.settings:
            notes.append(", ".join(f"{setting}={value}" for setting, value in part.settings))
        self.layers[key] = Layer(key, name, tuple(notes), KINDS[kind], made[0] if made else None)
        self.labels[key] = table(name, notes)
        self.fills[key] = FILLS[kind]
        self.frames[key] = self.frame_of(part)
        return key

    def frame_of(self, part: Call | None) -> Call | None:
        """The opened module around a part, below the one that was run."""
        if part is None or not self.graph.expand_nested:
            return None
        return next((outer for outer in self.architecture.ancestors(part) if outer.depth >= 1), None)

    def linked(self) -> list[Link]:
        """The arrows, tensors between parts among them where those are shown."""
        pairs: list[tuple[str, str]] = []
        for flow in self.view.flows:
            tail, head = self.keys[flow.tail], self.keys[flow.head]
            pairs += self.by_way_of(flow.tail, flow.tensor, tail, head)
        for flow in self.view.ends:
            tensor = self.architecture.tensors[flow.tensor]
            end = self.add("tensor", "output-tensor", 0, (), [tensor.shape], None)
            pairs.append((self.keys[flow.tail], end))
        counted = Counter(pairs)
        return [Link(tail, head, count) for (tail, head), count in counted.items()]

    def by_way_of(self, maker: int, number: int, tail: str, head: str) -> Iterable[tuple[str, str]]:
        """An arrow, or two with the tensor between them."""
        if self.graph.hide_inner_tensors or self.architecture.calls[maker].kind == "input":
            return [(tail, head)]
        found = self.tensors.get((maker, number))
        if found is not None:
            return [(found, head)]
        part = self.architecture.calls[maker]
        shape = self.architecture.tensors[number].shape
        found = self.tensors[maker, number] = self.add("tensor", "hidden-tensor", part.depth, (), [shape], part)
        return [(tail, found), (found, head)]

    def write(self, dot: graphviz.Digraph) -> None:
        """Write all into a Digraph."""
        framed: dict[int | None, list[str]] = {}
        for key, frame in self.frames.items():
            framed.setdefault(frame.number if frame is not None else None, []).append(key)
        nested: dict[int | None, list[Call]] = {}
        for number in list(framed):
            self.nest(number, nested)
        self.write_frame(dot, None, framed, nested)
        for link in self.links:
            label = f" x{link.count}" if link.count > 1 else None
            for _ in range(1 if self.graph.strict else link.count):
                dot.edge(link.tail, link.head, label=label if self.graph.strict else None)

    def nest(self, number: int | None, nested: dict[int | None, list[Call]]) -> None:
        """Put a frame into the one around it."""
        while number is not None:
            call = self.architecture.calls[number]
            outer = next((one for one in self.architecture.ancestors(call) if one.depth >= 1), None)
            around = outer.number if outer is not None else None
            if call in nested.setdefault(around, []):
                return
            nested[around].append(call)
            number = around

    def write_frame(
        self,
        dot: graphviz.Digraph,
        number: int | None,
        framed: Mapping[int | None, Sequence[str]],
        nested: Mapping[int | None, Sequence[Call]],
    ) -> None:
        """Write the nodes of a frame and the frames in it; depth is that of modules, which Python itself ran."""
        for key in framed.get(number, ()):
            dot.node(key, label=self.labels[key], fillcolor=self.fills[key])
        for call in nested.get(number, ()):
            block: Any = dot.subgraph(name=f"cluster_{call.number}")
            with block as inner:
                inner.attr(style="dashed", label=call.name, labeljust="l", fontsize="12")
                self.write_frame(inner, call.number, framed, nested)


def table(name: str, notes: Sequence[str]) -> str:
    """The label of a node, as Graphviz has tables."""
    rows = "".join(f'<TR><TD ALIGN="LEFT">{html.escape(note)}</TD></TR>' for note in notes)
    inner = f'<TABLE BORDER="0" CELLBORDER="1" CELLSPACING="0" CELLPADDING="4"><TR><TD><B>{html.escape(name)}</B></TD>'
    return f"<{inner}</TR>{rows}</TABLE>>"


def listed(shapes: Sequence[Shape]) -> str:
    """ "(1, 3), 2 x (1, 8)": equal shapes are counted."""
    return ", ".join(f"{count} x {shape}" if count > 1 else f"{shape}" for shape, count in Counter(shapes).items())


def rolled(shown: View) -> dict[int, int]:
    """Number of a part -> that of the first which it is drawn as: calls of one module are one; so are calls of one
    function whose results go to the same parts.
    """
    heads: dict[int, set[int | str]] = {}
    found: dict[int, int] = {}
    first: dict[object, int] = {}
    for part in shown.parts:
        if part.kind == "module":
            found[part.number] = first.setdefault((part.path, part.name), part.number)
    for flow in shown.ends:
        heads.setdefault(flow.tail, set()).add(f"output {flow.head}")
    goes: dict[int, list[int]] = {}
    for flow in shown.flows:
        goes.setdefault(flow.tail, []).append(flow.head)
    for part in reversed(shown.parts):
        if part.kind != "function":
            continue
        ends = {*heads.get(part.number, ()), *(found.get(head, head) for head in goes.get(part.number, ()))}
        key = (part.name, part.path, tuple(sorted(map(str, ends))))
        found[part.number] = first.setdefault(key, part.number)
    return found
