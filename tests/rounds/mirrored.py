"""A store with a run to mirror, and an MLflow of its own."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jobs.train import Knobs, fit
from rounds import mirror, places
from rounds.files import Writer
from rounds.manifest import Circumstances, Content, Ingredients, Kept, Manifest
from rounds.mirror import Mirrored
from rounds.store import Store, open_store
from rounds.tracking import Tracking
from tests import clinic, tracked
from tests.tracked import Death

TRIALS = {
    "score": "roc_auc",
    "trials": [
        {"rank": 1, "number": 2, "knobs": {"depth": 4}, "scores": [0.7, 0.8], "mean": 0.75, "deviation": 0.05},
        {"rank": 2, "number": 1, "knobs": {"depth": 3}, "scores": [0.6, 0.7], "mean": 0.65, "deviation": 0.05},
    ],
}
METRICS = {"auc": {"value": 0.73, "low": 0.72, "high": 0.74}, "f1": {"value": 0.4, "low": 0.3, "high": 0.5}}


@dataclass
class Place:
    """A store and an MLflow."""

    root: Path
    minute: int = 0

    @property
    def store(self) -> Store:
        return open_store((self.root / "store").as_uri())

    @property
    def door(self) -> Tracking:
        return tracked.door(self.root)

    def put(self, run: str, step: str, files: dict[str, bytes], **given: Any) -> Manifest:
        kept, at = {}, {}
        for name, content in files.items():
            digest = hashlib.sha256(content).hexdigest()
            kept[name] = Kept(sha256=digest, bytes=len(content))
            at[name] = places.file_path("noshow", run, step, name, digest)
            self.store.write(at[name], content)
        self.minute += 1
        made = Manifest(
            problem="noshow",
            run=run,
            step=step,
            content=Content(
                verdict=given.get("verdict", "done"),
                files=kept,
                facts=given.get("facts", {}),
                message=given.get("message", ""),
            ),
            circumstances=Circumstances.model_validate(
                {
                    "why": ["the first run"],
                    "same_as": None,
                    "read": Ingredients(
                        code={}, knobs=given.get("knobs", {}), packages={}, inputs=given.get("inputs", {}), also={}
                    ),
                    "places": at,
                    "started": f"2026-11-20T12:{self.minute:02}:00+00:00",
                    "seconds": 1.0,
                    "machine": "Linux x86_64",
                    "python": "3.13.1",
                    **({"rounds": "0.1.0"} if "rounds" in Circumstances.model_fields else {}),
                }
            ),
        )
        places.publish(self.store, made)
        return made

    def runs(self) -> list[Any]:
        found = self.door.client.search_experiments(filter_string="name = 'noshow'")
        return list(self.door.client.search_runs([found[0].experiment_id])) if found else []

    def top(self) -> list[Any]:
        return [run for run in self.runs() if "rounds.run" in run.data.tags]

    def mirror(self, run: str = "a", death: Death | None = None) -> Mirrored | None:
        door = self.door
        return mirror.run(door.while_telling(death) if death else door, self.store, "noshow", run)

    def copy(self, root: Path) -> Place:
        shutil.copytree(self.root, root)
        return Place(root, self.minute)

    def state(self) -> list[Any]:
        """All that MLflow says, without what it makes up itself."""
        found = []
        for run in self.runs():
            tags = {name: value for name, value in run.data.tags.items() if "parentRunId" not in name}
            files = sorted(artifacts(self.door, run.info.run_id, ""))
            found.append((run.info.run_name, run.info.status, run.data.params, run.data.metrics, tags, files))
        return sorted(found, key=lambda each: str(each[0]))


def artifacts(door: Tracking, run: str, folder: str) -> list[str]:
    """The artifacts of a run of MLflow's, by path."""
    found = []
    for each in door.client.list_artifacts(run, folder):
        found += artifacts(door, run, each.path) if each.is_dir else [each.path]
    return found


@cache
def bundled() -> tuple[dict[str, bytes], str]:
    """The three files of a small bundle, and its digest."""
    made, facts = fit(clinic.appointments(rows=1500), clinic.knobs(Knobs), clinic.DEFINITION, "noshow")
    with tempfile.TemporaryDirectory() as folder:
        write = Writer(Path(folder))
        made.save(write)
        return {name: write.path(name).read_bytes() for name in write.names}, facts["bundle"]


def filled(root: Path) -> Place:
    """A place with a run of three steps."""
    made, (files, digest) = Place(root), bundled()
    tune = made.put("a", "tune", {"trials.json": json.dumps(TRIALS).encode(), "trials.svg": b"<svg/>"})
    facts = {"bundle": digest, "calibrator": {"chosen": "isotonic"}}
    knobs = {"train": {"trees": 30, "depth": 3}}
    train = made.put("a", "train", files, facts=facts, knobs=knobs, inputs={"tune": tune.content.digest()})
    made.put(
        "a",
        "evaluate",
        {"report.html": b"<html/>", "metrics.json": b"{}", "scores.parquet": b"rows"},
        facts={"metrics": METRICS, "rows": 400, "first_day": "2026-01-31"},
        inputs={"train": train.content.digest()},
    )
    return made
