"""The chart on a real cluster: installed with the least values, upgraded, broken and killed under load."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rounds.store import open_store
from tests import parts
from tests.checkout import copied, lenient
from tests.dags.namespace import Namespace, kubectl
from tests.helm.released import DEPLOYMENT, Release
from tests.servers import IMAGE, Servers, ours
from tests.serving.running import FLOW
from tests.waiting import until
from tests.warm import Warm

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(shutil.which("helm") is None, reason="there is no command helm"),
]

STORE = "s3://rounds/store"
CRASHES = "raise SystemExit('the disk is gone')"
BUCKET = {"AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true"}
WITH_A_STORE = {
    "service": {"type": "NodePort"},
    "store": STORE,
    "environment": {"AWS_ENDPOINT_URL": "http://servers:7070", **BUCKET},
    "environmentFrom": [{"secretRef": {"name": "store"}}],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Where pods are restricted; with a store and an MLflow."""
    made = Namespace(f"chart-{secrets.token_hex(4)}", tmp_path_factory.mktemp("chart"))
    found = Servers(made)
    made.load(ours("serving"), ours("mlflow"), IMAGE)
    made.build(crashes=CRASHES)
    try:
        kubectl("create", "namespace", made.name)
        kubectl("label", "namespace", made.name, "pod-security.kubernetes.io/enforce=restricted")
        words = ("--from-literal=AWS_ACCESS_KEY_ID=rounds", f"--from-literal=AWS_SECRET_ACCESS_KEY={found.word}")
        made.kubectl("create", "secret", "generic", "store", *words)
        found.start()
        yield found
    finally:
        kubectl("delete", "namespace", made.name, "--wait=false", "--ignore-not-found")
        subprocess.run(["docker", "rmi", made.image("crashes")], capture_output=True)


@pytest.fixture(scope="module")
def release(place: Servers, tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Release:
    """Installed as the README says, beside a registry that has a champion."""
    checkout = lenient(copied(tmp_path_factory.mktemp("clinic")))
    with place.reached() as seen:
        for step in FLOW:
            ended = warm.run(checkout, step, "first", **{**seen, **BUCKET, "STORE": STORE})
            assert ended.well, ended.text
    image = dict(zip(("repository", "tag"), ours("serving").rsplit(":", 1), strict=True))
    made = Release(place.place, ours("serving"))
    signing = {"publicKeys": Path(os.environ["VERIFY_KEYS"]).read_text(encoding="ascii")}
    made.install(model={"registry": "http://servers:5000"}, signing=signing, image=image)
    return made


@pytest.fixture(scope="module")
def asked(release: Release) -> Release:
    """The same with a store, answering on a port of the node."""
    release.upgrade(**WITH_A_STORE)
    return release


def test_a_model_source_and_a_public_key_are_all_it_needs(release: Release) -> None:
    assert "Succeeded" in release.well("test", "--timeout=300s")


def test_an_upgrade_fails_no_request_and_the_new_pods_explain_what_the_old_ones_answered(asked: Release) -> None:
    before = asked.names()
    with asked.calling() as callers:
        first = callers.ids[0]
        asked.upgrade(limits={"rows": 90000})
        until(lambda: not before & asked.names(ending=True))
        callers.more()
    assert (callers.failed, callers.refused) == ([], 0)
    assert not before & asked.names()
    status, said = asked.ask("/explain", {"id": first})
    assert (status, said["id"]) == (200, first), said


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"image": {"repository": "NAMESPACE/crashes", "tag": "1"}}, "the disk is gone"),
        ({"model": {"source": "models:/NoShowXGBoost/99"}}, "version=99) not found"),
    ],
    ids=["an image that crashes", "a model that is missing"],
)
def test_what_cannot_start_leaves_the_old_pods_answering_and_is_said(
    asked: Release, wrong: dict[str, Any], why: str
) -> None:
    before = asked.names()
    with asked.calling() as callers:
        said, pods = asked.refused(**json.loads(json.dumps(wrong).replace("NAMESPACE", asked.place.name)))
        callers.more()
    assert (callers.failed, callers.refused) == ([], 0)
    assert asked.names() == before, "the very same"
    assert "noshow-serving not ready" in said and why in pods
    *_, failed, now = asked.history()
    assert (failed["status"], now["status"]) == ("failed", "deployed")
    assert "noshow-serving not ready" in failed["description"] and "Rollback" in now["description"]


def test_a_pod_that_is_deleted_costs_no_request(asked: Release) -> None:
    with asked.calling() as callers:
        asked.place.kubectl("delete", "pod", min(asked.names()))
        asked.place.kubectl("rollout", "status", DEPLOYMENT, "--timeout=300s")
    assert (callers.failed, callers.refused) == ([], 0)


def test_a_killed_process_costs_the_requests_in_its_hands(asked: Release) -> None:
    before = asked.restarts()
    with asked.calling(8) as callers:
        asked.kill(asked.pods()[0])
        until(lambda: asked.restarts() > before)
        asked.place.kubectl("rollout", "status", DEPLOYMENT, "--timeout=300s")
    # The kernel closes its connections before its listener: who comes back in that moment is in its hands once more.
    assert len(callers.failed) <= 2 * callers.number, callers.failed
    assert not [each for each in callers.failed if each[0].isdigit()], "a broken connection, never a wrong answer"


@pytest.mark.data_safety
def test_every_answer_of_every_pod_is_in_the_store_once(asked: Release, place: Servers) -> None:
    with asked.calling():
        pass
    asked.place.kubectl("scale", DEPLOYMENT, "--replicas=0")
    until(lambda: not asked.names(ending=True))
    with place.reached() as seen, pytest.MonkeyPatch.context() as environment:
        for name, word in {**seen, **BUCKET}.items():
            environment.setenv(name, word)
        now = datetime.now(UTC).date()
        days = [str(now - timedelta(days=1)), str(now)]
        found = Counter(each["id"] for each in parts.records(open_store(STORE), days))
    assert asked.answered
    assert {found[id] for id in asked.answered} == {1}
    assert max(found.values()) == 1
