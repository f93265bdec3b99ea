"""Who may ask: bearer keys, of which a file or a Secret holds the hashes.

`python -m serving.keys new NAME --scopes predict,explain --file KEYS` prints a key, once.
`list` and `remove NAME` do as they say.
"""

from __future__ import annotations

import argparse
import hmac
import ipaddress
import logging
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from rounds.errors import Refused, RoundsError
from serving.keyring import SCOPES, Key, Scope, changed, hashed, made, mark, read

LONGEST = 200  # characters of a key that anybody may send
LOOK = 1.0  # seconds between two looks at whether the file has changed

_log = logging.getLogger("rounds.keys")


class Denied(RoundsError):
    """Who asks may not: `status` is 401 (nobody we know; say `WWW-Authenticate: Bearer`) or 403 (not for this)."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Keys:
    """The file's keys, read again when it changes; one that cannot be read leaves the keys as they were."""

    def __init__(
        self, path: Path, look: float = LOOK, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.path, self.trouble = path, ""  # what is wrong with the file, for /readyz
        self._look, self._clock = look, clock
        self._mark, self._next = mark(path), 0.0
        self._keys = read(path)

    def allow(self, header: str | None, scope: Scope) -> str:
        """The name of whoever sends this `Authorization` header, if that key may do this; else `Denied`."""
        self._refresh()
        kind, _, sent = (header or "").partition(" ")
        if kind.lower() != "bearer" or not 0 < len(sent) <= LONGEST:
            raise Denied(401, "No key was sent; want the header 'Authorization: Bearer KEY'.")
        told = hashed(sent.strip())
        found = [key for key in self._keys if hmac.compare_digest(key.hash, told)]  # all of them, whichever it is
        if not found:
            raise Denied(401, "The key is not known. Ask whoever runs this service for one.")
        key = found[0]
        if key.expires is not None and key.expires <= self._clock():
            raise Denied(401, f"The key '{key.name}' has expired. Ask whoever runs this service for a new one.")
        if scope not in key.scopes:
            raise Denied(403, f"The key '{key.name}' is for {', '.join(sorted(key.scopes))}; this wants '{scope}'.")
        return key.name

    def _refresh(self) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self._look
        found = mark(self.path)
        if found == self._mark:
            return
        trouble = ""
        try:
            self._keys = read(self.path)
        except Refused as error:
            trouble = f"{error} The keys that were read before are still in force."
        self._mark = found
        if trouble != self.trouble:
            _log.warning(trouble or f"{self.path}: read again")
        self.trouble = trouble


def guard(path: Path | None, host: str) -> Keys | None:
    """The keys to ask for; without a file of them the service is for this machine alone."""
    if path is not None:
        return Keys(path)
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise Refused(
            f"HOST is {host} and KEYS is not set: anybody could ask. Set KEYS to a file of keys "
            "(python -m serving.keys new NAME --file FILE), or HOST to 127.0.0.1."
        )
    return None


def new(given: argparse.Namespace) -> None:
    if given.days < 0:
        raise Refused(f"--days is {given.days}; want days from 1, or 0 for a key that never expires.")
    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=given.days) if given.days else None
    try:
        plain, key = made(given.name, frozenset(given.scopes.split(",")), expires)
    except ValidationError as error:
        raise Refused(
            f"{error.errors()[0]['msg']}: NAME is {given.name}, --scopes {given.scopes}; "
            f"want letters, digits and ._- and some of {', '.join(SCOPES)}."
        ) from None

    def add(keys: tuple[Key, ...]) -> tuple[Key, ...]:
        if any(each.name == key.name for each in keys):
            raise Refused(f"{given.file} has a key '{key.name}'. Take another name, and remove the old one afterwards.")
        return (*keys, key)

    changed(given.file, add)
    sys.stderr.write(f"'{key.name}' is in {given.file}. This is the key; it is not shown again:\n")
    print(plain)


def remove(given: argparse.Namespace) -> None:
    def drop(keys: tuple[Key, ...]) -> tuple[Key, ...]:
        if all(each.name != given.name for each in keys):
            names = ", ".join(each.name for each in keys) or "none"
            raise Refused(f"{given.file} has no key '{given.name}' (found: {names}).")
        return tuple(each for each in keys if each.name != given.name)

    changed(given.file, drop)


def show(given: argparse.Namespace) -> None:
    for key in read(given.file):
        until = f"until {key.expires:%Y-%m-%d %H:%M} UTC" if key.expires else "for ever"
        print(f"{key.name}  {','.join(sorted(key.scopes))}  {until}")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="serving.keys", description="Make, list and remove the service's keys.")
    verbs = parser.add_subparsers(required=True)
    file = os.environ.get("KEYS")
    for verb, run in {"new": new, "list": show, "remove": remove}.items():
        one = verbs.add_parser(verb)
        one.set_defaults(run=run)
        one.add_argument("--file", type=Path, default=Path(file) if file else None, required=not file)
        if verb != "list":
            one.add_argument("name")
        if verb == "new":
            one.add_argument("--scopes", default="predict,explain", help=f"some of {', '.join(SCOPES)}")
            one.add_argument("--days", type=int, default=0, help="that it is good for; 0 is for ever")
    given = parser.parse_args(argv)
    try:
        given.run(given)
    except RoundsError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
