"""The parts of the drill: what its world does by lot, where it stands, its calendar, its page; and a small one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from bench.drill import books, clock, story, tables
from bench.drill import world as outside
from bench.drill.__main__ import duration
from bench.drill.books import Answered
from bench.drill.plan import Plan
from bench.drill.position import Memory
from bench.drill.weeks import Drill
from problems import problem
from rounds.errors import Refused
from rounds.store import open_store
from tests.checkout import ROOT

PLAN = Plan(base=2, weeks=3, drift_from=2, weekly=300)
KEYS = [str(number) for number in range(4000)]


@pytest.fixture(scope="module")
def world() -> outside.World:
    described = problem("noshow")
    _, raw = tables.tables(PLAN, described)
    return outside.world(PLAN, described, raw)


def test_the_chance_of_what_was_done_is_known() -> None:
    done = [outside.call(PLAN, key, above=True) for key in KEYS]
    held = [each for each in done if each.action == "none"]
    assert len(held) / len(done) == pytest.approx(PLAN.held, abs=0.02)
    assert {each.propensity for each in held} == {PLAN.held}
    assert {each.propensity for each in done if each.action == "call"} == {1 - PLAN.held}
    assert outside.call(PLAN, "1", above=False) == ("none", 1.0)


def test_a_call_turns_some_misses_into_visits_and_no_visit_into_a_miss() -> None:
    saved = [key for key in KEYS if not outside.happened(PLAN, key, True, "call")]
    assert len(saved) / len(KEYS) == pytest.approx(PLAN.effect, abs=0.02)
    assert all(outside.happened(PLAN, key, True, "none") for key in KEYS)
    assert not any(outside.happened(PLAN, key, False, "call") for key in KEYS)


def test_outcomes_come_late_twice_wrong_at_first_or_never() -> None:
    day = date(2026, 3, 2)
    said = {key: list(outside.told(PLAN, key, day, True)) for key in KEYS}
    assert all(each.day > day and each.observed <= each.day for told in said.values() for each in told)
    assert 0 < sum(not told for told in said.values()) < 0.06 * len(KEYS)
    corrected = [told for told in said.values() if told and not told[0].outcome]
    assert corrected and all(told[-1].outcome and told[-1].observed > told[0].observed for told in corrected)
    repeated = [told for told in said.values() if len(told) == 2 and told[0].outcome]
    assert repeated and all(told[0].observed == told[1].observed for told in repeated)


def test_the_drift_begins_in_its_week(world: outside.World) -> None:
    lead = (pl.col("appointment_day") - pl.col("scheduled_day").cast(pl.Date)).dt.total_days()
    by = world.stream.group_by(week=(pl.col("appointment_day") - world.first).dt.total_days() // 7).agg(lead.mean())
    mean = dict(by.iter_rows())
    assert mean[1] > 1.3 * mean[0]
    assert world.first.weekday() == 0 and world.weeks == 3


def test_a_real_table_is_cut_by_day_and_changes_in_its_week(tmp_path: Path) -> None:
    described, simulated = problem("noshow"), pl.concat(tables.tables(PLAN, problem("noshow")))
    simulated.write_csv(tmp_path / "table.csv")
    plan = Plan(source=str(tmp_path / "table.csv"), drift_from=2)
    base, rest = tables.tables(plan, described)
    days = base.select(tables.day(described)).to_series(), rest.select(tables.day(described)).to_series()
    assert days[0].max() < days[1].min()  # type: ignore[operator]
    assert plan.initial <= base.height / simulated.height < plan.initial + 0.1
    turn = outside.world(plan, described, rest).first + timedelta(weeks=1)
    early, late = rest.filter(days[1] < turn), rest.filter(days[1] >= turn)
    assert set(late["SMS_received"]) == {"0"} and "1" in set(early["SMS_received"])
    assert all(int(age) % 2 == 0 for age in late["Age"])
    outcomes = dict(simulated.select("AppointmentID", "No-show").iter_rows())
    assert dict(rest.select("AppointmentID", "No-show").iter_rows()).items() <= outcomes.items()


def test_what_comes_before_the_stream_can_be_split() -> None:
    def begins(days: int) -> date:
        each = pl.date_range(date(2026, 3, 1), date(2026, 3, 1) + timedelta(days=days - 1), eager=True)
        return tables.begins(each.alias("day"), 0.2, problem("noshow").split)

    assert begins(100) == date(2026, 3, 21)
    assert begins(30) == date(2026, 3, 8), "the calibrator wants two days, so it is a day more than a fifth"
    with pytest.raises(Refused, match="the table has 5 days, too few"):
        begins(5)


def test_every_appointment_is_asked_once_and_before_it_happens(world: outside.World) -> None:
    asked: list[dict[str, Any]] = []
    for day in sorted(set(world.stream.get_column(outside.DAY))):
        rows = world.asked(day)
        assert all(row["appointment_day"] >= day.isoformat() >= row["scheduled_day"][:10] for row in rows)
        asked += rows
    assert len({row["appointment_id"] for row in asked}) == len(asked) == world.stream.height
    assert "no_show" not in asked[0]


def test_auc_counts_pairs_and_halves_of_ties() -> None:
    assert outside.auc([0.1, 0.4, 0.4, 0.8], [False, False, True, True]) == pytest.approx(3.5 / 4)
    assert outside.auc([0.1, 0.4], [True, True]) is None


def test_a_drill_goes_on_as_it_began(tmp_path: Path) -> None:
    memory = Memory(open_store(tmp_path.as_uri()), "noshow")
    assert memory.begin(PLAN) == memory.begin(PLAN) == PLAN
    assert memory.day is None
    memory.advance(date(2026, 3, 2))
    memory.keep("days/2026-03-02", [["7", 0.25, 1, True]])
    again = Memory(open_store(tmp_path.as_uri()), "noshow")
    assert again.day == date(2026, 3, 2) and again.notes("days") == {"2026-03-02": [["7", 0.25, 1, True]]}
    with pytest.raises(Refused, match="another drill"):
        again.begin(Plan(weeks=4))


def test_what_a_day_leads_to_follows_from_its_note(world: outside.World, tmp_path: Path) -> None:
    memory = Memory(open_store(tmp_path.as_uri()), "noshow")
    keys = world.stream.filter(pl.col(outside.DAY) == world.first).get_column(outside.KEY).to_list()
    memory.keep(f"days/{world.first}", [list(Answered(key, 0.5, 1, True)) for key in keys])
    memory.keep(f"days/{world.first + timedelta(days=1)}", [["half a day", 0.5, 1, True]])
    memory.advance(world.first)
    first, second = (Drill(world, pl.DataFrame(), pl.DataFrame(), None, memory, print) for _ in range(2))  # type: ignore[arg-type]
    first.remember()
    second.remember()
    assert first.due == second.due and first.due
    assert set(first.acted) == set(keys)


def test_the_books_know_less_than_the_truth(world: outside.World) -> None:
    day, monday = world.first, world.first + timedelta(weeks=1)
    keys = world.stream.filter(pl.col(outside.DAY) == day).get_column(outside.KEY).to_list()
    answered = {day: [Answered(key, float(world.missed[key]), 1, at % 2 == 0) for at, key in enumerate(keys)]}
    due = {day: [outside.Told(key, day, True, day) for key in keys]}
    found = books.truth(world, answered, due, 1, day, monday)
    assert books.truth(world, answered, {monday: due[day]}, 1, day, monday)["watched"]["rows"] == 0
    assert found["watched"]["auc"] == 1.0 and found["watched"]["rows"] == len(keys)
    assert found["called"] + found["held"] == len(keys[::2])
    assert books.counted(answered, monday) == {"1": len(keys)}
    _, raw = tables.tables(PLAN, world.problem)
    due = {day: [outside.Told(keys[0], day, True, day)], monday: [outside.Told(keys[1], monday, True, monday)]}
    table = books.known(world, raw.head(0), raw, due, monday)
    assert table.select("AppointmentID", "No-show").rows() == [(keys[0], "Yes")]


def test_a_process_goes_by_the_calendar(tmp_path: Path) -> None:
    clock.set_to(tmp_path / "calendar", datetime(2031, 5, 6, 7, tzinfo=UTC))
    code = (
        "import sys, time; from pathlib import Path; from datetime import UTC, datetime\n"
        "from bench.drill import clock\n"
        "import rounds.step as step, msgspec\n"
        "clock.go_by(Path(sys.argv[1]))\n"
        "read = msgspec.convert('2026-03-02T05:00:00Z', datetime)\n"
        "print(step._now(), int(time.time()), type(datetime.now(UTC)) is datetime, read.year, time.monotonic() > 0)"
    )
    argv = [sys.executable, "-c", code, str(tmp_path / "calendar")]
    said = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert said[0].startswith("2031-05-06T07:0")
    assert datetime.fromtimestamp(int(said[1]), UTC).year == 2031
    assert said[2:] == ["True", "2026", "True"]


def interval(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


def week(number: int, **changes: Any) -> dict[str, Any]:
    truth = {"rows": 300, "auc": 0.7, "said": 0.2, "rate": 0.25}
    auc = {"naive": interval(0.66), "realised": interval(0.7), "estimated": interval(0.72), "tested": interval(0.72)}
    usual: dict[str, Any] = {
        "week": number,
        "first": "2026-03-02",
        "version": 1,
        "counted": {"1": 300},
        "truth": {"watched": truth, "week": truth, "called": 20, "held": 5},
        "drift": {
            "verdict": "drift",
            "psi": {"lead_days": 0.2},
            "score": 0.1,
            "drifted": ["lead_days"],
            "matters": ["lead_days"],
            "target": {"rate": 0.24, "low": 0.2, "high": 0.3, "reference": 0.2},
        },
        "performance": {
            "verdict": "worse",
            "labels": 250,
            "called": 20,
            "method": "inverse probability",
            "auc": auc,
            "calibration": None,
        },
        "decided": {
            "verdict": "retrain",
            "reasons": [{"rule": "drift", "says": "a & b <drifted>", "asks": "retrain"}],
            "held": "",
            "unseen": [],
            "training": "retrain-week-01",
        },
        "events": ["version 2 is champion"],
    }
    return {**usual, **changes}


def nothing(number: int) -> dict[str, Any]:
    """A week in which nothing was seen."""
    none = dict.fromkeys(("naive", "realised", "estimated", "tested"))
    blank = {"rows": 0, "auc": None, "said": 0.0, "rate": 0.0}
    return week(
        number,
        counted={},
        truth={"watched": blank, "week": blank, "called": 0, "held": 0},
        drift={
            "verdict": "unseen",
            "psi": {},
            "score": None,
            "drifted": [],
            "matters": [],
            "target": dict.fromkeys(("rate", "low", "high", "reference")),
        },
        performance={**week(1)["performance"], "auc": none},
        decided={"verdict": "warn", "reasons": [], "held": "", "unseen": ["no outcomes yet"], "training": None},
        events=[],
    )


@pytest.mark.parametrize(
    "weeks", [[week(1), week(2, version=2, counted={"1": 9, "2": 291})], [nothing(1)], [nothing(1), week(2)]]
)
def test_the_story_is_one_page_that_needs_nothing_else(weeks: list[dict[str, Any]]) -> None:
    page = story.page(weeks, PLAN, "a lead & more")
    assert page.count("<svg") == page.count("</svg>") == 4
    assert not re.search(r"(src|href)=|https?://|nan", page)
    assert "<drifted>" not in page and "a lead &amp; more" in page


def test_it_says_at_the_start_how_long_it_takes() -> None:
    assert duration(5, 81_818, begun=False).startswith("it takes about 5 minutes on two cores")
    assert "less from where it stands" in duration(12, 36_000, begun=True)


def play(place: Path, *more: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "bench.drill", "--folder", str(place), "--weeks", "2", *more]
    return subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.data_safety
@pytest.mark.long
def test_a_drill_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    position = tmp_path / "store" / "noshow" / ".drill" / "position.json"
    first = play(tmp_path)
    while not position.exists() or json.loads(position.read_bytes())["day"] < "2026-02-20":
        assert first.poll() is None, first.communicate()[0]
        time.sleep(0.1)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    second = play(tmp_path)
    said, _ = second.communicate(timeout=900)
    assert second.returncode == 0, said
    assert "it takes about" in said and "goes on after 2026-02-" in said and "the first champion learns" not in said
    weeks = [json.loads(path.read_bytes()) for path in sorted((position.parent / "weeks").iterdir())]
    assert [each["week"] for each in weeks] == [1, 2]
    assert all(each["truth"]["watched"]["rows"] for each in weeks)
    assert (tmp_path / "story.html").stat().st_size > 10_000
