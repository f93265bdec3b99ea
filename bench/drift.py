"""How often the watch cries wolf, how soon it sees a real shift, and how fast it is: `python -m bench.drift [words]`.

The words are any of `false`, `shifts`, `speed`, and a number of windows in place of 200.
"""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from scipy import stats
from scipy.spatial.distance import jensenshannon

import problems
from bench.features import definition
from bench.measure import peak, seconds, show
from jobs.checks import rows as checked
from jobs.checks.header import match
from jobs.checks.questions import questions
from jobs.watching.drift import Window, compare
from problems.noshow.simulate import simulate
from rounds import reference, tables
from rounds.families import FAMILIES
from rounds.manifest import Facts

Shift: TypeAlias = Callable[[pl.DataFrame], pl.DataFrame]
Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
PROBLEM = problems.problem("noshow")
SIZES, WINDOWS, REFERENCE = (100, 500, 2000, 10_000), 200, 3600
PATIENTS, WEEKS = 280_000, 18
CALIBRATED, WATCHED = range(7, 9), range(9, 17)  # as a champion of nine weeks is watched in the eight after it
MILLION = 1_000_000
ASKED = (0.01, 0.05, 0.10)
WORLDS = 12
PSI = PROBLEM.monitor.psi


@dataclass(frozen=True)
class World:
    """Some weeks without drift: the features of every row, its score, whose it is, its week, its outcome."""

    matrix: Array
    scores: Array
    who: Array
    week: Array
    missed: Array

    def pieces(self, weeks: range, size: int, draw: np.random.Generator) -> Iterator[Array]:
        """The rows of these weeks, a week or `weeks` as a whole at a time, cut by patients: none is in two pieces."""
        rows = np.flatnonzero(np.isin(self.week, weeks))
        shuffled = draw.permutation(int(self.who.max()) + 1)[self.who[rows]]
        rows = rows[np.argsort(shuffled, kind="stable")]
        yield from (rows[at : at + size] for at in range(0, len(rows) - size + 1, size))

    def window(self, rows: Array) -> Window:
        return Window(self.matrix[rows], self.scores[rows], self.who[rows])

    def made(self, rows: Array) -> Facts:
        part = self.matrix[rows], self.scores[rows], self.missed[rows], self.who[rows], self.week[rows]
        return reference.statistics(names(self.matrix), *part)

    def rated(self, rate: float) -> World:
        """The outcomes alone, more of them true: watched as if they were a feature."""
        missed = self.missed | (np.random.default_rng(5).random(len(self.missed)) < rate)
        return replace(self, matrix=missed[:, None].astype(np.float32), missed=missed)


def names(matrix: Array) -> tuple[str, ...]:
    return ("outcome",) if matrix.shape[1] == 1 else definition().names


@lru_cache(16)
def worlds(seed: int) -> World:
    return world(seed)


def world(seed: int, shift: Shift = lambda table: table) -> World:
    """A hospital of its own, scored by the model of the first; a shift is laid over every row."""
    raw = pl.concat(simulate(patients=PATIENTS, seed=seed, start=datetime.date(2026, 1, 5), weeks=WEEKS))
    asked = questions(PROBLEM.columns, PROBLEM.outcome, PROBLEM.checks, match(raw.columns, PROBLEM.columns).names)
    marked = checked.mark_repeats(checked.mark(checked.decode(raw.lazy(), asked), asked), asked)
    good = checked.good(marked, asked).collect()
    compact = tables.compact(good.lazy(), definition()).collect()
    matrix = tables.matrix(shift(compact), tables.histories(compact.lazy(), definition()), definition())
    day = tables.day_numbers(good["appointment_day"])
    week, missed = (day - day.min()) // 7, good["no_show"].cast(pl.Int64).to_numpy()
    who = good["patient_id"].rank("dense").to_numpy()
    return World(matrix, scorer()(matrix) if SCORER else fitted(matrix, missed, week), who, week, missed)


SCORER: list[Callable[[Array], Array]] = []


def fitted(matrix: Array, missed: Array, week: Array) -> Array:
    """The scores of a model that is fitted once, on the first weeks of the first world."""
    family, fitting = FAMILIES[PROBLEM.train.family], week < CALIBRATED[0]
    booster = family.fit(family.data(matrix[fitting], missed[fitting]), PROBLEM.train, PROBLEM.train.threads)
    SCORER.append(family.scorer(booster))
    return scorer()(matrix)


def scorer() -> Callable[[Array], Array]:
    return SCORER[0]


def said(made: Facts, windows: list[Window], **changes: Any) -> Facts:
    asked = PROBLEM.monitor.model_copy(update={"rows": 50, **changes})
    return compare(made, names(windows[0].matrix), windows, asked, {})


