"""What a table is like in numbers, and how far it has moved from another one: no single patient is in it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from rounds.knobs import Column

SMALL = 10  # a cell with fewer rows is about somebody
BINS, ROWS_A_BIN = 64, 50
GROUPS = 10
OTHER = "other"
MISSING = "missing"
EXPECTED = 30  # rows of a category: to find fewer than SMALL by chance is as likely as one in thirty thousand
LEAP = 366  # days
FAR_OUT = 2**53

Profile = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """How a column differs from the last good run's: `size` is a count, a PSI or days, in the words of `text`."""

    kind: str
    column: str
    size: float
    text: str


def profile(table: pl.LazyFrame, columns: Mapping[str, Column], outcome: str) -> Profile:
    """Counts per category and per bin of each column; whatever is rarer than ten rows is lumped."""
    names = list(columns)
    ranges = [_is_constant(pl.col(name)).alias(name) for name in names]
    constant = table.select(ranges).collect(engine="streaming").row(0, named=True)
    total = table.select(pl.len(), pl.col(outcome).sum().alias("missed")).collect(engine="streaming")
    rows, positive = total.row(0)
    return {
        "rows": rows,
        "outcome": {"column": outcome, "true": positive},
        "columns": {
            name: {"type": column.type, "constant": constant[name] is True, **_counts(table, name, column, rows)}
            for name, column in columns.items()
        },
    }


def _is_constant(cells: pl.Expr) -> pl.Expr:
    """One value in every row, or none in any; a value in some rows alone tells these from the rest."""
    missing = cells.null_count()
    return (missing == pl.len()) | ((missing == 0) & (cells.min() == cells.max()))


