"""Lines in gutters: told apart wherever they run side by side, and crossed by nothing where they bend."""

from __future__ import annotations

from itertools import combinations, pairwise, product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from graphviz_ad._internal.layouts.bridges import RADIUS, with_bridges
from graphviz_ad._internal.layouts.gutter_lines import LANE, Lines, Row, Turn, Wish
from graphviz_ad._internal.layouts.row_wrapping import rounded_way

WIDE, HIGH, STEP, ONE = 120.0, 60.0, 170.0, 18.0  # points of a box, from one to the next, and of a gutter with one line
APART = 14.0
Corner = tuple[float, float]


@st.composite
def gutters(draw: Any) -> tuple[list[Row], dict[int, Wish], dict[int, Turn]]:
    """Rows of boxes, a little out of step, lines from some to later ones, and arrows that turn from row to row."""
    counts = draw(st.lists(st.integers(2, 4), min_size=3, max_size=4))
    starts = [float(draw(st.integers(0, 170))) for _ in counts]
    boxes = [[frame(start, i) for i in range(count)] for count, start in zip(counts, starts, strict=True)]
    rows = [Row(HIGH / 2, HIGH / 2, blocks=each) for each in boxes]
    places_of = [(row, i) for row, count in enumerate(counts) for i in range(count)]
    wishes: dict[int, Wish] = {}
    goals: set[tuple[int, int, int]] = set()
    asked = st.tuples(st.sampled_from(places_of), st.sampled_from(places_of), st.integers(0, 2))
    for number, (one, other, port) in enumerate(draw(st.lists(asked, min_size=4, max_size=8))):
        (row, box), (goal_row, goal) = sorted([one, other])
        if (row, box) == (goal_row, goal) or (goal_row, goal, port) in goals:
            continue
        goals.add((goal_row, goal, port))
        wishes[number] = Wish(row, frame(starts[row], box), goal_row, frame(starts[goal_row], goal)[0] + 20 + 40 * port)
    turns: dict[int, Turn] = {}
    for row in range(1, len(counts)):
        if draw(st.booleans()):
            out, back = starts[row - 1] + STEP * (counts[row - 1] - 1) + WIDE + 10, starts[row] - 24
            turns[row] = Turn(row - 1, out, back)
            rows[row - 1].take(out, 0.0, HIGH / 2)
            rows[row].take(back, -HIGH / 2, 0.0)
    return rows, wishes, turns


def frame(start: float, place: int) -> tuple[float, float, float, float]:
    """Where a box stands in a row."""
    return start + STEP * place, -HIGH / 2, start + STEP * place + WIDE, HIGH / 2


@settings(max_examples=40)
@given(gutters())
def test_lines_are_told_apart_and_crossed_by_nothing_where_they_bend(
    given_rows: tuple[list[Row], dict[int, Wish], dict[int, Turn]],
) -> None:
    rows, wishes, turns = given_rows
    lines = Lines.found(rows, wishes, turns, ONE)
    axes, begins, bottom = [], [], 0.0
    for number in range(len(rows)):
        begins.append(bottom)
        axes.append(bottom + lines.room(number, ONE) + HIGH / 2)
        bottom = axes[-1] + HIGH / 2
    ends = {arrow: axes[wishes[arrow].goal_row] - HIGH / 2 for arrow in lines.ways}
    ways = [lines.corners(arrow, axes, [*begins, bottom], ends[arrow]) for arrow in lines.ways]
    for row, turn in turns.items():
        lane = lines.lane_of_turn(row, begins[row])
        ways.append([(turn.out, axes[row - 1]), (turn.out, lane), (turn.back, lane), (turn.back, axes[row])])
    for arrow, way in lines.ways.items():
        assert not wishes[arrow].is_detour(rows, way)
        assert wishes[arrow].leaves_low == (wishes[arrow].goal_row == wishes[arrow].row)
    for first, second in combinations(ways, 2):
        assert not side_by_side(first, second)
        assert not crossed_at_a_bend(first, second)
        assert not crossed_at_a_bend(second, first)


def test_a_line_bridges_what_it_crosses_and_runs_as_before_elsewhere() -> None:
    across, down = rounded_way([(0, 0), (90, 0)]), rounded_way([(40, -30), (40, 30)])
    beside, back = rounded_way([(60, 2), (60, 30)]), rounded_way([(90, 10), (0, 10)])
    assert with_bridges([across, down], ()) == [across, down]
    for line, crossed in ((across, 1), (back, 2)):
        found, *others = with_bridges([line, down, beside], {0})
        assert others == [down, beside]
        assert (found[0], found[-1]) == (line[0], line[-1])
        assert (len(found) - 1) % 3 == 0
        tops = [(x, y) for x, y in found[::3] if y != line[0][1]]
        places = [x for x, _ in tops]
        assert places == sorted([40.0, 60.0][:crossed], reverse=line is back)
        assert {y for _, y in tops} == {line[0][1] - RADIUS}


def side_by_side(first: list[Corner], second: list[Corner]) -> bool:
    """Whether two ways run beside each other, closer than can be told apart."""
    for (p, q), (r, s) in product(pairwise(first), pairwise(second)):
        for along in (0, 1):
            if p[1 - along] == q[1 - along] and r[1 - along] == s[1 - along]:
                near = abs(p[1 - along] - r[1 - along]) < APART - 1e-6
                shared = min(max(p[along], q[along]), max(r[along], s[along]))
                if near and shared > max(min(p[along], q[along]), min(r[along], s[along])):
                    return True
    return False


def crossed_at_a_bend(bent: list[Corner], other: list[Corner]) -> bool:
    """Whether a way runs across another closer to a corner of that than two lanes are apart."""
    for corner, (r, s) in product(bent[1:-1], pairwise(other)):
        for along in (0, 1):
            inside = min(r[along], s[along]) < corner[along] < max(r[along], s[along])
            if r[1 - along] == s[1 - along] and inside and abs(corner[1 - along] - r[1 - along]) < min(APART, LANE):
                return True
    return False
