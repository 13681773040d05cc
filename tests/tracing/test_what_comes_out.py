"""What a program returns: its tensors are found whatever holds them, gradients start where training starts them, and
what is left out is said.
"""

from __future__ import annotations

import enum
import io
from collections import OrderedDict, UserDict, deque, namedtuple
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import MappingProxyType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from needed_tools import needs_package
from torch import Tensor, nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, MultivariateNormal, Normal
from torch.utils import _pytree

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import GradOutputsError, NoTensorError, UnknownNameError
from graphviz_ad._internal.graph.graph import Graph


@dataclass
class Out:
    loss: Tensor | None
    logits: Tensor | None = None
    rest: list[Any] = field(default_factory=list)


class Held:
    """An object that holds things; some of them under names that are its own affair."""

    def __init__(self, **held: Any) -> None:
        self.__dict__.update(held)

    @property
    def expensive(self) -> Tensor:
        raise AssertionError("nobody asked for this")

    def __iter__(self) -> Iterator[Any]:
        raise AssertionError("nobody may go through this")


class Slotted:
    """An object without a dictionary."""

    __slots__ = ("unset", "value")

    def __init__(self, value: Any) -> None:
        self.value = value


class KVCache:
    """What a program hands on to its next call."""

    def __init__(self, *keys: Tensor) -> None:
        self.keys = keys


class Colour(enum.Enum):
    RED = 1


Pair = namedtuple("Pair", "left right")


class Known(list[Any]):
    """A class that torch knows as a tree, by children without keys."""


class Opaque:
    """The same of one that is no collection."""

    def __init__(self, inner: Any) -> None:
        self.__inner = inner

    @property
    def inner(self) -> Any:
        return self.__inner


_pytree.register_pytree_node(Opaque, lambda thing: ([thing.inner], None), lambda parts, _: Opaque(*parts))


def doubled(x: Tensor) -> dict[str, Tensor]:
    return {"y": x * 2}


def in_an_array(*things: Any) -> Any:
    array = np.empty(len(things), dtype=object)
    for i, thing in enumerate(things):
        array[i] = thing
    return array


def asked_for_the_other(dist: Categorical) -> Categorical:
    assert dist.probs is not None
    return dist


def names(graph: Graph) -> list[str | None]:
    """The outputs, by name."""
    return [node.name for node in graph.outputs]


def said(graph: Graph, kind: str) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    """The notices of a kind, as facts."""
    return [(note.subjects, dict(note.facts)) for note in graph.notes if note.kind == kind]


FOUND: dict[str, tuple[Callable[[Tensor, Tensor], Any], list[str | None]]] = {
    "a dataclass": (lambda a, b: Out(None, a, [b]), ["logits", "rest[0]"]),
    "an object": (lambda a, b: Held(first=a, second=Held(third=b)), ["first", "second.third"]),
    "slots": (lambda a, b: Slotted([a, b]), ["value[0]", "value[1]"]),
    "a namespace": (lambda a, b: SimpleNamespace(a=a, b={"c": b}), ["a", "b.c"]),
    "a namedtuple": (lambda a, b: Pair(a, [b]), ["left", "right[0]"]),
    "what C returns": (lambda a, b: torch.stack([a, b]).max(0), ["values"]),
    "a distribution": (lambda a, b: {"dist": Normal(a, b.exp())}, ["dist.loc", "dist.scale"]),
    "one around another": (
        lambda a, b: Independent(Normal(a[None], b[None].exp()), 1),
        ["base_dist.loc", "base_dist.scale"],
    ),
    "one of logits": (
        lambda a, b: {"pi": asked_for_the_other(Categorical(logits=torch.stack([a, b])))},
        ["pi.logits"],
    ),
    "keys of all kinds": (
        lambda a, b: {Colour.RED: a, (1, "x"): [b], "k": (a * b,)},
        ["[Colour.RED]", "[(1, 'x')][0]", "k[0]"],
    ),
    "places alone": (lambda a, b: (a, [b], {0: a * b}), [None, None, None]),
    "a queue": (lambda a, b: deque([a, b]), [None, None]),
    "other dictionaries": (
        lambda a, b: [UserDict(a=a), MappingProxyType({"b": b}), OrderedDict(c=a * b)],
        ["[0].a", "[1].b", "[2].c"],
    ),
    "an array of objects": (lambda a, b: {"a": in_an_array(a, None, b)}, ["a[0]", "a[2]"]),
    "what torch knows as a tree": (lambda a, b: {"t": Opaque([a, b])}, ["t[0][0]", "t[0][1]"]),
    "parameters": (lambda a, b: {"p": nn.ParameterList([nn.Parameter(a.detach())]), "y": a * b}, ["p[0]", "y"]),
    "nothing else": (lambda a, b: Held(_hidden=a, __mangled=[b]), ["_hidden", "__mangled[0]"]),
    "a cache alone": (lambda a, b: KVCache(a, b), ["keys[0]", "keys[1]"]),
    "a generator": (lambda a, b: (x * 2 for x in (a, b)), [None, None]),
    "a map": (lambda a, b: map(doubled, (a, b)), ["[0].y", "[1].y"]),
}


