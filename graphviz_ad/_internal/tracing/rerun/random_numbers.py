"""Generators of random numbers of the process -> their states, and runs that all begin in the same ones."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

States = Mapping[str, Tensor]  # device -> the state of torch's generator there


def random_states() -> States:
    """Those of torch's generators that have been used."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        states |= {f"cuda:{i}": torch.cuda.get_rng_state(i) for i in range(torch.cuda.device_count())}
    return states


def states_differ(some: States, others: States) -> bool:
    """Whether random numbers were drawn between two states."""
    return some.keys() != others.keys() or any(not torch.equal(some[device], others[device]) for device in some)


@contextmanager
def beginning_in(states: States) -> Iterator[None]:
    """What runs in here draws the numbers that come after these states; afterwards all generators, those of Python
    and numpy, too, are as they were before.
    """
    before, pythons, numpys = random_states(), random.getstate(), np.random.get_state()
    try:
        set_random_states(states)
        yield
    finally:
        set_random_states(before)
        random.setstate(pythons)
        np.random.set_state(numpys)


def set_random_states(states: States) -> None:
    """Put torch's generators into these states."""
    for device, state in states.items():
        if device == "cpu":
            torch.set_rng_state(state)
        else:
            torch.cuda.set_rng_state(state, device)
