"""Make the secrets of docker-compose.yml once, and give each service a folder with those that it uses.

`make_secrets.py make` makes what is missing under /secrets; `make_secrets.py show` prints what a person needs.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

SECRETS = Path("/secrets")
ORIGINALS = SECRETS / "originals"  # no service sees this folder: each sees a folder of its own beside it
KEPT = [Path("/data/postgres/PG_VERSION"), Path("/data/store/rounds")]  # data that only the same secrets open

AIRFLOW_UID = 50000
ROUNDS_UID = 10001  # of the service, MLflow and the steps
ANY_UID = None  # an image of others: its user may differ, so all users in that container can read its folder

LOST = """The volume of the secrets is empty, but Postgres or the store holds data of an earlier start.
Only the secrets of that start open them, so nothing is started. Bring the volume `secrets` back from a backup,
or give up all data (runs, models, journals) and start anew:

    docker compose down --volumes
"""
HINT = "The secrets are made. To see those that a person needs: docker compose run --rm secrets show"


def make_password() -> str:
    return secrets.token_urlsafe(24)


def make_hex_key() -> str:
    return secrets.token_hex(32)


def make_fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def make_signing_key() -> str:
    return run_openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")


MAKERS: dict[str, Callable[[], str]] = {
    "airflow-admin": make_password,
    "airflow-api": make_password,
    "airflow-database": make_password,
    "airflow-fernet": make_fernet_key,
    "airflow-jwt": make_password,
    "airflow-serving": make_password,
    "grafana-admin": make_password,
    "journal": make_hex_key,
    "metrics": make_password,
    "mlflow-admin": make_password,
    "mlflow-database": make_password,
    "mlflow-flask": make_password,
    "mlflow-serving": make_password,
    "mlflow-steps": make_password,
    "postgres": make_password,
    "serving": make_password,
    "signing": make_signing_key,
    "store-admin": make_password,
    "store-logs": make_password,
    "store-mlflow": make_password,
    "store-serving": make_password,
    "store-steps": make_password,
}


def folders(made: dict[str, str]) -> dict[str, tuple[int | None, dict[str, str]]]:
    """Each service's folder: the user who reads it, and its files.

    A name in capitals becomes an environment variable; any other is a file that is read.
    """
    airflow_database = f"postgresql+psycopg://airflow:{made['airflow-database']}@postgres/airflow"
    mlflow_database = f"postgresql+psycopg://mlflow:{made['mlflow-database']}@postgres/"
    public_key = run_openssl("pkey", "-pubout", text=made["signing"])
    airflow = {"database": airflow_database, "fernet-key": made["airflow-fernet"]}
    logs = {"AWS_SECRET_ACCESS_KEY": made["store-logs"]}
    return {
        "postgres": (
            ANY_UID,
            {
                "POSTGRES_PASSWORD": made["postgres"],
                "AIRFLOW_PASSWORD": made["airflow-database"],
                "MLFLOW_PASSWORD": made["mlflow-database"],
            },
        ),
        "store": (ANY_UID, {"ROOT_SECRET_KEY": made["store-admin"]}),
        "accounts": (
            ROUNDS_UID,
            {
                "AWS_SECRET_ACCESS_KEY": made["store-admin"],
                "STORE_LOGS": made["store-logs"],
                "STORE_MLFLOW": made["store-mlflow"],
                "STORE_SERVING": made["store-serving"],
                "STORE_STEPS": made["store-steps"],
                "MLFLOW_AUTH_DATABASE": f"{mlflow_database}mlflow_auth",
                "MLFLOW_ADMIN": made["mlflow-admin"],
                "MLFLOW_SERVING": made["mlflow-serving"],
                "MLFLOW_STEPS": made["mlflow-steps"],
            },
        ),
        "mlflow": (
            ROUNDS_UID,
            {
                "AWS_SECRET_ACCESS_KEY": made["store-mlflow"],
                "MLFLOW_BACKEND_STORE_URI": f"{mlflow_database}mlflow",
                "MLFLOW_FLASK_SERVER_SECRET_KEY": made["mlflow-flask"],
                "auth.ini": authentication(f"{mlflow_database}mlflow_auth"),
            },
        ),
        "settled": (
            AIRFLOW_UID,
            {
                **airflow,
                "ADMIN_PASSWORD": made["airflow-admin"],
                "SERVING_PASSWORD": made["airflow-serving"],
            },
        ),
        "airflow": (
            AIRFLOW_UID,
            {**airflow, **logs, "api-secret-key": made["airflow-api"], "jwt-secret": made["airflow-jwt"]},
        ),
        "scheduler": (
            AIRFLOW_UID,
            {
                **airflow,
                "jwt-secret": made["airflow-jwt"],
                "AWS_SECRET_ACCESS_KEY": made["store-steps"],
                "JOURNAL_KEY": made["journal"],
                "MLFLOW_TRACKING_PASSWORD": made["mlflow-steps"],
                "signing-key.pem": f"{made['signing']}\n",
                "verify-keys/1.pem": public_key,
            },
        ),
        "dag-processor": (AIRFLOW_UID, airflow),
        "triggerer": (AIRFLOW_UID, {**airflow, **logs, "jwt-secret": made["airflow-jwt"]}),
        "serving": (
            ROUNDS_UID,
            {
                "AIRFLOW_PASSWORD": made["airflow-serving"],
                "AWS_SECRET_ACCESS_KEY": made["store-serving"],
                "JOURNAL_KEY": made["journal"],
                "MLFLOW_TRACKING_PASSWORD": made["mlflow-serving"],
                "keys": caller_keys(made),
                "verify-keys/1.pem": public_key,
            },
        ),
        "prometheus": (ANY_UID, {"serving-key": made["metrics"]}),
        "grafana": (ANY_UID, {"GF_SECURITY_ADMIN_PASSWORD": made["grafana-admin"]}),
    }


def authentication(database: str) -> str:
    """MLflow's settings for passwords. A password that was right is not hashed again for a minute."""
    return f"""[mlflow]
default_permission = READ
database_uri = {database}
admin_username = admin
authorization_function = authorize:authenticate
auth_cache_ttl_seconds = 60
"""


