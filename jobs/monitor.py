"""Look at what the champion did: drift, performance, and how much could be seen.  Reads collect.  Writes watch.json."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from jobs.watching import evidently, histories, performance, saying
from jobs.watching.champion import Champion, champion, features
from jobs.watching.drift import Window, compare
from jobs.watching.page import page
from jobs.watching.pictures import calls
from jobs.watching.predictions import Predictions, assemble
from rounds.files import Reader, Writer
from rounds.manifest import Facts
from rounds.modelling import Evaluate, Register
from rounds.rounding import rounded
from rounds.step import step
from rounds.watched import Collect, Monitor

YEAR, LOOKS = 365, 10


@dataclass(frozen=True)
class Knobs:
    title: str
    model: str
    evaluate: Evaluate
    registry: Register
    collect: Collect
    monitor: Monitor


def watch(seen: Predictions, by: Champion, collected: Facts, knobs: Knobs) -> tuple[Facts, Facts]:
    """All that is known of the champion, and what only the page shows."""
    asked, windows, names = judged_by(knobs), seen.windows(collected["windows"]), by.bundle.features
    rows = seen.rows(knobs.monitor.actions)
    drift = compare(by.bundle.reference, names, windows, knobs.monitor, by.importance)
    target = performance.target(rows, by.bundle.reference.get("outcomes", {}), asked)
    found = {
        **about(by, collected, windows, knobs),
        "history": histories.judge(seen.table, windows, by.bundle, knobs.monitor),
        "drift": {**drift, "target": target},
        "performance": {
            **performance.judge(rows, by.tested, asked),
            "new_labels": seen.labels(moment(by.made), knobs.monitor.actions),
            "windows": performance.by_window(rows, collected["windows"], asked),
            "slices": performance.sliced(rows, seen.parts(knobs.evaluate.slices, names), asked),
        },
        "outcomes": collected["outcomes"],
        "left": {**seen.left, "columns": list(seen.unseen)},
        "trouble": list(collected["trouble"]),
    }
    found["says"] = saying.sentences(found)
    shown = {"calls": calls(rows), "title": knobs.title}
    return rounded(found), rounded(shown)


def judged_by(knobs: Knobs) -> performance.Asked:
    """The gates that a new model must pass are the measure of an old one."""
    gate, asked = knobs.evaluate.gates.ece, knobs.monitor
    at_most = None if gate is None else gate.at_most
    wrong = of_one_look(asked, knobs.collect)
    return performance.Asked(asked.rows, knobs.registry.margin, at_most, asked.false_alarms, asked.seed, wrong)


def of_one_look(monitor: Monitor, collect: Collect) -> float:
    """How often one look may be wrong, so that a year of looks is wrong as seldom as asked.

    Looks on successive days share most of their outcomes. A year of them is worth about ten independent ones for each
    span of days that is looked back to (a moving mean of so many days, by simulation).
    """
    return monitor.false_retrains / (LOOKS * YEAR / min(collect.days, YEAR))


def about(by: Champion, collected: Facts, windows: list[Window], knobs: Knobs) -> Facts:
    """Which model was looked at, when, and how much there was to see."""
    to, made = moment(collected["to"]), moment(by.made)
    long = (to - moment(collected["first"])) / collected["windows"]
    told = [
        {
            "window": at,
            "first": (to - (at + 1) * long).isoformat(),
            "last": (to - at * long).isoformat(),
            "rows": len(window.scores),
            "seen": window.seen(knobs.monitor.rows),
        }
        for at, window in enumerate(windows)
    ]
    return {
        "to": to.isoformat(),
        "model": knobs.model,
        "version": by.number,
        "bundle": by.bundle.digest,
        "origin": by.bundle.origin,
        "made": made.isoformat(),
        "age_days": max((to - made) / timedelta(days=1), 0.0),
        "seen": told[0]["seen"],
        "windows": told,
    }


def moment(text: str) -> datetime:
    """A moment in UTC; a day is its beginning."""
    found = datetime.fromisoformat(text)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def look(read: Reader, knobs: Knobs) -> tuple[Facts, Champion]:
    """The champion as it is now: another one, or an emptied registry, is looked at anew."""
    by = champion(read, knobs.model)
    return by.known(), by


@step(reads=("collect",), knobs=Knobs, mirror=True, also=look)
def main(read: Reader, write: Writer, knobs: Knobs) -> Facts:
    by: Champion = read.also
    names = by.bundle.features
    table = read.table("collect", "predictions.parquet")
    seen = assemble(table, by.bundle, knobs.evaluate.slices, lambda digest: features(read, digest) == names)
    found, shown = watch(seen, by, read.facts("collect"), knobs)
    sampled = evidently.write(by.bundle, seen, knobs.monitor, write) if len(seen.score) else 0
    reports = {"report": "report.html", "evidently": evidently.FILE if sampled else None, "sampled": sampled or None}
    found = {**found, "reports": reports}
    write.json("watch.json", {**found, "shown": shown})
    write.text("report.html", page(found, shown))
    return found


if __name__ == "__main__":
    main.command()
