"""Where the journal lies: told, or what can be seen of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rounds.errors import Refused
from serving import disk
from serving.settings import read


def test_on_a_machine_it_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "SIGNS", (tmp_path / "none",))
    assert disk.place(tmp_path, {}) == "folder"


ROOTS = {"Docker": "overlay / overlay rw 0 0", "rootless Podman": "fuse-overlayfs / fuse.fuse-overlayfs rw 0 0"}


@pytest.mark.parametrize("engine", ROOTS)
def test_in_a_container_a_mount_makes_the_difference(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = next(path for path in (Path("/dev/shm"), Path("/dev")) if path.is_mount())
    monkeypatch.setattr(disk, "SIGNS", (tmp_path,))
    monkeypatch.setattr(disk, "MOUNTS", mounts(tmp_path, ROOTS[engine]))
    assert disk.place(mounted / "not" / "there", {}) == "volume"
    assert disk.place(Path("/not/there"), {}) == "container"
    assert read({"JOURNAL_FOLDER": "/not/there"}).journal_place == "container"
    assert disk.place(Path("/not/there"), {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}) == "container"


def test_a_machine_with_the_files_of_an_image_is_no_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "SIGNS", (tmp_path,))
    monkeypatch.setattr(disk, "MOUNTS", mounts(tmp_path, "rootfs / rootfs rw 0 0\n/dev/vda / ext4 rw 0 0"))
    assert disk.place(Path("/not/there"), {}) == "folder"


def mounts(folder: Path, text: str) -> Path:
    (folder / "mounts").write_text(f"proc /proc proc rw 0 0\n{text}\n")
    return folder / "mounts"


def test_whoever_knows_better_says_so() -> None:
    assert read({"JOURNAL_PLACE": "claim"}).journal_place == "claim"
    with pytest.raises(Refused, match="JOURNAL_PLACE is 'moon'; want "):
        read({"JOURNAL_PLACE": "moon"})


def test_the_store_is_told_by_its_kind_alone() -> None:
    assert disk.shipped("s3://a-bucket/prefix") == "a bucket (s3)"
    assert disk.shipped("file:///data/store").startswith("a folder")
