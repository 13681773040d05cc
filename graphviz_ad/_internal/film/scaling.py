"""What was written to several ``.grad`` -> the one factor that all of them were multiplied by, as clipping does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphviz_ad._internal.base.text_table import counted_noun
from graphviz_ad._internal.film.ledger import MOST_NAMED, told_of_each
from graphviz_ad._internal.film.updates import Chapter, Deed
from graphviz_ad._internal.graph.grad_history import WRITTEN
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.agreement import allowed, equal
from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.maths.update_lines import elements
from graphviz_ad._internal.scene.words.describe import Words
from graphviz_ad._internal.scene.words.short_text import after_sign, equal_to, flow_text

ROUNDINGS = 4  # of torch's in the factor and in the product


def scaled_by(chapter: Chapter) -> float | None:
    """The factor between 0 and 1 by which all were made shorter; None where there is none, or it is not known."""
    pairs = [arrays_of(deed) for deed in chapter.deeds] if chapter.what == WRITTEN else []
    if not pairs or any(pair is None for pair in pairs):
        return None
    old, new = (np.concatenate([pair[i].ravel() for pair in pairs if pair is not None]) for i in (0, 1))
    largest = int(np.argmax(np.abs(old))) if old.size and np.isfinite(old).all() else None
    if largest is None or old[largest] == 0:
        return None
    factor = float(new[largest] / old[largest])
    dtype = next((deed.held.dtype for deed in chapter.deeds if deed.held is not None), None)
    same = equal(factor * old, new, allowed(dtype, ROUNDINGS, np.abs(old)), dtype, np.abs(old))
    return factor if 0 < factor < 1 and same is True else None


def arrays_of(deed: Deed) -> tuple[Any, Any] | None:
    """What ``.grad`` was and is; None where that is not known, or not real."""
    old, new = elements(deed.old), elements(deed.held)
    return None if old is None or new is None or old.shape != new.shape else (old, new)


def scaling_caption(chapter: Chapter, deeds: Sequence[Deed], factor: float, words: Words) -> tuple[str, ...]:
    """ "clip_grad_norm_ multiplies .grad by 0.1 (train.py:7)", "w.grad = 0.1 × 4 = 0.4; norm 4 → 0.4"."""
    line = f" ({chapter.source})" if chapter.source else ""
    count = counted_noun(len(chapter.deeds), "parameter")
    what = f".grad of {count}" if len(chapter.deeds) > 1 else ".grad"
    said = short_number(factor)
    parts = [(words.names.of[deed.leaf], scaled_text(deed, said, words)) for deed in deeds]
    norms = [total_norm([getattr(deed, name) for deed in chapter.deeds]) for name in ("old", "held")]
    together = ", of all together" if len(chapter.deeds) > 1 else ""
    length = f"norm {norms[0]} → {norms[1]}{together}" if all(norms) else ""
    numbers = told_of_each(parts[:MOST_NAMED], "; ")
    return (
        f"{chapter.by or 'the program'} multiplies {what} by {said}{line}",
        "; ".join(part for part in (length, numbers) if part),
    )


def scaled_text(deed: Deed, factor: str, words: Words) -> str:
    """ "w.grad = 0.1 × (−4) = −0.4"; nothing where that is too long."""
    old, new = flow_text(deed.old), flow_text(deed.held)
    return f"{words.names.of[deed.leaf]}.grad = {factor} × {after_sign(old)} {equal_to(new)}" if old and new else ""


def total_norm(each: Sequence[Snapshot | None]) -> str:
    """The norm of all of them together, where it is known."""
    norms = [snap.norm if snap is not None else None for snap in each]
    known = [norm for norm in norms if norm is not None]
    return short_number(math.hypot(*known)) if known and len(known) == len(norms) else ""
