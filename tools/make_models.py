"""Thirteen large programs -> a sheet of their pictures as they are on a slide, and the page that says what to look for.

python tools/make_models.py            # writes docs/models.png and docs/models.md
python tools/make_models.py FOLDER     # writes them there, and every picture beside them
"""

from __future__ import annotations

import io
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn

import graphviz_ad as gad

FOLDER = Path(__file__).parent.parent / "docs"
CELL, NAME, GAP, COLUMNS = (960, 540), 34, 12, 2  # pixels
COLOURS, BRIGHT = 36, 60
TOKENS = 100  # how many different ones there are
Made = Callable[[], gad.Graph]


def language_model(name: str, **settings: Any) -> gad.Graph:
    """One step of a language model of transformers that learns to say eight tokens."""
    import transformers

    config = getattr(transformers, f"{name}Config")(vocab_size=TOKENS, **settings)
    head = "ForConditionalGeneration" if name == "T5" else "LMHeadModel" if name == "GPT2" else "ForCausalLM"
    model = getattr(transformers, name + head)(config)
    tokens = torch.randint(1, TOKENS, (1, 8))
    return gad.trace(model, input_ids=tokens, labels=tokens, use_cache=False)


def llama() -> gad.Graph:
    """Llama: 32 layers of 256 numbers."""
    return language_model(
        "Llama",
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=32,
        num_attention_heads=4,
        num_key_value_heads=2,
    )


def llama7b() -> gad.Graph:
    """Llama of 7B parameters, as shapes alone."""
    import transformers
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig())
        tokens = torch.randint(1, TOKENS, (1, 128))
        return gad.trace(model, input_ids=tokens, labels=tokens, use_cache=False)


def gpt2() -> gad.Graph:
    """GPT-2: 48 layers."""
    return language_model("GPT2", n_embd=32, n_layer=48, n_head=2, n_positions=32, bos_token_id=None, eos_token_id=None)


def mixtral() -> gad.Graph:
    """Mixtral: 4 layers of 4 experts, with the loss that balances them."""
    return language_model(
        "Mixtral",
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_local_experts=4,
        output_router_logits=True,
    )


def mamba() -> gad.Graph:
    """Mamba: 24 blocks of a state space."""
    return language_model("Mamba", hidden_size=32, num_hidden_layers=24, state_size=8, use_mambapy=False)


def t5() -> gad.Graph:
    """T5: encoder and decoder of 4 blocks."""
    return language_model(
        "T5", d_model=32, d_kv=8, d_ff=64, num_layers=4, num_heads=4, decoder_start_token_id=0, pad_token_id=0
    )


def whisper() -> gad.Graph:
    """Whisper: encoder and decoder of 4 layers."""
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    layers = {f"{part}_{what}": size for part in ("encoder", "decoder") for what, size in WHISPER.items()}
    config = WhisperConfig(
        vocab_size=TOKENS,
        d_model=32,
        num_mel_bins=8,
        max_source_positions=16,
        max_target_positions=16,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        suppress_tokens=None,
        begin_suppress_tokens=None,
        **layers,
    )
    model = WhisperForConditionalGeneration(config)
    labels = torch.randint(3, TOKENS, (1, 8))
    return gad.trace(model, input_features=torch.randn(1, 8, 32), labels=labels, use_cache=False)


WHISPER = {"layers": 4, "attention_heads": 4, "ffn_dim": 64}


def detr() -> gad.Graph:
    """DETR: it finds objects in an image."""
    import transformers

    image, classes, places = torch.randn(1, 3, 64, 64), torch.randint(0, 6, (1, 10)), torch.rand(1, 10, 4)
    backbone = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16, 32, 64], depths=[2, 2, 2, 2], out_features=["stage4"]
    )
    model = transformers.DetrForObjectDetection(
        transformers.DetrConfig(
            use_timm_backbone=False,
            use_pretrained_backbone=False,
            backbone=None,
            backbone_config=backbone,
            d_model=32,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=64,
            decoder_ffn_dim=64,
            num_queries=10,
            num_labels=5,
        )
    )

    def loss(image: Tensor) -> Tensor:
        found = model(pixel_values=image)
        naming = F.cross_entropy(found.logits.transpose(1, 2), classes)
        placing = F.l1_loss(found.pred_boxes, places)
        return naming + 5 * placing

    return gad.trace(loss, image)


