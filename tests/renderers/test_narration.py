"""WebVTT: it can be read back, keeps the film's times, and says names of any kind as they are."""

from __future__ import annotations

import html
import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from small_film import film as a_film
from small_programs import film, graph

from graphviz_ad._internal.base.visible_text import whole_text
from graphviz_ad._internal.film.speech import spoken
from graphviz_ad._internal.renderers.pages.narration import timestamp, webvtt
from graphviz_ad._internal.scene.scene import Step

TIME = re.compile(r"(\d\d+):([0-5]\d):([0-5]\d)\.(\d\d\d)")


def seconds(text: str) -> float:
    """A time of WebVTT."""
    found = TIME.fullmatch(text)
    assert found is not None, text
    hours, minutes, whole, thousandths = map(int, found.groups())
    return 3600 * hours + 60 * minutes + whole + thousandths / 1000


def cues(text: str) -> list[tuple[float, float, str]]:
    """What a reader of WebVTT finds: blocks apart by empty lines, the first of them the head."""
    head, *blocks = re.split(r"\n{2,}", text.strip("\n"))
    assert re.fullmatch(r"WEBVTT[ \t][^\n]*|WEBVTT", head)
    assert "-->" not in head
    found = []
    for number, block in enumerate(blocks, 1):
        name, times, *lines = block.split("\n")
        start, arrow, end = times.split(" ")
        assert (name, arrow) == (str(number), "-->")
        said = "\n".join(lines)
        assert "-->" not in said
        assert "<" not in said
        found.append((seconds(start), seconds(end), html.unescape(said)))
    return found


def test_nothing_is_said_faster_than_people_talk_or_beside_its_time() -> None:
    lessons = [
        film("colah"),
        film("broadcast"),
        film("two_outputs"),
        graph("colah").animate(layout="layered", speed=3.0),
    ]
    for shown in [one.film for one in lessons]:
        clocks = [sum(map(shown.seconds, range(i))) for i in range(len(shown.steps) + 1)]
        read = cues(webvtt(shown))
        assert len(read) > len(shown.steps) / 4
        assert [start for start, *_ in read] == sorted(start for start, *_ in read)
        for (start, end, said), after in zip(read, [*(one[0] for one in read[1:]), clocks[-1]], strict=True):
            assert said
            assert end <= after + 1e-3
            assert min(abs(start - clock) for clock in clocks) < 6e-4
            assert len(said) / (end - start) <= 17.1, said
            long = [word for word in said.split() if len(word) > 2]
            assert len(long) / (end - start) <= 2.6, said


def test_a_narrated_film_has_time_for_all_that_there_is_to_say() -> None:
    shown = graph("colah").animate(layout="layered", narration=True).film
    read = cues(webvtt(shown))
    assert len(read) == len(shown.steps)
    for i, (start, end, said) in enumerate(read):
        assert abs(end - start - shown.seconds(i)) < 2e-3
        assert said.endswith(tuple(filter(None, [shown.steps[i].sentence, "."])))
        assert len(said) >= len(spoken(shown.steps[i].caption[0]))
    short = graph("colah").animate(layout="layered", narration=True, max_seconds=20).film
    assert short.length <= 20
    assert cues(webvtt(short))


@given(st.text(min_size=1, max_size=80), st.sampled_from(["-->", "<i>", "&amp;", "\n\n", "\r", "NOTE x", "WEBVTT", ""]))
def test_whatever_things_are_called_it_is_read_back(name: str, extra: str) -> None:
    called = name + extra
    step = Step("forward", (called, f"= {called}", "= 2"), ())
    made = replace(a_film(), steps=(step, step), title=called, holds=(300.0, 300.0))
    read = cues(webvtt(made))
    assert len(read) == 2
    assert spoken(" ".join(whole_text(called).split())).split()[:1] == read[0][2].split()[:1] or not called.split()


def test_mathematics_is_said_in_words() -> None:
    assert spoken("d L/dw = d L/dh · ∂h/∂w") == "d L by d w equals d L by d h times partial h by partial w"
    assert spoken("= −2 × (−1.5e−5)") == "equals minus 2 times (minus 1.5 times 10 to the minus 5)"
    assert spoken("v₁₂ = Σ x²") == "v12 equals the sum of x squared"


def test_times_go_on_beyond_an_hour() -> None:
    assert timestamp(3723.0405) == "01:02:03.040"
    assert timestamp(59.9996) == "00:01:00.000"