@pytest.mark.parametrize("case", FOUND)
def test_tensors_are_found_whatever_holds_them_and_called_as_they_were_returned(case: str) -> None:
    function, expected = FOUND[case]
    a, b = torch.tensor(0.5, requires_grad=True), torch.tensor(-0.25, requires_grad=True)
    graph = gad.trace(lambda a, b: function(a * 1.0, b * 1.0), a, b)
    assert sorted(names(graph), key=str) == sorted(expected, key=str)
    assert graph.check().ok
    assert not said(graph, "not looked into")


def test_every_found_tensor_starts_a_gradient() -> None:
    for case, (function, expected) in FOUND.items():
        a = torch.tensor(0.5, requires_grad=True)
        starts = [port for node in gad.trace(lambda a: function(a * 1.0, a * 2.0), a).outputs for port in node.ports]  # noqa: B023
        assert sum(port.upstream is not None for port in starts) == len(expected), case


def test_a_distribution_is_what_it_was_given() -> None:
    def program(mean: Tensor, scale: Tensor) -> Any:
        made = MultivariateNormal(mean, torch.eye(2, dtype=mean.dtype) * scale)
        assert made.precision_matrix is not None  # which is computed now, and kept
        return {"dist": made}

    graph = gad.trace(program, [1.0, 2.0], 3.0)
    starts = [port.name for node in graph.outputs for port in node.ports if port.upstream is not None]
    assert (sorted(starts), graph.notes) == (["dist.covariance_matrix", "dist.loc"], ())
    assert gad.trace(program, [1.0, 2.0], 3.0, output="dist.loc").find("mean").grad.array.tolist() == [1, 1]


def test_a_mixture_shows_what_it_is_made_of() -> None:
    def program(logits: Tensor, means: Tensor) -> Any:
        return MixtureSameFamily(Categorical(logits=logits), Normal(means * 1, 1.0))

    found = names(gad.trace(program, [0.1, 0.2], [1.0, 2.0]))
    assert found == ["mixture_distribution.logits", "component_distribution.loc"]


def test_nothing_of_a_returned_object_runs_and_none_is_changed() -> None:
    class Odd(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            raise AssertionError("nobody asked")

        items = values = keys = __iter__ = __getattr__ = __getitem__  # type: ignore[assignment]

    kept: list[Any] = []

    def program(x: Tensor) -> Any:
        kept[:] = [Held(y=x * 2, odd=Odd(z=x * 3), more=iter([1, 2, 3]), bag={1}), (n for n in range(3))]
        return [*kept]

    graph = gad.trace(program, 1.5)
    assert names(graph) == ["[0].y", "[0].odd.z"]
    assert set(vars(kept[0])) == {"y", "odd", "more", "bag"}
    assert list(kept[0].more) == [1, 2, 3]
    assert list(kept[1]) == [0, 1, 2]
    assert said(graph, "not looked into") == [(("[1]",), {"types": ("generator",)})]


def test_things_that_hold_each_other_end() -> None:
    def program(x: Tensor) -> Any:
        a, b = Held(y=x * 2), Held(z=x * 3)
        a.other, b.other, ring = b, a, [x * 4]
        ring.append(ring)
        return {"a": a, "b": b, "ring": ring}

    assert names(gad.trace(program, 1.5)) == ["a.y", "a.other.z", "ring[0]"]


def test_a_list_of_any_depth_is_walked() -> None:
    def program(x: Tensor) -> Any:
        deep: Any = x * 2
        for _ in range(20_000):
            deep = [deep]
        return {"deep": deep, "wide": [0.0] * 200_000}

    assert gad.trace(program, 1.5).find("x").grad.item() == 2


# --- what cannot be looked into


async def later(x: Tensor) -> Tensor:
    return x * 2


UNSEEN: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "a set": (lambda x: {x * 2}, "set"),
    "a function": (lambda x: lambda: x * 2, "function"),
    "a module": (lambda x: nn.Linear(2, 2), "Linear"),
    "an object without names": (lambda x: {"thing": object()}, r"thing \(object\)"),
    "an iterator": (lambda x: iter([x * 2]), "list_iterator"),
    "a file": (lambda x: Held(file=io.BytesIO()), r"file \(BytesIO\)"),
}


