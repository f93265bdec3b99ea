"""Another key for the ledgers of the store: every hash is hashed once more, and every part is signed anew.

Identifiers are not kept, so they cannot be hashed afresh: the new key is the old one, a comma, and one key more.
What is done is skipped, so a run that was killed is finished by the next one; the note of the key is written last.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rounds import evidence, outcomes
from rounds.audit import read_report, write_report
from rounds.errors import Refused
from rounds.evidence import ERASED, Altered, Before, Header, Opened, key_id, located
from rounds.journal import LEDGER, key_note, key_place, keyed
from rounds.recorded import LEVEL, PACKED, Ledger
from rounds.store import Store

LEDGERS = (LEDGER, outcomes.LEDGER)


@dataclass(frozen=True)
class Change:
    """From one key to the next; `hidden` are the columns of the input whose values are hashes."""

    store: Store
    problem: str
    old: bytes
    new: bytes
    hidden: Collection[str]

    @property
    def added(self) -> bytes:
        return self.new[len(self.old) + 1 :]

    def line(self, line: bytes) -> bytes:
        """The same line with its hashes hashed by the key that was added."""
        if line.startswith(ERASED):
            return line
        record: dict[str, Any] = json.loads(line)
        record["key"] = key_id(self.new)
        for name in ("who", "appointment"):
            self._hash(record, name)
        for name in self.hidden:
            self._hash(record.get("input") or {}, name)
        return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()

    def _hash(self, record: dict[str, Any], name: str) -> None:
        if record.get(name) is not None:
            record[name] = keyed(record[name], self.added)


@dataclass
class Parts:
    """The parts of one instance, changed in the order of its chain."""

    before: Ledger
    after: Ledger
    change: Change
    paths: dict[int, str]
    chains: dict[int, str] = field(default_factory=dict)

    def all(self) -> int:
        return sum(self.one(number) for number in sorted(self.paths))

    def one(self, number: int) -> int:
        """Sign one part anew, after the part that it follows; answers how many were written."""
        if number in self.chains:
            return 0
        path = self.paths[number]
        opened, done = open_either(self.before, self.after, path)
        header = opened.header
        self.chains[number] = header.chain(self.after.key) if done else ""
        if done:
            return 0
        earlier = self.one(header.before.number) if header.before and header.before.number in self.paths else 0
        lines = b"".join(self.change.line(line) + b"\n" for line in opened.lines.splitlines())
        changed, content = evidence.rekeyed(
            opened, lines, self.before.key, self.after.key, self._follows(header), LEVEL
        )
        self.after.store.write(path, content)
        self.chains[number] = changed.chain(self.after.key)
        return earlier + 1

    def _follows(self, header: Header) -> Before | None:
        return header.before and self.moved(header.before)

    def moved(self, before: Before) -> Before:
        """The same part, by its chain under the new key; of one that is missing the old chain is all there is."""
        return Before(before.number, before.day, self.chains.get(before.number) or before.chain)


def rekey(change: Change) -> int:
    """Change both ledgers of a problem; answers how many parts were written. Nothing is, where a part is altered."""
    ledgers = [
        tuple(Ledger(change.store, change.problem, key, name) for key in (change.old, change.new)) for name in LEDGERS
    ]
    for before, after in ledgers:
        _verify(before, after)
    written = sum(_ledger(before, after, change) for before, after in ledgers)
    with suppress(Altered):  # a run before this one signed it anew
        if report := read_report(change.store, change.problem, change.old):
            write_report(change.store, change.problem, change.new, report)
    change.store.write(key_place(change.problem), key_note(change.new))
    return written


def open_either(before: Ledger, after: Ledger, path: str) -> tuple[Opened, bool]:
    """A part under the old key or the new one, verified, and whether it is the new one."""
    packed = before.store.read(path) or b""
    try:
        return evidence.open_part(packed, path, after.problem, after.name, after.key), True
    except Altered:
        return evidence.open_part(packed, path, before.problem, before.name, before.key), False


def _paths(ledger: Ledger) -> Iterator[str]:
    return (path for path in ledger.store.paths(ledger.root) if path.endswith(PACKED))


def _verify(before: Ledger, after: Ledger) -> None:
    """Refuse an altered part, head or note before anything is changed."""
    try:
        for path in _paths(before):
            open_either(before, after, path)
        for instance in _heads(before):
            _either(partial(Ledger.head, instance=instance), before, after)
        _either(Ledger.since, before, after)
    except Altered as error:
        raise Refused(f"{error} Nothing was changed: to sign it anew would hide that. Put back a copy.") from None


def _either(read: Callable[[Ledger], object], before: Ledger, after: Ledger) -> None:
    """Read under the new key, or under the old one where that is still to be changed."""
    try:
        read(after)
    except Altered:
        read(before)


def _heads(ledger: Ledger) -> Iterator[str]:
    """The instances that have a head."""
    return (path.rsplit("/", 1)[-1].removesuffix(".json") for path in ledger.store.paths(f"{ledger.chains}/heads"))


def _ledger(before: Ledger, after: Ledger, change: Change) -> int:
    instances: dict[str, dict[int, str]] = {}
    for path in _paths(before):
        if (where := located(path)) is not None:
            instances.setdefault(where.instance, {})[where.number] = path
    written = 0
    for instance, paths in instances.items():
        parts = Parts(before, after, change, paths)
        written += parts.all()
        _head(before, after, instance, parts)
    for instance in _heads(before):
        if instance not in instances:  # all of its parts went by their age
            _head(before, after, instance, Parts(before, after, change, {}))
    _since(before, after)
    return written


def _head(before: Ledger, after: Ledger, instance: str, parts: Parts) -> None:
    try:
        after.head(instance)
    except Altered:
        last = before.head(instance)
        if last is not None:
            after.write_head(instance, parts.moved(last))


def _since(before: Ledger, after: Ledger) -> None:
    try:
        after.since()
    except Altered:
        after.write_since(before.since(), anew=True)
