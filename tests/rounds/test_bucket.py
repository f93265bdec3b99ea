"""A bucket is opened as the environment says, given up in time, and never taken for an empty or a careless one."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from rounds import bucket
from rounds.errors import StoreClosed, StoreError
from rounds.settings import settings
from rounds.store import Store, open_store, sha256
from tests.checkout import ROOT
from tests.s3 import Server, server
from tests.waiting import until

NAMES = ("KEY", "SECRET", "TOKEN", "ENDPOINT", "REGION", "HTTP", "ROLE", "CONTAINER")
LARGE = 200 * 1024 * 1024
UPLOAD = "import sys; from pathlib import Path; from rounds.store import open_store; "
UPLOAD += "open_store(sys.argv[1]).upload(Path(sys.argv[2]), 'p/large')"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Nothing of whoever runs the tests; what is given is seen at once, and silence is given up in three seconds."""
    for name in os.environ:
        if name.startswith("AWS_") and any(word in name for word in NAMES):
            monkeypatch.delenv(name)

    def given(**names: str) -> None:
        for name, value in ({"STORE_TIMEOUT": "3", "NO_PROXY": "*"} | names).items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()

    given()
    yield given
    settings.cache_clear()


class Odd(BaseHTTPRequestHandler):
    """The least that a bucket needs, with one oddity: `ignores` and `lacks` conditions, `loses` answers, is `busy`."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        memory: Memory = self.server.memory  # type: ignore[attr-defined]
        memory.asked += 1
        body = self.rfile.read(int(self.headers["Content-Length"]))
        conditional = self.headers["If-None-Match"] == "*"
        if memory.oddity == "busy" and memory.asked < 4:
            return self._answer(503, "SlowDown")
        if memory.oddity == "lacks" and conditional:
            return self._answer(501, "NotImplemented")
        if conditional and self.path in memory.objects and memory.oddity != "ignores":
            return self._answer(412, "PreconditionFailed")
        memory.objects[self.path] = body
        if memory.oddity == "loses" and memory.asked == 1:
            return self._answer(500, "InternalError")
        self._answer(200)

    def do_GET(self) -> None:
        memory: Memory = self.server.memory  # type: ignore[attr-defined]
        if self.path not in memory.objects:
            return self._answer(404, "" if memory.oddity == "silent" else "NoSuchKey")
        self._answer(200, body=memory.objects[self.path])

    def _answer(self, status: int, code: str = "", body: bytes = b"") -> None:
        body = f"<Error><Code>{code}</Code></Error>".encode() if code else body
        self.send_response(status)
        for name, value in {"ETag": '"1"', "Last-Modified": "Fri, 20 Nov 2026 10:00:00 GMT"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing on standard error."""


@dataclass
class Memory:
    oddity: str
    objects: dict[str, bytes] = field(default_factory=dict)
    asked: int = 0


