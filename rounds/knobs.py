"""Every key that `problem.yaml` may have, its type, and what must hold between keys."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from rounds.answering import Serve
from rounds.modelling import Evaluate, Register, Train, Tune
from rounds.sections import Knobs, Positive, Share
from rounds.sourced import Csv, Source
from rounds.watched import Watch

Moment = Literal["booking", "day_before"]
ColumnType = Literal["identifier", "integer", "number", "flag", "category", "date", "timestamp"]
DayFormat = Literal["DD/MM/YYYY", "MM/DD/YYYY", "DD.MM.YYYY", "DD-MM-YYYY"]
Action = Literal["warn", "refuse"]


Bounds = tuple[
    Annotated[float, Field(allow_inf_nan=False)],
    Annotated[float, Field(allow_inf_nan=False)],
]


class When(Knobs):
    """The days of a row: when it was booked, when it happens, and when a prediction is made."""

    booked: str
    happens: str
    moment: Moment


class Outcome(Knobs):
    """The column to predict, and how the raw table spells it."""

    column: str
    true: str
    false: str


class Column(Knobs):
    """One column: what the raw table calls it, what it holds, and from which moment on it is known."""

    raw: Annotated[str, Field(alias="from")]
    type: ColumnType
    between: Bounds | None = None
    format: DayFormat | None = None  # a spelling of days beside 2016-04-29
    within: Annotated[tuple[str, ...] | None, Field(alias="in", min_length=1)] = None
    unique: bool = False
    missing: Literal["refuse", "keep"] = "refuse"  # rows without a value; a definition reads 0 there, or -1 for 'in'
    known: Moment | Literal["afterwards"] = "booking"
    zone: str | None = None  # of the clock on the wall, for timestamps; without one it is UTC

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, zone: str | None) -> str | None:
        if zone is not None:
            try:
                ZoneInfo(zone)
            except (ValueError, OSError, KeyError) as error:  # a name that is none is a KeyError
                raise ValueError(
                    f"zone is '{zone}'; want the name of a time zone, such as America/Sao_Paulo"
                ) from error
        return zone

    @property
    def clock(self) -> datetime.tzinfo:
        """The zone whose clock its timestamps are read by."""
        return ZoneInfo(self.zone) if self.zone else datetime.UTC

    @model_validator(mode="after")
    def _checks_fit_the_type(self) -> Self:
        if self.between is not None and self.type not in {"integer", "number"}:
            raise ValueError(
                f"between is for integer and number, and the type is {self.type}; use 'in', or leave it out"
            )
        if self.between is not None and self.between[0] > self.between[1]:
            raise ValueError(f"between is {list(self.between)}; want the lower bound first")
        if self.format is not None and self.type not in {"date", "timestamp"}:
            raise ValueError(f"format is for date and timestamp, and the type is {self.type}; leave it out")
        if self.zone is not None and self.type != "timestamp":
            raise ValueError(f"zone is for a timestamp, and the type is {self.type}; leave it out")
        if self.within is not None and self.type != "category":
            raise ValueError(f"'in' is for a category, and the type is {self.type}; use 'between', or leave it out")
        if self.missing == "keep" and self.type in {"date", "timestamp"}:
            raise ValueError(f"missing is keep, and the type is {self.type}; a missing day is no number, want refuse")
        words = self.within or ()
        if doubled := sorted({word for word in words if words.count(word) > 1}):
            raise ValueError(f"'in' lists '{doubled[0]}' twice; want each value once")
        return self


# A column, a number or a date.
Bound = str | float | datetime.date

_KINDS = {"integer": "number", "number": "number", "flag": "number", "date": "day", "timestamp": "day"}


JOURNAL_DAYS = 60  # as many as `collect` reads


class Rule(Knobs):
    """One check beyond those that `columns` implies: of each row (`column`) or of the whole table (`table`)."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    column: str | None = None
    table: Literal["rows", "outcome_rate", "constant", "vanished", "drift", "restated"] | None = None
    at_least: Bound | None = None
    at_most: Bound | None = None
    between: Bounds | None = None
    action: Action = "refuse"
    journal_days: Annotated[int, Field(ge=0)] | None = None  # of restated: how far back the journal is read

    @model_validator(mode="after")
    def _is_one_check(self) -> Self:
        if (self.column is None) == (self.table is None):
            raise ValueError(
                "want exactly one of 'column' (a check of each row) and 'table' (a check of the whole table)"
            )
        bounds = [self.at_least, self.at_most, self.between]
        if self.table in {"constant", "vanished"}:
            if any(bound is not None for bound in bounds):
                raise ValueError(f"table: {self.table} takes no bound; leave at_least, at_most and between out")
        elif sum(bound is not None for bound in bounds) != 1:
            raise ValueError("want exactly one of at_least, at_most and between")
        if self.between is not None and self.between[0] > self.between[1]:
            raise ValueError(f"between is {list(self.between)}; want the lower bound first")
        if self.table is not None and any(isinstance(bound, str | datetime.date) for bound in bounds):
            raise ValueError("the bound of a table rule is a number")
        if self.column is not None and self.action == "warn":
            raise ValueError("a check of each row sends rows to quarantine; leave action out")
        if self.table == "drift" and self.at_most is None:
            raise ValueError("table: drift wants at_most, the largest population stability index that is let pass")
        if self.table == "restated" and self.at_most is None:
            raise ValueError("table: restated wants at_most, the largest share of changed rows that is let pass")
        if self.table != "restated" and self.journal_days is not None:
            raise ValueError("journal_days is for table: restated; leave it out")
        return self

    def misfit(self, columns: Mapping[str, Column]) -> str | None:
        """What is wrong with this rule's bounds for the types of its columns, if anything is."""
        if self.column is None:
            return None
        own = columns[self.column].type
        for bound in (self.at_least, self.at_most, self.between):
            if isinstance(bound, str):
                if _KINDS.get(own) is None or _KINDS.get(own) != _KINDS.get(columns[bound].type):
                    return (
                        f"compares {self.column} ({own}) with {bound} ({columns[bound].type}); want two days or numbers"
                    )
            elif isinstance(bound, datetime.date) and _KINDS.get(own) != "day":
                return f"bounds {self.column} ({own}) by a date; want a column of type date or timestamp"
            elif isinstance(bound, float | tuple) and _KINDS.get(own) != "number":
                return f"bounds {self.column} ({own}) by a number; want a column of type integer, number or flag"
        return None


