"""Where the journal lies and where it is shipped to: how long a record that was answered lasts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

PLACES = {
    "folder": "a folder on this machine",
    "claim": "a claim, which outlives the pod",
    "volume": "a volume, which outlives the container if whoever mounted it keeps it",
    "container": "the container's own disk: what was not shipped ends with it",
}
STORES = {"file": "a folder, as durable as its disk", "s3": "a bucket"}
SIGNS = (Path("/.dockerenv"), Path("/run/.containerenv"))
LAYERED = {"overlay", "aufs", "fuse.fuse-overlayfs"}  # what a container's root is; a disk is none of these
MOUNTS = Path("/proc/self/mounts")


def place(folder: Path, environment: Mapping[str, str]) -> str:
    """What can be known without being told: whether this is a container, and whether something was mounted there."""
    if "KUBERNETES_SERVICE_HOST" not in environment and not is_container():
        return "folder"
    above = [each for each in (folder.absolute(), *folder.absolute().parents) if each.is_mount()]
    return "container" if above[0] == Path("/") else "volume"


def is_container() -> bool:
    """A sign alone proves nothing: a machine whose disk was made from an image keeps the image's files."""
    return any(sign.exists() for sign in SIGNS) and root_kind() in LAYERED


def root_kind() -> str:
    """The kind of file system at /; the last mount of a place is the one to be seen."""
    kinds = [line.split()[2] for line in MOUNTS.read_text(encoding="utf-8").splitlines() if line.split()[1] == "/"]
    return kinds[-1] if kinds else ""


def shipped(store: str) -> str:
    """The kind of store, for what it is called may be nobody's business."""
    kind = urlsplit(store).scheme
    return f"{STORES[kind]} ({kind})" if kind in STORES else kind
