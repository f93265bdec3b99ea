"""Say whether to train again, to warn or to do nothing.  Reads monitor, the registry.  Writes decision.json."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from jobs.deciding.rules import Decision, judge
from rounds import log, retrains
from rounds.errors import NotAsked, Refused
from rounds.files import Reader, Writer
from rounds.manifest import Facts
from rounds.names import safe
from rounds.registry import CHAMPION, Registry, Version
from rounds.retrains import Answer, Ask
from rounds.step import step
from rounds.tracking import open_tracking
from rounds.turns import Turn
from rounds.watched import Decide, Monitor


@dataclass(frozen=True)
class Knobs:
    model: str
    monitor: Monitor
    decide: Decide


def champion(read: Reader, model: str) -> Version:
    """Who answers now."""
    shelf = Registry(open_tracking(), read.store, read.problem, model, Turn(read.store, "")).shelf()
    found = None if shelf is None else shelf.by_alias(CHAMPION)
    if found is None:
        raise Refused(f"{model} has no champion, so there is nothing to train again. Run 'register' first.")
    return found


def ask(read: Reader, decision: Decision, watched: Facts, cooldown: timedelta) -> Answer:
    """Claim the retrain in the ledger, as of now: whatever day the watch looked at, the training begins today."""
    bundle, rules = watched["bundle"], decision.asking
    wanted = Ask(
        key=retrains.key(read.problem, bundle, rules),
        run=read.run,
        training=safe(read.options["training"] or f"retrain-{read.run}"),
        bundle=bundle,
        rules=rules,
        says=tuple(reason.says for reason in decision.reasons if reason.asks == "retrain"),
        at=datetime.now(UTC),
    )
    return retrains.claim(read.store, read.problem, wanted, cooldown)


def facts(decision: Decision, answer: Answer) -> Facts:
    """A retrain that is held back is a warning: its reasons are there, and nobody acts."""
    verdict = "warn" if decision.verdict == "retrain" and answer.ask is None else decision.verdict
    return {
        "verdict": verdict,
        "reasons": [reason.facts for reason in decision.reasons],
        "unseen": list(decision.unseen),
        "key": answer.ask.key if answer.ask else None,
        "training": answer.ask.training if answer.ask else None,
        "held": answer.held,
    }


def in_words(found: Facts) -> str:
    """The whole decision in a line for the log and for `rounds show`."""
    said = [f"{reason['rule']}: {reason['says']}" for reason in found["reasons"]] or ["no rule asks for anything"]
    held = [f"no retrain now: {found['held']}"] if found["held"] else []
    unseen = [f"not seen: {told}" for told in found["unseen"]]
    return f"{found['verdict']}. {'. '.join([*said, *held, *unseen])}."


@step(
    reads=("monitor",),
    knobs=Knobs,
    reuse=False,
    options={"training": "the name of the run that trains again, if one is asked for; otherwise retrain-RUN"},
)
def main(read: Reader, write: Writer, knobs: Knobs) -> Facts:
    watched, now = read.facts("monitor"), champion(read, knobs.model)
    decision, answer = judge(watched, knobs.decide, knobs.monitor.ignore), Answer(None)
    if now.bundle != watched["bundle"]:
        answer = Answer(None, f"version {now.number} became champion after monitor had looked at another")
    elif decision.verdict == "retrain":
        answer = ask(read, decision, watched, timedelta(days=knobs.decide.cooldown))
    found = facts(decision, answer)
    write.json("decision.json", found)
    if found["verdict"] != "retrain":
        raise NotAsked(in_words(found), found)
    log.say(in_words(found))
    return found


if __name__ == "__main__":
    main.command()
