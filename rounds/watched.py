"""The sections `collect`, `monitor` and `decide` of problem.yaml: what is looked at, what alarms, what is done then."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from rounds.sections import Knobs, Positive, Share

Action = Literal["none", "message", "call"]
PSI = Annotated[float, Field(ge=0, allow_inf_nan=False)]
AboveZero = Annotated[Share, Field(gt=0)]


class Collect(Knobs):
    """How far back the watch looks: so many windows of so many days for drift, and further for outcomes."""

    schedule: str | None = "0 5 * * *"  # in UTC
    window: Positive = 7  # days
    windows: Positive = 4
    late: Positive = 30  # days after the appointment, from when on an outcome counts as late
    days: Positive = 60  # back to which predictions are read: by then nearly all outcomes should be here

    @model_validator(mode="after")
    def _far_enough(self) -> Self:
        if self.days < self.window * self.windows:
            raise ValueError(
                f"collect.days is {self.days}; want at least {self.window * self.windows}, which the windows take"
            )
        return self


class Monitor(Knobs):
    """From how many rows on a window says anything, how often it may cry wolf, and which windows must agree."""

    rows: Annotated[int, Field(ge=50)] = 200
    false_alarms: Annotated[Share, Field(gt=0, le=0.2)] = 0.01  # that one window without drift shows a drifted feature
    history_down: Share = 0.05  # share of a window's predictions that may be made without histories
    false_retrains: Annotated[Share, Field(gt=0, le=0.2)] = 0.02  # share of years without any change
    psi: PSI = 0.1  # a drift below it does not matter, however sure
    agree: Positive = 3  # of the windows, the newest among them
    ignore: tuple[str, ...] = ()  # features that move by the calendar, or as history grows
    actions: tuple[Literal["message", "call"], ...] = ("call",)  # those that change the outcome
    resamples: Annotated[int, Field(ge=500)] = 2000
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 7

    @model_validator(mode="after")
    def _can_ring(self) -> Self:
        """Nothing is rarer than once in all resamples, so a smaller rate would never be reached."""
        if self.false_alarms * (self.resamples + 1) < 1:
            raise ValueError(
                f"false_alarms is {self.false_alarms:g} and resamples is {self.resamples}; want at least "
                f"{math.ceil(1 / self.false_alarms) - 1} resamples"
            )
        return self


class Drift(Knobs):
    """Which drift is reason enough: so many features that matter, or fewer that the model leans on this much."""

    matters: Positive = 2
    importance: Share = 0.2  # of the champion's importance, together


class Decide(Knobs):
    """What is reason enough to train again. A rule that is null is not asked."""

    drift: Drift | None = Drift()
    psi: PSI | None = None  # any feature's, however few the rows
    drop: AboveZero | None = None  # of the AUC, against the champion's test
    labels: Positive | None = None  # outcomes since the champion was made
    age: Positive | None = 180  # days since the champion was made
    cooldown: Annotated[int, Field(ge=0)] = 14  # days between two retrains


class Watch(Knobs):
    """The three together, as far as one depends on another."""

    collect: Collect = Collect()
    monitor: Monitor = Monitor()
    decide: Decide = Decide()

    @model_validator(mode="after")
    def _enough_windows(self) -> Self:
        if self.monitor.agree > self.collect.windows:
            raise ValueError(
                f"monitor.agree is {self.monitor.agree}; want at most {self.collect.windows}, which is collect.windows"
            )
        return self
