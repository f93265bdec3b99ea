"""The code that a step runs: the modules of this project, by what they mean, and the packages, by version."""

from __future__ import annotations

import ast
import hashlib
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rounds import mistakes
from rounds.errors import Refused

ROOMS = ("jobs", "problems", "rounds")


def digests(modules: list[str], root: Path) -> dict[str, str]:
    """Path and digest of the given modules and of all that they import from this project's own rooms."""
    found: dict[str, str] = {}
    waiting, asked = set(modules), set[str]()
    while waiting:
        asked.add(name := waiting.pop())
        path = _file(name, root)
        if path is None or (shown := path.relative_to(root).as_posix()) in found:
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"), filename=shown)
        except SyntaxError as error:
            raise Refused(mistakes.describe(error, shown, shown)) from error
        found[shown] = meaning(tree)
        waiting |= set(_imported(tree)) - asked
    return dict(sorted(found.items()))


def packages() -> dict[str, str]:
    """What is installed where this step runs, read off the folder names: each step's environment holds its own."""
    folder = Path(sysconfig.get_path("purelib"))
    names = (path.name.removesuffix(".dist-info").rsplit("-", 1) for path in folder.glob("*.dist-info"))
    return {name: number for name, number in sorted(names) if name not in {"rounds", "pip", "uv"}}


def meaning(tree: ast.AST) -> str:
    """A digest of what Python would run: comments, docstrings and layout do not count, every name and value does."""
    said: list[str] = []

    def walk(node: Any) -> None:
        if isinstance(node, ast.AST):
            said.append(f"({type(node).__name__}")
            for field in node._fields:
                value = getattr(node, field, None)
                if field == "body" and isinstance(value, list):
                    value = [part for i, part in enumerate(value) if not (i == 0 and _is_docstring(node, part))]
                if value is not None and value != []:  # Python 3.12 added empty fields that 3.11 has not
                    said.append(field)
                    walk(value)
            said.append(")")
        elif isinstance(node, list):
            for part in node:
                walk(part)
        else:
            said.append(f"{node!r},")

    walk(tree)
    return hashlib.sha256("".join(said).encode()).hexdigest()


def _is_docstring(node: ast.AST, part: ast.AST) -> bool:
    return (
        isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and isinstance(part, ast.Expr)
        and isinstance(part.value, ast.Constant)
        and isinstance(part.value.value, str)
    )


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [
                node.module,
                *(f"{node.module}.{alias.name}" for alias in node.names),
            ]
        else:
            continue
        for name in names:
            if name.split(".")[0] in ROOMS:
                parts = name.split(".")
                yield from (".".join(parts[: i + 1]) for i in range(len(parts)))


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """An import is never part of an expression, and `ast.walk` takes most of its time for those."""
    waiting = [tree]
    while waiting:
        yield (node := waiting.pop())
        for field in ("body", "orelse", "handlers", "cases", "finalbody"):
            waiting.extend(getattr(node, field, ()))


def _file(module: str, root: Path) -> Path | None:
    path = root.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None
