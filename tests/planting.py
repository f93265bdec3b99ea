"""An attacker who writes MLflow and the store, and holds no private key: a bundle that looks like any other."""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rounds import bundle, places, release, signing
from rounds.bundle import Bundle
from rounds.files import Writer
from rounds.manifest import Kept, Manifest
from rounds.mirror import MODEL
from rounds.release import Release, Signed
from rounds.store import Store, open_store, sha256
from tests import tracked
from tests.checkout import Checkout

NAME = "NoShowXGBoost"


@dataclass(frozen=True)
class Planted:
    """The bundle, its files in a folder, and the file that its features.py makes when it is run."""

    bundle: Bundle
    folder: Path
    mark: Path

    @property
    def ran(self) -> bool:
        return self.mark.exists()


def planted(checkout: Checkout, place: Path, run: str = "a") -> Planted:
    """A run's own bundle, but that its features.py leaves a mark."""
    mark = place / "the planted code ran"
    own = bundle.load(lambda name: checkout.file("train", name, run))
    code = own.definition + f"\nopen({str(mark)!r}, 'w').close()\n"
    made = dataclasses.replace(own, definition=code)
    made.save(Writer(place))
    return Planted(made, place / "out", mark)


def store_of(checkout: Checkout) -> Store:
    return open_store(checkout.store.as_uri())


def altered(checkout: Checkout, step: str, run: str = "a", **content: Any) -> Manifest:
    """A step's manifest with another content; its signature stays what it was."""
    path = places.manifest_path("noshow", run, step)
    done = places.read(store_of(checkout), path)
    assert done is not None
    changed = done.model_copy(update={"content": done.content.model_copy(update=content)})
    store_of(checkout).write(path, changed.to_json())
    return changed


def into_the_run(checkout: Checkout, evil: Planted, run: str = "a") -> Manifest:
    """In the place of what train wrote: files, digests and facts agree, so only the signature can tell."""
    store, kept, at = store_of(checkout), {}, {}
    for file in sorted(evil.folder.iterdir()):
        kept[file.name] = Kept(sha256=sha256(file), bytes=file.stat().st_size)
        at[file.name] = places.file_path("noshow", run, "train", file.name, kept[file.name].sha256)
        store.upload(file, at[file.name])
    path = places.manifest_path("noshow", run, "train")
    done = places.read(store, path)
    assert done is not None
    content = done.content.model_copy(
        update={"files": kept, "facts": {**done.content.facts, "bundle": evil.bundle.digest}}
    )
    circumstances = done.circumstances.model_copy(update={"places": at})
    made = done.model_copy(update={"content": content, "circumstances": circumstances})
    store.write(path, made.to_json())
    return made


def into_the_registry(checkout: Checkout, evil: Planted, run: str = "a", **tags: str) -> int:
    """As the newest version, with the alias moved to it; answers its number."""
    made = into_the_run(checkout, evil, run)
    store_of(checkout).write(f"noshow/.registry/bundles/{evil.bundle.digest}.json", made.to_json())
    client = tracked.door(checkout.place / "mlflow").client
    experiment = client.get_experiment_by_name("noshow").experiment_id
    mlflow_run = client.create_run(experiment).info.run_id
    client.log_artifacts(mlflow_run, str(evil.folder), f"{MODEL}/bundle")
    named = {"rounds.bundle": evil.bundle.digest, "rounds.run": run, "rounds.origin": "simulated", **tags}
    version = client.create_model_version(NAME, f"runs:/{mlflow_run}/{MODEL}", run_id=mlflow_run, tags=named)
    client.set_registered_model_alias(NAME, "champion", version.version)
    return int(version.version)


def signed_with(key: Any, evil: Planted, of: Release) -> None:
    """A release of the attacker's own beside the bundle, signed with a key of theirs."""
    raw = of.model_copy(update={"bundle": evil.bundle.digest}).to_json()
    (evil.folder / release.FILE).write_bytes(raw)
    text = signing.sign(signing.digests(evil.folder, "it"), key, "it")
    (evil.folder / signing.SIGNATURE).write_text(text, encoding="ascii")


def released(checkout: Checkout, digest: str) -> Signed:
    """The release of a bundle in the store."""
    found = release.read(store_of(checkout), "noshow", digest)
    assert found is not None
    return found


def replayed(checkout: Checkout, evil: Planted, digest: str) -> None:
    """A valid release of another bundle, put beside the planted one, in its folder and in the store."""
    found = released(checkout, digest)
    (evil.folder / release.FILE).write_bytes(found.raw)
    (evil.folder / signing.SIGNATURE).write_bytes(found.signature)
    release.write(store_of(checkout), "noshow", evil.bundle.digest, found)


def champion_folder(checkout: Checkout, version: int) -> Path:
    """Where MLflow keeps the bundle of a version on this disk."""
    client = tracked.door(checkout.place / "mlflow").client
    run = client.get_model_version(NAME, str(version)).run_id
    return Path(client.get_run(run).info.artifact_uri.removeprefix("file://")) / MODEL / "bundle"


def rewrite(path: Path, **fields: Any) -> None:
    """Other fields in a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **fields}, indent=1, sort_keys=True), encoding="utf-8")


def forget(cache: Path) -> None:
    """A service without a cache."""
    shutil.rmtree(cache, ignore_errors=True)
