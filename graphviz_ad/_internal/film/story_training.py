"""History of a training run -> Story: on the boxes of a graph, curves that grow step by step; what is out of the usual
lights up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from graphviz_ad._internal.diagnosis.box_curves import Norms, written
from graphviz_ad._internal.diagnosis.history import USUAL, History, TrainingStep
from graphviz_ad._internal.film.story import Story
from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.scene.annotations import with_remarks
from graphviz_ad._internal.scene.scene import Change, LossCurve, Scene, Step
from graphviz_ad._internal.scene.words.cards import LONGEST_CURVE, curve

MOST_TOLD = 2 * LONGEST_CURVE - 1  # steps of a film that lie evenly among more of them
TRAINING, CURVE, NUMBER = "training", "remark", "remark:1"  # the phase, and the lines of a box
WIDEST = "−1.23e−45"
FAR = 10.0  # times as large or as small as usual
COLUMN = (
    0.769  # width of a column of a curve, and of spaces that nothing takes out of a text; times the size of letters
)
SPACES = (("\u2003", 1.0), ("\u2002", 0.5), ("\u2006", 0.167), ("\u200a", 0.0996))


@dataclass(frozen=True)
class TrainingTold:
    """The steps of a run that a film shows, and the norms in each box at these."""

    steps: tuple[TrainingStep, ...]
    norms: Mapping[str, Norms]

    def texts(self, key: str, index: int) -> tuple[tuple[str, str], ...]:
        """What a box says at a step: its curve so far, as long as it will be, and the norm there."""
        norms = self.norms[key]
        size = -(-len(norms) // LONGEST_CURVE)
        whole, columns = curve(norms, largest=True), -(-(index + 1) // size)
        now = norms[index]
        return (
            (CURVE, whole[:columns] + blank((len(whole) - columns) * COLUMN)),
            (NUMBER, "no gradient" if now is None else written(now)),
        )

    def change(self, key: str, index: int) -> Change:
        """What becomes of a box at a step."""
        return Change(key, "active" if is_unusual(self.norms[key], index) else "idle", self.texts(key, index))

    def story(self) -> Story:
        """All of it; ends on the picture of the last step."""
        blank = tuple([Change(key, None, ((CURVE, ""), (NUMBER, ""))) for key in self.norms])
        known = [step for step in self.steps if is_number(step.loss)]
        chart = LossCurve(("loss",) * len(known), tuple([step.loss or 0.0 for step in known]), numbers_of(known))
        told = [self.step(index) for index in range(len(self.steps))]
        last = replace(self.step(len(self.steps) - 1), phase="end", losses=0)
        rest = replace(last, changes=tuple([replace(change, emphasis="idle") for change in last.changes]))
        return Story(blank, (self.first(), *told, rest), chart if len(known) > 1 else None)

    def first(self) -> Step:
        """The first frame."""
        return Step("start", (said_of_run(self.steps), "curves: norms of gradients, by powers of ten in each box"), ())

    def step(self, index: int) -> Step:
        """One step of the training."""
        step = self.steps[index]
        kinds = ", ".join(dict.fromkeys(one.kind for one in step.findings))
        names = ("loss", "gradient", "update")
        numbers = [f"{name} {shown(getattr(step, name))}" for name in names if getattr(step, name) is not None]
        caption = (f"step {step.number}", ", ".join(numbers), *([f"⚠ {kinds}"] if kinds else []))
        changes = tuple([self.change(key, index) for key in self.norms])
        return Step(TRAINING, caption, changes, losses=int(is_number(step.loss)))

    def with_room(self, scene: Scene) -> Scene:
        """The scene, not placed yet, with the lines of the last step and room for those of every other."""
        wide = {key: [curve(norms, largest=True), WIDEST] for key, norms in self.norms.items()}
        last = {key: dict(self.texts(key, len(self.steps) - 1)) for key in self.norms}
        boxes = [
            replace(
                box, lines=tuple([replace(line, text=last[box.key].get(line.key, line.text)) for line in box.lines])
            )
            if box.key in last
            else box
            for box in with_remarks(scene, wide).boxes
        ]
        return replace(scene, boxes=tuple(boxes))


def training_told(history: History, norms: Mapping[str, Norms]) -> TrainingTold:
    """The steps of a run that a film has time for, the first and the last and that of the first finding among them."""
    count = len(history)
    places = {round(i * (count - 1) / max(MOST_TOLD - 1, 1)) for i in range(MOST_TOLD)} if count > MOST_TOLD else None
    bad = next((i for i, step in enumerate(history) if step.findings), 0)
    chosen = [i for i in range(count) if places is None or i in places or i == bad]
    return TrainingTold(
        tuple([history.steps[i] for i in chosen]), {key: [each[i] for i in chosen] for key, each in norms.items()}
    )


def blank(width: float) -> str:
    """Nothing, as wide as this, so that what stands before it does not move when it becomes something."""
    text = ""
    for space, wide in SPACES:
        count = int(width / wide)
        text, width = text + space * count, width - count * wide
    return text


def is_unusual(norms: Norms, index: int) -> bool:
    """Whether a norm is far from those before it, or no number."""
    now = norms[index]
    if now is None:
        return False
    usual = [norm for norm in norms[max(0, index - USUAL) : index] if is_number(norm)]
    if not math.isfinite(now):
        return True
    middle = median([norm for norm in usual if norm is not None]) if len(usual) > 2 else 0.0
    return middle > 0 and not middle / FAR <= now <= middle * FAR


def is_number(value: float | None) -> bool:
    """Whether there is a finite number."""
    return value is not None and math.isfinite(value)


def shown(value: float) -> str:
    """A number in a caption."""
    return short_number(value, digits=3)


def numbers_of(steps: Sequence[TrainingStep]) -> tuple[int, ...]:
    """Which backward passes these were."""
    return tuple([step.number for step in steps])


def said_of_run(steps: Sequence[TrainingStep]) -> str:
    """ "training, from step 1 to 901"."""
    return f"training, from step {steps[0].number} to {steps[-1].number}"
