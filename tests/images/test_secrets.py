"""The secrets of docker-compose.yml: made once, seen by the service that uses them and by no other."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from tests.checkout import ROOT
from tests.images.engine import docker

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]


@pytest.fixture(scope="module")
def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_secrets", ROOT / "images/make_secrets.py")
    assert spec and spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="module")
def made(module: ModuleType) -> dict[str, str]:
    if shutil.which("openssl") is None:
        pytest.skip("there is no command openssl")
    return {name: maker() for name, maker in module.MAKERS.items()}


@pytest.fixture(scope="module")
def holders(module: ModuleType, made: dict[str, str]) -> dict[str, set[str]]:
    """Who holds each secret, in whichever file."""
    folders = module.folders(made)
    return {
        name: {
            service for service, (_, files) in folders.items() if any(secret.strip() in text for text in files.values())
        }
        for name, secret in made.items()
    }


def test_a_secret_is_held_by_those_who_use_it(holders: dict[str, set[str]]) -> None:
    airflow = {"settled", "airflow", "scheduler", "dag-processor", "triggerer"}
    assert holders == {
        "airflow-admin": {"settled"},
        "airflow-api": {"airflow"},
        "airflow-database": {"postgres", *airflow},
        "airflow-fernet": airflow,
        "airflow-jwt": {"airflow", "scheduler", "triggerer"},
        "airflow-serving": {"settled", "serving"},
        "grafana-admin": {"grafana"},
        "journal": {"scheduler", "serving"},
        "metrics": {"prometheus"},
        "mlflow-admin": {"accounts"},
        "mlflow-database": {"postgres", "accounts", "mlflow"},
        "mlflow-flask": {"mlflow"},
        "mlflow-serving": {"accounts", "serving"},
        "mlflow-steps": {"accounts", "scheduler"},
        "postgres": {"postgres"},
        "serving": set(),
        "signing": {"scheduler"},
        "store-admin": {"store", "accounts"},
        "store-logs": {"accounts", "airflow", "triggerer"},
        "store-mlflow": {"accounts", "mlflow"},
        "store-serving": {"accounts", "serving"},
        "store-steps": {"accounts", "scheduler"},
    }


def test_each_service_sees_its_own_folder_alone(module: ModuleType, made: dict[str, str]) -> None:
    mounted = {
        name: [volume["volume"]["subpath"] for volume in service.get("volumes", []) if "volume" in volume]
        for name, service in SERVICES.items()
    }
    assert {name: folders for name, folders in mounted.items() if folders} == {
        name: [name] for name in module.folders(made)
    }
    whole = [name for name, service in SERVICES.items() if "secrets:/secrets" in service.get("volumes", [])]
    assert whole == ["secrets"]


def test_compose_starts_without_a_word_from_anybody() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert re.findall(r"\$\{\w+:?\?[^}]*\}", text) == [], "no variable is demanded"
    assert not re.search(r"(PASSWORD|SECRET|KEY): \$\{", text)


def test_the_keys_are_as_long_as_they_must_be(made: dict[str, str]) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", made["journal"])
    assert len(set(made.values())) == len(made)
    assert all(len(secret) >= 32 for secret in made.values())


def test_the_signing_key_and_its_public_half_are_one_pair(module: ModuleType, made: dict[str, str]) -> None:
    folders = module.folders(made)
    private = load_pem_private_key(made["signing"].encode(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name == "secp256r1"
    assert "BEGIN PRIVATE KEY" in made["signing"], "PKCS8"
    for reader in ("scheduler", "serving"):
        public = load_pem_public_key(folders[reader][1]["verify-keys/1.pem"].encode())
        assert public == private.public_key()


def test_the_service_sees_hashes_of_its_callers_keys(module: ModuleType, made: dict[str, str]) -> None:
    text = module.folders(made)["serving"][1]["keys"]
    lines = [json.loads(line) for line in text.splitlines()]
    assert {line["name"]: line["scopes"] for line in lines} == {
        "compose": ["explain", "outcome", "predict"],
        "metrics": ["metrics"],
    }
    for line, secret in zip(lines, ("serving", "metrics"), strict=True):
        assert line["hash"] == "sha256:" + hashlib.sha256(made[secret].encode()).hexdigest()
        assert made[secret] not in text


def test_a_line_that_is_no_key_does_not_stop_the_start(
    module: ModuleType, made: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECRETS", tmp_path)
    generated = module.caller_keys(made)
    added = json.dumps({"name": "clinic", "hash": "sha256:" + "0" * 64, "scopes": ["predict"]})
    (tmp_path / "serving").mkdir()
    (tmp_path / "serving" / "keys").write_text(f"{generated}\n{added}\nno JSON\n[]\n{{}}\n", encoding="utf-8")
    assert module.caller_keys(made) == f"{generated}{added}\nno JSON\n[]\n{{}}\n"


class Volumes:
    """The one-shot service in its container, on folders of this test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("secrets", "postgres", "store"):
            (folder / name).mkdir()

    def run(self, verb: str, program: str = "/opt/make_secrets.py") -> subprocess.CompletedProcess[str]:
        places = {"secrets": "/secrets", "postgres": "/data/postgres:ro", "store": "/data/store:ro"}
        volumes = [f"{self.folder / name}:{place}" for name, place in places.items()]
        volumes.append(f"{ROOT / 'images/make_secrets.py'}:/opt/make_secrets.py:ro")
        hard = ["--rm", "--network", "none", "--read-only", "--cap-drop", "ALL"]
        hard += [word for right in SERVICES["secrets"]["cap_add"] for word in ("--cap-add", right)]
        options = [word for volume in volumes for word in ("--volume", volume)]
        return docker("run", *hard, *options, SERVICES["secrets"]["image"], "python", program, verb, check=False)

    def list(self) -> dict[str, str]:
        """Owner and mode of each file, and what it holds."""
        script = "cd /secrets && find . -type f -exec sh -c 'echo $1 $(stat -c %u:%a $1) $(sha256sum <$1)' - {} \\;"
        options = ["--volume", f"{self.folder / 'secrets'}:/secrets:ro"]
        lines = docker("run", "--rm", *options, SERVICES["secrets"]["image"], "sh", "-c", script).stdout.splitlines()
        return dict(line.removeprefix("./").split(" ", 1) for line in lines)

    def clear(self) -> None:
        options = ["--volume", f"{self.folder}:/all"]
        docker("run", "--rm", *options, SERVICES["secrets"]["image"], "sh", "-c", "rm -r /all/*")


