"""Evaluate: honest models pass, leaks are refused by name, and the report shows no patient."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from jobs.judging import gates
from jobs.report.page import page
from rounds.definition import Definition
from rounds.errors import Refused
from rounds.intervals import Estimate
from rounds.modelling import Evaluate, Gate, Gates
from tests.jobs.appointments import Case, case


@pytest.fixture(scope="module")
def honest() -> Case:
    return case()


@pytest.fixture(scope="module")
def found(honest: Case) -> dict[str, Any]:
    return honest.judge()[0]


@pytest.mark.parametrize("moment", ["booking", "day_before"])
def test_an_honest_model_passes_every_gate(moment: Any) -> None:
    found, stopping = case(moment).judge()
    assert stopping == {}
    assert found["sentinel"]["travel"]["rows"] > 200
    assert all(repeats["rows"] < 5 for repeats in found["sentinel"]["repeats"].values())


def test_judging_twice_gives_equal_figures_and_an_equal_page(honest: Case, found: dict[str, Any]) -> None:
    again = honest.judge()[0]
    assert again == found
    assert page(again) == page(found)


def patient_mean(features: pl.DataFrame) -> pl.DataFrame:
    return features.with_columns(
        pl.col("no_show").mean().over("patient_id").cast(pl.Float32).alias("patient_missed_rate")
    )


def next_visit(features: pl.DataFrame) -> pl.DataFrame:
    ordered = features.sort("appointment_day", "scheduled_day")
    shifted = pl.col("no_show").shift(-1).over("patient_id").fill_null(0)
    return ordered.with_columns(shifted.cast(pl.Float32).alias("patient_last_missed"))


def own_outcome(features: pl.DataFrame) -> pl.DataFrame:
    damped = pl.when(pl.col("appointment_id").str.ends_with("7")).then(pl.col("no_show")).otherwise(0)
    return features.with_columns((pl.col("patient_missed") + damped).cast(pl.Float32).alias("patient_missed"))


LEAKS = {
    "a patient mean over all rows": (patient_mean, "patient_missed_rate"),
    "the label shifted by one visit": (next_visit, "patient_last_missed"),
    "the own outcome in the history": (own_outcome, "patient_missed"),
}


@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_in_the_features_is_refused_by_name(name: str, honest: Case) -> None:
    change, feature = LEAKS[name]
    found, stopping = honest.but(change=change).judge()
    assert feature in stopping["time travel"].says
    assert stopping["time travel"].stops
    assert set(found["sentinel"]["travel"]["differing"]) == {feature}


def test_a_mean_over_all_rows_also_looks_too_good(honest: Case) -> None:
    found, stopping = honest.but(change=patient_mean).judge()
    assert stopping["auc"].verdict == "alarm"
    assert "rests most on patient_missed_rate" in stopping["auc"].says
    assert "strong feature" not in stopping, "a strong feature alone only warns"
    (strong,) = [gate for gate in found["gates"] if gate["gate"] == "strong feature"]
    assert strong["verdict"] != "pass" and "patient_missed_rate" in strong["says"]


def test_a_damped_leak_is_refused_although_nothing_looks_too_good(honest: Case) -> None:
    found, stopping = honest.but(change=own_outcome).judge()
    assert found["metrics"]["auc"]["value"] < 0.76
    assert set(stopping) == {"time travel"}


def test_a_mistake_in_the_cutoff_is_refused(honest: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Definition, "cutoffs", lambda self, booked, happens: happens + 1)
    _, stopping = honest.judge()
    assert "patient_missed" in stopping["time travel"].says and stopping["time travel"].stops


def repeated(typed: pl.DataFrame, share: float, **moved: int) -> pl.DataFrame:
    """The table with this share of its early rows once more, late: other ids, other days, all else the same."""
    copies = typed.filter(pl.col("appointment_day") < pl.date(2026, 2, 10)).sample(fraction=share, seed=1)
    days = [(pl.col(name) + pl.duration(days=count)).alias(name) for name, count in moved.items()]
    return typed.vstack(copies.with_columns(*days, (pl.lit("B") + pl.col("appointment_id")).alias("appointment_id")))


@pytest.mark.parametrize("moved", [{"appointment_day": 28}, {"appointment_day": 28, "scheduled_day": 28}])
def test_rows_repeated_across_the_cut_are_refused(moved: dict[str, int], honest: Case) -> None:
    found, stopping = honest.but(typed=repeated(honest.typed, 0.05, **moved)).judge()
    assert set(stopping) == {"repeated rows"}
    told = found["sentinel"]["repeats"]["same patient"]["rows"]
    assert f"{told} of {found['test']['rows']} test rows" in stopping["repeated rows"].says


def test_rows_repeated_on_their_own_day_pass(honest: Case) -> None:
    _, stopping = honest.but(typed=repeated(honest.typed, 0.05, appointment_day=0)).judge()
    assert stopping == {}


def test_the_reminder_cannot_be_read_at_booking() -> None:
    leaky = case("booking")
    source = leaky.source.replace('if moment == "day_before":', "if True:")
    assert source != leaky.source
    with pytest.raises(Refused, match=r"reads row\.reminded.*the moment is booking"):
        leaky.but(source=source).judge()


def test_a_feature_that_the_definition_does_not_make_is_refused_by_name(honest: Case) -> None:
    extra = honest.but(change=lambda features: features.with_columns(pl.lit(1.0, pl.Float32).alias("mystery")))
    _, stopping = extra.judge()
    assert "mystery" in stopping["time travel"].says


def test_figures_by_part_and_against_simpler_answers(found: dict[str, Any]) -> None:
    parts = {(part["slice"], part["part"]) for part in found["slices"]}
    bands = {("age_band", band) for band in ("under 18", "18 to 59", "60 and over")}
    both = {(name, part) for name in ("same_day", "known_patient") for part in ("no", "yes")}
    assert parts == {("sex", "F"), ("sex", "M")} | bands | both
    assert found["baselines"]["base_rate"]["auc"] == 0.5
    assert 0.5 < found["baselines"]["lead_time"]["auc"]["value"] < found["metrics"]["auc"]["value"]
    assert found["without_same_day"]["rows"] < found["test"]["rows"]
    sizes = {(part["slice"], part["part"]): part.get("rows") for part in found["slices"]}
    assert sizes["same_day", "no"] == found["without_same_day"]["rows"]
    for figure in found["metrics"].values():
        assert figure["low"] < figure["high"]


def test_a_small_part_is_only_said_to_be_small(honest: Case) -> None:
    found, _ = honest.judge(smallest=700)
    small = [part for part in found["slices"] if part["too_small"]]
    assert 0 < len(small) < len(found["slices"])
    assert all(set(part) == {"slice", "part", "too_small"} for part in small)
    assert "too few cases to say" in page(found)
    everything, _ = honest.judge(smallest=100_000)
    assert everything["without_same_day"]["too_small"]
    assert page(everything).count("too few cases to say") == 2 * len(everything["slices"]) + 1


@pytest.mark.parametrize(("missed", "came"), [(1, 1), (1, 5), (3, 9)])
def test_a_test_slice_of_few_rows_is_judged_and_shown(missed: int, came: int, honest: Case) -> None:
    """Some resamples of so few rows have no row of a group, or none with the outcome."""
    last = pl.col("appointment_day") >= pl.date(2026, 3, 9)
    late = honest.typed.filter(last)
    few = [late.filter(pl.col("no_show") == outcome).head(rows) for outcome, rows in ((1, missed), (0, came))]
    typed = pl.concat([honest.typed.filter(~last), *few])
    share = (missed + came) / typed.height
    split = honest.of.split.model_copy(update={"fit": 0.8 - share, "calibrate": 0.2, "test": share})
    judged, _ = honest.but(typed=typed, of=honest.of.model_copy(update={"split": split})).judge()
    assert judged["test"]["rows"] == missed + came
    assert "Gates" in page(judged)


def test_slices_that_would_single_people_out_are_refused(honest: Case) -> None:
    with pytest.raises(Refused, match=r"slices\.age has \d+ different values"):
        honest.judge(slices=["age"])
    with pytest.raises(Refused, match=r"slices\.place names the column 'neighbourhood'"):
        honest.judge(slices=[{"name": "place", "column": "neighbourhood"}])


class Tags(HTMLParser):
    """Every tag that opens must close, and none may reach out of the page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        assert not {name for name, _ in attrs} & {"src", "href", "onload", "onclick"}
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"line", "rect", "circle", "polyline", "polygon"} or self.open[-1] == tag:
            assert self.open.pop() == tag