@pytest.mark.parametrize("case", UNSEEN)
def test_the_error_tells_what_was_not_looked_into(case: str) -> None:
    function, kind = UNSEEN[case]
    with pytest.raises(NoTensorError, match=rf"in which there is no tensor.*{kind}.*was not looked into"):
        gad.trace(function, 1.5)


def test_a_coroutine_is_not_run() -> None:
    made: list[Any] = []
    with pytest.raises(NoTensorError, match="coroutine"):
        gad.trace(lambda x: (made.append(later(x)), made[0])[1], 1.5)
    made[0].close()


@pytest.mark.parametrize("thing", [None, 3, "text", b"q", Colour.RED, np.ones(2), torch.float32, [], Out(None)])
def test_the_error_of_things_that_can_hold_no_tensor_is_as_short_as_ever(thing: Any) -> None:
    with pytest.raises(NoTensorError, match=r"there is no tensor; return the tensor"):
        gad.trace(lambda x: (x * 2, thing)[1], 1.5)


def test_what_was_not_looked_into_beside_others_is_a_notice() -> None:
    graph = gad.trace(lambda x: (x * 2, {"bag": {x * 3}, "net": nn.Linear(1, 1)}, "text", None, 3, len), 1.5)
    assert said(graph, "not looked into") == [(("[1].bag", "[1].net"), {"types": ("set", "Linear")})]
    assert "bag (set)" in "".join(graph.notices)


def test_a_generator_that_somebody_else_has_is_left_alone() -> None:
    class Streaming(nn.Module):
        def forward(self, x: Tensor) -> Iterator[Tensor]:
            self.stream = (x * n for n in range(3))
            return self.stream

    net = Streaming()
    with pytest.raises(NoTensorError, match="generator"):
        gad.trace(net, torch.ones(1, requires_grad=True))
    assert len(list(net.stream)) == 3


def test_a_generator_without_end_is_taken_in_part() -> None:
    def forever(x: Tensor) -> Iterator[Tensor]:
        while True:
            yield x * 2

    graph = gad.trace(forever, 1.5, capture=gad.Capture("none", "summary", source=False))
    assert said(graph, "taken in part") == [((), {"what": "generator", "count": 1000})]
    assert graph.find("x").grad.item() == 2000


# --- where gradients start


def model(w: Tensor, x: Tensor) -> dict[str, Tensor]:
    logits = w * x
    return {"loss": logits.square().mean(), "logits": logits}


@pytest.mark.parametrize(
    "hold", [dict, lambda found: Out(**found), lambda found: Held(**found), lambda found: (found,)]
)
def test_a_single_number_called_loss_starts_gradients_alone(hold: Callable[[Any], Any]) -> None:
    w, x = torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([3.0, 4.0])
    (training,) = torch.autograd.grad(model(w, x)["loss"], w)
    graph = gad.trace(lambda w, x: hold(model(w, x)), w, x)
    assert torch.equal(torch.tensor(graph.find("w").grad.array), training)
    ((subjects, facts),) = said(graph, "started from one output alone")
    assert (subjects[0].endswith("loss"), [name.endswith("logits") for name in facts["others"]]) == (True, [True])
    assert graph.check().ok


