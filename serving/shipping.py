"""From the journal's folder to the store: closed segments are packed, shipped, kept a while, and then go."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from rounds.errors import Refused, StoreError
from rounds.evidence import Before, Header
from rounds.faults import point
from rounds.journal import LEDGER, note_key, place
from rounds.recorded import Ledger
from rounds.store import Store
from serving.chains import Chains
from serving.segments import SUFFIX, Packed, abandoned, instance, locked, make, mend, name, pack, put

ZIPPED = f"{SUFFIX}.gz"


@dataclass(frozen=True)
class Yard:
    """A folder of segments: written ones lie in it, packed ones under `waiting`, shipped ones under `shipped`.

    Any number of processes write in one folder; one at a time ships for all of them, and for those that died.
    """

    folder: Path
    problem: str
    store: Store | None
    keep: int  # bytes of shipped segments that stay here to be searched
    days: int  # how long they stay at most; 0 is for ever
    store_days: int  # how long they stay in the store; 0 is for ever
    today: Callable[[], datetime] = lambda: datetime.now(UTC)
    ledger: str = LEDGER
    asks: Callable[[bool], None] = lambda _: None  # told when the store is asked to take a segment, and when it has
    key: bytes = field(kw_only=True)  # of the chain and of the hashes

    @property
    def recorded(self) -> Ledger | None:
        """This ledger as it lies in the store."""
        return None if self.store is None else Ledger(self.store, self.problem, self.key, self.ledger)

    @cached_property
    def chains(self) -> Chains:
        return Chains(self.folder / "heads")

    def place(self, day: str, name: str) -> str:
        """Where a part of this ledger lies in the store."""
        return place(self.problem, day, name, self.ledger)

    def written(self) -> list[Path]:
        return sorted(self.folder.glob(f"*{SUFFIX}"))

    def waiting(self) -> list[Path]:
        return sorted((self.folder / "waiting").glob(f"*/*{ZIPPED}"))

    def shipped(self) -> list[Path]:
        return sorted((self.folder / "shipped").glob(f"*/*{ZIPPED}"), key=_age)

    def mend(self) -> None:
        """Cut the torn last lines that dead processes left; what cannot be mended yet is `tidy`'s to tell."""
        for path in self.written():
            with suppress(OSError), abandoned(path) as file:
                if file is not None:
                    mend(path, file)

    def tidy(self, *, wait: bool = False, full: bool = False, forget: bool = False) -> None:
        """Pack, ship and forget, unless another process is at it."""
        with self._alone(wait) as alone:
            if not alone:
                return
            self._forget_copies(0 if full else self.keep)
            unpacked, unshipped = self._pack_all(), self._ship_all()
            trouble = unpacked or unshipped
            if forget:
                self._forget_old()
        if trouble is not None:
            raise trouble

    def _pack_all(self) -> OSError | Refused | None:
        """One segment that cannot be read or packed does not keep the others."""
        trouble: OSError | Refused | None = None
        for path in self.written():
            try:
                self._pack(path)
            except (OSError, Refused) as error:
                trouble = error
        return trouble

    def _ship_all(self) -> OSError | StoreError | Refused | None:
        """One part that is damaged, or of a newer release, does not keep the others; a store that is away keeps all."""
        trouble: OSError | StoreError | Refused | None = None
        for path in self.waiting() if self.store else ():
            try:
                header = self.chains.header(path)
            except (OSError, StoreError, Refused) as error:
                trouble = error
                continue
            self._ship(path, header)
        return trouble

    def _pack(self, path: Path) -> None:
        with abandoned(path) as file:
            if file is None:
                return
            if lines := mend(path, file):
                self._put(path, lines)
            path.unlink()

    def _put(self, path: Path, lines: bytes) -> None:
        last = self.chains.last(instance(path)[0])
        if last is not None and last.name == name(path, lines):
            return  # a try that was killed packed it
        before = last.before if last else self._noted(path)
        packed = pack(path, lines, self.problem, self.ledger, self.key, before)
        try:
            put(self.folder / "waiting" / packed.day / f"{packed.name}{ZIPPED}", packed.content)
        except OSError:  # no room to pack in: what goes to the store from memory needs none
            self._ship_from_memory(packed)
        point(f"after put {packed.name}")
        self.chains.packed(packed, self.key)
        point(f"after pack {packed.name}")

    def _noted(self, path: Path) -> Before | None:
        """The part before as the store's head names it: the note here goes once an instance was silent for long."""
        name, number = instance(path)
        if number == 1 or self.store is None:
            return None
        try:
            with self._asking() as ledger:
                head = ledger.head(name)
        except StoreError:  # then the part is chained to none
            return None
        return head if head and head.number < number else None

    def _ship_from_memory(self, packed: Packed) -> None:
        if self.store is None:
            raise StoreError("the journal's disk is full and no STORE takes its segments. Free room, or set STORE.")
        with self._asking() as ledger:
            self.store.write(self.place(packed.day, packed.name), packed.content)
            self.chains.shipped(ledger, packed.header)

    def _ship(self, path: Path, header: Header) -> None:
        day, name = path.parent.name, path.name.removesuffix(ZIPPED)
        with self._asking() as ledger:
            ledger.store.upload(path, self.place(day, name))
            self.chains.shipped(ledger, header)
        kept = self.folder / "shipped" / day / path.name
        try:
            make(kept.parent)
            path.replace(kept)
        except OSError:  # no room for a copy, which the store has
            path.unlink()
        with suppress(OSError):  # another segment of that day may have come
            path.parent.rmdir()

    @contextmanager
    def _asking(self) -> Iterator[Ledger]:
        """The store, which holds no line of another key."""
        ledger = self.recorded
        assert ledger is not None
        self.asks(True)
        try:
            note_key(ledger.store, self.problem, self.key)
            yield ledger
        finally:
            self.asks(False)

    def _forget_copies(self, room: int) -> None:
        """Of what was shipped the newest stay, as many as there is room for."""
        for path in reversed(self.shipped()):
            room -= path.stat().st_size
            if room < 0:
                path.unlink()

    def _forget_old(self) -> None:
        for path in self.shipped():
            if path.parent.name < self._last(self.days):
                path.unlink()
        self.chains.forget(self._last(self.days))
        if (ledger := self.recorded) is not None and self.store_days:
            last = self._last(self.store_days)
            old = [path for day in ledger.days() if day < last for path in ledger.parts(day)]
            if old:
                ledger.write_since(last)
                _delete(ledger.store, old)

    def lacking(self) -> list[str]:
        """What was shipped from this folder and is not in the store any more; sentences that name parts."""
        ledger = self.recorded
        if ledger is None:
            return []
        since = max(self.chains.since(ledger), self._last(self.store_days))
        copies: dict[str, set[str]] = {}
        for path in self.shipped():
            copies.setdefault(path.parent.name, set()).add(path.name)
        lost = []
        for day in sorted(day for day in copies if day >= since):
            there = {path.rsplit("/", 1)[-1] for path in ledger.parts(day)}
            lost += [f"{day}/{name}" for name in sorted(copies[day] - there)]
        told = [f"{self.ledger}: part {path} was shipped, and is not in the store any more" for path in lost]
        return [*self.chains.faults.values(), *self.chains.behind(ledger), *told]

    def _last(self, days: int) -> str:
        """The first day that stays."""
        return (self.today() - timedelta(days=days)).date().isoformat() if days else ""

    @contextmanager
    def _alone(self, wait: bool) -> Iterator[bool]:
        file = os.open(self.folder / ".shipping", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            yield locked(file, wait=wait)
        finally:
            os.close(file)


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _delete(store: Store, paths: list[str]) -> None:
    try:
        store.delete(paths)
    except StoreError as error:
        if not isinstance(error.__cause__, FileNotFoundError):  # a replica beside us was first
            raise
