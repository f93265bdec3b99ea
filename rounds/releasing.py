"""Releasing a version: its bundle and verdict are signed, kept in the store, and copied into MLflow for the service."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from rounds import keypair, places, release, signing
from rounds.errors import Refused
from rounds.files import fetch
from rounds.manifest import Manifest
from rounds.mirror import MODEL, Mirrored
from rounds.origin import GIVEN, SIMULATED, Origin
from rounds.release import Override, Release
from rounds.scratch import scratch

if TYPE_CHECKING:
    from rounds.registry import Registry, Version

MARK = "rounds.released"


def sign(registry: Registry, trained: Manifest, evaluated: Manifest, override: Override | None = None) -> None:
    """Keep in the store what a version is made of, with its signed release; a release that holds stays as it is."""
    digest = str(trained.content.facts["bundle"])
    if override is None and is_released(registry, digest):
        return
    registry.keep(trained)
    new = release.of(trained, evaluated, registry.model, override)
    release.write(registry.store, registry.problem, digest, release.sign(new, release.files(trained)))


def is_released(registry: Registry, digest: str) -> bool:
    """Whether a bundle is in the store, whole, with a valid signature, and passed its gates."""
    kept = registry.kept(digest)
    if kept is None or places.damaged(registry.store, kept):
        return False
    try:
        signed = release.read(registry.store, registry.problem, digest)
        if signed is None:
            return False
        found = signed.verified(release.files(kept), keypair.public_keys(), digest)
        release.require(found, digest, problem=registry.problem, model=registry.model, bundle=digest)
    except Refused:
        return False
    return found.verdict == "pass"


def read_release(registry: Registry, version: Version) -> Release:
    """The release of a version, verified to be its own."""
    name = f"version {version.number} of {registry.model}"
    signed = release.read(registry.store, registry.problem, version.bundle)
    if signed is None:
        raise Refused(f"{name} has no signed release in the store, so it is not used. Run 'register' again.")
    found = signed.verified(release.files(registry.trained(version)), keypair.public_keys(), name)
    release.require(found, name, problem=registry.problem, model=registry.model, bundle=version.bundle)
    return found


def read_origin(registry: Registry, version: Version) -> Origin:
    """Where the rows came from that a version was fitted on, by its signed bundle: a tag may have been altered."""
    read_release(registry, version)
    with scratch() as folder:
        raw = fetch(registry.store, registry.trained(version), "bundle.json", folder).read_bytes()
    return SIMULATED if json.loads(raw)["origin"] == SIMULATED else GIVEN


def attach(registry: Registry, mirrored: Mirrored, digest: str) -> None:
    """Copy a bundle with its release into MLflow, before a version is made of it: the service reads them there."""
    signed, trained = release.read(registry.store, registry.problem, digest), registry.kept(digest)
    if signed is None or trained is None:
        return  # the service refuses the version by name
    shelf = registry.shelf()
    version = None if shelf is None else shelf.by_bundle(digest)
    run = mirrored.id if version is None else version.run_id or mirrored.id
    mark = signing.identity(signed.signature, digest)
    known = registry.tracking.call("get_run", run)
    if known.data.tags.get(MARK) == mark:
        return
    registry.tracking.check_place(known.info.artifact_uri)
    with scratch() as folder:
        whole = folder / "bundle"
        whole.mkdir()
        for name in trained.content.files:
            shutil.copyfile(fetch(registry.store, trained, name, folder), whole / name)
        (whole / release.FILE).write_bytes(signed.raw)
        (whole / signing.SIGNATURE).write_bytes(signed.signature)
        registry.tracking.call("log_artifacts", run, str(whole), f"{MODEL}/bundle")
    registry.tracking.call("set_tag", run, MARK, mark)
