"""Two weeks of the public no-show table, played with the real steps and the real service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import ROOT


@pytest.mark.long
def test_a_real_table_is_played(tmp_path: Path) -> None:
    if "ROUNDS_DATA" not in os.environ:
        pytest.skip("ROUNDS_DATA is not set: no real table here")
    source = Path(os.environ["ROUNDS_DATA"]) / "noshow.csv.gz"
    words = ["--folder", str(tmp_path), "--source", str(source), "--weeks", "2"]
    done = subprocess.run([sys.executable, "-m", "bench.drill", *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    notes = sorted((tmp_path / "store" / "noshow" / ".drill" / "weeks").iterdir())
    first, second = (json.loads(path.read_bytes()) for path in notes)
    assert first["counted"] == {"1": 20199} and second["counted"] == {"1": 18458}
    for week in (first, second):
        auc, truth = week["performance"]["auc"], week["truth"]["watched"]["auc"]
        assert auc["naive"]["value"] < auc["realised"]["low"] < truth < auc["realised"]["high"]
    assert first["drift"]["psi"]["reminded"] < 0.1 < second["drift"]["psi"]["reminded"]
    assert "The first 26% of a real table" in (tmp_path / "story.html").read_text(encoding="utf-8")
