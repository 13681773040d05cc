"""Text of a program -> its syntax tree, in whatever threads.

In some versions of Python the parser counts how deep it is for all threads together, so that one that parses beside
another may be refused for no fault of its text.
"""

from __future__ import annotations

import ast
from typing import Literal, overload

ATTEMPTS = 8


@overload
def syntax_tree(text: str, mode: Literal["exec"] = "exec") -> ast.Module: ...
@overload
def syntax_tree(text: str, mode: Literal["eval"]) -> ast.Expression: ...
def syntax_tree(text: str, mode: Literal["exec", "eval"] = "exec") -> ast.AST:
    """The tree; raises as `ast.parse` does where the text is at fault."""
    for _ in range(ATTEMPTS):
        try:
            return ast.parse(text, mode=mode)
        except SystemError:  # another thread parses
            continue
    return ast.parse(text, mode=mode)
