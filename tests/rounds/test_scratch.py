"""A scratch folder goes with its step, also when that was killed, and never while it works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rounds.errors import StoreError
from rounds.scratch import scratch

HOLD = """
import sys
from rounds.scratch import scratch
with scratch() as folder:
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@contextmanager
def held() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that has a scratch folder."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())


def test_it_goes_at_the_end(base: Path) -> None:
    with scratch() as folder:
        (folder / "work").write_text("x", encoding="utf-8")
        assert folder.parent == base
    assert list(base.iterdir()) == []


@pytest.mark.data_safety
def test_it_goes_after_an_error(base: Path) -> None:
    with pytest.raises(KeyError), scratch():
        raise KeyError
    assert list(base.iterdir()) == []


@pytest.mark.data_safety
def test_that_of_a_killed_step_is_swept(base: Path) -> None:
    with held() as (process, folder):
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert folder.is_dir()
        with scratch() as mine:
            assert list(base.iterdir()) == [mine]


@pytest.mark.data_safety
def test_that_of_a_live_step_stays() -> None:
    with held() as (_, folder):
        with scratch():
            assert folder.is_dir()
        assert folder.is_dir()


def test_one_that_was_not_yet_locked_is_swept(base: Path) -> None:
    (base / "rounds-killed-early").mkdir()
    with scratch() as mine:
        assert list(base.iterdir()) == [mine]


def test_what_is_not_ours_stays(base: Path) -> None:
    (base / "rounds-file").write_text("x", encoding="utf-8")
    (base / "other").mkdir()
    (base / "rounds-link").symlink_to(base / "other", target_is_directory=True)
    with scratch():
        pass
    assert sorted(path.name for path in base.iterdir()) == ["other", "rounds-file", "rounds-link"]


@pytest.mark.data_safety
def test_many_at_once_keep_their_own(base: Path) -> None:
    lost: list[Path] = []

    def work() -> None:
        for _ in range(60):
            with scratch() as folder:
                (folder / "work").write_text("x", encoding="utf-8")
                if not (folder / "work").is_file():
                    lost.append(folder)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lost == []
    assert list(base.iterdir()) == []


def test_no_room_is_said_and_no_other_place_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    with pytest.raises(StoreError, match=r"nowhere: No such file or directory. .* name another in TMPDIR"), scratch():
        pass
