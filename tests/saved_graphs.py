"""Saved graphs of every kind that there is, and changes of them: what a file may look like that was damaged, or
written by hand.

Each change is drawn with a seed, so that a file that makes trouble can be made again.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import torch
from torch import Tensor, nn

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import GraphvizADError
from graphviz_ad._internal.graph import graph_files
from graphviz_ad._internal.graph.graph import CUTS, KINDS, Graph
from graphviz_ad._internal.graph.notice_sentences import SENTENCES
from graphviz_ad._internal.graph.transforms import collapse_modules
from graphviz_ad._internal.ranks.merging import merge

OLD = Path(__file__).parent / "graph" / "version_1"
Path_ = tuple[str | int, ...]


# --- files of several kinds


def several_passes() -> Graph:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with gad.record() as recording:
        (x.sin() * x).sum().backward()
        (x * 3).sum().backward()
    return recording.graph


def failed() -> Graph:
    def program(x: Tensor) -> Tensor:
        y = x.exp()
        raise ValueError(f"odd: {y.shape}")

    with suppress(ValueError), gad.record() as recording:
        program(torch.tensor([1.0, 2.0], requires_grad=True))
    return recording.graph


def network() -> Graph:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.LayerNorm(4), nn.Linear(4, 2))
    return gad.trace(model, torch.randn(2, 3))


def written_in_place(x: Tensor) -> Tensor:
    y = x * 2
    y[0] = 5
    return torch.where(y > 1, y.log(), y.detach()).sum() + torch.empty(3)[:2].sum() * 0


PROGRAMS: dict[str, Callable[[], Graph]] = {
    "scalars": lambda: gad.trace(lambda x, y: (x + y) * x.sin(), 2.0, 3.0),
    "plain numbers": lambda: gad.trace(lambda x, y: x * y + x**2, gad.ADNumber(2.0), gad.ADNumber(3.0)),
    "special numbers": lambda: gad.trace(
        lambda x: torch.where(x > 0, torch.sqrt(x), 1 / x), torch.tensor([0.0, 4.0, -0.0], requires_grad=True)
    ),
    "complex": lambda: gad.trace(lambda x: (x * x).abs().sum(), torch.tensor([1 + 2j, 3j], requires_grad=True)),
    "several results": lambda: gad.trace(
        lambda x: torch.split(x, [1, 2])[1] * x.max(0).indices, torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    ),
    "written in place": lambda: gad.trace(written_in_place, torch.tensor([1.0, 2.0, 3.0], requires_grad=True)),
    "network": network,
    "folded": lambda: collapse_modules(network()),
    "summaries": lambda: gad.trace(lambda x: (x * x).sum(), torch.linspace(-1, 1, 300).requires_grad_()),
    "summarised truth values": lambda: gad.trace(
        lambda x: ((x > 0) * x).sum(), torch.linspace(-1, 1, 300).requires_grad_()
    ),
    "several passes": several_passes,
    "failed": failed,
}


def saved_graphs() -> dict[str, str]:
    """The text of a file of each kind, those of version 1 among them."""
    found = {name: program().to_json() for name, program in PROGRAMS.items()}
    found |= {f"version 1: {path.stem}": path.read_text("utf-8") for path in sorted(OLD.glob("*.json"))}
    ranks = [Graph.load(OLD / f"rank{rank}.json") for rank in (0, 1)]
    return found | {
        "rank": ranks[0].to_json(),
        "merged": merge(ranks).to_json(),
        "merged folded": Graph.load(OLD / "merged.json").to_json(),
    }


# --- changes


def places(data: Any, here: Path_ = ()) -> Iterator[Path_]:
    """Where there is something in the data."""
    parts = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for name, part in parts:
        yield (*here, name)
        yield from places(part, (*here, name))


def at(data: Any, place: Path_) -> Any:
    for name in place:
        data = data[name]
    return data


WORDS = [
    "banana",
    "",
    "n0",
    "n1",
    "n99",
    "NaN",
    "Infinity",
    "x",
    "\ud800",
    "\x00",
    "a" * 300,
    *KINDS,
    *CUTS,
    "exact",
    "guess",
    "float32",
    "int64",
    "<f4",
    "<i8",
    "O",
    *SENTENCES,
]
NUMBERS = [
    0,
    1,
    -1,
    2,
    7,
    10**9,
    2**31,
    2**63 - 1,
    2**63,
    10**30,
    10**400,
    -(10**12),
    0.5,
    1e308,
    -0.0,
    1e-320,
    float("nan"),
    float("inf"),
    float("-inf"),
]
OTHERS = [
    None,
    True,
    False,
    [],
    {},
    [[]],
    [0],
    {"": 0},
    [None],
    {"number": "NaN"},
    {"word": "mean"},
    {"re": 1, "im": "NaN"},
]


def odd(random_: random.Random) -> Any:
    """Something that is not wanted."""
    return copy.deepcopy(random_.choice(random_.choice([WORDS, NUMBERS, OTHERS])))


def remove(data: Any, place: Path_, random_: random.Random) -> None:
    del at(data, place[:-1])[place[-1]]


def double(data: Any, place: Path_, random_: random.Random) -> None:
    home = at(data, place[:-1])
    if isinstance(home, list):
        home.insert(random_.randrange(len(home) + 1), copy.deepcopy(home[int(place[-1])]))
    else:
        home[random_.choice(["surprise", "cut", "kind", "name", "grad", "value", "data", "shape"])] = copy.deepcopy(
            home[place[-1]]
        )


def retype(data: Any, place: Path_, random_: random.Random) -> None:
    value = at(data, place)
    new = [str(value), [value], {"value": value}, None, bool(value), len(str(value))]
    at(data, place[:-1])[place[-1]] = random_.choice(new)


def replace(data: Any, place: Path_, random_: random.Random) -> None:
    at(data, place[:-1])[place[-1]] = odd(random_)


def swap(data: Any, place: Path_, random_: random.Random) -> None:
    other = random_.choice([p for p in places(data) if p[: len(place)] != place and place[: len(p)] != p] or [place])
    one, two = at(data, place), at(data, other)
    at(data, place[:-1])[place[-1]], at(data, other[:-1])[other[-1]] = two, one


def same_kind(data: Any, place: Path_, random_: random.Random) -> None:
    """What stands in a field of the same name elsewhere: right by its type, and wrong here."""
    others = [p for p in places(data) if p[-1] == place[-1] and p != place] or [place]
    at(data, place[:-1])[place[-1]] = copy.deepcopy(at(data, random_.choice(others)))


def nudge(data: Any, place: Path_, random_: random.Random) -> None:
    value = at(data, place)
    if isinstance(value, bool):
        at(data, place[:-1])[place[-1]] = not value
    elif isinstance(value, (int, float)):
        at(data, place[:-1])[place[-1]] = random_.choice([value + 1, value - 1, -value, value * 10**6, value * 0])
    elif isinstance(value, list):
        random_.shuffle(value) if random_.random() < 0.5 else value.append(odd(random_))
    elif isinstance(value, str):
        at(data, place[:-1])[place[-1]] = random_.choice([value + "s", value[1:], value.upper(), value * 2])
    else:
        replace(data, place, random_)


def rename(data: Any, place: Path_, random_: random.Random) -> None:
    home = at(data, place[:-1])
    if isinstance(home, dict):
        home[random_.choice(["surprise", "cut", "kind", "name", "grad", "detail", "notices", "number"])] = home.pop(
            place[-1]
        )
    else:
        replace(data, place, random_)


CHANGES: list[Callable[[Any, Path_, random.Random], None]] = [
    remove,
    double,
    retype,
    replace,
    swap,
    same_kind,
    nudge,
    rename,
]


def mutated(text: str, seed: int) -> str:
    """The file with one to three changes, which the seed decides."""
    random_, data = random.Random(seed), json.loads(text)
    for _ in range(random_.choice([1, 1, 1, 2, 3])):
        found = list(places(data))
        if not found:
            break
        names = sorted({str(place[-1]) for place in found})
        name = random_.choice(names)  # rare fields as often as frequent ones
        place = random_.choice([place for place in found if str(place[-1]) == name])
        random_.choice(CHANGES)(data, place, random_)
    return json.dumps(data)


def damaged_file(texts: dict[str, str], seed: int) -> tuple[str, str]:
    """A file that was changed, and its suffix: JSON, or GraphML that holds such JSON, or whose own text was changed."""
    random_ = random.Random(f"file {seed}")
    name = random_.choice(sorted(texts))
    text = mutated(texts[name], seed) if random_.random() < 0.9 else texts[name]
    if random_.random() < 0.7:
        return (text if random_.random() < 0.95 else torn(text, random_)), ".json"
    frame = graph_files.to_graphml(graph_files.from_json(texts[name]))
    held = ElementTree.fromstring(frame)
    for data in held.iter("{http://graphml.graphdrawing.org/xmlns}data"):
        if (data.text or "").startswith("{"):
            data.text = text
    frame = ElementTree.tostring(held, encoding="unicode")
    return (frame if random_.random() < 0.7 else torn(frame, random_)), ".graphml"


def torn(text: str, random_: random.Random) -> str:
    """A text of which a piece was lost, moved or written over."""
    start = random_.randrange(len(text))
    end = min(start + random_.choice([1, 1, 5, 40, 400]), len(text))
    return random_.choice(
        [
            text[:start] + text[end:],
            text[:end] + text[start:],
            text[:start],
            text[:start] + random_.choice('<>{}[]",:0xa') + text[end:],
        ]
    )


# --- every public method


def use(graph: Graph) -> None:
    """Call every public method; errors of ours, which say why something cannot be, are answers."""
    for call in CALLS:
        try:
            call(graph)
        except GraphvizADError as error:
            if not str(error):
                raise


def each_name(graph: Graph) -> list[str]:
    return list(
        dict.fromkeys([*(node.name for node in graph.node_list if node.name), *(node.key for node in graph.node_list)])
    )


def explain_each(graph: Graph) -> None:
    for name in dict.fromkeys(node.name or node.key for node in graph.node_list if node.kind == "leaf"):
        try:
            explanation = graph.explain(name)
            str(explanation)
        except GraphvizADError:
            continue


def ask_each(graph: Graph) -> None:
    for name in each_name(graph):
        try:
            graph.why(name)
            graph.find(name)
        except GraphvizADError:
            continue


def move_each(graph: Graph) -> None:
    for name in dict.fromkeys(node.name for node in graph.node_list if node.kind == "leaf" and node.name):
        try:
            moved = graph.tangents(name)
            str(moved)
        except GraphvizADError:
            continue


def merge_all(graph: Graph) -> None:
    again = merge([graph, gad.trace(lambda x: x * 2, 1.0)])
    graph_files.from_json(again.to_json())
    again.plot(layout="layered").to_svg()


def save_and_load(graph: Graph) -> None:
    again = graph_files.from_json(graph.to_json())
    assert again.to_json() == graph.to_json()
    graph_files.to_graphml(graph)


CALLS: list[Callable[[Graph], Any]] = [
    repr,
    lambda graph: graph.nx.number_of_nodes(),
    lambda graph: (graph.notices, graph.failures, graph.passes, graph.outputs, graph.memory and str(graph.memory)),
    lambda graph: [(port.bytes, node.settings, node.attributes()) for node in graph.node_list for port in node.ports],
    save_and_load,
    lambda graph: graph.plot(layout="layered").to_svg(),
    lambda graph: graph.plot(layout="layered", depth=1, theme="dark").to_svg(),
    lambda graph: graph.to_dot(),
    lambda graph: graph.animate(layout="layered").frame(0),
    lambda graph: str(graph.check()),
    lambda graph: str(graph.check(capture=True)),
    lambda graph: str(graph.mode_costs()),
    lambda graph: str(graph.compare_methods()),
    explain_each,
    ask_each,
    move_each,
    merge_all,
]
