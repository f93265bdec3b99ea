"""POST /ops/retrain: an operator's wish to train again, granted once for each reason, however often it is sent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from rounds import retrains
from rounds.errors import Refused, StoreError
from rounds.manifest import Facts
from rounds.retrains import Ask
from rounds.store import Store
from serving.airflow import AirflowDown, UnderWay
from serving.limits import BUSY, Problem
from serving.state import State

LONGEST = 200  # characters of a reason
BY_HAND = (
    "POST /ops/retrain puts the wish on record and says how {dag} is started: this service knows no Airflow "
    "(AIRFLOW_URL is not set)."
)
COMMAND = (
    "On record, and not started, since this service knows no Airflow (AIRFLOW_URL is not set): "
    "run 'make train PROBLEM={problem} RUN={run} SOURCE={source}' in the checkout, or start the DAG {dag} with that "
    "run and source."
)


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    reason: str


_wish = msgspec.json.Decoder(Wish).decode


@dataclass(frozen=True)
class Retraining:
    """The ledger first, then Airflow: whoever comes after a failure between the two starts the very same run.

    Without Airflow nothing is started here: a service that patients' data pass through runs no programs.
    """

    state: State

    async def ask(self, body: bytes, query: bytes) -> bytes:
        reason = _reason(body)
        live = self.state.live
        if live is None:
            raise Problem(503, "No model answers yet, so there is none to train again; see /readyz.", BUSY)
        try:
            return json.dumps(await self.state.clerk.work(self._once, reason, live.card.bundle)).encode()
        except StoreError:
            raise Problem(503, "The store is away, and without its ledger nothing is started.", BUSY) from None
        except UnderWay as error:
            raise Problem(
                409, f"Not started: {error}. The wish is on record: send it again when that has ended."
            ) from None
        except AirflowDown as error:
            text = f"{error} The wish is on record: send it again with the same reason, and the same run is started."
            raise Problem(503, text, BUSY) from None
        except Refused as error:
            raise Problem(502, str(error)) from None

    @property
    def dag(self) -> str:
        return f"train_{self.state.settings.problem}"

    def _once(self, reason: str, bundle: str) -> Facts:
        store, problem, airflow = self.state.store, self.state.settings.problem, self.state.airflow
        ask = asked(store, problem, bundle, reason)
        told = {"key": ask.key, "dag": self.dag, "training": ask.training}
        how = retrains.state(store, problem, ask.training)
        if how != "waiting":
            return {
                **told,
                "state": how,
                "says": f"Asked for at {ask.at:%Y-%m-%d %H:%M} UTC; it is not done twice.",
            }
        # By the ledger's own day, so that whoever asks again later asks for the same run over the same data.
        conf = {"run": ask.training, "source": f"journal:{ask.at:%Y-%m-%d}"}
        if airflow is None:
            return {**told, "state": how, "says": COMMAND.format(problem=problem, dag=self.dag, **conf)}
        started, now = airflow.start(self.dag, ask.training, conf)
        says = "Started." if started else f"Started before; asked for at {ask.at:%Y-%m-%d %H:%M} UTC."
        if now == "queued" and airflow.paused(self.dag):
            says += f" {self.dag} is paused in Airflow, so it waits until somebody unpauses it."
        return {**told, "state": now, "says": says}


def asked(store: Store, problem: str, bundle: str, reason: str) -> Ask:
    """The ledger's entry of this reason: the one that is there, or a new one. An operator waits for no cooldown."""
    rules = (f"operator: {reason}",)
    key = retrains.key(problem, bundle, rules)
    found = [ask for ask in retrains.asks(store, problem) if ask.key == key]
    if found:
        return found[-1]
    name = f"operator-{key}"
    wanted = Ask(
        key=key, run=name, training=f"retrain-{name}", bundle=bundle, rules=rules, says=(reason,), at=datetime.now(UTC)
    )
    answer = retrains.claim(store, problem, wanted, timedelta())
    if answer.ask is None:
        raise Problem(409, f"Not started: {answer.held}.")
    return answer.ask


def _reason(body: bytes) -> str:
    try:
        reason = _wish(body).reason
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Problem(422, 'The body is no {"reason": "..."}.', fields=[]) from None
    if not reason.strip() or len(reason) > LONGEST:
        wanted = f"1 to {LONGEST} characters that say why; name no patient"
        raise Problem(422, "The reason is not what is wanted.", fields=[{"field": "reason", "wanted": wanted}])
    return " ".join(reason.split())
