"""A bundle comes back whole or not at all, and answers as it did."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from jobs.train import Knobs, fit
from rounds.bundle import Bundle, load
from rounds.errors import Refused
from rounds.files import Writer
from rounds.matrix import matrix
from tests.clinic import DEFINITION, FEATURES, appointments, knobs

TABLE = appointments()
ROWS = matrix(TABLE, FEATURES)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return fit(TABLE, knobs(Knobs), DEFINITION, "clinic")[0]


@pytest.fixture
def saved(bundle: Bundle, tmp_path: Path) -> Path:
    bundle.save(Writer(tmp_path))
    return tmp_path / "out"


@pytest.mark.data_safety
def test_what_is_loaded_is_what_was_saved(bundle: Bundle, saved: Path) -> None:
    loaded = load(saved.joinpath)
    assert loaded == bundle and loaded.digest == bundle.digest
    assert np.array_equal(loaded.score(ROWS), bundle.score(ROWS))


def test_scores_are_probabilities_that_rank_as_the_margins(bundle: Bundle) -> None:
    scores, order = bundle.score(ROWS), np.argsort(bundle.raw(ROWS), kind="stable")
    assert scores.dtype == np.float64 and np.all((scores > 0) & (scores < 1))
    assert np.all(np.diff(scores[order]) >= 0)


@pytest.mark.data_safety
@pytest.mark.parametrize("name", ["model.ubj", "features.py", "bundle.json"])
def test_an_altered_file_is_named(saved: Path, name: str) -> None:
    file = saved / name
    text = file.read_bytes()
    file.write_bytes(text.replace(b'"capacity": 0.1', b'"capacity": 0.2') if name == "bundle.json" else text + b" ")
    with pytest.raises(Refused, match=name):
        load(saved.joinpath)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "bundle.json is of format 2; this release reads format 1.* leave it as it is, and upgrade"),
        ({"format": "1"}, "has no format number"),
        ({"scaling": {"age": 2}}, "has scaling, which this release does not know.* upgrade"),
        ({"calibrator": {"kind": "beta"}}, "a calibrator of kind 'beta'; this release knows platt and isotonic"),
        ({"family": "lightgbm"}, "is of family 'lightgbm'"),
        ({"knobs": {"capacity": 0.5}}, r"bundle.json was altered"),
    ],
)
def test_what_another_release_wrote_is_refused_by_name(saved: Path, change: dict[str, object], words: str) -> None:
    found = json.loads((saved / "bundle.json").read_text())
    (saved / "bundle.json").write_text(json.dumps({**found, **change}))
    with pytest.raises(Refused, match=words):
        load(saved.joinpath)


def test_the_digest_covers_every_field(bundle: Bundle, saved: Path) -> None:
    described = bundle._description()
    assert {*described, "digest", "files"} == set(json.loads((saved / "bundle.json").read_text()))
    kept = {field.name for field in dataclasses.fields(Bundle)} - {"model", "definition"}
    assert set(described) == kept | {"format"}


@pytest.mark.parametrize("key", ["calibrator", "features", "reference", "thresholds"])
def test_what_a_bundle_lacks_is_named(saved: Path, key: str) -> None:
    found = json.loads((saved / "bundle.json").read_text())
    del found[key]
    (saved / "bundle.json").write_text(json.dumps(found))
    with pytest.raises(Refused, match=f"lacks {key}. Run 'train' again"):
        load(saved.joinpath)


def test_a_matrix_of_another_width_is_refused(bundle: Bundle) -> None:
    with pytest.raises(Refused, match="this bundle wants 4 columns"):
        bundle.score(ROWS[:, :3])


def test_the_digest_is_of_what_the_bundle_answers_with(bundle: Bundle) -> None:
    commented = dataclasses.replace(bundle, definition=bundle.definition + "# more words\n")
    changed = dataclasses.replace(bundle, definition=bundle.definition.replace("lead_days}", "lead_days + 1}"))
    other = dataclasses.replace(bundle, thresholds={"capacity": 0.5})
    assert commented.digest == bundle.digest
    assert len({bundle.digest, changed.digest, other.digest}) == 3


def test_the_definition_that_was_shipped_is_the_one_that_answers(bundle: Bundle) -> None:
    shipped = bundle.rebuild()
    assert shipped.names == ("lead_days",)
    assert shipped.moment == "day_before" and shipped.outcome == "missed"
