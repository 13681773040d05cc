"""Bytes that leaves take and that autograd keeps for the backward pass, against what is counted by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from needed_tools import needs_package
from programs import F64, leaf
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.utils.checkpoint import checkpoint

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import GraphFormatError
from graphviz_ad._internal.graph.calls import bytes_of
from graphviz_ad._internal.graph.graph import Graph, Memory, Node
from graphviz_ad._internal.tracing.capture import Capture

BATCH, IN, HIDDEN, OUT = 5, 3, 4, 2
PARAMETERS = (IN + 1) * HIDDEN + (HIDDEN + 1) * OUT


def perceptron(dtype: torch.dtype = F64, **where: Any) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(IN, HIDDEN, dtype=dtype, **where), nn.Tanh(), nn.Linear(HIDDEN, OUT, dtype=dtype, **where)
    )


def memory(function: Callable[..., Any], *inputs: Tensor, **options: Any) -> Memory:
    found = gad.trace(function, *inputs, **options).memory
    assert found is not None
    return found


@pytest.mark.parametrize(("dtype", "size"), [(torch.float64, 8), (torch.float32, 4), (torch.bfloat16, 2)], ids=str)
def test_a_perceptron_keeps_its_input_and_what_is_between_its_layers(dtype: torch.dtype, size: int) -> None:
    """The hidden layer is kept by tanh and by the second layer, and is one piece of memory; the transposed weights
    are those of the leaves.
    """
    found = memory(perceptron(dtype), torch.ones(BATCH, IN, dtype=dtype))
    assert found == Memory(leaves=PARAMETERS * size, saved=(BATCH * IN + BATCH * HIDDEN) * size, exact=True)


def test_an_input_that_requires_grad_is_a_leaf_and_not_kept_besides() -> None:
    found = memory(perceptron(), torch.ones(BATCH, IN, dtype=F64, requires_grad=True))
    assert found == Memory(leaves=(PARAMETERS + BATCH * IN) * 8, saved=BATCH * HIDDEN * 8)


@pytest.mark.parametrize(
    ("function", "leaves", "saved"),
    [
        (lambda x: x + 1, 8000, 0),
        (lambda x: x.exp(), 8000, 8000),  # its result
        (lambda x: x.sin(), 8000, 0),  # its operand, which is the leaf
        (lambda x: (-x).sin() * 3, 8000, 8008),  # and the number 3
        (lambda x: x.exp() * x.exp(), 8000, 16000),
        (lambda x: (y := x.exp()) * y, 8000, 8000),  # kept three times, and there once
        (lambda x: x * torch.ones(1, dtype=F64).expand(1000), 8000, 8),  # a thousand elements, of which there is one
        (lambda x: (-x)[:10].sin(), 8000, 8000),  # ten elements keep the memory of all alive
        (lambda x: (x > 0) * x, 8000, 1000),  # a byte for each truth value
    ],
)
def test_every_piece_of_memory_counts_once_and_whole(
    function: Callable[[Tensor], Tensor], leaves: int, saved: int
) -> None:
    assert memory(function, torch.ones(1000, dtype=F64, requires_grad=True)) == Memory(leaves, saved)


def test_what_one_operation_keeps_stands_at_its_node() -> None:
    traced = gad.trace(
        lambda x, w: (-(x @ w).tanh()).sum(),
        torch.ones(2, 3, dtype=F64, requires_grad=True),
        torch.ones(3, 4, dtype=F64),
    )
    assert {node.op: node.saved_bytes for node in traced.node_list if node.kind == "op"} == {
        "matmul": 96,
        "tanh": 64,
        "neg": 0,
        "sum": 0,
    }
    assert traced.memory == Memory(48, 96 + 64)


def test_a_call_keeps_what_is_not_known_where_that_is_so_of_a_part() -> None:
    known = Node("n1", "op", autograd=("A",), saved=("self",), saved_bytes=16)
    empty = Node("n2", "op", autograd=("A",), saved_bytes=0)
    untold, outside = (Node("n3", "op", autograd=("B",), cut=cut) for cut in (None, "unreached"))
    calls = [[known, empty], [known, untold], [empty, untold], [empty, outside]]
    assert [bytes_of(members) for members in calls] == [16, None, None, 0]


def test_a_tied_parameter_is_one_leaf_and_one_that_was_updated_too() -> None:
    layer = nn.Linear(3, 3, dtype=F64)
    assert memory(lambda x: layer(layer(x)), torch.ones(1, 3, dtype=F64)).leaves == 12 * 8
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    with gad.record(layer) as recorded:
        for _ in range(3):
            optimizer.zero_grad()
            layer(torch.ones(1, 3, dtype=F64)).sum().backward()
            optimizer.step()
    assert [done.memory.leaves for done in recorded.graph.passes if done.memory] == [12 * 8] * 3


def test_each_pass_of_a_training_keeps_its_own() -> None:
    network, x = perceptron(), torch.ones(BATCH, IN, dtype=F64)
    with gad.record(network) as recorded:
        for _ in range(3):
            network(x).sum().backward()
    assert [done.memory for done in recorded.graph.passes] == [
        Memory(PARAMETERS * 8, (BATCH * IN + BATCH * HIDDEN) * 8)
    ] * 3


@pytest.mark.parametrize("where", ["meta", "fake"])
def test_tensors_without_elements_have_the_same_memory(where: str) -> None:
    expected = memory(perceptron(), torch.ones(BATCH, IN, dtype=F64))
    if where == "meta":
        assert memory(perceptron(device="meta"), torch.ones(BATCH, IN, dtype=F64, device="meta")) == expected
    else:
        with FakeTensorMode():
            assert memory(perceptron(), torch.ones(BATCH, IN, dtype=F64)) == expected


def test_a_small_llama_has_the_memory_that_it_would_have() -> None:
    transformers = needs_package("transformers")
    size = transformers.LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        use_cache=False,
    )
    ids = torch.zeros(1, 8, dtype=torch.long)
    real = transformers.LlamaForCausalLM(size)
    expected = memory(lambda ids: real(input_ids=ids, labels=ids).loss, ids)
    with FakeTensorMode(allow_non_fake_inputs=True):
        fake = transformers.LlamaForCausalLM(size)
        ids = torch.zeros(1, 8, dtype=torch.long)
        traced = gad.trace(lambda ids: fake(input_ids=ids, labels=ids).loss, ids)
    assert traced.memory is not None
    assert traced.memory.leaves == expected.leaves == sum(p.numel() for p in real.parameters()) * 4
    assert traced.memory.saved == pytest.approx(expected.saved, rel=0.1)  # attention may run in another way
    assert traced.memory.saved > 0


# --- who keeps what, until when


def conv(inputs: int, outputs: int) -> nn.Module:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


MODELS: dict[str, Callable[[], tuple[nn.Module, Tensor]]] = {
    "perceptron": lambda: (perceptron(torch.float32), torch.ones(BATCH, IN)),
    "convolutions": lambda: (
        nn.Sequential(conv(2, 4), nn.ReLU(), nn.MaxPool2d(2), conv(4, 4), nn.SiLU(), nn.Flatten(), nn.Linear(64, 3)),
        torch.randn(2, 2, 8, 8),
    ),
    "batch norm": lambda: (nn.Sequential(conv(2, 4), nn.BatchNorm2d(4), nn.LeakyReLU()), torch.randn(4, 2, 8, 8)),
    "group norm": lambda: (nn.Sequential(conv(2, 4), nn.GroupNorm(2, 4), nn.ELU(1.0, True)), torch.randn(2, 2, 8, 8)),
    "dropout": lambda: (nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.4), nn.Sigmoid()), torch.randn(9, 6)),
    "embedding": lambda: (nn.Sequential(nn.Embedding(9, 6), nn.LayerNorm(6), nn.Linear(6, 9)), torch.arange(8)),
    "gated": lambda: (nn.Sequential(nn.Linear(6, 8), nn.GLU(), nn.Softplus(), nn.Linear(4, 2)), torch.randn(7, 6)),
    "softmax": lambda: (nn.Sequential(nn.Linear(6, 6), nn.Softmax(-1), nn.Linear(6, 2)), torch.randn(7, 6)),
    "transformer": lambda: (
        nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True, activation="gelu"), torch.randn(2, 5, 8)
    ),
    "upsampling": lambda: (
        nn.Sequential(nn.ConvTranspose2d(2, 3, 2, 2), nn.Hardswish(), nn.Upsample(scale_factor=2), conv(3, 1)),
        torch.randn(2, 2, 4, 4),
    ),
}  # fmt: skip


def seen_by_hooks(model: nn.Module, run: Callable[[], Tensor]) -> int:
    """Bytes that torch's own hooks are shown of what is kept, each piece of memory once; not of parameters."""
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    held: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda kept: held.append(kept) or kept, lambda kept: kept):
        _ = run()
    sizes = {kept.untyped_storage().data_ptr(): kept.untyped_storage().nbytes() for kept in held}
    return sum(size for where, size in sizes.items() if where not in own)


