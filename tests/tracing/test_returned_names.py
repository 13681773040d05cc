"""What a module of torch's own returns is called as the variable that takes it, where there is no doubt which result
that is.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import graphviz_ad as gad
from graphviz_ad._internal.graph.graph_files import from_json

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


# --- the names of the caller, beside those of the callee


class Coder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(4, 4), nn.Linear(2, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        m, v = self.encoder(x).chunk(2, -1)
        return self.decoder(m + v.exp()), m, v


class Generator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.main = nn.Sequential(nn.Linear(2, 4), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        output = self.main(z)
        return output


def norm_told(graph: gad.Graph, name: str) -> str:
    return graph.why(name).partition(" of norm ")[2].partition(":")[0]


def test_what_a_module_returned_is_found_by_the_names_of_the_caller() -> None:
    coder, x = Coder(), torch.randn(3, 4)
    with gad.record(coder) as recorded:
        recon, mu, logvar = coder(x)
        for kept in (recon, mu, logvar):
            kept.retain_grad()
        loss = functional.mse_loss(recon, x) - (1 + logvar - mu**2 - logvar.exp()).sum()
        loss.backward()
    for name, kept in (("recon", recon), ("mu", mu), ("logvar", logvar), ("m", mu), ("v", logvar)):
        assert norm_told(recorded.graph, name) == f"{kept.grad.norm().item():.4g}", name
    again = from_json(recorded.graph.to_json())
    assert again.why("mu") == recorded.graph.why("mu")


def test_all_results_of_a_recurrent_network_have_their_names() -> None:
    lstm, x = nn.LSTM(3, 4), torch.randn(2, 1, 3)
    with gad.record(lstm) as recorded:
        out, (h, c) = lstm(x)
        for kept in (out, h, c):
            kept.retain_grad()
        loss = out.sum() + 2 * h.sum() + 3 * c.sum()
        loss.backward()
    for name, kept in (("h", h), ("c", c)):
        assert f"The gradient of {name} is {kept.grad.int().tolist()}" in recorded.graph.why(name)
    assert recorded.graph.find("out").ports[0].name == "out"


def test_parts_of_results_tell_the_name_of_the_whole() -> None:
    model = nn.Sequential(nn.Linear(4, 2))
    with gad.record() as recorded:
        probs, value = torch.softmax(model(torch.randn(3, 4)), -1), 2
        (probs[:, 0].log() * value).sum().backward()
    assert recorded.graph.find("probs").op == "softmax"


def test_a_result_has_the_name_of_the_caller_beside_that_in_the_module() -> None:
    generator = Generator()
    with gad.record(generator) as recorded:
        fake = generator(torch.randn(3, 2))
        loss = nn.Linear(4, 1)(fake).mean()
        loss.backward()
    assert recorded.graph.find("fake") is recorded.graph.find("output")
    assert recorded.graph.find("fake").op == "tanh"


def test_a_loop_over_results_names_each_by_its_variable_and_the_round() -> None:
    w = torch.ones(3, requires_grad=True)
    with gad.record() as recorded:
        total = 0.0
        for part in (w * 2).unbind():
            total = total + part * part
        total.backward()
    (unbound,) = (node for node in recorded.graph.node_list if node.op == "unbind")
    assert [port.name for port in unbound.ports] == ["part₀", "part₁", "part₂"]


def test_a_result_of_several_is_called_as_it_is_read_whatever_the_method_runs_as() -> None:
    two = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])

    def encoded(x: Tensor) -> tuple[Tensor, Tensor]:
        return two[0](x), two[1](x)

    with gad.record(two) as recorded:
        mu, logvar = encoded(torch.ones(1, 2))
        (mu.exp() + logvar.square()).sum().backward()
    assert [recorded.graph.find(name).op for name in ("mu", "logvar")] == ["linear", "linear"]


def test_what_stands_in_several_variables_is_found_by_each() -> None:
    generator, noise = Generator(), torch.randn(3, 2)
    with gad.record(generator) as recorded:
        fake = generator(noise)
        second = fake
        third = second
        shifted = fake * 3
        moved = shifted  # noqa: F841
        (loss,) = [third.sum() + shifted.sum()]
        loss.backward()
    for name in ("fake", "second", "third", "output"):
        assert recorded.graph.find(name).op == "tanh", name
    assert recorded.graph.find("moved").op == "mul" == recorded.graph.find("shifted").op
    assert recorded.graph.find("loss").op == "add"


def test_a_variable_that_is_set_anew_is_no_other_name() -> None:
    x = torch.ones(2, requires_grad=True)
    with gad.record() as recorded:
        first = x * 2
        other = first
        other = other + 1
        other.sum().backward()
    assert recorded.graph.find("first").op == "mul"
    assert recorded.graph.find("other").op == "add"


def test_what_requires_grad_hands_back_is_called_as_the_variable_that_takes_it() -> None:
    layer = nn.Linear(2, 1)
    with gad.record(layer) as recorded:
        mixed = (torch.ones(3, 2) * 2).requires_grad_()
        marked = (torch.ones(3, 2) * 3).requires_grad_(True)
        (layer(mixed) + layer(marked)).sum().backward()
    assert [recorded.graph.find(name).op for name in ("mixed", "marked")] == ["mul", "mul"]


def test_what_is_computed_while_an_object_is_made_has_not_the_name_of_the_object() -> None:
    mean = torch.zeros(2, requires_grad=True)
    with gad.record() as recorded:
        normal = torch.distributions.Normal(mean, torch.ones(2))
        normal.log_prob(torch.ones(2)).sum().backward()
    assert [node.op for node in recorded.graph.node_list if node.name == "normal"] == []
