"""Limits on the size of unpacked data, against small files that unpack to fill a machine."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from rounds.errors import Refused
from rounds.words import size

UNITS = {"": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}


@dataclass(frozen=True)
class Limit:
    """A number of bytes, and the setting that changes it."""

    setting: str
    default: str

    @property
    def bytes(self) -> int:
        text = os.environ.get(self.setting, "").strip() or self.default
        found = re.fullmatch(r"(\d+) ?(kB|MB|GB)?", text)
        if found is None or int(found[1]) == 0:
            raise Refused(f"{self.setting} is '{text}'; want bytes above 0, such as {self.default}.")
        return int(found[1]) * UNITS[found[2] or ""]

    def __str__(self) -> str:
        """`more than 10.0 GB (ROUNDS_UNPACKED sets this limit)`."""
        return f"more than {size(self.bytes)} ({self.setting} sets this limit)"


UNPACKED = Limit("ROUNDS_UNPACKED", "10 GB")  # of a table, on disk
CELL = Limit("ROUNDS_CELL", "1 MB")  # of one value of a table
PART = Limit("ROUNDS_PART", "200 MB")  # of one part of a journal, in memory
OBJECT = Limit("ROUNDS_OBJECT", "100 MB")  # of one object of the store that is read into memory


class TooLarge(Exception):
    """It would unpack to more than the limit."""