def caller_keys(made: dict[str, str]) -> str:
    """The hashes of the service's callers' keys. All other lines of the file stay, good or bad."""
    scopes = {"compose": ["explain", "outcome", "predict"], "metrics": ["metrics"]}
    plain = {"compose": made["serving"], "metrics": made["metrics"]}
    lines = []
    for name, key in plain.items():
        digest = hashlib.sha256(key.encode()).hexdigest()
        lines.append(json.dumps({"name": name, "hash": f"sha256:{digest}", "scopes": scopes[name]}))
    path = SECRETS / "serving" / "keys"
    known = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    added = [line for line in known if line.strip() and name_in(line) not in plain]
    return "".join(f"{line}\n" for line in [*lines, *added])


def name_in(line: str) -> str:
    """The name of the key in a line; empty where the line holds none."""
    try:
        return str(json.loads(line)["name"])
    except (KeyError, TypeError, ValueError):
        return ""


def run_openssl(*arguments: str, text: str = "") -> str:
    finished = subprocess.run(["openssl", *arguments], input=text, capture_output=True, text=True, check=True)
    return finished.stdout


def make() -> None:
    if not ORIGINALS.exists() and any(path.exists() for path in KEPT):
        sys.exit(LOST)
    ORIGINALS.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, maker in MAKERS.items():
        path = ORIGINALS / name
        if not path.exists():
            write_file(path, maker(), 0o400, None)
    made = read_originals()
    for folder, (uid, files) in folders(made).items():
        write_folder(SECRETS / folder, uid, files)
    print(HINT)


def read_originals() -> dict[str, str]:
    return {name: (ORIGINALS / name).read_text(encoding="utf-8").strip() for name in MAKERS}


def write_folder(folder: Path, uid: int | None, files: dict[str, str]) -> None:
    """Write a service's files for its user alone, and remove what it no longer uses."""
    mode = 0o444 if uid is None else 0o400
    wanted = {folder / name for name in files}
    parents = {path.parent for path in wanted}
    for path in sorted(parents):
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o755 if uid is None else 0o700)
        os.chown(path, uid or 0, 0)
    for name, content in files.items():
        write_file(folder / name, content, mode, uid)
    for path in folder.rglob("*"):
        if path.is_file() and path not in wanted:
            path.unlink()


def write_file(path: Path, content: str, mode: int, uid: int | None) -> None:
    """Put the file there whole; a reader never sees a half of it. Airflow takes a newline for a part of a password."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # an empty secret after a power cut would be used as one
    os.chown(new, uid or 0, 0)
    new.chmod(mode)
    new.replace(path)


def show() -> None:
    if not ORIGINALS.exists():
        sys.exit("There are no secrets yet; `docker compose up` makes them.")
    made = read_originals()
    print(f"AIRFLOW_USER=admin\nAIRFLOW_PASSWORD={made['airflow-admin']}")
    print(f"MLFLOW_TRACKING_USERNAME=admin\nMLFLOW_TRACKING_PASSWORD={made['mlflow-admin']}")
    print(f"SERVING_KEY={made['serving']}")
    print(f"AWS_ACCESS_KEY_ID=admin\nAWS_SECRET_ACCESS_KEY={made['store-admin']}")
    print(f"GRAFANA_USER=admin\nGRAFANA_PASSWORD={made['grafana-admin']}")


if __name__ == "__main__":
    {"make": make, "show": show}[sys.argv[1]]()
