"""The standing corpus: each module has the gradients that torch gives it without us, `check` finds nothing wrong, and
its files are whole.

The suite takes all that is written here and a share of the models of transformers, and writes a file of some, the next
suffix for the next; ``FUZZ=1`` takes all, and all suffixes of each. As a program, it prints what `check` said, by
family.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from corpus.families import FAMILIES
from corpus.making import Made
from reopened import FILM_READERS, STILL_READERS
from torch import Tensor
from torch.utils import _pytree as pytree

import graphviz_ad as gad
from graphviz_ad._internal.cli.targets import SAVED
from graphviz_ad._internal.output.format_table import FILMS, STILLS

WHOLE = bool(int(os.environ.get("FUZZ", "0")))
BY_PIXELS = {".gif", ".mp4", ".webm", ".webp", ".png"}
MOST_ELEMENTS = 4096  # of a tensor; its gradient is compared as a whole
# whose Functions give gradients that are not their derivatives, on purpose, which nobody can tell from a mistake
MEANT_TO_DIFFER = {
    "learning: domains confused by reversed gradients": "Reversed",
    "transformers: PhiMoE": "PhimoeMultiplier",  # gives one of its operands what belongs to another
}
SHARES = {"transformers": 1 if WHOLE else 8}  # of what costs more, the suite takes one in so many
NAMES = [
    f"{family}: {name}" for family, entries in FAMILIES.items() for name in list(entries)[:: SHARES.get(family, 1)]
]
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{warning}")
    for warning in (
        "DejaVu Sans has no glyph",
        "a picture of .* is too large for 2 pixels",
        # torch's and transformers' own, of what they are asked to do
        "Initializing zero-element tensors",
        "Sparse invariant checks",
        ":DeprecationWarning:torch",
        ":FutureWarning:torch",
        ":UserWarning:torch",
        ":FutureWarning:transformers",
        ":UserWarning:transformers",
    )
]


def build(name: str) -> Made:
    """The entry, the same each time; its random numbers begin anew when it is called."""
    family, _, entry = name.partition(": ")
    torch.manual_seed(0)
    made = FAMILIES[family][entry]()
    torch.manual_seed(1)
    return made


def leaves_of(made: Made, roots: list[Tensor]) -> list[Tensor]:
    """The parameters and inputs, and what else the results were made of that takes a gradient."""
    found = [each for each in pytree.tree_leaves((made.args, made.kwargs)) if isinstance(each, Tensor)]
    found += made.target.parameters() if isinstance(made.target, torch.nn.Module) else []
    stack, seen = [root.grad_fn for root in roots], set()
    while stack:
        node = stack.pop()
        if node is not None and node not in seen:
            seen.add(node)
            found += [node.variable] if hasattr(node, "variable") else []
            stack += [following for following, _ in node.next_functions]
    return list({id(each): each for each in found if each.is_leaf and each.requires_grad}.values())


def differentiated(outputs: Any) -> list[Tensor]:
    """The loss where there is one, and else everything that has a gradient."""
    loss = outputs.get("loss") if isinstance(outputs, dict) else None
    chosen = [loss] if loss is not None else pytree.tree_leaves(outputs)
    return [each for each in chosen if isinstance(each, Tensor) and each.requires_grad]


def by_torch(made: Made) -> list[Tensor]:
    """The gradients of the leaves that have one, without us."""
    roots = differentiated(made.target(*made.args, **made.kwargs))
    leaves = leaves_of(made, roots)
    torch.autograd.backward(roots, [torch.ones_like(root) for root in roots])
    return [each.grad for each in leaves if each.grad is not None]


def by_graph(graph: gad.Graph) -> list[gad.Snapshot]:
    return [node.grad for node in graph.node_list if node.kind == "leaf" and node.grad is not None]


def in_numpy(gradient: Tensor) -> Any:
    return gradient.to_dense().to(torch.complex128).resolve_conj().resolve_neg().numpy()


def bits(gradients: list[Any]) -> list[tuple[tuple[int, ...], bytes]]:
    """Shapes and bytes, in an order of their own; wide enough for every dtype, and a zero has no sign."""
    arrays = [np.asarray(each, np.complex128) + 0 for each in gradients]
    return sorted((array.shape, array.tobytes()) for array in arrays)


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def graph(name: str) -> gad.Graph:
    made = build(name)
    return gad.trace(made.target, *made.args, capture=gad.Capture(whole=MOST_ELEMENTS), **made.kwargs)


def test_gradients_are_torch_s_bit_for_bit(name: str, graph: gad.Graph) -> None:
    ours, torchs = by_graph(graph), by_torch(build(name))
    assert bits([grad.array for grad in ours if grad.missing != "sparse_coo"]) == bits(
        [in_numpy(grad) for grad in torchs if not grad.is_sparse]
    )
    assert len(ours) == len(torchs) > 0


def test_check_finds_nothing_wrong(name: str, graph: gad.Graph) -> None:
    report = graph.check(capture=True)
    assert report.capture is not None
    assert report.capture.wrong == ()
    if name in MEANT_TO_DIFFER:
        assert {function.name for function in report.numeric.functions} == {MEANT_TO_DIFFER[name]}
        assert report.ok is False
    else:
        assert report.ok is not False, report


def turn(suffixes: Collection[str], name: str, share: int, first: int) -> list[str]:
    """The suffixes whose turn it is: one for one entry in so many, and then the next."""
    number, rest = divmod(NAMES.index(name), share)
    return list(suffixes) if WHOLE else [list(suffixes)[number % len(suffixes)]] * (rest == first)


def scaled(suffix: str) -> dict[str, Any]:
    return {"scale": 0.1} if suffix in BY_PIXELS else {}


def test_its_files_are_whole(name: str, graph: gad.Graph, tmp_path: Path) -> None:
    for suffix in turn(STILLS, name, 6, 0):
        picture = graph.plot(layout="layered", depth=1)
        STILL_READERS[suffix](picture.save(tmp_path / f"p{suffix}", **scaled(suffix)))
    for suffix in turn(FILMS, name, 14, 1):
        film = graph.animate(steps="module", layout="layered")
        film = replace(film, film=replace(film.film, steps=(*film.film.steps[:2], *film.film.steps[-1:])))
        FILM_READERS[suffix](film.save(tmp_path / f"f{suffix}", **scaled(suffix)))
    for suffix in turn(SAVED, name, 6, 2):
        loaded = gad.Graph.load(graph.save(tmp_path / f"g{suffix}"))
        assert (loaded.node_list, loaded.edges, loaded.notices) == (graph.node_list, graph.edges, graph.notices)


def said_of(name: str) -> str:
    """In a word, what `check` says of one entry."""
    made = build(name)
    report = gad.trace(made.target, *made.args, **made.kwargs).check(capture=True)
    examined = report.coverage.examined == report.coverage.of
    return {True: "right" if examined else "partly examined", None: "not examined", False: "WRONG"}[report.ok]


def told(of: Callable[[str], str] = said_of) -> Iterator[str]:
    """A line for each family, and one for all."""
    counts = {family: Counter(of(f"{family}: {name}") for name in entries) for family, entries in FAMILIES.items()}
    for family, count in {**counts, "all": sum(counts.values(), Counter())}.items():
        yield f"{family:14} {count.total():4}  " + ", ".join(f"{word} {count[word]}" for word in sorted(count))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(*told(), sep="\n")
