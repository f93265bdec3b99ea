"""What the cache of models keeps."""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path

from serving.models import Models
from serving.settings import wanted


def test_what_ended_processes_half_brought_goes_and_nothing_else(tmp_path: Path) -> None:
    old, new = (tmp_path / f".{uuid.uuid4().hex}" for _ in range(2))
    kept = {new, tmp_path / ".config", tmp_path / "bundles"}
    for each in (old, *kept):
        each.mkdir()
        (each / "file").write_text("a", encoding="ascii")
        os.utime(each, (time.time() - 90_000,) * 2 if each != new else None)
    Models("noshow", wanted("models:/NoShowXGBoost@champion"), "sqlite:////none", tmp_path).sweep()
    assert set(tmp_path.iterdir()) == kept
