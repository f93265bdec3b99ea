"""What the DAGs of all problems share: which problems there are, what each says of its DAG, what people may type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from airflow.sdk import CronTriggerTimetable, Param
from airflow.sdk.exceptions import AirflowTimetableInvalid

FILES = sorted((Path(__file__).resolve().parents[2] / "problems").glob("*/problem.yaml"))
RUN = "{{ params.run or run_id }}"
OWNER = "rounds"  # where problem.yaml names nobody
SOURCE = "{{ '--source=' ~ params.source if params.source else '' }}"
BROKEN = (AirflowTimetableInvalid, AttributeError, KeyError, OSError, TypeError, ValueError, yaml.YAMLError)


def describe(file: Path, verb: str, section: str = "", usual: str | None = None) -> dict[str, Any]:
    """By `schedule` of that section, or of the file itself; where it cannot be used, the DAG stays to say so."""
    try:
        problem = yaml.safe_load(file.read_text(encoding="utf-8"))
        title, owner = str(problem["title"]), str(problem.get("owner", OWNER))
        settings = (problem.get(section) or {}) if section else problem
        schedule = settings.get("schedule", usual)
        if schedule is not None:
            CronTriggerTimetable(schedule, timezone="UTC").validate()
        tags = {file.parent.name, verb}
    except BROKEN as error:
        title, owner, schedule, tags = f"Its problem.yaml cannot be used: {error}", OWNER, None, {"broken"}
    return {
        "schedule": schedule,
        "title": title,
        "description": title.partition("\n")[0],
        "tags": tags,
        "default_args": {"owner": owner},
    }


def typed(name: str, description: str) -> Param:
    """A parameter of text. Without "null" Airflow's form requires it, and its Trigger button stays grey."""
    return Param(None, type=["null", "string"], title=name, description=description)


def named() -> Param:
    return typed("Run", "A name for this run; empty: Airflow's run id.")


def sourced() -> Param:
    return typed("Source", "File or URL of the raw table; empty: as usual.")
