"""A film of e = (a + b)(b + 1), placed by hand: what the tests of pages and notebooks draw."""

from __future__ import annotations

from dataclasses import replace

from graphviz_ad._internal.scene import paint
from graphviz_ad._internal.scene.scene import Arrow, Box, Change, Fact, Film, Group, Line, Scene, Step

# Each must stay text wherever it lands.
HOSTILE = (
    'a"b\\',
    "Foo<Bar> <lambda>",
    "</script><script>document.title='X'</script>",
    "<img src=x onerror=\"document.title='X'\">",
    "&lt;b&gt; &#0; &nosuch;",
    "]]> --> <!-- <![CDATA[",
    "</style></svg></title></iframe>",
    "javascript:document.title='X'",
    "${document.title='X'} {{x}} %s __proto__ constructor",
    "\x00\x1b\x7f\x85\ud800\ufffe\u202e\u2028 tab\tline\nend",
    " two  spaces ",
    "$\\nosuch$ $5",
    "\U0001f469‍\U0001f52c 行列 אב",
)


def box(key: str, kind: str, badge: str, texts: tuple[str, ...], x: float, y: float, double: bool = False) -> Box:
    """A box with name, value and, where there is a third text, gradient."""
    lines = tuple(Line(role, text) for role, text in zip(("name", "value", "gradient"), texts, strict=False))
    width, height = paint.box_size(lines, badge, double)
    hover = (Fact("", f"{key} is a box"), Fact("", f"value {texts[1]}"))
    return Box(key, kind, lines, max(width, 150), height, badge, double, hover=hover, center=(x, y))


def arrow(tail: Box, head: Box, local: str = "", contribution: str = "", **looks: object) -> Arrow:
    """An arrow from the right side of a box to the left side of another."""
    assert tail.center is not None
    assert head.center is not None
    x0, x1 = tail.center[0] + tail.width / 2, head.center[0] - head.width / 2
    (y0, y1), middle = (tail.center[1], head.center[1]), (x0 + x1) / 2
    lines = (Line("local", local), Line("contribution", contribution)) if local else ()
    width, height = paint.label_size(lines)
    path = ((x0, y0), (middle, y0), (middle, y1), (x1, y1))
    key = f"{tail.key}-{head.key}"
    hover, center = (Fact("", f"{key} is an arrow"),), (middle, (y0 + y1) / 2)
    made = Arrow(key, tail.key, head.key, lines, width, height, hover=hover, label_center=center, path=path)
    return replace(made, **looks)  # type: ignore[arg-type]


def scene() -> Scene:
    """The finished picture."""
    a = box("a", "leaf", "", ("a", "2", "grad 2"), 110, 80)
    b = box("b", "leaf", "", ("b", "1", "grad 5"), 110, 300)
    one = box("one", "data", "", ("1", "1"), 110, 430)
    c = box("c", "op", "+", ("c", "3", "grad 2"), 420, 130)
    d = box("d", "op", "+", ("d", "2", "grad 3"), 420, 340)
    e = box("e", "op", "×", ("e", "6", "grad 1"), 730, 230, double=True)
    arrows = (
        arrow(a, c, "∂c/∂a = 1", "← 2"),
        arrow(b, c, "∂c/∂b = 1", "← 2"),
        arrow(b, d, "∂d/∂b = 1", "← 3"),
        arrow(one, d, style="cut"),
        arrow(c, e, "∂e/∂c = 2", "← 2", trails=(0,)),
        arrow(d, e, "∂e/∂d = 3", "← 3", style="guess"),
    )
    groups = (Group("g", "inner", ("c", "d"), corner=(320, 60), size=(200, 350)),)
    alt = "Graph of f: 3 ops, 2 inputs, output 6. The largest gradient is that of b."
    notes = ("1 constant takes no gradient.",)
    boxes, legend = (a, b, one, c, d, e), ("value", "gradient")
    return Scene(
        boxes, arrows, groups, title="e = (a + b)(b + 1)", alt=alt, notes=notes, legend=legend, size=(860, 490)
    )


