"""Suffix -> everything that can be written under it, and by what: the one ordered table of file formats.

A new format is a line here and a function from a `Picture` or an `Animation` to bytes. All that asks which formats
there are, the command line and the tests too, asks this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from graphviz_ad._internal.base.registry import Registry

FORMATS, DRAWINGS, DOCUMENTS, CHART = (
    f"graphviz_ad._internal.output.{name}" for name in ("formats", "still_formats", "documents", "chart")
)
EXCHANGE = "graphviz_ad._internal.output.exchange"
REVEAL = ".reveal.html"  # a slide for a deck, as ".html" is a page of its own
EXPLORER, NETRON = ".explorer.json", ".netron.json"  # for those tools, as ".json" is a graph to be loaded again
IN_TWO_PARTS = (REVEAL, EXPLORER, NETRON)  # suffixes
CHOOSES = "The suffix of the file chooses the format."


@dataclass(frozen=True)
class Format:
    """What is written under a suffix; each renderer as "package.module:function", "" where there is none.

    ``still`` makes it of a picture, ``frame`` of one frame of a film, ``chart`` of a chart, ``film`` of a film,
    ``graph`` of a graph as it was recorded. ``page``: where a graph is saved, the film is meant although there is a
    still, too. ``together`` writes the film with its ``companions``, files that lie beside it: ending -> what makes
    the file.
    """

    suffix: str
    still: str = ""
    frame: str = ""
    chart: str = ""
    film: str = ""
    graph: str = ""
    page: bool = False
    together: str = ""
    companions: Mapping[str, str] = field(default_factory=dict)


PAGES = {"-film.pdf": f"{DOCUMENTS}:pages_beside"}
FIGURE = {"-film.svg": f"{DOCUMENTS}:film_beside", "-film.png": f"{DOCUMENTS}:finished_beside"}
SVG, PDF, TIKZ, PGF = f"{DRAWINGS}:svg", f"{DRAWINGS}:pdf", f"{DOCUMENTS}:tikz", f"{DOCUMENTS}:pgf"
PNG = f"{DRAWINGS}:png"
TABLE: tuple[Format, ...] = (
    Format(".svg", still=SVG, frame=SVG, chart=SVG, film=f"{DOCUMENTS}:svg_film"),
    Format(".gif", film=f"{FORMATS}:gif"),
    Format(".png", still=PNG, frame=PNG, chart=f"{CHART}:png", film=f"{FORMATS}:apng"),
    Format(".mp4", film=f"{FORMATS}:mp4"),
    Format(".html", still=f"{DRAWINGS}:picture_page", film=f"{FORMATS}:film_page", page=True),
    Format(".pdf", still=PDF, frame=PDF, chart=PDF, film=f"{DOCUMENTS}:pages"),
    Format(".tex", film=f"{DOCUMENTS}:beamer", together=f"{DOCUMENTS}:to_beamer", companions=PAGES),
    Format(".pptx", film=f"{DOCUMENTS}:deck"),
    Format(".vtt", film=f"{DOCUMENTS}:narration"),
    Format(".webp", film=f"{FORMATS}:webp"),
    Format(".webm", film=f"{FORMATS}:webm"),
    Format(REVEAL, film=f"{DOCUMENTS}:reveal"),
    Format(".qmd", film=f"{DOCUMENTS}:quarto", together=f"{DOCUMENTS}:to_quarto", companions=FIGURE),
    Format(".txt", film=f"{DOCUMENTS}:transcript"),
    Format(".md", film=f"{DOCUMENTS}:transcript_markdown"),
    Format(".dot", still=f"{DRAWINGS}:dot"),
    Format(".gv", still=f"{DRAWINGS}:dot"),
    Format(".json", still=f"{DRAWINGS}:json", graph=f"{DRAWINGS}:whole_json"),
    Format(".graphml", still=f"{DRAWINGS}:graphml", graph=f"{DRAWINGS}:whole_graphml"),
    Format(".gexf", still=f"{EXCHANGE}:gexf", graph=f"{EXCHANGE}:whole_gexf"),
    Format(".cyjs", still=f"{EXCHANGE}:cytoscape", graph=f"{EXCHANGE}:whole_cytoscape"),
    Format(EXPLORER, still=f"{EXCHANGE}:model_explorer", graph=f"{EXCHANGE}:whole_model_explorer"),
    Format(NETRON, still=f"{EXCHANGE}:netron", graph=f"{EXCHANGE}:whole_netron"),
    Format(".mmd", still=f"{EXCHANGE}:mermaid"),
    Format(".tikz", still=TIKZ, frame=TIKZ),
    Format(".pgf", still=PGF, frame=PGF),
)


def column(kind: str, hint: str = CHOOSES) -> Registry:
    """Suffix -> renderer for one kind of thing."""
    return Registry(f"{kind} format", {row.suffix: getattr(row, kind) for row in TABLE if getattr(row, kind)}, hint)


STILLS, FRAMES, CHARTS, GRAPHS = column("still"), column("frame"), column("chart"), column("graph")
FILMS = column("film", f"{CHOOSES[:-1]}; a name that ends in / is a folder of numbered pictures.")
TOGETHER = column("together")
COMPANIONS = {row.suffix: Registry("companion", row.companions) for row in TABLE if row.companions}
MEANS_THE_FILM = tuple(row.suffix for row in TABLE if row.page)
WHOLE_SET = tuple(FILMS)  # what `Animation.save_all` writes


def suffix_of(path: str | Path) -> str:
    """ ".svg" for "a/b.SVG"."""
    name = Path(path).name.lower()
    return next((suffix for suffix in IN_TWO_PARTS if name.endswith(suffix)), Path(name).suffix)
