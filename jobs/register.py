"""Register the model, and make it champion if it may.  Reads validate, train, evaluate.  Writes report.html."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any

import polars as pl

import problems
from jobs.champions import gain, rescored, wording
from jobs.champions.gain import Judged, Part
from jobs.champions.paired import Paired, Rows, Rule, Scored, against_anchor, against_champion, compare
from jobs.judging.parts import FEW
from jobs.report.promotion import page
from rounds import log, manifest, mirror, promotion, releasing, surprise, verified_versions
from rounds.bundle import Bundle
from rounds.candidate import read_bundle, require_own_definition
from rounds.clusters import Clusters
from rounds.errors import Refused
from rounds.files import Reader, Writer
from rounds.knobs import Column, Outcome, Split, When
from rounds.manifest import Facts
from rounds.metrics import Operation
from rounds.modelling import Register
from rounds.registry import ANCHOR, ARCHIVED, CHAMPION, Registry, Shelf, Version, version_tags
from rounds.step import step
from rounds.tables import day_numbers
from rounds.tracking import open_tracking
from rounds.turns import at_the_registry

SCORES = "scores.parquet"
SLICE = "slice:"
SMALLEST = 200  # rows that are compared, at least
YEAR = timedelta(days=365)
TEST = "rounds.test"


@dataclass(frozen=True)
class Knobs:
    model: str
    who: str
    when: When
    outcome: Outcome
    columns: dict[str, Column]
    split: Split
    registry: Register


@dataclass(frozen=True)
class Candidate:
    """This run's model, and what it said of the last slice of time."""

    read: Reader
    knobs: Knobs
    fitted: Bundle
    after: date | None = None  # rows of later days alone are compared

    @cached_property
    def tested(self) -> pl.DataFrame:
        """Every row of the test slice."""
        return pl.read_parquet(self.read.path("evaluate", SCORES), glob=False)

    @cached_property
    def scores(self) -> pl.DataFrame:
        """The rows that are compared."""
        if self.after is None:
            return self.tested
        return self.tested.filter(pl.col(self.knobs.split.by).cast(pl.Date) > self.after)

    @property
    def days(self) -> int:
        return self.scores.get_column(self.knobs.when.happens).cast(pl.Date).n_unique()

    @property
    def too_few(self) -> str:
        """Why nothing can be told from the rows that are compared; empty where they are enough."""
        happened, rows = int(self.scores.get_column(self.knobs.outcome.column).sum()), self.scores.height
        if rows >= SMALLEST and FEW <= happened <= rows - FEW:
            return ""
        return (
            f"nobody can tell: {rows:,} of {self.tested.height:,} test rows are new to both models, {happened:,} of "
            f"them with the outcome; want at least {SMALLEST} rows and {FEW} of either kind"
        )

    @property
    def key(self) -> list[str]:
        return [name for name, column in self.knobs.columns.items() if column.unique]

    @property
    def slice(self) -> str:
        """A digest of the rows that models are compared on and of what came of them."""
        rows = self.scores.select([*self.key, self.knobs.outcome.column]).cast(pl.String)
        return manifest.digest(rows.rows())

    def opened(self, registry: Registry, rival: Version) -> Judged:
        """A version of the registry, with its own features of these rows."""
        folder = self.read.scratch / f"version {rival.number}"
        folder.mkdir(exist_ok=True)
        earlier = verified_versions.open_bundle(registry, rival, folder)
        registry.turn.beat()
        return self.judged(earlier)

    def judged(self, model: Bundle) -> Judged:
        matrix = rescored.matrix(model, self.read.table("validate"), self.scores, self.key)
        return Judged(model, matrix, model.score(matrix))

    def against(self, rival: Judged, rows: Rows, rule: Rule) -> Paired:
        """Hold this model against another one."""
        mine, risk = self.scores.get_column("score").to_numpy(), self.knobs.registry.risk
        return compare(self._scored(mine, self.fitted), self._scored(rival.scores, rival.model), rows, rule, risk)

    def gain(self, champion: Judged, rows: Rows) -> Facts:
        """Where the gain over the champion comes from."""
        parts = [
            Part(name.removeprefix(SLICE), part, (self.scores.get_column(name) == part).fill_null(False).to_numpy())
            for name in self.scores.columns
            if name.startswith(SLICE)
            for part in self.scores.get_column(name).drop_nulls().unique().sort().to_list()
        ]
        return gain.explain(self.judged(self.fitted), champion, rows.outcome, parts, self.knobs.registry.seed)

    def _scored(self, scores: Any, model: Bundle) -> Scored:
        """Each model at its own threshold, both at today's capacity."""
        return Scored(scores, Operation(model.thresholds["capacity"], self.fitted.knobs["capacity"]))

    def rows(self) -> Rows:
        who = self.scores.get_column(self.knobs.who).rank("dense").to_numpy()
        days = day_numbers(self.scores.get_column(self.knobs.when.happens))
        return Rows(self.scores.get_column(self.knobs.outcome.column).to_numpy(), Clusters.of(who, days))


