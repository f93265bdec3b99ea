"""/ops as its callers meet it: what it tells, to whom, and what it says where it could not see."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rounds import retrains
from rounds.store import Store, open_store
from serving.keys import main as keys
from serving.operations import NEVER, READ
from tests.serving.keeping import until
from tests.serving.orchestrator import PASSWORD, Orchestrator
from tests.serving.running import ONE, Clinic, Service
from tests.serving.slowness import proxy
from tests.serving.watched import NOW, PAGE, monitored, publish, published

TELLS = sorted({*READ, "/ops/health"} - {"/ops/report", "/ops/report/evidently"})
LOGIN = {"AIRFLOW_USER": "watch", "AIRFLOW_PASSWORD": PASSWORD}


def bundle(service: Service) -> str:
    return str(service.ask("/version").json["bundle"])


def metrics(service: Service) -> dict[str, float]:
    lines = service.ask("/metrics").body.decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[0] != "#"}


def seen(service: Service, path: str, wanted: Any) -> Any:
    return service.until(path, lambda found: wanted(found.json)).json


@pytest.fixture
def own(clinic: Clinic, tmp_path: Path) -> Clinic:
    return clinic.copy(tmp_path / "own")


@pytest.fixture
def store(own: Clinic) -> Store:
    return open_store(own.checkout.store.as_uri())


@pytest.fixture(scope="module")
def watched(clinic: Clinic, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose watch has looked today, and found drift without harm."""
    own = clinic.copy(tmp_path_factory.mktemp("watched"))
    with own.serving() as service:
        published(open_store(own.checkout.store.as_uri()), bundle(service.ready()))
        seen(service, "/ops/drift", lambda found: found["seen"] == "enough")
        service.predict(ONE, {**ONE, "age": 30})
        yield service


def test_before_the_first_watch_nothing_is_said_to_be_well(own: Clinic) -> None:
    with own.serving() as service:
        service.ready()
        found = seen(service, "/ops/health", lambda found: found["looked"])
        assert found["well"] is False and f"watch: {NEVER}" in found["says"]
        assert service.ask("/ops/drift").json["drift"] == {"verdict": "unseen"}
        assert service.ask("/ops/drift").json["seen"] == "nothing"
        assert service.ask("/ops/performance").json["performance"] == {"verdict": "unseen"}
        assert service.ask("/ops/retrain/check").json["verdict"] is None
        assert NEVER in service.ask("/ops/drift").json["says"]
        assert service.ask("/ops/report").status == 404
        counted = metrics(service)
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


def test_the_summary_is_all_of_it(watched: Service) -> None:
    found = watched.ask("/ops/summary").json
    assert found["drift"] == watched.ask("/ops/drift").json
    assert set(found) == {"title", "health", "model", "predictions", "drift", "performance", "check"}


def test_the_same_facts_are_metrics(watched: Service) -> None:
    found = metrics(watched)
    assert found['rounds_drift_psi{feature="age"}'] == 0.31
    assert found['rounds_drift_matters{feature="age"}'] == 1
    assert found['rounds_drift_matters{feature="score"}'] == 0
    assert found['rounds_drift_verdict{verdict="drift"}'] == 1
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


def test_what_is_altered_nonsense_or_of_another_model_is_said_to_be(own: Clinic, store: Store) -> None:
    published(store, "b" * 64)
    (path,) = own.checkout.store.glob("noshow/watched/monitor/report.*.html")
    path.write_bytes(b"<p>All is well</p>")
    store.write("noshow/.index/collect/last.json", b"{")
    with own.serving() as service:
        found = seen(service.ready(), "/ops/drift", lambda found: found["seen"] == "enough")
        assert service.ask("/ops/report").status == 503
        assert any("is not a manifest" in told for told in found["says"]), "and it hides no other step"
        assert "The watch looked at version 1; version 1 answers now." in found["says"]
        assert service.ask("/ops/model").json["watched"] is False
        publish(store, "monitor", {**monitored("b" * 64), "seen": "little", "windows": [{}]})
        seen(service, "/ops/drift", lambda found: found["seen"] == "little")
        counted = metrics(service)
        assert counted["rounds_watch_readable"] == 0 and "rounds_journal_full" in counted


