"""How often the watch says that the outcome's rate moved where it did not: `python -m bench.target [windows]`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.drift import ASKED, CALIBRATED, PROBLEM, REFERENCE, SIZES, Array, worlds
from jobs.watching.performance import Asked, Rows, target
from rounds.manifest import Facts
from rounds.reference import statistics

WINDOWS, OFTEN = 1000, 5


@dataclass(frozen=True)
class Pool:
    """Outcomes, patient by patient; whoever is drawn brings all of theirs."""

    missed: Array
    visits: Array  # of each patient

    def drawn(self, size: int, draw: np.random.Generator) -> tuple[Array, Array]:
        people = draw.integers(0, len(self.visits), size)
        visits, first = self.visits[people], (np.cumsum(self.visits) - self.visits)[people]
        who = np.repeat(np.arange(size), visits)[:size]
        place = np.arange(size) - (np.cumsum(visits) - visits)[who]
        return who, self.missed[first[who] + place]


def pools() -> Iterator[tuple[str, Pool]]:
    """One hospital, of whose patients ever more rows are taken."""
    one = worlds(0)
    visits, shuffled = np.bincount(one.who)[one.who], np.random.default_rng(1).permutation(len(one.who))
    two, often = np.flatnonzero(np.isin(one.week, CALIBRATED)), np.flatnonzero(visits >= OFTEN)
    once = shuffled[np.unique(one.who[shuffled], return_index=True)[1]]
    taken = {"one a patient": once, "of two weeks": two, "of 18 weeks": shuffled, f"{OFTEN} a patient or more": often}
    for name, rows in taken.items():
        ordered = rows[np.argsort(one.who[rows], kind="stable")]
        yield name, Pool(one.missed[ordered], np.unique(one.who[ordered], return_counts=True)[1])


def counted(who: Array, missed: Array) -> Facts:
    empty = np.zeros((len(who), 0))
    return dict(statistics((), empty, np.zeros(len(who)), missed, who, np.zeros(len(who)))["outcomes"])


def alarmed(reference: Facts, who: Array, missed: Array, asked: float) -> bool:
    """Nobody was called, and no margin of the gate hides what is small."""
    none = np.zeros(len(who), bool)
    day = window = none.astype(int)
    rows = Rows(none.astype(float), missed.astype(float), none, np.ones(len(who)), who, day, window, none)
    told = target(rows, reference, Asked(PROBLEM.monitor.rows, 0.0, None, asked, PROBLEM.monitor.seed))
    return told is not None and bool(told["drifted"])


def main() -> None:
    count = int(next(iter(sys.argv[1:]), WINDOWS))
    print("| rows | of which one is worth | in the window | asked 1% | asked 5% | asked 10% | 1%, were all of others |")
    print("|---|---|---|---|---|---|---|")
    for name, pool in pools():
        for size in SIZES[1:]:
            draw, found, worth = np.random.default_rng(size), np.zeros((count, len(ASKED) + 1)), 0.0
            for at in range(count):
                made, window = counted(*pool.drawn(REFERENCE, draw)), pool.drawn(size, draw)
                naive = {**made, "effective": made["rows"]}
                found[at] = [*(alarmed(made, *window, asked) for asked in ASKED), alarmed(naive, *window, ASKED[0])]
                worth += made["effective"] / made["rows"] / count
            shares = " | ".join(f"{share:.1%}" for share in found.mean(axis=0))
            print(f"| {name} | {worth:.2f} | {size:,} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