def forward(key: str, inputs: tuple[str, ...], value: str, caption: tuple[str, ...]) -> tuple[Step, Step]:
    """An operation computes its value, then rests."""
    start = Step(
        "forward", caption, (*(Change(i, "active-forward") for i in inputs), Change(key, "active", (("value", value),)))
    )
    return start, Step("forward", caption, (*(Change(i, "forward") for i in inputs), Change(key, "forward")))


def backward(along: str, to: str, words: tuple[str, str], gradient: str) -> tuple[Step, Step]:
    """A gradient flows back along an arrow, then rests."""
    texts = (("local", words[0]), ("contribution", words[1]))
    caption = (f"∂e/∂{to}", words[0], words[1])
    start = Step(
        "backward", caption, (Change(along, "active-backward", texts), Change(to, "active", (("gradient", gradient),)))
    )
    return start, Step("backward", caption, (Change(along, "backward"), Change(to, "backward")))


def film() -> Film:
    """Forward, backward, and the finished picture."""
    stage = scene()
    blank = [Change(b.key, "idle", (("value", "·"), ("gradient", "·"))) for b in stage.boxes if b.kind == "op"]
    blank += [Change(a.key, "idle", (("local", ""), ("contribution", ""))) for a in stage.arrows if a.lines]
    blank += [Change(key, "idle", (("gradient", "·"),)) for key in "ab"]
    steps = (
        Step("start", ("e = (a + b)(b + 1)", "nothing computed yet"), ()),
        *forward("c", ("a-c", "b-c"), "3", ("c = a + b", "= 2 + 1", "= 3")),
        *forward("d", ("b-d", "one-d"), "2", ("d = b + 1", "= 1 + 1", "= 2")),
        *forward("e", ("c-e", "d-e"), "6", ("e = c × d", "= 3 × 2", "= 6")),
        Step("backward", ("∂e/∂e = 1",), (Change("e", "active", (("gradient", "grad 1"),)),)),
        *backward("c-e", "c", ("∂e/∂c = 2", "← 2"), "grad 2"),
        *backward("d-e", "d", ("∂e/∂d = 3", "← 3"), "grad 3"),
        *backward("a-c", "a", ("∂c/∂a = 1", "← 2"), "grad 2"),
        *backward("b-c", "b", ("∂c/∂b = 1", "← 2"), "2 so far"),
        *backward("b-d", "b", ("∂d/∂b = 1", "← 3"), "grad 5"),
        Step(
            "end",
            ("every gradient is known",),
            tuple(Change(part.key, "idle") for part in (*stage.boxes, *stage.arrows)),
        ),
    )
    return Film(stage, steps, tuple(blank), title=stage.title)


def hostile_film(text: str) -> Film:
    """The film with ``text`` in every place that holds words, keys included."""
    plain = film()

    def key(old: str) -> str:
        return f"{text}{old}"

    def spoilt(lines: tuple[Line, ...]) -> tuple[Line, ...]:
        return tuple(replace(line, text=text) for line in lines)

    boxes = tuple(
        replace(b, key=key(b.key), lines=spoilt(b.lines), badge=text[:3], hover=(Fact("", text),))
        for b in plain.stage.boxes
    )
    arrows = tuple(
        replace(a, tail=key(a.tail), head=key(a.head), lines=spoilt(a.lines), hover=(Fact("", text),))
        for a in plain.stage.arrows
    )
    arrows = tuple(replace(a, key=key(a.key), cut=text) for a in arrows)
    groups = tuple(replace(g, key=key(g.key), title=text) for g in plain.stage.groups)
    stage = replace(plain.stage, boxes=boxes, arrows=arrows, groups=groups, title=text, alt=text, notes=(text,))

    def changed(changes: tuple[Change, ...]) -> tuple[Change, ...]:
        return tuple(Change(key(c.key), c.emphasis, tuple((role, text) for role, _ in c.texts)) for c in changes)

    steps = tuple(replace(step, caption=(text, text, text), changes=changed(step.changes)) for step in plain.steps)
    return replace(plain, stage=stage, steps=steps, opening=changed(plain.opening), title=text)
