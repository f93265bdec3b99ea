from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rounds.errors import REFUSED, Refused
from serving import keyring
from serving.keyring import Scope, made
from serving.keys import Denied, Keys, guard, main
from serving.refusals import CALLERS, Refusals

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


@pytest.mark.parametrize("broken", [b"{", b"[]", b'{"name": "a"}', b"\xff\xfe", b"\x00" * 9])
def test_a_removed_key_stops_working_although_another_line_is_wrong(path: Path, broken: bytes) -> None:
    removed, first = made("clinic", frozenset({"predict"}), None)
    kept, second = made("office", frozenset({"predict"}), None)
    put(path, first, second)
    keys = Keys(path, look=0)
    line = second.model_dump_json(exclude_none=True).encode()
    path.write_bytes(broken + b"\n" + line + b"\n")
    assert (asked(keys, f"Bearer {removed}")[0], asked(keys, f"Bearer {kept}")[0]) == (401, 200)
    assert "line 1: " in keys.trouble and "the keys of the other lines work" in keys.trouble
    put(path.with_name("other"), first)
    path.with_name("other").replace(path)
    assert (asked(keys, f"Bearer {removed}")[0], asked(keys, f"Bearer {kept}")[0]) == (200, 401)
    assert keys.trouble == ""


def test_a_bad_line_is_named_without_what_it_holds(path: Path) -> None:
    plain, key = made("clinic", frozenset({"predict"}), None)
    put(path, key)
    keys = Keys(path, look=0)
    lines = [plain, json.dumps({plain: 1}), json.dumps({"name": plain + "!", "hash": plain, "scopes": [plain]})]
    path.write_text("\n".join([*lines, *lines]))
    assert asked(keys, f"Bearer {plain}")[0] == 401
    assert "line 3: " in keys.trouble and "3 more" in keys.trouble and plain not in keys.trouble


@pytest.mark.parametrize("gone", ["removed", "a folder"])
def test_without_the_file_no_key_works_until_it_is_back(path: Path, gone: str) -> None:
    plain, key = made("clinic", frozenset({"predict"}), None)
    put(path, key)
    keys = Keys(path, look=0)
    path.rename(path.with_name("away"))
    if gone == "a folder":
        path.mkdir()
    status, text = asked(keys, f"Bearer {plain}")
    assert status == 503 and "no key works" in text and str(path) not in text
    assert str(path) in keys.trouble and "no key works" in keys.trouble
    if gone == "a folder":
        path.rmdir()
    path.with_name("away").rename(path)  # the very same file: nothing of it has changed
    assert asked(keys, f"Bearer {plain}")[0] == 200 and keys.trouble == ""


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_any_more_lets_nobody_in(path: Path) -> None:
    plain, key = made("clinic", frozenset({"predict"}), None)
    put(path, key)
    keys = Keys(path, look=0)
    path.chmod(0)
    assert asked(keys, f"Bearer {plain}")[0] == 503
    path.chmod(0o600)
    assert asked(keys, f"Bearer {plain}")[0] == 200


def test_a_secret_that_is_exchanged_all_the_time_refuses_no_key(tmp_path: Path) -> None:
    """As the kubelet does it: a new folder, the link moved to it in one step, the old folder removed."""
    plain, key = made("clinic", frozenset({"predict"}), None)
    stop = threading.Event()

    def exchange(number: int) -> None:
        folder = tmp_path / f"..{number}"
        folder.mkdir()
        put(folder / "keys", key)
        (tmp_path / "..new").symlink_to(folder.name)
        (tmp_path / "..new").replace(tmp_path / "..data")
        if number:
            shutil.rmtree(tmp_path / f"..{number - 1}")

    exchange(0)
    (tmp_path / "keys").symlink_to("..data/keys")
    keys = Keys(tmp_path / "keys", look=0)
    kubelet = threading.Thread(target=lambda: [exchange(n) for n in range(1, 400) if not stop.is_set()])
    kubelet.start()
    try:
        while kubelet.is_alive():
            assert asked(keys, f"Bearer {plain}") == (200, "clinic")
    finally:
        stop.set()
        kubelet.join()


