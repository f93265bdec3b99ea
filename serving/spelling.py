"""One spelling of one thing, for one value: as `rounds.decoding` reads the cells of a table."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache

from rounds.decoding import FURTHEST_EXPONENT, LONGEST, NULLS, SCIENTIFIC

KEPT = 1024  # spellings of a category, most of which come again and again
_POINT = re.compile(r"-?[0-9]+\.[0-9]*")
_SCIENTIFIC = re.compile(SCIENTIFIC)
_PLAIN = re.compile(r"[!-~]+( [!-~]+)*")


def identifier(value: str | int) -> str | None:
    """An identifier as histories know it; none where it says that there is none, or lost its digits."""
    text = str(value)
    if text.isalnum() and text.isdigit():
        return text
    if text in NULLS:
        return None
    if scientific := _SCIENTIFIC.fullmatch(text):
        return _written_out(*scientific.groups())
    return text.rstrip("0").rstrip(".") if _POINT.fullmatch(text) else text


def _written_out(sign: str, whole: str, fraction: str | None, exponent: str) -> str | None:
    """`9377952927E-5` as 93779.52927; none where zeros would have to be made up for digits that are lost."""
    fraction, moved = fraction or "", int(exponent)
    if not -FURTHEST_EXPONENT <= moved <= len(fraction):
        return None
    digits, point = "0" * FURTHEST_EXPONENT + whole + fraction, FURTHEST_EXPONENT + len(whole) + moved
    before, after = digits[:point].lstrip("0") or "0", digits[point:].rstrip("0")
    return f"{sign}{before}.{after}" if after else f"{sign}{before}"


def category(within: Iterable[str]) -> Callable[[str], str | None]:
    """How a category is read, of which these are the known ones."""
    nothing = NULLS - set(within)

    @lru_cache(KEPT)
    def read(value: str) -> str | None:
        text = value if _PLAIN.fullmatch(value) else " ".join(unicodedata.normalize("NFC", value).split())
        return None if text in nothing or len(text) > LONGEST else text

    return read
