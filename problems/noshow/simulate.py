"""Simulated appointments: a table with the columns, the habits and the faults of the public no-show table."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import polars as pl

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

# fmt: off
COLUMNS = ("PatientId", "AppointmentID", "Gender", "ScheduledDay", "AppointmentDay", "Age", "Neighbourhood",
           "Scholarship", "Hipertension", "Diabetes", "Alcoholism", "Handcap", "SMS_received", "No-show")
FLAGS = COLUMNS[7:11]
BLOCK = 32_768  # patients, who make about 58 thousand rows
LONGEST_LEAD = 179

# In percent: who is younger; at that age bookings for the same day, women, the flags, any handicap; and what people of
# no special habit miss, booked for the same day and for later.
AGES = (
    # age younger same  women  scholar hyper diabet alcohol handicap missed: same later
    (0,     0.00, 37.0, 48.0,   1.0,   0.0,   0.0,   0.0,   0.0,            3.4,  24.0),
    (1,     3.20, 52.0, 48.0,   3.0,   0.0,   0.0,   0.0,   0.0,            2.7,  34.0),
    (5,     9.27, 42.0, 47.0,  14.0,   0.1,   0.1,   0.0,   0.4,            6.0,  32.0),
    (10,   15.81, 36.0, 47.0,  14.5,   0.1,   0.1,   0.1,   1.2,           11.0,  33.0),
    (15,   21.04, 39.0, 58.0,  14.5,   0.3,   0.5,   0.2,   1.8,           10.5,  37.5),
    (18,   24.77, 41.0, 70.0,  12.5,   0.4,   0.5,   0.2,   1.6,            8.5,  40.0),
    (21,   28.82, 37.0, 73.5,  10.5,   0.6,   0.4,   0.6,   1.5,            6.5,  40.0),
    (26,   34.92, 34.0, 74.5,  12.0,   2.0,   0.8,   1.7,   1.3,            4.6,  38.0),
    (31,   41.29, 35.0, 73.0,  15.5,   5.0,   1.2,   2.5,   1.5,            3.6,  35.5),
    (41,   54.90, 34.5, 70.0,  15.5,  15.0,   4.7,   5.5,   2.0,            3.4,  31.0),
    (51,   67.95, 32.0, 68.0,   8.0,  30.0,   9.3,   6.5,   2.2,            3.5,  24.0),
    (61,   82.12, 30.5, 68.0,   5.0,  44.0,  17.5,   5.6,   2.7,            3.3,  18.5),
    (71,   92.24, 27.5, 67.0,   3.0,  59.0,  24.5,   3.1,   3.7,            3.0,  17.5),
    (81,   97.42, 32.0, 66.0,   0.5,  61.5,  22.5,   1.3,   6.0,            2.8,  20.0),
    (91,   99.72, 33.0, 71.0,   0.0,  65.0,  16.0,   0.0,   9.5,            2.6,  26.0),
    (100,  99.99, 34.0, 71.0,   0.0,  66.0,  10.0,   0.0,  10.0,            2.6,  28.0),
    (116, 100.00, 34.0, 71.0,   0.0,  66.0,  10.0,   0.0,  10.0,            2.6,  28.0),
)
# In percent from here on: of those with a handicap at least so high.
HANDICAPS = {1: 100, 2: 8.9, 3: 0.7, 4: 0.15, 5: 0}
# Of patients with at least so many visits, and of further visits that fall on the day of the first.
VISITS = {1: 100, 2: 39.1, 3: 16.8, 4: 8, 5: 4.2, 6: 2.4, 8: 1.03, 10: 0.53, 15: 0.15, 20: 0.07, 60: 0.013, 89: 0}
TOGETHER = 12.0
# Of bookings for a later day that are at least so many days ahead.
LEADS = {1: 100, 2: 92.5, 3: 83, 4: 77, 5: 72, 6: 67, 7: 61.5, 8: 56, 10: 50, 14: 42.5, 15: 38.5,
         21: 29, 22: 26, 28: 19.5, 30: 16, 36: 9.2, 45: 5.4, 60: 2.6, 75: 0.95, 90: 0.3, 130: 0.09, 178: 0}
# Of bookings made at that hour or later: for the same day, and for a later one.
HOURS_SAME = {6: 100, 7: 99.2, 8: 77.5, 9: 60.2, 10: 47.3, 12: 31.5, 13: 26.7, 14: 18.7, 16: 6.3, 17: 2.8, 18: 1, 21: 0}
HOURS_LATER = {6: 100, 7: 98.2, 8: 83.2, 9: 71.1, 12: 41.5, 13: 36.5, 15: 19.4, 16: 11, 17: 5, 18: 2, 19: 0.6, 21: 0}
# Of appointments so many days ahead that are reminded.
REMINDED = {0: 0, 2: 0, 3: 33, 4: 59.5, LONGEST_LEAD: 61.5}

# Monday to Sunday: how busy; and on the scale of log odds, from here on, what it adds to missing.
WEEKDAYS = ((104, 100, 101, 98, 90, 0.9, 0), (0.06, 0.0, -0.05, -0.05, 0.05, 0.0, 0.0))
# January to December: what holidays and rain add to missing, and take from how busy the days are.
MONTHS = (0.08, 0.06, 0.0, -0.03, 0.02, -0.05, 0.03, -0.04, -0.03, 0.0, 0.03, 0.09)
LEAD_MISSES = {1: -0.60, 3: -0.35, 7: -0.08, 12: 0.18, 30: 0.38, 50: 0.32, 90: 0.10, LONGEST_LEAD: 0.0}
FLAG_MISSES = (0.22, -0.05, 0.04, 0.20)
HABIT = 0.85  # the spread of the patients' own propensity
LEVEL = (-0.58, -0.04)  # for the same day and for later: keeps the table's rates in place under all that is added here

PLACES = ("ALTO", "BAIXADA", "CAMPO", "CHÁCARA", "COLINA", "LADEIRA", "MORRO", "PORTO", "VÁRZEA")
NAMES = ("AROEIRA", "DA FIGUEIRA", "DAS GARÇAS", "DO AÇUDE", "DO CAJÁ", "DO GAVIÃO", "DO IPÊ", "DOS SABIÁS", "PINHÕES")
SIZES = {0: 7700, 1: 5800, 2: 4450, 3: 3900, 5: 3330, 7: 3130, 8: 2850, 14: 2450, 15: 2270, 20: 2020, 26: 1830,
         27: 1550, 34: 1270, 35: 1070, 38: 1030, 39: 855, 45: 800, 46: 700, 53: 500, 67: 260, 74: 120, 78: 10, 80: 1}
# fmt: on


class People(NamedTuple):
    """One entry a patient, in the order of their numbers."""

    number: Array
    age: Array  # at the start, in years with a fraction
    man: Array
    place: Array
    flags: Array  # one row a flag
    handicap: Array
    habit: Array
    visits: Array


class Bookings(NamedTuple):
    """One entry a row of the table, patient by patient."""

    who: Array
    day: Array  # of the appointment, counted from the start
    lead: Array
    second: Array  # of the day of booking
    weekday: Array
    month: Array
    drifted: Array  # how far the drift has gone by then
    age: Array
    reminded: Array


def simulate(
    *, patients: int, seed: int, start: datetime.date, weeks: int, drift: float = 0.0, dirt: float = 0.0
) -> Iterator[pl.DataFrame]:
    """Appointments in the `weeks` from `start`, in blocks of patients; a larger table begins with the smaller one's."""
    for block in range(-(-patients // BLOCK)):
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, block))))
        people = draw_people(rng, block)
        bookings = draw_bookings(rng, people, start, weeks, drift)
        missed = draw_outcomes(rng, people, bookings)
        # No block comes near four visits a patient, so no number is given twice.
        number = 5_000_000 + 4 * BLOCK * block + rng.permutation(len(missed))
        table = spoil(rng, spell(people, bookings, missed, number, start), dirt)
        yield table.head(int(people.visits[: patients - block * BLOCK].sum()))


