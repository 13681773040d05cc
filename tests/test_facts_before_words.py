"""Facts are values and sentences are made where they are shown: nothing reads a fact out of a text, and no sentence
decides anything.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from models import EVERY_MODEL
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.graph import notice_sentences
from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.graph.messages import Message
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.ranks.merging import merge

PACKAGE = Path(gad.__file__).parent / "_internal"
# the last reads files that kept facts as texts
WORDING = ("graph/notice_sentences.py", "graph/fact_texts.py", "graph/old_files.py")
# What is text about facts: attributes that hold it, functions that make it.
ATTRIBUTES = {"notices", "settings"}
MAKERS = {
    "sentence",
    "texts",
    "error_text",
    "error_of",
    "why_none",
    "settings_of",
    "further_facts",
    "argument_text",
    "communication_text",
    "norm_text",
}
READERS = {
    "startswith",
    "endswith",
    "partition",
    "rpartition",
    "split",
    "rsplit",
    "splitlines",
    "removeprefix",
    "removesuffix",
    "find",
    "rfind",
    "index",
}
READERS |= {"rindex", "replace", "strip", "lstrip", "rstrip", "isdigit", "isidentifier", "get", "count"}
FUNCTIONS = {"match", "fullmatch", "search", "findall", "finditer", "sub", "literal_eval", "float", "int"}


class Reader(ast.NodeVisitor):
    """Finds where a text about facts is split, searched or matched, in one function: names that hold such a text are
    followed.
    """

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.found: list[int] = []

    def is_text(self, node: ast.AST | None) -> bool:
        match node:
            case ast.Name(id=name):
                return name in self.held
            case ast.Attribute(attr=name, value=value):
                return name in ATTRIBUTES or (isinstance(value, ast.Name) and value.id in self.held and name in READERS)
            case ast.Call(func=function, args=args):
                name = (
                    function.attr
                    if isinstance(function, ast.Attribute)
                    else function.id
                    if isinstance(function, ast.Name)
                    else ""
                )
                passed = name in {
                    "dict",
                    "list",
                    "tuple",
                    "set",
                    "sorted",
                    "next",
                    "iter",
                    "str",
                    "filter",
                    "map",
                    "join",
                    "reversed",
                }
                return (
                    name in MAKERS
                    or (passed and any(map(self.is_text, args)))
                    or (isinstance(function, ast.Attribute) and self.is_text(function.value))
                )
            case ast.Subscript(value=value) | ast.Starred(value=value):
                return self.is_text(value)
            case ast.ListComp(elt=part) | ast.GeneratorExp(elt=part) | ast.SetComp(elt=part):
                return self.is_text(part)
            case ast.IfExp(body=body, orelse=other):
                return self.is_text(body) or self.is_text(other)
            case ast.BoolOp(values=parts) | ast.Tuple(elts=parts) | ast.List(elts=parts):
                return any(map(self.is_text, parts))
        return False

    def hold(self, target: ast.AST) -> None:
        self.held |= {part.id for part in ast.walk(target) if isinstance(part, ast.Name)}

    def follow(self, tree: ast.AST) -> None:
        """Names first, as often as there are new ones: what is read may stand before what fills it."""
        before = None
        while before != len(self.held):
            before = len(self.held)
            for node in ast.walk(tree):
                if isinstance(node, (ast.For, ast.comprehension)) and self.is_text(node.iter):
                    self.hold(node.target)
                if isinstance(node, ast.Assign) and self.is_text(node.value):
                    for target in node.targets:
                        self.hold(target)
                if isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and self.is_text(node.value):
                    self.hold(node.target)
        self.visit(tree)

    def visit_Call(self, node: ast.Call) -> None:
        name = (
            node.func.attr
            if isinstance(node.func, ast.Attribute)
            else node.func.id
            if isinstance(node.func, ast.Name)
            else ""
        )
        if name in READERS and isinstance(node.func, ast.Attribute) and self.is_text(node.func.value):
            self.found.append(node.lineno)
        if name in FUNCTIONS and any(map(self.is_text, node.args)):
            self.found.append(node.lineno)
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        sides = [node.left, *node.comparators]
        matched = any(isinstance(way, (ast.In, ast.NotIn, ast.Eq, ast.NotEq)) for way in node.ops)
        if (
            matched
            and any(map(self.is_text, sides))
            and not any(isinstance(side, ast.Constant) and side.value is None for side in sides)
        ):
            self.found.append(node.lineno)
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if self.is_text(node.value) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            self.found.append(node.lineno)
        self.generic_visit(node)


def read_back(source: str) -> Iterator[int]:
    """Lines of a module in which facts are read out of texts."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            reader = Reader()
            reader.follow(node)
            yield from reader.found


@pytest.mark.parametrize(
    "line",
    [
        'return [notice for notice in graph.notices if "gradients:" in notice]',
        'return [notice.partition(": ")[2] for notice in graph.notices if notice.startswith(UNREAD)]',
        'return dict(node.settings).get("parameter gradients")',
        'return dict(node.settings)["dim"] == "1"',
        'known = dict(node.settings)\n    return known.get("groups") == "1"',
        'return any(name == "hook" for name, _ in node.settings)',
        "return {name: ast.literal_eval(text) for name, text in node.settings}",
        'for name, text in node.settings:\n        if re.findall("x", text):\n            return text',
        'return "modified" in error_of(graph)',
        "return SETTING in dict(node.settings)",
        "return [note for note in scene.notes if note not in texts(graph.notes)]",
        (
            'text = next((text for name, text in node.settings), None)\n    kind, *facts = text.split("; ")\n    return'
            " kind"
        ),
    ],
)
def test_what_reads_facts_out_of_texts_is_found(line: str) -> None:
    assert list(read_back(f"def function(graph, node, scene):\n    {line}\n"))


