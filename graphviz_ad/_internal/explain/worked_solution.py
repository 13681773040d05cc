"""Explanation -> the lines of a worked solution, as data: what each writer sets in its own language."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_lowercase

import numpy as np

from graphviz_ad._internal.explain.explanation import Explanation, Factor, Number, Path, shortened_names, written_count
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.snapshot import Snapshot, norm
from graphviz_ad._internal.maths.chain_rule import feeding
from graphviz_ad._internal.maths.claims import LETTERS, Claim
from graphviz_ad._internal.maths.formulas import TOTAL, to_unicode
from graphviz_ad._internal.maths.number_format import short_number, without_signs_of_zeros
from graphviz_ad._internal.operations.traits import GETITEM
from graphviz_ad._internal.scene.words import formula_text
from graphviz_ad._internal.scene.words.moved_elements import backward_example, forward_example
from graphviz_ad._internal.scene.words.names import all_results
from graphviz_ad._internal.scene.words.short_text import is_constant, is_negative
from graphviz_ad._internal.scene.words.statement_text import statement_texts

DIGITS = 6
ARRAY_DIGITS = 4
MOST_STEPS, FEW_STEPS, MOST_FACTORS, MOST_INPUTS = 30, 8, 8, 8
ROOM = 100  # characters of a formula with numbers in it
WIDEST = 72  # characters of an array that is written out
DOTS = "⋯"
BUT_FOR_ROUNDING = "0 but for rounding"


@dataclass(frozen=True)
class Term:
    """One side of an equation, in the language of `graphviz_ad._internal.maths.formulas`, with what its names stand
    for.
    """

    formula: str
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One line: terms that are equal to each other. ``label`` is the letter of a path, ``way`` the names along it,
    ``remark`` what words add.
    """

    terms: tuple[Term, ...]
    label: str = ""
    remark: str = ""
    way: tuple[Term, ...] = ()


@dataclass(frozen=True)
class Section:
    """A part of the solution."""

    title: str
    rows: tuple[Row, ...]
    remarks: tuple[str, ...] = ()


def sections(explanation: Explanation) -> tuple[Section, ...]:
    """The solution from the function to the check; only the parts that have something to say."""
    parts = (
        steps(explanation),
        derivatives_section(explanation),
        paths_section(explanation),
        total_section(explanation),
        autograd_check(explanation),
    )
    return tuple(part for part in parts if part.rows or part.remarks)


def solution_title(explanation: Explanation) -> tuple[Term, str]:
    """The gradient in question, and how it is found."""
    symbol = Term(TOTAL, {"a": explanation.result, "b": explanation.called})
    count = explanation.count
    how = (
        "no path leads to the output"
        if not count
        else "one path"
        if count == 1
        else f"the sum over {written_count(count)} paths"
    )
    return symbol, f"{how}{f' ({explanation.meaning})' if explanation.meaning else ''}"


# --- the function


def steps(explanation: Explanation) -> Section:
    """The inputs, and every operation that the solution mentions, in symbols, in numbers, and its value."""
    names, graph = explanation.names, explanation.graph
    wanted = feeding(graph, explanation.course.ends)
    if len(wanted) > MOST_STEPS:
        wanted = {*explanation.course.counts}
    shown = [node for node in graph.node_list if node.key in wanted and not is_constant(node)]
    inputs = [node for node in shown if node.kind in ("leaf", "data")]
    done = [node for node in shown if node.kind not in ("leaf", "data")]
    given = [
        Row((as_text(all_results(names, node.key)), as_text(text)))
        for node in inputs[:MOST_INPUTS]
        if (text := written_snapshot(node.ports[0].value))
    ]
    few = done if len(done) <= MOST_STEPS else done[:FEW_STEPS]
    more = len(done) - len(few)
    return Section(
        "The function, step by step",
        (*given, *(step(explanation, node) for node in few)),
        (f"and {more:,} more steps",) if more else (),
    )


def step(explanation: Explanation, node: Node) -> Row:
    """ "q = num / den = 1.47943 / 4.98169 = 0.296973"."""
    claim = explanation.claims.of(node.key)
    formula = claim.forward if node.op != GETITEM and node.call is not None else ""
    operands = formula_text.operand_names(claim, explanation.names)
    symbols = Term(formula, operands) if formula else as_text(formula_in_words(explanation, claim, operands))
    numbers = numbers_of(explanation.graph, node) if formula else None
    value = written_snapshot(node.value)
    inner = Term(formula, numbers) if numbers else None
    return Row(
        tuple(
            unlike(
                [
                    as_text(all_results(explanation.names, node.key)),
                    symbols,
                    fitting(inner),
                    as_text(value) if value else None,
                ]
            )
        ),
        remark=forward_example(explanation.moved.examples.get(node.key, ()), explanation.graph, explanation.names),
    )


