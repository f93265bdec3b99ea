"""The report names the feature that knows the outcome, and the slice in which it does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from jobs.champions.gain import Judged, Part, explain
from rounds.bundle import Bundle


def judged(names: tuple[str, ...], matrix: Any) -> Judged:
    """A model that adds its features up."""

    def score(rows: Any) -> Any:
        return rows.sum(axis=1)

    model = cast(Bundle, SimpleNamespace(features=names, raw=score))
    return Judged(model, matrix, score(matrix))


def test_a_leak_in_one_slice_is_named() -> None:
    draw = np.random.default_rng(1)
    outcome = (draw.random(4000) < 0.3).astype(np.int64)
    honest = (outcome + draw.normal(size=(4000, 2)).T).T
    here = draw.random(4000) < 0.2
    leak = np.where(here, 6.0 * outcome, 0.0)
    champion = judged(("age", "visits"), honest)
    challenger = judged(("age", "visits", "reminder"), np.column_stack([honest, leak]))
    parts = [Part("site", "north", here), Part("site", "south", ~here), Part("site", "tiny", np.arange(4000) < 5)]
    found = explain(challenger, champion, outcome, parts, seed=1)
    first = found["features"][0]
    assert (first["feature"], first["new"]) == ("reminder", True) and first["gain"] > 0.02
    assert [each["part"] for each in found["slices"]] == ["north", "south"]
    assert found["slices"][0]["gain"] > 0.1 > abs(found["slices"][1]["gain"])
    assert explain(challenger, champion, outcome, parts, seed=1) == found
