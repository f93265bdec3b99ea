"""Airflow's task logs in the store, under `{STORE}/.logs/`, whether that is a folder or a bucket."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import obstore
import structlog
from airflow.config_templates.airflow_local_settings import DEFAULT_LOGGING_CONFIG as LOGGING
from airflow.configuration import conf
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url

__all__ = ["LOGGING", "REMOTE_TASK_LOG"]

log = structlog.get_logger(__name__)


class StoreLogs:
    """What Airflow asks of a place for logs: take a file in, give all that belong to a try."""

    processors: tuple[Any, ...] = ()

    def upload(self, path: os.PathLike[str] | str, ti: Any = None) -> None:
        """Called at a task's end; a store that is down must not change how the task ended."""
        name = os.fspath(path)
        file = Path(conf.get("logging", "base_log_folder"), name)
        if not file.is_file():
            return
        new = file.read_bytes()
        try:
            old = self._read(name)
            # A task that was put aside and goes on elsewhere begins a new file of the same name.
            whole = new if new.startswith(old) else old + new
            obstore.put(_store(), name, whole)
        except (BaseError, OSError) as error:
            log.warning("this task's log stays on the worker: the store does not take it", path=name, error=str(error))

    def read(self, relative_path: str, ti: Any = None) -> tuple[list[str], list[str]]:
        """Where it was found, and the text: the try's own file and those of its triggers."""
        try:
            batches = obstore.list(_store(), prefix=relative_path.rpartition("/")[0])
            found = sorted(one["path"] for batch in batches for one in batch if one["path"].startswith(relative_path))
            return found, [self._read(name).decode("utf-8", errors="replace") for name in found]
        except (BaseError, OSError) as error:
            return [f"the store cannot be read: {error}"], []

    def _read(self, name: str) -> bytes:
        try:
            return bytes(obstore.get(_store(), name).bytes())
        except FileNotFoundError:
            return b""


def _store() -> Any:
    address = os.environ["STORE"].rstrip("/") + "/.logs"
    if address.startswith("file:"):
        return LocalStore.from_url(address, mkdir=True)
    plain = os.environ.get("AWS_ALLOW_HTTP", "").lower() in {"true", "1", "yes", "on"}  # as the steps read it
    return from_url(address, client_options={"allow_http": plain, "timeout": "20s"}, retry_config={"max_retries": 3})


REMOTE_TASK_LOG = StoreLogs()
