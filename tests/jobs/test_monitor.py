"""Monitor: what it says of a calm clinic, of a changed one and of next to nothing; its pages tell of no patient."""

from __future__ import annotations

import dataclasses
import gzip
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import problems
from jobs.monitor import Knobs, watch
from jobs.watching.champion import Champion
from jobs.watching.page import page, verdict
from jobs.watching.predictions import Predictions, assemble
from rounds import bundle
from rounds.bundle import Bundle
from rounds.store import open_store
from tests import tracked
from tests.checkout import ROOT, Checkout, Ended
from tests.jobs.watched import KEY, World, watched
from tests.warm import Warm

ODD = 29317  # days between booking and appointment of one patient alone
Found = dict[str, Any]
Change = Callable[[pl.DataFrame], pl.DataFrame]


def long_ahead(raw: pl.DataFrame) -> pl.DataFrame:
    """One appointment was booked in another century."""
    booked = pl.col("AppointmentDay").str.slice(0, 10).str.to_date() - pl.duration(days=ODD)
    odd = booked.dt.strftime("%Y-%m-%dT09:00:00Z")
    last = pl.int_range(pl.len()) == pl.len() - 1
    return raw.with_columns(pl.when(last).then(odd).otherwise("ScheduledDay").alias("ScheduledDay"))


@dataclasses.dataclass(frozen=True)
class Clinic:
    checkout: Checkout
    bundle: Bundle
    world: World

    def collected(self) -> tuple[pl.DataFrame, Found]:
        facts = self.checkout.content("collect", "w")["facts"]
        return pl.read_parquet(self.checkout.file("collect", "predictions.parquet", "w"), glob=False), facts

    def monitor(self, python: str, run: str = "w", *more: str) -> Ended:
        return self.checkout.run("monitor", run, *more, python=(*python.split(),), DO_NOT_TRACK="true")


