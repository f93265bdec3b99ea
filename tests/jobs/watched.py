"""A journal and its outcomes as weeks of service would leave them, made in seconds from the simulator.

    world = watched(store, bundle, rows=2000)        # a real champion's; four weeks of predictions, up to world.to
    warm.run(checkout, "collect", "w", "--to", world.to.isoformat(), JOURNAL_KEY=KEY)

Each appointment is predicted at noon the day before it, with the history that was known then; its outcome comes on its
evening. `world.truth` has, row by row, id, appointment (in the clear), score, missed (what would happen untouched),
outcome (what happened), action and propensity. `drift` is the simulator's, `change` alters its raw table before it is
predicted, `known` is the share of outcomes that arrive, `called` the share of the highest scores that may be called:
nine in ten of these are (propensity 0.9), and a call turns a miss into a visit with the chance `works`.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

import problems
from jobs.calling import journaled
from jobs.calling.incoming import read
from jobs.checks.uniqueness import ROW
from rounds import outcomes, tables
from rounds.bundle import Bundle
from rounds.decoding import answers
from rounds.evidence import FORMAT, Place, key_id
from rounds.journal import Answering, keyed, note_key
from rounds.knobs import Problem
from rounds.recorded import Ledger
from rounds.store import Store

KEY = "a secret of the clinic that is long enough"
FIRST = datetime.date(2026, 3, 2)  # a Monday
CHANCE = 0.9


@dataclass(frozen=True)
class World:
    """What was made; `to` is when the newest window ends."""

    to: datetime.datetime
    truth: pl.DataFrame


def watched(
    store: Store,
    bundle: Bundle,
    *,
    rows: int = 2000,
    weeks: int = 4,
    version: int = 1,
    drift: float = 0.0,
    change: Callable[[pl.DataFrame], pl.DataFrame] = lambda raw: raw,
    known: float = 1.0,
    called: float = 0.0,
    works: float = 0.5,
    seed: int = 11,
    first: datetime.date = FIRST,
) -> World:
    of = problems.problem(bundle.problem)
    raw = change(simulated(of, rows, weeks, drift, seed, first))
    good = scored(raw, bundle, of)
    truth = lived(good, seed, known, called, works)
    predictions, said = written(truth, bundle, of, version)
    for ledger, table in (("journal", predictions), (outcomes.LEDGER, said)):
        for day, part in by_day(table):
            noon = datetime.datetime.fromisoformat(f"{day}T12:00:00+00:00")
            put(store, of.name, f"made-{seed}-{day}", ledger, part, noon)
    end = datetime.datetime.combine(first + datetime.timedelta(7 * weeks - 1), datetime.time(), datetime.UTC)
    return World(end, truth)


def simulated(of: Problem, rows: int, weeks: int, drift: float, seed: int, first: datetime.date) -> pl.DataFrame:
    """The raw table, without bad rows: about so many in these weeks."""
    made = problems.definition(of.name, "simulate").simulate(
        patients=int(rows / 1.6) + 50, seed=seed, start=first, weeks=weeks, drift=drift, dirt=0.0
    )
    own = outcomes.which(of.columns)
    assert own is not None
    name = of.columns[own].raw  # another appointment than all that problem.yaml's own source has
    return pl.concat(list(made)).head(rows).with_columns(pl.format("9{}", name).alias(name))


def scored(raw: pl.DataFrame, bundle: Bundle, of: Problem) -> pl.DataFrame:
    """Typed, with what the definition makes of it, and when it was predicted."""
    incoming = read(raw.lazy(), of, of.checks, [])
    said = raw.get_column(of.columns[of.outcome.column].raw)
    missed = incoming.good.select(
        said.gather(incoming.good.get_column(ROW) - 1).is_in(answers(of.outcome)[1])
    ).to_series()
    typed = incoming.good.with_columns(missed.cast(pl.Int64).alias(of.outcome.column))
    matrix, _ = tables.build_features(typed, bundle.rebuild())
    visits = list(bundle.features).index("patient_visits") if "patient_visits" in bundle.features else None
    there = np.zeros(len(matrix), bool) if visits is None else matrix[:, visits] > 0
    happens = typed.get_column(of.when.happens).cast(pl.Date)
    order = np.arange(len(matrix)) % 1000
    return typed.with_columns(
        pl.Series("features", matrix.astype(np.float64)).arr.to_list(),
        pl.Series("score", bundle.score(matrix)),
        pl.Series("history", np.where(there, "known", "unknown").tolist()),
        (
            happens.cast(pl.Datetime("ms")) - pl.duration(hours=12) + pl.Series(order) * pl.duration(milliseconds=1)
        ).alias("at"),
        missed=missed,
    ).sort("at", *(name for name in of.columns if of.columns[name].unique))


def lived(good: pl.DataFrame, seed: int, known: float, called: float, works: float) -> pl.DataFrame:
    """Who was called, whom that helped, and whose outcome is known."""
    draw = np.random.default_rng(seed)
    rows = good.height
    high = good.get_column("score").rank("ordinal", descending=True).to_numpy() <= called * rows
    call, helped, told = high & (draw.random(rows) < CHANCE), draw.random(rows) < works, draw.random(rows) < known
    missed = good.get_column("missed").to_numpy()
    return good.with_columns(
        pl.Series("outcome", missed & ~(call & helped)),
        pl.Series("action", np.where(call, "call", "none").tolist()),
        pl.Series("propensity", np.where(high, np.where(call, CHANCE, 1 - CHANCE), 1.0)),
        pl.Series("told", told),
        pl.Series("id", [f"{seed:04x}{row:028x}" for row in range(rows)]),
        pl.lit("medium").alias("band"),
    )


def written(truth: pl.DataFrame, bundle: Bundle, of: Problem, version: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The lines of both ledgers."""
    answering = Answering(of.name, of.model, version, bundle.digest)
    own, secret = outcomes.which(of.columns), KEY.encode()
    assert own is not None
    asked, answers = truth.drop(of.outcome.column), truth.select("id", "features", "score", "band", "history")
    predictions = journaled.table(asked, answers, of, answering, secret, {"history_as_of": None, "at": ""})
    moment = pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%S%.3f+00:00")
    predictions = predictions.with_columns(truth.select(moment))
    told = truth.filter("told")
    hashed = [keyed(one, secret) for one in told.get_column(own).to_list()]
    said = told.select(
        pl.format("o{}", "id").alias("entry"),
        (pl.col("at") + pl.duration(hours=30)).alias("at").dt.strftime("%Y-%m-%dT%H:%M:%S%.3f+00:00"),
        pl.lit(FORMAT, pl.Int64).alias("format"),
        pl.lit(key_id(secret)).alias("key"),
        pl.lit(None, pl.String).alias("id"),
        pl.Series("appointment", hashed, pl.String),
        *("outcome", "action", "propensity"),
        pl.lit(None, pl.String).alias("observed"),
    )
    return predictions, said.select(outcomes.FIELDS)


def by_day(table: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    days = table.with_columns(pl.col("at").str.slice(0, 10).alias("day"))
    for (day,), part in days.partition_by("day", as_dict=True, maintain_order=True, include_key=False).items():
        yield str(day), part


def put(store: Store, problem: str, name: str, ledger: str, part: pl.DataFrame, at: datetime.datetime) -> None:
    own = Ledger(store, problem, KEY.encode(), ledger)
    note_key(store, problem, own.key)
    own.write_head(name, own.put(Place(at.date().isoformat(), name, 1), part.write_ndjson().encode()).next(own.key))
