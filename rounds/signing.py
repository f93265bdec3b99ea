"""Signatures over files, in the format of OpenSSF model-signing 1.1: one signature covers every byte of them.

The signature is a Sigstore bundle around a DSSE envelope around an in-toto statement, which lists each file with its
sha256. `model_signing verify key` of that project reads it, and its signatures can be read here.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rounds.errors import Refused
from rounds.store import sha256

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

SIGNATURE = "model.sig"
MEDIA = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://model_signing/signature/v1.0"
# What stands before the point of every P-256 public key. With it no parser is needed, and the parser of `cryptography`
# takes longer to import than a signature to verify.
P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")

Digests = Mapping[str, str]  # file name -> sha256 in hex


def sign(files: Digests, key: EllipticCurvePrivateKey, name: str) -> str:
    """The signature over these files, as the text of a `model.sig`; `name` says what they are together."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    payload = json.dumps(_statement(files, name), separators=(",", ":")).encode()
    signature = key.sign(_encoded(payload), ec.ECDSA(hashes.SHA256()))
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD,
        "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
    }
    material = {"publicKey": {"hint": hint(key.public_key())}, "tlogEntries": []}
    bundle = {"mediaType": MEDIA, "verificationMaterial": material, "dsseEnvelope": envelope}
    return json.dumps(bundle, separators=(",", ":")) + "\n"


def verify(signature: str | bytes, files: Digests, keys: Sequence[EllipticCurvePublicKey], name: str) -> None:
    """Refuse files that differ from what the holder of one of these keys signed."""
    try:
        payload, raw = _opened(json.loads(signature))
        statement = json.loads(payload)
        signed = _listed(statement)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise Refused(f"the signature of {name} is not one: {type(error).__name__}. {_ADVICE}") from None
    if not any(_is_by(key, raw, payload) for key in keys):
        raise Refused(f"the signature of {name} is by none of the {len(keys)} keys in VERIFY_KEYS. {_ADVICE}")
    for fault, names in (
        ("lacks", signed.keys() - files.keys()),
        ("has besides what was signed", files.keys() - signed.keys()),
        ("has another content than was signed in", {one for one in signed if signed[one] != files.get(one)}),
    ):
        if names:
            raise Refused(f"{name} {fault} {', '.join(sorted(names))}. {_ADVICE}")


def verify_folder(folder: Path, keys: Sequence[EllipticCurvePublicKey], name: str) -> None:
    """Refuse a folder whose files are not exactly those that its `model.sig` covers."""
    path = folder / SIGNATURE
    if not path.is_file() or path.is_symlink():
        raise Refused(f"{name} has no signature ({SIGNATURE}). {_ADVICE}")
    verify(path.read_bytes(), digests(folder, name), keys, name)


def digests(folder: Path, name: str) -> dict[str, str]:
    """Every file of a folder with its sha256, the signature left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        shown = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise Refused(f"{name} has {shown}, which is a link; want files alone. {_ADVICE}")
        if path.is_file() and shown != SIGNATURE:
            found[shown] = sha256(path)
    return found


def identity(signature: str | bytes, name: str) -> str:
    """What is signed and with which key, as a digest: equal for two signatures of the same, which are random."""
    try:
        bundle = json.loads(signature)
        said = [bundle["dsseEnvelope"]["payload"], bundle["verificationMaterial"]["publicKey"]["hint"]]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise Refused(f"the signature of {name} is not one: {type(error).__name__}. {_ADVICE}") from None
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def hint(key: EllipticCurvePublicKey) -> str:
    """The name of a key: the sha256 of its PEM text."""
    numbers = key.public_numbers()
    der = P256 + b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
    text = base64.b64encode(der).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    pem = "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])
    return hashlib.sha256(pem.encode()).hexdigest()


_ADVICE = "It is not used. 'train', 'evaluate' and 'register' sign what they write; docs/security.md says more."


def _statement(files: Digests, name: str) -> dict[str, Any]:
    listed = [{"name": one, "algorithm": "sha256", "digest": files[one]} for one in sorted(files)]
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": _root(files[one] for one in sorted(files))}}],
        "predicateType": PREDICATE,
        "predicate": {
            "resources": listed,
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": [SIGNATURE],
            },
        },
    }


def _listed(statement: Any) -> dict[str, str]:
    """The files of a statement; one of another kind, or that contradicts itself, is none."""
    resources = statement["predicate"]["resources"]
    names = [one["name"] for one in resources]
    (subject,) = statement["subject"]
    if (statement["_type"], statement["predicateType"]) != (STATEMENT, PREDICATE):
        raise ValueError("another kind of statement")
    if any(one["algorithm"] != "sha256" for one in resources) or len(set(names)) != len(names):
        raise ValueError("another algorithm, or a file twice")
    if statement["predicate"]["serialization"]["method"] != "files":
        raise ValueError("another way to list files")
    if subject["digest"]["sha256"] != _root(one["digest"] for one in resources):
        raise ValueError("the files are not those of the subject")
    return {str(one["name"]): str(one["digest"]) for one in resources}


def _opened(bundle: Any) -> tuple[bytes, bytes]:
    """The payload of a bundle and the one signature over it, neither of them believed yet."""
    envelope = bundle["dsseEnvelope"]
    (signature,) = envelope["signatures"]
    if bundle["mediaType"] != MEDIA or envelope["payloadType"] != PAYLOAD:
        raise ValueError("another kind of signature")
    return base64.b64decode(envelope["payload"], validate=True), base64.b64decode(signature["sig"], validate=True)


def _is_by(key: EllipticCurvePublicKey, signature: bytes, payload: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key.verify(signature, _encoded(payload), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _encoded(payload: bytes) -> bytes:
    """What is signed: DSSE's encoding, which binds the payload to its type."""
    return f"DSSEv1 {len(PAYLOAD)} {PAYLOAD} {len(payload)} ".encode() + payload


def _root(digests: Any) -> str:
    return hashlib.sha256(b"".join(bytes.fromhex(one) for one in digests)).hexdigest()
