"""What the service answers with: versions that are signed and released, and nothing put in their place."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rounds import keypair, places, release, signing
from rounds.errors import Refused
from rounds.release import Override
from serving import settings
from tests import keypairs, planting, tracked
from tests.planting import NAME, champion_folder, into_the_registry, planted, released, replayed, rewrite, signed_with
from tests.serving.running import ONE, Clinic, Service


def refused(service: Service, words: str) -> None:
    """The old version answers, and the new one is refused by its name and for this reason."""
    told = service.seen("/readyz", lambda found: words in found["registry"])
    assert told["ready"] is True and told["model"] == "version 1 answers"
    assert words in service.out.read_text(encoding="utf-8")


def stranger(place: Path) -> Any:
    """A key of the attacker's own."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    keypair.make(place / "stranger")
    return load_pem_private_key((place / "stranger" / keypair.PRIVATE).read_bytes(), None)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("unsigned", f"version 3 of {NAME} has no signature (model.sig)"),
        ("with the release of another", f"version 3 of {NAME} has another content than was signed in"),
        ("signed by a stranger", f"the signature of version 3 of {NAME} is by none of the 1 keys in VERIFY_KEYS"),
        ("without a stage", f"version 3 of {NAME} has no stage"),
    ],
)
def test_a_planted_version_is_refused_and_never_run(own: Clinic, tmp_path: Path, how: str, words: str) -> None:
    evil = planted(own.checkout, tmp_path, "first")
    digest = own.checkout.content("train", "first")["facts"]["bundle"]
    with own.serving() as service:
        service.ready()
        if how == "with the release of another":
            replayed(own.checkout, evil, digest)
        if how == "signed by a stranger":
            of = release._parsed(released(own.checkout, digest).raw, "it")
            signed_with(stranger(tmp_path), evil, of)
        stage = {} if how == "without a stage" else {"stage": "Production"}
        into_the_registry(own.checkout, evil, "first", **stage)
        refused(service, words)
        assert service.predict(ONE).status == 200
    assert not evil.ran


def own_files(own: Clinic) -> Path:
    """The second version's bundle in a registry of its own, so that no other test sees what is done to it."""
    folder = champion_folder(own.checkout, 2)
    client = tracked.door(own.registry).client
    run = client.create_run(client.get_experiment_by_name("noshow").experiment_id).info.run_id
    client.log_artifacts(run, str(folder), f"{planting.MODEL}/bundle")
    tags = dict(client.get_model_version(NAME, "2").tags)
    client.create_model_version(NAME, f"runs:/{run}/{planting.MODEL}", run_id=run, tags=tags)
    return champion_folder(own.checkout, 3)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda folder: (folder / "more.py").write_text("print()"), "has besides what was signed more.py"),
        (lambda folder: (folder / "features.py").write_text("print()"), "than was signed in features.py"),
        (lambda folder: (folder / "model.sig").unlink(), "has no signature (model.sig)"),
        (lambda folder: rewrite(folder / release.FILE, verdict="pass", gates=[]), "was signed in release.json"),
    ],
    ids=["a file more", "a changed file", "no signature", "other gates"],
)
def test_a_changed_version_is_refused_by_the_file(own: Clinic, act: Callable[[Path], Any], words: str) -> None:
    act(own_files(own))
    with own.serving() as service:
        service.ready()
        own.champion(3)
        refused(service, words)


def test_a_signed_version_replaces_the_old_one_and_its_cache_is_verified_again(own: Clinic) -> None:
    with own.serving() as service:
        service.ready()
        own.champion(2)
        service.seen("/readyz", lambda found: found["model"] == "version 2 answers")
    digest = own.checkout.content("train", "second")["facts"]["bundle"]
    cached = own.place / "cache" / "bundles" / digest / "features.py"
    mark = own.place / "ran"
    cached.write_text(f"open({str(mark)!r}, 'w').close()\n" + cached.read_text("utf-8"), encoding="utf-8")
    with own.serving() as service:  # it is brought again, and not run as it is
        service.seen("/readyz", lambda found: found["model"] == "version 2 answers")
    assert not mark.exists()


