"""Training scripts in which data require grad, as for physics, attacks and saliency; and others that forget a weight."""

# ruff: noqa: E501 - programs as they are written
from __future__ import annotations

from collections.abc import Mapping

HEALTHY: Mapping[str, str] = {
    "copies of parameters for a function of torch.func": """
from torch.func import functional_call, grad_and_value
net = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
params = {k: v.detach().clone() for k, v in net.named_parameters()}
X = torch.randn(64, 4); Y = torch.sin(X.sum(1, keepdim=True))
def loss_fn(p, x, y): return ((functional_call(net, p, (x,)) - y) ** 2).mean()
for step in range(4):
    g, loss = grad_and_value(loss_fn)(params, X, Y)
    params = {k: p - 0.05 * g[k] for k, p in params.items()}
""",
    "a student that begins as its teacher": """
import copy
student = nn.Sequential(nn.Linear(10, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 5))
teacher = copy.deepcopy(student).requires_grad_(False)
opt = torch.optim.SGD(student.parameters(), lr=0.05, momentum=0.9)
for step in range(6):
    x = torch.randn(32, 10)
    with torch.no_grad(): soft = F.softmax(teacher(x), dim=-1)
    loss = F.kl_div(F.log_softmax(student(x + 0.01), dim=-1), soft, reduction="batchmean")
    opt.zero_grad(); loss.backward(); opt.step()
    with torch.no_grad():
        for t, s in zip(teacher.parameters(), student.parameters()): t.mul_(0.99).add_(s, alpha=0.01)
""",
    "a differential equation in x and t": """
class PINN(nn.Module):
    def __init__(self):
        super().__init__(); self.net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
    def forward(self, x, t): return self.net(torch.cat([x, t], dim=1))
model = PINN(); optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
x = torch.rand(32, 1, requires_grad=True); t = torch.rand(32, 1, requires_grad=True)
for step in range(4):
    optimizer.zero_grad()
    u = model(x, t)
    u_t = torch.autograd.grad(u, t, torch.ones_like(u), create_graph=True)[0]
    u_x = torch.autograd.grad(u, x, torch.ones_like(u), create_graph=True)[0]
    u_xx = torch.autograd.grad(u_x, x, torch.ones_like(u_x), create_graph=True)[0]
    loss = (u_t + u * u_x - 0.01 * u_xx).pow(2).mean() + model(torch.zeros(8, 1), torch.rand(8, 1)).pow(2).mean()
    loss.backward()
    optimizer.step()
""",
    "adversarial examples by the sign of a gradient": """
model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 3)); opt = torch.optim.SGD(model.parameters(), lr=0.05)
X, Y = torch.randn(32, 10), torch.randint(0, 3, (32,))
for step in range(3):
    x = X.clone().requires_grad_(True)
    loss = F.cross_entropy(model(x), Y)
    loss.backward()
    x_adv = (x + 0.1 * x.grad.sign()).detach()
    opt.zero_grad()
    F.cross_entropy(model(x_adv), Y).backward()
    opt.step()
""",
    "saliency of each batch": """
model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 3)); opt = torch.optim.SGD(model.parameters(), lr=0.05)
x, y = torch.randn(32, 10, requires_grad=True), torch.randint(0, 3, (32,))
for step in range(3):
    opt.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    opt.step()
    saliency = x.grad.abs().mean(0)
    x.grad = None
""",
    "saliency of one image": """
model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
image = torch.rand(3, 12, 12).requires_grad_()
for step in range(3):
    opt.zero_grad()
    out = model(image.unsqueeze(0))
    loss = F.cross_entropy(out, torch.tensor([1]))
    loss.backward()
    opt.step()
print(image.grad.abs().amax(0).shape)
""",
    "an image with the style of another": """
vgg = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1)).requires_grad_(False).eval()
content = torch.rand(1, 3, 16, 16); style = torch.rand(1, 3, 16, 16)
def gram(f): f = f.flatten(2); return f @ f.transpose(1, 2) / f.shape[2]
with torch.no_grad(): fc, gs = vgg(content), gram(vgg(style))
img = content.clone().requires_grad_(); opt = torch.optim.Adam([img], lr=1e-3)
for step in range(4):
    opt.zero_grad(); f = vgg(img)
    loss = F.mse_loss(f, fc) + F.mse_loss(gram(f), gs)
    loss.backward(); opt.step()
""",
    "forces of an energy": """
class Energy(nn.Module):
    def __init__(self):
        super().__init__(); self.mlp = nn.Sequential(nn.Linear(1, 16), nn.SiLU(), nn.Linear(16, 1))
    def forward(self, pos):
        d = (pos[:, None] - pos[None, :]).pow(2).sum(-1)
        i, j = torch.triu_indices(len(pos), len(pos), 1)
        return self.mlp(d[i, j].unsqueeze(1)).sum()
model = Energy(); opt = torch.optim.Adam(model.parameters(), lr=1e-3)
pos = torch.randn(6, 3, requires_grad=True); f_ref = torch.randn(6, 3); e_ref = torch.tensor(1.0)
for step in range(4):
    opt.zero_grad()
    e = model(pos)
    forces = -torch.autograd.grad(e, pos, create_graph=True)[0]
    loss = (e - e_ref) ** 2 + F.mse_loss(forces, f_ref)
    loss.backward(); opt.step()
""",
    "a penalty on gradients between real and fake": """
D = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1)); G = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
od, og = torch.optim.Adam(D.parameters(), lr=1e-4), torch.optim.Adam(G.parameters(), lr=1e-4)
for step in range(3):
    real = torch.randn(16, 2); fake = G(torch.randn(16, 4)).detach()
    a = torch.rand(16, 1)
    mixed = (a * real + (1 - a) * fake).requires_grad_()
    g, = torch.autograd.grad(D(mixed).sum(), mixed, create_graph=True)
    loss_d = D(fake).mean() - D(real).mean() + 10 * (g.norm(2, dim=1) - 1).pow(2).mean()
    od.zero_grad(); loss_d.backward(); od.step()
    og.zero_grad(); loss_g = -D(G(torch.randn(16, 4))).mean(); loss_g.backward(); og.step()
""",
    "a penalty on the gradient by the data": """
model = nn.Sequential(nn.Linear(5, 16), nn.Softplus(), nn.Linear(16, 1)); opt = torch.optim.AdamW(model.parameters(), lr=1e-3)
x, y = torch.randn(16, 5), torch.randn(16, 1)
x.requires_grad = True
for step in range(4):
    opt.zero_grad(set_to_none=True)
    task = F.mse_loss(model(x), y)
    (gx,) = torch.autograd.grad(task, x, create_graph=True)
    (task + 0.1 * gx.pow(2).sum()).backward()
    opt.step()
""",
    "an image that excites a layer": """
net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU()).eval()
img = torch.rand(1, 3, 16, 16, requires_grad=True)
for step in range(4):
    loss = net(img).norm()
    loss.backward()
    with torch.no_grad():
        img += 0.01 * img.grad / (img.grad.abs().mean() + 1e-8)
    img.grad.zero_()
    net.zero_grad()
""",
    "a differential equation with a learned beginning": """
f = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
z0 = torch.tensor([[2.0, 0.0]], requires_grad=True)
opt = torch.optim.Adam([{"params": f.parameters()}, {"params": [z0], "lr": 1e-2}], lr=1e-3)
target = torch.randn(10, 2)
for step in range(4):
    z, path = z0, []
    for _ in range(10):
        z = z + 0.1 * f(z); path.append(z)
    loss = F.mse_loss(torch.cat(path), target)
    opt.zero_grad(); loss.backward(); opt.step()
""",
    "steps within steps": """
from torch.func import functional_call
model = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1)); meta = torch.optim.Adam(model.parameters(), lr=1e-3)
for step in range(3):
    meta.zero_grad(); total = 0.0
    for task in range(2):
        a = torch.rand(1); xs, xq = torch.randn(8, 1), torch.randn(8, 1)
        fast = dict(model.named_parameters())
        inner = F.mse_loss(functional_call(model, fast, (xs,)), a * xs)
        grads = torch.autograd.grad(inner, list(fast.values()), create_graph=True)
        fast = {n: p - 0.01 * g for (n, p), g in zip(fast.items(), grads)}
        total = total + F.mse_loss(functional_call(model, fast, (xq,)), a * xq)
    total.backward(); meta.step()
""",
    "everything requires grad": """
x = torch.randn(16, 3, requires_grad=True); y = torch.randn(16, 1)
W = torch.randn(3, 1, requires_grad=True); b = torch.zeros(1, requires_grad=True)
opt = torch.optim.SGD([W, b], lr=0.01)
for step in range(4):
    loss = ((x @ W + b - y) ** 2).mean()
    opt.zero_grad(); loss.backward(); opt.step()
""",
    "data that are added to the result": """
net = nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 16), nn.GELU(), nn.Linear(16, 4)); opt = torch.optim.AdamW(net.parameters(), lr=1e-3)
x = torch.randn(8, 6, 4, requires_grad=True); y = torch.randn(8, 6, 4)
for step in range(4):
    out = x + net((x - 0.1) / 2)
    loss = F.mse_loss(out, y)
    opt.zero_grad(); loss.backward(); opt.step()
""",
    "importance of tokens": """
table = torch.randn(20, 8)
enc = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True); head = nn.Linear(8, 2)
opt = torch.optim.AdamW([*enc.parameters(), *head.parameters()], lr=1e-3)
ids, y = torch.randint(0, 20, (4, 5)), torch.randint(0, 2, (4,))
embeds = table[ids].requires_grad_()
for step in range(3):
    loss = F.cross_entropy(head(enc(embeds).mean(1)), y)
    opt.zero_grad(); loss.backward(); opt.step()
    importance = (embeds.grad * embeds).sum(-1); embeds.grad = None
""",
    "an image that excites a frozen layer": """
net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU()).eval().requires_grad_(False)
img = torch.rand(1, 3, 16, 16, requires_grad=True)
for step in range(4):
    loss = net(img).norm()
    loss.backward()
    with torch.no_grad():
        img += 0.01 * img.grad / (img.grad.abs().mean() + 1e-8)
    img.grad.zero_()
    net.zero_grad()
""",
    "saliency of a frozen net": """
net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)).eval()
for p in net.parameters(): p.requires_grad = False
image = torch.rand(1, 3, 12, 12).requires_grad_()
for k in range(3):
    score = net(image)[0, k]
    image.grad = None
    score.backward()
    print(image.grad.abs().amax().item())
""",
    "a disturbance found in several steps": """
model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 3)); opt = torch.optim.SGD(model.parameters(), lr=0.05)
X, Y = torch.randn(32, 10), torch.randint(0, 3, (32,))
for step in range(2):
    delta = torch.zeros_like(X, requires_grad=True)
    for _ in range(2):
        F.cross_entropy(model(X + delta), Y).backward()
        delta.data = (delta + 0.05 * delta.grad.sign()).clamp(-0.1, 0.1); delta.grad.zero_()
    opt.zero_grad()
    F.cross_entropy(model(X + delta.detach()), Y).backward(); opt.step()
""",
    "a disturbance that goes along": """
model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 3)); opt = torch.optim.SGD(model.parameters(), lr=0.05)
X, Y = torch.randn(32, 10), torch.randint(0, 3, (32,))
delta = torch.zeros(32, 10, requires_grad=True)
for step in range(4):
    loss = F.cross_entropy(model(X + delta), Y)
    opt.zero_grad(); loss.backward(); opt.step()
    delta.data.add_(0.05 * delta.grad.sign()).clamp_(-0.1, 0.1); delta.grad = None
""",
    "normed weights read what requires grad": """
from torch.nn.utils.parametrizations import weight_norm
net = nn.Sequential(weight_norm(nn.Linear(2, 16, bias=False)), nn.Tanh(), weight_norm(nn.Linear(16, 1))); opt = torch.optim.Adam(net.parameters(), lr=1e-3)
x = torch.rand(32, 2, requires_grad=True)
for step in range(4):
    u = net(2 * x - 1)
    loss = (u - x.sum(1, keepdim=True).sin()).pow(2).mean()
    opt.zero_grad(); loss.backward(); opt.step()
""",
    "a recurrent net reads what requires grad": """
rnn = nn.LSTM(3, 8, batch_first=True); head = nn.Linear(8, 1); opt = torch.optim.Adam([*rnn.parameters(), *head.parameters()], lr=1e-3)
x, y = torch.randn(4, 6, 3, requires_grad=True), torch.randn(4, 1)
for step in range(4):
    out, _ = rnn(x)
    loss = F.mse_loss(head(out[:, -1]), y)
    opt.zero_grad(); loss.backward(); opt.step()
""",
    "a differential equation of waves": """
B = torch.randn(1, 16); net = nn.Sequential(nn.Linear(32, 16), nn.Tanh(), nn.Linear(16, 1)); opt = torch.optim.Adam(net.parameters(), lr=1e-3)
x = torch.linspace(0, 1, 32).unsqueeze(1).requires_grad_()
for step in range(4):
    h = 6.28 * x @ B
    u = net(torch.cat([h.sin(), h.cos()], -1))
    u_x, = torch.autograd.grad(u.sum(), x, create_graph=True)
    loss = (u_x - u).pow(2).mean() + (u[0] - 1).pow(2).sum()
    opt.zero_grad(); loss.backward(); opt.step()
""",
    "waves of what requires grad": """
B = torch.randn(1, 16); net = nn.Sequential(nn.Linear(32, 16), nn.Tanh(), nn.Linear(16, 1)); opt = torch.optim.Adam(net.parameters(), lr=1e-3)
x = torch.linspace(0, 1, 32).unsqueeze(1).requires_grad_()
for step in range(4):
    h = 6.28 * x @ B
    loss = (net(torch.cat([h.sin(), h.cos()], -1)) - x ** 2).pow(2).mean()
    opt.zero_grad(); loss.backward(); opt.step()
""",
}

