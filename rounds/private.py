"""What this project writes holds patients' rows, so no other account of the machine may read it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

OWNER_ALONE = 0o077


def keep_private() -> None:
    """From now on, whatever this process or a child of it writes is for its own account alone."""
    os.umask(OWNER_ALONE)


@contextmanager
def kept_private() -> Iterator[None]:
    """The same for a while."""
    before = os.umask(OWNER_ALONE)
    try:
        yield
    finally:
        os.umask(before)
