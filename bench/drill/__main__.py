"""`python -m bench.drill`: play the hospital, and tell the story."""

from __future__ import annotations

import argparse
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.drill.hospital import Hospital
from bench.drill.plan import Plan
from bench.drill.position import Memory
from bench.drill.story import page
from bench.drill.tables import tables
from bench.drill.weeks import Drill
from bench.drill.world import world
from problems import problem
from rounds.errors import RoundsError
from rounds.private import keep_private
from rounds.settings import ROOT

Tell = Callable[[str], None]
START, A_WEEK, A_THOUSAND = 40, 25, 1  # seconds: the first champion, a week, and a thousand appointments


def main() -> int:
    keep_private()
    given = arguments()
    place = Path(given.folder).absolute()
    if given.again:
        shutil.rmtree(place, ignore_errors=True)
    try:
        return drill(place, given.problem, planned(given))
    except RoundsError as error:
        print(f"drill: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("drill: interrupted; the same command goes on from here", file=sys.stderr)
        return 130


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.drill", description=__doc__, allow_abbrev=False)
    parser.add_argument("--problem", default="noshow", help="a folder in problems/")
    parser.add_argument("--folder", default=str(ROOT / ".rounds" / "drill"), help="where all of it lies")
    parser.add_argument("--source", default="", help="a real table; otherwise appointments are simulated")
    parser.add_argument("--weeks", type=int, help="how many are played")
    parser.add_argument("--weekly", type=int, help="appointments a week, simulated")
    parser.add_argument("--again", action="store_true", help="begin anew, whatever lies there")
    return parser.parse_args()


def planned(given: argparse.Namespace) -> Plan:
    """A real table has no room for many weeks, so what happens to it happens sooner."""
    sooner = {"drift_from": 2, "bad_from": 5} if given.source else {}
    source = str(Path(given.source).absolute()) if given.source else ""
    asked = {name: value for name in ("weeks", "weekly") if (value := getattr(given, name)) is not None}
    return Plan.model_validate({"source": source, **sooner, **asked})


def drill(place: Path, name: str, plan: Plan) -> int:
    begun, described = time.monotonic(), problem(name)
    hospital = Hospital(place, name)
    memory = Memory(hospital.store, name)
    plan = memory.begin(plan)
    base, raw = tables(plan, described)
    around = world(plan, described, raw)
    days = 7 * around.weeks + 1
    with telling(days) as (tell, tick):
        tell(f"{around.weeks} weeks from {around.first}, {around.stream.height:,} appointments, in {place}")
        tell(duration(around.weeks, around.stream.height, memory.day is not None))
        if memory.day is not None:
            tell(f"goes on after {memory.day}")
        Drill(around, base, raw, hospital, memory, tell).play(tick)
    share = base.height / (base.height + raw.height)
    return told(place, plan, memory, lead(plan, share), time.monotonic() - begun)


def duration(weeks: int, appointments: int, begun: bool) -> str:
    """How long it takes, as measured on two cores."""
    minutes = math.ceil((START + weeks * A_WEEK + appointments / 1_000 * A_THOUSAND) / 60)
    if begun:
        return f"it takes about {minutes} minutes from the beginning, on two cores; less from where it stands"
    return f"it takes about {minutes} minutes on two cores; stopped with Ctrl-C, the same command goes on from there"


def told(place: Path, plan: Plan, memory: Memory, lead: str, seconds: float) -> int:
    """The page, and a few lines of it."""
    weeks = [note for _, note in sorted(memory.notes("weeks").items())]
    if not weeks:
        print("no week is over, so there is no story")
        return 1
    story = place / "story.html"
    story.write_text(page(weeks, plan, lead), encoding="utf-8")
    asked = [week["week"] for week in weeks if week["decided"]["verdict"] == "retrain"]
    print(f"{len(weeks)} weeks, {sum(sum(week['counted'].values()) for week in weeks):,} predictions, {seconds:.0f} s")
    print(f"retrains were asked after the weeks {', '.join(map(str, asked)) or 'none'}")
    print(f"the story: {story}")
    return 0


def lead(plan: Plan, share: float) -> str:
    if plan.source:
        return (
            f"The first {share:.0%} of a real table teach the first champion, the rest comes day by day. From "
            f"week {plan.drift_from} on a number is sent in another unit and a flag is not sent any more."
        )
    return (
        f"The first champion learns from {plan.base} weeks of simulated appointments. From week {plan.drift_from} on "
        "other people come: older ones, who book further ahead and miss more."
    )


@contextmanager
def telling(days: int) -> Iterator[tuple[Tell, Callable[[], None]]]:
    """A bar below the lines on a terminal; elsewhere the lines alone."""
    if not sys.stdout.isatty():
        yield lambda line: print(line, flush=True), lambda: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(TextColumn("days"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), transient=True) as bar:
        task = bar.add_task("days", total=days)
        yield lambda line: bar.console.print(line, highlight=False, markup=False), lambda: bar.advance(task)


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
