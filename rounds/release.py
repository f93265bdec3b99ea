"""The release of a version: which bundle, of which run, passed which gates, signed by `register` or by a person.

`release.json` lies beside the bundle's three files, in the store and in MLflow, and one signature covers all four.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from rounds import formats, keypair, signing
from rounds.errors import Refused
from rounds.manifest import Facts, Manifest
from rounds.store import Store

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

FILE = "release.json"
FORMAT: Literal[1] = 1


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Override(_Part):
    """A person's word for a model that the gates refused."""

    reason: str
    by: str
    until: datetime


class Release(_Part):
    format: Literal[1] = FORMAT
    problem: str
    run: str
    model: str
    bundle: str
    gates: list[Facts]
    verdict: Literal["pass", "override"]
    override: Override | None = None

    def to_json(self) -> bytes:
        return (json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()

    def require_verdict(self, name: str, now: datetime | None = None) -> None:
        """Refuse what neither passed its gates nor has an override in force."""
        if self.verdict == "pass" and self.override is None:
            return
        if self.verdict != "override" or self.override is None:
            raise Refused(f"{name} has a release without a verdict. Run 'register' again.")
        if self.override.until <= (now or datetime.now(UTC)):
            day = self.override.until.strftime("%Y-%m-%d %H:%M")
            raise Refused(
                f"{name} was refused by its gates, and the override by {self.override.by} expired on {day} UTC. "
                "Promote another version, or run 'rounds override' again."
            )


@dataclass(frozen=True)
class Signed:
    """A release as it lies in the store, with its signature."""

    raw: bytes
    signature: bytes

    def verified(self, files: Mapping[str, str], keys: Sequence[EllipticCurvePublicKey], name: str) -> Release:
        """The release, if the signature is over it and over exactly these files of the bundle."""
        own = hashlib.sha256(self.raw).hexdigest()
        signing.verify(self.signature, {**files, FILE: own}, keys, name)
        return _parsed(self.raw, name)


def of(trained: Manifest, evaluated: Manifest, model: str, override: Override | None = None) -> Release:
    """What is to be signed for a run's model."""
    return Release(
        problem=trained.problem,
        run=evaluated.run,
        model=model,
        bundle=trained.content.facts["bundle"],
        gates=evaluated.content.facts["gates"],
        verdict="pass" if override is None else "override",
        override=override,
    )


def sign(release: Release, files: Mapping[str, str]) -> Signed:
    raw = release.to_json()
    digests = {**files, FILE: hashlib.sha256(raw).hexdigest()}
    return Signed(raw, signing.sign(digests, keypair.private_key(), release.bundle).encode())


def read(store: Store, problem: str, digest: str) -> Signed | None:
    """The release of a bundle, not yet verified."""
    raw = store.read(_path(problem, digest))
    if raw is None:
        return None
    try:
        found = json.loads(raw)
        return Signed(found["release"].encode(), found["signature"].encode())
    except (AttributeError, KeyError, TypeError, ValueError):
        raise Refused(f"{_path(problem, digest)} is no release. Run 'register' again.") from None


def write(store: Store, problem: str, digest: str, signed: Signed) -> None:
    """Both in one object, so that no reader finds one without the other."""
    found = {"release": signed.raw.decode(), "signature": signed.signature.decode()}
    store.write(_path(problem, digest), json.dumps(found, indent=1, sort_keys=True).encode())


def verified_folder(folder: Path, keys: Sequence[EllipticCurvePublicKey], name: str) -> Release:
    """The release in a folder, if its signature covers every file there."""
    signing.verify_folder(folder, keys, name)
    try:
        raw = (folder / FILE).read_bytes()
    except FileNotFoundError:
        raise Refused(f"{name} has no {FILE}. Run 'register' again.") from None
    return _parsed(raw, name)


def require(release: Release, name: str, *, problem: str, model: str, bundle: str) -> None:
    """Refuse a release of another problem, model or bundle: a signature stays valid wherever its file is copied."""
    for field, found, wanted in (
        ("problem", release.problem, problem),
        ("model", release.model, model),
        ("bundle", release.bundle, bundle),
    ):
        if found != wanted:
            raise Refused(f"{name} has the release of another {field}: {found}; want {wanted}. It is not used.")


def files(trained: Manifest) -> dict[str, str]:
    """The bundle's files in a manifest of train."""
    return {name: kept.sha256 for name, kept in trained.content.files.items()}


def _parsed(raw: bytes, name: str) -> Release:
    shown = f"the {FILE} of {name}"
    try:
        found: Any = json.loads(raw)
    except ValueError:
        raise Refused(f"{shown} is not JSON. Run 'register' again.") from None
    formats.check(found, FORMAT, shown)
    formats.unknown(found, set(Release.model_fields), shown)
    try:
        return Release.model_validate(found)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise Refused(f"{shown} cannot be read ({where}: {fault['msg']}). Run 'register' again.") from None


def _path(problem: str, digest: str) -> str:
    return f"{problem}/.registry/releases/{digest}.json"
