"""The manifest: the small JSON that says a step is done, what it read and wrote, and why it ran."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rounds import formats
from rounds.errors import StoreError

Facts = dict[str, Any]
Verdict = Literal["done", "skipped", "refused"]
FORMAT: Literal[1] = 1

# A manifest names files that a reader copies under these names. Whoever may write to the store could name any path of
# the reader's machine, so a name holds no folder and a place none above the store.
_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
Name = Annotated[str, Field(pattern=f"^{_NAME}$")]
Place = Annotated[str, Field(pattern=f"^{_NAME}(/{_NAME})+$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Kept(_Part):
    """One file that a step wrote."""

    sha256: str
    bytes: int


class Content(_Part):
    """What the step says: equal wherever, whenever and however often it ran."""

    verdict: Verdict
    files: dict[Name, Kept]
    facts: Facts
    message: str = ""

    def digest(self) -> str:
        return digest(self.model_dump(mode="json"))

    def part(self, file: str) -> str:
        """The digest of one file, or of the whole content where none is named."""
        return self.digest() if not file else self.files[file].sha256 if file in self.files else "(none)"

    def only(self, files: set[str]) -> Content:
        """What a later step sees that reads no more than these files."""
        return self.model_copy(
            update={"files": {name: self.files[name] for name in files & set(self.files)}, "facts": {}}
        )


class Ingredients(_Part):
    """Everything that the step read: the digest of this is its key."""

    code: dict[str, str]
    knobs: Facts
    packages: dict[str, str]
    inputs: dict[str, str]
    also: Facts

    def key(self) -> str:
        return digest(self.model_dump(mode="json"))


class Work(_Part):
    """When and why a result was made that a later run took as it is."""

    started: str
    why: tuple[str, ...]


class Circumstances(_Part):
    """How it came about: differs from run to run and says nothing about the result."""

    why: tuple[str, ...]
    same_as: str | None
    read: Ingredients
    places: dict[Name, Place]
    started: str
    seconds: float
    machine: str
    python: str
    work: Work | None = None  # of a reused result: its own manifest may be written over by another reuse
    signature: str = ""  # by steps that sign; a signature is random, so it is no content


class Manifest(_Part):
    format: Literal[1] = FORMAT
    problem: Name
    run: Name
    step: Name
    content: Content
    circumstances: Circumstances

    def to_json(self) -> bytes:
        return (
            json.dumps(
                self.model_dump(mode="json"),
                indent=1,
                sort_keys=True,
                ensure_ascii=False,
            )
            + "\n"
        ).encode()


def digest(value: Any) -> str:
    """The sha256 of a JSON value, however it was laid out."""
    text = json.dumps(
        value,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )
    return hashlib.sha256(text.encode()).hexdigest()


def parse(raw: bytes, path: str) -> Manifest:
    """A manifest from the store; one that was altered into nonsense is named, never guessed at."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path} is not a manifest (it is no JSON). Remove it and run the step again.") from error
    if not isinstance(found, dict) or "format" not in found:
        raise StoreError(f"{path} is not a manifest (it has no format number). Remove it and run the step again.")
    formats.check(found, FORMAT, path, StoreError)
    try:
        return Manifest.model_validate_json(raw)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"])) or "the whole of it"
        advice = "Remove it and run the step again."
        if fault["type"] == "extra_forbidden":
            advice = "Leave it as it is, and upgrade to the release that wrote it."
        raise StoreError(f"{path} is not a manifest of this release ({where}: {fault['msg']}). {advice}") from error
