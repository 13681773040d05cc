"""Seven lessons -> films: docs/films.md with the code of each, and four of them beside it, in docs/films/.

python tools/make_films.py            # writes docs/films.md and docs/films/
python tools/make_films.py FOLDER     # writes all seven as MP4 there, for a lecture
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import torch

import graphviz_ad as gad
from graphviz_ad._internal.base.save_file import write

DOCS = Path(__file__).parent.parent / "docs"
LARGEST = {".svg": 160_000, ".gif": 400_000}  # bytes of a film in the documentation

HEAD = """# Films of lessons

What a film of a lesson looks like, and all it takes. The numbers are those that PyTorch computed when it was made.
`film.save("lesson.mp4")` writes any of them for a lecture, and [the README](../README.md) lists the other forms.
`python tools/make_films.py` makes this page.
"""


@dataclass(frozen=True)
class Lesson:
    """A lesson: what makes its film, what there is to see, and the suffix of the file in the documentation, if any."""

    title: str
    film: Callable[[], gad.Animation]
    sentence: str
    suffix: str = ""

    @property
    def name(self) -> str:
        """What its file is called."""
        return self.film.__name__


def recurrent() -> gad.Animation:
    """Three steps of a recurrent net with one state."""

    def net(x1, x2, x3, h0, u, w, b):  # type: ignore[no-untyped-def]
        h1 = torch.tanh(u * x1 + w * h0 + b)
        h2 = torch.tanh(u * x2 + w * h1 + b)
        h3 = torch.tanh(u * x3 + w * h2 + b)
        return (h3 - 1) ** 2

    x1, x2, x3, h0 = torch.tensor([1.0, 0.5, -1.0, 0.0])
    u, w, b = (torch.tensor(value, requires_grad=True) for value in (0.5, 0.8, 0.1))
    return gad.trace(net, x1, x2, x3, h0, u, w, b).animate(detail="line")


def attention() -> gad.Animation:
    """Attention over three tokens of two numbers each."""

    def attend(X, Wq, Wk, Wv):  # type: ignore[no-untyped-def]
        Q = X @ Wq
        K = X @ Wk
        V = X @ Wv
        A = torch.softmax(Q @ K.T / 2**0.5, dim=-1)
        return (A @ V).sum()

    X = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    Wq = torch.tensor([[1.0, 0.0], [0.0, 2.0]], requires_grad=True)
    Wk = torch.tensor([[2.0, 0.0], [1.0, 1.0]], requires_grad=True)
    Wv = torch.tensor([[1.0, 2.0], [0.0, 1.0]], requires_grad=True)
    return gad.trace(attend, X, Wq, Wk, Wv).animate(detail="line")


def batch_norm() -> gad.Animation:
    """Batch normalisation of four numbers, by hand."""

    def normalised(x, gamma, beta):  # type: ignore[no-untyped-def]
        mean = x.mean()
        var = x.var(correction=0)
        y = gamma * (x - mean) / torch.sqrt(var) + beta
        return (y**3).sum()

    x = torch.tensor([1.0, 2.0, 4.0, 5.0], requires_grad=True)
    gamma, beta = torch.tensor(2.0, requires_grad=True), torch.tensor(1.0, requires_grad=True)
    return gad.trace(normalised, x, gamma, beta).animate(detail="line")


def momentum() -> gad.Animation:
    """Two steps of SGD with momentum."""
    w = torch.tensor(1.0, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1, momentum=0.9)
    with gad.record() as recorded:
        for _ in range(2):
            error = 2 * w - 6
            loss = error**2
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return recorded.graph.animate()


def accumulation() -> gad.Animation:
    """Three passes whose gradients add up before one step."""
    w = torch.tensor(1.0, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    with gad.record() as recorded:
        for x in (1.0, 2.0, 3.0):
            y = w * x
            loss = (y - 5) ** 2
            loss.backward()
        optimizer.step()
    return recorded.graph.animate()


def gan() -> gad.Animation:
    """The two backward passes of a GAN."""
    g = torch.tensor(0.5, requires_grad=True)
    d = torch.tensor(1.0, requires_grad=True)
    of_critic, of_maker = torch.optim.SGD([d], lr=0.5), torch.optim.SGD([g], lr=0.5)
    z, real = torch.tensor(1.0), torch.tensor(2.0)
    with gad.record() as recorded:
        fake = g * z
        critic_loss = -torch.log(torch.sigmoid(d * real)) - torch.log(1 - torch.sigmoid(d * fake.detach()))
        critic_loss.backward()
        of_critic.step()
        maker_loss = -torch.log(torch.sigmoid(d * fake))
        maker_loss.backward()
        of_maker.step()
    return recorded.graph.animate(detail="line")


def cross_entropy() -> gad.Animation:
    """Softmax with cross entropy, by hand."""

    def loss_of(z, t):  # type: ignore[no-untyped-def]
        e = torch.exp(z)
        p = e / e.sum()
        return -(t * torch.log(p)).sum()

    z = torch.tensor([2.0, 1.0, 0.0], requires_grad=True)
    t = torch.tensor([0.0, 1.0, 0.0])
    return gad.trace(loss_of, z, t).animate()


LESSONS = (
    Lesson(
        "A recurrent net, three steps",
        recurrent,
        "One weight is used three times, and its gradient is the sum of what comes back from each of them.",
        ".svg",
    ),
    Lesson(
        "Attention over three tokens",
        attention,
        "Each row of A says whom a token attends to; on the way back, V gets its part past the softmax, Q and K through"
        " it.",
        ".svg",
    ),
    Lesson(
        "Batch normalisation by hand",
        batch_norm,
        "A number changes mean and variance, too, and so its gradient comes back on three paths.",
    ),
    Lesson(
        "Two steps of SGD with momentum",
        momentum,
        "The second step is longer than its gradient: 0.1 × (0.9 × 16 + 3.2) = 1.76.",
    ),
    Lesson(
        "Accumulation over three passes",
        accumulation,
        "Each pass adds to .grad, until one step uses it all.",
        ".svg",
    ),
    Lesson(
        "A GAN's two backward passes",
        gan,
        "detach() keeps the critic's loss from the maker; the maker's loss goes through the critic, whose .grad it adds"
        " to unasked.",
        ".svg",
    ),
    Lesson(
        "Softmax with cross entropy by hand",
        cross_entropy,
        "What is left at z is p − t, however long the way there.",
    ),
)


def program(lesson: Lesson) -> str:
    """The lines that make a film, as one would write them in a notebook."""
    _, _, *lines, last = inspect.getsource(lesson.film).splitlines()
    source = dedent("\n".join([*lines, last.replace("return ", "film = ", 1)]))
    source = source.replace("  # type: ignore[no-untyped-def]", "").strip("\n")
    return re.sub(r"(\n {4}[^\n]*\n)\n(?=\S)", r"\1\n\n", source)  # two lines behind a function


def section(lesson: Lesson) -> str:
    """What the page says of a lesson."""
    shown = f"![{lesson.title}, as a film](films/{lesson.name}{lesson.suffix})\n\n" if lesson.suffix else ""
    return f"## {lesson.title}\n\n{lesson.sentence}\n\n{shown}```python\n{program(lesson)}\n```\n"


def write_page() -> None:
    """docs/films.md, and its films, none of which is larger than a page should load."""
    write(DOCS / "films.md", "\n".join([HEAD, *map(section, LESSONS)]).encode())
    (DOCS / "films").mkdir(exist_ok=True)
    for lesson in LESSONS:
        if lesson.suffix:
            path = lesson.film().save(DOCS / "films" / f"{lesson.name}{lesson.suffix}")
            size = path.stat().st_size
            print(f"{path.name}: {size / 1000:.0f} kB")
            if size > LARGEST[lesson.suffix]:
                raise SystemExit(f"{path.name} has {size:,} bytes; {LARGEST[lesson.suffix]:,} are allowed")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        for each in LESSONS:
            each.film().save(Path(sys.argv[1]) / f"{each.name}.mp4")
    else:
        write_page()
