"""How a step ends in a container, on a real engine with the real Airflow, and what is left there: nothing."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from launch import environment
from tests.dags.scratch import Scratch
from tests.dags.stands import Stands, docker
from tests.ports import free
from tests.waiting import until

pytestmark = pytest.mark.docker

SEES = """
import json, os, pathlib, sys
def writes(place):
    try: pathlib.Path(place, "a").touch()
    except OSError: return False
    return True
capabilities = next(line for line in open("/proc/self/status") if line.startswith("CapEff")).split()[1]
privileges = next(line for line in open("/proc/self/status") if line.startswith("NoNewPrivs")).split()[1]
print("saw", json.dumps({"argv": sys.argv[1:], "names": sorted(os.environ), "user": os.getuid(),
    "secret": os.environ["AWS_SECRET_ACCESS_KEY"][:6], "root": writes("/"), "scratch": writes("/tmp"),
    "store": writes(os.environ["STORE"].removeprefix("file://").replace("%20", " ")),
    "capabilities": int(capabilities, 16), "no new privileges": privileges}))
"""
# Fails unless it is the second to come by; a folder is the store's, so what it leaves there stays.
HEALS = """
import os, pathlib, sys
tried = pathlib.Path(os.environ["STORE"].removeprefix("file://").replace("%20", " "), "tried")
known = tried.exists()
tried.touch()
sys.exit(0 if known else 1)
"""
PROGRAMS = {
    "well": SEES,
    "heals": HEALS,
    "refuses": "print('age is not what it was'); raise SystemExit(2)",
    "skips": "raise SystemExit(99)",
    "crashes": "print('the store is gone', end=''); raise SystemExit(1)",
    "killed": "import os; os.kill(os.getpid(), 9)",
    "hungry": "print('loads', flush=True); [bytearray(10**7) for _ in range(200)].clear()",
    "sleeps": "import time; print('begins', flush=True); time.sleep(600)",
}


@pytest.fixture(scope="module")
def stands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stands]:
    """Gone afterwards with all that is in it."""
    made = Stands(f"scratch-{secrets.token_hex(4)}", tmp_path_factory.mktemp("stands"))
    made.build(**PROGRAMS)
    yield made
    for container in made.containers():
        docker("rm", "--force", "--volumes", container)
    docker("rmi", "--force", *map(made.image, PROGRAMS))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Of somebody who is not root, if root runs the test."""
    folder = tmp_path / "a store"
    folder.mkdir()
    if os.getuid() == 0:
        os.chown(folder, 4242, 4242)
    return folder


def probe(scratch: Scratch, *steps: str) -> None:
    scratch.probe(**{step: PROGRAMS.get(step, "") for step in steps})


def said(log: str) -> list[str]:
    events = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [event["event"] for event in events if event.get("logger") == "launch.docker"]


