"""Which raw column is which of ours, and what to say where that is not clear."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rounds.knobs import Column


@dataclass(frozen=True)
class Header:
    """`names`: our name to the raw one. `extra`: what nobody asked for. `faults`: one sentence each."""

    names: Mapping[str, str]
    extra: tuple[str, ...]
    faults: tuple[str, ...]


def match(found: Sequence[str], columns: Mapping[str, Column]) -> Header:
    """Find every column by its raw name; space and a byte order mark around a name do not count."""
    plain = [name.strip("\ufeff \t\r\n") for name in found]
    names = {ours: found[plain.index(column.raw)] for ours, column in columns.items() if column.raw in plain}
    wanted = {column.raw for column in columns.values()}
    extra = tuple(name for name in plain if name not in wanted)
    doubled = sorted(name for name in wanted if _times(name, plain) > 1)
    faults = [f"the raw table has the column '{name}' {_times(name, plain)} times; want it once" for name in doubled]
    missing = {ours: column.raw for ours, column in columns.items() if ours not in names}
    if len(names) * 2 < len(columns):
        # A table without a header has a patient's values where the names should be: say none of them.
        listed = ", ".join(sorted(wanted))
        faults.append(
            f"the raw table has {len(names)} of the {len(columns)} columns that are wanted ({listed}); its own names "
            "are withheld, since they may be a patient's values. See that its first line is the header"
        )
        return Header(names, (), tuple(faults))
    faults += [_missing(ours, raw, extra) for ours, raw in missing.items()]
    return Header(names, extra, tuple(faults))


def _times(name: str, plain: Sequence[str]) -> int:
    """How often a column stands there; readers of csv number the repeats."""
    return sum(re.fullmatch(rf"{re.escape(name)}(_duplicated_\d+)?", one) is not None for one in plain)


def _missing(ours: str, raw: str, extra: Sequence[str]) -> str:
    lower = {name.lower(): name for name in extra}
    near = difflib.get_close_matches(raw.lower(), lower, n=1, cutoff=0.6)
    found = f"'{lower[near[0]]}' is near" if near else f"not asked for: {', '.join(extra)}" if extra else "nothing else"
    return (
        f"the raw table has no column '{raw}' (found: {found}). "
        f"Rename it at the source, or change columns.{ours}.from in problem.yaml"
    )
