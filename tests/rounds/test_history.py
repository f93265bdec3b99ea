"""History goes by days alone, never looks past its cut-off, and is the same for a table and for one row."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rounds import history as under_test
from rounds.history import NOTHING, history, past

Records = list[tuple[str, int, int, int]]  # whose, day, missed, cut-off
FAR = st.one_of(st.integers(0, 5), st.integers(-1000, 1000), st.sampled_from([-719_162, -1, 0, 2_932_896]))
names = st.one_of(st.sampled_from("abc"), st.sampled_from(["93779.52927", "7", "07", "", "ä", "a" * 200]))
records = st.lists(st.tuples(names, FAR, st.integers(0, 1), FAR), min_size=1, max_size=40)
LIKENESS = pytest.mark.parametrize("kind", ["identifier", "category"])


def computed(rows: Records, kind: str) -> list[tuple[int, ...]]:
    entity = pl.Series([row[0] for row in rows], dtype=pl.String)
    if kind == "category":
        entity = entity.cast(pl.Categorical(pl.Categories.random()))
    day, missed, cutoff = (np.array([row[at] for row in rows], kind) for at, kind in ((1, "i4"), (2, "i1"), (3, "i4")))
    return [tuple(found) for found in history(entity, day, missed, cutoff).tolist()]


def plain(rows: Records, who: str, cutoff: int) -> tuple[int, ...]:
    """The definition itself, row by row."""
    earlier = [(day, missed) for name, day, missed, _ in rows if name == who and day < cutoff]
    if not earlier:
        return NOTHING
    last = max(day for day, _ in earlier)
    return len(earlier), sum(m for _, m in earlier), last, sum(m for day, m in earlier if day == last)


@LIKENESS
@given(rows=records)
@example(rows=[("a", 3, 1, 3)])
@example(rows=[("a", 3, 1, 4)])
@example(rows=[("a", -719_162, 1, 0), ("a", 2_932_896, 0, 2_932_896), ("b", 5, 1, 2_932_897)])
@example(rows=[("a", day // 3, day % 2, day // 2) for day in range(60)])
def test_it_is_what_it_says(kind: str, rows: Records) -> None:
    assert computed(rows, kind) == [plain(rows, who, cutoff) for who, _, _, cutoff in rows]


@given(rows=records)
def test_one_row_alone_is_looked_up_to_the_same(rows: Records) -> None:
    for who, _, _, cutoff in rows:
        kept = past((day, missed) for name, day, missed, _ in rows if name == who)
        assert kept.before(cutoff) == plain(rows, who, cutoff)


@LIKENESS
@given(rows=records, chance=st.randoms())
def test_the_order_of_rows_does_not_matter(kind: str, rows: Records, chance: Any) -> None:
    shuffled = list(range(len(rows)))
    chance.shuffle(shuffled)
    found = computed([rows[at] for at in shuffled], kind)
    assert found == [computed(rows, kind)[at] for at in shuffled]


@LIKENESS
@given(rows=records, flip=st.booleans())
def test_what_is_not_over_changes_nothing(kind: str, rows: Records, flip: bool) -> None:
    found = computed(rows, kind)
    for at, (_, _, _, cutoff) in enumerate(rows):
        if flip:
            other = [(who, day, missed if day < cutoff else 1 - missed, cut) for who, day, missed, cut in rows]
            assert computed(other, kind)[at] == found[at]
        else:
            known = [row for i, row in enumerate(rows) if i == at or row[1] < cutoff]
            assert computed(known, kind)[known.index(rows[at])] == found[at]


def many(rows: int, entities: int, days: int) -> Records:
    draw = np.random.default_rng(7)
    who, day, missed, cutoff = (draw.integers(0, top, rows).tolist() for top in (entities, days, 2, days + 2))
    return list(zip([str(name) for name in who], day, missed, cutoff, strict=True))


@pytest.mark.parametrize(("rows", "entities", "days"), [(5000, 3000, 40), (5000, 7, 300), (3000, 1, 3000)])
def test_in_parts_it_is_the_same(monkeypatch: pytest.MonkeyPatch, rows: int, entities: int, days: int) -> None:
    table = many(rows, entities, days)
    whole = computed(table, "identifier")
    monkeypatch.setattr(under_test, "PART", 256)
    assert computed(table, "identifier") == computed(table, "category") == whole


def test_entities_with_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    table = many(500, 60, 20)
    wanted = computed(table, "identifier")
    seen, original = [], under_test._mixed

    def noted(name: Any, check: Any) -> bool:
        seen.append(original(name, check))
        return seen[-1]

    monkeypatch.setattr(under_test, "_mixed", noted)
    monkeypatch.setattr(
        pl.Series, "hash", lambda self, seed: pl.Series((self.cast(pl.Int64) % (5 + seed)).cast(pl.UInt64))
    )
    assert computed(table, "identifier") == wanted
    assert seen[0] is True


def test_no_rows_have_no_history() -> None:
    empty = np.array([], np.int32)
    assert history(pl.Series([], dtype=pl.String), empty, empty, empty).shape == (0, 4)
    assert past([]).before(3) == NOTHING
