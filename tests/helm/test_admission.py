"""Which pods Airflow may create among the steps, asked of a real API server."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.dags.namespace import RESTRICTED, Namespace, kubectl

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace]:
    """A namespace as helm/steps.yaml makes it."""
    made = Namespace(f"admission-{secrets.token_hex(4)}", tmp_path_factory.mktemp("admission"))
    try:
        made.make()
        yield made
    finally:
        made.remove()


def pod(place: Namespace, step: str, spec: dict[str, Any] | None = None, **container: Any) -> dict[str, Any]:
    """A pod as the launcher makes one, with these fields in place of its own."""
    usual = {
        "name": "step",
        "image": place.image(step),
        "args": ["--problem", "noshow"],
        "env": [{"name": "STORE", "value": "s3://a/store"}, {"name": "PYTHONUNBUFFERED", "value": "1"}],
        "envFrom": [{"secretRef": {"name": "rounds-step"}}],
        "resources": {"limits": {"cpu": "1", "memory": "64Mi"}},
        "securityContext": RESTRICTED,
    }
    volumes: list[dict[str, Any]] = [{"name": "scratch", "emptyDir": {}}]
    own: dict[str, Any] = {"serviceAccountName": "rounds-step", "volumes": volumes, **(spec or {})}
    metadata = {"generateName": "step-", "namespace": place.name}
    containers = [{**usual, **container}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers, **own}}


def refusal(place: Namespace, manifest: dict[str, Any]) -> str:
    """What the API server says to Airflow's worker; empty where it admits the pod."""
    command = ["kubectl", "--kubeconfig", str(place.kubeconfig), "create", "--dry-run=server", "--filename=-"]
    done = subprocess.run(command, input=json.dumps(manifest), capture_output=True, text=True)
    return done.stderr if done.returncode else ""


def secret(name: str) -> dict[str, Any]:
    return {"secretRef": {"name": name}}


@pytest.mark.parametrize("step", ["train", "evaluate", "register"])
def test_the_steps_that_sign_get_the_key(place: Namespace, step: str) -> None:
    manifest = pod(place, step, envFrom=[secret("rounds-step"), secret("rounds-signing")])
    assert refusal(place, manifest) == ""


def test_a_step_gets_its_own_secrets_and_public_keys(place: Namespace) -> None:
    keys = {"name": "keys", "configMap": {"name": "rounds-verify"}}
    claim = {"name": "store", "persistentVolumeClaim": {"claimName": "store"}}
    manifest = pod(
        place, "score", {"volumes": [keys, claim]}, envFrom=[secret("rounds-step"), secret("rounds-journal")]
    )
    assert refusal(place, manifest) == ""


def reference(name: str) -> dict[str, Any]:
    return {"name": "A", "valueFrom": {"secretKeyRef": {"name": name, "key": "a"}}}


@pytest.mark.parametrize(
    ("container", "why"),
    [
        ({"command": ["python", "-c", "import os; print(os.environ)"]}, "no other command"),
        ({"lifecycle": {"postStart": {"exec": {"command": ["env"]}}}}, "no other command"),
        ({"image": "evil.example/train:1"}, "as helm/steps.yaml says"),
        ({"image": "NAMESPACE/a/train:1"}, "as helm/steps.yaml says"),
        ({"envFrom": [secret("another")]}, "no Secret but"),
        ({"env": [reference("another")]}, "no Secret but"),
        ({"env": [{"name": "LD_PRELOAD", "value": "/tmp/a.so"}]}, "run other code"),
        ({"env": [{"name": "PYTHONPATH", "value": "/tmp"}]}, "run other code"),
        ({"envFrom": [secret("rounds-signing")]}, "only train, evaluate and register sign"),
        ({"image": "NAMESPACE/train:1", "envFrom": [secret("rounds-journal")]}, "use the journal's key"),
        ({"env": [reference("rounds-signing")]}, "only train, evaluate and register sign"),
    ],
)
def test_a_pod_that_would_give_away_a_secret_is_refused(place: Namespace, container: dict[str, Any], why: str) -> None:
    container = json.loads(json.dumps(container).replace("NAMESPACE", place.name))
    assert why in refusal(place, pod(place, "score", **container))


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"serviceAccountName": "airflow-worker"}, "service account rounds-step"),
        ({"volumes": [{"name": "a", "secret": {"secretName": "another"}}]}, "no Secret but"),
        ({"volumes": [{"name": "a", "secret": {"secretName": "rounds-signing"}}]}, "only train, evaluate and register"),
        ({"volumes": [{"name": "a", "projected": {"sources": [{"secret": {"name": "another"}}]}}]}, "a step's volumes"),
        ({"initContainers": [{"name": "a", "image": "a", "securityContext": RESTRICTED}]}, "one container"),
    ],
)
def test_a_pod_of_another_shape_is_refused(place: Namespace, spec: dict[str, Any], why: str) -> None:
    assert why in refusal(place, pod(place, "score", spec))


def test_people_with_rights_of_their_own_are_not_held_to_it(place: Namespace) -> None:
    manifest = json.dumps(pod(place, "score", command=["sleep", "1"]))
    assert "created" in kubectl("create", "--dry-run=server", "--filename=-", given=manifest)