@pytest.mark.parametrize(
    ("output", "seeded"),
    [
        ("logits", [4.0, 8.0]),
        ("loss", [9.0, 32.0]),
        ("hidden", [1.0, 1.0]),
        ("hidden[1]", [0.0, 1.0]),
        ("aux.mu", [2.0, 2.0]),
        ("mu", [2.0, 2.0]),
    ],
)
def test_output_chooses_where_gradients_start(output: str, seeded: list[float]) -> None:
    def program(w: Tensor, x: Tensor) -> dict[str, Any]:
        hidden = w * 1
        return {
            "loss": (w * x).square().sum() / 2,
            "logits": 4 * w * torch.tensor([1.0, 2.0]),
            "hidden": (hidden[0], hidden[1]),
            "aux": Held(mu=w * 2),
        }

    w, x = torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([3.0, 4.0])
    for graph in (gad.trace(program, w, x, output=output), gad.TorchGraph(program, [w, x], output=output).graph):
        assert graph.find("w").grad.array.tolist() == seeded
    assert gad.compare_methods(program, w, x, output=output).graph.find("w").grad.array.tolist() == seeded


def test_output_may_be_a_variable_of_the_program() -> None:
    def program(x: Tensor) -> tuple[Tensor, Tensor]:
        double = x * 2
        triple = x * 3
        return double, triple

    assert gad.trace(program, 1.5).find("x").grad.item() == 5  # several outputs are added up
    assert gad.trace(program, 1.5, output="triple").find("x").grad.item() == 3
    assert gad.trace(program, 1.5, output="[0]").find("x").grad.item() == 2


def test_an_output_that_is_not_there_or_takes_no_gradient_is_refused() -> None:
    def program(x: Tensor) -> dict[str, Any]:
        return {"loss": x * 2, "accuracy": (x > 0).float(), "n": 3}

    with pytest.raises(
        UnknownNameError, match=r"no output named 'los'; did you mean 'loss'\? Choose from: accuracy, loss"
    ):
        gad.trace(program, 1.5, output="los")
    with pytest.raises(NoTensorError, match=r"output='accuracy' of program does not require grad.*loss"):
        gad.trace(program, 1.5, output="accuracy")
    with pytest.raises(TypeError, match=r"which of the outputs"):
        gad.trace(program, 1.5, output=torch.ones(1))


ALL: dict[str, Callable[[Tensor], Any]] = {
    "a tuple": lambda x: (x * 2, x * 3),
    "no number": lambda x: {"loss": torch.stack([x * 1, x * 1]), "y": x * 3},
    "two of them": lambda x: {"a": {"loss": x * 2}, "b": {"loss": x * 3}},
    "another name": lambda x: {"Loss": x * 2, "y": x * 3},
    "a place": lambda x: Pair(x * 2, x * 3),
}


@pytest.mark.parametrize("case", ALL)
def test_several_outputs_that_are_no_loss_are_added_up(case: str) -> None:
    graph = gad.trace(ALL[case], 1.5)
    assert graph.find("x").grad.item() == 5
    assert not graph.notes


def test_of_several_losses_the_outermost_is_taken() -> None:
    graph = gad.trace(lambda x: {"parts": {"loss": x * 2}, "loss": x * 3}, 1.5)
    assert graph.find("x").grad.item() == 3


def test_upstream_gradients_that_are_given_go_to_all_outputs() -> None:
    graph = gad.trace(lambda x: {"loss": x * 2, "y": x * 3}, 1.5, grad_outputs=[1.0, 10.0])
    assert graph.find("x").grad.item() == 32
    assert (
        gad.trace(lambda x: {"loss": x * 2, "y": x * 3}, 1.5, output="y", grad_outputs=10.0).find("x").grad.item() == 30
    )
    with pytest.raises(GradOutputsError, match="output="):
        gad.trace(lambda x: {"loss": x * 2, "y": x * 3}, 1.5, grad_outputs=10.0)


