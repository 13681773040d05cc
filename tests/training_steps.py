"""Whole training steps in the manner of public examples: loaders, several passes, steps of optimizers; as recorded."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import graphviz_ad as gad

Program = Callable[[], gad.Graph]
WHOLE: dict[str, Program] = {}


def whole(program: Program) -> Program:
    """A program of the table."""
    WHOLE[program.__name__] = program
    return program


def perceptron(*sizes: int, last: nn.Module | None = None) -> nn.Sequential:
    """Linear layers with ReLU between."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1], *([last] if last else []))


# --- generative


class VAE(nn.Module):
    """As in PyTorch's examples."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc21, self.fc22 = nn.Linear(16, 8), nn.Linear(8, 2), nn.Linear(8, 2)
        self.fc3, self.fc4 = nn.Linear(2, 8), nn.Linear(8, 16)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu: Tensor, logvar: Tensor) -> Tensor:
        std = torch.exp(0.5 * logvar)
        eps = torch.randn_like(std)
        return mu + eps * std

    def decode(self, z: Tensor) -> Tensor:
        h3 = F.relu(self.fc3(z))
        return torch.sigmoid(self.fc4(h3))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mu, logvar = self.encode(x.view(-1, 16))
        z = self.reparameterize(mu, logvar)
        return self.decode(z), mu, logvar


def vae_loss(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    bce = F.binary_cross_entropy(recon_x, x.view(-1, 16), reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kld


@whole
def vae() -> gad.Graph:
    """An epoch of a variational autoencoder: a loader of five batches of images."""
    model = VAE()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loader = DataLoader([torch.rand(1, 4, 4) for _ in range(20)], batch_size=4, shuffle=True)
    with gad.record(model) as recorded:
        model.train()
        for data in loader:
            optimizer.zero_grad()
            recon_batch, mu, logvar = model(data)
            loss = vae_loss(recon_batch, data, mu, logvar)
            loss.backward()
            optimizer.step()
    return recorded.graph


@whole
def gan() -> gad.Graph:
    """A step of DCGAN's example: the discriminator on real and made ones, then the generator."""
    nets = nn.ModuleDict({"G": perceptron(3, 8, 6), "D": perceptron(6, 8, 1, last=nn.Sigmoid())})
    netG, netD = nets["G"], nets["D"]
    optimizerD = torch.optim.Adam(netD.parameters(), lr=2e-4, betas=(0.5, 0.999))
    optimizerG = torch.optim.Adam(netG.parameters(), lr=2e-4, betas=(0.5, 0.999))
    criterion = nn.BCELoss()
    real = torch.randn(4, 6)
    with gad.record(nets) as recorded:
        netD.zero_grad()
        label = torch.full((4,), 1.0)
        output = netD(real).view(-1)
        errD_real = criterion(output, label)
        errD_real.backward()
        noise = torch.randn(4, 3)
        fake = netG(noise)
        label.fill_(0.0)
        output = netD(fake.detach()).view(-1)
        errD_fake = criterion(output, label)
        errD_fake.backward()
        optimizerD.step()
        netG.zero_grad()
        label.fill_(1.0)
        output = netD(fake).view(-1)
        errG = criterion(output, label)
        errG.backward()
        optimizerG.step()
    return recorded.graph


# --- reinforcement learning


