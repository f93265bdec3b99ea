"""Where a raw table comes from, as `problem.yaml` says it: one section for each kind of source."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import Field

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


class Csv(Knobs):
    """How csv files are written where a source does not say it itself."""

    separator: Separator = ","


class Table(Knobs):
    """A source that may be a csv file; without a separator of its own it has that of `csv`."""

    separator: Separator | None = None


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


def with_separator(source: Source, csv: Csv) -> Source:
    """The source, and the table that a journal goes on from, with the separator of `csv` where they name none."""
    if isinstance(source, Journal) and source.base is not None:
        return source.model_copy(update={"base": with_separator(source.base, csv)})
    if isinstance(source, Table) and source.separator is None:
        return source.model_copy(update={"separator": csv.separator})
    return source
