"""A file that a DVC pointer stands for: beside the pointer, or in DVC's cache of this checkout."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from jobs.sources.file import land_table
from rounds.errors import Refused
from rounds.files import Reader
from rounds.manifest import Facts
from rounds.settings import ROOT
from rounds.sourced import Dvc


@dataclass(frozen=True)
class _Pointer:
    file: Path
    md5: str


def fingerprint(source: Dvc, read: Reader) -> Facts:
    return {"md5": _pointer(source).md5}


def land(source: Dvc, read: Reader, target: Path) -> None:
    pointer = _pointer(source)
    cached = ROOT / ".dvc" / "cache" / "files" / "md5" / pointer.md5[:2] / pointer.md5[2:]
    for path in (pointer.file, cached):
        if path.is_file() and _md5(path) == pointer.md5:
            return land_table(path, target, read.scratch, source.separator or ",", source.commas)
    state = "is another file than" if pointer.file.is_file() else "is not here, and wanted by"
    raise Refused(
        f"{pointer.file.name} {state} {source.path}. Run 'dvc pull {source.path}', or 'dvc add' for a new table."
    )


def _pointer(source: Dvc) -> _Pointer:
    path = ROOT / source.path
    if not path.is_file():
        raise Refused(
            f"there is no DVC pointer {source.path}. Make one with 'dvc add {source.path.removesuffix('.dvc')}'."
        )
    try:
        out = yaml.safe_load(path.read_text(encoding="utf-8"))["outs"][0]
        pointer = _Pointer(path.parent / str(out["path"]), str(out["md5"]))
    except (
        yaml.YAMLError,
        KeyError,
        IndexError,
        TypeError,
        UnicodeDecodeError,
    ) as error:
        raise Refused(
            f"{source.path} is not a DVC pointer (want outs with md5 and path). Make it with 'dvc add'."
        ) from error
    if not re.fullmatch("[0-9a-f]{32}", pointer.md5):
        raise Refused(f"{source.path} does not stand for one file (want an md5 of 32 digits). Make it with 'dvc add'.")
    if not pointer.file.resolve().is_relative_to(path.parent.resolve()):
        raise Refused(f"{source.path} stands for a file outside its own folder. Make it with 'dvc add' there.")
    return pointer


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