def resampled(one: World, size: int, draw: np.random.Generator) -> World:
    """So many rows, by patients drawn with replacement from the calibrate weeks: from them nothing can have drifted."""
    rows = np.flatnonzero(np.isin(one.week, CALIBRATED))
    rows = rows[np.argsort(one.who[rows], kind="stable")]
    _, first, visits = np.unique(one.who[rows], return_index=True, return_counts=True)
    people = draw.integers(0, len(first), size)
    who = np.repeat(np.arange(size), visits[people])[:size]
    place = np.arange(size) - np.repeat(np.cumsum(visits[people]) - visits[people], visits[people])[:size]
    taken = rows[first[people[who]] + place]
    return World(one.matrix[taken], one.scores[taken], who, one.week[taken], one.missed[taken])


def alarmed(made: Facts, window: Window) -> float:
    """The smallest p of whatever is judged: an alarm where it is at most what is asked."""
    found = said(made, [window])
    return min(each["p"] for each in (*found["features"], found["prediction"]) if each["p"] is not None)


def false(count: int) -> None:
    """How many windows without drift show a drifted feature, by each rule."""
    on = [at for at, name in enumerate(definition().names) if name not in PROBLEM.monitor.ignore]
    print("| rows | asked 1% | asked 5% | asked 10% | 1%, weeks after | PSI > 0.05 | Evidently |")
    print("|---|---|---|---|---|---|---|")
    for size in SIZES:
        draw, drawn = np.random.default_rng(size), slice(None)
        smallest, plain, kept = [], [], ([], [])
        for _ in range(count):
            base, window = resampled(worlds(0), REFERENCE, draw), resampled(worlds(0), size, draw)
            smallest.append(alarmed(base.made(drawn), window.window(drawn)))
            plain.append(max(usual_psi(base.matrix[:, at], window.matrix[:, at]) for at in on))
            for part, which in zip(kept, (base, window), strict=True):
                part.append(which.matrix[:, on])
        peers = peer("false", references=np.stack(kept[0]), windows=np.stack(kept[1]))["drifted"]
        found = [np.mean(np.array(smallest) <= asked) for asked in ASKED]
        shares = [*found, after(size, count), np.mean(np.array(plain) > 0.05), np.mean(np.array(peers) > 0)]
        print(f"| {size:,} | " + " | ".join(f"{share:.1%}" for share in shares) + " |", flush=True)


