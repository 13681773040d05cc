"""Small training programs in the manner of other people's, each with one fault, and its twin without it.

A program is written once; the fault is a line of it with another in its place, as in `zoo`. They train as trainers and
classes do that are written over and over: loops inside of objects, two networks against each other, adapters, games.
"""

# ruff: noqa: E501 - a fault is a line
from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from diagnosis.zoo import run

from graphviz_ad._internal.diagnosis.findings import Diagnosis, Finding

HEAD = """import math
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)
"""


@dataclass(frozen=True)
class Style:
    """A program in which ``right`` stands, and ``wrong`` in its place where it is broken; any of ``kinds`` is right,
    at the first line of ``wrong`` or at lines that contain one of ``at``; ``further`` is a second change.
    """

    name: str
    program: str
    right: str
    wrong: str
    kinds: tuple[str, ...]
    at: tuple[str, ...] = ()

    @property
    def healthy(self) -> str:
        """The twin."""
        return HEAD + self.program

    @property
    def broken(self) -> str:
        """The program with its fault."""
        assert self.program.count(self.right) == 1, (self.name, self.right)
        return HEAD + self.program.replace(self.right, self.wrong)

    def found_in(self, findings: tuple[Finding, ...]) -> bool:
        """Whether one of the first three says what it is, and where."""
        right = [line.strip() for line in self.right.splitlines()]
        wanted = self.at or tuple(s for line in self.wrong.splitlines() if (s := line.strip()) and s not in right)
        lines = [i for i, line in enumerate(self.broken.splitlines(), 1) if any(part in line for part in wanted)]
        assert lines, (self.name, wanted)
        return any(one.kind in self.kinds and one.line in lines for one in findings[:3])


@cache
def diagnosed(text: str) -> Diagnosis:
    """What is said of a program."""
    return run(text, passes=6)


LIGHTNING = """
class LitRegressor(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(5, 12), nn.SiLU(), nn.Linear(12, 12), nn.SiLU())
        self.head = nn.Linear(12, 1)
        self.logged = {}

    def log(self, name, value):
        self.logged[name] = float(value)

    def training_step(self, batch, index):
        x, y = batch
        y_hat = self.head(self.body(x))
        loss = F.mse_loss(y_hat, y)
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=2e-3)

class Trainer:
    def __init__(self, max_epochs):
        self.max_epochs = max_epochs

    def fit(self, module, loader):
        optimizer = module.configure_optimizers()
        module.train()
        for epoch in range(self.max_epochs):
            for index, batch in enumerate(loader):
                def closure():
                    optimizer.zero_grad()
                    loss = module.training_step(batch, index)
                    loss.backward()
                    return loss
                optimizer.step(closure)

data = torch.utils.data.TensorDataset(torch.randn(32, 5), torch.randn(32, 1))
Trainer(3).fit(LitRegressor(), torch.utils.data.DataLoader(data, batch_size=8))
"""

HF = """
class Output(dict):
    __getattr__ = dict.__getitem__

class TinyForClassification(nn.Module):
    def __init__(self):
        super().__init__()
        self.embeddings = nn.Embedding(40, 16)
        self.encoder = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, batch_first=True)
        self.classifier = nn.Linear(16, 3)

    def forward(self, input_ids, labels=None):
        hidden = self.encoder(self.embeddings(input_ids))
        logits = self.classifier(hidden[:, 0])
        loss = F.cross_entropy(logits, labels) if labels is not None else None
        return Output(loss=loss, logits=logits)

class Trainer:
    def __init__(self, model, dataset, steps):
        self.model, self.dataset, self.steps = model, dataset, steps
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda s: min(1.0, (s + 1) / 2))

    def compute_loss(self, inputs):
        outputs = self.model(**inputs)
        return outputs.loss

    def training_step(self, inputs):
        self.model.train()
        loss = self.compute_loss(inputs)
        loss.backward()
        return loss.detach()

    def train(self):
        tr_loss = torch.tensor(0.0)
        for step in range(self.steps):
            tr_loss += self.training_step(self.dataset[step % len(self.dataset)])
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.scheduler.step()
            self.model.zero_grad()
        return tr_loss.item() / self.steps

dataset = [dict(input_ids=torch.randint(0, 40, (8, 6)), labels=torch.randint(0, 3, (8,))) for _ in range(3)]
Trainer(TinyForClassification(), dataset, 6).train()
"""

GAN = """
G = nn.Sequential(nn.Linear(4, 16), nn.LeakyReLU(0.2), nn.Linear(16, 2))
D = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
opt_g = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.999))
opt_d = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.999))
bce = nn.BCEWithLogitsLoss()
ones, zeros = torch.ones(16, 1), torch.zeros(16, 1)
for it in range(5):
    real = torch.randn(16, 2) + 3
    fake = G(torch.randn(16, 4))
    d_loss = bce(D(real), ones) + bce(D(fake.detach()), zeros)
    opt_d.zero_grad()
    d_loss.backward()
    opt_d.step()
    g_loss = bce(D(fake), ones)
    opt_g.zero_grad()
    g_loss.backward()
    opt_g.step()
"""

