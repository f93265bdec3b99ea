"""What a raw cell means: text to a typed value, or no value where it means nothing for certain."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping

import polars as pl

from rounds.knobs import Column, Outcome

LONGEST = 200
EARLIEST, LATEST = datetime.date(1900, 1, 1), datetime.date(2200, 12, 31)
FURTHEST_EXPONENT = 40

# How programs spell "nothing here". A column that means one of them lists it in `in`.
_NULLS = "NULL Null null NA na N/A n/a #N/A <NA> NAN NaN Nan nan NONE None none NaT NAT nat NIL nil \\N"
NULLS = frozenset(("", *_NULLS.split()))
FLAGS = {1: ("1", "1.0", "true", "yes", "t", "y"), 0: ("0", "0.0", "false", "no", "f", "n")}

WHOLE = r"^-?[0-9]+(\.0+)?$"
NUMBER = r"^-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?$"
SCIENTIFIC = r"^(-?)([0-9]+)(?:\.([0-9]*))?[eE]([+-]?[0-9]+)$"
FLOATING = rf"{SCIENTIFIC}|^-?[0-9]+\.0+$"
UNCERTAIN = 2.0**53  # from here on a floating-point number stands for several whole numbers
PRINTABLE = r"^[!-~]([ -~]*[!-~])?$"
ZONE = r"(Z|[+-](0[0-9]|1[0-4]):?[0-5][0-9])?"
DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
OFFSET = r"(Z|[+-][0-9]{2}:?[0-9]{2})$"
DATE = rf"^{DAY}([T ]00:00:00(\.0+)?{ZONE})?$"
TIMESTAMP = rf"^{DAY}[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{{1,9}})?{ZONE}$"


def tidy(cell: pl.Expr, column: Column, outcome: Outcome | None = None) -> pl.Expr:
    """The text of a cell without the space around it; null where it only says that there is nothing."""
    text = cell.cast(pl.String).str.strip_chars()
    spoken = set(column.within or ()) | ({outcome.true, outcome.false} if outcome else set())
    return pl.when(~text.is_in(sorted(NULLS - spoken))).then(text)


def value(text: pl.Expr, column: Column, outcome: Outcome | None = None) -> pl.Expr:
    """The typed value of tidy text; null where there is none that is certain."""
    if outcome is not None:
        return _spelt(text, answers(outcome))
    text = text if column.format is None else _in_order(text, column.format)
    return READERS[column.type](text) if column.zone is None else _timestamp(text, column.zone)


def _in_order(text: pl.Expr, format: str) -> pl.Expr:
    """A day of this format as year, month, day, with the time that follows it; any other text as it is."""
    mark = re.escape(format[2])
    groups = text.str.extract_groups(rf"^([0-9]{{1,2}}){mark}([0-9]{{1,2}}){mark}([0-9]{{4}})([T ].*)?$").struct
    first, second = (groups.field(name).str.zfill(2) for name in ("1", "2"))
    day, month = (first, second) if format.startswith("DD") else (second, first)
    time = groups.field("4").fill_null("")
    seconds = pl.when(time.str.contains(r"^.[0-9]{1,2}:[0-9]{2}$")).then(pl.lit(":00")).otherwise(pl.lit(""))
    padded = time.str.replace(r"^(.)([0-9]:)", "${1}0${2}") + seconds
    iso = pl.concat_str([groups.field("3"), pl.lit("-"), month, pl.lit("-"), day, padded])
    return pl.when(groups.field("3").is_not_null()).then(iso).otherwise(text)


def answers(outcome: Outcome) -> dict[int, tuple[str, ...]]:
    """How an outcome may be spelt: by its own two words, and as 0 and 1 where these words say nothing else."""
    if {outcome.true, outcome.false} & {"0", "0.0", "1", "1.0"}:
        return {1: (outcome.true,), 0: (outcome.false,)}
    return {1: (outcome.true, "1", "1.0"), 0: (outcome.false, "0", "0.0")}


def is_floating(text: pl.Expr) -> pl.Expr:
    """An identifier that a program wrote as a floating-point number: with an exponent, or whole with a point."""
    return text.str.contains(FLOATING)


def _identifier(text: pl.Expr) -> pl.Expr:
    point = text.str.contains(r"^-?[0-9]+\.[0-9]*$")
    plain = pl.when(point).then(text.str.strip_chars_end("0").str.strip_chars_end(".")).otherwise(text)
    fits = text.str.contains(PRINTABLE) & (text.str.len_chars() <= LONGEST)
    scientific = pl.when(text.str.contains(SCIENTIFIC)).then(text)
    read = pl.when(scientific.is_not_null()).then(_written_out(scientific)).when(fits).then(plain)
    size = pl.when(is_floating(text)).then(text).cast(pl.Float64, strict=False).abs()
    return pl.when(size.fill_null(0) < UNCERTAIN).then(read)


def _written_out(text: pl.Expr) -> pl.Expr:
    """`9377952927E-5` as 93779.52927; null where zeros would have to be made up for digits that are lost."""
    parts = text.str.extract_groups(SCIENTIFIC).struct
    sign, whole, fraction = parts.field("1"), parts.field("2"), parts.field("3").fill_null("")
    exponent = parts.field("4").cast(pl.Int64, strict=False)
    digits = pl.lit("0" * FURTHEST_EXPONENT) + whole + fraction
    point = FURTHEST_EXPONENT + whole.str.len_chars().cast(pl.Int64) + exponent
    exact = (exponent <= fraction.str.len_chars().cast(pl.Int64)) & (exponent >= -FURTHEST_EXPONENT)
    short = text.str.len_chars() <= LONGEST
    before = digits.str.slice(0, point.clip(0)).str.strip_chars_start("0")
    after = digits.str.slice(point.clip(0)).str.strip_chars_end("0")
    before = pl.when(before == "").then(pl.lit("0")).otherwise(before)
    after = pl.when(after == "").then(pl.lit("")).otherwise(pl.lit(".") + after)
    return pl.when(exact & short).then(sign + before + after)


def _integer(text: pl.Expr) -> pl.Expr:
    whole = pl.when(text.str.contains(WHOLE)).then(text.str.replace(r"\.0+$", ""))
    return whole.cast(pl.Int64, strict=False)


def _number(text: pl.Expr) -> pl.Expr:
    number = pl.when(text.str.contains(NUMBER)).then(text).cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(pl.when(number == 0).then(0.0).otherwise(number))  # -0.0 is 0.0


def _flag(text: pl.Expr) -> pl.Expr:
    return _spelt(text.str.to_lowercase(), FLAGS)


def _spelt(text: pl.Expr, words: Mapping[int, tuple[str, ...]]) -> pl.Expr:
    """0 or 1 by their words; `replace_strict` would hold the whole column in memory."""
    one, zero = (pl.when(text.is_in(words[number])).then(pl.lit(number, pl.Int64)) for number in (1, 0))
    return pl.coalesce(one, zero)


def _category(text: pl.Expr) -> pl.Expr:
    """One spelling of one thing: composed letters, single spaces; invisible or damaged characters are no text."""
    fits = (text.str.len_chars() <= LONGEST) & ~text.str.contains(r"[\p{C}\x{FFFD}]")
    rare = pl.when(text.str.contains(r"[^ -~]|  ")).then(text)  # composing is slow, and most text is plain
    return pl.when(fits).then(pl.coalesce(rare.str.normalize("NFC").str.replace_all(r"\s+", " "), text))


def _date(text: pl.Expr) -> pl.Expr:
    """The day as written, whatever zone its midnight is of."""
    day = pl.when(text.str.contains(DATE)).then(text.str.slice(0, 10)).str.to_date("%Y-%m-%d", strict=False)
    return pl.when(day.is_between(EARLIEST, LATEST)).then(day)


def _timestamp(text: pl.Expr, zone: str = "UTC") -> pl.Expr:
    """The local time in the zone; a time without an offset is local already."""
    shaped = pl.when(text.str.contains(TIMESTAMP)).then(text)
    clock = shaped.str.slice(0, 19).str.replace(" ", "T", literal=True)
    moment = clock.str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False)
    fraction = (
        pl.when(shaped.str.contains(".", literal=True))
        .then(shaped)
        .str.extract(r"\.([0-9]{1,9})")
        .str.pad_end(6, "0")
        .str.slice(0, 6)
    )
    zoned = pl.when(~shaped.str.ends_with("Z")).then(shaped)
    sign = pl.when(zoned.str.contains(r"-[0-9]{2}:?[0-9]{2}$")).then(-1).otherwise(1)
    hours = zoned.str.extract(r"[+-]([0-9]{2}):?[0-9]{2}$").cast(pl.Int64).fill_null(0)
    minutes = zoned.str.extract(r"[+-][0-9]{2}:?([0-9]{2})$").cast(pl.Int64).fill_null(0)
    moment = moment + pl.duration(microseconds=fraction.cast(pl.Int64).fill_null(0), time_unit="us")
    moment = moment - pl.duration(minutes=sign * (60 * hours + minutes), time_unit="us")
    if zone != "UTC":
        local = moment.dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.replace_time_zone(None)
        moment = pl.when(shaped.str.contains(OFFSET)).then(local).otherwise(moment)
    return pl.when(moment.dt.date().is_between(EARLIEST, LATEST)).then(moment)


READERS: Mapping[str, Callable[[pl.Expr], pl.Expr]] = {
    "identifier": _identifier,
    "integer": _integer,
    "number": _number,
    "flag": _flag,
    "category": _category,
    "date": _date,
    "timestamp": _timestamp,
}