def test_a_tensor_that_is_returned_several_times_counts_as_often_and_that_is_said() -> None:
    def program(x: Tensor) -> dict[str, Any]:
        y = x * 2
        return {"a": y, "more": [y, x * 3, y]}

    graph = gad.trace(program, 1.5)
    assert graph.find("x").grad.item() == 9
    assert said(graph, "returned several times") == [(("a", "more[0]", "more[2]"), {"times": 3})]
    assert gad.trace(program, 1.5, output="a").find("x").grad.item() == 2
    numbers = gad.trace(lambda x: (y := x * 2, y), gad.ADNumber(1.5, "x"))
    assert numbers.find("x").grad.item() == 4
    assert said(numbers, "returned several times") == [(("[0]", "[1]"), {"times": 2})]


def test_a_cache_and_private_names_beside_results_start_nothing_and_that_is_said() -> None:
    def program(x: Tensor) -> Any:
        return {"y": x * 2, "past": KVCache(x * 3), "state": Held(z=x * 4, _memo=x * 5)}

    graph = gad.trace(program, 1.5)
    assert names(graph) == ["y", "state.z"]
    assert said(graph, "not started from") == [(("past", "state._memo"), {"types": ("KVCache", "Tensor")})]
    assert gad.trace(program, 1.5, output="past").find("x").grad.item() == 3


def test_adnumbers_follow_the_same_rules() -> None:
    def program(x: Any) -> Any:
        y = x * 2
        return Out(loss=y * y, logits=y)

    graph = gad.trace(program, gad.ADNumber(1.5, "x"))
    assert graph.find("x").grad.item() == 12
    assert said(graph, "started from one output alone") == [(("loss",), {"others": ("logits",)})]
    assert gad.trace(program, gad.ADNumber(1.5, "x"), output="y").find("x").grad.item() == 2
    assert gad.trace(program(gad.ADNumber(1.5, "x"))).find("x").grad.item() == 12
    with pytest.raises(NoTensorError, match=r"set.*was not looked into"):
        gad.trace(lambda x: {x}, gad.ADNumber(1.5))


def test_finished_tensors_follow_the_same_rules() -> None:
    x = torch.tensor(1.5, requires_grad=True)
    finished = Out(loss=x * 2, logits=x * 3)
    assert [node.grad.item() for node in gad.trace(finished).node_list if node.kind == "leaf"] == [2]
    assert [node.grad.item() for node in gad.trace(finished, output="logits").node_list if node.kind == "leaf"] == [3]
    assert gad.make_dot(finished, show_attrs=True).source.count("×") == 2  # all of them, whatever they are called


# --- transformers


def tiny_gpt2() -> tuple[nn.Module, dict[str, Tensor]]:
    transformers = needs_package("transformers")
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=11, n_positions=8, n_embd=4, n_layer=2, n_head=2)
    ids = torch.tensor([[1, 5, 2, 7]])
    return transformers.GPT2LMHeadModel(config).eval(), {"input_ids": ids, "labels": ids}


def test_a_model_of_transformers_has_the_gradients_of_training() -> None:
    model, batch = tiny_gpt2()
    model(**batch).loss.backward()
    training = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    graph = gad.trace(model, **batch)
    found = {name: graph.find(name).grad.array for name in training}
    assert all(np.array_equal(found[name], training[name].numpy()) for name in training)
    ((subjects, facts),) = said(graph, "started from one output alone")
    assert (subjects, facts["others"]) == (("loss",), ("logits",))
    logits = gad.trace(model, **batch, output="logits")
    sums = torch.autograd.grad(model(**batch).logits.sum(), model.lm_head.weight)[0].numpy()
    assert np.allclose(logits.find("transformer.wte.weight").grad.array, sums, atol=1e-6)


def test_what_is_in_a_cache_of_transformers_is_found() -> None:
    model, batch = tiny_gpt2()
    graph = gad.trace(model, batch["input_ids"])
    assert names(graph) == ["logits"]
    assert said(graph, "not started from") == [(("past_key_values",), {"types": ("DynamicCache",)})]
    alone = gad.trace(lambda ids: model(ids).past_key_values, batch["input_ids"])
    expected = [f"layers[{i}].{part}" for i in range(2) for part in ("keys", "values")]
    assert len(alone.outputs) == len(expected)
    assert len(gad.trace(model, batch["input_ids"], output="past_key_values.layers[1].keys").outputs) == 1
