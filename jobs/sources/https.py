"""A csv, csv.gz or Parquet file on the web, taken only if its bytes are the ones that were promised.

Someone who names a source must not learn what lies on a network that only this machine reaches. So plain http wants a
setting, a redirect to another server is refused, and messages hold only the status of an answer.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from jobs.sources.file import land_table
from rounds.errors import Refused, SourceError
from rounds.files import Reader
from rounds.limits import UNPACKED
from rounds.manifest import Facts
from rounds.settings import settings
from rounds.sourced import Https
from rounds.store import sha256

TIMEOUT = 60
CHUNK = 1024 * 1024
PORTS = {"http": 80, "https": 443}


def fingerprint(source: Https, read: Reader) -> Facts:
    _check_encrypted(source.url)
    return {"sha256": source.sha256}


def land(source: Https, read: Reader, target: Path) -> None:
    folder = read.scratch / "fetched"  # of its own: the file may be called like another one in scratch
    folder.mkdir(exist_ok=True)
    local = folder / (Path(urlsplit(source.url).path).name.strip(".") or "table")
    _download(source.url, local)
    if sha256(local) != source.sha256:
        raise Refused(
            f"{shown(source.url)} is another file than the one with the sha256 {source.sha256}. "
            "Find out who changed it first."
        )
    land_table(local, target, read.scratch, source.separator or ",", source.commas)


def shown(url: str) -> str:
    """An address without what may be secret in it: user, password, query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _check_encrypted(url: str) -> None:
    if url.startswith("http://") and not settings().allow_http:
        raise Refused(
            f"{shown(url)} is plain http, which others on the way can read; want https://, "
            "or ROUNDS_ALLOW_HTTP=1 in the environment if the network is your own."
        )


class _Redirected(Exception):
    """A server sent us to another one."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect to another path of the same server, and to nothing else."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if _origin(newurl) != _origin(req.full_url):
            raise _Redirected
        fp.close()  # else the body of the redirect is read to its end, however long it is
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        raise http.client.InvalidURL("its port is no number") from error
    return parts.scheme, parts.hostname, port or PORTS.get(parts.scheme)


def _download(url: str, local: Path) -> None:
    _check_encrypted(url)
    try:
        opener = urllib.request.build_opener(_Redirects)
        with opener.open(url, timeout=TIMEOUT) as answer, local.open("wb") as file:
            most = UNPACKED.bytes
            while block := answer.read(CHUNK):
                if file.tell() + len(block) > most:
                    raise Refused(f"{shown(url)} is {UNPACKED}. See what it holds.")
                file.write(block)
            wanted = answer.headers["Content-Length"]
            if wanted is not None and file.tell() != int(wanted):
                raise ConnectionError("the answer ended early")
    except _Redirected as error:
        raise Refused(
            f"{shown(url)} redirects to another server, which is not followed. Name the address where the file lies."
        ) from error
    except urllib.error.HTTPError as error:
        kind = SourceError if error.code >= 500 or error.code == 429 else Refused
        phrase = http.client.responses.get(error.code, "")
        raise kind(
            f"{shown(url)} answers {error.code} {phrase}. See that the address is right and may be read."
        ) from error
    except http.client.InvalidURL as error:
        raise Refused(f"{shown(url)} is no address: {error}. Correct it.") from error
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise SourceError(f"{shown(url)} cannot be reached: {_reason(error)}. Run again when it can.") from error


def _reason(error: Exception) -> str:
    """Why there was no answer; what a server wrote in place of one is not repeated."""
    if isinstance(error, http.client.HTTPException) and not isinstance(error, ConnectionError):
        return "the answer is no whole answer of a web server"
    return str(getattr(error, "reason", error))
