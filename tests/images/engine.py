"""The Docker engine, and the images that `make images` made: REGISTRY and TAG say which."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

# How a launcher starts a step: nothing can be written but /tmp, nothing can be gained.
HARD = (
    "--read-only",
    "--cap-drop",
    "ALL",
    "--security-opt",
    "no-new-privileges",
    "--network",
    "none",
    "--tmpfs",
    "/tmp",
)


def docker(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["docker", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0 or not check, f"docker {' '.join(words)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done


def inspected(image: str) -> dict[str, Any]:
    return dict(json.loads(docker("image", "inspect", image).stdout)[0])


def built(name: str) -> str:
    """The image of that name; where there is none, the test is skipped, or fails if ROUNDS_NEED_DOCKER is 1."""
    image = f"{os.environ.get('REGISTRY') or 'rounds'}/{name}:{os.environ.get('TAG', '')}"
    if reason := _missing(image):
        (pytest.fail if os.environ.get("ROUNDS_NEED_DOCKER") == "1" else pytest.skip)(reason)
    return image


def _missing(image: str) -> str:
    try:
        if docker("version", check=False).returncode != 0:
            return "no Docker engine answers"
    except FileNotFoundError:
        return "there is no command docker"
    if image.endswith(":"):
        return "TAG is not set; `make test` sets it"
    return "" if docker("image", "inspect", image, check=False).returncode == 0 else f"no {image}; run `make images`"
