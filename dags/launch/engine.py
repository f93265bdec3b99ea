"""The Docker engine: how it is reached, how it comes by an image, and what its noes mean."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator

from airflow.providers.docker.hooks.docker import DockerHook
from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException
from docker import APIClient
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.utils import kwargs_from_env
from docker.utils.socket import SocketError
from requests import RequestException
from urllib3.exceptions import HTTPError

from launch.ending import Crashed, Refused, Unfit

SOCKET = "unix:///var/run/docker.sock"
BROKEN = (DockerException, RequestException, HTTPError, SocketError, OSError)
ASK_MAKE = "`make images` makes it; REGISTRY and TAG name it."

log = logging.getLogger(__name__)


def connect() -> APIClient:
    """The Docker engine; LAUNCH_LOGIN names the connection of Airflow's that holds a registry's password."""
    where = kwargs_from_env()
    address, login = where.get("base_url") or SOCKET, os.environ.get("LAUNCH_LOGIN") or None
    return DockerHook(docker_conn_id=login, base_url=address, tls=where.get("tls"), version="auto").get_conn()


def have(docker: APIClient, wanted: str, step: str) -> None:
    """See that the engine has the image; without a registry's host in its name nobody but us can have made it."""
    with contextlib.suppress(ImageNotFound):
        docker.inspect_image(wanted)
        return
    host = wanted.partition("/")[0]
    if host != "localhost" and not {".", ":"} & set(host):
        raise Unfit(f"{step}: the image {wanted} is not there. {ASK_MAKE}")
    log.info("%s: pulls %s", step, wanted)
    with fitting(step, ASK_MAKE):
        for event in docker.pull(wanted, stream=True, decode=True):
            if "error" in event:
                raise Crashed(f"{step}: the image {wanted} cannot be pulled: {event['error']}. A retry may help.")


def gone(step: str) -> Crashed:
    return Crashed(f"{step}: its container was removed while it ran; a retry starts a new one.")


@contextlib.contextmanager
def fitting(step: str, advice: str = "Look at steps.yaml, STORE and LAUNCH_NETWORK.") -> Iterator[None]:
    """The engine's no to what was asked of it is final; not so that it broke, or that the container is gone."""
    try:
        yield
    except APIError as error:
        if error.is_client_error() and "No such container" not in str(error.explanation):
            raise Unfit(f"{step}: Docker says no: {str(error.explanation).rstrip('.')}. {advice}") from None
        raise


@contextlib.contextmanager
def understood(step: str) -> Iterator[None]:
    host = os.environ.get("DOCKER_HOST") or SOCKET
    try:
        yield
    except (Crashed, Refused):
        raise
    except AirflowNotFoundException as error:
        raise Unfit(f"{step}: {error}. LAUNCH_LOGIN names a connection of Airflow's, or is unset.") from None
    except NotFound:
        raise gone(step) from None
    except APIError as error:
        raise Crashed(f"{step}: Docker failed: {error.explanation or error}. A retry may help.") from None
    except (AirflowException, *BROKEN) as error:
        raise Crashed(
            f"{step}: the Docker engine at {host} does not answer: {error} Is it running, and may this user open it? "
            "DOCKER_HOST names another. A retry starts the step anew."
        ) from None