def draw_people(rng: np.random.Generator, block: int) -> People:
    """A block of patients: everything about them that stays."""
    ages = np.array(AGES).T
    age = np.interp(100 * rng.random(BLOCK), ages[1], ages[0])
    women, *flags, handicapped = (np.interp(age, ages[0], curve) for curve in ages[3:9])
    share = np.cumsum(between(SIZES, np.arange(len(PLACES) * len(NAMES))))
    return People(
        number=block * BLOCK + np.arange(BLOCK),
        age=age,
        man=100 * rng.random(BLOCK) >= women,
        place=np.searchsorted(share, share[-1] * rng.random(BLOCK), side="right"),
        flags=100 * rng.random((len(FLAGS), BLOCK)) < np.array(flags),
        handicap=(100 * rng.random(BLOCK) < handicapped) * draw(rng, HANDICAPS, BLOCK).astype(np.int64),
        habit=HABIT * rng.standard_normal(BLOCK),
        visits=draw(rng, VISITS, BLOCK).astype(np.int64),
    )


def draw_bookings(rng: np.random.Generator, people: People, start: datetime.date, weeks: int, drift: float) -> Bookings:
    """When they come, when they booked that, and whether they are reminded."""
    who = np.repeat(np.arange(BLOCK), people.visits)
    size = len(who)
    first = np.repeat(np.cumsum(people.visits) - people.visits, people.visits)
    moment = rng.random(size)
    moment = np.where(100 * rng.random(size) < TOGETHER, moment[first], moment)
    # Under drift the old come later in time, so that ages shift and nobody ages faster than the calendar.
    moment = moment ** np.exp(drift * (45 - people.age[who]) / 60)
    weekdays, months, busy = calendar(start, weeks)
    day = np.searchsorted(busy, busy[-1] * moment, side="right")
    drifted, age = drift * day / len(busy), people.age[who] + day / 365.25
    same_day = 100 * rng.random(size) < along(2, age) * (1 - 0.3 * drifted)
    lead = np.minimum(draw(rng, LEADS, size) * (1 + drifted), LONGEST_LEAD - 2).astype(np.int64)
    booked = (weekdays[day] - lead) % 7
    # Nobody books at weekends: Saturday's bookings move to Friday, Sunday's to Monday, or to Friday if that is late.
    lead = np.where(same_day, 0, lead + np.select([booked == 5, booked == 6], [1, np.where(lead > 1, -1, 2)], 0))
    hour = np.where(same_day, draw(rng, HOURS_SAME, size), draw(rng, HOURS_LATER, size))
    reminded = 100 * rng.random(size) < between(REMINDED, lead)
    return Bookings(who, day, lead, (3600 * hour).astype(int), weekdays[day], months[day], drifted, age, reminded)


