"""Family -> its entries: the whole corpus."""

from __future__ import annotations

from corpus import (
    attention,
    audio,
    diffusion,
    experts,
    generative,
    layers,
    learning,
    losses,
    pretrained,
    recurrent,
    reinforcement,
    relations,
    vision,
)
from corpus.making import Entries

FAMILIES: dict[str, Entries] = {
    "attention": attention.ENTRIES,
    "vision": vision.ENTRIES,
    "audio": audio.ENTRIES,
    "recurrent": recurrent.ENTRIES,
    "experts": experts.ENTRIES,
    "diffusion": diffusion.ENTRIES,
    "relations": relations.ENTRIES,
    "reinforcement": reinforcement.ENTRIES,
    "generative": generative.ENTRIES,
    "learning": learning.ENTRIES,
    "losses": losses.ENTRIES,
    "layers": layers.ENTRIES,
    "transformers": pretrained.ENTRIES,
}
