"""What tests of collect do with it: run it, read what it wrote, and lay parts and lists before it."""

from __future__ import annotations

import csv
import json
from typing import Any

import polars as pl

from rounds.evidence import Place
from rounds.journal import LEDGER, place
from rounds.recorded import Ledger
from rounds.store import Store, open_store
from tests.checkout import Checkout, Ended
from tests.jobs.watched import KEY
from tests.warm import Warm

ROWS = 900
SECRET = {"JOURNAL_KEY": KEY}


def collect(here: Checkout, warm: Warm, *more: str, to: str = "2026-03-29") -> Ended:
    return warm.run(here, "collect", "w", "--to", to, *more, **SECRET)


def collected(here: Checkout, warm: Warm, *more: str, to: str = "2026-03-29") -> tuple[pl.DataFrame, dict[str, Any]]:
    ended = collect(here, warm, *more, to=to)
    assert ended.code == 0, ended.text
    table = pl.read_parquet(here.file("collect", "predictions.parquet", "w"), glob=False)
    return table, here.content("collect", "w")["facts"]


def store_of(here: Checkout) -> Store:
    return open_store(here.store.as_uri())


def put(here: Checkout, ledger: str, name: str, *lines: dict[str, Any]) -> str:
    """One part more; answers where it lies."""
    own = ledger_of(here, ledger)
    where = Place(lines[0]["at"][:10], name, 1)
    header = own.put(where, "".join(json.dumps(line) + "\n" for line in lines).encode())
    own.write_head(name, header.next(own.key))
    return place("noshow", where.day, f"{name}-000001", ledger)


def ledger_of(here: Checkout, name: str = LEDGER) -> Ledger:
    return Ledger(store_of(here), "noshow", KEY.encode(), name)


def lines_of(here: Checkout, path: str) -> list[dict[str, Any]]:
    opened = ledger_of(here, path.split("/")[1][1:]).open(path)
    assert opened is not None
    return [json.loads(line) for line in opened.lines.splitlines()]


def listed(here: Checkout, rows: list[dict[str, Any]], name: str = "list.csv") -> str:
    with (here.place / name).open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
        out.writeheader()
        out.writerows(rows)
    return str(here.place / name)
