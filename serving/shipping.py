"""From the journal's folder to the store: closed segments are packed, shipped, kept a while, and then go."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rounds.errors import StoreError
from rounds.faults import point
from rounds.journal import LEDGER, place
from rounds.recorded import days, parts
from rounds.store import Store
from serving.segments import SUFFIX, Packed, abandoned, locked, make, mend, pack, put

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
            trouble = self._pack_all()
            for path in self.waiting():
                self._ship(path)
            if forget:
                self._forget_old()
        if trouble is not None:
            raise trouble

    def _pack_all(self) -> OSError | None:
        """One segment that cannot be read or packed does not keep the others."""
        trouble = None
        for path in self.written():
            try:
                self._pack(path)
            except OSError as error:
                trouble = error
        return trouble

    def _pack(self, path: Path) -> None:
        with abandoned(path) as file:
            if file is None:
                return
            if lines := mend(path, file):
                packed = pack(path, lines)
                try:
                    put(self.folder / "waiting" / packed.day / f"{packed.name}{ZIPPED}", packed.content)
                except OSError:  # no room to pack in: what goes to the store from memory needs none
                    self._ship_from_memory(packed)
                point(f"after pack {packed.name}")
            path.unlink()

    def _ship_from_memory(self, packed: Packed) -> None:
        if self.store is None:
            raise StoreError("the journal's disk is full and no STORE takes its segments. Free room, or set STORE.")
        with self._asking():
            self.store.write(self.place(packed.day, packed.name), packed.content)

    def _ship(self, path: Path) -> None:
        if self.store is None:
            return
        day, name = path.parent.name, path.name.removesuffix(ZIPPED)
        with self._asking():
            self.store.upload(path, self.place(day, name))
        kept = self.folder / "shipped" / day / path.name
        try:
            make(kept.parent)
            path.replace(kept)
        except OSError:  # no room for a copy, which the store has
            path.unlink()
        with suppress(OSError):  # another segment of that day may have come
            path.parent.rmdir()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        self.asks(True)
        try:
            yield
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
        if self.store is not None and self.store_days:
            for day in days(self.store, self.problem, self.ledger):
                if day < self._last(self.store_days) and (old := parts(self.store, self.problem, day, self.ledger)):
                    _delete(self.store, old)

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
