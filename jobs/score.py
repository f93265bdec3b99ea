"""Score tomorrow's appointments and say whom to call.  Reads the champion, publish.  Writes list.csv, list.parquet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from pydantic import TypeAdapter

import problems
from jobs.calling import incoming, journaled, ranked, scored
from jobs.calling.calls import last_calls
from jobs.calling.ranked import CALL, INSIDE, PROBABILITY, RANK
from jobs.checks.uniqueness import ROW
from jobs.sources import SOURCES
from rounds import journal, log, manifest
from rounds.answering import Serve
from rounds.bundle import Bundle
from rounds.definition import Sections
from rounds.errors import Refused
from rounds.files import Reader, Writer
from rounds.journal import Answering
from rounds.knobs import Score, Validate
from rounds.manifest import Facts
from rounds.pasts import Pasts, open_pasts
from rounds.reasons import strongest
from rounds.recorded import Ledger
from rounds.sourced import Csv, File, parse_source, with_csv
from rounds.step import step
from rounds.verified_versions import open_champion

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
# A formula at the start of a cell, or of what a spreadsheet takes for one: many split at semicolons and tabs too.
FORMULA = r"(^|[;\t\r\n])([\s\"]*)([=+\-@＝＋－＠])"


@dataclass(frozen=True)
class Knobs:
    model: str
    checks: Validate
    serve: Serve
    score: Score
    csv: Csv


@dataclass(frozen=True)
class Answer:
    """The model that answers, and what it goes by."""

    number: int
    bundle: Bundle
    pasts: Pasts
    knobs: Knobs

    @property
    def sections(self) -> Sections:
        return TypeAdapter(Sections).validate_python(self.bundle.sections)

    @property
    def keys(self) -> list[str]:
        """Whose row it is and which: what a person who calls needs to find it."""
        columns = self.sections.columns
        return list(dict.fromkeys([self.sections.who, *(name for name, column in columns.items() if column.unique)]))


def answer(rows: pl.DataFrame, by: Answer) -> tuple[pl.DataFrame, scored.Scored]:
    """The rows with probability, band and place above or below the capacity line."""
    found = scored.score(rows, by.bundle, by.pasts)
    bands, probability = by.knobs.serve.bands, pl.col(PROBABILITY)
    raised = pl.when(probability < bands.high).then(pl.lit("medium")).otherwise(pl.lit("high"))
    band = pl.when(probability < bands.low).then(pl.lit("low")).otherwise(raised)
    inside = probability >= by.bundle.thresholds["capacity"]
    return rows.with_columns(pl.Series(PROBABILITY, found.score)).with_columns(
        band.alias("band"), inside.alias(INSIDE)
    ), found


def call_list(answered: pl.DataFrame, found: scored.Scored, by: Answer, last: dict[str, date]) -> pl.DataFrame:
    """In order of risk, with whom to call and why: the reasons are for whoever makes the call."""
    happens = by.sections.when.happens
    numbered = answered.with_row_index(":at")
    order = ranked.choose(ranked.rank(numbered, by.keys, happens), by.sections.who, happens, by.knobs.score, last)
    of = order.filter(CALL)
    why = in_words(found.matrix[of.get_column(":at").to_numpy()], by).with_columns(of.get_column(RANK))
    shown = [RANK, happens, *by.keys, PROBABILITY, "band", INSIDE, CALL, ranked.WHY_NOT]
    return order.select(shown).join(why, on=RANK, how="left", maintain_order="left")


def in_words(matrix: Array, by: Answer) -> pl.DataFrame:
    """The strongest reasons of each row by their SHAP values, a column each."""
    wanted, words = by.knobs.serve.reasons, by.knobs.serve.words
    found = strongest(by.bundle.contributions(matrix), matrix, by.bundle.features, words, wanted) if len(matrix) else []
    columns = {f"reason_{at + 1}": [str(row[at]) if at < len(row) else None for row in found] for at in range(wanted)}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def whole(calls: pl.DataFrame, bad: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """The list with the rows that could not be scored at its end, each with what is wrong with it."""
    unscored = bad.select(
        *keys,
        pl.lit(False).alias(CALL),
        pl.lit("cannot be scored").alias(ranked.WHY_NOT),
        pl.col(incoming.RULES).list.join(", ").alias("broken"),
    )
    return pl.concat([calls, unscored], how="diagonal")


def harmless(shown: pl.DataFrame) -> pl.DataFrame:
    """An apostrophe before what a spreadsheet would take for a formula, as the service's page writes it."""
    text = pl.col(pl.String).str.replace_all(FORMULA, "${1}${2}'${3}")
    return shown.with_columns(pl.when(text.str.contains(r"^[\t\r]")).then("'" + text).otherwise(text).name.keep())


