"""What is read from the bytecode and the source of one call: its name, its operands, the variables that take the
result.
"""

from __future__ import annotations

import dis
import linecache
import sys
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphviz_ad._internal.tracing.tape.call_sites import CallSite, Operand

SITES = ("CALL", "CALL_KW", "CALL_FUNCTION_EX", "BINARY_OP", "UNARY_NEGATIVE", "STORE_SUBSCR", "STORE_SLICE")


def sites(thing: Callable[..., Any] | CodeType) -> list[CallSite]:
    """All calls, operators and subscripts that are written to, in order."""
    code = thing if isinstance(thing, CodeType) else thing.__code__
    return [CallSite(code, step.offset) for step in dis.get_instructions(code) if step.opname in SITES]


def local(name: str, keyword: str | None = None) -> Operand:
    return Operand(keyword, name, local=True)


CONSTANT, UNKNOWN = Operand(constant=True), Operand()


def compiled(text: str) -> list[CallSite]:
    """The sites of a program whose text torch's users have in a file."""
    lines = text.splitlines(keepends=True)
    linecache.cache["<sites>"] = (len(text), None, lines, "<sites>")
    outer = compile(text, "<sites>", "exec")
    return sites(next(part for part in outer.co_consts if isinstance(part, CodeType)))


CALLS: list[tuple[str, str | None, Operand | None, tuple[Operand, ...] | None]] = [
    ("x * w", "*", None, (local("x"), local("w"))),
    ("2 * x", "*", None, (CONSTANT, local("x"))),
    ("x - -1", "-", None, (local("x"), CONSTANT)),
    ("-x", "neg", None, (local("x"),)),
    ("matmul(x, w)", "matmul", None, (local("x"), local("w"))),
    ("torch.sum(x, dim=1)", "sum", Operand(None, "torch"), (local("x"), CONSTANT._replace(keyword="dim"))),
    ("x.sum(w)", "sum", local("x"), (local("w"),)),
    (
        "nn.functional.linear(x, self.w, b=w)",
        "linear",
        Operand(None, "nn.functional"),
        (local("x"), local("self.w"), local("w", "b")),
    ),
    ("x[0].mul_(w.T)", "mul_", UNKNOWN, (local("w.T"),)),
    ("f(*x)", "f", None, None),
    ("f(**x)", "f", None, None),
    ("f('ä', x,\n      w)", "f", None, (CONSTANT, local("x"), local("w"))),
    ("f(x)(w)", None, None, (local("w"),)),
]


@pytest.mark.parametrize(("text", "written", "receiver", "operands"), CALLS, ids=[case[0] for case in CALLS])
def test_a_site_says_what_is_called_with_which_variables(
    text: str, written: str | None, receiver: Operand | None, operands: Any
) -> None:
    site = compiled(f"def function(self, x, w, b):\n    'ä'; return {text}\n")[-1]
    assert (site.written, site.receiver, site.operands) == (written, receiver, operands)


def test_variables_of_outer_functions_and_modules_are_told_apart() -> None:
    outer = 1

    def function(inner: Any) -> Any:
        import math

        return inner * outer + math.sqrt(pytest)

    times, root, _ = sites(function)
    assert times.operands == (local("inner"), local("outer"))
    assert root.receiver == Operand(None, "math")  # imported here: a module, though it is a local variable
    assert root.operands == (Operand(None, "pytest"),)


WRITES: list[tuple[str, tuple[str, ...]]] = [
    ("y[0] = 5", ("y",)),
    ("y[1:2] = x", ("y",)),
    ("self.buffer[0] = x", ("buffer",)),
    ("x[0][1] = 2", ()),
    ("y.mul_(2)", ("y",)),
    ("self.buffer.mul_(2)", ("buffer",)),
    ("init.zero_(y)", ()),
    ("y[0].mul_(2)", ()),
    ("y.mul(2)", ()),
    ("z = y.mul_(2)", ("z",)),
    ("y[0] += 3", ("y",)),
]


@pytest.mark.parametrize(("statement", "names"), WRITES, ids=[case[0] for case in WRITES])
def test_what_is_written_to_is_the_result(statement: str, names: tuple[str, ...]) -> None:
    assert compiled(f"def function(self, x, y):\n    {statement}\n    return 1\n")[-1].names == names


def test_a_file_that_changed_since_gives_no_wrong_names() -> None:
    site = compiled("def function(x, w):\n    return x * w\n")[-1]
    linecache.cache["<sites>"] = (1, None, ["def function(x, w):\n", "    return a * b\n"], "<sites>")
    assert site.operands == (UNKNOWN, UNKNOWN)
    linecache.cache["<sites>"] = (1, None, ["\n", "\n"], "<sites>")
    assert CallSite(site.code, site.offset).operands is None


def test_without_a_source_the_operator_is_known_and_its_operands_are_not() -> None:
    code = next(
        part
        for part in compile("def f(x, w):\n    return x * w\n", "<nowhere>", "exec").co_consts
        if isinstance(part, CodeType)
    )
    (site,) = sites(code)
    assert (site.written, site.operands, site.receiver, site.names, site.text) == ("*", None, None, (), "")


