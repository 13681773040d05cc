"""Small training scripts in five architectures, and faults planted in them, one at a time.

A fault is a line of a healthy script with another in its place: the twin is the script as it stands. What is expected
is the kind of the finding and its line: that of the fault, or of ``at`` where the fault only shows elsewhere.
"""

# ruff: noqa: E501 - a fault is a line
from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from graphviz_ad._internal.diagnosis.diagnosis import diagnose
from graphviz_ad._internal.diagnosis.findings import Diagnosis, Finding
from graphviz_ad._internal.tracing.capture import Capture
from graphviz_ad._internal.tracing.script_runs import run_script

PASSES = 4
HEAD = """import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

torch.manual_seed(0)
"""
LOOP = """
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
total = 0.0
for step in range(4):
    optimizer.zero_grad()
    loss = compute_loss(model)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 100.0)
    optimizer.step()
    total += loss.item()
"""
SCRIPTS = {
    "mlp": """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(6, 16)
        self.b = nn.Linear(16, 16)
        self.c = nn.Linear(16, 3)

    def forward(self, x):
        h = torch.relu(self.a(x))
        h = torch.relu(self.b(h))
        return self.c(h)

model = Net()
x = torch.randn(16, 6)
y = torch.randint(0, 3, (16,))

def compute_loss(model):
    logits = model(x)
    loss = F.cross_entropy(logits, y)
    return loss
""",
    "regression": """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(8, 8) for _ in range(6)])
        self.out = nn.Linear(8, 1)

    def forward(self, x):
        for layer in self.layers:
            x = x + torch.tanh(layer(x))
        return self.out(x)

model = Net()
x = torch.randn(24, 8)
y = torch.randn(24)

def compute_loss(model):
    prediction = model(x).squeeze(-1)
    error = prediction - y
    loss = error.pow(2).mean()
    return loss
""",
    "cnn": """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 8, 3, padding=1)
        self.drop = nn.Dropout(0.2)
        self.fc = nn.Linear(8 * 9, 4)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = self.drop(x.flatten(1))
        return self.fc(x)

model = Net()
model.train()
x = torch.randn(12, 1, 6, 6)
y = torch.randint(0, 4, (12,))

def compute_loss(model):
    scores = model(x)
    log_probs = F.log_softmax(scores, dim=1)
    loss = F.nll_loss(log_probs, y)
    return loss
""",
    "rnn": """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 8, padding_idx=0)
        self.cell = nn.RNNCell(8, 12)
        self.out = nn.Linear(12, 20)

    def forward(self, tokens, h):
        e = self.embedding(tokens)
        outputs = []
        for t in range(tokens.shape[1]):
            h = self.cell(e[:, t], h)
            outputs.append(self.out(h))
        return torch.stack(outputs, 1), h

model = Net()
tokens = torch.randint(1, 20, (6, 10))
targets = torch.randint(1, 20, (6, 10))
hidden = torch.zeros(6, 12)

def compute_loss(model):
    global hidden
    logits, h = model(tokens, hidden)
    hidden = h.detach()
    loss = F.cross_entropy(logits.reshape(-1, 20), targets.reshape(-1), ignore_index=0)
    return loss
""",
    "transformer": """
class Block(nn.Module):
    def __init__(self, d=16):
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv = nn.Linear(d, 3 * d)
        self.proj = nn.Linear(d, d)
        self.up = nn.Linear(d, 2 * d)
        self.down = nn.Linear(2 * d, d)

    def forward(self, x):
        q, k, v = self.qkv(self.n1(x)).chunk(3, -1)
        scores = q @ k.transpose(-2, -1) / 4.0
        mask = torch.ones(x.shape[1], x.shape[1]).tril() == 0
        scores = scores.masked_fill(mask, float("-inf"))
        weights = torch.softmax(scores, dim=-1)
        x = x + self.proj(weights @ v)
        h = F.gelu(self.up(self.n2(x)))
        return x + self.down(h)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.tok = nn.Embedding(30, 16)
        self.pos = nn.Embedding(8, 16)
        self.blocks = nn.ModuleList([Block() for _ in range(2)])
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, 30)

    def forward(self, tokens):
        x = self.tok(tokens) + self.pos(torch.arange(tokens.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))

model = Net()
tokens = torch.randint(0, 30, (4, 8))

def compute_loss(model):
    logits = model(tokens[:, :-1])
    loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
    return loss
""",
    "vae": """
class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Linear(10, 8)
        self.mu = nn.Linear(8, 3)
        self.logvar = nn.Linear(8, 3)
        self.decode = nn.Linear(3, 8)
        self.out = nn.Linear(8, 10)

    def forward(self, x):
        h = torch.relu(self.encode(x))
        mu, logvar = self.mu(h), self.logvar(h)
        std = torch.exp(0.5 * logvar)
        dist = torch.distributions.Normal(mu, std)
        z = dist.rsample()
        recon = self.out(torch.relu(self.decode(z)))
        return recon, mu, logvar

model = VAE()
x = torch.rand(16, 10)

def compute_loss(model):
    recon, mu, logvar = model(x)
    error = F.binary_cross_entropy_with_logits(recon, x)
    kl = -0.5 * torch.mean(1 + logvar - mu.pow(2) - logvar.exp())
    loss = error + 0.1 * kl
    return loss
""",
}
TWINS = tuple(SCRIPTS)


