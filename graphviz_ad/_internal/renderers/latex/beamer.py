r"""Film -> the LaTeX that shows the pages of a PDF one after the other on a Beamer slide, and only the last one in
a handout.

The file is to be ``\input``. Inside a frame it is the picture; between frames it makes a frame that it fills; and given
to LaTeX by itself it is a whole deck. It changes nothing outside and needs no package but, to play, ``animate``.
"""

from __future__ import annotations

import re
from importlib.resources import files

from graphviz_ad._internal.base.errors import OptionError, SaveError
from graphviz_ad._internal.base.visible_text import whole_text
from graphviz_ad._internal.renderers.latex.latex_text import PROLOGUE, latex_text
from graphviz_ad._internal.renderers.latex.tikz import comment
from graphviz_ad._internal.scene.scene import Film

LONGEST_NOTE = 600  # characters of a note
LONGEST_ALT = 200  # characters of the description that go into the PDF
# ends the name of the PDF: a file that the user calls as the .tex, or that TeX makes of it, is another one
PAGES = "-film"
MODES = ("overlay", "animate")
SIZE = r"width=\gadwidth,height=\gadheight,keepaspectratio"


def beamer_file(film: Film, stem: str, mode: str = "overlay", aspect: str = "169") -> str:
    """The file ``stem.tex``, which shows the pages of ``stem-film.pdf``; in the mode "animate" TeX writes
    ``stem.tln``, the times of the pages.
    """
    if mode not in MODES:
        raise OptionError(
            f"mode={mode!r} is no way to show a film in Beamer; give 'overlay', a click a step, or 'animate', which"
            " plays in Acrobat and Okular"
        )
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]*", stem):
        raise SaveError(f"LaTeX may not find a file named {stem!r}; choose a name of letters, digits, '-', '_' and '.'")
    words, plays = latex_text(film.stage.alt[:LONGEST_ALT]), mode == "animate"
    return filled(
        "beamer.tex",
        about=comment(film.stage.alt),
        count=str(len(film.steps)),
        stem=stem,
        needs=r"; with \usepackage{animate}" if plays else "",
        prologue=PROLOGUE,
        times=timeline_commands(film, stem) if plays else "",
        words=words,
        notes="" if plays else speaker_notes(film),
        show=player(stem, words) if plays else overlay(len(film.steps), stem),
        inside="0.77" if plays else "0.85",  # of a frame with a title; buttons need room, too
        outside="0.93" if plays else "1",
        aspect=aspect,
        packages=r"\usepackage{animate}" if plays else "%",
    )


def filled(template: str, **words: str) -> str:
    """A file that lies beside this module, with «name» replaced; what is put in is not looked at again."""
    text = files(__name__.rpartition(".")[0]).joinpath(template).read_text("utf-8")
    return re.sub("«([a-z]+)»", lambda match: words[match[1]], text)


def overlay(count: int, stem: str) -> str:
    """A page a click; every viewer can do that, and a handout prints the last page only."""
    pages = [(i + 1, f"{i + 1}|handout:{int(i + 1 == count)}") for i in range(count)]
    return "".join(
        rf"\includegraphics<{slides}>[{SIZE},page={page}]{{\gadfolder {stem}{PAGES}.pdf}}%" + "\n"
        for page, slides in pages
    )


def speaker_notes(film: Film) -> str:
    """What each page says, for ``\\setbeameroption{show notes}`` and presenters; a handout has that of the last."""
    notes = [latex_text(whole_text(" ".join(step.said), LONGEST_NOTE)) for step in film.steps]
    last = len(notes)
    return "".join(rf"\note<{n}|handout:{int(n == last)}>{{{text}}}%" + "\n" for n, text in enumerate(notes, 1) if text)


def player(stem: str, words: str) -> str:
    """All pages as one animation with controls, which shows the last page until somebody plays it."""
    options = rf"{SIZE},controls={{play,step,stop,speed}},poster=last,timeline={stem}.tln,alttext={{{words}}}"
    return rf"\animategraphics[{options}]{{1}}{{\gadfolder {stem}{PAGES}}}{{}}{{}}%" + "\n"


def timeline_commands(film: Film, stem: str) -> str:
    """Commands that write the timeline of the animate package: for each page, the rate at which pages would follow
    if all stayed as long.
    """
    rows = "".join(
        rf"\immediate\write\gadtimes{{:{1 / film.seconds(i):.4f}:{i}}}%" + "\n" for i in range(len(film.steps))
    )
    begin = rf"\ifdefined\gadtimes\else\newwrite\gadtimes\fi\immediate\openout\gadtimes={stem}.tln\relax%"
    return f"{begin}\n{rows}\\immediate\\closeout\\gadtimes%\n"
