"""A csv, csv.gz or Parquet file in a bucket, known by its ETag, its size and, where there are several, its version."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from jobs.sources.file import land_table
from rounds import bucket
from rounds.errors import Refused, SourceError
from rounds.files import Reader
from rounds.limits import UNPACKED
from rounds.manifest import Facts
from rounds.sourced import S3

CHUNK = 4 * 1024 * 1024


def fingerprint(source: S3, read: Reader) -> Facts:
    store, key = _opened(source)
    try:
        meta = obstore.head(store, key)
    except (BaseError, OSError) as error:
        raise _sentence(source, error) from error
    known = {"etag": meta["e_tag"], "bytes": meta["size"], "version": meta["version"]}
    return {name: value for name, value in known.items() if value is not None}


def land(source: S3, read: Reader, target: Path) -> None:
    folder = read.scratch / "fetched"  # of its own: the file may be called like another one in scratch
    folder.mkdir(exist_ok=True)
    local = folder / (PurePosixPath(unquote(urlsplit(source.url).path)).name.strip(".") or "table")
    _download(source, local)
    land_table(local, target, read.scratch, source.separator or ",", source.commas)


def _download(source: S3, local: Path) -> None:
    store, key = _opened(source)
    most = UNPACKED.bytes
    with local.open("wb") as file:
        for chunk in _chunks(source, store, key):
            if file.tell() + len(chunk) > most:
                raise Refused(f"{source.url} is {UNPACKED}. See what it holds.")
            file.write(chunk)


def _chunks(source: S3, store: S3Store, key: str) -> Any:
    """The bytes as they come; what fails here is the bucket's doing, not the disk's."""
    try:
        yield from obstore.get(store, key).stream(min_chunk_size=CHUNK)
    except (BaseError, OSError) as error:
        raise _sentence(source, error) from error


def _opened(source: S3) -> tuple[S3Store, str]:
    parts = urlsplit(source.url)
    return bucket.open_bucket(f"s3://{parts.netloc}"), unquote(parts.path).lstrip("/")


def _sentence(source: S3, error: Exception) -> Refused | SourceError:
    if isinstance(error, FileNotFoundError):
        return Refused(f"there is no {source.url}: {bucket.reason(error)}. Correct SOURCE= or source.url.")
    told = f"{source.url} cannot be read: {bucket.reason(error)}. "
    if bucket.is_final(error):
        return Refused(told + "See that the keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY may read it.")
    return SourceError(told + "Run again when it can.")
