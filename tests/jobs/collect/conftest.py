"""Four weeks of predictions and their outcomes, from which collect goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rounds import bundle
from rounds.store import open_store
from tests.checkout import Checkout
from tests.jobs.collect.collecting import ROWS
from tests.jobs.watched import World, watched


@pytest.fixture(scope="session")
def made(done: Checkout, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, World]:
    """A store with four weeks of predictions and their outcomes, for no test to change."""
    root = tmp_path_factory.mktemp("made") / "store"
    store = open_store(root.as_uri())
    return root, watched(store, bundle.load(lambda name: done.file("train", name)), rows=ROWS, called=0.2)


@pytest.fixture
def here(made: tuple[Path, World], unchanged: Checkout, tmp_path: Path) -> Checkout:
    shutil.copytree(made[0], tmp_path / "store")
    return unchanged.at(tmp_path)
