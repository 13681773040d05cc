"""What a graph says of itself is kept as facts, in files too, and put into sentences by one table."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import GraphFormatError, MergeError
from graphviz_ad._internal.check.capture_check import is_hooked
from graphviz_ad._internal.graph import graph_files
from graphviz_ad._internal.graph.arguments import Word
from graphviz_ad._internal.graph.file_schema import FACTS, WITH_FAILURE
from graphviz_ad._internal.graph.graph import Graph, Node, Port
from graphviz_ad._internal.graph.messages import Message
from graphviz_ad._internal.graph.notice_sentences import SENTENCES, sentence
from graphviz_ad._internal.graph.notices import (
    BACKWARD_CALLS,
    CAME_UP,
    FAILED,
    FILE_ENDED,
    FILE_OF_RANK,
    FROZEN,
    GRADIENTS_OFF,
    HELD,
    IN_ALL_BOXES,
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
    SHAPES_ONLY,
    STEPS_CALLED,
    STOOD_FOR,
    TIED,
    TIED_TOO,
    UNREAD,
    UNREAD_INPUTS,
    UNREAD_SO_FAR,
    WATCHED,
    WITHOUT_GRADIENT,
    WRITTEN_LINES,
    Failure,
    Notice,
    first_names,
    notice,
    unread_parameters,
)
from graphviz_ad._internal.ranks.merging import merge
from graphviz_ad._internal.tracing.assembly.stopped import with_stop_said

PACKAGE = Path(gad.__file__).parent / "_internal"
TEXTS = st.text(max_size=8)
NUMBERS = st.integers(-9, 10**12) | st.floats() | st.complex_numbers() | st.booleans()
ARGUMENTS = st.recursive(
    st.none() | NUMBERS | TEXTS | st.builds(Word, TEXTS),
    lambda parts: st.lists(parts, max_size=3).map(tuple),
    max_leaves=5,
)


def raised(function: Any, *inputs: Any) -> Graph:
    with pytest.raises(RuntimeError) as caught:
        gad.trace(function, *inputs)
    graph: Graph = caught.value.graph  # type: ignore[attr-defined]
    return graph


# --- the table


def test_every_kind_of_notice_has_a_sentence_and_every_sentence_a_notice() -> None:
    made = {UNREAD, UNREAD_SO_FAR, FROZEN, UNREAD_INPUTS, STOOD_FOR, WITHOUT_GRADIENT, TIED, TIED_TOO}
    made |= {RAISED, FAILED, NOTHING_REQUIRES, LOOK_FAILED, LOG_FAILED, FILE_ENDED}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) in ("notice", "Notice", "notices.notice")
                and node.args
            ):
                made |= {
                    part.value
                    for part in ast.walk(node.args[0])
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                }
    made |= {
        MODEL,
        BACKWARD_CALLS,
        OF_NO_MODULE,
        OPTIMIZERS,
        WATCHED,
        STEPS_CALLED,
        WRITTEN_LINES,
        RAISED_AT,
        IN_ALL_BOXES,
        PASSES_DRAWN,
        HELD,
    }
    made |= {OF_NO_MODULE, SHAPES_ONLY, GRADIENTS_OFF, CAME_UP, OTHER_THREAD, NOT_WATCHED, FILE_OF_RANK}
    made |= {"no other end", "other end not here"}  # chosen between in a line of its own
    assert made == SENTENCES.keys()


def test_a_sentence_is_shortened_and_its_notice_is_not() -> None:
    names = [f"w{i}" for i in range(9)]
    note = notice(UNREAD, names)
    assert sentence(note) == "No operation read these 9 parameters: w0, w1, w2, w3 and 5 more."
    assert list(unread_parameters([note])) == names


def test_a_plain_sentence_is_a_notice_too() -> None:
    graph = gad.trace(lambda x: x * x, 1.0).saying("What takes no gradient is hidden.")
    assert graph.notes[-1] == Notice(SAID, said="What takes no gradient is hidden.")
    assert graph.notices == ("What takes no gradient is hidden.",)


# --- files


@given(
    st.lists(
        st.builds(
            Notice,
            st.just(SAID),
            st.lists(TEXTS, max_size=6).map(tuple),
            said=TEXTS,
            ranks=st.lists(st.integers(0, 9)).map(tuple),
        ),
        max_size=3,
    )
)
def test_notices_are_saved_whole(notes: list[Notice]) -> None:
    graph = Graph((), (), notes=tuple(notes))
    again = graph_files.from_json(graph.to_json())
    assert (again.notes, again.notices) == (graph.notes, graph.notices)


@given(st.lists(TEXTS, max_size=9, unique=True), TEXTS, TEXTS)
def test_names_come_back_from_a_file_whatever_is_in_them(names: list[str], other: str, message: str) -> None:
    failure = Failure("ValueError", message, "a.py:1", overwritten=True)
    graph = Graph(
        (), (), notes=(notice(UNREAD, names), notice(TIED, (other, "first")), Notice(RAISED, failure=failure))
    )
    again = graph_files.from_json(graph.to_json())
    assert list(unread_parameters(again.notes)) == names
    assert first_names(again.notes) == {other: "first"}
    assert again.failures[0].failure == failure


@given(st.lists(st.tuples(TEXTS, ARGUMENTS), max_size=4).map(tuple))
def test_arguments_come_back_from_a_file_as_the_values_that_they_are(arguments: Any) -> None:
    node = Node(
        "n0",
        "op",
        arguments=arguments,
        hooks=("a, b", "hook"),
        hook_effects=("flow",),
        parameter_norm=float("inf"),
        raised=True,
    )
    (again,) = graph_files.from_json(Graph((node,), ()).to_json()).node_list
    assert repr(again) == repr(node)  # NaN is not itself


@pytest.mark.parametrize(
    "record",
    [
        {"kind": "made up"},
        {"kind": "blocks"},
        {"kind": RAISED},
        {"kind": UNREAD, "colour": 1},
        {"kind": RAISED, "failure": {"message": "x"}},
        "text",
        {},
    ],
)
def test_a_notice_that_is_none_is_refused(record: Any) -> None:
    data = json.loads(Graph((), ()).to_json()) | {"notices": [record]}
    with pytest.raises(GraphFormatError, match="is damaged"):
        graph_files.from_json(json.dumps(data))


# --- facts that were mistaken for others while they were texts


@pytest.fixture(scope="module")
def operator() -> Any:
    library = torch.library.Library("graphviz_ad_facts", "DEF")
    library.define("turned(Tensor x, int hook, str communication, float hooks) -> Tensor")
    library.impl("turned", lambda x, hook, communication, hooks: x * hook, "CompositeExplicitAutograd")
    yield torch.ops.graphviz_ad_facts.turned
    library._destroy()


def test_arguments_of_any_name_are_arguments(operator: Any) -> None:
    graph = gad.trace(lambda x: operator(x.detach(), 3, "send; rank 0", 1.0) * x, torch.ones(1, requires_grad=True))
    (node,) = [node for node in graph.node_list if node.op == "graphviz_ad_facts::turned"]
    assert node.arguments == (("hook", 3), ("communication", "send; rank 0"), ("hooks", 1.0))
    assert not is_hooked(node)
    assert merge([graph, graph]).ranks == (0, 1)


def hooked_on_a_result(x: Tensor) -> Tensor:
    y = x * x
    y.register_hook(lambda grad: grad * 10)
    return y.sum()


def hooked_on_a_node(x: Tensor) -> Tensor:
    y = x * x
    assert y.grad_fn is not None
    y.grad_fn.register_hook(lambda inputs, outputs: tuple(grad * 10 for grad in inputs))
    return y.sum()


@pytest.mark.parametrize(("function", "effect"), [(hooked_on_a_result, "gradient"), (hooked_on_a_node, "sent")])
def test_a_hook_is_no_argument_of_the_operation(function: Any, effect: str) -> None:
    graph = gad.trace(function, torch.ones(2, requires_grad=True))
    (node,) = [node for node in graph.node_list if node.op == "mul"]
    assert (node.arguments, node.hook_effects) == ((), (effect,))
    box = graph.plot().scene.box_by_key[node.key]
    assert box.lines[0].text == "y = x·x"
    passes_on = [
        fact
        for arrow in graph.plot(local=True).scene.arrows
        if arrow.head == node.key
        for fact in arrow.hover
        if fact.label == "passes on"
    ]
    assert not passes_on  # what a hook on the node made of it follows no formula


def test_an_empty_list_is_written_as_one() -> None:
    graph = gad.trace(lambda x: x.expand(()), torch.tensor(2.0, requires_grad=True))
    assert graph.plot().scene.boxes[-1].lines[0].text.endswith("expand(x, size=[])")


def test_a_merged_graph_is_known_as_one_where_no_rank_sent_anything() -> None:
    graph = gad.trace(lambda x: x * x, 1.0)
    both = merge([graph, graph])
    for whole in (both, graph_files.from_json(both.to_json())):
        with pytest.raises(MergeError, match="graph 1 of the list is of several ranks already"):
            merge([graph, whole])


def test_what_is_called_like_another_fact_is_told_apart() -> None:
    graph = gad.trace(lambda x: torch.nn.functional.pad(x, (1, 1), value=7.0).sum(), torch.ones(2, requires_grad=True))
    facts = next(box.hover for box in graph.plot().scene.boxes if "operation: pad" in map(str, box.hover))
    labels = [fact.label for fact in facts]
    assert len(set(labels)) == len(labels)
    assert "argument value: 7.0" in map(str, facts)


def test_a_merged_graph_knows_which_rank_raised_and_where() -> None:
    fine, broken = gad.trace(lambda x: x * x, 1.0), raised(lambda x: torch.linalg.cholesky(x.exp()), torch.ones(2, 3))
    graph = merge([fine, broken])
    (note,) = graph.failures
    assert (note.ranks, note.failure) == ((1,), broken.failures[0].failure)
    scene = graph.plot().scene
    assert scene.notes[0].startswith("⚠ Rank 1: RuntimeError: linalg.cholesky")
    (stopped,) = [box.key for box in scene.boxes if box.warning]
    assert graph.nodes[stopped].module[:1] == ("rank 1",)


def test_a_failure_says_where_it_was() -> None:
    graph = raised(lambda x: torch.linalg.cholesky(x.exp()), torch.ones(2, 3))
    failure = graph.failures[0].failure
    assert failure is not None
    assert (failure.exception, failure.line) == (
        "RuntimeError",
        next(node.source for node in graph.node_list if node.raised),
    )
    assert failure.line is not None
    assert failure.line.startswith("test_notices.py:")


def test_an_operation_that_only_sends_is_not_taken_for_the_one_that_raised() -> None:
    nodes = (
        Node("n0", "op", "send", ports=(Port(),), messages=(Message("send", 0, peer=1),)),
        Node("n1", "op", "mul", ports=(Port((), "float32"),)),
    )
    graph = Graph(nodes, (), notes=(Notice(RAISED, failure=Failure("ValueError", "later")),))
    assert not any(node.raised for node in with_stop_said(graph).node_list)


# --- in words


def made_of_ones(schema: Any) -> Any:
    """A fact of this form that is 1 wherever it counts something."""
    forms = {"integer": 1, "number": 1.0, "string": "x", "boolean": True, "null": None}
    if "const" in schema or "enum" in schema:
        return schema.get("const", next(iter(schema.get("enum", ())), None))
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return made_of_ones(schema[choice][0])
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "array":
        parts = schema.get("prefixItems")
        return [made_of_ones(part) for part in parts] if parts else [made_of_ones(schema.get("items", {}))]
    return forms.get(kind)


@pytest.mark.parametrize("kind", sorted({*FACTS} - {"returned several times"}))
def test_one_of_a_kind_is_not_said_in_the_plural(kind: str) -> None:
    facts = {word: made_of_ones(schema) for word, schema in FACTS[kind].items()}
    failure = Failure("ValueError", "odd") if kind in WITH_FAILURE else None
    said = SENTENCES[kind](replace(notice(kind, ["x"], **facts), failure=failure))
    assert not re.search(r"\b1 (?:more )?(?!is\b|was\b|has\b|keeps\b|does\b)[a-z]+s\b", said), said
    assert not re.search(r"\b1 (?:more )?[a-z]+ are\b", said), said
