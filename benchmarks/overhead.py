"""Forward and backward with tracing against without, interleaved in one run; prints ratios of CPU time.

    python benchmarks/overhead.py [--rounds 5] [--networks] [--long] [--peers] [--memory] [--table] [--spread]

Programs: a scalar function, a small MLP, chains of 1,000 and 10,000 scalar operations, in a function in float64 and in
a module in float32; ``--long``: a chain of 100,000; ``--networks``: a network of the size of ResNet-18 and one of the
size of GPT-2 small (needs transformers). Ways to run them: "recorded" is the program itself, forward and backward,
while its structure is recorded: how much it is slowed down. "structure" is `trace` with no number and no backward pass;
"everything" has all values, all gradients on nodes and edges and local derivatives, "full" copies big tensors, too. All
three are until `trace` returns: the program has run and all is noted, and the Graph is made when somebody first asks
for what it is made of. "+ graph" behind them is the same until that is there: what the first look at it costs is the
difference. "networkx" is "everything" until a networkx graph is there as well. ``--memory`` prints how much each way
adds to the peak of a process of its own. One thread; a ratio says how many times as long as plain forward and backward.

``--peers`` compares with TorchLens, if it is installed, on the modules among these and on a network of the size of
ResNet-152. It looks at the forward pass only, so that this is a table of its own: seconds of a plain forward pass, what
each way adds to it, the Graph made, and how many times as much TorchLens adds.

``--table`` prints the table of the README, of its programs and ways alone. ``--spread`` prints, on one thread and on
two, the median over the rounds of each ratio and its least and most, by the clock on the wall: so let the machine be
quiet. Its floor, for what has gradients of all nodes, is a dispatch mode and hooks that do nothing.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

import graphviz_ad as gad
from graphviz_ad._internal.tracing.assembly.autograd_graph import walk
from graphviz_ad._internal.tracing.tape.collector import at_rest

STRUCTURE = gad.Capture(values="none", gradients="none", local=False)
FULL = gad.Capture(values="full", gradients="full")


@dataclass(frozen=True)
class Program:
    name: str
    function: Callable[..., torch.Tensor]
    inputs: tuple[Any, ...]
    leaves: tuple[torch.Tensor, ...]
    module: torch.nn.Module | None = None


Way = Callable[[Program], float | None]


def chain(length: int) -> Callable[[torch.Tensor], torch.Tensor]:
    def run(x: torch.Tensor) -> torch.Tensor:
        for _ in range(length):
            x = torch.sin(x)
        return x

    return run


class Scaled(torch.nn.Module):
    """A chain of multiplications in a module."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length
        self.first = torch.nn.Parameter(torch.tensor(0.5))

    def forward(self) -> torch.Tensor:
        y = self.first
        for _ in range(self.length):
            y = y * 1.0001
        return y


def small_programs(longest: int) -> list[Program]:
    """A scalar function, an MLP, and chains."""
    x = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    mlp = torch.nn.Sequential(
        torch.nn.Linear(64, 256), torch.nn.ReLU(), torch.nn.Linear(256, 256), torch.nn.ReLU(), torch.nn.Linear(256, 1)
    )
    scaled = Scaled(10_000)
    lengths = [length for length in (1_000, 10_000, 100_000) if length <= longest]
    return [
        Program("scalar function", lambda x: (1 + torch.sin(x)) / (x + torch.exp(x)) + x * x, (x,), (x,)),
        Program("MLP", lambda batch: mlp(batch).pow(2).mean(), (torch.randn(128, 64),), tuple(mlp.parameters()), mlp),
        *(Program(f"chain of {length:,}", chain(length), (x,), (x,)) for length in lengths),
        Program("the same in a module", scaled, (), (scaled.first,), scaled),
    ]


def resnet(name: str, side: int = 224, **settings: Any) -> Program:
    from transformers import ResNetConfig, ResNetForImageClassification

    model = ResNetForImageClassification(ResNetConfig(**settings))
    image, label = torch.randn(1, 3, side, side), torch.tensor([1])
    return Program(
        name, lambda image: model(pixel_values=image, labels=label).loss, (image,), tuple(model.parameters()), model
    )


