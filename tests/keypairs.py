"""The pair of keys that the steps and services of tests sign and verify with: one for a session of tests."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from rounds import keypair


@cache
def folder() -> Path:
    place = Path(tempfile.mkdtemp(prefix="keys-of-tests-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    keypair.make(place / "pair")
    return place / "pair"


def environ(pair: Path | None = None) -> dict[str, str]:
    """The settings that name a pair."""
    place = pair or folder()
    return {"SIGNING_KEY": str(place / keypair.PRIVATE), "VERIFY_KEYS": str(place / keypair.PUBLIC)}
