"""Faults that are planted in healthy programs: `why` names the cause, at the line where it was planted."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from training_programs import Net, Program, Truth, follow, lin, number

import graphviz_ad as gad
from graphviz_ad._internal.graph.graph import Graph

DETACH = r"was detached at LINE"
DATA = r"was taken out by \.data at LINE"
NO_GRAD = r"was computed under torch\.no_grad\(\) at LINE"
ITEM = r"item at LINE"
HELD = r"No operation reads v\d+ \(exp, LINE\), but a number in .* is one of its elements"
FROZEN_INPUT = r"LINE\) reads NAME inside.*use_reentrant=True"
PLANTED: dict[Program, tuple[Callable[[], Net], dict[str, str]]] = {}


def fault(told: dict[str, str], **parts: Callable[[], Any]) -> Callable[[Program], Program]:
    """A program with a fault, and what `why` has to say of which parameters; LINE is that of the mark in it."""

    def enter(program: Program) -> Program:
        PLANTED[program] = (lambda: Net(**{name: make() for name, make in parts.items()}), told)
        return program

    return enter


# --- a detach on the way to the loss


@fault({"e.weight": DETACH, "e.bias": DETACH}, e=lin(4, 4), d=lin(2, 4))
def vae(m: Any, truth: Truth, x: Tensor) -> None:
    mu, logvar = m.e(x).detach().chunk(2, -1)  # planted
    z = mu + torch.randn_like(mu) * (logvar / 2).exp()
    F.mse_loss(m.d(z), x).backward()


@fault({"g.weight": DETACH}, g=lin(4, 4), d=lin(4, 1))
def gan(m: Any, truth: Truth, x: Tensor) -> None:
    fake = m.g(x)
    made = fake.detach()  # planted
    F.softplus(m.d(made)).mean().backward()
    F.softplus(-m.d(made)).mean().backward()


@fault({"student.weight": DETACH}, teacher=lin(4, 3), student=lin(4, 3))
def distillation(m: Any, truth: Truth, x: Tensor) -> None:
    out = m.student(x)
    logits = out.detach()  # planted
    F.kl_div(logits.log_softmax(-1), m.teacher(x).softmax(-1), reduction="batchmean").backward()


@fault({"a.weight": DATA}, a=lin(4, 3), b=lin(3, 2))
def graph_network(m: Any, truth: Truth, x: Tensor) -> None:
    h = m.a(x).relu()
    messages = torch.zeros_like(h).index_add(0, torch.arange(6), h.data)  # planted
    F.cross_entropy(m.b(messages), torch.arange(6) % 2).backward()


@fault({"log_length": DETACH}, log_length=number(0.0), log_noise=number(-1.0))
def gaussian_process(m: Any, truth: Truth, x: Tensor) -> None:
    distance = (x[:, None] - x[None]).square().sum(-1)
    length = m.log_length.exp().detach()  # planted
    kernel = torch.exp(-distance / length) + m.log_noise.exp() * torch.eye(6)
    torch.logdet(kernel).backward()


@fault({"policy.weight": DETACH}, policy=lin(4, 5))
def dpo(m: Any, truth: Truth, x: Tensor) -> None:
    taken = m.policy(x).log_softmax(-1)[:, 0]
    margin = torch.tensor(taken)  # planted
    (-F.logsigmoid(margin * 0.1).mean() + m.policy.bias.sum() * 0).backward()


@fault({"online.weight": DETACH}, online=lin(4, 3), predictor=lin(3, 3), target=lin(4, 3))
def byol(m: Any, truth: Truth, x: Tensor) -> None:
    seen = m.online(x).clone().detach()  # planted
    with torch.no_grad():
        aim = m.target(x)
    (2 - 2 * F.cosine_similarity(m.predictor(seen), aim).mean()).backward()
    follow(m.target, m.online)


@fault({"lstm.weight_ih": DETACH}, lstm=lambda: torch.nn.LSTMCell(4, 3), head=lin(3, 1))
def recurrent(m: Any, truth: Truth, x: Tensor) -> None:
    h, c = torch.zeros(1, 3), torch.zeros(1, 3)
    for row in x:
        h, c = m.lstm(row[None], (h, c))
        h = h.detach()  # planted
    m.head(h).square().mean().backward()


@fault({"l.weight": DETACH}, l=lin(4, 1), head=lin(1, 1))
def into_numpy(m: Any, truth: Truth, x: Tensor) -> None:
    out = torch.from_numpy(m.l(x).detach().numpy() * 2)  # planted
    m.head(out).sum().backward()


# --- a checkpoint over what is frozen


@fault({"a.weight": FROZEN_INPUT, "a.bias": FROZEN_INPUT}, base=lin(4, 4), a=lin(4, 3), b=lin(3, 1))
def lora(m: Any, truth: Truth, x: Tensor) -> None:
    m.base.requires_grad_(False)
    h = checkpoint(lambda at: m.a(at).tanh(), m.base(x), use_reentrant=True)  # planted
    m.b(h).square().mean().backward()


@fault({"down.weight": FROZEN_INPUT}, embed=lambda: torch.nn.Embedding(5, 4), down=lin(4, 2), up=lin(2, 3))
def embedded(m: Any, truth: Truth, x: Tensor) -> None:
    m.embed.requires_grad_(False)
    h = m.embed(torch.arange(5))
    h = checkpoint(m.down, h, use_reentrant=True)  # planted
    F.cross_entropy(m.up(h), torch.arange(5) % 3).backward()


# --- a number in the loss


@fault({"b.weight": ITEM}, a=lin(4, 1), b=lin(4, 1))
def several_tasks(m: Any, truth: Truth, x: Tensor) -> None:
    one, other = m.a(x).square().mean(), m.b(x).square().mean()
    total = one + other.item()  # planted
    total.backward()


@fault({"critic.weight": r"float at LINE"}, actor=lin(4, 1), critic=lin(4, 1))
def actor_critic(m: Any, truth: Truth, x: Tensor) -> None:
    value = m.critic(x).mean()
    loss = -(m.actor(x).tanh() * float(value)).mean()  # planted
    loss.backward()


@fault(
    {"log_variance": HELD},
    a=lin(4, 1),
    log_variance=number(0.5, 1),
)
def weighed(m: Any, truth: Truth, x: Tensor) -> None:
    (weight,) = m.log_variance.exp().tolist()  # planted
    (m.a(x).square().mean() * weight).backward()


# --- no_grad around what is needed


@fault({"e.weight": NO_GRAD}, e=lin(4, 2), d=lin(2, 4))
def autoencoder(m: Any, truth: Truth, x: Tensor) -> None:
    with torch.no_grad():  # planted
        code = m.e(x)
    F.mse_loss(m.d(code), x).backward()


@fault({"policy.weight": NO_GRAD}, policy=lin(4, 3), value=lin(4, 1))
def ppo(m: Any, truth: Truth, x: Tensor) -> None:
    with torch.no_grad():  # planted
        log_prob = m.policy(x).log_softmax(-1)[:, 0]
    ((log_prob.exp() - 1) * m.value(x).squeeze(1)).mean().backward()


@fault({"f.weight": r"was computed under torch\.inference_mode\(\) at LINE"}, f=lin(4, 4), head=lin(4, 1))
def ode(m: Any, truth: Truth, x: Tensor) -> None:
    with torch.inference_mode():  # planted
        y = x + 0.1 * m.f(x)
    m.head(y.clone()).square().mean().backward()


@fault({"q.weight": r"Call rsample\(\) in place of sample\(\)"}, q=lin(4, 2), d=lin(1, 1))
def svi(m: Any, truth: Truth, x: Tensor) -> None:
    loc, scale = m.q(x).chunk(2, 1)
    z = torch.distributions.Normal(loc, F.softplus(scale)).sample()  # planted
    m.d(z).square().mean().backward()


# --- what has no derivative


@fault({"l.weight": r"argmax at LINE has no derivative"}, l=lin(4, 3), head=lambda: torch.nn.Embedding(3, 2))
def hard_choice(m: Any, truth: Truth, x: Tensor) -> None:
    chosen = m.l(x).argmax(1)  # planted
    m.head(chosen).square().sum().backward()


@fault({"l.weight": r"gt at LINE has no derivative"}, l=lin(4, 1), other=lin(4, 1))
def accuracy_as_loss(m: Any, truth: Truth, x: Tensor) -> None:
    hits = (m.l(x) > 0).float()  # planted
    (hits * m.other(x)).mean().backward()


def line_of(program: Program) -> str:
    """ "file.py:12" of what was planted."""
    lines, first = inspect.getsourcelines(program)
    (at,) = (i for i, line in enumerate(lines) if "# planted" in line)
    return f"test_planted_faults.py:{first + at}"


def run(program: Program) -> tuple[Net, Graph]:
    """A program with its fault."""
    torch.manual_seed(0)
    model = PLANTED[program][0]()
    with gad.record(model) as recorded:
        program(model, Truth(model), torch.rand(6, 4))
    return model, recorded.graph


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("program", PLANTED, ids=lambda program: program.__name__)
def test_the_cause_is_told_at_its_line(program: Program) -> None:
    model, graph = run(program)
    line = line_of(program)
    for name, expected in PLANTED[program][1].items():
        answer = graph.why(name)
        found = expected.replace("LINE", re.escape(line)).replace("NAME", re.escape(name))
        assert re.search(found, answer), answer
        assert bool(re.search(r"\bNo gradient\b", answer)) == (model.get_parameter(name).grad is None), answer


# --- a step that is missing


def two_steps(optimizers: Callable[[Any], dict[str, torch.optim.Optimizer]]) -> Graph:
    """A GAN's two losses, with the steps that are there."""
    torch.manual_seed(0)
    m: Any = Net(g=lin(4, 4)(), d=lin(4, 1)())
    x, steps = torch.rand(6, 4), optimizers(m)
    with gad.record(m) as recorded:
        F.softplus(m.d(m.g(x).detach())).mean().backward()
        if "d" in steps:
            steps["d"].step()
        F.softplus(-m.d(m.g(x))).mean().backward()
        if "g" in steps:
            steps["g"].step()
    return recorded.graph


@pytest.mark.parametrize("there", ["d", "g", "dg"])
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_a_step_is_told_for_those_that_it_was_for_and_for_no_others(there: str, kind: str) -> None:
    graph = two_steps(lambda m: {n: getattr(torch.optim, kind)(getattr(m, n).parameters(), lr=0.1) for n in there})
    for name in ("d.weight", "d.bias", "g.weight", "g.bias"):
        answer = graph.why(name)
        assert (f"{kind}.step at test_planted_faults.py:" in answer) == (name[0] in there), answer


@pytest.mark.parametrize("missing", ["g", "l"])
def test_parameters_that_the_optimizer_was_not_given_are_used_by_no_step(missing: str) -> None:
    torch.manual_seed(0)
    m: Any = Net(g=lin(4, 4)(), l=lin(4, 1)())
    optimizer = torch.optim.AdamW([p for name, p in m.named_parameters() if not name.startswith(missing)])
    with gad.record(m) as recorded:
        m.l(m.g(torch.rand(6, 4))).square().mean().backward()
        optimizer.step()
    for name in dict(m.named_parameters()):
        assert ("AdamW.step at" in recorded.graph.why(name)) != name.startswith(missing)
