"""Registered versions, opened for use: the release is verified before anything of the bundle is read or run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rounds import bundle
from rounds.bundle import Bundle
from rounds.errors import Refused
from rounds.files import Reader, fetch
from rounds.manifest import Manifest
from rounds.registry import CHAMPION, Registry, Version
from rounds.releasing import read_release
from rounds.tracking import open_tracking
from rounds.turns import Turn


@dataclass(frozen=True)
class VerifiedVersion:
    """A version, what it was made of, and what answers."""

    version: Version
    trained: Manifest
    bundle: Bundle


def open_champion(read: Reader, model: str, purpose: str) -> VerifiedVersion:
    """The champion, if its verdict is in force; `purpose` ends the error message where there is no champion."""
    registry = Registry(open_tracking(), read.store, read.problem, model, Turn(read.store, ""))
    shelf = registry.shelf()
    version = None if shelf is None else shelf.by_alias(CHAMPION)
    if version is None:
        raise Refused(f"{model} has no champion yet, so {purpose}. Run 'register' first.")
    read_release(registry, version).require_verdict(_name(registry, version))
    return VerifiedVersion(version, registry.trained(version), _loaded(registry, version, read.scratch))


def open_bundle(registry: Registry, version: Version, folder: Path) -> Bundle:
    """The bundle of a version, verified; its verdict need not be in force."""
    read_release(registry, version)
    return _loaded(registry, version, folder)


def _loaded(registry: Registry, version: Version, folder: Path) -> Bundle:
    trained = registry.trained(version)
    loaded = bundle.load(lambda name: fetch(registry.store, trained, name, folder))
    if (loaded.problem, loaded.digest) != (registry.problem, version.bundle):
        raise Refused(f"{_name(registry, version)} has another bundle in the store. Run 'register' again.")
    return loaded


def _name(registry: Registry, version: Version) -> str:
    return f"version {version.number} of {registry.model}"
