"""Graph -> Names: what every node, every result and the whole output are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from pathlib import PurePath

from graphviz_ad._internal.base.text_table import counted_noun
from graphviz_ad._internal.graph.grad_history import STEP
from graphviz_ad._internal.graph.graph import COMPUTED, Edge, Graph, Node
from graphviz_ad._internal.graph.open_copies import call_of
from graphviz_ad._internal.graph.statements import head_of_line
from graphviz_ad._internal.graph.written_program import RECORDING
from graphviz_ad._internal.maths.formulas import local_derivative, total_derivative
from graphviz_ad._internal.maths.number_format import number_in_one_line
from graphviz_ad._internal.maths.set_names import set_names
from graphviz_ad._internal.scene.words.short_text import child_name, end_in_words, is_constant, is_one, numbered_name

LOCAL = "local derivative"  # where its name would be that of more than it is
OPERAND_ROOM = 12  # characters
PLAIN: Mapping[str, str] = {}  # no name is set
MOST_RESULTS = 4  # of an operation, that are named


@dataclass(frozen=True, eq=False)
class Names:
    """``of``: key -> what a node is called; ``results``: key -> what each of its results is called.

    ``typed`` is how the first are written in a program, where they are set as mathematics writes them.
    ``output`` is what all gradients are gradients of: the output's name, or L where there are several outputs or
    elements; ``one_output`` says whether there is one output, one number, and the backward pass starts from it with 1.
    ``numbers`` are the keys of what is called by what it is: numbers of the program.
    """

    of: Mapping[str, str]
    results: Mapping[str, tuple[str, ...]]
    output: str
    one_output: bool
    typed: Mapping[str, str]
    numbers: Collection[str] = ()

    def carried(self, edge: Edge) -> str:
        """What the result is called that an edge carries."""
        return self.results[edge.tail][edge.port]

    def operand(self, edge: Edge) -> str:
        """The same, in the few characters that a formula has room for; of a module's all alike."""
        name = self.results[edge.tail][edge.port]
        if edge.tail in self.numbers or (len(name) <= OPERAND_ROOM and not self.has_long_paths):
            return name
        return end_in_words(name, 3 if name.endswith(".grad") else 2)  # whose gradient it is

    @cached_property
    def has_long_paths(self) -> bool:
        """Whether the path of any result is too long for a formula: then all have their ends alone."""
        names = (name for key, names in self.results.items() if key not in self.numbers for name in names)
        return any("." in name and " " not in name and len(name) > OPERAND_ROOM for name in names)

    def gradient(self, key: str, port: int | None = None) -> str:
        """ "df/dq"; of one result of the node, where it has several."""
        return total_derivative(self.output, self.of[key] if port is None else self.results[key][port])

    @property
    def keys(self) -> Mapping[str, str]:
        """What a node is called, on the picture and in the program -> its key."""
        return {name: key for names in (self.typed, self.of) for key, name in names.items()}

    @property
    def total(self) -> str:
        """What a sum of outputs is called."""
        return "ℒ" if "L" in self.of.values() else "L"


def graph_names(graph: Graph, called: Mapping[str, str] = PLAIN) -> Names:
    """The names of a graph, as they can be typed in a program; ``called``: key -> name of what would have a number."""
    of = names_of_nodes(graph, called)
    results = {node.key: result_names(node, of[node.key]) for node in graph.node_list}
    return all_names(graph, of, results, of)


def mathematical_names(graph: Graph, called: Mapping[str, str] = PLAIN) -> Names:
    """The names of a graph as mathematics writes them: x₁ for x1; ``called``: key -> name of what would have a
    number.
    """
    of = names_of_nodes(graph, called)
    modules = {of[node.key] for node in graph.node_list if node.kind == "module" and not is_called_by_result(node)}
    named = {port.name for node in graph.node_list for port in node.ports if port.name}
    shown = {**set_names([*modules, *of.values(), *named]), **{name: name for name in modules}}
    called = {key: shown[name] for key, name in of.items()}
    results = {node.key: result_names(node, called[node.key], shown) for node in graph.node_list}
    return all_names(graph, called, results, of)


def all_names(
    graph: Graph, of: Mapping[str, str], results: Mapping[str, tuple[str, ...]], typed: Mapping[str, str]
) -> Names:
    """What nodes are called, with what is said of their outputs."""
    outputs = [node for node in graph.outputs if node.requires_grad]
    one = (
        len(outputs) == 1
        and len(outputs[0].ports) == 1
        and outputs[0].ports[0].shape == ()
        and is_one(outputs[0].ports[0].upstream)
    )
    numbers = frozenset(node.key for node in graph.node_list if is_constant(node) and not node.name)
    names = Names(of, results, of[outputs[0].key] if one else "", one, typed, numbers)
    return names if one else replace(names, output=names.total)


def names_of_nodes(graph: Graph, called: Mapping[str, str] = PLAIN) -> dict[str, str]:
    """Key -> what a node is called: its variable, its number, or v1, v2, … where the program gave no name and it is
    not ``called`` something.
    """
    taken = {node.name for node in graph.node_list}
    often = Counter(node.name for node in graph.node_list if node.kind != "module" or is_called_by_result(node))
    numbers = (name for name in map("v{}".format, count(1)) if name not in taken)
    seen: dict[str, int] = {}
    names: dict[str, str] = {}
    nameless, modules = {node.key for node in numbered_nodes(graph)}, names_of_modules(graph)
    for node in graph.node_list:
        if node.key in nameless:
            names[node.key] = called.get(node.key) or next(numbers)
        elif node.kind == "module" and not is_called_by_result(node):  # not as the variable that takes its result
            names[node.key] = modules[node.key]
        elif node.name and often[node.name] > 1:
            if node.name not in seen:
                seen[node.name] = first_number(node.name, often[node.name], taken)
            names[node.key] = numbered_name(node.name, seen[node.name])
            seen[node.name] += 1
        elif node.name:
            names[node.key] = node.name
        elif is_constant(node):
            names[node.key] = number_in_one_line(node.value) if node.value else "?"
        else:
            names[node.key] = function_name(graph)
    return names