def test_the_page_stands_alone_and_is_whole(found: dict[str, Any]) -> None:
    tags = Tags()
    tags.feed(page(found))
    assert tags.open == []
    assert {"svg", "table", "figure", "style"} <= tags.names and "script" not in tags.names


def test_no_patient_is_in_the_figures_or_on_the_page(honest: Case, found: dict[str, Any]) -> None:
    shown = page(found) + repr(found)
    for column in ("patient_id", "appointment_id"):
        assert not any(value in shown for value in honest.typed.get_column(column).to_list())
    assert "N3" not in shown


def exact(**values: float) -> dict[str, Estimate]:
    """Figures without any uncertainty."""
    return {name: Estimate(value, value, value) for name, value in values.items()}


def test_gates_say_what_was_found_and_what_was_wanted() -> None:
    asked = Gates(auc=Gate(at_least=0.7, alarm_above=0.8), ece=Gate(at_most=0.03, blocks=False))
    good = gates.judge(asked, exact(auc=0.75, ece=0.01), {})
    assert [verdict.verdict for verdict in good] == ["pass", "pass", "pass"]
    bad = gates.judge(asked, exact(auc=0.85, ece=0.05), {})
    assert [(verdict.verdict, verdict.stops) for verdict in bad] == [
        ("pass", False),
        ("alarm", True),
        ("refuse", False),
    ]
    assert "ece is 0.05, want at most 0.03" in bad[2].says


