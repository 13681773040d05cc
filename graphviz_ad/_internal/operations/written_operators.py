"""Operator of Python, by its node of the syntax tree -> the operation that it is on tensors."""

from __future__ import annotations

import ast
from collections.abc import Mapping

OPERATORS: Mapping[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow", ast.MatMult: "matmul",
    ast.USub: "neg", ast.FloorDiv: "floor_divide", ast.Mod: "remainder",
}  # fmt: skip
