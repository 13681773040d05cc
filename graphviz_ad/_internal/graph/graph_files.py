"""Graph <-> JSON and GraphML: plain data, strict JSON, nothing lost; what a file may say stands in
`graphviz_ad._internal.graph.file_schema`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from graphviz_ad._internal.base.argument_types import StrPath
from graphviz_ad._internal.base.errors import GraphFormatError
from graphviz_ad._internal.base.needed_packages import named_if_missing
from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.graph.arguments import Word
from graphviz_ad._internal.graph.box_facts import NotFinite, Part, Step
from graphviz_ad._internal.graph.file_checking import Damage, check_file, read_number
from graphviz_ad._internal.graph.file_schema import FORMAT, OLDEST, SCHEMAS, VERSION
from graphviz_ad._internal.graph.grad_history import GradEvent, GradHistory
from graphviz_ad._internal.graph.graph import Edge, Graph, Memory, Node, Port
from graphviz_ad._internal.graph.memory import IN_FILES
from graphviz_ad._internal.graph.messages import Averaging, Communication, Meeting, Message
from graphviz_ad._internal.graph.notices import Failure, Notice
from graphviz_ad._internal.graph.old_files import upgraded
from graphviz_ad._internal.graph.optimizer_update import OptimizerUpdate
from graphviz_ad._internal.graph.ragged import ragged_record, read_shape
from graphviz_ad._internal.graph.repeats import Copies
from graphviz_ad._internal.graph.snapshot import Snapshot, Stats
from graphviz_ad._internal.graph.statements import Statement
from graphviz_ad._internal.graph.written_program import WrittenPart

TOO_LARGE = re.compile(r"[eE]\+?0*[1-9]\d\d|\d{300}")  # what may be a number beyond those of floating point


def to_json(graph: Graph) -> str:
    """The graph, and its detail, as strict JSON: NaN and infinities are strings."""
    return json.dumps(
        {"format": FORMAT, "version": VERSION, **_graph_record(graph)},
        allow_nan=False,
        ensure_ascii=True,
        indent=None,
        separators=(",", ":"),
    )


def _graph_record(graph: Graph, outer: Graph | None = None) -> dict[str, Any]:
    """``outer`` is the graph that this one stands in; the statements and classes of it are not written again."""
    detail = graph.detail if graph.detail is not None and graph.detail is not graph else None
    if graph.finer is not None and detail is graph.finer.detail:  # it stands there
        detail = None
    statements, around = graph.statements, outer.statements if outer is not None else ()
    written = outer.program if outer is not None else ()
    classes, known = graph.module_classes, outer.module_classes if outer is not None else ()
    earlier = graph.each_pass[:-1]  # the last is the graph itself
    return {
        "name": graph.name,
        "notices": [_record(note) for note in graph.notes],
        "has_gradients": graph.has_gradients,
        "nodes": [_record(node) for node in graph.node_list],
        "edges": [_record(edge) for edge in graph.edges],
        "detail": _graph_record(detail, graph)
        if detail is not None and (detail.node_list, detail.edges) != (graph.node_list, graph.edges)
        else None,
        "memory": {name: getattr(graph.memory, name) for name in IN_FILES} if graph.memory is not None else None,
        **({"ranks": list(graph.ranks)} if graph.ranks else {}),
        **({"of ranks": [_graph_record(one) for one in graph.of_ranks]} if graph.of_ranks else {}),
        **({"grad histories": [_record(one) for one in graph.grad_histories]} if graph.grad_histories else {}),
        **({"statements": [_record(one) for one in statements]} if statements != around else {}),
        **({"program": [_record(one) for one in graph.program]} if graph.program != written else {}),
        **({"module classes": [list(one) for one in classes]} if classes != known else {}),
        **({"finer": _graph_record(graph.finer, graph)} if graph.finer is not None else {}),
        **({"earlier passes": [_graph_record(done, graph) for done in earlier]} if earlier else {}),
    }


def _record(
    thing: (
        Node
        | Edge
        | Port
        | Notice
        | Failure
        | GradHistory
        | GradEvent
        | OptimizerUpdate
        | Statement
        | WrittenPart
        | Copies
        | Part
        | Step
        | NotFinite
    ),
) -> dict[str, Any]:
    """The fields that differ from their defaults, as plain data."""
    found = {}
    for field in fields(thing):
        value = getattr(thing, field.name)
        if value != field.default or field.name in ("key", "kind", "ports"):
            found[field.name] = _json_value(value)
    return found | ragged_record(thing.shape) if isinstance(thing, Port) else found


def _json_value(value: Any) -> Any:
    if isinstance(value, Snapshot):
        return _snapshot(value)
    if isinstance(value, (Port, Notice, Failure, GradEvent, OptimizerUpdate, Copies, Part, Step, NotFinite)):
        return _record(value)
    if isinstance(value, Word):
        return {"word": value.name}
    if isinstance(value, (Message, Meeting, Averaging)):
        return {
            "what": _NAME_OF[type(value)],
            **{field.name: _json_value(getattr(value, field.name)) for field in fields(value)},
        }
    if isinstance(value, tuple):
        return [_json_value(part) for part in value]
    if isinstance(value, complex) or (isinstance(value, float) and not math.isfinite(value)):
        return {"number": _json_number(value)}
    return value


_MESSAGES: Mapping[str, type[Communication]] = {"message": Message, "meeting": Meeting, "averaging": Averaging}
_NAME_OF = {kind: name for name, kind in _MESSAGES.items()}


def _snapshot(snap: Snapshot) -> dict[str, Any]:
    data: Any = None
    if isinstance(snap.data, np.ndarray):
        data = {"dtype": snap.data.dtype.str, "elements": [_json_number(x) for x in snap.data.reshape(-1).tolist()]}
    elif snap.data is not None:
        data = _json_number(snap.data)
    kept = [field.name for field in fields(Stats) if field.compare]
    stats = None if snap.stats is None else [_json_number(getattr(snap.stats, name)) for name in kept]
    plain = {"shape": list(snap.shape), "dtype": snap.dtype, "data": data, "stats": stats, "missing": snap.missing}
    return plain | ragged_record(snap.shape)


def _json_number(x: Any) -> Any:
    if isinstance(x, complex):
        return {"re": _json_number(x.real), "im": _json_number(x.imag)}
    if isinstance(x, float) and not math.isfinite(x):
        return "NaN" if math.isnan(x) else "Infinity" if x > 0 else "-Infinity"
    return x


def read_graph(path: StrPath) -> Graph:
    """Read a graph that `to_json` or `to_graphml` wrote; GraphFormatError says what is wrong with anything else."""
    try:
        text = Path(path).read_text("utf-8")
    except OSError as error:
        raise GraphFormatError(
            f"cannot read {str(path)!r}: {error.strerror}; give a file that Graph.to_json or save('….json') wrote"
        ) from error
    except UnicodeDecodeError as error:
        raise GraphFormatError(f"{path} is no text: {error}") from error
    except ValueError as error:  # a name that no file can have
        raise GraphFormatError(
            f"cannot read {str(path)!r}: {error}; give the name of a file that save('….json') wrote"
        ) from error
    if Path(path).suffix.lower() == ".graphml":
        text = _json_in_graphml(text, path)
    return from_json(text, str(path))


def from_json(text: str, where: str = "text") -> Graph:
    """The graph that `to_json` wrote."""
    try:
        data = json.loads(
            text, parse_constant=_no_constant, parse_float=_finite_float if TOO_LARGE.search(text) else None
        )
    except (ValueError, RecursionError) as error:
        raise GraphFormatError(
            f"{where} is no JSON: {error}; give a file that Graph.to_json or save('….json') wrote"
        ) from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise GraphFormatError(
            f"{where} is JSON, but no saved graph; give a file that Graph.to_json or save('….json') wrote"
        )
    version = data.get("version")
    if type(version) is not int or version not in SCHEMAS:
        raise GraphFormatError(
            f"{where} has format version {version!r}; this release reads versions {OLDEST} and {VERSION}"
        )
    try:
        return _read_graph(checked_data(data, version))
    except Damage as damage:
        raise GraphFormatError(f"{where} is damaged at {damage}; save the graph again, or put that right") from damage


def checked_data(data: Mapping[str, Any], version: int) -> Mapping[str, Any]:
    """The data of a file as this version writes it; `Damage` where it is none."""
    if version == VERSION:
        check_file(data, SCHEMAS[VERSION])
        return data
    check_file(data, SCHEMAS[version])
    newer = {**upgraded(data), "version": VERSION}
    check_file(newer, SCHEMAS[VERSION])
    return newer


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no number there; it is written as a text")


def _finite_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is beyond the numbers of floating point")
    return number


def _read_graph(data: Mapping[str, Any], outer: tuple[Any, Any, Any] = ((), (), ())) -> Graph:
    statements, program, classes = outer
    classes = tuple([(name, what) for name, what in data.get("module classes", classes)])
    if "statements" in data:
        read = [{name: _read_value(name, value) for name, value in record.items()} for record in data["statements"]]
        statements = tuple([Statement(**record) for record in read])
    if "program" in data:
        parts = [{name: _read_value(name, value) for name, value in record.items()} for record in data["program"]]
        program = tuple([WrittenPart(**record) for record in parts])
    nodes = tuple(_read_node(record) for record in data["nodes"])
    edges = tuple(
        Edge(**{name: _read_value(name, value) for name, value in record.items()}) for record in data["edges"]
    )
    around = (statements, program, classes)
    finer = _read_graph(data["finer"], around) if data.get("finer") is not None else None
    detail = _read_graph(data["detail"], around) if data.get("detail") is not None else None
    if finer is not None and detail is None:
        detail = finer.detail
    memory = Memory(**data["memory"]) if data.get("memory") is not None else None
    notes = tuple(_read_notice(record) for record in data["notices"])
    graph = Graph(
        nodes,
        edges,
        data["name"],
        notes,
        data["has_gradients"],
        detail,
        memory=memory,
        ranks=tuple(data.get("ranks", ())),
        grad_histories=tuple(_read_history(record) for record in data.get("grad histories", ())),
        statements=statements,
        finer=finer,
        module_classes=classes,
        program=program,
        of_ranks=tuple(_read_graph(one) for one in data.get("of ranks", ())),
    )
    earlier = tuple(_read_graph(done, around) for done in data.get("earlier passes", ()))
    return replace(graph, each_pass=(*earlier, graph)) if earlier else graph


def _read_notice(record: Mapping[str, Any]) -> Notice:
    found = {name: _read_value(name, value) for name, value in record.items() if name != "failure"}
    return Notice(**found, failure=Failure(**record["failure"]) if record.get("failure") is not None else None)


def _read_history(record: Mapping[str, Any]) -> GradHistory:
    events = tuple(
        GradEvent(**{name: _read_value(name, value) for name, value in event.items()})
        for event in record.get("events", ())
    )
    own = {name: _read_value(name, value) for name, value in record.items() if name != "events"}
    return GradHistory(**own, events=events)


def _read_node(record: Mapping[str, Any]) -> Node:
    ports = tuple(_read_port(port) for port in record["ports"])
    return Node(**{**{name: _read_value(name, value) for name, value in record.items()}, "ports": ports})


def _read_port(record: Mapping[str, Any]) -> Port:
    found = {name: _read_value(name, value) for name, value in record.items() if name != "ragged"}
    if found.get("shape") is not None:
        found["shape"] = read_shape(found["shape"], record.get("ragged"))
    return Port(**found)


def _read_value(name: str, value: Any) -> Any:
    if isinstance(value, dict) and "dtype" in value and "shape" in value:
        return _read_snapshot(value)
    if isinstance(value, dict) and "what" in value:
        return _MESSAGES[value["what"]](
            **{fact: _read_value(fact, part) for fact, part in value.items() if fact != "what"}
        )
    if isinstance(value, dict) and name == "update":
        return OptimizerUpdate(**{fact: _read_value(fact, part) for fact, part in value.items()})
    if isinstance(value, dict) and "count" in value:
        return Copies(**{fact: _read_value(fact, part) for fact, part in value.items()})
    if isinstance(value, dict) and "name" in value and "kind" in value:
        return Step(**{fact: _read_value("", part) for fact, part in value.items()})
    if isinstance(value, dict) and "name" in value:
        return Part(**{fact: _read_value(fact, part) for fact, part in value.items()})
    if isinstance(value, dict) and name == "not_finite":
        return NotFinite(**value)
    if isinstance(value, dict) and "word" in value:
        return Word(value["word"])
    if isinstance(value, dict) and "number" in value:
        return read_number(value["number"])
    if isinstance(value, list) and name != "ports":
        return tuple(_read_value("", part) for part in value)
    return value


def _read_snapshot(record: Mapping[str, Any]) -> Snapshot:
    data, shape = record["data"], read_shape(record["shape"], record.get("ragged"))
    if isinstance(data, dict) and "elements" in data:
        data = np.array([read_number(x) for x in data["elements"]], dtype=np.dtype(data["dtype"])).reshape(shape)
        data.setflags(write=False)  # as those of a trace, so that what is found out of them is kept
    else:
        data = read_number(data)
    stats = Stats(*(read_number(x) for x in record["stats"])) if record["stats"] is not None else None
    return Snapshot(shape, record["dtype"], data, stats, record["missing"])


def to_graphml(graph: Graph) -> str:
    """GraphML with the readable attributes on nodes and edges, and the whole graph as JSON in one graph attribute."""
    with named_if_missing("a graph as networkx has it", "networkx"):
        import networkx

    plain = networkx.MultiDiGraph(name=visible(graph.name), graphviz_ad=to_json(graph))
    for node in graph.node_list:  # XML has no place for control characters; the JSON keeps names as they are
        plain.add_node(
            node.key,
            kind=node.kind,
            name=visible(node.name or ""),
            op=visible(node.op or ""),
            autograd=visible(" ".join(node.autograd)),
        )
    for edge in graph.edges:
        plain.add_edge(edge.tail, edge.head, key=edge.key, slot=edge.slot, port=edge.port, cut=edge.cut or "")
    return "\n".join(networkx.generate_graphml(plain))


def _json_in_graphml(text: str, path: StrPath) -> str:
    with named_if_missing("a graph as networkx has it", "networkx"):
        import networkx

    try:
        found = networkx.parse_graphml(text, force_multigraph=True).graph.get("graphviz_ad")
    except Exception as error:  # networkx raises whatever its XML parser does
        raise GraphFormatError(f"{path} is no GraphML: {error}") from error
    if not isinstance(found, str):
        raise GraphFormatError(f"{path} is GraphML, but not of a graph that this package saved")
    return found