def test_a_figure_that_is_not_a_number_passes_no_gate() -> None:
    asked = Gates(auc=Gate(at_least=0.7, alarm_above=0.8), brier=Gate(better_than="base_rate"))
    verdicts = gates.judge(asked, exact(auc=float("nan"), brier=float("nan")), {"base_rate": {"brier": 0.2}})
    assert [verdict.verdict for verdict in verdicts] == ["refuse", "alarm", "refuse"]


def test_a_model_that_harms_is_a_warning_by_default_and_a_gate_by_setting() -> None:
    """Net benefit below 0, and accuracy below that of calling nobody."""
    bad, nobody = exact(accuracy=0.78, net_benefit=-0.01), {"nobody": {"accuracy": 0.8, "net_benefit": 0.0}}
    found = gates.judge(Gates(), bad, nobody)
    assert [(each.gate, each.verdict, each.stops) for each in found] == [
        ("accuracy", "refuse", False),
        ("net_benefit", "refuse", False),
    ]
    assert "acting on nobody (0.8)" in found[0].says and "net_benefit is -0.01" in found[1].says
    strict = Gates(accuracy=Gate(better_than="nobody"), net_benefit=Gate(at_least=0))
    assert [each.stops for each in gates.judge(strict, bad, nobody)] == [True, True]
    silent = Gates(accuracy=None, net_benefit=None)
    assert gates.judge(silent, bad, nobody) == []
    good = exact(accuracy=0.82, net_benefit=0.01)
    assert [each.verdict for each in gates.judge(Gates(), good, nobody)] == ["pass", "pass"]


def test_the_defaults_warn_in_a_run_that_is_judged(found: dict[str, Any]) -> None:
    told = {gate["gate"]: gate for gate in found["gates"]}
    assert {"accuracy", "net_benefit"} <= told.keys()
    assert not told["accuracy"]["blocks"] and not told["net_benefit"]["blocks"]


def test_a_gate_may_ask_for_the_whole_interval() -> None:
    ratio = {"observed_over_expected": Estimate(0.95, 0.85, 1.06)}
    mild = Gates(observed_over_expected=Gate(at_least=0.9, at_most=1.1))
    assert [each.verdict for each in gates.judge(mild, ratio, {}) if each.gate.startswith("obs")] == ["pass", "pass"]
    strict = Gates(observed_over_expected=Gate(at_least=0.9, at_most=1.1, surely=True))
    low, high = gates.judge(strict, ratio, {})
    assert (low.verdict, high.verdict) == ("refuse", "pass")
    assert "at least 0.9 by its interval (0.85 to 1.06)" in low.says


def test_the_report_says_what_the_intervals_account_for(found: dict[str, Any]) -> None:
    assert found["test"]["days"] >= 8
    assert f"account for patients and for the {found['test']['days']} days" in page(found)
    few = {**found, "test": {**found["test"], "days": 5}}
    assert "account for patients alone: there are 5 days" in page(few)


def test_calibration_in_the_large_and_its_slope_are_figures(found: dict[str, Any]) -> None:
    for name in ("observed_over_expected", "calibration_slope"):
        figure = found["metrics"][name]
        assert 0.5 < figure["low"] < figure["value"] < figure["high"] < 2
    assert "Observed over expected" in page(found) and "Calibration slope" in page(found)


def test_less_is_better_for_a_loss() -> None:
    asked = Gates(brier=Gate(better_than="lead_time"), auc=Gate(better_than="lead_time"))
    rival = {"lead_time": {"brier": 0.15, "auc": 0.7}}
    verdicts = gates.judge(asked, exact(auc=0.71, brier=0.16), rival)
    assert [verdict.verdict for verdict in verdicts] == ["pass", "refuse"]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"gates": {"auc": {}}}, "asks nothing"),
        ({"gates": {"auc": {"better_than": "nobody"}}}, "better_than nobody"),
        ({"gates": {"calibration_slope": {"alarm_above": 2}}}, "best at 1"),
        ({"gates": {"auc": {"alarm_above": 0.8, "surely": True}}}, "surely is for at_least and at_most"),
        ({"gates": {"auc": {"at_least": 0.9, "alarm_above": 0.8}}}, "nothing can pass"),
        ({"gates": {"area": {"at_least": 0.9}}}, "area"),
        ({"gates": {}, "slices": ["sex", "sex"]}, "two slices are named sex"),
        ({"gates": {}, "slices": [{"name": "age_band", "column": "age", "at": [40, 18]}]}, "want numbers that rise"),
        ({"gates": {"leakage": {"feature_at_most": 0.3}}}, "feature_at_most"),
    ],
)
def test_knobs_that_make_no_sense_are_refused(asked: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Evaluate.model_validate(asked)