@pytest.fixture
def volumes(tmp_path: Path) -> Iterator[Volumes]:
    made = Volumes(tmp_path)
    yield made
    made.clear()


@pytest.mark.docker
def test_secrets_are_made_once_and_their_values_stand_in_no_log(volumes: Volumes) -> None:
    first = volumes.run("make")
    assert first.returncode == 0, first.stderr
    files = volumes.list()
    assert files["scheduler/signing-key.pem"].startswith("50000:400")
    assert files["serving/JOURNAL_KEY"].startswith("10001:400")
    assert files["originals/signing"].startswith("0:400")
    again = volumes.run("make")
    assert again.returncode == 0 and volumes.list() == files
    shown = volumes.run("show").stdout
    values = [line.split("=", 1)[1] for line in shown.splitlines() if not line.endswith("=admin")]
    assert len(values) == 5
    assert not [value for value in values if value in first.stdout + first.stderr + again.stdout]
    assert "docker compose run --rm secrets show" in first.stdout


@pytest.mark.docker
def test_a_start_that_was_killed_is_finished_by_the_next(volumes: Volumes) -> None:
    assert volumes.run("make").returncode == 0
    files = volumes.list()
    options = ["--volume", f"{volumes.folder / 'secrets'}:/secrets"]
    script = "rm /secrets/originals/store-steps /secrets/scheduler/*_KEY /secrets/serving/keys"
    docker("run", "--rm", *options, SERVICES["secrets"]["image"], "sh", "-c", script)
    assert volumes.run("make").returncode == 0
    after = volumes.list()
    assert set(after) == set(files)
    assert {name for name in files if files[name] != after[name]} == {
        "originals/store-steps",
        "accounts/STORE_STEPS",
        "scheduler/AWS_SECRET_ACCESS_KEY",
    }


@pytest.mark.docker
@pytest.mark.parametrize("data", ["postgres/PG_VERSION", "store/rounds"])
def test_lost_secrets_are_missed_where_their_data_are_still_there(volumes: Volumes, data: str) -> None:
    (volumes.folder / data).write_text("17\n")
    lost = volumes.run("make")
    assert lost.returncode == 1
    assert "from a backup" in lost.stderr and "docker compose down --volumes" in lost.stderr
    assert volumes.list() == {}


@pytest.mark.docker
def test_a_key_that_a_person_added_stays(volumes: Volumes) -> None:
    assert volumes.run("make").returncode == 0
    line = json.dumps({"name": "clinic", "hash": "sha256:" + "0" * 64, "scopes": ["predict"]})
    options = ["--volume", f"{volumes.folder / 'secrets'}:/secrets"]
    script = f"echo '{line}' >>/secrets/serving/keys"
    docker("run", "--rm", *options, SERVICES["secrets"]["image"], "sh", "-c", script)
    before = volumes.list()["serving/keys"]
    assert volumes.run("make").returncode == 0
    assert volumes.list()["serving/keys"] == before
