"""What the open routes tell whoever shows no key from elsewhere: whether all is well, and not where anything is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from serving.gate import CLERK, KNOWN
from serving.keys import main as keys
from serving.operations import MORE
from tests.serving.running import Clinic

# As a proxy on this machine says for whom it asks.
AFAR = {"X-Forwarded-For": "127.0.0.1, 10.0.0.9"}
AIRFLOW, REGISTRY, PORT = "http://127.0.0.1:9", "http://127.0.0.1:10", "10"


@pytest.mark.data_safety
def test_without_a_key_it_is_told_what_is_not_well_and_not_where(clinic: Clinic, tmp_path: Path, capsys: Any) -> None:
    own, file = clinic.copy(tmp_path / "own"), str(tmp_path / "keys")
    keys(["new", "on-call", "--scopes", "operate", "--file", file])
    keys(["new", "clinic", "--file", file])
    operator, clerk = ({"Authorization": f"Bearer {key}"} for key in capsys.readouterr().out.split())
    with own.serving(KEYS=file) as service:
        service.ready()  # the model is in the cache from now on
    asked = {"KEYS": file, "AIRFLOW_URL": AIRFLOW, "MLFLOW_TRACKING_URI": REGISTRY}
    with own.serving(**asked) as service:
        service.ready().until("/ops/health", lambda found: {"airflow", "registry"} <= set(found.json["parts"]))
        service.until("/readyz", lambda found: PORT in found.json["registry"])
        told = service.ask("/ops/health", **AFAR).json
        assert told["parts"]["airflow"] == "not well" and told["well"] is False
        assert "airflow: not well" in told["says"] and told["says"][-1] == MORE
        ready = service.ask("/readyz", **AFAR).json
        assert ready["ready"] is True and (ready["registry"], ready["journal"]) == ("not well", "well")
        assert AIRFLOW in service.ask("/ops/health", **AFAR, **operator).json["parts"]["airflow"]
        assert PORT in service.ask("/readyz", **AFAR, **operator).json["registry"]
        secrets = (AIRFLOW, REGISTRY, "127.0.0.1", str(tmp_path), "9: ")
        for path in KNOWN - CLERK:
            for sent in ({}, clerk):
                found = service.ask(path, **AFAR, **sent)
                assert found.status == 200 and not any(each.encode() in found.body for each in secrets), path


def test_where_no_keys_are_asked_for_all_is_told(clinic: Clinic, tmp_path: Path) -> None:
    with clinic.copy(tmp_path / "own").serving(AIRFLOW_URL=AIRFLOW) as service:
        service.ready().until("/ops/health", lambda found: AIRFLOW in found.json["parts"]["airflow"])
