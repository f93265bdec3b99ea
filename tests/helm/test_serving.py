"""The chart of the service: every case renders, the API server takes it, and it holds to what it promises."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from serving.keyring import Key, hashed
from serving.settings import read
from tests.checkout import ROOT

CHART = ROOT / "helm/serving"
CASES = sorted(CHART.glob("ci/*-values.yaml"))
LEAST = CHART / "ci/least-values.yaml"
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
OPERATORS = {"PrometheusRule", "ServiceMonitor"}  # a kind that only clusters with its operator know

needs_helm = pytest.mark.skipif(shutil.which("helm") is None, reason="there is no command helm")


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["helm", *words], capture_output=True, text=True, stdin=subprocess.DEVNULL)


def rendered(case: Path, *words: str, name: str = "noshow") -> list[dict[str, Any]]:
    done = helm("template", name, str(CHART), "--values", str(case), *words)
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.safe_load_all(done.stdout) if found]


def one(found: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    (only,) = (each for each in found if each["kind"] == kind)
    return only


def pod(found: list[dict[str, Any]]) -> dict[str, Any]:
    return dict(one(found, "Deployment")["spec"]["template"]["spec"])


def test_a_template_holds_one_resource_and_names_none() -> None:
    for path in sorted(CHART.rglob("templates/**/*.yaml")):
        text = path.read_text(encoding="utf-8")
        assert len(re.findall(r"^kind:", text, re.MULTILINE)) == 1, path
        assert not re.search(r"app\.kubernetes\.io/|\.Release\.Name\b|\.Chart\.Name\b", text), path
        assert re.search(r"^  name: \{\{ include \"serving\.", text, re.MULTILINE), path


def test_no_value_is_a_secret_and_no_tag_floats() -> None:
    assert VALUES["image"]["tag"] == ""
    assert VALUES["keys"] == {"secret": ""}
    assert "latest" not in (CHART / "values.yaml").read_text(encoding="utf-8")


@needs_helm
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_every_case_passes_the_linter(case: Path) -> None:
    done = helm("lint", str(CHART), "--strict", "--values", str(case))
    assert done.returncode == 0, done.stdout


@needs_helm
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_the_service_starts_from_the_settings_of_every_case(case: Path) -> None:
    given = one(rendered(case), "ConfigMap")["data"]
    settings = read({**given, "ROUNDS_VERSION": "1"})
    assert settings.tracking == given["MLFLOW_TRACKING_URI"]
    assert {name for name in given if not re.fullmatch(r"[A-Z_]+", name)} == set()


@needs_helm
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_pod_may_do_next_to_nothing_and_ends_in_peace(case: Path) -> None:
    found = rendered(case)
    spec = pod(found)
    for each in (spec, one(found, "Pod")["spec"]):
        assert each["automountServiceAccountToken"] is False
        assert each["securityContext"]["runAsNonRoot"] is True
        (container,) = each["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
    settings = one(found, "ConfigMap")["data"]
    needed = 5 + float(settings["DRAIN"]) + float(settings["SECONDS"]) + 10
    assert spec["terminationGracePeriodSeconds"] >= needed, "pause, drain, the last request, and shipping"
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(spec["containers"][0])


@needs_helm
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_what_selects_pods_finds_the_services_and_no_other(case: Path) -> None:
    found = rendered(case)
    labels = one(found, "Deployment")["spec"]["template"]["metadata"]["labels"]
    spoken = [one(found, "Service")["spec"]["selector"], one(found, "Deployment")["spec"]["selector"]["matchLabels"]]
    for each in found:
        if each["kind"] in {"PodDisruptionBudget", "NetworkPolicy"}:
            spec = each["spec"]
            spoken.append((spec.get("selector") or spec["podSelector"])["matchLabels"])
    assert all(selector.items() <= labels.items() for selector in spoken)
    assert not any(selector.items() <= one(found, "Pod")["metadata"]["labels"].items() for selector in spoken)


@needs_helm
def test_a_model_source_is_all_it_needs_and_that_is_said() -> None:
    kinds = {each["kind"] for each in rendered(LEAST)}
    assert kinds >= {
        "Deployment",
        "Service",
        "ServiceAccount",
        "ConfigMap",
        "Secret",
        "PodDisruptionBudget",
        "NetworkPolicy",
        "Pod",
    }
    assert not kinds & {"Ingress", "HorizontalPodAutoscaler", "ServiceMonitor", "PersistentVolumeClaim"}
    done = helm("template", "noshow", str(CHART))
    assert done.returncode != 0
    assert "model.registry is empty" in done.stderr
    done = helm("template", "noshow", str(CHART), "--set", "model.registry=sqlite:////data/mlflow.db")
    assert done.returncode != 0 and "/model/registry" in done.stderr, "the image reads no database"


@needs_helm
def test_the_key_that_the_chart_makes_opens_the_service() -> None:
    secret = one(rendered(LEAST), "Secret")["stringData"]
    key = Key.model_validate_json(secret["keys"].strip())
    assert key.hash == hashed(secret["key"])
    assert len(secret["key"]) == len(secret["journal-key"]) == 48
    assert secret["key"] != one(rendered(LEAST), "Secret")["stringData"]["key"], "made anew for each release"


@needs_helm
def test_where_secrets_are_given_none_is_made() -> None:
    found = rendered(CHART / "ci/clinic-values.yaml")
    assert not [each for each in found if each["kind"] == "Secret"]
    (variable,) = pod(found)["containers"][0]["env"]
    assert variable["valueFrom"]["secretKeyRef"] == {"name": "noshow-journal", "key": "journal-key"}


@needs_helm
def test_the_image_is_the_releases_unless_another_is_named() -> None:
    release = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))["appVersion"]
    assert pod(rendered(LEAST))["containers"][0]["image"] == f"rounds/serving:{release}"
    assert pod(rendered(LEAST, "--set", "image.tag=abc"))["containers"][0]["image"] == "rounds/serving:abc"


@needs_helm
def test_a_packaged_chart_goes_with_the_images_of_its_commit(tmp_path: Path) -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        version = tomllib.load(file)["project"]["version"]
    shutil.copytree(ROOT / "helm", tmp_path / "helm")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    done = subprocess.run(["make", "chart", "TAG=abc123"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    packed = tmp_path / ".rounds" / "charts" / f"serving-{version}.tgz"
    found = helm("template", "noshow", str(packed), "--values", str(LEAST))
    assert found.returncode == 0, found.stderr
    assert "image: rounds/serving:abc123" in found.stdout


@needs_helm
@pytest.mark.parametrize(
    "wrong",
    [
        "replica=3",
        "image.tag=latest",
        "journal.mode=quick",
        "model.source=NoShowXGBoost",
        "limits.rows=0",
        "store=/data",
        "keys.secret=A B",
    ],
)
def test_a_wrong_value_is_refused_by_its_name(wrong: str) -> None:
    done = helm("template", "noshow", str(CHART), "--values", str(LEAST), "--set", wrong)
    assert done.returncode != 0
    assert wrong.split("=")[0].split(".")[-1] in done.stderr


@needs_helm
def test_a_long_name_still_names_every_resource() -> None:
    names = {each["metadata"]["name"] for each in rendered(CHART / "ci/one-values.yaml", name="x" * 53)}
    assert max(map(len, names)) <= 63


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    name = f"chart-{uuid.uuid4().hex[:8]}"
    subprocess.run(["kubectl", "create", "namespace", name], check=True, capture_output=True)
    restricted = "pod-security.kubernetes.io/enforce=restricted"
    subprocess.run(["kubectl", "label", "namespace", name, restricted], check=True, capture_output=True)
    account = ["wait", "--for=create", "serviceaccount/default", "--timeout=60s"]
    subprocess.run(["kubectl", "--namespace", name, *account], check=True, capture_output=True)
    yield name
    subprocess.run(["kubectl", "delete", "namespace", name, "--wait=false"], check=True, capture_output=True)


@needs_helm
@pytest.mark.cluster
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_the_cluster_takes_every_case(case: Path, namespace: str) -> None:
    found = [each for each in rendered(case, "--namespace", namespace) if each["kind"] not in OPERATORS]
    apply = ["kubectl", "apply", "--namespace", namespace, "--dry-run=server", "--validate=strict", "-f", "-"]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": found})
    done = subprocess.run(apply, input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(found)
    unsafe = "would violate PodSecurity" in done.stderr
    assert unsafe == ("hostPath" in text), "only a folder of the node is refused where pods are restricted"


@needs_helm
def test_the_rules_are_prometheus_own_file_with_links_of_ones_own() -> None:
    found = one(rendered(CHART / "ci/monitored-values.yaml"), "PrometheusRule")
    text = (ROOT / "monitoring/rules.yml").read_text(encoding="utf-8")
    there = text.replace("docs/runbook.md", "https://example.org/runbook.md")
    assert found["spec"]["groups"] == yaml.safe_load(there)["groups"]
    assert found["metadata"]["labels"]["release"] == "prometheus"
    assert "PrometheusRule" not in {each["kind"] for each in rendered(LEAST)}
