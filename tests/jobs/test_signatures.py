"""An attacker who writes the store and MLflow, and holds no key: no step runs code of theirs or believes a word."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rounds import keypair, places, release, signed, signing
from rounds.release import Override
from tests import keypairs
from tests.checkout import KNOBS, Checkout
from tests.jobs.test_register import changed, copy, registered, rounds, shelf
from tests.planting import (
    altered,
    champion_folder,
    into_the_registry,
    into_the_run,
    planted,
    released,
    replayed,
    store_of,
)
from tests.warm import Warm


@pytest.fixture
def ready(done: Checkout, tmp_path: Path) -> Checkout:
    return copy(done, tmp_path / "ready")


def test_a_planted_bundle_is_not_evaluated_nor_registered(ready: Checkout, warm: Warm, tmp_path: Path) -> None:
    evil = planted(ready, tmp_path)
    into_the_run(ready, evil)
    for step in ("evaluate", "register"):
        sentence = warm.run(ready, step).sentence(2)
        assert "what 'train' of run a wrote has another content than was signed in" in sentence
    assert not evil.ran
    assert shelf(ready) == ({}, [])


def test_a_planted_bundle_is_trained_anew_and_not_referred_to(ready: Checkout, warm: Warm, tmp_path: Path) -> None:
    """What is found by its key is not signed again: it is made again."""
    before = ready.content("train")
    made = into_the_run(ready, planted(ready, tmp_path))
    store_of(ready).write(places.key_path("noshow", "train", made.circumstances.read.key()), made.to_json())
    assert warm.run(ready, "train").code == 0
    assert ready.content("train") == before
    assert "is not signed" in ready.why("train")[0]


@pytest.mark.parametrize("how", ["unsigned", "with the release of another bundle"])
@pytest.mark.parametrize("step", ["score", "monitor", "register"])
def test_a_planted_champion_is_not_run(ready: Checkout, warm: Warm, tmp_path: Path, step: str, how: str) -> None:
    """By register it would be run as the champion that a new model is held against."""
    first = registered(ready, warm)
    assert first["champion"] == 1
    digest = ready.content("train")["facts"]["bundle"]
    keep = copy_of_run(ready, "a")
    evil = planted(ready, tmp_path)
    if how != "unsigned":
        replayed(ready, evil, digest)
        (evil.folder / release.FILE).unlink()
        (evil.folder / "model.sig").unlink()
    into_the_registry(ready, evil, stage="Production")
    if step == "register":
        restore(ready, keep)
        ready.change(KNOBS, "trees: 20, depth: 4", "trees: 30, depth: 4")
        warm.flow(ready, "b")
        ended = warm.run(ready, "register", "b")
    else:
        assert warm.run(ready, "collect", "w").well  # what monitor reads
        ended = warm.run(ready, step, "w")
    assert ended.code == 2, ended.text
    assert "version 2 of NoShowXGBoost" in ended.text
    wanted = "has no signed release in the store" if how == "unsigned" else "has another content than was signed in"
    assert wanted in ended.text
    assert not evil.ran


def copy_of_run(checkout: Checkout, run: str) -> Path:
    kept = checkout.place / "kept"
    shutil.copytree(checkout.store / "noshow" / run, kept)
    return kept


def restore(checkout: Checkout, kept: Path) -> None:
    shutil.copytree(kept, checkout.store / "noshow" / "a", dirs_exist_ok=True)


def test_gates_cannot_be_rewritten(ready: Checkout, warm: Warm) -> None:
    facts = ready.content("evaluate")["facts"]
    gates = [{**gate, "verdict": "pass", "value": 1.0} for gate in facts["gates"]]
    altered(ready, "evaluate", facts={**facts, "gates": gates, "rows": 1})
    sentence = warm.run(ready, "register").sentence(2)
    assert "what 'evaluate' of run a wrote has another content than was signed in step.json" in sentence


def test_a_refused_evaluation_cannot_be_made_a_pass(ready: Checkout, warm: Warm) -> None:
    ready.change(KNOBS, "auc: {at_least: 0.3}", "auc: {at_least: 0.99}")
    assert warm.run(ready, "evaluate").code == 2
    altered(ready, "evaluate", verdict="done", message="")
    assert "another content than was signed in step.json" in warm.run(ready, "register").sentence(2)


def test_an_evaluation_of_another_model_releases_none(ready: Checkout, warm: Warm) -> None:
    """Both are signed, each for itself."""
    ready.change(KNOBS, "trees: 20, depth: 4", "trees: 30, depth: 4")
    warm.flow(ready, "b")
    store = store_of(ready)
    for name in ("manifest.json",):
        raw = store.read(f"noshow/a/evaluate/{name}")
        assert raw is not None
        store.write(f"noshow/b/evaluate/{name}", raw)
    sentence = warm.run(ready, "register", "b").sentence(2)
    assert "'evaluate' of run b judged another model than 'train' made" in sentence


def test_an_evaluation_by_older_gates_releases_none(ready: Checkout, warm: Warm) -> None:
    """It is signed, and may be put back in place of one that today's gates refused."""
    ready.change(KNOBS, "auc: {at_least: 0.3}", "auc: {at_least: 0.99}")
    sentence = warm.run(ready, "register").sentence(2)
    assert "'evaluate' of run a judged by another section evaluate than problem.yaml has now" in sentence
    assert shelf(ready) == ({}, [])


