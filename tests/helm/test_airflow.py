"""The values for Airflow's chart and the manifests of the steps' namespace say the same, and hold no secret."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.checkout import ROOT

STEPS = ROOT / "helm/steps.yaml"
VALUES: dict[str, Any] = yaml.safe_load((ROOT / "helm/airflow.yaml").read_text(encoding="utf-8"))
MANIFESTS: list[dict[str, Any]] = list(yaml.safe_load_all(STEPS.read_text(encoding="utf-8")))
CHART = os.environ.get("AIRFLOW_CHART", "")  # a folder or an archive: the official chart
VERSION = "1.22.0"
CLUSTER: dict[str, Any] = yaml.safe_load((ROOT / "dags/launch/steps.yaml").read_text(encoding="utf-8"))["cluster"]

needs_chart = pytest.mark.skipif(
    not CHART or shutil.which("helm") is None,
    reason="AIRFLOW_CHART names no copy of Airflow's chart, or there is no command helm",
)


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
    assert {value for path, value in leaves(VALUES) if path in said} == {"airflow-keys"}
    assert not [it for it in MANIFESTS if it["kind"] == "Secret"]


def test_the_chart_makes_no_user() -> None:
    assert VALUES["createUserJob"]["enabled"] is False, "by default it makes `admin` with the password `admin`"
    assert "webserver" not in VALUES, "its `defaultUser` overrides `createUserJob` where a chart still reads it"


def helm(*verb: str) -> str:
    """What the official chart says with these values."""
    values = ["--values", str(ROOT / "helm/airflow.yaml"), "--set", "defaultAirflowTag=abc"]
    command = ["helm", *verb, "airflow", CHART, "--namespace=airflow", *values]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def manifests() -> list[dict[str, Any]]:
    """All that an installation applies, hooks too."""
    rendered = [each for each in yaml.safe_load_all(helm("template")) if each]
    labels = {each["metadata"]["labels"].get("chart") for each in rendered}
    assert f"airflow-{VERSION}" in labels, "AIRFLOW_CHART is another version"
    assert {each["kind"] for each in rendered} >= {"Deployment", "ServiceAccount", "ConfigMap"}
    return rendered


@needs_chart
def test_the_rendered_chart_has_no_user_and_no_secret_of_its_own(manifests: list[dict[str, Any]]) -> None:
    assert not [each["metadata"]["name"] for each in manifests if each["kind"] == "Secret"]
    text = yaml.safe_dump_all(manifests)
    assert "users" not in [value for _, value in leaves(manifests)] and "airflow users" not in text
    references = re.findall(r"secret(?:Key)?Ref:\s+(?:key: \S+\s+)?name: (\S+)", text)
    assert set(references) == {"airflow-keys", "airflow-store"}
    plain = {value for path, value in leaves(manifests) if re.search("pass|token|secret.*value", path, re.IGNORECASE)}
    assert not [value for value in plain if isinstance(value, str)], "a password in the open"


@needs_chart
def test_the_rendered_chart_runs_as_the_accounts_that_may_launch(manifests: list[dict[str, Any]]) -> None:
    accounts = [each["metadata"]["name"] for each in manifests if each["kind"] == "ServiceAccount"]
    assert len(accounts) == len(set(accounts))
    assert {"airflow-worker", "airflow-scheduler", "airflow-triggerer"} <= set(accounts)
    config = next(each for each in manifests if each["kind"] == "ConfigMap")
    worker = yaml.safe_load(config["data"]["pod_template_file.yaml"])["spec"]
    assert worker["serviceAccountName"] == "airflow-worker"
    assert worker["containers"][0]["resources"]["limits"]["memory"] == "1Gi"


@needs_chart
def test_the_chart_warns_of_no_value() -> None:
    notes = helm("install", "--dry-run=client").partition("\nNOTES:\n")[2]
    assert "Your release is named airflow" in notes
    assert "DEPRECATION" not in notes and "password" not in notes.lower()


def test_the_image_is_named_by_whoever_installs() -> None:
    assert VALUES["defaultAirflowTag"] == ""
    assert "latest" not in STEPS.read_text() + (ROOT / "helm/airflow.yaml").read_text()
    assert "{{ .Values.defaultAirflowTag }}" in VALUES["extraEnv"], "the steps' tag is Airflow's"


def test_the_version_is_the_locked_one() -> None:
    assert f'"apache-airflow=={VALUES["airflowVersion"]}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_who_may_launch_is_who_the_chart_runs() -> None:
    subjects = {it["name"] for it in one("RoleBinding", "rounds-launcher")["subjects"]}
    worker = VALUES["workers"]["kubernetes"]["serviceAccount"]["name"]
    assert subjects == {worker, VALUES["triggerer"]["serviceAccount"]["name"]}
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


def test_the_policy_admits_the_images_that_a_launcher_takes_by_default() -> None:
    binding = one("ValidatingAdmissionPolicyBinding", "rounds-steps")["spec"]
    assert binding["matchResources"]["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": CLUSTER["namespace"]
    }
    policy = one("ValidatingAdmissionPolicy", "rounds-steps")["spec"]
    variables = {each["name"]: each["expression"] for each in policy["variables"]}
    assert VALUES["defaultAirflowRepository"] == variables["registry"].strip("'") + "airflow"
    rules = " ".join(each["expression"] for each in policy["validations"])
    assert f"'{CLUSTER['service_account']}'" in rules and f"'{CLUSTER['secret']}'" in rules


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