def records(
    answered: pl.DataFrame, found: scored.Scored, by: Answer, read: Reader, key: bytes, seed: str
) -> Iterator[pl.DataFrame]:
    """What the journal holds of every row, some rows at a time."""
    answering = Answering(read.problem, by.knobs.model, by.number, by.bundle.digest)
    said = {"history_as_of": by.pasts.as_of, "at": ""}
    for start in range(0, answered.height, journaled.PART):
        rows = slice(start, start + journaled.PART)
        part = answered[rows]
        draws = (hashlib.blake2b(f"{seed} {row}".encode(), digest_size=14) for row in part.get_column(ROW))
        ids = [journal.NIGHTLY + draw.hexdigest() for draw in draws]
        answers = {
            "id": ids,
            "features": pl.Series(found.matrix[rows].astype(np.float64)).arr.to_list(),
            "score": part.get_column(PROBABILITY),
            "band": part.get_column("band"),
            "history": found.history[rows].tolist(),
        }
        yield journaled.table(part, pl.DataFrame(answers), by.sections, answering, key, said)


def land(read: Reader, knobs: Knobs) -> tuple[pl.LazyFrame, Facts]:
    """The appointments as their source spells them, and what they are known by."""
    typed, usual = read.options["appointments"], knobs.score.source
    if not typed and usual is None:
        raise Refused("nobody said which appointments. Want --appointments FILE, or score.source in problem.yaml.")
    given = parse_source(typed, usual or File(kind="file", path=typed))
    source = with_csv(given, knobs.csv, problems.problem(read.problem).numbers)
    target = read.scratch / "appointments.parquet"
    SOURCES[source.kind].land(source, read, target)
    return pl.scan_parquet(target, glob=False), SOURCES[source.kind].fingerprint(source, read)


@step(
    knobs=Knobs,
    reuse=False,
    options={
        "appointments": "a path, https://...#sha256=..., or a .dvc pointer; otherwise score.source of problem.yaml",
        "calls": "the same for the calls that were made, with the patient's column and one named 'called'",
    },
)
def main(read: Reader, write: Writer, knobs: Knobs) -> Facts:
    champion = open_champion(read, knobs.model, "nothing can be scored")
    loaded = champion.bundle
    pasts = open_pasts("", read.store, read.problem, read.scratch / "pasts")
    by = Answer(champion.version.number, loaded, pasts, knobs)
    raw, known = land(read, knobs)
    rows = incoming.read(raw, by.sections, knobs.checks, by.keys)
    answered, found = answer(rows.good, by)
    calls = call_list(answered, found, by, last_calls(read, by.sections, knobs.csv))
    shown = whole(calls, rows.bad, by.keys)
    write.table(shown, "list.parquet")
    harmless(shown).write_csv(write.path("list.csv"))
    seed = manifest.digest([read.run, known, loaded.digest, by.pasts.version])
    key = journal.key(read.store, read.problem)
    lines = records(answered, found, by, read, key, seed)
    new = Ledger(read.store, read.problem, key).ship(lines, f"{journal.SCORED}{seed[:16]}")
    log.say(f"{new:,} predictions are new in the journal")
    return facts(by, rows, calls)


def facts(by: Answer, rows: incoming.Incoming, calls: pl.DataFrame) -> Facts:
    return {
        "rows": rows.rows,
        "scored": rows.good.height,
        "unscored": rows.bad.height,
        "broken": rows.broken,
        "line": by.bundle.thresholds["capacity"],
        "inside_capacity": int(calls.get_column(INSIDE).sum()),
        "called": int(calls.get_column(CALL).sum()),
        "version": by.number,
        "bundle": by.bundle.digest,
        "history_as_of": by.pasts.as_of,
    }


if __name__ == "__main__":
    main.command()
