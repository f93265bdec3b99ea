"""/ops as its callers meet it: what it tells, to whom, and what it says where it could not see."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rounds import retrains
from rounds.audit import report_place
from rounds.store import Store, open_store
from serving.keys import main as keys
from serving.operations import NEVER, READ
from tests.serving.running import ONE, Clinic, Service
from tests.serving.watched import NOW, PAGE, monitored, publish, published, report
from tests.waiting import until

TELLS = sorted({*READ, "/ops/health"} - {"/ops/report", "/ops/report/evidently"})


def bundle(service: Service) -> str:
    return str(service.ask("/version").json["bundle"])


@pytest.fixture
def store(own: Clinic) -> Store:
    return open_store(own.checkout.store.as_uri())


@pytest.fixture(scope="module")
def watched(clinic: Clinic, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose watch has looked today, and found drift without harm."""
    own = clinic.copy(tmp_path_factory.mktemp("watched"))
    with own.serving() as service:
        published(open_store(own.checkout.store.as_uri()), bundle(service.ready()))
        service.seen("/ops/drift", lambda found: found["seen"] == "enough")
        service.predict(ONE, {**ONE, "age": 30})
        yield service


def test_before_the_first_watch_nothing_is_said_to_be_well(own: Clinic) -> None:
    with own.serving() as service:
        service.ready()
        found = service.seen("/ops/health", lambda found: found["looked"])
        assert found["well"] is False and f"watch: {NEVER}" in found["says"]
        assert service.ask("/ops/drift").json["drift"] == {"verdict": "unseen"}
        assert service.ask("/ops/drift").json["seen"] == "nothing"
        assert service.ask("/ops/performance").json["performance"] == {"verdict": "unseen"}
        assert service.ask("/ops/retrain/check").json["verdict"] is None
        assert NEVER in service.ask("/ops/drift").json["says"]
        assert service.ask("/ops/report").status == 404
        counted = service.metrics()
        assert counted['rounds_drift_verdict{verdict="unseen"}'] == 1
        assert counted['rounds_drift_verdict{verdict="none"}'] == 0
        assert counted['rounds_performance_verdict{verdict="unseen"}'] == 1
        assert counted['rounds_watch_seen{seen="nothing"}'] == 1
        assert not any(name.startswith(("rounds_auc", "rounds_retrain_verdict")) for name in counted)


def test_the_facts_of_the_day_are_told_as_they_were_found(watched: Service) -> None:
    facts = monitored(bundle(watched))
    drift, performance = watched.ask("/ops/drift").json, watched.ask("/ops/performance").json
    assert drift["drift"] == facts["drift"] and drift["windows"] == facts["windows"]
    assert performance["performance"] == facts["performance"]
    assert drift["says"] == facts["says"] and drift["version"] == 1
    assert watched.ask("/ops/model").json["watched"] is True
    health = watched.ask("/ops/health").json
    assert health["well"] is True and health["says"] == []
    until(lambda: watched.ask("/ops/retrain/check").json["verdict"])  # what decide wrote comes after what monitor wrote
    check = watched.ask("/ops/retrain/check").json
    assert check["verdict"] == "warn" and check["reasons"][0]["rule"] == "drift"
    assert any("2 features drift" in told for told in check["takes"])
    assert "AIRFLOW_URL" in check["by_hand"]


def test_predictions_are_counted_by_day_version_and_band(watched: Service) -> None:
    found = watched.ask("/ops/predictions").json
    (day,) = found["days"]
    assert day["version"] == 1 and re.fullmatch(r"\d{4}-\d\d-\d\d", day["day"])
    assert sum(day.get(band, 0) for band in ("low", "medium", "high")) == 2
    assert found["collected"]["by_version"] == {"1": 3200}


def test_the_newest_predictions_are_listed_without_what_they_were_made_from(watched: Service) -> None:
    found = watched.ask("/ops/predictions").json["newest"]
    assert len({each["id"] for each in found}) == len(found) == 2
    assert set(found[0]) == {"id", "at", "who", "model", "version", "score", "band", "history"}
    assert found[0]["who"] == found[1]["who"] != ONE["patient_id"] and len(found[0]["who"]) == 32
    assert 0 < found[0]["score"] < 1 and found[0]["version"] == 1
    text = watched.ask("/ops/predictions").body.decode()
    assert ONE["patient_id"] not in text and ONE["neighbourhood"] not in text and ONE["scheduled_day"] not in text
    assert watched.ask("/ops/predictions?limit=1").json["newest"] == found[:1]
    assert watched.ask("/ops/summary").json["predictions"]["newest"] == found


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=-1", "limit=x", "limit=1&limit=2", "all=1", "limit="])
def test_a_list_that_is_too_long_is_refused(watched: Service, query: str) -> None:
    found = watched.ask(f"/ops/predictions?{query}")
    assert found.status == 422 and "limit" in found.json["error"]


