"""The store: a folder or a bucket that holds every artefact, written atomically and read back checked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore

from rounds import bucket
from rounds.errors import Refused, StoreClosed, StoreError
from rounds.faults import point
from rounds.limits import OBJECT

if TYPE_CHECKING:
    from obstore import ObjectMeta

CHUNK = 4 * 1024 * 1024
SAID = {"claim": "write", "digest": "read", "folders": "list", "list": "list the files of"}  # of a call, in a sentence


@dataclass(frozen=True)
class Store:
    """Every call passes a fault point before and after; nothing here ever overwrites half of an object."""

    url: str
    root: Path | None  # where the objects are files on this machine
    backend: Any

    def read(self, path: str) -> bytes | None:
        """The object's bytes, or None where there is none; one that would fill the memory is refused unread."""
        with self._call("read", path):
            try:
                found = obstore.get(self.backend, path)
                if found.meta["size"] > OBJECT.bytes:
                    raise StoreError(f"{path} in the store {self.url} has {OBJECT}. See who wrote it.")
                return bytes(found.bytes())
            except FileNotFoundError as error:
                self._must_be_absent(error)
                return None

    def write(self, path: str, content: bytes) -> None:
        """Put a small object in one atomic step, over an older one if there is one."""
        with self._call("write", path):
            obstore.put(self.backend, path, content)

    def claim(self, path: str, content: bytes) -> bool:
        """Put an object only where there is none; False says that somebody else was first."""
        with self._call("claim", path):
            if not self._create(path, content):
                # A bucket asked again after a lost answer finds what it has just put.
                return self.root is None and self.read(path) == content
            if self.root is None and self._create(path, content):
                raise StoreClosed(
                    f"the store {self.url} puts an object over one that is there, although told not to, so that two "
                    "runs could each believe to be the only one. Take a server that knows If-None-Match: *."
                )
            return True

    def upload(self, source: Path, path: str) -> None:
        """Put a file of any size in one atomic step."""
        with self._call("upload", path):
            obstore.put(self.backend, path, source)

    def download(self, path: str, target: Path) -> None:
        """Bring an object of any size to a local file."""
        with self._call("download", path), target.open("wb") as file:
            for chunk in obstore.get(self.backend, path).stream(min_chunk_size=CHUNK):
                file.write(chunk)

    def digest(self, path: str) -> str | None:
        """The sha256 of an object's bytes, or None where there is none."""
        with self._call("digest", path):
            if self.root is not None:
                file = self.root / path
                return sha256(file) if file.is_file() else None
            try:
                stream = obstore.get(self.backend, path).stream(min_chunk_size=CHUNK)
            except FileNotFoundError as error:
                self._must_be_absent(error)
                return None
            total = hashlib.sha256()
            for chunk in stream:
                total.update(chunk)
            return total.hexdigest()

    def listing(self, prefix: str) -> list[ObjectMeta]:
        """Path, size and time of all objects under a prefix."""
        with self._call("list", prefix):
            return [meta for batch in obstore.list(self.backend, prefix) for meta in batch]

    def paths(self, prefix: str) -> list[str]:
        """The paths of all objects under a prefix, in order."""
        return sorted(meta["path"] for meta in self.listing(prefix))

    def folders(self, prefix: str) -> list[str]:
        """The names directly under a prefix that hold objects, in order."""
        with self._call("folders", prefix):
            found = obstore.list_with_delimiter(self.backend, prefix or None)["common_prefixes"]
            return sorted(path.rsplit("/", 1)[-1] for path in found)

    def delete(self, paths: list[str]) -> None:
        """Remove objects; what another has removed meanwhile is as good as removed, in a folder as in a bucket."""
        with self._call("delete", f"{len(paths)} objects"):
            if self.root is None:
                obstore.delete(self.backend, paths)
                return
            for path in paths:
                with suppress(FileNotFoundError):
                    obstore.delete(self.backend, path)

    def _create(self, path: str, content: bytes) -> bool:
        try:
            obstore.put(self.backend, path, content, mode="create")
        except AlreadyExistsError:
            return False
        return True

    def _must_be_absent(self, error: FileNotFoundError) -> None:
        """That the object is missing, and not the bucket around it, is no failure."""
        if self.root is None and not bucket.is_absent(error):
            raise error

    @contextmanager
    def _call(self, verb: str, path: str) -> Iterator[None]:
        point(f"before {verb} {path}")
        try:
            if self.root is not None and not self.root.is_dir():  # the backend would make it anew, without what it held
                raise FileNotFoundError(f"the folder {self.root} is gone")
            yield
        except (BaseError, OSError) as error:
            told = f"the store {self.url} could not {SAID.get(verb, verb)} {path or 'folders'}: {self._reason(error)}. "
            if self.root is None and bucket.is_final(error):
                raise StoreClosed(told + "Correct STORE, the bucket, or the AWS_ variables that open it.") from error
            raise StoreError(
                told + "See that it is there, has room and may be written, then run the step again."
            ) from error
        point(f"after {verb} {path}")

    def _reason(self, error: Exception) -> str:
        return bucket.reason(error) if self.root is None else str(error).split("\n", 1)[0]


def open_store(url: str) -> Store:
    """The store at a URL: `file:///...` or `s3://bucket/prefix`."""
    parts = urlsplit(url)
    scheme, path = parts.scheme, unquote(parts.path)
    if scheme not in {"file", "s3"} or (scheme == "file" and (parts.netloc or not path.startswith("/"))):
        raise Refused(f"STORE is '{url}'; want file:///a/folder or s3://bucket/prefix.")
    try:
        if scheme == "file":
            root = Path(path)
            return Store(url, root, LocalStore(root, mkdir=True))
        return Store(url, None, bucket.open_bucket(url))
    except (BaseError, OSError, ValueError) as error:
        reason = str(error).split("\n", 1)[0]
        raise StoreError(
            f"the store {url} cannot be opened: {reason}. See that it is there and may be written."
        ) from error


def sha256(path: Path) -> str:
    """The digest of a local file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