REINFORCE = """
class Env:
    def reset(self):
        self.t, self.s = 0, torch.randn(3)
        return self.s

    def step(self, action):
        self.t += 1
        self.s = self.s * 0.9 + 0.1 * (action.float() - 0.5)
        return self.s, -float(self.s.abs().sum()), self.t >= 5

policy = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 2))
optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
env = Env()
for episode in range(4):
    state, done = env.reset(), False
    log_probs, rewards = [], []
    while not done:
        dist = torch.distributions.Categorical(logits=policy(state))
        action = dist.sample()
        log_probs.append(dist.log_prob(action))
        state, reward, done = env.step(action)
        rewards.append(reward)
    returns, running = [], 0.0
    for r in reversed(rewards):
        running = r + 0.99 * running
        returns.insert(0, running)
    returns = torch.tensor(returns)
    returns = (returns - returns.mean()) / (returns.std() + 1e-6)
    loss = -(torch.stack(log_probs) * returns).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""

DQN = """
class QNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 24), nn.ReLU(), nn.Linear(24, 3))

    def forward(self, s):
        return self.net(s)

class Agent:
    def __init__(self):
        self.policy, self.target = QNet(), QNet()
        self.target.load_state_dict(self.policy.state_dict())
        self.optimizer = torch.optim.RMSprop(self.policy.parameters(), lr=1e-3)
        self.steps = 0

    def learn(self, s, a, r, s2, done):
        q = self.policy(s).gather(1, a.unsqueeze(1)).squeeze(1)
        with torch.no_grad():
            best = self.target(s2).max(dim=1).values
        expected = r + 0.99 * best * (1 - done)
        loss = F.smooth_l1_loss(q, expected)
        self.optimizer.zero_grad()
        loss.backward()
        for p in self.policy.parameters():
            p.grad.data.clamp_(-1, 1)
        self.optimizer.step()
        self.steps += 1
        if self.steps % 3 == 0:
            self.target.load_state_dict(self.policy.state_dict())

agent = Agent()
for _ in range(5):
    s, s2 = torch.randn(12, 4), torch.randn(12, 4)
    agent.learn(s, torch.randint(0, 3, (12,)), torch.randn(12), s2, torch.randint(0, 2, (12,)).float())
"""

CUSTOM = """
class ScaledLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, scale):
        ctx.save_for_backward(x, weight)
        ctx.scale = scale
        return x @ weight.t() * scale

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        return grad @ weight * ctx.scale, grad.t() @ x * ctx.scale, None

class Layer(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(o, i) / math.sqrt(i))

    def forward(self, x):
        return ScaledLinear.apply(x, self.weight, 1.4)

net = nn.Sequential(Layer(6, 10), nn.GELU(), Layer(10, 10), nn.GELU(), nn.Linear(10, 2))
optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
x, y = torch.randn(20, 6), torch.randn(20, 2)
for _ in range(4):
    optimizer.zero_grad(set_to_none=True)
    out = net(x)
    loss = (out - y).square().mean()
    loss.backward()
    optimizer.step()
"""

VQ = """
class Quantizer(nn.Module):
    def __init__(self):
        super().__init__()
        self.codes = nn.Embedding(16, 4)

    def forward(self, z):
        distance = torch.cdist(z, self.codes.weight)
        index = distance.argmin(1)
        q = self.codes(index)
        commit = F.mse_loss(z, q.detach()) + F.mse_loss(q, z.detach())
        q = z + (q - z).detach()
        return q, commit

class VQVAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
        self.vq = Quantizer()
        self.dec = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 8))

    def forward(self, x):
        z = self.enc(x)
        q, commit = self.vq(z)
        return self.dec(q), commit

model = VQVAE()
opt = torch.optim.Adam(model.parameters(), 1e-3)
x = torch.randn(24, 8)
for epoch in range(4):
    recon, commit = model(x)
    loss = F.mse_loss(recon, x) + 0.25 * commit
    opt.zero_grad(); loss.backward(); opt.step()
"""

AMP = """
device = "cpu"
net = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 4)).to(device)
optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
scaler = torch.amp.GradScaler(device, init_scale=1024.0)
x, y = torch.randn(16, 10), torch.randint(0, 4, (16,))
for step in range(5):
    optimizer.zero_grad()
    with torch.autocast(device, dtype=torch.bfloat16):
        logits = net(x)
        loss = F.cross_entropy(logits.float(), y)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
    scaler.step(optimizer)
    scaler.update()
"""

EPOCHS = """
class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv1d(2, 8, 3, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3))
        self.fc = nn.Linear(8, 3)

    def forward(self, x):
        return self.fc(self.features(x).mean(-1))

def train_one_epoch(model, batches, optimizer):
    model.train()
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()

@torch.no_grad()
def evaluate(model, batches):
    model.eval()
    return sum((model(x).argmax(1) == y).float().mean().item() for x, y in batches) / len(batches)

batches = [(torch.randn(10, 2, 9), torch.randint(0, 3, (10,))) for _ in range(2)]
model = Classifier()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
evaluate(model, batches)
for epoch in range(3):
    train_one_epoch(model, batches, optimizer)
    evaluate(model, batches)
"""

BYOL = """
import copy

class BYOL(nn.Module):
    def __init__(self):
        super().__init__()
        self.online = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 8))
        self.target = copy.deepcopy(self.online)
        self.predictor = nn.Linear(8, 8)

    @torch.no_grad()
    def update_target(self, tau=0.99):
        for t, o in zip(self.target.parameters(), self.online.parameters()):
            t.data.mul_(tau).add_(o.data, alpha=1 - tau)

    def forward(self, a, b):
        p = self.predictor(self.online(a))
        with torch.no_grad():
            t = self.target(b)
        return 2 - 2 * F.cosine_similarity(p, t.detach(), dim=-1).mean()

