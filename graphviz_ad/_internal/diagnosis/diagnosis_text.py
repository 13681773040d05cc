"""Diagnosis -> text, JSON and Markdown."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graphviz_ad._internal.base.text_table import counted_noun
from graphviz_ad._internal.diagnosis.finding_sentences import these_ranks
from graphviz_ad._internal.scene.words.names import title_of

if TYPE_CHECKING:
    from graphviz_ad._internal.diagnosis.findings import Diagnosis, Finding, Looked

CHARACTERS_A_TOKEN = 3.5  # on the safe side of what language models count
NEVER_LEFT_OUT = 3  # findings


def looked_text(looked: Looked) -> str:
    """ "Looked at 8 of 8 parameters, 20 results, 2 backward passes; …"."""
    passes = "1 backward pass" if looked.passes == 1 else f"{looked.passes} backward passes"
    parts = [
        f"{looked.parameters} of {counted_noun(looked.parameters_of, 'parameter')}",
        *([counted_noun(looked.results, "message" if looked.summaries else "result")] if not looked.alone else []),
        *([passes] if looked.watched is None else []),
    ]
    missing = ["operations and values, since these are summaries"] if looked.summaries else unseen(looked)
    whose = f"{counted_noun(looked.ranks, 'rank')}: " if looked.ranks else ""
    return f"Looked at {whose}{', '.join(parts)}" + (f"; not seen: {'; '.join(missing)}" if missing else "") + "."


def unseen(looked: Looked) -> list[str]:
    """What a graph does not tell."""
    if looked.watched is not None:
        every, number = looked.watched
        return [
            f"values and gradients, since record(model, every={every}) keeps norms, and the structure of pass {number}"
            " alone: print(rec.history) tells of its steps, and record(model) without every= keeps all of a few"
        ]
    missing = []
    if looked.without_values:
        missing.append(f"{counted_noun(looked.without_values, 'result')} without values")
    if not looked.passes:
        missing.append("no gradients")
    if not looked.steps:
        line = looked.step_line
        missing.append(
            f"no step that changed a parameter, although step() is called at {line}"
            if line
            else "no step of an optimizer"
        )
    missing += [f"a step of {one}" for one in looked.waited_for]
    if not looked.model_known:
        missing.append("no model was named, so that parameters without any use are not known")
    if not looked.program_known:
        missing.append("the lines of the program could not be read")
    if looked.left_alone is not None:
        missing.append(LEFT_ALONE[looked.left_alone])
    if looked.as_written:
        missing.append("what torch.compile makes of the program, which ran as it is written")
    if looked.stopped_early:
        missing.append(f"what comes after pass {looked.calls}, where the program was stopped (--passes N goes further)")
    return missing


PIECES, NO_COPIES = "pieces", "no copies"  # of a model on several ranks, of one model
LEFT_ALONE: Mapping[str, str] = {
    PIECES: "whether ranks agree, since they hold pieces or stages of a model (FSDP, pipelines): what one rank has of"
    " a parameter is looked at as if it were all",
    NO_COPIES: "whether ranks agree, since nothing says that they hold copies of one model",
}


def nothing_found(looked: Looked) -> str:
    """That nothing is wrong, as far as could be seen."""
    if looked.nothing:
        return "not examined, since no operation was recorded"
    bare = not looked.passes and not looked.summaries and looked.without_values == looked.results
    return "nothing found in the structure, and no value and no gradient was recorded" if bare else "nothing found"


def headline(diagnosis: Diagnosis) -> str:
    """How many of what."""
    counts = [
        (sum(one.severity == severity for one in diagnosis.findings), severity)
        for severity in ("error", "warning", "note")
    ]
    told = ", ".join(counted_noun(count, noun) for count, noun in counts if count)
    return f"{diagnosis.title or title_of(diagnosis.graph)}: {told or nothing_found(diagnosis.looked)}."


def finding_lines(number: int, finding: Finding) -> Iterator[str]:
    """A finding as lines: what and where, how it comes about, what to do, and what comes of it."""
    where = f" at {finding.source}" if finding.source else ""
    whose = f" on {these_ranks(finding.ranks)}" if finding.ranks else ""
    doubt = "" if finding.confidence == "certain" else f" ({finding.confidence})"
    yield f"{number}. {finding.severity}: {finding.kind}{where}{whose}{doubt}"
    yield f"   {capital(finding.cause)}"
    yield f"   → {finding.remedy}"
    for one in finding.consequences:
        yield f"   + {consequence_line(one)}"


def consequence_line(one: Finding) -> str:
    """What comes of a finding, in a line: "step-too-large at train.py:12: SGD changes …"."""
    return f"{one.kind}{f' at {one.source}' if one.source else ''}: {one.cause}"


def capital(text: str) -> str:
    """The text with a capital at its beginning, where that is a plain word of ours."""
    first = text.partition(" ")[0]
    return (
        text[0].upper() + text[1:] if first.isalpha() and first.islower() and len(first) > 1 and first in OWN else text
    )


OWN = frozenset(
    {
        "the",
        "gradients",
        "no",
        "none",
        "nothing",
        "requires_grad",
        "two",
        "step",
        "each",
        "every",
        "only",
        "clipping",
        "a",
        "at",
        "on",
        "over",
        "call",
        "of",
        "rank",
        "ranks",
        "steps",
        "what",
    }
)


def plain_text(diagnosis: Diagnosis) -> str:
    """All of it, or what the budget has room for."""
    blocks = ["\n".join(finding_lines(i, one)) for i, one in enumerate(diagnosis.findings, 1)]
    return "\n".join(within(diagnosis, [headline(diagnosis)], blocks, [looked_text(diagnosis.looked)]))


def within(diagnosis: Diagnosis, before: list[str], blocks: list[str], after: list[str]) -> list[str]:
    """The parts that the budget has room for: what and where the first findings are, always; then cause and remedy
    of the first, of the second and of the third; then what was looked at, and the others by weight.
    """
    if diagnosis.budget is None:
        return [*before, *blocks, *after]
    first = [block.split("\n") for block in blocks[:NEVER_LEFT_OUT]]
    room = diagnosis.budget * CHARACTERS_A_TOKEN - size([*before, *(lines[0] for lines in first)]) - 40
    kept = [lines[:1] for lines in first]
    after_all: list[str] = []
    rest = [(kept[i], line) for i, lines in enumerate(first) for line in lines[1:]]
    rest += [(after_all, line) for line in after]
    for part, line in rest:
        if len(line) + 1 > room:
            break
        part.append(line)
        room -= len(line) + 1
    else:
        for block in blocks[NEVER_LEFT_OUT:]:
            if len(block) + 1 > room:
                break
            kept.append([block])
            room -= len(block) + 1
    more = len(blocks) - len(kept)
    told = ["\n".join(lines) for lines in kept]
    return [*before, *told, *([f"… and {counted_noun(more, 'more finding')}."] if more else []), *after_all]


def size(texts: Sequence[str]) -> int:
    """How many characters lines take."""
    return sum(len(text) + 1 for text in texts)


def record(finding: Finding) -> dict[str, Any]:
    """A finding as plain data."""
    return {
        "kind": finding.kind,
        "severity": finding.severity,
        "name": finding.name,
        "names": list(finding.names),
        "ranks": list(finding.ranks),
        "module": finding.module,
        "file": finding.file,
        "line": finding.line,
        "cause": finding.cause,
        "remedy": finding.remedy,
        "confidence": finding.confidence,
        "evidence": plain(finding.evidence),
        "consequences": [record(one) for one in finding.consequences],
    }


def plain(thing: Any) -> Any:
    """The same in what JSON has; what is not finite as its name."""
    if isinstance(thing, Mapping):
        return {str(key): plain(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [plain(part) for part in thing]
    if isinstance(thing, float) and not math.isfinite(thing):
        return "NaN" if math.isnan(thing) else "Infinity" if thing > 0 else "-Infinity"
    return thing


def json_text(diagnosis: Diagnosis) -> str:
    """The diagnosis as JSON."""
    whole: dict[str, Any] = {
        "format": "graphviz_ad diagnosis",
        "version": 1,
        "graph": diagnosis.graph.name,
        "program": diagnosis.title,
        "ok": diagnosis.ok,
        "findings": [record(finding) for finding in diagnosis.findings],
        "looked_at": plain({name: getattr(diagnosis.looked, name) for name in diagnosis.looked.__dataclass_fields__}),
    }
    return json.dumps(whole, ensure_ascii=False, indent=1)


def markdown_text(diagnosis: Diagnosis) -> str:
    """The diagnosis as Markdown, for a comment or an issue."""
    lines = [f"**{escaped(headline(diagnosis))}**", ""]
    for i, one in enumerate(diagnosis.findings, 1):
        where = f" `{one.source}`" if one.source else ""
        where += f" on {these_ranks(one.ranks)}" if one.ranks else ""
        lines += [
            f"{i}. **{one.severity}: {one.kind}**{where}  ",
            f"   {escaped(capital(one.cause))}  ",
            f"   *{escaped(one.remedy)}*",
            *(f"   - {escaped(consequence_line(each))}" for each in one.consequences),
        ]
    return "\n".join([*lines, "", escaped(looked_text(diagnosis.looked))])


def escaped(text: str) -> str:
    """The text with what Markdown would take for its own."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>|" else c for c in text)
