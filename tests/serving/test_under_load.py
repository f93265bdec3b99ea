"""What must hold while others ask without pause: an end, another model, a kill, a registry and a Redis that fail."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections import Counter
from pathlib import Path

import pytest

from serving.__main__ import deafen
from tests import parts
from tests.serving.callers import calling
from tests.serving.running import ONE, Clinic, Service
from tests.waiting import until

JSON = b"Content-Type: application/json\r\n"
LOCK_FILTER = 44  # the option of Linux by which nobody may give a socket a filter any more


def test_told_to_end_it_fails_no_request(clinic: Clinic, tmp_path: Path) -> None:
    own = clinic.copy(tmp_path / "own")
    for _ in range(5):
        # Who was answered before and says nothing until it has ended meets a closed door: no caller is so slow here.
        with own.serving(DRAIN="2") as service, calling(service.ready().port) as found:
            found.more()
            assert service.end() == 0
            until(lambda found=found: found.refused)  # type: ignore[misc]
        assert found.failed == []
    assert set(found.ids) <= {record["id"] for record in own.journaled()}


def test_told_to_end_it_answers_who_was_connected_and_had_not_asked(clinic: Clinic, tmp_path: Path) -> None:
    with clinic.copy(tmp_path / "own").serving() as service:
        early = http.client.HTTPConnection("127.0.0.1", service.ready().port, timeout=30)
        early.connect()
        service.process.terminate()
        while _hears(service.port):
            time.sleep(0.01)
        time.sleep(0.5)
        early.request("POST", "/predict", json.dumps({"appointments": [ONE]}), {"Content-Type": "application/json"})
        answered = early.getresponse()
        assert (answered.status, answered.getheader("connection")) == (200, "close")
        assert service.end() == 0


@pytest.mark.parametrize("locked", [False, True], ids=["filtered", "no filter to be had"])
def test_who_is_in_the_queue_of_a_deaf_door_is_let_in(locked: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.setsockopt(socket.SOL_SOCKET, LOCK_FILTER, locked)
        with socket.create_connection(door.getsockname()) as early:
            deafen(door.fileno())
            here, _ = door.accept()
            with here:
                early.sendall(b"asked")
                assert here.recv(5) == b"asked"
        until(lambda: _hears(door.getsockname()[1]) is locked)


def _hears(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.1).close()
    except OSError:
        return False
    return True


@pytest.mark.data_safety
def test_another_model_takes_over_without_a_failure_and_none_is_mixed(clinic: Clinic, tmp_path: Path) -> None:
    own = clinic.copy(tmp_path / "own")
    with own.serving() as service, calling(service.ready().port, 4, rows=300) as found:
        found.more(8)
        for version in (2, 1, 2):
            own.champion(version)
            service.until("/version", lambda told, wanted=version: told.json["version"] == wanted)  # type: ignore[misc]
            found.more(8)
    assert found.failed == []
    assert {answer["version"] for answer in found.answers} == {1, 2}
    said = {
        version: Counter(
            (answer["bundle"], each["probability"])
            for answer in found.answers
            if answer["version"] == version
            for each in answer["predictions"]
        )
        for version in (1, 2)
    }
    # Four callers ask about one appointment each, so each model has at most four answers.
    assert max(len(each) for each in said.values()) <= 4
    records = own.journaled()
    assert {(record["version"], record["bundle"]) for record in records} == {
        (answer["version"], answer["bundle"]) for answer in found.answers
    }


@pytest.mark.data_safety
def test_killed_every_answer_is_on_record_once(clinic: Clinic, tmp_path: Path) -> None:
    own, ids = clinic.copy(tmp_path / "own"), []
    for _ in range(5):
        with own.serving() as service, calling(service.ready().port) as found:
            found.more(100)
            service.process.kill()
        ids += found.ids
    with own.serving() as service:
        service.ready()
        assert service.ask("/explain", {"id": ids[0]}).status == 200
        service.end()
    counted = Counter(record["id"] for record in own.journaled() or _shipped(own))
    assert {counted[id] for id in ids} == {1}


def _shipped(own: Clinic) -> list[dict[str, str]]:
    return parts.below(own.checkout.store / "noshow/.journal")


@pytest.mark.data_safety
def test_a_bundle_that_was_altered_in_the_registry_is_refused_and_the_old_one_goes_on(
    clinic: Clinic, tmp_path: Path
) -> None:
    own = clinic.copy(tmp_path / "own")
    files = _registry_files(clinic, own)
    with own.serving() as service:
        before = service.ready().predict(ONE).json
        for model in files.rglob("model.ubj"):
            model.write_bytes(model.read_bytes()[:-100] + bytes(100))
        own.champion(2)
        told = service.until("/readyz", lambda found: "signed in model.ubj" in found.json["registry"])
        assert told.status == 200
        assert service.predict(ONE).json["bundle"] == before["bundle"]


def _registry_files(clinic: Clinic, own: Clinic) -> Path:
    """Files of its own for a copied registry: its database names those of the original."""
    import sqlite3

    for found in (own.registry / "mlflow.db",):
        database = sqlite3.connect(found)
        for table, column in (("runs", "artifact_uri"), ("experiments", "artifact_location")):
            database.execute(f"update {table} set {column} = replace({column}, ?, ?)", _uris(clinic, own))
        database.commit()
        database.close()
    return own.registry / "mlartifacts"


def _uris(clinic: Clinic, own: Clinic) -> tuple[str, str]:
    return clinic.registry.as_uri(), own.registry.as_uri()


def test_an_alias_that_is_gone_leaves_the_old_model_answering(clinic: Clinic, tmp_path: Path) -> None:
    from tests import tracked

    own = clinic.copy(tmp_path / "own")
    with own.serving() as service:
        service.ready()
        tracked.door(own.registry).client.delete_registered_model_alias("NoShowXGBoost", "champion")
        told = service.until("/readyz", lambda found: "could not" in found.json["registry"])
        assert told.status == 200
        assert service.predict(ONE).json["version"] == 1


def test_a_pinned_version_stays(clinic: Clinic, tmp_path: Path) -> None:
    own = clinic.copy(tmp_path / "own")
    with own.serving(MODEL="models:/NoShowXGBoost/2") as service:
        assert service.ready().predict(ONE).json["version"] == 2
        assert "lead_weeks" in service.ask("/model").json["features"]


def test_with_redis_down_it_answers_as_for_a_stranger_and_marks_it(clinic: Clinic, tmp_path: Path) -> None:
    own = clinic.copy(tmp_path / "own")
    with own.serving(HISTORY="redis://127.0.0.1:9/0") as service:
        found = service.ready().predict({**ONE, "patient_id": "1001"}).json
        assert (found["history_as_of"], found["predictions"][0]["history"]) == (None, "down")
        assert b"rounds_history_down_total 1.0" in service.ask("/metrics").body
    (record,) = [each for each in own.journaled() if each["id"] == found["predictions"][0]["id"]]
    assert (record["history"], record["history_as_of"]) == ("down", None)


def test_too_much_at_once_is_told_so_at_once(clinic: Clinic, tmp_path: Path) -> None:
    with clinic.copy(tmp_path / "own").serving(CONCURRENT="1") as service:
        service.ready()
        with calling(service.port, 6) as found:
            until(lambda: any(each.startswith("503") for each in found.failed))
        assert {each[:3] for each in found.failed} == {"503"}
        assert service.predict(ONE).status == 200


def test_a_body_that_never_ends_is_given_up(clinic: Clinic, tmp_path: Path) -> None:
    with clinic.copy(tmp_path / "own").serving(SECONDS="0.5") as service:
        service.ready()
        with socket.create_connection(("127.0.0.1", service.port), timeout=60) as slow:
            slow.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\n" + JSON + b"Content-Length: 100\r\n\r\n{")
            assert slow.recv(100).startswith(b"HTTP/1.1 408")
        until(lambda: service.predict(ONE).status == 200)  # half a second is for it too


def memory(service: Service) -> int:
    """In kilobytes."""
    text = Path(f"/proc/{service.process.pid}/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith("VmRSS")))


def test_bodies_of_fifty_megabytes_leave_no_memory_behind(clinic: Clinic, tmp_path: Path) -> None:
    body = b'{"appointments": [' + b" " * 50_000_000 + b"]}"
    with clinic.copy(tmp_path / "own").serving(BODY_BYTES="60000000") as service:
        service.ready().ask("/predict", body)
        before = memory(service)
        for _ in range(5):
            assert service.ask("/predict", body).status == 422
        assert memory(service) < before + 20_000
