"""Film -> the same story in words: plain text, Markdown, and figures for Quarto and MyST.

Each step is one entry. In Markdown every character that any dialect could read as a sign of its own is escaped.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from graphviz_ad._internal.renderers.svg.still import NAMELESS, prose
from graphviz_ad._internal.scene.paint import PHASE_NAMES
from graphviz_ad._internal.scene.scene import Film, Step


def plain_transcript(film: Film) -> str:
    """Title and description, then a line each step."""
    count = len(film.steps)
    rows = [
        f"step {i + 1}/{count} · {step.phase}: {prose(' '.join(said_in_step(step)))}"
        for i, step in enumerate(film.steps)
    ]
    return "\n".join([prose(film.title) or NAMELESS, prose(film.stage.alt), "", *rows, ""])


def markdown(film: Film) -> str:
    """Title and description, then a list with the rule of each step in bold."""
    head = [f"**{escaped_markdown(film.title) or NAMELESS}**", "", paragraph(film.stage.alt), ""]
    return "\n".join([*head, *(f"{i + 1}. {entry(step)}" for i, step in enumerate(film.steps)), ""])


def entry(step: Step) -> str:
    """The step in a line of Markdown."""
    rule, *rest = map(escaped_markdown, said_in_step(step) or (PHASE_NAMES.get(step.phase, step.phase),))
    return " ".join([f"*{escaped_markdown(PHASE_NAMES.get(step.phase, step.phase))}:* **{rule}**", *rest])


def said_in_step(step: Step) -> tuple[str, ...]:
    """What a step says: rule, numbers, result, and the sentence that explains it."""
    return step.said


def quarto_figure(film: Film, stem: str) -> str:
    """A figure that is the film in HTML and slides, and the finished picture in every format for print."""
    place = quote(stem, safe="")  # a name may hold spaces and brackets
    return f"""<!-- made by graphviz_ad -->

::: {{.content-visible when-format="html"}}
![{escaped_markdown(film.title)}]({place}-film.svg){{fig-alt="{attribute(film.stage.alt)}"}}
:::

::: {{.content-hidden when-format="html"}}
![{escaped_markdown(film.title)}]({place}-film.png){{fig-alt="{attribute(film.stage.alt)}"}}
:::
"""


def myst(film: Film, stem: str) -> str:
    """A figure of which MyST takes the film for pages and the finished picture for print; fenced by backticks, which
    need no extension anywhere.
    """
    return f"""% made by graphviz_ad

```{{figure}} {stem}-film.*
:alt: {spaces_collapsed(film.stage.alt)}

{paragraph(film.title) or NAMELESS}
```
"""


def escaped_markdown(text: str) -> str:
    """Text that Markdown prints as it is, within a line."""
    return re.sub(r"[\\`*_{}\[\]<>&#$~|!^@\"']|-(?=-)|\.(?=\.)", r"\\\g<0>", prose(text).strip())


def paragraph(text: str) -> str:
    """Text that Markdown prints as it is, as a line of its own: no list, no rule, no directive."""
    return re.sub(r"^(\d*)([-+=:%().])", r"\1\\\2", escaped_markdown(text))


def attribute(text: str) -> str:
    """Text between the double quotes of an attribute."""
    return re.sub(r'[\\"`$<>&{}]', lambda match: f"&#{ord(match[0])};", spaces_collapsed(text))


def spaces_collapsed(text: str) -> str:
    """The text with single spaces, none at its ends."""
    return " ".join(prose(text).split())
