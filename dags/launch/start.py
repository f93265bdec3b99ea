"""Start another DAG once: not while a run of it waits or works, nor a second time under the same run id."""

from __future__ import annotations

import os
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowSkipException

from launch.ending import patience

UNDER_WAY = ["queued", "running"]


def start(task: str, dag: str, run: str, conf: dict[str, str]) -> BaseOperator:
    """A task that starts `dag` as `run`, a name known beforehand; a DAG that is paused fails it, and says so."""
    return Start(
        task_id=task,
        trigger_dag_id=dag,
        trigger_run_id=run,
        conf=conf,
        logical_date=None,
        skip_when_already_exists=True,
        fail_when_dag_is_paused=True,
        **patience(os.environ),
    )


class Start(TriggerDagRunOperator):
    """Airflow's own, but that it asks Airflow first: of two runs that train at once, one was not asked for."""

    def execute(self, context: Context) -> Any:
        known = context["ti"]
        if known.get_dr_count(dag_id=self.trigger_dag_id, run_ids=[str(self.trigger_run_id)]):
            self.log.info("%s: an earlier try has started it", self.trigger_run_id)
            return
        if known.get_dr_count(dag_id=self.trigger_dag_id, states=UNDER_WAY):
            raise AirflowSkipException(f"a run of {self.trigger_dag_id} waits or works; the next watch looks again")
        super().execute(context)