@pytest.mark.parametrize(
    "line",
    [
        "return list(graph.notices)",
        "return scene.notes[len(graph.notices) :]",
        "return [*node.settings]",
        "return texts(graph.notes)",
    ],
)
def test_what_only_shows_texts_is_not(line: str) -> None:
    assert not list(read_back(f"def function(graph, node, scene):\n    {line}\n"))


def test_lines_of_the_program_are_read_out_of_their_texts_in_one_place() -> None:
    assert {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("partition", "rpartition", "split", "rsplit")
        and getattr(node.value, "attr", getattr(node.value, "id", "")) == "source"
    } == {"graph/places.py"}  # fmt: skip


def test_nothing_reads_facts_out_of_the_texts_about_them() -> None:
    files = [path for path in sorted(PACKAGE.rglob("*.py")) if path.relative_to(PACKAGE).as_posix() not in WORDING]
    assert len(files) > 100
    assert {
        f"{path.relative_to(PACKAGE)}:{line}" for path in files for line in read_back(path.read_text("utf-8"))
    } == set()


# --- sentences decide nothing


def detached(x: Tensor) -> Tensor:
    return (x.detach() * x).sum()


def hooked(x: Tensor) -> Tensor:
    h = x * 2
    h.register_hook(lambda grad: 3 * grad)
    return h.sum()


def raising(x: Tensor) -> Tensor:
    y = x.exp()
    return torch.linalg.cholesky(y)


def recorded_overwriting() -> Graph:
    recording = gad.record()
    with suppress(RuntimeError), recording:
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        y = x.exp()
        z = y * 2
        y.add_(1)
        (z.sum() + y.sum()).backward()
    return recording.graph


def two_passes() -> Graph:
    with gad.record() as recording:
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        y = (x * x).sum()
        y.backward(retain_graph=True)
        y.backward()
    return recording.graph


def raised(function: Callable[..., Any], *inputs: Any) -> Graph:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        gad.trace(function, *inputs)
    graph: Graph = caught.value.graph  # type: ignore[attr-defined]
    return graph


def two_ranks() -> Graph:
    port = Port((1,), "float32", "cpu", Snapshot((1,), "float32", 2.0))
    graphs = []
    for rank, (kind, peer) in enumerate((("send", 1), ("recv", 0))):
        nodes = (
            Node("n0", "data", name="x", ports=(port,)),
            Node("n1", "op", kind, ports=(port,), messages=(Message(kind, rank, peer=peer, ranks=(0, 1)),)),
        )
        graphs.append(Graph(nodes, (Edge("n0", "n1", 0, cut="data"),), "step"))
    broken = replace(graphs[1], notes=raised(raising, torch.ones(2, 3)).notes)
    return merge([graphs[0], broken])


GRAPHS: dict[str, Callable[[], Graph]] = {
    "detached": lambda: gad.trace(detached, [1.0, 2.0]),
    "hooked": lambda: gad.trace(hooked, [1.0, 2.0]),
    "raised": lambda: raised(raising, torch.ones(2, 3)),
    "overwritten": recorded_overwriting,
    "two passes": two_passes,
    "two ranks": two_ranks,
    "without gradients": lambda: gad.trace(detached, [1.0, 2.0], capture=gad.Capture(gradients="none")),
    # which shows uninitialised memory
    **{name: lambda case=case: gad.trace(*case()) for name, case in EVERY_MODEL.items() if name != "lazy"},
}


def behaviour(graph: Graph) -> list[object]:
    """Everything that a graph answers, but for the sentences of its notices."""
    scene = graph.plot(layout="layered").scene
    asked = [
        *(node.name for node in graph.node_list if node.name),
        *(name for note in graph.notes for name in note.subjects),
    ]
    answers = [graph.why(name) for name in dict.fromkeys(asked) if is_known(graph, name)]
    side = gad.compare(graph, graph)
    report = graph.check()
    return [
        answers,
        scene.boxes,
        scene.arrows,
        len(scene.notes),
        [note.startswith("⚠") for note in scene.notes],
        scene.alt,
        report.ok,
        str(side),
        side.same,
        [(note.kind, note.subjects, note.facts, note.failure, note.ranks) for note in graph.notes],
        graph.to_json(),
    ]


def is_known(graph: Graph, name: str) -> bool:
    try:
        graph.why(name)
    except gad.GraphvizADError:
        return False
    return True


@pytest.mark.parametrize("name", GRAPHS)
def test_other_sentences_change_nothing_but_the_sentences(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    GRAPHS[name]()  # what is imported first may make random numbers
    torch.manual_seed(0)
    expected, notices = behaviour(graph := GRAPHS[name]()), graph.notices
    for table in (notice_sentences.SENTENCES, notice_sentences.NO_GRADIENTS):
        for kind in table:
            monkeypatch.setitem(table, kind, lambda note: "a, b and 3 more: No operation read is the same parameter as")  # type: ignore[arg-type]
    torch.manual_seed(0)
    graph = GRAPHS[name]()
    if notices:
        assert graph.notices != notices
    found = behaviour(graph)
    if name == "without gradients":  # there the answer to "why" is such a sentence
        found[0] = expected[0]
    assert found == expected