class Quarantine(Knobs):
    """How many bad rows a table may have before the run stops, and how far their outcomes may differ.

    `bias_at_most` bounds the distance of their outcome rate from that of the good rows, beyond chance.
    """

    at_most: Share
    bias_at_most: Share = 0.2


class Validate(Knobs):
    """What a table must satisfy beyond the types and ranges of its columns."""

    rules: tuple[Rule, ...]
    quarantine: Quarantine

    @property
    def journal_days(self) -> int:
        """So many days of the journal at most are read; none without a rule that needs it."""
        given = (rule.journal_days for rule in self.rules if rule.table == "restated")
        return max((JOURNAL_DAYS if days is None else days for days in given), default=0)

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        ids = [rule.id for rule in self.rules]
        doubled = sorted({name for name in ids if ids.count(name) > 1})
        if doubled:
            raise ValueError(f"two rules have the id {doubled[0]}; want each id once")
        return self


class Features(Knobs):
    """Whose history a row carries: a word for it, and the column that names the entity."""

    history: Annotated[dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], str], Field(default_factory=dict)]


class Split(Knobs):
    """Three slices of time, in this order, none overlapping: the rows of model, calibrator and test."""

    by: str
    fit: Share
    calibrate: Share
    test: Share
    newest: Annotated[int, Field(ge=4)] | None = None  # days that calibrate and test take at most; fit gets the older

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        parts = {"fit": self.fit, "calibrate": self.calibrate, "test": self.test}
        for name, share in parts.items():
            if share == 0:
                raise ValueError(f"{name} is 0; want a share above 0")
        total = math.fsum(parts.values())
        if not math.isclose(total, 1.0, abs_tol=1e-9):
            raise ValueError(f"fit, calibrate and test add up to {total:.4g}; want 1 (100%)")
        return self


