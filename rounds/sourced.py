"""Where a raw table comes from: a section of `problem.yaml` for each kind of source, or the text that is typed."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from rounds.errors import Refused
from rounds.sections import Knobs, Positive, Share


class Simulate(Knobs):
    """A table made by the problem's own `simulate.py`."""

    kind: Literal["simulate"]
    patients: Positive
    seed: Annotated[int, Field(ge=0)]
    start: datetime.date
    weeks: Positive
    drift: Share = 0.0
    dirt: Share = 0.0


Separator = Literal[",", ";", "\t", "|"]
Decimal = Literal[".", ","]


class Csv(Knobs):
    """The form of csv files, unless a source states its own."""

    separator: Separator = ","
    decimal: Decimal = "."

    @model_validator(mode="after")
    def _marks_differ(self) -> Self:
        if self.separator == self.decimal:
            raise ValueError("separator and decimal are both ','; want another separator, such as ';'")
        return self


class Table(Knobs):
    """A source that may be a csv file; without a separator of its own it has that of `csv`.

    `commas` are the raw names of the columns whose numbers have a decimal comma; `with_csv` fills it in.
    """

    separator: Separator | None = None
    commas: Annotated[tuple[str, ...], Field(exclude=True)] = ()


class File(Table):
    """A csv, csv.gz or Parquet file on this machine."""

    kind: Literal["file"]
    path: str


class Https(Table):
    """A csv, csv.gz or Parquet file on the web, known by its digest."""

    kind: Literal["https"]
    url: Annotated[str, Field(pattern=r"^https?://[^/@\s]+(/\S*)?$")]  # no password: it would be seen in arguments
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class S3(Table):
    """A csv, csv.gz or Parquet file in a bucket, opened with the keys of the environment."""

    kind: Literal["s3"]
    url: Annotated[str, Field(pattern=r"^s3://[^/@?#\s]+/[^/?#][^?#]*$")]


class Dvc(Table):
    """A file that a DVC pointer stands for."""

    kind: Literal["dvc"]
    path: Annotated[str, Field(pattern=r"\.dvc$")]


class Journal(Knobs):
    """What the service was asked and what then happened, up to a day, after the rows of a table."""

    kind: Literal["journal"]
    base: Annotated[Simulate | File | Https | S3 | Dvc, Field(discriminator="kind")] | None = None
    until: datetime.date | None = None  # the last day, both of predictions and of outcomes; otherwise all that is there


Source = Annotated[Simulate | File | Https | S3 | Dvc | Journal, Field(discriminator="kind")]


def with_csv(source: Source, csv: Csv, numbers: Sequence[str]) -> Source:
    """The source, or the table that a journal goes on from, as `csv` says; `numbers` are raw names of columns."""
    if isinstance(source, Journal) and source.base is not None:
        return source.model_copy(update={"base": with_csv(source.base, csv, numbers)})
    if isinstance(source, Table):
        commas = tuple(numbers) if csv.decimal == "," else ()
        return source.model_copy(update={"separator": source.separator or csv.separator, "commas": commas})
    return source


_WANTED = {"https": "https://...#sha256=<64 hex>", "s3": "s3://bucket/key", "journal": "journal:2026-11-20"}


def parse_source(typed: str, otherwise: Source) -> Source:
    """The source that was typed (`--source` or `SOURCE=`); the other one, if nothing or only its kind was typed."""
    if not typed or typed == otherwise.kind:
        return otherwise
    if typed.endswith(".dvc"):
        raw: dict[str, Any] = {"kind": "dvc", "path": typed}
    elif typed.startswith(("http://", "https://")):
        url, _, digest = typed.partition("#sha256=")
        raw = {"kind": "https", "url": url, "sha256": digest}
    elif typed.startswith("s3://"):
        raw = {"kind": "s3", "url": typed}
    elif typed.startswith("journal:"):
        # The journal goes on from the table that would be taken otherwise.
        base = otherwise.base if otherwise.kind == "journal" else otherwise
        raw = {"kind": "journal", "base": base, "until": typed.removeprefix("journal:") or None}
    elif "://" in typed and not typed.startswith("file://"):
        raise Refused(
            f"the source '{typed}' is of no known kind; "
            "want a path, https://...#sha256=..., s3://bucket/key, a .dvc pointer, or journal:2026-11-20."
        )
    else:
        raw = {"kind": "file", "path": typed.removeprefix("file://")}
    try:
        return TypeAdapter[Source](Source).validate_python(raw)
    except ValidationError as error:
        fault = error.errors()[0]
        shown = re.sub("//.*@", "//", typed)  # keys, where somebody put them there
        raise Refused(
            f"the source '{shown}': {fault['loc'][-1]}: {fault['msg']}; want {_WANTED.get(raw['kind'], 'a path')}."
        ) from error


def describe(source: Source) -> str:
    """A source in a few words; what follows a question mark in a URL may be a key."""
    match source:
        case File() | Dvc():
            return source.path
        case Https() | S3():
            return source.url.partition("?")[0]
        case Simulate():
            return "the simulator of the problem"
        case Journal():
            return "the journal"
