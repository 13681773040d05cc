"""What goes through a sequence step by step: recurrent networks, state spaces, differential equations."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from corpus.making import Entries, Made, Net, fixed, ids, into, leaf, lin, made, many, mlp, small
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

ENTRIES: Entries = {}
entry = into(ENTRIES)


@entry
def elman_network() -> Made:
    return made(nn.RNN(2, 3, nonlinearity="relu", batch_first=True), leaf(1, 3, 2))


@entry
def lstm_in_layers_both_ways() -> Made:
    return made(nn.LSTM(2, 2, 2, bidirectional=True), leaf(3, 1, 2))


@entry
def gru_with_dropout_and_a_state() -> Made:
    return made(nn.GRU(2, 3, 2, dropout=0.5), leaf(2, 1, 2), leaf(2, 1, 3))


@entry
def lstm_of_cells() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        h = c = torch.zeros(1, 3)
        for t in range(3):
            h, c = m.cell(x[t], (h, c))
        return m.out(h)

    return made(Net(run, cell=nn.LSTMCell(2, 3), out=lin(3, 1)), leaf(3, 1, 2))


@entry
def lstm_by_hand() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        h, c = x.new_zeros(1, 3), x.new_zeros(1, 3)
        for token in x:
            i, f, o, g = (m.x(token) + m.h(h)).chunk(4, 1)
            c = torch.sigmoid(f + 1) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return h.sum()

    return made(Net(run, x=lin(2, 12), h=lin(3, 12, False)), leaf(3, 1, 2))


@entry
def lstm_with_peepholes() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        h, c = torch.zeros(2, 3), torch.zeros(2, 3)
        for token in x:
            a, b, d, e = m.w(torch.cat([token, h], 1)).split(3, 1)
            i, f = torch.sigmoid(a + m.pi * c), torch.sigmoid(b + m.pf * c)
            c = torch.addcmul(f * c, i, d.tanh())
            h = torch.sigmoid(e + m.po * c) * c.tanh()
        return h

    return made(Net(run, w=lin(5, 12), pi=small(3), pf=small(3), po=small(3)), leaf(2, 2, 2))


@entry
def lstm_with_normalized_layers() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        h, c = torch.zeros(1, 3), torch.zeros(1, 3)
        for token in x:
            i, f, o, g = (m.n1(m.x(token)) + m.n2(m.h(h))).chunk(4, -1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * m.n3(c).tanh()
        return h

    norms = {"n1": nn.LayerNorm(12), "n2": nn.LayerNorm(12), "n3": nn.LayerNorm(3)}
    return made(Net(run, x=lin(2, 12), h=lin(3, 12), **norms), leaf(2, 1, 2))


@entry
def convolutional_lstm() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        h, c = torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 3, 3)
        for frame in x.unbind(1):
            i, f, o, g = m.gates(torch.cat([frame, h], 1)).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        return h

    return made(Net(run, gates=nn.Conv2d(3, 8, 3, padding=1)), leaf(1, 2, 1, 3, 3))


@entry
def packed_sequences() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        out, _ = m.rnn(pack_padded_sequence(x, torch.tensor([3, 1]), batch_first=True))
        return m.out(pad_packed_sequence(out, batch_first=True)[0].sum(1))

    return made(Net(run, rnn=nn.GRU(2, 3, batch_first=True), out=lin(3, 2)), leaf(2, 3, 2))


@entry
def minimal_gated_unit() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        h = x.new_zeros(1, 3)
        for token in x:
            f = torch.sigmoid(m.f(torch.cat([token, h], -1)))
            h = torch.lerp(h, torch.tanh(m.c(torch.cat([token, f * h], -1))), f)
        return h

    return made(Net(run, f=lin(5, 3), c=lin(5, 3)), leaf(3, 1, 2))


@entry
def quasi_recurrent_network() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        z, f = m.conv(F.pad(x, (1, 0))).chunk(2, 1)
        z, f, c = z.tanh(), f.sigmoid(), torch.zeros(1, 2)
        states = []
        for t in range(3):
            c = f[..., t] * c + (1 - f[..., t]) * z[..., t]
            states.append(c)
        return torch.stack(states, -1)

    return made(Net(run, conv=nn.Conv1d(2, 4, 2)), leaf(1, 2, 3))


@entry
def independent_recurrence() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        h = torch.zeros(3)
        for token in m.w(x):
            h = F.relu(token + m.u.clamp(-1, 1) * h)
        return h

    return made(Net(run, w=lin(2, 3), u=small(3)), leaf(3, 2))


@entry
def highway_recurrence() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        s = torch.zeros(1, 3)
        for token in x:
            for depth in range(2):
                t = torch.sigmoid(m.t[depth](s))
                s = torch.tanh(m.h[depth](s) + (m.x(token) if depth == 0 else 0)) * t + s * (1 - t)
        return s

    return made(Net(run, x=lin(2, 3), t=many(2, lambda: lin(3, 3)), h=many(2, lambda: lin(3, 3))), leaf(2, 1, 2))


@entry
def unitary_recurrence() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        w = torch.linalg.matrix_exp(m.a - m.a.T)
        h = m.start
        for token in m.x(x):
            h = torch.tanh(h @ w + token)
        return h

    return made(Net(run, a=small(3, 3), x=lin(2, 3), start=small(3)), leaf(2, 2))


@entry
def recurrence_normalized_by_spectra() -> Made:
    cell = torch.nn.utils.parametrizations.spectral_norm(nn.RNNCell(2, 3), "weight_hh")
    return made(Net(lambda m, x: m.cell(x[1], m.cell(x[0])), cell=cell), leaf(2, 1, 2))


@entry
def clockwork_network() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        h = torch.zeros(4)
        for t, token in enumerate(x):
            awake = torch.tensor([True, True, t % 2 == 0, t % 2 == 0])
            h = torch.where(awake, torch.tanh(m.w(token) + m.u(h)), h)
        return h

    return made(Net(run, w=lin(2, 4), u=lin()), leaf(3, 2))


@entry
def translation_with_teacher_forcing() -> Made:
    def run(m: Net, source: Tensor, target: Tensor) -> Tensor:
        _, h = m.enc(m.words(source))
        out, _ = m.dec(m.words(target[:, :-1]), h)
        return F.cross_entropy(m.out(out).transpose(1, 2), target[:, 1:])

    gru = lambda: nn.GRU(3, 3, batch_first=True)  # noqa: E731
    return made(Net(run, words=nn.Embedding(5, 3), enc=gru(), dec=gru(), out=lin(3, 5)), ids([1, 2, 3]), ids([0, 4, 2]))


@entry
def truncated_backpropagation() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        h, total = torch.zeros(1, 3), torch.zeros(())
        for t, token in enumerate(x):
            h = m.cell(token, h.detach() if t == 2 else h)
            total = total + h.square().mean()
        return total

    return made(Net(run, cell=nn.GRUCell(2, 3)), leaf(4, 1, 2))


@entry
def tree_of_lstms() -> Made:
    def run(m: Net, leaves: Tensor) -> Tensor:
        nodes = [(m.word(x), m.cell(x)) for x in leaves]
        while len(nodes) > 1:
            (hl, cl), (hr, cr), *rest = nodes
            i, fl, fr, o, u = m.join(torch.cat([hl, hr])).chunk(5)
            c = i.sigmoid() * u.tanh() + fl.sigmoid() * cl + fr.sigmoid() * cr
            nodes = [*rest, (o.sigmoid() * c.tanh(), c)]
        return nodes[0][0]

    return made(Net(run, word=lin(2, 2), cell=lin(2, 2), join=lin(4, 10)), leaf(3, 2))


@entry
def stack_that_is_differentiable() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        stack = torch.zeros(3, 2)
        for token in x:
            push, pop, stay = m.act(token).softmax(-1)
            pushed = torch.cat([m.value(token)[None], stack[:-1]])
            stack = push * pushed + pop * F.pad(stack[1:], (0, 0, 0, 1)) + stay * stack
        return stack[0]

    return made(Net(run, act=lin(2, 3), value=lin(2, 2)), leaf(3, 2))


@entry
def echo_state_network() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        with torch.no_grad():
            h = torch.zeros(4)
            for token in x:
                h = torch.tanh(m.w @ h + m.u @ token)
        return m.read(h)

    net = Net(run, read=lin(4, 2))
    net.register_buffer("w", fixed(4, 4) / 4)
    net.register_buffer("u", fixed(4, 2))
    return made(net, fixed(3, 2))


# --- state spaces


@entry
def diagonal_state_space() -> Made:
    def run(m: Net, u: Tensor) -> Tensor:
        a = torch.complex(-m.re.exp(), m.im)
        dt = m.dt.exp()
        kernel = torch.einsum("n,nl->l", torch.complex(m.c, m.c) * (torch.exp(a * dt) - 1) / a,
                              torch.exp(a[:, None] * dt * torch.arange(5.0))).real  # fmt: skip
        return torch.fft.irfft(torch.fft.rfft(kernel, n=10) * torch.fft.rfft(u, n=10), n=10)[:5] + m.d * u

    return made(Net(run, re=small(3), im=small(3), c=small(3), dt=torch.tensor(-1.0), d=small(1)), leaf(5))


@entry
def linear_recurrent_unit() -> Made:
    def run(m: Net, u: Tensor) -> Tensor:
        turn = torch.exp(torch.complex(-m.nu.exp(), m.theta.exp()))
        h, out = torch.zeros(2, dtype=torch.complex64), []
        for x in u:
            h = turn * h + torch.complex(m.b @ x, m.b @ x)
            out.append(torch.view_as_real(h).flatten())
        return m.read(torch.stack(out))

    return made(Net(run, nu=small(2), theta=small(2), b=small(2, 2), read=lin(4, 1)), leaf(3, 2))


@entry
def selective_scan() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        dt, b, c = m.project(x).split([4, 2, 2], -1)
        dt, a = F.softplus(dt), -m.a.exp()
        h, out = torch.zeros(4, 2), []
        for t in range(3):
            h = torch.exp(dt[t, :, None] * a) * h + dt[t, :, None] * b[t] * x[t, :, None]
            out.append(h @ c[t])
        return torch.stack(out) + m.d * x

    return made(Net(run, project=lin(4, 8), a=small(4, 2), d=torch.ones(4)), leaf(3, 4))


@entry
def mamba_block() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        h, z = m.up(x).chunk(2, -1)
        h = F.silu(m.conv(h.mT)[..., :3]).mT
        decay = torch.sigmoid(m.dt(h))
        state, out = torch.zeros(1, 4), []
        for t in range(3):
            state = decay[:, t] * state + (1 - decay[:, t]) * h[:, t]
            out.append(state)
        return x + m.down(torch.stack(out, 1) * F.silu(z))

    net = Net(run, up=lin(3, 8), conv=nn.Conv1d(4, 4, 2, padding=1, groups=4), dt=lin(), down=lin(4, 3))
    return made(net, leaf(1, 3, 3))


@entry
def state_space_duality() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        b, c, log_a = m.b(x), m.c(x), F.logsigmoid(m.a(x)).squeeze(-1).cumsum(-1)
        decay = (log_a[:, :, None] - log_a[:, None]).masked_fill(torch.ones(3, 3).triu(1).bool(), -torch.inf).exp()
        return (c @ b.mT * decay) @ x

    return made(Net(run, b=lin(4, 2), c=lin(4, 2), a=lin(4, 1)), leaf(1, 3, 4))


@entry
def parallel_scan_in_logarithms() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        z, h = m.z(x), m.h(x)
        log_a = F.logsigmoid(-z).cumsum(0)
        log_b = F.logsigmoid(z) + torch.where(h >= 0, (F.relu(h) + 0.5).log(), -F.softplus(-h))
        return (log_a + torch.logcumsumexp(log_b - log_a, 0)).exp()

    return made(Net(run, z=lin(2, 3), h=lin(2, 3)), leaf(4, 2))


@entry
def scan_by_doubling() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        a, b = torch.sigmoid(m.a(x)), m.b(x)
        for step in (1, 2):
            b = b + a * F.pad(b, (0, 0, step, 0))[:-step]
            a = a * F.pad(a, (0, 0, step, 0), value=1.0)[:-step]
        return b

    return made(Net(run, a=lin(2, 2), b=lin(2, 2)), leaf(4, 2))


@entry
def time_mixing_of_rwkv() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        before = F.pad(x, (0, 0, 1, -1))
        mixed = x * m.mu + before * (1 - m.mu)
        k, v, r = m.k(mixed), m.v(mixed), m.r(mixed).sigmoid()
        num, den, out = torch.zeros(4), torch.zeros(4), []
        for t in range(3):
            now = torch.exp(m.u + k[t])
            out.append((num + now * v[t]) / (den + now))
            num, den = (torch.exp(-m.w.exp()) * y + torch.exp(k[t]) * z for y, z in ((num, v[t]), (den, 1.0)))
        return m.out(r * torch.stack(out))

    return made(Net(run, mu=torch.rand(4), k=lin(), v=lin(), r=lin(), out=lin(), u=small(4), w=small(4)), leaf(3, 4))


@entry
def channel_mixing_of_rwkv() -> Made:
    run = lambda m, x: m.r(x).sigmoid() * m.v(F.relu(m.k(x)) ** 2)  # noqa: E731
    return made(Net(run, r=lin(), k=lin(4, 6), v=lin(6, 4)), leaf(3, 4))


@entry
def gated_linear_attention() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        q, k, v, g = m.q(x), m.k(x), m.v(x), m.g(x).sigmoid()
        state, out = torch.zeros(2, 4), []
        for t in range(3):
            state = g[t, :, None] * state + torch.outer(k[t], v[t])
            out.append(q[t] @ state)
        return torch.stack(out)

    return made(Net(run, q=lin(4, 2), k=lin(4, 2), v=lin(), g=lin(4, 2)), leaf(3, 4))


@entry
def delta_rule() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        q, k, v, beta = m.q(x), F.normalize(m.k(x), dim=-1), m.v(x), m.beta(x).sigmoid()
        s, out = torch.zeros(4, 2), []
        for t in range(3):
            s = s - beta[t] * torch.outer(s @ k[t] - v[t], k[t])
            out.append(s @ q[t])
        return torch.stack(out)

    return made(Net(run, q=lin(4, 2), k=lin(4, 2), v=lin(), beta=lin(4, 1)), leaf(3, 4))


@entry
def matrix_memory_of_xlstm() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        c, n, top = torch.zeros(2, 2), torch.zeros(2), torch.zeros(())
        for token in x:
            q, k, v = m.qkv(token).split(2)
            i, f = m.gates(token)
            new = torch.maximum(F.logsigmoid(f) + top, i)
            i, f, top = torch.exp(i - new), torch.exp(F.logsigmoid(f) + top - new), new
            c, n = f * c + i * torch.outer(v, k), f * n + i * k
            h = c @ q / torch.clamp((n @ q).abs(), min=1.0)
        return h

    return made(Net(run, qkv=lin(3, 6), gates=lin(3, 2)), leaf(3, 3))


@entry
def hyena_filters() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        q, k, v = m.project(x).chunk(3, -1)
        t = torch.linspace(0, 1, 4)[:, None]
        h = m.filter(t) * torch.exp(-t * m.decay.abs())
        y = torch.fft.irfft(torch.fft.rfft(h, n=8, dim=0) * torch.fft.rfft(k * v, n=8, dim=0), n=8, dim=0)[:4]
        return q * y

    return made(Net(run, project=lin(2, 6), filter=mlp(1, 3, 2), decay=small(2)), leaf(4, 2))


@entry
def test_time_training_layer() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        w, out = m.w, []
        for token in x:
            k, v = m.k(token), m.v(token)
            (step,) = torch.autograd.grad((w @ k - v).square().sum(), w, create_graph=True)
            w = w - 0.1 * step
            out.append(w @ m.q(token))
        return torch.stack(out)

    return made(Net(run, w=small(2, 2), q=lin(3, 2), k=lin(3, 2), v=lin(3, 2)), leaf(2, 3))


@entry
def legendre_memory() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        n = torch.arange(3.0)
        a = -torch.where(n[:, None] > n, ((2 * n[:, None] + 1) * (2 * n + 1)).sqrt(), torch.diag(n + 1))
        step = torch.linalg.solve(torch.eye(3) - a / 8, torch.eye(3) + a / 8)
        h = torch.zeros(3)
        for token in m.u(x):
            h = step @ h + (2 * n + 1).sqrt() / 4 * token
        return m.read(h)

    return made(Net(run, u=lin(2, 1), read=lin(3, 1)), leaf(3, 2))


@entry
def liquid_time_constants() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        h = torch.zeros(3)
        for token in x:
            f = torch.sigmoid(m.f(torch.cat([token, h])))
            h = (h + 0.2 * f * m.a) / (1 + 0.2 * (m.tau.exp() + f))
        return h

    return made(Net(run, f=lin(5, 3), a=small(3), tau=small(3)), leaf(3, 2))


# --- differential equations and filters


@entry
def differential_equation_by_runge_and_kutta() -> Made:
    def run(m: Net, y: Tensor) -> Tensor:
        h = 0.5
        for _ in range(2):
            k1 = m.f(y)
            k2 = m.f(y + h / 2 * k1)
            k3 = m.f(y + h / 2 * k2)
            y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + m.f(y + h * k3))
        return y

    return made(Net(run, f=mlp(2, 3, 2)), leaf(1, 2))


@entry
def hamiltonian_network() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        (dh,) = torch.autograd.grad(m.h(x).sum(), x, create_graph=True)
        q, p = dh.chunk(2, -1)
        return (torch.cat([p, -q], -1) - 0.5).square().mean()

    return made(Net(run, h=mlp(2, 3, 1)), leaf(2, 2))


@entry
def leapfrog() -> Made:
    def run(q: Tensor, p: Tensor, stiffness: Tensor) -> Tensor:
        for _ in range(3):
            p = p - 0.05 * stiffness * q
            q = q + 0.1 * p
            p = p - 0.05 * stiffness * q
        return (p.square() + stiffness * q.square()).sum() / 2

    return made(run, leaf(2), leaf(2), leaf())


@entry
def stochastic_differential_equation() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        for _ in range(3):
            x = x + 0.1 * m.drift(x) + 0.1**0.5 * F.softplus(m.noise(x)) * torch.randn_like(x)
        return x.square().mean()

    return made(Net(run, drift=mlp(2, 3, 2), noise=lin(2, 2)), leaf(2, 2))


@entry
def kalman_filter() -> Made:
    def run(f: Tensor, q: Tensor, r: Tensor, seen: Tensor) -> Tensor:
        x, p, total = torch.zeros(2), torch.eye(2), torch.zeros(())
        h = torch.tensor([[1.0, 0.0]])
        for z in seen:
            x, p = f @ x, f @ p @ f.T + torch.diag(q.exp())
            s = h @ p @ h.T + r.exp()
            k = p @ h.T @ torch.linalg.inv(s)
            off = z - h @ x
            total = total + torch.logdet(s) + off @ torch.linalg.solve(s, off)
            x, p = x + k @ off, p - k @ h @ p
        return total

    return made(run, leaf(2, 2), leaf(2), leaf(1, 1), fixed(2, 1))


@entry
def hidden_markov_model() -> Made:
    def run(start: Tensor, step: Tensor, emit: Tensor, seen: Tensor) -> Tensor:
        alpha = start.log_softmax(0) + emit.log_softmax(1)[:, seen[0]]
        for o in seen[1:]:
            alpha = torch.logsumexp(alpha[:, None] + step.log_softmax(1), 0) + emit.log_softmax(1)[:, o]
        return -torch.logsumexp(alpha, 0)

    return made(run, leaf(3), leaf(3, 3), leaf(3, 4), torch.tensor([0, 3, 1]))


@entry
def conditional_random_field() -> Made:
    def run(m: Net, x: Tensor, tags: Tensor) -> Tensor:
        scores, _ = m.rnn(x)
        scores = m.out(scores)
        gold = scores[torch.arange(3), tags].sum() + m.step[tags[:-1], tags[1:]].sum()
        alpha = scores[0]
        for row in scores[1:]:
            alpha = torch.logsumexp(alpha[:, None] + m.step + row, 0)
        return torch.logsumexp(alpha, 0) - gold

    return made(
        Net(run, rnn=nn.LSTM(2, 2, bidirectional=True), out=lin(4, 3), step=small(3, 3)),
        leaf(3, 2),
        torch.tensor([0, 2, 1]),
    )


@entry
def dynamic_time_warping_made_soft() -> Made:
    def run(a: Tensor, b: Tensor) -> Tensor:
        d = torch.cdist(a, b).square()
        best = {(i, j): torch.tensor(1e6) for i in range(4) for j in range(4)} | {(0, 0): torch.zeros(())}
        for i in range(1, 4):
            for j in range(1, 4):
                ways = torch.stack([best[i - 1, j], best[i, j - 1], best[i - 1, j - 1]])
                best[i, j] = d[i - 1, j - 1] - torch.logsumexp(-ways, 0)
        return best[3, 3]

    return made(run, leaf(3, 2), leaf(3, 2))


@entry
def forecast_by_basis_expansion() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        total = torch.zeros(2)
        for block in m.blocks:
            back, ahead = block(x).split([4, 2], -1)
            x, total = x - back, total + ahead
        return total

    return made(Net(run, blocks=many(2, lambda: mlp(4, 5, 6, act=nn.ReLU))), leaf(1, 4))


@entry
def forecast_by_decomposition() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        trend = F.avg_pool1d(F.pad(x[:, None], (1, 1), "replicate"), 3, 1)[:, 0]
        mean, std = x.mean(-1, keepdim=True).detach(), x.std(-1, keepdim=True) + 1e-5
        return (m.trend(trend) + m.season((x - trend - mean) / std)) * std + mean

    return made(Net(run, trend=lin(5, 2), season=lin(5, 2)), leaf(2, 5))