class ActorCritic(nn.Module):
    """A policy of discrete actions and its value."""

    def __init__(self) -> None:
        super().__init__()
        self.actor, self.critic = perceptron(4, 8, 2), perceptron(4, 8, 1)

    def get_value(self, x: Tensor) -> Tensor:
        return self.critic(x)

    def get_action_and_value(self, x: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        probs = torch.distributions.Categorical(logits=self.actor(x))
        return probs.log_prob(action), probs.entropy(), self.critic(x)


@whole
def ppo() -> gad.Graph:
    """An update in the manner of CleanRL: advantages, then three epochs over two minibatches each."""
    agent = ActorCritic()
    optimizer = torch.optim.Adam(agent.parameters(), lr=2.5e-4, eps=1e-5)
    b_obs, b_actions, rewards = torch.randn(8, 4), torch.arange(8) % 2, torch.rand(8)
    clip_coef, order = 0.2, torch.Generator().manual_seed(0)
    with gad.record(agent) as recorded:
        with torch.no_grad():
            b_logprobs, _, values = agent.get_action_and_value(b_obs, b_actions)
            b_values = values.view(-1)
            next_value = agent.get_value(b_obs[-1:]).view(-1)
            advantages = torch.zeros_like(rewards)
            lastgaelam = torch.zeros(1)
            for t in reversed(range(8)):
                nextvalues = next_value if t == 7 else b_values[t + 1]
                delta = rewards[t] + 0.99 * nextvalues - b_values[t]
                advantages[t] = lastgaelam = delta + 0.99 * 0.95 * lastgaelam
            b_returns = advantages + b_values
        for _epoch in range(3):
            b_inds = torch.randperm(8, generator=order)
            for start in range(0, 8, 4):
                mb_inds = b_inds[start : start + 4]
                newlogprob, entropy, newvalue = agent.get_action_and_value(b_obs[mb_inds], b_actions[mb_inds])
                logratio = newlogprob - b_logprobs[mb_inds]
                ratio = logratio.exp()
                mb_advantages = advantages[mb_inds]
                mb_advantages = (mb_advantages - mb_advantages.mean()) / (mb_advantages.std() + 1e-8)
                pg_loss1 = -mb_advantages * ratio
                pg_loss2 = -mb_advantages * torch.clamp(ratio, 1 - clip_coef, 1 + clip_coef)
                pg_loss = torch.max(pg_loss1, pg_loss2).mean()
                newvalue = newvalue.view(-1)
                v_loss_unclipped = (newvalue - b_returns[mb_inds]) ** 2
                v_clipped = b_values[mb_inds] + torch.clamp(newvalue - b_values[mb_inds], -clip_coef, clip_coef)
                v_loss_clipped = (v_clipped - b_returns[mb_inds]) ** 2
                v_loss = 0.5 * torch.max(v_loss_unclipped, v_loss_clipped).mean()
                loss = pg_loss - 0.01 * entropy.mean() + v_loss * 0.5
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
                optimizer.step()
    return recorded.graph


class Critic(nn.Module):
    """Two of them, as TD3 has them."""

    def __init__(self) -> None:
        super().__init__()
        self.q1, self.q2 = perceptron(5, 8, 1), perceptron(5, 8, 1)

    def forward(self, state: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        sa = torch.cat([state, action], 1)
        return self.q1(sa), self.q2(sa)


@whole
def td3() -> gad.Graph:
    """Four updates, as the paper's code has them: two critics, an actor every second time, averaged targets."""
    nets = nn.ModuleDict({"actor": perceptron(4, 8, 1, last=nn.Tanh()), "critic": Critic()})
    actor, critic = nets["actor"], nets["critic"]
    actor_target, critic_target = copy.deepcopy(actor), copy.deepcopy(critic)
    actor_optimizer = torch.optim.Adam(actor.parameters(), lr=3e-4)
    critic_optimizer = torch.optim.Adam(critic.parameters(), lr=3e-4)
    replay = [(torch.randn(6, 4), torch.rand(6, 1), torch.randn(6, 4), torch.rand(6, 1), torch.ones(6, 1))] * 4
    with gad.record(nets) as recorded:
        for it, (state, action, next_state, reward, not_done) in enumerate(replay):
            with torch.no_grad():
                noise = (torch.randn_like(action) * 0.2).clamp(-0.5, 0.5)
                next_action = (actor_target(next_state) + noise).clamp(-1, 1)
                target_q1, target_q2 = critic_target(next_state, next_action)
                target_q = reward + not_done * 0.99 * torch.min(target_q1, target_q2)
            current_q1, current_q2 = critic(state, action)
            critic_loss = F.mse_loss(current_q1, target_q) + F.mse_loss(current_q2, target_q)
            critic_optimizer.zero_grad()
            critic_loss.backward()
            critic_optimizer.step()
            if it % 2 == 0:
                actor_loss = -critic.q1(torch.cat([state, actor(state)], 1)).mean()
                actor_optimizer.zero_grad()
                actor_loss.backward()
                actor_optimizer.step()
                for net, target in ((critic, critic_target), (actor, actor_target)):
                    for param, target_param in zip(net.parameters(), target.parameters(), strict=True):
                        target_param.data.copy_(0.005 * param.data + 0.995 * target_param.data)
    return recorded.graph


# --- sequences and language


class Sequence(nn.Module):
    """Two LSTM cells, as in PyTorch's example of sine waves."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm1, self.lstm2, self.linear = nn.LSTMCell(1, 6), nn.LSTMCell(6, 6), nn.Linear(6, 1)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        outputs = []
        h_t = c_t = h_t2 = c_t2 = torch.zeros(input.size(0), 6, dtype=torch.double)
        for input_t in input.split(1, dim=1):
            h_t, c_t = self.lstm1(input_t, (h_t, c_t))
            h_t2, c_t2 = self.lstm2(h_t, (h_t2, c_t2))
            outputs.append(self.linear(h_t2))
        return torch.cat(outputs, dim=1)


@whole
def lbfgs() -> gad.Graph:
    """An LSTM under LBFGS, whose closure is called many times in a step."""
    seq = Sequence().double()
    data = torch.sin(torch.arange(3 * 21, dtype=torch.double).view(3, 21) / 4)
    criterion = nn.MSELoss()
    optimizer = torch.optim.LBFGS(seq.parameters(), lr=0.8, max_iter=4)
    with gad.record(seq) as recorded:

        def closure() -> Tensor:
            optimizer.zero_grad()
            out = seq(data[:, :-1])
            loss: Tensor = criterion(out, data[:, 1:])
            loss.backward()
            return loss

        optimizer.step(closure)  # type: ignore[arg-type]
    return recorded.graph


class Decoder(nn.Module):
    """A small language model."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 8)
        self.blocks = nn.ModuleList([nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True) for _ in range(3)])
        self.head = nn.Linear(8, 11)

    def forward(self, tokens: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1])
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x, src_mask=mask, is_causal=True)
        return self.head(x)


