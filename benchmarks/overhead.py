"""Forward and backward with tracing against without, interleaved in one run; prints ratios of CPU time.

    python benchmarks/overhead.py [--rounds 5] [--networks]

Programs: a scalar function, a chain of 1,000 and 10,000 scalar operations, a small MLP; with ``--networks`` also a network of the size of
ResNet-18 and one of the size of GPT-2 small (needs transformers). Levels: structure only ("none"), and everything: summaries of
all values and gradients, local derivatives, the finished Graph and its networkx form.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

import graphviz_ad as gad


@dataclass(frozen=True)
class Program:
    name: str
    function: Callable[..., torch.Tensor]
    inputs: tuple[Any, ...]
    leaves: tuple[torch.Tensor, ...]


def programs(networks: bool) -> list[Program]:
    """What is measured."""
    x = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    mlp = torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.ReLU(), torch.nn.Linear(256, 256), torch.nn.ReLU(), torch.nn.Linear(256, 1))
    batch = torch.randn(128, 64)
    found = [
        Program("scalar function", lambda x: (1 + torch.sin(x)) / (x + torch.exp(x)) + x * x, (x,), (x,)),
        Program("chain of 1,000", chain(1_000), (x,), (x,)),
        Program("chain of 10,000", chain(10_000), (x,), (x,)),
        Program("MLP", lambda batch: mlp(batch).pow(2).mean(), (batch,), tuple(mlp.parameters())),
    ]
    return found + real_networks() if networks else found


def chain(length: int) -> Callable[[torch.Tensor], torch.Tensor]:
    def run(x: torch.Tensor) -> torch.Tensor:
        for _ in range(length):
            x = torch.sin(x)
        return x

    return run


def real_networks() -> list[Program]:
    from transformers import GPT2Config, GPT2LMHeadModel, ResNetConfig, ResNetForImageClassification

    resnet = ResNetForImageClassification(ResNetConfig(embedding_size=64, hidden_sizes=[64, 128, 256, 512], depths=[2, 2, 2, 2], layer_type="basic"))
    gpt2 = GPT2LMHeadModel(GPT2Config())
    tokens = torch.randint(0, 50257, (1, 128))
    image, label = torch.randn(1, 3, 224, 224), torch.tensor([1])
    return [
        Program("ResNet-18-sized", lambda image: resnet(pixel_values=image, labels=label).loss, (image,), tuple(resnet.parameters())),
        Program("GPT-2 small", lambda tokens: gpt2(input_ids=tokens, labels=tokens).loss, (tokens,), tuple(gpt2.parameters())),
    ]


def plain(program: Program) -> None:
    torch.autograd.grad(program.function(*program.inputs), program.leaves, allow_unused=True)


def structure(program: Program) -> None:
    gad.trace(program.function, *program.inputs, capture=gad.Capture(values="none", local=False))


def everything(program: Program) -> None:
    _ = gad.trace(program.function, *program.inputs).nx


WAYS: dict[str, Callable[[Program], None]] = {"plain": plain, "structure": structure, "everything": everything}


def seconds(program: Program, rounds: int) -> dict[str, float]:
    """Least CPU time of each way, the ways taking turns."""
    best = dict.fromkeys(WAYS, float("inf"))
    for _ in range(rounds):
        for name, way in WAYS.items():
            start = time.process_time()
            way(program)
            best[name] = min(best[name], time.process_time() - start)
    return best


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--networks", action="store_true")
    chosen = arguments.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"{'program':<18}{'plain, ms':>12}{'structure':>12}{'everything':>12}")
    for program in programs(chosen.networks):
        best = seconds(program, chosen.rounds)
        ratios = "".join(f"{best[name] / best['plain']:>12.2f}" for name in ("structure", "everything"))
        print(f"{program.name:<18}{1000 * best['plain']:>12.2f}{ratios}")


if __name__ == "__main__":
    main()
