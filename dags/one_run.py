"""Run a DAG once, without a scheduler: as `airflow dags test` does, but under a name that people know.

It says which log file Airflow's page reads for each task; `console.py` writes these files.
"""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime
from typing import Any

from airflow.listeners import hookimpl
from airflow.models.dagrun import DagRun
from airflow.sdk.listener import get_listener_manager
from airflow.utils.cli import get_bagged_dag
from airflow.utils.helpers import log_filename_template_renderer
from airflow.utils.providers_configuration_loader import providers_configuration_loaded
from airflow.utils.state import DagRunState

UNUSUAL = re.compile(r"[^A-Za-z0-9.~:+-]+")  # not for a run id; and `scheduled__` begins Airflow's own
LONGEST = 120


class TaskLogs:
    """Tells the log file of each try before it begins."""

    @hookimpl
    def on_task_instance_running(self, previous_state: Any, task_instance: Any) -> None:
        path = log_filename_template_renderer()(ti=task_instance)
        print(json.dumps({"event": "a task begins", "task_log": path}), flush=True)


def run_id(name: str, now: datetime) -> str:
    """The run's name and the time, for Airflow wants another id each time."""
    if not name:
        return f"manual__{now.isoformat()}"
    return f"{UNUSUAL.sub('_', name)[:LONGEST]}~{now.isoformat()}"


@providers_configuration_loaded
def main(dag_id: str, conf: dict[str, Any]) -> int:
    now = datetime.now(UTC)
    name = run_id(str(conf.get("run") or ""), now)
    DagRun.generate_run_id = staticmethod(lambda **_: name)  # type: ignore[method-assign]
    get_listener_manager().add_listener(TaskLogs())  # type: ignore[no-untyped-call]
    run = get_bagged_dag(None, dag_id).test(logical_date=now, run_conf=conf)
    return int(run.state == DagRunState.FAILED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], json.loads(sys.argv[2])))