SEVERAL: list[tuple[str, list[str | None]]] = [
    ("a, b = f(x), g(y)", ["a", "b"]),
    ("a, b, c = f(x), g(y), f(y)", ["a", "b", "c"]),
    ("a, b, c, d = f(x), g(y), f(y), g(x)", ["a", "b", "c", "d"]),
    ("a, b, c, d, e = f(x), 1, y, g(x), f(y)", ["a", "d", "e"]),
    ("(a, b), c = f(x), g(y)", [None, "c"]),
    ("a, b.c = f(x), g(y)", ["a", None]),
    ("a = f(g(x))", [None, "a"]),
    ("a = [f(x), g(y)]", [None, None]),
    ("a = f(x), g(y)", [None, None]),
    ("a, *b = f(x), g(y)", [None, None]),
    ("a, b = f(x), (g(y) if y else 1)", [None, "b"]),
    ("a, b = f(x) and 1, g(y)", [None, "b"]),
    ("return f(x), g(y)", [None, None]),
    ("f(x), g(y)", [None, None]),
    ("a, b = f(x).c, g(y)[0]", [None, None]),
]


@pytest.mark.parametrize(("statement", "names"), SEVERAL, ids=[case[0] for case in SEVERAL])
def test_results_that_wait_for_others_are_named_by_the_variable_that_takes_each(
    statement: str, names: list[str | None]
) -> None:
    calls = [
        site
        for site in compiled(f"def function(x, y, f, g, b):\n    {statement}\n    return 1\n")
        if site.instruction is not None
    ]
    found = [
        site.names[0] if site.names else None
        for site in calls
        if site.instruction and site.instruction.opname == "CALL"
    ]
    assert found == names


# --- what runs decides: statements of all kinds, on whatever Python this is


class Made:
    """What a call returned, which parts it was unpacked into, and where it was called."""

    def __init__(self, site: CallSite | None = None) -> None:
        self.site = site
        self.parts: list[Made] = []

    def __iter__(self) -> Iterator[Made]:
        self.parts = [Made(), Made()]
        return iter(self.parts)

    def __getitem__(self, key: Any) -> Made:
        return Made()

    @property
    def part(self) -> Made:
        return Made()


PLAIN = [
    "made()",
    "1",
    "x",
    "made()",
    "[made() for i in (1, 2)]",
    "[[i, made()] for i in (1, 2)]",
    "{i: x for i in (1, 2)}",
    "made(made())",
    "(made(), x)",
]
ANY = [
    *PLAIN,
    "(made() if x else 1)",
    "(made() if not x else made())",
    "(made() and 1)",
    "made().part",
    "made()[0]",
    "(made() is x is made())",
    "f'{made()}'",
]


@st.composite
def statements(draw: Any, values: list[str]) -> tuple[list[str], list[str]]:
    """Targets, no variable twice, and values."""
    given_values = draw(st.lists(st.sampled_from(values), min_size=1, max_size=6))
    names, targets = [f"v{n}" for n in range(3 * len(given_values))], []
    for n, value in enumerate(given_values):
        kinds = ["{0}"]
        if values is ANY:
            kinds += ["box.{0}", "box[0]", *(["({0}, {1})"] if value == "made()" else [])]
            if draw(st.booleans()):
                given_values[n] = f"({names.pop()} := {value})"
        targets.append(
            draw(st.sampled_from(kinds)).format(
                names.pop(), names.pop() if len(names) > len(given_values) else "box.other"
            )
        )
    return targets, given_values


def run(statement: str) -> tuple[list[Made], dict[str, Any]]:
    """All that was made, and the variables and attributes afterwards."""
    text = f"def function(made, x, box):\n    {statement}\n    return locals()\n"
    linecache.cache["<runs>"] = (len(text), None, text.splitlines(keepends=True), "<runs>")
    scope: dict[str, Any] = {}
    exec(compile(text, "<runs>", "exec"), scope)
    found: list[Made] = []

    def made(*_: Any) -> Made:
        frame = sys._getframe(1)
        found.append(Made(CallSite(frame.f_code, frame.f_lasti)))
        return found[-1]

    class Box:
        def __setitem__(self, key: Any, value: Any) -> None:
            pass

    box = Box()
    after = scope["function"](made, 5, box)
    return found, {**after, **vars(box)}


@settings(max_examples=300, deadline=None)
@given(statements(ANY), st.booleans())
def test_a_name_is_that_of_the_variable_that_took_the_result(parts: tuple[list[str], list[str]], chained: bool) -> None:
    targets, values = parts
    statement = (
        f"{', '.join(targets)} = {', '.join(values)}"
        if not chained
        else f"{', '.join(targets)} = whole = {', '.join(values)}"
    )
    found, variables = run(statement)
    for made in found:
        assert made.site is not None
        names = made.site.names
        taken = [made] if len(names) == 1 else made.parts
        assert not names or [variables[name] for name in names] == taken, statement


@settings(max_examples=200, deadline=None)
@given(statements(PLAIN))
def test_each_of_several_results_has_its_name(parts: tuple[list[str], list[str]]) -> None:
    targets, values = parts
    statement = f"{', '.join(targets)} = {', '.join(values)}"
    found, variables = run(statement)
    for target, value in zip(targets, values, strict=True):
        if value == "made()":
            (made,) = [made for made in found if made is variables[target]]
            assert made.site is not None
            assert made.site.names == (target,), statement


OPERANDS = [
    "{0} * {1}",
    "made({0}, {1})",
    "made({1}, {0})",
    "[{0} * {1} for {0} in (1, 2)]",
    "made(x={0}, y={1})",
    "{0}.made({1})",
    "{0} - {1}",
]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(OPERANDS), min_size=1, max_size=4), st.permutations(["x", "y", "z", "über"]))
def test_every_operand_that_is_a_variable_is_known(written: list[str], names: list[str]) -> None:
    text = ", ".join(part.format(*names) for part in written)
    for site in compiled(f"def function(made, x, y, z, über):\n    x = z; x = y; return {text}\n"):
        if site.text.startswith("["):  # some versions of Python call a function for it
            continue
        assert site.operands is not None
        assert [operand for operand in site.operands if not operand.local] == [], (text, site.text)
