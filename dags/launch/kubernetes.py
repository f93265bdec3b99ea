"""Run a step as a pod, on the cluster that KUBECONFIG names or else the one that Airflow itself runs in."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from airflow.providers.cncf.kubernetes.kubernetes_helper_functions import KubernetesApiException
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.pod_generator import make_safe_label_value
from airflow.providers.cncf.kubernetes.utils.pod_manager import PodManager
from airflow.sdk import BaseOperator, Context
from kubernetes import client as k8s
from kubernetes.config import ConfigException
from urllib3.exceptions import HTTPError

from launch import needs, pods
from launch.ending import LAST, Crashed, Unfit
from launch.passed import can_do_without, image, plain, uses

PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]+@")
SILENCE = 60  # seconds without a line after which the connection is made anew: a dead one looks like a silent step

log = logging.getLogger(__name__)


def task(step: str, arguments: list[str], **settings: Any) -> BaseOperator:
    own, cluster = needs.of(step), needs.cluster()
    # The pod's own deadline comes first, and says more than Airflow's.
    settings["execution_timeout"] = own.time + timedelta(minutes=cluster.start_minutes + 1)
    return Pod(task_id=step, arguments=arguments, image=image(step), **_spec(own, cluster), **settings)


def _spec(own: needs.Needs, cluster: needs.Cluster) -> dict[str, Any]:
    """What is the same for every pod of a step, in the operator's words."""
    whole = {"cpu": f"{own.cpu:g}", "memory": own.memory}
    asked = {"cpu": f"{own.cpu * cluster.share:g}", "memory": str(int(own.memory_bytes * cluster.share))}
    return {
        "namespace": cluster.namespace,
        "kubernetes_conn_id": None,
        "base_container_name": "step",
        "image_pull_policy": cluster.pull_policy,
        "service_account_name": cluster.service_account,
        "automount_service_account_token": False,
        "container_resources": k8s.V1ResourceRequirements(limits=whole, requests=asked),
        "security_context": k8s.V1PodSecurityContext(
            run_as_non_root=True,
            run_as_user=10001,
            run_as_group=10001,
            fs_group=10001,
            seccomp_profile=k8s.V1SeccompProfile(type="RuntimeDefault"),
        ),
        "container_security_context": k8s.V1SecurityContext(
            allow_privilege_escalation=False,
            read_only_root_filesystem=True,
            capabilities=k8s.V1Capabilities(drop=["ALL"]),
        ),
        "volumes": [k8s.V1Volume(name="scratch", empty_dir=k8s.V1EmptyDirVolumeSource(size_limit=own.scratch))],
        "volume_mounts": [k8s.V1VolumeMount(name="scratch", mount_path="/tmp")],
        "node_selector": cluster.node_selector,
        "tolerations": [k8s.V1Toleration(**one) for one in cluster.tolerations],
        "active_deadline_seconds": max(1, int(own.minutes * 60)),
        "termination_grace_period": 1,  # a step survives being killed at any moment
        "startup_timeout_seconds": int(cluster.start_minutes * 60),
        "startup_check_interval_seconds": 1,
        "log_events_on_startup": False,
        "log_pod_spec_on_failure": False,
        "on_finish_action": "delete_pod",
        "deferrable": cluster.deferrable,
    }