model = BYOL()
optimizer = torch.optim.Adam([*model.online.parameters(), *model.predictor.parameters()], lr=1e-3)
for _ in range(5):
    x = torch.randn(16, 6)
    loss = model(x + 0.1 * torch.randn_like(x), x + 0.1 * torch.randn_like(x))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    model.update_target()
"""

LORA = """
class LoRALinear(nn.Module):
    def __init__(self, base, r=2, alpha=4):
        super().__init__()
        self.base = base
        self.base.weight.requires_grad = False
        self.base.bias.requires_grad = False
        self.lora_A = nn.Parameter(torch.randn(r, base.in_features) * 0.1)
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, r))
        self.scaling = alpha / r

    def forward(self, x):
        return self.base(x) + (x @ self.lora_A.T @ self.lora_B.T) * self.scaling

backbone = nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 3))
for i in (0, 2):
    backbone[i] = LoRALinear(backbone[i])
trainable = [p for p in backbone.parameters() if p.requires_grad]
optimizer = torch.optim.AdamW(trainable, lr=1e-2)
x, y = torch.randn(16, 6), torch.randint(0, 3, (16,))
for step in range(4):
    loss = F.cross_entropy(backbone(x), y)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
"""

FINETUNE = """
class Pretrained(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU())
        self.classifier = nn.Linear(16, 10)

    def forward(self, x):
        return self.classifier(self.backbone(x))

def build():
    model = Pretrained()
    for param in model.parameters():
        param.requires_grad = False
    model.classifier = nn.Linear(16, 4)
    return model

def main():
    model = build()
    optimizer = torch.optim.Adam(model.classifier.parameters(), lr=1e-3)
    criterion = nn.CrossEntropyLoss()
    for _ in range(4):
        inputs, labels = torch.randn(10, 8), torch.randint(0, 4, (10,))
        optimizer.zero_grad()
        loss = criterion(model(inputs), labels)
        loss.backward()
        optimizer.step()

if __name__ == "__main__":
    main()
"""

MULTITASK = """
class MultiTask(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(7, 20), nn.ELU())
        self.heads = nn.ModuleDict({"age": nn.Linear(20, 1), "kind": nn.Linear(20, 4)})

    def forward(self, x):
        h = self.trunk(x)
        return {name: head(h) for name, head in self.heads.items()}

model = MultiTask()
weights = {"age": 0.1, "kind": 1.0}
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
x, age, kind = torch.randn(14, 7), torch.rand(14, 1), torch.randint(0, 4, (14,))
for _ in range(4):
    out = model(x)
    losses = {"age": F.l1_loss(out["age"], age), "kind": F.cross_entropy(out["kind"], kind)}
    total = sum(weights[name] * losses[name] for name in losses)
    optimizer.zero_grad()
    total.backward()
    optimizer.step()
"""

SCHEDULED = """
model = nn.Sequential(nn.Linear(6, 20), nn.Tanh(), nn.Linear(20, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.9)
x = torch.randn(20, 6)
y = x[:, :1] * 0.5
for epoch in range(6):
    optimizer.zero_grad()
    loss = ((model(x) - y) ** 2).mean()
    loss.backward()
    optimizer.step()
    scheduler.step()
"""

ACCUMULATE = """
class Accumulating:
    def __init__(self, model, every=2):
        self.model, self.every = model, every
        self.opt = torch.optim.Adam(model.parameters(), lr=1e-3)

    def run(self, batches):
        self.opt.zero_grad()
        for i, (x, y) in enumerate(batches):
            loss = F.cross_entropy(self.model(x), y) / self.every
            loss.backward()
            if (i + 1) % self.every == 0:
                self.opt.step()
                self.opt.zero_grad()

model = nn.Sequential(nn.Linear(5, 10), nn.ReLU(), nn.Linear(10, 2))
Accumulating(model).run([(torch.randn(6, 5), torch.randint(0, 2, (6,))) for _ in range(8)])
"""

LOADER = """
class Houses(torch.utils.data.Dataset):
    def __init__(self):
        self.x = torch.randn(40, 6)
        self.price = self.x.sum(1) + 0.1 * torch.randn(40)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return {"features": self.x[i], "price": self.price[i]}

def collate(items):
    features = torch.stack([item["features"] for item in items])
    price = torch.stack([item["price"] for item in items]).unsqueeze(1)
    return features, price

loader = torch.utils.data.DataLoader(Houses(), batch_size=10, shuffle=True, collate_fn=collate)
net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1))
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
criterion = nn.HuberLoss()
for epoch in range(2):
    for features, price in loader:
        predicted = net(features)
        loss = criterion(predicted, price)
        opt.zero_grad()
        loss.backward()
        opt.step()
"""

TIED = """
class LM(nn.Module):
    def __init__(self, vocabulary=25, width=12):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.mix = nn.GRU(width, width, batch_first=True)
        self.lm_head = nn.Linear(width, vocabulary, bias=False)
        self.tie()

    def tie(self):
        self.lm_head.weight = self.embed.weight

    def forward(self, ids):
        h, _ = self.mix(self.embed(ids))
        return self.lm_head(h)

