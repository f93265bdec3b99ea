"""Where a raw table may come from: one module a kind, each with the same two functions.

`fingerprint(source, read)` says what the table is before a row is read: equal fingerprints mean equal tables.
`land(source, read, target)` streams the table to a Parquet file, every column as text.
"""

from __future__ import annotations

from types import ModuleType

from jobs.sources import dvc, file, https, journal, s3, simulate

SOURCES: dict[str, ModuleType] = {
    "dvc": dvc,
    "file": file,
    "https": https,
    "journal": journal,
    "s3": s3,
    "simulate": simulate,
}
