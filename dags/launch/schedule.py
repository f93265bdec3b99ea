"""What the DAGs of all problems share: which problems there are, what each says of its DAG, what people may type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from airflow.sdk import CronTriggerTimetable, Param
from airflow.sdk.exceptions import AirflowTimetableInvalid

FILES = sorted((Path(__file__).resolve().parents[2] / "problems").glob("*/problem.yaml"))
RUN = "{{ params.run or run_id }}"
SOURCE = "{{ '--source=' ~ params.source if params.source else '' }}"
BROKEN = (AirflowTimetableInvalid, AttributeError, KeyError, OSError, TypeError, ValueError, yaml.YAMLError)


def describe(file: Path, section: str = "", usual: str | None = None) -> dict[str, Any]:
    """By `schedule` of that section, or of the file itself; where it cannot be used, the DAG stays to say so."""
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
        title, said = str(found["title"]), (found.get(section) or {}) if section else found
        schedule = said.get("schedule", usual)
        if schedule is not None:
            CronTriggerTimetable(schedule, timezone="UTC").validate()
    except BROKEN as error:
        return {"schedule": None, "tags": {"broken"}, "title": f"Its problem.yaml cannot be used: {error}"}
    return {"schedule": schedule, "title": title}


def typed(name: str, description: str) -> Param:
    """A parameter of text; empty where nobody types anything."""
    return Param("", type="string", title=name, description=description)


def named() -> Param:
    return typed("Run", "A name for this run; empty: Airflow's run id.")


def sourced() -> Param:
    return typed("Source", "File or URL of the raw table; empty: as usual.")
