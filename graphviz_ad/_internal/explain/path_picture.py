"""Scene + Explanation -> Scene on which each path has its colour, dashes and letter, and the legend says what each
of them brings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from graphviz_ad._internal.explain.explanation import Explanation, Number, Path, shortened_names, written_count
from graphviz_ad._internal.explain.worked_solution import WIDEST, bracketed, shape_sentence
from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.scene.paint import label_size
from graphviz_ad._internal.scene.path_lines import LETTERS, PITCH, REST, letters_of
from graphviz_ad._internal.scene.scene import Arrow, Line, Scene, Trail
from graphviz_ad._internal.scene.words.short_text import after_sign, short_sum

MOST_FACTORS = 6  # in a legend


def with_paths(scene: Scene, explanation: Explanation) -> Scene:
    """The scene, not placed yet, with the paths of its graph marked."""
    numbers = path_numbers(explanation)
    arrows = tuple(marked(arrow, numbers.get(arrow.key, ())) for arrow in scene.arrows)
    trails = tuple(path_legend(explanation))
    spoken = "; ".join(f"{trail.letter} {trail.said}".strip() for trail in trails)
    notes = (*scene.notes, f"{explanation.meaning}.") if explanation.meaning and explanation.count else scene.notes
    return replace(
        scene, arrows=arrows, trails=trails, notes=notes, alt=f"{scene.alt} Paths to {explanation.called}: {spoken}."
    )


def path_numbers(explanation: Explanation) -> dict[str, tuple[int, ...]]:
    """Edge -> the paths that it is on; those beyond the colours count as one."""
    found: dict[str, list[int]] = {}
    colored = explanation.paths[:REST]
    for number_of_path, path in enumerate(colored):
        for edge in path.edges:
            found.setdefault(edge.key, []).append(number_of_path)
    if explanation.count > len(colored):
        for key in on_other_paths(explanation, len(colored)):
            found.setdefault(key, []).append(REST)
    return {key: tuple(numbers) for key, numbers in found.items()}


def on_other_paths(explanation: Explanation, colored: int) -> Iterator[str]:
    """The edges that are on more paths than the coloured ones."""
    course, onto = explanation.course, paths_onto(explanation)
    shown = [{edge.key for edge in path.edges} for path in explanation.paths[:colored]]
    for edge in course.edges:
        if onto[edge.tail] * course.counts[edge.head] > sum(edge.key in keys for keys in shown):
            yield edge.key


def paths_onto(explanation: Explanation) -> dict[str, int]:
    """Node -> how many ways lead to it from where all paths start."""
    course = explanation.course
    found = dict.fromkeys(course.counts, 0)
    found[course.start] = 1
    for edge in course.edges:
        found[edge.head] += found[edge.tail]
    return found


def marked(arrow: Arrow, trails: tuple[int, ...]) -> Arrow:
    """The arrow with the letters of its paths above its other words."""
    if not trails:
        return arrow
    lines = (Line("trails", " ".join(letters_of(trails))), *arrow.lines)
    width, height = label_size(lines)
    aside = (len(trails) - 1) * PITCH  # the outer lines must not run through the words
    return replace(arrow, trails=trails, lines=lines, width=width + aside, height=height + aside)


# --- legend


def path_legend(explanation: Explanation) -> Iterator[Trail]:
    """A line for each path, one for the rest, one for the sum."""
    colored = explanation.paths[:REST]
    for letter, path in zip(LETTERS, colored, strict=False):
        equals = path.product is not None and not factors_in(path)
        yield Trail(letter, " → ".join(shortened_names(path.way)), brought(path), equals)
    more = explanation.count - len(colored)
    if more:
        yield Trail(LETTERS[REST], f"{written_count(more)} more path{'s' if more > 1 else ''}")
    yield Trail("", the_sum(explanation, colored, more))


def brought(path: Path) -> str:
    """ "0.8776 × 1 × 0.2007 × 1 = 0.1762"."""
    if path.product is None:
        return (
            f"flows back: {four_digits(path.sent) or shape_sentence(path.sent)}"
            if path.sent is not None
            else "not a number here"
        )
    return f"{factors_in(path)} = {four_digits(path.product) or shape_sentence(path.product)}".lstrip()


def factors_in(path: Path) -> str:
    """ "0.8776 × 1 × 0.2007 × 1"; "" where it is one, or more than a line holds."""
    texts = [four_digits(link.value) for link in path.links if link.value is not None]
    factors = " × ".join(after_sign(text) if i else text for i, text in enumerate(filter(None, texts)))
    return factors if 1 < len(texts) <= MOST_FACTORS and all(texts) and len(factors) <= WIDEST else ""


def the_sum(explanation: Explanation, colored: tuple[Path, ...], more: int) -> str:
    """ "df/dx2 = A + B = 2 + 3 = 5"."""
    start = f"{explanation.symbol} = "
    if not explanation.count:
        return f"{start}None: no path leads to the output"
    result = (
        (four_digits(explanation.total) or shape_sentence(explanation.total))
        if explanation.total is not None
        else "not known"
    )
    if not explanation.summed or explanation.count == 1:
        return f"{start}{result}" + ("" if explanation.summed else " (by autograd)")
    letters = " + ".join([*LETTERS[: len(colored)], *(["…"] if more else [])])
    texts = [text for path in colored if path.brings is not None and (text := four_digits(path.brings))]
    # all of them are written out, or none is
    numbers = short_sum(texts) + (" + …" if more else "") if len(texts) == len(colored) else ""
    return (
        f"{start}{letters} = {numbers} = {result}"
        if numbers and len(numbers) <= WIDEST
        else f"{start}{letters} = {result}"
    )


def four_digits(value: Number) -> str | None:
    """Four digits of each number; None for an array that is too long to write."""
    if isinstance(value, (int, float, complex)):
        return short_number(value)
    text = bracketed(value)
    return text if len(text) <= WIDEST else None
