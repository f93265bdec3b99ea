"""The one door to MLflow: how it is opened without noise, how a call may fail, where its database comes from."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rounds.errors import Refused, RegistryError
from rounds.faults import point
from rounds.private import keep_private
from rounds.settings import settings

SQLITE = "sqlite:///"
# Places of files that name a host. MLflow's client sends its user and password to whichever host that is.
HOSTED = {"ftp", "hdfs", "http", "https", "mlflow-artifacts", "sftp", "viewfs"}
# MLflow reads these when it is imported. What it says by itself quotes statements, and it calls home where it may.
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
# A server that does not answer is given up within a minute, so that the launcher's retry comes soon.
PATIENCE = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Tracking:
    """MLflow at a URL; every call passes a fault point before and after, and fails in one way."""

    url: str
    client: Any
    beat: Callable[[], None] = _nothing

    def call(self, verb: str, *arguments: Any, **named: Any) -> Any:
        """What MLflow's client answers to a verb of its own."""
        self.beat()
        point(f"before mlflow {verb}")
        with _failing(self.url, verb):
            found = getattr(self.client, verb)(*arguments, **named)
        point(f"after mlflow {verb}")
        return found

    def pages(self, verb: str, *arguments: Any, **named: Any) -> Iterator[Any]:
        """All that a search finds, page after page."""
        token = None
        while True:
            page = self.call(verb, *arguments, **named, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def check_place(self, uri: str) -> None:
        """Refuse files on another server: whoever writes to MLflow says where the files of a run or experiment lie."""
        place, own = urlsplit(uri), urlsplit(self.url)
        if place.scheme not in HOSTED or (place.scheme == "mlflow-artifacts" and not place.netloc):
            return
        if place.netloc.lower() != own.netloc.rpartition("@")[2].lower():
            raise Refused(
                f"MLflow at {_shown(self.url)} has files at {place.scheme}://{place.netloc.rpartition('@')[2]}, which "
                "is another server, so nothing is sent there. See who made that run or experiment in MLflow."
            )

    def while_telling(self, beat: Callable[[], None]) -> Tracking:
        """The same door; `beat` is called before every call."""
        return replace(self, beat=beat)

    @property
    def artifacts(self) -> str | None:
        """Where a new experiment's files go: beside the database; a server knows its own place."""
        path = database(self.url)
        return None if path is None else (path.parent / "mlartifacts").as_uri()


def open_tracking() -> Tracking:
    """MLflow at MLFLOW_TRACKING_URI."""
    return at(settings().tracking)


def at(url: str) -> Tracking:
    """MLflow at a URL; a database of ours that is not there yet is made."""
    path = database(url)
    if importlib.util.find_spec("mlflow") is None:
        raise Refused("MLflow is not installed in this environment; use that of 'register' (make setup makes it).")
    if path is not None and importlib.util.find_spec("sqlalchemy") is None:
        raise Refused(
            f"MLFLOW_TRACKING_URI is '{url}', and nothing here reads a database: the service's image asks an "
            "MLflow server. Want http(s)://a.server."
        )
    hush()
    if path is not None:
        create(path)
    with _failing(url, "open"):
        import mlflow

        return Tracking(url, mlflow.MlflowClient(url, url))


def database(url: str) -> Path | None:
    """The file of an sqlite URL, or None for a server; whatever else is refused."""
    if url.startswith(SQLITE) and len(url) > len(SQLITE):
        return Path(url.removeprefix(SQLITE)).absolute()
    if urlsplit(url).scheme in {"http", "https"} and urlsplit(url).netloc:
        return None
    why = "; MLflow's file store knows no aliases" if urlsplit(url).scheme in {"", "file"} else ""
    raise Refused(f"MLFLOW_TRACKING_URI is '{url}'{why}. Want sqlite:////a/file.db or http(s)://a.server.")


def create(path: Path) -> None:
    """Make the database, whole or not at all, however many ask for it at once."""
    with _failing(f"{SQLITE}{path}", "open"):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with _alone(path.with_name(f".{path.name}.lock")):
                if not path.exists():
                    _migrated(path.with_name(f".{path.name}.new")).replace(path)
        with sqlite3.connect(path.as_uri() + "?mode=ro", uri=True) as found:
            found.execute("select version_num from alembic_version").fetchone()
        found.close()


def _migrated(new: Path) -> Path:
    """A database of MLflow's newest schema at a path where a killed attempt may have left one."""
    hush()
    from mlflow.store.tracking import sqlalchemy_store

    build: Any = sqlalchemy_store.SqlAlchemyStore
    for left in new.parent.glob(f"{new.name}*"):
        left.unlink()
    made = build(f"{SQLITE}{new}", (new.parent / "mlartifacts").as_uri())
    made.engine.dispose()
    return new


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def hush() -> None:
    """Before MLflow is imported: it says nothing, tells nobody, and does not wait for long."""
    os.environ.update(QUIET)
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)


@contextmanager
def _failing(url: str, verb: str) -> Iterator[None]:
    """Every way in which MLflow, its database or its server fails, as one; what it warns of is for its authors."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:
        if not _is_foreseen(error):
            raise
        raise RegistryError(
            f"MLflow at {_shown(url)} could not {verb.replace('_', ' ')}: {_reason(error)}. "
            "See that it is there, has room and may be written, then run it again."
        ) from error


def _reason(error: BaseException) -> str:
    """The first cause in one line: whoever passes it on wraps it in statements and advice."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        return _reason(cause)
    return str(error).split("\n", 1)[0][:300].rstrip(".")


def _is_foreseen(error: Exception) -> bool:
    """Told by where its class comes from: to name the classes would load the libraries."""
    kinds = {kind.__module__.split(".")[0] + "." + kind.__name__ for kind in type(error).__mro__}
    return isinstance(error, OSError | sqlite3.Error) or bool(
        kinds & {"mlflow.MlflowException", "sqlalchemy.SQLAlchemyError"}
    )


def _shown(url: str) -> str:
    """Without the name and password that a server's URL may carry."""
    parts = urlsplit(url)
    return url if "@" not in parts.netloc else parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


if __name__ == "__main__":
    keep_private()
    open_tracking()
