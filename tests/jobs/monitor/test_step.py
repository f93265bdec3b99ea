"""The step: its pages tell of no patient, it goes through what is odd, and it says the same again."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rounds.evidence import located
from rounds.recorded import Ledger
from rounds.store import open_store
from tests import tracked
from tests.jobs.monitor.clinic import ODD, Clinic, Found
from tests.jobs.watched import KEY
from tests.warm import Warm


@pytest.mark.data_safety
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
    """A ledger with other lines, day by day, signed anew."""
    own = Ledger(open_store(store.as_uri()), "noshow", KEY.encode(), ledger.removeprefix("."))
    for path in [path for day in own.days() for path in own.parts(day)]:
        opened, where = own.open(path), located(path)
        assert opened is not None and where is not None
        lines = change([json.loads(line) for line in opened.lines.splitlines()])
        header = own.put(where, "".join(json.dumps(line) + "\n" for line in lines).encode())
        own.write_head(where.instance, header.next(own.key))


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


@pytest.mark.data_safety
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