def test(candidate: Candidate, registry: Registry, version: Version, shelf: Shelf) -> Facts:
    """The champion test, made once for each champion, anchor and slice: later looks find it on the version."""
    champion, anchor = shelf.by_alias(CHAMPION), shelf.by_alias(ANCHOR)
    assert champion is not None and anchor is not None
    candidate = replace(candidate, after=max(last_seen(registry, rival) for rival in (champion, anchor)))
    question = {
        "champion": champion.bundle,
        "anchor": anchor.bundle,
        "slice": candidate.slice,
        "knobs": candidate.knobs.registry.model_dump(mode="json", exclude={"promotion", "surprise"}),
    }
    known = _tested(version)
    if known.get("question") == question and not known["cannot_tell"]:
        return known
    made = [earlier for each in shelf.versions.values() for earlier in _questions(_tested(each))]
    today = datetime.now(UTC).date()
    tests = 1 + sum(date.fromisoformat(each["day"]) > today - YEAR for each in made)
    cannot = candidate.too_few or _spent(candidate.knobs.registry, tests)
    found, gained = ({}, {}) if cannot else _compared(candidate, registry, champion, anchor)
    answer = {
        "question": question,
        "day": today.isoformat(),
        "rows": candidate.scores.height,
        "of_rows": candidate.tested.height,
        "days": candidate.days,
        "cannot_tell": cannot,
        "against": found,
        "uses_of_slice": 1 + sum(each["slice"] == question["slice"] for each in made),
        "tests_of_year": tests,
        "passed": not cannot and all(each["passed"] for each in found.values()),
        "gain": gained,
        "earlier": _questions(known),
    }
    registry.tag(version, TEST, json.dumps(answer, sort_keys=True))
    return answer


def _compared(candidate: Candidate, registry: Registry, champion: Version, anchor: Version) -> tuple[Facts, Facts]:
    """The comparison with champion and anchor, and where the gain over the champion comes from."""
    rows = candidate.rows()
    models = {rival.number: candidate.opened(registry, rival) for rival in (champion, anchor)}
    asked, found = candidate.knobs.registry, {}
    for name, rival, rule in ((CHAMPION, champion, against_champion(asked)), (ANCHOR, anchor, against_anchor(asked))):
        paired = candidate.against(models[rival.number], rows, rule)
        found[name] = {"version": rival.number, **paired.facts, **paired.power(len(rows.outcome))}
    return found, candidate.gain(models[champion.number], rows)


def last_seen(registry: Registry, version: Version) -> date:
    """The last day whose rows a version or its calibrator was fitted on."""
    return date.fromisoformat(registry.trained(version).content.facts["slices"]["calibrate"]["last"])


def _spent(asked: Register, tests: int) -> str:
    """Why no more tests are made this year; empty where one more may be."""
    if tests <= asked.tests_per_year:
        return ""
    return (
        f"nobody can tell: this would be test {tests} within a year, and register.tests_per_year is "
        f"{asked.tests_per_year}; more tests would promote a worse model by chance too often"
    )


def _questions(answer: Facts) -> list[dict[str, str]]:
    """The tests of a version so far: another one, with another champion or seed, counts as another use.

    Where nobody could tell, no test was made, and none is counted.
    """
    if not answer:
        return []
    if answer["cannot_tell"]:
        return list(answer["earlier"])
    asked = {"slice": answer["question"]["slice"], "day": answer["day"]}
    return [*answer["earlier"], asked]


def _tested(version: Version) -> dict[str, Any]:
    return dict(json.loads(version.tags.get(TEST, "{}")))


