"""What collect brought, as arrays: which rows are the champion's, which it may be asked again, which are neither."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import polars as pl

from jobs.judging.parts import parts
from jobs.judging.rows import KNOWN
from jobs.watching.drift import Window
from jobs.watching.performance import Rows
from rounds.bundle import Bundle
from rounds.errors import Refused
from rounds.manifest import Facts
from rounds.modelling import Slice

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
INPUT = "input"
PREFIX = f"{INPUT}_"


@dataclass(frozen=True)
class Predictions:
    """The newest prediction of each appointment that the champion made or can be asked for; `own` are its own."""

    table: pl.DataFrame
    matrix: Array
    score: Array
    own: Flags
    left: Facts  # rows that are not looked at, by why: of models with other features, or without a patient
    unseen: tuple[str, ...]  # columns that were sent and that the champion never saw
    told: pl.DataFrame  # what came of each appointment of a known patient, whatever model answered

    def labels(self, since: datetime, actions: Sequence[str]) -> int:
        """Outcomes that a training may use and that came to be known since then: not those of who was called."""
        new = self.told.select(pl.col("outcome").is_not_null() & (pl.col("observed") > since).fill_null(False))
        return int((new.to_series().to_numpy() & ~touched(self.told, actions)).sum())

    @property
    def window(self) -> Array:
        return self.table.get_column("window").to_numpy()

    @property
    def who(self) -> Array:
        return self.table.get_column("who").to_numpy()

    def windows(self, count: int) -> list[Window]:
        """All rows window by window, the newest first."""
        at = (self.window == number for number in range(count))
        return [Window(self.matrix[mine], self.score[mine], self.who[mine]) for mine in at]

    def rows(self, actions: Sequence[str]) -> Rows:
        """The champion's own, with what came of them."""
        mine = self.table.filter(pl.Series(self.own))
        acted = touched(mine, actions)
        return Rows(
            self.score[self.own],
            _numbers(mine, "outcome"),
            acted,
            _numbers(mine, "propensity"),
            self.who[self.own],
            mine.get_column("day").to_numpy(),
            self.window[self.own],
            ~acted & touched(mine, ("message", "call")),
        )

    def parts(self, asked: Sequence[Slice], names: Sequence[str]) -> Iterator[tuple[str, str, Flags]]:
        """The parts of the people among the champion's own rows, as evaluate names them; `names` are the features."""
        for each in asked:
            values = self._column(each, names)
            if values is None:
                continue
            there = values.is_not_null().to_numpy()
            try:
                found = list(parts(each, pl.DataFrame({each.column: values.drop_nulls()})))
            except Refused:
                continue  # what was sent has other values by now: parts of before cannot be told
            for part, mine in found:
                whole = np.zeros(len(there), dtype=bool)
                whole[there] = mine
                yield each.name, part, whole

    def _column(self, asked: Slice, names: Sequence[str]) -> pl.Series | None:
        name, mine = asked.column, self.table.filter(pl.Series(self.own))
        if name == KNOWN:
            return (mine.get_column("history") == "known").cast(pl.Int64).alias(name)
        if name in mine.columns and name not in FIXED and (asked.at is None or mine.schema[name].is_numeric()):
            return mine.get_column(name)
        if name in names:
            values = self.matrix[self.own][:, list(names).index(name)]
            found = pl.Series(name, values.astype(np.float64), nan_to_null=True)
            return found.cast(pl.Int64) if (found.drop_nulls() % 1 == 0).all() else found
        return None


FIXED = ("window", "who", "day", "bundle", "history", "outcome", "action", "propensity", "observed", "at")


def assemble(
    predictions: pl.LazyFrame, bundle: Bundle, slices: Sequence[Slice], same: Callable[[str], bool]
) -> Predictions:
    """The rows that the champion made, and those of models with the same features, scored by the champion.

    `same` says of another bundle's digest whether it reads the same features.
    """
    schema = predictions.collect_schema()
    sent = _sent(schema)
    wanted = [name for name in dict.fromkeys(each.column for each in slices) if name in sent]
    columns = [
        *(name for name in FIXED if name in schema),
        _day(sent, bundle.sections["when"]["happens"]).alias("day"),
        "features",
        "score",
        *(sent[name].alias(name) for name in wanted),
    ]
    table = predictions.filter("last").select(columns).collect()
    bundles = table.get_column("bundle").unique().drop_nulls().sort().to_list()
    alike = [bundle.digest, *(digest for digest in bundles if digest != bundle.digest and same(digest))]
    width = pl.col("features").list.len() == len(bundle.features)
    answering = table.filter(pl.col("bundle").is_in(alike) & width)
    kept = answering.filter(pl.col("who").is_not_null())
    told = table.filter(pl.col("who").is_not_null()).select("outcome", "action", "observed")
    left = {"other_features": table.height - answering.height, "no_patient": answering.height - kept.height}
    matrix = _matrix(kept.get_column("features"), len(bundle.features))
    own = (kept.get_column("bundle") == bundle.digest).to_numpy()
    score = kept.get_column("score").to_numpy().astype(np.float64)
    if not own.all():
        score = score.copy()
        score[~own] = bundle.score(matrix[~own])
    known = set(bundle.sections["columns"])
    kept = kept.drop("features", "score").with_columns((pl.col("who").rank("dense") - 1).cast(pl.Int64))
    return Predictions(kept, matrix, score, own, left, tuple(sorted(set(sent) - known)), told)


def _day(sent: Mapping[str, pl.Expr], happens: str) -> pl.Expr:
    """The day of an appointment as a number; that of its prediction, where it was not sent."""
    predicted = pl.col("at").dt.date()
    day = pl.coalesce(sent[happens].cast(pl.Date), predicted) if happens in sent else predicted
    return day.to_physical()


def touched(table: pl.DataFrame, actions: Collection[str]) -> Flags:
    """The rows of those to whom one of these was done."""
    found: Flags = table.get_column("action").is_in(list(actions)).fill_null(False).to_numpy()
    return found


def _sent(schema: pl.Schema) -> dict[str, pl.Expr]:
    """The columns that were sent, by their names: fields of a struct, or columns with a prefix."""
    if isinstance(schema.get(INPUT), pl.Struct):
        return {field.name: pl.col(INPUT).struct.field(field.name) for field in schema[INPUT].fields}  # type: ignore[attr-defined]
    return {name.removeprefix(PREFIX): pl.col(name) for name in schema if name.startswith(PREFIX)}


def _matrix(features: pl.Series, width: int) -> Array:
    flat = features.explode(empty_as_null=False) if features.len() else pl.Series([], dtype=pl.Float32)
    return flat.cast(pl.Float32).fill_null(float("nan")).to_numpy().reshape(-1, width)


def _numbers(table: pl.DataFrame, name: str) -> Array:
    return table.get_column(name).cast(pl.Float64).fill_null(float("nan")).to_numpy()
