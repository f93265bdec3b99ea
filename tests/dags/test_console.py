"""What the console shows of Airflow's log, and that no other Airflow's settings get in."""

from __future__ import annotations

import json
from pathlib import Path

import console
import pytest


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        ({"event": "ingest: 12 rows", "logger": "launch.process"}, "ingest: 12 rows"),
        ({"event": "DAG bundles loaded", "logger": "airflow.dag"}, ""),
        ({"event": "no logger at all"}, ""),
        (
            {
                "event": "Task failed",
                "logger": "task",
                "exception": [{"exc_value": "ingest: crashed (exit 1)\nlast line"}],
            },
            "ingest: crashed (exit 1)",
        ),
    ],
)
def test_people_see_the_steps_own_words(event: dict[str, object], shown: str) -> None:
    assert console.spoken(console.read(json.dumps(event))) == shown


@pytest.mark.parametrize("line", ["", "Traceback", "[1, 2]", '"event"', '{"other": 1}'])
def test_a_line_that_is_no_event_is_kept_as_it_is(line: str) -> None:
    assert console.read(line) == {"event": line}


def test_another_airflow_does_not_get_in() -> None:
    environ = {
        "AIRFLOW_HOME": "/other",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "True",
        "PYTHONPATH": "/other",
        "STORE": "s3://a",
    }
    found = console.settings(Path("/house"), Path("/house/home"), environ, 9000)
    assert "/other" not in found.values()
    assert "AIRFLOW__CORE__LOAD_EXAMPLES" not in found
    assert found["STORE"] == "s3://a"
    assert found["AIRFLOW_HOME"] == "/house/home"
    assert found["AIRFLOW__API__BASE_URL"] == "http://127.0.0.1:9000"


def test_airflow_serves_this_machine_alone() -> None:
    text = (Path(console.__file__).parent / "airflow.cfg").read_text()
    assert "host = 127.0.0.1" in text
    parts = {name: more for name, *more in console.PARTS}
    for name in ("scheduler", "triggerer"):
        assert "--skip-serve-logs" in parts[name], f"the log server of the {name} listens on every address"
