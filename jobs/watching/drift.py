"""Drift: which features, and the score, look otherwise than when the champion was made, beyond what chance shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jobs.judging.parts import FEW
from jobs.watching.windows import Array, Judged, Table, Window
from rounds.manifest import Facts
from rounds.watched import Monitor

__all__ = ["Window", "compare"]


def compare(
    reference: Facts, names: Sequence[str], windows: Sequence[Window], asked: Monitor, importance: Mapping[str, float]
) -> Facts:
    """What drifted from the reference, in the newest window (the first) and in how many of all.

    `names` are the columns of the windows' matrices. `drifted` is the newest window's word; it is `lasting` where
    enough windows agree, and `matters` where it is large too. `trail` holds the PSI of each window.
    """
    table = Table(reference, names, asked.ignore)
    judged = [table.judge(window, asked) for window in windows]
    told = [_feature(table, row, windows, judged, asked) for row in range(len(table.names))]
    absent = [(name, "the champion never saw it") for name in names if name not in reference["features"]]
    absent += [(name, "the champion wants it and no row has it") for name in reference["features"] if name not in names]
    features = [*told[:-1], *(_blank(name, says) for name, says in absent)]
    for feature in features:
        feature["importance"] = _rounded(importance.get(feature["feature"]))
        feature["ignored"] = feature["feature"] in asked.ignore
    return {
        "verdict": _verdict(told, windows, asked, bool(absent)),
        "false_alarms": asked.false_alarms,
        "agree": asked.agree,
        "of": len(windows),
        "features": features,
        "prediction": {**told[-1], "importance": None},
    }


def _feature(
    table: Table, row: int, windows: Sequence[Window], judged: Sequence[Judged | None], asked: Monitor
) -> Facts:
    """One feature's figures: those of the newest window, and of how many windows it drifted in."""
    newest, name = judged[0] if judged else None, table.names[row]
    agreed = sum(bool(each.drifted[row]) for each in judged if each is not None)
    if newest is None:
        return {**_blank(name, "no rows"), "agreed": agreed}
    drifted = bool(newest.drifted[row])
    lasting = drifted and agreed >= asked.agree
    said = {
        "feature": name,
        "psi": _rounded(newest.found.psi[row]),
        "ks": _rounded(newest.found.ks[row]),
        "p": _rounded(newest.p[row]),
        "threshold": _rounded(newest.bound.psi[row]),
        "drifted": drifted,
        "lasting": lasting,
        "matters": lasting and bool(newest.found.psi[row] >= asked.psi),
        "agreed": agreed,
        "missing": _rounded(newest.missing[row]),
        "trail": [None if each is None else _rounded(each.found.psi[row]) for each in judged],
        "shares": _shares(table, newest, row) if windows[0].seen(asked.rows) == "enough" else None,
    }
    return {**said, "says": _says(said, newest, row, len(windows[0].scores), len(judged), asked)}


def _blank(name: str, says: str) -> Facts:
    """A feature of which nothing can be said but why."""
    unknown = dict.fromkeys(("psi", "ks", "p", "threshold"))
    known = {"drifted": False, "lasting": False, "matters": False, "agreed": 0, "missing": None}
    return {"feature": name, **unknown, **known, "trail": [], "shares": None, "says": says}


def _shares(table: Table, newest: Judged, row: int) -> Facts:
    """The two histograms, for a picture; those of values that were never seen and of missing ones too."""
    real = table.real[row]
    parts = {"reference": table.rows[row][real], "window": newest.rows[row][real]}
    shares = {name: _withheld(rows) for name, rows in parts.items()}
    return {"kind": table.facts[row].get("kind", "parts"), "edges": table.edges[row].tolist(), **shares}


def _withheld(rows: Array) -> list[float | None]:
    """The share of each bin; none of so few rows that it would tell of somebody, nor of as many others, the smallest
    first, as keep them from being reckoned out.
    """
    hidden: list[int] = []
    for at in np.argsort(rows, kind="stable").tolist():
        open_ = bool(hidden) and (len(hidden) < 2 or rows[hidden].sum() < FEW)
        if rows[at] and (rows[at] < FEW or open_):
            hidden.append(at)
    return [None if at in hidden else _rounded(share) for at, share in enumerate(rows / rows.sum())]


def _says(said: Facts, newest: Judged, row: int, rows: int, of: int, asked: Monitor) -> str:
    """The figures in a sentence."""
    if rows < asked.rows:
        return f"{rows} rows in the newest window; want {asked.rows} before anything is said"
    if said["feature"] in asked.ignore:
        return "not judged: it moves by itself (monitor.ignore)"
    gone = "all values are missing; " if said["missing"] == 1 else ""
    if not gone and said["missing"]:
        gone = f"{said['missing']:.1%} of the values are missing; "
    if not said["drifted"]:
        return f"{gone}PSI {said['psi']:.3f}, within what chance shows"
    beyond = [
        f"{word} {value[row]:.3f} where chance shows up to {bound[row]:.3f}"
        for word, value, bound in zip(("PSI", "KS", "chi-squared"), newest.found, newest.bound, strict=True)
        if value[row] > bound[row]
    ]
    weight = "" if not said["lasting"] or said["matters"] else f"; too small to matter (PSI below {asked.psi:g})"
    return f"{gone}{beyond[0]}, in {said['agreed']} of {of} windows{weight}"


def _verdict(told: Sequence[Facts], windows: Sequence[Window], asked: Monitor, absent: bool) -> str:
    """`unseen` unless the newest window says something, and enough windows do if something is to be borne out."""
    seen = [window.seen(asked.rows) == "enough" for window in windows]
    if any(feature["lasting"] for feature in told):
        return "drift"
    if not seen or not seen[0] or absent or all(feature["p"] is None for feature in told):
        return "unseen"
    waiting = any(feature["drifted"] for feature in told) and sum(seen) < asked.agree
    return "unseen" if waiting else "none"


def _rounded(value: Any) -> float | None:
    """Six digits, which are more than anyone reads; what is no number is none."""
    return None if value is None or value != value else float(f"{float(value):.6g}")
