"""Finding -> its cause and its remedy in words: the one table of kinds of findings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graphviz_ad._internal.base.text_table import counted_noun
from graphviz_ad._internal.graph.notice_sentences import port_types_text
from graphviz_ad._internal.maths.number_format import short_number

if TYPE_CHECKING:
    from graphviz_ad._internal.diagnosis.findings import Finding

Words = Callable[[Mapping[str, Any]], str]
MOST_NAMED = 3


def cause_of(finding: Finding) -> str:
    """How it comes about."""
    return SENTENCES[finding.kind][0](finding.evidence)


def remedy_of(finding: Finding) -> str:
    """What to do."""
    remedy = SENTENCES[finding.kind][1]
    return remedy if isinstance(remedy, str) else remedy(finding.evidence)


# --- parts


def few(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def so_many(e: Mapping[str, Any]) -> str:
    """ "3 of 8 parameters (a, b and 1 more)"."""
    return f"{e['parameters']} of {counted_noun(e['of'], 'parameter')} ({few(e['names'])})"


def nothing_comes(e: Mapping[str, Any]) -> str:
    """What gets no gradient because of it."""
    if e.get("root"):
        return f"so that {e['root']} has no graph to go back through"
    return f"so that no gradient comes to {so_many(e)}"


def elements(e: Mapping[str, Any]) -> str:
    """ "3 of 8 elements, the first at [0, 2], in 1 row"."""
    if e.get("count") is None:
        return ""
    first = f", the first at {e['element']}" if "element" in e else ""
    rows = f", in {counted_noun(e['rows'], 'row')}" if e.get("rows") else ""
    return f" ({e['count']} of {counted_noun(e['of'], 'element')}{first}{rows})"


def when(e: Mapping[str, Any]) -> str:
    """ " on the way to pass 5"; nothing of the first."""
    return f" on the way to pass {e['before_pass']}" if e.get("before_pass", 1) > 1 else ""


def operands(e: Mapping[str, Any]) -> str:
    """ ": x is 0 there"."""
    told = [f"{name} is {short_number(value)}" for name, value in e.get("operands", ())[:2]]
    return f": {' and '.join(told)} there" if told else ""


def percent(share: float) -> str:
    """ "95 %"."""
    return f"{100 * share:.3g} %"


def factor(number: float | None) -> str:
    """A ratio in a few characters."""
    return "unknown" if number is None else f"{number:.2g}"


def extent(pair: tuple[float, float] | None) -> str:
    """ ", whose operand goes from −3 to −1"."""
    return "" if pair is None else f", whose operand goes from {short_number(pair[0])} to {short_number(pair[1])}"


def sizes(e: Mapping[str, Any]) -> str:
    """How gradients change on their way back."""
    if "gradient_to_weight" in e:
        return f"the gradient of {e['name']} is {factor(e['gradient_to_weight'])} times as large as the weight itself"
    if "rounds" in e:
        return (
            f"over {e['rounds']} rounds of one line the gradient goes from {factor(e['last_size'])} at {e['last']} to"
            f" {factor(e['first_size'])} at {e['first']}"
        )
    through = f"; between them stands {e['through']}" if e.get("through") else ""
    return (
        f"the gradient is {factor(e['last_size'])} at {e['last']} and {factor(e['first_size'])} at {e['first']}"
        f" (root mean square); it changes most between {e['between'][1]} and {e['between'][0]}{through}"
    )


def step(e: Mapping[str, Any]) -> str:
    """What a step is, beside the weight."""
    rate = f" with a learning rate of {e['rate']:g}" if e.get("rate") is not None else ""
    return (
        f"{e.get('optimizer') or 'the optimizer'}{rate} changes the usual weight by {percent(e['ratio'])} of"
        f" itself in one step"
    )


def what_comes_of_it(e: Mapping[str, Any]) -> str:
    """That something comes of steps that are too large, which is told below."""
    return "; before the first step all is well" if e.get("explains") else ""


def why_not_finite(e: Mapping[str, Any]) -> str:
    """Out of what a NaN in a value came."""
    why = {
        "division": "a division by 0", "root": "a root or power that has no value there",
        "logarithm": "a logarithm of 0 or less", "exponential": "an exponential that is too large for its type",
    }  # fmt: skip
    return why.get(e.get("why") or "", "")


def bound_lost(e: Mapping[str, Any]) -> str:
    """That a clamp does nothing, where its bound is another number in a half type."""
    if "bound" not in e:
        return ""
    is_now = f"its bound {e['bound']:.9g} is {e['held']:g} in {e['dtype_of_bound']}"
    return f"; {e['clamped_at']} does not keep it away, since {is_now}"


def with_room(e: Mapping[str, Any]) -> str:
    """What to do about that."""
    if "bound" not in e:
        return ""
    return (
        "Compute this part in float32, by .float() before it or outside of autocast, or from the logits, as"
        f" logsigmoid and binary_cross_entropy_with_logits do: {e['dtype_of_bound']} has no number between."
    )


def zero_reason(e: Mapping[str, Any]) -> str:
    """Why a gradient became 0."""
    about = e.get("about")
    return {
        "hook": "a hook made it 0",
        "fed in": "a gradient of 0 was fed in there",
        "cancels": "what comes back there cancels out"
        + (f": it comes on several ways from {e['joined']}" if e.get("joined") else ""),
        "multiplied by 0": f"it is multiplied by {about}, which is 0" if about else "it is multiplied by 0",
        "rows of 0": f"it is multiplied by {about}, whose rows are 0 wherever a gradient arrives",
        "certain": "a softmax there has chosen one for certain in every row, so that its derivative is 0",
        "flat": "its derivative is 0 everywhere",
        "closed": f"its derivative is 0 at all of its operand {about}" if about else "its derivative is 0 there",
        "underflow": "it is too small for its type",
        "left out": "what comes from there is left out",
    }.get(e["why"], "its derivative lets nothing through")


def shape(numbers: Sequence[int]) -> str:
    """ "(32, 1)"."""
    return str(tuple(numbers))


def held_in_a_container(e: Mapping[str, Any]) -> str:
    """ "losses holds results of 5 passes with their graphs (made at train.py:12): …"."""
    made = f" (made at {e['made']})" if e.get("made") else ""
    return f"{e['holder'] or 'something'} holds results of {e['passes']} passes with their graphs{made}: {kept(e)}."


def kept(e: Mapping[str, Any]) -> str:
    """ "28 autograd nodes and 96 bytes so far, some 32 more in each step"."""
    nodes = "very many" if e["nodes"] is None else e["nodes"]
    each = e["each_step"] or (f"{e['nodes'] // e['passes']} nodes" if e["nodes"] and e["passes"] else None)
    more = f", some {each} more in each step" if each else ""
    return f"{nodes} autograd nodes and {counted_noun(e['bytes'], 'byte')} so far{more}"


def carries(e: Mapping[str, Any]) -> str:
    """What brings the graph of one step into the next."""
    if e["carrier"] == e["read_at"]:
        return f"{e['carrier']} reads what it returned in the step before, with its graph"
    return f"{e['carrier']} carries the earlier graph into {e['read_at']}"


def these_ranks(ranks: Sequence[int]) -> str:
    """ "rank 1", "ranks 0, 1", "ranks 0–6, 9"."""
    rows: list[list[int]] = []
    for rank in sorted(ranks):
        if rows and rank == rows[-1][-1] + 1:
            rows[-1].append(rank)
        else:
            rows.append([rank])
    told = [f"{row[0]}–{row[-1]}" if len(row) > 2 else ", ".join(map(str, row)) for row in rows]
    return f"rank{'s' if len(ranks) > 1 else ''} {', '.join(told)}"


def in_module(at: str | None, module: str | None) -> str:
    """ "h (linear, train.py:12) in body"."""
    return "nothing more" if at is None else f"{at} in {module}" if module else at


def goes_on(ranks: Sequence[int]) -> str:
    """ "rank 0 goes on", "ranks 0, 2 go on"."""
    return f"{these_ranks(ranks)} go{'es' if len(ranks) == 1 else ''} on"


def issued(call: Mapping[str, Any]) -> str:
    """ "all_reduce (sum) of float32[2] (train.py:12)"."""
    how = [call["reduction"], None if call["root"] is None else f"root {call['root']}"]
    told = "".join(f" ({word})" for word in how if word)
    types = f" of {port_types_text(call['types'])}" if call["types"] else ""
    return f"{call['operation']}{told}{types}" + (f" ({call['source']})" if call["source"] else "")


def who_calls_what(calls: Sequence[Mapping[str, Any]]) -> str:
    """ "ranks 0, 1 call …, rank 2 calls …"."""
    groups: dict[str, list[int]] = {}
    for call in calls:
        groups.setdefault(issued(call), []).append(call["rank"])
    told = [f"{these_ranks(ranks)} call{'s' if len(ranks) == 1 else ''} {what}" for what, ranks in groups.items()]
    return "; ".join(told)


def where_it_ended(e: Mapping[str, Any]) -> str:
    """ "rank 1 ends after all_reduce (train.py:12), by ValueError (train.py:13)"."""
    one = len(e["missing"]) == 1
    last = f" after {issued(e['last'])}" if e.get("last") is not None else " before its first call"
    how = e.get("ended")
    by = "" if how is None else f", by {how['exception']}" + (f" ({how['source']})" if how["source"] else "")
    return f"{these_ranks(e['missing'])} end{'s' if one else ''}{last}{by}"


def came_to_the_end(e: Mapping[str, Any]) -> str:
    """How far those came that went on."""
    went_on = e["last_step"] and e["others"]
    return f"; {these_ranks(e['others'])} came to the end of step {e['last_step']}" if went_on else ""


DIFFERING: Mapping[str, str] = {
    "operation": "are not the same operation", "reduction": "reduce in different ways", "root": "name different roots",
    "dtype": "have different dtypes", "shape": "have different sizes", "order": "come from different lines",
}  # fmt: skip

WHY_APART: Mapping[str, str] = {
    "outside": "they are not inside the module that DistributedDataParallel wraps",
    "not called": "DistributedDataParallel averaged nothing in the backward pass before, as under no_sync() or where"
    " its module is called in its place",
    "left out": "the program averages the gradients of others and not theirs",
    "never": "nothing averages them, although the ranks began with the same parameters",
}


NAN_REASONS = {"hook": ": a hook made it.", "derivative": ": its derivative has no value there."}


SMOOTH: Mapping[str, str] = {  # what to do about what has no derivative
    "sampled": "Call rsample() in place of sample(), or write the sample as a function of its parameters and of noise,"
    " as mean + std * torch.randn_like(std).",
    "not-differentiable": "Use a function with a derivative in its place, such as softmax for argmax or sigmoid for a"
    " comparison; to round, and let gradients through all the same, write x + (x.round() - x).detach().",
}


WHERE_IT_BECOMES_0: Mapping[str, str] = {
    "certain": "Make what the softmax is given smaller, where this is so in every step.",
    "cancels": "Right for a number that all are moved by alike, as the bias of a critic of which differences are taken;"
    " else see why the ways cancel.",
    "hook": "Remove the hook, or let it return what is meant.",
    "fed in": "Give backward() another gradient than 0.",
    "multiplied by 0": "See why that is 0: as long as it is, nothing before it is trained.",
    "rows of 0": "See why these rows are 0: as long as they are, nothing before them is trained.",
    "flat": SMOOTH["not-differentiable"],
    "underflow": "Scale the loss with torch.amp.GradScaler, or use bfloat16.",
    "left out": "See whether the mask or the index leaves in what is to be trained.",
    "closed": "Keep the operand where the function is not flat: look at the size and the sign of what it is given.",
}


# what cuts one of several ways
IN_PART: Mapping[str, str] = {
    "detached": "is detached there, and goes on to the loss",
    "data-attribute": "is taken out of the graph by .data, and goes on to the loss",
    "no-grad": "runs under torch.no_grad(), and goes on to the loss",
    "inference-mode": "runs under torch.inference_mode(), and goes on to the loss",
    "not-differentiable": "has no derivative, and goes on to the loss",
    "sampled": "draws a sample, through which no gradient goes, and goes on to the loss",
    "taken-as-number": "goes on as a number of Python to the loss",
    "reentrant-checkpoint": "runs in a checkpoint with use_reentrant=True, and goes on to the loss",
}


def in_part(kind: str, how: str) -> tuple[Words, Words]:
    """Of what reaches the loss along other ways, too."""
    return (
        lambda e: f"{e['at']} {how}: what is before it is trained only along other ways.",
        lambda e: (
            SMOOTH[kind.removesuffix("-in-part")]
            if e.get("trained")
            else "Right if it is meant, as in a target or a baseline; else let the gradient through."
        ),
    )


# --- the table: kind -> cause, remedy

SENTENCES: Mapping[str, tuple[Words, str | Words]] = {
    # gradients that do not come
    "detached": (
        lambda e: f"{e['at']} is detached there, {nothing_comes(e)}.",
        "Leave out detach() where the loss is to reach what is before it.",
    ),
    "data-attribute": (
        lambda e: f"{e['at']} is taken out of the graph by .data, {nothing_comes(e)}.",
        "Use the tensor itself in place of .data.",
    ),
    "no-grad": (
        lambda e: f"{e['at']} runs under torch.no_grad(), {nothing_comes(e)}.",
        "Compute it outside of no_grad() where it is to be trained.",
    ),
    "inference-mode": (
        lambda e: f"{e['at']} runs under torch.inference_mode(), {nothing_comes(e)}.",
        "Compute it outside of inference_mode() where it is to be trained.",
    ),
    "not-differentiable": (
        lambda e: (f"only the indices go on of {e['at']}, and those have" if e.get("indices") else f"{e['at']} has")
        + f" no derivative, {nothing_comes(e)}.",
        lambda e: "Use the values, the first of its two results, or an estimator that lets the gradient through."
        if e.get("indices")
        else "Use a function with a derivative in its place, such as softmax for argmax, or an estimator that lets the"
        " gradient through.",
    ),
    "sampled": (
        lambda e: f"{e['at']} draws a sample through which no gradient goes, {nothing_comes(e)}.",
        "Call rsample() in place of sample(), or write the sample as a function of its parameters and of noise.",
    ),
    "taken-as-number": (
        lambda e: f"{e['at']} goes on as a number of Python or numpy"
        + (f", which is made a tensor at {e['comes_back_at']}" if e.get("comes_back_at") else "")
        + f", {nothing_comes(e)}.",
        "Compute with the tensor itself: item(), tolist(), numpy() and torch.tensor(…) leave the graph behind.",
    ),
    "reentrant-checkpoint": (
        lambda e: f"{e['at']} runs in a checkpoint with use_reentrant=True whose inputs do not require grad,"
        f" {nothing_comes(e)}.",
        "Call checkpoint(…, use_reentrant=False).",
    ),
    "none-from-backward": (
        lambda e: f"the backward of {e['at']} returned None, {nothing_comes(e)}.",
        "Return the gradient from the backward of the custom Function.",
    ),
    "written-over": (
        lambda e: f"{e['at']} is written over before it is used, {nothing_comes(e)}.",
        "Write to a new tensor, or before the values are computed.",
    ),
    "cut-between-ranks": (
        lambda e: f"{e['at']} sends numbers without their graph, {nothing_comes(e)}.",
        "Use torch.distributed.nn where gradients are to travel back.",
    ),
    "gradient-without-graph": (
        lambda e: f"{e['at']} is made of a gradient of pass {e['pass']}, which has no graph of its own: added to the"
        f" loss, it changes no gradient.",
        "Call torch.autograd.grad(…, create_graph=True) where gradients are a part of the loss.",
    ),
    "term-without-gradient": (
        lambda e: f"{e['at']} {'draws a sample' if e['how'] == 'sampled' else 'has no derivative'}"
        + ("" if e["same"] else f", so that {e['term']}, which is computed from it, has no graph")
        + ": it is added to the loss, and changes no gradient, although parameters stand behind it.",
        lambda e: SMOOTH[e["how"]],
    ),
    "not-asked": (
        lambda e: f"no pass asked for it: torch.autograd.grad() named other inputs; {nothing_comes(e)}.",
        "Name it among the inputs, or call backward().",
    ),
    **{f"{kind}-in-part": in_part(kind, how) for kind, how in IN_PART.items()},
    "result-unused": (
        lambda e: f"nothing that a backward pass began at was computed from {e['at']}, {nothing_comes(e)}.",
        "Use the result in the loss, or leave out the layer.",
    ),
    "loss-is-a-leaf": (
        lambda e: f"{e['at']} has no graph, and was told to require grad itself: backward() begins and ends there,"
            f" {nothing_comes(e)}.",
        "Take that out, and let what the loss is computed from require grad.",
    ),
    "never-read": (
        lambda e: f"no operation read {so_many(e)}"
        + (f"; forward() stands at {e['forward']}." if e.get("forward") else "."),
        "Call the layer in forward(), or take it out of the model.",
    ),
    "not-registered": (
        lambda e: (
            f"{e['at']} gets gradients, nothing updates it, and it is no parameter of a model"
            if e.get("made")
            else f"{e['at']} reads weights that get gradients and are no parameters of the model"
        )
        + f", as those in a plain list: {counted_noun(e['count'], 'tensor')}.",
        "Hold layers in nn.ModuleList or nn.ModuleDict, and weights in nn.Parameter or nn.ParameterList.",
    ),
    "frozen": (
        lambda e: f"requires_grad is False for {so_many(e)}"
        + (f", and an optimizer holds {e['in_optimizer']} of them" if e["in_optimizer"] else "")
        + (f"; the program sets it: {e['line']}" if e.get("line") else "")
        + (".requires_grad_(False)." if e.get("call") else "."),
        "If they are to be trained, set requires_grad to True for them; else give the optimizer only the others.",
    ),
    "nothing-requires-grad": (
        lambda e: f"none of {counted_noun(e['parameters'], 'parameter')} requires grad, so that {e['at']} has no"
            f" graph.",
        "Set requires_grad to True for what is to be trained.",
    ),
    # not finite
    "nan-value": (
        lambda e: f"NaN comes up in {e['at']}{elements(e)}{when(e)}"
        + (f", out of {why_not_finite(e)}{operands(e)}" if why_not_finite(e) else operands(e))
        + f"{bound_lost(e)}.",
        lambda e: with_room(e) or "Keep the operand away from there, by clamp(min=…) or an epsilon before it.",
    ),
    "infinite-value": (
        lambda e: f"∞ comes up in {e['at']}{elements(e)}{when(e)}"
        + (f", out of {why_not_finite(e)}{operands(e)}" if why_not_finite(e) else operands(e))
        + f"{bound_lost(e)}.",
        lambda e: with_room(e) or "Keep the operand away from there, by clamp(…) or an epsilon before it.",
    ),
    "data-not-finite": (
        lambda e: f"{e['at']} is data that holds {e['what']}{elements(e)}.",
        "Clean the data, or leave these rows out.",
    ),
    "parameter-not-finite": (
        lambda e: f"the parameter {e['at']} holds {e['what']}{elements(e)}"
        + (" after a step of the optimizer." if e.get("steps_before") else " from the beginning."),
        lambda e: "See which gradient brought it there; a smaller step or clipping may help."
        if e.get("steps_before")
        else "Initialise it: torch.empty() holds whatever was there before.",
    ),
    "row-masked-altogether": (
        lambda e: f"a softmax gets nothing but −∞ in {e['at']}{elements(e)}{when(e)}, and makes NaN of it.",
        "Leave at least one place of each row unmasked.",
    ),
    "half-overflow": (
        lambda e: f"{e['at']}{elements(e)} goes beyond 65504, the largest number of float16.",
        "Use bfloat16, scale down before, or compute this in float32.",
    ),
    "nan-gradient": (
        lambda e: f"NaN comes up on the way back through {e['at']}{elements(e)} in pass {e['pass']}"
        + (f", towards {e['operand']}" if e.get("operand") else "")
        + NAN_REASONS.get(e["why"], "."),
        "Keep the operand away from where the derivative has no value, as sqrt has at 0: add an epsilon inside.",
    ),
    "infinite-gradient": (
        lambda e: f"∞ comes up on the way back through {e['at']}{elements(e)} in pass {e['pass']}"
        + (f", towards {e['operand']}" if e.get("operand") else "")
        + (": its derivative is infinite there." if e["why"] == "derivative" else "."),
        "Keep the operand away from where the derivative is infinite: add an epsilon inside.",
    ),
    "zero-times-infinity": (
        lambda e: f"on the way back through {e['at']}{elements(e)} a gradient of 0 meets an infinite derivative, and"
        " 0 · ∞ is NaN; a where() or a mask behind it comes too late.",
        "Change the operand before, as by where(bad, 1, x), so that it never gets there.",
    ),
    # sizes
    "vanishing": (lambda e: f"gradients vanish: {sizes(e)}.", "Use activations, initial weights or residual"
        " connections that keep the size, or normalise."),
    "exploding": (lambda e: f"gradients explode: {sizes(e)}.", "Use smaller initial weights, normalise, or clip"
        " gradients."),
    "step-too-large": (
        lambda e: f"{step(e)}{what_comes_of_it(e)}.",
        "Use a smaller learning rate: 0.1 % a step is usual.",
    ),
    "step-too-small": (
        lambda e: f"{step(e)}, which changes nothing"
            + (": so small are its gradients." if e.get("by_gradients") else "."),
        lambda e: "See whether the loss is where it is least, or multiplied by next to nothing."
            if e.get("by_gradients") else "See what the scheduler makes of the learning rate." if e.get("rate") == 0
            else "Use a larger learning rate.",
    ),
    "diverging": (
        lambda e: f"the loss grows from {short_number(e['losses'][0])} to {short_number(e['losses'][-1])} in"
            f" {len(e['losses'])} passes; {step(e)}.",
        "Use a smaller learning rate, and see whether the loss has the right sign.",
    ),
    "half-underflow": (
        lambda e: f"the gradients of {e['parameters']} of {e['of']} float16 parameters are below 6·10⁻⁵, the"
            f" smallest normal"
        f" number of float16 (the largest is {factor(e['largest'])})"
        + (f", {percent(e['zeros'])} of them 0." if e.get("zeros") else "."),
        lambda e: "Raise the scale of the GradScaler." if e["scaled"] else "Scale the loss with"
            " torch.amp.GradScaler, or use bfloat16.",
    ),
    "update-lost": (
        lambda e: f"a step left {counted_noun(e['parameters'], 'parameter')} ({few(e['names'])}) what they were: it"
            f" is too small for {e['dtype']}.",
        "Keep the parameters in float32, and let autocast choose where to compute in half.",
    ),
    # units
    "dead-units": (
        lambda e: f"{percent(e['share'])} of the units of {e['at']} are 0 in every row{extent(e.get('operand'))};"
            f" no gradient goes through them.",
        "Use smaller biases and steps, another initialisation, or an activation that is never flat.",
    ),
    "saturated": (
        lambda e: f"{e['at']} is saturated{extent(e.get('operand'))}: its derivative is"
            f" {percent(max(e['derivative'], 0.0))} of the greatest on the average.",
        "Make its operand smaller: normalise the input, or use smaller initial weights.",
    ),
    "softmax-of-one": (
        lambda e: f"{e['at']} runs along dimension {e['dim']}, which has one element: the result is 1 and its"
            f" derivative 0.",
        "Give the dimension of the classes, or use sigmoid for one number.",
    ),
    "zero-gradient": (
        lambda e: f"the gradient of {so_many(e)} is 0 from {e['at']} on: {zero_reason(e)}.",
        lambda e: "This ends with the first step, if that parameter moves."
        if e["waits"]
        else WHERE_IT_BECOMES_0.get(e["why"], "Look at the values there: with this operand its derivative is 0."),
    ),
    "hook-changed": (
        lambda e: f"a hook{' (' + ', '.join(e['hooks']) + ')' if e['hooks'] else ''} on {e['at']} makes a gradient"
            f" of norm"
        f" {factor(e['after'])} of one of {factor(e['before'])}"
        + (f", and so on {counted_noun(e['others'], 'other')}." if e["others"] else "."),
        "Remove the hook, or let it return what is meant.",
    ),
    # the loop
    "cleared-before-step": (
        lambda e: f"gradients are cleared after backward(){' at ' + e['backward'] if e['backward'] else ''} and before"
        f" step(){' at ' + e['step'] if e['step'] else ''}, so that "
        + (f"nothing is made of {len(e['passes'])} of {e['all']} passes." if "passes" in e
           else f"{so_many(e)} are never updated by them."),
        lambda e: "Call zero_grad() after step() only, so that gradients add up until then." if "passes" in e
            else "Call zero_grad() before backward(), or after step().",
    ),
    "not-cleared": (
        lambda e: f"the gradients of {so_many(e)} are added to those that an earlier step has used already:"
        + (" zero_grad() does not come in between." if e["written"] else " nothing clears them."),
        "Call optimizer.zero_grad() once for each step, before backward().",
    ),
    "not-in-optimizer": (
        lambda e: f"{so_many(e)} get gradients, and no optimizer holds them"
        + (f" ({', '.join(e['optimizers'])} holds others)" if e["optimizers"] else "")
        + ("; the model reads them as its data." if e.get("given") else "."),
        lambda e: "If they are to be learned, give them to an optimizer, too; if only their gradients are wanted, as"
            " of images or positions, all is well."
            if e.get("given")
            else "Make the optimizer after the model is complete, of model.parameters().",
    ),
    "never-stepped": (
        lambda e: f"{so_many(e)} have gradients, and no step was taken.",
        "Call optimizer.step() after backward().",
    ),
    "optimizer-holds-others": (
        lambda e: f"step() is called{' at ' + e['written'] if e['written'] else ''}, and updates none of"
            f" {so_many(e)}: the"
        " optimizer holds other tensors, or finds no gradients in them.",
        "Make the optimizer of the parameters of this very model, after the last change to them.",
    ),
    "in-two-optimizers": (
        lambda e: f"{e['optimizers'][0]} holds all that {e['optimizers'][1]} holds and more: {so_many(e)} are stepped"
        f" by both in turn, at {' and '.join(e['turns'])}, each on the gradients of another loss."
        if e.get("turns")
        else f"two steps read the same gradient of {so_many(e)}.",
        "Give each parameter to one optimizer.",
    ),
    "stepped-twice": (
        lambda e: f"the one optimizer that there is steps twice on the same gradient of {so_many(e)}"
        f"{', at ' + ' and '.join(e['steps']) if e['steps'] else ''}.",
        "Call step() once for each backward().",
    ),
    "left-by-another-loss": (
        lambda e: f"the pass of another loss{' at ' + e['other'] if e['other'] else ''} leaves gradients in"
        f" {so_many(e)}; nothing clears them before backward(){' at ' + e['backward'] if e['backward'] else ''} adds to"
        " them, and the step after that uses both.",
        "Call zero_grad() of the optimizer that holds them right before this backward(): after step() is too early,"
        " since another loss goes back in between.",
    ),
    "backward-behind-the-loop": (
        lambda e: f"{e['losses']} losses were computed at {e['at']}, and {e['lost']} of them go nowhere: backward()"
        f" stands behind the loop that computes them, and goes back from the last alone"
        f" ({counted_noun(e['passes'], 'time')}).",
        "Move zero_grad(), backward() and step() into the loop, or add the losses up and go back from the sum.",
    ),
    "clipped-after-step": (
        lambda e: f"gradients are clipped after step(){' at ' + e['step'] if e['step'] else ''}, which has read"
            f" them already.",
        "Clip between backward() and step().",
    ),
    "clips-always": (
        lambda e: f"clipping leaves at most {percent(e['largest'])} of the gradient in each of"
            f" {counted_noun(e['passes'], 'pass')[:-1] + 'es' if e['passes'] != 1 else '1 pass'}"
        + ("; a GradScaler has multiplied it before, and nothing calls unscale_()." if e.get("scaled") else "."),
        lambda e: "Call scaler.unscale_(optimizer) before you clip." if e.get("scaled")
            else "Clip at a norm that is rarely passed, and set the size of the steps by the learning rate.",
    ),
    "graph-grows": (
        lambda e: f"each backward pass goes through more operations than the one before"
            f" ({', '.join(map(str, e['operations']))})"
        + (f": {carries(e)}." if e["carrier"] else "."),
        "Detach what is carried over from step to step.",
    ),
    "graph-held": (
        lambda e: (
            f"{e['at']} adds up results with their graphs, {counted_noun(e['times'], 'time')}, so that none of them can"
            f" be freed{f': {kept(e)}' if 'bytes' in e else ''}."
            if "at" in e
            else held_in_a_container(e)
        ),
        lambda e: "Add up loss.item() or loss.detach()." if "at" in e
        else "Keep loss.item() or loss.detach() in place of the result itself.",
    ),
    "retained-without-need": (
        lambda e: f"backward(retain_graph=True) keeps the graph of pass {e['pass']}, and no later pass goes through"
            f" it.",
        "Leave out retain_graph=True.",
    ),
    "created-without-need": (
        lambda e: "every pass makes a graph of its gradients (create_graph=True), and none goes back through it.",
        "Leave out create_graph=True.",
    ),
    # losses
    "silent-broadcast": (
        lambda e: f"{e['loss']} is given shapes {shape(e['shapes'][0])} and {shape(e['shapes'][1])}, which broadcast to"
        f" {shape(e['result'])}: each prediction is compared with every target"
        + (f"; so it is at {' and '.join(e['others'])}" if e["others"] else "")
        + (f". The dimension of one element comes from {e['made']}." if e["made"] else "."),
        lambda e: "Make both of one shape, as by squeeze(-1) or unsqueeze(-1)"
        + (", where the one is made that all these lines read." if e["others"] and e["made"] else "."),
    ),
    "probabilities-for-logits": (
        lambda e: f"{e['loss']} wants logits and applies its own"
            f" {e['own']}; it is given {e['made']}.",
        "Give it the result of the last layer, without an activation.",
    ),
    "softmax-of-other-rows": (
        lambda e: f"{e['at']} makes probabilities along dimension {e['dim']}, and {e['read_at']} picks the targets"
            f" along dimension {e['classes']}: what belongs to one row does not add up to 1.",
        lambda e: f"Give it dim={e['classes']}.",
    ),
    "attention-of-other-rows": (
        lambda e: f"{e['at']} makes weights along dimension {e['dim']}, and {e['read_at']} sums by them along dimension"
            f" {e['summed']}: the weights of one sum do not add up to 1.",
        "Give it dim=-1.",
    ),
    "mask-after-softmax": (
        lambda e: f"{e['at']} masks weights behind their softmax ({e['weights']}): what it takes away counted there,"
            " and the weights that stay do not add up to 1.",
        "Give scores that are masked, by −∞, to the softmax.",
    ),
    "softmax-twice": (lambda e: f"{e['at']} is given {e['made']}: the second flattens what the first returns.",
     "Leave out one of the two."),
    "log-softmax-twice": (lambda e: f"{e['loss']} applies its own log_softmax to {e['made']}.", "Leave out one, or"
        " use nll_loss."),
    "rectified-logits": (
        lambda e: f"{e['loss']} is given {e['made']}, where no logit can be below 0, and none that is 0 gets a"
            f" gradient.",
        "Leave out the activation after the last layer.",
    ),
    "no-log-before-nll": (
        lambda e: f"nll_loss wants logarithms of probabilities, and is given {e['made'] or 'numbers above 0'}.",
        "Use log_softmax before it, or cross_entropy in its place.",
    ),
    "no-log-before-kl": (
        lambda e: f"kl_div wants logarithms first, and is given {e['made'] or 'numbers'} with values up to"
            f" {short_number(e['largest'])}.",
        "Use log_softmax for the first argument.",
    ),
    "log-of-softmax": (lambda e: f"{e['at']} takes the logarithm of {e['made']}, which is −∞ where that rounds to 0.",
     "Use log_softmax."),
    "mean-over-padding": (
        lambda e: f"{e['at']} averages over rows of which {percent(e['share'])} are padding (index {e['padding']}).",
        "Multiply by the mask, and divide by the number of real tokens.",
    ),
    "loss-over-padding": (
        lambda e: f"{e['at']} counts {percent(e['share'])} of its targets that are padding (index {e['padding']}).",
        "Give ignore_index, or a mask.",
    ),
    # layers
    "evaluating-while-training": (
        lambda e: f"{'the model' if e['whole'] else 'a part of the model'} is in eval() mode while its parameters"
            f" are updated:"
        f" {len(e['modules'])} of {e['of']} dropout and batch norm layers ({few(e['modules'])}) do not train.",
        "Call model.train() before the training step.",
    ),
    "batch-of-one": (
        lambda e: f"{e['at']} normalises over {counted_noun(e['values'], 'value')} a channel"
            f" ({counted_noun(e['rows'], 'row')}).",
        "Use a larger batch, or layer norm or group norm.",
    ),
    "bias-before-norm": (
        lambda e: f"the bias of {in_module(e['made'], e['module'])} has no effect, since {e['at']} subtracts the mean.",
        "Give the layer bias=False.",
    ),
    "wasted-computation": (
        lambda e: f"{e['operations']} of {e['of']} operations with a graph lead to no loss, such as {e['at']}.",
        "Leave them out, or compute them under no_grad().",
    ),
    # of a history
    "found-in-history": (
        lambda e: f"at step {e['step']} the history has {', '.join(e['kinds'])}"
        + (f", which came after step {e['before']}." if e["before"] else "."),
        "Record steps around it whole, and diagnose that: with gad.record(model) as rec: …; print(rec.history) tells of"
        " all steps.",
    ),
    "loss-not-finite": (
        lambda e: f"the loss of step {e['step']} is {short_number(e['loss'])}.",
        "Record the step before it, and diagnose that.",
    ),
    "gradient-not-finite": (
        lambda e: f"at step {e['step']}, {so_many(e)} have gradients that are not finite.",
        "Record this step, and diagnose it: the graph says where it came up.",
    ),
    "weight-not-finite": (
        lambda e: f"at step {e['step']}, {so_many(e)} are not finite themselves.",
        "The step before has brought it: see its gradients.",
    ),
    "gradient-jumps": (
        lambda e: f"the gradient of step {e['step']} has norm {factor(e['gradient'])}, and {factor(e['usual'])} is"
        " usual.",
        "Look at the batch of this step, or clip gradients.",
    ),
    "loss-grew": (
        lambda e: f"the loss of step {e['step']} is {short_number(e['loss'])}, and was {short_number(e['first'])}"
        " at first.",
        "Use a smaller learning rate, and see whether the loss has the right sign.",
    ),
    "updates-too-large": (
        lambda e: f"step {e['step']} changes {so_many(e)} by about as much as they are.",
        "Use a smaller learning rate.",
    ),
    # between ranks
    "collectives-differ": (
        lambda e: f"call {e['number']} of group {e['group']!r} is to be one of all its ranks, and their calls"
        f" {DIFFERING[e['differing']]}: {who_calls_what(e['calls'])}.",
        lambda e: "Make the same calls on all ranks in the same order."
        if e["differing"] in ("operation", "order")
        else "Give the same on all ranks: torch does not check it, and the numbers are wrong, or it hangs.",
    ),
    "collective-missing": (
        lambda e: f"{where_it_ended(e)}; {goes_on(e['waiting'])} to call {e['number']} of group {e['group']!r},"
        f" {issued(e['call'])}, which waits for it.",
        lambda e: "Mend what ended it; the others only wait."
        if e["ended"]
        else "Make the call on all ranks of the group, or on none: also where a rank has no data, or leaves a loop"
        " early.",
    ),
    "message-unanswered": (
        lambda e: f"{counted_noun(e['count'], 'message')} from rank {e['sender']} to rank {e['receiver']}"
        f" {'has' if e['count'] == 1 else 'have'} no {e['missing']}:"
        f" rank {e['call']['rank']} calls {issued(e['call'])}.",
        "Call send and recv as often as each other, in the same order, with the same group and tag.",
    ),
    "rank-missing": (
        lambda e: f"of {e['of']} ranks that talk to each other {these_ranks(e['missing'])} left no record"
        + (
            f"; {these_ranks(e['waiting'])} ended waiting for others in {issued(e['call'])}."
            if e.get("call")
            else ", and nothing is known of it."
        ),
        "See how it ended; record(…, file=…) leaves a record that is read even after a process was killed.",
    ),
    "rank-ended-early": (
        lambda e: (f"{these_ranks(e['ended'])} end" if e["others"] else "the program end")
        + ("s" if len(e["ended"]) == 1 else "")
        + (f" after step {e['step']}" if e["step"] else " before the first step ended")
        + (f" ({e['step_source']})" if e["step_source"] else "")
        + (f", by {e['exception']}" if e["exception"] else "")
        + (": killed, or still running" if e["killed"] else "")
        + (f"; the last call is {issued(e['last'])}" if e["last"] else "")
        + came_to_the_end(e)
        + (f"; rank {e['waiting']['rank']} waited in {issued(e['waiting'])}." if e["waiting"] else "."),
        lambda e: "See whether it ran out of memory, or who sent it a signal."
        if e["killed"]
        else f"Mend what ended it{'; the others only wait' if e['others'] else ''}.",
    ),
    "parameters-not-equal": (
        lambda e: f"{so_many(e)} are not the same on {these_ranks(e['ranks'])}"
        + (f" after step {e['step']}" if e.get("step") else " at the start")
        + (
            ", although DistributedDataParallel holds them: they were changed after it was made."
            if e["wrapped"]
            else ", and the ranks train copies of one model."
        ),
        "Load and initialise before DistributedDataParallel is made, which gives all ranks the parameters of rank 0, or"
        " broadcast them.",
    ),
    "gradients-not-synchronised": (
        lambda e: ("steps read gradients of " if e["stepped"] else "the gradients of ") + so_many(e)
        + f" {'that ' if e['stepped'] else ''}are not the same on {these_ranks(e['ranks'])}"
        + (f" in step {e['step']}" if e.get("step") else "")
        + f": {WHY_APART[e['why']]}.",
        lambda e: {
            "outside": "Wrap one module that holds all parameters.",
            "not called": "Run the last backward pass before step() outside of no_sync(), and call the wrapped model"
            " itself, not model.module.",
        }.get(e["why"], "Average all gradients before step(), or wrap the model in DistributedDataParallel."),
    ),
    "unused-under-ddp": (
        lambda e: f"no gradient comes to {so_many(e)}, for which DistributedDataParallel waits"
        + (
            f": the gradients of {few(e['held_back'])} are not averaged either."
            if e["held_back"]
            else ", so that the next pass raises." if e["raised"] else "."
        ),
        "Use them in the loss on every rank, take them out, or give find_unused_parameters=True.",
    ),
    "not-finite-on-one-rank": (
        lambda e: f"what is not finite comes up on {these_ranks(e['ranks'])} alone, in pass {e['pass']}, in {e['at']}"
        f" ({e['kind']})"
        + (f", and reaches {these_ranks(e['reached'])} through the communication." if e["reached"] else "."),
        "Look at the data of this rank in this pass.",
    ),
    "ranks-diverge": (
        lambda e: f"of the same numbers, {e['at']} "
        + ("gives" if e["way"] == "forward" else "sends back")
        + f" another {'result' if e['way'] == 'forward' else 'gradient'} on rank {e['ranks'][0]} than"
        f" {'' if e['at'] == e['other'] else e['other'] + ' '}on rank {e['ranks'][1]}.",
        "Leave out what depends on the rank, unless it is meant.",
    ),
    "operations-differ": (
        lambda e: f"rank {e['ranks'][0]} goes on to {in_module(e['at'], e['modules'][0])} where rank {e['ranks'][1]}"
        f" goes on to {in_module(e['other'], e['modules'][1])}.",
        "Right if it is meant; parameters that only some ranks use need find_unused_parameters=True.",
    ),
    # errors
    "in-place-conflict": (
        lambda e: f"{e['needs']} keeps a value for its backward pass that "
        + (f"{' and '.join(e['writers'])} wrote over." if e["writers"] else "was written over."),
        lambda e: "Update parameters after backward(), as after step(); and where they are to get no gradient, as those"
        " of a teacher that is a moving average, compute with them under torch.no_grad()."
        if e.get("parameter")
        else "Write to a new tensor in place of the old one: x = x + 1, not x += 1.",
    ),
    "graph-of-earlier-step": (
        lambda e: f"a backward pass goes back into the step before: it needs what {e['needs']} kept, and"
        f" {' and '.join(e['writers'][:1])} has changed the parameters since"
        + (f"; {carries(e)}." if e["carrier"] else "."),
        "Detach what is carried over from step to step.",
    ),
    "backward-twice": (
        lambda e: "a backward pass goes through what "
        + (f"pass {e['freed_in_pass']}" if e["freed_in_pass"] else "an earlier pass")
        + " has freed"
        + (f": {carries(e)}." if e["carrier"] else "."),
        lambda e: "Detach it between the steps." if e["carrier"] else "Compute the result anew, or call the first"
            " backward(retain_graph=True).",
    ),
    "raised": (
        lambda e: f"the program raised {e['exception']}: {e['message'].splitlines()[0] if e['message'] else ''}",
        lambda e: f"The message names what it could not do{' at ' + e['line'] if e.get('line') else ''}; the call that"
        " led there stands in the traceback.",
    ),
}  # fmt: skip
KINDS = tuple(SENTENCES)