def test_a_watch_that_stopped_is_not_well(own: Clinic, store: Store) -> None:
    published(store, "b" * 64)
    publish(store, "monitor", monitored("b" * 64), at=NOW - timedelta(days=3))
    with own.serving() as service:
        found = seen(service.ready(), "/ops/health", lambda found: found["looked"])
        assert "and not since" in found["parts"]["watch"] and found["well"] is False


def test_a_store_that_is_away_leaves_what_was_seen_and_is_said(own: Clinic, store: Store) -> None:
    with own.serving() as service:
        published(store, bundle(service.ready()))
        seen(service, "/ops/drift", lambda found: found["seen"] == "enough")
        shutil.move(own.checkout.store, own.place / "away")
        found = seen(service, "/ops/health", lambda found: found["parts"]["store"] != "well")
        assert found["well"] is False
        assert service.predict(ONE).status == 200
        drift = service.ask("/ops/drift").json
        assert drift["drift"]["verdict"] == "drift" and drift["says"][0].startswith("What is said here is of 20")
        assert metrics(service)["rounds_watch_store_up"] == 0
        assert service.ask("/ops/report").status in {200, 503}
        shutil.move(own.place / "away", own.checkout.store)
        seen(service, "/ops/health", lambda found: found["parts"]["store"] == "well")


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


def test_without_airflow_it_says_what_to_set(watched: Service) -> None:
    found = watched.ask("/ops/retrain", {"reason": "labels were wrong"})
    assert found.status == 501 and "AIRFLOW_URL" in found.json["error"] and "train_noshow" in found.json["error"]


def test_a_retrain_is_started_once_for_each_reason(own: Clinic, store: Store) -> None:
    airflow = Orchestrator()
    with airflow.serving() as url, own.serving(AIRFLOW_URL=url, **LOGIN) as service:
        service.ready()
        first = service.ask("/ops/retrain", {"reason": "a new  clinic"})
        assert first.status == 200 and first.json["state"] == "queued" and first.json["says"] == "Started."
        again = service.ask("/ops/retrain", {"reason": "a new clinic"})
        assert again.json["training"] == first.json["training"] and again.json["says"] != "Started."
        (ask,) = retrains.asks(store, "noshow")
        assert airflow.runs == {ask.training: {"run": ask.training, "source": f"journal:{ask.at:%Y-%m-%d}"}}
        found = seen(service, "/ops/retrain/check", lambda found: found["asked"])
        assert found["asked"][0]["says"] == ["a new clinic"] and found["asked"][0]["state"] == "waiting"
        assert PASSWORD not in service.out.read_text()


def test_another_training_under_way_is_waited_for(own: Clinic, store: Store) -> None:
    airflow = Orchestrator()
    with airflow.serving() as url, own.serving(AIRFLOW_URL=url, **LOGIN) as service:
        training = service.ready().ask("/ops/retrain", {"reason": "one"}).json["training"]
        (path,) = [each for each in store.paths("noshow/first/ingest") if each.endswith("manifest.json")]
        store.write(f"noshow/{training}/ingest/manifest.json", store.read(path) or b"")
        assert service.ask("/ops/retrain", {"reason": "one"}).json["state"] == "running"
        found = service.ask("/ops/retrain", {"reason": "two"})
        assert found.status == 409 and "under way" in found.json["error"]
        assert len(airflow.runs) == 1


def test_a_training_that_airflow_alone_knows_is_waited_for(own: Clinic) -> None:
    airflow = Orchestrator()
    airflow.runs["scheduled"] = {}
    with airflow.serving() as url, own.serving(AIRFLOW_URL=url, **LOGIN) as service:
        found = service.ready().ask("/ops/retrain", {"reason": "x"})
        assert found.status == 409 and "run scheduled of train_noshow" in found.json["error"]
        del airflow.runs["scheduled"]
        assert service.ask("/ops/retrain", {"reason": "x"}).json["says"] == "Started."


