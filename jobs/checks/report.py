"""What was found, as one JSON value: everything that people are told, and no value of a patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from jobs.checks.agreement import Agreement
from jobs.checks.ahead import Ahead
from jobs.checks.header import Header, list_places
from jobs.checks.profile import Profile
from jobs.checks.questions import Questions
from jobs.checks.rows import Counts
from jobs.checks.whole import Verdict
from rounds.knobs import Column, Quarantine


@dataclass(frozen=True)
class Checked:
    """What is known of a table when every rule has been asked."""

    counts: Counts
    profile: Profile
    verdicts: list[Verdict]
    agreement: Agreement | None
    first_rows: Mapping[str, list[int]]
    ahead: Ahead
    unread: Sequence[str] = ()  # what could not be compared


def refusals(checked: Checked, asked: Questions, limits: Quarantine) -> list[str]:
    """What stops the run, a sentence each."""
    rows, bad = checked.counts.rows, checked.counts.bad
    if rows == 0:
        return ["the raw table has a header and no rows; want at least one row"]
    found = [one.sentence for one in checked.verdicts if one.holds is False and one.check.action == "refuse"]
    budget = limits.at_most
    if checked.counts.outcomes.apart > limits.bias_at_most:
        bound = f"quarantine.bias_at_most is {limits.bias_at_most:.1%}"
        found.insert(0, f"{checked.counts.outcomes.sentence}, and {bound}: the table that is left would be biased")
    if bad / rows > budget:
        most = sorted(broken(checked.counts).items(), key=lambda rule: (-rule[1], rule[0]))
        told = ", ".join(f"{rule} by {count:,}" for rule, count in most)
        found = found if bad < rows else []  # of no good row there is nothing more to say
        share = f"{bad / rows:.4%}) broke a rule, and quarantine.at_most is {budget:.4%}"
        found.insert(0, f"{bad:,} of {rows:,} rows ({share}: {told}")
        if optional := may_be_missing(checked.counts, asked):
            keys = " and ".join(f"columns.{name}" for name in optional)
            found.insert(1, f"Rows without a value pass with 'missing: keep' in {keys}")
    return found


def may_be_missing(counts: Counts, asked: Questions) -> list[str]:
    """The columns with missing values whose rows could be kept: a definition reads a number in their place."""
    required = [check.column for check in asked.rows if check.kind == "required" and counts.broken[check.id]]
    return [name for name in required if name != asked.outcome.column and is_number(asked.columns[name])]


def is_number(column: Column) -> bool:
    return column.type in {"integer", "number", "flag"} or column.within is not None


def warnings(header: Header, checked: Checked, limits: Quarantine) -> list[str]:
    found = [one.sentence for one in checked.verdicts if one.holds is False and one.check.action == "warn"]
    if 0 < checked.counts.outcomes.apart <= limits.bias_at_most:
        found.append(f"{checked.counts.outcomes.sentence}: see which rule takes them")
    found += checked.unread
    return [_unknown(header.extra), *found] if header.extra else found


def _unknown(extra: tuple[int, ...]) -> str:
    """By place, not by name: without a header the names are a patient's values."""
    if len(extra) == 1:
        return f"{list_places(extra)} of the raw table is not in problem.yaml; it is left out"
    return f"{len(extra):,} columns of the raw table are not in problem.yaml and are left out: {list_places(extra)}"


def broken(counts: Counts) -> dict[str, int]:
    """The rules that rows broke, and how many rows."""
    return {rule: count for rule, count in counts.broken.items() if count}


def unread(problem: str, header: Header, columns: Mapping[str, Column]) -> dict[str, Any]:
    """The report on a table of which only the header could be looked at."""
    return {**_head(problem, columns), "refusals": list(header.faults), "warnings": [], "rules": [], "table": []}


def report(problem: str, header: Header, asked: Questions, checked: Checked, limits: Quarantine) -> dict[str, Any]:
    counts, agreement = checked.counts, checked.agreement
    opinions = {rule: asdict(opinion) for rule, opinion in agreement.opinions.items()} if agreement else {}
    return {
        **_head(problem, asked.columns),
        "rows": counts.rows,
        "good": counts.rows - counts.bad,
        "quarantined": counts.bad,
        "ahead": checked.ahead.sentence if checked.ahead.rows else "",
        "budget": limits.at_most,
        "outcome_rate": counts.outcomes.report,
        "refusals": refusals(checked, asked, limits),
        "warnings": warnings(header, checked, limits),
        "rules": [
            {
                "id": check.id,
                "column": check.column,
                "wanted": check.wanted,
                "broken": counts.broken[check.id],
                "first_rows": checked.first_rows.get(check.id, []),
                "great_expectations": opinions.get(check.id),
            }
            for check in asked.rows
        ],
        "table": [
            {
                "id": one.check.id,
                "wanted": one.check.wanted,
                "found": one.found,
                "holds": one.holds,
                "action": one.check.action,
                "great_expectations": opinions.get(one.check.id),
            }
            for one in checked.verdicts
        ],
        "great_expectations": {
            "version": version("great-expectations"),
            "rows": agreement.rows if agreement else 0,
            "good": agreement.good if agreement else 0,
        },
    }


def _head(problem: str, columns: Mapping[str, Column]) -> dict[str, Any]:
    listed = [
        {"name": name, "from": column.raw, "type": column.type, "known": column.known}
        for name, column in columns.items()
    ]
    return {"problem": problem, "columns": listed}
