"""A csv, csv.gz or Parquet file on the web, taken only if its bytes are the ones that were promised."""

from __future__ import annotations

import http.client
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from jobs.sources.file import land_table
from rounds.errors import Refused, SourceError
from rounds.files import Reader
from rounds.manifest import Facts
from rounds.sourced import Https
from rounds.store import sha256

TIMEOUT = 60
CHUNK = 1024 * 1024


def fingerprint(source: Https, read: Reader) -> Facts:
    return {"sha256": source.sha256}


def land(source: Https, read: Reader, target: Path) -> None:
    folder = read.scratch / "fetched"  # of its own: the file may be called like another one in scratch
    folder.mkdir(exist_ok=True)
    local = folder / (Path(urlsplit(source.url).path).name.strip(".") or "table")
    _download(source.url, local)
    found = sha256(local)
    if found != source.sha256:
        raise Refused(
            f"{shown(source.url)} has the sha256 {found}; want {source.sha256}. Find out who changed it first."
        )
    land_table(local, target, read.scratch)


def shown(url: str) -> str:
    """An address without what may be secret in it: user, password, query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _download(url: str, local: Path) -> None:
    try:
        with (
            urllib.request.urlopen(url, timeout=TIMEOUT) as answer,
            local.open("wb") as file,
        ):
            shutil.copyfileobj(answer, file, CHUNK)
            wanted = answer.headers["Content-Length"]
            if wanted is not None and file.tell() != int(wanted):
                raise ConnectionError(f"the answer ended after {file.tell():,} of {int(wanted):,} bytes")
    except urllib.error.HTTPError as error:
        kind = SourceError if error.code >= 500 or error.code == 429 else Refused
        raise kind(
            f"{shown(url)} answers {error.code} {error.reason}. See that the address is right and may be read."
        ) from error
    except http.client.InvalidURL as error:
        raise Refused(f"{shown(url)} is no address: {error}. Correct it.") from error
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise SourceError(f"{shown(url)} cannot be reached: {reason}. Run again when it can.") from error
