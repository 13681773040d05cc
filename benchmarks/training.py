"""Steps of a training, with `record(model, every=…)` around them and without; prints ratios of CPU time.

    python benchmarks/training.py [--width 768] [--rounds 12] [--tokens 128] [--heads 12] [--layers 12]

The model has the shape of GPT-2 small (12 layers, 768 wide, tied embeddings of 50,257 tokens) and is trained by AdamW.
Three kinds of steps take turns, so that whatever else the machine does meets all of them: a plain one; one that is
looked at, with all that comes with it, from the norms to how far the step went; and one between two looks, inside of a
recording that is open. Ratios are of medians. "every=1" is the ratio of those that are looked at, "every=100" what one
of them and 99 of those in between come to. One thread.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack

import torch
from torch import Tensor, nn
from torch.nn import functional

import graphviz_ad as gad

VOCABULARY = 50_257


class Block(nn.Module):
    """Attention and two linear layers, each added to what came in."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention, self.projection = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.rise, self.fall = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        rows, tokens, width = x.shape
        parts = self.attention(self.ln_1(x)).split(width, 2)
        q, k, v = (part.view(rows, tokens, self.heads, -1).transpose(1, 2) for part in parts)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.projection(mixed.transpose(1, 2).reshape(rows, tokens, width))
        return x + self.fall(functional.gelu(self.rise(self.ln_2(x))))


class Language(nn.Module):
    """GPT-2, as far as its cost goes."""

    def __init__(self, width: int, layers: int, heads: int, tokens: int) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(VOCABULARY, width), nn.Embedding(tokens, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.ln = nn.LayerNorm(width)
        self.head = nn.Linear(width, VOCABULARY, bias=False)
        self.head.weight = self.words.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.words(tokens) + self.places.weight
        scores = self.head(self.ln(self.blocks(x)))
        return functional.cross_entropy(scores[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())


def seconds(call: Callable[[], None]) -> float:
    """CPU time of a call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in (("width", 768), ("layers", 12), ("heads", 12), ("tokens", 128), ("rounds", 12)):
        arguments.add_argument(f"--{name}", type=int, default=usual)
    chosen = arguments.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = Language(chosen.width, chosen.layers, chosen.heads, chosen.tokens)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    batch = torch.randint(0, VOCABULARY, (1, chosen.tokens))

    def step() -> None:
        optimizer.zero_grad()
        model(batch).backward()
        optimizer.step()

    def looked_at(count: int = 2) -> None:
        with gad.record(model, every=1):
            for _ in range(count):
                step()

    looked_at()  # the optimizer has its state by now, and the package has tried torch
    found: dict[str, list[float]] = {"plain": [], "looked at": [], "between": []}
    for _ in range(chosen.rounds):
        with ExitStack() as watched:
            found["plain"].append(seconds(step))
            watched.enter_context(gad.record(model, every=10**9))
            step()
            step()
            found["between"].append(seconds(step))
            watched.close()
            found["plain"].append(seconds(step))
            found["looked at"].append(seconds(looked_at) / 2)
    count = sum(p.numel() for p in model.parameters())
    plain, looked, between = (statistics.median(times) for times in found.values())
    spread = sorted(found["plain"])
    print(f"{count / 1e6:.0f} million parameters; a plain step takes {1000 * plain:.0f} ms", end="")
    print(f" ({1000 * spread[len(spread) // 4]:.0f} to {1000 * spread[3 * len(spread) // 4]:.0f}, the middle half)")
    print(f"{'every=1':<12}{looked / plain:.3f}")
    print(f"{'between':<12}{between / plain:.3f}")
    print(f"{'every=100':<12}{(looked + 99 * between) / 100 / plain:.4f}")


if __name__ == "__main__":
    main()
