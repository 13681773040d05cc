"""Diagnosis + its picture -> HTML: a page that loads nothing, the findings beside the place where they are."""

from __future__ import annotations

from collections.abc import Iterator

from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.diagnosis.diagnosis_text import capital, consequence_line, headline, looked_text
from graphviz_ad._internal.diagnosis.finding_sentences import these_ranks
from graphviz_ad._internal.diagnosis.findings import Diagnosis, Finding
from graphviz_ad._internal.renderers.html.player import whole_page
from graphviz_ad._internal.renderers.html.stage import colours_everywhere
from graphviz_ad._internal.renderers.svg.still import escaped_xml, svg_element, tag
from graphviz_ad._internal.scene.canvas import Canvas
from graphviz_ad._internal.scene.themes import FONT_STACK, Theme

STYLE = (
    f"body{{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 {FONT_STACK}}}"
    "main{max-width:60rem;margin:0 auto;padding:1.5rem}h1{font-size:1.5rem;font-weight:600}"
    "h2{font-size:1.05rem;margin:1.4rem 0 .2rem}svg{max-width:100%;height:auto}p{margin:.2rem 0}"
    "p.note{color:var(--muted);font-size:.9em}code{font-size:.95em}"
)


def page(diagnosis: Diagnosis, canvas: Canvas | None, theme: Theme) -> str:
    """The page; without a picture where there is none."""
    body = [
        tag("style", {}, "".join([*colours_everywhere(":root", theme), STYLE])),
        tag("h1", {}, text(headline(diagnosis))),
        *(part for i, one in enumerate(diagnosis.findings, 1) for part in finding_html(i, one)),
        *([svg_element(canvas, theme)] if canvas is not None else []),
        tag("p", {"class": "note"}, text(looked_text(diagnosis.looked))),
    ]
    return whole_page(headline(diagnosis), "\n".join(body) + "\n")


def finding_html(number: int, finding: Finding) -> Iterator[str]:
    """One finding."""
    where = f" {tag('code', {}, text(finding.source))}" if finding.source else ""
    where += text(f" on {these_ranks(finding.ranks)}") if finding.ranks else ""
    yield tag("h2", {}, f"{number}. {text(finding.severity)}: {text(finding.kind)}{where}")
    yield tag("p", {}, text(capital(finding.cause)))
    yield tag("p", {"class": "note"}, text(finding.remedy))
    if finding.consequences:
        yield tag("ul", {}, "".join(tag("li", {}, text(consequence_line(one))) for one in finding.consequences))


def text(words: str) -> str:
    """Words, harmless and visible."""
    return escaped_xml(visible(words))
