"""Long work says how far it is in a few plain lines."""

from __future__ import annotations

import logging

import pytest

from rounds.progress import LINES, progress


@pytest.mark.parametrize("total", [1, 7, 10, 1234])
def test_off_a_terminal_a_few_lines_carry_the_count(total: int, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("rounds").propagate = True
    with caplog.at_level(logging.INFO, "rounds"), progress("trial", total) as done:
        for _ in range(total):
            done()
    assert len(caplog.messages) == min(total, LINES)
    assert caplog.messages[-1] == f"trial {total} of {total}"
