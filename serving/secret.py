"""The secret of the journal's keyed hashes where nobody gave one, and the folder that keeps it."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from rounds.errors import Refused
from serving.segments import make, private, sync_folder


def make_folder(folder: Path) -> None:
    """The journal's folder."""
    try:
        make(folder)
    except OSError as error:
        raise Refused(
            f"JOURNAL_FOLDER {folder} cannot be made: {error.strerror}. Want a folder that may be written."
        ) from error


def made_key(folder: Path) -> bytes:
    """Made once and kept beside the journal: whoever reads both can tell whom a hash means, so better give one."""
    make_folder(folder)
    path, own = folder / "key", folder / f".{secrets.token_hex(6)}.key"
    if not path.exists():
        with open(own, "wb", opener=private) as file:
            file.write(secrets.token_hex(32).encode())
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was first, and its key is everybody's
            os.link(own, path)
        own.unlink()
        sync_folder(folder)
    return path.read_bytes()
