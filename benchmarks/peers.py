"""Tools that draw models -> how long each takes, side by side: graphviz_ad, torchviz, torchview, TorchLens, torchvista.

    python benchmarks/peers.py                        # every tool that is installed, on every model; writes RESULTS.md
    python benchmarks/peers.py --models MLP --rounds 1 --no-write

Each cell is a process of its own that runs the model forward and backward (the median of five is the unit), has the
tool make its graph of it, once, and write it to the disk as the tool does by default: as SVG, but for torchvista, whose
SVG is made by a browser, as HTML. What is measured is a user's first call. It is wall time, for some tools start
Graphviz' dot as a process of its own; so let the machine be quiet. Memory is the most that the process held while the
tool worked, looked at each 5 ms, beyond what it held before the model first ran; that of dot is not in it. Plain
forward and backward take some, too: a table of their own says how much, measured in the same processes.

They do not draw the same thing, and each is taken as it comes: torchviz draws the nodes of autograd without values;
torchview and torchvista the modules of a forward pass; TorchLens the operations of a forward pass, whose activations it
keeps; graphviz_ad the forward and the backward pass with values, gradients and local derivatives, folded to one page
("every box": not folded).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS, PICTURE = HERE / "RESULTS.md", HERE / "peers.svg"
TITLE = "## Beside other tools"
PATIENCE = 300  # seconds that a cell may take

Outcome = tuple[Any, Callable[[Path], Path]]  # a graph, and what writes it below a path


@dataclass(frozen=True)
class Cell:
    """What one tool took on one model: seconds but for the megabytes and the size of the file; ``trouble`` says why
    there is none.
    """

    plain: float = 0.0
    graph: float = 0.0
    file: float = 0.0
    megabytes: float = 0.0
    plain_megabytes: float = 0.0
    kilobytes: float = 0.0
    suffix: str = ""
    trouble: str = ""
    moments: tuple[float, ...] = ()  # when the plain runs began, when the tool did, and when it had finished


# --- models: a module that takes one tensor and gives a loss ---------------------------------------------------------


def mlp() -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(
                nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 1)
            )

        def forward(self, x: torch.Tensor) -> Any:
            return self.layers(x).pow(2).mean()

    return Model(), torch.randn(128, 64)


def lstm() -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.head = nn.LSTMCell(16, 32), nn.Linear(32, 1)

        def forward(self, x: torch.Tensor) -> Any:
            h = c = x.new_zeros(x.shape[1], 32)
            for row in x:
                h, c = self.cell(row, (h, c))
            return self.head(h).pow(2).mean()

    return Model(), torch.randn(20, 8, 16)


def resnet(side: int, **settings: Any) -> tuple[Any, Any]:
    import torch
    from torch import nn
    from transformers import ResNetConfig, ResNetForImageClassification

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = ResNetForImageClassification(ResNetConfig(**settings))

        def forward(self, image: torch.Tensor) -> Any:
            return self.net(pixel_values=image).logits.logsumexp(1).mean()

    return Model(), torch.randn(2, 3, side, side)


def language(kind: str, tokens: int) -> tuple[Any, Any]:
    import torch
    import transformers
    from torch import nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = getattr(transformers, f"{kind}Model")(getattr(transformers, f"{kind}Config")())

        def forward(self, ids: torch.Tensor) -> Any:
            return self.net(input_ids=ids).last_hidden_state.pow(2).mean()

    return Model(), torch.randint(0, 1000, (1, tokens))


MODELS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "MLP": mlp,
    "LSTMCell, 20 steps": lstm,
    "ResNet-18, 224²": lambda: resnet(224, hidden_sizes=[64, 128, 256, 512], depths=[2, 2, 2, 2], layer_type="basic"),
    "ResNet-152, 64²": lambda: resnet(64, depths=[3, 8, 36, 3]),
    "GPT-2 small, 128 tokens": lambda: language("GPT2", 128),
    "BERT-base, 32 tokens": lambda: language("Bert", 32),
}


# --- tools: a module and its input -> the graph, and how it is written -----------------------------------------------


def ours(boxes: int | None) -> Callable[[Any, Any], Outcome]:
    def made(model: Any, data: Any) -> Outcome:
        import graphviz_ad as gad

        graph: Any = gad.trace(model, data)
        _ = graph.node_list  # which is when it is made
        options = {} if boxes is None else {"boxes": boxes}
        return graph, lambda path: Path(graph.plot(**options).save(f"{path}.svg"))

    return made


def torchviz(model: Any, data: Any) -> Outcome:
    dot = importlib.import_module("torchviz").make_dot(model(data), params=dict(model.named_parameters()))
    return dot, lambda path: Path(dot.render(str(path), format="svg"))


def torchview(model: Any, data: Any) -> Outcome:
    graph = importlib.import_module("torchview").draw_graph(model, input_data=data)
    return graph, lambda path: Path(graph.visual_graph.render(str(path), format="svg"))


def torchlens(model: Any, data: Any) -> Outcome:
    trace = importlib.import_module("torchlens").trace(model, data)

    def written(path: Path) -> Path:
        trace.draw(vis_outpath=str(path), vis_fileformat="svg", vis_save_only=True)
        return path.with_suffix(".svg")

    return trace, written


def torchvista(model: Any, data: Any) -> Outcome:
    """One call that makes both; the graph alone is not to be had."""

    def written(path: Path) -> Path:
        importlib.import_module("torchvista").trace_model(model, data, export_format="html", export_path=f"{path}.html")
        return path.with_suffix(".html")

    return None, written


TOOLS: dict[str, Callable[[Any, Any], Outcome]] = {
    "graphviz_ad": ours(None),
    "graphviz_ad, every box": ours(1_000_000),
    "torchviz": torchviz,
    "torchview": torchview,
    "torchlens": torchlens,
    "torchvista": torchvista,
}


COLOURS = ("#0b62a8", "#7db5de", "#444444", "#777777", "#a5a5a5", "#cfcfcf")  # ours are blue


# --- one cell, in a process of its own -------------------------------------------------------------------------------


def cell(tool: str, model: str, folder: str) -> Cell:
    """Run the model, then the tool on it."""
    import torch

    importlib.import_module(tool.partition(",")[0])
    torch.manual_seed(0)
    torch.set_num_threads(1)
    module, data = MODELS[model]()
    begin = time.monotonic()
    plain = statistics.median(timed(lambda: module(data).backward())[0] for _ in range(5))
    module.zero_grad()
    middle = time.monotonic()
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        graph, (_, write) = timed(lambda: TOOLS[tool](module, data))
        file, path = timed(lambda: write(Path(folder) / "model"))
    size = path.stat().st_size / 1000
    moments = (begin, middle, time.monotonic())
    return Cell(plain, graph, file, kilobytes=size, suffix=path.suffix, moments=moments)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what came of it."""
    start = time.perf_counter()
    made = work()
    return time.perf_counter() - start, made


