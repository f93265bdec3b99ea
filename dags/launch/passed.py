"""What a step may see of its worker: its own settings, nothing of Airflow's, no credential that it has no use for."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

SETTINGS = frozenset({"HISTORY", "LOG", "SOURCE", "STORE", "STORE_TIMEOUT", "TZ"})
# Which steps get a setting that not every step uses; ingest hashes identifiers where the source is the journal, and
# validate those of a table that it compares with the journal.
ONLY = {
    "JOURNAL_KEY": frozenset({"collect", "ingest", "score", "validate"}),
    "SIGNING_KEY": frozenset({"evaluate", "register", "train"}),
    "VERIFY_KEYS": frozenset({"evaluate", "monitor", "register", "score", "train"}),
}
# Which of them can do without: their pods start where the Secret is missing.
OPTIONAL = {"JOURNAL_KEY": frozenset({"ingest", "validate"})}
PROXIES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"})  # in either case
PREFIXES = ("AWS_", "MLFLOW_", "OMP_", "OPENBLAS_", "POLARS_", "ROUNDS_")
HERE = frozenset({"HOME", "JOURNAL_FOLDER", "LANG", "PATH", "TMPDIR"})  # of use on the worker's own machine alone
HERE_PREFIXES = ("LC_", "SSL_CERT_")
SECRET = re.compile("KEY|SECRET|TOKEN|PASS|CREDENTIAL|USERNAME|HISTORY")  # by shape; a URL of Redis may hold a password
OPEN = frozenset(
    {
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    }
)


def passed(environ: Mapping[str, str], step: str) -> dict[str, str]:
    """What a step gets wherever it runs, its secrets included."""
    return {"PYTHONUNBUFFERED": "1"} | {name: value for name, value in environ.items() if _is_passed(name, step)}


def plain(environ: Mapping[str, str], step: str) -> dict[str, str]:
    """The same without secrets: what may stand where many can read it."""
    return {name: value for name, value in passed(environ, step).items() if name in OPEN or not SECRET.search(name)}


def here(environ: Mapping[str, str], step: str) -> dict[str, str]:
    """What a step gets that runs on this very machine."""
    local = {name: value for name, value in environ.items() if name in HERE or name.startswith(HERE_PREFIXES)}
    return passed(environ, step) | local


def uses(step: str, setting: str) -> bool:
    """Whether a step uses a setting of `ONLY`."""
    return step in ONLY[setting]


def can_do_without(step: str, setting: str) -> bool:
    """Whether a step that uses a setting runs without it too."""
    return step in OPTIONAL.get(setting, ())


def image(step: str) -> str:
    """The image of a step: REGISTRY and TAG say whose and which."""
    tag = os.environ.get("TAG")
    if not tag:
        raise ValueError(
            "TAG is not set; want the tag of the steps' images, such as a commit. `make images` makes them."
        )
    return f"{os.environ.get('REGISTRY') or 'rounds'}/{step}:{tag}"


def _is_passed(name: str, step: str) -> bool:
    if name in ONLY:
        return uses(step, name)
    return name in SETTINGS or name.upper() in PROXIES or name.startswith(PREFIXES)
