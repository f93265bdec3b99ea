"""A stand-in for Airflow's REST API, to be down or unwilling on demand; tests/dags/test_asked.py asks the real one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PASSWORD = "not a secret"


class Orchestrator:
    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.fails: list[int] = []  # the next answers to a start of a run, before it is done again as it should be
        self.paused, self.scheduler, self.known = False, "healthy", True

    def answer(self, method: str, path: str, body: Any, token: str | None) -> tuple[int, Any]:
        if path == "/api/v2/monitor/health":
            return 200, {"metadatabase": {"status": "healthy"}, "scheduler": {"status": self.scheduler}}
        if path == "/auth/token":
            right = body == {"username": "watch", "password": PASSWORD}
            return (201, {"access_token": "token"}) if right else (401, {"detail": "Invalid credentials"})
        if token != "Bearer token":
            return 401, {"detail": "Not authenticated"}
        if not self.known or not path.startswith("/api/v2/dags/train_noshow"):
            return 404, {"detail": "no such DAG"}
        if "dagRuns?state=" in path:
            return 200, {"dag_runs": [{"dag_run_id": run} for run in self.runs][:1]}
        if "/dagRuns/" in path:
            return (
                (200, {"state": "queued"}) if path.rsplit("/", 1)[-1] in self.runs else (404, {"detail": "no such run"})
            )
        if method == "GET":
            return 200, {"is_paused": self.paused}
        if self.fails:
            return self.fails.pop(0), {"detail": "no"}
        if body["dag_run_id"] in self.runs:
            return 409, {"detail": "DAGRun already exists"}
        self.runs[body["dag_run_id"]] = body["conf"]
        return 200, {"state": "queued"}

    @contextmanager
    def serving(self, port: int = 0) -> Iterator[str]:
        own = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                status, told = own.answer(self.command, self.path, body, self.headers.get("authorization"))
                raw = json.dumps(told).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_POST = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()
