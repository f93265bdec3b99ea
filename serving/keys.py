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
from serving.keyring import SCOPES, BadLine, Key, Keyring, Scope, changed, hashed, load, made, read
from serving.refusals import Refusals

LONGEST = 200  # characters of a key that anybody may send
DAYS_HELP = "that it is good for; usually 365, and 0 is for ever"
LOOK = 1.0  # seconds between two looks at whether the file has changed
DAYS = 365  # that a new key is good for
SHOWN = 3  # bad lines of the file that are named
IMPLIED: dict[Scope, Scope] = {"metrics": "operate"}  # a key with the second scope may do what the first one allows

_log = logging.getLogger("rounds.keys")


class Denied(RoundsError):
    """The caller is refused: `status` is 401 (no key that holds), 403 (a key for something else) or 503 (no keys)."""

    def __init__(self, status: int, text: str, name: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.name = name  # of the key, where it is known


class Keys:
    """The file's keys, read again when it changes. A bad line disables itself alone; without the file no key works."""

    def __init__(
        self, path: Path, look: float = LOOK, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.path = path
        self.trouble = ""  # what is wrong with the file, for /readyz and the log
        self._look, self._clock = look, clock
        self._next = 0.0
        self._missing = False
        self._refusals = Refusals(_log)
        read(path)  # at start every line must be right
        self._keyring = Keyring(())
        self._refresh()

    def allow(self, header: str | None, scope: Scope, caller: str = "") -> str:
        """The name of the key in this `Authorization` header, if it may do this; else `Denied`, and a line in the log.

        `caller` is the address that the request came from.
        """
        try:
            return self._allow(header, scope)
        except Denied as denied:
            self._refusals.log(denied.name, caller, str(denied))
            raise

    def _allow(self, header: str | None, scope: Scope) -> str:
        self._refresh()
        if self._missing:
            raise Denied(503, "The keys of this service cannot be read just now, so no key works; its log says why.")
        kind, _, sent = (header or "").partition(" ")
        if kind.lower() != "bearer" or not 0 < len(sent) <= LONGEST:
            raise Denied(401, "No key was sent; want the header 'Authorization: Bearer KEY'.")
        sent_hash = hashed(sent.strip())
        matches = [key for key in self._keyring.keys if hmac.compare_digest(key.hash, sent_hash)]  # looks at every key
        if not matches:
            raise Denied(401, "The key is not known. Ask whoever runs this service for one.")
        key = matches[0]
        if key.expires is not None and key.expires <= self._clock():
            text = f"The key '{key.name}' has expired. Ask whoever runs this service for a new one."
            raise Denied(401, text, key.name)
        if scope not in key.scopes and IMPLIED.get(scope) not in key.scopes:
            text = f"The key '{key.name}' is for {', '.join(sorted(key.scopes))}; this wants '{scope}'."
            raise Denied(403, text, key.name)
        return key.name

    def _refresh(self) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self._look
        try:
            keyring = load(self.path, self._keyring.mark)
        except Refused as error:
            self._missing = True
            self._keyring = Keyring(())
            self._tell(f"{error} Until then no key works.")
            return
        self._missing = False
        if keyring is not None:
            self._keyring = keyring
            self._tell(_trouble(self.path, keyring))

    def _tell(self, trouble: str) -> None:
        if trouble != self.trouble:
            _log.warning(trouble or f"{self.path}: every line is right again")
        self.trouble = trouble


def _trouble(path: Path, keyring: Keyring) -> str:
    """The bad lines by number, of which the first few with their reasons."""
    if not keyring.bad:
        return ""
    named = " ".join(str(line) for line in keyring.bad[:SHOWN])
    more = len(keyring.bad) - SHOWN
    rest = f" And {more} more." if more > 0 else ""
    return f"{path}: {named}{rest} A bad line lets nobody in; the keys of the other lines work. Correct or remove it."


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

    _warn(given.file, changed(given.file, add))
    sys.stderr.write(f"'{key.name}' is in {given.file}. This is the key; it is not shown again:\n")
    print(plain)


def remove(given: argparse.Namespace) -> None:
    def drop(keys: tuple[Key, ...]) -> tuple[Key, ...]:
        if all(each.name != given.name for each in keys):
            names = ", ".join(each.name for each in keys) or "none"
            raise Refused(f"{given.file} has no key '{given.name}' (found: {names}).")
        return tuple(each for each in keys if each.name != given.name)

    _warn(given.file, changed(given.file, drop))


def show(given: argparse.Namespace) -> None:
    keyring = load(given.file)
    assert keyring is not None
    for key in keyring.keys:
        until = f"until {key.expires:%Y-%m-%d %H:%M} UTC" if key.expires else "for ever"
        print(f"{key.name}  {','.join(sorted(key.scopes))}  {until}")
    _warn(given.file, keyring.bad)


def _warn(file: Path, bad: tuple[BadLine, ...]) -> None:
    for line in bad:
        sys.stderr.write(f"{file}: {line} It lets nobody in. Remove it by hand.\n")


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
            one.add_argument("--days", type=int, default=DAYS, help=DAYS_HELP)
    given = parser.parse_args(argv)
    try:
        given.run(given)
    except RoundsError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