@dataclass(frozen=True)
class Fault:
    """``right`` is replaced by ``wrong`` in the script of ``arch``; any of ``kinds`` is right, at the first line of
    ``wrong`` or at the lines that contain one of ``at``.
    """

    arch: str
    name: str
    right: str
    wrong: str
    kinds: tuple[str, ...]
    at: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The broken script."""
        whole = HEAD + SCRIPTS[self.arch] + LOOP
        assert whole.count(self.right) >= 1, (self.name, self.right)
        return FURTHER.get(self.name, lambda text: text)(whole.replace(self.right, self.wrong, 1))

    def lines(self) -> list[int]:
        """The lines at which a finding is right."""
        text = self.text
        wanted = self.at or tuple(
            line.strip() for line in self.wrong.splitlines() if line.strip() not in self.right.splitlines()
        )
        found = [i for i, line in enumerate(text.splitlines(), 1) if any(part in line for part in wanted)]
        assert found, (self.name, wanted)
        return found

    def found_in(self, findings: tuple[Finding, ...]) -> bool:
        """Whether one of the first three says what it is, and where."""
        lines = self.lines()
        return any(one.kind in self.kinds and one.line in lines for one in findings[:3])


def run(text: str, passes: int = PASSES) -> Diagnosis:
    """A script, as the command line diagnoses it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.py"
        path.write_text(text)
        done = run_script(path, (), passes, Capture(whole=4096))
    return diagnose(done.graph, stopped_early=done.stopped)


def diagnosed(fault: Fault) -> Diagnosis:
    """What is said of a broken script."""
    return run(fault.text)


@cache
def diagnosed_twin(arch: str) -> Diagnosis:
    """What is said of a healthy one."""
    return run(HEAD + SCRIPTS[arch] + LOOP)


