"""A version that looks too good waits for a person; a retrain after a decay does not."""

from __future__ import annotations

import pytest

from rounds.registry import ARCHIVED, CHAMPION, Shelf, Version
from rounds.surprise import CONFIRMED, held


def version(number: int, low: str, value: str, **tags: str) -> Version:
    return Version(number, {"auc.low": low, "auc.value": value, "rounds.run": f"run{number}", **tags}, "", 0)


def shelf(champion: Version | None, candidate: Version) -> Shelf:
    versions = {each.number: each for each in (champion, candidate) if each is not None}
    return Shelf(0, {}, {CHAMPION: champion.number} if champion else {}, versions)


CHAMPION_1 = version(1, "0.7100", "0.7300")


@pytest.mark.parametrize(("low", "is_held"), [("0.7700", True), ("0.7510", True), ("0.7500", False), ("0.7100", False)])
def test_the_lower_end_is_compared_with_the_champions_auc_at_its_registration(low: str, is_held: bool) -> None:
    candidate = version(2, low, "0.7900")
    why = held(shelf(CHAMPION_1, candidate), candidate, 0.02, comparable=True)
    assert bool(why) is is_held
    assert not is_held or all(word in why for word in (low, "0.7300", "version 1", "0.02", "run2"))


def test_a_retrain_after_a_decay_is_not_held() -> None:
    """The champion decayed from 0.73 to 0.66, and the retrained model is back at 0.73."""
    candidate = version(2, "0.7200", "0.7350")
    assert held(shelf(CHAMPION_1, candidate), candidate, 0.02, comparable=True) == ""


@pytest.mark.parametrize(("low", "is_held"), [("0.9600", True), ("0.9500", False)])
def test_a_first_champion_is_held_where_it_is_nearly_perfect(low: str, is_held: bool) -> None:
    candidate = version(1, low, "0.9900")
    assert bool(held(shelf(None, candidate), candidate, 0.02, comparable=True)) is is_held


def test_a_champion_of_rows_of_another_origin_is_no_measure() -> None:
    candidate = version(2, "0.9000", "0.9200")
    assert held(shelf(CHAMPION_1, candidate), candidate, 0.02, comparable=False) == ""
    assert held(
        shelf(CHAMPION_1, version(2, "0.9600", "0.9900")), version(2, "0.9600", "0.9900"), 0.02, comparable=False
    )


def test_a_perfect_score_without_an_interval_is_held() -> None:
    candidate = version(2, "", "1.0000")
    assert held(shelf(CHAMPION_1, candidate), candidate, 0.02, comparable=True)
    assert held(shelf(None, candidate), candidate, 0.02, comparable=True)


def test_what_a_person_confirmed_or_what_was_champion_is_not_held() -> None:
    for tags in ({CONFIRMED: "{}"}, {"stage": ARCHIVED}):
        candidate = version(2, "0.9000", "0.9500", **tags)
        assert held(shelf(CHAMPION_1, candidate), candidate, 0.02, comparable=True) == ""


def test_without_the_key_nothing_is_held() -> None:
    candidate = version(2, "0.9900", "0.9950")
    assert held(shelf(CHAMPION_1, candidate), candidate, None, comparable=True) == ""
