"""POST /ops/retrain: one training for each reason, whatever Airflow does meanwhile."""

from __future__ import annotations

from functools import partial

import pytest

from rounds import retrains
from rounds.store import Store, open_store
from tests.ports import free
from tests.serving.orchestrator import PASSWORD, Orchestrator
from tests.serving.running import ONE, Clinic
from tests.serving.slowness import proxy
from tests.waiting import until

LOGIN = {"AIRFLOW_USER": "watch", "AIRFLOW_PASSWORD": PASSWORD}


@pytest.fixture
def store(own: Clinic) -> Store:
    return open_store(own.checkout.store.as_uri())


@pytest.mark.data_safety
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
        found = service.seen("/ops/retrain/check", lambda found: found["asked"])
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
    port = free()
    with own.serving(AIRFLOW_URL=f"http://127.0.0.1:{port}", **LOGIN) as service:
        found = service.ready().ask("/ops/retrain", {"reason": "x"})
        assert found.status == 503 and "cannot be reached" in found.json["error"]
        assert found.headers["retry-after"] == "1"
        assert service.predict(ONE).status == 200
        health = service.seen("/ops/health", lambda found: "cannot be reached" in found["parts"]["airflow"])
        assert health["well"] is False and service.metrics()["rounds_airflow_up"] == 0
        with airflow.serving(port):
            told = service.ask("/ops/retrain", {"reason": "x"}).json
            assert told["says"].endswith("until somebody unpauses it.")
            assert len(airflow.runs) == len(retrains.asks(store, "noshow")) == 1
            service.seen("/ops/health", lambda found: found["parts"]["airflow"] == "well")


def test_an_airflow_that_trickles_is_given_up_and_asked_again(own: Clinic, store: Store) -> None:
    airflow = Orchestrator()
    with airflow.serving() as url, proxy(int(url.rpartition(":")[2])) as between:
        between.pause = 0.5
        with own.serving(AIRFLOW_URL=f"http://127.0.0.1:{between.port}", **LOGIN) as service:
            wish = partial(service.ready().ask, "/ops/retrain", {"reason": "x"})
            found = wish()
            assert found.status == 503 and "no whole answer within 5 s" in found.json["error"]
            assert service.predict(ONE).status == 200
            service.seen("/ops/health", lambda found: "no whole answer" in found["parts"]["airflow"])
            between.pause = None
            until(lambda: wish().status == 200)
            assert len(airflow.runs) == len(retrains.asks(store, "noshow")) == 1
