"""Whether a ledger is complete: the parts that its signed heads name, compared with those in the store.

Names of parts are compared for all of it, contents for what was read. Sentences name parts, never a value of a line.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain, islice, pairwise
from typing import Any, NamedTuple

from rounds import evidence
from rounds.evidence import Altered, Before, Header, located
from rounds.recorded import PACKED, Ledger
from rounds.store import Store

READERS = 16
LATE = 1.0  # seconds after which the head of an instance is looked for once more
SHOWN = 5  # numbers of missing parts that a sentence names


class Audit(NamedTuple):
    """`parts` is how many the heads name: it never falls."""

    parts: int
    missing: list[str]
    altered: list[str]


def audit(ledger: Ledger) -> Audit:
    """Call it after the parts were read: what was read is compared in content, all else by its names.

    A part is shipped before its head, and a service may ship meanwhile. So heads are read first, and those that are
    missing once more.
    """
    noted = (path.rsplit("/", 1)[-1].removesuffix(".json") for path in ledger.store.paths(f"{ledger.chains}/heads"))
    heads, altered = _heads(ledger, noted)
    shown, strange = _listed(ledger)
    if late := {*shown} - {*heads}:
        time.sleep(LATE)
        more, unread = _heads(ledger, late)
        heads |= more
        altered += unread
    altered += strange
    try:
        since = ledger.since()
    except Altered as error:
        altered.append(str(error))
        since = ""
    missing: list[str] = []
    for instance in sorted({*shown, *heads}):
        missing += _missing(ledger, instance, shown.get(instance, {}), heads.get(instance), since)
    _read_misplaced(ledger, shown, heads)
    altered += [*ledger.altered.values(), *_broken(ledger, heads)]
    return Audit(sum(head.number for head in heads.values() if head), missing, list(dict.fromkeys(altered)))


def report_place(problem: str) -> str:
    return f"{problem}/.chains/audit.json"


def write_report(store: Store, problem: str, key: bytes, report: Mapping[str, Any]) -> None:
    """Sign what an audit of the ledgers found: a change of it in the store is then seen."""
    store.write(report_place(problem), evidence.sign({**report, "problem": problem}, "audit", key))


def read_report(store: Store, problem: str, key: bytes) -> dict[str, Any] | None:
    """What the last audit found; None where none was made."""
    path = report_place(problem)
    raw = store.read(path)
    if raw is None:
        return None
    report = evidence.open_signed(raw, path, "audit", key)
    if report["problem"] != problem:
        raise Altered(f"{path} is altered: it is the report of problem {report['problem']}.")
    return report


def _listed(ledger: Ledger) -> tuple[dict[str, dict[int, str]], list[str]]:
    """Each instance's parts by number, and what lies there and is no part, or is one twice."""
    shown: dict[str, dict[int, str]] = {}
    strange = []
    for path in ledger.store.paths(ledger.root):
        where = located(path)
        if where is None:
            strange += [f"{path} is no part of the ledger"] if path.endswith(PACKED) else []
            continue
        if path != f"{ledger.root}/{where.day}/{path.rsplit('/', 1)[-1]}":
            strange.append(f"{path} is out of place: a part lies directly in the folder of its day")
            continue
        own = shown.setdefault(where.instance, {})
        if where.number in own:
            strange.append(f"{path} is out of place: part {where.number} of instance {where.instance} is there twice")
        own[where.number] = path
    return shown, strange


def _heads(ledger: Ledger, instances: Iterable[str]) -> tuple[dict[str, Before | None], list[str]]:
    """The head of each of these instances; None where it is missing."""
    altered: list[str] = []

    def head(instance: str) -> Before | None:
        try:
            return ledger.head(instance)
        except Altered as error:
            altered.append(str(error))
            return Before(0, "", "")

    names = sorted(instances)
    with ThreadPoolExecutor(READERS) as pool:
        return dict(zip(names, pool.map(head, names), strict=True)), sorted(altered)