def log_probs(model: nn.Module, tokens: Tensor) -> Tensor:
    """Of each sequence."""
    logits = model(tokens)[:, :-1]
    per_token = torch.gather(logits.log_softmax(-1), 2, tokens[:, 1:, None]).squeeze(2)
    return per_token.sum(-1)


@whole
def dpo() -> gad.Graph:
    """Direct preference optimization: a policy and its frozen reference, of one chosen and one rejected answer."""
    policy = Decoder()
    reference = copy.deepcopy(policy).requires_grad_(False)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-4)
    chosen, rejected = torch.randint(11, (2, 5)), torch.randint(11, (2, 5))
    with gad.record(policy) as recorded:
        policy_chosen, policy_rejected = log_probs(policy, chosen), log_probs(policy, rejected)
        with torch.no_grad():
            reference_chosen, reference_rejected = log_probs(reference, chosen), log_probs(reference, rejected)
        logits = (policy_chosen - policy_rejected) - (reference_chosen - reference_rejected)
        loss = -F.logsigmoid(0.1 * logits).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return recorded.graph


# --- by comparison


class Embedder(nn.Module):
    """A small convolutional network."""

    def __init__(self) -> None:
        super().__init__()
        self.convnet = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.PReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3), nn.PReLU(), nn.MaxPool2d(2)
        )
        self.fc = perceptron(4, 8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.convnet(x).flatten(1))


@whole
def triplet() -> gad.Graph:
    """Three branches of one network, over three batches of triplets."""
    net = Embedder()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    loader = DataLoader(TensorDataset(*(torch.rand(9, 1, 12, 12) for _ in range(3))), batch_size=3)
    with gad.record(net) as recorded:
        for anchor, positive, negative in loader:
            optimizer.zero_grad()
            embedded = net(anchor), net(positive), net(negative)
            loss = F.triplet_margin_loss(*embedded, margin=1.0)
            loss.backward()
            optimizer.step()
    return recorded.graph


