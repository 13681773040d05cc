"""The data of a saved graph -> the first place at which it is none: by its schema, and by the rules for which JSON
Schema has no words.
"""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graphviz_ad._internal.graph.file_schema import Schema

Record = Mapping[str, Any]
PLAIN = {"f": float, "i": int, "u": int, "b": bool}  # numpy's letter for a kind -> what its numbers are in Python
# of the name of a dtype -> letter
STARTS = {"bool": "b", "complex": "c", "float": "f", "bfloat": "f", "int": "i", "uint": "u", "q": "i", "bits": "u"}
# By the letter of a dtype, those that an array of such numbers may have, and one number: other programs write 1 for
# 1.0.
FITTING = {"b": ("b", "b"), "i": ("i", "i"), "u": ("u", "i"), "f": ("f", "fi"), "c": ("c", "cfi")}
LONGEST = 60  # letters of what was found
FROM_ANOTHER_PROCESS = "communication"  # the cut of such an edge
SNAPSHOTS = ("value", "grad", "upstream", "grad_total", "arrived")  # of a port


class Damage(Exception):
    """A place in the data, and what is wrong there."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place or 'the file'}: {problem}")
        self.place, self.problem = place, problem


def check_file(data: Any, schema: Schema) -> None:
    """Raise `Damage` where the data is no graph of this schema."""
    try:
        check_schema(data, schema, "", schema["$defs"])
    except RecursionError:
        raise Damage("", "it is nested too deeply") from None
    check_graph(data, "")


# --- the schema


def check_schema(value: Any, schema: Schema, place: str, known: Mapping[str, Schema]) -> None:
    """Raise `Damage` where a value is not what a schema says: as far as `graphviz_ad._internal.graph.file_schema`
    needs JSON Schema.
    """
    if "$ref" in schema:
        schema = known[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        check_choice(value, schema["anyOf"], place, known)
        return
    for word, holds in WORDS.items():
        if word in schema and not holds(value, schema[word]):
            raise Damage(place, f"{shown_finding(value)} {PROBLEMS[word](schema[word], schema)}")
    if isinstance(value, dict):
        check_properties(value, schema, place, known)
    elif isinstance(value, list):
        check_parts(value, schema, place, known)


def check_properties(value: Record, schema: Schema, place: str, known: Mapping[str, Schema]) -> None:
    """The fields of an object, each by its own schema."""
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            raise Damage(below(place, name), "is missing")
    for name, part in value.items():
        if name in properties:
            check_schema(part, properties[name], below(place, name), known)
        elif schema.get("additionalProperties") is False:
            raise Damage(below(place, name), f"there is no such field here; there are {', '.join(properties)}")


def check_parts(value: Sequence[Any], schema: Schema, place: str, known: Mapping[str, Schema]) -> None:
    """The parts of a list, each by its own schema."""
    first = schema.get("prefixItems", ())
    for i, (part, own) in enumerate(zip(value, first, strict=False)):
        check_schema(part, own, f"{place}[{i}]", known)
    if "items" in schema:
        quick = types_of(schema["items"])
        for i, part in enumerate(value):
            if type(part) not in quick:
                check_schema(part, schema["items"], f"{place}[{i}]", known)


def types_of(schema: Schema) -> tuple[type, ...]:
    """The Python types of which a schema takes everything, so that nobody has to look closer: a tensor has many
    numbers.
    """
    choices = schema.get("anyOf", [schema])
    names = [choice["type"] for choice in choices if set(choice) == {"type"}]
    flat = {name for given in names for name in ([given] if isinstance(given, str) else given)}
    return tuple(kind for name in sorted(flat) for kind in QUICK.get(name, ()))


def check_choice(value: Any, choices: Sequence[Schema], place: str, known: Mapping[str, Schema]) -> None:
    """One of several schemas has to hold; what is wrong is said of the one that was meant."""
    choices = [known[choice["$ref"].rpartition("/")[2]] if "$ref" in choice else choice for choice in choices]
    fields = [name for choice in choices for name, own in choice.get("properties", {}).items() if "const" in own]
    if fields and isinstance(value, dict) and len(choices) > 2:
        check_named(value, fields[0], choices, place, known)
        return
    meant = [
        choice
        for choice in choices
        if isinstance(value, dict) and "required" in choice and set(choice["required"]) <= value.keys()
    ]
    found: list[Damage] = []
    for choice in meant or choices:
        try:
            check_schema(value, choice, place, known)
        except Damage as damage:
            found.append(damage)
        else:
            return
    deepest = max(found, key=lambda damage: len(damage.place))
    raise (
        deepest
        if deepest.place != place
        else Damage(place, f"{shown_finding(value)} is none of {', '.join(map(described_schema, choices))}")
    )


def check_named(value: Record, field: str, choices: Sequence[Schema], place: str, known: Mapping[str, Schema]) -> None:
    """An object of one of several kinds, which one of its fields names."""
    kinds = {choice["properties"][field]["const"]: choice for choice in choices}
    if field not in value:
        raise Damage(below(place, field), "is missing")
    kind = value[field]
    if not isinstance(kind, str) or kind not in kinds:
        raise Damage(below(place, field), f"{shown_finding(kind)} is none of {', '.join(kinds)}")
    check_schema(value, kinds[kind], place, known)


def below(place: str, name: str) -> str:
    """The place of a field."""
    word = name if name.isidentifier() else f"[{shown_finding(name)}]"
    return word if not place else f"{place}.{word}" if name.isidentifier() else place + word


def shown_finding(value: Any) -> str:
    """What was found, in a line."""
    if isinstance(value, (dict, list)):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    try:
        text = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    except ValueError:  # a number of more digits than Python writes
        return "a number of very many digits"
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def described_schema(schema: Schema) -> str:
    """What a schema takes, in a few words."""
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    kinds = schema.get("type", "anything")
    words = [NAMES.get(kind, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    return " or ".join(words) + (f" with {', '.join(schema['properties'])}" if schema.get("properties") else "")


def is_of_type(value: Any, kinds: Any) -> bool:
    """Whether a value is of one of these types, by their names in JSON."""
    return any(TYPES[kind](value) for kind in ([kinds] if isinstance(kinds, str) else kinds))


def is_finite_number(value: Any) -> bool:
    """Whether a value is a number that is not too big to be one of floating point."""
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < 2**1023
    return isinstance(value, float) and math.isfinite(value)


TYPES: Mapping[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": is_finite_number,
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
NAMES = {
    "null": "null",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "array": "a list",
    "object": "an object",
}
# that a float is finite is seen where text is read
QUICK: Mapping[str, tuple[type, ...]] = {"boolean": (bool,), "number": (float,), "string": (str,)}
WORDS: Mapping[str, Callable[[Any, Any], bool]] = {
    "type": is_of_type,
    "const": lambda value, wanted: type(value) is type(wanted) and value == wanted,
    "enum": lambda value, wanted: isinstance(value, str) and value in wanted,
    "minimum": lambda value, least: value >= least,
    "maximum": lambda value, most: value <= most,
    "pattern": lambda value, wanted: re.search(wanted, value) is not None,
    "minLength": lambda value, least: len(value) >= least,
    "minItems": lambda value, least: len(value) >= least,
    "maxItems": lambda value, most: len(value) <= most,
}
PROBLEMS: Mapping[str, Callable[[Any, Schema], str]] = {
    "type": lambda _, schema: f"is not {described_schema(schema)}",
    "const": lambda wanted, _: f"is not {shown_finding(wanted)}",
    "enum": lambda wanted, _: f"is none of {', '.join(wanted)}",
    "minimum": lambda least, _: f"is less than {least}",
    "maximum": lambda most, _: f"is more than {most}",
    "pattern": lambda wanted, _: f"is not of the form {wanted}",
    "minLength": lambda *_: "is empty",
    "minItems": lambda least, _: f"has fewer than {least} parts",
    "maxItems": lambda most, _: f"has more than {most} parts",
}


# --- the rules


def check_graph(graph: Record, place: str, around: Sequence[Record] = (), written: Sequence[Record] = ()) -> None:
    """The rules, for a graph, its detail, its finer graph and its earlier passes; ``around`` are the statements of the
    graph that it stands in, ``written`` the parts of its program.
    """
    check_nodes(graph["nodes"], below(place, "nodes"))
    check_edges(graph, place)
    statements = graph.get("statements", around)
    check_statements(graph, statements, place)
    program = graph.get("program", written)
    check_lines(graph.get("statements", ()), program, below(place, "statements"))
    parts = [(name, graph[name]) for name in ("detail", "finer") if graph.get(name) is not None]
    parts += [(f"earlier passes[{i}]", done) for i, done in enumerate(graph.get("earlier passes", ()))]
    for name, part in parts:
        check_graph(part, f"{place}.{name}" if place else name, statements, program)
    for i, part in enumerate(graph.get("of ranks", ())):  # each with statements and a program of its own
        check_graph(part, below(place, f"of ranks[{i}]"))


def check_lines(statements: Sequence[Record], program: Sequence[Record], place: str) -> None:
    """That the lines of statements are there."""
    for i, statement in enumerate(statements):
        lines, part = statement.get("lines"), statement.get("part")
        if (lines is None) != (part is None):
            raise Damage(f"{place}[{i}]", "has lines and no part that they stand in, or a part and no lines")
        if lines is None or part is None:
            continue
        if part >= len(program):
            raise Damage(f"{place}[{i}].part", f"{part} is none of the {len(program)} parts of the program")
        first, last = program[part]["first"], program[part]["first"] + len(program[part]["lines"]) - 1
        if not first <= lines[0] <= lines[1] <= last:
            raise Damage(f"{place}[{i}].lines", f"{lines} are not all among lines {first} to {last} of their part")


def check_statements(graph: Record, statements: Sequence[Record], place: str) -> None:
    """That statements are there which others name, and members."""
    for i, statement in enumerate(graph.get("statements", ())):
        if (statement.get("caller") or 0) >= i and statement.get("caller") is not None:
            raise Damage(
                f"{below(place, 'statements')}[{i}].caller", f"{statement['caller']} is the place of none before it"
            )
    finer = {node["key"] for node in (graph.get("finer") or {}).get("nodes", ())}
    for i, node in enumerate(graph["nodes"]):
        here = f"{below(place, 'nodes')}[{i}]"
        if node.get("statement") is not None and node["statement"] >= len(statements):
            raise Damage(f"{here}.statement", f"{node['statement']} is none of the {len(statements)} statements")
        for member in node.get("members", ()):
            if member not in finer:
                raise Damage(f"{here}.members", f"there is no node {shown_finding(member)} in the finer graph")


def check_nodes(nodes: Sequence[Record], place: str) -> None:
    """Their keys, and what their results hold."""
    keys: set[str] = set()
    for i, node in enumerate(nodes):
        if node["key"] in keys:
            raise Damage(f"{place}[{i}].key", f"{shown_finding(node['key'])} is the key of a node before it, too")
        keys.add(node["key"])
        for j, port in enumerate(node["ports"]):
            check_ragged(port, f"{place}[{i}].ports[{j}]")
            for name in SNAPSHOTS:
                here = f"{place}[{i}].ports[{j}].{name}"
                check_snapshot(port.get(name), here)
                check_shape(port.get(name), port.get("shape"), here)


def check_edges(graph: Record, place: str) -> None:
    """Where they begin and end, and what they hold."""
    number = {node["key"]: i for i, node in enumerate(graph["nodes"])}
    uses: set[tuple[str, str, int]] = set()
    for i, edge in enumerate(graph["edges"]):
        here = f"{below(place, 'edges')}[{i}]"
        for end in ("tail", "head"):
            if edge[end] not in number:
                raise Damage(f"{here}.{end}", f"there is no node {shown_finding(edge[end])}")
        if number[edge["tail"]] >= number[edge["head"]]:
            raise Damage(
                f"{here}.tail",
                f"{shown_finding(edge['tail'])} does not stand before {shown_finding(edge['head'])}, which reads it",
            )
        results = len(graph["nodes"][number[edge["tail"]]]["ports"])
        if edge.get("port", 0) >= results:
            raise Damage(
                f"{here}.port", f"{edge['port']} is none of the {results} results of {shown_finding(edge['tail'])}"
            )
        use = (edge["tail"], edge["head"], edge["slot"])
        if use in uses:
            raise Damage(
                f"{here}.slot",
                f"{edge['slot']} is that of another edge from {shown_finding(edge['tail'])} to"
                f" {shown_finding(edge['head'])}, too",
            )
        uses.add(use)
        for name in ("local", "grad", "jacobian", "made"):
            check_snapshot(edge.get(name), f"{here}.{name}")
        tail, head = (graph["nodes"][number[edge[end]]]["ports"] for end in ("tail", "head"))
        operand = tail[edge.get("port", 0)].get("shape")
        if edge.get("cut") != FROM_ANOTHER_PROCESS:
            check_shape(edge.get("grad"), operand, f"{here}.grad")
        check_local(edge.get("local"), operand, [port.get("shape") for port in head], f"{here}.local")
        if len(head) == 1 and operand is not None and head[0].get("shape") is not None:
            check_shape(edge.get("jacobian"), [*head[0]["shape"], *operand], f"{here}.jacobian")


def check_shape(snapshot: Record | None, shape: Sequence[int] | None, place: str) -> None:
    """That what is known of a result has its shape."""
    if snapshot is not None and shape is not None and snapshot["shape"] != shape:
        raise Damage(f"{place}.shape", f"{snapshot['shape']} is not {shape}, the shape of that result")


def check_ragged(record: Record, place: str) -> None:
    """That lengths that differ from part to part are lengths of a shape, and of nothing whose elements are here."""
    ragged = record.get("ragged")
    if ragged is None:
        return
    places, shape = ragged["places"], record.get("shape") or ()
    if len(set(places)) < len(places) or not all(each < len(shape) for each in places):
        raise Damage(f"{place}.ragged.places", f"{places} are no places of the shape {list(shape)}")
    if record.get("data") is not None:
        raise Damage(f"{place}.data", "elements are here, where the shape says only how many there are")


def check_local(
    local: Record | None, operand: Sequence[int] | None, results: Sequence[Sequence[int] | None], place: str
) -> None:
    """That a local derivative fits what it is between."""
    if local is None or operand is None or None in results:
        return
    shape = local["shape"]
    if not any(
        result is not None and (fits(shape, result) or (math.prod(result) == 1 and fits(operand, shape)))
        for result in results
    ):
        raise Damage(f"{place}.shape", f"{shape} fits neither the result nor the operand, of shape {operand}")


def fits(shape: Sequence[int], other: Sequence[int]) -> bool:
    """Whether one shape can be broadcast to another."""
    ends = zip(reversed(shape), reversed(other), strict=False)
    return len(shape) <= len(other) and all(mine in (1, theirs) for mine, theirs in ends)


def check_snapshot(snapshot: Record | None, place: str) -> None:
    """That as many elements are there as the shape says, of the kind of number that the dtype says, and that each of
    them is exact.
    """
    if snapshot is not None:
        check_ragged(snapshot, place)
    data = None if snapshot is None else snapshot["data"]
    if snapshot is None or data is None:
        return
    several = isinstance(data, dict) and "elements" in data
    wanted, found = math.prod(snapshot["shape"]), len(data["elements"]) if several else 1
    if wanted != found:
        raise Damage(f"{place}.data", f"it has {found} elements, where the shape {snapshot['shape']} has {wanted}")
    kind = np.dtype(data["dtype"]).kind if several else kind_of_number(read_number(data))
    if kind not in FITTING[kind_of_dtype(snapshot["dtype"])][0 if several else 1]:
        raise Damage(
            f"{place}.data{'.dtype' if several else ''}",
            f"{shown_finding(data['dtype'] if several else data)} is no {snapshot['dtype']}",
        )
    if several:
        check_elements(data["elements"], np.dtype(data["dtype"]), f"{place}.data.elements")


def kind_of_number(number: Any) -> str:
    """numpy's letter for the kind of a Python number."""
    return next(letter for letter, kind in (*PLAIN.items(), ("c", complex)) if type(number) is kind)


