"""A deferred library is loaded at its first touch, and is then the library itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"heavy/__init__.py": "print('loaded')\nVALUE = 7\n", "heavy/part.py": "VALUE = 8\n"}


def said(tmp_path: Path, code: str) -> list[str]:
    for name, text in HEAVY.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    prepared = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nfrom rounds.lazy import defer\ndefer('heavy', 'missing')\n"
    )
    ended = subprocess.run([sys.executable, "-c", prepared + code], capture_output=True, text=True, check=False)
    return (ended.stdout + ended.stderr).splitlines()


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("import heavy; print('imported')", ["imported"]),
        ("import heavy; print('imported'); print(heavy.VALUE)", ["imported", "loaded", "7"]),
        ("from heavy import VALUE; print(VALUE)", ["loaded", "7"]),
        ("import heavy.part; print(heavy.part.VALUE)", ["loaded", "8"]),
        ("import heavy.part as part; print(part.VALUE)", ["loaded", "8"]),
        ("from heavy import part; print(part.VALUE)", ["loaded", "8"]),
        ("import heavy as a\na.VALUE\nimport heavy as b\nprint(b.VALUE, a.VALUE)", ["loaded", "7 7"]),
        ("import heavy\nprint(hasattr(heavy, 'nothing'))", ["loaded", "False"]),
    ],
)
def test_it_is_loaded_when_touched(tmp_path: Path, code: str, lines: list[str]) -> None:
    assert said(tmp_path, code) == lines


def test_a_library_that_is_not_installed_fails_by_its_own_words(tmp_path: Path) -> None:
    assert said(tmp_path, "import missing")[-1] == "ModuleNotFoundError: No module named 'missing'"


def test_a_library_that_fails_to_load_fails_each_time(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('no')\n", encoding="utf-8")
    code = (
        "defer('broken')\nimport broken\n"
        "for _ in range(2):\n"
        "    try:\n        broken.x\n"
        "    except RuntimeError as error:\n        print(error)\n"
    )
    assert said(tmp_path, code) == ["no", "no"]