@whole
def siamese() -> gad.Graph:
    """Two branches and a contrastive loss written by hand; pairs that the loader's dataset makes one by one."""
    net = Embedder()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-2, momentum=0.9)

    class Pairs(torch.utils.data.Dataset[Any]):
        def __len__(self) -> int:
            return 16

        def __getitem__(self, i: int) -> tuple[Tensor, Tensor, Tensor]:
            image = torch.rand(1, 12, 12)
            other = (image + 0.1 * torch.randn_like(image)).clamp(0, 1) if i % 2 else torch.rand(1, 12, 12)
            return (image - 0.5) / 0.5, (other - 0.5) / 0.5, torch.tensor(float(i % 2))

    with gad.record(net) as recorded:
        for one, two, same in DataLoader(Pairs(), batch_size=8, shuffle=True):
            distance = F.pairwise_distance(net(one), net(two))
            losses = same * distance.pow(2) + (1 - same) * (1.0 - distance).clamp(min=0).pow(2)
            loss = 0.5 * losses.mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return recorded.graph


# --- science


class Dynamics(nn.Module):
    """dy/dt."""

    def __init__(self) -> None:
        super().__init__()
        self.net = perceptron(2, 8, 2)

    def forward(self, t: float, y: Tensor) -> Tensor:
        return self.net(y**3)


class OdeAdjoint(torch.autograd.Function):
    """Euler's method forwards; backwards the adjoint state is integrated, and y once more."""

    @staticmethod
    def forward(ctx: Any, func: Dynamics, y: Tensor, steps: int, *params: Tensor) -> Tensor:
        ctx.func, ctx.steps = func, steps
        with torch.no_grad():
            for i in range(steps):
                y = y + func(i / steps, y) / steps
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (y,) = ctx.saved_tensors
        func, steps, (a,) = ctx.func, ctx.steps, grads
        params = tuple(func.parameters())
        of_params = [torch.zeros_like(p) for p in params]
        for i in reversed(range(steps)):
            with torch.enable_grad():
                y = y.detach().requires_grad_(True)
                f = func(i / steps, y)
                vjp_y, *vjp_params = torch.autograd.grad(f, (y, *params), a)
            y = y.detach() - f.detach() / steps
            a = a + vjp_y / steps
            of_params = [total + part / steps for total, part in zip(of_params, vjp_params, strict=True)]
        return (None, a, None, *of_params)


@whole
def adjoint_ode() -> gad.Graph:
    """Two iterations of a neural ODE with the adjoint method."""
    func = Dynamics()
    optimizer = torch.optim.RMSprop(func.parameters(), lr=1e-3)
    with gad.record(func) as recorded:
        for itr in range(2):
            optimizer.zero_grad()
            batch_y0 = torch.full((5, 2), 1.0 + itr)
            pred_y = OdeAdjoint.apply(func, batch_y0, 10, *func.parameters())
            loss = torch.mean(torch.abs(pred_y - torch.ones(5, 2)))
            loss.backward()
            optimizer.step()
    return recorded.graph


# --- the smallest ones


@whole
def linear_and_loader() -> gad.Graph:
    """A linear model behind a loader of batches of 64."""
    x = torch.randn(192, 4)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5], [3.0]]) + 0.1
    model = nn.Linear(4, 1)
    loss_fn = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
    with gad.record(model) as recorded:
        for xb, yb in DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True):
            pred = model(xb)
            loss = loss_fn(pred, yb)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    return recorded.graph


@whole
def adam_loop() -> gad.Graph:
    """Eleven steps by Adam."""
    model = perceptron(2, 4, 1)
    x, y = torch.randn(8, 2), torch.randn(8, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    with gad.record(model) as recorded:
        for _ in range(11):
            optimizer.zero_grad()
            loss = F.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
    return recorded.graph
