"""An environment is made once, is whole, and mends itself however its making ended."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from launch import environment
from tests.checkout import ROOT, STEPS
from tests.waiting import until

# Every file that a package says it installed, but for what Python compiles by itself.
MISSING = """
import importlib.metadata as metadata
files = [file for found in metadata.distributions() for file in found.files or ()]
gone = [str(file) for file in files if file.suffix != ".pyc" and not file.locate().exists()]
assert len(files) > 500 and not gone, gone
import obstore, pydantic, rich, rounds, yaml
"""


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """A checkout with no environment yet, at a path with a space."""
    root = tmp_path / "a checkout"
    for room in ("dags", "jobs", "problems", "rounds"):
        shutil.copytree(ROOT / room, root / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "uv.lock", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, root)
    environment.uv()
    (root / ".rounds").mkdir()
    (root / ".rounds/tools").symlink_to(environment.HOME / "tools")
    yield root
    shutil.rmtree(root, ignore_errors=True)


def make(root: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, root / "dags/launch/environment.py", *words]
    return subprocess.Popen(command, stdout=-1, stderr=-1, text=True, start_new_session=True)


def made(root: Path, *words: str) -> str:
    """Make it, be sure that it is whole, and answer what was said."""
    done = make(root, "ingest", *words)
    said, wrong = done.communicate()
    assert done.returncode == 0, wrong
    subprocess.run([root / ".rounds/envs/ingest/bin/python", "-c", MISSING], check=True)
    return said + wrong


def test_it_is_made_once_and_then_needs_no_uv(clone: Path) -> None:
    assert made(clone) == "making .rounds/envs/ingest\n"
    (clone / ".rounds/tools").unlink()
    assert made(clone, "--", "python", "-c", "import sys; print(sys.argv)", "a b") == "['-c', 'a b']\n"


def test_a_changed_lock_is_a_sync_and_a_moved_checkout_a_new_making(clone: Path) -> None:
    made(clone)
    project = clone / "pyproject.toml"
    project.write_text(project.read_text() + "\n# a remark\n")
    assert made(clone) == "making .rounds/envs/ingest\n"
    assert made(clone) == ""
    moved = clone.rename(clone.with_name("elsewhere"))
    assert made(moved) == "making .rounds/envs/ingest\n"
    first = (moved / ".rounds/envs/ingest/bin/rounds").read_text()
    assert str(moved) in first
    assert str(clone) not in first


def test_equal_lists_share_one_and_several_say_how_far_and_how_large(clone: Path) -> None:
    maker = make(clone, "ingest", "features", "collect", "decide")
    _, text = maker.communicate()
    assert maker.returncode == 0, text
    *making, total = text.splitlines()
    assert making == ["making .rounds/envs/ingest (1 of 2)", "making .rounds/envs/decide (2 of 2)"]
    assert re.fullmatch(r"2 environments in \.rounds/envs: \d+\.\d GB, \d+ s", total)
    assert sorted(path.name for path in (clone / ".rounds/envs").iterdir() if path.is_dir()) == ["decide", "ingest"]


def test_eight_at_once(clone: Path) -> None:
    makers = [make(clone, "ingest") for _ in range(8)]
    said = "".join(maker.communicate()[1] for maker in makers)
    assert [maker.returncode for maker in makers] == [0] * 8
    assert said == "making .rounds/envs/ingest\n"
    made(clone)


@pytest.mark.parametrize("whom", ["both", *(pytest.param(one, marks=pytest.mark.long) for one in ("the maker", "uv"))])
def test_a_making_that_was_killed_is_mended(clone: Path, whom: str) -> None:
    moments = random.Random(whom)
    folder = clone / ".rounds/envs/ingest"
    landed = 0
    while landed < 3:
        maker = make(clone, "ingest")
        until(folder.exists)
        time.sleep(moments.uniform(0, 0.2))
        kill(maker, whom)
        maker.communicate()
        if (folder / environment.MARKER).exists():
            assert made(clone) == ""
            shutil.rmtree(folder)  # it was whole before the kill: once more
        else:
            landed += 1
    made(clone)


def kill(maker: subprocess.Popen[str], whom: str) -> None:
    children = Path(f"/proc/{maker.pid}/task/{maker.pid}/children").read_text().split()
    pids = ([maker.pid] if whom != "uv" else []) + ([int(child) for child in children] if whom != "the maker" else [])
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_what_cannot_be_made_says_why(clone: Path) -> None:
    maker = make(clone, "no-such-group")
    assert "no-such-group" in maker.communicate()[1]
    assert maker.returncode == 1


def test_a_home_that_cannot_be_written_moves_the_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "not there yet"))
    assert environment.caches() == {}
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/not/to/be/had")
    assert set(environment.caches()) == {"UV_CACHE_DIR", "PIP_CACHE_DIR"}
    assert all(folder.startswith(str(environment.HOME)) for folder in environment.caches().values())


def test_another_python_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    with pytest.raises(SystemExit, match=r"python3 is 3\.9\.2; want 3\.11, 3\.12 or 3\.13\. Name one: make"):
        environment.main(["features"])


@pytest.mark.parametrize(
    "group, unwanted",
    [("features", "great_expectations"), ("features", "xgboost"), ("validate", "xgboost"), ("airflow", "polars")],
)
def test_an_environment_holds_nothing_of_another(group: str, unwanted: str) -> None:
    python = environment.python(group)
    done = subprocess.run([python, "-c", f"import {unwanted}"], cwd=ROOT, capture_output=True, text=True)
    assert f"ModuleNotFoundError: No module named '{unwanted}'" in done.stderr


def test_other_accounts_are_kept_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lay there before is closed by its top folder; what is written elsewhere is closed by itself."""
    home = tmp_path / ".rounds"
    (home / "store").mkdir(parents=True)
    home.chmod(0o755)
    monkeypatch.setattr(environment, "HOME", home)
    environment.close()
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    before = os.umask(0o022)
    try:
        environment.keep_private()
        (tmp_path / "a log").touch()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a log").stat().st_mode) == 0o600


@pytest.mark.parametrize("step", STEPS)
def test_every_step_knows_the_time_zones_where_the_system_has_none(step: str) -> None:
    """An image of a slim system may lack them, and `zone` of problem.yaml names one."""
    code = "from rounds.knobs import Column; Column(**{'from': 'A', 'type': 'timestamp', 'zone': 'America/Sao_Paulo'})"
    settings = {**os.environ, "PYTHONTZPATH": "", "PYTHONPATH": str(ROOT)}
    subprocess.run([environment.python(step), "-c", code], env=settings, check=True)
