"""Keys: from text, a file or a folder; a laptop's own pair; what is no key is refused in a sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rounds import keypair
from rounds.errors import Refused
from rounds.keypair import PRIVATE, PUBLIC
from tests import keypairs
from tests.checkout import ROOT, Checkout, copied

LAPTOP = {"SIGNING_KEY": "", "VERIFY_KEYS": ""}
SIGNS = "from rounds import keypair, signing; print(signing.hint(keypair.private_key().public_key()))"


STEP = '''"""Try something out.  Reads nothing.  Writes a file and signs it."""

from dataclasses import dataclass

from rounds.knobs import Split
from rounds.step import step


@dataclass(frozen=True)
class Knobs:
    split: Split


@step(knobs=Knobs, signs=True)
def main(read, write, knobs):
    write.text("a.txt", "text")
    return {}


if __name__ == "__main__":
    main.command()
'''


def trial(place: Path) -> Checkout:
    """A checkout with a small step that signs."""
    checkout = copied(place)
    (checkout.root / "jobs" / "trial.py").write_text(STEP, encoding="utf-8")
    return checkout


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    keypair.make(tmp_path / "pair")
    return tmp_path / "pair"


def run(checkout: Checkout, program: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = checkout.environment(**{**LAPTOP, **settings})
    return subprocess.run(
        [sys.executable, "-c", program], cwd=checkout.root, env=environment, capture_output=True, text=True
    )


def test_a_pair_is_its_owners_alone(pair: Path) -> None:
    assert sorted(path.name for path in pair.iterdir()) == [PRIVATE, PUBLIC]
    assert {path.stat().st_mode & 0o777 for path in pair.iterdir()} == {0o600}
    assert pair.stat().st_mode & 0o777 == 0o700


def test_public_keys_are_text_a_file_or_a_folder(pair: Path, tmp_path: Path) -> None:
    text = (pair / PUBLIC).read_text(encoding="ascii")
    other = (keypairs.folder() / PUBLIC).read_text(encoding="ascii")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "old.pem").write_text(text, encoding="ascii")
    (tmp_path / "two" / "new.pem").write_text(other, encoding="ascii")
    (tmp_path / "two" / ".new.pem.swp").write_text(other, encoding="ascii")
    assert [len(keypair.parse(value)) for value in (text, str(pair / PUBLIC), str(pair))] == [1, 1, 1]
    assert len(keypair.parse(text + other)) == len(keypair.parse(str(tmp_path / "two"))) == 2


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("/none/at/all", "which cannot be read: No such file"),
        ("-----BEGIN nothing", "has 0 public keys; want one, or two"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "a key of another kind; want P-256"),
        ("-----BEGIN PUBLIC KEY-----\nAA\n-----END PUBLIC KEY-----", "a public key that cannot be read"),
    ],
)
def test_what_is_no_public_key_is_refused(value: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        keypair.parse(value)


def test_three_keys_are_one_too_many(pair: Path) -> None:
    with pytest.raises(Refused, match="has 3 public keys"):
        keypair.parse((pair / PUBLIC).read_text(encoding="ascii") * 3)


def test_a_laptop_makes_a_pair_on_first_use_and_eight_at_once_make_one(tmp_path: Path) -> None:
    checkout = copied(tmp_path)
    (checkout.root / "pyproject.toml").touch()
    started = [
        subprocess.Popen(
            [sys.executable, "-c", SIGNS],
            cwd=checkout.root,
            env=checkout.environment(**LAPTOP),
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    assert len({one.communicate()[0] for one in started}) == 1
    own = checkout.root / ".rounds" / "signing"
    assert sorted(path.name for path in own.parent.iterdir()) == [".signing.lock", "signing"]
    (own / PRIVATE).unlink()
    ended = run(checkout, SIGNS)
    assert f"{own} lacks its {PRIVATE}" in ended.stderr, "a half that is there is never written over"
    assert sorted(path.name for path in own.iterdir()) == [PUBLIC]


def test_an_image_makes_none(tmp_path: Path) -> None:
    checkout = trial(tmp_path)
    ended = checkout.run("trial", **LAPTOP)
    assert ended.sentence(2).startswith("trial: SIGNING_KEY is not set; want a key, as PEM text or a path.")
    assert not (checkout.root / ".rounds").exists()


@pytest.mark.parametrize("half", list(LAPTOP))
def test_where_one_half_is_set_the_other_is_not_made(tmp_path: Path, half: str) -> None:
    checkout = copied(tmp_path)
    (checkout.root / "pyproject.toml").touch()
    other = next(name for name in LAPTOP if name != half)
    ended = run(checkout, SIGNS, **{half: keypairs.environ()[half]})
    assert f"{other} is not set, and {half} is; want both" in ended.stderr
    assert not (checkout.root / ".rounds").exists()


def test_two_halves_of_different_pairs_are_refused_before_any_work(pair: Path, tmp_path: Path) -> None:
    checkout = trial(tmp_path)
    ended = checkout.run("trial", SIGNING_KEY=str(pair / PRIVATE), VERIFY_KEYS=keypairs.environ()["VERIFY_KEYS"])
    assert "SIGNING_KEY and VERIFY_KEYS do not go together" in ended.sentence(2)


def test_a_private_key_without_its_first_line_is_not_shown(tmp_path: Path) -> None:
    lines = (keypairs.folder() / PRIVATE).read_text(encoding="ascii").splitlines()
    ended = trial(tmp_path).run("trial", SIGNING_KEY="".join(lines[1:-1]))
    assert "SIGNING_KEY names a file, which cannot be read" in ended.sentence(2)
    assert lines[1] not in ended.text


def test_a_laptop_signs_and_refers_to_what_it_signed(tmp_path: Path) -> None:
    checkout = trial(tmp_path)
    (checkout.root / "pyproject.toml").touch()
    assert checkout.run("trial", **LAPTOP).code == 0
    first = checkout.manifest("trial")["circumstances"]["signature"]
    assert "same as run a" in checkout.run("trial", **LAPTOP).text
    assert checkout.manifest("trial")["circumstances"]["signature"] == first != ""
    assert "runs:" in checkout.run("trial").text, "it is not signed with these other keys"


def test_a_command_makes_a_pair_and_writes_over_none(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rounds.cli", "keys", str(tmp_path / "new")]
    made = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    before = (tmp_path / "new" / PRIVATE).read_bytes()
    again = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True)
    assert again.returncode == 2 and "is there already" in again.stderr
    assert (tmp_path / "new" / PRIVATE).read_bytes() == before