@contextmanager
def started(scratch: Scratch, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """A run that is killed at the latest when we leave."""
    command, environ = scratch.command("dags", "test", "probe"), scratch.settings(**settings)
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        try:
            yield run
        finally:
            run.kill()


def begun(stands: Stands) -> bool:
    return any("begins" in logged(one) for one in stands.containers("--filter", "status=running"))


def logged(container: str) -> str:
    """What a container has printed; nothing where it is being removed meanwhile."""
    return subprocess.run(["docker", "logs", container], capture_output=True, text=True).stdout


def test_a_task_ends_as_its_container_did(scratch: Scratch, stands: Stands, store: Path) -> None:
    probe(scratch, "well", "heals", "refuses", "skips", "crashes", "killed", "hungry", "missing")
    settings = stands.settings({"hungry": {"memory": "32Mi"}})
    secret = {"AWS_SECRET_ACCESS_KEY": "s3cret-word", "DATABASE_PASSWORD": "no"}
    done = scratch.runs("probe", **settings, **secret, STORE=store.as_uri(), AWS_REGION="here")
    assert scratch.tasks() == {
        "well": ("success", 1),
        "heals": ("success", 2),
        "refuses": ("failed", 1),
        "skips": ("skipped", 1),
        "crashes": ("failed", 3),
        "killed": ("failed", 3),
        "hungry": ("failed", 1),
        "missing": ("failed", 1),
    }, done.stdout
    assert "refuses: refused (exit 2), a retry does not help\\nage is not what it was" in done.stdout
    assert "crashes: crashed (exit 1), a retry may help\\nthe store is gone" in done.stdout
    assert "killed: killed by SIGKILL" in done.stdout
    assert "hungry: out of memory, it may use 32Mi. Raise its `memory` in steps.yaml.\\nloads" in done.stdout
    assert f"missing: the image {stands.name}/missing:1 is not there. `make images` makes it" in done.stdout
    seen = json.loads(next(line for line in said(done.stdout) if line.startswith("saw "))[4:])
    assert len(seen["argv"]) == 2, "what renders to nothing is not given"
    assert {"STORE", "MLFLOW_TRACKING_URI", "AWS_REGION"} <= set(seen["names"])
    assert [name for name in seen["names"] if "AIRFLOW" in name or "PASSWORD" in name] == []
    assert seen["secret"] == "s3cret"
    assert seen["user"] == store.stat().st_uid != 0
    assert (seen["store"], seen["root"], seen["scratch"]) == (True, False, True)
    assert (seen["capabilities"], seen["no new privileges"]) == (0, "1")
    assert scratch.rows("key", "xcom") == []
    assert stands.containers() == []
    everything = done.stdout + done.stderr + (scratch.home / "airflow.db").read_bytes().decode(errors="replace")
    assert "s3cret-word" not in everything


@pytest.mark.data_safety
def test_a_secret_stands_in_the_environment_alone(scratch: Scratch, stands: Stands) -> None:
    probe(scratch, "sleeps")
    elsewhere = {"STORE": "s3://a/store", "MLFLOW_TRACKING_URI": "http://mlflow:5000"}
    with started(scratch, **stands.settings(), **elsewhere, AWS_SECRET_ACCESS_KEY="s3cret-word") as run:
        until(lambda: begun(stands))
        (found,) = stands.inspected()
        processes = docker("top", found["Id"], "-eo", "pid,args")
        run.send_signal(signal.SIGTERM)
        until(lambda: stands.containers() == [])
    assert "AWS_SECRET_ACCESS_KEY=s3cret-word" in found["Config"].pop("Env")
    assert "s3cret-word" not in json.dumps(found) + processes
    assert [place["Name"] in docker("volume", "ls", "--quiet") for place in found["Mounts"] if place["RW"]] == [False]
    assert found["Config"]["User"] == "10001"
    assert found["Config"]["Labels"]["rounds.dag"] == "probe"
    assert found["Config"]["Labels"]["rounds.run"].startswith("manual__")


def test_what_a_killed_task_left_is_removed_by_the_next(scratch: Scratch, stands: Stands) -> None:
    probe(scratch, "sleeps", "skips")
    with started(scratch, **stands.settings()):
        until(lambda: begun(stands))
    (left,) = stands.containers()
    (scratch.root / "dags/probe.py").unlink()
    probe(scratch, "skips")
    done = scratch.runs("probe", **stands.settings())
    assert scratch.tasks()["skips"] == ("skipped", 1), done.stdout
    assert left not in stands.containers()


def test_the_janitor_takes_what_nobody_waits_for_and_no_more(scratch: Scratch, stands: Stands) -> None:
    def left(**labels: object) -> str:
        words = [f"--label=rounds.{name}={word}" for name, word in labels.items()]
        return docker("run", "--detach", *words, stands.image("sleeps")).strip()

    overdue = left(watcher="elsewhere//1", until=1)
    wanted = left(watcher="elsewhere//1", until=10**10)
    foreign = left(step="sleeps")
    command = [environment.python("airflow"), "-m", "launch.janitor"]
    done = subprocess.run(command, cwd=scratch.root / "dags", env=scratch.settings(), capture_output=True, text=True)
    assert f"removed container {overdue[:12]}" in done.stdout
    assert set(stands.containers()) == {wanted, foreign}
    docker("rm", "--force", wanted, foreign)


def test_an_earlier_try_of_the_same_task_makes_way(scratch: Scratch, stands: Stands) -> None:
    """Also one of a machine that is no more, so that nobody can tell whether its process lives."""
    probe(scratch, "sleeps")
    with started(scratch, **stands.settings()) as run:
        until(lambda: begun(stands))
        (first,) = stands.inspected()
        labels = {**first["Config"]["Labels"], "rounds.watcher": "elsewhere//1"}
        words = [f"--label={name}={word}" for name, word in labels.items()]
        other = docker("run", "--detach", *words, stands.image("sleeps")).strip()
        docker("rm", "--force", "--volumes", first["Id"])
        until(lambda: other not in stands.containers() and begun(stands))
        run.kill()
        text, _ = run.communicate()
    assert "sleeps: its container was removed while it ran; a retry starts a new one." in text
    for container in stands.containers():
        docker("rm", "--force", "--volumes", container)


def test_a_step_that_takes_too_long_is_ended(scratch: Scratch, stands: Stands) -> None:
    probe(scratch, "sleeps")
    done = scratch.runs("probe", **stands.settings({"sleeps": {"minutes": 0.2}}), LAUNCH_RETRIES="0")
    assert "sleeps: took longer than its 0.2 minutes and was ended" in done.stdout
    assert stands.containers() == []


@pytest.mark.parametrize(
    ("setting", "words", "tries"),
    [
        ({"DOCKER_HOST": "tcp://127.0.0.1:{port}"}, "127.0.0.1:{port} does not answer", 2),
        ({"LAUNCH_NETWORK": "nowhere"}, "skips: Docker says no: network nowhere not found", 1),
        ({"TAG": ""}, "skips: TAG is not set", 1),
        ({"REGISTRY": "127.0.0.1:{port}"}, "skips: Docker failed: ", 2),
        ({"STORE": "file:///dev/null/store"}, "skips: [Errno 20] Not a directory", 1),
    ],
)
def test_what_is_not_there_is_named(
    scratch: Scratch, stands: Stands, setting: dict[str, str], words: str, tries: int
) -> None:
    probe(scratch, "skips")
    port = free()
    settings = {name: word.format(port=port) for name, word in setting.items()}
    done = scratch.runs("probe", **{**stands.settings(), "LAUNCH_RETRIES": "1", **settings})
    assert words.format(port=port) in done.stdout
    assert scratch.tasks() == {"skips": ("failed", tries)}
    assert stands.containers() == []


def test_a_source_in_a_named_folder_can_be_read(scratch: Scratch, stands: Stands, tmp_path: Path) -> None:
    (scratch.root / "data").mkdir()
    (scratch.root / "data/kept.csv").write_text("kept")
    (tmp_path / "tables").mkdir()
    typed = tmp_path / "tables/typed.csv"
    typed.write_text("typed")
    reads = "import pathlib; print(*(pathlib.Path(one).read_text() for one in {}))"
    stands.build(reads=reads.format(["/rounds/data/kept.csv", str(typed)]))
    probe(scratch, "reads")
    folders = f"data:{tmp_path}/tables"
    done = scratch.runs("probe", **stands.settings(), SOURCE=str(typed), LAUNCH_SOURCES=folders)
    docker("rmi", "--force", stands.image("reads"))
    assert "kept typed" in said(done.stdout)


def test_a_source_elsewhere_on_this_machine_is_refused(scratch: Scratch, stands: Stands, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("s3cret-word")
    probe(scratch, "skips")
    done = scratch.runs("probe", **stands.settings(), SOURCE=str(secret))
    assert "is outside the folders that containers may read" in done.stdout and "LAUNCH_SOURCES" in done.stdout
    assert scratch.tasks() == {"skips": ("failed", 1)}, "a retry would find the same"
    assert stands.containers() == []
