"""What `make up` writes for Compose: passwords made once, and seen by nobody else."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import ROOT

pytestmark = pytest.mark.data_safety


def written(path: Path, *words: str) -> dict[str, str]:
    subprocess.run([sys.executable, ROOT / "images/passwords.py", path, *words], check=True)
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


@pytest.fixture
def env(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def test_everything_that_compose_asks_for_is_there(env: Path) -> None:
    found = written(env, "TAG=a", "REGISTRY=r")
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{(\w+):\?", text)) <= set(found)
    assert stat.S_IMODE(env.stat().st_mode) == 0o600


def test_passwords_are_kept_and_words_are_renewed(env: Path) -> None:
    first = written(env, "TAG=a", "AIRFLOW_PORT=1234")
    second = written(env, "TAG=b")
    assert second == {**first, "TAG": "b"}
    assert len({word for name, word in first.items() if name.endswith(("PASSWORD", "_KEY"))}) > 5


def test_the_service_sees_hashes_of_its_callers_keys(env: Path) -> None:
    found = written(env)
    text = (Path(found["KEYS_FOLDER"]) / "keys").read_text()
    known = [json.loads(line) for line in text.splitlines()]
    for key, name in zip(known, ("SERVING_KEY", "WATCH_KEY"), strict=True):
        assert key["hash"] == "sha256:" + hashlib.sha256(found[name].encode()).hexdigest()
        assert found[name] not in text
    assert known[1]["scopes"] == ["operate"] and "operate" not in known[0]["scopes"]


@pytest.mark.docker
def test_a_file_that_was_lost_is_missed_where_its_data_are_still_there(env: Path) -> None:
    project = f"lost-{secrets.token_hex(4)}"
    command = [sys.executable, ROOT / "images/passwords.py", "--fits", env]
    environment = {**os.environ, "COMPOSE_PROJECT_NAME": project}

    def asked() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    assert asked().returncode == 0, "nothing was ever started"
    labels = [f"--label=com.docker.compose.{name}" for name in (f"project={project}", "volume=postgres")]
    subprocess.run(["docker", "volume", "create", *labels, f"{project}_postgres"], check=True, capture_output=True)
    try:
        lost = asked()
        written(env)
        assert asked().returncode == 0, "the file is there"
    finally:
        given_up = lost.stderr.splitlines()[-1].split()
        subprocess.run(given_up, check=True, capture_output=True)
    env.unlink()
    assert lost.returncode == 2 and f"{project}_postgres" in lost.stderr and "Bring it back" in lost.stderr
    assert asked().returncode == 0, "the command that it names gives the data up"


def test_what_a_person_is_told_holds_no_password(env: Path) -> None:
    found = written(env)
    command = [sys.executable, ROOT / "images/passwords.py", "--tell", env]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "http://127.0.0.1:8080" in told
    assert not [name for name in found if name.endswith(("PASSWORD", "_KEY")) and found[name] in told]
