"""Learning to learn, and all ways to ask autograd for more: functions of one's own, transforms, checkpoints, hooks,
parametrizations.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from corpus.making import Entries, Made, Net, fixed, ids, into, leaf, lin, made, many, mlp, small
from torch import Tensor, nn
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vjp, vmap
from torch.nn.utils import parametrizations, parametrize
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

ENTRIES: Entries = {}
entry = into(ENTRIES)


# --- learning to learn


def stepped(
    m: nn.Module, loss: Tensor, values: dict[str, Tensor], rate: Any = 0.1, create: bool = True
) -> dict[str, Tensor]:
    """The parameters after a step down."""
    slopes = torch.autograd.grad(loss, list(values.values()), create_graph=create)
    return {name: value - rate * slope for (name, value), slope in zip(values.items(), slopes, strict=True)}


def tasks() -> tuple[Tensor, ...]:
    return fixed(3, 2), fixed(3, 1), fixed(3, 2), fixed(3, 1)


def adapted(steps: int, create: bool = True) -> Any:
    def run(m: Net, x: Tensor, y: Tensor, x2: Tensor, y2: Tensor) -> Tensor:
        values = dict(m.net.named_parameters())
        for _ in range(steps):
            values = stepped(m.net, F.mse_loss(functional_call(m.net, values, (x,)), y), values, create=create)
        return F.mse_loss(functional_call(m.net, values, (x2,)), y2)

    return run


@entry
def maml() -> Made:
    return made(Net(adapted(1), net=mlp(2, 3, 1)), *tasks())


@entry
def maml_of_two_steps() -> Made:
    return made(Net(adapted(2), net=mlp(2, 3, 1)), *tasks())


@entry
def maml_of_first_order() -> Made:
    return made(Net(adapted(1, create=False), net=mlp(2, 3, 1)), *tasks())


@entry
def rates_that_are_learned() -> Made:
    def run(m: Net, x: Tensor, y: Tensor, x2: Tensor, y2: Tensor) -> Tensor:
        loss = F.mse_loss(F.linear(x, m.w), y)
        (slope,) = torch.autograd.grad(loss, m.w, create_graph=True)
        return F.mse_loss(F.linear(x2, m.w - m.rate.exp() * slope), y2)

    return made(Net(run, w=small(1, 2), rate=small(1, 2)), *tasks())


@entry
def only_the_head_is_adapted() -> Made:
    def run(m: Net, x: Tensor, y: Tensor, x2: Tensor, y2: Tensor) -> Tensor:
        values = stepped(m.head, F.mse_loss(m.head(m.body(x).tanh()), y), dict(m.head.named_parameters()))
        return F.mse_loss(functional_call(m.head, values, (m.body(x2).tanh(),)), y2)

    return made(Net(run, body=lin(2, 3), head=lin(3, 1)), *tasks())


@entry
def maml_by_transforms_over_tasks() -> Made:
    def run(m: Net, x: Tensor, y: Tensor) -> Tensor:
        def of_task(x: Tensor, y: Tensor) -> Tensor:
            loss = lambda w: (x @ w - y).square().mean()  # noqa: E731
            return loss(m.w - 0.1 * grad(loss)(m.w))

        return vmap(of_task)(x, y).mean()

    return made(Net(run, w=small(2)), fixed(2, 3, 2), fixed(2, 3))


@entry
def optimizer_that_is_learned() -> Made:
    def run(m: Net, w: Tensor) -> Tensor:
        h, total = torch.zeros(3, 2), torch.zeros(())
        for _ in range(2):
            loss = (w - 1).square().sum()
            (g,) = torch.autograd.grad(loss, w, retain_graph=True)
            h = m.cell(g.detach()[:, None], h)
            w = w + m.out(h).squeeze(-1)
            total = total + (w - 1).square().sum()
        return total

    return made(Net(run, cell=nn.GRUCell(1, 2), out=lin(2, 1)), leaf(3))


@entry
def step_of_adam_differentiated() -> Made:
    def run(w: Tensor, rate: Tensor) -> Tensor:
        m, v = torch.zeros(3), torch.zeros(3)
        for t in (1, 2):
            (g,) = torch.autograd.grad((w - 1).pow(4).sum(), w, create_graph=True)
            m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
            w = w - rate * (m / (1 - 0.9**t)) / ((v / (1 - 0.99**t)).sqrt() + 1e-8)
        return (w - 1).pow(4).sum()

    return made(run, leaf(3), torch.tensor(0.1, requires_grad=True))


@entry
def prototypes() -> Made:
    def run(m: Net, support: Tensor, query: Tensor, labels: Tensor) -> Tensor:
        centers = m.e(support).mean(1)
        return F.cross_entropy(-torch.cdist(m.e(query), centers).square(), labels)

    return made(Net(run, e=mlp(3, 4, 2)), fixed(2, 2, 3), fixed(3, 3), torch.tensor([0, 1, 1]))


@entry
def matching_by_cosines() -> Made:
    def run(m: Net, support: Tensor, query: Tensor) -> Tensor:
        sims = F.cosine_similarity(m.e(query)[:, None], m.e(support)[None], dim=-1)
        return F.nll_loss((sims.softmax(-1) @ torch.eye(3)).log(), torch.tensor([0, 2]))

    return made(Net(run, e=mlp(3, 4, 2)), fixed(3, 3), fixed(2, 3))


@entry
def ridge_regression_inside() -> Made:
    def run(m: Net, x: Tensor, y: Tensor, x2: Tensor, y2: Tensor) -> Tensor:
        z = torch.tanh(m.e(x))
        w = z.T @ torch.linalg.solve(z @ z.T + m.ridge.exp() * torch.eye(3), y)
        return F.mse_loss(torch.tanh(m.e(x2)) @ w, y2)

    return made(Net(run, e=lin(2, 4), ridge=small(1)), *tasks())


@entry
def network_that_makes_weights() -> Made:
    def run(m: Net, task: Tensor, x: Tensor) -> Tensor:
        w1, b1, w2 = m.make(task).split([6, 3, 3])
        return torch.tanh(x @ w1.view(2, 3) + b1) @ w2

    return made(Net(run, make=mlp(2, 4, 12)), leaf(2), fixed(3, 2))


@entry
def features_modulated_by_context() -> Made:
    def run(m: Net, x: Tensor, y: Tensor, x2: Tensor) -> Tensor:
        r = m.enc(torch.cat([x, y], -1)).mean(0)
        g, b = m.film(r).chunk(2)
        return m.out(torch.relu(m.h(x2) * (1 + g) + b))

    return made(
        Net(run, enc=mlp(3, 3, 2), film=lin(2, 6), h=lin(2, 3), out=lin(3, 1)), fixed(3, 2), fixed(3, 1), leaf(3, 2)
    )


@entry
def implicit_gradient_of_an_inner_problem() -> Made:
    class Solved(torch.autograd.Function):
        """argmin over w of |Xw − y|² + λ|w|², by its normal equations."""

        @staticmethod
        def forward(ctx: Any, x: Tensor, y: Tensor, lam: Tensor) -> Tensor:
            a = x.T @ x + lam * torch.eye(2, dtype=x.dtype)
            w = torch.linalg.solve(a, x.T @ y)
            ctx.save_for_backward(a, w, x, y)
            return w

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Any:
            a, w, x, y = ctx.saved_tensors
            u = torch.linalg.solve(a, g)
            return torch.outer(y - x @ w, u) - torch.outer(x @ u, w), x @ u, -(u @ w)

    run = lambda x, y, lam: Solved.apply(x, y, lam.exp()).square().sum()  # noqa: E731
    return made(run, leaf(4, 2), leaf(4), leaf())


# --- functions of one's own


class Rounded(torch.autograd.Function):
    """Rounds, and lets gradients through."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g