@pytest.mark.parametrize("name", MODELS)
def test_memory_is_what_the_hooks_of_torch_are_shown(name: str) -> None:
    torch.manual_seed(0)
    model, x = MODELS[name]()
    expected = seen_by_hooks(model, lambda: model(x).square().mean())
    with gad.record(model) as recorded:
        model(x).square().mean().backward()
    found = recorded.graph.memory
    assert found is not None
    assert found.saved == pytest.approx(expected, rel=0.05)
    assert sum(piece.bytes for piece in found.kept) == found.saved
    assert sum(found.by_module.values()) == sum(found.by_line.values()) == found.saved
    first, last = found.steps[0], found.steps[-1]
    assert (first.saved, first.gradients) == (found.saved, 0)
    assert (last.saved, last.gradients) == (0, found.leaves)
    assert [step.saved for step in found.steps] == sorted((step.saved for step in found.steps), reverse=True)


@pytest.mark.parametrize("place", [(0, 2), (1, 3), (2, 5), (0, 5)])
def test_what_a_checkpoint_would_spare_is_what_it_spares(place: tuple[int, int]) -> None:
    parts = [nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 8), nn.GELU(), nn.LayerNorm(8)]
    inner = nn.Sequential(*parts[slice(*place)])
    model = nn.Sequential(nn.Linear(6, 6), nn.Sigmoid(), *parts[: place[0]], inner, *parts[place[1] :], nn.GELU())
    at, x = 2 + place[0], torch.randn(9, 6)

    def spared(y: Tensor) -> Tensor:
        for part in model:
            y = checkpoint(part, y, use_reentrant=False) if part is inner else part(y)
        return y.sum()

    expected = seen_by_hooks(model, lambda: model(x).sum()) - seen_by_hooks(model, lambda: spared(x))
    with gad.record(model) as recorded:
        model(x).sum().backward()
    assert recorded.graph.memory is not None
    module = next(each for each in recorded.graph.memory.modules if each.name == str(at))
    assert module.spare == expected
    assert module.recomputed >= place[1] - place[0]
    assert module.name in recorded.graph.memory.table()


