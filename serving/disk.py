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


def place(folder: Path, environment: Mapping[str, str]) -> str:
    """What can be known without being told: whether this is a container, and whether something was mounted there."""
    if "KUBERNETES_SERVICE_HOST" not in environment and not any(sign.exists() for sign in SIGNS):
        return "folder"
    above = [each for each in (folder.absolute(), *folder.absolute().parents) if each.is_mount()]
    return "container" if above[0] == Path("/") else "volume"


def shipped(store: str) -> str:
    """The kind of store, for what it is called may be nobody's business."""
    kind = urlsplit(store).scheme
    return f"{STORES[kind]} ({kind})" if kind in STORES else kind
