"""Signatures: of the format of OpenSSF model-signing, over every file, by one of the keys and by no other."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rounds import keypair, signing
from rounds.errors import Refused

Pair = tuple[Any, list[Any]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pairs of keys."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("one", "two", "three"):
        keypair.make(folder / name)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "bundle"
    made.mkdir()
    for name in ("bundle.json", "features.py", "model.ubj", "release.json"):
        (made / name).write_text(f"this is {name}", encoding="utf-8")
    return made


def private(pair: Path) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key((pair / keypair.PRIVATE).read_bytes(), None)


def public(*pairs: Path) -> list[Any]:
    return keypair.parse("\n".join((pair / keypair.PUBLIC).read_text("ascii") for pair in pairs))


@pytest.fixture
def signed(folder: Path, place: Path) -> Path:
    text = signing.sign(signing.digests(folder, "it"), private(place / "one"), "it")
    (folder / signing.SIGNATURE).write_text(text, encoding="ascii")
    return folder


def test_the_real_tool_verifies_what_is_signed_here(signed: Path, place: Path) -> None:
    import model_signing

    verifier = model_signing.verifying.Config().use_elliptic_key_verifier(public_key=place / "one" / keypair.PUBLIC)
    verifier.verify(signed, signed / signing.SIGNATURE)
    (signed / "features.py").write_text("another", encoding="utf-8")
    with pytest.raises(ValueError, match=r"Hash mismatch for 'features\.py'"):
        verifier.verify(signed, signed / signing.SIGNATURE)


def test_what_the_real_tool_signs_is_verified_here(folder: Path, place: Path) -> None:
    import model_signing

    signer = model_signing.signing.Config().use_elliptic_key_signer(private_key=place / "one" / keypair.PRIVATE)
    signer.sign(folder, folder / signing.SIGNATURE)
    signing.verify_folder(folder, public(place / "one"), "it")
    (folder / ".git").write_text("a file that the tool leaves out", encoding="utf-8")
    with pytest.raises(Refused, match=r"it has besides what was signed \.git"):
        signing.verify_folder(folder, public(place / "one"), "it")


def add(folder: Path) -> None:
    (folder / "more.py").write_text("print()", encoding="utf-8")


def remove(folder: Path) -> None:
    (folder / "model.ubj").unlink()


def change(folder: Path) -> None:
    (folder / "features.py").write_text("print()", encoding="utf-8")


def hide(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / signing.SIGNATURE).write_text("not the signature", encoding="utf-8")


def link(folder: Path) -> None:
    (folder / "more.py").symlink_to(folder / "features.py")


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (add, r"has besides what was signed more\.py"),
        (remove, r"lacks model\.ubj"),
        (change, r"has another content than was signed in features\.py"),
        (hide, r"has besides what was signed deep/model\.sig"),
        (link, r"has more\.py, which is a link"),
    ],
)
def test_another_folder_is_refused_by_the_name_of_the_file(
    signed: Path, place: Path, act: Callable[[Path], None], words: str
) -> None:
    act(signed)
    with pytest.raises(Refused, match=f"it {words}"):
        signing.verify_folder(signed, public(place / "one"), "it")


def test_two_keys_verify_while_keys_are_changed(signed: Path, place: Path) -> None:
    signing.verify_folder(signed, public(place / "one", place / "two"), "it")
    signing.verify_folder(signed, public(place / "two", place / "one"), "it")
    with pytest.raises(Refused, match="by none of the 2 keys in VERIFY_KEYS"):
        signing.verify_folder(signed, public(place / "two", place / "three"), "it")


def test_no_signature_is_none(folder: Path, place: Path) -> None:
    with pytest.raises(Refused, match=r"it has no signature \(model\.sig\)"):
        signing.verify_folder(folder, public(place / "one"), "it")


def altered(signed: Path, change: Callable[[dict[str, Any]], None], within: bool) -> None:
    """A signature with another envelope, or with another statement in it."""
    found = json.loads((signed / signing.SIGNATURE).read_bytes())
    if within:
        statement = json.loads(base64.b64decode(found["dsseEnvelope"]["payload"]))
        change(statement)
        found["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    else:
        change(found)
    (signed / signing.SIGNATURE).write_text(json.dumps(found), encoding="ascii")


@pytest.mark.parametrize(
    ("change", "within"),
    [
        (lambda one: one["predicate"]["resources"].pop(), True),
        (lambda one: one.update(subject=[]), True),
        (lambda one: one["subject"][0].update(name="another"), True),
        (lambda one: one["predicate"]["serialization"].update(method="shards"), True),
        (lambda one: one.update(mediaType="another"), False),
        (lambda one: one["dsseEnvelope"].update(payloadType="text/plain"), False),
        (lambda one: one["dsseEnvelope"].update(signatures=[]), False),
        (lambda one: one["dsseEnvelope"]["signatures"][0].update(sig="AAAA"), False),
        (lambda one: one.pop("dsseEnvelope"), False),
    ],
)
def test_an_altered_signature_is_none(signed: Path, place: Path, change: Any, within: bool) -> None:
    altered(signed, change, within)
    with pytest.raises(Refused, match="the signature of it is"):
        signing.verify_folder(signed, public(place / "one"), "it")


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "null", "[" * 100_000])
def test_nonsense_is_no_signature(signed: Path, place: Path, text: str) -> None:
    (signed / signing.SIGNATURE).write_text(text, encoding="ascii")
    with pytest.raises(Refused, match="the signature of it is not one"):
        signing.verify_folder(signed, public(place / "one"), "it")
    with pytest.raises(Refused, match="the signature of it is not one"):
        signing.identity(text, "it")
