"""What tests of steps stand on: a checkout to change, and steps that start fast."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from playwright.sync_api import Browser, sync_playwright

from tests import keypairs, trained
from tests.checkout import Checkout, copied, lenient
from tests.s3 import Server, server
from tests.warm import Warm
from tests.warm import warm as started

pytest_plugins = ["tests.rerun"]

# Whatever a test starts signs and verifies with this pair, unless the test gives it another.
os.environ.update(keypairs.environ())

# No test may fail for being slow.
settings.register_profile("rounds", deadline=None)
settings.load_profile("rounds")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A copy of the rooms for one test alone."""
    return lenient(copied(tmp_path))


@pytest.fixture(scope="session")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A copy of the rooms that no test changes; take `unchanged.at(tmp_path)`."""
    return lenient(copied(tmp_path_factory.mktemp("unchanged")))


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """Forks of a process that has the heavy libraries loaded."""
    with started() as server:
        yield server


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One S3 server for all tests that only use it."""
    with server(tmp_path_factory.mktemp("buckets")) as running:
        yield running


@pytest.fixture(scope="session")
def in_processes(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a run in processes says, from an empty store: other places to run are held to it."""
    return trained.by("process", trained.on_files(tmp_path_factory.mktemp("in processes")))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from tests.serving.browsing import ARGUMENTS, CHROMIUM  # it loads the rooms, which forks must not inherit

    if CHROMIUM is None:
        reason = "no chromium here; install it, or set CHROMIUM to one"
        (pytest.fail if os.environ.get("ROUNDS_NEED_CHROMIUM") == "1" else pytest.skip)(reason)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS, timeout=180_000)
        yield started
        started.close()
