"""How a step ends in a pod, on a real cluster with the real Airflow, and what is left there: nothing."""

from __future__ import annotations

import json
import re
import secrets
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.dags.namespace import Namespace
from tests.dags.scratch import Scratch
from tests.waiting import until

pytestmark = pytest.mark.cluster

SEES = """
import json, os, pathlib, sys
def writes(place):
    try: pathlib.Path(place, "a").touch()
    except OSError: return False
    return True
print("saw", json.dumps({"argv": sys.argv[1:], "names": sorted(os.environ), "user": os.getuid(),
    "secret": os.environ["AWS_SECRET_ACCESS_KEY"][:6], "root": writes("/"), "scratch": writes("/tmp"),
    "token": os.path.exists("/var/run/secrets/kubernetes.io")}))
"""
PROGRAMS = {
    "well": SEES,
    "refuses": "print('age is not what it was'); raise SystemExit(2)",
    "skips": "raise SystemExit(99)",
    "crashes": "print('the store is gone'); raise SystemExit(1)",
    "hungry": "print('loads', flush=True); [bytearray(10**7) for _ in range(200)].clear()",
    "stays": "import time; print('begins', flush=True); time.sleep(600)",
    "sleeps": "import time; print('begins', flush=True); time.sleep(20); print('is done')",
}