def decide(candidate: Candidate, registry: Registry, version: Version, shelf: Shelf) -> str | None:
    """Make it champion if it may be; otherwise the sentence that says why not."""
    number, automatic = version.number, candidate.knobs.registry.promotion == "auto"
    if shelf.aliases.get(CHAMPION) == number:
        return None
    if version.stage == ARCHIVED:
        return f"version {number} was champion before and was replaced; 'rounds promote {number}' brings it back"
    champion = shelf.by_alias(CHAMPION)
    origin = releasing.read_origin(registry, version)
    of_champion = None if champion is None else releasing.read_origin(registry, champion)
    if objection := promotion.origin_objection(version, origin, champion, of_champion):
        return f"{objection}; 'rounds promote {number} --reason WHY' does it by hand"
    registry.challenge(version)
    comparable = origin == of_champion
    answer = test(candidate, registry, version, shelf) if comparable else {}
    if answer and not answer["passed"]:
        return f"version {number} stays challenger: {wording.refusals(answer)}"
    if wait := surprise.held(shelf, version, candidate.knobs.registry.surprise, comparable):
        return f"version {number} stays challenger: {wait}; 'rounds promote {number} --reason' confirms it"
    if not automatic:
        return f"version {number} may become champion: 'rounds promote {number}' does it{wording.success(answer)}"
    if champion is not None and not comparable:
        log.say(f"version {champion.number} learned from simulated data, so the two are not compared")
    registry.promote(number)
    return None


def judged(read: Reader) -> None:
    """Refuse an evaluation of another model, or by other gates than today's: each is signed for itself."""
    trained, evaluated = read.inputs["train"], read.inputs["evaluate"]
    if evaluated.circumstances.read.inputs.get("train") != trained.content.digest():
        raise Refused(f"'evaluate' of run {read.run} judged another model than 'train' made. Run 'evaluate' again.")
    described = problems.problem(read.problem)
    wanted = described.model_dump(mode="json", include={"evaluate"}, by_alias=True, exclude_defaults=True)
    if evaluated.circumstances.read.knobs.get("evaluate") != wanted["evaluate"]:
        raise Refused(
            f"'evaluate' of run {read.run} judged by another section evaluate than problem.yaml has now. "
            "Run 'evaluate' again."
        )


@step(reads=("validate/table.parquet", "train", "evaluate"), knobs=Knobs, reuse=False, mirror=True, signs=True)
def main(read: Reader, write: Writer, knobs: Knobs) -> Facts:
    judged(read)
    loaded = read_bundle(read)
    candidate = Candidate(read, knobs, loaded)
    tracking = open_tracking()
    with at_the_registry(read.store, read.problem) as held:
        registry = Registry(tracking.while_telling(held.beat), read.store, read.problem, knobs.model, held)
        registry.heal()
        if not releasing.is_released(registry, loaded.digest):
            require_own_definition(loaded, read.problem, read.run)
        releasing.sign(registry, read.inputs["train"], read.inputs["evaluate"])
        mirrored = mirror.run(registry.tracking, read.store, read.problem, read.run)
        if mirrored is None:
            raise Refused(f"run {read.run} has no steps that go together. Run 'train' and 'evaluate' again.")
        releasing.attach(registry, mirrored, loaded.digest)
        data = read.inputs["validate"].content.digest()
        version = registry.add(mirrored, version_tags(read.inputs["train"], read.inputs["evaluate"], data))
        refusal = decide(candidate, registry, version, registry.settle())
        shelf = registry.settle()
    found = facts(knobs.model, shelf, shelf.versions[version.number])
    said = refusal or f"version {version.number} of {knobs.model} is champion{wording.success(found['test'])}"
    log.say(said)
    write.json("registration.json", {**found, "why_not": refusal})
    if found["test"]:
        write.text("report.html", page(knobs.model, version.number, found["test"], said))
    return found


def facts(model: str, shelf: Shelf, version: Version) -> Facts:
    """How the registry stands now: the same whoever brought it about, and however often it was looked at."""
    test = {name: value for name, value in _tested(version).items() if name not in {"question", "earlier", "day"}}
    return {"model": model, "version": version.number, "stage": version.stage, **shelf.aliases, "test": test}


if __name__ == "__main__":
    main.command()
