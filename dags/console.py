"""Airflow on one machine: the steps' own lines on the console, everything else in a log under .rounds."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from launch import child, environment

TAIL = 25
CRASHED, REFUSED = 1, 2  # exit codes, as a step's own
REFUSALS = {"Refused", "Unfit"}  # of `launch.ending`
OF_A_TASK = ("task", "launch.")  # loggers
QUIET = {"DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
GUARDED = {"MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "false", "MLFLOW_SERVER_X_FRAME_OPTIONS": "DENY"}
PARTS = (
    ("api-server",),
    ("scheduler", "--skip-serve-logs"),
    ("dag-processor",),
    ("triggerer", "--skip-serve-logs"),
)


def settings(root: Path, home: Path, environ: Mapping[str, str], port: int = 8080) -> dict[str, str]:
    """The environment of every Airflow command: this checkout's Airflow, whatever else the machine has."""
    kept = {name: value for name, value in environ.items() if not name.startswith(("AIRFLOW_", "PYTHON"))}
    address = f"http://127.0.0.1:{port}"
    return {
        **kept,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONFIG": str(root / "dags" / "airflow.cfg"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(root / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(root / "dags" / "plugins"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__API__PORT": str(port),
    }


def airflow() -> list[str]:
    """The command `airflow`; its database is made, or brought to this Airflow's version, first."""
    command = [str(environment.python("airflow")), "-m", "airflow"]
    wanted = environment.mark(environment.HOME / "envs" / "airflow")
    environment.once(environment.HOME / "airflow", wanted, lambda *_: _migrate(command))
    return command


def _migrate(command: list[str]) -> None:
    done = subprocess.run([*command, "db", "migrate"], env=_settings(), capture_output=True, text=True)
    if done.returncode != 0:
        raise environment.NotMade(f"{done.stdout[-2000:]}{done.stderr[-2000:]}\n`airflow db migrate` failed.")


def train(problem: str, parameters: Mapping[str, Any]) -> int:
    """Run a problem's DAG to its end, and answer Airflow's exit code."""
    given = json.dumps({name: value for name, value in parameters.items() if value})
    airflow()
    environ = _settings()
    script = Path(environ["AIRFLOW__CORE__DAGS_FOLDER"]) / "one_run.py"
    command = [str(environment.python("airflow")), str(script), f"train_{problem}", given]
    last: deque[str] = deque(maxlen=TAIL)
    told = refused = False
    logs = TaskLogs(Path(environ["AIRFLOW_HOME"]) / "logs")
    # Interrupted, not killed: so a step's container or pod ends with it.
    start = child.started(command, environment.ROOT, environ, last=signal.SIGINT)
    with _log(f"train_{problem}") as log, logs, start as process:
        for line in child.lines(process):
            log.write(f"{line}\n")
            event = read(line)
            logs.write(line, event)
            last.append(_failure(event) or event["event"])
            refused = refused or is_refusal(event)
            if words := spoken(event):
                told = True
                print(words, flush=True)
    if process.returncode != 0 and not told:
        print("\n".join(last), file=sys.stderr)
    return REFUSED if process.returncode == CRASHED and refused else process.returncode


class TaskLogs:
    """The logs of tasks where Airflow's page looks for them: without a scheduler nobody else writes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: IO[str] | None = None

    def __enter__(self) -> TaskLogs:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, line: str, event: Mapping[str, Any]) -> None:
        """Open the next task's file where `one_run.py` names it; keep what belongs to the task."""
        if "task_log" in event:
            self.__exit__()
            path = self.folder / str(event["task_log"])
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8", buffering=1)
        elif self._file is not None and event.get("logger", "").startswith(OF_A_TASK):
            self._file.write(f"{line}\n")


def spoken(event: Mapping[str, Any]) -> str:
    """What people want to see of Airflow's log: a step's own words, and why a task failed."""
    if event.get("logger", "").startswith("launch."):
        return str(event["event"])
    words = _failure(event)
    return words.partition("\n")[0]


def is_refusal(event: Mapping[str, Any]) -> bool:
    """Whether a task ended with its step's exit code 2; of a task with several tries only the last one shows it."""
    raised = event.get("exception") or [{}]
    return raised[0].get("exc_type") in REFUSALS