@pytest.mark.parametrize(
    ("login", "told"),
    [({**LOGIN, "AIRFLOW_PASSWORD": "wrong"}, "did not let us in"), ({"AIRFLOW_TOKEN": "wrong"}, "may start DAG runs")],
)
def test_whoever_may_not_start_a_run_is_told(own: Clinic, login: dict[str, str], told: str) -> None:
    with Orchestrator().serving() as url, own.serving(AIRFLOW_URL=url, **login) as service:
        found = service.ready().ask("/ops/retrain", {"reason": "x"})
        assert found.status == 502 and told in found.json["error"]


def test_an_unwilling_airflow_is_said_and_nothing_is_lost(own: Clinic, store: Store) -> None:
    airflow = Orchestrator()
    with airflow.serving() as url, own.serving(AIRFLOW_URL=url, **LOGIN) as service:
        airflow.known = False
        found = service.ready().ask("/ops/retrain", {"reason": "x"})
        assert found.status == 502 and "has no DAG train_noshow" in found.json["error"]
        airflow.known, airflow.fails = True, [500, 403]
        found = service.ask("/ops/retrain", {"reason": "x"})
        assert found.status == 503 and "send it again" in found.json["error"]
        assert service.ask("/ops/retrain", {"reason": "x"}).status == 502
        assert service.ask("/ops/retrain", {"reason": "x"}).json["says"] == "Started."
        assert len(airflow.runs) == len(retrains.asks(store, "noshow")) == 1


def test_an_airflow_that_is_down_costs_no_prediction_and_no_retrain(own: Clinic, store: Store) -> None:
    airflow = Orchestrator()
    airflow.paused = True
    with airflow.serving() as url:
        port = int(url.rpartition(":")[2])
    with own.serving(AIRFLOW_URL=url, **LOGIN) as service:
        found = service.ready().ask("/ops/retrain", {"reason": "x"})
        assert found.status == 503 and "cannot be reached" in found.json["error"]
        assert found.headers["retry-after"] == "1"
        assert service.predict(ONE).status == 200
        health = seen(service, "/ops/health", lambda found: "cannot be reached" in found["parts"]["airflow"])
        assert health["well"] is False and metrics(service)["rounds_airflow_up"] == 0
        with airflow.serving(port):
            told = service.ask("/ops/retrain", {"reason": "x"}).json
            assert told["says"].endswith("until somebody unpauses it.")
            assert len(airflow.runs) == len(retrains.asks(store, "noshow")) == 1
            seen(service, "/ops/health", lambda found: found["parts"]["airflow"] == "well")


def test_an_airflow_that_trickles_is_given_up_and_asked_again(own: Clinic, store: Store) -> None:
    airflow = Orchestrator()
    with airflow.serving() as url, proxy(int(url.rpartition(":")[2])) as between:
        between.pause = 0.5
        with own.serving(AIRFLOW_URL=f"http://127.0.0.1:{between.port}", **LOGIN) as service:
            wish = partial(service.ready().ask, "/ops/retrain", {"reason": "x"})
            found = wish()
            assert found.status == 503 and "no whole answer within 5 s" in found.json["error"]
            assert service.predict(ONE).status == 200
            seen(service, "/ops/health", lambda found: "no whole answer" in found["parts"]["airflow"])
            between.pause = None
            until(lambda: wish().status == 200)
            assert len(airflow.runs) == len(retrains.asks(store, "noshow")) == 1


def test_every_route_is_described(watched: Service) -> None:
    paths = watched.ask("/openapi.json").json["paths"]
    assert {path for path in paths if path.startswith("/ops/")} == {*READ, "/ops/health", "/ops/retrain"}
    for path in TELLS:
        assert json.loads(watched.ask(path).body)
