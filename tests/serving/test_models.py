"""What the cache of models keeps, and what is not brought into it."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

from rounds.errors import Refused
from serving.cache import BUNDLES
from serving.models import Card, Models
from serving.settings import wanted
from tests import tracked


def test_what_ended_processes_half_brought_goes_and_nothing_else(tmp_path: Path) -> None:
    old, new, pointer = (tmp_path / f".{uuid.uuid4().hex}" for _ in range(3))
    pointer.write_text("half a pointer", encoding="ascii")
    os.utime(pointer, (time.time() - 90_000,) * 2)
    kept = {new, tmp_path / ".config", tmp_path / "bundles"}
    for each in (old, *kept):
        each.mkdir()
        (each / "file").write_text("a", encoding="ascii")
        os.utime(each, (time.time() - 90_000,) * 2 if each != new else None)
    models(tmp_path).sweep()
    assert set(tmp_path.iterdir()) == kept


def test_of_the_bundles_the_last_few_stay_and_those_that_answer(tmp_path: Path) -> None:
    names = [f"{at:064x}" for at in range(BUNDLES + 4)]
    for at, name in enumerate(names):
        (tmp_path / "bundles" / name).mkdir(parents=True)
        (tmp_path / "bundles" / name / "bundle.json").write_text("{}", encoding="ascii")
        os.utime(tmp_path / "bundles" / name, (time.time() - 1000 + at,) * 2)
    (tmp_path / "Other@champion.json").write_text(json.dumps({"bundle": names[0]}), encoding="ascii")
    models(tmp_path).remember(Card("NoShowXGBoost", 2, names[1], 0, {}, {}))  # an old one is champion again
    assert sorted(path.name for path in (tmp_path / "bundles").iterdir()) == [*names[:2], *names[-BUNDLES:]]
    assert not list(tmp_path.glob(".*"))


def models(cache: Path) -> Models:
    return Models("noshow", wanted("models:/NoShowXGBoost@champion"), "sqlite:////none", cache)


class Asked(BaseHTTPRequestHandler):
    """A server of an attacker, which notes what it was sent."""

    seen: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.seen.append(self.headers.get("Authorization", ""))
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


def registered(place: Path, artifacts: str | None = None) -> Any:
    """A champion without files in an MLflow of one's own; answers the client and the run that is to hold its files."""
    client = tracked.door(place).client
    client.create_registered_model("NoShowXGBoost")
    experiment = client.create_experiment("any", artifact_location=artifacts or (place / "files").as_uri())
    run = client.create_run(experiment).info.run_id
    tags = {"rounds.bundle": "a" * 64, "stage": "Production"}
    client.create_model_version("NoShowXGBoost", f"runs:/{run}/model", run_id=run, tags=tags)
    client.set_registered_model_alias("NoShowXGBoost", "champion", "1")
    return client, run


def asks(place: Path) -> Models:
    return Models("noshow", wanted("models:/NoShowXGBoost@champion"), tracked.url(place), place / "cache")


@pytest.mark.data_safety
def test_no_password_goes_to_a_server_that_a_run_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "serving")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "a password")
    with HTTPServer(("127.0.0.1", 0), Asked) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        registered(tmp_path, f"http://127.0.0.1:{server.server_port}/api/2.0/mlflow-artifacts/artifacts")
        with pytest.raises(Refused, match="which is another server"):
            asks(tmp_path).newest(None)
        server.shutdown()
    assert Asked.seen == []


def _large(folder: Path) -> None:
    (folder / "model.ubj").touch()
    os.truncate(folder / "model.ubj", 200_000_000)


def _many(folder: Path) -> None:
    for number in range(20):
        (folder / f"{number}.txt").touch()


@pytest.mark.parametrize(
    ("lay", "words"),
    [
        (_large, "has a bundle of more than 100.0 MB"),
        (_many, "has 20 files in its bundle; want at most 16"),
        (
            lambda folder: (folder / "more").mkdir() or (folder / "more" / "a").touch(),
            "has the folder model/bundle/more",
        ),
    ],
    ids=["large", "many", "deep"],
)
def test_what_would_fill_the_cache_is_not_brought(tmp_path: Path, lay: Callable[[Path], Any], words: str) -> None:
    client, run = registered(tmp_path)
    folder = Path(client.get_run(run).info.artifact_uri.removeprefix("file://")) / "model" / "bundle"
    folder.mkdir(parents=True)
    lay(folder)
    with pytest.raises(Refused, match=words):
        asks(tmp_path).newest(None)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("content", [b"[" * 100_000, b"not JSON", b"[1]", b'{"a": "' + b"a" * 9_000_000 + b'"}'])
def test_figures_that_are_none_keep_no_version_out(tmp_path: Path, content: bytes) -> None:
    client, run = registered(tmp_path)
    client.log_text(run, content.decode(), "evaluate/metrics.json")
    assert asks(tmp_path)._evaluation(tracked.door(tmp_path), run) == {}
    client.log_text(run, '{"title": "well"}', "evaluate/metrics.json")
    assert asks(tmp_path)._evaluation(tracked.door(tmp_path), run) == {"title": "well"}