def networks() -> list[Program]:
    """Real architectures with random weights."""
    from transformers import GPT2Config, GPT2LMHeadModel

    gpt2 = GPT2LMHeadModel(GPT2Config(loss_type="ForCausalLMLoss"))
    tokens = torch.randint(0, 50257, (1, 128))
    return [
        resnet("ResNet-18-sized", hidden_sizes=[64, 128, 256, 512], depths=[2, 2, 2, 2], layer_type="basic"),
        Program(
            "GPT-2 small",
            lambda tokens: gpt2(input_ids=tokens, labels=tokens).loss,
            (tokens,),
            tuple(gpt2.parameters()),
            gpt2,
        ),
    ]


def deep_networks() -> list[Program]:
    """Networks of many small operations: what an operation costs counts, not what its numbers cost."""
    from transformers import BertConfig, BertForSequenceClassification

    bert = BertForSequenceClassification(BertConfig())
    tokens, label = torch.randint(0, 30_000, (1, 32)), torch.tensor([1])
    return [
        resnet("ResNet-152 at 64x64", side=64, depths=[3, 8, 36, 3]),
        Program(
            "BERT-base, 32 tokens",
            lambda tokens: bert(input_ids=tokens, labels=label).loss,
            (tokens,),
            tuple(bert.parameters()),
            bert,
        ),
    ]


def plain(program: Program) -> None:
    torch.autograd.grad(program.function(*program.inputs), program.leaves, allow_unused=True)


def recorded(program: Program, clock: Callable[[], float] = time.process_time) -> float:
    """Seconds of the program itself; the graph is made after it."""
    with gad.record(capture=STRUCTURE):
        start = clock()
        plain(program)
        taken = clock() - start
    return taken


class Empty(TorchDispatchMode):
    """A dispatch mode that does nothing."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation."""
        return func(*args, **kwargs) if kwargs else func(*args)


def floor(program: Program) -> None:
    """What it costs to be told of each operation and each gradient, without a look at them."""
    with Empty():
        output = program.function(*program.inputs)
    with at_rest():  # as `trace` does it
        graph = walk([output.grad_fn])
        handles = [node.register_hook(_looks_away) for node in graph.nodes]
        torch.autograd.grad(output, program.leaves, allow_unused=True)
        while handles:
            handles.pop().remove()
        del output
        graph.release()


def _looks_away(*gradients: Any) -> None:
    pass


def traced(program: Program, capture: gad.Capture) -> gad.Graph:
    return gad.trace(program.function, *program.inputs, capture=capture)


def noted(capture: gad.Capture) -> Way:
    """Until `trace` returns."""

    def way(program: Program) -> None:
        traced(program, capture)

    return way


def asked(capture: gad.Capture) -> Way:
    """Until somebody has looked at the Graph."""

    def way(program: Program) -> None:
        _ = traced(program, capture).node_list

    return way


def with_networkx(program: Program) -> None:
    _ = gad.trace(program.function, *program.inputs).nx


def forward(program: Program) -> None:
    program.function(*program.inputs)


def torchlens(program: Program) -> None:
    """TorchLens looks at modules, and at the forward pass only; it warns of running statistics, once."""
    import torchlens as tl

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tl.trace(program.module, program.inputs[0])


WAYS: dict[str, Way] = {
    "plain": plain,
    "floor": floor,
    "recorded": recorded,
    "structure": noted(STRUCTURE),
    "+ graph": asked(STRUCTURE),
    "everything": noted(gad.Capture()),
    "+ graph ": asked(gad.Capture()),
    "full": noted(FULL),
    "+ graph  ": asked(FULL),
    "networkx": with_networkx,
}
IN_TABLE = ("plain", "recorded", "structure", "everything", "+ graph ")  # of the README
SPREAD = ("floor", "recorded", "structure", "everything", "full")
FORWARD: dict[str, Way] = {
    "forward": forward,
    "structure": asked(STRUCTURE),
    "values": asked(gad.Capture(gradients="none", local=False)),
    "torchlens": torchlens,
}
ROWS = {
    "chain of 10,000": "a chain of 10,000 operations on one number",
    "the same in a module": "the same in a module, in float32",
    "ResNet-18-sized": "a network of the size of ResNet-18, 1×3×224×224",
    "GPT-2 small": "a network of the size of GPT-2 small, 128 tokens",
}


def seconds(program: Program, ways: Mapping[str, Way], rounds: int) -> dict[str, float]:
    """Least CPU time of each way, the ways taking turns; a way may say itself how long it took."""
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.process_time()
            taken = way(program)
            best[name] = min(best[name], time.process_time() - start if taken is None else taken)
    return best