def apart(tool: str, model: str) -> Cell:
    """A cell, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--cell", tool, model, folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder) as child:
            held = Held(child.pid)
            try:
                out, err = child.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                child.kill()
                return Cell(trouble=f"> {PATIENCE} s")
            finally:
                held.ended.set()
                held.join()
    lines = out.strip().splitlines()
    if child.returncode or not lines:
        return Cell(trouble=(err.strip().splitlines() or ["nothing"])[-1].partition(":")[0])
    found = Cell(**json.loads(lines[-1]))
    begin, middle, end = found.moments
    before = held.most(0, begin)
    return replace(found, megabytes=held.most(middle, end) - before, plain_megabytes=held.most(begin, middle) - before)


class Held(threading.Thread):
    """How much memory a process holds, each 5 ms, by the clock that all processes share."""

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self.ended, self.seen = threading.Event(), [(0.0, 0.0)]
        self._file = Path(f"/proc/{process}/statm")
        self.start()

    def run(self) -> None:
        """Look until it has ended."""
        page = resource.getpagesize() / 2**20
        while not self.ended.wait(0.005):
            with contextlib.suppress(OSError, IndexError):  # it may end while it is looked at
                self.seen.append((time.monotonic(), int(self._file.read_text().split()[1]) * page))

    def most(self, begin: float, end: float) -> float:
        """The most MB in a stretch of time."""
        return max((held for moment, held in self.seen if begin <= moment <= end), default=0.0)


# --- tables ----------------------------------------------------------------------------------------------------------

Rows = dict[str, dict[str, list[Cell]]]


def measured(tools: Iterable[str], models: Iterable[str], rounds: int) -> Rows:
    """Every cell ``rounds`` times, the tools taking turns."""
    tools = list(tools)
    rows: Rows = {}
    for model in models:
        rows[model] = {tool: [] for tool in tools}
        for _ in range(rounds):
            for tool in tools:
                rows[model][tool].append(found := apart(tool, model))
                print(f"{model:<26}{tool:<26}", found.trouble or asdict(found), flush=True)
    return rows


def spread(cells: Sequence[Cell], number: Callable[[Cell], float], digits: int) -> str:
    """A median with the least and the most, or why there is none."""
    if trouble := next((one.trouble for one in cells if one.trouble), ""):
        return trouble
    values = sorted(map(number, cells))
    middle = f"{statistics.median(values):.{digits}f}"
    ends = f" ({values[0]:.{digits}f} to {values[-1]:.{digits}f})"
    return middle + (ends if len(values) > 1 else "")


MEASURES: tuple[tuple[str, Callable[[Cell], float], int], ...] = (
    ("To the graph, plain forward and backward = 1", lambda one: one.graph / one.plain, 1),
    ("To the file on the disk, graph included, seconds", lambda one: one.graph + one.file, 2),
    ("Memory beyond the model at rest, MB", lambda one: one.megabytes, 0),
    ("The same of plain forward and backward, MB", lambda one: one.plain_megabytes, 0),
    ("The file, kB", lambda one: one.kilobytes, 0),
)


def chapter(rows: Rows, versions: Mapping[str, str], rounds: int) -> str:
    """What RESULTS.md says."""
    tools = list(next(iter(rows.values())))
    processes = "one process" if rounds == 1 else f"{rounds} processes"
    lines = [
        TITLE,
        "",
        f"`python benchmarks/peers.py`, {processes} a cell, one thread: the median, in brackets the least and"
        f" the most. {', '.join(f'{name} {version}' for name, version in versions.items())}; {os.cpu_count()} cores.",
        "What each tool draws is not the same; the head of benchmarks/peers.py says what.",
        "torchvista makes graph and file in one call, and its file is HTML.",
        "",
        f"![Seconds from a model to a file on the disk, by tool]({PICTURE.name})",
    ]
    for title, number, digits in MEASURES:
        lines += ["", f"{title}:", "", "| model | " + " | ".join(tools) + " |", "|---" * (len(tools) + 1) + "|"]
        lines += [
            f"| {model} | " + " | ".join(told(tool, title, cells, number, digits) for tool, cells in row.items()) + " |"
            for model, row in rows.items()
        ]
    return "\n".join(lines) + "\n"


def told(tool: str, title: str, cells: Sequence[Cell], number: Callable[[Cell], float], digits: int) -> str:
    """An entry; torchvista has no graph apart from its file."""
    apart_from_file = not (tool == "torchvista" and title == MEASURES[0][0])
    return spread(cells, number, digits) if apart_from_file else "-"


def drawn(rows: Rows, path: Path) -> None:
    """Seconds to the file as bars."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "peers"
    from matplotlib import pyplot

    tools = list(next(iter(rows.values())))
    figure, axes = pyplot.subplots(figsize=(9, 1.1 * len(rows) + 1), layout="constrained")
    height = 0.8 / len(tools)
    colours = dict(zip(TOOLS, COLOURS, strict=True))
    for index, tool in enumerate(tools):
        places = [row + index * height for row in range(len(rows))]
        cells = [row[tool] for row in rows.values()]
        widths = [
            0 if any(c.trouble for c in one) else statistics.median(c.graph + c.file for c in one) for one in cells
        ]
        bars = axes.barh(places, widths, height, label=tool, color=colours[tool])
        axes.bar_label(bars, [f"{width:.2g}" if width else "" for width in widths], padding=2, fontsize=7)
    axes.set_yticks([row + 0.4 - height / 2 for row in range(len(rows))], list(rows))
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("seconds from the model to a file on the disk (logarithmic; shorter is better)")
    axes.margins(x=0.1)
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(path, metadata={"Date": None})


