"""Questions that are given up, and what becomes of them."""

from __future__ import annotations

import threading

import pytest

from rounds.errors import RegistryError
from serving.patience import Patience, TooLong
from tests.waiting import until


def test_an_answer_and_a_failure_reach_whoever_asks() -> None:
    patience = Patience(60)
    assert patience.ask(lambda: 7) == 7
    with pytest.raises(RegistryError, match="down"):
        patience.ask(failing)


def failing() -> None:
    raise RegistryError("down")


def test_one_that_was_given_up_goes_on_and_holds_the_next_back_until_it_ends() -> None:
    patience, answers, ended, asked = Patience(0.2), threading.Event(), threading.Event(), []

    def slow() -> None:
        asked.append(threading.current_thread())
        answers.wait()
        ended.set()

    for _ in range(2):
        with pytest.raises(TooLong):
            patience.ask(slow)
    assert len(asked) == 1, "the second is not asked so soon"
    answers.set()
    assert ended.wait(60)
    until(lambda: not asked[0].is_alive())
    assert patience.ask(lambda: "again") == "again"


def test_it_is_asked_again_though_the_first_still_hangs() -> None:
    patience, never = Patience(0.1), threading.Event()
    with pytest.raises(TooLong):
        patience.ask(never.wait)

    def answered() -> bool:
        try:
            return patience.ask(lambda: True)
        except TooLong:
            return False

    until(answered)
    never.set()
