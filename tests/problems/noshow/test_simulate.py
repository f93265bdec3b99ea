"""Simulated appointments: same knobs same bytes, as hard as the public table, and like it column by column."""

from __future__ import annotations

import datetime
import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from problems.noshow.simulate import BLOCK, COLUMNS, FLAGS, simulate

MONDAY = datetime.date(2026, 1, 5)
FORMATS = {
    "PatientId": r"[1-9]\d{0,14}(E-5)?",
    "AppointmentID": r"\d{7,}",
    "Gender": r"[FM]",
    "ScheduledDay": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "AppointmentDay": r"\d{4}-\d\d-\d\dT00:00:00Z",
    "Age": r"\d{1,3}",
    "Neighbourhood": r"[A-ZÁÃÇÉÊÍÓÕÚ ]+",
    **dict.fromkeys(FLAGS, r"[01]"),
    "Handcap": r"[0-4]",
    "SMS_received": r"[01]",
    "No-show": r"Yes|No",
}
PLAIN = ("lead", "same", "age", "sex", *FLAGS, "handicap", "weekday", "hour", "reminded")
# Of one small table: changes with every change of what is simulated, and with nothing else.
GOLDEN = "c1386461a65608ee"
PAST = ("visits_before", "missed_before", "missed_share")


def table(patients: int = 12_000, seed: int = 7, start: datetime.date = MONDAY, weeks: int = 12, **knobs: float) -> Any:
    return pl.concat(simulate(patients=patients, seed=seed, start=start, weeks=weeks, **knobs))


def decoded(raw: pl.DataFrame) -> pl.DataFrame:
    """Numbers for what the columns say, with every patient's past as it was known before the day."""
    booked = pl.col("ScheduledDay").str.to_datetime("%Y-%m-%dT%H:%M:%SZ")
    frame = raw.select(
        patient="PatientId",
        day=pl.col("AppointmentDay").str.slice(0, 10).str.to_date(),
        booked=booked.dt.date(),
        hour=booked.dt.hour(),
        age=pl.col("Age").cast(pl.Int64),
        sex=(pl.col("Gender") == "F").cast(pl.Int64),
        place="Neighbourhood",
        # In whole percent: the exact share names the place, and would tell even two halves of the real table apart.
        place_share=(100 * pl.len().over("Neighbourhood") / pl.len()).round(),
        **{flag: pl.col(flag).cast(pl.Int64) for flag in FLAGS},
        handicap=pl.col("Handcap").cast(pl.Int64),
        reminded=pl.col("SMS_received").cast(pl.Int64),
        visits=pl.len().over("PatientId"),
        missed=(pl.col("No-show") == "Yes").cast(pl.Int64),
    ).with_columns(lead=(pl.col("day") - pl.col("booked")).dt.total_days(), weekday=pl.col("day").dt.weekday())
    days = frame.group_by("patient", "day").agg(n=pl.len(), m=pl.col("missed").sum()).sort("patient", "day")
    before = days.select(
        "patient",
        "day",
        visits_before=pl.col("n").cum_sum().over("patient") - pl.col("n"),
        missed_before=pl.col("m").cum_sum().over("patient") - pl.col("m"),
    )
    share = (pl.col("missed_before") + 0.4) / (pl.col("visits_before") + 2)
    return frame.join(before, on=["patient", "day"]).with_columns(same=pl.col("lead") == 0, missed_share=share)


def temporal_auc(frame: pl.DataFrame, features: tuple[str, ...]) -> float:
    cut = frame["day"].sort()[int(0.72 * frame.height)]
    fit, test = frame.filter(pl.col("day") < cut), frame.filter(pl.col("day") >= cut)
    model = HistGradientBoostingClassifier(max_iter=120, learning_rate=0.06, max_leaf_nodes=15, random_state=0)
    model.fit(fit.select(features).cast(pl.Float64).to_numpy(), fit["missed"].to_numpy())
    answer = model.predict_proba(test.select(features).cast(pl.Float64).to_numpy())[:, 1]
    return float(roc_auc_score(test["missed"].to_numpy(), answer))


@pytest.fixture(scope="module")
def usual() -> pl.DataFrame:
    return decoded(table())


@pytest.fixture(scope="module")
def large() -> pl.DataFrame:
    return decoded(table(patients=2 * BLOCK))


def test_columns_are_spelled_as_in_the_public_table() -> None:
    raw = table()
    assert tuple(raw.columns) == COLUMNS == tuple(FORMATS)
    assert set(raw.dtypes) == {pl.String}
    assert raw.null_count().sum_horizontal().item() == 0
    for column, form in FORMATS.items():
        assert raw[column].str.contains(f"^({form})$").all(), column


def test_the_same_knobs_give_the_same_bytes_on_every_python() -> None:
    raw = table(patients=2_000, drift=0.5, dirt=0.05)
    assert raw.equals(table(patients=2_000, drift=0.5, dirt=0.05))
    assert not raw.equals(table(patients=2_000, seed=8, drift=0.5, dirt=0.05))
    text = "\n".join(",".join(cell or "" for cell in row) for row in raw.iter_rows())
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == GOLDEN


