from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rounds.errors import REFUSED, Refused
from serving import keyring
from serving.keyring import Scope, made
from serving.keys import Denied, Keys, guard, main

pytestmark = pytest.mark.data_safety

ROOT = Path(__file__).parent.parent.parent
NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)


def put(path: Path, *keys: keyring.Key) -> None:
    keyring.changed(path, lambda _: keys)


def asked(keys: Keys, header: str | None, scope: Scope = "predict") -> tuple[int, str]:
    try:
        return 200, keys.allow(header, scope)
    except Denied as denied:
        return denied.status, str(denied)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def test_a_key_opens_what_it_is_for(path: Path) -> None:
    clinic, one = made("clinic", frozenset({"predict", "explain"}), None)
    office, two = made("office", frozenset({"operate"}), None)
    put(path, one, two)
    keys = Keys(path)
    assert asked(keys, f"Bearer {clinic}") == (200, "clinic")
    assert asked(keys, f"bearer  {clinic} ", "explain") == (200, "clinic")
    assert asked(keys, f"Bearer {office}", "operate") == (200, "office")
    status, text = asked(keys, f"Bearer {clinic}", "operate")
    assert status == 403 and "'clinic' is for explain, predict; this wants 'operate'" in text


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer   ", "Basic abc", "Bearer abc", "Bearer é\udcff", "Bearer " + "a" * 10_000],
)
def test_whoever_has_no_key_is_nobody(path: Path, header: str | None) -> None:
    put(path, made("clinic", frozenset({"predict"}), None)[1])
    assert asked(Keys(path), header)[0] == 401


def test_the_hash_is_no_key_and_no_message_holds_a_key(path: Path) -> None:
    plain, key = made("clinic", frozenset({"predict"}), NOW)
    put(path, key)
    assert plain not in path.read_text() and key.hash in path.read_text()
    keys = Keys(path, clock=lambda: NOW)
    for sent in (key.hash, key.hash.removeprefix("sha256:"), plain[:-1], plain + "x", plain):
        status, text = asked(keys, f"Bearer {sent}")
        assert status == 401 and sent not in text


def test_a_key_expires(path: Path) -> None:
    plain, key = made("clinic", frozenset({"predict"}), NOW)
    put(path, key)
    assert asked(Keys(path, clock=lambda: NOW - timedelta(seconds=1)), f"Bearer {plain}") == (200, "clinic")
    status, text = asked(Keys(path, clock=lambda: NOW), f"Bearer {plain}")
    assert status == 401 and "'clinic' has expired" in text


def test_keys_are_rotated_without_a_restart(path: Path) -> None:
    old, first = made("clinic-1", frozenset({"predict"}), None)
    young, second = made("clinic-2", frozenset({"predict"}), None)
    put(path, first)
    keys = Keys(path, look=0)
    put(path, first, second)
    assert asked(keys, f"Bearer {old}")[0] == asked(keys, f"Bearer {young}")[0] == 200
    put(path, second)
    assert (asked(keys, f"Bearer {old}")[0], asked(keys, f"Bearer {young}")[0]) == (401, 200)
    put(path)
    assert asked(keys, f"Bearer {young}")[0] == 401


def test_a_mounted_secret_is_exchanged_by_its_link(tmp_path: Path) -> None:
    old, first = made("clinic-1", frozenset({"predict"}), None)
    young, second = made("clinic-2", frozenset({"predict"}), None)
    for number, key in enumerate((first, second), 1):
        (tmp_path / f"..{number}").mkdir()
        put(tmp_path / f"..{number}" / "keys", key)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "keys").symlink_to("..data/keys")
    keys = Keys(tmp_path / "keys", look=0)
    assert asked(keys, f"Bearer {old}")[0] == 200
    (tmp_path / "..new").symlink_to("..2")
    (tmp_path / "..new").replace(tmp_path / "..data")
    assert (asked(keys, f"Bearer {old}")[0], asked(keys, f"Bearer {young}")[0]) == (401, 200)


