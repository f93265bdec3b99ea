"""What is slow without being down costs a stated time, and nobody waits for it: Redis, the registry, callers."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rounds.pasts import open_pasts, redis, sqlite
from rounds.store import open_store
from tests.keeper import Keeper, keeper
from tests.serving.callers import calling
from tests.serving.running import ONE, Clinic, Service
from tests.serving.slowness import proxy, silent

LONG = 1200.0  # what nobody here waits for
HEADERS = b"Host: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture
def redis_with_histories(clinic: Clinic, tmp_path: Path) -> Iterator[Keeper]:
    with keeper(tmp_path) as server:
        pasts = open_pasts("", open_store(clinic.checkout.store.as_uri()), "noshow", tmp_path / "histories")
        assert isinstance(pasts.published, sqlite.Published)
        redis.fill(server.url, "noshow", pasts.published, lambda: None)
        yield server


@pytest.mark.parametrize("pause", [0.05, LONG], ids=["trickles", "hangs"])
def test_a_slow_redis_is_as_one_that_is_down(
    clinic: Clinic, tmp_path: Path, redis_with_histories: Keeper, pause: float
) -> None:
    own = clinic.copy(tmp_path / "own")
    with (
        proxy(redis_with_histories.port) as between,
        own.serving(HISTORY=f"redis://127.0.0.1:{between.port}/0") as service,
    ):
        service.ready().until("/readyz", lambda _: service.predict(ONE).json["history_as_of"])
        between.pause, asked, began = pause, between.asked, time.monotonic()
        with calling(service.port) as found:
            found.more(500)
        assert found.failed == []
        assert found.answers[-1]["predictions"][0]["history"] == "down"
        assert "Redis" in service.ask("/readyz").json["histories"]
        most = 10 + time.monotonic() - began
        assert between.asked - asked < most, "a Redis that does not answer is asked by few at once, and once a second"
        between.pause = None
        service.until("/readyz", lambda told: service.predict(ONE).json["history_as_of"] and told.json["ready"])


def test_a_redis_that_hangs_at_the_start_does_not_hold_it(clinic: Clinic, tmp_path: Path) -> None:
    own = clinic.copy(tmp_path / "own")
    with silent() as port, own.serving(HISTORY=f"redis://127.0.0.1:{port}/0") as service:
        assert service.ready().predict(ONE).json["predictions"][0]["history"] == "down"


def test_a_registry_that_hangs_leaves_the_cached_model_answering_and_is_told(clinic: Clinic, tmp_path: Path) -> None:
    own = clinic.copy(tmp_path / "own")
    with own.serving() as service:
        before = service.ready().predict(ONE).json
    with silent() as port, own.serving(MLFLOW_TRACKING_URI=f"http://127.0.0.1:{port}") as service:
        after = service.ready().predict(ONE).json
        told = service.until("/readyz", lambda found: "no answer yet" in found.json["registry"])
        assert told.json["histories"].startswith("as of")
        assert b"rounds_registry_up 0.0" in service.until("/metrics", lambda found: b"_up 0.0" in found.body).body
        assert service.end() == 0
    assert (after["bundle"], after["history_as_of"]) == (before["bundle"], before["history_as_of"])
    assert after["predictions"][0]["probability"] == before["predictions"][0]["probability"]


def test_without_a_cache_a_registry_that_hangs_is_a_503_at_once(clinic: Clinic, tmp_path: Path) -> None:
    own = clinic.copy(tmp_path / "own")
    with silent() as port, own.serving(MLFLOW_TRACKING_URI=f"http://127.0.0.1:{port}") as service:
        told = service.until("/readyz", lambda found: "no answer yet" in found.json["registry"])
        assert (told.status, service.predict(ONE).status) == (503, 503)


@pytest.fixture(scope="module")
def hasty(clinic: Clinic, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    own = clinic.copy(tmp_path_factory.mktemp("hasty"))
    with own.serving(HEAD_SECONDS="0.5", SECONDS="1") as found:
        yield found.ready()


@pytest.mark.parametrize("begun", [b"", b"\r\n\r\n", b"POST /predict HT", b"GET /healthz HTTP/1.1\r\nHost: a\r\n"])
def test_headers_that_never_end_are_given_up(hasty: Service, begun: bytes) -> None:
    with _connected(hasty) as slow:
        slow.sendall(begun)
        assert slow.recv(1000) == b""


def test_headers_that_trickle_are_given_up_too(hasty: Service) -> None:
    with _connected(hasty) as slow, pytest.raises(OSError):  # whoever writes on learns of it
        slow.sendall(b"GET /healthz HTTP/1.1\r\n")
        for _ in range(1000):
            slow.sendall(b"a: b\r\n")
            time.sleep(0.05)


def test_a_connection_that_stays_has_the_same_time_for_each_request(hasty: Service) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", hasty.port, timeout=60)
    with closing(connection):
        for _ in range(3):
            connection.request("GET", "/healthz")
            assert connection.getresponse().read() == b'{"alive":true}'
            time.sleep(0.6)  # between two requests it may be silent for longer
        slow = connection.sock
        slow.sendall(b"GET /hea")
        assert slow.recv(1000) == b""


def test_headers_without_an_end_in_size_are_refused(hasty: Service) -> None:
    with _connected(hasty) as large:
        large.sendall(b"GET /healthz HTTP/1.1\r\na: " + b"b" * 70_000)
        assert large.recv(1000).startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize("path", [b"/predict", b"/explain"])
def test_a_body_that_trickles_is_given_up(hasty: Service, path: bytes) -> None:
    with _connected(hasty) as slow:
        slow.sendall(b"POST " + path + b" HTTP/1.1\r\n" + HEADERS + b"Content-Length: 1000\r\n\r\n")
        told = threading.Thread(target=_trickle, args=(slow,), daemon=True)
        told.start()
        assert slow.recv(1000).startswith(b"HTTP/1.1 408")


@pytest.fixture
def small(clinic: Clinic, tmp_path: Path) -> Iterator[Service]:
    with clinic.copy(tmp_path / "own").serving(HEAD_SECONDS="5", SECONDS="5", CONNECTIONS="20") as found:
        yield found.ready()


def test_one_connection_too_many_is_told_so_and_the_others_go_on(small: Service) -> None:
    kept = [_connected(small) for _ in range(20)]
    try:
        for each in kept:
            each.sendall(b"POST /predict HTTP/1.1\r\n" + HEADERS + b"Content-Length: 9\r\n\r\n")
        with _connected(small) as more:
            told = more.recv(1000)
        assert told.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 1" in told
        for each in kept:
            assert each.recv(1000).startswith(b"HTTP/1.1 408")
    finally:
        for each in kept:
            each.close()
    small.until("/healthz", lambda found: found.status == 200)


def _connected(service: Service) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), timeout=60)


def _trickle(slow: socket.socket) -> None:
    try:
        for _ in range(1000):
            slow.sendall(b" ")
            time.sleep(0.05)
    except OSError:
        pass