@pytest.fixture
def odd(request: pytest.FixtureRequest, environment: Callable[..., None]) -> Iterator[Store]:
    """A store on a bucket with the oddity that the test names."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Odd) as listening:
        listening.daemon_threads, listening.block_on_close = True, False
        listening.memory = Memory(request.param)  # type: ignore[attr-defined]
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        environment(**keys(f"http://127.0.0.1:{listening.server_port}"))
        yield open_store("s3://bucket/prefix")
        listening.shutdown()


def keys(endpoint: str) -> dict[str, str]:
    pair = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    return {**pair, "AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true"}


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID is not set; want both halves"),
        ("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY is not set; want both halves"),
        ("AWS_ALLOW_HTTP", "AWS_ENDPOINT_URL is http://127.0.0.1:9, where others may read along; want https://, or "),
    ],
)
def test_what_is_missing_in_the_environment(environment: Callable[..., None], lacking: str, said: str) -> None:
    environment(**keys("http://127.0.0.1:9") | {lacking: ""})
    with pytest.raises(StoreClosed, match=said):
        open_store("s3://bucket/prefix")


@pytest.mark.parametrize("url", ["s3://", "s3:///x", "s3://bucket//a", "s3://bucket/a?b", "s3://k:secret@bucket/a"])
def test_what_is_no_bucket(environment: Callable[..., None], url: str) -> None:
    environment(**keys("https://127.0.0.1:9"))
    with pytest.raises(StoreClosed, match=r"want s3://bucket/prefix, and the keys in the environment") as refused:
        open_store(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("seconds", ["soon", "0", "-1", "nan"])
def test_a_time_that_is_none(environment: Callable[..., None], seconds: str) -> None:
    environment(**keys("https://127.0.0.1:9"), STORE_TIMEOUT=seconds)
    with pytest.raises(StoreClosed, match=f"STORE_TIMEOUT is '{seconds}'; want seconds above 0"):
        open_store("s3://bucket/prefix")


@pytest.mark.parametrize("answers", [False, True])
def test_a_server_that_is_not_there_or_silent_is_given_up(environment: Callable[..., None], answers: bool) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        if answers:
            taken.listen()
        where = f"http://127.0.0.1:{taken.getsockname()[1]}"
        environment(**keys(where))
        store = open_store("s3://bucket/prefix")
        said = f"{re.escape(where)}: {'no answer in time' if answers else 'nobody listens there'}. See that"
        for act in (lambda: store.read("p/x"), lambda: store.paths("p"), lambda: store.claim("c", b"")):
            with pytest.raises(StoreError, match=said) as given_up:
                act()
            assert given_up.value.exit_code == 1


@pytest.mark.parametrize("odd", ["busy"], indirect=True)
def test_a_busy_server_is_asked_again(odd: Store) -> None:
    odd.write("p/x", b"1")
    assert odd.read("p/x") == b"1"


@pytest.mark.data_safety
@pytest.mark.parametrize("odd", ["ignores"], indirect=True)
def test_a_server_that_ignores_conditions_is_refused(odd: Store) -> None:
    with pytest.raises(StoreClosed, match="puts an object over one that is there, although told not to"):
        odd.claim("p/once", b"1")


@pytest.mark.data_safety
@pytest.mark.parametrize("odd", ["lacks"], indirect=True)
def test_a_server_without_conditions_is_refused(odd: Store) -> None:
    with pytest.raises(StoreClosed, match=r"answers 501 Not Implemented \(NotImplemented\)"):
        odd.claim("p/once", b"1")


@pytest.mark.data_safety
@pytest.mark.parametrize("odd", ["loses"], indirect=True)
def test_a_claim_whose_answer_was_lost_is_ours(odd: Store) -> None:
    assert odd.claim("p/once", b"ours")
    assert not odd.claim("p/once", b"theirs")
    assert odd.read("p/once") == b"ours"


@pytest.mark.data_safety
@pytest.mark.parametrize("odd", ["silent"], indirect=True)
def test_a_404_without_a_word_is_not_an_empty_store(odd: Store) -> None:
    with pytest.raises(StoreError, match="answers 404 Not Found"):
        odd.read("p/x")


@pytest.mark.parametrize("text", ["", "a panic\nand more", "status code: 500 Internal Server Error: <?xml"])
def test_a_reason_is_one_line(text: str) -> None:
    assert "\n" not in bucket.reason(OSError(text))
    assert not bucket.is_final(OSError(text))


def test_no_keys_and_no_role_are_said_so() -> None:
    asked = OSError("Error performing PUT http://169.254.169.254/latest/api/token in 1s - HTTP error: error sending")
    assert "AWS_ACCESS_KEY_ID is not set" in bucket.reason(asked)
    assert bucket.is_final(asked)


@pytest.mark.docker
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, r"answers 403 Forbidden \(SignatureDoesNotMatch\)"),
        ({"AWS_ACCESS_KEY_ID": "nobody"}, r"answers 40\d \w+( \w+)? \(\w+\)"),
        ({"AWS_REGION": "eu-west-1"}, r"answers 400 Bad Request \(AuthorizationHeaderMalformed\)"),
        ({"bucket": "no-such-bucket"}, r"answers 404 Not Found \(NoSuchBucket\)"),
    ],
)
def test_a_bucket_that_does_not_let_us_in(
    s3: Server, environment: Callable[..., None], tmp_path: Path, given: dict[str, str], said: str
) -> None:
    name = given.pop("bucket", None) or s3.bucket()
    environment(**s3.environment | given)
    store = open_store(f"s3://{name}/prefix")
    (tmp_path / "file").write_bytes(b"1")
    for act in (
        lambda: store.read("p/x"),
        lambda: store.digest("p/x"),
        lambda: store.write("p/x", b""),
        lambda: store.claim("p/x", b""),
        lambda: store.upload(tmp_path / "file", "p/x"),
        lambda: store.download("p/x", tmp_path / "local"),
        lambda: store.paths("p"),
        lambda: store.folders(""),
    ):
        with pytest.raises(StoreClosed, match=said) as refused:
            act()
        assert refused.value.exit_code == 2
        assert s3.secret not in str(refused.value)


@pytest.mark.data_safety
@pytest.mark.docker
def test_of_many_claims_exactly_one_wins(s3: Server, environment: Callable[..., None]) -> None:
    environment(**s3.environment, STORE_TIMEOUT="60")
    store, together = open_store(f"s3://{s3.bucket()}/a prefix"), threading.Barrier(8)

    def claims(who: int) -> list[bool]:
        won = []
        for key in range(50):
            together.wait()
            won.append(store.claim(f"p/{key}", b"%d" % who))
        return won

    with ThreadPoolExecutor(8) as pool:
        rounds = list(zip(*pool.map(claims, range(8)), strict=True))
    assert [sum(won) for won in rounds] == [1] * 50
    assert [store.read(f"p/{key}") for key in range(50)] == [b"%d" % won.index(True) for won in rounds]


@pytest.mark.data_safety
@pytest.mark.docker
def test_an_upload_in_parts_that_is_killed_leaves_nothing_that_counts(
    s3: Server, environment: Callable[..., None], tmp_path: Path
) -> None:
    environment(**s3.environment, STORE_TIMEOUT="60")
    name, source, target = s3.bucket(), tmp_path / "source", tmp_path / "target"
    store = open_store(f"s3://{name}/prefix")
    with source.open("wb") as file:
        file.truncate(LARGE)
    command = [sys.executable, "-c", UPLOAD, f"s3://{name}/prefix", str(source)]
    for _ in range(20):
        with subprocess.Popen(command, cwd=ROOT) as uploading:
            until(lambda: any(path.is_file() for path in (s3.folder / name).rglob("*")))
            uploading.send_signal(signal.SIGKILL)
        if uploading.returncode == -signal.SIGKILL:
            break
        store.delete(["p/large"])  # it was faster than the kill: once more
    assert uploading.returncode == -signal.SIGKILL
    assert store.paths("") == store.folders("") == []
    assert store.read("p/large") is None
    store.upload(source, "p/large")
    store.download("p/large", target)
    assert sha256(target) == sha256(source) == store.digest("p/large")


@pytest.mark.docker
def test_a_server_that_comes_back_is_waited_for(environment: Callable[..., None], tmp_path: Path) -> None:
    with server(tmp_path) as own:
        environment(**own.environment, STORE_TIMEOUT="60")
        store = open_store(f"s3://{own.bucket()}")
        own.kill()
        again = threading.Timer(1, own.start)
        again.start()
        store.write("p/x", b"1")
        again.join()
        assert store.read("p/x") == b"1"