def formula_in_words(explanation: Explanation, claim: Claim, operands: Mapping[str, str]) -> str:
    """What a node computes, where that is no formula with numbers."""
    node = claim.call.node
    if node.kind in ("line", "call"):
        return statement_texts(explanation.graph, explanation.names).of(node) or "…"
    return formula_text.operation_formula(claim, operands) or node.op or "?"


def numbers_of(graph: Graph, node: Node) -> dict[str, str] | None:
    """Letter of the rule -> value of the operand; None where one is unknown or too big to write."""
    edges = graph.in_edges(node.key)
    values = [graph.nodes[edge.tail].ports[edge.port].value for edge in edges]
    texts = [written_snapshot(value) for value in values]
    return {letter: text for letter, text in zip(LETTERS, texts, strict=False) if text} if all(texts) else None


# --- the factors


def derivatives_section(explanation: Explanation) -> Section:
    """Each factor once: the rule, the rule in numbers, its value."""
    seen: dict[str, Factor] = {}
    for path in explanation.paths:
        for link in elided(path.links)[0]:
            seen.setdefault(link.edge.key if link.edge is not None else f"{link.above} {link.below}", link)
    found = list(seen.values())
    more = len(found) - MOST_STEPS
    return Section(
        "Local derivatives",
        tuple(derivative_row(explanation, link) for link in found[:MOST_STEPS]),
        (f"and {more} more factors",) if more > 0 else (),
    )


def derivative_row(explanation: Explanation, link: Factor) -> Row:
    """ "∂s/∂x2 = cos(x2) = cos(0.5) = 0.877583"; for a factor that is no number, what is made of the arriving
    gradient.
    """
    symbol = symbol_of(link)
    value = written_value(link.value) if link.value is not None else None
    if link.edge is None:
        return Row(tuple(unlike([symbol, as_text(value) if value else None])), remark="fed in")
    if link.value is None:
        about = with_example(about_rule(explanation, link), explanation, link.edge)
        return Row((Term(link.formula, link.letters) if link.formula else symbol,), remark=about)
    node, carried = explanation.graph.nodes[link.edge.head], explanation.names.carried(link.edge)
    operands = numbers_of(explanation.graph, node)
    result = written_snapshot(node.value)
    symbols = Term(link.formula, link.letters) if link.formula else None
    numbers = Term(link.formula, {**operands, "out": result}) if symbols and operands and result else None
    used = f"{carried} as operand {link.edge.slot + 1}" if link.below != carried else ""
    remark = used if isinstance(link.value, float) else with_example("element by element", explanation, link.edge)
    return Row(tuple(unlike([symbol, symbols, fitting(numbers), as_text(value) if value else None])), remark=remark)


def with_example(remark: str, explanation: Explanation, edge: Edge) -> str:
    """What is said of a factor, with an example of what is added up along its edge."""
    examples = explanation.moved.examples.get(edge.head, ())
    example = backward_example(examples, (edge.tail, edge.port), explanation.graph, explanation.names)
    return f"{remark}; {example}" if example else remark


def about_rule(explanation: Explanation, link: Factor) -> str:
    """What a rule says that is no number."""
    if not link.formula or link.edge is None:
        return "not a number here, and no short formula says what is passed on"
    shapes = f"; shapes {link.shapes}" if link.shapes else ""
    summed = "; summed over the copies" if link.summed else ""
    return (
        f"what {link.below} gets from {link.above}, where g ="
        f" {explanation.names.gradient(link.edge.head)}{shapes}{summed}; not a number here"
    )


def symbol_of(link: Factor) -> Term:
    """∂above/∂below."""
    return Term(link.sign, {"a": link.above, "b": link.below})


# --- the paths and their sum


def paths_section(explanation: Explanation) -> Section:
    """Every listed path: its factors, their numbers, their product."""
    alone = explanation.count == 1 and explanation.total is not None
    texts = aligned([without_noise(explanation)[0]] if alone else [path.brings for path in explanation.paths])
    rows = tuple(path_row(path, text) for path, text in zip(explanation.paths, texts, strict=True))
    head = (
        f"Along {'each' if len(rows) > 1 else 'the'} path, the factors are multiplied"
        if rows
        else "Where the gradient stops"
    )
    return Section(head, rows, tuple(unlisted(explanation)))


