"""A caller that sends requests and never reads an answer is dropped, and costs little until then."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.serving.running import ONE, Clinic, Service
from tests.serving.test_bodies import SHORT
from tests.serving.test_under_load import memory
from tests.waiting import until

SMALL = 4096  # bytes that this side takes in before it is read
LISTENS = "0A"  # the state of a socket in Linux' table


@pytest.fixture(scope="module")
def service(clinic: Clinic, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with clinic.copy(tmp_path_factory.mktemp("unread")).serving(ANSWER_SECONDS="1", SECONDS="300") as found:
        assert found.ready().predict(*[ONE] * 3000).status == 200  # what a first list loads stays for good
        yield found


def test_an_answer_that_is_never_read_is_given_up(service: Service) -> None:
    with _connected(service) as first, _connected(service) as second:
        for each in (first, second):
            each.sendall(_predict(60_000))  # its answer is larger than what the kernel keeps for a caller
        until(lambda: _sockets(service) > 0)
        until(lambda: _sockets(service) == 0)
        assert (_rest(first), _rest(second)) == (False, False)
    assert service.predict(ONE).status == 200


def test_many_answers_that_are_never_read_are_given_up(service: Service) -> None:
    with _connected(service) as deaf:
        with suppress(OSError):  # as soon as it is dropped
            for _ in range(20_000):
                deaf.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: _sockets(service) == 0)
    assert service.predict(ONE).status == 200


def test_requests_ahead_of_their_answers_cost_little(service: Service) -> None:
    idle = memory(service)
    with ExitStack() as stack:
        for _ in range(20):
            ahead = stack.enter_context(_connected(service))
            with suppress(OSError):
                ahead.sendall(b"GET /docs HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20_000)
        until(lambda: _sockets(service) == 0)
    assert memory(service) < idle + 64_000
    assert "crashed" not in service.out.read_text(encoding="utf-8")


def test_a_refusal_that_is_never_read_is_given_up(service: Service) -> None:
    with _connected(service) as deaf:
        with suppress(OSError):
            while True:
                deaf.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 8 + b"GET \r\n\r\n")
        until(lambda: _sockets(service) == 0)


def test_a_caller_that_reads_slowly_within_its_time_gets_all(own: Clinic) -> None:
    """Its time is long, so that a busy machine does not cut it."""
    with own.serving(ANSWER_SECONDS="600") as service, _connected(service.ready()) as slow:
        slow.sendall(_predict(2000))
        assert _rest(slow)


def _predict(rows: int) -> bytes:
    body = json.dumps({"appointments": [SHORT] * rows}).encode()
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def _connected(service: Service) -> socket.socket:
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
    found.settimeout(60)
    found.connect(("127.0.0.1", service.port))
    return found


def _sockets(service: Service) -> int:
    """Connections that the service holds: its sockets but the one that listens."""
    held = set()
    for path in Path(f"/proc/{service.process.pid}/fd").iterdir():
        with suppress(OSError):
            held.add(str(path.readlink()))
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    mine = [line.split() for line in lines if int(line.split()[1].rpartition(":")[2], 16) == service.port]
    return sum(f"socket:[{each[9]}]" in held for each in mine if each[3] != LISTENS)


def _rest(connection: socket.socket) -> bool:
    """Whether a whole answer comes."""
    answer = b""
    with suppress(OSError):
        while part := connection.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), b":0")
    return bool(body) and len(body) == int(length.rpartition(b":")[2])
