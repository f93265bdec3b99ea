"""Say each day whom to call: one DAG for each folder in problems/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Param, dag

from launch import launch
from launch.schedule import describe

PROBLEMS = Path(__file__).resolve().parent.parent / "problems"
ON_CALL = Path(__file__).with_suffix(".md")  # what whoever is called at night needs to know
RUN = "{{ params.run or run_id }}"
APPOINTMENTS = "{{ '--appointments=' ~ params.appointments if params.appointments else '' }}"
CALLS = "{{ '--calls=' ~ params.calls if params.calls else '' }}"

PARAMETERS: dict[str, Any] = {
    "run": Param("", type="string", title="Run", description="A name for this run; empty: Airflow's run id."),
    "appointments": Param("", type="string", title="Appointments", description="Their file or URL; empty: as usual."),
    "calls": Param("", type="string", title="Calls", description="File or URL of the calls that were made; or none."),
}


def scoring(problem: str, title: str, **settings: Any) -> DAG:
    doc = f"# {title}\n\n{ON_CALL.read_text(encoding='utf-8')}"

    @dag(f"score_{problem}", catchup=False, max_active_runs=1, params=PARAMETERS, doc_md=doc, **settings)
    def flow() -> None:
        @launch("score")
        def score() -> list[str]:
            return ["--problem", problem, "--run", RUN, APPOINTMENTS, CALLS]

    return flow()


for file in sorted(PROBLEMS.glob("*/problem.yaml")):
    scoring(file.parent.name, **describe(file, "score", "0 17 * * *"))
