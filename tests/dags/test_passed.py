"""What a step sees of its worker, here and elsewhere."""

from __future__ import annotations

import importlib
import json
import subprocess
from pathlib import Path

import pytest
import yaml

from launch import environment
from launch.keys import HALVES, texts
from launch.passed import ONLY, here, passed, plain
from rounds import code, keypair, signed
from tests.checkout import ROOT

SOURCES = """
import json, sys
from launch import kubernetes, needs
def names(step):
    found = kubernetes._sources(step, needs.cluster())
    refs = [one.secret_ref or one.config_map_ref for one in found]
    return sorted(ref.name + ("?" if ref.optional else "") for ref in refs)
print(json.dumps({step: names(step) for step in sys.argv[1:]}))
"""

KEYS = {"JOURNAL_KEY": "secret", "SIGNING_KEY": "private", "VERIFY_KEYS": "public"}


def test_the_folder_of_the_journal_is_of_use_on_this_machine_alone() -> None:
    """A step finds the service's key in it; a container would make one of its own on a disk that goes with it."""
    given = {"JOURNAL_FOLDER": "/a/journal", "JOURNAL_KEY": "secret", "STORE": "file:///a/store"}
    assert here(given, "score") == {"PYTHONUNBUFFERED": "1", **given}
    assert passed(given, "score") == {"PYTHONUNBUFFERED": "1", "JOURNAL_KEY": "secret", "STORE": "file:///a/store"}
    assert "JOURNAL_KEY" not in plain(given, "score")


WANTED = {
    "ingest": {"JOURNAL_KEY"},
    "validate": {"JOURNAL_KEY"},
    "tune": set(),
    "train": {"SIGNING_KEY", "VERIFY_KEYS"},
    "evaluate": {"SIGNING_KEY", "VERIFY_KEYS"},
    "register": {"SIGNING_KEY", "VERIFY_KEYS"},
    "score": {"JOURNAL_KEY", "VERIFY_KEYS"},
    "collect": {"JOURNAL_KEY"},
    "monitor": {"VERIFY_KEYS"},
    "decide": set(),
    "publish": set(),
}


@pytest.mark.parametrize("step", WANTED)
def test_a_step_gets_the_keys_that_it_uses(step: str) -> None:
    for get in (passed, here):
        assert set(get(KEYS, step)) - {"PYTHONUNBUFFERED"} == WANTED[step]
    assert set(plain(KEYS, step)) == {"PYTHONUNBUFFERED"}


def keys_of(step: str) -> set[str]:
    """The keys that a step's own code uses."""
    main = importlib.import_module(f"jobs.{step}").main
    imported = code.digests([f"jobs.{step}"], ROOT)
    reads_signed = {entry.partition("/")[0] for entry in main.reads} & signed.STEPS
    verifies = main.signs or reads_signed or "rounds/verified_versions.py" in imported
    uses = {"SIGNING_KEY": main.signs, "VERIFY_KEYS": verifies, "JOURNAL_KEY": "rounds/journal.py" in imported}
    return {key for key, used in uses.items() if used}


def test_the_launcher_knows_which_keys_each_step_uses() -> None:
    """A step that begins to sign, to verify or to hash needs its line in `ONLY` as well."""
    steps = [path.stem for path in sorted(ROOT.glob("jobs/*.py")) if path.stem != "__init__"]
    assert {step: keys_of(step) for step in steps} == {
        step: {key for key, users in ONLY.items() if step in users} for step in steps
    }


@pytest.mark.parametrize(("secret", "key"), [("rounds-signing", "SIGNING_KEY"), ("rounds-journal", "JOURNAL_KEY")])
def test_the_admission_policy_names_the_same_steps(secret: str, key: str) -> None:
    documents = list(yaml.safe_load_all((ROOT / "helm/steps.yaml").read_text(encoding="utf-8")))
    [policy] = [each for each in documents if each["kind"] == "ValidatingAdmissionPolicy"]
    rules = [rule["expression"] for rule in policy["spec"]["validations"]]
    [rule] = [rule for rule in rules if rule.startswith(f"!('{secret}' in variables.secrets)")]
    assert set(rule.partition("^(")[2].partition(")")[0].split("|")) == ONLY[key]


def test_the_pair_of_a_checkout_has_the_same_names_everywhere() -> None:
    assert HALVES == {"SIGNING_KEY": keypair.PRIVATE, "VERIFY_KEYS": keypair.PUBLIC}
    assert keypair.LAPTOP == environment.HOME / "signing"


def test_a_pod_gets_the_secrets_that_its_step_uses() -> None:
    """In an environment of Airflow's own, for that is where pods are launched from."""
    command = [str(environment.python("airflow")), "-c", SOURCES, *WANTED]
    made = subprocess.run(command, cwd=environment.ROOT / "dags", capture_output=True, text=True, check=True)
    names = {"SIGNING_KEY": "rounds-signing", "JOURNAL_KEY": "rounds-journal", "VERIFY_KEYS": "rounds-verify"}
    wanted = {step: sorted(["rounds-step", *(names[key] for key in keys)]) for step, keys in WANTED.items()}
    wanted |= {step: ["rounds-journal?", "rounds-step"] for step in ("ingest", "validate")}  # they can do without
    assert json.loads(made.stdout.splitlines()[-1]) == wanted


def test_a_container_gets_the_keys_as_text(tmp_path: Path) -> None:
    (tmp_path / "private.pem").write_text("-----BEGIN PRIVATE KEY-----\n", encoding="ascii")
    (tmp_path / "public.pem").write_text("-----BEGIN PUBLIC KEY-----\n", encoding="ascii")
    own = {"SIGNING_KEY": "-----BEGIN PRIVATE KEY-----\n", "VERIFY_KEYS": "-----BEGIN PUBLIC KEY-----\n"}
    assert texts({}, tmp_path) == own
    assert texts({name: str(tmp_path / file) for name, file in HALVES.items()}, Path("/none")) == own
    assert texts(own, Path("/none")) == own
    assert texts({"VERIFY_KEYS": "a key"}, tmp_path) == {"VERIFY_KEYS": "a key"}, "half of one pair, half of another"
    assert texts({}, Path("/none")) == {}


@pytest.mark.data_safety
@pytest.mark.parametrize("value", ["A" * 300, "/proc/self/mem"], ids=["a key without its first line", "no reading it"])
def test_what_is_no_path_of_a_key_is_left_for_the_step_to_refuse(value: str) -> None:
    """An error here would quote it in Airflow's log."""
    assert texts({"SIGNING_KEY": value}, Path("/none")) == {"SIGNING_KEY": value}
