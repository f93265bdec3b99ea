"""Which rows repeat what may stand once: by 64-bit digest first, then exactly, on the few that are left."""

from __future__ import annotations

import polars as pl

ROW = ":row"  # no column of ours can have this name


def repeats(table: pl.LazyFrame, column: str, content: pl.Expr) -> pl.Series:
    """The row numbers that break `unique`, ascending.

    Of rows that are equal in all of `content` the first stays, since nothing is lost. Of rows that share the value
    but contradict each other none stays: nobody can tell which of them is true.
    """
    suspects = _suspects(table.select(pl.col(column).hash()).collect(engine="streaming").to_series())
    return (
        table.filter(pl.col(column).is_not_null() & pl.col(column).hash().is_in(suspects))
        .select(ROW, column, content.alias("content"))
        .collect(engine="streaming")
        .select(
            ROW,
            shared=pl.len().over(column) > 1,
            agreed=(pl.col("content") == pl.col("content").first()).all().over(column),
            first=pl.col(ROW) == pl.col(ROW).min().over(column),
        )
        .filter(pl.col("shared") & ~(pl.col("agreed") & pl.col("first")))
        .get_column(ROW)
        .sort()
    )


def _suspects(digests: pl.Series) -> pl.Series:
    """The digests that occur more than once: one sort, no table of counts."""
    ordered = digests.sort()
    return ordered.filter(ordered == ordered.shift(1)).unique(maintain_order=True)
