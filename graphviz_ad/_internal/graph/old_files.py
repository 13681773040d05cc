"""A saved graph as version 1 wrote it, which kept facts as texts -> the same as version 2: the one place that reads
facts out of sentences.

Version 1 told the first four of a list of names and how many more there were. What a text does not say for certain
stays a sentence, and unknown.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

Record = dict[str, Any]

RAISED, FAILED, UP_TO_THERE = "The program raised ", "The backward pass failed: ", "; this is the graph up to there."
TIED = " is the same parameter as "
OVERWRITTEN = "modified by an inplace operation"
EFFECTS = {"changed the gradient": "gradient", "changed what flows back, or rounding did": "flow"}


def upgraded(data: Mapping[str, Any]) -> Record:
    """The record of a graph, with that of its detail and of its earlier passes, as this version writes it."""
    notices = [note for text in data["notices"] for note in _notices(text)]
    whole = {**data, "notices": notices, "nodes": [_node(record) for record in data["nodes"]]}
    if data.get("detail"):
        whole["detail"] = upgraded(data["detail"])
    if data.get("earlier passes"):
        whole["earlier passes"] = [upgraded(done) for done in data["earlier passes"]]
    stopped = _stopped_at(whole, {note["kind"] for note in notices})
    if stopped is not None:
        stopped["raised"] = True
    return whole


# --- notices


def _notices(text: str) -> Iterator[Record]:
    """A notice that something is decided by as facts; any other as the sentence that it is."""
    for start, end, kind in ((RAISED, UP_TO_THERE, "raised"), (FAILED, "", "backward pass failed")):
        if text.startswith(start):
            exception, _, message = text.removeprefix(start).removesuffix(end).partition(": ")
            yield {
                "kind": kind,
                "failure": {"exception": exception, "message": message, "overwritten": OVERWRITTEN in message},
            }
            return
    told = re.fullmatch(r"Rank (\d+(?:, \d+)*): (.*)", text, re.DOTALL)
    if told is not None:
        yield from ({**note, "ranks": _FACTS["ranks"](told[1])} for note in _notices(told[2]))
        return
    further, between, first = text.removesuffix(".").partition(TIED)
    yield {"kind": "tied parameter", "subjects": [further, first]} if between else {"kind": "said", "said": text}
    names = _unread(text)
    if names:
        yield {"kind": "unread parameters", "subjects": names, "shown": False}


def _unread(text: str) -> list[str]:
    """The parameters that a sentence says nobody read; none where their number shows that a name has a comma in it.

    These are the words of files that exist; they stay as they are, whatever the sentence is today.
    """
    found = re.fullmatch(
        r"No operation read (?:this parameter|these (\d+) parameters): (.*?)(?: and (\d+) more)?\.", text
    )
    names = found[2].split(", ") if found is not None else []
    return names if found is not None and len(names) == int(found[1] or 1) - int(found[3] or 0) else []


def _stopped_at(graph: Record, kinds: set[str]) -> Record | None:
    """The record of the node at which the program, or its backward pass, stopped; None where that is not known."""
    operations = [node for node in graph["nodes"] if node["kind"] == "op"]
    if "backward pass failed" in kinds:
        came = {edge["tail"] for edge in graph["edges"] if edge.get("grad") is not None}
        begun = [
            node for node in operations if node["key"] in came or any(port.get("upstream") for port in node["ports"])
        ]
        found = [node for node in begun if node.get("backward_order") is None]
    else:
        found = (
            [node for node in operations if not any(port.get("shape") is not None for port in node["ports"])]
            if "raised" in kinds
            else []
        )
    return found[-1] if found else None


# --- nodes


def _node(record: Mapping[str, Any]) -> Record:
    """A node with what its settings said as facts."""
    node = {name: value for name, value in record.items() if name != "settings"}
    for name, text in record.get("settings", ()):
        if name == "communication":
            node.setdefault("messages", []).extend(_message(text))
        elif name == "hooks":
            node["hooks"] = [*node.get("hooks", ()), *text.split(", ")]
        elif name == "hook" and text in EFFECTS:
            node["hook_effects"] = [*node.get("hook_effects", ()), EFFECTS[text]]
        elif name == "parameter gradients":
            node["parameter_norm"] = _norm_in_text(text)
        else:
            node.setdefault("arguments", []).append([name, _argument(text)])
    return node


def _norm_in_text(text: str) -> Any:
    """The norm that a text says; None for "none", and where it says no number."""
    try:
        return _upgraded_number(float(text))
    except ValueError:
        return None


def _argument(text: str) -> Any:
    """The value of an argument; what is no number and no list was a text or a word of the framework's, which are
    written alike.
    """
    try:
        return _upgraded_value(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        # all of these Python says of texts that are no values
        return _upgraded_number(float(text)) if text in ("nan", "inf", "-inf") else {"word": text}


def _upgraded_value(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_upgraded_value(part) for part in value]
    if value is not None and not isinstance(value, (bool, int, float, complex, str)):
        raise ValueError(value)  # such as a set, which no argument is
    return _upgraded_number(value)


def _upgraded_number(value: Any) -> Any:
    if isinstance(value, complex):
        return {"number": {"re": value.real, "im": value.imag}}
    if isinstance(value, float) and value - value != 0:
        return {"number": "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"}
    return value


# --- communication: "send; rank 0; number 2; ranks 0,1; peer 1"


def _message(text: str) -> Iterator[Record]:
    """What a text says of a communication; where it cannot be read, that there was one, of ranks that are not known."""
    kind, *facts = text.split("; ")
    try:
        found = {name: _FACTS.get(name, int)(value) for name, _, value in (fact.partition(" ") for fact in facts)}
        name, between, ranks = kind.partition(" of ranks ")
        if between:
            yield {"what": "meeting", "kind": name, "ranks": _FACTS["ranks"](ranks), **found}
        elif kind.startswith("gradients of "):
            count, _, how = kind.removeprefix("gradients of ").partition(" parameters, ")
            reduction, _, ranks = how.partition(" over ranks ")
            yield {
                "what": "averaging",
                "parameters": int(count),
                "reduction": reduction,
                "ranks": _FACTS["ranks"](ranks),
            }
        elif "rank" in found:
            yield {"what": "message", "kind": unquote(kind), **found}
        else:
            raise ValueError(text)
    except ValueError:
        yield {"what": "meeting", "kind": kind.partition(" ")[0], "ranks": []}


_FACTS: Mapping[str, Callable[[str], Any]] = {
    "ranks": lambda text: [int(rank) for rank in text.split(",")],
    "group": unquote,
    "reduction": unquote,
    "backward": lambda text: text == "yes",
}
