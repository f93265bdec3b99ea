"""Whatever was acknowledged is in the journal, exactly once: after kills, on a full disk, with others in the folder."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from rounds import audit
from rounds.store import open_store
from serving.segments import begin
from tests.jobs.test_disks import may_mount
from tests.serving.keeping import ledger
from tests.serving.writing import DAY, journal, line
from tests.waiting import until

pytestmark = pytest.mark.data_safety

ROOT = Path(__file__).parent.parent.parent
MOMENTS = 50


class Places:
    """The folder that is written and the store that is shipped to."""

    def __init__(self, root: Path) -> None:
        self.folder, self.store = root / "journal", (root / "store").as_uri()
        self.folder.mkdir()
        open_store(self.store)

    def start(self, verb: str, *words: str, store: str | None = None, **environment: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "tests.serving.writing", verb, str(self.folder), store or self.store, *words]
        return subprocess.Popen(
            argv, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def shipped(self) -> Counter[str]:
        """How often each id is in the store, once whoever comes next has shipped what is left."""
        journal(str(self.folder), self.store).close(60)
        assert list(self.folder.glob("noshow/*.jsonl")) == list(self.folder.glob("noshow/waiting/*/*")) == []
        own = ledger(open_store(self.store))
        audit.headers(own)
        found = audit.audit(own)
        assert (found.missing, found.altered) == ([], []), "whatever was killed, the evidence is whole"
        return self.in_store()

    def in_store(self) -> Counter[str]:
        day = date.fromisoformat(DAY)
        return Counter(record["id"] for record in ledger(open_store(self.store)).records(day, day))


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


def acknowledged(text: str) -> set[str]:
    """The ids of whole lines: what a kill left of the last one was not read by anybody."""
    whole = text[: text.rfind("\n") + 1].splitlines()
    return {id for said in whole for id in json.loads(said).get("ids", ())}


def killed(process: subprocess.Popen[str], moment: float) -> set[str]:
    """Kill it this long after its first answer."""
    assert process.stdout is not None
    first = process.stdout.readline()
    time.sleep(moment)
    process.kill()
    said = acknowledged(first + process.stdout.read())
    process.wait()
    process.stdout.close()
    return said


def once(found: Counter[str], said: set[str]) -> None:
    assert said - set(found) == set()
    assert [id for id, times in found.items() if times > 1] == []


@pytest.mark.parametrize("mode", ["durable", "fast"])
def test_killed_at_any_moment(places: Places, mode: str) -> None:
    said: set[str] = set()
    moments = MOMENTS if mode == "durable" else 5
    for number in range(moments):
        said |= killed(places.start("write", f"w{number}", mode), random.random() * 0.15)
    assert len(said) > moments
    once(places.shipped(), said)


def test_two_processes_share_a_folder_and_the_living_ships_for_the_dead(places: Places) -> None:
    dies, lives = places.start("write", "dies", "durable"), places.start("write", "lives", "durable")
    said = killed(dies, 0.3)
    until(lambda: said <= set(places.in_store()))
    lives.terminate()
    text, _ = lives.communicate(timeout=600)
    assert lives.returncode == 0
    once(places.in_store(), said | acknowledged(text))  # who ends in order ships what it has


def test_many_adopt_at_once(places: Places) -> None:
    said = killed(places.start("write", "dies", "durable"), 0.1)
    heirs = [places.start("tidy") for _ in range(4)]
    folder = places.folder / "noshow"
    for heir in heirs:
        heir.communicate(timeout=600)
        assert heir.returncode == 0
    assert folder.is_dir()
    once(places.shipped(), said)


def test_killed_at_every_step_of_shipping(places: Places, tmp_path: Path) -> None:
    said = {f"s-{number}" for number in range(3)}
    folder = places.folder / "noshow"
    folder.mkdir()
    for number, id in enumerate(sorted(said)):
        segment = begin(folder, "dead", number, durable=True)
        segment.write(json.dumps(line(id)).encode() + b"\n")
        segment.close()
    at = ended = 0
    for at in range(1, 100):
        here = tmp_path / f"at-{at}"
        here.mkdir()
        shutil.copytree(places.folder, here / "journal")
        one = Places.__new__(Places)
        one.folder, one.store = here / "journal" / "noshow", (here / "store").as_uri()
        process = one.start("tidy", FAULT_AT=str(at))
        process.communicate(timeout=600)
        ended = process.returncode
        one.folder = here / "journal"
        once(one.shipped(), said)
        if ended == 0:
            break
    assert ended == 0 and at > 3 * len(said)


MOUNTED = 'mount -t tmpfs -o "size=$1" none "$2" && shift 2 && exec "$@"'


def on_small_disk(places: Places, size: str, verb: str, store: str, ballast: int) -> str:
    if not may_mount():
        pytest.skip("this machine lets nobody mount, not even in a namespace")
    argv = [sys.executable, "-m", "tests.serving.writing", verb, str(places.folder), store, str(ballast)]
    command = ["unshare", "-rm", "sh", "-c", MOUNTED, "sh", size, str(places.folder), *argv]
    ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=600, check=True)
    return ended.stdout


def told(text: str, word: str) -> list[Any]:
    return [said[word] for said in map(json.loads, text.splitlines()) if word in said]


def test_a_full_disk_refuses_until_there_is_room(places: Places) -> None:
    text = on_small_disk(places, "2m", "fill", "-", 1_500_000)
    assert (told(text, "full"), told(text, "kept")) == ([True], ["kept"])
    assert told(text, "again") == [["full"] * 5]
    assert told(text, "found") == [[True]]


def test_a_full_disk_frees_itself_where_the_store_takes_the_segments(places: Places) -> None:
    text = on_small_disk(places, "2m", "fill", places.store, 500_000)
    assert (told(text, "full"), told(text, "kept")) == ([True], ["kept"])
    once(places.in_store(), acknowledged(text))


def test_a_write_that_is_cut_short_leaves_nothing(places: Places) -> None:
    process = places.start("limited", "10300")  # a few lines into a batch
    text, _ = process.communicate(timeout=600)
    assert process.returncode == 0
    assert set(places.in_store()) == acknowledged(text)  # nothing that was refused is in it either
    once(places.in_store(), acknowledged(text))
