"""What makes a part of a ledger evidence: its header, the chain of an instance's parts, and the seal over its lines.

docs/journal-format.md describes the format and what each digest can and cannot show.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any, NamedTuple

from rounds.errors import Refused, StoreError
from rounds.limits import PART, TooLarge

FORMAT = 1  # of headers, heads, notes and lines
NAME = re.compile(r"(?P<instance>[^/]+?)-(?P<number>\d{6,})(-[0-9a-f]{12})?\.jsonl\.gz")
ERASED = b'{"erased":"'  # the beginning of a line that was erased; the digest of the line follows

SOME = 256  # lines between two pauses
_NEVER = threading.Event()
_NONSENSE = (zlib.error, ValueError, TypeError, KeyError, AttributeError, RecursionError)


class Altered(StoreError):
    """What lies in the store is not what was written there."""


class Place(NamedTuple):
    """What the path of a part says."""

    day: str
    instance: str
    number: int


@dataclass(frozen=True)
class Before:
    """The part that the same instance packed before."""

    number: int
    day: str
    chain: str


@dataclass(frozen=True)
class Header:
    """The first line of a part. `root` covers a keyed digest of each line; `was` is the chain under an older key."""

    problem: str
    ledger: str
    instance: str
    number: int
    day: str
    key: str
    lines: int
    root: str
    before: Before | None = None
    was: str = ""

    def chain(self, key: bytes) -> str:
        """The keyed digest of this header, and through `before` of all parts that the instance packed earlier."""
        return mac("chain", key, canonical(asdict(self)))

    def next(self, key: bytes) -> Before:
        return Before(self.number, self.day, self.chain(key))


class Opened(NamedTuple):
    header: Header
    lines: bytes


def mac(purpose: str, key: bytes, *content: bytes) -> str:
    """A keyed digest; a digest that was made for one purpose never fits another."""
    digest = _keyed(purpose, key).copy()
    for each in content:
        digest.update(each)
    return digest.hexdigest()


@cache
def _keyed(purpose: str, key: bytes) -> hashlib.blake2b:
    person = f"rounds.{purpose}".encode()
    return hashlib.blake2b(key=hashlib.sha256(key).digest(), person=person, digest_size=32)


def key_id(key: bytes) -> str:
    """A name for a key that does not reveal it."""
    return mac("key", key)[:16]


def canonical(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def root(lines: Iterable[bytes], key: bytes, rest: float = 0.0) -> str:
    """One digest over the keyed digests of the lines; an erased line has left its digest behind.

    It pauses for `rest` seconds now and then, so that other threads can work.
    """
    begun = _keyed("line", key)
    digests: list[bytes] = []
    for line in lines:
        if rest and len(digests) % SOME == SOME - 1:
            _NEVER.wait(rest)  # not time.sleep, which fails where libfaketime sets the clock
        if line.startswith(ERASED):
            digests.append(bytes.fromhex(line[len(ERASED) :].split(b'"', 1)[0].decode()))
            continue
        digest = begun.copy()
        digest.update(line)
        digests.append(digest.digest())
    return mac("root", key, *digests)


def pack(header: Header, lines: bytes, key: bytes, level: int) -> bytes:
    """The bytes of a part; equal for equal headers and lines."""
    chain = header.chain(key)
    first = {"format": FORMAT, "part": asdict(header), "chain": chain, "seal": mac("seal", key, chain.encode(), lines)}
    packer = zlib.compressobj(level, wbits=31)  # in two pieces: joined they would be held twice
    return b"".join([packer.compress(canonical(first) + b"\n"), packer.compress(lines), packer.flush()])


def unpack(packed: bytes) -> bytes:
    """The whole content of a part; a ValueError where it ends early or goes on, TooLarge where it is too large."""
    reader = zlib.decompressobj(wbits=31)
    content = reader.decompress(packed, PART.bytes)
    if reader.unconsumed_tail:
        raise TooLarge
    if not reader.eof or reader.unused_data:
        raise ValueError("not one whole part")
    return content


def described(
    place: Place, problem: str, ledger: str, lines: bytes, key: bytes, before: Before | None, rest: float = 0.0
) -> Header:
    """The header of a new part."""
    digest = root(each_line(lines), key, rest)
    count = lines.count(b"\n")
    return Header(problem, ledger, place.instance, place.number, place.day, key_id(key), count, digest, before)


def each_line(lines: bytes) -> Iterator[bytes]:
    """One line after the other: a list of all would hold the part twice."""
    start = 0
    while (end := lines.find(b"\n", start)) >= 0:
        yield lines[start:end]
        start = end + 1


def located(path: str) -> Place | None:
    """What a path says, or None where it is not the path of a part."""
    folder, _, name = path.rpartition("/")
    match = NAME.fullmatch(name)
    return match and Place(folder.rpartition("/")[2], match["instance"], int(match["number"]))


def open_part(packed: bytes, path: str, problem: str, ledger: str, key: bytes) -> Opened:
    """Header and lines, verified; `Altered` where they are not what was written under this name."""
    try:
        first, _, lines = unpack(packed).partition(b"\n")
        header, chain, seal = parse(first, path)
    except TooLarge:
        raise Altered(f"{path} unpacks to {PART}. See who wrote it.") from None
    except _NONSENSE:
        raise Altered(f"{path} is altered or damaged: it is not a part that was written here.") from None
    if header.key != key_id(key):
        raise Altered(
            f"{path} was written with the key {header.key[:16]!r}; JOURNAL_KEY is {key_id(key)}. Give the key that it "
            "was written with, or re-key it."
        )
    if header.chain(key) != chain or mac("seal", key, chain.encode(), lines) != seal:
        raise Altered(f"{path} is altered: its lines or its header are not those that were written.")
    wanted = (problem, ledger, located(path))
    if (header.problem, header.ledger, Place(header.day, header.instance, header.number)) != wanted:
        raise Altered(
            f"{path} is out of place: it is part {header.number} of instance {header.instance}, {header.ledger} of "
            f"{header.problem}, {header.day}."
        )
    return Opened(header, lines)


def parse(first: bytes, path: str) -> tuple[Header, str, str]:
    """The header line of a part, not verified: header, chain and seal."""
    content = json.loads(first)
    _check_number(content["format"], path)
    before = content["part"].pop("before")
    header = Header(**content["part"], before=Before(**before) if before else None)
    _check_types(header)
    return header, content["chain"], content["seal"]


def _check_number(found: Any, path: str) -> None:
    """Refuse what a newer release wrote; a format that is no number was written by none."""
    if not isinstance(found, int):
        raise TypeError("a format is a number")
    check_format(found, path)


def _check_types(header: Header) -> None:
    """Whoever may write to the store may write any JSON in the place of a text or a number."""
    texts = [header.problem, header.ledger, header.instance, header.day, header.key, header.root, header.was]
    numbers = [header.number, header.lines]
    if header.before:
        texts += [header.before.day, header.before.chain]
        numbers.append(header.before.number)
    if not all(type(each) is str for each in texts) or not all(type(each) is int for each in numbers):
        raise TypeError("a field of another type")


def check_format(found: Any, path: str, known: int = FORMAT) -> None:
    """Refuse what a newer release wrote: it may mean something else than is known here."""
    if not isinstance(found, int):
        raise Refused(f"{path} has no format number; this release knows {known}. Look who wrote it.")
    if found > known:
        raise Refused(
            f"{path} has format {found}; this release knows {known}. It was written by a newer release: upgrade this "
            "one. Do not delete the file, nothing is wrong with it."
        )


def sign(content: Mapping[str, Any], purpose: str, key: bytes) -> bytes:
    """A small object with its format, the id of its key, and its seal."""
    told = {"format": FORMAT, "key": key_id(key), **content}
    return canonical({**told, "seal": mac(purpose, key, canonical(told))})


def open_signed(raw: bytes, path: str, purpose: str, key: bytes) -> dict[str, Any]:
    """The content of a small object, verified."""
    try:
        content: dict[str, Any] = json.loads(raw)
        _check_number(content["format"], path)
        seal = content.pop("seal")
    except _NONSENSE:
        raise Altered(f"{path} is altered: it is not what was written there.") from None
    if seal != mac(purpose, key, canonical(content)):
        raise Altered(f"{path} is altered: it is not what was written there with the key {key_id(key)}.")
    return content


def erase(opened: Opened, wanted: Callable[[bytes], bool], key: bytes, level: int) -> bytes:
    """The part without the wanted lines: each leaves its digest, so that header and chain stay as they are."""
    begun = _keyed("line", key)

    def tombstone(line: bytes) -> bytes:
        digest = begun.copy()
        digest.update(line)
        return ERASED + digest.hexdigest().encode() + b'"}'

    kept = [
        tombstone(line) if not line.startswith(ERASED) and wanted(line) else line for line in opened.lines.splitlines()
    ]
    return pack(opened.header, b"".join(line + b"\n" for line in kept), key, level)


def rekeyed(
    opened: Opened, lines: bytes, old: bytes, new: bytes, before: Before | None, level: int
) -> tuple[Header, bytes]:
    """The part with other lines under another key; its header keeps the chain that it had under the old one."""
    split = lines.splitlines()
    header = replace(
        opened.header,
        key=key_id(new),
        lines=len(split),
        root=root(split, new),
        before=before,
        was=opened.header.chain(old),
    )
    return header, pack(header, lines, new, level)
