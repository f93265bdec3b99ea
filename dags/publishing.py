"""Publish the histories of every problem each day: one DAG for each folder in problems/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Param, dag

from launch import launch
from launch.schedule import describe

PROBLEMS = Path(__file__).resolve().parent.parent / "problems"
ON_CALL = Path(__file__).with_suffix(".md")  # what whoever is called at night needs to know
RUN = "{{ params.run or run_id }}"

PARAMETERS: dict[str, Any] = {
    "run": Param("", type="string", title="Run", description="A name for this run; empty: Airflow's run id."),
    "source": Param("", type="string", title="Source", description="File or URL of the raw table; empty: as usual."),
}


def publishing(problem: str, title: str, **settings: Any) -> DAG:
    doc = f"# {title}\n\n{ON_CALL.read_text(encoding='utf-8')}"
    this = ["--problem", problem, "--run", RUN]

    @dag(f"publish_{problem}", catchup=False, max_active_runs=1, params=PARAMETERS, doc_md=doc, **settings)
    def flow() -> None:
        @launch("ingest")
        def ingest() -> list[str]:
            return [*this, "{{ '--source=' ~ params.source if params.source else '' }}"]

        @launch("validate")
        def validate() -> list[str]:
            return this

        @launch("publish")
        def publish() -> list[str]:
            return this

        ingest >> validate >> publish

    return flow()


for file in sorted(PROBLEMS.glob("*/problem.yaml")):
    publishing(file.parent.name, **describe(file, "publish", "@daily"))
