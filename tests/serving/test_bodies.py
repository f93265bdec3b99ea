"""Bodies of any shape: what they may take of memory and of others' time, and that lists are read as before in parts."""

from __future__ import annotations

import asyncio
import json
import random
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from serving import bodies
from serving.limits import Problem
from tests.serving.running import ONE, Clinic, Service
from tests.serving.test_under_load import memory
from tests.waiting import until

MOST = 16 * 1024 * 1024
RISE = 64 * 1024  # kilobytes that one body may raise the memory by
SHORT = {"scheduled_day": "2026-03-12T09:30:00Z", "appointment_day": "2026-03-30"}


def filled(head: bytes, unit: bytes, tail: bytes) -> bytes:
    return head + unit * ((MOST - len(head) - len(tail)) // len(unit)) + tail


KEYS = b",".join(b'"k%d":0' % at for at in range(1_200_000))
HALF, DEEP = MOST // 2 - 20, 2_700_000
# Each as large as a body may be; `head` is {"appointments":[ or {"outcomes":[.
SHAPES: dict[str, Callable[[bytes], bytes]] = {
    "zeros": lambda head: filled(head, b"0,", b"0]}"),
    "nulls": lambda head: filled(head, b"null,", b"null]}"),
    "empty rows": lambda head: filled(head, b"{},", b"{}]}"),
    "empty lists": lambda head: filled(head, b"[],", b"[]]}"),
    "deep lists": lambda head: head + b"[" * HALF + b"]" * HALF + b"]}",
    "deep rows": lambda head: head + b'{"a":' * DEEP + b"0" + b"}" * DEEP + b"]}",
    "a long text": lambda head: filled(head + b'"', b"x", b'"]}'),
    "a long text in a row": lambda head: filled(head + b'{"sex":"', b"x", b'"}]}'),
    "letters as escapes": lambda head: filled(head + b'{"sex":"', b"\\u00e9", b'"}]}'),
    "many keys in a row": lambda head: head + b"{" + KEYS + b"}]}",
    "many keys": lambda _: b"{" + KEYS + b"}",
    "a list again and again": lambda head: filled(b"{", head[1:] + b"],", b'"a":0}'),
    "a key again and again": lambda head: filled(head + b"{", b'"sex":"F",', b'"age":1}]}'),
    "space": lambda head: filled(head, b" ", b"]}"),
    "space between rows": lambda head: filled(head + b"0,", b" ", b"0]}"),
    "a huge number": lambda head: filled(head, b"1", b"]}"),
    "a huge number in a row": lambda head: filled(head + b'{"age":', b"1", b"}]}"),
    "rows inside of a text": lambda head: filled(head + b'"', b"},{", b'"]}'),
    "wrong rows": lambda head: filled(head, b'{"age":1},', b'{"age":1}]}'),
    "nothing but braces": lambda _: b"{" * MOST,
    "no JSON": lambda _: b"x" * MOST,
}


@pytest.fixture(scope="module")
def service(clinic: Clinic, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Idle, and warm: what a first list loads stays for good and is no body's."""
    with clinic.copy(tmp_path_factory.mktemp("bodies")).serving(SECONDS="600") as found:
        found.ready().until("/readyz", lambda answer: answer.json["registry"] == "well")
        for _ in range(3):
            assert found.predict(*[ONE] * 3000).status == 200
        yield found


@pytest.mark.parametrize("path", ["/predict", "/outcomes"])
@pytest.mark.parametrize("shape", SHAPES)
def test_no_body_of_any_shape_takes_much_memory(service: Service, path: str, shape: str) -> None:
    body = SHAPES[shape](b'{"appointments":[' if path == "/predict" else b'{"outcomes":[')
    assert MOST // 2 < len(body) <= MOST
    with watching(service) as seen:
        assert service.ask(path, body).status == 422
    assert seen.most - seen.idle < RISE


@pytest.mark.parametrize("path", ["/predict?explain=true", "/explain", "/ops/retrain", "/outcomes", "/predict"])
def test_a_body_beyond_its_limit_takes_none(service: Service, path: str) -> None:
    with watching(service) as seen, suppress(OSError):  # who is refused and goes on sending is cut off
        assert service.ask(path, b'{"id":"' + b"x" * (48 * 1024 * 1024)).status == 413
    assert seen.most - seen.idle < RISE


def test_a_list_of_100000_is_answered_in_little_memory(service: Service) -> None:
    rows = [{**SHORT, "patient_id": f"p{at}", "neighbourhood": f"N{at}"} for at in range(100_000)]
    body = json.dumps({"appointments": rows}, separators=(",", ":")).encode()
    with watching(service) as seen:
        found = service.ask("/predict", body)
    assert found.status == 200
    assert seen.most - seen.idle < RISE
    answers = found.json["predictions"]
    assert len({each["id"] for each in answers}) == 100_000
    for at in (0, 1, 2047, 2048, 50_000, 99_999):
        (alone,) = service.predict(rows[at]).json["predictions"]
        assert {**alone, "id": ""} == {**answers[at], "id": ""}


def test_100000_outcomes_are_taken_in_little_memory(service: Service) -> None:
    rows = [{"id": f"{at:032x}", "outcome": True, "action": "call", "propensity": 0.5} for at in range(100_000)]
    body = json.dumps({"outcomes": rows}, separators=(",", ":")).encode()
    with watching(service) as seen:
        found = service.ask("/outcomes", body)
    assert (found.status, found.json["received"]) == (200, 100_000)
    assert len(set(found.json["entries"])) == 100_000
    assert seen.most - seen.idle < RISE


@pytest.mark.parametrize("count", [300, 25_000])
def test_one_wrong_row_far_down_is_named_and_nothing_is_answered(service: Service, count: int) -> None:
    before = service.metrics().get('rounds_predictions_total{band="low",version="1"}', 0.0)
    rows: list[dict[str, Any]] = [{**ONE, "patient_id": str(at)} for at in range(count)]
    rows[-2] = {**ONE, "age": 200}
    found = service.predict(*rows)
    assert found.status == 422
    assert found.json["fields"] == [
        {"row": count - 2, "field": "age", "value": 200, "wanted": "a whole number from 0 to 120"}
    ]
    outcomes: list[dict[str, Any]] = [{"id": str(at), "outcome": True} for at in range(count)]
    outcomes[-2] = {"id": "1"}
    found = service.ask("/outcomes", {"outcomes": outcomes})
    assert (found.status, found.json["fields"][0]["row"]) == (422, count - 2)
    assert service.metrics().get('rounds_predictions_total{band="low",version="1"}', 0.0) == before


def test_a_long_list_may_hold_rows_called_as_in_the_raw_table(service: Service) -> None:
    raw = {"ScheduledDay": SHORT["scheduled_day"], "AppointmentDay": SHORT["appointment_day"], "Age": 62.0}
    rows = [raw if at % 5000 == 1 else SHORT for at in range(25_000)]
    found = service.predict(*rows)
    assert (found.status, len(found.json["predictions"])) == (200, 25_000)
    (alone,) = service.predict(raw).json["predictions"]
    assert {**found.json["predictions"][20_001], "id": ""} == {**alone, "id": ""}


def test_large_bodies_do_not_keep_small_ones_out(service: Service) -> None:
    """Two callers hold all that large bodies may take, and send no more."""
    slow: list[socket.socket] = []

    def refused() -> bool:
        for each in [each for each in slow if select.select([each], [], [], 0)[0]]:
            each.close()  # it was answered, since the list below was there first: another one takes its place
            slow.remove(each)
        slow.extend(_unfinished(service.port) for _ in range(2 - len(slow)))
        return service.predict(*[ONE] * 1000).status == 503

    try:
        until(refused)
        assert service.predict(ONE).status == 200
    finally:
        for each in slow:
            each.close()
    until(lambda: service.predict(*[ONE] * 1000).status == 200)


def _unfinished(port: int) -> socket.socket:
    """A caller who has sent all of the largest body but its last byte."""
    caller = socket.create_connection(("127.0.0.1", port), timeout=60)
    caller.sendall(b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n")
    caller.sendall(b"Content-Length: %d\r\n\r\n" % MOST + b" " * (MOST - 1))
    return caller


@pytest.mark.parametrize("seed", range(20))
def test_parts_are_all_rows_in_their_order(seed: int) -> None:
    draw = random.Random(seed)
    texts = ["plain", '},{"a":', "é" * 50, "\\", '"', "[[[", "\u2028", "x" * 3000]
    kinds: list[Callable[[], Any]] = [
        lambda: {"a": draw.choice(texts), "b": draw.random()},
        lambda: {"a": [1, {"b": draw.choice(texts)}]},
        lambda: draw.choice(texts),
        lambda: draw.randrange(10**9),
        lambda: None,
    ]
    rows = [draw.choice(kinds)() for _ in range(draw.choice([1, 100, 3000]))]
    text = json.dumps({"outcomes": rows}, indent=draw.choice([None, 1]), ensure_ascii=draw.random() < 0.5)
    body = bytearray(text.encode())
    parts = asyncio.run(bodies.cut(body, "outcomes", len(rows)))
    assert [row for part in parts for row in json.loads(part.text(body))] == rows
    assert [part.first for part in parts] == [sum(each.count for each in parts[:at]) for at in range(len(parts))]
    assert max(part.stop - part.start for part in parts) <= bodies.PART
    with pytest.raises(Problem):
        asyncio.run(bodies.cut(body[:-3], "outcomes", len(rows)))
    if len(rows) > 1:
        with pytest.raises(Problem):
            asyncio.run(bodies.cut(body, "outcomes", len(rows) - 1))


class watching:
    """The most memory that a service holds meanwhile; that it answers meanwhile is what the loop is for."""

    def __init__(self, service: Service) -> None:
        self.service, self.idle = service, memory(service)
        self.most = self.idle
        self.alive = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._look, self._ask)]

    def __enter__(self) -> watching:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        assert self.alive

    def _look(self) -> None:
        while not self._stop.wait(0.002):
            self.most = max(self.most, memory(self.service))

    def _ask(self) -> None:
        while not self.alive or not self._stop.wait(0.02):
            assert self.service.ask("/healthz").status == 200
            self.alive += 1
