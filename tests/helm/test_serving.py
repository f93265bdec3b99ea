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


def settings(found: list[dict[str, Any]]) -> dict[str, str]:
    """The variables that a pod starts with."""
    (source, *_) = pod(found)["containers"][0]["envFrom"]
    name = source["configMapRef"]["name"]
    (data,) = (each["data"] for each in found if each["kind"] == "ConfigMap" and each["metadata"]["name"] == name)
    return dict(data)


def volumes(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in pod(found)["volumes"]}


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
    given = settings(rendered(case))
    public = {"VERIFY_KEYS": yaml.safe_load(LEAST.read_text(encoding="utf-8"))["signing"]["publicKeys"]}
    read_settings = read({**given, **public, "ROUNDS_VERSION": "1"})
    assert read_settings.tracking == given["MLFLOW_TRACKING_URI"]
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
    given = settings(found)
    needed = 5 + float(given["DRAIN"]) + float(given["SECONDS"]) + 10
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
def test_a_model_source_and_public_keys_are_all_it_needs_and_that_is_said() -> None:
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
    done = helm("template", "noshow", str(CHART), "--values", str(LEAST), "--set", "model.registry=")
    assert done.returncode != 0
    assert "model.registry is empty" in done.stderr
    done = helm("template", "noshow", str(CHART), "--values", str(LEAST), "--set", "signing.publicKeys=")
    assert done.returncode != 0
    assert "signing.publicKeys and signing.configMap are empty" in done.stderr
    done = helm("template", "noshow", str(CHART), "--values", str(LEAST), "--set", "signing.configMap=other")
    assert done.returncode != 0
    assert "signing.publicKeys and signing.configMap are both set" in done.stderr
    done = helm("template", "noshow", str(CHART), "--set", "model.registry=sqlite:////data/mlflow.db")
    assert done.returncode != 0 and "/model/registry" in done.stderr, "the image reads no database"


@needs_helm
def test_the_key_that_the_chart_makes_opens_the_service() -> None:
    secret = one(rendered(LEAST), "Secret")["stringData"]
    release, metrics = map(Key.model_validate_json, secret["keys"].splitlines())
    assert release.hash == hashed(secret["key"]) and "predict" in release.scopes
    assert metrics.hash == hashed(secret["metrics-key"]) and metrics.scopes == {"metrics"}
    assert all(len(secret[name]) == 48 for name in ("key", "metrics-key", "journal-key"))
    assert secret["key"] != one(rendered(LEAST), "Secret")["stringData"]["key"], "made anew for each release"


@needs_helm
def test_where_secrets_are_given_none_is_made() -> None:
    found = rendered(CHART / "ci/clinic-values.yaml")
    assert not [each for each in found if each["kind"] == "Secret"]
    (variable,) = pod(found)["containers"][0]["env"]
    assert variable["valueFrom"]["secretKeyRef"] == {"name": "noshow-journal", "key": "journal-key"}


@needs_helm
def test_prometheus_gets_a_key_for_metrics_alone() -> None:
    def credentials(*words: str) -> dict[str, str]:
        monitor = one(rendered(CHART / "ci/monitored-values.yaml", *words), "ServiceMonitor")
        return dict(monitor["spec"]["endpoints"][0]["authorization"]["credentials"])

    assert credentials() == {"name": "noshow-serving", "key": "metrics-key"}
    assert credentials("--set", "monitor.keySecret=mine") == {"name": "mine", "key": "key"}
    assert credentials("--set", "monitor.keySecret=mine,keys.secret=ours") == {"name": "mine", "key": "key"}
    words = ["--values", str(CHART / "ci/monitored-values.yaml"), "--set", "keys.secret=ours"]
    done = helm("template", "noshow", str(CHART), *words)
    assert done.returncode != 0 and "monitor.keySecret is empty" in done.stderr


@needs_helm
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_public_keys_are_a_folder_that_changes_without_a_restart(case: Path) -> None:
    found = rendered(case)
    mounts = {each["name"]: each for each in pod(found)["containers"][0]["volumeMounts"]}
    mount = mounts["public-keys"]
    assert mount == {"name": "public-keys", "mountPath": settings(found)["VERIFY_KEYS"], "readOnly": True}
    name = volumes(found)["public-keys"]["configMap"]["name"]
    own = [each for each in found if each["kind"] == "ConfigMap" and each["metadata"]["name"] == name]
    given = yaml.safe_load(case.read_text(encoding="utf-8"))["signing"]
    if given.get("configMap"):
        assert (name, own) == (given["configMap"], [])
    else:
        assert own[0]["data"] == {"public.pem": given["publicKeys"]}
        annotations = one(found, "Deployment")["spec"]["template"]["metadata"]["annotations"]
        other = rendered(case, "--set-string", f"signing.publicKeys={given['publicKeys'] * 2}")
        assert annotations == one(other, "Deployment")["spec"]["template"]["metadata"]["annotations"]


@needs_helm
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_every_scratch_volume_has_a_size(case: Path) -> None:
    found = volumes(rendered(case))
    scratch = {name: each["emptyDir"] for name, each in found.items() if "emptyDir" in each}
    assert {"cache", "scratch"} <= set(scratch)
    assert all(each.get("sizeLimit") for each in scratch.values())


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
        "signing.publicKeys=-----BEGIN PRIVATE KEY-----",
        "scratch.cache=big",
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
