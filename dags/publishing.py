"""Publish the histories of every problem each day: one DAG for each folder in problems/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.sdk import DAG, dag

from launch import launch
from launch.schedule import FILES, RUN, SOURCE, describe, named, sourced

ON_CALL = Path(__file__).with_suffix(".md")  # what whoever is called at night needs to know

PARAMETERS: dict[str, Any] = {
    "run": named(),
    "source": sourced(),
}


def publishing(problem: str, title: str, **settings: Any) -> DAG:
    doc = f"# {title}\n\n{ON_CALL.read_text(encoding='utf-8')}"
    this = ["--problem", problem, "--run", RUN]

    @dag(f"publish_{problem}", catchup=False, max_active_runs=1, params=PARAMETERS, doc_md=doc, **settings)
    def flow() -> None:
        @launch("ingest")
        def ingest() -> list[str]:
            return [*this, SOURCE]

        @launch("validate")
        def validate() -> list[str]:
            return this

        @launch("publish")
        def publish() -> list[str]:
            return this

        ingest >> validate >> publish

    return flow()


for file in FILES:
    publishing(file.parent.name, **describe(file, "publish", "publish", "@daily"))