def replaced(text: str, chapter: str) -> str:
    """RESULTS.md with this chapter instead of the one that it had."""
    pattern = re.compile(rf"^{re.escape(TITLE)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    if pattern.search(text):
        return pattern.sub(lambda _: f"{chapter}\n", text).rstrip() + "\n"
    return f"{text.rstrip()}\n\n{chapter}"


def installed(tools: Iterable[str]) -> dict[str, str]:
    """Packages of these tools that are here, with their versions."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in dict.fromkeys(["torch", *(tool.partition(",")[0] for tool in tools)]):
        try:
            importlib.import_module(package)
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "of this tree"
        except ImportError:
            print(f"{package} is not installed here, and is left out", file=sys.stderr)
    return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS), metavar="MODEL")
    arguments.add_argument("--tools", nargs="+", choices=TOOLS, default=list(TOOLS), metavar="TOOL")
    arguments.add_argument("--no-write", action="store_true", help="print only")
    arguments.add_argument("--cell", nargs=3, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.cell:
        print(json.dumps(asdict(cell(*chosen.cell))))
        return
    versions = installed(chosen.tools)
    rows = measured([t for t in chosen.tools if t.partition(",")[0] in versions], chosen.models, chosen.rounds)
    text = chapter(rows, versions, chosen.rounds)
    print(text)
    if not chosen.no_write:
        RESULTS.write_text(replaced(RESULTS.read_text("utf-8"), text), "utf-8")
        drawn(rows, PICTURE)


if __name__ == "__main__":
    main()
