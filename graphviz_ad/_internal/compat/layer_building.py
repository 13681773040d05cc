"""build_graph: model + inputs -> its operations as a graph of layers, folded as HiddenLayer's function of this name
does it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from graphviz_ad._internal.api.api import trace
from graphviz_ad._internal.base.argument_types import shown_value
from graphviz_ad._internal.base.checked_calls import checking_arguments
from graphviz_ad._internal.base.errors import NoTensorError, OptionError
from graphviz_ad._internal.compat.layer_graph import Graph, Node
from graphviz_ad._internal.compat.layer_transforms import SIMPLICITY_TRANSFORMS
from graphviz_ad._internal.compat.onnx_names import onnx_name, parameters_of
from graphviz_ad._internal.graph import graph as recorded
from graphviz_ad._internal.graph.transforms import hide_unused


@checking_arguments
def build_graph(
    model: Any = None,
    args: Any = None,
    input_names: Any = None,
    transforms: Sequence[Any] | Literal["default"] | None = "default",
    framework_transforms: Sequence[Any] | Literal["default"] | None = "default",
) -> Graph:
    """The operations that a model runs, as a graph of layers: it shows itself in notebooks and can be saved.

    ``args`` are the inputs, a tensor or a tuple. ``transforms`` make it smaller, one after the other: each has
    ``apply``, as those of ``graphviz_ad.compat.transforms`` and of HiddenLayer do, or is a function from Graph to
    Graph, as those of ``graphviz_ad.transforms`` are, which act on what was traced, before all others. "default" folds
    what is often used together, such as Conv, BatchNorm and Relu.
    """
    if model is None or args is None:
        raise OptionError("build_graph runs a model with its inputs; give both: build_graph(model, x)")
    if input_names is not None:
        raise OptionError(
            f"input_names={shown_value(input_names)} has no effect here, where inputs are no nodes; leave it out"
        )
    given = tuple(args) if isinstance(args, tuple | list) else (args,)
    chosen = [*listed(framework_transforms, ()), *listed(transforms, SIMPLICITY_TRANSFORMS)]
    ours = [one for one in chosen if not hasattr(one, "apply")]
    whole = traced(model, given)
    graph = hide_unused(whole)
    for change in ours:
        graph = applied(change, graph)
    made = layers_of(model, graph, whole)
    for change in chosen:
        made = change.apply(made) if hasattr(change, "apply") else made
    return made


def listed(given: Any, default: Sequence[Any]) -> Sequence[Any]:
    """The transforms that were asked for."""
    if isinstance(given, str) and given == "default":
        return default
    several = [] if given is None else given
    if isinstance(several, str) or not isinstance(several, Sequence):
        raise OptionError(f"transforms={shown_value(given)} is no list of transforms; give [Prune('Constant')] or so")
    wrong = next((one for one in several if not hasattr(one, "apply") and not callable(one)), None)
    if wrong is not None:
        raise OptionError(f"{shown_value(wrong)} is no transform: it has no apply() and cannot be called")
    return several


def applied(change: Callable[[recorded.Graph], Any], graph: recorded.Graph) -> recorded.Graph:
    """A graph after one of our transforms."""
    made = change(graph)
    if not isinstance(made, recorded.Graph):
        raise OptionError(f"{shown_value(change)} made a {type(made).__name__} of a Graph; a transform makes a Graph")
    return made


def traced(model: Any, args: Sequence[Any]) -> recorded.Graph:
    """The run of a model; where nothing in it requires grad, its inputs do."""
    try:
        return trace(model, *args)
    except NoTensorError:
        wanting = [
            arg.detach().clone().requires_grad_() if getattr(arg, "is_floating_point", bool)() else arg for arg in args
        ]
        return trace(model, *wanting)


def layers_of(model: Any, graph: recorded.Graph, whole: recorded.Graph) -> Graph:
    """The operations of a graph as layers; numbers of the program are layers called Constant."""
    made = Graph(type(model).__name__, whole)
    classes = (
        {path: type(inner).__name__ for path, inner in model.named_modules()} if hasattr(model, "named_modules") else {}
    )
    read = {edge.tail for edge in graph.edges}
    for node in graph.node_list:
        constant = node.kind == "data" and node.op is None and node.name is None and node.key in read
        if node.kind not in ("leaf", "data") or constant or (node.kind == "data" and node.op is not None):
            op = "Constant" if constant else onnx_name(node.op or "?", node.ports[0].shape)
            made.add_node(Node(node.key, None, op, node.ports[0].shape, parameters_of(graph, node)))
    for edge in graph.edges:
        if edge.tail in made.nodes and edge.head in made.nodes:
            made.add_edge_by_id(edge.tail, edge.head, graph.nodes[edge.tail].ports[edge.port].shape)
    names = {node.key: scope(made.name, node.module, classes) + f"/outputs/{node.key}" for node in graph.node_list}
    nodes = {names[key]: node for key, node in made.nodes.items()}
    for key, layer in nodes.items():
        layer.id = key
    made.nodes = nodes
    made.edges = [(names[tail], names[head], shape) for tail, head, shape in made.edges]
    return made


def scope(model: str, modules: Sequence[str], classes: Mapping[str, str]) -> str:
    """ "ResNet/Sequential[layer1]/BasicBlock[0]" for the modules around an operation."""
    parts = [model]
    around = ""
    for path in modules:
        inner = path.removeprefix(f"{around}.") if around else path
        parts.append(f"{classes[path]}[{inner}]" if path in classes else inner)
        around = path
    return "/".join(parts)