def calendar(start: datetime.date, weeks: int) -> tuple[Array, Array, Array]:
    """Every day's weekday and month, from 0, and how busy it has been up to its end."""
    dates = np.datetime64(start, "D") + np.arange(7 * weeks)
    weekdays = (dates.astype(np.int64) + 3) % 7  # the first of January 1970 was a Thursday
    months = dates.astype("datetime64[M]").astype(np.int64) % 12
    return weekdays, months, np.cumsum(np.array(WEEKDAYS[0])[weekdays] * (1 - np.array(MONTHS)[months]))


def draw_outcomes(rng: np.random.Generator, people: People, bookings: Bookings) -> Array:
    """Who does not come: the patient's habit, the booking, and what only the two together tell."""
    who, lead, age, weekday = bookings.who, bookings.lead, bookings.age, bookings.weekday
    place, early = people.place[who], bookings.second < 8 * 3600
    share = np.array([along(9, age), along(10, age)])
    same, later = np.log(share / (100 - share)) + np.array(LEVEL)[:, None]
    same += 0.4 * people.man[who]
    # The wait matters less to the old, and a reminder more after a long wait.
    later += between(LEAD_MISSES, lead) * (1.4 - age / 80)
    later -= bookings.reminded * 0.03 * np.minimum(lead, 14) + 0.2 * early
    score = np.where(lead == 0, same, later) + people.habit[who] + 0.9 * bookings.drifted
    score += sum(more * flag[who] for more, flag in zip(FLAG_MISSES, people.flags, strict=True))
    score += np.array(WEEKDAYS[1])[weekday] + np.array(MONTHS)[bookings.month]
    # Each place has its own weight, and a market day on which fewer come.
    score += 0.24 * np.sin(2.4 * place) + np.where(weekday == place % 5, 0.32, -0.08)
    return np.asarray(rng.random(len(who)) < 1 / (1 + np.exp(-score)))


