"""Train every problem: one DAG for each folder in problems/, on its schedule or by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Param, dag

from launch import launch
from launch.schedule import FILES, RUN, SOURCE, describe, named, sourced

ON_CALL = Path(__file__).with_suffix(".md")  # what whoever is called at night needs to know
SEARCH = "{{ '--search=yes' if params.search or dag_run.run_type == 'scheduled' else '' }}"

PARAMETERS: dict[str, Any] = {
    "run": named(),
    "source": sourced(),
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
            return [*this, SOURCE]

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


for file in FILES:
    training(file.parent.name, **describe(file, "train"))
