"""Every query of every panel answers, asked of a real Prometheus that scrapes the real service."""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from rounds.retrains import Ask, claim
from rounds.store import open_store
from tests.checkout import ROOT
from tests.ports import free
from tests.serving.conftest import clinic  # noqa: F401 - the same clinic as the service's own tests
from tests.serving.orchestrator import PASSWORD, Orchestrator
from tests.serving.running import ONE, Clinic
from tests.serving.watched import published

BOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "monitoring/grafana").rglob("*.json"))}
PANELS = [(name, panel) for name, board in BOARDS.items() for panel in board["panels"]]
QUERIES = [(name, panel["title"], target["expr"]) for name, panel in PANELS for target in panel["targets"]]
PATIENCE = 600.0


class Prometheus:
    def __init__(self, port: int) -> None:
        self.port = port

    def get(self, path: str, **words: str) -> Any:
        asked = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(words)}"
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[Any]:
        return list(self.get("query", query=expression)["result"])

    def until(self, expression: str) -> list[Any]:
        """A rate needs two scrapes, and a recorded rule the turn after."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                if found := self.query(expression):
                    return found
            except OSError:
                pass
            time.sleep(0.3)
        raise AssertionError(f"nothing comes of {expression}")


@pytest.fixture(scope="module")
def asked(clinic: Clinic, prometheus: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:  # noqa: F811
    """The configuration of Compose, but for addresses, the key and the pace."""
    place = tmp_path_factory.mktemp("prometheus")
    own = clinic.copy(place / "clinic")
    with (
        Orchestrator().serving() as url,
        own.serving(AIRFLOW_URL=url, AIRFLOW_USER="watch", AIRFLOW_PASSWORD=PASSWORD) as service,
    ):
        store, bundle = open_store(own.checkout.store.as_uri()), service.ready().ask("/version").json["bundle"]
        wanted = Ask(key="0" * 16, run="w", training="t", bundle=bundle, rules=("age",), at=datetime.now(UTC))
        assert claim(store, "noshow", wanted, timedelta()).ask
        published(store, bundle)
        service.until("/ops/drift", lambda found: found.json["seen"] == "enough")
        service.until("/ops/health", lambda found: found.json["well"])
        started = run(prometheus, place, service.port)
        try:
            found = Prometheus(int((place / "port").read_text()))
            for _ in range(6):  # counters have to grow while they are looked at
                service.predict(ONE, {**ONE, "age": 30})
                time.sleep(0.5)
            found.until('up{job="serving"} == 1')
            service.predict(ONE)
            yield found
        finally:
            started.terminate()
            started.wait(PATIENCE)


def run(program: str, place: Path, port: int) -> subprocess.Popen[bytes]:
    told = yaml.safe_load((ROOT / "monitoring/prometheus.yml").read_text())
    told["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
    told["rule_files"] = [str(ROOT / "monitoring/rules.yml")]
    (scrape,) = told["scrape_configs"]
    scrape["authorization"]["credentials_file"] = str(place / "key")
    scrape["static_configs"][0]["targets"] = [f"127.0.0.1:{port}"]
    (place / "key").write_text("any: the service is for this machine alone")
    (place / "prometheus.yml").write_text(yaml.safe_dump(told))
    own = free()
    (place / "port").write_text(str(own))
    command = [program, f"--config.file={place / 'prometheus.yml'}", f"--storage.tsdb.path={place / 'data'}"]
    with (place / "out").open("wb") as out:
        listen = f"--web.listen-address=127.0.0.1:{own}"
        return subprocess.Popen([*command, listen], stdout=out, stderr=subprocess.STDOUT)


@pytest.mark.parametrize(("board", "title", "expression"), QUERIES)
def test_every_query_of_every_panel_answers(asked: Prometheus, board: str, title: str, expression: str) -> None:
    assert all("value" in each for each in asked.until(expression.replace("$job", ".+")))


def test_every_rule_is_evaluated_and_no_alert_but_drift_fires(asked: Prometheus) -> None:
    asked.until('ALERTS{alertname="DriftMatters",alertstate="firing"}')
    rules = [rule for group in asked.get("rules")["groups"] for rule in group["rules"]]
    assert [rule["name"] for rule in rules if rule["health"] != "ok"] == []
    assert {each["metric"]["alertname"] for each in asked.until('ALERTS{alertstate="firing"}')} == {"DriftMatters"}


def test_what_the_rules_and_panels_name_is_scraped(asked: Prometheus) -> None:
    """A misspelt name would make an alert that never fires."""
    there = set(asked.get("label/__name__/values"))
    rules = yaml.safe_load((ROOT / "monitoring/rules.yml").read_text())
    texts = [rule["expr"] for group in rules["groups"] for rule in group["rules"]] + [query for *_, query in QUERIES]
    named = {name for text in texts for name in re.findall(r"(?<![\w:])(rounds_\w+)", text)}
    assert named - there == set()


def test_what_an_alert_is_about_can_be_looked_at() -> None:
    """Every figure that an alert names is in a panel, by itself or by a rule; words are on the page /watch."""
    groups = yaml.safe_load((ROOT / "monitoring/rules.yml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    recorded = {rule["record"]: rule["expr"] for rule in rules if "record" in rule}
    shown = " ".join(query for *_, query in QUERIES)
    shown += " ".join(expression for name, expression in recorded.items() if name in shown)
    alerts = " ".join(rule["expr"] for rule in rules if "alert" in rule)
    named = set(re.findall(r"(?<![\w:])rounds_\w+", alerts))
    assert {name for name in named if name not in shown and not name.endswith(("_verdict", "_state"))} == set()


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_is_one_that_grafana_takes(name: str) -> None:
    board = BOARDS[name]
    assert board["uid"] == f"rounds-{name}" and board["schemaVersion"] >= 39 and "id" not in board
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    for panel in board["panels"]:
        assert panel["datasource"]["uid"] == "prometheus"
        assert panel["type"] in {"stat", "timeseries", "heatmap"}
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
    boxes = [[panel["gridPos"][side] for side in "xywh"] for panel in board["panels"]]
    taken = [(x + i, y + j) for x, y, w, h in boxes for i in range(w) for j in range(h)]
    assert len(taken) == len(set(taken)), "two panels overlap"
