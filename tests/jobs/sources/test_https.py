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
from tests.checkout import Checkout, Ended
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
            return self.send_error(self.answers[self.path], "what an inner page says")
        if self.path.startswith("/to?"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to?"))
            return self.end_headers()
        self.server.read.append(self.path)  # type: ignore[attr-defined]
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
        server.read = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.released.set()  # type: ignore[attr-defined]
        server.shutdown()


@pytest.fixture
def here(unchanged: Checkout, tmp_path: Path) -> Checkout:
    return unchanged.at(tmp_path)


def ingested(here: Checkout, warm: Warm, url: str, digest: str = DIGEST, **extra: str) -> Ended:
    return warm.run(here, "ingest", SOURCE=f"{url}#sha256={digest}", **{"ROUNDS_ALLOW_HTTP": "1", **extra})


@pytest.mark.parametrize("name", ["/table.csv", "/", "/..", "/.lock", "/out", "/table.csv?to=day", "/to?/table.csv"])
def test_the_promised_bytes_pass(here: Checkout, warm: Warm, web: str, name: str) -> None:
    ended = ingested(here, warm, f"{web}{name}")
    assert ended.code == 0, ended.text
    assert pl.read_parquet(here.file("ingest", "table.parquet")).rows() == [("007", "2")]


def test_plain_http_wants_a_setting(here: Checkout, warm: Warm, web: str) -> None:
    sentence = ingested(here, warm, f"{web}/unasked.csv", ROUNDS_ALLOW_HTTP="").sentence(2)
    assert "want https://, or ROUNDS_ALLOW_HTTP=1" in sentence


@pytest.mark.data_safety
def test_other_bytes_are_refused_and_nothing_is_told_of_them(here: Checkout, warm: Warm, web: str) -> None:
    sentence = ingested(here, warm, f"{web}/table.csv", "0" * 64).sentence(2)
    assert f"is another file than the one with the sha256 {'0' * 64}" in sentence
    assert here.content("ingest")["verdict"] == "refused"
    told = sentence + (here.store / "noshow/a/ingest/manifest.json").read_text(encoding="utf-8")
    assert DIGEST[:12] not in told


def test_a_redirect_to_another_server_is_refused(here: Checkout, warm: Warm, web: str) -> None:
    port = web.rpartition(":")[2]
    for elsewhere in (f"http://localhost:{port}/inner.csv", "http://127.0.0.1:1/inner.csv"):
        assert "redirects to another server" in ingested(here, warm, f"{web}/to?{elsewhere}").sentence(2)


def test_a_redirect_from_https_to_http_is_to_another_server() -> None:
    assert https._origin("https://host/a") == https._origin("https://HOST:443/b")
    assert https._origin("https://host/a") != https._origin("http://host/a")
    assert https._origin("https://host/a") != https._origin("https://host:8443/a")


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("missing", 2, "answers 404 Not Found"),
        ("forbidden", 2, "answers 403 Forbidden"),
        ("broken", 1, "answers 500 Internal Server Error"),
        ("busy", 1, "answers 429 Too Many Requests"),
        ("cut", 1, "cannot be reached: the answer ended early"),
        ("chunked", 1, "cannot be reached"),
    ],
)
def test_what_fails_on_the_way(here: Checkout, warm: Warm, web: str, name: str, code: int, said: str) -> None:
    sentence = ingested(here, warm, f"{web}/{name}.csv").sentence(code)
    assert said in sentence
    assert "inner page" not in sentence


def test_nobody_listens(here: Checkout, warm: Warm) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/t.csv"
        assert "cannot be reached: " in ingested(here, warm, url).sentence(1)


def test_an_address_that_is_none(here: Checkout, warm: Warm) -> None:
    assert "is no address" in ingested(here, warm, "http://host:port/t.csv").sentence(2)


def test_a_body_that_stalls_is_given_up(web: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "TIMEOUT", 0.2)
    monkeypatch.setattr(https, "_check_encrypted", lambda url: None)
    with pytest.raises(SourceError, match="cannot be reached: timed out"):
        https._download(f"{web}/slow.csv", tmp_path / "t.csv")
