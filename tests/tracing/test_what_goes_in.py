"""What a program is given: names that its user wrote down, numbers that become tensors, and what stays as it is."""

from __future__ import annotations

import torch
from torch import nn

import graphviz_ad as gad

# --- names that the user wrote down


def test_names_given_to_make_dot_are_kept_whatever_they_begin_with() -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1))
    compiled = torch.compile(net, backend="eager")
    given = dict(compiled.named_parameters())
    assert all(name.startswith("_") for name in given)
    source = gad.make_dot(net(torch.ones(2, 4)).sum(), params=given).source
    assert [name for name in given if name not in source] == []


def test_a_name_that_is_given_to_an_adnumber_is_kept_whatever_it_begins_with() -> None:
    x = gad.ADNumber(2.0)
    graph = gad.trace(lambda _x: _x * _x, x)
    assert graph.find("_x").grad.item() == 4
