"""Give the journal another key: `JOURNAL_KEY=OLD,NEW python -m serving.rekey`.  Stop every service and step first.

The new value of JOURNAL_KEY is the old one, a comma, and one key more. Folder and store are changed; run it again if
it was killed. docs/journal-format.md says why, and what it cannot undo.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import problems
from rounds.errors import Refused, RoundsError
from rounds.journal import hidden, key_note, secret
from rounds.outcomes import LEDGER as OUTCOMES
from rounds.rekeying import LEDGERS, Change, rekey
from rounds.settings import settings
from rounds.store import Store, open_store
from serving.segments import put
from serving.shipping import Yard


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m serving.rekey", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--problem", default="noshow", choices=problems.names())
    problem = parser.parse_args(argv).problem
    try:
        written = change(problem, open_store(settings().store), Path(settings().journal_folder), settings().journal_key)
    except RoundsError as error:
        print(f"rekey: {error}", file=sys.stderr)
        return error.exit_code
    print(f"rekey: {written} parts were changed, and the journal of {problem} has the new key")
    return 0


def change(problem: str, store: Store, folder: Path, given: str) -> int:
    """Ship what lies in the folder under the old key, change the store, and note the new key in the folder."""
    before, comma, _ = given.rpartition(",")
    if not comma:
        raise Refused("JOURNAL_KEY holds one key; want the old value, a comma, and the key to add.")
    secret(given, folder)  # whether each is long enough
    of = problems.problem(problem)
    yards = [yard for yard in _yards(problem, store, folder, before.encode()) if yard.folder.exists()]
    for yard in yards:
        _ship(yard)
    keys = (before.encode(), given.encode())
    written = rekey(Change(store, problem, *keys, hidden(of.columns, of.who)))
    for yard in yards:
        shutil.rmtree(yard.folder / "shipped", ignore_errors=True)  # copies under the old key; the store has them
        put(yard.folder / "key.json", key_note(given.encode()))
    return written


def _yards(problem: str, store: Store, folder: Path, key: bytes) -> Iterator[Yard]:
    for ledger in LEDGERS:
        own = folder / OUTCOMES if ledger == OUTCOMES else folder
        yield Yard(own / problem, problem, store, 0, 0, 0, ledger=ledger, key=key)


def _ship(yard: Yard) -> None:
    yard.tidy(wait=True)
    if left := [*yard.written(), *yard.waiting()]:
        raise Refused(
            f"{left[0]} is not shipped: a service still writes in {yard.folder}. Stop it, then run this again."
        )


if __name__ == "__main__":
    sys.exit(main())
