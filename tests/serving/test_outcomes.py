"""What happened, as the service is told: checked field by field, on disk before it is answered, once in the ledger."""

from __future__ import annotations

import gzip
import json
import random
import threading
import time
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from rounds.journal import keyed
from rounds.outcomes import FIELDS
from rounds.recorded import Ledger
from rounds.store import Store, open_store
from serving.shipping import Yard
from tests import parts
from tests.serving.keeping import started
from tests.serving.running import ONE, Clinic, Service
from tests.serving.writing import KEY as WRITTEN
from tests.waiting import until

KEY = {"JOURNAL_KEY": "a secret of the clinic that is long enough"}
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def own(clinic: Clinic, tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    return clinic.copy(tmp_path_factory.mktemp("told") / "clinic")


def tell(service: Service, *rows: Any) -> Any:
    return service.ask("/outcomes", {"outcomes": list(rows)})


def written(folder: Path) -> list[dict[str, Any]]:
    """Every line in the folder, in order of its segments, shipped or not."""
    found = []
    for path in sorted((folder / "outcomes").rglob("*.jsonl*")):
        raw = path.read_bytes()
        found += [json.loads(line) for line in (gzip.decompress(raw) if path.suffix == ".gz" else raw).splitlines()]
    return [line for line in found if "part" not in line]


def shipped(store: Store) -> list[dict[str, Any]]:
    day = datetime.now(UTC).date()
    own = Ledger(store, "noshow", KEY["JOURNAL_KEY"].encode(), "outcomes")
    return list(own.records(day - timedelta(days=1), day))


@pytest.fixture(scope="module")
def service(own: Clinic) -> Any:
    with own.serving(**KEY) as running:
        yield running.ready()


@pytest.mark.data_safety
def test_one_or_many_are_on_disk_when_they_are_answered(service: Service, own: Clinic) -> None:
    [prediction] = service.predict(ONE).json["predictions"]
    before = len(written(own.place / "journal"))
    found = tell(
        service,
        {"id": prediction["id"], "outcome": True, "action": "call", "propensity": 0.9},
        {"appointment": "7.0", "outcome": False, "observed": "2026-03-30T11:00:00+02:00"},
        {"id": "nobody knows it", "action": "none", "outcome": None},
    )
    assert found.status == 200, found.body
    one, two, three = lines = written(own.place / "journal")[before:]
    assert found.json == {"received": 3, "entries": [line["entry"] for line in lines]}
    assert {tuple(line) for line in lines} == {FIELDS}
    assert (one["id"], one["appointment"], one["outcome"]) == (prediction["id"], None, True)
    assert (one["action"], one["propensity"], one["observed"]) == ("call", 0.9, None)
    [journaled] = [line for line in own.journaled() if line["id"] == prediction["id"]]
    assert two["appointment"] == keyed("7", KEY["JOURNAL_KEY"].encode()) == journaled["input"]["appointment_id"]
    assert (two["outcome"], two["observed"]) == (False, "2026-03-30T09:00:00.000+00:00")
    assert (three["id"], three["outcome"], three["action"]) == ("nobody knows it", None, "none")


LATER = (NOW + timedelta(days=1)).isoformat()
WRONG: list[tuple[Any, str, str]] = [
    ({"id": "a"}, "outcome", "an outcome, an action or both"),
    ({"outcome": True}, "id", "either id or appointment"),
    ({"id": "a", "appointment": "7", "outcome": True}, "id", "either id or appointment"),
    ({"id": "a", "outcome": "yes"}, "outcome", "true or false"),
    ({"id": "a", "outcome": 1}, "outcome", "true or false"),
    ({"id": "a", "action": "shout"}, "action", "one of none, message, call"),
    ({"id": "a", "action": "call", "propensity": 1.1}, "propensity", "a chance from 0 to 1"),
    ({"id": "a", "outcome": True, "propensity": 0.5}, "action", "the action that propensity is the chance of"),
    ({"id": "a", "outcome": True, "observed": "noon"}, "observed", "a moment such as 2026-03-12T09:30:00Z"),
    ({"id": "a", "outcome": True, "observed": LATER}, "observed", "a moment that is not to come"),
    ({"id": "a", "outcome": True, "observed": "9999-12-31T23:59:59-23:59"}, "observed", "a moment that is not to come"),
    ({"appointment": "NULL", "outcome": True}, "appointment", "text of 1 to 200 printable letters"),
    ({"appointment": ["7"], "outcome": True}, "appointment", "text of 1 to 200 printable letters"),
    ({"id": "a", "outcome": True, "who": "b"}, "who", "one of the fields id, appointment, outcome"),
    ([], "", "an object with some of id, appointment"),
]


@pytest.mark.data_safety
@pytest.mark.parametrize(("row", "field", "wanted"), WRONG)
def test_a_wrong_field_is_named_and_nothing_is_taken(
    service: Service, own: Clinic, row: Any, field: str, wanted: str
) -> None:
    before = len(written(own.place / "journal"))
    found = tell(service, {"id": "right", "outcome": True}, row)
    assert found.status == 422
    told = [each for each in found.json["fields"] if each["field"] == field]
    assert told and told[0]["row"] == 1 and told[0]["wanted"].startswith(wanted), found.json
    assert len(written(own.place / "journal")) == before


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"outcomes": 3}', b'{"outcomes": []}', b'{"outcomes": [{}], "a": 1}']
)
def test_a_body_that_is_no_list_of_outcomes(service: Service, body: bytes) -> None:
    found = service.ask("/outcomes", body)
    assert found.status == 422 and "error" in found.json
    assert service.ask("/outcomes").status == 405


