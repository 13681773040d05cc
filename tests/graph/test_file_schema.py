"""One schema says what a saved graph may be: what it refuses is named, and of what it lets in every public method
makes something.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from saved_graphs import damaged_file, mutated, saved_graphs, use

from graphviz_ad._internal.base.errors import GraphFormatError
from graphviz_ad._internal.cli.commands import main
from graphviz_ad._internal.graph import graph_files
from graphviz_ad._internal.graph.file_checking import Damage, check_schema
from graphviz_ad._internal.graph.file_schema import FACTS, SCHEMAS, SUBJECTS, VERSION, WITH_FAILURE, published
from graphviz_ad._internal.graph.graph import CUTS, Graph
from graphviz_ad._internal.graph.notice_sentences import SENTENCES, sentence
from graphviz_ad._internal.graph.notices import Failure, Notice
from graphviz_ad._internal.scene.cut_marks import REASONS

PUBLISHED = Path(__file__).parents[2] / "docs" / "graph.schema.json"
FILES, SCHEMA_FILES = range(80), range(120)  # numbers of damaged files; tools/mutate_graph_files.py makes 10,000
# Of these JSON Schema and strict JSON think otherwise than we do: a whole number may be written 1.0 there.
OTHERWISE = re.compile(r'(?<!")(NaN|Infinity)(?!")|\d\.0\b|\de\+?\d|\d{19}')

texts = cache(saved_graphs)


def test_the_published_schema_is_the_one_that_is_used() -> None:
    assert json.loads(PUBLISHED.read_text("utf-8")) == json.loads(json.dumps(published())), (
        "run tools/make_graph_schema.py"
    )


def test_its_words_are_those_of_the_package() -> None:
    assert set(REASONS) == set(CUTS)
    assert FACTS.keys() | SUBJECTS.keys() <= SENTENCES.keys()


def example(schema: Mapping[str, Any]) -> Any:
    """Something that a schema takes."""
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if "anyOf" in schema:
        return example(schema["anyOf"][0])
    if schema["type"] == "array":
        return tuple(map(example, schema["prefixItems"])) if "prefixItems" in schema else (example(schema["items"]),)
    return {"string": "x", "boolean": True, "integer": 1, "number": 1.5}[schema["type"]]


@pytest.mark.parametrize("kind", SENTENCES)
def test_the_facts_of_a_notice_are_all_that_its_sentence_needs(kind: str) -> None:
    facts = tuple((name, example(schema)) for name, schema in FACTS.get(kind, {}).items())
    failure = Failure("ValueError", "odd") if kind in WITH_FAILURE else None
    note = Notice(kind, ("a", "b") if kind in SUBJECTS else ("a",), facts, failure=failure)
    assert sentence(note)
    graph = Graph((), (), notes=(note,))
    assert graph_files.from_json(graph.to_json()).notes == (note,)


@pytest.mark.parametrize("name", texts())
def test_every_kind_of_saved_graph_is_let_in(name: str) -> None:
    graph = graph_files.from_json(texts()[name])
    data = json.loads(graph.to_json())
    check_schema(data, SCHEMAS[VERSION], "", SCHEMAS[VERSION]["$defs"])
    use(graph)


def damage_of(data: Any) -> Damage | None:
    """What our own reader says of it; None for nothing."""
    try:
        check_schema(data, SCHEMAS[VERSION], "", SCHEMAS[VERSION]["$defs"])
    except Damage as damage:
        return damage
    return None


def load(path: Path) -> Graph | str:
    """The graph, or why it is none."""
    try:
        return Graph.load(path)
    except GraphFormatError as error:
        return str(error)


SAID = re.compile(
    r"is damaged at \S|is no JSON|no saved graph|format version|is no GraphML|is GraphML, but not|is no text"
)


def test_the_published_schema_says_the_same_as_our_own_reader() -> None:
    """Both take or refuse the same data; what we say is what is read by people, so that JSON Schema's own reader is
    none of our needs.
    """
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(published())
    validator = jsonschema.Draft202012Validator(published())
    of_this_version = [text for text in texts().values() if json.loads(text)["version"] == VERSION]
    refused = 0
    for seed in SCHEMA_FILES:
        text = mutated(of_this_version[seed % len(of_this_version)], seed)
        data = json.loads(text)
        damage = damage_of(data)
        refused += damage is not None
        assert (damage is None) == validator.is_valid(data) or (damage is not None and OTHERWISE.search(text)), (
            f"{seed}: {damage}"
        )
    assert 0 < refused < len(SCHEMA_FILES)


def test_what_is_damaged_is_refused_by_the_name_of_its_field_or_of_use_to_every_public_method(tmp_path: Path) -> None:
    loaded = 0
    for seed in FILES:
        text, suffix = damaged_file(texts(), seed)
        path = tmp_path / f"graph{suffix}"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        graph = load(path)
        if isinstance(graph, str):
            assert SAID.search(graph), seed
        else:
            use(graph)
            loaded += 1
    assert 0 < loaded < len(FILES)


def put(*place: str | int, value: Any) -> Callable[[Any], None]:
    def change(data: Any) -> None:
        for name in place[:-1]:
            data = data[name]
        data[place[-1]] = value

    return change


PORT = ("nodes", 0, "ports", 0)
MESSAGES: dict[str, tuple[Callable[[Any], None], str]] = {
    "an unknown kind": (put("nodes", 0, "kind", value="banana"), "nodes[0].kind: 'banana' is none of leaf, data, op, module"),  # noqa: E501
    "an unknown cut": (put("edges", 0, "cut", value="banana"), "edges[0].cut: 'banana' is none of data, detach,"),
    "an unknown match": (put("edges", 1, "match", value="maybe"), "edges[1].match: 'maybe' is none of exact, guess"),
    "no name": (lambda data: data.pop("name"), "name: is missing"),
    "no shape": (lambda data: data["nodes"][0]["ports"][0]["value"].pop("shape"), "nodes[0].ports[0].value.shape: is missing"),  # noqa: E501
    "another field": (put("nodes", 1, "surprise", value=1), "nodes[1].surprise: there is no such field here; there are key, kind, ports, op"),  # noqa: E501
    "no node there": (put("edges", 0, "tail", value="n99"), "edges[0].tail: there is no node 'n99'"),
    "a circle": (lambda data: data["edges"][0].update(tail=data["edges"][0]["head"], head=data["edges"][0]["tail"]), "does not stand before"),  # noqa: E501
    "no such result": (put("edges", 0, "port", value=3), "edges[0].port: 3 is none of the 1 results of 'n0'"),
    "the same slot": (lambda data: data["edges"].append(data["edges"][0]), "is that of another edge from 'n0'"),
    "the same key": (put("nodes", 1, "key", value="n0"), "nodes[1].key: 'n0' is the key of a node before it, too"),
    "a size": (put(*PORT, "value", "shape", value=[7]), "nodes[0].ports[0].value.data: it has 2 elements, where the shape [7] has 7"),  # noqa: E501
    "a negative size": (put(*PORT, "shape", value=[-1]), "nodes[0].ports[0].shape[0]: -1 is less than 0"),
    "another kind": (put(*PORT, "value", "data", "dtype", value="<i8"), "nodes[0].ports[0].value.data.dtype: '<i8' is no float32"),  # noqa: E501
    "no such dtype": (put(*PORT, "value", "dtype", value="O"), "nodes[0].ports[0].value.dtype: 'O' is not of the form"),
    "too large": (put(*PORT, "value", "data", "elements", 0, value=1e300), "nodes[0].ports[0].value.data.elements[0]: 1e+300 is no float32"),  # noqa: E501
    "no dtype": (put(*PORT, "value", "data", "dtype", value="O"), "nodes[0].ports[0].value.data.dtype: 'O' is none of"),
    "no text": (put("nodes", 0, "name", value=3), "nodes[0].name: 3 is none of a text, null"),
    "a truth value": (put("nodes", 0, "requires_grad", value="yes"), "nodes[0].requires_grad: 'yes' is not true or false"),  # noqa: E501
    "an unknown notice": (put("notices", value=[{"kind": "banana"}]), "notices[0].kind: 'banana' is none of said, raised,"),  # noqa: E501
    "a notice without its facts": (put("notices", value=[{"kind": "several passes"}]), "notices[0].facts: is missing"),
    "a fact of another type": (put("notices", value=[{"kind": "unlinked", "facts": [["count", "3"]]}]), "notices[0].facts[0][1]: '3' is not a whole number"),  # noqa: E501
    "half a pair": (put("notices", value=[{"kind": "tied parameter", "subjects": ["a"]}]), "notices[0].subjects: a list of 1 has fewer than 2 parts"),  # noqa: E501
    "an unknown message": (put("nodes", 0, "messages", value=[{"what": "letter"}]), "nodes[0].messages[0].what: 'letter' is none of message, meeting,"),  # noqa: E501
    "no peer": ( put("nodes", 0, "messages", value=[{"what": "message", "kind": "send", "rank": 0, "peer": "1"}]), "nodes[0].messages[0].peer: '1' is none of a whole number, null", ),  # noqa: E501
    "memory": (put("memory", value={"leaves": -1, "saved": 0, "exact": True}), "memory.leaves: -1 is less than 0"),
    "a detail": (lambda data: data.update(detail={**data, "nodes": 3}), "detail.format: there is no such field here"),
    "an argument": (put("nodes", 0, "arguments", value=[["dim", {"word": 3}]]), "nodes[0].arguments[0][1].word: 3 is not a text"),  # noqa: E501
}  # fmt: skip


def small() -> Any:
    import torch

    import graphviz_ad as gad

    return json.loads(gad.trace(lambda x: torch.sin(x) * x, torch.tensor([1.0, 2.5], requires_grad=True)).to_json())


@pytest.mark.parametrize(("change", "message"), MESSAGES.values(), ids=MESSAGES.keys())
def test_the_field_and_what_is_wrong_there_are_said(change: Callable[[Any], None], message: str) -> None:
    data = small()
    change(data)
    with pytest.raises(GraphFormatError, match=re.escape(message)):
        graph_files.from_json(json.dumps(data), "graph.json")


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity", "9" * 400 + ".5"])
def test_a_number_that_json_does_not_have_is_refused(number: str) -> None:
    text = json.dumps({**small(), "memory": None}).replace("2.5", number, 1)
    with pytest.raises(GraphFormatError, match="is no JSON"):
        graph_files.from_json(text, "graph.json")


def test_the_command_line_names_the_field(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = small()
    data["nodes"][0]["kind"] = "banana"
    path = tmp_path / "graph.json"
    path.write_text(json.dumps(data), "utf-8")
    assert main(["plot", str(path), "-o", str(tmp_path / "f.svg")]) == 1
    assert "graph.json is damaged at nodes[0].kind: 'banana' is none of" in capsys.readouterr().err
    assert not (tmp_path / "f.svg").exists()


def test_a_file_of_version_1_that_was_damaged_names_the_field() -> None:
    data = json.loads(next(text for name, text in texts().items() if name == "version 1: model"))
    data["nodes"][0]["settings"] = [["hooks", 3]]
    with pytest.raises(GraphFormatError, match=re.escape("nodes[0].settings[0][1]: 3 is not a text")):
        graph_files.from_json(json.dumps(data))
