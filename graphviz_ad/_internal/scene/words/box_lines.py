"""Node -> the lines of its box: name and formula, values, gradients, and small print."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from graphviz_ad._internal.graph.graph import Graph, Node, Port, readable_bytes
from graphviz_ad._internal.graph.repeats import PARAMETERS
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.claims import Claim, written_call
from graphviz_ad._internal.maths.number_format import (
    every_element,
    has_deviation,
    is_uniform,
    short_number,
    snapshot_parts,
    type_label,
    without_signs_of_zeros,
)
from graphviz_ad._internal.operations.traits import CHOICES
from graphviz_ad._internal.scene.scene import NO_SHADE, Grid, Line
from graphviz_ad._internal.scene.words.cards import (
    is_of_numbers,
    lines_of_contents,
    lines_of_groups,
    not_finite_lines,
    statistic,
    what_it_is,
)
from graphviz_ad._internal.scene.words.copy_charts import OF_PARAMETERS, Scales, told_of_copies
from graphviz_ad._internal.scene.words.short_text import (
    as_term,
    end_of_name,
    flow_text,
    gradient_text,
    is_constant,
    is_one,
    is_ones,
    short_count,
    short_elements,
    short_sum,
    shortened_text,
    signed_term,
)
from graphviz_ad._internal.scene.words.signs import NO_GRADIENT
from graphviz_ad._internal.scene.words.tensor_grids import Tensors, grid_of, image_of, value_grid_of

NOTES = {"none-gradient": "backward returned None", "inner": "inside a Function"}
FORMULA_ROOM, NAME_ROOM, SUM_ROOM, SUM_LINE = 26, 34, 16, 20  # characters
PATH_ROOM = 44  # of a module: its path is cut off only where it would be very long, to look the same in every box
LONGEST_NAME = 40  # of the first line of a formula, which has to name what is called
GLUE = "\u00a0"  # a space at which no line ends
FORMULA_LINES = 4
STATEMENT_ROOM, MOST_ROWS = 36, 4  # of a statement of the program: characters of a row, and rows
MOST_RESULTS, MOST_TERMS = 4, 6  # that a box shows, and of a sum
LEAST_KEPT = 1000  # bytes, of which a box says that they are kept
ONES = "ones"  # kind of a line of a seed that says itself what it is
TINIEST = 1e-300  # of a norm of which a logarithm is taken


def numbered(role: str, texts: Sequence[str | Grid], kind: str = "") -> list[Line]:
    """Lines of one role and kind, told apart by number; some are drawn."""
    return [
        Line(role, text, kind, i) if isinstance(text, str) else Line(role, text.said, kind, i, text)
        for i, text in enumerate(texts)
    ]


# --- name and formula


def title_lines(claim: Claim, name: str, formula: str, operands: Iterable[str], *, brief: bool = False) -> list[Line]:
    """Name and formula of an operation, a leaf or data, in one line if they fit there; ``brief``: in two at most, and
    without the formula where that is not enough.
    """
    node = claim.call.node
    if is_constant(node):
        return []
    if node.kind in ("leaf", "data"):
        return [Line("name", shortened_text(name, NAME_ROOM))]
    if len(name) + len(formula) <= FORMULA_ROOM:
        return [Line("name", f"{name} = {formula}", kind="formula")]
    if brief:
        called = f"{node.op}({', '.join([*claim.in_place(operands), *(['…'] if claim.settings else [])])})"
        short = next((text for text in (formula, called) if 0 < len(text) <= NAME_ROOM - 2), "")
        own = Line("name", shortened_text(name, NAME_ROOM))
        return [own, Line("formula", f"= {short}") if short else Line("kind", node.op or "")]
    if len(formula) > NAME_ROOM - 2:  # the name of the operation then says more than half a formula
        formula = written_call(claim, operands)
    return [Line("name", shortened_text(name, NAME_ROOM)), *numbered("formula", wrapped_text(f"= {formula}"))]


def wrapped_text(text: str) -> list[str]:
    """A formula in lines that have room, its sign with what it is equal to; only of one of very many lines the rest is
    cut off.
    """
    glued = text.replace("= ", f"={GLUE}", 1) if text.startswith("= ") else text
    if len(glued.split(" ")[0]) > NAME_ROOM:  # a long name is no line with an argument
        glued = glued.replace("(", "( ", 1)
    lines = textwrap.wrap(glued, NAME_ROOM, break_long_words=False, break_on_hyphens=False)
    lines = [*lines[: FORMULA_LINES - 1], " ".join(lines[FORMULA_LINES - 1 :])]
    return [
        shortened_text(line.replace(GLUE, " "), LONGEST_NAME if i == 0 else NAME_ROOM)
        for i, line in enumerate(lines)
        if line
    ]


def has_whole_formula(claim: Claim, formula: str) -> bool:
    """Whether the title of a box has the whole formula of its operation, rather than a call with its settings."""
    return claim.call.node.kind == "op" and 0 < len(formula) <= NAME_ROOM - 2


def statement_title(name: str, formula: str) -> list[Line]:
    """Name and formula of a statement or a call of the program, in one line or in several."""
    if not formula:
        return [Line("name", shortened_text(name, NAME_ROOM))]
    if len(name) + len(formula) + 3 <= STATEMENT_ROOM:
        return [Line("name", f"{name} = {formula}", kind="formula")]
    rows = list(rows_of_text(f"= {formula}", STATEMENT_ROOM))
    shown = rows[:MOST_ROWS] if len(rows) <= MOST_ROWS else [*rows[: MOST_ROWS - 1], f"{rows[MOST_ROWS - 1]} …"]
    return [Line("name", shortened_text(name, NAME_ROOM)), *numbered("formula", shown)]


def rows_of_text(text: str, room: int) -> Iterator[str]:
    """A text in rows, each as long as there is room, broken between words."""
    row = ""
    for word in text.split(" "):
        if row and len(row) + len(word) + 1 > room:
            yield row
            row = word
        else:
            row = f"{row} {word}" if row else word
    if row:
        yield shortened_text(row, 2 * room)


@dataclass(frozen=True, slots=True)
class ModuleCall:
    """One of several calls of a module: which, of how many, the variable that takes its result, if one does, and what
    the module was given.
    """

    number: int
    count: int
    result: str
    given: str


def module_title(
    node: Node,
    name: str,
    *,
    brief: bool = False,
    known: bool = False,
    kept: bool = True,
    call: ModuleCall | None = None,
    formula: str = "",
) -> list[Line]:
    """Name of a folded module, what it is, and what is in it; ``brief``: not how much that is; ``known``: what is in it
    was said of one of its class; ``kept``: with what it keeps for the backward pass; ``call``: which of several calls
    of it this is; ``formula``: that of the statement that it is instead.
    """
    often = f" ×{node.copies.count:,}" if node.copies is not None else ""
    what = what_it_is(node)
    if call is not None:
        what = f"{what}{', ' * bool(what)}call {call.number:,} of {call.count:,}"
    facts = [f"{node.inside:,} op{'s' if node.inside != 1 else ''}"] if node.inside else []
    if node.parameters:
        facts.append(f"{short_count(node.parameters)} parameter{'s' if node.parameters != 1 else ''}")
    held = (node.saved_bytes or 0) if kept else 0
    if held >= LEAST_KEPT:
        facts.append(f"keeps {readable_bytes(held)}")
    inside = () if known else lines_of_contents(node, brief=brief)
    told = [*([what] if what else []), *inside, *lines_of_groups(node), *lines_carried(node)]
    sizes = [" · ".join(facts)] if facts and not (brief and told) else []
    room = PATH_ROOM - len(often)
    title = shortened_text(end_of_path(name, room), room) + often
    if call is not None and call.result:
        title = f"{call.result} = {title}({call.given})"
    if formula:
        return [*statement_title(name, formula), *numbered("kind", told)]
    return [
        Line("name", title, "alike" if often else "formula" if call is not None and call.result else ""),
        *numbered("kind", told),
        *(Line("kind", text, "kept" if held >= LEAST_KEPT else "", len(told)) for text in sizes),
    ]


def lines_carried(node: Node) -> list[str]:
    """ "h, c → next step": what each of the copies that a box is reads of the one before it."""
    carried = node.copies.carried if node.copies is not None else ()
    text = f"{', '.join(carried)} → next step"
    return [text] if carried and len(text) <= NAME_ROOM else []


def end_of_path(name: str, room: int) -> str:
    """A dotted name, or one of several, without the outermost modules where it has no room."""
    while len(name) > room and "." in name.split(" ")[0]:
        name = name.partition(".")[2]
    return name


def holds_parameters(node: Node) -> bool:
    """Whether a box holds several parameters, and nothing that is computed."""
    return node.kind == "module" and not node.inside and bool(node.ports[1:])


# --- values


def value_lines(node: Node, tensors: Tensors, *, meant: bool = False, typed: bool = True) -> list[Line]:
    """The lines that show what the forward pass computed; ``meant``: a mask put there what is not finite; not
    ``typed``: the types of large results stand on arrows, and boxes have what their elements are like.
    """
    if node.is_of_steps or holds_parameters(node):  # what a step made stands where it is read
        return []
    if node.ports[1:]:
        found = lines_of_results(node, tensors, typed=typed)
    elif node.kind == "module" and node.ports[0].value is not None:
        found = lines_of_module(node.ports[0].value)
    else:
        found = value_of_result(node.ports[0], tensors, meant=meant)
    if not typed:
        found = [line for line in map(partial(with_statistic, node.ports[0].value), found) if line is not None]
    role = "value" if node.not_finite is not None and node.not_finite.spreads else "statistic"
    return [*found, *(Line(role, text, number=len(found) + i) for i, text in enumerate(not_finite_lines(node)))]


def lines_of_results(node: Node, tensors: Tensors, *, typed: bool) -> list[Line]:
    """The lines of several results, of a folded module one for all that are called the same."""
    found: list[Line] = []
    for places in alike(node)[:MOST_RESULTS]:
        i, ports = places[0], [named_result(node, place) for place in places]
        if len(ports) == 1:
            found.append(result_line(ports[0], i, tensors, typed=typed))
        else:
            means = extent([port.value.mean if port.value is not None else None for port in ports])
            said = f": mean {means}" if means and statistic(ports[0].value) else ""
            found.append(Line("statistic" if said else "value", f"{len(ports)} × {ports[0].name}{said}", number=i))
    return found


def named_result(node: Node, place: int) -> Port:
    """One of several results; of a box, where the program has no name for it, by what made it, or its number."""
    port = node.ports[place]
    return replace(port, name=port.made_by or f"result {place}") if node.kind == "module" and not port.name else port


def extent(numbers: Sequence[float | None]) -> str:
    """ "0.1 … 3"; "" where one of them is not known, or not finite."""
    known = [number for number in numbers if number is not None and math.isfinite(number)]
    if len(known) < len(numbers):
        return ""
    low, high = short_number(min(known)), short_number(max(known))
    return low if low == high else f"{low} … {high}"


def alike(node: Node) -> list[list[int]]:
    """The results of a node by name, each by its place; those that are called the same are together where it is a
    folded module.
    """
    groups: dict[str, list[int]] = {}
    for i, port in enumerate(node.ports):
        called = (port.name or port.made_by) if node.kind == "module" else None
        groups.setdefault(f"{called}{port.shape}" if called else f"{i}", []).append(i)
    return [*groups.values()]


def lines_of_module(snap: Snapshot) -> list[Line]:
    """What a folded module returned: its elements where they are one row, else what they are like."""
    first, spread, remarks = snapshot_parts(snap, rows=1)
    told = [*first[:1], *(() if is_of_numbers(snap) else spread[:1]), *(() if remarks and snap.nonfinite else remarks)]
    kinds = {type_label(snap): "type", **dict.fromkeys(spread, "spread")}
    return [Line("value", text, kinds.get(text, ""), i) for i, text in enumerate(told)]


def with_statistic(snap: Snapshot | None, line: Line) -> Line | None:
    """The line with what elements are like, in the place of their type; None of a line that says no more than that."""
    said = statistic(snap)
    if snap is None or not said or line.role != "value":
        return line
    if line.kind == "spread":
        around, *others = snapshot_parts(snap, 0, 0, 0)[1]
        rest = {around: "", ", ".join((around, *others)): ", ".join(others)}.get(line.text, line.text)
        return replace(line, text=rest) if rest else None
    if line.text != type_label(snap):
        return line
    grid = replace(line.grid, said=said, heading=said) if line.grid is not None else None
    role = "value" if is_uniform(snap) else "statistic"
    return replace(line, role=role, kind="", text=said, grid=grid, deviates=has_deviation(snap))


def plainly(snap: Snapshot | None, line: Line) -> Line | None:
    """The line as it stands among folds, if it does: what elements are like without how far they go, and whole
    numbers, as those of tokens and classes, without shades, as their size says nothing.
    """
    if snap is None:
        return line
    if line.kind == "spread" and statistic(snap):
        around, *others = snapshot_parts(snap, 0, 0, 0)[1]
        found = {", ".join((around, *others)): statistic(snap), around: statistic(snap)}.get(line.text, line.text)
        return replace(line, text=found) if found not in (*others, ", ".join(others)) else None
    if line.grid is not None and line.grid.rows and is_of_numbers(snap):
        shades = tuple([tuple([NO_SHADE] * len(row)) for row in line.grid.shades])
        return replace(line, grid=replace(line.grid, shades=shades))
    return line


def value_of_result(port: Port, tensors: Tensors, *, meant: bool) -> list[Line]:
    """The lines of the one result of an operation, a leaf or data."""
    if port.value is None:
        return [
            Line(
                "value",
                "value not recorded" if port.shape is None else type_label(Snapshot(port.shape, port.dtype or "?")),
                "" if port.shape is None else "type",
            )
        ]
    if tensors.values:
        return value_grid(port.value, tensors, meant=meant)
    return with_image(element_lines("value", port.value, brief=True, meant=meant), port.value, tensors)


def with_image(lines: list[Line], snap: Snapshot, tensors: Tensors) -> list[Line]:
    """The lines, the first with the image of a tensor whose elements they do not tell."""
    if not tensors.images or lines[0].text != type_label(snap):
        return lines
    return [replace(lines[0], grid=image_of(snap, lines[0].text, lines[0].text, small=tensors.small)), *lines[1:]]


def value_grid(snap: Snapshot, tensors: Tensors, *, meant: bool = False) -> list[Line]:
    """The elements of a tensor as a grid, or as an image with what is to be said of them."""
    grid = value_grid_of(snap, small=tensors.small, headings=tensors.headings) if tensors.writes(snap) else None
    if grid is not None:
        return [Line("value", grid.said, grid=grid)]
    lines = element_lines("value", snap, meant=meant)
    return with_image(lines, snap, tensors)


def element_lines(role: str, snap: Snapshot, first: int = 0, *, brief: bool = False, meant: bool = False) -> list[Line]:
    """The elements of a tensor, or what is known of them: of one whose elements were not kept in two lines; ``brief``:
    all in one; ``meant``: a mask put there what is not finite.
    """
    elements, spread, remarks = snapshot_parts(snap, rows=1) if brief else snapshot_parts(snap)
    remarks = (f"{snap.nonfinite} masked",) if meant and snap.known and snap.nonfinite and remarks else remarks
    spread = () if is_of_numbers(snap) else spread
    parts = [
        *((text, "type" if text == type_label(snap) else "") for text in elements),
        *((text, "spread") for text in spread),
        *((text, "") for text in remarks),
    ]
    if not snap.known and parts[1:]:
        parts = [parts[0], (", ".join([text for text, _ in parts[1:]]), "spread" if spread else "")]
    return [Line(role, text, kind, number) for number, (text, kind) in enumerate(parts, first)]


def type_lines(node: Node) -> list[Line]:
    """What stands in the place of values that are not to be shown."""
    port = node.ports[0]
    if node.kind not in ("module", "leaf") or is_constant(node) or port.shape in (None, ()):
        return []
    return [Line("kind", type_label(Snapshot(port.shape or (), port.dtype or "?")))]


def result_line(port: Port, i: int, tensors: Tensors, *, typed: bool = True) -> Line:
    """One of several results; those that are grids stand side by side."""
    name = port.name or f"[{i}]"
    grid = grid_of(port.value, name, small=tensors.small) if tensors.values and tensors.writes(port.value) else None
    if grid is None or port.value is None:
        role = "statistic" if not typed and has_only_type(port) else "value"
        deviates = role == "statistic" and port.value is not None and has_deviation(port.value)
        return Line(role, port_line(port, i, typed=typed), number=i, deviates=deviates)
    said = f"{name} = {every_element(port.value)}"
    return Line("value", said, number=i, grid=replace(grid, said=said, beside=i > 0))


def gradient_line(port: Port, i: int, label: str, tensors: Tensors) -> Line:
    """The gradient of one of several results."""
    name = port.name or f"[{i}]"
    if port.grad is None and not port.takes_gradient:
        return Line("gradient", f"{name}: {label} {NO_GRADIENT}", "none", i)
    with without_signs_of_zeros():
        shown = tensors.gradients and tensors.writes(port.grad)
        grid = grid_of(port.grad, f"{name}: {label}", small=tensors.small) if shown else None
    if grid is None:
        is_norm = port.grad is not None and gradient_text(port.grad) == type_label(port.grad)
        return Line("gradient", f"{name}: {gradient_or_norm(port.grad, label)}", "of result" if is_norm else "", i)
    return Line("gradient", grid.said, number=i, grid=replace(grid, beside=i > 0))


def gradient_of_alike(ports: Sequence[Port], i: int, label: str) -> Line:
    """The gradients of several results that are called the same."""
    grads = [port.grad for port in ports]
    norms = extent([grad.norm if grad is not None else None for grad in grads])
    none = sum(grad is None for grad in grads)
    said = f"‖{label}‖ {norms}" if norms else f"{label} None of {none}" if none else label
    return Line("gradient", f"{len(ports)} × {ports[0].name}: {said}", "of result" if norms else "", i)


def port_line(port: Port, i: int, *, typed: bool = True) -> str:
    """One of several results in a line."""
    text = short_elements(port.value) or (type_label(port.value) if port.value else "?")
    name = port.name or f"[{i}]"
    return f"{name}: {statistic(port.value)}" if not typed and has_only_type(port) else f"{name} = {text}"


def has_only_type(port: Port) -> bool:
    """Whether a box says no element of a result, and has something else to say of it than its type."""
    return port.value is not None and short_elements(port.value) is None and bool(statistic(port.value))


# --- gradients


def gradients(
    node: Node,
    parts: Sequence[str],
    tensors: Tensors,
    later: str = "",
    *,
    brief: bool = False,
    scales: Scales | None = None,
) -> list[Line]:
    """The lines that show the gradient of the output with respect to this node; ``parts``: the sum that it is, line
    by line, where that is to be shown; ``later`` is the name of a later value of the same leaf that has the gradient;
    ``brief``: of a module that of its parameters alone; ``scales`` are those of all charts of the picture.
    """
    if is_constant(node):
        return []
    label = gradient_label(node)
    if node.is_of_steps:
        return numbered("gradient", [*told_of_copies(node, scales)], "of result")
    if holds_parameters(node) and node.parameter_norm is not None:
        return numbered("gradient", [f"{OF_PARAMETERS} {short_number(node.parameter_norm)}"], "inside")
    if holds_parameters(node) and all(port.grad is None for port in node.ports):
        return numbered("gradient", [f"{label} None"])
    if not node.requires_grad:
        return [Line("gradient", f"{label} {NO_GRADIENT}", "none")]
    if node.ports[1:]:
        found = [
            gradient_line(named_result(node, places[0]), places[0], label, tensors)
            if len(places) == 1
            else gradient_of_alike([named_result(node, place) for place in places], places[0], label)
            for places in alike(node)[:MOST_RESULTS]
        ]
        inside = lines_inside(node, scales, brief=brief)
        return [*found, *(replace(line, number=len(node.ports) + line.number) for line in inside)]
    if later:
        return [Line("gradient", f"{label} at {later}")]
    total = node.ports[0].grad_total
    if total is None or total == node.ports[0].grad:
        return [*gradient_of_result(node, label, tensors, scales, brief=brief), *numbered("sum", parts)]
    own = gradient_of_result(node, "this pass", tensors, scales)
    accumulated = f".grad {flow_text(total) or f'norm {short_number(total.norm)}'}"  # after a later pass
    return [*own, Line("gradient", accumulated, number=len(own))]


def later_values(graph: Graph) -> Mapping[str, str]:
    """Key of a leaf without a gradient -> key of the last value of the same leaf, which has one: an optimizer has
    written to it in between.
    """
    leaves = [node for node in graph.node_list if node.kind == "leaf" and node.ports[0].tensor is not None]
    last = {node.ports[0].tensor: node.key for node in leaves if node.ports[0].grad is not None}
    return {
        node.key: last[node.ports[0].tensor]
        for node in leaves
        if node.ports[0].grad is None and node.ports[0].tensor in last
    }


def gradient_or_norm(grad: Snapshot | None, label: str) -> str:
    """ "grad 3" of what has room, else "‖grad‖ 0.5"."""
    short = gradient_text(grad)
    norm = grad.norm if grad is not None and short == type_label(grad) else None
    return f"{label} {short}" if norm is None else f"‖{label}‖ {short_number(norm)}"


def lines_inside(node: Node, scales: Scales | None, *, brief: bool) -> list[Line]:
    """The lines of the gradients of the parameters in a box, and of how those of copies differ."""
    measured = node.copies is not None and node.copies.measure != PARAMETERS
    return [
        replace(line, kind="of result") if measured and (i > 0 or node.parameter_norm is None) else line
        for i, line in enumerate(numbered("gradient", of_parameters(node, scales, brief=brief), "inside"))
    ]


def of_parameters(node: Node, scales: Scales | None, *, brief: bool = False) -> list[str | Grid]:
    """The gradients of the parameters in a box, and how those of copies differ, or which layer in it is out of the
    usual; ``brief``: no more than that one is.
    """
    if node.parameter_norm is None:
        return [*told_of_copies(node, scales)]
    if node.copies is not None and node.copies.measure == PARAMETERS and node.copies.extremes is not None:
        return [*told_of_copies(node, scales)]
    own = f"{OF_PARAMETERS} {short_number(node.parameter_norm)}"
    if not node.far_off or node.copies is not None:
        return [own, *told_of_copies(node, scales)]
    name, norm = max(node.far_off, key=lambda each: abs(math.log(max(each[1], TINIEST))))
    if brief or name == node.op:
        return [f"⚠ {own}", *told_of_copies(node, scales)]
    return [own, f"⚠ {short_number(norm, digits=2)} in {end_of_name(name)}", *told_of_copies(node, scales)]


def gradient_label(node: Node) -> str:
    """What torch calls the gradient of a node: leaves keep theirs."""
    return ".grad" if node.kind == "leaf" else "grad"


def gradient_of_result(
    node: Node, label: str, tensors: Tensors, scales: Scales | None = None, *, brief: bool = False
) -> list[Line]:
    """The gradient of the one result of a node; ``brief``: of its parameters rather, where it has any."""
    grad, inside = node.ports[0].grad, lines_inside(node, scales, brief=brief)
    is_module, of_norm = node.kind == "module", "held" if node.kind == "leaf" else "of result"
    if grad is None:
        return following([Line("gradient", f"{label} None", "absent")], inside)
    if (is_module or not grad.known) and grad.norm is not None:
        said = Line("gradient", f"‖{label}‖ {short_number(grad.norm)}", of_norm)
        return following([] if brief and node.parameter_norm is not None else [said], inside)
    if is_module:
        return following([Line("gradient", f"{label} {type_label(grad)}")], inside)
    return gradient_of_operation(grad, label, tensors, of_norm)


def following(lines: Sequence[Line], more: Sequence[Line]) -> list[Line]:
    """Lines of one role with more of them behind."""
    return [replace(line, number=i) for i, line in enumerate((*lines, *more))]


def gradient_of_operation(grad: Snapshot, label: str, tensors: Tensors, of_norm: str) -> list[Line]:
    """The gradient of an operation or a leaf: its elements, or what they are like; ``of_norm`` is the kind of a line
    with a norm.
    """
    own = of_norm if of_norm == "held" else ""
    with without_signs_of_zeros():
        small = tensors.small or tensors.small_gradients
        grid = grid_of(grad, label, small=small) if tensors.gradients and tensors.writes(grad) else None
        elements, spread, remarks = snapshot_parts(grad) if tensors.gradients else snapshot_parts(grad, rows=1)
    if grid is not None:
        return [Line("gradient", grid.said, own, grid=grid)]
    if len(elements) == 1 and not spread and not remarks:
        return [Line("gradient", f"{label} {elements[0]}", own)]
    said = label if grad.norm is None else f"‖{label}‖ {short_number(grad.norm)}"
    told = [
        *([(text, "") for text in elements] if grad.norm is None else []),
        *([(text, "spread") for text in spread] if tensors.gradients else []),
        *((text, "") for text in remarks),
    ]
    image = image_of(grad, said, said, small=tensors.small) if tensors.images else None
    return [
        Line("gradient", said, own if grad.norm is None else of_norm, grid=image),
        *(Line("gradient", text, kind, i) for i, (text, kind) in enumerate(told, 1)),
    ]


def short_sum_lines(parts: str) -> tuple[str, ...]:
    """A sum as a line of a box; none where it is long: that would cost all letters their size, and captions say it."""
    return (f"= {parts}",) if 0 < len(parts) <= SUM_ROOM else ()


def whole_sum(graph: Graph, node: Node, flows: Mapping[str, str | None]) -> tuple[str, ...]:
    """The sum of all contributions to the gradient of a node in as many lines as it takes: "= 1.5 − 0.05961",
    "+ 0.1762"; none where it has no two terms, or one cannot be written.
    """
    terms = terms_of_sum(graph, node, 0, flows)
    if len(terms) < 2:
        return ()
    signed = [signed_term(term) for term in terms[1:]]
    room = max(SUM_LINE, int((4 * sum(len(term) + 3 for term in terms)) ** 0.5))
    lines = [f"= {as_term(terms[0])}"]
    for term in signed:
        if len(lines[-1]) + 1 + len(term) <= room:
            lines[-1] += f" {term}"
        else:
            lines.append(term)
    return tuple(lines)


def sum_of(graph: Graph, node: Node, port: int, flows: Mapping[str, str | None]) -> str:
    """ "1.5 − 0.05961 + 0.1762" for a result that several contributions flow back to; "" where they cannot be written.

    ``flows``: key of an edge -> what flows back along it, in a few characters.
    """
    terms = terms_of_sum(graph, node, port, flows)
    return short_sum(terms) if 2 <= len(terms) <= MOST_TERMS else ""


def terms_of_sum(graph: Graph, node: Node, port: int, flows: Mapping[str, str | None]) -> tuple[str, ...]:
    """The terms, in the order in which the backward pass comes to them; none where one of them cannot be written."""
    edges = [
        edge for edge in graph.out_edges(node.key) if edge.port == port and edge.cut is None and edge.grad is not None
    ]
    upstream = node.ports[port].upstream
    edges.sort(key=lambda edge: (graph.nodes[edge.head].backward_order or 0, edge.slot))
    texts = [*([flow_text(upstream)] if upstream is not None else []), *(flows[edge.key] for edge in edges)]
    known = [text for text in texts if text is not None]
    return tuple(known) if len(known) == len(texts) else ()


# --- small print


def notes(graph: Graph, node: Node, kink: str, later: str = "") -> list[Line]:
    """Upstream gradient of an output, why there is no gradient, and what torch takes where the derivative jumps;
    ``later`` is the name of a later value of the same leaf that has the gradient.
    """
    found = []
    seeds = [port.upstream for port in node.ports if port.upstream is not None]
    found += [
        Line("upstream", seed_text(seed), ONES if is_ones(seed) else "") for seed in seeds[:1] if not is_one(seed)
    ]
    found += [Line("note", f"backward pass {port.begins} starts here") for port in node.ports if port.begins][:1]
    if node.cut == "unreached" and node.kind != "data" and not later:
        found.append(
            Line(
                "note",
                "no gradient reaches it"
                if graph.out_edges(node.key)
                else "no path to an output"
                if graph.in_edges(node.key)
                else "nothing reads it",
            )
        )
    if node.cut in NOTES:
        found.append(Line("note", NOTES[node.cut]))
    if node.requires_grad and kink:
        found.append(Line("tie", kink))
    return found


def seed_text(seed: Snapshot) -> str:
    """What is fed in at an output."""
    if is_ones(seed):
        return "gradients start from 1 in each element"
    return f"seed {short_elements(seed) or type_label(seed)}"


def kink(claim: Claim) -> str:
    """What torch takes where the derivative jumps: "tie: 0.5 to each", "kink: slope 0"; "" where it does not jump."""
    if claim.kinks is None:
        return ""
    found = claim.slopes
    texts = [short_number(slope) for slope in dict.fromkeys(found)]
    if claim.call.name not in CHOICES:
        return f"kink: slope {texts[0]}" if len(texts) == 1 else "kink"
    if len(texts) == 1:
        return f"tie: {texts[0]} to each"
    return f"tie: 1 to one of {len(found)}" if sorted(found) == [0] * (len(found) - 1) + [1] else "tie"
