"""Say each day whom to call: one DAG for each folder in problems/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.sdk import DAG, dag

from launch import launch
from launch.schedule import FILES, RUN, describe, named, typed

ON_CALL = Path(__file__).with_suffix(".md")  # what whoever is called at night needs to know
APPOINTMENTS = "{{ '--appointments=' ~ params.appointments if params.appointments else '' }}"
CALLS = "{{ '--calls=' ~ params.calls if params.calls else '' }}"

PARAMETERS: dict[str, Any] = {
    "run": named(),
    "appointments": typed("Appointments", "Their file or URL; empty: as usual."),
    "calls": typed("Calls", "File or URL of the calls that were made; or none."),
}


def scoring(problem: str, title: str, **settings: Any) -> DAG:
    doc = f"# {title}\n\n{ON_CALL.read_text(encoding='utf-8')}"

    @dag(f"score_{problem}", catchup=False, max_active_runs=1, params=PARAMETERS, doc_md=doc, **settings)
    def flow() -> None:
        @launch("score")
        def score() -> list[str]:
            return ["--problem", problem, "--run", RUN, APPOINTMENTS, CALLS]

    return flow()


for file in FILES:
    scoring(file.parent.name, **describe(file, "score", "score", "0 17 * * *"))