def _counts(table: pl.LazyFrame, name: str, column: Column, rows: int) -> Profile:
    if column.type == "identifier" or rows == 0:
        return {}
    if column.type == "category":
        shown = set(column.within or ())
        counts, missing = _tally(table.select(pl.col(name).alias("cell")))
        # The name of an open category is a patient's value: a digest tells them apart as well.
        return _lumped({key if key in shown else masked(key): size for key, size in counts.items()}, missing, SMALL)
    number = pl.col(name).cast(pl.Date).to_physical() if column.type in {"date", "timestamp"} else pl.col(name)
    bins = min(max(rows // ROWS_A_BIN, GROUPS), BINS)
    power = _power(table.select(number.alias("cell")), bins, whole=column.type != "number")
    index = (number / 2.0**power).floor().clip(-FAR_OUT, FAR_OUT).cast(pl.Int64)
    counts, missing = _tally(table.select(index.alias("cell")))
    return {"power": power, **_lumped(counts, missing, max(SMALL, rows // 1000))}


def masked(category: str) -> str:
    return hashlib.sha256(category.encode()).hexdigest()[:16]


def _power(cells: pl.LazyFrame, bins: int, *, whole: bool) -> int:
    """Bins are as wide as a power of two, so that those of two tables are made of one another."""
    edges = [pl.col("cell").quantile(share, "nearest").alias(str(share)) for share in (0.01, 0.99)]
    low, high = cells.select(edges).collect(engine="streaming").row(0)
    power = math.ceil(math.log2((high - low) / bins)) if high > low else 0
    return max(power, 0) if whole else power


def _tally(cells: pl.LazyFrame) -> tuple[dict[str, int], int]:
    """How many rows each cell has, and how many have none."""
    counted = cells.group_by("cell").agg(pl.len().alias("size")).sort("cell").collect(engine="streaming")
    sizes = dict(counted.iter_rows())
    missing = int(sizes.pop(None, 0))
    return {str(cell): size for cell, size in sizes.items()}, missing


def _lumped(counts: Mapping[str, int], missing: int, small: int) -> Profile:
    kept = {cell: size for cell, size in counts.items() if size >= small}
    rest = sum(counts.values()) - sum(kept.values())
    if missing < small:
        return {"counts": kept, OTHER: rest + missing}
    return {"counts": kept, OTHER: rest, MISSING: missing}


def compare(now: Profile, last: Profile) -> list[Finding]:
    """What differs by more than chance; columns that the last table had not are left out."""
    findings: list[Finding] = []
    for name, column in now["columns"].items():
        before = last["columns"].get(name)
        if before is None or before["type"] != column["type"] or "counts" not in column or "counts" not in before:
            continue
        if column["type"] == "category":
            findings += _vanished(name, column, before, now["rows"] / last["rows"])
        if column["type"] in {"date", "timestamp"}:
            findings += _leap(name, column, before)
        else:
            findings += _drift(name, column, before)
    return findings


def _vanished(name: str, now: Profile, before: Profile, scale: float) -> Iterator[Finding]:
    gone = [
        size * scale
        for category, size in before["counts"].items()
        if category not in now["counts"] and size * scale >= EXPECTED
    ]
    if gone:
        text = f"{len(gone)} of its categories vanished, of which about {math.fsum(gone):.0f} rows were to be expected"
        yield Finding("vanished", name, len(gone), text)


def _leap(name: str, now: Profile, before: Profile) -> Iterator[Finding]:
    """Days move on from run to run; by more than a year they leap."""
    if not now["counts"] or not before["counts"]:
        return
    ends = [max(int(index) for index in one["counts"]) * 2 ** one["power"] for one in (before, now)]
    slack = LEAP + 2 ** max(now["power"], before["power"])
    if abs(ends[1] - ends[0]) > slack:
        yield Finding(
            "leap", name, ends[1] - ends[0], f"its last days lie {ends[1] - ends[0]:+} days from those before"
        )


def _drift(name: str, now: Profile, before: Profile) -> Iterator[Finding]:
    pairs = _paired(now, before)
    sizes = [math.fsum(side) for side in zip(*pairs, strict=True)]
    if len(pairs) < 2 or 0 in sizes:
        return
    psi = stability(pairs)
    if psi > by_chance(len(pairs) - 1, 1 / sizes[0] + 1 / sizes[1]):
        yield Finding("drift", name, psi, f"its population stability index is {psi:.2f}")


def _paired(now: Profile, before: Profile) -> list[tuple[int, int]]:
    """Counts of both tables over the same cells; what only one of them lumped is lumped for both."""
    if "power" in now:
        power = max(now["power"], before["power"])
        new, old = _coarse(now, power), _coarse(before, power)
    else:
        new, old = now["counts"], before["counts"]
    rows = [math.fsum([*cells.values(), one[OTHER], one.get(MISSING, 0)]) for cells, one in ((new, now), (old, before))]
    pairs, rest = [], [now[OTHER], before[OTHER]]
    for key in sorted(new.keys() | old.keys()):
        pair = (new.get(key, 0), old.get(key, 0))
        if 0 in pair and max(pair[0] / rows[0] * rows[1], pair[1] / rows[1] * rows[0]) < EXPECTED:
            rest = [rest[0] + pair[0], rest[1] + pair[1]]
        else:
            pairs.append(pair)
    if "power" in now:
        pairs = _grouped(pairs)
    missing = (now.get(MISSING, 0), before.get(MISSING, 0))
    if any(missing):
        pairs = [*pairs, missing]
    return [*pairs, (rest[0], rest[1])] if any(rest) else pairs


def _coarse(one: Profile, power: int) -> dict[int, int]:
    merged: dict[int, int] = {}
    for index, size in one["counts"].items():
        key = int(index) >> (power - one["power"])
        merged[key] = merged.get(key, 0) + size
    return merged


def _grouped(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Neighbouring bins together, about a tenth of the earlier table in each."""
    wanted = sum(old for _, old in pairs) / GROUPS
    groups, new, old = [], 0, 0
    for more_new, more_old in pairs:
        new, old = new + more_new, old + more_old
        if old >= wanted:
            groups.append((new, old))
            new, old = 0, 0
    return [*groups, (new, old)] if new or old else groups


def stability(pairs: list[tuple[int, int]]) -> float:
    """The population stability index; half a row is added to each cell, so that an empty one is not infinitely far."""
    totals = [math.fsum(side) + len(pairs) / 2 for side in zip(*pairs, strict=True)]
    shares = [((new + 0.5) / totals[0], (old + 0.5) / totals[1]) for new, old in pairs]
    return math.fsum((new - old) * math.log(new / old) for new, old in shares)


def by_chance(freedom: int, variance: float) -> float:
    """What the index reaches in one comparison of ten thousand though nothing moved (Wilson and Hilferty's cube)."""
    spread = 2 / (9 * freedom)
    return float(freedom * (1 - spread + 3.72 * math.sqrt(spread)) ** 3 * variance)
