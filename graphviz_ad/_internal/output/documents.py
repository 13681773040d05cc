"""Animation or Picture -> documents: what slides, papers, books and pages take, each by its suffix and by its method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from graphviz_ad._internal.base.argument_types import Says, StrPath
from graphviz_ad._internal.base.checked_calls import checked
from graphviz_ad._internal.base.errors import MissingDependencyError, OptionError, SaveError
from graphviz_ad._internal.base.save_file import explained, write
from graphviz_ad._internal.output.formats import FILMS, REVEAL, STILLS, times

if TYPE_CHECKING:
    from graphviz_ad._internal.api.api import Animation, Frame, Picture

Loop = Annotated[int, Says("how often it plays: 1 plays once, 0 for ever", "number of times", least=0, most=2**16 - 1)]
MovieLoop = Annotated[int | None, Says("how often the movie of mode='video' plays: 1 plays once, 0 for ever", "number of times", least=0, most=2**16 - 1)]
BeamerMode = Annotated[str, Says("overlay, in which a click is a step, or animate, which plays by itself")]
DeckMode = Annotated[str, Says("steps, a slide for each step, or video, one slide that plays")]
RevealMode = Annotated[str, Says("fragments, in which a click is a step, or iframe, a page that plays")]
DECK_MODES = ("steps", "video")
REVEAL_MODES = ("fragments", "iframe")
MARK = b"graphviz_ad"  # stands in every file that lies beside another one, so that nobody else's is ever replaced


# --- one file each


def svg_film(animation: Animation, *, loop: int = 0) -> bytes:
    """An animated SVG."""
    return to_svg(animation, loop=loop).encode()


def pages(animation: Animation) -> bytes:
    """A PDF with a page for each step, all of one size, for any viewer."""
    from graphviz_ad._internal.renderers.pages.pdf import film_pdf

    return film_pdf(animation.film, animation.theme)


def beamer(animation: Animation, *, mode: str = "overlay") -> bytes:
    """LaTeX that shows the pages of ``film.pdf`` on a Beamer slide."""
    return beamer_frame(animation, "film", mode)


def beamer_frame(animation: Animation, stem: str, mode: str) -> bytes:
    """LaTeX that shows the pages of ``stem.pdf``."""
    from graphviz_ad._internal.renderers.latex.beamer import beamer as render

    width, height = (length // gcd(*animation.film.size) for length in animation.film.size)
    return render(animation.film, stem, mode, f"{width}{height}").encode()


def deck(animation: Animation, *, mode: DeckMode = "steps", loop: int | None = None) -> bytes:
    """A PowerPoint deck: mode "steps", a slide each, or "video", one slide that plays a movie; needs the extra "pptx"."""
    from graphviz_ad._internal.renderers.pages.slides import movie_slide, step_slides

    if mode not in DECK_MODES:
        raise OptionError(f"mode={mode!r} is no kind of deck; give 'steps', a slide for each step, or 'video', one slide that plays")
    if mode == "steps":
        if loop is not None:
            raise OptionError(f"loop={loop!r} says how often a movie plays, but mode='steps' makes slides to click through; leave it out, or give mode='video'")
        return step_slides(animation.film, animation.theme)
    try:
        movie = FILMS[".mp4"](animation)
    except MissingDependencyError as error:
        raise MissingDependencyError("av", "video", "a deck with a movie", "mode='steps' needs none") from error
    return movie_slide(animation.film, animation.theme, movie, STILLS[".png"](animation.frame(-1)), loop=not times(loop or 0))


def reveal(animation: Animation) -> bytes:
    """A ``<section>`` for a reveal.js deck, in which a click is a step."""
    from graphviz_ad._internal.renderers.pages.reveal import reveal_slide

    return reveal_slide(animation.film, animation.theme).encode()


def transcript(animation: Animation) -> bytes:
    """The story as text."""
    from graphviz_ad._internal.renderers.pages.transcript import plain

    return plain(animation.film).encode()


def transcript_markdown(animation: Animation) -> bytes:
    """The story as a list in Markdown."""
    from graphviz_ad._internal.renderers.pages.transcript import markdown

    return markdown(animation.film).encode()


def quarto(animation: Animation) -> bytes:
    """A figure for Quarto that shows ``film-film.svg`` and ``film-film.png``."""
    from graphviz_ad._internal.renderers.pages.transcript import quarto as render

    return render(animation.film, "film").encode()


def finished(animation: Animation) -> bytes:
    """The finished picture as a PNG sharp enough for print."""
    from graphviz_ad._internal.renderers.images.matplotlib_canvas import png

    last = animation.frame(-1)
    return png(last.canvas, last.theme, scale=2.0, metadata={"Description": last.canvas.alt, "Software": MARK.decode()})


def tikz(picture: Picture | Frame) -> bytes:
    """TikZ."""
    return to_tikz(picture).encode()


def pgf(picture: Picture | Frame) -> bytes:
    """Basic PGF."""
    return to_pgf(picture).encode()


# --- as text, for whoever has a place for it


@checked
def to_svg(animation: Animation, *, loop: Loop = 0) -> str:
    """An SVG that plays by itself, in an ``<img>``, too: ``loop`` times, 0 for ever. Where motion is not wanted it is the finished picture."""
    from graphviz_ad._internal.renderers.svg.film import svg_film as render

    return render(animation.film, animation.theme, loop=times(loop))


def to_html(animation: Animation) -> str:
    """A page with a player that needs nothing else."""
    from graphviz_ad._internal.renderers.html.player import film_page

    return film_page(animation.film, animation.theme)


def to_tikz(picture: Picture | Frame) -> str:
    """A ``tikzpicture`` that LaTeX draws in the fonts of its document."""
    from graphviz_ad._internal.renderers.latex.tikz import tikz as render

    return render(picture.canvas, picture.theme)


def to_pgf(picture: Picture | Frame) -> str:
    """The same as a ``pgfpicture``, which needs no TikZ."""
    from graphviz_ad._internal.renderers.latex.tikz import pgf as render

    return render(picture.canvas, picture.theme)


# --- files that need others beside them

Maker = Callable[["Animation"], bytes]
FIGURE: Mapping[str, Maker] = {"-film.svg": svg_film, "-film.png": finished}


@checked
def to_beamer(animation: Animation, path: StrPath, *, mode: BeamerMode = "overlay") -> Path:
    """``name.tex`` and ``name.pdf`` for a Beamer deck; ``\\input{name}`` shows the film, and in a handout its last picture only."""
    target = with_suffix(path, ".tex")
    return write_together(path, target, beamer_frame(animation, target.stem, mode), {".pdf": pages}, animation)


@checked
def to_quarto(animation: Animation, path: StrPath) -> Path:
    """``name.qmd``, for ``{{< include name.qmd >}}``, with the two pictures that it shows."""
    from graphviz_ad._internal.renderers.pages.transcript import quarto as render

    target = with_suffix(path, ".qmd")
    return write_together(path, target, render(animation.film, target.stem).encode(), FIGURE, animation)


@checked
def to_myst(animation: Animation, path: StrPath) -> Path:
    """``name.md``, for ``{include} name.md``, with the two pictures of which MyST chooses."""
    from graphviz_ad._internal.renderers.pages.transcript import myst as render

    target = with_suffix(path, ".md")
    return write_together(path, target, render(animation.film, target.stem).encode(), FIGURE, animation)


@checked
def to_reveal(animation: Animation, path: StrPath, *, mode: RevealMode = "fragments") -> Path:
    """A slide for reveal.js: mode "fragments", a ``<section>`` to paste, or "iframe", a page for one that plays while its slide is shown."""
    if mode not in REVEAL_MODES:
        raise OptionError(f"mode={mode!r} is no way to show a film in reveal.js; give 'fragments', a click a step, or 'iframe', a page that plays")
    ending = REVEAL if Path(path).suffix.lower() != ".html" and mode == "fragments" else ".html"
    return write(with_suffix(path, ending), reveal(animation) if mode == "fragments" else to_html(animation).encode())


@checked
def to_pptx(animation: Animation, path: StrPath, *, mode: DeckMode = "steps", loop: MovieLoop = None) -> Path:
    """A PowerPoint deck: mode "steps", a slide each, or "video", one slide that plays a movie ``loop`` times, by default for ever."""
    return write(with_suffix(path, ".pptx"), deck(animation, mode=mode, loop=loop))


TOGETHER: Mapping[str, Callable[..., Path]] = {".tex": to_beamer, ".qmd": to_quarto}


def with_suffix(path: StrPath, suffix: str) -> Path:
    """The path, with that suffix if it does not have it already."""
    path = Path(path)
    if not path.name:
        raise SaveError(f"{str(path)!r} names no file; give a name such as 'film{suffix}'")
    return path if path.suffix.lower() == suffix else path.with_name(path.name + suffix)


def is_ours_or_free(place: Path) -> bool:
    """Whether a file can be written there without replacing what somebody else made."""
    try:
        return not place.exists() or (place.is_file() and MARK in place.read_bytes())
    except OSError as error:
        raise explained(place, error) from error


def write_together(path: StrPath, target: Path, data: bytes, others: Mapping[str, Maker], animation: Animation) -> Path:
    """Write a file after those that it needs beside it, which are called as it is with another ending.

    The user has named the target alone, and that only if its suffix was given: files of the other names are replaced if they are ours.
    """
    places = {target.with_name(target.stem + ending): make for ending, make in others.items()}
    for place in [*places, *([target] if target != Path(path) else [])]:
        if not is_ours_or_free(place):
            raise SaveError(f"cannot write {str(place)!r} for {target.name!r}: a file of that name is there that we did not make; give another name")
    for place, made in [(place, make(animation)) for place, make in places.items()]:
        write(place, made)
    return write(target, data)
