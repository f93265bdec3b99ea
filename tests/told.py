"""What store and MLflow say of a run, as one JSON: `python -m tests.told RUN`; the environment names both."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from tests.checkout import ROOT


def of(run: str, environ: Mapping[str, str]) -> Any:
    """Asked of a process of its own: where the store lies is read once."""
    command = [sys.executable, "-m", "tests.told", run]
    done = subprocess.run(command, cwd=ROOT, env=dict(environ), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def _print(run: str) -> None:
    from rounds import inventory
    from rounds.settings import settings
    from rounds.store import open_store
    from rounds.tracking import open_tracking

    found = inventory.run(open_store(settings().store), run, "noshow")
    tracking = open_tracking()
    experiment = tracking.call("get_experiment_by_name", "noshow").experiment_id
    mirrored = tracking.call("search_runs", [experiment], filter_string=f"tags.`rounds.run` = '{run}'")
    champion = tracking.call("get_model_version_by_alias", "NoShowXGBoost", "champion")
    told = {
        "content": {step: done.content.model_dump(mode="json") for step, done in found.steps.items()},
        "reused": [step for step, done in found.steps.items() if done.circumstances.same_as is not None],
        "mlflow": [
            {
                "params": each.data.params,
                "metrics": each.data.metrics,
                "tags": {name: value for name, value in each.data.tags.items() if _is_content(name)},
            }
            for each in mirrored
        ],
        "champion": champion.tags["rounds.bundle"],
    }
    print(json.dumps(told))


def _is_content(tag: str) -> bool:
    """Which key signed a release is no content: each place has keys of its own."""
    return tag.startswith("rounds.") and tag != "rounds.released"


if __name__ == "__main__":
    _print(sys.argv[1])