# what is found, of which parameters
FORGOTTEN: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "a plain tensor in a module": (
        """
class Net(nn.Module):
    def __init__(self):
        super().__init__(); self.a = nn.Linear(5, 8); self.w = torch.randn(8, 1).mul(0.1).requires_grad_()
    def forward(self, x): return torch.tanh(self.a(x)) @ self.w
model = Net(); opt = torch.optim.Adam(model.parameters(), lr=1e-3)
x, y = torch.randn(16, 5), torch.randn(16, 1)
for step in range(4):
    loss = F.mse_loss(model(x), y)
    opt.zero_grad(); loss.backward(); opt.step()
""",
        "not-registered",
        (),
    ),
    "a first weight without a layer": (
        """
w0 = torch.randn(5, 8, requires_grad=True)
net = nn.Sequential(nn.Tanh(), nn.Linear(8, 1)); opt = torch.optim.Adam(net.parameters(), lr=1e-3)
x, y = torch.randn(16, 5), torch.randn(16, 1)
for step in range(4):
    loss = F.mse_loss(net(x @ w0), y)
    opt.zero_grad(); loss.backward(); opt.step()
""",
        "not-in-optimizer",
        ("w0",),
    ),
    "a coefficient of an equation": (
        """
u = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
k = torch.tensor(0.5, requires_grad=True)
opt = torch.optim.Adam(u.parameters(), lr=1e-3); x = torch.linspace(0, 1, 32).unsqueeze(1).requires_grad_()
for step in range(4):
    v = u(x); dv = torch.autograd.grad(v, x, torch.ones_like(v), create_graph=True)[0]
    loss = (dv + k * v).pow(2).mean() + (u(torch.zeros(1, 1)) - 1).pow(2).mean()
    opt.zero_grad(); loss.backward(); opt.step()
""",
        "not-in-optimizer",
        ("k",),
    ),
    "the first layer beside points": (
        HEALTHY["a differential equation in x and t"].replace(
            "Adam(model.parameters()", "Adam(model.net[2:].parameters()"
        ),
        "not-in-optimizer",
        ("net.0.weight", "net.0.bias"),
    ),
    "one of the weights of inner steps": (
        """
w = torch.randn(1, 8).requires_grad_(); b = torch.zeros(8).requires_grad_(); v = torch.randn(8, 1).mul(0.3).requires_grad_()
meta = torch.optim.Adam([w, v], lr=1e-3)
def net(x, w, b, v): return torch.tanh(x @ w + b) @ v
for step in range(3):
    xs, xq = torch.randn(8, 1), torch.randn(8, 1)
    inner = F.mse_loss(net(xs, w, b, v), xs.sin())
    g = torch.autograd.grad(inner, [w, b, v], create_graph=True)
    fast = [p - 0.01 * d for p, d in zip([w, b, v], g)]
    loss = F.mse_loss(net(xq, *fast), xq.sin())
    meta.zero_grad(); loss.backward(); meta.step()
""",
        "not-in-optimizer",
        ("b",),
    ),
    "places of tokens": (
        """
pos = torch.zeros(5, 8, requires_grad=True)
enc = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True); head = nn.Linear(8, 2)
opt = torch.optim.AdamW([*enc.parameters(), *head.parameters()], lr=1e-3)
x, y = torch.randn(4, 5, 8), torch.randint(0, 2, (4,))
for step in range(3):
    loss = F.cross_entropy(head(enc(x + pos).mean(1)), y)
    opt.zero_grad(); loss.backward(); opt.step()
""",
        "not-in-optimizer",
        ("pos",),
    ),
    "a frozen layer below forces": (
        HEALTHY["forces of an energy"].replace(
            "model = Energy();", "model = Energy(); model.mlp[0].requires_grad_(False);"
        ),
        "frozen",
        ("mlp.0.weight", "mlp.0.bias"),
    ),
    "forces without their graph": (
        HEALTHY["forces of an energy"]
        .replace("create_graph=True)[0]", "create_graph=True)[0].detach()")
        .replace("(e - e_ref) ** 2 + ", "0 * e + "),
        "zero-gradient",
        ("mlp.0.weight", "mlp.0.bias", "mlp.2.weight", "mlp.2.bias"),
    ),
    "codes that a net reads": (
        """
net = nn.Linear(6, 4); tokens = nn.Parameter(torch.randn(16, 6))
opt = torch.optim.Adam(net.parameters(), lr=1e-3); y = torch.randn(16, 4)
for step in range(4):
    loss = F.mse_loss(net(tokens), y)
    opt.zero_grad(); loss.backward(); opt.step()
""",
        "not-in-optimizer",
        ("tokens",),
    ),
    "the first layer of a generator": (
        HEALTHY["a penalty on gradients between real and fake"].replace(
            "torch.optim.Adam(G.parameters()", "torch.optim.Adam(G[2:].parameters()"
        ),
        "not-in-optimizer",
        ("G.0.weight", "G.0.bias"),
    ),
    "a scaled weight": (
        """
w = (torch.randn(5, 1) * 0.1).requires_grad_()
net = nn.Linear(5, 5); opt = torch.optim.Adam(net.parameters(), lr=1e-3)
x, y = torch.randn(16, 5), torch.randn(16, 1)
for step in range(4):
    loss = F.mse_loss(torch.tanh(net(x)) @ w, y)
    opt.zero_grad(); loss.backward(); opt.step()
""",
        "not-in-optimizer",
        ("w",),
    ),
    "a prompt": (
        """
prompt = torch.randn(1, 3, 8, requires_grad=True)
enc = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True); head = nn.Linear(8, 2)
opt = torch.optim.AdamW([*enc.parameters(), *head.parameters()], lr=1e-3)
x, y = torch.randn(4, 5, 8), torch.randint(0, 2, (4,))
for step in range(3):
    loss = F.cross_entropy(head(enc(torch.cat([prompt.expand(4, -1, -1), x], 1)).mean(1)), y)
    opt.zero_grad(); loss.backward(); opt.step()
""",
        "not-in-optimizer",
        ("prompt",),
    ),
    "a net that is frozen by accident": (
        """
net = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 1)); opt = torch.optim.Adam(net.parameters(), lr=1e-3)
for p in net.parameters(): p.requires_grad = False
x, y = torch.randn(16, 5, requires_grad=True), torch.randn(16, 1)
for step in range(4):
    loss = F.mse_loss(net(x), y)
    opt.zero_grad(); loss.backward(); opt.step()
""",
        "frozen",
        ("0.weight", "0.bias", "2.weight", "2.bias"),
    ),
}
