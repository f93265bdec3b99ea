"""Watch the champion of every problem each day, and train again where there is reason: one DAG for each problem."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.sdk import DAG, dag

from launch import launch
from launch.schedule import FILES, RUN, describe, named, typed
from launch.start import start

ON_CALL = Path(__file__).with_suffix(".md")  # what whoever is called at night needs to know
TO = "{{ params.to or dag_run.run_after.isoformat() }}"  # known beforehand, so that a late retry looks at the same days
DAY = "{{ (params.to or dag_run.run_after.isoformat())[:10] }}"
OUTCOMES = "{{ '--outcomes=' ~ params.outcomes if params.outcomes else '' }}"
TRAINING = "retrain-" + RUN  # one name for each run of the watch: the ledger holds it before the training starts

PARAMETERS: dict[str, Any] = {
    "run": named(),
    "to": typed("To", "The day or moment up to which to look, in UTC; empty: when the run was due."),
    "outcomes": typed("Outcomes", "File or URL of outcomes that came by another way; or none."),
}


def watching(problem: str, title: str, **settings: Any) -> DAG:
    doc = f"# {title}\n\n" + ON_CALL.read_text(encoding="utf-8").format(problem=problem)
    this = ["--problem", problem, "--run", RUN]

    @dag(f"watch_{problem}", catchup=False, max_active_runs=1, params=PARAMETERS, doc_md=doc, **settings)
    def flow() -> None:
        @launch("collect")
        def collect() -> list[str]:
            return [*this, "--to", TO, OUTCOMES]

        @launch("monitor")
        def monitor() -> list[str]:
            return this

        @launch("decide")
        def decide() -> list[str]:
            return [*this, "--training", TRAINING]

        run, given = "retrain-{{ run_id }}", {"run": TRAINING, "source": f"journal:{DAY}"}
        retrain = start("retrain", f"train_{problem}", run, given)
        collect >> monitor >> decide >> retrain

    return flow()


for file in FILES:
    watching(file.parent.name, **describe(file, "watch", "collect", "0 5 * * *"))
