"""Bad raw tables, and what validate has to make of each: a sentence that refuses it, or rows in quarantine."""

from __future__ import annotations

import datetime
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from problems.noshow.simulate import simulate

ROWS = 1000
ID, WHO, AGE, PLACE = "AppointmentID", "PatientId", "Age", "Neighbourhood"
DAY, BOOKED, MISSED = "AppointmentDay", "ScheduledDay", "No-show"


def sound() -> pl.DataFrame:
    """A thousand rows that nothing is wrong with."""
    return next(simulate(patients=800, seed=3, start=datetime.date(2026, 1, 5), weeks=12)).head(ROWS)


@dataclass(frozen=True)
class Case:
    """`refused`: parts of the sentence. Else `broken`: rule and rows, the only ones in quarantine."""

    name: str
    spoil: Callable[[pl.DataFrame], pl.DataFrame]
    refused: Sequence[str] = ()
    broken: Mapping[str, int] = field(default_factory=dict)
    warned: str = ""
    changed: bool = True  # whether the good rows differ from those of the sound table


def cells(column: str, *values: str | None) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """The first rows have these values in a column."""
    return lambda table: table.with_columns(pl.Series(column, [*values, *table[column].to_list()[len(values) :]]))


def whole(column: str, value: Any) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Every row has it: a value, or an expression over the column."""
    value = value if isinstance(value, pl.Expr) else pl.lit(value, pl.String)
    return lambda table: table.with_columns(value.alias(column))


def renamed(**names: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    return lambda table: table.rename(names)


def later(years: int) -> Callable[[pl.DataFrame], pl.DataFrame]:
    def moved(table: pl.DataFrame) -> pl.DataFrame:
        year = pl.col(DAY, BOOKED).str.slice(0, 4).cast(pl.Int64) + years
        return table.with_columns(year.cast(pl.String) + pl.col(DAY, BOOKED).str.slice(4))

    return moved


def day_first(table: pl.DataFrame) -> pl.DataFrame:
    """Every second day is written as elsewhere."""
    day = pl.col(DAY).str.replace(r"(\d+)-(\d+)-(\d+).*", "$3/$2/$1")
    return table.with_columns(pl.when(pl.int_range(pl.len()) % 2 == 0).then(day).otherwise(DAY).alias(DAY))


def repeated(table: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([table, table.head(3), table.head(1)])


def contradicted(table: pl.DataFrame) -> pl.DataFrame:
    other = table.head(2).with_columns(pl.lit("77").alias(AGE))
    return pl.concat([table, other])


def headless(table: pl.DataFrame) -> pl.DataFrame:
    return table.rename(dict(zip(table.columns, [f"{value} {i}" for i, value in enumerate(table.row(0))], strict=True)))


def inverted(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(pl.col(MISSED).replace({"Yes": "No", "No": "Yes"}))


def from_pandas(table: pl.DataFrame) -> pl.DataFrame:
    """What is left after a table went through floats."""
    flags = ("Age", "Scholarship", "Hipertension", "Diabetes", "Alcoholism", "Handcap", "SMS_received")
    return table.with_columns(pl.col(*flags) + ".0")


def exponents(table: pl.DataFrame) -> pl.DataFrame:
    """The first number of a patient as 1.234E3, with all its digits."""
    who = [f"{one[0]}.{one[1:]}E{len(one) - 1}" if one.isdigit() else one for one in table[WHO]]
    return table.with_columns(pl.Series(WHO, who))


def decomposed(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(pl.Series(PLACE, [unicodedata.normalize("NFD", one) for one in table[PLACE]]))


HUGE = "x" * 200_000

CASES = (
    Case("header only", lambda table: table.clear(), ["no rows"]),
    Case("one row", lambda table: table.head(1), ["minimum-rows", "1 good row"]),
    Case("missing column", lambda table: table.drop(AGE), ["no column 'Age'", "columns.age.from"]),
    Case("renamed column", renamed(Hipertension="Hypertension"), ["'Hipertension'", "column 9 has a name like it"]),
    Case("other case", renamed(Age="AGE"), ["'Age'", "column 6 has a name like it"]),
    Case("two missing", lambda table: table.drop(AGE, PLACE), ["'Age'", "'Neighbourhood'"]),
    Case("doubled column", lambda table: table.with_columns(Age_duplicated_0=AGE), ["'Age' 2 times"]),
    Case("doubled but for space", lambda table: table.with_columns(pl.col(AGE).alias("Age ")), ["'Age' 2 times"]),
    Case("no header", headless, ["0 of the 14 columns", "withheld"]),
    Case("another table", lambda table: table.select(pl.all().name.prefix("x_")), ["0 of the 14 columns"]),
    Case("extra column", lambda table: table.with_columns(Room=pl.lit("1")), warned="column 15 of the", changed=False),
    Case("byte order mark", renamed(PatientId="\ufeffPatientId"), changed=False),
    Case("space in the header", renamed(Gender=" Gender "), changed=False),
    Case("mixed date formats", day_first, ["appointment_day-type by 500"]),
    Case("two days day first", cells(DAY, "29/04/2016", "04/29/2016"), broken={"appointment_day-type": 2}),
    Case("impossible days", cells(DAY, "2026-02-30", "2026-13-01"), broken={"appointment_day-type": 2}),
    Case("days before 1900", cells(DAY, "1899-12-31", "0001-01-01"), broken={"appointment_day-type": 2}),
    Case("days after 2200", cells(DAY, "2201-01-01", "9999-12-31"), broken={"appointment_day-type": 2}),
    Case("a clock in a day", cells(DAY, "2026-02-02T14:00:00Z"), broken={"appointment_day-type": 1}),
    Case("future-dated table", later(60), ["far-future by 1,000", "problem.yaml"]),
    Case("future-dated rows", cells(DAY, "2086-02-02", "2199-02-02"), broken={"far-future": 2}),
    Case("a moment without a clock", cells(BOOKED, "2026-01-05"), broken={"scheduled_day-type": 1}),
    Case("a clock alone", cells(BOOKED, "18:38:08"), broken={"scheduled_day-type": 1}),
    Case("hour 24, second 60", cells(BOOKED, "2025-01-05T24:00:00Z", "2025-01-05T23:59:60Z"),
         broken={"scheduled_day-type": 2}),
    Case("moments with offsets", whole(BOOKED, pl.col(BOOKED).str.replace("Z", "+00:00")), changed=False),
    Case("moments with a space", whole(BOOKED, pl.col(BOOKED).str.replace("T", " ")), changed=False),
    Case("booked after the day", cells(BOOKED, "2027-01-05T08:00:00Z"), broken={"booked-before": 1}),
    Case("one class only", whole(MISSED, "No"), ["outcome-rate", "not-constant", "no_show"]),
    Case("outcome inverted", inverted, ["outcome-rate", "no_show is true in 0."]),
    Case("outcome as 0 and 1", whole(MISSED, pl.col(MISSED).replace({"Yes": "1", "No": "0"})), changed=False),
    Case("outcome in lower case", whole(MISSED, pl.col(MISSED).str.to_lowercase()), ["no_show-type by 1,000"]),
    Case("outcome unknown", cells(MISSED, "Maybe", None, "2"), broken={"no_show-type": 2, "no_show-required": 1}),
    Case("all appointments equal", whole(ID, "1"), ["appointment_id-unique by 1,000"]),
    Case("all patients equal", whole(WHO, "1"), ["not-constant", "patient_id"]),
    Case("all-null column", whole("Diabetes", None), ["diabetes-required by 1,000"]),
    Case("constant column", whole("Diabetes", "0"), ["not-constant", "diabetes"]),
    Case("rows repeated", repeated, broken={"appointment_id-unique": 4}, changed=False),
    Case("rows contradicted", contradicted, broken={"appointment_id-unique": 4}),
    Case("infinity", cells(AGE, "Infinity", "-inf"), broken={"age-type": 2}),
    Case("not a number", cells(AGE, "NaN", "nan"), broken={"age-required": 2}),
    Case("words for nothing", cells(PLACE, "NULL", "NA", "", " "), broken={"neighbourhood-required": 4}),
    Case("nothing", cells("Gender", None, None), broken={"sex-required": 2}),
    Case("thousands separators", cells(AGE, "1,000", "1.000.000"), broken={"age-type": 2}),
    Case("thousands that look like a fraction", cells(AGE, "1.000"), changed=True),
    Case("comma for a point", cells(AGE, "45,0"), broken={"age-type": 1}),
    Case("half years", cells(AGE, "45.5", "0.5"), broken={"age-type": 2}),
    Case("negative zero", cells(AGE, "-0", "-0.0"), changed=True),
    Case("negative age", cells(AGE, "-1"), broken={"age-between": 1}),
    Case("too old", cells(AGE, "121", "999"), broken={"age-between": 2}),
    Case("huge whole numbers", cells(AGE, "9" * 30, "9223372036854775808"), broken={"age-type": 2}),
    Case("other notations", cells(AGE, "1e1", "0x1F", "+5", "5%"), broken={"age-type": 4}),
    Case("unicode digits", cells(AGE, "٤٢", "４２"), broken={"age-type": 2}),
    Case("unicode digits in an identifier", cells(WHO, "١٢٣"), broken={"patient_id-type": 1}),
    Case("booleans as text", whole("Diabetes", pl.col("Diabetes").replace({"0": "False", "1": "TRUE"})), changed=False),
    Case("a flag of 2", cells("Diabetes", "2", "-1"), broken={"diabetes-type": 2}),
    Case("numbers through floats", from_pandas, changed=False),
    Case("sex in lower case", cells("Gender", "f", "X"), broken={"sex-in": 2}),
    Case("spaces around", whole(PLACE, "  " + pl.col(PLACE) + "\t"), changed=False),
    Case("doubled spaces", whole(PLACE, pl.col(PLACE).str.replace(" ", "  ")), changed=False),
    Case("decomposed letters", decomposed, changed=False),
    Case("embedded newlines", cells(PLACE, "A\nB", "A\r\nB"), broken={"neighbourhood-type": 2}),
    Case("control characters", cells(PLACE, "A\0B", "A\x1bB", "\x1c"), broken={"neighbourhood-type": 3}),
    Case("invisible characters", cells(PLACE, "A\u200bB", "\ufeffA", "A\ufffdB"), broken={"neighbourhood-type": 3}),
    Case("huge cells", lambda table: cells(WHO, HUGE)(cells(AGE, HUGE)(cells(PLACE, HUGE)(table))),
         broken={"patient_id-type": 1, "age-type": 1, "neighbourhood-type": 1}),
    Case("huge digits", cells(AGE, "9" * 200_000), broken={"age-type": 1}),
    Case("huge exponents", cells(WHO, "1E" + "9" * 200, "1e-99"), broken={"patient_id-exact": 2}),
    Case("digits lost", cells(WHO, "2.98725E+13", "3E10"), broken={"patient_id-exact": 2}),
    Case("digits that floats have not", cells(WHO, "9007199254740992.0", "1.2345678901234568e+16"),
         broken={"patient_id-exact": 2}),
    Case("all digits kept", exponents, changed=False),
    Case("one row of nothing", lambda table: pl.concat([table, table.head(1).select(pl.lit(None, pl.String).alias(name)
         for name in table.columns)]), changed=False, broken=dict.fromkeys((
             "patient_id-required", "appointment_id-required", "sex-required", "scheduled_day-required",
             "appointment_day-required", "age-required", "neighbourhood-required", "scholarship-required",
             "hypertension-required", "diabetes-required", "alcoholism-required", "handicap-required",
             "reminded-required", "no_show-required"), 1)),
)  # fmt: skip
