"""A ledger as it lies in the store: its parts by days, verified, and read back as records or as tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import polars as pl

from rounds import evidence
from rounds.evidence import ERASED, Altered, Before, Header, Opened, Place
from rounds.journal import LEDGER, note_key, place
from rounds.store import Store

PACKED = ".jsonl.gz"
LEVEL = 1  # of gzip
FORMAT = "format"  # the field of a line


class Part(NamedTuple):
    """A part as a table; `trouble` says what could not be read of it, and is empty when all could."""

    table: pl.DataFrame
    trouble: str


@dataclass(frozen=True)
class Ledger:
    """One ledger of one problem; `seen` and `altered` remember what was read, by path, for `rounds.audit`."""

    store: Store
    problem: str
    key: bytes
    name: str = LEDGER
    seen: dict[str, Header] = field(default_factory=dict)
    altered: dict[str, str] = field(default_factory=dict)

    @property
    def root(self) -> str:
        return f"{self.problem}/.{self.name}"

    @property
    def chains(self) -> str:
        """Where heads and notes about removed parts lie."""
        return f"{self.problem}/.chains/{self.name}"

    def days(self) -> list[str]:
        """The days (UTC) that have a part, in order."""
        return self.store.folders(self.root)

    def parts(self, day: str) -> list[str]:
        """The paths of a day's parts, in order."""
        return [path for path in self.store.paths(f"{self.root}/{day}") if path.endswith(PACKED)]

    def between(self, first: date, last: date) -> list[str]:
        """The paths of the parts that may hold a line of these days, both included, in order."""
        # A part lies under the day of its first line; one that was begun just before midnight holds the next day too.
        around = ((first - timedelta(days=1)).isoformat(), (last + timedelta(days=1)).isoformat())
        days = (day for day in self.days() if around[0] <= day <= around[1])
        return [path for day in days for path in self.parts(day)]

    def open(self, path: str) -> Opened | None:
        """A part, verified; None where it went by its age meanwhile."""
        packed = self.store.read(path)
        if packed is None:
            return None
        try:
            opened = evidence.open_part(packed, path, self.problem, self.name, self.key)
        except Altered as error:
            self.altered[path] = str(error)
            raise
        self.seen[path] = opened.header
        return opened

    def records(self, first: date, last: date) -> Iterator[dict[str, Any]]:
        """Every line of these days, both included, part by part."""
        for path in self.between(first, last):
            opened = self.open(path)
            for line in opened.lines.splitlines() if opened else ():
                record = json.loads(line)
                if first.isoformat() <= record.get("at", "")[:10] <= last.isoformat():
                    yield record

    def table(self, path: str, schema: pl.Schema) -> Part:
        """The fields of a part that a schema asks for; an altered part has no line that can be trusted."""
        try:
            opened = self.open(path)
        except Altered as error:
            return Part(pl.DataFrame(schema=schema), str(error))
        if opened is None:
            return Part(pl.DataFrame(schema=schema), f"{path} is gone")
        wanted = schema if FORMAT in schema else pl.Schema([*schema.items(), (FORMAT, pl.Int64())])
        table, lost = _read(_not_erased(opened.lines), wanted)
        newest = table.get_column(FORMAT).max()
        if newest is not None:
            evidence.check_format(newest, path)
        return Part(table.select(schema.names()), f"{path} has {lost} lines that cannot be read" if lost else "")

    def ship(
        self, records: Iterable[pl.DataFrame], name: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> int:
        """Put lines into the ledger, part by part, unless a try before did; answers how many are new."""
        note_key(self.store, self.problem, self.key)
        there = {path.rsplit("/", 1)[-1]: path for day in self.days() for path in self.parts(day)}
        header: Header | None = None
        new = 0
        for number, part in enumerate(records, 1):
            earlier = there.get(f"{name}-{number:06d}{PACKED}")
            opened = self.open(earlier) if earlier else None
            if opened is not None:
                header = opened.header
                continue
            at = clock()
            timed = part.with_columns(pl.lit(at.isoformat(timespec="milliseconds")).alias("at"))
            before = header.next(self.key) if header else None
            header = self.put(Place(at.date().isoformat(), name, number), timed.write_ndjson().encode(), before)
            new += part.height
        if header is not None:
            self.write_head(name, header.next(self.key))
        return new

    def put(self, where: Place, lines: bytes, before: Before | None = None) -> Header:
        """Write one part."""
        header = evidence.described(where, self.problem, self.name, lines, self.key, before)
        path = place(self.problem, where.day, f"{where.instance}-{where.number:06d}", self.name)
        self.store.write(path, evidence.pack(header, lines, self.key, LEVEL))
        return header

    def head_place(self, instance: str) -> str:
        return f"{self.chains}/heads/{instance}.json"

    def head(self, instance: str) -> Before | None:
        """The last part that an instance shipped, as it signed it; None where nothing is noted."""
        path = self.head_place(instance)
        raw = self.store.read(path)
        if raw is None:
            return None
        told = evidence.open_signed(raw, path, "head", self.key)
        if (told["problem"], told["ledger"], told["instance"]) != (self.problem, self.name, instance):
            raise Altered(f"{path} is altered: it is the head of instance {told['instance']}.")
        return Before(told["number"], told["day"], told["chain"])

    def write_head(self, instance: str, last: Before) -> None:
        """Sign which part is the last of an instance."""
        own = {"problem": self.problem, "ledger": self.name, "instance": instance}
        self.store.write(self.head_place(instance), evidence.sign({**own, **asdict(last)}, "head", self.key))

    @property
    def _since_place(self) -> str:
        return f"{self.chains}/since.json"

    def since(self) -> str:
        """The day before which parts were removed on purpose; empty where none ever was."""
        raw = self.store.read(self._since_place)
        if raw is None:
            return ""
        told = evidence.open_signed(raw, self._since_place, "since", self.key)
        if (told["problem"], told["ledger"]) != (self.problem, self.name):
            raise Altered(f"{self._since_place} is altered: it is of another ledger.")
        return str(told["since"])

    def write_since(self, day: str, *, anew: bool = False) -> None:
        """Note, before it is done, that all parts of earlier days are removed on purpose."""
        if anew or day > self.since():
            told = {"problem": self.problem, "ledger": self.name, "since": day}
            self.store.write(self._since_place, evidence.sign(told, "since", self.key))


def moment(text: pl.Expr) -> pl.Expr:
    """When a line was written; that is always said in UTC."""
    plain = text.str.slice(0, 23).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)
    return plain.dt.replace_time_zone("UTC")


