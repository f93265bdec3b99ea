"""Mistakes in a features.py: the line, its text, and what to use instead."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rounds.definition import Definition
from rounds.errors import Refused
from rounds.tables import build_features
from tests.checkout import ROOT, Checkout
from tests.rounds.test_definition import sections
from tests.warm import Warm

FEATURES = "problems/noshow/features.py"
EMPTY = pl.DataFrame(
    schema={
        **{"who": pl.String, "place": pl.String, "kind": pl.String, "booked": pl.Datetime("us"), "day": pl.Date},
        **{"weight": pl.Float64, "height": pl.Float64, "count": pl.Int64, "small": pl.Int64, "called": pl.Int64},
        **{"billed": pl.Float64, "missed": pl.Int64},
    }
)


def definition(folder: Path, *lines: str) -> Definition:
    """What a newcomer wrote, as a file of its own."""
    path = folder / "features.py"
    path.write_text("def features(row, op, moment):\n" + "".join(f"    {line}\n" for line in lines), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("written", path)
    assert spec is not None and spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Definition(sections(), module.features)


# What was written, and what the refusal names beside its line and text.
MISTAKES = {
    "if row.small > 60: pass": "op.where(condition, then, otherwise) in place of 'if'",
    "x = 1 if row.small > 60 else 0": "op.where(condition, then, otherwise) in place of 'if'",
    "x = row.small > 60 and row.called > 0": "op.flag(a) * op.flag(b) in place of 'a and b'",
    "x = row.small > 60 or row.called > 0": "op.maximum(op.flag(a), op.flag(b)) in place of 'a or b'",
    "x = not row.called": "1 - op.flag(a) in place of 'not a'",
    "x = 18 < row.small < 60": "op.flag(a < b) * op.flag(b < c) in place of 'a < b < c'",
    "x = min(row.small, row.count)": "op.minimum(a, b) in place of min",
    "x = int(row.weight)": "in place of int",
    "x = __import__('math').log(row.weight + 1)": "a definition may use row's names".capitalize(),
    "import math; x = math.log(row.weight + 1)": "op.log1p(number) in place of a logarithm",
    "x = [1, 2, 3][row.kind]": "op.where for each case in place of looking a value up",
    "x = row.weight / row.height": "op.divide(a, b), which gives 0 where there is no quotient",
    "x = op.sqrt(row.weight)": "op has flag, where, minimum, maximum, divide, log1p",
    "x = rwo.weight": "NameError: name 'rwo' is not defined. Correct it and run again",
    "x = row.weight.round()": "A definition may use row's names",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_told_with_its_line_and_what_to_use(tmp_path: Path, line: str) -> None:
    with pytest.raises(Refused) as refused:
        build_features(EMPTY, definition(tmp_path, "y = row.count", line, "return {'x': row.count}"))
    said = str(refused.value)
    assert said.startswith(f"features.py line 3 ('{line}'): ")
    assert MISTAKES[line] in said


def test_the_sentence_is_that_of_the_page(tmp_path: Path) -> None:
    """What polars advises is left out, for it is about code of its own."""
    page = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
    shown = " ".join(page.rpartition("features: ")[2].split())
    example = shown.replace("row.age", "row.small").replace("line 7", "line 2")
    line = example.partition("('")[2].partition("')")[0]
    with pytest.raises(Refused) as refused:
        build_features(EMPTY, definition(tmp_path, line, "return {'x': x}"))
    assert str(refused.value) == example


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("return [row.small]", "features.py gives list; want a dict of features by their names"),
        ("x = {'x': row.small}", "features.py gives NoneType; want a dict"),
        ("return {'x': 'old'}", "features.py gives str for the feature 'x'; want a number"),
        ("return {'x': None}", "features.py gives NoneType for the feature 'x'; want a number"),
    ],
)
def test_what_is_no_feature_is_refused(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(Refused, match=said.replace("(", r"\(")):
        build_features(EMPTY, definition(tmp_path, line))


def test_a_step_ends_in_one_sentence_that_names_the_line(checkout: Checkout, warm: Warm) -> None:
    for step in ("ingest", "validate"):
        assert warm.run(checkout, step).well
    old = '        "sex": row.sex,'
    checkout.change(FEATURES, old, '        "sex": 1 if row.sex else 0,')
    said = warm.run(checkout, "features").sentence(2)
    assert "1 if row.sex else 0" in said and "op.where" in said and "withheld" not in said

    checkout.change(FEATURES, "1 if row.sex else 0", "1 if row.sex else")
    said = warm.run(checkout, "features").sentence(2)
    assert FEATURES in said and " line " in said and "withheld" not in said

    checkout.change(FEATURES, '"sex": 1 if row.sex else,', '"sex": row.sex,')
    checkout.change(FEATURES, "BASE_RATE = 0.2", "BASE_RATE = RATE")
    said = warm.run(checkout, "features").sentence(2)
    assert f"{FEATURES} line" in said and "'RATE' is not defined" in said
