"""A table from the web: only the promised bytes are taken, and what failed on the way may be tried again."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
import pytest

from jobs.sources import https
from rounds.errors import SourceError
from tests.checkout import Checkout
from tests.warm import Warm

TABLE = b"a,b\n007,2\n"
DIGEST = hashlib.sha256(TABLE).hexdigest()


class Web(BaseHTTPRequestHandler):
    """One behaviour a path."""

    answers: ClassVar[dict[str, int]] = {
        "/missing.csv": 404,
        "/forbidden.csv": 403,
        "/broken.csv": 500,
        "/busy.csv": 429,
    }

    def do_GET(self) -> None:
        if self.path in self.answers:
            return self.send_error(self.answers[self.path])
        self.send_response(200)
        if self.path == "/chunked.csv":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"5\r\na,b\n0")  # and then nothing: neither the next chunk nor the last
        else:
            longer = 1000 if self.path in {"/cut.csv", "/slow.csv"} else 0
            self.send_header("Content-Length", str(len(TABLE) + longer))
            self.end_headers()
            self.wfile.write(TABLE)
        if self.path == "/slow.csv":
            self.wfile.flush()
            self.server.released.wait(30)  # type: ignore[attr-defined]

    def log_message(self, *_: Any) -> None:
        """Say nothing on standard error."""


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
        server.released = threading.Event()  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.released.set()  # type: ignore[attr-defined]
        server.shutdown()


@pytest.fixture
def here(unchanged: Checkout, tmp_path: Path) -> Checkout:
    return unchanged.at(tmp_path)


@pytest.mark.parametrize("name", ["/table.csv", "/", "/..", "/.lock", "/out", "/table.csv?to=day"])
def test_the_promised_bytes_pass(here: Checkout, warm: Warm, web: str, name: str) -> None:
    ended = warm.run(here, "ingest", SOURCE=f"{web}{name}#sha256={DIGEST}")
    assert ended.code == 0, ended.text
    assert pl.read_parquet(here.file("ingest", "table.parquet")).rows() == [("007", "2")]


@pytest.mark.data_safety
def test_other_bytes_are_refused(here: Checkout, warm: Warm, web: str) -> None:
    sentence = warm.run(here, "ingest", SOURCE=f"{web}/table.csv#sha256={'0' * 64}").sentence(2)
    assert f"has the sha256 {DIGEST}; want {'0' * 64}" in sentence
    assert here.content("ingest")["verdict"] == "refused"


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("missing", 2, "answers 404 Not Found"),
        ("forbidden", 2, "answers 403 Forbidden"),
        ("broken", 1, "answers 500 Internal Server Error"),
        ("busy", 1, "answers 429 Too Many Requests"),
        ("cut", 1, r"cannot be reached: the answer ended after 10 of 1,010 bytes"),
        ("chunked", 1, "cannot be reached"),
    ],
)
def test_what_fails_on_the_way(here: Checkout, warm: Warm, web: str, name: str, code: int, said: str) -> None:
    assert said in warm.run(here, "ingest", SOURCE=f"{web}/{name}.csv#sha256={DIGEST}").sentence(code)


def test_nobody_listens(here: Checkout, warm: Warm) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/t.csv"
        assert "cannot be reached: " in warm.run(here, "ingest", SOURCE=f"{url}#sha256={DIGEST}").sentence(1)


def test_an_address_that_is_none(here: Checkout, warm: Warm) -> None:
    assert "is no address" in warm.run(here, "ingest", SOURCE=f"http://host:port/t.csv#sha256={DIGEST}").sentence(2)


def test_a_body_that_stalls_is_given_up(web: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "TIMEOUT", 0.2)
    with pytest.raises(SourceError, match="cannot be reached: timed out"):
        https._download(f"{web}/slow.csv", tmp_path / "t.csv")
