"""How fast features are, beside the plain pandas way, and how much memory they take: `python -m bench.features`."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import polars as pl

import problems
from bench.measure import alone, peak, seconds, show, slope
from jobs import features as step
from rounds import tables
from rounds.arithmetic import Numbers
from rounds.definition import Definition, Sections
from rounds.history import WORDS, Past, past

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
SIZES = (1_000_000, 4_000_000, 16_000_000)
LARGE = 20_000_000
PLAIN = 400_000  # rows for pandas, and of these so many row by row
APPLIED = 20_000
BLOCK = 1_000_000


def knobs() -> Sections:
    found = problems.problem("noshow")
    return Sections(found.columns, found.who, found.when, found.outcome, found.features)


def definition() -> Definition:
    return Definition(knobs(), problems.definition("noshow", "features").features)


def appointments(rows: int) -> Iterator[pl.DataFrame]:
    """A typed table, block by block: 1.8 visits a patient over 400 days, a third of them booked on the day."""
    draw = np.random.default_rng(7)
    for start in range(0, rows, BLOCK):
        size = min(BLOCK, rows - start)
        day = draw.integers(16800, 17200, size)
        lead = np.where(draw.random(size) < 0.35, 0, draw.integers(1, 100, size))
        booked = (day - lead) * 86400 + draw.integers(6 * 3600, 20 * 3600, size)
        shares = {"scholarship": 0.1, "hypertension": 0.2, "diabetes": 0.07, "alcoholism": 0.03}
        who = (draw.integers(1, 2 + rows * 5 // 9, size) * 61_803_398_877) % 10**15
        yield pl.DataFrame(
            {
                "patient_id": pl.Series(who).cast(pl.String),
                "appointment_id": pl.Series(5_000_000 + start + draw.permutation(size)).cast(pl.String),
                "sex": pl.Series(["F", "M"]).gather(draw.integers(0, 2, size)),
                "scheduled_day": pl.Series(booked * 1_000_000).cast(pl.Datetime("us")),
                "appointment_day": pl.Series(day.astype(np.int32)).cast(pl.Date),
                "age": draw.integers(0, 100, size),
                "neighbourhood": pl.Series([f"PLACE {at}" for at in range(81)]).gather(draw.integers(0, 81, size)),
                **{name: (draw.random(size) < share).astype(np.int64) for name, share in shares.items()},
                "handicap": draw.integers(0, 5, size) * (draw.random(size) < 0.02),
                "reminded": (draw.random(size) < 0.3).astype(np.int64),
                "no_show": (draw.random(size) < 0.2).astype(np.int64),
            }
        )


def write(rows: int, target: Path) -> dict[str, float]:
    from polars.io.plugins import register_io_source

    def blocks(*_: Any) -> Iterator[pl.DataFrame]:
        yield from appointments(rows)

    lazy = register_io_source(blocks, schema=next(appointments(1)).schema, is_pure=True)
    lazy.sink_parquet(target, row_group_size=step.CHUNK, engine="streaming")
    return {}


def speed(table: Path) -> dict[str, float]:
    """Both parts of one table, matrix out, in seconds of one core."""
    wanted = definition()
    compacted = tables.compact(pl.scan_parquet(table, glob=False), wanted).collect()
    known: dict[str, Array] = {}
    history = seconds(lambda: known.update(tables.histories(compacted.lazy(), wanted)), 3)
    row = seconds(lambda: tables.matrix(compacted, known, wanted), 3)
    return {"row": row, "history": history}


def whole(table: Path) -> dict[str, float]:
    """From the typed table to the matrix in memory."""
    begun = time.perf_counter()
    tables.build_features(pl.scan_parquet(table, glob=False), definition())
    return {"peak": peak(), "seconds": time.perf_counter() - begun}


def streamed(table: Path) -> dict[str, float]:
    """What the step does, from the typed table to the sorted file."""
    begun, wanted = time.perf_counter(), definition()
    compacted = tables.compact(pl.scan_parquet(table, glob=False), wanted).collect()
    known = tables.histories(compacted.lazy(), wanted)
    target = table.with_suffix(".features")
    step.sink(compacted, known, wanted, knobs(), target)
    step.check(target, wanted)
    target.unlink()
    return {"peak": peak(), "seconds": time.perf_counter() - begun}


def request(times: int = 20_000) -> dict[str, float]:
    """Microseconds for one request: its named numbers to features, and all the way from typed values and a past."""
    wanted, table = definition(), next(appointments(1000))
    row = table.row(0, named=True)
    pasts = {word: kept(table, name) for word, name in wanted.history.items()}
    numbers = dict.fromkeys(wanted.readable, 1) | {f"{word}_{part}": 1 for word in pasts for part in WORDS}
    repeated = range(times)
    plain = seconds(lambda: [wanted.evaluate(dict(numbers), Numbers) for _ in repeated], 5)
    everything = seconds(lambda: [wanted.numbers(row, pasts) for _ in repeated], 5)
    return {"plain": plain / times * 1e6, "everything": everything / times * 1e6}


def kept(table: pl.DataFrame, name: str) -> Past:
    return past(table.select(pl.col("appointment_day").to_physical(), "no_show").rows())


def pandas_table(table: pl.DataFrame) -> pd.DataFrame:
    plain = {
        name: values.to_numpy() if values.dtype.is_temporal() else values.to_list()
        for name, values in table.to_dict().items()
    }
    return pd.DataFrame(plain).astype(dict.fromkeys(("scheduled_day", "appointment_day"), "datetime64[ns]"))


def pandas_rows(table: pd.DataFrame) -> pd.DataFrame:
    """The row part as one writes it in pandas."""
    booked = table["scheduled_day"].dt.normalize()
    lead = (table["appointment_day"] - booked).dt.days
    age = table["age"]
    found = pd.DataFrame(
        {
            "lead_days": lead,
            "same_day": lead.eq(0),
            "booking_minute": table["scheduled_day"].dt.hour * 60 + table["scheduled_day"].dt.minute,
            "booking_weekday": booked.dt.weekday,
            "appointment_weekday": table["appointment_day"].dt.weekday,
            "appointment_month": table["appointment_day"].dt.month,
            "weekend_between": lead > table["appointment_day"].dt.weekday,
            "sex": table["sex"].map({"F": 0, "M": 1}),
            "age_band": pd.cut(age, [-1, 11, 17, 34, 59, 200], labels=False),
            "conditions": table[["hypertension", "diabetes", "alcoholism"]].sum(axis=1) + table["handicap"].gt(0),
        }
    )
    plain = ["age", "scholarship", "hypertension", "diabetes", "alcoholism", "handicap", "reminded"]
    return pd.concat([found, table[plain]], axis=1).astype("float32")


def pandas_history(table: pd.DataFrame) -> pd.DataFrame:
    """History by day, as one writes it in pandas: totals a day, running sums, and the last day before the moment."""
    eve = np.maximum(table["scheduled_day"].dt.normalize(), table["appointment_day"] - pd.Timedelta(days=1))
    asked = table.assign(until=eve - pd.Timedelta(days=1), row=np.arange(len(table))).sort_values("until")
    found = []
    for name in ("patient_id", "neighbourhood"):
        days = table.groupby([name, "appointment_day"])["no_show"].agg(["size", "sum"]).reset_index()
        days[["visits", "missed"]] = days.groupby(name)[["size", "sum"]].cumsum()
        days = days.rename(columns={"appointment_day": "last_day", "sum": "last_missed"}).sort_values("last_day")
        joined = pd.merge_asof(asked, days, left_on="until", right_on="last_day", by=name)
        found.append(joined.sort_values("row")[["visits", "missed", "last_day", "last_missed"]].add_prefix(f"{name}_"))
    return pd.concat([part.reset_index(drop=True) for part in found], axis=1)


def pandas_applied(row: Any) -> dict[str, float]:
    """A few of the features row by row, as one writes it with apply."""
    lead = (row["appointment_day"].normalize() - row["scheduled_day"].normalize()).days
    return {"lead_days": lead, "same_day": lead == 0, "weekday": row["appointment_day"].weekday(), "age": row["age"]}


def beside_pandas() -> dict[str, float]:
    """Rows a second of one core, ours and theirs, on one table."""
    wanted, table = definition(), next(appointments(PLAIN)).head(PLAIN)
    theirs, compacted = pandas_table(table), tables.compact(table.lazy(), wanted).collect()
    known = tables.histories(compacted.lazy(), wanted)
    return {
        "row": PLAIN / seconds(lambda: tables.matrix(compacted, known, wanted), 3),
        "history": PLAIN / seconds(lambda: tables.histories(compacted.lazy(), wanted), 3),
        "pandas_row": PLAIN / seconds(lambda: pandas_rows(theirs), 2),
        "pandas_history": PLAIN / seconds(lambda: pandas_history(theirs)),
        "pandas_applied": APPLIED / seconds(lambda: theirs.head(APPLIED).apply(pandas_applied, axis=1)),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        by_size = {}
        for rows in SIZES:
            table = Path(folder) / "table.parquet"
            measured("write", str(rows), str(table))
            by_size[rows] = measured("speed", str(table))
            show(f"{rows:,} rows, one core", list(of_one_size(rows, by_size[rows])))
        row = {rows: found["row"] for rows, found in by_size.items()}
        steep = {"row part": slope(row), "with history": slope({n: row[n] + by_size[n]["history"] for n in row})}
        show("log-log slope", [(part, f"{value:.2f}", "at most 1.1") for part, value in steep.items()])
        show(
            "one request",
            [(f"from {what}", f"{found:.1f} us", "under 10 us") for what, found in measured("request").items()],
        )
        show(f"beside pandas, {PLAIN:,} rows, one core", list(of_pandas(measured("beside_pandas"))))
        measured("write", str(LARGE), str(table))
        for what in ("whole", "streamed"):
            found = measured(what, str(table), threads=2)
            text = [
                ("memory at most", f"{found['peak']:.2f} GB", "under 4 GB"),
                ("time", f"{found['seconds']:.0f} s", ""),
            ]
            show(f"{LARGE:,} rows, {'matrix in memory' if what == 'whole' else 'the step, sorted file out'}", text)


def measured(what: str, *arguments: str, threads: int = 1) -> dict[str, float]:
    return alone("bench.features", what, *arguments, threads=threads)


def of_one_size(rows: int, found: dict[str, float]) -> Iterator[tuple[str, str, str]]:
    both = found["row"] + found["history"]
    yield "row part, matrix out", f"{rows / found['row'] / 1e6:.2f} M rows/s", "at least 4"
    yield "history of patient and area", f"{rows / found['history'] / 1e6:.2f} M rows/s", ""
    yield "both", f"{rows / both / 1e6:.2f} M rows/s", "at least 0.8"


def of_pandas(found: dict[str, float]) -> Iterator[tuple[str, str, str]]:
    for theirs, ours in (("pandas_row", "row"), ("pandas_history", "history"), ("pandas_applied", "row")):
        times = found[ours] / found[theirs]
        yield theirs.replace("_", ", "), f"{found[theirs] / 1e6:.3f} M rows/s", f"ours is {times:.0f} times as fast"


WORK: dict[str, Callable[..., dict[str, float]]] = {
    "write": lambda rows, target: write(int(rows), Path(target)),
    "speed": lambda table: speed(Path(table)),
    "whole": lambda table: whole(Path(table)),
    "streamed": lambda table: streamed(Path(table)),
    "request": request,
    "beside_pandas": beside_pandas,
}

if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(WORK[sys.argv[1]](*sys.argv[2:])))
    else:
        main()
