"""The model that answers: found in the registry, kept on disk by digest, tested before it may answer."""

from __future__ import annotations

import json
import math
import os
import shutil
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from rounds import bundle, keypair, release, tracking
from rounds.bundle import Bundle
from rounds.definition import Definition
from rounds.errors import Refused, RegistryError
from rounds.families import FAMILIES
from rounds.journal import Answering
from rounds.limits import OBJECT
from rounds.mirror import MODEL
from rounds.registry import ARCHIVED, PRODUCTION, STAGING
from rounds.tracking import Tracking
from serving import cache, examples
from serving.inputs import Inputs
from serving.settings import Wanted

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
EVALUATION = "evaluate/metrics.json"
STAGES = {STAGING, PRODUCTION, ARCHIVED}
FILES = 16  # of a bundle, at most; it has five
FIGURES = 8_000_000  # bytes of what evaluate found, at most; nobody signed it, and it is read into memory


@dataclass(frozen=True)
class Card:
    """What the registry says of a version: kept beside the bundle, so that it outlives the registry."""

    model: str
    version: int
    bundle: str
    made: int  # milliseconds since 1970
    tags: dict[str, str]
    evaluation: dict[str, Any]  # what evaluate found, empty where the registry has it no more


@dataclass(frozen=True, eq=False)
class Live:
    """A bundle that has answered its self-test."""

    card: Card
    bundle: Bundle
    definition: Definition
    inputs: Inputs

    @property
    def threshold(self) -> float:
        """From this probability on an appointment is among those that can be phoned."""
        return self.bundle.thresholds["capacity"]

    @cached_property
    def answering(self) -> Answering:
        return Answering(self.bundle.problem, self.card.model, self.card.version, self.card.bundle)

    @cached_property
    def margins(self) -> Callable[[Array], list[float]]:
        """The booster's margins of a few rows, in the least time."""
        return FAMILIES[self.bundle.family].quick(self.bundle.model)

    @cached_property
    def calibrate(self) -> Callable[[float], float]:
        return self.bundle.calibrator.at


