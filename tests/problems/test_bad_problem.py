"""A mistake in problem.yaml ends a step in exit 2 and one sentence that names the file and the key."""

from __future__ import annotations

import pytest

from tests.checkout import Checkout
from tests.warm import Warm

FILE = "problems/noshow/problem.yaml"

# What is mistaken: the text that is replaced, by what, and what the sentence says after the file's name.
MISTAKES = {
    "unknown key": ("title:", "titel: x\ntitle:", "titel is not a key that is known here"),
    "unknown nested key": (
        "seed: 7, start",
        "seeds: 7, seed: 7, start",
        "source.seeds is not a key that is known here",
    ),
    "missing key": ("who: patient_id\n", "", "who is missing; add it"),
    "text for a number": ("patients: 600", "patients: many", "source.patients is 'many'; want a whole number"),
    "a fraction for a number": ("patients: 600", "patients: 1.5", "source.patients is 1.5; want"),
    "a number out of range": ("patients: 600", "patients: -5", "source.patients is -5; want a number above 0"),
    "a list for text": ("title: Will", "title: [Will]\nmodel_: Will", "title is ['Will']; want text"),
    "a share above one": ("{at_most: 0.5%", "{at_most: 150%", "want a number of at most 1"),
    "a share that is no number": ("{at_most: 0.5%", "{at_most: .nan", "validate.quarantine.at_most is nan; want"),
    "unknown source": ("kind: simulate, patients", "kind: guess, patients", "source is"),
    "unknown moment": ("moment: day_before", "moment: day_after", "when.moment is 'day_after'; want"),
    "unknown type": ("from: Age, type: integer", "from: Age, type: whole", "columns.age.type is 'whole'; want"),
    "bounds reversed": (
        "between: [0, 120]",
        "between: [120, 0]",
        "between is [120.0, 0.0]; want the lower bound first",
    ),
    "bounds for text": (
        "type: category, in: [F, M]",
        "type: category, between: [0, 1]",
        "between is for integer and number",
    ),
    "a set for a number": ("type: integer, between: [0, 120]", "type: integer, in: [a]", "'in' is for a category"),
    "a value twice in a set": ("in: [F, M]", "in: [F, M, F]", "columns.sex: 'in' lists 'F' twice; want each"),
    "a day that may be missing": (
        "from: ScheduledDay, type: timestamp",
        "from: ScheduledDay, type: timestamp, missing: keep",
        "columns.scheduled_day: missing is keep, and the type is timestamp; a missing day is no number, want refuse",
    ),
    "an outcome that may be missing": (
        "type: flag, known: afterwards",
        "type: flag, known: afterwards, missing: keep",
        "columns.no_show.missing is keep, and outcome.column needs a value in every row; want refuse",
    ),
    "whose history may be missing": (
        "from: Neighbourhood, type: category",
        "from: Neighbourhood, type: category, missing: keep",
        "columns.neighbourhood.missing is keep, and features.history.area needs a value in every row; want refuse",
    ),
    "an impossible split": ("test: 28%", "test: 48%", "fit, calibrate and test add up to 1.2; want 1 (100%)"),
    "an empty slice": ("fit: 55%, calibrate: 17%", "fit: 72%, calibrate: 0%", "calibrate is 0; want a share above 0"),
    "a rule on no column": (
        "column: appointment_day, at_most",
        "column: appointment_date, at_most",
        "validate.rules.far-future.column names the column 'appointment_date'",
    ),
    "a rule against no column": ("at_least: scheduled_day", "at_least: booked", "names the column 'booked'"),
    "two rules of one id": ("id: far-future", "id: booked-before", "two rules have the id booked-before"),
    "a rule that misfits": (
        "column: appointment_day, at_most: 2035-12-31",
        "column: sex, at_most: 3",
        "far-future bounds sex",
    ),
    "a split by no column": ("split: {by: appointment_day", "split: {by: day", "split.by names the column 'day'"),
    "a promotion by no metric": (
        "must: not_worse",
        "must: improve, by: 0.02, metric: accuracies",
        "register.metric is 'accuracies'; want",
    ),
    "an improvement by nothing": ("must: not_worse", "must: improve", "must is improve, and by is missing"),
    "an improvement by a part": ("must: not_worse", "must: improve, by: 2%", "by is '2%', which may mean points or"),
    "one raw column twice": ("from: Gender", "from: Age", "two columns come from 'Age'"),
    "a key twice": ("who: patient_id\n", "who: patient_id\nwho: age\n", "the key 'who' stands twice"),
    "not YAML": ("title: Will", "title: [Will", "is not readable YAML"),
    "a tab": ("title:", "\ttitle:", "is not readable YAML"),
    "a Python object": ("title: Will", "title: !!python/object:os.system {}\nx: Will", "is not readable YAML"),
    "a day that is none": ("start: 2026-01-05", "start: 2026-02-30", "is not readable YAML"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_named(checkout: Checkout, warm: Warm, case: str) -> None:
    old, new, said = MISTAKES[case]
    checkout.change(FILE, old, new)
    ended = warm.run(checkout, "ingest")
    lines = ended.text.splitlines()
    assert ended.code == 2, ended.text
    assert any(line.startswith(f"ingest: {FILE}") and said in line for line in lines), ended.text
    assert all(FILE in line and line.endswith(".") for line in lines), ended.text
    assert not checkout.store.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds NoneType; want keys such as title, source and columns"),
        (b"# nothing\n", "holds NoneType; want keys"),
        (b"- a\n- b\n", "holds list; want keys"),
        (b"title\n", "holds str; want keys"),
        (b"title: caf\xe9\n", "is not readable YAML"),
        (b"title: a\n---\ntitle: b\n", "is not readable YAML"),
        (b"? [a, b]\n: c\n", "is not readable YAML"),
        (b"title: \x00\n", "is not readable YAML"),
    ],
)
def test_a_file_that_is_no_problem(checkout: Checkout, warm: Warm, content: bytes, said: str) -> None:
    (checkout.root / FILE).write_bytes(content)
    sentence = warm.run(checkout, "ingest").sentence(2)
    assert sentence.startswith(f"ingest: {FILE}")
    assert said in sentence


@pytest.mark.parametrize("name", ["heart", "", ".", "../noshow", "noshow/", "NOSHOW"])
def test_a_problem_that_is_not_there(checkout: Checkout, name: str) -> None:
    ended = checkout.run("ingest", "a", "--problem", name)
    assert ended.sentence(2) == f"ingest: there is no problem '{name}' in problems/ (found: noshow)."
