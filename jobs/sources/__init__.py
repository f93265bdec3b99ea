"""Where a raw table may come from: one module a kind, each with the same two functions.

`fingerprint(source, read)` says what the table is before a row is read: equal fingerprints mean equal tables.
`land(source, read, target)` streams the table to a Parquet file, every column as text.
"""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

from pydantic import TypeAdapter, ValidationError

from jobs.sources import dvc, file, https, journal, s3, simulate
from rounds.errors import Refused
from rounds.sourced import Source

SOURCES: dict[str, ModuleType] = {
    "dvc": dvc,
    "file": file,
    "https": https,
    "journal": journal,
    "s3": s3,
    "simulate": simulate,
}

_WANTED = {"https": "https://...#sha256=<64 hex>", "s3": "s3://bucket/key", "journal": "journal:2026-11-20"}


def chosen(typed: str, otherwise: Source) -> Source:
    """The source that was typed (`--source` or `SOURCE=`), or the one of problem.yaml where nothing was."""
    if not typed or typed == otherwise.kind:
        return otherwise
    if typed.endswith(".dvc"):
        raw: dict[str, Any] = {"kind": "dvc", "path": typed}
    elif typed.startswith(("http://", "https://")):
        url, _, digest = typed.partition("#sha256=")
        raw = {"kind": "https", "url": url, "sha256": digest}
    elif typed.startswith("s3://"):
        raw = {"kind": "s3", "url": typed}
    elif typed.startswith("journal:"):
        # What problem.yaml names is what the journal goes on from.
        base = otherwise.base if otherwise.kind == "journal" else otherwise
        raw = {"kind": "journal", "base": base, "until": typed.removeprefix("journal:") or None}
    elif "://" in typed and not typed.startswith("file://"):
        raise Refused(
            f"the source '{typed}' is of no known kind; "
            "want a path, https://...#sha256=..., s3://bucket/key, a .dvc pointer, or journal:2026-11-20."
        )
    else:
        raw = {"kind": "file", "path": typed.removeprefix("file://")}
    try:
        return TypeAdapter[Source](Source).validate_python(raw)
    except ValidationError as error:
        fault = error.errors()[0]
        shown = re.sub("//.*@", "//", typed)  # keys, where somebody put them there
        raise Refused(
            f"the source '{shown}': {fault['loc'][-1]}: {fault['msg']}; want {_WANTED.get(raw['kind'], 'a path')}."
        ) from error