def test_a_key_for_metrics_reads_them_alone_and_operators_may_too(path: Path) -> None:
    prometheus, one = made("prometheus", frozenset({"metrics"}), None)
    office, two = made("office", frozenset({"operate"}), None)
    put(path, one, two)
    keys = Keys(path)
    assert asked(keys, f"Bearer {prometheus}", "metrics") == (200, "prometheus")
    assert asked(keys, f"Bearer {office}", "metrics") == (200, "office")
    for scope in ("predict", "explain", "outcome", "operate"):
        assert asked(keys, f"Bearer {prometheus}", scope)[0] == 403


def test_refused_logins_are_logged_by_name_or_address_and_never_by_key(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plain, key = made("clinic", frozenset({"predict"}), NOW)
    put(path, key)
    keys = Keys(path, clock=lambda: NOW)
    for sent, scope in ((plain, "predict"), (plain[:-1], "predict"), ("", "operate")):
        with pytest.raises(Denied):
            keys.allow(f"Bearer {sent}" if sent else None, scope, f"10.0.0.{len(sent)}")  # type: ignore[arg-type]
    expired, unknown, missing = (record.getMessage() for record in caplog.records)
    assert "'clinic' has expired" in expired and f"10.0.0.{len(plain)}" in expired
    assert "not known" in unknown and f"10.0.0.{len(plain) - 1}" in unknown
    assert "No key was sent" in missing and "10.0.0.0" in missing
    assert plain[:-1] not in caplog.text and key.hash not in caplog.text


def test_a_flood_of_refused_logins_is_a_few_lines_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    refusals = Refusals(logging.getLogger("rounds.keys"), lambda: now[0])
    for at in range(30_000):
        refusals.log("", f"10.0.{at % 100}.1", "The key is not known.")
    assert len(caplog.records) == CALLERS
    now[0] = 61.0
    refusals.log("", "10.0.0.1", "The key is not known.")
    counted, line = (record.getMessage() for record in caplog.records[CALLERS:])
    assert f"{30_000 - CALLERS} more" in counted and "10.0.0.1" in line


def test_a_new_key_is_good_for_a_year_unless_told_otherwise(path: Path) -> None:
    for name, words in {"usual": [], "short": ["--days", "3"], "ever": ["--days", "0"]}.items():
        assert main(["new", name, *words, "--file", str(path)]) == 0
    usual, short, ever = (key.expires for key in keyring.read(path))
    assert usual is not None and short is not None and ever is None
    assert timedelta(days=364) < usual - datetime.now(UTC) <= timedelta(days=365)
    assert short - datetime.now(UTC) <= timedelta(days=3)


def test_a_key_can_be_removed_although_another_line_is_wrong(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, key = made("clinic", frozenset({"predict"}), None)
    put(path, key, made("office", frozenset({"predict"}), None)[1])
    with path.open("ab") as file:
        file.write(b"what is this\n")
    assert main(["remove", "clinic", "--file", str(path)]) == 0
    assert "line 3" in capsys.readouterr().err
    content = path.read_text()
    assert key.hash not in content and "office" in content and content.endswith("what is this\n")
    assert main(["list", "--file", str(path)]) == 0
    shown = capsys.readouterr()
    assert shown.out == "office  predict  for ever\n" and "line 2: the line: Invalid JSON" in shown.err


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ({"name": "a b"}, "line 2: name: String should match"),
        ({"hash": "secret"}, "line 2: hash: String should match"),
        ({"scopes": ["everything"]}, r"line 2: scopes\.0: Input should be .*'operate'"),
        ({"scopes": []}, "line 2: scopes: "),
        ({"expires": "2026-11-21"}, "line 2: expires: Input should have timezone|line 2: expires: "),
        ({"extra": 1}, "line 2: an unknown field: Extra inputs"),
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
