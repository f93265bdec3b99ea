"""The keys of signatures: where they are set, how a laptop gets its own pair, and what is refused."""

from __future__ import annotations

import base64
import binascii
import fcntl
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from rounds.errors import Refused
from rounds.settings import ROOT, settings
from rounds.signing import P256, hint

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

LAPTOP = ROOT / ".rounds" / "signing"
PRIVATE, PUBLIC = "private.pem", "public.pem"
MOST = 2  # public keys at a time: one, and while keys are changed the next one too
BLOCK = re.compile(r"-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----")
MAKE = "'rounds keys FOLDER' makes a pair"


def private_key() -> EllipticCurvePrivateKey:
    """The key that signs: SIGNING_KEY, or on a laptop without keys a pair of its own, made on first use."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    text = settings().signing_key or _laptops(PRIVATE)
    try:
        key = load_pem_private_key(_content(text, "SIGNING_KEY").encode(), None)
    except (TypeError, ValueError) as error:
        wanted = "PEM text or the path of a PEM file with a P-256 private key, without a password"
        raise Refused(f"SIGNING_KEY is no key ({type(error).__name__}); want {wanted}. {MAKE}.") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Refused(f"SIGNING_KEY is a key of another kind; want P-256. {MAKE}.")
    if hint(key.public_key()) not in [hint(each) for each in public_keys()]:
        raise Refused(
            "SIGNING_KEY and VERIFY_KEYS do not go together: no public key in VERIFY_KEYS belongs to this private key. "
            "Add the one that does."
        )
    return key


def public_keys(given: str = "") -> list[EllipticCurvePublicKey]:
    """The keys that verify: what is given, VERIFY_KEYS, or on a laptop without keys the public half of its own pair."""
    return parse(given or settings().verify_keys or _laptops(PUBLIC))


def is_laptop() -> bool:
    """Whether this is a checkout, which may have a pair of its own; an image holds no pyproject.toml."""
    return (ROOT / "pyproject.toml").is_file()


def parse(value: str) -> list[EllipticCurvePublicKey]:
    """The public keys in PEM text, in a file or in the files of a folder."""
    found = [_point(block) for block in BLOCK.findall(_content(value, "VERIFY_KEYS"))]
    if not 1 <= len(found) <= MOST:
        raise Refused(
            f"VERIFY_KEYS has {len(found)} public keys; want one, or two while keys are changed, "
            f"as PEM text, a file or a folder. {MAKE}."
        )
    return found


def make(folder: Path) -> None:
    """A new pair in a folder that is not there yet: whole or not at all, and one for all that try at once."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder.parent.mkdir(parents=True, exist_ok=True)
    new, lock = folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.lock")
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if folder.exists():
            return
        shutil.rmtree(new, ignore_errors=True)  # of a maker that was killed
        new.mkdir(mode=0o700)
        key = ec.generate_private_key(ec.SECP256R1())
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        for name, content in ((PRIVATE, private), (PUBLIC, public)):
            with open(new / name, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
                out.write(content)
        new.rename(folder)


def laptop() -> None:
    """Make the laptop's own pair, unless keys are set; `make setup` calls it before the first step."""
    if not settings().signing_key and not settings().verify_keys and not LAPTOP.exists():
        make(LAPTOP)


def _laptops(name: str) -> str:
    """A half of the laptop's own pair; only where neither half is set, and only in a checkout."""
    setting, other = ("SIGNING_KEY", "VERIFY_KEYS") if name == PRIVATE else ("VERIFY_KEYS", "SIGNING_KEY")
    if settings().signing_key or settings().verify_keys:
        raise Refused(f"{setting} is not set, and {other} is; want both. docs/security.md says which step needs which.")
    if not LAPTOP.exists() and name == PRIVATE and is_laptop():
        try:
            make(LAPTOP)
        except OSError as error:
            raise Refused(f"no pair of keys can be made in {LAPTOP}: {error.strerror}. Set {setting}.") from error
    path = LAPTOP / name
    if not path.is_file():
        where = f" {LAPTOP} lacks its {name}: put it back, or remove the folder." if LAPTOP.exists() else ""
        raise Refused(f"{setting} is not set; want a key, as PEM text or a path.{where} {MAKE}.")
    return str(path)


def _content(value: str, setting: str) -> str:
    """PEM text, from the setting itself or from what its path names."""
    if "-----BEGIN" in value:
        return value
    path = Path(value)
    shown = value if setting == "VERIFY_KEYS" else "a file"  # a private key without its first line is taken for a path
    try:
        if not path.is_dir():
            return path.read_text(encoding="ascii")
        files = [each for each in sorted(path.iterdir()) if each.is_file() and not each.name.startswith(".")]
        return "\n".join(each.read_text(encoding="ascii") for each in files)
    except OSError as error:
        raise Refused(f"{setting} names {shown}, which cannot be read: {error.strerror}. {MAKE}.") from error
    except ValueError:
        raise Refused(f"{setting} names {shown}, which is no PEM text. {MAKE}.") from None


def _point(block: str) -> EllipticCurvePublicKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        der = base64.b64decode("".join(block.split()), validate=True)
        if not der.startswith(P256):
            raise Refused(f"VERIFY_KEYS has a key of another kind; want P-256. {MAKE}.")
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), der[len(P256) :])
    except (binascii.Error, ValueError):
        raise Refused(f"VERIFY_KEYS has a public key that cannot be read. {MAKE}.") from None


if __name__ == "__main__":
    laptop()
