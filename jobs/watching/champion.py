"""Who is watched: the champion, what was found of it before its release, and whose rows may be read as its own."""

from __future__ import annotations

import json
from dataclasses import dataclass

from rounds import manifest, places, signed
from rounds.bundle import DESCRIPTION, Bundle
from rounds.errors import Refused
from rounds.files import Reader, fetch
from rounds.manifest import Facts, Manifest
from rounds.registry import Version
from rounds.verified_versions import open_champion


@dataclass(frozen=True)
class Champion:
    """`tested` are its figures on the test slice, `importance` what each feature is worth; empty if not on record."""

    number: int
    bundle: Bundle
    made: str
    tested: Facts
    importance: Facts

    def known(self) -> Facts:
        """All of it that decides what the step finds."""
        found = {"tested": self.tested, "importance": self.importance}
        return {
            "version": self.number,
            "bundle": self.bundle.digest,
            "made": self.made,
            "found": manifest.digest(found),
        }


def champion(read: Reader, model: str) -> Champion:
    """The version that answers, whole and unaltered."""
    found = open_champion(read, model, "nothing can be watched")
    tested, importance = _judged(read, found.version, found.trained)
    return Champion(found.version.number, found.bundle, found.trained.circumstances.started, tested, importance)


def _judged(read: Reader, version: Version, trained: Manifest) -> tuple[Facts, Facts]:
    """What evaluate found; the run may be gone by now, or its name be another run's, and the version's tags remain."""
    found = places.read(read.store, places.manifest_path(read.problem, version.run, "evaluate"))
    judged = found is not None and found.circumstances.read.inputs.get("train") == trained.content.digest()
    if found is None or not judged or not signed.is_sound(found, read.problem, "evaluate"):
        ends = {end: version.tags.get(f"auc.{end}") for end in ("value", "low", "high")}
        return ({} if None in ends.values() else {"auc": {end: float(str(at)) for end, at in ends.items()}}), {}
    try:
        report = json.loads(fetch(read.store, found, "metrics.json", read.scratch).read_bytes())
    except Refused:
        return dict(found.content.facts["metrics"]), {}
    return dict(found.content.facts["metrics"]), dict(report["importance"])


def features(read: Reader, digest: str) -> tuple[str, ...] | None:
    """What another version of the model reads; none where it is not on record."""
    made = places.read(read.store, f"{read.problem}/.registry/bundles/{digest}.json")
    if made is None:
        return None
    try:
        return tuple(json.loads(fetch(read.store, made, DESCRIPTION, read.scratch).read_bytes())["features"])
    except Refused:
        return None
