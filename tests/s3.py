"""A real S3 server for tests: a versitygw over a folder, on a port of its own, that can be killed and started again.

It is the program that `ROUNDS_S3_SERVER` names, else `versitygw` on the PATH, else, with Docker, its image.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.ports import free

IMAGE = "versity/versitygw:v1.8.0"


@dataclass
class Server:
    """Buckets are the folders in `folder`."""

    folder: Path
    port: int
    key: str = "rounds"
    secret: str = field(default_factory=lambda: secrets.token_hex(16))
    running: subprocess.Popen[bytes] | None = None
    container: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What whoever uses it has set."""
        return {
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
        }

    def bucket(self) -> str:
        """A new one, empty."""
        name = f"b-{secrets.token_hex(6)}"
        (self.folder / name).mkdir()
        return name

    def start(self) -> None:
        command, environment = self._command()
        quiet = subprocess.DEVNULL
        self.running = subprocess.Popen(command, env={**os.environ, **environment}, stdout=quiet, stderr=quiet)
        for _ in range(600):
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.running.poll() is None, f"{command[0]} ended with {self.running.returncode}"
            time.sleep(0.05)
        raise AssertionError(f"{command[0]} does not listen on {self.port}")

    def kill(self) -> None:
        assert self.running is not None
        if self.container:
            subprocess.run(["docker", "kill", self.container], capture_output=True)
        self.running.kill()
        self.running.wait()

    def _command(self) -> tuple[list[str], dict[str, str]]:
        keys = {"ROOT_ACCESS_KEY_ID": self.key, "ROOT_SECRET_ACCESS_KEY": self.secret}
        keys |= {"ROOT_ACCESS_KEY": self.key, "ROOT_SECRET_KEY": self.secret}
        if program := _program():
            return [program, "--port", f"127.0.0.1:{self.port}", "posix", str(self.folder)], keys
        self.container = f"rounds-s3-{secrets.token_hex(6)}"
        docker = ["docker", "run", "--rm", "--name", self.container, "--publish", f"127.0.0.1:{self.port}:7070"]
        docker += ["--volume", f"{self.folder}:/buckets", "--user", f"{os.getuid()}:{os.getgid()}"]
        return [*docker, *(word for name in keys for word in ("--env", name)), IMAGE, "posix", "/buckets"], keys


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """Started; killed afterwards."""
    if not _program() and not _docker():
        said = "no S3 server: set ROUNDS_S3_SERVER to a versitygw, or put one on the PATH, or start Docker"
        (pytest.fail if os.environ.get("ROUNDS_NEED_DOCKER") == "1" else pytest.skip)(said)
    made = Server(folder, free())
    made.start()
    try:
        yield made
    finally:
        made.kill()


def _program() -> str | None:
    return os.environ.get("ROUNDS_S3_SERVER") or shutil.which("versitygw")


def _docker() -> bool:
    asked = (["docker", "image", "inspect", IMAGE], ["docker", "pull", "--quiet", IMAGE])
    return shutil.which("docker") is not None and any(
        subprocess.run(command, capture_output=True).returncode == 0 for command in asked
    )
