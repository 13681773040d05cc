"""What a module of torch's own returns is called as the variable that takes it, where there is no doubt which result
that is.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import graphviz_ad as gad

layers = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2))
inplace = nn.Sequential(nn.Linear(2, 2), nn.ReLU(inplace=True))
normalized = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
cell = nn.RNNCell(2, 2)
attention = nn.MultiheadAttention(2, 1, batch_first=True)
encoder = nn.TransformerEncoderLayer(2, 1, 4, batch_first=True)
blocks = nn.ModuleList(nn.Sequential(nn.Linear(2, 2), nn.ReLU()) for _ in range(2))


def names_of_operations(function: Callable[..., Tensor], x: Tensor) -> list[tuple[str, str]]:
    return [(node.name, node.op or "") for node in gad.trace(function, x).node_list if node.kind == "op" and node.name]


def sequential(x: Tensor) -> Tensor:
    logits = layers(x)
    return logits.sum()


def twice(x: Tensor) -> Tensor:
    first = layers(x)
    second = layers(first)
    return second.sum()


def in_place(x: Tensor) -> Tensor:
    h = inplace(x)
    return h.sum()


def batch_statistics(x: Tensor) -> Tensor:
    h = normalized(x)
    return h.sum()


def recurrent(x: Tensor) -> Tensor:
    h = torch.zeros(1, 2)
    for row in x.split(1):
        h = cell(row, h)
    return h.sum()


def in_a_row(x: Tensor) -> Tensor:
    for block in blocks:
        x = block(x)
    return x.sum()


def one_of_two(x: Tensor) -> Tensor:
    y, _ = attention(x[None], x[None], x[None], need_weights=False)
    return y.sum()


def whole_layer(x: Tensor) -> Tensor:
    y = encoder(x[None])
    return y.sum()


class Block(nn.Module):
    """A module of the user's whose last line hands on what a module of torch's returns."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 2), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        """What the body makes of it."""
        return self.body(x)  # type: ignore[no-any-return]


block = Block()
around = nn.Sequential(Block(), Block())


def handed_on(x: Tensor) -> Tensor:
    h = block(x)
    return h.sum()


def users_inside_of_torchs(x: Tensor) -> Tensor:
    h = around(x)
    return h.sum()


NAMED = {
    sequential: [("logits", "linear")],
    twice: [("first", "linear"), ("second", "linear")],
    in_place: [("h", "relu_")],
    batch_statistics: [("h", "batch_norm")],
    recurrent: [("h", "rnn_tanh_cell")] * 3,
    in_a_row: [("x", "relu")] * 2,
    one_of_two: [("y", "transpose")],
    whole_layer: [("y", "layer_norm")],
    handed_on: [("h", "tanh")],
    users_inside_of_torchs: [("h", "tanh")],
}


@pytest.mark.parametrize("function", NAMED, ids=[function.__name__ for function in NAMED])
def test_what_a_module_of_torchs_returns_is_called_as_the_variable_that_takes_it(
    function: Callable[[Tensor], Tensor],
) -> None:
    x = torch.randn(3, 2, requires_grad=True)
    assert [each for each in names_of_operations(function, x) if each[0] != function.__name__] == NAMED[function]


def test_it_is_so_without_gradients_and_in_a_recording_of_several_steps() -> None:
    batches = [torch.randn(3, 2) for _ in range(2)]
    with gad.record(layers) as recorded:
        for batch in batches:
            logits = layers(batch)
            logits.sum().backward()
        with torch.no_grad():
            check = layers(batches[0])
    assert check.shape == (3, 2)
    names = [node.name for node in recorded.graph.node_list if node.op == "linear"]
    assert names == [None, "logits", None, "logits", None, "check"]


def test_two_results_that_could_be_meant_get_no_name() -> None:
    def both(x: Tensor) -> Tensor:
        pair = attention(x[None], x[None], x[None])
        return pair[0].sum() + pair[1].sum()  # type: ignore[no-any-return]

    assert "pair" not in [name for name, _ in names_of_operations(both, torch.randn(3, 2))]


def test_what_a_hook_computes_on_the_side_is_not_what_the_module_returned() -> None:
    watched, seen = nn.Sequential(nn.Linear(2, 2), nn.Tanh()), []
    watched[1].register_forward_hook(lambda module, given, result: seen.append(result.abs().mean()))

    def function(x: Tensor) -> Tensor:
        h = watched(x)
        return h.sum()  # type: ignore[no-any-return]

    assert ("h", "mean") not in names_of_operations(function, torch.randn(3, 2))


def test_what_reads_a_folded_module_calls_it_as_its_box_does() -> None:
    def function(x: Tensor) -> Tensor:
        logits = layers(x)
        return logits.exp().sum()

    assert "exp(layers)" in gad.trace(function, torch.randn(3, 2)).to_svg(depth=1).replace(" ", "")
