"""What a pod's state means: why it does not start, how its step ended, whether nobody waits for it any more."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from airflow.providers.cncf.kubernetes.utils.pod_manager import detect_pod_terminate_early_issues
from kubernetes.client import ApiException, V1ContainerState, V1Pod

from launch.ending import Crashed, Refused, Unfit, conclude
from launch.needs import Needs

OURS = {"app.kubernetes.io/part-of": "rounds"}
FORGOTTEN = timedelta(minutes=10)  # whoever waits for a pod takes it away within seconds of its end
FINISHED = {"Succeeded", "Failed"}


def state(pod: V1Pod) -> V1ContainerState:
    """Of the container that is the step."""
    found = pod.status.container_statuses
    return found[0].state if found else V1ContainerState()


def ended(pod: V1Pod) -> bool:
    """With its reason known: a container that was killed has none before the whole pod ends."""
    done = state(pod).terminated
    return pod.status.phase in FINISHED or bool(done and done.exit_code < 128)


def blocked(pod: V1Pod) -> str | None:
    """Why it will never start, however long we wait."""
    if detect_pod_terminate_early_issues(pod):
        image = pod.spec.containers[0].image
        return f"the image {image} cannot be had: {_words(pod)} `make images` makes it; REGISTRY and TAG name it."
    waiting = state(pod).waiting
    if waiting and waiting.reason == "CreateContainerConfigError":
        return f"{_words(pod)} docs/deployment.md says what the namespace of the steps must hold."
    return None


def unstarted(pod: V1Pod, step: str, minutes: float, warning: str) -> Crashed:
    """For one that waited too long: what the scheduler or the node said."""
    said = [one.message for one in pod.status.conditions or [] if one.type == "PodScheduled" and one.message]
    why = " ".join([*said, _words(pod)]).strip() or warning or "The cluster does not say why."
    want = f"Give the cluster room, or ask for less than `{step}` does in steps.yaml (LAUNCH_STEPS names another)."
    return Crashed(f"{step}: its pod did not start within {minutes:g} minutes. {why} {want}")


def gone(step: str, name: str) -> Crashed:
    return Crashed(f"{step}: its pod {name} was deleted from outside while it ran; a retry gets a new one.")


def judge(pod: V1Pod, step: str, needs: Needs, last: Sequence[str]) -> None:
    """Return if its step is done, else raise what Airflow is to make of it."""
    done, words = state(pod).terminated, "\n".join(last)
    if pod.status.reason == "DeadlineExceeded":
        raise Crashed(
            f"{step}: took longer than its {needs.minutes:g} minutes and was ended. Raise `minutes` in steps.yaml "
            f"if it needs them.\n{words}"
        )
    if done and done.reason == "OOMKilled":
        raise Unfit(f"{step}: out of memory, it may use {needs.memory}. Raise its `memory` in steps.yaml.\n{words}")
    if pod.metadata.deletion_timestamp:
        raise gone(step, pod.metadata.name)
    if pod.status.reason or done is None:
        why = f"{pod.status.reason or 'no reason given'}: {pod.status.message or 'nothing more is known'}"
        raise Crashed(f"{step}: its node ended its pod, {why} A retry gets a new one.\n{words}")
    said = [done.message] if done.message else []  # such as why its program could not be started
    conclude(step, done.exit_code, [*last, *said])


def refusal(error: ApiException, step: str, namespace: str) -> Crashed | Refused:
    """What the cluster's no to a call means."""
    try:
        why = json.loads(error.body)["message"]
    except (KeyError, TypeError, ValueError):
        why = error.reason
    said = f"{step}: the cluster says no: {why}"
    if error.status == 403 and "exceeded quota" in str(why):
        return Crashed(f"{said}. Wait for other steps to end, or raise the quota of namespace '{namespace}'.")
    if error.status in {401, 403, 404}:
        return Unfit(f"{said}. Has helm/steps.yaml been applied, and is '{namespace}' the namespace that it makes?")
    if error.status in {400, 422}:
        return Unfit(f"{said}. Look at steps.yaml (LAUNCH_STEPS names another).")
    return Crashed(f"{said} ({error.status}). A retry may help.")


def forgotten(pod: V1Pod, now: datetime, start: timedelta) -> bool:
    """Nobody waits for it: it ended a while ago, or should have started long since."""
    if pod.status.phase in FINISHED:
        done = state(pod).terminated
        moment = done.finished_at if done and done.finished_at else pod.metadata.creation_timestamp
        return bool(now - moment > FORGOTTEN)
    return bool(pod.status.phase == "Pending" and now - pod.metadata.creation_timestamp > start + FORGOTTEN)


def _words(pod: V1Pod) -> str:
    waiting = state(pod).waiting
    said = [waiting.reason, waiting.message] if waiting else []
    return ": ".join(word.rstrip(".") for word in said if word) + "." if said else ""