def test_reasons_come_from_the_very_model_that_predicted(own: Clinic) -> None:
    first, second = (own.checkout.content("train", run)["facts"]["bundle"] for run in ("first", "second"))
    with own.serving() as service:
        (prediction,) = service.ready().predict(ONE).json["predictions"]
        own.champion(2)
        service.seen("/readyz", lambda found: found["model"] == "version 2 answers")
        bundles = own.place / "cache" / "bundles"
        shutil.rmtree(bundles / first)
        shutil.copytree(bundles / second, bundles / first)  # whole, and another one
        assert service.ask("/explain", {"id": prediction["id"]}).status == 404


def test_without_the_key_that_signed_it_a_cached_version_is_refused_too(own: Clinic, tmp_path: Path) -> None:
    with own.serving() as service:
        service.ready()
    keypair.make(tmp_path / "new")
    both = tmp_path / "both"
    both.mkdir()
    for number, pair in enumerate((tmp_path / "new", keypairs.folder())):
        shutil.copyfile(pair / keypair.PUBLIC, both / f"{number}.pem")
    with own.serving(VERIFY_KEYS=str(both)) as service:
        service.ready()
    with own.serving(VERIFY_KEYS=str(tmp_path / "new" / keypair.PUBLIC)) as service:
        told = service.seen("/readyz", lambda found: "by none of the 1 keys" in found["registry"])
        assert told["model"] == "no model answers yet"


def overridden(own: Clinic, until: datetime) -> None:
    """The second model, released by a person, as a version of its own that is champion."""
    folder, store = own_files(own), planting.store_of(own.checkout)
    trained = places.read(store, places.manifest_path("noshow", "second", "train"))
    evaluated = places.read(store, places.manifest_path("noshow", "second", "evaluate"))
    assert trained is not None and evaluated is not None
    word = Override(reason="for a test", by="somebody", until=until)
    new = release.sign(release.of(trained, evaluated, NAME, word), release.files(trained))
    (folder / release.FILE).write_bytes(new.raw)
    (folder / signing.SIGNATURE).write_bytes(new.signature)
    own.champion(3)


def test_an_override_in_force_answers(own: Clinic) -> None:
    overridden(own, datetime(2999, 1, 1, tzinfo=UTC))
    with own.serving() as service:
        assert service.ready().ask("/readyz").json["model"] == "version 3 answers"


def test_an_override_that_expired_is_refused(own: Clinic) -> None:
    with own.serving() as service:
        service.ready()
        overridden(own, datetime(2026, 1, 1, tzinfo=UTC))
        refused(service, "the override by somebody expired on 2026-01-01 00:00 UTC")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("problem", "another", "has the release of another problem: another; want noshow"),
        ("model", "Another", "has the release of another model: Another"),
        ("bundle", "0" * 64, "has the release of another bundle"),
        ("verdict", "override", "has a release without a verdict"),
        ("format", 2, "is of format 2; this release reads format 1. A newer release wrote it: leave it as it is"),
        ("more", 1, "has more, which this release does not know"),
    ],
)
def test_a_valid_signature_of_another_thing_is_refused(own: Clinic, field: str, value: Any, words: str) -> None:
    """Signed with the right key: a signature says who wrote it, not that it belongs here."""
    folder = own_files(own)
    rewrite(folder / release.FILE, **{field: value})
    text = signing.sign(signing.digests(folder, "it"), keypair.private_key(), "it")
    (folder / signing.SIGNATURE).write_text(text, encoding="ascii")
    with own.serving() as service:
        service.ready()
        own.champion(3)
        refused(service, words)


def test_keys_that_are_none_end_the_start_in_a_sentence() -> None:
    with pytest.raises(Refused, match="VERIFY_KEYS names /none, which cannot be read"):
        settings.read({"VERIFY_KEYS": "/none"})