class Pod(KubernetesPodOperator):
    """A step as a pod that ends with its task, and that a retry finds again if the worker was lost meanwhile."""

    pod: k8s.V1Pod
    namespace: str

    def execute(self, context: Context) -> None:
        self._dress()
        with self._understood():
            self._sweep()
            self.pod_request_obj = self.build_pod_request_obj(context)
            self.pod = self.get_or_create_pod(self.pod_request_obj, context)
            if self.deferrable:
                self.invoke_defer_method(context=context)  # raises; Airflow goes on in trigger_reentry
            self._see_through(self.startup_timeout_seconds)

    def trigger_reentry(self, context: Context, event: dict[str, Any]) -> None:
        self.pod = k8s.V1Pod(metadata=k8s.V1ObjectMeta(name=event["name"], namespace=event["namespace"]))
        with self._understood():
            self._see_through(0 if event["status"] == "timeout" else self.startup_timeout_seconds)

    def convert_config_file_to_dict(self) -> None:
        """Nothing: the triggerer reads KUBECONFIG itself, and no credential goes through Airflow's database."""

    @cached_property
    def pod_manager(self) -> PodManager:
        return Pods(self.client, self.startup_timeout_seconds)

    def _dress(self) -> None:
        """What is known only now: this run's arguments, labels and settings, and how to reach the cluster."""
        cluster, settings = needs.cluster(), _settings(self.task_id)
        self.arguments = [one for one in self.arguments if one]
        if any(PASSWORD.search(one) for one in self.arguments):
            raise Unfit(f"{self.task_id}: the source holds a password. Put SOURCE into the Secret '{cluster.secret}'.")
        named = dict(zip(self.arguments, self.arguments[1:], strict=False))
        problem, run = named.get("--problem", ""), named.get("--run", "")
        work = repr(
            (self.image, self.arguments, sorted(settings.items()))
        )  # a pod of another place is never taken over
        self.name = self._set_name("-".join(filter(None, (problem, self.task_id))))
        self.labels = {
            **cluster.labels,
            **pods.OURS,
            **{key: make_safe_label_value(word) for key, word in (("problem", problem), ("run", run))},
            "step": self.task_id,
            "work": hashlib.sha256(work.encode()).hexdigest()[:16],
        }
        self.annotations = {"rounds/run": run}
        self.env_vars = [k8s.V1EnvVar(name=name, value=value) for name, value in sorted(settings.items())]
        self.env_from = _sources(self.task_id, cluster)
        if cluster.claim:
            source = k8s.V1PersistentVolumeClaimVolumeSource(claim_name=cluster.claim)
            self.volumes = [*self.volumes, k8s.V1Volume(name="store", persistent_volume_claim=source)]
            place = urlsplit(settings["STORE"]).path
            self.volume_mounts = [*self.volume_mounts, k8s.V1VolumeMount(name="store", mount_path=place)]
        self.in_cluster = "KUBERNETES_SERVICE_HOST" in os.environ and not os.environ.get("KUBECONFIG")

    def _see_through(self, seconds: float) -> None:
        """Follow the pod to its end, take it away and say how its step ended."""
        lines: deque[str] = deque(maxlen=LAST)
        try:
            self._await_start(seconds)
            found = self._follow(lines)
        except (HTTPError, KubernetesApiException):
            raise  # out of touch, the step may well be working: the next try looks for it
        except k8s.ApiException as error:
            if error.status == 404:
                raise pods.gone(self.task_id, self.pod.metadata.name) from None
            raise  # busy or out of order: the step may well be working
        except BaseException:
            self.process_pod_deletion(self.pod, reraise=False)
            raise
        self.process_pod_deletion(self.pod, reraise=False)
        pods.judge(found, self.task_id, needs.of(self.task_id), lines)

    def _await_start(self, seconds: float) -> None:
        late = time.monotonic() + seconds
        while True:
            found = self.pod_manager.read_pod(self.pod)
            if found.status.phase != "Pending":
                return
            if why := pods.blocked(found):
                raise Unfit(f"{self.task_id}: {why}")
            if time.monotonic() > late:
                warnings = [
                    one.message for one in self.pod_manager.read_pod_events(self.pod).items if one.type == "Warning"
                ]
                raise pods.unstarted(found, self.task_id, self.startup_timeout_seconds / 60, " ".join(warnings[-1:]))
            time.sleep(self.startup_check_interval_seconds / 4)

    def _follow(self, last: deque[str]) -> k8s.V1Pod:
        """The pod as it ended; its lines go to the log as they come."""
        seen, pause = "", 0.1
        while True:
            told = self._tell(seen, last)
            found = self.pod_manager.read_pod(self.pod)
            if pods.ended(found):
                self._tell(told, last)  # what came while the cluster could not be asked
                return found
            pause = 0.1 if told != seen else min(2 * pause, 5)
            seen = told
            time.sleep(pause)

    def _tell(self, seen: str, last: deque[str]) -> str:
        """Log the lines after the moment `seen`, until the stream ends or breaks, and answer the last one's moment."""
        with contextlib.suppress(HTTPError, k8s.ApiException):  # the pod's own state says whether it is over
            for moment, line in self._lines(seen):
                seen = moment
                last.append(line)
                log.info("%s", line)
        return seen

    def _lines(self, seen: str) -> Iterator[tuple[str, str]]:
        """The step's lines with their moments, from the first one after `seen` on, until its container ends."""
        where = {"name": self.pod.metadata.name, "namespace": self.pod.metadata.namespace, "container": "step"}
        how = {"follow": True, "timestamps": True, "_preload_content": False, "_request_timeout": (10, SILENCE)}
        with contextlib.closing(self.client.read_namespaced_pod_log(**where, **how)) as stream:
            for raw in stream:
                moment, _, line = raw.decode("utf-8", errors="replace").rstrip("\r\n").partition(" ")
                if moment > seen:
                    yield moment, line

    def _sweep(self) -> None:
        """The janitor: take away pods of ours for which nobody waits any more."""
        start, now = timedelta(seconds=self.startup_timeout_seconds), datetime.now(UTC)
        ours = ",".join(f"{key}={word}" for key, word in pods.OURS.items())
        for pod in self.client.list_namespaced_pod(self.namespace, label_selector=ours).items:
            if pods.forgotten(pod, now, start):
                log.info("%s: takes away %s, which an earlier run left", self.task_id, pod.metadata.name)
                self.process_pod_deletion(pod, reraise=False)

    @contextlib.contextmanager
    def _understood(self) -> Iterator[None]:
        try:
            yield
        except k8s.ApiException as error:
            raise pods.refusal(error, self.task_id, self.namespace) from None
        except ConfigException as error:
            raise Unfit(f"{self.task_id}: no cluster to go to: {error} Set KUBECONFIG.") from None
        except (HTTPError, KubernetesApiException) as error:
            raise Crashed(
                f"{self.task_id}: the cluster does not answer: {error}. A retry goes on with its pod."
            ) from None