def after(size: int, count: int) -> float:
    """The same for windows of the eight weeks after, in which nothing drifts but every history grows."""
    found = []
    for seed in range(min(WORLDS, max(4, count * size // 160_000))):
        one, draw = worlds(seed), np.random.default_rng(seed)
        made = [one.made(rows) for rows in one.pieces(CALIBRATED, REFERENCE, draw)]
        taken = [rows for week in WATCHED for rows in one.pieces(range(week, week + 1), size, draw)]
        for at, rows in enumerate(draw.permutation(len(taken))[:50]):
            found.append(alarmed(made[at % len(made)], one.window(taken[rows])))
    return float(np.mean(np.array(found) <= ASKED[0]))


def usual_psi(old: Array, new: Array) -> float:
    """As it is mostly written: ten bins of the reference, an empty one counted as a hundredth of a percent."""
    edges = np.unique(np.quantile(old, np.arange(1, 10) / 10))
    a, b = (np.bincount(np.searchsorted(edges, part), minlength=len(edges) + 1) / len(part) for part in (old, new))
    a, b = np.maximum(a, 1e-4), np.maximum(b, 1e-4)
    return float(np.sum((b - a) * np.log(b / a)))


def peer(asked: str, **arrays: Array) -> dict[str, Any]:
    """What Evidently makes of these, in the environment of monitor."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tables.npz"
        np.savez(path, **arrays)
        command = ["dags/launch/environment.py", "monitor", "--", "python", "-m", "bench.peers.columns", asked]
        ended = subprocess.run([sys.executable, *command, str(path)], stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(ended.stdout.splitlines()[-1]))


def shifts(count: int) -> None:
    """In how many windows each shift is seen, and after how many of them the watch says drift."""
    print("| shift | rows | windows in which it is seen | windows until `drift`: usual, worst | it matters |")
    print("|---|---|---|---|---|")
    for name, lay in SHIFTS.items():
        one, moved = (worlds(0), world(0, lay)) if lay else (worlds(0).rated(0), worlds(0).rated(0.05))
        for size in SIZES[1:]:
            draw = np.random.default_rng(size)
            bases = [one.made(rows) for rows in one.pieces(CALIBRATED, REFERENCE, draw)]
            streams = np.array(list(moved.pieces(range(11, 17), size, draw)))
            played = [
                drifted(bases[at % len(bases)], [moved.window(rows) for rows in streams[6 * at : 6 * at + 6]])
                for at in range(min(count // 12, len(streams) // 6))
            ]
            seen = np.mean([bool(each) for stream in played for each, _ in stream])
            waits = sorted(wait(stream) for stream in played)
            matters = np.mean([bool(each) for stream in played for _, each in stream])
            usual, worst = (str(each) if each < 7 else "more than 6" for each in (waits[len(waits) // 2], waits[-1]))
            print(f"| {name} | {size:,} | {seen:.0%} | {usual}, {worst} | {matters:.0%} |", flush=True)


def drifted(made: Facts, windows: list[Window]) -> list[tuple[set[str], set[str]]]:
    """What each window alone shows: the features beyond chance, and those of them that are large."""
    found = []
    for window in windows:
        facts = said(made, [window])
        told = [each for each in (*facts["features"], facts["prediction"]) if each["drifted"]]
        found.append(({each["feature"] for each in told}, {e["feature"] for e in told if e["psi"] >= PSI}))
    return found


def wait(stream: list[tuple[set[str], set[str]]]) -> int:
    """After how many windows enough of the last ones agree on a feature, the newest among them; 7 is never."""
    for now in range(len(stream)):
        last = [each for each, _ in stream[max(0, now + 1 - PROBLEM.collect.windows) : now + 1]]
        if any(sum(name in each for each in last) >= PROBLEM.monitor.agree for name in last[-1]):
            return now + 1
    return 7


LEAD = (pl.col("appointment_day") - pl.col("scheduled_day").dt.date()).dt.total_days()
SHIFTS: dict[str, Shift | None] = {
    "age: 5 years older": lambda table: table.with_columns(pl.col("age") + 5),
    "age: 2 years older": lambda table: table.with_columns(pl.col("age") + 2),
    "lead time: half as long again": lambda table: table.with_columns(
        pl.col("scheduled_day") - pl.duration(days=LEAD // 2)
    ),
    "a category lost: all women": lambda table: table.with_columns(sex=pl.lit(0, table.schema["sex"])),
    "a unit changed: age in months": lambda table: table.with_columns(pl.col("age").cast(pl.Int64) * 12),
    "a clock changed: booked 3 hours later": lambda table: table.with_columns(
        pl.col("scheduled_day") + pl.duration(hours=3)
    ),
    "base rate: 20% to 24%, outcomes in": None,
}


def speed(_: int) -> None:
    """Seconds of one core for a million rows of 25 columns in four windows, beside Evidently and chunks."""
    one = worlds(0)
    draw = np.random.default_rng(1)
    made, rows = one.made(np.flatnonzero(one.week < 7)), draw.integers(0, len(one.week), MILLION)
    parts = [one.window(part) for part in np.array_split(rows, PROBLEM.collect.windows)]
    ours = seconds(lambda: said(made, parts))
    base, table = one.matrix[one.week < 7], one.matrix[rows]
    chunked = seconds(lambda: chunks(base, table, len(parts)))
    evidently = peer("speed", reference=base, window=table)["seconds"]
    show(
        f"{MILLION:,} rows, {table.shape[1]} features and the score, {len(parts)} windows, seconds of one core",
        [
            ("here", f"{ours:.1f} s", f"{peak():.1f} GB held at most, with the tables"),
            ("chunks: KS and Jensen-Shannon a column", f"{chunked:.1f} s", f"{chunked / ours:.0f} times as long"),
            (
                "Evidently's preset, one window of them all",
                f"{evidently:.1f} s",
                f"{evidently / ours:.0f} times as long",
            ),
        ],
    )


def chunks(base: Array, table: Array, windows: int) -> float:
    """As NannyML does it: each chunk against the reference, thresholds from how the reference's own chunks differ."""
    worst = 0.0
    for at in range(base.shape[1]):
        edges = np.histogram_bin_edges(base[:, at], "doane")
        old = np.histogram(base[:, at], edges)[0] / len(base)
        own = [apart(base[:, at], chunk, old, edges) for chunk in np.array_split(base[:, at], windows)]
        bound = np.mean(own, axis=0) + 3 * np.std(own, axis=0)
        found = [apart(base[:, at], chunk, old, edges) for chunk in np.array_split(table[:, at], windows)]
        worst = max(worst, float(np.max(np.array(found) - bound)))
    return worst


def apart(base: Array, chunk: Array, old: Array, edges: Array) -> tuple[float, float]:
    new = np.histogram(chunk, edges)[0] / len(chunk)
    return float(stats.ks_2samp(base, chunk, method="asymp").statistic), float(jensenshannon(old, new))


def main() -> None:
    words = [word for word in sys.argv[1:] if not word.isdigit()] or ["false", "shifts", "speed"]
    count = next((int(word) for word in sys.argv[1:] if word.isdigit()), WINDOWS)
    for word in words:
        {"false": false, "shifts": shifts, "speed": speed}[word](count)


if __name__ == "__main__":
    main()