def test_a_candidate_with_other_code_than_here_is_not_run(ready: Checkout, warm: Warm) -> None:
    """Signed as it is: by a checkout with another features.py."""
    with (ready.root / "problems/noshow/features.py").open("a", encoding="utf-8") as file:
        file.write("# another\n")
    for step in ("evaluate", "register"):
        ended = warm.run(ready, step, "a", *(["--force"] if step == "evaluate" else []))
        assert ended.code == 2, ended.text
        assert "has another features.py than problems/noshow/features.py here" in ended.text, ended.text


def test_of_a_registered_version_the_code_may_differ(ready: Checkout, warm: Warm) -> None:
    registered(ready, warm)
    with (ready.root / "problems/noshow/features.py").open("a", encoding="utf-8") as file:
        file.write("# another\n")
    assert registered(ready, warm)["champion"] == 1


def test_signatures_are_circumstances(ready: Checkout, warm: Warm) -> None:
    before = {step: ready.manifest(step) for step in signed.STEPS}
    for step in ("train", "evaluate"):
        assert warm.run(ready, step, "a", "--force").code == 0
    for step in signed.STEPS:
        after = ready.manifest(step)
        assert after["content"] == before[step]["content"]
        assert after["circumstances"]["signature"] != before[step]["circumstances"]["signature"]


def test_keys_are_changed_with_two_at_a_time(ready: Checkout, warm: Warm, tmp_path: Path) -> None:
    registered(ready, warm)
    keypair.make(tmp_path / "new")
    new = keypairs.environ(tmp_path / "new")
    both = Path(new["VERIFY_KEYS"]).read_text("ascii") + (keypairs.folder() / keypair.PUBLIC).read_text("ascii")
    assert warm.run(ready, "register", **{**new, "VERIFY_KEYS": both}).code == 0, "the old signature holds"
    assert "by none of the 1 keys in VERIFY_KEYS" in warm.run(ready, "register", **new).sentence(2)
    for step in ("train", "evaluate", "register"):  # work that only the old key signed is done and signed anew
        ended = warm.run(ready, step, **new)
        assert ended.code == 0, ended.text
    assert shelf(ready) == ({"champion": 1, "anchor": 1}, ["Production"])