def test_a_larger_table_begins_with_the_smaller_one() -> None:
    some, more = table(patients=1_000, dirt=0.02), table(patients=BLOCK + 1_000, dirt=0.02)
    assert more.head(some.height).equals(some)
    assert table(patients=1_000)["PatientId"].n_unique() == 1_000


def test_blocks_do_not_depend_on_what_is_asked_beside_them() -> None:
    first, second = simulate(patients=BLOCK + 10, seed=7, start=MONDAY, weeks=12)
    assert first.equals(table(patients=BLOCK))
    assert second["PatientId"].n_unique() == 10
    assert not set(first["PatientId"]) & set(second["PatientId"])
    assert first.head(second.height)["Age"].to_list() != second["Age"].to_list()


def test_identifiers_are_unique_and_tell_nothing(large: pl.DataFrame) -> None:
    raw = table(patients=2 * BLOCK)
    assert raw["AppointmentID"].n_unique() == raw.height
    assert raw["PatientId"].n_unique() == 2 * BLOCK
    assert raw["PatientId"].str.ends_with("E-5").any()
    missed = (raw["No-show"] == "Yes").to_numpy()
    for column in ("AppointmentID", "PatientId"):
        number = raw[column].cast(pl.Float64).to_numpy()
        assert roc_auc_score(missed, number) == pytest.approx(0.5, abs=0.01), column


def test_appointments_lie_in_the_weeks_asked_for(usual: pl.DataFrame) -> None:
    days, leads = usual["day"].to_list(), usual["lead"].to_list()
    assert min(days) == MONDAY
    assert max(days) < MONDAY + datetime.timedelta(weeks=12)
    assert min(leads) == 0
    assert 90 < max(leads) <= 179
    leap = table(patients=50, start=datetime.date(2024, 2, 29), weeks=1)["AppointmentDay"].str.slice(0, 10)
    assert leap.is_between("2024-02-29", "2024-03-06").all()


def test_a_usual_table_has_the_habits_of_the_real_one(usual: pl.DataFrame) -> None:
    assert 20_000 < usual.height < 25_000
    assert rate(usual) == pytest.approx(0.20, abs=0.015)
    assert rate(usual, pl.col("same")) == pytest.approx(0.0465, abs=0.01)
    assert rate(usual, ~pl.col("same")) == pytest.approx(0.285, abs=0.02)
    assert usual["same"].mean() == pytest.approx(0.35, abs=0.015)
    visits = usual.unique("patient")["visits"].to_numpy()
    assert (visits > 1).mean() == pytest.approx(0.39, abs=0.02)
    assert visits.max() > 20
    assert usual["place"].n_unique() > 75


def test_some_things_never_or_hardly_happen(usual: pl.DataFrame) -> None:
    assert 0 < (usual["weekday"].to_numpy() == 6).mean() < 0.01
    assert not (usual["weekday"] == 7).any()
    assert usual.filter(pl.col("lead") <= 2)["reminded"].sum() == 0
    assert usual.filter(~pl.col("same"), pl.col("booked").dt.weekday() > 5).is_empty()
    kept = usual.group_by("patient").agg(pl.col("sex", "place", "handicap", *FLAGS).n_unique()).drop("patient")
    assert (kept.to_numpy() == 1).all()


def rate(frame: pl.DataFrame, *where: pl.Expr) -> float:
    share = frame.filter(*where)["missed"].mean()
    assert isinstance(share, float)
    return share


def test_some_effects_are_only_seen_together(large: pl.DataFrame) -> None:
    young, old = pl.col("age").is_between(18, 35), pl.col("age") > 60
    short, long = pl.col("lead").is_between(4, 6), pl.col("lead") > 14
    sent = pl.col("reminded") == 1
    assert (
        rate(large, young, long) - rate(large, young, short) > rate(large, old, long) - rate(large, old, short) + 0.03
    )
    assert (
        rate(large, long, ~sent) - rate(large, long, sent) > rate(large, short, ~sent) - rate(large, short, sent) + 0.02
    )


def test_places_have_days_on_which_fewer_come(large: pl.DataFrame) -> None:
    # The day is found in one half of the patients and shows in the other, so chance alone cannot pass.
    half = pl.col("patient").str.contains("[02468]$")
    frame = large.filter(pl.len().over("place") > 1_500, pl.col("weekday") < 6)
    found = frame.filter(half).group_by("place", "weekday").agg(pl.col("missed").mean()).sort("missed")
    worst = found.group_by("place").agg(worst=pl.col("weekday").last())
    other = frame.filter(~half).join(worst, on="place")
    on_it = pl.col("weekday") == pl.col("worst")
    assert rate(other, on_it) - rate(other, ~on_it) > 0.02


def test_people_keep_their_habits(large: pl.DataFrame) -> None:
    known = large.filter(~pl.col("same"), pl.col("visits_before") == 1)
    gap = rate(known, pl.col("missed_before") == 1) - rate(known, pl.col("missed_before") == 0)
    assert 0.08 < gap < 0.20


