"""A text is parsed though Python's parser refuses it once, as it does where another thread parses at that moment."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from graphviz_ad._internal.base.syntax_trees import syntax_tree


@pytest.mark.parametrize(("text", "mode"), [("x = 1", "exec"), ("x + 1", "eval")])
def test_a_text_that_is_refused_for_the_sake_of_another_thread_is_parsed_again(
    monkeypatch: pytest.MonkeyPatch, text: str, mode: Any
) -> None:
    refusals, parse = [1, 2], ast.parse

    def refusing(*args: Any, **kwargs: Any) -> Any:
        if refusals.pop() if refusals else False:
            raise SystemError("AST constructor recursion depth mismatch (before=30, after=25)")
        return parse(*args, **kwargs)

    monkeypatch.setattr(ast, "parse", refusing)
    assert ast.unparse(syntax_tree(text, mode)) == text


def test_a_text_that_is_none_of_a_program_is_refused() -> None:
    with pytest.raises(SyntaxError):
        syntax_tree("x +")
