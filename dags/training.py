"""Train every problem: one DAG for each folder in problems/, on its schedule or by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from airflow.sdk import DAG, CronTriggerTimetable, Param, dag
from airflow.sdk.exceptions import AirflowTimetableInvalid

from launch import launch

PROBLEMS = Path(__file__).resolve().parent.parent / "problems"
RUN = "{{ params.run or run_id }}"
SEARCH = "{{ '--search=yes' if params.search or dag_run.run_type == 'scheduled' else '' }}"

PARAMETERS: dict[str, Any] = {
    "run": Param("", type="string", title="Run", description="A name for this run; empty: Airflow's run id."),
    "source": Param("", type="string", title="Source", description="File or URL of the raw table; empty: as usual."),
    "search": Param(False, type="boolean", title="Search", description="Search for better knobs; a scheduled run does."),
    "force": Param(False, type="boolean", title="Force", description="Run every step, even if nothing changed."),
}

ON_CALL = """
### When a task is red
The last lines of its log say why; the exit code in them says what to do.

| exit code | means | do |
|---|---|---|
| 2 | **refused**: the table, a knob or a gate says no; not tried again | mend what it names, run again |
| 1, or killed | **crashed**: store, network, memory; tried again by itself | mend the machine, clear the task |
| 99 | **not asked for** in this run: the task is skipped | nothing |

Clearing a task is safe: a step that is done and unchanged says so and does nothing.
`RUN` is the parameter `run`, else the run id.

- `rounds show RUN`: each step's verdict, time and findings
- `rounds why RUN STEP`: why it ran, or did not
- `rounds quarantine RUN`: which rows broke which rules
- `{problem}/RUN/STEP/manifest.json` in the store: all of that, whole
"""


def describe(problem: str) -> dict[str, Any]:
    """What the problem's own file says of its DAG; where that cannot be used, the DAG stays to say so."""
    try:
        found = yaml.safe_load((PROBLEMS / problem / "problem.yaml").read_text(encoding="utf-8"))
        title, schedule = str(found["title"]), found.get("schedule")
        if schedule is not None:
            CronTriggerTimetable(schedule, timezone="UTC").validate()
    except (AirflowTimetableInvalid, AttributeError, KeyError, OSError, TypeError, ValueError, yaml.YAMLError) as error:
        return {"schedule": None, "tags": {"broken"}, "title": f"Its problem.yaml cannot be used: {error}"}
    return {"schedule": schedule, "title": title}


def training(problem: str, title: str, **settings: Any) -> DAG:
    doc = f"## {title}\n" + ON_CALL.format(problem=problem)
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
    training(file.parent.name, **describe(file.parent.name))
