"""Which files of the machine a step's container may read."""

from __future__ import annotations

from pathlib import Path

import pytest

from launch.sources import source_mounts


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a table in `data/`, beside a folder of tables and a secret file."""
    root = tmp_path / "checkout"
    for name in ("checkout/data/raw/a.csv", "checkout/problems/b.csv", "tables/c.csv", "secret.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (root / "data/raw/a.csv.dvc").write_text("outs: []")
    return root


@pytest.mark.parametrize("typed", ["data/raw/a.csv", "file://data/raw/a.csv", "{root}/data/raw/a.csv"])
def test_a_table_in_the_data_folder_is_mounted_by_default(checkout: Path, typed: str) -> None:
    mounts = source_mounts([f"--source={typed.format(root=checkout)}"], {}, checkout)
    assert list(mounts.values()) == [checkout / "data/raw/a.csv"]
    (inside,) = mounts
    assert inside == (f"{checkout}/data/raw/a.csv" if "{root}" in typed else "/rounds/data/raw/a.csv")


def test_a_pointer_of_dvc_brings_its_folder(checkout: Path) -> None:
    mounts = source_mounts(["--source=data/raw/a.csv.dvc"], {}, checkout)
    assert mounts == {"/rounds/data/raw": checkout / "data/raw"}


@pytest.mark.parametrize("option", ["--source", "--appointments", "--calls", "--outcomes"])
def test_a_typed_path_elsewhere_is_refused_by_name(checkout: Path, tmp_path: Path, option: str) -> None:
    with pytest.raises(ValueError, match="LAUNCH_SOURCES") as refusal:
        source_mounts([f"{option}={tmp_path}/secret.csv"], {}, checkout)
    assert f"{tmp_path}/secret.csv" in str(refusal.value) and str(checkout / "data") in str(refusal.value)


def test_the_source_of_the_environment_obeys_the_same_rule(checkout: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="LAUNCH_SOURCES"):
        source_mounts([], {"SOURCE": f"{tmp_path}/secret.csv"}, checkout)


@pytest.mark.parametrize(
    "typed",
    [
        "problems/b.csv",
        "file:///etc/passwd",
        "data/../problems/b.csv",
        "data/raw/../raw/a.csv",
        "{root}/data/../../secret.csv",
        "/nowhere/at/all.csv",
        "data",
    ],
)
def test_a_way_out_of_the_folders_is_refused(checkout: Path, typed: str) -> None:
    with pytest.raises(ValueError, match=r"LAUNCH_SOURCES|'\.\.'|not a file"):
        source_mounts([f"--source={typed.format(root=checkout)}"], {}, checkout)


def test_a_link_out_of_the_folders_is_refused(checkout: Path, tmp_path: Path) -> None:
    (checkout / "data/link.csv").symlink_to(tmp_path / "secret.csv")
    (checkout / "data/linked").symlink_to(tmp_path)
    for typed in ("data/link.csv", "data/linked/secret.csv"):
        with pytest.raises(ValueError, match="LAUNCH_SOURCES"):
            source_mounts([f"--source={typed}"], {}, checkout)


def test_a_link_into_a_named_folder_is_mounted_as_what_it_points_to(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "tables-link").symlink_to(tmp_path / "tables")
    (checkout / "data/link.csv").symlink_to(tmp_path / "tables/c.csv")
    settings = {"LAUNCH_SOURCES": f"data:{tmp_path}/tables-link"}
    mounts = source_mounts(["--source=data/link.csv"], settings, checkout)
    assert mounts == {"/rounds/data/link.csv": tmp_path / "tables/c.csv"}


def test_the_setting_replaces_the_data_folder(checkout: Path, tmp_path: Path) -> None:
    settings = {"LAUNCH_SOURCES": f"{tmp_path}/tables"}
    typed = f"{tmp_path}/tables/c.csv"
    assert source_mounts([f"--source={typed}"], settings, checkout) == {typed: tmp_path / "tables/c.csv"}
    with pytest.raises(ValueError, match="LAUNCH_SOURCES"):
        source_mounts(["--source=data/raw/a.csv"], settings, checkout)


@pytest.mark.parametrize(
    "typed", ["", "simulate", "journal:2026-11-20", "https://example.org/../a.csv#sha256=0", "s3://bucket/a/../b.csv"]
)
def test_what_is_no_path_mounts_nothing(checkout: Path, typed: str) -> None:
    assert source_mounts([f"--source={typed}", "--run=/etc/passwd", "--force"], {}, checkout) == {}


def test_a_table_that_is_missing_is_left_to_the_step(checkout: Path) -> None:
    assert source_mounts(["--source=data/raw/missing.csv"], {}, checkout) == {}