@pytest.mark.parametrize("seed", range(5))
def test_a_model_finds_it_as_hard_as_the_real_table(seed: int) -> None:
    frame = decoded(table(seed=seed))
    assert 0.70 < temporal_auc(frame, PLAIN) < 0.76
    assert 0.70 < temporal_auc(frame, PLAIN + PAST) < 0.76
    assert 0.56 < temporal_auc(frame.filter(~pl.col("same")), PLAIN) < 0.64


def test_a_patient_past_adds_something(large: pl.DataFrame) -> None:
    assert 0.005 < temporal_auc(large, PLAIN + PAST) - temporal_auc(large, PLAIN) < 0.02


def broken(raw: pl.DataFrame) -> dict[str, pl.Series]:
    """Which rows are bad, kind by kind, found without knowing how they were made."""
    day = raw["AppointmentDay"].str.to_date("%Y-%m-%dT00:00:00Z", strict=False)
    booked = raw["ScheduledDay"].str.slice(0, 10).str.to_date()
    return {
        "age below": raw["Age"] == "-1",
        "age above": raw["Age"] == "999",
        "sex": ~raw["Gender"].is_in(["F", "M"]),
        "date": day.is_null(),
        "order": (day < booked).fill_null(False),
        "place": raw["Neighbourhood"].is_null(),
        "patient": raw["PatientId"].is_null(),
        "outcome": ~raw["No-show"].is_in(["Yes", "No"]),
        "twice": ~raw["AppointmentID"].is_first_distinct(),
    }


@pytest.mark.parametrize("dirt", [0.001, 0.05])
def test_dirt_is_of_every_kind_and_of_the_share_asked_for(dirt: float) -> None:
    raw, clean = table(patients=2 * BLOCK, dirt=dirt), table(patients=2 * BLOCK)
    kinds = broken(raw)
    assert min(kind.sum() for kind in kinds.values()) >= 0.3 * dirt * raw.height / len(kinds)
    bad = pl.DataFrame(kinds).select(pl.any_horizontal(pl.all())).to_series()
    assert bad.mean() == pytest.approx(dirt, rel=0.15)
    # Of two doubled numbers in a row the second is a stranger's no longer, but neither is it bad.
    rest = pl.exclude("AppointmentID")
    assert raw.filter(~bad).select(rest).equals(clean.filter(~bad).select(rest))


def test_no_dirt_is_none_at_all() -> None:
    assert not any(kind.any() for kind in broken(table(dirt=0.0)).values())


def test_drift_moves_leads_ages_and_misses_over_time() -> None:
    def change(drift: float) -> dict[str, float]:
        frame = decoded(table(patients=2 * BLOCK, drift=drift))
        last = pl.col("day") >= MONDAY + datetime.timedelta(weeks=6)
        later = ~pl.col("same")
        moved = {"lead": pl.col("lead").filter(later), "later": later, "age": pl.col("age"), "missed": pl.col("missed")}
        means = [column.mean().alias(name) for name, column in moved.items()]
        early, late = frame.filter(~last).select(means), frame.filter(last).select(means)
        return dict(zip(moved, (late / early).row(0), strict=True))

    still, strong = change(0.0), change(1.0)
    assert all(abs(ratio - 1) < 0.06 for ratio in still.values())
    assert all(strong[column] > 1.1 * still[column] for column in strong)


@pytest.fixture(scope="module")
def real() -> pl.DataFrame:
    if "ROUNDS_DATA" not in os.environ:
        pytest.skip("ROUNDS_DATA is not set: the public no-show table is not here to compare with")
    return pl.read_csv(Path(os.environ["ROUNDS_DATA"]) / "noshow.csv.gz", infer_schema=False)


def told_apart(simulated: pl.Series, real: pl.Series) -> float:
    """How well a model that sees this column alone knows which table a row is from."""
    size = min(len(simulated), len(real))
    drawn = [column.sample(size, seed=1, shuffle=True).cast(pl.Float64).to_numpy() for column in (simulated, real)]
    seen = np.stack(drawn, axis=1).reshape(-1, 1)
    origin = np.tile([0, 1], size)
    model = HistGradientBoostingClassifier(max_iter=50, random_state=0).fit(seen[:size], origin[:size])
    return float(roc_auc_score(origin[size:], model.predict_proba(seen[size:])[:, 1]))


@pytest.mark.parametrize("seed", [7, 8])
def test_no_single_column_tells_it_from_the_real_table(real: pl.DataFrame, seed: int) -> None:
    ours, theirs = decoded(table(patients=2 * BLOCK, seed=seed)), decoded(real)
    columns = (
        "lead",
        "age",
        "sex",
        *FLAGS,
        "handicap",
        "weekday",
        "hour",
        "reminded",
        "visits",
        "place_share",
        "missed",
    )
    found = {column: told_apart(ours[column], theirs[column]) for column in columns}
    assert {column: auc for column, auc in found.items() if auc >= 0.6} == {}


def test_places_are_invented(real: pl.DataFrame) -> None:
    assert not set(table()["Neighbourhood"]) & set(real["Neighbourhood"])