def test_the_newest_predictions_are_listed_after_a_restart_too(own: Clinic) -> None:
    with own.serving() as service:
        service.ready()
        rows = [{**ONE, "age": age % 90} for age in range(250)]
        first = [service.predict(row).json["predictions"][0]["id"] for row in rows]
        assert [each["id"] for each in service.ask("/ops/predictions?limit=200").json["newest"]] == first[:-201:-1]
        service.end()
    with own.serving() as service:
        (last,) = service.ready().predict(ONE).json["predictions"]
        wanted = [last["id"], *first[:-200:-1]]
        assert [each["id"] for each in service.ask("/ops/predictions?limit=200").json["newest"]] == wanted
        assert [each["id"] for each in service.ask("/ops/predictions?limit=3").json["newest"]] == wanted[:3]


def test_the_summary_is_all_of_it(watched: Service) -> None:
    found = watched.ask("/ops/summary").json
    assert found["drift"] == watched.ask("/ops/drift").json
    assert set(found) == {"title", "health", "model", "predictions", "drift", "performance", "check"}


def test_the_same_facts_are_metrics(watched: Service) -> None:
    found = watched.metrics()
    assert found['rounds_drift_psi{feature="age"}'] == 0.31
    assert found['rounds_drift_matters{feature="age"}'] == 1
    assert found['rounds_drift_matters{feature="score"}'] == 0
    assert found['rounds_drift_verdict{verdict="drift"}'] == 1
    assert found['rounds_history_verdict{verdict="there"}'] == 1
    assert found['rounds_window_history_down_ratio{window="0"}'] == 0.02 and found["rounds_features_constant"] == 0
    assert found['rounds_auc{kind="realised"}'] == 0.735 and found['rounds_auc_low{kind="tested"}'] == 0.721
    assert found['rounds_ece{kind="naive"}'] == 0.03 and 'rounds_ece{kind="estimated"}' not in found
    assert found["rounds_calibration_ratio"] == 1.05
    assert found['rounds_retrain_verdict{verdict="warn"}'] == 1
    assert found['rounds_step_seconds{step="monitor"}'] == 2.5
    assert found['rounds_step_last_success_timestamp_seconds{step="monitor"}'] == NOW.timestamp() + 2.5
    assert 0 < found["rounds_champion_age_seconds"] < 86400
    assert found["rounds_watch_store_up"] == 1
    assert found['rounds_score_bucket{le="+Inf"}'] == found["rounds_score_count"] == 2
    assert 0 < found["rounds_score_sum"] < 2


def test_a_report_is_a_page_that_can_do_nothing_here(watched: Service) -> None:
    page, other = watched.ask("/ops/report"), watched.ask("/ops/report/evidently")
    assert page.body == other.body == PAGE
    assert page.headers["content-security-policy"].endswith("sandbox")
    assert "script-src" not in page.headers["content-security-policy"]
    assert other.headers["content-security-policy"].endswith("sandbox allow-scripts")
    for each in (page, other):
        assert each.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in each.headers["content-security-policy"]
        assert each.headers["x-content-type-options"] == "nosniff"


@pytest.mark.data_safety
def test_what_is_altered_nonsense_or_of_another_model_is_said_to_be(own: Clinic, store: Store) -> None:
    published(store, "b" * 64)
    (path,) = own.checkout.store.glob("noshow/watched/monitor/report.*.html")
    path.write_bytes(b"<p>All is well</p>")
    store.write("noshow/.index/collect/last.json", b"{")
    with own.serving() as service:
        found = service.ready().seen("/ops/drift", lambda found: found["seen"] == "enough")
        assert service.ask("/ops/report").status == 503
        assert any("is not a manifest" in told for told in found["says"]), "and it hides no other step"
        assert "The watch looked at version 1; version 1 answers now." in found["says"]
        assert service.ask("/ops/model").json["watched"] is False
        publish(store, "monitor", {**monitored("b" * 64), "seen": "little", "windows": [{}]})
        service.seen("/ops/drift", lambda found: found["seen"] == "little")
        counted = service.metrics()
        assert counted["rounds_watch_readable"] == 0 and "rounds_journal_full" in counted


