"""For tests of models: assertions that say what is wrong, and where.

>>> from graphviz_ad.testing import assert_gradients_reach, assert_healthy
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from graphviz_ad._internal.api.api import trace
from graphviz_ad._internal.base.text_table import counted_noun
from graphviz_ad._internal.diagnosis.diagnosis import diagnose

__all__ = ["assert_gradients_reach", "assert_healthy"]
MOST_NAMED = 8
BUDGET = 2000  # tokens of what a failing test shows


def assert_healthy(model: Any, batch: Any, *, loss: Callable[[Any], Any] | None = None, strict: bool = True) -> None:
    """Fail with a diagnosis if a forward and backward pass of the model shows something wrong; no ``.grad`` is written.

    ``batch`` is what the model is called with: a tuple of arguments, a mapping of named ones, or one argument.
    ``loss`` makes a number of what the model returns; without it, gradients start from an output called "loss", or
    else from all outputs. Parameters in a plain list, which ``parameters()`` does not have, fail as well. Without
    ``strict``, warnings are let pass, and only errors fail.
    """
    args = tuple(batch) if isinstance(batch, tuple | list) else () if isinstance(batch, Mapping) else (batch,)
    kwargs = dict(batch) if isinstance(batch, Mapping) else {}

    def step(*inputs: Any, **named: Any) -> Any:
        result = model(*inputs, **named)
        return result if loss is None else loss(result)

    target = model if loss is None else step
    with hidden_from(model) as hidden:
        found = diagnose(trace(target, *args, **kwargs), BUDGET)
    severe = ("error", "warning") if strict else ("error",)
    said = [str(found)] if any(one.severity in severe for one in found.findings) else []
    if hidden and strict:
        named = ", ".join([*hidden][:MOST_NAMED]) + (" …" if len(hidden) > MOST_NAMED else "")
        said.append(
            f"{type(model).__name__} computes with {counted_noun(len(hidden), 'parameter')} that its parameters() do"
            f" not list: {named}. No optimizer that is given those trains these. Hold them in nn.ModuleList,"
            " nn.ModuleDict or nn.ParameterList."
        )
    if said:
        raise AssertionError("\n".join(said))


@contextmanager
def hidden_from(model: Any) -> Iterator[dict[str, None]]:
    """The parameters that a model turns out to compute with while it runs here, and does not list."""
    hidden: dict[str, None] = {}
    if not callable(getattr(model, "register_forward_hook", None)):
        yield hidden
        return
    read = import_module("graphviz_ad._internal.tracing.reached").hidden_parameters
    handle = model.register_forward_hook(lambda module, _, result: hidden.update(dict.fromkeys(read(result, module))))
    try:
        yield hidden
    finally:
        handle.remove()


def assert_gradients_reach(loss: Any, model: Any, *, but: Collection[str] = ()) -> None:
    """Fail if there are parameters that require grad and that the backward pass of ``loss`` would not come to.

    The graph of autograd is read, and nothing is run. ``but`` names parameters that are not meant to be reached, or
    modules: "head" stands for "head.weight", too.
    """
    unreached, count = import_module("graphviz_ad._internal.tracing.reached").unreached_parameters(loss, model)
    left = [name for name in unreached if not any(name == one or name.startswith(f"{one}.") for one in but)]
    if left:
        more = f" and {len(left) - MOST_NAMED} more" if len(left) > MOST_NAMED else ""
        raise AssertionError(
            f"no gradient would come to {len(left)} of {count} parameters: {', '.join(left[:MOST_NAMED])}{more}."
            " Record the step to see where they are cut off: with graphviz_ad.record(model) as rec, then"
            " print(rec.graph.diagnose())."
        )