@pytest.fixture(scope="module")
def clinic(done: Checkout, tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Clinic:
    """A champion, four weeks of its predictions with calls and outcomes, and all of it collected."""
    place = tmp_path_factory.mktemp("clinic")
    for name in ("store", done.root.name):
        shutil.copytree(done.place / name, place / name)
    checkout = Checkout(place / done.root.name, place).at(place)
    tracked.url(place / "mlflow")
    assert warm.run(checkout, "register").well
    loaded = bundle.load(lambda name: checkout.file("train", name))
    world = watched(open_store(checkout.store.as_uri()), loaded, rows=2400, called=0.1, change=long_ahead)
    ended = warm.run(checkout, "collect", "w", "--to", world.to.isoformat(), JOURNAL_KEY=KEY)
    assert ended.code == 0, ended.text
    return Clinic(checkout, loaded, world)


@pytest.fixture(scope="module")
def python() -> str:
    """Evidently lives in the step's own environment."""
    subprocess.run([sys.executable, str(ROOT / "dags/launch/environment.py"), "monitor"], check=True)
    return str(ROOT / ".rounds/envs/monitor/bin/python")


def knobs() -> Knobs:
    of = problems.problem("noshow")
    return Knobs(**{field.name: getattr(of, field.name) for field in dataclasses.fields(Knobs)})


def look(clinic: Clinic, change: Change = lambda table: table, **collected: Any) -> tuple[Found, Predictions]:
    """The figures without the step around them; `change` alters what collect brought."""
    table, facts = clinic.collected()
    made = (clinic.world.to - timedelta(days=40)).isoformat()
    tested = {"auc": {"value": 0.7, "low": 0.65, "high": 0.75}}
    by = Champion(1, clinic.bundle, made, tested, {})
    seen = assemble(change(table).lazy(), by.bundle, knobs().evaluate.slices, lambda digest: digest == "alike")
    found, shown = watch(seen, by, {**facts, **collected}, knobs())
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["says"] and "<h1>" in page(found, shown)
    return found, seen


def test_a_calm_clinic_is_told_with_figures(clinic: Clinic) -> None:
    found, seen = look(clinic)
    assert [each["rows"] for each in found["windows"]] == clinic.collected()[1]["rows_per_window"]
    assert found["seen"] == "enough" and found["age_days"] == 40
    performance = found["performance"]
    assert performance["method"] == "inverse probability" and performance["called"] > 100
    assert performance["new_labels"] == len(seen.score) - performance["called"]
    assert performance["auc"]["naive"]["value"] < performance["auc"]["realised"]["value"]
    assert {each["slice"] for each in performance["slices"]} == {"sex", "age_band", "same_day", "known_patient"}
    assert {each["part"] for each in performance["slices"]} >= {"F", "M", "under 12", "60 and over", "yes", "no"}
    assert len(found["drift"]["features"]) == len(clinic.bundle.features)
    assert found["drift"]["target"]["low"] < 0.25


def test_an_empty_journal_is_not_well(clinic: Clinic) -> None:
    found, _ = look(clinic, lambda table: table.clear())
    assert found["seen"] == "nothing" and verdict(found) == ("alarm", "Too little was seen to say anything")
    assert found["drift"]["verdict"] == found["performance"]["verdict"] == "unseen"
    assert "holds no prediction" in found["says"][0]


def test_ten_rows_are_too_few(clinic: Clinic) -> None:
    found, _ = look(clinic, lambda table: table.tail(10))
    assert found["seen"] == "little" and verdict(found)[0] == "alarm"
    assert "holds 10 predictions, too few" in found["says"][0]
    assert found["performance"]["auc"]["realised"] is None and found["performance"]["verdict"] == "unseen"


def test_outcomes_count_however_old_and_drift_is_of_the_windows(clinic: Clinic) -> None:
    whole, _ = look(clinic)
    found, _ = look(clinic, lambda table: table.with_columns(pl.col("window") + 4))
    assert found["seen"] == "nothing" and found["drift"]["verdict"] == "unseen"
    assert found["performance"]["labels"] == whole["performance"]["labels"] > 0
    assert found["performance"]["auc"] == whole["performance"]["auc"]
    assert {each["labels"] for each in found["performance"]["windows"]} == {0}


def test_one_outcome_alone_is_no_performance(clinic: Clinic) -> None:
    found, _ = look(clinic, lambda table: table.with_columns(outcome=pl.lit(False), action=pl.lit("none")))
    assert found["performance"]["verdict"] == "unseen" and found["drift"]["target"] is None
    assert any("of the one kind" in each for each in found["says"])


def test_a_feature_that_is_gone_is_told_by_name(clinic: Clinic) -> None:
    at = clinic.bundle.features.index("age")
    gone = [None if place == at else 1.0 for place in range(len(clinic.bundle.features))]
    change = pl.concat_list(
        pl.col("features").list.get(place) if keep else pl.lit(None, pl.Float32) for place, keep in enumerate(gone)
    )
    found, seen = look(clinic, lambda table: table.with_columns(features=change))
    assert np.isnan(seen.matrix[:, at]).all()
    assert any(each.startswith("age: all values are missing") for each in found["says"])
    assert found["drift"]["verdict"] == "drift"


def test_a_column_that_the_champion_never_saw_is_told(clinic: Clinic) -> None:
    found, _ = look(clinic, lambda table: table.with_columns(input_weather=pl.lit("rain")))
    assert "Columns were sent that the champion never saw: weather." in found["says"]


def test_rows_of_other_models_count_where_they_are_alike(clinic: Clinic) -> None:
    def other(name: str) -> Change:
        half = pl.int_range(pl.len()) % 2 == 0
        return lambda table: table.with_columns(
            bundle=pl.when(half).then(pl.lit(name)).otherwise("bundle"),
            score=pl.when(half).then(0.5).otherwise("score"),
        )

    whole, everything = look(clinic)
    found, seen = look(clinic, other("alike"))
    assert seen.left["other_features"] == 0 and seen.own.sum() == len(everything.own) // 2
    np.testing.assert_array_equal(seen.score, everything.score)
    assert found["drift"]["prediction"] == whole["drift"]["prediction"]
    assert found["performance"]["labels"] < whole["performance"]["labels"]
    found, seen = look(clinic, other("another"))
    assert seen.left["other_features"] == len(everything.own) - len(everything.own) // 2 and seen.own.all()
    assert f"{seen.left['other_features']:,} predictions of models with other features were left out." in found["says"]


def test_rows_that_name_no_patient_are_told_apart(clinic: Clinic) -> None:
    first = pl.int_range(pl.len()) < 3
    nobody = pl.when(~first).then("who")
    found, seen = look(clinic, lambda table: table.sort("last", descending=True).with_columns(who=nobody))
    assert seen.left == {"other_features": 0, "no_patient": 3}
    assert "3 predictions that name no patient were left out." in found["says"]


def test_a_shifted_world_is_drift_and_no_harm(clinic: Clinic) -> None:
    names = clinic.bundle.features
    older = pl.concat_list(
        pl.col("features").list.get(at) + (25 if name == "age" else 0) for at, name in enumerate(names)
    )

    def shifted(table: pl.DataFrame) -> pl.DataFrame:
        """Everybody is older, and what happens is what the scores say."""
        happens = np.random.default_rng(7).random(table.height) < table["score"].to_numpy()
        return table.with_columns(
            features=older.cast(pl.List(pl.Float32)), outcome=pl.Series(happens), action=pl.lit("none")
        )

    found, _ = look(clinic, shifted)
    age = next(each for each in found["drift"]["features"] if each["feature"] == "age")
    assert age["matters"] and found["drift"]["verdict"] == "drift"
    assert found["performance"]["verdict"] == "as_expected"
    assert verdict(found) == ("alarm", "The world has drifted; the model's performance is as expected")


def test_what_could_not_be_seen_is_said(clinic: Clinic) -> None:
    found, _ = look(clinic, trouble=["2 parts could not be read"])
    assert "Could not be seen: 2 parts could not be read." in found["says"]


def test_the_step_writes_pages_that_tell_of_nobody(clinic: Clinic, python: str) -> None:
    ended = clinic.monitor(python)
    assert ended.code == 0, ended.text
    facts = clinic.checkout.content("monitor", "w")["facts"]
    texts = {
        name: clinic.checkout.file("monitor", name, "w").read_text(encoding="utf-8")
        for name in ("report.html", "evidently.html", "watch.json")
    }
    assert {**json.loads(texts["watch.json"]), "shown": 0} == {**facts, "shown": 0}
    table, _ = clinic.collected()
    assert table["features"].list.get(clinic.bundle.features.index("lead_days")).max() == ODD
    secrets = [*table["who"].to_list(), *table["appointment"].to_list(), *clinic.world.truth["patient_id"].to_list()]
    for name, text in texts.items():
        assert str(ODD) not in text, name
        assert not any(f'"{one}"' in text or f">{one}<" in text for one in secrets), name
        assert not any(str(score) in text for score in table["score"]), name
        assert not re.search(r"(src|href)=.?https?://(?!plotly\.com/?.)", text), name
    sampled = facts["reports"]["sampled"]
    assert f"A sample of {sampled:,} of {sampled:,} predictions" in texts["evidently.html"]
    assert "target (outcome of those not called)" in texts["evidently.html"]


def rewritten(store: Path, ledger: str, change: Callable[[list[Found]], list[Found]]) -> None:
    """A ledger with other lines, day by day."""
    for part in sorted((store / "noshow" / ledger).glob("*/*.gz")):
        lines = change([json.loads(line) for line in gzip.decompress(part.read_bytes()).splitlines()])
        part.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode()))