def spell(people: People, bookings: Bookings, missed: Array, number: Array, start: datetime.date) -> pl.DataFrame:
    """The same as text, as the public table writes it."""
    who, day, lead, second = bookings.who, LONGEST_LEAD + bookings.day, bookings.lead, bookings.second
    dates = np.datetime64(start, "D") - LONGEST_LEAD + np.arange(day.max() + 1)
    days = pl.Series(np.datetime_as_string(dates).tolist())
    minutes = pl.Series([f"T{minute // 60:02}:{minute % 60:02}:" for minute in range(24 * 60)])
    seconds = pl.Series([f"{second:02}Z" for second in range(60)])
    places = pl.Series([f"{place} {name}" for name in NAMES for place in PLACES])
    columns: dict[str, Any] = {
        "PatientId": identities(people.number).gather(who),
        "AppointmentID": number,
        "Gender": pl.Series(["F", "M"]).gather(people.man[who].astype(np.int64)),
        "ScheduledDay": days.gather(day - lead) + minutes.gather(second // 60) + seconds.gather(second % 60),
        "AppointmentDay": days.gather(day) + "T00:00:00Z",
        "Age": bookings.age.astype(np.int64),
        "Neighbourhood": places.gather(people.place[who]),
        **dict(zip(FLAGS, people.flags[:, who].astype(np.int64), strict=True)),
        "Handcap": people.handicap[who],
        "SMS_received": bookings.reminded.astype(np.int64),
        "No-show": pl.Series(["No", "Yes"]).gather(missed.astype(np.int64)),
    }
    return pl.DataFrame(columns).cast(pl.String)


def identities(number: Array) -> pl.Series:
    """Each patient's own number, spread over fifteen digits; as in the public table, a few have an exponent."""
    digits = pl.Series((number + 1) * 61_803_398_877 % 10**15).cast(pl.String)
    return digits + pl.Series(["", "E-5"]).gather((number % 10_000 == 777).astype(np.int64))


def spoil(rng: np.random.Generator, table: pl.DataFrame, dirt: float) -> pl.DataFrame:
    """The table with that share of its rows made bad, every kind as often."""
    kinds, bad = faults(), rng.random(table.height) < dirt
    kind = pl.Series(np.where(bad, (len(kinds) * rng.random(table.height)).astype(np.int64), -1))
    for which, (column, fault) in enumerate(kinds):
        table = table.with_columns(pl.when(kind == which).then(fault).otherwise(column).alias(column))
    return table


def faults() -> list[tuple[str, pl.Expr]]:
    """Every kind of bad row: a column and what it holds instead."""
    booked = pl.col("ScheduledDay").str.slice(0, 10).str.to_date()
    return [
        ("AppointmentID", pl.col("AppointmentID").shift()),
        ("AppointmentDay", (booked - pl.duration(days=1)).cast(pl.String) + "T00:00:00Z"),
        ("AppointmentDay", pl.lit("31/02/2016")),
        ("Age", pl.lit("-1")),
        ("Age", pl.lit("999")),
        ("Gender", pl.lit("X")),
        ("Neighbourhood", pl.lit(None, pl.String)),
        ("PatientId", pl.lit(None, pl.String)),
        ("No-show", pl.lit("Maybe")),
    ]


def draw(rng: np.random.Generator, shares: Mapping[int, float], size: int) -> Array:
    """Numbers of which each key's share is at least that key."""
    values, percent = list(shares), list(shares.values())
    return np.interp(100 * rng.random(size), percent[::-1], values[::-1])


def between(table: Mapping[int, float], at: Array) -> Array:
    """The table's values, with straight lines between its keys."""
    return np.asarray(np.interp(at, list(table), list(table.values())))


def along(column: int, age: Array) -> Array:
    """A column of the table of ages, at these ages."""
    return between({row[0]: row[column] for row in AGES}, age)