lm = LM()
optimizer = torch.optim.AdamW(lm.parameters(), lr=1e-3)
ids = torch.randint(0, 25, (4, 9))
for _ in range(4):
    logits = lm(ids[:, :-1])
    loss = F.cross_entropy(logits.reshape(-1, 25), ids[:, 1:].reshape(-1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""

PADDED = """
class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(30, 10, padding_idx=0)
        self.lstm = nn.LSTM(10, 12, batch_first=True)
        self.tags = nn.Linear(12, 5)

    def forward(self, ids):
        h, _ = self.lstm(self.words(ids))
        return self.tags(h)

tagger = Tagger()
optimizer = torch.optim.Adam(tagger.parameters(), lr=2e-3)
ids = torch.randint(1, 30, (6, 8))
tags = torch.randint(1, 5, (6, 8))
for row, length in enumerate([8, 6, 5, 4, 3, 2]):
    ids[row, length:] = 0
    tags[row, length:] = -100
for _ in range(4):
    scores = tagger(ids)
    loss = F.cross_entropy(scores.flatten(0, 1), tags.flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""

INPLACE = """
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate, self.value = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x):
        g = torch.sigmoid(self.gate(x))
        out = g * self.value(x)
        return x + out

model = nn.Sequential(Block(), Block(), nn.Linear(8, 2))
sgd = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(12, 8), torch.randint(0, 2, (12,))
for _ in range(4):
    sgd.zero_grad()
    F.cross_entropy(model(x), y).backward()
    sgd.step()
"""

COMPILED = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(6, 12), nn.Linear(12, 3)

    def forward(self, x):
        h = F.gelu(self.up(x))
        return self.down(h)

net = Net()
fast = torch.compile(net, backend="eager")
opt = torch.optim.Adam(net.parameters(), lr=1e-3)
x, y = torch.randn(9, 6), torch.randint(0, 3, (9,))
for _ in range(4):
    opt.zero_grad()
    loss = F.cross_entropy(fast(x), y)
    loss.backward()
    opt.step()
"""

FUNCTIONAL = """
from torch.func import functional_call

net = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 1))
meta = torch.optim.Adam(net.parameters(), lr=1e-2)

def adapt(params, x, y, lr=0.1):
    loss = F.mse_loss(functional_call(net, params, (x,)), y)
    grads = torch.autograd.grad(loss, list(params.values()), create_graph=True)
    return {name: p - lr * g for (name, p), g in zip(params.items(), grads)}

for task in range(4):
    xs, ys = torch.randn(10, 3), torch.randn(10, 1)
    params = {name: p for name, p in net.named_parameters()}
    fast = adapt(params, xs[:5], ys[:5])
    outer = F.mse_loss(functional_call(net, fast, (xs[5:],)), ys[5:])
    meta.zero_grad()
    outer.backward()
    meta.step()
"""

WEIGHTNORM = """
from torch.nn.utils.parametrizations import weight_norm

def block(i, o):
    return weight_norm(nn.Linear(i, o))

net = nn.Sequential(block(5, 16), nn.Softplus(), block(16, 16), nn.Softplus(), nn.Linear(16, 1))
for p in net[4].parameters():
    nn.init.normal_(p, std=0.1)
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
x, y = torch.randn(16, 5), torch.randn(16, 1)
for _ in range(4):
    loss = F.mse_loss(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""

CHECKPOINTED = """
from torch.utils.checkpoint import checkpoint

class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(6, 10)
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(10, 10), nn.ReLU()) for _ in range(3)])
        self.out = nn.Linear(10, 2)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False)
        return self.out(x)

model = Deep()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
x, y = torch.randn(12, 6), torch.randint(0, 2, (12,))
for _ in range(4):
    loss = nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""

TBPTT = """
class CharRNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb, self.rnn, self.out = nn.Embedding(12, 8), nn.LSTM(8, 16, batch_first=True), nn.Linear(16, 12)

    def forward(self, ids, state):
        h, state = self.rnn(self.emb(ids), state)
        return self.out(h), state

text = torch.randint(0, 12, (3, 41))
model = CharRNN()
optim = torch.optim.Adam(model.parameters(), lr=2e-3)
state = None
for start in range(0, 40, 10):
    chunk, target = text[:, start:start + 10], text[:, start + 1:start + 11]
    if state is not None:
        state = tuple(s.detach() for s in state)
    logits, state = model(chunk, state)
    loss = F.cross_entropy(logits.transpose(1, 2), target)
    optim.zero_grad()
    loss.backward()
    optim.step()
"""

LOSSES = """
class History:
    def __init__(self):
        self.losses = []

    def push(self, value):
        self.losses.append(value)

net = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(net.parameters())
history = History()
for step in range(6):
    x = torch.randn(16, 4)
    loss = ((net(x) - x.sum(1, keepdim=True)) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    history.push(loss.item())
print(len(history.losses))
"""

GAUSSIAN_POLICY = """
class Actor(nn.Module):
    def __init__(self):
        super().__init__()
        self.mu = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 2))
        self.log_std = nn.Parameter(torch.zeros(2))

    def forward(self, obs):
        return torch.distributions.Normal(self.mu(obs), self.log_std.exp())

actor, critic = Actor(), nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 1))
pi_opt = torch.optim.Adam(actor.parameters(), lr=3e-4)
q_opt = torch.optim.Adam(critic.parameters(), lr=3e-4)
for update in range(4):
    obs, act, ret = torch.randn(16, 3), torch.randn(16, 2), torch.randn(16, 1)
    q_loss = F.mse_loss(critic(torch.cat([obs, act], 1)), ret)
    q_opt.zero_grad()
    q_loss.backward()
    q_opt.step()
    action = actor(obs).rsample()
    pi_loss = -critic(torch.cat([obs, action], 1)).mean()
    pi_opt.zero_grad()
    pi_loss.backward()
    pi_opt.step()
"""

