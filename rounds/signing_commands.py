"""The commands that make keys and signatures: `rounds keys`, `rounds sign` and `rounds override`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta

from rich.console import Group
from rich.text import Text

import problems
from rounds import inventory, keypair, mirror, release, releasing, signed
from rounds.errors import DONE, REFUSED, Refused
from rounds.files import fetch
from rounds.inventory import Run
from rounds.mirror import Mirrored
from rounds.output import Output
from rounds.people import author, reason
from rounds.registry import Registry, Version, version_tags
from rounds.release import Override
from rounds.releases import known_problems
from rounds.scratch import scratch
from rounds.store import Store
from rounds.tracking import open_tracking
from rounds.turns import at_the_registry

TABLE = "table.parquet"


def keys(_: object, arguments: argparse.Namespace) -> Output:
    """make a pair of keys in a new folder: private.pem signs, public.pem verifies"""
    if arguments.folder.exists():
        raise Refused(
            f"{arguments.folder} is there already; name a folder that is not, so that no key is written over."
        )
    keypair.make(arguments.folder)
    data = {"folder": str(arguments.folder), "private": keypair.PRIVATE, "public": keypair.PUBLIC}
    text = f"{keypair.PRIVATE} (SIGNING_KEY) and {keypair.PUBLIC} (VERIFY_KEYS) are in {arguments.folder}"
    return Output(data, Text(text))


def sign(store: Store, arguments: argparse.Namespace) -> Output:
    """sign the releases of all versions anew with SIGNING_KEY; VERIFY_KEYS must still hold the key that signed them"""

    known, away = known_problems(store, arguments.problem)
    refused: list[str] = []
    renewed: dict[str, list[int]] = {}
    for problem in known:
        tracking, model = open_tracking(), problems.problem(problem).model
        renewed[model] = []
        with at_the_registry(store, problem) as held:
            registry = Registry(tracking.while_telling(held.beat), store, problem, model, held)
            shelf = registry.shelf()
            for version in shelf.versions.values() if shelf else ():
                try:
                    found, trained = releasing.read_release(registry, version), registry.trained(version)
                except Refused as error:  # one version without a valid signature does not keep the others
                    refused.append(str(error))
                    continue
                release.write(store, problem, version.bundle, release.sign(found, release.files(trained)))
                releasing.attach(registry, Mirrored(version.run_id, {}, {}), version.bundle)
                renewed[model].append(version.number)
    data = [{"model": model, "versions": numbers} for model, numbers in renewed.items()]
    lines = [
        Text(f"signed anew: versions {', '.join(map(str, numbers)) or 'none'} of {model}")
        for model, numbers in renewed.items()
    ]
    return Output(
        data, Group(*lines), failure=" ".join(filter(None, [away, *refused])), exit_code=REFUSED if refused else DONE
    )


def override(store: Store, arguments: argparse.Namespace) -> Output:
    """release a model that its gates refused, for some days and a reason; needs SIGNING_KEY"""
    run = inventory.run(store, arguments.run, arguments.problem).readable()
    require_candidate(store, run)
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=arguments.days)
    word = Override(reason=reason(arguments.reason), by=author(arguments.by), until=until)
    version = register(store, run, word)
    name = problems.problem(run.problem).model
    data = {"model": name, "version": version.number, "run": run.name, "until": until.isoformat()}
    text = (
        f"version {version.number} of {name} (run {run.name}) may answer until {until:%Y-%m-%d %H:%M} UTC; "
        f"'rounds promote {version.number}' makes it champion"
    )
    return Output(data, Text(text))


def require_candidate(store: Store, run: Run) -> None:
    """Refuse a run whose model its gates did not refuse, is not signed, or has other code than this checkout."""
    from rounds import bundle  # loads numpy and the model's library, which other commands do without
    from rounds.candidate import require_own_definition

    trained, evaluated = run.step("train"), run.step("evaluate")
    for done in (trained, evaluated):
        signed.check(done, run.problem, done.step)
    if evaluated.circumstances.read.inputs.get("train") != trained.content.digest():
        raise Refused(f"'evaluate' of run {run.name} judged another model than 'train' made. Run 'evaluate' again.")
    if evaluated.content.verdict != "refused":
        raise Refused(f"run {run.name} passed its gates, so it needs no override. Run 'register'.")
    if not evaluated.content.facts.get("gates"):
        raise Refused(f"run {run.name} was refused before its gates: {evaluated.content.message} No override helps.")
    with scratch() as folder:
        loaded = bundle.load(lambda name: fetch(store, trained, name, folder))
        require_own_definition(loaded, run.problem, run.name)


def register(store: Store, run: Run, word: Override) -> Version:
    """Make it a version and challenger; who is champion stays."""
    trained, evaluated = run.step("train"), run.step("evaluate")
    data = run.step("validate").content.only({TABLE}).digest()
    tracking = open_tracking()
    with at_the_registry(store, run.problem) as held:
        model = problems.problem(run.problem).model
        registry = Registry(tracking.while_telling(held.beat), store, run.problem, model, held)
        registry.heal()
        digest = str(trained.content.facts["bundle"])
        if releasing.is_released(registry, digest):
            raise Refused(f"the model of run {run.name} passed its gates in another run, so it needs no override.")
        releasing.sign(registry, trained, evaluated, word)
        mirrored = mirror.run(registry.tracking, store, run.problem, run.name)
        if mirrored is None:
            raise Refused(f"run {run.name} has no steps that go together. Run 'train' and 'evaluate' again.")
        releasing.attach(registry, mirrored, digest)
        version = registry.add(mirrored, version_tags(trained, evaluated, data))
        registry.challenge(version)
        registry.settle()
        return version