@pytest.mark.parametrize("broken", ["{", "[]", '{"name": "a"}', None, b"\xff\xfe"])
def test_a_file_that_breaks_leaves_the_keys_in_force_and_is_said(path: Path, broken: str | bytes | None) -> None:
    plain, key = made("clinic", frozenset({"predict"}), None)
    put(path, key)
    keys = Keys(path, look=0)
    path.unlink()
    if broken is not None:
        path.write_bytes(broken if isinstance(broken, bytes) else broken.encode())
    assert asked(keys, f"Bearer {plain}")[0] == 200
    assert "still in force" in keys.trouble
    put(path.with_name("other"), key)
    path.with_name("other").replace(path)
    assert asked(keys, f"Bearer {plain}")[0] == 200 and keys.trouble == ""


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ({"name": "a b"}, "line 2: name: String should match"),
        ({"hash": "secret"}, "line 2: hash: String should match"),
        ({"scopes": ["everything"]}, r"line 2: scopes\.0: Input should be .*'operate'"),
        ({"scopes": []}, "line 2: scopes: "),
        ({"expires": "2026-11-21"}, "line 2: expires: Input should have timezone|line 2: expires: "),
        ({"extra": 1}, "line 2: extra: Extra inputs"),
    ],
)
def test_a_bad_line_is_refused_at_start_by_its_number(path: Path, line: dict[str, object], told: str) -> None:
    good = json.loads(made("clinic", frozenset({"predict"}), None)[1].model_dump_json())
    path.write_text(json.dumps(good) + "\n" + json.dumps({**good, **line}) + "\n")
    with pytest.raises(Refused, match=told) as refused:
        Keys(path)
    assert "secret" not in str(refused.value)


def test_without_keys_the_service_is_for_this_machine_alone(path: Path) -> None:
    assert guard(None, "127.0.0.1") is guard(None, "::1") is guard(None, "localhost") is None
    for host in ("0.0.0.0", "::", "10.0.0.7", "clinic.example", "127.0.0.1.example", ""):
        with pytest.raises(Refused, match="KEYS is not set"):
            guard(None, host)
    with pytest.raises(Refused, match="cannot be read: No such file"):
        guard(path, "127.0.0.1")
    put(path)
    keys = guard(path, "0.0.0.0")
    assert keys is not None and asked(keys, "Bearer x")[0] == 401


def test_the_verbs(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "clinic", "--scopes", "predict", "--days", "3", "--file", str(path)]) == 0
    plain = capsys.readouterr().out.strip()
    assert asked(Keys(path), f"Bearer {plain}") == (200, "clinic")
    assert main(["list", "--file", str(path)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("clinic  predict  until ") and plain not in shown
    assert main(["new", "clinic", "--file", str(path)]) == REFUSED
    assert "has a key 'clinic'" in capsys.readouterr().err
    for words in (["new", "a b"], ["new", "a", "--scopes", "all"], ["new", "a", "--days", "-1"]):
        assert main([*words, "--file", str(path)]) == REFUSED
    assert main(["remove", "nobody", "--file", str(path)]) == REFUSED
    assert main(["remove", "clinic", "--file", str(path)]) == 0
    assert asked(Keys(path), f"Bearer {plain}")[0] == 401


def test_two_who_make_keys_at_once_both_get_one(path: Path) -> None:
    argv = [sys.executable, "-m", "serving.keys", "new", "--file", str(path)]
    made = [subprocess.Popen([*argv, f"key-{n}"], cwd=ROOT, stdout=subprocess.PIPE, text=True) for n in range(4)]
    plain = [each.communicate(timeout=600)[0].strip() for each in made]
    keys = Keys(path)
    assert [asked(keys, f"Bearer {each}") for each in plain] == [(200, f"key-{n}") for n in range(4)]