def test_who_pins_a_piece_and_until_when_is_told() -> None:
    traced = gad.trace(lambda x: ((y := x.exp()) * y.tanh()).sum(), torch.ones(100, dtype=F64, requires_grad=True))
    assert traced.memory is not None
    pieces = {tuple(keeper.op for keeper in piece.by): piece for piece in traced.memory.kept}
    shared = pieces["exp", "mul"]
    assert (shared.bytes, shared.until and shared.until.op) == (800, "exp")
    assert pieces["tanh", "mul"].made_by == next(node.key for node in traced.node_list if node.op == "tanh")
    assert traced.memory.peak == traced.memory.steps[0]
    assert str(shared).startswith("800 B kept by exp, mul until exp (test_memory.py:")


# --- what only the user's hooks know


def test_a_checkpoint_keeps_less_and_says_that_it_is_not_all() -> None:
    network, x = perceptron(), torch.ones(BATCH, IN, dtype=F64, requires_grad=True)
    plain = memory(lambda x: network(x).sum(), x)
    spared = memory(lambda x: checkpoint(network, x, use_reentrant=False).sum(), x)
    assert plain.exact
    assert not spared.exact
    assert spared.saved < plain.saved
    assert spared.leaves == plain.leaves
    assert str(spared).endswith(", at least 0 B saved for backward")


def test_a_reentrant_checkpoint_keeps_its_input_only() -> None:
    network, x = perceptron(), torch.ones(BATCH, IN, dtype=F64, requires_grad=True)
    spared = memory(lambda x: checkpoint(network, -x, use_reentrant=True).sum(), x)
    assert spared.saved == BATCH * IN * 8
    assert spared.exact


def test_what_hooks_of_the_user_pack_is_not_counted() -> None:
    def function(x: Tensor) -> Tensor:
        with torch.autograd.graph.saved_tensors_hooks(
            lambda kept: kept.to(torch.float16), lambda packed: packed.to(F64)
        ):
            y = x.exp()
        return y.exp().sum()

    found = memory(function, torch.ones(10, dtype=F64, requires_grad=True))
    assert (found.saved, found.exact) == (80, False)


def test_levels_of_capture_change_nothing_about_the_memory() -> None:
    network, x = perceptron(), torch.ones(BATCH, IN, dtype=F64)
    assert (
        len(
            {
                memory(network, x, capture=Capture(values=level, gradients=level))
                for level in ("none", "summary", "full")
            }
        )
        == 1
    )


@pytest.mark.parametrize(
    ("bytes_", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (26_954_000_000, "27 GB"), (1.5e15, "1.5e+03 TB")],
    ids=lambda thing: str(thing),
)
def test_bytes_are_readable(bytes_: float, text: str) -> None:
    assert str(Memory(int(bytes_), 8)) == f"leaves {text}, their gradients as much, 8 B saved for backward"


# --- files


def saved_and_loaded(traced: Graph, folder: Path) -> Graph:
    return gad.Graph.load(traced.save(folder / "graph.json"))