def without(lines: list[Found], *places: int) -> list[Found]:
    """Predictions without the features in these places."""
    return [
        {**each, "features": [None if at in places else value for at, value in enumerate(each["features"])]}
        for each in lines
    ]


@pytest.mark.parametrize("case", ["a feature all missing", "all features missing", "one outcome", "ten rows", "empty"])
def test_the_step_goes_through_what_is_odd(clinic: Clinic, python: str, warm: Warm, tmp_path: Path, case: str) -> None:
    for name in ("store", "mlflow"):
        shutil.copytree(clinic.checkout.place / name, tmp_path / name)
    odd, names = dataclasses.replace(clinic, checkout=clinic.checkout.at(tmp_path)), clinic.bundle.features
    lost = {"a feature all missing": (names.index("age"),), "all features missing": range(len(names))}.get(case, ())
    rewritten(odd.checkout.store, ".journal", lambda lines: [] if case == "empty" else without(lines, *lost))
    if case == "one outcome":
        rewritten(
            odd.checkout.store,
            ".outcomes",
            lambda lines: [{**each, "outcome": False, "action": "none"} for each in lines],
        )
    if case == "ten rows":
        left = iter(range(10))
        rewritten(odd.checkout.store, ".journal", lambda lines: [line for line, _ in zip(lines, left, strict=False)])
    ended = warm.run(odd.checkout, "collect", "odd", "--to", clinic.world.to.isoformat(), JOURNAL_KEY=KEY)
    assert ended.code == 0, ended.text
    ended = odd.monitor(python, "odd")
    assert ended.code == 0, ended.text
    facts, few = odd.checkout.content("monitor", "odd")["facts"], case in {"ten rows", "empty"}
    assert (facts["reports"]["evidently"] is None) == few
    assert all((each["shares"] is None) == few for each in facts["drift"]["features"])
    assert (facts["performance"]["verdict"] == "unseen") == (few or case == "one outcome")
    if not few:
        text = odd.checkout.file("monitor", "evidently.html", "odd").read_text(encoding="utf-8")
        assert ("all their values are missing: age." in text) == (case == "a feature all missing")


