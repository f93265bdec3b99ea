"""One clinic for all tests of monitor, for none of them to change."""

from __future__ import annotations

import shutil
import subprocess
import sys

import polars as pl
import pytest

from rounds import bundle
from rounds.store import open_store
from tests import tracked
from tests.checkout import ROOT, Checkout
from tests.jobs.monitor.clinic import ODD, Clinic
from tests.jobs.watched import KEY, watched
from tests.warm import Warm


def long_ahead(raw: pl.DataFrame) -> pl.DataFrame:
    """One appointment was booked in another century."""
    booked = pl.col("AppointmentDay").str.slice(0, 10).str.to_date() - pl.duration(days=ODD)
    odd = booked.dt.strftime("%Y-%m-%dT09:00:00Z")
    last = pl.int_range(pl.len()) == pl.len() - 1
    return raw.with_columns(pl.when(last).then(odd).otherwise("ScheduledDay").alias("ScheduledDay"))


@pytest.fixture(scope="session")
def clinic(done: Checkout, tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Clinic:
    """A champion, four weeks of its predictions with calls and outcomes, and all of it collected."""
    place = tmp_path_factory.mktemp("clinic")
    for name in ("store", done.root.name):
        shutil.copytree(done.place / name, place / name)
    checkout = Checkout(place / done.root.name, place).at(place)
    tracked.url(place / "mlflow")
    assert warm.run(checkout, "register").well
    loaded = bundle.load(lambda name: checkout.file("train", name))
    world = watched(open_store(checkout.store.as_uri()), loaded, rows=2400, called=0.1, change=long_ahead)
    ended = warm.run(checkout, "collect", "w", "--to", world.to.isoformat(), JOURNAL_KEY=KEY)
    assert ended.code == 0, ended.text
    return Clinic(checkout, loaded, world)


@pytest.fixture(scope="session")
def python() -> str:
    """Evidently lives in the step's own environment."""
    subprocess.run([sys.executable, str(ROOT / "dags/launch/environment.py"), "monitor"], check=True)
    return str(ROOT / ".rounds/envs/monitor/bin/python")