@dataclass(frozen=True)
class Models:
    """The models of one problem, in the registry and in the cache."""

    problem: str
    wanted: Wanted
    url: str
    cache: Path
    verify_keys: str = ""  # read anew for each version, so that a file of them can change meanwhile

    def remembered(self) -> Live | None:
        """What answered last, if its files are whole; for this the registry is not needed."""
        try:
            card = Card(**json.loads(self._pointer.read_bytes()))
            return self.open(card)
        except (OSError, ValueError, TypeError, Refused):
            return None

    def newest(self, now: Live | None) -> Live:
        """What the registry wants to answer: `now` itself where that is it, else loaded and tested."""
        door = tracking.at(self.url)
        found = self._asked(door)
        number, digest = int(found.version), dict(found.tags).get("rounds.bundle", "")
        if now is not None and (now.card.version, now.card.bundle) == (number, digest):
            return now
        if not digest:
            raise Refused(f"version {number} of {self.wanted.name} names no bundle; it was not made by 'register'.")
        if dict(found.tags).get("stage") not in STAGES:
            raise Refused(f"version {number} of {self.wanted.name} has no stage; it was not made by 'register'.")
        door.check_place(door.call("get_run", found.run_id).info.artifact_uri)
        if not self.whole(digest):
            self._bring(door, found, digest)
        evaluation = self._evaluation(door, found.run_id)
        card = Card(self.wanted.name, number, digest, found.creation_timestamp, dict(found.tags), evaluation)
        return self.open(card)

    def remember(self, card: Card) -> None:
        """This one answers now; said by who takes it, for a look that was given up may end later."""
        _put(self._pointer, json.dumps(asdict(card), indent=1, sort_keys=True).encode())
        with suppress(OSError):
            os.utime(self.cache / "bundles" / card.bundle)  # in use from now on
        self.sweep()

    def sweep(self) -> None:
        """Remove halves of downloads, and all but the last few bundles."""
        with suppress(OSError):
            cache.sweep(self.cache)

    def open(self, card: Card) -> Live:
        """The bundle of a card, from the cache."""
        name = f"version {card.version} of {card.model}"
        loaded = self._verified(self.cache / "bundles" / card.bundle, card.bundle, name)
        definition = loaded.rebuild()
        live = Live(card, loaded, definition, Inputs(definition))
        test(live)
        return live

    def whole(self, digest: str) -> bool:
        """Whether the cache has this bundle, unaltered."""
        try:
            self._verified(self.cache / "bundles" / digest, digest, digest)
        except Refused:
            return False
        return True

    def _verified(self, folder: Path, digest: str, name: str) -> Bundle:
        """The bundle in a folder, if it is signed and released as this one: none of its code has run before."""
        try:
            found = release.verified_folder(folder, keypair.public_keys(self.verify_keys), name)
            release.require(found, name, problem=self.problem, model=self.wanted.name, bundle=digest)
            found.require_verdict(name)
            loaded = bundle.load(lambda file: folder / file)
        except OSError as error:
            raise Refused(f"{name} is not whole in {folder}: {os.strerror(error.errno or 0)}.") from error
        except (KeyError, TypeError, ValueError) as error:
            raise Refused(f"{name} is none that this release reads ({type(error).__name__}).") from error
        if (loaded.problem, loaded.digest) != (self.problem, digest):
            raise Refused(f"{name} has the bundle {loaded.digest[:12]} of {loaded.problem}; want {digest[:12]}.")
        return loaded

    def _asked(self, door: Tracking) -> Any:
        if self.wanted.alias:
            return door.call("get_model_version_by_alias", self.wanted.name, self.wanted.alias)
        return door.call("get_model_version", self.wanted.name, str(self.wanted.number))

    def _bring(self, door: Tracking, found: Any, digest: str) -> None:
        """The bundle's files from the registry to their place in the cache, all of them or none."""
        self._check_size(door, found)
        with _half(self.cache) as half:
            brought = Path(door.call("download_artifacts", found.run_id, f"{MODEL}/bundle", str(half)))
            self._verified(brought, digest, f"version {found.version} of {self.wanted.name}")
            place = self.cache / "bundles" / digest
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(place, ignore_errors=True)  # one that was altered; a sound one would have been taken
            try:
                brought.replace(place)
            except OSError:
                if not self.whole(digest):  # another process was faster
                    raise

    def _check_size(self, door: Tracking, found: Any) -> None:
        """Refuse, before it is brought, what would fill the cache: whoever writes to MLflow can lay anything there."""
        name, files = f"version {found.version} of {self.wanted.name}", []
        for each in door.call("list_artifacts", found.run_id, f"{MODEL}/bundle"):
            if each.is_dir:
                raise Refused(f"{name} has the folder {each.path} in its bundle; want files alone. It is not used.")
            files.append(each.file_size or 0)
        if len(files) > FILES:
            raise Refused(f"{name} has {len(files)} files in its bundle; want at most {FILES}. It is not used.")
        if sum(files) > OBJECT.bytes:
            raise Refused(f"{name} has a bundle of {OBJECT}. It is not used.")

    def _evaluation(self, door: Tracking, run: str) -> dict[str, Any]:
        """What evaluate found; empty where MLflow has none, or something else in its place."""
        with _half(self.cache) as half:
            try:
                files = door.call("list_artifacts", run, EVALUATION.split("/")[0])
                if all(each.path != EVALUATION or (each.file_size or 0) > FIGURES for each in files):
                    return {}
                path = door.call("download_artifacts", run, EVALUATION, str(half))
                return dict(json.loads(Path(path).read_bytes()))
            except (RegistryError, OSError, RecursionError, TypeError, ValueError):
                return {}

    @property
    def _pointer(self) -> Path:
        return self.cache / f"{self.wanted.name}@{self.wanted.alias or self.wanted.number}.json"


def test(live: Live) -> None:
    """Let the model answer an example, by both of its roads, before anybody asks it."""
    if live.definition.names != live.bundle.features:
        raise Refused(f"the bundle {live.card.bundle[:12]} was fitted on other features than its definition makes.")
    asked = live.inputs.ready(live.inputs.read(json.dumps(examples.appointment(live.inputs)).encode()))
    matrix = np.array([live.definition.numbers(asked.values, {})], np.float32)
    probability, (margin,) = float(live.bundle.score(matrix)[0]), live.margins(matrix)
    if not (math.isfinite(margin) and 0 <= probability <= 1) or live.calibrate(margin) != probability:
        raise Refused(f"the bundle {live.card.bundle[:12]} did not pass its self-test: it answered {probability}.")


class _half:
    """A folder for what is not whole yet."""

    def __init__(self, cache: Path) -> None:
        self.path = cache / f".{uuid.uuid4().hex}"

    def __enter__(self) -> Path:
        self.path.mkdir(parents=True)
        return self.path

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def _put(path: Path, content: bytes) -> None:
    half = path.with_name(f".{uuid.uuid4().hex}")
    half.write_bytes(content)
    half.replace(path)