def test_the_same_again_and_without_a_network(clinic: Clinic, python: str) -> None:
    """`unshare` gives the process a network of its own, with nobody on it."""
    assert clinic.monitor(python).code == 0
    first = clinic.checkout.content("monitor", "w")
    assert "same as" in clinic.monitor(python).text
    ended = clinic.monitor(f"unshare -r -n {python}", "w", "--force")
    assert ended.code == 0, ended.text
    assert clinic.checkout.content("monitor", "w") == first


def test_without_a_champion_there_is_nobody_to_watch(clinic: Clinic, python: str, tmp_path: Path) -> None:
    shutil.copytree(clinic.checkout.store, tmp_path / "store")
    tracked.url(tmp_path / "mlflow")
    ended = dataclasses.replace(clinic, checkout=clinic.checkout.at(tmp_path)).monitor(python, "w", "--force")
    assert "NoShowXGBoost has no champion yet" in ended.sentence(2)


def test_figures_and_pages_are_mirrored(clinic: Clinic, python: str) -> None:
    assert clinic.monitor(python).code == 0
    client = tracked.door(clinic.checkout.place / "mlflow").client
    experiment = client.get_experiment_by_name("noshow")
    run = client.search_runs([experiment.experiment_id], "tags.`rounds.run` = 'w'")[0]
    facts = clinic.checkout.content("monitor", "w")["facts"]
    assert (
        run.data.metrics["monitor.performance.auc.realised.value"] == facts["performance"]["auc"]["realised"]["value"]
    )
    assert run.data.metrics["monitor.drift.psi.age"] is not None
    assert run.data.tags["monitor.drift.verdict"] == facts["drift"]["verdict"]
    there = {Path(each.path).name for each in client.list_artifacts(run.info.run_id, "monitor")}
    assert there == {"report.html", "evidently.html", "watch.json"}
