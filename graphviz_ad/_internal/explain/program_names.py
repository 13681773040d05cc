"""Name as a program has it -> the name by which its graph knows the same."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, takewhile

from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.notices import first_names, unread_parameters

WRAPPED = "module."  # what names of parameters begin with in DataParallel and DistributedDataParallel


def as_known(graph: Graph, name: str) -> str:
    """The name that the graph knows where the program's model is within DistributedDataParallel, or the recorded one
    is not.
    """
    names = (name, f"{WRAPPED}{name}", name.removeprefix(WRAPPED)) if isinstance(name, str) else ()
    return next((one for one in names if one in graph.nodes or _is_known(graph, one)), name)


def is_called(graph: Graph, name: str) -> bool:
    """Whether the program calls a result so."""
    return any(node.name == name or any(port.is_called(name) for port in node.ports) for node in graph.node_list)


def names_known(graph: Graph) -> set[str]:
    """All that can be asked about by name."""
    return {
        *_names_in_notes(graph),
        *(node.name for node in graph.node_list if node.name),
        *(name for node in graph.node_list for port in node.ports for name in port.also),
    }


def parametrized_by(graph: Graph, name: str) -> list[str]:
    """The parameters from which the parametrizations of torch compute what a module calls so: the original one, or
    several, and those of the parametrizations that are trained.
    """
    if not isinstance(name, str):
        return []
    module, point, own = name.rpartition(".")
    folder = _as_known_folder(graph, f"{module}{point}parametrizations.{own}.")
    originals = [one for one in (f"{folder}original", *_numbered(graph, f"{folder}original")) if _is_known(graph, one)]
    trained = [node.name for node in graph.node_list if node.kind == "leaf" and node.name]
    inside = [one for one in trained if one.startswith(folder) and one not in originals]
    return list(dict.fromkeys([*originals, *inside])) if originals else []


def _numbered(graph: Graph, original: str) -> Iterator[str]:
    return takewhile(lambda one: _is_known(graph, one), (f"{original}{n}" for n in count()))


def _as_known_folder(graph: Graph, folder: str) -> str:
    """As `as_known`, of what names begin with."""
    known = names_known(graph)
    given = (folder, f"{WRAPPED}{folder}", folder.removeprefix(WRAPPED))
    return next((one for one in given if any(name.startswith(one) for name in known)), folder)


def _is_known(graph: Graph, name: str) -> bool:
    return name in _names_in_notes(graph) or is_called(graph, name)


def _names_in_notes(graph: Graph) -> set[str]:
    return {*unread_parameters(graph.notes), *first_names(graph.notes)}
