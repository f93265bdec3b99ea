"""What the cache of models keeps."""

from __future__ import annotations

import json
import os
import time
import uuid
from pathlib import Path

from serving.cache import BUNDLES
from serving.models import Card, Models
from serving.settings import wanted


def test_what_ended_processes_half_brought_goes_and_nothing_else(tmp_path: Path) -> None:
    old, new, pointer = (tmp_path / f".{uuid.uuid4().hex}" for _ in range(3))
    pointer.write_text("half a pointer", encoding="ascii")
    os.utime(pointer, (time.time() - 90_000,) * 2)
    kept = {new, tmp_path / ".config", tmp_path / "bundles"}
    for each in (old, *kept):
        each.mkdir()
        (each / "file").write_text("a", encoding="ascii")
        os.utime(each, (time.time() - 90_000,) * 2 if each != new else None)
    models(tmp_path).sweep()
    assert set(tmp_path.iterdir()) == kept


def test_of_the_bundles_the_last_few_stay_and_those_that_answer(tmp_path: Path) -> None:
    names = [f"{at:064x}" for at in range(BUNDLES + 4)]
    for at, name in enumerate(names):
        (tmp_path / "bundles" / name).mkdir(parents=True)
        (tmp_path / "bundles" / name / "bundle.json").write_text("{}", encoding="ascii")
        os.utime(tmp_path / "bundles" / name, (time.time() - 1000 + at,) * 2)
    (tmp_path / "Other@champion.json").write_text(json.dumps({"bundle": names[0]}), encoding="ascii")
    models(tmp_path).remember(Card("NoShowXGBoost", 2, names[1], 0, {}, {}))  # an old one is champion again
    assert sorted(path.name for path in (tmp_path / "bundles").iterdir()) == [*names[:2], *names[-BUNDLES:]]
    assert not list(tmp_path.glob(".*"))


def models(cache: Path) -> Models:
    return Models("noshow", wanted("models:/NoShowXGBoost@champion"), "sqlite:////none", cache)
