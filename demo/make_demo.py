"""Write out/demo: the classic two-input function as picture, film and page, and two real networks, a slide each."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import graphviz_ad as gad

FOLDER = Path("out/demo")


def f(x1, x2):
    """The function of the demo; try your own."""
    return (1 + torch.sin(x2)) / (x2 + torch.exp(x1)) + x1 * x2


def resnet(**narrower: Any) -> gad.Graph:
    """A network of the size of ResNet-18, randomly initialised, on one image; or a narrower one."""
    from transformers import ResNetConfig, ResNetForImageClassification

    sizes = {"embedding_size": 64, "hidden_sizes": [64, 128, 256, 512], "num_labels": 1000} | narrower
    model = ResNetForImageClassification(ResNetConfig(depths=[2, 2, 2, 2], layer_type="basic", **sizes))

    def resnet18(image, label):
        return model(pixel_values=image, labels=label).loss

    return gad.trace(resnet18, torch.randn(1, 3, 224, 224), torch.tensor([7]))


def gpt2(**narrower: Any) -> gad.Graph:
    """A transformer of the size of GPT-2 small, randomly initialised, on 64 tokens; or a narrower one."""
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(GPT2Config(**narrower))
    tokens = torch.randint(0, model.config.vocab_size, (1, 64))

    def gpt2_small(tokens, targets):
        return model(input_ids=tokens, labels=targets).loss

    return gad.trace(gpt2_small, tokens, tokens.clone())


def made(what: str, make: Callable[[], Path]) -> None:
    """Make one file and say what it is, where, and how long it took."""
    start = time.perf_counter()
    path = make()
    print(
        f"  {path!s:<28} {path.stat().st_size / 1000:>6.0f} kB  {time.perf_counter() - start:>5.1f} s  {what}",
        flush=True,
    )


def main() -> int:
    """Make everything."""
    torch.manual_seed(0)
    FOLDER.mkdir(parents=True, exist_ok=True)
    print("f(x1, x2) = (1 + sin(x2)) / (x2 + exp(x1)) + x1*x2 at x1 = 1.5, x2 = 0.5")
    graph = gad.trace(f, 1.5, 0.5)
    for suffix, what in (
        ("svg", "every value, local derivative and gradient"),
        ("png", "the same for slides"),
        ("pdf", "the same for print"),
    ):
        made(what, lambda suffix=suffix: graph.save(FOLDER / f"function.{suffix}"))
    made("film of both passes", lambda: graph.save(FOLDER / "function.gif"))
    made("the film as a page to step through", lambda: graph.save(FOLDER / "function.html"))
    print("real networks, randomly initialised, one training step's forward and backward pass")
    try:
        from transformers.utils import logging

        logging.set_verbosity_error()
        made("ResNet-18-sized, on one slide", lambda: resnet().save(FOLDER / "resnet18.svg", fit="slide"))
        made("GPT-2-small-sized, on one slide", lambda: gpt2().save(FOLDER / "gpt2.svg", fit="slide"))
    except ImportError as error:
        print(f"  skipped: {error}; run: pip install 'graphviz-ad[demo]'", file=sys.stderr)
        return 1
    print(f"open {FOLDER}/function.html in a browser")
    return 0


if __name__ == "__main__":
    sys.exit(main())