class Reversed(torch.autograd.Function):
    """Nothing, and turns gradients around."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, share: float) -> Tensor:
        ctx.share = share
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return -ctx.share * g, None


class Swish(torch.autograd.Function):
    """x σ(x), which keeps x alone."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return g * s * (1 + x * (1 - s))


class Spike(torch.autograd.Function):
    """A step, with the slope of something smooth."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return g / (1 + 10 * x.abs()).square()


class LinearOfMine(torch.autograd.Function):
    """As in torch's tutorial."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
        ctx.save_for_backward(x, w, b)
        return x @ w.T if b is None else x @ w.T + b

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, w, b = ctx.saved_tensors
        return g @ w, g.T @ x, g.sum(0) if b is not None and ctx.needs_input_grad[2] else None


class Normed(torch.autograd.Function):
    """A norm with two results."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        n = x.norm(dim=-1, keepdim=True)
        y = x / n
        ctx.save_for_backward(y, n)
        return y, n

    @staticmethod
    def backward(ctx: Any, gy: Tensor, gn: Tensor) -> Tensor:
        y, n = ctx.saved_tensors
        return (gy - y * (gy * y).sum(-1, keepdim=True)) / n + gn * y


class Paused(torch.autograd.Function):
    """A layer that is computed again on the way back, as reversible networks do."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return torch.tanh(x @ w)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        with torch.enable_grad():
            x, w = (t.detach().requires_grad_() for t in ctx.saved_tensors)
            y = torch.tanh(x @ w)
        return torch.autograd.grad(y, (x, w), g)