class Bottleneck(nn.Module):
    """Three convolutions and what goes around them."""

    def __init__(self, wide: int, made: int, step: int) -> None:
        super().__init__()
        inner = made // 4
        self.conv1, self.bn1 = nn.Conv2d(wide, inner, 1, bias=False), nn.BatchNorm2d(inner)
        self.conv2, self.bn2 = nn.Conv2d(inner, inner, 3, step, 1, bias=False), nn.BatchNorm2d(inner)
        self.conv3, self.bn3 = nn.Conv2d(inner, made, 1, bias=False), nn.BatchNorm2d(made)
        same = wide == made and step == 1
        self.downsample = nn.Identity() if same else nn.Sequential(nn.Conv2d(wide, made, 1, step), nn.BatchNorm2d(made))

    def forward(self, x: Tensor) -> Tensor:
        """What comes out."""
        h = F.relu(self.bn1(self.conv1(x)))
        h = F.relu(self.bn2(self.conv2(h)))
        return F.relu(self.bn3(self.conv3(h)) + self.downsample(x))


class ResNet(nn.Module):
    """A residual network of bottlenecks, four times as wide where it is half as high."""

    def __init__(self, blocks: Sequence[int], wide: int = 4) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, wide, 7, 2, 3, bias=False), nn.BatchNorm2d(wide)
        before = wide
        for i, count in enumerate(blocks):
            made, layers = 4 * wide * 2**i, []
            for j in range(count):
                layers.append(Bottleneck(before, made, 2 if i and not j else 1))
                before = made
            setattr(self, f"layer{i + 1}", nn.Sequential(*layers))
        self.fc = nn.Linear(before, 10)

    def forward(self, x: Tensor) -> Tensor:
        """What comes out."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


def resnet152() -> gad.Graph:
    """ResNet-152, narrow."""
    return gad.trace(ResNet((3, 8, 36, 3)), torch.randn(2, 3, 32, 32))


def twice(wide: int, made: int) -> nn.Module:
    """Two convolutions."""
    return nn.Sequential(nn.Conv2d(wide, made, 3, padding=1), nn.ReLU(), nn.Conv2d(made, made, 3, padding=1), nn.ReLU())


class UNet(nn.Module):
    """Three times down and up again, with a bridge on each level."""

    def __init__(self, wide: int = 4, depth: int = 3) -> None:
        super().__init__()
        sizes = [wide << i for i in range(depth)]
        self.downs = nn.ModuleList([twice(a, b) for a, b in zip([3, *sizes], sizes, strict=False)])
        self.mid = twice(sizes[-1], 2 * sizes[-1])
        self.ups = nn.ModuleList([nn.ConvTranspose2d(2 * size, size, 2, 2) for size in reversed(sizes)])
        self.joins = nn.ModuleList([twice(2 * size, size) for size in reversed(sizes)])
        self.head = nn.Conv2d(wide, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """What comes out."""
        bridges = []
        for down in self.downs:
            x = down(x)
            bridges.append(x)
            x = F.max_pool2d(x, 2)
        x = self.mid(x)
        for up, join, bridge in zip(self.ups, self.joins, reversed(bridges), strict=True):
            x = join(torch.cat([up(x), bridge], 1))
        return self.head(x)


def unet() -> gad.Graph:
    """U-Net."""
    net = UNet()

    def loss(x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(net(x), y)

    return gad.trace(loss, torch.randn(2, 3, 32, 32), torch.randint(0, 2, (2, 32, 32)))


class Reader(nn.Module):
    """A cell that reads step by step."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.out = nn.LSTMCell(4, 8), nn.Linear(8, 1)

    def forward(self, steps: Tensor) -> Tensor:
        """What comes out."""
        h, c = torch.zeros(2, 8), torch.zeros(2, 8)
        for x in steps:
            h, c = self.cell(x, (h, c))
        return self.out(h).mean()


def lstm() -> gad.Graph:
    """LSTMCell over 200 steps."""
    return gad.trace(Reader(), torch.randn(200, 2, 4))


def ode() -> gad.Graph:
    """A neural ODE of 100 steps."""
    net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))

    def step(y: Tensor, h: float) -> Tensor:
        k1 = net(y)
        k2 = net(y + h / 2 * k1)
        k3 = net(y + h / 2 * k2)
        k4 = net(y + h * k3)
        return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    def solve(start: Tensor) -> Tensor:
        y = start
        for _ in range(100):
            y = step(y, 0.01)
        return y.square().sum()

    return gad.trace(solve, torch.tensor([2.0, 0.5]))


