"""Ten architectures, in every style of `diagram`, and three films -> the pictures of docs/diagrams.md.

python tools/make_diagrams.py            # writes docs/diagrams/*
python tools/make_diagrams.py FOLDER     # writes them there
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import torch

import graphviz_ad as gad

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from architectures import ARCHITECTURES

FOLDER = Path(__file__).parent.parent / "docs" / "diagrams"
MOST = 60_000  # bytes of a picture
STYLES = ("neurons", "layers", "blocks")
NAMES = {
    "shallow": "Shallow",
    "deep": "Deep",
    "lenet": "LeNet-5",
    "alexnet": "AlexNet, narrower",
    "resnet18": "ResNet-18",
    "unet": "U-Net",
    "transformer_block": "Transformer block",
    "lstm": "LSTM",
    "autoencoder": "Autoencoder",
    "experts": "Mixture of experts",
}
FILMS = (("deep", "neurons"), ("lenet", "blocks"), ("experts", "layers"))


def picture(name: str, style: str) -> gad.Picture:
    """An architecture in a style, with the same weights each time."""
    torch.manual_seed(0)
    model, args = ARCHITECTURES[name]()
    return gad.diagram({NAMES[name]: model}, *args, style=style)  # type: ignore[arg-type]


def film(name: str, style: str) -> Any:
    """The same as a film."""
    torch.manual_seed(0)
    model, args = ARCHITECTURES[name]()
    return gad.diagram({NAMES[name]: model}, *args, style=style).animate()  # type: ignore[arg-type]


def both() -> gad.Picture:
    """Shallow beside deep."""
    torch.manual_seed(0)
    (shallow, args), (deep, _) = ARCHITECTURES["shallow"](), ARCHITECTURES["deep"]()
    return gad.diagram({"shallow": shallow, "deep": deep}, *args, style="neurons")


def write(made: gad.Picture, folder: Path, name: str) -> None:
    """Write a picture, without the names by which a page could restyle its lines where it would be too large."""
    path = made.save(folder / f"{name}.svg")
    if path.stat().st_size > MOST:
        path.write_text(path.read_text("utf-8").replace(' class="shaft"', ""), "utf-8")
    if path.stat().st_size > MOST:
        raise SystemExit(f"{path} has {path.stat().st_size:,} bytes")


def main(folder: Path) -> None:
    """Draw everything."""
    warnings.simplefilter("ignore")
    folder.mkdir(parents=True, exist_ok=True)
    for name, style in FILMS:
        film(name, style).save(folder / f"film_{name}_{style}.svg")
    write(both(), folder, "shallow_and_deep")
    for name in ARCHITECTURES:
        for style in STYLES:
            write(picture(name, style), folder, f"{name}_{style}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else FOLDER)