def ui(port: int) -> int:
    """Serve Airflow and MLflow on the loopback address until somebody presses Ctrl-C; 0 if that is how it ended."""
    command, address = airflow(), f"http://127.0.0.1:{port}"
    # The parts of Airflow trust each other by this word; it lives as long as they do.
    environ = {**_settings(port), "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32)}
    with _log("ui") as log, contextlib.ExitStack() as stack:
        # A scheduler that is killed outright leaves its workers behind, one that is asked to end takes them along.
        start = [child.started([*command, *part], environment.ROOT, environ, log, signal.SIGTERM) for part in PARTS]
        start.append(
            child.started(mlflow(port + 1), environment.ROOT, {**environ, **QUIET, **GUARDED}, log, signal.SIGTERM)
        )
        parts = [stack.enter_context(part) for part in start]
        try:
            while _alive(parts) and not _serves(address):
                pass
            if _alive(parts):
                print(f"Airflow is at {address}, MLflow at http://127.0.0.1:{port + 1}; Ctrl-C ends both.", flush=True)
            while _alive(parts):
                pass
        except KeyboardInterrupt:
            print(" ending; tasks under way may take a minute", flush=True)
        names = [*(name for name, *_ in PARTS), "mlflow"]
        fallen = [name for name, part in zip(names, parts, strict=True) if part.poll() is not None]
        for part in parts:
            child.end(part)
    for name in fallen:
        print(f"{name} ended by itself. Its log says why; if port {port} is taken, PORT=8081 is another.")
    return len(fallen)


def mlflow(port: int) -> list[str]:
    """The command that serves the mirror, without the workers that MLflow keeps for jobs of its own."""
    address = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{environment.HOME / 'mlflow' / 'mlflow.db'}"
    command = [str(environment.python("mlflow")), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    # By itself MLflow takes any name that begins like a private address, such as 10.example.org.
    names = [f"{name}:{port}" for name in ("127.0.0.1", "localhost")]
    origins = [f"http://{name}" for name in names]
    guard = ["--allowed-hosts", ",".join(names), "--cors-allowed-origins", ",".join(origins)]
    return [*command, "--workers", "1", "--backend-store-uri", address, "--no-serve-artifacts", *guard]


def _alive(parts: list[subprocess.Popen[str]]) -> bool:
    time.sleep(0.5)
    return all(part.poll() is None for part in parts)


def _serves(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/api/v2/version", timeout=2):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def _log(name: str) -> Iterator[IO[str]]:
    """A new log; its place is told at once, and again is where to look when the console shows too little."""
    path = environment.HOME / "logs" / f"{name}-{datetime.now():%Y%m%dT%H%M%S.%f}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    print(f"Airflow's own log: {path.relative_to(environment.ROOT)}", flush=True)
    with path.open("w", encoding="utf-8", buffering=1) as log:
        yield log


def _settings(port: int = 8080) -> dict[str, str]:
    environ = {**os.environ, "TMPDIR": str(environment.scratch())}
    return settings(environment.ROOT, environment.HOME / "airflow", environ, port)


def read(line: str) -> dict[str, Any]:
    with contextlib.suppress(json.JSONDecodeError):
        found = json.loads(line)
        if isinstance(found, dict) and "event" in found:
            return found
    return {"event": line}


def _failure(event: Mapping[str, Any]) -> str:
    raised = event.get("exception") or [{"exc_value": ""}]
    return str(raised[0]["exc_value"])


def main() -> int:
    parser = argparse.ArgumentParser(prog="console.py", description=__doc__, allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("train", help="run a problem's DAG to its end")
    one.add_argument("problem")
    one.add_argument("--run", default="")
    one.add_argument("--source", default="")
    one.add_argument("--search", action="store_true")
    one.add_argument("--force", action="store_true")
    verbs.add_parser("ui", help="serve Airflow in the browser").add_argument("--port", type=int, default=8080)
    verbs.add_parser("airflow", help="any command of this checkout's Airflow").add_argument("rest", nargs="...")
    given = vars(parser.parse_args())
    verb = given.pop("verb")
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)  # whoever ends us ends what we started
    environment.keep_private()
    try:
        if verb == "train":
            return train(given.pop("problem"), given)
        if verb == "ui":
            return ui(given["port"])
        return subprocess.run([*airflow(), *given["rest"]], env=_settings()).returncode
    except environment.NotMade as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
