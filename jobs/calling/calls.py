"""The calls that were made: whom not to call again so soon."""

from __future__ import annotations

from datetime import date

import polars as pl

from jobs.sources import SOURCES
from rounds.decoding import tidy, value
from rounds.definition import Sections
from rounds.errors import Refused
from rounds.files import Reader
from rounds.knobs import Column
from rounds.sourced import Csv, File, parse_source, with_csv

CALLED = "called"


def last_calls(read: Reader, sections: Sections, csv: Csv) -> dict[str, date]:
    """By patient, the last day on which one was called; none where nobody gave a list."""
    typed = read.options["calls"]
    if not typed:
        return {}
    source = with_csv(parse_source(typed, File(kind="file", path=typed)), csv, ())
    target = read.scratch / "calls.parquet"
    SOURCES[source.kind].land(source, read, target)
    raw = pl.scan_parquet(target, glob=False)
    who, day = sections.columns[sections.who], Column.model_validate({"from": CALLED, "type": "date"})
    if lacking := [name for name in (who.raw, CALLED) if name not in raw.collect_schema()]:
        raise Refused(f"the list of calls has no column '{lacking[0]}'; want '{who.raw}' and '{CALLED}' (a day).")
    named = raw.select(who=value(tidy(pl.col(who.raw), who), who), called=value(tidy(pl.col(CALLED), day), day))
    if unread := named.select(pl.any_horizontal(pl.all().is_null()).sum()).collect().item():
        raise Refused(f"the list of calls has {unread} rows without a patient or a day such as 2026-03-30. Mend them.")
    found = named.group_by("who").agg(pl.col("called").max()).collect()
    return dict(found.iter_rows())
