"""Attention in its kinds, and encoders and decoders that are made of it."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from corpus.making import Entries, Made, Net, fixed, ids, into, leaf, lin, made, many, mlp, small
from torch import Tensor, nn

ENTRIES: Entries = {}
entry = into(ENTRIES)


def heads(x: Tensor, count: int = 2) -> Tensor:
    """[batch, length, width] as [batch, heads, length, width of a head]."""
    return x.unflatten(-1, (count, -1)).transpose(1, 2)


def joined(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)


def attended(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | float = 0.0) -> Tensor:
    return torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]) + bias, -1) @ v


def causal(n: int) -> Tensor:
    return torch.full((n, n), -torch.inf).triu(1)


def projected(run: Any, **more: Any) -> Net:
    """A net with projections q, k, v and out."""
    return Net(run, q=lin(), k=lin(), v=lin(), out=lin(), **more)


@entry
def additive_attention() -> Made:
    run = lambda m, q, k: torch.softmax(m.v(torch.tanh(m.q(q)[:, None] + m.k(k))), 1).mul(k).sum(1)  # noqa: E731
    return made(Net(run, q=lin(), k=lin(), v=lin(4, 1)), leaf(2, 4), leaf(2, 3, 4))


@entry
def multiplicative_attention() -> Made:
    def run(m: Net, q: Tensor, k: Tensor) -> Tensor:
        scores = torch.bmm(m.w(q), k.transpose(1, 2))
        return torch.tanh(m.mix(torch.cat([torch.bmm(scores.softmax(-1), k), q], -1)))

    return made(Net(run, w=lin(), mix=lin(8)), leaf(2, 1, 4), leaf(2, 3, 4))


@entry
def self_attention_of_one_head() -> Made:
    return made(projected(lambda m, x: m.out(attended(m.q(x), m.k(x), m.v(x)))), leaf(2, 3, 4))


@entry
def causal_attention_by_torch() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        q, k, v = (heads(part(x)) for part in (m.q, m.k, m.v))
        return m.out(joined(F.scaled_dot_product_attention(q, k, v, is_causal=True)))

    return made(projected(run), leaf(1, 3, 4))


@entry
def attention_with_a_mask_of_booleans() -> Made:
    def run(m: Net, x: Tensor, mask: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(heads(m.q(x)), heads(m.k(x)), heads(m.v(x)), attn_mask=mask)

    return made(projected(run), leaf(1, 3, 4), torch.tensor([[True, False, True]] * 3))


@entry
def multi_query_attention() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        return m.out(joined(attended(heads(m.q(x)), m.k(x)[:, None], m.v(x)[:, None], causal(3))))

    return made(Net(run, q=lin(), k=lin(4, 2), v=lin(4, 2), out=lin()), leaf(2, 3, 4))


@entry
def grouped_query_attention() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        k, v = (heads(part(x), 2).repeat_interleave(2, 1) for part in (m.k, m.v))
        return m.out(joined(attended(heads(m.q(x), 4), k, v)))

    return made(Net(run, q=lin(4, 8), k=lin(), v=lin(), out=lin(8)), leaf(1, 3, 4))


@entry
def cross_attention_with_padding() -> Made:
    def run(m: Net, x: Tensor, memory: Tensor, padding: Tensor) -> Any:
        return m.attention(x, memory, memory, key_padding_mask=padding)

    padding = torch.tensor([[False, False, True]])
    return made(
        Net(run, attention=nn.MultiheadAttention(4, 2, batch_first=True)), leaf(1, 2, 4), leaf(1, 3, 4), padding
    )


@entry
def rotary_attention() -> Made:
    def turned(x: Tensor) -> Tensor:
        angles = torch.arange(3.0)[:, None] * torch.tensor([1.0, 0.1])
        a, b = x.chunk(2, -1)
        return torch.cat([a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()], -1)

    return made(projected(lambda m, x: m.out(attended(turned(m.q(x)), turned(m.k(x)), m.v(x)))), leaf(1, 3, 4))


@entry
def rotary_attention_by_complex_numbers() -> Made:
    def turned(x: Tensor) -> Tensor:
        turns = torch.polar(torch.ones(3, 2), torch.outer(torch.arange(3.0), torch.tensor([1.0, 0.1])))
        return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2))) * turns).flatten(-2)

    return made(projected(lambda m, x: m.out(attended(turned(m.q(x)), turned(m.k(x)), m.v(x)))), leaf(1, 3, 4))


@entry
def attention_with_linear_biases() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        far = torch.arange(3)[None] - torch.arange(3)[:, None]
        bias = far * torch.tensor([0.5, 0.25])[:, None, None] + causal(3)
        return m.out(joined(attended(heads(m.q(x)), heads(m.k(x)), heads(m.v(x)), bias)))

    return made(projected(run), leaf(1, 3, 4))


@entry
def attention_with_learned_relative_places() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        far = torch.arange(3)[None] - torch.arange(3)[:, None] + 2
        bias = m.places(far).permute(2, 0, 1)
        return m.out(joined(attended(heads(m.q(x)), heads(m.k(x)), heads(m.v(x)), bias)))

    return made(projected(run, places=nn.Embedding(5, 2)), leaf(1, 3, 4))


@entry
def attention_of_relative_content_as_in_transformer_xl() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        q, k, v = m.q(x), m.k(x), m.v(x)
        places = torch.einsum("bid,jd->bij", q + m.v_bias, m.r)
        shifted = F.pad(places, (1, 0)).view(-1, 4, 3)[:, 1:].reshape(-1, 3, 3)
        return m.out(torch.softmax((q + m.u_bias) @ k.mT + shifted + causal(3), -1) @ v)

    return made(projected(run, r=small(3, 4), u_bias=small(4), v_bias=small(4)), leaf(1, 3, 4))


@entry
def sliding_window_attention() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        near = (torch.arange(5)[None] - torch.arange(5)[:, None]).abs() <= 1
        return m.out((m.q(x) @ m.k(x).mT).masked_fill(~near, -1e9).softmax(-1) @ m.v(x))

    return made(projected(run), leaf(1, 5, 4))


@entry
def attention_in_blocks() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        q, k, v = (part(x).unfold(1, 2, 2).transpose(-1, -2) for part in (m.q, m.k, m.v))
        return m.out(attended(q, k, v).flatten(1, 2))

    return made(projected(run), leaf(1, 4, 4))


@entry
def linear_attention() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        q, k = F.elu(m.q(x)) + 1, F.elu(m.k(x)) + 1
        return m.out(q @ (k.mT @ m.v(x)) / (q @ k.sum(1, keepdim=True).mT + 1e-6))

    return made(projected(run), leaf(2, 3, 4))


@entry
def causal_linear_attention() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        q, k, v = m.q(x).softmax(-1), m.k(x).exp(), m.v(x)
        state = torch.einsum("bld,ble->blde", k, v).cumsum(1)
        return m.out(torch.einsum("bld,blde->ble", q, state) / (q * k.cumsum(1)).sum(-1, keepdim=True))

    return made(projected(run), leaf(1, 3, 4))


@entry
def performer() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        features = [torch.exp(y @ m.random.T - y.square().sum(-1, keepdim=True) / 2) + 1e-4 for y in (m.q(x), m.k(x))]
        return m.out(features[0] @ (features[1].mT @ m.v(x)))

    net = projected(run)
    net.register_buffer("random", fixed(5, 4))
    return made(net, leaf(1, 3, 4))


@entry
def linformer() -> Made:
    return made(
        projected(lambda m, x: m.out(attended(m.q(x), m.e @ m.k(x), m.f @ m.v(x))), e=small(2, 4), f=small(2, 4)),
        leaf(1, 4, 4),
    )


@entry
def nystrom_attention() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        q, k, v = m.q(x), m.k(x), m.v(x)
        ql, kl = (y.unflatten(1, (2, 2)).mean(2) for y in (q, k))
        middle = torch.linalg.pinv((ql @ kl.mT).softmax(-1))
        return m.out((q @ kl.mT).softmax(-1) @ middle @ ((ql @ k.mT).softmax(-1) @ v))

    return made(projected(run), leaf(1, 4, 4))


@entry
def talking_heads() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        scores = torch.einsum("bhid,bhjd,hg->bgij", heads(m.q(x)), heads(m.k(x)), m.before)
        mixed = torch.einsum("bgij,gh->bhij", scores.softmax(-1), m.after)
        return m.out(joined(mixed @ heads(m.v(x))))

    return made(projected(run, before=small(2, 2), after=small(2, 2)), leaf(1, 3, 4))


@entry
def cosine_attention_with_a_learned_scale() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        q, k = F.normalize(m.q(x), dim=-1), F.normalize(m.k(x), dim=-1)
        return m.out((q @ k.mT * m.scale.clamp(max=4.6).exp()).softmax(-1) @ m.v(x))

    return made(projected(run, scale=torch.tensor(1.0)), leaf(1, 3, 4))


@entry
def attention_normalized_by_query_and_key() -> Made:
    run = lambda m, x: m.out(attended(m.qn(m.q(x)), m.kn(m.k(x)), m.v(x)))  # noqa: E731
    return made(projected(run, qn=nn.RMSNorm(4), kn=nn.LayerNorm(4)), leaf(1, 3, 4))


@entry
def attention_with_a_soft_cap() -> Made:
    run = lambda m, x: m.out((torch.tanh(m.q(x) @ m.k(x).mT / 5) * 5 + causal(3)).softmax(-1) @ m.v(x))  # noqa: E731
    return made(projected(run), leaf(1, 3, 4))


@entry
def gated_attention_unit() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        u, v, z = torch.split(F.silu(m.up(x)), [4, 4, 2], -1)
        q, k = z * m.gamma + m.beta, z * m.gamma.flip(0)
        return x + m.down(u * (F.relu(q @ k.mT / 3).square() @ v))

    return made(Net(run, up=lin(4, 10), down=lin(), gamma=small(2), beta=small(2)), leaf(1, 3, 4))


@entry
def attention_with_a_sink() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        scores = torch.cat([m.q(x) @ m.k(x).mT, m.sink.expand(1, 3, 1)], -1)
        return m.out(scores.softmax(-1)[..., :-1] @ m.v(x))

    return made(projected(run, sink=torch.zeros(1)), leaf(1, 3, 4))


@entry
def sigmoid_attention() -> Made:
    run = lambda m, x: m.out(torch.sigmoid(m.q(x) @ m.k(x).mT - math.log(3)) @ m.v(x))  # noqa: E731
    return made(projected(run), leaf(1, 3, 4))


@entry
def differential_attention() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        (q1, q2), (k1, k2) = m.q(x).chunk(2, -1), m.k(x).chunk(2, -1)
        return m.out(((q1 @ k1.mT).softmax(-1) - m.share * (q2 @ k2.mT).softmax(-1)) @ m.v(x))

    return made(projected(run, share=torch.tensor(0.3)), leaf(1, 3, 4))


@entry
def axial_attention() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        rows = attended(m.q(x), m.k(x), m.v(x))
        x = rows.transpose(1, 2)
        return m.out(attended(m.q(x), m.k(x), m.v(x)).transpose(1, 2))

    return made(projected(run), leaf(1, 2, 3, 4))


@entry
def induced_set_attention() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        seeds = m.seeds.expand(x.shape[0], -1, -1)
        inner, _ = m.first(seeds, x, x, need_weights=False)
        outer, _ = m.second(x, inner, inner, need_weights=False)
        return (x + outer).amax(1)

    attention = lambda: nn.MultiheadAttention(4, 1, batch_first=True)  # noqa: E731
    return made(Net(run, seeds=small(1, 2, 4), first=attention(), second=attention()), leaf(2, 3, 4))


@entry
def latents_that_read_a_long_input() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        latents = m.latents
        for _ in range(2):
            latents = latents + attended(m.q(latents), m.k(x), m.v(x))
            latents = latents + m.feed(m.norm(latents))
        return m.out(latents.mean(-2))

    return made(projected(run, latents=small(1, 2, 4), feed=mlp(4, 8, 4), norm=nn.LayerNorm(4)), leaf(1, 6, 4))


@entry
def decoding_with_a_cache() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        keys, values, said = [], [], []
        for token in x.unbind(1):
            keys.append(m.k(token))
            values.append(m.v(token))
            k, v = torch.stack(keys, 1), torch.stack(values, 1)
            said.append(m.out(attended(m.q(token)[:, None], k, v)))
        return torch.cat(said, 1)

    return made(projected(run), leaf(1, 3, 4))


@entry
def decoding_into_a_buffer() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        keys, values = x.new_zeros(1, 3, 4), x.new_zeros(1, 3, 4)
        for place, token in enumerate(x.unbind(1)):
            keys[:, place] = m.k(token)
            values = values.index_copy(1, torch.tensor([place]), m.v(token)[:, None])
        return m.out(attended(m.q(x), keys, values, causal(3)))

    return made(projected(run), leaf(1, 3, 4))


@entry
def latent_attention_of_low_rank() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        k, v = m.up(m.norm(m.down(x))).chunk(2, -1)
        return m.out(joined(attended(heads(m.q(x)), heads(k), heads(v), causal(3))))

    return made(Net(run, q=lin(), down=lin(4, 2), norm=nn.RMSNorm(2), up=lin(2, 8), out=lin()), leaf(1, 3, 4))


@entry
def retention() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        far = torch.arange(3)[:, None] - torch.arange(3)
        decay = torch.where(far >= 0, 0.9 ** far.float(), 0.0)
        return m.norm(F.silu(m.out(x)) * (m.q(x) @ m.k(x).mT * decay @ m.v(x)))

    return made(projected(run, norm=nn.LayerNorm(4)), leaf(1, 3, 4))


@entry
def pointer_network() -> Made:
    def run(m: Net, x: Tensor, target: Tensor) -> Tensor:
        states, h = m.read(x)
        scores = m.v(torch.tanh(m.a(states) + m.b(h.transpose(0, 1)))).squeeze(-1)
        return F.nll_loss(scores.log_softmax(-1), target)

    return made(
        Net(run, read=nn.GRU(3, 4, batch_first=True), a=lin(), b=lin(), v=lin(4, 1)), leaf(2, 3, 3), ids([2, 0])[0]
    )


@entry
def copying_decoder() -> Made:
    def run(m: Net, x: Tensor, source: Tensor) -> Tensor:
        attention = attended(m.q(x), m.k(x), torch.eye(3))
        share = torch.sigmoid(m.gate(x))
        words = share * m.words(x).softmax(-1)
        copied = words.scatter_add(-1, source.expand(1, 3, 3), (1 - share) * attention)
        return -copied[..., 2].log().mean()

    return made(Net(run, q=lin(), k=lin(), words=lin(4, 5), gate=lin(4, 1)), leaf(1, 3, 4), ids([2, 4, 2]))


@entry
def memory_network() -> Made:
    def run(m: Net, story: Tensor, question: Tensor) -> Tensor:
        u = m.b(question).sum(1)
        for hop in range(2):
            p = torch.einsum("bsd,bd->bs", m.a[hop](story).sum(2), u).softmax(-1)
            u = u + torch.einsum("bs,bsd->bd", p, m.a[hop + 1](story).sum(2))
        return m.out(u)

    net = Net(run, a=many(3, lambda: nn.Embedding(6, 4, padding_idx=0)), b=nn.Embedding(6, 4), out=lin(4, 6))
    return made(net, torch.tensor([[[1, 2], [3, 0]]]), ids([4, 5]))


@entry
def neural_turing_machine_that_writes() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        memory, read = m.memory, x.new_zeros(1, 4)
        for token in x.unbind(1):
            key, erase, add = m.control(torch.cat([token, read], -1)).split([4, 4, 4], -1)
            w = F.cosine_similarity(key[:, None], memory[None], dim=-1).softmax(-1)
            memory = memory * (1 - w.T * erase.sigmoid()) + w.T * add
            read = w @ memory
        return m.out(read)

    return made(Net(run, memory=small(3, 4), control=lin(8, 12), out=lin(4, 2)), leaf(1, 2, 4))


@entry
def hopfield_retrieval() -> Made:
    def run(stored: Tensor, state: Tensor) -> Tensor:
        for _ in range(3):
            state = torch.softmax(2.0 * state @ stored.T, -1) @ stored
        return state

    return made(run, leaf(3, 4), leaf(1, 4))


@entry
def prefix_tuning() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        k, v = (torch.cat([prefix.expand(1, -1, -1), part(x)], 1) for prefix, part in ((m.pk, m.k), (m.pv, m.v)))
        return m.out(attended(m.q(x), k, v))

    net = projected(run, pk=small(2, 4), pv=small(2, 4))
    for part in (net.q, net.k, net.v, net.out):
        part.requires_grad_(False)
    return made(net, fixed(1, 3, 4))


@entry
def attention_by_einsum_with_dropout() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        q, k, v = torch.einsum("bld,tdhe->tbhle", x, m.w)
        weights = F.dropout(torch.einsum("bhle,bhme->bhlm", q, k).softmax(-1), 0.3)
        return torch.einsum("bhlm,bhme,hed->bld", weights, v, m.o)

    return made(Net(run, w=small(3, 4, 2, 2), o=small(2, 2, 4)), leaf(1, 3, 4))


@entry
def bert_by_hand() -> Made:
    def run(m: Net, tokens: Tensor, labels: Tensor) -> Tensor:
        x = m.norm(m.words(tokens) + m.places.weight[:4] + m.types(torch.zeros_like(tokens)))
        x = m.layer(x, src_key_padding_mask=tokens == 0)
        return F.cross_entropy(
            (m.head(x) @ m.words.weight.T + m.bias).flatten(0, 1), labels.flatten(), ignore_index=-100
        )

    layer = nn.TransformerEncoderLayer(4, 2, 6, 0.0, "gelu", batch_first=True)
    net = Net(
        run, words=nn.Embedding(7, 4, padding_idx=0), places=nn.Embedding(8, 4), types=nn.Embedding(2, 4),
        norm=nn.LayerNorm(4), layer=layer, head=nn.Sequential(lin(), nn.GELU(), nn.LayerNorm(4)), bias=torch.zeros(7),
    )  # fmt: skip
    return made(net, ids([1, 2, 6, 0]), ids([-100, 2, -100, -100]))


@entry
def encoder_of_torch_normalized_first() -> Made:
    layer = nn.TransformerEncoderLayer(4, 2, 6, 0.1, norm_first=True, batch_first=True)
    return made(nn.TransformerEncoder(layer, 2, nn.LayerNorm(4), enable_nested_tensor=False), leaf(1, 2, 4))


@entry
def decoder_of_torch_with_a_mask() -> Made:
    layer = nn.TransformerDecoderLayer(4, 2, 6, 0.0, batch_first=True)
    return made(nn.TransformerDecoder(layer, 1), leaf(1, 3, 4), leaf(1, 2, 4), tgt_mask=causal(3))


@entry
def llama_block() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        h = m.n1(x)
        x = x + m.out(
            joined(F.scaled_dot_product_attention(heads(m.q(h)), heads(m.k(h)), heads(m.v(h)), is_causal=True))
        )
        h = m.n2(x)
        return x + m.down(F.silu(m.gate(h)) * m.up(h))

    return made(
        projected(run, n1=nn.RMSNorm(4), n2=nn.RMSNorm(4), gate=lin(4, 6), up=lin(4, 6), down=lin(6, 4)), leaf(1, 3, 4)
    )


@entry
def parallel_block_as_in_gpt_j() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        h = m.norm(x)
        return x + m.out(attended(m.q(h), m.k(h), m.v(h), causal(3))) + m.feed(h)

    return made(projected(run, norm=nn.LayerNorm(4), feed=mlp(4, 8, 4, act=nn.GELU)), leaf(1, 3, 4))


@entry
def universal_transformer_with_halting() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        left, total = torch.ones_like(x[..., :1]), torch.zeros_like(x)
        for _ in range(2):
            x = m.layer(x)
            halt = m.halt(x).sigmoid() * left
            total, left = total + halt * x, left - halt
        return total + left * x

    return made(
        Net(run, layer=nn.TransformerEncoderLayer(4, 1, 4, 0.0, batch_first=True), halt=lin(4, 1)), leaf(1, 2, 4)
    )


@entry
def fourier_mixing() -> Made:
    run = lambda m, x: m.norm(x + torch.fft.fft2(x).real + m.feed(x))  # noqa: E731
    return made(Net(run, norm=nn.LayerNorm(4), feed=mlp(4, 4, 4)), leaf(1, 3, 4))
