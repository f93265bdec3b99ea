"""What is wrong in a problem's own code: the line, its text, and what to use instead.

Such code runs on no patient's values (on zeros, on expressions, or when it is imported), so nothing is withheld.
"""

from __future__ import annotations

import ast
import traceback
from collections.abc import Iterator
from pathlib import Path

ALL = "flag, where, minimum, maximum, divide, log1p"
USE = {
    "if": "op.where(condition, then, otherwise) in place of 'if'",
    "and": "op.flag(a) * op.flag(b) in place of 'a and b'",
    "or": "op.maximum(op.flag(a), op.flag(b)) in place of 'a or b'",
    "not": "1 - op.flag(a) in place of 'not a'",
    "chain": "op.flag(a < b) * op.flag(b < c) in place of 'a < b < c'",
    "min": "op.minimum(a, b) in place of min",
    "max": "op.maximum(a, b) in place of max",
    "int": "op.flag(condition), or the number // 1, in place of int",
    "bool": "op.flag(condition) in place of bool",
    "float": "the number itself in place of float: it has 64 bits",
    "round": "(number + 0.5) // 1 in place of round",
    "log": "op.log1p(number) in place of a logarithm",
    "index": "op.where for each case in place of looking a value up",
    "divide": "op.divide(a, b), which gives 0 where there is no quotient, in place of '/'",
}


def describe(error: Exception, path: str, shown: str) -> str:
    """`problems/x/features.py line 7 ('if row.age > 60:'): TypeError: ... Use op.where(...) in place of 'if'.`"""
    line, text = _place(error, path)
    at = f"{shown} line {line} ('{text}')" if line else shown
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    # polars explains at length what to do in code of its own, from the second line or sentence on
    message = message.strip().partition("\n")[0].partition(". ")[0].partition("; ")[0].rstrip(".")
    return f"{at}: {type(error).__name__}: {message}. {_advice(error, path, line)}"


def _place(error: Exception, path: str) -> tuple[int, str]:
    """The number and the text of the line; 0 where it is not in this file."""
    if isinstance(error, SyntaxError) and error.lineno:
        return error.lineno, (error.text or "").strip()
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return (frames[-1].lineno or 0, (frames[-1].line or "").strip()) if frames else (0, "")


def _advice(error: Exception, path: str, line: int) -> str:
    if isinstance(error, SyntaxError | ImportError | NameError):
        return "Correct it and run again."
    if isinstance(error, ZeroDivisionError):
        return f"Use {USE['divide']}."
    if isinstance(error, AttributeError) and getattr(error.obj, "__name__", "") in {"Numbers", "Columns"}:
        return f"op has {ALL}; docs/features.md explains them."
    kinds = [kind for kind in dict.fromkeys(_kinds(path, line)) if kind in USE]
    if kinds and isinstance(error, TypeError):
        return f"Use {'; '.join(USE[kind] for kind in kinds)}."
    return f"A definition may use row's names, + - * // %, comparisons, and op: {ALL}. See docs/features.md."


def _kinds(path: str, line: int) -> Iterator[str]:
    """The constructs on that line that cannot be computed for a whole table."""
    try:
        tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return
    for node in ast.walk(tree):
        part = node.test if isinstance(node, ast.If | ast.IfExp | ast.While) else node
        if not isinstance(part, ast.expr) or not part.lineno <= line <= (part.end_lineno or 0):
            continue
        match node:
            case ast.If() | ast.IfExp() | ast.While():
                yield "if"
            case ast.BoolOp():
                yield "and" if isinstance(node.op, ast.And) else "or"
            case ast.UnaryOp(op=ast.Not()):
                yield "not"
            case ast.Compare() if len(node.ops) > 1:
                yield "chain"
            case ast.Call(func=ast.Name(id=name)) if name in USE:
                yield name
            case ast.Call(func=ast.Attribute(attr="log" | "log1p" | "log2" | "log10", value=ast.Name(id="math"))):
                yield "log"
            case ast.Subscript():
                yield "index"