class Publish(Knobs):
    """When the histories are published for whoever predicts."""

    schedule: str | None = "@daily"


class Score(Knobs):
    """The list of whom to call: its appointments, when it is made, and whom not to call (again)."""

    schedule: str | None = "0 17 * * *"  # in UTC; in time to call for tomorrow
    source: Source | None = None
    calls: Positive | None = None  # so many at most; otherwise those above the model's own threshold
    mute: Annotated[int, Field(ge=0)] = 0  # days since the last call
    per_patient_days: Annotated[int, Field(ge=0)] = 7


class Problem(Watch):
    """One thing to predict."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    title: str
    model: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]
    schedule: str | None = None
    owner: str = "rounds"  # whom Airflow names
    source: Source
    csv: Csv = Csv()
    who: str
    when: When
    outcome: Outcome
    columns: Annotated[
        dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], Column],
        Field(min_length=1),
    ]
    checks: Annotated[Validate, Field(alias="validate")]
    features: Features
    split: Split
    tune: Tune
    train: Train
    evaluate: Evaluate
    registry: Annotated[Register, Field(alias="register")]
    serve: Serve = Serve()
    publish: Publish = Publish()
    score: Score = Score()

    @property
    def numbers(self) -> tuple[str, ...]:
        """The raw names of the columns that hold numbers, which a csv may write with a decimal comma."""
        return tuple(column.raw for column in self.columns.values() if column.type in {"integer", "number"})

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        for key, name in self._column_names():
            if name not in self.columns:
                raise ValueError(f"{key} names the column '{name}'; want one of {', '.join(sorted(self.columns))}")
        for key, name, types in self._typed_names():
            if self.columns[name].type not in types:
                raise ValueError(f"{key} is '{name}' of type {self.columns[name].type}; want {' or '.join(types)}")
        for key, name in self._needed_names():
            if self.columns[name].missing == "keep":
                raise ValueError(f"columns.{name}.missing is keep, and {key} needs a value in every row; want refuse")
        for rule in self.checks.rules:
            if (misfit := rule.misfit(self.columns)) is not None:
                raise ValueError(f"validate.rules.{rule.id} {misfit}")
        if not any(column.unique for column in self.columns.values()):
            raise ValueError("columns: none is unique; give the identifier of a row 'unique: true'")
        raws = [column.raw for column in self.columns.values()]
        doubled = sorted({raw for raw in raws if raws.count(raw) > 1})
        if doubled:
            raise ValueError(f"columns: two columns come from '{doubled[0]}'; want each raw column once")
        return self

    def _column_names(self) -> Iterator[tuple[str, str]]:
        yield "who", self.who
        yield "when.booked", self.when.booked
        yield "when.happens", self.when.happens
        yield "outcome.column", self.outcome.column
        yield "split.by", self.split.by
        for word, name in self.features.history.items():
            yield f"features.history.{word}", name
        for rule in self.checks.rules:
            if rule.column is not None:
                yield f"validate.rules.{rule.id}.column", rule.column
            for bound in ("at_least", "at_most"):
                if isinstance(getattr(rule, bound), str):
                    yield f"validate.rules.{rule.id}.{bound}", getattr(rule, bound)

    def _needed_names(self) -> Iterator[tuple[str, str]]:
        """The columns that need a value in every row, each with the key that needs it."""
        yield "who", self.who
        yield "outcome.column", self.outcome.column
        for word, name in self.features.history.items():
            yield f"features.history.{word}", name
        for name, column in self.columns.items():
            if column.unique:
                yield f"columns.{name}.unique", name

    def _typed_names(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        yield "who", self.who, ("identifier",)
        yield "when.booked", self.when.booked, ("date", "timestamp")
        yield "when.happens", self.when.happens, ("date", "timestamp")
        yield "outcome.column", self.outcome.column, ("flag",)
        yield "split.by", self.split.by, ("date", "timestamp")
        for word, name in self.features.history.items():
            yield f"features.history.{word}", name, ("identifier", "category")
