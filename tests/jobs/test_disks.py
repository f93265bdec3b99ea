"""A store or a scratch folder that is full, read-only or gone: exit 1 and a sentence, nothing half-written is read."""

from __future__ import annotations

import gzip
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.checkout import STEPS, Checkout, Ended, broken_promises
from tests.warm import Warm

# Run in a mount namespace of their own, which ends with them: what the folder then holds is copied out.
MOUNTED = """
folder=$1 seen=$2 options=$3 && shift 3
mkdir -p "$seen"
case $options in
    ro) mount --bind "$folder" "$folder" && mount -o remount,bind,ro "$folder" ;;
    *) mount -t tmpfs -o "$options" none "$folder" ;;
esac || exit 125
"$@"
code=$?
cp -a "$folder/." "$seen"
exit $code
"""


@cache
def may_mount() -> bool:
    try:
        probe = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True)
    except FileNotFoundError:
        return False
    return probe.returncode == 0


@pytest.fixture
def here(unchanged: Checkout, tmp_path: Path) -> Checkout:
    return unchanged.at(tmp_path)


def mounted(here: Checkout, folder: Path, options: str, step: str, **extra: str) -> Ended:
    """Run a step with something else mounted over a folder; what that held at the end is in `seen`."""
    if not may_mount():
        pytest.skip("this machine lets nobody mount, not even in a namespace")
    folder.mkdir(exist_ok=True)
    command = ["unshare", "-rm", "sh", "-c", MOUNTED, "sh", str(folder), str(here.place / "seen"), options]
    ended = subprocess.run(
        [*command, sys.executable, *here.argv(step, "a")],
        cwd=here.root,
        env=here.environment(**extra),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    return Ended(ended.returncode, ended.stdout)


@pytest.mark.data_safety
@pytest.mark.parametrize("kilobytes", [4, 28, 36, 44])
def test_a_full_store(here: Checkout, kilobytes: int) -> None:
    ended = mounted(here, here.store, f"size={kilobytes}k", "ingest")
    assert "No space left on device" in ended.sentence(1)
    assert broken_promises(here.place / "seen") == []


def test_a_read_only_store(here: Checkout) -> None:
    assert here.run("ingest").code == 0
    assert "Read-only file system" in mounted(here, here.store, "ro", "ingest").sentence(1)
    assert broken_promises(here.store) == []


def test_a_store_that_is_a_file(here: Checkout, warm: Warm) -> None:
    here.store.write_text("not a folder", encoding="utf-8")
    assert "cannot be opened" in warm.run(here, "ingest").sentence(1)
    assert "cannot be opened" in warm.run(here, "ingest", STORE=f"{here.store.as_uri()}/below").sentence(1)


@pytest.mark.parametrize("url", ["gopher://x", "/a/folder", "file://a/folder", "file:relative", "s4://b"])
def test_a_store_of_no_known_kind(here: Checkout, warm: Warm, url: str) -> None:
    sentence = warm.run(here, "ingest", STORE=url).sentence(2)
    assert f"STORE is '{url}'; want file:///a/folder or s3://bucket/prefix" in sentence


VANISHING = """

import shutil
_{call} = Store.{call}


def _vanish(self, *given):
    shutil.rmtree(self.root)
    return _{call}(self, *given)


Store.{call} = _vanish
"""


@pytest.mark.data_safety
@pytest.mark.parametrize("call", ["read", "upload", "write"])
def test_a_store_that_goes_in_the_middle(checkout: Checkout, warm: Warm, call: str) -> None:
    file = checkout.root / "rounds/store.py"
    whole = file.read_text(encoding="utf-8")
    file.write_text(whole + VANISHING.format(call=call), encoding="utf-8")
    assert f"{checkout.store} is gone" in warm.run(checkout, "ingest").sentence(1)
    assert not checkout.store.exists()
    file.write_text(whole, encoding="utf-8")
    assert warm.run(checkout, "ingest").code == 0
    assert broken_promises(checkout.store) == []


@pytest.mark.parametrize("step", [step for step in STEPS if step != "tune"])  # unasked, it writes nothing
def test_a_full_scratch(here: Checkout, warm: Warm, step: str) -> None:
    for left in STEPS[: STEPS.index(step)]:
        assert warm.run(here, left).well
    ended = mounted(here, here.scratch, "size=8k", step)
    assert ended.code == 1
    assert "No space left on device" in ended.text
    assert "Traceback" not in ended.text
    assert not (here.store / "noshow/a" / step / "manifest.json").exists()
    assert list((here.place / "seen").iterdir()) == []


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_a_good_source_is_not_blamed_for_a_full_scratch(here: Checkout, name: str) -> None:
    rows = "a,b\n" + "".join(f"{i * 7919 % 100_003},{i}\n" for i in range(50_000))
    source = here.place / name
    source.write_bytes(gzip.compress(rows.encode()) if name.endswith("gz") else rows.encode())
    ended = mounted(here, here.scratch, "size=40k", "ingest", SOURCE=str(source))
    assert ended.code == 1
    assert "No space left on device" in ended.text


def test_a_scratch_without_room_for_a_folder(here: Checkout) -> None:
    ended = mounted(here, here.scratch, "size=8k,nr_inodes=1", "ingest")
    assert "no scratch folder can be made in" in ended.sentence(1)


def test_a_scratch_that_is_not_there(here: Checkout, warm: Warm) -> None:
    ended = warm.run(here, "ingest", TMPDIR=str(here.place / "nowhere"))
    assert "No such file or directory" in ended.sentence(1)
    assert not (here.place / "nowhere").exists()
