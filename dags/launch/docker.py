"""Run a step as a container, on the Docker engine that DOCKER_HOST names or else the one of this machine."""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowTaskTimeout

from launch import containers, engine, janitor, needs
from launch.ending import DONE, LAST, NOT_ASKED, REFUSED, Crashed, Unfit, conclude
from launch.passed import image

log = logging.getLogger(__name__)


def task(step: str, arguments: list[str], **settings: Any) -> BaseOperator:
    return Container(task_id=step, arguments=arguments, **settings)


class Container(BaseOperator):
    """A step as a container that is removed however its task ends.

    Not a DockerOperator: that one has no word for a read-only root, for limits of processes, nor for an init.
    """

    template_fields = ("arguments",)

    def __init__(self, *, arguments: list[str], **settings: Any) -> None:
        super().__init__(**settings)
        self.arguments = arguments
        self._docker: Any = None
        self._container = ""
        self._stopped = False

    def execute(self, context: Context) -> None:
        step, last = self.task_id, deque[str](maxlen=LAST)
        try:
            with engine.understood(step):
                self._docker = engine.connect()
                self._container = self._made(context)
                state = self._seen_through(last)
        except AirflowTaskTimeout:
            minutes, words = needs.of(step).minutes, "\n".join(last)
            raise Crashed(
                f"{step}: took longer than its {minutes:g} minutes and was ended. Raise `minutes` in steps.yaml "
                f"if it needs them.\n{words}"
            ) from None
        finally:
            self._remove()
        _judge(state, step, last)

    def on_kill(self) -> None:
        self._stopped = True
        self._remove()

    def _made(self, context: Context) -> str:
        """The container's id; what an earlier try or run left is removed first."""
        docker, step, own = self._docker, self.task_id, needs.of(self.task_id)
        arguments, told = [one for one in self.arguments if one], containers.environment(step)
        labels = janitor.labels(context["ti"], arguments, told, own)
        for one in janitor.sweep(docker, labels):
            log.info("%s: removed container %s, which an earlier run left", step, one)
        try:
            written, wanted = containers.folders(told), image(step)
            mounts = containers.mounts(written, arguments)
        except (OSError, ValueError) as error:
            raise Unfit(f"{step}: {error}") from None
        engine.have(docker, wanted, step)
        with engine.fitting(step):
            made = docker.create_container(
                wanted,
                arguments,
                environment=told,
                host_config=docker.create_host_config(
                    mounts=mounts,
                    **containers.limits(own, docker.info()["NCPU"]),
                ),
                labels=labels,
                user=containers.user(written),
            )
        return str(made["Id"])

    def _seen_through(self, last: deque[str]) -> dict[str, Any]:
        """Start it and follow it to its end: the state in which the engine has it then."""
        docker, container = self._docker, self._container
        if self._stopped:  # while the image was fetched
            raise engine.gone(self.task_id)
        stream = docker.attach(container, stdout=True, stderr=True, stream=True)
        with engine.fitting(self.task_id):
            docker.start(container)
        for line in _lines(stream):
            last.append(line)
            log.info("%s", line)
        docker.wait(container)
        state: dict[str, Any] = docker.inspect_container(container)["State"]
        if state["Status"] == "removing":
            raise engine.gone(self.task_id)
        return state

    def _remove(self) -> None:
        with contextlib.suppress(*engine.BROKEN):  # else the next sweep does
            if self._docker and self._container:
                janitor.remove(self._docker, self._container)


def _judge(state: dict[str, Any], step: str, last: Iterable[str]) -> None:
    """Return if the step is done, else raise what Airflow is to make of it."""
    code, words = state["ExitCode"], list(last)
    if state["OOMKilled"] and code not in {DONE, REFUSED, NOT_ASKED}:
        memory, shown = needs.of(step).memory, "\n".join(words)
        raise Unfit(f"{step}: out of memory, it may use {memory}. Raise its `memory` in steps.yaml.\n{shown}")
    conclude(step, code, [*words, *filter(None, [state["Error"]])])


def _lines(stream: Iterable[bytes]) -> Iterator[str]:
    """Whole lines, however the engine cuts what it sends."""
    rest = b""
    for chunk in stream:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.decode("utf-8", errors="replace").rstrip("\r") for line in whole)
    if rest:
        yield rest.decode("utf-8", errors="replace")
