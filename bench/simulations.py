"""What the statistics promise, held against worlds whose truth is known: `python -m bench.simulations [words]`.

The words are any of `coverage`, `promotion`, `years`, `strong`, and a number of repetitions in place of the usual.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

import numpy as np

from bench.simulated import coverage as covers
from bench.simulated import promotions, strong, years
from rounds.clusters import NORMAL
from rounds.shares import wilson

TABLES, CHAINS, TESTS, YEARS, FEATURES = 1000, 200, 100, 100, 2
FEW_PATIENTS, PATIENTS = 600, 12_000  # of a slice: the risk is the same for any number, the power is not
DIFFER = {0.0: "no", 0.4: "yes"}


def show(title: str, heads: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """A table of Markdown, row by row as it is ready."""
    heads = tuple(heads)
    print(f"\n### {title}\n\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)
    for row in rows:
        print(f"| {' | '.join(str(cell) for cell in row)} |", flush=True)


def interval(count: int, of: int) -> str:
    low, high = wilson(count / of, of, NORMAL)
    return f"{count / of:.1%} ({low:.1%} to {high:.1%})"


def coverage(repetitions: int) -> None:
    """How often 95% intervals cover the truth."""
    worlds = [(differ, days) for differ in covers.DIFFER for days in covers.DAYS]
    figures = [name for name in covers.FIGURES if name != "ece"]

    def rows(covered: Callable[[int, float, int], Iterable[dict[str, bool]]], names: list[str]) -> Iterable[list[str]]:
        for differ, days in worlds:
            tables = list(covered(days, differ, repetitions))
            shares = (np.mean([each[name] for each in tables]) for name in names)
            yield [str(days), DIFFER[differ], *(f"{share:.1%}" for share in shares)]

    words = [name.replace("_", " ") for name in covers.FIGURES]
    title = f"Coverage of 95% intervals, {repetitions:,} tables of {covers.PATIENTS} patients each"
    show(title, ("days", "days differ", *words), rows(covers.covered, list(covers.FIGURES)))
    more = [*figures[:1], *covers.PROMOTED]
    title = f"The same for the difference between two models on the same rows, {repetitions:,} tables each"
    show(title, ("days", "days differ", *(name.replace("_", " ") for name in more)), rows(covers.differences, more))


def promotion(repetitions: int) -> None:
    """How often a model that is worse by the margin is promoted, and how often one that is equal."""
    chains, tests = repetitions or CHAINS, repetitions or TESTS

    def worse() -> Iterable[list[object]]:
        for days, rate, models in promotions.WORLDS:
            world = promotions.World(FEW_PATIENTS, days, rate, models)
            rows, passed = promotions.promoted(world, chains)
            yield [days, rate, models, interval(rows, chains), f"{passed / chains / promotions.IN_A_ROW:.3%}"]

    def equal() -> Iterable[list[object]]:
        for days, rate, models in promotions.WORLDS:
            one = promotions.power(promotions.World(PATIENTS, days, rate, models), tests)
            yield [
                f"{one.rows:,}",
                days,
                rate,
                models,
                interval(round(one.passed * tests), tests),
                f"{one.said:.0%}",
                f"{one.wanted:,}",
            ]

    title = f"A model that is worse by {promotions.MARGIN:g}: {promotions.IN_A_ROW} tests in a row, {chains:,} times"
    worlds = ("days", "rate differs by (log odds)", "models differ by (score)")
    show(title, (*worlds, "promoted at least once", "of single tests"), worse())
    title = f"An equal model: {tests:,} single tests"
    show(title, ("rows", *worlds, "passed", "said by the test", "rows for 80%, as said"), equal())


def still_years(repetitions: int) -> None:
    """How many years in which nothing changes ask for a retrain."""

    def rows() -> Iterable[list[object]]:
        for world in years.WORLDS:
            retrains = sum(years.asks(years.year(seed, world)) for seed in range(repetitions))
            yield [world.rows, world.differ, world.sure, interval(retrains, repetitions)]

    title = f"Years in which nothing changes, {repetitions:,} each, looked at daily"
    show(title, ("rows a day", "days differ by (log odds)", "scores too sure by", "years with a retrain"), rows())


def features(repetitions: int) -> None:
    """What the leakage checks say of an honest feature that is strong by itself, and where its model ends."""

    def rows() -> Iterable[list[object]]:
        for auc in strong.AUCS:
            ends = [strong.ended(auc, seed) for seed in range(1, repetitions + 1)]
            alone, whole = (
                np.mean(each) for each in zip(*((one.alone, one.auc["value"]) for one in ends), strict=True)
            )
            checks = " / ".join(sorted({one.says for one in ends}))
            stages = " / ".join(sorted({one.end for one in ends}))
            yield [f"{auc:.2f}", f"{alone:.2f}", f"{whole:.2f}", checks, stages]

    title = f"An honest feature that is strong by itself, {repetitions} tables each"
    show(title, ("AUC alone", "on the test rows", "of the model", "the leakage checks say", "the model is"), rows())


EVERY: dict[str, tuple[Callable[[int], None], int]] = {
    "coverage": (coverage, TABLES),
    "promotion": (promotion, 0),
    "years": (still_years, YEARS),
    "strong": (features, FEATURES),
}


def main() -> None:
    words = [word for word in sys.argv[1:] if not word.isdigit()] or list(EVERY)
    count = next((int(word) for word in sys.argv[1:] if word.isdigit()), 0)
    for word in words:
        work, usual = EVERY[word]
        work(count or usual)


if __name__ == "__main__":
    main()