CLIP = """
class TwoTowers(nn.Module):
    def __init__(self):
        super().__init__()
        self.image, self.text = nn.Linear(12, 8), nn.Linear(9, 8)
        self.scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def forward(self, image, text):
        i = self.image(image)
        t = self.text(text)
        i = i / (i.norm(dim=-1, keepdim=True) + 1e-6)
        t = t / (t.norm(dim=-1, keepdim=True) + 1e-6)
        return self.scale.exp() * i @ t.T

model = TwoTowers()
opt = torch.optim.AdamW(model.parameters(), lr=1e-3)
labels = torch.arange(8)
for _ in range(4):
    image, text = torch.randn(8, 12), torch.randn(8, 9)
    logits = model(image, text)
    loss = (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2
    opt.zero_grad()
    loss.backward()
    opt.step()
"""

MASKED = """
class Attention(nn.Module):
    def __init__(self, d=8):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(d, d) for _ in range(4))

    def forward(self, x, lengths):
        scores = self.q(x) @ self.k(x).transpose(1, 2) / math.sqrt(x.shape[-1])
        real = torch.arange(x.shape[1])[None, :] < lengths[:, None]
        scores = scores.masked_fill(~real[:, None, :], float("-inf"))
        return self.o(scores.softmax(-1) @ self.v(x))

layer = Attention()
optimizer = torch.optim.Adam(layer.parameters(), lr=1e-3)
x, y = torch.randn(4, 5, 8), torch.randn(4, 5, 8)
lengths = torch.tensor([5, 3, 2, 4])
for _ in range(3):
    loss = (layer(x, lengths) - y).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""

UNET = """
class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(1, 6, 3, stride=2, padding=1)
        self.mid = nn.Conv2d(6, 6, 3, padding=1)
        self.up = nn.ConvTranspose2d(6, 6, 2, stride=2)
        self.last = nn.Conv2d(7, 1, 1)

    def forward(self, image):
        d = F.relu(self.down(image))
        m = F.relu(self.mid(d))
        u = F.relu(self.up(m))
        mask = self.last(torch.cat([u, image], 1))
        return mask

unet = UNet()
optimizer = torch.optim.Adam(unet.parameters(), lr=1e-3)
criterion = nn.BCEWithLogitsLoss()
for i in range(3):
    images = torch.randn(4, 1, 8, 8)
    masks = (images > 0).float()
    optimizer.zero_grad()
    loss = criterion(unet(images), masks)
    loss.backward()
    optimizer.step()
"""

GNN = """
class GNN(nn.Module):
    def __init__(self, widths=(5, 12, 12)):
        super().__init__()
        self.convs = nn.ModuleList([nn.Linear(a, b) for a, b in zip(widths, widths[1:])])
        self.read = nn.Linear(widths[-1], 2)

    def forward(self, x, adjacency):
        for conv in self.convs:
            x = torch.relu(conv(adjacency @ x))
        return self.read(x.mean(0, keepdim=True))

gnn = GNN()
optimizer = torch.optim.Adam(gnn.parameters(), lr=1e-2)
graphs = []
for _ in range(4):
    a = (torch.rand(7, 7) > 0.5).float()
    a = ((a + a.T) > 0).float() + torch.eye(7)
    graphs.append((torch.randn(7, 5), a / a.sum(1, keepdim=True), torch.randint(0, 2, (1,))))
for x, a, y in graphs:
    loss = F.cross_entropy(gnn(x, a), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""

BYHAND = """
w = torch.randn(5, 8) / 3
b = torch.zeros(8)
v = torch.randn(8, 1) / 3
params = [w, b, v]
for p in params:
    p.requires_grad_()
x = torch.randn(30, 5)
y = x.sum(1, keepdim=True).sin()
for it in range(5):
    prediction = torch.tanh(x @ w + b) @ v
    loss = ((prediction - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        for p in params:
            p -= 0.05 * p.grad
            p.grad = None
"""

SIAMESE = """
class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 4))

    def forward(self, a, b):
        d2 = (self.net(a) - self.net(b)).pow(2).sum(1)
        return torch.sqrt(d2 + 1e-8)

def contrastive(distance, same, margin=1.0):
    return (same * distance ** 2 + (1 - same) * F.relu(margin - distance) ** 2).mean()

model = Siamese()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
a = torch.randn(10, 6)
b = torch.randn(10, 6)
b[0] = a[0]
same = torch.tensor([1.0, 0, 1, 0, 1, 0, 1, 0, 1, 0])
for step in range(3):
    optimizer.zero_grad()
    loss = contrastive(model(a, b), same)
    loss.backward()
    optimizer.step()
"""

UNCERTAINTY = """
class Weighted(nn.Module):
    def __init__(self, tasks):
        super().__init__()
        self.log_vars = nn.ParameterList([nn.Parameter(torch.zeros(())) for _ in range(tasks)])

    def forward(self, losses):
        return sum(torch.exp(-s) * loss + s for s, loss in zip(self.log_vars, losses))

net = nn.Linear(5, 2)
weigh = Weighted(2)
optimizer = torch.optim.Adam([*net.parameters(), *weigh.parameters()], lr=1e-2)
x, y = torch.randn(16, 5), torch.randn(16, 2)
for _ in range(4):
    out = net(x)
    loss = weigh([F.mse_loss(out[:, 0], y[:, 0]), F.l1_loss(out[:, 1], y[:, 1])])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""

S = Style
PERSISTENT = """
class Engine:
    def __init__(self, net):
        self.net, self.opt = net, torch.optim.Adam(net.parameters(), lr=1e-2)

    def step(self, x, y):
        out = self.net(x)
        loss = F.nll_loss(F.log_softmax(out, dim=1), y)
        loss.backward()
        self.opt.step(); self.opt.zero_grad()
        return loss.item()

engine = Engine(nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 4)))
for _ in range(8):
    x = torch.randn(16, 6)
    engine.step(x, x[:, :4].argmax(1))
