"""Which raw column is which of ours, and what to say where that is not clear.

A table without a header has a patient's values in its first line. So a name that problem.yaml does not know is told by
its place alone.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rounds.knobs import Column

SHOWN = 10  # places that a sentence lists
LONGEST = 100  # characters of a name that may be a misspelt one


@dataclass(frozen=True)
class Header:
    """`names`: our name to the raw one. `extra`: places, from 1, of unknown columns. `faults`: one sentence each."""

    names: Mapping[str, str]
    extra: tuple[int, ...]
    faults: tuple[str, ...]


def match(found: Sequence[str], columns: Mapping[str, Column]) -> Header:
    """Find every column by its raw name; space and a byte order mark around a name do not count."""
    plain = [name.strip("\ufeff \t\r\n") for name in found]
    first = {name: at for at, name in reversed(list(enumerate(plain)))}
    names = {ours: found[first[column.raw]] for ours, column in columns.items() if column.raw in first}
    wanted = {column.raw for column in columns.values()}
    extra = tuple(at for at, name in enumerate(plain, start=1) if name not in wanted)
    times = _times(plain)
    doubled = sorted(name for name in wanted if times[name] > 1)
    faults = [f"the raw table has the column '{name}' {times[name]} times; want it once" for name in doubled]
    missing = {ours: column.raw for ours, column in columns.items() if ours not in names}
    if len(names) * 2 < len(columns):
        listed = ", ".join(sorted(wanted))
        faults.append(
            f"the raw table has {len(names)} of the {len(columns)} columns that are wanted ({listed}); its own names "
            "are withheld, since they may be a patient's values. See that its first line is the header"
        )
        return Header(names, (), tuple(faults))
    spelt = {plain[at - 1].lower(): at for at in extra if len(plain[at - 1]) <= LONGEST}
    faults += [_missing(ours, raw, extra, spelt) for ours, raw in missing.items()]
    return Header(names, extra, tuple(faults))


def list_places(places: Sequence[int]) -> str:
    """`column 4`, `columns 4 and 7`, or the first ten and how many more."""
    shown = [f"{place:,}" for place in places[:SHOWN]]
    if len(places) > SHOWN:
        shown.append(f"{len(places) - SHOWN:,} more")
    if len(shown) == 1:
        return f"column {shown[0]}"
    return f"columns {', '.join(shown[:-1])} and {shown[-1]}"


def _times(plain: Sequence[str]) -> Counter[str]:
    """How often each column stands there; readers of csv number the repeats."""
    times = Counter(plain)
    for name in plain:
        if numbered := re.fullmatch(r"(.*)_duplicated_\d+", name, re.DOTALL):
            times[numbered[1]] += 1
    return times


def _missing(ours: str, raw: str, extra: Sequence[int], spelt: Mapping[str, int]) -> str:
    near = difflib.get_close_matches(raw.lower(), spelt, n=1, cutoff=0.6)
    if near:
        hint = f"column {spelt[near[0]]:,} has a name like it"
    elif extra:
        hint = f"{list_places(extra)} {'is' if len(extra) == 1 else 'are'} not in problem.yaml"
    else:
        hint = "it has no other column"
    return (
        f"the raw table has no column '{raw}' ({hint}). "
        f"Rename it at the source, or change columns.{ours}.from in problem.yaml"
    )
