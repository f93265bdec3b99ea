"""The service as its users meet it: a real process, asked over HTTP."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.keyring import changed, made
from tests.checkout import ROOT
from tests.serving.running import ONE, Clinic, Service


@pytest.fixture(scope="module")
def service(clinic: Clinic, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with clinic.copy(tmp_path_factory.mktemp("served")).serving(BODY_BYTES="200000", ROWS="300") as found:
        yield found.ready()


def test_an_appointment_is_answered_with_all_that_was_promised(service: Service) -> None:
    found = service.predict(ONE)
    assert found.status == 200
    assert found.json["model"] == "NoShowXGBoost"
    assert found.json["version"] == 1
    assert len(found.json["bundle"]) == 64
    assert found.json["history_as_of"].startswith("2026-03-2")
    (said,) = found.json["predictions"]
    assert 0 < said["probability"] < 1
    assert said["band"] == ("low" if said["probability"] < 0.15 else "medium" if said["probability"] < 0.35 else "high")
    assert said["call"] == (said["probability"] >= service.ask("/model").json["threshold"])
    assert said["reasons"] == []


def test_many_are_answered_in_their_order_and_as_each_alone(service: Service) -> None:
    rows = [{**ONE, "age": age} for age in range(100)] * 3
    together = [each["probability"] for each in service.predict(*rows).json["predictions"]]
    alone = [service.predict(row).json["predictions"][0]["probability"] for row in rows[:100]]
    assert together == alone * 3
    assert len(set(alone)) > 1


def test_reasons_are_words_and_a_direction(service: Service) -> None:
    (said,) = service.predict(ONE, query="?explain=true").json["predictions"]
    assert len(said["reasons"]) == 3
    assert {reason["effect"] for reason in said["reasons"]} <= {"raises the risk", "lowers the risk"}
    assert all("{" not in reason["text"] for reason in said["reasons"])


def test_a_prediction_on_record_is_explained_later_in_the_same_words(service: Service) -> None:
    first = service.predict(ONE, query="?explain=true").json["predictions"][0]
    later = service.ask("/explain", {"id": first["id"]})
    assert later.status == 200
    assert later.json["reasons"] == first["reasons"]
    assert later.json["probability"] == first["probability"]
    assert service.ask("/explain", {"id": first["id"][:-1] + "x"}).status == 422
    other = f"{first['id'][:12]}{0:020x}"
    assert service.ask("/explain", {"id": other}).status == 404


def test_what_is_not_known_is_answered_and_marked(service: Service) -> None:
    strange = {**ONE, "patient_id": "never seen", "sex": "?", "neighbourhood": "ATLANTIS"}
    (said,) = service.predict(strange).json["predictions"]
    assert said["history"] == "unknown"
    assert said["unknown"] == ["sex", "neighbourhood"]


def test_what_is_missing_is_filled_as_in_training(service: Service) -> None:
    days = {name: ONE[name] for name in ("scheduled_day", "appointment_day")}
    filled = {**days, "age": 0, "hypertension": 0, "handicap": 0, "reminded": False}
    sparse, full = service.predict(days, filled).json["predictions"]
    assert sparse["probability"] == full["probability"]
    assert sparse["unknown"] == []


@pytest.mark.parametrize(
    ("change", "field", "value", "wanted"),
    [
        ({"age": 200}, "age", 200, "a whole number from 0 to 120"),
        ({"age": "62"}, "age", "62", "a whole number from 0 to 120"),
        ({"reminded": "yes"}, "reminded", "yes", "true or false (1 or 0)"),
        ({"appointment_day": "30.3.2026"}, "appointment_day", "30.3.2026", "a day such as 2026-03-30"),
        ({"appointment_day": "2026-03-11"}, "appointment_day", "2026-03-11", "the day of scheduled_day or a later one"),
        ({"appointment_day": "3026-03-11"}, "appointment_day", "3026-03-11", "a day from 1900-01-01 to 2200-12-31"),
        ({"no_show": 1}, "no_show", 1, "nothing: no_show is not known at the moment of prediction (day_before)"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_wanted(
    service: Service, change: dict[str, Any], field: str, value: Any, wanted: str
) -> None:
    found = service.predict(ONE, {**ONE, **change})
    assert found.status == 422
    assert found.json["fields"] == [{"row": 1, "field": field, "value": value, "wanted": wanted}]


def test_two_wrong_values_are_both_named(service: Service) -> None:
    found = service.predict({"age": 200})
    assert [each["field"] for each in found.json["fields"]] == ["scheduled_day", "appointment_day", "age"]


DEEP = b'{"appointments":' + b"[" * 60_000 + b"]" * 60_000 + b"}"
HUGE = json.dumps({"appointments": [{**ONE, "age": 10**400}]}).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'{"appointments": []}',
        b'{"appointments": {}}',
        b'{"appointments": [null]}',
        b'{"appointments": [[]]}',
        b'{"appointments": [{}], "more": 1}',
        b'{"appointments": [{"age": NaN}]}',
        b'{"appointments": [{"age": 1e999}]}',
        b'{"appointments": [{"sex": "\xff"}]}',
        '{"appointments": [{}]}'.encode("utf-16"),
        DEEP,
        b'{"appointments": [' + DEEP + b"]}",
        HUGE,
        json.dumps({"appointments": [ONE] * 301}).encode(),
    ],
)
def test_a_body_that_makes_no_sense_is_a_422_and_the_service_goes_on(service: Service, body: bytes) -> None:
    found = service.ask("/predict", body)
    assert found.status == 422
    assert found.json["fields"]
    assert service.predict(ONE).status == 200


def test_a_body_that_is_too_large_is_refused_before_it_is_read(service: Service) -> None:
    assert service.ask("/predict", b"x" * 200_001).status == 413


def test_other_methods_and_paths_are_told_what_is_wanted(service: Service) -> None:
    assert service.ask("/predict").status == 405
    assert service.ask("/nothing").status == 404
    assert service.ask("/healthz", b"{}").status == 405


def test_the_model_tells_its_figures_its_gates_and_its_reliability(service: Service) -> None:
    card = service.ask("/model").json
    assert card["metrics"]["auc"]["low"] <= card["metrics"]["auc"]["value"] <= card["metrics"]["auc"]["high"]
    assert all(gate["verdict"] == "pass" or not gate["blocks"] for gate in card["gates"])
    assert sum(point["rows"] for point in card["reliability"]) == card["tested"]["rows"]
    assert "lead_days" in card["features"]


def test_a_problem_without_a_readme_is_served(own: Clinic, tmp_path: Path) -> None:
    rooms = tmp_path / "rooms"
    shutil.copytree(own.checkout.root, rooms)
    shutil.copytree(ROOT / "serving", rooms / "serving")
    (rooms / "problems/noshow/README.md").unlink()
    with own.serving(root=rooms) as service:
        assert "no README.md" in service.ready().ask("/model").json["card"]


def test_the_schema_takes_its_own_example(service: Service) -> None:
    schema = service.ask("/schema").json
    assert schema["properties"]["age"]["maximum"] == 120
    assert schema["properties"]["age"]["x-from"] == "Age"
    assert "no_show" not in schema["properties"]
    assert service.predict(*schema["examples"]).status == 200


def test_the_documentation_loads_nothing_from_elsewhere(service: Service) -> None:
    page = service.ask("/docs")
    assert page.status == 200
    assert b"http://" not in page.body
    assert b"https://" not in page.body
    example = service.ask("/openapi.json").json["paths"]["/predict"]["post"]["requestBody"]["content"]
    assert service.ask("/predict", example["application/json"]["example"]).status == 200


@pytest.mark.data_safety
def test_metrics_count_and_name_nobody(service: Service) -> None:
    service.predict({**ONE, "patient_id": "someone-special"})
    text = service.ask("/metrics").body.decode()
    assert 'rounds_requests_total{path="/predict",status="200"}' in text
    assert 'rounds_model_info{bundle="' in text
    assert "someone-special" not in text
    assert "someone-special" not in service.out.read_text(encoding="utf-8")


def test_every_answer_carries_the_headers_of_a_careful_site(service: Service) -> None:
    for found in (service.predict(ONE), service.ask("/healthz"), service.ask("/nothing"), service.ask("/predict", b"")):
        assert found.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in found.headers["content-security-policy"]
        assert "access-control-allow-origin" not in found.headers


@pytest.mark.data_safety
def test_every_answer_is_on_record_before_it_is_given(clinic: Clinic, tmp_path: Path) -> None:
    own = clinic.copy(tmp_path / "own")
    with own.serving() as service:
        service.ready()
        ids = [service.predict(ONE).json["predictions"][0]["id"] for _ in range(20)]
        service.process.kill()
    records = {record["id"]: record for record in own.journaled()}
    assert set(ids) <= set(records)
    assert records[ids[0]]["who"] not in {None, "1001"}
    assert "patient_id" not in records[ids[0]]["input"]
    assert records[ids[0]]["input"]["appointment_id"] != "7"


def test_with_the_registry_gone_it_starts_from_its_cache_and_says_so(clinic: Clinic, tmp_path: Path) -> None:
    own = clinic.copy(tmp_path / "own")
    with own.serving() as service:
        before = service.ready().predict(ONE).json
        service.until("/readyz", lambda found: found.json["registry"] == "well")
        assert service.end() == 0
    with own.serving(MLFLOW_TRACKING_URI="http://127.0.0.1:9") as service:
        after = service.ready().predict(ONE).json
        found = service.until("/readyz", lambda found: "could not" in found.json["registry"])
    assert found.status == 200
    assert after["bundle"] == before["bundle"]
    assert after["predictions"][0]["probability"] == before["predictions"][0]["probability"]


def test_without_a_model_it_lives_is_not_ready_and_answers_503(clinic: Clinic, tmp_path: Path) -> None:
    with clinic.copy(tmp_path / "own").serving(MLFLOW_TRACKING_URI="http://127.0.0.1:9") as service:
        service.until("/healthz", lambda found: found.status == 200)
        assert service.ask("/readyz").status == 503
        found = service.predict(ONE)
        assert (found.status, found.headers["retry-after"]) == (503, "1")
        assert service.ask("/schema").status == 503


@pytest.mark.data_safety
def test_a_cached_bundle_that_was_altered_is_brought_anew(clinic: Clinic, tmp_path: Path) -> None:
    own = clinic.copy(tmp_path / "own")
    with own.serving() as service:
        before = service.ready().predict(ONE).json["predictions"][0]["probability"]
        service.end()
    (model,) = (own.place / "cache/bundles").glob("*/model.ubj")
    model.write_bytes(model.read_bytes()[:-1])
    with own.serving() as service:
        assert service.ready().predict(ONE).json["predictions"][0]["probability"] == before


def test_a_journal_that_may_not_be_written_stops_the_start(clinic: Clinic, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with clinic.copy(tmp_path / "own").serving(JOURNAL_FOLDER=str(tmp_path / "taken" / "journal")) as service:
        assert service.process.wait(60) == 2
    assert "JOURNAL_FOLDER" in service.out.read_text(encoding="utf-8")


@pytest.mark.data_safety
def test_without_keys_it_binds_to_nothing_but_loopback(clinic: Clinic, tmp_path: Path) -> None:
    with clinic.copy(tmp_path / "own").serving(HOST="0.0.0.0") as service:
        assert service.process.wait(60) == 2
    assert "HOST is 0.0.0.0 and KEYS is not set" in service.out.read_text(encoding="utf-8")


def test_a_store_that_is_gone_costs_the_histories_alone(clinic: Clinic, tmp_path: Path) -> None:
    own = clinic.copy(tmp_path / "own")
    shutil.rmtree(own.checkout.store / "noshow" / ".index" / "publish")
    with own.serving() as service:
        found = service.ready().predict(ONE).json
        assert found["history_as_of"] is None
        assert found["predictions"][0]["history"] == "down"
        assert "no history" in service.ask("/readyz").json["histories"]


@pytest.mark.data_safety
def test_a_key_opens_what_it_is_for_and_nothing_else(clinic: Clinic, tmp_path: Path) -> None:
    file, keys = tmp_path / "keys", {}
    for name in ("predict", "explain", "operate", "metrics"):
        command = [sys.executable, "-m", "serving.keys", "new", name, "--file", str(file), "--scopes", name]
        made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        keys[name] = {"Authorization": f"Bearer {made.stdout.strip()}"}
    with clinic.copy(tmp_path / "own").serving(KEYS=str(file), HOST="0.0.0.0") as service:
        service.ready()
        assert service.predict(ONE, **keys["predict"]).status == 200
        assert service.predict(ONE, **keys["explain"]).status == 403
        assert service.predict(ONE, query="?explain=true", **keys["predict"]).status == 403
        assert service.ask("/metrics", **keys["operate"]).status == 200
        assert service.ask("/metrics", **keys["metrics"]).status == 200
        assert service.ask("/ops/summary", **keys["metrics"]).status == 403
        assert service.ask("/metrics").status == 401
        assert service.ask("/health").json == service.ask("/healthz").json == {"alive": True}
        unknown = service.predict(ONE, Authorization="Bearer nonsense")
        assert (unknown.status, unknown.headers["www-authenticate"]) == (401, "Bearer")
        log = service.out.read_text(encoding="utf-8")
        assert "a login from 127.0.0.1 was refused" in log and "nonsense" not in log


def test_a_revoked_key_stops_working_whatever_else_is_wrong_with_the_file(clinic: Clinic, tmp_path: Path) -> None:
    file, keys = tmp_path / "keys", {}
    for name in ("clinic", "on-call"):
        plain, key = made(name, frozenset({"predict", "operate"}), None)
        changed(file, lambda before, key=key: (*before, key))  # type: ignore[misc]
        keys[name] = {"Authorization": f"Bearer {plain}"}
    with clinic.copy(tmp_path / "own").serving(KEYS=str(file), HOST="0.0.0.0") as service:
        service.ready()
        assert service.predict(ONE, **keys["clinic"]).status == 200
        _, kept = file.read_bytes().splitlines()
        file.write_bytes(b'{"name": "half a li\n' + kept + b"\n")
        service.until("/readyz", lambda _: service.predict(ONE, **keys["clinic"]).status == 401)
        assert "line 1" in service.ask("/readyz", **keys["on-call"]).json["keys"]
        file.unlink()
        service.until("/readyz", lambda _: service.predict(ONE, **keys["on-call"]).status == 503)
        assert "no key works" in service.ask("/readyz").json["keys"]
        assert "line 1" in (log := service.out.read_text(encoding="utf-8")) and "no key works" in log