def gan() -> gad.Graph:
    """A step of a GAN."""
    model = nn.ModuleDict(
        {
            "generator": nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 8)),
            "critic": nn.Sequential(nn.Linear(8, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1)),
        }
    )
    generator, critic, judge = model["generator"], model["critic"], nn.BCEWithLogitsLoss()
    of_generator, of_critic = (torch.optim.Adam(part.parameters()) for part in (generator, critic))
    real, noise = torch.randn(6, 8), torch.randn(6, 4)
    with gad.record(model) as recorded:
        fake = generator(noise)
        seen = judge(critic(real), torch.ones(6, 1)) + judge(critic(fake.detach()), torch.zeros(6, 1))
        of_critic.zero_grad()
        seen.backward()
        of_critic.step()
        loss = judge(critic(fake), torch.ones(6, 1))
        of_generator.zero_grad()
        loss.backward()
        of_generator.step()
    return recorded.graph


PROGRAMS: Sequence[Made] = (
    llama, llama7b, gpt2, mixtral, mamba, t5, whisper, detr, resnet152, unet, lstm, ode, gan
)  # fmt: skip
PAGE = """# Large programs on a slide

![Thirteen large programs, each as it is on a slide](models.png)

Made by `python tools/make_models.py` with `graph.plot(fit="slide")` and no other option. The widths of the models are
small, their depths are those of the originals. Letters are 12 pixels high or more on a slide of 1280 × 720.

What to look for: "×31" counts copies beside the one that is open; under it is what ran in each, in order, and a bar for
the norm of the gradients of each, with the least and the most told at theirs; where all are about the same, a number.
Black borders and ⚠ are where a gradient is out of the usual: the legend says which is. A double border marks the end of
the computation, mostly the loss. Small boxes with dashed borders stand for a box that is drawn elsewhere.

| program | nodes | boxes |
|---|---|---|
"""


def on_slide(graph: gad.Graph) -> tuple[Image.Image, int]:
    """The picture of a graph as it is on a slide, and how many boxes it has."""
    picture = graph.plot(fit="slide")
    file = io.BytesIO()
    picture.save(file, format=".png")
    return Image.open(file).convert("RGB"), len(picture.graph.node_list)


def sheet_of(pictures: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """All pictures in rows, each with its name above it."""
    rows = -(-len(pictures) // COLUMNS)
    step = CELL[0] + GAP, CELL[1] + NAME + GAP
    sheet = Image.new("RGB", (COLUMNS * step[0] + GAP, rows * step[1] + GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(20)
    for i, (name, picture) in enumerate(pictures):
        x, y = GAP + i % COLUMNS * step[0], GAP + i // COLUMNS * step[1]
        pen.text((x + 4, y + 4), name, "black", font)
        sheet.paste(picture.resize(CELL, Image.Resampling.LANCZOS), (x, y + NAME))
        pen.rectangle((x, y + NAME, x + CELL[0], y + NAME + CELL[1]), outline="lightgrey")
    return sheet


def in_few_colours(sheet: Image.Image) -> Image.Image:
    """The sheet in the colours that it has most of, as many of them bright as others, and in greys."""
    counts = Counter(sheet.getdata())
    bright = Counter({colour: count for colour, count in counts.items() if max(colour) - min(colour) > BRIGHT})
    greys = [(level, level, level) for level in range(0, 256, 17)]
    chosen = dict.fromkeys(
        [*greys, *(colour for found in (counts, bright) for colour, _ in found.most_common(COLOURS))]
    )
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for colour in chosen for part in colour])
    return sheet.quantize(palette=palette, dither=Image.Dither.NONE)


def main(folder: Path, *, each: bool) -> None:
    """Draw everything."""
    warnings.simplefilter("ignore")
    pictures, rows = [], []
    for made in PROGRAMS:
        torch.manual_seed(0)
        graph = made()
        picture, boxes = on_slide(graph)
        name = (made.__doc__ or "").rstrip(".")
        pictures.append((name, picture))
        rows.append(f"| {name} | {len(graph.node_list):,} | {boxes} |\n")
        if each:
            picture.save(folder / f"{made.__name__}.png")
    in_few_colours(sheet_of(pictures)).save(folder / "models.png", optimize=True)
    (folder / "models.md").write_text(PAGE + "".join(rows), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else FOLDER, each=bool(sys.argv[1:]))
