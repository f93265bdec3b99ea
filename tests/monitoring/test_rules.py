"""Every alert fires where it should and is silent where all is well, as Prometheus itself evaluates it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from rounds.retrains import State
from tests.checkout import ROOT

RULES = ROOT / "monitoring/rules.yml"
FOUND: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in FOUND if "alert" in rule}
OF = 'job="serving",instance="a:8000"'
NOW = 2 * 3600  # seconds after the beginning of promtool's time; what was before is negative
TICK = {False: "1m", True: "15m"}


def series(name: str, values: str, labels: str = "") -> dict[str, str]:
    return {"series": f"{name}{{{','.join(filter(None, (OF, labels)))}}}", "values": values}


def always(name: str, value: float, labels: str = "") -> dict[str, str]:
    return series(name, f"{value:g}+0x120", labels)


def requests(bad: float) -> list[dict[str, str]]:
    """A hundred requests a minute; so many of them fail."""
    told = [("200", 100 - bad), ("500", bad)]
    return [
        series("rounds_requests_total", f"0+{each:g}x120", f'path="/predict",status="{word}"') for word, each in told
    ]


def slow(share: float) -> list[dict[str, str]]:
    """So many in a hundred take more than half a second."""
    counts = {"0.25": 100 - share, "0.5": 100 - share, "1": 100, "+Inf": 100}
    name = "rounds_request_seconds_bucket"
    return [series(name, f"0+{each:g}x120", f'path="/predict",le="{edge}"') for edge, each in counts.items()]


def histories(down: float) -> list[dict[str, str]]:
    return [
        series("rounds_history_down_total", f"0+{down:g}x120"),
        series("rounds_predictions_total", "0+100x120", 'band="low"'),
    ]


def verdict(name: str, word: str, *others: str) -> list[dict[str, str]]:
    label = "seen" if name == "rounds_watch_seen" else "verdict"
    return [always(name, float(each == word), f'{label}="{each}"') for each in (word, *others)]


def step(name: str, hours: float) -> dict[str, str]:
    """It last ended well so many hours before the moment that is looked at."""
    return always("rounds_step_last_success_timestamp_seconds", NOW - hours * 3600, f'step="{name}"')


def audited(days: float) -> dict[str, str]:
    """Collect last verified the ledgers so many days before that moment."""
    return always("rounds_journal_audited_timestamp_seconds", NOW - days * 86400)


def drift(word: str, matters: float) -> list[dict[str, str]]:
    others = {"drift", "none"} - {word}
    return [*verdict("rounds_drift_verdict", word, *others), always("rounds_drift_matters", matters, 'feature="age"')]


def training(state: str, hours: float, decided: str = "retrain") -> list[dict[str, str]]:
    """What came of the training that was asked for so long ago, and what the newest look decided."""
    told = [always("rounds_retrain_state", float(each == state), f'state="{each}"') for each in get_args(State)]
    at = always("rounds_retrain_asked_timestamp_seconds", NOW - hours * 3600)
    return [*told, at, *verdict("rounds_retrain_verdict", decided, *{"retrain", "warn", "nothing"} - {decided})]


UP = always("up", 1)
RATIO = ("rounds_calibration_ratio_low", "rounds_calibration_ratio_high")
# For each alert the worlds in which it fires, and those in which it does not.
WORLDS: dict[str, tuple[list[list[dict[str, str]]], list[list[dict[str, str]]]]] = {
    "ServiceDown": ([[always("up", 0)]], [[UP]]),
    "ServiceErrors": ([requests(10)], [requests(0), requests(1), [requests(0)[0]]]),
    "ServiceSlow": ([slow(5)], [slow(0)]),
    "NoModel": ([[UP]], [[UP, always("rounds_model_info", 1, 'version="7"')], [always("up", 0)]]),
    "JournalFull": ([[always("rounds_journal_full", 1)]], [[always("rounds_journal_full", 0)]]),
    "JournalLag": ([[always("rounds_journal_lag_seconds", 4000)]], [[always("rounds_journal_lag_seconds", 300)]]),
    "JournalAltered": (
        [
            [always("rounds_journal_faults", 1, 'kind="missing"')],
            [always("rounds_journal_faults", 2, 'kind="altered"')],
            [always("rounds_journal_lacking", 1)],
            [series("rounds_journal_parts", "40+0x60 39+0x59")],
            [audited(days=3), step("collect", 1)],
        ],
        [
            [always("rounds_journal_faults", 0, 'kind="missing"'), always("rounds_journal_lacking", 0)],
            [series("rounds_journal_parts", "40+1x120")],
            [audited(days=1), step("collect", 1)],
            [audited(days=3), step("collect", 71)],
        ],
    ),
    "RegistryDown": ([[always("rounds_registry_up", 0)]], [[always("rounds_registry_up", 1)]]),
    "HistoriesDown": ([histories(50)], [histories(0), histories(1)]),
    "HistoriesLost": (
        [
            verdict("rounds_history_verdict", "lost", "there", "unseen"),
            [*verdict("rounds_history_verdict", "there", "lost", "unseen"), always("rounds_features_constant", 6)],
        ],
        [
            [*verdict("rounds_history_verdict", "there", "lost", "unseen"), always("rounds_features_constant", 0)],
            verdict("rounds_history_verdict", "unseen", "lost", "there"),
        ],
    ),
    "DriftMatters": ([drift("drift", 1)], [drift("none", 0), drift("drift", 0), drift("none", 1)]),
    "PerformanceWorse": (
        [verdict("rounds_performance_verdict", "worse", "as_expected")],
        [
            verdict("rounds_performance_verdict", "as_expected", "worse"),
            verdict("rounds_performance_verdict", "unseen"),
        ],
    ),
    "CalibrationOff": (
        [[always(RATIO[0], 1.2), always(RATIO[1], 1.5)], [always(RATIO[0], 0.5), always(RATIO[1], 0.8)]],
        [[always(RATIO[0], 0.9), always(RATIO[1], 1.2)]],
    ),
    "ChampionOld": (
        [[always("rounds_champion_age_seconds", 250 * 86400)]],
        [[always("rounds_champion_age_seconds", 9 * 86400)]],
    ),
    "WatchBlind": (
        [verdict("rounds_watch_seen", "nothing", "enough")],
        [verdict("rounds_watch_seen", "little", "nothing"), verdict("rounds_watch_seen", "enough", "nothing")],
    ),
    "WatchStale": ([[step("monitor", 30)], [step("collect", 30)], [step("decide", 30)]], [[step("monitor", 20)]]),
    "TrainingStale": ([[step("register", 17 * 24)]], [[step("register", 8 * 24)], [step("monitor", 17 * 24)]]),
    "DailyStale": ([[step("publish", 30)], [step("score", 30)]], [[step("publish", 20)]]),
    "RetrainStuck": (
        [training("waiting", 10), training("running", 10), training("running", 30, decided="warn")],
        [
            training("refused", 10),
            training("ended", 10),
            training("waiting", 3),
            training("running", 3),
            training("waiting", 30, decided="nothing"),
        ],
    ),
    "RetrainRefused": (
        [training("refused", 10), training("refused", 1, decided="warn")],
        [training("ended", 10), training("running", 10), training("waiting", 10), training("refused", 8 * 24)],
    ),
    "StoreUnseen": (
        [[always("rounds_watch_store_up", 0)], [always("rounds_watch_readable", 0)]],
        [[always("rounds_watch_store_up", 1), always("rounds_watch_readable", 1)]],
    ),
    "AirflowUnwell": ([[always("rounds_airflow_up", 0)]], [[always("rounds_airflow_up", 1)], [UP]]),
}


def test_every_alert_has_its_worlds() -> None:
    assert set(WORLDS) == set(ALERTS)


def test_the_rules_are_rules(promtool: str) -> None:
    done = subprocess.run([promtool, "check", "rules", str(RULES)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_is_one(promtool: str, tmp_path: Path) -> None:
    text = (ROOT / "monitoring/prometheus.yml").read_text(encoding="utf-8")
    (tmp_path / "rules.yml").write_bytes(RULES.read_bytes())
    (tmp_path / "key").touch()
    (tmp_path / "prometheus.yml").write_text(text.replace("/run/secrets/serving-key", str(tmp_path / "key")))
    command = [promtool, "check", "config", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_alertmanager_takes_its_configuration(amtool: str) -> None:
    command = [amtool, "check-config", str(ROOT / "monitoring/alertmanager.yml")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def waits(alert: str) -> bool:
    return ALERTS[alert].get("for", "0m") == "26h"


def world(alert: str, made: list[dict[str, str]], fires: bool) -> dict[str, Any]:
    """120 ticks, looked at when they are over: of a minute, of a quarter of an hour where an alert waits for long."""
    asked = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})'
    return {
        "interval": TICK[waits(alert)],
        "input_series": made,
        "promql_expr_test": [
            {
                "expr": asked,
                "eval_time": f"{120 * (15 if waits(alert) else 1)}m",
                "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
            }
        ],
    }


@pytest.mark.parametrize("alert", WORLDS)
def test_an_alert_fires_and_is_silent(promtool: str, tmp_path: Path, alert: str) -> None:
    fire, silent = WORLDS[alert]
    worlds = [world(alert, made, True) for made in fire] + [world(alert, made, False) for made in silent]
    asked = {"rule_files": [str(RULES)], "evaluation_interval": TICK[waits(alert)], "tests": worlds}
    (tmp_path / "worlds.yml").write_text(json.dumps(asked))
    done = subprocess.run([promtool, "test", "rules", str(tmp_path / "worlds.yml")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_what_it_is_how_bad_and_what_to_do(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"].startswith("{{ $labels.job }}: ")
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert anchor == alert.lower() and anchor in {re.sub(r"[^\w -]", "", each).lower() for each in headings}