"""

AVERAGED = """
import copy

class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1, dtype=torch.double))

    def forward(self, x):
        return x * self.gain.float()

online, predictor = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8)), nn.Sequential(nn.Linear(8, 8), Scale())
target = copy.deepcopy(online).requires_grad_(False)
opt = torch.optim.SGD([*online.parameters(), *predictor.parameters()], lr=0.05)
for _ in range(6):
    x = torch.randn(16, 8)
    p = predictor(online(x + 0.1))
    loss = 2 - 2 * F.cosine_similarity(p, target(x - 0.1)).mean()
    opt.zero_grad()
    loss.backward(retain_graph=True)
    opt.step()
    with torch.no_grad():
        for t, o in zip(target.parameters(), online.parameters()):
            t.lerp_(o, 0.01)
"""

CLIPPED_RATIO = """
from torch.distributions import Normal

body, mu, value = nn.Linear(3, 24), nn.Linear(24, 1), nn.Linear(24, 1)
log_std = nn.Parameter(torch.zeros(1))
opt = torch.optim.Adam([*body.parameters(), *mu.parameters(), *value.parameters(), log_std], lr=3e-4)
states = torch.randn(32, 3)
for _ in range(6):
    h = torch.tanh(body(states))
    d = Normal(mu(h), log_std.exp())
    action = d.sample()
    old = d.log_prob(action).detach() + 0.1 * torch.randn(32, 1)
    ratio = (d.log_prob(action) - old).exp()
    gain = torch.randn(32, 1)
    loss = -torch.min(ratio * gain, ratio.clamp(0.8, 1.2) * gain).mean() + (value(h) - gain).pow(2).mean() - 0.01 * d.entropy().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
"""

CRITIC_FIRST = """
critic = nn.Sequential(nn.Linear(2, 24), nn.LeakyReLU(), nn.Linear(24, 1))
generator = nn.Sequential(nn.Linear(4, 24), nn.ReLU(), nn.Linear(24, 2))
oc, og = (torch.optim.Adam(net.parameters(), 1e-4, betas=(0.0, 0.9)) for net in (critic, generator))

def penalty(real, fake):
    a = torch.rand(len(real), 1)
    mix = (a * real + (1 - a) * fake).requires_grad_(True)
    (g,) = torch.autograd.grad(critic(mix).sum(), mix, create_graph=True)
    return ((g.norm(2, dim=1) - 1) ** 2).mean()

for it in range(12):
    real, fake = torch.randn(16, 2), generator(torch.randn(16, 4)).detach()
    loss = critic(fake).mean() - critic(real).mean() + 10 * penalty(real, fake)
    oc.zero_grad()
    loss.backward()
    oc.step()
    if it % 4 == 3:
        og.zero_grad()
        (-critic(generator(torch.randn(16, 4))).mean()).backward()
        og.step()
"""

SCALED = """
net = nn.Sequential(nn.Linear(20, 40), nn.ReLU(), nn.Linear(40, 1))
opt, scaler = torch.optim.AdamW(net.parameters(), lr=1e-3), torch.amp.GradScaler("cpu", init_scale=65536.0)
for _ in range(6):
    x = torch.randn(8, 20)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = F.mse_loss(net(x), x.sum(1, keepdim=True))
    opt.zero_grad()
    scaler.scale(loss).backward()
    scaler.unscale_(opt)
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    scaler.step(opt)
    scaler.update()
"""

TRUNK = """
trunk, head = nn.Linear(6, 16), nn.Linear(16, 2)
slow = torch.optim.AdamW(trunk.parameters(), lr=1e-4)
fast = torch.optim.AdamW(head.parameters(), lr=1e-3)
warm = torch.optim.lr_scheduler.LambdaLR(slow, lambda s: min(1.0, s / 2))

def train(batches):
    for x, y in batches:
        loss = F.mse_loss(head(torch.tanh(trunk(x))), y)
        slow.zero_grad(), fast.zero_grad()
        loss.backward()
        slow.step(), fast.step()
        warm.step()

for epoch in range(3):
    train([(torch.randn(8, 6), torch.randn(8, 2)) for _ in range(4)])