def test_all_versions_are_signed_anew_with_the_new_key(ready: Checkout, warm: Warm, tmp_path: Path) -> None:
    registered(ready, warm)
    new, done = signed_anew(ready, tmp_path / "new")
    assert (done.returncode, done.stdout) == (0, "signed anew: versions 1 of NoShowXGBoost\n"), done.stderr
    signing.verify_folder(champion_folder(ready, 1), keypair.parse(new["VERIFY_KEYS"]), "version 1")


def signed_anew(ready: Checkout, folder: Path) -> tuple[dict[str, str], subprocess.CompletedProcess[str]]:
    """`rounds sign` with a new pair, while both public keys are given."""
    keypair.make(folder)
    new = keypairs.environ(folder)
    both = Path(new["VERIFY_KEYS"]).read_text("ascii") + (keypairs.folder() / keypair.PUBLIC).read_text("ascii")
    environment = ready.environment(**{**new, "VERIFY_KEYS": both})
    command = [sys.executable, "-m", "rounds.cli", "sign"]
    return new, subprocess.run(command, cwd=ready.root, env=environment, capture_output=True, text=True)


def test_a_version_without_a_release_does_not_keep_the_others(ready: Checkout, warm: Warm, tmp_path: Path) -> None:
    registered(ready, warm)
    changed(ready, warm, "b")
    store_of(ready).delete([f"noshow/.registry/releases/{ready.content('train')['facts']['bundle']}.json"])
    new, done = signed_anew(ready, tmp_path / "new")
    assert (done.returncode, done.stdout) == (2, "signed anew: versions 2 of NoShowXGBoost\n"), done.stderr
    assert "version 1 of NoShowXGBoost has no signed release in the store" in done.stderr
    signing.verify_folder(champion_folder(ready, 2), keypair.parse(new["VERIFY_KEYS"]), "version 2")


def test_a_person_with_the_key_may_release_what_the_gates_refused(ready: Checkout, warm: Warm) -> None:
    ready.change(KNOBS, "auc: {at_least: 0.3}", "auc: {at_least: 0.99}")
    assert warm.run(ready, "evaluate").code == 2
    said = rounds(ready, "override", "a", "--reason", "the clinic accepts this model for March", "--days", "30")
    assert said.startswith("version 1 of NoShowXGBoost (run a) may answer until ")
    assert shelf(ready) == ({"challenger": 1}, ["Staging"])
    rounds(ready, "promote", "1")
    digest = ready.content("train")["facts"]["bundle"]
    found = release._parsed(released(ready, digest).raw, "it")
    assert found.verdict == "override" and found.override is not None
    assert found.override.reason == "the clinic accepts this model for March"
    assert "refuse" in [gate["verdict"] for gate in found.gates]
    found.require_verdict("it")
    with pytest.raises(release.Refused, match=r"was refused by its gates, and the override by .* expired on"):
        found.require_verdict("it", datetime.now(UTC) + timedelta(days=31))


def test_an_override_that_expired_scores_nobody(ready: Checkout, warm: Warm) -> None:
    registered(ready, warm)
    store, digest = store_of(ready), ready.content("train")["facts"]["bundle"]
    trained = places.read(store, places.manifest_path("noshow", "a", "train"))
    evaluated = places.read(store, places.manifest_path("noshow", "a", "evaluate"))
    assert trained is not None and evaluated is not None
    word = Override(reason="for a day", by="somebody", until=datetime(2026, 1, 1, tzinfo=UTC))
    new = release.of(trained, evaluated, "NoShowXGBoost", word)
    release.write(store, "noshow", digest, release.sign(new, release.files(trained)))
    assert warm.run(ready, "collect", "w").well
    sentence = warm.run(ready, "monitor", "w").sentence(2)
    assert "the override by somebody expired on 2026-01-01 00:00 UTC" in sentence
    assert registered(ready, warm)["champion"] == 1, "it passes its gates, so register releases it again"
    assert release._parsed(released(ready, digest).raw, "it").verdict == "pass"
