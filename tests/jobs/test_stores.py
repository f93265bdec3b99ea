"""Where the store lies changes nothing: a bucket's steps say what a folder's say, also after its server was killed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rounds.store import Store, open_store
from tests.checkout import STEPS, Checkout
from tests.s3 import Server, server
from tests.waiting import until
from tests.warm import Warm

pytestmark = [pytest.mark.docker, pytest.mark.data_safety]
ALL = [*STEPS, "register"]
VERBS = ["runs", "show a", "why a train", "quarantine a", "diff a b", "mirror"]


@dataclass(frozen=True)
class Bucket:
    """The rooms, with a store in a bucket."""

    checkout: Checkout
    warm: Warm
    store: Store
    environment: dict[str, str]

    def run(self, step: str, run: str = "a", *more: str, **extra: str) -> str:
        ended = self.warm.run(self.checkout, step, run, *more, **self.environment | extra)
        assert ended.well, ended.text
        return ended.text

    def content(self, step: str, run: str = "a") -> Any:
        return json.loads(self.store.read(f"noshow/{run}/{step}/manifest.json") or b"")["content"]

    def rounds(self, words: str) -> str:
        """What the command answers."""
        command = [sys.executable, "-m", "rounds.cli", *words.split()]
        environment = self.checkout.environment(**self.environment)
        asked = subprocess.run(command, cwd=self.checkout.root, env=environment, capture_output=True, text=True)
        assert asked.returncode == 0, asked.stdout + asked.stderr
        return asked.stdout


def opened(server: Server, checkout: Checkout, warm: Warm, patch: pytest.MonkeyPatch) -> Bucket:
    for name, value in server.environment.items():
        patch.setenv(name, value)
    store = open_store(f"s3://{server.bucket()}/a prefix")
    return Bucket(checkout, warm, store, {**server.environment, "STORE": store.url})


@pytest.fixture(scope="module")
def folder(done: Checkout, tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Checkout:
    """Run a with its registration, in a store that is a folder."""
    place = tmp_path_factory.mktemp("folder")
    shutil.copytree(done.store, place / "store")
    made = done.at(place)
    assert warm.run(made, "register").well
    return made


@pytest.fixture(scope="module")
def filled(
    s3: Server, done: Checkout, tmp_path_factory: pytest.TempPathFactory, warm: Warm
) -> Iterator[tuple[Bucket, dict[str, str]]]:
    """A bucket that was empty, with run a in it, and what its steps said."""
    with pytest.MonkeyPatch.context() as patch:
        bucket = opened(s3, done.at(tmp_path_factory.mktemp("bucket")), warm, patch)
        yield bucket, {step: bucket.run(step) for step in ALL}


def test_all_steps_say_the_same_in_a_bucket(filled: tuple[Bucket, dict[str, str]], folder: Checkout) -> None:
    bucket, said = filled
    for step in ALL:
        assert "same as" not in said[step]
        assert bucket.content(step) == folder.content(step), step


def test_a_bucket_knows_finished_work(filled: tuple[Bucket, dict[str, str]]) -> None:
    bucket, _ = filled
    for step in STEPS:
        assert "same as run a, nothing changed" in bucket.run(step, "again")
        assert bucket.content(step, "again") == bucket.content(step)
    assert "same as" not in bucket.run("features", "again", "--force")
    assert bucket.content("features", "again") == bucket.content("features")


def test_the_command_reads_a_bucket(filled: tuple[Bucket, dict[str, str]]) -> None:
    bucket, _ = filled
    bucket.run("ingest", "b")
    bucket.run("validate", "b")
    assert [verb for verb in VERBS if not bucket.rounds(verb)] == []
    got = bucket.checkout.place / "got"
    bucket.rounds(f"get b ingest --to {got}")
    assert {path.name for path in got.iterdir()} == set(bucket.content("ingest", "b")["files"])
    assert "removed" in bucket.rounds("prune --keep 1 --yes")
    assert [line.split()[1] for line in bucket.rounds("runs").splitlines()] == ["run", "b"]
    bucket.rounds(f"get b ingest --to {got}")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    """A server that may be killed."""
    (tmp_path / "buckets").mkdir()
    with server(tmp_path / "buckets") as running:
        yield running


def test_a_server_that_dies_in_the_middle_of_a_step(
    own: Server, folder: Checkout, tmp_path: Path, warm: Warm, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = opened(own, folder.at(tmp_path), warm, monkeypatch)
    points = tmp_path / "points"
    for _ in range(20):
        points.write_text("")
        told = {**bucket.environment, "STORE_TIMEOUT": "5", "FAULT_LOG": str(points)}
        running = warm.start(bucket.checkout, "ingest", **told)
        until(lambda: "after read noshow/.index/ingest/last.json" in points.read_text())
        own.kill()
        ended = running.wait()
        if not ended.well:
            break
        own.start()  # it was faster than the kill: once more
    assert re.search(r"could not \w+ .*: (nobody listens there|the connection broke)\. See that", ended.sentence(1))
    own.start()
    bucket.run("ingest")
    assert bucket.content("ingest") == folder.content("ingest")
