"""What is played: how long, how many, what goes wrong and when.  Kept with the drill, which goes on as it began."""

from __future__ import annotations

import datetime

from pydantic import Field

from rounds.sections import Knobs, Positive, Share


class Plan(Knobs):
    """Weeks are counted from 1, the first of the stream."""

    source: str = ""  # a real table: its first `initial` is what the champion learns from, the rest is the stream
    initial: Share = 0.2
    start: datetime.date = datetime.date(2026, 1, 5)  # of the simulated table, a Monday
    base: Positive = 6  # weeks before the stream, simulated
    weeks: Positive = 12
    weekly: Positive = 3000  # appointments, about
    on_record: Share = 0.5  # of those before the stream: a model whose table is long learns of a drift late
    seed: int = 7
    drift_from: Positive = 3
    drift: Share = 0.5
    bad_from: Positive = 9  # the week after which a bad model is pushed, if a new one answers by then
    bad_days: Positive = 4  # and for how long nobody takes it back; a Friday, since a journal closes when lists come
    effect: Share = 0.6  # how often a call turns a miss into a visit
    held: Share = 0.2  # of those above the line, drawn by lot and not called
    publish: Positive = 3  # weeks between two publications of the histories
    lag: Positive = 4  # days until an outcome is known, on average
    never: Share = 0.03
    corrected: Share = 0.02  # first told wrong, then right
    repeated: Share = 0.05
    hour: Positive = Field(default=17, le=23)  # the hour (UTC) at which a day's list is asked