def test_it_is_described_and_counted(service: Service) -> None:
    described = service.ask("/openapi.json").json["paths"]["/outcomes"]["post"]
    example = described["requestBody"]["content"]["application/json"]["example"]
    assert tell(service, *example["outcomes"]).status == 200
    assert b"rounds_outcomes_total" in service.ask("/metrics").body


def test_it_wants_a_key_of_its_own(own: Clinic, tmp_path: Path) -> None:
    from serving.keyring import changed, made

    keys = tmp_path / "keys"
    plain = {}
    for scope in ("predict", "outcome"):
        plain[scope], key = made(scope, frozenset({scope}), None)  # type: ignore[arg-type]
        changed(keys, lambda before, key=key: (*before, key))
    with own.serving(KEYS=str(keys), **KEY) as service:
        service.until("/healthz", lambda found: found.status == 200)
        body = {"outcomes": [{"id": "a", "outcome": True}]}
        assert service.ask("/outcomes", body).status == 401
        assert service.ask("/outcomes", body, Authorization=f"Bearer {plain['predict']}").status == 403
        assert service.ask("/outcomes", body, Authorization=f"Bearer {plain['outcome']}").status == 200


@pytest.mark.data_safety
def test_killed_under_load_every_acknowledged_outcome_is_in_the_ledger_once(own: Clinic, tmp_path: Path) -> None:
    acknowledged: list[str] = []
    extra = {**KEY, "JOURNAL_FOLDER": str(tmp_path / "journal"), "STORE": (tmp_path / "store").as_uri()}

    def call(service: Service) -> None:
        for _ in range(10_000):
            try:
                found = tell(service, *({"id": "a", "outcome": True} for _ in range(random.randint(1, 5))))
            except (OSError, ValueError, HTTPException):
                return
            if found.status == 200:
                acknowledged.extend(found.json["entries"])

    for _ in range(3):
        with own.serving(**extra) as service:
            service.until("/healthz", lambda found: found.status == 200)
            callers = [threading.Thread(target=call, args=(service,)) for _ in range(4)]
            for caller in callers:
                caller.start()
            more = len(acknowledged) + 10
            until(lambda more=more: len(acknowledged) >= more)  # type: ignore[misc]
            time.sleep(random.random())
            service.process.kill()
            for caller in callers:
                caller.join()
    with own.serving(**extra) as service:
        service.until("/healthz", lambda found: found.status == 200)
        assert service.end() == 0
    entries = [line["entry"] for line in shipped(open_store(extra["STORE"]))]
    assert set(acknowledged) <= set(entries) and len(entries) == len(set(entries))


def test_explained_by_another_replica(own: Clinic, tmp_path: Path) -> None:
    """Two services, two folders, one store: what one shipped the other finds."""
    with own.serving(JOURNAL_FOLDER=str(tmp_path / "one"), **KEY) as first:
        [prediction] = first.ready().predict(ONE, query="?explain=true").json["predictions"]
        assert first.end() == 0
    with own.serving(JOURNAL_FOLDER=str(tmp_path / "two"), CACHE=str(tmp_path / "cache"), **KEY) as second:
        found = second.ready().ask("/explain", {"id": prediction["id"]})
    assert found.status == 200, found.body
    assert found.json["reasons"] == prediction["reasons"]
    assert found.json["probability"] == prediction["probability"]


@pytest.mark.data_safety
def test_two_ledgers_in_one_folder_and_store_stay_apart(folder: Path, store: Store) -> None:
    day = "2026-11-21"
    for ledger, place in (("journal", folder), ("outcomes", folder / "outcomes")):
        journal = started(place, store, ledger=ledger)
        journal.append([{"id": ledger, "at": f"{day}T10:00:00.000Z"}])
        journal.close()
    for ledger in ("journal", "outcomes"):
        [line] = parts.below(Path(store.url.removeprefix("file://")) / f"noshow/.{ledger}")
        assert line["id"] == ledger
    yard = Yard(
        folder / "outcomes/noshow",
        "noshow",
        store,
        0,
        0,
        30,
        lambda: datetime(2027, 1, 1, tzinfo=UTC),
        "outcomes",
        key=WRITTEN,
    )
    yard.tidy(forget=True)
    assert store.paths("noshow/.outcomes") == [] and len(parts.below(folder.parent / "store/noshow/.journal")) == 1
