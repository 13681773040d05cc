"""What is known of an operation stands in one place: no other module knows one by its name."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from graphviz_ad._internal.operations import functions, moves, names, rules, traits
from graphviz_ad._internal.operations.names import public_name
from graphviz_ad._internal.operations.rules import RULES, SHAPES

PACKAGE = Path(functions.__file__).parents[1]
HOME = "operations"


def plain(name: str) -> str:
    """Without the "_" of an operation in place."""
    return name if name.endswith("__") else name.removesuffix("_")


# "data" is also a kind of node, and a reason why no gradient flows
OPERATIONS = {plain(name) for name in {*RULES, *names.ALIASES, *names.ALIASES.values()}} - {traits.DATA}
# Where the name of an operation is the name of something else, or meant to be said again.
SOMETHING_ELSE: Mapping[str, tuple[str, set[str]]] = {
    "ad_number.py": ("the teaching engine: a file that is read alone, and has rules of its own", OPERATIONS),
    "check/link_numbers.py": ("the dtypes that are floating", {"float"}),
    "explain/asked.py": ("the dtypes that are floating", {"float", "half", "double"}),
    "graph/file_checking.py": ("words of JSON Schema, and dtypes", {"maximum", "minimum", "float"}),
    "graph/file_schema.py": ("words of JSON Schema", {"maximum", "minimum"}),
    "graph/precision.py": ("a dtype", {"bfloat16"}),
    "maths/number_format.py": ("dtypes in short", {"bfloat16", "half", "double", "float"}),
    "tracing/naming/as_written.py": (
        "the arguments of a clamp",
        {"min", "max"},
    ),
    "cli/flags.py": ("an option", {"expand"}),
    "graph/fold_tree.py": ("kinds of folds", {"repeat", "round"}),
    "graph/cuts.py": ("a reason why no gradient flows", {"detach"}),
    "graph/rank_messages.py": ("a collective", {"gather"}),
    "tracing/tape/communication.py": ("a collective", {"gather"}),
    "ranks/matching.py": ("collectives, and the reductions of torch.distributed", {"gather", "sum", "min", "max"}),
    "ranks/replicas.py": ("the reductions of torch.distributed", {"sum", "mean"}),
    "maths/claims.py": ("values of the argument 'reduction'", {"sum", "mean"}),
    "maths/masked_elements.py": ("an argument of triangles", {"diagonal"}),
    "maths/tex_labels.py": ("commands of TeX", OPERATIONS),
    "scene/words/statement_text.py": ("a method, in the text of the program", {"to"}),
    "scene/words/in_place_text.py": ("an argument", {"index"}),
    "scene/paint.py": ("a kind of line in a box", {"sum"}),
    "scene/words/box_lines.py": ("a kind of line in a box", {"sum"}),
    "tracing/tape/probes.py": ("what an experiment runs", {"add"}),
    "tracing/tried_programs.py": ("what a program is about, in plain words", {"detach"}),
    "explain/tangent_picture.py": ("a kind of line in a box", {"sum"}),
    "layouts/__init__.py": ("the program dot", {"dot"}),
    "layouts/choice.py": ("the program dot", {"dot"}),
    "layouts/graphviz_system.py": ("the program dot", {"dot"}),
    "layouts/graphviz_wasm.py": ("the program dot", {"dot"}),
    "compat/module_graph.py": ("the program dot", {"dot"}),
    "diagrams/neurons.py": ("a part of a drawing", {"dot"}),
    "cli/doctor.py": ("the program dot", {"dot"}),
    "output/worked_html.py": ("an element of HTML", {"div"}),
    "diagnosis/step_log.py": ("a method of loggers", {"log"}),
    "tracing/held_results.py": ("a method of sets", {"add"}),
    "renderers/html/player.py": ("an element of HTML, and what a camera sees", {"div", "view"}),
    "film/speech.py": ("a word that is spoken", {"to"}),
    "renderers/images/matplotlib_canvas.py": ("how lines are joined", {"round"}),
    "renderers/images/matplotlib_axes.py": ("how lines are joined", {"round"}),
    "teaching/galleries/circuits.py": ("variables of the examples, and the program dot", {"dot", "neg", "t"}),
}


def texts(path: Path) -> Iterator[str]:
    """The texts in a module that are no docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.value


def operations_known_in(path: Path) -> set[str]:
    return {plain(text) for text in texts(path)} & OPERATIONS


MODULES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}


@pytest.mark.parametrize("module", [module for module in MODULES if not module.startswith(f"{HOME}/")])
def test_no_other_module_knows_an_operation_by_name(module: str) -> None:
    _, allowed = SOMETHING_ELSE.get(module, ("", set()))
    assert operations_known_in(MODULES[module]) <= allowed


def test_every_exception_is_needed() -> None:
    assert SOMETHING_ELSE.keys() <= MODULES.keys()
    for module, (_, allowed) in SOMETHING_ELSE.items():
        found = operations_known_in(MODULES[module])
        assert found, module
        assert allowed is OPERATIONS or allowed == found, module


def test_the_home_of_operations_knows_every_one() -> None:
    known = set().union(
        *(operations_known_in(path) for module, path in MODULES.items() if module.startswith(f"{HOME}/"))
    )
    assert known == OPERATIONS
    assert len(known) > 250


# --- what must hold between the tables


def test_who_keeps_elements_is_said_once() -> None:
    assert traits.VIEWS_IN_ORDER <= traits.IN_ORDER
    assert not traits.IN_ORDER & (traits.REORDERED | traits.COPIED_TO_FIT)
    assert traits.IN_ORDER & SHAPES.keys() <= moves.MOVES.keys()
    assert moves.MOVES.keys() >= traits.REORDERED | traits.COPIED_TO_FIT
    assert moves.JOINS.keys() == traits.JOINS


@pytest.mark.parametrize(
    ("aten", "keeps"),
    [
        *(
            (name, True)
            for name in (
                "view",
                "_unsafe_view",
                "unsafe_view",
                "_reshape_alias",
                "reshape_alias",
                "t",
                "transpose",
                "permute",
                "detach",
            )
        ),
        *((name, True) for name in ("unsqueeze", "squeeze", "alias", "swapaxes", "movedim", "reshape")),
        *(
            (name, False)
            for name in ("_to_copy", "to", "expand", "select", "slice", "add", "squeeze_", "clone", "lift_fresh")
        ),
    ],
)
def test_a_view_has_the_same_elements_under_every_name_of_torch(aten: str, keeps: bool) -> None:
    assert traits.keeps_elements(aten) is keeps


def test_names_in_the_tables_are_those_that_people_write() -> None:
    sets = (
        traits.IN_ORDER,
        traits.REORDERED,
        traits.COPIED_TO_FIT,
        traits.OF_ONE_THE_SAME,
        traits.CHOICES,
        traits.POOLS,
        traits.JOINS,
        traits.SOFTMAX,
    )
    for name in set().union(*sets, traits.CONVOLUTIONS, traits.PICKS_CLASSES, moves.MOVES):
        assert name in RULES, name
        assert public_name(name) == name


def test_a_rule_for_vectors_has_a_formula_for_each_operand() -> None:
    for name, forms in rules.OF_VECTORS.items():
        for backward in forms.values():
            assert len(backward) == len(RULES[name].backward)
