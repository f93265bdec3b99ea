"""Every kind of leak of docs/pipeline.md, put into a table, and where it ends: also where it passes."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from problems.noshow.simulate import simulate
from tests.checkout import ROOT
from tests.jobs import leaks
from tests.jobs.leaks import Plant, after, copies, cutoff, past
from tests.jobs.sentinel import test_travel as mutants
from tests.jobs.walking import Attempt, Model, walk

# Great Expectations imports modules of a Python to come no more.
pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")

MANY = 11_000  # patients, where a part of the rows has to be large enough


@cache
def honest(patients: int = 2000) -> Attempt:
    return Attempt(next(simulate(patients=patients, seed=7, start=datetime.date(2026, 1, 5), weeks=12)))


@dataclass(frozen=True)
class Leak:
    """A row of the docs, how it is planted, and what the sentence that stops it names."""

    leak: str
    ends: str
    by: str
    planted: Mapping[str, tuple[Plant, str]]
    patients: int = 2000


RATE = "patient_missed_rate"
LEAKS = (
    Leak(
        "own or later outcome in the history, whole or damped",
        "refused",
        "time travel",
        {
            "own": (past(leaks.whole_outcome), RATE),
            "own, damped": (past(mutants.with_own_outcome), RATE),
            "later": (past(mutants.with_the_next_visit), "patient_last_missed"),
        },
    ),
    Leak(
        "a mistake in the cutoff",
        "refused",
        "time travel",
        {
            "one day late": (cutoff(mutants.one_day_late), RATE),
            "at the event": (cutoff(mutants.after_the_event), RATE),
        },
    ),
    Leak(
        "a feature that reads a column before it is known",
        "refused",
        "reading too early",
        {"reminder": (leaks.reminder_at_booking, "row.reminded"), "outcome": (leaks.outcome_as_feature, "row.no_show")},
    ),
    Leak("a mean over all rows of a patient", "refused", "time travel", {"mean": (past(mutants.of_all_time), RATE)}),
    Leak(
        "a column that is the outcome, also as a code that does not rank",
        "refused",
        "single feature",
        {"copy": (leaks.copy_of_outcome, "extra"), "code": (leaks.code_of_outcome, "extra")},
    ),
    Leak(
        "the same in a tenth of the rows, or filled in for some rows only",
        "refused",
        "single feature",
        {
            "a tenth": (leaks.in_a_tenth, r"extra \(1\.000, at least 0\.9\d+, where age_band 1\)"),
            "filled in": (leaks.filled_in_for_few, "extra .* where extra other than 0"),
        },
        MANY,
    ),
    Leak(
        "a flag that is set afterwards, for some of the rows with the outcome",
        "a warning",
        "strong feature",
        {"letter": (leaks.letter_to_some, r"extra \(in \d+ rows\)")},
    ),
    Leak(
        "copies of earlier rows, seconds apart, under another id or patient",
        "refused",
        "repeated rows",
        {
            "another id": (copies(), "the same patient"),
            "seconds apart": (copies(seconds=7), "the same patient"),
            "another patient": (copies(patient="8", seconds=1), "any patient"),
        },
    ),
    Leak(
        "a strong column that says less than the outcome (ROC-AUC 0.75 to 0.95)",
        "a warning",
        "strong feature",
        {"number": (leaks.strong, "extra")},
    ),
    Leak(
        "the same, and the model comes above `alarm_above`",
        "refused",
        "too good",
        {"number": (leaks.strong_and_too_good, "rests most on extra")},
    ),
    Leak(
        "the same, and the model comes far above the champion",
        "held as challenger",
        "surprise",
        {"number": (leaks.strong_against_a_champion, "most of it from extra")},
    ),
    Leak(
        "a weak column that was filled in or changed afterwards, in the first run",
        "passes",
        "no figure of one table shows it",
        {"reminder": (leaks.reminded_afterwards, "")},
    ),
    Leak(
        "the same from the second run on",
        "refused",
        "`table: restated`",
        {
            "reminder": (
                after(leaks.reminded_afterwards, leaks.as_it_was),
                "reminded changed in .* the outcome is true in 100.0%",
            )
        },
    ),
    Leak(
        "a rate over later rows that the source computed, in the first run",
        "passes",
        "no figure of one table shows it",
        {"rate": (leaks.later_rate, "")},
    ),
    Leak(
        "such a rate from the second run on",
        "refused",
        "`table: restated`",
        {"rate": (after(leaks.later_rate, leaks.weeks_before), "extra changed in")},
    ),
    Leak(
        "rows that go to quarantine because of their outcome",
        "refused",
        "`quarantine: bias_at_most`",
        {"age": (leaks.into_quarantine, "have the outcome .* would be biased")},
    ),
    Leak(
        "rows that the source left out because of their outcome",
        "passes",
        "no figure of one table shows it",
        {"missed": (leaks.left_out, "")},
    ),
)
# How the sentences of each check begin.
BEGINS = {
    "time travel": "time travel: ",
    "reading too early": "features.py reads ",
    "single feature": "single feature: these features are the answer",
    "strong feature": "strong feature: ",
    "repeated rows": "repeated rows: ",
    "too good": r"auc is 0\.8\d+, want at most 0\.8, or it is too good",
    "surprise": "its AUC is at least 0",
    "`table: restated`": "restated: ",
    "`quarantine: bias_at_most`": r"\d+ of \d+ quarantined rows",
}
CASES = [(leak, *planted) for leak in LEAKS for planted in leak.planted.items()]


@pytest.fixture(scope="module")
def champion(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The model of the honest table, about which nothing is said."""
    with pytest.MonkeyPatch.context() as patch:
        answers = walk(honest(), tmp_path_factory.mktemp("honest") / "table", None, patch)
    assert answers.end == ("passes", []) and answers.model is not None
    return answers.model


@pytest.mark.parametrize(
    ("leak", "name", "planted"), CASES, ids=[f"{leak.leak[:40]}-{name}".replace(" ", "-") for leak, name, _ in CASES]
)
def test_a_leak_ends_as_the_docs_say(
    leak: Leak,
    name: str,
    planted: tuple[Plant, str],
    champion: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant, named = planted
    answers = walk(plant(honest(leak.patients)), tmp_path / "table", champion, monkeypatch)
    end, sentences = answers.end
    assert end == leak.ends, sentences
    if end != "passes":
        assert any(re.search(f"{BEGINS[leak.by]}.*{named}", sentence) for sentence in sentences), sentences


def test_the_table_of_the_docs_and_these_leaks_are_the_same_list() -> None:
    text = (ROOT / "docs/pipeline.md").read_text(encoding="utf-8")
    _, table = text.split("| leak | ends as | by |\n|---|---|---|\n")
    rows = [line.strip("| ").split(" | ") for line in table.split("\n\n")[0].splitlines()]
    assert rows == [[leak.leak, leak.ends, leak.by] for leak in LEAKS]
