"""How runs look on paper: tables for a terminal of 100 columns, and the same without colour in a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from rounds.comparison import Difference
from rounds.inventory import Run
from rounds.manifest import Manifest
from rounds.pruning import Plan
from rounds.scorecard import scorecard
from rounds.why import LOOKS
from rounds.words import count, facts, figure, printable, seconds, size

COLOURS = {"done": "green", "skipped": "dim", "refused": "red", "unreadable": "red", "stale": "yellow"}


def show(view: RenderableType, console: Console) -> None:
    """Print, without the blanks with which a table fills its last column."""
    with console.capture() as captured:
        console.print(view)
    print("\n".join(line.rstrip() for line in printable(captured.get()).splitlines()))


def table(*headers: str) -> Table:
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for header in headers:
        made.add_column(header, overflow="fold")
    return made


def runs(found: Iterable[Run]) -> Table:
    """A line a run."""
    made = table("problem", "run", "when (UTC)", "steps", "why")
    for column in (0, 2):
        made.columns[column].no_wrap = True
    for run in found:
        made.add_row(run.problem, run.name, run.when[:16].replace("T", " "), _steps(run), why_in_short(run))
    return made


def _steps(run: Run) -> Text:
    """`ingest validate done, features refused`."""
    verdicts: list[tuple[str, str]] = [(name, done.content.verdict) for name, done in run.steps.items()]
    verdicts += [(name, "unreadable") for name in run.unreadable]
    parts = []
    for verdict, group in groupby(verdicts, key=lambda pair: pair[1]):
        parts.append(Text(f"{' '.join(name for name, _ in group)} ").append(verdict, COLOURS[verdict]))
    return Text(", ").join(parts)


def why_in_short(run: Run) -> str:
    """The first cause of anything that ran; the steps after it ran because of it."""
    for name, done in run.steps.items():
        if done.circumstances.same_as is None and done.circumstances.why != (LOOKS,):
            first, *more = done.circumstances.why
            return f"{name}: {first}{f' and {len(more)} more' if more else ''}"
    return "nothing changed" if run.steps else ""


def run(found: Run, store: str) -> Group:
    """A run: each step, how long it took, why it ran or did not, what it found."""
    made = table("step", "verdict", "seconds", "why it ran, or did not", "what it found")
    made.columns[0].no_wrap = made.columns[1].no_wrap = True
    made.columns[2].justify = "right"
    notes = []
    for name, done in found.steps.items():
        old = found.stale(name)
        why = "; ".join(done.circumstances.why)
        took = seconds(done.circumstances.seconds)
        made.add_row(name, _verdict(done, old), took, why, facts(done.content.facts))
        notes += [f"{name} was refused: {done.content.message}"] if done.content.verdict == "refused" else []
        notes += [f"{name} is stale: {_and(old)} changed since. Run '{name}' again."] if old else []
    for name, fault in found.unreadable.items():
        made.add_row(name, Text("unreadable", COLOURS["unreadable"]), "", "", "")
        notes.append(fault)
    title = Text(f"{found.problem}, run {found.name}, {found.when[:16].replace('T', ' ')} UTC", "bold")
    return Group(title, made, *(Text(note) for note in notes), *scorecard(found, store))


def _verdict(done: Manifest, stale: Sequence[str]) -> Text:
    verdict = done.content.verdict
    made = Text(verdict, COLOURS[verdict])
    return made.append(", ").append("stale", COLOURS["stale"]) if stale else made


def _and(names: Sequence[str]) -> str:
    return " and ".join(f"'{name}'" for name in names)


def why(found: Run, done: Manifest) -> Group:
    """Why a step ran or did not, and for reused work why that was done."""
    lines = [f"{done.step}: {reason}" for reason in done.circumstances.why]
    if (work := done.circumstances.work) is not None:
        lines += [f"run {done.circumstances.same_as} did it on {work.started[:10]}, because:"]
        lines += [f"  {reason}" for reason in work.why]
    if done.content.message:
        lines.append(f"{done.content.verdict}: {done.content.message}")
    if old := found.stale(done.step):
        lines.append(f"stale: {_and(old)} changed since. Run '{done.step}' again.")
    return Group(*(Text(line) for line in lines))


def differences(before: Run, after: Run, found: Sequence[Difference]) -> RenderableType:
    if not found:
        return Text(f"runs {before.name} and {after.name} of {before.problem} differ in nothing")
    made = table("kind", "steps", "what", before.name, after.name)
    made.columns[0].no_wrap = True
    for each in found:
        made.add_row(each.kind, " ".join(each.steps), each.what, each.before, each.after)
    return made


def quarantine(found: Run, done: Manifest, report: dict[str, Any]) -> Group:
    """The rules that were broken, how often and in which rows; never what stood there."""
    rules = sorted((rule for rule in report["rules"] if rule["broken"]), key=lambda rule: (-rule["broken"], rule["id"]))
    made = table("rule", "wanted", "rows broken", "row numbers")
    made.columns[2].justify = "right"
    for rule in rules:
        made.add_row(rule["id"], rule["wanted"], figure(rule["broken"]), _numbers(rule))
    lines = [
        f"{one['id']} does not hold of the table: {one['found']}" for one in report["table"] if one["holds"] is False
    ]
    lines += [f"refused: {done.content.message}"] if done.content.verdict == "refused" else []
    rate = report.get("outcome_rate", {})
    if rate.get("quarantined") is not None:
        lines.append(f"{rate['quarantined']:.1%} of them have the outcome, of the good rows {rate['good']:.1%}")
    place = done.circumstances.places.get("quarantine.parquet")
    if place is not None and rules:
        lines.append(f"The rows lie in {place}; 'rounds get {found.name} {done.step}' brings them to a folder.")
    bad, rows = report.get("quarantined", 0), report.get("rows", 0)  # not there where only the header could be read
    head = f"{figure(bad)} of {count(rows, 'row')} of run {found.name} are in quarantine"
    return Group(Text(head), *([made] if rules else []), *(Text(line) for line in lines))


def _numbers(rule: dict[str, Any]) -> str:
    first = rule.get("first_rows", [])
    more = ", ..." if len(first) < rule["broken"] else ""
    return ", ".join(map(str, first)) + more if first else "in quarantine.parquet"


def pruned(planned: Plan, freed: int | None) -> Text:
    """What would go, or went, and how much that frees: a sentence, and a line for each run."""
    counts = [
        (len(planned.runs), "old run"),
        (len(planned.files), "file"),
        (len(planned.leftovers) + len(planned.staging), "leftover"),
        (len(planned.index), "key"),
    ]
    told = ", ".join(count(number, word) for number, word in counts if number)
    verb, amount = ("would remove", planned.bytes) if freed is None else ("removed", freed)
    lines = [f"{planned.problem}: {verb} {told}; {size(amount)}"]
    lines += [f"  {each.name}, {each.when[:10]}" for each in planned.runs]
    return Text("\n".join(lines))
