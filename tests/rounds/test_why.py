"""The reason for a run names what changed, from what, to what."""

from __future__ import annotations

from typing import Any

from rounds.manifest import Circumstances, Content, Ingredients, Manifest
from rounds.why import differences, reasons

BASE: dict[str, Any] = {
    "code": {"jobs/a.py": "1" * 64},
    "knobs": {"source": {"seed": 7}, "validate": {"rules": [{"id": "low", "at_least": 1}, {"id": "high"}]}},
    "packages": {"polars": "2.1.0"},
    "inputs": {"ingest": "2" * 64},
    "also": {"source": {"sha256": "3" * 64}},
}


def read(**changed: Any) -> Ingredients:
    return Ingredients(**{**BASE, **changed})


def manifest(ingredients: Ingredients) -> Manifest:
    circumstances = Circumstances(
        why=(), same_as=None, read=ingredients, places={}, started="", seconds=0, machine="", python=""
    )
    content = Content(verdict="done", files={}, facts={})
    return Manifest(problem="p", run="a", step="s", content=content, circumstances=circumstances)


def told(**changed: Any) -> list[str]:
    return list(differences(read(), read(**changed)))


def test_equal_ingredients_differ_in_nothing() -> None:
    assert told() == []


def test_a_knob_is_named_with_both_values() -> None:
    assert told(knobs={**BASE["knobs"], "source": {"seed": 8}}) == ["problem.yaml source.seed 7 -> 8"]


def test_a_knob_that_comes_or_goes() -> None:
    assert told(knobs={**BASE["knobs"], "source": {"seed": 7, "weeks": 3}}) == ["problem.yaml source.weeks (none) -> 3"]
    assert told(knobs={**BASE["knobs"], "source": {}}) == ["problem.yaml source.seed 7 -> (none)"]


def test_a_rule_is_called_by_its_id() -> None:
    rules = [{"id": "low", "at_least": 2}, {"id": "high"}]
    assert told(knobs={**BASE["knobs"], "validate": {"rules": rules}}) == [
        "problem.yaml validate.rules.low.at_least 1 -> 2"
    ]


def test_a_digest_is_cut_short() -> None:
    assert told(also={"source": {"sha256": "4" * 64}}) == [f"source.sha256 {'3' * 12} -> {'4' * 12}"]


def test_code_packages_and_inputs() -> None:
    assert told(code={"jobs/a.py": "4" * 64}) == ["code jobs/a.py changed"]
    assert told(code={"jobs/b.py": "1" * 64}) == ["code jobs/a.py is gone", "code jobs/b.py is new"]
    assert told(packages={"polars": "2.2.0"}) == ["package polars 2.1.0 -> 2.2.0"]
    assert told(inputs={"ingest": "5" * 64}) == ["what 'ingest' wrote changed"]


def test_reasons_in_order_of_what_they_tell() -> None:
    last = manifest(read())
    assert reasons(read(), last, damaged=["x"], forced=True) == ("asked for with --force",)
    assert reasons(read(), None, damaged=[], forced=False) == ("the first run",)
    assert reasons(read(packages={}), last, damaged=["x"], forced=False) == ("package polars 2.1.0 -> (none)",)
    assert reasons(read(), last, damaged=["x", "y"], forced=False) == ("of run a, x and y is gone or altered",)
    assert "was refused, is not signed, or is not on record" in reasons(read(), last, damaged=[], forced=False)[0]