@entry
def quantization_aware_training() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        scale = m.l.weight.abs().amax().detach() / 7
        return F.linear(Rounded.apply(x * 4) / 4, Rounded.apply(m.l.weight / scale) * scale, m.l.bias)

    return made(Net(run, l=lin(3, 2)), leaf(2, 3))


@entry
def step_size_of_quantization_learned() -> Made:
    def run(w: Tensor, step: Tensor) -> Tensor:
        v = (w / step.exp()).clamp(-2, 1)
        return ((v.round() - v).detach() + v) * step.exp()

    return made(run, leaf(2, 3), leaf())


@entry
def domains_confused_by_reversed_gradients() -> Made:
    def run(m: Net, x: Tensor, labels: Tensor, domains: Tensor) -> Tensor:
        h = torch.tanh(m.f(x))
        return F.cross_entropy(m.c(h), labels) + F.cross_entropy(m.d(Reversed.apply(h, 0.5)), domains)

    return made(
        Net(run, f=lin(3, 3), c=lin(3, 2), d=lin(3, 2)), fixed(3, 3), torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1])
    )


@entry
def activation_that_saves_memory() -> Made:
    return made(Net(lambda m, x: m.b(Swish.apply(m.a(x))), a=lin(3, 4), b=lin(4, 1)), leaf(2, 3))


@entry
def neurons_that_spike() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        v, spikes = torch.zeros(2, 3), torch.zeros(2, 3)
        for _ in range(3):
            v = m.leak.sigmoid() * v + m.l(x)
            s = Spike.apply(v - 0.3)
            v, spikes = v - s * 0.3, spikes + s
        return spikes

    return made(Net(run, l=lin(2, 3), leak=small(1)), leaf(2, 2))


@entry
def linear_function_of_mine() -> Made:
    return made(
        Net(
            lambda m, x: LinearOfMine.apply(LinearOfMine.apply(x, m.a).tanh(), m.b, m.c),
            a=small(3, 2),
            b=small(2, 3),
            c=small(2),
        ),
        leaf(2, 2),
    )


@entry
def function_with_two_results() -> Made:
    def run(x: Tensor) -> Tensor:
        y, n = Normed.apply(x)
        return (y[..., 0] * n.squeeze(-1).log()).sum()

    return made(run, leaf(3, 2))


