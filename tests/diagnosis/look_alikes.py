"""Healthy programs that do on purpose what others do by mistake: estimators that let gradients through, all pairs that
are meant, samples beside their log_prob, gradients of several losses that add up.
"""

# ruff: noqa: E501 - programs are written as people write them
from __future__ import annotations

NET = "net = nn.Sequential(nn.Linear(6, 24), nn.Tanh(), nn.Linear(24, 4))\nopt = torch.optim.Adam(net.parameters(), 1e-3)\n"

LOOK_ALIKES = {
    "estimators that let gradients through": NET
    + """
dec = nn.Linear(4, 6); opt.add_param_group({"params": list(dec.parameters())})
for step in range(4):
    x = torch.randn(32, 6)
    z = net(x)
    hard = z + (z.round() - z).detach()
    d = torch.distributions.OneHotCategorical(logits=z)
    onehot = d.sample() + d.probs - d.probs.detach()
    b = torch.bernoulli(torch.sigmoid(z)); soft = torch.sigmoid(z); b = b + soft - soft.detach()
    part = z - z.floor()
    y = dec(hard) + dec(onehot) + dec(b) + dec(part)
    acc = (y.argmax(1) == x.argmax(1)).float().mean()
    loss = F.mse_loss(y, x) + 0.1 * z.pow(2).mean()
    weight = 1.0 - acc
    loss = loss + (weight * z.pow(2)).mean() - 0.0 * loss.detach() + loss.detach()
    opt.zero_grad(); loss.backward(); opt.step()
""",
    "actor and critic of one trunk with a continuous action": """
trunk = nn.Sequential(nn.Linear(3, 24), nn.Tanh()); mean, q = nn.Linear(24, 2), nn.Sequential(nn.Linear(26, 24), nn.Tanh(), nn.Linear(24, 1))
log_std = nn.Parameter(torch.zeros(2))
opt = torch.optim.Adam([*trunk.parameters(), *mean.parameters(), *q.parameters(), log_std], 1e-3)
for step in range(4):
    s = torch.randn(64, 3); h = trunk(s)
    d = torch.distributions.Normal(mean(h), log_std.exp())
    a = d.sample()
    value = q(torch.cat([h, a], -1)).squeeze(-1)
    returns = -(a ** 2).sum(-1)
    adv = returns - value.detach()
    loss = -(d.log_prob(a).sum(-1) * adv).mean() + (value - returns).pow(2).mean() - 0.01 * d.entropy().mean()
    opt.zero_grad(); loss.backward(); opt.step()
""",
    "all pairs that are meant": NET
    + """
score, a1, a2 = nn.Linear(4, 1), nn.Linear(4, 1), nn.Linear(4, 1); [opt.add_param_group({"params": list(l.parameters())}) for l in (score, a1, a2)]
y = torch.randn(32)
for step in range(4):
    z = net(torch.randn(32, 6))
    s = score(z)
    rank = F.relu(1 - (s - s.squeeze(-1)) * (y[:, None] - y).sign()).mean()
    e = F.softmax(a1(z) + a2(z).squeeze(-1), dim=1)
    far = ((z[:, None] - z[None]) ** 2).sum(-1)
    other = s.squeeze(-1)
    mmd = torch.exp(-(other[:, None] - y) ** 2).mean()
    row = ((z ** 2).sum(1, keepdim=True) - (z ** 2).sum(1)).abs().mean()
    loss = rank + (e @ z).pow(2).mean() + torch.exp(-far).mean() + mmd + row
    opt.zero_grad(); loss.backward(); opt.step()
""",
    "two tasks that share a trunk and clear together": """
trunk, a, b = nn.Linear(6, 16), nn.Linear(16, 1), nn.Linear(16, 1)
opt_a = torch.optim.Adam(a.parameters(), 1e-3); opt_b = torch.optim.Adam([*trunk.parameters(), *b.parameters()], 1e-3)
for step in range(5):
    x = torch.randn(32, 6)
    opt_a.zero_grad(); opt_b.zero_grad()
    a(torch.tanh(trunk(x))).pow(2).mean().backward()
    opt_a.step()
    (b(torch.tanh(trunk(x))) - 1).pow(2).mean().backward()
    opt_b.step()
""",
    "a penalty every other step, validation without no_grad, and a rate that grows from 0": NET
    + """
other = nn.Linear(4, 4); opt2 = torch.optim.SGD(other.parameters(), 0.1)
warm = torch.optim.lr_scheduler.LambdaLR(opt2, lambda s: min(1.0, s / 3))
def compute(x):
    return F.mse_loss(other(net(x)), x[:, :4])
for step in range(6):
    for _ in range(4):
        held_out = compute(torch.randn(8, 6))
    loss = compute(torch.randn(32, 6))
    opt.zero_grad(); opt2.zero_grad()
    loss.backward()
    if step % 2:
        (0.01 * sum(p.pow(2).sum() for p in net.parameters())).backward()
    opt.step(); opt2.step(); warm.step()
""",
    "Adam before LBFGS, and SAM": NET
    + """
fine = torch.optim.LBFGS(net.parameters(), lr=0.1, max_iter=2)
x, y = torch.randn(32, 6), torch.randn(32, 4)
def closure():
    fine.zero_grad(); loss = F.mse_loss(net(x), y); loss.backward(); return loss
for step in range(3):
    opt.zero_grad(); F.mse_loss(net(x), y).backward(); opt.step()
for step in range(2):
    fine.step(closure)
""",
}
