"""Animation or Picture -> documents: what slides, papers, books and pages take, each by its suffix and by its
method.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from graphviz_ad._internal.base.argument_types import Axes, Says, StrPath
from graphviz_ad._internal.base.checked_calls import checking_arguments
from graphviz_ad._internal.base.errors import GraphvizADWarning, MissingDependencyError, OptionError, SaveError
from graphviz_ad._internal.base.save_file import explained, write
from graphviz_ad._internal.base.save_folder import write_folder
from graphviz_ad._internal.output.format_table import COMPANIONS, FILMS, REVEAL, STILLS, WHOLE_SET, suffix_of

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation

    from graphviz_ad._internal.api.api import Animation, Frame, Picture

Loop = Annotated[int, Says("how often it plays: 1 plays once, 0 for ever", "number of times", least=0, most=2**16 - 1)]
MovieLoop = Annotated[
    int | None,
    Says(
        "how often the movie of mode='video' plays: 1 plays once, 0 for ever",
        "number of times",
        least=0,
        most=2**16 - 1,
    ),
]
BeamerMode = Annotated[str, Says("overlay, in which a click is a step, or animate, which plays by itself")]
DeckMode = Annotated[str, Says("steps, a slide for each step, or video, one slide that plays")]
RevealMode = Annotated[str, Says("fragments, in which a click is a step, or iframe, a page that plays")]
DECK_MODES = ("steps", "video")
REVEAL_MODES = ("fragments", "iframe")
MADE = "made by graphviz_ad"  # stands in every document that others lie beside
# and in these others, so that none is ever replaced that the user has named
BESIDE = f"{MADE} to lie beside another file"


# --- one file each


def svg_film(animation: Animation, *, loop: int = 0) -> bytes:
    """An animated SVG."""
    return to_svg(animation, loop=loop).encode()


def pages(animation: Animation) -> bytes:
    """A PDF with a page for each step, all of one size, for any viewer."""
    from graphviz_ad._internal.renderers.pages.pdf import film_pdf

    return film_pdf(animation.film, animation.theme)


def beamer(animation: Animation, *, mode: str = "overlay") -> bytes:
    """LaTeX that shows the pages of ``film-film.pdf`` on a Beamer slide."""
    return beamer_frame(animation, "film", mode)


def beamer_frame(animation: Animation, stem: str, mode: str) -> bytes:
    """LaTeX that shows the pages of ``stem-film.pdf``."""
    from graphviz_ad._internal.renderers.latex.beamer import beamer_file

    width, height = (length // gcd(*animation.film.size) for length in animation.film.size)
    return beamer_file(animation.film, stem, mode, f"{width}{height}").encode()


def deck(animation: Animation, *, mode: DeckMode = "steps", loop: int | None = None) -> bytes:
    """A PowerPoint deck: mode "steps", a slide each, or "video", one slide that plays a movie; needs the extra
    "pptx".
    """
    from graphviz_ad._internal.renderers.pages.slides import movie_slide, step_slides

    if mode not in DECK_MODES:
        raise OptionError(
            f"mode={mode!r} is no kind of deck; give 'steps', a slide for each step, or 'video', one slide that plays"
        )
    if mode == "steps":
        if loop is not None:
            raise OptionError(
                f"loop={loop!r} says how often a movie plays, but mode='steps' makes slides to click through; leave it"
                " out, or give mode='video'"
            )
        return step_slides(animation.film, animation.theme)
    from graphviz_ad._internal.output.formats import times

    try:
        movie = FILMS[".mp4"](animation)
    except MissingDependencyError as error:
        raise MissingDependencyError("av", "video", "a deck with a movie", "mode='steps' needs none") from error
    return movie_slide(
        animation.film, animation.theme, movie, STILLS[".png"](animation.frame(-1)), loop=not times(loop or 0)
    )


def reveal(animation: Animation) -> bytes:
    """A ``<section>`` for a reveal.js deck, in which a click is a step."""
    from graphviz_ad._internal.renderers.pages.reveal import reveal_slide

    return reveal_slide(animation.film, animation.theme).encode()


def transcript(animation: Animation) -> bytes:
    """The story as text."""
    from graphviz_ad._internal.renderers.pages.transcript import plain_transcript

    return plain_transcript(animation.film).encode()


def narration(animation: Animation) -> bytes:
    """What is to be said in each step, for a voice or as subtitles of the movie."""
    from graphviz_ad._internal.renderers.pages.narration import webvtt

    return webvtt(animation.film).encode()


def transcript_markdown(animation: Animation) -> bytes:
    """The story as a list in Markdown."""
    from graphviz_ad._internal.renderers.pages.transcript import markdown

    return markdown(animation.film).encode()


def quarto(animation: Animation) -> bytes:
    """A figure for Quarto that shows ``film-film.svg`` and ``film-film.png``."""
    from graphviz_ad._internal.renderers.pages.transcript import quarto_figure

    return quarto_figure(animation.film, "film").encode()


def tikz(picture: Picture | Frame) -> bytes:
    """TikZ."""
    return to_tikz(picture).encode()


def pgf(picture: Picture | Frame) -> bytes:
    """Basic PGF."""
    return to_pgf(picture).encode()


# --- as text, for whoever has a place for it


@checking_arguments
def to_svg(animation: Animation, *, loop: Loop = 0) -> str:
    """An SVG that plays by itself, in an ``<img>``, too: ``loop`` times, 0 for ever. Where motion is not wanted it
    is the finished picture.
    """
    from graphviz_ad._internal.output.formats import times
    from graphviz_ad._internal.renderers.svg.film import svg_film_file

    return svg_film_file(animation.film, animation.theme, loop=times(loop))


def to_html(animation: Animation) -> str:
    """A page with a player that needs nothing else."""
    from graphviz_ad._internal.renderers.html.player import player_page

    return player_page(animation.film, animation.theme)


def to_tikz(picture: Picture | Frame) -> str:
    """A ``tikzpicture`` that LaTeX draws in the fonts of its document."""
    from graphviz_ad._internal.renderers.latex.tikz import tikz_picture

    return tikz_picture(picture.canvas, picture.theme)


def to_pgf(picture: Picture | Frame) -> str:
    """The same as a ``pgfpicture``, which needs no TikZ."""
    from graphviz_ad._internal.renderers.latex.tikz import pgf_picture

    return pgf_picture(picture.canvas, picture.theme)


# --- as an object of another package


@checking_arguments
def to_matplotlib(animation: Animation, fig: Any = None, *, ax: Axes | None = None) -> FuncAnimation:
    """A ``matplotlib.animation.FuncAnimation`` with a step after the other, to save with any writer of matplotlib, to
    embed with ``to_jshtml()``, or to show beside plots of your own.

    Without arguments it has a figure of its own, which pyplot does not know. ``fig`` is a figure, or a part of one,
    that has an Axes in which nothing is drawn yet: the first of those is the film's; a figure without Axes becomes the
    film. ``ax`` says which Axes it is. Keep the animation in a variable as long as it plays. Until then, and in print,
    the figure shows the finished picture.
    """
    from graphviz_ad._internal.renderers.images.matplotlib_film import matplotlib_film

    if fig is not None and ax is not None:
        raise OptionError("fig= and ax= both say where the film is drawn; give one of them")
    return matplotlib_film(animation.film, animation.theme, fig, ax)


# --- files that need others beside them


def pages_beside(animation: Animation) -> bytes:
    """The pages that a ``.tex`` shows."""
    from graphviz_ad._internal.renderers.pages.pdf import film_pdf

    return film_pdf(animation.film, animation.theme, made=BESIDE)


def film_beside(animation: Animation) -> bytes:
    """The film that a figure shows."""
    from graphviz_ad._internal.renderers.svg.film import svg_film_file

    return svg_film_file(animation.film, animation.theme, made=BESIDE).encode()


def finished_beside(animation: Animation) -> bytes:
    """The finished picture that a figure shows, as a PNG sharp enough for print."""
    from graphviz_ad._internal.renderers.images.matplotlib_canvas import canvas_png

    last = animation.frame(-1)
    return canvas_png(last.canvas, last.theme, scale=2.0, metadata={"Description": last.canvas.alt, "Software": BESIDE})


Maker = Callable[["Animation"], bytes]


@checking_arguments
def to_beamer(animation: Animation, path: StrPath, *, mode: BeamerMode = "overlay") -> Path:
    """``name.tex`` and ``name-film.pdf`` for a Beamer deck; ``\\input{name}`` shows the film, and in a handout its
    last picture only.
    """
    target = with_suffix(path, ".tex")
    return write_together(path, target, beamer_frame(animation, target.stem, mode), COMPANIONS[".tex"], animation)


@checking_arguments
def to_quarto(animation: Animation, path: StrPath) -> Path:
    """``name.qmd``, for ``{{< include name.qmd >}}``, with the two pictures that it shows."""
    from graphviz_ad._internal.renderers.pages.transcript import quarto_figure

    target = with_suffix(path, ".qmd")
    return write_together(
        path, target, quarto_figure(animation.film, target.stem).encode(), COMPANIONS[".qmd"], animation
    )


@checking_arguments
def to_myst(animation: Animation, path: StrPath) -> Path:
    """``name.md``, for ``{include} name.md``, with the two pictures of which MyST chooses."""
    from graphviz_ad._internal.renderers.pages.transcript import myst

    target = with_suffix(path, ".md")
    return write_together(path, target, myst(animation.film, target.stem).encode(), COMPANIONS[".qmd"], animation)


@checking_arguments
def to_reveal(animation: Animation, path: StrPath, *, mode: RevealMode = "fragments") -> Path:
    """A slide for reveal.js: mode "fragments", a ``<section>`` to paste, or "iframe", a page for one that plays
    while its slide is shown.
    """
    if mode not in REVEAL_MODES:
        raise OptionError(
            f"mode={mode!r} is no way to show a film in reveal.js; give 'fragments', a click a step, or 'iframe', a"
            " page that plays"
        )
    ending = REVEAL if Path(path).suffix.lower() != ".html" and mode == "fragments" else ".html"
    return write(with_suffix(path, ending), reveal(animation) if mode == "fragments" else to_html(animation).encode())


@checking_arguments
def to_pptx(animation: Animation, path: StrPath, *, mode: DeckMode = "steps", loop: MovieLoop = None) -> Path:
    """A PowerPoint deck: mode "steps", a slide each, or "video", one slide that plays a movie ``loop`` times, by
    default for ever.
    """
    return write(with_suffix(path, ".pptx"), deck(animation, mode=mode, loop=loop))


def write_set(animation: Animation, name: StrPath) -> tuple[Path, ...]:
    """Write the film in each of the forms of a whole set; none that fails keeps the others from being written."""
    if suffix_of(f"{name}{WHOLE_SET[0]}") != WHOLE_SET[0] or not Path(name).parent.is_dir():
        raise SaveError(
            f"cannot write a set of files named {str(name)!r}: give the name that all share, in a folder that exists,"
            " such as 'lecture4'"
        )
    written: list[Path] = []
    missing: dict[str, MissingDependencyError] = {}
    failed: dict[str, Exception] = {}
    for suffix in WHOLE_SET:
        try:
            path = animation.save(f"{name}{suffix}")
            written += [path, *(beside(path, ending) for ending in COMPANIONS.get(suffix, ()))]
        except MissingDependencyError as error:
            missing[f"{name}{suffix}"] = error
        except Exception as error:  # whatever it is, it is told once the others are written
            failed[f"{name}{suffix}"] = error
    if failed:
        raise not_written({**missing, **failed}, written) from ExceptionGroup(
            "what kept files from being written", list(failed.values())
        )
    for place, lack in missing.items():
        warnings.warn(f"{place} is left out: {lack}", GraphvizADWarning, stacklevel=4)
    return tuple(written)


def not_written(failed: Mapping[str, Exception], written: Iterable[Path]) -> SaveError:
    """The error that says which files of a set are not there, why, and which are."""
    why = "; ".join(f"{place}: {type(error).__name__}: {error}" for place, error in failed.items())
    there = ", ".join(path.name for path in written) or "nothing"
    return SaveError(f"{len(failed)} of {len(WHOLE_SET)} files could not be written: {why}. Written: {there}.")


@checking_arguments
def save_slides(animation: Animation, folder: StrPath) -> Path:
    """A folder for programs that show slides click by click: of each step an MP4 clip that begins where the one before
    ends, the PNG that it comes to rest on, and ``step-clips.json`` with their names, seconds, captions and notes; needs
    the extra "video".

    The folder is made, or replaced if it holds nothing but such files.
    """
    from graphviz_ad._internal.output.step_clips import step_clips

    return write_folder(folder, step_clips(animation))


def with_suffix(path: StrPath, suffix: str) -> Path:
    """The path, with that suffix if it does not have it already."""
    path = Path(path)
    if not path.name:
        raise SaveError(f"{str(path)!r} names no file; give a name such as 'film{suffix}'")
    return path if path.suffix.lower() == suffix else path.with_name(path.name + suffix)


def beside(target: Path, ending: str) -> Path:
    """Where a file that a document needs lies."""
    return target.with_name(target.stem + ending)


def is_free(place: Path, mark: str) -> bool:
    """Whether a file can be written there without replacing any but one with this mark."""
    try:
        nothing = not place.exists() and not place.is_symlink()
        return nothing or (place.is_file() and mark.encode() in place.read_bytes())
    except OSError as error:
        raise explained(place, error) from error


def write_together(path: StrPath, target: Path, data: bytes, others: Mapping[str, Maker], animation: Animation) -> Path:
    """Write a file after those that it needs beside it, which are called as it is with another ending.

    The user has named the target alone, and that only if its suffix was given: a file of another name is replaced if it
    was made to lie there.
    """
    places = {beside(target, ending): make for ending, make in others.items()}
    for place, mark in [*((place, BESIDE) for place in places), *([(target, MADE)] if target != Path(path) else [])]:
        if not is_free(place, mark):
            raise SaveError(
                f"cannot write {str(place)!r} for {target.name!r}: another file of that name is there; rename it, or"
                " give another name"
            )
    for place, made in [(place, make(animation)) for place, make in places.items()]:
        write(place, made)
    return write(target, data)