def kind_of_dtype(name: str) -> str:
    """The letter for the kind of a dtype, by its name."""
    return next(letter for start, letter in STARTS.items() if name.startswith(start))


def check_elements(elements: list[Any], dtype: np.dtype[Any], place: str) -> None:
    """That each is a number of the dtype as it stands there, and not one near it."""
    held_ones = held_by(elements, dtype)
    # the usual case first, and all at once
    if set(map(type, elements)) == {PLAIN.get(dtype.kind)} and held_ones == elements:
        return
    for i, (element, held) in enumerate(zip(elements, held_ones, strict=True)):
        if not same(element, held):
            raise Damage(f"{place}[{i}]", f"{shown_finding(element)} is no {dtype.name}")


def held_by(elements: Sequence[Any], dtype: np.dtype[Any]) -> list[Any]:
    """What an array of the dtype makes of the elements."""
    numbers = elements if set(map(type, elements)) <= {float} else list(map(read_number, elements))
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error")
            return list(np.array(numbers, dtype=dtype).tolist())
    except (TypeError, ValueError, OverflowError, Warning):
        return list(each_held(numbers, dtype))


def each_held(numbers: Iterable[Any], dtype: np.dtype[Any]) -> Iterator[Any]:
    """The same one by one, None for what it cannot hold."""
    for number in numbers:
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("error")
                yield np.array(number, dtype=dtype).item()
        except (TypeError, ValueError, OverflowError, Warning):
            yield None


def same(element: Any, held: Any) -> bool:
    """Whether a number came through as it was: a truth value as one, and any NaN as one."""
    number = read_number(element)
    if isinstance(number, bool) != isinstance(held, bool) or held is None:
        return False
    return number == held or repr(number) == repr(held)


def read_number(x: Any) -> Any:
    """A number as it is written: those for which JSON has no words are texts, complex ones objects."""
    if isinstance(x, str):
        return float(x)  # one of SPECIAL
    return complex(read_number(x["re"]), read_number(x["im"])) if isinstance(x, dict) else x
