"""Notice -> the sentence that people read: the one table of kinds and their words, which may be changed without
anything else changing.

Only sentences are cut short; the notice goes on knowing everything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, islice
from typing import Any

from graphviz_ad._internal.base.text_table import counted_noun
from graphviz_ad._internal.graph.gradient_sizes import BETWEEN, ENDS, LEAST, MOST, ODD
from graphviz_ad._internal.graph.notices import (
    BACKWARD_CALLS,
    CAME_UP,
    FAILED,
    FILE_ENDED,
    FILE_OF_RANK,
    FROZEN,
    GRADIENTS_OFF,
    HELD,
    IN_ALL_BOXES,
    LOG_FAILED,
    LOOK_FAILED,
    MODEL,
    NOT_WATCHED,
    NOTHING_REQUIRES,
    OF_NO_MODULE,
    OPTIMIZERS,
    OTHER_THREAD,
    PARTS_IN_BOXES,
    PASSES_DRAWN,
    RAISED,
    RAISED_AT,
    SAID,
    SEVERAL_PASSES,
    SHAPES_ONLY,
    STEPS_CALLED,
    STOOD_FOR,
    TIED,
    TIED_TOO,
    UNREAD,
    UNREAD_INPUTS,
    UNREAD_SO_FAR,
    WATCHED,
    WITHOUT_GRADIENT,
    WRITTEN_LINES,
    Failure,
    Notice,
)
from graphviz_ad._internal.graph.repeats import PARAMETERS, RESULT, named_copy

MOST_NAMED, NEW_LINE = 4, "\n"


def texts(notes: Iterable[Notice]) -> tuple[str, ...]:
    """The sentences of those notices that are shown; one for all further names of one parameter."""
    groups: dict[object, list[Notice]] = {}
    for note in notes:
        if note.shown:
            groups.setdefault((note.subjects[1], note.ranks) if note.kind == TIED else id(note), []).append(note)
    return tuple(sentence(together(*group)) for group in groups.values())


def together(first: Notice, *others: Notice) -> Notice:
    """Notices of one kind as one."""
    return (
        replace(first, subjects=tuple(name for note in (first, *others) for name in note.subjects)) if others else first
    )


def same_parameter(note: Notice) -> str:
    """ "a.weight, b.weight are the same parameter as c.weight." """
    names = note.subjects[::2]
    return f"{names_in_short(names)} {'is' if len(names) == 1 else 'are'} the same parameter as {note.subjects[1]}."


def sentence(note: Notice) -> str:
    """A notice in words."""
    text = note.said if note.kind == SAID else SENTENCES[note.kind](note)
    return f"Rank {', '.join(map(str, note.ranks))}: {text}" if note.ranks else text


def why_none(note: Notice) -> str:
    """What a notice says of there being no gradients at all; "" if it is about something else."""
    reason = NO_GRADIENTS.get(note.kind)
    return sentence(note) if note.kind in NO_PASS else reason(note) if reason is not None else ""


def error_text(failure: Failure, ranks: Sequence[int] = ()) -> str:
    """ "ValueError: odd", of the message its first line; whose error it is, where a graph is of several ranks."""
    text = f"{failure.exception}: {failure.message.partition(NEW_LINE)[0]}"
    return f"Rank {', '.join(map(str, ranks))}: {text}" if ranks else text


def ended_by(note: Notice) -> str:
    """The error that a notice is about."""
    if note.failure is None:
        raise ValueError(f"a notice of kind {note.kind!r} has no failure")
    return error_text(note.failure)


# --- parts of sentences


def names_in_short(names: Sequence[str]) -> str:
    """The first few names, each once, and how many more there are; of many, each with how often it is there."""
    if len(names) <= MOST_NAMED:
        return ", ".join(dict.fromkeys(names))
    counts = Counter(names)
    first = ", ".join(f"{count} × {name}" if count > 1 else name for name, count in [*counts.items()][:MOST_NAMED])
    return f"{first} and {len(counts) - MOST_NAMED} more" if len(counts) > MOST_NAMED else first


def few(names: Iterable[str]) -> str:
    """The first few names, each once."""
    return ", ".join(dict.fromkeys(islice(names, MOST_NAMED)))


def counted_subjects(count: int, noun: str) -> str:
    """ "1 module is", "3 modules are"."""
    return f"{count} {noun} is" if count == 1 else f"{count} {noun}s are"


def unjoined(note: Notice, noun: str, which: str, why: str, whom: str = "") -> str:
    """ "3 messages from rank 0 to rank 1 are not joined: why."."""
    return (
        f"{note['count']} {noun}{'s' if note['count'] > 1 else ''} {which} {'is' if note['count'] == 1 else 'are'} not"
        f" joined{whom}: {why}."
    )


def way(note: Notice) -> str:
    """Along which way messages went."""
    tag = f" with tag {note['tag']}" if note["tag"] else ""
    return f"from rank {note['source']} to rank {note['target']} in group {note['group']!r}{tag}"


def listed_ranks(ranks: Sequence[int]) -> str:
    """ "rank 1", "ranks 1, 2"."""
    return f"rank{'s' if len(ranks) > 1 else ''} {', '.join(map(str, ranks))}"


def port_types_text(ports: Iterable[tuple[str, Sequence[int]]]) -> str:
    """ "float32[2, 3] and int64[4]" for dtypes and shapes."""
    return " and ".join(f"{dtype}{list(shape)}" for dtype, shape in ports) or "nothing"


def call_sentence(call: Sequence[Any]) -> str:
    """ "rank 0 called all_reduce (sum) with float32[3] and got float32[3]"."""
    rank, kind, reduction, root, given, got = call
    how = "".join(f" ({text})" for text in (reduction, None if root is None else f"root {root}") if text)
    return f"rank {rank} called {kind}{how} with {port_types_text(given)} and got {port_types_text(got)}"


def places(note: Notice) -> list[str]:
    """ "matmul (lesson.py:12)" for what raised where."""
    return [
        name + (f" ({source})" if source else "") for name, source in zip(note.subjects, note["sources"], strict=True)
    ]


def absence(note: Notice) -> str:
    """Why ranks are missing in a collective."""
    return f"no graph of {listed_ranks(note['away'])} is here" if note["away"] else "nothing like it was recorded there"


def blind(note: Notice) -> str:
    """Why a backward pass could not be recorded, where that is known."""
    words = (
        "this version of torch has no place where a call of backward() can be watched; trace() gives the gradients of a"
        " function"
    )
    return f": {words}." if note["blind"] else "."


def unread(note: Notice) -> str:
    """Which parameters took no part."""
    return f"No operation read {these_parameters(note)}: {names_in_short(note.subjects)}."


def these_parameters(note: Notice) -> str:
    """ "this parameter" or "these 4 parameters"."""
    return "this parameter" if len(note.subjects) == 1 else f"these {len(note.subjects)} parameters"


def passes_drawn(note: Notice) -> str:
    """ "3 backward passes were recorded, each in graph.passes; shown are pass 1, from errD (gan.py:9), and …" """
    each = [f"pass {number}, from {name}" for number, name in zip(note["numbers"], places(note), strict=True)]
    shown = f"are {', '.join(each[:-1])}, and {each[-1]}" if len(each) > 1 else f"is {each[0]}"
    return f"{note['count']} backward passes were recorded, each in graph.passes; shown {shown}."


def line_of_passes(note: Notice) -> str:
    """ "Gradients: pass 1 starts from errD (gan.py:9), pass 2 from errG (gan.py:14)." """
    first, *others = zip(note["numbers"], places(note), strict=True)
    each = [f"pass {first[0]} starts from {first[1]}", *(f"pass {number} from {name}" for number, name in others)]
    return f"Gradients: {', '.join(each)}."


def with_types(note: Notice) -> str:
    """ "past_key_values (DynamicCache)"."""
    return names_in_short([f"{name} ({kind})" for name, kind in zip(note.subjects, note["types"], strict=False)])


def boxes_for_parts(note: Notice) -> str:
    """ "One box stands for a part of the program"."""
    many = len(note.subjects) > 1
    return (
        f"{len(note.subjects)} boxes stand for parts of the program"
        if many
        else "One box stands for a part of the program"
    )


def with_insides(note: Notice) -> str:
    """ "with 2,005 operations inside: plot(expand="layers.1") opens layers.1." """
    operations = note["operations"]
    inside = counted_noun(operations, "operation") if operations else counted_noun(note["inside"], "more node")
    return f"with {inside} inside" + (f": {line_that_opens(note)}" if note["opens"] else ".")


def line_that_opens(note: Notice) -> str:
    """ "plot(expand="layers.1") opens layers.1."; "" where no name opens a box."""
    name, click = note["opens"], ", or a click in a page," if note["clicks"] else ""
    whose = f"the first {name}" if note["first"] else name
    return f'plot(expand="{name}"){click} opens {whose}.' if name else ""


def in_all_boxes(note: Notice) -> str:
    """What is true of all that boxes hold, and how gradients differ."""
    return " ".join(filter(None, (counts_of_parameters(note), spans_of_gradients(note), what_is_not_finite(note))))


def counts_of_all(note: Notice, *, told: bool = False) -> str:
    """What is true of all that boxes hold: "In all: 1,200 parameters; each gets a gradient. Nothing is NaN or ∞.";
    ``told``: what is not finite was told.
    """
    return " ".join(filter(None, (counts_of_parameters(note), "" if told else what_is_not_finite(note))))


def counts_of_parameters(note: Notice) -> str:
    """ "In all: 1,200 parameters; each gets a gradient." """
    read = " that something reads" if note["unread"] else ""
    said = [f"In all: {counted_noun(note['parameters'], 'parameter')}{read}"] if note["parameters"] else []
    if note["gradients"] and note["parameters"]:
        named = [names_in_short(note.subjects)] if note.subjects else []
        without = [
            *named,
            *([f"{counted_noun(note['nameless'], 'parameter')} without a name"] if note["nameless"] else []),
        ]
        said.append(f"no gradient comes to {' and '.join(without)}" if without else "each gets a gradient")
    return f"{'; '.join(said)}." if said else ""


def what_is_not_finite(note: Notice) -> str:
    """ "Nothing is NaN or ∞."; "" where that is not known."""
    far = "" if note["spreads"] else " goes no further: to no output, and to no gradient"
    wrong = f"{note['what'] or 'NaN or ∞'} in {counted_noun(note['wrong'], 'result')}{far}." if note["wrong"] else ""
    return "Nothing is NaN or ∞." if note["finite"] else wrong


def spans_of_gradients(note: Notice) -> str:
    """ "‖grad of params‖ of 291 leaf modules: least 0.002 (head), most 6 (embed); of each of 32 × Block: least
    1.4 (layers.27), most 8.7 (layers.0)."
    """
    return said_of_spans([*spans_of_modules(note), *spans_of_copies(note)])


def line_of_span(note: Notice) -> str:
    """The same in a line: of what differs too much alone, else of modules without modules in them, if there are any,
    and of the first copies that are whole modules.
    """
    spans = [*spans_of_modules(note), *spans_of_copies(note)]
    far = [span for span in spans if span[-1]][:1]
    return said_of_spans(far or [*spans[:1], *spans_of_classes(note)])


def spans_of_classes(note: Notice) -> Iterator[Span]:
    """How those of the first copies differ that are modules of one class, beside those of single modules; of a class
    of which other copies stand elsewhere, the least and the most of some would be taken for those of all.
    """
    classes = Counter(called for _, called, *_ in note["copies"])
    places = [
        i
        for i, (_, called, measure, *_) in enumerate(note["copies"])
        if measure == PARAMETERS and called.isidentifier() and classes[called] == 1
    ][:1]
    if note["modules"]:
        spans = [*spans_of_copies(note)]
        yield from (spans[place] for place in places)


def is_far(note: Notice) -> bool:
    """Whether some of these gradients are out of the usual."""
    return any(far for *_, far in (*note["modules"], *note["copies"]))


# what is measured of what, the least and the most, and which of these is a finding
Span = tuple[str, str, str, float, str, float, tuple[str, ...]]


def spans_of_modules(note: Notice) -> Iterator[Span]:
    """How gradients of modules without modules in them differ."""
    for count, least, low, most, high, far in note["modules"]:
        yield PARAMETERS, counted_noun(count, "leaf module"), least, low, most, high, far


def spans_of_copies(note: Notice) -> Iterator[Span]:
    """How they differ from copy to copy."""
    for count, called, measure, least, low, most, high, far in note["copies"]:
        ends = named_copy(least, measure), low, named_copy(most, measure), high
        yield (measure, f"each of {count:,} × {called}", *ends, far)


def said_of_spans(spans: Sequence[Span]) -> str:
    """These in words."""
    groups = ((measure, [*group]) for measure, group in groupby(spans, key=lambda span: span[0]))
    said = [
        f"‖grad of {SHORT[measure]}‖ of {'; of '.join(span_of(*each[1:]) for each in group)}"
        for measure, group in groups
    ]
    return f"{'; '.join(said)}." if said else ""


SHORT = {PARAMETERS: "params", RESULT: "result"}


def span_of(whose: str, where: str, least: float, there: str, most: float, far: Sequence[str]) -> str:
    """The least and the most of some gradients; where some are out of the usual, a sign before these, and how much they
    differ.
    """
    sign = {end: "⚠ " if end in far else "" for end in ENDS}
    span = f"{sign[LEAST]}least {two_digits(least)} ({where}), {sign[MOST]}most {two_digits(most)} ({there})"
    times = f", {two_digits(most / least)} × the least" if least else ", beside 0"
    return f"{whose}: {span}{times * bool(far)}{', ⚠ others in between' * (BETWEEN in far)}"


def two_digits(number: float) -> str:
    """A number in a few characters: "1.4", "230", "1.1e−40", "2.4e5"."""
    if 1 <= abs(number) < 10_000:
        return f"{float(f'{number:.2g}'):,.0f}" if abs(number) >= 10 else f"{number:.1f}".removesuffix(".0")
    digits, _, power = f"{number:.1e}".partition("e")
    plain = f"{number:.2g}"
    return (plain if "e" not in plain else f"{digits.removesuffix('.0')}e{int(power)}").replace("-", "−")


def gradients_off(note: Notice) -> str:
    """ "Gradients vanish: from 0.51 at step 200 to 1.1e−40 at step 1."; of layers "Gradients grow towards the input:
    conv1 gets 1e6, 1.2e4 × as much as fc, the last module."
    """
    norm, usual = two_digits(note["size"]), two_digits(note["beside"])
    if note["measure"] == RESULT:
        here, there = note["places"]
        if note["way"] == ODD:
            return f"The gradient at step {here:,}, {norm}, is far from those around it."
        return f"Gradients {note['way']}: from {usual} at step {there:,} to {norm} at step {here:,}."
    worst, other = note["names"]
    if note["way"] == ODD:
        return f"The gradient of {worst}, {norm}, is far from those around it."
    where = f"towards the input: {worst} gets" if note["towards"] else f"in {worst}: it gets"
    last = f"{other}, the last module" if note["last"] else other
    if not note["size"]:
        return f"Gradients {note['way']} {where} 0, and {last}, {usual}."
    times = two_digits(note["size"] / note["beside"])
    return f"Gradients {note['way']} {where} {norm}, {times} × as much as {last}."


def came_to_be_not_finite(note: Notice) -> str:
    """ "−∞ in 6 results comes from log (modeling_t5.py:253) and reaches neither an output nor a gradient." """
    line = f" ({note['line']})" if note["line"] else ""
    comes = "first comes from" if note["sites"] > 1 else "comes from"
    what = (
        f"{note['what'] or 'NaN or ∞'} in {counted_noun(note['count'], 'gradient' if note['backward'] else 'result')}"
    )
    of = "what flows back through " if note["backward"] else ""
    return f"{what} {comes} {of}{note['operation']}{line}{how_far(note)}."


def how_far(note: Notice) -> str:
    """How far comes what is not finite: " and reaches an output and gradients"; "" where that is not known."""
    if not note["spreads"]:
        return " and reaches neither an output nor a gradient"
    to = [*(["an output"] if note["outputs"] else []), *(["gradients"] if note["gradients"] else [])]
    return f" and reaches {' and '.join(to)}" if to and not note["backward"] else ""


def started_alone(note: Notice) -> str:
    """From which of several outputs gradients start."""
    was = "was" if len(note["others"]) == 1 else "were"
    loss, others = note.subjects[0], note["others"]
    return (
        f"All gradients are those of {loss}. {names_in_short(others)} {was} returned, too: trace(…,"
        f" output={others[0]!r}) shows the gradients of {others[0]} instead."
    )


def unused(note: Notice) -> str:
    """Which operations are not drawn, and why."""
    where = [f"{count:,} in {function}() ({line})" for function, line, count in note["functions"]]
    which = names_in_short(where or note.subjects)
    return (
        f"{counted_subjects(len(note.subjects), 'operation')} not drawn, since nothing that is drawn is computed from"
        f" {'it' if len(note.subjects) == 1 else 'them'}: {which}."
    )


def flows_inside(note: Notice) -> str:
    """Why arrows do not add up to a gradient: "h is also used inside of its own box, by tanh (net.py:4): what comes
    back from there is a part of its gradient, but on no arrow."
    """
    many = len(note.subjects) > 1
    return (
        f"{names_in_short(note.subjects)} {'are also used inside of their' if many else 'is also used inside of its'}"
        f" own box, by {names_in_short(note['users'])}: what comes back from there is a part of"
        f" {'their gradients' if many else 'its gradient'}, but on no arrow."
    )


def unlinked(note: Notice) -> str:
    """How many autograd nodes nobody saw being made."""
    count = note["count"]
    nodes = "1 node of autograd was" if count == 1 else f"{count} nodes of autograd were"
    return f"{nodes} not seen being made: before the recording began, in another thread, or by autograd itself."


def hooks_untold_sentence(note: Notice) -> str:
    """What is missing because torch does not tell of hooks."""
    count = note["count"]
    nodes = "1 node of autograd keeps" if count == 1 else f"{count} nodes of autograd keep"
    return (
        f"This torch does not say whether a hook of yours stands before what {nodes}: there is no local derivative"
        " there, and memory is a lower bound."
    )


def caught_sentence(note: Notice) -> str:
    """What raised while the program went on."""
    count = len(note.subjects)
    subject = "1 operation that raised an error is" if count == 1 else f"{count} operations that raised an error are"
    return f"{subject} left out, since the program went on: {few(places(note))}."


def ran_again(note: Notice) -> str:
    """What checkpoints computed a second time, and what of it the graph shows."""
    count = note["count"]
    what = "its function once more" if count == 1 else f"functions {count} times more"
    where = f" ({few(note.subjects)})" if note.subjects else ""
    return (
        f"torch.utils.checkpoint ran {what}{where} during the backward pass, having kept none of what that needs from"
        " inside. Values shown are those of the first run; those of the second are unknown."
    )


# --- the table

NO_GRADIENTS: Mapping[str, Callable[[Notice], str]] = {  # why there are none at all
    "gradients not asked for": lambda note: "gradients were not asked for",
    "reentrant checkpoint": lambda note: (
        "a checkpoint with use_reentrant=True runs a backward pass of its own, which would add to your .grad"
    ),
    "reentrant checkpoint with hooks": lambda note: (
        "a checkpoint with use_reentrant=True needs backward(), and that would run hooks of yours on .grad"
    ),
    "torch refused": lambda note: note.said,
    NOTHING_REQUIRES: lambda note: f"nothing that {note.subjects[0]} returned requires grad",
}
NO_PASS = (FAILED, "no backward pass", "too deep")
SENTENCES: Mapping[str, Callable[[Notice], str]] = {
    # the program
    RAISED: lambda note: f"The program raised {ended_by(note)}; this is the graph up to there.",
    FAILED: lambda note: f"The backward pass failed: {ended_by(note)}",
    "no backward pass": lambda note: f"No backward pass was recorded{blind(note)}",
    SEVERAL_PASSES: lambda note: (
        f"{note['count']} backward passes were recorded, each in graph.passes; a picture shows the last."
    ),
    PASSES_DRAWN: passes_drawn,
    **{kind: lambda note: f"No gradients: {NO_GRADIENTS[note.kind](note)}" for kind in NO_GRADIENTS},
    LOOK_FAILED: lambda note: (
        f"Backward pass {note['step']} could not be looked at, and so maybe others: {ended_by(note)}; the training was"
        " not touched."
    ),
    LOG_FAILED: lambda note: (
        f"{note['logger']} raised at step {note['step']}: {ended_by(note)};"
        f" {'nothing more is sent to it' if note['ended'] else 'what comes next is sent to it all the same'}, and"
        " .history goes on."
    ),
    FILE_ENDED: lambda note: f"{note['file']} ends here: {note['problem']}; the recording goes on.",
    OTHER_THREAD: lambda _: (
        "A backward pass ran in another thread than the one that began to record: it is missing here, and all that"
        " this thread runs."
    ),
    NOT_WATCHED: lambda note: (
        f"{these_parameters(note).capitalize()} have no numbers of their own in this process, as pieces that FSDP"
        f" gathers, and no norms here: {names_in_short(note.subjects)}."
    ),
    FILE_OF_RANK: lambda note: (
        f"Another rank writes to the file that was named; that of rank {note['rank']} is {note['file']}."
    ),
    WITHOUT_GRADIENT: lambda note: (
        f"The backward pass before brought no gradient to {these_parameters(note)}: {names_in_short(note.subjects)}."
        " DistributedDataParallel waits for one for each parameter that requires grad."
    ),
    # the program around it
    WATCHED: lambda note: f"Of every pass the structure of one was kept: that of pass {note['number']}.",
    MODEL: lambda note: f"The model has {counted_noun(len(note.subjects), 'parameter')}.",
    BACKWARD_CALLS: lambda note: f"{counted_noun(len(note['calls']), 'call')} of backward() began a pass.",
    OPTIMIZERS: lambda note: f"{counted_noun(len(note['optimizers']), 'optimizer')} lived at the end.",
    STEPS_CALLED: lambda note: f"step() of optimizers was called so often: {', '.join(map(str, note['counts']))}.",
    OF_NO_MODULE: lambda note: f"{counted_noun(len(note['tensors']), 'parameter')} stood in no module that is known.",
    HELD: lambda note: f"Results of earlier passes are held in {counted_noun(len(note['held']), 'place')}.",
    RAISED_AT: lambda note: f"The program raised at {note['source']}.",
    WRITTEN_LINES: lambda note: f"{counted_noun(len(note['lines']), 'line')} of the program matter to training.",
    # what it returned
    "started from one output alone": started_alone,
    "returned several times": lambda note: (
        f"One tensor was returned {note['times']} times ({names_in_short(note.subjects)}): what is fed in there counts"
        f" {note['times']} times."
    ),
    "not started from": lambda note: (
        f"No gradient starts from what is kept in {with_types(note)}: trace(…, output=…) takes it."
    ),
    "not looked into": lambda note: f"What is in {with_types(note)} was not looked into for outputs.",
    "taken in part": lambda note: f"Of what the {note['what']} gives, only the first {note['count']} were taken.",
    # what it was given
    UNREAD_INPUTS: lambda note: (
        f"No operation read {'this input' if len(note.subjects) == 1 else f'these {len(note.subjects)} inputs'}:"
        f" {names_in_short(note.subjects)}."
    ),
    # its parameters
    UNREAD: unread,
    UNREAD_SO_FAR: unread,
    FROZEN: lambda note: (
        f"The program reads {these_parameters(note)}, whose requires_grad is False: {names_in_short(note.subjects)}."
    ),
    TIED: same_parameter,
    TIED_TOO: lambda note: f"{len(note.subjects) // 2} more parameters have several names.",
    STOOD_FOR: lambda note: (
        f"While modules ran, other tensors stood for {these_parameters(note)}, as FSDP gathers them from all ranks:"
        f" {names_in_short(note.subjects)}. Shown are those, with what came back to them in this process; how they were"
        " made of the parameters, and what of that goes into .grad, is not followed."
    ),
    # what recording it missed
    "no dispatch modes": lambda note: (
        "This version of torch has no dispatch modes: only what autograd itself recorded is shown, without values in"
        " between."
    ),
    "finished tensors": lambda note: (
        "Traced from finished tensors: values between leaves and outputs were not recorded."
    ),
    "incomplete": lambda note: (
        f"{len(note.subjects)} {note['what']}(s) could not be recorded completely; the first: {note.subjects[0]}"
    ),
    "circle": lambda note: (
        f"{note['count']} thing(s) could not be recorded: they seem to read each other in a circle, so that a link was"
        " mistaken."
    ),
    "unlinked": unlinked,
    "hooks untold": hooks_untold_sentence,
    "reductions untold": lambda note: (
        f"This torch does not say what {few(note.subjects)} makes of what it gets: the sum, the mean, …"
    ),
    "inside wrappers": lambda note: (
        f"What runs inside of {few(note.subjects)} is not followed, messages between ranks included: shown are the"
        " operations on the whole."
    ),
    "untried torch": lambda note: (
        f"torch {note['version']} is none of the versions that graphviz_ad was tested on ({', '.join(note['tested'])}),"
        f" and where it tried itself on this one, not all came out as it should: {'; '.join(note.subjects)}. What this"
        " graph shows of such things may be missing or wrong."
    ),
    "counts not measured": lambda note: (
        "Operations that this version of torch runs for one call may stand each for itself here: what only torch holds"
        " cannot be told from what you hold."
    ),
    "too deep": lambda note: (
        f"The graph is more than {note['reach']} autograd nodes deep: once Python has touched them, releasing them"
        " would overflow the stack, so that what lies beyond was not linked to autograd, and no backward pass from"
        " there was recorded. trace(function, inputs) has no such limit."
    ),
    "other tasks": lambda note: (
        f"{counted_subjects(note['count'], 'operation')} not in this graph: other tasks ran"
        f" {'it' if note['count'] == 1 else 'them'} in the same thread meanwhile. A recording belongs to the task that"
        " begins it, and to those that this one starts; begin it in the task that runs the program."
    ),
    "nobody read": lambda note: (
        f"Nobody read what {few(note.subjects)} returned; shown is what it computed and did not use itself."
    ),
    "caught": caught_sentence,
    "ran again": ran_again,
    "wrong under modes": lambda note: (
        f"Complex {' and '.join(note.subjects)}: torch computes this wrongly under any dispatch mode, so that these"
        " numbers may be wrong, as may those of this run."
    ),
    # gradients that are not the sum of what is drawn
    "written between uses": lambda note: (
        f"{', '.join(dict.fromkeys(note.subjects))}: written to between uses. Each value has its own part of the"
        " gradient here; torch adds them up in .grad."
    ),
    "flow changed": lambda note: (
        f"What flows back from {few(note.subjects)} is not the local derivative times what arrives: a hook on the node"
        " of autograd changed it, or rounding did."
    ),
    "node hook changed": lambda note: (
        f"A hook on the node of autograd changed what flows back from {names_in_short(note.subjects)}."
    ),
    "hook changed": lambda note: (
        f"A hook changed the gradient of {names_in_short(note.subjects)} after the edges had been added up."
    ),
    "module hook changed": lambda note: (
        f"A hook of a module changed the gradient on its way back through {names_in_short(note.subjects)}."
    ),
    "flows inside": flows_inside,
    SHAPES_ONLY: lambda note: f"Shapes alone are known: each tensor is a {note.subjects[0]}, which holds no numbers.",
    # what is not drawn, or not as it ran
    "modules folded": lambda note: (
        f"{counted_subjects(len(note.subjects), 'module')} folded, with"
        f" {counted_noun(note['inside'], 'more node')} inside."
    ),
    "parts folded": lambda note: f"{boxes_for_parts(note)}, with {counted_noun(note['inside'], 'more node')} inside.",
    PARTS_IN_BOXES: lambda note: f"{boxes_for_parts(note)}, {with_insides(note)}",
    IN_ALL_BOXES: in_all_boxes,
    GRADIENTS_OFF: gradients_off,
    CAME_UP: came_to_be_not_finite,
    "left out": lambda note: (
        f"{counted_noun(note['count'], 'node')} {'are' if note['count'] != 1 else 'is'} left out, as was asked for."
    ),
    "blocks": lambda note: (
        f"{counted_subjects(note['operations'], 'operation')} folded into"
        f" {counted_noun(note['blocks'], 'block')} in the order in which they ran."
    ),
    "no lines": lambda note: (
        f"Of {counted_noun(note['count'], 'operation')} no line of the program is known:"
        f" {'they are' if note['count'] != 1 else 'it is'} shown as {'they are' if note['count'] != 1 else 'it is'}."
    ),
    "told by line": lambda _: (
        "Each line of the program is one box, so that the whole can be read at once; detail='op' shows its operations."
    ),
    "told by larger line": lambda _: (
        "Each line of the program is one box, so that letters are larger and steps fewer; detail='op' shows its"
        " operations."
    ),
    "told by module": lambda _: (
        "Modules are one box each, so that the whole can be read at once; detail='op' shows their operations."
    ),
    "told by larger module": lambda _: (
        "Modules are one box each, so that letters are larger; detail='op' shows their operations."
    ),
    "unused": unused,
    # several ranks
    "uneven passes": lambda note: (
        f"The ranks recorded different numbers of backward passes ({', '.join(map(str, note['passes']))}); shown is the"
        " last of each."
    ),
    "impossible order": lambda note: (
        f"{counted_subjects(note['count'], 'communication')} not joined: each would have to happen before the"
        " others, so that their order cannot be right."
    ),
    "by order alone": lambda note: (
        f"{note['guesses']} of {counted_noun(note['count'], 'communication')} {'is' if note['guesses'] == 1 else 'are'}"
        " joined by order alone: the numbers that would prove it are not known."
    ),
    "strange total": lambda note: (
        f"All ranks have the same .grad of {counted_noun(len(note.subjects), 'parameter')}, which is neither the mean"
        " nor the sum of the gradients of this pass."
    ),
    "from anybody": lambda note: unjoined(note, "receive", "from any rank", "from which rank is not recorded"),
    "no other end": lambda note: unjoined(
        note, "message", way(note), f"rank {note['other']} recorded no {note['missing']} for it"
    ),
    "other end not here": lambda note: unjoined(
        note, "message", way(note), f"the graph of rank {note['other']} is not here"
    ),
    "ends contradict": lambda note: unjoined(
        note,
        "message",
        way(note),
        f"the two ends contradict each other; of message {note['number']}, {port_types_text(note['sent'])} was sent and"
        f" {port_types_text(note['received'])} received",
    ),
    "members missing": lambda note: unjoined(
        note,
        f"{note['what']} call",
        f"of group {note['group']!r}",
        absence(note),
        f" with {listed_ranks(note['missing'])}",
    ),
    "members contradict": lambda note: unjoined(
        note,
        "collective",
        f"of group {note['group']!r}",
        f"the ranks contradict each other; call {note['number']}: {'; '.join(map(call_sentence, note['calls']))}",
    ),
}