FURTHER = {  # what some faults need elsewhere
    "in two optimizers": lambda text: text.replace(
        "total = 0.0", "total = 0.0\nother = torch.optim.SGD(model.parameters(), lr=1e-3)"
    ),
    "a graph that grows": lambda text: text.replace("loss.backward()", "loss.backward(retain_graph=True)"),
    "0 times infinity behind where": lambda text: text.replace(
        "    kl = torch.where", "    h0 = mu * 0\n    kl = torch.where"
    ),
    "mean over padding": lambda text: text.replace(
        "randint(1, 20, (6, 10))\ntargets", "randint(0, 3, (6, 10))\ntargets"
    ),
    "steps lost in bfloat16": lambda text: text.replace("lr=1e-3", "lr=1e-6"),
}
F = Fault
ZERO, BACK, STEP = "    optimizer.zero_grad()\n", "    loss.backward()\n", "    optimizer.step()\n"
OPT = "torch.optim.Adam(model.parameters(), lr=1e-3)"
CLIP = "    torch.nn.utils.clip_grad_norm_(model.parameters(), 100.0)\n"
FAULTS: tuple[Fault, ...] = (
    # gradients that do not come
    F("mlp", "detached in the middle", "h = torch.relu(self.b(h))", "h = torch.relu(self.b(h.detach()))", ("detached",)),
    F("cnn", "detached features", "x = self.drop(x.flatten(1))", "x = self.drop(x.flatten(1)).detach()", ("detached",)),
    F("vae", "data of the mean", "mu, logvar = self.mu(h), self.logvar(h)", "mu, logvar = self.mu(h.data), self.logvar(h.data)", ("data-attribute",)),
    F("mlp", "logits under no_grad", "    logits = model(x)\n", "    with torch.no_grad():\n        logits = model(x)\n", ("no-grad",), ("return self.c(h)",)),
    F("regression", "a layer under no_grad", "            x = x + torch.tanh(layer(x))", "            with torch.no_grad():\n                x = x + torch.tanh(layer(x))", ("no-grad",)),
    F("mlp", "argmax in the loss", "loss = F.cross_entropy(logits, y)", "loss = (logits.argmax(1).float() - y.float()).abs().mean()", ("not-differentiable",)),
    F("regression", "rounded predictions", "prediction = model(x).squeeze(-1)", "prediction = model(x).squeeze(-1).round()", ("zero-gradient",)),
    F("cnn", "through numpy", "    log_probs = F.log_softmax(scores, dim=1)\n", "    scores = torch.tensor(scores.detach().numpy(), requires_grad=True)\n    log_probs = F.log_softmax(scores, dim=1)\n", ("detached", "taken-as-number")),
    F("regression", "a loss made of numbers", "    loss = error.pow(2).mean()\n", "    loss = torch.tensor(error.pow(2).mean().item(), requires_grad=True)\n", ("taken-as-number",)),
    F("vae", "sample without r", "z = dist.rsample()", "z = dist.sample()", ("sampled", "sampled-in-part")),
    F("transformer", "a layer that is never called", "self.head = nn.Linear(16, 30)", "self.head = nn.Linear(16, 30)\n        self.extra = nn.Linear(16, 16)", ("never-read",), ("self.extra",)),
    F("vae", "a result that is not used", "        recon = self.out(torch.relu(self.decode(z)))\n", "        unused = self.decode(z)\n        recon = self.out(torch.cat([z, z, z[:, :2]], 1))\n", ("result-unused",), ("unused =",)),
    F("cnn", "frozen by accident", "model.train()\n", "for p in model.fc.parameters():\n    p.requires_grad = False\n", ("frozen",), ("p.requires_grad = False",)),
    F("mlp", "all frozen", "model = Net()\n", "model = Net()\nmodel.requires_grad_(False)\n", ("frozen", "nothing-requires-grad"), ("requires_grad_(False)",)),
    F("rnn", "detached before a checkpoint", "e = self.embedding(tokens)", "e = self.embedding(tokens).detach()\n        e = checkpoint(torch.tanh, e, use_reentrant=True)", ("detached",)),
    F("mlp", "reentrant checkpoint of a layer", "h = torch.relu(self.a(x))", "h = checkpoint(self.a, x, use_reentrant=True)", ("reentrant-checkpoint",)),
    # optimizers and the loop
    F("mlp", "an optimizer of one layer", "torch.optim.Adam(model.parameters(), lr=1e-3)", "torch.optim.Adam(model.c.parameters(), lr=1e-3)", ("not-in-optimizer",)),
    F("cnn", "a layer made anew", OPT + "\n", OPT + "\nmodel.fc = nn.Linear(8 * 9, 4)\n", ("not-in-optimizer",), ("optimizer =", "model.fc =")),
    F("vae", "an optimizer of another model", "optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)", "optimizer = torch.optim.Adam(VAE().parameters(), lr=1e-3)", ("optimizer-holds-others",)),
    F("regression", "in two optimizers", "optimizer.step()\n", "optimizer.step()\n    other.step()\n", ("in-two-optimizers",), ("other",)),
    F("mlp", "layers in a plain list", "self.b = nn.Linear(16, 16)", "self.hidden = [nn.Linear(16, 16)]\n        self.b = self.hidden[0].forward", ("not-registered",), ("self.b(h)",)),
    F("cnn", "dropout of all", "nn.Dropout(0.2)", "nn.Dropout(1.0)", ("zero-gradient",), ("self.drop(",)),
    F("mlp", "all weights 0", "model = Net()\n", "model = Net()\nfor p in model.parameters():\n    nn.init.zeros_(p)\n", ("zero-gradient",), ("self.c(h)",)),
    F("vae", "forward under no_grad", "    def forward(self, x):", "    @torch.no_grad()\n    def forward(self, x):", ("no-grad",), ("self.logvar(h)", "recon =")),
    F("cnn", "clipped to 0", "100.0", "0.0", ("clips-always",), ("clip_grad_norm_",)),
    F("rnn", "no zero_grad", ZERO, "", ("not-cleared",), ("loss.backward()",)),
    F("transformer", "zero_grad before step", BACK, BACK + ZERO, ("cleared-before-step",), ("zero_grad()",)),
    F("regression", "zero_grad keeps zeros before step", STEP, "    optimizer.zero_grad(set_to_none=False)\n" + STEP, ("cleared-before-step",), ("set_to_none=False",)),
    F("mlp", "no step", STEP, "", ("never-stepped",), ("loss.backward()", "optimizer =")),
    F("cnn", "clipped after the step", CLIP + STEP, STEP + CLIP.replace("100.0", "0.1"), ("clipped-after-step",), ("clip_grad_norm_",)),
    F("transformer", "clips always", "100.0", "1e-5", ("clips-always",), ("clip_grad_norm_",)),
    F("mlp", "a step that is too large", "lr=1e-3", "lr=10.0", ("step-too-large", "diverging"), ("optimizer =",)),
    F("cnn", "a step that is too small", "lr=1e-3", "lr=1e-12", ("step-too-small",), ("optimizer =",)),
    F("regression", "diverging", "torch.optim.Adam(model.parameters(), lr=1e-3)", "torch.optim.SGD(model.parameters(), lr=3.0)", ("diverging", "step-too-large"), ("optimizer =",)),
    F("rnn", "hidden state carried over", "hidden = h.detach()", "hidden = h", ("backward-twice",), ("self.cell(e[:, t], h)", "hidden = h", "model(tokens, hidden)")),
    F("rnn", "a graph that grows", "hidden = h.detach()", "hidden = h", ("graph-grows", "graph-of-earlier-step"), ("self.cell(e[:, t], h)", "hidden = h", "model(tokens, hidden)", "loss.backward()")),
    F("mlp", "backward twice", BACK, BACK + BACK, ("backward-twice",), ("loss.backward()",)),
    F("vae", "the sum keeps graphs", "total += loss.item()", "total += loss", ("graph-held",)),
    F("cnn", "retained without need", "loss.backward()", "loss.backward(retain_graph=True)", ("retained-without-need",)),
    F("vae", "created without need", "loss.backward()", "loss.backward(create_graph=True)", ("created-without-need",)),
    # not finite
    F("vae", "log of 0", "kl = -0.5 * torch.mean(1 + logvar - mu.pow(2) - logvar.exp())", "kl = -torch.log(torch.relu(mu)).mean()", ("infinite-value", "nan-value")),
    F("regression", "root of a negative number", "loss = error.pow(2).mean()", "loss = error.sqrt().mean()", ("nan-value",)),
    F("regression", "division by 0", "error = prediction - y", "error = (prediction - y) / (y - y)", ("infinite-value", "nan-value")),
    F("mlp", "NaN in the data", "x = torch.randn(16, 6)\n", "x = torch.randn(16, 6)\nx[3, 2] = float('nan')\n", ("data-not-finite", "nan-value"), ("x[3, 2]", "x = torch.randn")),
    F("regression", "root at 0", "loss = error.pow(2).mean()", "loss = ((prediction - prediction.detach()).pow(2)).sqrt().mean()", ("zero-times-infinity", "nan-gradient", "infinite-gradient")),
    F("vae", "0 times infinity behind where", "kl = -0.5 * torch.mean(1 + logvar - mu.pow(2) - logvar.exp())", "kl = torch.where(h0 > 0, torch.log(h0), h0).mean()", ("zero-times-infinity",)),
    F("transformer", "a row masked altogether", ".tril() == 0", ".tril(-1) == 0", ("row-masked-altogether", "nan-value"), ("softmax(scores",)),
    F("vae", "exp overflows", "std = torch.exp(0.5 * logvar)", "std = torch.exp(500 + 0.5 * logvar)", ("infinite-value",)),
    F("regression", "uninitialised", "self.out = nn.Linear(8, 1)", "self.out = nn.Linear(8, 1)\n        self.out.weight = nn.Parameter(torch.full((1, 8), float('nan')))", ("parameter-not-finite",), ("self.out.weight", "return self.out(x)", "self.out = nn.Linear")),
    # sizes and units
    F("regression", "vanishing", "            x = x + torch.tanh(layer(x))", "            x = torch.sigmoid(layer(x) * 0.05)", ("vanishing",)),
    F("regression", "exploding", "            x = x + torch.tanh(layer(x))", "            x = layer(x) * 60", ("exploding",), ("layer(x) * 60", "self.out(x)")),
    F("mlp", "dead units", "h = torch.relu(self.b(h))", "h = torch.relu(self.b(h) - 100)", ("dead-units",)),
    F("cnn", "dead by its bias", "model.train()\n", "model.train()\nnn.init.constant_(model.conv2.bias, -50.0)\n", ("dead-units",), ("F.relu(self.conv2(x))",)),
    F("regression", "saturated", "            x = x + torch.tanh(layer(x))", "            x = torch.tanh(layer(x) * 200)", ("saturated",)),
    F("transformer", "a gate of 0", "x = x + self.proj(weights @ v)", "x = x + self.proj(weights @ v) * 0.0", ("zero-gradient",)),
    F("regression", "softmax along one", "prediction = model(x).squeeze(-1)", "prediction = torch.softmax(model(x), dim=1).squeeze(-1)", ("softmax-of-one",)),
    F("mlp", "a hook of 0", "logits = model(x)", "logits = model(x)\n    logits.register_hook(lambda g: g * 0)", ("hook-changed", "zero-gradient"), ("register_hook", "logits = model(x)", "self.c(h)")),
    F("cnn", "a hook on a parameter", "model.train()\n", "model.train()\nmodel.conv1.weight.register_hook(lambda g: g * 1e-6)\n", ("hook-changed",), ("register_hook",)),
    # losses
    F("regression", "silent broadcast", "prediction = model(x).squeeze(-1)", "prediction = model(x)", ("silent-broadcast",), ("error = prediction - y",)),
    F("regression", "silent broadcast in mse_loss", "    error = prediction - y\n    loss = error.pow(2).mean()\n", "    loss = F.mse_loss(model(x), y)\n", ("silent-broadcast",)),
    F("mlp", "cross entropy of probabilities", "return self.c(h)", "return torch.softmax(self.c(h), dim=1)", ("probabilities-for-logits",), ("F.cross_entropy",)),
    F("vae", "sigmoid twice", "error = F.binary_cross_entropy_with_logits(recon, x)", "error = F.binary_cross_entropy_with_logits(torch.sigmoid(recon), x)", ("probabilities-for-logits",)),
    F("cnn", "softmax twice", "log_probs = F.log_softmax(scores, dim=1)", "log_probs = F.log_softmax(scores.softmax(1), dim=1)", ("softmax-twice",)),
    F("cnn", "nll of probabilities", "log_probs = F.log_softmax(scores, dim=1)", "log_probs = F.softmax(scores, dim=1)", ("no-log-before-nll",), ("F.nll_loss",)),
    F("cnn", "nll of logits", "loss = F.nll_loss(log_probs, y)", "loss = F.nll_loss(scores, y)", ("no-log-before-nll",)),
    F("cnn", "log of softmax", "log_probs = F.log_softmax(scores, dim=1)", "log_probs = torch.log(F.softmax(scores, dim=1))", ("log-of-softmax",)),
    # layers
    F("cnn", "eval while training", "model.train()", "model.eval()", ("evaluating-while-training",)),
    F("cnn", "a bias before batch norm", "bias=False", "bias=True", ("bias-before-norm",), ("self.bn1(self.conv1(x))", "bias=True")),
    F("cnn", "batch norm of one row", "x = torch.randn(12, 1, 6, 6)\ny = torch.randint(0, 4, (12,))", "x = torch.randn(1, 1, 6, 6)\ny = torch.randint(0, 4, (1,))", ("batch-of-one",), ("self.bn1(",)),
    F("transformer", "wasted computation", "h = F.gelu(self.up(self.n2(x)))", "aux = F.gelu(self.up(self.n2(x))).pow(2).sum().exp().log()\n        h = F.gelu(self.up(self.n2(x)))", ("wasted-computation", "infinite-value")),
    F("rnn", "mean over padding", "            outputs.append(self.out(h))\n", "            outputs.append(self.out(h + e.mean(1) @ torch.ones(8, 12)))\n", ("mean-over-padding",)),
    # in place
    F("mlp", "written in place", "return self.c(h)", "e = torch.exp(h)\n        out = self.c(e)\n        e += 1\n        return out", ("in-place-conflict",), ("e += 1",)),
    F("transformer", "softmax written in place", "x = x + self.proj(weights @ v)", "x = x + self.proj(weights @ v)\n        weights.mul_(2)", ("in-place-conflict",), ("weights.mul_(2)",)),
    # half types
    F("mlp", "float16 overflows", "logits = model(x)", "logits = (model(x).half() * 60000 * 60000).float()", ("half-overflow", "infinite-value")),
    F("regression", "steps lost in bfloat16", "x = torch.randn(24, 8)\ny = torch.randn(24)", "model = model.bfloat16()\nx = torch.randn(24, 8).bfloat16()\ny = torch.randn(24).bfloat16()", ("update-lost",), ("optimizer.step()",)),
    # as they were found in programs of other styles
    F("mlp", "cleared between batches that add up", STEP, "    if step % 2:\n        optimizer.step()\n", ("cleared-before-step",), ("optimizer.zero_grad()",)),
    F("vae", "an average keeps graphs", "total += loss.item()", "total = 0.9 * total + 0.1 * loss", ("graph-held",)),
    F("cnn", "a learning rate of 0", "lr=1e-3", "lr=0.0", ("step-too-small",), ("optimizer =",)),
    F("mlp", "a penalty without its graph", "    loss = F.cross_entropy(logits, y)\n", "    z = x.clone().requires_grad_()\n    g, = torch.autograd.grad(model(z).sum(), z)\n    loss = F.cross_entropy(logits, y) + (g.norm(dim=1) - 1).pow(2).mean()\n", ("gradient-without-graph",), ("torch.autograd.grad",)),
    F("regression", "an optimizer made elsewhere", "optimizer = " + OPT, "def make():\n    return torch.optim.Adam(Net().parameters(), lr=1e-3)\n\noptimizer = make()", ("optimizer-holds-others",), ("return torch.optim",)),
    F("mlp", "a term that is a metric", "    loss = F.cross_entropy(logits, y)\n", "    wrong = (logits.argmax(1) != y).float().mean()\n    loss = F.cross_entropy(logits, y) + wrong\n", ("term-without-gradient",), ("wrong =",)),
    F("vae", "a sample of torch.normal", "z = dist.rsample()", "z = torch.normal(mu, std)", ("sampled-in-part",)),
    F("vae", "a code that is rounded", "self.decode(z)", "self.decode(z.round())", ("not-differentiable-in-part",)),
    F("regression", "a column beside a row in a weight", "    error = prediction - y\n", "    weight = (model(x).detach() - y).abs()\n    error = (prediction - y) * weight\n", ("silent-broadcast",), ("weight =",)),
    F("regression", "a bound that bfloat16 rounds to 1", "    loss = error.pow(2).mean()\n", "    p = torch.sigmoid(90 * prediction).bfloat16().clamp(1e-6, 1 - 1e-6)\n    loss = -torch.log(1 - p).mean()\n", ("infinite-value",), ("torch.log",)),
    F("mlp", "steps that leap", OPT, "torch.optim.SGD(model.parameters(), lr=5e3)", ("step-too-large",), ("optimizer =",)),
)  # fmt: skip
