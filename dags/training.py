"""Train every problem: one DAG for each folder in problems/, on its schedule or by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Param, dag

from launch import launch
from launch.schedule import describe

PROBLEMS = Path(__file__).resolve().parent.parent / "problems"
ON_CALL = Path(__file__).with_suffix(".md")  # what whoever is called at night needs to know
RUN = "{{ params.run or run_id }}"
SEARCH = "{{ '--search=yes' if params.search or dag_run.run_type == 'scheduled' else '' }}"

PARAMETERS: dict[str, Any] = {
    "run": Param("", type="string", title="Run", description="A name for this run; empty: Airflow's run id."),
    "source": Param("", type="string", title="Source", description="File or URL of the raw table; empty: as usual."),
    "search": Param(False, type="boolean", title="Search", description="Search for knobs; a scheduled run does."),
    "force": Param(False, type="boolean", title="Force", description="Run every step, even if nothing changed."),
}


def training(problem: str, title: str, **settings: Any) -> DAG:
    doc = f"# {title}\n\n" + ON_CALL.read_text(encoding="utf-8").format(problem=problem)
    this = ["--problem", problem, "--run", RUN, "{{ '--force' if params.force else '' }}"]

    @dag(f"train_{problem}", catchup=False, max_active_runs=1, params=PARAMETERS, doc_md=doc, **settings)
    def flow() -> None:
        @launch("ingest")
        def ingest() -> list[str]:
            return [*this, "{{ '--source=' ~ params.source if params.source else '' }}"]

        @launch("validate")
        def validate() -> list[str]:
            return this

        @launch("features")
        def features() -> list[str]:
            return this

        @launch("tune")
        def tune() -> list[str]:
            return [*this, SEARCH]

        @launch("train", trigger_rule="none_failed")  # also when nobody asked for a search
        def train() -> list[str]:
            return this

        @launch("evaluate")
        def evaluate() -> list[str]:
            return this

        @launch("register")
        def register() -> list[str]:
            return this

        ingest >> validate >> features >> tune >> train >> evaluate >> register

    return flow()


for file in sorted(PROBLEMS.glob("*/problem.yaml")):
    training(file.parent.name, **describe(file))
