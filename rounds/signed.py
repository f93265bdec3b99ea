"""The signatures of steps: one covers the files of a step, its manifest's content, and what it read."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from rounds import keypair, signing
from rounds.errors import Refused
from rounds.manifest import Content, Ingredients, Manifest

STEPS = frozenset({"train", "evaluate"})  # a reader of one of these verifies it, in `Step`
STATEMENT = "step.json"


def seal(problem: str, step: str, content: Content, read: Ingredients) -> str:
    """The signature over a step's files and over what its manifest says of them."""
    return signing.sign(_files(problem, step, content, read), keypair.private_key(), f"{problem}/{step}")


def check(done: Manifest, problem: str, step: str) -> None:
    """Refuse a manifest without a valid signature, or of another problem or step."""
    name = f"what '{step}' of run {done.run} wrote"
    if (done.problem, done.step) != (problem, step):
        raise Refused(f"{name} is of {done.problem}/{done.step}; want {problem}/{step}. Run '{step}' again.")
    if not done.circumstances.signature:
        raise Refused(f"{name} has no signature, so it is not used. Run '{step}' again.")
    files = _files(problem, step, done.content, done.circumstances.read)
    signing.verify(done.circumstances.signature, files, keypair.public_keys(), name)


def is_sound(done: Manifest, problem: str, step: str) -> bool:
    """Whether earlier work may be used again: work without a valid signature is done again, never signed later."""
    try:
        check(done, problem, step)
    except Refused:
        return False
    return True


def statement(problem: str, step: str, content: Content, read: Ingredients) -> bytes:
    """The content of a manifest and what the step read, so that a verdict cannot be moved to another input."""
    said: dict[str, Any] = {
        "format": 1,
        "problem": problem,
        "step": step,
        "content": content.model_dump(mode="json"),
        "read": read.model_dump(mode="json"),
    }
    return (json.dumps(said, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _files(problem: str, step: str, content: Content, read: Ingredients) -> dict[str, str]:
    own = hashlib.sha256(statement(problem, step, content, read)).hexdigest()
    return {**{name: kept.sha256 for name, kept in content.files.items()}, STATEMENT: own}
