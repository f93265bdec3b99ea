"""What a problem's own file says of a DAG of its: title and schedule; one that cannot be used says so on the DAG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from airflow.sdk import CronTriggerTimetable
from airflow.sdk.exceptions import AirflowTimetableInvalid

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
