"""Write what Compose has to know into a file: `passwords.py .env TAG=...`, or `--tell` what a person has to.

Passwords are made once and kept; the words that are given replace their older selves. `--fits` says no where the file
is gone and the data that were made with it are still there.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path


def word() -> str:
    return secrets.token_urlsafe(24)


def fernet() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


COMPOSE = Path(__file__).parents[1] / "docker-compose.yml"
LOST = """{path} is not here, but data of an earlier start are: {volumes}.
Only the passwords that stood in that {path} open them, so nothing is started. Bring it back, from a backup or from the
checkout in which `make up` was run, or give the data up, all runs, models and journals, and start anew after

    docker compose --project-name {project} down --volumes
"""
SOCKET = Path("/var/run/docker.sock")
MADE: dict[str, Callable[[], str]] = {
    "AIRFLOW_DATABASE_PASSWORD": word,
    "AIRFLOW_FERNET_KEY": fernet,
    "AIRFLOW_JWT_SECRET": word,
    "AIRFLOW_PASSWORD": word,
    "AIRFLOW_SECRET_KEY": word,
    "GRAFANA_PASSWORD": word,
    "JOURNAL_KEY": word,
    "MLFLOW_DATABASE_PASSWORD": word,
    "SERVING_KEY": word,
    "STORE_PASSWORD": word,
    "WATCH_KEY": word,
}
SCOPES = {"compose": ["explain", "outcome", "predict"], "watch": ["operate"]}


def write(path: Path, given: dict[str, str]) -> None:
    kept = read(path) if path.exists() else {}
    made = {name: make() for name, make in MADE.items() if not kept.get(name)}
    found = {**kept, **made, **given, "DOCKER_GROUP": str(SOCKET.stat().st_gid if SOCKET.exists() else 0)}
    found["KEYS_FOLDER"] = str(path.resolve().parent / ".rounds" / "keys")
    text = "".join(f"{name}={value}\n" for name, value in sorted(found.items()))
    keys(Path(found["KEYS_FOLDER"]), {"compose": found["SERVING_KEY"], "watch": found["WATCH_KEY"]})
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


def keys(folder: Path, plain: dict[str, str]) -> None:
    """What the service sees of its callers' keys: hashes, so they may be read by whoever it runs as."""
    folder.mkdir(parents=True, exist_ok=True)
    known = [
        {"name": name, "hash": f"sha256:{hashlib.sha256(key.encode()).hexdigest()}", "scopes": SCOPES[name]}
        for name, key in plain.items()
    ]
    (folder / "keys").write_text("".join(json.dumps(key) + "\n" for key in known), encoding="utf-8")
    (folder / "keys").chmod(0o644)


def read(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def fits(path: Path) -> None:
    """Databases keep the passwords of their first start: with new ones nobody would get in, and long tracebacks out."""
    kept = read(path) if path.exists() else {}
    if all(kept.get(name) for name in MADE if "DATABASE" in name):
        return
    named = re.findall(r"^name: (\S+)", COMPOSE.read_text(encoding="utf-8"), re.MULTILINE)
    project = os.environ.get("COMPOSE_PROJECT_NAME") or kept.get("COMPOSE_PROJECT_NAME") or named[0]
    asked = ["docker", "volume", "ls", "--quiet", "--filter", f"label=com.docker.compose.project={project}"]
    if volumes := subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=True).stdout.split():
        print(LOST.format(path=path, volumes=", ".join(volumes), project=project), end="", file=sys.stderr)
        sys.exit(2)


def tell(path: Path) -> None:
    found = read(path)
    airflow, mlflow = found.get("AIRFLOW_PORT", "8080"), found.get("MLFLOW_PORT", "5000")
    serving = found.get("SERVING_PORT", "8000")
    print(f"Airflow: http://127.0.0.1:{airflow} (user admin; the password is AIRFLOW_PASSWORD in {path})")
    print(f"MLflow:  http://127.0.0.1:{mlflow}")
    if "watch" in (os.environ.get("COMPOSE_PROFILES") or found.get("COMPOSE_PROFILES", "")).split(","):
        prometheus, grafana = found.get("PROMETHEUS_PORT", "9090"), found.get("GRAFANA_PORT", "3000")
        print(f"Watch:   http://127.0.0.1:{serving}/watch and Prometheus: http://127.0.0.1:{prometheus}")
        print(f"Grafana: http://127.0.0.1:{grafana} (user admin; the password is GRAFANA_PASSWORD in {path})")
    print(
        f"Service: http://127.0.0.1:{serving} (the key is SERVING_KEY in {path}; it answers once there is a champion)"
    )


if __name__ == "__main__":
    first, *rest = sys.argv[1:]
    if first == "--tell":
        tell(Path(rest[0]))
    elif first == "--fits":
        fits(Path(rest[0]))
    else:
        write(Path(first), dict(word.split("=", 1) for word in rest))
