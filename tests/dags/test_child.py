"""A child ends with its parent, and takes along what it started itself."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from launch import child
from tests.waiting import running, until

FAMILY = "import subprocess; child = subprocess.Popen(['sleep', '600']); print(child.pid, flush=True); child.wait()"


def test_its_words_come_as_lines(tmp_path: Path) -> None:
    program = "import sys; print('a'); print('b', file=sys.stderr); sys.stdout.buffer.write(b'\\xff')"
    with child.started([sys.executable, "-u", "-c", program], tmp_path, os.environ) as process:
        assert list(child.lines(process)) == ["a", "b", "\N{REPLACEMENT CHARACTER}"]
    assert process.returncode == 0


def test_an_argv_is_never_read_by_a_shell(tmp_path: Path) -> None:
    words = ["$HOME", "a b", "; touch here", "'"]
    with child.started([sys.executable, "-c", "import sys; print(sys.argv[1:])", *words], tmp_path, {}) as process:
        assert list(child.lines(process)) == [str(words)]
    assert list(tmp_path.iterdir()) == []


def test_leaving_early_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FAMILY]
    with pytest.raises(KeyboardInterrupt), child.started(command, tmp_path, os.environ) as process:
        grandchild = int(next(child.lines(process)))
        raise KeyboardInterrupt
    assert process.returncode == -9
    until(lambda: not running(grandchild))


def test_end_reaches_the_whole_family(tmp_path: Path) -> None:
    with child.started([sys.executable, "-c", FAMILY], tmp_path, os.environ) as process:
        grandchild = int(next(child.lines(process)))
        child.end(process)
    assert process.returncode == -15
    until(lambda: not running(grandchild))
    child.end(process)  # twice is no harm


def test_one_that_is_interrupted_may_tidy_up_even_if_we_ignore_interrupts(tmp_path: Path) -> None:
    program = "import time\ntry:\n print('up', flush=True)\n time.sleep(600)\nexcept KeyboardInterrupt:\n"
    program += " open('tidy', 'w')"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with (
            pytest.raises(ZeroDivisionError),
            child.started([sys.executable, "-c", program], tmp_path, os.environ, last=signal.SIGINT) as process,
        ):
            assert next(child.lines(process)) == "up"
            raise ZeroDivisionError
    finally:
        signal.signal(signal.SIGINT, before)
    assert (tmp_path / "tidy").exists()
