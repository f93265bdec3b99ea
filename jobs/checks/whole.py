"""The rules of the table as a whole, judged by its profile and that of the last good run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from jobs.checks.profile import Finding, Profile, compare
from jobs.checks.restated import EARLIER, PREDICTED, Comparison
from rounds.rules import Check


@dataclass(frozen=True)
class Verdict:
    """What was found for one rule; `holds` is None where there was nothing to hold it against."""

    check: Check
    found: str
    holds: bool | None

    @property
    def sentence(self) -> str:
        return f"{self.check.id}: {self.found}; want {self.check.wanted}"


@dataclass(frozen=True)
class Earlier:
    """How the table differs from the last good one, None where there is none; and the comparisons of its rows."""

    findings: Sequence[Finding] | None
    comparisons: Sequence[Comparison]


def judge(
    checks: Sequence[Check], profile: Profile, last: Profile | None, comparisons: Sequence[Comparison]
) -> list[Verdict]:
    """A verdict on each rule of the whole table."""
    earlier = Earlier(None if last is None else compare(profile, last), comparisons)
    return [Verdict(check, *JUDGES[check.kind](check, profile, earlier)) for check in checks]


Found = tuple[str, bool | None]


def _inside(number: float, check: Check) -> bool:
    low, high = check.low, check.high
    return (low is None or number >= low) and (high is None or number <= high)  # type: ignore[operator]


def _rows(check: Check, profile: Profile, _: Earlier) -> Found:
    return f"the table has {profile['rows']:,} good rows", _inside(profile["rows"], check)


def _outcome_rate(check: Check, profile: Profile, _: Earlier) -> Found:
    outcome, rows = profile["outcome"], profile["rows"]
    if rows == 0:
        return f"no good row has a {outcome['column']}", False
    rate = outcome["true"] / rows
    return f"{outcome['column']} is true in {rate:.4g} of the good rows", _inside(rate, check)


def _constant(check: Check, profile: Profile, _: Earlier) -> Found:
    stuck = [name for name, column in profile["columns"].items() if column["constant"]]
    return (f"one value in every good row of {', '.join(stuck)}", False) if stuck else ("none is constant", True)


def _against_last(kinds: set[str]) -> Callable[[Check, Profile, Earlier], Found]:
    def judged(check: Check, _: Profile, earlier: Earlier) -> Found:
        if earlier.findings is None:
            return "there is no last good run to compare with", None
        far = [
            one
            for one in earlier.findings
            if one.kind in kinds and (one.kind != "drift" or not _inside(one.size, check))
        ]
        return ("; ".join(f"{one.column}: {one.text}" for one in far) or "nothing moved"), not far

    return judged


def _restated(check: Check, _: Profile, earlier: Earlier) -> Found:
    """A change that goes with the outcome is one too many, however few rows it is in."""
    possible = [each for each in earlier.comparisons if not each.impossible]
    changes = [change for each in possible for change in each.restatements]
    wrong = [each for each in changes if each.with_outcome or not _inside(each.share, check)]
    sentences = [each.sentence for each in wrong or changes]
    if possible and not changes:
        sentences = [
            f"no column was changed in {' and '.join(f'{each.rows:,} {each.source}' for each in possible)} rows"
        ]
    for each in earlier.comparisons:
        if each.impossible:
            sentences.append(f"not compared with {SOURCES[each.source]}: {each.impossible}")
    return "; ".join(sentences), not wrong if possible else None


SOURCES = {EARLIER: "the last good run", PREDICTED: "the journal"}


JUDGES: Mapping[str, Callable[[Check, Profile, Earlier], Found]] = {
    "rows": _rows,
    "outcome_rate": _outcome_rate,
    "constant": _constant,
    "vanished": _against_last({"vanished"}),
    "drift": _against_last({"drift", "leap"}),
    "restated": _restated,
}