def _missing(ledger: Ledger, instance: str, parts: Mapping[int, str], head: Before | None, since: str) -> Iterator[str]:
    """The sentences on what an instance lacks; what was removed by its age is not missing."""
    if head is None:
        yield (
            f"instance {instance} of the {ledger.name} has {len(parts)} parts and no head: it was deleted, or the "
            "shipping of the instance was cut off. Whether later parts are missing cannot be seen"
        )
    numbers = [0, *sorted(parts)]
    if head is not None and head.number > numbers[-1] and head.day >= since:
        yield _sentence(ledger, instance, [range(numbers[-1] + 1, head.number + 1)])
    # A planted name may hold any number, so the numbers of a gap are never listed one by one.
    gaps = [range(number + 1, later) for number, later in pairwise(numbers) if later > number + 1]
    lost = [gap for gap in gaps if not _aged(ledger, parts[gap.stop], since)]
    if lost:
        yield _sentence(ledger, instance, lost)


def _read_misplaced(ledger: Ledger, shown: Mapping[str, Mapping[int, str]], heads: Mapping[str, Before | None]) -> None:
    """Read the parts that seem to lie under another day than theirs: one that does is noted in the ledger as altered.

    A part that was moved out of the days that a reader looks at is otherwise never read, and its name is still there.
    """
    befores = {(each.instance, each.before.number): each.before for each in ledger.seen.values() if each.before}
    for instance, parts in shown.items():
        head = heads.get(instance)
        links = [each for number in parts if (each := befores.get((instance, number)))]
        links += [head] if head and head.number in parts else []
        paths = [parts[each.number] for each in links if each.day != _day(parts[each.number])]
        for path in [*paths, *_backwards(parts)]:
            if path not in ledger.altered:
                with suppress(Altered):
                    ledger.open(path)


def _backwards(parts: Mapping[int, str]) -> Iterator[str]:
    """The parts whose days fall while their numbers rise: rarely a clock that was set back."""
    for first, second in pairwise(sorted(parts)):
        if _day(parts[first]) > _day(parts[second]):
            yield from (parts[first], parts[second])


def _day(path: str) -> str:
    return path.split("/")[-2]


def _aged(ledger: Ledger, path: str, since: str) -> bool:
    """Whether the parts before this one lay under days that were removed on purpose: its header says the last day."""
    header = ledger.seen.get(path)
    if header is None and path not in ledger.altered and since:
        try:
            opened = ledger.open(path)
        except Altered:
            return False
        header = opened.header if opened else None
    return header is not None and header.before is not None and header.before.day < since


def _broken(ledger: Ledger, heads: Mapping[str, Before | None]) -> Iterator[str]:
    """Parts that were read and are not those that a later part, or the head, was chained to."""
    chains = {(each.instance, each.number): each.chain(ledger.key) for each in ledger.seen.values()}
    for path, header in ledger.seen.items():
        if header.before and _differs(chains, header.instance, header.before):
            yield f"{path} does not follow part {header.before.number} of instance {header.instance}: one was replaced"
    for instance, head in heads.items():
        if head and _differs(chains, instance, head):
            yield f"part {head.number} of instance {instance} is not the one that its head names: it was replaced"


def _differs(chains: Mapping[tuple[str, int], str], instance: str, before: Before) -> bool:
    found = chains.get((instance, before.number))
    return found is not None and found != before.chain


def _sentence(ledger: Ledger, instance: str, gaps: list[range]) -> str:
    shown = list(islice(chain.from_iterable(gaps), SHOWN))
    others = sum(gap.stop - gap.start for gap in gaps) - len(shown)
    more = f" and {others} more" if others else ""
    return (
        f"part {', '.join(map(str, shown))}{more} of instance {instance} of the {ledger.name} is missing from the store"
    )


def headers(ledger: Ledger) -> Mapping[str, Header]:
    """Read and verify every part."""
    for day in ledger.days():
        for path in ledger.parts(day):
            try:
                ledger.open(path)
            except Altered:
                continue  # it is noted in the ledger
    return ledger.seen
