"""What a saved graph may say: its types, vocabularies and sizes as one JSON Schema, which
`graphviz_ad._internal.graph.file_checking` reads.

The words come from where they are used, so that a new kind of notice or of node is a word of the files at once. What
JSON Schema has no words for, such as that an edge begins at a node that there is, stands in `RULES`, and in the
published file as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

from graphviz_ad._internal.graph.box_facts import STEP_KINDS
from graphviz_ad._internal.graph.fact_texts import HOOK_EFFECTS
from graphviz_ad._internal.graph.grad_history import EVENTS
from graphviz_ad._internal.graph.gradient_sizes import ENDS, WAYS
from graphviz_ad._internal.graph.gradient_starts import STARTS
from graphviz_ad._internal.graph.graph import CUTS, KINDS, MATCHES
from graphviz_ad._internal.graph.notice_sentences import SENTENCES
from graphviz_ad._internal.graph.notices import (
    BACKWARD_CALLS,
    CAME_UP,
    FAILED,
    FILE_ENDED,
    FILE_OF_RANK,
    GRADIENTS_OFF,
    HELD,
    LOG_FAILED,
    LOOK_FAILED,
    MODEL,
    NOT_WATCHED,
    NOTHING_REQUIRES,
    OF_NO_MODULE,
    OPTIMIZERS,
    OTHER_THREAD,
    PASSES_DRAWN,
    RAISED,
    RAISED_AT,
    SAID,
    SEVERAL_PASSES,
    STEPS_CALLED,
    TIED,
    TIED_TOO,
    WATCHED,
    WRITTEN_LINES,
)
from graphviz_ad._internal.graph.repeats import MEASURES

Schema = Mapping[str, Any]

FORMAT, VERSION, OLDEST = "graphviz_ad graph", 2, 1
SPECIAL = ("NaN", "Infinity", "-Infinity")  # what JSON has no numbers for
# as numpy writes them
ELEMENT_TYPES = [
    "|b1",
    "|i1",
    "|u1",
    *(f"<{letter}{size}" for letter, size in (*product("iuf", (2, 4, 8)), ("c", 8), ("c", 16))),
]
RULES = (
    "Every key of a node is its own.",
    (
        "Nodes stand in the order in which they were computed: an edge begins at a node that stands before the one at"
        " which it ends."
    ),
    "An edge begins at a result that its tail has: port counts its ports from 0.",
    "No two edges have the same tail, head and slot.",
    (
        "A snapshot has as many elements as the product of its shape says, each of them a number that its dtype holds"
        " exactly."
    ),
    (
        "A value and a gradient have the shape of the result that they are of, where that is known; so has what flows"
        " back along an edge, but for what another process sent."
    ),
    "The places of ragged lengths are those of a shape, each once; nothing whose shape has any has elements here.",
    (
        "A local derivative has a shape that can be broadcast to that of a result of the head; where that is one"
        " number, one to which that of the operand can be."
    ),
    "A Jacobian has the shape of the one result of the head, followed by that of the operand.",
    (
        "The statement of a node is the place of one of the statements of its graph, the caller of a statement that of"
        " one before it; the part of a statement is the place of one of the parts of the program, and its lines are"
        " lines of that. A detail, an earlier pass or a finer graph that names no statements, or no program, has those"
        " of the graph that it stands in."
    ),
    "The members of a node are keys of the finer graph, which has the detail, where there is one.",
)


def ref(name: str) -> Schema:
    """What is defined under a name."""
    return {"$ref": f"#/$defs/{name}"}


def record_schema(needed: Mapping[str, Schema], **others: Schema) -> dict[str, Any]:
    """An object with these fields, and those others that it may leave out; no further ones."""
    return {
        "type": "object",
        "properties": {**needed, **others},
        "required": list(needed),
        "additionalProperties": False,
    }


def some(item: Schema, **sizes: int) -> dict[str, Any]:
    """A list of things of one kind."""
    return {"type": "array", "items": item, **sizes}


def pair(*parts: Schema) -> dict[str, Any]:
    """A list of so many things, each of its kind."""
    return {"type": "array", "prefixItems": list(parts), "minItems": len(parts), "maxItems": len(parts)}


def maybe(thing: Schema) -> dict[str, Any]:
    """The thing, or null: not known, or there is none."""
    return {"anyOf": [thing, {"type": "null"}]}


TEXT: Schema = {"type": "string"}
TRUTH: Schema = {"type": "boolean"}
NOTHING: Schema = {"type": "null"}
COUNT: Schema = {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}
INTEGER: Schema = {"type": "integer", "minimum": -(2**63), "maximum": 2**64 - 1}
DTYPE: Schema = {"type": "string", "pattern": "^(bool|complex|b?float|q?u?int|bits)[0-9a-z_]*$"}  # torch's and Python's
TEXTS, COUNTS = some(TEXT), some(COUNT)
SHAPE = some(COUNT, maxItems=64)  # as many dimensions as torch has
# where a shape has lengths that differ from part to part, and how many elements there are
RAGGED = record_schema({"places": some(COUNT, minItems=1, maxItems=64), "elements": COUNT})
MEASURE: Schema = {"enum": list(MEASURES)}
REAL = {"anyOf": [{"type": "number"}, {"enum": list(SPECIAL)}]}
NUMBER = {"anyOf": [{"type": ["number", "boolean"]}, {"enum": list(SPECIAL)}, record_schema({"re": REAL, "im": REAL})]}
# the smallest of truth values is one
EXTREME: Schema = {"anyOf": [{"type": ["number", "boolean"]}, {"enum": list(SPECIAL)}]}
TYPES = some(pair(maybe(TEXT), SHAPE))  # dtypes and shapes


# --- notices: the facts of each kind, in their order

WAY: Mapping[str, Schema] = {"group": TEXT, "source": COUNT, "target": COUNT, "tag": INTEGER}
CALL = pair(COUNT, TEXT, maybe(TEXT), maybe(COUNT), TYPES, TYPES)
FACTS: Mapping[str, Mapping[str, Schema]] = {
    "no backward pass": {"blind": TRUTH},
    SEVERAL_PASSES: {"count": COUNT},
    PASSES_DRAWN: {"count": COUNT, "numbers": COUNTS, "sources": some(maybe(TEXT)), "reached": COUNTS},
    "started from one output alone": {"others": TEXTS},
    "returned several times": {"times": COUNT},
    "not started from": {"types": TEXTS},
    "not looked into": {"types": TEXTS},
    "taken in part": {"what": TEXT, "count": COUNT},
    "incomplete": {"what": TEXT},
    "circle": {"count": COUNT},
    "unlinked": {"count": COUNT},
    "hooks untold": {"count": COUNT},
    "ran again": {"count": COUNT},
    "untried torch": {"version": TEXT, "tested": TEXTS},
    "too deep": {"reach": COUNT},
    "other tasks": {"count": COUNT},
    "caught": {"sources": some(maybe(TEXT))},
    "flows inside": {"users": TEXTS},
    "unused": {"functions": some(pair(TEXT, TEXT, COUNT)), "gradless": TRUTH},
    "modules folded": {"inside": COUNT},
    "parts folded": {"inside": COUNT},
    "parts in boxes": {"inside": COUNT, "operations": COUNT, "opens": TEXT, "clicks": TRUTH, "first": TRUTH},
    "in all boxes": {
        "nameless": COUNT,
        "parameters": COUNT,
        "gradients": TRUTH,
        "finite": TRUTH,
        "wrong": COUNT,
        "unread": TRUTH,
        "what": TEXT,
        "spreads": TRUTH,
        "start": {"enum": ["", *STARTS]},
        # of how many modules with parameters which has the least, the most, and what of that is a finding
        "modules": some(pair(COUNT, TEXT, REAL, TEXT, REAL, some({"enum": [*ENDS]}))),
        # how many copies of what are measured how; which has the least, the most, and what of that is a finding
        "copies": some(pair(COUNT, TEXT, MEASURE, TEXT, REAL, TEXT, REAL, some({"enum": [*ENDS]}))),
    },
    GRADIENTS_OFF: {
        "names": pair(TEXT, TEXT),  # of layers
        "way": {"enum": list(WAYS)},
        "size": REAL,
        "beside": REAL,
        "measure": MEASURE,
        "places": pair(COUNT, COUNT),  # among all of its kind, from 1 on
        "towards": TRUTH,
        "last": TRUTH,
    },
    CAME_UP: {
        "what": TEXT,
        "count": COUNT,
        "backward": TRUTH,
        "operation": TEXT,
        "line": TEXT,
        "sites": COUNT,
        "spreads": TRUTH,
        "outputs": TRUTH,
        "gradients": TRUTH,
    },
    "left out": {"count": COUNT},
    "blocks": {"operations": COUNT, "blocks": COUNT},
    "no lines": {"count": COUNT},
    "uneven passes": {"passes": COUNTS},
    "impossible order": {"count": COUNT},
    "by order alone": {"guesses": COUNT, "count": COUNT},
    "from anybody": {"count": COUNT},
    "no other end": {"count": COUNT, **WAY, "other": COUNT, "missing": TEXT},
    "other end not here": {"count": COUNT, **WAY, "other": COUNT, "missing": TEXT},
    "ends contradict": {"count": COUNT, **WAY, "number": COUNT, "sent": TYPES, "received": TYPES},
    MODEL: {
        "shapes": some(SHAPE),
        "dtypes": TEXTS,
        "wanted": some(TRUTH),
        "modules": some(pair(TEXT, TEXT, TRUTH)),
    },
    BACKWARD_CALLS: {"calls": some(pair(maybe(TEXT), TRUTH, TRUTH))},
    OPTIMIZERS: {"optimizers": some(pair(TEXT, TEXTS, COUNT, maybe(REAL)))},
    STEPS_CALLED: {"counts": COUNTS},
    OF_NO_MODULE: {"tensors": some(COUNT)},
    RAISED_AT: {"source": TEXT},
    WRITTEN_LINES: {"lines": some(pair(TEXT, TEXT, TEXT, TEXT, TRUTH))},
    LOOK_FAILED: {"step": COUNT},
    LOG_FAILED: {"logger": TEXT, "step": COUNT, "ended": TRUTH},
    FILE_ENDED: {"file": TEXT, "problem": TEXT},
    OTHER_THREAD: {},
    NOT_WATCHED: {},
    WATCHED: {"every": COUNT, "number": COUNT, "found": some(pair(TEXT, TEXT, COUNT, maybe(TEXT)))},
    FILE_OF_RANK: {"file": TEXT, "rank": COUNT},
    HELD: {"held": some(pair(maybe(TEXT), maybe(TEXT), maybe(TEXT), COUNT, maybe(COUNT), COUNT))},
    "members missing": {"count": COUNT, "what": TEXT, "group": TEXT, "missing": COUNTS, "away": COUNTS},
    "members contradict": {"count": COUNT, "group": TEXT, "number": COUNT, "calls": some(CALL)},
}
WITH_FAILURE = (RAISED, FAILED, LOOK_FAILED, LOG_FAILED)
SUBJECTS: Mapping[str, Schema] = {  # where their number matters
    TIED: some(TEXT, minItems=2, maxItems=2),
    TIED_TOO: some(TEXT, minItems=2),
    "incomplete": some(TEXT, minItems=1),
    "started from one output alone": some(TEXT, minItems=1),
    NOTHING_REQUIRES: some(TEXT, minItems=1),
}
FAILURE = record_schema({"exception": TEXT, "message": TEXT}, line=maybe(TEXT), overwritten=TRUTH, freed=TRUTH)


def notice_of(kind: str) -> Schema:
    """A notice of one kind."""
    facts = [pair({"const": word}, schema) for word, schema in FACTS.get(kind, {}).items()]
    needed: dict[str, Schema] = {"kind": {"const": kind}}
    if kind in WITH_FAILURE:
        needed["failure"] = ref("failure")
    if kind in SUBJECTS:
        needed["subjects"] = SUBJECTS[kind]
    if facts:
        needed["facts"] = pair(*facts)
    return {**record_schema(needed, **{**NOTICE_FIELDS, **needed})}


NOTICE_FIELDS: Mapping[str, Schema] = {
    "subjects": TEXTS,
    "facts": some({}, maxItems=0),
    "said": TEXT,
    "failure": maybe(ref("failure")),
    "ranks": COUNTS,
    "shown": TRUTH,
}


# --- what else there is in a graph


def one_of(field: str, kinds: Mapping[str, Schema]) -> Schema:
    """A record of one of several kinds, which a field names."""
    return {"anyOf": list(kinds.values()), "description": f"The field {field} says which of these it is."}


def communication_schema(what: str, needed: Mapping[str, Schema], **others: Schema) -> Schema:
    """One kind of communication."""
    return record_schema({"what": {"const": what}, **needed}, **others)


RANK = COUNT
MESSAGES: Mapping[str, Schema] = {
    "message": communication_schema(
        "message",
        {"kind": TEXT, "rank": RANK},
        number=COUNT,
        group=TEXT,
        ranks=COUNTS,
        peer=maybe(RANK),
        tag=INTEGER,
        root=maybe(RANK),
        reduction=maybe(TEXT),
        backward=TRUTH,
    ),
    "meeting": communication_schema(
        "meeting", {"kind": TEXT, "ranks": COUNTS}, number=COUNT, group=TEXT, reduction=maybe(TEXT), root=maybe(RANK)
    ),
    "averaging": communication_schema(
        "averaging", {"parameters": COUNT, "reduction": TEXT, "ranks": COUNTS}, kind=TEXT
    ),
}
ARGUMENT: Schema = {
    "anyOf": [
        {"type": ["null", "boolean", "number", "string"]},
        record_schema({"word": TEXT}),
        record_schema({"number": NUMBER}),
        some(ref("argument")),
    ]
}
SNAPSHOT = record_schema({
    "shape": SHAPE,
    "dtype": DTYPE,
    "data": {"anyOf": [NOTHING, NUMBER, record_schema({"dtype": {"enum": ELEMENT_TYPES}, "elements": some(NUMBER)})]},
    "stats": maybe(pair(EXTREME, EXTREME, REAL, REAL, COUNT)),
    "missing": maybe(TEXT),
}, ragged=maybe(RAGGED))  # fmt: skip
TAKEN = maybe(ref("snapshot"))
PORT = record_schema(
    {},
    shape=maybe(SHAPE),
    dtype=maybe(DTYPE),
    device=maybe(TEXT),
    value=TAKEN,
    grad=TAKEN,
    upstream=TAKEN,
    grad_total=TAKEN,
    name=maybe(TEXT),
    is_output=TRUTH,
    arrived=TAKEN,
    tensor=maybe(COUNT),
    also=some(TEXT),
    made_by=maybe(TEXT),
    begins=maybe(COUNT),
    requires_grad=TRUTH,
    ragged=maybe(RAGGED),
)
EVENT = record_schema(
    {"what": {"enum": list(EVENTS)}},
    number=maybe(COUNT),
    by=maybe(TEXT),
    source=maybe(TEXT),
    brought=TAKEN,
    holds=TAKEN,
    after=maybe(COUNT),
    value=TAKEN,
    calls=maybe(COUNT),
    update=maybe(ref("update")),
    wrote=TRUTH,
)
SETTING: Schema = {"anyOf": [{"type": ["number", "boolean"]}, record_schema({"number": REAL})]}
STATE = some(pair(TEXT, TAKEN))
UPDATE = record_schema({"optimizer": TEXT}, settings=some(pair(TEXT, SETTING)), old=TAKEN, before=STATE, after=STATE)
HISTORY = record_schema({"tensor": maybe(COUNT)}, name=maybe(TEXT), events=some(ref("event")), holds=TAKEN, gone=TRUTH)
OF_EVERY_VERSION: Mapping[str, Schema] = {
    "op": maybe(TEXT),
    "name": maybe(TEXT),
    "autograd": TEXTS,
    "requires_grad": TRUTH,
    "cut": maybe({"enum": list(CUTS)}),
    "module": TEXTS,
    "source": maybe(TEXT),
    "saved": TEXTS,
    "call": maybe(COUNT),
    "call_op": maybe(TEXT),
    "backward_order": maybe(COUNT),
    "inside": COUNT,
    "parameters": COUNT,
    "saved_bytes": maybe(COUNT),
}
NORM = {"anyOf": [{"type": "number"}, record_schema({"number": REAL})]}
OF_COPIES: Mapping[str, Schema] = {
    "norms": some(maybe(NORM)),
    "first": TEXT,
    "last": TEXT,
    "least": maybe(TEXT),
    "most": maybe(TEXT),
    "measure": maybe(MEASURE),
    "called": TEXT,
    "result": TEXT,
    "carried": TEXTS,
}
COPIES = record_schema({"count": COUNT}, **OF_COPIES, whole=maybe(record_schema({"count": COUNT}, **OF_COPIES)))
NOT_FINITE = record_schema(
    {},
    values=COUNT,
    gradients=COUNT,
    masked=COUNT,
    born=maybe(TEXT),
    spreads=TRUTH,
    kind=maybe(TEXT),
    where=maybe(TEXT),
)
PART = record_schema({"name": TEXT}, copies=COUNT, operations=COUNT, parts=some(ref("part")), differ=maybe(COPIES))
STEP = record_schema(
    {"name": TEXT, "kind": {"enum": list(STEP_KINDS)}},
    operations=COUNT,
    times=COUNT,
    joined=TRUTH,
    inner=some(ref("step")),
    chosen=some(COUNT),
    called=TEXT,
)
OF_THIS_VERSION: Mapping[str, Schema] = {
    "arguments": some(pair(TEXT, ref("argument"))),
    "hooks": TEXTS,
    "hook_effects": some({"enum": list(HOOK_EFFECTS)}),
    "messages": some(one_of("what", MESSAGES)),
    "parameter_norm": maybe(NORM),
    "raised": TRUTH,
    "statement": maybe(COUNT),
    "members": TEXTS,
    "switched_off": TEXTS,
    "copies": maybe(COPIES),
    "parts": some(ref("part")),
    "steps": some(ref("step")),
    "not_finite": maybe(NOT_FINITE),
    "parameter_names": TEXTS,
    "updates": TEXTS,
    "uses_passes": COUNTS,
    "in_passes": COUNTS,
    "bounds": some(pair(TEXT, COUNT, COUNT, TRUTH)),
    "far_off": some(pair(TEXT, REAL)),
}
# what the facts of this version were, as texts
OF_VERSION_1: Mapping[str, Schema] = {"settings": some(pair(TEXT, TEXT))}
EDGE = record_schema(
    {"tail": TEXT, "head": TEXT, "slot": COUNT},
    port=COUNT,
    local=TAKEN,
    grad=TAKEN,
    cut=maybe({"enum": list(CUTS)}),
    match={"enum": list(MATCHES)},
    jacobian=TAKEN,
    made=TAKEN,
)
LINES = pair(COUNT, COUNT)  # first and last
STATEMENT = record_schema(
    {"function": TEXT, "call": COUNT},
    time=COUNT,
    text=maybe(TEXT),
    targets=TEXTS,
    source=maybe(TEXT),
    caller=maybe(COUNT),
    lines=maybe(LINES),
    part=maybe(COUNT),
)
WRITTEN = record_schema({"function": TEXT, "file": TEXT, "first": COUNT, "lines": TEXTS}, head=maybe(LINES))


GRAPH = record_schema(
    {
        "name": TEXT,
        "notices": some(ref("notice")),
        "has_gradients": TRUTH,
        "nodes": some(ref("node")),
        "edges": some(ref("edge")),
    },
    detail=maybe(ref("graph")),
    memory=maybe(record_schema({"leaves": COUNT, "saved": COUNT, "exact": TRUTH})),
    ranks=COUNTS,
    statements=some(ref("statement")),
    program=some(ref("written part")),
    finer=maybe(ref("graph")),
    **{
        "module classes": some(pair(TEXT, TEXT)),
        "grad histories": some(ref("history")),
        "earlier passes": some(ref("graph")),
        "of ranks": some(ref("graph")),
    },
)
NOTICE = one_of("kind", {kind: notice_of(kind) for kind in (SAID, *SENTENCES)})


def file_of(version: int, notice: Schema, own: Mapping[str, Schema]) -> Schema:
    """A saved graph of a version, which says what a notice is and what fields of their own nodes have: a graph, and
    by what it is known to be one.
    """
    head: dict[str, Schema] = {"format": {"const": FORMAT}, "version": {"const": version}}
    node = record_schema(
        {
            "key": {"type": "string", "minLength": 1},
            "kind": {"enum": list(KINDS)},
            "ports": some(ref("port"), minItems=1),
        },
        **OF_EVERY_VERSION,
        **own,
    )
    parts = {
        "graph": GRAPH,
        "node": node,
        "edge": EDGE,
        "port": PORT,
        "statement": STATEMENT,
        "written part": WRITTEN,
        "snapshot": SNAPSHOT,
        "notice": notice,
        "failure": FAILURE,
        "argument": ARGUMENT,
        "part": PART,
        "step": STEP,
        "history": HISTORY,
        "event": EVENT,
        "update": UPDATE,
    }
    return {
        **GRAPH,
        "properties": {**head, **GRAPH["properties"]},
        "required": [*head, *GRAPH["required"]],
        "$defs": parts,
    }


SCHEMAS: Mapping[int, Schema] = {
    OLDEST: file_of(OLDEST, TEXT, OF_VERSION_1),
    VERSION: file_of(VERSION, NOTICE, OF_THIS_VERSION),
}


def published() -> dict[str, Any]:
    """The schema of this version as it stands in docs/graph.schema.json."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A graph that graphviz_ad saved",
        "description": " ".join(("Besides what follows:", *RULES)),
        **SCHEMAS[VERSION],
    }