def test_memory_and_saved_bytes_and_what_arrived_come_back_from_a_file(tmp_path: Path) -> None:
    def function(x: Tensor) -> Tensor:
        y = x.exp()
        y.register_hook(lambda grad: grad * 10)
        return y.sum()

    traced = gad.trace(function, leaf(1, 2))
    again = saved_and_loaded(traced, tmp_path)
    assert again.memory == traced.memory == Memory(16, 16)
    for name in ("saved", "saved_bytes", "ports"):
        assert [getattr(node, name) for node in again.node_list] == [getattr(node, name) for node in traced.node_list]
    arrived = again.find("y").ports[0].arrived
    assert arrived is not None
    assert arrived.array is not None
    assert (arrived.array.tolist(), again.find("y").saved, again.find("y").saved_bytes) == ([1, 1], ("result",), 16)
    assert again.to_json() == traced.to_json()


def test_memory_that_is_not_exact_or_not_known_comes_back_as_such(tmp_path: Path) -> None:
    traced = gad.trace(lambda x: checkpoint(torch.exp, x, use_reentrant=False), leaf(1, 2))
    assert saved_and_loaded(traced, tmp_path).memory == traced.memory == Memory(16, 0, exact=False)
    assert saved_and_loaded(replace(traced, memory=None), tmp_path).memory is None


def test_every_pass_of_a_recording_comes_back(tmp_path: Path) -> None:
    x = leaf(1, 2)
    with gad.record() as recorded:
        y = (x * x).sum()
        y.backward(retain_graph=True)
        (y * 3).backward()
    again = saved_and_loaded(recorded.graph, tmp_path)
    assert len(again.passes) == len(recorded.graph.passes) == 2
    for mine, theirs in zip(again.passes, recorded.graph.passes, strict=True):
        assert (mine.node_list, mine.edges, mine.memory) == (theirs.node_list, theirs.edges, theirs.memory)
    assert [done.node_list[0].ports[0].grad_total for done in again.passes] == [
        done.node_list[0].ports[0].grad_total for done in recorded.graph.passes
    ]
    assert again.to_json() == recorded.graph.to_json()


@pytest.mark.parametrize(
    "bad",
    [
        '{"leaves":-1,"saved":0,"exact":true}',
        '{"leaves":1.5,"saved":0}',
        '{"bytes":3}',
        '{"leaves":1,"saved":0,"exact":1}',
        "7",
    ],
)
def test_a_damaged_memory_is_refused(tmp_path: Path, bad: str) -> None:
    text = gad.trace(lambda x: x.exp(), leaf(1, 2)).to_json()
    path = tmp_path / "graph.json"
    good = '"memory":{"leaves":16,"saved":16,"exact":true}'
    assert good in text
    path.write_text(text.replace(good, f'"memory":{bad}'), "utf-8")
    with pytest.raises(GraphFormatError, match="damaged"):
        gad.Graph.load(path)


def test_a_file_from_before_there_was_memory_is_still_read(tmp_path: Path) -> None:
    text = gad.trace(lambda x: x.exp(), leaf(1, 2)).to_json()
    path = tmp_path / "graph.json"
    path.write_text(text.replace(',"memory":{"leaves":16,"saved":16,"exact":true}', ""), "utf-8")
    assert gad.Graph.load(path).memory is None
    assert math.prod(gad.Graph.load(path).node_list[0].ports[0].shape or ()) == 2


# older torches do not say what passes inside a pass keep
TELLS_OF_CHECKPOINTS = tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 13)


@pytest.mark.filterwarnings("ignore:None of the inputs")  # in the forward pass of a checkpoint around another
def test_memory_that_torch_gives_out_again_is_told_apart_inside_a_pass() -> None:
    mask = torch.ones(10, dtype=F64)

    def once(z: Tensor) -> Tensor:
        return (z.sin() * mask).exp()  # of its own it keeps what exp makes

    def twice(z: Tensor) -> Tensor:
        return checkpoint(once, z.neg(), use_reentrant=True)  # type: ignore[no-any-return]

    others: list[Tensor] = []
    for i in range(4):
        x = torch.ones(10, dtype=F64, requires_grad=True)
        with gad.record() as recorded:
            y = checkpoint(twice, x.neg(), use_reentrant=True)
            y = checkpoint(twice, y, use_reentrant=True)
            checkpoint(once, y, use_reentrant=True).sum().backward()
        kept = recorded.graph.memory
        assert kept is not None
        if not TELLS_OF_CHECKPOINTS:
            assert not kept.exact
            continue
        assert kept.saved == 3 * 80 + mask.nbytes
        assert sorted(piece.bytes for piece in kept.kept) == [80] * 4
        others = [*others[i % 2 :], *(torch.empty(10, dtype=F64) for _ in range(i))]
