"""The drill itself: day by day lists, calls and outcomes, week by week the watch and what comes of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from datetime import time as hour
from typing import Any

import polars as pl

from bench.drill import books, reading
from bench.drill.books import Answered
from bench.drill.hospital import Fallen, Hospital, Service
from bench.drill.position import Memory
from bench.drill.tables import turned
from bench.drill.world import Told, World, call, happened, told, unique
from rounds.manifest import Facts

TRAINING = ("ingest", "validate", "features", "tune", "train", "evaluate", "register")
WATCHING = ("collect", "monitor", "decide")
PUBLISHING = ("ingest", "validate", "publish")
FIRST, BROKEN = "first", "broken"
DAY_BEGINS, WATCH = hour(0, 10), hour(18)


@dataclass
class Drill:
    """Whatever it must not forget is in `memory`; the rest follows from that and from the seed."""

    world: World
    base: pl.DataFrame
    raw: pl.DataFrame
    hospital: Hospital
    memory: Memory
    tell: Callable[[str], None]
    answered: dict[date, list[Answered]] = field(default_factory=dict)
    due: dict[date, list[Told]] = field(default_factory=dict)
    acted: dict[str, tuple[str, float]] = field(default_factory=dict)

    @property
    def days(self) -> list[date]:
        """The day after the last week is played too: it closes that week's journal."""
        return [self.world.first + timedelta(days=count) for count in range(7 * self.world.weeks + 1)]

    def play(self, tick: Callable[[], None]) -> None:
        self.begin()
        self.remember()
        done = self.memory.day  # a day that was played in part is played again
        with self.hospital.serving() as service:
            for day in self.days:
                if done is None or day > done:
                    self.day(service, day)
                    self.memory.advance(day)
                tick()

    def begin(self) -> None:
        """The first champion, and the histories of whoever came before; an interrupted beginning is begun again."""
        if self.memory.noted("begun"):
            return
        self.tell(f"the first champion learns from {self.base.height:,} appointments")
        self.hospital.at(self.world.first, hour(0, 1))
        source = self.table("base.parquet", self.base)
        for steps in (TRAINING, PUBLISHING):
            if trouble := self.hospital.done(steps, FIRST, source=source):
                raise Fallen(f"there is no first champion: {trouble}")
        self.memory.keep("done/begun", {"version": 1})

    def remember(self) -> None:
        """What was answered before, as the store has it."""
        done = self.memory.day
        for name, note in sorted(self.memory.notes("days").items()):
            if done is not None and (day := date.fromisoformat(name)) <= done:
                self.take(day, [Answered(*each) for each in note])

    def take(self, day: date, answers: list[Answered]) -> None:
        plan, missed, happens = self.world.plan, self.world.missed, self.world.happens
        self.answered[day] = answers
        for each in answers:
            done = call(plan, each.key, each.above)
            self.acted[each.key] = done
            ended = happened(plan, each.key, missed[each.key], done.action)
            for said in told(plan, each.key, happens[each.key], ended):
                self.due.setdefault(said.day, []).append(said)

    def day(self, service: Service, day: date) -> None:
        begins = day.weekday() == 0 and day > self.world.first
        # The list of a Monday is asked early: with it the journal closes the week that the watch will look at.
        self.hospital.at(day, DAY_BEGINS if begins else hour(self.world.plan.hour))
        rows = self.world.asked(day)
        if rows:
            answers = self.ask(service, rows)
            self.memory.keep(f"days/{day}", [list(each) for each in answers])
            self.take(day, answers)
        self.report(service, day)
        if begins:
            self.week(service, day)
        elif day == self.seen:
            self.alarm(service, day)

    def ask(self, service: Service, rows: list[dict[str, Any]]) -> list[Answered]:
        key = unique(self.world.problem)
        answer = service.ask("/predict", {"appointments": rows})
        version = int(answer["version"])
        return [
            Answered(str(row[key]), said["probability"], version, said["call"])
            for row, said in zip(rows, answer["predictions"], strict=True)
        ]

    def report(self, service: Service, day: date) -> None:
        lines = [self.line(said) for said in self.due.get(day, [])]
        if lines:
            service.ask("/outcomes", {"outcomes": lines})

    def line(self, said: Told) -> dict[str, Any]:
        action, propensity = self.acted[said.key]
        return {
            "appointment": said.key,
            "outcome": said.outcome,
            "action": action,
            "propensity": propensity,
            "observed": f"{said.observed}T00:00:00Z",
        }

    def week(self, service: Service, monday: date) -> None:
        """The watch; whatever it asks for; the histories; and now and then somebody who knows better."""
        begun, week = time.monotonic(), (monday - self.world.first).days // 7
        run = f"week-{week:02}"
        publishing = threading.Thread(target=self.publish, args=(monday, f"clinic-{week:02}"))
        if week % self.world.plan.publish == 0:
            publishing.start()
        code, watched, decided = self.watch(service, monday, run)
        if publishing.ident is not None:
            publishing.join()
        events = [*self.midweek(monday), *(self.retrain(service, decided, monday) if code == 0 else [])]
        events += self.push(service, week, monday)
        since = date.fromisoformat(self.hospital.facts(run, "collect")["since"][:10])
        truth = books.truth(self.world, self.answered, self.due, watched["version"], since, monday)
        counted = books.counted(self.answered, monday)
        note = reading.note(week, monday, watched, decided, events, truth, counted)
        self.memory.keep(f"weeks/{week:02}", {**note, "seconds": round(time.monotonic() - begun, 1)})
        self.tell(reading.line(note))

    def watch(self, service: Service, day: date, run: str) -> tuple[int, Facts, Facts]:
        """Collect, monitor and decide, on all until this day: the code of decide, what was seen, what was decided."""
        last = day - timedelta(days=1)
        service.shipped(last, len(self.answered.get(last, [])))
        self.hospital.at(day, WATCH)
        for step in WATCHING:
            words = {"collect": ("--to", day.isoformat()), "decide": ("--training", f"retrain-{run}")}.get(step, ())
            code = self.hospital.step(step, run, *words)
            if code not in ({0, 99} if step == "decide" else {0}):
                raise Fallen(f"{step} of {run} ended with {code}; {self.hospital.log(run)}")
        return code, self.hospital.facts(run, "monitor"), self.hospital.facts(run, "decide")

    def retrain(self, service: Service, decided: Facts, monday: date) -> list[str]:
        """What the trigger starts: training on the journal up to now, under the name that the ledger holds."""
        run = decided["training"]
        self.tell(f"training {run}")
        trouble = self.hospital.done(TRAINING, run, typed=f"journal:{monday}", source=self.base_path)
        if trouble:
            return [f"{run}: {trouble.rstrip('.')}"]
        facts = self.hospital.facts(run, "register")
        service.follows(facts["champion"])
        if facts["champion"] != facts["version"]:
            return [f"{run}: version {facts['version']} stays challenger"]
        return [f"{run}: version {facts['version']} is champion, and the service follows"]

    def push(self, service: Service, week: int, monday: date) -> list[str]:
        """Once another version than the first has answered for a while, somebody releases one that is worse."""
        pushed, champion = self.memory.noted("pushed"), service.ask("/version")["version"]
        if pushed is None:
            newer = any(each.version == champion for each in self.answered.get(monday - timedelta(days=1), []))
            if week < self.world.plan.bad_from or champion == 1 or not newer:
                return []
            pushed = {"day": monday.isoformat(), "before": champion}
            self.memory.keep("done/pushed", pushed)
        elif pushed["day"] != monday.isoformat():
            return []
        known = books.known(self.world, self.base, self.raw, self.due, monday)
        source = self.table("broken.parquet", turned(known, self.world.problem))
        trouble = self.hospital.done(TRAINING, BROKEN, source=source)
        facts = {"version": 1, "champion": champion} if trouble else self.hospital.facts(BROKEN, "register")
        self.memory.keep("done/pushed", {**pushed, "version": facts["version"]})
        broken = "somebody trains on a broken export, in which long waits are short ones and short ones long"
        events = [f"{broken}: {trouble.rstrip('.') or 'all gates pass, for they see that table alone'}"]
        if facts["champion"] != facts["version"]:
            why = ("--reason", "all gates passed, and no other check was made")
            self.hospital.rounds("promote", str(facts["version"]), "--problem", self.hospital.problem, *why)
            which = ", which learned before the drift" if facts["version"] == 1 else ""
            events.append(f"somebody promotes version {facts['version']} by hand{which}, and the service follows")
        service.follows(facts["version"])
        return events

    @property
    def seen(self) -> date | None:
        """The day on which people look at what the watch says of the model that was pushed."""
        pushed = self.memory.noted("pushed")
        return pushed and date.fromisoformat(pushed["day"]) + timedelta(days=self.world.plan.bad_days)

    def alarm(self, service: Service, day: date) -> None:
        """The watch of that day, and somebody who takes the model back; what else it asks for is done as ever."""
        code, watched, decided = self.watch(service, day, f"day-{day}")
        pushed = self.memory.noted("pushed")
        before = pushed["before"]
        if service.ask("/version")["version"] == pushed["version"]:
            self.hospital.rounds("rollback", "--problem", self.hospital.problem)
            service.follows(before)
        said = " ".join([*watched["performance"]["says"][:1], *(each["says"] for each in decided["reasons"][:1])])
        held = f" ({decided['held']})" if decided["held"] else ""
        events = [
            f"{day:%A}: the watch says of version {watched['version']}: {said.rstrip('.')}",
            f"{day:%A}: decided: {decided['verdict']}{held}",
            f"{day:%A}: somebody rolls back, version {before} is champion again, and the service follows",
            *(self.retrain(service, decided, day) if code == 0 else []),
        ]
        self.memory.keep("done/rolled-back", {"day": day.isoformat(), "events": events})

    def midweek(self, monday: date) -> list[str]:
        """What happened between two Mondays."""
        done = self.memory.noted("rolled-back")
        return done["events"] if done and monday - timedelta(days=7) <= date.fromisoformat(done["day"]) < monday else []

    def publish(self, monday: date, run: str) -> None:
        """The clinic's own table, with what is known by now; without it the histories would stay as they were."""
        trouble = self.hospital.done(
            PUBLISHING,
            run,
            source=self.table(f"{run}.parquet", books.known(self.world, self.base, self.raw, self.due, monday)),
        )
        if trouble:
            self.tell(f"histories were not published: {trouble}")

    @property
    def base_path(self) -> str:
        return str(self.hospital.place / "tables" / "base.parquet")

    def table(self, name: str, table: pl.DataFrame) -> str:
        path = self.hospital.place / "tables" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        table.write_parquet(path)
        return str(path)
