"""Find, check and freeze one problem: `problem("noshow")`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from rounds import mistakes
from rounds.errors import Refused
from rounds.knobs import Problem

HERE = Path(__file__).resolve().parent


def names() -> list[str]:
    """Every folder here that describes a problem."""
    return sorted(path.parent.name for path in HERE.glob("*/problem.yaml"))


def problem(name: str) -> Problem:
    """The problem of that name, checked whole; what is wrong in its file is said by key."""
    if name not in names():
        raise Refused(f"there is no problem '{name}' in problems/ (found: {', '.join(names()) or 'none'}).")
    path = HERE / name / "problem.yaml"
    shown = f"problems/{name}/problem.yaml"
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (yaml.YAMLError, ValueError) as error:  # a day such as 2026-02-30 is a ValueError
        raise Refused(f"{shown} is not readable YAML: {_one_line(error)}. Mend it and run again.") from error
    if not isinstance(raw, dict):
        raise Refused(f"{shown} holds {type(raw).__name__}; want keys such as title, source and columns.")
    if "name" in raw:
        raise Refused(f"{shown}: name is the folder's own name; remove the key.")
    try:
        return Problem.model_validate({**raw, "name": name})
    except ValidationError as error:
        raise Refused("\n".join(f"{shown}: {_sentence(fault)}" for fault in error.errors())) from error


def definition(name: str, module: str) -> Any:
    """The problem's own module: `definition("noshow", "features")`."""
    path = HERE / name / f"{module}.py"
    shown = f"problems/{name}/{module}.py"
    if not path.is_file():
        raise Refused(f"there is no {shown}. Write it, or copy that of another problem.")
    try:
        return importlib.import_module(f"problems.{name}.{module}")
    except Exception as error:
        raise Refused(mistakes.describe(error, str(path), shown)) from error


class _Loader(yaml.SafeLoader):
    """YAML as people mean it: `Yes` and `No` are words, a key is text, and a key twice is a mistake."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        texts = [key.value for key in keys]
        doubled = sorted({text for text in texts if texts.count(text) > 1})
        if doubled:
            fault = f"the key '{doubled[0]}' stands twice; keep one"
            raise yaml.constructor.ConstructorError(None, None, fault, node.start_mark)
        for key in keys:
            key.tag = "tag:yaml.org,2002:str"
        return super().construct_mapping(node, deep=True)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if tag != "tag:yaml.org,2002:bool" or first in "tTfF"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).replace('in "<unicode string>", ', "").split())


# pydantic's kinds of fault, in the words of whoever wrote the file.
_WANTED: dict[str, Callable[[dict[str, Any]], str]] = {
    "missing": lambda _: "is missing; add it",
    "extra_forbidden": lambda _: "is not a key that is known here; correct its spelling or remove it",
    "greater_than": lambda context: f"want a number above {context['gt']}",
    "greater_than_equal": lambda context: f"want a number of at least {context['ge']}",
    "less_than_equal": lambda context: f"want a number of at most {context['le']}",
    "literal_error": lambda context: f"want {context['expected']}",
    "union_tag_invalid": lambda context: f"want kind {context['expected_tags']}",
    "int_parsing": lambda _: "want a whole number",
    "int_type": lambda _: "want a whole number",
    "float_parsing": lambda _: "want a number",
    "string_type": lambda _: "want text",
    "string_pattern_mismatch": lambda context: f"want text of the form {context['pattern']}",
}


def _sentence(fault: Any) -> str:
    """`train.trees is -5; want a number above 0.`"""
    unions = {"simulate", "file", "https", "s3", "dvc", "journal"}
    where = ".".join(str(part) for i, part in enumerate(fault["loc"]) if not (i == 1 and part in unions))
    if fault["type"] == "value_error":
        return f"{where + ': ' if where else ''}{fault['ctx']['error']}."
    describe = _WANTED.get(fault["type"])
    wanted = describe(fault.get("ctx", {})) if describe else fault["msg"].replace("Input should be", "want")
    if fault["type"] in {"missing", "extra_forbidden"}:
        return f"{where} {wanted}."
    return f"{where} is {fault['input']!r}; {wanted}."