def path_row(path: Path, product: str | None) -> Row:
    """ "A  x2 → s → num → q → f", "∂s/∂x2 · … = 0.877583 × … = 0.176162"."""
    links, cut = elided(path.links)
    symbols = multiplied([symbol_of(link) for link in links], cut) if links else None
    numbers = [written_value(link.value) if link.value is not None else None for link in links]
    factors = (
        fitting(multiplied([as_text(text) for text in numbers if text], cut))
        if all(numbers) and len(links) > 1
        else None
    )
    remark = ""
    if path.product is None:
        remark = "not a number here" + (
            f"; what flows back along it is {product or shape_sentence(path.sent)}" if path.sent is not None else ""
        )
        product = None
    elif any(link.summed for link in path.links):
        remark = "element by element, then summed over the copies"
    elif not isinstance(path.product, float):
        remark = "element by element"
    value = product or (shape_sentence(path.product) if path.product is not None else None)
    way = tuple(map(as_text, shortened_names(path.way)))
    return Row(tuple(unlike([symbols, factors, as_text(value) if value else None])), path.letter, remark, way)


def unlisted(explanation: Explanation) -> Iterator[str]:
    """What is not listed, counted and summed all the same."""
    if explanation.more:
        together = written_value(explanation.rest) if explanation.rest is not None else None
        sum_of_them = f", {together} together, summed without walking each of them" if together else ""
        yield f"and {written_count(explanation.more)} more path{'s' if explanation.more != 1 else ''}{sum_of_them}"
    yield from explanation.cuts


def total_section(explanation: Explanation) -> Section:
    """The sum over the paths."""
    symbol, _ = solution_title(explanation)
    if not explanation.count:
        return Section(
            "Result",
            (Row((symbol, as_text("None")), remark="no path, so that torch has no gradient: None, which is not 0"),),
        )
    total, rounding = without_noise(explanation)
    result = (written_value(total) or shape_sentence(total)) if total is not None else None
    remark = "" if explanation.summed else "by autograd, since paths have no products here" if result else "not known"
    remark = "; ".join(filter(None, (remark, rounding)))
    listed = [path.brings for path in explanation.paths]
    parts = [*listed, *([explanation.rest] if explanation.more else [])]
    texts = aligned([*parts, total if explanation.summed else None])
    letters = Term(*signed_sum([path.letter for path in explanation.paths] + (["…"] if explanation.more else [])))
    numbers = (
        fitting(Term(*signed_sum(list(filter(None, texts[:-1])))))
        if all(texts[:-1]) and explanation.summed and len(parts) > 1
        else None
    )
    last = texts[-1] or result
    terms = [symbol, letters if len(parts) > 1 else None, numbers, as_text(last) if last else None]
    return Section("The paths are added" if len(parts) > 1 else "Result", (Row(tuple(unlike(terms)), remark=remark),))


def autograd_check(explanation: Explanation) -> Section:
    """Autograd's own gradient."""
    (value,) = aligned([explanation.autograd if explanation.summed else None])
    told = explanation.autograd is not None and is_noisy(explanation.autograd, explanation.noise)
    rows = (
        (Row((Term("a", {"a": "autograd"}), as_text(value)), remark=BUT_FOR_ROUNDING if told else ""),) if value else ()
    )
    return Section("Check", rows, (str(explanation.check),))


def is_noisy(value: Number, noise: float) -> bool:
    """Whether there is something in a gradient that is no more than what rounding left of a sum."""
    sizes = np.abs(np.asarray(value))
    return bool(np.any((sizes > 0) & (sizes <= noise)))


def without_noise(explanation: Explanation) -> tuple[Number | None, str]:
    """The sum over the paths with 0 for what is no more than that, in torch's gradient too, and what is to be said
    of it.
    """
    total, autograd, noise = explanation.total, explanation.autograd, explanation.noise
    if total is None or autograd is None or np.shape(total) != np.shape(autograd):
        return total, ""
    with np.errstate(all="ignore"):
        nothing = (np.abs(autograd) <= noise) & (np.abs(total) <= np.maximum(explanation.doubt, noise))
    settled = np.where(nothing, 0.0, total) if np.any(nothing & (np.asarray(total) != 0)) else total
    if not is_noisy(autograd, noise):
        return plain_number(settled), ""
    if not np.ndim(autograd):
        return plain_number(settled), f"computed: {written_value(autograd)}, no more than rounding leaves of a sum"
    left = f"elements up to {short_number(noise, digits=2)} are no more than rounding leaves of a sum, and written as 0"
    return settled, left


def plain_number(value: Number) -> Number:
    """A Python number where it is one."""
    return value.item() if isinstance(value, np.ndarray) and not value.ndim else value


# --- terms


