"""Airflow's REST API, as far as it takes to start a DAG and to see how it is."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from rounds.errors import Refused, RoundsError
from serving.patience import Patience, TooLong

SECONDS = 5.0  # for one call, however steadily the bytes of its answer come


class AirflowDown(RoundsError):
    """Airflow cannot be reached just now: a retry may help."""


class UnderWay(RoundsError):
    """Another run of this DAG waits or works, so none is started."""


@dataclass(frozen=True)
class Airflow:
    """By a token, by a user's password, or, where nobody logs in, by nothing."""

    url: str
    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    patience: Patience = field(default_factory=lambda: Patience(SECONDS), repr=False, compare=False)

    def health(self) -> str:
        """What is not well with it; empty where all is."""
        status, found = self._call("GET", "/api/v2/monitor/health")
        if status != 200:
            raise AirflowDown(f"Airflow at {self.url} answered {status} when asked how it is.")
        ill = [part for part in ("metadatabase", "scheduler") if (found.get(part) or {}).get("status") != "healthy"]
        return f"Airflow at {self.url} says that this is not healthy: {', '.join(ill)}." if ill else ""

    def start(self, dag: str, run: str, conf: dict[str, Any]) -> tuple[bool, str]:
        """Start a run under this id, once and beside no other; whether it was started now, and its state."""
        token, runs = self.token or self._login(), f"/api/v2/dags/{quote(dag)}/dagRuns"
        status, found = self._call("GET", f"{runs}?state=queued&state=running&limit=1", None, token)
        own = self._call("GET", f"{runs}/{quote(run)}", None, token)
        if own[0] == 200:
            return False, str(own[1].get("state"))
        if others := self._well(status, found, dag).get("dag_runs"):
            raise UnderWay(f"run {others[0]['dag_run_id']} of {dag} waits or works in Airflow")
        body = {"dag_run_id": run, "logical_date": None, "conf": conf}
        status, found = self._call("POST", runs, body, token)
        if status == 409:  # somebody was first, a moment ago
            return False, "queued"
        return True, str(self._well(status, found, dag).get("state"))

    def paused(self, dag: str) -> bool:
        status, found = self._call("GET", f"/api/v2/dags/{quote(dag)}", None, self.token or self._login())
        return bool(self._well(status, found, dag).get("is_paused"))

    def _login(self) -> str:
        words = {"username": self.user, "password": self.password}
        status, found = self._call("POST", "/auth/token", words) if self.user else self._call("GET", "/auth/token")
        if status != 201 or "access_token" not in found:
            wanted = "AIRFLOW_USER and AIRFLOW_PASSWORD, or AIRFLOW_TOKEN"
            raise Refused(f"Airflow at {self.url} did not let us in (it answered {status}). Correct {wanted}.")
        return str(found["access_token"])

    def _well(self, status: int, found: dict[str, Any], dag: str) -> dict[str, Any]:
        if status >= 500:
            raise AirflowDown(f"Airflow at {self.url} answered {status}.")
        if status == 404:
            raise Refused(f"Airflow at {self.url} has no DAG {dag}. See that its DAG processor reads this checkout.")
        if status >= 400:
            may = "a user, or a token, that may start DAG runs"
            raise Refused(f"Airflow at {self.url} answered {status} when asked for {dag}. Want {may}.")
        if not found:
            raise AirflowDown(f"Airflow at {self.url} answered {status} and said nothing.")
        return found

    def _call(self, method: str, path: str, body: Any = None, token: str = "") -> tuple[int, dict[str, Any]]:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(self.url.rstrip("/") + path, data, headers, method=method)
        try:
            return self.patience.ask(lambda: _answer(asked))
        except TooLong:
            raise AirflowDown(f"Airflow at {self.url} gives no whole answer within {SECONDS:g} s.") from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise AirflowDown(f"Airflow at {self.url} cannot be reached: {reason}.") from None


def _answer(asked: urllib.request.Request) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(asked, timeout=SECONDS) as answer:
            return answer.status, _object(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {}


def _object(raw: bytes) -> dict[str, Any]:
    """Whatever answers there may be another program than Airflow."""
    found = json.loads(raw)
    if not isinstance(found, dict):
        raise ValueError("its answer is not Airflow's")
    return found
