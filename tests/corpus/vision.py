"""Convolution of all kinds, and what looks at pictures, shapes and scenes."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from corpus.making import Entries, Made, Net, fixed, ids, into, leaf, lin, made, many, mlp, small
from torch import Tensor, nn

ENTRIES: Entries = {}
entry = into(ENTRIES)


def conv(a: int, b: int, size: int = 3, *more: Any, **kwargs: Any) -> nn.Conv2d:
    return nn.Conv2d(a, b, size, *more, padding=kwargs.pop("padding", size // 2), **kwargs)


def image(channels: int = 2, size: int = 4, batch: int = 1) -> Tensor:
    return leaf(batch, channels, size, size)


@entry
def lenet() -> Made:
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(2, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(12, 4)
    )
    return made(net, image(1, 8))


@entry
def residual_block() -> Made:
    run = lambda m, x: F.relu(m.short(x) + m.b2(m.c2(F.relu(m.b1(m.c1(x))))))  # noqa: E731
    net = Net(
        run, c1=conv(2, 3, bias=False), b1=nn.BatchNorm2d(3), c2=conv(3, 3), b2=nn.BatchNorm2d(3), short=conv(2, 3, 1)
    )
    return made(net, image(batch=2))


@entry
def bottleneck_in_place() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        out = F.relu(m.c1(x), inplace=True)
        out = F.relu_(m.c2(out))
        out = m.c3(out)
        out += x
        return m.act(out)

    net = Net(run, c1=conv(3, 2, 1), c2=conv(2, 2), c3=conv(2, 3, 1), act=nn.ReLU(inplace=True))
    return made(net, image(3))


@entry
def dense_block() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        for layer in m.layers:
            x = torch.cat([x, layer(x)], 1)
        return F.avg_pool2d(m.transition(x), 2)

    layers = nn.ModuleList(nn.Sequential(nn.BatchNorm2d(n), nn.ReLU(), conv(n, 1)) for n in (2, 3))
    return made(Net(run, layers=layers, transition=conv(4, 2, 1)), image(batch=2))


@entry
def inception() -> Made:
    run = lambda m, x: torch.cat([m.a(x), m.b(x), m.c(x), m.d(F.max_pool2d(x, 3, 1, 1))], 1)  # noqa: E731
    return made(
        Net(run, a=conv(2, 1, 1), b=conv(2, 1, 3), c=nn.Conv2d(2, 1, (1, 3), padding=(0, 1)), d=conv(2, 1, 1)), image()
    )


@entry
def inverted_residual_with_squeeze_and_excitation() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        h = F.hardswish(m.deep(F.hardswish(m.up(x))))
        h = h * F.hardsigmoid(m.excite(F.relu(m.squeeze(F.adaptive_avg_pool2d(h, 1)))))
        return x + m.down(h)

    net = Net(
        run,
        up=conv(2, 4, 1),
        deep=conv(4, 4, groups=4),
        squeeze=conv(4, 2, 1),
        excite=conv(2, 4, 1),
        down=conv(4, 2, 1),
    )
    return made(net, image())


@entry
def depthwise_separable_convolution() -> Made:
    return made(nn.Sequential(conv(2, 4, groups=2), nn.ReLU6(), conv(4, 3, 1)), image())


@entry
def shuffled_channels() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        a, b = x.chunk(2, 1)
        return torch.cat([a, m.c(b)], 1).unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)

    return made(Net(run, c=conv(2, 2, groups=2)), image(4))


@entry
def ghost_module() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        first = m.primary(x)
        return torch.cat([first, m.cheap(first)], 1)[:, :3]

    return made(Net(run, primary=conv(2, 2, 1), cheap=conv(2, 2, groups=2)), image())


@entry
def convolution_of_several_dilations() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        whole = F.interpolate(m.pool(x.mean((2, 3), keepdim=True)), x.shape[2:])
        return m.out(torch.cat([*(branch(x) for branch in m.branches), whole], 1))

    branches = nn.ModuleList(nn.Conv2d(2, 1, 3, padding=d, dilation=d) for d in (1, 2))
    return made(Net(run, branches=branches, pool=conv(2, 1, 1), out=conv(3, 1, 1)), image())


@entry
def u_net() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        a = F.relu(m.enc1(x))
        b = F.relu(m.enc2(F.max_pool2d(a, 2)))
        return m.out(torch.cat([m.up(b), a], 1))

    return made(
        Net(run, enc1=conv(1, 2), enc2=conv(2, 3), up=nn.ConvTranspose2d(3, 2, 2, 2), out=conv(4, 1, 1)), image(1)
    )


@entry
def feature_pyramid() -> Made:
    def run(m: Net, x: Tensor) -> dict[str, Tensor]:
        c1 = m.s1(x)
        c2 = m.s2(c1)
        p2 = m.l2(c2)
        return {"p1": m.l1(c1) + F.interpolate(p2, scale_factor=2.0, mode="nearest"), "p2": p2}

    net = Net(run, s1=conv(1, 2, 3, 2), s2=conv(2, 3, 3, 2), l1=conv(2, 2, 1), l2=conv(3, 2, 1))
    return made(net, image(1, 8))


@entry
def spatial_transformer() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        theta = m.where(x.flatten(1)).view(-1, 2, 3)
        return F.grid_sample(x, F.affine_grid(theta, list(x.shape), align_corners=False), align_corners=False)

    return made(Net(run, where=lin(32, 6)), image())


@entry
def deformable_convolution_by_sampling() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        places = F.affine_grid(torch.eye(2, 3)[None], [1, 1, 4, 4], align_corners=True)
        moved = places + 0.1 * torch.tanh(m.offset(x)).permute(0, 2, 3, 1)
        return m.c(F.grid_sample(x, moved, "bilinear", "border", True))

    return made(Net(run, offset=conv(2, 2), c=conv(2, 1, 1)), image())


@entry
def attention_of_channels_and_places() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        x = x * torch.sigmoid(m.mlp(x.mean((2, 3))) + m.mlp(x.amax((2, 3))))[..., None, None]
        return x * torch.sigmoid(m.place(torch.stack([x.mean(1), x.amax(1)], 1)))

    return made(Net(run, mlp=mlp(2, 1, 2, act=nn.ReLU), place=conv(2, 1)), image())


@entry
def convolution_that_knows_places() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        ys, xs = torch.meshgrid(torch.linspace(-1, 1, 4), torch.linspace(-1, 1, 4), indexing="ij")
        return m.c(torch.cat([x, torch.stack([xs, ys]).expand(x.shape[0], -1, -1, -1)], 1))

    return made(Net(run, c=conv(4, 1)), image())


@entry
def involution() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        kernel = m.kernel(x).view(1, 1, 9, 4, 4)
        return (kernel * F.unfold(x, 3, padding=1).view(1, 2, 9, 4, 4)).sum(2)

    return made(Net(run, kernel=conv(2, 9, 1)), image())


@entry
def locally_connected_layer() -> Made:
    run = lambda m, x: torch.einsum("bkl,okl->bol", F.unfold(x, 2, stride=2), m.w) + m.b  # noqa: E731
    return made(Net(run, w=small(3, 8, 4), b=small(3, 4)), image())


@entry
def convolution_with_a_kernel_of_each_picture() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        kernels = m.make(x.mean((2, 3))).view(-1, 1, 3, 3)
        return F.conv2d(x.flatten(0, 1)[None], kernels, padding=1, groups=4).view_as(x)

    return made(Net(run, make=lin(2, 18)), image(batch=2))


@entry
def mixture_of_kernels() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        share = m.route(x.mean((0, 2, 3))).softmax(-1)
        return F.conv2d(x, torch.tensordot(share, m.kernels, 1), padding="same")

    return made(Net(run, route=lin(2, 3), kernels=small(3, 2, 2, 3, 3)), image())


@entry
def mlp_mixer() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        x = m.stem(x).flatten(2).mT
        x = x + m.tokens(m.n1(x).mT).mT
        return m.head((x + m.channels(m.n2(x))).mean(1))

    net = Net(
        run, stem=nn.Conv2d(2, 4, 2, 2), n1=nn.LayerNorm(4), tokens=mlp(4, 6, 4, act=nn.GELU), n2=nn.LayerNorm(4),
        channels=mlp(4, 6, 4, act=nn.GELU), head=lin(4, 3),
    )  # fmt: skip
    return made(net, image())


@entry
def conv_mixer() -> Made:
    run = lambda m, x: m.point(x + F.gelu(m.norm(m.deep(x))))  # noqa: E731
    return made(Net(run, deep=conv(2, 2, groups=2), norm=nn.BatchNorm2d(2), point=conv(2, 2, 1)), image(batch=2))


@entry
def convnext_block() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        h = m.norm(m.deep(x).permute(0, 2, 3, 1))
        return x + (m.gamma * m.down(F.gelu(m.up(h)))).permute(0, 3, 1, 2)

    return made(
        Net(run, deep=conv(2, 2, groups=2), norm=nn.LayerNorm(2), up=lin(2, 4), down=lin(4, 2), gamma=small(2)), image()
    )


@entry
def windows_that_are_shifted() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        x = torch.roll(x, (-1, -1), (1, 2))
        w = x.view(1, 2, 2, 2, 2, 2).permute(0, 1, 3, 2, 4, 5).reshape(4, 4, 2)
        q, k, v = m.qkv(w).chunk(3, -1)
        w = (q @ k.mT + m.bias).softmax(-1) @ v
        return torch.roll(w.view(1, 2, 2, 2, 2, 2).permute(0, 1, 3, 2, 4, 5).reshape(1, 4, 4, 2), (1, 1), (1, 2))

    return made(Net(run, qkv=lin(2, 6), bias=small(4, 4)), leaf(1, 4, 4, 2))


@entry
def merging_of_patches() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        parts = [x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]]
        return m.reduce(m.norm(torch.cat(parts, -1)))

    return made(Net(run, norm=nn.LayerNorm(8), reduce=lin(8, 4, bias=False)), leaf(1, 4, 4, 2))


@entry
def masked_autoencoder() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        patches = F.unfold(x, 2, stride=2).mT
        order = torch.rand(1, 4).argsort(-1)
        kept = order[:, :2, None].expand(-1, -1, 4)
        seen = m.enc(patches).gather(1, kept)
        full = m.token.expand(1, 4, -1).scatter(1, kept, seen)
        return F.mse_loss(m.dec(full), patches, reduction="none").mean(-1)[:, 2:].mean()

    return made(Net(run, enc=lin(), dec=lin(), token=small(1, 1, 4)), image(1))


@entry
def capsules_with_routing() -> Made:
    def squash(v: Tensor) -> Tensor:
        n = v.square().sum(-1, keepdim=True)
        return n / (1 + n) * v / (n + 1e-8).sqrt()

    def run(m: Net, x: Tensor) -> Tensor:
        u = torch.einsum("bid,ijde->bije", squash(x), m.w)
        b = torch.zeros(1, 3, 2)
        for _ in range(2):
            v = squash(torch.einsum("bij,bije->bje", b.softmax(-1), u))
            b = b + (u.detach() * v[:, None]).sum(-1).detach()
        return v.norm(dim=-1)

    return made(Net(run, w=small(3, 2, 2, 3)), leaf(1, 3, 2))


@entry
def pooling_in_a_pyramid() -> Made:
    run = lambda m, x: m.out(torch.cat([F.adaptive_max_pool2d(x, n).flatten(1) for n in (1, 2)], 1))  # noqa: E731
    return made(Net(run, out=lin(10, 2)), image())


@entry
def non_local_block() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        a, b, g = (part(x).flatten(2) for part in (m.a, m.b, m.g))
        return x + m.out((g @ (a.mT @ b).softmax(-1).mT).view(1, 1, 3, 3))

    return made(Net(run, a=conv(2, 1, 1), b=conv(2, 1, 1), g=conv(2, 1, 1), out=conv(1, 2, 1)), image(size=3))


@entry
def unpooling() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        small_, where = F.max_pool2d(m.enc(x), 2, return_indices=True)
        return m.dec(F.max_unpool2d(small_, where, 2))

    return made(Net(run, enc=conv(1, 2), dec=conv(2, 1)), image(1))


@entry
def super_resolution_by_shuffled_pixels() -> Made:
    run = lambda m, x: F.pixel_shuffle(m.c(x), 2) + F.interpolate(x, scale_factor=2, mode="bicubic")  # noqa: E731
    return made(Net(run, c=conv(1, 4)), image(1))


@entry
def convolution_of_two_frequencies() -> Made:
    def run(m: Net, high: Tensor, low: Tensor) -> tuple[Tensor, Tensor]:
        up = F.interpolate(m.lh(low), scale_factor=2, mode="bilinear", align_corners=False)
        return m.hh(high) + up, m.ll(low) + m.hl(F.avg_pool2d(high, 2))

    return made(Net(run, hh=conv(1, 1), hl=conv(1, 1), lh=conv(1, 1), ll=conv(1, 1)), image(1), image(1, 2))


@entry
def volumes() -> Made:
    net = nn.Sequential(nn.Conv3d(1, 2, 2), nn.BatchNorm3d(2), nn.ELU(), nn.MaxPool3d(2), nn.Flatten(), nn.Linear(2, 2))
    return made(net, leaf(2, 1, 3, 3, 3))


@entry
def video_in_space_and_time_apart() -> Made:
    space, time = nn.Conv3d(1, 2, (1, 2, 2)), nn.Conv3d(2, 1, (2, 1, 1))
    return made(nn.Sequential(space, nn.SiLU(), time, nn.AdaptiveAvgPool3d(1)), leaf(1, 1, 3, 3, 3))


@entry
def transposed_convolution_with_output_padding() -> Made:
    return made(nn.ConvTranspose2d(2, 2, 3, 2, 1, output_padding=1, groups=2, dilation=1), image(size=2))


@entry
def generator_of_pictures() -> Made:
    net = nn.Sequential(
        nn.Linear(3, 8),
        nn.Unflatten(1, (2, 2, 2)),
        nn.BatchNorm2d(2),
        nn.ReLU(),
        nn.ConvTranspose2d(2, 1, 4, 2, 1),
        nn.Tanh(),
    )
    return made(net, leaf(2, 3))


@entry
def picture_of_a_radiance_field() -> Made:
    def run(m: Net, t: Tensor) -> Tensor:
        code = torch.cat([f(2**k * t) for k in range(2) for f in (torch.sin, torch.cos)], -1)
        sigma, color = m.field(code).split([1, 3], -1)
        alpha = 1 - torch.exp(-F.softplus(sigma) * 0.25)
        seen = torch.cumprod(torch.cat([torch.ones(1, 1), 1 - alpha + 1e-10]), 0)[:-1]
        return (seen * alpha * color.sigmoid()).sum(0)

    return made(Net(run, field=mlp(12, 6, 4, act=nn.ReLU)), leaf(4, 3))


@entry
def splats_of_gaussians() -> Made:
    def run(centers: Tensor, scales: Tensor, turns: Tensor, colors: Tensor) -> Tensor:
        c, s = turns.cos(), turns.sin()
        r = torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], -2)
        cov = r @ torch.diag_embed(scales.exp()) @ r.mT
        at = torch.cartesian_prod(torch.linspace(-1, 1, 3), torch.linspace(-1, 1, 3))
        off = at[:, None] - centers
        power = torch.einsum("pgi,gij,pgj->pg", off, torch.linalg.inv(cov), off)
        return torch.exp(-power / 2) @ colors

    return made(run, leaf(2, 2), leaf(2, 2), leaf(2), leaf(2, 3))


@entry
def siren() -> Made:
    run = lambda m, x: m.out(torch.sin(30 * m.b(torch.sin(30 * m.a(x)))))  # noqa: E731
    return made(Net(run, a=lin(2, 3), b=lin(3, 3), out=lin(3, 1)), leaf(4, 2))


@entry
def hash_grid_of_features() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        cell = (x * 3).floor()
        corners = (cell[:, None] + torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])).long()
        part = x * 3 - cell
        w = torch.stack(
            [(1 - part).prod(-1), (1 - part[:, 0]) * part[:, 1], part[:, 0] * (1 - part[:, 1]), part.prod(-1)], -1
        )
        slots = (corners[..., 0] ^ (corners[..., 1] * 2654435761)) % 8
        return m.out((m.table(slots) * w[..., None]).sum(1))

    return made(Net(run, table=nn.Embedding(8, 2), out=lin(2, 1)), torch.rand(3, 2, requires_grad=True))


@entry
def style_by_gram_matrices() -> Made:
    def gram(f: Tensor) -> Tensor:
        f = f.flatten(2)
        return f @ f.mT / f[0].numel()

    run = lambda m, x, y: F.mse_loss(gram(m.c(x)), gram(m.c(y)).detach())  # noqa: E731
    return made(Net(run, c=conv(1, 3)), image(1), image(1))


@entry
def structural_similarity() -> Made:
    def run(x: Tensor, y: Tensor) -> Tensor:
        w = torch.ones(1, 1, 3, 3) / 9
        mx, my = F.conv2d(x, w), F.conv2d(y, w)
        vx, vy, c = F.conv2d(x * x, w) - mx**2, F.conv2d(y * y, w) - my**2, F.conv2d(x * y, w) - mx * my
        return 1 - ((2 * mx * my + 0.01) * (2 * c + 0.03) / ((mx**2 + my**2 + 0.01) * (vx + vy + 0.03))).mean()

    return made(run, image(1), image(1))


@entry
def total_variation() -> Made:
    run = lambda x: (x.diff(dim=-1).abs().mean() + x.diff(dim=-2).square().mean()) + x.pow(2).mean()  # noqa: E731
    return made(run, image(1))


@entry
def optical_flow_by_warping() -> Made:
    def run(flow: Tensor, first: Tensor, second: Tensor) -> Tensor:
        grid = F.affine_grid(torch.eye(2, 3)[None], [1, 1, 4, 4], align_corners=True) + flow.permute(0, 2, 3, 1)
        off = F.grid_sample(second, grid, padding_mode="reflection", align_corners=True) - first
        return (off.square() + 1e-6).sqrt().mean()

    return made(run, leaf(1, 2, 4, 4), fixed(1, 1, 4, 4), fixed(1, 1, 4, 4))


@entry
def cost_volume_of_stereo() -> Made:
    def run(m: Net, left: Tensor, right: Tensor) -> Tensor:
        a, b = m.c(left), m.c(right)
        costs = torch.stack([(a[..., d:] * b[..., : 4 - d]).mean(1).sum() for d in range(3)])
        return (costs.softmax(0) * torch.arange(3.0)).sum()

    return made(Net(run, c=conv(1, 2)), image(1), image(1))


@entry
def homography() -> Made:
    def run(h: Tensor, points: Tensor) -> Tensor:
        out = F.pad(points, (0, 1), value=1.0) @ torch.cat([h, torch.ones(1)]).view(3, 3).T
        return out[:, :2] / out[:, 2:]

    return made(run, leaf(8), fixed(4, 2) / 10)


@entry
def boxes_by_generalized_overlap() -> Made:
    def run(a: Tensor, b: Tensor) -> Tensor:
        a, b = (torch.cat([x[:, :2] - x[:, 2:].exp() / 2, x[:, :2] + x[:, 2:].exp() / 2], -1) for x in (a, b))
        area = lambda x: (x[:, 2:] - x[:, :2]).clamp(min=0).prod(-1)  # noqa: E731
        inner = torch.cat([torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])], -1)
        hull = torch.cat([torch.minimum(a[:, :2], b[:, :2]), torch.maximum(a[:, 2:], b[:, 2:])], -1)
        union = area(a) + area(b) - area(inner)
        return (1 - area(inner) / union + (area(hull) - union) / area(hull)).mean()

    return made(run, leaf(3, 4), fixed(3, 4))


@entry
def detector_head() -> Made:
    def run(m: Net, x: Tensor, where: Tensor) -> dict[str, Tensor]:
        found = m.head(x).permute(0, 2, 3, 1).flatten(0, 2)
        objects = F.binary_cross_entropy_with_logits(found[:, 0], torch.zeros(16).index_fill(0, where, 1.0))
        boxes = F.smooth_l1_loss(found[where, 1:5].sigmoid(), torch.full((2, 4), 0.5))
        return {"loss": objects + 5 * boxes, "objects": objects, "boxes": boxes}

    return made(Net(run, head=conv(2, 5, 1)), image(), torch.tensor([3, 7]))


@entry
def detection_by_queries() -> Made:
    def run(m: Net, x: Tensor, labels: Tensor) -> Tensor:
        memory = m.c(x).flatten(2).mT
        h = m.decoder(m.queries.weight[None], memory)[0]
        costs = m.classes(h).log_softmax(-1)
        order = costs.detach()[:, labels].argmin(0)
        return F.nll_loss(costs[order], labels) + m.box(h).sigmoid()[order].sub(0.5).abs().mean()

    decoder = nn.TransformerDecoderLayer(4, 2, 4, 0.0, batch_first=True)
    net = Net(
        run, c=conv(1, 4, 2, 2, padding=0), queries=nn.Embedding(3, 4), decoder=decoder, classes=lin(4, 3), box=lin()
    )
    return made(net, image(1), torch.tensor([0, 2]))


@entry
def regions_pooled() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        h = m.c(x)
        regions = [F.adaptive_max_pool2d(h[..., a:b, c:d], 2) for a, b, c, d in ((0, 3, 0, 3), (1, 4, 0, 2))]
        return m.out(torch.cat(regions).flatten(1))

    return made(Net(run, c=conv(1, 2), out=lin(8, 2)), image(1))


@entry
def segmentation_with_a_dice_loss() -> Made:
    def run(m: Net, x: Tensor, mask: Tensor) -> Tensor:
        p = m.c(x).sigmoid().flatten(1)
        t = mask.flatten(1)
        return (1 - (2 * (p * t).sum(1) + 1) / (p.sum(1) + t.sum(1) + 1)).mean()

    return made(Net(run, c=conv(1, 1)), image(1), (fixed(1, 1, 4, 4) > 0).float())


@entry
def key_points_by_soft_argmax() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        heat = m.c(x).flatten(2).softmax(-1).view(1, 2, 4, 4)
        at = torch.arange(4.0)
        return torch.stack([(heat.sum(2) * at).sum(-1), (heat.sum(3) * at).sum(-1)], -1)

    return made(Net(run, c=conv(1, 2)), image(1))


@entry
def padding_of_every_kind() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        parts = [F.pad(x, (1, 1, 1, 1), mode) for mode in ("constant", "reflect", "replicate", "circular")]
        return m.c(torch.cat(parts, 1))

    return made(Net(run, c=nn.Conv2d(4, 1, 3)), image(1, 3))


@entry
def pooling_of_every_kind() -> Made:
    def run(x: Tensor) -> tuple[Tensor, ...]:
        return (
            F.lp_pool2d(x, 2.0, 2),
            F.avg_pool2d(x, 3, 1, 1, count_include_pad=False),
            F.max_pool2d(x, 2, 1, dilation=2),
        )

    return made(run, torch.rand(1, 1, 4, 4, requires_grad=True))


@entry
def blurred_downsampling() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        row = torch.tensor([1.0, 2.0, 1.0])
        kernel = (row[:, None] * row / 16).expand(2, 1, 3, 3)
        return F.conv2d(F.pad(m.c(x), (1, 1, 1, 1), "reflect"), kernel, stride=2, groups=2)

    return made(Net(run, c=conv(1, 2)), image(1))


@entry
def two_towers_of_pictures_and_words() -> Made:
    def run(m: Net, x: Tensor, tokens: Tensor) -> Tensor:
        a = F.normalize(m.see(x).flatten(1), dim=-1)
        b = F.normalize(m.words(tokens).mean(1), dim=-1)
        logits = m.scale.exp() * a @ b.T
        at = torch.arange(2)
        return (F.cross_entropy(logits, at) + F.cross_entropy(logits.T, at)) / 2

    see = nn.Sequential(conv(1, 4, 3, 2), nn.AdaptiveAvgPool2d(1))
    return made(
        Net(run, see=see, words=nn.Embedding(5, 4), scale=torch.tensor(math.log(10.0))),
        image(1, batch=2),
        ids([1, 2], [3, 4]),
    )


@entry
def points_of_a_cloud() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        turn = m.turn(x.mT).amax(-1).view(-1, 3, 3) + torch.eye(3)
        return m.head(m.each((x @ turn).mT).amax(-1))

    net = Net(run, turn=nn.Conv1d(3, 9, 1), each=nn.Sequential(nn.Conv1d(3, 4, 1), nn.ReLU()), head=lin(4, 2))
    return made(net, leaf(2, 5, 3))


@entry
def chamfer_distance() -> Made:
    def run(a: Tensor, b: Tensor) -> Tensor:
        d = torch.cdist(a, b)
        return d.amin(1).mean() + d.amin(0).mean()

    return made(run, leaf(3, 3), leaf(4, 3))


@entry
def equivariant_to_quarter_turns() -> Made:
    run = lambda m, x: torch.stack([F.conv2d(x, torch.rot90(m.w, k, (2, 3))) for k in range(4)]).amax(0)  # noqa: E731
    return made(Net(run, w=small(2, 1, 3, 3)), image(1))


@entry
def slots_that_compete() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        slots = m.mu + torch.randn(1, 2, 4)
        for _ in range(2):
            a = (m.k(x) @ m.q(slots).mT / 2).softmax(-1) + 1e-8
            updates = (a / a.sum(1, keepdim=True)).mT @ m.v(x)
            slots = m.gru(updates.flatten(0, 1), slots.flatten(0, 1)).view(1, 2, 4)
        return slots

    return made(Net(run, mu=small(1, 1, 4), q=lin(), k=lin(), v=lin(), gru=nn.GRUCell(4, 4)), leaf(1, 5, 4))


@entry
def stages_that_are_dropped_at_random() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        for block in m.blocks:
            keep = torch.bernoulli(torch.full((2, 1, 1, 1), 0.8))
            x = x + keep / 0.8 * block(x)
        return x

    return made(Net(run, blocks=many(2, lambda: conv(1, 1))), image(1, batch=2))