@entry
def reversible_block() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        a, b = x.chunk(2, -1)
        a = a + Paused.apply(b, m.f)
        return torch.cat([a, b + Paused.apply(a, m.g)], -1)

    return made(Net(run, f=small(2, 2), g=small(2, 2)), leaf(3, 4))


@entry
def function_of_a_function_differentiated_twice() -> Made:
    def run(x: Tensor) -> Tensor:
        (g,) = torch.autograd.grad(Swish.apply(x).sum(), x, create_graph=True)
        return (g**2).sum()

    return made(run, leaf(4))


# --- transforms


@entry
def gradients_of_each_sample() -> Made:
    def run(m: Net, x: Tensor, y: Tensor) -> Tensor:
        of_one = lambda w, x, y: (torch.tanh(x @ w) - y).square().sum()  # noqa: E731
        g = vmap(grad(of_one), (None, 0, 0))(m.w, x, y)
        norms = g.flatten(1).norm(dim=1)
        return (g * (1 / norms).clamp(max=1)[:, None, None]).sum(0).square().sum()

    return made(Net(run, w=small(3, 2)), fixed(3, 3), fixed(3, 2))


@entry
def jacobian_backwards() -> Made:
    return made(lambda x: jacrev(lambda x: torch.sin(x) * x.sum())(x).det(), leaf(2))


@entry
def jacobian_forwards() -> Made:
    return made(lambda x: jacfwd(lambda x: x**3 * x.flip(0))(x).square().sum(), leaf(2))


@entry
def hessian_of_a_network() -> Made:
    return made(Net(lambda m, x: torch.trace(hessian(lambda y: m.net(y).sum())(x)), net=mlp(2, 3, 1)), fixed(2))


@entry
def product_with_a_jacobian() -> Made:
    def run(m: Net, x: Tensor, v: Tensor) -> Tensor:
        y, along = jvp(m.net, (x,), (v,))
        return (y * along).sum()

    return made(Net(run, net=mlp(2, 3, 2)), leaf(2), leaf(2))


@entry
def product_with_a_transposed_jacobian() -> Made:
    def run(m: Net, x: Tensor, v: Tensor) -> Tensor:
        y, back = vjp(m.net, x)
        return y.sum() + back(v)[0].square().sum()

    return made(Net(run, net=mlp(2, 3, 2)), leaf(2), leaf(2))


@entry
def ensemble_by_vmap() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        return vmap(lambda w, b: torch.tanh(x @ w + b))(m.w, m.b).var(0)

    return made(Net(run, w=small(3, 2, 2), b=small(3, 2)), leaf(2, 2))


