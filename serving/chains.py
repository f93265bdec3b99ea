"""What this folder knows of its instances: the last part that each packed, and how far the store was brought."""

from __future__ import annotations

import gzip
import json
import zlib
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from rounds import evidence
from rounds.errors import StoreError
from rounds.evidence import Altered, Before, Header
from rounds.recorded import Ledger
from serving.segments import Packed, put


@dataclass(frozen=True)
class Last:
    """The part that an instance packed last; `shipped` is the greatest number that the store took."""

    name: str
    number: int
    day: str
    chain: str
    shipped: int = 0

    @property
    def before(self) -> Before:
        return Before(self.number, self.day, self.chain)


@dataclass(frozen=True)
class Chains:
    """A file an instance, written by the process that ships; `faults` is what the store lost since that began."""

    folder: Path
    faults: dict[str, str] = field(default_factory=dict)

    def last(self, instance: str) -> Last | None:
        try:
            return Last(**json.loads(self._path(instance).read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def packed(self, packed: Packed, key: bytes) -> None:
        """On a full disk it is not noted: then the next part is chained to an earlier one."""
        header, last = packed.header, self.last(packed.header.instance)
        shipped = last.shipped if last else 0
        self._write(header.instance, Last(packed.name, header.number, header.day, header.chain(key), shipped))

    def shipped(self, ledger: Ledger, header: Header) -> None:
        """The store has this part: sign the head anew, and notice one that is older than the one that was signed."""
        last = self.last(header.instance)
        noted = self._head(ledger, header.instance, last.shipped if last else 0)
        if noted is None or noted.number <= header.number:
            ledger.write_head(header.instance, header.next(ledger.key))
        if last is not None and last.shipped < header.number:
            self._write(header.instance, replace(last, shipped=header.number))

    def behind(self, ledger: Ledger) -> list[str]:
        """The heads in the store that are older than what was shipped from here."""
        before = dict(self.faults)
        for path in sorted(self.folder.glob("*.json")):
            if (last := self.last(path.stem)) is not None:
                self._head(ledger, path.stem, last.shipped)
        now = dict(self.faults)  # a copy: another thread ships meanwhile
        return [told for instance, told in now.items() if instance not in before]

    def since(self, ledger: Ledger) -> str:
        """The day before which parts were removed on purpose."""
        try:
            return ledger.since()
        except Altered as error:
            self.faults["since"] = str(error)
            return ""

    def forget(self, day: str) -> None:
        """Instances whose last part is of an earlier day."""
        for path in self.folder.glob("*.json"):
            last = self.last(path.stem)
            if last is not None and last.day < day and last.shipped >= last.number:
                path.unlink()

    def header(self, path: Path) -> Header:
        """The header of a packed segment in this folder."""
        try:
            with gzip.open(path) as file:
                return evidence.parse(file.readline(), str(path))[0]
        except (OSError, EOFError, ValueError, TypeError, KeyError, zlib.error) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise StoreError(f"{path} is damaged, so it is not shipped. Look at the disk, and move it away.") from None

    def _head(self, ledger: Ledger, instance: str, shipped: int) -> Before | None:
        try:
            noted = ledger.head(instance)
        except Altered as error:
            self.faults[instance] = str(error)
            return None
        if (noted.number if noted else 0) < shipped:
            told = f"names part {noted.number}" if noted else "is missing"
            self.faults[instance] = (
                f"{ledger.name}: part {shipped} of instance {instance} was shipped, and its head in the store {told}: "
                "it was deleted, or replaced by an older one"
            )
        return noted

    def _write(self, instance: str, last: Last) -> None:
        with suppress(OSError):
            put(self._path(instance), json.dumps(asdict(last)).encode())

    def _path(self, instance: str) -> Path:
        return self.folder / f"{instance}.json"
