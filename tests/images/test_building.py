"""Building again makes anew what changed, and nothing else."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import ROOT
from tests.images.engine import built, docker, inspected
from tests.images.test_rooms import SERVERS
from tests.test_rooms import STEPS

pytestmark = pytest.mark.docker

PARTS = (
    "Makefile",
    "docker-compose.yml",
    ".dockerignore",
    "pyproject.toml",
    "uv.lock",
    "dags",
    "images",
    "jobs",
    "problems",
    "rounds",
    "serving",
)


class Copy:
    """A checkout whose images have a name of their own."""

    def __init__(self, root: Path) -> None:
        self.root, self.registry = root, f"rounds-try-{secrets.token_hex(4)}"

    def made(self) -> dict[str, list[str]]:
        """The layers of each image after `make images`."""
        environ = {
            **os.environ,
            "REGISTRY": self.registry,
            "TAG": "a",
            "GIT_CEILING_DIRECTORIES": str(self.root.parent),
        }
        done = subprocess.run(["make", "images"], cwd=self.root, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-4000:]
        return {name: inspected(self.image(name))["RootFS"]["Layers"] for name in STEPS | SERVERS}

    def image(self, name: str) -> str:
        return f"{self.registry}/{name}:a"

    def changed(self, path: str) -> set[str]:
        """The images that a new line in this file makes anew, each in its last layer alone."""
        before = self.made()
        file = self.root / path
        file.write_text(f"{file.read_text(encoding='utf-8')}\nSEEN = 'a change'\n", encoding="utf-8")
        after = self.made()
        found = {name for name in before if before[name] != after[name]}
        assert all(before[name][:-1] == after[name][:-1] for name in found)
        return found


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Copy]:
    built("train")  # or there is nothing to build upon, and minutes would pass
    for part in PARTS:
        (shutil.copytree if (ROOT / part).is_dir() else shutil.copy2)(ROOT / part, tmp_path / part)
    made = Copy(tmp_path)
    yield made
    docker("image", "rm", *(made.image(name) for name in STEPS | SERVERS), check=False)


def test_nothing_is_built_twice(copy: Copy) -> None:
    copy.made()
    before = {name: inspected(copy.image(name))["Id"] for name in STEPS | SERVERS}
    copy.made()
    assert {name: inspected(copy.image(name))["Id"] for name in STEPS | SERVERS} == before


def test_a_changed_step_is_built_alone(copy: Copy) -> None:
    assert copy.changed("jobs/train.py") == {"train"}


def test_a_change_of_what_steps_share_installs_no_package_again(copy: Copy) -> None:
    assert copy.changed("rounds/errors.py") == STEPS | {"serving"}


def test_images_with_equal_packages_share_their_layer(copy: Copy) -> None:
    made = copy.made()
    assert len({made[step][-2] for step in ("tune", "train", "evaluate", "register", "score")}) == 1
    assert made["ingest"][-2] == made["features"][-2] == made["collect"][-2]
    assert len({layers[-2] for name, layers in made.items() if name in STEPS}) == 6