@entry
def equation_of_physics() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        u = m.net(x)
        (ux,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        (uxx,) = torch.autograd.grad(ux[:, 0].sum(), x, create_graph=True)
        return (ux[:, 1] + u[:, 0] * ux[:, 0] - 0.1 * uxx[:, 0]).square().mean()

    return made(Net(run, net=mlp(2, 3, 1)), leaf(3, 2))


@entry
def gradient_of_inputs_penalized() -> Made:
    def run(m: Net, x: Tensor, labels: Tensor) -> Tensor:
        loss = F.cross_entropy(m.net(x), labels)
        (g,) = torch.autograd.grad(loss, x, create_graph=True)
        return loss + g.square().sum()

    return made(Net(run, net=mlp(2, 3, 2)), leaf(2, 2), torch.tensor([0, 1]))


@entry
def adversarial_example_within() -> Made:
    def run(m: Net, x: Tensor, labels: Tensor) -> Tensor:
        probe = x.detach().requires_grad_()
        (g,) = torch.autograd.grad(F.cross_entropy(m.net(probe), labels), probe)
        return F.cross_entropy(m.net(x + 0.1 * g.sign()), labels)

    return made(Net(run, net=mlp(2, 3, 2)), fixed(2, 2), torch.tensor([0, 1]))


@entry
def virtual_adversary() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        p = m.net(x).log_softmax(-1)
        d = F.normalize(torch.randn_like(x), dim=-1).requires_grad_()
        far = F.kl_div(m.net(x + 0.1 * d).log_softmax(-1), p.detach(), log_target=True, reduction="sum")
        (d,) = torch.autograd.grad(far, d)
        return F.kl_div(
            m.net(x + 0.5 * F.normalize(d, dim=-1)).log_softmax(-1), p.detach(), log_target=True, reduction="sum"
        )

    return made(Net(run, net=mlp(2, 3, 2)), fixed(2, 2))


@entry
def sharpness_aware_loss() -> Made:
    def run(m: Net, x: Tensor, y: Tensor) -> Tensor:
        values = dict(m.net.named_parameters())
        slopes = torch.autograd.grad(F.mse_loss(m.net(x), y), list(values.values()))
        size = torch.stack([s.norm() for s in slopes]).norm()
        moved = {n: v + 0.05 * s / size for (n, v), s in zip(values.items(), slopes, strict=True)}
        return F.mse_loss(functional_call(m.net, moved, (x,)), y)

    return made(Net(run, net=mlp(2, 3, 1)), fixed(3, 2), fixed(3, 1))


@entry
def fixed_point_in_equilibrium() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        f = lambda z: torch.tanh(m.w(z) + x)  # noqa: E731
        with torch.no_grad():
            z = torch.zeros_like(x)
            for _ in range(30):
                z = f(z)
        return f(z)

    net = Net(run, w=lin(2, 2))
    with torch.no_grad():
        net.w.weight.mul_(0.3)
    return made(net, leaf(3, 2))


@entry
def distances_of_optimal_transport() -> Made:
    def run(x: Tensor, y: Tensor) -> Tensor:
        c = torch.cdist(x, y).square()
        f, g = torch.zeros(3), torch.zeros(3)
        for _ in range(3):
            f = -torch.logsumexp(g - c, 1)
            g = -torch.logsumexp(f[:, None] - c, 0)
        return (torch.exp(f[:, None] + g - c) * c).sum()

    return made(run, leaf(3, 2), fixed(3, 2))


# --- checkpoints


@entry
def checkpoint_of_a_block() -> Made:
    run = lambda m, x: m.out(checkpoint(m.block, x, use_reentrant=False))  # noqa: E731
    return made(Net(run, block=mlp(3, 4, 3), out=lin(3, 1)), leaf(2, 3))


@entry
def checkpoint_that_reenters() -> Made:
    run = lambda m, x: m.out(checkpoint(m.block, x, use_reentrant=True))  # noqa: E731
    return made(Net(run, block=mlp(3, 4, 3), out=lin(3, 1)), leaf(2, 3))


@entry
def checkpoint_of_a_sequence_with_dropout() -> Made:
    net = nn.Sequential(lin(3, 3), nn.Tanh(), nn.Dropout(0.3), lin(3, 3), nn.Tanh(), lin(3, 1))
    return made(Net(lambda m, x: checkpoint_sequential(m.net, 2, x, use_reentrant=False), net=net), leaf(2, 3))


@entry
def checkpoint_in_a_checkpoint() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        inner = lambda y: checkpoint(m.a, torch.tanh(y), use_reentrant=False)  # noqa: E731
        return m.b(checkpoint(inner, x, use_reentrant=False))

    return made(Net(run, a=lin(3, 3), b=lin(3, 1)), leaf(2, 3))


# --- parametrizations and hooks


class Symmetric(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.triu() + x.triu(1).mT


class Positive(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.softplus(x)


class Masked(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.ones_like(x).tril()


@entry
def spectral_norms() -> Made:
    norm = parametrizations.spectral_norm
    return made(nn.Sequential(norm(lin(3, 4)), nn.ReLU(), norm(lin(4, 2))), leaf(2, 3))


@entry
def weight_norms() -> Made:
    norm = parametrizations.weight_norm
    return made(nn.Sequential(norm(lin(3, 4)), nn.Tanh(), norm(lin(4, 2), dim=1)), leaf(2, 3))


@entry
def orthogonal_weights() -> Made:
    return made(nn.Sequential(parametrizations.orthogonal(lin(3, 3)), nn.Tanh(), lin(3, 1)), leaf(2, 3))


@entry
def orthogonal_weights_by_cayley() -> Made:
    return made(parametrizations.orthogonal(lin(3, 3), orthogonal_map="cayley"), leaf(2, 3))


@entry
def symmetric_positive_weights() -> Made:
    layer = lin(3, 3)
    parametrize.register_parametrization(layer, "weight", Symmetric())
    parametrize.register_parametrization(layer, "weight", Positive())
    return made(layer, leaf(2, 3))


@entry
def parametrization_that_is_cached() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        with parametrize.cached():
            return m.l(torch.tanh(m.l(x)))

    layer = lin(3, 3)
    parametrize.register_parametrization(layer, "weight", Masked())
    return made(Net(run, l=layer), leaf(2, 3))


@entry
def pruned_weights() -> Made:
    from torch.nn.utils import prune

    layer = lin(4, 3)
    prune.l1_unstructured(layer, "weight", 0.5)
    return made(nn.Sequential(layer, nn.Tanh(), lin(3, 1)), leaf(2, 4))


@entry
def modules_with_hooks_that_only_look() -> Made:
    seen: list[Tensor] = []
    net = mlp(3, 4, 1)
    net[0].register_forward_hook(lambda module, args, output: seen.append(output.detach()))
    net[2].register_forward_pre_hook(lambda module, args: (args[0] * 2,))
    return made(net, leaf(2, 3))


@entry
def weights_that_are_standardized() -> Made:
    class Standard(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            w = self.weight
            mean, var = w.mean((1, 2, 3), keepdim=True), w.var((1, 2, 3), keepdim=True, unbiased=False)
            return self._conv_forward(x, (w - mean) * torch.rsqrt(var + 1e-5), self.bias)

    return made(nn.Sequential(Standard(1, 2, 3), nn.GroupNorm(1, 2)), leaf(1, 1, 4, 4))


# --- supervising oneself and others


@entry
def own_latents_bootstrapped() -> Made:
    def run(m: Net, a: Tensor, b: Tensor) -> Tensor:
        with torch.no_grad():
            target = F.normalize(m.target(b), dim=-1)
        return (2 - 2 * (F.normalize(m.predict(m.online(a)), dim=-1) * target).sum(-1)).mean()

    return made(Net(run, online=mlp(3, 4, 2), predict=lin(2, 2), target=mlp(3, 4, 2)), fixed(3, 3), fixed(3, 3))


@entry
def siamese_with_a_stop() -> Made:
    def run(m: Net, a: Tensor, b: Tensor) -> Tensor:
        za, zb = m.e(a), m.e(b)
        d = lambda p, z: -F.cosine_similarity(p, z.detach(), dim=-1).mean()  # noqa: E731
        return d(m.p(za), zb) / 2 + d(m.p(zb), za) / 2

    return made(Net(run, e=mlp(3, 4, 2), p=lin(2, 2)), fixed(3, 3), fixed(3, 3))


@entry
def self_distillation_with_centers() -> Made:
    def run(m: Net, a: Tensor, b: Tensor) -> Tensor:
        teacher = ((m.teacher(a) - m.center) / 0.04).softmax(-1).detach()
        return -(teacher * (m.student(b) / 0.1).log_softmax(-1)).sum(-1).mean()

    net = Net(run, student=mlp(3, 4, 3), teacher=mlp(3, 4, 3))
    net.register_buffer("center", fixed(3) / 10)
    return made(net, fixed(2, 3), fixed(2, 3))


@entry
def knowledge_distilled() -> Made:
    def run(m: Net, x: Tensor, labels: Tensor) -> Tensor:
        out = m.student(x)
        with torch.no_grad():
            soft = (m.teacher(x) / 2).softmax(-1)
        return 0.5 * F.cross_entropy(out, labels) + 2.0 * F.kl_div(
            (out / 2).log_softmax(-1), soft, reduction="batchmean"
        )

    return made(Net(run, student=mlp(3, 2), teacher=mlp(3, 4, 2)), fixed(2, 3), torch.tensor([0, 1]))


@entry
def mixed_samples() -> Made:
    def run(m: Net, x: Tensor, labels: Tensor) -> Tensor:
        share, order = 0.3, torch.randperm(3)
        out = m.net(share * x + (1 - share) * x[order])
        return share * F.cross_entropy(out, labels) + (1 - share) * F.cross_entropy(out, labels[order])

    return made(Net(run, net=mlp(3, 4, 2)), fixed(3, 3), torch.tensor([0, 1, 1]))


@entry
def pseudo_labels_of_high_confidence() -> Made:
    def run(m: Net, weak: Tensor, strong: Tensor) -> Tensor:
        p, labels = m.net(weak).detach().softmax(-1).max(-1)
        return (F.cross_entropy(m.net(strong), labels, reduction="none") * (p > 0.4)).mean()

    return made(Net(run, net=mlp(3, 4, 2)), fixed(3, 3), fixed(3, 3))


@entry
def several_losses_by_their_uncertainty() -> Made:
    def run(m: Net, x: Tensor, y: Tensor, labels: Tensor) -> dict[str, Tensor]:
        h = torch.relu(m.body(x))
        parts = torch.stack([F.mse_loss(m.a(h).squeeze(-1), y), F.cross_entropy(m.b(h), labels)])
        return {"loss": (parts * torch.exp(-m.s) + m.s).sum() / 2, "parts": parts}

    return made(
        Net(run, body=lin(3, 4), a=lin(4, 1), b=lin(4, 2), s=torch.zeros(2)),
        fixed(3, 3),
        fixed(3),
        torch.tensor([0, 1, 1]),
    )


@entry
def columns_of_frozen_tasks() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        old = torch.relu(m.old(x))
        return m.out(torch.relu(m.new(x) + m.side(old)))

    return made(Net(run, old=lin().requires_grad_(False), new=lin(), side=lin(), out=lin(4, 2)), fixed(2, 4))


@entry
def weights_held_by_their_importance() -> Made:
    def run(m: Net, x: Tensor, y: Tensor) -> Tensor:
        kept = sum((f * (p - o).square()).sum() for p, o, f in zip(m.net.parameters(), m.olds, m.fishers, strict=True))
        return F.mse_loss(m.net(x), y) + 0.5 * kept

    net = Net(run, net=lin(3, 1))
    net.olds, net.fishers = [fixed(1, 3), fixed(1)], [torch.rand(1, 3), torch.rand(1)]
    return made(net, fixed(2, 3), fixed(2, 1))


@entry
def prompts_that_are_learned() -> Made:
    def run(m: Net, tokens: Tensor) -> Tensor:
        x = torch.cat([m.prompt.expand(tokens.shape[0], -1, -1), m.words(tokens)], 1)
        return m.head(m.body(x)[0][:, -1])

    net = Net(run, prompt=small(2, 3), words=nn.Embedding(5, 3), body=nn.GRU(3, 3, batch_first=True), head=lin(3, 2))
    net.words.requires_grad_(False)
    net.body.requires_grad_(False)
    return made(net, ids([1, 2, 3]))


@entry
def averages_of_experts_weights() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        share = m.share.softmax(0)
        values = {
            n: sum(s * dict(net.named_parameters())[n] for s, net in zip(share, m.nets, strict=True))
            for n, _ in m.nets[0].named_parameters()
        }
        return functional_call(m.nets[0], values, (x,))

    return made(Net(run, nets=many(2, lambda: lin(3, 2)), share=small(2)), leaf(2, 3))