"""

STYLES: tuple[Style, ...] = (
    S("an optimizer of the head in a trainer", LIGHTNING, "AdamW(self.parameters()", "AdamW(self.head.parameters()", ("not-in-optimizer",), ("AdamW(",)),
    S("a loss of numbers in a trainer", LIGHTNING, "        return loss\n\n", "        return torch.tensor(self.logged[\"train_loss\"], requires_grad=True)\n\n", ("taken-as-number",), ("float(value)",)),
    S("no zero_grad in a trainer", HF, "            self.model.zero_grad()\n", "", ("not-cleared",), ("loss.backward()",)),
    S("a schedule that divides away every step", HF, "min(1.0, (s + 1) / 2)", "(s + 1) // 1000", ("step-too-small",), ("AdamW(", "LambdaLR", "self.optimizer.step()")),
    S("a generator that is trained on what is detached", GAN, "    g_loss = bce(D(fake), ones)", "    g_loss = bce(D(fake.detach()), ones)", ("detached",)),
    S("log probabilities as numbers", REINFORCE, "loss = -(torch.stack(log_probs) * returns).sum()", "loss = -(torch.tensor([float(l) for l in log_probs], requires_grad=True) * returns).sum()", ("taken-as-number",)),
    S("log probabilities of an episode are detached", REINFORCE, "log_probs.append(dist.log_prob(action))", "log_probs.append(dist.log_prob(action).detach())", ("detached",)),
    S("the index of the best action for its value", DQN, "q = self.policy(s).gather(1, a.unsqueeze(1)).squeeze(1)", "q = self.policy(s).max(1)[1].float()", ("not-differentiable",)),
    S("targets of another shape in a game", DQN, "gather(1, a.unsqueeze(1)).squeeze(1)", "gather(1, a.unsqueeze(1))", ("silent-broadcast",), ("smooth_l1_loss",)),
    S("a backward without the gradient of the weight", CUSTOM, "grad @ weight * ctx.scale, grad.t() @ x * ctx.scale, None", "grad @ weight * ctx.scale, None, None", ("none-from-backward",), ("ScaledLinear.apply",)),
    S("codes without a way straight through", VQ, "        q = z + (q - z).detach()\n", "        q = q.detach()\n", ("detached", "detached-in-part")),
    S("a hook of 0 on parameters in bfloat16", AMP, "nn.Linear(32, 4)).to(device)", "nn.Linear(32, 4)).to(device, torch.bfloat16)\nfor p in net.parameters(): p.register_hook(lambda g: g * 0)", ("hook-changed", "zero-gradient"), ("register_hook", "net(x)")),
    S("a scale of 0", AMP, "init_scale=1024.0", "init_scale=0.0", ("nan-value",), ("scaler.unscale_",)),
    S("left in eval mode after the validation", EPOCHS, "    model.train()\n", "", ("evaluating-while-training",), ("model.eval()",)),
    S("the online network is detached, not the target", BYOL, "p = self.predictor(self.online(a))", "p = self.predictor(self.online(a).detach())", ("detached",)),
    S("two factors of 0 in an adapter", LORA, "nn.Parameter(torch.randn(r, base.in_features) * 0.1)", "nn.Parameter(torch.zeros(r, base.in_features))", ("zero-gradient",), ("self.lora_A.T",)),
    S("frozen after the new head was put on", FINETUNE, "    for param in model.parameters():\n        param.requires_grad = False\n    model.classifier = nn.Linear(16, 4)\n", "    model.classifier = nn.Linear(16, 4)\n    for param in model.parameters():\n        param.requires_grad = False\n", ("frozen", "nothing-requires-grad"), ("requires_grad = False",)),
    S("one of two losses as a number", MULTITASK, '"age": F.l1_loss(out["age"], age)', '"age": F.l1_loss(out["age"], age).item()', ("taken-as-number",)),
    S("a head that no loss reads", MULTITASK, "for name in losses)", "for name in list(losses)[:1])", ("result-unused",), ("head(h)", '"kind": F.cross_entropy')),
    S("a schedule that grows without end", SCHEDULED, "gamma=0.9", "gamma=90.0", ("step-too-large", "diverging"), ("torch.optim.SGD(", "StepLR(")),
    S("cleared in each small batch", ACCUMULATE, "            loss.backward()\n", "            self.opt.zero_grad()\n            loss.backward()\n", ("cleared-before-step",)),
    S("targets of a loader in another shape", LOADER, ".unsqueeze(1)\n    return", "\n    return", ("silent-broadcast",), ("criterion(predicted, price)",)),
    S("untied after the optimizer was made", TIED, "ids = torch.randint(0, 25, (4, 9))", "ids = torch.randint(0, 25, (4, 9))\nlm.lm_head.weight = nn.Parameter(lm.embed.weight.detach().clone())", ("not-in-optimizer",), ("optimizer =", "lm.lm_head.weight =")),
    S("padding counts in the loss", PADDED, "tags[row, length:] = -100", "tags[row, length:] = 0", ("loss-over-padding",), ("F.cross_entropy",)),
    S("a gate that is written over", INPLACE, "        return x + out", "        g.add_(1e-3)\n        return x + out", ("in-place-conflict",)),
    S("detached in what is compiled", COMPILED, "return self.down(h)", "return self.down(h.detach())", ("detached",)),
    S("copies of parameters in a functional call", FUNCTIONAL, "{name: p for name, p in", "{name: p.detach().clone().requires_grad_() for name, p in", ("detached", "optimizer-holds-others", "taken-as-number")),
    S("directions of 0 under weight norm", WEIGHTNORM, "    return weight_norm(nn.Linear(i, o))", "    layer = weight_norm(nn.Linear(i, o))\n    nn.init.zeros_(layer.parametrizations.weight.original1)\n    return layer", ("nan-value", "nan-gradient"), ("net(x)",)),
    S("a reentrant checkpoint of the first layers", CHECKPOINTED, "        x = self.stem(x)\n        for block in self.blocks:\n            x = checkpoint(block, x, use_reentrant=False)\n", "        x = checkpoint(self.stem, x, use_reentrant=True)\n        for block in self.blocks:\n            x = block(x)\n", ("reentrant-checkpoint",)),
    S("a state that is carried over", TBPTT, "        state = tuple(s.detach() for s in state)", "        state = tuple(s for s in state)", ("backward-twice",), ("model(chunk, state)", "self.rnn(")),
    S("losses that are kept with their graphs", LOSSES, "history.push(loss.item())", "history.push(loss)", ("graph-held",), ("history.push(loss)", "self.losses.append(value)", "loss = ((net(x)")),
    S("an action that is drawn without r", GAUSSIAN_POLICY, "actor(obs).rsample()", "actor(obs).sample()", ("sampled",)),
    S("a norm of 0 below a fraction", CLIP, "        i = i / (i.norm(dim=-1, keepdim=True) + 1e-6)", "        i = i * 0\n        i = i / i.norm(dim=-1, keepdim=True)", ("nan-value",), ("i / i.norm",)),
    S("a row of nothing but padding", MASKED, "torch.tensor([5, 3, 2, 4])", "torch.tensor([5, 3, 0, 4])", ("row-masked-altogether",), ("scores.softmax", "masked_fill")),
    S("sigmoid before a loss that has its own", UNET, "        return mask\n", "        return torch.sigmoid(mask)\n", ("probabilities-for-logits",), ("criterion(",)),
    S("layers of a graph network in a list", GNN, "nn.ModuleList([nn.Linear(a, b) for a, b in zip(widths, widths[1:])])", "[nn.Linear(a, b) for a, b in zip(widths, widths[1:])]", ("not-registered",), ("conv(adjacency @ x)",)),
    S("steps by hand that are not cleared", BYHAND, "            p.grad = None\n", "", ("not-cleared",), ("loss.backward()",)),
    S("a root of a distance of 0", SIAMESE, "torch.sqrt(d2 + 1e-8)", "torch.sqrt(d2)", ("nan-gradient", "infinite-gradient", "zero-times-infinity")),
    S("weights of losses in a list", UNCERTAINTY, "nn.ParameterList([nn.Parameter(torch.zeros(())) for _ in range(tasks)])", "[torch.zeros((), requires_grad=True) for _ in range(tasks)]", ("not-in-optimizer", "not-registered"), ("log_vars", "optimizer =")),
    S("a loss that was told to require grad", PERSISTENT, "        loss.backward()\n", "        loss = (out.argmax(1) == y).float().mean()\n        loss.requires_grad = True\n        loss.backward()\n", ("loss-is-a-leaf",), ("loss.requires_grad",)),
    S("logarithms along the batch", PERSISTENT, "dim=1)", "dim=0)", ("softmax-of-other-rows",), ("F.log_softmax",)),
    S("cleared in the line of the step", PERSISTENT, "self.opt.step(); self.opt.zero_grad()", "self.opt.zero_grad(); self.opt.step()", ("cleared-before-step",)),
    S("features that are detached beside a moving average", AVERAGED, "predictor(online(x + 0.1))", "predictor(online(x + 0.1).detach())", ("detached",)),
    S("a parameter that is converted", AVERAGED, "nn.Parameter(torch.ones(1, dtype=torch.double))", "nn.Parameter(torch.ones(1)).double()", ("not-registered",)),
    S("a ratio of a policy to itself", CLIPPED_RATIO, "(d.log_prob(action) - old)", "(d.log_prob(action) - d.log_prob(action))", ("zero-gradient",)),
    S("a penalty without its graph before the generator", CRITIC_FIRST, "mix, create_graph=True)", "mix, retain_graph=True)", ("gradient-without-graph",)),
    S("a critic that keeps the gradients of the generator", GAN, "    opt_d.zero_grad()\n    d_loss.backward()\n    opt_d.step()\n", "    d_loss.backward()\n    opt_d.step()\n    opt_d.zero_grad()\n", ("left-by-another-loss",), ("d_loss.backward()",)),
    S("a critic in both optimizers", GAN, "opt_g = torch.optim.Adam(G.parameters()", "opt_g = torch.optim.Adam([*G.parameters(), *D.parameters()]", ("in-two-optimizers",)),
    S("backward behind the loop", TRUNK, "        slow.zero_grad(), fast.zero_grad()\n        loss.backward()\n        slow.step(), fast.step()\n        warm.step()\n", "    slow.zero_grad(), fast.zero_grad()\n    loss.backward()\n    slow.step(), fast.step()\n    warm.step()\n", ("backward-behind-the-loop",), ("loss.backward()",)),
    S("a trunk whose rate is 0", TRUNK, "min(1.0, s / 2)", "min(1.0, s // 20)", ("step-too-small",), ("slow = ",)),
    S("clipped before it is unscaled", SCALED, "    scaler.unscale_(opt)\n", "", ("clips-always",), ("clip_grad_norm_",)),
)  # fmt: skip