def spread(program: Program, names: Iterable[str], rounds: int) -> dict[str, list[float]]:
    """Each way -> its ratios to plain forward and backward by the clock on the wall, one for each round, in order."""
    ratios: dict[str, list[float]] = {name: [] for name in names}
    plain(program)
    for _ in range(rounds):
        unit = _on_the_wall(plain, program)
        for name, found in ratios.items():
            found.append(_on_the_wall(WAYS[name], program) / unit)
    return {name: sorted(found) for name, found in ratios.items()}


def _on_the_wall(way: Way, program: Program) -> float:
    start = time.perf_counter()
    taken = recorded(program, time.perf_counter) if way is recorded else way(program)
    return time.perf_counter() - start if taken is None else taken


def table_of_spread(programs: Iterable[Program], rounds: int) -> None:
    """Print each ratio's median, least and most, on one thread and on two."""
    print("| | threads | " + " | ".join(SPREAD) + " |")
    print("|---" * (2 + len(SPREAD)) + "|")
    for program in programs:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found = spread(program, SPREAD, rounds).values()
            cells = [f"{statistics.median(one):.2f} ({one[0]:.2f} to {one[-1]:.2f})" for one in found]
            print(f"| {program.name} | {threads} | {' | '.join(cells)} |", flush=True)


def readme_table(programs: Iterable[Program], rounds: int) -> None:
    """Print the table of the README."""
    ways = {name: WAYS[name] for name in IN_TABLE}
    print("| | recorded | structure | everything | everything, and the graph looked at |")
    print("|---|---|---|---|---|")
    for program in programs:
        if program.name in ROWS:
            best = seconds(program, ways, rounds)
            ratios = [f"{best[name] / best['plain']:.2g}" for name in IN_TABLE[1:]]
            print(f"| {ROWS[program.name]} | {' | '.join(ratios)} |")


def beside_torchlens(programs: Iterable[Program], rounds: int) -> None:
    """Print what each way adds to a forward pass."""
    print(
        f"\n{'forward only':<18}{'plain, ms':>12}"
        + "".join(f"{'+ ' + name:>14}" for name in list(FORWARD)[1:])
        + "   torchlens adds"
    )
    for program in programs:
        best = seconds(program, FORWARD, rounds)
        added = {name: 1000 * (best[name] - best["forward"]) for name in list(FORWARD)[1:]}
        times = [f"{added['torchlens'] / added[name]:.1f} x {name}" for name in ("structure", "values")]
        print(
            f"{program.name:<18}{1000 * best['forward']:>12.2f}"
            + "".join(f"{one:>14.2f}" for one in added.values())
            + "   "
            + ", ".join(times)
        )


def peak(program: str, way: str) -> int:
    """Kilobytes at the peak of a process that does nothing else."""
    code = (
        f"import sys; sys.path.insert(0, {sys.path[0]!r}); import overhead; print(overhead.alone({program!r}, {way!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])


def alone(program: str, way: str) -> int:
    """Run one program one way and say how much memory this process has had."""
    torch.set_num_threads(1)
    chosen = next(one for one in [*small_programs(100_000), *networks()] if one.name == program)
    WAYS[way](chosen)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=5)
    for flag in ("--networks", "--long", "--peers", "--memory", "--table", "--spread"):
        arguments.add_argument(flag, action="store_true")
    chosen = arguments.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    programs = small_programs(100_000 if chosen.long else 10_000) + (networks() if chosen.networks else [])
    if chosen.spread:
        table_of_spread([*programs, *(deep_networks() if chosen.networks else [])], chosen.rounds)
        return
    if chosen.table:
        readme_table(programs, chosen.rounds)
        return
    print(f"{'program':<22}{'plain, ms':>10}" + "".join(f"{name.strip():>12}" for name in list(WAYS)[1:]))
    for program in programs:
        best = seconds(program, WAYS, chosen.rounds)
        print(
            f"{program.name:<22}{1000 * best['plain']:>10.2f}"
            + "".join(f"{best[name] / best['plain']:>12.2f}" for name in list(WAYS)[1:])
        )
    if chosen.peers:
        beside_torchlens(
            [*(one for one in programs if one.module is not None), resnet("ResNet-152-sized", depths=[3, 8, 36, 3])],
            chosen.rounds,
        )
    if chosen.memory:
        print(f"\n{'peak, MB':<22}" + "".join(f"{name.strip():>12}" for name in WAYS))
        for program in programs:
            print(f"{program.name:<22}" + "".join(f"{peak(program.name, name) / 1024:>12.0f}" for name in WAYS))


if __name__ == "__main__":
    main()
