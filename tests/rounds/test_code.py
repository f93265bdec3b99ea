"""The digest of code is of what Python would run."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from rounds.code import digests, meaning, packages

SOURCE = '''
"""A module."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """A point."""

    x: float = 0.5

    def shown(self, *, digits: int = 3) -> str:
        """In words."""
        match self.x:
            case 0:
                return "none"
        return f"{self.x:.{digits}f} " "and" + 'more'
'''


def of(source: str) -> str:
    return meaning(ast.parse(source))


def test_the_digest_is_equal_on_every_python() -> None:
    assert of(SOURCE) == "a6bb5d48863cb890fc62c317e248b5255f0b9c3cfb4321cbae86adacaa4f8bca"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""A module."""', ""),
        ('"""A point."""', '"""Something else."""'),
        ('        """In words."""\n', ""),
        ("x: float = 0.5", "x:   float = 0.50  # half"),
        ("'more'", '"more"'),
        ("\n\n\n", "\n# a remark\n\n"),
    ],
)
def test_layout_comments_and_docstrings_do_not_count(old: str, new: str) -> None:
    assert old in SOURCE
    assert of(SOURCE.replace(old, new)) == of(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.5", "0.6"),
        ("0.5", "1"),
        ("digits", "places"),
        ("frozen=True", "frozen=False"),
        (": float", ": int"),
        ("'more'", "b'more'"),
        ('"none"', '"None"'),
        ("case 0:", "case 0.0:"),
        (".{digits}f", ".{digits}e"),
    ],
)
def test_names_and_values_count(old: str, new: str) -> None:
    assert old in SOURCE
    assert of(SOURCE.replace(old, new)) != of(SOURCE)


def test_text_that_is_no_docstring_counts() -> None:
    assert of("x = 1\n'text'\n") != of("x = 1\n'other'\n")
    assert of("if True:\n    'text'\n") != of("if True:\n    'other'\n")


def test_values_of_other_kinds_differ() -> None:
    assert len({of(f"x = {value}") for value in ("1", "1.0", "True", "'1'", "b'1'", "1j", "None", "...", "(1,)")}) == 9


def project(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_all_that_is_imported_is_found(tmp_path: Path) -> None:
    root = project(
        tmp_path,
        jobs__a="import os\nfrom rounds import b\nimport problems.d.e\n",
        rounds__b="def late():\n    from rounds.c import x\n",
        rounds__c="from jobs.a import back\n",
        rounds__unrelated="",
        problems__d__e="import polars\n",
    )
    (root / "problems/d/__init__.py").write_text("", encoding="utf-8")
    assert list(digests(["jobs.a"], root)) == [
        "jobs/a.py",
        "problems/d/__init__.py",
        "problems/d/e.py",
        "rounds/b.py",
        "rounds/c.py",
    ]


HIDDEN = """
class A:
    async def b(self):
        for x in y:
            while x:
                with x:
                    if x: pass
                    elif y: pass
                    else: pass
            else:
                try: pass
                except E: pass
                else: pass
                finally: pass
        else:
            match x:
                case 1: pass
"""


@pytest.mark.parametrize("place", range(HIDDEN.count("pass")))
def test_an_import_is_found_wherever_a_statement_may_stand(tmp_path: Path, place: int) -> None:
    parts = HIDDEN.split("pass")
    hidden = "pass".join(parts[: place + 1]) + "import rounds.b" + "pass".join(parts[place + 1 :])
    root = project(tmp_path, jobs__a=hidden, rounds__b="")
    assert list(digests(["jobs.a"], root)) == ["jobs/a.py", "rounds/b.py"]


def test_a_changed_module_is_told_by_its_path(tmp_path: Path) -> None:
    before = digests(["jobs.a"], project(tmp_path, jobs__a="import rounds.b", rounds__b="X = 1"))
    after = digests(["jobs.a"], project(tmp_path, rounds__b="X = 2"))
    assert [path for path in after if after[path] != before[path]] == ["rounds/b.py"]


def test_packages_are_what_is_installed_here() -> None:
    found = packages()
    assert {"polars", "obstore", "pydantic"} <= set(found)
    assert not {"rounds", "pip", "uv"} & set(found)