@pytest.mark.data_safety
def test_what_collect_verified_is_believed_only_with_its_signature(own: Clinic, store: Store) -> None:
    path = report_place("noshow")
    with own.serving() as service:
        published(store, bundle(service.ready()))

        def sentence(word: str) -> str:
            """What health says of the evidence, once this word is in it."""
            health = service.seen("/ops/health", lambda health: word in health["parts"]["evidence"])
            return str(health["parts"]["evidence"])

        service.seen("/ops/health", lambda found: found["well"])
        report(store, missing=1, altered=1, first="part 3 of the journal is missing from the store")
        assert (
            sentence("2 faults") == "collect found 2 faults; the first: part 3 of the journal is missing from the store"
        )
        raw = store.read(path) or b""
        store.write(path, raw.replace(b'"missing":1', b'"missing":0').replace(b'"altered":1', b'"altered":0'))
        assert sentence("is altered").startswith(f"{path} is altered: it is not what was written there with the key")
        assert service.metrics()['rounds_journal_faults{kind="altered"}'] == 1
        report(store, key="another secret of the clinic that is long enough")
        sentence("is altered")
        store.delete([path])
        assert sentence("is gone") == f"{path} is gone: collect writes there what it verified"
        report(store, at=(NOW - timedelta(days=3)).isoformat())
        assert "and not since" in sentence("collect verified")
        age = time.time() - service.metrics()["rounds_journal_audited_timestamp_seconds"]
        assert age > 2 * 86400
        report(store)
        service.seen("/ops/health", lambda found: found["well"])


def test_a_watch_that_stopped_is_not_well(own: Clinic, store: Store) -> None:
    published(store, "b" * 64)
    publish(store, "monitor", monitored("b" * 64), at=NOW - timedelta(days=3))
    with own.serving() as service:
        found = service.ready().seen("/ops/health", lambda found: found["looked"])
        assert "and not since" in found["parts"]["watch"] and found["well"] is False


def test_a_store_that_is_away_leaves_what_was_seen_and_is_said(own: Clinic, store: Store) -> None:
    with own.serving() as service:
        published(store, bundle(service.ready()))
        service.seen("/ops/drift", lambda found: found["seen"] == "enough")
        shutil.move(own.checkout.store, own.place / "away")
        found = service.seen("/ops/health", lambda found: found["parts"]["store"] != "well")
        assert found["well"] is False
        assert service.predict(ONE).status == 200
        drift = service.ask("/ops/drift").json
        assert drift["drift"]["verdict"] == "drift" and drift["says"][0].startswith("What is said here is of 20")
        assert service.metrics()["rounds_watch_store_up"] == 0
        assert service.ask("/ops/report").status in {200, 503}
        shutil.move(own.place / "away", own.checkout.store)
        service.seen("/ops/health", lambda found: found["parts"]["store"] == "well")


@pytest.mark.data_safety
def test_ops_is_for_operators_and_health_for_all(own: Clinic, tmp_path: Path, capsys: Any) -> None:
    file = str(tmp_path / "keys")
    assert keys(["new", "clinic", "--file", file]) == keys(["new", "on-call", "--scopes", "operate", "--file", file])
    clerk, operator = (f"Bearer {key}" for key in capsys.readouterr().out.split())
    with own.serving(KEYS=file) as service:
        service.ready()
        assert service.ask("/ops/health").status == 200
        for path in READ:
            assert service.ask(path).status == 401
            assert service.ask(path, Authorization=clerk).status == 403
            assert service.ask(path, Authorization=operator).status in {200, 404}
        for sent in ({}, {"Authorization": clerk}):
            assert service.ask("/ops/retrain", {"reason": "x"}, **sent).status in {401, 403}


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"reason": 1}', b'{"reason": "  "}', b'{"reason": "\\ud800"}', b'{"reason": "a", "b": 1}']
)
def test_a_wish_without_a_reason_is_refused(watched: Service, body: bytes) -> None:
    assert watched.ask("/ops/retrain", body).status == 422


def test_without_airflow_the_wish_is_on_record_and_the_command_is_told(own: Clinic, store: Store) -> None:
    with own.serving() as service:
        found = service.ready().ask("/ops/retrain", {"reason": "labels were wrong"})
        (ask,) = retrains.asks(store, "noshow")
        assert found.status == 200 and found.json["state"] == "waiting" and found.json["training"] == ask.training
        command = f"make train PROBLEM=noshow RUN={ask.training} SOURCE=journal:{ask.at:%Y-%m-%d}"
        assert command in found.json["says"] and "AIRFLOW_URL" in found.json["says"]
        assert service.ask("/ops/retrain", {"reason": "labels were wrong"}).json == found.json
        assert len(retrains.asks(store, "noshow")) == 1
        (path,) = [each for each in store.paths("noshow/first/ingest") if each.endswith("manifest.json")]
        store.write(f"noshow/{ask.training}/ingest/manifest.json", store.read(path) or b"")  # as that command begins
        assert service.ask("/ops/retrain", {"reason": "labels were wrong"}).json["state"] == "running"
        assert service.ask("/ops/retrain", {"reason": "another"}).status == 409


def test_every_route_is_described(watched: Service) -> None:
    paths = watched.ask("/openapi.json").json["paths"]
    assert {path for path in paths if path.startswith("/ops/")} == {*READ, "/ops/health", "/ops/retrain"}
    for path in TELLS:
        assert json.loads(watched.ask(path).body)
