"""Prometheus's own tools, for what is written for them."""

from __future__ import annotations

import os
import shutil

import pytest


@pytest.fixture(scope="session")
def promtool() -> str:
    return found("promtool")


@pytest.fixture(scope="session")
def prometheus() -> str:
    return found("prometheus")


@pytest.fixture(scope="session")
def amtool() -> str:
    return found("amtool")


def found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        reason = f"there is no command {program}; install Debian's prometheus and prometheus-alertmanager"
        (pytest.fail if os.environ.get("ROUNDS_NEED_PROMETHEUS") == "1" else pytest.skip)(reason)
    return path
