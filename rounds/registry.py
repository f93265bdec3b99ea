"""The registry of a problem's models: versions, who is champion, who was, and how the one follows the other.

The alias `champion` decides, and moves in one call. All else (stages, `previous_champion`, the snapshot in the store)
follows from it in `settle`, which can be repeated: whoever comes after a killed process finishes what that one began.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from rounds import manifest, mirror, places, releasing
from rounds.errors import Refused, RegistryError, StoreError
from rounds.manifest import Facts, Manifest
from rounds.mirror import MODEL, Mirrored
from rounds.origin import Origin
from rounds.store import Store
from rounds.tracking import Tracking
from rounds.turns import Turn

CHAMPION, CHALLENGER, ANCHOR = ("champion", "challenger", "anchor")
STAGING, PRODUCTION, ARCHIVED = "Staging", "Production", "Archived"
PREVIOUS = "previous_champion"
REPLACED = "rounds.replaced"


@dataclass(frozen=True)
class Version:
    number: int
    tags: dict[str, str]
    source: str
    made: int  # milliseconds since 1970
    run_id: str = ""  # of MLflow's run that holds its files
    mlflow_stage: str | None = None  # MLflow's own, which is deprecated; None where MLflow has none any more

    @property
    def bundle(self) -> str:
        return self.tags.get("rounds.bundle", "")

    @property
    def stage(self) -> str:
        return self.tags.get("stage", STAGING)

    @property
    def run(self) -> str:
        return self.tags.get("rounds.run", "?")


@dataclass(frozen=True)
class Shelf:
    """All that the registry says of one model at one moment."""

    made: int
    tags: dict[str, str]
    aliases: dict[str, int]
    versions: dict[int, Version]

    def by_alias(self, alias: str) -> Version | None:
        return self.versions.get(self.aliases.get(alias, 0))

    def by_bundle(self, digest: str) -> Version | None:
        return next((version for version in self.versions.values() if version.bundle == digest), None)


@dataclass(frozen=True)
class Registry:
    """One problem's model in MLflow's registry, and what the store keeps of it so that a lost one comes back."""

    tracking: Tracking
    store: Store
    problem: str
    model: str
    turn: Turn

    def shelf(self) -> Shelf | None:
        """What is there, or None before the first version."""
        found = self.tracking.call("search_registered_models", filter_string=f"name = '{self.model}'", max_results=1)
        if not found:
            return None
        versions = [_version(each) for each in self.tracking.pages("search_model_versions", f"name = '{self.model}'")]
        numbered = {version.number: version for version in sorted(versions, key=lambda version: version.number)}
        aliases = {alias: int(number) for alias, number in found[0].aliases.items()}
        return Shelf(found[0].creation_timestamp, dict(found[0].tags), aliases, numbered)

    def keep(self, trained: Manifest) -> None:
        """Remember in the store what a version is made of, beyond the life of its run."""
        self.store.write(self._trained(trained.content.facts["bundle"]), trained.to_json())

    def kept(self, digest: str) -> Manifest | None:
        """What the version with this bundle is made of, if it is on record."""
        return places.read(self.store, self._trained(digest))

    def trained(self, version: Version) -> Manifest:
        """What a version is made of."""
        found = self.kept(version.bundle)
        if found is None:
            path = self._trained(version.bundle)
            raise StoreError(f"{path} is gone, and version {version.number} of {self.model} is made of what it names.")
        return found

    def origin(self, version: Version | None) -> Origin | None:
        """Where the rows of a version came from; None where no signature says so."""
        if version is None or self.kept(version.bundle) is None:
            return None
        try:
            return releasing.read_origin(self, version)
        except Refused:
            return None

    def add(self, mirrored: Mirrored, tags: dict[str, str]) -> Version:
        """The version with this bundle: the one that is there, or a new one."""
        shelf = self.shelf()
        if shelf is None:
            self.tracking.call("create_registered_model", self.model, tags={"rounds.problem": self.problem})
        elif (found := shelf.by_bundle(tags["rounds.bundle"])) is not None:
            return found
        source = f"runs:/{mirrored.id}/{MODEL}"
        made = self.tracking.call("create_model_version", self.model, source, run_id=mirrored.id, tags=tags)
        return Version(int(made.version), tags, source, made.creation_timestamp)

    def challenge(self, version: Version) -> None:
        self._point(CHALLENGER, version.number)

    def tag(self, version: Version, name: str, value: str) -> None:
        if version.tags.get(name) != value:
            self.tracking.call("set_model_version_tag", self.model, str(version.number), name, value)

    def promote(self, number: int) -> Shelf:
        """Make a version champion; the one before is archived and remembered."""
        self._point(CHAMPION, number)
        return self.settle()

    def rollback(self) -> Shelf:
        """Make the champion before this one champion again."""
        begun, shelf = self.turn.left, self.settle()
        champion = shelf.by_alias(CHAMPION)
        if champion is None:
            raise Refused(f"{self.model} has no champion, so there is nothing to go back from. See 'rounds models'.")
        if begun.startswith("rollback from ") and begun != f"rollback from {champion.number}":
            return shelf  # one that was killed had done it
        previous = shelf.versions.get(int(shelf.tags.get(PREVIOUS, 0)))
        if previous is None:
            raise Refused(
                f"version {champion.number} of {self.model} is the first champion; there is none before it. "
                "'rounds promote VERSION' makes another one champion."
            )
        self.turn.note(f"rollback from {champion.number}")
        self.tag(champion, "stage", ARCHIVED)
        return self.promote(previous.number)

    def settle(self) -> Shelf:
        """Let everything follow from who is champion, the champion's stage last; answers what then is there."""
        shelf = self._there()
        champion = shelf.by_alias(CHAMPION)
        if champion is not None:
            old = [v for v in shelf.versions.values() if v.stage == PRODUCTION and v.number != champion.number]
            if old:
                self.tag(champion, REPLACED, str(old[-1].number))
            self._remember(shelf, str(old[-1].number) if old else champion.tags.get(REPLACED, ""))
            for each in old:
                self.tag(each, "stage", ARCHIVED)
            if shelf.aliases.get(CHALLENGER) == champion.number:
                self.tracking.call("delete_registered_model_alias", self.model, CHALLENGER)
            self._set_anchor(shelf, champion)
            self.tag(champion, "stage", PRODUCTION)
        settled = self._there()
        self._set_mlflow_stages(settled)
        self._save(settled)
        return settled

    def _set_anchor(self, shelf: Shelf, champion: Version) -> None:
        """Models of two origins are not compared, so the anchor is the first champion of this one's origin."""
        anchor, origin = shelf.by_alias(ANCHOR), self.origin(champion)
        if anchor is not None and (origin is None or self.origin(anchor) in {origin, None}):
            return
        champions = [each for each in shelf.versions.values() if each.stage != STAGING and each != champion]
        alike = [each.number for each in champions if origin is not None and self.origin(each) == origin]
        self._point(ANCHOR, min([*alike, champion.number]))

    def _set_mlflow_stages(self, shelf: Shelf) -> None:
        """Let MLflow's own stages follow the tag `stage`, for tools that ask for `models:/NAME/Production`.

        The champion comes first: for a moment two versions are in production, but never none.
        """
        if not hasattr(self.tracking.client, "transition_model_version_stage"):
            return
        differing = [v for v in shelf.versions.values() if v.mlflow_stage is not None and v.mlflow_stage != v.stage]
        for version in sorted(differing, key=lambda version: version.stage != PRODUCTION):
            try:
                self.tracking.call("transition_model_version_stage", self.model, str(version.number), version.stage)
            except RegistryError as error:
                if not _is_unknown(error):
                    raise
                return

    def heal(self) -> None:
        """Bring back all of a registry that was lost."""
        self.rebuild()
        saved, shelf = self.lost(), self.shelf()
        if saved is not None and shelf is not None:
            for alias, digest in saved["aliases"].items():
                version = shelf.by_bundle(digest)
                if version is not None:
                    self._point(alias, version.number)
            self.settle()

    def rebuild(self) -> int:
        """Bring back the versions of a registry that was lost, in their order; answers how many there were."""
        saved = self.lost()
        if saved is None:
            return 0
        numbers: dict[str, str] = {}
        for was in saved["versions"]:
            tags = dict(was["tags"])
            trained = self.trained(Version(was["number"], tags, "", 0))
            if REPLACED in tags:
                tags[REPLACED] = numbers.get(tags[REPLACED], "")
            mirrored = self._mirrored(trained)
            releasing.attach(self, mirrored, str(trained.content.facts["bundle"]))
            numbers[str(was["number"])] = str(self.add(mirrored, tags).number)
        return len(numbers)

    def _mirrored(self, trained: Manifest) -> Mirrored:
        """The run of MLflow's that holds this model."""
        path = places.manifest_path(self.problem, trained.run, trained.step)
        now = places.read(self.store, path)
        if now is not None and mirror.digest(now) == mirror.digest(trained):
            found = mirror.run(self.tracking, self.store, self.problem, trained.run)
            if found is not None and trained.step in found.steps:
                return found
        return mirror.past(self.tracking, self.store, trained)

    def lost(self) -> dict[str, Any] | None:
        """The snapshot, if it is of another registry than the one that is there now."""
        raw = self.store.read(self._snapshot)
        saved: dict[str, Any] | None = None if raw is None else json.loads(raw)
        shelf = self.shelf()
        return None if saved is None or (shelf is not None and saved["made"] == shelf.made) else saved

    def _there(self) -> Shelf:
        shelf = self.shelf()
        if shelf is None:
            raise Refused(f"there is no model {self.model} in MLflow yet. Run 'register' first, or 'rounds mirror'.")
        return shelf

    def _point(self, alias: str, number: int) -> None:
        shelf = self._there()
        if number not in shelf.versions:
            raise Refused(f"{self.model} has no version {number} (found: {', '.join(map(str, shelf.versions))}).")
        if shelf.aliases.get(alias) != number:
            self.tracking.call("set_registered_model_alias", self.model, alias, str(number))

    def _remember(self, shelf: Shelf, number: str) -> None:
        if number and shelf.tags.get(PREVIOUS) != number:
            self.tracking.call("set_registered_model_tag", self.model, PREVIOUS, number)
        if not number and PREVIOUS in shelf.tags:
            self.tracking.call("delete_registered_model_tag", self.model, PREVIOUS)

    def _trained(self, digest: str) -> str:
        return f"{self.problem}/.registry/bundles/{digest}.json"

    @property
    def _snapshot(self) -> str:
        return f"{self.problem}/.registry/snapshot.json"

    def _save(self, shelf: Shelf) -> None:
        """Versions go by the digests of their bundles: in another registry they may have other numbers."""
        aliases = {alias: shelf.versions[number].bundle for alias, number in sorted(shelf.aliases.items())}
        versions = [{"number": version.number, "tags": version.tags} for version in shelf.versions.values()]
        found: Facts = {"made": shelf.made, "aliases": aliases, "versions": versions}
        raw = json.dumps(found, indent=1, sort_keys=True).encode()
        if self.store.read(self._snapshot) != raw:
            self.store.write(self._snapshot, raw)


def version_tags(trained: Manifest, evaluated: Manifest, data: str) -> dict[str, str]:
    """Where a version comes from, for whoever finds it in the registry; `data` is a digest of the validated table."""
    auc = evaluated.content.facts["metrics"]["auc"]
    ends = {f"auc.{name}": f"{auc[name]:.4f}" for name in ("value", "low", "high") if auc[name] is not None}
    return {
        "stage": STAGING,
        "rounds.run": evaluated.run,
        "rounds.bundle": str(trained.content.facts["bundle"]),
        "rounds.data": data,
        "rounds.code": manifest.digest(trained.circumstances.read.code),
        "rounds.origin": str(trained.content.facts["origin"]),
        **ends,
    }


def _version(found: Any) -> Version:
    stage = getattr(found, "current_stage", None)
    made = found.creation_timestamp
    return Version(int(found.version), dict(found.tags), found.source, made, found.run_id or "", stage)


def _is_unknown(error: RegistryError) -> bool:
    """Whether the server does not know the call at all, as one that gave up stages would not."""
    return getattr(error.__cause__, "error_code", "") == "ENDPOINT_NOT_FOUND"
