"""Code of a function, and of those that stand in it -> the variables that hold one thing all the time."""

from __future__ import annotations

import dis
from collections import Counter
from functools import lru_cache
from types import CodeType

from graphviz_ad._internal.tracing.naming.written_statements import loops_of

CHANGES = ("STORE_", "DELETE_")


@lru_cache(maxsize=256)
def at_rest(codes: tuple[CodeType, ...]) -> frozenset[str]:
    """The variables that nothing is put into more than once, and not in a loop; by name, so that of two variables of
    one name neither is among them that is set in both functions.
    """
    often: Counter[str] = Counter()
    names: set[str] = set()
    for code in codes:
        names |= {*code.co_varnames, *code.co_cellvars, *code.co_freevars}
        for step in dis.get_instructions(code):
            if CHANGES[0] in step.opname or CHANGES[1] in step.opname:
                in_loop = any(start <= step.offset <= end for start, end in loops_of(code))
                variables = step.argval if isinstance(step.argval, tuple) else (step.argval,)
                often.update({str(name): 2 if in_loop else 1 for name in variables})
    return frozenset(name for name in names if often[name] <= 1)
