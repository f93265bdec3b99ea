"""The values for Airflow's chart and the manifests of the steps' namespace say the same, and hold no secret."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.checkout import ROOT

STEPS = ROOT / "helm/steps.yaml"
VALUES: dict[str, Any] = yaml.safe_load((ROOT / "helm/airflow.yaml").read_text(encoding="utf-8"))
MANIFESTS: list[dict[str, Any]] = list(yaml.safe_load_all(STEPS.read_text(encoding="utf-8")))
CLUSTER: dict[str, Any] = yaml.safe_load((ROOT / "dags/launch/steps.yaml").read_text(encoding="utf-8"))["cluster"]


def one(kind: str, name: str) -> dict[str, Any]:
    return next(it for it in MANIFESTS if it["kind"] == kind and it["metadata"]["name"] == name)


def leaves(found: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    pairs = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    if not isinstance(found, dict | list):
        yield path, found
    for key, value in pairs:
        yield from leaves(value, f"{path}.{key}")


def test_every_secret_is_a_reference() -> None:
    said = [path for path, _ in leaves(VALUES) if any(word in path.lower() for word in ("pass", "secret", "token"))]
    assert said and all(path.endswith("SecretName") for path in said)
    assert not [it for it in MANIFESTS if it["kind"] == "Secret"]


def test_the_image_is_named_by_whoever_installs() -> None:
    assert VALUES["defaultAirflowTag"] == ""
    assert "latest" not in STEPS.read_text() + (ROOT / "helm/airflow.yaml").read_text()
    assert "{{ .Values.defaultAirflowTag }}" in VALUES["extraEnv"], "the steps' tag is Airflow's"


def test_the_version_is_the_locked_one() -> None:
    assert f'"apache-airflow=={VALUES["airflowVersion"]}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_who_may_launch_is_who_the_chart_runs() -> None:
    subjects = {it["name"] for it in one("RoleBinding", "rounds-launcher")["subjects"]}
    assert subjects == {VALUES["workers"]["serviceAccount"]["name"], VALUES["triggerer"]["serviceAccount"]["name"]}
    executor = {it["name"] for it in one("RoleBinding", "rounds-executor")["subjects"]}
    assert executor == {VALUES["scheduler"]["serviceAccount"]["name"]}
    assert VALUES["allowPodLaunching"] is False, "the chart's own Role gives more"


def test_the_launcher_and_the_manifests_name_the_same() -> None:
    assert one("ServiceAccount", CLUSTER["service_account"])["metadata"]["namespace"] == CLUSTER["namespace"]
    assert (
        one("Namespace", CLUSTER["namespace"])["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        == "restricted"
    )


def test_no_role_reaches_for_everything() -> None:
    roles = [it for it in MANIFESTS if it["kind"] == "Role"]
    granted = [value for role in roles for _, value in leaves(role["rules"])]
    assert roles and "*" not in granted and "secrets" not in granted and "pods/exec" not in granted
    assert not [it for it in MANIFESTS if it["kind"].startswith("Cluster")]


@pytest.mark.cluster
def test_the_cluster_takes_the_manifests() -> None:
    text = STEPS.read_text(encoding="utf-8")
    # A dry run makes no namespace that the rest could be put in.
    for old in ("name: rounds-steps\n  labels", "namespace: rounds-steps", "rounds-executor, namespace: airflow"):
        text = text.replace(old, old.replace("rounds-steps", "default").replace("airflow", "default"))
    apply = ["kubectl", "apply", "--dry-run=server", "--validate=strict", "-f", "-"]
    done = subprocess.run(apply, input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(MANIFESTS)