def is_called_by_result(node: Node) -> bool:
    """Whether a folded node is called by the variable that takes its result: one of several calls of a module, and a
    statement under that name, be it before what it calls.
    """
    if node.kind != "module" or node.name is None:
        return False
    return is_statement(node) or has_calls_behind_name(node) or call_of(node) is not None


def has_calls_behind_name(node: Node) -> bool:
    """Whether a folded node is a statement whose title is the variable that it fills, and what it calls."""
    return is_line(node) and (node.op or "").startswith(head_of_line(node.name or ""))


def is_statement(node: Node) -> bool:
    """Whether a folded node is a statement that has the name of the variable that it fills."""
    return is_line(node) and node.name == node.op


def is_line(node: Node) -> bool:
    """Whether a folded node is a line of the program that fills a variable."""
    own = node.statement is not None and node.call_op is None and node.copies is None
    return node.kind == "module" and own and node.name is not None


def names_of_modules(graph: Graph) -> dict[str, str]:
    """Key -> what a folded module is called: as its box says, of several calls of one each with its number, where its
    name is none itself.
    """
    modules = [node for node in graph.node_list if node.kind == "module"]
    plain = {node.key: child_name(node.op or "module") for node in modules}
    calls = [node for node in modules if node.call_op and not node.is_of_steps and plain[node.key][-1:].isalpha()]
    often, seen = Counter(node.op for node in calls), Counter[str | None]()
    for node in calls:
        call = call_of(node)
        if often[node.op] > 1 or call is not None:
            plain[node.key] = numbered_name(plain[node.key], call[0] if call is not None else seen[node.op])
            seen[node.op] += 1
    return plain


def first_number(name: str, often: int, taken: Collection[str | None]) -> int:
    """From where the results of one name are counted: from 0, but h of a program that has an h0, too, from h₁."""
    ends = [other[len(name) :].removeprefix("_") for other in taken if other and other.startswith(name)]
    used = {int(end) for end in ends if end.isdecimal()}
    return next(start for start in count() if used.isdisjoint(range(start, start + often)))


def numbered_nodes(graph: Graph) -> Iterator[Node]:
    """The nodes whose names are numbers: those that neither the program nor what they are gives a name."""
    result = nameless_result(graph, {node.name for node in graph.node_list})
    for node in graph.node_list:
        if not (node.name or node.kind == "module" or node is result or is_constant(node)):
            yield node


def title_of(graph: Graph) -> str:
    """What a picture of the whole is headed: the name of the graph; of a recording the function or the file that it
    was made in, else how many steps of training it has.
    """
    if graph.name != RECORDING:
        return graph.name
    outermost = (one.part for one in graph.statements if one.caller is None and one.part is not None)
    part = next((graph.program[place] for place in outermost if place < len(graph.program)), None)
    stem = PurePath(part.file).stem if part is not None and part.file.endswith(".py") else ""
    for name in (part.function if part is not None else "", stem):  # cells and lambdas have no name
        if name.isidentifier():
            return name
    steps = max((sum(event.what == STEP for event in one.events) for one in graph.grad_histories), default=0)
    return f"training: {counted_noun(steps, 'step')}" if steps else graph.name


def function_name(graph: Graph) -> str:
    """What the traced function is called, where that can stand in a formula; a recording is of no function."""
    if graph.name == RECORDING:
        return "output"
    return graph.name if graph.name.isidentifier() else "f"


def nameless_result(graph: Graph, taken: set[str | None]) -> Node | None:
    """The one output that has no name of its own; it is called like the function."""
    outputs = graph.outputs
    alone = len(outputs) == 1 and outputs[0].kind in COMPUTED and not outputs[0].name
    return outputs[0] if alone and function_name(graph) not in taken else None


def result_names(node: Node, name: str, shown: Mapping[str, str] = PLAIN) -> tuple[str, ...]:
    """What each result of a node is called that is called ``name`` itself; ``shown`` is how names are set."""
    if len(node.ports) == 1:
        return (name,)
    return tuple(
        [shown.get(port.name, port.name) if port.name else f"{name}[{i}]" for i, port in enumerate(node.ports)]
    )


def all_results(names: Names, key: str) -> str:
    """What all results of a node are called: "low, high"."""
    results = names.results[key]
    return ", ".join(results[:MOST_RESULTS]) + (", …" if len(results) > MOST_RESULTS else "")


def derivative_name(graph: Graph, names: Names, edge: Edge) -> str:
    """ "∂q/∂x"; only "local derivative" where that would be read as more than this edge brings."""
    if is_only_a_part(graph, edge):
        return LOCAL
    return local_derivative(names.of[edge.head], names.carried(edge))


def is_only_a_part(graph: Graph, edge: Edge) -> bool:
    """Whether a head's derivative by what an edge carries is more than what this edge brings, as in x * x."""
    uses = [use for use in graph.out_edges(edge.tail) if use.port == edge.port and use.cut is None]
    return sum([use.head == edge.head for use in uses]) > 1
