"""The edge of the service: scopes, names, other sites' pages, redirects, and the description that is made once."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from rounds.store import open_store
from serving import documentation
from serving.limits import Problem
from serving.settings import read
from serving.state import State
from tests import tracked
from tests.checkout import ROOT
from tests.serving.running import ONE, Clinic, Service

PAGES = ("/", "/watch", "/web/page.js", "/healthz", "/readyz", "/version", "/model", "/schema", "/metrics", "/docs")
OPS = ("/ops/health", "/ops/model", "/ops/predictions", "/ops/drift", "/ops/performance", "/ops/summary", "/ops/report")
POSTS = ("/predict", "/explain", "/outcomes", "/ops/retrain")
ALL = (*PAGES, "/openapi.json", *OPS, *POSTS, "/nothing")
EVIL = "evil.example"


@pytest.fixture(scope="module")
def service(clinic: Clinic, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with clinic.copy(tmp_path_factory.mktemp("open")).serving() as found:
        yield found.ready()


@pytest.fixture(scope="module")
def keyed(clinic: Clinic, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, dict[str, str]]]:
    """A service with keys, and a key for predictions alone."""
    place = tmp_path_factory.mktemp("keyed")
    command = [sys.executable, "-m", "serving.keys", "new", "clinic", "--file", str(place / "keys")]
    command += ["--scopes", "predict"]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    with clinic.copy(place / "own").serving(KEYS=str(place / "keys"), DOCS="closed") as found:
        yield found.ready(), {"Authorization": f"Bearer {made.stdout.strip()}"}


def test_a_scope_is_decided_on_the_decoded_query(keyed: tuple[Service, dict[str, str]]) -> None:
    service, key = keyed
    assert service.predict(ONE, query="?explain=false", **key).status == 200
    for query in ("?explain=true", "?explain=%74rue", "?%65xplain=true", "?explain=tru%65", "?explain=%74%72%75%65"):
        assert service.predict(ONE, query=query, **key).status == 403, query


@pytest.mark.parametrize(
    "query", ["?explain=true&explain=false", "?explain=false&%65xplain=true", "?explain=&explain="]
)
def test_a_query_with_a_name_twice_is_refused(service: Service, query: str) -> None:
    found = service.predict(ONE, query=query)
    assert found.status == 422
    assert found.json["fields"][0]["wanted"] == "explain once"


@pytest.mark.parametrize("path", ["/PREDICT", "/predict/", "//predict", "/./predict", "/predict;x", "/predict%00"])
def test_other_spellings_of_a_path_are_no_way_in(keyed: tuple[Service, dict[str, str]], path: str) -> None:
    service, key = keyed
    assert service.ask(path, {"appointments": [ONE]}, **key).status in {404, 405}
    for header in ("X-HTTP-Method-Override", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix"):
        assert service.ask("/healthz", **{header: "/ops/summary"}).json == {"alive": True}
    for summary in ("/ops/summary/", "/ops//summary", "/OPS/summary", "/metrics/"):
        assert service.ask(summary, **key).status == 404
    for spelt in ("/ops/%73ummary", "/%6detrics"):
        assert service.ask(spelt, **key).status == 403


@pytest.mark.parametrize("path", ALL)
def test_without_keys_a_foreign_host_is_refused(service: Service, path: str) -> None:
    body = {} if path in POSTS else None
    found = service.ask(path, body, Host=EVIL)
    assert found.status == 403
    assert "location" not in found.headers


@pytest.mark.parametrize("host", ["localhost.evil.example", "127.0.0.1.evil.example", "evil.example:8000", "", "[::2]"])
def test_only_loopback_names_are_this_machine(service: Service, host: str) -> None:
    assert service.ask("/version", Host=host).status == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:9999", "127.8.9.10", "[::1]:8000"])
def test_a_loopback_name_is_taken_with_any_port(service: Service, host: str) -> None:
    assert service.ask("/version", Host=host).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Origin": "http://localhost:8000.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_without_keys_a_page_of_another_site_is_refused(service: Service, headers: dict[str, str]) -> None:
    rows = {"outcomes": [{"id": "0199c0", "outcome": True}]}
    assert service.ask("/outcomes", rows, Host="localhost:8000", **headers).status == 403
    assert service.ask("/version", Host="localhost:8000", **headers).status == 403


def test_its_own_page_and_a_link_to_it_are_taken(service: Service) -> None:
    own = {"Host": "localhost:8000", "Origin": "http://localhost:8000", "Sec-Fetch-Site": "same-origin"}
    assert service.predict(ONE, **own).status == 200
    assert service.ask("/", **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}).status == 200


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_body_has_to_be_declared_as_json(service: Service, path: str, kind: str) -> None:
    found = service.ask(path, {}, **{"Content-Type": kind})
    assert found.status == 415
    assert "application/json" in found.json["error"]


def test_a_body_is_json_with_keys_too(keyed: tuple[Service, dict[str, str]]) -> None:
    service, key = keyed
    rows = [ONE]
    assert service.predict(*rows, **{**key, "Content-Type": "text/plain"}).status == 415
    assert service.predict(*rows, **{**key, "Content-Type": "application/json; charset=utf-8"}).status == 200
    assert service.predict(*rows, **{**key, "Sec-Fetch-Site": "cross-site"}).status == 403


@pytest.mark.parametrize("path", [*ALL, *(f"{path}/" for path in ALL), "/web", "/web/..", "//evil.example", "/ops"])
def test_no_answer_names_the_host_that_its_caller_sent(keyed: tuple[Service, dict[str, str]], path: str) -> None:
    service, key = keyed
    found = service.ask(path, {} if path.strip("/") in {each[1:] for each in POSTS} else None, Host=EVIL, **key)
    assert not 300 <= found.status < 400
    assert "location" not in found.headers
    assert EVIL.encode() not in found.body


@pytest.mark.parametrize("method", [b"GET /healthz", b"POST /predict"])
def test_an_upgrade_is_not_made_and_loses_no_body_silently(service: Service, method: bytes) -> None:
    body = json.dumps({"appointments": [ONE]}).encode()
    sent = b" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    sent += b"Upgrade: h2c\r\nHTTP2-Settings: AAA\r\nContent-Length: %d\r\n\r\n" % len(body)
    answer = _sent(service, method + sent + body)
    assert answer.startswith(b"HTTP/1.1 400" if b"POST" in method else b"HTTP/1.1 200")
    assert b"connection: close" in answer


def test_why_is_told_on_this_machine_by_its_own_name_alone(keyed: tuple[Service, dict[str, str]]) -> None:
    service, _ = keyed
    assert service.ask("/readyz").json["registry"] == service.ask("/readyz", Host=EVIL).json["registry"] == "well"
    said = service.ask("/ops/health").json
    assert "watch" in said["parts"]
    assert "service" in said["parts"] and "service" not in service.ask("/ops/health", Host=EVIL).json["parts"]


@pytest.mark.parametrize("hosts", [b"", b"Host: localhost\r\nHost: evil.example\r\n"])
def test_a_request_has_one_host(service: Service, hosts: bytes) -> None:
    assert _sent(service, b"GET /version HTTP/1.1\r\n" + hosts + b"\r\n").startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    ("path", "body", "key"),
    [
        ("/explain", '{"id": "a", "id": "b"}', "id"),
        ("/explain", '{"id": "a", "\\u0069d": "b"}', "id"),
        ("/ops/retrain", '{"reason": "a", "reason": "b"}', "reason"),
        ("/outcomes", '{"outcomes": [{"id": "1", "outcome": true, "outcome": false}]}', "outcome"),
        ("/outcomes", '{"outcomes": [{"id": "1", "outcome": true}, {"id": "1", "id": "1", "outcome": true}]}', "id"),
        ("/predict", '{"appointments": [ONE]}', "age"),
        ("/predict", '{"appointments": [ONE, ONE]}', "age"),
    ],
)
@pytest.mark.parametrize("again", ['"age": 63', '"age": null', '"\\u0061ge": 62'])
def test_a_key_that_is_there_twice_is_refused(service: Service, path: str, body: str, key: str, again: str) -> None:
    row = f"{json.dumps({**ONE, 'neighbourhood': 'A, B'})[:-1]}, {again}}}"
    found = service.ask(path, body.replace("ONE", row).encode())
    assert found.status == 422
    assert [each for each in found.json["fields"] if each["field"] == key and each["wanted"] == f"{key} once"]


@pytest.mark.parametrize("path", ["/explain", "/ops/retrain", "/predict", "/outcomes"])
@pytest.mark.parametrize("twice", ['"\\ud800": 1, "\\ud800": 1', '"id": "\\udfff"', '"id": 1e400, "age": 1e300'])
def test_what_cannot_be_said_again_is_refused_as_well(service: Service, path: str, twice: str) -> None:
    """Half a letter, and a number beyond all others."""
    name = {"/predict": "appointments", "/outcomes": "outcomes"}.get(path)
    body = f'{{"{name}": [{{{twice}}}]}}' if name else f"{{{twice}}}"
    found = service.ask(path, body.encode())
    assert (found.status, "error" in found.json) == (422, True)


@pytest.mark.parametrize("path", ["/predict", "/outcomes"])
def test_a_list_that_is_there_twice_is_refused(service: Service, path: str) -> None:
    name, row = ("appointments", ONE) if path == "/predict" else ("outcomes", {"id": "1", "outcome": True})
    rows = json.dumps([row])
    for again in (f'"{name}": {rows}', f'"\\u{ord(name[0]):04x}{name[1:]}": {rows}', '"more": 1'):
        assert service.ask(path, f'{{"{name}": {rows}, {again}}}'.encode()).status == 422
        assert service.ask(path, f'{{{again}, "{name}": {rows}}}'.encode()).status == 422


def test_commas_and_nulls_are_no_repetition(service: Service) -> None:
    rows = [{**ONE, "neighbourhood": 'A, "B", {C}', "sex": None}, {**ONE, "age": None}]
    assert service.predict(*rows).status == 200
    assert service.predict(rows[0]).status == 200


def test_the_description_can_be_closed(keyed: tuple[Service, dict[str, str]]) -> None:
    service, _ = keyed
    for path in ("/docs", "/openapi.json"):
        found = service.ask(path)
        assert found.status == 404
        assert "DOCS" in found.json["error"]
    assert service.ask("/").status == 200
    assert service.ask("/schema").status == 200


def test_the_description_is_made_once_for_each_model(
    clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    describe = documentation.described

    def counted(app: FastAPI, state: State) -> dict[str, Any]:
        made.append(state.live)
        return describe(app, state)

    monkeypatch.setattr(documentation, "described", counted)
    state = State(read(_environment(clinic, tmp_path)))
    documents = documentation.Documents(FastAPI(title="a service"), state)
    asyncio.run(_read_for_two_models(documents, state))
    assert len(made) == 2
    with pytest.raises(Problem):
        closed = State(read({**_environment(clinic, tmp_path), "DOCS": "closed"}))
        asyncio.run(documentation.Documents(FastAPI(title="a service"), closed).read())


async def _read_for_two_models(documents: documentation.Documents, state: State) -> None:
    first = await asyncio.gather(*(documents.read() for _ in range(8)))
    assert len({id(each.page) for each in first}) == 1
    state.live = state.models.newest(None)
    second = await asyncio.gather(*(documents.read() for _ in range(8)))
    assert len({id(each.openapi) for each in second}) == 1
    assert b"neighbourhood" in second[0].openapi and b"neighbourhood" not in first[0].openapi


def _environment(clinic: Clinic, place: Path) -> dict[str, str]:
    return {
        "STORE": open_store(clinic.checkout.store.as_uri()).url,
        "MLFLOW_TRACKING_URI": tracked.url(clinic.registry),
        "JOURNAL_FOLDER": str(place / "journal"),
        "CACHE": str(place / "cache"),
    }


def _sent(service: Service, raw: bytes) -> bytes:
    """What comes back until the service closes or has nothing more to say."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        with suppress(OSError):
            while part := connection.recv(65536):
                answer += part
        return answer
