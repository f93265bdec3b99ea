"""A store that takes connections and says nothing: it is told, what needs no store goes on, and nothing is lost."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator

import pytest

from tests.serving.running import ONE, PATIENCE, Answered, Clinic, Service
from tests.serving.slowness import silent

MANY = 40  # more than the threads that all of a service's own work shares
ABSENT = f"{time.time_ns() // 1_000_000:012x}{0:020x}"  # an id as of now, which nobody has


@pytest.fixture
def service(own: Clinic) -> Iterator[Service]:
    with own.serving() as before:
        assert before.ready().predict(ONE).status == 200
        before.process.kill()  # what it has not shipped is the next one's to ship
        before.process.wait()
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ALLOW_HTTP": "true"}
    with silent() as port:
        store = {"STORE": "s3://bucket/store", "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", **keys}
        with own.serving(**store, STORE_TIMEOUT="3000") as found:
            yield found.ready()


def test_a_store_that_says_nothing_is_told_and_holds_up_only_what_lies_there(service: Service) -> None:
    told = service.until("/ops/health", lambda found: "no answer yet" in found.json["parts"]["store"])
    assert not told.json["well"]
    found: list[Answered] = []
    asking = [
        threading.Thread(target=lambda: found.append(service.ask("/explain", {"id": ABSENT}))) for _ in range(MANY)
    ]
    for each in asking:
        each.start()
    outcome = {"outcomes": [{"id": "y", "outcome": True}]}
    assert service.ask("/outcomes", outcome).status == 200
    assert service.predict(ONE).status == 200
    assert not found, "they still wait for the store"
    service.until("/readyz", lambda found: "the store was asked" in found.json["journal"])
    for each in asking:
        each.join()
    assert {each.status for each in found} == {503}
    assert "the store" in found[0].json["error"]


@pytest.mark.data_safety
def test_it_does_not_hold_the_end_and_nothing_is_lost(service: Service, own: Clinic) -> None:
    wanted = [service.predict(ONE).json["predictions"][0]["id"] for _ in range(3)]
    asking = http.client.HTTPConnection("127.0.0.1", service.port, timeout=PATIENCE)
    asking.request("POST", "/explain", json.dumps({"id": ABSENT}), {"Content-Type": "application/json"})
    assert service.end() == 0
    assert asking.getresponse().status == 503
    lines = own.journaled()
    assert {*wanted} <= {each["id"] for each in lines} and len(lines) == 4