def as_text(text: str) -> Term:
    """A number or a name."""
    return Term("a", {"a": text})


def fitting(term: Term | None) -> Term | None:
    """The term, unless no line has room for its numbers."""
    return term if term is not None and len(to_unicode(term.formula, term.names)) <= ROOM else None


def multiplied(terms: Sequence[Term], cut: int) -> Term:
    """A product of terms, with dots after the first `cut` where some are left out."""
    parts = [*terms[:cut], as_text(DOTS), *terms[cut:]] if cut else list(terms)
    return combined(parts, " * ")


def combined(terms: Iterable[Term], operator: str) -> Term:
    """The terms as one formula, each with letters of its own."""
    formulas: list[str] = []
    names: dict[str, str] = {}
    for i, term in enumerate(terms):
        renamed = {old: f"{old}{i}" for old in term.names}
        formulas.append(term.formula if not renamed else "".join(letters_replaced(term.formula, renamed)))
        names |= {renamed[old]: text for old, text in term.names.items()}
    return Term(operator.join(formulas), names)


def letters_replaced(formula: str, names: Mapping[str, str]) -> Iterator[str]:
    """The parts of a formula of single letters and one function, with other names."""
    word = ""
    for char in f"{formula} ":
        if char.isalnum() or char == "_":
            word += char
        else:
            yield names.get(word, word) + char
            word = ""


def signed_sum(texts: Sequence[str]) -> tuple[str, dict[str, str]]:
    """A sum with its signs: "0.1762 − 0.05961 + 1.5"."""
    formula, names = "", {}
    for i, text in enumerate(texts):
        letter = f"{ascii_lowercase[i]}0"
        minus = is_negative(text) and i > 0
        formula += (" - " if minus else " + " if i else "") + letter
        names[letter] = text[1:] if minus else text
    return formula, names


def elided(links: Sequence[Factor]) -> tuple[list[Factor], int]:
    """The first and last factors of many, and after how many of them some are missing; 0 where none is."""
    if len(links) <= MOST_FACTORS:
        return list(links), 0
    first, last = 2, MOST_FACTORS - 3
    return [*links[:first], *links[-last:]], first


def unlike(terms: Iterable[Term | None]) -> Iterator[Term]:
    """The terms that are there, without any that says the same as the one before it."""
    before = None
    for term in terms:
        if term is not None:
            text = to_unicode(term.formula, term.names)
            if text != before:
                yield term
            before = text


# --- numbers


def written_value(value: Number) -> str | None:
    """A derivative with six digits, or a small array of them; None for one too big to write."""
    with without_signs_of_zeros():
        return written_number(value)


def written_number(value: Number) -> str | None:
    """The same of any number, with the sign of a zero."""
    if isinstance(value, (int, float, complex)):
        return short_number(value, digits=DIGITS)
    text = bracketed(np.asarray(value))
    return text if len(text) <= WIDEST else None


def shape_sentence(value: Number) -> str:
    """What is said of an array that is too big to write."""
    array = np.asarray(value)
    return f"{'×'.join(map(str, array.shape))} numbers, norm {short_number(norm(array), digits=DIGITS)}"


def bracketed(array: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    """ "[1, 2]", "[[1, 2], [3, 4]]"; long where there are many elements."""
    if array.size > WIDEST:
        return "…" * (WIDEST + 1)
    return (
        short_number(array.item(), digits=ARRAY_DIGITS) if array.ndim == 0 else f"[{', '.join(map(bracketed, array))}]"
    )


def written_snapshot(snap: Snapshot | None) -> str | None:
    """The elements of a tensor, in full; None where they are unknown or too many."""
    array = snap.array if snap is not None else None
    if array is None:
        return None
    if array.dtype.kind in "iub":
        text = str(array.tolist()).replace("-", "−")
        return text if len(text) <= WIDEST else None
    return written_number(
        array.astype(np.complex128 if array.dtype.kind == "c" else np.float64) if array.ndim else array.item()
    )


def aligned(values: Sequence[Number | None]) -> list[str | None]:
    """Numbers that are to be added by hand, with the same number of decimals where they are of like size."""
    numbers = [value for value in values if isinstance(value, float)]
    alike = len(numbers) == len([value for value in values if value is not None]) and all(
        value == 0 or 1e-3 <= abs(value) < 1e5 for value in numbers
    )
    return [
        None if value is None else decimals(value) if alike and isinstance(value, float) else written_value(value)
        for value in values
    ]


def decimals(value: float) -> str:
    """ "−0.059613", "1.5": six decimals, without zeros at the end."""
    text = f"{value:.{DIGITS}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace("-", "−") if float(text) else "0"