class Pods(PodManager):
    """The provider's, but that it waits for room in the quota, and keeps the pod's whole description out of the log."""

    def __init__(self, client: k8s.CoreV1Api, seconds: float) -> None:
        super().__init__(kube_client=client)
        self._seconds = seconds

    def run_pod_async(self, pod: k8s.V1Pod, **settings: Any) -> k8s.V1Pod:
        late = time.monotonic() + self._seconds
        settings.setdefault("field_validation", "Strict")
        while True:
            try:
                return self._client.create_namespaced_pod(pod.metadata.namespace, pod, **settings)
            except k8s.ApiException as error:
                if error.status != 403 or "exceeded quota" not in str(error.body) or time.monotonic() > late:
                    raise
            time.sleep(5)


def _sources(step: str, cluster: needs.Cluster) -> list[k8s.V1EnvFromSource]:
    """The Secrets and the ConfigMap whose keys become the step's environment: those that it uses, and no other."""
    secrets = {cluster.secret: False}
    for name, setting in ((cluster.signing, "SIGNING_KEY"), (cluster.journal, "JOURNAL_KEY")):
        if uses(step, setting):
            secrets[name] = can_do_without(step, setting)
    found = [
        k8s.V1EnvFromSource(secret_ref=k8s.V1SecretEnvSource(name=name, optional=optional or None))
        for name, optional in secrets.items()
        if name
    ]
    if cluster.verify and uses(step, "VERIFY_KEYS"):
        found.append(k8s.V1EnvFromSource(config_map_ref=k8s.V1ConfigMapEnvSource(name=cluster.verify)))
    return found


def _settings(step: str) -> dict[str, str]:
    """What a pod is told openly; a place that it cannot see or that holds a password is refused by name."""
    found, cluster = plain(os.environ, step), needs.cluster()
    for name, value in found.items():
        if PASSWORD.search(value):
            raise Unfit(
                f"{step}: {name} holds a password. Put it into the Secret '{cluster.secret}' and unset it here."
            )
    if not cluster.claim and urlsplit(found.get("STORE", "")).scheme == "file":
        raise Unfit(
            f"{step}: STORE is {found['STORE']}, a folder that pods do not see; want s3://, or a `claim` in steps.yaml."
        )
    if cluster.claim and urlsplit(found.get("STORE", "")).scheme != "file":
        raise Unfit(
            f"{step}: steps.yaml has the claim '{cluster.claim}'; want STORE=file:///... to say where it is mounted."
        )
    if found.get("MLFLOW_TRACKING_URI", "").startswith("sqlite:") and not cluster.claim:
        raise Unfit(f"{step}: MLFLOW_TRACKING_URI is a file that pods do not see; want http://... of a server.")
    return found
