"""What hears and speaks: waves, spectra, codes."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from corpus.making import Entries, Made, Net, fixed, ids, into, leaf, lin, made, many, mlp, small
from torch import Tensor, nn

ENTRIES: Entries = {}
entry = into(ENTRIES)


@entry
def wavenet_layers() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        skips = torch.zeros(())
        for i, layer in enumerate(m.layers):
            a, b = layer(F.pad(x, (2**i, 0))).chunk(2, 1)
            h = torch.tanh(a) * torch.sigmoid(b)
            x, skips = x + h, skips + m.skip(h)
        return F.relu(skips)

    layers = nn.ModuleList(nn.Conv1d(2, 4, 2, dilation=2**i) for i in range(2))
    return made(Net(run, layers=layers, skip=nn.Conv1d(2, 2, 1)), leaf(1, 2, 6))


@entry
def temporal_convolution_with_normalized_weights() -> Made:
    norm = torch.nn.utils.parametrizations.weight_norm
    run = lambda m, x: F.relu(x + m.b(F.relu(m.a(x)[..., :-1]))[..., :-2])  # noqa: E731
    return made(
        Net(run, a=norm(nn.Conv1d(2, 2, 2, padding=1)), b=norm(nn.Conv1d(2, 2, 2, padding=2, dilation=2))),
        leaf(1, 2, 6),
    )


@entry
def loss_of_spectra_at_several_sizes() -> Made:
    def run(x: Tensor, y: Tensor) -> Tensor:
        total = torch.zeros(())
        for n in (4, 8):
            a, b = (torch.stft(s, n, n // 2, window=torch.hann_window(n), return_complex=True).abs() for s in (x, y))
            total = total + (a - b).norm() / b.norm() + (a.clamp(min=1e-5).log() - b.clamp(min=1e-5).log()).abs().mean()
        return total

    return made(run, leaf(1, 16), fixed(1, 16))


@entry
def filters_on_a_spectrum() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        power = torch.fft.rfft(x.unfold(-1, 8, 4) * torch.hamming_window(8)).abs().square()
        return torch.log(power @ F.softplus(m.mel) + 1e-6)

    return made(Net(run, mel=small(5, 3)), leaf(1, 16))


@entry
def band_pass_filters_of_sines() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        t = torch.arange(-2.0, 3.0)
        high = m.low.abs() + m.band.abs()
        kernel = 2 * high * torch.sinc(2 * high * t) - 2 * m.low.abs() * torch.sinc(2 * m.low.abs() * t)
        return F.conv1d(x, (kernel * torch.blackman_window(5))[:, None], padding=2)

    return made(Net(run, low=torch.rand(3, 1), band=torch.rand(3, 1)), leaf(1, 1, 8))


@entry
def transcription_by_ctc() -> Made:
    def run(m: Net, x: Tensor, targets: Tensor) -> Tensor:
        h, _ = m.rnn(x)
        return F.ctc_loss(m.out(h).log_softmax(-1), targets, torch.tensor([5]), torch.tensor([2]))

    return made(Net(run, rnn=nn.GRU(2, 3, bidirectional=True), out=lin(6, 4)), leaf(5, 1, 2), ids([1, 3]))


@entry
def transducer_by_hand() -> Made:
    def run(m: Net, x: Tensor, tokens: Tensor) -> Tensor:
        joint = (m.enc(x)[:, None] + m.dec(tokens)[None]).tanh()
        p = m.out(joint).log_softmax(-1)
        alpha = {(0, 0): torch.zeros(())}
        for t in range(3):
            for u in range(2):
                ways = [alpha[t - 1, u] + p[t - 1, u, 0]] if t else []
                ways += [alpha[t, u - 1] + p[t, u - 1, 2]] if u else []
                if ways:
                    alpha[t, u] = torch.logsumexp(torch.stack(ways), 0)
        return -(alpha[2, 1] + p[2, 1, 0])

    return made(Net(run, enc=lin(2, 4), dec=nn.Embedding(3, 4), out=lin(4, 3)), leaf(3, 2), torch.tensor([0, 2]))


@entry
def conformer_block() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        x = x + 0.5 * m.f1(x)
        x = x + m.attention(x, x, x, need_weights=False)[0]
        h = m.deep(F.glu(m.point(x.mT), 1))
        x = x + m.last(F.silu(m.norm(h))).mT
        return m.ln(x + 0.5 * m.f2(x))

    net = Net(
        run, f1=mlp(4, 6, 4, act=nn.SiLU), attention=nn.MultiheadAttention(4, 2, batch_first=True), point=nn.Conv1d(4,
        8, 1),
        deep=nn.Conv1d(4, 4, 3, padding=1, groups=4), norm=nn.BatchNorm1d(4), last=nn.Conv1d(4, 4, 1),
        f2=mlp(4, 6, 4, act=nn.SiLU), ln=nn.LayerNorm(4),
    )  # fmt: skip
    return made(net, leaf(1, 3, 4))


@entry
def contrast_of_masked_sounds() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        z = F.gelu(m.conv(x)).mT
        hidden = torch.tensor([[False, True, False, True]])[..., None]
        c = m.context(torch.where(hidden, m.mask, z))
        sims = F.cosine_similarity(c[:, [1, 3]][:, :, None], m.q(z).detach()[:, None], dim=-1) / 0.1
        return F.cross_entropy(sims[0], torch.tensor([1, 3]))

    return made(Net(run, conv=nn.Conv1d(1, 4, 2, 2), mask=small(4), context=lin(), q=lin()), leaf(1, 1, 8))


@entry
def vocoder_of_several_receptive_fields() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        x = m.up(F.leaky_relu(x, 0.1))
        return torch.tanh(m.post(sum(x + block(F.leaky_relu(x, 0.1)) for block in m.blocks) / 2))

    blocks = nn.ModuleList(nn.Conv1d(2, 2, 3, padding=d, dilation=d) for d in (1, 2))
    return made(Net(run, up=nn.ConvTranspose1d(2, 2, 4, 2, 1), blocks=blocks, post=nn.Conv1d(2, 1, 1)), leaf(1, 2, 4))


@entry
def critic_of_several_periods() -> Made:
    run = lambda m, x: sum(  # noqa: E731
        (1 - layer(x.view(1, 1, -1, p))).square().mean() for p, layer in zip((2, 3), m.layers, strict=True)
    )
    return made(Net(run, layers=many(2, lambda: nn.Conv2d(1, 2, (2, 1)))), leaf(1, 12))


@entry
def codes_in_several_rounds() -> Made:
    def run(m: Net, x: Tensor) -> tuple[Tensor, Tensor]:
        left, total, commit = x, torch.zeros_like(x), torch.zeros(())
        for book in m.books:
            near = book(torch.cdist(left, book.weight).argmin(-1))
            commit = commit + F.mse_loss(left, near.detach()) + F.mse_loss(near, left.detach())
            near = left + (near - left).detach()
            left, total = left - near.detach(), total + near
        return m.dec(total), commit

    return made(Net(run, books=many(2, lambda: nn.Embedding(4, 2)), dec=lin(2, 3)), leaf(3, 2))


@entry
def codes_by_rounding() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        z = torch.tanh(m.down(x)) * 2
        return m.up(z + (z.round() - z).detach())

    return made(Net(run, down=lin(4, 2), up=lin(2, 4)), leaf(3, 4))


@entry
def mask_of_a_complex_spectrum() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(x)
        mask = torch.complex(m.re(spectrum.real), m.im(spectrum.imag))
        return torch.fft.irfft(spectrum * mask, n=8)

    return made(Net(run, re=lin(5, 5), im=lin(5, 5)), leaf(1, 8))


@entry
def spectrum_and_back() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        w = torch.hann_window(4)
        s = torch.stft(x, 4, 2, window=w, return_complex=True)
        return torch.istft(s * m.gain.sigmoid()[:, None], 4, 2, window=w, length=8)

    return made(Net(run, gain=small(3)), leaf(1, 8))


@entry
def long_convolution_by_transform() -> Made:
    run = lambda m, x: torch.fft.irfft(torch.fft.rfft(x, n=12) * torch.fft.rfft(m.kernel, n=12), n=12)[..., :6]  # noqa: E731
    return made(Net(run, kernel=small(2, 6)), leaf(1, 2, 6))


@entry
def oscillators_with_harmonics() -> Made:
    def run(m: Net, pitch: Tensor) -> Tensor:
        phase = torch.cumsum(2 * math.pi * F.softplus(pitch), -1)
        harmonics = torch.arange(1.0, 4.0)[:, None]
        return (torch.softmax(m.amplitude, 0)[:, None] * torch.sin(harmonics * phase)).sum(0)

    return made(Net(run, amplitude=small(3)), leaf(6))


@entry
def reverberation_by_feedback() -> Made:
    def run(gain: Tensor, x: Tensor) -> Tensor:
        y = [x[0], x[1]]
        for t in range(2, 6):
            y.append(x[t] + torch.tanh(gain) * y[t - 2])
        return torch.stack(y)

    return made(run, leaf(), leaf(6))


@entry
def statistics_of_a_speaker() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        h = m.frames(x)
        w = m.attention(h).softmax(-1)
        mean = (w * h).sum(-1)
        std = ((w * h.square()).sum(-1) - mean.square()).clamp(min=1e-6).sqrt()
        return F.normalize(m.out(torch.cat([mean, std], -1)), dim=-1)

    return made(Net(run, frames=nn.Conv1d(2, 3, 3), attention=nn.Conv1d(3, 3, 1), out=lin(6, 4)), leaf(1, 2, 6))


@entry
def end_to_end_loss_of_speakers() -> Made:
    def run(e: Tensor, w: Tensor, b: Tensor) -> Tensor:
        e = F.normalize(e, dim=-1)
        sims = torch.einsum("sud,td->sut", e, F.normalize(e.mean(1), dim=-1)) * w.clamp(min=1e-6) + b
        return F.cross_entropy(sims.flatten(0, 1), torch.tensor([0, 0, 1, 1]))

    return made(run, leaf(2, 2, 3), torch.tensor(10.0, requires_grad=True), torch.tensor(-5.0, requires_grad=True))


@entry
def lengths_that_are_learned() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        ends = F.softplus(m.duration(x)).squeeze(-1).cumsum(-1)
        frames = torch.arange(5.0)[:, None]
        return (-(frames - ends[:, None]).square()).softmax(-1) @ x

    return made(Net(run, duration=lin(2, 1)), leaf(1, 3, 2))


@entry
def separation_of_sources_in_any_order() -> Made:
    def si_snr(a: Tensor, b: Tensor) -> Tensor:
        along = (a * b).sum() / b.square().sum() * b
        return 10 * torch.log10(along.square().sum() / (a - along).square().sum())

    def run(m: Net, x: Tensor, targets: Tensor) -> Tensor:
        a, b = m.masks(x).sigmoid().mul(x)
        return -torch.maximum(
            si_snr(a, targets[0]) + si_snr(b, targets[1]), si_snr(a, targets[1]) + si_snr(b, targets[0])
        )

    return made(Net(run, masks=nn.Conv1d(1, 2, 3, padding=1)), leaf(1, 6), fixed(2, 6))


@entry
def whisper_like_encoder() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        x = F.gelu(m.c2(F.gelu(m.c1(x)))).mT + m.places
        return m.layer(x)

    layer = nn.TransformerEncoderLayer(4, 2, 4, 0.0, F.gelu, norm_first=True, batch_first=True)
    net = Net(run, c1=nn.Conv1d(2, 4, 3, padding=1), c2=nn.Conv1d(4, 4, 3, 2, 1), layer=layer)
    net.register_buffer("places", fixed(3, 4))
    return made(net, leaf(1, 2, 6))


@entry
def spectrogram_with_a_pre_emphasis_and_cepstrum() -> Made:
    def run(a: Tensor, x: Tensor) -> Tensor:
        y = torch.cat([x[:1], x[1:] - a * x[:-1]])
        power = torch.fft.rfft(y.view(2, 8)).abs().pow(2)
        basis = torch.cos(math.pi / 5 * (torch.arange(5.0) + 0.5)[:, None] * torch.arange(3.0))
        return torch.log1p(power) @ basis

    return made(run, torch.tensor(0.97, requires_grad=True), leaf(16))
