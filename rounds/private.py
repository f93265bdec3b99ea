"""File modes: files of this project hold patients' rows, so no other account of the machine may read them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

OWNER_ALONE = 0o077


def keep_private() -> None:
    """From now on only this account can read what this process and its children write."""
    os.umask(OWNER_ALONE)


@contextmanager
def kept_private() -> Iterator[None]:
    """The same, until the block ends."""
    before = os.umask(OWNER_ALONE)
    try:
        yield
    finally:
        os.umask(before)