def _not_erased(lines: bytes) -> bytes:
    if not lines.startswith(ERASED) and b"\n" + ERASED not in lines:
        return lines
    return b"".join(line for line in lines.splitlines(keepends=True) if not line.startswith(ERASED))


def _read(content: bytes, schema: pl.Schema) -> tuple[pl.DataFrame, int]:
    """By halves where not every line can be read, so that all others are; and how many those are."""
    try:
        return pl.read_ndjson(content, schema=schema) if content else pl.DataFrame(schema=schema), 0
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        middle = content.find(b"\n", len(content) // 2) + 1
        if middle in {0, len(content)}:
            middle = content.rfind(b"\n", 0, len(content) - 1) + 1
        if middle == 0:
            return pl.DataFrame(schema=schema), 1
        (first, lost), (last, more) = _read(content[:middle], schema), _read(content[middle:], schema)
        return pl.concat([first, last]), lost + more


def search(content: bytes, id: str) -> dict[str, Any] | None:
    """The record of one prediction among lines, each of which begins with its id; the last may be torn."""
    start = b'{"id":' + json.dumps(id).encode() + b","
    at = 0 if content.startswith(start) else content.find(b"\n" + start) + 1
    end = content.find(b"\n", at)
    if end < 0 or not content.startswith(start, at):
        return None
    record: dict[str, Any] = json.loads(content[at:end])
    evidence.check_format(record[FORMAT], f"the prediction {id}")
    return record