# The first try loses the cluster while its pod runs, as when the API server is away for long.
LOSES = """
import os
from launch import kubernetes
follow = kubernetes.Pod._follow
def lost(pod, last):
    if not os.path.exists(os.environ["LOST"]):
        open(os.environ["LOST"], "w").close()
        raise ERROR
    return follow(pod, last)
kubernetes.Pod._follow = lost
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace]:
    """Gone afterwards with all that is in it."""
    made = Namespace(f"rounds-test-{secrets.token_hex(4)}", tmp_path_factory.mktemp("cluster"))
    made.build(**PROGRAMS)
    try:
        made.make()
        yield made
    finally:
        made.remove()
        subprocess.run(["docker", "rmi", *map(made.image, PROGRAMS)], capture_output=True)


def probe(scratch: Scratch, *steps: str) -> None:
    scratch.probe(**{step: PROGRAMS.get(step, "") for step in steps})


def said(log: str) -> list[str]:
    events = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [event["event"] for event in events if event.get("logger") == "launch.kubernetes"]


def test_a_task_ends_as_its_pod_did(scratch: Scratch, place: Namespace) -> None:
    probe(scratch, "well", "refuses", "skips", "crashes", "hungry", "missing")
    settings = place.settings({"hungry": {"memory": "64Mi"}})
    done = scratch.runs("probe", **settings, AWS_REGION="here", AWS_SECRET_ACCESS_KEY="another-word")
    assert scratch.tasks() == {
        "well": ("success", 1),
        "refuses": ("failed", 1),
        "skips": ("skipped", 1),
        "crashes": ("failed", 3),
        "hungry": ("failed", 1),
        "missing": ("failed", 1),
    }, done.stdout
    assert "refuses: refused (exit 2), a retry does not help\\nage is not what it was" in done.stdout
    assert "crashes: crashed (exit 1), a retry may help\\nthe store is gone" in done.stdout
    assert "hungry: out of memory, it may use 64Mi. Raise its `memory` in steps.yaml.\\nloads" in done.stdout
    assert f"missing: the image {place.name}/missing:1 cannot be had" in done.stdout
    seen = json.loads(next(line for line in said(done.stdout) if line.startswith("saw "))[4:])
    assert len(seen["argv"]) == 2, "what renders to nothing is not given"
    assert {"STORE", "AWS_REGION"} <= set(seen["names"])
    assert not [name for name in seen["names"] if "AIRFLOW" in name]
    assert seen["secret"] == "s3cret", "from the Secret, not from the worker"
    assert (seen["user"], seen["root"], seen["scratch"], seen["token"]) == (10001, False, True, False)
    assert scratch.rows("key", "xcom") == []
    assert place.pods() == []
    everything = done.stdout + done.stderr + (scratch.home / "airflow.db").read_bytes().decode(errors="replace")
    assert "s3cret-word" not in everything and "another-word" not in everything


def test_a_pod_that_is_deleted_midway_is_started_anew(scratch: Scratch, place: Namespace) -> None:
    probe(scratch, "sleeps")
    with started(scratch, place) as run:
        until(lambda: "begins" in logs(place))
        spec = place.pods()[0]
        place.kubectl("delete", "pod", spec["metadata"]["name"], "--wait=false")
        text, _ = run.communicate()
    assert scratch.tasks() == {"sleeps": ("success", 2)}, text
    assert "was deleted from outside while it ran; a retry gets a new one" in text
    assert place.pods() == []
    assert "s3cret-word" not in json.dumps(spec)
    assert spec["metadata"]["annotations"]["rounds/run"].startswith("manual__")


def test_what_a_killed_worker_left_ends_by_itself(scratch: Scratch, place: Namespace) -> None:
    probe(scratch, "stays")
    with started(scratch, place, {"stays": {"minutes": 0.7}}) as run:
        until(lambda: "begins" in logs(place))
        run.send_signal(signal.SIGKILL)
    until(
        lambda: [pod["status"]["reason"] for pod in place.pods() if "reason" in pod["status"]] == ["DeadlineExceeded"]
    )
    place.kubectl("delete", "pods", "--all")


def test_a_task_that_is_stopped_takes_its_pod_along(scratch: Scratch, place: Namespace) -> None:
    probe(scratch, "sleeps")
    with started(scratch, place) as run:
        until(lambda: "begins" in logs(place))
        run.send_signal(signal.SIGTERM)
        until(lambda: place.pods() == [])
        run.send_signal(signal.SIGKILL)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("kubernetes.HTTPError('connection refused')", "the cluster does not answer"),
        ("kubernetes.k8s.ApiException(status=503)", "the cluster says no"),
    ],
)
def test_a_lost_worker_s_pod_is_found_again(scratch: Scratch, place: Namespace, error: str, words: str) -> None:
    probe(scratch, "sleeps")
    lost = scratch.settings(**place.settings({"sleeps": {"minutes": 5}}), LOST=str(scratch.root / "lost"))
    (scratch.root / "dags/probe.py").write_text(
        (scratch.root / "dags/probe.py").read_text() + LOSES.replace("ERROR", error)
    )
    done = subprocess.run(scratch.command("dags", "test", "probe"), env=lost, capture_output=True, text=True)
    assert scratch.tasks() == {"sleeps": ("success", 2)}, done.stdout
    assert words in done.stdout
    assert said(done.stdout).count("is done") == 1
    assert len(set(re.findall(r"Building pod (\S+)", done.stdout))) == 2, "the second is never made"
    assert done.stdout.count("Reconnecting to pod") == 1
    assert place.pods() == []


def test_what_cannot_start_says_why_in_time(scratch: Scratch, place: Namespace) -> None:
    probe(scratch, "well")
    settings = place.settings(start_minutes=0.2, node_selector={"kubernetes.io/hostname": "nowhere"})
    done = scratch.runs("probe", **settings, LAUNCH_RETRIES="1")
    assert scratch.tasks() == {"well": ("failed", 2)}, done.stdout
    assert "well: its pod did not start within 0.2 minutes. 0/1 nodes are available" in done.stdout
    done = scratch.runs("probe", **place.settings({"well": {"cpu": 10000}}, start_minutes=0.2), LAUNCH_RETRIES="1")
    assert "1 Insufficient cpu" in done.stdout
    assert place.pods() == []


def test_a_quota_is_waited_for_and_named(scratch: Scratch, place: Namespace) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"}, "spec": {"hard": {"pods": "0"}}}
    place.kubectl("apply", "-f", "-", given=json.dumps(quota))
    probe(scratch, "well")
    try:
        done = scratch.runs("probe", **place.settings(start_minutes=0.1), LAUNCH_RETRIES="0")
    finally:
        place.kubectl("delete", "resourcequota", "full")
    assert "exceeded quota: full" in done.stdout
    assert "Wait for other steps to end, or raise the quota" in done.stdout


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"STORE": "file:///a/store"}, "STORE is file:///a/store, a folder that pods do not see"),
        (
            {"MLFLOW_TRACKING_URI": "http://a:pass-word@b"},
            "MLFLOW_TRACKING_URI holds a password. Put it into the Secret",
        ),
        ({"KUBECONFIG": "/dev/null"}, "no cluster to go to"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(
    scratch: Scratch, place: Namespace, change: dict[str, str], words: str
) -> None:
    probe(scratch, "well")
    done = scratch.runs("probe", **{**place.settings(), **change})
    assert scratch.tasks() == {"well": ("failed", 1)}, done.stdout
    assert words in done.stdout
    assert "pass-word" not in done.stdout + done.stderr
    assert place.pods() == []


def test_without_its_secret_a_step_fails_at_once(scratch: Scratch, place: Namespace) -> None:
    probe(scratch, "well")
    kept = json.loads(place.kubectl("get", "secret", "rounds-step", "-o", "json"))["data"]
    place.kubectl("delete", "secret", "rounds-step")
    try:
        done = scratch.runs("probe", **place.settings())
    finally:
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "rounds-step"}, "data": kept}
        place.kubectl("create", "-f", "-", given=json.dumps(secret))
    assert scratch.tasks() == {"well": ("failed", 1)}, done.stdout
    assert 'secret \\"rounds-step\\" not found' in done.stdout
    assert place.pods() == []


def test_the_janitor_takes_what_nobody_waits_for(scratch: Scratch, place: Namespace) -> None:
    probe(scratch, "well")
    old, ours = "2020-01-01T00:00:00Z", {"app.kubernetes.io/part-of": "rounds"}
    for name, labels in (("left-over", ours), ("somebody-s", {})):
        spec = {
            "containers": [{"name": "step", "image": "none"}],
            "nodeSelector": {"kubernetes.io/hostname": "nowhere"},
        }
        secure = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        limits = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        spec = {**spec, "securityContext": secure, "containers": [{**spec["containers"][0], "securityContext": limits}]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}
        place.kubectl("apply", "-f", "-", given=json.dumps(pod))
        done = {"exitCode": 1, "finishedAt": old, "startedAt": old}
        status = {"name": "step", "image": "none", "imageID": "", "ready": False, "restartCount": 0}
        ended = {"phase": "Failed", "containerStatuses": [{**status, "state": {"terminated": done}}]}
        place.kubectl("patch", "pod", name, "--subresource=status", "-p", json.dumps({"status": ended}))
    scratch.runs("probe", **place.settings())
    assert [pod["metadata"]["name"] for pod in place.pods()] == ["somebody-s"]
    place.kubectl("delete", "pod", "somebody-s")


def test_a_deferred_step_ends_the_same_way(scratch: Scratch, place: Namespace) -> None:
    probe(scratch, "well", "refuses", "skips")
    done = scratch.runs("probe", **place.settings(deferrable=True))
    assert {task: state for task, (state, _) in scratch.tasks().items()} == {
        "well": "success",
        "refuses": "failed",
        "skips": "skipped",
    }, done.stdout
    assert "age is not what it was" in said(done.stdout)
    assert "client-key-data" not in str(scratch.rows("kwargs", "trigger")) + done.stdout
    assert place.pods() == []


def test_a_launcher_may_do_this_and_no_more(place: Namespace) -> None:
    def may(verb: str, what: str, part: str = "", where: str = place.name) -> bool:
        whole = [verb, what, *([f"--subresource={part}"] if part else [])]  # `pods/exec` would be a pod called exec
        asked = ["kubectl", "--kubeconfig", str(place.kubeconfig), "--namespace", where, "auth", "can-i", *whole]
        return subprocess.run(asked, capture_output=True, text=True).stdout.strip() == "yes"

    assert all(may(verb, "pods") for verb in ("create", "get", "list", "delete"))
    assert may("get", "pods", "log") and may("list", "events")
    for verb in ("get", "list", "create", "delete", "watch"):
        assert not may(verb, "secrets")
        assert not may(verb, "pods", where="kube-system")
    assert not [
        part for part in ("exec", "attach", "portforward", "ephemeralcontainers") if may("create", "pods", part)
    ]
    assert not may("create", "serviceaccounts", "token") and not may("get", "nodes")
    assert not may("deletecollection", "pods") and not may("patch", "pods")


def started(
    scratch: Scratch, place: Namespace, steps: dict[str, dict[str, float]] | None = None
) -> subprocess.Popen[str]:
    settings = scratch.settings(**place.settings(steps))
    command = scratch.command("dags", "test", "probe")
    return subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def logs(place: Namespace) -> str:
    running = [pod["metadata"]["name"] for pod in place.pods() if pod["status"]["phase"] == "Running"]
    return "".join(place.kubectl("logs", name) for name in running)
